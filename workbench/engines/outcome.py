"""What an engine's attempt came to, judged by its files: the result's state, the log's end, and our journal, together.

The exit code decides nothing: real Lean's process usually aborts with 134 after all its work is written. (Lean,
Launcher/Program.cs, Engine/Engine.cs, Engine/Results/BaseResultsHandler.cs, Common/Util/PythonUtil.cs.)
"""

import hashlib
import io
import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from workbench.algorithm import journal
from workbench.collecting import without_collecting
from workbench.engines.base import Ended
from workbench.engines.log import DEATH, LogLine, read_log
from workbench.errors import AlgorithmFailed, EngineFailed, NoMarketData

T = TypeVar("T")

DONE = "Engine.Main(): Analysis Completed and Results Posted."
INTERRUPTED = "Program.ExitKeyPress()"
STALE = "fills after its last save may be missing from its own files; the journal has what the algorithm was told"
USUAL = "GIL must always be released"       # how real Lean's process ends after success and failure alike
SETTLING = 0.5          # seconds that a result may still be being written when the process has ended
EQUITY = "Strategy Equity"
KEPT = 8                # results and journals of which is known what they say, for as long as their bytes are the same
NAMED = 5               # missing files that a message names

# How Lean says that it can't begin, and what that means. It says most of it on stderr alone, as an unhandled exception.
STARTS = tuple((re.compile(pattern, re.DOTALL), meaning) for pattern, meaning in (
    (r"Configuration file (\S.*?) does not exist", "there is no config file {0}, and Lean runs something else instead; "
     "write the config before the launch"),
    (r"Unrecognized (?:option|command or argument) '([^']*)'", "Lean does not know the option {0}; "
     "this Lean is older or newer than the one the command is meant for"),
    (r"Unable to find py file: ([^\n]+?)\s*(?:\n|$)", "there is no algorithm file {0}; see `algorithm-location` in the config"),
    (r"Unable to locate any exports matching the requested typeName: (\S+?)\. Type", "Lean has no class {0}; a handler's name "
     "in the config is wrong, or its DLL is not in the launcher's folder"),
    (r"JsonReaderException: .*?Path '([^']*)'", "Lean can't read '{0}' in the config; a parameter may be text, a number or a "
     "flag, and nothing nested"),
    (r"Unable to locate symbol properties file: ([^\n]+?)\s*(?:\n|$)", "the data folder has no {0}; `market` must be a Lean data "
     "folder, with market hours and symbol properties"),
    (r"No module named '(pandas|numpy|wrapt)'", "the Python that Lean uses has no {0}; install it there, or set `lean_python` to "
     "a Python 3.11 that has it"),
    (r"No module named 'AlgorithmImports'", "Lean does not find its own AlgorithmImports.py; it must be started in the launcher's "
     "folder, which holds that file"),
    (r"(?:BadPythonDllException|Could not load (\S*python\S*)|Unable to load (\S*python\S*))", "Lean can't load Python; set "
     "`lean_python` to the library of a Python 3.11 (libpython3.11.so, .dylib, python311.dll)"),
    (r"[Ff]ramework:? '([^']+)', version '([^']+)'", "Lean needs {0} {1}; install that version of .NET"),
    (r"Could not load file or assembly '([^',]+)", "Lean's folder lacks {0}; build Lean anew, or set `lean` to a complete folder"),
    (r"Cannot connect to the Docker daemon", "Docker is not running; start it, or set `lean` to a launcher's folder"),
    (r"(?:Unable to find image|No such image:?) '?([^'\s]+)", "Docker has no image {0}; pull it first"),
))
LEAN_PLACE = re.compile(r"  at (?P<where>\S+).*?\n? in (?P<file>[^\n/\\]+?): line (?P<line>\d+)", re.DOTALL)
PYTHON_PLACE = re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+)')
SYNTAX_PLACE = re.compile(r"\((?P<file>[^()\s]+\.py), line (?P<line>\d+)\)")
NOT_THE_ALGORITHM = re.compile(r"site-packages|engines[/\\]embedded|[/\\]python3[.\d]*[/\\]|AlgorithmImports\.py|^<")
START_OF_ALGORITHM = re.compile(r"python module|algorithm initialization|Algorithm\.Initialize\(\)")
PRICES = re.compile(r"/(?:tick|second|minute|hour|daily)/")
POINTS = re.compile(r"Processing total of ([\d,.]+) data points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an engine left, judged by its files. `cause` says why it is not complete, in the engine's own words.

    `failure` says of what kind that is: stopped (by us or another), algorithm (it raised), data (there was none to run on) or
    engine. `place` is the line of the algorithm's file that raised. `missing` are the price files asked for and not there.
    """

    complete: bool
    cause: str | None
    statistics: tuple[tuple[str, str], ...] = ()
    end_equity: Decimal | None = None
    equity: tuple[tuple[int, Decimal], ...] = field(default=(), repr=False)       # UTC seconds, dollars
    failure: str = ""
    place: str = ""
    missing: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """Everything that an attempt left, read once."""

    ended: Ended
    mode: str
    result: dict[str, Any] | None           # None: no file
    half: bool                              # there is a file, and it is not whole
    lines: tuple[LogLine, ...]              # of the engine's own log
    console: tuple[LogLine, ...]
    failed: tuple[str, ...]                 # price files asked for and not found, and found
    found: tuple[str, ...]
    journal: Path

    @property
    def state(self) -> dict[str, Any]:
        return (self.result or {}).get("state") or {}

    @property
    def said(self) -> str:
        """All that the log and the console say."""
        return "\n".join(line.text for line in (*self.lines, *self.console))


def read_outcome(
    results: Path, algorithm_id: str, journal_path: Path, ended: Ended, *, log: Path | None = None, mode: str = "backtest"
) -> Outcome:
    """Judge an attempt by its result's state, its log's end and its journal together.

    `log` is where the engine's console went: some deaths are told nowhere else.
    """
    result, half = _result(results / f"{algorithm_id}.json")
    left = _Left(ended=ended, mode=mode, result=result, half=half, lines=read_log(results / "log.txt"),
                 console=read_log(log) if log is not None else (), failed=_requests(results, "failed"),
                 found=_requests(results, "succeeded"), journal=journal_path)
    failure, cause, place = _judge(left)
    statistics = tuple((str(k), str(v)) for k, v in ((result or {}).get("statistics") or {}).items())
    end = dict(statistics).get("End Equity")
    return Outcome(complete=not failure, cause=cause or None, failure=failure, place=place, statistics=statistics,
                   end_equity=Decimal(end) if end is not None else None, equity=_equity(result or {}), missing=left.failed)


def raise_failed(outcome: Outcome, log: Path) -> None:
    """Raise what the outcome is, unless it is complete: `AlgorithmFailed`, `NoMarketData`, or `EngineFailed` for the rest.

    With it come the cause, the place in the algorithm's file, and the last errors in the log.
    """
    if outcome.complete:
        return
    cause, tail = outcome.cause or "the engine left no result", _tail(log)
    if outcome.failure == "algorithm":
        raise AlgorithmFailed(cause, place=outcome.place, log=str(log), tail=tail)
    kind = NoMarketData if outcome.failure == "data" else EngineFailed
    raise kind(cause, log=str(log), tail=tail)


def _judge(left: _Left) -> tuple[str, str, str]:
    """The kind of failure, its cause, and the place in the algorithm: all empty where the attempt is complete."""
    if left.ended.stopped:
        killed = "; it did not go when asked and was killed" if left.ended.killed else ""
        return "stopped", f"stopped: {left.ended.stopped}{killed}{_note_of_stale(left)}", ""
    if left.result is None:
        return "engine", _no_result(left), ""
    if left.state.get("RuntimeError"):
        return _runtime_error(left)
    if left.state.get("Status") != "Completed":
        return "engine", _unfinished(left), ""
    if not any(line.text.startswith(DONE) for line in left.lines):
        return "engine", "the engine's log does not reach its end", ""
    if any(line.text.startswith(INTERRUPTED) for line in left.lines):
        return "stopped", "stopped: interrupted from outside", ""       # the state says Completed, and half is missing
    if left.mode == "backtest" and (lack := _lack_of_data(left)):
        return "data", lack, ""
    if not left.journal.is_file():
        return "engine", "the algorithm wrote no journal", ""
    verdict = _verdict(left.journal.read_bytes())
    return ("", "", "") if verdict.good else ("engine", f"the journal does not verify: {verdict.why}", "")


def _note_of_stale(left: _Left) -> str:
    """Lean that does not get SIGINT, or does not heed it, leaves what it saved minutes before."""
    if left.mode == "backtest" or left.state.get("Status") == "Completed":
        return ""
    return f"; it left no final result: {STALE}"


def _no_result(left: _Left) -> str:
    if left.half:
        return f"the engine's result is half-written ({_exit(left)})"
    if meaning := _start_failure(left.said):
        return meaning
    words = next((line.text.splitlines()[0] for line in left.console if not line.level and USUAL not in line.text), "")
    return f"the engine left no result ({_exit(left)})" + (f": {words.removeprefix(DEATH[0]).strip()}" if words else "")


def _start_failure(said: str) -> str:
    """Why Lean could not begin, in a sentence with its remedy, where it said what we know."""
    for pattern, meaning in STARTS:
        if match := pattern.search(said):
            return meaning.format(*(group or "" for group in match.groups()))
    return ""


def _runtime_error(left: _Left) -> tuple[str, str, str]:
    text, trace = str(left.state["RuntimeError"]), str(left.state.get("StackTrace") or "")
    place = _place(trace) or _place(text) or _place("\n".join(line.text for line in left.lines if line.level == "ERROR"))
    if meaning := _start_failure(text if place else left.said):
        return "engine", meaning, ""
    cause = re.split(r"\s*\n\s*at ", text.strip())[0].strip()
    return ("algorithm" if place or START_OF_ALGORITHM.search(text) else "engine"), cause, place


def _place(text: str) -> str:
    """The innermost line of the algorithm's own files that a traceback names, as `main.py:12`; empty for none.

    Python's form has whole paths, Lean's rewritten one the file's name and `line 12` after the code; both innermost last.
    """
    frames = [(match["path"], match["line"]) for match in PYTHON_PLACE.finditer(text)]
    frames += [(match["file"], match["line"]) for match in LEAN_PLACE.finditer(text)]
    frames += [(match["file"], match["line"]) for match in SYNTAX_PLACE.finditer(text)]
    own = [(path, line) for path, line in frames if not NOT_THE_ALGORITHM.search(path)]
    return f"{Path(own[-1][0].replace(chr(92), '/')).name}:{own[-1][1]}" if own else ""


def _unfinished(left: _Left) -> str:
    state = left.state.get("Status") or "unknown"
    if state == "Running":      # a final result never says so
        rest = f"; {STALE}" if left.mode != "backtest" else ""
        return f"the engine was killed: its result is the copy of its last save ({_exit(left)}){rest}"
    return f"the engine's last state is {state} ({_exit(left)})"


def _exit(left: _Left) -> str:
    """How the process ended, in words. Python gives a signal as a negative number, shells and docker as 128 and more."""
    code = left.ended.exit_code
    number = -code if code < 0 else code - 128
    if number == signal.SIGKILL:
        return "killed from outside, often for want of memory"
    return f"exit code {code}" + (f", {signal.Signals(number).name}" if number in signal.valid_signals() and number > 0 else "")


def _lack_of_data(left: _Left) -> str:
    """Whether it ran to its end on nothing: no price file was found, or none of those found has a row in these dates."""
    statistics = (left.result or {}).get("statistics") or {}
    if str(statistics.get("Total Orders", "0")) != "0":
        return ""
    if left.failed and not left.found:
        more = f" and {len(left.failed) - NAMED} more" if len(left.failed) > NAMED else ""
        return (f"the engine found no market data: {', '.join(left.failed[:NAMED])}{more} not in the data folder; "
                "`workbench data check` says what it has")
    points = [int(re.sub(r"\D", "", match[1])) for line in left.lines if (match := POINTS.search(line.text))]
    if left.found and points and points[-1] <= len(left.found):
        return (f"the engine found no market data: {', '.join(left.found[:NAMED])} hold nothing in the dates of the run "
                f"({points[-1]} data points); `workbench data check` says what the data folder has")
    return ""


def _requests(results: Path, kind: str) -> tuple[str, ...]:
    """The price files that the engine asked for and `failed` or `succeeded` to get, below the data folder."""
    def lines() -> Iterator[str]:
        for path in sorted(results.glob(f"{kind}-data-requests-*.txt")):
            yield from path.read_text(encoding="utf-8", errors="replace").splitlines()

    return tuple(dict.fromkeys(line.strip().lstrip("/\\") for line in lines() if PRICES.search(line)))


def _result(path: Path) -> tuple[dict[str, Any] | None, bool]:
    """The result file and whether it is half-written: one that is being written is waited for, for a moment."""
    until = time.monotonic() + SETTLING
    while path.is_file():
        try:
            found = _asked_of(path.read_bytes())
        except ValueError:
            if time.monotonic() > until:
                return None, True
            time.sleep(SETTLING / 5)
            continue
        return found, found is None
    return None, False


def _once(work: Callable[[bytes], T]) -> Callable[[bytes], T]:
    """Go through the same bytes once: what was found in the last few that were given is kept, under their sha256."""
    kept: dict[str, T] = {}

    def find(data: bytes) -> T:
        digest = hashlib.sha256(data).hexdigest()
        found = kept.pop(digest, None)
        if found is None:
            found = work(data)
        kept[digest] = found
        for old in list(kept)[:-KEPT]:
            kept.pop(old, None)
        return found

    return find


@_once
def _asked_of(data: bytes) -> dict[str, Any] | None:
    """What is asked of a result here, and not its many orders; None for what is no object. Raises ValueError for no JSON."""
    with without_collecting():
        found = json.loads(data, parse_float=Decimal)
    if not isinstance(found, dict):
        return None
    charts = {name: chart for name, chart in found.get("charts", {}).items() if name == EQUITY}
    return {name: found[name] for name in ("state", "statistics") if name in found} | {"charts": charts}


@_once
def _verdict(data: bytes) -> journal.Verdict:
    """Whether a journal's chain holds."""
    return journal.verify(io.BytesIO(data))


def _equity(result: dict[str, Any]) -> tuple[tuple[int, Decimal], ...]:
    series = result.get("charts", {}).get(EQUITY, {}).get("series", {}).get("Equity", {}).get("values", [])
    return tuple((int(point[0]), Decimal(point[-1])) for point in series)


def _tail(log: Path, count: int = 12) -> str:
    """The last errors in the log; its last lines where there is none."""
    lines = read_log(log)
    errors = [line.text for line in lines if line.level in ("", "ERROR") and line.text and USUAL not in line.text]
    chosen = errors or [line.text for line in lines]
    return "\n".join("\n".join(chosen).splitlines()[-count:])
