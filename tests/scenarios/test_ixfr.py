"""Differences from a primary that does not know what it does: the old version stays, the reason is said, the whole zone is
asked for at once, and the next good transfer heals everything."""
import struct
import time

import pytest

from lib import ask
from lib.process import wait_until
from lib.scripted import CLOSE, HANG, ScriptedPrimary, Sleep
from lib.understudy import Understudy
from lib.wire import AXFR, IXFR, TRUNCATED, RESPONSE, Signer, Version, differences, message, messages, name, rr, soa_rr
from lib.zones import Key

ZONE = "example."
AA = 0x0400


def version(serial, *extra):
    """Hosts that never change, and what this version has beside them."""
    return Version(ZONE, serial, stamp=7, extra=[rr(f"x{serial}.{ZONE}", "A", f"192.0.2.{serial % 250}"), *extra])


def started(stage, key=None, **options):
    """A scripted primary with the versions 1 to 3, and ours that has taken the first of them."""
    primary = ScriptedPrimary(stage, ZONE, serial=1, key=key)
    primary.versions[ZONE] = version(1)
    primary.past[ZONE] = [primary.versions[ZONE]]
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).option("transfer", stall_timeout="1s", **options)
    us.start().wait_serial(ZONE, 1)
    for serial in (2, 3):
        primary.past[ZONE].append(version(serial))
    primary.versions[ZONE] = primary.past[ZONE][-1]
    return primary, us


def one(p, q, records, **options):
    return list(p.send(q, [message(q, records, **options)]))


def steps(p):
    """SOA of the newest version, the two differences to it, that SOA again."""
    first, second, third = p.past[ZONE]
    return third.soa, differences(first, second), differences(second, third)


def swapped(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, *b, *a, soa])


def gap(p, q):
    soa, _, b = steps(p)
    return one(p, q, [soa, *b, soa])


def other_start(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, soa_rr(ZONE, 4711), *a[1:], *b, soa])


def beyond(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, *a, *b, *differences(p.versions[ZONE], version(9)), soa])


def short(p, q):
    soa, a, _ = steps(p)
    return one(p, q, [soa, *a, soa])


def loop(p, q):
    """Back and forth without end."""
    soa, a, _ = steps(p)
    back = differences(p.past[ZONE][1], p.past[ZONE][0])
    yield from one(p, q, [soa])
    while True:
        yield message(q, [*a, *back] * 50, question=False)


def other_closing(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, *a, *b, soa_rr(ZONE, 3, refresh=17)])


def other_zone(p, q):
    _, a, b = steps(p)
    soa = soa_rr("other.", 3)
    return one(p, q, [soa, *a, *b, soa])


def missing_removal(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, a[0], rr(f"stranger.{ZONE}", "A", "192.0.2.1"), *a[1:], *b, soa])


def doubled_addition(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, *a, p.past[ZONE][0].body[3], *b, soa])


def apex_ns_gone(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, *a, *b[:1], rr(ZONE, "NS", f"ns1.{ZONE}"), *b[1:], soa])


def pointer_into_nowhere(p, q):
    soa, a, b = steps(p)
    bad = b"\xff\xff" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\1\2\3\4"
    return one(p, q, [soa, *a, bad, *b, soa])


def bad_rdata(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, *a, rr(f"bad.{ZONE}", "A", b"\1\2\3"), *b, soa])


def trailing(p, q):
    soa, a, b = steps(p)
    return one(p, q, [soa, *a, *b, soa, rr(f"more.{ZONE}", "A", "192.0.2.1")])


def half(*rest):
    def actions(p, q):
        soa, a, _ = steps(p)
        return [*one(p, q, [soa, *a[:2]]), *rest]
    return actions


def trickling(p, q):
    soa, a, b = steps(p)
    wire = message(q, [soa, *a, *b, soa])
    yield from (action for octet in struct.pack("!H", len(wire)) + wire for action in (raw(octet), Sleep(0.2)))


def raw(octet):
    from lib.scripted import Raw
    return Raw(bytes([octet]))


