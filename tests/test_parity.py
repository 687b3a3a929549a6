"""Parity: what counts as equal, where two tellings first part, and the sides it reads: Lean's results, journals, recorded runs."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from algorithm_fixtures import trade
from browser_fixtures import chromium, opened
from engine_fixtures import GOLDEN, run_algorithm
from hypothesis import assume, given
from hypothesis import strategies as st
from test_cli import command

from workbench.errors import BadInput, NotRecorded, UnknownName
from workbench.judgement.pairing import NUMBERS, REFS, longest_rising
from workbench.judgement.parity import compare
from workbench.judgement.telling import JOURNAL, LEAN, Telling, Told, same
from workbench.running.sides import find, read_sides
from workbench.showing.parity import render, written

RECORDINGS = Path(__file__).parents[2] / "shared" / "lean-golden"
RAW, SAMPLE = RECORDINGS / "raw", RECORDINGS / "sample"
NOON = datetime(2020, 3, 2, 17, tzinfo=UTC)
FIELDS = frozenset({"time", "symbol", "status", "quantity", "fill_quantity", "fill_price", "fee", "message"})


def told(number: int, event: int = 1, *, place: int = 0, ref: str = "", **values) -> Told:
    """An order event, complete but for what a test says."""
    usual = {"time": NOON + timedelta(minutes=number), "symbol": "ALFA", "status": "submitted", "quantity": Decimal(10),
             "fill_quantity": Decimal(0), "fill_price": Decimal("101.25")}
    return Told(place=place or number, order=str(number), event=event, ref=ref, values=usual | values)


def telling(*events: Told, name: str = "A", form: str = LEAN, **more) -> Telling:
    """A side that tells these events."""
    return Telling(name=name, form=form, events=events, **{"fields": FIELDS, **more})


VALUES = st.one_of(st.none(), st.text(max_size=5), st.integers(-10**6, 10**6), st.booleans(),
                   st.decimals(-10**6, 10**6, allow_nan=False, places=6))
SOME = st.dictionaries(st.sampled_from(sorted(FIELDS - {"time"})), VALUES)
EVENTS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), SOME), max_size=12).map(
    lambda some: tuple(told(number, event, place=at, **values) for at, (number, event, values) in enumerate(some, start=1)))


# What is equal.

@given(EVENTS)
def test_a_telling_equals_itself(events):
    """Whatever it holds, twice the same number included."""
    found = compare(telling(*events), telling(*events, name="B"))

    assert found.equal
    assert found.first is None
    assert [row.a for row in found.rows] == list(events)
    assert all(one.different == 0 for one in found.fields)


@given(EVENTS, st.data())
def test_one_changed_field_is_found_and_named(events, data):
    """Wherever it is: the event, the field, and no other."""
    assume(events)
    at = data.draw(st.integers(0, len(events) - 1))
    name = data.draw(st.sampled_from(sorted(events[at].values)))
    changed = replace(events[at], values={**events[at].values, name: "something else"})
    found = compare(telling(*events), telling(*events[:at], changed, *events[at + 1:], name="B"))

    assert not found.equal
    assert found.first == at
    assert found.rows[at].differing == (name,)
    assert [one.name for one in found.fields if one.different] == [name]


@given(EVENTS, st.data())
def test_an_event_that_is_missing_is_found(events, data):
    """It is told by one side alone, and the others still pair, unless they share its number."""
    assume(events and len({(one.order, one.event) for one in events}) == len(events))
    at = data.draw(st.integers(0, len(events) - 1))
    found = compare(telling(*events[:at], *events[at + 1:]), telling(*events, name="B"))

    assert (found.only_a, found.only_b, found.first) == (0, 1, at)
    assert len(found.different) == 1


@given(st.permutations(range(1, 7)))
def test_the_order_of_events_matters(order):
    """The same events in another order are not equal, and `--ignore place` makes them so."""
    straight, shuffled = telling(*map(told, range(1, 7))), telling(*(told(number) for number in order), name="B")
    found = compare(straight, shuffled)

    assert found.equal == (list(order) == sorted(order))
    assert {one.name for one in found.fields if one.different} <= {"place"}
    assert compare(straight, shuffled, ignore=["place"]).equal


@given(st.permutations(range(9)))
def test_as_few_events_as_can_be_have_moved(ranks):
    """What stays is a rising run, and no longer one exists."""
    stays = [rank for rank, kept in zip(ranks, longest_rising(ranks), strict=True) if kept]
    longest = [1] * len(ranks)
    for at, rank in enumerate(ranks):
        longest[at] = 1 + max((longest[before] for before in range(at) if ranks[before] < rank), default=0)

    assert stays == sorted(stays)
    assert len(stays) == max(longest)


@pytest.mark.parametrize(("x", "y", "equal"), [
    (Decimal(10), Decimal("10.000000005"), True), (Decimal(10), Decimal("10.0000001"), False), (Decimal("25.0"), 25, True),
    (10**12, 10**12 + 1, False), (Decimal("1e-30"), Decimal(0), False), (True, 1, False), ("1", 1, False), (None, 0, False),
    (NOON, NOON + timedelta(microseconds=1), False), ([Decimal(1), {"a": Decimal(2)}], [1, {"a": 2}], True),
    ({"a": 1}, {"b": 1}, False), ([1], [1, 2], False), (-Decimal(5), Decimal(5), False),
])
def test_equal_means_what_the_recordings_mean(x, y, equal):
    """Text, flags, moments and whole numbers identical; numbers to 1e-9 relative, whatever their form."""
    assert same(x, y) is equal
    assert same(y, x) is equal


def test_the_tolerance_is_the_askers():
    """0 is exact; below 0 is refused."""
    a, b = telling(told(1)), telling(told(1, fill_price=Decimal("101.26")), name="B")

    assert compare(a, b, tolerance=Decimal("0.001")).equal
    assert not compare(a, b, tolerance=Decimal(0)).equal
    with pytest.raises(BadInput, match="tolerance -1"):
        compare(a, b, tolerance=Decimal(-1))
    with pytest.raises(BadInput, match="tolerance NaN"):
        compare(a, b, tolerance=Decimal("NaN"))


def test_the_sums_tell_how_far_and_where():
    """The largest absolute and the largest relative difference of a field, with the event of the latter."""
    a = telling(told(1, fee=Decimal(1)), told(2, fee=Decimal(100)), told(3, fee=Decimal(5)))
    b = telling(told(1, fee=Decimal("1.5")), told(2, fee=Decimal(110)), told(3, fee=Decimal(5)), name="B")
    fee = next(one for one in compare(a, b).fields if one.name == "fee")

    assert (fee.compared, fee.equal, fee.different) == (3, 1, 2)
    assert (fee.largest_absolute, fee.where) == (Decimal(10), "order 1, event 1")
    assert fee.largest_relative == Decimal("0.5") / Decimal("1.5")


def test_what_is_ignored_is_left_out_and_a_wrong_name_is_refused():
    """With the nearest name there is."""
    a, b = telling(told(1, message="x")), telling(told(1, message="y"), name="B")

    assert compare(a, b, ignore=["message"]).equal
    with pytest.raises(UnknownName, match="unknown field 'mesage'; did you mean 'message'"):
        compare(a, b, ignore=["mesage"])


def test_the_end_and_the_statistics_count_where_both_tell_them():
    """One that a side lacks is named, not judged."""
    a = telling(told(1), end={"cash": Decimal(5)}, statistics={"Total Fees": "$1.00", "Beta": "0"})
    b = telling(told(1), end={"cash": Decimal(6)}, statistics={"Total Fees": "$2.00"}, name="B")
    found = compare(a, b)

    assert found.verdict == "different in cash, Total Fees; 1 event equal"
    assert found.left_out == ("statistics Beta: not told by B",)
    assert compare(a, b, ignore=["cash", "Total Fees"]).equal
    assert compare(a, b, ignore=["end", "statistics"]).equal


def test_times_of_a_real_day_are_no_difference():
    """Live and on paper the clock is the wall's; it is said that it was left out."""
    a, b = telling(told(1), wall_clock=True), telling(told(1, time=NOON), name="B")

    assert compare(a, b).equal
    assert compare(a, b).left_out == ("time: of a real day's clock",)


