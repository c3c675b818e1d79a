"""Primaries that fail, hang and disagree; NOTIFY from friends and strangers."""
import os
import random
import socket
import struct
import threading
import time

import pytest

from lib import ask
from lib.process import wait_until
from lib.scripted import CLOSE, HANG, Raw, ScriptedPrimary, Sleep
from lib.understudy import IS_SANITIZED, Understudy
from lib.wire import IXFR, Version, message, messages, rr
from lib.zones import Key

ZONE = "example."


def silent(primary):
    """Takes every query and connection and says nothing."""
    primary.on_soa = primary.on_axfr = lambda query: [HANG]
    return primary


def open_files(us):
    return len(os.listdir(f"/proc/{us.pid}/fd"))


@pytest.mark.long
def test_primary_that_goes_away_in_the_middle_a_hundred_times(stage):
    dice = random.Random(100)
    primary = ScriptedPrimary(stage, ZONE, hosts=200)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).start().wait_serial(ZONE, 1)
    before = open_files(us)
    for turn in range(100):
        primary.versions[ZONE] = Version(ZONE, turn + 2, hosts=200)

        def cut(query):
            whole = b"".join(struct.pack("!H", len(w)) + w for w in messages(query, primary.version.records, 20))
            return [Raw(whole[:dice.randrange(len(whole))]), CLOSE]
        primary.on_axfr = cut
        done = us.cli("zone", "refresh", ZONE, check=False)
        assert done.status == 1 and "close" in done.text, done
        assert us.serial(ZONE) == 1
    assert primary.transfers() >= 101
    wait_until(lambda: open_files(us) <= before + 3, what=f"open files back to {before}")
    primary.publish(500, us.port, hosts=200)
    us.wait_serial(ZONE, 500)
    ask.assert_same_zone(us.port, primary.port, ZONE)


@pytest.mark.parametrize("hangs", ["everything", "the transfer", "inside the transfer", "connecting"])
def test_hung_first_primary_costs_at_most_five_seconds(stage, hangs):
    first, second = ScriptedPrimary(stage, ZONE, serial=3, name="hung"), ScriptedPrimary(stage, ZONE, serial=3, name="good")
    if hangs == "everything":
        silent(first)
    elif hangs == "connecting":
        first.stop()
        full_backlog(stage, first.port)
    else:
        sent = [] if hangs == "the transfer" else [0]
        first.on_axfr = lambda q: [message(q, [first.version.soa]) for _ in sent] + [HANG]
    us = Understudy(stage).primary(first).primary(second).zone(ZONE)
    began = time.monotonic()
    us.start()
    us.wait_serial(ZONE, 3, timeout=8)
    assert time.monotonic() - began < 6, "start-up and 5 s"


@pytest.mark.parametrize("hangs", ["differences", "transfers", "inside the differences", "all after a NOTIFY"])
def test_hung_first_primary_of_a_held_version_costs_at_most_five_seconds(stage, hangs):
    """The SOA, the differences and the first octet of the whole zone have one time together."""
    first, second = (ScriptedPrimary(stage, ZONE, serial=3, name=n) for n in ("hung", "good"))
    us = Understudy(stage).primary(first).primary(second).zone(ZONE).option("transfer", stall_timeout="4s").start()
    us.wait_serial(ZONE, 3)
    for primary in (first, second):
        primary.publish(4)
    begun = [0] if hangs == "inside the differences" else []
    first.on_ixfr = lambda q: [message(q, [first.version.soa, second.past[ZONE][0].soa]) for _ in begun] + [HANG]
    if hangs != "differences":
        first.on_axfr = lambda q: [HANG]
    began = time.monotonic()
    if hangs == "all after a NOTIFY":
        silent(first)
        first.announce(us.port, 4)
    else:
        first.announce(us.port)  # without a serial: the SOA is asked for
    us.wait_serial(ZONE, 4, timeout=12)
    assert time.monotonic() - began < 6, "5 s"
    assert first.count(IXFR) >= 1


def full_backlog(stage, port):
    """A port where connecting hangs: nobody accepts and the queue is full."""
    listener = socket.socket()
    listener.bind((ask.HOST, port))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex((ask.HOST, port))
        waiting.append(s)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((ask.HOST, port))
    stage.on_close(lambda: [s.close() for s in (listener, udp, *waiting)])


