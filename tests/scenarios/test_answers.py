"""What is answered: against the RFCs, and against Knot, NSD and BIND with the same zone."""
import socket
import struct
import subprocess
import time
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rdatatype
import pytest

from lib import ask
from lib.peers import Bind, Knot, Nsd
from lib.sections import facts, records
from lib.understudy import Understudy

ZONE = "rich.example."
TEXT = (Path(__file__).parent / "data" / "rich.zone").read_text()
TYPES = ["A", "AAAA", "TXT", "MX", "NS", "CNAME", "DNAME", "DS", "SOA", "SRV", "TYPE65280"]
NEAR_MISSES = """x.wild y.x.wild x.exists.wild ent.wild x.ent.wild x.cwild b.c.ent c.ent ent x.ent x.sub x.x.sub x.nosubglue x.sibling
 x.dname host.dname a.host.dname x.dnamew x.dnameout x.dnameself x.y.longd nothing *.x.wild x.*.wild _tcp WWW cwild wild x.host.*.wild
 host.target.dname dname.dname x.www x.alias x.self x.towild wwww ww""".split()


def serve(stage, text=TEXT, zone=ZONE, **options):
    """Ours as the secondary of a Knot that has this zone."""
    knot = Knot(stage, {zone: text}).start()
    us = Understudy(stage, **options).primary(knot).zone(zone).allow("127.0.0.0/8").start()
    us.wait_serial(zone, 1)
    return knot, us


def questions(text, zone, near_misses):
    """Every owner name of the zone, and names beside and below them, for every type of the list."""
    owners = dict.fromkeys(line.split()[0] for line in text.splitlines() if line and line[0] not in ";$")
    names = [zone if owner == "@" else f"{owner}.{zone}" for owner in [*owners, *near_misses]]
    return [(name, rdtype) for name in names for rdtype in TYPES]


def compare(us, peers, asked, **options):
    """Where two of the peers agree, ours says the same. Returns the number of questions compared."""
    differences = []
    for name, rdtype in asked:
        theirs = [facts(ask.query(p.port, name, rdtype, **options)) for p in peers]
        agreed = next((t for t in theirs if theirs.count(t) > 1), None)
        assert agreed is not None, f"the peers agree on nothing for {name} {rdtype}: {theirs}"
        ours = facts(ask.query(us.port, name, rdtype, **options))
        if ours != agreed:
            differences.append(f"{name} {rdtype}: " + "; ".join(f"{k}: ours {ours[k]}, theirs {agreed[k]}" for k in ours if ours[k] != agreed[k]))
    assert not differences, f"{len(differences)} of {len(asked)} differ:\n" + "\n".join(differences[:20])
    return len(asked)


@pytest.mark.parametrize("options", [{}, {"use_edns": 0}, {"tcp": True}], ids=["plain", "edns", "tcp"])
def test_same_answers_as_the_peers(stage, options):
    knot, us = serve(stage)
    peers = [knot, Nsd(stage, {ZONE: TEXT}).start(), Bind(stage, {ZONE: TEXT}).start()]
    assert compare(us, peers, questions(TEXT, ZONE, NEAR_MISSES), **options) > 500


SIGNERS = {
    "nsec": lambda folder, keys: ["ldns-signzone", "-f", "signed.zone", "plain.zone", *keys],
    "nsec3": lambda folder, keys: ["ldns-signzone", "-n", "-t", "0", "-f", "signed.zone", "plain.zone", *keys],
}


def sign(stage, kind):
    """The rich zone, signed, without what signers refuse."""
    folder = Path(stage.folder("signed"))
    text = TEXT.replace("dnameself      DNAME dnameself\n", "")
    (folder / "plain.zone").write_text(text)

    def run(*command):
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
    keys = [run("ldns-keygen", "-a", "ECDSAP256SHA256", *flag, ZONE) for flag in (["-k"], [])]
    run(*SIGNERS[kind](folder, keys))
    return (folder / "signed.zone").read_text()


def rrsets(section, rdtype):
    return {r.name.to_text().lower(): r for r in section if r.rdtype == dns.rdatatype.from_text(rdtype)}


