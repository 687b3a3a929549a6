"""Signals and weights: formulas against hand sums, and what they must hold for any prices."""

import math
import statistics
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput, UnknownName
from workbench.research import portfolio, signals

PRICES = st.lists(st.floats(1, 1000), min_size=3, max_size=40)
SCORE = st.one_of(st.just(math.nan), st.integers(-5, 5).map(float))
SCORES = st.dictionaries(st.sampled_from("ABCDEFGHIJ"), SCORE, max_size=10)


def closes(*columns):
    """A frame of closes, a column a letter."""
    return pd.DataFrame(dict(zip("ABCDEFG", columns, strict=False)), dtype=float)


def test_momentum_is_the_return_but_for_the_last_sessions():
    """P(T − 1) / P(T − 3) − 1 of 10, 12, 15, 99."""
    assert signals.momentum(closes([7, 10, 12, 15, 99]), lookback=3, skip=1)["A"] == pytest.approx(0.5)
    assert signals.momentum(closes([7, 10, 12, 15, 99]), lookback=3)["A"] == pytest.approx(8.9)


def test_momentum_without_a_close_at_an_end_is_nan():
    """A gap in between does not matter; at an end nothing is made up."""
    scores = signals.momentum(closes([np.nan, 10, 10], [10, np.nan, 11], [10, 10, np.nan]), lookback=2)

    assert scores.isna().tolist() == [True, False, True]
    assert scores["B"] == pytest.approx(0.1)


def test_a_window_longer_than_history_gives_no_scores():
    """NaN for each symbol, not an error and not a shorter window."""
    assert signals.momentum(closes([10, 11], [20, 21]), lookback=2).isna().all()
    assert signals.volatility(closes([10, 11], [20, 21]), lookback=2).isna().all()


@pytest.mark.parametrize(("lookback", "skip"), [(3, 3), (3, 4), (0, 0), (3, -1)])
def test_a_skip_is_shorter_than_its_lookback(lookback, skip):
    """There must be something left to measure."""
    with pytest.raises(BadInput, match=f"skip {skip} must be at least 0 and less than lookback {lookback}"):
        signals.momentum(closes([10, 11, 12, 13, 14]), lookback, skip)


def test_volatility_is_the_sample_deviation_of_a_year():
    """√252 times what the standard library computes from the same returns."""
    prices = [100, 101, 99, 102, 104]
    returns = [b / a for a, b in pairwise(prices)]

    assert signals.volatility(closes(prices), 4)["A"] == pytest.approx(
        statistics.stdev(math.log(growth) for growth in returns) * math.sqrt(252))
    assert signals.volatility(closes(prices), 4, log=False)["A"] == pytest.approx(
        statistics.stdev(growth - 1 for growth in returns) * math.sqrt(252))


def test_volatility_of_a_window_with_a_gap_is_nan():
    """A return over two sessions is not a daily one."""
    assert signals.volatility(closes([1, 2, np.nan, 4, 5], [1, 2, 3, 4, 5]), 4).isna().tolist() == [True, False]


def test_one_return_has_no_deviation():
    """It would be a division by zero."""
    with pytest.raises(BadInput, match="lookback 1 must be at least 2"):
        signals.volatility(closes([1, 2]), 1)


