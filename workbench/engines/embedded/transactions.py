"""`self.transactions`: the orders of the run as an algorithm asks after them."""

from collections.abc import Callable
from decimal import ROUND_DOWN
from typing import TYPE_CHECKING, Any

from workbench.engines.embedded import orders
from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import (
    ZERO,
    ClrOwner,
    Enumerable,
    InvalidOperationException,
    KeyNotFoundException,
    memoizing,
    real,
    text,
)
from workbench.engines.embedded.orders import OrderTicket
from workbench.engines.embedded.requests import SubmitOrderRequest
from workbench.engines.embedded.securities import NOT_ADDED
from workbench.engines.embedded.times_in_force import TimeInForce
from workbench.engines.embedded.views import Order, OrderProperties, copied
from workbench.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engines.embedded.backtest import Backtest
    from workbench.engines.embedded.securities import SecurityManager

NOT_YET = ("This operation is not allowed in initialize or during warm up: cancel_open_orders. Please move this code to the "
           "on_warmup_finished() method.")


class SecurityTransactionManager(ClrOwner):
    """Orders and tickets by id; open ones by symbol, or by a function that accepts them."""

    def __init__(self, run: "Backtest", securities: "SecurityManager") -> None:
        self._run, self._securities = run, securities

    @property
    def orders_count(self) -> int:
        return len(self._run.book.orders)

    @property
    def last_order_id(self) -> int:
        return len(self._run.book.orders)

    @property
    def utc_time(self) -> Any:
        return utc_time(self._run.utc)

    def get_order_by_id(self, order_id: int) -> Order | None:
        known = self._run.book.orders
        return copied(known[order_id - 1]) if 0 < order_id <= len(known) else None

    def get_orders_by_brokerage_id(self, brokerage_id: str) -> list[Order]:
        return [found for found in map(copied, self._run.book.orders) if brokerage_id in found.broker_id]

    def get_orders(self, filter: Any = None) -> Enumerable:
        return memoizing("Order")(list(_chosen(map(copied, self._run.book.orders), filter)))

    def get_open_orders(self, filter: Any = None) -> list[Order]:
        if filter is None or callable(filter):
            return _chosen(map(copied, self._run.book.open_orders()), filter)
        found = self._securities.find(filter)
        return [] if found is None else [copied(order) for order in self._run.book.open_orders(found)]

    def get_order_ticket(self, order_id: int) -> OrderTicket | None:
        known = self._run.book.orders
        return self._run.book.ticket(known[order_id - 1]) if 0 < order_id <= len(known) else None

    def get_order_tickets(self, filter: Any = None) -> Enumerable:
        return memoizing("OrderTicket")(_chosen(map(self._run.book.ticket, self._run.book.orders), filter))

    def get_open_order_tickets(self, filter: Any = None) -> Enumerable:
        return memoizing("OrderTicket")(self._open_tickets(filter))

    def get_open_orders_remaining_quantity(self, filter: Any = None) -> float:
        return real(sum((ticket._order.quantity - ticket._order.filled for ticket in self._open_tickets(filter)), ZERO))

    def add_order(self, request: SubmitOrderRequest) -> OrderTicket:
        """Place the order of a request, as it is: none of the checks of `market_order` and its like are made."""
        run, security = self._run, self._securities.find(request.symbol)
        if security is None:
            raise KeyNotFoundException(NOT_ADDED.format(request.symbol))
        if run.warming_up or not request._quantity.to_integral_value(ROUND_DOWN):
            raise NotSupported("transactions.add_order during warm-up, or of no shares")
        properties = request.order_properties
        order = orders.Order(request.order_type, security, request._quantity, request.tag or "",
                      TimeInForce.GOOD_TIL_CANCELED if properties is None else properties.time_in_force, request._utc)
        for name, value in request._prices.items():
            setattr(order, name, value)
        ticket = run.book.submit(order, checked=False)
        ticket._way = request.asynchronous, properties if properties is not None else OrderProperties
        request._order, request.response = order, ticket._response
        return ticket

    process_request = add_order

    def cancel_open_orders(self, symbol: Any = None, tag: str | None = None) -> list[OrderTicket]:
        """Take back all open orders, under a tag that says when; or those of one symbol, under the tag given."""
        if self._run.warming_up:
            raise InvalidOperationException(NOT_YET)
        words = tag
        if symbol is None:
            words = f"Canceled by CancelOpenOrders() at {utc_time(self._run.utc):%Y-%m-%dT%H:%M:%S}.0000000Z"
        tickets = self._open_tickets(symbol)
        for ticket in tickets:
            ticket.cancel(words)
        return tickets

    def cancel_order(self, order_id: int, order_tag: str | None = None) -> OrderTicket | None:
        """Take an order back. Without a tag its own is emptied, as under Lean."""
        ticket = self.get_order_ticket(order_id)
        if ticket is not None:
            self._run.book.cancel(ticket._order, text(order_tag))
        return ticket

    def _open_tickets(self, filter: Any) -> list[OrderTicket]:
        return _chosen(map(self._run.book.ticket, self._run.book.open_orders()), self._accepts(filter))

    def _accepts(self, filter: Any) -> Callable[[Any], bool] | None:
        """A filter as a function: of a symbol or ticker, the one that asks for it."""
        if filter is None or callable(filter):
            accept: Callable[[Any], bool] | None = filter
            return accept
        found = self._securities.find(filter)
        return lambda item: found is not None and item._order.security is found


def _chosen(items: Any, accept: Callable[[Any], bool] | None) -> list[Any]:
    return [item for item in items if accept is None or accept(item)]
