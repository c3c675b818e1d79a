"""What each zone may choose: what happens when it expires, whom it believes, and what a catalog says of its members."""
import pytest

from lib.peers import Knot
from lib.process import wait_until
from lib.scripted import ScriptedPrimary
from lib.understudy import Understudy
from lib.wire import Version
from lib.zones import zone_text

ZONE = "example."


def errors_of(reply):
    """The codes of its extended errors (RFC 8914)."""
    return [option.code for option in reply.options if option.otype == 15]


def is_stale(us):
    """Answered from the old version, and marked so."""
    reply = us.query("h1.example.", use_edns=0)
    return reply.rcode() == 0 and len(reply.answer) == 1 and errors_of(reply) == [3]


@pytest.mark.parametrize("policy", ["serve", "serve-for 3s"])
def test_an_expired_zone_is_served_as_stale(stage, policy):
    primary = ScriptedPrimary(stage, ZONE, serial=1, refresh=1, retry=1, expire=2, hosts=3)
    us = Understudy(stage).primary(primary).zone(ZONE, on_expire=policy).start().wait_serial(ZONE, 1)
    assert errors_of(us.query("h1.example.", use_edns=0)) == []
    primary.stop()
    wait_until(lambda: is_stale(us), 8, "the zone is stale")
    assert us.status(ZONE)["state"] == "stale"
    assert [row["name"] for row in us.json("zone", "list", "--state", "stale")] == [ZONE]
    us.restart(hard=True)
    if policy == "serve":
        assert is_stale(us), "a restart does not make it fresh"
    else:
        wait_until(lambda: us.query(ZONE, "SOA", use_edns=0).rcode() == 2, 8, "its time is over")
        assert errors_of(us.query(ZONE, "SOA", use_edns=0)) == [24]
        assert us.status(ZONE)["state"] == "expired"
    primary.start()
    us.cli("zone", "refresh", ZONE)
    us.wait_state(ZONE, "ok")
    assert us.serial(ZONE) == 1 and errors_of(us.query("h1.example.", use_edns=0)) == []


def test_all_primaries_are_asked_and_the_newest_is_taken(stage):
    old, new = (ScriptedPrimary(stage, ZONE, serial=serial, name=name) for serial, name in ((3, "old"), (7, "new")))
    us = Understudy(stage).primary(old).primary(new).zone(ZONE, check_all_primaries=True).zone("plain.example.")
    for primary in (old, new):
        primary.versions["plain.example."] = Version("plain.example.", 3 if primary is old else 7)
    us.start().wait_serial(ZONE, 7).wait_serial("plain.example.", 3)
    assert us.status(ZONE)["primary"].startswith("new")
    # Each time: it is the other one that is ahead now.
    old.publish(9)
    us.cli("zone", "refresh", ZONE)
    assert us.serial(ZONE) == 9 and us.status(ZONE)["primary"].startswith("old")


@pytest.mark.parametrize("policy", ["ignore", "accept"])
def test_a_serial_that_goes_backwards(stage, policy):
    primary = ScriptedPrimary(stage, ZONE, serial=20)
    us = Understudy(stage).primary(primary).zone(ZONE, serial_backwards=policy).start().wait_serial(ZONE, 20)
    primary.publish(5)
    us.cli("zone", "refresh", ZONE, check=False)
    if policy == "accept":
        us.wait_serial(ZONE, 5)
    else:
        us.wait_log("primary behind")
        us.assert_serves(ZONE, 20)


CATALOGS = ["one.example.", "two.example."]


def catalog(apex, serial, properties):
    return (f"$ORIGIN {apex}\n$TTL 0\n@ SOA invalid. invalid. {serial} 3600 600 86400 0\n@ NS invalid.\n"
            f"version TXT \"2\"\n{properties}")


def test_a_member_changes_its_catalog_only_by_coo(stage):
    one, two = CATALOGS
    us = Understudy(stage)
    primary = Knot(stage, {one: catalog(one, 1, "l.zones PTR m.example.\n"), two: catalog(two, 1, ""),
                           "m.example.": zone_text("m.example.", 1)}, notify=[us.port]).start()
    us.primary(primary)
    for each in CATALOGS:
        us.catalog(each, primaries=list(us.default["primaries"]))
    us.start().wait_serial("m.example.", 1)
    primary.change(two, catalog(two, 2, "l.zones PTR m.example.\n"))
    wait_until(lambda: us.json("catalog", "status", two)[0]["conflict_count"] == 1, what="both list it")
    assert us.json("catalog", "status", two)[0]["conflicts"] == [{"zone": "m.example.", "owner": one}]
    assert us.status("m.example.")["origin"] == one
    primary.change(one, catalog(one, 2, f"l.zones PTR m.example.\ncoo.l.zones PTR {two}\n"))
    wait_until(lambda: us.status("m.example.")["origin"] == two, what="it has moved")
    assert us.serial("m.example.") == 1
    primary.change(one, catalog(one, 3, ""))
    wait_until(lambda: us.json("catalog", "status", one)[0]["serial"] == 3, what="the old catalog lets go of it")
    assert us.status("m.example.")["origin"] == two and us.serial("m.example.") == 1


def test_a_member_with_another_label_is_reset(stage):
    """What was known of it is forgotten: it is taken anew, also with an older serial."""
    one = CATALOGS[0]
    us = Understudy(stage)
    members = ScriptedPrimary(stage, "m.example.", serial=50, name="members")
    primary = Knot(stage, {one: catalog(one, 1, "l.zones PTR m.example.\n")}, notify=[us.port]).start()
    us.primary(members)
    names = list(us.default["primaries"])
    us.primary(primary)
    us.default["primaries"] = names
    us.catalog(one, primaries=[f"{primary.name}-{primary.port}"]).start().wait_serial("m.example.", 50)
    members.publish(4)
    us.cli("zone", "refresh", "m.example.", check=False)
    us.assert_serves("m.example.", 50)
    primary.change(one, catalog(one, 2, "other.zones PTR m.example.\n"))
    us.wait_serial("m.example.", 4)
    assert [row["serial"] for row in us.json("zone", "history", "m.example.")] == [4], "its history, too"
