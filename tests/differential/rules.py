"""Judges the responses to one question.

Ours must say the same as at least one of the three peers, and every peer that says something else must have a known reason:
a rule of the table below that applies to this very question. A difference without a rule is a failure, and so is a
response of ours that three peers contradict alike. Each rule is explained in doc/interop.md under "Differential runs".
"""
import functools
import struct

from message import RCODES, TYPES

OURS = "understudy"
ANY, CNAME, DNAME, RRSIG, NSEC, NSEC3, A, AAAA, SRV, NAPTR, SVCB, HTTPS = (TYPES[t] for t in (
    "ANY", "CNAME", "DNAME", "RRSIG", "NSEC", "NSEC3", "A", "AAAA", "SRV", "NAPTR", "SVCB", "HTTPS"))
DENIAL = {NSEC, NSEC3, RRSIG}
SIGNATURE = 120  # octets, about, of an RRSIG record: it comes with its RRset or keeps it out
UDP_LIMIT = 1232  # what every server here is limited to, whatever the question allows


class Facts:
    """What a response says."""

    __slots__ = ("rcode", "aa", "answer", "authority", "additional")

    def __init__(self, response):
        self.rcode, self.aa = response.rcode, response.aa
        self.answer, self.authority, self.additional = map(frozenset, response.sections)

    def same(self, other):
        return (self.rcode, self.aa, self.answer, self.authority) == (other.rcode, other.aa, other.answer, other.authority)

    def differences(self, other):
        return [name for name in ("rcode", "aa", "answer", "authority") if getattr(self, name) != getattr(other, name)]


class Case:
    """A question with what ours and one peer said, for rules to look at."""

    def __init__(self, zone, question, ours, peer):
        self.zone, self.question, self.ours, self.peer = zone, question, ours, peer
        self.differing = ours.differences(peer)
        self.rdtype = question.rdtype

    @functools.cached_property
    def labels(self):
        """The question's name relative to the zone, in lower case, the lowest label first."""
        wire, out, at = self.question.name.lower(), [], 0
        while wire[at]:
            out.append(wire[at + 1:at + 1 + wire[at]])
            at += 1 + wire[at]
        return tuple(out[:len(out) - len(self.zone.apex)])

    @property
    def aliases(self):
        return [r for r in self.ours.answer if r[1] == CNAME]

    @property
    def targets(self):
        return {r[3] for r in self.aliases}


# Rules

def knot_zero_octets(case):
    return case.zone.has_zero or any(b"\0" in label for label in case.labels)


def knot_one_signature(case):
    return case.rdtype == RRSIG and case.peer.answer < case.ours.answer and case.differing == ["answer"]


def knot_short_chain(case):
    return case.peer.answer <= case.ours.answer and len(case.aliases) > 5


def nsd_more_denial(case):
    more = case.peer.authority - case.ours.authority
    return case.differing == ["authority"] and case.ours.authority < case.peer.authority and all(r[1] in DENIAL for r in more)


def nsd_hashed_owner(case):
    return bool(case.labels) and case.labels[-1] in case.zone.hashes


def nsd_name_of_another_zone(case):
    return case.zone.family


def bind_loop(case):
    owners = {r[0] for r in case.aliases}
    return case.differing == ["rcode"] and RCODES[case.peer.rcode] == "SERVFAIL" and case.targets <= owners


def bind_any(case):
    return case.rdtype == ANY and (case.ours.answer <= case.peer.answer or bool(case.aliases))


def knot_expanded_nsec(case):
    return case.rdtype == NSEC and case.differing == ["authority"] and case.peer.authority < case.ours.authority


def knot_expanded_star(case):
    return case.labels[:1] == (b"*",) and case.differing == ["authority"] and case.peer.authority < case.ours.authority


def nsd_zero_octets(case):
    return case.zone.has_zero and case.differing == ["authority"] and all(r[1] in DENIAL for r in case.peer.authority ^ case.ours.authority)


