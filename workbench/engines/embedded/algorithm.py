"""`QCAlgorithm` as the embedded engine gives it: what portfolio algorithms on US equities call, and Lean's answers."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from workbench.engines.embedded import targets
from workbench.engines.embedded.backtest import Backtest
from workbench.engines.embedded.book import no_price
from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import (
    ZERO,
    ArgumentException,
    ClrObject,
    InvalidOperationException,
    NoMatch,
    NullReferenceException,
    ReadOnlyDictionary,
    decimal,
    flag,
    memoizing,
    overloaded,
    real,
    snake,
    text,
)
from workbench.engines.embedded.enums import (
    AccountType,
    AlgorithmMode,
    BrokerageName,
    DataNormalizationMode,
    DeploymentTarget,
    OrderStatus,
    OrderType,
    Resolution,
    SecurityType,
)
from workbench.engines.embedded.exchange import NEW_YORK
from workbench.engines.embedded.history import History
from workbench.engines.embedded.initializers import Initializers
from workbench.engines.embedded.models import DefaultBrokerageModel, brokerage_model
from workbench.engines.embedded.object_store import ObjectStore
from workbench.engines.embedded.orders import Order, OrderTicket
from workbench.engines.embedded.portfolio import SecurityPortfolioManager
from workbench.engines.embedded.rules import DateRules, TimeRules
from workbench.engines.embedded.schedule import FuncDateRule, FuncTimeRule, ScheduledEvent, moments_of
from workbench.engines.embedded.securities import Equity, SecurityManager, SubscriptionManager
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.settings import AlgorithmSettings, UniverseSettings
from workbench.engines.embedded.slices import Slice, Symbol, SymbolDictionary, TradeBar
from workbench.engines.embedded.times_in_force import GoodTilDateTimeInForce, TimeInForce
from workbench.engines.embedded.transactions import SecurityTransactionManager
from workbench.engines.embedded.views import MarketOnCloseOrder, OrderProperties
from workbench.errors import NotSupported

CONVERTED_TO_OPEN = ("Warning: market orders submitted while the market is closed are automatically converted into MarketOnOpen "
                     "orders to fill at the next market open.")
CONVERTED_TO_CLOSE = ("Warning: market orders on daily resolution data sent during market hours are automatically converted into "
                      "MarketOnClose orders (or MarketOnOpen near the close) to avoid filling at the stale previous close. Note: "
                      "in live trading this conversion is not applied, as the order fills at the current market price.")
NO_DATE = ("Warning: Good-Til-Date Time-In-Force is not supported for MOO and MOC orders. The time-in-force will be reset to "
           "Good-Til-Canceled (GTC).")
NO_LIQUIDATION = "Liquidate() is currently disabled by settings. To re-enable please set 'Settings.LiquidateEnabled' to true"
NOT_ADDED = ("Warning: liquidate ignored symbol '{}' because it has not been added to the algorithm. Add the security before "
             "liquidating it.")


class PortfolioTarget(ClrObject):
    """A symbol and the share of the portfolio, or the quantity, it should have."""

    def __init__(self, symbol: Any, quantity: Any, tag: str = "") -> None:
        self.symbol, self.tag = symbol, tag
        self._quantity = decimal(quantity)

    @property
    def quantity(self) -> float:
        return real(self._quantity)

    @staticmethod
    def percent(algorithm: "QCAlgorithm", symbol: Any, percent: Any, return_delta_quantity: bool = False,
                tag: str = "") -> "PortfolioTarget | None":
        """The target quantity that a share of the portfolio comes to; None where the security has no price."""
        security = algorithm._security(symbol)
        if not algorithm._has_price(security):
            return None
        quantity = algorithm._sized(security, decimal(percent), algorithm._sizing())
        return PortfolioTarget(security.symbol, quantity if return_delta_quantity else security.quantity + quantity, tag)


class ScheduleManager(ClrObject):
    """`self.schedule`."""

    def __init__(self, run: Backtest, date_rules: DateRules, time_rules: TimeRules) -> None:
        self._run, self.date_rules, self.time_rules = run, date_rules, time_rules

    @overloaded
    def on(self, *arguments: Any) -> ScheduledEvent:
        """on([name,] date rule, time rule, callback)."""
        name, date_rule, time_rule, callback = arguments if len(arguments) == 4 else (None, *arguments)
        if not isinstance(date_rule, FuncDateRule) or not isinstance(time_rule, FuncTimeRule) or not callable(callback):
            raise NoMatch("a date rule, a time rule and a callback")
        first = utc_time(self._run.utc).date() - timedelta(days=1)      # as Lean: what is past by then is left out
        moments = partial(moments_of, date_rule, time_rule)
        event = ScheduledEvent(name or f"{date_rule.name}: {time_rule.name}", moments, callback, first)
        self._run.schedule.add(event, self._run.utc)
        return event

    def training(self, date_rule: FuncDateRule, time_rule: FuncTimeRule, training_code: Any) -> ScheduledEvent:
        event: ScheduledEvent = self.on(date_rule, time_rule, training_code)
        return event

    def training_now(self, training_code: Any) -> ScheduledEvent:
        return self.training(self.date_rules.today, self.time_rules.now, training_code)

    def remove(self, scheduled_event: ScheduledEvent) -> None:
        self._run.schedule.remove(scheduled_event)


class QCAlgorithm(ClrObject):
    """Base of every algorithm. Numbers come back as floats, times without a zone in New York's."""

    _starting: ClassVar[Backtest | None] = None
    _parameters: ClassVar[dict[str, str]] = {}
    MAX_NAME_AND_TAGS_LENGTH: ClassVar[int] = 200
    MAX_TAGS_COUNT: ClassVar[int] = 100
    _store: ClassVar[str] = "./storage"             # the config's object-store-root

    def __init__(self) -> None:
        run = QCAlgorithm._starting
        if run is None:
            raise InvalidOperationException("a QCAlgorithm is created by the engine, not by hand")
        self._run = run
        Symbol._resolve = run.feed.resolve
        self.settings = AlgorithmSettings()
        self.universe_settings = UniverseSettings()
        self.default_order_properties = OrderProperties()
        self.date_rules = DateRules(run.hours, lambda: run.local.date())
        self.time_rules = TimeRules(run.hours, lambda: run.local)
        self.schedule = ScheduleManager(run, self.date_rules, self.time_rules)
        self.securities = SecurityManager(run)
        self.portfolio = SecurityPortfolioManager(run, self.securities)
        self.transactions = SecurityTransactionManager(run, self.securities)
        self.object_store = ObjectStore(Path(QCAlgorithm._store))
        self.runtime_statistics: dict[str, str] = {}
        self.summary_statistics: dict[str, str] = {}
        self.tags: set[str] = set()
        self.name = "local"
        self.algorithm_id = ""
        self.live_mode = False
        self.algorithm_mode, self.deployment_target = AlgorithmMode.BACKTESTING, DeploymentTarget.LOCAL_PLATFORM
        self.subscription_manager = SubscriptionManager(self.securities)
        self.time_zone = NEW_YORK
        self._history = History(self)
        self._initializers = Initializers(run)

    def __setattr__(self, name: str, value: Any) -> None:
        """A PascalCase name of Lean's is its snake_case one."""
        if name[:1].isupper() and (snake(name) in vars(self) or any(snake(name) in vars(base) for base in type(self).__mro__)):
            name = snake(name)
        object.__setattr__(self, name, value)

    # Callbacks, for an algorithm to define.

    def initialize(self) -> None: ...

    def on_data(self, slice: Any) -> None: ...

    def on_order_event(self, order_event: Any) -> None: ...

    def on_end_of_day(self, symbol: Any) -> None: ...

    def on_end_of_algorithm(self) -> None: ...

    def on_splits(self, splits: Any) -> None: ...

    def on_dividends(self, dividends: Any) -> None: ...

    def on_delistings(self, delistings: Any) -> None: ...

    def on_symbol_changed_events(self, symbols_changed: Any) -> None: ...

    def on_securities_changed(self, changes: Any) -> None: ...

    def on_warmup_finished(self) -> None: ...

    def on_margin_call(self, requests: Any) -> Any:
        return requests

    def on_margin_call_warning(self) -> None: ...

    def on_brokerage_message(self, message_event: Any) -> None: ...

    def on_brokerage_disconnect(self) -> None: ...

    def on_brokerage_reconnect(self) -> None: ...

    def on_command(self, data: Any) -> bool | None: ...

    def on_assignment_order_event(self, assignment_event: Any) -> None: ...

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
    def current_slice(self) -> Slice | None:
        """What arrived last; None before the first slice."""
        return self._run.slice

    @property
    def is_warming_up(self) -> bool:
        return self._run.warming_up

    @property
    def brokerage_model(self) -> DefaultBrokerageModel:
        return self._run.brokerage

    def get_parameter(self, name: str, default_value: Any = None) -> Any:
        """A parameter's text, or, with a number as the default, the number; the default where it does not read as one."""
        text = QCAlgorithm._parameters.get(name)
        if text is None:
            return default_value
        if isinstance(default_value, int | float) and not isinstance(default_value, bool):
            try:
                return type(default_value)(text)
            except ValueError:
                return default_value
        return text

    def get_parameters(self) -> ReadOnlyDictionary:
        return ReadOnlyDictionary(QCAlgorithm._parameters)

    @overloaded
    def set_start_date(self, *when: Any, **named: Any) -> None:
        day = _date(when, named)
        self._only_at_the_start("Date Invalid: self.set_start_date(): Cannot change start date after algorithm initialized.")
        self._run.set_dates(start=day)

    @overloaded
    def set_end_date(self, *when: Any, **named: Any) -> None:
        day = _date(when, named)
        self._only_at_the_start("Date Invalid: self.set_end_date(): Cannot change end date after algorithm initialized.")
        self._run.set_dates(end=day)

    @overloaded
    def set_cash(self, starting_cash: Any, *of_a_currency: Any) -> None:
        """set_cash(dollars), or set_cash("USD", dollars)."""
        if isinstance(starting_cash, str) and of_a_currency:
            if starting_cash != "USD":
                raise NotSupported(f"cash in {starting_cash}")
            starting_cash = of_a_currency[0]
        cash = decimal(starting_cash)
        self._only_at_the_start("self.set_cash(): Cannot change cash available after algorithm initialized.")
        self._run.account.cash = cash

    def set_account_currency(self, account_currency: str, starting_cash: Any = None) -> None:
        if account_currency != "USD":
            raise NotSupported(f"an account in {account_currency}")
        if starting_cash is not None:
            self.set_cash(starting_cash)

    @property
    def account_currency(self) -> str:
        return "USD"

    def set_brokerage_model(self, brokerage: Any, account_type: AccountType = AccountType.MARGIN) -> None:
        """A broker of Lean's by its name, or a model: Lean's own or one that changes its leverage, fees and refusals."""
        model = brokerage_model(brokerage, account_type) if isinstance(brokerage, BrokerageName) else brokerage
        if not isinstance(model, DefaultBrokerageModel):
            raise NotSupported("a brokerage model that does not derive from DefaultBrokerageModel")
        model.check()
        self._run.brokerage = model
        if self._initializers.hear_broker():
            self._run.account.delayed = model.account_type is AccountType.CASH

    @property
    def brokerage_name(self) -> BrokerageName:
        return self._run.brokerage.brokerage

    def set_security_initializer(self, security_initializer: Any) -> None:
        """A function, or an object with `initialize`, that sets up each security in the broker's place."""
        self._only_at_the_start("SetSecurityInitializer() cannot be called after algorithm initialization. When you use the "
                                "SetSecurityInitializer() method it will apply to all universes and manually added securities.")
        self._initializers.set(security_initializer)

    def add_security_initializer(self, security_initializer: Any) -> None:
        """One that comes after the others."""
        self._initializers.add(security_initializer)

    def set_benchmark(self, *benchmark: Any) -> None:
        """What alpha, beta and their like compare with: a symbol ([security type,] ticker), or a function of time."""
        self._run.benchmark = benchmark[-1]

    def set_warm_up(self, period: timedelta | int, resolution: Resolution | None = None) -> None:
        """Data before the first day, in which orders are refused: a span of time, or a count of each subscription's bars."""
        if self._run.initialized:
            raise InvalidOperationException("self.set_warmup(): This method cannot be used after algorithm initialized")
        self._run.warm_up, self._run.warm_up_resolution = period, resolution

    set_warmup = set_warm_up

    def set_time_zone(self, time_zone: Any) -> None:
        if self._run.initialized:
            raise InvalidOperationException("self.set_time_zone(): Cannot change time zone after algorithm running.")
        if str(time_zone) != "America/New_York":
            raise NotSupported("set_time_zone other than America/New_York")

    def set_name(self, name: str) -> None:
        self.name = name[: self.MAX_NAME_AND_TAGS_LENGTH]

    def add_tag(self, tag: str) -> None:
        if tag and tag.strip() and len(self.tags) < self.MAX_TAGS_COUNT:
            self.tags.add(tag.strip()[: self.MAX_NAME_AND_TAGS_LENGTH])

    def set_tags(self, tags: Any) -> None:
        self.tags = set(tags)

    def train(self, *arguments: Any) -> ScheduledEvent:
        """train([date rule, time rule,] code): in a backtest a scheduled event like any other."""
        return self.schedule.training_now(*arguments) if len(arguments) == 1 else self.schedule.training(*arguments)

    def quit(self, message: Any = "") -> None:
        """End the run after this step."""
        self._run.log.debug(f"Quit(): {message}", self._run.local)
        self._run.stopped = str(message) or "quit"

    # Subscriptions.

    @overloaded
    def add_equity(self, ticker: str, resolution: Resolution | None = None, market: str | None = None,
                   fill_forward: bool = True, leverage: Any = 0.0, extended_market_hours: bool = False,
                   data_normalization_mode: DataNormalizationMode | None = None) -> Equity:
        """Subscribe to a stock. A ticker means the company that has it today."""
        if not isinstance(ticker, str) or not isinstance(resolution, Resolution | None):
            raise NoMatch(f"{ticker!r} at {resolution!r}")
        if self._run.initialized:
            raise NotSupported("add_equity after initialize")
        if market not in (None, "usa") or extended_market_hours:
            raise NotSupported("add_equity with another market, or with extended hours")
        mode = self.universe_settings.data_normalization_mode if data_normalization_mode is None else data_normalization_mode
        known = len(self.securities)
        security = self.securities.subscribe(ticker, self.universe_settings.resolution if resolution is None else resolution, mode)
        if len(self.securities) > known:
            security.fill_forward = flag(fill_forward)
            self._initializers.initialize(security)
        if leverage:
            security.face.set_leverage(leverage)
        face: Equity = security.face
        return face

    def add_security(self, *arguments: Any, **named: Any) -> Equity:
        """add_security(SecurityType.EQUITY, ticker[, resolution, …]), or add_security(symbol[, resolution, …])."""
        first, *rest = arguments
        if isinstance(first, SecurityType):
            if first is not SecurityType.EQUITY:
                raise NotSupported(f"{first} securities")
            ticker = rest.pop(0) if rest else named.pop("ticker")
            resolution = rest.pop(0) if rest else named.pop("resolution", None)
            if rest and isinstance(rest[0], str | None):
                named["market"] = rest.pop(0)
            named |= dict(zip(("fill_forward", "leverage", "extended_market_hours") if len(rest) > 2
                              else ("fill_forward", "extended_market_hours"), rest, strict=False))
        else:
            ticker, resolution = str(first), rest.pop(0) if rest else named.pop("resolution", None)
            named |= dict(zip(("fill_forward", "leverage", "extended_market_hours"), rest, strict=False))
        face: Equity = self.add_equity(ticker, resolution, **{name: value for name, value in named.items() if value is not None})
        return face

    def symbol(self, ticker: str) -> Symbol:
        found = self.securities.find(ticker)
        if found is None:
            raise InvalidOperationException(f"We were unable to locate the ticker '{ticker}'.")
        symbol: Symbol = found.symbol
        return symbol

    def ticker(self, symbol: Any) -> str:
        return str(symbol)

    @property
    def active_securities(self) -> SecurityManager:
        return self.securities

    def is_market_open(self, symbol: Any) -> bool:
        return self._run.hours.is_open(self._run.local)

    # What was.

    @property
    def history(self) -> History:
        """Called for frames and slices, `history[TradeBar](…)` for bars."""
        return self._history

    def get_last_known_price(self, security: Any) -> TradeBar | None:
        """The newest bar that has ended, None before the first."""
        return self._history.last_bar(self._security(security))

    def get_last_known_prices(self, securities: Any) -> Any:
        """The newest bar of one security in a list; of several, those lists by symbol."""
        if not isinstance(securities, list | tuple):
            bar = self.get_last_known_price(securities)
            return memoizing("BaseData")([] if bar is None else [bar])
        return SymbolDictionary({self._security(item).symbol: self.get_last_known_prices(item) for item in securities})

    # Orders.

    @overloaded
    def market_order(self, symbol: Any, quantity: Any, asynchronous: bool = False, tag: str | None = "",
                     order_properties: OrderProperties | None = None) -> OrderTicket:
        """At the market. Closed, or with daily bars, Lean turns it into an order for the open or the close."""
        security, run = self._security(symbol), self._run
        kind, warning = OrderType.MARKET, None
        if not run.warming_up and not run.hours.is_open(run.local):
            kind, warning = OrderType.MARKET_ON_OPEN, CONVERTED_TO_OPEN
        elif not run.warming_up and security.resolution is Resolution.DAILY:
            late = run.hours.next_close(run.local) - run.local < MarketOnCloseOrder.submission_time_buffer
            kind, warning = OrderType.MARKET_ON_OPEN if late else OrderType.MARKET_ON_CLOSE, CONVERTED_TO_CLOSE
        ticket = self._submit(kind, security, quantity, asynchronous, tag, order_properties)
        if warning is not None and ticket._order.status is not OrderStatus.INVALID:
            run.log.debug_once(warning, run.local)
        return ticket

    order = market_order

    def buy(self, symbol: Any, quantity: Any) -> OrderTicket:
        ticket: OrderTicket = self.market_order(symbol, abs(decimal(quantity)))
        return ticket

    def sell(self, symbol: Any, quantity: Any) -> OrderTicket:
        ticket: OrderTicket = self.market_order(symbol, -abs(decimal(quantity)))
        return ticket

    @overloaded
    def market_on_open_order(self, symbol: Any, quantity: Any, asynchronous: bool = False, tag: str | None = "",
                             order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.MARKET_ON_OPEN, self._security(symbol), quantity, asynchronous, tag, order_properties)

    @overloaded
    def market_on_close_order(self, symbol: Any, quantity: Any, asynchronous: bool = False, tag: str | None = "",
                              order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.MARKET_ON_CLOSE, self._security(symbol), quantity, asynchronous, tag, order_properties)

    @overloaded
    def limit_order(self, symbol: Any, quantity: Any, limit_price: Any, asynchronous: bool = False, tag: str | None = "",
                    order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.LIMIT, self._security(symbol), quantity, asynchronous, tag, order_properties,
                            limit=limit_price)

    @overloaded
    def stop_market_order(self, symbol: Any, quantity: Any, stop_price: Any, asynchronous: bool = False, tag: str | None = "",
                          order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.STOP_MARKET, self._security(symbol), quantity, asynchronous, tag, order_properties,
                            stop=stop_price)

    @overloaded
    def stop_limit_order(self, symbol: Any, quantity: Any, stop_price: Any, limit_price: Any, asynchronous: bool = False,
                         tag: str | None = "", order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.STOP_LIMIT, self._security(symbol), quantity, asynchronous, tag, order_properties,
                            stop=stop_price, limit=limit_price)

    @overloaded
    def limit_if_touched_order(self, symbol: Any, quantity: Any, trigger_price: Any, limit_price: Any, asynchronous: bool = False,
                               tag: str | None = "", order_properties: OrderProperties | None = None) -> OrderTicket:
        return self._submit(OrderType.LIMIT_IF_TOUCHED, self._security(symbol), quantity, asynchronous, tag, order_properties,
                            trigger=trigger_price, limit=limit_price)

    @overloaded
    def trailing_stop_order(self, symbol: Any, quantity: Any, *arguments: Any, **named: Any) -> OrderTicket:
        """trailing_stop_order(symbol, quantity, [stop price,] amount, as percentage[, asynchronous, tag, order properties])."""
        given = list(arguments)
        stop = named.pop("stop_price", None)
        if len(given) > 2 and isinstance(given[2], bool) and not isinstance(given[1], bool):
            stop = given.pop(0)
        order = dict(zip(("trailing_amount", "trailing_as_percentage", "asynchronous", "tag", "order_properties"), given,
                         strict=False)) | named
        security, amount = self._security(symbol), decimal(order["trailing_amount"])
        percentage = flag(order["trailing_as_percentage"])
        if stop is None:
            distance = security.price * amount if percentage else amount
            stop = security.price - distance if decimal(quantity) < 0 else security.price + distance
        return self._submit(OrderType.TRAILING_STOP, security, quantity, order.get("asynchronous", False), order.get("tag"),
                            order.get("order_properties"), stop=stop, trail=amount, trail_is_percent=percentage)

    @overloaded
    def set_holdings(self, *arguments: Any, **named: Any) -> list[OrderTicket]:
        """set_holdings(symbol, weight, …) or set_holdings([PortfolioTarget, …], …): then whether to liquidate what else is
        held, asynchronous, tag, order properties. One symbol is sized before that, a list after it."""
        first, given = (arguments[0] if arguments else named.pop("targets", None) or named.pop("symbol")), list(arguments[1:])
        listed = isinstance(first, list | tuple)
        weight = None if listed else decimal(named.pop("percentage") if "percentage" in named else given.pop(0))
        options = dict(zip(("liquidate_existing_holdings", "asynchronous", "tag", "order_properties"), given, strict=False)) | named
        later = flag(options.get("asynchronous", False))
        tag, properties = options.get("tag"), options.get("order_properties")
        text(tag)
        wanted = [self._security(target.symbol) for target in first] if listed else [self._security(first)]
        sized = [] if weight is None else [(wanted[0], self._sized(wanted[0], weight, self._sizing()))]
        placed: list[OrderTicket] = []
        if flag(options.get("liquidate_existing_holdings", False)):
            placed += self._liquidate_others({security.index for security in wanted}, tag, properties)
        if listed:
            sizing = self._sizing()
            sized = [(security, self._sized(security, target._quantity, sizing))
                     for security, target in zip(wanted, first, strict=True)]
            sized = targets.order_of_sending([pair for pair in sized if abs(pair[1]) >= 1], self._run.book)
        is_open = self._run.hours.is_open(self._run.local)
        for security, quantity in sized:
            left = targets.unordered(security, quantity, self._run.book)
            if left and is_open:
                placed.append(self.market_order(security.symbol, left, later, tag or "", properties))
            elif left:
                placed.append(self._submit(OrderType.MARKET_ON_OPEN, security, left, later, tag, properties))
        return placed

    @overloaded
    def calculate_order_quantity(self, symbol: Any, target: Any) -> float:
        """Shares to trade for a share of the portfolio; 0 where there is no price."""
        return real(self._sized(self._security(symbol), decimal(target), self._sizing()))

    @overloaded
    def liquidate(self, symbol: Any = None, asynchronous: bool = False, tag: str | None = None,
                  order_properties: OrderProperties | None = None, symbols: Any = None) -> list[OrderTicket]:
        """Take back open orders and close the position: of one symbol, of several, or of all in order of ticker."""
        if isinstance(asynchronous, str):           # Lean's older form: (symbol, tag)
            asynchronous, tag = False, asynchronous
        flag(asynchronous)
        text(tag)
        run, asked = self._run, symbol if symbols is None else symbols
        if not self.settings.liquidate_enabled:
            run.log.debug(NO_LIQUIDATION, run.local)
            return []
        if asked is None:
            chosen = sorted(run.securities, key=lambda s: str(s.symbol))
        else:
            chosen = []
            for item in asked if isinstance(asked, list | tuple) else [asked]:
                found = self.securities.find(item)
                if found is None:
                    run.log.debug_once(NOT_ADDED.format(item), run.local)
                else:
                    chosen.append(found)
        return [ticket for security in chosen for ticket in self._liquidate(security, tag, order_properties)]

    # Words.

    def debug(self, message: Any) -> None:
        self._run.log.debug(str(message), self._run.local)

    def log(self, message: Any) -> None:
        self._run.log.log(str(message), self._run.local)

    def error(self, message: Any) -> None:
        self._run.log.error(str(message), self._run.local)

    def set_runtime_statistic(self, name: str, value: Any) -> None:
        self.runtime_statistics[name] = str(value)

    def set_summary_statistic(self, name: str, value: Any) -> None:
        """A statistic of the algorithm's own beside Lean's. Raises NullReferenceException before the run has begun."""
        if not self._run.initialized:
            raise NullReferenceException("Object reference not set to an instance of an object.")
        self.summary_statistics[name] = str(value)

    def plot(self, *_: Any) -> None:
        """Charts of an algorithm's own are not kept."""

    record = plot

    # Inside.

    def _security(self, symbol: Any) -> Security:
        found = self.securities.find(symbol)
        if found is None:
            if not isinstance(symbol, str | Symbol | Equity):
                raise NoMatch(f"{symbol!r} is no symbol")
            raise NotSupported(f"trading {symbol}, which was not added in initialize,")
        return found

    def _submit(self, kind: OrderType, security: Security, quantity: Any, asynchronous: Any, tag: str | None,
                properties: OrderProperties | None, **prices: Any) -> OrderTicket:
        flag(asynchronous)
        chosen = self.default_order_properties if properties is None else properties
        order = Order(kind, security, decimal(quantity), text(tag), self._time_in_force(kind, chosen), self._run.utc)
        for name, value in prices.items():
            setattr(order, name, value if isinstance(value, bool) else decimal(value))
        ticket = self._run.book.submit(order)
        ticket._way = asynchronous, chosen.clone() if vars(chosen) else type(chosen)
        return ticket

    def _time_in_force(self, kind: OrderType, properties: OrderProperties) -> TimeInForce:
        """The order's own; for the open and the close good til canceled in the place of good til a date."""
        chosen = properties.time_in_force
        if isinstance(chosen, GoodTilDateTimeInForce) and kind in (OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE):
            self._run.log.debug_once(NO_DATE, self._run.local)
            return TimeInForce.GOOD_TIL_CANCELED
        return chosen

    def _sizing(self) -> targets.Sizing:
        return targets.Sizing(self._run.account, self._run.book, self.settings.sizes())

    def _sized(self, security: Security, weight: Decimal, sizing: targets.Sizing) -> Decimal:
        """Shares to trade for a share of the portfolio; 0 where there is no price, or where the settings don't allow the share."""
        if not security.price and not self._has_price(security):
            return ZERO
        sizes, size = sizing.sizes, abs(weight)
        if size > sizes.most or (weight and size < sizes.least):
            self._run.error(f"The portfolio target percent: {weight}, does not comply with the current 'Algorithm.Settings' "
                            f"'MaxAbsolutePortfolioTargetPercentage': {sizes.most} or 'MinAbsolutePortfolioTargetPercentage': "
                            f"{sizes.least}. Skipping")
            return ZERO
        return sizing.quantity_for(security, weight)

    def _has_price(self, security: Security) -> bool:
        if security.price:
            return True
        self._run.error(no_price(security))
        return False

    def _liquidate_others(self, kept: set[int], tag: str | None, properties: OrderProperties | None) -> list[OrderTicket]:
        others = [security for security in self._run.securities if security.index not in kept]
        return [ticket for security in sorted(others, key=lambda s: str(s.symbol))
                for ticket in self._liquidate(security, tag, properties)]

    def _liquidate(self, security: Security, tag: str | None, properties: OrderProperties | None) -> list[OrderTicket]:
        book, words, held = self._run.book, tag if tag is not None else "Liquidated", security.quantity
        working = book.open_orders(security)
        if held and [(order.type, order.quantity) for order in working] == [(OrderType.MARKET, -held)]:
            return []
        pending = Decimal(0)
        for order in working:
            if order.type is OrderType.MARKET:
                pending += order.quantity - order.filled
            elif order.status is not OrderStatus.CANCEL_PENDING:
                book.cancel(order, words)
        return [self.market_order(security.symbol, -held - pending, False, words, properties)] if held else []

    def _only_at_the_start(self, message: str) -> None:
        if self._run.initialized:
            raise ArgumentException(message)


def _date(positional: tuple[Any, ...], named: dict[str, Any]) -> date:
    """A date, or a year, month and day, by place or by name."""
    when = (*positional, *(named[name] for name in ("start", "end", "year", "month", "day") if name in named))
    if len(when) == 3:
        return date(*(int(part) for part in when))
    if len(when) != 1 or not isinstance(when[0], date):
        raise NoMatch("a date, or a year, month and day")
    return when[0].date() if isinstance(when[0], datetime) else when[0]
