"""One round of the comparison: zones are made and signed, Knot, NSD and BIND serve them, ours transfers them from one of the
three in turn, and every question is put to all four."""
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scenarios"))

from client import Client, ask_all  # noqa: E402
from generator import labels_of, make_zones, questions_of  # noqa: E402
from lib.peers import Bind, Knot, Nsd  # noqa: E402
from lib.process import Stage  # noqa: E402
from lib.understudy import Understudy  # noqa: E402
from message import response_lines  # noqa: E402
from rules import judge  # noqa: E402
from signing import Signer  # noqa: E402

PEERS = ("knot", "nsd", "bind")
ZONES_A_ROUND = 40


@dataclass
class Outcome:
    asked: int = 0
    seconds: float = 0.0
    agreed: int = 0
    classes: Counter = field(default_factory=Counter)  # known disagreements of the peers, by the rule's name
    failures: list = field(default_factory=list)

    def add(self, other):
        self.asked += other.asked
        self.seconds += other.seconds
        self.agreed += other.agreed
        self.classes += other.classes
        self.failures += other.failures

    def text(self):
        lines = [f"{self.asked} questions in {self.seconds:.1f} s: {self.agreed} answered alike by all, "
                 f"{sum(self.classes.values())} in classes of known disagreements, {len(self.failures)} failures"]
        lines += [f"  {count:7} {name}" for name, count in sorted(self.classes.items())]
        return "\n".join(lines)


def report(question, answers, why, zone_file):
    lines = [f"{question.text()}   ({why}; zone in {zone_file})"]
    for server, response in answers.items():
        lines += [f"  {server}: {line}" for line in response_lines(response)]
    return "\n".join(lines)


def hash_owners(text, zone):
    """The first labels of the NSEC3 records in a signed zone."""
    owners = {line.split()[0] for line in text.splitlines() if " NSEC3 " in f" {' '.join(line.split()[1:5])} "}
    return sorted(labels_of(owner)[0].lower() for owner in owners if owner and owner[0] not in ";$" and "." in owner)


class Round:
    def __init__(self, seed, number, zone_count=ZONES_A_ROUND, keep=None):
        self.rng = random.Random(f"{seed}/{number}")
        self.zones = make_zones(self.rng, zone_count)
        self.keep = Path(keep) if keep else None
        self.stage = Stage()

    def start(self):
        texts = dict(zip([z.name for z in self.zones], Signer(self.stage.folder("sign")).sign_all(self.zones)))
        self.texts = texts
        peers = [kind(self.stage, texts) for kind in (Knot, Nsd, Bind)]
        for peer in peers:
            peer.configure()
            peer.spawn(*peer.command())
        for peer in peers:
            peer.start = None
        self._wait(peers)
        us = Understudy(self.stage)
        for peer in peers:
            us.primary(peer)
        names = [entry["name"] for entry in us.config["primaries"]]
        for i, zone in enumerate(self.zones):
            us.zone(zone.name, primaries=[names[i % 3]])
        us.start(timeout=60)
        self._wait([us])
        self.clients = [Client(server.name, server.port) for server in (*peers, us)]
        return self

    def _wait(self, servers):
        from lib import ask
        for server in servers:
            for zone in self.zones:
                end = time.monotonic() + 20
                while ask.serial(server.port, zone.name) is None:
                    assert server.alive() and time.monotonic() < end, f"{server.name} does not serve {zone.name}:\n{server.log()[-3000:]}"
                    time.sleep(0.02)

    def questions(self, count):
        each = -(-count // len(self.zones))
        asked = []
        for zone in self.zones:
            asked += questions_of(zone, each, self.rng, hash_owners(self.texts[zone.name], zone))
        self.rng.shuffle(asked)
        return asked[:count]

    def run(self, count):
        outcome, began = Outcome(), time.monotonic()
        by_name = {zone.name: zone for zone in self.zones}
        for question, answers in ask_all(self.clients, self.questions(count)):
            outcome.asked += 1
            verdict, why = judge(by_name[question.zone], question, answers)
            if verdict == "same":
                outcome.agreed += 1
            elif verdict == "known":
                outcome.classes[why] += 1
            else:
                outcome.failures.append((why, report(question, answers, why, self._kept(question.zone))))
        outcome.seconds = time.monotonic() - began
        return outcome

    def _kept(self, zone):
        """Where the zone's text stays after the run."""
        if self.keep is None:
            return "a folder that is gone"
        self.keep.mkdir(parents=True, exist_ok=True)
        path = self.keep / f"{zone}zone"
        if not path.exists():
            path.write_text(self.texts[zone])
        return path

    def close(self):
        for client in getattr(self, "clients", []):
            client.close()
        problems = self.stage.close()
        self.stage.remove()
        return problems
