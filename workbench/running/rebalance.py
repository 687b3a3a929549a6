"""Running: from recorded decisions to an engine's attempt and its outcome. Asking for the same run twice finds the first."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from weakref import WeakKeyDictionary

from filelock import FileLock

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import base
from workbench.engines import outcome as outcomes
from workbench.engines.log import LogLine
from workbench.errors import BadInput, EngineFailed, NotRecorded
from workbench.market.folder import Market
from workbench.running import records
from workbench.running.attempt import Executed, Watch, configure, judge, supervise
from workbench.running.records import Decisions
from workbench.settings import Settings
from workbench.store import Store
from workbench.words import intent as intents
from workbench.words import run as runs
from workbench.words.instrument import Instrument
from workbench.words.intent import Intent, Rejected
from workbench.words.params import ExecutionParams
from workbench.words.params import body as params_body
from workbench.words.run import Attempt, Run

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What decisions ask of an engine: the instruments, the text of its intents file, and the items that are refused."""

    instruments: tuple[Instrument, ...]
    text: str = field(repr=False)
    refused: tuple[Rejected, ...]


_LAST: WeakKeyDictionary[Market, tuple[str, _Asked]] = WeakKeyDictionary()      # by market: the digest of the last, and its answer


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
    asked = _asked(data, market, decisions)
    start, end = market.calendar.previous(decisions.dates[0]), market.calendar.next(decisions.dates[-1])
    run = runs.request(
        strategy=decisions.strategy, engine=engine.name, engine_version=engine.version, mode="backtest", account=account,
        decisions={snapshot.rebalance_date: snapshot.snapshot_id for snapshot in decisions.snapshots},
        params_id=records.save_params(data, params), data_fingerprint=market.fingerprint(asked.instruments, end),
        algorithm_sha256=base.algorithm_sha256(), start=start, end=end, cash=cash, rejected=asked.refused,
    )
    return save_request(data, run, asked.text, params)


def save_request(data: Path, run: Run, text: str, params: ExecutionParams) -> Run:
    """Write a run's folder: what is asked, the intents as the engine gets them, and the params. Returns the run."""
    folder = records.run_folder(data, run.run_id)
    files.write_once(folder / "intents.json", text)
    files.write_once(folder / "params.json", to_json(params_body(params)) + "\n")
    files.write_once(folder / "run.json", to_json(run.body()) + "\n")
    return run


def execute(
    data: Path, market: Market, run: Run, *, engine: base.Engine, settings: Settings, progress: Progress | None = None,
    hear: Callable[[LogLine], None] | None = None, store: Store | None = None
) -> Executed:
    """Run a backtest to its end, or find the attempt that already came to it; `store` is kept up to date meanwhile.

    Two callers with the same request wait for each other: the second finds what the first did. An attempt whose process
    is gone is marked abandoned, and a new one begins. Raises `EngineFailed`, or one of its kinds, with the engine's own words.
    """
    folder = records.run_folder(data, run.run_id)
    with FileLock(folder / ".lock"):
        for known in records.attempts(data, run.run_id):
            if known.state == "completed":
                return _completed(folder, run, known)
            if known.state not in runs.FINAL:
                records.save_attempt(data, replace(known, state="abandoned", ended_at=datetime.now(UTC),
                                                   cause="its process ended without saying so"))
        attempt, job = configure(data, market, run, settings)
        look = None if progress is None else _watcher(job.journal, len(run.rebalance_dates), progress)
        watch = Watch(timeout=settings.engine_timeout, hear=hear, look=look, store=store)
        done = supervise(data, run, attempt, job, engine=engine, settings=settings, watch=watch)
        outcomes.raise_failed(done.outcome, done.folder / "log.txt")
        return done


def find_executed(data: Path, run: Run) -> Executed:
    """The attempt of a run that counts: of a backtest the first that completed, on paper and live the last that was started.

    Raises `NotRecorded` where there is none.
    """
    folder = records.run_folder(data, run.run_id)
    known = records.attempts(data, run.run_id)
    started = [attempt for attempt in known if attempt.state != "queued"]
    if run.mode != "backtest" and started:
        return judge(folder, run, started[-1])
    for attempt in known:
        if attempt.state == "completed":
            return _completed(folder, run, attempt)
    said = "; ".join(f"attempt {a.attempt} {a.state}" + (f" ({a.cause})" if a.cause else "") for a in known) or "never started"
    raise NotRecorded(f"a completed attempt of run {run.run_id}", said)


def _completed(folder: Path, run: Run, attempt: Attempt) -> Executed:
    """An attempt that was complete, and must still be."""
    found = judge(folder, run, attempt)
    if not found.outcome.complete:
        raise EngineFailed(f"attempt {attempt.attempt} of run {run.run_id} was complete and no longer is: {found.outcome.cause}",
                           log=str(found.folder / "log.txt"))
    return found


def _asked(data: Path, market: Market, decisions: Decisions) -> _Asked:
    """What these decisions ask of an engine. Files that say what they said the last time are not gone through again."""
    digest = _digest(data, decisions)
    known = _LAST.get(market)
    if known is not None and known[0] == digest:
        return known[1]
    good, refused = usable_intents(data, market, decisions)
    asked = _Asked(instruments=instruments_of(market, good), text=intents.text(good), refused=refused)
    if digest is not None and digest == _digest(data, decisions):       # nobody has changed them meanwhile
        _LAST[market] = digest, asked
    return asked


def _digest(data: Path, decisions: Decisions) -> str | None:
    """One hash over the intents files of decisions and their dates; None where one is not there."""
    digest = hashlib.sha256()
    try:
        for snapshot in decisions.snapshots:
            found = files.sha256(records.intents_path(data, snapshot.snapshot_id))
            digest.update(f"{snapshot.rebalance_date} {snapshot.snapshot_id} {found}\n".encode())
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def usable_intents(data: Path, market: Market, decisions: Decisions) -> tuple[list[Intent], tuple[Rejected, ...]]:
    """All intents of the decisions, each under the ticker that the company's map file ends with, and the refused items.

    Raises `BadInput` where none can be used.
    """
    good: list[Intent] = []
    refused: list[Rejected] = []
    for snapshot in decisions.snapshots:
        found, bad = records.read_intents(data, snapshot.snapshot_id)
        refused += [replace(item, reason=f"{snapshot.snapshot_id}: {item.reason}") for item in bad]
        good += [_under_last_symbol(market, intent, snapshot.rebalance_date) for intent in found]
    if not good:
        raise BadInput("no usable intent", where=f"strategy '{decisions.strategy}'", remedy="see the reasons in the intents files")
    return good, tuple(refused)


def _under_last_symbol(market: Market, intent: Intent, day: date) -> Intent:
    instrument = market.instrument(intent.symbol, day)
    if instrument.instrument_id != intent.instrument_id:
        raise BadInput(f"{intent.symbol} on {day} is {instrument.instrument_id} in {market.path}, not {intent.instrument_id}",
                       where=f"intent {intent.order_intent_id}", remedy="use the data folder the decision was made with")
    return intent if intent.symbol == instrument.last_symbol else replace(intent, symbol=instrument.last_symbol)


def instruments_of(market: Market, intents: list[Intent]) -> tuple[Instrument, ...]:
    """The instruments of some intents, each once."""
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
