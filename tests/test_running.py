"""Deciding, recording, running: what is asked twice is done once, and what is stopped can be asked again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from store_fixtures import counted

import workbench as wb
from workbench.errors import BadInput, EngineFailed, LookAhead, MissingPrice, NotASession, NotRecorded, UnknownName
from workbench.running import desk as desks
from workbench.running import records
from workbench.store import access

ROOT = Path(__file__).parents[1]
MOMENTUM = {"lookback": 60, "skip": 5, "top_n": 3}
DATES = ("2020-01-02", "2020-02-03", "2020-03-02")


@pytest.fixture
def desk(tmp_path, invented):
    """A desk over an empty data folder and the invented market."""
    return wb.Desk(tmp_path / "data", market=invented)


@pytest.fixture
def decided(desk):
    """The same with three decisions."""
    list(desk.decide_each("momentum", [date.fromisoformat(day) for day in DATES], MOMENTUM))
    return desk


def rows(desk, sql):
    return [tuple(row) for row in desk.store.rows(sql)]


def test_the_committed_decisions_are_decided_again_to_the_same_ids(desk):
    """An id does not rot: the fixtures' snapshots come out of today's code byte for byte."""
    recorded = {path.stem: path for path in (ROOT / "data" / "fixtures" / "snapshots" / "momentum").rglob("s*.json")
                if not path.name.endswith(".made.json")}
    for path in recorded.values():
        snapshot = desk.decide("momentum", path.parent.name, MOMENTUM)
        again = desk.data / "snapshots" / "momentum" / path.parent.name / f"{snapshot.snapshot_id}.json"

        assert again.name == path.name
        assert again.read_bytes() == path.read_bytes()
        intents = Path("intents") / path.name
        assert (desk.data / intents).read_bytes() == (ROOT / "data" / "fixtures" / intents).read_bytes()
    assert len(recorded) == 6


def test_deciding_twice_is_deciding_once(desk):
    """One snapshot, one row; other parameters make another."""
    first = desk.decide("momentum", "2020-03-02", MOMENTUM)
    second = desk.decide("momentum", "2020-03-02", MOMENTUM)
    other = desk.decide("momentum", "2020-03-02", {**MOMENTUM, "top_n": 2})

    assert first == second
    assert other.snapshot_id != first.snapshot_id
    assert desk.store.counts()["snapshots"] == 2


def test_the_newest_recorded_decision_of_a_date_counts(desk):
    """By when it was decided, not by its file; deciding the earlier one again makes it the newest."""
    first = desk.decide("momentum", "2020-03-02", MOMENTUM)
    second = desk.decide("momentum", "2020-03-02", {**MOMENTUM, "top_n": 2})
    assert desk.decisions("momentum").last == second

    desk.decide("momentum", "2020-03-02", MOMENTUM)

    assert desk.decisions("momentum").last == first


def test_a_day_without_a_session_is_refused_with_its_neighbours(desk):
    """Good Friday 2020."""
    with pytest.raises(NotASession, match="2020-04-09 and 2020-04-13"):
        desk.decide("equal_weight", "2020-04-10")


def test_a_strategy_of_ones_own_sees_nothing_later(desk, tmp_path):
    """Asking for the rebalance date's own price is an error that names the day, and nothing is recorded."""
    own = tmp_path / "mine.py"
    own.write_text("def weights(view, params):\n    view.close('ALFA', '2020-03-02')\n")
    with pytest.raises(LookAhead, match="2020-03-02"):
        desk.decide(str(own), "2020-03-02")

    assert not (desk.data / "snapshots").exists()


def test_an_empty_answer_means_all_cash_and_says_so(desk, tmp_path):
    """Every symbol it was shown is recorded with weight 0, so that what is held is closed."""
    own = tmp_path / "cash.py"
    own.write_text("import pandas as pd\ndef weights(view, params):\n    return pd.Series(dtype=float)\n")
    snapshot = desk.decide(str(own), "2020-03-02")

    assert snapshot.gross == 0
    assert len(snapshot.items) >= 6
    assert snapshot.cash_weight == 1


