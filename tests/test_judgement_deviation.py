"""The waterfall: each cause by itself, and that they always sum to the gap."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.judgement.deviation import CAUSES, Steps, attribute
from workbench.words.identity import money

SHARES = ("wanted", "allowed", "rounded", "sent", "filled", "explained", "reported")


def steps(*path, target="0.5", price="50", close="50", symbol="AAA"):
    """One instrument by its shares after each step; the last number stands for all that follow."""
    path = [*path, *[path[-1]] * (len(SHARES) - len(path))]
    return Steps(symbol=symbol, instrument_id=f"{symbol} X", target=Decimal(target), price=price and Decimal(price),
                 close=close and Decimal(close), **{name: Decimal(number) for name, number in zip(SHARES, path, strict=True)})


def causes(waterfall):
    """What moved the first instrument's weight, by cause, where anything did."""
    return {cause: change for cause, change in waterfall.gaps[0].causes if change}


def explain(one, *, equity="1000", cost="0", end_equity="1000"):
    return attribute([one], equity=Decimal(equity), cost=Decimal(cost), end_equity=Decimal(end_equity))


@pytest.mark.parametrize(("cause", "path", "change"), [
    ("buffer", (9,), "-0.05"),
    ("caps", (10, 8), "-0.1"),
    ("rounding", (10, 10, 11), "0.05"),
    ("blocked", (10, 10, 10, 0), "-0.5"),
    ("residual", (10, 10, 10, 10, 6), "-0.2"),
    ("external", (10, 10, 10, 10, 10, 12), "0.1"),
    ("broker_break", (10, 10, 10, 10, 10, 10, 9), "-0.05"),
])
def test_a_step_is_its_own_cause(cause, path, change):
    """1,000 dollars and a price of 50 make each share 5 %; cash moves the other way."""
    waterfall = explain(steps(*path))

    assert causes(waterfall) == {cause: Decimal(change)}
    assert waterfall.cash.gap == -Decimal(change)
    assert waterfall.deviation == abs(Decimal(change))


def test_cost_is_what_the_fills_took_from_the_value():
    """The same 500 dollars of stock weigh more in 800 dollars than in 1,000."""
    waterfall = explain(steps(10), cost="200", end_equity="800")

    assert causes(waterfall) == {"cost": Decimal("0.125")}


def test_drift_is_what_prices_did_after_the_sizing():
    """10 shares at 60 in an account of 1,100 weigh 6/11."""
    waterfall = explain(steps(10, close="60"), end_equity="1100")

    assert causes(waterfall) == {"drift": Decimal("0.045454545455")}


def test_causes_follow_each_other_in_the_published_order():
    """Weight after weight: 0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, then other prices and other shares."""
    waterfall = explain(steps(9, 8, 7, 6, 5, 4, 3, close="60"), cost="20", end_equity="1020")

    assert tuple(cause for cause, _ in waterfall.gaps[0].causes) == CAUSES
    assert [str(change) for change in waterfall.gaps[0].changes[:6]] == ["-0.05", "-0.05", "-0.05", "-0.05", "-0.05", "-0.05"]
    assert waterfall.gaps[0].actual == Decimal("0.176470588235")


def test_gaps_have_their_measures():
    """Deviation ½ Σ|gap|, the root of the mean square, the largest: over the instruments and cash."""
    waterfall = attribute([steps(8), steps(4, target="0.1", symbol="BBB")], equity=Decimal(1000), cost=Decimal(0),
                          end_equity=Decimal(1000))

    assert [one.gap for one in waterfall.every] == [Decimal("-0.1"), Decimal("0.1"), 0]
    assert (waterfall.deviation, waterfall.max_gap, waterfall.gross) == (Decimal("0.1"), Decimal("0.1"), Decimal("0.6"))
    assert waterfall.rms_gap == Decimal("0.081649658093")


def test_causes_that_undo_each_other_still_show():
    """A share too many by rounding and one too few unfilled: no gap, and two causes."""
    waterfall = explain(steps(10, 10, 11, 11, 10))

    assert waterfall.deviation == 0
    assert dict(waterfall.moved) | {"rounding": 0, "residual": 0} == dict.fromkeys(CAUSES, 0)
    assert (dict(waterfall.moved)["rounding"], dict(waterfall.moved)["residual"]) == (Decimal("0.05"), Decimal("0.05"))


