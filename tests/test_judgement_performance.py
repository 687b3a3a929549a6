"""The account's curve, returns and drawdowns, and the paper portfolio beside it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judgement_fixtures import NAMES, Story
from market_fixtures import make_bars
from store_fixtures import counted

from workbench.judgement.evidence import Heard
from workbench.judgement.performance import Curve, annual_volatility, drawdowns, equity_curve, returns, summarise
from workbench.judgement.reconciliation import reconcile
from workbench.judgement.tracking import _paper
from workbench.words.identity import money

DAYS = [date(2020, 1, day) for day in (14, 15, 16, 17, 21, 22)]
values = st.lists(st.decimals("1", "100000", places=2), min_size=1, max_size=30)


def numbers(*given):
    return tuple(Decimal(str(number)) for number in given)


def curve(*equity, source="bars"):
    days = tuple(date.fromordinal(737_000 + at) for at in range(len(equity)))
    return Curve(days=days, equity=numbers(*equity), cash=numbers(*equity), source=source, why=None)


def bars(**closes):
    """Daily bars by instrument id, over DAYS; None leaves a day out."""
    return {f"{name} X": make_bars([day for day, close in zip(DAYS, known, strict=True) if close is not None],
                                   [close for close in known if close is not None]) for name, known in closes.items()}


def bought(shares="1000", price="10", **params):
    """AAA bought on the second day, from 100,000 dollars."""
    story = Story(**params)
    story.decide(DAYS[1], {"AAA": str(Decimal(shares) * Decimal(price) / 100_000)}, dict.fromkeys(NAMES, price))
    order, = story.size(DAYS[1], dict.fromkeys(NAMES, price))
    story.fill(DAYS[1], order, shares, price, fee="1")
    return story


def worth(story, known, **changes):
    """The curve of a story, from the first of DAYS on."""
    evidence = story.evidence(bars=known, **changes)
    return equity_curve(Heard(replace(evidence, run=replace(evidence.run, start=DAYS[0], end=DAYS[-1]))))


def test_the_curve_is_cash_and_shares_at_the_close():
    """Cash until the purchase; then 89,999 dollars and 1,000 shares."""
    found = worth(bought(), bars(AAA=[9, 10.5, 11, 10, 12, 12.3456]))

    assert found.source == "bars"
    assert found.equity == numbers(100_000, 100_499, 100_999, 99_999, 101_999, 102_344.6)
    assert found.cash == numbers(100_000, *[89_999] * 5)
    assert [found.at(day) for day in (date(2020, 1, 1), DAYS[0], date(2020, 1, 19))] == [None, 100_000, 99_999]


def test_a_split_changes_shares_and_a_dividend_cash_on_their_day():
    """Two for one before the open of the third day, a dollar a share before the open of the fourth."""
    story = bought()
    story.split(DAYS[2], "AAA", "0.5")
    story.dividend(DAYS[3], "AAA", "1")
    found = worth(story, bars(AAA=[10, 10, 5, 4, 4, 4]))

    assert found.equity == numbers(100_000, *[99_999] * 5)
    assert found.cash[-1] == 91_999


def test_a_day_without_a_bar_keeps_the_last_close():
    """As the engine does; another instrument's bar makes it a session."""
    found = worth(bought(), bars(AAA=[10, 10, 11, None, None, 12], BBB=[1] * 6))

    assert found.equity[2:] == numbers(100_999, 100_999, 100_999, 101_999)


def test_what_happens_between_sessions_counts_at_the_next():
    """A purchase before the first of them, a liquidation on a Saturday."""
    story = bought()
    story.fill(date(2020, 1, 12), "AAA", 100, "10", fee="0", hour=5)
    found = worth(story, bars(AAA=[10] * 6))

    assert (found.cash[0], found.equity[0]) == (99_000, 100_000)
    story = bought()
    story.fill(date(2020, 1, 18), "AAA", -1000, "10", fee="0", hour=5)
    found = worth(story, bars(AAA=[10] * 6))

    assert found.cash == numbers(100_000, 89_999, 89_999, 89_999, 99_999, 99_999)


@pytest.mark.parametrize(("known", "why"), [
    ({}, "there are no bars"),
    (bars(BBB=[1] * 6), "AAA X was held without a bar on 2020-01-15"),
    (bars(AAA=[None, None, 1, 1, 1, 1], BBB=[1] * 6), "AAA X was held without a bar on 2020-01-15"),
])
def test_without_prices_the_curve_is_the_marks(known, why):
    """Nothing is made up: fewer points, and the reason."""
    story = bought()
    story.mark(DAYS[1], dict.fromkeys(NAMES, "11"))
    found = worth(story, known, end_equity=Decimal("100999.01"))

    assert (found.source, found.why, found.days, found.equity) == ("marks", why, (DAYS[1],), numbers(100_999))
    assert [(tie.what, tie.residual) for tie in found.ties] == [("end", Decimal("-0.01"))]


