"""What happens to a company's stock beside trading: its tickers over time, its splits and its dividends.

    map file       equity/usa/map_files/<ticker>.csv        yyyyMMdd,ticker[,exchange letter]
    factor file    equity/usa/factor_files/<ticker>.csv     yyyyMMdd,price factor,split factor,reference price

The first row of a map file is the first trading date; each later row is the last date of its ticker. A factor row
applies to dates up to its own; a change from one row to the next is a split or dividend on the session after the row's
date, and the reference price is the close on that date. In both, 20501231 stands for "still so".
(QuantConnect/Lean, Common/Data/Auxiliary.)
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Protocol, TypeVar

from workbench.errors import BadInput

FOREVER = date(2050, 12, 31)
ONE_DAY = timedelta(days=1)
ONE, CENT = Decimal(1), Decimal("0.01")
SIMPLE = 100                    # the largest denominator of a split's ratio
NEAR = Decimal("0.00005")       # how far eight rounded digits, or fewer, can take a ratio from the true one
SPLIT, DIVIDEND = "split", "dividend"


class Dated(Protocol):
    """A row with a date."""

    @property
    def date(self) -> date: ...


Row = TypeVar("Row", bound=Dated)


class Sessions(Protocol):
    """What corporate actions need of a calendar."""

    def next(self, day: date) -> date: ...


@dataclass(frozen=True, slots=True)
class MapRow:
    """The last date of a ticker (of the first row: the first trading date). `exchange` is a letter, or empty."""

    date: date
    ticker: str
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class MapFile:
    """One company's tickers over time. `name` is the file's: the last ticker, or `fb.1` for an earlier owner of it.

    Without rows it says nothing: the ticker is its name for ever, and the identity has no date.
    """

    name: str
    rows: tuple[MapRow, ...] = ()

    @property
    def first_date(self) -> date | None:
        """The first trading date; None without rows."""
        return self.rows[0].date if self.rows else None

    @property
    def first_ticker(self) -> str:
        """The ticker in the security identifier, upper case."""
        return (self.rows[0].ticker if self.rows else self.name).upper()

    @property
    def last_ticker(self) -> str:
        """The ticker the file ends with, upper case."""
        return (self.rows[-1].ticker if self.rows else self.name).upper()

    @property
    def delisting_date(self) -> date | None:
        """The last trading date; None while the stock is listed."""
        return self.rows[-1].date if self.rows and self.rows[-1].date < FOREVER else None

    def ticker_on(self, day: date) -> str | None:
        """The ticker, upper case, on a date; None before the listing and after the delisting."""
        if not self.rows:
            return self.name.upper()
        at = _from(self.rows, day)
        return self.rows[at].ticker.upper() if at < len(self.rows) and day >= self.rows[0].date else None

    def spans(self) -> tuple[tuple[str, date | None, date | None], ...]:
        """(ticker, first date, last date) in order of time, both dates included; one open span without rows."""
        if not self.rows:
            return ((self.first_ticker, None, None),)
        spans = [(self.first_ticker, self.rows[0].date, self.rows[0].date)]
        for row in self.rows[1:]:
            ticker, start, end = row.ticker.upper(), spans[-1][2] + ONE_DAY, row.date
            if ticker == spans[-1][0]:
                start = spans.pop()[1]
            spans.append((ticker, start, end))
        return tuple(spans)

    def text(self) -> str:
        """The file's content."""
        lines = (",".join(part for part in (f"{row.date:%Y%m%d}", row.ticker, row.exchange) if part) for row in self.rows)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class FactorRow:
    """Factors for dates up to `date`, and the raw close in dollars on it."""

    date: date
    price_factor: Decimal
    split_factor: Decimal
    reference_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporateAction:
    """A split or a cash dividend, in force before the open of `ex_date`.

    `factor` is what earlier prices are multiplied by: 0.5 for two new shares for one; a little under 1 for a dividend.
    `per_share` is the dividend in dollars, to the cent, as Lean pays it; None for a split. `reference_price` is the raw
    close on `row_date`.
    """

    kind: str
    row_date: date
    ex_date: date
    factor: Decimal
    per_share: Decimal | None
    reference_price: Decimal

    @property
    def adjustment(self) -> Decimal:
        """`factor` without the noise that files round into it: from the cents paid, or the simple ratio of the split.

        Later events rescale all factors of a file, and each rescaling rounds them anew; this stays what it was.
        """
        if self.per_share is not None:
            return 1 - self.per_share / self.reference_price
        simple = Fraction(self.factor).limit_denominator(SIMPLE)
        exact = Decimal(simple.numerator) / simple.denominator
        return exact if abs(exact / self.factor - 1) < NEAR else Context(prec=6).create_decimal(self.factor)