def test_orders_pair_by_our_ref_where_engines_count_differently():
    """The same order_ref under another number: the n-th event of the one is the n-th of the other."""
    a = telling(told(1, 1, ref="i-ALFA.1"), told(2, 1, ref="i-BETA.1"), told(1, 2, ref="i-ALFA.1"), form=JOURNAL)
    one, two = NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)
    b = telling(told(7, 4, ref="i-ALFA.1", time=one), told(5, 0, ref="i-BETA.1", time=two), told(7, 9, ref="i-ALFA.1", time=one),
                form=JOURNAL, name="B")

    assert compare(a, b).paired_by == REFS
    assert compare(a, b).equal
    assert compare(a, a).paired_by == NUMBERS


def test_the_first_difference_stands_after_what_came_before():
    """The context ends with it; an event that one side alone tells has nothing beside it."""
    a, b = telling(*map(told, (1, 2, 3, 4))), telling(*map(told, (1, 2, 4)), name="B")
    found = compare(a, b)
    *before, first = found.context(1)

    assert [row.either.order for row in before] == ["2"]
    assert first.either.order == "3"
    assert all(one.b is None and not one.equal for one in found.beside(first))
    assert found.verdict == "different, first at order 3, event 1 (ALFA): only A tells it"


# Where sides are read from.

