"""`self.securities`: the subscribed stocks, as an algorithm looks at them and sets them up."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.engines.embedded.clr import (
    ZERO,
    ClrObject,
    ClrOwner,
    Enumerable,
    KeyNotFoundException,
    KeyValuePair,
    decimal,
    memoizing,
    overloaded,
    real,
)
from workbench.engines.embedded.decimals import added, product
from workbench.engines.embedded.enums import DataNormalizationMode, OrderType, Resolution, SecurityType, TickType
from workbench.engines.embedded.exchange import EquityExchange, SymbolProperties
from workbench.engines.embedded.fill_models import EquityFillModel
from workbench.engines.embedded.models import (
    SecurityMarginModel,
    fee_of,
)
from workbench.engines.embedded.orders import Order
from workbench.engines.embedded.security import Security, subscribed
from workbench.engines.embedded.slices import QuoteBar, Symbol, TradeBar, bar_of
from workbench.engines.embedded.times_in_force import TimeInForce
from workbench.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engines.embedded.backtest import Backtest

MODES = (DataNormalizationMode.RAW, DataNormalizationMode.ADJUSTED, DataNormalizationMode.SPLIT_ADJUSTED,
         DataNormalizationMode.TOTAL_RETURN)
NOT_ADDED = ("The ticker {} was not found in the SymbolCache. Use the Symbol object as key instead. Accessing the securities "
             "collection/slice object by string ticker is only available for securities added with the add_security-family "
             "methods. For more details, please check out the documentation.")


class EquityHolding(ClrObject):
    """What the account holds of one stock."""

    def __init__(self, security: Security) -> None:
        self._security = security

    @property
    def symbol(self) -> Symbol:
        symbol: Symbol = self._security.symbol
        return symbol

    @property
    def type(self) -> SecurityType:
        return SecurityType.EQUITY

    @property
    def quantity(self) -> float:
        return real(self._security.quantity)

    @property
    def absolute_quantity(self) -> float:
        return real(abs(self._security.quantity))

    @property
    def average_price(self) -> float:
        return real(self._security.average_price)

    @property
    def price(self) -> float:
        return real(self._security.price)

    @property
    def holdings_value(self) -> float:
        return real(self._security.quantity * self._security.price)

    @property
    def absolute_holdings_value(self) -> float:
        return abs(self.holdings_value)

    @property
    def holdings_cost(self) -> float:
        return real(self._cost)

    @property
    def absolute_holdings_cost(self) -> float:
        return real(abs(self._cost))

    @property
    def unlevered_holdings_cost(self) -> float:
        return real(self._cost / self._security.leverage)

    @property
    def unlevered_absolute_holdings_cost(self) -> float:
        return abs(self.unlevered_holdings_cost)

    @property
    def unrealized_profit(self) -> float:
        """What closing now would leave: the profit at the price, less the fee of the closing order."""
        return real(self._unrealized)

    @property
    def unrealized_profit_percent(self) -> float:
        return real(self._unrealized / abs(self._cost)) if self._cost else 0.0

    @property
    def profit(self) -> float:
        return real(self._security.profit)

    @property
    def net_profit(self) -> float:
        return real(self._security.profit - self._security.fees)

    @property
    def last_trade_profit(self) -> float:
        return real(self._security.last_trade_profit)

    @property
    def total_fees(self) -> float:
        return real(self._security.fees)

    @property
    def total_dividends(self) -> float:
        return real(self._security.dividends)

    @property
    def total_sale_volume(self) -> float:
        return real(self._security.sale_volume)

    @property
    def invested(self) -> bool:
        return bool(self._security.quantity)

    @property
    def hold_stock(self) -> bool:
        return self.invested

    @property
    def is_long(self) -> bool:
        return self._security.quantity > 0

    @property
    def is_short(self) -> bool:
        return self._security.quantity < 0

    @property
    def leverage(self) -> float:
        return real(self._security.leverage)

    @property
    def _cost(self) -> Decimal:
        return self._security.quantity * self._security.average_price

    @property
    def _unrealized(self) -> Decimal:
        return unrealized_after_fee(self._security)


class SubscriptionDataConfig(ClrObject):
    """What a stock is subscribed with."""

    security_type = SecurityType.EQUITY
    market = "usa"
    fill_data_forward = True
    extended_market_hours = is_internal_feed = is_custom_data = False

    def __init__(self, security: Security, tick_type: TickType) -> None:
        self.tick_type, self.type = tick_type, QuoteBar if tick_type is TickType.QUOTE else TradeBar
        self.symbol, self.resolution = security.symbol, security.resolution
        self.data_normalization_mode = security.mode


class Equity(ClrOwner):
    """`self.securities[symbol]`."""

    symbol: Symbol
    exchange: EquityExchange
    symbol_properties: SymbolProperties
    holdings: EquityHolding
    buying_power_model: SecurityMarginModel
    type = SecurityType.EQUITY
    is_fill_data_forward = True
    is_extended_market_hours = False

    def __init__(self, security: Security, run: "Backtest") -> None:
        self._security, self._run = security, run
        self.symbol = security.symbol
        self.exchange = EquityExchange(run)
        self.symbol_properties = SymbolProperties()
        self.holdings = EquityHolding(security)
        self._fill_model: Any = EquityFillModel()
        self._last: tuple[datetime, Decimal, TradeBar] | None = None    # the newest real bar, once asked for: its end and price
        self.buying_power_model = SecurityMarginModel(security.leverage)

    @property
    def resolution(self) -> Resolution:
        return self._security.resolution

    @property
    def subscriptions(self) -> Enumerable:
        kinds = (TickType.TRADE, TickType.QUOTE) if self.resolution is Resolution.MINUTE else (TickType.TRADE,)
        return memoizing("SubscriptionDataConfig")([SubscriptionDataConfig(self._security, kind) for kind in kinds])

    @property
    def price(self) -> float:
        return real(self._security.price)

    @property
    def close(self) -> float:
        return real(self._security.price)

    @property
    def open(self) -> float:
        return real(self._security.field("open"))

    @property
    def high(self) -> float:
        return real(self._security.field("high"))

    @property
    def low(self) -> float:
        return real(self._security.field("low"))

    @property
    def volume(self) -> float:
        return real(self._security.volume)

    @property
    def bid_price(self) -> float:
        return self._side("bid")

    @property
    def ask_price(self) -> float:
        return self._side("ask")

    @property
    def bid_size(self) -> float:
        return self._size("bid")

    @property
    def ask_size(self) -> float:
        return self._size("ask")

    @property
    def has_data(self) -> bool:
        return self._security.row >= 0

    @property
    def is_tradable(self) -> bool:
        return self._security.tradable

    @is_tradable.setter
    def is_tradable(self, value: bool) -> None:
        self._security.tradable = value

    @property
    def is_delisted(self) -> bool:
        return self._security.delisted

    @property
    def invested(self) -> bool:
        return bool(self._security.quantity)

    @property
    def hold_stock(self) -> bool:
        return self.invested

    @property
    def local_time(self) -> datetime:
        return self._run.local

    @property
    def leverage(self) -> float:
        return real(self._security.leverage)

    @property
    def fee_model(self) -> Any:
        return self._security.fee_model

    @fee_model.setter
    def fee_model(self, model: Any) -> None:
        self._security.fee_model = model

    @property
    def slippage_model(self) -> Any:
        return self._security.slippage_model

    @slippage_model.setter
    def slippage_model(self, model: Any) -> None:
        self._security.slippage_model = model

    @property
    def fill_model(self) -> Any:
        return self._fill_model

    @fill_model.setter
    def fill_model(self, model: Any) -> None:
        self._fill_model = model
        self._security.fill_model = None if type(model) is EquityFillModel else model

    @property
    def data_normalization_mode(self) -> DataNormalizationMode:
        return self._security.mode

    def get_last_data(self) -> TradeBar | None:
        """The newest real bar, None before the first."""
        security = self._security
        end, price = security.bar_end, security.price
        if end is None:
            return None
        if self._last is None or self._last[:2] != (end, price):        # a split changes the price between two bars
            self._last = end, price, bar_of(security, security.bar_start, end, filled_forward=False)
        return self._last[2]

    @overloaded
    def set_leverage(self, leverage: Any) -> None:
        self._security.set_leverage(decimal(leverage))
        self.buying_power_model = SecurityMarginModel(leverage)
        self._run.account.touch()

    def set_fee_model(self, fee_model: Any) -> None:
        self.fee_model = fee_model

    def set_slippage_model(self, slippage_model: Any) -> None:
        self.slippage_model = slippage_model

    def set_fill_model(self, fill_model: Any) -> None:
        self.fill_model = fill_model

    def set_buying_power_model(self, buying_power_model: Any) -> None:
        """Lean's margin model of another leverage; no other."""
        if type(buying_power_model) is not SecurityMarginModel:
            raise NotSupported("set_buying_power_model")
        self.set_leverage(buying_power_model.leverage)

    set_margin_model = set_buying_power_model

    def set_data_normalization_mode(self, mode: DataNormalizationMode) -> None:
        if self._run.initialized:
            raise NotSupported("set_data_normalization_mode after initialize")
        self._security.mode = mode

    def get(self, name: str) -> Any:
        """A value that the algorithm has hung on the security."""
        return self[name]

    def set(self, name: str, value: Any) -> None:
        self[name] = value

    def _side(self, name: str) -> float:
        quote = self._security.quote
        side = getattr(quote, name) if quote is not None else None
        return real(self._security.price if side is None else side.close)

    def _size(self, name: str) -> float:
        quote = self._security.quote
        side = getattr(quote, name) if quote is not None else None
        return 0.0 if side is None else real(side.volume)

    def __getitem__(self, name: str) -> Any:
        found = vars(self).get("_hung", {})
        if name not in found:
            raise KeyNotFoundException(f"Property with name '{name}' does not exist.")
        return found[name]

    def __setitem__(self, name: str, value: Any) -> None:
        vars(self).setdefault("_hung", {})[name] = value

    def __str__(self) -> str:
        return str(self.symbol)


