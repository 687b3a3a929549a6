"""From files to tables: every form, whole, in halves, twice, broken, growing, changed and gone."""

import json
import os
import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_fixtures import (
    MORNING,
    OPEN,
    Desk,
    contents,
    decide,
    emptied,
    instrument,
    lean_event,
    lean_file,
    put,
    queue,
    request,
    small_run,
)

from workbench.algorithm.journal import to_json
from workbench.errors import BadInput
from workbench.store import Ingested, Store, ingest, survey

RUN = "r0123456789abcdef"
DOCUMENTS = ("snapshots", "snapshot_items", "intents", "params", "runs", "attempts")
EVENTS = ("events",)


@pytest.fixture(scope="module")
def kept():
    return Store(":memory:")


@pytest.fixture
def store(kept):
    return emptied(kept)


@pytest.fixture(scope="module")
def other_kept():
    return Store(":memory:")


@pytest.fixture
def other(other_kept):
    return emptied(other_kept)


def order_line(seq: int, order_id: int = 1, **more) -> str:
    """One order line of a journal, as text."""
    line = {
        "schema": "journal/1", "run_id": RUN, "attempt": 1, "seq": seq, "kind": "order", "occurred_at": OPEN,
        "recorded_at": OPEN, "order_ref": f"s-ALFA.{order_id}", "order_id": order_id, "event_id": seq, "symbol": "ALFA",
        "instrument_id": instrument("ALFA"), "type": "MARKET_ON_OPEN", "status": "FILLED", "quantity": Decimal(1),
        "fill_quantity": Decimal(1), "fill_price": Decimal("82.5"), "fee": Decimal(1), "currency": "USD",
    }
    return to_json(line | more)


def journal(folder: Path, text: str | bytes, *, attempt: int = 1, name: str = "journal.jsonl") -> Path:
    path = folder / "runs" / RUN / str(attempt) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def plain(**fields) -> dict:
    return {"order_id": 1, "status": "Filled", "filled": 10, "fill_price": 82.5, "time": "2020-03-02T14:30:00Z"} | fields


def refused(store: Store) -> list[tuple[str, int, str]]:
    return [(bad.file, bad.line, bad.reason) for bad in store.bad_lines()]


# Numbers


@given(st.lists(st.decimals(min_value=Decimal("-1e9"), max_value=Decimal("1e9"), places=12), min_size=1, max_size=30))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_arrive_with_every_digit(kept, tmp_path_factory, numbers):
    """A journal's Decimals are the store's Decimals: none passes through a double."""
    folder = tmp_path_factory.mktemp("data")
    journal(folder, "".join(order_line(n, n, quantity=number, limit_price=number, fee=number) + "\n"
                            for n, number in enumerate(numbers, start=1)))
    store = emptied(kept)
    store.index(folder)
    rows = store.rows("select quantity, limit_price, fee from events order by seq").rows

    assert [(number, number, number) for number in numbers] == list(rows)


@pytest.mark.parametrize("number", [
    "0.1", "82.764822", "123456.123456789012", "105.7437511194052926", "1e-7", "999999999.999999999999"])
def test_every_form_keeps_a_number_as_it_is_written(store, tmp_path, number):
    """Journal, Lean's file and a plain list, 12 decimals kept; the twelfth is rounded."""
    exact = Decimal(number).quantize(Decimal("1e-12")).normalize()
    journal(tmp_path, order_line(1, fill_price=Decimal(number)).replace(to_json(Decimal(number)), number) + "\n")
    lean_file(tmp_path, RUN, [lean_event(f"{RUN}-2", 1, 1, "filled", fill="1.0", price=number)], attempt=2)
    text = tmp_path / "list.json"
    text.write_text(f'[{{"order_id":1,"status":"Filled","filled":1,"fill_price":{number},"time":1583159400}}]')
    store.index(tmp_path)
    store.ingest(text, run_id=RUN, attempt=3)

    assert ((1, exact), (2, exact), (3, exact)) == store.rows("select attempt, fill_price from events order by 1").rows


def test_duckdb_alone_would_round(tmp_path):
    """Why lines are read as text: DuckDB's own reader takes a DECIMAL through a double. If it stops, `loading` may too."""
    import duckdb

    path = tmp_path / "numbers.jsonl"
    path.write_text('{"x":123456.123456789012}\n')
    (read,) = duckdb.sql(f"select x from read_json('{path}', columns={{x: 'DECIMAL(38,12)'}})").fetchall()
    (transformed,) = duckdb.sql("select json_transform(json, '{\"x\":\"DECIMAL(38,12)\"}').x "
                                f"from read_ndjson_objects('{path}')").fetchall()

    assert (Decimal("123456.123456789012"),) == transformed
    assert transformed != read


