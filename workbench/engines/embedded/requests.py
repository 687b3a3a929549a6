"""What is asked about an order, and the answers: requests, their fields and responses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import (
    ZERO,
    ClrObject,
    ClrValues,
    NoMatch,
    decimal,
    flag,
    overloaded,
    pascal,
    real,
    text,
)
from workbench.engines.embedded.enums import (
    OrderRequestStatus,
    OrderRequestType,
    OrderResponseErrorCode,
    OrderType,
    SecurityType,
)
from workbench.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engines.embedded.orders import Order

PRICES_OF = {
    OrderType.LIMIT: ("limit",), OrderType.STOP_MARKET: ("stop",), OrderType.STOP_LIMIT: ("stop", "limit"),
    OrderType.LIMIT_IF_TOUCHED: ("trigger", "limit"), OrderType.TRAILING_STOP: ("stop", "trail", "trail_is_percent"),
}


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
        return "Success" if self.is_success else f"Error: {pascal(str(self.error_code))} - {self.error_message}"


ACCEPTED = OrderResponse()
WAITING = OrderResponse()               # taken in, and in the queue
UNPROCESSED = OrderResponse(OrderResponseErrorCode.NONE, "The request has not yet been processed.")


class OrderRequest(ClrObject):
    """Something asked about an order, and the answer to it: at first that it waits, then what became of it."""

    response: OrderResponse

    def __init__(self, order: "Order", utc: int, response: OrderResponse, tag: str | None) -> None:
        self._order: Order | None = order
        self._utc, self.response, self.tag = utc, response, tag

    @property
    def order_id(self) -> int:
        return int(OrderResponseErrorCode.UNABLE_TO_FIND_ORDER) if self._order is None else self._order.id

    @property
    def time(self) -> datetime:
        return utc_time(self._utc)

    @property
    def status(self) -> OrderRequestStatus:
        if self.response is UNPROCESSED:
            return OrderRequestStatus.UNPROCESSED
        if self.response is WAITING:
            return OrderRequestStatus.PROCESSING
        return OrderRequestStatus.PROCESSED if self.response.is_success else OrderRequestStatus.ERROR


class SubmitOrderRequest(OrderRequest):
    """What is asked for in an order: an algorithm's own, for `transactions.add_order`, or what one was placed with."""

    security_type = SecurityType.EQUITY

    @overloaded
    def __init__(self, order_type: OrderType, security_type: SecurityType, symbol: Any, quantity: Any, stop_price: Any,
                 limit_price: Any, *arguments: Any, **named: Any) -> None:
        """SubmitOrderRequest(order type, security type, symbol, quantity, stop, limit, [trigger, [trailing amount, as
        percentage,]] time, tag[, properties, group, asynchronous])."""
        given = list(arguments)
        where = next((place for place, value in enumerate(given) if isinstance(value, datetime)), len(given))
        asked = dict(zip(("trigger_price", "trailing_amount", "trailing_as_percentage"), given[:where], strict=False))
        asked |= dict(zip(("time", "tag", "properties", "group_order_manager", "asynchronous"), given[where:], strict=False))
        asked |= named
        if where > 3 or not isinstance(order_type, OrderType) or not isinstance(asked.get("time"), datetime):
            raise NoMatch("a request for an order")
        if security_type is not SecurityType.EQUITY or asked.get("group_order_manager") is not None:
            raise NotSupported(f"a SubmitOrderRequest of {security_type}, or of a group of orders")
        self._order, self.response, self.tag = None, UNPROCESSED, text(asked.get("tag"))
        self._utc = int(asked["time"].replace(tzinfo=UTC).timestamp())
        self.order_type, self.symbol = order_type, symbol
        self._quantity, self._limit, self._stop = decimal(quantity), decimal(limit_price), decimal(stop_price)
        self._trigger, self._trail = decimal(asked.get("trigger_price", 0)), decimal(asked.get("trailing_amount", 0))
        self.trailing_as_percentage = flag(asked.get("trailing_as_percentage", False))
        self.asynchronous, self.order_properties = flag(asked.get("asynchronous", False)), asked.get("properties")

    @classmethod
    def _of(cls, order: "Order", response: OrderResponse, quantity: Decimal, limit: Decimal | None, stop: Decimal | None,
            trigger: Decimal | None, trail: Decimal, tag: str) -> "SubmitOrderRequest":
        """What an order was placed with: its quantity, prices and tag as they were then."""
        request = cls.__new__(cls)
        OrderRequest.__init__(request, order, order.created, response, tag)
        request._quantity, request._limit, request._stop = quantity, limit or ZERO, stop or ZERO
        request._trigger, request._trail = trigger or ZERO, trail
        request.symbol, request.order_type = order.security.symbol, order.type
        request.trailing_as_percentage, request.asynchronous = order.trail_is_percent, False
        request.order_properties = None             # set where an algorithm's call has given them
        return request

    @property
    def order_request_type(self) -> OrderRequestType:
        return OrderRequestType.SUBMIT

    @property
    def quantity(self) -> float:
        return real(self._quantity)

    @property
    def limit_price(self) -> float:
        return real(self._limit)

    @property
    def stop_price(self) -> float:
        return real(self._stop)

    @property
    def trigger_price(self) -> float:
        return real(self._trigger)

    @property
    def trailing_amount(self) -> float:
        return real(self._trail)

    @property
    def _prices(self) -> dict[str, Any]:
        """The prices that an order of this type has, by the order's own names for them."""
        own = {"limit": self._limit, "stop": self._stop, "trigger": self._trigger, "trail": self._trail,
               "trail_is_percent": self.trailing_as_percentage}
        return {name: own[name] for name in PRICES_OF.get(self.order_type, ())}


class UpdateOrderRequest(OrderRequest):
    """A change that was asked for."""

    def __init__(self, order: "Order", utc: int, response: OrderResponse, fields: "UpdateOrderFields") -> None:
        super().__init__(order, utc, response, fields.tag)
        self.quantity, self.limit_price, self.stop_price = fields.quantity, fields.limit_price, fields.stop_price
        self.trigger_price, self.trailing_amount = fields.trigger_price, fields.trailing_amount

    @property
    def order_request_type(self) -> OrderRequestType:
        return OrderRequestType.UPDATE


class CancelOrderRequest(OrderRequest):
    """That the order be taken back."""

    @property
    def order_request_type(self) -> OrderRequestType:
        return OrderRequestType.CANCEL


class UpdateOrderFields(ClrValues):
    """What an update is to change; what is not set stays."""

    quantity: Any = None
    limit_price: Any = None
    stop_price: Any = None
    trigger_price: Any = None
    trailing_amount: Any = None
    tag: str | None = None

    def check(self) -> None:
        """Raise for a field that is not of its kind: NoMatch, or ArgumentException for a number that is none."""
        text(self.tag)
        for value in (self.quantity, self.limit_price, self.stop_price, self.trigger_price, self.trailing_amount):
            if value is not None:
                decimal(value)
