"""One rebalance date judged: what its orders cost, how far its weights are from the wanted ones, and what is not known."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from workbench.errors import BadInput, MissingPrice
from workbench.judgement.deviation import Steps, Waterfall, attribute
from workbench.judgement.holdings import ZERO
from workbench.judgement.orders import OrderRow, order_row
from workbench.judgement.plan import Day, Plan
from workbench.judgement.shortfall import Shortfall, sum_shortfalls
from workbench.judgement.tracking import CashDrag, Turnover, cash_drag
from workbench.words.event import Fill
from workbench.words.identity import money


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One rebalance date. Weights and turnover are fractions of the account's value, money is dollars; None is not known.

    `equity` is the account's value when it was sized, `end_equity` at the mark. `intended_gross` is Σ|w*| and `filled_gross`
    Σ|w| at the mark, without cash. `late` are the date's own fills after its mark, which belong to no date's window,
    `external` the fills inside it that belong to no intent. `reasons` say why a number is None.
    """

    rebalance_date: date
    snapshot_id: str | None
    equity: Decimal | None
    end_equity: Decimal | None
    intended_gross: Decimal | None
    filled_gross: Decimal | None
    target_cash: Decimal | None
    cash_weight: Decimal | None
    shortfall: Shortfall
    turnover: Turnover | None
    cash_drag: CashDrag | None
    waterfall: Waterfall | None
    rows: tuple[OrderRow, ...]
    late: tuple[Fill, ...]
    external: tuple[Fill, ...]
    reasons: tuple[str, ...]

    @property
    def deviation(self) -> Decimal | None:
        """½ Σ|w − w*| at the mark, cash included (docs/measures.md §5)."""
        return None if self.waterfall is None else self.waterfall.deviation

    @property
    def unfilled_usd(self) -> Decimal | None:
        """Σ|ordered − filled| at the decision prices, in dollars; None where one of them is not known."""
        each = [row.unfilled_usd for row in self.rows]
        known = [dollars for dollars in each if dollars is not None]
        return sum(known, ZERO) if len(known) == len(each) else None

    def __repr__(self) -> str:
        deviation = "unknown" if self.deviation is None else f"{self.deviation:.3%}"
        return f"Judged({self.rebalance_date}: {len(self.rows)} intents, deviation {deviation}, {self.shortfall!r})"


def judge(on: Day, convention: str = "A") -> Judged:
    """Judge one rebalance date of a run."""
    rows = tuple(order_row(on, plan, convention) for plan in on.plans.values())
    waterfall, reasons = _waterfall(on)
    drag, no_drag = _cash_drag(on, waterfall)
    snapshot, rebalance, mark = on.snapshot, on.rebalance, on.mark
    return Judged(
        rebalance_date=on.day, snapshot_id=snapshot.snapshot_id if snapshot else None,
        equity=rebalance.equity if rebalance else None, end_equity=mark.equity if mark else None,
        intended_gross=snapshot.gross if snapshot else None, filled_gross=waterfall.gross if waterfall else None,
        target_cash=snapshot.cash_weight if snapshot else None, cash_weight=waterfall.cash.actual if waterfall else None,
        shortfall=sum_shortfalls(row.shortfall for row in rows), turnover=_turnover(on), cash_drag=drag, waterfall=waterfall,
        rows=rows, late=tuple(fill for plan in on.plans.values() for fill in on.late(plan)),
        external=tuple(fill for fill in on.window if fill.order_intent_id is None),
        reasons=(*reasons, *no_drag, *_unknown(rows)),
    )


def _waterfall(on: Day) -> tuple[Waterfall | None, tuple[str, ...]]:
    """The weights' gaps by cause, or why there are none."""
    why = []
    if on.snapshot is None:
        why.append("no decision of this date is recorded: there are no target weights")
    if on.rebalance is None:
        why.append("the date was never sized: the run did not come to it")
    if on.mark is None:
        why.append("the date has no mark: what was held at its close, and at which prices, is not known")
    if why or on.mark is None or on.rebalance is None:
        return None, tuple(why)
    steps = _steps(on)
    unpriced = [one.symbol for one in steps if one.reported and one.close is None]
    if unpriced:
        return None, (f"held at the mark without a close: {', '.join(unpriced)}",)
    prices = {one.instrument_id: one.price if one.price is not None else one.close for one in steps}
    cost = ZERO
    for fill in on.window:
        price = prices[on.heard.id_of(fill)]
        cost += fill.quantity * (fill.price - (fill.price if price is None else price)) + (fill.fee or ZERO)
    try:
        return attribute(steps, equity=on.rebalance.equity, cost=cost, end_equity=on.mark.equity), ()
    except BadInput as error:           # the account came to nothing
        return None, (str(error),)


