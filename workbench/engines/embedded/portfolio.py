"""`self.securities` and `self.portfolio`: what an algorithm sees of its stocks and of the account."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from workbench.engines.embedded.clr import ClrObject, KeyNotFoundException, decimal
from workbench.engines.embedded.enums import DataNormalizationMode, Resolution, SecurityType
from workbench.engines.embedded.models import (
    EquityFillModel,
    InteractiveBrokersFeeModel,
    NullSlippageModel,
    SecurityMarginModel,
)
from workbench.engines.embedded.security import Security, subscribed
from workbench.engines.embedded.slices import KeyValuePair, Symbol, TradeBar, bar_of
from workbench.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engines.embedded.backtest import Backtest


class TimeZone(ClrObject):
    """The exchange's time zone."""

    def __str__(self) -> str:
        return "America/New_York"


class ExchangeHours(ClrObject):
    """`security.exchange.hours`."""

    def __init__(self, run: "Backtest") -> None:
        self._run = run
        self.time_zone = TimeZone()

    def get_next_market_open(self, local: datetime, extended_market_hours: bool) -> datetime:
        _regular_only(extended_market_hours)
        return self._run.hours.next_open(local)

    def get_next_market_close(self, local: datetime, extended_market_hours: bool) -> datetime:
        _regular_only(extended_market_hours)
        return self._run.hours.next_close(local)

    def is_date_open(self, when: datetime | date) -> bool:
        return self._run.hours.is_session(_day(when))

    def is_open(self, local: datetime, extended_market_hours: bool = False) -> bool:
        _regular_only(extended_market_hours)
        return self._run.hours.is_open(local)


class Exchange(ClrObject):
    """`security.exchange`."""

    def __init__(self, run: "Backtest") -> None:
        self._run = run
        self.hours = ExchangeHours(run)

    @property
    def exchange_open(self) -> bool:
        return self._run.hours.is_open(self._run.local)

    def date_is_open(self, when: datetime | date) -> bool:
        return self._run.hours.is_session(_day(when))


class SymbolProperties(ClrObject):
    """`security.symbol_properties` of US equities."""

    def __init__(self) -> None:
        self.lot_size, self.minimum_price_variation, self.contract_multiplier = 1.0, 0.01, 1.0
        self.quote_currency = "USD"


class SecurityHolding(ClrObject):
    """What the account holds of one stock."""

    def __init__(self, security: Security) -> None:
        self._security = security

    @property
    def symbol(self) -> Symbol:
        symbol: Symbol = self._security.symbol
        return symbol

    @property
    def quantity(self) -> float:
        return float(self._security.quantity)

    @property
    def absolute_quantity(self) -> float:
        return float(abs(self._security.quantity))

    @property
    def average_price(self) -> float:
        return float(self._security.average_price)

    @property
    def price(self) -> float:
        return float(self._security.price)

    @property
    def holdings_value(self) -> float:
        return float(self._security.quantity * self._security.price)

    @property
    def absolute_holdings_value(self) -> float:
        return abs(self.holdings_value)

    @property
    def holdings_cost(self) -> float:
        return float(self._security.quantity * self._security.average_price)

    @property
    def unrealized_profit(self) -> float:
        """What closing now would leave: the profit at the price, less the fee of the closing order."""
        return float(self._unrealized())

    @property
    def unrealized_profit_percent(self) -> float:
        cost = abs(self._security.quantity * self._security.average_price)
        return float(self._unrealized() / cost) if cost else 0.0

    @property
    def profit(self) -> float:
        return float(self._security.profit)

    @property
    def last_trade_profit(self) -> float:
        return float(self._security.last_trade_profit)

    @property
    def total_fees(self) -> float:
        return float(self._security.fees)

    @property
    def total_sale_volume(self) -> float:
        return float(self._security.sale_volume)

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
        return float(self._security.leverage)

    def _unrealized(self) -> Any:
        return unrealized_after_fee(self._security)


