"""The store itself: typed reads, plain SQL, migrations, rebuilding, and what it says when it can't."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import fields
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_fixtures import MONDAY, TABLES, VIEWS, contents, counted, decide, queue, request, small_run

from workbench.errors import BadInput, MissingTool, NotRecorded, StoreBusy
from workbench.store import Store, access, folds, migrations
from workbench.store import store as store_module
from workbench.store.access import opened
from workbench.words.event import Fill, MarkLine, SizedLine
from workbench.words.order import Order

TUESDAY = date(2020, 3, 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One small run, and a second decision that nothing was done about."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def recorded(folder):
    asked, taken = small_run(folder)
    later = decide(folder, {"ALFA": "0.5"}, day=TUESDAY)
    other = decide(folder, {"BETA": "0.5"}, strategy="value")
    return asked, taken, later, other


@pytest.fixture(scope="module")
def store(folder, recorded):
    store = Store(folder / "workbench.duckdb")
    store.index(folder)
    return store


@pytest.fixture(scope="module")
def empty():
    """A store in memory that nothing was recorded in."""
    return Store(":memory:")


# Typed reads


def test_what_was_recorded_is_read_as_it_was(store, recorded):
    """Snapshots, intents, params, runs and attempts are equal to the values that were written."""
    asked, taken, later, other = recorded

    assert store.snapshot(taken.snapshot_id) == taken
    assert store.snapshots() == (*sorted((taken, other), key=lambda item: item.snapshot_id), later)
    assert store.intents(taken.snapshot_id) == taken.intents()
    assert store.runs() == (asked,)
    assert store.run(asked.run_id) == asked
    assert store.params(asked.params_id).order_type == "MOO"
    assert [attempt.state for attempt in store.attempts(asked.run_id)] == ["completed"]


def test_snapshots_are_asked_by_strategy_and_date(store, recorded):
    """Up to and with the date."""
    _, taken, later, other = recorded

    assert store.snapshots("momentum") == (taken, later)
    assert store.snapshots("momentum", MONDAY) == (taken,)
    assert store.snapshots("value") == (other,)
    assert store.snapshots("unheard") == ()


def test_params_keep_their_limits(tmp_path):
    """Nested limits, lists and numbers come back exactly."""
    asked = request(tmp_path, risk_overrides={"max_weight": Decimal("0.123456789012"), "blocked": ["BETA"]}, fee_bps="1.5")
    store = Store(":memory:")
    store.index(tmp_path)
    limits = store.params(asked.params_id).risk_overrides

    assert (limits.max_weight, limits.blocked) == (Decimal("0.123456789012"), ("BETA",))


def test_runs_are_in_the_order_in_which_they_were_queued(tmp_path):
    """Ids say nothing of time; a run that was never queued comes last."""
    taken = decide(tmp_path, {"ALFA": "0.5"})
    asked = [request(tmp_path, taken, fee_bps=number) for number in range(4)]
    for hour, run in enumerate(reversed(asked[1:])):
        status = queue(tmp_path, run)
        path = tmp_path / "runs" / run.run_id / "1" / "status.json"
        path.write_text(path.read_text().replace("14:00:00", f"1{hour}:00:00"))
        assert status.run_id == run.run_id
    store = Store(":memory:")
    store.index(tmp_path)

    assert [run.run_id for run in store.runs("momentum")] == [asked[number].run_id for number in (3, 2, 1, 0)]


def test_the_unknown_raises_and_the_empty_is_empty(store, recorded):
    """Nothing recorded and nothing to tell are different answers."""
    asked, *_ = recorded
    for question in (store.run, store.orders, store.fills, store.events, store.positions, store.sized, store.cuts, store.marks,
                     store.rebalances, store.corporate_actions, store.attempts, store.counted_attempt):
        with pytest.raises(NotRecorded, match="run r0 is not recorded"):
            question("r0")
    for question in (store.snapshot, store.intents):
        with pytest.raises(NotRecorded, match="snapshot s0 is not recorded"):
            question("s0")
    with pytest.raises(NotRecorded, match="params p0"):
        store.params("p0")

    assert store.corporate_actions(asked.run_id) == ()
    assert store.orders(asked.run_id, attempt=7) == ()
    assert store.events(asked.run_id, order_id="99") == ()


def test_a_decision_without_usable_intents_is_known(tmp_path):
    """Its file is there, every item of it refused: empty, not unknown."""
    taken = decide(tmp_path, {"ALFA": "0.5"})
    (tmp_path / "intents" / f"{taken.snapshot_id}.json").write_text("[]")
    store = Store(":memory:")
    store.index(tmp_path)

    assert store.intents(taken.snapshot_id) == ()


def test_events_are_the_log_itself(store, recorded):
    """Every line in its place with its text; those of one order by its id."""
    asked, *_ = recorded
    journal = (store.path.parent / "runs" / asked.run_id / "1" / "journal.jsonl").read_text().splitlines()
    events = store.events(asked.run_id)

    assert [event.line for event in events] == [line for line in journal if '"seal"' not in line]
    assert [event.status for event in store.events(asked.run_id, order_id="1")] == ["SUBMITTED", "PARTIALLY_FILLED", "FILLED"]
    assert {event.occurred_at.tzinfo for event in events} == {UTC}


def test_values_print_without_noise(store, recorded):
    """10 shares, not 10.000000000000 or 1E+1."""
    order = store.orders(recorded[0].run_id)[0]

    assert (str(order.quantity), str(order.avg_fill_price)) == ("10", "82.65")


@given(st.decimals("-1e25", "1e25", places=12), st.datetimes(timezones=st.just(UTC)))
def test_a_typed_read_makes_the_value_that_a_plain_question_gives(empty, number, moment):
    """To the last digit and in the same writing, though one comes as text or whole numbers and the other as an object."""
    for value, kind in ((number, "decimal(38,12)"), (moment, "timestamptz")):
        form = next(form for form in store_module.FORMS if form.made is type(value))
        (plain, told), = empty.rows(f"select x, {form.sql.format('x')} from (select $x::{kind} as x)", x=value)

        assert repr(plain) == repr(form.read(told))
        assert form.read(told) == value


@pytest.mark.parametrize(("question", "kind"), [("orders", Order), ("fills", Fill), ("sized", SizedLine), ("marks", MarkLine)])
def test_typed_reads_are_the_rows_of_their_view(store, recorded, question, kind):
    """Value by value, whatever their types."""
    names = [item.name for item in fields(kind)]
    columns = ", ".join(f'"{name}"' for name in names)
    values = getattr(store, question)(recorded[0].run_id)

    assert values
    assert Counter(repr(tuple(getattr(one, name) for name in names)) for one in values) == Counter(
        map(repr, store.rows(f"select {columns} from {question}")))


def test_decisions_come_in_the_order_in_which_they_are_asked_for(store, recorded):
    """With one question; one that is not recorded is named."""
    _, taken, later, other = recorded

    assert store.snapshots_of([later.snapshot_id, taken.snapshot_id]) == (later, taken)
    assert store.snapshots_of([]) == ()
    with pytest.raises(NotRecorded, match="snapshot s0 is not recorded"):
        store.snapshots_of([other.snapshot_id, "s0"])


def test_what_is_read_together_is_of_one_state(tmp_path, folder, recorded, monkeypatch):
    """The file is opened once, and nobody writes in between; afterwards both are as ever."""
    asked, *_ = recorded
    path = tmp_path / "workbench.duckdb"
    store, writer = Store(path), Store(path, wait=0.05)
    store.index(folder)
    opened_to_read = counted(monkeypatch, access, "_connect")
    with store.together("a gathering"):
        before = store.orders(asked.run_id), store.fills(asked.run_id)
        with pytest.raises(StoreBusy, match="a gathering"), writer.atomic():
            pass
        assert (store.orders(asked.run_id), store.fills(asked.run_id)) == before

    assert len(opened_to_read) == 1
    assert writer.index(folder).files == 0


# Plain questions


def test_a_frame_is_pandas(store):
    """With parameters by name, dates as dates and numbers as floats."""
    frame = store.frame("select symbol, filled_quantity, last_status_at from orders where side = $side order by 1", side="BUY")

    assert list(frame["symbol"]) == ["ALFA", "BETA"]
    assert frame["filled_quantity"].sum() == 10.0
    assert str(frame["last_status_at"].dt.tz) == "UTC"


def test_rows_are_exact(store):
    """Decimals, columns by name, and an empty answer with its columns."""
    rows = store.rows("select symbol, avg_fill_price from orders where symbol = $name", name="ALFA")
    none = store.rows("select symbol, avg_fill_price from orders where symbol = 'NONE'")

    assert (rows.columns, rows.rows) == (("symbol", "avg_fill_price"), (("ALFA", Decimal("82.65")),))
    assert (none.columns, len(none)) == (("symbol", "avg_fill_price"), 0)


@pytest.mark.parametrize("statement", [
    "delete from events", "insert into migrations values (9, 'x')", "update runs set mode = 'live'", "drop view orders",
    "create table mine (x integer)", "copy events to 'out.csv'", "attach 'other.db'", "set threads = 1", "install httpfs",
    "select 1; select 2", "", "begin"])
def test_a_statement_that_changes_anything_is_refused(store, empty, statement):
    """In the file and in memory alike."""
    for question in (store.rows, empty.rows, empty.frame):
        with pytest.raises(BadInput, match="only one statement, and one that reads"):
            question(statement)


def test_an_explain_that_writes_leaves_nothing_behind(empty):
    """A store in memory can't be opened to read alone; what a question did is undone."""
    empty.rows("explain analyze insert into migrations values (9, 'x')")

    assert empty.rows("select count(*) from migrations where number = 9").rows == ((0,),)


