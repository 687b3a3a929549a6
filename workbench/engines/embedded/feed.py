"""The data folder as a run sees it: sessions on a tape, and the corporate events between them.

Daily bars of the whole run are columns beside the run's sessions; a step is one session's close. Corporate events have
their own moments at 00:00, as Lean's slices do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.clock import Hours, midnight, utc_of
from workbench.engines.embedded.columns import normalized
from workbench.engines.embedded.enums import DelistingType, SplitType
from workbench.engines.embedded.security import Security, Tape
from workbench.engines.embedded.slices import Symbol
from workbench.market.bars import Bars, Days, daily_path, empty, join, read_daily
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
    """One moment of the run with data: a session's close (`session` is its place on the tape) or a 00:00 with events."""

    utc: int
    local: datetime
    session: int | None
    actions: Actions | None


class Feed:
    """Reads the subscribed stocks and gives the run's moments in order."""

    def __init__(self, folder: Path, hours: Hours, note_request: Callable[[str, bool], None]) -> None:
        self.folder, self.hours, self.note_request = folder, hours, note_request
        self.map_files: dict[int, MapFile] = {}
        self.factor_files: dict[int, FactorFile] = {}
        self.fill_forward_counts = np.empty(0, dtype=np.int64)

    def resolve(self, ticker: str) -> Symbol:
        """The symbol that a ticker means today: its map file gives the identifier, and without one it has no date."""
        mapping = self._mapping(ticker)
        return Symbol(ticker.upper(), security_identifier(mapping.first_ticker, mapping.first_date))

    def load(self, security: Security, sessions: list[date]) -> None:
        """Put a stock's bars beside the run's sessions."""
        ticker = str(security.symbol)
        mapping = self.map_files[security.index] = self._mapping(ticker)
        factors = self.factor_files[security.index] = read_factors(self._auxiliary("factor_files", ticker))
        security.last_day = mapping.delisting_date
        bars = self._bars(mapping)
        security.columns = normalized(bars, factors, security.mode)
        security.rows, security.real = _beside(bars, np.array(sessions, dtype="datetime64[D]"))

    def steps(self, securities: list[Security], sessions: list[date]) -> Iterator[Step]:
        """Every moment with data, in order."""
        self.fill_forward_counts = self._bars_by_session(securities, sessions)
        actions = self._actions(securities, sessions)
        moments: list[tuple[datetime, int | None]] = [(midnight(day), None) for day in actions]
        moments += [(self.hours.close_of(day), place) for place, day in enumerate(sessions) if self.fill_forward_counts[place]]
        for local, place in sorted(moments, key=lambda moment: moment[0]):
            yield Step(utc_of(local), local, place, actions[local.date()] if place is None else None)

    def tape(self, sessions: list[date]) -> Tape:
        """The tape over the run's sessions."""
        return Tape([self.hours.open_of(day) for day in sessions], [self.hours.close_of(day) for day in sessions])

    def _mapping(self, ticker: str) -> MapFile:
        return read_map(self._auxiliary("map_files", ticker))

    def _auxiliary(self, kind: str, ticker: str) -> Path:
        return self.folder / "equity" / "usa" / kind / f"{ticker.lower()}.csv"

    def _bars(self, mapping: MapFile) -> Bars:
        """A stock's daily bars: each span of dates from the file of the ticker it then traded under."""
        return join([self._read(ticker).between(first, last) for ticker, first, last in mapping.spans()])

    def _read(self, ticker: str) -> Bars:
        path = daily_path(self.folder, ticker)
        found = path.exists()
        self.note_request(f"/{path.relative_to(self.folder).as_posix()}", found)
        return read_daily(path) if found else empty()

    def _bars_by_session(self, securities: list[Security], sessions: list[date]) -> NDArray[np.int64]:
        """How many bars, real or filled forward, each session's slice holds."""
        counts = np.zeros(len(sessions), dtype=np.int64)
        days = np.array(sessions, dtype="datetime64[D]")
        for security in securities:
            alive = security.rows >= 0
            if security.last_day is not None:
                alive &= days <= np.datetime64(security.last_day)
            counts += alive
        return counts

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
        for row, after in zip(factors.rows, factors.rows[1:], strict=False):
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
        for row, after in zip(mapping.rows[1:], mapping.rows[2:], strict=False):
            changed = following(row.date)
            if changed is not None and row.ticker != after.ticker:
                at(changed).renames.append((security, row.ticker.upper(), after.ticker.upper()))
        if security.last_day is not None and begin <= security.last_day <= end:
            at(last).delistings.append((security, DelistingType.WARNING))
            if last + timedelta(days=1) <= end:
                at(last + timedelta(days=1)).delistings.append((security, DelistingType.DELISTED))


def _beside(bars: Bars, days: Days) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """For each session the newest bar of the run up to it (-1: none), and whether that bar is the session's own."""
    if not len(days) or not len(bars):
        return np.full(len(days), -1, dtype=np.int32), np.zeros(len(days), dtype=bool)
    newest = np.searchsorted(bars.days, days, side="right") - 1
    newest[newest < np.searchsorted(bars.days, days[0], side="left")] = -1      # the run begins without a past
    real = np.zeros(len(days), dtype=bool)
    real[newest >= 0] = bars.days[newest[newest >= 0]] == days[newest >= 0]
    rows = np.where(real, newest, -1)
    rows = np.maximum.accumulate(rows)
    return rows.astype(np.int32), real
