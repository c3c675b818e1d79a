"""A stream of updates: whether a secondary keeps up with RATE versions a second of one large zone, and what answering loses.

Each version changes the address of one host; it is one difference of an IXFR, and durable before it is served. Answering
is measured at a fixed load at rest and during the stream, alternating, and flat out in the same way. The server, with
everything it does, has one core: what is lost flat out is the processor time that updates take. What is lost at the fixed
load, in time of the answering threads for a request, is what updates do to answering itself; once more with what takes
the updates on another core, where the threads can be told apart.
"""
import json
import os
import statistics
import subprocess
import time

import peers
import zones as zonekinds
from load import answer_load, median_of
from turns import OneByOne

DESCRIPTION = "one zone of SIZE hosts that changes 1,000 times a second (RATE in the environment), with and without load"
RATE = int(os.environ.get("RATE", 1000))
LOAD = 20_000  # queries a second
DEFAULT_PEERS = ("understudy", "knot", "nsd", "bind")
ROWS = (
    ("versions", "versions published", "{:,}"),
    ("served", "of these served 30 s after the last", "{:,}"),
    ("lag_ms", "publication to served, median, ms", "{:,.1f}"),
    ("lag_ms_p99", "the same, 99 of 100, ms", "{:,.1f}"),
    ("lag_ms_max", "the same, worst, ms", "{:,.1f}"),
    ("behind", "serials behind, median", "{:,.0f}"),
    ("behind_max", "serials behind, most", "{:,.0f}"),
    ("catch_up_s", "end of the stream to the last serial served, s", "{:.3f}"),
    ("versions_per_step", "versions taken at once, mean", "{:.1f}"),
    ("update_cpu_share", "processor time of the updates, share of a core", "{:.3f}"),
    ("rest_us", "{load:,} queries a second: us of the answering threads for each request (NOTIFYs and polls too), at rest", "{:.2f}"),
    ("stream_us", "the same during the stream", "{:.2f}"),
    ("us_ratio", "ratio, median of pairs of runs", "{:.3f}"),
    ("us_ratio_apart", "the same ratio if what takes the updates has the other core, with the load", "{:.3f}"),
    ("rest_latency_ms", "their latency at rest, mean, ms", "{:.3f}"),
    ("stream_latency_ms", "the same during the stream", "{:.3f}"),
    ("rest_qps", "flat out, queries a second, at rest", "{:,.0f}"),
    ("stream_qps", "the same during the stream", "{:,.0f}"),
    ("flat_out_lag_ms", "publication to served then, median, ms", "{:,.1f}"),
    ("memory_mib", "memory after all of it, MiB", "{:.0f}"),
)


class StreamPrimary:
    """stream_primary.py in a process of its own."""

    def __init__(self, zone, path, port, secondary):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stream_primary.py")
        self.process = subprocess.Popen(["taskset", "-c", str(peers.CORE_OF_LOAD), "/usr/bin/python3", program, zone, path,
                                         str(port), str(secondary)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("the primary of the stream did not start")

    def begin(self, seconds, rate=RATE):
        self.process.stdin.write(f"{rate} {seconds}\n")
        self.process.stdin.flush()

    def end(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the primary of the stream has ended")
        return json.loads(line)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Workload(OneByOne):
    rows = tuple((key, label.format(load=LOAD) if "{load" in label else label, form) for key, label, form in ROWS)
    default_peers, ways = DEFAULT_PEERS, tuple(peers.PEERS)

    def __init__(self, kind):
        pass

    def prepare(self, root, size):
        self.root = root
        self.zones = zonekinds.flat(root + "/zones", size)
        self.queries = root + "/zones/queries.txt"

    def measure(self, name, quick):
        (zone, path), = self.zones.items()
        server = peers.PEERS[name](self.root, self.zones, cpu=peers.CORE_OF_SERVER)
        server.configure()
        primary = StreamPrimary(zone, path, server.primary_port, server.port)
        try:
            server.start_and_wait(timeout=60)
            time.sleep(3)  # what the start left to do
            return self.stream(server, primary, 2 if quick else 4, 1 if quick else 6)
        finally:
            server.stop(hard=True)
            primary.stop()

    def stream(self, server, primary, seconds, rounds):
        row = self.alone(server, primary, seconds)
        row["memory_mib"] = server.memory_mib()
        if row["served"] != row["versions"]:
            return row  # it does not keep up without load
        rest, busy, _ = self.with_load(server, primary, rounds, seconds, "-Q", str(LOAD))
        for label, runs in (("rest", rest), ("stream", busy)):
            row[label + "_us"], row[label + "_latency_ms"] = median_of(runs, "us_per_query"), median_of(runs, "latency_ms")
        row["us_ratio"] = self.ratio_of_pairs(rest, busy)
        rest, busy, lag = self.with_load(server, primary, rounds, seconds)
        row["rest_qps"], row["stream_qps"], row["flat_out_lag_ms"] = median_of(rest, "qps"), median_of(busy, "qps"), lag
        row["memory_mib"] = server.memory_mib()
        if server.answering_threads:
            server.move_others(peers.CORE_OF_LOAD)
            rest, busy, _ = self.with_load(server, primary, rounds, seconds, "-Q", str(LOAD))
            row["us_ratio_apart"] = self.ratio_of_pairs(rest, busy)
        return row

    @staticmethod
    def ratio_of_pairs(rest, busy):
        """Those of a pair ran one after the other; over minutes the machine changes more than what is looked for."""
        return statistics.median(after.us_per_query / before.us_per_query for before, after in zip(rest, busy))

    def alone(self, server, primary, seconds):
        """The stream without load; what the questions for the SOA cost is measured and taken off."""
        used = []
        for rate in (0, RATE):
            before = sum(server.cpu_seconds())
            primary.begin(seconds, rate)
            row = primary.end()
            used.append((sum(server.cpu_seconds()) - before) / row["seconds"])
        row["versions_per_step"] = row["served"] / max(row["steps"], 1)
        row["update_cpu_share"] = used[1] - used[0]
        return row

    def with_load(self, server, primary, rounds, seconds, *extra):
        """Runs of load at rest and during the stream, alternating, and the median lag of the latter."""
        rest, busy, lag = [], [], []
        for _ in range(rounds):
            for runs, rate in ((rest, 0), (busy, RATE)):
                primary.begin(seconds, rate)
                time.sleep(0.5)
                runs.append(answer_load(server, self.queries, seconds - 1, *extra))
                outcome = primary.end()
                # Polls and NOTIFYs are answered by the same threads, and there are as many of them as make a difference.
                share = (seconds - 1) / outcome["seconds"]
                runs[-1].others = round((outcome["polls"] + outcome["notifies"]) * share)
            lag.append(outcome["lag_ms"])
        return rest, busy, statistics.median(lag)

    def finish(self):
        pass