@pytest.mark.parametrize(("statement", "problem"), [
    ("select nothing from orders", "nothing"), ("selec 1", "syntax"), ("select $a", "a"), ("select * from frame", "frame"),
    ("select * from read_csv('/etc/passwd')", "file system operations are disabled")])
def test_a_wrong_question_is_answered_with_its_mistake(store, statement, problem):
    """In our own error, with the statement; a local variable is no table, and other files are not read."""
    frame = [1, 2]
    with pytest.raises(BadInput, match=problem) as caught:
        store.rows(statement)

    assert caught.value.where == statement
    assert frame


def test_counts_name_every_table(store):
    """How many rows each has."""
    counts = store.counts()

    assert list(counts) == list(store_module.TABLES)
    assert (counts["snapshots"], counts["intents"], counts["events"], counts["bad_lines"]) == (3, 4, 15, 0)


def test_a_duckdb_that_rounds_is_refused(tmp_path, monkeypatch):
    """Before 2.0 a number in JSON passed through a double: money would be wrong in silence."""
    monkeypatch.setattr("duckdb.__version__", "1.5.6")
    for path in (":memory:", tmp_path / "workbench.duckdb"):
        with pytest.raises(MissingTool, match=r"DuckDB 2\.0 or newer \(here is 1\.5\.6, which rounds numbers\) is not installed"):
            Store(path).runs()


