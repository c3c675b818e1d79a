"""Which NSEC or NSEC3 records a response needs, told from the zone alone: RFC 4035 section 3.1.3, RFC 5155 section 7.2.

In a whole chain one record matches or covers a name, so that the least proof is one set of records: no less proves what the
response says, and more is not needed. No server is asked here, and nothing of the code under test is used.
"""
import base64
import bisect
import functools
import hashlib
import struct

from generator import wire_of
from habits import ANY, CNAME, DNAME, DS, NSEC, NSEC3, RRSIG, is_within, labels_of_wire, server_of
from message import TYPES

NSEC3PARAM = TYPES["NSEC3PARAM"]
TO_BASE32HEX = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghijklmnopqrstuv")
MOST_ALIASES = 17


def canonical(name):
    """A key of the order of RFC 4034 section 6.1."""
    return name[::-1]


class Chain:
    """The denial records of a zone by their owners; `records(key)` are those of one, with their signatures."""

    def __init__(self, zone, rdtype):
        self.zone, self.rdtype = zone, rdtype
        self.owners = {self.key_of_owner(labels_of_wire(wire)): types[rdtype]
                       for wire, types in zone.contents.items() if any(r[1] == rdtype for r in types.get(rdtype, ()))}
        self.keys = sorted(self.owners)

    def match(self, name):
        return self.owners.get(self.key_of(name), frozenset())

    def cover(self, name):
        """Those of the owner before it; the last one's reach around to the first."""
        return self.owners[self.keys[bisect.bisect_left(self.keys, self.key_of(name)) - 1]]


class NsecChain(Chain):
    def __init__(self, zone):
        super().__init__(zone, NSEC)

    key_of_owner = key_of = staticmethod(canonical)

    def no_data(self, name, _):
        """At a name that exists; one without records has no NSEC, and the record before it says so."""
        return self.match(name) or self.cover(name)

    def no_name(self, name, encloser):
        return self.cover(name) | self.cover((b"*", *encloser))

    def wildcard(self, name, _):
        """A wildcard stands in for the name."""
        return self.cover(name)

    def wildcard_no_data(self, name, encloser):
        star = (b"*", *encloser)
        return self.cover(name) | (self.match(star) or self.cover(star))


class Nsec3Chain(Chain):
    def __init__(self, zone):
        rdata = next(r[3] for r in zone.contents[wire_of(zone.lower_apex)][NSEC3PARAM] if r[1] == NSEC3PARAM)
        self.iterations, self.salt = struct.unpack_from("!H", rdata, 2)[0], rdata[5:5 + rdata[4]]
        super().__init__(zone, NSEC3)

    @staticmethod
    def key_of_owner(owner):
        return owner[0].lower()

    @functools.lru_cache(maxsize=100_000)  # noqa: B019 - lives as long as its round
    def key_of(self, name):
        digest = hashlib.sha1(wire_of(name) + self.salt).digest()
        for _ in range(self.iterations):
            digest = hashlib.sha1(digest + self.salt).digest()
        return base64.b32encode(digest).translate(TO_BASE32HEX)

    def enclosing(self, name):
        """The closest encloser that can be proved, and the name that is next closer (RFC 5155 section 7.2.1)."""
        at = next(i for i in range(1, len(name) + 1) if self.match(name[i:]))
        return name[at:], name[at - 1:]

    def encloser_proof(self, name):
        encloser, next_closer = self.enclosing(name)
        return self.match(encloser) | self.cover(next_closer)

    def no_data(self, name, _):
        """Under opt-out a name that has unsigned delegations only may have no record (sections 7.2.3, 7.2.4)."""
        return self.match(name) or self.encloser_proof(name)

    def no_name(self, name, _):
        """Under opt-out the encloser that can be proved may have a wildcard, which does not stand in for this name: it has a
        closer encloser, without a record. Nothing denies that wildcard; its own record is sent, as BIND does."""
        encloser, _ = self.enclosing(name)
        star = (b"*", *encloser)
        return self.encloser_proof(name) | (self.match(star) or self.cover(star))

    def wildcard(self, name, encloser):
        return self.cover(name[len(name) - len(encloser) - 1:])

    def wildcard_no_data(self, name, encloser):
        return self.encloser_proof(name) | self.match((b"*", *encloser))


