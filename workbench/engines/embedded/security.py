"""A subscribed stock in the core: its newest real bar, its models, and what the account holds of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

import numpy as np

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.columns import ONE, Columns, Day
from workbench.engines.embedded.decimals import product, quotient
from workbench.engines.embedded.enums import DataNormalizationMode, Resolution

MINUTE = timedelta(minutes=1)


class Tape:
    """Where the run is: the places every security looks up its own row for.

    `session` is the newest session that has closed (-1: none yet), `minute` how many minutes of the one under way have
    passed, `step` the number of the present slice with prices.
    """

    __slots__ = ("ends", "minute", "now", "session", "starts", "step")

    def __init__(self, starts: list[datetime], ends: list[datetime]) -> None:
        self.starts, self.ends = starts, ends       # wall-clock open and close of each session
        self.session = self.step = -1
        self.minute = 0
        self.now = datetime(1, 1, 1)                 # noqa: DTZ001 (New York's wall clock, at the present slice)


@dataclass(frozen=True, slots=True)
class Prices:
    """A bar, exact: wall-clock start and end, prices in dollars, volume in shares."""

    start: datetime
    end: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = ZERO

    def split(self, factor: Decimal) -> "Prices":
        """As it is worth after a split."""
        return replace(self, open=self.open * factor, high=self.high * factor, low=self.low * factor, close=self.close * factor,
                       volume=quotient(self.volume, factor))


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote bar, exact: a side is None where it was not quoted; its `volume` is the last size."""

    start: datetime
    end: datetime
    bid: Prices | None
    ask: Prices | None

    def split(self, factor: Decimal) -> "Quote":
        """As it is worth after a split."""
        bid, ask = (None if side is None else side.split(factor) for side in (self.bid, self.ask))
        return replace(self, bid=bid, ask=ask)


class Security(ABC):
    """State that the tape moves from bar to bar. Quantities are signed shares, money is dollars, all exact.

    A fill-forward bar moves neither price nor row, and nothing is done for a bar until somebody asks for it.
    """

    __slots__ = (
        "_price", "_scale", "average_price", "delisted", "dividends", "face", "fee_model", "fees", "fill_forward", "fill_model",
        "index", "initial", "last_day", "last_trade_profit", "leverage", "mode", "profit", "quantity", "resolution", "sale_volume",
        "slippage_model", "symbol", "tape", "tradable",
    )

    def __init__(self, index: int, symbol: Any, resolution: Resolution, mode: DataNormalizationMode, tape: Tape) -> None:
        self.index, self.symbol, self.resolution, self.mode, self.tape = index, symbol, resolution, mode, tape
        self.last_day: date | None = None           # the day of delisting, where the map file names one
        self.fill_forward = True                    # whether slices hold its newest bar where none came
        self._price: Decimal | None = ZERO
        self._scale = ONE                           # a raw-mode split, until the first bar on the new basis
        self.tradable, self.delisted = True, False
        self.leverage, self.initial = ONE, ONE
        self.face: Any = None                       # what the algorithm sees of it
        self.fee_model: Any = None
        self.slippage_model: Any = None
        self.fill_model: Any = None                 # one of the algorithm's own; None: Lean's for equities
        self.quantity = self.average_price = self.fees = ZERO
        self.profit = self.last_trade_profit = self.sale_volume = self.dividends = ZERO       # profit has dividends in it

    def set_leverage(self, leverage: Decimal) -> None:
        """Dollars that may be held for each dollar of margin; `initial` is the margin for a dollar held."""
        self.leverage, self.initial = leverage, ONE / leverage

    @property
    @abstractmethod
    def row(self) -> int:
        """The newest real bar, -1 before the first."""

    @property
    @abstractmethod
    def price(self) -> Decimal:
        """The newest real close in dollars, 0 before the first: what sizes, margins and values are made from."""

    @abstractmethod
    def field(self, name: str) -> Decimal:
        """open, high, low or close of the newest real bar; 0 before the first."""

    @property
    @abstractmethod
    def volume(self) -> Decimal:
        """Volume of the newest real bar."""

    @property
    @abstractmethod
    def has_new_bar(self) -> bool:
        """Whether a real bar came with the present slice."""

    @property
    @abstractmethod
    def bar_start(self) -> datetime:
        """When the newest real bar began, New York time; ask `row` before."""

    @property
    @abstractmethod
    def bar_end(self) -> datetime | None:
        """When the newest real bar ended, New York time; None before the first."""

    @property
    def quote(self) -> Quote | None:
        """The newest real quote bar; None where there are no quotes."""
        return None

    @property
    def unrealized(self) -> Decimal:
        """Profit of what is held, at the newest price."""
        return (self.price - self.average_price) * self.quantity

    def lives(self, day: date) -> bool:
        """Whether it is still listed on a day."""
        return self.last_day is None or day <= self.last_day

    def hear_split(self, factor: Decimal) -> None:
        """A raw-mode split: shares, the last prices and the last volume change at once, before the first bar on the new basis."""
        price = self.price * factor
        self._scale *= factor
        self._price = price
        if self.quantity:
            self.quantity = (self.quantity / factor).to_integral_value(ROUND_DOWN)
            self.average_price = product(self.average_price, factor)

    def hear_end(self) -> None:
        """Delisted: no price, no trading."""
        self.tradable, self.delisted = False, True
        self._price = ZERO


