"""One round of the comparison: zones are made and signed, Knot, NSD and BIND serve them, PowerDNS takes them from BIND and
ours from one of the three in turn, and every question is put to all five."""
import dataclasses
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scenarios"))

from client import Client, ask_all, transfer  # noqa: E402
from habits import labels_of_wire  # noqa: E402
from generator import BELOW_DNAME, BESIDE_CNAME, COSTLY, WILD_NS, labels_of, make_zones, questions_of, wire_of  # noqa: E402
from lib import ask  # noqa: E402
from lib.peers import Bind, Knot, Nsd, Pdns  # noqa: E402
from lib.process import Stage  # noqa: E402
from lib.scripted import ScriptedPrimary  # noqa: E402
from lib.understudy import Understudy  # noqa: E402
from lib.wire import Version, rr  # noqa: E402
from message import TYPES, response_lines  # noqa: E402
from proofs import needed_proof  # noqa: E402
from rules import OURS, judge, judge_truncated  # noqa: E402
from signing import Signer  # noqa: E402


class QuietBind(Bind):
    """Without BIND's habit of a TTL of 0 for the SOA in the answer to a question for an SOA."""

    def write(self, name, text):
        return super().write(name, text.replace("recursion no;", "recursion no; zero-no-soa-ttl no;"))


class MixedNsd(Nsd):
    """Has from `odd`, a primary, those of its zones that it does not take from files."""

    def __init__(self, stage, texts, odd):
        self.odd = odd
        super().__init__(stage, {zone: None if zone in odd.texts else text for zone, text in texts.items()})

    def write(self, name, text):
        for zone in self.odd.texts:
            line = f"    zonefile: {self.file(zone)}\n"
            text = text.replace(line, f"{line}    request-xfr: AXFR 127.0.0.1@{self.odd.port} NOKEY\n")
        return super().write(name, text)


class OddPrimary(ScriptedPrimary):
    """Sends zones as they are, whatever is in them; their texts have a record a line."""

    def __init__(self, stage, texts):
        self.texts = texts
        super().__init__(stage, name="odd")
        self.versions = {zone.lower(): self._version(zone, text) for zone, text in texts.items()}

    @staticmethod
    def _version(zone, text):
        version = Version(zone, 1, hosts=0)
        records = []
        for line in text.splitlines():
            if line and line[0] not in ";$":
                owner, ttl, _, rdtype, rdata = line.split(None, 4)
                records.append(rr(owner, rdtype, rdata, int(ttl)))
                if rdtype == "SOA":
                    version.soa = records.pop()
        version.body = records
        return version


class Secondary(Pdns):
    """PowerDNS, which takes its zones from another peer: so it learns by itself which are signed, and how."""

    name = "pdns"

    def configure(self):
        super().configure()
        with open(f"{self.folder}/pdns.conf", "a", encoding="utf-8") as config:
            config.write("dname-processing=yes\n")


# What PowerDNS answers SERVFAIL for: names with other octets, and whatever it looks up in zones that have such names.
PDNS_OCTETS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_*./@ \\:")
# Types that it answers in ways of its own: RRSIG with REFUSED, NSEC not from wildcards, ANY with all and what aliases lead to,
# CNAME followed where a wildcard makes it, NSEC3PARAM with a TTL of its own. And zones that no signer makes.
PDNS_NOT_ASKED = frozenset(TYPES[t] for t in ("ANY", "RRSIG", "NSEC", "CNAME", "NSEC3PARAM"))
# What each does not load. NSD does not take the first two from files, but by transfer. PowerDNS has what
# BIND has, but answers with what is below a DNAME.
NOT_LOADED = {"knot": {BELOW_DNAME, BESIDE_CNAME}, "nsd": set(), "bind": {BESIDE_CNAME, WILD_NS, COSTLY}}
NOT_LOADED["pdns"] = NOT_LOADED["bind"] | {BELOW_DNAME}
BY_TRANSFER = {BELOW_DNAME, BESIDE_CNAME}
ZONES_A_ROUND = 40
NOWHERE = 65281  # a type that no generated name has


