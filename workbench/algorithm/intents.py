"""Order intents: what is wanted, one holding an item. One reading of the file, inside Lean and outside it.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder.
"""

import difflib
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

SCHEMA = "intent/1"
SYMBOL = re.compile(r"[A-Z0-9.\-]{1,12}")
SOURCES = ("strategy", "manual", "close")
ORDER_TYPES = ("MKT", "MOO", "MOC", "LMT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One wanted holding: a signed fraction of equity, or, for a manual order, a signed quantity of shares.

    `decision_price` is the raw close at the decision, in dollars. `side` is of the weight and provisional: the side
    of the order comes with its events.
    """

    schema: str = SCHEMA
    order_intent_id: str
    symbol: str
    instrument_id: str
    weight: Decimal | None
    snapshot_date: date
    rebalance_date: date
    decision_price: Decimal
    side: str
    quantity: int | None = None
    order_type: str | None = None
    limit_price: Decimal | None = None
    source: str = "strategy"

    def body(self) -> dict[str, Any]:
        """Every field by name, in the order of the contract, ready to be written."""
        return {name: getattr(self, name) for name in self.__slots__}


FIELDS = frozenset(Intent.__slots__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An item of an intents file that was refused alone: its place in the list, its name and the reason.

    `rebalance_date` is the item's, where it could be read: what was refused for a date is not unwanted on it.
    """

    position: int
    symbol: str
    reason: str
    rebalance_date: date | None = field(default=None, compare=False)


def read(items: Any) -> tuple[tuple[Intent, ...], tuple[Rejected, ...]]:
    """Intents of a parsed JSON list, and the items refused. A bad item is refused alone; a wrong shape raises ValueError.

    There is one item a symbol and date: each is sized from what is held, so two would trade the same shares twice. The
    second is refused, and so is the second with one id.
    """
    if not isinstance(items, list):
        raise ValueError(f"order intents must be a list of objects, not {type(items).__name__}")
    good: list[Intent] = []
    bad: list[Rejected] = []
    ids: set[str] = set()
    named: set[tuple[date, str]] = set()
    for position, item in enumerate(items):
        try:
            intent = _read_one(item)
            if intent.order_intent_id in ids:
                raise ValueError(f"order_intent_id {intent.order_intent_id} appears twice")
            if (intent.rebalance_date, intent.instrument_id) in named:
                raise ValueError(f"{intent.rebalance_date} has two items for {intent.symbol}")
        except ValueError as error:
            bad.append(_rejected(position, item, str(error)))
            continue
        ids.add(intent.order_intent_id)
        named.add((intent.rebalance_date, intent.instrument_id))
        good.append(intent)
    return tuple(good), tuple(bad)


def _read_one(item: Any) -> Intent:
    if not isinstance(item, dict):
        raise ValueError(f"an intent must be an object, not {item!r}")
    if not item.keys() <= FIELDS:
        unknown = next(name for name in item if name not in FIELDS)
        near = difflib.get_close_matches(str(unknown), Intent.__slots__, n=1)
        raise ValueError(f"unknown field '{unknown}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    if item.get("schema", SCHEMA) != SCHEMA:
        raise ValueError(f"schema {item['schema']!r} is not {SCHEMA}")
    source = item.get("source") or "strategy"
    if source not in SOURCES:
        raise ValueError(f"source {source!r} is not one of {', '.join(SOURCES)}")
    weight, quantity = _number(item, "weight"), _number(item, "quantity")
    if weight is not None and source == "manual":
        raise ValueError("a manual order has a quantity, not a weight")
    if (weight is None) == (quantity is None):
        raise ValueError("exactly one of weight and quantity must be given")
    if quantity is not None and (source != "manual" or quantity == 0 or quantity != quantity.to_integral_value()):
        raise ValueError("quantity is for manual orders: a signed whole number, not 0")
    price, limit = _number(item, "decision_price"), _number(item, "limit_price")
    if price is None or price <= 0:
        raise ValueError("decision_price must be above zero")
    if limit is not None and limit <= 0:
        raise ValueError("limit_price must be above zero")
    order_type = item.get("order_type")
    if order_type is not None and order_type not in ORDER_TYPES:
        raise ValueError(f"order_type {order_type!r} is not one of {', '.join(ORDER_TYPES)}")
    if limit is not None and order_type not in (None, "LMT"):
        raise ValueError(f"a limit_price with order_type {order_type} has no meaning")
    if limit is not None:
        order_type = "LMT"      # also where the params would send it to the market: a limit is never dropped
    signed = weight if weight is not None else quantity
    assert signed is not None
    return Intent(
        order_intent_id=_text(item, "order_intent_id"),
        symbol=symbol(item.get("symbol")),
        instrument_id=_text(item, "instrument_id"),
        weight=weight,
        snapshot_date=_date(item, "snapshot_date"),
        rebalance_date=_date(item, "rebalance_date"),
        decision_price=price,
        side="BUY" if signed >= 0 else "SELL",
        quantity=None if quantity is None else int(quantity),
        order_type=order_type,
        limit_price=limit,
        source=source,
    )


def _rejected(position: int, item: Any, reason: str) -> Rejected:
    given = item if isinstance(item, dict) else {}
    try:
        day = _date(given, "rebalance_date")
    except ValueError:
        day = None
    return Rejected(position=position, symbol=str(given.get("symbol") or "?"), reason=reason, rebalance_date=day)


def symbol(value: Any) -> str:
    """A ticker, stripped and upper-cased. Raises ValueError for what can't be one."""
    text = str(value or "").strip().upper()
    if not text:
        raise ValueError("symbol is empty")
    if not SYMBOL.fullmatch(text):
        raise ValueError(f"symbol {text!r} is not a US ticker (up to 12 of A-Z, 0-9, '.', '-')")
    return text


def _number(item: dict[str, Any], name: str) -> Decimal | None:
    value = item.get(name)
    if value is None:
        return None
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} {value!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{name} {value!r} is not finite")
    return number


def _text(item: dict[str, Any], name: str) -> str:
    value = str(item.get(name) or "").strip()
    if not value:
        raise ValueError(f"{name} is empty")
    return value


def _date(item: dict[str, Any], name: str) -> date:
    try:
        return date.fromisoformat(str(item.get(name)))
    except ValueError:
        raise ValueError(f"{name} {item.get(name)!r} is not a date YYYY-MM-DD") from None
