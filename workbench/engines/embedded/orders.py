"""Orders, the events about them, and what an algorithm holds of them: tickets, requests, responses.

Prices and quantities are exact in the core (`Order`, `Event`); the objects an algorithm sees give floats.
"""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import ZERO, ArgumentException, ClrObject, decimal
from workbench.engines.embedded.enums import (
    OrderDirection,
    OrderField,
    OrderResponseErrorCode,
    OrderStatus,
    OrderType,
)
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.times_in_force import GoodTilCanceled, TimeInForce

if TYPE_CHECKING:
    from workbench.engines.embedded.book import Book

CLOSED = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.INVALID)
TYPE_WORDS = {kind: "".join(word.capitalize() for word in str(kind).split("_")) for kind in OrderType}


class Order:
    """One order in the core. `quantity` is signed; `trigger` is the touch price of limit-if-touched."""

    __slots__ = ("average_price", "canceled", "created", "error", "events", "filled", "id", "last_fill", "last_update", "limit",
                 "quantity", "requests", "security", "status", "stop", "submission_price", "tag", "tif", "touched", "trail",
                 "trail_is_percent", "trigger", "type")

    def __init__(self, kind: OrderType, security: Security, quantity: Decimal, tag: str, tif: TimeInForce, created: int) -> None:
        self.id = 0
        self.type, self.security, self.quantity, self.tag, self.tif, self.created = kind, security, quantity, tag, tif, created
        self.status = OrderStatus.NEW
        self.limit: Decimal | None = None
        self.stop: Decimal | None = None
        self.trigger: Decimal | None = None
        self.trail = ZERO
        self.trail_is_percent = False
        self.touched = False
        self.filled = self.average_price = self.submission_price = ZERO
        self.events = 0
        self.requests = 1
        self.error = OrderResponseErrorCode.NONE
        self.last_fill: int | None = None
        self.last_update: int | None = None
        self.canceled: int | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in CLOSED

    def value(self, price: Decimal) -> Decimal:
        """What the order is worth as its type computes it: fees and messages use it, margin does not."""
        own = self.stop if self.limit is None else self.limit
        if own is not None:
            price = min(own, price) if self.quantity > 0 else max(own, price)
        return self.quantity * price


class Event:
    """One order event as it happened: what the events file, the log and the algorithm are told."""

    __slots__ = ("fee", "fee_currency", "fill_price", "fill_quantity", "id", "limit", "message", "order", "quantity", "status",
                 "stop", "utc")

    def __init__(self, order: Order, status: OrderStatus, utc: int, message: str = "") -> None:
        order.events += 1
        self.order, self.id, self.status, self.utc, self.message = order, order.events, status, utc, message
        self.quantity, self.limit, self.stop = order.quantity, order.limit, order.stop
        self.fill_price = self.fill_quantity = ZERO
        self.fee: Decimal | None = None
        self.fee_currency = "USD"


def direction_of(quantity: Decimal) -> OrderDirection:
    """Buy, sell, or hold for nothing."""
    return OrderDirection.BUY if quantity > 0 else OrderDirection.SELL if quantity < 0 else OrderDirection.HOLD


def number_text(value: Decimal) -> str:
    """A decimal as C#'s texts print it: plain, without trailing zeros."""
    text = format(value.normalize(), "f") if value else "0"
    return text


class CashAmount(ClrObject):
    """An amount of money."""

    def __init__(self, amount: Any, currency: str) -> None:
        self.exact = decimal(amount)
        self.currency = currency

    @property
    def amount(self) -> float:
        return float(self.exact)

    def __str__(self) -> str:
        return f"{number_text(self.exact)} {self.currency}"


class OrderFee(ClrObject):
    """The fee of an order."""

    ZERO: "OrderFee"
    Zero: "OrderFee"

    def __init__(self, amount: CashAmount) -> None:
        self.value = amount

    def __str__(self) -> str:
        return str(self.value)


OrderFee.ZERO = OrderFee.Zero = OrderFee(CashAmount(0, "QCC"))


class OrderResponse(ClrObject):
    """The answer to a request about an order."""

    def __init__(self, error_code: OrderResponseErrorCode = OrderResponseErrorCode.NONE, message: str | None = None) -> None:
        self.error_code, self.error_message = error_code, message

    @property
    def is_success(self) -> bool:
        return self.error_code is OrderResponseErrorCode.NONE

    @property
    def is_error(self) -> bool:
        return not self.is_success

    @property
    def is_processed(self) -> bool:
        return True

    def __str__(self) -> str:
        return "Success" if self.is_success else f"Error: {self.error_code} - {self.error_message}"


