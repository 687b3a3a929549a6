"""How Lean's .NET objects look from Python: two spellings of every name, enums, decimals that come back as floats.

Lean's Python sees C# members under snake_case and PascalCase names, enum members in UPPER_CASE, and every decimal as a
float. The classes of the face derive from `ClrObject`, bear Lean's names and write the snake_case members; the other
spelling follows. A member that Lean has and the face has not raises NotSupported; one that nobody has, AttributeError.
"""

import functools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum, EnumMeta
from functools import cache
from typing import Any, TypeVar

from workbench.engines.embedded import names
from workbench.errors import NotSupported

LARGEST = Decimal("79228162514264337593543950335")      # C#'s decimal.MaxValue: what Lean clamps larger numbers to
ZERO = Decimal(0)
Method = TypeVar("Method", bound=Callable[..., Any])


class ArgumentException(ValueError):
    """A value that a C# method refuses."""


class InvalidOperationException(RuntimeError):
    """A call that C# refuses in the present state."""


class NullReferenceException(RuntimeError):
    """C# looked at something that is not there yet."""


class KeyNotFoundException(KeyError):
    """A key that a C# dictionary does not hold."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NoMatch(TypeError):
    """An argument of a kind that no overload takes."""


def decimal(value: Any) -> Decimal:
    """What C# makes of a number from Python: a double by its shortest text, too large a number clamped.

    Raises ArgumentException for NaN and infinity, NoMatch for anything that is not a number.
    """
    if type(value) is float:
        return _of_double(value)
    if type(value) is Decimal and value.is_finite() and value.adjusted() < 28:
        return value
    if isinstance(value, int | Decimal):            # bool included, as in Lean
        number = Decimal(value)
        return max(-LARGEST, min(LARGEST, number))
    try:
        double = float(value)
    except (TypeError, ValueError):
        raise NoMatch(f"{value!r} is not a number") from None
    if isinstance(value, str):
        raise NoMatch(f"{value!r} is not a number")
    return _of_double(double)


@functools.lru_cache(maxsize=4096)
def _of_double(double: float) -> Decimal:
    if not math.isfinite(double):
        name = "NaN" if double != double else "Infinity" if double > 0 else "-Infinity"
        raise ArgumentException(f"It is not possible to cast a non-finite floating-point value ({name}) as decimal. "
                                "Please review math operations and verify the result is valid. (Parameter 'input')")
    number = Decimal(repr(double))
    return number if -1e28 < double < 1e28 else max(-LARGEST, min(LARGEST, number))


def real(value: Decimal) -> float:
    """What Python gets of a C# decimal: .NET's own conversion, whose last digit is not always the nearest double's."""
    plain = str(value)
    if len(plain) <= 16:                # 15 digits and a point, or fewer: every way gives the nearest double
        return float(plain)
    _, digits, exponent = value.as_tuple()
    if len(digits) <= 15 or not isinstance(exponent, int) or exponent >= 0:
        return float(value)
    scale = min(-exponent, 28)
    mantissa = int(abs(value).scaleb(scale).to_integral_value())
    while mantissa > int(LARGEST) and scale:
        mantissa, scale = (mantissa + 5) // 10, scale - 1
    double = (float(mantissa % 2**64) + float(mantissa >> 64) * 2.0**64) / 10.0**scale
    return -double if value < 0 else double


def flag(value: Any) -> bool:
    """A bool. Raises NoMatch for anything else."""
    if not isinstance(value, bool):
        raise NoMatch(f"{value!r} is not a bool")
    return value


def text(value: Any) -> str:
    """A str, '' for None. Raises NoMatch for anything else."""
    if value is not None and not isinstance(value, str):
        raise NoMatch(f"{value!r} is not a str")
    return value or ""


def no_overload(name: str, arguments: Iterable[Any]) -> TypeError:
    """The error of a call that fits no overload, in Lean's words; named arguments are not told."""
    kinds = ", ".join(repr(type(argument)) for argument in arguments)
    return TypeError(f"No method matches given arguments for {name}: ({kinds}). The following overloads are available:")