def chain_of(zone):
    """Of two chains the one with NSEC3 counts; None where there is none, or none that is whole."""
    if "holes" in zone.denial or zone.denial == "unsigned":
        return None
    if not hasattr(zone, "denial_chain"):
        zone.denial_chain = NsecChain(zone) if zone.denial == "nsec" else Nsec3Chain(zone)
    return zone.denial_chain


class Walk:
    """Follows a question through one zone, as RFC 1034 section 4.3.2 does, and notes what has to be proved."""

    def __init__(self, zone, chain, name, rdtype):
        self.zone, self.chain, self.rdtype = zone, chain, rdtype
        self.needed = frozenset()
        self.apex = zone.lower_apex
        self.cuts = {(*cut, *self.apex) for cut in zone.cuts}
        seen = set()
        while name is not None and is_within(name, self.apex) and name not in seen and len(seen) < MOST_ALIASES:
            seen.add(name)
            name = self.step(name)

    def node(self, name):
        return self.zone.contents.get(wire_of(name), {})

    def need(self, records):
        self.needed |= records

    def step(self, name):
        """The name to go on with, if any."""
        for i in range(len(name) - len(self.apex), -1, -1):  # from the apex down
            here = name[i:]
            if here in self.cuts and not (i == 0 and self.rdtype == DS):
                if DS not in self.node(here):
                    self.need(self.chain.no_data(here, None))
                return None
            if i > 0 and any(r[1] == DNAME for r in self.node(here).get(DNAME, ())):  # the CNAME that is made from it may be all that was asked for
                return None if self.rdtype == CNAME else self.after_dname(name[:i], self.node(here)[DNAME])
        if name in self.zone.names:
            return self.at(name, self.node(name), lambda: self.chain.no_data(name, None))
        encloser = next(name[i:] for i in range(1, len(name) + 1) if name[i:] in self.zone.names)
        star = (b"*", *encloser)
        if star not in self.zone.names:
            self.need(self.chain.no_name(name, encloser))
            return None
        if star in self.cuts:  # of no meaning for what it stands in for (RFC 4592 section 4.2): no data
            self.need(self.chain.wildcard_no_data(name, encloser))
            return None
        if self.is_answered(self.node(star)) or self.alias_of(self.node(star)):
            self.need(self.chain.wildcard(name, encloser))
        return self.at(name, self.node(star), lambda: self.chain.wildcard_no_data(name, encloser))

    @staticmethod
    def after_dname(front, records):
        target = next(labels_of_wire(r[3].lower()) for r in records if r[1] == DNAME)
        made = (*front, *target)
        return made if len(wire_of(made)) <= 255 else None

    def is_answered(self, node):
        if self.rdtype == ANY:
            return bool(node)
        if self.rdtype == RRSIG:
            return any(r[1] == RRSIG for records in node.values() for r in records)
        return any(r[1] == self.rdtype for r in node.get(self.rdtype, ()))

    @staticmethod
    def alias_of(node):
        return next((labels_of_wire(r[3].lower()) for r in node.get(CNAME, ()) if r[1] == CNAME), None)

    def at(self, name, node, no_data):
        if self.is_answered(node):
            return None
        target = self.alias_of(node)
        if target is None:
            self.need(no_data())
        return target


def needed_proof(zone, question):
    """What the authority section must have of NSEC, NSEC3 and their signatures; None where that cannot be told."""
    name = labels_of_wire(question.name.lower())
    server = server_of(zone, name, question.rdtype)
    chain = chain_of(server) if server and question.do else None
    return None if chain is None else Walk(server, chain, name, question.rdtype).needed
