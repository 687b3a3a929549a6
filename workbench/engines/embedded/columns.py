"""One instrument's price columns as the data folder gives them, and the prices an algorithm sees of them.

Prices stay integers (dollars × 10000) in numpy columns; a Decimal is made only for the bar that is asked for.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from workbench.engines.embedded.enums import DataNormalizationMode
from workbench.market.bars import Bars
from workbench.market.corporate import FactorFile

ONE = Decimal(1)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Daily bars and, by bar, the factor that turns its raw prices into those of one normalization mode."""

    bars: Bars
    factors: tuple[Decimal, ...]
    factor_of_bar: Any          # int array, an index into `factors`; None where every factor is 1

    def price(self, field: str, row: int) -> Decimal:
        """A price in dollars: the file's integer ÷ 10000 × factor, not rounded, as Lean's decimals give it."""
        price = Decimal(int(getattr(self.bars, field)[row])).scaleb(-4)
        if self.factor_of_bar is None:
            return price
        return price * self._factor(row)

    def volume(self, row: int) -> Decimal:
        """The bar's volume; the adjusted modes divide it by the same factor, to a whole number."""
        volume = Decimal(int(self.bars.volume[row]))
        if self.factor_of_bar is None:
            return volume
        return (volume / self._factor(row)).to_integral_value()

    def _factor(self, row: int) -> Decimal:
        return self.factors[int(self.factor_of_bar[row])]


def normalized(bars: Bars, factors: FactorFile, mode: DataNormalizationMode) -> Columns:
    """Columns of one mode. The factor of a bar is that of the earliest factor row dated on or after it."""
    if mode in (DataNormalizationMode.RAW, DataNormalizationMode.TOTAL_RETURN) or not factors.rows:
        return Columns(bars, (ONE,), None)
    split_only = mode is DataNormalizationMode.SPLIT_ADJUSTED
    values = tuple(row.split_factor if split_only else row.price_factor * row.split_factor for row in factors.rows)
    if all(value == 1 for value in values):
        return Columns(bars, (ONE,), None)
    dates = np.array([row.date for row in factors.rows], dtype="datetime64[D]")
    place = np.searchsorted(dates, bars.days, side="left")
    return Columns(bars, (*values, ONE), place)
