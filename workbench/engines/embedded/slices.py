"""What arrives at an algorithm: symbols, bars, corporate events, and the slice that holds those of one moment."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import ZERO, ClrObject, KeyNotFoundException, KeyValuePair, decimal, real
from workbench.engines.embedded.enums import DelistingType, MarketDataType, SecurityType, SplitType
from workbench.engines.embedded.orders import number_text, rounded_text
from workbench.engines.embedded.security import Prices, Quote, Security
from workbench.errors import NotSupported

PRICES = ("open", "high", "low", "close")
DAY_ZERO = datetime(1899, 12, 30)       # noqa: DTZ001 (a date, as C# gives it)


class SecurityIdentifier(ClrObject):
    """What a symbol is for ever."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def symbol(self) -> str:
        return self._text.split(" ")[0]

    @property
    def has_underlying(self) -> bool:
        return False

    @property
    def date(self) -> datetime:
        """The first day of the stock's map file; without one, .NET's day zero of spreadsheets."""
        number = int(self._text.split(" ")[1], 36)
        return DAY_ZERO + timedelta(days=number // 10**14)

    @property
    def market(self) -> str:
        return "usa"

    @property
    def security_type(self) -> SecurityType:
        return SecurityType.EQUITY

    def __str__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecurityIdentifier) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


class Symbol(ClrObject):
    """A security's name: equal to its ticker's text, hashed by its identifier."""

    __slots__ = ("_hash", "id", "value")

    _resolve: ClassVar[Callable[[str], Any]]        # of the run's data folder

    def __init__(self, ticker: str, identifier: str) -> None:
        self.value, self.id, self._hash = ticker, SecurityIdentifier(identifier), hash(identifier)

    @staticmethod
    def create(ticker: str, security_type: SecurityType, market: str) -> "Symbol":
        """The symbol that a ticker means today, subscribed or not."""
        if security_type is not SecurityType.EQUITY or market != "usa":
            raise NotSupported(f"a symbol of {security_type} {market}")
        symbol: Symbol = Symbol._resolve(ticker)
        return symbol

    @property
    def security_type(self) -> SecurityType:
        return SecurityType.EQUITY

    @property
    def is_canonical(self) -> bool:
        return False

    @property
    def has_underlying(self) -> bool:
        return False

    @property
    def canonical(self) -> None:
        return None

    def __str__(self) -> str:
        return self.value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Symbol):
            return self.id == other.id
        return isinstance(other, str) and other.upper() in (self.value, str(self.id))

    def __hash__(self) -> int:
        return self._hash

    def __lt__(self, other: "Symbol") -> bool:
        return self.value < other.value


class SymbolDictionary(ClrObject):
    """One of Lean's dictionaries by symbol; a ticker's text finds its symbol. Lean's own can't be changed by an algorithm."""

    def __init__(self, items: dict[Symbol, Any]) -> None:
        self._items = items

    @property
    def count(self) -> int:
        return len(self._items)

    def keys(self) -> list[Symbol]:
        return list(self._items)

    def values(self) -> list[Any]:
        return list(self._items.values())

    def items(self) -> list[tuple[Symbol, Any]]:
        return list(self._items.items())

    def get(self, key: Any, default_value: Any = None) -> Any:
        found = self._find(key)
        return default_value if found is None else self._items[found]

    get_value = get

    def contains_key(self, key: Any) -> bool:
        return self._find(key) is not None

    def try_get_value(self, key: Any, default_value: Any = None) -> tuple[bool, Any]:
        return self.contains_key(key), self.get(key, default_value)

    def __contains__(self, key: object) -> bool:
        return self._find(key) is not None

    def __getitem__(self, key: Any) -> Any:
        found = self._find(key)
        if found is None:
            raise KeyNotFoundException(self._missing(key))
        return self._items[found]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[KeyValuePair]:
        return (KeyValuePair(key, value) for key, value in self._items.items())

    def _find(self, key: object) -> Symbol | None:
        if isinstance(key, Symbol):
            return key if key in self._items else None
        if isinstance(key, str):
            return next((symbol for symbol in self._items if symbol == key), None)
        return None

    def _missing(self, key: Any) -> str:
        return f"'{key}' wasn't found in the {type(self).__name__} object, likely because there was no-data at this moment in time"


class BaseData(ClrObject):
    """One thing that arrived: whose it is, the stretch of time it is about, and a value."""

    symbol: Symbol
    time: datetime
    end_time: datetime
    is_fill_forward = False
    data_type = MarketDataType.AUXILIARY
    _value = ZERO

    @property
    def value(self) -> float:
        return real(self._value)

    @property
    def price(self) -> float:
        return self.value


