"""What an engine's attempt came to, judged by its files: the result's state, the log's end, and our journal, together."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.algorithm import journal
from workbench.engines.base import Ended
from workbench.engines.log import read_log
from workbench.errors import EngineFailed

DONE = "Engine.Main(): Analysis Completed and Results Posted."


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an engine left, judged by its files. `cause` says why it is not complete, in the engine's own words."""

    complete: bool
    cause: str | None
    statistics: tuple[tuple[str, str], ...] = ()
    end_equity: Decimal | None = None
    equity: tuple[tuple[int, Decimal], ...] = field(default=(), repr=False)       # UTC seconds, dollars


def read_outcome(
    results: Path, algorithm_id: str, journal_path: Path, ended: Ended, *, log: Path | None = None, mode: str = "backtest"
) -> Outcome:
    """Judge an attempt by its result's state, its log's end and its journal together.

    `log` is where the engine's console went: some deaths are told nowhere else.
    """
    result = _result(results / f"{algorithm_id}.json")
    statistics = tuple((str(k), str(v)) for k, v in (result.get("statistics") or {}).items())
    state = result.get("state") or {}
    cause = _cause(result, state, results / "log.txt", journal_path, ended)
    if cause is not None and ended.killed and mode != "backtest":
        cause += "; it had to be killed: its last fills may be missing from its own files"
    if not result and log is not None and (said := [line.text for line in read_log(log) if not line.level]):
        cause = f"{cause}: {said[-1]}"
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
