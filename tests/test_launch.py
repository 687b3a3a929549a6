"""The launcher seam: an engine is a supervised child, and its attempt is judged by what it left."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.engine_fixtures import GOLDEN
from tests.standin_fixtures import give
from tests.standin_fixtures import lean as lean
from workbench.engines import base
from workbench.engines import outcome as outcomes
from workbench.engines.base import Start
from workbench.errors import AlgorithmFailed, BadInput, EngineFailed, NoMarketData, UnknownName

RECORDED = Path(__file__).parents[2] / "shared" / "lean-golden" / "raw"

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


def prepare(folder, market, body="pass"):
    """Write a config for a small algorithm, given the body of `on_data`."""
    (folder / "probe.py").write_text(ALGORITHM.format(body=body))
    (folder / "lean.json").write_text(json.dumps({
        "algorithm-language": "Python", "algorithm-location": str(folder / "probe.py"), "algorithm-id": "r1-1",
        "data-folder": str(market), "results-destination-folder": str(folder / "results"),
        "python-additional-paths": [str(base.ALGORITHM)], "parameters": {"journal-path": str(folder / "journal.jsonl")},
    }))
    return folder / "lean.json"


@pytest.fixture
def prepared(tmp_path, invented):
    """Prepares the config of a small algorithm and returns its path, given the body of `on_data`."""
    return partial(prepare, tmp_path, invented)


@pytest.fixture(scope="module")
def good_run(tmp_path_factory, invented):
    """The folder of a good run, made once."""
    folder = tmp_path_factory.mktemp("good")
    attempt(prepare(folder, invented))
    return folder


@pytest.fixture
def left(good_run, tmp_path):
    """What a good run left, to be damaged."""
    return shutil.copytree(good_run, tmp_path / "left")


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
    with pytest.raises(AlgorithmFailed, match=r"^probe.py:15: .*on purpose"):
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
def test_no_single_file_decides(damage, said, left):
    """An attempt is complete only when result, log and journal say so together, whatever the exit code."""
    ended = base.Ended(exit_code=0, seconds=1.0)
    before = outcomes.read_outcome(left / "results", "r1-1", left / "journal.jsonl", ended)
    damage(left)
    after = outcomes.read_outcome(left / "results", "r1-1", left / "journal.jsonl", ended)

    assert before.complete
    assert not after.complete
    assert said in after.cause


def test_a_journal_is_verified_again_when_its_bytes_are_others(left, monkeypatch):
    """The same bytes were gone through once; one that differs is found, whatever the file's size and time say."""
    path, ended, walked = left / "journal.jsonl", base.Ended(exit_code=0, seconds=1.0), []
    monkeypatch.setattr(outcomes.journal, "verify", lambda lines, verify=outcomes.journal.verify: walked.append(1) or verify(lines))
    was = path.stat()
    outcomes.read_outcome(left / "results", "r1-1", path, ended)
    before = len(walked)
    again = outcomes.read_outcome(left / "results", "r1-1", path, ended)
    path.write_bytes(path.read_bytes().replace(b"journal/1", b"journal/2", 1))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    after = outcomes.read_outcome(left / "results", "r1-1", path, ended)

    assert again.complete
    assert len(walked) == before + 1
    assert "journal does not verify" in after.cause


@pytest.mark.parametrize("code", [134, -6])
def test_an_abort_after_a_complete_run_is_a_success(code, left):
    """Real Lean's usual end: the process aborts when all its work is written. 134 is what a shell makes of it."""
    outcome = outcomes.read_outcome(left / "results", "r1-1", left / "journal.jsonl", base.Ended(exit_code=code, seconds=1.0))

    assert outcome.complete


def start_of(code, folder, **more):
    """The start of a few lines of Python."""
    return Start(command=(sys.executable, "-c", code), cwd=folder, **more)


def test_an_engine_that_can_not_be_started_is_named(tmp_path):
    """A command that is not there is no result of an engine."""
    with pytest.raises(EngineFailed, match="can't start no-such-tool: No such file or directory"):
        base.launch(Start(command=("no-such-tool",), cwd=tmp_path), tmp_path / "log.txt", timeout=10)


