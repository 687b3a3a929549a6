"""Splits and dividends worked back from adjusted closes, and factor files that give them again."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_fixtures import make_bars, read_invented

from workbench.errors import BadInput
from workbench.market.adjustment import Change, factor_file, from_adjusted

DAYS = read_invented().calendar.sessions(date(2019, 1, 2), date(2020, 12, 31))

RATIOS = st.sampled_from([Fraction(text) for text in ("2", "3", "7", "20", "3/2", "5/4", "1/8", "1/10", "2/3", "50")])
CASH = st.integers(1, 900).map(lambda cents: Decimal(cents) / 100)


@st.composite
def histories(draw):
    """Ten quiet sessions, and some changes between them, at most one a morning."""
    rows = draw(st.lists(st.integers(1, 9), unique=True, max_size=4).map(sorted))
    changes = [Change(ex_date=DAYS[row], split=draw(RATIOS)) if draw(st.booleans()) else
               Change(ex_date=DAYS[row], dividend=draw(CASH)) for row in rows]
    prices, closes = draw(st.lists(st.integers(150_000, 160_000), min_size=10, max_size=10)), []
    opens, shares = [], Fraction(1)
    for row, price in enumerate(prices):
        shares *= next((one.split for one in changes if one.ex_date == DAYS[row]), Fraction(1))
        closes.append(max(1, round(price * 50 / shares)) / 10_000)
        opens.append(closes[-1])
    return make_bars(DAYS[:10], closes, opens=opens), tuple(changes)


@given(histories())
def test_a_factor_file_gives_back_what_it_was_made_of(history):
    """Lean's rules, applied to the file, give the same splits and dividends, on the same mornings, to the cent."""
    bars, changes = history
    payable = tuple(one for one in changes if one.dividend < _before(bars, one))
    actions = factor_file("xyz", bars, payable, read_invented().calendar).actions(read_invented().calendar)

    assert [(one.ex_date, one.dividend) for one in payable if one.split == 1] == [
        (one.ex_date, one.per_share) for one in actions if one.kind == "dividend"]
    assert [(one.ex_date, Decimal(one.split.denominator) / one.split.numerator) for one in payable if one.split != 1] == [
        (one.ex_date, one.adjustment) for one in actions if one.kind == "split"]


@given(histories())
def test_no_share_is_lost_to_a_rounded_split(history):
    """Lean divides shares by the factor and cuts: a factor rounded up would turn 90 shares into 89."""
    bars, changes = history
    splits = [one for one in changes if one.split != 1]
    actions = factor_file("xyz", bars, splits, read_invented().calendar).actions(read_invented().calendar)

    for change, action in zip(splits, actions, strict=True):
        held = 30 * change.split.denominator

        assert held * change.split.numerator // change.split.denominator == int(held / action.factor)


@given(histories(), st.sampled_from(["before", "after"]))
def test_adjusted_closes_tell_the_changes_again(history, paid_on):
    """Whoever adjusted the closes, by either kind of arithmetic, the splits and the cents come back."""
    bars, changes = history
    small = tuple(one for one in changes if one.dividend < _before(bars, one) / 6)
    adjusted = _adjust(bars, small, paid_on)

    assert small == from_adjusted(bars, adjusted, decimals=12, paid_on=paid_on)


@pytest.mark.parametrize("decimals", [2, 4, 6])
def test_rounding_is_not_an_event(decimals):
    """Adjusted closes at a tenth of the raw ones, rounded: the ratio trembles, and nothing was paid."""
    closes = [100 + 0.37 * n for n in range(200)]
    bars = make_bars(DAYS[:200], closes)

    assert from_adjusted(bars, [round(close / 10, decimals) for close in closes], decimals=decimals) == ()


def test_less_than_half_a_cent_is_no_dividend():
    """Lean would pay nothing, and single precision makes such steps every day."""
    bars = make_bars(DAYS[:3], [10, 10, 10])

    assert from_adjusted(bars, [9.996, 9.996, 10], decimals=9) == ()


def test_a_stock_that_paid_itself_away_keeps_its_cents():
    """Factors below what twelve decimals hold are written in full."""
    closes = [10.0] * 20
    changes = [Change(ex_date=day, dividend=Decimal("9.5")) for day in DAYS[1:20]]
    calendar = read_invented().calendar
    actions = factor_file("xyz", make_bars(DAYS[:20], closes), changes, calendar).actions(calendar)

    assert [one.per_share for one in actions] == [Decimal("9.50")] * 19


def test_a_fall_by_half_is_not_a_split():
    """The adjusted close falls too: nothing was exchanged."""
    bars = make_bars(DAYS[:4], [53.5, 53.5, 25.75, 26])

    assert from_adjusted(bars, [53.5, 53.5, 25.75, 26], decimals=6) == ()


