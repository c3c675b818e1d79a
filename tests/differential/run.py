"""The longer comparison: run.py N [--seed S] asks N questions in rounds of 20,000. `./test --differential N` calls it."""
import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generator import make_root_zones  # noqa: E402
from harness import Outcome, Round  # noqa: E402

QUESTIONS_A_ROUND, OF_THE_ROOT = 20000, 1000


def run_round(seed, number, count, keep, problems):
    """Asks `count` questions, some of them of a root zone, which takes servers of its own."""
    outcome, of_root = Outcome(), min(OF_THE_ROOT, count // 10)
    for round_, share in ((Round(seed, number, keep=keep), count - of_root),
                          (Round(seed, f"{number}/root", keep=keep, make=make_root_zones), of_root)):
        try:
            if share:
                outcome.add(round_.start().run(share))
        finally:
            problems += round_.close()
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--show", type=int, default=20, help="how many failures are shown in full")
    options = parser.parse_args()
    keep = Path(tempfile.mkdtemp(prefix="differential-"))
    total, number, problems = Outcome(), 0, []
    while total.asked < options.count:
        outcome = run_round(options.seed, number, min(QUESTIONS_A_ROUND, options.count - total.asked), keep, problems)
        number += 1
        print(f"round {number}: {outcome.text().splitlines()[0]}", flush=True)
        total.add(outcome)
    for _, text in total.failures[:options.show]:
        print(text)
    print(total.text())
    for problem in problems:
        print(problem)
    if not total.failures:
        keep.rmdir()
    return 1 if total.failures or problems else 0


if __name__ == "__main__":
    sys.exit(main())
