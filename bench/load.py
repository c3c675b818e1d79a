"""The load generator, dnsperf on the second core, and what it costs the server to answer."""
import re
import statistics
import subprocess
import time
from dataclasses import dataclass

from peers import CORE_OF_LOAD


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

    @property
    def per_cpu_second(self):
        return self.queries / max(self.user + self.system, 0.01)

    @property
    def user_share(self):
        return self.user / max(self.user + self.system, 0.01)

    @property
    def us_per_query(self):
        """Microseconds of the answering threads."""
        return self.answering * 1e6 / max(self.queries, 1)


def answer_load(server, queries, seconds, *extra, inside=()):
    """Asks `server` for `seconds`; `extra` goes to dnsperf, for instance `-Q RATE`. `inside` goes before the command."""
    before, answering = server.cpu_seconds(), server.answering_cpu_seconds()
    out = subprocess.run([*inside, "taskset", "-c", str(CORE_OF_LOAD), "dnsperf", "-p", str(server.port), "-d", queries,
                          "-l", str(seconds), "-c", "16", "-q", "400", *extra], capture_output=True, text=True).stdout
    after, answered = server.cpu_seconds(), server.answering_cpu_seconds()

    def figure(pattern):
        return float(re.search(pattern, out)[1])
    codes = {code: int(n) for code, n in re.findall(r"\b([A-Z]+) (\d+) \(", re.search(r"Response codes:(.*)", out)[1])}
    bad = sum(n for code, n in codes.items() if code not in ("NOERROR", "NXDOMAIN"))
    return Answering(int(figure(r"Queries completed:\s+(\d+)")), int(figure(r"Queries lost:\s+(\d+)")),
                     figure(r"Queries per second:\s+([\d.]+)"), figure(r"Average Latency \(s\):\s+([\d.]+)") * 1000,
                     after[0] - before[0], after[1] - before[1], answered - answering, bad)


def median_of(runs, figure):
    return statistics.median(getattr(run, figure) for run in runs)


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
