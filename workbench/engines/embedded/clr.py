"""How Lean's .NET objects look from Python: two spellings of every name, enums, decimals that come back as floats.

Lean's Python sees C# members under snake_case and PascalCase names, enum members in UPPER_CASE, and every decimal as a
float. The classes of the face derive from `ClrObject` and write the snake_case name; the other spelling follows.
"""

import re
from decimal import Decimal
from enum import Enum, EnumMeta
from functools import cache
from typing import Any, ClassVar

LARGEST = Decimal("79228162514264337593543950335")      # C#'s decimal.MaxValue: what Lean clamps larger numbers to
ZERO = Decimal(0)


class ArgumentException(ValueError):
    """A value that a C# method refuses."""


class InvalidOperationException(RuntimeError):
    """A call that C# refuses in the present state."""


class KeyNotFoundException(KeyError):
    """A key that a C# dictionary does not hold."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class MissingMember(AttributeError):
    """A member that the embedded engine does not have; Lean may."""


def decimal(value: Any) -> Decimal:
    """What C# makes of a number from Python: a double by its shortest text, too large a number clamped.

    Raises ArgumentException for NaN and infinity, TypeError for anything that is not a number.
    """
    if isinstance(value, int | Decimal):            # bool included, as in Lean
        number = Decimal(value)
    else:
        try:
            double = float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{value!r} is not a number") from None
        if isinstance(value, str):
            raise TypeError(f"{value!r} is not a number")
        if double != double or double in (float("inf"), float("-inf")):
            name = "NaN" if double != double else "Infinity" if double > 0 else "-Infinity"
            raise ArgumentException(f"It is not possible to cast a non-finite floating-point value ({name}) as decimal. "
                                    "Please review math operations and verify the result is valid. (Parameter 'input')")
        number = Decimal(repr(double))
    return max(-LARGEST, min(LARGEST, number))


@cache
def snake(name: str) -> str:
    """`TotalPortfolioValue` → `total_portfolio_value`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@cache
def pascal(name: str) -> str:
    """`MARKET_ON_OPEN` or `market_on_open` → `MarketOnOpen`."""
    return "".join(part.capitalize() for part in name.split("_"))


class ClrObject:
    """Base of what an algorithm gets from the engine: PascalCase names find the snake_case members."""

    clr_name: ClassVar[str] = ""

    def __getattr__(self, name: str) -> Any:
        if name[:1].isupper() and snake(name) != name:
            try:
                return getattr(self, snake(name))
            except MissingMember:
                pass                                    # named below as the algorithm wrote it
        raise MissingMember(f"'{type(self).__name__}' object has no attribute '{name}' in the embedded engine; "
                            "where Lean has it, run this algorithm under Lean")

    def __str__(self) -> str:
        return self.clr_name or type(self).__name__


def hook(owner: Any, name: str) -> Any:
    """A method that an algorithm's own class may define under either spelling: the one nearest to that class wins."""
    for kind in type(owner).__mro__:
        for spelling in (name, pascal(name)):
            if spelling in vars(kind):
                return getattr(owner, spelling)
    raise MissingMember(f"'{type(owner).__name__}' object has no attribute '{name}'")


def overridden(owner: Any, name: str) -> Any:
    """A callback that an algorithm's own class defines; None where only the engine's base class does."""
    for kind in type(owner).__mro__:
        for spelling in (name, pascal(name)):
            if spelling in vars(kind):
                return None if kind.__module__.startswith("workbench.engines.embedded.") else getattr(owner, spelling)
    return None


class _EnumMeta(EnumMeta):
    """Finds an enum's members under their PascalCase names too."""

    def __getattr__(cls, name: str) -> Any:
        if name[:1].isupper():
            members: Any = cls._member_map_
            if (member := members.get(snake(name).upper())) is not None:
                return member
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")


class LeanEnum(Enum, metaclass=_EnumMeta):
    """One of Lean's enums: equal to its number, printed by its name; as under Lean it has no `.name` and no JSON form."""

    def __str__(self) -> str:
        return self._name_

    def __format__(self, spec: str) -> str:
        return format(self._name_, spec)

    def __int__(self) -> int:
        return int(self._value_)

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, int) and self._value_ == other)

    def __hash__(self) -> int:
        return hash(self._value_)

    @property
    def name(self) -> str:
        raise MissingMember(f"'{type(self).__name__}' object has no attribute 'name'; str() gives it")
