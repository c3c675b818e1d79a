"""The loads, from the second core, and what it costs the server to answer them.

dnsperf asks less than a fast server can answer, which then wakes for a few queries at a time. blast (blast.cc) keeps
queries waiting at the server: what a core can do.
"""
import json
import os
import re
import statistics
import subprocess
import time
from dataclasses import dataclass

from peers import CORE_OF_LOAD

BLAST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "build", "release", "bin", "blast")
ANSWERING = (1, 5)  # seconds of a run of load, and how many rounds there are: many short turns, as the machine's speed drifts
QUICK_ANSWERING = (0.5, 1)
GOOD_CODES = ("NOERROR", "NXDOMAIN")


@dataclass
class Answering:
    """One run of load."""
    queries: int      # answered
    lost: int
    qps: float
    latency_ms: float  # average
    user: float        # processor seconds of the server meanwhile
    system: float
    answering: float   # of these, of the threads that answer by UDP; all if they cannot be told apart
    bad_codes: int     # answers with another code than NOERROR and NXDOMAIN
    busy: float        # share that all this is of the time of asking on the server's cores; 1: it never had to wait
    others: int = 0    # requests of others that the same threads answered meanwhile

    @property
    def per_cpu_second(self):
        return self.queries / max(self.user + self.system, 0.01)

    @property
    def user_share(self):
        return self.user / max(self.user + self.system, 0.01)

    @property
    def lost_ppm(self):
        return self.lost * 1e6 / max(self.lost + self.queries, 1)

    @property
    def us_per_query(self):
        """Microseconds of the answering threads, for each request that they answer."""
        return self.answering * 1e6 / max(self.queries + self.others, 1)


class Metered:
    """The processor time of `server` from making this to taken()."""

    def __init__(self, server):
        self.server, self.before, self.answering = server, server.cpu_seconds(), server.answering_cpu_seconds()

    def taken(self):
        """User, system, of these of the answering threads."""
        user, system = (after - before for before, after in zip(self.before, self.server.cpu_seconds()))
        return user, system, self.server.answering_cpu_seconds() - self.answering


def bad_codes(codes):
    return sum(n for code, n in codes.items() if code not in GOOD_CODES)


def answer_load(server, queries, seconds, *extra, inside=()):
    """Asks `server` for `seconds`; `extra` goes to dnsperf, for instance `-Q RATE`. `inside` goes before the command."""
    meter = Metered(server)
    out = subprocess.run([*inside, "taskset", "-c", str(CORE_OF_LOAD), "dnsperf", "-p", str(server.port), "-d", queries,
                          "-l", str(seconds), "-t", "1", "-c", "16", "-q", "400", *extra], capture_output=True, text=True).stdout
    user, system, answering = meter.taken()

    def figure(pattern):
        return float(re.search(pattern, out)[1])
    codes = {code: int(n) for code, n in re.findall(r"\b([A-Z]+) (\d+) \(", re.search(r"Response codes:(.*)", out)[1])}
    return Answering(int(figure(r"Queries completed:\s+(\d+)")), int(figure(r"Queries lost:\s+(\d+)")),
                     figure(r"Queries per second:\s+([\d.]+)"), figure(r"Average Latency \(s\):\s+([\d.]+)") * 1000,
                     user, system, answering, bad_codes(codes), (user + system) / seconds / server.workers)


def waiting_load(server, queries, seconds, *extra):
    """Asks `server` for `seconds`, so that queries always wait at it; `extra` goes to blast: `-D`, `-T 100`."""
    if not os.path.exists(BLAST):
        raise RuntimeError("there is no blast: scripts/build release blast")
    meter = Metered(server)
    done = subprocess.run(["taskset", "-c", str(CORE_OF_LOAD), BLAST, str(server.port), queries, "-t", str(seconds), *extra],
                          capture_output=True, text=True)
    user, system, answering = meter.taken()
    if done.returncode or not done.stdout:
        raise RuntimeError(f"{server.name}: {done.stderr.strip()}")
    said = json.loads(done.stdout)
    return Answering(said["answered"], said["lost"], said["answered"] / said["seconds"], said["latency_ms"], user, system,
                     answering, bad_codes(said["codes"]), (user + system) / said["seconds"] / server.workers)


def median_of(runs, figure):
    return statistics.median(getattr(run, figure) for run in runs)


def add_medians(row, rounds):
    """Adds to a row of a table what was measured in several rounds: the medians, and all of it, for ratios of a round."""
    row.update({key: statistics.median(values) for key, values in rounds.items()})
    row.setdefault("rounds", {}).update(rounds)


def add_figures(row, runs):
    """Adds what a table gets of `runs`: for each load's label those of all rounds."""
    rounds = {f"{label}_{key}": [getattr(run, figure) for run in of_label] for label, of_label in runs.items() for key, figure in (
        ("q_per_cpu_s", "per_cpu_second"), ("qps", "qps"), ("user_share", "user_share"), ("busy_share", "busy"), ("lost_ppm", "lost_ppm"))}
    add_medians(row, rounds)
    every = sum(runs.values(), [])
    row["bad_codes"] = sum(run.bad_codes for run in every) * 1e6 / max(sum(run.queries for run in every), 1)


def waiting_rows(label, text):
    """The rows of a table that show the figures of waiting_load(), called `label`."""
    return tuple((f"{label}_{key}", f"{text}, queries waiting: {what}", form) for key, what, form in (
        ("q_per_cpu_s", "queries per server CPU-second", "{:,.0f}"), ("qps", "queries a second", "{:,.0f}"),
        ("busy_share", "share of its core that the server used", "{:.2f}"), ("user_share", "share of user time in that", "{:.2f}"),
        ("lost_ppm", "lost, of a million", "{:.0f}")))


def all_answered(server, queries):
    """Whether each query of the file, asked once, is answered with NOERROR."""
    out = subprocess.run(["taskset", "-c", str(CORE_OF_LOAD), "dnsperf", "-p", str(server.port), "-d", queries, "-n", "1", "-t", "1"],
                         capture_output=True, text=True).stdout
    answered = re.search(r"Response codes:\s+NOERROR (\d+)", out)
    sent = re.search(r"Queries sent:\s+(\d+)", out)
    return bool(answered and sent and int(answered[1]) == int(sent[1]))


def start_until_all_answer(server, queries):
    """Starts the server; seconds, and its processor seconds, until each query of the file is answered. To ask all of
    them takes time itself: what counts is when the round began in which all were answered."""
    begin = asked = time.monotonic()
    server.start()
    server.wait()
    while True:
        asked, used = time.monotonic(), sum(server.cpu_seconds())
        if all_answered(server, queries):
            return asked - begin, used
        if asked - begin > 900:
            raise TimeoutError(f"{server.name} does not answer all of {queries}")
        time.sleep(0.2)