MODES = (DataNormalizationMode.RAW, DataNormalizationMode.ADJUSTED, DataNormalizationMode.SPLIT_ADJUSTED,
         DataNormalizationMode.TOTAL_RETURN)


class Equity(ClrObject):
    """`self.securities[symbol]`."""

    def __init__(self, security: Security, run: "Backtest") -> None:
        self._security, self._run = security, run
        self.symbol = security.symbol
        self.exchange = Exchange(run)
        self.symbol_properties = SymbolProperties()
        self.holdings = SecurityHolding(security)
        self.fill_model = EquityFillModel()
        self.buying_power_model = SecurityMarginModel(security.leverage)

    @property
    def type(self) -> SecurityType:
        return SecurityType.EQUITY

    @property
    def resolution(self) -> Resolution:
        return self._security.resolution

    @property
    def price(self) -> float:
        return float(self._security.price)

    @property
    def close(self) -> float:
        return float(self._security.price)

    @property
    def open(self) -> float:
        return float(self._security.field("open"))

    @property
    def high(self) -> float:
        return float(self._security.field("high"))

    @property
    def low(self) -> float:
        return float(self._security.field("low"))

    @property
    def volume(self) -> float:
        return float(self._security.volume)

    @property
    def bid_price(self) -> float:
        return self._side("bid")

    @property
    def ask_price(self) -> float:
        return self._side("ask")

    def _side(self, name: str) -> float:
        quote = self._security.quote
        side = getattr(quote, name) if quote is not None else None
        return float(self._security.price if side is None else side.close)

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
    def local_time(self) -> datetime:
        return self._run.local

    @property
    def leverage(self) -> float:
        return float(self._security.leverage)

    @property
    def fee_model(self) -> Any:
        return self._security.fee_model

    @property
    def slippage_model(self) -> Any:
        return self._security.slippage_model

    @property
    def data_normalization_mode(self) -> DataNormalizationMode:
        return self._security.mode

    def get_last_data(self) -> TradeBar | None:
        """The newest real bar, None before the first."""
        security = self._security
        end = security.bar_end
        return None if end is None else bar_of(security, security.bar_start, end, filled_forward=False)

    def set_leverage(self, leverage: Any) -> None:
        self._security.set_leverage(decimal(leverage))
        self._run.account.touch()

    def set_fee_model(self, model: Any) -> None:
        self._security.fee_model = model

    def set_slippage_model(self, model: Any) -> None:
        self._security.slippage_model = model

    def set_fill_model(self, model: Any) -> None:
        if type(model) is not EquityFillModel:
            raise NotSupported("a fill model of the algorithm's own")

    def set_buying_power_model(self, model: Any) -> None:
        raise NotSupported("set_buying_power_model")

    def __str__(self) -> str:
        return str(self.symbol)


class Securities(ClrObject):
    """`self.securities`: subscribed stocks by symbol or ticker, in order of subscription."""

    def __init__(self, run: "Backtest") -> None:
        self._run = run
        self._by_symbol: dict[Symbol, Security] = {}

    def add(self, ticker: str, resolution: Resolution, mode: DataNormalizationMode) -> Security:
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
        self.apply_brokerage(security)
        security.face = Equity(security, self._run)
        return security

    def apply_brokerage(self, security: Security) -> None:
        """The brokerage's own models and leverage."""
        security.set_leverage(self._run.brokerage.leverage)
        security.fee_model, security.slippage_model = InteractiveBrokersFeeModel(), NullSlippageModel()

    def find(self, key: Any) -> Security | None:
        """The subscription of a symbol, a ticker or a security."""
        if isinstance(key, Equity):
            return key._security
        if isinstance(key, Symbol):
            return self._by_symbol.get(key)
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

    def contains_key(self, key: Any) -> bool:
        return self.find(key) is not None

    def get(self, key: Any, default: Any = None) -> Any:
        found = self.find(key)
        return default if found is None else found.face

    def __contains__(self, key: object) -> bool:
        return self.find(key) is not None

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return (KeyValuePair(symbol, security.face) for symbol, security in self._by_symbol.items())

    def __getitem__(self, key: Any) -> Equity:
        found = self.find(key)
        if found is None:
            raise KeyNotFoundException(
                f"The ticker {key} was not found in the SymbolCache. Use the Symbol object as key instead. Accessing the "
                "securities collection/slice object by string ticker is only available for securities added with the AddSecurity-"
                "family methods.")
        face: Equity = found.face
        return face


