"""At which price an order fills on trade bars, if it does (Lean: EquityFillModel; lean-facts of the open rules beside each).

A fill is always for the whole quantity: Lean's built-in models ignore volume. Quote bars are not read here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from workbench.engines.embedded.clock import Hours, local_of
from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.enums import OrderType
from workbench.engines.embedded.orders import Order
from workbench.engines.embedded.security import Security


@dataclass(frozen=True, slots=True)
class Fill:
    """The price of a fill in dollars, and what Lean says with it."""

    price: Decimal
    message: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fill rule may look at: the moment, the exchange's hours, and the slippage a model would ask."""

    now: datetime
    hours: Hours
    slippage: Callable[[Order], Decimal]


def fill(order: Order, scene: Scene) -> Fill | None:
    """The fill of a pending order at this moment, or None. Looks at the newest real bar only."""
    if order.security.row < 0:
        return None
    return _RULES[order.type](order, order.security, scene)


def open_for_fills(security: Security, scene: Scene) -> bool:
    """Open now, or the newest daily bar is today's: at the close a daily bar still counts as market hours."""
    end = security.bar_end
    return scene.hours.is_open(scene.now) or (end is not None and end.date() == scene.now.date())


def _market(order: Order, security: Security, scene: Scene) -> Fill | None:
    """At the close of a bar that is not older than the order by more than a bar; daily orders are converted before."""
    end = security.bar_end
    if end is None or not scene.hours.is_open(scene.now) or end <= local_of(order.created):
        return None
    return Fill(security.price + _against_us(order, scene))


def _market_on_open(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Open of the first real bar that starts at or after the order; of another day, if placed while the market was open."""
    placed = local_of(order.created)
    start, end = security.bar_start, security.bar_end
    assert end is not None
    if start < placed or end <= placed or not open_for_fills(security, scene):
        return None
    if scene.hours.is_open(placed) and start.date() == placed.date():
        return None
    return Fill(security.field("open") + _against_us(order, scene))


def _market_on_close(order: Order, security: Security, scene: Scene) -> Fill | None:
    """The newest close, at the first look at or after the next close that followed the order."""
    if scene.now < scene.hours.next_close(local_of(order.created)):
        return None
    return Fill(security.price + _against_us(order, scene))


def _limit(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Low strictly below a buy's limit: at the limit, or at the open where that is better."""
    if not _bar_after(order, security, scene):
        return None
    limit, opening = order.limit, security.field("open")
    assert limit is not None
    if order.quantity > 0 and security.field("low") < limit:
        return _at_open("a favorable", opening, ZERO, scene) if opening < limit else Fill(limit)
    if order.quantity < 0 and security.field("high") > limit:
        return _at_open("a favorable", opening, ZERO, scene) if opening > limit else Fill(limit)
    return None


def _stop_market(order: Order, security: Security, scene: Scene) -> Fill | None:
    """High at or above a buy's stop: at the stop, or at the open where that is worse, and slippage against us."""
    if not _bar_after(order, security, scene):
        return None
    stop, opening = order.stop, security.field("open")
    assert stop is not None
    slip = _against_us(order, scene)
    if order.quantity > 0 and security.field("high") >= stop:
        return _at_open("an unfavorable", opening, slip, scene) if opening >= stop else Fill(stop + slip)
    if order.quantity < 0 and security.field("low") <= stop:
        return _at_open("an unfavorable", opening, slip, scene) if opening <= stop else Fill(stop + slip)
    return None


def _stop_limit(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Triggered strictly beyond the stop, then like a limit at the bar's close, at the bar's extreme if that is within."""
    if not _bar_after(order, security, scene):
        return None
    stop, limit = order.stop, order.limit
    assert stop is not None and limit is not None
    high, low = security.field("high"), security.field("low")
    if order.quantity > 0:
        order.touched = order.touched or high > stop
        return Fill(min(high, limit)) if order.touched and security.price < limit else None
    order.touched = order.touched or low < stop
    return Fill(max(low, limit)) if order.touched and security.price > limit else None


def _trailing_stop(order: Order, security: Security, scene: Scene) -> Fill | None:
    """The stop as it was, and only then moved with the bar: the second look of a slice sees the moved one."""
    if not _bar_after(order, security, scene):
        return None
    stop = order.stop
    assert stop is not None
    slip, high, low = _against_us(order, scene), security.field("high"), security.field("low")
    if order.quantity < 0:
        if low <= stop:
            return Fill(min(stop, security.price + slip))
        moved = high - (high * order.trail if order.trail_is_percent else order.trail)
        order.stop = max(stop, moved)
        return None
    if high >= stop:
        return Fill(max(stop, security.price + slip))
    moved = low + (low * order.trail if order.trail_is_percent else order.trail)
    order.stop = min(stop, moved)
    return None


def _limit_if_touched(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Touched by the bar's range, then filled at the close where the limit allows it."""
    if not _bar_after(order, security, scene):
        return None
    trigger, limit = order.trigger, order.limit
    assert trigger is not None and limit is not None
    message = _no_quotes(security)
    if order.quantity > 0:
        order.touched = order.touched or security.field("low") <= trigger
        return Fill(min(security.price, limit), message) if order.touched and security.price <= limit else None
    order.touched = order.touched or security.field("high") >= trigger
    return Fill(max(security.price, limit), message) if order.touched and security.price >= limit else None


def _bar_after(order: Order, security: Security, scene: Scene) -> bool:
    """The market is open for fills, and the newest bar ended after the order was placed."""
    end = security.bar_end
    return end is not None and end > local_of(order.created) and open_for_fills(security, scene)


def _against_us(order: Order, scene: Scene) -> Decimal:
    return scene.slippage(order).copy_sign(order.quantity)


def _at_open(kind: str, opening: Decimal, slip: Decimal, scene: Scene) -> Fill:
    """A fill at the open instead of the asked price says so, in Lean's words and with C#'s trailing zeros."""
    return Fill(opening + slip, f"Due to {kind} gap at {scene.now:%m/%d/%Y %H:%M:%S} America/New_York, order filled using the "
                                f"open price ({opening:f})")


def _no_quotes(security: Security) -> str:
    end = security.bar_end
    return (f"Warning: No quote information available at {end:%m/%d/%Y %H:%M:%S} America/New_York, "
            "order filled using TradeBar data")


_RULES: dict[OrderType, Callable[[Order, Security, Scene], Fill | None]] = {
    OrderType.MARKET: _market,
    OrderType.MARKET_ON_OPEN: _market_on_open,
    OrderType.MARKET_ON_CLOSE: _market_on_close,
    OrderType.LIMIT: _limit,
    OrderType.STOP_MARKET: _stop_market,
    OrderType.STOP_LIMIT: _stop_limit,
    OrderType.TRAILING_STOP: _trailing_stop,
    OrderType.LIMIT_IF_TOUCHED: _limit_if_touched,
}
