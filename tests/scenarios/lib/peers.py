"""Other people's servers, Knot, NSD, BIND and PowerDNS, as primaries and as secondaries.

A primary gets zone texts, an optional TSIG key and the ports to notify; `change` gives a zone a new text and announces
it. With `ixfr`, it keeps the differences and sends them (PowerDNS has none). A secondary gets the port to transfer from;
with `ixfr`, it asks for differences. `start` returns once every zone of a primary answers.
"""
import os
import signal
import subprocess

from . import ask
from .ports import free_port
from .process import Server, wait_until


class Peer(Server):
    """What the peers have in common. Fields are set once; `zones` maps a zone's name to its text (a primary's)."""

    # Types of data/alltypes.zone whose name this server does not know (it takes them in RFC 3597 form), and owners of
    # records there that it does not take at all.
    by_number = ()
    cannot_load = ()
    # How long it may take from a change to the new serial at a secondary that acts at once.
    notify_seconds = 2.0

    # As a primary, it sends differences if told to.
    sends_differences = True

    def __init__(self, stage, zones, key=None, notify=(), primary_port=None, name=None, ixfr=False):
        super().__init__(stage, name or type(self).name)
        self.ixfr = ixfr
        self.port = free_port()
        self.key = key
        self.notify = list(notify)
        self.primary_port = primary_port
        self.zones = dict(zones) if primary_port is None else dict.fromkeys(zones)
        for zone, text in self.zones.items():
            if text is not None:
                self.write(self.file(zone), text)

    def file(self, zone):
        return f"{zone}zone" if zone != "." else "root.zone"

    def start(self, timeout=30.0):
        self.configure()
        self.spawn(*self.command())
        if self.primary_port is None:
            for zone in self.zones:
                wait_until(lambda z=zone: self._answers(z), timeout, f"{self.name} answers for {zone}")
        return self

    def _answers(self, zone):
        assert self.alive(), f"{self.name} ended:\n{self.log()[-2000:]}"
        return ask.serial(self.port, zone) is not None

    def configure(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def change(self, zone, text):
        """Serves the new text and announces it."""
        self.zones[zone] = text
        self.write(self.file(zone), text)
        self.reload(zone)

    def reload(self, zone):
        self.signal(signal.SIGHUP)


class Knot(Peer):
    name = "knot"
    by_number = ("X25", "ISDN", "NSAP", "PX", "HIP", "AMTRELAY")

    def command(self):
        return ["knotd", "-c", os.path.join(self.folder, "knot.conf")]

    def configure(self):
        key = f"key:\n  - id: {self.key.name}\n    algorithm: {self.key.algorithm}\n    secret: {self.key.secret}\n" if self.key else ""
        use = f"    key: {self.key.name}\n" if self.key else ""
        ports = self.notify if self.primary_port is None else [self.primary_port] + self.notify
        remotes = "".join(f"  - id: r{p}\n    address: 127.0.0.1@{p}\n{use}" for p in ports)
        notify = "    notify: [" + ", ".join(f"r{p}" for p in self.notify) + "]\n" if self.notify else ""
        role = f"    master: r{self.primary_port}\n" if self.primary_port else ""
        zones = "".join(f"  - domain: {z}\n" + (f"    file: {self.file(z)}\n" if t is not None else "") for z, t in self.zones.items())
        self.write("knot.conf", f"""server:
    rundir: {self.folder}
    listen: 127.0.0.1@{self.port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 2
log:
  - target: stderr
    any: info
{key}{'remote:' if ports else ''}
{remotes}acl:
  - id: all
    address: 127.0.0.0/8
{use}    action: [transfer, notify]
database:
    storage: {self.folder}
template:
  - id: default
    storage: {self.folder}
{role}{notify}    acl: all
    zonefile-sync: {-1 if self.primary_port is None else 0}
    zonefile-load: {'difference' if self.ixfr and self.primary_port is None else 'whole'}
    journal-content: {'none' if self.primary_port is None and not self.ixfr else 'changes'}
    semantic-checks: off
zone:
{zones}""")

    def reload(self, zone):
        subprocess.run(["knotc", "-s", os.path.join(self.folder, "knot.sock"), "zone-reload", zone], check=True,
                       stdout=subprocess.DEVNULL, timeout=20)


class Nsd(Peer):
    name = "nsd"
    by_number = ("HIP", "AMTRELAY")
    notify_seconds = 5.0  # the reload of the zone file takes its time before NOTIFY goes out

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        ask.may_reset.add(self.port)

    def command(self):
        return ["nsd", "-d", "-c", os.path.join(self.folder, "nsd.conf")]

    def configure(self):
        key = f"key:\n    name: {self.key.name}\n    algorithm: {self.key.algorithm}\n    secret: \"{self.key.secret}\"\n" if self.key else ""
        use = self.key.name if self.key else "NOKEY"
        body = f"    provide-xfr: 127.0.0.0/8 {use}\n"
        body += "".join(f"    notify: 127.0.0.1@{p} {use}\n" for p in self.notify)
        if self.primary_port:
            body += f"    request-xfr: {'' if self.ixfr else 'AXFR '}127.0.0.1@{self.primary_port} {use}\n"
            body += f"    allow-notify: 127.0.0.0/8 {use}\n"
        if self.ixfr:
            body += "    store-ixfr: yes\n    create-ixfr: yes\n    ixfr-number: 10\n"
        zones = "".join(f"zone:\n    name: {z}\n    zonefile: {self.file(z)}\n{body}" for z in self.zones)
        self.write("nsd.conf", f"""server:
    server-count: 1
    ip-address: 127.0.0.1@{self.port}
    username: ""
    chroot: ""
    zonesdir: {self.folder}
    database: ""
    pidfile: {self.folder}/nsd.pid
    xfrdfile: {self.folder}/xfrd.state
    xfrdir: {self.folder}
    zonelistfile: {self.folder}/zone.list
    verbosity: 2
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    xfrd-reload-timeout: 0
    zonefiles-write: 1
    minimal-responses: yes
remote-control:
    control-enable: no
{key}{zones}""")


class Bind(Peer):
    name = "bind"

    def command(self):
        return ["named", "-g", "-n", "1", "-c", os.path.join(self.folder, "named.conf")]

    def configure(self):
        key = f'key "{self.key.name}" {{ algorithm {self.key.algorithm}; secret "{self.key.secret}"; }};\n' if self.key else ""
        use = f' key "{self.key.name}"' if self.key else ""
        allow = f'key "{self.key.name}"' if self.key else "127.0.0.0/8"
        notify = "".join(f"127.0.0.1 port {p}{use}; " for p in self.notify)
        announce = f"notify explicit; also-notify {{ {notify}}};" if notify else "notify no;"
        role = "type primary;"
        if self.primary_port:
            role = f"type secondary; primaries {{ 127.0.0.1 port {self.primary_port}{use}; }}; allow-notify {{ {allow}; }};"
        zones = "".join(f'zone "{z}" {{ {role} file "{self.file(z)}"; {announce} allow-transfer {{ {allow}; }}; }};\n' for z in self.zones)
        self.write("named.conf", f"""{key}options {{
  directory "{self.folder}"; pid-file "{self.folder}/pid"; session-keyfile "{self.folder}/session"; lock-file none;
  listen-on port {self.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; allow-query {{ any; }}; dnssec-validation no; notify-delay 0; check-names primary ignore;
  check-integrity no; max-records 0; request-ixfr {'yes' if self.ixfr else 'no'};
  ixfr-from-differences {'primary' if self.ixfr else 'no'}; minimal-any no; minimal-responses yes; rate-limit {{ responses-per-second 0; }};
}};
controls {{ }};
{zones}""")


class Pdns(Peer):
    name = "pdns"
    by_number = ("X25", "ISDN", "RT", "NSAP", "PX", "HIP", "AMTRELAY")
    sends_differences = False
    cannot_load = ("aplempty", "ipsec0", "unknown1", "generic")
    notify_seconds = 5.0  # it looks for notifications to send once a second

    def command(self):
        return ["pdns_server", f"--config-dir={self.folder}", "--daemon=no", "--guardian=no"]

    def configure(self):
        notify = ",".join(f"127.0.0.1:{p}" for p in self.notify)
        self.write("pdns.conf", f"""launch=lmdb
lmdb-filename={self.folder}/pdns.lmdb
lmdb-shards=1
primary=yes
secondary={'yes' if self.primary_port else 'no'}
local-address=127.0.0.1
local-port={self.port}
socket-dir={self.folder}
allow-axfr-ips=127.0.0.0/8
also-notify={notify}
only-notify=
any-to-tcp=no
receiver-threads=1
distributor-threads=1
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
zone-metadata-cache-ttl=0
xfr-cycle-interval=1
loglevel=5
disable-syslog=yes
""")
        if self.key:
            self.util("import-tsig-key", self.key.name, self.key.algorithm, self.key.secret)
        for zone in self.zones:
            if self.primary_port:
                self.util("create-secondary-zone", zone, f"127.0.0.1:{self.primary_port}")
                self.util("set-meta", zone, "IXFR", "1" if self.ixfr else "0")
            else:
                self.util("load-zone", zone, os.path.join(self.folder, self.file(zone)))
                self.util("set-kind", zone, "primary")
            if self.key:
                self.util("activate-tsig-key", zone, self.key.name, "primary")
                if self.primary_port:
                    self.util("activate-tsig-key", zone, self.key.name, "secondary")

    def util(self, *arguments):
        done = subprocess.run(["pdnsutil", f"--config-dir={self.folder}", *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"pdnsutil {' '.join(arguments)}: {done.stdout}{done.stderr}"

    def reload(self, zone):
        self.util("load-zone", zone, os.path.join(self.folder, self.file(zone)))
        subprocess.run(["pdns_control", f"--config-dir={self.folder}", "notify", zone], check=True,
                       stdout=subprocess.DEVNULL, timeout=20)


PRIMARIES = {c.name: c for c in (Knot, Nsd, Bind, Pdns)}
SECONDARIES = PRIMARIES
