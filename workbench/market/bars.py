"""Price bars of US equities in Lean's files: zipped text, prices in ten-thousandths of a dollar, raw (as traded).

    daily    equity/usa/daily/<ticker>.zip                       yyyyMMdd 00:00,open,high,low,close,volume
    minute   equity/usa/minute/<ticker>/<yyyyMMdd>_trade.zip     milliseconds,open,high,low,close,volume
             equity/usa/minute/<ticker>/<yyyyMMdd>_quote.zip     milliseconds,bid o,h,l,c,size,ask o,h,l,c,size

Milliseconds count from New York's midnight to the bar's start; the rows of a file ascend. A file is read at once, as
columns, without a Python object per number.
"""

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench import files
from workbench.errors import BadInput

SCALE = 10_000      # a price in a file is dollars times this
EQUITY = Path("equity") / "usa"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)        # the earliest a zip can hold: same bars, same bytes

DAILY_LINE = re.compile(rb"\d{8} \d\d:\d\d(,\d+){5}")
TRADE_LINE = re.compile(rb"\d+(,\d+){5}")
QUOTE_LINE = re.compile(rb"\d+(,\d*){10}")
BLANK = re.compile(rb",(?=[,\n])")
DIGITS = 18         # of a number, at most: what fits in 64 bits
SPACED = bytes.maketrans(b",:\n", b"   ")

Days = NDArray[np.datetime64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bars:
    """Daily bars as columns of equal length: `days` datetime64[D] ascending; prices raw, in dollars × 10000; volume in shares.

    The columns can't be written to.
    """

    days: Days
    open: Numbers
    high: Numbers
    low: Numbers
    close: Numbers
    volume: Numbers

    def __post_init__(self) -> None:
        rows = len(self.days)
        for name in self.__slots__:
            values = getattr(self, name)
            if len(values) != rows:
                raise BadInput(f"column '{name}' has {len(values)} rows and 'days' has {rows}")
            if values.flags.writeable:
                values = values.view()
                values.flags.writeable = False
                object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.days)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bars):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__slots__)

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Bars({len(self)} rows, {self.days[0]} to {self.days[-1]})" if len(self) else "Bars(0 rows)"

    def between(self, first: date | None, last: date | None) -> "Bars":
        """The bars from `first` to `last`, both included; None leaves that side open."""
        if first is None and last is None:
            return self
        start = 0 if first is None else int(self.days.searchsorted(np.datetime64(first, "D"), "left"))
        end = len(self) if last is None else int(self.days.searchsorted(np.datetime64(last, "D"), "right"))
        return Bars(**{name: getattr(self, name)[start:end] for name in self.__slots__})

    def row(self, day: date) -> int | None:
        """The row of a date; None where it has no bar."""
        at = int(self.days.searchsorted(np.datetime64(day, "D")))
        return at if at < len(self.days) and self.days.item(at) == day else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trades:
    """Minute trade bars of one day: `time` is the bar's start in milliseconds after New York's midnight; the rest as `Bars`."""

    time: Numbers
    open: Numbers
    high: Numbers
    low: Numbers
    close: Numbers
    volume: Numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quotes:
    """Minute quote bars of one day: prices in dollars × 10000, sizes in shares; all zeros where a side was not quoted."""

    time: Numbers
    bid_open: Numbers
    bid_high: Numbers
    bid_low: Numbers
    bid_close: Numbers
    bid_size: Numbers
    ask_open: Numbers
    ask_high: Numbers
    ask_low: Numbers
    ask_close: Numbers
    ask_size: Numbers


class Minutes(NamedTuple):
    """One ticker's minutes of one day; None where the folder holds no such file, which is not the same as no rows."""

    trades: Trades | None
    quotes: Quotes | None


def empty() -> Bars:
    """No bars at all."""
    none = np.zeros(0, np.int64)
    return Bars(days=none.astype("datetime64[D]"), open=none, high=none, low=none, close=none, volume=none)


def join(parts: list[Bars]) -> Bars:
    """Bars that follow each other, as one."""
    if len(parts) < 2:
        return parts[0] if parts else empty()
    return Bars(**{column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Bars)})


def daily_path(folder: Path, ticker: str) -> Path:
    """Where a ticker's daily bars are kept under a Lean data folder."""
    return folder / EQUITY / "daily" / f"{ticker.lower()}.zip"


def read_daily(path: Path, *, ordered: bool = True) -> Bars:
    """Read a zip of daily bars.

    Raises `BadInput` naming the file and row for a row that is not `yyyyMMdd 00:00,open,high,low,close,volume` in whole
    numbers, a date that does not exist, and (unless `ordered` is False) a date that is not after the one before it.
    """
    data = _unzip(path)
    table = _numbers(data, b" :,,,,,\n")
    if table is None:
        raise _bad_line(path, data, DAILY_LINE, "yyyyMMdd 00:00,open,high,low,close,volume in whole numbers")
    stamps, hours, minutes, *prices, volume = table
    days = _days(path, stamps)
    late = (hours != 0) | (minutes != 0)
    _refuse_rows(path, late, lambda row: f"the bar of {days[row]} is not at 00:00: these are not daily bars")
    if ordered:
        _refuse_disorder(path, days)
    opens, highs, lows, closes = prices
    return Bars(days=days, open=opens, high=highs, low=lows, close=closes, volume=volume)


