"""A person's own daily bars, from CSV or Parquet, into a Lean data folder: checked as a whole, then written as a whole.

A source is one file with a symbol column, one file named after its symbol, or a folder of such files. Columns, by these
names in any case (another name is told by `columns`):

    date       YYYY-MM-DD, a session of the exchange; per symbol ascending, each once
    open, high, low, close     US dollars as traded that day, not adjusted for anything, at most 4 decimals
    volume     shares as traded
    symbol     US ticker; without it the file's name
    dividend   optional: US dollars per share, on the ex-date, before that day's split
    split      optional: new shares for one old, on the first day traded so: 2, 0.125 or 2:1; 0, 1 or empty is none
    adj_close  optional: adjusted close; read for splits and dividends where neither of their columns is there
    currency   optional: must be USD

Other columns are not read; one whose name is nearly one of these is refused, since it was meant.
"""

import difflib
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, UnknownName
from workbench.market.adjustment import LEAST_SPLIT, Change, factor_file, from_adjusted
from workbench.market.bars import EQUITY, SCALE, Bars, daily_path, read_daily, write_daily
from workbench.market.calendar import DATABASE, Calendar, read_calendar, write_market_hours
from workbench.market.corporate import FOREVER, MapFile, MapRow, read_factors, read_map
from workbench.market.sample import write_databases
from workbench.words import instrument

if TYPE_CHECKING:
    import pandas as pd

PRICES = ("open", "high", "low", "close")
REQUIRED = ("date", *PRICES, "volume")
ALIASES: Mapping[str, tuple[str, ...]] = {
    "date": ("day",), "symbol": ("ticker",), "adj_close": ("adjusted_close", "adjclose"), "currency": (),
    "dividend": ("dividends", "ex_dividend"), "split": ("splits", "stock_splits", "split_ratio"),
    **{name: () for name in (*PRICES, "volume")},
}
KINDS = (".csv", ".parquet")
DAY = re.compile(r"(\d{4}-\d\d-\d\d)([T ]00:00(:00(\.0+)?)?(Z|[+-]\d\d:?\d\d)?)?")
FLOAT32 = 1.2e-7    # what single precision, in which many sources keep prices, may add to a price of at most 4 decimals


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import did for one symbol: `rows` from `first` to `last`, of which `added` are new and `changed` differ now."""

    symbol: str
    rows: int
    first: date
    last: date
    added: int
    changed: int


def import_bars(
    source: Path | str, folder: Path | str, *, columns: Mapping[str, str] | None = None, exchange: str = "", sort: bool = False
) -> tuple[Imported, ...]:
    """Read daily bars of one or many symbols and write them as a Lean data folder, with any database it lacks.

    `columns` gives, for a name above, the name in the file; `exchange` is the letter of the map files, such as Q for Nasdaq
    or N for New York; `sort` puts rows in order that are not. Raises `BadInput` naming file, row, column and remedy;
    nothing is written then. A symbol already in the folder is replaced by a source that has its every day; asking twice
    changes nothing.
    """
    if exchange and not re.fullmatch("[A-Z]", exchange):
        raise BadInput(f"exchange {exchange!r} is not a letter", remedy="Q is Nasdaq, N New York, P Arca; or leave it out")
    target = Path(folder).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.import-") as name:
        staged = Path(name)
        calendar = _databases(target, staged)
        done: dict[str, Imported] = {}
        for path in _files(Path(source)):
            for symbol, rows in _Table.read(path, columns or {}).by_symbol():
                if symbol in done:
                    raise BadInput(f"{symbol} is in more than one file", where=str(path), remedy="give each symbol one file")
                done[symbol] = _stage(target, staged, symbol, rows, calendar, exchange, sort)
        _move(staged, target)
    return tuple(done[symbol] for symbol in sorted(done))


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """A file's rows, and where each of our columns is found in it. `frame`'s index is the row number a person sees."""

    path: Path
    frame: "pd.DataFrame"
    names: Mapping[str, str]

    @classmethod
    def read(cls, path: Path, columns: Mapping[str, str]) -> "_Table":
        import pandas as pd

        try:
            if path.suffix.lower() == ".parquet":
                frame = pd.read_parquet(path)
                frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
                frame.index = pd.RangeIndex(1, len(frame) + 1)
            else:
                frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skip_blank_lines=False)
                frame.index = pd.RangeIndex(2, len(frame) + 2)
        except (ValueError, OSError) as error:      # both readers' own errors are among these
            raise BadInput(f"not a {path.suffix[1:]} table ({error})", where=str(path)) from None
        if frame.empty:
            raise BadInput("it has no rows", where=str(path))
        return cls(path, frame, _names(path, [str(name) for name in frame.columns], columns))

    def by_symbol(self) -> list[tuple[str, "_Table"]]:
        """Each symbol's rows. The whole file is checked for what needs no symbol first."""
        for row, value in self.cells("currency"):
            if _cell(value).upper() != "USD":
                raise self.refuse(row, "currency", value, "not USD", "US equities in dollars only: leave these rows out")
        if "symbol" not in self.names:
            return [(instrument.symbol(self.path.stem, where=f"name of {self.path}"), self)]
        given = self.frame[self.names["symbol"]]
        symbols = {_cell(value): instrument.symbol(_cell(value), where=self.place(row, "symbol"))
                   for row, value in given.drop_duplicates().items()}
        by_symbol = self.frame.groupby(given.map(_cell).map(symbols))
        return [(str(symbol), _Table(self.path, rows, self.names)) for symbol, rows in by_symbol]

    def cells(self, name: str) -> list[tuple[Any, Any]]:
        """(row, value) of one of our columns; none where the file lacks it."""
        return list(self.frame[self.names[name]].items()) if name in self.names else []

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as floats; `BadInput` for a cell that is not a finite number."""
        import pandas as pd

        cells = self.frame[self.names[name]]
        values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
        self.require(np.isfinite(values), name, "not a number", "write a plain number, without separators or units")
        return values

    def require(self, good: NDArray[np.bool_], name: str, problem: str, remedy: str) -> None:
        """Refuse the first row that is not good."""
        if not good.all():
            at = int(np.argmin(good))
            raise self.refuse(self.frame.index[at], name, self.frame[self.names[name]].iloc[at], problem, remedy)

    def refuse(self, row: Any, name: str, value: Any, problem: str, remedy: str) -> BadInput:
        """The error for one cell."""
        return BadInput(f"{str(value)!r} is {problem}", where=self.place(row, name), remedy=remedy)

    def place(self, row: Any, name: str) -> str:
        """Where a cell is, in a person's words."""
        return f"{self.path} row {row} column '{self.names[name]}'"


