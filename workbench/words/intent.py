"""What is wanted, one holding an item. Fields and reading are the algorithm's own; here are ids and placeholders."""

import secrets
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from operator import add, attrgetter
from typing import Any

from workbench.algorithm import intents as rules
from workbench.algorithm.intents import Intent, Rejected
from workbench.algorithm.journal import to_json
from workbench.errors import BadInput
from workbench.words.instrument import Instrument
from workbench.words.order import Order

__all__ = ["Intent", "Rejected", "manual", "placeholder", "read", "text"]

_VALUES = attrgetter(*Intent.__slots__)
_NAMES = tuple(f'"{name}":' for name in Intent.__slots__)


def read(items: Any, *, where: str = "") -> tuple[tuple[Intent, ...], tuple[Rejected, ...]]:
    """Intents of a parsed file, and the items refused alone. Raises `BadInput` for a wrong shape."""
    try:
        return rules.read(items)
    except ValueError as error:
        raise BadInput(str(error), where=where) from None


def text(items: Iterable[Intent]) -> str:
    """The text of an intents file: one item a line, each as `to_json` writes its body."""
    lines = ("{" + ",".join(map(add, _NAMES, map(to_json, _VALUES(item)))) + "}" for item in items)
    return "[\n" + ",\n".join(lines) + "\n]\n"


def manual(
    instrument: Instrument, quantity: int, *, rebalance_date: date, snapshot_date: date, decision_price: Decimal,
    order_type: str | None = None, limit_price: Decimal | None = None
) -> Intent:
    """An order asked for by hand: signed shares, and a fresh random id, since asking twice means wanting two."""
    order_intent_id = f"m{secrets.token_hex(8)}-{instrument.symbol}"
    item = {
        "order_intent_id": order_intent_id, "symbol": instrument.symbol, "instrument_id": instrument.instrument_id,
        "weight": None, "quantity": quantity, "snapshot_date": snapshot_date, "rebalance_date": rebalance_date,
        "decision_price": decision_price, "order_type": order_type, "limit_price": limit_price, "source": "manual",
    }
    good, bad = read([item])
    if bad:
        raise BadInput(bad[0].reason, where=f"manual order in {instrument.symbol}")
    return good[0]


def placeholder(intent: Intent, usual_type: str) -> Order:
    """The order that stands for an intent from the moment it exists until an engine knows it: quantity 0, NEW, no run."""
    return Order(
        client_order_id=None, order_intent_id=intent.order_intent_id, symbol=intent.symbol,
        instrument_id=intent.instrument_id, side=intent.side, quantity=Decimal(0),
        order_type=intent.order_type or usual_type, status="NEW",
    )