def test_primaries_in_order(stage):
    """Refusing, absent, not authoritative, broken: each is left for the next, and the status names the one that served."""
    refusing, absent, lame, broken, good = (ScriptedPrimary(stage, ZONE, serial=4, name=n) for n in ("refusing", "absent", "lame", "broken", "good"))
    refusing.on_soa = lambda q: [message(q, rcode=5)]
    absent.stop()
    lame.on_soa = lambda q: [message(q, [lame.version.soa], flags=0x8000)]
    broken.on_axfr = lambda q: [message(q, [broken.version.soa]), CLOSE]
    us = Understudy(stage).zone(ZONE)
    for primary in (refusing, absent, lame, broken, good):
        us.primary(primary)
    us.start().wait_serial(ZONE, 4)
    assert str(good.port) in str(us.status(ZONE)["primary"])
    asked = [p.queries[0].at for p in (refusing, lame, broken, good)]
    assert asked == sorted(asked)
    for primary in (refusing, absent, lame, broken):
        us.wait_log(rf"example\..*{primary.port}")


def test_second_primary_takes_over_and_gives_back(stage):
    first, second = ScriptedPrimary(stage, ZONE, name="first"), ScriptedPrimary(stage, ZONE, name="second")
    us = Understudy(stage).primary(first).primary(second).zone(ZONE).start().wait_serial(ZONE, 1)
    assert second.transfers() == 0
    first.stop()
    second.publish(2, us.port)
    us.wait_serial(ZONE, 2)
    first.start()
    first.publish(3, us.port)
    us.wait_serial(ZONE, 3)
    assert first.transfers() == 2 and second.transfers() == 1


def test_probe_goes_to_tcp_when_udp_is_lost(stage):
    primary = ScriptedPrimary(stage, ZONE)
    primary.on_soa = lambda q: [HANG] if q.transport == "udp" else primary.soa(q)
    us = Understudy(stage).primary(primary).zone(ZONE).start()
    us.wait_serial(ZONE, 1, timeout=8)


def slowest_update(us, primary, serials):
    """Seconds from NOTIFY to served of the slowest of some updates."""
    slowest = 0
    for serial in serials:
        primary.publish(serial)
        began = time.monotonic()
        primary.announce(us.port, serial)
        while us.serial(ZONE) != serial:
            assert time.monotonic() - began < 10, f"serial {serial} did not come"
            time.sleep(0.001)
        slowest = max(slowest, time.monotonic() - began)
    return slowest


HUNG = 100  # transfers


@pytest.mark.long
@pytest.mark.parametrize("primaries, sent, concurrent", [
    (1, "nothing", 64), (10, "nothing", 64), (10, "much", 64), (100, "little", 64), (100, "much", 64),
    (100, "much", 16)])  # more than can be lent
def test_hung_transfers_do_not_delay_a_healthy_zone(stage, primaries, sent, concurrent):
    """A hundred transfers hang, at one primary or at many; a zone of another primary is as quick as ever."""
    hung = [ScriptedPrimary(stage, "hung.", name=f"hung{i}") for i in range(primaries)]
    healthy = ScriptedPrimary(stage, ZONE, name="healthy")
    us = Understudy(stage).option("transfer", stall_timeout="60s", max_concurrent=concurrent)
    us.zone(ZONE, primaries=[f"127.0.0.1@{healthy.port}"])
    block = [rr(f"h{i}.much.", "TXT", '"' + 200 * "x" + '"') for i in range(50)]
    for primary in hung:
        def begin(query, primary=primary):
            if sent != "nothing":
                yield message(query, [primary.versions[query.zone].soa])
            if sent == "much":
                for _ in range(10):
                    yield message(query, block, question=False)
            yield HANG
        primary.on_axfr = begin
    us.start().wait_serial(ZONE, 1, timeout=3)
    usual = slowest_update(us, healthy, range(2, 8))
    for i in range(HUNG):
        primary = hung[i % primaries]
        primary.versions[f"z{i}.hung."] = Version(f"z{i}.hung.", 1)
        us.zone(f"z{i}.hung.", primaries=[f"127.0.0.1@{primary.port}"])
    us.reload()
    # They are asked for as the limits let them: at most 16 of one primary at once.
    begun = 16 if primaries == 1 else 48  # with "concurrent" 16, as many as can be lent, and 16
    wait_until(lambda: sum(p.transfers() for p in hung) >= begun, 20, "transfers that hang")
    slowest = slowest_update(us, healthy, range(8, 20))
    assert slowest < usual + (0.5 if IS_SANITIZED else 0.1), f"{slowest * 1000:.0f} ms, {usual * 1000:.0f} ms without"


# NOTIFY

def notified(stage, key=None, **zone):
    primary = ScriptedPrimary(stage, ZONE, key=key)
    us = Understudy(stage).primary(primary).zone(ZONE, **zone).start().wait_serial(ZONE, 1)
    return primary, us