@pytest.fixture(scope="module")
def runs(tmp_path_factory, invented):
    """One recorded script run as it is, again, and with another fee."""
    script = json.loads((GOLDEN / "portable" / "scripts" / "splits-and-dividends.json").read_text())
    found = {}
    for name, changes in (("first", {}), ("again", {}), ("dearer", {"fee": {"constant": 2.5}})):
        folder = tmp_path_factory.mktemp(name)
        (folder / "script.json").write_text(json.dumps(script | changes))
        ran = run_algorithm(folder, GOLDEN / "order_script.py", data=invented, algorithm_id=name,
                            parameters={"script-path": str(folder / "script.json")})
        assert ran.exit_code == 0
        found[name] = ran.results
    return found


@pytest.fixture(scope="module")
def journals(tmp_path_factory):
    """The algorithm's own journal of two rebalances, with its own fees and with two basis points."""
    found = {}
    for name, params in (("plain", {}), ("dearer", {"fee_bps": Decimal(2)})):
        folder = tmp_path_factory.mktemp(name)
        weights = {"2020-03-02": {"ALFA": "0.4", "BETA": "0.3"}, "2020-03-05": {"ALFA": "0.1", "GAMA": "0.5"}}
        traded = trade(folder, weights, **params)
        assert traded.outcome.complete
        found[name] = folder
    return found


def test_two_runs_of_one_config_are_equal(runs, tmp_path):
    """Under other ids and in other folders; exit code 0."""
    done = command(tmp_path, "parity", str(runs["first"]), str(runs["again"]), "--json")
    body = json.loads(done.stdout)

    assert done.returncode == 0, done.stderr
    assert body["equal"]
    assert body["events"] > 10
    assert len(body["statistics"]) > 20


def test_another_fee_is_found_in_the_first_fill(runs, tmp_path):
    """Exit code 1; the first difference is the fee of a fill, beside its other fields."""
    done = command(tmp_path, "parity", str(runs["first"]), str(runs["dearer"]), "--json")
    body = json.loads(done.stdout)

    assert done.returncode == 1
    assert body["first"]["differing"] == ["fee"]
    assert {"name": "fee", "a": 1, "b": 2.5, "equal": False} in body["first"]["fields"]
    assert {one["name"] for one in body["statistics"] if not one["equal"]} >= {"Total Fees", "End Equity"}


def test_a_person_reads_the_first_difference_and_the_sums(runs, tmp_path):
    """The verdict on stderr, tables on stdout."""
    done = command(tmp_path, "parity", str(runs["first"]), str(runs["dearer"]))

    assert "different, first at order" in done.stderr
    assert "paired by order and event number" in done.stderr
    assert "<- the first difference" in done.stdout
    assert any(line.split()[:1] == ["fee"] and line.endswith("<-") for line in map(str.rstrip, done.stdout.splitlines()))


