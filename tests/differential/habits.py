"""What the peers are known to answer otherwise: a rule has a name, the condition, and the difference that it explains,
each as narrow as it can be told. doc/interop.md says of each, under "Differential runs", what happens and why ours does
not. No rule excuses ours: the same response must come from another peer (rules.py).
"""
import functools
import struct

from generator import WILD_NS, wire_of
from message import RCODES, TYPES

ANY, CNAME, DNAME, RRSIG, NSEC, NSEC3, A, AAAA, SRV, NAPTR, SVCB, HTTPS, NS, DS, SOA, MX = (TYPES[t] for t in (
    "ANY", "CNAME", "DNAME", "RRSIG", "NSEC", "NSEC3", "A", "AAAA", "SRV", "NAPTR", "SVCB", "HTTPS", "NS", "DS", "SOA", "MX"))
DENIAL = {NSEC, NSEC3}


class Facts:
    """What a response says."""

    __slots__ = ("rcode", "aa", "answer", "authority", "additional")

    def __init__(self, response):
        self.rcode, self.aa = RCODES.get(response.rcode, response.rcode), response.aa
        self.answer, self.authority, self.additional = map(frozenset, response.sections)

    def same(self, other):
        return not self.differences(other)

    def differences(self, other):
        return [name for name in ("rcode", "aa", "answer", "authority") if getattr(self, name) != getattr(other, name)]


def covered(record):
    """The type of a record, of a signature what it signs."""
    return struct.unpack_from("!H", record[3])[0] if record[1] == RRSIG else record[1]


def is_denial(records):
    return all(covered(r) in DENIAL for r in records)


def labels_of_wire(wire):
    out, at = [], 0
    while wire[at]:
        out.append(wire[at + 1:at + 1 + wire[at]])
        at += 1 + wire[at]
    return tuple(out)


def is_within(name, other):
    """At or below it."""
    return len(name) >= len(other) and name[len(name) - len(other):] == other


def server_of(zone, name, rdtype=None):
    """Of a zone and those served beside it the one that is to answer for a name."""
    zones = [z for z in (zone, *zone.relatives) if is_within(name, z.lower_apex)]
    if rdtype == DS:
        zones = [z for z in zones if z.lower_apex != name] or zones
    return max(zones, key=lambda z: len(z.apex), default=None)