@pytest.mark.parametrize("kind", SIGNERS)
def test_signatures_beside_their_records(stage, kind):
    """DO: every authoritative RRset comes with its RRSIG, as the peers send it. Without DO: none."""
    knot, us = serve(stage, sign(stage, kind))
    for name, rdtype in [("www", "A"), ("www", "AAAA"), ("www", "TXT"), ("alias3", "A"), ("x.wild", "A"), ("host.dname", "A"), ("_sip._tcp", "SRV")]:
        name = f"{name}.{ZONE}"
        ours, theirs = (ask.query(s.port, name, rdtype, want_dnssec=True, payload=4096) for s in (us, knot))
        assert ours.flags & dns.flags.AA and ours.ednsflags & dns.flags.DO
        assert records(ours.answer) == records(theirs.answer), name
        covered = {(r.name, r.covers) for r in ours.answer if r.rdtype == dns.rdatatype.RRSIG}
        synthesized = "dname" in name
        assert all((r.name, r.rdtype) in covered for r in ours.answer
                   if r.rdtype != dns.rdatatype.RRSIG and not (synthesized and r.rdtype == dns.rdatatype.CNAME)), ours
        plain = ask.query(us.port, name, rdtype)
        assert not rrsets(plain.answer, "RRSIG") and plain.answer
    negative = ask.query(us.port, f"nothing.{ZONE}", "A", want_dnssec=True, payload=4096)
    assert negative.rcode() == 3 and any(r.covers == dns.rdatatype.SOA for r in negative.authority), negative
    assert ask.query(us.port, ZONE, "DNSKEY", want_dnssec=True, payload=4096).answer
    assert len(ask.axfr(us.port, ZONE)) == len(ask.axfr(knot.port, ZONE))


def test_signed_zone_without_do_is_answered_as_an_unsigned_one(stage):
    signed = sign(stage, "nsec")
    knot, us = serve(stage, signed)
    peers = [knot, Nsd(stage, {ZONE: signed}).start()]
    asked = [(name, t) for name, t in questions(TEXT, ZONE, NEAR_MISSES) if "dnameself" not in name and t != "NS"]
    compare(us, peers, asked)


# Single rules

def test_flags_and_question(stage):
    knot, us = serve(stage)
    for name in (f"www.{ZONE}", "wWw.RiCh.ExAmPlE.", f"nothing.{ZONE}"):
        wire = dns.message.make_query(name, "A", id=0x1234).to_wire()
        reply = ask.udp(us.port, wire)
        flags = struct.unpack("!H", reply[2:4])[0]
        assert reply[:2] == b"\x12\x34" and flags & 0xfff0 == 0x8500, hex(flags)  # QR, AA, and RD as asked
        assert reply[12:len(wire)] == wire[12:], "the question comes back as it was sent, in its case"


def test_negative_ttl(stage):
    """RFC 2308: the SOA's TTL in a negative answer is the lesser of its own and its MINIMUM."""
    knot, us = serve(stage)
    for name, rdtype, rcode in [(f"nothing.{ZONE}", "A", 3), (f"www.{ZONE}", "MX", 0), (f"c.ent.{ZONE}", "A", 0)]:
        reply = us.query(name, rdtype)
        assert (reply.rcode(), reply.answer) == (rcode, []) and reply.authority[0].ttl == 300, reply
    assert us.query(ZONE, "SOA").answer[0].ttl == 3600


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_any_is_one_record_set(stage, tcp):
    """RFC 8482 section 4.1."""
    knot, us = serve(stage)
    for name in (ZONE, f"www.{ZONE}", f"x.wild.{ZONE}"):
        reply = us.query(name, "ANY", tcp=tcp)
        assert reply.rcode() == 0 and len(reply.answer) == 1 and reply.flags & dns.flags.AA, reply
    assert us.query(f"nothing.{ZONE}", "ANY", tcp=tcp).rcode() == 3
    assert not us.query(f"c.ent.{ZONE}", "ANY", tcp=tcp).answer


@pytest.mark.parametrize("name", ["other.test.", "example.", ".", "xrich.example.", "com."])
def test_not_served_is_refused(stage, name):
    knot, us = serve(stage)
    for tcp in (False, True):
        reply = us.query(name, "A", tcp=tcp)
        assert reply.rcode() == 5 and not reply.flags & dns.flags.AA and not reply.authority, reply


