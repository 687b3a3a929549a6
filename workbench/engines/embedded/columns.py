"""One instrument's price columns as the data folder gives them, and the prices an algorithm sees of them.

Prices stay integers (dollars × 10000) in numpy columns; a Decimal is made only for the bar that is asked for.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from workbench.engines.embedded.enums import DataNormalizationMode
from workbench.market.bars import Bars, Minutes, Quotes, Trades
from workbench.market.corporate import FactorFile

ZERO, ONE = Decimal(0), Decimal(1)
UNIT = Decimal("0.0001")        # of a price in a file, in dollars
PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Daily bars and, by bar, the factor that turns its raw prices into those of one normalization mode."""

    bars: Bars
    factors: tuple[Decimal, ...]
    factor_of_bar: Any              # int array, an index into `factors`; None where every factor is 1
    paid: tuple[Decimal, ...] = ()  # total return: the sums of dividends a share that were added so far
    paid_of_bar: Any = None         # int array, an index into `paid`; None in every other mode

    @property
    def is_raw(self) -> bool:
        """Whether prices are those of the file."""
        return self.factor_of_bar is None and self.paid_of_bar is None

    def price(self, field: str, row: int) -> Decimal:
        """A price in dollars: the file's integer ÷ 10000 × factor, not rounded, as Lean's decimals give it."""
        price = Decimal(getattr(self.bars, field).item(row)) * UNIT
        if self.factor_of_bar is not None:
            price *= self._factor(row)
        if self.paid_of_bar is not None:
            price += self.paid[int(self.paid_of_bar[row])]
        return price

    def volume(self, row: int) -> Decimal:
        """The bar's volume; the adjusted modes divide it by the same factor, to a whole number."""
        volume = Decimal(self.bars.volume.item(row))
        if self.factor_of_bar is None:
            return volume
        return (volume / self._factor(row)).to_integral_value()

    def factor_at(self, row: int) -> tuple[Decimal, int]:
        """The factor of a bar, and the last bar that has the same."""
        if self.factor_of_bar is None or row < 0:
            return ONE, len(self.bars)
        place = int(self.factor_of_bar[row])
        return self.factors[place], int(np.searchsorted(self.factor_of_bar, place, side="right")) - 1

    def _factor(self, row: int) -> Decimal:
        return self.factors[int(self.factor_of_bar[row])]


class Day:
    """One session's minute bars and quotes: regular hours only, in one normalization mode's prices.

    A row is found by how many minutes of the session have passed: the newest bar that has ended by then, -1 before the first.
    Bars of the first `skipped` minutes are left out: the run begins after them.
    """

    __slots__ = ("_factor", "_paid", "_quote_rows", "_quotes", "_trade_rows", "_trades", "open")

    def __init__(self, opens: datetime, minutes: int, found: Minutes, factor: Decimal, paid: Decimal, skipped: int) -> None:
        self.open, self._factor, self._paid = opens, factor, paid
        begin = (opens.hour * 60 + opens.minute) * 60_000
        self._trades, self._trade_rows = _regular(found.trades, Trades, begin, skipped, minutes)
        self._quotes, self._quote_rows = _regular(found.quotes, Quotes, begin, skipped, minutes)

    @property
    def ended(self) -> list[int]:
        """After how many minutes of the session a bar or a quote has ended."""
        return [int(minute) + 1 for times in (self._trades, self._quotes) if times for minute in times["time"]]

    @property
    def first_minute(self) -> int:
        """The minute of the session in which the first bar or quote began; its length where there is none."""
        rows = [times["time"][0] for times in (self._trades, self._quotes) if times and len(times["time"])]
        return int(min(rows, default=len(self._trade_rows) - 1))

    def rows_at(self, minute: int) -> tuple[int, int]:
        """The newest trade bar and the newest quote bar after so many minutes."""
        return self._trade_rows[minute], self._quote_rows[minute]

    def trade_minute(self, row: int) -> int:
        """The minute of the session in which a trade bar began."""
        return int(self._trades["time"][row])

    def quote_minute(self, row: int) -> int:
        """The minute of the session in which a quote bar began."""
        return int(self._quotes["time"][row])

    def trade(self, row: int) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        """Open, high, low, close in dollars, and volume in shares."""
        return self._bar(self._trades, row, "", "volume")

    def quote(self, row: int) -> tuple[tuple[Decimal, ...] | None, tuple[Decimal, ...] | None]:
        """Bid and ask: open, high, low, close in dollars, last size in shares; None for a side that was not quoted."""
        bid, ask = (self._bar(self._quotes, row, f"{side}_", f"{side}_size") for side in ("bid", "ask"))
        return bid if bid[0] else None, ask if ask[0] else None

    def _bar(self, columns: dict[str, Any], row: int, side: str, size: str) -> tuple[Decimal, Decimal, Decimal, Decimal, Decimal]:
        factor, paid = self._factor, self._paid
        opening, high, low, close = (Decimal(int(columns[side + name][row])) * UNIT for name in PRICES)
        volume = Decimal(int(columns[size][row]))
        if factor != ONE:
            opening, high, low, close = opening * factor, high * factor, low * factor, close * factor
            volume = (volume / factor).to_integral_value()
        if paid and opening:
            opening, high, low, close = opening + paid, high + paid, low + paid, close + paid
        return opening, high, low, close, volume


