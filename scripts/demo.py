"""The demonstration of ./run: a primary, its secondary, and what happens when the primary is gone.

Two real servers on loopback ports, in a temporary folder; real queries; times as measured. Every step checks what it
shows. A step that fails names itself, keeps the servers' logs and ends the demonstration with status 1.
"""

import argparse
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.zone

ROOT = Path(__file__).resolve().parent.parent
ZONES = ["example.com.", "example.net.", "2.0.192.in-addr.arpa."]
KEY_NAME, KEY_SECRET = "transfer.example.", "dGhpcyBrZXkgaXMgZm9yIHRoZSBkZW1vbnN0cmF0aW9u"
NOTIFY_LIMIT = 1.0  # seconds from the change to the secondary's new answer
RESTART_LIMIT = 1.0  # seconds from the start of the process to its first right answer
PATIENCE = 15.0  # seconds for what has no promised time

# What step 2 asks both servers: the question, and what is worth seeing about it.
QUESTIONS = [
    ("example.com.", "SOA", "the zone itself"),
    ("www.example.com.", "A", "an alias"),
    ("api.example.com.", "A", "two addresses"),
    ("example.com.", "MX", "mail, with its addresses"),
    ("example.com.", "HTTPS", "service binding"),
    ("_dns.example.com.", "SVCB", "service binding"),
    ("_sip._tcp.example.com.", "SRV", "services"),
    ("office.example.com.", "LOC", "a place"),
    ("anything.apps.example.com.", "A", "a wildcard"),
    ("deep.tree.example.com.", "A", "no data: an empty non-terminal"),
    ("nowhere.example.com.", "A", "no such name"),
    ("host.old.example.com.", "A", "a whole tree renamed (DNAME)"),
    ("host.lab.example.com.", "A", "a referral with glue"),
    ("lab.example.com.", "DS", "the parent's side of a delegation"),
    ("ca.example.net.", "AAAA", "a chain of aliases"),
    ("something.example.net.", "TXT", "a wildcard"),
    ("_service.example.net.", "TYPE65280", "a type that nobody knows"),
    ("142.2.0.192.in-addr.arpa.", "PTR", "a generated name"),
    ("example.org.", "A", "a zone that is not served"),
]


class StepFailed(Exception):
    """A check of the running step failed; the text says what was expected and what came."""


class Screen:
    """What the reader sees; colour on a terminal only."""

    def __init__(self):
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def _paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self._colour else text

    def title(self, text):
        print(f"\n{self._paint('1', text)}", flush=True)

    def line(self, text=""):
        print(f"   {text}" if text else "", flush=True)

    def dim(self, text):
        return self._paint("2", text)

    def good(self, text):
        print(f"   {self._paint('32', 'ok')}  {text}", flush=True)


