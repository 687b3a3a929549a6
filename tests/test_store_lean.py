"""What real Lean wrote, read into the store: the fold of its order events is what Lean itself says became of its orders."""

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from store_fixtures import contents, decide, request

from workbench.algorithm.journal import to_json
from workbench.store import Ingested, Store

RAW = Path(__file__).parents[2] / "shared" / "lean-golden" / "raw"
BACKTESTS = ("before-listing", "leverage-and-margin-call", "minute-market-orders", "random-003", "rebalance-ib-margin",
             "splits-and-dividends-raw")
STATUS = {1: "SUBMITTED", 2: "PARTIALLY_FILLED", 3: "FILLED", 5: "CANCELLED", 7: "REJECTED", 8: "PENDING_CANCEL", 9: "SUBMITTED"}

LIVE = {"live-paper": "live-smoke"}         # the folder's name and the algorithm's; live, Lean begins a file each day
FOLDERS = (*BACKTESTS, *LIVE)

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def raw() -> Path:
    """Whole result folders of real Lean, which are not part of the project."""
    if not RAW.is_dir():
        pytest.skip(f"real Lean's result folders are not at {RAW}: only files made by hand are read here")
    return RAW


@pytest.fixture
def store() -> Store:
    return Store(":memory:")


def read(path: Path):
    return json.loads(path.read_text(), parse_float=Decimal)


@pytest.mark.parametrize("name", BACKTESTS)
def test_orders_are_folded_to_what_lean_says_of_them(raw, store, name):
    """Status, quantity, average price and symbol of every order of the run, none missing and none more."""
    told = store.ingest(raw / name / f"{name}-order-events.json")
    events = read(raw / name / f"{name}-order-events.json")
    theirs = read(raw / name / f"{name}.json")["orders"]
    ours = {order.order_id: order for order in store.orders(name)}

    assert told == Ingested(files=1, events=len(events), bad=0)
    assert ours.keys() == theirs.keys()
    for number, order in theirs.items():
        mine = ours[number]
        status = STATUS[order["status"]]
        if status == "CANCELLED" and mine.status == "EXPIRED":
            status = "EXPIRED"
        assert (mine.status, mine.quantity, mine.symbol) == (status, order["quantity"], order["symbol"]["value"])
        assert (mine.avg_fill_price or 0) == order["price"].quantize(Decimal("1e-12")).normalize()
        assert mine.instrument_id == order["symbol"]["id"]


@pytest.mark.parametrize("name", BACKTESTS)
def test_fees_are_what_lean_charged(raw, store, name):
    """To the cent, in total."""
    store.ingest(raw / name / f"{name}-order-events.json")
    events = read(raw / name / f"{name}-order-events.json")

    assert sum(order.fees for order in store.orders(name)) == sum(event.get("orderFeeAmount", 0) for event in events)


@pytest.mark.parametrize("name", FOLDERS)
def test_counts_are_those_of_the_folder(raw, store, name):
    """Events, orders, fills, shares and fees of every recorded folder, live ones among them, against Lean's own count of each."""
    algorithm = LIVE.get(name, name)
    paths = sorted((raw / name).glob("*-order-events.json"))
    events = [event for path in paths for event in read(path)]
    filled = [event for event in events if event["fillQuantity"]]
    result = read(raw / name / f"{algorithm}.json")
    told = sum((store.ingest(path) for path in paths), Ingested())
    orders, fills = store.orders(algorithm), store.fills(algorithm)

    assert told == Ingested(files=len(paths), events=len(events), bad=0)
    assert store.bad_lines() == ()
    assert len(store.events(algorithm)) == len(events) > 0
    assert len(orders) == len(result["orders"]) == int(result["statistics"]["Total Orders"])
    assert {order.order_id for order in orders if order.status == "FILLED"} == {
        number for number, order in result["orders"].items() if STATUS[order["status"]] == "FILLED"}
    assert sorted((fill.order_id, fill.quantity) for fill in fills) == sorted(
        (str(event["orderId"]), event["fillQuantity"]) for event in filled)
    assert [fill for fill in fills if fill.fee is None] == []
    fees = sum(event.get("orderFeeAmount", 0) for event in filled)
    assert sum(fill.fee for fill in fills) == sum(order.fees for order in orders) == fees
    assert abs(fees - Decimal(result["statistics"]["Total Fees"].removeprefix("$"))) <= Decimal("0.005")