# Journals


def test_a_journal_is_read_without_its_seals(store, tmp_path):
    """Seals chain the lines; they tell of no event."""
    asked = request(tmp_path, decide(tmp_path, {"ALFA": "0.6"}), mode="paper")
    desk = Desk(tmp_path, asked.run_id, mode="paper")
    desk.opened()
    desk.close()

    assert Ingested(files=5, events=2, bad=0) == store.index(tmp_path)
    assert [event.kind for event in store.events(asked.run_id)] == ["opened", "closed"]


def test_a_torn_last_line_is_not_there_yet(store, tmp_path):
    """The writer is at work: the line counts once it has its end, and is not called bad before."""
    first, second = order_line(1), order_line(2, 2)
    path = journal(tmp_path, f"{first}\n{second[:40]}")

    assert store.index(tmp_path).events == 1
    assert refused(store) == []

    path.write_text(f"{first}\n{second}\n")

    assert store.index(tmp_path).events == 1
    assert store.index(tmp_path).files == 0


def test_a_last_line_without_its_end_is_not_there_yet_even_if_it_is_whole(store, tmp_path):
    """Its writer may be between the two; lines after it keep their numbers."""
    path = journal(tmp_path, f"{order_line(1)}\n{order_line(2, 2)}")

    assert store.index(tmp_path).events == 1

    path.write_text(f"{order_line(1)}\n{order_line(2, 2)}\nbad\n")

    assert store.index(tmp_path).events == 1
    assert refused(store) == [(f"runs/{RUN}/1/journal.jsonl", 3, "not JSON")]


def test_a_journal_that_was_emptied_tells_nothing(store, tmp_path):
    """It is not what was read; what else told of its run is read again."""
    path = journal(tmp_path, order_line(1) + "\n")
    lean_file(tmp_path, RUN, [lean_event(f"{RUN}-1", 1, 1, "filled", fill="1.0", price="82.5")])
    decide(tmp_path, {"ALFA": "0.5"})
    store.index(tmp_path)
    decide(tmp_path, {"BETA": "0.5"})
    path.write_text("")
    store.index(tmp_path)

    assert [event.writer for event in store.events(RUN)] == ["lean"]
    assert [order.filled_quantity for order in store.orders(RUN)] == [1]
    assert store.counts()["snapshots"] == 2


def test_only_what_is_new_of_a_growing_journal_is_read(store, tmp_path, monkeypatch):
    """The first lines are recognised by their digest and not parsed again."""
    path = journal(tmp_path, order_line(1) + "\n")
    store.index(tmp_path)
    read = []
    take = ingest.take
    monkeypatch.setattr(ingest, "take", lambda *given: read.extend(piece.read() for piece in given[3]) or take(*given))
    with path.open("a") as out:
        out.write(order_line(2, 2) + "\n")
    store.index(tmp_path)

    assert [order_line(2, 2).encode() + b"\n"] == read
    assert len(store.events(RUN)) == 2


def test_bad_lines_are_kept_with_their_number_and_the_rest_goes_on(store, tmp_path):
    """Each with its text and what is wrong; the good lines between them are read."""
    lines = [
        order_line(1), "{broken", "", order_line(2, currency="EUR"), order_line(3, 3).replace("journal/1", "journal/9"),
        order_line(4, fill_price=None), order_line(5).replace('"kind":"order"', '"kind":"rumour"'), "[1, 2]",
        order_line(6).replace(f'"seq":{6}', '"seq":"six"'), order_line(7, status=None), order_line(8, fee="free"),
        order_line(9, quantity=None), order_line(10, fill_quantity=Decimal(10**13)), order_line(11, 11),
        order_line(12).replace("2020-03-02T14:30:00Z", "infinity"), "\x00", order_line(13).replace("ALFA", "AL\x01FA"),
    ]
    path = journal(tmp_path, "\r\n".join(lines) + "\n")
    with path.open("ab") as out:
        out.write(order_line(14).encode().replace(b"ALFA", b"AL\xffFA") + b"\n")
    read = store.index(tmp_path)
    name = f"runs/{RUN}/1/journal.jsonl"

    assert (read.events, read.bad) == (2, 15)
    assert [event.seq for event in store.events(RUN)] == [1, 11]
    assert [
        (name, 2, "not JSON"),
        (name, 4, "currency EUR; only USD is traded"),
        (name, 5, "schema is not journal/1"),
        (name, 6, "a fill without a price"),
        (name, 7, "unknown kind rumour"),
        (name, 8, "schema is not journal/1"),
        (name, 9, "run_id, attempt, seq or occurred_at is missing or not what it should be"),
        (name, 10, "status is missing"),
        (name, 11, "fee is not a number"),
        (name, 12, "quantity or fill_quantity is not a number"),
        (name, 13, "a quantity or price beyond all measure"),
        (name, 15, "occurred_at is not of our age"),
        (name, 16, "not JSON"),
        (name, 17, "not JSON"),
        (name, 18, "not UTF-8"),
    ] == refused(store)
    assert store.bad_lines()[0].text == "{broken"


