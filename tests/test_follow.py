"""A run followed while it is at work: the store a moment behind its journal, and what a person who looks on is shown."""

import contextlib
import os
import platform
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from standin_fixtures import lean  # noqa: F401 (a fixture)
from store_fixtures import MORNING, OPEN, Desk, decide, put, queue, request
from test_live import Trader

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.errors import BadInput, NotRecorded, StoreBusy
from workbench.running import records, stopping
from workbench.running.follow import LATE, Watcher, following, watch
from workbench.store import Store
from workbench.store.lock import Lock

LINES = 30
TESTS = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}

# A supervisor: it follows an attempt whose algorithm writes a line at a time, as live, and says when each was written.
WRITER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from store_fixtures import Desk
from workbench.running.follow import following
from workbench.store import Store

data, run_id, lines, pace = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
desk = Desk(data, run_id, mode="paper")
desk.journal.now = lambda: datetime.now(UTC)
with following(Store(data / "workbench.duckdb"), data, run_id, 1) as kept:
    desk.opened()
    time.sleep(0.5)                     # an engine takes longer to start
    for number in range(1, lines + 1):
        desk.order(number, f"s-ALFA.{number}", 10, "SUBMITTED")
        time.sleep(pace)
    time.sleep(2)
print(kept)
"""


@pytest.fixture
def traded(tmp_path):
    """A run on paper whose attempt has begun: two names decided, a run asked for, and its journal opened."""
    taken = decide(tmp_path, {"ALFA": "0.6", "BETA": "0.3"})
    asked = request(tmp_path, taken, mode="paper")
    queue(tmp_path, asked, state="running")
    desk = at_work(Desk(tmp_path, asked.run_id, mode="paper"))
    desk.opened()
    yield asked, taken, desk
    desk.stop()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "workbench.duckdb")


def at_work(desk: Desk) -> Desk:
    """With the wall's clock, as live."""
    desk.journal.now = lambda: datetime.now(UTC)
    return desk


def until(what, seconds: float = 20.0):
    """What the question gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


# The store is kept up to date.

def test_another_process_sees_each_line_within_a_second(traded, tmp_path):
    """Line after line, ten a second: the age of each when a reader first finds it in the store, by the clock written in it.

    Nine in ten of them, since no file system promises all, in one of three days, since machines are busy with other things.
    """
    days = []
    for _ in range(3):
        days.append(ages_of_a_day(tmp_path))
        assert len(days[-1]) == LINES
        assert days[-1][0] > 0
        if days[-1][LINES * 9 // 10 - 1] <= 1.0:
            return
    pytest.fail(f"a line was seen after so many seconds: {days}")


def ages_of_a_day(folder):
    """The ages of another run's lines at their first sight, in seconds, the youngest first."""
    run_id = f"r{secrets.token_hex(8)}"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder), run_id, str(LINES), "0.1"], env=ENVIRONMENT,
                          stdout=subprocess.PIPE, text=True) as writer:
        store, ages = Store(folder / "workbench.duckdb"), {}
        asked = "select order_id, recorded_at from events where kind = 'order' and run_id = $run"
        while writer.poll() is None and len(ages) < LINES:
            for order_id, written in store.rows(asked, run=run_id):
                ages.setdefault(order_id, (datetime.now(UTC) - written).total_seconds())
            time.sleep(0.05)
        said, _ = writer.communicate(timeout=60)

    assert said == "the store followed\n"
    return sorted(ages.values())


def test_lines_that_keep_coming_are_read_together(traded, tmp_path, store):
    """However rare the readings may be: the first is at once, the next at its turn, and the last at the end."""
    asked, _, desk = traded
    with following(store, tmp_path, asked.run_id, 1, every=3600):
        first = until(lambda: store.rows("select 1 from events where kind = 'opened'").rows)
        desk.rebalance()
        time.sleep(0.5)
        second = store.rows("select 1 from events where kind = 'rebalance'").rows

    assert first
    assert not second
    assert store.rebalances(asked.run_id)


def test_a_line_after_a_pause_is_read_at_once(traded, tmp_path, store):
    """Who waits for a fill does not wait for a turn."""
    asked, _, desk = traded
    with following(store, tmp_path, asked.run_id, 1, every=2):
        until(lambda: store.rows("select 1 from events where kind = 'opened'").rows)
        time.sleep(2.2)
        desk.rebalance()
        begun = time.monotonic()
        until(lambda: store.rows("select 1 from events where kind = 'rebalance'").rows)

        assert time.monotonic() - begun < 1.8


