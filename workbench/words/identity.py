"""Identity is content: the same thing decided or asked for twice has one id."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from json.encoder import encode_basestring as quote
from typing import Any

from workbench.algorithm.journal import WRITERS, to_json

MONEY = Decimal("1e-12")        # the store's DECIMAL(38,12): what a file holds is what the store holds
WIDE = Context(prec=38)


def content_id(kind: str, body: Mapping[str, Any]) -> str:
    """`kind` (one letter) and the first 16 hex characters of the sha256 of the body's canonical JSON.

    Clock, code and library versions have no place in the body: an id does not rot. Raises TypeError for a float or any
    other type without one exact text.
    """
    return f"{kind}{hashlib.sha256(canonical(body).encode()).hexdigest()[:16]}"


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces, Decimals without trailing zeros and dates as ISO text."""
    write = SORTING.get(type(value))            # as `to_json` writes, but for the order of keys
    if write is None:
        write = next((write for kind, write in SORTING.items() if isinstance(value, kind)), to_json)
    return write(value)


def money(value: Any) -> Decimal:
    """A finite Decimal on the store's grid of 12 decimals. Floats by their shortest text: 0.1 is 0.1.

    Raises ValueError for NaN and infinity, and for what has more digits than the store keeps.
    """
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    if number.adjusted() >= WIDE.prec - 12:
        raise ValueError(f"{value!r} is too large: at most 26 digits before the point are kept")
    number = number.quantize(MONEY, ROUND_HALF_EVEN, WIDE).normalize(WIDE)
    return number if number else Decimal(0)


def freeze(mapping: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """A JSON object as sorted pairs, lists as tuples, floats as Decimals: nothing inside can change afterwards."""
    return tuple((str(key), _frozen(mapping[key])) for key in sorted(mapping))


def thaw(pairs: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """The pairs of `freeze` as a dict, for writing and for keyword arguments."""
    return dict(pairs)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        raise TypeError(f"{value!r}: a parameter is a number, text, flag, date or a list of them")
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, float):
        return money(value)
    if value is None or isinstance(value, str | bool | int | Decimal | date):
        return value
    raise TypeError(f"{value!r}: a parameter is a number, text, flag, date or a list of them")


def _object(value: Mapping[Any, Any]) -> str:
    return "{" + ",".join([f"{quote(str(key))}:{canonical(value[key])}" for key in sorted(value, key=str)]) + "}"


def _array(value: Iterable[Any]) -> str:
    return "[" + ",".join(map(canonical, value)) + "]"


SORTING: Mapping[type, Callable[[Any], str]] = {**WRITERS, dict: _object, list: _array, tuple: _array, Mapping: _object}