def test_weights_from_a_table_become_decisions(desk, tmp_path):
    """Date, symbol, weight; a company named by its later ticker is found."""
    table = tmp_path / "w.csv"
    table.write_text("date,symbol,weight\n2019-06-03,EPSI,0.5\n2019-06-03,ALFA,-0.25\n2019-07-01,ALFA,1\n")
    first, second = desk.decide_weights(table)

    assert first.weights() == {"ALFA": Decimal("-0.25"), "EPSO": Decimal("0.5")}
    assert (first.gross, first.net) == (Decimal("0.75"), Decimal("0.25"))
    assert second.strategy == "w"


def test_a_wanted_symbol_without_a_close_is_named(desk, tmp_path):
    """ZETA is listed in September 2019."""
    table = tmp_path / "w.csv"
    table.write_text("date,symbol,weight\n2019-06-03,ZETA,0.5\n")

    with pytest.raises(MissingPrice, match="ZETA"):
        desk.decide_weights(table)


def test_decisions_of_an_unknown_strategy_name_those_there_are(decided):
    """Not an empty answer."""
    with pytest.raises(NotRecorded, match="strategies with decisions: momentum"):
        decided.decisions("momentun")


def test_a_run_asked_for_twice_is_found(decided):
    """Content is identity: nothing is traded twice, and the second answer is the first's."""
    first = decided.execute(decided.decisions("momentum"))
    second = decided.execute(decided.decisions("momentum"))

    assert not first.found
    assert second.found
    assert second.run == first.run
    assert rows(decided, "select count(*) from attempts") == [(1,)]


@pytest.mark.parametrize("change", [{"order_type": "MOC"}, {"cash_buffer_ratio": "0.05"}, {"risk_overrides": {"max_weight": 0.2}}])
def test_other_params_are_another_run(change, decided):
    """And other cash, and other decisions."""
    first = decided.execute(decided.decisions("momentum"))
    other = decided.execute(decided.decisions("momentum"), decided.params(**change))
    richer = decided.execute(decided.decisions("momentum"), cash=Decimal(200000))
    shorter = decided.execute(decided.decisions("momentum", until="2020-02-03"))

    assert len({one.run.run_id for one in (first, other, richer, shorter)}) == 4


def test_a_dry_run_writes_everything_and_starts_nothing(decided):
    """Request, intents, params, config, and a status that says queued; no journal, no results."""
    run = decided.prepare(decided.decisions("momentum"))
    folder = decided.data / "runs" / run.run_id

    assert sorted(path.name for path in folder.iterdir()) == ["1", "intents.json", "params.json", "run.json"]
    assert sorted(path.name for path in (folder / "1").iterdir()) == ["lean.json", "status.json"]
    assert rows(decided, "select state from attempts") == [("queued",)]


def test_the_config_holds_what_the_contract_says(decided):
    """Root keys for readers of the config, and the same as parameters, all text, for the algorithm."""
    run = decided.prepare(decided.decisions("momentum"))
    config = json.loads((decided.data / "runs" / run.run_id / "1" / "lean.json").read_text())

    assert config["algorithm-id"] == f"{run.run_id}-1"
    assert {"execution-intent-path", "execution-params-path", "brokerage"} <= config.keys()
    assert set(config["parameters"]) == {"execution-intent-path", "execution-params-path", "brokerage", "journal-path", "run-id",
                                         "attempt", "mode", "account", "start", "end", "cash"}
    assert all(isinstance(value, str) for value in config["parameters"].values())
    assert (config["parameters"]["start"], config["parameters"]["end"]) == ("2019-12-31", "2020-03-03")


def test_an_item_that_is_refused_is_kept_by_name_and_the_rest_goes_on(decided):
    """A person edited an intents file: one item has no finite weight."""
    snapshot = decided.decisions("momentum").of(date(2020, 2, 3))
    path = decided.data / "intents" / f"{snapshot.snapshot_id}.json"
    items = json.loads(path.read_text())
    items[0]["weight"] = "NaN"
    path.write_text(json.dumps(items))
    done = decided.execute(decided.decisions("momentum"))

    assert [(item.symbol, "weight" in item.reason) for item in done.run.rejected] == [(items[0]["symbol"], True)]
    assert done.ended


