"""From the first start to the last stop: what is kept, what expires, what is reported, and how it is steered."""
import glob
import os
import random
import shutil
import subprocess
import threading
import time

import pytest

from lib import ask
from lib.peers import Knot
from lib.process import wait_until
from lib.scripted import HANG, ScriptedPrimary
from lib.understudy import Understudy, run_cli
from lib.wire import Version
from lib.zones import hosts, zone_text

ZONE = "example."
# root may do anything to a folder; without this capability it is bound by permissions as everybody is.
BOUND_BY_PERMISSIONS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


def taken(stage, **version):
    primary = ScriptedPrimary(stage, ZONE, serial=1, **version)
    us = Understudy(stage, http=True).primary(primary).allow("127.0.0.0/8").zone(ZONE).start().wait_serial(ZONE, 1)
    return primary, us


# Living without the primary

def test_outlives_its_primary(stage):
    """Primary killed: answers go on. Restarted alone: answers. Primary back with newer data: caught up."""
    us = Understudy(stage)
    primary = Knot(stage, {ZONE: zone_text(ZONE, 1, hosts(500), refresh=2, retry=1)}, notify=[us.port]).start()
    us.primary(primary).allow("127.0.0.0/8").zone(ZONE).start().wait_serial(ZONE, 1)
    content = ask.axfr(us.port, ZONE)
    primary.kill()
    us.assert_serves(ZONE, 1)
    us.wait_log(r"example\..*connect")
    us.restart()
    us.assert_serves(ZONE, 1)
    us.restart(hard=True)
    us.assert_serves(ZONE, 1)
    ask.assert_same_records(ask.axfr(us.port, ZONE), content)
    primary.write(primary.file(ZONE), zone_text(ZONE, 2, hosts(600)))
    primary.start()
    us.wait_serial(ZONE, 2)
    ask.assert_same_zone(us.port, primary.port, ZONE)


def test_ready_answers_at_once(stage):
    """The `ready` line comes when every stored zone answers: the first query after it is answered."""
    primary = Knot(stage, {f"z{i}.example.": zone_text(f"z{i}.example.", 1, hosts(300)) for i in range(30)}).start()
    us = Understudy(stage).primary(primary)
    for zone in primary.zones:
        us.zone(zone)
    us.start()
    for zone in primary.zones:
        us.wait_serial(zone, 1)
    primary.kill()
    us.restart()
    assert [ask.soa_serial(us.port, zone) for zone in primary.zones] == [(0, 1)] * 30


def test_not_loaded_yet(stage):
    """A zone that no primary gave yet is ours, but not ready: SERVFAIL with EDE 14."""
    primary = ScriptedPrimary(stage, ZONE)
    primary.stop()
    us = Understudy(stage).primary(primary).zone(ZONE).start()
    reply = us.query(ZONE, "SOA", use_edns=0)
    assert reply.rcode() == 2 and [o.code for o in reply.options if o.otype == 15] == [14], reply
    assert us.status(ZONE)["serial"] is None
    primary.start()
    primary.announce(us.port)
    us.wait_serial(ZONE, 1)


def expired(us):
    """True once the zone is answered with SERVFAIL and EDE 24 (invalid data)."""
    reply = us.query(ZONE, "SOA", use_edns=0)
    return reply.rcode() == 2 and [o.code for o in reply.options if o.otype == 15] == [24]


def test_expires_and_stays_expired(stage):
    primary, us = taken(stage, refresh=2, retry=1, expire=4)
    primary.stop()
    began = time.monotonic()
    us.assert_serves(ZONE, 1)
    wait_until(lambda: expired(us), 10, "the zone expires")
    assert 1 < time.monotonic() - began < 7
    assert us.status(ZONE)["state"] == "expired"
    assert us.query("h1.example.").rcode() == 2 and not us.query("h1.example.").answer
    us.wait_log(r"example\..*expired")
    us.restart()
    assert expired(us), "expired before the restart"
    us.restart(hard=True)
    assert expired(us), "expired before the kill"
    assert ask.axfr_rcode(us.port, ZONE) != 0, "an expired zone is not passed on"
    primary.start()
    us.wait_serial(ZONE, 1)
    assert us.status(ZONE)["state"] == "ok"


