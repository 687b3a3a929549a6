"""A long report: what matters stands in its page, every row is in the file, and nothing that is shown is another number."""

import base64
import json
import re
import zlib
from dataclasses import replace
from decimal import Decimal

import pytest
from browser_fixtures import chromium, middle, opened
from hypothesis import given
from hypothesis import strategies as st
from showing_fixtures import Page, lengthen, trade
from test_showing_report import NASTY

from workbench.showing import charts, numerals, packed, rows
from workbench.showing.report import render

NAMES = 100


@pytest.fixture(scope="module")
def traded(tmp_path_factory, invented):
    return lengthen(trade(tmp_path_factory.getbasetemp() / "showing", invented), NAMES)


@pytest.fixture(scope="module")
def html(traded):
    return render(traded.judged, traded.provenance)


def packs(html):
    """What is packed, by date."""
    found = re.findall(r'data-pack="([^"]+)">([^<]*)<', html)
    return {day: json.loads(zlib.decompress(base64.b64decode(text))) for day, text in found}


def whole(traded, monkeypatch):
    """The same report with every row in its page."""
    monkeypatch.setattr(packed, "SHORT", 1_000_000)
    return render(traded.judged, traded.provenance)


def table(html):
    """The orders that stand in a page."""
    return re.search(r'<table class="orders">.*?</thead>(.*?)</table></div>\n', html, re.DOTALL)[1]


def test_every_row_is_packed(traded, html):
    """Each order, each fill of an order and each weight of each date, cash's too."""
    found = packs(html)

    assert list(found) == [one.rebalance_date.isoformat() for one in traded.judged.dates]
    for one in traded.judged.dates:
        pack = found[one.rebalance_date.isoformat()]

        assert pack["orders"]["intent"].split("\n") == [row.order_intent_id for row in one.rows]
        assert pack["gaps"]["symbol"].split("\n") == [gap.symbol for gap in one.waterfall.every]
        assert sum(pack["filled"]) == sum(fill.order_intent_id in {row.order_intent_id for row in one.rows}
                                          for fill in traded.evidence.fills)


def test_the_rows_that_matter_stand_in_the_page(traded, html):
    """Of each date those that cost or gained most, and the largest in trouble; how many of how many is said."""
    dates, share = traded.judged.dates, packed.STANDING // len(traded.judged.dates)
    standing = set(re.findall(r'<tbody class="order" id="o-([^"]+)"', html))
    late = {fill.order_intent_id for fill in traded.judged.late}
    troubled = [row for one in dates for row in one.rows if packed.in_trouble(row, late)]

    words = f"{len(standing)} of {NAMES * len(dates):,} rows stand here: of each date the {share} that cost, gained or left"

    assert words in Page(html).text
    assert any(row.rules for row in troubled)
    assert any(row.unfilled for row in troubled)
    assert len(standing & {row.order_intent_id for row in troubled}) >= min(packed.STANDING, len(troubled))
    for one in dates:
        costs = sorted((abs(row.shortfall.total or 0) for row in one.rows), reverse=True)
        shown = [abs(row.shortfall.total or 0) for row in one.rows if row.order_intent_id in standing]

        assert sum(cost >= costs[share - 1] for cost in shown) >= share or any(row.unfilled for row in one.rows)


@pytest.mark.parametrize(("late", "expected"), [((), False), (("i",), True)])
def test_a_late_fill_is_trouble(late, expected, traded):
    """An order that was filled after its date's mark is shown, though its cost is small."""
    calm = next(row for one in traded.judged.dates for row in one.rows if not packed.in_trouble(row, ()))

    assert packed.in_trouble(replace(calm, order_intent_id="i"), late) is expected


def test_few_rows_in_trouble_all_stand_in_the_page(traded):
    """However small they are."""
    first = traded.judged.dates[0]
    calm = next(row for row in first.rows if not packed.in_trouble(row, ()) and row.shortfall.total)
    rows = tuple(replace(calm, order_intent_id=f"i{at}") for at in range(2_000))
    dates = [replace(first, rows=(*rows, replace(calm, order_intent_id="blocked", rules=("blocked",),
                                                 shortfall=replace(calm.shortfall, total=Decimal(0)))))]

    assert "blocked" in packed.choose(dates, ()).intents


def test_sums_are_those_of_all_rows(traded, html):
    """Whatever is left out of the page is not left out of a sum."""
    text = Page(html).text

    assert numerals.dollars(traded.judged.shortfall.total) in text
    for one in traded.judged.dates:
        assert f"{numerals.day(one.rebalance_date)} {numerals.dollars(one.equity)}" in text
        assert numerals.dollars(one.shortfall.total) in text
        for _, moved in one.waterfall.moved:
            assert not moved or numerals.percent(moved) in text