def test_bad_lines_of_the_later_part_have_their_own_numbers(store, tmp_path):
    """Lines are counted over the whole file, however often it was read."""
    path = journal(tmp_path, f"{order_line(1)}\nbad\n")
    store.index(tmp_path)
    with path.open("a") as out:
        out.write(f"{order_line(2, 2)}\nworse\n")
    store.index(tmp_path)

    assert [line for _, line, _ in refused(store)] == [2, 4]


def test_a_journal_longer_than_a_batch_is_read_in_several(store, other, tmp_path, monkeypatch):
    """Batch by batch, so that readers get a turn; the tables are the same."""
    monkeypatch.setattr(survey, "CHUNK", 100)
    text = "".join(order_line(n, n) + "\n" for n in range(1, 60)) + "bad\n" + order_line(60, 60) + "\n"
    journal(tmp_path, text)
    other.index(tmp_path)
    monkeypatch.setattr(ingest, "BATCH_BYTES", 2000)
    read = store.index(tmp_path)

    assert Ingested(files=1, events=60, bad=1) == read
    assert contents(other) == contents(store)


def test_a_line_may_be_longer_than_a_batch(store, tmp_path, monkeypatch):
    """A batch holds at least one line."""
    monkeypatch.setattr(survey, "CHUNK", 100)
    monkeypatch.setattr(ingest, "BATCH_BYTES", 50)
    journal(tmp_path, order_line(1) + "\n" + order_line(2, 2) + "\n")

    assert store.index(tmp_path).events == 2


def test_a_line_may_be_longer_than_duckdb_s_usual_room(store, tmp_path):
    """A message of 20 MB is a line too."""
    journal(tmp_path, order_line(1, message="x" * (20 << 20)) + "\n")

    assert store.index(tmp_path).events == 1


def test_a_changed_journal_is_read_again_with_everything_of_its_run(store, other, tmp_path):
    """Its lines are no longer what was read: what the store says is what the files say now."""
    path = journal(tmp_path, order_line(1) + "\n" + order_line(2, 2) + "\n")
    lean_file(tmp_path, RUN, [lean_event(f"{RUN}-1", 1, 1, "filled", fill="1.0", price="82.5")])
    store.index(tmp_path)
    path.write_text(order_line(1, message="changed") + "\n" + order_line(2, 2) + "\n")
    store.index(tmp_path)
    other.index(tmp_path)

    assert contents(other) == contents(store)
    assert [row[0] for row in store.rows("select message from events where message is not null")] == ["changed"]


@pytest.mark.parametrize("gone", [
    "snapshots/momentum/2020-03-02/{snapshot}.json", "intents/{snapshot}.json", "params/{params}.json", "runs/{run}/run.json",
    "runs/{run}/1/status.json", "runs/{run}/1/journal.jsonl", "runs/{run}/1/results/{run}-1-order-events.json", "runs/{run}"])
def test_what_is_gone_is_taken_out(store, other, tmp_path, gone):
    """The files are the truth: without one, the store is as if it had never been."""
    asked, taken = small_run(tmp_path)
    lean_file(tmp_path, asked.run_id, [lean_event(f"{asked.run_id}-1", 1, 2, "filled", fill="4.0", price="82.5")])
    store.index(tmp_path)
    path = tmp_path / gone.format(snapshot=taken.snapshot_id, params=asked.params_id, run=asked.run_id)
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    store.index(tmp_path)
    other.index(tmp_path)

    assert contents(other) == contents(store)


def test_an_unchanged_file_is_not_opened(store, tmp_path):
    """Size, time and inode are as they were; `verify` reads it all the same."""
    path = journal(tmp_path, order_line(1) + "\n")
    store.index(tmp_path)
    told = path.stat()
    path.write_text(order_line(9) + "\n")
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))

    assert store.index(tmp_path).files == 0
    assert store.index(tmp_path, verify=True).files == 1
    assert [event.seq for event in store.events(RUN)] == [9]


