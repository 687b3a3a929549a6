"""`self.history`: what there was before now, as pandas frames, bars or slices (Lean: QCAlgorithm.History, PandasConverter).

A request covers the data that end after its start and not after its end; a session or minute without a bar is filled
forward. pandas is imported by the first frame that is asked for.
"""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.engines.embedded.clock import midnight, utc_of
from workbench.engines.embedded.clr import ArgumentException, Enumerable, NoMatch, memoizing, no_overload
from workbench.engines.embedded.enums import DataNormalizationMode, Resolution
from workbench.engines.embedded.past import Answer, Files, Row
from workbench.engines.embedded.securities import Equity
from workbench.engines.embedded.security import MINUTE, Security
from workbench.engines.embedded.slices import BaseData, Dividend, QuoteBar, Slice, Split, Symbol, TradeBar, TradeBars
from workbench.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engines.embedded.algorithm import QCAlgorithm

FUTURE = "Request for future history modified to end now."
DAY = timedelta(days=1)
MODES = (DataNormalizationMode.RAW, DataNormalizationMode.ADJUSTED, DataNormalizationMode.SPLIT_ADJUSTED)
OPTIONS = ("resolution", "fill_forward", "extended_market_hours", "data_mapping_mode", "data_normalization_mode",
           "contract_depth_offset", "flatten")


@dataclass(frozen=True, slots=True)
class Request:
    """One kind of data of one stock: what ends after `start` and not after `end` (New York time)."""

    security: Security
    kind: type[BaseData]
    daily: bool
    start: datetime
    end: datetime
    fill_forward: bool
    mode: DataNormalizationMode


