"""One intent and its orders as a row: what was wanted, sent and filled, at which prices, at what cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from workbench.judgement.holdings import ZERO, session_of
from workbench.judgement.plan import Day, Plan, Trace, refused
from workbench.judgement.shortfall import Shortfall, split_shortfall
from workbench.words.event import Fill
from workbench.words.identity import money
from workbench.words.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One intent and its orders, up to the date's mark. Shares are signed, prices dollars a share; None is not known.

    `wanted` is Q, the order before caps and blocks (docs/contracts.md §8); `ordered` what sizing asked for, `sent` what was
    accepted of it. `status` is the order's, or where there is none BLOCKED, SKIPPED, HELD (nothing to do), NOT SENT or NOT
    SIZED. `decision_source` is decision, close (of a holding that no decision names: the market's at the decision) or sizing.
    """

    order_intent_id: str
    symbol: str
    instrument_id: str
    source: str
    target_weight: Decimal | None
    side: str | None
    order_refs: tuple[str, ...]
    order_ids: tuple[str, ...]
    status: str
    wanted: Decimal | None
    ordered: Decimal
    sent: Decimal
    filled: Decimal
    decision_price: Decimal | None
    decision_source: str | None
    sizing_price: Decimal | None
    arrival_price: Decimal | None
    arrival_source: str | None
    average_price: Decimal | None
    close: Decimal | None
    shortfall: Shortfall
    rules: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def unfilled(self) -> Decimal:
        """Shares ordered and not filled by the mark."""
        return self.ordered - self.filled

    @property
    def unfilled_usd(self) -> Decimal | None:
        """|unfilled| at the decision price, in dollars."""
        if not self.unfilled:
            return ZERO
        return None if self.decision_price is None else abs(self.unfilled) * self.decision_price

    def __repr__(self) -> str:
        wanted = "?" if self.wanted is None else f"{self.wanted:+,.0f}"
        return f"OrderRow({self.symbol} {self.status}: wanted {wanted}, filled {self.filled:+,.0f}, {self.shortfall!r})"


def order_row(day: Day, plan: Plan, convention: str = "A") -> OrderRow:
    """The row of one plan. A plan that was skipped, blocked or never sent counts as an order of which nothing was filled.

    Its fills are those up to the mark; P̄ and P_a are their means by shares, on the grid of 12 decimals.
    """
    trace, fills, orders = day.trace(plan), day.filled(plan), day.orders(plan)
    decision, decision_source = day.decision_price(plan)
    arrival, arrival_source = _arrival(fills)
    close = day.mark.closes.get(plan.instrument_id) if day.mark is not None else None
    line, cuts = day.sized.get(plan.order_intent_id), day.cuts.get(plan.order_intent_id, [])
    fees = [fill.fee for fill in fills if fill.fee is not None]
    average = _mean(fills, [fill.price for fill in fills])
    side = trace.wanted or trace.ordered or trace.filled
    return OrderRow(
        order_intent_id=plan.order_intent_id, symbol=plan.symbol, instrument_id=plan.instrument_id, source=plan.source,
        target_weight=plan.weight, side=None if not side else "BUY" if side > 0 else "SELL",
        order_refs=tuple(order.client_order_id for order in orders if order.client_order_id is not None),
        order_ids=tuple(order.order_id for order in orders if order.order_id is not None), status=_status(day, plan, orders),
        wanted=trace.wanted, ordered=trace.ordered, sent=trace.sent, filled=trace.filled, decision_price=decision,
        decision_source=decision_source, sizing_price=line.price if line is not None else None, arrival_price=arrival,
        arrival_source=arrival_source, average_price=average, close=close,
        shortfall=split_shortfall(
            quantity=trace.wanted, filled=trace.filled, average_price=average, decision=decision, arrival=arrival, close=close,
            fees=sum(fees, ZERO) if fees or not fills else None, fees_pending=len(fills) - len(fees), convention=convention),
        rules=tuple(dict.fromkeys(cut.rule for cut in cuts)), reasons=tuple(_reasons(day, plan, trace, orders)),
    )


def _arrival(fills: Sequence[Fill]) -> tuple[Decimal | None, str | None]:
    prices = [fill.arrival_price for fill in fills if fill.arrival_price is not None]
    sources = dict.fromkeys(fill.arrival_source for fill in fills if fill.arrival_source is not None)
    return _mean(fills, prices), ", ".join(sources) or None


def _mean(fills: Sequence[Fill], prices: Sequence[Decimal]) -> Decimal | None:
    """The mean price by shares; None where a fill has none, or there are no shares."""
    shares = sum((fill.quantity for fill in fills), ZERO)
    if not shares or len(prices) < len(fills):
        return None
    if len(fills) == 1:
        return money(prices[0])
    return money(sum((fill.quantity * price for fill, price in zip(fills, prices, strict=True)), ZERO) / shares)


def _status(day: Day, plan: Plan, orders: Sequence[Order]) -> str:
    if orders:
        return orders[-1].status
    line, cuts = day.sized.get(plan.order_intent_id), day.cuts.get(plan.order_intent_id, [])
    kinds = {cut.kind for cut in cuts}
    if "blocked" in kinds:
        return "BLOCKED"
    if line is None:
        return "NOT SIZED"
    if line.order:
        return "NOT SENT"
    return "SKIPPED" if "skipped" in kinds else "HELD"


def _reasons(day: Day, plan: Plan, trace: Trace, orders: Sequence[Order]) -> list[str]:
    """In words, why less was filled than was wanted, and why a number is not known."""
    said = []
    for cut in day.cuts.get(plan.order_intent_id, []):
        shares = "all" if cut.cut is None else f"{abs(cut.cut):,.2f} shares"
        said.append(f"{cut.rule} refused it: {cut.detail}" if refused(cut) else f"{cut.rule} took {shares}")
    if day.rebalance is not None and plan.order_intent_id not in day.sized and not said:
        said.append("it never reached the sizing")
    if trace.estimated and trace.wanted:
        said.append("no sizing price is known: the decision price stands for it")
    said += [f"order {order.order_id} was rejected" for order in orders if order.status == "REJECTED"]
    said += [f"{abs(fill.quantity):,} shares were filled only on {session_of(fill.occurred_at)}" for fill in day.late(plan)]
    if trace.ordered and not said:
        if not orders:
            said.append("it was sized, and never sent")
        elif trace.filled != trace.ordered:
            said.append(f"{abs(trace.ordered - trace.filled):,} shares were not filled by the close")
    if day.mark is not None and plan.instrument_id not in day.mark.closes:
        said.append("it has no close at the mark")
    if day.decision_price(plan)[0] is None:
        said.append("no decision price is known")
    return said