# Before there is anything


def test_a_store_that_is_not_there_is_empty(tmp_path):
    """Questions are answered, nothing is created by asking, and unknown things raise as ever."""
    store = Store(tmp_path / "project" / "data" / "workbench.duckdb")

    assert store.runs() == store.snapshots() == store.bad_lines() == ()
    assert store.rows("select * from orders").rows == ()
    assert store.frame("select * from fills").empty
    assert set(store.counts().values()) == {0}
    with pytest.raises(NotRecorded):
        store.orders("r0")
    assert not (tmp_path / "project").exists()


def test_nothing_else_is_left_beside_the_store(store, folder):
    """The data, the file, its lock: no temporary file, no write-ahead log."""
    assert {path.name for path in folder.iterdir()} == {
        "snapshots", "intents", "params", "runs", "workbench.duckdb", "workbench.duckdb.lock"}
    assert {path.name for path in (folder / "workbench.duckdb.lock").iterdir()} <= {"turn", "hold", "rebuild.duckdb.lock"}


# Batches


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path, folder, recorded):
    """What a batch indexed is seen inside it, and gone when it fails."""
    store = Store(tmp_path / "workbench.duckdb")
    seen = []

    def stop_in_the_middle():
        with store.atomic():
            store.index(folder)
            seen.append(store.counts()["snapshots"])
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stop_in_the_middle()

    assert seen == [3]
    assert store.counts()["snapshots"] == 0

    with store.atomic() as batch:
        batch.index(folder)

    assert store.counts()["snapshots"] == 3


