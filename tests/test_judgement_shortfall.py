"""Implementation shortfall: the worked examples of docs/measures.md §2, the identities, and what is not known."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput, UnknownName
from workbench.judgement.shortfall import EXACT, split_shortfall, sum_shortfalls

prices = st.decimals("0.0001", "5000", places=6)
shares = st.decimals("-1000000", "1000000", places=3)
fees = st.none() | st.decimals("-5", "500", places=2)


def split(**changes):
    """The first worked example, with changes: buy 1,000, of which 800 were filled."""
    given = {"quantity": "1000", "filled": "800", "average_price": "50.16", "decision": "50", "arrival": "50.10",
             "close": "50.60", "fees": "9"} | changes
    as_told = {name: given.pop(name) for name in list(given) if given[name] is None or name == "convention"}
    return split_shortfall(**as_told, **{name: Decimal(value) for name, value in given.items()})


def parts(cost):
    return cost.delay, cost.execution, cost.opportunity, cost.fees


@pytest.mark.parametrize(("convention", "expected"), [("A", (80, 48, 120, 9)), ("B", (100, 48, 100, 9))])
def test_both_conventions_give_the_worked_example(convention, expected):
    """80 + 48 + 120 + 9 and 100 + 48 + 100 + 9 are both 257 dollars, 51.4 bps of 50,000."""
    cost = split(convention=convention)

    assert expected == parts(cost)
    assert (cost.total, cost.notional, cost.bps) == (257, 50_000, Decimal("51.4"))


@pytest.mark.parametrize("convention", ["A", "B"])
def test_a_sell_is_the_mirror_of_a_buy(convention):
    """Prices that fall cost a seller what rising ones cost a buyer."""
    sell = split(quantity="-1000", filled="-800", arrival="49.90", average_price="49.84", close="49.40", convention=convention)
    buy = split(convention=convention)

    assert parts(buy) == parts(sell)
    assert (sell.total, sell.notional, sell.bps) == (257, 50_000, Decimal("51.4"))


def test_the_second_worked_example():
    """28 + 7 + 24 + 17 = 76 dollars, 19 bps of 40,000."""
    cost = split(decision="40", arrival="40.04", filled="700", average_price="40.05", close="40.08", fees="17")

    assert parts(cost) == (28, 7, 24, 17)
    assert (cost.total, cost.bps) == (76, 19)


def test_an_order_that_never_filled_costs_only_what_it_missed():
    """Its average price is not defined and needs not be told, nor does its arrival."""
    cost = split(filled="0", average_price=None, arrival=None, fees="0")

    assert parts(cost) == (0, 0, 600, 0)
    assert (cost.total, cost.real) == (600, 0)


def test_without_an_arrival_delay_and_execution_are_one_number():
    """What is known is their sum: 80 + 48."""
    cost = split(arrival=None)

    assert (cost.delay, cost.execution, cost.unsplit, cost.opportunity) == (None, None, 128, 120)
    assert cost.total == 257


def test_convention_b_without_an_arrival_splits_nothing_but_fees():
    """Its opportunity begins at the arrival too: 100 + 48 + 100."""
    cost = split(arrival=None, convention="B")

    assert (cost.delay, cost.execution, cost.opportunity, cost.unsplit) == (None, None, None, 248)
    assert cost.total == 257


def test_a_fee_that_is_not_known_is_pending_and_not_zero():
    """The total says that it is without it."""
    cost = split(fees=None)

    assert (cost.fees, cost.fees_pending, cost.total) == (None, 1, 248)
    assert "1 fees pending" in repr(cost)


def test_without_a_close_what_was_missed_is_not_known():
    """What was traded by then still is."""
    cost = split(close=None)

    assert (cost.delay, cost.execution, cost.opportunity) == (80, 48, None)
    assert (cost.total, cost.paper, cost.real, cost.bps, cost.unknown) == (None, None, None, None, 1)


def test_a_whole_fill_needs_no_close():
    """Nothing was missed, whatever the price became."""
    cost = split(quantity="800", close=None)

    assert (cost.opportunity, cost.total) == (0, 137)
    assert cost.paper is None


@pytest.mark.parametrize("missing", ["quantity", "decision"])
def test_without_what_was_wanted_no_total_is_known(missing):
    """Neither a wanted quantity nor a decision price is ever guessed."""
    cost = split(**{missing: None})

    assert (cost.total, cost.notional, cost.bps) == (None, None, None)


def test_wanting_to_buy_and_selling_is_all_cost():
    """A cap can turn an order round: 50 wanted, 20 sold instead. Signed shares need no rule for it."""
    cost = split(quantity="50", filled="-20", average_price="11", decision="10", arrival="10.5", close="12", fees="1")

    assert parts(cost) == (-10, -10, 140, 1)
    assert cost.total == cost.paper - cost.real == 121


def test_nothing_wanted_has_no_bps():
    """There is no notional to divide by."""
    cost = split(quantity="0", filled="0", average_price=None, fees="0")

    assert (cost.total, cost.notional, cost.bps) == (0, 0, None)


def test_another_convention_is_refused():
    """Its name is in the error."""
    with pytest.raises(UnknownName, match="unknown shortfall convention 'C'"):
        split(convention="C")


def test_fills_without_a_price_are_refused():
    """A price is never guessed."""
    with pytest.raises(BadInput, match="800 shares are filled, without an average price"):
        split(average_price=None)


@given(quantity=shares, filled=shares, average_price=prices, decision=prices, arrival=st.none() | prices, close=prices,
       fees=fees, convention=st.sampled_from("AB"))
def test_parts_sum_to_paper_less_real(quantity, filled, average_price, decision, arrival, close, fees, convention):
    """Exactly, in both conventions, with and without an arrival price."""
    cost = split_shortfall(quantity=quantity, filled=filled, average_price=average_price if filled else None, decision=decision,
                           arrival=arrival, close=close, fees=fees, convention=convention)

    assert cost.residual == 0
    with localcontext(EXACT):
        paid = filled * average_price
        assert cost.total == quantity * (close - decision) - (filled * close - paid - (fees or 0))


@given(quantity=shares, filled=shares, average_price=prices, decision=prices, arrival=prices, close=prices)
def test_conventions_share_total_and_execution(quantity, filled, average_price, decision, arrival, close):
    """They only draw the line between delay and opportunity elsewhere."""
    told = {"quantity": quantity, "filled": filled, "average_price": average_price if filled else None, "decision": decision,
            "arrival": arrival, "close": close, "fees": Decimal(1)}
    cfa, kissell = split_shortfall(**told, convention="A"), split_shortfall(**told, convention="B")

    assert (cfa.total, cfa.execution) == (kissell.total, kissell.execution)
    with localcontext(EXACT):
        assert cfa.delay + cfa.opportunity == kissell.delay + kissell.opportunity


costs = st.builds(
    split_shortfall, quantity=st.none() | shares, filled=shares.filter(bool), average_price=prices, decision=st.none() | prices,
    arrival=st.none() | prices, close=st.none() | prices, fees=fees, convention=st.just("A"))


@given(st.lists(costs, max_size=6))
def test_a_sum_is_over_what_is_known(many):
    """Its total is the sum of the known totals, its parts still sum to it, and the rest is counted."""
    total = sum_shortfalls(many)
    known = [cost.total for cost in many if cost.total is not None]

    assert (total.orders, total.unknown) == (len(known), len(many) - len(known))
    with localcontext(EXACT):
        assert total.total == (sum(known) if known or not many else None)
        assert total.total is None or total.total == sum(part for _, part in total.parts if part is not None)
    assert total.residual in (0, None)


@given(st.lists(costs, max_size=4), st.lists(costs, max_size=4))
def test_a_sum_of_sums_is_the_sum_of_all(some, others):
    """Dates sum to a run as their orders do."""
    each = sum_shortfalls([sum_shortfalls(some), sum_shortfalls(others)])
    every = sum_shortfalls([*some, *others])

    assert (each.total or 0, each.notional or 0) == (every.total or 0, every.notional or 0)
    assert (each.orders, each.unknown, each.fees_pending) == (every.orders, every.unknown, every.fees_pending)


def test_no_orders_cost_nothing_and_unknown_ones_are_not_nothing():
    """An empty sum is 0; a sum of which nothing is known is None."""
    assert sum_shortfalls([]).total == 0
    assert sum_shortfalls([split(close=None)]).total is None
    assert "1 orders not known" in repr(sum_shortfalls([split(), split(close=None)]))
