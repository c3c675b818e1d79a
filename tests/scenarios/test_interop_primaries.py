"""Knot, NSD, BIND and PowerDNS as primaries of ours."""
from pathlib import Path

import pytest

from lib import ask
from lib.peers import PRIMARIES, Bind, Knot, Nsd
from lib.process import wait_until
from lib.understudy import Understudy
from lib.zones import Key, as_unknown, hosts, without_owners, zone_text

ALL_TYPES = (Path(__file__).parent / "data" / "alltypes.zone").read_text()
every_primary = pytest.mark.parametrize("peer", PRIMARIES.values(), ids=PRIMARIES)


def start(stage, peer, zones, key=None):
    """The peer with its zones and ours as its secondary, which it notifies."""
    us = Understudy(stage)
    primary = peer(stage, zones, key=key, notify=[us.port]).start()
    us.primary(primary).allow("127.0.0.0/8")
    for zone in zones:
        us.zone(zone)
    return primary, us.start()


@every_primary
@pytest.mark.parametrize("key", [None, Key()], ids=["unsigned", "tsig"])
def test_transfer_and_notify(stage, peer, key):
    primary, us = start(stage, peer, {"example.": zone_text("example.", 1, hosts(50, 1))}, key)
    us.wait_serial("example.", 1)
    ask.assert_same_zone(us.port, primary.port, "example.", other_key=key)
    primary.change("example.", zone_text("example.", 2, hosts(60, 2)))
    us.wait_serial("example.", 2, timeout=peer.notify_seconds)
    ask.assert_same_zone(us.port, primary.port, "example.", other_key=key)
    status = us.status("example.")
    assert status["state"] == "ok" and status["serial"] == 2, status


@every_primary
@pytest.mark.parametrize("key", [None, Key()], ids=["unsigned", "tsig"])
def test_differences(stage, peer, key):
    """Changes are taken as differences where the primary has them; the content is the primary's after each."""
    us = Understudy(stage)
    zones = {"example.": zone_text("example.", 1, hosts(3000, 0))}
    primary = peer(stage, zones, key=key, notify=[us.port], ixfr=True).start()
    us.primary(primary).allow("127.0.0.0/8").zone("example.").start().wait_serial("example.", 1)
    bodies = {2: "new2 A 192.0.2.2\n", 3: "new2 A 192.0.2.2\nnew2 AAAA 2001:db8::2\nsub.new3 MX 5 new2\n", 4: "*.new3 TXT \"x\"\n"}
    for serial, body in bodies.items():
        primary.change("example.", zone_text("example.", serial, hosts(3000, 0) + body))
        us.wait_serial("example.", serial, timeout=peer.notify_seconds)
        ask.assert_same_zone(us.port, primary.port, "example.", other_key=key)
    transfers = us.json("transfer", "list", "example.")
    came = [t["came"] for t in transfers if t["ok"]]
    assert came.count("differences") == (3 if peer.sends_differences else 0), transfers
    # All of it is on the disk.
    primary.stop()
    us.restart()
    us.wait_serial("example.", 4)
    assert us.query("anything.new3.example.", "TXT").answer


@pytest.mark.parametrize("key", [None, Key()], ids=["unsigned", "tsig"])
@pytest.mark.parametrize("peer", [Nsd, Knot], ids=["nsd", "knot"])
def test_differences_by_udp(stage, peer, key):
    """NSD sends by UDP what fits into a datagram; for what does not, and for all of Knot's, which sends a single SOA by UDP,
    the same is asked by TCP, and differences come from there."""
    us = Understudy(stage)
    text = hosts(300, 0)
    primary = peer(stage, {"example.": zone_text("example.", 1, text)}, key=key, notify=[us.port], ixfr=True).start()
    us.primary(primary).allow("127.0.0.0/8").zone("example.")
    us.config["primaries"][0]["ixfr-udp"] = True
    us.start().wait_serial("example.", 1)
    large = "".join(f"large{i} A 192.0.2.{i}\n" for i in range(200))
    small_by = "UDP" if peer is Nsd else "TCP"
    for serial, body, transport in [(2, "small A 192.0.2.2\n", small_by), (3, large, "TCP"), (4, large + "small AAAA 2001:db8::2\n", small_by)]:
        primary.change("example.", zone_text("example.", serial, text + body))
        us.wait_serial("example.", serial, timeout=peer.notify_seconds)
        ask.assert_same_zone(us.port, primary.port, "example.", other_key=key)
        last = next(t for t in us.json("transfer", "list", "example.") if t["received"] == serial)
        assert (last["ok"], last["came"], last["transport"]) == (True, "differences", transport), last


