"""Questions at a steady rate, from a process of its own, and what became of them."""

import contextlib
import multiprocessing
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass, field

from . import dns
from .wait import percentile

# A query that is not answered by then is lost; resolvers have gone elsewhere before.
PATIENCE = 2.0
# A generator that was not let run does not make up for it by more than this at once.
BURST = 32


@dataclass
class Counts:
    """What became of the questions."""

    sent: int = 0
    unanswered: int = 0
    servfail: int = 0
    empty: int = 0
    wrong: int = 0
    backwards: int = 0
    serial: int = 0
    latencies: list = field(default_factory=list)

    def is_clean(self):
        return self.sent > 0 and not (self.unanswered or self.servfail or self.empty or self.wrong or self.backwards)

    def latency(self, share):
        """In milliseconds."""
        return 1000 * percentile(self.latencies, share)

    def __str__(self):
        return (
            f"{self.sent} queries, {self.unanswered} unanswered, {self.servfail} SERVFAIL, {self.empty} empty, "
            f"{self.wrong} wrong"
        )


class Load:
    """Asks each of `questions` in turn, `rate` of them a second, from `with` on until the end of it, or `stop`.

    A question is a name, a type and the addresses that may be answered, where none at all is a right answer to nothing;
    for SOA, whose serials must not go back, the third does not count.
    """

    def __init__(self, port, questions, rate):
        self._counts = None
        self._pipe, theirs = multiprocessing.Pipe()
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=drive, args=(theirs, port, list(questions), rate), daemon=True)

    def __enter__(self):
        self._process.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it, and returns the counts."""
        if self._counts is None:
            self._pipe.send(None)
            self._counts = self._pipe.recv()
            self._process.join()
        return self._counts


def drive(pipe, port, questions, rate):
    """The process's main function."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    driver = Driver(port, questions)
    began = time.monotonic()
    while not pipe.poll():
        now = time.monotonic()
        due = int((now - began) * rate) - driver.counts.sent
        if due > BURST:
            began += (due - BURST) / rate
        for _ in range(min(due, BURST)):
            driver.send()
        driver.receive(0.001)
    end = time.monotonic() + PATIENCE
    while driver.pending and time.monotonic() < end:
        driver.receive(0.01)
    driver.counts.unanswered += len(driver.pending)
    with contextlib.suppress(KeyboardInterrupt):
        pipe.send(driver.counts)


class Driver:
    """A socket, and the questions that wait for their answers."""

    def __init__(self, port, questions):
        self.counts = Counts()
        self.pending = {}
        self._questions = [(dns.question(name, kind)[2:], kind, right) for name, kind, right in questions]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)

    def send(self):
        number = self.counts.sent & 0xFFFF
        octets, kind, right = self._questions[self.counts.sent % len(self._questions)]
        if number in self.pending:
            self.counts.unanswered += 1
        # An answer to what is asked now must not be older than what is known now.
        self.pending[number] = (time.monotonic(), kind, right, self.counts.serial)
        self.counts.sent += 1
        # What the last one met, such as a closed port, is told now: that one stays unanswered.
        with contextlib.suppress(OSError):
            self._socket.send(struct.pack("!H", number) + octets)

    def receive(self, patience):
        select.select([self._socket], [], [], patience)
        with contextlib.suppress(OSError):
            while True:
                self._take(self._socket.recv(4096))

    def _take(self, response):
        began, kind, right, floor = self.pending.pop(struct.unpack_from("!H", response)[0], (None,) * 4)
        counts = self.counts
        if began is None:
            counts.wrong += 1
            return
        counts.latencies.append(time.monotonic() - began)
        answer = dns.parse(response)
        if answer.rcode == dns.SERVFAIL:
            counts.servfail += 1
        elif answer.rcode in (dns.NOERROR, dns.NXDOMAIN) and not answer.records:
            counts.empty += 1
        elif kind == "SOA" and answer.serial is not None:
            counts.backwards += answer.serial < floor
            counts.serial = max(counts.serial, answer.serial)
        elif answer.rcode or not answer.addresses or not answer.addresses <= right:
            counts.wrong += 1