def test_expires_while_down(stage):
    """Expiry is a moment, not a length of running time."""
    primary, us = taken(stage, refresh=2, retry=1, expire=3)
    primary.stop()
    us.kill()
    time.sleep(4.5)
    us.start()
    assert expired(us)


def test_confirmation_postpones_expiry(stage):
    """The primary that confirms the serial keeps the zone alive; there is no other transfer for that."""
    primary, us = taken(stage, refresh=2, retry=1, expire=4)
    transfers = primary.transfers()
    end = time.monotonic() + 6.5
    while time.monotonic() < end:
        us.assert_serves(ZONE, 1)
        time.sleep(0.2)
    assert primary.transfers() == transfers
    us.restart(hard=True)
    us.assert_serves(ZONE, 1)


def test_refresh_by_the_clock(stage):
    """Without any NOTIFY, the new serial is found within the refresh interval."""
    primary, us = taken(stage, refresh=2, retry=1)
    primary.publish(2, refresh=2)
    us.wait_serial(ZONE, 2, timeout=3.5)


# What it keeps the zones in

def test_second_server_on_one_directory(stage):
    primary, us = taken(stage)
    other = Understudy(stage, "second", directory=us.directory).primary(primary).zone(ZONE)
    said = other.fails_to_start()
    assert us.directory in said and "another" in said, said
    us.assert_serves(ZONE, 1)


def test_unwritable_directory(stage):
    us = Understudy(stage).zone(ZONE, primaries=["127.0.0.1@9"])
    os.makedirs(us.directory)
    os.chmod(us.directory, 0o555)
    said = us.fails_to_start(prefix=BOUND_BY_PERMISSIONS)
    assert us.directory in said and "ermission" in said, said


def test_directory_is_a_file(stage):
    us = Understudy(stage).zone(ZONE, primaries=["127.0.0.1@9"])
    us.write("store", "not a folder")
    assert us.directory in us.fails_to_start()


def test_port_in_use(stage):
    primary, us = taken(stage)
    other = Understudy(stage, "second").primary(primary).zone(ZONE)
    other.config["server"]["listen"] = [f"127.0.0.1@{us.port}"]
    said = other.fails_to_start()
    assert f"127.0.0.1@{us.port}" in said and "in use" in said, said


def damage(path, kind, dice):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        if kind == "truncate":
            f.truncate(size // 2)
        elif kind == "empty":
            f.truncate(0)
        else:
            for _ in range(20):
                at = dice.randrange(size)
                f.seek(at)
                octet = f.read(1)
                f.seek(at)
                f.write(bytes([octet[0] ^ (1 << dice.randrange(8))]))


@pytest.mark.parametrize("kind", ["flip", "truncate", "empty", "remove"])
@pytest.mark.parametrize("files", ["*.sst", "*.log", "MANIFEST-*", "CURRENT", "OPTIONS-*"])
def test_damaged_database(stage, kind, files):
    """Whole or taken again: whatever is answered is a whole version, and with its primary the zone comes back."""
    dice = random.Random(f"{kind}{files}")
    primary = ScriptedPrimary(stage, ZONE, serial=1, hosts=500)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).start().wait_serial(ZONE, 1)
    content = ask.axfr(us.port, ZONE)
    if files == "*.sst":
        us.restart()  # opening the database again moves its log into tables
    us.stop()
    primary.stop()
    hit = [f for f in glob.glob(os.path.join(us.directory, "**", files), recursive=True) if os.path.getsize(f)]
    for path in hit:
        os.remove(path) if kind == "remove" else damage(path, kind, dice)
    us.launch()
    wait_until(lambda: not us.alive() or "ready" in us.log(), 20, "an end or a beginning")
    time.sleep(0.2)
    if not us.alive():
        us.expects_failure = True
        assert us.process.returncode > 0 and us.directory in us.log(), "it gives up, and says about what and what to do"
        return
    got = wait_until(lambda: ask.soa_serial(us.port, ZONE), 10, "an answer")
    if got == (0, 1):
        ask.assert_same_records(ask.axfr(us.port, ZONE), content)
    else:
        assert got[0] == 2, got
    primary.start()
    us.cli("zone", "refresh", ZONE)
    us.wait_serial(ZONE, 1)
    ask.assert_same_records(ask.axfr(us.port, ZONE), content)


