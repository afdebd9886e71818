"""What the rows of the table are written with: real processes, simple clients of their two sides, and a verdict."""

from .api import Api, Refused, Unreached
from .daemon import Daemon, NotStarted, over
from .dns import ask
from .etcd import Etcd
from .gate import Gate
from .load import Load
from .row import SLACK, Skip, run
from .wait import until

__all__ = [
    "SLACK", "Api", "Daemon", "Etcd", "Gate", "Load", "NotStarted", "Refused", "Skip", "Unreached", "ask", "over", "run",
    "until",
]