class TradeBar(BaseData):
    """Open, high, low, close and volume of a stretch of trading."""

    data_type = MarketDataType.TRADE_BAR

    def __init__(self, time: datetime, symbol: Symbol, open: Any, high: Any, low: Any, close: Any, volume: Any,
                 period: timedelta = timedelta(minutes=1)) -> None:
        self.symbol, self.time, self.end_time = symbol, time, time + period
        self._prices = {"open": decimal(open), "high": decimal(high), "low": decimal(low), "close": decimal(close),
                        "volume": decimal(volume)}

    @classmethod
    def of(cls, symbol: Symbol, start: datetime, end: datetime, prices: dict[str, Decimal], *, is_fill_forward: bool) -> "TradeBar":
        """The engine's own bar, of exact prices and volume."""
        bar = cls.__new__(cls)
        bar.symbol, bar.time, bar.end_time, bar.is_fill_forward, bar._prices = symbol, start, end, is_fill_forward, prices
        return bar

    @property
    def open(self) -> float:
        return real(self._prices["open"])

    @property
    def high(self) -> float:
        return real(self._prices["high"])

    @property
    def low(self) -> float:
        return real(self._prices["low"])

    @property
    def close(self) -> float:
        return real(self._prices["close"])

    @property
    def value(self) -> float:
        return self.close

    @property
    def volume(self) -> float:
        return real(self._prices["volume"])

    @property
    def period(self) -> timedelta:
        return self.end_time - self.time

    def __str__(self) -> str:
        shown = {name: rounded_text(price) for name, price in self._prices.items()}
        return (f"{self.symbol}: O: {shown['open']} H: {shown['high']} L: {shown['low']} C: {shown['close']} "
                f"V: {shown['volume']}")


class Bar(ClrObject):
    """One side of a quote bar."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    @property
    def open(self) -> float:
        return real(self._prices.open)

    @property
    def high(self) -> float:
        return real(self._prices.high)

    @property
    def low(self) -> float:
        return real(self._prices.low)

    @property
    def close(self) -> float:
        return real(self._prices.close)

    def __str__(self) -> str:
        prices = self._prices
        return " ".join(f"{name[0].upper()}: {rounded_text(getattr(prices, name))}" for name in PRICES)


class QuoteBar(BaseData):
    """Bid and ask of a stretch of trading; a price of the whole is the middle of both sides, or the only one's."""

    data_type = MarketDataType.QUOTE_BAR

    def __init__(self, symbol: Symbol, start: datetime, end: datetime, quote: Quote, *, is_fill_forward: bool) -> None:
        self.symbol, self.time, self.end_time, self.is_fill_forward = symbol, start, end, is_fill_forward
        self._quote = quote

    @property
    def bid(self) -> Bar | None:
        return None if self._quote.bid is None else Bar(self._quote.bid)

    @property
    def ask(self) -> Bar | None:
        return None if self._quote.ask is None else Bar(self._quote.ask)

    @property
    def last_bid_size(self) -> float:
        return real(self._quote.bid.volume) if self._quote.bid is not None else 0.0

    @property
    def last_ask_size(self) -> float:
        return real(self._quote.ask.volume) if self._quote.ask is not None else 0.0

    @property
    def open(self) -> float:
        return self._middle("open")

    @property
    def high(self) -> float:
        return self._middle("high")

    @property
    def low(self) -> float:
        return self._middle("low")

    @property
    def close(self) -> float:
        return self._middle("close")

    @property
    def value(self) -> float:
        return self.close

    @property
    def period(self) -> timedelta:
        return self.end_time - self.time

    def _middle(self, name: str) -> float:
        sides = [getattr(side, name) for side in (self._quote.bid, self._quote.ask) if side is not None]
        return real(sum(sides, ZERO) / len(sides)) if sides else 0.0


class Dividend(BaseData):
    """Cash a share, at 00:00 of the ex-date."""

    def __init__(self, symbol: Symbol, when: datetime, distribution: Decimal, reference_price: Decimal) -> None:
        self.symbol, self.time, self.end_time = symbol, when, when
        self._value, self._reference = distribution, reference_price

    @property
    def distribution(self) -> float:
        return self.value

    @property
    def reference_price(self) -> float:
        return real(self._reference)

    def __str__(self) -> str:
        return f"Dividend for {self.symbol}: {number_text(self._value)} (Reference Price {number_text(self._reference)})"


class Split(BaseData):
    """A split's warning on the day before and its occurrence; `split_factor` 0.25 is four for one."""

    def __init__(self, symbol: Symbol, when: datetime, factor: Decimal, reference_price: Decimal, kind: SplitType) -> None:
        self.symbol, self.time, self.end_time, self.type = symbol, when, when, kind
        self._factor, self._value = factor, reference_price

    @property
    def split_factor(self) -> float:
        return real(self._factor)

    @property
    def reference_price(self) -> float:
        return self.value


