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

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput
from workbench.market.adjustment import LEAST_SPLIT, Change, factor_file, from_adjusted
from workbench.market.bars import EQUITY, SCALE, Bars, daily_path, read_daily, write_daily
from workbench.market.calendar import DATABASE, Calendar, read_calendar, write_market_hours
from workbench.market.corporate import FOREVER, MapFile, MapRow, read_factors, read_map
from workbench.market.sample import write_databases
from workbench.market.table import KINDS, Table, read_table
from workbench.words import instrument

PRICES = ("open", "high", "low", "close")
REQUIRED = ("date", *PRICES, "volume")
KNOWN: Mapping[str, tuple[str, ...]] = {
    "date": ("day",), "symbol": ("ticker",), "adj_close": ("adjusted_close", "adjclose"), "currency": (),
    "dividend": ("dividends", "ex_dividend"), "split": ("splits", "stock_splits", "split_ratio"),
    **{name: () for name in (*PRICES, "volume")},
}
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
            for symbol, rows in _by_symbol(read_table(path, KNOWN, REQUIRED, columns)):
                if symbol in done:
                    raise BadInput(f"{symbol} is in more than one file", where=str(path), remedy="give each symbol one file")
                done[symbol] = _stage(target, staged, symbol, rows, calendar, exchange, sort)
        _move(staged, target)
    return tuple(done[symbol] for symbol in sorted(done))


def _by_symbol(table: Table) -> list[tuple[str, Table]]:
    """Each symbol's rows, of a file or of the one symbol it is named after. Other currencies are refused."""
    for row, text in table.cells("currency"):
        if text.upper() != "USD":
            raise table.refuse(row, "currency", text, "not USD", "US equities in dollars only: leave these rows out")
    if not table.has("symbol"):
        return [(instrument.symbol(table.path.stem, where=f"name of {table.path}"), table)]
    symbols = [instrument.symbol(text, where=table.place(row, "symbol")) for row, text in table.cells("symbol")]
    return [(str(symbol), table.rows(frame)) for symbol, frame in table.frame.groupby(symbols)]


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(path for path in source.iterdir() if path.suffix.lower() in KINDS)
    if not found:
        raise BadInput("no .csv or .parquet file in it", where=str(source))
    return found


def _databases(target: Path, staged: Path) -> Calendar:
    """The folder's calendar. Databases it lacks are staged, to be moved with the rest; those it has are its own."""
    write_databases(staged)
    if not (target / DATABASE).is_file():
        write_market_hours(staged)
    for path in [path for path in staged.rglob("*") if path.is_file()]:
        if (target / path.relative_to(staged)).is_file():
            path.unlink()
    return read_calendar(target if (target / DATABASE).is_file() else staged)


def _stage(
    target: Path, staged: Path, symbol: str, rows: Table, calendar: Calendar, exchange: str, sort: bool
) -> Imported:
    """Check one symbol's rows, and write its three files to the staging folder."""
    rows, days = _in_order(rows, symbol, sort)
    bars = _bars(rows, days, calendar)
    changes = _changes(rows, bars)
    ticker, first = symbol.lower(), bars.days[0].item()
    known = _map_file(target, symbol, first, exchange, where=str(rows.path))
    factors = factor_file(ticker, bars, changes, calendar)
    old = read_factors(target / EQUITY / "factor_files" / f"{ticker}.csv")
    if not rows.has("split", "dividend", "adj_close") and old.actions(calendar):
        raise BadInput(f"the folder knows splits or dividends of {symbol}, and this file has no column for them",
                       where=str(rows.path), remedy="add the columns 'split' and 'dividend'")
    done = _compare(target, symbol, bars, where=str(rows.path))
    write_daily(daily_path(staged, ticker), ticker, bars)
    for kind, text in (("map_files", known.text()), ("factor_files", factors.text())):
        path = staged / EQUITY / kind / f"{ticker}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return done


def _in_order(rows: Table, symbol: str, sort: bool) -> tuple[Table, NDArray[np.datetime64]]:
    """The rows and their dates, ascending."""
    days = rows.dates("date")
    if sort:
        order = np.argsort(days, kind="stable")
        rows, days = rows.rows(rows.frame.iloc[order]), days[order]
    step = np.append(1, np.diff(days).astype(np.int64))
    rows.require(step != 0, "date", f"twice there for {symbol}", "keep one row a day")
    rows.require(step > 0, "date", "earlier than the row before it", "sort the rows, or ask for it with `--sort`")
    return rows, days