class Cash(ClrObject):
    """One currency of the cash book."""

    def __init__(self, run: "Backtest") -> None:
        self._run = run
        self.symbol = "USD"

    @property
    def amount(self) -> float:
        return float(self._run.account.cash)


class CashBook(ClrObject):
    """`self.portfolio.cash_book`."""

    def __init__(self, run: "Backtest") -> None:
        self._cash = Cash(run)

    def __getitem__(self, currency: str) -> Cash:
        if currency != "USD":
            raise KeyNotFoundException(f"This cash symbol ({currency}) was not found in your cash book.")
        return self._cash


class Portfolio(ClrObject):
    """`self.portfolio`: the account, and by symbol what it holds."""

    def __init__(self, run: "Backtest", securities: Securities) -> None:
        self._run, self._securities = run, securities
        self.cash_book = CashBook(run)

    @property
    def cash(self) -> float:
        return float(self._run.account.cash)

    @property
    def unsettled_cash(self) -> float:
        return float(self._run.account.unsettled)

    @property
    def total_portfolio_value(self) -> float:
        return float(self._run.account.value)

    @property
    def total_holdings_value(self) -> float:
        return float(sum(abs(s.quantity) * s.price for s in self._run.account.held))

    @property
    def total_fees(self) -> float:
        return float(self._run.account.fees)

    @property
    def total_profit(self) -> float:
        return float(self._run.account.profit)

    @property
    def total_sale_volume(self) -> float:
        return float(self._run.account.sale_volume)

    @property
    def total_unrealized_profit(self) -> float:
        return float(sum(unrealized_after_fee(s) for s in self._run.account.held))

    @property
    def total_unrealised_profit(self) -> float:
        return self.total_unrealized_profit

    @property
    def total_margin_used(self) -> float:
        return float(self._run.account.margin_used)

    @property
    def margin_remaining(self) -> float:
        return float(self._run.account.margin_remaining)

    @property
    def invested(self) -> bool:
        return bool(self._run.account.held)

    def get_buying_power(self, symbol: Any, direction: Any = None) -> float:
        return float(max(self._run.account.margin_remaining, decimal(0)))

    def keys(self) -> list[Symbol]:
        return self._securities.keys()

    def values(self) -> list[SecurityHolding]:
        return [face.holdings for face in self._securities.values()]

    def items(self) -> list[tuple[Symbol, SecurityHolding]]:
        return [(symbol, face.holdings) for symbol, face in self._securities.items()]

    def contains_key(self, key: Any) -> bool:
        return key in self._securities

    def __contains__(self, key: object) -> bool:
        return key in self._securities

    def __len__(self) -> int:
        return len(self._securities)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return (KeyValuePair(pair.key, pair.value.holdings) for pair in self._securities)

    def __getitem__(self, key: Any) -> SecurityHolding:
        return self._securities[key].holdings


def unrealized_after_fee(security: Security) -> Any:
    """Profit of closing at the newest price, less the fee of a market order for it."""
    from workbench.engines.embedded.enums import OrderType
    from workbench.engines.embedded.models import fee_of
    from workbench.engines.embedded.orders import Order
    from workbench.engines.embedded.times_in_force import TimeInForce

    if not security.quantity:
        return decimal(0)
    closing = Order(OrderType.MARKET, security, -security.quantity, "", TimeInForce.GOOD_TIL_CANCELED, 0)
    return security.unrealized - fee_of(closing)


def _regular_only(extended: bool) -> None:
    if extended:
        raise NotSupported("extended market hours")


def _day(when: datetime | date) -> date:
    return when.date() if isinstance(when, datetime) else when
