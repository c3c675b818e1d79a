"""Makes zones with everything that answering has to tell apart, and questions near every edge of them.

Deterministic: the same seed gives the same zones and questions (signatures differ from run to run, as keys do). Names are
tuples of labels relative to the apex, the lowest first, each label octets.
"""
import functools
import struct
from dataclasses import dataclass, field

from message import NAMES, TYPES, text_of

LABELS = [b"a", b"b", b"c", b"d", b"m", b"www", b"WwW", b"ns", b"ns1", b"mail", b"_sip", b"_tcp", b"x-y", b"0", b"9", b"zz"]
ODD_LABELS = [b"A\x00", b"\x00", b"a.b", b"a b", b"back\\slash", b"\xff\xfe", b"L" * 63]
DENIAL = ["unsigned", "nsec", "nsec", "nsec3", "nsec3-salt", "nsec3-optout", "nsec3-optout-salt", "nsec3-iterations",
          "both-chains", "nsec-holes", "nsec3-holes"]
BELOW_DNAME, BESIDE_CNAME, WILD_NS, COSTLY = "data below a DNAME", "data beside a CNAME", "NS at a wildcard", "costly NSEC3"
OUTSIDE = ["www.elsewhere.test.", "ns.elsewhere.test.", "a.b.c.elsewhere.test."]


def escaped(label):
    return "".join(chr(c) if chr(c).isalnum() and c < 128 or c in b"-_*" else f"\\{c:03d}" for c in label)