def test_ignoring_what_differs_makes_them_equal(runs, tmp_path):
    """Fee, and what follows from it at the end."""
    options = [part for name in ("fee", "end", "statistics") for part in ("--ignore", name)]

    assert command(tmp_path, "parity", str(runs["first"]), str(runs["dearer"]), *options).returncode == 0


def test_journals_are_compared_line_by_line(journals, tmp_path):
    """Sizes and marks too; what was asked is told beside."""
    a, b = read_sides(tmp_path, str(journals["plain"]), str(journals["dearer"] / "journal.jsonl"))
    found = compare(a, b)

    assert compare(a, a).equal
    assert {row.either.kind for row in found.rows} >= {"rebalance", "sized", "order", "mark"}
    assert found.rows[found.first].either.kind == "order"
    assert found.rows[found.first].differing == ("fee",)
    assert [one.name for one in found.asked if not one.equal] == ["params_sha256"]
    assert {"cash", "equity", "shares GAMA"} <= {one.name for one in found.end}


def test_a_journal_and_leans_events_of_one_run_are_equal(journals, tmp_path):
    """Statuses in our words, numbers that were floats on the way; what only one has is named."""
    lean = str(journals["plain"] / "results" / "r0-1-order-events.json")
    found = compare(*read_sides(tmp_path, str(journals["plain"] / "journal.jsonl"), lean))

    assert found.equal, found.verdict
    assert len(found.rows) > 8
    assert {"fill_price", "fee", "status", "type", "message"} - {one.name for one in found.fields} <= {"message"}
    assert any("order_ref" in text for text in found.left_out)


def test_recorded_runs_are_found_by_id(tmp_path, invented):
    """A run, its beginning, its attempt by number, and its folders are one side; an unknown one says so."""
    project = tmp_path / "project"
    assert command(tmp_path, "init", str(project)).returncode == 0
    assert command(project, "run", "--data", "data/fixtures", "--until", "2020-02-03").returncode == 0
    (folder,) = (project / "data" / "fixtures" / "runs").iterdir()
    for other in (folder.name[:6], f"{folder.name}-1", str(folder), str(folder / "1")):
        done = command(project, "parity", folder.name, other, "--data", "data/fixtures")
        assert done.returncode == 0, done.stderr

    for wrong, code, said in (("r0123", 3, "run 'r0123' is not recorded"), (f"{folder.name}-9", 3, "is not recorded"),
                              ("nowhere", 2, "nowhere: no such file or folder, and not the id of a run; name a folder")):
        done = command(project, "parity", folder.name, wrong, "--data", "data/fixtures")
        assert (done.returncode, done.stdout) == (code, "")
        assert said in done.stderr.replace("\n", " ")


def test_a_folder_of_two_results_asks_which(runs, tmp_path):
    """And a file of them is then enough."""
    for name in ("first", "dearer"):
        for path in runs[name].glob(f"{name}*.json"):
            shutil.copy(path, tmp_path)
    with pytest.raises(BadInput, match=r"results of dearer, first; name one file, <id>-order-events.json"):
        find(tmp_path, str(tmp_path))
    a, b = read_sides(tmp_path, str(tmp_path / "first-order-events.json"), str(runs["first"]))

    assert compare(a, b).equal


def test_no_order_is_no_event(runs, tmp_path):
    """Lean leaves no file of events then: nothing is equal to nothing, and to nothing else."""
    for path in runs["first"].glob("first*"):
        if not path.name.endswith("-order-events.json"):
            shutil.copy(path, tmp_path)
    a, b = read_sides(tmp_path, str(tmp_path), str(runs["first"]))

    assert compare(a, a).verdict == "equal, 0 events"
    assert compare(a, b).only_b == len(b.events) > 0


@pytest.mark.parametrize(("name", "text", "said"), [
    ("x-order-events.json", '{"a": 1}', "must hold a list of order events"),
    ("x-order-events.json", "[{", "not JSON"),
    ("x-order-events.json", '[{"orderId": 1}]', "is not an order event of Lean's"),
    ("x-order-events.json", "[1]", "is not an order event of Lean's"),
    ("journal.jsonl", '{"schema":"journal/1","kind":"order"\n', "journal.jsonl:1: not a journal line; `workbench journal verify`"),
    ("notes.txt", "hello", "neither a journal nor Lean's order events"),
])
def test_what_does_not_read_is_named(name, text, said, tmp_path):
    """File, place and remedy."""
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput, match=said):
        read_sides(tmp_path, str(tmp_path / name), str(tmp_path / name))


