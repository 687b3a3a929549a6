"""The report: whole in one file, the same every time, honest about what is not known, and deaf to markup in data."""

import base64
import hashlib
import json
import re
import shlex
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from showing_fixtures import Page, trade, without_mark

from workbench.judgement.checks import Check
from workbench.showing import numerals, pages
from workbench.showing.definitions import RULES, definitions
from workbench.showing.report import Provenance, _json, render, without_volatile
from workbench.words.event import BadLine
from workbench.words.intent import Rejected

SECTIONS = ["summary", "equity", "why", "weights", "shortfall", "dates", "orders", "unknown", "provenance", "definitions"]
NASTY = ["<script>window.hit=1</script>", "</script><img src=x onerror=window.hit=1>", "\"'><svg onload=window.hit=1>",
         "{{ 7*7 }}", "Größe & 🙂 \u2028 end"]


@pytest.fixture(scope="module")
def traded(tmp_path_factory, invented):
    return trade(tmp_path_factory.getbasetemp() / "showing", invented)


@pytest.fixture(scope="module")
def html(traded):
    return render(traded.judged, traded.provenance)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def poisoned(traded):
    """The run with markup wherever text of data is shown."""
    judged, evidence = traded.judged, traded.evidence
    first = judged.dates[0]
    row = replace(first.rows[0], order_intent_id=NASTY[1], symbol=NASTY[2], reasons=tuple(NASTY), rules=(NASTY[0],),
                  status=NASTY[0], arrival_source=NASTY[0], order_refs=(NASTY[2],), source=NASTY[4])
    gaps = tuple(replace(gap, symbol=NASTY[at % 5]) for at, gap in enumerate(first.waterfall.gaps))
    date = replace(first, rows=(row, *first.rows[1:]), reasons=tuple(NASTY), waterfall=replace(first.waterfall, gaps=gaps),
                   snapshot_id=NASTY[1])
    fill = replace(evidence.fills[0], order_intent_id=NASTY[1], arrival_source=NASTY[0], symbol=NASTY[1], order_id=NASTY[2])
    rejected = Rejected(position=0, symbol=NASTY[0], reason=NASTY[1])
    run = replace(evidence.run, strategy=NASTY[0], account=NASTY[1], rejected=(rejected,))
    snapshot = replace(evidence.snapshots[0], parameters=(("symbols", tuple(NASTY)), (NASTY[0], NASTY[1])))
    evidence = replace(evidence, run=run, fills=(fill, *evidence.fills), snapshots=(snapshot, *evidence.snapshots[1:]))
    bad = BadLine(file=NASTY[0], line=3, text=NASTY[1], reason=NASTY[2])
    return (replace(judged, strategy=NASTY[0], dates=(date, *judged.dates[1:]), reasons=tuple(NASTY), external=(fill,)),
            Provenance(evidence=evidence, attempt=traded.provenance.attempt, bad_lines=(bad,), data=NASTY[1]))


def test_sections_stand_in_their_order(page):
    """The summary first; where it comes from and what it means last."""
    assert [attributes["id"] for attributes in page.all("section")] == SECTIONS


def test_the_summary_gives_the_key_numbers(page, traded):
    """Shortfall, deviation, fees, equity, drawdown, dates and checks, as they were judged."""
    judged, text = traded.judged, page.text.split("Equity and drawdown")[0]

    assert "momentum decided its weights on 13 rebalance dates from 3 Jun 2019 to 1 Jun 2020" in text
    for number in (numerals.bps(judged.shortfall.bps), numerals.dollars(judged.shortfall.total),
                   numerals.dollars(judged.shortfall.fees), numerals.percent(judged.dates[-1].deviation),
                   numerals.dollars(judged.curve.equity[-1]), numerals.percent(judged.summary.deepest.depth),
                   f"{len(judged.checks)} of {len(judged.checks)} identities hold"):
        assert number in text


def test_every_check_is_printed_with_its_residual(page, traded):
    """Also those that hold: a reader sees what was looked at."""
    for one in traded.judged.checks:
        assert f"✓ holds {one.name} {numerals.exact(one.residual)} {one.unit}" in page.text


def test_a_check_that_fails_is_said_to_fail(traded):
    """In words and not only in red, and in the summary."""
    broken = Check(name="equity ties at the end", unit="USD", tolerance=Decimal("0.01"), residual=Decimal("-3.5"),
                   where="2020-06-02", count=1)
    text = Page(render(replace(traded.judged, checks=(*traded.judged.checks[1:], broken)), traded.provenance)).text

    assert "✗ fails equity ties at the end −3.5 USD 2020-06-02" in text
    assert "12 of 13 identities do not all hold" in text


def test_nothing_is_asked_of_a_network(page):
    """Every address in the page is inside it; scripts and styles are inline; the policy forbids the rest."""
    addresses = [value for _, attributes in page.elements for name, value in attributes.items()
                 if name in ("src", "href", "srcset", "action", "data", "poster")]
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")

    assert addresses
    assert all(value.startswith("#") or value == "data:," for value in addresses)
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"@import|url\(|@font-face", pages.text("report.css"))