def test_status_and_repairs_are_followed_too(traded, tmp_path, store):
    """What a person is shown of the attempt, and what was found at the broker."""
    asked, taken, desk = traded
    ref = desk.sized(f"{taken.snapshot_id}-ALFA", 10)
    desk.order(1, ref, 10, "SUBMITTED")
    with following(store, tmp_path, asked.run_id, 1, every=0.05):
        assert until(lambda: store.rows("select 1 from attempts where state = 'running'").rows)
        queue(tmp_path, asked, state="stopped")
        repair = Desk(tmp_path, asked.run_id, mode="paper", name="repairs.jsonl")
        repair.order(1, ref, 10, "CANCELLED", event=False, inferred=True)
        repair.stop()

        assert until(lambda: store.rows("select 1 from attempts where state = 'stopped'").rows)
        assert until(lambda: store.rows("select 1 from orders where status = 'CANCELLED'").rows)


def test_what_goes_wrong_stops_nothing_and_is_said_at_the_end(traded, tmp_path):
    """Somebody holds the store all the while: the body runs on, and the warning says who, how often, and what to do."""
    asked, _, _ = traded
    store, done = Store(tmp_path / "workbench.duckdb", wait=0.05), []

    def be_at_work():
        with following(store, tmp_path, asked.run_id, 1, every=0.05) as kept:
            done.append(until(lambda: kept.times >= 2))

    with Lock(tmp_path / "workbench.duckdb", wait=1).held("a long errand", exclusive=True), \
            pytest.warns(RuntimeWarning, match="a long errand.*`workbench ingest` brings it up to date") as said:
        be_at_work()

    assert done == [True]
    assert asked.run_id in str(said[0].message)


def test_trouble_that_passed_is_said_as_such(traded, tmp_path):
    """The store was busy for a while and has everything now."""
    asked, _, _ = traded
    store = Store(tmp_path / "workbench.duckdb", wait=0.05)
    busy = contextlib.ExitStack()

    def be_at_work():
        with busy, following(store, tmp_path, asked.run_id, 1, every=0.05) as kept:
            until(lambda: kept.times)
            busy.close()
            until(lambda: not kept.behind)

    busy.enter_context(Lock(tmp_path / "workbench.duckdb", wait=1).held("a short errand", exclusive=True))
    with pytest.warns(RuntimeWarning, match=r"StoreBusy.*the store has caught up since"):
        be_at_work()
    assert store.rows("select 1 from events where kind = 'opened'").rows


def test_the_bodys_own_error_passes_and_the_store_has_all_there_was(traded, tmp_path, store):
    """An engine that fails leaves its last lines in the store."""
    asked, _, desk = traded

    def fail():
        with following(store, tmp_path, asked.run_id, 1, every=3600):
            desk.rebalance()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(store.rebalances(asked.run_id, attempt=1)) == 1


def test_a_store_of_another_folder_is_refused(traded, tmp_path):
    """Before anything is run: it would take the files of this one for foreign ones, and copy them."""
    asked, _, _ = traded
    for store in (Store(tmp_path / "elsewhere" / "workbench.duckdb"), Store(":memory:")):
        with pytest.raises(BadInput, match=r"not the store of this data folder|a store in memory"):
            following(store, tmp_path, asked.run_id, 1).__enter__()


# Looking on.

def test_a_day_under_lean_is_watched_from_its_first_order_to_its_end(tmp_path, lean, monkeypatch):  # noqa: F811 (the fixture)
    """By another store than its supervisor's: sized, sent, at work, filled; with signs of life, and a clean end."""
    trader = Trader(tmp_path, lean, monkeypatch)
    trader.decide()
    run = trader.prepare()
    trader.stand(pace=900)
    supervising = threading.Thread(target=trader.execute, args=(run,))
    supervising.start()
    seen = list(watch(trader.desk.store, run.run_id, every=0.05))
    supervising.join()
    told = [{order.symbol: order.status for order in one.orders} for one in seen]
    at_work = [one for one in seen if one.state == "running" and one.told]

    assert "SUBMITTED" in {status for statuses in told for status in statuses.values()}
    assert at_work[0].ended == 0
    assert at_work[0].silent < timedelta(seconds=20)
    assert any("OrderEvent" in line for one in at_work for line in one.log)
    assert seen[-1].state == "completed"
    assert told[-1] == dict.fromkeys(("ALFA", "BETA", "DELT"), "FILLED")
    assert {order.symbol: order.filled for order in seen[-1].orders} == trader.held
    assert files.read_json(tmp_path / "data" / "runs" / run.run_id / "1" / "differences.json")["none"] is True


