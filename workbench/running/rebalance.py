"""Running: from recorded decisions to an engine's attempt and its outcome. Asking for the same run twice finds the first."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from filelock import FileLock

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import base
from workbench.engines import outcome as outcomes
from workbench.engines.config import Job, launcher_config
from workbench.errors import BadInput, EngineFailed, NotRecorded
from workbench.market.folder import Market
from workbench.running import records
from workbench.running.records import Decisions
from workbench.words import run as runs
from workbench.words.instrument import Instrument
from workbench.words.intent import Intent, Rejected
from workbench.words.params import ExecutionParams
from workbench.words.params import body as params_body
from workbench.words.run import Attempt, Run

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A run and the attempt that counts, with what the engine left; `found` where it had been run before."""

    run: Run
    attempt: Attempt
    outcome: outcomes.Outcome
    folder: Path
    found: bool

    def __repr__(self) -> str:
        end = f", end equity {self.outcome.end_equity:,.2f}" if self.outcome.end_equity is not None else ""
        return f"Executed({self.run!r}, attempt {self.attempt.attempt} {self.attempt.state}{end})"

    @property
    def ended(self) -> bool:
        """Whether the attempt came to its end in good order."""
        return self.attempt.state == "completed"


def prepare(
    data: Path, market: Market, decisions: Decisions, params: ExecutionParams, *, engine: base.Engine, cash: Decimal,
    account: str = "backtest"
) -> Run:
    """Write a backtest's request: one launch from cash over all these decisions. Nothing is started.

    Starts one session before the first rebalance date and ends one after the last. Items of the intents files that are
    refused alone are kept in the run, by name and reason.
    """
    if not decisions.snapshots:
        raise NotRecorded(f"a decision of '{decisions.strategy}'", "record one with `workbench decide`")
    good, refused = _intents(data, market, decisions)
    if not good:
        raise BadInput("no usable intent", where=f"strategy '{decisions.strategy}'", remedy="see the reasons in the intents files")
    start, end = market.calendar.previous(decisions.dates[0]), market.calendar.next(decisions.dates[-1])
    run = runs.request(
        strategy=decisions.strategy, engine=engine.name, engine_version=engine.version, mode="backtest", account=account,
        decisions={snapshot.rebalance_date: snapshot.snapshot_id for snapshot in decisions.snapshots},
        params_id=records.save_params(data, params), data_fingerprint=market.fingerprint(_instruments(market, good), end),
        algorithm_sha256=base.algorithm_sha256(), start=start, end=end, cash=cash, rejected=refused,
    )
    folder = records.run_folder(data, run.run_id)
    items = ",\n".join(to_json(intent.body()) for intent in good)
    files.write_once(folder / "intents.json", f"[\n{items}\n]\n")
    files.write_once(folder / "params.json", to_json(params_body(params)) + "\n")
    files.write_once(folder / "run.json", to_json(run.body()) + "\n")
    return run


def configure(data: Path, market: Market, run: Run) -> Attempt:
    """Write the next attempt's folder: its config and a status that says queued."""
    folder = records.run_folder(data, run.run_id)
    number = 1 + max((int(path.name) for path in folder.glob("[0-9]*")), default=0)
    place = folder / str(number)
    place.mkdir()
    config = launcher_config(Job(
        mode=run.mode, algorithm=base.ALGORITHM_FILE, algorithm_id=f"{run.run_id}-{number}", data_folder=market.path.resolve(),
        results=place / "results", intents=folder / "intents.json", params=folder / "params.json",
        journal=place / "journal.jsonl", run_id=run.run_id, attempt=number, account=run.account, start=run.start, end=run.end,
        cash=run.cash,
    ))
    files.write(place / "lean.json", to_json(config) + "\n")
    attempt = Attempt(
        run_id=run.run_id, attempt=number, state="queued", mode=run.mode, queued_at=datetime.now(UTC),
        order_intent_path=str(folder / "intents.json"), execution_params_path=str(folder / "params.json"),
    )
    records.save_attempt(data, attempt)
    return attempt


def execute(
    data: Path, market: Market, run: Run, *, engine: base.Engine, timeout: float, progress: Progress | None = None
) -> Executed:
    """Run a request to its end, or find the attempt that already came to it.

    Two callers with the same request wait for each other: the second finds what the first did. An attempt whose process
    is gone is marked abandoned, and a new one begins. Raises `EngineFailed` with the engine's own words.
    """
    folder = records.run_folder(data, run.run_id)
    with FileLock(folder / ".lock"):
        for attempt in records.attempts(data, run.run_id):
            if attempt.state == "completed":
                return _executed(folder, run, attempt, found=True)
            if attempt.state not in runs.FINAL:
                records.save_attempt(data, replace(attempt, state="abandoned", ended_at=datetime.now(UTC),
                                                   cause="its process ended without saying so"))
        return _attempt(data, folder, run, configure(data, market, run), engine, timeout, progress)


