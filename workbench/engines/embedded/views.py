"""Orders as an algorithm is told of them, one class for each type, and the properties it may give an order."""

from copy import copy
from datetime import datetime, timedelta
from typing import Any

from workbench.engines.embedded import orders
from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import ZERO, ClrObject, ClrValues, real
from workbench.engines.embedded.enums import DataNormalizationMode, OrderDirection, OrderType, SecurityType
from workbench.engines.embedded.times_in_force import TimeInForce


class OrderProperties(ClrValues):
    """What an order carries beside its prices."""

    time_in_force: TimeInForce = TimeInForce.GOOD_TIL_CANCELED

    def clone(self) -> "OrderProperties":
        copy = type(self)()
        for name, value in vars(self).items():
            setattr(copy, name, value)
        return copy


class InteractiveBrokersOrderProperties(OrderProperties):
    """With the fields Interactive Brokers knows; a backtest does nothing with them."""

    outside_regular_trading_hours = False
    account: str | None = None
    fa_group: str | None = None
    fa_method: str | None = None
    fa_percentage = 0
    fa_profile: str | None = None


class OrderSubmissionData(ClrObject):
    """The prices at the moment of placing. With trade bars only, bid and ask are the last price."""

    def __init__(self, quoted: orders.Quoted) -> None:
        self.bid_price, self.ask_price, self.last_price = real(quoted.bid), real(quoted.ask), real(quoted.last)


class Order(ClrObject):
    """An order to look at: as it is, or, in a copy, as it was."""

    def __init__(self, order: orders.Order) -> None:
        self._order = order
        self.tag, self.status, self.type = order.tag, order.status, order.type
        self.time_in_force = order.tif

    @property
    def id(self) -> int:
        return self._order.id

    @property
    def contingent_id(self) -> int:
        return 0

    @property
    def symbol(self) -> Any:
        return self._order.security.symbol

    @property
    def security_type(self) -> SecurityType:
        return SecurityType.EQUITY

    @property
    def quantity(self) -> float:
        return real(self._order.quantity)

    @property
    def absolute_quantity(self) -> float:
        return real(abs(self._order.quantity))

    @property
    def direction(self) -> OrderDirection:
        return orders.direction_of(self._order.quantity)

    @property
    def price(self) -> float:
        return real(self._order.average_price)

    @property
    def price_currency(self) -> str:
        return "USD"

    @property
    def value(self) -> float:
        return real(self._order.quantity * self._order.average_price)

    @property
    def properties(self) -> OrderProperties:
        properties = OrderProperties()
        properties.time_in_force = self.time_in_force
        return properties

    @property
    def price_adjustment_mode(self) -> DataNormalizationMode:
        return self._order.security.mode

    @property
    def order_submission_data(self) -> OrderSubmissionData:
        return OrderSubmissionData(self._order.submitted)

    @property
    def group_order_manager(self) -> None:
        return None

    @property
    def broker_id(self) -> list[str]:
        return [str(self._order.id)] if self._order.placed else []

    @property
    def created_time(self) -> datetime:
        return utc_time(self._order.created)

    @property
    def time(self) -> datetime:
        return utc_time(self._order.created)

    @property
    def last_fill_time(self) -> datetime | None:
        return None if self._order.last_fill is None else utc_time(self._order.last_fill)

    @property
    def last_update_time(self) -> datetime | None:
        return None if self._order.last_update is None else utc_time(self._order.last_update)

    @property
    def canceled_time(self) -> datetime | None:
        return None if self._order.canceled is None else utc_time(self._order.canceled)

    def get_value(self, security: Any) -> float:
        """What the order is worth at the security's price, in dollars."""
        return real(self._order.value(self._order.security.price))

    def __str__(self) -> str:
        return orders.describe(self._order)


class MarketOrder(Order):
    """At the market."""


class MarketOnOpenOrder(Order):
    """At the next open."""


class MarketOnCloseOrder(Order):
    """At the next close."""

    DEFAULT_SUBMISSION_TIME_BUFFER = timedelta(minutes=15, seconds=30)
    submission_time_buffer = DEFAULT_SUBMISSION_TIME_BUFFER         # so long before the close one may be sent; for all of a process


class LimitOrder(Order):
    """At a price or better."""

    @property
    def limit_price(self) -> float:
        return real(self._order.limit or ZERO)


class StopMarketOrder(Order):
    """At the market once the price has reached the stop."""

    @property
    def stop_price(self) -> float:
        return real(self._order.stop or ZERO)


class TrailingStopOrder(StopMarketOrder):
    """A stop that follows the price."""

    @property
    def trailing_amount(self) -> float:
        return real(self._order.trail)

    @property
    def trailing_as_percentage(self) -> bool:
        return self._order.trail_is_percent


class StopLimitOrder(Order):
    """At a price or better once the price has reached the stop."""

    limit_price, stop_price = LimitOrder.limit_price, StopMarketOrder.stop_price

    @property
    def stop_triggered(self) -> bool:
        return self._order.touched


class LimitIfTouchedOrder(Order):
    """At a price or better once the price has touched the trigger."""

    limit_price = LimitOrder.limit_price

    @property
    def trigger_price(self) -> float:
        return real(self._order.trigger or ZERO)

    @property
    def trigger_touched(self) -> bool:
        return self._order.touched


KINDS: dict[OrderType, type[Order]] = {
    OrderType.MARKET: MarketOrder, OrderType.MARKET_ON_OPEN: MarketOnOpenOrder, OrderType.MARKET_ON_CLOSE: MarketOnCloseOrder,
    OrderType.LIMIT: LimitOrder, OrderType.STOP_MARKET: StopMarketOrder, OrderType.STOP_LIMIT: StopLimitOrder,
    OrderType.LIMIT_IF_TOUCHED: LimitIfTouchedOrder, OrderType.TRAILING_STOP: TrailingStopOrder,
}


def view(order: orders.Order) -> Order:
    """An order for an algorithm's model to look at, of its type's class."""
    return KINDS[order.type](order)


def copied(order: orders.Order) -> Order:
    """An order as it stands now: what happens to it later does not show."""
    return KINDS[order.type](copy(order))
