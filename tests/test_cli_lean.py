"""The command line with a Lean on this machine (a stand-in for it), and the commands around paper and live."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.standin_fixtures import Lean, lean  # noqa: F401 (the fixture)

UNTIL = "2020-02-03"


@pytest.fixture
def workbench(tmp_path: Path, lean: Lean):        # noqa: F811
    """The command in a project of its own, with a Lean that its settings name."""
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        import os

        given = os.environ | {"WORKBENCH_LEAN": str(lean.folder), "WORKBENCH_DATA": "data/fixtures"} | environment
        return subprocess.run([sys.executable, "-m", "workbench.cli", *arguments], cwd=tmp_path / "p", env=given, text=True,
                              capture_output=True, timeout=120, check=False)

    subprocess.run([sys.executable, "-m", "workbench.cli", "init", str(tmp_path / "p")], check=True, capture_output=True)
    return run


def test_a_backtest_by_lean_is_a_backtest(workbench):
    """The same table as by the embedded engine; asked again, it is found; Lean's own files say nothing else."""
    ours = workbench("run", "--until", UNTIL, "--json")
    theirs = workbench("run", "--until", UNTIL, "--engine", "lean", "--json")
    again = workbench("run", "--until", UNTIL, "--engine", "lean", "--json")

    assert theirs.returncode == 0, theirs.stderr
    assert json.loads(theirs.stdout) == json.loads(ours.stdout) == json.loads(again.stdout)
    assert "found: it had been run before" in again.stderr
    assert "Lean's own files" not in theirs.stderr


def test_the_log_is_shown_as_it_is_written(workbench):
    """Each line with its level; without the option, errors alone."""
    done = workbench("run", "--until", UNTIL, "--engine", "lean", "--log")

    assert "TRACE Engine.Main(): LEAN ALGORITHMIC TRADING ENGINE" in done.stderr
    assert "Analysis Completed and Results Posted" in done.stderr


def test_the_execute_notebook_has_the_same_choice(workbench):
    """By Lean, in a kernel of its own."""
    done = workbench("notebook", "3_execute", "-p", "engine=lean", "-p", f"until={UNTIL}")
    ran = json.loads(workbench("sql", "select engine, mode from runs", "--json").stdout)

    assert done.returncode == 0, done.stderr
    assert ran == [{"engine": "lean", "mode": "backtest"}]


def test_two_engines_are_compared_in_one_command(workbench, tmp_path):
    """Every line of both journals; exit code 0 where they are equal; a page where one is wanted."""
    done = workbench("compare", "--until", UNTIL, "--html", str(tmp_path / "page.html"))

    assert done.returncode == 0, done.stderr
    assert "equal" in done.stderr.splitlines()[1]
    assert (tmp_path / "page.html").stat().st_size > 10_000
    assert workbench("compare", "--until", UNTIL, "--engines", "lean").returncode == 2


@pytest.mark.parametrize(("fault", "error", "said"), [
    ("runtime-error", "AlgorithmFailed", "intent_execution.py:"),
    ("no-data", "NoMarketData", "equity/usa/daily/"),
    ("crash", "EngineFailed", "no result"),
])
def test_how_lean_failed_is_said_in_one_line(workbench, fault, error, said):
    """The kind of failure, Lean's own words and the place; exit code 5; the attempt is kept as failed."""
    done = workbench("run", "--until", UNTIL, "--engine", "lean", STANDIN_FAULT=fault)
    kept = json.loads(workbench("sql", "select state from attempts", "--json").stdout)

    assert done.returncode == 5
    line = next(line for line in done.stderr.splitlines() if line.startswith(error))
    assert said in line
    assert kept == [{"state": "failed"}]


def test_without_lean_it_is_said_how_to_get_it(workbench, tmp_path):
    """Exit code 9, before anything is recorded."""
    done = workbench("run", "--until", UNTIL, "--engine", "lean", WORKBENCH_LEAN="", PATH="/nowhere", HOME=str(tmp_path))

    assert done.returncode == 9
    assert "docker pull" in done.stderr
    assert not list((tmp_path / "p" / "data" / "fixtures").glob("runs/*"))


def test_paper_and_live_are_for_today(workbench):
    """The recorded decisions are of 2020: nothing is started, and what to do is said."""
    done = workbench("run", "--mode", "paper")

    assert done.returncode == 2
    assert "the decision is for 2020-06-01" in done.stderr
    assert workbench("run", "--mode", "live", "--dry-run").returncode == 2
    assert workbench("run").returncode == 2


def test_live_is_allowed_then_armed_then_disarmed(workbench):
    """Each step by hand, and only for a live account."""
    forbidden, paper = workbench("arm", "U1234567"), workbench("arm", "DU1234567", WORKBENCH_ALLOW_LIVE="true")
    armed = workbench("arm", "u1234567", "--hours", "2", WORKBENCH_ALLOW_LIVE="true")
    disarmed = workbench("disarm", "U1234567")

    assert (forbidden.returncode, paper.returncode) == (10, 10)
    assert "allow_live" in forbidden.stderr
    assert armed.returncode == 0
    assert "U1234567 is armed until" in armed.stderr
    assert "disarmed" in disarmed.stderr
    assert "was not armed" in workbench("disarm", "U1234567").stderr
    assert workbench("disarm").returncode == 2


def test_the_kill_switch_stops_everything_until_a_person_says_so(workbench):
    """Even where nothing is at work, and even where a run id is misspelt: nothing may start after it."""
    killed, misspelt = workbench("kill", "--why", "a test"), workbench("kill", "rffff")
    armed = workbench("arm", "U1234567", WORKBENCH_ALLOW_LIVE="true")
    cleared = workbench("disarm", "--clear-stop")

    assert killed.returncode == 0
    assert "nothing was at work" in killed.stderr
    assert misspelt.returncode != 0
    assert armed.returncode == 10
    assert "trading was stopped" in armed.stderr
    assert "may begin again" in cleared.stderr
    assert workbench("arm", "U1234567", WORKBENCH_ALLOW_LIVE="true").returncode == 0


def test_a_run_is_watched_to_its_end(workbench):
    """Its last state, its orders and how far each is; as JSON, one line a look."""
    run_id = workbench("run", "--until", UNTIL, "--engine", "lean").stderr.split("run ")[-1].split(",")[0]
    table, lines = workbench("watch", run_id), workbench("watch", run_id[:6], "--json")
    last = json.loads(lines.stdout.splitlines()[-1])

    assert "completed" in table.stdout
    assert last["state"] == "completed"
    assert {order["status"] for order in last["orders"]} == {"FILLED"}


def test_what_became_of_an_order_is_said_of_one_that_was_sent(workbench):
    """One of the two answers, and of an order that the run knows."""
    run_id = workbench("run", "--until", UNTIL).stderr.split("run ")[-1].split(",")[0]

    assert workbench("resolve", run_id, "s1-ALFA.1").returncode == 2
    assert workbench("resolve", run_id, "s1-ALFA.1", "--filled", "1", "--cancelled").returncode == 2
    assert workbench("resolve", run_id, "s1-ALFA.1", "--cancelled").returncode == 3
