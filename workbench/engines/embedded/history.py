"""`self.history`: bars before now, as pandas frames, bars or slices (Lean: QCAlgorithm.History, PandasConverter).

A request covers the bars that end after its start and not after its end; a session without a bar is filled forward. pandas
is imported by the first frame that is asked for.
"""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engines.embedded.clock import utc_of
from workbench.engines.embedded.clr import ArgumentException, Enumerable, NoMatch, memoizing, no_overload, real
from workbench.engines.embedded.columns import Columns, normalized
from workbench.engines.embedded.enums import DataNormalizationMode, Resolution
from workbench.engines.embedded.securities import Equity
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.slices import Slice, Symbol, TradeBar, TradeBars
from workbench.errors import NotSupported
from workbench.market.bars import daily_path, empty, join, read_daily
from workbench.market.corporate import MapFile, read_factors, read_map

if TYPE_CHECKING:
    from workbench.engines.embedded.algorithm import QCAlgorithm

FRAME = ("close", "high", "low", "open", "volume")      # a frame's columns are in alphabetical order
FIELDS = ("open", "high", "low", "close", "volume")
FUTURE = "Request for future history modified to end now."
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Request:
    """Daily bars of some stocks: those that end after `start` and not after `end` (New York time)."""

    securities: list[Security]
    starts: list[datetime]
    end: datetime
    fill_forward: bool
    mode: DataNormalizationMode | None


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


class History:
    """The object behind `self.history`: called for frames, `history[TradeBar]` for bars."""

    def __init__(self, algorithm: "QCAlgorithm") -> None:
        self._algorithm, self._run = algorithm, algorithm._run
        self._pasts: dict[tuple[Symbol, DataNormalizationMode], Past] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """history(tickers, periods | span | start, end[, resolution, …]) → DataFrame; without tickers → slices."""
        given = list(arguments)
        if given and isinstance(given[0], type) and issubclass(given[0], TradeBar):
            given.pop(0)
        elif given and isinstance(given[0], type):
            raise NotSupported(f"history of {given[0].__name__}")
        tickers = named.pop("tickers", named.pop("symbol", named.pop("symbols", None)))
        if tickers is None and given and not isinstance(given[0], int | timedelta):
            tickers = given.pop(0)
        try:
            chosen = self._chosen(tickers)
            request = self._request(chosen, given, named)
        except NoMatch:
            raise no_overload("history", arguments) from None
        return self._slices(request) if tickers is None else self._frame(request)

    def __getitem__(self, kind: type) -> Callable[..., Any]:
        """history[TradeBar](symbol, …) → bars; of several symbols → dictionaries of bars."""
        if kind is not TradeBar:
            raise NotSupported(f"history[{getattr(kind, '__name__', kind)}]")

        def typed(tickers: Any, *arguments: Any, **named: Any) -> Enumerable:
            request = self._request(self._chosen(tickers), list(arguments), named)
            if isinstance(tickers, list | tuple):
                return memoizing("TradeBars")([arrived.bars for arrived in self._slices(request)])
            past, rows = self._found(request)[0]
            symbol = request.securities[0].symbol
            return memoizing("TradeBar")([past.bar(symbol, row, *self._hours(row.day)) for row in rows])

        return typed

    def last_bar(self, security: Security) -> TradeBar | None:
        """The newest bar that has ended by now; None where there is none."""
        past = self._past(security, security.mode)
        days = past.columns.bars.days
        today = self._run.local.date()
        until = today if self._run.hours.is_session(today) and self._hours(today)[1] <= self._run.local else today - DAY
        place = int(np.searchsorted(days, np.datetime64(until), side="right")) - 1
        if place < 0:
            return None
        day: date = days[place].item()
        return past.bar(security.symbol, Row(place, day, filled=False), *self._hours(day))

    # What was asked for.

    def _chosen(self, tickers: Any) -> list[Security]:
        """The stocks of a symbol, a ticker or several; all for None."""
        if tickers is None:
            return list(self._run.securities)
        items: Iterable[Any] = [tickers] if isinstance(tickers, str | Symbol | Equity) else tickers
        return [self._algorithm._security(item) for item in items]

    def _request(self, chosen: list[Security], given: list[Any], named: dict[str, Any]) -> Request:
        """How far back, from the arguments after the symbols: a number of bars, a timedelta, or a start and an end."""
        now, begin = self._run.local, given.pop(0) if given else None
        for name in ("periods", "span", "start"):
            begin = named.pop(name, begin)
        if begin is None:
            raise NoMatch("history of no bars")
        end = now
        if isinstance(begin, date):
            end = _moment(named.pop("end") if "end" in named else given.pop(0))
            if end > now:
                end = now
                self._run.log.debug(FUTURE, now)
        options = dict(zip(("resolution", "fill_forward", "extended_market_hours", "data_mapping_mode",
                            "data_normalization_mode"), given, strict=False)) | named
        self._daily_only(chosen, options)
        if isinstance(begin, bool) or not isinstance(begin, int | timedelta | date):
            raise NoMatch(f"history from {begin!r}")
        if isinstance(begin, int):
            starts = [self._start_of(begin)] * len(chosen)
        else:
            starts = [now - begin if isinstance(begin, timedelta) else _moment(begin)] * len(chosen)
        return Request(chosen, starts, end, options.get("fill_forward") is not False, options.get("data_normalization_mode"))

    def _daily_only(self, chosen: list[Security], options: dict[str, Any]) -> None:
        resolution = options.get("resolution")
        if resolution is not None and not isinstance(resolution, Resolution):
            raise NoMatch(f"{resolution!r} is not a resolution")
        for security in chosen:
            asked = security.resolution if resolution is None else resolution
            if asked is not Resolution.DAILY:
                raise NotSupported(f"history of {asked} data")
        if options.get("extended_market_hours") or options.get("data_mapping_mode") is not None:
            raise NotSupported("history of extended market hours, or with a mapping of its own")

    def _start_of(self, bars: int) -> datetime:
        """The moment that has so many sessions between it and now, walking back by whole days."""
        if bars <= 0:
            raise ArgumentException(f"history of {bars} bars")
        hours, now = self._run.hours, self._run.local
        today = now.date()
        if not hours.is_session(today) or hours.close_of(today) > now:
            now = datetime.combine(today, time())
        while bars:
            before = now
            now -= DAY
            if any(hours.is_session(day) and hours.open_of(day) < before and hours.close_of(day) > now
                   for day in (now.date(), before.date())):
                bars -= 1
        return now

    # What there is.

    def _found(self, request: Request) -> list[tuple[Past, list[Row]]]:
        answers = []
        for security, start in zip(request.securities, request.starts, strict=True):
            past = self._past(security, security.mode if request.mode is None else request.mode)
            sessions = [day for day in self._run.hours.sessions(start.date(), request.end.date())
                        if start < self._hours(day)[1] <= request.end] if start.date() <= request.end.date() else []
            answers.append((past, past.rows(sessions, fill_forward=request.fill_forward) if sessions else []))
        return answers

    def _frame(self, request: Request) -> Any:
        import pandas as pd

        map_tickers(self._algorithm)
        frames, symbols = [], []
        for security, (past, rows) in zip(request.securities, self._found(request), strict=True):
            if not rows:
                continue
            times = pd.DatetimeIndex([self._hours(row.day)[1] for row in rows], name="time")
            frames.append(pd.DataFrame({name: past.floats(name, rows) for name in FRAME}, index=times))
            symbols.append(security.symbol)
        if not frames:
            return pd.DataFrame()
        return pd.concat(frames, keys=symbols, names=["symbol", "time"])

    def _slices(self, request: Request) -> Enumerable:
        """One slice a session, of the bars it has."""
        by_day: dict[date, dict[Symbol, Any]] = {}
        for security, (past, rows) in zip(request.securities, self._found(request), strict=True):
            for row in rows:
                bar = past.bar(security.symbol, row, *self._hours(row.day))
                by_day.setdefault(row.day, {})[security.symbol] = bar
        slices = []
        for day, bars in sorted(by_day.items()):
            close = self._hours(day)[1]
            slices.append(Slice(utc_of(close), close, TradeBars(len(bars), functools.partial(dict, bars))))
        return memoizing("Slice")(slices)

    def _hours(self, day: date) -> tuple[datetime, datetime]:
        return self._run.hours.open_of(day), self._run.hours.close_of(day)

    def _past(self, security: Security, mode: DataNormalizationMode) -> Past:
        """A stock's bars, read once for each mode."""
        key = security.symbol, mode
        if key not in self._pasts:
            if mode not in (DataNormalizationMode.RAW, DataNormalizationMode.ADJUSTED, DataNormalizationMode.SPLIT_ADJUSTED):
                raise NotSupported(f"history normalized as {mode}")
            folder, ticker = self._run.feed.folder, str(security.symbol).lower()
            mapping = read_map(folder / "equity" / "usa" / "map_files" / f"{ticker}.csv")
            factors = read_factors(folder / "equity" / "usa" / "factor_files" / f"{ticker}.csv")
            self._pasts[key] = Past(normalized(self._bars(mapping), factors, mode), mapping.delisting_date)
        return self._pasts[key]

    def _bars(self, mapping: MapFile) -> Any:
        """Each span of dates from the file of the ticker it then traded under."""
        paths = [(daily_path(self._run.feed.folder, ticker), first, last) for ticker, first, last in mapping.spans()]
        return join([(read_daily(path) if path.exists() else empty()).between(first, last) for path, first, last in paths])


