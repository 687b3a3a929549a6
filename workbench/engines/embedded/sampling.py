"""What a run leaves for its charts and statistics: equity at slices, and everything else once a day, at New York's midnight.

Lean's rules (BacktestingResultHandler, BaseResultsHandler): the equity is a candle over the slices since the last one taken,
and one is taken at most every 4 minutes or 4000th of the run; a point at the time of the last one is dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.account import Account
from workbench.engines.embedded.book import Book
from workbench.engines.embedded.capacity import CapacityEstimate
from workbench.engines.embedded.clock import midnight, utc_of
from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import HUNDRED, normal, rounded, smart
from workbench.engines.embedded.security import Security, Tape

TICKS_A_SECOND, TICKS_A_DAY = 10_000_000, 864_000_000_000
SHORTEST_PERIOD = 4 * 60 * TICKS_A_SECOND
CANDLES = 4000
MOST_SALES, MOST_MARGINS = 30, 40
FOUR_DIGITS = Context(prec=4, rounding=ROUND_HALF_EVEN)
HUNDREDTH_OF_A_CENT = Decimal("0.0001")


class Candle(NamedTuple):
    """The account's value over the slices since the candle before; UTC seconds of its end, dollars."""

    utc: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


@dataclass(slots=True)
class Series:
    """Points in time order: UTC seconds and a value."""

    points: list[tuple[int, Decimal]] = field(default_factory=list)

    def add(self, utc: int, value: Decimal) -> bool:
        """Append a point after the last one; one at or before it is dropped, and the answer is False."""
        if self.points and utc <= self.points[-1][0]:
            return False
        self.points.append((utc, value))
        return True

    def put(self, utc: int, value: Decimal) -> None:
        """Append a point; one at the last one's time takes its place."""
        if self.points and self.points[-1][0] == utc:
            self.points.pop()
        self.points.append((utc, value))


class Shares(NamedTuple):
    """Per stock at one moment, by its place in the account: dollars sold and bought, or percent of the account's value."""

    of: tuple[tuple[int, Decimal], ...]
    others: Decimal | None = None           # what the charts gather for all further stocks


class Sampled(Protocol):
    """What the sampler looks at."""

    start: date
    end: date
    utc: int

    @property
    def account(self) -> Account: ...

    @property
    def tape(self) -> Tape: ...

    @property
    def book(self) -> Book: ...


