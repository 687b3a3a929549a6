"""What one run was asked and what was heard of it: everything that a judgement looks at, and nothing else."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from workbench.judgement.holdings import ZERO, fold, session_of
from workbench.market.bars import SCALE, Bars, Days, Numbers
from workbench.words.event import CorporateLine, CutLine, Fill, MarkLine, RebalanceLine, SizedLine
from workbench.words.identity import money
from workbench.words.intent import Intent
from workbench.words.order import Order
from workbench.words.params import ExecutionParams
from workbench.words.run import Run
from workbench.words.snapshot import Snapshot

K = TypeVar("K")
V = TypeVar("V")
Line = Fill | SizedLine | MarkLine | CorporateLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One run as it was asked and heard, the lines as the store reads them. Shares are signed, money is dollars.

    `attempt` is the one that counts. `intents` are the items that the engine got: only manual orders need them, the
    rest is in the `snapshots`. `cash` and `holdings` (shares by symbol) are the account's at the start; `end_equity` is
    what the engine's own result says, None without one; `bars` are raw daily bars by instrument id, or none at all.
    """

    run: Run
    attempt: int
    params: ExecutionParams
    snapshots: tuple[Snapshot, ...]
    intents: tuple[Intent, ...] = ()
    rebalances: tuple[RebalanceLine, ...]
    sized: tuple[SizedLine, ...]
    cuts: tuple[CutLine, ...]
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    marks: tuple[MarkLine, ...]
    corporate: tuple[CorporateLine, ...]
    cash: Decimal
    holdings: tuple[tuple[str, Decimal], ...] = ()
    end_equity: Decimal | None = None
    bars: Mapping[str, Bars] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bars", MappingProxyType(dict(self.bars)))

    def __repr__(self) -> str:
        return (f"Evidence({self.run.strategy}, {len(self.snapshots)} decisions, {len(self.orders)} orders, {len(self.fills)} "
                f"fills, {self.run.run_id} attempt {self.attempt})")

    @property
    def adjusted(self) -> bool:
        """Whether prices were adjusted for splits and dividends: they, and the shares bought at them, are no market's."""
        return self.params.normalization != "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An account at a session's close as the engine saw it: dollars, and by instrument id signed shares and close."""

    occurred_at: datetime
    equity: Decimal
    cash: Decimal
    quantities: Mapping[str, Decimal]
    closes: Mapping[str, Decimal]

    @property
    def day(self) -> date:
        """The session that it closes."""
        return session_of(self.occurred_at)

    def __repr__(self) -> str:
        return f"Mark({self.day}, equity {self.equity:,.2f}, cash {self.cash:,.2f}, {len(self.quantities)} instruments)"


