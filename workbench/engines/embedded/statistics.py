"""Lean's statistics, computed from the samples, the closings' profits and the closed trades alone (formulas: lean-facts §3.6).

Doubles where Lean has doubles, decimals where it has decimals: the printed digits depend on it.
"""

import bisect
import calendar
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import (
    HUNDRED,
    LARGEST,
    WIDE,
    added,
    double_text,
    of_double,
    quotient,
    rounded,
    scale,
    text,
)
from workbench.engines.embedded.sampling import Sampler
from workbench.engines.embedded.trades import Trade

FEW = 1000          # trades up to which means run in Lean's decimals; beyond, a mean is the sum ÷ the count, the same to 20 digits
SAFE = 2**60        # of a sum of 64-bit numbers
MONEY = ("profit", "adverse", "favorable", "given_back", "fees")
DAYS_A_YEAR = 252
DAY = 86400
TICKS_A_SECOND = 10_000_000
ONE, TEN = Decimal(1), Decimal(10)
RATES = Path("alternative") / "interest-rate" / "usa" / "interest-rate.csv"      # in a data folder
DEFAULT_RATE = Decimal("0.01")
NORMAL = NormalDist()

# What Lean's result file calls them, in its order.
PORTFOLIO = (
    "averageWinRate", "averageLossRate", "profitLossRatio", "winRate", "lossRate", "expectancy", "startEquity", "endEquity",
    "compoundingAnnualReturn", "drawdown", "totalNetProfit", "sharpeRatio", "probabilisticSharpeRatio", "sortinoRatio", "alpha",
    "beta", "annualStandardDeviation", "annualVariance", "informationRatio", "trackingError", "treynorRatio",
    "portfolioTurnover", "valueAtRisk99", "valueAtRisk95", "drawdownRecovery",
)
MONEY_OF_TRADES = (
    "totalProfitLoss", "totalProfit", "totalLoss", "largestProfit", "largestLoss", "averageProfitLoss", "averageProfit",
    "averageLoss", "profitLossRatio", "winLossRatio", "winRate", "lossRate", "averageMAE", "averageMFE", "largestMAE",
    "largestMFE", "maximumClosedTradeDrawdown", "maximumIntraTradeDrawdown", "profitLossStandardDeviation",
    "profitLossDownsideDeviation", "profitFactor", "sharpeRatio", "sortinoRatio", "profitToMaxDrawdownRatio",
    "maximumEndTradeDrawdown", "averageEndTradeDrawdown", "totalFees",
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Risk-free rates a year: the one in force from each date on. 1 % where the folder has no file, as Lean has it."""

    starts: tuple[int, ...]         # date ordinals, ascending
    rates: tuple[Decimal, ...]

    @classmethod
    def read(cls, folder: Path) -> "Rates":
        """From a data folder."""
        path = folder / RATES
        if not path.is_file():
            return cls((0,), (DEFAULT_RATE,))
        lines = [line.split(",") for line in path.read_text(encoding="utf-8").split("\n")[1:] if line.strip()]
        return cls(tuple(date.fromisoformat(day).toordinal() for day, _ in lines),
                   tuple(Decimal(rate) / HUNDRED for _, rate in lines))

    def on(self, utc: int) -> Decimal:
        """The rate in force at a moment's UTC date; before the first one that one."""
        day = datetime.fromtimestamp(utc, UTC).toordinal()
        return self.rates[max(bisect.bisect_right(self.starts, day) - 1, 0)]


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Closed trades as columns, in order of their exit: UTC seconds, and money in whole numbers of 10^-`places` dollars.

    Money is 64-bit where every sum of it is, else Python's own whole numbers.
    """

    places: int
    entered: NDArray[np.int64]
    exited: NDArray[np.int64]
    profit: NDArray[Any]
    adverse: NDArray[Any]
    favorable: NDArray[Any]
    given_back: NDArray[Any]
    fees: NDArray[Any]

    @classmethod
    def of(cls, trades: Sequence[Trade]) -> "TradeColumns":
        """The columns of some trades; empty where there are too few to need them."""
        many = trades if len(trades) > FEW else ()
        money = [[getattr(trade, name) for trade in many] for name in MONEY]
        places = max((scale(value) for column in money for value in column), default=0)
        whole = [[int(value.scaleb(places, context=WIDE)) for value in column] for column in money]
        fits = max(sum(map(abs, column)) for column in whole) < SAFE
        times = (np.array([getattr(trade, name) for trade in many], dtype=np.int64) for name in ("entered", "exited"))
        return cls(places, *times, *(np.array(column, dtype=np.int64 if fits else object) for column in whole))

    def between(self, begin: int, end: int) -> "TradeColumns":
        """Those that ended from one moment on and before another."""
        left, right = np.searchsorted(self.exited, (begin, end))
        return TradeColumns(self.places, *(getattr(self, name)[left:right] for name in ("entered", "exited", *MONEY)))

    def dollars(self, whole: int) -> Decimal:
        """A sum of the columns' money."""
        return Decimal(int(whole)).scaleb(-self.places, context=WIDE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the statistics are made from.

    `profits` are the closings' profits in order: UTC milliseconds (a second one at the same time a millisecond later), dollars.
    """

    sampler: Sampler
    profits: list[tuple[int, Decimal]]
    trades: list[Trade]
    rates: Rates
    columns: TradeColumns = field(init=False)
    gains: NDArray[np.float64] = field(init=False)      # the profits, where they are many
    times: list[int] = field(init=False)
    equity: list[Decimal] = field(init=False)
    summed_rates: list[Decimal] = field(init=False)

    def __post_init__(self) -> None:
        candles = self.sampler.equity
        object.__setattr__(self, "columns", TradeColumns.of(self.trades))
        many = len(self.profits) > FEW
        object.__setattr__(self, "gains", np.array([float(profit) for _, profit in self.profits] if many else [], dtype=np.float64))
        object.__setattr__(self, "times", [candle.utc for candle in candles])
        object.__setattr__(self, "equity", [candle.close for candle in candles])
        sums, total, day, rate = [ZERO], ZERO, None, ZERO
        for utc in self.times:
            if utc // DAY != day:
                day, rate = utc // DAY, self.rates.on(utc)
            total += rate
            sums.append(total)
        object.__setattr__(self, "summed_rates", sums)

    def profits_between(self, begin: int, end: int) -> "list[Decimal] | NDArray[np.float64]":
        """The profits of closings from one moment on and before another, in UTC milliseconds; as doubles where all are many."""
        left, right = (bisect.bisect_left(self.profits, moment, key=lambda point: point[0]) for moment in (begin, end))
        return self.gains[left:right] if len(self.gains) else [profit for _, profit in self.profits[left:right]]


@dataclass(frozen=True, slots=True)
class Performance:
    """The statistics of one span of dates. Money, ratios and percent as decimals; times and counts as texts or integers."""

    portfolio: dict[str, Decimal]
    of_trades: dict[str, Decimal | int | str | None]
    trades: list[Trade]


def total_performance(outcome: Outcome) -> Performance:
    """Of the whole run."""
    first, last = _span(outcome)
    return _performance(outcome, first, last)


def rolling_performances(outcome: Outcome) -> dict[str, Performance]:
    """Of spans of 1, 3, 6 and 12 months up to each month's end and the run's, under Lean's names."""
    if not outcome.times:
        return {}
    first, last = _span(outcome)
    return {f"M{months}_{end:%Y%m%d}": _performance(outcome, start, end)
            for months in (1, 3, 6, 12) for start, end in _periods(months, first, last)}


def printed(performance: Performance, *, orders: int, fees: Decimal, capacity: Decimal, lowest: str) -> dict[str, str]:
    """The statistics under Lean's names, as text in Lean's form."""
    of = performance.portfolio

    def percent(name: str, places: int) -> str:
        return f"{text(rounded(of[name] * HUNDRED, places))}%"

    def fixed(name: str, places: int) -> str:
        return text(rounded(of[name], places))

    def double(name: str) -> str:
        return double_text(float(of[name]), 3)

    return {
        "Total Orders": str(orders),
        "Average Win": percent("averageWinRate", 2),
        "Average Loss": percent("averageLossRate", 2),
        "Compounding Annual Return": percent("compoundingAnnualReturn", 3),
        "Drawdown": percent("drawdown", 3),
        "Expectancy": fixed("expectancy", 3),
        "Start Equity": fixed("startEquity", 2),
        "End Equity": fixed("endEquity", 2),
        "Net Profit": percent("totalNetProfit", 3),
        "Sharpe Ratio": double("sharpeRatio"),
        "Sortino Ratio": double("sortinoRatio"),
        "Probabilistic Sharpe Ratio": percent("probabilisticSharpeRatio", 3),
        "Loss Rate": percent("lossRate", 0),
        "Win Rate": percent("winRate", 0),
        "Profit-Loss Ratio": fixed("profitLossRatio", 2),
        "Alpha": double("alpha"),
        "Beta": double("beta"),
        "Annual Standard Deviation": double("annualStandardDeviation"),
        "Annual Variance": double("annualVariance"),
        "Information Ratio": double("informationRatio"),
        "Tracking Error": double("trackingError"),
        "Treynor Ratio": double("treynorRatio"),
        "Total Fees": f"${_half_up(fees)}",
        "Estimated Strategy Capacity": f"${two_digits(capacity)}",
        "Lowest Capacity Asset": lowest,
        "Portfolio Turnover": percent("portfolioTurnover", 2),
        "Drawdown Recovery": text(of["drawdownRecovery"]),
    }


def two_digits(value: Decimal) -> str:
    """RoundToSignificantDigits(2) of a whole amount, which leaves two places behind the point."""
    if not value:
        return "0"
    places = value.adjusted() - 1
    return text(value.quantize(ONE.scaleb(places), context=WIDE).quantize(Decimal("0.00"), context=WIDE))


def duration(ticks: int) -> str:
    """A TimeSpan: `[d.]hh:mm:ss[.fffffff]`."""
    sign, ticks = ("-", -ticks) if ticks < 0 else ("", ticks)
    seconds, rest = divmod(ticks, TICKS_A_SECOND)
    days, seconds = divmod(seconds, DAY)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{sign}{f'{days}.' if days else ''}{clock}{f'.{rest:07d}' if rest else ''}"


def _span(outcome: Outcome) -> tuple[date, date]:
    """The UTC dates of the first and the last equity sample."""
    if not outcome.times:
        return date.min, date.min
    return _date(outcome.times[0]), _date(outcome.times[-1])


def _performance(outcome: Outcome, first: date, last: date) -> Performance:
    begin, end = _seconds(first), _seconds(last) + DAY
    left, right = bisect.bisect_left(outcome.times, begin), bisect.bisect_left(outcome.times, end)
    if left == right:
        return Performance(dict.fromkeys(PORTFOLIO, ZERO), _of_trades([]), [])
    few = len(outcome.trades) <= FEW
    trades = [trade for trade in outcome.trades if begin <= trade.exited < end] if few else outcome.trades
    of_trades = _of_trades(trades) if few else _of_many(outcome.columns.between(begin, end))
    profits = outcome.profits_between(begin * 1000, end * 1000)
    whole = right - left == len(outcome.times)
    start = outcome.sampler.start_equity if whole else outcome.equity[left]
    return Performance(_of_portfolio(outcome, left, right, begin, end, start, profits), of_trades, trades)


def _periods(months: int, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Spans of some months, each ending at a month's end; the first and the last one may be shorter."""
    ends = [last]
    while (before := ends[-1].replace(day=1) - timedelta(days=1)) >= first:
        ends.append(before)
    ends.reverse()
    yield first, ends[0]
    for before, end in pairwise(ends):
        yield max(_months_back(before + timedelta(days=1), months - 1), first), end


def _months_back(day: date, months: int) -> date:
    place = day.year * 12 + day.month - 1 - months
    year, month = place // 12, place % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _of_portfolio(outcome: Outcome, left: int, right: int, begin: int, end: int, start: Decimal,
                  profits: list[Decimal] | NDArray[np.float64]) -> dict[str, Decimal]:
    equity, times = outcome.equity[left:right], outcome.times[left:right]
    turnover = _between(outcome.sampler.turnover.points, begin, end)
    found = dict.fromkeys(PORTFOLIO, ZERO)
    found["startEquity"], found["endEquity"] = start, equity[-1]
    if turnover:
        found["portfolioTurnover"] = sum(turnover, ZERO) / len(turnover)
    daily = [value / HUNDRED for value in _between(outcome.sampler.returns.points, begin, end)[2:]]
    if not start or len(daily) < 2:
        return found
    found.update(_wins(profits, start))
    found["totalNetProfit"] = equity[-1] / start - 1
    found["compoundingAnnualReturn"] = _compounded(start, equity[-1], times[-1] - times[0])
    rate = (outcome.summed_rates[right] - outcome.summed_rates[left]) / (right - left)
    found.update(_risk([float(value) for value in daily], rate))
    found["drawdown"], found["drawdownRecovery"] = _drawdown(times, equity)
    return found


def _wins(profits: list[Decimal] | NDArray[np.float64], start: Decimal) -> dict[str, Decimal]:
    """Wins and losses of the closings, each as a share of the capital before it; a zero counts as a loss."""
    if not isinstance(profits, list):
        shares = profits / (float(start) + np.cumsum(profits) - profits)
        up = profits > 0
        return _rates(of_double(float(shares[up].sum())), of_double(float(shares[~up].sum())), int(up.sum()), int((~up).sum()))
    capital, won, lost, wins, losses = start, ZERO, ZERO, 0, 0
    for profit in profits:
        if profit > 0:
            won += profit / capital
            wins += 1
        else:
            lost += profit / capital
            losses += 1
        capital += profit
    return _rates(won, lost, wins, losses)


def _rates(won: Decimal, lost: Decimal, wins: int, losses: int) -> dict[str, Decimal]:
    win, loss = won / wins if wins else ZERO, lost / losses if losses else ZERO
    ratio = win / abs(loss) if loss else ZERO
    win_rate = Decimal(wins) / (wins + losses) if wins + losses else ZERO
    loss_rate = Decimal(losses) / (wins + losses) if wins + losses else ZERO
    return {"averageWinRate": win, "averageLossRate": loss, "profitLossRatio": ratio, "winRate": win_rate, "lossRate": loss_rate,
            "expectancy": win_rate * ratio - loss_rate}


def _compounded(start: Decimal, end: Decimal, seconds: int) -> Decimal:
    years = of_double(seconds / DAY) / 365
    if not years:
        return ZERO
    base = float(end) / float(start)
    if base < 0:
        return ZERO
    return of_double(base ** (1 / float(years)) - 1)


def _risk(daily: list[float], rate: Decimal) -> dict[str, Decimal]:
    """Ratios of daily returns, one a calendar day; the benchmark is worth nothing on every day."""
    yearly = _variance(daily) * DAYS_A_YEAR
    annual = of_double((sum(daily) / len(daily) + 1) ** DAYS_A_YEAR - 1)
    variance, tracking = of_double(yearly), of_double(math.sqrt(yearly))
    deviation = of_double(math.sqrt(float(variance)))
    downside = of_double(math.sqrt(_variance([value for value in daily if value < 0]) * DAYS_A_YEAR))
    excess = float(annual) - float(rate)
    newest = daily[-DAYS_A_YEAR:]
    mean, sd = sum(newest) / len(newest), math.sqrt(_variance(newest))
    return {
        "sharpeRatio": of_double(excess / float(deviation)) if deviation else ZERO,
        "sortinoRatio": of_double(excess / float(downside)) if downside else ZERO,
        "probabilisticSharpeRatio": of_double(_probabilistic_sharpe(np.array(daily), float(rate) / DAYS_A_YEAR)),
        "annualStandardDeviation": deviation,
        "annualVariance": variance,
        "informationRatio": _bounded(quotient(annual, tracking)) if tracking else ZERO,
        "trackingError": tracking,
        "valueAtRisk99": rounded(of_double(mean + sd * NORMAL.inv_cdf(1 - 0.99)), 3),
        "valueAtRisk95": rounded(of_double(mean + sd * NORMAL.inv_cdf(1 - 0.95)), 3),
    }


def _bounded(ratio: Decimal) -> Decimal:
    """0 where a division gives more than decimals hold."""
    return ratio if abs(ratio) <= LARGEST else ZERO


def _variance(values: Sequence[float]) -> float:
    """Of a sample, 0 where it has none. In one pass, so that Lean's rounding noise is ours too: of an all but constant series
    it is all there is."""
    if len(values) < 2:
        return 0.0
    summed, squares = values[0], 0.0
    for place in range(1, len(values)):
        summed += values[place]
        gap = (place + 1) * values[place] - summed
        squares += gap * gap / ((place + 1.0) * place)
    return squares / (len(values) - 1)


def _probabilistic_sharpe(daily: NDArray[np.float64], rate: float) -> float:
    """Bailey and López de Prado: the chance that the true ratio is above the benchmark's 1 a year. 0 where it has no value."""
    count = len(daily)
    spread = daily.std()
    if count < 4 or not spread:
        return 0.0
    observed = float((daily.mean() - rate) / daily.std(ddof=1))
    centred = (daily - daily.mean()) / spread
    skew = float((centred**3).mean()) * math.sqrt(count * (count - 1)) / (count - 2)
    excess = float((centred**4).mean()) - 3
    kurtosis = ((count + 1) * excess + 6) * (count - 1) / ((count - 2) * (count - 3))
    variance = (1 - skew * observed + (kurtosis - 1) / 4 * observed**2) / (count - 1)
    if variance < 0:
        return 0.0
    value = (observed - 1 / math.sqrt(DAYS_A_YEAR)) / math.sqrt(variance) if variance else 0.0
    return 0.5 * math.erfc(-value / math.sqrt(2))


def _drawdown(times: list[int], equity: list[Decimal]) -> tuple[Decimal, Decimal]:
    """The deepest fall from a peak over all equity samples, to three places, and the longest recovery in whole days."""
    if len(equity) < 2:
        return ZERO, ZERO
    peak, peak_at, fell_at, deepest, longest = equity[0], times[0], None, ZERO, 0
    for utc, value in zip(times, equity, strict=True):
        if value >= peak:
            if fell_at is not None:
                longest, fell_at = max(longest, utc - fell_at), None
            peak, peak_at = value, utc
        elif peak:
            deepest = min(deepest, value / peak - 1)
            if fell_at is None:
                fell_at = peak_at
    return rounded(abs(deepest), 3), Decimal(longest // DAY)


def _of_trades(trades: list[Trade]) -> dict[str, Decimal | int | str | None]:
    """TradeStatistics: sums and running means in the trades' order, as Lean makes them."""
    of = dict.fromkeys(MONEY_OF_TRADES, ZERO)
    won, lost, in_a_row, most = [], [], [0, 0], [0, 0]
    peak = peak_with_best = spread = lower_spread = ZERO
    peak_at = trades[0].entered if trades else 0
    fallen, longest = False, 0
    for count, trade in enumerate(trades, start=1):
        total, profit = of["totalProfitLoss"], trade.profit
        peak_with_best = max(peak_with_best, total + trade.favorable)
        of["maximumIntraTradeDrawdown"] = min(of["maximumIntraTradeDrawdown"], total + trade.adverse - peak_with_best)
        total = of["totalProfitLoss"] = total + profit
        if profit > 0:
            won.append(trade)
            of["totalProfit"] += profit
            of["averageProfit"] = _mean(of["averageProfit"], profit, len(won))
            of["largestProfit"] = max(of["largestProfit"], profit)
            in_a_row = [in_a_row[0] + 1, 0]
            if total > peak:
                peak = total
                if fallen:
                    longest = max(longest, trade.exited - peak_at)
                peak_at, fallen = trade.exited, False
        else:
            lost.append(trade)
            of["totalLoss"] += profit
            before = of["averageLoss"]
            of["averageLoss"] = _mean(before, profit, len(lost))
            lower_spread += (profit - before) * (profit - of["averageLoss"])
            of["largestLoss"] = min(of["largestLoss"], profit)
            in_a_row = [0, in_a_row[1] + 1]
            of["maximumClosedTradeDrawdown"] = min(of["maximumClosedTradeDrawdown"], total - peak)
            fallen = True
        most = [max(pair) for pair in zip(most, in_a_row, strict=True)]
        before = of["averageProfitLoss"]
        of["averageProfitLoss"] = _mean(before, profit, count)
        spread += (profit - before) * (profit - of["averageProfitLoss"])
        of["averageMAE"] = _mean(of["averageMAE"], trade.adverse, count)
        of["averageMFE"] = _mean(of["averageMFE"], trade.favorable, count)
        of["largestMAE"] = min(of["largestMAE"], trade.adverse)
        of["largestMFE"] = max(of["largestMFE"], trade.favorable)
        of["maximumEndTradeDrawdown"] = max(of["maximumEndTradeDrawdown"], trade.given_back)
        of["totalFees"] += trade.fees
    of["profitLossStandardDeviation"] = _root(spread, len(trades))
    of["profitLossDownsideDeviation"] = _root(lower_spread, len(lost))
    if trades:
        _ratios(of, len(won), len(lost))
    durations = [(_mean_duration(group), _median_duration(group)) for group in (trades, won, lost)]
    span = (min(trade.entered for trade in trades), max(trade.exited for trade in trades)) if trades else None
    return _in_order(of, span, (len(trades), len(won), len(lost)), durations, (most[0], most[1]), longest)


def _of_many(trades: TradeColumns) -> dict[str, Decimal | int | str | None]:
    """The same as columns."""
    of = dict.fromkeys(MONEY_OF_TRADES, ZERO)
    profit, count = trades.profit, len(trades.profit)
    wins = profit > 0
    won, lost = int(wins.sum()), int((~wins).sum())
    if not count:
        return _of_trades([])
    total = np.cumsum(profit)
    before = total - profit
    nothing = profit[:1] * 0
    peak = np.maximum.accumulate(np.concatenate([nothing, total]))
    best = np.maximum.accumulate(np.concatenate([nothing, before + trades.favorable]))[1:]
    lengths = trades.exited - trades.entered
    sums = {
        "totalProfitLoss": profit.sum(), "totalProfit": profit[wins].sum(), "totalLoss": profit[~wins].sum(),
        "largestProfit": profit.max(initial=0), "largestLoss": profit.min(initial=0),
        "largestMAE": trades.adverse.min(initial=0), "largestMFE": trades.favorable.max(initial=0),
        "maximumClosedTradeDrawdown": (total - peak[1:]).min(initial=0),
        "maximumIntraTradeDrawdown": (before + trades.adverse - best).min(initial=0),
        "maximumEndTradeDrawdown": trades.given_back.max(initial=0), "totalFees": trades.fees.sum(),
    }
    of |= {name: trades.dollars(whole) for name, whole in sums.items()}
    for name, part, many in (("averageProfitLoss", profit, count), ("averageProfit", profit[wins], won),
                             ("averageLoss", profit[~wins], lost), ("averageMAE", trades.adverse, count),
                             ("averageMFE", trades.favorable, count)):
        of[name] = quotient(trades.dollars(part.sum()), Decimal(many)) if many else ZERO
    of["profitLossStandardDeviation"] = _root(*_squares(profit, trades))
    of["profitLossDownsideDeviation"] = _root(*_squares(profit[~wins], trades))
    _ratios(of, won, lost)
    durations = [(_mean_of(part), _median_of(part)) for part in (lengths, lengths[wins], lengths[~wins])]
    longest = _longest_fall(total > peak[:-1], ~wins, trades)
    return _in_order(of, (int(trades.entered.min()), int(trades.exited.max())), (count, won, lost), durations,
                     (_longest_run(wins), _longest_run(~wins)), longest)


def _squares(values: NDArray[Any], trades: TradeColumns) -> tuple[Decimal, int]:
    """The sum of squared distances from the mean, and how many they are."""
    whole, count = values.tolist(), len(values)
    distances = count * sum(map(int.__mul__, whole, whole)) - sum(whole) ** 2
    return (WIDE.divide(Decimal(distances), count).scaleb(-2 * trades.places, context=WIDE) if count else ZERO), count


def _mean_of(lengths: NDArray[np.int64]) -> str:
    return duration(int(lengths.mean() * TICKS_A_SECOND) if len(lengths) else 0)


def _median_of(lengths: NDArray[np.int64]) -> str:
    """The upper one of the two in the middle."""
    middle = len(lengths) // 2
    return duration(int(np.partition(lengths, middle)[middle]) * TICKS_A_SECOND if len(lengths) else 0)


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """The most that are true in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _longest_fall(peaks: NDArray[np.bool_], losses: NDArray[np.bool_], trades: TradeColumns) -> int:
    """Seconds of the longest way from a peak of the summed profits through a loss to the next peak."""
    at = np.flatnonzero(peaks)
    if not len(at):
        return 0
    lost = np.cumsum(losses)[at]
    since = np.concatenate([trades.entered[:1], trades.exited[at[:-1]]])
    fell = np.diff(np.concatenate([[0], lost])) > 0
    return int((trades.exited[at] - since)[fell].max(initial=0))


def _mean(mean: Decimal, value: Decimal, count: int) -> Decimal:
    """A running mean after one more value."""
    return added(mean, quotient(added(value, mean.copy_negate()), Decimal(count)))


def _root(squares: Decimal, count: int) -> Decimal:
    return of_double(math.sqrt(float(squares / (count - 1)))) if count > 1 else ZERO


def _ratios(of: dict[str, Decimal], won: int, lost: int) -> None:
    """What is made from the sums; Lean gives 10 where nothing was lost."""
    of["profitLossRatio"] = of["averageProfit"] / abs(of["averageLoss"]) if of["averageLoss"] else ZERO
    of["winLossRatio"] = Decimal(won) / lost if lost else TEN
    of["winRate"] = Decimal(won) / (won + lost)
    of["lossRate"] = ONE - of["winRate"]
    if of["totalProfit"]:
        of["profitFactor"] = of["totalProfit"] / abs(of["totalLoss"]) if of["totalLoss"] < 0 else TEN
    average, deviation, downside = (of["averageProfitLoss"], of["profitLossStandardDeviation"], of["profitLossDownsideDeviation"])
    of["sharpeRatio"] = average / deviation if deviation > 0 else ZERO
    of["sortinoRatio"] = average / downside if downside > 0 else ZERO
    if of["totalProfitLoss"]:
        fall = of["maximumClosedTradeDrawdown"]
        of["profitToMaxDrawdownRatio"] = of["totalProfitLoss"] / abs(fall) if fall < 0 else TEN
    of["averageEndTradeDrawdown"] = added(average, of["averageMFE"].copy_negate())


def _in_order(of: dict[str, Decimal], span: tuple[int, int] | None, counts: tuple[int, int, int],
              durations: list[tuple[str, str]], most: tuple[int, int], longest: int) -> dict[str, Decimal | int | str | None]:
    """All members in Lean's order. Counts and durations (mean, median) are of all trades, of those won, and of those lost."""
    means, middles = zip(*durations, strict=True)
    return {
        "startDateTime": instant(span[0]) if span else None,
        "endDateTime": instant(span[1]) if span else None,
        "totalNumberOfTrades": counts[0],
        "numberOfWinningTrades": counts[1],
        "numberOfLosingTrades": counts[2],
        **{name: of[name] for name in MONEY_OF_TRADES[:8]},
        "averageTradeDuration": means[0],
        "averageWinningTradeDuration": means[1],
        "averageLosingTradeDuration": means[2],
        "medianTradeDuration": middles[0],
        "medianWinningTradeDuration": middles[1],
        "medianLosingTradeDuration": middles[2],
        "maxConsecutiveWinningTrades": most[0],
        "maxConsecutiveLosingTrades": most[1],
        **{name: of[name] for name in MONEY_OF_TRADES[8:-1]},
        "maximumDrawdownDuration": duration(longest * TICKS_A_SECOND),
        "totalFees": of["totalFees"],
    }


def _mean_duration(trades: list[Trade]) -> str:
    """A running mean whose steps are cut to ticks."""
    mean = 0
    for count, trade in enumerate(trades, start=1):
        mean += int((trade.exited - trade.entered - mean / TICKS_A_SECOND) / count * TICKS_A_SECOND)
    return duration(mean)


def _median_duration(trades: list[Trade]) -> str:
    """The upper one of the two in the middle."""
    lengths = sorted(trade.exited - trade.entered for trade in trades)
    return duration(lengths[len(lengths) // 2] * TICKS_A_SECOND) if lengths else duration(0)


@lru_cache(maxsize=4096)
def instant(utc: int) -> str:
    """`2013-10-07T13:31:00Z`."""
    return f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _between(points: Sequence[tuple[int, Decimal]], begin: int, end: int) -> list[Decimal]:
    left = bisect.bisect_left(points, begin, key=lambda point: point[0])
    right = bisect.bisect_left(points, end, key=lambda point: point[0])
    return [value for _, value in points[left:right]]


def _date(utc: int) -> date:
    return datetime.fromtimestamp(utc, UTC).date()


def _seconds(day: date) -> int:
    return (day.toordinal() - date(1970, 1, 1).toordinal()) * DAY


def _half_up(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), "ROUND_HALF_UP", context=WIDE)
