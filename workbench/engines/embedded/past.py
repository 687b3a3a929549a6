"""What history is made of: a stock's daily bars, its minutes, its dividends and splits, between two moments.

A bar that ends at the request's start is not part of the answer, but what is missing after it is filled forward from it
(Lean: SubscriptionDataReader, FillForwardEnumerator, TimeBasedFilter).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from workbench.engines.embedded.clock import Hours, midnight
from workbench.engines.embedded.clr import ZERO, real
from workbench.engines.embedded.columns import ONE, PRICES, UNIT, Columns, factor_on, normalized
from workbench.engines.embedded.enums import DataNormalizationMode, SplitType
from workbench.engines.embedded.security import MINUTE, Prices, Quote
from workbench.engines.embedded.slices import BaseData, Dividend, QuoteBar, Split, Symbol, TradeBar
from workbench.market.bars import Bars, Quotes, Trades, daily_path, empty, join, read_daily, read_minute
from workbench.market.corporate import distribution, read_factors, read_map

FIELDS = (*PRICES, "volume")


class Answer(ABC):
    """One stock's data of one kind, in the order of their ends (New York time)."""

    def __init__(self, symbol: Symbol, ends: list[datetime]) -> None:
        self.symbol, self.ends = symbol, ends

    @abstractmethod
    def items(self) -> list[Any]:
        """The data as an algorithm sees them."""

    @abstractmethod
    def columns(self) -> dict[str, list[Any]]:
        """A frame's columns beside `ends`; NaN where there is no value."""


@dataclass(frozen=True, slots=True)
class Row:
    """One bar of an answer: a row of the stock's columns and the session it stands for."""

    row: int
    day: date
    filled: bool


class Past:
    """A stock's daily bars from its first day on, in one normalization mode."""

    def __init__(self, columns: Columns, last_day: date | None) -> None:
        self.columns, self.last_day = columns, last_day
        self._floats: dict[str, Any] = {}

    def rows(self, sessions: list[date], *, fill_forward: bool) -> list[Row]:
        """The bars of some sessions; a session without one has the bar before it in the request, if there is one."""
        days, found = self.columns.bars.days, []
        newest = -1
        places = np.searchsorted(days, np.array(sessions, dtype="datetime64[D]"))
        for day, place in zip(sessions, places.tolist(), strict=True):
            real_bar = place < len(days) and days[place] == np.datetime64(day)
            newest = place if real_bar else newest
            listed = self.last_day is None or day <= self.last_day
            if real_bar or (fill_forward and newest >= 0 and listed):
                found.append(Row(newest, day, filled=not real_bar))
        return found

    def bar(self, symbol: Symbol, row: Row, opens: datetime, closes: datetime) -> TradeBar:
        """The bar as an algorithm sees it."""
        prices = {name: self._exact(name, row) for name in FIELDS}
        return TradeBar.of(symbol, opens, closes, prices, is_fill_forward=row.filled)

    def floats(self, name: str, rows: list[Row]) -> list[float]:
        """One field of some bars, as Python gets them."""
        known = self._floats.setdefault(name, {})
        values = []
        for row in rows:
            key = (row.row, row.filled)
            if key not in known:
                known[key] = real(self._exact(name, row))
            values.append(known[key])
        return values

    def _exact(self, name: str, row: Row) -> Decimal:
        if name == "volume":
            return Decimal(0) if row.filled else self.columns.volume(row.row)
        return self.columns.price(name, row.row)


class DailyAnswer(Answer):
    """Some of a stock's daily bars."""

    def __init__(self, symbol: Symbol, past: Past, rows: list[Row], hours: Hours) -> None:
        super().__init__(symbol, [hours.close_of(row.day) for row in rows])
        self._past, self._rows, self._hours = past, rows, hours

    def items(self) -> list[Any]:
        return [self._past.bar(self.symbol, row, self._hours.open_of(row.day), end)
                for row, end in zip(self._rows, self.ends, strict=True)]

    def columns(self) -> dict[str, list[Any]]:
        return {name: self._past.floats(name, self._rows) for name in FIELDS}


