"""First in, first out, for all fills of one stock at once: which shares were closed when, and what their prices did between.

`trades.Position` is the rule, fill by fill. This is the same in columns, for a stock whose prices are its file's (dollars ×
10000, without factors): cumulated shares opened and closed cut each other into trades, and what counts of the prices between
an entry and its exit is put together from stretches of 1, 2, 4 … prices. All of it is in whole numbers, so nothing is rounded
before the last step; the number of places that a decimal of C#'s would show is followed with them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

PLACES = 4                      # of a close; of a fill's price, what it has without trailing zeros
INDEX_BITS = 20                 # of a price's place in the sequence, kept below the price: among equal ones the earliest counts
MOST = 2**62


class Fills(NamedTuple):
    """One stock's fills in order of time: the bar of each, its price (dollars × 10000), signed shares."""

    row: Numbers
    price: Numbers
    quantity: Numbers

    @property
    def places(self) -> Numbers:
        """Of each price, without trailing zeros."""
        return np.select([self.price % 10**power == 0 for power in (4, 3, 2, 1)], [0, 1, 2, 3], PLACES)


class Money(NamedTuple):
    """Dollars, as whole numbers of 10^-`places`."""

    number: list[int]
    places: list[int]


class Matches(NamedTuple):
    """The trades in order: the fills of entry and exit, and whether the fee of the one and of the other counts with it.

    A fee counts with the first trade of its fill; of one that closes and then opens, with the first that it closes.
    """

    entry: list[int]
    exit: list[int]
    pays_entry: list[bool]
    pays_exit: list[bool]
    is_long: list[bool]
    quantity: list[int]
    profit: Money
    adverse: Money
    favorable: Money
    given_back: Money


def match(fills: Fills, closes: Numbers) -> Matches | None:
    """The trades that a stock's fills close, with the closes of all its bars; None where 64 bits are too few."""
    size = np.abs(fills.quantity)
    at = fills.row - fills.row[0] + np.arange(len(size))        # each fill's place among closes and fills, in order of time
    if _too_large(fills, closes, size, int(at[-1])):
        return None
    before = np.cumsum(fills.quantity) - fills.quantity
    closing = np.where(np.sign(before) * np.sign(fills.quantity) < 0, np.minimum(size, np.abs(before)), 0)
    opening = size - closing
    opened, closed = np.cumsum(opening), np.cumsum(closing)
    ends = np.unique(np.concatenate([opened, closed]))
    ends = ends[(ends > 0) & (ends <= closed[-1])]
    begins = np.concatenate([[0], ends])[:-1]
    quantity = ends - begins
    entry, leave = np.searchsorted(opened, ends), np.searchsorted(closed, ends)
    is_long = fills.quantity[entry] > 0
    of = fills.places
    prices, places = _sequence(fills, of, closes, at)
    first = np.maximum.accumulate(np.where((opening > 0) & (closing == np.abs(before)), np.arange(len(size)), 0))[entry]
    lowest, highest = _extremes(prices, at[first], at[leave])
    worst, best = np.where(is_long, lowest, highest), np.where(is_long, highest, lowest)
    paid, sign = fills.price[entry], np.where(is_long, 1, -1)

    def gain(price: Numbers, its_places: Numbers) -> Money:
        return _money((price - paid) * sign * quantity, np.maximum(its_places, of[entry]))

    fall, fall_places = _falls(prices, places, at[entry], at[leave], is_long)
    pays_entry = (begins == (opened - opening)[entry]) & (closing[entry] == 0)
    pays_exit = begins == (closed - closing)[leave]
    return Matches(
        entry.tolist(), leave.tolist(), pays_entry.tolist(), pays_exit.tolist(), is_long.tolist(), quantity.tolist(),
        gain(fills.price[leave], of[leave]), gain(prices[worst], places[worst]), gain(prices[best], places[best]),
        _money(fall * quantity, fall_places),
    )


