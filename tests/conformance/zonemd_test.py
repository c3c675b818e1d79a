"""RFC 8976 appendix A: the example zones, transferred from BIND or Knot to ours and from ours to here. The digests that the RFC prints
are those of what arrives: no record is lost, added or changed on the way, in a way that would matter to who verifies."""
import hashlib
import re
import struct
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "scenarios"), str(HERE.parent / "differential")]

import message  # noqa: E402
from lib import ask  # noqa: E402
from lib.peers import Bind, Knot  # noqa: E402
from lib.process import Stage  # noqa: E402
from lib.understudy import Understudy  # noqa: E402

ZONEMD, SOA, RRSIG = 63, 6, 46
HASHES = {1: hashlib.sha384, 2: hashlib.sha512}
# Digests that can be verified, and a primary that takes the zone: BIND refuses digests of unknown schemes, Knot the base64 of A.4.
VERIFIABLE = {"simple": (1, Knot), "complex": (1, Knot), "several_digests": (2, Knot), "uri.arpa": (1, Bind), "root-servers.net": (1, Knot)}


@pytest.fixture
def stage():
    made = Stage()
    try:
        yield made
    finally:
        problems = made.close()
        made.remove()
    assert not problems, problems


def transferred(port, zone):
    """The records (owner, type, TTL, RDATA) of an AXFR, in canonical form."""
    records, apex = [], ask.dns.name.from_text(zone).to_wire()
    with ask.tcp_connect(port) as s:
        ask.tcp_send(s, message.query(7, apex, 252))
        while sum(r[1] == SOA for r in records) < 2:
            response = message.parse(ask.tcp_receive(s))
            assert response.rcode == 0
            records += response.sections[0]
    return records[:-1]


def digest(records, apex, algorithm):
    """RFC 8976 section 3.3.1: scheme SIMPLE."""
    wanted = set()
    for owner, rdtype, ttl, rdata in records:
        covers = struct.unpack_from("!H", rdata)[0] if rdtype == RRSIG else None
        if owner == apex and ZONEMD in (rdtype, covers):
            continue
        wire = owner + struct.pack("!HHIH", rdtype, 1, ttl, len(rdata)) + rdata
        wanted.add((labels(owner), rdtype, rdata, wire))
    made = HASHES[algorithm]()
    for *_, wire in sorted(wanted):
        made.update(wire)
    return made.digest()


def labels(name):
    """For the canonical order (RFC 4034 section 6.1)."""
    out, at = [], 0
    while name[at]:
        out.append(name[at + 1:at + 1 + name[at]])
        at += 1 + name[at]
    return tuple(reversed(out))


@pytest.mark.parametrize("example", VERIFIABLE)
def test_digests_of_the_rfc(stage, example):
    count, primary = VERIFIABLE[example]
    text = (HERE / "rfc8976" / f"{example}.zone").read_text()
    zone = re.search(r"^\$ORIGIN (\S+)", text, re.MULTILINE)[1]
    us = Understudy(stage).primary(primary(stage, {zone: text}).start()).zone(zone).allow("127.0.0.0/8").start()
    ask.wait_until(lambda: ask.serial(us.port, zone) is not None, 10, f"{zone} is served")
    records = transferred(us.port, zone)
    apex = ask.dns.name.from_text(zone).to_wire()
    verified = 0
    for owner, rdtype, _, rdata in records:
        scheme, algorithm = rdata[4:6] if rdtype == ZONEMD else (0, 0)
        if owner == apex and scheme == 1 and algorithm in HASHES:
            assert digest(records, apex, algorithm) == rdata[6:]
            verified += 1
    assert verified == count
    one_less = [r for r in records if r[1] in (SOA, ZONEMD)]
    assert digest(one_less, apex, 1) != digest(records, apex, 1), "the digest must depend on the records"


def test_zonemd_is_answered_as_data(stage):
    text = (HERE / "rfc8976" / "several_digests.zone").read_text()
    us = Understudy(stage).primary(Knot(stage, {"example.": text}).start()).zone("example.").start()
    ask.wait_until(lambda: ask.serial(us.port, "example.") is not None, 10, "example. is served")
    question = message.query(1, b"\7example\0", ZONEMD, size=1232)
    reply = message.parse(ask.udp(us.port, question))
    assert reply.aa and len(reply.sections[0]) == 4, "those of unknown schemes too"
