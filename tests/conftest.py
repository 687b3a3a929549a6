"""What all tests share: the invented market, real Lean's recordings where they are at hand, and repeatable examples."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import settings

from tests.engine_fixtures import equal_of_all

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT.parent / "shared" / "lean-golden" / "sample" / "data"
BEGUN = pytest.StashKey[float]()

settings.register_profile("workbench", deadline=None, derandomize=True)
settings.load_profile("workbench")


@pytest.fixture(scope="session")
def invented() -> Path:
    """The invented market: eight stocks, 2019 and 2020, as a Lean data folder."""
    return ROOT / "data" / "fixtures" / "market"


@pytest.fixture(scope="session")
def golden_sample() -> Path:
    """Lean's own sample data, which is not part of the project."""
    if not SAMPLE.is_dir():
        pytest.skip(f"Lean's sample data is not at {SAMPLE}: nothing to compare with")
    return SAMPLE


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """With WORKBENCH_NO_SKIPS, in continuous integration, a skipped test has failed: it looked at nothing."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("WORKBENCH_NO_SKIPS") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped ({report.longrepr}), and here nothing may be"


def pytest_sessionstart(session: pytest.Session) -> None:
    """When the tests began."""
    session.config.stash[BEGUN] = time.monotonic()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where something was compared with real Lean, how much of it was equal, and the time; also from several processes."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ())]
    equal = equal_of_all(one for report in reports if report.when == "call" for one in report.user_properties)
    if equal:
        seconds = time.monotonic() - terminalreporter.config.stash[BEGUN]
        terminalreporter.section("compared with real Lean")
        terminalreporter.write_line(f"equal: {equal}; {seconds:.0f} s")