def _files(source: Path) -> list[Path]:
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in KINDS) if source.is_dir() else [source]
    if not found:
        raise BadInput("no .csv or .parquet file in it", where=str(source))
    for path in found:
        if not path.is_file():
            raise BadInput("no such file", where=str(path))
        if path.suffix.lower() not in KINDS:
            raise BadInput("neither .csv nor .parquet", where=str(path), remedy="convert it to one of them")
    return found


def _names(path: Path, theirs: Sequence[str], columns: Mapping[str, str]) -> dict[str, str]:
    """Our column name → the file's. Raises for a required one that is missing and for one that is nearly ours."""
    for ours in columns:
        if ours not in ALIASES:
            raise UnknownName("column", ours, ALIASES, where="columns")
    found: dict[str, str] = {}
    for name in theirs:
        plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
        meant = next((ours for ours, others in ALIASES.items() if plain == ours or plain in others), None)
        if meant is not None and meant not in columns:
            if meant in found:
                raise BadInput(f"columns '{found[meant]}' and '{name}' are both the {meant}", where=str(path),
                               remedy=f"say which with columns={{'{meant}': …}}")
            found[meant] = name
        elif meant is None and name not in columns.values() and (near := difflib.get_close_matches(plain, ALIASES, 1, 0.85)):
            raise UnknownName("column", name, near, where=str(path))
    for ours, name in columns.items():
        if name not in theirs:
            raise UnknownName("column", name, theirs, where=str(path))
        found[ours] = name
    for ours in REQUIRED:
        if ours not in found:
            raise BadInput(f"it has no column '{ours}'", where=str(path),
                           remedy=f"its columns are {', '.join(theirs)}; say which with columns={{'{ours}': …}}")
    return found


def _databases(target: Path, staged: Path) -> Calendar:
    """The folder's calendar. Databases it lacks are staged, to be moved with the rest."""
    if not (target / DATABASE).is_file():
        write_market_hours(staged)
        write_databases(staged)
        return read_calendar(staged)
    return read_calendar(target)