def test_each_order_is_shown_with_how_far_it_is(traded, tmp_path, store):
    """One filled in part, one sized and waiting, one refused; the account when it was sized; what was heard last, and when."""
    asked, taken, desk = traded
    desk.rebalance()
    alfa = desk.sized(f"{taken.snapshot_id}-ALFA", 10)
    beta = desk.sized(f"{taken.snapshot_id}-BETA", -5, held=5)
    gama = desk.sized(f"{taken.snapshot_id}-GAMA", 7)
    desk.line("blocked", order_intent_id=gama.removesuffix(".1"), symbol="GAMA", rule="too_late", cut=Decimal(7),
              detail="after 09:28")
    desk.order(1, alfa, 10, "SUBMITTED")
    desk.order(1, alfa, 10, "PARTIALLY_FILLED", fill=4, price="82.5")
    desk.order(1, alfa, 10, "PARTIALLY_FILLED", fill=2, price="83")
    desk.line("blocked", order_intent_id=alfa.removesuffix(".1"), symbol="ALFA", rule="not_cancelled", cut=None, detail=alfa)
    store.index(tmp_path)
    seen = Watcher(store, asked.run_id[:6]).look()
    one, two = seen.orders

    assert (one.order_ref, one.order_id, one.symbol, one.side, one.quantity, one.filled) == (alfa, "1", "ALFA", "BUY", 10, 6)
    assert (one.status, one.last, one.share_filled) == ("PARTIALLY_FILLED", "partially filled, 2 at 83", Decimal("0.6"))
    assert one.average_price == (Decimal(496) / 6).quantize(Decimal("1e-12"))
    assert timedelta(0) <= one.age < timedelta(seconds=60)
    assert (two.order_ref, two.order_id, two.side, two.status, two.last) == (beta, None, "SELL", "NEW", "sized, not sent yet")
    assert [(row.symbol, row.rule, row.detail) for row in seen.refused] == [("GAMA", "too_late", "after 09:28")]
    assert [(row.symbol, row.rule, row.detail) for row in seen.left] == [("ALFA", "not_cancelled", alfa)]
    assert (seen.told, seen.ended, seen.state, seen.over) == (2, 0, "running", False)
    assert (seen.equity, seen.cash, seen.valued_at) == (Decimal("100000.25"), 100000, MORNING)
    assert seen.silent < timedelta(seconds=60)


def test_what_was_sent_and_never_heard_of_is_shown_as_pending(traded, tmp_path, store):
    """The line that is written before each send has no order id yet; once the engine tells of the order it is the same one."""
    asked, taken, desk = traded
    ref = desk.sized(f"{taken.snapshot_id}-ALFA", 10)
    desk.order(None, ref, 10, "PENDING_SUBMIT", event=False)
    store.index(tmp_path)
    before = Watcher(store, asked.run_id).look()
    desk.order(1, ref, 10, "SUBMITTED")
    store.index(tmp_path)
    after = Watcher(store, asked.run_id).look()

    assert [(order.order_ref, order.status) for order in before.orders] == [(ref, "PENDING_SUBMIT")]
    assert [(order.order_ref, order.order_id, order.status) for order in after.orders] == [(ref, "1", "SUBMITTED")]


def test_all_attempts_of_a_day_are_one_story(traded, tmp_path, store):
    """What was sized in the first attempt and sent in the second waits no longer."""
    asked, taken, desk = traded
    ref = desk.sized(f"{taken.snapshot_id}-ALFA", 10)
    desk.stop()
    queue(tmp_path, asked, attempt=1, state="failed")
    queue(tmp_path, asked, attempt=2, state="running")
    again = at_work(Desk(tmp_path, asked.run_id, attempt=2, mode="paper"))
    again.opened()
    again.order(1, ref, 10, "SUBMITTED")
    again.stop()
    store.index(tmp_path)
    seen = Watcher(store, asked.run_id).look()

    assert seen.attempt.attempt == 2
    assert [(order.attempt, order.order_ref, order.order_id) for order in seen.orders] == [(2, ref, "1")]