class Case:
    """A question with what ours and one peer said, for rules to look at."""

    def __init__(self, zone, question, ours, peer):
        self.zone, self.question, self.ours, self.peer = zone, question, ours, peer
        self.differing = ours.differences(peer)
        self.rdtype = question.rdtype
        self.name = labels_of_wire(question.name.lower())

    @functools.cached_property
    def labels(self):
        """The question's name relative to the zone, the lowest label first."""
        return self.name[:len(self.name) - len(self.zone.apex)]

    def zone_of(self, name, rdtype=None):
        return server_of(self.zone, name, rdtype)

    @functools.cached_property
    def server(self):
        return self.zone_of(self.name, self.rdtype)

    @functools.cached_property
    def has_zero(self):
        return any(z.has_zero for z in (self.zone, *self.zone.relatives)) or any(b"\0" in label for label in self.name)

    @property
    def aliases(self):
        return [r for r in self.ours.answer if r[1] == CNAME]

    @functools.cached_property
    def chain(self):
        """The question's name and where aliases lead from there, as ours says."""
        to = {r[0]: r[3] for r in self.aliases}
        names, wire = [self.name], self.question.name.lower()
        while wire in to and len(names) <= len(to):
            wire = to[wire]
            names.append(labels_of_wire(wire))
        return names

    @property
    def is_nodata_of_peer(self):
        """Only the SOA that ours has, or would have, and denial."""
        rest = {r for r in self.peer.authority if covered(r) not in DENIAL}
        return (self.peer.aa and self.peer.rcode == "NOERROR" and bool(rest)
                and self.is_soa_of(self.server, rest))

    def is_soa_of(self, zone, records):
        """Whether these are the zone's SOA, as it goes with negative answers, and signatures of it."""
        served = zone.contents.get(wire_of(zone.lower_apex), {}).get(SOA, set())
        rdata = {r[3] for r in served}
        ttl = min(t for r in served if r[1] == SOA for t in (r[2], struct.unpack("!I", r[3][-4:])[0]))
        return all(r[0] == wire_of(zone.lower_apex) and r[3] in rdata and (r[1] == RRSIG or r[2] == ttl) for r in records)

    def node(self, name):
        """(type -> records) of a name of the zone that answers, or of the wildcard that stands in for it, under the name."""
        zone = self.zone_of(name)
        if zone is None:
            return {}
        found = name
        if name not in zone.names:
            found = (b"*", *next((name[i:] for i in range(len(name)) if name[i:] in zone.names), ()))
        owner = wire_of(name)
        return {t: {(owner, *r[1:]) for r in records} for t, records in zone.contents.get(wire_of(found), {}).items()}


    def records_for(self, name, owners):
        """All that `owners` have, under a name."""
        zone = self.zone_of(name)
        found = [zone.contents.get(wire_of(owner), {}) for owner in owners] if zone else []
        return {(wire_of(name), *r[1:]) for node in found for records in node.values() for r in records}

    def is_served(self, record):
        """Whether a zone here has it so."""
        return any(record in zone.contents.get(record[0], {}).get(covered(record), ()) for zone in (self.zone, *self.zone.relatives))

    def taken_by_knot_for(self, name):
        """What Knot may find for a name where labels have octets of zero: a wildcard further up, or, as it joins labels by
        such octets, a name that looks the same then."""
        zone = self.zone_of(name)
        joined = b"\0".join(reversed(name))
        alike = [other for other in (zone.names if zone else ()) if b"\0".join(reversed(other)) == joined]
        return self.records_for(name, [*alike, *((b"*", *name[i:]) for i in range(1, len(name) + 1))])

    @functools.cached_property
    def any_node(self):
        """The node that a question for ANY is about: CNAMEs are not followed, DNAMEs are."""
        made = [labels_of_wire(r[0]) for r in self.ours.answer if r[1] == DNAME]
        name = self.chain[0]
        for following in self.chain[1:]:
            if not any(len(name) > len(owner) and is_within(name, owner) for owner in made):
                break
            name = following
        return self.node(name)


# Rules: each takes a Case

def is_referral_of(case, record, targets):
    """A record of a cut that one of the targets is at or below, as it is served."""
    return covered(record) in (NS, DS) and case.is_served(record) and any(is_within(labels_of_wire(t), labels_of_wire(record[0])) for t in targets)


def knot_zero_octets(case):
    """Wrong proofs; names that it does not find, so that a wildcard further up answers; or, with NSEC3, no answer at all."""
    if not case.has_zero:
        return False
    if case.differing == ["authority"] and is_denial(case.peer.authority ^ case.ours.authority):
        return True
    if not case.peer.aa:
        return (case.server.denial not in ("unsigned", "nsec") and case.question.do and case.peer.rcode in ("NXDOMAIN", "SERVFAIL")
                and not case.peer.authority and case.peer.answer <= case.ours.answer)
    more, less = case.peer.answer - case.ours.answer, case.ours.answer - case.peer.answer
    made = {r for name in case.chain for r in case.taken_by_knot_for(name)}
    targets = {r[3] for r in case.peer.answer if r[1] == CNAME}
    if any(r[1] == DNAME for r in less):  # one that it does not find
        less = {r for r in less if covered(r) not in (CNAME, DNAME)}
    rest = {r for r in case.peer.authority - case.ours.authority if covered(r) not in DENIAL and not is_referral_of(case, r, targets)}
    return (case.ours.rcode in ("NOERROR", "NXDOMAIN") and case.peer.rcode in ("NOERROR", "NXDOMAIN") and less <= made
            and all(r in made or (r[0] in targets and case.is_served(r)) for r in more)
            and case.is_soa_of(case.server, rest))


