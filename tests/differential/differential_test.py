"""20,000 questions with a fixed seed to ours and the peers; fewer under a sanitizer. The longer run is ./test --differential."""
import dataclasses
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generator import COSTLY, Question, Zone, labels_of, make_root_zones, wire_of  # noqa: E402
from harness import Round  # noqa: E402
from message import TYPES, Response  # noqa: E402
from habits import AT_ALIAS, RULES, A, Facts, is_denial, labels_of_wire  # noqa: E402
from rules import OURS, judge, judge_truncated  # noqa: E402

SEED = "understudy"
SANITIZED = any(word in os.environ.get("UNDERSTUDY_BIN_DIR", "") for word in ("asan", "tsan"))
QUESTIONS = 4000 if SANITIZED else 20000
SECONDS = 500


def compared(number, questions, **options):
    """The outcome of one round, without a failure."""
    def too_long(*_):
        raise TimeoutError(f"the comparison did not end within {SECONDS} s")
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    round_ = Round(SEED, number, keep=Path(tempfile.gettempdir()) / "differential-zones", **options)
    try:
        outcome = round_.start().run(questions)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        problems = round_.close()
    print(outcome.text())
    shown = "\n".join(text for _, text in outcome.failures[:20])
    assert not outcome.failures, f"{outcome.text()}\n{shown}"
    assert not problems, "\n".join(problems)
    assert outcome.asked == questions, outcome.text()
    return outcome


def test_same_answers_as_the_peers():
    outcome = compared(0, QUESTIONS)
    assert outcome.agreed > QUESTIONS * 0.9, outcome.text()
    assert outcome.proved > QUESTIONS / 5, outcome.text()
    excuse_no_other_faults(outcome.excused)


