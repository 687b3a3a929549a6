"""What an account was worth session by session, and what that says: returns, drawdowns, annual figures.

Money is Decimal; prices are the bars' whole ten-thousandths of a dollar, multiplied by whole shares in 64-bit integers:
the curve is exact. Nothing is approximated: where it can't be exact it is made of the engine's own marks, and says why.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import accumulate, pairwise

import numpy as np

from workbench.judgement.evidence import Heard
from workbench.judgement.holdings import ZERO, session_of
from workbench.market.bars import SCALE, Bars, Days, Numbers
from workbench.words.identity import money

SESSIONS_A_YEAR = 252
ENOUGH = 252            # sessions: with fewer, no figure is made annual
CONVENTION = (f"simple returns from close to close; {SESSIONS_A_YEAR} sessions a year; annual figures from {ENOUGH} sessions; "
              "cash earns nothing; risk-free rate 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """The curve beside what the engine itself says (`what`: mark or end): dollars, and curve less engine."""

    what: str
    day: date
    curve: Decimal
    engine: Decimal

    @property
    def residual(self) -> Decimal:
        """Curve less engine, in dollars."""
        return self.curve - self.engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """An account's value in dollars at the close of each of `days`, and the cash in it.

    `source` is bars, with a value for each session, or marks, with one where the engine left one; `why` then says what was
    missing. `ties` compares it with the engine's own numbers.
    """

    days: tuple[date, ...]
    equity: tuple[Decimal, ...]
    cash: tuple[Decimal, ...]
    source: str
    why: str | None
    ties: tuple[Tie, ...] = ()

    def __repr__(self) -> str:
        span = f"{self.days[0]} to {self.days[-1]}, {self.equity[0]:,.2f} to {self.equity[-1]:,.2f}" if self.days else "empty"
        return f"Curve({span}, from {self.source}{f': {self.why}' if self.why else ''})"

    def at(self, day: date) -> Decimal | None:
        """The value at the last close up to a date; None before the first."""
        at = bisect_right(self.days, day)
        return self.equity[at - 1] if at else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """A fall below an earlier high. `depth` is a negative fraction; `sessions` from the high to the recovery, or so far."""

    depth: Decimal
    peak: date
    trough: date
    recovered: date | None
    sessions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A curve in numbers. Returns are fractions; `convention` says how they are made, and None that there is not enough.

    `annual_return` is (1 + total)^(252/sessions) − 1; `annual_volatility` the sample standard deviation of the sessions'
    returns · √252; `sharpe` their mean · 252 ÷ that volatility.
    """

    sessions: int
    total_return: Decimal | None
    annual_return: Decimal | None
    annual_volatility: Decimal | None
    sharpe: Decimal | None
    deepest: Drawdown | None
    longest: Drawdown | None
    convention: str = CONVENTION


def equity_curve(heard: Heard) -> Curve:
    """The account's value at every session's close, from the run's first day to its last.

    Opening cash, and what fills, fees, dividends and split remainders moved since; whole shares at the raw close, or the
    last one before it. A session is a day on which some instrument of the evidence has a bar. Events between two sessions
    count at the later one. Where prices are adjusted, or a price or a whole number of shares is missing, the curve is the
    engine's own marks and `why` says so.
    """
    evidence = heard.evidence
    days = _sessions(evidence.bars.values(), evidence.run.start, evidence.run.end)
    if evidence.adjusted:
        return _curve_of_marks(heard, "prices are adjusted: they are not the market's")
    if not len(days):
        return _curve_of_marks(heard, "there are no bars")
    stock = np.zeros(len(days), np.int64)
    for instrument_id in heard.ledger.instruments:
        value, why = _position_value(heard, instrument_id, days)
        if why is not None:
            return _curve_of_marks(heard, why)
        stock += value
    cash = _cash(heard, days)
    equity = tuple(Decimal(value) / SCALE + dollars for value, dollars in zip(stock.tolist(), cash, strict=True))
    curve = Curve(days=tuple(days.tolist()), equity=equity, cash=cash, source="bars", why=None)
    return replace(curve, ties=_ties(curve, heard, ("mark", "end")))


