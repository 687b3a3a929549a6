"""Lean's own files against the journal: what agrees is none, what differs is named, what can't be read is neither."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from algorithm_fixtures import trade
from hypothesis import given, settings
from hypothesis import strategies as st
from live_days import Day
from store_fixtures import instrument, lean_event, put

from workbench.algorithm.journal import Journal, to_json
from workbench.running.differences import compare_with_lean, record

RAW = Path(__file__).parents[2] / "shared" / "lean-golden" / "raw"
IDS = {name: name for name in ("before-listing", "leverage-and-margin-call", "minute-market-orders", "random-003",
                               "rebalance-ib-margin", "splits-and-dividends-raw")} | {"live-paper": "live-smoke"}
RUN, ID = "r0123456789abcdef", "r0123456789abcdef-1"
EVENING = datetime(2020, 3, 2, 23, 59, 50, tzinfo=UTC)      # ten seconds before Lean begins another file
WEIGHTS = {"2020-03-02": {"ALFA": "0.4", "BETA": "0.3"}, "2020-03-05": {"ALFA": "0.1", "GAMA": "0.5"}}


# A backtest.

@pytest.fixture(scope="module")
def backtest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backtest")
    assert trade(folder, WEIGHTS).outcome.complete
    return folder


@pytest.fixture
def attempt(backtest, tmp_path):
    """A copy that a test may change."""
    return Path(shutil.copytree(backtest, tmp_path / "attempt"))


def compared(attempt):
    return compare_with_lean(attempt / "results", "r0-1", attempt / "journal.jsonl")


def rewrite(path, change):
    """A JSON file, changed."""
    body = json.loads(path.read_text(), parse_float=Decimal)
    change(body)
    path.write_text(to_json(body))


def told(found):
    return [(one.where, one.field, dict(one.told)) for one in found.found]


def test_a_run_in_good_order_has_none(attempt):
    """Every event, fees, and the account at its end; and that is written, too."""
    found = compared(attempt)
    written = json.loads(record(attempt, found).read_text())

    assert found.none
    assert found.verdict == "none, over 10 order events"
    assert dict(found.counts) == {"journal": 10, "order events": 10, "orders": 5}
    assert [one.name for one in found.end] == ["fills", "fees", "equity"]
    assert (written["schema"], written["none"], written["found"], written["unreadable"]) == ("differences/1", True, [], [])


@settings(max_examples=12)
@given(at=st.integers(0, 9))
def test_an_event_that_lean_left_out_is_found(backtest, tmp_path_factory, at):
    """Whichever it is: its order and number, and what the journal says of it."""
    attempt = Path(shutil.copytree(backtest, tmp_path_factory.mktemp("one") / "attempt"))
    gone = []
    rewrite(attempt / "results" / "r0-1-order-events.json", lambda events: gone.append(events.pop(at)))
    found = compared(attempt)

    assert not found.none
    where = f"order {gone[0]['orderId']}, event {gone[0]['orderEventId']} ({gone[0]['symbolValue']})"
    status = {"submitted": "SUBMITTED", "filled": "FILLED"}[gone[0]["status"]]
    assert (where, "event", {"journal": status, "order events": None}) in told(found)


@pytest.mark.parametrize(("name", "value", "field"), [
    ("fillPrice", Decimal("999.5"), "fill_price"), ("fillQuantity", Decimal(-7), "fill_quantity"), ("status", "canceled", "status"),
    ("orderFeeAmount", Decimal("3.21"), "fee"), ("quantity", Decimal(8), "quantity"), ("time", 1583200000, "time"),
    ("symbolValue", "OTHER", "symbol"),
])
def test_a_field_that_differs_is_named_with_both_values(name, value, field, attempt):
    """And nothing is said of the events beside it."""
    path = attempt / "results" / "r0-1-order-events.json"
    rewrite(path, lambda events: events[-1].update({name: value}))
    event = json.loads(path.read_text())[-1]
    found = compared(attempt)
    journal = [one for one in found.found if one.told[0][0] == "journal"]

    assert not found.none
    assert [(one.where.split(" (")[0], one.field) for one in journal] == [
        (f"order {event['orderId']}, event {event['orderEventId']}", field)]
    assert all(one.told[0][1] != one.told[1][1] for one in journal)


def test_an_event_in_another_place_is_found(attempt):
    """In a backtest, the order of events is a matter of rules."""
    path = attempt / "results" / "r0-1-order-events.json"
    rewrite(path, lambda events: events.insert(0, events.pop()))
    moved = json.loads(path.read_text())[0]

    assert [(one.where, one.field) for one in compared(attempt).found if one.field == "place"] == [
        (f"order {moved['orderId']}, event {moved['orderEventId']} ({moved['symbolValue']})", "place")]


def test_an_order_that_the_result_has_otherwise_is_found(attempt):
    """Status and price of its fills as Lean's result says, and as its own events do; and one that is missing there."""
    def change(result):
        result["orders"]["1"]["status"] = 5
        result["orders"]["2"]["price"] = Decimal("1.25")
        del result["orders"]["3"]

    rewrite(attempt / "results" / "r0-1.json", change)
    found = compared(attempt)

    assert ("order 1", "status", {"order events": "FILLED", "result": "CANCELLED"}) in told(found)
    assert [one[:2] for one in told(found) if one[0] == "order 2"] == [("order 2", "price")]
    assert ("order 3", "event", {"order events": "FILLED", "result": None}) in told(found)


