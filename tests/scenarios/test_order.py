"""The records of an RRset come in the order in which they were transferred, in every answer, for as long as they are there:
who chose an order at the primary has it here, too, and nothing turns it round."""
import dns.edns
import dns.rdatatype
import pytest

from lib import ask
from lib.process import wait_until
from lib.scripted import ScriptedPrimary
from lib.understudy import Understudy
from lib.wire import AXFR, IXFR, Version, rr

ZONE = "example."
NAME, ALIAS, WILD = f"www.{ZONE}", f"alias.{ZONE}", f"any.wild.{ZONE}"
ORDER = ["192.0.2.3", "192.0.2.1", "192.0.2.2"]  # neither sorted nor the reverse
NSID = dict(use_edns=0, options=[dns.edns.GenericOption(dns.edns.OptionType.NSID, b"")])
WAYS = {
    "plain": (NAME, {}),
    "with EDNS": (NAME, dict(use_edns=0, payload=1232)),
    "with DO": (NAME, dict(want_dnssec=True)),
    "with NSID": (NAME, NSID),
    "through an alias": (ALIAS, {}),
    "through an alias, with NSID": (ALIAS, NSID),
    "from a wildcard": (WILD, {}),
    "by MX": (f"mail.{ZONE}", {}),
}


def version(serial, addresses):
    owners = (NAME, f"*.wild.{ZONE}")
    return Version(ZONE, serial, hosts=3, stamp=7, extra=[
        *(rr(owner, "A", address) for owner in owners for address in addresses),
        rr(ALIAS, "CNAME", NAME), rr(f"mail.{ZONE}", "MX", f"10 {NAME}")])


def publish(primary, serial, addresses):
    primary.versions[ZONE] = version(serial, addresses)
    primary.past.setdefault(ZONE, []).append(primary.versions[ZONE])


def addresses(section):
    return [rdata.address for rrset in section if rrset.rdtype == dns.rdatatype.A for rdata in rrset]


def seen(us):
    """Every order of the addresses in answers of every kind, each asked for several times: what turns them would show."""
    orders = {}
    for way, (name, options) in WAYS.items():
        for tcp in (False, True):
            for _ in range(4):
                reply = us.query(name, "MX" if name.startswith("mail") else "A", tcp=tcp, **options)
                section = reply.additional if name.startswith("mail") else reply.answer
                orders.setdefault(tuple(addresses(section)), set()).add(f"{way}, {'TCP' if tcp else 'UDP'}")
    transferred = [r for r in ask.axfr(us.port, ZONE) if r.owner == NAME and r.type == dns.rdatatype.A]
    orders.setdefault(tuple(".".join(map(str, r.rdata)) for r in transferred), set()).add("AXFR")
    return orders


def assert_order(us, expected):
    orders = seen(us)
    assert list(orders) == [tuple(expected)], orders


@pytest.fixture
def pair(stage):
    primary = ScriptedPrimary(stage, ZONE)
    primary.past = {}
    publish(primary, 1, ORDER)
    primary.on_ixfr = primary.ixfr
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).option("server", nsid="here")
    us.start().wait_serial(ZONE, 1)
    return primary, us


@pytest.mark.parametrize("hard", [False, True], ids=["stopped", "killed"])
def test_order_as_transferred_also_after_a_restart(pair, hard):
    primary, us = pair
    assert_order(us, ORDER)
    primary.stop()
    us.restart(hard=hard)
    us.wait_serial(ZONE, 1)
    assert_order(us, ORDER)


def test_order_through_differences(pair):
    """What a difference adds comes behind what is there, and what it leaves keeps its order."""
    primary, us = pair
    # The primary lists the new one first: a difference does not say where it belongs.
    for serial, there, expected in [(2, ["192.0.2.0", *ORDER], [*ORDER, "192.0.2.0"]),
                                    (3, ["192.0.2.0", "192.0.2.3", "192.0.2.2"], ["192.0.2.3", "192.0.2.2", "192.0.2.0"])]:
        publish(primary, serial, there)
        primary.announce(us.port, serial)
        us.wait_serial(ZONE, serial)
        assert_order(us, expected)
    assert (primary.count(IXFR), primary.count(AXFR)) == (2, 1), "these were differences"
    primary.stop()
    us.restart()
    us.wait_serial(ZONE, 3)
    assert_order(us, expected)
    primary.start()
    publish(primary, 4, list(reversed(ORDER)))
    primary.on_ixfr = primary.no_ixfr
    primary.announce(us.port, 4)
    us.wait_serial(ZONE, 4)
    wait_until(lambda: primary.count(AXFR) == 2, 5, "a whole transfer")
    assert_order(us, reversed(ORDER))
