"""Fixtures of the scenario tests: a stage for each test, its logs on failure, and a time limit for each test."""
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from lib.process import Stage  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes more than five seconds or so; -m 'not long' leaves it out")
    config.addinivalue_line("markers", "limit(seconds): time limit of this test; default 90")


@pytest.fixture
def stage(request):
    """Owns whatever the test starts; everything is ended here, also when the test fails or hangs."""
    made = Stage()
    seconds = request.node.get_closest_marker("limit")
    seconds = seconds.args[0] if seconds else 90

    def too_long(*_):
        raise TimeoutError(f"the test did not end within {seconds} s")
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    request.node.stage = made
    try:
        yield made
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        problems = made.close()
        request.node.server_logs = list(made.logs())
        made.remove()
    assert not problems, "\n".join(problems)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds every server's log to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    logs = getattr(item, "server_logs", None)
    if logs is None and hasattr(item, "stage"):
        logs = list(item.stage.logs())
    for name, text in logs or []:
        report.sections.append((f"log of {name}", text))