def write_daily(path: Path, ticker: str, bars: Bars) -> Path:
    """Write daily bars as Lean reads them; the same bars give the same bytes. Raises `BadInput` for dates that don't ascend."""
    _refuse_disorder(path, bars.days)
    columns = [bars.open, bars.high, bars.low, bars.close, bars.volume]
    stamps = (str(day).replace("-", "") for day in bars.days)
    rows = zip(stamps, *(column.tolist() for column in columns), strict=True)
    text = "".join(f"{day} 00:00,{o},{h},{low},{c},{volume}\n" for day, o, h, low, c, volume in rows)
    return files.write(path, zipped(f"{ticker.lower()}.csv", text.encode()))


def read_minute(folder: Path, ticker: str, day: date) -> Minutes:
    """Read one day's minute trades and quotes of a ticker from a Lean data folder, under the ticker it had that day.

    Raises `BadInput` naming the file and row, as `read_daily` does.
    """
    stem = folder / EQUITY / "minute" / ticker.lower()
    trades, quotes = stem / f"{day:%Y%m%d}_trade.zip", stem / f"{day:%Y%m%d}_quote.zip"
    return Minutes(
        trades=Trades(**_minute(trades, Trades, TRADE_LINE)) if trades.is_file() else None,
        quotes=Quotes(**_minute(quotes, Quotes, QUOTE_LINE)) if quotes.is_file() else None,
    )


def zipped(name: str, data: bytes) -> bytes:
    """A zip of one entry, without a clock in it."""
    entry = zipfile.ZipInfo(name, ZIP_TIME)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, data)
    return out.getvalue()


def _minute(path: Path, kind: type[Trades] | type[Quotes], line: re.Pattern[bytes]) -> dict[str, Numbers]:
    names = [column.name for column in fields(kind)]
    data = _unzip(path)
    whole = BLANK.sub(b"\\g<0>0", data) if kind is Quotes else data
    table = _numbers(whole, b"," * (len(names) - 1) + b"\n")
    if table is None:
        raise _bad_line(path, data, line, ",".join(names) + " in whole numbers")
    times = table[0]
    _refuse_rows(path, _not_after(times), lambda row: f"{times[row]} ms comes after {times[row - 1]} ms: times must ascend")
    return dict(zip(names, table, strict=True))


def _unzip(path: Path) -> bytes:
    """The text of a Lean zip: the entry named like the file, or its only one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            wanted = f"{path.stem}.csv"
            data = archive.read(wanted if wanted in names or not names else names[0])
    except FileNotFoundError:
        raise BadInput("no such file", where=str(path)) from None
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise BadInput(f"not a zip of bars ({error})", where=str(path)) from None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
    return data if data.endswith(b"\n") or not data else data + b"\n"


def _numbers(data: bytes, separators: bytes) -> Numbers | None:
    """The whole numbers of a text, shape (columns, rows), when every line is digits and exactly these separators; else None.

    With the separators checked, the text is read in one call; a number fewer than fields means that one was blank.
    """
    rows, columns = data.count(b"\n"), len(separators)
    if data.translate(None, b"0123456789") != separators * rows:
        return None
    values = np.fromstring(data.translate(SPACED), np.int64, sep=" ") if rows else np.zeros(0, np.int64)
    if len(values) != rows * columns or values.max(initial=0) >= 10**DIGITS:
        return None
    return np.ascontiguousarray(values.reshape(rows, columns).T)


def _days(path: Path, stamps: Numbers) -> Days:
    """yyyyMMdd as dates. Raises `BadInput` for one that does not exist."""
    result, wrong = _dates(stamps.tobytes())
    _refuse_rows(path, wrong, lambda row: f"{stamps[row]:08d} is not a date yyyyMMdd")
    return result


@lru_cache(maxsize=16)
def _dates(whole: bytes) -> tuple[Days, NDArray[np.bool_]]:
    """64-bit yyyyMMdd as dates, and which of them don't exist. Most files of a market have the same."""
    stamps = np.frombuffer(whole, np.int64)
    years, months, days = stamps // 10_000, stamps // 100 % 100, stamps % 100
    month = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
    result: Days = month.astype("datetime64[D]") + (days - 1).astype("timedelta64[D]")
    result.flags.writeable = False
    return result, (months < 1) | (months > 12) | (days < 1) | (result.astype("datetime64[M]") != month)


def _refuse_disorder(path: Path, days: Days) -> None:
    _refuse_rows(path, _not_after(days), lambda row: f"{days[row]} comes after {days[row - 1]}: dates must ascend, each once")


def _not_after(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows are not later than the row before them."""
    return np.append(np.zeros(min(1, len(values)), np.bool_), values[1:] <= values[:-1])


def _refuse_rows(path: Path, wrong: NDArray[np.bool_], why: Callable[[int], str]) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadInput(why(row), where=f"{path} row {row + 1}")


def _bad_line(path: Path, data: bytes, line: re.Pattern[bytes], form: str) -> BadInput:
    """The error that names the first row which is not of the form."""
    for row, text in enumerate(data.splitlines(), 1):
        if not line.fullmatch(text) or max(map(len, re.findall(rb"\d+", text))) > DIGITS:
            return BadInput(f"{text.decode(errors='replace')!r} is not {form}", where=f"{path} row {row}")
    return BadInput(f"the rows are not {form}", where=str(path))
