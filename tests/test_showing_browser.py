"""The report in a real browser, from a file: drawn, without a network, and answering to its controls."""

import pytest
from browser_fixtures import chromium, middle, opened
from showing_fixtures import trade
from test_showing_report import poisoned

from workbench.showing.report import render

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def traded(tmp_path_factory, invented):
    return trade(tmp_path_factory.getbasetemp() / "showing", invented)


@pytest.fixture(scope="module")
def report(traded, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(traded.judged, traded.provenance), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def shown(browser, report):
    """The report, open; each test leaves it as it likes and begins with what it needs."""
    with opened(browser, report) as shown:
        shown.page.wait_for_selector(".chart[data-figure=turnover] .bars .point")
        yield shown


@pytest.fixture
def page(shown):
    shown.page.locator("form.filter button[type=reset]").click()
    return shown.page


def column(page, name):
    """A column of the orders, as it is shown."""
    at = page.locator("table.orders > thead th").all_inner_texts().index(name)
    return [row.locator("> *").nth(at) for row in page.locator("tbody.order:not([hidden]) > tr.main").all()]


def test_it_opens_without_an_error_and_without_a_network(shown):
    """Nothing in the console; no address but the file itself and what is inside it."""
    assert shown.wrong == []
    assert [address for address in shown.asked if not address.startswith(("file:", "data:", "blob:"))] == []


def test_every_chart_is_drawn(page, traded):
    """Lines, bars and dots are in the page, as many as there are dates and symbols."""
    dates = len(traded.judged.dates)
    symbols = len(traded.judged.dates[-1].waterfall.every)

    assert page.locator(".chart .main-svg").count() >= 6
    assert page.locator(".chart[data-figure=equity] .lines path.js-line").count() == 3
    assert page.locator(".chart[data-figure=turnover] .bars .point path").count() == 2 * dates
    assert page.locator(".chart[data-dated=weights] .points path").count() == 2 * symbols
    assert page.locator(".chart[data-dated=gaps] .bars .point").count() >= symbols


def test_choosing_a_date_changes_the_figures(page, traded):
    """Both choices say the same date, and both figures show it."""
    judged = traded.judged.dates[1]
    page.locator("#date-why").select_option(judged.rebalance_date.isoformat())
    drawn = page.evaluate("() => ['gaps', 'weights'].map(name => document.querySelector(`[data-dated=${name}]`).data.at(-1).x)")
    gaps = judged.waterfall.every

    assert page.locator("#date-weights").input_value() == judged.rebalance_date.isoformat()
    assert drawn == [[float(gap.gap) * 100 for gap in gaps], [float(gap.actual) * 100 for gap in gaps]]
    assert page.locator(f".dated[data-date='{judged.rebalance_date}']").is_visible()
    assert page.locator(".dated:visible").count() == 1


def test_a_click_on_a_date_chooses_it(page, traded):
    """In the figure by date, the bar of a date leads to its symbols."""
    page.locator("#date-why").select_option(traded.judged.dates[0].rebalance_date.isoformat())
    chart = page.locator(".chart[data-figure=causes]")
    chart.scroll_into_view_if_needed()
    page.mouse.click(*middle(chart.locator(".trace.bars").last.locator(".point").nth(8)))

    assert page.locator("#date-why").input_value() == traded.judged.dates[8].rebalance_date.isoformat()


def test_a_click_on_a_weight_shows_its_orders(page, traded):
    """From a dot to the rows that made it."""
    judged = traded.judged.dates[3]
    page.locator("#date-weights").select_option(judged.rebalance_date.isoformat())
    chart = page.locator(".chart[data-dated=weights]")
    chart.scroll_into_view_if_needed()
    page.mouse.click(*middle(chart.locator(".points").last.locator("path").nth(2)))

    assert [cell.inner_text() for cell in column(page, "Symbol")] == [judged.waterfall.every[2].symbol]
    assert page.locator("#f-date").input_value() == judged.rebalance_date.isoformat()


def test_an_order_opens_its_fills(page, traded):
    """By mouse and by keyboard; the button says which way it is."""
    fill = next(fill for fill in traded.evidence.fills if fill.order_intent_id)
    order = page.locator(f"[id='o-{fill.order_intent_id}']")
    button = order.locator("button.open")

    assert not order.locator(".fills").is_visible()
    button.focus()
    page.keyboard.press("Enter")
    assert order.locator(".fills tbody tr").first.is_visible()
    assert button.get_attribute("aria-expanded") == "true"
    order.locator("tr.main td").nth(5).click()
    assert not order.locator(".fills").is_visible()
    assert button.get_attribute("aria-expanded") == "false"


def test_an_address_that_names_an_order_opens_it(browser, report, traded):
    """A link in a mail leads to the fills."""
    intent = traded.judged.dates[5].rows[0].order_intent_id
    with opened(browser, f"{report}#o-{intent}") as shown:
        assert shown.page.locator(f"[id='o-{intent}'] tr.detail").is_visible()


@pytest.mark.parametrize(("name", "number"), [("Shortfall", True), ("Symbol", False), ("Arrival", True)])
def test_orders_are_sorted_by_a_column(name, number, page):
    """Up, then down; numbers as numbers; what is not known stands last both ways."""
    header = page.locator("table.orders > thead th", has_text=name).first
    for way, turned in (("ascending", False), ("descending", True)):
        header.locator("button").click()
        shown = [cell.get_attribute("data-v") for cell in column(page, name)]
        known = [float(value) if number else value for value in shown if value]

        assert header.get_attribute("aria-sort") == way
        assert known == sorted(known, reverse=turned)
        assert shown[:len(known)] == [value for value in shown if value]


def test_orders_are_filtered(page, traded):
    """By text, date and status together, with the number of rows said."""
    rows = [(one, row) for one in traded.judged.dates for row in one.rows]
    page.locator("#f-status").select_option("BLOCKED")
    blocked = [row for _, row in rows if row.status == "BLOCKED"]

    assert len(column(page, "Symbol")) == len(blocked)
    page.locator("#f-text").fill("nothing like it")
    assert page.locator("form.filter output").inner_text() == f"0 of {len(rows)} rows"
    page.locator("form.filter button[type=reset]").click()
    page.wait_for_function("said => document.querySelector('form.filter output').textContent === said",
                           arg=f"{len(rows)} of {len(rows)} rows")


def test_a_date_in_the_table_leads_to_its_orders(page, traded):
    """Every number of a row can be followed to the orders it is made of."""
    judged = traded.judged.dates[2]
    page.locator(f"[id='d-{judged.rebalance_date}'] th a").click()

    assert len(column(page, "Symbol")) == len(judged.rows)
    assert page.locator("#f-date").input_value() == judged.rebalance_date.isoformat()


def test_the_header_of_the_orders_stays(page):
    """Scrolled down, the columns still have names."""
    page.locator(".scroll.tall").evaluate("element => element.scrollTop = 400")
    top, header = (page.locator(name).bounding_box()["y"] for name in (".scroll.tall", "table.orders > thead"))

    assert abs(header - top) <= 2


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_as_wide_as_the_screen(width, page):
    """Wide tables scroll in themselves and figures follow; the page does not scroll sideways."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_function(f"() => document.querySelector('.chart .main-svg').clientWidth < {width}")

    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_on_paper_there_are_no_controls(page):
    """Everything that needs a hand is gone, everything to read is there."""
    page.emulate_media(media="print")
    hidden = [page.locator(name).first.is_visible() for name in ("nav", "form.filter", ".pick")]
    there = [page.locator(name).first.is_visible() for name in (".key", "table.orders", ".chart .main-svg")]
    page.emulate_media(media="screen")

    assert (hidden, there) == ([False] * 3, [True] * 3)


def test_figures_are_as_wide_as_the_paper_while_they_are_printed(browser, report):
    """Narrower for the page, and afterwards as they were."""
    width = "() => Array.from(document.querySelectorAll('.chart > div .main-svg:first-child'), drawn => drawn.clientWidth)"
    with opened(browser, report) as shown:
        shown.page.wait_for_selector(".chart[data-figure=turnover] .bars .point")
        before = shown.page.evaluate(width)
        shown.page.evaluate(f"() => addEventListener('beforeprint', () => {{ window.printed = ({width})(); }})")
        paper = shown.page.pdf(prefer_css_page_size=True)
        printed = shown.page.evaluate("() => window.printed")

        assert paper.startswith(b"%PDF")
        assert (len(before), set(printed)) == (6, {680})
        shown.page.wait_for_function(f"before => JSON.stringify(({width})()) === JSON.stringify(before)", arg=before)


def test_what_data_says_does_not_run(browser, traded, tmp_path):
    """Scripts in names, reasons and ids are text: nothing runs, and the page still works."""
    path = tmp_path / "poisoned.html"
    path.write_text(render(*poisoned(traded)), encoding="utf-8")
    with opened(browser, path.as_uri()) as shown:
        shown.page.wait_for_selector(".chart[data-dated=weights] .points path")
        shown.page.locator("#date-why").select_option(traded.judged.dates[0].rebalance_date.isoformat())
        shown.page.locator("button.open").first.click()

        assert shown.page.evaluate("() => typeof window.hit") == "undefined"
        assert shown.wrong == []
        assert "<script>" in shown.page.title()
        assert shown.page.locator("tbody.order.on .fills").first.is_visible()


def test_a_script_that_got_in_all_the_same_would_not_run(browser, traded, tmp_path):
    """The policy is the second door: a script that is not one of ours is refused by the browser."""
    path = tmp_path / "broken.html"
    html = render(traded.judged, traded.provenance)
    path.write_text(html.replace("<main", "<script>window.hit = 1</script><main", 1), encoding="utf-8")
    with opened(browser, path.as_uri()) as shown:
        shown.page.wait_for_selector(".chart .main-svg")

        assert shown.page.evaluate("() => typeof window.hit") == "undefined"
        assert any("Content Security Policy" in text for text in shown.wrong)