def test_the_policy_allows_these_scripts_and_no_other(html):
    """Each hash is that of a script in the page, as a browser takes it."""
    allowed = re.findall(r"'sha256-([^']+)'", html.split("</head>")[0].replace("&#39;", "'"))
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)

    assert [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts] == allowed
    assert len(scripts) == 2


def test_rendering_twice_gives_the_same_bytes(html, traded):
    """No clock and no random id."""
    assert render(traded.judged, traded.provenance) == html


def test_two_attempts_differ_only_where_it_says_so(traded):
    """Attempt and wall clock are in elements marked volatile, and nowhere else."""
    evidence, attempt = traded.evidence, traded.provenance.attempt
    later = timedelta(days=2)
    again = replace(attempt, attempt=2, queued_at=attempt.queued_at + later, started_at=attempt.started_at + later,
                    ended_at=attempt.ended_at + later, pid=1, host="elsewhere")
    fills = tuple(replace(fill, attempt=2) for fill in evidence.fills)
    late = tuple(replace(fill, attempt=2) for fill in traded.judged.late)
    one = render(traded.judged, replace(traded.provenance, rendered_at=datetime(2024, 1, 2, tzinfo=UTC)))
    other = render(replace(traded.judged, attempt=2, late=late), Provenance(
        evidence=replace(evidence, attempt=2, fills=fills), attempt=again, rendered_at=datetime(2024, 1, 4, tzinfo=UTC)))

    assert other != one
    assert without_volatile(other) == without_volatile(one)
    assert "2, completed" in other
    assert "2024-01-04" not in without_volatile(other)


def test_what_data_says_is_text(traded):
    """Markup in names, parameters, reasons, ids and lines is shown, not obeyed."""
    html = render(*poisoned(traded))
    page = Page(html)

    assert [tag for tag, _ in page.elements if tag in ("img", "svg")] == []
    assert len(page.all("script")) == 3
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    for text in NASTY:
        assert " ".join(text.split()) in page.text


@pytest.mark.parametrize("text", NASTY)
def test_json_in_a_script_element_cannot_end_it(text):
    """Whatever it holds, it is read back as it was."""
    written = _json({text: [text]})

    assert not re.search(r"[<>&\u2028]", written)
    assert json.loads(written) == {text: [text]}


def test_every_order_opens_its_fills(html, traded):
    """Time, price, shares, fee, arrival and source of each fill stand in the row of its intent."""
    rows = {re.match(r' id="o-([^"]+)"', part)[1]: part for part in html.split('<tbody class="order"')[1:]}
    assert set(rows) == {row.order_intent_id for one in traded.judged.dates for row in one.rows}
    for fill in [fill for fill in traded.evidence.fills if fill.order_intent_id]:
        text = Page(rows[fill.order_intent_id]).text

        for part in (numerals.moment(fill.occurred_at), numerals.price(fill.price), numerals.shares(fill.quantity),
                     numerals.dollars(fill.fee), numerals.price(fill.arrival_price), fill.arrival_source, fill.client_order_id):
            assert part in text


def test_every_order_leads_to_its_decision(page, traded):
    """From the row to the snapshot that wanted it, and the link arrives."""
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = {attributes["href"] for attributes in page.all("a")}

    assert {f"#s-{snapshot.snapshot_id}" for snapshot in traded.evidence.snapshots} <= links
    assert {link[1:] for link in links} <= ids


def test_ids_are_unique(page):
    """A link that could arrive at two places arrives at neither."""
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]

    assert len(ids) == len(set(ids))


def test_a_blocked_order_says_why_in_words(page, traded):
    """The rule by name, and what it means."""
    assert any("blocked" in row.rules for one in traded.judged.dates for row in one.rows)
    assert f"Rule blocked {RULES['blocked']}" in page.text


def test_what_is_not_known_is_said(traded):
    """Reasons by date, pending fees, late fills, refused intents and unreadable lines; and the word instead of a number."""
    rejected = Rejected(position=2, symbol="ALFA", reason="no weight")
    evidence = replace(traded.evidence, run=replace(traded.evidence.run, rejected=(rejected,)))
    bad = BadLine(file="runs/r1/1/journal.jsonl", line=7, text="{", reason="not JSON")
    judged = without_mark(traded, 1)
    judged = replace(judged, shortfall=replace(judged.shortfall, fees_pending=2))
    text = Page(render(judged, Provenance(evidence=evidence, attempt=traded.provenance.attempt, bad_lines=(bad,)))).text
    section = text.split("What is not known")[1].split("Provenance Run")[0]

    assert "2 fees are pending" in section
    assert "1 Jul 2019 : the date has no mark" in section
    assert "ALFA: no weight" in section
    assert "runs/r1/1/journal.jsonl 7 not JSON {" in section
    assert section.count("after the mark") == len(judged.late)
    assert f"1 Jul 2019 {numerals.dollars(judged.dates[1].equity)} 100.00%{' unknown' * 6}" in text


