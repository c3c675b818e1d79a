"""What a primary may get wrong in a transfer: refused, the old version kept, the reason said; or dropped; or kept."""
import struct
import time

import dns.message
import dns.rdatatype
import pytest

from lib import ask
from lib.process import wait_until
from lib.scripted import CLOSE, HANG, Raw, ScriptedPrimary, Sleep
from lib.understudy import Understudy
from lib.wire import CH, RESPONSE, TRUNCATED, Signer, Version, message, messages, name, rr, soa_rr
from lib.zones import Key

ZONE = "example."
AA = 0x0400


def taken(stage, key=None, **options):
    """A scripted primary, and ours that has taken serial 1 from it."""
    primary = ScriptedPrimary(stage, ZONE, serial=1, key=key)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).option("transfer", stall_timeout="1s", **options)
    us.start().wait_serial(ZONE, 1)
    return primary, us


def offer(primary, us, actions, serial=2, **version):
    """Announces a version whose transfer is made of these actions; returns the position in the log before."""
    mark = us.log_mark()
    primary.versions[ZONE] = Version(ZONE, serial, **version)
    primary.on_axfr = lambda query: actions(primary, query)
    primary.announce(us.port)
    return mark


def assert_refused(primary, us, actions, reason, serial=2, **version):
    """The transfer is refused with this reason, serial 1 stays whole, and the next good version is taken."""
    before = ask.axfr(us.port, ZONE)
    mark = offer(primary, us, actions, serial, **version)
    us.wait_log(rf"example\..*({reason})", since=mark)
    us.assert_serves(ZONE, 1)
    ask.assert_same_records(ask.axfr(us.port, ZONE), before)
    status = us.status(ZONE)
    assert status["serial"] == 1 and status["last_error"], status
    primary.publish(9, us.port)
    us.wait_serial(ZONE, 9)
    ask.assert_same_zone(us.port, primary.port, ZONE, other_key=primary.key)


def one(p, q, **options):
    """The whole version in one message with this fault."""
    return [message(q, p.version.records, **options)]


def records(change):
    """The version's records changed by `change(list)`, in messages of five."""
    def actions(p, q):
        wires = list(p.version.records)
        changed = change(wires)
        return [*messages(q, wires if changed is None else changed, 5), CLOSE]
    return actions


def started(*rest):
    """The first half of the version, then `rest`."""
    return lambda p, q: [*messages(q, p.version.records[:10], 5), *rest]


OTHER_NAME = name("other.example.") + struct.pack("!HH", 252, 1)
OTHER_TYPE = name(ZONE) + struct.pack("!HH", 6, 1)
OTHER_CLASS = name(ZONE) + struct.pack("!HH", 252, CH)
SHORT_A = rr("bad.example.", "A", b"\x01\x02\x03")
FORWARDS = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 2) + b"\xff\xff"

