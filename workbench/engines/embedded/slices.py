"""What arrives at an algorithm: symbols, bars, corporate events, and the slice that holds those of one moment."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import ClrObject, KeyNotFoundException
from workbench.engines.embedded.enums import DelistingType, SecurityType, SplitType
from workbench.engines.embedded.orders import number_text
from workbench.engines.embedded.security import Prices, Quote, Security


class SecurityIdentifier(ClrObject):
    """What a symbol is for ever."""

    def __init__(self, text: str) -> None:
        self._text = text

    @property
    def symbol(self) -> str:
        return self._text.split(" ")[0]

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

    __slots__ = ("id", "value")

    def __init__(self, ticker: str, identifier: str) -> None:
        self.value, self.id = ticker, SecurityIdentifier(identifier)

    @property
    def security_type(self) -> SecurityType:
        return SecurityType.EQUITY

    @property
    def is_canonical(self) -> bool:
        return False

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        return "<QuantConnect.Symbol object>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Symbol):
            return self.id == other.id
        return isinstance(other, str) and other.upper() in (self.value, str(self.id))

    def __hash__(self) -> int:
        return hash(self.id)

    def __lt__(self, other: "Symbol") -> bool:
        return self.value < other.value


class KeyValuePair(ClrObject):
    """What iterating over one of Lean's dictionaries gives."""

    def __init__(self, key: Any, value: Any) -> None:
        self.key, self.value = key, value

    def __iter__(self) -> Iterator[Any]:
        return iter((self.key, self.value))


class SymbolDictionary(ClrObject):
    """One of Lean's dictionaries by symbol; a ticker's text finds its symbol."""

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

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._find(key)
        return default if found is None else self._items[found]

    get_value = get

    def contains_key(self, key: Any) -> bool:
        return self._find(key) is not None

    def __contains__(self, key: object) -> bool:
        return self._find(key) is not None

    def __getitem__(self, key: Any) -> Any:
        found = self._find(key)
        if found is None:
            raise KeyNotFoundException(self._missing(key))
        return self._items[found]

    def __len__(self) -> int:
        return len(self._items)

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


class TradeBar(ClrObject):
    """Open, high, low, close and volume of a stretch of trading."""

    def __init__(self, symbol: Symbol, start: datetime, end: datetime, prices: dict[str, Decimal], *,
                 is_fill_forward: bool) -> None:
        self.symbol, self.time, self.end_time, self.is_fill_forward = symbol, start, end, is_fill_forward
        self._prices = prices

    @property
    def open(self) -> float:
        return float(self._prices["open"])

    @property
    def high(self) -> float:
        return float(self._prices["high"])

    @property
    def low(self) -> float:
        return float(self._prices["low"])

    @property
    def close(self) -> float:
        return float(self._prices["close"])

    @property
    def value(self) -> float:
        return self.close

    @property
    def price(self) -> float:
        return self.close

    @property
    def volume(self) -> float:
        return float(self._prices["volume"])

    @property
    def period(self) -> timedelta:
        return self.end_time - self.time

    def __str__(self) -> str:
        shown = {name: number_text(price) for name, price in self._prices.items()}
        return (f"{self.symbol}: O: {shown['open']} H: {shown['high']} L: {shown['low']} C: {shown['close']} "
                f"V: {shown['volume']}")


class Bar(ClrObject):
    """One side of a quote bar."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices

    @property
    def open(self) -> float:
        return float(self._prices.open)

    @property
    def high(self) -> float:
        return float(self._prices.high)

    @property
    def low(self) -> float:
        return float(self._prices.low)

    @property
    def close(self) -> float:
        return float(self._prices.close)

    def __str__(self) -> str:
        prices = self._prices
        return " ".join(f"{name[0].upper()}: {number_text(getattr(prices, name))}" for name in ("open", "high", "low", "close"))


class QuoteBar(ClrObject):
    """Bid and ask of a stretch of trading; a price of the whole is the middle of both sides, or the only one's."""

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
        return float(self._quote.bid.volume) if self._quote.bid is not None else 0.0

    @property
    def last_ask_size(self) -> float:
        return float(self._quote.ask.volume) if self._quote.ask is not None else 0.0

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
    def price(self) -> float:
        return self.close

    @property
    def period(self) -> timedelta:
        return self.end_time - self.time

    def _middle(self, name: str) -> float:
        sides = [getattr(side, name) for side in (self._quote.bid, self._quote.ask) if side is not None]
        return float(sum(sides) / len(sides)) if sides else 0.0


class Dividend(ClrObject):
    """Cash a share, at 00:00 of the ex-date."""

    def __init__(self, symbol: Symbol, when: datetime, distribution: Decimal, reference_price: Decimal) -> None:
        self.symbol, self.time, self.end_time = symbol, when, when
        self._distribution, self._reference = distribution, reference_price

    @property
    def distribution(self) -> float:
        return float(self._distribution)

    @property
    def reference_price(self) -> float:
        return float(self._reference)


class Split(ClrObject):
    """A split's warning on the day before and its occurrence; `split_factor` 0.25 is four for one."""

    def __init__(self, symbol: Symbol, when: datetime, factor: Decimal, reference_price: Decimal, kind: SplitType) -> None:
        self.symbol, self.time, self.end_time, self.type = symbol, when, when, kind
        self._factor, self._reference = factor, reference_price

    @property
    def split_factor(self) -> float:
        return float(self._factor)

    @property
    def reference_price(self) -> float:
        return float(self._reference)


class Delisting(ClrObject):
    """The warning on the last day and the end after it."""

    def __init__(self, symbol: Symbol, when: datetime, price: Decimal, kind: DelistingType) -> None:
        self.symbol, self.time, self.end_time, self.type = symbol, when, when, kind
        self._price = price

    @property
    def price(self) -> float:
        return float(self._price)


class SymbolChangedEvent(ClrObject):
    """A stock trades under another ticker from now on."""

    def __init__(self, symbol: Symbol, when: datetime, old: str, new: str) -> None:
        self.symbol, self.time, self.end_time = symbol, when, when
        self.old_symbol, self.new_symbol = old, new


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
        return len(self)

    def __len__(self) -> int:
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
        self.quote_bars = QuoteBars(None, quotes)
        self.splits, self.dividends = SymbolDictionary(splits), SymbolDictionary(dividends)
        self.delistings, self.symbol_changed_events = SymbolDictionary(delistings), SymbolDictionary(changes)

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
    def has_data(self) -> bool:
        return bool(self.bars.count or self.splits.count or self.dividends.count or self.delistings.count
                    or self.symbol_changed_events.count)


def bar_of(security: Security, start: datetime, end: datetime, *, filled_forward: bool) -> TradeBar:
    """The newest real bar as an algorithm sees it; filled forward it has a later time and no volume."""
    prices = {name: security.field(name) for name in ("open", "high", "low", "close")}
    prices["volume"] = Decimal(0) if filled_forward else security.volume
    return TradeBar(security.symbol, start, end, prices, is_fill_forward=filled_forward)