class History:
    """The object behind `self.history`: called for frames, `history[TradeBar]` for bars."""

    def __init__(self, algorithm: "QCAlgorithm") -> None:
        self._algorithm, self._run = algorithm, algorithm._run
        self._files: dict[Symbol, Files] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """history([kind, ]tickers, periods | span | start, end[, resolution, …]) → DataFrame; neither given → slices."""
        given = list(arguments)
        kind = _kind(given.pop(0)) if given and isinstance(given[0], type) else None
        tickers = named.pop("tickers", named.pop("symbol", named.pop("symbols", None)))
        if tickers is None and given and not isinstance(given[0], int | timedelta | date):
            tickers = given.pop(0)
        try:
            if tickers is None and kind is None and given and isinstance(given[0], date):
                raise NoMatch("history of no stocks between two moments")
            requests = self._requests(kind, self._chosen(tickers), given, named)
        except NoMatch:
            raise no_overload("history", arguments) from None
        return self._slices(requests) if tickers is None and kind is None else self._frame(requests)

    def __getitem__(self, kind: type) -> Callable[..., Any]:
        """history[TradeBar](symbol, …) → bars; of several symbols → dictionaries of bars. So too quotes, dividends, splits."""
        kind = _kind(kind)

        def typed(tickers: Any, *arguments: Any, **named: Any) -> Enumerable:
            given = list(arguments)
            if isinstance(tickers, timedelta):
                tickers, given = None, [tickers, *given]
            requests = self._requests(kind, self._chosen(tickers), given, named)
            if tickers is None or isinstance(tickers, list | tuple):
                return memoizing(f"{kind.__name__}s")([arrived.get(kind) for arrived in self._slices(requests)])
            return memoizing(kind.__name__)([item for request in requests for item in self._answer(request).items()])

        return typed

    def last_bar(self, security: Security) -> TradeBar | None:
        """The newest daily bar that has ended by now; None where there is none. Raises NotSupported for a stock with minutes."""
        if security.resolution is not Resolution.DAILY:
            raise NotSupported(f"get_last_known_price of {security.resolution} data")
        past = self._of(security).past(_known(security.mode))
        days = past.columns.bars.days
        today = self._run.local.date()
        until = today if self._run.hours.is_session(today) and self._run.hours.close_of(today) <= self._run.local else today - DAY
        place = int(np.searchsorted(days, np.datetime64(until), side="right")) - 1
        if place < 0:
            return None
        day: date = days[place].item()
        return past.bar(security.symbol, Row(place, day, filled=False),
                        self._run.hours.open_of(day), self._run.hours.close_of(day))

    # What was asked for.

    def _chosen(self, tickers: Any) -> list[Security]:
        """The stocks of a symbol, a ticker or several; all for None."""
        if tickers is None:
            return list(self._run.securities)
        if isinstance(tickers, int | date):
            raise NoMatch(f"history of {tickers!r}")
        items: Iterable[Any] = [tickers] if isinstance(tickers, str | Symbol | Equity) else tickers
        return [self._algorithm._security(item) for item in items]

    def _requests(self, kind: type | None, chosen: list[Security], given: list[Any], named: dict[str, Any]) -> list[Request]:
        """One for each stock and kind, from the arguments after the symbols: a number of bars, a span, or a start and an end."""
        now, begin = self._run.local, given.pop(0) if given else None
        for name in ("periods", "span", "start"):
            begin = named.pop(name, begin)
        end = now
        if isinstance(begin, date):
            if not given and "end" not in named:
                raise NoMatch("history without an end")
            end = _moment(named.pop("end") if "end" in named else given.pop(0))
            if end > now:
                end = now
                self._run.log.debug(FUTURE, now)
        if isinstance(begin, bool) or not isinstance(begin, int | timedelta | date):
            raise NoMatch(f"history from {begin!r}")
        options = dict(zip(OPTIONS, given, strict=False)) | named
        if options.keys() - set(OPTIONS) or len(given) > len(OPTIONS):
            raise NoMatch(f"history with {sorted(options)}")
        if options.get("extended_market_hours") or options.get("data_mapping_mode") is not None or options.get("flatten"):
            raise NotSupported("history of extended market hours, with a mapping of its own, or flattened")
        requests = []
        for security in chosen:
            daily = _is_daily(security, options.get("resolution"))
            for part in _parts(kind, daily=daily):
                if isinstance(begin, int):
                    start = self._start_of(begin, daily=daily, strict=part in (TradeBar, QuoteBar))
                else:
                    start = now - begin if isinstance(begin, timedelta) else _moment(begin)
                mode = options.get("data_normalization_mode")
                if mode is None:    # where a stock has daily bars only, Lean adds quotes to the request, but adjusted ones
                    made_up = kind is None and part is QuoteBar and security.resolution is Resolution.DAILY
                    mode = DataNormalizationMode.ADJUSTED if made_up else security.mode
                filling = security.fill_forward if options.get("fill_forward") is None else bool(options["fill_forward"])
                requests.append(Request(security, part, daily, start, end, filling, mode))
        return requests

    def _start_of(self, bars: int, *, daily: bool, strict: bool) -> datetime:
        """The moment that has so many sessions or minutes of regular hours between it and now.

        Sessions are walked back by whole days; a session that is over counts for bars (`strict`), not for events.
        """
        if bars <= 0:
            raise ArgumentException(f"history of {bars} bars")
        hours, now = self._run.hours, self._run.local
        today = now.date()
        if not daily:
            passed = max(0, (min(now, hours.close_of(today)) - hours.open_of(today)) // MINUTE) if hours.is_session(today) else 0
            if passed >= bars:
                return hours.open_of(today) + (passed - bars) * MINUTE
            return hours.bars_back(today, bars - passed, minutes=True)
        if not strict or not hours.is_session(today) or hours.close_of(today) > now:
            now = midnight(today)
        while bars:
            before = now
            now -= DAY
            if any(hours.is_session(day) and hours.open_of(day) < before and hours.close_of(day) > now
                   for day in (now.date(), before.date())):
                bars -= 1
        return now

    # What there is.

    def _answer(self, request: Request) -> Answer:
        files = self._of(request.security)
        if request.kind in (Dividend, Split):
            return files.events(request.kind, request.start, request.end)
        read = files.daily if request.daily else files.quotes if request.kind is QuoteBar else files.trades
        return read(request.start, request.end, _known(request.mode), fill_forward=request.fill_forward)

    def _frame(self, requests: list[Request]) -> Any:
        """One row a stock and moment; quotes and bars of the same moment share it, and the bar's prices are shown."""
        import pandas as pd

        map_tickers(self._algorithm)
        by_symbol: dict[Symbol, list[Answer]] = {}
        for answer in sorted(filter(lambda answer: answer.ends, map(self._answer, requests)), key=lambda answer: answer.ends[0]):
            by_symbol.setdefault(answer.symbol, []).append(answer)
        frames = []
        for answers in by_symbol.values():
            times, columns = _together(answers)
            shown = {name: values for name, values in columns.items() if any(value and value == value for value in values)}
            frames.append(pd.DataFrame(shown, index=pd.DatetimeIndex(times, name="time")))
        if not frames:
            return pd.DataFrame()
        return pd.concat(frames, keys=list(by_symbol), names=["symbol", "time"], sort=True)

    def _slices(self, requests: list[Request]) -> Enumerable:
        """One slice a moment, of what there is."""
        arrived: dict[datetime, dict[type, dict[Symbol, Any]]] = {}
        for request in requests:
            answer = self._answer(request)
            for end, item in zip(answer.ends, answer.items(), strict=True):
                arrived.setdefault(end, {}).setdefault(request.kind, {})[answer.symbol] = item
        slices = []
        for end, parts in sorted(arrived.items()):
            bars, quotes = parts.get(TradeBar, {}), parts.get(QuoteBar, {})
            slices.append(Slice(utc_of(end), end, TradeBars(len(bars), functools.partial(dict, bars)),
                                quotes=functools.partial(dict, quotes), dividends=parts.get(Dividend, {}),
                                splits=parts.get(Split, {})))
        return memoizing("Slice")(slices)

    def _of(self, security: Security) -> Files:
        if security.symbol not in self._files:
            self._files[security.symbol] = Files(self._run.feed.folder, self._run.hours, security.symbol)
        return self._files[security.symbol]


def _kind(kind: type) -> type:
    """A kind of data that history has."""
    for known in (TradeBar, QuoteBar, Dividend, Split):
        if issubclass(kind, known):
            return known
    raise NotSupported(f"history of {getattr(kind, '__name__', kind)}")


def _known(mode: DataNormalizationMode) -> DataNormalizationMode:
    if mode not in MODES:
        raise NotSupported(f"history normalized as {mode}")
    return mode


def _is_daily(security: Security, resolution: Any) -> bool:
    """Whether daily bars are asked for and not minutes, where nothing is said by the stock's own resolution."""
    if resolution is not None and not isinstance(resolution, Resolution):
        raise NoMatch(f"{resolution!r} is not a resolution")
    asked = security.resolution if resolution is None else resolution
    if asked not in (Resolution.DAILY, Resolution.MINUTE):
        raise NotSupported(f"history of {asked} data")
    return asked is Resolution.DAILY


def _parts(kind: type | None, *, daily: bool) -> tuple[type, ...]:
    """The kinds of data that answer a request: of minutes, where nothing is said, quotes and bars."""
    if daily and kind is QuoteBar:
        raise NotSupported("daily history of QuoteBar")
    if kind is None:
        return (TradeBar,) if daily else (QuoteBar, TradeBar)
    return (kind,)


def _together(answers: list[Answer]) -> tuple[list[datetime], dict[str, list[Any]]]:
    """The columns of one stock's answers beside all their moments; a bar's prices stand over a quote's."""
    if len(answers) == 1:
        return answers[0].ends, answers[0].columns()
    cells: dict[str, dict[datetime, Any]] = {}
    for answer in sorted(answers, key=lambda answer: "volume" in answer.columns()):
        for name, values in answer.columns().items():
            cells.setdefault(name, {}).update(zip(answer.ends, values, strict=True))
    times = sorted({end for answer in answers for end in answer.ends})
    return times, {name: [found.get(end, math.nan) for end in times] for name, found in cells.items()}


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
