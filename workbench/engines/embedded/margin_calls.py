"""Margin calls (Lean: DefaultMarginCallModel): looked at every five minutes of the run, executed only while the market is open."""

from dataclasses import dataclass
from decimal import Decimal

from workbench.engines.embedded.account import Account
from workbench.engines.embedded.book import Book
from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.enums import OrderType
from workbench.engines.embedded.orders import Order, number_text
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.targets import Sizing
from workbench.engines.embedded.times_in_force import TimeInForce

SECONDS_BETWEEN = 300
BUFFER = Decimal("1.10")            # margin used above this × value is called
WARN_AT = Decimal("0.05")           # margin remaining up to this × value is warned of
TAG = "Margin Call"


@dataclass(frozen=True, slots=True)
class Call:
    """A position to reduce by a market order of so many signed shares."""

    security: Security
    quantity: Decimal


def calls_of(account: Account, book: Book) -> tuple[list[Call], bool]:
    """What a margin call would sell or cover, and whether the account is close enough to be warned."""
    used, value = account.margin_used, account.value
    if used <= 0:
        return [], False
    remaining = account.margin_remaining
    if remaining > 0:
        return [], remaining <= value * WARN_AT
    if used <= value * BUFFER:
        return [], False
    found = [Call(security, _quantity(security, used - value, value, account, book)) for security in account.held]
    found = [call for call in found if call.quantity]
    return found, bool(found)


def execute(calls: list[Call], account: Account, book: Book) -> list[str]:
    """Send the calls, the largest losses first, until the margin suffices. Returns Lean's line for each."""
    told: list[str] = []
    for call in sorted(calls, key=lambda call: call.security.unrealized):
        if account.margin_remaining >= 0:
            break
        order = Order(OrderType.MARKET, call.security, call.quantity, TAG, TimeInForce.GOOD_TIL_CANCELED, book.run.utc)
        book.submit(order)
        told.append(f"{book.run.local:%m/%d/%Y %H:%M:%S} - Executed MarginCallOrder: {call.security.symbol} - "
                    f"Quantity: {number_text(order.quantity)} @ {number_text(order.average_price)}")
    return told


def _quantity(security: Security, excess: Decimal, value: Decimal, account: Account, book: Book) -> Decimal:
    """Shares against the position that free `excess` of margin, or the whole position where it holds less."""
    reserved = abs(security.quantity) * security.price * security.initial
    kept = max(ZERO, reserved - excess).copy_sign(security.quantity)
    share = kept / value if value else ZERO
    return abs(Sizing(account, book).quantity_to_share(security, share)).copy_sign(-security.quantity)
