"""Orders, the events about them, and what an algorithm holds of them: tickets, requests, responses.

Prices and quantities are exact in the core (`Order`, `Event`); the objects an algorithm sees give floats.
"""

from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import (
    ZERO,
    ArgumentException,
    ClrObject,
    InvalidOperationException,
    decimal,
    overloaded,
    pascal,
    real,
    text,
)
from workbench.engines.embedded.enums import (
    OrderDirection,
    OrderField,
    OrderResponseErrorCode,
    OrderStatus,
    OrderType,
    SecurityType,
)
from workbench.engines.embedded.requests import (
    WAITING,
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    SubmitOrderRequest,
    UpdateOrderFields,
    UpdateOrderRequest,
)
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.times_in_force import TimeInForce

if TYPE_CHECKING:
    from workbench.engines.embedded.book import Book

TYPE_WORDS = {kind: "".join(word.capitalize() for word in str(kind).split("_")) for kind in OrderType}


class Quoted(NamedTuple):
    """Prices at one moment; without quotes all three are the last one."""

    bid: Decimal
    ask: Decimal
    last: Decimal


UNQUOTED = Quoted(ZERO, ZERO, ZERO)


class Order:
    """One order in the core. `quantity` is signed; `trigger` is the touch price of limit-if-touched."""

    __slots__ = ("average_price", "cancel_asked", "canceled", "created", "events", "filled", "id", "last_fill",
                 "last_update", "limit", "placed", "quantity", "requests", "security", "status", "stop", "submitted", "tag", "tif",
                 "touched", "trail", "trail_is_percent", "trigger", "type")

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
        self.cancel_asked = False           # and not refused since
        self.filled = self.average_price = ZERO
        self.submitted = UNQUOTED
        self.events = 0
        self.requests = 1
        self.placed = True                  # at the broker; one refused when it was sent never was
        self.last_fill: int | None = None
        self.last_update: int | None = None
        self.canceled: int | None = None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can happen to it."""
        status = self.status
        return status is OrderStatus.FILLED or status is OrderStatus.CANCELED or status is OrderStatus.INVALID

    @property
    def has_prices(self) -> bool:
        """Whether it has prices of its own."""
        return self.limit is not None or self.stop is not None

    def value(self, price: Decimal) -> Decimal:
        """What the order is worth as its type computes it: fees and messages use it, margin does not."""
        own = self.stop if self.limit is None else self.limit
        if own is not None:
            price = min(own, price) if self.quantity > 0 else max(own, price)
        return self.quantity * price


    def __copy__(self) -> "Order":          # asked for at each event, and far quicker than Python's own way for slots
        other = Order.__new__(Order)
        for name, value in zip(Order.__slots__, _MEMBERS(self), strict=True):
            setattr(other, name, value)
        return other


_MEMBERS = attrgetter(*Order.__slots__)


class Event:
    """One order event as it happened: what the events file, the log and the algorithm are told."""

    __slots__ = ("fee", "fee_currency", "fill_price", "fill_quantity", "id", "limit", "message", "order", "quantity", "status",
                 "stop", "utc")

    def __init__(self, order: Order, status: OrderStatus, utc: int, message: str = "") -> None:
        number = order.events = order.events + 1
        self.order, self.id, self.status, self.utc, self.message = order, number, status, utc, message
        self.quantity, self.limit, self.stop = order.quantity, order.limit, order.stop
        self.fill_price = self.fill_quantity = ZERO
        self.fee: Decimal | None = None
        self.fee_currency = "USD"

    @classmethod
    def draft(cls, order: Order, utc: int, message: str = "") -> "Event":
        """What a fill model says may happen to an order; it has no number yet."""
        number = order.events
        event = cls(order, order.status, utc, message)
        order.events, event.id = number, 0
        return event


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

    ZERO: ClassVar["OrderFee"]

    def __init__(self, amount: CashAmount) -> None:
        self.value = amount

    def __str__(self) -> str:
        return str(self.value)


OrderFee.ZERO = OrderFee(CashAmount(0, "QCC"))


class OrderTicket(ClrObject):
    """What an algorithm holds of an order it placed: follow it, change it, take it back."""

    __slots__ = ("_asked", "_book", "_order", "_response", "_updates", "_way", "cancel_request")

    def __init__(self, order: Order, book: "Book", response: OrderResponse) -> None:
        self._order, self._book, self._response = order, book, response
        self._asked = order.quantity, order.limit, order.stop, order.trigger, order.trail, order.tag    # what an update may change
        self._way: tuple[bool, Any] = (False, None)     # asynchronous or not, and with which order properties, or their plain type
        self.cancel_request: CancelOrderRequest | None = None
        self._updates: tuple[UpdateOrderRequest, ...] = ()

    @property
    def submit_request(self) -> SubmitOrderRequest:
        request = SubmitOrderRequest._of(self._order, self._response, *self._asked)
        request.asynchronous, properties = self._way
        request.order_properties = properties() if isinstance(properties, type) else properties
        return request

    @property
    def order_id(self) -> int:
        return self._order.id

    @property
    def symbol(self) -> Any:
        return self._order.security.symbol

    @property
    def security_type(self) -> SecurityType:
        return SecurityType.EQUITY

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
        return real(self._order.quantity)

    @property
    def quantity_filled(self) -> float:
        return real(self._order.filled)

    @property
    def quantity_remaining(self) -> float:
        return real(self._order.quantity - self._order.filled)

    @property
    def average_fill_price(self) -> float:
        return real(self._order.average_price)

    @property
    def time(self) -> datetime:
        return self.get_most_recent_order_request().time

    @property
    def has_order(self) -> bool:
        return self._order.id > 0

    @property
    def update_requests(self) -> list[UpdateOrderRequest]:
        return list(self._updates)

    @property
    def order_events(self) -> list["OrderEvent"]:
        return [OrderEvent._of(event, self._book) for event in self._book.events if event.order is self._order]

    @overloaded
    def get(self, field: OrderField) -> Any:
        """A price of the order. Raises ArgumentException where this order type has none."""
        order = self._order
        if field is OrderField.TRAILING_AS_PERCENTAGE and order.type is OrderType.TRAILING_STOP:
            return order.trail_is_percent
        value = {OrderField.LIMIT_PRICE: order.limit, OrderField.STOP_PRICE: order.stop,
                 OrderField.TRIGGER_PRICE: order.trigger,
                 OrderField.TRAILING_AMOUNT: order.trail if order.type is OrderType.TRAILING_STOP else None}.get(field)
        if value is None:
            raise ArgumentException(f"Unable to get field {pascal(str(field))} on order of type {TYPE_WORDS[order.type]}")
        return real(value)

    @overloaded
    def cancel(self, tag: str | None = None) -> OrderResponse:
        """Ask for the order to be taken back; see `Book.cancel` for when that happens. Once asked, it is not asked again."""
        if self._order.cancel_asked:
            return OrderResponse(OrderResponseErrorCode.REQUEST_CANCELED,
                                 f"Order {self.order_id} has already received a cancellation request.")
        return self._book.cancel(self._order, None if tag is None else text(tag))

    @overloaded
    def update(self, fields: UpdateOrderFields) -> OrderResponse:
        """Ask for the order to be changed."""
        fields.check()
        asked = UpdateOrderRequest(self._order, self._book.run.utc, WAITING, fields)
        self._updates += (asked,)
        asked.response = self._book.update(self._order, fields, asked)
        return asked.response

    @overloaded
    def update_quantity(self, quantity: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, quantity=quantity)

    @overloaded
    def update_limit_price(self, limit_price: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, limit_price=limit_price)

    @overloaded
    def update_stop_price(self, stop_price: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, stop_price=stop_price)

    @overloaded
    def update_trigger_price(self, trigger_price: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, trigger_price=trigger_price)

    @overloaded
    def update_stop_trailing_amount(self, trailing_amount: Any, tag: str | None = None) -> OrderResponse:
        return self._update(tag, trailing_amount=trailing_amount)

    @overloaded
    def update_tag(self, tag: str) -> OrderResponse:
        return self._update(tag)

    def get_most_recent_order_request(self) -> OrderRequest:
        return self.cancel_request or (self._updates[-1] if self._updates else self.submit_request)

    def get_most_recent_order_response(self) -> OrderResponse:
        return self.get_most_recent_order_request().response

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
    """An order event as `on_order_event` gets it, or, made by a fill model of the algorithm's own, one that it proposes."""

    __slots__ = ("_book", "_event")

    def __init__(self, order: Any, utc_time: datetime, order_fee: OrderFee, message: str = "") -> None:
        self._event = Event.draft(order._order, int(utc_time.timestamp()), message)
        self._book: Book | None = None
        self.order_fee = order_fee

    @classmethod
    def _of(cls, event: Event, book: "Book | None" = None) -> "OrderEvent":
        """The face of an event; without a book it is a proposal and can be written to."""
        face = cls.__new__(cls)
        face._event, face._book = event, book
        return face

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

    @status.setter
    def status(self, value: OrderStatus) -> None:
        self._proposal.status = value

    @property
    def utc_time(self) -> datetime:
        return utc_time(self._event.utc)

    @property
    def fill_price(self) -> float:
        return real(self._event.fill_price)

    @fill_price.setter
    def fill_price(self, value: Any) -> None:
        self._proposal.fill_price = decimal(value)

    @property
    def fill_quantity(self) -> float:
        return real(self._event.fill_quantity)

    @fill_quantity.setter
    def fill_quantity(self, value: Any) -> None:
        self._proposal.fill_quantity = decimal(value)

    @property
    def absolute_fill_quantity(self) -> float:
        return real(abs(self._event.fill_quantity))

    @property
    def fill_price_currency(self) -> str:
        return "USD"

    @property
    def quantity(self) -> float:
        return real(self._event.quantity)

    @property
    def direction(self) -> OrderDirection:
        return direction_of(self._event.quantity)

    @property
    def order_fee(self) -> OrderFee:
        event = self._event
        return OrderFee.ZERO if event.fee is None else OrderFee(CashAmount(event.fee, event.fee_currency))

    @order_fee.setter
    def order_fee(self, fee: OrderFee) -> None:
        self._proposal.fee = fee.value.exact or None

    @property
    def message(self) -> str:
        return self._event.message

    @message.setter
    def message(self, text: str) -> None:
        self._proposal.message = text

    @property
    def is_assignment(self) -> bool:
        return False

    @property
    def limit_price(self) -> float | None:
        return None if self._event.limit is None else real(self._event.limit)

    @property
    def stop_price(self) -> float | None:
        return None if self._event.stop is None else real(self._event.stop)

    @property
    def trigger_price(self) -> float | None:
        trigger = self._event.order.trigger
        return None if trigger is None else real(trigger)

    @property
    def trailing_amount(self) -> float | None:
        order = self._event.order
        return real(order.trail) if order.type is OrderType.TRAILING_STOP else None

    @property
    def trailing_as_percentage(self) -> bool | None:
        order = self._event.order
        return order.trail_is_percent if order.type is OrderType.TRAILING_STOP else None

    @property
    def is_in_the_money(self) -> bool:
        return False

    @property
    def _proposal(self) -> Event:
        if self._book is not None:
            raise InvalidOperationException("an order event that has happened can't be changed")
        return self._event

    @property
    def ticket(self) -> OrderTicket:
        if self._book is None:
            raise InvalidOperationException("an order event that has not happened yet has no ticket")
        return self._book.ticket(self._event.order)

    def clone(self) -> "OrderEvent":
        return self

    def __str__(self) -> str:
        event = self._event
        parts = [f"Time: {utc_time(event.utc):%m/%d/%Y %H:%M:%S}", f"OrderID: {event.order.id}", f"EventID: {event.id}",
                 f"Symbol: {event.order.security.symbol}", f"Status: {_status_word(event.status)}",
                 f"Quantity: {number_text(event.quantity)}"]
        if event.fill_quantity:
            parts += [f"FillQuantity: {number_text(event.fill_quantity)}", f"FillPrice: ${rounded_text(event.fill_price)}"]
        if event.limit is not None:
            parts.append(f"LimitPrice: ${rounded_text(event.limit)}")
        if event.stop is not None:
            parts.append(f"StopPrice: ${rounded_text(event.stop)}")
        if event.order.type is OrderType.TRAILING_STOP:
            parts.append(f"TrailingAmount: {trailing_text(event.order)}")
        if event.order.trigger is not None:
            parts.append(f"TriggerPrice: ${rounded_text(event.order.trigger)}")
        if event.fee:
            parts.append(f"OrderFee: {number_text(event.fee)} {event.fee_currency}")
        if event.message:
            parts.append(f"Message: {event.message}")
        return " ".join(parts)