def test_a_touched_file_is_recognised_by_its_bytes(store, tmp_path):
    """A new time alone is no news, but is remembered."""
    small_run(tmp_path)
    store.index(tmp_path)
    before = contents(store, (*DOCUMENTS, *EVENTS))
    for path in tmp_path.rglob("*.json*"):
        os.utime(path, ns=(1, 1))

    assert Ingested(files=6, events=0, bad=0) == store.index(tmp_path)
    assert before == contents(store, (*DOCUMENTS, *EVENTS))
    assert store.index(tmp_path).files == 0


def test_a_status_is_replaced_by_what_it_says_now(store, tmp_path):
    """It is rewritten in place as the attempt goes on; the same size and second are no hiding place."""
    asked = request(tmp_path, decide(tmp_path, {"ALFA": "0.6"}))
    for state in ("queued", "failed"):
        queue(tmp_path, asked, state=state)
        store.index(tmp_path)

    assert [attempt.state for attempt in store.attempts(asked.run_id)] == ["failed"]


# Lean's files


def test_lean_s_file_is_read_by_itself(store, tmp_path):
    """Signed shares per event, Unix seconds, statuses in its spelling; the algorithm id names run and attempt."""
    lean_file(tmp_path, RUN, [
        lean_event(f"{RUN}-2", 1, 1, "submitted", quantity="-297.0", at=MORNING),
        lean_event(f"{RUN}-2", 1, 2, "partiallyFilled", quantity="-297.0", fill="-97.0", price="105.7437511194052926", fee="1.485"),
        lean_event(f"{RUN}-2", 1, 3, "canceled", quantity="-297.0", message="The order has expired."),
        lean_event(f"{RUN}-2", 2, 1, "invalid"),
        lean_event(f"{RUN}-2", 3, 1, "updateSubmitted", limitPrice=50.49),
        lean_event(f"{RUN}-2", 4, 1, "melted"),
    ], attempt=2)
    store.index(tmp_path)
    orders = {order.order_id: order for order in store.orders(RUN)}

    assert [order.status for order in orders.values()] == ["EXPIRED", "REJECTED", "SUBMITTED", "UNKNOWN"]
    assert (2, "SELL", Decimal(-97), Decimal("105.743751119405"), Decimal("1.485")) == (
        orders["1"].attempt, orders["1"].side, orders["1"].filled_quantity, orders["1"].avg_fill_price, orders["1"].fees)
    assert Decimal("50.49") == orders["3"].limit_price
    assert store.events(RUN)[0].occurred_at == MORNING


def test_a_fee_that_lean_does_not_tell_is_not_known(store, tmp_path):
    """Only the sale at a delisting, which has no currency either, is known to cost nothing."""
    lean_file(tmp_path, RUN, [
        lean_event(f"{RUN}-1", 1, 1, "filled", fill="10.0", price="82.5"),
        lean_event(f"{RUN}-1", 2, 1, "filled", fill="10.0", price="82.5").replace('Currency":"USD"', 'Currency":""'),
    ])
    store.index(tmp_path)

    assert [None, Decimal(0)] == [order.fees for order in store.orders(RUN)]


EVENTS_OF_TWO_ORDERS = [lean_event(f"{RUN}-1", order, event, status, fill=fill, price="82.5", fee="1.0",
                                   at=OPEN + timedelta(minutes=event))
                        for order in (1, 2, 3) for event, status, fill in ((1, "submitted", "0.0"), (2, "filled", "10.0"))]


@pytest.mark.parametrize("partial", [
    "[" + ",".join(reversed(EVENTS_OF_TWO_ORDERS[2:])) + "]",           # a mid-run copy: the last ones, newest first
    "[" + ",".join(EVENTS_OF_TWO_ORDERS)[:-500],                        # half-written
    "[" + EVENTS_OF_TWO_ORDERS[0] + ',{"id":',
    "[", "", " \n",
])
def test_a_partial_file_changes_nothing_of_what_the_whole_one_says(store, other, tmp_path, partial):
    """Lean overwrites its file while it runs. Before, after, and under another name: the whole one's tables stand."""
    path = tmp_path / "runs" / RUN / "1" / "results" / f"{RUN}-1-order-events.json"
    whole = "[" + ",".join(EVENTS_OF_TWO_ORDERS) + "]"
    put(path, whole)
    other.index(tmp_path)
    for texts in ((partial, whole), (whole, partial)):
        emptied(store)
        for text in texts:
            put(path, text)
            store.index(tmp_path)

        assert contents(other, (*EVENTS, "bad_lines")) == contents(store, (*EVENTS, "bad_lines"))

    copy = put(tmp_path / "copy.json", partial if "}" in partial else whole)
    other.ingest(copy, run_id=RUN)

    assert contents(store, EVENTS) == contents(other, EVENTS)


