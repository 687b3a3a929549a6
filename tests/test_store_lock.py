"""The queue before the store: many readers or one writer, nobody starved, and whoever is in the way is named."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from store_fixtures import decide, put

from workbench.errors import StoreBusy
from workbench.store import Store
from workbench.store.lock import Lock

HOLD = """
import sys, time
from pathlib import Path
from workbench.store.lock import Lock
with Lock(Path(sys.argv[1]), wait=5).held(sys.argv[2], exclusive=sys.argv[3] == "alone"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def database(tmp_path):
    return tmp_path / "workbench.duckdb"


@pytest.fixture
def holder(database):
    """Start a process that holds the lock, and end it afterwards."""
    started = []

    def hold(errand: str, how: str) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", HOLD, database, errand, how], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def refuse(database: Path, *, exclusive: bool, wait: float = 0.1) -> StoreBusy:
    """The error of one who waits in vain."""
    with pytest.raises(StoreBusy) as caught, Lock(database, wait=wait).held("mine", exclusive=exclusive):
        pass
    return caught.value


def test_a_writer_is_alone(database, holder):
    """Neither readers nor writers beside it."""
    holder("index files", "alone")

    assert refuse(database, exclusive=True)
    assert refuse(database, exclusive=False)


def test_readers_read_together(database, holder):
    """But no writer comes in."""
    holder("orders of r1", "together")
    with Lock(database, wait=1).held("mine", exclusive=False):
        assert refuse(database, exclusive=True)


def test_the_holder_is_named(database, holder):
    """Process, host, errand and since when; then how long we waited."""
    process = holder("index files", "alone")
    error = refuse(database, exclusive=False)

    assert error.holder.startswith(f"process {process.pid} on {socket.gethostname()} (index files, since 20")
    assert 0.1 <= error.waited < 5
    assert str(error).startswith(f"{database} has been locked for 0 s by process {process.pid} on")
    assert error.exit_code == 8


def test_several_readers_are_counted(database, holder):
    """The longest reader is named, the others are a number."""
    first = holder("orders of r1", "together")
    time.sleep(1.1)                     # notes tell whole seconds
    holder("fills of r2", "together")
    error = refuse(database, exclusive=True)

    assert error.holder.startswith(f"process {first.pid} on")
    assert error.holder.endswith("and 1 more")


def test_the_store_s_own_calls_name_the_holder(database, holder):
    """A question, a batch and a rebuild wait for the same lock."""
    decide(database.parent, {"ALFA": "0.5"})
    Store(database).index(database.parent)
    process = holder("index files", "alone")
    store, events = Store(database, wait=0.1), put(database.with_name("list.json"), '[{"order_id":1,"status":"new","time":1}]')
    for question in (store.runs, lambda: store.ingest(events, run_id="r1"), lambda: store.rebuild(database.parent)):
        with pytest.raises(StoreBusy, match=f"by process {process.pid} on"):
            question()


def test_a_killed_holder_is_in_nobody_s_way(database, holder):
    """The kernel frees its lock, and its note is swept away."""
    process = holder("index files", "alone")
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock = Lock(database, wait=5)
    with lock.held("mine", exclusive=True):
        assert len(lock.holders()) == 1
        assert f"process {os.getpid()} on" in lock.holders()[0]

    assert {path.name for path in lock.folder.iterdir()} == {"turn", "hold"}


def test_threads_wait_for_each_other(database):
    """One process's threads are strangers to one another."""
    order = []
    entered = threading.Event()

    def write():
        with Lock(database, wait=5).held("first", exclusive=True):
            entered.set()
            time.sleep(0.1)
            order.append("first")

    thread = threading.Thread(target=write)
    thread.start()
    entered.wait()
    with Lock(database, wait=5).held("second", exclusive=True):
        order.append("second")
    thread.join()

    assert order == ["first", "second"]


def test_a_forked_child_holds_nothing(database):
    """A child that outlives the batch its parent was in does not keep the store locked."""
    with Lock(database, wait=1).held("parent", exclusive=True):
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
    try:
        with Lock(database, wait=1).held("parent again", exclusive=True):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@contextmanager
def in_a_loop(database, threads, *, exclusive):
    """So many threads that take the lock again and again without a gap."""
    stop = threading.Event()

    def hold_again_and_again():
        while not stop.is_set():
            with Lock(database, wait=60).held("again", exclusive=exclusive):
                time.sleep(0.02)

    started = [threading.Thread(target=hold_again_and_again, daemon=True) for _ in range(threads)]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in started:
            thread.join()


def five_times(database, *, exclusive):
    """Seconds until the lock was had five times."""
    started = time.monotonic()
    for _ in range(5):
        with Lock(database, wait=3).held("mine", exclusive=exclusive):
            pass
    return time.monotonic() - started


def test_a_waiting_writer_stands_before_later_readers(database):
    """While one reader follows another without a gap, a writer still gets its turn."""
    with in_a_loop(database, 6, exclusive=False):
        assert five_times(database, exclusive=True) < 3


def test_a_busy_writer_does_not_starve_a_reader(database):
    """One batch follows another without a gap, and a reader still gets its turn."""
    with in_a_loop(database, 1, exclusive=True):
        assert five_times(database, exclusive=False) < 3


def test_another_program_s_lock_is_named_too(database):
    """DuckDB's own shell knows nothing of our queue; DuckDB's own lock says who it is."""
    decide(database.parent, {"ALFA": "0.5"})
    Store(database).index(database.parent)
    code = f"import duckdb, time; c = duckdb.connect({str(database)!r}); print('open', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "open\n"
        with pytest.raises(StoreBusy, match=rf"\(PID {process.pid}\)"):
            Store(database, wait=0.2).runs()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()

    assert Store(database, wait=5).runs() == ()