def normalized(bars: Bars, factors: FactorFile, mode: DataNormalizationMode) -> Columns:
    """Columns of one mode. The factor of a bar is that of the earliest factor row dated on or after it."""
    values = _factors(factors, mode)
    if all(value == 1 for value in values):
        return Columns(bars, (ONE,), None)
    dates = np.array([row.date for row in factors.rows], dtype="datetime64[D]")
    place = np.searchsorted(dates, bars.days, side="left")
    return Columns(bars, (*values, ONE), place)


def with_dividends(columns: Columns, dividends: list[tuple[date, Decimal]]) -> Columns:
    """Total return: from each ex-date on, what was paid a share since the run's beginning is added to every price."""
    sums = [ZERO]
    for _, per_share in dividends:
        sums.append(sums[-1] + per_share)
    dates = np.array([day for day, _ in dividends], dtype="datetime64[D]")
    return replace(columns, paid=tuple(sums), paid_of_bar=np.searchsorted(dates, columns.bars.days, side="right"))


def factor_on(day: date, factors: FactorFile, mode: DataNormalizationMode) -> Decimal:
    """What one day's raw prices are multiplied by in a mode."""
    values = _factors(factors, mode)
    return next((value for value, row in zip(values, factors.rows, strict=False) if row.date >= day), ONE)


def _factors(factors: FactorFile, mode: DataNormalizationMode) -> tuple[Decimal, ...]:
    """The factor of each factor row; none where the mode leaves prices as they are."""
    if mode is DataNormalizationMode.RAW:
        return ()
    if mode in (DataNormalizationMode.SPLIT_ADJUSTED, DataNormalizationMode.TOTAL_RETURN):
        return tuple(row.split_factor for row in factors.rows)
    return tuple(row.price_factor * row.split_factor for row in factors.rows)


def _regular(found: Trades | Quotes | None, kind: type[Trades] | type[Quotes], begin: int, skipped: int,
             minutes: int) -> tuple[dict[str, Any], list[int]]:
    """The columns within regular hours, their time as the minute of the session, and the newest row after each minute."""
    if found is None:
        return {}, [-1] * (minutes + 1)
    start = (found.time - begin) // 60_000
    inside = (start >= skipped) & (start < minutes) & (found.time >= begin)
    columns = {name: getattr(found, name)[inside] for name in kind.__dataclass_fields__}
    columns["time"] = start[inside]
    return columns, (np.searchsorted(columns["time"], np.arange(minutes + 1), side="left") - 1).tolist()
