"""A primary that sends what is far too large, or as large as it may be: memory stays in proportion, the old version served."""
import struct
import threading
import time

import pytest

from lib import ask
from lib.process import wait_until
from lib.scripted import ScriptedPrimary
from lib.understudy import IS_SANITIZED, Understudy
from lib.wire import Version, message, name, rr, soa_rr

ZONE, CATALOG = "example.", "catalog.example."


class Peak:
    """The most memory that the server has, beyond what it has now."""

    def __init__(self, us):
        self.us, self.before, self.most, self.over = us, us.memory_mib(), 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, self.us.memory_mib() - self.before)

    def end(self):
        self.over.set()
        self.thread.join()
        return self.most


def refusals(us):
    return [line for line in us.log().splitlines() if "AXFR" in line and "failed" in line]


@pytest.mark.long
def test_millions_of_records_at_one_name(stage):
    """One RRset of three million addresses: no message could carry it, but it costs what it has."""
    count, per_message = 3_000_000, 3800
    primary = ScriptedPrimary(stage, ZONE)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).start().wait_serial(ZONE, 1)
    primary.publish(2)

    def actions(query):
        if query.zone != ZONE:
            yield from primary.axfr(query)
            return
        yield message(query, [primary.version.soa, *primary.version.body])
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 3600, 4)  # at the apex, by a pointer to the question
        for at in range(0, count, per_message):
            size = min(per_message, count - at)
            yield message(query, [b"".join(record + struct.pack("!I", at + i) for i in range(size))], count=size)
        yield message(query, [primary.version.soa])
    primary.on_axfr = actions
    peak = Peak(us)
    primary.announce(us.port, 2)
    wait_until(lambda: us.serial(ZONE) == 2 or refusals(us), 120, "the version is taken or refused", step=0.1)
    most = peak.end()
    print(f"{count} records at one name: {most:.0f} MiB at the most, {refusals(us) or 'taken'}")
    octets = count * 16 / 2**20  # of messages
    assert most < (28 if IS_SANITIZED else 14) * octets, f"{most:.0f} MiB for {octets:.0f} MiB of messages"
    # Whatever became of it, questions are answered at once, and the next good version is taken.
    began = time.monotonic()
    assert us.query(f"ns1.{ZONE}", "A").answer
    us.query(ZONE, "A")
    us.query(ZONE, "A", tcp=True)
    assert time.monotonic() - began < 2
    primary.publish(3, us.port)
    us.wait_serial(ZONE, 3, timeout=20)


def catalog_version(serial, members):
    version = Version(CATALOG, serial, hosts=0)
    version.body = [rr(CATALOG, "NS", "invalid."), rr(f"version.{CATALOG}", "TXT", '"2"')]
    version.body += [rr(f"{label}.zones.{CATALOG}", "PTR", name(zone)) for label, zone in members.items()]
    return version


def behind_scripted(stage, members, **catalog):
    primary = ScriptedPrimary(stage, CATALOG)
    primary.versions[CATALOG] = catalog_version(1, members)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8")
    us.catalog(CATALOG, primaries=list(us.default["primaries"]), **catalog)
    return primary, us


def test_catalog_of_ten_million_members(stage):
    """It is left long before its end, and costs what its limit allows; its members stay."""
    primary, us = behind_scripted(stage, {"one": "one.test."}, max_members=50_000)
    primary.versions["one.test."] = Version("one.test.", 1)
    us.start().wait_serial("one.test.", 1)
    sent = [0]

    def actions(query):
        if query.zone != CATALOG:
            yield from primary.axfr(query)
            return
        yield message(query, [catalog_version(2, {}).soa, *catalog_version(2, {}).body])
        for at in range(0, 10_000_000, 1000):
            records = [rr(f"m{at + i}.zones.{CATALOG}", "PTR", b"\x08" + b"%08d" % (at + i) + b"\x04test\x00") for i in range(1000)]
            yield message(query, records, question=False)
            sent[0] += 1000
        yield message(query, [catalog_version(2, {}).soa], question=False)
    primary.versions[CATALOG] = catalog_version(2, {})
    primary.on_axfr = actions
    peak, mark = Peak(us), us.log_mark()
    primary.announce(us.port, 2)
    print(us.wait_log(r"catalog\.example\..*AXFR.*failed.*larger", timeout=60, since=mark))
    most = peak.end()
    print(f"{sent[0]} of 10,000,000 members were sent, {most:.0f} MiB at the most")
    assert sent[0] < 500_000
    assert most < 200
    us.assert_serves("one.test.", 1)
    primary.versions["two.test."] = Version("two.test.", 1)
    primary.versions[CATALOG] = catalog_version(3, {"one": "one.test.", "two": "two.test."})
    primary.on_axfr = primary.axfr
    primary.announce(us.port, 3)
    us.wait_serial("two.test.", 1, timeout=20)


def test_member_of_255_octets_and_127_labels(stage):
    """The longest name that there can be is a member like any other: taken, listed, answered, there after a restart."""
    deep = "a." * 127
    assert len(name(deep)) == 255
    primary, us = behind_scripted(stage, {"deep": deep, "one": "one.test."})
    primary.versions["one.test."] = Version("one.test.", 1)
    version = primary.versions[deep] = Version("apex.", 5, hosts=0)  # below `deep` there is no room for hosts
    version.zone, version.soa, version.body = deep, soa_rr(deep, 5), [rr(deep, "NS", "ns.elsewhere.")]
    us.start().wait_serial("one.test.", 1)
    us.wait_serial(deep, 5)
    assert us.status(deep)["serial"] == 5
    assert us.query(deep, "NS", tcp=True).answer
    assert len(ask.axfr(us.port, deep)) == 2
    primary.stop()
    us.restart(hard=True)
    us.wait_serial(deep, 5)