BAD = {
    "out of order": (swapped, "difference|serial"),
    "gap": (gap, "difference|serial"),
    "another start": (other_start, "4711"),
    "beyond the end": (beyond, "difference|serial|9"),
    "ends before the announced serial": (short, "difference|serial|SOA"),
    "without end": (loop, "difference|serial"),
    "SOA changes": (other_closing, "SOA"),
    "another zone": (other_zone, "other|SOA"),
    "removes what is not there": (missing_removal, "stranger"),
    "adds what is there": (doubled_addition, r"h\d"),
    "removes the name servers": (apex_ns_gone, "NS"),
    "pointer into nowhere": (pointer_into_nowhere, "pointer|compression"),
    "malformed record": (bad_rdata, "bad"),
    "more behind the end": (trailing, "more"),
    "closed": (half(CLOSE), "closed"),
    "hung": (half(HANG), "progress|stalled|1 s"),
    "silent": (lambda p, q: [HANG], "progress|stalled|1 s"),
    "id": (lambda p, q: one(p, q, p.changes(q), ident=q.ident ^ 1), "id|progress|closed|1 s"),
    "QR clear": (lambda p, q: one(p, q, p.changes(q), flags=AA), "response"),
    "TC": (lambda p, q: one(p, q, p.changes(q), flags=RESPONSE | AA | TRUNCATED), "TC|truncated"),
    "question": (lambda p, q: one(p, q, p.changes(q), question=name("other.") + struct.pack("!HH", 251, 1)), "question"),
    "SERVFAIL": (lambda p, q: one(p, q, (), rcode=2), "SERVFAIL"),
    "REFUSED": (lambda p, q: one(p, q, (), rcode=5), "REFUSED"),
    "NOTIMP": (lambda p, q: one(p, q, (), rcode=4), "NOTIMP"),
    "single SOA": (lambda p, q: one(p, q, [p.version.soa]), "SOA"),
}


def assert_refused(primary, us, actions, reason):
    before = ask.axfr(us.port, ZONE)
    mark = us.log_mark()
    primary.on_ixfr = lambda query: actions(primary, query)
    primary.on_axfr = lambda query: primary.send(query, [message(query, rcode=5)])
    primary.announce(us.port, 3)
    us.wait_log(rf"example\..*IXFR.*({reason})", since=mark)
    us.wait_log(r"example\..*AXFR.*REFUSED", since=mark)
    assert primary.count(AXFR) >= 2, "the whole zone is asked for at once"
    us.assert_serves(ZONE, 1)
    ask.assert_same_records(ask.axfr(us.port, ZONE), before)
    # The next good one heals it, and differences are taken again from then on.
    primary.on_axfr, primary.on_ixfr = primary.axfr, primary.ixfr
    us.cli("zone", "refresh", ZONE)
    us.wait_serial(ZONE, 3)
    ask.assert_same_zone(us.port, primary.port, ZONE, other_key=primary.key)


@pytest.mark.parametrize("case", BAD)
def test_bad_differences(stage, case):
    actions, reason = BAD[case]
    primary, us = started(stage)
    assert_refused(primary, us, actions, reason)


def signed_badly(**fault):
    def actions(p, q):
        signer = Signer(p.key, q.mac)
        wires = list(messages(q, p.changes(q), 8))
        return [signer.sign(w, **(fault if i == len(wires) - 1 else {})) for i, w in enumerate(wires)]
    return actions


def replayed(p, q):
    """Signed over another request's signature."""
    signer = Signer(p.key, bytes(len(q.mac)))
    return [signer.sign(w) for w in messages(q, p.changes(q), 8)]


def signature_on_another_message(p, q):
    signer = Signer(p.key, q.mac)
    first, *rest = list(messages(q, p.changes(q), 8))
    signed = signer.sign(first)
    tsig = signed[len(first):]
    count = struct.unpack("!H", rest[0][10:12])[0] + 1
    return [first, rest[0][:10] + struct.pack("!H", count) + rest[0][12:] + tsig, *rest[1:]]