def _too_large(fills: Fills, closes: Numbers, size: Numbers, length: int) -> bool:
    highest = max(int(fills.price.max()), int(closes.max(initial=0)))
    return (length >= 2**INDEX_BITS or highest << INDEX_BITS + 1 >= MOST or highest * int(size.max()) >= MOST
            or float(size.sum()) >= MOST)


def _sequence(fills: Fills, of: Numbers, closes: Numbers, at: Numbers) -> tuple[Numbers, Numbers]:
    """Prices from the first fill to the last, fills behind the close of their own bar; and their places."""
    prices, places = np.empty(int(at[-1]) + 1, np.int64), np.full(int(at[-1]) + 1, PLACES)
    is_close = np.ones(len(prices), np.bool_)
    is_close[at] = False
    prices[is_close] = closes[fills.row[0] + 1:fills.row[-1] + 1]
    prices[at], places[at] = fills.price, of
    return prices, places


def _extremes(prices: Numbers, first: Numbers, last: Numbers) -> tuple[Numbers, Numbers]:
    """Where the lowest and the highest price is between a position's first fill and each trade's exit."""
    index, mask = np.arange(len(prices)), 2**INDEX_BITS - 1
    low, high = prices << INDEX_BITS | index, prices << INDEX_BITS | mask - index
    lowest, highest = np.empty_like(last), np.empty_like(last)
    for begin in np.unique(first).tolist():
        chosen = first == begin
        ends = last[chosen] - begin
        position = slice(begin, begin + int(ends.max()) + 1)
        lowest[chosen] = np.minimum.accumulate(low[position])[ends]
        highest[chosen] = np.maximum.accumulate(high[position])[ends]
    return lowest & mask, mask - (highest & mask)


def _falls(prices: Numbers, places: Numbers, first: Numbers, last: Numbers, is_long: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """The deepest fall from each entry to its exit, of a short position the highest rise; and the places it is told with.

    The places ride below the prices, as 0, 1 or 3 for none, one and more: a high plus its mark less a low less its own is the
    fall with the sum of both, which stays below 8.
    """
    marks = np.array([0, 1, 3, 3, 3])[places]
    falls, told = np.zeros_like(first), np.zeros_like(first)
    for chosen, ways in ((is_long, prices * 8), (~is_long, prices * -8)):
        if chosen.any():
            found = _deepest(ways + marks, ways - marks, first[chosen], last[chosen])
            falls[chosen], told[chosen] = found >> 3, np.array([0, 1, 1, 2, 2, 2, 2, 2])[found & 7]
    told[falls == 0] = 0
    return falls, told


def _deepest(high: Numbers, low: Numbers, first: Numbers, last: Numbers) -> Numbers:
    """The largest `high` less a later `low` in each stretch from first to last, 0 where it only rises.

    Stretches of 1, 2, 4 … prices are made of two of the size before; a trade takes those that the bits of its length name.
    """
    fall, left, at = np.zeros_like(high), last - first + 1, first.copy()
    found, top = np.zeros_like(first), np.full(len(first), np.iinfo(np.int64).min // 2)
    step = 1
    while True:
        taken = np.flatnonzero(left & step)
        place = at[taken]
        found[taken] = np.maximum(np.maximum(found[taken], fall[place]), top[taken] - low[place])
        top[taken] = np.maximum(top[taken], high[place])
        at[taken] += step
        if step * 2 > int(left.max()):
            return found
        fall = np.maximum(np.maximum(fall[:-step], fall[step:]), high[:-step] - low[step:])
        high, low = np.maximum(high[:-step], high[step:]), np.minimum(low[:-step], low[step:])
        step *= 2


def _money(units: Numbers, places: Numbers) -> Money:
    """Ten-thousandths of a dollar, rounded half to even to cents; with fewer places than two where there are no more."""
    whole, rest = np.divmod(units, 100)
    cents = whole + ((rest > 50) | ((rest == 50) & (whole % 2 == 1)))
    shown = np.minimum(places, 2)
    return Money((cents // np.array([100, 10, 1])[shown]).tolist(), shown.tolist())