def _bars(rows: Table, days: NDArray[np.datetime64], calendar: Calendar) -> Bars:
    """One symbol's bars. Raises `BadInput` for a row that Lean could not trade on."""
    _refuse_non_sessions(rows, days, calendar)
    prices = {name: _prices(rows, name) for name in PRICES}
    rows.require(prices["high"] >= prices["low"], "high", "below the low of that row", "correct the bar, or leave it out")
    volume = rows.numbers("volume")
    rows.require((volume >= 0) & (volume == np.rint(volume)) & (volume < 1e15), "volume", "not a number of shares",
                 "write whole shares as traded")
    return Bars(days=days, volume=volume.astype(np.int64), **prices)


def _refuse_non_sessions(rows: Table, days: NDArray[np.datetime64], calendar: Calendar) -> None:
    first, last = np.datetime64(calendar.first), np.datetime64(calendar.last)
    rows.require((days >= first) & (days <= last), "date", f"outside the market-hours database ({first} to {last})",
                 "leave the row out, or write a database that covers it")
    sessions = np.array(calendar.sessions(days[0].item(), days[-1].item()), "datetime64[D]")
    rows.require(np.isin(days, sessions), "date", "not a session: the exchange was closed", "leave the row out")


def _prices(rows: Table, name: str) -> NDArray[np.int64]:
    """A price column in ten-thousandths of a dollar."""
    values = rows.numbers(name)
    rows.require((values > 0) & (values < 1e10), name, "not a price above zero", "leave the row out, or correct the price")
    scaled = np.rint(values * SCALE)
    exact = np.abs(values - scaled / SCALE) <= FLOAT32 * values
    rows.require(exact & (scaled > 0), name, "finer than 0.0001, which Lean's files can't hold",
                 "give prices as traded; adjusted ones belong into 'adj_close'")
    return scaled.astype(np.int64)


def _changes(rows: Table, bars: Bars) -> tuple[Change, ...]:
    """Splits and dividends, from their own columns where there is one, else from adjusted closes."""
    if rows.has("split", "dividend"):
        splits = [_split(rows, row, text) for row, text in rows.cells("split")] or [Fraction(1)] * len(bars)
        cash = [_dividend(rows, row, text) for row, text in rows.cells("dividend")] or [Decimal(0)] * len(bars)
        _refuse_adjusted(rows, bars, splits)
        return tuple(Change(ex_date=day.item(), split=split, dividend=paid)
                     for day, split, paid in zip(bars.days, splits, cash, strict=True) if split != 1 or paid)
    if not rows.has("adj_close"):
        return ()
    adjusted = rows.numbers("adj_close")
    rows.require(adjusted > 0, "adj_close", "not a price above zero", "correct it, or leave the column out")
    decimals = max(len(text.partition(".")[2]) for _, text in rows.cells("adj_close"))
    return from_adjusted(bars, adjusted.tolist(), decimals=decimals, where=f"{rows.path} column '{rows.names['adj_close']}'")


def _split(rows: Table, row: Any, text: str) -> Fraction:
    """New shares for an old one."""
    new, _, old = text.replace(":", "/").partition("/")
    try:
        ratio = Fraction(new or "0") / Fraction(old or "1")
    except (ValueError, ZeroDivisionError):
        ratio = Fraction(-1)
    if ratio < 0:
        raise rows.refuse(row, "split", text, "not a split", "write the new shares for one old, such as 2, 0.125 or 2:1")
    return ratio.limit_denominator(1000) if ratio else Fraction(1)


def _dividend(rows: Table, row: Any, text: str) -> Decimal:
    try:
        paid = Decimal(text or "0")
        if not 0 <= paid < Decimal("Infinity"):
            raise InvalidOperation
    except InvalidOperation:
        raise rows.refuse(row, "dividend", text, "not a dividend", "write dollars per share; 0 or nothing for none") from None
    return paid


def _refuse_adjusted(rows: Table, bars: Bars, splits: Sequence[Fraction]) -> None:
    """A split that the prices don't show was already taken out of them: such prices were never traded at."""
    for at, split in enumerate(splits):
        if max(split, 1 / split) < LEAST_SPLIT or at == 0:
            continue
        gap = np.log(bars.open[at] / bars.close[at - 1])
        if abs(gap + np.log(float(split))) >= abs(gap):
            raise rows.refuse(rows.frame.index[at], "split", rows.column("split").iloc[at],
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