@dataclass
class Outcome:
    asked: int = 0
    seconds: float = 0.0
    agreed: int = 0
    truncated: int = 0  # by somebody, and therefore asked again by TCP
    proved: int = 0  # responses of ours with a denial, which was held against the zone
    classes: Counter = field(default_factory=Counter)  # known disagreements of the peers, by the rule's name
    failures: list = field(default_factory=list)
    excused: list = field(default_factory=list)  # (zone, question, answers) of the known disagreements
    undecided: list = field(default_factory=list)  # (question, answers, why): to be asked in another way

    def add(self, other):
        self.asked += other.asked
        self.seconds += other.seconds
        self.agreed += other.agreed
        self.truncated += other.truncated
        self.proved += other.proved
        self.classes += other.classes
        self.failures += other.failures

    def text(self):
        lines = [f"{self.asked} questions in {self.seconds:.1f} s: {self.agreed} answered alike by all, {self.truncated} again by TCP, "
                 f"{self.proved} with a proof, "
                 f"{sum(self.classes.values())} in classes of known disagreements, {len(self.failures)} failures"]
        lines += [f"  {count:7} {name}" for name, count in sorted(self.classes.items())]
        return "\n".join(lines)


def report(question, answers, why, zone_file):
    """What each server said, the same things once: every line names those who said it."""
    lines = [f"{question.text()}   ({why}; zone in {zone_file})"]
    said = {}
    for server, response in answers.items():
        for line in response_lines(response):
            said.setdefault(line, {})[server] = True
    everyone = len(answers)
    order = ("answer:", "authority:", "additional:")
    for line, servers in sorted(said.items(), key=lambda item: next((i for i, o in enumerate(order) if item[0].startswith(o)), -1)):
        lines.append(f"  {'all' if len(servers) == everyone else ', '.join(servers)}: {line}")
    return "\n".join(lines)


def other_type(question, response):
    """What to ask instead of a type that all peers answer in their own way: the type that is in the answer, or one that is
    nowhere."""
    kinds = {r[1] for r in response.sections[0]} - {TYPES["RRSIG"]}
    if kinds != {TYPES["CNAME"]}:
        kinds -= {TYPES["CNAME"], TYPES["DNAME"]}
    return kinds.pop() if question.rdtype == TYPES["ANY"] and len(kinds) == 1 else NOWHERE


def labels_in(wire):
    """The octets of a name's labels in lower case."""
    return b"".join(labels_of_wire(wire.lower()))


def hash_owners(text):
    """The first labels of the NSEC3 records in a signed zone."""
    owners = {line.split()[0] for line in text.splitlines() if " NSEC3 " in f" {' '.join(line.split()[1:5])} "}
    return sorted(labels_of(owner)[0].lower() for owner in owners if owner and owner[0] not in ";$" and "." in owner)


