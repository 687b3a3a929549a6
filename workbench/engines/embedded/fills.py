"""At which price an order fills, if it does (Lean: EquityFillModel, FillModel).

A fill is always for the whole quantity: Lean's built-in models ignore volume. Minute data has quotes; market, stop-limit,
trailing-stop and limit-if-touched orders fill on their own side of them, the others on trade bars alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

from workbench.engines.embedded.clock import Hours, local_of
from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.enums import OrderType, Resolution
from workbench.engines.embedded.orders import Order
from workbench.engines.embedded.security import MINUTE, Prices, Quote, Security

STALE_AFTER = timedelta(hours=1)        # `settings.stale_price_time_span`


class Fill(NamedTuple):
    """The price of a fill in dollars, and what Lean says with it."""

    price: Decimal
    message: str = ""


class Opening(IntEnum):
    """What the newest bar is to an order for the open."""

    TO_COME = 0         # older than the order
    MISSED = 1          # newer, but its open is not the one that the order waits for
    HERE = 2


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fill rule may look at: the moment, the exchange's hours, and the slippage a model would ask."""

    now: datetime
    hours: Hours
    slippage: Callable[[Order], Decimal]
    _openings: dict[tuple[int, datetime | None, bool], Opening] = field(default_factory=dict)

    def opening(self, order: Order) -> Opening:
        """Asked once for all orders that were placed at one moment and whose newest bars end at one."""
        security = order.security
        key = order.created, security.bar_end, security.resolution is Resolution.DAILY
        found = self._openings.get(key)
        if found is None:
            found = self._openings[key] = _opening(order, security, self)
        return found


def fill(order: Order, scene: Scene, rules: "Rules | None" = None) -> Fill | None:
    """The fill of a pending order at this moment, or None. Looks at the newest real bar only; by Lean's rules for equities
    unless told others."""
    if order.security.row < 0:
        return None
    return (rules or EQUITY)[order.type](order, order.security, scene)


def open_for_fills(security: Security, scene: Scene) -> bool:
    """Open now; or, closed, the newest bar still counts: a daily one for its whole day, a shorter one until its end."""
    if scene.hours.is_open(scene.now):
        return True
    end = security.bar_end
    if end is None:
        return False
    return end.date() == scene.now.date() if security.resolution is Resolution.DAILY else scene.now <= end


def _market(order: Order, security: Security, scene: Scene) -> Fill | None:
    """At the ask of a buy, the bid of a sale. Data older than an hour waits for newer when it is a bar behind the order."""
    if not open_for_fills(security, scene):
        return None
    price, end, message = best_effort(order, security)
    placed = local_of(order.created)
    if end < placed - STALE_AFTER and (security.resolution is Resolution.DAILY or placed - end > MINUTE):
        return None
    return Fill(price + _against_us(order, scene), message)


def best_effort(order: Order, security: Security) -> tuple[Decimal, datetime, str]:
    """The newest price of an order's side: its end, and what Lean says where it is no fresh quote.

    Quotes come first unless they are too old and the trade bar is newer.
    """
    quote, end = security.quote, security.bar_end
    fresh_from = local_of(order.created) - STALE_AFTER
    if quote is not None:
        side = quote.ask if order.quantity > 0 else quote.bid
        price = side.close if side is not None else _middle(quote)
        if quote.end >= fresh_from:
            return price, quote.end, ""
        if end is None or end <= quote.end:
            return price, quote.end, (f"Warning: fill at stale price ({quote.end:%m/%d/%Y %H:%M:%S} America/New_York), "
                                      "using QuoteBar data.")
    assert end is not None
    return security.price, end, (f"Warning: No quote information available at {end:%m/%d/%Y %H:%M:%S} America/New_York, "
                                 "order filled using TradeBar data")