class MadeAnswer(Answer):
    """Minutes or corporate events, which are made before they are asked for."""

    def __init__(self, symbol: Symbol, items: list[Any]) -> None:
        super().__init__(symbol, [item.end_time for item in items])
        self._items = items

    def items(self) -> list[Any]:
        return self._items

    def columns(self) -> dict[str, list[Any]]:
        cells = [_cells(item) for item in self._items]
        return {name: [row[name] for row in cells] for name in cells[0]} if cells else {}


class Files:
    """One stock's files in the data folder."""

    def __init__(self, folder: Path, hours: Hours, symbol: Symbol) -> None:
        self._folder, self._hours, self._symbol = folder, hours, symbol
        auxiliary, name = folder / "equity" / "usa", f"{str(symbol).lower()}.csv"
        self._mapping = read_map(auxiliary / "map_files" / name)
        self._factors = read_factors(auxiliary / "factor_files" / name)
        self._pasts: dict[DataNormalizationMode, Past] = {}

    def past(self, mode: DataNormalizationMode) -> Past:
        """The daily bars, read once for each mode: each span of dates from the file of the ticker it then traded under."""
        if mode not in self._pasts:
            bars = join([self._daily(ticker).between(first, last) for ticker, first, last in self._mapping.spans()])
            self._pasts[mode] = Past(normalized(bars, self._factors, mode), self._mapping.delisting_date)
        return self._pasts[mode]

    def daily(self, start: datetime, end: datetime, mode: DataNormalizationMode, *, fill_forward: bool) -> DailyAnswer:
        """Daily bars that end after `start` and not after `end`."""
        past = self.past(mode)
        sessions = [day for day in self._sessions(start, end) if start <= self._hours.close_of(day) <= end]
        rows = past.rows(sessions, fill_forward=fill_forward) if sessions else []
        return DailyAnswer(self._symbol, past, [row for row in rows if self._hours.close_of(row.day) > start], self._hours)

    def trades(self, start: datetime, end: datetime, mode: DataNormalizationMode, *, fill_forward: bool) -> MadeAnswer:
        """Minute bars; one that is filled forward has no volume."""
        bars: list[TradeBar] = []
        for day in self._sessions(start, end):
            found, factor = self._minutes(day, Trades), factor_on(day, self._factors, mode)
            for row, begins in self._within(day, found, start, end):
                bar = _side(found, row, "", "volume", factor, begins)
                prices = {name: getattr(bar, name) for name in FIELDS}
                bars.append(TradeBar.of(self._symbol, bar.start, bar.end, prices, is_fill_forward=False))
        return self._regular(bars, start, end, fill_forward=fill_forward)

    def quotes(self, start: datetime, end: datetime, mode: DataNormalizationMode, *, fill_forward: bool) -> MadeAnswer:
        """Minute quotes; a side that was not quoted is the one before, where quotes are filled forward, without a size."""
        bars: list[QuoteBar] = []
        bid: Prices | None = None
        ask: Prices | None = None
        for day in self._sessions(start, end):
            found, factor = self._minutes(day, Quotes), factor_on(day, self._factors, mode)
            for row, begins in self._within(day, found, start, end):
                sides = [_side(found, row, f"{side}_", f"{side}_size", factor, begins) for side in ("bid", "ask")]
                bid, ask = (side if side.open else replace(before, volume=ZERO) if before and fill_forward else None
                            for side, before in zip(sides, (bid, ask), strict=True))
                bars.append(QuoteBar(self._symbol, begins, begins + MINUTE, Quote(begins, begins + MINUTE, bid, ask),
                                     is_fill_forward=False))
        return self._regular(bars, start, end, fill_forward=fill_forward)

    def events(self, kind: type[BaseData], start: datetime, end: datetime) -> MadeAnswer:
        """Dividends or splits; one on the first session of the request is not known of, for its row is of the session before.

        The price of a split's warning is 0: this request reads no prices.
        """
        first = self._mapping.first_date or start.date()
        sessions = [day for day in self._sessions(start, end) if day >= first and self._lives(day)]
        following = dict(zip(sessions, [*sessions[1:], None], strict=True)) if sessions else {}
        found: list[Any] = []
        for row, after in pairwise(self._factors.rows):
            if row.date not in following:
                continue
            ex_date, ratio = following[row.date], row.price_factor / after.price_factor
            if kind is Dividend and ratio != ONE and ex_date is not None:
                per_share = distribution(row.reference_price, ratio)
                found.append(Dividend(self._symbol, midnight(ex_date), per_share, row.reference_price))
            if kind is Split and row.split_factor != after.split_factor:
                factor = row.split_factor / after.split_factor
                found.append(Split(self._symbol, midnight(row.date), factor, ZERO, SplitType.WARNING))
                if ex_date is not None:
                    found.append(Split(self._symbol, midnight(ex_date), factor, row.reference_price, SplitType.SPLIT_OCCURRED))
        return MadeAnswer(self._symbol, [event for event in found if start < event.end_time <= end])

    def _sessions(self, start: datetime, end: datetime) -> list[date]:
        """The sessions of a request's dates."""
        return self._hours.sessions(start.date(), end.date()) if start <= end else []

    def _daily(self, ticker: str) -> Bars:
        path = daily_path(self._folder, ticker)
        return read_daily(path) if path.exists() else empty()

    def _minutes(self, day: date, kind: type) -> Any:
        """A session's columns of one kind; None where there is no file."""
        ticker = self._mapping.ticker_on(day)
        if ticker is None or not self._lives(day):
            return None
        found = read_minute(self._folder, ticker, day)
        return found.trades if kind is Trades else found.quotes

    def _within(self, day: date, columns: Any, start: datetime, end: datetime) -> list[tuple[int, datetime]]:
        """The rows that end at a request's start or after it and not after its end, and when each begins."""
        if columns is None:
            return []
        millisecond = timedelta(milliseconds=1)
        first = np.searchsorted(columns.time, (start - MINUTE - midnight(day)) / millisecond, "left")
        last = np.searchsorted(columns.time, (end - MINUTE - midnight(day)) / millisecond, "right")
        return [(row, midnight(day) + int(columns.time[row]) // 60_000 * MINUTE) for row in range(first, last)]

    def _regular(self, bars: list[Any], start: datetime, end: datetime, *, fill_forward: bool) -> MadeAnswer:
        """The bars of regular hours after the start; a minute without one has the newest before it in the request."""
        found, place, newest = [], 0, None
        for day in self._sessions(start, end):
            moment, closes = self._hours.open_of(day), self._hours.close_of(day)
            while self._lives(day) and moment < min(closes, end):
                moment += MINUTE
                while place < len(bars) and bars[place].end_time <= moment:
                    newest, place = bars[place], place + 1
                if newest is None or not start < moment <= end:
                    continue
                if newest.end_time == moment:
                    found.append(newest)
                elif fill_forward:
                    found.append(_filled(newest, moment))
        return MadeAnswer(self._symbol, found)

    def _lives(self, day: date) -> bool:
        return self._mapping.delisting_date is None or day <= self._mapping.delisting_date


def _side(columns: Any, row: int, side: str, size: str, factor: Decimal, begins: datetime) -> Prices:
    """One row's prices in dollars × factor and its size ÷ factor."""
    opening, high, low, close = (Decimal(int(getattr(columns, side + name)[row])) * UNIT * factor for name in PRICES)
    shares = Decimal(int(getattr(columns, size)[row]))
    return Prices(begins, begins + MINUTE, opening, high, low, close,
                  shares if factor == ONE else (shares / factor).to_integral_value())


def _filled(bar: Any, moment: datetime) -> Any:
    """A bar once more, a later minute's."""
    if isinstance(bar, QuoteBar):
        return QuoteBar(bar.symbol, moment - MINUTE, moment, bar._quote, is_fill_forward=True)
    return TradeBar.of(bar.symbol, moment - MINUTE, moment, {**bar._prices, "volume": ZERO}, is_fill_forward=True)


def _cells(item: Any) -> dict[str, Any]:
    """What a frame shows of a bar or an event."""
    if isinstance(item, Dividend):
        return {"distribution": item.distribution, "referenceprice": item.reference_price}
    if isinstance(item, Split):
        return {"type": item.type, "splitfactor": item.split_factor, "referenceprice": item.reference_price}
    if isinstance(item, QuoteBar):
        cells: dict[str, Any] = {name: getattr(item, name) for name in PRICES}
        for side, bar in (("bid", item.bid), ("ask", item.ask)):
            cells |= {f"{side}{name}": math.nan if bar is None else getattr(bar, name) for name in PRICES}
        return cells | {"bidsize": item.last_bid_size, "asksize": item.last_ask_size}
    return {name: getattr(item, name) for name in FIELDS}
