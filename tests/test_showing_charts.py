"""Figures: they show what was judged and nothing else, the same every time."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from showing_fixtures import trade, without_mark

from workbench.judgement.deviation import CAUSES, Gap
from workbench.showing import charts

values = st.lists(st.integers(-1000, 1000).map(Decimal), max_size=400)


@pytest.fixture(scope="module")
def traded(tmp_path_factory, invented):
    return trade(tmp_path_factory.getbasetemp() / "showing", invented)


def drawings(judged):
    """Every kind of figure of a reconciliation."""
    last = judged.dates[-1]
    by_date = (charts.draw_causes, charts.draw_shortfall, charts.draw_turnover)
    return [charts.draw_equity(judged), charts.draw_gaps(last), charts.draw_weights(last),
            charts.draw_waterfall(last.waterfall.every[0]), *(draw(judged.dates) for draw in by_date)]


def trace(figure, uid):
    return next(one for one in figure.data if one.uid == uid)


@given(values, st.integers(4, 60))
def test_a_thinned_series_keeps_its_ends_and_its_extremes(series, most):
    """At most so many points, in order, among them the first, the last, the lowest and the highest."""
    kept = charts.thin(series, most)
    shown = [series[at] for at in kept]

    assert len(kept) <= max(most, 0)
    assert list(kept) == sorted(set(kept))
    if series:
        assert (kept[0], kept[-1]) == (0, len(series) - 1)
        assert (min(shown), max(shown)) == (min(series), max(series))


@given(values)
def test_a_short_series_is_not_thinned(series):
    """Every point of it is shown."""
    assert charts.thin(series, 400) == tuple(range(len(series)))


def test_a_spike_of_one_session_in_twenty_years_is_seen(traded):
    """A long curve is drawn in 2,000 points, and the day it doubled is one of them."""
    days = tuple(date(2000, 1, 3) + timedelta(days=number) for number in range(5_000))
    equity = [Decimal(100_000 + number) for number in range(5_000)]
    equity[3_333] = Decimal("210000.17")
    curve = replace(traded.judged.curve, days=days, equity=tuple(equity), cash=tuple(equity))
    line = trace(charts.draw_equity(replace(traded.judged, curve=curve, tracking=None)), "equity")

    assert len(line.x) <= charts.MOST_POINTS
    assert line.y[line.x.index(days[3_333].isoformat())] == 210000.17


def test_the_same_reconciliation_gives_the_same_bytes(traded):
    """No random ids, no clock: two renders of a report can be compared."""
    first, second = ([json.dumps(figure.to_plotly_json()) for figure in drawings(traded.judged)] for _ in range(2))

    assert first == second


def test_figures_bring_their_own_style(traded):
    """No template of plotly's, whatever a notebook has set; every trace has an id of its own, by name."""
    for figure in drawings(traded.judged):
        body = figure.to_plotly_json()
        ids = [one.get("uid") for one in body["data"]]

        assert not body["layout"].get("template", {}).get("layout")
        assert all(ids)
        assert len(ids) == len(set(ids))


def test_the_equity_line_is_the_judged_curve(traded):
    """Every session's value, to the last digit a float holds, and the hover says it in cents."""
    line, curve = trace(charts.draw_equity(traded.judged), "equity"), traded.judged.curve

    assert list(zip(line.x, line.y, strict=True)) == [(day.isoformat(), float(value))
                                                      for day, value in zip(curve.days, curve.equity, strict=True)]
    assert line.customdata[0] == f"{curve.equity[0]:,.2f}"


def test_the_paper_portfolio_is_drawn_on_the_accounts_scale(traded):
    """1 on the right axis stands where the account's value at the first decision stands on the left."""
    layout, judged = charts.draw_equity(traded.judged).layout, traded.judged
    base = float(judged.curve.at(judged.tracking.days[0]))

    assert [end * base for end in layout.yaxis3.range] == pytest.approx(list(layout.yaxis.range))