def knot_one_signature(case):
    """Of the last name those of one type, all of them."""
    last = wire_of(case.chain[-1])
    kinds = {covered(r) for r in case.peer.answer if r[0] == last}
    expected = {r for r in case.ours.answer if r[0] != last or covered(r) in kinds}
    wrong_proof = ((case.has_zero or "holes" in case.server.denial or is_star_proved_less(case))
                   and is_denial(case.peer.authority ^ case.ours.authority))
    return (case.rdtype == RRSIG and len(kinds) == 1 and case.peer.answer == expected
            and (case.differing == ["answer"] or (case.differing == ["answer", "authority"] and wrong_proof)))


def knot_short_chain(case):
    return (len(case.aliases) > 5 and case.peer.aa and case.peer.rcode == "NOERROR" and case.peer.answer < case.ours.answer
            and case.peer.authority <= case.ours.authority)


def nsd_more_denial(case):
    more = case.peer.authority - case.ours.authority
    return case.differing == ["authority"] and case.ours.authority < case.peer.authority and is_denial(more)


def is_negative_instead(case):
    """A negative answer of the zone, or the start of what ours says and then one."""
    rest = {r for r in case.peer.authority - case.ours.authority if covered(r) not in DENIAL}
    return (case.peer.aa and case.peer.rcode in ("NOERROR", "NXDOMAIN") and case.peer.answer <= case.ours.answer
            and case.is_soa_of(case.server, rest))


def nsd_hashed_owner(case):
    """It is there, so that no wildcard stands in for it or for what is below it."""
    labels = case.name[:len(case.name) - len(case.server.apex)]
    if not labels or labels[-1] not in case.server.hashes:
        return False
    of_its_own = {r for r in case.peer.answer if covered(r) == NSEC3 and r[0] == case.question.name.lower() and case.is_served(r)}
    if of_its_own and case.peer.answer == of_its_own:
        return case.rdtype in (ANY, RRSIG) and case.peer.aa and case.peer.rcode == "NOERROR" and is_denial(case.peer.authority)
    return is_negative_instead(case)


def nsd_name_of_another_zone(case):
    """The parent has names below the cut that the child does not have: the child's answers about what is at or below them,
    or, if one is a wildcard, beside it, are negative ones with other proofs."""
    zone = case.server
    intruders = {n for other in zone.relatives for n in other.names if is_within(n, zone.lower_apex)} - zone.names
    met = any(is_within(name, n) or (n[0] == b"*" and is_within(name, n[1:])) for name in case.chain for n in intruders)
    return met and is_negative_instead(case)


def follows_into_another_zone(case):
    """The last target is in another zone, whose answer comes behind the aliases."""
    zone = case.zone_of(case.chain[-1], case.rdtype)
    if not case.aliases or zone is None or zone is case.server:
        return False
    more = (case.peer.answer - case.ours.answer) | (case.peer.authority - case.ours.authority)
    return (case.ours.answer <= case.peer.answer and case.peer.aa and case.peer.rcode in ("NOERROR", "NXDOMAIN")
            and all(is_within(labels_of_wire(r[0]), zone.lower_apex) for r in more))


def bind_ends_before_a_child(case):
    """The last target is at or below the apex of a child that is served here: the referral to it is left out."""
    zone = case.zone_of(case.chain[-1])
    if not case.aliases or zone is None or zone is case.server or not is_within(zone.lower_apex, case.server.lower_apex):
        return False
    cut = wire_of(zone.lower_apex)
    more = case.ours.authority - case.peer.authority
    return (case.differing == ["authority"] and case.peer.authority < case.ours.authority
            and all(covered(r) in DENIAL or (r[0] == cut and covered(r) in (NS, DS)) for r in more)
            and any(r[1] == NS for r in more))


def bind_loop(case):
    return case.differing == ["rcode"] and case.peer.rcode == "SERVFAIL" and is_loop(case)


def chosen_for_any(case):
    """What ours chooses: the first type by number, NSEC and NSEC3 last; with DO with its signatures."""
    kinds = sorted((t in DENIAL, t) for t, records in case.any_node.items() if any(r[1] == t for r in records))
    if not kinds:
        return frozenset()
    return frozenset(r for r in case.any_node[kinds[0][1]] if r[1] != RRSIG or case.question.do)