def test_a_table_of_weights_shows_the_largest_and_says_so(traded, html):
    """The largest gaps of the date and cash, of so many rows."""
    share = packed.STANDING // len(traded.judged.dates)
    for part, one in zip(html.split('<details data-packed="')[1:], traded.judged.dates, strict=True):
        shown = re.findall(r'<tr><th scope="row">([^<]+)</th>', part.split("</table>")[0])
        gaps = {gap.symbol: abs(gap.gap) for gap in one.waterfall.every}
        left = [gap for symbol, gap in gaps.items() if symbol not in shown]

        assert f"; {share + 1} of {NAMES + 1} rows, the largest gaps" in part
        assert shown[-1] == "cash"
        assert len(shown) == share + 1
        assert min(gaps[symbol] for symbol in shown[:-1]) >= max(left)


def test_a_figure_of_many_names_draws_the_largest_and_says_so(traded):
    """40 of them and cash, in their order, with the words above them."""
    judged = traded.judged.dates[-1]
    for draw in (charts.draw_gaps, charts.draw_weights):
        figure = draw(judged)
        names = list(figure.data[-1].y)

        assert names == [gap.symbol for gap in judged.waterfall.every if gap.symbol in names]
        assert (len(names), names[-1]) == (charts.MOST_SYMBOLS + 1, "cash")
        assert figure.layout.legend.title.text == f"The 40 largest gaps of {NAMES} symbols, and cash"


def test_rendering_a_long_report_twice_gives_the_same_bytes(traded, html):
    """What is packed is packed the same way."""
    assert render(traded.judged, traded.provenance) == html


def test_a_long_report_is_small(traded, html, monkeypatch):
    """Its rows take a fraction of what they take written out."""
    plotly = max(len(script) for script in re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL))
    text = sum(map(len, re.findall(r'data-pack="[^"]+">([^<]*)<', html)))

    assert text < (len(whole(traded, monkeypatch)) - plotly) / 8


values = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-10**9, max_value=10**9) | st.integers(
    -10**6, 10**6).map(Decimal)


@given(values, st.sampled_from([numerals.dollars, numerals.price, numerals.shares, numerals.percent, numerals.change]))
def test_a_numbers_cell_has_its_text_and_all_its_digits(value, write):
    """However it is written."""
    cell = rows.cell(rows.number(value, write), "n")

    assert cell == f'<td class="n" data-v="{numerals.exact(value)}" title="{numerals.exact(value)}">{write(value)}</td>'


@pytest.mark.parametrize(("text", "kind", "cell"), [
    (numerals.UNKNOWN, "c", '<td class="n unknown" data-v="">unknown</td>'),
    ("2 pending", "c", '<td class="n unknown" data-v="">2 pending</td>'),
    (numerals.NOTHING, "n", '<td class="n" data-v="">–</td>'),
    ("−1.50\t=", "c", '<td class="n gain" data-v="-1.5" title="-1.5">−1.50</td>'),
    ("−1.50\t=", "n", '<td class="n" data-v="-1.5" title="-1.5">−1.50</td>'),
])
def test_a_cell_says_what_is_not_known_and_what_is_gain(text, kind, cell):
    """Nothing is the word for it, and never 0."""
    assert rows.cell(text, kind) == cell


@pytest.mark.parametrize("text", [*NASTY, "=", "a\nb\tc"])
def test_text_of_data_cannot_end_a_cell_or_a_line(text):
    """Neither in the page nor in a column of texts."""
    safe = rows.safe(text)

    assert not re.search(r"[<>\"'\n\t=]", safe)
    assert Page(safe).text == " ".join(text.split())


# In a browser.