def _stage(
    target: Path, staged: Path, symbol: str, rows: _Table, calendar: Calendar, exchange: str, sort: bool
) -> Imported:
    """Check one symbol's rows, and write its three files to the staging folder."""
    rows = _in_order(rows, symbol, sort)
    bars = _bars(rows, calendar)
    changes = _changes(rows, bars)
    ticker, first = symbol.lower(), bars.days[0].item()
    known = _map_file(target, symbol, first, exchange, where=str(rows.path))
    factors = factor_file(ticker, bars, changes, calendar)
    old = read_factors(target / EQUITY / "factor_files" / f"{ticker}.csv")
    if not {"split", "dividend", "adj_close"} & rows.names.keys() and old.actions(calendar):
        raise BadInput(f"the folder knows splits or dividends of {symbol}, and this file has no column for them",
                       where=str(rows.path), remedy="add the columns 'split' and 'dividend'")
    done = _compare(target, symbol, bars, where=str(rows.path))
    write_daily(daily_path(staged, ticker), ticker, bars)
    for kind, text in (("map_files", known.text()), ("factor_files", factors.text())):
        path = staged / EQUITY / kind / f"{ticker}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return done


def _in_order(rows: _Table, symbol: str, sort: bool) -> _Table:
    """The rows with real dates in column 'date', ascending."""
    days = np.array([_day(rows, row, value) for row, value in rows.cells("date")], "datetime64[D]")
    frame = rows.frame.assign(**{rows.names["date"]: days})
    if sort:
        frame = frame.iloc[np.argsort(days, kind="stable")]
    table = _Table(rows.path, frame, rows.names)
    days = frame[rows.names["date"]].to_numpy("datetime64[D]")
    step = np.append(1, np.diff(days).astype(np.int64))
    table.require(step != 0, "date", f"twice there for {symbol}", "keep one row a day")
    table.require(step > 0, "date", "earlier than the row before it", "sort the rows, or ask for it with `--sort`")
    return table


def _day(rows: _Table, row: Any, value: Any) -> date:
    match = DAY.fullmatch(str(value).strip())
    try:
        if match is None:
            raise ValueError(value)
        return date.fromisoformat(match[1])
    except ValueError:
        raise rows.refuse(row, "date", value, "not a date", "write it as YYYY-MM-DD; bars are daily") from None


def _bars(rows: _Table, calendar: Calendar) -> Bars:
    """One symbol's bars. Raises `BadInput` for a row that Lean could not trade on."""
    days = rows.frame[rows.names["date"]].to_numpy("datetime64[D]")
    _refuse_non_sessions(rows, days, calendar)
    prices = {name: _prices(rows, name) for name in PRICES}
    rows.require(prices["high"] >= prices["low"], "high", "below the low of that row", "correct the bar, or leave it out")
    volume = rows.numbers("volume")
    rows.require((volume >= 0) & (volume == np.rint(volume)) & (volume < 1e15), "volume", "not a number of shares",
                 "write whole shares as traded")
    return Bars(days=days, volume=volume.astype(np.int64), **prices)


def _refuse_non_sessions(rows: _Table, days: NDArray[np.datetime64], calendar: Calendar) -> None:
    first, last = np.datetime64(calendar.first), np.datetime64(calendar.last)
    rows.require((days >= first) & (days <= last), "date", f"outside the market-hours database ({first} to {last})",
                 "leave the row out, or write a database that covers it")
    sessions = np.array(calendar.sessions(days[0].item(), days[-1].item()), "datetime64[D]")
    rows.require(np.isin(days, sessions), "date", "not a session: the exchange was closed", "leave the row out")


def _prices(rows: _Table, name: str) -> NDArray[np.int64]:
    """A price column in ten-thousandths of a dollar."""
    values = rows.numbers(name)
    rows.require((values > 0) & (values < 1e10), name, "not a price above zero", "leave the row out, or correct the price")
    scaled = np.rint(values * SCALE)
    exact = np.abs(values - scaled / SCALE) <= FLOAT32 * values
    rows.require(exact & (scaled > 0), name, "finer than 0.0001, which Lean's files can't hold",
                 "give prices as traded; adjusted ones belong into 'adj_close'")
    return scaled.astype(np.int64)


def _changes(rows: _Table, bars: Bars) -> tuple[Change, ...]:
    """Splits and dividends, from their own columns where there is one, else from adjusted closes."""
    if {"split", "dividend"} & rows.names.keys():
        splits = [_split(rows, row, value) for row, value in rows.cells("split")] or [Fraction(1)] * len(bars)
        cash = [_dividend(rows, row, value) for row, value in rows.cells("dividend")] or [Decimal(0)] * len(bars)
        _refuse_adjusted(rows, bars, splits)
        return tuple(Change(ex_date=day.item(), split=split, dividend=paid)
                     for day, split, paid in zip(bars.days, splits, cash, strict=True) if split != 1 or paid)
    if "adj_close" not in rows.names:
        return ()
    adjusted = rows.numbers("adj_close")
    rows.require(adjusted > 0, "adj_close", "not a price above zero", "correct it, or leave the column out")
    decimals = max(len(str(value).strip().partition(".")[2]) for _, value in rows.cells("adj_close"))
    return from_adjusted(bars, adjusted.tolist(), decimals=decimals, where=f"{rows.path} column '{rows.names['adj_close']}'")


