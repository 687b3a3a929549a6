"""Lean's printed statistics, from the equity samples and the closed profits alone (formulas: lean-facts §3.6)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.orders import number_text
from workbench.engines.embedded.sampling import Sampler

DAYS_A_YEAR = 252
HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the statistics are made from. `profits` are closings in order of time, `rate` the risk-free rate a year."""

    sampler: Sampler
    profits: list[tuple[int, Decimal]]
    orders: int
    fees: Decimal
    start_equity: Decimal
    rate: float


def printed(outcome: Outcome) -> dict[str, str]:
    """The statistics under Lean's names, as text in Lean's form."""
    values = [value for _, value in outcome.sampler.equity.points]
    end = values[-1] if values else outcome.start_equity
    trades = _trades(outcome)
    risk = _risk(outcome)
    peak_fall, recovery = _drawdown(outcome)
    net = end / outcome.start_equity - 1 if outcome.start_equity else Decimal(0)
    turnover = [value for _, value in outcome.sampler.turnover.points]
    return {
        "Total Orders": str(outcome.orders),
        "Average Win": f"{_fixed(trades['win'] * 100, 2)}%",
        "Average Loss": f"{_fixed(trades['loss'] * 100, 2)}%",
        "Compounding Annual Return": f"{_fixed(_compounded(outcome, end) * 100, 3)}%",
        "Drawdown": f"{_fixed(peak_fall * 100, 3)}%",
        "Expectancy": _fixed(trades["expectancy"], 3),
        "Start Equity": number_text(_round(outcome.start_equity, 2)),
        "End Equity": _fixed(end, 2),
        "Net Profit": f"{_fixed(net * 100, 3)}%",
        "Sharpe Ratio": _short(risk["sharpe"], 3),
        "Sortino Ratio": _short(risk["sortino"], 3),
        "Probabilistic Sharpe Ratio": f"{_fixed(Decimal(repr(risk['probabilistic'])) * 100, 3)}%",
        "Loss Rate": f"{number_text(_round(trades['loss_rate'] * 100, 0))}%",
        "Win Rate": f"{number_text(_round(trades['win_rate'] * 100, 0))}%",
        "Profit-Loss Ratio": _fixed(trades["ratio"], 2),
        "Alpha": "0",
        "Beta": "0",
        "Annual Standard Deviation": _short(risk["deviation"], 3),
        "Annual Variance": _short(risk["deviation"] ** 2, 3),
        "Information Ratio": _short(risk["information"], 3),
        "Tracking Error": _short(risk["deviation"], 3),
        "Treynor Ratio": "0",
        "Total Fees": f"${outcome.fees.quantize(Decimal('0.01'), ROUND_HALF_UP)}",
        "Portfolio Turnover": f"{_fixed(sum(turnover, Decimal(0)) / len(turnover) if turnover else Decimal(0), 2)}%",
        "Drawdown Recovery": str(recovery),
    }


def risk_free_rate(folder: Path, sampler: Sampler) -> float:
    """Mean rate in force over the equity samples, as a fraction a year; 1 % where the file is missing, as Lean has it."""
    path = folder / "alternative" / "interest-rate" / "usa" / "interest-rate.csv"
    if not path.is_file() or not sampler.equity.points:
        return 0.01
    lines = [line.split(",") for line in path.read_text(encoding="utf-8").split("\n")[1:] if line.strip()]
    starts = np.array([date.fromisoformat(day).toordinal() for day, _ in lines])
    rates = np.array([float(rate) for _, rate in lines])
    days = np.array([datetime.fromtimestamp(utc, UTC).date().toordinal() for utc, _ in sampler.equity.points])
    places = np.maximum(np.searchsorted(starts, days, side="right") - 1, 0)
    return float(rates[places].mean()) / 100