class Delisting(BaseData):
    """The warning on the last day and the end after it."""

    def __init__(self, symbol: Symbol, when: datetime, price: Decimal, kind: DelistingType) -> None:
        self.symbol, self.time, self.end_time, self.type = symbol, when, when, kind
        self._value = price


class SymbolChangedEvent(BaseData):
    """A stock trades under another ticker from now on."""

    def __init__(self, symbol: Symbol, when: datetime, old: str, new: str) -> None:
        self.symbol, self.time, self.end_time = symbol, when, when
        self.old_symbol, self.new_symbol = old, new


class Splits(SymbolDictionary):
    """The splits of a moment."""


class Dividends(SymbolDictionary):
    """The dividends of a moment."""


class Delistings(SymbolDictionary):
    """The delistings of a moment."""


class SymbolChangedEvents(SymbolDictionary):
    """The renames of a moment."""


class Ticks(SymbolDictionary):
    """Ticks by symbol: always none, as no tick data is read."""


class TradeBars(SymbolDictionary):
    """Bars by symbol, made when first looked at; their number may be known without making them."""

    def __init__(self, count: int | None, make: Callable[[], dict[Symbol, Any]]) -> None:
        self._count, self._make = count, make
        self._made: dict[Symbol, Any] | None = None

    @property
    def _items(self) -> dict[Symbol, Any]:      # type: ignore[override]
        if self._made is None:
            self._made = self._make()
        return self._made

    @property
    def count(self) -> int:
        return len(self._items) if self._count is None else self._count


class QuoteBars(TradeBars):
    """Quote bars by symbol, made when first looked at."""


_NONE: dict[Symbol, Any] = {}


class Slice(SymbolDictionary):
    """All that arrived at one moment."""

    def __init__(self, utc: int, local: datetime, bars: TradeBars, *, splits: dict[Symbol, Split] = _NONE,
                 dividends: dict[Symbol, Dividend] = _NONE, delistings: dict[Symbol, Delisting] = _NONE,
                 changes: dict[Symbol, SymbolChangedEvent] = _NONE, quotes: Callable[[], dict[Symbol, Any]] = dict) -> None:
        self._utc, self.time, self.bars = utc, local, bars
        self.quote_bars, self.ticks = QuoteBars(None, quotes), Ticks(_NONE)
        self.splits, self.dividends = Splits(splits), Dividends(dividends)
        self.delistings, self.symbol_changed_events = Delistings(delistings), SymbolChangedEvents(changes)

    @property
    def _items(self) -> dict[Symbol, Any]:      # type: ignore[override]
        """A symbol's bar, or, where there is none, the corporate event that arrived for it."""
        found: dict[Symbol, Any] = {}
        for part in (self.symbol_changed_events, self.delistings, self.dividends, self.splits, self.bars):
            found.update(part._items)
        return found

    @property
    def utc_time(self) -> datetime:
        return utc_time(self._utc)

    @property
    def all_data(self) -> list[Any]:
        """Everything that arrived, one by one."""
        parts = (self.symbol_changed_events, self.delistings, self.dividends, self.splits, self.quote_bars, self.bars)
        return [item for part in parts for item in part.values()]

    def get(self, key: Any, default_value: Any = None) -> Any:
        """What arrived for a symbol; or, for a type, the part of that type; or, for both, that part's for the symbol."""
        if not isinstance(key, type):
            return super().get(key, default_value)
        parts: dict[type, SymbolDictionary] = {
            TradeBar: self.bars, QuoteBar: self.quote_bars, Split: self.splits, Dividend: self.dividends,
            Delisting: self.delistings, SymbolChangedEvent: self.symbol_changed_events}
        part = parts.get(key)
        if part is None:
            raise NotSupported(f"slice.get({key.__name__})")
        return part if default_value is None else part.get(default_value)

    @property
    def has_data(self) -> bool:
        return bool(self.bars.count or self.splits.count or self.dividends.count or self.delistings.count
                    or self.symbol_changed_events.count)


def bar_of(security: Security, start: datetime, end: datetime, *, filled_forward: bool) -> TradeBar:
    """The newest real bar as an algorithm sees it; filled forward it has a later time and no volume."""
    prices = {name: security.field(name) for name in PRICES}
    prices["volume"] = Decimal(0) if filled_forward else security.volume
    return TradeBar.of(security.symbol, start, end, prices, is_fill_forward=filled_forward)


class SecurityChanges(ClrObject):
    """What was subscribed to, told once, before the first slice: here nothing is added or removed later."""

    def __init__(self, added: list[Any]) -> None:
        self.added_securities, self.removed_securities = added, list[Any]()

    @property
    def count(self) -> int:
        return len(self.added_securities)
