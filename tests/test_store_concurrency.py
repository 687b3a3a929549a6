"""One writer and many readers, all at once, in processes of their own; and a writer killed in the middle of a batch."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from store_fixtures import contents, decide, small_run

from workbench.store import Store

TESTS = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}

WRITER = """
import sys, time
from pathlib import Path
from store_fixtures import Desk
from workbench.store import Store

data, seconds = Path(sys.argv[1]), float(sys.argv[2])
store, until, batches = Store(data / "workbench.duckdb"), time.monotonic() + seconds, 0
while time.monotonic() < until or batches < 2:      # a slow machine takes longer; who waits in vain never ends
    desk = Desk(data, f"r{batches:016x}")
    for number in range(1, 26):
        desk.order(number, f"s-ALFA.{number}", 10, "SUBMITTED")
        desk.order(number, f"s-ALFA.{number}", 10, "FILLED", fill=10)
    desk.close()
    batches += 1
    read = store.index(data) if batches % 2 else store.ingest(desk.path)
    assert read.bad == 0, read
print(batches)
"""

READER = """
import sys, time
from pathlib import Path
from workbench.errors import NotRecorded
from workbench.store import Store

data, seconds, turn = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
store, until, seen, reads = Store(data / "workbench.duckdb"), time.monotonic() + seconds, 0, 0
while time.monotonic() < until or reads < 2:
    match (turn + reads) % 3:
        case 0:
            count = store.counts()["events"]
        case 1:
            count = int(store.frame("select count(*) as n from events")["n"][0])
        case 2:
            try:
                assert len(store.orders(f"r{0:016x}")) == 25
                assert sum(fill.quantity for fill in store.fills(f"r{0:016x}")) == 250
            except NotRecorded:
                assert seen == 0
            count = store.rows("select count(*) from events").rows[0][0]
    assert count >= seen, (count, seen)
    assert count % 51 == 0, count                   # a journal is there whole or not at all
    seen, reads = count, reads + 1
print(reads, seen)
"""


def run_together(data: Path, seconds: float) -> tuple[int, list[tuple[int, int]]]:
    """One writer and six readers for so long: batches written, and for each reader its reads and the last count."""
    def start(code: str, *given: object) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", code, data, *map(str, given)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)

    readers = [start(READER, seconds, turn) for turn in range(6)]
    writer = start(WRITER, seconds)
    told = []
    for process in (writer, *readers):
        out, err = process.communicate(timeout=seconds + 60)
        assert process.returncode == 0, err
        told.append([int(word) for word in out.split()])
    return told[0][0], [(reads, seen) for reads, seen in told[1:]]


def check_together(data: Path, seconds: float) -> None:
    batches, readers = run_together(data, seconds)

    assert batches > 1
    assert all(reads > 1 for reads, _ in readers)
    assert any(seen > 0 for _, seen in readers)
    store = Store(data / "workbench.duckdb")
    assert store.counts()["events"] == batches * 51
    assert store.rows("select count(*), sum(filled_quantity) from orders").rows == ((batches * 25, batches * 250),)


def test_one_writer_and_six_readers_get_along(tmp_path):
    """Five seconds: no lock error, nobody waits in vain, and each sees counts that never decrease."""
    check_together(tmp_path, 5)


@pytest.mark.slow
def test_one_writer_and_six_readers_get_along_for_a_minute(tmp_path):
    """The same for sixty seconds."""
    check_together(tmp_path, 60)


KILLED = """
import os, signal, sys
from pathlib import Path
from workbench.store import Store, ingest

batches = int(sys.argv[2])
load = ingest.load

def load_and_die(connection, path, table, rows):
    global batches
    done = load(connection, path, table, rows)
    batches -= 1
    if not batches:
        os.kill(os.getpid(), signal.SIGKILL)
    return done

ingest.load = load_and_die
Store(Path(sys.argv[1]) / "workbench.duckdb").index(sys.argv[1])
"""


@pytest.mark.parametrize("step", [2, 5])
def test_a_writer_killed_in_the_middle_of_a_batch_loses_nothing(tmp_path, step):
    """The store opens, its readers see the state before or after, and the next index has everything."""
    asked, _ = small_run(tmp_path)
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path, str(step)], env=ENVIRONMENT, check=False)
    store = Store(tmp_path / "workbench.duckdb", wait=5)
    fresh = Store(":memory:")
    fresh.index(tmp_path)

    assert killed.returncode == -signal.SIGKILL
    assert store.counts()["events"] in (0, 15)

    store.index(tmp_path)

    assert contents(store) == contents(fresh)
    assert len(store.fills(asked.run_id)) == 3


def test_a_writer_killed_again_and_again_loses_nothing(tmp_path):
    """Whenever it dies: each time a later moment of the same work, on the same store."""
    asked, _ = small_run(tmp_path)
    code = "import sys; from workbench.store import Store; Store(sys.argv[1] + '/workbench.duckdb').index(sys.argv[1])"
    for delay in (0.35, 0.45, 0.55):
        process = subprocess.Popen([sys.executable, "-c", code, tmp_path], env=ENVIRONMENT)
        time.sleep(delay)
        process.kill()
        process.wait()
        (tmp_path / "events").mkdir(exist_ok=True)
        name = tmp_path / "events" / f"{delay}.json"
        name.write_text(json.dumps([{"order_id": delay, "status": "new", "time": 1583159400}]).replace(str(delay), f'"{delay}"'))
        name.with_name(name.name + ".source.json").write_text(json.dumps(
            {"schema": "source/1", "source": "broker", "run_id": asked.run_id, "attempt": 1, "format": "plain"}))
    store, fresh = Store(tmp_path / "workbench.duckdb", wait=5), Store(":memory:")
    store.index(tmp_path)
    fresh.index(tmp_path)

    assert contents(store) == contents(fresh)
    assert store.counts()["events"] == 18


def test_threads_share_one_store(tmp_path):
    """A dashboard's threads ask while another indexes, all with the same object: each gets whole answers."""
    asked, _ = small_run(tmp_path)
    store, stop, wrong = Store(tmp_path / "workbench.duckdb"), threading.Event(), []
    store.index(tmp_path)

    def ask():
        while not stop.is_set():
            answer = (len(store.orders(asked.run_id)), int(store.frame("select count(*) as n from fills")["n"][0]))
            if answer != (3, 3):
                wrong.append(answer)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(4):
            decide(tmp_path, {"ALFA": f"0.{number}1"})
            assert store.index(tmp_path).files == 2
    finally:
        stop.set()
        for thread in threads:
            thread.join()

    assert wrong == []
    assert store.counts()["snapshots"] == 5
