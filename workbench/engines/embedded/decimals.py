"""C#'s decimals where Python's differ: what Math.Round keeps, what Lean's roundings give, and how both are written.

A decimal remembers its scale: 1.50 is written `1.50`, rounding to two places leaves 1.5 as `1.5` and makes 0.001 a `0.00`.
"""

import math
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, reduce
from itertools import repeat

from workbench.engines.embedded.clr import ZERO

HUNDRED, THOUSAND = Decimal(100), Decimal(1000)
CENT = Decimal("0.01")
LARGEST = 2**96 - 1                 # of a decimal's digits, read as a whole number
WIDE = Context(prec=80)             # quantizing never fails for want of digits
SEVEN, FIFTEEN = Context(prec=7), Context(prec=15)
# A decimal of C# has 96 bits of digits, which is 28 or, up to LARGEST, 29 of them, and at most 28 places (Emin says so).
DIGITS_28, DIGITS_29 = Context(prec=28, Emin=-1), Context(prec=29, Emin=0)


def scale(value: Decimal) -> int:
    """Digits after the point that the value carries, trailing zeros included."""
    plain = str(value)
    if "E" in plain:
        exponent = value.as_tuple().exponent
        return -exponent if isinstance(exponent, int) and exponent < 0 else 0
    point = plain.find(".")
    return len(plain) - point - 1 if point >= 0 else 0


def places_of(values: Iterable[Decimal]) -> int:
    """The most digits after the point that one of many carries, which is what their sum carries."""
    return scale(reduce(WIDE.add, values, ZERO))


def whole(values: Iterable[Decimal], places: int) -> list[int]:
    """Values as whole numbers of 10^-places, which none is finer than."""
    return [*map(int, map(WIDE.scaleb, values, repeat(Decimal(places))))]


def rounded(value: Decimal, places: int) -> Decimal:
    """Math.Round: half to even; a value with fewer places stays as it is."""
    return WIDE.quantize(value, _unit(places)) if scale(value) > places else value


def normal(value: Decimal) -> Decimal:
    """Without trailing zeros after the point."""
    value = value.normalize(WIDE)
    return WIDE.quantize(value, _unit(0)) if "E+" in str(value) else value


def smart(value: Decimal) -> Decimal:
    """Lean's SmartRounding, for charts: above 1000 to four decimals, else to seven significant digits."""
    if not value:
        return ZERO
    if value > THOUSAND:
        return rounded(normal(value), 4)
    return normal(SEVEN.plus(value))


def of_double(value: float) -> Decimal:
    """A decimal cast from a double: fifteen significant digits, at most 28 places, clamped to what decimals hold.

    Raises ValueError for NaN and infinity.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} is no decimal")
    if abs(value) >= float(LARGEST):
        return Decimal(LARGEST if value > 0 else -LARGEST)
    number = normal(FIFTEEN.create_decimal_from_float(value))
    return normal(rounded(number, 28))


def product(left: Decimal, right: Decimal) -> Decimal:
    """left × right as C# has it: 96 bits of digits and at most 28 places, half to even beyond.

    Where 28 and 29 digits end at the same place, 28 were enough.
    """
    shorter, longer = DIGITS_28.multiply(left, right), DIGITS_29.multiply(left, right)
    return shorter if shorter.same_quantum(longer) or not _fits(longer) else longer


def quotient(left: Decimal, right: Decimal) -> Decimal:
    """left ÷ right as C# has it."""
    found = DIGITS_29.divide(left, right)
    return found if _fits(found) else DIGITS_28.divide(left, right)


def added(*values: Decimal) -> Decimal:
    """The sum, from the left, as C# has it."""
    return reduce(plus, values, ZERO)


def plus(left: Decimal, right: Decimal) -> Decimal:
    """left + right as C# has it."""
    shorter, longer = DIGITS_28.add(left, right), DIGITS_29.add(left, right)
    return shorter if shorter.same_quantum(longer) or not _fits(longer) else longer


def text(value: Decimal) -> str:
    """ToString: plain, the scale kept, no sign on a zero."""
    value = value if value else value.copy_abs()
    plain = str(value)
    return format(value, "f") if "E" in plain else plain


def number(value: Decimal) -> str:
    """A decimal in JSON: always with a point."""
    plain = str(value)
    if "E" in plain or not value:
        plain = text(value)
    return plain if "." in plain else plain + ".0"


def shortest(value: Decimal) -> str:
    """The same without trailing zeros."""
    plain = number(value)
    if plain[-1] == "0":
        plain = plain.rstrip("0")
        return plain + "0" if plain[-1] == "." else plain
    return plain


def grouped(value: Decimal) -> str:
    """ToString("N2"): two places half away from zero, thousands grouped."""
    cents = value.quantize(CENT, ROUND_HALF_UP, context=WIDE)
    return f"{cents if cents else abs(cents):,}"


def double_text(value: float, places: int) -> str:
    """A double after Math.Round, half to even, in its shortest form; a small loss rounds to `-0`."""
    power = 10.0**places
    if abs(value) < 1e16:
        value = math.copysign(round(abs(value) * power) / power, value)
    if abs(value) >= 1e15:
        digits, exponent = format(Decimal(repr(value)).normalize(), "e").split("e")
        return f"{digits}E+{int(exponent):02d}"
    return repr(value).removesuffix(".0")


def _fits(value: Decimal) -> bool:
    """Whether 96 bits hold a value's 29 digits. One of fewer digits is the same with 28, whatever is said of it here."""
    return value.copy_abs() <= _largest(value.adjusted())


@cache
def _largest(place: int) -> Decimal:
    """The largest number of 96 bits whose first digit has this place."""
    return WIDE.scaleb(Decimal(LARGEST), place - 28)


@cache
def _unit(places: int) -> Decimal:
    return Decimal(1).scaleb(-places)
