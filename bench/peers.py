"""One class per server: how it is configured and started as a secondary with so many workers.

A primary serves every zone with AXFR, IXFR and NOTIFY; each peer transfers from it. `start` returns
once the process runs; `wait` returns once the last zone answers authoritatively. With `catalog`, a peer
learns its zones from that catalog zone; otherwise they are configured.
"""
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import urllib.request


CORE_OF_SERVER, CORE_OF_LOAD = 0, 1  # the primary shares the load's
FIRST_PORT = int(os.environ.get("BENCH_PORT", 5300))


def question(name, qtype):
    """The question for NAME in class IN."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part)
    return labels + b"\0" + struct.pack(">HH", qtype, 1)


def after_name(message, at):
    """Where the name at `at` ends."""
    while message[at] and message[at] < 192:
        at += message[at] + 1
    return at + (2 if message[at] >= 192 else 1)


def ask(port, name, qtype=6, timeout=0.1, host="127.0.0.1"):
    """Sends one query; returns (rcode, authoritative, answer count, raw) or None: at once where nobody listens, so that no
    start is measured with the waiting for an answer that cannot come."""
    wire = struct.pack(">HHHHHH", 4242, 0, 1, 0, 0, 0) + question(name, qtype)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        try:
            s.connect((host, port))
            s.send(wire)
            raw = s.recv(4096)
        except OSError:
            return None
    flags, _, answers = struct.unpack(">HHH", raw[2:8])
    return flags & 15, bool(flags & 0x400), answers, raw


def soa(port, zone):
    """The serial of ZONE's SOA as the server on PORT answers it, and question and SOA as they stand in that answer; or None."""
    reply = ask(port, zone)
    if not reply or reply[0] or not reply[2]:
        return None
    return soa_in(reply[3])


def soa_in(raw):
    """Serial, and question and SOA as they stand in this answer."""
    at = after_name(raw, after_name(raw, 12) + 4) + 10  # behind the question; the answer's owner, type, class, TTL, length
    end = at + struct.unpack(">H", raw[at - 2:at])[0]
    at = after_name(raw, after_name(raw, at))  # MNAME, RNAME
    return struct.unpack(">I", raw[at:at + 4])[0], raw[12:end]


def serial(port, zone):
    """The serial of ZONE's SOA as the server on PORT answers it, or None."""
    found = soa(port, zone)
    return found and found[0]


def seconds_to_serial(server, zone, want, timeout):
    """Asks for ZONE's SOA about every 0.2 ms until its serial is WANT: on one socket and with as little else as can be, as the
    asking takes time from the server, and from a primary on the same core."""
    begin, wire = time.monotonic(), struct.pack(">HHHHHH", 4242, 0, 1, 0, 0, 0) + question(zone, 6)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 100_000))
        s.connect(("127.0.0.1", server.port))
        while True:
            try:
                s.send(wire)
                raw = s.recv(4096)
                if len(raw) > 12 and raw[3] & 15 == 0 and raw[6:8] != b"\0\0" and soa_in(raw)[0] == want:
                    return time.monotonic() - begin
            except OSError:
                if server.process.poll() is not None:
                    raise TimeoutError(f"{server.name} has ended; {server.root}/log may say why") from None
            if time.monotonic() - begin > timeout:
                raise TimeoutError(f"{server.name}: serial {want} of {zone} is not served")
            time.sleep(0.0001)


def notify(port, zone, primary_port):
    """Sends NOTIFY(SOA) for ZONE without waiting for the acknowledgement; the primary's SOA is in it, as BIND, Knot and NSD send it."""
    _, question_and_soa = soa(primary_port, zone)
    wire = struct.pack(">HHHHHH", 4243, 0x2400, 1, 1, 0, 0) + question_and_soa
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(wire, ("127.0.0.1", port))