def test_the_end_is_compared_to_the_cent(attempt):
    """Two cents are a difference; the half that printing takes away is none."""
    rewrite(attempt / "results" / "r0-1.json", lambda result: result["statistics"].update({"End Equity": "111811.26"}))
    found = compared(attempt)

    assert [one.name for one in found.end if not one.equal] == ["equity"]
    assert not found.none
    assert found.verdict == "1 difference, first equity: Lean 111811.26, journal 111811.235"


def test_leans_own_sums_are_compared_too(attempt):
    """The fees that its result prints, with those of its events."""
    rewrite(attempt / "results" / "r0-1.json", lambda result: result["statistics"].update({"Total Fees": "$68.79"}))

    assert told(compared(attempt)) == [("the end", "fees", {"result": Decimal("68.79"), "order events": Decimal("68.765")})]


def test_without_an_order_lean_leaves_no_file_and_that_is_an_answer(attempt):
    """Nothing was traded, and both say so."""
    events = attempt / "results" / "r0-1-order-events.json"
    events.unlink()
    rewrite(attempt / "results" / "r0-1.json", lambda result: result.update(orders={}))
    lines = [line for line in (attempt / "journal.jsonl").read_text().splitlines(keepends=True) if '"kind":"order"' not in line]
    (attempt / "journal.jsonl").write_text("".join(lines))
    rewrite(attempt / "results" / "r0-1.json", lambda result: result["statistics"].update({"Total Fees": "$0.00"}))
    found = compared(attempt)

    assert found.none, found.verdict
    assert dict(found.counts) == {"journal": 0, "order events": 0, "orders": 0}


@pytest.mark.parametrize(("name", "text", "said"), [
    ("results/r0-1-order-events.json", None, "order events: Lean left no file of them"),
    ("results/r0-1-order-events.json", '[{"id":"r0-1-1', "order events: .*not JSON"),
    ("results/r0-1-order-events.json", '{"a":1}', "order events: .*must hold a list"),
    ("results/r0-1-order-events.json", '[{"orderId":1}]', "order events: .*not an order event"),
    ("results/r0-1.json", None, "result: .*no such file"),
    ("results/r0-1.json", '{"orders":', "result: .*not JSON"),
    ("results/r0-1.json", "[]", "result: .*not a result"),
    ("results/r0-1.json", '{"orders":{},"state":{"Status":"Running"}}', "result: .*not written at the end .its state is Running"),
    ("results/r0-1.json", '{"orders":{"1":{}},"state":{"Status":"Completed"}}', "result: not what it should be .KeyError"),
    ("results/r0-1.json", '{"orders":[1],"state":{"Status":"Completed"}}', "result: not what it should be .AttributeError"),
    ("results/r0-1-order-events.json", '[{"orderId":1,"orderEventId":1,"time":1,"quantity":null}]', "order events: .*without its"),
    ("journal.jsonl", None, "journal: .*No such file"),
    ("journal.jsonl", '{"schema":"journal/1"', "journal: .*not a journal line"),
    ("journal.jsonl", '{"schema":"journal/1","kind":"order","occurred_at":"2020-03-02T15:00:00Z"}', "journal: not what"),
])
def test_what_cannot_be_read_is_no_agreement(name, text, said, attempt):
    """Missing, cut, of another form, or not the last word: it is said of which file, and the answer is that nobody knows."""
    path = attempt / name
    path.unlink() if text is None else path.write_text(text)
    found = compared(attempt)

    assert not found.none
    assert len(found.unreadable) == 1
    assert re.search(said, found.unreadable[0])
    assert found.verdict.startswith("not known: ")
    assert json.loads(record(attempt, found).read_text())["none"] is False