class Heard:
    """The evidence by instrument and by moment, laid out once for a judgement."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        told = list(_symbols(evidence))
        self._symbols = dict(told)
        self._names = {instrument_id: symbol for symbol, instrument_id in told}
        self.snapshots = {snapshot.rebalance_date: snapshot for snapshot in evidence.snapshots}
        self.sized = _grouped((line.rebalance_date, line) for line in evidence.sized)
        self.cuts = _grouped((line.rebalance_date, line) for line in evidence.cuts)
        self.orders = _grouped((order.order_intent_id, order) for order in evidence.orders)
        self.intents = {intent.order_intent_id: intent for intent in evidence.intents}
        self.manual = _grouped((intent.rebalance_date, intent) for intent in evidence.intents if intent.weight is None)
        self.fills = tuple(sorted(evidence.fills, key=lambda fill: fill.occurred_at))
        self.fills_of = _grouped((fill.order_intent_id, fill) for fill in self.fills)
        self.marks = tuple(self._marks())
        self._marks_on = _grouped((mark.day, mark) for mark in self.marks)
        self._rebalances_on = _grouped((line.rebalance_date, line) for line in evidence.rebalances)
        self.corporate: dict[str, list[CorporateLine]] = defaultdict(list)
        for event in sorted(evidence.corporate, key=lambda event: (event.occurred_at, event.attempt, event.seq)):
            self.corporate[self.id_of(event)].append(event)
        self._actions = {name: tuple(event for event in events if event.kind in ("split", "dividend"))
                         for name, events in self.corporate.items() if not evidence.adjusted}
        days = {*(snapshot.snapshot_date for snapshot in evidence.snapshots), *self._marks_on}
        self._days_to_price = np.array(sorted(days), "datetime64[D]")
        self._prices: dict[str, dict[date, int]] = {}
        self.ledger = fold(
            cash=evidence.cash, holdings={self.named(name): shares for name, shares in evidence.holdings},
            fills=((self.id_of(fill), fill) for fill in self.fills),
            corporate=((name, event) for name, events in self.corporate.items() for event in events))

    def id_of(self, line: Line) -> str:
        """The instrument of a line: as told, else the one its symbol has in other lines, else the symbol itself."""
        return line.instrument_id or self.named(line.symbol)

    def named(self, symbol: str) -> str:
        """The instrument that a symbol is in other lines, else the symbol itself."""
        return self._symbols.get(symbol, symbol)

    def symbol_of(self, instrument_id: str) -> str:
        """A symbol that the instrument goes by in some line, else its identifier."""
        return self._names.get(instrument_id, instrument_id)

    def fills_between(self, first: datetime, last: datetime) -> tuple[Fill, ...]:
        """Every fill of the account from one moment to another, both included."""
        begin = bisect_left(self.fills, first, key=lambda fill: fill.occurred_at)
        return self.fills[begin:bisect_right(self.fills, last, key=lambda fill: fill.occurred_at)]

    def actions(self, instrument_id: str) -> tuple[CorporateLine, ...]:
        """Splits and dividends that moved this instrument's prices, in order of time; none where prices are adjusted."""
        return self._actions.get(instrument_id, ())

    def on_basis(self, price: Decimal, instrument_id: str, *, after: date, until: date) -> Decimal:
        """A session's price in dollars on the basis of a later session (docs/contracts.md §4).

        Of the ex-dates after `after` and up to `until`, a split multiplies it by its factor and a dividend takes its
        dollars a share off, in the order in which they were heard.
        """
        for event in self.actions(instrument_id):
            if after < session_of(event.occurred_at) <= until:
                price = price - _per_share(event) if event.factor is None else price * event.factor
        return money(price)

    def growth(self, instrument_id: str, first: Decimal, last: Decimal, *, after: datetime, until: datetime) -> Decimal:
        """What a dollar in an instrument became between two closes: splits applied, dividends kept as cash."""
        shares, paid = Decimal(1), ZERO
        for event in self.actions(instrument_id):
            if after < event.occurred_at <= until:
                paid += shares * _per_share(event)
                shares = shares if event.factor is None else shares / event.factor
        return (shares * last + paid) / first

    def closes(self, instrument_id: str, days: Days) -> Numbers:
        """The last raw close in the bars up to each day, in dollars · 10000; 0 where there is none, or none since a split."""
        bars = self.evidence.bars.get(instrument_id)
        if bars is None or not len(bars):
            return np.zeros(len(days), np.int64)
        rows = np.searchsorted(bars.days, days, "right") - 1
        found: Numbers = np.where(rows >= 0, bars.close[rows], 0)
        for event in self.actions(instrument_id):
            ex_date = np.datetime64(session_of(event.occurred_at), "D")
            if event.factor is not None:
                found[(days >= ex_date) & (bars.days[rows] < ex_date)] = 0
        return found

    def close_by(self, instrument_id: str, day: date) -> Decimal | None:
        """The last raw close in the bars up to one day, in dollars; None where `closes` has 0."""
        known = self._prices.get(instrument_id)
        if known is None:           # the days that are asked for of every instrument, at once
            closes = self.closes(instrument_id, self._days_to_price)
            known = self._prices[instrument_id] = dict(zip(self._days_to_price.tolist(), closes.tolist(), strict=True))
        if day not in known:
            known[day] = int(self.closes(instrument_id, np.array([day], "datetime64[D]"))[0])
        close = known[day]
        return Decimal(close) / SCALE if close else None

    def rebalance_on(self, day: date) -> RebalanceLine | None:
        """When a date was sized; the last time, where an engine was started again on it."""
        return max(self._rebalances_on.get(day, ()), key=lambda line: (line.attempt, line.seq), default=None)

    def first_sized(self, day: date) -> datetime | None:
        """The first moment at which a date was sized."""
        return min((line.occurred_at for line in self._rebalances_on.get(day, ())), default=None)

    def mark_on(self, day: date, since: datetime | None) -> Mark | None:
        """The first mark of a session, after it was sized."""
        return next((mark for mark in self._marks_on.get(day, ()) if since is None or mark.occurred_at >= since), None)

    def mark_after(self, moment: datetime) -> Mark | None:
        """The first mark after a moment."""
        at = bisect_right(self.marks, moment, key=lambda mark: mark.occurred_at)
        return self.marks[at] if at < len(self.marks) else None

    def _marks(self) -> Iterator[Mark]:
        rows: dict[tuple[int, int], list[MarkLine]] = defaultdict(list)
        for line in sorted(self.evidence.marks, key=lambda line: line.occurred_at):
            rows[line.attempt, line.seq].append(line)
        for lines in rows.values():
            named = [(self.id_of(line), line) for line in lines]
            yield Mark(
                occurred_at=lines[0].occurred_at, equity=lines[0].equity, cash=lines[0].cash,
                quantities={instrument_id: line.quantity for instrument_id, line in named},
                closes={instrument_id: line.close for instrument_id, line in named if line.close is not None})


def _grouped(pairs: Iterable[tuple[K, V]]) -> Mapping[K, Sequence[V]]:
    """Values by key, in their order; a key that is not there has none."""
    groups: dict[K, list[V]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _per_share(event: CorporateLine) -> Decimal:
    return event.per_share or ZERO


def _symbols(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Every (symbol, instrument id) that something in the evidence tells; the later stands."""
    for snapshot in evidence.snapshots:
        yield from ((item.symbol, item.instrument_id) for item in snapshot.items)
    for intent in evidence.intents:
        yield intent.symbol, intent.instrument_id
    lines: tuple[Line, ...] = (*evidence.corporate, *evidence.marks, *evidence.sized, *evidence.fills)
    yield from ((line.symbol, line.instrument_id) for line in lines if line.instrument_id is not None)