class Server:
    name = "?"
    port = 0
    addresses = ("127.0.0.1",)  # to answer on; the first is where it is asked from this machine
    interface = None  # to take queries from by AF_XDP, where the server can
    # What the names of the threads that answer by UDP begin with (one or several); None: they have no names.
    answering_threads = None
    workers = 1
    wrapper = ()  # what the server runs under
    answers_only = False  # by UDP, and has no zones

    def __init__(self, root, zones, primary_port=None, cpu=None, catalog=None):
        self.root, self.zones, self.primary_port, self.cpu = os.path.join(root, self.name), zones, primary_port or FIRST_PORT + 1, cpu
        self.catalog, self.process = catalog, None

    @classmethod
    def version(cls):
        """What it says of its version, or None."""
        try:
            out = subprocess.run(cls.version_command, capture_output=True, text=True)
        except OSError:
            return None
        found = re.search(r"\d+\.\d+(\.\d+)?", out.stdout + out.stderr)
        return found and found[0]

    def fresh(self):
        shutil.rmtree(self.root, ignore_errors=True)
        os.makedirs(self.root)

    def listen(self):
        return ", ".join(f"{address}@{self.port}" for address in self.addresses)

    def write(self, name, text):
        path = os.path.join(self.root, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def spawn(self, *command):
        if ask(self.port, "."):
            raise RuntimeError(f"port {self.port} is taken; BENCH_PORT names others")
        log = open(os.path.join(self.root, "log"), "a")
        pin = ["taskset", "-c", str(self.cpu)] if self.cpu is not None else []
        self.process = subprocess.Popen([*pin, *self.wrapper, *command], stdout=log, stderr=log, cwd=self.root, start_new_session=True)

    def wait(self, timeout=600):
        """Seconds from now until every zone answers; of many zones a sample is asked for, and the last."""
        begin, zones = time.monotonic(), list(self.zones)
        step = max(1, len(zones) // 200)
        for z in zones[::step] + zones[-1:]:
            while serial(self.port, z) is None:
                if self.process.poll() is not None:
                    raise TimeoutError(f"{self.name} has ended; {self.root}/log may say why")
                if time.monotonic() - begin > timeout:
                    raise TimeoutError(f"{self.name}: {z} is not served")
                time.sleep(0.01)
        return time.monotonic() - begin

    def pids(self):
        """The process and all its descendants."""
        children = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    children.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(pid))
            except OSError:
                pass
        found, queue = [], [self.process.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += children.get(pid, [])
        return found

    def cpu_seconds(self):
        """CPU seconds used so far: user, system. Those of children that have ended count: NSD answers from new ones after each
        change."""
        tick, user, system = os.sysconf("SC_CLK_TCK"), 0, 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            ticks = [int(field) for field in fields[11:15]]  # its own, then those of its ended children
            user, system = user + (ticks[0] + ticks[2]) / tick, system + (ticks[1] + ticks[3]) / tick
        return user, system

    def threads(self, answering):
        """Of its threads those that answer by UDP, or all others; only where they can be told apart."""
        folder, found = f"/proc/{self.process.pid}/task", []
        for thread in os.listdir(folder):
            with open(f"{folder}/{thread}/comm") as name:
                if name.read().startswith(self.answering_threads) == answering:
                    found.append(int(thread))
        return found

    def answering_cpu_seconds(self):
        """CPU seconds of the threads that answer by UDP; of all where they cannot be told apart."""
        if self.answering_threads is None:
            return sum(self.cpu_seconds())
        total = 0
        for thread in self.threads(answering=True):
            with open(f"/proc/{self.process.pid}/task/{thread}/schedstat") as times:
                total += int(times.read().split()[0])
        return total / 1e9

    def move_others(self, cpu):
        """Leaves the threads that answer where they are; those that take updates get another core."""
        for thread in self.threads(answering=False):
            os.sched_setaffinity(thread, {cpu})

    def memory_mib(self):
        """Proportional set size over the process tree, in MiB."""
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
            except OSError:
                pass
        return total / 1024

    def start_and_wait(self, timeout=600):
        """Seconds from the start to the answer of the last zone."""
        begin = time.monotonic()
        self.start()
        self.wait(timeout=timeout)
        return time.monotonic() - begin

    def settle(self, longest=60):
        """Waits until it does no more than it does at rest: what a transfer leaves to do is not the answers' cost."""
        end = time.monotonic() + longest
        while time.monotonic() < end:
            before = sum(self.cpu_seconds())
            time.sleep(1)
            if sum(self.cpu_seconds()) - before <= 0.02:
                return

    def stop(self, hard=False):
        if not self.process:
            return
        for pid in (self.pids() if hard else [self.process.pid]):
            try:
                os.kill(pid, signal.SIGKILL if hard else signal.SIGTERM)
            except ProcessLookupError:
                pass
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class KnotPrimary(Server):
    """Knot DNS, serving the zone files; `update` changes a zone by dynamic update."""
    name, port = "primary", FIRST_PORT + 1

    def __init__(self, root, zones, notify=(), cpu=None):
        super().__init__(root, zones, cpu=cpu)
        self.notify = notify

    def start(self):
        self.fresh()
        remotes = "".join(f"  - id: s{p}\n    address: 127.0.0.1@{p}\n" for p in self.notify)
        ids = "[" + ", ".join(f"s{p}" for p in self.notify) + "]"
        zones = "".join(f"  - domain: {z}\n    file: {f}\n" for z, f in self.zones.items())
        conf = self.write("knot.conf", f"""server:
    rundir: {self.root}
    listen: 127.0.0.1@{self.port}
    tcp-max-clients: 1000
    background-workers: 1
    udp-workers: 1
    tcp-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: {self.root}
acl:
  - id: all
    address: 127.0.0.0/8
    action: [transfer, update, notify]
{'remote:' if remotes else ''}
{remotes}
template:
  - id: default
    storage: {self.root}
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
    semantic-checks: off
    {'notify: ' + ids if remotes else ''}
    acl: all
zone:
{zones}""")
        self.spawn("knotd", "-c", conf)

    def update(self, zone, *lines):
        text = f"server 127.0.0.1 {self.port}\nzone {zone}\n" + "".join(f"update {l}\n" for l in lines) + "send\n"
        subprocess.run(["knsupdate"], input=text, text=True, check=True, stdout=subprocess.DEVNULL)


class Knot(Server):
    name, port = "knot", FIRST_PORT + 2
    background = "background-workers: 1"
    version_command = ("knotd", "-V")

    def xdp_section(self):
        return f"xdp:\n    listen: {self.interface}@{self.port}\n" if self.interface else ""

    def configure(self):
        self.fresh()
        zones = "".join(f"  - domain: {z}\n" for z in self.zones)
        if self.catalog:
            zones = f"  - domain: {self.catalog}\n    catalog-role: interpret\n    catalog-template: default\n"
        self.write("knot.conf", f"""server:
    rundir: {self.root}
    listen: [{self.listen()}]
    udp-workers: {self.workers}
    tcp-workers: {self.workers}
    {self.background}
{self.xdp_section()}log:
  - target: stderr
    any: warning
database:
    storage: {self.root}
remote:
  - id: primary
    address: 127.0.0.1@{self.primary_port}
acl:
  - id: primary
    address: 127.0.0.0/8
    action: [notify, transfer]
template:
  - id: default
    storage: {self.root}
    master: primary
    acl: primary
    zonefile-sync: 0
    zonefile-load: whole
    semantic-checks: off
zone:
{zones}""")

    def start(self):
        self.spawn("knotd", "-c", os.path.join(self.root, "knot.conf"))


class Nsd(Server):
    name, port = "nsd", FIRST_PORT + 3
    version_command = ("nsd", "-v")

    def configure(self):
        self.fresh()
        zones = "".join(f"""zone:
    name: {z}
    zonefile: {z}zone
    request-xfr: 127.0.0.1@{self.primary_port} NOKEY
    allow-notify: 127.0.0.0/8 NOKEY
    provide-xfr: 127.0.0.0/8 NOKEY
""" for z in self.zones)
        self.write("nsd.conf", f"""server:
    server-count: {self.workers}
    ip-address: 127.0.0.1@{self.port}
    username: ""
    chroot: ""
    zonesdir: {self.root}
    database: ""
    pidfile: {self.root}/nsd.pid
    xfrdfile: {self.root}/xfrd.state
    xfrdir: {self.root}
    zonelistfile: {self.root}/zone.list
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    zonefiles-write: 2
    xfrd-reload-timeout: 0
    xfrd-tcp-max: 32
remote-control:
    control-enable: no
{zones}""")

    def start(self):
        self.spawn("nsd", "-d", "-c", os.path.join(self.root, "nsd.conf"))


class Bind(Server):
    name, port = "bind", FIRST_PORT + 4
    version_command = ("named", "-v")

    def configure(self):
        self.fresh()
        zones = "".join(f"""zone "{z}" {{ type secondary; primaries {{ 127.0.0.1 port {self.primary_port}; }};
  file "{z}db"; masterfile-format raw; allow-notify {{ 127.0.0.0/8; }}; }};
""" for z in self.zones)
        self.write("named.conf", f"""options {{ directory "{self.root}"; pid-file "{self.root}/pid"; session-keyfile "{self.root}/key";
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; allow-query {{ any; }}; allow-transfer {{ any; }};
  minimal-responses no-auth-recursive; transfers-in 64; transfers-per-ns 64; serial-query-rate 5000; notify no; dnssec-validation no; lock-file none; }};
controls {{ }};
logging {{ channel warnings {{ stderr; severity warning; }}; category default {{ warnings; }}; }};
{zones}""")

    def start(self):
        self.spawn("named", "-g", "-n", str(self.workers), "-c", os.path.join(self.root, "named.conf"))


class Pdns(Server):
    name, port = "pdns", FIRST_PORT + 5
    version_command = ("pdns_server", "--version")

    def configure(self):
        self.fresh()
        self.write("pdns.conf", f"""launch=lmdb
lmdb-filename={self.root}/pdns.lmdb
secondary=yes
local-address=127.0.0.1
local-port={self.port}
socket-dir={self.root}
receiver-threads={self.workers}
distributor-threads=1
retrieval-threads=4
xfr-cycle-interval=1
allow-notify-from=127.0.0.0/8
loglevel=3
disable-syslog=yes
consistent-backends=yes
zone-cache-refresh-interval=2
""")
        for z in self.zones:
            subprocess.run(["pdnsutil", f"--config-dir={self.root}", "create-secondary-zone", z, f"127.0.0.1:{self.primary_port}"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        self.spawn("pdns_server", f"--config-dir={self.root}", "--daemon=no", "--guardian=no")


class Understudy(Server):
    """Ours; UNDERSTUDYD names another binary than the release build of this checkout."""
    name, port = "understudy", FIRST_PORT + 6
    binary = os.environ.get("UNDERSTUDYD") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "build", "release", "bin", "understudyd")
    version_command = (binary, "--version")
    answering_threads = ("us-udp", "us-xdp")
    template = ""  # further settings of the zones
    log_level = "warning"  # as the others': no line for each transfer

    def zone_lines(self):
        """The configuration of the zones."""
        if self.catalog:
            return f"zones: []\ncatalogs:\n  - {{zone: {self.catalog}, primaries: [primary]}}\n"
        return "zones:\n" + "".join(f"  - name: {z}\n" for z in self.zones)

    def xdp_line(self):
        return f"  xdp: [{self.interface}]\n" if self.interface else ""

    def configure(self):
        self.fresh()
        self.write_configuration()

    def write_configuration(self):
        self.write("understudy.yaml", f"""server:
  listen: [{self.listen()}]
  workers: {self.workers}
  log-level: {self.log_level}
{self.xdp_line()}storage:
  directory: {self.root}/store
control:
  socket: {self.root}/control.sock
http:
  listen: [127.0.0.1@{self.port + 10}]
keys: []
primaries:
  - {{name: primary, address: 127.0.0.1@{self.primary_port}}}
templates:
  - name: default
    primaries: [primary]
    allow-notify: [127.0.0.0/8]
    allow-transfer: [127.0.0.0/8]
{self.template}{self.zone_lines()}""")

    def start(self):
        self.spawn(self.binary, "--config", os.path.join(self.root, "understudy.yaml"))

    def metric(self, name):
        """The value of a metric, labels included in the name."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port + 10}/metrics") as page:
            text = page.read().decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


class Producer(Understudy):
    """Ours as the primary of very many zones from zone files, a catalog of them among these."""
    name, port = "producer", FIRST_PORT + 1

    def zone_lines(self):
        return "zones:\n" + "".join(f"  - {{name: {z}, file: {f}}}\n" for z, f in self.zones.items())


class Floor(Server):
    """bench/floor.cc: receives, copies a fixed answer, sends. What no server with its way to the network can exceed."""
    name, port = "floor", FIRST_PORT + 8
    binary = os.path.join(os.path.dirname(os.path.abspath(Understudy.binary)), "floor")
    answers_only = True

    def configure(self):
        self.fresh()

    def start(self):
        way = ("xdp", self.listen(), self.interface) if self.interface else ("sockets", self.listen())
        self.spawn(self.binary, *way)

    def wait(self, timeout=20):
        begin = time.monotonic()
        while "ready" not in open(os.path.join(self.root, "log")).read():
            if self.process.poll() is not None or time.monotonic() - begin > timeout:
                raise RuntimeError(f"{self.binary} does not start: {self.root}/log")
            time.sleep(0.05)
        return time.monotonic() - begin


PEERS = {c.name: c for c in (Understudy, Knot, Nsd, Bind, Pdns)}
