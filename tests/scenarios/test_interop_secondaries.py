"""Knot, NSD, BIND and PowerDNS as secondaries of ours."""
import pytest

from lib import ask
from lib.peers import SECONDARIES, Knot
from lib.understudy import Understudy
from lib.zones import Key, hosts, zone_text

every_secondary = pytest.mark.parametrize("peer", SECONDARIES.values(), ids=SECONDARIES)


@every_secondary
@pytest.mark.parametrize("key", [None, Key()], ids=["unsigned", "tsig"])
def test_update_goes_through(stage, peer, key):
    """Primary -> ours -> secondary: content, then a change by NOTIFY all the way."""
    us = Understudy(stage)
    primary = Knot(stage, {"example.": zone_text("example.", 1, hosts(2000, 1))}, key=key, notify=[us.port], name="primary").start()
    us.primary(primary)
    secondary = peer(stage, ["example."], key=key, primary_port=us.port, name="secondary")
    us.allow(f"127.0.0.0/8 key {key.name}" if key else "127.0.0.0/8", notify=[secondary.port], key=key)
    us.zone("example.").start().wait_serial("example.", 1)
    secondary.start()
    ask.wait_serial(secondary.port, "example.", 1, timeout=10)
    ask.assert_same_zone(secondary.port, primary.port, "example.", key, key)
    primary.change("example.", zone_text("example.", 2, hosts(2100, 2)))
    ask.wait_serial(secondary.port, "example.", 2, timeout=5)
    ask.assert_same_zone(secondary.port, primary.port, "example.", key, key)


@every_secondary
@pytest.mark.parametrize("key", [None, Key()], ids=["unsigned", "tsig"])
def test_differences_go_through(stage, peer, key):
    """Primary -> ours -> secondary, changes only: what each of them asks the one before it for."""
    us = Understudy(stage)
    primary = Knot(stage, {"example.": zone_text("example.", 1, hosts(3000, 0))}, key=key, notify=[us.port], name="primary",
                   ixfr=True).start()
    us.primary(primary)
    secondary = peer(stage, ["example."], key=key, primary_port=us.port, name="secondary", ixfr=True)
    us.allow(f"127.0.0.0/8 key {key.name}" if key else "127.0.0.0/8", notify=[secondary.port], key=key)
    us.zone("example.").start().wait_serial("example.", 1)
    secondary.start()
    ask.wait_serial(secondary.port, "example.", 1, timeout=10)
    for serial in (2, 3, 4):
        mark = us.log_mark()
        primary.change("example.", zone_text("example.", serial, hosts(3000, 0) + f"new{serial} A 192.0.2.{serial}\n"))
        ask.wait_serial(secondary.port, "example.", serial, timeout=10)
        us.wait_log(rf"IXFR from .*serial {serial - 1} -> {serial}", since=mark)
        us.wait_log(rf"IXFR from serial {serial - 1} to {serial} for .* begins", since=mark)
    ask.assert_same_zone(secondary.port, primary.port, "example.", key, key)


@every_secondary
def test_large_zone_goes_out(stage, peer):
    us = Understudy(stage)
    us.write("big.zone", zone_text("big.example.", 1, hosts(50_000, 1)))
    us.zone("big.example.", file="big.zone").allow("127.0.0.0/8").start().wait_serial("big.example.", 1)
    secondary = peer(stage, ["big.example."], primary_port=us.port).start()
    ask.wait_serial(secondary.port, "big.example.", 1, timeout=30)
    assert ask.kdig_axfr(secondary.port, "big.example.") == ask.kdig_axfr(us.port, "big.example.")


def test_who_may_transfer(stage):
    """Nobody by default; then by address, by key, or by both."""
    key, us = Key(), Understudy(stage)
    us.write("example.zone", zone_text("example.", 1).replace("$ORIGIN example.\n", ""))
    us.key(key).zone("none.example.", file="example.zone")
    us.zone("address.example.", file="example.zone", allow_transfer=["127.0.0.0/8"])
    us.zone("other.example.", file="example.zone", allow_transfer=["192.0.2.0/24"])
    us.zone("key.example.", file="example.zone", allow_transfer=[f"key {key.name}"])
    us.zone("both.example.", file="example.zone", allow_transfer=[f"192.0.2.0/24 key {key.name}"])
    us.start()
    refused = {"none.example.": None, "other.example.": None, "key.example.": None, "both.example.": key, "absent.example.": None}
    for zone, with_key in refused.items():
        assert ask.axfr_rcode(us.port, zone, with_key) in (5, 9), f"AXFR of {zone} was not refused"
    assert ask.axfr(us.port, "address.example.") and ask.axfr(us.port, "key.example.", key)
    wrong = Key(secret="d3Jvbmcgc2VjcmV0IHdyb25nIHNlY3JldA==")
    assert ask.axfr_rcode(us.port, "key.example.", wrong) == 9, "a wrong signature is answered with NOTAUTH (RFC 8945)"


def test_axfr_over_udp_is_not_served(stage):
    us = Understudy(stage)
    us.write("example.zone", zone_text("example.", 1))
    us.zone("example.", file="example.zone").allow("127.0.0.0/8").start()
    reply = us.query("example.", "AXFR")
    assert reply.rcode() != 0 or reply.flags & 0x0200, reply
    assert not reply.answer