def test_batches_may_be_nested(folder, recorded):
    """The outer one decides."""
    store = Store(":memory:")
    with store.atomic(), store.atomic():
        store.index(folder)

    assert store.counts()["snapshots"] == 3


# Migrations


def test_every_step_is_recorded_under_its_number_and_name(store):
    """In order, without gaps."""
    rows = store.rows("select number, name from migrations order by number").rows

    assert rows == tuple((step.number, step.name) for step in migrations.MIGRATIONS)
    assert [number for number, _ in rows] == list(range(1, migrations.CURRENT + 1))


def test_a_store_of_a_later_version_is_refused(tmp_path, folder, recorded):
    """For reading and for writing, with the remedy."""
    path = tmp_path / "workbench.duckdb"
    store = Store(path)
    store.index(folder)
    with opened(path, None) as connection:
        connection.execute("insert into migrations values (99, 'tomorrow')")
    for question in (store.runs, lambda: store.index(folder), lambda: store.rows("select 1")):
        with pytest.raises(BadInput, match=r"the store is at version 99.*use the newer workbench"):
            question()


def test_an_earlier_store_is_brought_up_to_date_by_its_first_reader(tmp_path, monkeypatch):
    """A reader can't take the steps itself, so it becomes a writer first."""
    path = tmp_path / "workbench.duckdb"
    with opened(path, None) as connection, monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[:1])
        migrations.migrate(connection, "")

    assert Store(path).rows("select count(*) from orders").rows == ((0,),)
    assert Store(path).rows("select max(number) from migrations").rows == ((migrations.CURRENT,),)


def test_every_view_can_be_asked_and_none_is_stored(empty):
    """Folds are views: nothing in them can go stale."""
    views = {row[0] for row in empty.rows("select view_name from duckdb_views() where not internal")}

    assert views == {line.split()[2] for line in folds.VIEWS.splitlines() if line.startswith("create view")}
    for view in sorted(views):
        assert len(empty.rows(f"select * from {view}")) == 0


def test_money_is_decimal_instants_have_a_zone_and_no_column_keeps_our_clock(empty):
    """The columns' types, read from the store: a rebuild gives the same rows, so no default is a clock."""
    rows = empty.rows("select table_name, column_name, data_type, column_default from duckdb_columns() "
                      "where not internal and table_name not in ('migrations')").rows

    assert not [row for row in rows if row[2] in ("DOUBLE", "FLOAT", "REAL", "TIMESTAMP")]
    assert {row[2] for row in rows if row[2].startswith("DECIMAL")} == {"DECIMAL(38,12)"}
    assert {row[2] for row in rows if row[1].endswith("_at")} == {"TIMESTAMP WITH TIME ZONE"}
    assert {row[3] for row in rows} == {None}


# Rebuilding


def test_a_rebuilt_store_is_the_same_row_for_row(store, folder):
    """Every table and view, the ledger of files too."""
    before = contents(store, (*TABLES, *VIEWS))
    read = store.rebuild(folder)

    assert contents(store, (*TABLES, *VIEWS)) == before
    assert (read.files, read.bad) == (10, 0)


