"""`QCAlgorithm` as the embedded engine gives it: what portfolio algorithms on US equities call, and Lean's answers."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from workbench.engines.embedded import targets
from workbench.engines.embedded.backtest import Backtest, add_scheduled
from workbench.engines.embedded.book import no_price
from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import ArgumentException, ClrObject, InvalidOperationException, decimal
from workbench.engines.embedded.enums import (
    AccountType,
    BrokerageName,
    DataNormalizationMode,
    OrderStatus,
    OrderType,
    Resolution,
)
from workbench.engines.embedded.models import BrokerageModel, brokerage_model
from workbench.engines.embedded.orders import Order, OrderProperties, OrderTicket
from workbench.engines.embedded.portfolio import Equity, Portfolio, Securities
from workbench.engines.embedded.schedule import DateRules, ScheduledEvent, TimeRules
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.slices import Symbol
from workbench.engines.embedded.transactions import Transactions
from workbench.errors import NotSupported

CONVERTED_TO_OPEN = ("Warning: market orders submitted while the market is closed are automatically converted into MarketOnOpen "
                     "orders to fill at the next market open.")
CONVERTED_TO_CLOSE = ("Warning: market orders on daily resolution data sent during market hours are automatically converted into "
                      "MarketOnClose orders (or MarketOnOpen near the close) to avoid filling at the stale previous close. Note: "
                      "in live trading this conversion is not applied, as the order fills at the current market price.")
CLOSE_BUFFER = timedelta(minutes=15, seconds=30)


class PortfolioTarget(ClrObject):
    """A symbol and the share of the portfolio, or the quantity, it should have."""

    def __init__(self, symbol: Any, quantity: Any, tag: str = "") -> None:
        self.symbol, self.tag = symbol, tag
        self._quantity = decimal(quantity)

    @property
    def quantity(self) -> float:
        return float(self._quantity)

    @staticmethod
    def percent(algorithm: "QCAlgorithm", symbol: Any, percent: Any) -> "PortfolioTarget | None":
        """The target quantity that a share of the portfolio comes to; None where the security has no price."""
        security = algorithm._security(symbol)
        if security.price == 0:
            algorithm._run.error(f"{security.symbol}: has no price yet; no target can be computed")
            return None
        quantity = algorithm._quantity_for(security, decimal(percent))
        return PortfolioTarget(security.symbol, security.quantity + quantity)


class AlgorithmSettings(ClrObject):
    """`self.settings`."""

    clr_name = "QuantConnect.AlgorithmSettings"

    def __init__(self) -> None:
        self.free_portfolio_value_percentage: Any = 0.0025
        self.free_portfolio_value: Any = None
        self.minimum_order_margin_portfolio_percentage: Any = 0.001
        self.max_absolute_portfolio_target_percentage: Any = 1e9
        self.min_absolute_portfolio_target_percentage: Any = 1e-10
        self.liquidate_enabled = True
        self.daily_precise_end_time = True
        self.stale_price_time_span = timedelta(hours=1)
        self.seed_initial_prices = False
        self.trading_days_per_year: int | None = None

    def sizes(self) -> targets.Sizes:
        """The part that sizing reads, exact."""
        free = self.free_portfolio_value
        return targets.Sizes(decimal(self.free_portfolio_value_percentage), None if free is None else decimal(free),
                             decimal(self.minimum_order_margin_portfolio_percentage))

    def check(self) -> None:
        """Raise for a setting whose effect the embedded engine does not have."""
        if not self.daily_precise_end_time:
            raise NotSupported("settings.daily_precise_end_time = False")
        if self.seed_initial_prices:
            raise NotSupported("settings.seed_initial_prices")


class UniverseSettings(ClrObject):
    """`self.universe_settings`: the defaults of `add_equity`."""

    def __init__(self) -> None:
        self.resolution = Resolution.MINUTE
        self.data_normalization_mode = DataNormalizationMode.ADJUSTED
        self.leverage = 0.0
        self.fill_forward = True
        self.extended_market_hours = False


class ScheduleManager(ClrObject):
    """`self.schedule`."""

    def __init__(self, run: Backtest) -> None:
        self._run = run

    def on(self, *arguments: Any) -> ScheduledEvent:
        """on([name,] date rule, time rule, callback)."""
        name = None
        if len(arguments) == 4:
            name, *rest = arguments
            arguments = tuple(rest)
        date_rule, time_rule, callback = arguments
        return add_scheduled(self._run, date_rule, time_rule, callback, name)

    def remove(self, event: ScheduledEvent) -> None:
        self._run.schedule.remove(event)


class QCAlgorithm(ClrObject):
    """Base of every algorithm. Numbers come back as floats, times without a zone in New York's."""

    _starting: ClassVar[Backtest | None] = None
    _parameters: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        run = QCAlgorithm._starting
        if run is None:
            raise InvalidOperationException("a QCAlgorithm is created by the engine, not by hand")
        self._run = run
        self.settings = AlgorithmSettings()
        self.universe_settings = UniverseSettings()
        self.default_order_properties = OrderProperties()
        self.date_rules = DateRules(run.hours, lambda: run.local.date())
        self.time_rules = TimeRules(run.hours)
        self.schedule = ScheduleManager(run)
        self.securities = Securities(run)
        self.portfolio = Portfolio(run, self.securities)
        self.transactions = Transactions(run, self.securities)
        self.runtime_statistics: dict[str, str] = {}
        self.name = "local"
        self.algorithm_id = ""
        self.live_mode = False

    # Callbacks, for an algorithm to define.

    def initialize(self) -> None: ...

    def on_data(self, data: Any) -> None: ...

    def on_order_event(self, event: Any) -> None: ...

    def on_end_of_day(self, symbol: Any) -> None: ...

    def on_end_of_algorithm(self) -> None: ...

    def on_splits(self, splits: Any) -> None: ...

    def on_dividends(self, dividends: Any) -> None: ...

    def on_delistings(self, delistings: Any) -> None: ...

    def on_symbol_changed_events(self, changes: Any) -> None: ...

    # Time and parameters.

    @property
    def time(self) -> datetime:
        return self._run.local

    @property
    def utc_time(self) -> datetime:
        return utc_time(self._run.utc)

    @property
    def start_date(self) -> datetime:
        return datetime.combine(self._run.start, time())

    @property
    def end_date(self) -> datetime:
        return datetime.combine(self._run.end, time.max)

    @property
    def is_warming_up(self) -> bool:
        return self._run.warming_up

    @property
    def brokerage_model(self) -> BrokerageModel:
        return self._run.brokerage

    def get_parameter(self, name: str, default: Any = None) -> Any:
        """A parameter's text, or, with a number as the default, the number; the default where it does not read as one."""
        text = QCAlgorithm._parameters.get(name)
        if text is None:
            return default
        if isinstance(default, int | float) and not isinstance(default, bool):
            try:
                return type(default)(text)
            except ValueError:
                return default
        return text

    def get_parameters(self) -> dict[str, str]:
        return dict(QCAlgorithm._parameters)

    def set_start_date(self, *when: Any) -> None:
        self._only_at_the_start("Date Invalid: self.set_start_date(): Cannot change start date after algorithm initialized.")
        self._run.set_dates(start=_date(when))

    def set_end_date(self, *when: Any) -> None:
        self._only_at_the_start("Date Invalid: self.set_end_date(): Cannot change end date after algorithm initialized.")
        self._run.set_dates(end=_date(when))

    def set_cash(self, cash: Any) -> None:
        if isinstance(cash, str):
            raise TypeError("No method matches given arguments for set_cash: (<class 'str'>)")
        self._only_at_the_start("self.set_cash(): Cannot change cash available after algorithm initialized.")
        self._run.account.cash = decimal(cash)

    def set_brokerage_model(self, name: Any, account_type: AccountType = AccountType.MARGIN) -> None:
        if not isinstance(name, BrokerageName):
            raise NotSupported("a brokerage model of the algorithm's own")
        self._run.brokerage = brokerage_model(name, account_type)
        self._run.account.delayed = account_type is AccountType.CASH
        if not self._run.initialized:
            for security in self._run.securities:
                self.securities.apply_brokerage(security)

    def set_benchmark(self, benchmark: Any) -> None:
        """A benchmark moves no order; only a function of time is taken."""
        if not callable(benchmark):
            raise NotSupported("set_benchmark with a symbol")

    def set_warm_up(self, period: timedelta | int, resolution: Resolution | None = None) -> None:
        """Data before the first day, in which orders are refused: a span of time, or a count of each subscription's bars."""
        if self._run.initialized:
            raise InvalidOperationException("self.set_warmup(): This method cannot be used after algorithm initialized")
        self._run.warm_up, self._run.warm_up_resolution = period, resolution

    set_warmup = set_warm_up

    def set_time_zone(self, zone: Any) -> None:
        if self._run.initialized:
            raise InvalidOperationException("self.set_time_zone(): Cannot change time zone after algorithm running.")
        if str(zone) != "America/New_York":
            raise NotSupported("set_time_zone other than America/New_York")

    def quit(self, message: str = "") -> None:
        """End the run after this step."""
        self._run.log.debug(f"Quit(): {message}", self._run.local)
        self._run.stopped = message or "quit"

    # Subscriptions.

    def add_equity(self, ticker: str, resolution: Resolution | None = None, market: str | None = None,
                   fill_forward: bool = True, leverage: float = 0.0, extended_market_hours: bool = False,
                   data_normalization_mode: DataNormalizationMode | None = None) -> Equity:
        """Subscribe to a stock. A ticker means the company that has it today."""
        if self._run.initialized:
            raise NotSupported("add_equity after initialize")
        if market not in (None, "usa") or not fill_forward or extended_market_hours:
            raise NotSupported("add_equity with another market, without fill-forward, or with extended hours")
        mode = self.universe_settings.data_normalization_mode if data_normalization_mode is None else data_normalization_mode
        security = self.securities.add(ticker, self.universe_settings.resolution if resolution is None else resolution, mode)
        if leverage:
            security.set_leverage(decimal(leverage))
        face: Equity = security.face
        return face

    def symbol(self, ticker: str) -> Symbol:
        found = self.securities.find(ticker)
        if found is None:
            raise InvalidOperationException(f"We were unable to locate the ticker '{ticker}'.")
        symbol: Symbol = found.symbol
        return symbol

    def is_market_open(self, symbol: Any) -> bool:
        return self._run.hours.is_open(self._run.local)

    # Orders.

    def market_order(self, symbol: Any, quantity: Any, asynchronous: bool = False, tag: str | None = "",
                     order_properties: OrderProperties | None = None) -> OrderTicket:
        """At the market. Closed, or with daily bars, Lean turns it into an order for the open or the close."""
        security, run = self._security(symbol), self._run
        if run.warming_up:
            return self._submit(OrderType.MARKET, security, quantity, tag, order_properties)
        if not run.hours.is_open(run.local):
            run.log.debug_once(CONVERTED_TO_OPEN, run.local)
            return self._submit(OrderType.MARKET_ON_OPEN, security, quantity, tag, order_properties)
        if security.resolution is Resolution.DAILY:
            run.log.debug_once(CONVERTED_TO_CLOSE, run.local)
            late = run.hours.next_close(run.local) - run.local < CLOSE_BUFFER
            kind = OrderType.MARKET_ON_OPEN if late else OrderType.MARKET_ON_CLOSE
            return self._submit(kind, security, quantity, tag, order_properties)
        return self._submit(OrderType.MARKET, security, quantity, tag, order_properties)

    def market_on_open_order(self, symbol: Any, quantity: Any, asynchronous: bool = False, tag: str | None = "",
                             order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.MARKET_ON_OPEN, self._security(symbol), quantity, tag, order_properties)

    def market_on_close_order(self, symbol: Any, quantity: Any, asynchronous: bool = False, tag: str | None = "",
                              order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.MARKET_ON_CLOSE, self._security(symbol), quantity, tag, order_properties)

    def limit_order(self, symbol: Any, quantity: Any, limit_price: Any, asynchronous: bool = False, tag: str | None = "",
                    order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.LIMIT, self._security(symbol), quantity, tag, order_properties, limit=limit_price)

    def stop_market_order(self, symbol: Any, quantity: Any, stop_price: Any, asynchronous: bool = False, tag: str | None = "",
                          order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.STOP_MARKET, self._security(symbol), quantity, tag, order_properties, stop=stop_price)

    def stop_limit_order(self, symbol: Any, quantity: Any, stop_price: Any, limit_price: Any, asynchronous: bool = False,
                         tag: str | None = "", order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.STOP_LIMIT, self._security(symbol), quantity, tag, order_properties, stop=stop_price,
                            limit=limit_price)

    def limit_if_touched_order(self, symbol: Any, quantity: Any, trigger_price: Any, limit_price: Any, asynchronous: bool = False,
                               tag: str | None = "", order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.LIMIT_IF_TOUCHED, self._security(symbol), quantity, tag, order_properties,
                            trigger=trigger_price, limit=limit_price)

    def trailing_stop_order(self, symbol: Any, quantity: Any, trailing_amount: Any, trailing_as_percentage: bool,
                            asynchronous: bool = False, tag: str | None = "",
                            order_properties: OrderProperties | None = None) -> OrderTicket:
        security, amount = self._security(symbol), decimal(trailing_amount)
        distance = security.price * amount if trailing_as_percentage else amount
        stop = security.price - distance if decimal(quantity) < 0 else security.price + distance
        return self._submit(OrderType.TRAILING_STOP, security, quantity, tag, order_properties, stop=stop, trail=amount,
                            trail_is_percent=trailing_as_percentage)

    def set_holdings(self, *arguments: Any, tag: str | None = None) -> list[OrderTicket]:
        """set_holdings(symbol, weight[, liquidate_existing]) or set_holdings([PortfolioTarget, …][, liquidate_existing])."""
        first, rest = arguments[0], list(arguments[1:])
        if isinstance(first, list | tuple):
            wanted = [(self._security(target.symbol), target._quantity) for target in first]
        else:
            wanted = [(self._security(first), decimal(rest.pop(0)))]
        placed = self._liquidate_others({security.index for security, _ in wanted}, tag) if rest and rest[0] else []
        if self._run.warming_up:
            return placed
        sized = [(security, self._quantity_for(security, weight)) for security, weight in wanted if self._has_price(security)]
        for security, quantity in targets.order_of_sending([pair for pair in sized if abs(pair[1]) >= 1], self._run.book):
            left = targets.unordered(security, quantity, self._run.book)
            if left:
                placed.append(self.market_order(security.symbol, left, tag=tag or ""))
        return placed

    def calculate_order_quantity(self, symbol: Any, target: Any) -> float:
        """Shares to trade for a share of the portfolio."""
        return float(self._quantity_for(self._security(symbol), decimal(target)))

    def liquidate(self, symbol: Any = None, asynchronous: bool = False, tag: str | None = None,
                  order_properties: OrderProperties | None = None) -> list[OrderTicket]:
        """Take back open orders and close the position, of one symbol or of all, in order of ticker."""
        if not self.settings.liquidate_enabled:
            self._run.log.debug("Liquidate() is currently disabled by settings.", self._run.local)
            return []
        chosen = self._run.securities if symbol is None else [self._security(symbol)]
        tickets: list[OrderTicket] = []
        for security in sorted(chosen, key=lambda s: str(s.symbol)):
            tickets += self._liquidate(security, tag)
        return tickets

    # Words.

    def debug(self, message: Any) -> None:
        self._run.log.debug(str(message), self._run.local)

    def log(self, message: Any) -> None:
        self._run.log.log(str(message), self._run.local)

    def error(self, message: Any) -> None:
        self._run.log.error(str(message), self._run.local)

    def set_runtime_statistic(self, name: str, value: Any) -> None:
        self.runtime_statistics[name] = str(value)

    def plot(self, *_: Any) -> None:
        """Charts of an algorithm's own are not kept."""

    # Inside.

    def _security(self, symbol: Any) -> Security:
        found = self.securities.find(symbol)
        if found is None:
            raise NotSupported(f"trading {symbol}, which was not added in initialize,")
        return found

    def _submit(self, kind: OrderType, security: Security, quantity: Any, tag: str | None,
                properties: OrderProperties | None, **prices: Any) -> OrderTicket:
        if tag is not None and not isinstance(tag, str):
            raise TypeError(f"No method matches given arguments: a tag must be a str or None, not {type(tag).__name__}")
        chosen = self.default_order_properties if properties is None else properties
        order = Order(kind, security, decimal(quantity), tag or "", chosen.time_in_force, self._run.utc)
        for name, value in prices.items():
            setattr(order, name, value if isinstance(value, bool) else decimal(value))
        return self._run.book.submit(order)

    def _quantity_for(self, security: Security, weight: Decimal) -> Decimal:
        most, least = (decimal(self.settings.max_absolute_portfolio_target_percentage),
                       decimal(self.settings.min_absolute_portfolio_target_percentage))
        if abs(weight) > most or (weight and abs(weight) < least):
            self._run.error(f"The portfolio target percent: {weight}, does not comply with the current 'Algorithm.Settings' "
                            f"'MaxAbsolutePortfolioTargetPercentage': {most} or 'MinAbsolutePortfolioTargetPercentage': {least}. "
                            "Skipping")
            return Decimal(0)
        return targets.quantity_for(security, weight, self._run.account, self._run.book, self.settings.sizes())

    def _has_price(self, security: Security) -> bool:
        if security.price:
            return True
        self._run.error(no_price(security))
        return False

    def _liquidate_others(self, kept: set[int], tag: str | None) -> list[OrderTicket]:
        tickets: list[OrderTicket] = []
        for security in sorted(self._run.securities, key=lambda s: str(s.symbol)):
            if security.index not in kept:
                tickets += self._liquidate(security, tag)
        return tickets

    def _liquidate(self, security: Security, tag: str | None) -> list[OrderTicket]:
        book, words = self._run.book, tag if tag is not None else "Liquidated"
        market = [order for order in book.open_orders(security) if order.type is OrderType.MARKET]
        pending = sum((order.quantity - order.filled for order in market), Decimal(0))
        if len(market) == 1 and security.quantity + pending == 0:
            return []
        tickets = []
        for order in book.open_orders(security):
            if order.type is not OrderType.MARKET and order.status is not OrderStatus.CANCEL_PENDING:
                book.cancel(order, words)
        quantity = -security.quantity - pending
        if quantity:
            tickets.append(self.market_order(security.symbol, quantity, tag=words))
        return tickets

    def _only_at_the_start(self, message: str) -> None:
        if self._run.initialized:
            raise ArgumentException(message)


def _date(when: tuple[Any, ...]) -> date:
    if len(when) == 3:
        return date(*(int(part) for part in when))
    only = when[0]
    return only.date() if isinstance(only, datetime) else only
