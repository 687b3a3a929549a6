"""Fill models as an algorithm sees them: Lean's two, to derive one's own from (Common/Orders/Fills)."""

from collections.abc import Iterator
from typing import Any, ClassVar

from workbench.engines.embedded import fills
from workbench.engines.embedded.clr import ClrObject, NullReferenceException, hook
from workbench.engines.embedded.enums import OrderStatus, OrderType
from workbench.engines.embedded.models import slippage_of
from workbench.engines.embedded.orders import Event, Order, OrderEvent
from workbench.engines.embedded.views import view

METHODS = {
    OrderType.MARKET: "market_fill",
    OrderType.MARKET_ON_OPEN: "market_on_open_fill",
    OrderType.MARKET_ON_CLOSE: "market_on_close_fill",
    OrderType.LIMIT: "limit_fill",
    OrderType.STOP_MARKET: "stop_market_fill",
    OrderType.STOP_LIMIT: "stop_limit_fill",
    OrderType.TRAILING_STOP: "trailing_stop_fill",
    OrderType.LIMIT_IF_TOUCHED: "limit_if_touched_fill",
}


class FillModelParameters(ClrObject):
    """What a fill model is asked with."""

    def __init__(self, security: Any, order: Any) -> None:
        self.security, self.order = security, order


class Fill(ClrObject):
    """What a fill model answers: order events."""

    def __init__(self, order_events: Any) -> None:
        self._events = list(order_events) if isinstance(order_events, list | tuple) else [order_events]

    def __iter__(self) -> Iterator[OrderEvent]:
        return iter(self._events)


class FillModel(ClrObject):
    """Lean's fills for everything but equities. An algorithm's own overrides a method for each order type it fills otherwise;
    each is given the security and the order, and returns an OrderEvent."""

    rules: ClassVar[fills.Rules] = fills.BASE

    def __init__(self) -> None:
        pass

    def fill(self, parameters: FillModelParameters) -> Fill:
        return Fill(hook(self, METHODS[parameters.order.type])(parameters.security, parameters.order))

    def market_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def market_on_open_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def market_on_close_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def limit_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def stop_market_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def stop_limit_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def trailing_stop_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def limit_if_touched_fill(self, asset: Any, order: Any) -> OrderEvent:
        return self._proposed(asset, order)

    def _proposed(self, asset: Any, order: Any) -> OrderEvent:
        """Lean's own fill of the whole order, or an event of the order's status where there is none."""
        run, core = asset._run, order._order
        event = Event.draft(core, run.utc)
        if core.status is not OrderStatus.CANCELED:
            found = fills.fill(core, fills.Scene(run.local, run.hours, slippage_of), self.rules)
            if found is not None:
                event.status, event.fill_price, event.fill_quantity = OrderStatus.FILLED, found.price, core.quantity
                event.message = found.message
        return OrderEvent._of(event)


class ImmediateFillModel(FillModel):
    """Lean's fills for everything but equities."""


class EquityFillModel(FillModel):
    """Lean's fills for equities."""

    rules = fills.EQUITY


def proposals(model: Any, order: Order) -> list[Event]:
    """What a fill model of the algorithm's own would have happen to an order now; it may be nothing."""
    asked = FillModelParameters(order.security.face, view(order))
    answer = hook(model, "fill")(asked)
    if answer is None:
        raise NullReferenceException("Object reference not set to an instance of an object.")
    return [event._event for event in answer if event is not None]