def test_directory_removed_while_running(stage):
    """Nothing is served that a start will not find: the storage is made anew, and what is served goes into it again."""
    primary = ScriptedPrimary(stage, ZONE, serial=1, hosts=500)
    primary.versions["same."] = Version("same.", 7)
    us = Understudy(stage).primary(primary).allow("127.0.0.0/8").zone(ZONE).zone("same.").start()
    us.wait_serial(ZONE, 1).wait_serial("same.", 7)
    shutil.rmtree(us.directory)
    primary.versions[ZONE] = Version(ZONE, 2, hosts=600)
    ask.notify(us.port, ZONE)
    us.wait_serial(ZONE, 2)
    us.wait_log("was removed or replaced while the server uses it")
    us.cli("zone", "refresh", "same.")  # it has not changed
    us.kill()
    primary.stop()
    us.start()
    us.assert_serves(ZONE, 2)
    us.assert_serves("same.", 7)


def test_directory_removed_while_running_costs_no_zone_of_a_catalog_or_command(stage):
    """Which zones there are, what is held and the labels of our own catalog are as they were for the next start."""
    catalog, ours = "catalog.example.", "ours.example."
    members = {f"m{i}": f"z{i}.example." for i in range(40)}
    few = dict(list(members.items())[:20])

    def text(serial, listed):
        return (f"$ORIGIN {catalog}\n@ 0 SOA invalid. invalid. {serial} 3600 600 86400 0\n@ 0 NS invalid.\nversion 0 TXT \"2\"\n" +
                "".join(f"{label}.zones 0 PTR {zone}\n" for label, zone in listed.items()))

    def labels():
        return {(r.owner, r.rdata) for r in ask.axfr(us.port, ours) if r.type == 12}
    us = Understudy(stage, http=True)
    zones = {zone: zone_text(zone, 1) for zone in [*members.values(), "r0.example."]}
    primary = Knot(stage, {catalog: text(1, members), **zones}, notify=[us.port]).start()
    us.primary(primary).allow("127.0.0.0/8").zone(ours)
    us.default["catalog-produce"] = ours
    us.catalog(catalog, primaries=list(us.default["primaries"])).start()
    for zone in members.values():
        us.wait_serial(zone, 1)
    primary.change(catalog, text(2, few))
    wait_until(lambda: us.json("catalog", "list")[0]["state"] == "held", what="the update is held")
    us.cli("zone", "add", "r0.example.")
    us.wait_serial("r0.example.", 1)
    listed = wait_until(lambda: len(labels()) >= 41 and labels(), what="our own catalog lists all zones")
    shutil.rmtree(us.directory)
    us.cli("zone", "refresh", "r0.example.", "z39.example.", catalog)
    us.wait_log("was removed or replaced while the server uses it")
    us.wait_log("members and 1 zones added at run time are noted in it again")
    wait_until(lambda: us.get("/readyz")[0] == 200, what="all is stored again")
    us.kill()
    primary.stop()
    us.start()
    us.wait_serial("r0.example.", 1).wait_serial("z39.example.", 1)
    row = us.json("catalog", "list")[0]
    assert (row["state"], row["members"], row["held_removed"]) == ("held", 40, 20), row
    assert us.query("z38.example.", "SOA").rcode() != 5, "it is still a member"
    wait_until(lambda: labels() == listed, what="the labels of our own catalog")


@pytest.fixture
def small_disk(stage):
    """A file system of 64 MiB of its own."""
    path = stage.folder("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", path], capture_output=True).returncode:
        pytest.skip("THE FULL DISK IS NOT TESTED HERE: mounting a file system of its own is not permitted")
    stage.on_close(lambda: subprocess.run(["umount", path], check=True, capture_output=True))
    return path


