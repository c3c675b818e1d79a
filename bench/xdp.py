"""Answering by AF_XDP and by sockets over a pair of virtual interfaces, between two network namespaces.

The server and its primary are in one namespace, the load generator in the other. Virtual interfaces copy, and whoever sends
does the kernel's work for who receives: what an arriving query costs before the server sees it is the load's, and what its
answer costs until the client has it is the server's. That is so for all alike; counted is the processor time of the
server's process.

Two ways to ask. dnsperf keeps 400 queries under way; as it takes longer for each than the server, a server wakes for a few
at a time, and what that costs is most of what is measured. A backlog shows a server that has more to do than it can: it is
stopped (SIGSTOP), gets so many queries, and goes on. The tenth of all backlogs that took least counts, so that what else
the machine does is left out.
"""
import contextlib
import ctypes
import os
import random
import signal
import socket
import struct
import subprocess
import time

import peers
import zones as zonekinds
from load import ANSWERING, QUICK_ANSWERING, add_medians, answer_load
from turns import Turns

DESCRIPTION = "one zone of SIZE hosts, by AF_XDP and by sockets over a veth pair; floor: a fixed answer for any query"
ROWS = (
    ("q_per_cpu_s", "queries per server CPU-second", "{:,.0f}"),
    ("user_share", "share of user time in that", "{:.2f}"),
    ("qps", "queries a second", "{:,.0f}"),
    ("lost", "lost", "{:,.0f}"),
    *((f"backlog_{n}_q_per_cpu_s", f"backlog of {n:,}, queries per server CPU-second", "{:,.0f}") for n in (200, 1500)),
)
SERVER_ADDRESS, CLIENT_ADDRESS = "10.53.1.1", "10.53.1.2"
SERVER_DEVICE, CLIENT_DEVICE = "us-bench-s", "us-bench-c"
CLONE_NEWNET, SO_RCVBUFFORCE = 0x40000000, 33
_libc = ctypes.CDLL(None, use_errno=True)


def run(*command):
    subprocess.run([str(word) for word in command], check=True)