def test_the_same_event_in_two_days_files_is_one(store, tmp_path):
    """After midnight a live day's file is written once more, with the new day's events in it too."""
    results = tmp_path / "runs" / RUN / "1" / "results"
    put(results / f"{RUN}-1-2020-03-02-order-events.json", "[" + ",".join(EVENTS_OF_TWO_ORDERS) + "]")
    put(results / f"{RUN}-1-2020-03-03-order-events.json", "[" + ",".join(EVENTS_OF_TWO_ORDERS[3:]) + "]")
    store.index(tmp_path)

    assert len(store.events(RUN)) == 6


def test_lean_s_file_may_be_laid_out_otherwise(store, other, tmp_path):
    """Indented, with blank lines, with a nested object or a message that looks like the border between two events."""
    events = [json.loads(event) for event in EVENTS_OF_TWO_ORDERS]
    events[0]["message"] = 'a },{ b "},{"id"'
    events[1]["extra"] = [{"a": 1}, {"b": 2}]
    path = lean_file(tmp_path, RUN, [json.dumps(event) for event in events])
    store.index(tmp_path)

    assert len(store.events(RUN)) == 6
    assert refused(store) == []

    put(path, "\n" + json.dumps(events, indent=2) + "\n")
    other.index(tmp_path)

    assert contents(store, ("orders", "fills")) == contents(other, ("orders", "fills"))


def test_bad_items_of_an_array_are_kept_with_their_position(store, tmp_path):
    """One that is no object, one broken in the middle, one in euros, one without a time."""
    good = EVENTS_OF_TWO_ORDERS
    lean_file(tmp_path, RUN, [
        good[0], "5", good[1][:60] + "}", good[2].replace('"orderFeeCurrency":"USD"', '"orderFeeCurrency":"EUR"'), good[3],
        good[4].replace('"time"', '"when"'), good[5]])
    store.index(tmp_path)
    name = f"runs/{RUN}/1/results/{RUN}-1-order-events.json"

    assert [
        (name, 2, "orderId, orderEventId, status or time is missing or not what it should be"),
        (name, 3, "not JSON"),
        (name, 4, "currency EUR; only USD is traded"),
        (name, 6, "orderId, orderEventId, status or time is missing or not what it should be"),
    ] == refused(store)
    assert len(store.events(RUN)) == 3


def test_a_foreign_algorithm_id_is_a_run_s_name_whole(store, tmp_path):
    """`random-003` is no third attempt of `random`; in a run's own folder the folder says whose it is."""
    file = put(tmp_path / "random-003-order-events.json", f'[{lean_event("random-003", 1, 1, "submitted")}]')
    store.ingest(file)

    assert [(event.run_id, event.attempt) for event in store.events("random-003")] == [("random-003", 1)]

    lean_file(tmp_path, RUN, [lean_event("random-003", 1, 1, "submitted")], attempt=3)
    store.index(tmp_path)

    assert [(event.run_id, event.attempt) for event in store.events(RUN)] == [(RUN, 3)]


def test_lean_s_events_may_come_line_by_line(store, tmp_path):
    """And for a run that is named."""
    file = put(tmp_path / "events.jsonl", "\n".join(EVENTS_OF_TWO_ORDERS))
    store.ingest(file, run_id="mine", attempt=4)

    assert len(store.events("mine")) == 6
    assert {4} == {event.attempt for event in store.events("mine")}


# Plain lists


@pytest.mark.parametrize("form", ["array", "lines", "indented", "marked"])
def test_a_plain_list_is_an_array_or_lines(store, other, tmp_path, form):
    """The same events either way, under the same identities."""
    told = [plain(), plain(order_id=2, status="sent", filled=0, fill_price=None)]
    text = {"array": json.dumps(told), "lines": "\n".join(map(json.dumps, told)), "indented": json.dumps(told, indent=1),
            "marked": "\ufeff" + "\n".join(map(json.dumps, told)) + "\n"}[form]
    store.ingest(put(tmp_path / "list.txt", text), run_id=RUN, source="broker")

    assert refused(store) == []
    assert {("broker", "FILLED", Decimal(10)), ("broker", "UNKNOWN", Decimal(0))} == set(
        store.rows("select e.writer, o.status, o.filled_quantity from orders o join events e using (run_id, attempt, order_id)"))
    identities = {row[0] for row in store.rows("select identity from events")}
    other.ingest(put(tmp_path / "other.txt", json.dumps(told)), run_id=RUN, source="broker")
    assert identities == {row[0] for row in other.rows("select identity from events")}


