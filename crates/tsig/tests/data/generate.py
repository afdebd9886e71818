#!/usr/bin/env python3
"""Writes dnspython.txt: messages signed by dnspython (https://www.dnspython.org), a judge that is not ours.

Each line is a word and its values. `key` begins a case: name, algorithm, secret. Then come the time of signature, and in
hexadecimal digits a request without and with its signature, its response likewise, and the messages of a stream:
those with a `-` have been left unsigned.
"""
import base64
import struct

import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
from dns.rdtypes.ANY.TSIG import TSIG

TIME = 1_700_000_000
ALGORITHMS = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")


def sign(wire, key, request_mac=b"", ctx=None, multi=False):
    """The signed message, its MAC, and what the next is signed with."""
    blank = TSIG(dns.rdataclass.ANY, dns.rdatatype.TSIG, key.algorithm, 0, 300, b"", struct.unpack("!H", wire[:2])[0], 0, b"")
    signed, ctx = dns.tsig.sign(wire, key, blank, TIME, request_mac, ctx, multi)
    rdata = signed.to_wire()
    owner = key.name.canonicalize().to_wire()
    record = owner + struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata
    count = struct.unpack("!H", wire[10:12])[0] + 1
    return wire[:10] + struct.pack("!H", count) + wire[12:] + record, signed.mac, ctx


def record(owner, text):
    return dns.rrset.from_text(owner, 300, "IN", *text.split(" ", 1))


def message(query, *records):
    response = dns.message.make_response(query)
    response.answer = list(records)
    return response.to_wire()


out = []
for n, algorithm in enumerate(ALGORITHMS):
    secret = bytes(range(n, n + 32))
    key = dns.tsig.Key("Key.Example.", secret, algorithm)
    query = dns.message.make_query("www.Example.", "A", id=4711 + n, use_edns=0 if n % 2 else False)
    plain = query.to_wire()
    signed, mac, _ = sign(plain, key)
    response = message(query, record("www.Example.", "A 192.0.2.1"))
    signed_response, _, _ = sign(response, key, mac)
    out += [f"key key.example. {algorithm} {base64.b64encode(secret).decode()}", f"time {TIME}"]
    out += [f"request {plain.hex()} {signed.hex()}", f"response {response.hex()} {signed_response.hex()}"]
    ctx, stream = None, []
    for address in range(4):
        part = message(query, record("www.Example.", f"A 192.0.2.{address}"))
        if address == 1:
            # Not signed; what follows signs it as well.
            ctx.update(part)
            stream.append(f"{part.hex()}:-")
            continue
        signed_part, _, ctx = sign(part, key, mac, ctx, True)
        stream.append(f"{part.hex()}:{signed_part.hex()}")
    out += ["stream " + " ".join(stream)]
open(__file__.replace("generate.py", "dnspython.txt"), "w").write("\n".join(out) + "\n")