def test_acknowledgement_of_notify(stage):
    """RFC 1996 section 4.7: the same id, question and opcode, with QR."""
    primary, us = notified(stage)
    message_sent = ask.notify_message(ZONE, serial=1, ident=0xabcd).to_wire()
    reply = ask.udp(us.port, message_sent)
    assert reply[:2] == b"\xab\xcd" and reply[2] & 0xf8 == 0xa0 and reply[3] & 15 == 0, reply
    question = len(b"\7example\0") + 4
    assert reply[12:12 + question] == message_sent[12:12 + question]
    with ask.tcp_connect(us.port) as s:
        ask.tcp_send(s, message_sent)
        assert ask.tcp_receive(s)[3] & 15 == 0


def test_notify_from_strangers(stage):
    """REFUSED, no check, and a bounded number of log lines."""
    primary, us = notified(stage)
    primary.publish(2)
    checks, mark = primary.count(6), us.log_mark()
    for _ in range(500):
        assert ask.notify(us.port, ZONE, source="127.0.0.2") == 5
    time.sleep(0.3)
    us.assert_serves(ZONE, 1)
    assert primary.count(6) == checks
    lines = [line for line in us.log(mark).splitlines() if "127.0.0.2" in line]
    assert 1 <= len(lines) <= 100, f"{len(lines)} lines for 500 messages"
    assert ask.notify(us.port, "absent.test.", source="127.0.0.1") in (5, 9)


def test_notify_from_allowed_addresses_and_keys(stage):
    key = Key("notify.key.")
    primary = ScriptedPrimary(stage, ZONE)
    us = Understudy(stage).primary(primary).key(key)
    us.zone(ZONE, allow_notify=["127.0.0.3", f"127.0.0.4 key {key.name}"]).start().wait_serial(ZONE, 1)
    assert ask.notify(us.port, ZONE, source="127.0.0.2") == 5
    assert ask.notify(us.port, ZONE, source="127.0.0.4") == 5
    assert ask.notify(us.port, ZONE, source="127.0.0.4", key=Key("notify.key.", secret="d3Jvbmcgc2VjcmV0IHdyb25nIHNlY3JldA==")) == 9
    primary.publish(2)
    assert ask.notify(us.port, ZONE, source="127.0.0.3") == 0
    us.wait_serial(ZONE, 2)
    primary.publish(3)
    assert ask.notify(us.port, ZONE, source="127.0.0.4", key=key) == 0
    us.wait_serial(ZONE, 3)


def test_flood_of_notify_coalesces(stage):
    """A thousand messages while a check runs cause one check more, not a thousand; the newest serial arrives."""
    primary, us = notified(stage)
    checks = primary.count(6)
    primary.publish(2)
    primary.on_soa = lambda q: [Sleep(0.3), *primary.soa(q)]
    wire = ask.notify_message(ZONE).to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(1000):
            s.sendto(wire, (ask.HOST, us.port))
            if i % 50 == 0:
                time.sleep(0.005)
    us.wait_serial(ZONE, 2)
    primary.publish(3, us.port)
    us.wait_serial(ZONE, 3)
    assert primary.count(6) - checks <= 8, f"{primary.count(6) - checks} checks"


def test_notify_during_a_slow_transfer_is_not_lost(stage):
    """What was announced while a transfer ran is found right after it."""
    primary, us = notified(stage)
    primary.publish(2)
    primary.on_axfr = lambda q: [part for wire in primary.axfr(q) for part in (wire, Sleep(0.2))]
    primary.announce(us.port)
    wait_until(lambda: primary.transfers() == 2, what="the transfer of serial 2")
    primary.publish(3, us.port)
    us.wait_serial(ZONE, 3, timeout=5)


def test_serial_in_notify_is_a_hint_only(stage):
    """A NOTIFY that claims a serial leads to a question, not to belief."""
    primary, us = notified(stage)
    transfers = primary.transfers()
    primary.announce(us.port, serial=77)
    time.sleep(0.3)
    us.assert_serves(ZONE, 1)
    assert primary.transfers() == transfers


def test_many_primaries_announce_at_once(stage):
    """Twenty zones announced from as many threads: each arrives."""
    primary = ScriptedPrimary(stage, ZONE)
    us = Understudy(stage).primary(primary)
    zones = [f"z{i}.example." for i in range(20)]
    for zone in zones:
        primary.versions[zone] = Version(zone, 1)
        us.zone(zone)
    us.start()
    for zone in zones:
        us.wait_serial(zone, 1)
    for serial in range(2, 6):
        threads = [threading.Thread(target=primary.publish, args=(serial, us.port, zone)) for zone in zones]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for zone in zones:
            us.wait_serial(zone, serial)