REFUSED = {
    "wrong id": (lambda p, q: one(p, q, ident=q.ident ^ 1), "id"),
    "wrong id later": (lambda p, q: [message(q, p.version.records[:9]), message(q, p.version.records[9:], ident=q.ident ^ 1)], "id"),
    "query instead of response": (lambda p, q: one(p, q, flags=AA), "QR|not a response"),
    "QR clear in a later message": (lambda p, q: [message(q, p.version.records[:9]), message(q, p.version.records[9:], flags=AA)],
                                    "QR|not a response"),
    "wrong opcode": (lambda p, q: one(p, q, flags=RESPONSE | AA | 4 << 11), "opcode"),
    "wrong question name": (lambda p, q: one(p, q, question=OTHER_NAME), "question"),
    "wrong question type": (lambda p, q: one(p, q, question=OTHER_TYPE), "question"),
    "wrong question class": (lambda p, q: one(p, q, question=OTHER_CLASS), "question|class"),
    "no question in the first message": (lambda p, q: messages(q, p.version.records, 5, question=False), "question"),  # RFC 5936 section 2.2.2
    "refused": (lambda p, q: [message(q, rcode=5)], "REFUSED"),
    "not authoritative": (lambda p, q: [message(q, rcode=9)], "NOTAUTH"),
    "server failure in the middle": (lambda p, q: [message(q, p.version.records[:9]), message(q, rcode=2)], "SERVFAIL"),
    "no SOA first": (records(lambda r: r[1:]), "start"),
    "SOA of another zone first": (records(lambda r: [soa_rr("other.example.", 2), *r[1:]]), "start|SOA"),
    "SOA of class CH": (records(lambda r: [r[0][:len(name(ZONE)) + 2] + b"\0\3" + r[0][len(name(ZONE)) + 4:], *r[1:]]), "class|start"),
    "no closing SOA": (records(lambda r: r[:-1]), "closed|end"),
    "closing SOA with another serial": (records(lambda r: [*r[:-1], soa_rr(ZONE, 3)]), "SOA|end"),
    "closing SOA with other timers": (records(lambda r: [*r[:-1], soa_rr(ZONE, 2, refresh=1)]), "SOA|end"),
    "another SOA in the middle": (records(lambda r: r.insert(8, soa_rr(ZONE, 3))), "SOA|end"),
    "records after the closing SOA": (lambda p, q: [message(q, [*p.version.records, rr("x.example.", "A", "192.0.2.9")])], "after the"),
    "octets after the last record": (lambda p, q: one(p, q, tail=b"xyz"), "after the|trailing"),
    "no NS at the apex": (records(lambda r: r.pop(1) and None), "NS"),
    "closed at once": (lambda p, q: [CLOSE], "closed"),
    "closed in the middle": (started(CLOSE), "closed|end"),
    "closed inside a message": (started(Raw(b"\x02\x00" + b"\0" * 80), CLOSE), "closed|end"),
    "closed inside a length": (started(Raw(b"\x02"), CLOSE), "closed|end"),
    "hangs at once": (lambda p, q: [HANG], "progress|in time|stall"),
    "hangs in the middle": (started(HANG), "progress|in time|stall"),
    "hangs inside a message": (started(Raw(b"\x02\x00" + b"\0" * 80), HANG), "progress|in time|stall"),
    "message too short": (started(b"\0\0\0\0\0", CLOSE), "field|ends|header|id"),
    "message without octets": (started(b"", CLOSE), "field|ends|header|id|closed"),
    "fewer records than counted": (lambda p, q: one(p, q, count=len(p.version.records) + 3), "field|ends|header"),
    "short address": (records(lambda r: r.insert(5, SHORT_A)), "data|field"),
    "short SOA": (records(lambda r: [rr(ZONE, "SOA", b"\0\0\0\0\0\1"), *r[1:]]), "data|field"),
    "pointer forwards": (records(lambda r: r.insert(5, FORWARDS)), "pointer|data|field"),
    "label too long": (records(lambda r: r.insert(5, b"\x7f" + SHORT_A)), "label|field|pointer"),
    "serial below the probed one": (records(lambda r: [soa_rr(ZONE, 2), *r[1:-1], soa_rr(ZONE, 2)]), "older|serial", 5),
    "serial below the served one": (records(lambda r: [soa_rr(ZONE, 0xffffffff), *r[1:-1], soa_rr(ZONE, 0xffffffff)]), "older|serial", 5),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused(stage, case):
    actions, reason, *serial = case
    assert_refused(*taken(stage), actions, reason, *serial)


def signed(change):
    """Messages of five records; `change(signer, index, last, wire)` signs each, rightly or not."""
    def actions(p, q):
        signer, wires = Signer(p.key, q.mac), list(messages(q, p.version.records, 5))
        return [*(change(signer, i, i == len(wires) - 1, wire) for i, wire in enumerate(wires)), CLOSE]
    return actions


def fault_at(position, **fault):
    """Every message signed; the fault in the first, a middle or the last one."""
    wanted = {"first": lambda i, last: i == 0, "middle": lambda i, last: i == 2, "last": lambda i, last: last}[position]
    return signed(lambda s, i, last, wire: s.sign(wire, **fault) if wanted(i, last) else s.sign(wire))


def add_record(wire):
    """The signed message with a record after its TSIG."""
    return wire[:10] + struct.pack("!H", 2) + wire[12:] + rr("x.example.", "A", "192.0.2.9")


BAD_SIGNATURE = "TSIG|signature|signed|key"
SIGNATURES = {
    "none at all": (signed(lambda s, i, last, wire: wire), "not signed|" + BAD_SIGNATURE),
    "first missing": (signed(lambda s, i, last, wire: s.unsigned(wire) if i == 0 else s.sign(wire)), BAD_SIGNATURE),
    "last missing": (signed(lambda s, i, last, wire: s.unsigned(wire) if last else s.sign(wire)), BAD_SIGNATURE),
    "first wrong": (fault_at("first", corrupt=True), BAD_SIGNATURE),
    "middle wrong": (fault_at("middle", corrupt=True), BAD_SIGNATURE),
    "last wrong": (fault_at("last", corrupt=True), BAD_SIGNATURE),
    "other key": (fault_at("first", key_name="other.key."), "key|" + BAD_SIGNATURE),
    "other algorithm": (fault_at("first", algorithm="hmac-sha512."), "algorithm|" + BAD_SIGNATURE),
    "stale": (fault_at("first", shift=-1000), "time"),
    "stale later": (fault_at("last", shift=-1000), "time"),
    "from the future": (fault_at("first", shift=1000), "time"),
    "of 8 octets": (fault_at("first", mac_octets=8), "short|" + BAD_SIGNATURE),
    "of 15 octets": (fault_at("first", mac_octets=15), "short|" + BAD_SIGNATURE),
    "of no octets": (fault_at("last", mac_octets=0), "short|" + BAD_SIGNATURE),
    "with an error": (fault_at("first", error=17), "BADKEY|rejected|" + BAD_SIGNATURE),
    "not the last record": (signed(lambda s, i, last, wire: add_record(s.sign(wire)) if i == 0 else s.sign(wire)), BAD_SIGNATURE),
    "twice": (signed(lambda s, i, last, wire: s.sign(s.sign(wire))), BAD_SIGNATURE),
    "not covering unsigned messages": (signed(lambda s, i, last, wire: wire if 0 < i and not last else s.sign(wire)), BAD_SIGNATURE),
}


@pytest.mark.parametrize("case", SIGNATURES.values(), ids=SIGNATURES)
def test_bad_signature_is_refused(stage, case):
    assert_refused(*taken(stage, Key()), *case)


def gap(length):
    """Signed at both ends and every `length` + 1 messages between; each message has one record."""
    def actions(p, q):
        signer, wires = Signer(p.key, q.mac), list(messages(q, p.version.records, 1))
        return [signer.sign(w) if i % (length + 1) == 0 or i == len(wires) - 1 else signer.unsigned(w) for i, w in enumerate(wires)]
    return actions


def test_99_unsigned_messages_between_signatures_are_accepted(stage):
    primary, us = taken(stage, Key())
    offer(primary, us, gap(99), hosts=300)
    us.wait_serial(ZONE, 2)
    assert len(ask.axfr(us.port, ZONE)) == 303


def test_100_unsigned_messages_between_signatures_are_refused(stage):
    assert_refused(*taken(stage, Key()), gap(100), BAD_SIGNATURE, hosts=300)


def test_signature_of_half_the_digest_is_accepted(stage):
    """RFC 8945 section 5.2.2.1: at least half of the digest and ten octets."""
    primary, us = taken(stage, Key())
    offer(primary, us, lambda p, q: [Signer(p.key, q.mac).sign(message(q, p.version.records), mac_octets=16)])
    us.wait_serial(ZONE, 2)


def test_unsigned_answer_of_the_probe_is_not_believed(stage):
    primary, us = taken(stage, Key())
    mark, before = us.log_mark(), primary.transfers()
    primary.versions[ZONE] = Version(ZONE, 2)
    primary.on_soa = lambda query: [message(query, [primary.version.soa])]
    primary.announce(us.port)
    us.wait_log(rf"example\..*({BAD_SIGNATURE}|in time)", since=mark)
    us.assert_serves(ZONE, 1)
    assert primary.transfers() == before


PROBES = {
    "refused": (lambda p, q: [message(q, rcode=5)], "REFUSED"),
    "server failure": (lambda p, q: [message(q, rcode=2)], "SERVFAIL"),
    "not authoritative": (lambda p, q: [message(q, [p.version.soa], flags=RESPONSE)], "authoritative"),
    "without SOA": (lambda p, q: [message(q)], "SOA|authoritative"),
    "wrong id, by UDP and TCP": (lambda p, q: [message(q, [p.version.soa], ident=q.ident ^ 1), CLOSE], "id|in time|closed"),
    "truncated, then TCP closes": (lambda p, q: [message(q, flags=RESPONSE | AA | TRUNCATED)] if q.transport == "udp" else [CLOSE], "closed"),
}


@pytest.mark.parametrize("case", PROBES.values(), ids=PROBES)
def test_bad_probe_leads_to_no_transfer(stage, case):
    primary, us = taken(stage, probe_timeout="1s")
    actions, reason = case
    mark, before = us.log_mark(), primary.transfers()
    primary.versions[ZONE] = Version(ZONE, 2)
    primary.on_soa = lambda query: actions(primary, query)
    primary.announce(us.port)
    us.wait_log(rf"example\..*({reason})", since=mark)
    us.assert_serves(ZONE, 1)
    assert primary.transfers() == before
    primary.publish(3, us.port)
    us.wait_serial(ZONE, 3)


def test_truncated_probe_is_asked_again_by_tcp(stage):
    primary, us = taken(stage)
    primary.publish(2)
    primary.on_soa = lambda q: primary.soa(q) if q.transport == "tcp" else [message(q, flags=RESPONSE | AA | TRUNCATED)]
    primary.announce(us.port)
    us.wait_serial(ZONE, 2)


def test_older_serial_is_not_taken(stage):
    """RFC 1982: 0xfffffff0 is older than 1, and 1 is newer than it."""
    primary, us = taken(stage)
    before = primary.transfers()
    primary.publish(0xfffffff0, us.port)
    time.sleep(0.5)
    us.assert_serves(ZONE, 1)
    assert primary.transfers() == before


def test_serial_wraps(stage):
    primary = ScriptedPrimary(stage, ZONE, serial=0xfffffff0)
    us = Understudy(stage).primary(primary).zone(ZONE).start().wait_serial(ZONE, 0xfffffff0)
    primary.publish(5, us.port)
    us.wait_serial(ZONE, 5)


def test_record_limit(stage):
    assert_refused(*taken(stage, max_records=1000), lambda p, q: p.axfr(q, 100), "record", hosts=2000)


def test_byte_limit(stage):
    assert_refused(*taken(stage, max_size="64KiB"), lambda p, q: p.axfr(q, 100), "larger|size|octets", hosts=4000)


def endless(primary, query):
    """A zone that never ends, as fast as it is taken."""
    yield message(query, [primary.version.soa, *primary.version.body])
    counter = 0
    while True:
        block = [rr(f"e{counter + i}.example.", "A", b"\x0a\0\0\1") for i in range(500)]
        counter += 500
        yield message(query, block, question=False)


@pytest.mark.long
def test_endless_transfer_ends_at_the_limit(stage):
    primary, us = taken(stage, max_records=200_000)
    before = us.memory_mib()
    peak = [0.0]
    mark = offer(primary, us, endless)

    def over():
        peak[0] = max(peak[0], us.memory_mib())
        return "record" in "\n".join(line for line in us.log(mark).splitlines() if "example." in line)
    wait_until(over, 60, "the limit", step=0.05)
    us.assert_serves(ZONE, 1)
    assert peak[0] - before < 300, f"{before:.0f} MiB grew to {peak[0]:.0f}"
    primary.publish(3, us.port)
    us.wait_serial(ZONE, 3)


def test_endless_duplicates_end_at_the_limit(stage):
    """Records that are dropped count as well, or they could be sent for ever."""
    def actions(p, q):
        yield message(q, [p.version.soa, *p.version.body])
        while True:
            yield message(q, p.version.body * 20, question=False)
    assert_refused(*taken(stage, max_records=20_000, max_size="2MiB"), actions, "record|larger|size|octets")


def test_endless_empty_messages_end(stage):
    def actions(p, q):
        yield message(q, [p.version.soa, *p.version.body])
        while True:
            yield message(q, question=False)
    assert_refused(*taken(stage, max_size="256KiB"), actions, "no record|larger|size|octets|progress")


@pytest.mark.long
def test_trickle_ends(stage):
    """An octet now and then is progress, but below the rate that is waited for; a healthy zone does not wait."""
    primary, us = taken(stage)
    primary.versions["healthy."] = Version("healthy.", 1)
    us.zone("healthy.").reload()
    us.wait_serial("healthy.", 1)

    def trickle(p, q):
        whole = b"".join(struct.pack("!H", len(w)) + w for w in messages(q, p.version.records, 5))
        for i in range(len(whole)):
            yield Raw(whole[i:i + 1])
            yield Sleep(0.2)
    mark = offer(primary, us, lambda p, q: p.axfr(q) if q.zone != ZONE else trickle(p, q), hosts=2000)
    time.sleep(1)
    primary.versions["healthy."] = Version("healthy.", 2)
    primary.announce(us.port, zone="healthy.")
    us.wait_serial("healthy.", 2, timeout=2)
    us.wait_log(r"example\..*(slow|rate)", since=mark, timeout=45)
    us.assert_serves(ZONE, 1)


def test_octet_by_octet_is_accepted(stage):
    """Where a message is cut into segments means nothing (RFC 7766 section 8)."""
    primary, us = taken(stage)

    def actions(p, q):
        for wire in messages(q, p.version.records[:4] + [p.version.soa], 2):
            for octet in struct.pack("!H", len(wire)) + wire:
                yield Raw(bytes([octet]))
                yield Sleep(0.001)
    offer(primary, us, actions)
    us.wait_serial(ZONE, 2)
    assert len(ask.axfr(us.port, ZONE)) == 4


OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)


