"""Closed trades as Lean builds them: fills of one direction matched with later ones of the other, first in first out.

Of the prices between, Lean's trades know how far the position went either way and the deepest fall of profit since the entry.
Nothing is done for a bar: prices are summed up from the columns when a fill asks for them (Lean: TradeBuilder, FillToFill).
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from functools import reduce
from itertools import pairwise, repeat
from operator import itemgetter, mul
from typing import Any, NamedTuple

import numpy as np

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import normal, plus, product, quotient, rounded
from workbench.engines.embedded.enums import OrderStatus
from workbench.engines.embedded.matching import Fills, match
from workbench.engines.embedded.orders import Event
from workbench.engines.embedded.security import DailySecurity, Security
from workbench.market.bars import SCALE

TICK = Decimal("0.0001")        # of a price in a file
UNITS = Decimal(1), Decimal("0.1"), Decimal("0.01")     # by the places that money is told with

_new = tuple.__new__        # of a named tuple: its own call is half of what a trade costs


class Path(NamedTuple):
    """What counts of a stretch of prices: its extremes, and the deepest move against the position within it."""

    high: Decimal
    low: Decimal
    against: Decimal


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
    seen: int                       # the newest place on the tape that is in
    lots: deque[Lot] = field(default_factory=deque)
    common: Path | None = None
    later: list[tuple[Lot | None, Path]] = field(default_factory=list)      # what came since `common` began to count

    def look(self, path: Path) -> None:
        """Take a stretch of prices in."""
        high, low, _ = path
        if high > self.high:
            self.high = high
        if low < self.low:
            self.low = low
        self.common = path if self.common is None else self.then(self.common, path)
        if self.later and self.later[-1][0] is None:
            path = self.then(self.later.pop()[1], path)
        self.later.append((None, path))

    def then(self, path: Path, later: Path) -> Path:
        """Two stretches as one."""
        high, low, against = path
        later_high, later_low, later_against = later
        between = high - later_low if self.is_long else later_high - low
        if later_against > against:
            against = later_against
        return Path(later_high if later_high > high else high, later_low if later_low < low else low,
                      between if between > against else against)

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
        return lot, lot.since if self.common is None else self.then(lot.since, self.common)

    def scale(self, factor: Decimal) -> None:
        """A split."""
        def on_the_new_basis(path: Path) -> Path:
            return Path(*(product(price, factor) for price in path))

        self.high, self.low = product(self.high, factor), product(self.low, factor)
        for lot in self.lots:
            lot.quantity, lot.price = quotient(lot.quantity, factor), product(lot.price, factor)
            lot.since = None if lot.since is None else on_the_new_basis(lot.since)
        self.common = None if self.common is None else on_the_new_basis(self.common)
        self.later = [(lot, on_the_new_basis(path)) for lot, path in self.later]

    def _begin_anew(self) -> None:
        """Give every lot its path up to now, newest first."""
        path: Path | None = None
        for lot, stretch in reversed(self.later):
            path = stretch if path is None else self.then(stretch, path)
            if lot is not None:
                lot.since = path
        self.common, self.later = None, []


class Noted(NamedTuple):
    """A fill by its number in the run, the fee that counts with it, and the place on the tape where it came."""

    number: int
    event: Event
    order: int
    fee: Decimal
    place: int


class Rescaled(NamedTuple):
    """A split in raw prices, and the place on the tape of the newest price before it."""

    factor: Decimal
    place: int


class Followed:
    """One stock's trades, fill by fill; each under the number of the fill that closed it."""

    def __init__(self, security: Security) -> None:
        self.closed: list[tuple[int, Trade]] = []
        self.security = security
        self._position: Position | None = None

    def look(self, place: int) -> None:
        """Take in the prices up to a place on the tape."""
        if self._position is not None and not self.security.delisted:
            self._catch_up(self._position, place)

    def fill(self, noted: Noted) -> None:
        """Take a fill in: it closes the oldest lots of the other direction, and what is left opens a new one."""
        price, quantity, position = normal(noted.event.fill_price), noted.event.fill_quantity, self._position
        fee = normal(noted.fee)
        if position is None:
            self._open(noted, price, quantity, fee)
            return
        self._catch_up(position, noted.place, price)
        if (quantity > 0) == position.is_long:
            position.enter(Lot(noted.event.utc, price, abs(quantity), fee, (noted.order,)))
            return
        left = abs(quantity)
        while position.lots and left > 0:
            closing = min(left, position.lots[0].quantity)
            self._close(position, closing, price, fee, noted)
            left = plus(left, closing.copy_negate())
            fee = ZERO                      # the order's fee counts once
        if not position.lots:
            self._position = None
            if left > 0:
                self._open(noted, price, left.copy_sign(quantity), ZERO)

    def split(self, split: Rescaled) -> None:
        """Go over to the new basis."""
        if self._position is not None:
            self._catch_up(self._position, split.place)
            self._position.scale(split.factor)

    def _open(self, noted: Noted, price: Decimal, quantity: Decimal, fee: Decimal) -> None:
        self._position = Position(quantity > 0, price, price, noted.place)
        self._position.enter(Lot(noted.event.utc, price, abs(quantity), fee, (noted.order,)))

    def _close(self, position: Position, quantity: Decimal, price: Decimal, fee: Decimal, noted: Noted) -> None:
        lot, path = position.oldest()
        entry, size = lot.price, quantity if position.is_long else quantity.copy_negate()
        worst, best = (position.low, position.high) if position.is_long else (position.high, position.low)
        orders = lot.orders if noted.order in lot.orders else (*lot.orders, noted.order)
        self.closed.append((noted.number, Trade(
            self.security, lot.entered, entry, position.is_long, quantity, noted.event.utc, price,
            rounded((price - entry) * size, 2), lot.fees + fee, rounded((worst - entry) * size, 2),
            rounded((best - entry) * size, 2), rounded(path.against * quantity, 2), orders,
        )))
        if quantity == lot.quantity:
            position.lots.popleft()
        else:
            lot.quantity = plus(lot.quantity, quantity.copy_negate())
            lot.fees = ZERO

    def _catch_up(self, position: Position, place: int, last: Decimal | None = None) -> None:
        """Take in the prices since the position was last looked at, and then a last one."""
        stretches: list[Path] = []
        if place != position.seen:
            security = self.security
            stretches = (_stretches(security, position.seen, place, position.is_long) if isinstance(security, DailySecurity)
                         else [_at(security.price)])
            position.seen = place
        if last is not None:
            stretches.append(_at(last))
        if stretches:
            position.look(reduce(position.then, stretches))