def _attempt(data: Path, folder: Path, run: Run, attempt: Attempt, engine: base.Engine, timeout: float,
             progress: Progress | None) -> Executed:
    place = folder / str(attempt.attempt)
    attempt = replace(attempt, state="running", started_at=datetime.now(UTC), pid=os.getpid(), host=platform.node())
    records.save_attempt(data, attempt)
    watch = None if progress is None else _watcher(place / "journal.jsonl", len(run.rebalance_dates), progress)
    try:
        ended = base.launch(base.start_of(engine, place / "lean.json"), place / "log.txt", timeout=timeout, watch=watch)
    except BaseException as error:
        state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        records.save_attempt(data, replace(attempt, state=state, ended_at=datetime.now(UTC), cause=repr(error)))
        raise
    outcome = outcomes.read_outcome(place / "results", _algorithm_id(attempt), place / "journal.jsonl", ended)
    state = "completed" if outcome.complete else "stopped" if ended.stopped else "failed"
    attempt = replace(attempt, state=state, ended_at=datetime.now(UTC), cause=outcome.cause, exit_code=ended.exit_code)
    records.save_attempt(data, attempt)
    outcomes.raise_failed(outcome, place / "log.txt")
    return Executed(run=run, attempt=attempt, outcome=outcome, folder=place, found=False)


def find_executed(data: Path, run: Run) -> Executed:
    """The attempt of a run that counts: of a backtest the first that completed, on paper and live the last that was started.

    Raises `NotRecorded` where there is none.
    """
    folder = records.run_folder(data, run.run_id)
    known = records.attempts(data, run.run_id)
    if run.mode != "backtest" and known:
        return Executed(run=run, attempt=known[-1], outcome=_outcome(folder, run, known[-1]),
                        folder=folder / str(known[-1].attempt), found=True)
    for attempt in known:
        if attempt.state == "completed":
            return _executed(folder, run, attempt, found=True)
    said = "; ".join(f"attempt {a.attempt} {a.state}" + (f" ({a.cause})" if a.cause else "") for a in known) or "never started"
    raise NotRecorded(f"a completed attempt of run {run.run_id}", said)


def _executed(folder: Path, run: Run, attempt: Attempt, *, found: bool) -> Executed:
    place, outcome = folder / str(attempt.attempt), _outcome(folder, run, attempt)
    if not outcome.complete:
        raise EngineFailed(f"attempt {attempt.attempt} of run {run.run_id} was complete and no longer is: {outcome.cause}",
                           log=str(place / "log.txt"))
    return Executed(run=run, attempt=attempt, outcome=outcome, folder=place, found=found)


def _outcome(folder: Path, run: Run, attempt: Attempt) -> outcomes.Outcome:
    """What an attempt that has ended left."""
    place = folder / str(attempt.attempt)
    ended = base.Ended(exit_code=attempt.exit_code or 0, seconds=0.0)
    return outcomes.read_outcome(place / "results", _algorithm_id(attempt), place / "journal.jsonl", ended,
                                 log=place / "log.txt", mode=run.mode)


def _algorithm_id(attempt: Attempt) -> str:
    return f"{attempt.run_id}-{attempt.attempt}"


def _intents(data: Path, market: Market, decisions: Decisions) -> tuple[list[Intent], tuple[Rejected, ...]]:
    """All intents of the decisions, each under the ticker that the company's map file ends with, and the refused items."""
    good: list[Intent] = []
    refused: list[Rejected] = []
    for snapshot in decisions.snapshots:
        found, bad = records.read_intents(data, snapshot.snapshot_id)
        refused += [replace(item, reason=f"{snapshot.snapshot_id}: {item.reason}") for item in bad]
        good += [replace(intent, symbol=_last_symbol(market, intent, snapshot.rebalance_date)) for intent in found]
    return good, tuple(refused)


def _last_symbol(market: Market, intent: Intent, day: date) -> str:
    instrument = market.instrument(intent.symbol, day)
    if instrument.instrument_id != intent.instrument_id:
        raise BadInput(f"{intent.symbol} on {day} is {instrument.instrument_id} in {market.path}, not {intent.instrument_id}",
                       where=f"intent {intent.order_intent_id}", remedy="use the data folder the decision was made with")
    return instrument.last_symbol


def _instruments(market: Market, intents: list[Intent]) -> tuple[Instrument, ...]:
    by_id = {intent.instrument_id: intent for intent in intents}
    return tuple(market.instrument(intent.symbol, intent.rebalance_date) for intent in by_id.values())


def _watcher(journal: Path, total: int, progress: Progress) -> Callable[[], None]:
    """Count the rebalances that the journal tells of, reading only what is new."""
    seen = {"at": 0, "done": 0}

    def watch() -> None:
        if not journal.exists():
            return
        with journal.open("rb") as source:
            source.seek(seen["at"])
            text = source.read()
        seen["at"] += len(text)
        seen["done"] += text.count(b'"kind":"rebalance"')
        progress(min(seen["done"], total), total)

    return watch
