"""One side of a parity: a run's events as one source tells them, and when two values that are told are equal."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

TOLERANCE = Decimal("1e-9")         # what an exact decimal keeps that has been a float on its way
LEAN, JOURNAL = "lean", "journal"
ORDER = "order"
TIME = "time"
PLACE = "place"                     # not a field of an event, but where it stands among the others

Value = Any                         # text, whole number, Decimal, flag, moment or None; and lists and objects of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event as one side tells it. `order` and `event` are the engine's numbers, `ref` is our order_ref, where known.

    `place` counts the lines or items it was read from, from 1. What is not about an order has its journal kind; null and
    absent are the same in `values`.
    """

    place: int
    kind: str = ORDER
    order: str = ""
    event: int = 0
    ref: str = ""
    values: Mapping[str, Value]

    @property
    def label(self) -> str:
        """What a person calls it: `order 12, event 2`, or `sized AAPL`."""
        return f"order {self.order}, event {self.event}" if self.kind == ORDER else f"{self.kind} {self.subject}".strip()

    @property
    def subject(self) -> str:
        """What it is about: a symbol, or a rebalance date."""
        return str(self.values.get("symbol") or self.values.get("rebalance_date") or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One side: its events in the order told, and what else it says of the run.

    `fields` are those that order events of this form can have; `end` is cash, equity and shares at the end; `statistics`
    are as printed; `asked` is what the run was asked to do. With `wall_clock` its times are those of a real day.
    """

    name: str
    form: str
    events: tuple[Told, ...]
    fields: frozenset[str] = frozenset()
    end: Mapping[str, Value] = field(default_factory=dict)
    statistics: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Value] = field(default_factory=dict)
    wall_clock: bool = False


def same(x: Value, y: Value, tolerance: Decimal = TOLERANCE) -> bool:
    """Whether two values are equal: whole numbers, text, flags and moments identical, other numbers to the tolerance."""
    if type(x) is type(y) and x == y:
        return True
    if is_number(x) and is_number(y):
        if isinstance(x, int) and isinstance(y, int):
            return False
        return bool(abs(x - y) <= tolerance * max(abs(x), abs(y)))
    if isinstance(x, Mapping) and isinstance(y, Mapping):
        return x.keys() == y.keys() and all(same(x[name], y[name], tolerance) for name in x)
    if isinstance(x, list | tuple) and isinstance(y, list | tuple):
        return len(x) == len(y) and all(same(one, other, tolerance) for one, other in zip(x, y, strict=True))
    return False


def is_number(value: Value) -> bool:
    """Whether it is a number; a flag is none."""
    return isinstance(value, Decimal | int) and not isinstance(value, bool)