def test_a_run_of_which_all_is_known_says_so(traded):
    """Nothing is not the same as not looked."""
    dates = tuple(replace(one, reasons=(), late=()) for one in traded.judged.dates)
    judged = replace(traded.judged, late=(), external=(), dates=dates)
    section = Page(render(judged, traded.provenance)).text.split("What is not known")[1]

    assert section.strip().startswith("Nothing: every number here is known")


def test_provenance_names_everything_that_made_it(page, traded):
    """Ids, hashes, versions, params with their values, and what to type."""
    run, text = traded.evidence.run, page.text
    commands = traded.provenance.commands

    for part in (run.run_id, run.params_id, run.data_fingerprint, run.algorithm_sha256, run.engine_version, *commands):
        assert part in text
    for snapshot in traded.evidence.snapshots:
        assert snapshot.snapshot_id in text
    assert "limit_offset_bps 30 not the default" in text
    assert "risk_overrides.blocked GAMA not the default" in text
    assert "lookback 60" in text
    assert shlex.split(commands[0])[:6] == ["workbench", "run", "--strategy", "momentum", "--until", "2020-06-01"]
    assert commands[1] == f"workbench report {run.run_id}"


def test_commands_name_another_data_folder(traded):
    """As it would be typed, quoted where a shell needs it."""
    commands = replace(traded.provenance, data="my data").commands

    assert f"--params 'my data/params/{traded.evidence.run.params_id}.json'" in commands[0]
    assert all(command.endswith("--data 'my data'") for command in commands)


@pytest.mark.parametrize(("convention", "formula"), [("A", "F·(P_a − P_d)"), ("B", "Q·(P_a − P_d)")])
def test_definitions_are_those_of_the_convention(convention, formula, traded):
    """Delay means another thing in each."""
    found = {one.name: one.formula for _, some in definitions(convention) for one in some}

    assert found["delay"] == formula
    assert formula.replace("_a", "<sub>a</sub>").replace("_d", "<sub>d</sub>") in render(
        replace(traded.judged, convention=convention), traded.provenance)


def test_definitions_point_to_documents_that_are_there():
    """With the paragraph they name."""
    docs = Path(__file__).parents[1]
    for _, some in definitions("A"):
        for one in some:
            document, _, place = one.source.partition(" ")
            text = (docs / document.rstrip(",")).read_text(encoding="utf-8")

            assert all(f"\n## {number}" in text for number in re.findall(r"§(\d)", place))


def test_fills_of_nobody_are_shown(page, traded):
    """What the engine sold because a stock was delisted belongs to no intent, and is not left out."""
    fill, = traded.judged.external

    assert f"{numerals.moment(fill.occurred_at)} {fill.symbol} {fill.order_id} {numerals.shares(fill.quantity)}" in page.text


def test_a_table_says_what_its_columns_are(page):
    """Every header cell has a scope, every table a caption."""
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


def test_the_page_has_a_language_a_title_and_labels(html, page):
    """What a screen reader and a keyboard need."""
    labelled = {attributes["for"] for attributes in page.all("label")}

    assert page.all("html") == [{"lang": "en"}]
    assert "<title>momentum · r" in html
    assert {attributes["id"] for tag in ("select", "input") for attributes in page.all(tag)} == labelled
    assert all(attributes.get("aria-label") for attributes in page.all("div") if attributes.get("role") == "img")


@pytest.mark.parametrize("name", ["--ink", "--muted", "--accent", "--good", "--bad", "--gain"])
def test_text_stands_out_from_the_page(name):
    """At least 4.5 : 1 against white and against the wash (WCAG 2.1, 1.4.3)."""
    css = pages.text("report.css")
    colour, wash = (re.search(rf"{key}: (#\w+)", css)[1] for key in (name, "--wash"))

    assert min(contrast(colour, "#ffffff"), contrast(colour, wash)) >= 4.5


def contrast(first, second):
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_run_without_a_date_is_a_page_all_the_same(traded):
    """Nothing to show is shown as nothing, not as an error."""
    judged = replace(traded.judged, dates=(), checks=(), late=(), external=(), tracking=None,
                     curve=replace(traded.judged.curve, days=(), equity=(), cash=(), ties=()))
    text = Page(render(judged, traded.provenance)).text

    assert "momentum has no rebalance date here." in text


def test_a_year_is_rendered_in_two_seconds(html, traded):
    """Processor time of a second render, its imports paid."""
    begun = time.process_time()
    render(traded.judged, traded.provenance)

    assert time.process_time() - begun < 2


def test_plotly_is_the_only_big_thing(html):
    """Everything else of a year of five stocks takes less than half a megabyte."""
    biggest = max(len(script) for script in re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL))

    assert len(html) - biggest < 500_000