class Trades:
    """The trades of a run.

    Fills of daily bars are only noted; they are matched when somebody asks, a stock at a time: as columns where its prices and
    shares are whole numbers on one basis, else fill by fill. Minutes are followed as they come: nobody has them later.
    """

    def __init__(self) -> None:
        self._count = 0
        self._charged: set[int] = set()                 # orders filled in part, whose fee is counted
        self._noted: dict[DailySecurity, list[Noted | Rescaled]] = {}
        self._followed: dict[Security, Followed] = {}

    @property
    def closed(self) -> list[Trade]:
        """All that are closed so far, in the order in which they were."""
        found = [numbered for followed in self._followed.values() for numbered in followed.closed]
        for security, noted in self._noted.items():
            many = _as_columns(security, noted)
            found += _one_by_one(security, noted) if many is None else many
        return [trade for _, trade in sorted(found, key=itemgetter(0))]

    def look(self) -> None:
        """After a slice: take in the prices that no column will have later."""
        for followed in self._followed.values():
            followed.look(followed.security.tape.step)

    def fill(self, event: Event) -> None:
        """Take a fill in."""
        order, fee = event.order, event.fee or ZERO
        security = order.security
        if self._charged and order.id in self._charged:
            fee = ZERO
        if event.status is OrderStatus.PARTIALLY_FILLED:
            self._charged.add(order.id)
        self._count += 1
        if isinstance(security, DailySecurity):
            noted = self._noted.get(security)
            if noted is None:
                noted = self._noted[security] = []
            noted.append(Noted(self._count, event, order.id, fee, security.tape.session))
        else:
            if security not in self._followed:
                self._followed[security] = Followed(security)
            self._followed[security].fill(Noted(self._count, event, order.id, fee, security.tape.step))

    def split(self, security: Security, factor: Decimal) -> None:
        """A raw-mode split of a stock."""
        if isinstance(security, DailySecurity):
            if security in self._noted:
                self._noted[security].append(Rescaled(factor, security.tape.session))
        elif security in self._followed:
            self._followed[security].split(Rescaled(factor, security.tape.step))