class Server:
    """One understudyd with its configuration, log and folder."""

    def __init__(self, name, binaries, folder, port):
        self.name = name
        self.port = port
        self.folder = folder / name
        self.folder.mkdir()
        self.config = self.folder / "understudy.yaml"
        self.socket = self.folder / "control.sock"
        self.log = self.folder / "log"
        self._binaries = binaries
        self._process = None
        self._log_start = 0  # where the lines of the running process begin

    @property
    def address(self):
        return f"127.0.0.1@{self.port}"

    def start(self):
        """Starts the process and returns the moment before; it dies with this program, however that ends."""
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        started = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(self._binaries / "understudyd"), "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for this program, which then ends the servers in order
            )
        return started

    def wait_ready(self, started):
        """Waits for the log line that says so; returns the seconds since `started`."""
        while b"ready" not in self.log.read_bytes()[self._log_start :]:
            if self._process.poll() is not None:
                raise StepFailed(f"the {self.name} ended with status {self._process.returncode}:\n{self.log_tail()}")
            if time.monotonic() - started > PATIENCE:
                raise StepFailed(f"the {self.name} is not ready after {PATIENCE:.0f} s:\n{self.log_tail()}")
            time.sleep(0.005)
        return time.monotonic() - started

    def log_tail(self, lines=15):
        return "\n".join("      " + line for line in self.log.read_text(errors="replace").splitlines()[-lines:])

    def state(self):
        """None while it runs, else how it ended."""
        status = self._process.poll() if self._process else 0
        if status is None:
            return None
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Asks the process to end and returns its exit status; one that does not end is killed."""
        if self._process is None or self._process.poll() is not None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise StepFailed(f"the {self.name} did not end within 10 s of SIGTERM") from None

    def control(self, *words):
        """Starts `understudy` for this server, without waiting."""
        return subprocess.Popen(
            [str(self._binaries / "understudy"), "--socket", str(self.socket), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, name, rrtype, timeout=2.0):
        query = dns.message.make_query(name, rrtype, use_edns=0, payload=1232)
        query.flags &= ~dns.flags.RD
        return dns.query.udp_with_fallback(query, "127.0.0.1", timeout, self.port)[0]

    def try_ask(self, name, rrtype, timeout=0.5):
        """The response, or None if none comes soon."""
        try:
            return self.ask(name, rrtype, timeout)
        except (dns.exception.DNSException, OSError):
            return None

    def serial(self, zone):
        """The served serial, or None while the zone is not served."""
        response = self.try_ask(zone, "SOA")
        for rrset in response.answer if response else []:
            if rrset.rdtype == dns.rdatatype.SOA:
                return rrset[0].serial
        return None

    def transfer(self, zone):
        """All records of the zone, by AXFR signed with the key."""
        key = dns.tsig.Key(KEY_NAME, KEY_SECRET, "hmac-sha256")
        messages = dns.query.xfr("127.0.0.1", zone, port=self.port, keyring={key.name: key}, keyname=key.name,
                                 keyalgorithm=key.algorithm, relativize=False, lifetime=10)
        whole = dns.zone.from_xfr(messages, relativize=False)
        return sorted(record_text(name, ttl, rdata) for name, ttl, rdata in whole.iterate_rdatas())


def free_ports(count):
    """Loopback ports free for UDP and TCP, below the kernel's range for client sockets."""
    found = []
    for port in random.sample(range(20000, 32000), 2000):
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                with socket.socket(socket.AF_INET, kind) as s:
                    s.bind(("127.0.0.1", port))
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise StepFailed("no free ports on 127.0.0.1")


def record_text(name, ttl, rdata):
    return f"{name} {ttl} {dns.rdatatype.to_text(rdata.rdtype)} {rdata.to_text()}"


def sections(response):
    """What makes two responses alike: code, flags and the records of each section, whatever their order."""
    flags = dns.flags.to_text(response.flags)
    parts = [dns.rcode.to_text(response.rcode()), flags]
    for section in (response.answer, response.authority, response.additional):
        parts.append(sorted(record_text(rrset.name, rrset.ttl, rdata) for rrset in section for rdata in rrset))
    return parts


def short(response):
    """One line about a response: its code and its first records."""
    section = next((s for s in (response.answer, response.authority) if s), [])
    records = []
    for rdata in (rdata for rrset in section for rdata in rrset):
        serial_only = rdata.rdtype == dns.rdatatype.SOA
        text = f"serial {rdata.serial}" if serial_only else rdata.to_text()
        records.append(f"{dns.rdatatype.to_text(rdata.rdtype)} {text}")
    text = ", ".join(records)
    if len(text) > 64:
        text = text[:61] + "..."
    return f"{dns.rcode.to_text(response.rcode())} {text}".rstrip()


def until(condition, limit, what, poll=0.002):
    """Waits until the condition holds and returns the seconds it took; more than `limit` fails the step."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > limit:
            raise StepFailed(f"{what}: not within {limit:g} s")
        time.sleep(poll)
    return time.monotonic() - started


def edit_zone(path, records):
    """Adds records to a zone file and raises its serial; returns the new one."""
    text = path.read_text()
    old = int(re.search(r"\b20\d{8}\b", text).group())
    fresh = path.with_suffix(".new")
    fresh.write_text(text.replace(str(old), str(old + 1), 1) + records)
    fresh.replace(path)  # whoever reads it sees the old file or the new one, whole
    return old + 1


PRIMARY_CONFIG = """\
# The primary: it serves three zone files and tells the secondary about every change.
server:
  listen: [{primary}]
storage:
  directory: state
control:
  socket: control.sock
keys:
  - {{name: {key}, algorithm: hmac-sha256, secret: {secret}}}