def test_an_empty_folder_and_a_run_without_attempts_are_no_sides(tmp_path):
    """An empty answer and a failed request never look alike."""
    with pytest.raises(BadInput, match=r"holds neither <id>-order-events.json nor <id>.json nor journal.jsonl"):
        find(tmp_path, str(tmp_path))
    (tmp_path / "run.json").touch()
    (tmp_path / "params.json").touch()
    with pytest.raises(NotRecorded, match="an attempt of run"):
        find(tmp_path, str(tmp_path))


@pytest.mark.golden
@pytest.mark.parametrize("name", ["before-listing", "leverage-and-margin-call", "minute-market-orders", "random-003",
                                  "rebalance-ib-margin", "splits-and-dividends-raw"])
def test_real_leans_folder_against_the_embedded_engines(name, tmp_path):
    """Real Lean's result folder, as it wrote it, is our run of the same script: events, end and printed statistics."""
    if not RAW.is_dir():
        pytest.skip(f"Lean's result folders are not at {RAW}: parity is tried on our own runs only")
    ran = run_algorithm(tmp_path, GOLDEN / "order_script.py", data=SAMPLE / "data",
                        parameters={"script-path": str(SAMPLE / "scripts" / f"{name}.json")})
    found = compare(*read_sides(tmp_path, str(RAW / name), str(ran.results)))

    assert found.equal, found.verdict
    assert found.left_out == ()
    assert len(found.statistics) > 20
    assert len(found.rows) == len(json.loads((RAW / name / f"{name}-order-events.json").read_text()))


@pytest.mark.golden
def test_real_leans_paper_folder_reads(tmp_path):
    """Live, Lean writes a file of events a day, and cash to the last digit."""
    if not RAW.is_dir():
        pytest.skip(f"Lean's result folders are not at {RAW}: its live form is not tried")
    a, b = read_sides(tmp_path, str(RAW / "live-paper"), str(RAW / "live-paper"))
    found = compare(a, b)

    assert found.equal
    assert len(found.rows) == 11
    assert "cash USD" in {one.name for one in found.end}
    assert found.left_out == ("time: of a real day's clock",)


# The page.

NASTY = "<script>window.hit=1</script>\"'><svg onload=window.hit=1>"


def test_the_page_escapes_everything():
    """Names, values, fields: what comes from data is text."""
    a = telling(told(1, message=NASTY, symbol=NASTY), name=NASTY, statistics={NASTY: NASTY}, asked={"cash": [NASTY]},
                end={NASTY: {NASTY: NASTY}})
    page = render(compare(a, replace(a, name="B", events=(told(1, message="x", symbol=NASTY),), asked={"cash": []})))

    assert NASTY not in page
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 5


def test_values_are_written_with_all_their_digits():
    """As a person writes them, and nothing is a blank."""
    assert written(Decimal("-1.2300000001")) == "−1.2300000001"
    assert written(NOON + timedelta(microseconds=85)) == "2020-03-02 17:00:00.000085 UTC"
    assert written([{"symbol": "ALFA", "quantity": Decimal(3)}]) == "symbol ALFA, quantity 3"
    assert (written(None), written([]), written(False)) == ("–", "none", "no")


@pytest.mark.browser
def test_the_page_opens_without_an_error_and_without_a_network(runs, tmp_path):
    """The first difference is on it, marked, beside the fields that are equal."""
    page = tmp_path / "parity.html"
    done = command(tmp_path, "parity", str(runs["first"]), str(runs["dearer"]), "--html", str(page))
    assert done.returncode == 1
    with chromium() as browser, opened(browser, page.as_uri()) as shown:
        marked = shown.page.locator("#first table.beside tr.differs")

        assert [row.inner_text().split("\t")[:3] for row in marked.all()] == [["fee", "1", "2.5"]]
        assert shown.page.locator("#fields tbody tr").count() > 15
        assert shown.wrong == []
        assert [address for address in shown.asked if not address.startswith(("file:", "data:"))] == []
        assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