@pytest.mark.parametrize("algorithm", ["hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"])
@pytest.mark.parametrize("peer", [Knot, Bind], ids=["knot", "bind"])
def test_every_algorithm(stage, peer, algorithm):
    primary, us = start(stage, peer, {"example.": zone_text("example.", 1, hosts(2000, 1))}, Key("k.example.", algorithm))
    us.wait_serial("example.", 1)
    assert len(ask.axfr(us.port, "example.")) > 2000
    if algorithm == "hmac-md5":
        us.wait_log("warn.*md5")


@every_primary
def test_wrong_secret_is_refused(stage, peer):
    us = Understudy(stage)
    primary = peer(stage, {"example.": zone_text("example.", 1)}, key=Key()).start()
    primary.key = Key(secret="d3Jvbmcgc2VjcmV0IHdyb25nIHNlY3JldA==")
    us.primary(primary).zone("example.").start()
    us.wait_log(r"example\..*(tsig|signature|key|NOTAUTH|REFUSED|BADSIG|BADKEY)")
    assert ask.rcode(us.port, "example.") == 2, "a zone that is not loaded yet is answered with SERVFAIL"
    assert us.status("example.")["last_error"]


@every_primary
def test_every_record_type(stage, peer):
    text = as_unknown(without_owners(ALL_TYPES, peer.cannot_load), "types.example.", peer.by_number)
    primary, us = start(stage, peer, {"types.example.": text})
    us.wait_serial("types.example.", 1)
    ask.assert_same_zone(us.port, primary.port, "types.example.")
    # The content is kept as it is on the disk, too.
    primary.stop()
    us.restart()
    us.wait_serial("types.example.", 1)
    assert len(ask.axfr(us.port, "types.example.")) > 70


def test_the_list_of_types_is_complete(stage):
    """BIND knows them all: the file itself is right, and nothing is lost on the way from it to ours."""
    primary, us = start(stage, Bind, {"types.example.": ALL_TYPES})
    us.wait_serial("types.example.", 1)
    lines = [line for line in ALL_TYPES.splitlines() if line and line[0] not in ";$"]
    assert len(ask.axfr(us.port, "types.example.")) == len(lines)
    ask.assert_same_zone(us.port, primary.port, "types.example.")


@pytest.mark.long
@every_primary
def test_large_zone(stage, peer):
    primary, us = start(stage, peer, {"big.example.": zone_text("big.example.", 7, hosts(100_000, 7))})
    us.wait_serial("big.example.", 7, timeout=40)
    ours, theirs = ask.kdig_axfr(us.port, "big.example."), ask.kdig_axfr(primary.port, "big.example.")
    assert len(ours) == 100_006, len(ours)  # with both SOAs
    assert ours == theirs


def test_hundred_zones_of_one_primary(stage):
    zones = {f"z{i}.example.": zone_text(f"z{i}.example.", i + 1) for i in range(100)}
    primary, us = start(stage, Knot, zones)
    for i, zone in enumerate(zones):
        us.wait_serial(zone, i + 1)
    assert all(s["state"] == "ok" for s in us.json("zone", "status"))
    primary.change("z50.example.", zone_text("z50.example.", 1000))
    us.wait_serial("z50.example.", 1000, timeout=2)


def test_root_zone(stage):
    """The root is a zone like any other, and the parent of the next one."""
    text = zone_text(".", 3, "example. NS ns1.example.\nns1.example. A 192.0.2.9\n")
    primary, us = start(stage, Knot, {".": text, "example.": zone_text("example.", 4)})
    us.wait_serial(".", 3)
    us.wait_serial("example.", 4)
    assert us.query("no.such.name.test.").rcode() == 3
    ask.assert_same_zone(us.port, primary.port, ".")


def test_chain_of_ours(stage):
    """One of ours serves a zone file as primary; another is its secondary."""
    first = Understudy(stage, "first")
    second = Understudy(stage, "second")
    first.write("example.zone", zone_text("example.", 1, hosts(20, 1)))
    first.zone("example.", file="example.zone").allow("127.0.0.0/8", notify=[second.port]).start()
    second.config["primaries"].append({"name": "first", "address": f"127.0.0.1@{first.port}"})
    second.default["primaries"] = ["first"]
    second.zone("example.").allow("127.0.0.0/8").start().wait_serial("example.", 1)
    first.write("example.zone", zone_text("example.", 2, hosts(21, 2)))
    first.cli("zone", "refresh", "example.")
    second.wait_serial("example.", 2, timeout=3)
    ask.assert_same_zone(second.port, first.port, "example.")
    wait_until(lambda: second.status("example.")["records"] == first.status("example.")["records"], what="equal counts")
