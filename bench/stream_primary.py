#!/usr/bin/python3
"""A primary that changes one zone many times a second, by IXFR (RFC 1995), and sees how soon a secondary follows.

usage: stream_primary.py ZONE FILE PORT SECONDARY_PORT, with FILE as zones.flat() writes it. A line `RATE SECONDS` on
standard input publishes that many versions a second, each with another address for one host, and announces them; a
second NOTIFY leaves once the one before was acknowledged. Meanwhile the secondary's SOA is asked for every millisecond.
The outcome is a line of JSON: how long after its publication each serial was served, and how many behind it was.
AXFR, SOA and IXFR are answered from every version that was published; IXFR by UDP gets the SOA alone: "ask by TCP".
"""
import itertools
import json
import os
import selectors
import socket
import statistics
import struct
import sys
import time

SOA, A, AAAA, NS, IXFR, AXFR = 6, 1, 28, 2, 251, 252
APEX = b"\xc0\x0c"  # the question's name
HOSTS_PER_MESSAGE = 200
MESSAGE_LIMIT = 16000


def wire_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split(".")) + b"\0"


def record(owner, rrtype, rdata, ttl=3600):
    return owner + struct.pack(">HHIH", rrtype, 1, ttl, len(rdata)) + rdata


class Versions:
    """Serial 1 is the file; each further one changes the A record of the next host, in the order of the file and round."""

    def __init__(self, zone, path):
        self.zone, self.serial, self.hosts = wire_name(zone), 1, []
        with open(path) as file:
            for line in file:
                part = line.split()
                if len(part) == 5 and part[3] == "A" and part[0] not in ("ns1", "ns2"):
                    owner = bytes([len(part[0])]) + part[0].encode() + APEX
                    self.hosts.append((owner, socket.inet_aton(part[4])))
        self.apex = [record(APEX, NS, b"\x03ns%d" % i + APEX) for i in (1, 2)]
        self.apex += [record(b"\x03ns%d" % i + APEX, A, bytes([192, 0, 2, i])) for i in (1, 2)]

    def soa(self, serial):
        rdata = b"\x03ns1" + APEX + b"\x0ahostmaster" + APEX + struct.pack(">IIIII", serial, 3600, 600, 1209600, 300)
        return record(APEX, SOA, rdata)

    def host_a(self, i, changes):
        """The A record of the i-th host when it was changed so often."""
        owner, address = self.hosts[i]
        return record(owner, A, struct.pack(">I", 0xC6120000 + (changes % 2 << 16) + i % 65536) if changes else address)

    def host(self, i):
        rounds, begun = divmod(self.serial - 1, len(self.hosts))
        aaaa = b"\x20\x01\x0d\xb8" + bytes(8) + struct.pack(">I", i)
        return self.host_a(i, rounds + (i < begun)) + record(self.hosts[i][0], AAAA, aaaa)

    def part(self, i):
        """The i-th message's share of the hosts."""
        hosts = range(i * HOSTS_PER_MESSAGE, min((i + 1) * HOSTS_PER_MESSAGE, len(self.hosts)))
        return 2 * len(hosts), b"".join(self.host(host) for host in hosts)

    def prepare(self):
        """Makes what most of a whole zone consists of, as long as nothing has changed."""
        self.parts = [self.part(i) for i in range(-(-len(self.hosts) // HOSTS_PER_MESSAGE))]

    def whole(self):
        """The zone: number of records and records, for one message after the other."""
        yield 1 + len(self.apex), self.soa(self.serial) + b"".join(self.apex)
        for i, part in enumerate(self.parts):
            yield self.part(i) if i * HOSTS_PER_MESSAGE < self.serial - 1 else part
        yield 1, self.soa(self.serial)

    def since(self, serial):
        """The same for the differences from `serial` on."""
        count, body = 1, self.soa(self.serial)
        if not 0 < serial < self.serial:
            yield count, body
            return
        for step in range(serial, self.serial):
            rounds, i = divmod(step - 1, len(self.hosts))
            body += self.soa(step) + self.host_a(i, rounds) + self.soa(step + 1) + self.host_a(i, rounds + 1)
            count += 4
            if len(body) > MESSAGE_LIMIT:
                yield count, body
                count, body = 0, b""
        yield count + 1, body + self.soa(self.serial)


def answer(query, count, records):
    """The message with these records that answers `query`, whose only question is kept."""
    end = query.index(b"\0", 12) + 5
    return query[:2] + struct.pack(">HHHHH", 0x8400, 1, count, 0, 0) + query[12:end] + records


def question(query):
    """Type asked for, and the serial in the authority section of an IXFR query."""
    end = query.index(b"\0", 12) + 5
    rrtype = struct.unpack(">H", query[end - 4:end - 2])[0]
    if rrtype != IXFR:
        return rrtype, 0
    owner = query[end]
    at = end + (2 if owner >= 192 else query.index(b"\0", end) + 1 - end)
    length = struct.unpack(">H", query[at + 8:at + 10])[0]
    return rrtype, struct.unpack(">I", query[at + 10 + length - 20:at + 10 + length - 16])[0]


class Connection:
    """One TCP connection: queries in, messages out as far as the other side takes them."""

    def __init__(self, primary, sock):
        self.primary, self.sock, self.inbox, self.outbox, self.writing = primary, sock, b"", [], False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        primary.selector.register(sock, selectors.EVENT_READ, self)

    def ready(self, events):
        try:
            if events & selectors.EVENT_READ:
                data = self.sock.recv(65536)
                if not data:
                    return self.close()
                self.inbox += data
                while len(self.inbox) >= 2 and len(self.inbox) >= 2 + (size := struct.unpack(">H", self.inbox[:2])[0]):
                    query, self.inbox = self.inbox[2:2 + size], self.inbox[2 + size:]
                    self.outbox.append(self.primary.framed(query))
            self.write()
        except OSError:
            self.close()

    def write(self):
        while self.outbox:
            head = self.outbox[0]
            if not isinstance(head, memoryview):
                chunk = b"".join(itertools.islice(head, 16))
                if not chunk:
                    self.outbox.pop(0)
                    continue
                self.outbox.insert(0, memoryview(chunk))
                continue
            try:
                sent = self.sock.send(head)
            except BlockingIOError:
                return self.watch(True)
            self.outbox[0] = head[sent:]
            if not self.outbox[0]:
                self.outbox.pop(0)
        self.watch(False)

    def watch(self, writing):
        if writing != self.writing:
            self.writing = writing
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
            self.primary.selector.modify(self.sock, events, self)

    def close(self):
        self.primary.selector.unregister(self.sock)
        self.sock.close()


class Stream:
    """One run: what was published when, and when the secondary served it."""

    def __init__(self, rate, seconds, serial):
        self.begin, self.rate, self.seconds = time.monotonic(), rate, seconds
        self.first = self.seen = serial  # newest serial known to be served
        self.published, self.lag_ms, self.behind = [], [], []
        self.polls, self.notifies, self.steps = 0, 0, 0

    def due(self, now):
        """How many versions should be there by now."""
        return int(min(now - self.begin, self.seconds) * self.rate)

    def served(self, serial, newest, now):
        if not 0 < serial <= newest:
            return  # of another run's server
        self.behind.append(newest - serial)
        if serial > self.seen:
            self.steps += 1
            for i in range(self.seen - self.first, serial - self.first):
                self.lag_ms.append((now - self.published[i]) * 1000)
            self.seen = serial

    def is_over(self, newest, now):
        return now >= self.begin + self.seconds and (self.seen == newest or now > self.begin + self.seconds + 30)

    def outcome(self, newest, now):
        lag = sorted(self.lag_ms) or [0.0]
        return {"versions": newest - self.first, "served": self.seen - self.first, "steps": self.steps, "polls": self.polls, "notifies": self.notifies,
                "seconds": now - self.begin, "catch_up_s": max(0.0, now - self.begin - self.seconds),
                "lag_ms": statistics.median(lag), "lag_ms_p99": lag[int(len(lag) * 0.99)], "lag_ms_max": lag[-1],
                "behind": statistics.median(self.behind or [0]), "behind_max": max(self.behind or [0])}


class Primary:
    def __init__(self, zone, path, port, secondary):
        self.versions = Versions(zone, path)
        self.question = self.versions.zone + struct.pack(">HH", SOA, 1)
        self.selector = selectors.DefaultSelector()
        self.udp = self.datagram_socket(("127.0.0.1", port))
        self.listener = socket.create_server(("127.0.0.1", port))
        self.notifier, self.poller = self.datagram_socket(), self.datagram_socket()
        for sock in (self.notifier, self.poller):
            sock.connect(("127.0.0.1", secondary))
        os.set_blocking(0, False)
        handlers = ((self.udp, self.asked), (self.listener, self.connected), (self.notifier, self.acknowledged),
                    (self.poller, self.told), (sys.stdin, self.commanded))
        for source, handler in handlers:
            self.selector.register(source, selectors.EVENT_READ, handler)
        self.stream, self.notify_sent, self.poll_sent, self.poll_open = None, 0.0, 0.0, False
        self.notify_open, self.announced = False, 1

    @staticmethod
    def datagram_socket(address=None):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        if address:
            sock.bind(address)
        return sock

    # Answers

    def framed(self, query):
        """The messages of the answer to a query that came by TCP, each with its length in front."""
        rrtype, serial = question(query)
        if rrtype == AXFR:
            parts = self.versions.whole()
        elif rrtype == IXFR:
            parts = self.versions.since(serial)
        else:
            parts = [(1, self.versions.soa(self.versions.serial))]
        for count, records in parts:
            wire = answer(query, count, records)
            yield struct.pack(">H", len(wire)) + wire

    def connected(self, _):
        Connection(self, self.listener.accept()[0])

    def asked(self, _):
        query, peer = self.udp.recvfrom(4096)
        self.udp.sendto(answer(query, 1, self.versions.soa(self.versions.serial)), peer)

    # The stream

    def commanded(self, _):
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        rate, seconds = map(float, line.split())
        self.stream = Stream(rate, seconds, self.versions.serial)

    def acknowledged(self, _):
        self.drain(self.notifier)
        self.notify_open = False

    @staticmethod
    def drain(sock):
        try:
            return sock.recv(4096)
        except OSError:
            return b""

    def told(self, _):
        reply, now = self.drain(self.poller), time.monotonic()
        self.poll_open = False
        at = 12 + len(self.question) + 12  # behind the answer's owner (two octets), type, class, TTL and length
        if self.stream and len(reply) > at and reply[12 + len(self.question)] >= 192:
            length = struct.unpack(">H", reply[at - 2:at])[0]
            self.stream.served(struct.unpack(">I", reply[at + length - 20:at + length - 16])[0], self.versions.serial, now)

    def tick(self, now):
        stream, versions = self.stream, self.versions
        while versions.serial - stream.first < stream.due(now):
            versions.serial += 1
            stream.published.append(now)
        if self.announced != versions.serial and (not self.notify_open or now - self.notify_sent > 1):
            self.announced, self.notify_open, self.notify_sent = versions.serial, True, now
            stream.notifies += 1
            header = struct.pack(">HHHHHH", versions.serial & 65535, 0x2400, 1, 1, 0, 0)
            self.send(self.notifier, header + self.question + versions.soa(versions.serial))
        if now - self.poll_sent >= (1 if self.poll_open else 0.001):
            self.poll_sent, self.poll_open = now, True
            stream.polls += 1
            self.send(self.poller, struct.pack(">HHHHHH", stream.polls & 65535, 0, 1, 0, 0, 0) + self.question)
        if stream.is_over(versions.serial, now):
            print(json.dumps(stream.outcome(versions.serial, now)), flush=True)
            self.stream = None

    @staticmethod
    def send(sock, wire):
        try:
            sock.send(wire)
        except OSError:
            pass  # the secondary does not run yet, or is busy: the next one follows

    def run(self):
        self.versions.prepare()
        print("ready", flush=True)
        while True:
            for key, events in self.selector.select(0.0005 if self.stream else None):
                if isinstance(key.data, Connection):
                    key.data.ready(events)
                else:
                    key.data(events)
            if self.stream:
                self.tick(time.monotonic())


if __name__ == "__main__":
    Primary(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])).run()
