"""What one rebalance date wanted, and the shares of each wish from its weight to what was filled."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import wraps
from itertools import chain
from typing import Any, TypeVar

from workbench.algorithm.sizing import lots
from workbench.judgement.evidence import Heard, Mark
from workbench.judgement.holdings import ZERO
from workbench.market.calendar import NEW_YORK
from workbench.words.event import CutLine, Fill, RebalanceLine, SizedLine
from workbench.words.identity import money
from workbench.words.order import Order
from workbench.words.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was wanted of one instrument, before any sizing: a weight, or by hand a signed number of shares.

    `decision_price` is the raw close at `snapshot_date`, in dollars; None for a holding that no decision names.
    """

    order_intent_id: str
    symbol: str
    instrument_id: str
    source: str
    weight: Decimal | None
    quantity: Decimal | None
    decision_price: Decimal | None
    snapshot_date: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One plan's signed shares, step by step. Holdings: `held` before, `raw`, `allowed`, `rounded`. Trades: the rest.

    `wanted` is the order before caps and blocks (docs/contracts.md §8), None where it can't be known; `ordered` what sizing
    asked for; `sent` what was accepted of it; `filled` what was traded by the mark. `estimated`: nothing was sized, so
    the decision price stands for the sizing price. `earlier` of `filled` came before the date was sized the last time.
    """

    held: Decimal
    raw: Decimal
    allowed: Decimal
    rounded: Decimal
    wanted: Decimal | None
    ordered: Decimal
    sent: Decimal
    filled: Decimal
    earlier: Decimal
    estimated: bool


T = TypeVar("T")


def _once(answer: "Callable[[Day, Plan], T]") -> "Callable[[Day, Plan], T]":
    """What is asked of a plan again and again, worked out once. A `Day` is not changed once it is made."""
    @wraps(answer)
    def known(on: "Day", plan: Plan) -> T:
        found: dict[str, T] = on.answers[answer.__name__]
        if plan.order_intent_id not in found:
            found[plan.order_intent_id] = answer(on, plan)
        return found[plan.order_intent_id]
    return known


class Day:
    """The evidence of one rebalance date, laid side by side. Its window is from its last sizing to its mark, both included."""

    def __init__(self, heard: Heard, day: date) -> None:
        self.heard, self.day = heard, day
        self.answers: dict[str, dict[str, Any]] = defaultdict(dict)
        self.snapshot: Snapshot | None = heard.snapshots.get(day)
        self.rebalance: RebalanceLine | None = heard.rebalance_on(day)
        self.since = self.rebalance.occurred_at if self.rebalance is not None else _midnight(day)
        self.mark: Mark | None = heard.mark_on(day, self.since)
        self.until = self.mark.occurred_at if self.mark is not None else _midnight(day, time.max)
        attempt = self.rebalance.attempt if self.rebalance is not None else None
        self.sized = {line.order_intent_id: line for line in heard.sized[day] if line.attempt == attempt and _told(line)}
        self.cuts: dict[str, list[CutLine]] = defaultdict(list)
        for cut in heard.cuts[day]:
            if cut.attempt >= (attempt or 0) and (cut.cut is None or money(cut.cut)):      # a division's last digit is no cut
                self.cuts[cut.order_intent_id].append(cut)
        self.plans = {plan.order_intent_id: plan for plan in self._plans()}
        self.window = heard.fills_between(self.since, self.until)       # of the whole account, whoever asked for them

    @_once
    def filled(self, plan: Plan) -> tuple[Fill, ...]:
        """The plan's own fills up to the mark."""
        return tuple([fill for fill in self.heard.fills_of[plan.order_intent_id] if fill.occurred_at <= self.until])

    def late(self, plan: Plan) -> tuple[Fill, ...]:
        """The plan's own fills after the mark."""
        return tuple([fill for fill in self.heard.fills_of[plan.order_intent_id] if fill.occurred_at > self.until])

    @_once
    def decision_price(self, plan: Plan) -> tuple[Decimal | None, str | None]:
        """P_d on the basis of the sizing, in dollars, and where it comes from (docs/contracts.md §8).

        The decision's price; for a holding that no decision names, the market's close at the decision; else, and where
        prices are adjusted and the decision's is not, the sizing price.
        """
        line, heard = self.sized.get(plan.order_intent_id), self.heard
        if not heard.evidence.adjusted and plan.snapshot_date is not None:
            source, price = "decision", plan.decision_price
            if price is None:
                source, price = "close", heard.close_by(plan.instrument_id, plan.snapshot_date)
            if price is not None:
                return heard.on_basis(price, plan.instrument_id, after=plan.snapshot_date, until=self.day), source
        return (line.price, "sizing") if line is not None and line.price is not None else (None, None)

    @_once
    def sizing_price(self, plan: Plan) -> Decimal | None:
        """What the plan was sized at, in dollars; else what can stand for it: P_d, the mark's close, the raw decision price."""
        line = self.sized.get(plan.order_intent_id)
        close = self.mark.closes.get(plan.instrument_id) if self.mark is not None else None
        told = line.price if line is not None else None
        return next((price for price in (told, self.decision_price(plan)[0], close, plan.decision_price) if price), None)

    @_once
    def trace(self, plan: Plan) -> Trace:
        """The plan's shares from its weight to its fills."""
        line, cuts = self.sized.get(plan.order_intent_id), self.cuts.get(plan.order_intent_id, [])
        filled = earlier = ZERO
        for fill in self.filled(plan):
            filled += fill.quantity
            earlier += fill.quantity if fill.occurred_at < self.since else ZERO
        traded = {"filled": filled, "earlier": earlier, "sent": self._sent(plan, line)}
        if line is None or line.raw is None:
            return self._estimate(plan, line, traded)
        assert line.target is not None and line.held is not None and line.order is not None
        taken = {"capped": ZERO, "blocked": ZERO, "skipped": ZERO}
        for cut in cuts:
            taken[cut.kind] += ZERO if cut.cut is None or refused(cut) else cut.cut
        caps, held_back, dropped = taken.values()
        return Trace(held=line.held, raw=line.raw, allowed=line.raw - caps, rounded=line.target + held_back,
                     wanted=line.order + caps + held_back + dropped + earlier, ordered=line.order + earlier, estimated=False,
                     **traded)

    def orders(self, plan: Plan) -> list[Order]:
        """The orders of the plan."""
        return list(self.heard.orders[plan.order_intent_id])

    def _estimate(self, plan: Plan, line: SizedLine | None, traded: dict[str, Decimal]) -> Trace:
        """What the sizing would have made of the plan at the price that stands in, before caps."""
        params = self.heard.evidence.params
        held = line.held if line is not None and line.held is not None else self.heard.ledger.shares(
            plan.instrument_id, self.since, before=True)
        equity = self.rebalance.equity if self.rebalance is not None else ZERO
        price = self.sizing_price(plan)
        raw: Decimal | None = None
        if plan.weight is None:
            raw = None if plan.quantity is None else held + plan.quantity
        elif not plan.weight:
            raw = ZERO
        elif equity > 0 and price is not None:
            raw = money(plan.weight * equity * params.capital_fraction * (1 - params.cash_buffer_ratio) / price)
        whole = None if raw is None else raw if plan.weight is None else lots(raw, params.lot_size, params.rounding)
        shares = ZERO if raw is None else raw
        wanted = None if whole is None or self.rebalance is None else whole - held + traded["earlier"]
        return Trace(held=held, raw=shares, allowed=shares, rounded=shares, wanted=wanted, ordered=traded["earlier"],
                     estimated=True, **traded)

    def _sent(self, plan: Plan, line: SizedLine | None) -> Decimal:
        """Σ shares of the orders that were sent when the date was sized the last time, and of others what was filled.

        Others are those that were rejected, and those of a start before that. The sized line's own order counts as it was
        sized, since a later split changes its quantity, and once: a later start may have found it still working.
        """
        sent, seen = ZERO, set[str]()
        for order in self.orders(plan):
            earlier = self.rebalance is not None and order.attempt is not None and order.attempt < self.rebalance.attempt
            own = line is not None and order.client_order_id == line.order_ref
            if own and order.client_order_id in seen:
                continue
            seen.add(order.client_order_id or "")
            asked = line.order if line is not None and (own or order.quantity is None) else order.quantity
            sent += order.filled_quantity if earlier or order.status == "REJECTED" else asked or ZERO
        return sent

    def _plans(self) -> Iterator[Plan]:
        """What the decision names, what was asked by hand, and the closes that the algorithm added."""
        given, named = self.heard.intents, set()
        intents = self.snapshot.intents() if self.snapshot is not None else ()
        for intent in (*intents, *self.heard.manual[self.day]):
            named.add(intent.order_intent_id)
            quantity = None if intent.quantity is None else Decimal(intent.quantity)
            yield Plan(
                order_intent_id=intent.order_intent_id, symbol=given.get(intent.order_intent_id, intent).symbol,
                instrument_id=intent.instrument_id, source=intent.source, weight=intent.weight, quantity=quantity,
                decision_price=intent.decision_price, snapshot_date=intent.snapshot_date)
        lines: tuple[SizedLine | CutLine, ...] = (*self.sized.values(), *chain.from_iterable(self.cuts.values()))
        told = {line.order_intent_id: line.symbol for line in lines}
        for order_intent_id, symbol in told.items():
            if order_intent_id not in named:
                by_hand = order_intent_id.startswith("m")       # docs/contracts.md §1
                yield Plan(
                    order_intent_id=order_intent_id, symbol=symbol, instrument_id=self.heard.named(symbol), decision_price=None,
                    source="manual" if by_hand else "close", weight=None if by_hand else ZERO, quantity=None,
                    snapshot_date=self.snapshot.snapshot_date if self.snapshot is not None and not by_hand else None)


def refused(cut: CutLine) -> bool:
    """Whether a cut is a refusal of an order as it was sent, and not a part of its sizing: only those say why in words."""
    return cut.kind == "blocked" and cut.detail is not None


def _told(line: SizedLine) -> bool:
    return None not in (line.target, line.held, line.order)


def _midnight(day: date, moment: time = time.min) -> datetime:
    return datetime.combine(day, moment, NEW_YORK).astimezone(UTC)
