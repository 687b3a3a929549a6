"""Closed trades as Lean builds them: fills of one direction matched with later ones of the other, first in first out.

Of the prices between, Lean's trades know how far the position went either way and the deepest fall of profit since the entry.
Nothing is done for a bar: prices are summed up from the columns when a fill asks for them (Lean: TradeBuilder, FillToFill).
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import added, normal, product, quotient, rounded
from workbench.engines.embedded.enums import OrderStatus
from workbench.engines.embedded.orders import Event
from workbench.engines.embedded.security import DailySecurity, Security


class Path(NamedTuple):
    """What counts of a stretch of prices: its extremes, the deepest fall and the highest rise within it."""

    high: Decimal
    low: Decimal
    fall: Decimal
    rise: Decimal

    def then(self, later: "Path") -> "Path":
        """The two stretches as one."""
        high, low, fall, rise = self
        later_high, later_low, later_fall, later_rise = later
        between_fall, between_rise = high - later_low, later_high - low
        if later_fall > fall:
            fall = later_fall
        if later_rise > rise:
            rise = later_rise
        return Path(later_high if later_high > high else high, later_low if later_low < low else low,
                    between_fall if between_fall > fall else fall, between_rise if between_rise > rise else rise)

    def to(self, price: Decimal) -> "Path":
        """The stretch and then one price."""
        high, low, fall, rise = self
        if high - price > fall:
            fall = high - price
        if price - low > rise:
            rise = price - low
        return Path(price if price > high else high, price if price < low else low, fall, rise)

    def times(self, factor: Decimal) -> "Path":
        """The stretch on a split's new basis."""
        return Path(*(product(price, factor) for price in self))


class Trade(NamedTuple):
    """An entry and its exit. Times are UTC seconds, money dollars, `quantity` shares without a sign."""

    security: Security
    entered: int
    entry_price: Decimal
    is_long: bool
    quantity: Decimal
    exited: int
    exit_price: Decimal
    profit: Decimal
    fees: Decimal
    adverse: Decimal            # MAE
    favorable: Decimal          # MFE
    given_back: Decimal         # EndTradeDrawdown
    orders: tuple[int, ...]


@dataclass(slots=True)
class Lot:
    """Shares of one fill that are still held."""

    entered: int
    price: Decimal
    quantity: Decimal
    fees: Decimal
    orders: tuple[int, ...]
    since: Path | None = None       # prices from the entry to where the position's common stretch begins


@dataclass(slots=True)
class Position:
    """The open lots of one stock, all of one direction.

    The path since a lot's entry is `lot.since` and then `common`: only the oldest lots know theirs, the others are given
    theirs, all at once, when one of them becomes the oldest. So a fill costs the same however many lots there are.
    """

    is_long: bool
    high: Decimal
    low: Decimal
    security: Security
    seen: int                       # the newest place on the tape that is in
    lots: deque[Lot] = field(default_factory=deque)
    common: Path | None = None
    later: list[tuple[Lot | None, Path]] = field(default_factory=list)      # what came since `common` began to count

    def look(self, path: Path) -> None:
        """Take a stretch of prices in."""
        self.high, self.low = max(self.high, path.high), min(self.low, path.low)
        self.common = path if self.common is None else self.common.then(path)
        if self.later and self.later[-1][0] is None:
            path = self.later.pop()[1].then(path)
        self.later.append((None, path))

    def enter(self, lot: Lot) -> None:
        """Take a lot in."""
        self.lots.append(lot)
        self.later.append((lot, _at(lot.price)))

    def oldest(self) -> tuple[Lot, Path]:
        """The oldest lot and the prices since its entry."""
        lot = self.lots[0]
        if lot.since is None:
            self._begin_anew()
        assert lot.since is not None
        return lot, lot.since if self.common is None else lot.since.then(self.common)

    def scale(self, factor: Decimal) -> None:
        """A split."""
        self.high, self.low = product(self.high, factor), product(self.low, factor)
        for lot in self.lots:
            lot.quantity, lot.price = quotient(lot.quantity, factor), product(lot.price, factor)
            lot.since = None if lot.since is None else lot.since.times(factor)
        self.common = None if self.common is None else self.common.times(factor)
        self.later = [(lot, path.times(factor)) for lot, path in self.later]

    def _begin_anew(self) -> None:
        """Give every lot its path up to now, newest first."""
        path: Path | None = None
        for lot, stretch in reversed(self.later):
            path = stretch if path is None else stretch.then(path)
            if lot is not None:
                lot.since = path
        self.common, self.later = None, []