def _risk(outcome: Outcome) -> dict[str, float]:
    """Ratios of the daily returns, one a calendar day, the first two left out; zero days count, as in Lean."""
    daily: NDArray[np.float64] = np.array([float(value) for _, value in outcome.sampler.returns.points])[2:] / 100
    none = {"sharpe": 0.0, "sortino": 0.0, "probabilistic": 0.0, "deviation": 0.0, "information": 0.0}
    if len(daily) < 2 or not daily.std():
        return none
    mean = float(daily.mean())
    annual = (1 + mean) ** DAYS_A_YEAR - 1
    deviation = float(np.sqrt(DAYS_A_YEAR * daily.var(ddof=1)))
    falls = daily[daily < 0]
    downside = float(np.sqrt(DAYS_A_YEAR * falls.var(ddof=1))) if len(falls) > 1 else 0.0
    return {
        "sharpe": (annual - outcome.rate) / deviation,
        "sortino": (annual - outcome.rate) / downside if downside else 0.0,
        "probabilistic": _probabilistic_sharpe(daily, outcome.rate),
        "deviation": deviation,
        "information": annual / deviation,
    }


def _probabilistic_sharpe(daily: NDArray[np.float64], rate: float) -> float:
    """Bailey and López de Prado: the chance that the true ratio is above the benchmark's 1 a year."""
    count = len(daily)
    observed = (daily.mean() - rate / DAYS_A_YEAR) / daily.std(ddof=1)
    centred = (daily - daily.mean()) / daily.std()
    skew = float((centred**3).mean()) * np.sqrt(count * (count - 1)) / (count - 2) if count > 2 else 0.0
    excess = float((centred**4).mean()) - 3
    kurtosis = ((count + 1) * excess + 6) * (count - 1) / ((count - 2) * (count - 3)) if count > 3 else 0.0
    spread = (1 - skew * observed + (kurtosis - 1) / 4 * observed**2) / (count - 1)
    if spread <= 0:
        return 0.0
    return NormalDist().cdf(float((observed - 1 / np.sqrt(DAYS_A_YEAR)) / np.sqrt(spread)))


def _trades(outcome: Outcome) -> dict[str, Decimal]:
    """Wins and losses of the closings, each as a share of the capital before it; a zero counts as a loss."""
    capital = outcome.start_equity
    wins: list[Decimal] = []
    losses: list[Decimal] = []
    for _, profit in outcome.profits:
        (wins if profit > 0 else losses).append(profit / capital)
        capital += profit
    zero = Decimal(0)
    win = sum(wins, zero) / len(wins) if wins else zero
    loss = sum(losses, zero) / len(losses) if losses else zero
    count = len(wins) + len(losses)
    win_rate = Decimal(len(wins)) / count if count else zero
    loss_rate = Decimal(len(losses)) / count if count else zero
    ratio = win / abs(loss) if loss else zero
    return {"win": win, "loss": loss, "win_rate": win_rate, "loss_rate": loss_rate, "ratio": ratio,
            "expectancy": win_rate * ratio - loss_rate}


def _drawdown(outcome: Outcome) -> tuple[Decimal, int]:
    """The deepest fall from a peak over all equity samples, to three decimals, and the longest recovery in days."""
    peak, deepest, peak_at, longest = Decimal(0), Decimal(0), 0, 0
    fallen = False
    for utc, value in outcome.sampler.equity.points:
        if value >= peak:
            if fallen and peak_at:
                longest = max(longest, (utc - peak_at) // 86400)
            peak, peak_at, fallen = value, utc, False
            continue
        fallen = True
        deepest = max(deepest, 1 - value / peak)
    return _round(deepest, 3), longest


def _compounded(outcome: Outcome, end: Decimal) -> Decimal:
    points = outcome.sampler.equity.points
    if len(points) < 2 or not outcome.start_equity or end <= 0:
        return Decimal(0)
    days = (points[-1][0] - points[0][0]) / 86400
    return Decimal(repr(float(end / outcome.start_equity) ** (365 / days) - 1)) if days else Decimal(0)


def _round(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)


def _fixed(value: Decimal, places: int) -> str:
    """C#'s decimal text after Math.Round: trailing zeros stay, none are added, and a bare zero is `0`."""
    exponent = value.as_tuple().exponent
    rounded = _round(value, places) if isinstance(exponent, int) and -exponent > places else value
    return format(rounded, "f") if rounded else "0"


def _short(value: float, places: int) -> str:
    """C#'s double text after rounding: no trailing zeros."""
    return number_text(_round(Decimal(repr(value)), places))
