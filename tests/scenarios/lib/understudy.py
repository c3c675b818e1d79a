"""Our server under test: its configuration, its command line, its life.

    us = Understudy(stage).primary(knot).zone("example.").start()
    us.wait_serial("example.", 1)
    us.cli("zone", "refresh", "example.")

The binaries come from UNDERSTUDY_BIN_DIR, or from build/release/bin. A server that ends by itself, or under a sanitizer
with a finding, fails the test even if nothing else noticed.
"""
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from . import ask
from .ports import free_port
from .process import Server, wait_until

ROOT = Path(__file__).resolve().parents[3]
BINARIES = Path(os.environ.get("UNDERSTUDY_BIN_DIR", ROOT / "build" / "release" / "bin"))
# Built with a sanitizer: several times as slow, and with as much memory again around each piece of it.
IS_SANITIZED = any(word in str(BINARIES) for word in ("asan", "tsan"))


@dataclass
class Done:
    """The outcome of a command."""
    status: int
    out: str
    err: str

    @property
    def text(self):
        return self.out + self.err

    @property
    def json(self):
        return json.loads(self.out)


def run_cli(*arguments, timeout=60.0):
    """`understudy ARGUMENTS`, without a server named."""
    done = subprocess.run([BINARIES / "understudy", *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                          stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1, 2), f"understudy {arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return Done(done.returncode, done.stdout, done.stderr)


class Understudy(Server):
    name = "understudy"

    def __init__(self, stage, name=None, directory=None, http=False):
        super().__init__(stage, name)
        self.port = free_port()
        self.http_port = free_port() if http else None
        self.socket = os.path.join(self.folder, "control.sock")
        self.directory = directory or os.path.join(self.folder, "store")
        self.expects_failure = False
        self.default = {"name": "default", "primaries": []}
        self.config = {
            "server": {"listen": [f"127.0.0.1@{self.port}"], "workers": 2},
            "storage": {"directory": self.directory},
            "control": {"socket": self.socket},
            "http": {"listen": [f"127.0.0.1@{self.http_port}"]} if http else {},
            "transfer": {},
            "keys": [],
            "primaries": [],
            "templates": [self.default],
            "zones": [],
            "catalogs": [],
        }

    # Configuration

    def key(self, key):
        self.config["keys"].append({"name": key.name, "algorithm": key.algorithm, "secret": key.secret})
        return self

    def primary(self, peer):
        """Adds a primary for every zone; its key too, if it has one."""
        entry = {"name": f"{peer.name}-{peer.port}", "address": f"127.0.0.1@{peer.port}"}
        if peer.key:
            if all(k["name"] != peer.key.name for k in self.config["keys"]):
                self.key(peer.key)
            entry["key"] = peer.key.name
        self.config["primaries"].append(entry)
        self.default["primaries"].append(entry["name"])
        return self

    def zone(self, name, **options):
        """Adds a zone. Options as in the configuration, with _ for -."""
        self.config["zones"].append({"name": name, **{k.replace("_", "-"): v for k, v in options.items()}})
        return self

    def catalog(self, name, **options):
        """Takes zones from a catalog. Options as in the configuration, with _ for -."""
        self.config["catalogs"].append({"zone": name, **{k.replace("_", "-"): v for k, v in options.items()}})
        return self

    def remove_zone(self, name):
        self.config["zones"] = [z for z in self.config["zones"] if z["name"] != name]
        return self

    def option(self, section, **options):
        self.config[section].update({k.replace("_", "-"): v for k, v in options.items()})
        return self

    def allow(self, *rules, notify=(), key=None):
        """Lets others transfer from us and tells the servers on the ports of `notify` about changes."""
        self.default["allow-transfer"] = list(rules)
        entry = {"key": key.name} if key else {}
        self.default["notify"] = [{"address": f"127.0.0.1@{port}", **entry} for port in notify]
        return self

    def config_text(self):
        """YAML: one block a section, with entries in flow form, which is JSON."""
        lines = []
        for section, value in self.config.items():
            if not value:
                continue
            lines.append(f"{section}:")
            if isinstance(value, dict):
                lines += [f"  {key}: {json.dumps(option)}" for key, option in value.items()]
            else:
                lines += [f"  - {json.dumps(entry)}" for entry in value]
        return "\n".join(lines) + "\n"

    @property
    def config_path(self):
        return os.path.join(self.folder, "understudy.yaml")

    def write_config(self):
        self.write("understudy.yaml", self.config_text())
        return self

    # Life

    def launch(self, prefix=()):
        """Starts without waiting."""
        self.write_config()
        self.expects_failure = False
        self.spawn(str(BINARIES / "understudyd"), "--config", self.config_path, prefix=prefix)
        return self

    def start(self, timeout=20.0, prefix=()):
        """Starts and waits for the `ready` line."""
        mark = self.log_mark()
        self.launch(prefix)

        def ready():
            assert self.alive(), f"understudyd ended with {self.process.returncode}:\n{self.log(mark)[-3000:]}"
            return any("ready" in line for line in self.log(mark).splitlines())
        wait_until(ready, timeout, "understudyd is ready")
        return self

    def fails_to_start(self, timeout=20.0, prefix=()):
        """Starts a server that must give up; returns what it said."""
        mark = self.log_mark()
        self.launch(prefix)
        self.expects_failure = True
        status = self.process.wait(timeout)
        assert status > 0, f"understudyd ended with {status}"
        return self.log(mark)

    def restart(self, hard=False, **options):
        self.kill() if hard else self.stop()
        return self.start(**options)

    def stop(self, timeout=20.0):
        status = super().stop(timeout)
        assert status == 0, f"understudyd ended with {status} on SIGTERM:\n{self.log()[-2000:]}"
        return status

    def kill(self):
        assert self.process is None or self.alive() or self.expects_failure, self._unexpected()
        self.expects_failure = True
        super().kill()

    def finish(self):
        problem = None
        if self.process is not None and not self.alive() and not self.expects_failure and self.process.returncode != 0:
            problem = self._unexpected()
        self.expects_failure = True
        if self.alive():
            self.signal(signal.SIGTERM)
            try:
                status = self.process.wait(15)
                problem = problem or (f"understudyd ended with {status} on SIGTERM" if status else None)
            except subprocess.TimeoutExpired:
                problem = "understudyd did not end within 15 s of SIGTERM"
        super().finish()
        for sign in ("AddressSanitizer", "ThreadSanitizer", "runtime error:", "LeakSanitizer"):
            if sign in self.log():
                problem = f"a sanitizer found something in {self.name}: {sign}"
        return problem

    def _unexpected(self):
        return f"understudyd ended by itself with {self.process.returncode}:\n{self.log()[-2000:]}"

    # Questions and commands

    def cli(self, *arguments, check=True, timeout=60.0):
        done = run_cli("--socket", self.socket, *arguments, timeout=timeout)
        assert not check or done.status == 0, f"understudy {' '.join(map(str, arguments))}: {done.status}: {done.text}"
        return done

    def json(self, *arguments, **options):
        return self.cli("-o", "json", *arguments, **options).json

    def status(self, zone):
        """The zone's status object."""
        found = self.json("zone", "status", zone)
        assert len(found) == 1 and found[0]["name"] == zone, found
        return found[0]

    def wait_state(self, zone, *states, timeout=10.0):
        wait_until(lambda: self.status(zone)["state"] in states, timeout, lambda: f"{zone} in {states}: {self.status(zone)}")

    def reload(self):
        self.write_config()
        return self.cli("conf", "reload")

    def query(self, name, rdtype="A", **options):
        return ask.query(self.port, name, rdtype, **options)

    def serial(self, zone):
        return ask.serial(self.port, zone)

    def wait_serial(self, zone, serial, timeout=10.0):
        ask.wait_serial(self.port, zone, serial, timeout)
        return self

    def get(self, path, timeout=5.0):
        """(status, body) of an HTTP request."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=timeout) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def assert_serves(self, zone, serial):
        """Answers with this serial now, and goes on doing so for a moment."""
        for _ in range(3):
            got = ask.soa_serial(self.port, zone)
            assert got == (0, serial), f"(rcode, serial) of {zone} is {got}, not (0, {serial})"
            time.sleep(0.02)
