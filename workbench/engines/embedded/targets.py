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


@dataclass(slots=True)
class Sizes:
    """The settings that sizing reads (`self.settings`)."""

    free_percentage: Decimal
    free_value: Decimal | None
    minimum_margin_percentage: Decimal


def quantity_for(security: Security, weight: Decimal, account: Account, book: Book, sizes: Sizes) -> Decimal:
    """Shares to trade so that the position's margin is that of `weight` × value, fees allowed for; 0 where too small."""
    value = account.value
    if value == 0 or security.price == 0:
        return ZERO
    free = value * sizes.free_percentage if sizes.free_value is None else sizes.free_value
    share = weight * (value - free) / value / security.leverage
    return quantity_to_share(security, share, value, account, book, sizes.minimum_margin_percentage)


def quantity_to_share(security: Security, share: Decimal, value: Decimal, account: Account, book: Book,
                      minimum: Decimal = ZERO) -> Decimal:
    """Shares to trade so that the position's margin is `share` of the account's value, fees allowed for.

    0 where the margin would change by less than `minimum` of the value. Raises ArgumentException where the fee leaves no
    quantity that fits.
    """
    target = share * value
    if target == 0:
        return -security.quantity
    unit = security.price * security.initial
    current = security.quantity * unit
    if abs(target - current) < minimum * value and account.margin_remaining > 0:
        return ZERO
    last = None
    while True:
        quantity, margin = _amount(security, target, unit)
        if quantity == 0:
            return ZERO
        target = (value - market_fee(security, quantity, book.run.utc)) * share
        if abs(margin) <= abs(target):
            return quantity
        if quantity == last:
            raise ArgumentException(f"GetMaximumOrderQuantityForTargetBuyingPower failed to converge on the target margin for "
                                    f"{security.symbol}: the fee leaves no quantity that fits")
        last = quantity


def order_of_sending(targets: Sequence[tuple[Security, Decimal]], book: Book) -> list[tuple[Security, Decimal]]:
    """Reducing orders first, then by falling value. What is still working counts as held; a reversal does not reduce."""
    def reduces(security: Security, quantity: Decimal) -> bool:
        position = security.quantity + book.remaining(security)
        return abs(position + quantity) < abs(position)

    return sorted(targets, key=lambda pair: (not reduces(*pair), -abs(pair[0].price * pair[1])))


def unordered(security: Security, quantity: Decimal, book: Book) -> Decimal:
    """What is left to order beside the market orders already working."""
    return quantity - book.remaining(security, *MARKET_KINDS)


def _amount(security: Security, target: Decimal, unit: Decimal) -> tuple[Decimal, Decimal]:
    """Whole shares that bring the margin to `target` and not beyond, and that margin."""
    rounding = ROUND_CEILING if target < 0 else ROUND_FLOOR
    quantity = (-security.quantity + target / unit).to_integral_value(rounding)
    margin = (security.quantity + quantity) * unit
    while abs(margin) > abs(target) and (margin > 0) == (target > 0):
        quantity += 1 if target < 0 else -1
        margin = (security.quantity + quantity) * unit
    return quantity, margin

