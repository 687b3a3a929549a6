"""Every way in which a launch of Lean was seen to end: what is done, and what a person is told.

`python -m tests.standin.matrix` runs them all and prints the table.
"""

import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from tests.standin_fixtures import Given, Lean, give, make_lean
from workbench.engines import base
from workbench.engines.base import Start
from workbench.engines.outcome import raise_failed
from workbench.errors import EngineFailed

ABORTED = -signal.SIGABRT
DEFAULT = (ABORTED,)
QUICK = (("SIGINT", 0.4), ("SIGTERM", 0.4), ("SIGKILL", 5.0))

PROBE = """
from AlgorithmImports import *
from datetime import UTC, datetime
from journal import Journal


class Probe(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2019, 3, 1)
        self.set_end_date(2019, 3, 29)
        self.add_equity("ALFA", Resolution.DAILY)
        self.lines = Journal(self.get_parameter("journal-path"), run_id="r1", attempt=1, live=False, now=lambda: datetime.now(UTC))
        {initialize}

    def on_data(self, data):
        {on_data}

    def on_end_of_algorithm(self):
        self.lines.close(self.utc_time)
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way to end. `error`, `says` and `place` are what a person sees; without an error the attempt is complete."""

    name: str
    mode: str = "backtest"
    fault: str = "none"
    error: str = ""
    says: str = ""
    place: str = ""
    state: str = "Completed"            # of Lean's result; "-": none can be read
    codes: tuple[int, ...] = DEFAULT
    seconds: float = 10.0               # in which it must be over
    run: Mapping[str, str] = field(default_factory=dict)            # of the stand-in's environment
    launch: Mapping[str, Any] = field(default_factory=dict)         # of `launch`
    config: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    probe: Mapping[str, str] | None = None                          # an algorithm of a few lines instead of ours
    change: Callable[[Start, Given], Start] = lambda start, _: start
    outside: str = ""                   # a signal that someone else sends half-way


def with_options(*options: str) -> Callable[[Start, Given], Start]:
    """The command with more options."""
    return lambda start, _: replace(start, command=(*start.command, *options))


def without_config(start: Start, given: Given) -> Start:
    """The command for a config that is not there."""
    return replace(start, command=(*start.command[:-1], str(given.folder / "no-such.json")))


def away(start: Start, given: Given) -> Start:
    """Not in the launcher's folder."""
    return replace(start, cwd=given.folder)


def no_dotnet(start: Start, given: Given) -> Start:
    """A command that does not exist."""
    return replace(start, command=(str(given.folder / "dotnet"), *start.command[1:]))


