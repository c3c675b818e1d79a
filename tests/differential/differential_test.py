"""20,000 questions with a fixed seed to ours and three peers; fewer under a sanitizer. The longer run is ./test --differential."""
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generator import Question, Zone, labels_of, wire_of  # noqa: E402
from harness import Round  # noqa: E402
from message import TYPES, Response  # noqa: E402
from rules import RULES, judge, judge_truncated  # noqa: E402

SEED = "understudy"
SANITIZED = any(word in os.environ.get("UNDERSTUDY_BIN_DIR", "") for word in ("asan", "tsan"))
QUESTIONS = 4000 if SANITIZED else 20000
SECONDS = 500


def test_same_answers_as_three_peers():
    def too_long(*_):
        raise TimeoutError(f"the comparison did not end within {SECONDS} s")
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    round_ = Round(SEED, 0, keep=Path(tempfile.gettempdir()) / "differential-zones")
    try:
        outcome = round_.start().run(QUESTIONS)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        problems = round_.close()
    print(outcome.text())
    shown = "\n".join(text for _, text in outcome.failures[:20])
    assert not outcome.failures, f"{outcome.text()}\n{shown}"
    assert not problems, "\n".join(problems)
    assert outcome.asked == QUESTIONS and outcome.agreed > QUESTIONS * 0.9, outcome.text()


# The judge itself: it must be able to say no.

APEX = (b"z", b"test")
NAME = wire_of((b"a", *APEX))
RECORD = (NAME, TYPES["A"], 300, b"\xc0\0\2\1")


def response(answer=(RECORD,), *, rcode=0, flags=0x8400, size=100, additional=()):
    return Response(flags, rcode, NAME + b"\0\1\0\1", (list(answer), [], list(additional)), None, size)


def verdict(ours, knot=None, nsd=None, bind=None, rdtype="A"):
    answers = {"knot": knot or response(), "nsd": nsd or response(), "bind": bind or response(), "understudy": ours}
    return judge(Zone(APEX, "unsigned"), Question("z.test.", NAME, TYPES[rdtype]), answers)


def test_the_judge_says_yes():
    assert verdict(response()) == ("same", "")
    everything = response([RECORD, (NAME, TYPES["TXT"], 300, b"\1x")])
    assert verdict(response(), bind=everything, rdtype="ANY") == ("known", "B ANY is all")


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
    documented = {name.strip() for cell in first for name in re.split(r", (?=[KNB] )", cell)}
    assert documented == {name for _, name, _ in RULES}


def test_labels():
    assert labels_of("a.z.test.") == (b"a", *APEX)