class Round:
    def __init__(self, seed, number, keep=None, make=lambda rng: make_zones(rng, ZONES_A_ROUND)):
        self.rng = random.Random(f"{seed}/{number}")
        self.zones = make(self.rng)
        self.by_name = {zone.name: zone for zone in self.zones}
        self.keep = Path(keep) if keep else None
        self.stage = Stage()

    def start(self):
        texts = dict(zip([z.name for z in self.zones], Signer(self.stage.folder("sign")).sign_all(self.zones)))
        self.texts = texts
        for zone in self.zones:
            zone.hashes = set(hash_owners(texts[zone.name]))
        odd = OddPrimary(self.stage, {z.name: texts[z.name] for z in self.zones if z.oddities & BY_TRANSFER})
        peers = [Knot(self.stage, self._loaded("knot")), MixedNsd(self.stage, texts, odd), QuietBind(self.stage, self._loaded("bind"))]
        for peer in peers:
            peer.configure()
            peer.spawn(*peer.command())
        self._wait(peers)
        for zone in self.zones:
            zone.take(transfer(next(p.port for p in reversed(peers) if zone.name in p.zones), wire_of(zone.apex)))
        pdns = Secondary(self.stage, self._loaded("pdns"), primary_port=peers[-1].port)
        pdns.configure()
        pdns.spawn(*pdns.command())
        us = Understudy(self.stage)
        for peer in peers:
            us.primary(peer)
        names = [entry["name"] for entry in us.config["primaries"]]
        us.zones = self.by_name
        for i, zone in enumerate(self.zones):
            having = [name for name, peer in zip(names, peers) if zone.name in peer.zones]
            us.zone(zone.name, primaries=[having[i % len(having)]])
        us.start(timeout=60)
        self._wait([pdns, us])
        self.clients = [Client(server.name, server.port, self._takes(server)) for server in (*peers, pdns, us)]
        return self

    def _loaded(self, peer):
        """The zones that a peer takes, with their texts."""
        return {zone.name: self.texts[zone.name] for zone in self.zones if not zone.oddities & NOT_LOADED[peer]}

    def _takes(self, server):
        """Which questions a server is asked."""
        if server.name == Secondary.name:
            return lambda question: question.zone in server.zones and self._suits_pdns(question)
        return lambda question: question.zone in server.zones

    def _wait(self, servers):
        for server in servers:
            for zone in server.zones:
                end = time.monotonic() + 20
                while ask.serial(server.port, zone) is None:
                    assert server.alive() and time.monotonic() < end, f"{server.name} does not serve {zone}:\n{server.log()[-3000:]}"
                    time.sleep(0.02)

    def questions(self, count):
        each = -(-count // len(self.zones))
        asked = []
        for zone in self.zones:
            asked += questions_of(zone, each, self.rng, sorted(zone.hashes))
        self.rng.shuffle(asked)
        return asked[:count]

    def run(self, count):
        """Asks; whatever somebody truncated is asked again by TCP and judged by what comes then."""
        outcome, began, truncated = Outcome(), time.monotonic(), {}
        for question, answers in ask_all(self.clients, self.questions(count)):
            outcome.asked += 1
            if any(getattr(response, "tc", False) for response in answers.values()):
                truncated[dataclasses.replace(question, tcp=True)] = (question, answers[OURS])
            else:
                self._judge(outcome, question, answers)
        for whole, answers in ask_all(self.clients, list(truncated)):
            question, ours = truncated[whole]
            fault = judge_truncated(question, ours, answers[OURS])
            if fault:
                self._fail(outcome, question, {**answers, OURS: ours}, fault)
            else:
                self._judge(outcome, whole, answers)
        self._decide(outcome)
        outcome.truncated = len(truncated)
        outcome.seconds = time.monotonic() - began
        return outcome

    def _judge(self, outcome, question, answers):
        zone = self.by_name[question.zone]
        outcome.proved += bool(needed_proof(zone, question))
        verdict, why = judge(zone, question, answers)
        if verdict == "undecided":
            outcome.undecided.append((question, answers, why))
        elif verdict == "same":
            outcome.agreed += 1
        elif verdict == "known":
            outcome.classes[why] += 1
            outcome.excused.append((zone, question, answers))
        else:
            self._fail(outcome, question, answers, why)

    def _suits_pdns(self, question):
        zone = self.by_name[question.zone]
        zones = [zone, *zone.relatives]
        return question.rdtype not in PDNS_NOT_ASKED and all(z.is_sound for z in zones) and PDNS_OCTETS.issuperset(labels_in(question.name)) and all(z.octets <= PDNS_OCTETS for z in zones)

    def _decide(self, outcome):
        """What no peer says to NSEC, NSEC3 or RRSIG at an alias, peers must say by TCP to a type that no name has; what none
        says to ANY, to the type that ours chose."""
        asked = {dataclasses.replace(q, rdtype=other_type(q, answers[OURS]), tcp=True): (q, answers, why)
                 for q, answers, why in outcome.undecided}
        outcome.undecided = []
        clients = [client for client in self.clients if client.name != Secondary.name]
        for absent, others in ask_all(clients, list(asked)):
            question, answers, why = asked[absent]
            verdict, still = judge(self.by_name[question.zone], absent, {**others, OURS: answers[OURS]},
                                   to_any=question.rdtype == TYPES["ANY"])
            if verdict in ("same", "known"):
                outcome.classes[why.partition("(")[2].rstrip(")")] += 1
            else:
                self._fail(outcome, question, answers, f"{why}; to {absent.text()}: {still}")

    def _fail(self, outcome, question, answers, why):
        outcome.failures.append((why, report(question, answers, why, self._kept(question.zone))))

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