@given(PRICES, st.floats(0.01, 100))
def test_signals_do_not_depend_on_the_unit_of_price(prices, scale):
    """Cents or dollars, before or after a split: the same score."""
    one, other, n = closes(prices), closes([price * scale for price in prices]), len(prices) - 1

    np.testing.assert_allclose(signals.momentum(one, n), signals.momentum(other, n), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(signals.volatility(one, n), signals.volatility(other, n), rtol=1e-6, atol=1e-9)


@given(SCORES, st.integers(1, 10))
def test_the_top_are_no_worse_than_the_rest(scores, n):
    """As many as asked for, or as there are; nobody left out is better; the order of the input is no matter."""
    series = pd.Series(scores, dtype=float)
    chosen = portfolio.top(series, n)
    rest = [score for symbol, score in scores.items() if symbol not in chosen and not math.isnan(score)]

    assert len(chosen) == min(n, sum(not math.isnan(score) for score in scores.values()))
    assert all(scores[symbol] >= score for symbol in chosen for score in rest)
    assert chosen == portfolio.top(series.iloc[::-1], n)


def test_at_least_one_is_wanted():
    """The best none would be all cash by mistake."""
    with pytest.raises(BadInput, match="top 0: at least one must be wanted"):
        portfolio.top(pd.Series({"A": 1.0}), 0)


def test_equal_scores_go_by_the_alphabet():
    """So that two runs choose the same."""
    assert portfolio.top(pd.Series({"C": 1.0, "A": 1.0, "B": 1.0}), 2) == ("A", "B")


@given(st.sets(st.sampled_from("ABCDEFGHIJ")), st.floats(0.01, 3))
def test_equal_weights_add_up_to_gross(symbols, gross):
    """The same for each, and nothing for none."""
    weights = portfolio.equal(symbols, gross)

    assert sorted(symbols) == list(weights.index)
    assert weights.sum() == pytest.approx(gross if symbols else 0)
    assert weights.nunique() <= 1


def test_calm_stocks_weigh_more():
    """1 / 0.1 to 1 / 0.3 is three to one; who has no volatility has no weight."""
    weights = portfolio.inverse_volatility(pd.Series({"A": 0.1, "B": 0.3, "C": math.nan}), gross=0.8)

    assert weights.to_dict() == pytest.approx({"A": 0.6, "B": 0.2})


def test_a_price_that_never_moves_is_refused():
    """Its weight would be infinite."""
    with pytest.raises(BadInput, match="the price of B did not move at all"):
        portfolio.inverse_volatility(pd.Series({"A": 0.1, "B": 0.0}))


@pytest.mark.parametrize("gross", [0.0, -1.0, math.nan, math.inf])
def test_gross_is_a_number_above_zero(gross):
    """Nothing wanted is an empty answer, not a gross of zero."""
    with pytest.raises(BadInput, match="must be a number above zero"):
        portfolio.equal(["A"], gross)


def test_a_checked_answer_is_floats_by_symbol():
    """Whatever numbers it was given in, sorted."""
    weights = portfolio.checked(pd.Series({"B": Decimal("0.25"), "A": 1}), ["A", "B", "C"], where="test")

    assert weights.to_dict() == {"A": 1.0, "B": 0.25}
    assert list(weights.index) == ["A", "B"]
    assert weights.dtype == float


def test_an_empty_answer_is_all_cash():
    """It is legal."""
    assert portfolio.checked(pd.Series(dtype=float), ["A"], where="test").empty


@pytest.mark.parametrize(("answer", "told"), [
    (pd.Series({"A": math.nan}), "test: the weight of A is nan, not a finite number"),
    (pd.Series({"A": math.inf}), "test: the weight of A is inf"),
    (pd.Series({"A": "much"}), "test: the weight of A is 'much'"),
    (pd.Series([0.5, 0.5], ["A", "A"]), "test: two weights for A"),
    ({"A": 0.5}, "test: a strategy answers with a pandas Series of weights by symbol, not dict"),
    (None, "not NoneType"),
])
def test_an_answer_that_is_no_portfolio_is_refused(answer, told):
    """Naming the strategy and the symbol."""
    with pytest.raises(BadInput, match=told):
        portfolio.checked(answer, ["A"], where="test")


def test_a_symbol_that_was_not_shown_is_refused():
    """It can't have been chosen from what was seen."""
    with pytest.raises(UnknownName, match="test: unknown symbol 'ALFB'; did you mean 'ALFA'"):
        portfolio.checked(pd.Series({"ALFB": 0.5}), ["ALFA"], where="test")