def _split(rows: _Table, row: Any, value: Any) -> Fraction:
    """New shares for an old one."""
    new, _, old = _cell(value).replace(":", "/").partition("/")
    try:
        ratio = Fraction(new or "0") / Fraction(old or "1")
    except (ValueError, ZeroDivisionError):
        ratio = Fraction(-1)
    if ratio < 0:
        raise rows.refuse(row, "split", value, "not a split", "write the new shares for one old, such as 2, 0.125 or 2:1")
    return ratio.limit_denominator(1000) if ratio else Fraction(1)


def _dividend(rows: _Table, row: Any, value: Any) -> Decimal:
    try:
        paid = Decimal(_cell(value) or "0")
        if not 0 <= paid < Decimal("Infinity"):
            raise InvalidOperation
    except InvalidOperation:
        raise rows.refuse(row, "dividend", value, "not a dividend", "write dollars per share; 0 or nothing for none") from None
    return paid


def _cell(value: Any) -> str:
    """A cell's text; empty for what tables write for nothing."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in ("nan", "none", "<na>", "nat") else text


def _refuse_adjusted(rows: _Table, bars: Bars, splits: Sequence[Fraction]) -> None:
    """A split that the prices don't show was already taken out of them: such prices were never traded at."""
    for at, split in enumerate(splits):
        if max(split, 1 / split) < LEAST_SPLIT or at == 0:
            continue
        gap = np.log(bars.open[at] / bars.close[at - 1])
        if abs(gap + np.log(float(split))) >= abs(gap):
            raise rows.refuse(rows.frame.index[at], "split", rows.frame[rows.names["split"]].iloc[at],
                              f"a split which the prices don't show: close {bars.close[at - 1] / SCALE:g}, then open "
                              f"{bars.open[at] / SCALE:g}", "give prices as traded, not adjusted, or leave the split out")


def _map_file(target: Path, symbol: str, first: date, exchange: str, where: str) -> MapFile:
    """The symbol's map file: listed since its first bar, and still. Raises where the folder tells another story of it."""
    ticker, folder = symbol.lower(), target / EQUITY / "map_files"
    old = read_map(folder / f"{ticker}.csv")
    for path in sorted(folder.glob("*.csv")):
        known = read_map(path)
        tickers = {row.ticker.lower() for row in known.rows}
        if ticker in tickers and (path.stem != ticker or len(tickers) > 1 or known.delisting_date is not None):
            raise BadInput(f"{symbol} has a history in {path} (renamed, reused or delisted) that this file does not tell",
                           where=where, remedy="import into a new folder")
    if old.first_date is not None and old.first_date != first:
        raise BadInput(f"{symbol} begins on {first}, and on {old.first_date} in the folder: that date is part of its identity",
                       where=where, remedy="import the history from that date on, or into a new folder")
    letter = exchange or (old.rows[-1].exchange if old.rows else "")
    return MapFile(ticker, tuple(MapRow(day, ticker, letter) for day in (first, FOREVER)))


def _compare(target: Path, symbol: str, bars: Bars, where: str) -> Imported:
    """What importing these bars does. Raises `BadInput` when a day that the folder has would be lost."""
    path = daily_path(target, symbol)
    added, changed = len(bars), 0
    if path.is_file():
        old = read_daily(path)
        at = np.searchsorted(bars.days, old.days)
        lost = ~np.isin(old.days, bars.days)
        if lost.any():
            raise BadInput(f"{symbol} has a bar on {old.days[lost][0]} in the folder and none in this file", where=where,
                           remedy="import the whole history, or into a new folder")
        added = len(bars) - len(old)
        same = [getattr(bars, name)[at] == getattr(old, name) for name in (*PRICES, "volume")]
        changed = int((~np.logical_and.reduce(same)).sum())
    return Imported(symbol=symbol, rows=len(bars), first=bars.days[0].item(), last=bars.days[-1].item(), added=added,
                    changed=changed)


def _move(staged: Path, target: Path) -> None:
    """Put the staged files into the folder, but for those that are there already, byte for byte."""
    for path in sorted(path for path in staged.rglob("*") if path.is_file()):
        final = target / path.relative_to(staged)
        if final.is_file() and final.read_bytes() == path.read_bytes():
            continue
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, final)