def test_a_split_that_the_open_does_not_show_is_refused():
    """Adjusted closes that halve while prices do not are somebody's mistake."""
    bars = make_bars(DAYS[:3], [100, 100, 100])

    with pytest.raises(BadInput, match=r"moves by 0\.500000 on 2019-01-04: neither a split nor a dividend"):
        from_adjusted(bars, [50, 50, 100], decimals=6)


def test_a_dividend_below_zero_is_refused():
    """Nobody pays to hold a share."""
    bars = make_bars(DAYS[:3], [100, 100, 100])

    with pytest.raises(BadInput, match=r"xyz\.csv: adjusted to raw close moves by 1\.010000 on 2019-01-04"):
        from_adjusted(bars, [101, 101, 100], decimals=6, where="xyz.csv")


def test_closes_too_coarse_for_the_cent_are_refused():
    """At two decimals of a price adjusted to 2 dollars, a dividend on 100 can't be told to the cent."""
    bars = make_bars(DAYS[:3], [100, 100, 100])

    with pytest.raises(BadInput, match="of 2 decimals are too coarse to tell the dividend of 2019-01-04 to a cent"):
        from_adjusted(bars, [1.96, 1.96, 2.00], decimals=2)


def test_a_file_without_changes_has_two_rows():
    """The form that Lean reads for a stock that never split or paid."""
    bars = make_bars(DAYS[:3], [10, 11, 12])

    assert factor_file("xyz", bars, (), read_invented().calendar).text() == "20190102,1,1,1\n20501231,1,1,0\n"


def test_a_row_is_dated_the_session_before_even_without_a_bar():
    """Lean looks for the row's date among its trading days; the reference price is the last there was."""
    bars = make_bars([DAYS[0], DAYS[1], DAYS[4]], [10, 20, 20])
    rows = factor_file("xyz", bars, [Change(ex_date=DAYS[4], dividend=Decimal(1))], read_invented().calendar).rows

    assert (DAYS[3], Decimal("0.9500000"), Decimal(20)) == (rows[1].date, rows[1].price_factor, rows[1].reference_price)


def test_a_change_on_the_second_session_leaves_no_doubled_date():
    """Its row is the first row: dates in a file ascend."""
    bars = make_bars(DAYS[:3], [10, 20, 20])
    rows = factor_file("xyz", bars, [Change(ex_date=DAYS[1], split=Fraction(1, 2))], read_invented().calendar).rows

    assert [DAYS[0], date(2050, 12, 31)] == [row.date for row in rows]
    assert (rows[0].split_factor, rows[0].reference_price) == (2, 10)


def test_a_morning_with_both_pays_on_the_old_share():
    """10 % in cash, then two for one: a file of one row for both."""
    bars, calendar = make_bars(DAYS[:2], [100, 45]), read_invented().calendar
    known = factor_file("xyz", bars, [Change(ex_date=DAYS[1], split=Fraction(2), dividend=Decimal(10))], calendar)

    assert [(one.kind, one.per_share) for one in known.actions(calendar)] == [("dividend", Decimal(10)), ("split", None)]
    assert known.on(DAYS[0]) == (Decimal("0.9"), Decimal("0.5"))


@pytest.mark.parametrize(("change", "told"), [
    (Change(ex_date=DAYS[0], dividend=Decimal(1)), "a split or dividend on 2019-01-02, before there was a close"),
    (Change(ex_date=DAYS[1], dividend=Decimal(10)), "a dividend of 10 on 2019-01-03 from a share worth 10"),
])
def test_an_impossible_change_is_refused(change, told):
    """There must be a price before it, and something must be left after it."""
    with pytest.raises(BadInput, match=told):
        factor_file("xyz", make_bars(DAYS[:3], [10, 11, 12]), [change], read_invented().calendar)


def _before(bars, change):
    """The close before a change."""
    return Decimal(int(bars.close[DAYS.index(change.ex_date) - 1])) / 10_000


def _adjust(bars, changes, paid_on):
    """Adjusted closes as a vendor computes them."""
    closes = [close / 10_000 for close in bars.close.tolist()]
    factor, adjusted = 1.0, []
    for row in reversed(range(len(closes))):
        adjusted.append(closes[row] * factor)
        for change in changes:
            if row and change.ex_date == DAYS[row]:
                cash, base = float(change.dividend), closes[row - 1] if paid_on == "before" else closes[row]
                factor *= (1 - cash / base if paid_on == "before" else base / (base + cash)) / float(change.split)
    return adjusted[::-1]
