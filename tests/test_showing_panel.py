"""The panel: state and a view. Traits are set and clicks are simulated; no browser, and what it loads is a real run."""

import pytest
from plotly.callbacks import InputDeviceState, Points
from showing_fixtures import Page, trade, without_mark

from workbench.errors import NotRecorded, StoreBusy
from workbench.showing import numerals
from workbench.showing.panels.reconciliation import ReconciliationPanel


@pytest.fixture(scope="module")
def traded(tmp_path_factory, invented):
    return trade(tmp_path_factory.getbasetemp() / "showing", invented)


@pytest.fixture
def panel(traded):
    """A panel over the run, with its events."""
    return ReconciliationPanel(always(traded.judged), {"momentum": traded.evidence.run.rebalance_dates},
                               events=lambda run_id, order_id: traded.desk.store.events(run_id, order_id=order_id))


def always(judged):
    """A load that gives the same reconciliation, whatever is asked for."""
    return lambda _strategy, _day: judged


def click(figure, place, symbol):
    """What the page tells when the symbol's bar or dot of a trace is clicked."""
    trace = figure.data[place]
    at = [told[0] for told in trace.customdata].index(symbol)
    points = Points(point_inds=[at], xs=[trace.x[at]], ys=[trace.y[at]], trace_name=trace.name, trace_index=place)
    trace._dispatch_on_click(points, InputDeviceState())


def shown_gaps(panel):
    return dict(zip(panel.gaps.data[-1].y, panel.gaps.data[-1].x, strict=True))


def test_it_opens_on_the_last_date_of_the_first_strategy(panel, traded):
    """With its numbers, its figures and its first symbol's orders."""
    judged = traded.judged.dates[-1]

    assert (panel.strategy.value, panel.date.value) == ("momentum", judged.rebalance_date)
    assert numerals.percent(judged.deviation) in panel.summary.value
    assert list(panel.weights.data[1].y) == [gap.symbol for gap in judged.waterfall.every]
    assert panel.symbol.value == judged.rows[0].symbol
    assert judged.rows[0].order_refs[0] in panel.orders.value


def test_choosing_a_date_swaps_it_for_another(panel, traded):
    """Every number and figure is the new date's."""
    judged = traded.judged.dates[2]
    panel.date.value = judged.rebalance_date

    assert panel.judged is judged
    assert numerals.dollars(judged.shortfall.total) in panel.summary.value
    assert shown_gaps(panel) == {gap.symbol: float(gap.gap) * 100 for gap in judged.waterfall.every}
    assert judged.snapshot_id in panel.orders.value


def test_a_page_that_opens_later_sees_what_is_shown_now(panel, traded):
    """The widget's state, which another page or a reload reads, is the figure that is shown."""
    panel.date.value = traded.judged.dates[2].rebalance_date
    for figure in (panel.weights, panel.gaps, panel.waterfall):
        assert figure._widget_data == figure.to_plotly_json()["data"]
        assert figure._widget_layout["height"] == figure.layout.height


@pytest.mark.parametrize(("figure", "place"), [("gaps", 0), ("gaps", -1), ("weights", 1), ("weights", 2)])
def test_a_click_shows_the_symbols_orders_and_what_was_heard(figure, place, panel, traded):
    """The order's ref, its prices, and each of its events with the line as it came."""
    judged = next(one for one in traded.judged.dates if sum(1 for row in one.rows if row.filled) > 1)
    panel.date.value = judged.rebalance_date
    row = [row for row in judged.rows if row.filled][-1]
    click(getattr(panel, figure), place, row.symbol)
    text = Page(panel.orders.value).text

    assert panel.symbol.value == row.symbol
    assert row.order_refs[0] in text
    assert numerals.price(row.average_price) in text
    events = traded.desk.store.events(traded.judged.run_id, order_id=row.order_ids[0])
    assert len(events) >= 2
    for event in events:
        assert " ".join(event.line.split()) in text


def test_the_symbols_waterfall_is_its_own(panel, traded):
    """From its intended weight, in steps that lead to its filled one."""
    judged = traded.judged.dates[0]
    panel.date.value = judged.rebalance_date
    for gap in judged.waterfall.every:
        panel.symbol.value = gap.symbol
        steps, ends = panel.waterfall.data

        assert list(ends.y) == [float(gap.target) * 100, float(gap.actual) * 100]
        assert steps.base == float(gap.target) * 100


