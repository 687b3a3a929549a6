"""The launcher seam: an engine is a supervised child, and its attempt is judged by what it left."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from tests.engine_fixtures import GOLDEN
from workbench.engines import base
from workbench.engines import outcome as outcomes
from workbench.errors import EngineFailed, UnknownName

ALGORITHM = """
from AlgorithmImports import *
import time
from journal import Journal
from datetime import UTC, datetime

class Probe(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2019, 3, 1)
        self.set_end_date(2019, 3, 8)
        self.add_equity("ALFA", Resolution.DAILY)
        self.lines = Journal(self.get_parameter("journal-path"), run_id="r1", attempt=1, live=False, now=lambda: datetime.now(UTC))

    def on_data(self, data):
        {body}

    def on_end_of_algorithm(self):
        self.lines.close(self.utc_time)
"""


@pytest.fixture
def prepared(tmp_path, invented):
    """A config for a small algorithm; returns its path, given the body of `on_data`."""
    def prepare(body="pass"):
        algorithm = tmp_path / "probe.py"
        algorithm.write_text(ALGORITHM.format(body=body))
        (tmp_path / "lean.json").write_text(json.dumps({
            "algorithm-language": "Python", "algorithm-location": str(algorithm), "algorithm-id": "r1-1",
            "data-folder": str(invented), "results-destination-folder": str(tmp_path / "results"),
            "python-additional-paths": [str(base.ALGORITHM)], "parameters": {"journal-path": str(tmp_path / "journal.jsonl")},
        }))
        return tmp_path / "lean.json"

    return prepare


def cut(path, count):
    """Take the last bytes off a file."""
    path.write_bytes(path.read_bytes()[:-count])


def attempt(config, timeout=60.0):
    """Launch and judge."""
    folder = config.parent
    ended = base.launch(base.start_of(base.find_engine("embedded"), config), folder / "log.txt", timeout=timeout)
    return ended, outcomes.read_outcome(folder / "results", "r1-1", folder / "journal.jsonl", ended)


def test_a_good_run_is_complete(prepared):
    """Result, log and journal all reach their end."""
    ended, outcome = attempt(prepared())

    assert (ended.exit_code, ended.stopped) == (0, None)
    assert outcome.complete
    assert outcome.end_equity == 100000


def test_an_error_of_the_algorithm_is_the_cause(prepared):
    """The engine's own words come back, with the log's last lines."""
    config = prepared("raise ValueError('on purpose')")
    _, outcome = attempt(config)

    assert not outcome.complete
    with pytest.raises(EngineFailed, match="on purpose"):
        outcomes.raise_failed(outcome, config.parent / "log.txt")


def test_a_run_that_does_not_end_is_stopped(prepared):
    """After the time limit the child is asked to stop and goes."""
    ended, outcome = attempt(prepared("time.sleep(600)"), timeout=1.5)

    assert ended.stopped == "ran longer than 2 seconds"
    assert ended.seconds < 15
    assert outcome.cause == "stopped: ran longer than 2 seconds"


def test_an_engine_that_ignores_interrupts_is_killed(prepared, monkeypatch):
    """Softer signals first, then the one that nobody can ignore."""
    monkeypatch.setattr(base, "PATIENCE", (("SIGINT", 0.3), ("SIGTERM", 0.3), ("SIGKILL", 5.0)))
    body = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)]; time.sleep(600)"
    ended, _ = attempt(prepared(body), timeout=1.5)

    assert ended.exit_code == -signal.SIGKILL


@pytest.mark.parametrize(("damage", "said"), [
    (lambda folder: (folder / "results" / "r1-1.json").unlink(), "left no result"),
    (lambda folder: (folder / "results" / "r1-1.json").write_text('{"state": {"Sta'), "result is half-written"),
    (lambda folder: (folder / "results" / "log.txt").write_text("cut"), "log does not reach its end"),
    (lambda folder: (folder / "journal.jsonl").unlink(), "wrote no journal"),
    (lambda folder: cut(folder / "journal.jsonl", 9), "journal does not verify"),
])
def test_no_single_file_decides(damage, said, prepared):
    """An attempt is complete only when result, log and journal say so together, whatever the exit code."""
    config = prepared()
    ended, before = attempt(config)
    damage(config.parent)
    after = outcomes.read_outcome(config.parent / "results", "r1-1", config.parent / "journal.jsonl", ended)

    assert before.complete
    assert not after.complete
    assert said in after.cause


def test_exit_code_134_after_a_complete_run_is_a_success(prepared):
    """Real Lean's usual end: the process aborts when all its work is written."""
    config = prepared()
    attempt(config)
    folder = config.parent
    outcome = outcomes.read_outcome(folder / "results", "r1-1", folder / "journal.jsonl", base.Ended(exit_code=134, seconds=1.0))

    assert outcome.complete


def test_no_orphan_is_left_when_the_supervisor_is_killed(prepared):
    """kill -9 of the process that launched the engine ends the engine too."""
    config = prepared("time.sleep(600)")
    log = config.parent / "log.txt"
    code = ("from pathlib import Path; from workbench.engines import base; "
            f"base.launch(base.start_of(base.find_engine('embedded'), Path({str(config)!r})), Path({str(log)!r}), timeout=60)")
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    children: list[psutil.Process] = []
    while not children and time.monotonic() < deadline:
        time.sleep(0.05)
        if (config.parent / "journal.jsonl").exists():
            children = psutil.Process(supervisor.pid).children(recursive=True)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    gone, alive = psutil.wait_procs(children, timeout=10)

    assert gone
    assert not alive


def test_an_unknown_engine_is_named_with_the_known_ones():
    """A typo does not start something else."""
    with pytest.raises(UnknownName, match="did you mean 'embedded'"):
        base.find_engine("embeded")


def test_the_engines_version_changes_with_its_source(tmp_path, monkeypatch):
    """A run by another engine is another run."""
    before = base.find_engine("embedded").version
    (tmp_path / "embedded").mkdir()
    (tmp_path / "embedded" / "loop.py").write_text("changed")
    monkeypatch.setattr(base, "__file__", str(tmp_path / "base.py"))

    assert base.find_engine("embedded").version != before


def test_a_recorded_script_runs_through_the_seam(tmp_path, invented):
    """The config that Lean's launcher takes, unchanged."""
    config = {"algorithm-language": "Python", "algorithm-location": str(GOLDEN / "order_script.py"), "algorithm-id": "r1-1",
              "data-folder": str(invented), "results-destination-folder": str(tmp_path / "results"),
              "parameters": {"script-path": str(GOLDEN / "portable" / "scripts" / "market-times.json"),
                             "events-path": str(tmp_path / "events.jsonl")}}
    (tmp_path / "lean.json").write_text(json.dumps(config))
    ended = base.launch(base.start_of(base.find_engine("embedded"), tmp_path / "lean.json"), tmp_path / "log.txt", timeout=60)

    assert ended.exit_code == 0
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 39