def overloaded(method: Method) -> Method:
    """Make a call with arguments of the wrong kind or number fail as one of C#'s overloaded methods does."""
    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except NoMatch:
            raise no_overload(method.__name__, arguments) from None
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is not None:
                raise                       # raised inside, not by the call itself
            raise no_overload(method.__name__, arguments) from None
    return call     # type: ignore[return-value]


@cache
def snake(name: str) -> str:
    """`TotalPortfolioValue` → `total_portfolio_value`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@cache
def pascal(name: str) -> str:
    """`MARKET_ON_OPEN` or `market_on_open` → `MarketOnOpen`."""
    return "".join(part.capitalize() for part in name.split("_"))


class CLRMetatype(type):
    """The type of Lean's types: they print by their full .NET name."""

    @property
    def clr_name(cls) -> str | None:
        """The full name of the type of Lean's that this is, None for a class of the algorithm's own."""
        return names.full_name(cls.__name__) if cls.__module__.startswith("workbench.") else None

    @property
    def lean_type(cls) -> type | None:
        """The nearest class that stands for one of Lean's types."""
        return next((kind for kind in cls.__mro__ if isinstance(kind, CLRMetatype) and kind.clr_name), None)

    def __setattr__(cls, name: str, value: Any) -> None:
        if unknown(cls, name):
            raise NotSupported(f"{cls.__name__}.{name}")
        known = name[:1].isupper() and any(snake(name) in vars(base) for base in cls.__mro__)
        super().__setattr__(snake(name) if known else name, value)

    def __repr__(cls) -> str:
        return f"<class '{cls.clr_name or f'{cls.__module__}.{cls.__qualname__}'}'>"

    def __getattr__(cls, name: str) -> Any:
        if name[:1].isupper() and snake(name) != name:
            for spelling in (snake(name), snake(name).upper()):
                for kind in cls.__mro__:
                    if spelling in vars(kind):
                        return getattr(cls, spelling)
        raise missing(cls, f"type object '{cls.__name__}'", name)


def missing(kind: type, owner: str, name: str) -> Exception:
    """The error of a member that is not there: Lean's own, or that of this engine where Lean has it."""
    for base in kind.__mro__:
        if name in _members(base) or snake(name) in _members(base):
            return NotSupported(f"{base.__name__}.{name}")
    return AttributeError(f"{owner} has no attribute '{name}'")


@cache
def unknown(kind: type, name: str) -> bool:
    """Whether Lean has a member of this name and the class has not: setting it would change nothing, and nobody would say so."""
    spelling = snake(name)
    return (any(name in _members(base) or spelling in _members(base) for base in kind.__mro__)
            and not any(known in vars(base) or known in vars(base).get("__annotations__", ())
                        for base in kind.__mro__ for known in (name, spelling)))


def _members(kind: type) -> frozenset[str]:
    """Lean's members of a type, none for a class of the algorithm's own."""
    return names.members().get(kind.__name__, frozenset()) if kind.__module__.startswith("workbench.") else frozenset()


class ClrObject(metaclass=CLRMetatype):
    """Base of what an algorithm gets from the engine: PascalCase names find the snake_case members."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        kind = type(self)
        if name[:1].isupper():
            spelling = snake(name)
            own = getattr(self, "__dict__", ())
            if spelling != name and (spelling in own or any(spelling in vars(base) for base in kind.__mro__)):
                return getattr(self, spelling)
        raise missing(kind, f"'{kind.__name__}' object", name)

    def __str__(self) -> str:
        return getattr(type(self).lean_type, "clr_name", None) or type(self).__name__

    def to_string(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        kind = type(self)
        return f"<{kind.clr_name or f'{kind.__module__}.{kind.__qualname__}'} object at {id(self):#x}>"


class ClrOwner(ClrObject):
    """Base of what an algorithm sets up: a member of Lean's that is not there can't be set in vain."""

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if unknown(kind, name):
            raise NotSupported(f"{kind.__name__}.{name}")
        known = name[:1].isupper() and any(snake(name) in vars(base) for base in kind.__mro__)
        object.__setattr__(self, snake(name) if known else name, value)


class ClrValues(ClrObject):
    """Base of settings, which are the attributes of their class: one that is not there can't be set by mistake."""

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        spelling = snake(name) if name[:1].isupper() else name
        if not name.startswith("_") and not any(spelling in vars(base) for base in kind.__mro__):
            raise missing(kind, f"'{kind.__name__}' object", name)
        object.__setattr__(self, spelling, value)