def test_a_close_from_before_a_split_is_no_price_after_it():
    """The stock did not trade on the day of its split: what it was worth is not known."""
    story = bought()
    story.split(DAYS[2], "AAA", "0.5")
    found = worth(story, bars(AAA=[10, 10, None, 5, 5, 5], BBB=[1] * 6))

    assert (found.source, found.why) == ("marks", "AAA X was held without a bar on 2020-01-16")


def test_part_of_a_share_is_not_multiplied():
    """Whole shares are exact in integers; others are left to the engine."""
    story = bought()
    story.fill(DAYS[2], "AAA", "0.5", "10")
    found = worth(story, bars(AAA=[10] * 6))

    assert (found.source, found.why) == ("marks", "AAA X was not held in whole shares")


def test_the_curve_is_tied_to_every_mark_and_to_the_end():
    """A residual is a number that is shown, also where it is too large."""
    story = bought()
    story.mark(DAYS[1], dict.fromkeys(NAMES, "10"))
    story.mark(DAYS[2], dict.fromkeys(NAMES, "10.5"))
    found = worth(story, bars(AAA=[10] * 6), end_equity=Decimal("99999.004"))

    assert [(tie.what, tie.day, tie.residual) for tie in found.ties] == [
        ("mark", DAYS[1], 0), ("mark", DAYS[2], -500), ("end", DAYS[-1], Decimal("-0.004"))]


def test_an_empty_run_has_an_empty_curve():
    """No bars, no marks."""
    found = worth(Story(), {})

    assert (found.days, found.at(DAYS[0])) == ((), None)
    assert summarise(found).total_return is None


def test_returns_and_drawdowns_of_a_few_values():
    """Up a tenth, down a fifth, up a half."""
    given = numbers(100, 110, 88, 132)

    assert returns(given) == numbers(0.1, -0.2, 0.5)
    assert drawdowns(given) == numbers(0, 0, -0.2, 0)


def test_falls_are_told_from_high_to_recovery():
    """The deepest is not the longest, and the last one has not ended."""
    summary = summarise(curve(100, 80, 100, 110, 105, 104, 106, 109, 112, 111))

    assert (summary.deepest.depth, summary.deepest.sessions) == (Decimal("-0.2"), 2)
    assert (summary.longest.depth, summary.longest.sessions) == (Decimal("-0.054545454545"), 5)
    assert summary.longest.recovered == date.fromordinal(737_008)
    assert (summarise(curve(100, 99)).deepest.recovered, summarise(curve(100, 99)).deepest.sessions) == (None, 1)


def test_few_sessions_have_no_annual_figure():
    """Their count and their total return are all that is said."""
    summary = summarise(curve(100, *range(101, 352)))

    assert (summary.sessions, summary.annual_return, summary.annual_volatility, summary.sharpe) == (251, None, None, None)
    assert summary.total_return == Decimal("2.51")


def test_a_year_of_sessions_has_annual_figures():
    """252 returns of 0.1 % up and down again, summed by hand: none a year, and 252 variances of their spread."""
    summary = summarise(curve(*[100, 101] * 126, 100))
    up, down = 0.01, 1 / 1.01 - 1
    mean = (up + down) / 2
    spread = (252 * 126 * ((up - mean) ** 2 + (down - mean) ** 2) / 251) ** 0.5

    assert (summary.sessions, summary.annual_return) == (252, 0)
    assert float(summary.annual_volatility) == pytest.approx(spread, abs=1e-10)
    assert float(summary.sharpe) == pytest.approx(mean * 252 / spread, abs=1e-9)
    assert "252 sessions a year" in summary.convention


def test_an_annual_return_is_the_years_share_of_the_growth():
    """Doubled in 504 sessions: √2 a year."""
    assert summarise(curve(*[100] * 504, 200)).annual_return == Decimal("0.414213562373")


def test_a_curve_of_marks_has_no_annual_figure():
    """Its points are not sessions."""
    assert summarise(curve(*range(100, 500), source="marks")).annual_return is None


def test_an_account_that_came_to_nothing_has_no_returns():
    """A return from nothing is no number."""
    assert summarise(curve(100, 0, 50)).total_return is None


@given(values)
def test_returns_lead_from_the_first_value_to_the_last(given):
    """Their product is the total return, up to the grid they are put on."""
    product = given[0]
    for move in returns(given):
        product *= 1 + move

    assert abs(product / given[-1] - 1) < Decimal("1e-6")


@given(values)
def test_drawdowns_are_below_zero_and_zero_at_highs(given):
    """And the deepest fall is the lowest of them."""
    found = drawdowns(given)
    deepest = summarise(curve(*given)).deepest

    assert all(fall <= 0 for fall in found)
    assert [fall == 0 for fall in found] == [value == max(given[:at + 1]) for at, value in enumerate(given)]
    assert min(found) == (deepest.depth if deepest is not None else 0)


def test_a_constant_return_has_no_volatility():
    """And one return too few has none either."""
    assert annual_volatility(numbers(*[0.01] * 252)) == 0
    assert annual_volatility(numbers(*[0.01] * 251)) is None


