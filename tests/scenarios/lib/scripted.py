"""A primary that does exactly what a test says: which octets, when, and when it stops.

`on_soa`, `on_axfr` and `on_ixfr` get the Query and give actions: octets (one message, framed on TCP), Raw octets, Sleep,
CLOSE or HANG. By default the first two answer rightly from `versions`, and IXFR is not known; `ixfr` answers that rightly
from all versions that were published. Every query is kept in `queries`.
"""
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

import dns.exception
import dns.flags
import dns.message
import dns.opcode

from .ask import HOST, _exactly, keyring, notify
from .ports import free_port
from .wire import AXFR, IXFR, SOA, Signer, Version, differences, message, messages


@dataclass(frozen=True)
class Raw:
    """Octets sent without a length in front."""
    octets: bytes


@dataclass(frozen=True)
class Sleep:
    seconds: float


CLOSE, HANG = object(), object()


@dataclass
class Query:
    ident: int
    zone: str
    rdtype: int
    question: bytes
    transport: str
    mac: bytes
    signed: bool
    serial: int = 0  # an IXFR's: what the other side has
    at: float = field(default_factory=time.monotonic)


class ScriptedPrimary:
    name = "scripted"

    def __init__(self, stage, zone="example.", serial=1, key=None, name=None, **version):
        self.name, self.folder, self.port = name or self.name, "", free_port()
        self.zone, self.key = zone, key
        self.versions = {zone: Version(zone, serial, **version)}
        self.queries, self.connections = [], 0
        self.on_soa, self.on_axfr, self.on_ixfr = self.soa, self.axfr, self.no_ixfr
        self.past = {zone: [self.versions[zone]]}
        self._lines, self._closing, self._lock = [], threading.Event(), threading.Lock()
        self._open, self._sockets, self._threads = set(), [], []
        stage.servers.append(self)
        self.start()

    # What a test uses

    @property
    def version(self):
        return self.versions[self.zone]

    def publish(self, serial, port=None, zone=None, **version):
        """Serves a new version rightly; announces it to `port`."""
        zone = zone or self.zone
        self.versions[zone] = Version(zone, serial, **version)
        self.past.setdefault(zone, []).append(self.versions[zone])
        self.on_soa, self.on_axfr = self.soa, self.axfr
        if port:
            self.announce(port, serial, zone)

    def announce(self, port, serial=None, zone=None):
        got = notify(port, zone or self.zone, serial, self.key)
        assert got == 0, f"NOTIFY was answered with {got}"

    def count(self, rdtype, zone=None):
        with self._lock:
            return sum(q.rdtype == rdtype and (zone is None or q.zone == zone) for q in self.queries)

    def transfers(self):
        return self.count(AXFR)

    def soa(self, query):
        """The right answer to a SOA query."""
        wire = message(query, [self.versions[query.zone].soa])
        yield Signer(self.key, query.mac).sign(wire) if query.signed else wire

    def axfr(self, query, per_message=7):
        """The right transfer."""
        yield from self.send(query, messages(query, self.versions[query.zone].records, per_message))

    def no_ixfr(self, query):
        """NOTIMP, signed if the query was."""
        yield from self.send(query, [message(query, rcode=4)])

    def ixfr(self, query, per_message=7):
        """The right differences, or the whole zone where they are not known."""
        yield from self.send(query, messages(query, self.changes(query), per_message))

    def changes(self, query):
        """The records of a right answer to an IXFR query."""
        past = self.past[query.zone]
        known = [i for i, version in enumerate(past) if version.serial == query.serial]
        if not known:
            return past[-1].records
        newest = past[-1]
        if newest.serial == query.serial:
            return [newest.soa]
        steps = [differences(old, new) for old, new in zip(past[known[-1]:], past[known[-1] + 1:])]
        return [newest.soa, *(record for step in steps for record in step), newest.soa]

    def send(self, query, wires):
        """The messages, each signed if the query was."""
        signer = Signer(self.key, query.mac) if query.signed else None
        for wire in wires:
            yield signer.sign(wire) if signer else wire

    # What it does

    def start(self):
        self._closing.clear()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((HOST, self.port))
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((HOST, self.port))
        tcp.listen(256)
        self._sockets = [udp, tcp]
        self._threads = [threading.Thread(target=self._serve_udp, args=(udp,), daemon=True),
                         threading.Thread(target=self._serve_tcp, args=(tcp,), daemon=True)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Closes the port and every connection: the primary is gone."""
        self._closing.set()
        self._close(self._sockets)
        # A port is free only when nobody waits at its socket any more; then no connection is added any more either.
        for thread in self._threads:
            thread.join()
        with self._lock:
            open_now = list(self._open)
        self._close(open_now)
        self._sockets, self._threads = [], []

    @staticmethod
    def _close(sockets):
        for s in sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def finish(self):
        self.stop()
        return None

    def log(self):
        return "\n".join(self._lines)

    def _serve_udp(self, s):
        while not self._closing.is_set():
            try:
                wire, client = s.recvfrom(65535)
            except OSError:
                return
            query = self._read(wire, "udp")
            if query:
                threading.Thread(target=self._run_udp, args=(s, client, query), daemon=True).start()

    def _run_udp(self, s, client, query):
        for action in self._actions(query):
            if action in (CLOSE, HANG) or (isinstance(action, Sleep) and self._closing.wait(action.seconds)):
                return
            try:
                if isinstance(action, (bytes, Raw)):
                    s.sendto(action if isinstance(action, bytes) else action.octets, client)
            except OSError:
                return

    def _serve_tcp(self, s):
        while not self._closing.is_set():
            try:
                connection, _ = s.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
                self.connections += 1
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, s):
        try:
            while not self._closing.is_set():
                head = _exactly(s, 2)
                wire = head and _exactly(s, struct.unpack("!H", head)[0])
                if not wire:
                    return
                query = self._read(wire, "tcp")
                if query and not self._run_tcp(s, query):
                    return
        except OSError as error:
            self._say(f"connection: {error}")
        finally:
            with self._lock:
                self._open.discard(s)
            s.close()

    def _run_tcp(self, s, query):
        """Carries out the actions; False ends the connection."""
        for action in self._actions(query):
            if action is CLOSE:
                return False
            if action is HANG:
                while s.recv(4096):
                    pass
                return False
            if isinstance(action, Sleep):
                if self._closing.wait(action.seconds):
                    return False
            elif isinstance(action, Raw):
                s.sendall(action.octets)
            else:
                s.sendall(struct.pack("!H", len(action)) + action)
        return True

    def _actions(self, query):
        if query.zone not in self.versions:
            return [message(query, rcode=5)]
        return {SOA: self.on_soa, AXFR: self.on_axfr, IXFR: self.on_ixfr}.get(query.rdtype, lambda q: [message(q, rcode=4)])(query)

    def _read(self, wire, transport):
        """The query, its signature checked; None if it cannot be read."""
        try:
            parsed = dns.message.from_wire(wire, keyring=keyring(self.key) if self.key else None)
            question = parsed.question[0]
        except (dns.exception.DNSException, IndexError) as error:
            self._say(f"{transport}: bad query {wire.hex()}: {error!r}")
            return None
        query = Query(parsed.id, question.name.to_text().lower(), int(question.rdtype),
                      question.name.to_wire() + struct.pack("!HH", question.rdtype, question.rdclass), transport,
                      parsed.mac if parsed.had_tsig else b"", parsed.had_tsig,
                      parsed.authority[0][0].serial if parsed.authority else 0)
        self._say(f"{transport}: {query.zone} {query.rdtype} signed={query.signed}")
        with self._lock:
            self.queries.append(query)
        return query

    def _say(self, text):
        self._lines.append(f"{time.monotonic():.3f} {text}")