def with_opt(wire):
    return wire[:10] + struct.pack("!H", 1) + wire[12:] + OPT


SHAPES = {
    "one record a message": lambda p, q: messages(q, p.version.records, 1),
    "all in one message": lambda p, q: messages(q, p.version.records, 10_000),
    "the question in every message": lambda p, q: messages(q, p.version.records, 5, question_always=True),
    "odd header bits": lambda p, q: messages(q, p.version.records, 5, flags=RESPONSE | AA | 0x00f0 | 0x0100),
    "without AA": lambda p, q: messages(q, p.version.records, 5, flags=RESPONSE),
    "with EDNS": lambda p, q: map(with_opt, messages(q, p.version.records, 5)),
    "records in reverse": lambda p, q: messages(q, [p.version.soa, *reversed(p.version.body), p.version.soa], 5),
    "the question in other case": lambda p, q: messages(q, p.version.records, 5, question=q.question.upper()),
}


def test_names_keep_their_case(stage):
    """RFC 5936 section 3.4: what is passed on, also after a restart, is what came, octet by octet (the zone's own name is spelled
    in one way, as in the configuration)."""
    names = ["MiXeD.example.", "mixed-TOO.example.", "sUb.MiXeD.example.", "Target.example."]
    primary = ScriptedPrimary(stage, ZONE, extra=[rr(owner, "PTR", owner.swapcase()) for owner in names])
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).start().wait_serial(ZONE, 1)
    for _ in range(2):
        sets = [s for wire in ask.axfr_messages(us.port, ZONE) for s in dns.message.from_wire(wire, one_rr_per_rrset=True).answer]
        got = sorted((str(s.name), str(s[0].target)) for s in sets if s.rdtype == dns.rdatatype.PTR)
        assert got == sorted((owner, owner.swapcase()) for owner in names)
        primary.stop()
        us.restart()