def test_intents_that_are_as_they_were_are_gone_through_once(decided, monkeypatch):
    """Whether the request is prepared, run or asked for again; a file that says something else is read, and refused."""
    read = []
    monkeypatch.setattr(records, "read_intents", lambda *given, usual=records.read_intents: read.append(given[1]) or usual(*given))
    decisions = decided.decisions("momentum")
    asked = decided.prepare(decisions, cash=Decimal(100000))
    path = records.intents_path(decided.data, decisions.last.snapshot_id)
    was = path.stat()
    again = decided.prepare(decisions, cash=Decimal(100000))
    path.write_text(path.read_text().replace('"source":"strategy"', '"source":"strategi"', 1))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))

    assert again == asked
    assert read == [snapshot.snapshot_id for snapshot in decisions.snapshots]
    with pytest.raises(BadInput, match="already exists with other content"):
        decided.prepare(decisions, cash=Decimal(100000))


def test_two_at_once_run_it_once(decided):
    """The second waits for the first and finds what it did."""
    decisions = decided.decisions("momentum")
    with ThreadPoolExecutor(2) as pool:
        found = sorted(future.result().found for future in [pool.submit(decided.execute, decisions) for _ in range(2)])

    assert found == [False, True]


def test_an_engine_that_fails_says_why_and_can_be_asked_again(decided, tmp_path, invented):
    """The attempt is recorded as failed with its cause; after the mend a new attempt completes."""
    broken = tmp_path / "market"
    shutil.copytree(invented, broken)
    desk = wb.Desk(decided.data, market=broken)
    properties = broken / "symbol-properties" / "symbol-properties-database.csv"
    kept = properties.read_bytes()
    properties.unlink()
    with pytest.raises(EngineFailed, match="Unable to locate symbol properties file"):
        desk.execute(desk.decisions("momentum"))
    properties.write_bytes(kept)
    done = desk.execute(desk.decisions("momentum"))

    assert [attempt.state for attempt in records.attempts(desk.data, done.run.run_id)] == ["failed", "completed"]
    assert rows(desk, "select attempt from counted_attempts") == [(2,)]