def test_an_empty_portfolio_is_all_cash():
    """Nothing wanted, nothing held: no gap."""
    waterfall = attribute([], equity=Decimal(10), cost=Decimal(0), end_equity=Decimal(10))

    assert (waterfall.cash.actual, waterfall.deviation, waterfall.residual) == (1, 0, 0)


@pytest.mark.parametrize(("price", "close"), [("50", None), (None, "50")])
def test_one_price_stands_for_the_other(price, close):
    """A holding that was never sized has no sizing price, one that left has no close: nothing drifts there."""
    waterfall = explain(steps(10, price=price, close=close))

    assert causes(waterfall) == {}


def test_shares_without_any_price_are_refused():
    """They have no weight, and none is made up."""
    with pytest.raises(BadInput, match="AAA has neither a sizing price nor a close"):
        explain(steps(10, price=None, close=None))


@pytest.mark.parametrize("worth", [{"equity": "0"}, {"end_equity": "-5"}, {"cost": "1000"}])
def test_an_account_worth_nothing_has_no_weights(worth):
    """Before, after cost, or at the mark."""
    with pytest.raises(BadInput, match="has no weights"):
        explain(steps(10), **worth)


quantities = st.decimals("-100000", "100000", places=4)
dollars = st.decimals("0.01", "2000", places=6)


@given(st.data(), st.lists(st.decimals("-1.5", "1.5", places=12), max_size=6),
       st.decimals("1000", "10000000", places=6), st.decimals("-900", "900", places=9), st.decimals("1", "10000000", places=6))
def test_causes_sum_to_the_gap_to_the_last_digit(data, targets, equity, cost, end_equity):
    """Whatever the shares of each step, the prices and the values; cash included, and the weights sum to 1."""
    many = [
        Steps(symbol=f"S{at}", instrument_id=f"S{at} X", target=target, price=data.draw(st.none() | dollars),
              close=data.draw(dollars), **{name: data.draw(quantities) for name in SHARES})
        for at, target in enumerate(targets)
    ]
    waterfall = attribute(many, equity=equity, cost=cost, end_equity=end_equity)

    assert waterfall.residual == 0
    for one in waterfall.every:
        assert one.actual - one.target == sum(one.changes)
    assert sum(one.target for one in waterfall.every) == sum(one.actual for one in waterfall.every) == 1
    assert all(sum(one.changes[at] for one in waterfall.every) == 0 for at in range(len(CAUSES)))


@given(st.data(), st.decimals("-1.5", "1.5", places=12), st.decimals("1000", "10000000", places=6),
       st.decimals("-900", "900", places=9), st.decimals("1", "10000000", places=6), dollars, dollars)
def test_each_weight_is_shares_times_price_by_value(data, target, equity, cost, end_equity, price, close):
    """Step by step as docs/measures.md §6 has it, whether or not a step changed anything."""
    shares = [data.draw(quantities)]
    for _ in SHARES[1:]:
        shares.append(data.draw(st.just(shares[-1]) | quantities))
    one = Steps(symbol="S", instrument_id="S X", target=target, price=price, close=close,
                **dict(zip(SHARES, shares, strict=True)))
    after_cost = equity - cost
    path = [target, *(many * price / equity for many in shares[:6]), shares[5] * price / after_cost,
            shares[5] * close / end_equity, shares[6] * close / end_equity]
    weights = [money(weight) for weight in path]

    found, = attribute([one], equity=equity, cost=cost, end_equity=end_equity).gaps

    assert repr(found.changes) == repr(tuple(after - before for before, after in pairwise(weights)))


@given(st.permutations(range(4)))
def test_the_order_of_the_instruments_changes_nothing(order):
    """Only the order of the causes is part of the definition."""
    many = [replace(steps(10 + at, 9, 8 + at, 7, 6, close="55"), symbol=f"S{at}") for at in range(4)]
    told = {"equity": Decimal(5000), "cost": Decimal(3), "end_equity": Decimal(5100)}

    straight, shuffled = attribute(many, **told), attribute([many[at] for at in order], **told)

    assert {one.symbol: one.changes for one in straight.every} == {one.symbol: one.changes for one in shuffled.every}
