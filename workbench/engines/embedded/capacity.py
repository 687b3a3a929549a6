"""How much money a strategy could carry, as Lean estimates it (CapacityEstimate, SymbolCapacity).

Around each fill the market's volume is gathered for its stock; once a week the stock with the least of it, over its share of
what was traded or held, gives a new estimate, of which a third counts.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import attrgetter
from typing import Protocol

from workbench.engines.embedded.account import Account
from workbench.engines.embedded.book import Book
from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import THOUSAND, WIDE
from workbench.engines.embedded.orders import Event
from workbench.engines.embedded.security import Security

MINUTE, HOUR, DAY = 60, 3600, 86400
ONE_HOUR, ONE_DAY = timedelta(hours=1), timedelta(days=1)
REMEMBERED = 30 * DAY               # a stock not held any more counts this long after its last fill
LONGEST_PERIOD = 7
SLOW_TRADING = Decimal(390)         # minutes; two fills closer than half of this gather less
LEAST_SHARE = Decimal("0.20")
NEW, OLD = Decimal("0.33"), Decimal("0.66")
MINUTE_VOLUME = 6_000_000
BY_PERIOD = {"minute": Decimal("0.20"), "hour": Decimal("0.05"), "daily": Decimal("0.02")}


class Estimated(Protocol):
    """What the estimate looks at."""

    start: date
    end: date

    @property
    def account(self) -> Account: ...

    @property
    def book(self) -> Book: ...


class SymbolCapacity:
    """One traded stock: what was traded of it, and what the market traded around that.

    `market` is the dollars a day's trading could take, by the volume gathered.
    """

    __slots__ = ("_average", "_discount", "_filled_at", "_gathered", "_reset", "_seen_at", "_seen_volume", "market", "sales",
                 "security", "trades")

    def __init__(self, security: Security) -> None:
        self.security = security
        self.sales, self.trades = ZERO, 0
        self.market = self._gathered = self._average = self._discount = self._seen_volume = ZERO
        self._filled_at: int | None = None
        self._seen_at: int | None = None
        self._reset = False

    def note_fill(self, event: Event) -> None:
        """Count a fill."""
        self.sales += event.fill_price * abs(event.fill_quantity)
        before = event.utc - DAY if self._filled_at is None else self._filled_at
        discount = 2 * (Decimal(event.utc - before) / MINUTE / SLOW_TRADING)
        self._discount = Decimal(1) if discount > 1 else max(LEAST_SHARE, discount)
        if self._reset:
            self.market, self._gathered, self.trades, self._reset = ZERO, ZERO, 0, False
        self.trades += 1
        self._filled_at = event.utc

    def gather(self, utc: int) -> bool:
        """Take a slice's bar in. True when the time around the last fill is over."""
        security = self.security
        volume = security.volume
        if not volume:
            return False
        close = security.field("close")
        end = security.bar_end
        assert end is not None
        length = end - security.bar_start
        period = "daily" if length >= ONE_DAY else "hour" if length >= ONE_HOUR else "minute"
        if period == "minute":
            minutes = Decimal(utc - (self._seen_at if self._seen_at is not None else utc)) / MINUTE
            self._average = close * (volume + self._seen_volume) / minutes if minutes else close * volume
            self._seen_at, self._seen_volume = utc, volume
        if not self._counts(utc, period):
            return True
        self._gathered += close * self._discount * volume
        self.market = self._gathered * BY_PERIOD[period]
        return False

    def _counts(self, utc: int, period: str) -> bool:
        filled = self._filled_at
        assert filled is not None
        if period == "daily":
            return utc == filled or utc // DAY == -(-filled // DAY)
        if period == "hour":
            return utc == -(-filled // HOUR) * HOUR
        factor = MINUTE_VOLUME / self._average if self._average else Decimal(10)
        return utc <= filled + MINUTE * (120 if factor > 120 else int(max(1.0, float(factor))))

    def begin_anew(self) -> None:
        """A week is over: the next fill starts gathering afresh."""
        self._reset = True
        self.sales = ZERO

    def is_over(self, utc: int) -> bool:
        """Whether the stock, where it is not held, was not traded lately either."""
        assert self._filled_at is not None
        return utc >= self._filled_at + REMEMBERED


class CapacityEstimate:
    """The estimate as the run goes on. `lowest` is the stock that limits it."""

    def __init__(self, run: Estimated) -> None:
        self._run = run
        days = (run.end - run.start).days + 1
        self._period = timedelta(days=max(min(days - 1, LONGEST_PERIOD), 1))
        self._due = run.start + self._period
        self._due_utc = _midnight_utc(self._due)
        self._stocks = Slots()
        self._watched: dict[int, SymbolCapacity] = {}
        self._events = 0
        self._exact = ZERO
        self.lowest: Security | None = None

    @property
    def capacity(self) -> Decimal:
        """Dollars, to whole thousands."""
        return (self._exact / THOUSAND).quantize(Decimal(1), ROUND_HALF_UP, context=WIDE) * Decimal("1000.00")

    def update(self, utc: int, *, force: bool) -> None:
        """After a slice: take in its fills and bars, and estimate where that is due."""
        events = self._run.book.events
        if len(events) > self._events:
            self._note(events)
        for index, stock in list(self._watched.items()) if self._watched else ():
            security = stock.security               # a bar filled forward has no volume
            if security.has_new_bar and not security.delisted and stock.gather(utc):
                del self._watched[index]
        if force or (utc >= self._due_utc and self._stocks.count):
            self._estimate(utc)

    def _note(self, events: list[Event]) -> None:
        for event in events[self._events:]:
            if not event.fill_quantity:
                continue
            security = event.order.security
            stock = self._stocks.get(security.index)
            if stock is None:
                stock = self._stocks.add(SymbolCapacity(security))
            stock.note_fill(event)
            self._watched.setdefault(security.index, stock)
        self._events = len(events)

    def _estimate(self, utc: int) -> None:
        value = self._run.account.value
        if not value or not self._stocks.count:
            return
        stocks = self._stocks.all()
        total = sum((stock.sales for stock in stocks), ZERO)
        smallest = min(stocks, key=attrgetter("market"))
        security = self.lowest = smallest.security
        held = abs(security.quantity) * security.price * security.initial * security.leverage
        share = max(smallest.sales / total if total else ZERO, held / value)
        found = smallest.market / smallest.trades / share if share else self._exact
        self._exact = NEW * found + self._exact * OLD if self._exact else found
        for stock in stocks:
            if not stock.security.quantity and stock.is_over(utc):
                self._stocks.remove(stock)
                self._watched.pop(stock.security.index, None)
            else:
                stock.begin_anew()
        self._due = datetime.fromtimestamp(utc, UTC).date() + self._period
        self._due_utc = _midnight_utc(self._due)


class Slots:
    """Stocks in the order in which a .NET dictionary gives them back: a new one takes the place freed last."""

    def __init__(self) -> None:
        self._slots: list[SymbolCapacity | None] = []
        self._free: list[int] = []
        self._place: dict[int, int] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._place)

    def get(self, index: int) -> SymbolCapacity | None:
        """The one of a security's index, None where there is none."""
        place = self._place.get(index)
        return None if place is None else self._slots[place]

    def add(self, stock: SymbolCapacity) -> SymbolCapacity:
        """Take one in."""
        if self._free:
            place = self._free.pop()
            self._slots[place] = stock
        else:
            place = len(self._slots)
            self._slots.append(stock)
        self._place[stock.security.index] = place
        return stock

    def remove(self, stock: SymbolCapacity) -> None:
        """Let one go."""
        place = self._place.pop(stock.security.index)
        self._slots[place] = None
        self._free.append(place)

    def all(self) -> list[SymbolCapacity]:
        """All of them, in order."""
        return [stock for stock in self._slots if stock is not None]


def _midnight_utc(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
