"""The bulk of the result files as text: order events, orders, closed trades and the profits of closings, in Lean's form.

Each is one line of JSON that is made while its file is written. What all lines of a stock share is made once.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from hashlib import sha1
from itertools import islice
from typing import Any
from uuid import NAMESPACE_OID

from workbench.engines.embedded.charts import Text
from workbench.engines.embedded.clr import pascal
from workbench.engines.embedded.decimals import normal, number, shortest
from workbench.engines.embedded.enums import OrderDirection, OrderStatus, OrderType
from workbench.engines.embedded.orders import Event, Order, direction_of
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.statistics import TICKS_A_SECOND, duration, instant
from workbench.engines.embedded.times_in_force import DayTimeInForce, GoodTilDateTimeInForce, TimeInForce
from workbench.engines.embedded.trades import Trade

PIECE = 100         # rows that are written at once
MARKET, LIMIT = OrderType.MARKET, OrderType.LIMIT
PLAIN = {int(kind) for kind in (OrderType.MARKET, OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE)}  # no prices of their own
EMPTY = '""'
VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}      # of a UUID (RFC 4122)


def _camel(member: OrderStatus | OrderDirection) -> str:
    word = pascal(str(member))
    return word[0].lower() + word[1:]


STATUS = {int(member): _camel(member) for member in OrderStatus}
BUY, SELL, HOLD = (_camel(member) for member in OrderDirection)


@dataclass(frozen=True, slots=True)
class Rows:
    """The members of an object, or the items of an array, as lines of JSON."""

    lines: Iterable[str]
    brackets: str = "[]"


class Flat(dict[str, str | int | None]):
    """An object without others in it, nor numbers with a point."""


def indented(value: Any, indent: int = 0) -> Iterator[str]:
    """Indented JSON with Lean's numbers, in pieces to be written one after the other."""
    if isinstance(value, Text):
        yield value
    elif isinstance(value, Flat):
        members = json.dumps(value, ensure_ascii=False, separators=(f",\n{' ' * (indent + 2)}", ": "))[1:-1]
        yield from _bracketed(iter([members] if members else []), "{}", indent)
    elif isinstance(value, Rows):
        yield from _bracketed(joined(value.lines, f",\n{' ' * (indent + 2)}"), value.brackets, indent)
    elif isinstance(value, Mapping):
        yield from _bracketed(_members(value, indent + 2), "{}", indent)
    elif isinstance(value, list | tuple):
        items = ("".join(indented(item, indent + 2)) for item in value)
        yield from _bracketed(joined(items, f",\n{' ' * (indent + 2)}"), "[]", indent)
    else:
        yield number(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def joined(rows: Iterable[str], separator: str) -> Iterator[str]:
    """Rows with a separator between them, many in a piece."""
    rows, before = iter(rows), ""
    while piece := list(islice(rows, PIECE)):
        yield before + separator.join(piece)
        before = separator


def _members(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    before = ""
    for key, item in value.items():
        yield f"{before}{json.dumps(str(key))}: "
        yield from indented(item, indent)
        before = f",\n{' ' * indent}"


def _bracketed(pieces: Iterator[str], brackets: str, indent: int) -> Iterator[str]:
    """Pieces on lines of their own between brackets; the bare brackets where there are none."""
    first = next(pieces, None)
    if first is None:
        yield brackets
        return
    yield f"{brackets[0]}\n{' ' * (indent + 2)}{first}"
    yield from pieces
    yield f"\n{' ' * indent}{brackets[1]}"


class Shared(dict[Security, str]):
    """What the lines of a stock share, made at the first one."""

    def __init__(self, form: Callable[[Security], str]) -> None:
        super().__init__()
        self._form = form

    def __missing__(self, security: Security) -> str:
        found = self[security] = self._form(security)
        return found


def event_lines(events: Iterable[Event], algorithm_id: str) -> Iterator[str]:
    """Order events, their keys in Lean's order."""
    name, symbols = json.dumps(algorithm_id)[1:-1], Shared(_symbol_of_event)
    for event in events:
        order, quantity, filled, price = event.order, number(event.quantity), "0.0", "0.0"
        if event.fill_quantity:
            filled = quantity if event.fill_quantity is event.quantity else number(event.fill_quantity)
        if event.fill_price:
            price = shortest(event.fill_price)
        fee = "" if event.fee is None else f'"orderFeeAmount":{shortest(event.fee)},"orderFeeCurrency":"{event.fee_currency}",'
        message = f'"message":{json.dumps(event.message, ensure_ascii=False)},' if event.message else ""
        prices = "" if event.stop is None else f',"stopPrice":{shortest(event.stop)}'
        if event.limit is not None:
            prices += f',"limitPrice":{shortest(event.limit)}'
        side = SELL if quantity[0] == "-" else BUY if event.quantity else HOLD
        yield (f'{{"id":"{name}-{order.id}-{event.id}","algorithmId":"{name}","orderId":{order.id},"orderEventId":{event.id},'
               f'{symbols[order.security]},"time":{event.utc}.0,"status":"{STATUS[event.status._value_]}",{fee}'
               f'"fillPrice":{price},"fillPriceCurrency":"{event.fee_currency}","fillQuantity":{filled},"direction":"{side}",'
               f'{message}"isAssignment":false,"quantity":{quantity}{prices}}}')


def order_lines(orders: Iterable[Order]) -> Iterator[str]:
    """The result file's orders by their ids."""
    symbols = Shared(_symbol)
    for order in orders:
        security, kind, number_of, quantity, price = order.security, order.type, order.id, order.quantity, order.average_price
        bid, ask, last = order.submitted
        written, written_last = number(price), number(last)
        if written[-1] == "0":
            price = normal(price)
            written = number(price)
        broker_id = f'"{number_of}"' if order.placed else ""
        before, after = ("", "") if kind._value_ in PLAIN else _own_prices(order)
        created = instant(order.created)
        times = "" if order.last_fill is None else f'"lastFillTime":"{instant(order.last_fill)}",'
        if order.last_update is not None:
            times += f'"lastUpdateTime":"{instant(order.last_update)}",'
        if order.canceled is not None:
            times += f'"canceledTime":"{instant(order.canceled)}",'
        yield (f'"{number_of}": {{{before}"type":{kind._value_},{after}"id":{number_of},"contingentId":0,'
               f'"brokerId":[{broker_id}],"symbol":{symbols[security]},"price":{written},"priceCurrency":"USD",'
               f'"time":"{created}","createdTime":"{created}",'
               f'{times}"quantity":{number(quantity)},"status":{order.status._value_},'
               f'"tag":{json.dumps(order.tag, ensure_ascii=False) if order.tag else EMPTY},'
               f'"properties":{{"timeInForce":{_tif(order.tif)}}},"securityType":1,"direction":{direction_of(quantity)._value_},'
               f'"value":{number(quantity * price)},'
               f'"orderSubmissionData":{{"bidPrice":{written_last if bid is last else number(bid)},'
               f'"askPrice":{written_last if ask is last else number(ask)},"lastPrice":{written_last}}},'
               f'"isMarketable":{"true" if kind is MARKET or (kind is LIMIT and _is_marketable(order)) else "false"},'
               f'"priceAdjustmentMode":{security.mode._value_}}}')


def trade_lines(trades: Iterable[Trade], algorithm_id: str) -> Iterator[str]:
    """The closed trades. Lean's `id` is drawn; ours is the same in every run of the same algorithm id."""
    symbols, names = Shared(_symbol), sha1(NAMESPACE_OID.bytes + f"{algorithm_id}-".encode(), usedforsecurity=False)
    length = lru_cache(maxsize=4096)(duration)
    for place, trade in enumerate(trades):
        security, entered, entry, is_long, quantity, exited, left, profit, fees, adverse, favorable, given_back, orders = trade
        name = names.copy()
        name.update(b"%d" % place)
        digits = name.hexdigest()
        ids = f"{orders[0]}, {orders[1]}" if len(orders) == 2 else ", ".join(map(str, orders))
        yield (f'{{"id":"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}",'
               f'"symbols":[{symbols[security]}],"entryTime":"{instant(entered)}","entryPrice":{number(entry)},'
               f'"direction":{0 if is_long else 1},"quantity":{number(quantity)},"exitTime":"{instant(exited)}",'
               f'"exitPrice":{number(left)},"profitLoss":{number(profit)},"totalFees":{number(fees)},"mae":{number(adverse)},'
               f'"mfe":{number(favorable)},"duration":"{length((exited - entered) * TICKS_A_SECOND)}",'
               f'"endTradeDrawdown":{number(given_back)},"isWin":{"true" if profit > 0 else "false"},"orderIds":[{ids}]}}')


def profit_lines(profits: Iterable[tuple[int, Decimal]]) -> Iterator[str]:
    """The closings' profits by their moments, in UTC milliseconds."""
    for milliseconds, profit in profits:
        utc, rest = divmod(milliseconds, 1000)
        part = f".{rest:03d}Z" if rest else "Z"
        yield f'"{instant(utc)[:-1]}{part}": {number(profit)}'


def _symbol_of_event(security: Security) -> str:
    identifier = str(security.symbol.id)
    return f'"symbol":"{identifier}","symbolValue":"{security.symbol}","symbolPermtick":"{identifier.split(" ")[0]}"'


def _symbol(security: Security) -> str:
    return f'{{"value":"{security.symbol}","id":"{security.symbol.id}","permtick":"{security.symbol}"}}'


def _is_marketable(order: Order) -> bool:
    """Whether a limit order would have filled at what was quoted when it was sent."""
    assert order.limit is not None
    return order.limit >= order.submitted.ask if order.quantity > 0 else order.limit <= order.submitted.bid


def _own_prices(order: Order) -> tuple[str, str]:
    """What an order has of its own, before its type and after: the members of Lean's classes as they are declared, then those of
    the class that a class derives from."""
    stop, limit, trigger = ("" if price is None else number(price) for price in (order.stop, order.limit, order.trigger))
    touched = json.dumps(order.touched)
    match order.type:
        case OrderType.LIMIT:
            return f'"limitPrice":{limit},', ""
        case OrderType.STOP_MARKET:
            return f'"stopPrice":{stop},', ""
        case OrderType.STOP_LIMIT:
            return f'"stopPrice":{stop},"stopTriggered":{touched},"limitPrice":{limit},', ""
        case OrderType.TRAILING_STOP:
            return (f'"trailingAmount":{number(order.trail)},"trailingAsPercentage":{json.dumps(order.trail_is_percent)},',
                    f'"stopPrice":{stop},')
        case OrderType.LIMIT_IF_TOUCHED:
            return "", f'"triggerPrice":{trigger},"limitPrice":{limit},"triggerTouched":{touched},'
        case _:
            return "", ""


def _tif(tif: TimeInForce) -> str:
    if tif is TimeInForce.GOOD_TIL_CANCELED:
        return "{}"
    if isinstance(tif, DayTimeInForce):
        return '{"$type":"QuantConnect.Orders.TimeInForces.DayTimeInForce"}'
    if isinstance(tif, GoodTilDateTimeInForce):
        return ('{"$type":"QuantConnect.Orders.TimeInForces.GoodTilDateTimeInForce",'
                f'"Expiry":"{tif.expiry.isoformat()}"}}')
    return "{}"