def test_many_differences_are_counted_and_some_are_kept(attempt):
    """A file that shares nothing with the journal does not make one of its size."""
    def change(events):
        first = events[0]
        events[:] = [{**first, "id": f"r0-1-{n}-1", "orderId": n, "orderEventId": 1} for n in range(1000, 1500)]

    rewrite(attempt / "results" / "r0-1-order-events.json", change)
    found = compared(attempt)

    assert len(found.found) == 200
    assert len(found.found) + found.more > 1000
    assert found.verdict.startswith(f"{200 + found.more + sum(not one.equal for one in found.end)} differences, first ")


# A day of live trading, across midnight in UTC.

class Live:
    """An attempt's folder as the algorithm and Lean leave it, live, and the broker's numbers in both."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results = folder, folder / "results"
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(str(folder / "journal.jsonl"), run_id=RUN, attempt=1, live=True, now=lambda: EVENING)
        self.journal.write("opened", EVENING, mode="live", cash=Decimal(100000), holdings={})
        self.days: dict[str, list[str]] = {}
        self.lines: list[str] = []

    def send(self, number: int, quantity: int, symbol: str = "ALFA") -> None:
        """What is written before each send: it has no order id yet."""
        self._heard(number, None, "PENDING_SUBMIT", quantity, 0, "0", EVENING, symbol)

    def event(self, number: int, event: int, status: str, quantity: int, *, filled: int = 0, price: str = "82.123456789012345",
              at: datetime = EVENING, fee: str = "1.005", symbol: str = "ALFA", heard: bool = True, filed: bool = True,
              logged: bool = True, message: str | None = None) -> None:
        """One order event, told in three places."""
        words = {"submitted": "SUBMITTED", "partiallyFilled": "PARTIALLY_FILLED", "filled": "FILLED", "canceled": "EXPIRED"}
        if heard:
            self._heard(number, event, words[status], quantity, filled, price, at, symbol, fee, message)
        if filed:
            more = {} if message is None else {"message": message}
            text = lean_event(ID, number, event, status, quantity=f"{quantity}.0", fill=f"{filled}.0",
                              price=price if filled else "0.0", fee=fee if filled else None, at=at, symbol=symbol, **more)
            self.days.setdefault(f"{at:%Y-%m-%d}", []).append(text)
        if logged:
            part = f" FillQuantity: {filled} FillPrice: ${Decimal(price):.7g}" if filled else ""
            charged = f" OrderFee: {fee} USD" if filled else ""
            self.lines.append(
                f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z TRACE:: LiveTradingResultHandler.OrderEvent(): Time: {at:%m/%d/%Y %H:%M:%S} "
                f"OrderID: {number} EventID: {event} Symbol: {symbol} Status: {status[0].upper()}{status[1:]} Quantity: {quantity}"
                f"{part}{charged}{'' if message is None else f' Message: {message}'} BrokerId: {number}")

    def _heard(self, number, event, status, quantity, filled, price, at, symbol, fee="1", message=None):
        self.journal.write(
            "order", at, order_ref=f"s-{symbol}.{number}", order_id=None if event is None else number, event_id=event,
            broker_id="", exec_id=None, symbol=symbol, instrument_id=instrument(symbol), type="MARKET", tif="GTC", limit_price=None,
            stop_price=None, status=status, quantity=Decimal(quantity), fill_quantity=Decimal(filled),
            fill_price=Decimal(price) if filled else None, fee=Decimal(fee) if filled else None, currency="USD", message=message)

    def end(self, *, cash: str = "99178.765432109876", held: int = 10, state: str = "Completed", more: str = "",
            orders: dict | None = None, result: bool = True) -> "Live":
        """The last mark, and Lean's files."""
        self.journal.write("mark", EVENING, equity=Decimal(100000), cash=Decimal("99178.765432109876"), positions=[
            {"symbol": "ALFA", "instrument_id": instrument("ALFA"), "close": Decimal("82.2"), "quantity": Decimal(10)}])
        self.journal.close(EVENING)
        body = {
            "orders": orders if orders is not None else {"1": {"status": 3, "quantity": Decimal(10),
                                                               "price": Decimal("82.123456789012345"), "type": 0}},
            "state": {"Status": state}, "statistics": {"Total Fees": "$1.01", "End Equity": "100012.34"},
            "cash": {"USD": {"amount": Decimal(cash)}}, "holdings": {instrument("ALFA"): {"q": Decimal(held)}},
        }
        if more:
            body["holdings"][instrument(more)] = {"q": Decimal(3)}
        if result:
            put(self.results / f"{ID}.json", to_json(body))
        for day, events in self.days.items():
            put(self.results / f"{ID}-{day}-order-events.json", f"[{','.join(events)}]")
        put(self.results / "log.txt", "\n".join(["2020-03-02T23:59:00Z TRACE:: Engine.Run(): begin", *self.lines, ""]))
        return self

    def compared(self):
        return compare_with_lean(self.results, ID, self.folder / "journal.jsonl")