class KeyValuePair(ClrObject):
    """What iterating over one of Lean's dictionaries gives."""

    def __init__(self, key: Any, value: Any) -> None:
        self.key, self.value = key, value

    def __iter__(self) -> Iterator[Any]:
        return iter((self.key, self.value))


class ReadOnlyDictionary(ClrObject):
    """A dictionary of texts that an algorithm may read."""

    def __init__(self, items: Mapping[str, str]) -> None:
        self._items = items

    @property
    def count(self) -> int:
        return len(self._items)

    def keys(self) -> list[str]:
        return list(self._items)

    def values(self) -> list[str]:
        return list(self._items.values())

    def items(self) -> list[tuple[str, str]]:
        return list(self._items.items())

    def get(self, key: str, default_value: Any = None) -> Any:
        return self._items.get(key, default_value)

    def contains_key(self, key: str) -> bool:
        return key in self._items

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return (KeyValuePair(key, value) for key, value in self._items.items())

    def __getitem__(self, key: str) -> str:
        if key not in self._items:
            raise KeyNotFoundException(f"The given key '{key}' was not present in the dictionary.")
        return self._items[key]

    def __str__(self) -> str:
        return "Common.Util.ReadOnlyExtendedDictionary`2[System.String,System.String]"


ReadOnlyDictionary.__name__ = "ReadOnlyExtendedDictionary[String,String]"


class Enumerable(ClrObject):
    """A sequence of Lean's that can be gone through and nothing else: it has no length and no places."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __str__(self) -> str:
        name, _, of = type(self).__name__.partition("[")
        of = of.rstrip("]")
        return f"QuantConnect.Util.{name}`1[{names.full_name(of) or of}]"


@cache
def memoizing(of: str) -> type[Enumerable]:
    """The class of Lean's answers that are lists of one type, by that type's name."""
    kind: Any = CLRMetatype(f"MemoizingEnumerable[{of}]", (Enumerable,), {})
    return kind     # type: ignore[no-any-return]


def hook(owner: Any, name: str) -> Any:
    """A method that an algorithm's own class may define under either spelling: the one nearest to that class wins."""
    kind: Any = type(owner)
    found = _nearest(kind, name)
    if found is None:
        raise AttributeError(f"'{type(owner).__name__}' object has no attribute '{name}'")
    return getattr(owner, found[1])


def overridden(owner: Any, name: str) -> Any:
    """A callback that an algorithm's own class defines; None where only the engine's base class does."""
    kind: Any = type(owner)
    found = _nearest(kind, name)
    if found is None or found[0].__module__.startswith("workbench.engines.embedded."):
        return None
    return getattr(owner, found[1])


@cache
def _nearest(kind: Any, name: str) -> tuple[type, str] | None:
    """The class nearest to a type that defines a method, and under which spelling."""
    for base in kind.__mro__:
        for spelling in (name, pascal(name)):
            if spelling in vars(base):
                return base, spelling
    return None


class _EnumType(CLRMetatype, EnumMeta):
    """Finds an enum's members under their PascalCase names too."""

    def __getattr__(cls, name: str) -> Any:
        if name[:1].isupper():
            members: Any = cls._member_map_
            if (member := members.get(snake(name).upper())) is not None:
                return member
        raise AttributeError(f"type object '{cls.__name__}' has no attribute '{name}'")


_EnumType.__name__ = CLRMetatype.__name__


class LeanEnum(Enum, metaclass=_EnumType):
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
        raise AttributeError(f"'{type(self).__name__}' object has no attribute 'name'")