def test_same_answers_of_a_root_zone():
    """In servers of their own, as every name is within it."""
    assert compared("root", QUESTIONS // 20, make=make_root_zones).agreed > QUESTIONS / 20 * 0.7


STRAY = (wire_of((b"stray", b"invalid")), A, 60, b"\xc0\0\2\x09")


def faults(response):
    """The response with one fault more, in every way that no rule is about."""
    answer, authority, additional = response.sections

    def with_sections(*sections):
        return dataclasses.replace(response, sections=sections)
    yield with_sections([*answer, STRAY], authority, additional)
    yield with_sections(answer, [*authority, STRAY], additional)
    yield dataclasses.replace(response, rcode=5)
    if answer:
        owner, rdtype, ttl, rdata = answer[0]
        yield with_sections([(owner, rdtype, ttl + 1, rdata), *answer[1:]], authority, additional)
        at = 1 if rdtype in (TYPES["NS"], TYPES["CNAME"], TYPES["DNAME"]) else len(rdata) - 1  # a name stays one
        yield with_sections([(owner, rdtype, ttl, rdata[:at] + bytes([rdata[at] ^ 1]) + rdata[at + 1:]), *answer[1:]], authority, additional)


def faults_of_ours(response):
    """And in those that some rule allows a peer."""
    answer, authority, additional = response.sections
    yield from faults(response)
    yield dataclasses.replace(response, flags=response.flags ^ 0x0400)
    for sections in ([answer[1:], authority, additional], [answer, authority[1:], additional], [[], authority, additional],
                     [answer, [], additional]):
        if sections != [answer, authority, additional]:
            yield dataclasses.replace(response, sections=tuple(sections))


def excuse_no_other_faults(excused):
    """Whatever was excused, one fault more in ours, or in the peer's that the rule is about, is not."""
    assert len(excused) > QUESTIONS / 100
    for zone, question, answers in excused:
        ours = answers[OURS]
        for fault in faults_of_ours(ours):
            if "holes" in zone.denial and is_denial(set(ours.sections[1]) - set(fault.sections[1])) and fault.sections[1] != ours.sections[1]:
                continue  # a record less of a chain with holes
            assert judge(zone, question, {**answers, OURS: fault})[0] in ("fail", "undecided"), (question.text(), fault)
        if judge(zone, question, answers)[1] == COSTLY:
            continue  # no peer is a witness for ours there
        for peer, response in answers.items():
            if peer != OURS and not Facts(response).same(Facts(ours)):
                for fault in faults(response):
                    verdict = judge(zone, question, {**answers, peer: fault})
                    assert verdict[0] in ("fail", "undecided"), (question.text(), peer, verdict, fault)


# The judge itself: it must be able to say no.

APEX = (b"z", b"test")
NAME = wire_of((b"a", *APEX))
RECORD = (NAME, TYPES["A"], 300, b"\xc0\0\2\1")
TEXT = (NAME, TYPES["TXT"], 300, b"\1x")
SOA = (wire_of(APEX), TYPES["SOA"], 300, b"\0\0" + bytes(16) + (300).to_bytes(4, "big"))


def zone_with(*records, denial="unsigned", apex=APEX):
    zone = Zone(apex, denial)
    for owner, *_ in records:
        zone.records[labels_of_wire(owner)[:-len(apex)]] = []
    zone.take(records)
    return zone


ZONE = zone_with(SOA, RECORD, TEXT)


def response(answer=(RECORD,), *, rcode=0, flags=0x8400, size=100, additional=(), authority=()):
    return Response(flags, rcode, NAME + b"\0\1\0\1", (list(answer), list(authority), list(additional)), None, size)


def verdict(ours, knot=None, nsd=None, bind=None, rdtype="A", zone=ZONE):
    answers = {"knot": knot or response(), "nsd": nsd or response(), "bind": bind or response(), "understudy": ours}
    return judge(zone, Question("z.test.", NAME, TYPES[rdtype]), answers)


def test_the_judge_says_yes():
    assert verdict(response()) == ("same", "")
    assert verdict(response(), bind=response([RECORD, TEXT]), rdtype="ANY") == ("known", "B ANY is all")


def test_any_is_excused_for_the_whole_name_and_our_choice_only():
    everything = response([RECORD, TEXT])
    for ours, bind in [
        (response(), response([RECORD, TEXT, STRAY])),
        (response(), response([TEXT])),
        (response(), response([RECORD, TEXT], rcode=3)),
        (response(), response([RECORD, TEXT], authority=[SOA])),
        (response([TEXT]), everything),
        (response([RECORD, STRAY]), everything),
    ]:
        assert verdict(ours, ours, ours, bind, "ANY")[0] == "fail", (ours, bind)


def alias_zone():
    """`a` is an alias of `b`, which has an address."""
    target = wire_of((b"b", *APEX))
    alias, address = (NAME, TYPES["CNAME"], 300, target), (target, TYPES["A"], 300, b"\xc0\0\2\1")
    return zone_with(SOA, alias, address), alias


def test_nsec_at_an_alias_takes_a_second_question():
    zone, alias = alias_zone()
    followed, stayed = response([alias], authority=[SOA]), response([], authority=[SOA])
    assert verdict(followed, stayed, followed, stayed, "NSEC", zone) == ("known", AT_ALIAS)
    assert verdict(followed, stayed, stayed, stayed, "NSEC", zone)[0] == "fail", "NSD follows"
    assert verdict(followed, stayed, stayed, stayed, "NSEC3", zone)[0] == "fail", "only NSD stays"
    for wrong in (response([], authority=[STRAY]), response([], authority=[SOA], rcode=3), response([STRAY], authority=[SOA]), response([])):
        assert verdict(followed, wrong, followed, stayed, "NSEC", zone)[0] == "fail", wrong
    assert verdict(response([alias, STRAY], authority=[SOA]), stayed, followed, stayed, "NSEC", zone)[0] == "fail"
    assert verdict(followed, stayed, followed, stayed, "A", zone)[0] == "fail", "not of this type"


def family():
    """z.test, where `a` is an alias of a.c.z.test, and its child c.z.test with a wildcard; below the cut z.test has a name, too."""
    child_apex, target = (b"c", *APEX), wire_of((b"a", b"c", *APEX))
    alias, servers = (NAME, TYPES["CNAME"], 300, target), (wire_of(child_apex), TYPES["NS"], 300, NAME)
    parent = zone_with(SOA, alias, servers, (wire_of((b"n", *child_apex)), TYPES["A"], 300, bytes(4)))
    child_soa = (wire_of(child_apex), *SOA[1:])
    child = zone_with(child_soa, (wire_of((b"*", *child_apex)), TYPES["A"], 300, b"\xc0\0\2\7"), apex=child_apex)
    parent.relatives, child.relatives = [child], [parent]
    return parent, child, alias, servers, child_soa


def test_an_alias_into_another_zone():
    parent, child, alias, servers, child_soa = family()
    ours, ends = response([alias], authority=[servers]), response([alias])
    follows = response([alias, (alias[3], TYPES["A"], 300, b"\xc0\0\2\7")])
    assert verdict(ours, ours, follows, ends, zone=parent) == ("known", "alias into another zone")
    outside = (wire_of((b"ns", *APEX)), *STRAY[1:])
    for nsd, bind in [(response([STRAY]), ends), (response([alias, outside]), ends), (follows, response([alias], rcode=3)),
                      (follows, response([alias], authority=[servers, STRAY])), (follows, response([alias, STRAY])), (follows, response([]))]:
        assert verdict(ours, ours, nsd, bind, zone=parent)[0] == "fail", (nsd, bind)
    assert verdict(ends, ours, follows, ends, zone=parent)[0] == "fail", "Knot has no such habit"
    assert verdict(ours, follows, ours, ends, zone=parent)[0] == "fail"


def test_a_name_of_another_zone():
    parent, child, _, _, child_soa = family()
    for first, expected in ((b"n", "known"), (b"m", "fail")):
        name = wire_of((first, b"c", *APEX))
        question = Question("c.z.test.", name, TYPES["A"])
        made = dataclasses.replace(response([(name, TYPES["A"], 300, b"\xc0\0\2\7")]), question=name + b"\0\1\0\1")
        denied = dataclasses.replace(response([], authority=[child_soa]), question=made.question)
        answers = {"knot": made, "nsd": denied, "bind": made, OURS: made}
        assert judge(child, question, answers)[0] == expected
        if expected == "known":
            assert judge(child, question, {**answers, "knot": denied, "nsd": made})[0] == "fail"
            for fault in faults(denied):
                assert judge(child, question, {**answers, "nsd": fault})[0] == "fail", fault


def test_zero_octets_excuse_what_knot_may_find_only():
    star, zero = wire_of((b"*", *APEX)), wire_of((b"a\0", *APEX))
    wild = (star, TYPES["A"], 300, b"\xc0\0\2\7")
    below = (wire_of((b"x", b"a", *APEX)), TYPES["TXT"], 300, b"\1x")  # makes `a` an empty non-terminal
    ours, wrong = response([], authority=[SOA]), response([(NAME, *wild[1:])])
    with_zero = zone_with(SOA, wild, below, (zero, TYPES["TXT"], 300, b"\1x"))
    assert verdict(ours, wrong, ours, ours, zone=with_zero) == ("known", "K zero octets in labels")
    for other in (response([(NAME, TYPES["A"], 300, b"\xc0\0\2\x08")]), response([STRAY]), response([(NAME, *wild[1:])], rcode=2),
                  response([(NAME, *wild[1:])], authority=[STRAY]), response([], flags=0x8000)):
        assert verdict(ours, other, ours, ours, zone=with_zero)[0] == "fail", other
    assert verdict(ours, wrong, ours, ours, zone=zone_with(SOA, wild, below))[0] == "fail", "without such labels"
    assert verdict(ours, ours, wrong, ours, zone=with_zero)[0] == "fail", "NSD"


def test_peers_outnumber_what_only_one_says():
    loop = (NAME, TYPES["CNAME"], 300, NAME)
    zone = zone_with(SOA, loop)
    chain, failed = response([loop]), response([loop], rcode=2)
    assert verdict(chain, chain, chain, failed, zone=zone) == ("known", "B SERVFAIL for loops")
    assert verdict(failed, chain, chain, failed, zone=zone)[0] == "fail"


def test_the_judge_says_no():
    other = response([(NAME, TYPES["A"], 300, b"\xc0\0\2\2")])
    glue = (NAME, TYPES["AAAA"], 300, bytes(16))
    for ours, peers in [
        (other, {}),
        (response([(NAME, TYPES["A"], 301, RECORD[3])]), {}),
        (response([]), {}),
        (response(rcode=3), {}),
        (response(flags=0x8000), {}),
        (response(flags=0x8420), {}),
        (response([RECORD, RECORD]), {}),
        (response(size=513), {}),
        (response(additional=[glue]), {}),
        (response(), dict.fromkeys(("knot", "nsd", "bind"), response(additional=[glue]))),
        (response(), {"bind": other}),
        (other, {"bind": other}),
        (None, {}),
        (ValueError("cut off"), {}),
    ]:
        assert verdict(ours, **peers)[0] == "fail", (ours, peers)


def test_what_no_peer_adds_is_data_of_the_zone():
    """Without Knot, which has no zone with data below a DNAME, no peer adds what an MX points to."""
    def address(*labels):
        return (wire_of((*labels, *APEX)), TYPES["A"], 300, b"\xc0\0\2\7")
    plain, cut, below_cut, below_dname = address(b"m"), address(b"c"), address(b"m", b"c"), address(b"m", b"d")
    exchanges = [(NAME, TYPES["MX"], 300, b"\0\1" + target[0]) for target in (plain, cut, below_cut, below_dname)]
    above = address(b"e")  # of a name that is part of one pointed to
    exchanges.append((NAME, TYPES["MX"], 300, b"\0\1\1m" + above[0]))
    zone = zone_with(SOA, *exchanges, plain, above, cut, below_cut, below_dname, (cut[0], TYPES["NS"], 300, NAME),
                     (wire_of((b"d", *APEX)), TYPES["DNAME"], 300, NAME))

    def verdict_of(*additional, **peers):
        answers = {"nsd": response(exchanges), "bind": response(exchanges), OURS: response(exchanges, additional=additional), **peers}
        return judge(zone, Question("z.test.", NAME, TYPES["MX"]), answers)[0]
    assert verdict_of() == verdict_of(plain) == "same"
    assert verdict_of(plain, knot=response(exchanges)) == "fail", "Knot would add it"
    for wrong in ((*plain[:3], b"\xc0\0\2\x08"), (*plain[:2], 60, plain[3]), (plain[0], TYPES["AAAA"], 300, bytes(16)),
                  address(b"other"), above, cut, below_cut, below_dname):
        assert verdict_of(wrong) == verdict_of(plain, wrong) == "fail", wrong


def test_truncation_is_judged_by_the_whole_response():
    question = Question("z.test.", NAME, TYPES["A"])
    cut = response([], flags=0x8600)
    assert judge_truncated(question, cut, response(size=600)) is None
    assert judge_truncated(question, cut, response(size=512)) is not None
    assert judge_truncated(question, response(), response(size=512)) is None
    assert judge_truncated(question, response([]), response(size=512)) is not None


def test_every_rule_is_documented_and_no_other():
    text = (Path(__file__).resolve().parents[2] / "doc" / "interop.md").read_text().split("## Differential runs")[1]
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ") and not line.startswith("| rule")]
    documented = {name.strip(" *") for cell in first for name in re.split(r", (?=[KNBP] )", cell)}
    assert documented == {name for _, name, _ in RULES} | {COSTLY}


def test_labels():
    assert labels_of("a.z.test.") == (b"a", *APEX)