class Namespace:
    def __init__(self, name):
        self.name = f"{name}-{os.getpid()}"
        run("ip", "netns", "add", self.name)

    @property
    def prefix(self):
        return ("ip", "netns", "exec", self.name)

    def set_up(self, device, address):
        run(*self.prefix, "ip", "link", "set", "lo", "up")
        run(*self.prefix, "ip", "address", "add", f"{address}/24", "dev", device)
        run(*self.prefix, "ip", "link", "set", device, "up")

    @contextlib.contextmanager
    def entered(self):
        """This thread and what it starts are inside."""
        with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{self.name}") as inside:
            if _libc.setns(inside.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                _libc.setns(before.fileno(), CLONE_NEWNET)

    def remove(self):
        run("ip", "netns", "delete", self.name)


SERVERS = {"understudy": peers.Understudy, "knot": peers.Knot, "floor": peers.Floor}


def exact_cpu_seconds(pids):
    """Processor time of all threads; /proc/PID/stat counts in hundredths of a second only."""
    total = 0
    for pid in pids:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                total += int(file.read().split()[0])
    return total / 1e9


def query(line, number):
    """The query of a line of the query file."""
    name, kind = line.split()
    return struct.pack(">HHHHHH", number & 0xffff, 0, 1, 0, 0, 0) + peers.question(name, {"A": 1, "AAAA": 28}[kind])


class Wire:
    """Two namespaces and the wire between them. One for each server: an attached program stays behind at times."""

    def __init__(self, name):
        self.server, self.client = (Namespace(f"us-bench-{name}-{end}") for end in ("server", "client"))
        run(*self.server.prefix, "ip", "link", "add", SERVER_DEVICE, "type", "veth", "peer", CLIENT_DEVICE, "netns", self.client.name)
        self.server.set_up(SERVER_DEVICE, SERVER_ADDRESS)
        self.client.set_up(CLIENT_DEVICE, CLIENT_ADDRESS)

    def remove(self):
        self.server.remove()
        self.client.remove()


class Workload:
    ways = tuple(name + suffix for name in SERVERS for suffix in ("", "-xdp"))
    rows, default_peers = ROWS, ways

    def __init__(self, _):
        self.wires = {}  # by the server's folder

    def prepare(self, root, size):
        self.root = root
        self.zones = zonekinds.KINDS["flat"](root + "/zones", size)
        self.queries = root + "/zones/queries.txt"

    def measure_all(self, names, quick):
        seconds, rounds = QUICK_ANSWERING if quick else ANSWERING
        turns = Turns({name: self.server(name) for name in names})
        try:
            turns.each("transfer", self.take_zones)
            taken = turns.rounds("answering", rounds, lambda server: self.answer(server, seconds))
            for name, of_rounds in taken.items():
                # A server that does not keep so many waiting has no figure.
                columns = {key: [row[key] for row in of_rounds if row[key] is not None] for key in of_rounds[0]}
                add_medians(turns.table[name], {key: values for key, values in columns.items() if len(values) == rounds})
        finally:
            turns.stop_all()
        return turns.table

    def server(self, name):
        kind, _, way = name.partition("-")
        server = SERVERS[kind](self.root, self.zones, cpu=peers.CORE_OF_SERVER)
        server.root += f"-{way}" if way else ""
        server.addresses = (SERVER_ADDRESS,) if kind == "floor" else ("127.0.0.1", SERVER_ADDRESS)
        server.interface = SERVER_DEVICE if way == "xdp" else None
        self.wires[server.root] = Wire(name)
        return server

    def take_zones(self, server):
        primary = peers.KnotPrimary(self.root, self.zones, cpu=peers.CORE_OF_LOAD)
        with self.wires[server.root].server.entered():
            try:
                if not server.answers_only:
                    primary.start()
                    primary.wait()
                server.configure()
                server.start_and_wait()
                server.settle()
            finally:
                primary.stop(hard=True)
        return {}

    def answer(self, server, seconds):
        wire = self.wires[server.root]
        with wire.server.entered():
            run_of_load = answer_load(server, self.queries, seconds, "-s", SERVER_ADDRESS, inside=wire.client.prefix)
            row = {"q_per_cpu_s": run_of_load.per_cpu_second, "user_share": run_of_load.user_share, "qps": run_of_load.qps,
                   "lost": run_of_load.lost}
            for size in (200, 1500):
                row[f"backlog_{size}_q_per_cpu_s"] = self.backlogs(server, wire.client, size, int(40 * seconds))
        return row

    def backlogs(self, server, client, size, count):
        """Queries per CPU-second when `size` wait; None where the server does not keep so many."""
        with open(self.queries) as file:
            lines = file.read().splitlines()
        rng, taken = random.Random(3), []
        affinity = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {peers.CORE_OF_LOAD})
        try:
            with client.entered():
                asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with asking:
                asking.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
                asking.settimeout(2)
                asking.connect((SERVER_ADDRESS, server.port))
                for _ in range(count):
                    queries = [query(rng.choice(lines), i) for i in range(size)]
                    taken.append(self.backlog(server, asking, queries))
        except TimeoutError:
            return None
        finally:
            os.sched_setaffinity(0, affinity)
        return size / sorted(taken)[len(taken) // 10]

    @staticmethod
    def backlog(server, asking, queries):
        """Seconds of processor time for all of them."""
        pids = server.pids()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            for query in queries:
                asking.send(query)
            before = exact_cpu_seconds(pids)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        for _ in queries:
            asking.recv(4096)
        time.sleep(0.001)
        return exact_cpu_seconds(pids) - before

    def finish(self):
        for wire in self.wires.values():
            wire.remove()
        self.wires = {}