class SubmitOrderRequest(ClrObject):
    """What was asked for when the order was placed."""

    def __init__(self, response: OrderResponse, tag: str) -> None:
        self.response, self.tag = response, tag


class UpdateOrderFields(ClrObject):
    """What an update is to change; what is not set stays."""

    clr_name = "QuantConnect.Orders.UpdateOrderFields"

    def __init__(self) -> None:
        self.quantity: Any = None
        self.limit_price: Any = None
        self.stop_price: Any = None
        self.trigger_price: Any = None
        self.trailing_amount: Any = None
        self.tag: str | None = None


class OrderView(ClrObject):
    """An order as `transactions.get_order_by_id` gives it: the moment's state, read only."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.tag, self.status, self.type = order.tag, order.status, order.type
        self.time_in_force = order.tif

    @property
    def id(self) -> int:
        return self._order.id

    @property
    def symbol(self) -> Any:
        return self._order.security.symbol

    @property
    def quantity(self) -> float:
        return float(self._order.quantity)

    @property
    def absolute_quantity(self) -> float:
        return float(abs(self._order.quantity))

    @property
    def direction(self) -> OrderDirection:
        return direction_of(self._order.quantity)

    @property
    def price(self) -> float:
        return float(self._order.average_price)

    @property
    def limit_price(self) -> float:
        return _float_or_missing(self, "limit_price", self._order.limit)

    @property
    def stop_price(self) -> float:
        return _float_or_missing(self, "stop_price", self._order.stop)

    @property
    def trigger_price(self) -> float:
        return _float_or_missing(self, "trigger_price", self._order.trigger)

    @property
    def broker_id(self) -> list[str]:
        return [str(self._order.id)]

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
        return float(self._order.value(self._order.security.price))

    def __str__(self) -> str:
        return describe(self._order)


class OrderTicket(ClrObject):
    """What an algorithm holds of an order it placed: follow it, change it, take it back."""

    clr_name = "QuantConnect.Orders.OrderTicket"

    def __init__(self, order: Order, book: "Book", response: OrderResponse) -> None:
        self._order, self._book = order, book
        self.submit_request = SubmitOrderRequest(response, order.tag)

    @property
    def order_id(self) -> int:
        return self._order.id

    @property
    def symbol(self) -> Any:
        return self._order.security.symbol

    @property
    def status(self) -> OrderStatus:
        return self._order.status

    @property
    def order_type(self) -> OrderType:
        return self._order.type

    @property
    def tag(self) -> str:
        return self._order.tag

    @property
    def quantity(self) -> float:
        return float(self._order.quantity)

    @property
    def quantity_filled(self) -> float:
        return float(self._order.filled)

    @property
    def quantity_remaining(self) -> float:
        return float(self._order.quantity - self._order.filled)

    @property
    def average_fill_price(self) -> float:
        return float(self._order.average_price)

    @property
    def time(self) -> datetime:
        return utc_time(self._order.created)

    @property
    def has_order(self) -> bool:
        return self._order.id > 0

    def get(self, field: OrderField) -> float:
        """A price of the order. Raises ArgumentException where this order type has none."""
        order = self._order
        value = {OrderField.LIMIT_PRICE: order.limit, OrderField.STOP_PRICE: order.stop,
                 OrderField.TRIGGER_PRICE: order.trigger}.get(field)
        if value is None:
            name = "".join(word.capitalize() for word in str(field).split("_"))
            raise ArgumentException(f"Unable to get field {name} on order of type {TYPE_WORDS[order.type]}")
        return float(value)

    def cancel(self, tag: str | None = None) -> OrderResponse:
        """Ask for the order to be taken back; see `Book.cancel` for when that happens."""
        return self._book.cancel(self._order, tag)

    def update(self, fields: UpdateOrderFields) -> OrderResponse:
        """Ask for the order to be changed."""
        return self._book.update(self._order, fields)

    def update_quantity(self, quantity: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, quantity=quantity)

    def update_limit_price(self, limit_price: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, limit_price=limit_price)

    def update_stop_price(self, stop_price: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, stop_price=stop_price)

    def update_trigger_price(self, trigger_price: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, trigger_price=trigger_price)

    def update_tag(self, tag: str) -> OrderResponse:
        return self._update(tag)

    def _update(self, tag: str | None, **changes: Any) -> OrderResponse:
        fields = UpdateOrderFields()
        fields.tag = tag
        for name, value in changes.items():
            setattr(fields, name, value)
        return self.update(fields)

    def __str__(self) -> str:
        order, count = self._order, self._order.requests
        known = f": {describe(order)}" if order.id > 0 else ":"
        return f"{order.id}{known} Request Count: {count} Response Count: {count}"


class OrderEvent(ClrObject):
    """An order event as `on_order_event` gets it."""

    __slots__ = ("_book", "_event")

    def __init__(self, event: Event, book: "Book") -> None:
        self._event, self._book = event, book

    @property
    def order_id(self) -> int:
        return self._event.order.id

    @property
    def id(self) -> int:
        return self._event.id

    @property
    def symbol(self) -> Any:
        return self._event.order.security.symbol

    @property
    def status(self) -> OrderStatus:
        return self._event.status

    @property
    def utc_time(self) -> datetime:
        return utc_time(self._event.utc)

    @property
    def fill_price(self) -> float:
        return float(self._event.fill_price)

    @property
    def fill_quantity(self) -> float:
        return float(self._event.fill_quantity)

    @property
    def absolute_fill_quantity(self) -> float:
        return float(abs(self._event.fill_quantity))

    @property
    def fill_price_currency(self) -> str:
        return "USD"

    @property
    def quantity(self) -> float:
        return float(self._event.quantity)

    @property
    def direction(self) -> OrderDirection:
        return direction_of(self._event.quantity)

    @property
    def order_fee(self) -> OrderFee:
        event = self._event
        return OrderFee.ZERO if event.fee is None else OrderFee(CashAmount(event.fee, event.fee_currency))

    @property
    def message(self) -> str:
        return self._event.message

    @property
    def is_assignment(self) -> bool:
        return False

    @property
    def limit_price(self) -> float | None:
        return None if self._event.limit is None else float(self._event.limit)

    @property
    def stop_price(self) -> float | None:
        return None if self._event.stop is None else float(self._event.stop)

    @property
    def ticket(self) -> OrderTicket:
        return self._book.ticket(self._event.order)

    def clone(self) -> "OrderEvent":
        return self

    def __str__(self) -> str:
        event = self._event
        parts = [f"Time: {utc_time(event.utc):%m/%d/%Y %H:%M:%S}", f"OrderID: {event.order.id}", f"EventID: {event.id}",
                 f"Symbol: {event.order.security.symbol}", f"Status: {_status_word(event.status)}",
                 f"Quantity: {number_text(event.quantity)}"]
        if event.fill_quantity:
            parts += [f"FillQuantity: {number_text(event.fill_quantity)}", f"FillPrice: ${number_text(event.fill_price)}"]
        if event.limit is not None:
            parts.append(f"LimitPrice: ${number_text(event.limit)}")
        if event.stop is not None:
            parts.append(f"StopPrice: ${number_text(event.stop)}")
        if event.fee:
            parts.append(f"OrderFee: {number_text(event.fee)} {event.fee_currency}")
        if event.message:
            parts.append(f"Message: {event.message}")
        return " ".join(parts)


def describe(order: Order) -> str:
    """An order in Lean's words."""
    tag = f": {order.tag}" if order.tag else ""
    return (f"OrderId: {order.id} (BrokerId: {order.id}) {_status_word(order.status)} {TYPE_WORDS[order.type]} order for "
            f"{number_text(order.quantity)} unit{'' if order.quantity == 1 else 's'} of {order.security.symbol}{tag}")


class OrderProperties(ClrObject):
    """Defaults for the orders to come."""

    clr_name = "QuantConnect.Orders.OrderProperties"

    def __init__(self) -> None:
        self.time_in_force: TimeInForce = GoodTilCanceled()

    def clone(self) -> "OrderProperties":
        copy = type(self)()
        copy.__dict__.update(self.__dict__)
        return copy


class InteractiveBrokersOrderProperties(OrderProperties):
    """With the fields Interactive Brokers knows; a backtest does nothing with them."""

    clr_name = "QuantConnect.Orders.InteractiveBrokersOrderProperties"

    def __init__(self) -> None:
        super().__init__()
        self.outside_regular_trading_hours = False
        self.account: str | None = None


def _status_word(status: OrderStatus) -> str:
    return "".join(word.capitalize() for word in str(status).split("_"))


def _float_or_missing(owner: ClrObject, name: str, value: Decimal | None) -> float:
    if value is None:
        raise AttributeError(f"'{type(owner).__name__}' object has no attribute '{name}'")
    return float(value)