@pytest.fixture
def live(tmp_path):
    """One order: sent, submitted, filled in two parts, the second of them after midnight."""
    day = Live(tmp_path / "attempt")
    day.send(1, 10)
    day.event(1, 1, "submitted", 10)
    yield day
    day.journal._file.close()


def test_a_day_across_midnight_is_one_story(live):
    """Events of two files; one that stands in both, as Lean writes it there, is one; the line before the send is ours."""
    live.event(1, 2, "partiallyFilled", 10, filled=4, fee="0.5")
    live.event(1, 3, "filled", 10, filled=6, at=EVENING + timedelta(seconds=20), fee="0.505")
    live.days["2020-03-02"].append(live.days["2020-03-03"][0])
    found = live.end().compared()

    assert found.none, found.verdict
    assert dict(found.counts) == {"journal": 3, "order events": 3, "log": 3, "orders": 1}
    assert [one.name for one in found.end] == ["fills", "fees", "cash", "shares ALFA"]
    assert found.left_out == ("equity: prices have moved since the last mark",)


def test_numbers_that_begin_again_are_not_taken_for_the_same_event(live):
    """A restart into the same folder: the same id tells of something else, which the journal does not know."""
    live.event(1, 2, "filled", 10, filled=10)
    again = lean_event(ID, 1, 1, "submitted", quantity="-3.0", at=EVENING + timedelta(hours=1))
    live.days["2020-03-03"] = [again]
    found = live.end().compared()

    assert [(one.where, one.field, one.told[0][1]) for one in found.found if one.told[0][0] == "journal"] == [
        ("order 1, event 1 (ALFA)", "event", None)]


def test_a_fill_that_the_algorithm_never_heard_is_found(live):
    """Lean has it, the journal has not: that is how a book comes to differ from the broker's."""
    live.event(1, 2, "filled", 10, filled=10, heard=False)
    found = live.end().compared()

    assert ("order 1, event 2 (ALFA)", "event", {"journal": None, "order events": "FILLED"}) in told(found)
    assert {one.name for one in found.end if not one.equal} == {"fills", "fees"}


def test_a_fill_that_only_the_log_tells_is_found(live):
    """A process that is killed leaves no file of order events, or an old one; its log has a line for each at once."""
    live.event(1, 2, "filled", 10, filled=10, heard=False, filed=False)
    found = live.end().compared()
    live.days.clear()
    for path in live.results.glob("*-order-events.json"):
        path.unlink()
    killed = live.compared()

    assert ("order 1, event 2 (ALFA)", "event", {"order events": None, "log": "FILLED"}) in told(found)
    assert ("order 1, event 2 (ALFA)", "event", {"journal": None, "log": "FILLED"}) in told(killed)
    assert killed.unreadable == ("order events: Lean left no file of them, though the log tells of 2",)


def test_the_log_is_held_to_the_digits_that_it_has(live):
    """Seven of a price: the eighth is no difference, the sixth is."""
    live.event(1, 2, "filled", 10, filled=10)
    same = live.end().compared()
    log = live.results / "log.txt"
    log.write_text(log.read_text().replace("$82.12346", "$82.12446"))

    assert same.none, same.verdict
    assert [(one.where, one.field) for one in live.compared().found] == [("order 1, event 2 (ALFA)", "fill_price")]