def test_a_curve_of_marks_is_drawn_without_a_paper_portfolio(traded):
    """Where there is none there is no axis for it either."""
    figure = charts.draw_equity(replace(traded.judged, tracking=None))

    assert [one.uid for one in figure.data] == ["equity", "drawdown", "rebalances"]
    assert "yaxis3" not in figure.to_plotly_json()["layout"]


def test_causes_of_a_symbol_add_up_to_its_gap(traded):
    """The bars of a row sum to its diamond."""
    for judged in traded.judged.dates:
        figure = charts.draw_gaps(judged)
        whole = trace(figure, "gap")
        bars = [one for one in figure.data if one.uid != "gap"]

        assert [sum(column) for column in zip(*(bar.x for bar in bars), strict=True)] == pytest.approx(list(whole.x), abs=1e-9)
        assert whole.y[-1] == "cash"


def test_a_waterfall_leads_from_the_intended_to_the_filled_weight(traded):
    """From the base, step by step, to the actual weight."""
    for gap in traded.judged.dates[-1].waterfall.every:
        steps, ends = charts.draw_waterfall(gap).data

        assert [steps.base, steps.base + sum(steps.y)] == pytest.approx([float(gap.target) * 100, float(gap.actual) * 100])
        assert list(ends.y) == [float(gap.target) * 100, float(gap.actual) * 100]


def test_rings_and_dots_say_their_weights(traded):
    """Intended as a ring, filled as a dot, the gap beside them, for every symbol and for cash."""
    judged = next(one for one in traded.judged.dates if one.deviation and one.deviation > Decimal("0.1"))
    figure, gaps = charts.draw_weights(judged), judged.waterfall.every

    assert [list(trace(figure, uid).x) for uid in ("intended", "filled")] == [[float(gap.target) * 100 for gap in gaps],
                                                                            [float(gap.actual) * 100 for gap in gaps]]
    assert len(figure.layout.annotations) == len(gaps)


def test_parts_of_the_shortfall_add_up_to_the_total(traded):
    """On each date the stacked bars are the diamond."""
    figure = charts.draw_shortfall(traded.judged.dates)
    bars = [one for one in figure.data if one.uid != "total"]
    total = [float(one.shortfall.total) for one in traded.judged.dates]

    assert list(trace(figure, "total").y) == total
    assert [sum(column) for column in zip(*(bar.y for bar in bars), strict=True)] == pytest.approx(total)


def test_what_is_not_known_is_left_out_and_not_drawn_as_nothing(traded):
    """A date without a mark on which nothing was filled has no deviation and no shortfall: nothing stands for them."""
    judged = without_mark(traded, 1)
    day = judged.dates[1].rebalance_date.isoformat()
    causes, total = charts.draw_causes(judged.dates), trace(charts.draw_shortfall(judged.dates), "total")

    assert day not in trace(causes, "deviation").x
    assert day in total.x
    assert total.y[total.x.index(day)] is None
    assert len(charts.draw_weights(judged.dates[1]).data[1].x) == 0


def test_every_cause_has_a_name_and_a_colour_of_its_own():
    """Two causes must not be taken for each other."""
    assert set(charts.CAUSE_NAMES) == set(charts.CAUSE_COLOURS) == set(CAUSES)
    assert len(set(charts.CAUSE_COLOURS.values())) == len(CAUSES)


def test_a_symbol_is_text_and_not_markup():
    """Labels in a figure understand some HTML; a name from data must not."""
    gap = Gap(symbol="<b>A</b>", instrument_id="X", target=Decimal(0), actual=Decimal(0), changes=(Decimal(0),) * len(CAUSES))

    assert charts._rows([gap, gap]) == ["&lt;b&gt;A&lt;/b&gt;", "&lt;b&gt;A&lt;/b&gt; (X)"]


def test_many_dates_have_few_labels(traded):
    """A daily strategy's axis stays readable."""
    many = [replace(traded.judged.dates[0], rebalance_date=date(2019, 1, 1) + timedelta(days=number)) for number in range(250)]

    assert len(charts.draw_causes(many).layout.xaxis.tickvals) <= charts.MOST_TICKS
