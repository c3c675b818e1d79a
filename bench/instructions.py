"""Instructions outside the kernel for a query, counted by valgrind: unlike seconds they repeat, whatever else the machine does.

The server runs under callgrind and counts from when it has the zone; dnsperf asks each query of a part of the file once.
"""
import glob
import os
import re
import subprocess
import time

import peers
import zones as zonekinds
from load import CORE_OF_LOAD
from turns import OneByOne

DESCRIPTION = "instructions a query in a zone of SIZE hosts: A and AAAA, name errors among them (callgrind)"
QUERIES = 20_000
ROWS = (
    ("instructions", "instructions outside the kernel for a query", "{:,.0f}"),
    ("edns_do_instructions", "the same with EDNS and DO", "{:,.0f}"),
)


class Workload(OneByOne):
    rows, default_peers, ways = ROWS, tuple(peers.PEERS), tuple(peers.PEERS)

    def __init__(self, kind):
        pass

    def prepare(self, root, size):
        self.root = root
        self.zones = zonekinds.flat(root + "/zones", size)
        self.queries = root + "/zones/few.txt"
        with open(root + "/zones/queries.txt") as file, open(self.queries, "w") as few:
            few.writelines(line for line, _ in zip(file, range(QUERIES)))

    def measure(self, name, quick):
        primary = peers.KnotPrimary(self.root, self.zones, cpu=CORE_OF_LOAD)
        server = peers.PEERS[name](self.root, self.zones, cpu=peers.CORE_OF_SERVER)
        try:
            primary.start()
            primary.wait()
            server.configure()
            if name == "understudy":  # without debug information, which is newer than valgrind understands
                subprocess.run(["strip", "-g", "-o", f"{server.root}/understudyd", server.binary], check=True)
                server.binary = f"{server.root}/understudyd"
            server.wrapper = ("valgrind", "--tool=callgrind", "--trace-children=yes", "--instr-atstart=no",
                              f"--callgrind-out-file={server.root}/count.%p")
            server.start_and_wait()
            self.ask(server)  # what is done once
            counted = [0]
            for extra in ((), (), ("-D",)):  # the first has work of its own in it: what waited meanwhile
                self.control(server, "on")
                time.sleep(1)  # processes that wait for something notice it late
                asked = self.ask(server, *extra)
                self.control(server, "off")
                counted.append(self.counted(server))
                if asked != QUERIES:
                    raise RuntimeError(f"{name} answered {asked} of {QUERIES} queries under valgrind")
            return {"instructions": (counted[2] - counted[1]) / QUERIES, "edns_do_instructions": (counted[3] - counted[2]) / QUERIES}
        finally:
            primary.stop(hard=True)
            server.stop(hard=True)

    def ask(self, server, *extra):
        out = subprocess.run(["taskset", "-c", str(CORE_OF_LOAD), "dnsperf", "-p", str(server.port), "-d", self.queries, "-n", "1",
                              "-c", "4", "-q", "100", *extra], capture_output=True, text=True).stdout
        return int(re.search(r"Queries completed:\s+(\d+)", out)[1])

    @staticmethod
    def control(server, state):
        for pid in server.pids():
            subprocess.run(["callgrind_control", "-i", state, str(pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @staticmethod
    def counted(server):
        """Instructions of all its processes in all dumps until now."""
        for pid in server.pids():
            subprocess.run(["callgrind_control", "-d", str(pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        total = 0
        for path in glob.glob(os.path.join(server.root, "count.*")):
            with open(path) as file:
                total += sum(int(n) for n in re.findall(r"^totals: (\d+)", file.read(), re.MULTILINE)[:1])
        return total

    def finish(self):
        pass