class SubscriptionDataConfigService(ClrObject):
    """What stocks are subscribed with, asked by symbol."""

    def __init__(self, securities: "SecurityManager") -> None:
        self._securities = securities

    def get_subscription_data_configs(self, symbol: Any) -> list[SubscriptionDataConfig]:
        found = self._securities.find(symbol)
        return [] if found is None else list(found.face.subscriptions)


class SubscriptionManager(ClrObject):
    """`self.subscription_manager`: what all stocks are subscribed with, in order of subscription."""

    def __init__(self, securities: "SecurityManager") -> None:
        self._securities = securities
        self.subscription_data_config_service = SubscriptionDataConfigService(securities)

    @property
    def subscriptions(self) -> Enumerable:
        return Enumerable([config for face in self._securities.values() for config in face.subscriptions])

    @property
    def count(self) -> int:
        return sum(1 for _ in self.subscriptions)


class SecurityManager(ClrObject):
    """`self.securities`: subscribed stocks by symbol or ticker, in order of subscription."""

    def __init__(self, run: "Backtest") -> None:
        self._run = run
        self._by_symbol: dict[Symbol, Security] = {}

    def subscribe(self, ticker: str, resolution: Resolution, mode: DataNormalizationMode) -> Security:
        """Subscribe, or find the subscription that is there."""
        if resolution not in (Resolution.DAILY, Resolution.MINUTE):
            raise NotSupported(f"{resolution} data")
        if mode not in MODES:
            raise NotSupported(f"prices normalized as {mode}")
        symbol = self._run.feed.resolve(ticker)
        known = self._by_symbol.get(symbol)
        if known is not None:
            return known
        security = subscribed(len(self._by_symbol), symbol, resolution, mode, self._run.tape)
        self._by_symbol[symbol] = security
        self._run.account.securities.append(security)
        security.face = Equity(security, self._run)
        return security

    def find(self, key: Any) -> Security | None:
        """The subscription of a symbol, a ticker or a security."""
        if isinstance(key, Symbol):
            return self._by_symbol.get(key)
        if isinstance(key, Equity):
            return key._security
        return next((security for symbol, security in self._by_symbol.items() if symbol == key), None)

    @property
    def count(self) -> int:
        return len(self._by_symbol)

    def keys(self) -> list[Symbol]:
        return list(self._by_symbol)

    def values(self) -> list[Equity]:
        return [security.face for security in self._by_symbol.values()]

    def items(self) -> list[tuple[Symbol, Equity]]:
        return [(symbol, security.face) for symbol, security in self._by_symbol.items()]

    @property
    def total(self) -> list[Equity]:
        return self.values()

    def contains_key(self, key: Any) -> bool:
        return self.find(key) is not None

    def get(self, key: Any, default_value: Any = None) -> Any:
        found = self.find(key)
        return default_value if found is None else found.face

    def try_get_value(self, key: Any, default_value: Any = None) -> tuple[bool, Any]:
        return self.contains_key(key), self.get(key, default_value)

    def __contains__(self, key: object) -> bool:
        return self.find(key) is not None

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return (KeyValuePair(symbol, security.face) for symbol, security in self._by_symbol.items())

    def __getitem__(self, key: Any) -> Equity:
        found = self.find(key)
        if found is None:
            raise KeyNotFoundException(NOT_ADDED.format(key))
        face: Equity = found.face
        return face


def unrealized_after_fee(security: Security) -> Decimal:
    """Profit of closing on the other side of the newest quote, or at the newest price, less a market order's fee."""
    if not security.quantity:
        return ZERO
    quote, price = security.quote, security.price
    side = None if quote is None else quote.bid if security.quantity > 0 else quote.ask
    if side is not None:
        price = side.close
    closing = Order(OrderType.MARKET, security, -security.quantity, "", TimeInForce.GOOD_TIL_CANCELED, 0)
    held = security.quantity
    return added(product(price, held), product(security.average_price, -held), -fee_of(closing))