def test_a_config_that_is_not_there_starts_nothing(tmp_path):
    """Lean would run something else."""
    with pytest.raises(BadInput, match="no such config file"):
        base.start_of(base.find_engine("embedded"), tmp_path / "lean.json")


def test_its_lines_are_heard_while_it_runs(tmp_path):
    """Each once, in order, blocks whole, the last at the end; errors among them."""
    code = ("import sys, time\n"
            "print('20200101 10:00:00.123 TRACE:: one', flush=True)\n"
            "print('20200101 10:00:00.124 TRACE:: two\\nmore of two', flush=True)\n"
            "time.sleep(0.3)\n"
            "print('20200101 10:00:01.000 ERROR:: three', file=sys.stderr, flush=True)\n")
    heard = []
    base.launch(start_of(code, tmp_path), tmp_path / "log.txt", timeout=10,
                hear=lambda line: heard.append((line, time.monotonic())))

    assert [(line.level, line.text) for line, _ in heard] == [("TRACE", "one"), ("TRACE", "two\nmore of two"), ("ERROR", "three")]
    assert heard[0][1] < heard[-1][1] - 0.2


def test_silence_is_not_taken_for_death_where_files_grow(tmp_path):
    """An engine that says nothing and writes is alive."""
    code = "import time, pathlib\nfor n in range(15): time.sleep(0.1); pathlib.Path('out', f'{n}').write_text('x')"
    (tmp_path / "out").mkdir()
    ended = base.launch(start_of(code, tmp_path), tmp_path / "log.txt", timeout=30, stall=0.8, alive=(tmp_path / "out",))

    assert (ended.exit_code, ended.stopped) == (0, None)


def test_who_asks_for_a_stop_gives_its_reason(tmp_path):
    """SIGINT was enough: nothing had to be killed."""
    ended = base.launch(start_of("import time; time.sleep(60)", tmp_path), tmp_path / "log.txt", timeout=30,
                        stop=lambda: "the day is over")

    assert (ended.stopped, ended.killed) == ("the day is over", False)


def test_an_interrupt_of_the_supervisor_stops_the_engine(tmp_path):
    """Ctrl-C in a terminal or a notebook: the engine hears of it before we go on."""
    code = ("import pathlib, time\ntry:\n    pathlib.Path('ready').touch()\n    time.sleep(60)\n"
            "except KeyboardInterrupt:\n    pathlib.Path('heard').touch()")

    def interrupt():
        if (tmp_path / "ready").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        base.launch(start_of(code, tmp_path), tmp_path / "log.txt", timeout=30, watch=interrupt)

    assert (tmp_path / "heard").exists()


