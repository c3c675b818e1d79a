"""The longer comparison: run.py N [--seed S] asks N questions in rounds of 20,000. `./test --differential N` calls it."""
import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Outcome, Round  # noqa: E402

QUESTIONS_A_ROUND = 20000


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--show", type=int, default=20, help="how many failures are shown in full")
    options = parser.parse_args()
    keep = Path(tempfile.mkdtemp(prefix="differential-"))
    total, number, problems = Outcome(), 0, []
    while total.asked < options.count:
        round_ = Round(options.seed, number, keep=keep)
        try:
            round_.start()
            outcome = round_.run(min(QUESTIONS_A_ROUND, options.count - total.asked))
        finally:
            problems += round_.close()
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
