"""Lean's statistics, computed from the samples, the closings' profits and the closed trades alone (formulas: lean-facts §3.6).

Doubles where Lean has doubles, decimals where it has decimals: the printed digits depend on it.
"""

import bisect
import calendar
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import NormalDist

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
    places_of,
    quotient,
    rounded,
    text,
    whole,
)
from workbench.engines.embedded.sampling import Candle, Sampler
from workbench.engines.embedded.trade_columns import SAFE, Span, TradeColumns
from workbench.engines.embedded.trades import Trade

FEW = 1000          # trades up to which means run in Lean's decimals; beyond, a mean is the sum ÷ the count, the same to 20 digits
DAYS_A_YEAR = 252
DAY = 86400
TICKS_A_SECOND = 10_000_000
EPOCH = date(1970, 1, 1).toordinal()
SAME = 1e-12        # two shares nearer than this are told apart by exact division
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
        return self.rates[max(bisect.bisect_right(self.starts, EPOCH + utc // DAY) - 1, 0)]


class Curve:
    """The account's value at its samples: UTC seconds and dollars, in order of time."""

    def __init__(self, candles: Sequence[Candle]) -> None:
        self.times, self.dollars = [candle.utc for candle in candles], [candle.close for candle in candles]
        self._times = np.array(self.times, dtype=np.int64)
        numbers = whole(self.dollars, places_of(self.dollars))
        self._whole = np.array(numbers, dtype=np.int64 if max(map(abs, numbers), default=0) < SAFE else object)

    def drawdown(self, left: int, right: int) -> tuple[Decimal, Decimal]:
        """The deepest fall from a peak, to three places, and the longest recovery in whole days, from one sample on and before
        another."""
        values = self._whole[left:right]
        peaks = np.maximum.accumulate(values)
        at = np.flatnonzero(values == peaks)
        gaps = np.diff(self._times[left + at])[(np.diff(at) > 1) & (peaks[at[:-1]] != 0)]
        shares = np.divide(values, peaks, where=peaks != 0, out=np.ones(right - left), casting="unsafe")
        lowest = np.flatnonzero(shares < min(shares.min() + SAME, 1))
        of = zip((left + lowest).tolist(), (left + at[np.searchsorted(at, lowest) - 1]).tolist(), strict=True)
        deepest = min((self.dollars[low] / self.dollars[peak] - 1 for low, peak in of), default=ZERO)
        return rounded(abs(deepest), 3), Decimal(int(gaps.max(initial=0)) // DAY)


class Outcome:
    """What the statistics are made from.

    `profits` are the closings' profits in order: UTC milliseconds (a second one at the same time a millisecond later), dollars.
    """

    def __init__(self, sampler: Sampler, profits: list[tuple[int, Decimal]], trades: list[Trade], rates: Rates) -> None:
        self.sampler, self.profits, self.trades = sampler, profits, trades
        self.columns = TradeColumns(trades if len(trades) > FEW else [])
        self.curve = Curve(sampler.equity)
        self.summed_rates = [ZERO, *accumulate(map(rates.on, self.curve.times))]
        self._turnover_times, self._turnover = [utc for utc, _ in sampler.turnover.points], sampler.turnover.points
        self._daily_times = [utc for utc, _ in sampler.returns.points]
        self._daily = np.array([float(value / HUNDRED) for _, value in sampler.returns.points])
        many = len(profits) > FEW
        self._profit_times = [at for at, _ in profits]
        self._gains = np.array([float(profit) for _, profit in profits] if many else [], dtype=np.float64)

    def profits_between(self, begin: int, end: int) -> list[Decimal] | NDArray[np.float64]:
        """The profits of closings from one moment on and before another, in UTC seconds; as doubles where all are many."""
        left, right = (bisect.bisect_left(self._profit_times, moment * 1000) for moment in (begin, end))
        return self._gains[left:right] if len(self._gains) else [profit for _, profit in self.profits[left:right]]

    def daily_between(self, begin: int, end: int) -> NDArray[np.float64]:
        """Daily returns as fractions, from one moment on and before another, without the first two."""
        left, right = (bisect.bisect_left(self._daily_times, moment) for moment in (begin, end))
        return self._daily[left:right][2:]

    def turnover_between(self, begin: int, end: int) -> Decimal:
        """The mean daily turnover."""
        left, right = (bisect.bisect_left(self._turnover_times, moment) for moment in (begin, end))
        return sum((value for _, value in self._turnover[left:right]), ZERO) / (right - left) if right > left else ZERO


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
    if not outcome.curve.times:
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
    times = outcome.curve.times
    return (_date(times[0]), _date(times[-1])) if times else (date.min, date.min)


def _performance(outcome: Outcome, first: date, last: date) -> Performance:
    begin, end = _seconds(first), _seconds(last) + DAY
    times = outcome.curve.times
    left, right = bisect.bisect_left(times, begin), bisect.bisect_left(times, end)
    if left == right:
        return Performance(dict.fromkeys(PORTFOLIO, ZERO), _of_trades([]), [])
    few = len(outcome.trades) <= FEW
    trades = [trade for trade in outcome.trades if begin <= trade.exited < end] if few else outcome.trades
    of_trades = _of_trades(trades) if few else _of_many(outcome.columns.between(begin, end))
    return Performance(_of_portfolio(outcome, left, right, begin, end), of_trades, trades)


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


def _of_portfolio(outcome: Outcome, left: int, right: int, begin: int, end: int) -> dict[str, Decimal]:
    """From the samples of the equity from one place on and before another, and from what lies between two moments."""
    curve, found = outcome.curve, dict.fromkeys(PORTFOLIO, ZERO)
    start = outcome.sampler.start_equity if right - left == len(curve.times) else curve.dollars[left]
    last = curve.dollars[right - 1]
    found["startEquity"], found["endEquity"], found["portfolioTurnover"] = start, last, outcome.turnover_between(begin, end)
    daily = outcome.daily_between(begin, end)
    if not start or len(daily) < 2:
        return found
    found.update(_wins(outcome.profits_between(begin, end), start))
    found["totalNetProfit"] = last / start - 1
    found["compoundingAnnualReturn"] = _compounded(start, last, curve.times[right - 1] - curve.times[left])
    found.update(_risk(daily, (outcome.summed_rates[right] - outcome.summed_rates[left]) / (right - left)))
    found["drawdown"], found["drawdownRecovery"] = curve.drawdown(left, right)
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


def _risk(daily: NDArray[np.float64], rate: Decimal) -> dict[str, Decimal]:
    """Ratios of daily returns, one a calendar day; the benchmark is worth nothing on every day."""
    of_a_day, newest = _variance(daily), daily[-DAYS_A_YEAR:]
    yearly = of_a_day * DAYS_A_YEAR
    annual = of_double((_mean_of(daily) + 1) ** DAYS_A_YEAR - 1)
    variance, tracking = of_double(yearly), of_double(math.sqrt(yearly))
    deviation = of_double(math.sqrt(float(variance)))
    downside = of_double(math.sqrt(_variance(daily[daily < 0]) * DAYS_A_YEAR))
    excess = float(annual) - float(rate)
    mean, sd = _mean_of(newest), math.sqrt(of_a_day if len(newest) == len(daily) else _variance(newest))
    return {
        "sharpeRatio": of_double(excess / float(deviation)) if deviation else ZERO,
        "sortinoRatio": of_double(excess / float(downside)) if downside else ZERO,
        "probabilisticSharpeRatio": of_double(_probabilistic_sharpe(daily, float(rate) / DAYS_A_YEAR)),
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


def _variance(values: NDArray[np.float64]) -> float:
    """Of a sample, 0 where it has none. As one pass would sum it up, so that Lean's rounding noise is ours too: of an all but
    constant series it is all there is."""
    count = len(values)
    if count < 2:
        return 0.0
    places = np.arange(1.0, count)
    gaps = (places + 1) * values[1:] - np.cumsum(values)[1:]
    return _sum_of(gaps * gaps / ((places + 1) * places)) / (count - 1)


def _sum_of(values: NDArray[np.float64]) -> float:
    """From the first to the last, as a loop adds; `np.sum` adds in pairs, and newer Pythons' `sum` compensates."""
    return float(np.cumsum(values)[-1])


def _mean_of(values: NDArray[np.float64]) -> float:
    return _sum_of(values) / len(values)


def _probabilistic_sharpe(daily: NDArray[np.float64], rate: float) -> float:
    """Bailey and López de Prado: the chance that the true ratio is above the benchmark's 1 a year. 0 where it has no value."""
    count = len(daily)
    mean = daily.mean()
    centred = daily - mean
    squares = centred * centred
    summed = float(squares.sum())
    if count < 4 or not summed:
        return 0.0
    spread = math.sqrt(summed / count)
    observed = float(mean - rate) / math.sqrt(summed / (count - 1))
    skew = float((squares * centred).mean()) / spread**3 * math.sqrt(count * (count - 1)) / (count - 2)
    excess = float((squares * squares).mean()) / spread**4 - 3
    kurtosis = ((count + 1) * excess + 6) * (count - 1) / ((count - 2) * (count - 3))
    variance = (1 - skew * observed + (kurtosis - 1) / 4 * observed**2) / (count - 1)
    if variance < 0:
        return 0.0
    value = (observed - 1 / math.sqrt(DAYS_A_YEAR)) / math.sqrt(variance) if variance else 0.0
    return 0.5 * math.erfc(-value / math.sqrt(2))


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


def _of_many(trades: Span) -> dict[str, Decimal | int | str | None]:
    """The same from columns."""
    count, won = trades.count, trades.won
    lost = count - won
    if not count:
        return _of_trades([])
    of, sums = dict.fromkeys(MONEY_OF_TRADES, ZERO) | trades.extremes(), trades.sums()
    for total, part in (("totalProfitLoss", "profit"), ("totalProfit", "gain"), ("totalLoss", "loss"), ("totalFees", "fees")):
        of[total] = sums[part]
    for mean, part, many in (("averageProfitLoss", "profit", count), ("averageProfit", "gain", won), ("averageLoss", "loss", lost),
                             ("averageMAE", "adverse", count), ("averageMFE", "favorable", count)):
        of[mean] = quotient(sums[part], Decimal(many)) if many else ZERO
    distances, distances_lost = trades.distances()
    of["profitLossStandardDeviation"] = _root(distances, count)
    of["profitLossDownsideDeviation"] = _root(distances_lost, lost)
    _ratios(of, won, lost)
    durations = [(duration(int(mean * TICKS_A_SECOND)), duration(median * TICKS_A_SECOND)) for mean, median in trades.lengths()]
    return _in_order(of, trades.first_and_last(), (count, won, lost), durations, trades.in_a_row(), trades.longest_fall())


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


def _date(utc: int) -> date:
    return datetime.fromtimestamp(utc, UTC).date()


def _seconds(day: date) -> int:
    return (day.toordinal() - EPOCH) * DAY


def _half_up(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), "ROUND_HALF_UP", context=WIDE)