templates:
  - name: default
    allow-transfer: [key {key}]
    notify: [{secondary}]
zones:
{zones}
"""

SECONDARY_CONFIG = """\
# The secondary: it takes the same zones from the primary, signed with a key.
server:
  listen: [{secondary}]
storage:
  directory: state
control:
  socket: control.sock
keys:
  - {{name: {key}, algorithm: hmac-sha256, secret: {secret}}}
primaries:
  - {{name: main, address: {primary}, key: {key}}}
templates:
  - name: default
    primaries: [main]
    allow-transfer: [key {key}]
zones:
{zones}
"""


class Demonstration:
    def __init__(self, binaries, folder, screen):
        self._screen = screen
        self._folder = folder
        ports = free_ports(2)
        self.primary = Server("primary", binaries, folder, ports[0])
        self.secondary = Server("secondary", binaries, folder, ports[1])
        self._answers = {}  # question -> sections, as both servers gave them in step 2 and after each change
        self.step = "preparing"

    def steps(self):
        return [
            ("The secondary takes every zone from the primary", self.take_zones),
            ("Both give the same answers", self.compare),
            ("A changed zone arrives through NOTIFY", self.change),
            ("The primary is killed with SIGKILL; answers continue", self.lose_primary),
            ("The secondary restarts without a primary", self.restart_alone),
            ("The primary returns with newer data; the secondary catches up", self.catch_up),
        ]

    def prepare(self):
        words = {"primary": self.primary.address, "secondary": self.secondary.address, "key": KEY_NAME,
                 "secret": KEY_SECRET}
        files = "\n".join(f"  - {{name: {zone}, file: {zone}zone}}" for zone in ZONES)
        names = "\n".join(f"  - name: {zone}" for zone in ZONES)
        for zone in ZONES:
            shutil.copy(ROOT / "examples" / "zones" / f"{zone}zone", self.primary.folder)
        self.primary.config.write_text(PRIMARY_CONFIG.format(zones=files, **words))
        self.secondary.config.write_text(SECONDARY_CONFIG.format(zones=names, **words))
        for server in (self.primary, self.secondary):
            server.config.chmod(0o600)  # there is a key inside

    def play(self):
        self.prepare()
        for number, (title, action) in enumerate(self.steps(), 1):
            self.step = f"step {number}, {title}"
            self._screen.title(f"{number}. {title}")
            action()

    def zone_file(self, zone):
        return self.primary.folder / f"{zone}zone"

    def take_zones(self):
        seconds = self.primary.wait_ready(self.primary.start())
        self._screen.line(f"primary    {self.primary.address}  serves {len(ZONES)} zone files, ready after {seconds:.3f} s")
        started = self.secondary.start()
        seconds = self.secondary.wait_ready(started)
        self._screen.line(f"secondary  {self.secondary.address}  starts with nothing, ready after {seconds:.3f} s")
        until(lambda: all(self.secondary.serial(zone) for zone in ZONES), PATIENCE, "the secondary serves all zones")
        seconds = time.monotonic() - started
        for zone in ZONES:
            response = self.secondary.ask(zone, "SOA")
            self._screen.line(f"? {zone} SOA  ->  {short(response)}")
            if self.secondary.serial(zone) != self.primary.serial(zone):
                raise StepFailed(f"the serials of {zone} differ")
        self._screen.good(f"{len(ZONES)} zones transferred with TSIG and served, {seconds:.3f} s after the secondary's start")

    def compare(self):
        for name, rrtype, about in QUESTIONS:
            theirs, ours = self.primary.ask(name, rrtype), self.secondary.ask(name, rrtype)
            self._screen.line(f"? {name + ' ' + rrtype:<34} {short(ours)}   {self._screen.dim(f'({about})')}")
            if sections(theirs) != sections(ours):
                raise StepFailed(f"{name} {rrtype}: the answers differ\nprimary:\n{theirs}\nsecondary:\n{ours}")
            self._answers[name, rrtype] = sections(ours)
        records = self.compare_whole_zones()
        self._screen.good(f"{len(QUESTIONS)} questions answered alike, and all {records} records of the zones are the same")

    def compare_whole_zones(self):
        count = 0
        for zone in ZONES:
            theirs, ours = self.primary.transfer(zone), self.secondary.transfer(zone)
            if theirs != ours or not ours:
                raise StepFailed(f"the content of {zone} differs: {set(theirs) ^ set(ours)}")
            count += len(ours)
        return count

    def change(self):
        name = "fresh.example.com."
        self._screen.line(f"? {name} A  ->  {short(self.secondary.ask(name, 'A'))}")
        serial = edit_zone(self.zone_file("example.com."), "\nfresh.example.com. A 192.0.2.99\n")
        self._screen.line(f"the zone file gets this name and serial {serial}; then: understudy zone refresh example.com.")
        started = time.monotonic()
        command = self.primary.control("zone", "refresh", "example.com.")
        try:
            until(lambda: self.secondary.serial("example.com.") == serial, PATIENCE, f"the secondary serves serial {serial}")
        finally:
            seconds = time.monotonic() - started
            output = self.finish(command)
        if command.returncode != 0:
            raise StepFailed(f"understudy zone refresh ended with status {command.returncode}: {output}")
        if seconds > NOTIFY_LIMIT:
            raise StepFailed(f"the change took {seconds:.3f} s to arrive; the limit is {NOTIFY_LIMIT:g} s")
        response = self.secondary.ask(name, "A")
        self._screen.line(f"? {name} A  ->  {short(response)}")
        if not response.answer:
            raise StepFailed(f"{name} has no address on the secondary")
        self.remember_changed()
        self._screen.good(f"the secondary answered with the new data {seconds:.3f} s after the command was given")

    @staticmethod
    def finish(command):
        try:
            return command.communicate(timeout=PATIENCE)[0].strip()
        except subprocess.TimeoutExpired:
            command.kill()
            return command.communicate()[0].strip() + " (did not end)"

    def remember_changed(self):
        """After a change: both must agree again on every question, and this is what later steps expect."""
        for name, rrtype, _ in QUESTIONS:
            theirs, ours = sections(self.primary.ask(name, rrtype)), sections(self.secondary.ask(name, rrtype))
            if theirs != ours:
                raise StepFailed(f"{name} {rrtype}: the answers differ after the change: {theirs} and {ours}")
            self._answers[name, rrtype] = ours

    def lose_primary(self):
        self.primary.kill()
        if self.primary.try_ask("example.com.", "SOA") is not None:
            raise StepFailed("something still answers at the primary's address")
        self._screen.line(f"primary    {self.primary.address}  {self.primary.state()}; nothing answers there")
        started = time.monotonic()
        asked = 0
        while time.monotonic() - started < 1.0:
            asked += self.ask_all_again()
        seconds = time.monotonic() - started
        self._screen.line(f"? www.example.com. A  ->  {short(self.secondary.ask('www.example.com.', 'A'))}")
        self._screen.good(f"{asked} queries to the secondary in {seconds:.1f} s: all answered, all as before")

    def ask_all_again(self):
        for (name, rrtype), expected in self._answers.items():
            response = self.secondary.try_ask(name, rrtype)
            if response is None:
                raise StepFailed(f"the secondary does not answer {name} {rrtype}")
            if sections(response) != expected:
                raise StepFailed(f"{name} {rrtype}: the answer changed from {expected} to {sections(response)}")
        return len(self._answers)

    def restart_alone(self):
        status = self.secondary.stop()
        if status != 0:
            raise StepFailed(f"the secondary ended with status {status} after SIGTERM:\n{self.secondary.log_tail()}")
        if self.secondary.try_ask("example.com.", "SOA") is not None:
            raise StepFailed("something still answers at the secondary's address")
        self._screen.line("the secondary was stopped; now neither server answers")
        expected = self._answers["www.example.com.", "A"]
        started = self.secondary.start()

        def answers():
            if self.secondary.state():
                raise StepFailed(f"the secondary {self.secondary.state()}:\n{self.secondary.log_tail()}")
            # A query that was sent before the socket is there is lost, so waiting for its answer would spoil the time.
            response = self.secondary.try_ask("www.example.com.", "A", timeout=0.02)
            return response is not None and sections(response) == expected

        until(answers, PATIENCE, "the restarted secondary gives the right answer")
        seconds = time.monotonic() - started
        if seconds > RESTART_LIMIT:
            raise StepFailed(f"the first right answer took {seconds:.3f} s; the limit is {RESTART_LIMIT:g} s")
        self.secondary.wait_ready(started)
        asked = self.ask_all_again()
        self._screen.line(f"? www.example.com. A  ->  {short(self.secondary.ask('www.example.com.', 'A'))}")
        self._screen.good(f"first right answer {seconds:.3f} s after the start, then {asked} of {asked} as before")

    def catch_up(self):
        serials = {zone: edit_zone(self.zone_file(zone), f"\nback.{zone} TXT \"the primary is back\"\n")
                   for zone in ("example.com.", "example.net.")}
        started = self.primary.start()
        self.primary.wait_ready(started)
        self._screen.line("the primary is back, with new serials of example.com. and example.net.")
        until(lambda: all(self.secondary.serial(zone) == serial for zone, serial in serials.items()), PATIENCE,
              f"the secondary serves {serials}")
        seconds = time.monotonic() - started
        for zone in serials:
            response = self.secondary.ask(f"back.{zone}", "TXT")
            self._screen.line(f"? back.{zone} TXT  ->  {short(response)}")
            if "the primary is back" not in str(response.answer):
                raise StepFailed(f"back.{zone} has no text on the secondary")
        self.remember_changed()
        records = self.compare_whole_zones()
        self._screen.good(f"caught up {seconds:.3f} s after the primary's start; all {records} records are the same again")

    def stop(self):
        for server in (self.secondary, self.primary):
            try:
                server.stop()
            except StepFailed as failure:
                print(failure, file=sys.stderr)


def commands_to_try(demo, binaries):
    tool = "kdig" if shutil.which("kdig") else "dig"
    binaries = os.path.relpath(binaries) if Path.cwd() in binaries.parents else binaries
    control = f"{binaries}/understudy --socket {demo.secondary.socket}"
    return [
        f"{tool} @127.0.0.1 -p {demo.secondary.port} www.example.com A         # ask the secondary",
        f"{tool} @127.0.0.1 -p {demo.primary.port} www.example.com A         # ask the primary",
        f"{tool} @127.0.0.1 -p {demo.secondary.port} -y hmac-sha256:{KEY_NAME}:{KEY_SECRET} example.com AXFR",
        f"{control} zone list",
        f"{control} zone status example.com.",
        f"$EDITOR {demo.zone_file('example.com.')}   # raise the serial, then:",
        f"{binaries}/understudy --socket {demo.primary.socket} zone refresh example.com.",
        f"tail -f {demo.secondary.log}",
    ]


def stay(demo, binaries, screen):
    screen.title("Both servers stay up. Things to try in another terminal:")
    for command in commands_to_try(demo, binaries):
        screen.line(command)
    screen.title("Ctrl-C ends both and removes their folder.")
    running = {demo.primary, demo.secondary}
    try:
        while running:
            for server in list(running):
                if server.state():
                    screen.line(f"the {server.name} was {server.state()}; to have it again: "
                                f"{binaries}/understudyd --config {server.config}")
                    running.discard(server)
            time.sleep(0.3)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


def keep_logs(folder):
    kept = ROOT / "build" / "demo-logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in folder.glob("*/log"):
        shutil.copy(log, kept / f"{log.parent.name}.log")
    return kept


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="./run")
    parser.add_argument("--bin", type=Path, required=True)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    screen = Screen()
    # Short, because the path of a UNIX socket has at most 107 octets.
    folder = Path(tempfile.mkdtemp(prefix="understudy-", dir="/tmp"))
    demo = None
    try:
        started = time.monotonic()
        demo = Demonstration(options.bin, folder, screen)
        demo.play()
        screen.title(f"All steps done in {time.monotonic() - started:.1f} s.")
        if not options.once:
            stay(demo, options.bin, screen)
        return 0
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except Exception as failure:  # also an answer that dnspython cannot read, or a server that is not there
        kept = keep_logs(folder)
        text = str(failure) if isinstance(failure, StepFailed) else f"{type(failure).__name__}: {failure}"
        sys.stdout.flush()
        print(f"\nFAILED: {demo.step if demo else 'preparing'}\n{text}\nThe servers' logs are in {kept}", file=sys.stderr)
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # ending takes a moment and must not be interrupted
        if demo:
            demo.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