def test_full_disk(stage, small_disk):
    """The new version cannot be kept, so it is not served; it is taken when there is room again, without a restart."""
    primary = ScriptedPrimary(stage, ZONE, serial=1, hosts=1000)
    us = Understudy(stage, directory=os.path.join(small_disk, "store")).primary(primary).allow("127.0.0.0/8").zone(ZONE)
    us.start().wait_serial(ZONE, 1)
    filler = os.path.join(small_disk, "filler")
    with open(filler, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 4096)
        except OSError:
            pass
    mark = us.log_mark()
    for serial in range(2, 40):  # the database may have some room set aside
        primary.publish(serial, us.port, hosts=20_000)
        wait_until(lambda s=serial: us.serial(ZONE) == s or us.status(ZONE)["last_error"], 20, f"an outcome of serial {serial}")
        if us.serial(ZONE) != serial:
            break
    assert us.serial(ZONE) == serial - 1, "a version that could not be stored is served, or the old one is gone"
    us.wait_log(r"(disk|space|full|storage|database)", since=mark)
    assert len(ask.axfr(us.port, ZONE)) == (20_003 if serial > 2 else 1003)
    us.kill()
    os.remove(filler)
    primary.stop()
    us.start().assert_serves(ZONE, serial - 1)
    primary.start()
    us.cli("zone", "refresh", ZONE)
    us.wait_serial(ZONE, serial)


def test_full_disk_recovers_without_a_restart(stage, small_disk):
    primary = ScriptedPrimary(stage, ZONE, serial=1, hosts=1000)
    us = Understudy(stage, directory=os.path.join(small_disk, "store")).primary(primary).zone(ZONE)
    us.start().wait_serial(ZONE, 1)
    filler = os.path.join(small_disk, "filler")
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4k"], capture_output=True)
    serial = 1
    while us.serial(ZONE) == serial:
        serial += 1
        primary.publish(serial, us.port, hosts=20_000)
        wait_until(lambda s=serial: us.serial(ZONE) == s or us.status(ZONE)["last_error"], 20, f"an outcome of serial {serial}")
    os.remove(filler)

    def again():
        us.cli("zone", "refresh", ZONE, check=False)
        return us.serial(ZONE) == serial
    wait_until(again, 20, "the version that did not fit before", step=0.5)


# Reload

class Asker:
    """Asks the server all the time, from a thread; remembers what was not a good answer."""

    def __init__(self, port, zone):
        self.port, self.zone, self.asked, self.bad, self.on = port, zone, 0, [], True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.on:
            got = ask.soa_serial(self.port, self.zone, timeout=2)
            self.asked += 1
            if got is None or got[0] != 0:
                self.bad.append(got)

    def stop(self):
        self.on = False
        self.thread.join()
        assert self.asked > 100 and not self.bad, f"{len(self.bad)} of {self.asked} queries failed: {self.bad[:5]}"


def test_reload_adds_removes_and_changes_without_dropping_a_query(stage):
    zones = {f"z{i}.example.": zone_text(f"z{i}.example.", 1) for i in range(20)}
    primary = Knot(stage, zones).start()
    second = ScriptedPrimary(stage, "z1.example.", serial=50)
    us = Understudy(stage).primary(primary).zone("z0.example.").zone("z1.example.").start()
    us.wait_serial("z0.example.", 1)
    us.wait_serial("z1.example.", 1)
    asker = Asker(us.port, "z0.example.")
    for i in range(2, 20):
        us.zone(f"z{i}.example.")
    us.reload()
    for zone in zones:
        us.wait_serial(zone, 1)
    us.remove_zone("z5.example.").reload()
    wait_until(lambda: ask.rcode(us.port, "z5.example.") == 5, what="a removed zone is REFUSED")
    us.remove_zone("z1.example.").zone("z1.example.", primaries=[f"127.0.0.1@{second.port}"]).reload()
    us.cli("zone", "refresh", "z1.example.")
    us.wait_serial("z1.example.", 50)
    us.zone("z5.example.").reload()
    us.wait_serial("z5.example.", 1)
    asker.stop()


