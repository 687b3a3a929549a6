"""The desk: one object that joins the rooms, for notebooks and the command line. Each method is one step of the flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import files
from workbench.engines.log import LogLine
from workbench.errors import BadInput, NotRecorded
from workbench.market.folder import Market
from workbench.running import decision, rebalance, records
from workbench.running.attempt import Executed, configure, find_engine
from workbench.running.evidence import gather
from workbench.running.preview import Preview, preview
from workbench.running.rebalance import Progress
from workbench.running.records import Decisions
from workbench.settings import Settings, read_settings
from workbench.store import Store
from workbench.words import params as params_words
from workbench.words.params import ExecutionParams
from workbench.words.run import Run
from workbench.words.snapshot import Snapshot
from workbench.words.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd

    from workbench.judgement.evidence import Evidence
    from workbench.judgement.reconciliation import Judged, Reconciliation
    from workbench.market.view import View
    from workbench.showing.panels.reconciliation import ReconciliationPanel


class Desk:
    """Everything recorded in one data folder, and what can be done with it.

    `data` is a folder, relative to the project's root; by default the project's own. `market` is the Lean data folder that
    decisions and backtests read, by default the one inside `data`.
    """

    def __init__(self, data: str | Path | None = None, *, market: str | Path | None = None,
                 settings: Settings | None = None) -> None:
        self.settings = settings or read_settings(data=data, market=market)

    def __repr__(self) -> str:
        return f"Desk({self.settings.data}, market {self.settings.market})"

    @property
    def data(self) -> Path:
        """The folder of everything recorded."""
        return self.settings.data

    @cached_property
    def market(self) -> Market:
        """The prices."""
        return Market(self.settings.market)

    @cached_property
    def store(self) -> Store:
        """The index of what is recorded."""
        return Store(self.settings.store, wait=self.settings.store_wait)

    # Decide.

    def decide(self, strategy: str, rebalance_date: date | str, parameters: Mapping[str, Any] | None = None, *,
               holdings: Mapping[str, Decimal] | None = None) -> Snapshot:
        """Ask a strategy (a built-in's name, or `my_file.py:weights`) for its weights on a date, and record them."""
        snapshot, = self.decide_each(strategy, [_date(rebalance_date)], parameters, holdings=holdings)
        return snapshot

    def decide_each(self, strategy: str, dates: Iterable[date], parameters: Mapping[str, Any] | None = None, *,
                    holdings: Mapping[str, Decimal] | None = None) -> Iterator[Snapshot]:
        """The same for several dates, one after the other; each decision is recorded as it is made."""
        from workbench.research.strategies import strategy as find

        known, weights = find(strategy, parameters or {})
        recorded = False
        try:
            for day in dates:
                snapshot = decision.decide(self.market, known, weights, day, holdings=holdings)
                records.save_snapshots(self.data, [snapshot], source=known.source)
                recorded = True
                yield snapshot
        finally:
            if recorded:
                self.store.index(self.data)

    def decide_weights(self, path: str | Path, *, name: str | None = None) -> tuple[Snapshot, ...]:
        """Record weights from a table (CSV or Parquet: date, symbol, weight), one decision a date."""
        from workbench.research.strategies import read_weights

        source = Path(path)
        known = Strategy(name=name or source.stem, source=source.name, parameters=())
        found = tuple(decision.decide_weights(self.market, known, weights, day) for day, weights in read_weights(source).items())
        records.save_snapshots(self.data, found, source=known.source)
        self.store.index(self.data)
        return found

    def decisions(self, strategy: str, *, until: date | str | None = None) -> Decisions:
        """The recorded decisions of a strategy up to a date. Raises `NotRecorded` where there are none."""
        return records.read_decisions(self.data, _name(strategy), until=None if until is None else _date(until))

    def rebalance_dates(self, first: date | str, last: date | str, every: str) -> tuple[date, ...]:
        """Sessions from `first` to `last`: daily, weekly, month-start, month-end, quarter-start or quarter-end."""
        return self.market.calendar.rebalance_dates(_date(first), _date(last), every)

    def view(self, rebalance_date: date | str) -> View:
        """What a decision for a date may see: every listed stock, up to the close of the session before."""
        day = self.market.calendar.require(_date(rebalance_date))
        return self.market.view(self.market.universe(day), self.market.calendar.previous(day))

    def consider(self, strategy: str, rebalance_date: date | str, parameters: Mapping[str, Any] | None = None) -> Snapshot:
        """What a strategy would decide for a date. Nothing is recorded."""
        from workbench.research.strategies import strategy as find

        known, weights = find(strategy, parameters or {})
        return decision.decide(self.market, known, weights, _date(rebalance_date))

    # Preview and run.

    def params(self, path: str | Path | None = None, **fields: Any) -> ExecutionParams:
        """Execution params: the defaults, a file over them, and fields by name over both."""
        given = {} if path is None else dict(_object(Path(path)))
        return params_words.read({**given, **fields}, where="" if path is None else str(path))

    def preview(self, snapshot: Snapshot, params: ExecutionParams | None = None, *,
                holdings: Mapping[str, Decimal] | None = None, equity: Decimal | None = None) -> Preview:
        """What a decision would send. Holdings and equity are those given, else where the strategy's last run left them."""
        previous = self._before(snapshot)
        if holdings is None:
            holdings, marked, prices, basis = self._held_before(snapshot)
        else:
            marked, prices, basis = None, {}, "holdings as given"
        return preview(snapshot, params or ExecutionParams(), equity=equity or marked or self.settings.cash, holdings=holdings,
                       prices=prices, basis=basis, previous=previous)

    def prepare(self, decisions: Decisions, params: ExecutionParams | None = None, *, engine: str | None = None,
                cash: Decimal | None = None, mode: str = "backtest", account: str | None = None) -> Run:
        """Write the request that `execute` would run, and the config of its next attempt; start nothing."""
        run = self._prepare(decisions, params, engine, cash, mode, account)
        if not records.attempts(self.data, run.run_id):
            configure(self.data, self.market, run, self.settings)
        self.store.index(self.data)
        return run

    def execute(
        self, decisions: Decisions, params: ExecutionParams | None = None, *, engine: str | None = None,
        cash: Decimal | None = None, mode: str = "backtest", account: str | None = None, progress: Progress | None = None,
        hear: Callable[[LogLine], None] | None = None, supersede: str | None = None, leave_working: bool = False,
        deadline: datetime | None = None
    ) -> Executed:
        """Trade all these decisions in one backtest from cash, or find the run that already did; or trade the last of them today.

        On paper and live (`mode`) the last decision must be for today; `account` is the settings' own unless given, and live
        must be armed. Asking again goes on where it stopped. The last three arguments are for these modes: a snapshot whose
        claim on the date is taken over, whether orders may stay at work at the end, and when that is (UTC).
        """
        run = self._prepare(decisions, params, engine, cash, mode, account)
        found = find_engine(run.engine, self.settings)
        try:
            if mode != "backtest":
                from workbench.running import live

                return live.execute_live(self.data, self.market, run, engine=found, settings=self.settings, hear=hear,
                                         supersede=supersede, leave_working=leave_working, deadline=deadline)
            return rebalance.execute(self.data, self.market, run, engine=found, settings=self.settings, progress=progress,
                                     hear=hear, store=self.store if run.engine == "lean" else None)  # ours is over too soon
        finally:
            self.store.index(self.data)

    def run(self, run_id: str) -> Run:
        """A recorded run by its id, or the unique beginning of one."""
        return records.read_run(self.data, run_id)

    def executed(self, run_id: str) -> Executed:
        """The attempt of a recorded run that counts."""
        return rebalance.find_executed(self.data, self.run(run_id))

    def runs(self) -> pd.DataFrame:
        """Every run and its last attempt, as a table."""
        return self.store.frame(RUNS)

    # Judge and show.

    def reconcile(self, run: Executed | str, *, dates: Iterable[date] | None = None, convention: str = "A") -> Reconciliation:
        """What was wanted, what was traded, and why the two differ: a run, judged on all its rebalance dates or those given."""
        from workbench.judgement.reconciliation import reconcile

        return reconcile(self.evidence(run), convention=convention, dates=dates)

    def evidence(self, run: Executed | str) -> Evidence:
        """Everything that was heard of a run's attempt that counts."""
        return gather(self.data, self.store, self.market, run.run if isinstance(run, Executed) else self.run(run))

    def table(self, run: Executed | Reconciliation | str, *, dates: Iterable[date] | None = None) -> list[dict[str, Any]]:
        """One row a rebalance date: gross intended and filled, deviation, shortfall in bps, fees and what was not filled.

        Of a run, which is judged now, or of what `reconcile` gave, which is not judged again.
        """
        return [{
            "rebalance date": judged.rebalance_date, "intended gross": _rounded(judged.intended_gross, 4),
            "filled gross": _rounded(judged.filled_gross, 4), "deviation": _rounded(judged.deviation, 4),
            "shortfall bps": _rounded(judged.shortfall.bps, 2), "fees usd": _rounded(judged.shortfall.fees, 2),
            "unfilled usd": _rounded(judged.unfilled_usd, 2),
        } for judged in self._judged(run, dates)]

    def frame(self, run: Executed | Reconciliation | str, *, dates: Iterable[date] | None = None) -> pd.DataFrame:
        """`table` for a notebook: floats, index the rebalance dates."""
        import pandas as pd

        rows = pd.DataFrame(self.table(run, dates=dates)).set_index("rebalance date")
        return rows.astype(float)

    def report(self, run: Executed | str, *, out: str | Path | None = None, dates: Iterable[date] | None = None) -> Path:
        """Write one self-contained HTML page about a run; returns its path, by default in the reports folder."""
        from workbench.judgement.reconciliation import reconcile
        from workbench.showing.report import Provenance, render

        evidence = self.evidence(run)
        attempt = rebalance.find_executed(self.data, evidence.run).attempt
        bad = tuple(line for line in self.store.bad_lines() if evidence.run.run_id in line.file)
        provenance = Provenance(evidence=evidence, attempt=attempt, bad_lines=bad, rendered_at=datetime.now(UTC))
        page = render(reconcile(evidence, dates=dates), provenance)
        path = self.settings.reports / f"{evidence.run.strategy}-{evidence.run.run_id}.html" if out is None else Path(out)
        return files.write(path, page)

    def panel(self, run_id: str = "") -> ReconciliationPanel:
        """Widgets to click through a run: a date, its weights and why they differ, a symbol's orders and events."""
        from workbench.running.dashboard import panel

        return panel(self, run_id)

    def at_work(self) -> Any:
        """Widgets that follow what is at work on paper and live: orders, fills, the account, the last sign of life."""
        from workbench.running.dashboard import at_work

        return at_work(self)

    # Inside.

    def _judged(self, run: Executed | Reconciliation | str, dates: Iterable[date] | None) -> tuple[Judged, ...]:
        """The rebalance dates of a run, judged: all, or those given."""
        if isinstance(run, Executed | str):
            return self.reconcile(run, dates=dates).dates
        return run.dates if dates is None else tuple(run.date(day) for day in sorted(set(dates)))

    def _prepare(self, decisions: Decisions, params: ExecutionParams | None, engine: str | None, cash: Decimal | None,
                 mode: str, account: str | None) -> Run:
        """The request. Only Lean trades on paper and live, so it is the engine there unless another is named."""
        known = find_engine(engine or ("lean" if mode != "backtest" else self.settings.engine), self.settings)
        money = cash or self.settings.cash
        if mode == "backtest":
            return rebalance.prepare(self.data, self.market, decisions, params or ExecutionParams(), engine=known, cash=money)
        from workbench.running import live

        return live.prepare_live(
            self.data, self.market, Decisions(strategy=decisions.strategy, snapshots=(decisions.last,)),
            params or ExecutionParams(), engine=known, mode=mode, account=account or self.settings.account, cash=money,
            now=datetime.now(UTC))

    def _before(self, snapshot: Snapshot) -> Snapshot | None:
        """The strategy's decision before this one, if any is recorded."""
        try:
            known = records.read_decisions(self.data, snapshot.strategy).snapshots
        except NotRecorded:
            return None
        earlier = [one for one in known if one.rebalance_date < snapshot.rebalance_date]
        return earlier[-1] if earlier else None

    def _held_before(self, snapshot: Snapshot) -> tuple[dict[str, Decimal], Decimal | None, dict[str, Decimal], str]:
        """Shares, equity and closes at the last mark before a date, of the latest run of the strategy that counts."""
        lines = self.store.rows(LAST_MARK, strategy=snapshot.strategy, day=snapshot.rebalance_date)
        held = {symbol: quantity for symbol, quantity, _, _, _, _ in lines if quantity}
        if not len(lines):
            return {}, None, {}, "from cash: no earlier run of this strategy is recorded"
        _, _, _, equity, run_id, when = lines.rows[0]
        prices = {symbol: close for symbol, _, close, _, _, _ in lines if close}
        return held, equity, prices, f"holdings of run {run_id} at {when:%Y-%m-%d}"


RUNS = """
select r.run_id, r.strategy, r.engine, r.mode, r.start_date, r.end_date, len(r.rebalance_dates) as dates, r.cash,
       a.attempt, a.state, a.cause
from runs r left join (select * from attempts qualify row_number() over (partition by run_id order by attempt desc) = 1) a
using (run_id) order by a.queued_at desc nulls last, r.run_id
"""

LAST_MARK = """
with counted as (
    select m.*, r.run_id as run, a.queued_at from marks m
    join counted_attempts c on c.run_id = m.run_id and c.attempt = m.attempt
    join runs r on r.run_id = m.run_id
    join attempts a on a.run_id = m.run_id and a.attempt = m.attempt
    where r.strategy = $strategy and m.occurred_at < $day
)
select symbol, quantity, close, equity, run, occurred_at from counted
qualify dense_rank() over (order by queued_at desc, run, occurred_at desc) = 1
order by symbol
"""


def _date(value: date | str) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadInput(f"{value!r} is not a date YYYY-MM-DD") from None


def _rounded(value: Decimal | None, places: int) -> Decimal | None:
    """For a table that is read, not for files."""
    return None if value is None else value.quantize(Decimal(1).scaleb(-places))


def _name(strategy: str) -> str:
    """The folder name of a strategy: a file's strategy is filed under its stem."""
    path, _, function = strategy.partition(".py")
    if not function and path == strategy:
        return strategy
    stem, wanted = Path(path).name, function.lstrip(":")
    return stem if wanted in ("", "weights") else f"{stem}.{wanted}"


def _object(path: Path) -> Mapping[str, Any]:
    body = files.read_json(path)
    if not isinstance(body, dict):
        raise BadInput("must hold an object of execution params", where=str(path))
    return body
