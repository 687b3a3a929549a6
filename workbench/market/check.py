"""What is odd about a market's data, named one by one; nothing is corrected.

    gap                    sessions inside the listing span without a bar
    jump_without_factor    from one bar to the next the close moves by more than 35 %, to about where a split would put it,
                           or by more than half, up or down, and no split or dividend says why
    action_without_price   a split or dividend whose session before has no bar
    zero_volume            a bar without a trade
    bad_bar                high below low, open or close outside them, or a price of zero
    duplicate              a date twice, or out of order
    not_a_session          a bar, or a factor row, on a day without trading
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.market.bars import SCALE, Bars, daily_path, join, read_daily
from workbench.market.calendar import Calendar
from workbench.market.corporate import FactorRow
from workbench.market.folder import Market
from workbench.words.instrument import Instrument

KINDS = ("gap", "jump_without_factor", "action_without_price", "zero_volume", "bad_bar", "duplicate", "not_a_session")
JUMP, BIG_JUMP = 0.35, 0.5
SPLITS = tuple(Fraction(new, old) for new, old in ((3, 2), (2, 1), (5, 2), (3, 1), (4, 1), (5, 1), (7, 1), (10, 1), (20, 1)))
NEAR = math.log(1.1)        # how far a day's trading may take a close from where a split alone would put it


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity: its kind (one of `KINDS`), the symbol as of the end, the first date it concerns, and what is there."""

    kind: str
    symbol: str
    day: date
    detail: str


def check(market: Market) -> tuple[Finding, ...]:
    """All findings, by symbol and date. Raises `BadInput` for a file that can't be read at all."""
    loose = {one: _bars(market, one) for one in market.instruments()}
    ends = [bars.days.max().item() for bars in loose.values() if len(bars)]
    found = [finding for one, bars in loose.items() for finding in _check(market, one, bars, max(ends, default=date.min))]
    return tuple(sorted(found, key=lambda finding: (finding.symbol, finding.day, finding.kind)))


def _check(market: Market, one: Instrument, loose: Bars, end: date) -> Iterator[Finding]:
    """One company's findings. `end` is the market's last bar: a stock still listed is expected to have one on it."""
    symbol = one.symbol
    again = np.flatnonzero(np.diff(loose.days).astype(np.int64) <= 0) + 1
    for row in again:
        yield Finding("duplicate", symbol, loose.days[row].item(), f"comes after {loose.days[row - 1]}")
    bars = _sorted(loose)
    yield from _odd_bars(symbol, bars)
    yield from _misplaced(market.calendar, symbol, bars)
    yield from _gaps(market, one, bars, end)
    yield from _unpriced_events(market, one, set(bars.days.tolist()))
    if all(row.reference_price for row in _event_rows(market, one)):
        yield from _jumps(market, one, bars)


def _odd_bars(symbol: str, bars: Bars) -> Iterator[Finding]:
    low, high = np.minimum(bars.open, bars.close), np.maximum(bars.open, bars.close)
    for row in np.flatnonzero((bars.low > low) | (bars.high < high) | (bars.low <= 0)):
        prices = [f"{getattr(bars, name)[row] / SCALE:g}" for name in ("open", "high", "low", "close")]
        yield Finding("bad_bar", symbol, bars.days[row].item(), "open {}, high {}, low {}, close {}".format(*prices))
    for row in np.flatnonzero(bars.volume == 0):
        yield Finding("zero_volume", symbol, bars.days[row].item(), f"close {bars.close[row] / SCALE:g} without a trade")


def _misplaced(calendar: Calendar, symbol: str, bars: Bars) -> Iterator[Finding]:
    for day in bars.days.tolist():
        if not calendar.covers(day):
            yield Finding("not_a_session", symbol, day, f"outside the calendar ({calendar.first} to {calendar.last})")
        elif not calendar.is_session(day):
            yield Finding("not_a_session", symbol, day, f"a bar on a {day:%A} without trading")


