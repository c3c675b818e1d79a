"""What the side-by-side measurement makes of its figures: turns, ratios, targets."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "bench"))

import report  # noqa: E402
from load import Answering, add_figures, add_medians  # noqa: E402
from turns import Turns  # noqa: E402


class Runs:
    """A server as far as Turns knows it."""

    def __init__(self):
        self.stopped = False

    def stop(self, hard):
        self.stopped = True


def test_every_round_begins_with_another_server():
    asked, servers = [], {name: Runs() for name in "abc"}
    names = {server: name for name, server in servers.items()}
    taken = Turns(servers).rounds("asked", 3, lambda server: asked.append(names[server]) or len(asked))
    assert "".join(asked) == "abcbcacab"
    assert taken == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_a_server_that_fails_is_stopped_and_the_others_go_on():
    servers = {name: Runs() for name in "abc"}
    turns = Turns(servers)
    asked = []

    def step(server):
        asked.append(server)
        if server is servers["b"]:
            raise RuntimeError("gone")
        return len(asked)

    taken = turns.rounds("asked", 2, step)
    assert sorted(taken) == ["a", "c"] and [len(of_server) for of_server in taken.values()] == [2, 2]
    assert turns.table["b"] == {"error": "RuntimeError: gone"} and asked.count(servers["b"]) == 1
    assert [server.stopped for server in servers.values()] == [False, True, False]
    turns.without(lambda server: server is servers["a"])
    assert turns.left() == ["c"] and servers["a"].stopped and not servers["c"].stopped


def runs_of(*queries):
    return [Answering(queries=n, lost=0, qps=n, latency_ms=1, user=0.25, system=0.75, answering=1, bad_codes=0, busy=1) for n in queries]


def table():
    """The machine was half as fast in the second round; knot is the best of the others."""
    rows = {}
    for name, queries in (("understudy", (400, 200, 600)), ("knot", (200, 100, 200)), ("nsd", (100, 50, 100)), ("floor", (800, 300, 600))):
        rows[name] = {}
        add_figures(rows[name], {"udp": runs_of(*queries)})
        add_medians(rows[name], {"axfr_out_s": [1, 2]})  # what is measured later leaves it as it is
    return rows


def test_a_ratio_is_that_of_figures_of_one_round():
    assert report.best_other(table(), "udp_q_per_cpu_s") == ("knot", 200)
    assert report.ratios_to_best(table(), "udp_q_per_cpu_s") == [2, 2, 3]
    assert report.ratio_to_best(table(), "udp_q_per_cpu_s") == 2
    assert report.ratio_to_best(table(), "udp_q_per_cpu_s", "floor") == 3


def test_without_rounds_a_ratio_is_that_of_the_two_figures():
    assert report.ratios_to_best({"understudy": {"memory_mib": 100}, "knot": {"memory_mib": 400}}, "memory_mib") == [0.25]
    assert report.ratio_to_best({"understudy": {"memory_mib": 100}}, "memory_mib") is None


@pytest.mark.parametrize("wanted, verdict", [(1.9, "met"), (2.1, "**missed**")])
def test_the_table_of_targets_says_what_was_met_how_sure_that_is_and_what_is_possible(monkeypatch, wanted, verdict):
    monkeypatch.setattr(report, "TARGETS", (report.Target("UDP", "flat", "udp_q_per_cpu_s", wanted),))
    result = {"table": table(), "size": 1000, "quick": False, "date": "2026-01-01"}
    last = report.target_table({"flat": result}).splitlines()[-1]
    assert last == f"| UDP | >= {wanted} times | 2 (2 to 3) | {verdict} | 3 | 1,000, 2026-01-01 |"