def test_reload_through_updates_and_transfers(stage):
    """Versions come and go while queries run: every answer is a good one."""
    primary, us = taken(stage, hosts=2000)
    asker = Asker(us.port, ZONE)
    for serial in range(2, 40):
        primary.publish(serial, us.port, hosts=2000)
        us.wait_serial(ZONE, serial)
    asker.stop()


def test_reload_of_a_bad_file_changes_nothing(stage):
    primary, us = taken(stage)
    us.write("understudy.yaml", us.config_text().replace("zones:", "zoness:"))
    done = us.cli("conf", "reload", check=False)
    assert done.status == 1 and "zoness" in done.text and "zones" in done.text, done
    us.assert_serves(ZONE, 1)
    us.write("understudy.yaml", us.config_text().replace(ZONE, "exa mple..")[:-1])
    assert us.cli("conf", "reload", check=False).status == 1
    us.assert_serves(ZONE, 1)
    us.reload()


def test_removed_zone_is_gone_after_a_restart(stage):
    primary, us = taken(stage)
    us.zone("other.").remove_zone(ZONE).reload()
    wait_until(lambda: ask.rcode(us.port, ZONE) == 5, what="REFUSED")
    us.restart()
    assert ask.rcode(us.port, ZONE) == 5


# Zone files

def test_mistake_in_a_zone_file(stage):
    """File, line and column are named; nothing of the file is served, and the other zones are."""
    us = Understudy(stage)
    us.write("bad.zone", zone_text("bad.example.", 1) + "www A 192.0.2.300\n")
    us.write("good.zone", zone_text("good.example.", 1))
    us.zone("bad.example.", file="bad.zone").zone("good.example.", file="good.zone").start()
    us.wait_serial("good.example.", 1)
    assert ask.rcode(us.port, "bad.example.") == 2
    us.wait_log(r"bad\.zone:7:\d+")
    us.write("bad.zone", zone_text("bad.example.", 2))
    us.cli("zone", "refresh", "bad.example.")
    us.wait_serial("bad.example.", 2)
    us.write("bad.zone", "$ORIGIN bad.example.\nnonsense\n")
    done = us.cli("zone", "refresh", "bad.example.", check=False)
    assert done.status == 1 and "bad.zone:2:" in done.text, done
    us.assert_serves("bad.example.", 2)


# Commands

def test_zone_commands(stage):
    primary, us = taken(stage)
    primary.versions["two.example."] = Version("two.example.", 7)
    us.zone("two.example.").reload()
    us.wait_serial("two.example.", 7)
    assert ZONE in us.cli("zone", "list").out and "two.example." in us.cli("zone", "list").out
    assert sorted(z["name"] for z in us.json("zone", "list")) == [ZONE, "two.example."]
    assert {z["name"]: z["serial"] for z in us.json("zone", "status")} == {ZONE: 1, "two.example.": 7}
    status = us.status(ZONE)
    assert {"name", "state", "serial", "primary", "last_check", "next_check", "expires_in", "last_error", "records"} <= set(status), status
    assert status["state"] == "ok" and status["records"] == 23 and str(primary.port) in str(status["primary"]), status
    assert 0 < status["expires_in"] <= 86400, status
    primary.publish(2)
    us.cli("zone", "refresh", ZONE)
    us.assert_serves(ZONE, 2)
    transfers = primary.transfers()
    us.cli("zone", "refresh", ZONE)
    assert primary.transfers() == transfers, "up to date: nothing to transfer"
    us.cli("zone", "retransfer", ZONE)
    assert primary.transfers() == transfers + 1
    us.cli("zone", "refresh", "--no-wait", ZONE, "two.example.")


def test_zone_export_can_be_loaded(stage):
    """What `zone export` prints is a zone file with the same content."""
    primary, us = taken(stage, hosts=300)
    text = us.cli("zone", "export", ZONE).out
    knot = Knot(stage, {ZONE: text}, name="loads").start()
    ask.assert_same_zone(us.port, knot.port, ZONE)


