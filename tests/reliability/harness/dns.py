"""Questions and answers, as far as the rows need them: A, SRV and SOA over UDP."""

import socket
import struct
from typing import NamedTuple

TYPES = {"A": 1, "SOA": 6, "SRV": 33}
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


class Answer(NamedTuple):
    """What a response says."""

    rcode: int
    records: int
    addresses: frozenset
    serial: int | None


def question(name, kind="A", number=0):
    """A query's octets; without EDNS."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, TYPES[kind], 1)


def parse(response):
    """Reads a response to one question."""
    _, flags, questions, records, _, _ = struct.unpack_from("!6H", response)
    at = 12
    for _ in range(questions):
        at = past_name(response, at) + 4
    addresses, serial = [], None
    for _ in range(records):
        at = past_name(response, at)
        kind, _, _, length = struct.unpack_from("!HHIH", response, at)
        at += 10 + length
        if kind == TYPES["A"]:
            addresses.append(socket.inet_ntoa(response[at - 4:at]))
        elif kind == TYPES["SOA"]:
            serial = struct.unpack_from("!I", response, at - 20)[0]
    return Answer(flags & 15, records, frozenset(addresses), serial)


def past_name(message, at):
    while message[at] and message[at] < 0xC0:
        at += 1 + message[at]
    return at + (2 if message[at] else 1)


def ask(port, name, kind="A", timeout=1.0, tries=3):
    """Asks as a resolver does, which asks again; `None` if nothing comes."""
    query = question(name, kind, number=4711)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        asking.settimeout(timeout)
        for _ in range(tries):
            try:
                asking.send(query)
                while (response := asking.recv(4096))[:2] != query[:2]:
                    pass
                return parse(response)
            except OSError:
                pass
    return None