class Trades:
    """The trades of a run, in the order in which they were closed."""

    def __init__(self) -> None:
        self.closed: list[Trade] = []
        self._charged: set[int] = set()                 # orders filled in part, whose fee is counted
        self._positions: dict[int, Position] = {}
        self._followed: dict[int, Position] = {}        # whose prices are not kept in columns

    def look(self) -> None:
        """After a slice: take in the prices that no column will have later."""
        for position in self._followed.values():
            _catch_up(position)

    def fill(self, event: Event) -> None:
        """Take a fill in: it closes the oldest lots of the other direction, and what is left opens a new one."""
        security, order_id = event.order.security, event.order.id
        price, quantity = normal(event.fill_price), event.fill_quantity
        fee = ZERO if order_id in self._charged else normal(event.fee or ZERO)
        if event.status is OrderStatus.PARTIALLY_FILLED:
            self._charged.add(order_id)
        position = self._positions.get(security.index)
        if position is None:
            self._open(security, event.utc, price, quantity, fee, order_id)
            return
        _catch_up(position, price)
        if (quantity > 0) == position.is_long:
            position.enter(Lot(event.utc, price, abs(quantity), fee, (order_id,)))
            return
        left = abs(quantity)
        while position.lots and left > 0:
            closing = min(left, position.lots[0].quantity)
            self._close(position, closing, event.utc, price, fee, order_id)
            left = ZERO if closing == left else added(left, closing.copy_negate())
            fee = ZERO                      # the order's fee counts once
        if not position.lots:
            del self._positions[security.index]
            self._followed.pop(security.index, None)
            if left > 0:
                self._open(security, event.utc, price, left.copy_sign(quantity), ZERO, order_id)

    def split(self, security: Security, factor: Decimal) -> None:
        """A raw-mode split of a stock."""
        position = self._positions.get(security.index)
        if position is not None:
            _catch_up(position)
            position.scale(factor)

    def _open(self, security: Security, utc: int, price: Decimal, quantity: Decimal, fee: Decimal, order_id: int) -> None:
        position = Position(quantity > 0, price, price, security, _place(security))
        position.enter(Lot(utc, price, abs(quantity), fee, (order_id,)))
        self._positions[security.index] = position
        if not isinstance(security, DailySecurity):
            self._followed[security.index] = position

    def _close(self, position: Position, quantity: Decimal, utc: int, price: Decimal, fee: Decimal, order_id: int) -> None:
        lot, path = position.oldest()
        entry, held = lot.price, quantity if position.is_long else quantity.copy_negate()
        worst, best = (position.low, position.high) if position.is_long else (position.high, position.low)
        self.closed.append(Trade(
            security=position.security, entered=lot.entered, entry_price=entry, is_long=position.is_long, quantity=quantity,
            exited=utc, exit_price=price, profit=rounded((price - entry) * held, 2), fees=lot.fees + fee,
            adverse=rounded((worst - entry) * held, 2), favorable=rounded((best - entry) * held, 2),
            given_back=rounded((path.fall if position.is_long else path.rise) * quantity, 2),
            orders=lot.orders if order_id in lot.orders else (*lot.orders, order_id),
        ))
        if quantity == lot.quantity:
            position.lots.popleft()
        else:
            lot.quantity = added(lot.quantity, quantity.copy_negate())
            lot.fees = ZERO


def _catch_up(position: Position, last: Decimal | None = None) -> None:
    """Take in the prices since the position was last looked at, and then a last one."""
    security, place, path = position.security, _place(position.security), None
    if place != position.seen and not security.delisted:
        if isinstance(security, DailySecurity):
            stretches = _stretches(security, position.seen, place)
            path = reduce(Path.then, stretches) if stretches else None
        else:
            path = _at(security.price)
        position.seen = place
    if last is not None:
        path = _at(last) if path is None else path.to(last)
    if path is not None:
        position.look(path)


def _place(security: Security) -> int:
    """Where a security's newest price is: a session for daily bars, else a slice."""
    return security.tape.session if isinstance(security, DailySecurity) else security.tape.step


def _at(price: Decimal) -> Path:
    return Path(price, price, ZERO, ZERO)


def _stretches(security: DailySecurity, after: int, upto: int) -> list[Path]:
    """The closes of the bars after one session, up to another, summed up for each adjustment factor."""
    first, last = int(security.rows[after]) + 1 if after >= 0 else 0, int(security.rows[upto]) + 1
    columns = security.columns
    assert columns is not None
    if first >= last:
        return []
    if last - first == 1:
        return [_at(columns.price("close", first))]
    closes = columns.bars.close[first:last]
    if columns.factor_of_bar is None:
        return [_summed(closes, Decimal(1))]
    kinds = columns.factor_of_bar[first:last]
    cuts = [0, *(np.flatnonzero(np.diff(kinds)) + 1), len(kinds)]
    return [_summed(closes[a:b], columns.factors[int(kinds[a])]) for a, b in pairwise(cuts)]


def _summed(closes: Any, factor: Decimal) -> Path:
    falls, rises = np.maximum.accumulate(closes) - closes, closes - np.minimum.accumulate(closes)
    return Path(*(Decimal(int(value)).scaleb(-4) * factor for value in (closes.max(), closes.min(), falls.max(), rises.max())))
