"""A strategy's parameters: what is given, read against names and defaults, until nothing is left open."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from workbench.errors import BadInput, UnknownName
from workbench.words import instrument
from workbench.words.identity import freeze

SYMBOLS = "symbols"         # common to all strategies: the tickers to choose from; None is all that the view has
KINDS = {int: "a whole number", float: "a finite number", bool: "true or false", tuple: "a list", str: "text"}


def complete(given: Mapping[str, Any], defaults: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Every parameter by name: what is given, as the type of its default, else the default; and `symbols`.

    Raises `UnknownName` for a parameter that does not exist and `BadInput` for a value of another kind.
    """
    for name in given:
        if name not in defaults and name != SYMBOLS:
            raise UnknownName("parameter", name, [*defaults, SYMBOLS], where=where)
    values = {name: _typed(given.get(name, default), default, where=f"{where} parameter '{name}'")
              for name, default in defaults.items()}
    return {**values, SYMBOLS: _symbols(given.get(SYMBOLS), where=f"{where} parameter '{SYMBOLS}'")}


def frozen(values: Mapping[str, Any], *, where: str) -> tuple[tuple[str, Any], ...]:
    """The parameters as they are recorded. Raises `BadInput` for a value that has no exact form, such as NaN or a dict."""
    try:
        return freeze(values)
    except (TypeError, ValueError) as error:
        raise BadInput(str(error), where=f"{where} parameters") from None


def _typed(value: Any, default: Any, *, where: str) -> Any:
    """A value as the type of its default: numbers also from text and from Decimals. A default of None takes anything."""
    kind: type[Any] = tuple if isinstance(default, list) else type(default)
    try:
        if default is None:
            return value
        if kind is bool:
            return _flag(value)
        if kind in (int, float):
            return _number(value, kind)
        if kind is tuple:
            return tuple(value.split(",")) if isinstance(value, str) else tuple(value)
        if not isinstance(value, kind):
            raise ValueError(value)
    except (ValueError, TypeError, ArithmeticError, KeyError):
        remedy = f"the default is {default!r}"
        raise BadInput(f"{value!r} is not {KINDS.get(kind, kind.__name__)}", where=where, remedy=remedy) from None
    return value


def _flag(value: Any) -> bool:
    return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).strip().lower()]


def _number(value: Any, kind: type[Any]) -> int | float:
    number = Decimal(str(value).strip())
    if isinstance(value, bool) or not number.is_finite() or (kind is int and number % 1):
        raise ValueError(value)
    return int(number) if kind is int else float(number)


def _symbols(value: Any, *, where: str) -> tuple[str, ...] | None:
    """Tickers, from a list or from text with commas between them, each once."""
    if value is None:
        return None
    if not isinstance(value, str | list | tuple):
        raise BadInput(f"{value!r} is not a list of tickers", where=where, remedy="write them as a list, or as AAA,BBB")
    names = [instrument.symbol(str(name), where=where) for name in (value.split(",") if isinstance(value, str) else value)]
    if not names:
        raise BadInput("the list is empty", where=where, remedy="leave it out for all symbols")
    return tuple(dict.fromkeys(names))