def bind_any(case):
    """All that the name has, signatures in any case. Behind a DNAME only the alias that is made from it."""
    if case.rdtype != ANY:
        return False
    if case.aliases and any(r[1] == DNAME for r in case.ours.answer):
        first = {r for r in case.ours.answer if covered(r) == CNAME and r[0] == case.question.name.lower()}
        dname = {r for r in case.peer.answer if covered(r) == DNAME}
        return (case.peer.answer == first | dname and dname <= case.ours.answer and not case.peer.authority and case.peer.aa
                and case.peer.rcode == "NOERROR")
    everything = {r for records in case.node(case.name).values() for r in records}
    wrong_proof = (("holes" in case.server.denial or case.server.has_empty_wildcard) and case.differing == ["answer", "authority"]
                   and is_denial(case.peer.authority ^ case.ours.authority))
    return ((case.differing == ["answer"] or wrong_proof) and case.ours.answer == chosen_for_any(case)
            and case.peer.answer == everything)


def other_any(case):
    """Another one of the name's RRsets, or its signatures."""
    sets = case.any_node.values()
    alone = [{r for r in records if r[1] != RRSIG} for records in sets]
    signatures = {r for records in sets for r in records if r[1] == RRSIG}
    rest = case.ours.answer - chosen_for_any(case)
    other = case.peer.answer - rest
    return (case.rdtype == ANY and case.differing == ["answer"] and rest <= case.peer.answer and bool(other)
            and (other in [*sets, *alone] or other <= signatures))


def knot_expanded_nsec(case):
    return case.rdtype == NSEC and case.differing == ["authority"] and case.peer.authority < case.ours.authority \
        and is_denial(case.ours.authority - case.peer.authority)


def is_star_proved_less(case):
    return case.name[:1] == (b"*",) and case.peer.authority < case.ours.authority and is_denial(case.ours.authority - case.peer.authority)


def knot_expanded_star(case):
    return case.differing == ["authority"] and is_star_proved_less(case)


def knot_wild_cut(case):
    """A referral by the NS records of the wildcard, from below it or where it stands in."""
    rest = {r for r in case.peer.authority if covered(r) not in DENIAL}
    owners = {labels_of_wire(r[0]) for r in rest}
    return (WILD_NS in case.server.oddities and not case.peer.aa and case.peer.rcode == "NOERROR" and len(owners) == 1
            and case.peer.answer <= case.ours.answer and all(r[1] == NS and case.is_served(r) for r in rest)
            and all(owner[0] == b"*" and is_within(case.chain[-1], owner[1:]) for owner in owners))


def wild_cut_of(case):
    """The wildcard with NS records that stands in for the last name, if any."""
    name, zone = case.chain[-1], case.server
    if WILD_NS not in zone.oddities or name in zone.names or not is_within(name, zone.lower_apex):
        return None
    star = (b"*", *next(name[i:] for i in range(1, len(name)) if name[i:] in zone.names))
    return star if NS in zone.contents.get(wire_of(star), {}) else None


def nsd_less_denial_at_wild_cut(case):
    """No data, without the NSEC3 record of the wildcard."""
    less = case.ours.authority - case.peer.authority
    return (wild_cut_of(case) is not None and case.differing == ["authority"] and case.peer.authority < case.ours.authority
            and len({r[0] for r in less}) == 1 and all(covered(r) == NSEC3 for r in less))


def nsd_wild_cut_as_data(case):
    """NS and NSEC records made from it, as from any wildcard."""
    star = wild_cut_of(case)
    if star is None or case.rdtype not in (NS, NSEC, ANY, RRSIG):
        return False
    node = case.node(case.chain[-1])
    if case.rdtype == RRSIG:
        made = [{r for t in (NS, NSEC) for r in node.get(t, ()) if r[1] == RRSIG}]
    else:
        made = [{r for r in node.get(t, ()) if r[1] == t or case.question.do} for t in (NS, NSEC) if case.rdtype in (ANY, t)]
    return (case.peer.aa and case.peer.rcode == "NOERROR" and case.peer.answer > case.ours.answer
            and case.peer.answer - case.ours.answer in made and case.peer.authority < case.ours.authority)