@pytest.mark.parametrize(("line", "reason"), [
    ({"currency": "EUR"}, "currency EUR; only USD is traded"),
    ({"status": None}, "status is missing"),
    ({"fill_price": None}, "shares were filled, and fill_price does not say at what price"),
    ({"filled": -10}, "filled -10 is below zero; counts here have no sign"),
    ({"filled": "many"}, "filled 'many' is not a number"),
    ({"filled": True}, "filled True is not a number"),
    ({"filled": 10**13}, "a quantity or price beyond all measure"),
    ({"time": None}, "time is missing"),
    ({"time": "2020-03-02 14:30:00"}, "time '2020-03-02 14:30:00' has no zone; write it in UTC with a Z"),
    ({"time": "noon"}, "time 'noon' is neither ISO text nor Unix seconds"),
    ({"time": 1583159400000}, "time 1583159400000 is neither ISO text nor Unix seconds"),
    ({"time": 99999999999}, "time 99999999999 is not of our age; numbers are Unix seconds"),
    ({"time": "0001-01-01T00:00:00+14:00"}, "time '0001-01-01T00:00:00+14:00' is not of our age; numbers are Unix seconds"),
    ({"order_id": [1]}, "order_id [1] is neither text nor a whole number"),
    ({"side": "LONG"}, "side LONG is neither BUY nor SELL"),
])
def test_a_plain_line_says_what_is_wrong_with_it(store, tmp_path, line, reason):
    """It is kept with its reason, and its neighbour is read."""
    store.ingest(put(tmp_path / "list.json", json.dumps([plain(**line), plain(order_id=2)])), run_id=RUN)
    (bad,) = store.bad_lines()

    assert (1, reason) == (bad.line, bad.reason)
    assert len(store.events(RUN)) == 1


def test_numbers_without_end_are_refused(store, tmp_path):
    """NaN, infinity and a number of a million digits are no quantities."""
    texts = ["NaN", "Infinity", "1e999999999"]
    lines = [json.dumps(plain()).replace('"filled": 10', f'"filled": {text}') for text in texts]
    store.ingest(put(tmp_path / "list.jsonl", json.dumps(plain()) + "\n" + "\n".join(lines) + "\n"), run_id=RUN)

    assert [f"{text} is not a number that can be traded" for text in texts] == [bad.reason for bad in store.bad_lines()]


def test_an_order_id_may_be_a_number_or_text(store, tmp_path):
    """1, 1.0 and "1" are one order."""
    told = [plain(order_id=number, filled=count) for count, number in enumerate((1, 1.0, "1"), start=1)]
    store.ingest(put(tmp_path / "list.json", json.dumps(told)), run_id=RUN)

    assert [("1", Decimal(3))] == [(order.order_id, order.filled_quantity) for order in store.orders(RUN)]


def test_a_count_without_a_price_is_no_fill(store, tmp_path):
    """A cancel repeats how many were filled: the fills before it said at what price."""
    told = [plain(status="submitted", filled=4), plain(status="cancelled", filled=4, fill_price=0, time=1583159460)]
    store.ingest(put(tmp_path / "list.json", json.dumps(told)), run_id=RUN)
    (order,) = store.orders(RUN)

    assert ("CANCELLED", Decimal(4), Decimal("82.5")) == (order.status, order.filled_quantity, order.avg_fill_price)


def test_a_plain_list_needs_its_run(store, tmp_path):
    """Whose events they are is not guessed: by hand it is asked for, in a data folder the file is kept as bad."""
    text = json.dumps([plain()])
    with pytest.raises(BadInput, match=r"list\.json: does not say whose events these are; name the run"):
        store.ingest(put(tmp_path / "list.json", text))

    put(tmp_path / "data" / "events" / "list.json", text)
    store.index(tmp_path / "data")

    assert refused(store) == [("events/list.json", 0, "does not say whose events these are")]
    assert store.counts()["events"] == 0


@pytest.mark.parametrize("text", ['{"hello": 1}', "hello", "[1, 2]", '"x"', "{"])
def test_a_file_of_something_else_is_refused_whole(store, tmp_path, text):
    """By hand at once, in a data folder with its name."""
    with pytest.raises(BadInput, match="neither a journal, nor Lean's order events, nor a plain list of them"):
        store.ingest(put(tmp_path / "other.json", text), run_id=RUN)

    put(tmp_path / "data" / "events" / "other.json", text)
    store.index(tmp_path / "data")

    assert [(file, line) for file, line, _ in refused(store)] == [("events/other.json", 0)]