def _moment(when: date) -> datetime:
    return when if isinstance(when, datetime) else datetime.combine(when, time())


def map_tickers(algorithm: "QCAlgorithm") -> None:
    """Let a frame whose keys are symbols be asked by ticker, as Lean's PandasMapper does: pandas itself is changed."""
    import pandas as pd
    from pandas.core import indexing

    indexers: Any = indexing

    if getattr(pd.Index.get_loc, "maps_tickers", False):
        return

    def mapped(key: Any) -> Any:
        if type(key) is str:
            found = algorithm.securities.find(key)
            return key if found is None else found.symbol
        if type(key) in (tuple, list):
            return type(key)(mapped(item) for item in key)
        return {name: mapped(value) for name, value in key.items()} if type(key) is dict else key

    def asked_twice(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(self: Any, *arguments: Any, **named: Any) -> Any:
            try:
                return method(self, *mapped(arguments), **mapped(named))
            except KeyError:
                pass
            try:
                return method(self, *arguments, **named)
            except KeyError:
                keys = [str(item) for item in mapped(arguments) if isinstance(item, str | Symbol)]
                own = [str(item) for item in arguments if isinstance(item, str | Symbol)]
                raise KeyError(f"No key found for either mapped or original key. Mapped Key: {keys}; Original Key: {own}") from None
        call.maps_tickers = True        # type: ignore[attr-defined]
        return call

    def contained(method: Callable[..., bool]) -> Callable[..., bool]:
        return functools.wraps(method)(lambda self, key: method(self, key) or method(self, mapped(key)))

    for kind, name in ((indexers._LocationIndexer, "__getitem__"), (indexers._ScalarAccessIndexer, "__getitem__"),
                       (pd.Index, "get_loc"), (pd.DataFrame, "__getitem__")):
        setattr(kind, name, asked_twice(getattr(kind, name)))
    pd.Index.__contains__ = contained(pd.Index.__contains__)     # type: ignore[method-assign]