def test_cash_has_a_waterfall_and_no_orders(panel):
    """It is what the others leave, and is said to have none."""
    panel.symbol.value = "cash"

    assert "cash has no order on this date" in panel.orders.value
    assert len(panel.waterfall.data) == 2


def test_a_symbol_stays_chosen_where_the_next_date_has_it(panel, traded):
    """To follow one stock through the year."""
    panel.date.value = traded.judged.dates[1].rebalance_date
    panel.symbol.value = "ETAX"
    panel.date.value = traded.judged.dates[2].rebalance_date

    assert panel.symbol.value == "ETAX"
    assert traded.judged.dates[2].snapshot_id in panel.orders.value


def test_a_date_of_which_little_is_known_is_shown_as_far_as_it_goes(traded):
    """No waterfall without a mark: the reason is there, and the orders are."""
    judged = without_mark(traded, 1)
    panel = ReconciliationPanel(always(judged), {"momentum": [judged.dates[1].rebalance_date]})

    assert "the date has no mark" in panel.summary.value
    assert "unknown" in panel.summary.value
    assert panel.steps.layout.display == "none"
    assert judged.dates[1].rows[0].order_intent_id in panel.orders.value


@pytest.mark.parametrize("error", [NotRecorded("run r1", "`workbench runs ls` lists them"), StoreBusy("x.duckdb", "pid 7", 30)])
def test_an_error_in_loading_is_shown_and_nothing_else(error, traded):
    """In our own words, escaped; and no number of the date before stands under the new one."""
    dates = traded.evidence.run.rebalance_dates

    def load(strategy, day):
        if day == dates[0]:
            raise error
        return traded.judged

    panel = ReconciliationPanel(load, {"momentum": dates})
    panel.date.value = dates[0]

    assert f"{type(error).__name__}: {error}" in Page(panel.message.value).text
    assert 'role="alert"' in panel.message.value
    assert (panel.summary.value, panel.orders.value, panel.judged, panel.body.layout.display) == ("", "", None, "none")
    assert [len(figure.data) for figure in (panel.weights, panel.gaps, panel.waterfall)] == [0, 0, 0]

    panel.date.value = dates[1]
    assert (panel.message.value, panel.body.layout.display) == ("", "")
    assert panel.judged is traded.judged.dates[1]


def test_an_error_that_is_not_ours_is_shown_and_raised(traded):
    """A mistake in the program is seen on the page and in the kernel's log."""
    dates = traded.evidence.run.rebalance_dates
    panel = ReconciliationPanel(lambda _, day: {dates[-1]: traded.judged}[day], {"momentum": dates})

    with pytest.raises(KeyError):
        panel.date.value = dates[0]
    assert "KeyError" in panel.message.value


def test_events_that_cannot_be_read_are_said_so(traded):
    """The orders' numbers stay; where the events would be stands why they are not."""
    def hear(run_id, order_id):
        raise StoreBusy("<x>", "pid 7", 30)

    panel = ReconciliationPanel(always(traded.judged), {"momentum": traded.evidence.run.rebalance_dates}, events=hear)

    assert "StoreBusy: <x> has been locked" in Page(panel.orders.value).text
    assert panel.judged is traded.judged.dates[-1]


def test_choosing_a_strategy_offers_its_dates(traded):
    """The last of them first, also where both have the same."""
    asked = []

    def load(strategy, day):
        asked.append((strategy, day))
        return traded.judged

    dates = traded.evidence.run.rebalance_dates
    panel = ReconciliationPanel(load, {"one": dates, "two": dates, "none": ()})
    panel.strategy.value = "two"

    assert list(panel.strategy.options) == ["one", "two"]
    assert asked == [("one", dates[-1]), ("two", dates[-1])]


def test_without_a_run_it_says_what_to_do():
    """A fresh project opens its dashboard."""
    panel = ReconciliationPanel(always(None), {})

    assert "`workbench run`" in panel.message.value
    assert repr(panel) == "ReconciliationPanel(nothing run, None, None)"


def test_it_displays_as_its_view(panel):
    """What a notebook asks of the last expression of a cell."""
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()


def test_plotly_is_carried_once(panel):
    """Five megabytes for the page, not for each figure."""
    carried = [len(figure._bundle) for figure in (panel.weights, panel.gaps, panel.waterfall)]

    assert carried[0] > 1_000_000
    assert carried[1:] == [0, 0]
    assert all(len(figure._esm) < 5_000 for figure in (panel.weights, panel.gaps, panel.waterfall))