def returns(values: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """Simple returns from each value to the next, on the grid of 12 decimals. Values must be above zero."""
    return tuple(money(after / before - 1) for before, after in pairwise(values))


def drawdowns(values: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """At each value, its fraction below the highest so far: 0 or negative."""
    return tuple(money(value / high - 1) for value, high in zip(values, accumulate(values, max), strict=True))


def summarise(curve: Curve) -> Summary:
    """A curve's returns, drawdowns, and annual figures where it has a value for each of at least 252 sessions."""
    sound = bool(curve.equity) and min(curve.equity) > 0
    sessions = max(len(curve.days) - 1, 0) if curve.source == "bars" else 0
    if not sound or len(curve.equity) < 2:
        return Summary(sessions=sessions, total_return=None, annual_return=None, annual_volatility=None, sharpe=None,
                       deepest=None, longest=None)
    total = curve.equity[-1] / curve.equity[0]
    falls = _falls(curve)
    annual = volatility = sharpe = None
    if sessions >= ENOUGH:
        moves = returns(curve.equity)
        annual = money(total ** (Decimal(SESSIONS_A_YEAR) / sessions) - 1)
        volatility = annual_volatility(moves)
        sharpe = money(sum(moves, ZERO) / len(moves) * SESSIONS_A_YEAR / volatility) if volatility else None
    return Summary(sessions=sessions, total_return=money(total - 1), annual_return=annual, annual_volatility=volatility,
                   sharpe=sharpe, deepest=min(falls, key=lambda fall: fall.depth, default=None),
                   longest=max(falls, key=lambda fall: fall.sessions, default=None))


def annual_volatility(moves: Sequence[Decimal]) -> Decimal | None:
    """Sample standard deviation of the sessions' returns · √252; None for fewer than 252 of them."""
    if len(moves) < ENOUGH:
        return None
    mean = sum(moves, ZERO) / len(moves)
    variance = sum(((move - mean) ** 2 for move in moves), ZERO) / (len(moves) - 1)
    return money((variance * SESSIONS_A_YEAR).sqrt())


def _falls(curve: Curve) -> list[Drawdown]:
    """Every fall below an earlier high, from the high to the day it was reached again, or to the curve's end."""
    found: list[Drawdown] = []
    high = 0
    for at in range(1, len(curve.equity) + 1):
        ended = at == len(curve.equity)
        if not ended and curve.equity[at] < curve.equity[high]:
            continue
        if at - high > 1:
            trough = min(range(high, at), key=lambda place: curve.equity[place])
            found.append(Drawdown(
                depth=money(curve.equity[trough] / curve.equity[high] - 1), peak=curve.days[high], trough=curve.days[trough],
                recovered=None if ended else curve.days[at], sessions=(at - 1 if ended else at) - high))
        high = at
    return found


def _sessions(every: Iterable[Bars], first: date, last: date) -> Days:
    """The days from `first` to `last` on which any of the bars is."""
    days = [bars.between(first, last).days for bars in every]
    return np.unique(np.concatenate(days)) if days else np.empty(0, "datetime64[D]")


def _position_value(heard: Heard, instrument_id: str, days: Days) -> tuple[Numbers, str | None]:
    """Shares · close of one instrument at each session, in ten-thousandths of a dollar, or why there is no such number."""
    shares, why = _shares(heard, instrument_id, days)
    if why is not None or not shares.any():
        return shares, why
    closes = heard.closes(instrument_id, days)
    unpriced = days[(shares != 0) & (closes == 0)]
    return shares * closes, f"{instrument_id} was held without a bar on {unpriced[0]}" if len(unpriced) else None


def _shares(heard: Heard, instrument_id: str, days: Days) -> tuple[Numbers, str | None]:
    """Signed shares of one instrument at each session's close."""
    ledger = heard.ledger
    changes = ledger.changes.get(instrument_id, ())
    held = [ledger.holdings.get(instrument_id, ZERO), *(change.quantity for change in changes)]
    if any(shares != shares.to_integral_value() for shares in held):
        return np.zeros(len(days), np.int64), f"{instrument_id} was not held in whole shares"
    dates = np.array([session_of(change.occurred_at) for change in changes], "datetime64[D]")
    return np.array([int(shares) for shares in held], np.int64)[np.searchsorted(dates, days, "right")], None


def _cash(heard: Heard, days: Days) -> tuple[Decimal, ...]:
    """Dollars of cash at each session's close."""
    moved = [ZERO] * (len(days) + 1)
    for changes in heard.ledger.changes.values():
        dates = np.array([session_of(change.occurred_at) for change in changes], "datetime64[D]")
        for at, change in zip(np.searchsorted(days, dates).tolist(), changes, strict=True):
            moved[at] += change.cash
    return tuple(accumulate(moved[1:-1], initial=heard.ledger.cash + moved[0]))


def _curve_of_marks(heard: Heard, why: str) -> Curve:
    last = {mark.day: mark for mark in heard.marks}
    curve = Curve(days=tuple(last), equity=tuple(mark.equity for mark in last.values()), source="marks", why=why,
                  cash=tuple(mark.cash for mark in last.values()))
    return replace(curve, ties=_ties(curve, heard, ("end",)))


def _ties(curve: Curve, heard: Heard, what: Sequence[str]) -> tuple[Tie, ...]:
    """The curve beside each mark, and beside the engine's end equity where it told one."""
    engine = [("mark", mark.day, mark.equity) for mark in heard.marks]
    if heard.evidence.end_equity is not None and curve.days:
        engine.append(("end", curve.days[-1], heard.evidence.end_equity))
    told = ((kind, day, equity, curve.at(day)) for kind, day, equity in engine if kind in what)
    return tuple(Tie(what=kind, day=day, curve=value, engine=equity) for kind, day, equity, value in told if value is not None)
