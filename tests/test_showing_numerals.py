"""Numbers as text: one way of writing them, and nothing that is not known looks like a number."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.showing import numerals

amounts = st.decimals(min_value=-10**12, max_value=10**12, allow_nan=False, allow_infinity=False, places=8)
WRITERS = [numerals.dollars, numerals.price, numerals.shares, numerals.percent, numerals.points, numerals.change, numerals.bps,
           numerals.ratio]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_what_is_not_known_is_the_word_for_it(write):
    """Never a blank, and never 0."""
    assert write(None) == "unknown"


@pytest.mark.parametrize(("write", "value", "text"), [
    (numerals.dollars, "1824.105", "1,824.10"), (numerals.dollars, "-12.3", "−12.30"), (numerals.dollars, "-0.001", "0.00"),
    (numerals.price, "186.82315", "186.8232"), (numerals.shares, "-1217", "−1,217"), (numerals.shares, "50.059349", "+50.06"),
    (numerals.shares, "0", "0"), (numerals.percent, "0.3333333333", "33.33%"), (numerals.percent, "-0.00367", "−0.37%"),
    (numerals.change, "0", "0"), (numerals.change, "0.00000001", "0.000"), (numerals.points, "0.005888", "+0.589 pp"),
    (numerals.bps, "34.14", "34.1"), (numerals.ratio, "1.005", "1.00"),
])
def test_numbers_are_written_as_a_reader_expects(write, value, text):
    """Thousands apart, a real minus sign, and no sign on what rounds to nothing."""
    assert write(Decimal(value)) == text


@given(amounts)
def test_dollars_are_right_to_half_a_cent(value):
    """What is written is the amount, rounded once."""
    back = Decimal(numerals.dollars(value).replace(",", "").replace("−", "-"))

    assert abs(back - value) <= Decimal("0.005")


@given(amounts)
def test_exact_is_exact(value):
    """All digits, no exponent, and the same number when read again."""
    text = numerals.exact(value)

    assert Decimal(text) == value
    assert "E" not in text.upper()


def test_days_do_not_depend_on_the_locale():
    """A session, as in prose."""
    assert [numerals.day(date(2012, month, 3)) for month in (1, 12)] == ["3 Jan 2012", "3 Dec 2012"]


def test_moments_are_in_utc():
    """An instant with another offset is the same instant."""
    moment = datetime(2012, 1, 3, 16, 0, tzinfo=timezone(timedelta(hours=-5)))

    assert numerals.moment(moment) == numerals.moment(moment.astimezone(UTC)) == "2012-01-03 21:00:00 UTC"
    assert numerals.moment(None) == "unknown"


@pytest.mark.parametrize(("value", "text"), [
    (None, "none"), (True, "yes"), (False, "no"), (Decimal("0.50"), "0.5"), (("A", "B"), "A, B"), ((), "none"), (5, "5"),
])
def test_parameters_are_written_plainly(value, text):
    """As a person would write them."""
    assert numerals.plain(value) == text