def test_an_unknown_format_is_refused_with_the_nearest(store, tmp_path):
    """Before anything is copied."""
    with pytest.raises(BadInput, match="unknown format 'plane'; did you mean 'plain'"):
        store.ingest(put(tmp_path / "list.json", json.dumps([plain()])), run_id=RUN, format="plane")


def test_an_empty_file_tells_nothing(store, tmp_path):
    """Nothing is not wrong."""
    assert store.ingest(put(tmp_path / "empty.json", " \n")) == Ingested(files=1, events=0, bad=0)
    assert refused(store) == []


def test_a_missing_file_is_named(store, tmp_path):
    """At once, by the path that was given."""
    with pytest.raises(BadInput, match=r"there\.json: no such file"):
        store.ingest(tmp_path / "there.json")


# Twice, in halves, by hand


@pytest.mark.parametrize("form", ["journal", "lean", "plain"])
@pytest.mark.parametrize("on_disk", [True, False])
def test_half_a_file_and_then_the_whole_is_the_whole_once(store, other, tmp_path, form, on_disk):
    """However it was cut, and twice: the same tables."""
    texts = {
        "journal": "".join(order_line(n, n) + "\n" for n in range(1, 9)),
        "lean": "[" + ",".join(EVENTS_OF_TWO_ORDERS) + "]",
        "plain": "".join(json.dumps(plain(filled=n, time=1583159400 + n)) + "\n" for n in range(1, 9)),
    }
    text, given = texts[form], {} if form == "journal" else {"run_id": RUN}
    other.ingest(put(tmp_path / "once", text), **given)
    for cut in (len(text) // 2,) if on_disk else (len(text) // 2 + 17, 600):
        halved = Store(tmp_path / f"{form}{cut}" / "workbench.duckdb") if on_disk else emptied(store)
        for part in (text[:cut], text, text):
            halved.ingest(put(tmp_path / f"half{cut}", part), **given)

        assert contents(other, EVENTS) == contents(halved, EVENTS)


def test_what_was_ingested_by_hand_is_kept_for_a_rebuild(tmp_path):
    """A copy named by its content and source lies in the data folder, with a note whose it is."""
    data = tmp_path / "data"
    asked, taken = small_run(data)
    store = Store(data / "workbench.duckdb")
    store.index(data)
    outside = put(tmp_path / "broker.json", json.dumps([plain(tag=f"{taken.snapshot_id}-BETA.1", order_id=None)]))
    for source in ("broker", "broker", "statement"):
        store.ingest(outside, run_id=asked.run_id, source=source)
    outside.unlink()
    before = contents(store)
    store.rebuild(data)

    assert before == contents(store)
    assert len([path for path in (data / "events").iterdir() if not path.name.endswith(".source.json")]) == 2
    assert store.rows("select distinct writer from events order by 1").rows == (("broker",), ("journal",), ("statement",))


def test_a_file_of_the_data_folder_is_ingested_where_it_lies(tmp_path):
    """No copy, and no second reading by the next index."""
    asked, _ = small_run(tmp_path)
    store = Store(tmp_path / "workbench.duckdb")
    store.ingest(tmp_path / "runs" / asked.run_id / "1" / "journal.jsonl")

    assert not (tmp_path / "events").exists()
    assert len(store.events(asked.run_id)) == 15
    assert Ingested(files=5, events=0, bad=0) == store.index(tmp_path)


def test_a_broken_note_about_a_source_is_named(store, tmp_path):
    """Whose events these are was known once."""
    put(tmp_path / "events" / "abc.json", json.dumps([plain()]))
    put(tmp_path / "events" / "abc.json.source.json", "{")
    store.index(tmp_path)

    assert [bad.file for bad in store.bad_lines()] == ["events/abc.json"]
    assert "not JSON" in store.bad_lines()[0].reason


# Documents


def test_a_refused_intent_is_kept_with_its_reason_and_the_others_go_on(store, tmp_path):
    """Position in the list, the item, the reason."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    path = tmp_path / "intents" / f"{taken.snapshot_id}.json"
    items = json.loads(path.read_text())
    path.write_text(json.dumps([items[0] | {"symbol": ""}, items[0], items[0] | {"wieght": 1}]))
    store.index(tmp_path)
    bad = store.bad_lines()

    assert [intent.symbol for intent in store.intents(taken.snapshot_id)] == ["ALFA"]
    assert [item.line for item in bad] == [1, 3]
    assert "unknown field 'wieght'" in bad[1].reason
    assert '"wieght": 1' in bad[1].text


@pytest.mark.parametrize(("change", "reason"), [
    (lambda text: text[:-10], "can't be read"),
    (lambda text: text.replace("0.6", "0.7"), "the content does not give the id"),
    (lambda _: "[]", "must be a JSON object"),
    (lambda text: text.replace("momentum", "value", 1), "the content does not give the id"),
    (lambda text: text.replace("0.6", "NaN"), "NaN is not a number"),
    (lambda _: '"\xff"', "must be a JSON object"),
])
def test_a_broken_document_is_named_and_the_others_are_read(store, tmp_path, change, reason):
    """A snapshot that was changed is no snapshot; its intents are still there."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    path = tmp_path / "snapshots" / "momentum" / "2020-03-02" / f"{taken.snapshot_id}.json"
    path.write_text(change(path.read_text()))
    store.index(tmp_path)
    (bad,) = store.bad_lines()

    assert f"snapshots/momentum/2020-03-02/{taken.snapshot_id}.json" == bad.file
    assert reason in bad.reason
    assert store.counts()["intents"] == 1
    assert store.counts()["snapshots"] == 0


def test_a_document_under_another_name_is_refused(store, tmp_path):
    """It would be found twice, or under a name that is not its content's."""
    asked, taken = small_run(tmp_path)
    for source, target in (
        (f"snapshots/momentum/2020-03-02/{taken.snapshot_id}.json", "snapshots/other/2020-03-02/copy.json"),
        (f"params/{asked.params_id}.json", "params/copy.json"), (f"runs/{asked.run_id}/run.json", "runs/copy/run.json"),
        (f"runs/{asked.run_id}/1/status.json", f"runs/{asked.run_id}/2/status.json"),
    ):
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / source, tmp_path / target)
    store.index(tmp_path)

    assert len(store.bad_lines()) == 4
    assert all("under another name" in bad.reason for bad in store.bad_lines())
    assert [store.counts()[table] for table in ("snapshots", "params", "runs", "attempts")] == [1, 1, 1, 1]


