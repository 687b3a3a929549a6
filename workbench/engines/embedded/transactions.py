"""`self.transactions`: the orders of the run as an algorithm asks after them."""

from typing import TYPE_CHECKING, Any

from workbench.engines.embedded.clr import ClrObject
from workbench.engines.embedded.orders import Order, OrderTicket, OrderView

if TYPE_CHECKING:
    from workbench.engines.embedded.backtest import Backtest
    from workbench.engines.embedded.portfolio import Securities


class Transactions(ClrObject):
    """Orders and tickets by id; open orders by symbol."""

    def __init__(self, run: "Backtest", securities: "Securities") -> None:
        self._run, self._securities = run, securities

    @property
    def orders_count(self) -> int:
        return len(self._run.book.orders)

    @property
    def last_order_id(self) -> int:
        return len(self._run.book.orders)

    def get_order_by_id(self, order_id: int) -> OrderView | None:
        orders = self._run.book.orders
        return OrderView(orders[order_id - 1]) if 0 < order_id <= len(orders) else None

    def get_orders(self, accept: Any = None) -> list[OrderView]:
        views = [OrderView(order) for order in self._run.book.orders]
        return views if accept is None else [view for view in views if accept(view)]

    def get_open_orders(self, symbol: Any = None) -> list[OrderView]:
        return [OrderView(order) for order in self._open(symbol)]

    def get_order_ticket(self, order_id: int) -> OrderTicket | None:
        orders = self._run.book.orders
        return self._run.book.ticket(orders[order_id - 1]) if 0 < order_id <= len(orders) else None

    def get_order_tickets(self, accept: Any = None) -> list[OrderTicket]:
        tickets = [self._run.book.ticket(order) for order in self._run.book.orders]
        return tickets if accept is None else [ticket for ticket in tickets if accept(ticket)]

    def get_open_order_tickets(self, symbol: Any = None) -> list[OrderTicket]:
        return [self._run.book.ticket(order) for order in self._open(symbol)]

    def get_open_orders_remaining_quantity(self, symbol: Any = None) -> float:
        return float(sum(order.quantity - order.filled for order in self._open(symbol)))

    def cancel_open_orders(self, symbol: Any = None, tag: str | None = None) -> list[OrderTicket]:
        chosen, words = self._open(symbol), "Canceled by CancelOpenOrders()" if tag is None else tag
        for order in chosen:
            self._run.book.cancel(order, words)
        return [self._run.book.ticket(order) for order in chosen]

    def cancel_order(self, order_id: int, tag: str | None = None) -> OrderTicket | None:
        ticket = self.get_order_ticket(order_id)
        if ticket is not None:
            ticket.cancel(tag or "")
        return ticket

    def _open(self, symbol: Any) -> list[Order]:
        return self._run.book.open_orders(None if symbol is None else self._securities.find(symbol))