def test_an_engine_hears_signals_that_its_supervisor_ignores(tmp_path):
    """A shell starts what is put in the background deaf to SIGINT, and that is inherited."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ended = base.launch(start_of("import time; time.sleep(60)", tmp_path), tmp_path / "log.txt", timeout=0.5)
    finally:
        signal.signal(signal.SIGINT, before)

    assert ended.killed is False


def test_what_an_engine_leaves_running_goes_with_it(tmp_path):
    """A gateway that Lean started does not outlive it."""
    code = ("import subprocess, sys, pathlib\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
            "pathlib.Path('pid').write_text(str(child.pid))")
    ended = base.launch(start_of(code, tmp_path), tmp_path / "log.txt", timeout=30)
    (pid,) = [int((tmp_path / "pid").read_text())]

    assert ended.exit_code == 0
    assert_gone(pid)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_keeper_reaches_the_engine_softly(name, tmp_path):
    """Whoever ends an engine without us may signal either; SIGTERM would cost Lean its files, and is not passed on as such."""
    ready = tmp_path / "ready"

    def interrupt():
        if ready.exists():
            ready.unlink()
            os.kill(kept()[0].pid, getattr(signal, name))

    code = "import pathlib, time; pathlib.Path('ready').touch(); time.sleep(60)"
    ended = base.launch(start_of(code, tmp_path), tmp_path / "log.txt", timeout=30, watch=interrupt)

    assert ended.exit_code == -signal.SIGINT
    assert ended.stopped is None


def test_an_engine_whose_keeper_is_killed_is_stopped(tmp_path):
    """The supervisor takes its place, down to the last resort."""
    log = tmp_path / "log.txt"
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    found = []

    def kill_keeper():
        if not found and "deaf" in log.read_text():
            found.extend(process.pid for process in kept())
            os.kill(found[0], signal.SIGKILL)

    ended = base.launch(start_of(code, tmp_path, last_resort=(("touch", str(tmp_path / "last")),)), log, timeout=30,
                        patience=(("SIGINT", 0.2), ("SIGKILL", 5.0)), watch=kill_keeper)

    assert ended.stopped == "the process that kept the engine was killed"
    assert (tmp_path / "last").exists()
    assert_gone(found[1])


def test_the_last_resort_is_for_an_engine_that_did_not_end_by_itself(tmp_path):
    """A container whose client came to its own end is gone with it."""
    last = tmp_path / "last"
    for code, there in (("pass", False), ("import os; os.kill(os.getpid(), 9)", True)):
        base.launch(start_of(code, tmp_path, last_resort=(("touch", str(last)),)), tmp_path / "log.txt", timeout=10)
        assert last.exists() == there


@pytest.mark.parametrize("fault", ["hang", "hang-hard", "hang-dead"])
def test_no_orphan_is_left_when_the_supervisor_is_killed(fault, tmp_path, lean):
    """kill -9 of whoever launched Lean ends Lean, however deaf; what is private goes, and a container is looked for last."""
    given = give(tmp_path / "attempt")
    private, last = tmp_path / "private" / "lean.json", tmp_path / "last"
    private.parent.mkdir()
    private.write_text("{}")
    begin = lean.start(given.config, fault=fault, private=(private,), last_resort=(("touch", str(last)),))
    code = (f"from pathlib import Path, PosixPath\nfrom workbench.engines import base\nfrom workbench.engines.base import Start\n"
            f"base.launch({begin!r}, {given.log!r}, timeout=60, patience=(('SIGINT', 2), ('SIGTERM', 0.3), ('SIGKILL', 5)))")
    children = kill_supervisor(code, lambda: given.job.journal.exists())
    _, alive = psutil.wait_procs(children, timeout=15)

    assert len(children) == 2       # keeper and engine
    assert not alive
    assert not private.parent.exists()
    assert last.exists()


def test_no_orphan_of_our_own_engine_is_left(prepared):
    """Nor of the embedded engine, in the middle of whatever it does."""
    config = prepared("time.sleep(600)")
    code = ("from pathlib import Path; from workbench.engines import base; base.launch(base.start_of(base.find_engine('embedded'), "
            f"Path({str(config)!r})), Path({str(config.parent / 'log.txt')!r}), timeout=60)")
    children = kill_supervisor(code, lambda: (config.parent / "journal.jsonl").exists())
    _, alive = psutil.wait_procs(children, timeout=10)

    assert len(children) == 2
    assert not alive


def kill_supervisor(code, ready):
    """Run a supervisor until its engine is at work, kill it, and give the processes it had."""
    supervisor = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 30
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    children = psutil.Process(supervisor.pid).children(recursive=True)
    os.kill(supervisor.pid, signal.SIGKILL)
    supervisor.wait()
    return children


def kept():
    """Our keeper and its engine."""
    return psutil.Process().children(recursive=True)


def assert_gone(pid):
    """The process is gone, or waits only to be counted as such."""
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


LEAN_ERROR = "2019-03-04 21:00:00 Runtime Error: on purpose\n  at on_data\n    self.check(data)\n in main.py: line 12\n" \
             "  at check\n    raise ValueError('on purpose')\n in rules.py: line 7\n"


@pytest.mark.parametrize(("text", "trace", "place"), [
    (LEAN_ERROR, LEAN_ERROR, "rules.py:7"),
    ("Runtime Error: x", 'Traceback\n  File "/a/main.py", line 3, in on_data\n    f()\n'
                         '  File "/v/site-packages/pandas/core.py", line 9, in f\n    raise', "main.py:3"),
    ("Algorithm.Initialize() Error: Unable to import python module /a/main.py. AlgorithmPythonWrapper(): invalid syntax "
     "(main.py, line 4)", "", "main.py:4"),
    ("Runtime Error: x", 'File "C:\\\\desk\\\\main.py", line 3, in on_data', "main.py:3"),
])
def test_the_place_in_the_algorithm_is_found(text, trace, place, left):
    """In Lean's form and in Python's: the innermost line that is the user's own."""
    outcome = told(left, state={"Status": "RuntimeError", "RuntimeError": text, "StackTrace": trace})

    assert (outcome.failure, outcome.place) == ("algorithm", place)
    assert "\n" not in outcome.cause