def denial_behind_dname(case):
    behind = any(r[1] == DNAME for r in case.ours.answer)
    return behind and case.differing == ["authority"] and all(r[1] in DENIAL for r in case.peer.authority ^ case.ours.authority)


def bind_empty_wildcard(case):
    apart = case.peer.authority ^ case.ours.authority
    return case.zone.has_empty_wildcard and case.differing == ["authority"] and all(r[1] in DENIAL for r in apart)


def knot_empty_wildcard(case):
    more = case.ours.authority - case.peer.authority
    return (case.zone.has_empty_wildcard and case.differing == ["authority"] and case.peer.authority < case.ours.authority
            and all(r[1] in DENIAL for r in more))


def knot_optout_encloser(case):
    return "optout" in case.zone.denial and case.ours.rcode == case.peer.rcode and not case.peer.authority and bool(case.ours.authority)


def other_any(case):
    return case.rdtype == ANY and case.differing == ["answer"]


def nsd_optout_encloser(case):
    more = case.peer.authority ^ case.ours.authority
    return "optout" in case.zone.denial and case.differing == ["authority"] and all(r[1] in DENIAL for r in more)


def bind_nsec_of_cut(case):
    return case.rdtype == NSEC and not case.ours.aa and case.peer.aa and all(r[1] in DENIAL for r in case.peer.answer)


def denial_type_at_alias(case):
    return case.rdtype in (NSEC, NSEC3, RRSIG) and bool(case.aliases)


def alias_into_another_zone(case):
    return case.zone.family and bool(case.aliases)


# Rules that are choices of ours, not faults of others: all three peers may differ there, for reasons of their own.
CHOICES = {"alias into another zone", "NSEC, NSEC3, RRSIG at an alias"}

RULES = [  # peer, name, whether it explains a difference
    ("knot", "K zero octets in labels", knot_zero_octets),
    ("knot", "K RRSIG of one type", knot_one_signature),
    ("knot", "K chain of aliases cut short", knot_short_chain),
    ("knot", "alias into another zone", alias_into_another_zone),
    ("knot", "NSEC, NSEC3, RRSIG at an alias", denial_type_at_alias),
    ("knot", "K NSEC made from a wildcard", knot_expanded_nsec),
    ("knot", "K question with a * in front", knot_expanded_star),
    ("nsd", "N zero octets in labels", nsd_zero_octets),
    ("knot", "K ANY is another RRset", other_any),
    ("knot", "K less denial at an empty wildcard", knot_empty_wildcard),
    ("knot", "K closest encloser under opt-out", knot_optout_encloser),
    ("knot", "K less denial behind a DNAME", lambda case: denial_behind_dname(case) and case.peer.authority < case.ours.authority),
    ("nsd", "N other denial behind a DNAME", denial_behind_dname),
    ("bind", "B other denial at an empty wildcard", bind_empty_wildcard),
    ("nsd", "N more denial than needed", nsd_more_denial),
    ("nsd", "N closest encloser under opt-out", nsd_optout_encloser),
    ("nsd", "N ANY is another RRset", other_any),
    ("nsd", "N owner of NSEC3 is a name", nsd_hashed_owner),
    ("nsd", "N name of another zone", nsd_name_of_another_zone),
    ("nsd", "NSEC, NSEC3, RRSIG at an alias", denial_type_at_alias),
    ("bind", "B SERVFAIL for loops", bind_loop),
    ("bind", "B ANY is all", bind_any),
    ("bind", "NSEC, NSEC3, RRSIG at an alias", denial_type_at_alias),
    ("bind", "B NSEC of a cut", bind_nsec_of_cut),
    ("bind", "alias into another zone", alias_into_another_zone),
]


