"""The last look before an order is sent: hard limits outside the strategy and outside sizing.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder. Sizing already keeps to
the same limits; the guard looks at what is really about to be sent, with what was already sent, and refuses alone.
An order that only reduces is refused only when its quantity makes no sense.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

MINUTE = timedelta(minutes=1)
ABSURD_SHARES = Decimal(10) ** 9        # Lean clamps 1e30 to its largest number and accepts it as an order


class Limits(Protocol):
    """The risk limits that the guard reads (`params.RiskLimits`)."""

    @property
    def max_weight(self) -> Any: ...

    @property
    def max_gross(self) -> Any: ...

    @property
    def max_order_notional(self) -> Any: ...

    @property
    def max_turnover(self) -> Any: ...

    @property
    def blocked(self) -> tuple[str, ...]: ...

    @property
    def price_collar_bps(self) -> Any: ...

    @property
    def max_orders_per_minute(self) -> Any: ...

    @property
    def max_daily_loss(self) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One order about to be sent. Quantities are signed shares, prices dollars, `now` a moment of any one clock
    that only goes on.

    `reference` is the last known price on the same basis as `price` (for an intent: the decision price, with later
    splits and dividends applied); `lot_value` the dollars of one lot, by which rounding up may pass the gross limit.
    """

    symbol: str
    quantity: Decimal
    held: Decimal
    price: Decimal | None
    reference: Decimal | None
    now: datetime
    lot_value: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The rule that refused an order, and the numbers it saw."""

    rule: str
    detail: str


class Guard:
    """Checks orders one by one and remembers what was sent. One guard for one rebalance of one account.

    `equity` is what the orders were sized from, in dollars; `gross` the dollars held, without sign, before the first
    order; `loss` the fraction of its value that the account has lost since the last session's close, where known.
    """

    def __init__(self, limits: Limits, *, equity: Decimal, gross: Decimal, loss: Decimal | None = None) -> None:
        self.limits, self.equity, self.gross, self.loss = limits, equity, gross, loss
        self.traded = Decimal(0)
        self.slack = Decimal(0)
        self.sent: deque[datetime] = deque()         # of the last minute, oldest first

    def check(self, order: Check) -> Refusal | None:
        """The first rule that refuses this order, or None. Nothing is remembered until `note` is called."""
        quantity = order.quantity
        if not quantity.is_finite() or quantity == 0 or quantity != quantity.to_integral_value():
            return Refusal(rule="quantity", detail=f"{quantity} is not a whole number of shares")
        if abs(quantity) > ABSURD_SHARES:
            return Refusal(rule="quantity", detail=f"{quantity} shares is absurd")
        if _only_reduces(order):
            return None
        for rule in (self._blocked, self._price, self._collar, self._notional, self._exposure, self._turnover,
                     self._rate, self._loss):
            refusal = rule(order)
            if refusal is not None:
                return refusal
        return None

    def note(self, order: Check) -> None:
        """Remember an order that was sent."""
        self.sent.append(order.now)
        self.slack += order.lot_value
        if order.price is not None:
            self.traded += abs(order.quantity) * order.price
            self.gross += (abs(order.held + order.quantity) - abs(order.held)) * order.price

    def _blocked(self, order: Check) -> Refusal | None:
        return Refusal(rule="blocked", detail=f"{order.symbol} is blocked") if order.symbol in self.limits.blocked else None

    def _price(self, order: Check) -> Refusal | None:
        if order.price is None or order.price <= 0:
            return Refusal(rule="no_price", detail=f"{order.symbol} has no price")
        return None

    def _collar(self, order: Check) -> Refusal | None:
        limit = self.limits.price_collar_bps
        if limit is None or order.price is None or not order.reference:
            return None
        moved = abs(order.price / order.reference - 1) * 10000
        if moved <= limit:
            return None
        return Refusal(rule="price_collar_bps",
                       detail=f"{order.price} is {moved:.1f} bps from {order.reference}, limit {limit}")

    def _notional(self, order: Check) -> Refusal | None:
        limit, value = self.limits.max_order_notional, _value(order)
        if limit is None or value <= limit:
            return None
        return Refusal(rule="max_order_notional", detail=f"{value:.2f} dollars, limit {limit}")

    def _exposure(self, order: Check) -> Refusal | None:
        after = abs(order.held + order.quantity) * (order.price or Decimal(0))
        heaviest, widest = self.limits.max_weight, self.limits.max_gross
        slack = self.slack + order.lot_value
        if heaviest is not None and after > heaviest * self.equity + order.lot_value:
            return Refusal(rule="max_weight",
                           detail=f"{after:.2f} dollars of {order.symbol}, limit {heaviest} of {self.equity:.2f}")
        more = after - abs(order.held) * (order.price or Decimal(0))
        gross = self.gross + more
        if widest is not None and more > 0 and gross > widest * self.equity + slack:
            return Refusal(rule="max_gross", detail=f"gross {gross:.2f} dollars, limit {widest} of {self.equity:.2f}")
        return None

    def _turnover(self, order: Check) -> Refusal | None:
        limit = self.limits.max_turnover
        if limit is None:
            return None
        turnover = (self.traded + _value(order)) / 2 / self.equity
        if turnover <= limit:
            return None
        return Refusal(rule="max_turnover", detail=f"one-way turnover {turnover:.4f}, limit {limit}")

    def _rate(self, order: Check) -> Refusal | None:
        limit, sent = self.limits.max_orders_per_minute, self.sent
        while sent and order.now - sent[0] >= MINUTE:
            sent.popleft()
        if limit is None or len(sent) < limit:
            return None
        return Refusal(rule="max_orders_per_minute", detail=f"{len(sent)} orders in the last minute, limit {limit}")

    def _loss(self, order: Check) -> Refusal | None:
        limit = self.limits.max_daily_loss
        if limit is None or self.loss is None or self.loss <= limit:
            return None
        return Refusal(rule="max_daily_loss",
                       detail=f"{order.symbol}: the account lost {self.loss:.4f} of its value today, limit {limit}")


def _value(order: Check) -> Decimal:
    return abs(order.quantity) * (order.price or Decimal(0))


def _only_reduces(order: Check) -> bool:
    return order.quantity * order.held < 0 and abs(order.quantity) <= abs(order.held)