def test_a_backtest_is_shown_before_it_is_closed_and_has_no_ages(tmp_path, store):
    """It counts only once it is complete, and its clock is not ours; who looks on is shown the attempt that is at work."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    asked = request(tmp_path, taken)
    queue(tmp_path, asked, state="running")
    desk = Desk(tmp_path, asked.run_id)
    desk.opened()
    desk.order(1, desk.sized(f"{taken.snapshot_id}-ALFA", 10), 10, "FILLED", fill=10)
    desk.journal._file.flush()
    store.index(tmp_path)
    seen = Watcher(store, asked.run_id).look()

    assert [(order.status, order.age, order.heard_at) for order in seen.orders] == [("FILLED", None, None)]
    assert seen.ended == 1
    desk.stop()


def test_those_at_work_come_before_those_that_ended_where_there_are_many(traded, tmp_path, store):
    """At most as many as asked for, and the count of all."""
    asked, taken, desk = traded
    for number in range(1, 21):
        desk.order(number, f"{taken.snapshot_id}-ALFA.{number}", 10, "SUBMITTED", at=OPEN + timedelta(minutes=number))
        if number > 3:
            desk.order(number, f"{taken.snapshot_id}-ALFA.{number}", 10, "FILLED", fill=10, at=OPEN + timedelta(minutes=number))
    store.index(tmp_path)
    seen = Watcher(store, asked.run_id, most=5).look()

    assert [order.order_id for order in seen.orders] == ["1", "2", "3", "19", "20"]
    assert (seen.told, seen.ended) == (20, 17)


def test_it_ends_with_the_run_and_gives_the_last_state(traded, tmp_path, store):
    """With the lines that were written last, though nobody has read them into the store."""
    asked, taken, desk = traded
    ref, seen = desk.sized(f"{taken.snapshot_id}-ALFA", 10), []
    desk.order(1, ref, 10, "SUBMITTED")
    for state in watch(store, asked.run_id, every=0.01):
        seen.append(state)
        if len(seen) == 2:
            desk.order(1, ref, 10, "FILLED", fill=10)
            desk.close()
            queue(tmp_path, asked, state="completed")

    assert [state.state for state in seen] == ["running", "running", "completed"]
    assert [order.status for order in seen[-1].orders] == ["FILLED"]
    assert (seen[-1].over, seen[-1].ended) == (True, 1)


def test_what_nobody_reads_in_is_read_in_by_who_looks(traded, tmp_path, store):
    """The follower was killed, or there never was one: after two seconds, and not before."""
    asked, taken, desk = traded
    desk.order(1, desk.sized(f"{taken.snapshot_id}-ALFA", 10), 10, "SUBMITTED")
    watcher = Watcher(store, asked.run_id)
    at_once = watcher.look()
    long_ago = time.time() - 2 * LATE
    os.utime(desk.path, (long_ago, long_ago))

    assert at_once.orders == ()
    assert [order.status for order in watcher.look().orders] == ["SUBMITTED"]


def test_nothing_is_asked_of_a_store_that_has_not_changed(traded, tmp_path):
    """The next look needs no lock: it is the files' stamps and the clock."""
    asked, taken, desk = traded
    desk.order(1, desk.sized(f"{taken.snapshot_id}-ALFA", 10), 10, "SUBMITTED")
    store = Store(tmp_path / "workbench.duckdb", wait=2)
    long_ago = time.time() - 2 * LATE
    os.utime(desk.path, (long_ago, long_ago))
    store.index(tmp_path)
    watcher = Watcher(store, asked.run_id)
    first = watcher.look()
    with Lock(tmp_path / "workbench.duckdb", wait=1).held("a long errand", exclusive=True):
        second = watcher.look()
        with pytest.raises(StoreBusy, match="a long errand"):
            Watcher(Store(store.path, wait=0.05), asked.run_id).look()

    assert [replace(order, age=None) for order in second.orders] == [replace(order, age=None) for order in first.orders]
    assert second.orders[0].age > first.orders[0].age