def test_what_was_sent_and_never_heard_of_is_named_by_its_ref(live):
    """Nobody knows whether it reached the market: neither Lean's files nor the journal tell of it again."""
    live.event(1, 2, "filled", 10, filled=10)
    live.send(2, 5, "BETA")
    found = live.end().compared()

    assert told(found) == [("s-BETA.2", "event", {"journal": "sent", "order events": None})]


def test_an_order_that_expired_is_one_that_lean_cancelled(live):
    """Lean has one word for both, and says which in the event's message: in its file, and in its log."""
    live.event(1, 2, "filled", 10, filled=10)
    live.event(2, 1, "submitted", 7)
    live.event(2, 2, "canceled", 7, message="The order has expired.")
    orders = {"1": {"type": 0, "status": 3, "quantity": 10, "price": Decimal("82.123456789012345")},
              "2": {"type": 0, "status": 5, "quantity": 7, "price": 0}}
    found = live.end(orders=orders).compared()

    assert found.none, found.verdict


def test_a_live_day_without_an_order_is_known_by_its_journal(tmp_path):
    """Its equity is of that moment's prices, too, though no file's name and no line in the log says that it was live."""
    found = Live(tmp_path / "quiet").end(orders={}).compared()

    assert dict(found.counts) == {"journal": 0, "order events": 0, "orders": 0}
    assert found.left_out == ("equity: prices have moved since the last mark",)
    assert "equity" not in [one.name for one in found.end]


def test_an_adopted_order_need_not_be_told_of_again(live):
    """A restart finds it working at the broker and says so in the journal; Lean has it among its orders, without an event."""
    live.event(1, 2, "filled", 10, filled=10)
    live.journal.write(
        "order", EVENING, order_ref="s-BETA.1", order_id=2, event_id=None, broker_id="77", exec_id=None, symbol="BETA",
        instrument_id=instrument("BETA"), type="LIMIT", tif="GTC", limit_price=None, stop_price=None, status="SUBMITTED",
        quantity=Decimal(5), fill_quantity=Decimal(0), fill_price=None, fee=None, currency="USD", message=None)
    whole = {"type": 0, "status": 3, "quantity": 10, "price": Decimal("82.123456789012345")}
    working = {"type": 1, "status": 1, "quantity": 5, "price": 0}
    found = live.end(orders={"1": whole, "2": working}).compared()

    assert found.none, found.verdict


def test_times_of_one_attempt_are_compared_although_they_are_the_walls(live):
    """To the millisecond: Lean's are doubles."""
    live.event(1, 2, "filled", 10, filled=10, filed=False)
    live.event(1, 2, "filled", 10, filled=10, at=EVENING + timedelta(microseconds=900), heard=False, logged=False)
    near = live.end().compared()
    path = live.results / f"{ID}-2020-03-02-order-events.json"
    path.write_text(path.read_text().replace(f"{(EVENING + timedelta(microseconds=900)).timestamp()!r}", "1583193592.5"))

    assert near.none, near.verdict
    assert [(one.where, one.field) for one in live.compared().found] == [("order 1, event 2 (ALFA)", "time")]


@pytest.mark.parametrize(("given", "name"), [({"cash": "99178.80"}, "cash"), ({"held": 9}, "shares ALFA")])
def test_cash_and_shares_at_the_end_are_compared(given, name, live):
    """Live, Lean's result has both to the last digit."""
    live.event(1, 2, "filled", 10, filled=10)
    found = live.end(**given).compared()

    assert [one.name for one in found.end if not one.equal] == [name]
    assert not found.none


def test_what_others_hold_in_the_account_is_no_difference(live):
    """It is said that it was left out."""
    live.event(1, 2, "filled", 10, filled=10)
    found = live.end(more="OMEG").compared()

    assert found.none, found.verdict
    assert "shares of OMEG: not the algorithm's" in found.left_out


def test_a_killed_process_leaves_a_result_that_is_not_the_last_word(live):
    """Nothing differs as far as it was read, and that is not the same as none."""
    live.event(1, 2, "filled", 10, filled=10)
    found = live.end(state="Running", orders={}).compared()

    assert (found.found, found.none) == ((), False)
    assert found.verdict == f"not known: result: {ID}.json: was not written at the end (its state is Running)"