@pytest.mark.parametrize("name", FOLDERS)
def test_an_attempt_with_a_real_results_folder_has_its_counts(raw, tmp_path, name):
    """The same files where the workbench would have them, under an algorithm id that is Lean's: the folder says whose they are."""
    asked = request(tmp_path, decide(tmp_path, {"AAPL": "0.5"}), mode="paper" if name in LIVE else "backtest")
    place = tmp_path / "runs" / asked.run_id / "1"
    shutil.copytree(raw / name, place / "results")
    events = [event for path in sorted((raw / name).glob("*-order-events.json")) for event in read(path)]
    store = Store(":memory:")
    told = store.index(tmp_path)

    assert (told.events, told.bad) == (len(events), 0)
    assert len(store.events(asked.run_id)) == len(events)
    assert len(store.orders(asked.run_id)) == len({event["orderId"] for event in events})
    assert len(store.fills(asked.run_id)) == sum(bool(event["fillQuantity"]) for event in events)
    assert sum(order.fees for order in store.orders(asked.run_id)) == sum(event.get("orderFeeAmount", 0) for event in events)


def test_an_event_in_two_days_files_is_one(raw, tmp_path):
    """After midnight in UTC, Lean writes the old day's file again, with events that the new day's has too."""
    events = read(raw / "live-paper" / "live-smoke-2026-11-21-order-events.json")
    asked = request(tmp_path, decide(tmp_path, {"AAPL": "0.5"}), mode="paper")
    results = tmp_path / "runs" / asked.run_id / "1" / "results"
    results.mkdir(parents=True)
    (results / "live-smoke-2026-11-21-order-events.json").write_text(to_json(events))
    (results / "live-smoke-2026-11-22-order-events.json").write_text(to_json(events[4:]))
    store = Store(":memory:")
    told = store.index(tmp_path)

    assert (told.events, told.bad) == (len(events), 0)
    assert len(store.fills(asked.run_id)) == sum(bool(event["fillQuantity"]) for event in events)


def test_live_paper_s_file_is_read(raw, store):
    """Seconds with fractions, prices with many digits, an order cancelled and one still working."""
    path = raw / "live-paper" / "live-smoke-2026-11-21-order-events.json"
    events = read(path)
    store.ingest(path)
    first = store.fills("live-smoke")[0]

    assert len(store.events("live-smoke")) == len(events)
    assert (first.price, first.quantity, first.fee) == (Decimal("105.743751119405"), Decimal(297), Decimal("1.485"))
    assert first.occurred_at.microsecond == 86         # 85.6 there


@pytest.mark.parametrize("name", BACKTESTS[-2:])
def test_every_cut_of_a_real_file_is_a_beginning_of_it(raw, tmp_path, name):
    """Lean was seen to leave half a file: whatever the cut, the objects before it are read and nothing is called bad."""
    data = (raw / name / f"{name}-order-events.json").read_bytes()
    ends = [found.end() for found in re.finditer(rb"\}(?=[,\]])", data)]
    store, part = Store(":memory:"), tmp_path / "part.json"
    for cut in range(ends[0] + 1, len(data), len(data) // 12):
        part.write_bytes(data[:cut])
        store.ingest(part)
        whole = sum(end <= cut for end in ends)

        assert whole - 1 <= store.counts()["events"] <= whole       # the last one counts once something follows it
        assert store.bad_lines() == ()

    part.write_bytes(data)
    store.ingest(part)
    once = Store(":memory:")
    once.ingest(raw / name / f"{name}-order-events.json")

    assert contents(store, ("events",)) == contents(once, ("events",))


def test_a_whole_result_folder_lies_in_a_run(raw, tmp_path):
    """In an attempt's folder, beside everything else that Lean writes there: only the order events are read."""
    asked = request(tmp_path, decide(tmp_path, {"AAPL": "0.5"}))
    shutil.copytree(raw / "random-003", tmp_path / "runs" / asked.run_id / "1" / "results")
    store = Store(":memory:")
    read_files = store.index(tmp_path)

    assert (read_files.files, read_files.bad) == (5, 0)
    assert {order.run_id for order in store.orders(asked.run_id)} == {asked.run_id}