def test_loops_and_chains_are_bounded(stage):
    chain = "".join(f"c{i} CNAME c{i + 1}\n" for i in range(2000))
    knot, us = serve(stage, TEXT + chain)
    for name in ("self", "loop1", "c0"):
        reply = us.query(f"{name}.{ZONE}", "A", tcp=True)
        assert 1 <= len(reply.answer) <= 100, f"{name}: {len(reply.answer)} CNAME records"
    began = time.monotonic()
    for _ in range(200):
        us.query(f"c0.{ZONE}", "A")
    assert time.monotonic() - began < 2


def test_overflowing_dname_is_yxdomain(stage):
    knot, us = serve(stage)
    reply = us.query(f"{'x' * 60}.longd.{ZONE}", "A")
    assert reply.rcode() == 6 and rrsets(reply.answer, "DNAME"), reply


def test_dname_synthesis(stage):
    knot, us = serve(stage)
    reply = us.query(f"HOST.dname.{ZONE}", "A")
    assert [r.rdtype for r in reply.answer] == [dns.rdatatype.DNAME, dns.rdatatype.CNAME, dns.rdatatype.A]
    assert reply.answer[1].ttl == 3600 and str(reply.answer[1][0].target).lower() == f"host.target.{ZONE}"


def test_child_and_parent_side_by_side(stage):
    child = "$TTL 60\n@ SOA ns1 h 1 3600 600 86400 300\n@ NS ns1\nns1 A 192.0.2.20\nx A 192.0.2.99\n"
    knot = Knot(stage, {ZONE: TEXT, f"sub.{ZONE}": child}).start()
    us = Understudy(stage).primary(knot).zone(ZONE).zone(f"sub.{ZONE}").start()
    us.wait_serial(ZONE, 1)
    us.wait_serial(f"sub.{ZONE}", 1)
    assert us.query(f"x.sub.{ZONE}").answer and us.query(f"x.sub.{ZONE}").flags & dns.flags.AA
    ds = us.query(f"sub.{ZONE}", "DS")
    assert ds.flags & dns.flags.AA and str(ds.authority[0].name) == ZONE, "DS is the parent's (RFC 4035 section 3.1.4.1)"
    assert str(us.query(f"sub.{ZONE}", "MX").authority[0].name) == f"sub.{ZONE}"


# Header, EDNS

OPCODES = {"STATUS": 2, "IQUERY": 1, "UPDATE": 5, "unassigned": 9}


@pytest.mark.parametrize("opcode", OPCODES.values(), ids=OPCODES)
def test_other_opcodes(stage, opcode):
    knot, us = serve(stage)
    wire = bytearray(dns.message.make_query(ZONE, "SOA").to_wire())
    wire[2] = opcode << 3
    reply = ask.udp(us.port, bytes(wire))
    assert reply[3] & 15 in ((4, 5, 9) if opcode == 5 else (4,)) and (reply[2] >> 3) & 15 == opcode and reply[2] & 0x80


def test_other_classes_and_meta_types(stage):
    knot, us = serve(stage)
    for klass in ("CH", "HS", "NONE", "CLASS200"):
        assert us.query(f"www.{ZONE}", "A", rdclass=klass).rcode() in (1, 5), klass
    assert us.query("version.bind.", "TXT", rdclass="CH").rcode() == 5
    for rdtype in ("IXFR", "MAILA", "MAILB", "TKEY"):
        reply = us.query(ZONE, rdtype)
        assert reply.rcode() in (0, 1, 4, 5) and (rdtype == "IXFR" or not reply.answer), rdtype
    assert us.query(ZONE, 65535).rcode() == 0, "an unknown type is a type without data"
    assert us.query(ZONE, 0).rcode() in (0, 1)