SIGNATURES = {
    "missing": (lambda p, q: list(messages(q, p.changes(q), 8)), "signed"),
    "missing at the end": (lambda p, q: (lambda s, w: [*(s.sign(x) for x in w[:-1]), w[-1]])(Signer(p.key, q.mac), list(messages(q, p.changes(q), 8))), "sign"),
    "wrong": (signed_badly(corrupt=True), "signature"),
    "late": (signed_badly(shift=-4000), "time"),
    "early": (signed_badly(shift=4000), "time"),
    "replayed": (replayed, "signature"),
    "on another message": (signature_on_another_message, "sign"),
    "with another key": (signed_badly(key_name="other.key."), "key"),
    "truncated": (signed_badly(mac_octets=8), "MAC|TSIG|truncat|malformed"),
}


@pytest.mark.parametrize("case", SIGNATURES)
def test_bad_signatures(stage, case):
    actions, reason = SIGNATURES[case]
    primary, us = started(stage, key=Key())
    assert_refused(primary, us, actions, reason)


def test_signed_differences_with_gaps(stage):
    """Up to 99 messages between two signatures (RFC 8945 section 5.3.1)."""
    primary, us = started(stage, key=Key())

    def sparse(q):
        signer = Signer(primary.key, q.mac)
        wires = list(messages(q, primary.changes(q), 1))
        return [signer.sign(w) if i in (0, len(wires) - 1) else signer.unsigned(w) for i, w in enumerate(wires)]
    primary.on_ixfr = sparse
    primary.announce(us.port, 3)
    us.wait_serial(ZONE, 3)
    assert primary.count(AXFR) == 1


def test_too_many_records(stage):
    primary, us = started(stage, max_records=60)
    flood = [rr(f"f{i}.{ZONE}", "A", "192.0.2.1") for i in range(200)]

    def actions(p, q):
        soa, a, b = steps(p)
        return one(p, q, [soa, *a, *flood, *b, soa])
    assert_refused(primary, us, actions, "records")


def test_trickling(stage):
    """Below the least rate: given up, though something comes all the time."""
    primary, us = started(stage, min_rate="100000")
    primary.on_ixfr = lambda q: trickling(primary, q)
    mark = us.log_mark()
    primary.announce(us.port, 3)
    us.wait_log(r"example\..*IXFR.*(rate|octets a second)", since=mark, timeout=45)
    us.wait_serial(ZONE, 3)


def test_serials_that_wrap(stage):
    primary, us = started(stage)
    primary.on_ixfr = primary.ixfr
    for serial in (0x7FFF_FFFF, 0xFFFF_FFFE, 0, 5):
        primary.past[ZONE].append(version(serial))
        primary.versions[ZONE] = primary.past[ZONE][-1]
        primary.announce(us.port, serial)
        us.wait_serial(ZONE, serial)
    assert primary.count(AXFR) == 1
    ask.assert_same_zone(us.port, primary.port, ZONE)


def test_one_record_in_a_message(stage):
    primary, us = started(stage)
    primary.on_ixfr = lambda q: primary.ixfr(q, per_message=1)
    primary.announce(us.port, 3)
    us.wait_serial(ZONE, 3)
    ask.assert_same_zone(us.port, primary.port, ZONE)


def test_outside_the_zone_is_dropped(stage):
    primary, us = started(stage)

    def actions(q):
        soa, a, b = steps(primary)
        return one(primary, q, [soa, *a, rr("stranger.test.", "A", "192.0.2.1"), *b, soa])
    primary.on_ixfr = actions
    primary.announce(us.port, 3)
    us.wait_serial(ZONE, 3)
    us.wait_log("1 outside the zone")
    assert primary.count(AXFR) == 1


def test_notify_flood_is_coalesced(stage):
    """A thousand NOTIFYs lead to a handful of questions, and the last of the versions is there at once."""
    primary, us = started(stage)
    primary.on_ixfr = primary.ixfr
    for _ in range(1000):
        ask.notify(us.port, ZONE, 3, timeout=0.01)
    us.wait_serial(ZONE, 3)
    wait_until(lambda: us.status(ZONE)["activity"] == "idle", what="the zone rests")
    time.sleep(1.5)
    assert primary.count(IXFR) + primary.count(6) < 30