def _one_by_one(security: DailySecurity, noted: list[Noted | Rescaled]) -> list[tuple[int, Trade]]:
    followed = Followed(security)
    for one in noted:
        if isinstance(one, Rescaled):
            followed.split(one)
        else:
            followed.fill(one)
    return followed.closed


def _as_columns(security: DailySecurity, noted: list[Noted | Rescaled]) -> list[tuple[int, Trade]] | None:
    """The same, all at once; None where prices are not the file's, on one basis, or shares not whole."""
    columns = security.columns
    assert columns is not None
    moves = [one for one in noted if isinstance(one, Noted)]
    if len(moves) < len(noted) or not columns.is_raw:
        return None
    prices, shares = [one.event.fill_price for one in moves], [one.event.fill_quantity for one in moves]
    if not all(map(TICK.same_quantum, prices)) or not all(map(UNITS[0].same_quantum, shares)):
        return None
    rows, ticks = [security.row_at(one.place) for one in moves], map(mul, prices, repeat(SCALE))
    fills = Fills(*(np.array([*map(int, column)], np.int64) for column in (rows, ticks, shares)))
    found = match(fills, columns.bars.close)
    if found is None:
        return None
    fees, paid, at = [normal(one.fee) for one in moves], [*map(normal, prices)], [one.event.utc for one in moves]
    orders, numbers = [one.order for one in moves], [one.number for one in moves]
    amounts = [map(mul, map(Decimal, money.number), map(UNITS.__getitem__, money.places))
               for money in (found.profit, found.adverse, found.favorable, found.given_back)]
    return [(numbers[leave], _new(Trade, (
        security, at[entry], paid[entry], is_long, quantity, at[leave], paid[leave], profit,
        (fees[entry] if pays_entry else ZERO) + (fees[leave] if pays_exit else ZERO), adverse, favorable, given_back,
        (orders[entry],) if orders[entry] == orders[leave] else (orders[entry], orders[leave]))))
        for entry, leave, pays_entry, pays_exit, is_long, quantity, profit, adverse, favorable, given_back in zip(
            *found[:5], map(Decimal, found.quantity), *amounts, strict=True)]


def _at(price: Decimal) -> Path:
    return Path(price, price, ZERO)


def _stretches(security: DailySecurity, after: int, upto: int, is_long: bool) -> list[Path]:
    """The closes of the bars after one session, up to another, summed up for each adjustment factor."""
    first, last = security.row_at(after) + 1, security.row_at(upto) + 1
    columns = security.columns
    assert columns is not None
    if first >= last:
        return []
    if last - first == 1:
        return [_at(columns.price("close", first))]
    closes = columns.bars.close[first:last]
    if columns.factor_of_bar is None:
        return [_summed(closes, Decimal(1), is_long)]
    kinds = columns.factor_of_bar[first:last]
    cuts = [0, *(np.flatnonzero(np.diff(kinds)) + 1), len(kinds)]
    return [_summed(closes[a:b], columns.factors[int(kinds[a])], is_long) for a, b in pairwise(cuts)]


def _summed(closes: Any, factor: Decimal, is_long: bool) -> Path:
    moves = np.maximum.accumulate(closes) - closes if is_long else closes - np.minimum.accumulate(closes)
    return Path(*(Decimal(int(value)).scaleb(-4) * factor for value in (closes.max(), closes.min(), moves.max())))
