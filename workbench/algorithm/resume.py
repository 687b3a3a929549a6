"""What earlier attempts of the day left, as the next one is told of it. One reading of the file, inside Lean and outside it.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder.

An attempt that was cut short left orders that were sent, some of them still open at the broker, and perhaps holdings that
were sized and certainly never sent. The next attempt sends only those, each under the next number of its intent, and sizes
nothing again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

SCHEMA = "resume/1"
ORDER_TYPES = ("MKT", "MOO", "MOC", "LMT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One holding that was sized and not sent. `order`, `target` and `held` are signed shares, `price` dollars."""

    order_intent_id: str
    symbol: str
    instrument_id: str
    order: Decimal
    target: Decimal
    held: Decimal
    price: Decimal | None
    order_type: str
    reduces: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """One order of ours that is open at the broker: signed shares ordered, and filled so far."""

    order_ref: str
    symbol: str
    quantity: Decimal
    filled: Decimal

    @property
    def remaining(self) -> Decimal:
        """Signed shares still to be filled."""
        return self.quantity - self.filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Where to go on. `sent` is the highest n by intent, `ledger` the shares that our own fills explain by symbol, `refs`
    every order_ref that was ever sent."""

    sized: bool = False
    lines: tuple[Line, ...] = ()
    sent: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    ledger: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}))
    working: tuple[Working, ...] = ()
    refs: frozenset[str] = frozenset()

    @property
    def symbols(self) -> frozenset[str]:
        """Every symbol that something is left of."""
        named = {line.symbol for line in self.lines} | {order.symbol for order in self.working}
        return frozenset(named | {symbol for symbol, shares in self.ledger.items() if shares})


def read(given: Any) -> Resume:
    """What is left, from a parsed JSON object. Raises ValueError naming the field, for anything that is not as it must be.

    Lines without `sized` are refused: what is sized afresh must not be sent beside them.
    """
    if not isinstance(given, dict) or given.get("schema") != SCHEMA:
        raise ValueError(f"not a {SCHEMA} object")
    unknown = set(given) - {"schema", *(item.name for item in fields(Resume))}
    if unknown:
        raise ValueError(f"unknown field '{min(unknown)}'")
    sized = given.get("sized", False)
    if not isinstance(sized, bool):
        raise ValueError(f"sized must be true or false, not {sized!r}")
    found = Resume(
        sized=sized,
        lines=tuple(_line(item) for item in _list(given, "lines")),
        sent=MappingProxyType({str(name): _count(name, n) for name, n in _object(given, "sent").items()}),
        ledger=MappingProxyType({str(name): _number(f"ledger of {name}", n) for name, n in _object(given, "ledger").items()}),
        working=tuple(_working(item) for item in _list(given, "working")),
        refs=frozenset(str(item) for item in _list(given, "refs")) | {item["order_ref"] for item in _list(given, "working")},
    )
    if found.lines and not sized:
        raise ValueError("lines without sized: they would be sized a second time")
    named = [line.order_intent_id for line in found.lines]
    if len(set(named)) != len(named):
        raise ValueError("an intent has two lines")
    return found


def adopt(working: Iterable[Working], found: Iterable[tuple[int, str, Decimal]]) -> dict[int, str]:
    """Which order_ref each open order bears: `found` is id, symbol and signed quantity of each that the engine met.

    An engine may give the whole quantity of an order that is partly filled, or what remains of it. Only where one reading
    accounts for every order of ours in a symbol, and no other reading names them differently, they are taken for ours.
    """
    ours, open_orders = tuple(working), sorted(found)
    adopted: dict[int, str] = {}
    for symbol in {order.symbol for order in ours}:
        missed = [order for order in ours if order.symbol == symbol]
        there = [(number, quantity) for number, name, quantity in open_orders if name == symbol]
        readings = [reading for reading in (_pair([(order.remaining, order.order_ref) for order in missed], there),
                                            _pair([(order.quantity, order.order_ref) for order in missed], there)) if reading]
        if readings and readings[0] == readings[-1]:
            adopted |= readings[0]
    return adopted


def _pair(missed: list[tuple[Decimal, str]], there: list[tuple[int, Decimal]]) -> dict[int, str]:
    """Order_refs by id, where there are exactly as many open orders of each quantity as are missed; else none."""
    pairs: dict[int, str] = {}
    for shares in {quantity for quantity, _ in missed}:
        refs = [ref for quantity, ref in missed if quantity == shares]
        ids = [number for number, quantity in there if quantity == shares]
        if len(ids) != len(refs):
            return {}
        pairs |= dict(zip(ids, refs, strict=True))
    return pairs


def _line(item: Any) -> Line:
    given = _with(item, Line)
    line = Line(
        order_intent_id=_text(given, "order_intent_id"), symbol=_text(given, "symbol"),
        instrument_id=_text(given, "instrument_id"), order=_number("order", given["order"]),
        target=_number("target", given["target"]), held=_number("held", given["held"]),
        price=None if given["price"] is None else _number("price", given["price"]),
        order_type=_text(given, "order_type"), reduces=bool(given["reduces"]),
    )
    if line.order_type not in ORDER_TYPES:
        raise ValueError(f"order_type {line.order_type!r} is not one of {', '.join(ORDER_TYPES)}")
    if line.order == 0 or line.order != line.target - line.held:
        raise ValueError(f"{line.order_intent_id}: order {line.order} is not target {line.target} less held {line.held}")
    return line


def _working(item: Any) -> Working:
    given = _with(item, Working)
    order = Working(order_ref=_text(given, "order_ref"), symbol=_text(given, "symbol"),
                    quantity=_number("quantity", given["quantity"]), filled=_number("filled", given["filled"]))
    if order.remaining * order.quantity <= 0 or order.filled * order.quantity < 0:
        raise ValueError(f"{order.order_ref}: {order.filled} of {order.quantity} shares filled leaves nothing open")
    return order


def _with(item: Any, kind: Any) -> dict[str, Any]:
    """An object with exactly a class's fields."""
    names = {known.name for known in fields(kind)}
    if not isinstance(item, dict) or set(item) != names:
        raise ValueError(f"{item!r} has not the fields {', '.join(sorted(names))}")
    return item


def _list(given: dict[str, Any], name: str) -> list[Any]:
    value = given.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list, not {value!r}")
    return value


def _object(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, not {value!r}")
    return value


def _text(given: dict[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be text, not {value!r}")
    return value


def _number(name: str, value: Any) -> Decimal:
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{name} {value!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{name} {value!r} is not finite")
    return number


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"sent of {name} must be a count, not {value!r}")
    return value