def test_a_store_in_memory_is_rebuilt_too(folder, recorded):
    """From nothing, and over what it held."""
    store = Store(":memory:")
    store.rebuild(folder)
    before = contents(store)
    store.rebuild(folder)

    assert contents(store) == before


def test_the_old_store_stays_until_the_new_one_is_whole(tmp_path, folder, recorded, monkeypatch):
    """A rebuild that fails changes nothing and leaves nothing behind."""
    store = Store(tmp_path / "workbench.duckdb")
    store.index(folder)

    def fail(*given):
        raise RuntimeError("out of paper")

    monkeypatch.setattr(store_module, "_fill", fail)
    with pytest.raises(RuntimeError, match="out of paper"):
        store.rebuild(folder)

    assert store.counts()["snapshots"] == 3

    monkeypatch.undo()
    store.rebuild(folder)               # over what the failed one left

    assert store.counts()["snapshots"] == 3
    assert {path.name for path in tmp_path.iterdir()} == {"workbench.duckdb", "workbench.duckdb.lock"}


def test_a_broken_store_is_said_to_be_one_and_made_again(tmp_path, folder, recorded):
    """It holds nothing that the files don't."""
    path = tmp_path / "workbench.duckdb"
    path.write_text("this is no database" * 1000)
    store = Store(path)
    for question in (store.runs, lambda: store.index(folder)):
        with pytest.raises(BadInput, match=r"not a store this workbench can open.*workbench store rebuild"):
            question()
    store.rebuild(folder)

    assert store.counts()["snapshots"] == 3


def test_a_write_ahead_log_of_the_old_store_is_not_applied_to_the_new(tmp_path, folder, recorded):
    """A killed writer leaves one behind; it tells of pages that are no longer there."""
    path = tmp_path / "workbench.duckdb"
    store = Store(path)
    store.index(folder)
    code = (f"import duckdb, os; c = duckdb.connect({str(path)!r}); "
            "c.execute(\"insert into bad_lines values ('x', 1, 'x', 'x')\"); os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", code], check=False)
    assert path.with_name("workbench.duckdb.wal").exists()
    assert [bad.file for bad in store.bad_lines()] == ["x"]         # read through the log, before anything wrote it back
    store.rebuild(folder)

    assert store.bad_lines() == ()


# Media


READER = """
import json, os, sys
from workbench.errors import WorkbenchError
from workbench.store import Store
warm = Store(":memory:")                    # everything is imported while this user may still read Python's own files
warm.index(sys.argv[2])
warm.runs()
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
store = Store(sys.argv[1])
told = [len(store.runs())]
for attempt in (store.index, store.rebuild):
    try:
        attempt(sys.argv[2])
    except WorkbenchError as error:
        told.append(str(error))
print(json.dumps(told))
"""


@pytest.fixture
def open_folder():
    """A folder that another user may enter; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_read_only_media_can_be_read_and_say_so_when_written(open_folder):
    """By a user who may not write there: questions are answered, and indexing is refused in plain words."""
    data = open_folder / "data"
    asked, _ = small_run(data)
    store = Store(data / "workbench.duckdb")
    store.index(data)
    queue(data, asked, state="failed")
    shutil.rmtree(data / "workbench.duckdb.lock")
    data.chmod(0o555)
    script = open_folder / "reader.py"
    script.write_text(READER)
    environment = {**os.environ, "PYTHONPATH": str(Path(store_module.__file__).parents[2])}
    answer = subprocess.run([sys.executable, script, data / "workbench.duckdb", data], capture_output=True, text=True,
                            env=environment, check=False)
    data.chmod(0o755)
    refusal = f"{data}: the folder is read-only, so nothing can be recorded in the store; make it writable, or work on a copy"

    assert answer.stderr == ""
    assert json.loads(answer.stdout) == [1, refusal, refusal]


def test_errors_pickle(store):
    """They cross process borders in batches."""
    with pytest.raises(NotRecorded) as caught:
        store.run("r0")

    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_store_says_what_it_is():
    """Where it lies."""
    assert repr(Store(":memory:")) == "Store(':memory:')"
