"""The machine's clock is set by a year while zones are served, and is wrong when the server starts (doc/zone-life.md).

A library stands between the server and the wall clock; the monotonic ones are the machine's.
"""
import os
import subprocess
import time

import dns.edns
import pytest

from lib import ask
from lib.process import wait_until
from lib.scripted import ScriptedPrimary
from lib.understudy import BINARIES, Understudy
from lib.wallclock import WallClock

ZONE = "example."
YEAR = 365 * 86400
EXPIRE = 8
NOTICED = 6  # a jump is, within 5 s


@pytest.fixture
def wall(stage):
    clock = WallClock(stage)
    clock.set(YEAR)
    # It fails, and says when.
    done = subprocess.run([*clock.prefix, BINARIES / "understudyd", "--config", os.path.join(stage.root, "none.yaml")],
                          capture_output=True, text=True, timeout=30)
    said = done.stdout + done.stderr
    if f"{clock.year()}-" not in said:
        pytest.skip(f"THE CLOCK THAT IS SET IS NOT TESTED HERE: the library has no effect on this server: {said.strip()[-200:]}")
    clock.set(0)
    return clock


def taken(stage, wall, expire=EXPIRE):
    primary = ScriptedPrimary(stage, ZONE, serial=1, refresh=2, retry=1, expire=expire)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).start(prefix=wall.prefix).wait_serial(ZONE, 1)
    return primary, us


def told_expire(us):
    """The seconds that are told to a secondary of ours (RFC 7314)."""
    reply = us.query(ZONE, "SOA", use_edns=0, options=[dns.edns.GenericOption(9, b"")])
    return int.from_bytes(next(o.data for o in reply.options if o.otype == 9), "big")


def expired(us):
    reply = us.query(ZONE, "SOA", use_edns=0)
    return reply.rcode() == 2 and [o.code for o in reply.options if o.otype == 15] == [24]


def is_set(us, wall, offset):
    """The clock is set, the server has noticed it, and has stored its times anew."""
    mark = us.log_mark()
    wall.set(offset)
    us.wait_log("system's clock was set", NOTICED, since=mark)
    time.sleep(0.5)


def serves_for(us, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        us.assert_serves(ZONE, 1)
        assert 0 < told_expire(us) <= EXPIRE
        time.sleep(0.1)


def gone(primary):
    """The time before which the last confirmation came."""
    primary.stop()
    return time.monotonic()


def expires_in_time(us, confirmed):
    """What was confirmed last before that time expires, not later than promised and not long before."""
    us.assert_serves(ZONE, 1)
    wait_until(lambda: expired(us), confirmed + EXPIRE + 1 - time.monotonic(), "the zone expires")
    assert time.monotonic() - confirmed > EXPIRE - 3.5, "the last confirmation is not older than REFRESH and the whole second"


@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "forward"])
def test_set_while_zones_are_served(stage, wall, jump):
    """Nothing changes: served, confirmed, refreshed, told and expired by monotonic time; and the same when it is set right."""
    primary, us = taken(stage, wall)
    is_set(us, wall, jump)
    us.wait_log(f"set {'back' if jump < 0 else 'forward'} by 3153[56]...")
    asked = len(primary.queries)
    serves_for(us, EXPIRE + 2)
    assert len(primary.queries) - asked >= 4, "confirmed at every REFRESH"
    assert us.status(ZONE)["state"] == "ok" and 0 < us.status(ZONE)["expires_in"] <= EXPIRE
    is_set(us, wall, 0)
    serves_for(us, 2)
    is_set(us, wall, jump)
    expires_in_time(us, gone(primary))
    is_set(us, wall, 0)
    assert expired(us)
    primary.start()
    us.wait_serial(ZONE, 1)
    primary.publish(2, refresh=2, retry=1)
    us.wait_serial(ZONE, 2, timeout=4)


@pytest.mark.parametrize("hard", [False, True], ids=["stop", "kill"])
@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "forward"])
def test_restart_in_the_year_to_which_it_was_set(stage, wall, jump, hard):
    """The stored times moved with the clock: a restart takes the zone for neither younger nor older than it is."""
    primary, us = taken(stage, wall)
    confirmed = gone(primary)
    is_set(us, wall, jump)
    us.restart(hard=hard, prefix=wall.prefix)
    expires_in_time(us, confirmed)
    us.restart(hard=hard, prefix=wall.prefix)
    assert expired(us)
    primary.start()
    us.wait_serial(ZONE, 1)


def test_set_back_while_down(stage, wall):
    """The latest time ever seen counts: served, with no more time left than EXPIRE, whatever the year."""
    primary, us = taken(stage, wall)
    us.stop()
    wall.set(-YEAR)
    us.start(prefix=wall.prefix)
    serves_for(us, EXPIRE + 2)  # its primary confirms it
    confirmed = gone(primary)
    us.restart(prefix=wall.prefix)
    expires_in_time(us, confirmed)
    is_set(us, wall, 0)
    us.restart(prefix=wall.prefix)
    assert expired(us), "expired is expired, in any year"
    primary.start()
    us.wait_serial(ZONE, 1)


def test_set_back_while_down_without_the_primary(stage, wall):
    """A clock that is wrong at one start costs at most one EXPIRE."""
    primary, us = taken(stage, wall)
    primary.stop()
    us.kill()
    wall.set(-YEAR)
    us.start(prefix=wall.prefix)
    began = time.monotonic()
    us.assert_serves(ZONE, 1)
    assert told_expire(us) <= EXPIRE
    wait_until(lambda: expired(us), EXPIRE + 1, "the zone expires")
    assert time.monotonic() - began < EXPIRE + 1


def test_set_forward_while_down(stage, wall):
    """That counts as time that has passed: expired at the start, and taken up again at once where the primary is there."""
    primary, us = taken(stage, wall, expire=86400)
    primary.stop()
    us.stop()
    wall.set(YEAR)
    us.start(prefix=wall.prefix)
    assert expired(us)
    us.wait_log("expired while this server was down")
    primary.start()
    us.wait_serial(ZONE, 1)
    assert 86000 < us.status(ZONE)["expires_in"] <= 86400
    us.stop()
    wall.set(0)  # and right again, while it is down
    us.start(prefix=wall.prefix)
    us.assert_serves(ZONE, 1)
    assert ask.soa_serial(us.port, ZONE) == (0, 1) and 0 < us.status(ZONE)["expires_in"] <= 86400
