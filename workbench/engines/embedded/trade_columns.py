"""Closed trades as columns: what a span of them adds up to is a difference of two sums, however many they are.

Sums are exact. Money is whole numbers, 64-bit where every sum of it is, else Python's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import WIDE, places_of, whole
from workbench.engines.embedded.trades import Trade

SAFE = 2**60        # of a sum of 64-bit numbers
MONEY = ("profit", "adverse", "favorable", "given_back", "fees")

Column = NDArray[Any]


class TradeColumns:
    """Trades in order of their exit: UTC seconds, and money in whole numbers of 10^-`places` dollars.

    `sum_of_...` are a column's sums before each trade and after the last.
    """

    def __init__(self, trades: Sequence[Trade]) -> None:
        columns = dict(zip(Trade._fields, zip(*trades, strict=True), strict=True)) if trades else dict.fromkeys(Trade._fields, ())
        money = [columns[name] for name in MONEY]
        self.places = max(map(places_of, money))
        numbers = [whole(column, self.places) for column in money]
        most = max(max(max(column), -min(column)) for column in numbers) * len(trades) if trades else 0
        kind = np.int64 if most < SAFE else object
        self.profit, self.adverse, self.favorable, self.given_back, fees = (np.array(column, dtype=kind) for column in numbers)
        self.entered, self.exited = (np.array(columns[name], dtype=np.int64) for name in ("entered", "exited"))
        self.wins, self.length = self.profit > 0, self.exited - self.entered
        self.last_won, self.last_lost = _last(self.wins), _last(~self.wins)
        self.sum_of_wins, self.sum_of_length, self.sum_of_length_won = map(_sums, (self.wins, self.length, self.length * self.wins))
        self.sum_of_profit, self.sum_of_gain, self.sum_of_fees = map(_sums, (self.profit, self.profit * self.wins, fees))
        self.sum_of_adverse, self.sum_of_favorable = map(_sums, (self.adverse, self.favorable))
        self.sum_of_squares, self.sum_of_squares_lost = map(_sums_of_squares, (self.profit, np.minimum(self.profit, 0)))
        self.distinct_lengths, place_of_length = np.unique(self.length, return_inverse=True)
        self.kind = place_of_length * 2 + self.wins         # a number for each length of trades that won, and that lost

    def between(self, begin: int, end: int) -> "Span":
        """Those that ended from one moment on and before another."""
        left, right = np.searchsorted(self.exited, (begin, end)).tolist()
        return Span(self, left, right)


@dataclass(frozen=True, slots=True)
class Span:
    """The trades from one place on and before another."""

    columns: TradeColumns
    left: int
    right: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.right - self.left

    @property
    def won(self) -> int:
        """How many won."""
        return self._sum(self.columns.sum_of_wins)

    def sums(self) -> dict[str, Decimal]:
        """Dollars."""
        of = self.columns
        profit, gain = self._sum(of.sum_of_profit), self._sum(of.sum_of_gain)
        return self._dollars({"profit": profit, "gain": gain, "loss": profit - gain, "adverse": self._sum(of.sum_of_adverse),
                              "favorable": self._sum(of.sum_of_favorable), "fees": self._sum(of.sum_of_fees)})

    def extremes(self) -> dict[str, Decimal]:
        """Dollars of the largest trades and, below 0, of the deepest falls of the summed profits, under Lean's names."""
        of, span = self.columns, slice(self.left, self.right)
        profit, adverse, favorable = of.profit[span], of.adverse[span], of.favorable[span]
        totals, before = of.sum_of_profit[self.left : self.right + 1], of.sum_of_profit[span]
        peaks = np.maximum.accumulate(totals)
        best = np.maximum(np.maximum.accumulate(before + favorable), before[0])
        return self._dollars({
            "largestProfit": profit.max(initial=0), "largestLoss": profit.min(initial=0),
            "largestMAE": adverse.min(initial=0), "largestMFE": favorable.max(initial=0),
            "maximumClosedTradeDrawdown": (totals - peaks).min(),
            "maximumIntraTradeDrawdown": (before + adverse - best).min(initial=0),
            "maximumEndTradeDrawdown": of.given_back[span].max(initial=0),
        })

    def distances(self) -> tuple[Decimal, Decimal]:
        """The sum of squared distances from the mean: of all profits, and of losses from the mean loss."""
        of = self.columns
        profit, gain, won = self._sum(of.sum_of_profit), self._sum(of.sum_of_gain), self.won
        return (self._distances(of.sum_of_squares, profit, self.count),
                self._distances(of.sum_of_squares_lost, profit - gain, self.count - won))

    def lengths(self) -> list[tuple[float, int]]:
        """Mean and median seconds of all trades, of those won, and of those lost; the upper one of two medians."""
        of, distinct = self.columns, self.columns.distinct_lengths
        counts = np.bincount(of.kind[self.left : self.right], minlength=2 * len(distinct)).reshape(-1, 2)
        total, won = self._sum(of.sum_of_length), self._sum(of.sum_of_length_won)
        return [_mean_and_median(summed, part, distinct) for summed, part in (
            (total, counts.sum(axis=1)), (won, counts[:, 1]), (total - won, counts[:, 0]))]

    def in_a_row(self) -> tuple[int, int]:
        """The most that won, and that lost, one after the other."""
        return self._run(self.columns.last_lost), self._run(self.columns.last_won)

    def first_and_last(self) -> tuple[int, int]:
        """The first entry and the last exit."""
        return int(self.columns.entered[self.left : self.right].min()), int(self.columns.exited[self.right - 1])

    def longest_fall(self) -> int:
        """Seconds of the longest way from a peak of the summed profits through a loss to the next peak."""
        of, totals = self.columns, self.columns.sum_of_profit[self.left : self.right + 1]
        at = np.flatnonzero(totals[1:] > np.maximum.accumulate(totals)[:-1])
        if not len(at):
            return 0
        at += self.left
        since = np.concatenate([of.entered[self.left : self.left + 1], of.exited[at[:-1]]])
        fell = of.last_lost[at] > np.concatenate([[self.left - 1], at[:-1]])
        return int((of.exited[at] - since)[fell].max(initial=0))

    def _sum(self, sums: Column) -> int:
        return int(sums[self.right] - sums[self.left])

    def _run(self, last_other: Column) -> int:
        """The most without one of the other kind between: how far each is from the last of those, or from the span's begin."""
        other = np.maximum(last_other[self.left : self.right], self.left - 1)
        return int((np.arange(self.left, self.right) - other).max(initial=0))

    def _distances(self, squares: list[int], total: int, count: int) -> Decimal:
        if not count:
            return ZERO
        distances = Decimal(count * (squares[self.right] - squares[self.left]) - total**2)
        return WIDE.divide(distances, count).scaleb(-2 * self.columns.places, context=WIDE)

    def _dollars(self, numbers: dict[str, Any]) -> dict[str, Decimal]:
        places = -self.columns.places
        return {name: Decimal(int(value)).scaleb(places, context=WIDE) for name, value in numbers.items()}


def _sums(values: Column) -> Column:
    return np.concatenate([np.zeros(1, dtype=values.dtype if values.dtype == object else np.int64), np.cumsum(values)])


def _last(kind: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The place of the newest trade of a kind, at each trade."""
    return np.maximum.accumulate(np.where(kind, np.arange(len(kind)), -1))


def _sums_of_squares(values: Column) -> list[int]:
    """Which 64 bits need not hold."""
    numbers = values.tolist()
    return [0, *accumulate(map(int.__mul__, numbers, numbers))]


def _mean_and_median(total: int, counts: Column, lengths: Column) -> tuple[float, int]:
    """Of lengths of which there are some each."""
    up_to = np.cumsum(counts)
    count = int(up_to[-1])
    return (total / count, int(lengths[np.searchsorted(up_to, count // 2, side="right")])) if count else (0.0, 0)