def knot_wild_dname(case):
    """Below the wildcard's own name: the DNAME as if it were the wildcard's to make, with a needless proof, or, with NSEC3,
    no answer at all."""
    stars = {r[0] for r in case.ours.answer if r[1] == DNAME and labels_of_wire(r[0])[0] == b"*"}
    if not stars:
        return False
    if not case.peer.aa:
        return (case.server.denial not in ("unsigned", "nsec") and case.question.do and case.peer.rcode in ("NXDOMAIN", "SERVFAIL")
                and not case.peer.authority and case.peer.answer <= case.ours.answer)
    def made(answer):
        records = set()
        for record in answer:
            owner = labels_of_wire(record[0])
            names = [n for n in case.chain if n != owner and is_within(n, owner)] if record[0] in stars and covered(record) == DNAME else [owner]
            records |= {(wire_of(name), *record[1:]) for name in names}
        return records
    if case.is_nodata_of_peer and any(case.peer.answer == made(answer) for answer in answers_up_to_alias(case, NSEC, RRSIG)):
        return True
    more = case.peer.authority - case.ours.authority
    return (case.ours.rcode == case.peer.rcode and case.peer.answer == made(case.ours.answer)
            and case.ours.authority <= case.peer.authority and is_denial(more) and all(map(case.is_served, more)))


def nsd_zero_octets(case):
    return case.has_zero and case.differing == ["authority"] and is_denial(case.peer.authority ^ case.ours.authority)


def denial_behind_dname(case):
    behind = any(r[1] == DNAME for r in case.ours.answer)
    return behind and case.differing == ["authority"] and is_denial(case.peer.authority ^ case.ours.authority)


def less_denial_behind_dname(case):
    return denial_behind_dname(case) and case.peer.authority < case.ours.authority


def proves_empty_wildcard(case):
    """Whether ours has the NSEC record by which a wildcard without records exists: the next name is below it."""
    name = case.chain[-1]
    for record in case.ours.authority:
        if record[1] == NSEC:
            owner, following = labels_of_wire(record[0]), labels_of_wire(record[3])
            for i in range(1, len(following)):
                star = following[i:]
                if star[0] == b"*" and is_within(name, star[1:]) and not is_within(owner, star):
                    return star in case.server.names and wire_of(star) not in case.server.contents
    return False


def bind_empty_wildcard(case):
    apart = case.peer.authority ^ case.ours.authority
    return (case.server.has_empty_wildcard and case.differing == ["authority"] and is_denial(apart) and proves_empty_wildcard(case))


def knot_empty_wildcard(case):
    return bind_empty_wildcard(case) and case.peer.authority < case.ours.authority


def knot_optout_encloser(case):
    return ("optout" in case.server.denial and case.question.do and case.ours.rcode == case.peer.rcode == "NXDOMAIN"
            and not case.peer.aa and not case.peer.authority and case.peer.answer <= case.ours.answer)


def is_of_apex(record):
    """Whether an NSEC3 record, or its signature, says of its name that it has an SOA; of signatures it is not known."""
    if record[1] == RRSIG:
        return True
    at = 5 + record[3][4]
    types = record[3][at + 1 + record[3][at]:]
    return bool(types) and types[0] == 0 and bool(types[2] & 0x80 >> SOA)


def nsd_no_encloser(case):
    """NODATA by a wildcard at the apex, without the NSEC3 record of the apex."""
    less = case.ours.authority - case.peer.authority
    return (case.differing == ["authority"] and case.peer.authority < case.ours.authority and not case.ours.answer
            and case.ours.rcode == "NOERROR" and case.chain[-1] not in case.server.names and len({r[0] for r in less}) == 1
            and all(covered(r) == NSEC3 and is_of_apex(r) for r in less))