@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(html, tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def shown(browser, report):
    """The report, open; each test leaves it as it likes and begins with what it needs."""
    with opened(browser, report, reduced_motion="reduce") as shown:
        shown.page.wait_for_selector(".chart[data-dated=gaps] .bars .point")
        yield shown


@pytest.fixture
def page(shown, html):
    standing = html.count('<tbody class="order"')
    shown.page.locator("form.filter button[type=reset]").click()
    says(shown.page, f"{standing} of 1,300 rows")
    return shown.page


def says(page, text):
    """Wait until so many rows are said to be shown."""
    page.wait_for_function("text => document.querySelector('form.filter output').textContent === text", arg=text)


def symbols(page):
    return page.locator("tbody.order > .main > th").evaluate_all("cells => cells.map(cell => cell.dataset.v)")


@pytest.mark.browser
def test_a_packed_row_is_the_row_that_would_have_stood_in_the_page(page, traded, monkeypatch):
    """To the letter, fills and all; only basis points have no digits but those shown."""
    drawn = page.evaluate("""async () => {
        const packs = openPacks(JSON.parse(document.getElementById("figures").textContent));
        const opened = await Promise.all(packs.dates.map(packs.open));
        return opened.flatMap((pack) => pack.rows.map((row) => row.element.outerHTML));
    }""")
    standing = page.evaluate("""markup => {
        const holder = document.createElement("template");
        holder.innerHTML = "<table>" + markup + "</table>";
        return Array.from(holder.content.querySelectorAll("tbody.order"), (row) => row.outerHTML);
    }""", table(whole(traded, monkeypatch)))
    bps = re.compile(r'data-v="[^"]*" title="[^"]*">([^<]*</td>\s*</tr>\s*<tr class="detail")')

    assert len(drawn) == NAMES * len(traded.judged.dates)
    for mine, other in zip(drawn, standing, strict=True):
        assert bps.sub(r"\1", mine) == bps.sub(r"\1", other)


@pytest.mark.browser
def test_a_date_shows_all_its_orders(page, traded):
    """Not only those that stand in the page."""
    judged = traded.judged.dates[2]
    page.locator(f"[id='d-{judged.rebalance_date}'] th a").click()
    says(page, f"{NAMES} of 1,300 rows")

    assert symbols(page) == [row.symbol for row in judged.rows]


@pytest.mark.browser
def test_one_order_of_one_date_is_found(page, traded):
    """By its symbol, and it opens its fills."""
    judged = next(one for one in traded.judged.dates if one.rows[37].filled)
    page.locator("#f-date").select_option(judged.rebalance_date.isoformat())
    page.locator("#f-text").fill("n037")
    says(page, "1 of 1,300 rows")
    page.locator("tbody.order .open").click()
    fill = next(fill for fill in traded.evidence.fills if fill.order_intent_id == judged.rows[37].order_intent_id)

    assert symbols(page) == ["N037"]
    assert numerals.moment(fill.occurred_at) in page.locator("tbody.order .fills").inner_text()


@pytest.mark.browser
def test_a_symbol_is_found_on_every_date(page, traded):
    """Without a date, the whole run is looked through."""
    page.locator("#f-text").fill("N041")
    says(page, f"{len(traded.judged.dates)} of 1,300 rows")

    assert symbols(page) == ["N041"] * len(traded.judged.dates)


@pytest.mark.browser
def test_statuses_are_found_among_all_rows(page, traded):
    """As many as were judged."""
    blocked = sum(row.status == "BLOCKED" for one in traded.judged.dates for row in one.rows)
    page.locator("#f-status").select_option("BLOCKED")
    says(page, f"{blocked} of 1,300 rows")

    assert page.locator("tbody.order").count() == blocked


@pytest.mark.browser
def test_sorting_goes_through_all_rows_and_draws_the_first(page, traded):
    """The largest of the run come first, a page at a time."""
    header = page.locator("table.orders > thead th", has_text="Shortfall")
    header.locator("button").click()
    header.locator("button").click()
    says(page, "1,300 of 1,300 rows; the first 500 are shown")
    costs = [row.shortfall.total for one in traded.judged.dates for row in one.rows if row.shortfall.total is not None]
    cells = page.locator("tbody.order > .main").evaluate_all("rows => rows.map(row => row.cells[15].dataset.v)")

    assert header.get_attribute("aria-sort") == "descending"
    assert list(map(Decimal, cells)) == sorted(costs, reverse=True)[:500]
    page.locator(".further button").click()
    says(page, "1,300 of 1,300 rows; the first 1,000 are shown")
    assert page.locator("tbody.order").count() == 1_000


@pytest.mark.browser
def test_a_table_of_weights_opens_whole(page, traded):
    """Every symbol of the date, with what was judged, and the sum below."""
    judged = traded.judged.dates[-1]
    block = page.locator(f".dated[data-date='{judged.rebalance_date}']")
    block.locator("summary").click()
    block.locator(".part").wait_for(state="detached")
    gaps = block.locator("tbody tr").evaluate_all("rows => rows.map(row => row.cells[row.cells.length - 1].dataset.v)")

    assert list(map(Decimal, gaps)) == [*(gap.gap for gap in judged.waterfall.every), judged.deviation]


@pytest.mark.browser
def test_choosing_a_date_unpacks_its_figures(page, traded):
    """Both figures are that date's."""
    judged = traded.judged.dates[1]
    page.locator("#date-why").select_option(judged.rebalance_date.isoformat())
    expected = list(charts.draw_gaps(judged).data[-1].x)

    page.wait_for_function("x => JSON.stringify(document.querySelector('[data-dated=gaps]').data.at(-1).x) === JSON.stringify(x)",
                           arg=expected)


@pytest.mark.browser
def test_a_click_on_a_weight_shows_its_order(page, traded):
    """Also where that order does not stand in the page."""
    judged = traded.judged.dates[3]
    page.locator("#date-weights").select_option(judged.rebalance_date.isoformat())
    name = charts.draw_weights(judged).data[-1].y[2]
    page.wait_for_function("name => document.querySelector('[data-dated=weights]').data.at(-1).y[2] === name", arg=name)
    dot = page.locator(".chart[data-dated=weights] .points").last.locator("path").nth(2)
    dot.scroll_into_view_if_needed()
    page.mouse.click(*middle(dot))
    says(page, "1 of 1,300 rows")

    assert symbols(page) == [name]


@pytest.mark.browser
def test_an_address_that_names_a_packed_order_opens_it(browser, report, traded, html):
    """A link in a mail leads to the fills, wherever the row is kept."""
    every = [row.order_intent_id for one in traded.judged.dates for row in one.rows]
    intent = next(intent for intent in every if f'id="o-{intent}"' not in html)
    with opened(browser, f"{report}#o-{intent}") as shown:
        shown.page.locator(f"[id='o-{intent}'] tr.detail").wait_for(state="visible")


@pytest.mark.browser
def test_clearing_leads_back_to_what_matters(page, html):
    """The rows that stand in the page, in their order."""
    standing = re.findall(r'<tbody class="order" id="(o-[^"]+)"', html)
    page.locator("#f-text").fill("N041")
    says(page, "13 of 1,300 rows")
    page.locator("form.filter button[type=reset]").click()
    says(page, f"{len(standing)} of 1,300 rows")

    assert page.locator("tbody.order").evaluate_all("rows => rows.map(row => row.id)") == standing


@pytest.mark.browser
def test_a_long_report_asks_for_nothing_and_nothing_goes_wrong(shown):
    """No address but the file itself and what is inside it."""
    assert shown.wrong == []
    assert [address for address in shown.asked if not address.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.browser
def test_without_scripts_it_can_be_read(browser, report, html):
    """The rows that stand in it are there, with how many of how many; nothing is promised that needs a script."""
    with opened(browser, report, java_script_enabled=False) as shown:
        rows = shown.page.locator("tbody.order")

        assert rows.count() == html.count('<tbody class="order"')
        assert rows.first.locator(".detail").is_visible()
        assert shown.page.locator("#orders .note").first.is_visible()
        assert not shown.page.locator(".scripted").is_visible()
        assert not shown.page.locator("form.filter").is_visible()


@pytest.mark.browser
def test_what_packed_data_says_does_not_run(browser, traded, tmp_path):
    """Markup in names, ids and reasons is text in a row that is drawn, and is found as it is written."""
    first = traded.judged.dates[0]
    calm = next(row for row in first.rows if not packed.in_trouble(row, ()))
    poisoned = [replace(calm, order_intent_id=f"{text}{at}", symbol=text, instrument_id=text, status=text, side=text, source=text,
                        order_refs=(text,), order_ids=(text,), reasons=(text,),
                        shortfall=replace(calm.shortfall, total=Decimal(0))) for at, text in enumerate([*NASTY, "="])]
    fills = tuple(replace(traded.evidence.fills[0], order_intent_id=row.order_intent_id, symbol=row.symbol, order_id="=",
                          arrival_source=row.symbol) for row in poisoned)
    judged = replace(traded.judged, dates=(replace(first, rows=(*first.rows, *poisoned)), *traded.judged.dates[1:]))
    path = tmp_path / "poisoned.html"
    path.write_text(render(judged, replace(traded.provenance, evidence=replace(traded.evidence, fills=fills))), encoding="utf-8")
    with opened(browser, path.as_uri()) as shown:
        for row in poisoned:
            shown.page.locator("#f-date").select_option(first.rebalance_date.isoformat())
            shown.page.locator("#f-text").fill(row.order_intent_id)
            says(shown.page, "1 of 1,306 rows")
            found = shown.page.locator("tbody.order")

            assert found.locator(".main th").inner_text().startswith(row.symbol)
            assert found.locator(".fills tbody td").nth(2).text_content() == "="
        assert shown.page.evaluate("() => typeof window.hit") == "undefined"
        assert shown.wrong == []