# A day under the stand-in for Lean's launcher.

def test_a_live_day_agrees_in_all_its_files(tmp_path):
    """Announced, filled in parts, and ended: journal, the day's file, the log, the result's orders, cash and shares."""
    lived = Day(tmp_path, {"ALFA": 0.3, "BETA": 0.2}).live(fault="partial-fills")
    found = compare_with_lean(lived.folder / "results", "r0-1", lived.journal)

    assert found.none, found.verdict
    assert dict(found.counts) == {"journal": 6, "order events": 6, "log": 6, "orders": 2}
    assert {"fills", "fees", "cash", "shares ALFA", "shares BETA"} <= {one.name for one in found.end}


def test_a_day_that_was_killed_does_not(tmp_path):
    """Its file of events was written before the last fill, its result while it ran; the journal and the log tell of the fill."""
    lived = Day(tmp_path, {"ALFA": 0.3, "BETA": 0.2}).live(fault="killed-after:1")
    found = compare_with_lean(lived.folder / "results", "r0-1", lived.journal)

    assert lived.code == -9
    assert not found.none
    assert dict(found.counts)["log"] == dict(found.counts)["journal"]
    assert any("not written at the end" in reason for reason in found.unreadable)


# Real Lean.

@pytest.mark.golden
@pytest.mark.parametrize("name", IDS)
def test_real_leans_files_agree_with_each_other(name):
    """Events, the orders of the result, printed fees, and live the log: the journal alone is missing there."""
    if not RAW.is_dir():
        pytest.skip(f"real Lean's result folders are not at {RAW}")
    found = compare_with_lean(RAW / name, IDS[name], RAW / name / "journal.jsonl")
    events = [event for path in (RAW / name).glob("*-order-events.json") for event in json.loads(path.read_text())]
    orders = json.loads((RAW / name / f"{IDS[name]}.json").read_text())["orders"]

    assert found.found == ()
    assert found.end == ()
    assert len(found.unreadable) == 1 and found.unreadable[0].startswith("journal: ")
    assert dict(found.counts) == {"order events": len(events), "orders": len(orders)} | (
        {"log": len(events)} if name == "live-paper" else {})


@pytest.mark.golden
def test_a_journal_of_the_recorded_live_day_agrees_with_all_of_it(tmp_path):
    """With the moments, prices and fees as an algorithm hears them: doubles, and microseconds."""
    if not RAW.is_dir():
        pytest.skip(f"real Lean's result folders are not at {RAW}")
    journal = Journal(str(tmp_path / "journal.jsonl"), run_id=RUN, attempt=1, live=True, now=lambda: EVENING)
    journal.write("opened", EVENING, mode="paper", cash=Decimal(100000), holdings={})
    statuses = {"submitted": "SUBMITTED", "filled": "FILLED", "cancelPending": "PENDING_CANCEL", "canceled": "CANCELLED"}
    for event in json.loads((RAW / "live-paper" / "live-smoke-2026-11-21-order-events.json").read_text()):
        filled = event["fillQuantity"] != 0
        journal.write(
            "order", datetime.fromtimestamp(event["time"], UTC), order_ref="first", order_id=event["orderId"],
            event_id=event["orderEventId"], symbol=event["symbolValue"], instrument_id=event["symbol"],
            type="LIMIT" if "limitPrice" in event else "MARKET", status=statuses[event["status"]],
            limit_price=Decimal(str(event["limitPrice"])) if "limitPrice" in event else None, stop_price=None,
            quantity=Decimal(str(event["quantity"])), fill_quantity=Decimal(str(event["fillQuantity"])),
            fill_price=Decimal(str(event["fillPrice"])) if filled else None,
            fee=Decimal(str(event["orderFeeAmount"])) if filled else None, message=None)
    journal.write("mark", EVENING, equity=Decimal("94105.1793794252"), cash=Decimal("94105.1793794252"), positions=[])
    journal.close(EVENING)
    found = compare_with_lean(RAW / "live-paper", "live-smoke", tmp_path / "journal.jsonl")

    assert found.none, found.verdict
    assert dict(found.counts) == {"journal": 11, "order events": 11, "log": 11, "orders": 5}
    assert [one.name for one in found.end] == ["fills", "fees", "cash"]