def nsd_optout_encloser(case):
    more = case.peer.authority ^ case.ours.authority
    return "optout" in case.server.denial and case.differing == ["authority"] and is_denial(more)


def bind_nsec_of_cut(case):
    """With AA, also behind aliases."""
    more = case.peer.answer - case.ours.answer
    cuts = {r[0] for r in case.ours.authority if r[1] == NS}
    return (case.rdtype == NSEC and case.peer.aa and case.peer.rcode == "NOERROR" and not case.peer.authority and case.ours.answer < case.peer.answer
            and all(covered(r) == NSEC and r[0] in cuts and r in case.server.contents.get(r[0], {}).get(NSEC, ()) for r in more))


def answers_up_to_alias(case, *types):
    """What ours would say if a question for one of the types ended at the first name with a CNAME of its own: nothing, or
    what DNAMEs lead there."""
    if case.rdtype not in types:
        return
    for i, name in enumerate(case.chain):
        node = case.node(name)
        if CNAME in node and not any(r[1] == case.rdtype for records in node.values() for r in records):
            before = case.chain[:i]
            yield {r for r in case.ours.answer if labels_of_wire(r[0]) in before
                   or (covered(r) == DNAME and any(is_within(n, labels_of_wire(r[0])) for n in before))}
            return


def stays_at_alias(*types):
    """NODATA of the alias instead of what it leads to. What ours says then is held against what the peers say to a type
    that is nowhere (harness.py)."""
    def applies(case):
        return case.is_nodata_of_peer and any(case.peer.answer == answer for answer in answers_up_to_alias(case, *types))
    return applies


def other_denial(case):
    return case.question.do and case.differing == ["authority"] and is_denial(case.peer.authority ^ case.ours.authority)


def pdns_ds_in_referral(case):
    """DS, which only DO asks for."""
    more = case.peer.authority - case.ours.authority
    cuts = {r[0] for r in case.ours.authority if r[1] == NS}
    return (not case.question.do and case.differing == ["authority"] and case.ours.authority < case.peer.authority
            and all(r[1] == DS and r in case.server.contents.get(r[0], {}).get(DS, ()) and r[0] in cuts for r in more))


def is_loop(case):
    return bool(case.aliases) and {r[3] for r in case.aliases} <= {r[0] for r in case.aliases}


def pdns_loop(case):
    return is_loop(case) and case.peer.rcode == "SERVFAIL" and not case.peer.answer and not case.peer.authority


def bind_fails_at_a_hole(case):
    """Behind an alias the chain ends there, without an SOA."""
    ends = (bool(case.aliases) and case.differing in (["authority"], ["rcode", "authority"]) and "holes" in case.server.denial
            and case.peer.rcode == "NOERROR" and is_denial(case.peer.authority)
            and all(case.is_served(r) for r in case.peer.authority) and any(r[1] == SOA for r in case.ours.authority))
    return ends or fails_at_a_hole(case)


def bind_nsec_beside_nsec3(case):
    """With both chains, the NSEC record of a cut without DS."""
    cuts = {r[0] for r in case.ours.authority if r[1] == NS}
    less, more = case.ours.authority - case.peer.authority, case.peer.authority - case.ours.authority
    return (case.server.denial == "both-chains" and case.question.do and case.differing == ["authority"] and bool(more)
            and all(covered(r) == NSEC3 for r in less) and all(covered(r) == NSEC and r[0] in cuts and case.is_served(r) for r in more))


HOLE = "chain with a hole"


def beside_a_hole(case):
    """Where a chain has holes, which of its records are sent is nobody's to say. All else is the same, and what ours sends is
    in the zone as it is, nothing made up."""
    if "holes" not in case.server.denial or not case.question.do or set(case.differing) - {"authority"}:
        return False
    ours = {r for r in case.ours.authority if covered(r) in DENIAL}
    return (is_denial(case.peer.authority ^ case.ours.authority) and all(case.is_served(r) for r in ours)
            and len(ours) <= 16)


def fails_at_a_hole(case):
    """No proof, no answer."""
    return ("holes" in case.server.denial and case.peer.rcode in ("SERVFAIL", "NXDOMAIN") and not case.peer.aa
            and not case.peer.authority and case.peer.answer <= case.ours.answer)