class DailySecurity(Security):
    """Daily bars beside the run's sessions: `rows[session]` is the newest real bar at a session's close, -1 before the first.

    A session whose row is that of the one before has no bar of its own.
    """

    __slots__ = ("_at", "_factor", "_row", "_rows", "_session", "columns", "rows")

    def __init__(self, index: int, symbol: Any, resolution: Resolution, mode: DataNormalizationMode, tape: Tape) -> None:
        super().__init__(index, symbol, resolution, mode, tape)
        self.columns: Columns | None = None
        self.rows: Any = np.empty(0, dtype=np.int32)
        self._rows: list[int] = []                  # the same as whole numbers of Python's, which are asked for one by one
        self._at = self._row = self._session = -1
        self._factor = (ONE, -1)                    # of the column's prices, and the session at which it changes

    def load(self, columns: Columns, rows: Any, listed: list[int]) -> None:
        """Take over its bars and which of them is the newest at each session, as an array and as a list."""
        self.columns, self.rows, self._rows = columns, rows, listed

    @property
    def row(self) -> int:
        if self._at != self.tape.session:
            self._move()
        return self._row

    @property
    def price(self) -> Decimal:
        if self._at != self.tape.session:
            self._move()
        if self._price is None:
            assert self.columns is not None
            self._price = self.columns.price("close", self._row)
            if self._scale is not ONE:
                self._price *= self._scale
        return self._price

    def field(self, name: str) -> Decimal:
        row = self.row
        if row < 0:
            return ZERO
        assert self.columns is not None
        if self._scale is not ONE:
            return self.columns.price(name, row) * self._scale
        return self.price if name == "close" else self.columns.price(name, row)

    @property
    def volume(self) -> Decimal:
        row = self.row
        if row < 0:
            return ZERO
        assert self.columns is not None
        volume = self.columns.volume(row)
        return volume if self._scale is ONE else quotient(volume, self._scale)

    @property
    def has_new_bar(self) -> bool:
        tape = self.tape
        return self.row >= 0 and self._session == tape.session and tape.ends[self._session] == tape.now

    @property
    def bar_start(self) -> datetime:
        if self._at != self.tape.session:
            self._move()
        return self.tape.starts[self._session]

    @property
    def bar_end(self) -> datetime | None:
        if self._at != self.tape.session:
            self._move()
        return self.tape.ends[self._session] if self._row >= 0 else None

    @property
    def is_plain(self) -> bool:
        """Whether its price is its column's close × its factor, and nothing else."""
        columns = self.columns
        return columns is not None and columns.paid_of_bar is None and not self.delisted and (self.row < 0 or self._scale is ONE)

    @property
    def is_raw(self) -> bool:
        """Whether its column's prices are those of the file."""
        return self.columns is not None and self.columns.is_raw

    def factor_at(self, session: int) -> tuple[Decimal, int]:
        """The factor of prices at a session that is not before the last one asked for, and the session at which it changes."""
        if session >= self._factor[1]:
            assert self.columns is not None
            factor, last = self.columns.factor_at(int(self.rows[session]))
            self._factor = factor, int(np.searchsorted(self.rows, last, side="right"))
        return self._factor

    def row_at(self, session: int) -> int:
        """The newest bar at a session's close; -1 before the first, and before the first session."""
        return self._rows[session] if session >= 0 else -1

    def _move(self) -> None:
        at, rows = self.tape.session, self._rows
        self._at = at
        if self.delisted or not 0 <= at < len(rows):
            return
        row = rows[at]
        if row != self._row:
            self._row, self._scale, self._price = row, ONE, None
            self._session = at if at and rows[at - 1] != row else int(np.searchsorted(self.rows, row))


