"""Sums and products have C#'s digits: 96 bits of them, at most 28 places, half to even beyond."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from workbench.engines.embedded.decimals import WIDE, plus, product, scale

LARGEST = 2**96 - 1


@st.composite
def numbers(draw: st.DrawFn) -> Decimal:
    """A decimal as C# may hold it, with few digits or many, often with zeros at its end."""
    digits = draw(st.integers(0, 10 ** draw(st.sampled_from([4, 15, 28, 29])))) % (LARGEST + 1)
    zeros = 10 ** draw(st.integers(0, 5))
    number = Decimal(digits // zeros * zeros).scaleb(-draw(st.integers(0, 28)), context=WIDE)
    return number if draw(st.booleans()) else number.copy_negate()


def in_96_bits(exact: Fraction, places: int) -> tuple[Fraction, int]:
    """The most of so many places with which an exact value fits, and what it then is."""
    for kept in range(min(places, 28), -1, -1):
        digits = round(exact * 10**kept)            # half to even
        if abs(digits) <= LARGEST:
            return Fraction(digits, 10**kept), kept
    assume(False)
    raise AssertionError


@pytest.mark.parametrize(("operation", "exact", "places"), [
    (product, lambda a, b: Fraction(a) * Fraction(b), lambda a, b: scale(a) + scale(b)),
    (plus, lambda a, b: Fraction(a) + Fraction(b), lambda a, b: max(scale(a), scale(b))),
], ids=["product", "plus"])
@given(left=numbers(), right=numbers())
def test_sums_and_products_are_csharps(operation: Callable[..., Decimal], exact: Callable[..., Fraction],
                                       places: Callable[..., int], left: Decimal, right: Decimal) -> None:
    """Value and places, whether 28 digits hold it, 29, or neither."""
    value, kept = in_96_bits(exact(left, right), places(left, right))
    found = operation(left, right)
    event(f"{len(str(abs(value.numerator * (10**kept // value.denominator))))} digits")

    assert Fraction(found) == value
    assert scale(found) == kept
