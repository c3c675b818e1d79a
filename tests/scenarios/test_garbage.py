"""Octets that mean nothing, at every door: the server survives and still answers."""
import random
import socket
import struct

import dns.edns
import dns.message
import pytest

from lib import ask
from lib.scripted import CLOSE, ScriptedPrimary
from lib.understudy import Understudy
from lib.wire import Version, message, messages
from lib.zones import Key

ZONE = "example."


def running(stage, key=None):
    primary = ScriptedPrimary(stage, ZONE, key=key)
    us = Understudy(stage, http=True).primary(primary).allow("127.0.0.0/8").zone(ZONE).start().wait_serial(ZONE, 1)
    return primary, us


def alive(us):
    assert us.alive(), f"understudyd ended with {us.process.returncode}"
    us.assert_serves(ZONE, 1)
    assert us.query(ZONE, "NS", tcp=True).answer
    assert us.status(ZONE)["serial"] == 1
    assert us.get("/healthz")[0] == 200


def seeds():
    """Messages worth changing: queries of many kinds, NOTIFY, signed ones."""
    yield dns.message.make_query(f"h1.{ZONE}", "A").to_wire()
    yield dns.message.make_query(f"h1.{ZONE}", "ANY", want_dnssec=True).to_wire()
    yield dns.message.make_query(ZONE, "AXFR").to_wire()
    yield dns.message.make_query(ZONE, "IXFR").to_wire()
    yield ask.notify_message(ZONE, 5).to_wire()
    signed = dns.message.make_query(ZONE, "SOA")
    key = Key()
    signed.use_tsig(ask.keyring(key), keyname=key.name)
    yield signed.to_wire()
    options = [dns.edns.GenericOption(code, content) for code, content in ((10, b"8octets!"), (3, b""), (11, b""), (19, b""), (8, b"\0\1\x18\0\1\2\3"))]
    yield dns.message.make_query(f"h1.{ZONE}", "A", use_edns=0, options=options).to_wire()


def mutate(wire, dice):
    wire = bytearray(wire)
    for _ in range(dice.randrange(1, 6)):
        kind, at = dice.randrange(5), dice.randrange(len(wire)) if wire else 0
        if kind == 0 and wire:
            wire[at] ^= 1 << dice.randrange(8)
        elif kind == 1 and wire:
            wire[at] = dice.choice((0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff))
        elif kind == 2:
            del wire[at:at + dice.randrange(1, 8)]
        elif kind == 3:
            wire[at:at] = dice.randbytes(dice.randrange(1, 8))
        else:
            wire += dice.randbytes(dice.randrange(1, 40))
    return bytes(wire)


def test_udp(stage):
    primary, us = running(stage)
    dice, good = random.Random(1), list(seeds())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(20_000):
            wire = dice.randbytes(dice.randrange(0, 200)) if i % 4 == 0 else mutate(dice.choice(good), dice)
            s.sendto(wire, (ask.HOST, us.port))
            if i % 2000 == 0:
                alive(us)
    alive(us)


def test_tcp(stage):
    primary, us = running(stage)
    dice, good = random.Random(2), list(seeds())
    for i in range(300):
        with ask.tcp_connect(us.port, timeout=0.3) as s:
            try:
                for _ in range(dice.randrange(1, 5)):
                    wire = dice.randbytes(dice.randrange(0, 300)) if i % 4 == 0 else mutate(dice.choice(good), dice)
                    length = len(wire) if dice.random() < 0.8 else dice.randrange(65536)
                    s.sendall(struct.pack("!H", length) + wire)
                if i % 3 == 0:
                    s.shutdown(socket.SHUT_WR)
                    s.recv(65536)
            except OSError:
                pass
    alive(us)


def test_behind_a_balancer(stage):
    """PROXY headers with changed octets, by UDP and TCP: each is taken or dropped, and the server goes on."""
    primary = ScriptedPrimary(stage, ZONE)
    us = Understudy(stage, http=True).primary(primary).option("server", proxy_from=["127.0.0.2"])
    us.zone(ZONE).start().wait_serial(ZONE, 1)
    header = bytes.fromhex("0d0a0d0a000d0a515549540a2112000cc00002017f00000114e90035")
    dice, good = random.Random(6), list(seeds())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.2", 0))
        for i in range(5_000):
            wire = dice.choice(good)
            s.sendto(mutate(header, dice) + wire if i % 2 else mutate(header + wire, dice), (ask.HOST, us.port))
    for i in range(200):
        with socket.create_connection((ask.HOST, us.port), 0.3, source_address=("127.0.0.2", 0)) as s:
            try:
                wire = dice.choice(good)
                s.sendall(mutate(header, dice) + struct.pack("!H", len(wire)) + wire)
                s.recv(65536)
            except OSError:
                pass
    alive(us)


HTTP = [b"GET / HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n", b"POST /healthz HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b"\0" * 5000, b"GET", b"",
        b"PUT /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"]


def test_http(stage):
    primary, us = running(stage)
    dice = random.Random(3)
    for wire in HTTP + [dice.randbytes(dice.randrange(1, 3000)) for _ in range(100)] + [mutate(HTTP[0], dice) for _ in range(100)]:
        with socket.create_connection((ask.HOST, us.http_port), 0.2) as s:
            try:
                s.sendall(wire)
                s.recv(65536)
            except OSError:
                pass
    alive(us)


def test_many_silent_http_clients(stage):
    primary, us = running(stage)
    silent = [socket.create_connection((ask.HOST, us.http_port), 1) for _ in range(50)]
    us.assert_serves(ZONE, 1)
    for s in silent:
        s.close()
    alive(us)


def test_control_socket(stage):
    primary, us = running(stage)
    dice = random.Random(4)
    blobs = [dice.randbytes(dice.randrange(1, 3000)) for _ in range(100)]
    blobs += [b"{" * 100_000, b"[" * 100_000, b'{"command":', b"\n" * 1000, b"null\n", b'{"command": ["zone", 1]}\n', b'"' + b"a" * 500_000, b"\xff\xff\xff\xff"]
    for wire in blobs:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(0.1)
            s.connect(us.socket)
            try:
                s.sendall(wire)
                if dice.random() < 0.5:
                    s.shutdown(socket.SHUT_WR)
                s.recv(65536)
            except OSError:
                pass
    alive(us)


def good(version):
    return ask.read_records(message(None, version.records, ident=0, question=False))


@pytest.mark.long
@pytest.mark.parametrize("key", [None, Key()], ids=["unsigned", "tsig"])
def test_transfers(stage, key):
    """Transfers with changed octets are taken or refused as a whole; a signed one is never taken with other content."""
    primary, us = running(stage, key)
    dice, serial = random.Random(5), 1
    for turn in range(150):
        primary.versions[ZONE] = Version(ZONE, serial + 1 & 0xffffffff)

        def spoiled(query):
            wires = list(primary.send(query, messages(query, primary.version.records, 5)))
            at = dice.randrange(len(wires))
            wires[at] = mutate(wires[at], dice)
            return [*wires, CLOSE]
        primary.on_axfr = spoiled
        us.cli("zone", "refresh", ZONE, check=False)
        now = us.serial(ZONE)
        assert now is not None, f"turn {turn}: the zone is not answered any more"
        if now != serial:
            serial, records = now, ask.axfr(us.port, ZONE)
            assert not key or set(records) == set(good(primary.version)), f"turn {turn}: content that was not signed"
    last = serial + 10 & 0xffffffff
    primary.publish(last, us.port)
    us.wait_serial(ZONE, last)
    ask.assert_same_zone(us.port, primary.port, ZONE, other_key=key)
