"""The identities that a judgement must satisfy, each by name with what is left over: a report prints them all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain

from workbench.judgement.evidence import Heard
from workbench.judgement.holdings import ZERO
from workbench.judgement.performance import Curve
from workbench.judgement.plan import Day
from workbench.judgement.rebalance import Judged
from workbench.judgement.shortfall import Shortfall
from workbench.words.event import SizedLine
from workbench.words.identity import money
from workbench.words.order import Order

CENT = Decimal("0.01")
Residuals = Iterator[tuple[tuple[object, ...], Decimal]]        # each with its place: what it is of, in the words of `where`


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One identity, over all the places it was looked at. It holds where no residual is beyond the tolerance.

    `residual` is the one furthest from 0, in `unit`, and `where` its place; None and empty where there was nothing to look
    at. `count` says how many places there were.
    """

    name: str
    unit: str
    tolerance: Decimal
    residual: Decimal | None
    where: str
    count: int

    @property
    def holds(self) -> bool | None:
        """Whether the identity holds; None where there was nothing to look at."""
        return None if self.residual is None else abs(self.residual) <= self.tolerance

    def __repr__(self) -> str:
        if self.residual is None:
            return f"Check({self.name}: nothing to look at)"
        said = "holds" if self.holds else "FAILS"
        most = f"{self.residual.normalize():f} {self.unit} at {self.where}"
        return f"Check({self.name}: {said}, at most {most}, {self.count} looked at)"


def check(heard: Heard, days: Sequence[Day], dates: Sequence[Judged], curve: Curve) -> tuple[Check, ...]:
    """Every identity over the dates judged and the whole run, in the order in which a report prints them."""
    return (
        _worst("shortfall parts sum to paper less real", "USD", ZERO, _parts(dates)),
        _worst("causes sum to the weight gap", "of equity", ZERO, _causes(dates)),
        _worst("equity ties at the marks", "USD", CENT, _ties(curve, "mark")),
        _worst("equity ties at the end", "USD", CENT, _ties(curve, "end")),
        _worst("cash and positions make up the equity of a mark", "USD", CENT, _marks(heard)),
        _worst("fills and corporate events explain the positions", "shares", ZERO, _positions(heard)),
        _worst("they explain what was held at sizing", "shares", ZERO, _held(days)),
        _worst("an order is its target less what was held", "shares", ZERO, _sizes(days)),
        _worst("an order is sent as it was sized", "shares", ZERO, _sent(days)),
        _worst("no order is filled beyond its quantity", "shares", ZERO, _overfilled(heard)),
        _worst("no fill is older than its sizing", "seconds", ZERO, _ages(days)),
        _worst("decision prices are the market's closes", "USD", ZERO, _decision_prices(heard)),
        _worst("closes at the marks are the market's", "USD", ZERO, _closes(heard)),
    )


def _worst(name: str, unit: str, tolerance: Decimal, residuals: Residuals) -> Check:
    count, where = 0, tuple[object, ...]()
    worst: Decimal | None = None
    for place, residual in residuals:
        count += 1
        if worst is None or (residual and abs(residual) > abs(worst)):
            worst, where = residual, place
    return Check(name=name, unit=unit, tolerance=tolerance, residual=worst, where=" ".join(map(str, where)), count=count)


def _parts(dates: Iterable[Judged]) -> Residuals:
    for judged in dates:
        places: list[tuple[tuple[object, ...], Shortfall]] = [((judged.rebalance_date, row.symbol), row.shortfall)
                                                              for row in judged.rows]
        for where, cost in [*places, ((judged.rebalance_date,), judged.shortfall)]:
            residual = cost.residual
            if residual is not None:
                yield where, residual


def _causes(dates: Iterable[Judged]) -> Residuals:
    for judged in dates:
        if judged.waterfall is not None:
            yield (judged.rebalance_date,), judged.waterfall.residual


def _ties(curve: Curve, what: str) -> Residuals:
    yield from (((tie.day,), tie.residual) for tie in curve.ties if tie.what == what)


def _marks(heard: Heard) -> Residuals:
    """Not of a cash account: what it sold is in its equity at once, and in its cash only when it has settled."""
    if heard.evidence.params.brokerage == "ib-cash":
        return
    for mark in heard.marks:
        held = {name: shares for name, shares in mark.quantities.items() if shares}
        if held.keys() <= mark.closes.keys():
            value = sum((shares * mark.closes[name] for name, shares in held.items()), ZERO)
            yield (mark.day,), mark.equity - mark.cash - value


def _positions(heard: Heard) -> Residuals:
    for mark in heard.marks:
        day = mark.day
        for name, shares in mark.quantities.items():
            yield (day, heard.symbol_of(name)), shares - heard.ledger.shares(name, mark.occurred_at)


def _held(days: Iterable[Day]) -> Residuals:
    for day in days:
        for line in day.sized.values():
            if line.held is not None:
                explained = day.heard.ledger.shares(day.heard.id_of(line), day.since, before=True)
                yield (day.day, line.symbol), line.held - explained


def _sizes(days: Iterable[Day]) -> Residuals:
    for day in days:
        for line in day.sized.values():
            if line.order is not None and line.target is not None and line.held is not None:
                yield (day.day, line.symbol), line.order - (line.target - line.held)


def _sent(days: Iterable[Day]) -> Residuals:
    """The sized lines' own orders, but for those that a later split has changed: what is sent again is not sized again."""
    for day in days:
        sent = {order.client_order_id: order for plan in day.plans.values() for order in day.orders(plan)}
        for line in day.sized.values():
            order = sent.get(line.order_ref) if line.order_ref is not None else None
            if order is None or order.quantity is None or line.order is None or _split_since(day, line, order):
                continue
            yield (day.day, line.symbol), order.quantity - line.order


def _split_since(day: Day, line: SizedLine, order: Order) -> bool:
    return any(event.factor is not None and event.occurred_at > day.since
               and (order.last_status_at is None or event.occurred_at <= order.last_status_at)
               for event in day.heard.actions(day.heard.id_of(line)))


def _overfilled(heard: Heard) -> Residuals:
    for order in heard.evidence.orders:
        if order.quantity is not None:
            beyond = abs(order.filled_quantity) - abs(order.quantity)
            yield ("order", order.order_id), max(beyond, ZERO)


def _ages(days: Iterable[Day]) -> Residuals:
    for day in days:
        first = day.heard.first_sized(day.day)
        if first is None:
            continue
        for fill in chain.from_iterable(day.heard.fills_of[plan.order_intent_id] for plan in day.plans.values()):
            early = ZERO if fill.occurred_at > first else Decimal(str((first - fill.occurred_at).total_seconds()))
            yield (day.day, fill.symbol), early


def _decision_prices(heard: Heard) -> Residuals:
    for snapshot in heard.evidence.snapshots:
        for item in snapshot.items:
            close = heard.close_by(item.instrument_id, snapshot.snapshot_date)
            if close is not None:
                yield (snapshot.rebalance_date, item.symbol), item.decision_price - close


def _closes(heard: Heard) -> Residuals:
    if heard.evidence.adjusted:
        return
    for mark in heard.marks:
        day = mark.day
        for name, shares in mark.quantities.items():
            close, told = heard.close_by(name, day), mark.closes.get(name)
            if shares and close is not None and told is not None:
                yield (day, heard.symbol_of(name)), money(told - close)