@pytest.mark.slow
def test_killed_in_the_middle_and_asked_again(desk, tmp_path):
    """kill -9 of the process: a new attempt, the old one abandoned, one set of orders and fills, and the same report."""
    days = list(desk.rebalance_dates("2019-02-01", "2020-11-30", "weekly"))
    list(desk.decide_each("momentum", days, {**MOMENTUM, "lookback": 20}))
    whole = wb.Desk(tmp_path / "whole", market=desk.settings.market)
    shutil.copytree(desk.data / "snapshots", whole.data / "snapshots")
    shutil.copytree(desk.data / "intents", whole.data / "intents")
    command = [sys.executable, "-m", "workbench.cli", "run", "--strategy", "momentum", "--until", "2020-11-30",
               "--data", str(desk.data), "--market", str(desk.settings.market)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = wait_for(lambda: next(desk.data.glob("runs/*/1/journal.jsonl"), None))
    wait_for(lambda: journal.stat().st_size > 20_000)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert b'"kind":"closed"' not in journal.read_bytes()

    again = desk.execute(desk.decisions("momentum"))
    unbroken = whole.execute(whole.decisions("momentum"))

    assert [attempt.state for attempt in records.attempts(desk.data, again.run.run_id)] == ["abandoned", "completed"]
    assert again.run == unbroken.run
    counted = "select order_id, status, filled_quantity, avg_fill_price, fees from orders where attempt in (select attempt from " \
              "counted_attempts) order by try_cast(order_id as int)"
    assert rows(desk, counted) == rows(whole, counted)
    from workbench.showing.report import without_volatile

    pages = [without_volatile(one.report(again.run.run_id).read_text()) for one in (desk, whole)]
    assert pages[0] == pages[1]


def wait_for(look, seconds=60):
    """What `look` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def test_a_rebuilt_store_is_the_same_row_for_row(decided):
    """Delete the DuckDB file, make it again: every table, every row."""
    decided.execute(decided.decisions("momentum"))
    decided.execute(decided.decisions("momentum"), decided.params(order_type="LMT"))
    tables = [name for (name,) in rows(decided, "select table_name from duckdb_tables() where not internal order by 1")]
    before = {name: sorted(map(str, rows(decided, f"select * from {name}"))) for name in tables}
    decided.settings.store.unlink()
    decided.store.rebuild(decided.data)
    after = {name: sorted(map(str, rows(decided, f"select * from {name}"))) for name in tables}

    assert after == before
    assert len(before["events"]) > 50


def test_a_preview_sends_what_the_algorithm_sends(decided):
    """From the holdings and equity that the run had, at the sizing prices: the same orders, one by one."""
    run = decided.execute(decided.decisions("momentum"))
    day = date(2020, 3, 2)
    snapshot = decided.decisions("momentum").of(day)
    sized = [line for line in decided.store.sized(run.run.run_id) if line.rebalance_date == day]
    rebalance = next(line for line in decided.store.rebalances(run.run.run_id) if line.rebalance_date == day)
    seen = decided.preview(snapshot, holdings={line.symbol: line.held for line in sized}, equity=rebalance.equity)

    assert {line.symbol: line.order for line in seen.lines} == {line.symbol: line.order for line in sized}


def test_a_preview_starts_from_where_the_last_run_left_the_account(decided):
    """Holdings and equity of the last mark before the date, and it says so."""
    run = decided.execute(decided.decisions("momentum", until="2020-02-03"))
    seen = decided.preview(decided.decisions("momentum").last)

    assert f"holdings of run {run.run.run_id}" in seen.basis
    assert any(line.held for line in seen.lines)
    assert seen.previous == decided.decisions("momentum").of(date(2020, 2, 3))


def test_a_preview_names_what_is_blocked(decided):
    """By rule."""
    snapshot = decided.decisions("momentum").last
    blocked = snapshot.items[0].symbol
    seen = decided.preview(snapshot, decided.params(risk_overrides={"blocked": [blocked]}))

    assert [(line.symbol, line.rules) for line in seen.blocked] == [(blocked, ("blocked",))]


def test_an_instrument_of_another_folder_is_refused(decided, tmp_path, invented):
    """The same ticker, another company: the intents were decided on something else."""
    other = tmp_path / "other"
    shutil.copytree(invented, other)
    symbol = decided.decisions("momentum").snapshots[0].items[0].symbol
    mapping = other / "equity" / "usa" / "map_files" / f"{symbol.lower()}.csv"
    mapping.write_text(mapping.read_text().replace("20190102", "20190103", 1))

    desk = wb.Desk(decided.data, market=other)
    decisions = desk.decisions("momentum")
    with pytest.raises(BadInput, match="use the data folder the decision was made with"):
        desk.prepare(decisions)


def test_a_run_is_found_by_the_beginning_of_its_id(decided):
    """And an ambiguous or unknown one is not guessed."""
    run = decided.prepare(decided.decisions("momentum"))

    assert decided.run(run.run_id[:6]) == run
    with pytest.raises(NotRecorded, match="run 'rzzz' is not recorded"):
        decided.run("rzzz")


def test_unknown_params_are_refused_with_a_suggestion(decided):
    """Before anything is written."""
    with pytest.raises(BadInput, match="did you mean 'order_type'"):
        decided.params(order_typ="MOO")
    with pytest.raises(UnknownName, match="did you mean 'momentum'"):
        decided.decide("momentun", "2020-03-02")


def test_the_report_of_a_second_attempt_is_the_same_page(decided):
    """But for the attempt's number and the wall clock."""
    from workbench.showing.report import without_volatile

    run = decided.execute(decided.decisions("momentum"))
    first = decided.report(run, out=decided.data / "first.html").read_text()
    second = decided.report(run, out=decided.data / "second.html").read_text()

    assert without_volatile(first) == without_volatile(second)
    assert run.run.run_id in first


def test_evidence_opens_the_store_once(decided, monkeypatch):
    """However many decisions the run has: all that was heard is of one state of the store."""
    done = decided.execute(decided.decisions("momentum"))
    opened = counted(monkeypatch, access, "_connect")

    assert len(decided.evidence(done).snapshots) == 3
    assert len(opened) == 1


def test_what_was_judged_is_not_judged_again_for_its_table(decided, monkeypatch):
    """The same rows as those of the run, of all dates or those asked for."""
    done = decided.execute(decided.decisions("momentum"))
    rows, one = decided.table(done), decided.table(done, dates=[date(2020, 2, 3)])
    judged = decided.reconcile(done)
    gathered = counted(monkeypatch, desks, "gather")

    assert decided.table(judged) == rows
    assert decided.table(judged, dates=[date(2020, 2, 3)]) == one == rows[1:2]
    assert list(decided.frame(judged).index) == [row["rebalance date"] for row in rows]
    with pytest.raises(NotRecorded, match="2020-02-04"):
        decided.table(judged, dates=[date(2020, 2, 4)])
    assert gathered == []