MALFORMED = {
    "no question": lambda q: q[:4] + b"\0\0" + q[6:12],
    "two questions": lambda q: q[:4] + b"\0\2" + q[6:] + q[12:],
    "an answer in the query": lambda q: q[:6] + b"\0\1" + q[8:],
    "cut in the question": lambda q: q[:-3],
    "octets after the end": lambda q: q + b"xxxx",
    "pointer to itself": lambda q: q[:12] + b"\xc0\x0c\0\1\0\1",
    "name over 255": lambda q: q[:12] + b"\x3f" * 1 + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0\0\1\0\1",
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_malformed_queries(stage, change):
    """FORMERR or nothing; by TCP the connection may end; the server goes on."""
    knot, us = serve(stage)
    wire = change(dns.message.make_query(f"www.{ZONE}", "A", id=77).to_wire())
    reply = ask.udp(us.port, wire, timeout=0.5)
    assert reply is None or (reply[:2] == b"\0\x4d" and reply[3] & 15 in (0, 1)), reply
    if b"xxxx" not in wire:
        assert reply is None or reply[3] & 15 == 1, reply
    with ask.tcp_connect(us.port) as s:
        ask.tcp_send(s, wire)
        ask.tcp_send(s, dns.message.make_query(f"www.{ZONE}", "A", id=78).to_wire())
        s.settimeout(3)
        while (got := ask.tcp_receive(s)) and got[:2] != b"\0\x4e":
            pass
    us.assert_serves(ZONE, 1)


def test_responses_and_short_packets_get_no_answer(stage):
    """Two servers that answer each other's responses would never stop."""
    knot, us = serve(stage)
    response = bytearray(dns.message.make_query(ZONE, "SOA").to_wire())
    response[2] |= 0x80
    for wire in (bytes(response), b"", b"\0", b"\0" * 11):
        assert ask.udp(us.port, wire, timeout=0.3) is None, wire
    us.assert_serves(ZONE, 1)


def test_edns(stage):
    knot, us = serve(stage)
    assert us.query(ZONE, "SOA").edns == -1, "no OPT unless asked"
    reply = us.query(ZONE, "SOA", use_edns=0, payload=4096)
    assert reply.edns == 0 and reply.payload >= 512 and not reply.ednsflags & dns.flags.DO
    newer = dns.message.make_query(ZONE, "SOA")
    newer.use_edns(1)  # make_query() takes 1 for "yes"
    assert newer.ednsflags >> 16 & 0xff == 1
    reply = ask.exchange(us.port, newer)
    assert reply.rcode() == 16 and reply.edns == 0 and not reply.answer, "BADVERS with version 0 (RFC 6891 section 6.1.3)"
    reply = us.query(ZONE, "SOA", use_edns=0, options=[dns.edns.GenericOption(65001, b"whatever")])
    assert reply.rcode() == 0 and not [o for o in reply.options if o.otype == 65001], "unknown options are ignored"
    reply = us.query(ZONE, "SOA", use_edns=0, ednsflags=0x8000 | 0x7fff)
    assert reply.rcode() == 0 and reply.ednsflags & 0x7fff == 0, "unknown flags are clear in the response"
    twice = dns.message.make_query(ZONE, "SOA", use_edns=0).to_wire()
    twice = twice[:10] + b"\0\2" + twice[12:] + twice[-11:]
    assert ask.udp(us.port, twice)[3] & 15 == 1, "two OPT are FORMERR (RFC 6891 section 6.1.1)"


@pytest.mark.parametrize("payload,limit", [(None, 512), (512, 512), (100, 512), (1000, 1000), (4096, 1232), (65535, 1232)])
def test_truncation_and_retry_by_tcp(stage, payload, limit):
    """What does not fit is left out whole and TC set; TCP has it all."""
    knot, us = serve(stage)
    options = {} if payload is None else {"use_edns": 0, "payload": payload}
    query = dns.message.make_query(f"big.{ZONE}", "TXT", **options)
    wire = ask.udp(us.port, query.to_wire())
    assert len(wire) <= limit
    reply = dns.message.from_wire(wire)
    assert reply.flags & dns.flags.TC and not reply.answer, reply
    assert reply.rcode() == 0 and (reply.edns >= 0) == (payload is not None)
    whole = ask.exchange(us.port, query, tcp=True)
    assert len(whole.answer[0]) == 7 and not whole.flags & dns.flags.TC


def test_configured_udp_size(stage):
    knot = Knot(stage, {ZONE: TEXT}).start()
    us = Understudy(stage).primary(knot).zone(ZONE).option("server", udp_max_size=4096).start()
    us.wait_serial(ZONE, 1)
    assert len(us.query(f"big.{ZONE}", "TXT", use_edns=0, payload=4096).answer[0]) == 7


def test_required_glue_does_not_get_lost(stage):
    """RFC 9471: glue for name servers below the cut that does not fit sets TC."""
    cut = "".join(f"fat NS ns{i}.a-rather-long-label-for-name-servers.fat\nns{i}.a-rather-long-label-for-name-servers.fat AAAA 2001:db8::{i}\n"
                  for i in range(1, 14))
    knot, us = serve(stage, TEXT + cut)
    reply = us.query(f"x.fat.{ZONE}", "A")
    assert reply.flags & dns.flags.TC, reply
    reply = us.query(f"x.fat.{ZONE}", "A", tcp=True)
    assert len(reply.additional) == 13 and not reply.flags & (dns.flags.TC | dns.flags.AA), reply


# TCP

def test_pipelined_queries(stage):
    """Two hundred queries at once on one connection: each is answered, none twice."""
    knot, us = serve(stage)
    names = {i: (f"www.{ZONE}" if i % 2 else f"n{i}.{ZONE}") for i in range(200)}
    with ask.tcp_connect(us.port) as s:
        s.sendall(b"".join(struct.pack("!H", len(w)) + w for w in (dns.message.make_query(n, "A", id=i).to_wire() for i, n in names.items())))
        replies = [dns.message.from_wire(ask.tcp_receive(s)) for _ in names]
    assert sorted(r.id for r in replies) == list(names)
    assert all(str(r.question[0].name) == names[r.id] and r.rcode() == (0 if r.id % 2 else 3) for r in replies)


def test_query_in_many_segments(stage):
    """RFC 7766 section 8: the length and the message may come apart anywhere."""
    knot, us = serve(stage)
    wire = dns.message.make_query(f"www.{ZONE}", "A").to_wire()
    with ask.tcp_connect(us.port) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(2):
            for octet in struct.pack("!H", len(wire)) + wire:
                s.sendall(bytes([octet]))
                time.sleep(0.002)
            assert len(dns.message.from_wire(ask.tcp_receive(s)).answer[0]) == 2


def test_half_closed_connection(stage):
    """A client that closes its sending side still gets its answers."""
    knot, us = serve(stage)
    with ask.tcp_connect(us.port) as s:
        for i in range(5):
            ask.tcp_send(s, dns.message.make_query(f"www.{ZONE}", "A", id=i).to_wire())
        s.shutdown(socket.SHUT_WR)
        assert sorted(ask.tcp_receive(s)[1] for _ in range(5)) == [0, 1, 2, 3, 4]
        assert ask.tcp_receive(s) is None


def test_idle_and_greedy_clients(stage):
    """Idle connections end; one address cannot take them all."""
    knot = Knot(stage, {ZONE: TEXT}).start()
    us = Understudy(stage).primary(knot).zone(ZONE).option("server", tcp_idle_timeout="500ms", tcp_max_clients_per_address=20).start()
    us.wait_serial(ZONE, 1)
    greedy = [ask.tcp_connect(us.port) for _ in range(40)]
    time.sleep(1.5)
    for s in greedy:
        s.settimeout(1)
        try:
            assert s.recv(1) == b"", "an idle connection is still open"
        except ConnectionResetError:
            pass
        s.close()
    assert us.query(f"www.{ZONE}", tcp=True).answer


def test_client_that_does_not_read(stage):
    """Its answers pile up at its own connection only; others are served."""
    knot, us = serve(stage)
    wire = dns.message.make_query(f"big.{ZONE}", "TXT").to_wire()
    with ask.tcp_connect(us.port, timeout=1) as s:
        try:
            for _ in range(20_000):
                ask.tcp_send(s, wire)
        except socket.timeout:
            pass
        for _ in range(20):
            assert us.query(f"www.{ZONE}", tcp=True).answer
        assert us.memory_mib() < 600
    us.assert_serves(ZONE, 1)
