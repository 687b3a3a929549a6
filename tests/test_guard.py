"""The guard: hard limits on what is really about to be sent. Each rule refuses past its edge and only there."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.algorithm.guard import Check, Guard
from workbench.algorithm.params import ExecutionParams, RiskLimits
from workbench.algorithm.sizing import Quote, Wanted, size

NINE = datetime(2020, 3, 2, 9, 0)       # noqa: DTZ001 (an algorithm's clock has no zone)
EQUITY = Decimal(10000)


def guard_of(*, gross=0, loss=None, equity=EQUITY, **limits):
    """A guard over 10,000 dollars with these limits."""
    limits = {name: Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else value
              for name, value in limits.items()}
    loss = None if loss is None else Decimal(loss)
    return Guard(RiskLimits(**limits), equity=Decimal(equity), gross=Decimal(gross), loss=loss)


def check_of(quantity, *, held=0, price=10, reference=None, now=NINE, symbol="ALFA", lot_value=0):
    """An order in ALFA at 10 dollars a share."""
    price, reference = (None if value is None else Decimal(str(value)) for value in (price, reference))
    return Check(symbol=symbol, quantity=Decimal(str(quantity)), held=Decimal(held), price=price, reference=reference, now=now,
                 lot_value=Decimal(str(lot_value)))


def rule_of(guard, check):
    """The rule that refuses, or None."""
    refusal = guard.check(check)
    return refusal and refusal.rule


@pytest.mark.parametrize("quantity", [1, -1, 10**9, -10**9])
def test_an_order_within_all_limits_passes(quantity):
    """Without limits, any whole number of shares that a company could have."""
    assert rule_of(guard_of(), check_of(quantity)) is None


@pytest.mark.parametrize("quantity", [0, "0.5", "10.7", "NaN", "Infinity", "-Infinity", 10**9 + 1, -10**9 - 1, "1e30"])
def test_a_quantity_that_makes_no_sense_is_refused(quantity):
    """Nothing, fractions, no number, and what Lean would clamp and accept as an order; also where it only reduces."""
    assert rule_of(guard_of(), check_of(quantity)) == "quantity"
    assert rule_of(guard_of(), check_of(quantity, held=10**12 if str(quantity).startswith("-") else -10**12)) == "quantity"


def test_a_blocked_name_is_refused_and_no_other():
    """By its symbol."""
    guard = guard_of(blocked=("ALFA",))

    assert rule_of(guard, check_of(1)) == "blocked"
    assert rule_of(guard, check_of(1, symbol="ALFAX")) is None


@pytest.mark.parametrize("price", [None, 0, -1])
def test_an_order_without_a_price_is_refused(price):
    """What can't be valued can't be judged."""
    assert rule_of(guard_of(), check_of(1, price=price)) == "no_price"


@pytest.mark.parametrize(("price", "rule"), [
    ("10.05", None), ("9.95", None), ("10.050001", "price_collar_bps"), ("9.949999", "price_collar_bps"), ("10", None),
])
def test_the_collar_is_around_the_last_known_price(price, rule):
    """50 bps of 10 dollars, both ways; the edge itself is inside."""
    assert rule_of(guard_of(price_collar_bps=50), check_of(1, price=price, reference=10)) == rule


def test_without_a_reference_there_is_no_collar():
    """A close that no intent asked for has no decision price."""
    assert rule_of(guard_of(price_collar_bps=0), check_of(1, price=11, reference=None)) is None
    assert rule_of(guard_of(), check_of(1, price=11, reference=1)) is None


@pytest.mark.parametrize(("quantity", "rule"), [
    (100, None), (-100, None), (101, "max_order_notional"), (-101, "max_order_notional"),
])
def test_an_order_is_worth_no_more_than_its_limit(quantity, rule):
    """1000 dollars at 10 a share."""
    assert rule_of(guard_of(max_order_notional=1000), check_of(quantity)) == rule


def test_a_reversal_is_worth_all_of_itself():
    """Sizing cuts it to what closes; here it is refused whole, and what closes alone is not."""
    guard = guard_of(max_order_notional=1000)

    assert rule_of(guard, check_of(-501, held=500)) == "max_order_notional"
    assert rule_of(guard, check_of(-500, held=500)) is None


@pytest.mark.parametrize(("held", "quantity", "lot_value", "rule"), [
    (0, 200, 0, None), (0, 201, 0, "max_weight"), (0, -201, 0, "max_weight"), (150, 50, 0, None), (150, 51, 0, "max_weight"),
    (0, 201, 10, None), (0, 202, 10, "max_weight"), (150, -351, 0, "max_weight"), (150, -350, 0, None),
])
def test_a_holding_is_no_heavier_than_its_limit(held, quantity, lot_value, rule):
    """20 % of 10,000 dollars at 10 a share is 200 shares, long or short; rounding up may pass it by one lot."""
    assert rule_of(guard_of(max_weight="0.2"), check_of(quantity, held=held, lot_value=lot_value)) == rule


@pytest.mark.parametrize(("held", "quantity", "rule"), [
    (0, 500, None), (0, 501, "max_gross"), (0, -501, "max_gross"), (100, 500, None), (100, 501, "max_gross"), (100, -700, None),
    (100, -701, "max_gross"),
])
def test_the_gross_stays_within_its_limit(held, quantity, rule):
    """10,000 dollars allowed and 5,000 held: 5,000 more. A reversal first gives back what it closes."""
    assert rule_of(guard_of(max_gross=1, gross=5000), check_of(quantity, held=held)) == rule


def test_what_lowers_the_gross_is_not_refused_for_it():
    """Three times what is allowed is held: a reversal to less is a way back, one to more is not."""
    guard = guard_of(max_gross=1, gross=30000)

    assert rule_of(guard, check_of(-1900, held=1000)) is None
    assert rule_of(guard, check_of(-2000, held=1000)) is None
    assert rule_of(guard, check_of(-2001, held=1000)) == "max_gross"


@pytest.mark.parametrize("quantity", [600, -600])
def test_the_gross_counts_what_was_sent(quantity):
    """Two orders of 600 shares, long or short: the second is past the limit only because of the first."""
    guard, second = guard_of(max_gross=1), check_of(600, symbol="BETA")
    assert rule_of(guard, second) is None
    guard.note(check_of(quantity))

    assert rule_of(guard, second) == "max_gross"


def test_every_lot_that_was_rounded_up_is_forgiven():
    """The gross may be passed by one lot for each order sent, this one included."""
    guard = guard_of(max_gross=1)
    guard.note(check_of(999, lot_value=10))

    assert rule_of(guard, check_of(3, symbol="BETA", lot_value=10)) is None
    assert rule_of(guard, check_of(4, symbol="BETA", lot_value=10)) == "max_gross"


def test_turnover_is_half_of_what_was_traded():
    """One-way 5 % of 10,000 dollars is 1,000 dollars of orders; sales count too."""
    guard = guard_of(max_turnover="0.05")
    guard.note(check_of(-40, held=40, symbol="BETA"))

    assert rule_of(guard, check_of(60)) is None
    assert rule_of(guard, check_of(61)) == "max_turnover"


def test_orders_of_one_minute_are_counted():
    """Three within a minute, then no more; after a minute from the first, one more."""
    guard = guard_of(max_orders_per_minute=3)
    for second in (0, 20, 40):
        assert rule_of(guard, check_of(1, now=NINE + timedelta(seconds=second))) is None
        guard.note(check_of(1, now=NINE + timedelta(seconds=second)))

    assert rule_of(guard, check_of(1, now=NINE + timedelta(seconds=59, microseconds=999999))) == "max_orders_per_minute"
    assert rule_of(guard, check_of(1, now=NINE + timedelta(seconds=60))) is None


@pytest.mark.parametrize(("loss", "rule"), [(None, None), ("-0.5", None), ("0.02", None), ("0.020001", "max_daily_loss")])
def test_after_the_days_loss_nothing_increases(loss, rule):
    """2 % of the value at the last close; where that is not known, the rule says nothing."""
    assert rule_of(guard_of(max_daily_loss="0.02", loss=loss), check_of(1)) == rule


def test_a_refusal_tells_the_numbers():
    """The rule and what it saw."""
    refusal = guard_of(max_order_notional=1000).check(check_of(150))

    assert refusal is not None
    assert (refusal.rule, refusal.detail) == ("max_order_notional", "1500.00 dollars, limit 1000")


NOTHING_ALLOWED = {"max_weight": 0, "max_gross": 0, "max_order_notional": 0, "max_turnover": 0, "blocked": ("ALFA",),
                   "price_collar_bps": 0, "max_orders_per_minute": 1, "max_daily_loss": 0}


@given(st.integers(-10**6, 10**6).filter(bool), st.data())
def test_what_only_reduces_always_passes(held, data):
    """Under limits that allow nothing, at any price or none."""
    quantity = data.draw(st.integers(1, abs(held))) * (-1 if held > 0 else 1)
    guard = guard_of(**NOTHING_ALLOWED, loss=1)
    guard.note(check_of(1))

    assert guard.check(check_of(quantity, held=held, price=data.draw(st.sampled_from([None, 0, 10])), reference=99)) is None


@pytest.mark.parametrize(("held", "quantity"), [(0, 1), (0, -1), (5, 1), (-5, -1), (5, -6), (-5, 6)])
def test_what_increases_or_turns_does_not(held, quantity):
    """A reversal is not a reduction, however small its new side."""
    assert guard_of(**NOTHING_ALLOWED, loss=1).check(check_of(quantity, held=held)) is not None


QUANTITIES = st.integers(-500, 500).filter(bool)


@given(st.lists(st.tuples(QUANTITIES, st.integers(-300, 300), st.integers(1, 50)), min_size=1, max_size=8))
def test_checking_remembers_nothing(orders):
    """However often an order is looked at, the answers and the next answers are the same."""
    limits = {"max_gross": 1, "max_turnover": "0.5", "max_orders_per_minute": 3, "max_order_notional": 3000}
    once, often = guard_of(**limits), guard_of(**limits)
    for quantity, held, price in orders:
        check = check_of(quantity, held=held, price=price)
        for _ in range(3):
            often.check(check)
        assert once.check(check) == often.check(check)
        if once.check(check) is None:
            once.note(check)
            often.note(check)


@given(
    st.dictionaries(st.sampled_from(["ALFA", "BETA", "GAMA", "DELT"]),
                    st.tuples(st.decimals(-1, 1, places=3), st.decimals(1, 500, places=2), st.integers(-200, 200)), min_size=1),
    st.decimals(0, 1, places=2), st.decimals(0, 2, places=2), st.decimals(0, 10**5, places=2), st.decimals(0, 1, places=2),
    st.sampled_from(["up", "down", "nearest", "fit"]), st.sampled_from([1, 10]),
)
def test_what_was_sized_within_the_limits_is_not_refused(names, weight, gross, notional, turnover, rounding, lot_size):
    """The guard looks again; it does not disagree with sizing where nothing has happened in between."""
    limits = RiskLimits(max_weight=weight, max_gross=gross, max_order_notional=notional, max_turnover=turnover)
    params = ExecutionParams(rounding=rounding, lot_size=lot_size, risk_overrides=limits)
    held = {name: Decimal(shares) for name, (_, _, shares) in names.items()}
    prices = {name: price for name, (_, price, _) in names.items()}
    lines = size([Wanted(order_intent_id=name, symbol=name, weight=w) for name, (w, _, _) in names.items()], equity=EQUITY,
                 held=held, quotes={name: Quote(price=price) for name, price in prices.items()}, params=params)
    guard = Guard(limits, equity=EQUITY, gross=sum((abs(held[name]) * prices[name] for name in names), Decimal(0)))
    for line in lines:
        if line.order:
            check = check_of(line.order, held=int(line.held), price=line.price, symbol=line.symbol,
                             lot_value=prices[line.symbol] * lot_size)

            assert guard.check(check) is None
            guard.note(check)