@dataclass(frozen=True, slots=True)
class FactorFile:
    """One company's price and split factors over time. Without rows nothing is ever adjusted."""

    name: str
    rows: tuple[FactorRow, ...] = ()

    def on(self, day: date) -> tuple[Decimal, Decimal]:
        """(price factor, split factor) of a date: those of the earliest row not before it; 1 and 1 where there is none."""
        at = _from(self.rows, day)
        if at == len(self.rows):
            return ONE, ONE
        return self.rows[at].price_factor, self.rows[at].split_factor

    def actions(self, calendar: Sessions) -> tuple[CorporateAction, ...]:
        """Every split and dividend, in order of time; on one date the dividend first, as Lean applies them.

        A dividend is round(close − close × factor ratio, 2), halves to even. Raises `BadInput` for an event whose row has
        no reference price.
        """
        found: list[CorporateAction] = []
        for row, later in pairwise(self.rows):
            if row.price_factor == later.price_factor and row.split_factor == later.split_factor:
                continue
            if not row.reference_price:
                raise BadInput(f"the event after {row.date} has no reference price", where=f"factor file {self.name}",
                               remedy="write the raw close of that date into the row's fourth column")
            found += _events(row, later, calendar.next(row.date))
        return tuple(found)

    def text(self) -> str:
        """The file's content."""
        return "".join(f"{row.date:%Y%m%d},{row.price_factor:f},{row.split_factor:f},{row.reference_price:f}\n"
                       for row in self.rows)


def read_map(path: Path) -> MapFile:
    """Read a map file; a missing one has no rows. Raises `BadInput` naming the file and row for what Lean would not read."""
    return MapFile(path.stem, _read(path, _map_row, "yyyyMMdd,ticker[,exchange letter]"))


def read_factors(path: Path) -> FactorFile:
    """Read a factor file; a missing one has no rows. Raises `BadInput` naming the file and row for a bad one."""
    return FactorFile(path.stem, _read(path, _factor_row, "yyyyMMdd,price factor,split factor,reference price"))


def distribution(reference_price: Decimal, ratio: Decimal) -> Decimal:
    """The dividend per share that Lean computes from a close and a price factor ratio, in whole cents."""
    return (reference_price - reference_price * ratio).quantize(CENT, ROUND_HALF_EVEN)


def _events(row: FactorRow, later: FactorRow, ex_date: date) -> list[CorporateAction]:
    events = []
    if row.price_factor != later.price_factor:
        ratio = row.price_factor / later.price_factor
        events.append(CorporateAction(
            kind=DIVIDEND, row_date=row.date, ex_date=ex_date, factor=ratio,
            per_share=distribution(row.reference_price, ratio), reference_price=row.reference_price,
        ))
    if row.split_factor != later.split_factor:
        events.append(CorporateAction(
            kind=SPLIT, row_date=row.date, ex_date=ex_date, factor=row.split_factor / later.split_factor,
            per_share=None, reference_price=row.reference_price,
        ))
    return events


def _from(rows: Sequence[Dated], day: date) -> int:
    """The place of the earliest row that is not before the date."""
    return bisect_left(rows, day, key=lambda row: row.date)


def _read(path: Path, parse: Callable[[list[str]], Row], form: str) -> tuple[Row, ...]:
    if not path.is_file():
        return ()
    rows: list[Row] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path} row {number}"
        try:
            row = parse(line.strip().split(","))
        except (ValueError, InvalidOperation):
            raise BadInput(f"{line!r} is not {form}", where=where) from None
        if rows and row.date <= rows[-1].date:
            raise BadInput(f"{row.date} comes after {rows[-1].date}: dates must ascend, each once", where=where)
        rows.append(row)
    return tuple(rows)


def _map_row(parts: list[str]) -> MapRow:
    day, ticker, *exchange = parts
    if not ticker or len(exchange) > 1:
        raise ValueError("ticker")
    return MapRow(_date(day), ticker, *exchange)


def _factor_row(parts: list[str]) -> FactorRow:
    day, price, split, *reference = parts
    row = FactorRow(_date(day), Decimal(price), Decimal(split), Decimal(reference[0]) if reference else Decimal(0))
    positive = row.price_factor > 0 and row.split_factor > 0 and row.reference_price >= 0       # False for NaN too
    if not positive or not all(map(Decimal.is_finite, (row.price_factor, row.split_factor, row.reference_price))):
        raise ValueError("factor")
    return row


def _date(text: str) -> date:
    if len(text) != 8 or not text.isdigit():
        raise ValueError(text)
    return date.fromisoformat(text)
