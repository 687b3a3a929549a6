"""From target percentages to orders, by Lean's rules for `set_holdings` (BuyingPowerModel, PortfolioTargetCollection)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from workbench.engines.embedded.account import Account
from workbench.engines.embedded.book import Book
from workbench.engines.embedded.clr import ZERO, ArgumentException
from workbench.engines.embedded.enums import OrderType
from workbench.engines.embedded.models import market_fee
from workbench.engines.embedded.security import Security

MARKET_KINDS = (OrderType.MARKET, OrderType.MARKET_ON_OPEN)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The settings that sizing reads (`self.settings`); `most` and `least` bound what a target may be, as a share of the value."""

    free_percentage: Decimal
    free_value: Decimal | None
    minimum_margin_percentage: Decimal
    most: Decimal
    least: Decimal

    def free(self, value: Decimal) -> Decimal:
        """Dollars of a portfolio's value that sizing leaves alone."""
        return value * self.free_percentage if self.free_value is None else self.free_value


WHOLE = Sizes(ZERO, None, ZERO, ZERO, ZERO)        # everything may be used, and no change is too small


class Sizing:
    """Sizes at one state of the account, of which what they share is made once. A fill or a later slice asks for a new one."""

    __slots__ = ("_available", "_smallest_change", "_utc", "_value", "sizes")

    def __init__(self, account: Account, book: Book, sizes: Sizes = WHOLE) -> None:
        self.sizes, self._utc = sizes, book.run.utc
        self._value = value = account.value
        self._available = value - sizes.free(value)
        self._smallest_change = sizes.minimum_margin_percentage * value if account.margin_remaining > ZERO else ZERO

    def quantity_for(self, security: Security, weight: Decimal) -> Decimal:
        """Shares to trade so that the position's margin is that of `weight` × value, fees allowed for; 0 where too small."""
        if not self._value or not security.price:
            return ZERO
        return self.quantity_to_share(security, weight * self._available / self._value / security.leverage)

    def quantity_to_share(self, security: Security, share: Decimal) -> Decimal:
        """Shares to trade so that the position's margin is `share` of the account's value, fees allowed for.

        0 where the margin would change by less than the settings' part of the value. Raises ArgumentException where the fee
        leaves no quantity that fits.
        """
        target = share * self._value
        if not target:
            return -security.quantity
        unit = security.price * security.initial
        if abs(target - security.quantity * unit) < self._smallest_change:
            return ZERO
        last = None
        while True:
            quantity, margin = _amount(security, target, unit)
            if not quantity:
                return ZERO
            target = (self._value - market_fee(security, quantity, self._utc)) * share
            if abs(margin) <= abs(target):
                return quantity
            if quantity == last:
                raise ArgumentException("GetMaximumOrderQuantityForTargetBuyingPower failed to converge on the target margin for "
                                        f"{security.symbol}: the fee leaves no quantity that fits")
            last = quantity


def order_of_sending(targets: Sequence[tuple[Security, Decimal]], book: Book) -> list[tuple[Security, Decimal]]:
    """Reducing orders first, then by falling value. What is still working counts as held; a reversal does not reduce."""
    def rank(target: tuple[Security, Decimal]) -> tuple[bool, Decimal]:
        security, quantity = target
        position = security.quantity + book.remaining(security)
        return abs(position + quantity) >= abs(position), -abs(security.price * quantity)

    return sorted(targets, key=rank)


def unordered(security: Security, quantity: Decimal, book: Book) -> Decimal:
    """What is left to order beside the market orders already working."""
    return quantity - book.remaining(security, *MARKET_KINDS)


def _amount(security: Security, target: Decimal, unit: Decimal) -> tuple[Decimal, Decimal]:
    """Whole shares that bring the margin to `target` and not beyond, and that margin."""
    held, is_short = security.quantity, target < ZERO
    quantity = (-held + target / unit).to_integral_value(ROUND_CEILING if is_short else ROUND_FLOOR)
    margin = (held + quantity) * unit
    while abs(margin) > abs(target) and (margin > ZERO) == (target > ZERO):
        quantity += 1 if is_short else -1
        margin = (held + quantity) * unit
    return quantity, margin