def describe(order: Order) -> str:
    """An order in Lean's words."""
    tag = f": {order.tag}" if order.tag else ""
    return (f"OrderId: {order.id} (BrokerId: {order.id}) {_status_word(order.status)} {TYPE_WORDS[order.type]} order for "
            f"{number_text(order.quantity)} unit{'' if order.quantity == 1 else 's'} of {order.security.symbol}{tag}"
            f"{_prices(order)}")


def _prices(order: Order) -> str:
    """The prices of an order, as its type tells them."""
    trigger, stop, limit = (f"${rounded_text(price or ZERO)}" for price in (order.trigger, order.stop, order.limit))
    return {OrderType.LIMIT: f" at limit {limit}", OrderType.STOP_MARKET: f" at stop {stop}",
            OrderType.STOP_LIMIT: f" at stop {stop} limit {limit}",
            OrderType.LIMIT_IF_TOUCHED: f" at trigger {trigger} limit {limit}",
            OrderType.TRAILING_STOP: f" at stop {stop}. Trailing amount: {trailing_text(order)}"}.get(order.type, "")


def trailing_text(order: Order) -> str:
    """How far a trailing stop stays behind, in Lean's words: 0.05 of the price is `5.00%`."""
    return f"{order.trail.normalize() * 100:f}%" if order.trail_is_percent else f"${number_text(order.trail)}"


def rounded_text(value: Decimal) -> str:
    """Lean's rounding for texts: above 1000 to four decimals, else to seven significant digits."""
    if value > 1000:
        return number_text(round(value, 4))
    return number_text(Decimal(format(value, ".7g")))


def _status_word(status: OrderStatus) -> str:
    return "".join(word.capitalize() for word in str(status).split("_"))

