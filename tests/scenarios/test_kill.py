"""SIGKILL at random moments: what comes back is the old version or the new one, whole, and never older than served."""
import random
import struct
import threading
import time

import pytest

from lib import ask
from lib.process import wait_until
from lib.scripted import ScriptedPrimary
from lib.understudy import Understudy
from lib.wire import AXFR, Version, message, messages, rr

SIZES = {"small.": 20, "large.": 3000}
ROUNDS = 200


class Growing(ScriptedPrimary):
    """A primary whose zones have a new serial whenever it says so; silent for the server while `paused`."""

    def __init__(self, stage):
        super().__init__(stage, "small.", serial=1, hosts=SIZES["small."])
        self.versions["large."] = Version("large.", 1, hosts=SIZES["large."])
        self.paused = False
        self.on_soa = lambda q: [message(q, rcode=5)] if self.paused else self.soa(q)
        self.on_axfr = lambda q: [message(q, rcode=5)] if self.paused else messages(q, self.versions[q.zone].records, 200)

    def grow(self):
        for zone, hosts in SIZES.items():
            self.versions[zone] = Version(zone, self.versions[zone].serial + 1, hosts=hosts)


class Witness:
    """Makes versions, announces them and notes the newest serial that was answered, until it is stopped."""

    def __init__(self, primary, port):
        self.primary, self.port, self.newest, self.on = primary, port, dict.fromkeys(SIZES, 0), True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.on:
            self.primary.grow()
            for zone in SIZES:
                ask.notify(self.port, zone, timeout=0.05)
                for _ in range(5):
                    self.newest[zone] = max(self.newest[zone], ask.serial(self.port, zone, 0.05) or 0)

    def stop(self):
        self.on = False
        self.thread.join()
        return self.newest


def assert_whole(us, zone):
    """Every record of the version carries its serial; returns it."""
    records = ask.axfr(us.port, zone)
    serial = ask.soa_number(records[0])
    stamps = {r.rdata for r in records if r.type == 1 and r.owner.startswith("h")}
    assert stamps == {struct.pack("!I", serial)}, f"{zone}: records of {len(stamps)} versions"
    assert len(records) == SIZES[zone] + 3 and len(set(records)) == len(records)
    return serial


@pytest.mark.long
@pytest.mark.limit(400)
def test_kill_at_any_moment(stage):
    dice = random.Random(20260101)
    primary = Growing(stage)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone("small.").zone("large.").start()
    for zone in SIZES:
        us.wait_serial(zone, 1)
    newest = dict.fromkeys(SIZES, 1)
    for turn in range(ROUNDS):
        witness = Witness(primary, us.port)
        time.sleep(dice.uniform(0, 0.12))
        us.kill()
        seen = witness.stop()
        primary.paused = True  # what is answered next comes from the disk
        us.start()
        for zone in SIZES:
            newest[zone] = max(newest[zone], seen[zone])
            serial = assert_whole(us, zone)
            assert serial >= newest[zone], f"round {turn}: {zone} came back with {serial} after {newest[zone]} was served"
            assert serial <= primary.versions[zone].serial
            newest[zone] = serial
        primary.paused = False
    assert all(serial > ROUNDS / 2 for serial in newest.values()), f"the test made too few versions: {newest}"


@pytest.mark.long
def test_kill_during_the_first_transfer(stage):
    """Nothing or everything is there afterwards."""
    dice = random.Random(7)
    primary = Growing(stage)
    for _ in range(15):
        us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone("large.")
        primary.paused = False
        us.launch()
        time.sleep(dice.uniform(0.02, 0.4))
        us.kill()
        primary.paused = True
        us.start()
        code = wait_until(lambda: ask.soa_serial(us.port, "large."), what="an answer")[0]
        if code == 0:
            assert_whole(us, "large.")
        else:
            assert code == 2
        us.kill()
    primary.paused = False
    us.start().wait_serial("large.", primary.versions["large."].serial)
    assert_whole(us, "large.")


@pytest.mark.long
def test_kill_right_after_the_commit(stage):
    """The moment a new serial is answered it is durable: killed at once, it is what comes back."""
    primary = Growing(stage)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone("small.").zone("large.").start()
    for _ in range(25):
        primary.paused = False
        primary.grow()
        serial = primary.versions["large."].serial
        ask.notify(us.port, "large.")
        wait_until(lambda s=serial: us.serial("large.") == s, what=f"serial {serial}", step=0)
        us.kill()
        primary.paused = True
        us.start()
        assert assert_whole(us, "large.") == serial


class Changing(ScriptedPrimary):
    """A primary whose zone changes in a few records with every serial, and that sends the differences."""

    def __init__(self, stage):
        super().__init__(stage, "large.", serial=1)
        self.paused = False
        self.versions["large."] = self.make(1)
        self.past["large."] = [self.versions["large."]]
        self.on_soa = lambda q: [message(q, rcode=5)] if self.paused else self.soa(q)
        self.on_axfr = lambda q: [message(q, rcode=5)] if self.paused else self.axfr(q, 200)
        self.on_ixfr = lambda q: [message(q, rcode=5)] if self.paused else self.ixfr(q, 50)

    @staticmethod
    def make(serial):
        return Version("large.", serial, hosts=3000, stamp=7, extra=[rr(f"x{serial}.large.", "A", "192.0.2.1"),
                                                                   rr("now.large.", "TXT", f'"{serial}"')])

    def grow(self):
        self.versions["large."] = self.make(self.versions["large."].serial + 1)
        self.past["large."] = [*self.past["large."][-30:], self.versions["large."]]


@pytest.mark.long
@pytest.mark.limit(240)
def test_kill_while_differences_are_committed(stage):
    """Base and differences on the disk: after any kill they give one version, whole, and never an older one."""
    dice = random.Random(20261125)
    primary = Changing(stage)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone("large.").start().wait_serial("large.", 1)
    newest, rounds = 1, 30
    for turn in range(rounds):
        stop = threading.Event()

        def change():
            while not stop.is_set():
                primary.grow()
                ask.notify(us.port, "large.", primary.versions["large."].serial, timeout=0.05)
                nonlocal_newest[0] = max(nonlocal_newest[0], ask.serial(us.port, "large.", 0.05) or 0)
        nonlocal_newest = [newest]
        thread = threading.Thread(target=change)
        thread.start()
        time.sleep(dice.uniform(0.02, 0.25))
        us.kill()
        stop.set()
        thread.join()
        newest = nonlocal_newest[0]
        primary.paused = True  # what is answered next comes from the disk
        us.start()
        records = ask.axfr(us.port, "large.")
        serial = ask.soa_number(records[0])
        assert serial >= newest, f"round {turn}: serial {serial} came back after {newest} was served"
        owners = [r.owner for r in records]
        assert [o for o in owners if o.startswith("x")] == [f"x{serial}.large."], f"round {turn}: a mixture at {serial}"
        assert len(records) == len(set(records)) == 3000 + 5
        newest = serial
        primary.paused = False
    assert primary.count(AXFR) < rounds, "most changes came as differences"
    assert newest > rounds, f"the test made too few versions: {newest}"