def _gaps(market: Market, one: Instrument, bars: Bars, end: date) -> Iterator[Finding]:
    """Missing sessions, neighbours in one finding. Without a map file the span is that of the bars."""
    first, last = _span(market, one, bars, end)
    sessions = np.array([day for day in market.calendar.days if first <= day <= last], "datetime64[D]")
    missing = np.flatnonzero(~np.isin(sessions, bars.days))
    for run in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1) if len(missing) else ():
        days = f"{len(run)} sessions, to {sessions[run[-1]]}" if len(run) > 1 else "1 session"
        yield Finding("gap", one.symbol, sessions[run[0]].item(), days)


def _span(market: Market, one: Instrument, bars: Bars, end: date) -> tuple[date, date]:
    """When the stock was listed, up to `end`; without a map file from its first bar to its last."""
    known = market.map_file(one)
    if known.first_date is not None:
        return known.first_date, min(known.delisting_date or end, end)
    return (bars.days[0].item(), bars.days[-1].item()) if len(bars) else (end, date.min)


def _event_rows(market: Market, one: Instrument) -> list[FactorRow]:
    """The factor rows with a split or dividend after them."""
    rows = market.factor_file(one).rows
    return [row for row, later in pairwise(rows)
            if (row.price_factor, row.split_factor) != (later.price_factor, later.split_factor)]


def _unpriced_events(market: Market, one: Instrument, priced: set[date]) -> Iterator[Finding]:
    known, calendar = market.map_file(one), market.calendar
    first, last = known.first_date or min(priced, default=date.max), known.delisting_date or date.max
    for row in _event_rows(market, one):
        if calendar.covers(row.date) and not calendar.is_session(row.date):
            yield Finding("not_a_session", one.symbol, row.date, "a factor row without trading: Lean sees no event there")
        elif first <= row.date <= last and (row.date not in priced or not row.reference_price):
            what = "no reference price" if row.date in priced else "no bar"
            yield Finding("action_without_price", one.symbol, row.date, f"{what} before the split or dividend")


def _jumps(market: Market, one: Instrument, bars: Bars) -> Iterator[Finding]:
    explained = np.zeros(len(bars))         # log of what actions did between each bar and the one before it
    for action in market.actions(one, date.min, date.max):
        at = int(np.searchsorted(bars.days, np.datetime64(action.ex_date, "D")))
        if at < len(bars):
            explained[at] += math.log(action.adjustment)
    with np.errstate(divide="ignore", invalid="ignore"):        # a price of zero is a bad bar, reported as one
        moves = np.diff(np.log(bars.close)) - explained[1:]
    for row in np.flatnonzero(np.isfinite(moves) & (np.abs(np.expm1(moves)) > JUMP)) + 1:
        ratio = math.exp(moves[row - 1])
        if ratio < 1 - BIG_JUMP or ratio > 1 + BIG_JUMP or _like_a_split(ratio):
            detail = f"close {bars.close[row - 1] / SCALE:g} to {bars.close[row] / SCALE:g} ({ratio - 1:+.1%})"
            yield Finding("jump_without_factor", one.symbol, bars.days[row].item(), detail)


def _like_a_split(ratio: float) -> bool:
    """Whether a split, either way, with a day's ordinary trading would move a close so."""
    return min(abs(abs(math.log(ratio)) - math.log(split)) for split in SPLITS) < NEAR


def _bars(market: Market, one: Instrument) -> Bars:
    """A company's bars as they stand in its files, in whatever order."""
    parts = []
    for ticker, first, last in market.map_file(one).spans():
        path = daily_path(market.path, ticker)
        if path.is_file():
            held = read_daily(path, ordered=False)
            inside = (held.days >= np.datetime64(first or date.min)) & (held.days <= np.datetime64(last or date.max))
            parts.append(_take(held, np.flatnonzero(inside)))
    return join(parts)


def _sorted(bars: Bars) -> Bars:
    """The bars in order, the first of each date."""
    return _take(bars, np.unique(bars.days, return_index=True)[1])


def _take(bars: Bars, rows: NDArray[np.intp]) -> Bars:
    return Bars(**{column.name: getattr(bars, column.name)[rows] for column in fields(bars)})