def test_commands_that_fail_say_why(stage):
    primary, us = taken(stage)
    done = us.cli("zone", "status", "absent.", check=False)
    assert done.status == 1 and "absent." in done.text, done
    assert us.cli("zone", "refresh", "absent.", check=False).status == 1
    assert us.cli("zone", "nonsense", check=False).status == 2
    assert us.cli(check=False).status == 2
    primary.stop()
    done = us.cli("zone", "refresh", ZONE, check=False)
    assert done.status == 1 and "connect" in done.text, done
    us.assert_serves(ZONE, 1)
    us.stop()
    done = us.cli("zone", "list", check=False)
    assert done.status == 1 and "running" in done.text and us.socket in done.text, done


def test_conf_check(stage):
    us = Understudy(stage).zone(ZONE, primaries=["127.0.0.1@9"]).write_config()
    assert run_cli("conf", "check", us.config_path).status == 0
    for old, new, words in [("primaries", "primarys", ["primarys", "primaries"]), ("127.0.0.1@9", "127.0.0.1:9", ["127.0.0.1:9", "ADDRESS@PORT"]),
                            ("directory", "directoy", ["directoy", "directory"]), (ZONE, "a..b.", ["a..b."])]:
        path = us.write("bad.yaml", us.config_text().replace(old, new))
        done = run_cli("conf", "check", path)
        assert done.status == 1 and "bad.yaml:" in done.text, done
        assert all(word in done.text for word in words), done
    assert run_cli("conf", "check", us.config_path + ".absent").status == 1


def test_zones_named_like_yaml_words(stage):
    """Every scalar is text until the schema says otherwise."""
    names = ["no.", "yes.", "null.", "1.", "1e3.", "0x10.", "~.", "true."]
    primary = ScriptedPrimary(stage, ZONE)
    us = Understudy(stage).primary(primary)
    for name in names:
        primary.versions[name] = Version(name, 5)
        us.zone(name)
    us.write_config()
    plain = us.config_text()
    for name in names:
        plain = plain.replace(f'"{name}"', name)
    us.write_config = lambda: us.write("understudy.yaml", plain)
    us.start()
    for name in names:
        us.wait_serial(name, 5)


def test_stop_by_command(stage):
    primary, us = taken(stage)
    us.cli("stop")
    assert us.process.wait(10) == 0
    assert not os.path.exists(us.socket)
    us.start().assert_serves(ZONE, 1)


def test_stop_in_the_middle_of_everything(stage):
    """Transfers that hang, clients that wait: the end comes at once all the same."""
    primary, us = taken(stage)
    primary.publish(2)
    primary.on_axfr = lambda query: [HANG]
    primary.announce(us.port)
    wait_until(lambda: primary.transfers() == 2, what="a transfer that hangs")
    idle = [ask.tcp_connect(us.port) for _ in range(10)]
    began = time.monotonic()
    us.stop()
    assert time.monotonic() - began < 5
    for s in idle:
        s.close()


def test_http(stage):
    primary, us = taken(stage)
    assert us.get("/healthz")[0] == 200
    assert us.get("/readyz")[0] == 200
    us.query("h1.example.")
    code, metrics = us.get("/metrics")
    assert code == 200
    samples = [line for line in metrics.splitlines() if line and not line.startswith("#")]
    assert samples and all(len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) >= 0 for line in samples), metrics
    assert all(line.startswith("understudy_") for line in samples), metrics
    assert us.get("/nonsense")[0] == 404


def test_expired_zone_shows_in_the_metrics(stage):
    primary, us = taken(stage, refresh=2, retry=1, expire=3)
    primary.stop()
    wait_until(lambda: expired(us), 10, "the zone expires")
    assert us.get("/healthz")[0] == 200
    metrics = us.get("/metrics")[1]
    assert any("expired" in line and not line.endswith(" 0") for line in metrics.splitlines() if not line.startswith("#")), metrics