def two_decisions():
    """Half in AAA at 10, then at 12 half in BBB, which splits on the way; all filled at the decision prices."""
    story = Story()
    for day, weights, prices in ((DAYS[1], {"AAA": "0.5"}, {"AAA": "10", "BBB": "8"}),
                                 (DAYS[4], {"AAA": "0", "BBB": "0.5"}, {"AAA": "12", "BBB": "8"})):
        snapshot = story.decide(day, weights, prices)
        story.told["snapshots"][-1] = replace(snapshot, snapshot_date=DAYS[DAYS.index(day) - 1])
        for order in story.size(day, prices):
            story.fill(day, order, order.quantity, prices[order.symbol], fee="0")
    story._corporate(DAYS[0], "AAA", kind="dividend", per_share=Decimal(3), cash=Decimal(0))      # not the buyer's any more
    story.split(DAYS[5], "BBB", "0.5")
    story.dividend(DAYS[5], "BBB", "0.1")
    return story.evidence(bars=bars(AAA=[10, 11, 11, 12, 13, 13], BBB=[8, 8, 8, 8, 9, 5]))


def test_the_paper_portfolio_is_made_of_decision_prices():
    """1 becomes 1.1 with AAA at 12; then half of it in BBB: 9 of 8, then two at 5 and 0.1 for each."""
    evidence = two_decisions()
    found = reconcile(replace(evidence, run=replace(evidence.run, start=DAYS[0], end=DAYS[-1]))).tracking

    assert found.paper == numbers(1, 1.05, 1.05, 1.1, 1.16875, "1.25125")
    assert (found.paper_return, found.sessions, found.error) == (Decimal("0.25125"), 5, None)
    assert found.difference == found.real_return - found.paper_return


def test_what_traded_at_the_decision_prices_tracks_the_paper():
    """5,000 shares bought at 10 and sold at 12, then 6,875 of BBB at 8: the same, to the last of the grid."""
    evidence = two_decisions()
    found = reconcile(replace(evidence, run=replace(evidence.run, start=DAYS[0], end=DAYS[-1])))

    assert found.tracking.difference == 0
    assert found.curve.equity[-1] == 125_125


def test_a_target_without_a_price_has_no_tracking():
    """The reason names it."""
    evidence = two_decisions()
    known = {name: some for name, some in evidence.bars.items() if name != "BBB X"}
    sold = tuple(fill for fill in evidence.fills if fill.symbol == "AAA")
    run = replace(evidence.run, start=DAYS[0], end=DAYS[-1])
    found = reconcile(replace(evidence, bars=known, fills=sold, corporate=(), run=run))

    assert found.tracking is None
    assert found.reasons == ("no tracking difference: no close for BBB X on 2020-01-21 (never seen); "
                             "`workbench data check` lists the gaps",)


@given(st.lists(st.integers(1, 3_000_000), min_size=6, max_size=6), st.decimals("0.01", "300", places=4),
       st.decimals("-1.5", "1.5", places=12).filter(bool), st.sampled_from(["0.25", "0.5", "3"]))
def test_the_paper_portfolio_is_its_formula_in_dollars(closes, price, weight, factor):
    """Share by share, with a split and a dividend on the way, in the order in which its definition names them."""
    story = Story()
    story.decide(DAYS[1], {"AAA": str(weight)}, {"AAA": str(price)})
    snapshot = story.told["snapshots"][0] = replace(story.told["snapshots"][0], snapshot_date=DAYS[0])
    story._corporate(DAYS[2], "AAA", kind="split", factor=Decimal(factor), cash=Decimal(0))
    story._corporate(DAYS[4], "AAA", kind="dividend", per_share=Decimal("0.1234"), cash=Decimal(0))
    dollars = [Decimal(close) / 10_000 for close in closes]
    heard = Heard(story.evidence(bars=bars(AAA=[float(close) for close in dollars])))
    shares, paid, wanted = Decimal(1), Decimal(0), [Decimal(1)]
    for at, close in enumerate(dollars[1:], start=1):
        shares = shares / Decimal(factor) if at == 2 else shares
        paid += shares * Decimal("0.1234") if at == 4 else 0
        wanted.append(money(snapshot.cash_weight + weight / price * (shares * close + paid)))

    found = _paper(heard, [snapshot], tuple(DAYS))

    assert repr(found) == repr(tuple(wanted))


def test_closes_are_looked_up_once_an_instrument(monkeypatch):
    """However many days are asked for: those of all decisions and marks are found at once."""
    story = Story()
    for day in DAYS[1:]:
        story.decide(day, {"AAA": "0.5", "BBB": "0.3"}, dict.fromkeys(NAMES, "10"))
        story.size(day, dict.fromkeys(NAMES, "10"))
        story.mark(day, dict.fromkeys(NAMES, "10"))
    heard = Heard(story.evidence(bars=bars(AAA=[10] * 6, BBB=[10] * 6)))
    calls = counted(monkeypatch, heard, "closes")
    days = [*(mark.day for mark in heard.marks), *(snapshot.snapshot_date for snapshot in heard.evidence.snapshots)]

    assert {heard.close_by(name, day) for name in ("AAA X", "BBB X") for day in days} == {Decimal(10)}
    assert len(calls) == 2
    assert heard.close_by("AAA X", date(2020, 2, 20)) == 10
    assert len(calls) == 3