class MinuteSecurity(Security):
    """Minute bars and quotes of the session under way; of the ones before, only the newest bar and quote are kept."""

    __slots__ = ("_at", "_bar", "_day", "_made_bar", "_made_quote", "_quote", "_quote_row", "_row")

    def __init__(self, index: int, symbol: Any, resolution: Resolution, mode: DataNormalizationMode, tape: Tape) -> None:
        super().__init__(index, symbol, resolution, mode, tape)
        self._day: Day | None = None
        self._at = -1
        self._row = self._quote_row = -1            # rows of the day under way, -1 before the first
        self._bar: Prices | None = None             # the newest bar, once made
        self._quote: Quote | None = None
        self._made_bar = self._made_quote = True    # whether those two are of the present rows

    def begin(self, day: Day) -> None:
        """Take the next session's bars; what was newest before stays so until the first of them."""
        if self._at != self.tape.step:
            self._move()
        self._bar, self._quote = self._newest_bar(), self.quote
        self._day, self._row, self._quote_row = day, -1, -1
        self._made_bar = self._made_quote = True

    def hear_split(self, factor: Decimal) -> None:
        """The newest quote changes too."""
        quote = self.quote
        super().hear_split(factor)
        self._quote = None if quote is None else quote.split(factor)

    @property
    def row(self) -> int:
        return -1 if self._newest_bar() is None else max(self._row, 0)

    @property
    def price(self) -> Decimal:
        if self._at != self.tape.step:
            self._move()
        if self._price is None:
            bar = self._newest_bar()
            self._price = ZERO if bar is None else bar.close * self._scale
        return self._price

    def field(self, name: str) -> Decimal:
        bar = self._newest_bar()
        price: Decimal = ZERO if bar is None else getattr(bar, name) * self._scale
        return price

    @property
    def volume(self) -> Decimal:
        bar = self._newest_bar()
        if bar is None:
            return ZERO
        return bar.volume if self._scale is ONE else quotient(bar.volume, self._scale)

    @property
    def has_new_bar(self) -> bool:
        bar = self._newest_bar()
        return bar is not None and bar.end == self.tape.now

    @property
    def bar_start(self) -> datetime:
        bar = self._newest_bar()
        assert bar is not None
        return bar.start

    @property
    def bar_end(self) -> datetime | None:
        bar = self._newest_bar()
        return None if bar is None else bar.end

    @property
    def quote(self) -> Quote | None:
        if self._at != self.tape.step:
            self._move()
        if not self._made_quote:
            assert self._day is not None
            start = self._day.open + self._day.quote_minute(self._quote_row) * MINUTE
            bid, ask = self._day.quote(self._quote_row)
            self._quote = Quote(start, start + MINUTE, None if bid is None else Prices(start, start + MINUTE, *bid),
                                None if ask is None else Prices(start, start + MINUTE, *ask))
            self._made_quote = True
        return self._quote

    def _newest_bar(self) -> Prices | None:
        if self._at != self.tape.step:
            self._move()
        if not self._made_bar:
            assert self._day is not None
            start = self._day.open + self._day.trade_minute(self._row) * MINUTE
            self._bar = Prices(start, start + MINUTE, *self._day.trade(self._row))
            self._made_bar = True
        return self._bar

    def _move(self) -> None:
        self._at = self.tape.step
        if self.delisted or self._day is None:
            return
        row, quote_row = self._day.rows_at(self.tape.minute)
        if row != self._row:
            self._row, self._scale, self._price, self._made_bar = row, ONE, None, False
        if quote_row != self._quote_row:
            self._quote_row, self._made_quote = quote_row, False


def subscribed(index: int, symbol: Any, resolution: Resolution, mode: DataNormalizationMode, tape: Tape) -> Security:
    """A security of a resolution that the engine has."""
    kind = MinuteSecurity if resolution is Resolution.MINUTE else DailySecurity
    return kind(index, symbol, resolution, mode, tape)