@pytest.mark.parametrize("actions", SHAPES.values(), ids=SHAPES)
def test_shape_is_accepted(stage, actions):
    primary, us = taken(stage)
    offer(primary, us, actions)
    us.wait_serial(ZONE, 2)
    primary.on_axfr = primary.axfr
    ask.assert_same_zone(us.port, primary.port, ZONE)


DROPPED = {
    "outside": [rr("other.test.", "A", "192.0.2.9"), rr("badexample.", "A", "192.0.2.9"), rr(".", "NS", "a.test.")],
    "class": [rr("ch.example.", "TXT", b"\1x", klass=CH)],
    "duplicate": [rr("h0.example.", "A", struct.pack("!I", 2)), rr("H1.EXAMPLE.", "A", struct.pack("!I", 2))],
}


@pytest.mark.parametrize("kind", DROPPED)
def test_dropped_and_said_once(stage, kind):
    primary, us = taken(stage)
    mark = offer(primary, us, lambda p, q: messages(q, [p.version.soa, *p.version.body, *DROPPED[kind], p.version.soa], 5))
    us.wait_serial(ZONE, 2)
    ask.assert_same_records(ask.axfr(us.port, ZONE), ask.read_records(message(None, [primary.version.soa, *primary.version.body], ident=0, question=False)))
    words = {"outside": "outside|out of zone|out-of-zone", "class": "class", "duplicate": "duplicate"}[kind]
    line = us.wait_log(rf"({words})", since=mark)
    assert "example." in line, line
    warned = [each for each in us.log(mark).splitlines() if "warn" in each.lower() and "example." in each]
    assert len(warned) <= 2, warned