def test_a_number_beyond_the_columns_is_refused_alone(store, tmp_path):
    """A decision price of 10^30 fits no column; its file is named, and the batch goes on."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    path = tmp_path / "intents" / f"{taken.snapshot_id}.json"
    path.write_text(path.read_text().replace("82.764822", "1" + "0" * 30))
    store.index(tmp_path)

    assert [bad.reason for bad in store.bad_lines()] == [
        "can't be read (decision_price 1000000000000000000000000000000 is out of range)"]
    assert store.counts()["snapshots"] == 1


def test_of_two_numbers_beyond_the_columns_the_first_items_is_named(store, tmp_path):
    """Whichever field of it that is."""
    taken = decide(tmp_path, {"ALFA": "0.6", "BETA": "0.4"})
    path = tmp_path / "intents" / f"{taken.snapshot_id}.json"
    alfa, beta = json.loads(path.read_text())
    path.write_text(json.dumps([alfa | {"decision_price": 10**30}, beta | {"weight": 10**31}]))
    store.index(tmp_path)

    assert [bad.reason for bad in store.bad_lines()] == [f"can't be read (decision_price {10**30} is out of range)"]


def test_files_still_being_written_are_passed_over(store, tmp_path):
    """They have hidden names until they are whole; clocks and versions kept beside a snapshot are not indexed."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    folder = tmp_path / "snapshots" / "momentum" / "2020-03-02"
    (folder / f".{taken.snapshot_id}.json.x.tmp").write_text("{")
    (folder / f"{taken.snapshot_id}.made.json").write_text("{}")
    (tmp_path / "runs" / RUN / "log").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("hello")
    store.index(tmp_path)

    assert refused(store) == []
    assert store.counts()["ingested_files"] == 2


def test_many_small_files_are_read_together(store, tmp_path):
    """300 attempts in one batch, one of them with a bad line, which is found in its own file."""
    for attempt in range(1, 301):
        text = order_line(1).replace('"attempt":1', f'"attempt":{attempt}') + ("\nbad" if attempt == 77 else "") + "\n"
        journal(tmp_path, text, attempt=attempt)

    assert Ingested(files=300, events=300, bad=1) == store.index(tmp_path)
    assert [(f"runs/{RUN}/77/journal.jsonl", 2, "not JSON")] == refused(store)


def test_a_data_folder_that_is_not_there_is_named(store, tmp_path):
    """An empty answer would read as: everything is gone."""
    with pytest.raises(BadInput, match="no such data folder"):
        store.index(tmp_path / "nowhere")