class Sampler:
    """Takes the samples of a run. Percent series are percent, turnover and exposure are fractions, the rest is dollars."""

    def __init__(self) -> None:
        self.equity: list[Candle] = []
        self.returns, self.turnover, self.drawdown, self.capacity = Series(), Series(), Series(), Series()
        self.long, self.short = Series(), Series()
        self.sales: list[tuple[int, Shares]] = []
        self.margins: list[tuple[int, Shares]] = []
        self.start_equity = ZERO

    def begin(self, run: Sampled) -> None:
        """Before the first slice, with the securities loaded."""
        self._run, self._account = run, run.account
        self.estimate = CapacityEstimate(run)
        days = (run.end - run.start).days + 1
        self._period = max(SHORTEST_PERIOD, (days * TICKS_A_DAY - 1) // CANDLES)
        self._next = -1                     # ticks; a candle is due after this moment
        self._midnight: date | None = None  # the newest one sampled
        self._sold = [ZERO, ZERO]           # total volume at the newest and the last but one turnover sample
        self._turnover_at: int | None = None
        self._sales_of, self._sales = ZERO, Shares(())
        self._holdings: tuple[object, ...] = ()
        self._exposure = (ZERO, ZERO)
        self._open: list[Decimal] | None = None         # open, high, low, close of the candle under way
        self._value = self._rounded = ZERO
        self.start_equity = self._peak = self._yesterday = self._account.value

    def pass_midnights(self, local: datetime) -> None:
        """Sample every midnight not yet sampled, up to a moment; nothing has moved since the last slice."""
        last = local.date()
        day = self._run.start if self._midnight is None else self._midnight + timedelta(days=1)
        while day <= last:
            self._midnight = day
            self._sample_day(utc_of(midnight(day)))
            day += timedelta(days=1)

    def sample(self, utc: int) -> None:
        """After a slice."""
        self._update(utc, force=False)

    def finish(self, last: int, *, completed: bool) -> None:
        """At the end, after the algorithm's last word. `last` is the time of the last slice the loop has seen."""
        utc = self._run.utc
        if completed:
            self._update(utc, force=True)
            self._sample_day(last)
        self._update(utc, force=True)

    def _update(self, utc: int, *, force: bool) -> None:
        """Lean's ProcessSynchronousEvents of results."""
        self._look()
        self.estimate.update(utc, force=force)
        self._widen()
        if force or utc * TICKS_A_SECOND > self._next:
            self._next = utc * TICKS_A_SECOND + self._period
            self._take_candle(utc)

    def _look(self) -> None:
        value = self._account.value
        if value != self._value:
            self._value, self._rounded = value, rounded(value, 4)

    def _widen(self) -> None:
        """Take the present value into the candle under way. Lean's bars do not accept a zero."""
        value, bar = self._rounded, self._open
        if bar is None:
            self._open = [value] * 4
        elif value:
            if not bar[0]:
                self._open = [value] * 4
                return
            if value > bar[1]:
                bar[1] = value
            elif value < bar[2]:
                bar[2] = value
            bar[3] = value

    def _take_candle(self, utc: int) -> None:
        assert self._open is not None
        if not self.equity or utc > self.equity[-1].utc:
            opened, high, low, close = self._open
            if opened is close and high is low:
                self.equity.append(Candle(utc, *[smart(opened)] * 4))
            else:
                self.equity.append(Candle(utc, smart(opened), smart(high), smart(low), smart(close)))
        self._open = None

    def _sample_day(self, utc: int) -> None:
        self._look()
        value, before = self._value, self._yesterday
        change = rounded((value - before) * HUNDRED / before, 10) if before and value != before else ZERO
        self._peak = max(self._peak, value)
        self._widen()
        self._take_candle(utc)
        self.returns.add(utc, smart(change))
        if self._peak:
            self.drawdown.add(utc, smart(rounded((value / self._peak - 1) * HUNDRED, 2)) if value != self._peak else ZERO)
        self._sample_sales(utc)
        self._sample_holdings(utc, value)
        self.capacity.add(utc, smart(self.estimate.capacity))
        self._sample_turnover(utc, value)
        self._yesterday = value

    def _sample_turnover(self, utc: int, value: Decimal) -> None:
        """Dollars traded since the last sample ÷ value; the first midnight has none, the same moment again counts once."""
        if not value or utc == utc_of(midnight(self._run.start)):
            return
        total = self._account.sale_volume
        since = self._sold[1] if self._turnover_at == utc else self._sold[0]
        self._sold = [total, self._sold[0]]
        self._turnover_at = utc
        self.turnover.put(utc, smart((total - since) / value) if total != since else ZERO)

    def _sample_sales(self, utc: int) -> None:
        account = self._account
        if not account.sale_volume or (self.sales and utc <= self.sales[-1][0]):
            return
        if account.sale_volume != self._sales_of:
            traded = sorted((s for s in account.securities if s.sale_volume), key=lambda s: s.sale_volume, reverse=True)
            self._sales_of = account.sale_volume
            self._sales = Shares(tuple((s.index, smart(s.sale_volume)) for s in traded[:MOST_SALES]))
        self.sales.append((utc, self._sales))

    def _sample_holdings(self, utc: int, value: Decimal) -> None:
        """Exposure and margin. Days on which neither prices nor holdings moved share one value."""
        if not self._account.securities:
            return
        held = self._account.held
        if not held:
            if value:
                self.long.add(utc, ZERO)
                self.short.add(utc, ZERO)
            return
        now = (self._run.tape.step, len(self._run.book.events), value)
        if now != self._holdings:
            self._holdings = now
            parts = self._account.parts() if len(held) > MOST_MARGINS and value > 0 else None
            self._exposure, self._margins = (
                _weigh(held, value) if parts is None else _weigh_many(*parts, self._account.initials, value))
        if value:
            self.long.add(utc, self._exposure[0])
            self.short.add(utc, self._exposure[1])
        if self.margins and self.margins[-1][0] == utc:
            self.margins.pop()
        self.margins.append((utc, self._margins))


def _weigh(held: list[Security], value: Decimal) -> tuple[tuple[Decimal, Decimal], Shares]:
    """Long and short exposure as fractions of a value, and each stock's margin in percent of it, the largest ones singly."""
    long = short = ZERO
    margins: list[tuple[int, Decimal]] = []
    for security in held:
        worth = security.quantity * security.price
        if worth > 0:
            long += worth
        else:
            short += worth
        used = abs(worth) * security.initial
        margins.append((security.index, FOUR_DIGITS.divide(used, value) if value else ZERO))
    exposure = _exposure(long, short, value)
    if len(margins) <= MOST_MARGINS:
        return exposure, Shares(tuple((index, smart(share * HUNDRED)) for index, share in margins))
    largest = {index for index, _ in sorted(margins, key=lambda margin: margin[1], reverse=True)[:MOST_MARGINS]}
    others = ZERO
    for index, share in margins:
        if index not in largest:
            others = smart(others + share * HUNDRED)
    return exposure, Shares(tuple((index, smart(share * HUNDRED)) for index, share in margins if index in largest), others)


def _weigh_many(held: Sequence[Security], worths: NDArray[np.int64], exponent: int, initials: NDArray[np.float64],
                value: Decimal) -> tuple[tuple[Decimal, Decimal], Shares]:
    """The same of more stocks than are charted singly, from their worths in whole numbers of 10^`exponent` dollars.

    Shares are doubles until they are rounded to four digits; one whose rounding a double can't tell is divided exactly.
    """
    long, short = (Decimal(int(part.sum())).scaleb(exponent) for part in (worths[worths > 0], worths[worths < 0]))
    shares = np.abs(worths) * initials * (10.0**exponent / float(value))
    powers = np.floor(np.log10(np.where(shares > 0, shares, 1.0))).astype(np.int64)
    scaled = shares * 10.0 ** (3 - powers)
    digits = np.rint(scaled).astype(np.int64)
    for place in np.flatnonzero((np.abs(scaled % 1 - 0.5) < 1e-6) | (scaled < 1000) | (digits > 9999)).tolist():
        share = FOUR_DIGITS.divide(abs(Decimal(int(worths[place])).scaleb(exponent)) * held[place].initial, value)
        powers[place] = share.adjusted()
        digits[place] = int(share.scaleb(3 - share.adjusted()))
    size = digits * 10.0**powers
    largest = np.sort(np.argsort(-size, kind="stable")[:MOST_MARGINS])
    percent = map(_percent, digits[largest].tolist(), powers[largest].tolist())
    singly = tuple((held[place].index, share) for place, share in zip(largest.tolist(), percent, strict=True))
    others = (size.sum() - size[largest].sum()) / 10
    return _exposure(long, short, value), Shares(singly, smart(Decimal(repr(round(float(others), 10)))))


@lru_cache(maxsize=16384)
def _percent(digits: int, power: int) -> Decimal:
    """Of a share whose first of four digits stands for 10^power."""
    return normal(Decimal(digits).scaleb(power - 1))


def _exposure(long: Decimal, short: Decimal, value: Decimal) -> tuple[Decimal, Decimal]:
    if not value:
        return ZERO, ZERO
    return smart(rounded(long / value, 4)), smart(rounded(short / value, 4))