def test_a_process_that_is_gone_is_said_to_be(traded, tmp_path, store):
    """The status says that it runs, and its supervisor was killed: nothing more comes, and nobody waits for it."""
    asked, _, _ = traded
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        killed.wait()
    status = queue(tmp_path, asked, state="running")
    records.save_attempt(tmp_path, replace(status, pid=os.getpid(), host=platform.node()))
    alive = Watcher(store, asked.run_id).look()
    records.save_attempt(tmp_path, replace(status, pid=killed.pid, host=platform.node()))
    gone = list(watch(store, asked.run_id, every=0.01))
    records.save_attempt(tmp_path, replace(status, pid=killed.pid, host="another-machine"))

    assert (alive.state, alive.over) == ("running", False)
    assert [(one.state, one.over) for one in gone] == [("gone", True)]
    assert Watcher(store, asked.run_id).look().state == "running"


def test_who_stops_it_is_said(traded, tmp_path, store):
    """While its orders are being cancelled, whoever looks on sees why."""
    asked, _, desk = traded
    before = Watcher(store, asked.run_id).look().stop
    stopping.write_stop_file(desk.path.parent, by="a person", why="fat finger", at=MORNING)

    assert before is None
    assert Watcher(store, asked.run_id).look().stop == "stopped by a person at 2020-03-02T14:00:00Z: fat finger"


def test_signs_of_life_are_what_the_engine_writes(traded, tmp_path, store):
    """Its journal, what it prints, and the charts that Lean renews every minute; not what its supervisor writes."""
    asked, _, desk = traded
    place = desk.path.parent
    put(place / "log.txt", "".join(f"20200302 14:00:{n:02}.000 TRACE:: line {n}\n" for n in range(40)))
    put(place / "results" / "r-1-2020-03-02_minute.json", "{}")
    moments = {"journal.jsonl": 50, "log.txt": 40, "results/r-1-2020-03-02_minute.json": 30, "status.json": 0}
    now = time.time()
    for name, age in moments.items():
        os.utime(place / name, (now - age, now - age))
    seen = Watcher(store, asked.run_id, lines=3).look()

    assert timedelta(seconds=29) < seen.silent < timedelta(seconds=39)
    assert seen.log == tuple(f"20200302 14:00:{n}.000 TRACE:: line {n}" for n in (37, 38, 39))


def test_of_a_long_log_only_whole_lines_are_shown(traded, tmp_path, store):
    """The end of it is read, and the line that it begins within is left out."""
    asked, _, desk = traded
    put(desk.path.parent / "log.txt", "".join(f"{n} {'x' * 500}\n" for n in range(1000)))
    seen = Watcher(store, asked.run_id, lines=10**6).look()

    assert 20 < len(seen.log) < 40
    assert all(len(line) > 500 for line in seen.log)
    assert seen.log[-1].startswith("999 ")


def test_a_run_that_never_started_and_one_that_is_not_there(tmp_path, store):
    """The first waits; the second raises."""
    asked = request(tmp_path, decide(tmp_path, {"ALFA": "0.5"}), mode="paper")
    seen = Watcher(store, asked.run_id).look()

    assert (seen.state, seen.over, seen.orders, seen.silent) == ("not started", False, (), None)
    with pytest.raises(NotRecorded, match="run 'r0123'"):
        next(watch(store, "r0123"))
    with pytest.raises(BadInput, match="a store in memory"):
        Watcher(Store(":memory:"), asked.run_id)


def test_an_attempt_without_a_line_yet_is_shown_as_it_is(tmp_path, store):
    """Queued: nothing sent, nothing written."""
    asked = request(tmp_path, decide(tmp_path, {"ALFA": "0.5"}), mode="paper")
    status = queue(tmp_path, asked, state="queued")
    put(tmp_path / "runs" / asked.run_id / "1" / "lean.json", to_json({"parameters": {}}))
    seen = Watcher(store, asked.run_id).look()

    assert (seen.attempt, seen.orders, seen.alive_at, seen.equity, seen.log) == (status, (), None, None, ())
    assert repr(seen) == f"RunProgress({asked.run_id}, queued, 0 of 0 orders ended)"