def _market_on_open(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Open of the first real bar that starts at or after the order; of another day, if placed while the market was open."""
    return Fill(security.field("open") + _against_us(order, scene)) if scene.opening(order) is Opening.HERE else None


def _opening(order: Order, security: Security, scene: Scene) -> Opening:
    placed, end = local_of(order.created), security.bar_end
    if end is None or end <= placed:
        return Opening.TO_COME
    start = security.bar_start
    if start < placed or not open_for_fills(security, scene):
        return Opening.MISSED
    if security.resolution is not Resolution.DAILY and not scene.hours.is_open(start):
        return Opening.MISSED
    return Opening.MISSED if scene.hours.is_open(placed) and end.date() == placed.date() else Opening.HERE


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
        return _at_open("a favorable", security, opening, ZERO) if opening < limit else Fill(limit)
    if order.quantity < 0 and security.field("high") > limit:
        return _at_open("a favorable", security, opening, ZERO) if opening > limit else Fill(limit)
    return None


def _stop_market(order: Order, security: Security, scene: Scene) -> Fill | None:
    """High at or above a buy's stop: at the stop, or at the open where that is worse, and slippage against us."""
    if not _bar_after(order, security, scene):
        return None
    stop, opening = order.stop, security.field("open")
    assert stop is not None
    slip = _against_us(order, scene)
    if order.quantity > 0 and security.field("high") >= stop:
        return _at_open("an unfavorable", security, opening, slip) if opening >= stop else Fill(stop + slip)
    if order.quantity < 0 and security.field("low") <= stop:
        return _at_open("an unfavorable", security, opening, slip) if opening <= stop else Fill(stop + slip)
    return None


def _stop_limit(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Triggered strictly beyond the stop, then like a limit at the bar's close, at the bar's extreme if that is within."""
    bar = _side_after(order, security, scene)
    if bar is None:
        return None
    stop, limit = order.stop, order.limit
    assert stop is not None and limit is not None
    if order.quantity > 0:
        order.touched = order.touched or bar.high > stop
        return Fill(min(bar.high, limit)) if order.touched and bar.close < limit else None
    order.touched = order.touched or bar.low < stop
    return Fill(max(bar.low, limit)) if order.touched and bar.close > limit else None


def _trailing_stop(order: Order, security: Security, scene: Scene) -> Fill | None:
    """The stop as it was, and only then moved with the bar: the second look of a slice sees the moved one."""
    bar = _side_after(order, security, scene)
    if bar is None:
        return None
    stop = order.stop
    assert stop is not None
    slip, high, low = _against_us(order, scene), bar.high, bar.low
    if order.quantity < 0:
        if low <= stop:
            return Fill(min(stop, bar.close + slip))
        moved = high * (1 - order.trail) if order.trail_is_percent else high - order.trail
        order.stop = max(stop, moved)
        return None
    if high >= stop:
        return Fill(max(stop, bar.close + slip))
    moved = low * (1 + order.trail) if order.trail_is_percent else low + order.trail
    order.stop = min(stop, moved)
    return None


def _limit_if_touched(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Touched by the trade bar's range, then filled at its side's newest price where the limit allows it."""
    if not _bar_after(order, security, scene):
        return None
    trigger, limit = order.trigger, order.limit
    assert trigger is not None and limit is not None
    if order.quantity > 0:
        order.touched = order.touched or security.field("low") <= trigger
    else:
        order.touched = order.touched or security.field("high") >= trigger
    if not order.touched:
        return None
    price, _, message = best_effort(order, security)
    if order.quantity > 0:
        return Fill(min(price, limit), message) if price <= limit else None
    return Fill(max(price, limit), message) if price >= limit else None


def _bar_after(order: Order, security: Security, scene: Scene) -> bool:
    """The market is open for fills, and the newest bar ended after the order was placed."""
    end = security.bar_end
    return end is not None and end > local_of(order.created) and open_for_fills(security, scene)


def _side_after(order: Order, security: Security, scene: Scene) -> Prices | None:
    """The newest bar of the order's side; None where it is not after the order."""
    bar = _side(order, security)
    return bar if bar.end > local_of(order.created) and open_for_fills(security, scene) else None


def _side(order: Order, security: Security) -> Prices:
    """The newest bar of the order's side of the quotes, else the trade bar."""
    quote, end = security.quote, security.bar_end
    side = None if quote is None else quote.bid if order.quantity < 0 else quote.ask
    if side is not None:
        return side
    assert end is not None
    return Prices(security.bar_start, end, *(security.field(name) for name in ("open", "high", "low", "close")))


def _middle(quote: Quote) -> Decimal:
    sides = [side.close for side in (quote.bid, quote.ask) if side is not None]
    return sum(sides, ZERO) / len(sides)


def _against_us(order: Order, scene: Scene) -> Decimal:
    return scene.slippage(order).copy_sign(order.quantity)


def _at_open(kind: str, security: Security, opening: Decimal, slip: Decimal) -> Fill:
    """A fill at the open instead of the asked price says so, in Lean's words and with C#'s trailing zeros."""
    return Fill(opening + slip, f"Due to {kind} gap at {security.bar_end:%m/%d/%Y %H:%M:%S} America/New_York, order filled using "
                                f"the open price ({opening:f})")


def _base_market(order: Order, security: Security, scene: Scene) -> Fill | None:
    """The newest price of the order's side; a daily bar that began after the order fills it at its open."""
    if not open_for_fills(security, scene):
        return None
    bar, placed, message = _side(order, security), local_of(order.created), ""
    if bar.end < placed - STALE_AFTER:
        if security.resolution is Resolution.DAILY or placed - bar.end > MINUTE:
            return None
        message = f"Warning: fill at stale price ({bar.end:%m/%d/%Y %H:%M:%S} America/New_York)"
    rested = security.resolution is Resolution.DAILY and placed <= bar.start
    return Fill((bar.open if rested else bar.close) + _against_us(order, scene), message)


def _base_market_on_open(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Open of the newest bar after the order; of another day, if placed while the market was open."""
    placed, end = local_of(order.created), security.bar_end
    if end is None or placed >= end or not open_for_fills(security, scene):
        return None
    if scene.hours.is_open(placed) and placed.date() == scene.now.date():
        return None
    return Fill(_side(order, security).open + _against_us(order, scene))


def _base_market_on_close(order: Order, security: Security, scene: Scene) -> Fill | None:
    """The newest close, at the first look at or after the next close that followed the order."""
    if scene.now < scene.hours.next_close(local_of(order.created)):
        return None
    return Fill(_side(order, security).close + _against_us(order, scene))


def _base_limit(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Low strictly below a buy's limit: at the limit, or at the high where all of the bar is better."""
    bar = _side_after(order, security, scene)
    limit = order.limit
    assert limit is not None
    if bar is None:
        return None
    if order.quantity > 0:
        return Fill(min(bar.high, limit)) if bar.low < limit else None
    return Fill(max(bar.low, limit)) if bar.high > limit else None


def _base_stop_market(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Strictly beyond the stop: at the stop, or at the close with slippage where that is worse."""
    bar = _side_after(order, security, scene)
    stop = order.stop
    assert stop is not None
    if bar is None:
        return None
    price = bar.close + _against_us(order, scene)
    if order.quantity > 0:
        return Fill(max(stop, price)) if bar.high > stop else None
    return Fill(min(stop, price)) if bar.low < stop else None


def _base_limit_if_touched(order: Order, security: Security, scene: Scene) -> Fill | None:
    """Touched by the trade bar's range, then at the limit where the other side's newest price has passed it."""
    if not _bar_after(order, security, scene):
        return None
    trigger, limit, quote = order.trigger, order.limit, security.quote
    assert trigger is not None and limit is not None
    buys = order.quantity > 0
    order.touched = order.touched or (security.field("low") <= trigger if buys else security.field("high") >= trigger)
    if not order.touched:
        return None
    other = None if quote is None else quote.bid if buys else quote.ask
    price = other.close if other is not None else security.price if quote is None else _middle(quote)
    return Fill(limit) if (price <= limit if buys else price >= limit) else None


Rules = dict[OrderType, Callable[[Order, Security, Scene], Fill | None]]

EQUITY: Rules = {
    OrderType.MARKET: _market,
    OrderType.MARKET_ON_OPEN: _market_on_open,
    OrderType.MARKET_ON_CLOSE: _market_on_close,
    OrderType.LIMIT: _limit,
    OrderType.STOP_MARKET: _stop_market,
    OrderType.STOP_LIMIT: _stop_limit,
    OrderType.TRAILING_STOP: _trailing_stop,
    OrderType.LIMIT_IF_TOUCHED: _limit_if_touched,
}

# Lean's rules for everything but equities; a fill model of an algorithm's own may build on them.
BASE: Rules = {
    **EQUITY,
    OrderType.MARKET: _base_market,
    OrderType.MARKET_ON_OPEN: _base_market_on_open,
    OrderType.MARKET_ON_CLOSE: _base_market_on_close,
    OrderType.LIMIT: _base_limit,
    OrderType.STOP_MARKET: _base_stop_market,
    OrderType.LIMIT_IF_TOUCHED: _base_limit_if_touched,
}
