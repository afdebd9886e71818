"""One row of the table: its options, its folder, what is to be ended, and its verdict."""

import argparse
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Below the ports that the kernel gives to clients, so that a server finds its own again after a restart.
PORTS = range(24000, 25000)
# What `make` and the test drivers of autotools take for "not done here".
SKIPPED = 77
# What bounds on time are multiplied by: they are goals of a release build on a machine that does nothing else.
SLACK = float(os.environ.get("RELIABILITY_SLACK", "1"))


class Skip(Exception):
    """This machine does not let the fault be made."""


class Row:
    """What a row's function is given."""

    def __init__(self, long, folder, stack):
        self.long = long
        self.folder = Path(folder)
        self.random = random.Random(1)
        self.shortfalls = []
        self._stack = stack
        self._taken = set()

    def pick(self, short, long):
        """A number for the short form, and the table's for the long one."""
        return long if self.long else short

    def expect(self, holds, otherwise):
        """Something the row passes by; `otherwise` says what is the case instead."""
        if not holds:
            self.shortfalls.append(otherwise)

    def at_end(self, function, *args):
        """Has something done when the row ends, however it does; what came last is first."""
        self._stack.callback(function, *args)

    def port(self):
        """A port that nobody has, for TCP and UDP."""
        first = random.randrange(len(PORTS))
        for offset in range(len(PORTS)):
            port = PORTS[(first + offset) % len(PORTS)]
            if port not in self._taken and is_free(port):
                self._taken.add(port)
                return port
        raise Skip("there is no free port")


def run(row, description):
    """The main program of a row: a function that does it and returns its figure in words."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="the full numbers of the table")
    parser.add_argument("--keep", action="store_true", help="leave the folder with what the processes wrote")
    options = parser.parse_args()
    name = Path(sys.argv[0]).name
    folder = tempfile.mkdtemp(prefix=f"{name}-")
    os.chmod(folder, 0o755)
    # Whoever ends a row ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        stack.callback(remove, folder, options.keep)
        given = Row(options.long, folder, stack)
        try:
            figure = row(given)
        except Skip as reason:
            return verdict(SKIPPED, name, reason)
        except KeyboardInterrupt:
            return 130
        except Exception as error:
            # Whatever is wrong, the row has no figure; where from is for who looks closer.
            if options.keep:
                traceback.print_exc()
            return verdict(1, name, f"{type(error).__name__}: {error}")
    if given.shortfalls:
        # What is wrong each time is said once.
        first, *more = dict.fromkeys(given.shortfalls)
        return verdict(1, name, f"{figure}. But: {'; '.join([first, *more[:4]])}")
    return verdict(0, name, figure)


def verdict(code, name, text):
    """Prints the one line of a row: its exit code."""
    word = {0: "PASS", SKIPPED: "SKIP"}.get(code, "FAIL")
    print(word, f"{name}:", " ".join(str(text).split()), flush=True)
    return code


def binary():
    """The program to test: what CARTONYM names, or a release build."""
    given = os.environ.get("CARTONYM")
    if given:
        # A daemon is started in a folder of its own.
        return os.path.abspath(given)
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "cartonym-daemon"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    os.environ["CARTONYM"] = f"{target}/release/cartonym"
    return os.environ["CARTONYM"]


def is_free(port):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


def remove(folder, keep):
    if keep:
        print(f"kept: {folder}", file=sys.stderr)
    else:
        subprocess.run(["rm", "-rf", folder], check=False)