def malformed(question, response, limit):
    """What ours must do whatever the others do; a complaint or None."""
    if response is None:
        return "no response"
    if isinstance(response, ValueError):
        return f"unreadable: {response}"
    if response.question[:-4] != question.name:
        return "the question did not come back in its letters"
    if (response.edns is not None) != (question.size is not None):
        return "EDNS where none was asked for, or the reverse"
    if response.edns and bool(response.edns[1] & 0x8000) != question.do:
        return "DO is not as asked"
    if response.repeats:
        return "the same record twice in a section"
    if response.flags & 0xF9F0 & ~0x8000 & ~0x0600:
        return "flags that are not asked for"
    if limit and response.size > limit:
        return f"{response.size} octets where {limit} are allowed"
    return None


def additional_fault(ours, theirs, room, all_had_room):
    """What all peers add must be there if there is `room` for it, and nothing that none of them adds if they could have."""
    sections = [peer.additional for peer in theirs]
    missing = frozenset.intersection(*sections) - ours.additional
    signed = {(r[0], struct.unpack_from("!H", r[3])[0]) for r in ours.additional if r[1] == RRSIG}
    mine = {r for r in ours.additional if r[1] != RRSIG}
    if not signed <= {(r[0], r[1]) for r in mine}:
        return "a signature in the additional section without its records"
    extra = {r for r in mine - frozenset.union(*sections) if not is_of_service(r, ours.answer)}
    needed = min((16 + len(r[3]) for r in missing), default=0) + (SIGNATURE if signed or any(r[1] == RRSIG for r in ours.authority) else 0)
    return "additional records are missing" if missing and needed <= room else "additional records that no peer sends" if extra and all_had_room else None


def is_of_service(record, answer):
    """A choice of ours: what NAPTR, SVCB and HTTPS records point to goes along (RFC 3403 section 4.1, RFC 9460 section 4.1)."""
    pointing = [rdata.lower() for _, rdtype, _, rdata in answer if rdtype in (NAPTR, SVCB, HTTPS)]
    return record[1] in (A, AAAA, SRV) and any(record[0] in rdata for rdata in pointing)


def limit_of(question):
    return None if question.tcp else min(max(question.size or 512, 512), UDP_LIMIT)


def judge(zone, question, answers):
    """("same" | "known" | "fail", why). Nothing here may be truncated; see judge_truncated()."""
    fault = malformed(question, answers[OURS], limit_of(question))
    if fault:
        return "fail", fault
    ours, theirs, names = Facts(answers[OURS]), [], set()
    agreeing = 0
    for peer, response in answers.items():
        if peer == OURS:
            continue
        if response is None or isinstance(response, ValueError):
            return "fail", f"{peer}: no readable response"
        facts = Facts(response)
        theirs.append(facts)
        if ours.same(facts):
            agreeing += 1
            continue
        case = Case(zone, question, ours, facts)
        name = next((n for who, n, applies in RULES if who == peer and applies(case)), None)
        if name is None:
            return "fail", f"{peer} differs in {', '.join(case.differing)}"
        names.add(name)
    if agreeing == 0 and not names & CHOICES:
        return "fail", "no peer says what we say"
    limit = limit_of(question)
    room = limit - answers[OURS].size if limit else 65535
    all_had_room = limit is None or all(r.size + 2 * SIGNATURE <= limit for r in answers.values())
    fault = additional_fault(ours, theirs, room, all_had_room) if agreeing == len(theirs) else None
    if fault:
        return "fail", fault
    return ("known", " + ".join(sorted(names))) if names else ("same", "")


def judge_truncated(question, ours, whole):
    """The rule for TC, from our own response to the same question by TCP: set if, and only if, that would not fit."""
    limit = limit_of(question)
    fault = malformed(question, ours, limit)
    if fault or isinstance(whole, ValueError) or whole is None:
        return fault or "no readable response by TCP"
    if ours.tc and whole.size <= limit:
        return f"TC, but the whole response has only {whole.size} octets"
    if not ours.tc and (ours.rcode, *map(sorted, ours.sections[:2])) != (whole.rcode, *map(sorted, whole.sections[:2])):
        return "without TC, but not the whole response"
    return None
