"""The data folder as a run sees it: sessions on a tape, and the corporate events between them.

Daily bars of the whole run are columns beside the run's sessions; minute bars are read a session at a time. A step is a
session's close, with minute data each of its minutes. Corporate events have their own moments at 00:00, as Lean's slices do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from heapq import merge
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.clock import Hours, midnight, utc_of
from workbench.engines.embedded.columns import Day, factor_on, normalized, with_dividends
from workbench.engines.embedded.enums import DataNormalizationMode, DelistingType, SplitType
from workbench.engines.embedded.security import MINUTE, DailySecurity, MinuteSecurity, Security, Tape
from workbench.engines.embedded.slices import Symbol
from workbench.market.bars import Bars, Days, Minutes, daily_path, empty, join, read_daily, read_minute
from workbench.market.corporate import FactorFile, MapFile, distribution, read_factors, read_map
from workbench.words.instrument import security_identifier

FAR = date(2050, 12, 31)


@dataclass(frozen=True, slots=True)
class Actions:
    """What happens to stocks at one 00:00."""

    dividends: list[tuple[Security, Decimal, Decimal]] = field(default_factory=list)            # a share, reference price
    splits: list[tuple[Security, Decimal, Decimal, SplitType]] = field(default_factory=list)    # factor, reference price
    renames: list[tuple[Security, str, str]] = field(default_factory=list)                      # old and new ticker
    delistings: list[tuple[Security, DelistingType]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """One moment of the run with data: a minute or the close of a session, or a 00:00 with corporate events.

    `place` is the session's on the tape (None at 00:00), `minute` how many of its minutes have passed, `closes` whether it is
    its close, when daily bars arrive.
    """

    utc: int
    local: datetime
    actions: Actions | None = None
    place: int | None = None
    minute: int = 0
    closes: bool = False


class Feed:
    """Reads the subscribed stocks and gives the run's moments in order."""

    def __init__(self, folder: Path, hours: Hours, note_request: Callable[[str, bool], None]) -> None:
        self.folder, self.hours, self.note_request = folder, hours, note_request
        self._mappings: dict[str, MapFile] = {}             # by ticker
        self.map_files: dict[int, MapFile] = {}
        self.factor_files: dict[int, FactorFile] = {}
        self._fill_forward_counts = np.empty(0, dtype=np.int64)
        self._paid: dict[int, list[tuple[date, Decimal]]] = {}      # total return: each stock's dividends in the run
        self._rows: dict[bytes, tuple[NDArray[np.int32], list[int]]] = {}   # most stocks have a bar at the same sessions

    def resolve(self, ticker: str) -> Symbol:
        """The symbol that a ticker means today: its map file gives the identifier, and without one it has no date."""
        mapping = self._mapping(ticker)
        return Symbol(ticker.upper(), security_identifier(mapping.first_ticker, mapping.first_date))

    def load(self, security: Security, sessions: list[date], days: Days) -> None:
        """Put a stock's bars beside the run's sessions; `days` are the sessions as an array."""
        ticker = str(security.symbol)
        mapping = self.map_files[security.index] = self._mapping(ticker)
        factors = self.factor_files[security.index] = read_factors(self._auxiliary("factor_files", ticker))
        security.last_day = mapping.delisting_date
        if security.mode is DataNormalizationMode.TOTAL_RETURN:
            self._paid[security.index] = _dividends(factors, sessions)
        if isinstance(security, DailySecurity):
            bars = self._bars(mapping, sessions)
            columns = normalized(bars, factors, security.mode)
            if security.index in self._paid:
                columns = with_dividends(columns, self._paid[security.index])
            security.load(columns, *self._beside(bars, days))

    def _beside(self, bars: Bars, days: Days) -> tuple[NDArray[np.int32], list[int]]:
        """For each session the newest bar of the run up to it; one array and one list for all stocks with bars on the same days."""
        key = bars.days.tobytes()
        if key not in self._rows:
            rows = _beside(bars, days)
            self._rows[key] = rows, rows.tolist()
        return self._rows[key]

    def steps(self, securities: list[Security], sessions: list[date], begin: datetime) -> Iterator[Step]:
        """Every moment with data after the beginning (New York time), in order."""
        daily = [security for security in securities if isinstance(security, DailySecurity)]
        minutely = [security for security in securities if isinstance(security, MinuteSecurity)]
        self._fill_forward_counts = _bars_by_session(daily, sessions)
        actions = self._actions(securities, sessions)
        days = self._minutes(minutely, sessions, begin) if minutely else self._closes(sessions)
        events = (Step(utc_of(midnight(day)), midnight(day), actions[day]) for day in actions)
        return merge(events, days, key=lambda step: step.utc)

    def bars_at(self, step: Step) -> int | None:
        """How many bars, real or filled forward, a daily slice holds; None with minute data, where they are counted when asked."""
        return None if not step.closes or step.minute else int(self._fill_forward_counts[step.place])

    def _closes(self, sessions: list[date]) -> Iterator[Step]:
        """The closes that have a bar, real or filled forward."""
        for place in np.flatnonzero(self._fill_forward_counts).tolist():
            close = self.hours.close_of(sessions[place])
            yield Step(utc_of(close), close, place=place, closes=True)

    def _minutes(self, securities: list[MinuteSecurity], sessions: list[date], begin: datetime) -> Iterator[Step]:
        """Every minute from the first bar of the run on: what has no bar of its own is filled forward.

        Stocks that are not filled forward make a minute only with a bar of their own.
        """
        begun = False
        for place, day in enumerate(sessions):
            opens, closes = self.hours.open_of(day), self.hours.close_of(day)
            length = (closes - opens) // MINUTE
            first = 0 if begun else length
            ended: set[int] = {length} if self._fill_forward_counts[place] else set()      # minutes that have a bar
            for security in securities:
                bars = self._day(security, day, opens, length, max(0, -((opens - begin) // MINUTE)))
                security.begin(bars)
                if security.fill_forward:
                    first = min(first, bars.first_minute)
                else:
                    ended.update(bars.ended)
            begun = begun or first < length or bool(self._fill_forward_counts[place])
            utc = utc_of(opens)
            for minute in sorted(ended.union(range(first + 1, length + 1))):
                yield Step(utc + 60 * minute, opens + minute * MINUTE, place=place, minute=minute, closes=minute == length)

    def _day(self, security: MinuteSecurity, day: date, opens: datetime, length: int, skipped: int) -> Day:
        """One session's minutes of a stock, from the files of the ticker it then traded under."""
        ticker = self.map_files[security.index].ticker_on(day)
        found = Minutes(None, None)
        if ticker is not None and security.lives(day):
            found = read_minute(self.folder, ticker, day)
            for kind, part in (("trade", found.trades), ("quote", found.quotes)):
                name = f"/equity/usa/minute/{ticker.lower()}/{day:%Y%m%d}_{kind}.zip"
                self.note_request(name, part is not None)
        factor = factor_on(day, self.factor_files[security.index], security.mode)
        paid = sum((per_share for ex_date, per_share in self._paid.get(security.index, []) if ex_date <= day), Decimal(0))
        return Day(opens, length, found, factor, paid, skipped)

    def tape(self, sessions: list[date]) -> Tape:
        """The tape over the run's sessions."""
        return Tape([self.hours.open_of(day) for day in sessions], [self.hours.close_of(day) for day in sessions])

    def _mapping(self, ticker: str) -> MapFile:
        known = self._mappings.get(ticker)
        if known is None:
            known = self._mappings[ticker] = read_map(self._auxiliary("map_files", ticker))
        return known

    def _auxiliary(self, kind: str, ticker: str) -> Path:
        return self.folder / "equity" / "usa" / kind / f"{ticker.lower()}.csv"

    def _bars(self, mapping: MapFile, sessions: list[date]) -> Bars:
        """A stock's daily bars: each span of dates in the run from the file of the ticker it then traded under."""
        return join([self._read(ticker).between(first, last) for ticker, first, last in mapping.spans()
                     if sessions and (first is None or first <= sessions[-1]) and (last is None or last >= sessions[0])])

    def _read(self, ticker: str) -> Bars:
        path = daily_path(self.folder, ticker)
        found = path.exists()
        self.note_request(f"/{path.relative_to(self.folder).as_posix()}", found)
        return read_daily(path) if found else empty()

    def _actions(self, securities: list[Security], sessions: list[date]) -> dict[date, Actions]:
        """Dividends, splits, renames and delistings by the date at whose 00:00 they arrive."""
        found: dict[date, Actions] = {}
        if not sessions:
            return found
        place_of = {day: place for place, day in enumerate(sessions)}

        def following(day: date) -> date | None:
            """The session after a session of the run: a row on any other date gives no event."""
            place = place_of.get(day)
            return sessions[place + 1] if place is not None and place + 1 < len(sessions) else None

        def at(day: date) -> Actions:
            return found.setdefault(day, Actions())

        for security in securities:
            last = security.last_day or FAR
            self._factor_actions(security, last, following, place_of, at)
            self._map_actions(security, last, following, at, sessions[0], sessions[-1])
        return dict(sorted(found.items()))

    def _factor_actions(self, security: Security, last: date, following: Callable[[date], date | None],
                        place_of: dict[date, int], at: Callable[[date], Actions]) -> None:
        factors = self.factor_files[security.index]
        for row, after in pairwise(factors.rows):
            ex_date = following(row.date)
            if row.date > last:
                continue
            price_ratio = row.price_factor / after.price_factor
            if price_ratio != 1 and ex_date is not None:
                per_share = distribution(row.reference_price, price_ratio)
                at(ex_date).dividends.append((security, per_share, row.reference_price))
            if row.split_factor != after.split_factor:
                factor = row.split_factor / after.split_factor
                if row.date in place_of:
                    at(row.date).splits.append((security, factor, row.reference_price, SplitType.WARNING))
                if ex_date is not None:
                    at(ex_date).splits.append((security, factor, row.reference_price, SplitType.SPLIT_OCCURRED))

    def _map_actions(self, security: Security, last: date, following: Callable[[date], date | None],
                     at: Callable[[date], Actions], begin: date, end: date) -> None:
        mapping = self.map_files[security.index]
        for row, after in pairwise(mapping.rows[1:]):
            changed = following(row.date)
            if changed is not None and row.ticker != after.ticker:
                at(changed).renames.append((security, row.ticker.upper(), after.ticker.upper()))
        if security.last_day is not None and begin <= security.last_day <= end:
            at(last).delistings.append((security, DelistingType.WARNING))
            if last + timedelta(days=1) <= end:
                at(last + timedelta(days=1)).delistings.append((security, DelistingType.DELISTED))


def _bars_by_session(securities: list[DailySecurity], sessions: list[date]) -> NDArray[np.int64]:
    """How many daily bars, real or filled forward, there are at each session's close."""
    counts = np.zeros(len(sessions), dtype=np.int64)
    days = np.array(sessions, dtype="datetime64[D]")
    for security in securities:
        alive = security.rows >= 0
        if not security.fill_forward:
            alive &= np.diff(security.rows, prepend=-1) != 0
        if security.last_day is not None:
            alive &= days <= np.datetime64(security.last_day)
        counts += alive
    return counts


def _dividends(factors: FactorFile, sessions: list[date]) -> list[tuple[date, Decimal]]:
    """The dividends that fall in a run: ex-date and dollars a share."""
    following = dict(pairwise(sessions))
    return [(following[row.date], distribution(row.reference_price, row.price_factor / after.price_factor))
            for row, after in pairwise(factors.rows)
            if row.price_factor != after.price_factor and row.date in following]


def _beside(bars: Bars, days: Days) -> NDArray[np.int32]:
    """For each session the newest bar of the run up to it, -1 where there is none."""
    if not len(days) or not len(bars):
        return np.full(len(days), -1, dtype=np.int32)
    newest = np.searchsorted(bars.days, days, side="right") - 1
    newest[newest < np.searchsorted(bars.days, days[0], side="left")] = -1      # the run begins without a past
    real = np.zeros(len(days), dtype=bool)
    real[newest >= 0] = bars.days[newest[newest >= 0]] == days[newest >= 0]
    rows = np.where(real, newest, -1)
    rows = np.maximum.accumulate(rows)
    return rows.astype(np.int32)