CASES = (
    Case(name="a good run"),
    Case(name="a good run, designed exit codes", run={"codes": "designed"}, codes=(0,)),
    Case(name="quit()", probe={"on_data": "self.quit()"}),
    Case(name="order in initialize", probe={"initialize": "self.market_order('ALFA', 1)"}),
    Case(name="no price files", fault="no-data", error="NoMarketData", says="equity/usa/daily/alfa.zip, equity/usa/daily/beta.zip "
         "not in the data folder"),
    Case(name="no rows in the dates", fault="no-rows", error="NoMarketData", says="hold nothing in the dates of the run"),
    Case(name="unknown option", change=with_options("--algorithm-ld", "x"), error="EngineFailed", state="-", seconds=4.0,
         says="Lean does not know the option --algorithm-ld"),
    Case(name="missing config", change=without_config, error="EngineFailed", says="there is no config file", state="-"),
    Case(name="missing algorithm", config={"algorithm-location": "no_such.py"}, error="EngineFailed", state="-",
         says="there is no algorithm file no_such.py"),
    Case(name="missing handler class", config={"data-provider": "QuantConnect.NoSuchProvider"}, error="EngineFailed", state="-",
         says="Lean has no class QuantConnect.NoSuchProvider"),
    Case(name="nested parameter", parameters={"deep": {"a": "1"}}, error="EngineFailed", state="-",
         says="Lean can't read 'deep' in the config"),
    Case(name="bad data folder", config={"data-folder": "no-such-market/"}, error="EngineFailed", state="RuntimeError", codes=(1,),
         says="the data folder has no no-such-market/symbol-properties"),
    Case(name="not in the launcher's folder", change=away, error="EngineFailed", state="RuntimeError",
         says="it must be started in the launcher's folder"),
    Case(name="no .NET", change=no_dotnet, error="EngineFailed", state="-", codes=(), says="dotnet: No such file or directory"),
    Case(name="another .NET needed", fault="no-framework", error="EngineFailed", state="-", codes=(150,),
         says="Lean needs Microsoft.NETCore.App 10.0.0"),
    Case(name="no library of Python", fault="no-python", error="EngineFailed", state="-", says="set `lean_python`"),
    Case(name="syntax error", fault="syntax-error", error="AlgorithmFailed", state="RuntimeError", says="invalid syntax",
         place="intent_execution.py"),
    Case(name="import error", fault="import-error", error="AlgorithmFailed", state="RuntimeError",
         says="No module named 'no_such_module'", place="intent_execution.py"),
    Case(name="no algorithm class", fault="no-class", error="AlgorithmFailed", state="RuntimeError",
         says="one class inherits from QCAlgorithm"),
    Case(name="exception in initialize", fault="init-error", error="AlgorithmFailed", state="RuntimeError",
         says="algorithm initialization, the following exception has occurred: on purpose", place="intent_execution.py"),
    Case(name="exception in on_data", probe={"on_data": "raise KeyError('price')"}, error="AlgorithmFailed", state="RuntimeError",
         says="Runtime Error: 'price'", place="probe.py:16"),
    Case(name="exception in on_order_event", fault="runtime-error", error="AlgorithmFailed", state="RuntimeError",
         says="2019-03-04 16:00:00 Runtime Error: on purpose", place="intent_execution.py"),
    Case(name="crash half-way", fault="crash", error="EngineFailed", state="-", says="System.AccessViolationException"),
    Case(name="crash after a save", fault="partial", error="EngineFailed", state="Running",
         says="its result is the copy of its last save"),
    Case(name="killed from outside", fault="killed", error="EngineFailed", state="-", codes=(-signal.SIGKILL,),
         says="killed from outside, often for want of memory"),
    Case(name="result half-written", fault="half-written", error="EngineFailed", state="-", says="result is half-written"),
    Case(name="log without its end", fault="short-log", error="EngineFailed", says="log does not reach its end"),
    Case(name="no journal", fault="no-journal", error="EngineFailed", says="the algorithm wrote no journal"),
    Case(name="torn journal", fault="torn-journal", error="EngineFailed", says="does not verify: the last line is torn"),
    Case(name="longer than allowed", run={"seconds": "60"}, launch={"timeout": 2.0}, error="EngineFailed",
         says="stopped: ran longer than 2 seconds"),
    Case(name="hangs", fault="hang", launch={"stall": 2.0}, error="EngineFailed", seconds=12.0,
         says="stopped: gave no sign of life for 2 seconds"),
    Case(name="hangs, deaf to SIGINT", fault="hang-hard", launch={"stall": 2.0, "patience": QUICK}, error="EngineFailed", state="-",
         codes=(-signal.SIGTERM,), says="did not go when asked and was killed", seconds=12.0),
    Case(name="hangs, deaf to all", fault="hang-dead", launch={"stall": 2.0, "patience": QUICK}, error="EngineFailed", state="-",
         codes=(-signal.SIGKILL,), says="did not go when asked and was killed", seconds=12.0),
    Case(name="SIGINT from outside", run={"seconds": "10"}, outside="SIGINT", error="EngineFailed",
         says="stopped: interrupted from outside", seconds=12.0),
    Case(name="SIGTERM from outside", run={"seconds": "20", "save": "0.5"}, outside="SIGTERM", error="EngineFailed",
         state="Running", codes=(-signal.SIGTERM,), says="its result is the copy of its last save", seconds=12.0),
    Case(name="paper: a good day", mode="paper", run={"exit": "0"}),
    Case(name="paper: the algorithm raises", mode="paper", fault="runtime-error:1", run={"exit": "0"}, error="AlgorithmFailed",
         state="RuntimeError", says="2020-03-12 09:30:00 Runtime Error: the stand-in was asked to fail", place="live.py"),
    Case(name="paper: SIGINT from outside", mode="paper", run={"pace": "60"}, outside="SIGINT", error="EngineFailed",
         says="stopped: interrupted from outside"),
    Case(name="paper: SIGTERM from outside", mode="paper", run={"pace": "60"}, outside="SIGTERM", error="EngineFailed",
         state="Running", codes=(-signal.SIGTERM,), says="fills after its last save may be missing"),
    Case(name="paper: killed after a fill", mode="paper", fault="killed-after:1", error="EngineFailed", state="Running",
         codes=(-signal.SIGKILL,), says="the journal has what the algorithm was told"),
    Case(name="paper: hangs", mode="paper", fault="hang:08:45", launch={"stall": 3.0}, error="EngineFailed",
         says="stopped: gave no sign of life for 3 seconds", seconds=12.0),
    Case(name="paper: hangs, deaf to SIGINT", mode="paper", fault="hang-hard:08:45", launch={"stall": 3.0, "patience": QUICK},
         error="EngineFailed", state="Running", codes=(-signal.SIGTERM,), seconds=12.0,
         says="was killed; it left no final result: fills after its last save may be missing"),
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What came of a case."""

    code: int | None
    error: str
    text: str
    place: str
    attempt: str                    # completed, stopped or failed, as status.json has it
    state: str
    files: tuple[str, ...]
    seconds: float
    alive: tuple[str, ...]          # processes that are left


def play(case: Case, place: Path, lean: Lean) -> Seen:
    """Launch it, judge it, and look what is left."""
    given = _given(case, place)
    start = case.change(lean.start(given.config, fault=case.fault, **case.run), given)
    watch = Outsider(case.outside, given) if case.outside else None
    begun = time.monotonic()
    code: int | None = None
    error: EngineFailed | None = None
    attempt = "failed"
    try:
        ended, outcome, _ = given.launch(start, watch=watch, **case.launch)
        code, attempt = ended.exit_code, {"": "completed", "stopped": "stopped"}.get(outcome.failure, "failed")
        raise_failed(outcome, given.log)
    except EngineFailed as failure:
        error = failure
    seconds = time.monotonic() - begun
    return Seen(code=code, error=type(error).__name__ if error else "", text=error.cause if error else "",
                place=getattr(error, "place", ""), attempt=attempt, state=_state(given), files=_files(given), seconds=seconds,
                alive=_alive(place))


def table(seen: Iterable[tuple[Case, Seen]]) -> str:
    """One row a case: exit code, what a person sees, Lean's own state, the files in its results."""
    rows = [("case", "exit code", "what the user sees", "attempt (Lean's state)", "files left")]
    for case, found in seen:
        says = f"{found.error}: {f'{found.place}: ' if found.place else ''}{found.text}" if found.error else "complete"
        says = re.sub(r"(?<![\w.-])/\S+/(?=[\w.-]+)", "…/", says)           # folders are another run's
        rows.append((case.name, "-" if found.code is None else str(found.code), says.replace("\n", " "),
                     f"{found.attempt} ({found.state})", ", ".join(found.files) or "none"))
    return "\n".join("| " + " | ".join(row) + " |" + ("\n|---|---|---|---|---|" if number == 0 else "")
                     for number, row in enumerate(rows))


class Outsider:
    """Somebody else, who signals the engine once it writes its journal and, where it saves, has saved."""

    def __init__(self, name: str, given: Given) -> None:
        self.name, self.given, self.done = name, given, False

    def __call__(self) -> None:
        """Look, and signal once."""
        job = self.given.job
        saved = f"{job.algorithm_id}*_minute.json" if job.mode != "backtest" else f"{job.algorithm_id}.json"
        ready = job.journal.exists() if (self.name, job.mode) == ("SIGINT", "backtest") else any(job.results.glob(saved))
        if not self.done and ready:
            self.done = True
            _, engine = psutil.Process().children(recursive=True)       # the first is its keeper
            engine.send_signal(getattr(signal, self.name))


def _given(case: Case, place: Path) -> Given:
    config = dict(case.config)
    if case.probe is None:
        return give(place, mode=case.mode, changes=config, parameters=case.parameters)
    probe = place / "probe.py"
    place.mkdir(parents=True, exist_ok=True)
    probe.write_text(PROBE.format(**{"initialize": "pass", "on_data": "pass", **case.probe}))
    return give(place, algorithm=probe, changes={**config, "python-additional-paths": [str(base.ALGORITHM)]})


def _state(given: Given) -> str:
    try:
        return str(json.loads((given.job.results / f"{given.job.algorithm_id}.json").read_bytes())["state"]["Status"])
    except (FileNotFoundError, ValueError):
        return "-"


def _files(given: Given) -> tuple[str, ...]:
    """Names of what is left, without the id and the time in them."""
    found = {path.name for path in given.job.results.glob("*")}
    short = {re.sub(r"\d{4}-\d\d-\d\d", "<day>", name.replace(given.job.algorithm_id, "<id>"))
             for name in found if "data-" not in name}
    return tuple(sorted(short | {f"{name[:name.index('data-')]}data-*" if not name.startswith("data-") else "data-monitor-report-*"
                                 for name in found if "data-" in name}))


def _alive(place: Path) -> tuple[str, ...]:
    """Processes that still work on this attempt."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or ())
        if str(place) in command and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(command)
    return tuple(found)


def main() -> None:
    """Run every case and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder           # where a stand-in that is killed leaves its own files
        lean = make_lean(Path(folder) / "lean")
        seen = [(case, play(case, Path(folder) / str(number), lean)) for number, case in enumerate(CASES)]
    sys.stdout.write(f"{table(seen)}\n")


if __name__ == "__main__":
    main()
