"""Runs the unit tests and the scenario tests of one built preset, several at a time, and counts every test case.

Called by ./test, which installs and builds first. A GoogleTest program or a pytest file is one job with one line of
output; what a failing job printed is shown in full. The last line is the summary `N passed, N failed`.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"  # another python earlier in PATH would lack Debian's dnspython and pytest
JOB_SECONDS = 600  # a job that takes longer hangs


@dataclass
class Job:
    name: str
    kind: str  # "unit" or "scenario"
    command: list
    report: Path  # the JUnit-like XML that the job writes
    complete: bool = True  # False if a filter may leave the job without any test


@dataclass
class Outcome:
    job: Job
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: list = field(default_factory=list)  # of skipping
    seconds: float = 0.0
    output: str = ""
    notes: list = field(default_factory=list)
    failing: list = field(default_factory=list)  # names of the failed cases, as the job's own filter wants them


def arguments():
    parser = argparse.ArgumentParser(
        prog="./test",
        description="Installs what is missing, builds what changed, runs every unit and scenario test and closes with "
        "'N passed, N failed'.",
    )
    parser.add_argument("--preset", default="release", help="the CMake preset: release (default), debug, asan or tsan")
    subset = parser.add_mutually_exclusive_group()
    subset.add_argument("--unit", action="store_true", help="only the GoogleTest programs")
    subset.add_argument("--scenarios", action="store_true", help="only the pytest files")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        help="only tests whose program, file or test name contains PATTERN (or matches it, if it has a * or ?)",
    )
    subset.add_argument("--differential", type=int, metavar="N", help="only ask N questions of us, Knot, NSD, BIND and PowerDNS and compare")
    parser.add_argument("--seed", default="1", help="of --differential: other zones and questions (default 1)")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="jobs at a time")
    return parser.parse_args()


def test_programs(build):
    """The test programs that the current CMake files name; older ones may lie in the folder too."""
    targets = subprocess.run(
        ["ninja", "-C", str(build), "-t", "targets", "all"], capture_output=True, text=True, check=True
    ).stdout
    return sorted(set(re.findall(r"^bin/(test_\w+):", targets, re.MULTILINE)))


def test_files():
    tests = ROOT / "tests"
    return sorted(set(tests.rglob("*_test.py")) | set(tests.rglob("test_*.py")))


def matches(pattern, name):
    if any(c in pattern for c in "*?"):
        return fnmatch.fnmatch(name, pattern)
    return pattern in name


def unit_jobs(build, results, only):
    jobs = []
    for program in test_programs(build):
        report = results / f"{program}.xml"
        command = [str(build / "bin" / program), f"--gtest_output=xml:{report}"]
        whole = only is None or matches(only, program)
        if not whole:
            command.append(f"--gtest_filter=*{only}*")
        jobs.append(Job(program, "unit", command, report, complete=whole))
    return jobs


def scenario_jobs(results, only):
    jobs = []
    for path in test_files():
        name = str(path.relative_to(ROOT))
        report = results / f"{name.replace('/', '.')}.xml"
        command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", f"--junit-xml={report}"]
        whole = only is None or matches(only, name)
        if not whole:
            command += ["-k", " ".join(re.findall(r"\w+", only)) or only]
        jobs.append(Job(name, "scenario", command + [str(path)], report, complete=whole))
    return jobs


def environment(build, reports):
    """What the jobs see: where the binaries are, and sanitizers that write their findings where none is overlooked."""
    env = dict(os.environ)
    common = f"log_path={reports}/report:print_stacktrace=1"
    env["UNDERSTUDY_BIN_DIR"] = str(build / "bin")
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    env["ASAN_OPTIONS"] = f"{common}:detect_stack_use_after_return=1:strict_string_checks=1"
    env["UBSAN_OPTIONS"] = f"{common}:halt_on_error=1"
    env["TSAN_OPTIONS"] = f"{common}:halt_on_error=1:second_deadlock_stack=1"
    symbolizer = Path("/usr/lib/llvm-19/bin/llvm-symbolizer")
    if symbolizer.exists():
        for name in ("ASAN", "TSAN", "UBSAN"):
            env[f"{name}_SYMBOLIZER_PATH"] = str(symbolizer)
    return env


class Runner:
    """Runs jobs on a few threads. Every job is its own process group, so that nothing outlives an interrupted run."""

    def __init__(self, env):
        self._env = env
        self._lock = threading.Lock()
        self._groups = set()  # guarded by _lock
        self._stopping = False  # guarded by _lock

    def run(self, job):
        started = time.monotonic()
        job.report.unlink(missing_ok=True)
        with self._lock:
            if self._stopping:
                return Outcome(job)
            try:
                process = self._start(job.command)
            except OSError as error:  # the program was not built
                return Outcome(job, failed=1, notes=[str(error)])
            self._groups.add(process.pid)
        timed_out = False
        try:
            output, _ = process.communicate(timeout=JOB_SECONDS)
        except subprocess.TimeoutExpired:
            timed_out = True
            self._kill(process.pid)
            output, _ = process.communicate()
        with self._lock:
            self._groups.discard(process.pid)
        outcome = Outcome(job, output=output)
        judge(outcome, process.returncode, timed_out)
        outcome.seconds = time.monotonic() - started
        return outcome

    def _start(self, command):
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._env,
            cwd=ROOT,
            start_new_session=True,
        )

    def stop(self):
        with self._lock:
            self._stopping = True
            for group in self._groups:
                self._kill(group)

    @staticmethod
    def _kill(group):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass


def judge(outcome, status, timed_out):
    """Counts the test cases; whatever went wrong outside of a test case counts as one failed case more."""
    job = outcome.job
    reported = count_report(outcome, job.report)
    if timed_out:
        outcome.failed += 1
        outcome.notes.append(f"killed after {JOB_SECONDS} s")
    elif status < 0:
        outcome.failed += 1
        outcome.notes.append(f"killed by {signal.Signals(-status).name}")
        if not reported:  # GoogleTest writes its report at the end only
            outcome.passed += len(re.findall(r"^\[       OK \]", outcome.output, re.MULTILINE))
    elif job.kind == "scenario" and status == 5 and not job.complete:
        pass  # pytest: the filter leaves no test
    elif status != 0 and outcome.failed == 0:
        outcome.failed += 1
        outcome.notes.append(f"exit status {status}")
    elif not reported:
        outcome.failed += 1
        outcome.notes.append("wrote no report")
    elif job.complete and outcome.passed + outcome.failed + outcome.skipped == 0:
        outcome.failed += 1
        outcome.notes.append("has no test")


def count_report(outcome, report):
    try:
        cases = ElementTree.parse(report).getroot().iter("testcase")
    except (OSError, ElementTree.ParseError):
        return False
    for case in cases:
        if case.get("status") == "notrun":
            continue  # GoogleTest: left out by the filter, or disabled
        if case.find("failure") is not None or case.find("error") is not None:
            outcome.failed += 1
            outcome.failing.append(case_name(outcome.job, case))
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            outcome.skipped += 1
            said = case.find("skipped")
            reason = said.get("message", "").split("\n")[-1] if said is not None else ""
            if reason and reason not in outcome.reasons:
                outcome.reasons.append(reason)
        else:
            outcome.passed += 1
    return True


def case_name(job, case):
    return f"{case.get('classname')}.{case.get('name')}" if job.kind == "unit" else case.get("name")


def second_try(outcome, runner):
    """Runs failed cases once more, alone: on a busy machine a case that measures time may fail for want of a core.

    What passes then counts as passed and is named, so that it is seen. Crashes, hangs and sanitizer findings get no
    second chance.
    """
    job = outcome.job
    if outcome.notes != [] or len(outcome.failing) != outcome.failed or len(outcome.failing) > 5:
        return
    report = job.report.with_suffix(".second.xml")
    if job.kind == "unit":
        command = [job.command[0], f"--gtest_output=xml:{report}", f"--gtest_filter={':'.join(outcome.failing)}"]
    else:
        path = job.command[-1]
        command = [part if not part.startswith("--junit-xml") else f"--junit-xml={report}" for part in job.command[:-1]]
        command += [f"{path}::{name}" for name in outcome.failing]
    again = runner.run(Job(job.name, job.kind, command, report))
    if again.failed == 0 and again.passed == len(outcome.failing):
        outcome.passed += again.passed
        outcome.failed = 0
        print(f"second try: passed alone: {job.name}: {', '.join(outcome.failing)}", flush=True)


class Ledger:
    """How long each job took the last time: the longest start first, so that no long one runs alone at the end."""

    def __init__(self, path):
        self._path = path
        try:
            self._seconds = json.loads(path.read_text())
        except (OSError, ValueError):
            self._seconds = {}

    def order(self, jobs):
        return sorted(jobs, key=lambda job: -self._seconds.get(job.name, 1e9))

    def note(self, outcome):
        self._seconds[outcome.job.name] = round(outcome.seconds, 1)

    def save(self):
        self._path.write_text(json.dumps(self._seconds, indent=1, sort_keys=True))


def counts_text(passed, failed, skipped):
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def show(outcome):
    if outcome.passed + outcome.failed + outcome.skipped == 0:
        return  # the filter left nothing
    bad = outcome.failed > 0
    notes = f" ({'; '.join(outcome.notes)})" if outcome.notes else ""
    counts = counts_text(outcome.passed, outcome.failed, outcome.skipped)
    print(f"{'FAIL' if bad else 'ok':<5}{outcome.job.name:<44} {counts}, {outcome.seconds:.1f} s{notes}", flush=True)
    for reason in outcome.reasons:
        print(f"     SKIPPED: {reason}", flush=True)
    if bad:
        # A passing case is a RUN line followed by its OK line; what is left is about the others.
        passing = r"^\[ RUN      \] (\S+)\n\[       OK \] \1 .*\n"
        print(re.sub(passing, "", outcome.output, flags=re.MULTILINE).rstrip(), flush=True)
        print(f"----- end of {outcome.job.name}", flush=True)


def sanitizer_findings(reports):
    """Servers that a scenario started write here what the sanitizers found, even if the scenario did not notice."""
    for report in sorted(reports.iterdir()):
        print(f"FAIL sanitizer report {report.name}\n{report.read_text(errors='replace').rstrip()}", flush=True)
    return len(list(reports.iterdir()))


def run_all(jobs, options, build, reports):
    runner = Runner(environment(build, reports))
    ledger = Ledger(build / "test-seconds.json")
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        try:
            # Scenarios measure times, so they do not share the cores with unit tests.
            for kind in ("unit", "scenario"):
                waiting = [pool.submit(runner.run, job) for job in ledger.order([j for j in jobs if j.kind == kind])]
                for done in concurrent.futures.as_completed(waiting):
                    outcome = done.result()
                    outcomes.append(outcome)
                    ledger.note(outcome)
                    show(outcome)
            if not any(reports.iterdir()):
                for outcome in [o for o in outcomes if o.failed]:
                    second_try(outcome, runner)
        except BaseException:
            runner.stop()
            raise
    ledger.save()
    return outcomes


def differential(options, build, reports):
    """The long comparison, whose output is its own (tests/differential/run.py)."""
    command = [PYTHON, str(ROOT / "tests/differential/run.py"), str(options.differential), "--seed", options.seed]
    status = subprocess.run(command, env=environment(build, reports), cwd=ROOT).returncode
    found = sanitizer_findings(reports)
    failed = int(status != 0) + found
    print(counts_text(1 - int(status != 0), failed, 0))
    return 0 if failed == 0 else 1


def fresh_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, interrupt)
    build = ROOT / "build" / options.preset
    results = fresh_folder(build / "test-results")
    reports = fresh_folder(build / "sanitizer-reports")
    if options.differential:
        return differential(options, build, reports)
    jobs = []
    if not options.scenarios:
        jobs += unit_jobs(build, results, options.only)
    if not options.unit:
        jobs += scenario_jobs(results, options.only)
    outcomes = run_all(jobs, options, build, reports)

    passed = sum(o.passed for o in outcomes)
    failed = sum(o.failed for o in outcomes) + sanitizer_findings(reports)
    skipped = sum(o.skipped for o in outcomes)
    if passed + failed == 0:
        print("no test was run", file=sys.stderr)
    bad = [o.job.name for o in outcomes if o.failed]
    if bad:
        print("failed: " + ", ".join(sorted(bad)))
    print(counts_text(passed, failed, skipped))
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