def test_odd_records_are_kept_with_a_warning(stage):
    """A secondary serves what its primary has."""
    odd = [rr("both.example.", "CNAME", "h0.example."), rr("both.example.", "A", "192.0.2.9"), rr("unknown.example.", "TYPE65280", b"\1\2"),
           rr("sub.example.", "NS", "ns.sub.example."), rr("occluded.sub.example.", "TXT", b"\1x"),
           rr("d.example.", "DNAME", "elsewhere.test."), rr("below.d.example.", "A", "192.0.2.9")]
    primary, us = taken(stage)
    primary.versions[ZONE] = Version(ZONE, 2, extra=odd)
    mark = us.log_mark()
    primary.announce(us.port)
    us.wait_serial(ZONE, 2)
    ask.assert_same_zone(us.port, primary.port, ZONE)
    us.wait_log(r"both\.example\..*CNAME|CNAME.*both\.example\.", since=mark)


def test_case_of_names_is_kept(stage):
    primary, us = taken(stage)
    primary.publish(2, us.port, extra=[rr("MixedCase.example.", "PTR", "WWW.Example.Test.")])
    us.wait_serial(ZONE, 2)
    reply = us.query("mixedcase.EXAMPLE.", "PTR")
    assert str(reply.answer[0][0].target) == "WWW.Example.Test."
    assert b"MixedCase" in b"".join(ask.axfr_messages(us.port, ZONE))


def test_wide_record_set(stage):
    """One RRset of 64 KiB fills a message of its own, in and out."""
    primary, us = taken(stage)
    primary.publish(2, us.port, extra=[rr("wide.example.", "TXT", bytes([250]) + struct.pack("!I", i) + b"x" * 246) for i in range(240)])
    us.wait_serial(ZONE, 2)
    ask.assert_same_zone(us.port, primary.port, ZONE)
    assert len(us.query("wide.example.", "TXT", tcp=True).answer[0]) == 240
