"""The two programs as people and service managers meet them: words, exit statuses, JSON, metrics, signals."""
import json
import os
import pwd
import re
import socket
import subprocess
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from lib import ask
from lib.process import wait_until
from lib.understudy import BINARIES, Understudy, run_cli
from lib.zones import soa

ZONE = "example."


def with_files(stage, *zones, **options):
    """A server of zones from files, which needs no primary."""
    us = Understudy(stage, **options)
    us.write("all.zone", "$TTL 3600\n" + soa(1) + "@ NS ns1\nns1 A 192.0.2.1\n")
    for zone in zones or (ZONE,):
        us.zone(zone, file="all.zone")
    return us


def daemon(*arguments):
    return subprocess.run([BINARIES / "understudyd", *arguments], capture_output=True, text=True, timeout=30)


# Wrong usage

@pytest.mark.parametrize("arguments", [
    [], ["zone"], ["conf"], ["nonsense"], ["zone", "nonsense"], ["zone", "refresh"], ["zone", "retransfer"], ["zone", "export"],
    ["zone", "export", "a.", "b."], ["conf", "check"], ["conf", "check", "a", "b"], ["conf", "reload", "x"], ["stop", "now"],
    ["-o", "xml", "zone", "list"], ["--nonsense"], ["zone", "list", "--state", "good"], ["zone", "status", "a..b."],
    ["zone", "refresh", "a" * 64 + "."], ["--socket"],
], ids=" ".join)
def test_wrong_usage(arguments):
    done = run_cli(*arguments)
    assert done.status == 2 and done.err.strip() and not done.out, done


