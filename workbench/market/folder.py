"""A Lean data folder as research and decisions see it: instruments resolved by date, raw bars, corporate actions."""

import difflib
import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import numpy as np

from workbench.algorithm.journal import to_json
from workbench.errors import BadInput, MissingPrice, UnknownName
from workbench.market import bars as columns
from workbench.market.bars import EQUITY, SCALE, Bars, Days
from workbench.market.calendar import Calendar, read_calendar
from workbench.market.corporate import ONE_DAY, CorporateAction, FactorFile, MapFile, read_factors, read_map
from workbench.market.view import View
from workbench.words import instrument as words
from workbench.words.identity import canonical
from workbench.words.instrument import Instrument, security_identifier

FINGERPRINT = "fingerprint/1"


class Market:
    """A Lean data folder of US equities. What has been read once is kept for the life of the object.

    Raises `BadInput` for a folder that does not look like one.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not (self.path / EQUITY / "daily").is_dir():
            raise BadInput(f"not a Lean data folder: it has no {EQUITY / 'daily'}", where=str(self.path),
                           remedy="`workbench data sample` makes one, `workbench data import` fills one from your own files")
        self._read: dict[str, Bars] = {}
        self._joined: dict[str, Bars] = {}
        self._factors: dict[str, FactorFile] = {}
        self._actions: dict[str, tuple[CorporateAction, ...]] = {}
        self._told: dict[str, _Told] = {}
        self._named: dict[tuple[str, str], Instrument] = {}

    def __repr__(self) -> str:
        return f"Market({self.path}, {len(self.symbols())} symbols)"

    @cached_property
    def calendar(self) -> Calendar:
        """The exchange's sessions, from the folder's market-hours database."""
        return read_calendar(self.path)

    def symbols(self, on: date | None = None) -> tuple[str, ...]:
        """The tickers for which there are daily bars: those the companies end with or, `on` a date, those listed then."""
        mapped = {known.last_ticker if on is None else known.ticker_on(on) for known in self._with_bars()}
        return tuple(sorted({ticker for ticker in mapped if ticker} | (self._tickers - self._rows.keys())))

    def instruments(self) -> tuple[Instrument, ...]:
        """Every company of which there are bars, once, under its last ticker; two may have had the same."""
        unmapped = [MapFile(name) for name in sorted(self._tickers - self._rows.keys())]
        return tuple(self._instrument(known, known.last_ticker) for known in [*self._with_bars(), *unmapped])

    def universe(self, on: date, symbols: Iterable[str] | None = None) -> tuple[Instrument, ...]:
        """The instruments of these tickers on a date, those not listed yet too; by default of all that are listed then."""
        names = self.symbols(on) if symbols is None else symbols
        return tuple(self._resolve(words.symbol(symbol), on)[0] for symbol in names)

    def instrument(self, symbol: str, on: date) -> Instrument:
        """The company that a ticker means on a date, with the ticker it has on that date.

        A company is also found by the ticker it takes later, and after its delisting by its last. Raises `UnknownName` for
        a ticker that never was one, or that its company has given up by then, and `MissingPrice` before the listing.
        """
        found, listed_from = self._resolve(words.symbol(symbol), on)
        if listed_from is not None and on < listed_from:
            raise MissingPrice(found.symbol, on)
        return found

    def map_file(self, instrument: Instrument) -> MapFile:
        """The instrument's tickers over time. Raises `UnknownName` for an instrument of another folder."""
        found = self._by_id.get(instrument.instrument_id)
        if found is not None:
            return self._maps[found]
        if instrument.instrument_id != security_identifier(instrument.symbol, None):
            raise UnknownName("instrument", instrument.instrument_id, _nearest(instrument.instrument_id, self._by_id),
                              where=str(self.path))
        return MapFile(instrument.symbol)

    def factor_file(self, instrument: Instrument) -> FactorFile:
        """The instrument's factors over time: the file has the name of its map file."""
        name = self.map_file(instrument).name.lower()
        if name not in self._factors:
            self._factors[name] = read_factors(self.path / EQUITY / "factor_files" / f"{name}.csv")
        return self._factors[name]

    def bars(self, instrument: Instrument) -> Bars:
        """All raw daily bars between listing and delisting, each span from the file of the ticker it traded under."""
        key = instrument.instrument_id
        if key not in self._joined:
            spans = self.map_file(instrument).spans()
            self._joined[key] = columns.join([self._daily(ticker).between(first, last) for ticker, first, last in spans])
        return self._joined[key]

    def close(self, instrument: Instrument, day: date) -> Decimal:
        """The raw close on a session, in dollars. Raises `MissingPrice` that says when the last one was."""
        self.calendar.require(day)
        bars = self.bars(instrument)
        row = bars.row(day)
        if row is None:
            earlier = bars.between(None, day)
            raise MissingPrice(instrument.symbol, day, earlier.days[-1].item() if len(earlier) else None)
        return Decimal(int(bars.close[row])) / SCALE

    def actions(self, instrument: Instrument, first: date, last: date) -> tuple[CorporateAction, ...]:
        """Splits and dividends with an ex-date from `first` to `last`, inside the listing span."""
        key = instrument.instrument_id
        if key not in self._actions:
            spans = self.map_file(instrument).spans()
            listed, delisted = spans[0][1] or date.min, spans[-1][2] or date.max
            every = self.factor_file(instrument).actions(self.calendar)
            self._actions[key] = tuple(action for action in every if listed <= action.ex_date <= delisted)
        return tuple(action for action in self._actions[key] if first <= action.ex_date <= last)

    def view(self, instruments: Iterable[Instrument], as_of: date) -> View:
        """What a decision made after the close of session `as_of` may see of these instruments."""
        self.calendar.require(as_of)
        chosen = tuple(instruments)
        return View(
            as_of=as_of, calendar=self.calendar,
            bars={one.symbol: self.bars(one) for one in chosen},
            actions={one.symbol: self.actions(one, date.min, as_of) for one in chosen},
            later={one.last_symbol: one.symbol for one in chosen},
        )

    def fingerprint(self, instruments: Iterable[Instrument], as_of: date) -> str:
        """sha256, in hex, of all that `view` can show of these instruments, in any order.

        Of each: its identity, its decoded raw rows up to `as_of`, and the splits, dividends, renames and delisting in
        force by then. Not the factors themselves: every later dividend rescales those, and later rows change nothing here.
        """
        digest = hashlib.sha256(f"{FINGERPRINT} {as_of}\n".encode())
        for instrument_id, one in sorted({one.instrument_id: one for one in instruments}.items()):
            if instrument_id not in self._told:
                self._told[instrument_id] = self._tell(one)
            for part in self._told[instrument_id].until(as_of):
                digest.update(part)
        return digest.hexdigest()

    def _tell(self, one: Instrument) -> "_Told":
        bars, known = self.bars(one), self.map_file(one)
        tickers = [(first or date.min, canonical([first, ticker])) for ticker, first, _ in known.spans()]
        if known.delisting_date is not None:
            tickers.append((known.delisting_date + ONE_DAY, canonical([known.delisting_date, ""])))
        actions = [(action.ex_date, canonical([action.kind, action.ex_date, action.adjustment]))
                   for action in self.actions(one, date.min, date.max)]
        columns = (bars.days.astype(np.int64), bars.open, bars.high, bars.low, bars.close, bars.volume)
        return _Told(instrument_id=one.instrument_id, days=bars.days, actions=tuple(actions), tickers=tuple(tickers),
                     columns=tuple(np.ascontiguousarray(column, "<i8").data for column in columns))

    @cached_property
    def _tickers(self) -> frozenset[str]:
        """Every ticker with a file of daily bars, upper case."""
        return frozenset(path.stem.upper() for path in (self.path / EQUITY / "daily").glob("*.zip"))

    @cached_property
    def _maps(self) -> dict[str, MapFile]:
        """The map files with rows, by file name."""
        found = (read_map(path) for path in sorted((self.path / EQUITY / "map_files").glob("*.csv")))
        return {known.name: known for known in found if known.rows}

    @cached_property
    def _rows(self) -> dict[str, tuple[list[date], list[str]]]:
        """By ticker: the dates of its map rows, ascending, and the file each is in."""
        rows: dict[str, list[tuple[date, str]]] = {}
        for name, known in self._maps.items():
            for row in known.rows:
                rows.setdefault(row.ticker.upper(), []).append((row.date, name))
        return {ticker: ([day for day, _ in sorted(found)], [name for _, name in sorted(found)]) for ticker, found in rows.items()}

    @cached_property
    def _by_id(self) -> dict[str, str]:
        """By security identifier: the map file."""
        return {security_identifier(known.first_ticker, known.first_date): name for name, known in self._maps.items()}

    def _resolve(self, name: str, on: date) -> tuple[Instrument, date | None]:
        """The company that a ticker means on a date, or next after it, and when it was listed."""
        dates, names = self._rows.get(name, ((), ()))
        if not dates:
            if name not in self._tickers:
                raise UnknownName("symbol", name, _nearest(name, self.symbols()), where=str(self.path))
            return self._instrument(MapFile(name), name), None
        at = min(bisect_left(dates, on), len(dates) - 1)
        known = self._maps[names[at]]
        ticker = known.ticker_on(on) or name
        if on > dates[at] and name != known.last_ticker:
            raise UnknownName("symbol", name, [known.ticker_on(on) or known.last_ticker], where=f"{self.path} on {on}")
        return self._instrument(known, ticker), known.first_date

    def _with_bars(self) -> list[MapFile]:
        return [known for known in self._maps.values() if self._tickers & {row.ticker.upper() for row in known.rows}]

    def _instrument(self, known: MapFile, symbol: str) -> Instrument:
        key = known.name, symbol
        if key not in self._named:
            self._named[key] = Instrument(symbol=symbol, last_symbol=known.last_ticker,
                                          instrument_id=security_identifier(known.first_ticker, known.first_date))
        return self._named[key]

    def _daily(self, ticker: str) -> Bars:
        """A ticker's file of daily bars; a ticker without one traded without our knowing."""
        if ticker not in self._tickers:
            return columns.empty()
        if ticker not in self._read:
            self._read[ticker] = columns.read_daily(columns.daily_path(self.path, ticker))
        return self._read[ticker]


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    """The few known names most like one: a market has thousands, and an error is to be read."""
    return difflib.get_close_matches(name, known, n=5, cutoff=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """All that a fingerprint says of one stock, as text and bytes: what is known by a date is the beginning of each.

    `actions` and `tickers` have the date from which they are known, `columns` 8 bytes for each of `days`.
    """

    instrument_id: str
    days: Days
    actions: tuple[tuple[date, str], ...]
    tickers: tuple[tuple[date, str], ...]
    columns: tuple[memoryview, ...]

    def until(self, as_of: date) -> Iterator[bytes | memoryview]:
        """The parts of it that are known by a date, one after the other."""
        rows = int(self.days.searchsorted(np.datetime64(as_of, "D"), "right"))
        yield (f'{{"actions":[{_first(self.actions, as_of)}],"id":{to_json(self.instrument_id)},"rows":{rows},'
               f'"tickers":[{_first(self.tickers, as_of)}]}}').encode()
        for column in self.columns:
            yield column[:rows]


def _first(dated: tuple[tuple[date, str], ...], as_of: date) -> str:
    return ",".join([text for day, text in dated if day <= as_of])