def _steps(on: Day) -> list[Steps]:
    """Each instrument's shares step by step: what the plan names, and what else was held or traded."""
    heard, mark = on.heard, on.mark
    assert mark is not None
    plans = {plan.instrument_id: plan for plan in on.plans.values() if plan.weight is not None}
    others = {heard.id_of(fill): fill.symbol for fill in on.window}
    held = {name for name, shares in mark.quantities.items() if shares}
    held |= {name for name in heard.ledger.instruments if name not in plans and heard.ledger.shares(name, on.until)}
    others |= {name: heard.symbol_of(name) for name in held}
    steps = [_step(on, plan.instrument_id, plan.symbol, plan) for plan in plans.values()]
    return steps + [_step(on, name, symbol, None) for name, symbol in sorted(others.items()) if name not in plans]


def _step(on: Day, instrument_id: str, symbol: str, plan: Plan | None) -> Steps:
    ledger, mark = on.heard.ledger, on.mark
    assert mark is not None
    before, after = ledger.shares(instrument_id, on.since, before=True), ledger.shares(instrument_id, on.until)
    close = mark.closes.get(instrument_id)
    if plan is None:
        return Steps(symbol=symbol, instrument_id=instrument_id, target=ZERO, price=None, close=close, wanted=ZERO,
                     allowed=ZERO, rounded=ZERO, sent=ZERO, filled=ZERO, explained=after,
                     reported=mark.quantities.get(instrument_id, after))
    trace = on.trace(plan)
    assert plan.weight is not None
    explained = trace.held + after - before
    return Steps(
        symbol=symbol, instrument_id=instrument_id, target=plan.weight, price=on.sizing_price(plan), close=close,
        wanted=trace.raw, allowed=trace.allowed, rounded=trace.rounded, sent=trace.held + trace.sent - trace.earlier,
        filled=trace.held + trace.filled - trace.earlier, explained=explained,
        reported=mark.quantities.get(instrument_id, explained))


def _turnover(on: Day) -> Turnover | None:
    """One-way turnover; None where nothing was sized, or a holding has no sizing price."""
    if on.rebalance is None or on.rebalance.equity <= 0 or on.snapshot is None:
        return None
    equity, intended = on.rebalance.equity, ZERO
    for plan in on.plans.values():
        if plan.weight is not None:
            held, price = on.trace(plan).held, on.sizing_price(plan)
            if held and price is None:
                return None
            intended += abs(plan.weight - held * (price or ZERO) / equity)
    traded = sum((abs(fill.quantity * fill.price) for fill in on.window), ZERO)
    return Turnover(intended=money(intended / 2), realised=money(traded / equity / 2))


def _cash_drag(on: Day, waterfall: Waterfall | None) -> tuple[CashDrag | None, tuple[str, ...]]:
    """What the cash's gap cost until the next mark, or why that is not known."""
    if waterfall is None or on.mark is None or on.snapshot is None:
        return None, ()
    following = on.heard.mark_after(on.mark.occurred_at)
    if following is None:
        return None, ("no cash drag: there is no later mark",)
    targets = {item.instrument_id: item.target_weight for item in on.snapshot.items}
    try:
        drag = cash_drag(on.heard, targets, waterfall.cash, on.mark, following)
    except MissingPrice as error:
        return None, (f"no cash drag: {error}",)
    return drag, () if drag is not None else ("no cash drag: the target book is not net long",)


def _unknown(rows: tuple[OrderRow, ...]) -> tuple[str, ...]:
    names = [row.symbol for row in rows if row.shortfall.total is None]
    return (f"shortfall not known: {', '.join(names)}",) if names else ()