def test_an_error_that_is_not_the_algorithms_is_the_engines(left):
    """A broker that goes away is nobody's line of code."""
    outcome = told(left, state={"Status": "RuntimeError", "RuntimeError": "Brokerage Disconnect: 1100", "StackTrace": ""})

    assert (outcome.failure, outcome.cause, outcome.place) == ("engine", "Brokerage Disconnect: 1100", "")


def test_a_live_result_that_says_running_is_stale(left):
    """The process is gone and its last save is minutes old: that is said, with where the fills are."""
    outcome = told(left, mode="live", exit_code=-15, state={"Status": "Running", "RuntimeError": "", "StackTrace": ""})

    assert not outcome.complete
    assert "exit code -15, SIGTERM" in outcome.cause
    assert "the journal has what the algorithm was told" in outcome.cause


def test_a_result_that_is_still_being_written_is_waited_for(left):
    """For a moment: a container's last file may come after its process."""
    path = left / "results" / "r1-1.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    threading.Timer(0.2, path.write_bytes, [whole]).start()

    ended = base.Ended(exit_code=0, seconds=1.0)
    assert outcomes.read_outcome(path.parent, "r1-1", left / "journal.jsonl", ended).complete


def test_many_missing_files_are_counted(left):
    """A message names a few; the outcome has them all."""
    outcome = told(left, orders="0", files={
        "succeeded-data-requests-20200101000000000.txt": "/alternative/interest-rate/usa/interest-rate.csv\n",
        "failed-data-requests-20200101000000000.txt": "".join(f"/equity/usa/daily/x{n}.zip\n" for n in range(9))})

    assert len(outcome.missing) == 9
    with pytest.raises(NoMarketData, match=r"x4.zip and 4 more not in the data folder"):
        outcomes.raise_failed(outcome, left / "log.txt")


@pytest.mark.parametrize("name", ["before-listing", "leverage-and-margin-call", "live-paper", "minute-market-orders", "random-003",
                                  "rebalance-ib-margin", "splits-and-dividends-raw"])
def test_what_real_lean_left_is_read_as_complete(name):
    """All that is wanting in the recorded folders is a journal of ours."""
    folder = RECORDED / name
    if not folder.is_dir():
        pytest.skip(f"real Lean's result folders are not at {RECORDED}")
    mode, algorithm_id = ("paper", "live-smoke") if name == "live-paper" else ("backtest", name)
    outcome = outcomes.read_outcome(folder, algorithm_id, folder / "journal.jsonl", base.Ended(exit_code=-6, seconds=1.0),
                                    log=folder / "log.txt", mode=mode)

    assert outcome.cause == "the algorithm wrote no journal"
    assert outcome.equity


def test_missing_files_among_others_are_no_failure(left):
    """A stock that was not listed yet is not there, and the run was on the others."""
    outcome = told(left, files={
        "succeeded-data-requests-20200101000000000.txt": "/equity/usa/daily/alfa.zip\n",
        "failed-data-requests-20200101000000000.txt": "/equity/usa/daily/beta.zip\n"})

    assert outcome.complete
    assert outcome.missing == ("equity/usa/daily/beta.zip",)


def told(folder, *, mode="backtest", exit_code=-6, state=None, orders=None, files=None):
    """The outcome of a good run whose files were changed afterwards."""
    results = folder / "results"
    result = json.loads((results / "r1-1.json").read_bytes())
    result["state"] |= state or {}
    result["statistics"] |= {"Total Orders": orders} if orders is not None else {}
    (results / "r1-1.json").write_text(json.dumps(result))
    if files is not None:
        for old in results.glob("*-data-requests-*"):
            old.unlink()
        for name, text in files.items():
            (results / name).write_text(text)
    return outcomes.read_outcome(results, "r1-1", folder / "journal.jsonl", base.Ended(exit_code=exit_code, seconds=1.0),
                                 mode=mode)


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
