"""Cash, holdings and margin, in exact decimals (Lean: SecurityPortfolioManager, SecurityMarginModel)."""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import normal, plus, product, quotient
from workbench.engines.embedded.security import DailySecurity, Security, Tape
from workbench.engines.embedded.valuation import Valuation

CENT = Decimal("0.01")


class Account:
    """One US-dollar account. Sums over holdings are kept until a price, a fill or a split moves them.

    With `delayed` settlement (a cash account) what a sale brings is worth something at once and may be used only later.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.securities: list[Security] = []
        self.cash = Decimal(100000)
        self.delayed = False
        self.unsettled = ZERO
        self._settling: list[tuple[int, Decimal]] = []
        self.fees = ZERO
        self.profit = ZERO
        self.sale_volume = ZERO
        self._valuation = Valuation(tape)
        self._held: dict[int, Security] = {}
        self._changed = True                # what is held, since it was last laid out
        self._value_at = self._margin_at = -2
        self._holdings_value = self._margin_used = ZERO

    def load(self) -> None:
        """Take over the securities' prices, once they are loaded."""
        self._valuation.load(self.securities)

    @property
    def holdings_value(self) -> Decimal:
        """Σ quantity × price over what is held."""
        if self._value_at != self.tape.step:
            self._value_at = self.tape.step
            self._lay_out()
            self._holdings_value = self._valuation.value() + sum((s.quantity * s.price for s in self._valuation.others), ZERO)
        return self._holdings_value

    @property
    def margin_used(self) -> Decimal:
        """Σ |quantity| × price ÷ leverage: the maintenance margin."""
        if self._margin_at != self.tape.step:
            self._margin_at = self.tape.step
            self._lay_out()
            used = self._valuation.margin()
            if used is None:
                used = sum((abs(s.quantity) * s.price * s.initial for s in self._held.values()), ZERO)
            self._margin_used = used
        return self._margin_used

    @property
    def value(self) -> Decimal:
        """Total portfolio value."""
        return self.cash + self.unsettled + self.holdings_value

    @property
    def margin_remaining(self) -> Decimal:
        """What is free for new margin; below zero when the account is over its margin."""
        return self.cash + self.unsettled + self.holdings_value - self.unsettled - self.margin_used

    @property
    def held(self) -> list[Security]:
        """The securities of which something is held, in the order they were added."""
        self._lay_out()
        return list(self._held.values())

    def parts(self) -> tuple[list[DailySecurity], NDArray[np.int64], int] | None:
        """What each of the things held is worth: in whole numbers of 10^the last dollars, where all are daily columns."""
        self._lay_out()
        return self._valuation.parts()

    @property
    def initials(self) -> NDArray[np.float64]:
        """Margin for a dollar of each of the `parts`."""
        return self._valuation.initials

    def touch(self) -> None:
        """Forget the sums: something outside a fill has changed (leverage, a price)."""
        self._value_at = self._margin_at = -2
        self._changed = True

    def free_margin(self, security: Security, quantity: Decimal) -> Decimal:
        """What an order of this direction may use. One against the position also frees and reverses its margin."""
        free, held = self.margin_remaining, security.quantity
        if held and held * quantity < ZERO:
            free += 2 * abs(held) * security.price * security.initial
        return ZERO if free < ZERO else free

    def settle(self, utc: int) -> None:
        """Release what has settled by now."""
        while self._settling and self._settling[0][0] <= utc:
            _, amount = self._settling.pop(0)
            self.unsettled -= amount
            self.cash += amount

    def fill(self, security: Security, quantity: Decimal, price: Decimal, fee: Decimal,
             settles: Callable[[], int]) -> Decimal | None:
        """Take a fill in: cash, average price, profit. Returns the profit of what it closed, None where nothing was.

        Average cost; a fill that crosses zero closes all and opens the rest at its own price. In a cash account what a
        sale brings is usable from `settles()` (UTC seconds) on.
        """
        step = self.tape.step
        if self._value_at != step or self._margin_at != step:
            _ = self.holdings_value, self.margin_used      # as they were: the fill moves both
        price = normal(price)
        held, closed = security.quantity, None
        against = held * quantity < ZERO
        if against:
            closing = min(abs(quantity), abs(held)).copy_sign(held)
            closed = plus(product(price, closing), product(security.average_price, -closing))
            security.profit = plus(security.profit, closed)
            security.last_trade_profit = closed
            self.profit = plus(self.profit, closed)
        now = held + quantity
        if not now:
            security.average_price = ZERO
        elif not against:
            security.average_price = quotient(plus(product(security.average_price, held), product(price, quantity)), now)
        elif abs(quantity) > abs(held):
            security.average_price = price
        security.quantity = now
        brought = -quantity * price
        if self.delayed and brought > ZERO:
            self.unsettled += brought
            self._settling.append((settles(), brought))
            self.cash -= fee
        else:
            self.cash += brought - fee
        security.fees += fee
        self.fees += fee
        traded = abs(brought)
        security.sale_volume += traded
        self.sale_volume += traded
        newest = security.price
        self._holdings_value += quantity * newest
        self._margin_used += (abs(now) - abs(held)) * newest * security.initial
        self._changed = True
        return closed

    def dividend(self, security: Security, per_share: Decimal) -> None:
        """Raw mode: cash for the shares held at 00:00 of the ex-date. It is profit of the stock and of the account."""
        if security.quantity:
            paid = (security.quantity * per_share).quantize(CENT, ROUND_HALF_EVEN)
            self.cash += paid
            security.profit += paid
            security.dividends += paid
            self.profit += paid

    def split(self, security: Security, factor: Decimal, reference_price: Decimal) -> None:
        """Raw mode: whole shares at the new count, cash for the fraction at the reference price on the new basis."""
        before = security.quantity
        security.hear_split(factor)
        if before:
            fraction = before / factor - security.quantity
            self.cash += fraction * reference_price * factor
        self.touch()

    def _lay_out(self) -> None:
        """Look up what is held, where it may have changed. A split's prices are the new column's once its first bar has come."""
        if self._changed or self._valuation.others:
            self._held = {security.index: security for security in self.securities if security.quantity}
            self._valuation.hold(list(self._held.values()))
            self._changed = False