def test_help_and_version():
    for program in ("understudy", "understudyd"):
        done = subprocess.run([BINARIES / program, "--help"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "--config" in done.stdout, done
        done = subprocess.run([BINARIES / program, "--version"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and re.fullmatch(rf"{program} \d+\.\d+\.\d+\n", done.stdout), done
    for verb in ("list", "status", "refresh", "retransfer", "export"):
        assert verb in run_cli("zone", "--help").out


def test_server_usage(stage):
    assert daemon("--nonsense").returncode == 2
    folder = stage.folder("empty")
    done = daemon("--config", os.path.join(folder, "absent.yaml"))
    assert done.returncode == 1 and "absent.yaml: No such file" in done.stderr, done
    bad = os.path.join(folder, "bad.yaml")
    with open(bad, "w") as f:
        f.write("serve: {}\nzones:\n  - {name: a..b., file: x}\n")
    done = daemon("--config", bad)
    assert done.returncode == 1 and f"{bad}:1:1: " in done.stderr and f"{bad}:3:" in done.stderr, done


# Words of the command line

def test_nobody_listens(stage):
    path = os.path.join(stage.folder("empty"), "c.sock")
    done = run_cli("--socket", path, "zone", "list")
    assert done.status == 1 and not done.out, done
    assert done.err == f"understudy: the server is not running: nobody listens at {path}; start understudyd\n"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)  # what a killed server leaves behind
    listening.close()
    assert "nobody listens" in run_cli("--socket", path, "zone", "list").err
    done = run_cli("--socket", "/" + "x" * 200, "zone", "list")
    assert done.status == 1 and "too long" in done.err, done


def test_config_names_the_socket(stage):
    us = with_files(stage).start()
    for place in ("--config", "-c"):
        assert run_cli(place, us.config_path, "zone", "list").status == 0
    assert run_cli("zone", "list", "--config", us.config_path).status == 0
    here = subprocess.run([BINARIES / "understudy", "-c", "understudy.yaml", "zone", "list"], cwd=us.folder, timeout=30,
                          capture_output=True, text=True)
    assert here.returncode == 0, "a relative path of the socket begins at the configuration's directory"
    done = run_cli("--config", us.write("bad.yaml", "serve: {}\nzone: []\n"), "zone", "list")
    assert done.status == 1 and "bad.yaml:1:1: " in done.err and "bad.yaml:2:1: " in done.err, done


def test_conf_check_words(stage):
    us = with_files(stage).write_config()
    done = run_cli("conf", "check", us.config_path)
    assert (done.status, done.out, done.err) == (0, f"{us.config_path} is good: 1 zone\n", "")
    us.zone("b.example.", file="all.zone").write_config()
    assert run_cli("conf", "check", us.config_path).out == f"{us.config_path} is good: 2 zones\n"
    bad = us.write("bad.yaml", "zones:\n  - {name: a., file: x, primaries: [127.0.0.1@53]}\n  - {name: a., fil: x}\n")
    done = run_cli("conf", "check", bad)
    assert done.status == 1 and not done.out, done
    lines = done.err.splitlines()
    assert len(lines) >= 2 and all(re.match(rf"{re.escape(bad)}:\d+:\d+: .", line) for line in lines), done
    done = run_cli("conf", "check", us.folder)
    assert done.status == 1 and us.folder in done.err, done


def test_every_listing_is_json(stage):
    names = [ZONE, r"a\.b\"c\009.example.", r"\200\255.example.", "*.example.", "under_score.example."]
    us = with_files(stage, *names).zone("empty.", primaries=["127.0.0.1@9"]).start()
    for arguments in (["zone", "list"], ["zone", "status"], ["zone", "list", "--state", "ok"], ["zone", "refresh", ZONE],
                      ["zone", "refresh", "--no-wait", ZONE, "empty."], ["zone", "retransfer", ZONE], ["conf", "reload"]):
        got = us.json(*arguments)
        assert isinstance(got, list) and got and all(isinstance(entry, dict) for entry in got), got
    assert sorted(z["name"] for z in us.json("zone", "list")) == sorted(names + ["empty."])
    assert [z["name"] for z in us.json("zone", "list", "--state", "empty")] == ["empty."]
    assert us.json("zone", "list", "--state", "expired") == []
    done = us.cli("-o", "json", "zone", "status", "absent.", ZONE, check=False)
    assert done.status == 1 and [z.get("name", z.get("zone")) for z in json.loads(done.out)] == ["absent.", ZONE], done
    for name in names:
        assert us.status(name)["serial"] == 1
        assert name in us.cli("zone", "list").out
        assert us.cli("zone", "export", name).out.startswith(name + "\t")


def test_many_zones(stage):
    """Listings of many zones: whole, in order, and other commands are answered meanwhile."""
    count = 20_000
    us = Understudy(stage)
    us.write_config = lambda: us.write("understudy.yaml", us.config_text() + "zones:\n" + "".join(
        f"  - {{name: z{i:05}.example., primaries: [127.0.0.1@9]}}\n" for i in range(count)))
    us.start(timeout=60)
    began = time.monotonic()
    listed = us.json("zone", "list")
    assert time.monotonic() - began < 30
    assert [z["name"] for z in listed] == [f"z{i:05}.example." for i in range(count)]
    assert len(us.cli("zone", "list").out.splitlines()) == count + 1
    slow = subprocess.Popen([BINARIES / "understudy", "--socket", us.socket, "zone", "list"], stdout=subprocess.PIPE)
    stage.on_close(lambda: slow.wait(10))
    assert us.status("z00007.example.")["name"] == "z00007.example.", "a client that does not read holds up nobody"
    slow.stdout.close()


def test_full_output(stage):
    """An export that could not be written is no success."""
    us = with_files(stage).start()
    with open("/dev/full", "w") as full:
        done = subprocess.run([BINARIES / "understudy", "--socket", us.socket, "zone", "export", ZONE], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 1 and "No space left" in done.stderr, done


# The life of the server

def test_ready_is_said_once(stage):
    us = with_files(stage).start()
    us.reload()
    us.zone("b.example.", file="all.zone").reload()
    us.cli("zone", "refresh", ZONE)
    us.stop()
    ready = [line for line in us.log().splitlines() if "ready" in line]
    assert len(ready) == 1, us.log()
    assert re.search(rf"info: ready: 1 zone, 1 answered from storage or file, listening on 127\.0\.0\.1@{us.port}$", ready[0]), ready
    assert us.log().splitlines()[-1].endswith("info: stopped")


def test_service_manager_is_told(stage):
    us = with_files(stage)
    path = os.path.join(us.folder, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(20)
    us.launch(prefix=["env", f"NOTIFY_SOCKET={path}"])
    assert manager.recv(500) == b"READY=1"
    assert ask.soa_serial(us.port, ZONE) == (0, 1), "ready means answering"
    us.signal(1)
    assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(500))
    assert manager.recv(500) == b"READY=1"
    us.stop()
    assert manager.recv(500) == b"STOPPING=1"
    manager.close()


def test_hangup_before_ready_and_stop_at_any_moment(stage):
    """A signal is never too early: SIGHUP does no harm, SIGTERM ends it with 0, whatever is being done."""
    us = with_files(stage, *(f"z{i}.example." for i in range(300)))
    us.start()
    us.stop()
    for wait in (0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5):
        us.launch()
        held = wait_until(lambda: holds_signals(us.pid) or not us.alive(), 10, "it is past its first instructions")
        assert held
        time.sleep(wait)
        us.signal(1)
        us.stop()
    us.start().assert_serves("z7.example.", 1)


def holds_signals(pid):
    """SIGTERM is blocked or handled: the process can take it."""
    with open(f"/proc/{pid}/status") as f:
        status = f.read()
    masks = [int(re.search(rf"^{name}:\s*([0-9a-f]+)", status, re.MULTILINE).group(1), 16) for name in ("SigBlk", "SigCgt")]
    return "understudyd" in os.readlink(f"/proc/{pid}/exe") and any(mask & 1 << 14 for mask in masks)


def test_stop_returns_when_all_is_over(stage):
    us = with_files(stage).start()
    assert us.cli("stop").out == "stopping\n"
    assert not os.path.exists(us.socket)
    assert us.process.wait(2) == 0
    us.start()
    us.cli("stop", "--no-wait")
    assert us.process.wait(20) == 0


def test_restart_needed_is_said(stage):
    us = with_files(stage).start()
    us.config["server"]["workers"] = 1
    us.config["server"]["log-level"] = "warning"
    said = us.reload().out
    assert said == "server.log-level: info -> warning\nserver.workers: 2 -> 1 (needs a restart)\n", said
    assert us.reload().out == "server.workers: 2 -> 1 (needs a restart)\n", "it still does"
    assert us.wait_log(r"warning: .*server\.workers: 2 -> 1 \(needs a restart\)")
    us.config["server"]["workers"] = 2
    assert us.reload().out == "nothing changed\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_becomes_the_user(stage):
    """Files belong to the user, privileged rights are gone for good, reload and stop work as before."""
    nobody = pwd.getpwnam("nobody")
    os.chmod(stage.root, 0o755)
    us = with_files(stage)
    us.config["server"]["user"] = "nobody"
    us.config["control"]["socket"] = us.socket = os.path.join(us.folder, "run", "control.sock")
    us.start()
    with open(f"/proc/{us.pid}/status") as f:
        status = f.read()
    for field, number in (("Uid", nobody.pw_uid), ("Gid", nobody.pw_gid)):
        assert re.search(rf"^{field}:\t{number}\t{number}\t{number}\t{number}$", status, re.MULTILINE), status
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE), status
    for path in (us.directory, os.path.dirname(us.socket), us.socket):
        assert os.stat(path).st_uid == nobody.pw_uid, path
    assert os.stat(us.socket).st_mode & 0o777 == 0o660
    us.zone("b.example.", file="all.zone").reload()
    us.wait_serial("b.example.", 1)
    us.restart()
    us.assert_serves("b.example.", 1)


def test_closed_standard_files(stage):
    """What is closed at the start becomes no socket to which the log is written."""
    us = with_files(stage)
    us.launch(prefix=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
    us.wait_serial(ZONE, 1)
    assert all(os.readlink(f"/proc/{us.pid}/fd/{number}") == "/dev/null" for number in (0, 1, 2))
    us.stop()


# Metrics

def test_metrics_by_an_independent_parser(stage):
    odd = r"a\.b\"c\009.example."
    us = with_files(stage, ZONE, odd, http=True).option("http", zone_metrics=True).start()
    for tcp in (False, True):
        us.query("ns.example.", tcp=tcp)
    families = {f.name: f for f in text_string_to_metric_families(us.get("/metrics")[1])}
    samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families.values() for s in f.samples}
    assert samples["understudy_queries_total", (("transport", "udp"),)] >= 1
    assert samples["understudy_queries_total", (("transport", "tcp"),)] == 1
    assert samples["understudy_zone_serial", (("zone", odd),)] == 1
    assert samples["understudy_zones", (("state", "ok"),)] == 2
    assert families["understudy_queries"].type == "counter" and families["understudy_zones"].type == "gauge"
    assert all(f.documentation.endswith(".") and f.name.startswith("understudy_") for f in families.values())
    assert all(f.name.endswith("_" + f.unit) for f in families.values() if f.unit)
    with socket.create_connection(("127.0.0.1", us.http_port), 5) as s:
        s.sendall(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head = b"".join(iter(lambda: s.recv(65536), b"")).decode()
    assert "application/openmetrics-text; version=1.0.0; charset=utf-8" in head and head.endswith("\r\n\r\n"), head
    us.option("http", zone_metrics=False).reload()
    assert "zone_serial{" not in us.get("/metrics")[1]


# The manual

def test_manual_has_every_command():
    with open(os.path.join(os.path.dirname(__file__), "../../doc/manual/commands.md")) as f:
        manual = f.read()
    groups = ("zone", "transfer", "catalog", "conf")
    for group in ([], *([group] for group in groups)):
        verbs = re.findall(r"^  (\w+) ", run_cli(*group, "--help").out.partition("Subcommands:")[2], re.MULTILINE)
        assert verbs
        for verb in verbs:
            command = " ".join([*group, verb])
            assert re.search(rf"^### {command}( |$)", manual, re.MULTILINE) or command in groups, command
            assert f"\n$ understudy {command}" in manual or command in groups, f"no example of {command}"
    for option in re.findall(r"--[\w-]+", run_cli("--help").out):
        assert option in manual, option