def wire_of(labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def labels_of(text):
    """Of a plain name without escapes."""
    return tuple(label.encode() for label in text.rstrip(".").split(".") if label)


@dataclass
class Zone:
    apex: tuple
    denial: str
    records: dict = field(default_factory=dict)  # relative name -> list of (type, RDATA text)
    cuts: set = field(default_factory=set)
    dnames: set = field(default_factory=set)
    oddities: set = field(default_factory=set)  # what not every peer loads (harness.py), by name
    signer: str = ""  # "ldns" or "bind" where it must be one of them
    wanted: list = field(default_factory=list)  # (relative name, type) that are asked for in any case
    relatives: list = field(default_factory=list)  # its parent or its child, if that is served beside it
    contents: dict = field(default_factory=dict)  # as served: owner in lower case -> type -> set of records with their signatures
    hashes: set = field(default_factory=set)  # first labels of its NSEC3 records
    spelled: dict = field(default_factory=dict)  # relative name -> the same in the letters of the zone file

    @property
    def name(self):
        return text_of(wire_of(self.apex))

    @functools.cached_property
    def lower_apex(self):
        return tuple(label.lower() for label in self.apex)

    @functools.cached_property
    def names(self):
        """Every absolute name, empty non-terminals too, in lower case."""
        return {(*name, *self.lower_apex) for name in names_of(self)}

    @property
    def is_sound(self):
        """Whether it has one chain, a whole one."""
        return "holes" not in self.denial and "both" not in self.denial

    @functools.cached_property
    def octets(self):
        """Those of all labels."""
        return {octet for name in self.names for label in name for octet in label}

    @functools.cached_property
    def has_zero(self):
        """Whether a label has an octet of zero."""
        return any(b"\0" in label for name in self.records for label in name)

    @functools.cached_property
    def has_empty_wildcard(self):
        """Whether a wildcard exists only because of what is below it."""
        return any(name[0] == b"*" and name not in self.records for name in names_of(self) if name)

    def take(self, records):
        """Notes what is served, as a transfer brings it."""
        for record in records:
            covered = struct.unpack_from("!H", record[3])[0] if record[1] == TYPES["RRSIG"] else record[1]
            self.contents.setdefault(record[0], {}).setdefault(covered, set()).add(record)

    def absolute(self, relative):
        return ".".join([escaped(label) for label in (*relative, *self.apex)]) + "."

    def add(self, relative, rdtype, rdata, oddity=None):
        """Adds a record, unless it could not stand there: beside a CNAME, at a cut, below a DNAME. With the name of an
        `oddity`, anywhere."""
        relative = tuple(label.lower() for label in relative)
        if oddity:
            self.oddities.add(oddity)
            self.records.setdefault(relative, []).append((rdtype, rdata))
            return
        here = self.records.get(relative, [])
        beside_cname = here and (rdtype == "CNAME") != (here[0][0] == "CNAME")
        second_alias = here and rdtype in ("CNAME", "DNAME") and any(t == rdtype for t, _ in here)
        at_cut = relative in self.cuts and rdtype not in ("NS", "DS")
        below_dname = any(relative[i:] in self.dnames for i in range(1, len(relative)))
        if beside_cname or second_alias or at_cut or below_dname or len(wire_of((*relative, *self.apex))) > 255:
            return
        self.records.setdefault(relative, []).append((rdtype, rdata))

    def text(self):
        lines = []
        for relative, records in self.records.items():
            ttls = {}
            for rdtype, rdata in records:
                ttl = ttls.setdefault(rdtype, 300 + (len(rdata) + len(relative)) % 7 * 100)
                lines.append(f"{self.absolute(self.spelled.get(relative, relative))} {ttl} IN {rdtype} {rdata}")
        return "\n".join(dict.fromkeys(lines)) + "\n"

    def is_occluded(self, relative):
        """Below a cut or a DNAME."""
        return any(relative[i:] in self.cuts or relative[i:] in self.dnames for i in range(1, len(relative) + 1))


class ZoneMaker:
    def __init__(self, rng, apex, denial):
        self.rng = rng
        self.zone = Zone(apex, denial)
        self.hosts = []
        self.odd = 0.2 if rng.random() < 0.3 else 0

    def label(self):
        return self.rng.choice(ODD_LABELS if self.rng.random() < self.odd else LABELS)

    def new_name(self):
        """A name that has no records yet, mostly below one that has."""
        for _ in range(50):
            base = self.rng.choice(list(self.zone.records)) if self.rng.random() < 0.6 else ()
            if base and base in self.zone.cuts | self.zone.dnames or self.zone.is_occluded(base):
                continue
            name = base
            for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
                name = (self.label(), *name)
            spelled, name = name, tuple(label.lower() for label in name)
            fits = len(wire_of((*name, *self.zone.apex))) < 200
            if fits and name not in names_of(self.zone) and not self.zone.is_occluded(name):
                if spelled != name:
                    self.zone.spelled[name] = spelled
                return name
        return (b"n%d" % len(self.zone.records),)

    def address(self):
        return f"192.0.2.{self.rng.randrange(1, 255)}"

    def target(self):
        """What an alias or a service points to: a host, an odd place of this zone, or a name outside."""
        roll = self.rng.random()
        names = list(self.zone.records)
        if roll < 0.45 and self.hosts:
            return self.zone.absolute(self.rng.choice(self.hosts))
        if roll < 0.75:
            return self.zone.absolute(self.rng.choice(names))
        if roll < 0.9:
            return self.zone.absolute((self.label(), *self.rng.choice(names))[:8])
        return self.rng.choice(OUTSIDE)

    def make(self, size):
        add = self.zone.add
        add((), "SOA", f"{self.zone.absolute((b'ns1',))} {self.zone.absolute((b'hostmaster',))} 1 3600 600 864000 {self.rng.choice([60, 300, 900])}")
        add((), "NS", self.zone.absolute((b"ns1",)))
        if self.rng.random() < 0.5:
            add((), "NS", "ns.elsewhere.test.")
        add((b"ns1",), "A", self.address())
        self.hosts.append((b"ns1",))
        if self.rng.random() < 0.4:
            add((), "MX", f"10 {self.target()}")
        if self.rng.random() < 0.3:
            add((), "CAA", '0 issue "ca.test"')
        self.plain_data_of_apex()
        kinds = [(self.host, 24), (self.wildcard, 12), (self.cut, 16), (self.alias, 16), (self.dname, 5), (self.service, 10),
                 (self.text_and_others, 6), (self.loop, 2), (self.chain, 2), (self.large, 2), (self.nested_wildcard, 3), (self.deep_cut, 1)]
        for make in self.rng.choices([k for k, _ in kinds], [w for _, w in kinds], k=size):
            make()
        return self.zone

    def make_below_dname(self):
        """RFC 6672 section 2.4 forbids data below a DNAME, which nobody sees then."""
        self.make(8)
        for _ in range(4):
            self.dname()
        for name in sorted(self.zone.dnames):
            for below in ((self.label(), *name), (self.label(), b"ent", *name), (b"*", *name)):
                self.zone.add(below, self.rng.choice(["A", "A", "TXT"]), self.address(), BELOW_DNAME)
            self.zone.add((b"cut", *name), "NS", self.rng.choice(OUTSIDE), BELOW_DNAME)

    def make_beside_cname(self):
        """RFC 2181 section 10.1 forbids other data beside a CNAME."""
        self.make(8)
        for i in range(5):
            name = self.new_name()
            name = (b"*", *name) if i == 0 else name
            kinds = self.rng.sample([("A", self.address()), ("TXT", '"beside"'), ("MX", f"5 {self.target()}")], 2)
            for rdtype, rdata in [("CNAME", self.target()), *kinds]:
                self.zone.add(name, rdtype, rdata, BESIDE_CNAME)

    def make_wild_ns(self):
        self.make(8)
        for _ in range(4):
            name = (b"*", *self.new_name())
            self.zone.cuts.add(name)  # for its own name and what is below
            self.zone.add(name, "NS", self.rng.choice([self.zone.absolute(self.rng.choice(self.hosts)), OUTSIDE[1]]), WILD_NS)
            if self.rng.random() < 0.5:
                self.zone.add((b"a", self.label(), *name[1:]), "A", self.address())

    def make_wild_dname(self):
        self.make(8)
        for _ in range(4):
            name = (b"*", *self.new_name())
            self.zone.dnames.add(name)
            self.zone.add(name, "DNAME", self.rng.choice([self.target(), self.zone.absolute(self.rng.choice(self.hosts))]))
            if self.rng.random() < 0.5:
                self.zone.add(name, "A", self.address())

    def make_apex_dname(self):
        """Nothing can be below it. Its target is elsewhere: about the growing names of one below itself no two agree."""
        add = self.zone.add
        add((), "SOA", "ns.elsewhere.test. hostmaster.elsewhere.test. 1 3600 600 864000 300")
        add((), "NS", "ns.elsewhere.test.")
        add((), "DNAME", self.rng.choice([*OUTSIDE, ("l" * 63 + ".") * 3 + "test."]))
        if self.rng.random() < 0.5:
            add((), "MX", "10 www.elsewhere.test.")
        self.plain_data_of_apex()
        self.zone.dnames.add(())

    def make_deep(self):
        self.make(6)
        for _ in range(3):
            self.deep_cut()

    def plain_data_of_apex(self):
        """What parents and secondaries are told there, which servers send like any other data."""
        if self.rng.random() < 0.3:  # of a signed zone BIND takes nothing but this, or what its keys make
            self.zone.add((), "CDS", "0 0 0 00")
            self.zone.add((), "CDNSKEY", "0 3 0 AA==")
        if self.rng.random() < 0.3:
            self.zone.add((), "CSYNC", "1 3 A NS AAAA")
        if self.rng.random() < 0.3:  # of a scheme for private use: nobody can verify it
            self.zone.add((), "ZONEMD", f"1 240 240 {self.rng.getrandbits(384):096x}")

    def host(self, name=None):
        name = name or self.new_name()
        for _ in range(self.rng.choice([1, 1, 1, 2, 4])):
            self.zone.add(name, "A", self.address())
        if self.rng.random() < 0.4:
            self.zone.add(name, "AAAA", f"2001:db8::{self.rng.randrange(1, 65535):x}")
        if self.rng.random() < 0.2:
            self.zone.add(name, "TXT", '"text" "more"')
        self.hosts.append(name)

    def wildcard(self):
        name = (b"*", *self.new_name()) if self.rng.random() < 0.8 else (b"*",)
        if name in self.zone.records:
            return
        roll = self.rng.random()
        if roll < 0.25:
            self.zone.add(name, "CNAME", self.target())
        else:
            self.host(name)
            if roll < 0.5:
                self.zone.add(name, "MX", f"5 {self.target()}")
            if roll > 0.8:  # a name that takes the wildcard's place for itself, and an ENT beside it
                self.zone.add((self.label(), *name[1:]), "TXT", '"in the way"')
                self.zone.add((b"a", self.label(), *name[1:]), "A", self.address())

    def nested_wildcard(self):
        base = self.new_name()
        self.host((b"a", b"*", *base))
        if self.rng.random() < 0.5:
            self.host((b"*", b"*", *base))

    def cut(self):
        name = self.new_name()
        add = self.zone.add
        self.zone.cuts.add(name)
        for i in range(self.rng.choice([1, 2, 2, 3])):
            roll = self.rng.random()
            if roll < 0.5:  # glue in bailiwick
                server = (b"ns%d" % i, *name)
                add(name, "NS", self.zone.absolute(server))
                if self.rng.random() < 0.85:
                    add(server, "A", self.address())
                if self.rng.random() < 0.4:
                    add(server, "AAAA", f"2001:db8::{self.rng.randrange(1, 65535):x}")
            elif roll < 0.65 and len(self.zone.cuts) > 1:  # glue below a sibling
                sibling = self.rng.choice(sorted(self.zone.cuts))
                add(name, "NS", self.zone.absolute((b"ns0", *sibling)))
            elif roll < 0.8:  # a host of the zone
                add(name, "NS", self.zone.absolute(self.rng.choice(self.hosts)))
            else:
                add(name, "NS", "ns.elsewhere.test.")
        if self.rng.random() < 0.4:
            add(name, "DS", f"{self.rng.randrange(65536)} 13 2 {self.rng.getrandbits(256):064x}")
        if self.rng.random() < 0.3:
            add((self.label(), *name), "A", self.address())  # occluded
        if self.rng.random() < 0.1:
            add((b"*", *name), "TXT", '"occluded"')

    def deep_cut(self):
        """An insecure one far below any other name: some signers give the empty non-terminals between no NSEC3 under opt-out."""
        host = self.rng.choice(self.hosts)
        labels = [self.rng.choice(LABELS[:5]) for _ in range(self.rng.choice([7, 8, 9, 10, 12, 14]))]
        name = (*labels, b"deep%d" % len(self.zone.records), *host)
        if len(wire_of((*name, *self.zone.apex))) > 200 or self.zone.is_occluded(name):
            return
        self.zone.cuts.add(name)
        self.zone.add(name, "NS", self.rng.choice([self.zone.absolute(self.hosts[0]), "ns.elsewhere.test."]))
        self.zone.wanted += [((b"www", *name), "A"), (name, "DS"), (name, "A")]
        self.zone.wanted += [(name[i:], rdtype) for i in range(1, len(labels) + 1) for rdtype in ("A", "DS")]
        self.zone.wanted += [((b"www", *name[i:]), "A") for i in range(1, len(labels) + 1)]

    def alias(self):
        self.zone.add(self.new_name(), "CNAME", self.target())

    def loop(self):
        names = [self.new_name()]
        for i in range(self.rng.choice([0, 1, 2])):
            names.append((b"loop%d" % i, *names[0]))
        for i, name in enumerate(names):
            self.zone.add(name, "CNAME", self.zone.absolute(names[(i + 1) % len(names)]))

    def chain(self):
        base = self.new_name()
        length = self.rng.choice([2, 4, 7])
        for i in range(length):
            self.zone.add((b"c%d" % i, *base), "CNAME", self.zone.absolute((b"c%d" % (i + 1), *base)))
        if self.rng.random() < 0.6:
            self.zone.add((b"c%d" % length, *base), "A", self.address())

    def dname(self):
        name = self.new_name()
        self.zone.dnames.add(name)
        roll = self.rng.random()
        if roll < 0.6 and self.hosts:
            host = self.rng.choice(self.hosts)
            self.zone.add(name, "DNAME", self.zone.absolute(host[1:] or host))
        elif roll < 0.8:
            self.zone.add(name, "DNAME", self.target())
        elif roll < 0.9:
            self.zone.add(name, "DNAME", ("l" * 63 + ".") * 3 + self.zone.absolute(())[-40:].lstrip("."))
        else:
            self.zone.add(name, "DNAME", "elsewhere.test.")
        if self.rng.random() < 0.3:
            self.zone.add(name, "TXT", '"beside"')

    def service(self):
        name, target = self.new_name(), self.target()
        kind = self.rng.choice(["MX", "SRV", "NAPTR", "SVCB", "HTTPS", "MX", "SRV"])
        for _ in range(self.rng.choice([1, 1, 2])):
            rdata = {"MX": f"10 {target}", "SRV": f"0 0 5060 {target}", "NAPTR": f'10 10 "{self.rng.choice("asu")}" "SIP+D2U" "" {target}',
                     "SVCB": f"1 {target} alpn=h2", "HTTPS": f"1 {target} port=8443"}[kind]
            self.zone.add(name, kind, rdata)
            target = self.target()

    def text_and_others(self):
        name = self.new_name()
        self.zone.add(name, "TXT", '"v=spf1 -all"')
        self.zone.add(name, "CAA", '0 issue "ca.test"')
        self.zone.add(name, "TYPE65280", "\\# 4 01020304")
        self.zone.add(name, "TLSA", "3 1 1 " + "ab" * 32)

    def large(self):
        name = self.new_name()
        for i in range(self.rng.choice([2, 4, 7, 12])):
            self.zone.add(name, "TXT", f'"{i} {"t" * self.rng.randrange(100, 230)}"')


def child_of(parent, relative, rng, denial):
    """A zone for a cut of another one, to be served beside it."""
    return ZoneMaker(rng, (*relative, *parent.apex), denial).make(12)


# Questions

@dataclass(frozen=True, slots=True)
class Question:
    zone: str
    name: bytes  # as asked
    rdtype: int
    size: int | None = None
    do: bool = False
    tcp: bool = False

    def text(self):
        options = ("" if self.size is None else f" +bufsize={self.size}") + (" +dnssec" if self.do else "") + (" +tcp" if self.tcp else "")
        return f"{text_of(self.name)} {NAMES.get(self.rdtype, f'TYPE{self.rdtype}')}{options}"


def names_of(zone):
    """Every name of the zone, empty non-terminals too."""
    return {name[i:] for name in zone.records for i in range(len(name) + 1)}


def near(name, rng):
    """Names beside and below one."""
    yield (rng.choice(LABELS), *name)
    yield (b"*", *name)
    yield (b"q", b"q", *name)
    yield (b"\0", *name)
    if name:
        first, rest = name[0], name[1:]
        yield ((first + b"\0")[:63], *rest)
        yield (first[:-1] + bytes([max(first[-1] - 1, 0)]), *rest)
        yield (first[:-1] + bytes([min(first[-1] + 1, 255)]) , *rest)
        yield (b"a", *rest)
        yield (b"zzzz", *rest)


def mangled(wire, rng):
    return bytes(c ^ 0x20 if chr(c).isalpha() and c < 128 and c > 63 and rng.random() < 0.5 else c for c in wire)


USUAL = ["A", "AAAA", "MX", "TXT", "NS", "SOA", "DS", "CNAME", "DNAME", "SRV", "SVCB", "HTTPS", "NAPTR", "CAA", "DNSKEY", "NSEC",
         "NSEC3", "NSEC3PARAM", "RRSIG", "ANY", "CDS", "TYPE65280", "TLSA"]
WEIGHTS = [24, 6, 4, 5, 7, 3, 8, 4, 3, 2, 2, 2, 2, 2, 2, 3, 1, 1, 2, 2, 1, 1, 1]


def questions_of(zone, count, rng, hash_owners=()):
    """`count` questions about one zone; owners of NSEC3 records are asked for, too."""
    owned = sorted(names_of(zone))
    pool = list(owned)
    for name in owned:
        pool += near(name, rng)
    pool += [(owner,) for owner in hash_owners]
    pool += [(b"x", owner) for owner in list(hash_owners)[:4]]
    pool = [name for name in dict.fromkeys(pool) if len(wire_of((*name, *zone.apex))) <= 255 and all(0 < len(x) < 64 for x in name)]
    rng.shuffle(pool)
    types = rng.choices(USUAL, WEIGHTS, k=count)
    out = [Question(zone.name, wire_of((*name, *zone.apex)), TYPES[rdtype], 1232, True) for name, rdtype in zone.wanted[:count // 2]]
    seen, at, tries = set(out), 0, 0
    while len(out) < count and tries < 20 * count:
        tries += 1
        name = pool[at % len(pool)]
        at += 1
        rdtype = types[len(out)]
        if name in zone.records and rng.random() < 0.5:
            rdtype = rng.choice(zone.records[name])[0]
        wire = wire_of((*name, *zone.apex))
        if rng.random() < 0.15:
            wire = mangled(wire, rng)
        tcp = rng.random() < 0.1
        size = rng.choice([None, 512, 1232, 1232, 1232, 4096])
        do = size is not None and rng.random() < (0.2 if zone.denial == "unsigned" else 0.85)
        question = Question(zone.name, wire, TYPES[rdtype], size, do, tcp)
        if question not in seen:
            seen.add(question)
            out.append(question)
    return out


def make_zones(rng, count, start=0):
    """`count` zones or a few more: some have a child of theirs served beside them."""
    zones = []
    while len(zones) < count:
        number = start + len(zones)
        apex = (b"z%d" % number, rng.choice([b"test", b"Example", b"deep"]), *([b"down", b"there"] if rng.random() < 0.2 else []))
        denial = DENIAL[number % len(DENIAL)]
        zone = ZoneMaker(rng, apex, denial).make(rng.choice([8, 20, 40, 60]))
        zones.append(zone)
        if zone.cuts and rng.random() < 0.3:
            child = child_of(zone, rng.choice(sorted(zone.cuts)), rng, rng.choice(DENIAL))
            if not zone.has_zero and not child.has_zero:  # where Knot has troubles of its own
                zones.append(child)
                zone.relatives.append(child)
                child.relatives.append(zone)
    return zones + special_zones(rng, start + len(zones))


def special_zones(rng, start):
    """Zones of what only some signers and servers take, each kind at least once."""
    zones = []

    def maker(kind, denial, apex=None, signer=""):
        made = ZoneMaker(rng, apex or (b"%s%d" % (kind, start + len(zones)), b"test"), denial)
        made.odd = 0
        made.zone.signer = signer
        zones.append(made.zone)
        return made
    for denial in ("nsec3-optout", "nsec3-optout", "nsec3-optout-salt", "nsec3"):
        maker(b"deep", denial).make_deep()
    for denial in ("unsigned", "nsec", "nsec3"):
        maker(b"below", denial, signer="bind").make_below_dname()  # ldns-signzone signs what is below a DNAME
        maker(b"wildns", denial, signer="ldns").make_wild_ns()  # BIND's does not take it
        maker(b"wilddname", denial).make_wild_dname()
        maker(b"apex", denial).make_apex_dname()
    maker(b"beside", "unsigned").make_beside_cname()  # no signer takes it
    single = maker(b"", rng.choice(DENIAL), (b"single%d" % start,))
    single.make(20)
    costly = maker(b"costly", "nsec3-costly", signer="ldns")
    costly.zone.oddities.add(COSTLY)
    costly.make(20)
    return zones


def make_root_zones(rng):
    """A root zone, and a child of one label: every name is within them, so they are served by themselves."""
    maker = ZoneMaker(rng, (), rng.choice([denial for denial in DENIAL if "holes" not in denial]))
    maker.zone.add(labels_of("ns.elsewhere.test."), "A", maker.address())  # BIND wants an address for it, as it is within
    root = maker.make(60)
    zones = [root]
    if tops := sorted(cut for cut in root.cuts if len(cut) == 1):
        child = child_of(root, rng.choice(tops), rng, rng.choice(DENIAL))
        if not root.has_zero and not child.has_zero:
            zones.append(child)
            root.relatives.append(child)
            child.relatives.append(root)
    return zones
