"""The program under test, as a process."""

import re
import resource
import signal
import string
import subprocess
import time
import urllib.request

from .api import Api
from .dns import ask
from .row import binary
from .wait import until


class NotStarted(Exception):
    """It ended, or answered nobody; what it said."""


class Daemon:
    """A daemon with a folder and ports that stay the same from start to start.

    In its Corefile `$dns`, `$api` and `$page` are ports on 127.0.0.1, `$folder` is its folder.
    """

    def __init__(self, row, corefile, name="node", env=None, descriptors=None):
        self.folder = row.folder / name
        self.folder.mkdir()
        self.dns, self.api_port, self.page = row.port(), row.port(), row.port()
        self.env, self.descriptors = env, descriptors
        self.process = None
        self.configure(corefile)
        row.at_end(self.kill)

    def configure(self, corefile):
        """Writes the Corefile; a daemon that runs does not read it by itself."""
        places = {"dns": self.dns, "api": self.api_port, "page": self.page, "folder": self.folder}
        (self.folder / "Corefile").write_text(string.Template(corefile).substitute(places))

    def start(self, patience=20):
        """Starts it, and returns the seconds until it answered anything."""
        began = time.monotonic()
        self.launch()

        def is_there():
            if self.process.poll() is not None:
                raise NotStarted(f"it ended with {self.process.returncode}: {self.said()}")
            return ask(self.dns, ".", "SOA", timeout=0.05, tries=1) is not None

        try:
            until(is_there, "the daemon answers", patience, pause=0.002)
        except TimeoutError:
            raise NotStarted(f"it answers nobody: {self.said()}") from None
        return time.monotonic() - began

    def launch(self):
        """Starts it and waits for nothing."""
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [binary(), "-quiet", "-conf", str(self.folder / "Corefile")],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                preexec_fn=self._limit if self.descriptors else None,
            )

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """Ends it as a power cut ends a process: at once."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """Ends it as an operator does, and returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(30)

    def is_alive(self):
        return self.process.poll() is None

    def api(self, timeout=10):
        """A new client of its API."""
        return Api(self.api_port, timeout)

    def ask(self, name, kind="A"):
        return ask(self.dns, name, kind)

    def metric(self, name):
        """The sum of a metric's samples; 0 if there are none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/metrics", timeout=5) as page:
            text = page.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^\n]*}})? (\S+)$", text, re.M))

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / 100

    def said(self, lines=3):
        """The last that it said, in one line."""
        return " / ".join(self.log().splitlines()[-lines:])[-500:] or "nothing"

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def _limit(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))


def over(backend, *lines):
    """A Corefile that serves a registry over a backend, with its API and its metrics."""
    lines = "\n        ".join([f"backend {backend}", *lines])
    return f""".:$dns {{
    bind 127.0.0.1
    prometheus 127.0.0.1:$page
    registry {{
        {lines}
        api 127.0.0.1:$api
    }}
    errors
}}
"""
