"""Judges the responses to one question.

Ours must say the same as at least one of the peers, and every peer that says something else must have a known reason:
a rule of habits.py that applies to this very question and to this very difference. A difference without a rule is a
failure, and so is a response of ours that no peer gives, or fewer than give another one. What goes along in the
additional section is held against the peers that agree, too.
"""
import struct

from generator import COSTLY, wire_of
from habits import (A, AAAA, ANY, ASK_AGAIN, DENIAL, DNAME, HTTPS, LIKE_OURS, MX, NAPTR, NO_VOTE, NS, RRSIG, RULES, SRV, SVCB, Case, Facts,
                    covered, is_within, labels_of_wire, server_of)
from proofs import needed_proof

OURS = "understudy"
SERVFAIL, UNSUPPORTED_ITERATIONS = 2, 27  # RFC 9276
SIGNATURE = 120  # octets, about, of an RRSIG record: it comes with its RRset or keeps it out
UDP_LIMIT = 1232  # what every server here is limited to, whatever the question allows


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


def octets_of(record, zone, question):
    """What the RRset of `record` takes with its signatures, as far as it is asked for."""
    zones = (zone, *zone.relatives)
    rrset = next((s for z in zones if record in (s := z.contents.get(record[0], {}).get(record[1], ()))), {record})
    return sum(12 + len(r[3]) for r in rrset if r[1] != RRSIG or question.do)


def additional_fault(ours, agreeing, others, room, all_had_room, octets, is_choice, is_owner):
    """What all agreeing peers add must be there if there is `room` for it, but for what Knot and NSD make from wildcards, and
    nothing that no peer adds if they could have, but for what `is_choice` says of."""
    sections = [peer.additional for peer in agreeing]
    missing = {r for r in frozenset.intersection(*sections) - ours.additional if is_owner(r[0])}
    signed = {(r[0], struct.unpack_from("!H", r[3])[0]) for r in ours.additional if r[1] == RRSIG}
    mine = {r for r in ours.additional if r[1] != RRSIG}
    if not signed <= {(r[0], r[1]) for r in mine}:
        return "a signature in the additional section without its records"
    known = frozenset.union(*sections, *(peer.additional | peer.answer for peer in others))
    extra = {r for r in mine - known if not is_choice(r)}
    needed = min((octets(r) for r in missing if r[1] != RRSIG), default=SIGNATURE)
    return "additional records are missing" if missing and needed <= room else "additional records that no peer sends" if extra and all_had_room else None


def is_hidden(zone, owner):
    """At or below a cut of the zone, or below a DNAME: no data of it that goes along with an answer."""
    if not is_within(owner, zone.lower_apex):
        return True
    for i in range(len(owner) - len(zone.lower_apex) + 1):
        types = zone.contents.get(wire_of(owner[i:]), {})
        if (NS in types and owner[i:] != zone.lower_apex) or (DNAME in types and i > 0):
            return True
    return False


def points_to(rdtype, rdata, owner):
    """Whether a record of one of the services has this name as its target."""
    at = {MX: 2, SRV: 6, SVCB: 2, HTTPS: 2, NAPTR: 4}[rdtype]
    for _ in range(3 if rdtype == NAPTR else 0):  # flags, services, regular expression
        at += 1 + rdata[at]
    return rdata[at:].lower().startswith(owner)


def is_of_service(zone, record, answer, services):
    """A choice of ours: what NAPTR, SVCB and HTTPS records point to goes along (RFC 3403 section 4.1, RFC 9460 section 4.1),
    if the zone that they are from has it."""
    if record[1] not in (A, AAAA, SRV, SVCB, HTTPS):
        return False
    sources = [server_of(zone, labels_of_wire(owner)) for owner, rdtype, _, rdata in answer
               if rdtype in services and points_to(rdtype, rdata, record[0])]
    return any(source and record in source.contents.get(record[0], {}).get(record[1], ())
               and not is_hidden(source, labels_of_wire(record[0])) for source in sources)


