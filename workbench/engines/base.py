"""The seam: one way to start an engine, watch it, and read what it left, whichever engine it is.

An engine is a command that takes Lean's config file and leaves Lean's result files and our journal. Nothing is believed of
its exit code alone: success is what its files say.
"""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from workbench import __version__
from workbench.algorithm import journal
from workbench.errors import EngineFailed, UnknownName

ALGORITHM = Path(__file__).parent.parent / "algorithm"
ALGORITHM_FILE = ALGORITHM / "intent_execution.py"
DONE = "Engine.Main(): Analysis Completed and Results Posted."
LIFELINE = "WORKBENCH_LIFELINE"
POLL = 0.05
PATIENCE = (("SIGINT", 10.0), ("SIGTERM", 5.0), ("SIGKILL", 5.0))      # softer first; seconds to wait after each


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How an engine is started: its command (the config option comes after), where, and what it calls itself."""

    name: str
    version: str
    command: tuple[str, ...]
    cwd: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an engine's process ended. `stopped` says why we stopped it, where we did."""

    exit_code: int
    seconds: float
    stopped: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an engine left, judged by its files. `cause` says why it is not complete, in the engine's own words."""

    complete: bool
    cause: str | None
    statistics: tuple[tuple[str, str], ...] = ()
    end_equity: Decimal | None = None
    equity: tuple[tuple[int, Decimal], ...] = field(default=(), repr=False)       # UTC seconds, dollars


def find_engine(name: str) -> Engine:
    """The engine of that name. Raises `UnknownName` for one there is not."""
    if name == "embedded":
        return Engine(name=name, version=f"{__version__}+{_sources_digest()}",
                      command=(sys.executable, "-m", "workbench.engines.embedded"))
    raise UnknownName("engine", name, ("embedded",))


def algorithm_sha256() -> str:
    """One hash over the algorithm's files: what traded is part of a run's identity."""
    digest = hashlib.sha256()
    for path in sorted(ALGORITHM.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def launch(engine: Engine, config: Path, log: Path, *, timeout: float,
           watch: Callable[[], None] | None = None) -> Ended:
    """Start an engine on a config file and wait for its end; what it prints goes to `log`.

    The child is a process group of its own and ends with us, however we end. After `timeout` seconds, or when we are
    interrupted, it is asked to stop, then told to, then killed. `watch` is called now and then while it runs.
    """
    begun = time.monotonic()
    with log.open("ab") as out, _child(engine, config, out) as child:
        stopped = None
        try:
            while child.poll() is None:
                time.sleep(POLL)
                if watch is not None:
                    watch()
                if time.monotonic() - begun > timeout:
                    stopped = f"ran longer than {timeout:.0f} seconds"
                    _stop(child)
        except KeyboardInterrupt:
            stopped = "interrupted"
            _stop(child)
            raise
        finally:
            if child.poll() is None:
                _stop(child)
    return Ended(exit_code=child.returncode, seconds=time.monotonic() - begun, stopped=stopped)


def read_outcome(results: Path, algorithm_id: str, journal_path: Path, ended: Ended) -> Outcome:
    """Judge an attempt by its result's state, its log's end and its journal together."""
    result = _result(results / f"{algorithm_id}.json")
    statistics = tuple((str(k), str(v)) for k, v in (result.get("statistics") or {}).items())
    state = result.get("state") or {}
    cause = _cause(result, state, results / "log.txt", journal_path, ended)
    end = dict(statistics).get("End Equity")
    return Outcome(complete=cause is None, cause=cause, statistics=statistics,
                   end_equity=Decimal(end) if end is not None else None, equity=_equity(result))


def raise_failed(outcome: Outcome, log: Path) -> None:
    """Raise `EngineFailed` with the cause and the log's last lines, unless the attempt is complete."""
    if not outcome.complete:
        raise EngineFailed(outcome.cause or "the engine left no result", log=str(log), tail=_tail(log))


def _cause(result: dict[str, Any], state: dict[str, Any], log: Path, journal_path: Path, ended: Ended) -> str | None:
    if ended.stopped:
        return f"stopped: {ended.stopped}"
    if not result:
        return f"the engine left no result (exit code {ended.exit_code})"
    if state.get("RuntimeError"):
        return str(state["RuntimeError"]).strip()
    if state.get("Status") != "Completed":
        return f"the engine's last state is {state.get('Status') or 'unknown'} (exit code {ended.exit_code})"
    if not log.is_file() or DONE not in log.read_text(encoding="utf-8", errors="replace"):
        return "the engine's log does not reach its end"
    if not journal_path.is_file():
        return "the algorithm wrote no journal"
    verdict = journal.verify(journal.read_lines(str(journal_path)))
    return None if verdict.good else f"the journal does not verify: {verdict.why}"


@contextlib.contextmanager
def _child(engine: Engine, config: Path, out: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The engine's process, holding the far end of a pipe that closes when we are gone."""
    reader, writer = os.pipe()
    environment = {**os.environ, **dict(engine.environment), LIFELINE: str(reader)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)        # uncached imports would double the time of every start
    try:
        child = subprocess.Popen(
            [*engine.command, "--config", str(config)], cwd=engine.cwd or config.parent, env=environment,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            pass_fds=(reader,) if os.name == "posix" else (),
        )
    except OSError:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    try:
        yield child
    finally:
        os.close(writer)


def hold_lifeline() -> None:
    """In an engine of ours: end at once when the process that started us is gone, so that no orphan trades on."""
    handle = os.environ.get(LIFELINE)
    if handle is None or os.name != "posix":
        return

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(int(handle), 1):
                pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def _stop(child: subprocess.Popen[bytes]) -> None:
    for name, patience in PATIENCE:
        number = getattr(signal, name, signal.SIGTERM)
        with contextlib.suppress(ProcessLookupError):
            if os.name == "posix":
                os.killpg(child.pid, number)
            else:
                child.send_signal(number)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


def _result(path: Path) -> dict[str, Any]:
    """The result file, empty where it is missing or half-written."""
    try:
        found: dict[str, Any] = json.loads(path.read_bytes(), parse_float=Decimal)
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found


def _equity(result: dict[str, Any]) -> tuple[tuple[int, Decimal], ...]:
    series = result.get("charts", {}).get("Strategy Equity", {}).get("series", {}).get("Equity", {}).get("values", [])
    return tuple((int(point[0]), Decimal(point[-1])) for point in series)


def _tail(log: Path, lines: int = 12) -> str:
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _sources_digest() -> str:
    """Eight hex characters over the engine's own source: another engine is another run."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "embedded").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:8]