AT_ALIAS = "NSEC, NSEC3, RRSIG at an alias"
NS_AS_DATA, LESS_AT_NS = "N NS at a wildcard is data", "N less denial at NS of a wildcard"
LIKE_OURS = {HOLE, LESS_AT_NS}  # all but the proof is the same, and that is judged by itself (proofs.py) or cannot be
ASK_AGAIN = {AT_ALIAS, "B ANY is all", "N ANY is another RRset", NS_AS_DATA}  # where no peer says what ours does, another type may show that it is right
# These do not count where peers outnumber ours: what they say is no choice, or the rule looks at ours, too.
NO_VOTE = {AT_ALIAS, NS_AS_DATA, "alias into another zone", "K less denial at an empty wildcard", "B other denial at an empty wildcard", "K zero octets in labels",
           "N ANY is another RRset", "K ANY is another RRset", "B ANY is all", "N owner of NSEC3 is a name", "P owner of NSEC3 is a name",
           "P other denial"}
RULES = [  # peer, name, whether it explains a difference
    *((peer, HOLE, beside_a_hole) for peer in ("knot", "nsd", "bind")),
    ("knot", "K fails at a hole", fails_at_a_hole),
    ("bind", "B fails at a hole", bind_fails_at_a_hole),
    ("bind", "B NSEC of a cut beside NSEC3", bind_nsec_beside_nsec3),
    ("knot", "K RRSIG of one type", knot_one_signature),
    ("knot", "K chain of aliases cut short", knot_short_chain),
    ("knot", AT_ALIAS, stays_at_alias(NSEC, RRSIG)),
    ("knot", "K NSEC made from a wildcard", knot_expanded_nsec),
    ("knot", "K question with a * in front", knot_expanded_star),
    ("knot", "K ANY is another RRset", other_any),
    ("knot", "K less denial at an empty wildcard", knot_empty_wildcard),
    ("knot", "K closest encloser under opt-out", knot_optout_encloser),
    ("knot", "K less denial behind a DNAME", less_denial_behind_dname),
    ("knot", "K zero octets in labels", knot_zero_octets),
    ("knot", "K NS at a wildcard", knot_wild_cut),
    ("knot", "K DNAME at a wildcard", knot_wild_dname),
    ("nsd", LESS_AT_NS, nsd_less_denial_at_wild_cut),
    ("nsd", NS_AS_DATA, nsd_wild_cut_as_data),
    ("nsd", "N other denial behind a DNAME", denial_behind_dname),
    ("nsd", "N more denial than needed", nsd_more_denial),
    ("nsd", "N closest encloser under opt-out", nsd_optout_encloser),
    ("nsd", "N no encloser at a wildcard", nsd_no_encloser),
    ("nsd", "N ANY is another RRset", other_any),
    ("nsd", AT_ALIAS, stays_at_alias(NSEC3)),
    ("nsd", "N owner of NSEC3 is a name", nsd_hashed_owner),
    ("nsd", "N name of another zone", nsd_name_of_another_zone),
    ("nsd", "alias into another zone", follows_into_another_zone),
    ("nsd", "N zero octets in labels", nsd_zero_octets),
    ("bind", "B other denial at an empty wildcard", bind_empty_wildcard),
    ("bind", "B SERVFAIL for loops", bind_loop),
    ("bind", "B ANY is all", bind_any),
    ("bind", AT_ALIAS, stays_at_alias(NSEC, RRSIG)),
    ("bind", "B NSEC of a cut", bind_nsec_of_cut),
    ("bind", "alias into another zone", bind_ends_before_a_child),
    ("pdns", "P other denial", other_denial),
    ("pdns", "P owner of NSEC3 is a name", nsd_hashed_owner),
    ("pdns", "P SERVFAIL for loops", pdns_loop),
    ("pdns", "alias into another zone", follows_into_another_zone),
    ("pdns", "P DS without DO", pdns_ds_in_referral),
]