def proof_fault(zone, question, ours):
    """Ours must prove what it says by just the records that this takes, whatever the peers do."""
    needed = needed_proof(zone, question)
    sent = {r for r in ours.authority if covered(r) in DENIAL}
    if needed is None or sent == needed:
        return None
    return "records of a proof are missing" if needed - sent else "records of a proof that are not needed"


def limit_of(question):
    return None if question.tcp else min(max(question.size or 512, 512), UDP_LIMIT)


def extended_errors(wire):
    """The codes of the extended errors in the options of an OPT record (RFC 8914)."""
    codes, at = [], 0
    while at + 4 <= len(wire):
        code, length = struct.unpack_from("!HH", wire, at)
        if code == 15:
            codes.append(struct.unpack_from("!H", wire, at + 4)[0])
        at += 4 + length
    return codes


def judge_costly(zone, question, answers):
    """A proof by more iterations than ours makes: SERVFAIL with nothing but the reason (RFC 9276 section 3.2). What the peers
    say is held against each other."""
    ours = answers[OURS]
    fault = malformed(question, ours, limit_of(question))
    if fault:
        return "fail", fault
    if ours.rcode != SERVFAIL or ours.aa or any(ours.sections) or extended_errors(ours.edns[2]) != [UNSUPPORTED_ITERATIONS]:
        return "fail", "a proof by too many iterations that is not SERVFAIL"
    peers = [peer for peer in answers if peer != OURS]
    alike = any(judge_proved(zone, question, {**answers, OURS: answers[peer]})[0] != "fail" for peer in peers)
    return ("known", COSTLY) if alike else ("fail", "the peers differ about a costly proof")


def judge(zone, question, answers, to_any=False):
    """As judge_proved(), but ours may refuse a proof that costs too much, and must."""
    if COSTLY in zone.oddities and needed_proof(zone, question):
        return judge_costly(zone, question, answers)
    return judge_proved(zone, question, answers, to_any)


def judge_proved(zone, question, answers, to_any=False):
    """("same" | "known" | "undecided" | "fail", why). Nothing here may be truncated; see judge_truncated(). Undecided is what
    all peers are excused from by a choice of ours: it takes another question. `to_any`: ours is asked for ANY, where nothing
    goes along, the others for what it chose."""
    fault = malformed(question, answers[OURS], limit_of(question))
    if fault:
        return "fail", fault
    ours, agreeing, others, names, votes = Facts(answers[OURS]), [], [], set(), []
    fault = proof_fault(zone, question, ours)
    if fault:
        return "fail", fault
    for peer, response in answers.items():
        if peer == OURS:
            continue
        if response is None or isinstance(response, ValueError):
            return "fail", f"{peer}: no readable response"
        facts = Facts(response)
        if ours.same(facts):
            agreeing.append(facts)
            continue
        case = Case(zone, question, ours, facts)
        name = next((n for who, n, applies in RULES if who == peer and applies(case)), None)
        if name is None:
            return "fail", f"{peer} differs in {', '.join(case.differing)}"
        names.add(name)
        if name in LIKE_OURS:
            agreeing.append(facts)
            continue
        others.append(facts)
        if name not in NO_VOTE:
            votes.append(facts)
    if not agreeing:
        return ("undecided" if names & ASK_AGAIN else "fail"), f"no peer says what we say ({' + '.join(sorted(names))})"
    if any(sum(a.same(b) for b in votes) > len(agreeing) for a in votes):
        return "fail", f"more peers agree on something else ({' + '.join(sorted(names))})"
    limit = limit_of(question)
    room = limit - answers[OURS].size if limit else 65535
    all_had_room = limit is None or all(r.size + 2 * SIGNATURE <= limit for r in answers.values())
    services = (NAPTR, SVCB, HTTPS) if "knot" in answers else (NAPTR, SVCB, HTTPS, MX, SRV)  # the others add nothing
    fault = additional_fault(ours, agreeing, others, 0 if to_any or question.rdtype == ANY else room, all_had_room,
                             lambda record: octets_of(record, zone, question),
                             lambda record: is_of_service(zone, record, ours.answer, services),
                             lambda owner: any(owner in z.contents for z in (zone, *zone.relatives)))
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
