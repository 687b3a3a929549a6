"""The algorithm on paper and live: what is sent when, what stops it, how it ends, and how the next attempt goes on.

Each day runs in a process of its own under the stand-in for Lean live, with a broker whose book outlives that process.
"""

import json
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from algorithm_fixtures import identify, item_of, new_york, price_before
from hypothesis import given
from hypothesis import strategies as st
from live_days import INTERRUPTED, Day, Lived
from store_fixtures import put

from workbench.algorithm import intents, journal, resume, timing
from workbench.engines import base
from workbench.store import Store

FOLDERS: list[Path] = []
THREE = {"ALFA": 0.3, "BETA": 0.2, "GAMA": 0.1}
FAR = {"order_type": "LMT", "limit_offset_bps": 5000}       # a limit that is never met


@pytest.fixture(scope="module", autouse=True)
def _folders(tmp_path_factory):
    """Room for the day that several tests look at."""
    FOLDERS.append(tmp_path_factory.mktemp("live"))


def check(lived: Lived) -> Lived:
    """A day that came to its end, with a journal that verifies."""
    assert lived.code == 0, lived.said[-3000:]
    assert journal.verify(journal.read_lines(str(lived.journal))).good
    return lived


@cache
def whole_day() -> tuple[Day, Lived]:
    """Three names bought at the open."""
    day = Day(FOLDERS[-1] / "whole", THREE)
    return day, check(day.live())


def submitted(lived: Lived) -> list[tuple[str, str]]:
    """What was taken by the engine, and when."""
    return [(line["symbol"], new_york(line)[11:]) for line in lived.of("order", status="SUBMITTED")]


def line_of(day: Day, symbol: str, order: int, *, held: int = 0, order_type: str = "MOO", price: str = "100") -> dict[str, object]:
    """A holding that an earlier attempt sized."""
    return {"order_intent_id": f"s{day.day:%Y%m%d}-{symbol}", "symbol": symbol, "instrument_id": identify(symbol), "order": order,
            "target": held + order, "held": held, "price": Decimal(price), "order_type": order_type, "reduces": order * held < 0}


# A day as it should be.

def test_orders_go_at_their_moment_and_the_day_ends_with_the_last_of_them():
    """Sized and sent at 09:00, filled at the open, and then there is nothing to wait for."""
    day, lived = whole_day()

    assert {time for _, time in submitted(lived)} == {"09:00"}
    assert [line["status"] for line in lived.of("order")].count("FILLED") == 3
    assert [line["kind"] for line in lived.lines[-2:]] == ["mark", "closed"]
    assert new_york(lived.lines[-1]) == "2020-03-10 09:30"
    assert day.held() == {line["symbol"]: line["order"] for line in lived.of("sized")}
    assert lived.result["state"]["Status"] == "Completed"


def test_what_is_about_to_be_sent_is_told_first():
    """Quantity, type and name, without an id of the engine's, on the disk; the engine's own events follow."""
    _, lived = whole_day()
    told = lived.of("order", order_ref="s20200310-ALFA.1")

    assert [line["status"] for line in told] == ["PENDING_SUBMIT", "SUBMITTED", "FILLED"]
    assert [(line["order_id"], line["event_id"]) for line in told] == [(None, None), (1, 1), (1, 2)]
    assert {(line["quantity"], line["type"], line["instrument_id"]) for line in told} == {
        (101, "MARKET_ON_OPEN", "ALFA X0VCJX7VS19H")}
    assert told[0]["fill_quantity"] == 0


def test_prices_are_there_before_the_first_bar():
    """The last close, with its time: live, Lean would know none of a stock with daily bars."""
    _, lived = whole_day()

    assert {line["price_time"] for line in lived.of("sized")} == {"2020-03-09T20:00:00Z"}
    assert lived.of("sized")[0]["price"] == Decimal("299.11")


def test_the_account_is_the_brokers():
    """Cash and holdings as the broker has them, not as a backtest would begin."""
    _, lived = whole_day()
    opened = lived.lines[0]

    assert (opened["kind"], opened["mode"], opened["account"], opened["resumed"]) == ("opened", "paper", "DU1234567", False)
    assert (opened["cash"], opened["holdings"]) == (100000, {})


def test_an_arrival_price_that_is_not_known_is_not_made_up():
    """With daily bars the session's open is told only after the close."""
    _, lived = whole_day()

    assert {(line["arrival_price"], line["arrival_source"]) for line in lived.of("order")} == {(None, None)}


def test_minutes_give_the_price_and_the_arrival(tmp_path):
    """Sized from the newest minute, arrived at its mid."""
    lived = check(Day(tmp_path, {"ALFA": 0.3}, day="2020-03-12", order_type="MKT", resolution="minute").live(start="09:45"))
    fill = lived.of("order", status="FILLED")[0]

    assert lived.of("sized")[0]["price_time"] == "2020-03-12T14:00:00Z"
    assert (fill["arrival_source"], new_york(fill)) == ("mid", "2020-03-12 10:00")
    assert abs(fill["arrival_price"] / fill["fill_price"] - 1) < Decimal("0.01")


def test_parts_of_an_order_are_parts_of_it(tmp_path):
    """Two executions with a fee each; the day ends with the second."""
    day = Day(tmp_path, {"ALFA": 0.3})
    lived = check(day.live(fault="partial-fills"))
    fills = [line for line in lived.of("order") if line["fill_quantity"]]

    assert [(line["status"], line["fill_quantity"]) for line in fills] == [("PARTIALLY_FILLED", 50), ("FILLED", 51)]
    assert [line["fee"] for line in fills] == [1, 1]
    assert day.held() == {"ALFA": 101}


def test_the_store_folds_what_was_announced_and_what_came_of_it_into_one_order():
    """By its order_ref: three orders of three intents, each FILLED."""
    _, lived = whole_day()

    assert folded(lived) == [(f"s20200310-{name}.1", str(number), "FILLED")
                             for number, name in ((1, "ALFA"), (2, "BETA"), (3, "GAMA"))]


def folded(*attempts: Lived) -> list[tuple[str, str, str]]:
    """The store's orders of a run's attempts: order_ref, id and status."""
    data = attempts[0].folder.parent / "data"
    for number, lived in enumerate(attempts, start=1):
        put(data / "runs" / "r0" / str(number) / "journal.jsonl", lived.journal.read_text())
    store = Store(":memory:")
    store.index(data)
    found = store.frame("select client_order_id, order_id, status from orders order by attempt, client_order_id")
    return list(found.itertuples(index=False, name=None))


def test_the_engines_own_files_tell_the_same_events():
    """But for what was announced, which the engine never heard of."""
    _, lived = whole_day()
    events = json.loads((lived.folder / "results" / "r0-1-2020-03-10-order-events.json").read_text())
    heard = [line for line in lived.of("order") if line["event_id"] is not None]

    assert [(event["orderId"], event["orderEventId"], event["fillQuantity"]) for event in events] == [
        (line["order_id"], line["event_id"], line["fill_quantity"]) for line in heard]
    assert lived.result["orders"]["1"]["tag"] == "s20200310-ALFA.1"


# Late, and too late.

@pytest.mark.parametrize(("order_type", "start", "sent"), [
    ("MOO", "09:27", "09:27"), ("MOO", "09:28", None), ("MKT", "11:00", "11:00"), ("MKT", "15:54", "15:54"),
    ("MKT", "15:55", None), ("MOC", "15:44", "15:44"), ("MOC", "15:45", None)])
def test_a_late_start_trades_at_once_while_that_makes_sense(tmp_path, order_type, start, sent):
    """Until 09:28 at the open, five minutes before the close at the market, and Lean's own buffer at the close."""
    lived = check(Day(tmp_path, {"ALFA": 0.2, "BETA": 0.1}, order_type=order_type).live(start=start))

    assert submitted(lived) == ([("ALFA", sent), ("BETA", sent)] if sent else [])
    assert lived.blocked() == ([] if sent else [("ALFA", "too_late"), ("BETA", "too_late")])
    assert len(lived.of("rebalance")) == (1 if sent else 0)
    assert all(line["detail"] for line in lived.of("blocked"))


def test_each_order_type_is_late_by_itself(tmp_path):
    """At 09:40 the open has passed and the limit's moment has not come: one is refused, after sizing, the other sent."""
    limited = item_of("BETA", date(2020, 3, 10), 0.1, order_type="LMT", limit_price=Decimal(300))
    lived = check(Day(tmp_path, {"ALFA": 0.2}, items=[limited]).live(start="09:40"))

    assert lived.blocked() == [("ALFA", "too_late")]
    assert lived.of("blocked")[0]["cut"] == lived.of("sized", symbol="ALFA")[0]["order"]
    assert lived.of("blocked")[0]["detail"] == "MOO is sent until 09:28:00"
    assert submitted(lived) == [("BETA", "10:00")]


def test_moments_go_by_the_days_own_close():
    """A session that closes at 13:00 has everything but the open earlier."""
    day, close = date(2019, 7, 3), datetime.fromisoformat("2019-07-03T13:00")

    assert [f"{timing.due(kind, day, close):%H:%M}" for kind in intents.ORDER_TYPES] == ["10:00", "09:00", "12:30", "10:00"]
    assert [f"{timing.latest(kind, day, close):%H:%M:%S}" for kind in intents.ORDER_TYPES] == [
        "12:55:00", "09:28:00", "12:44:30", "12:55:00"]
    assert f"{timing.last_wait(close):%H:%M}" == "13:15"


# Waiting, the deadline, and the stop file.

def test_purchases_wait_for_the_sales(tmp_path):
    """The sale is heard of at the next look, and then the purchase goes; the sale's money is what it is made of."""
    day = Day(tmp_path, {"ALFA": 0.1, "BETA": 0.3}, order_type="MKT")
    hold(day, ALFA=200)
    lived = check(day.live(start="09:55"))
    moments = [(line["symbol"], line["status"], line["occurred_at"][11:19]) for line in lived.of("order")]

    assert moments == [("ALFA", "PENDING_SUBMIT", "14:00:00"), ("ALFA", "SUBMITTED", "14:00:00"), ("ALFA", "FILLED", "14:00:05"),
                       ("BETA", "PENDING_SUBMIT", "14:00:05"), ("BETA", "SUBMITTED", "14:00:05"), ("BETA", "FILLED", "14:00:10")]


def hold(day: Day, **shares: int) -> None:
    """Let the broker's book begin with holdings."""
    day.book.write_text(json.dumps({
        "schema": "standin-book/1", "account": "DU1234567", "cash": "50000", "next_order_id": 7, "working": [], "executions": [],
        "positions": {name: {"instrument_id": identify(name), "quantity": str(held), "average_price": "100"}
                      for name, held in shares.items()}}))


def test_at_the_deadline_what_still_works_is_taken_back(tmp_path):
    """A quarter of an hour after the close, where nothing else is asked: cancelled, heard, ended."""
    day = Day(tmp_path, {"ALFA": 0.3}, **FAR)
    lived = check(day.live(start="09:59"))

    assert lived.story("s20200310-ALFA.1") == ["PENDING_SUBMIT", "SUBMITTED", "PENDING_CANCEL", "CANCELLED"]
    assert new_york(lived.of("order", status="PENDING_CANCEL")[0]) == "2020-03-10 16:15"
    assert (day.broker["working"], day.broker["executions"]) == ([], [])
    assert [new_york(line) for line in lived.of("mark")] == ["2020-03-10 16:00", "2020-03-10 16:15"]


def test_the_deadline_may_be_another_and_the_orders_may_stay(tmp_path):
    """At half past ten nothing is taken back: the order works on at the broker, and the journal says no more of it."""
    day = Day(tmp_path, {"ALFA": 0.3}, **FAR)
    lived = check(day.live(start="09:59", deadline=datetime.fromisoformat("2020-03-10T14:30:00Z"), leave_working=True))

    assert lived.story("s20200310-ALFA.1") == ["PENDING_SUBMIT", "SUBMITTED"]
    assert new_york(lived.lines[-1]) == "2020-03-10 10:30"
    assert [order["symbol"] for order in day.broker["working"]] == ["ALFA"]


def test_what_was_not_sent_by_the_deadline_is_told(tmp_path):
    """The close would come later than we may wait."""
    lived = check(Day(tmp_path, {"ALFA": 0.3}, order_type="MOC").live(deadline=datetime.fromisoformat("2020-03-10T14:30:00Z")))

    assert lived.blocked() == [("ALFA", "deadline")]
    assert lived.of("order") == []


def test_what_cannot_be_cancelled_is_told(tmp_path):
    """A minute is waited for; then the journal says which order may still work."""
    day = Day(tmp_path, {"ALFA": 0.3}, **FAR)
    lived = check(day.live(start="15:50", fault="deaf-cancel"))

    assert lived.blocked() == [("ALFA", "not_cancelled")]
    assert "s20200310-ALFA.1" in lived.of("blocked")[0]["detail"]
    assert new_york(lived.lines[-1]) == "2020-03-10 16:16"
    assert len(day.broker["working"]) == 1


def test_a_fill_that_the_engine_never_heard_of_is_waited_for_and_told(tmp_path):
    """It happened at the broker while Lean was not listening: at the deadline that order can't be cancelled."""
    day = Day(tmp_path, {"ALFA": 0.3, "BETA": 0.2})
    lived = check(day.live(fault="lose-fill:1"))

    assert lived.story("s20200310-ALFA.1") == ["PENDING_SUBMIT", "SUBMITTED", "PENDING_CANCEL"]
    assert lived.blocked() == [("ALFA", "not_cancelled")]
    assert (day.held(), lived.of("mark")[-1]["positions"][0]["quantity"]) == ({"ALFA": 101, "BETA": 87}, 0)


def test_a_stop_file_before_the_first_order_lets_nothing_go(tmp_path):
    """Who and why are in the journal beside each thing that was not sent."""
    day = Day(tmp_path, THREE)
    day.stop_file.write_text("anna: wrong list\n")
    lived = check(day.live())

    assert lived.blocked() == [("ALFA", "stopped"), ("BETA", "stopped"), ("GAMA", "stopped")]
    assert {line["detail"] for line in lived.of("blocked")} == {"anna: wrong list"}
    assert (lived.of("order"), day.broker["working"]) == ([], [])


def test_a_stop_file_takes_back_what_works_and_the_day_ends(tmp_path):
    """Within the next look, however long the day would still be."""
    day = Day(tmp_path, {"ALFA": 0.3}, **FAR)
    process = day.begin(start="09:59", pace=600)
    day.wait_for("SUBMITTED")
    day.stop_file.write_text("anna: enough")
    lived = check(day.ended(process))

    assert lived.story("s20200310-ALFA.1")[-2:] == ["PENDING_CANCEL", "CANCELLED"]
    assert new_york(lived.lines[-1]) < "2020-03-10 12:00"
    assert day.broker["working"] == []


OWN = """
from AlgorithmImports import *
from pathlib import Path

import intent_execution


class Own(intent_execution.IntentExecution):

    METHODS
"""
STOPS_AFTER_ONE = """def _place(self, *arguments):
        Path(self.get_parameter('stop-path')).write_text('anna: after the first')
        return super()._place(*arguments)"""
NEVER_QUITS = """def quit(self, message=''):
        self.log(f'stays: {message}')"""


def own(folder: Path, methods: str) -> Path:
    """An algorithm of a test's own, beside copies of the files it needs."""
    for path in base.ALGORITHM.glob("*.py"):
        put(folder / "own" / path.name, path.read_text())
    return put(folder / "own" / "own.py", OWN.replace("METHODS", methods))


def test_the_stop_file_is_looked_for_before_every_send(tmp_path):
    """It appears while the first order of a batch goes: the second and third do not."""
    day = Day(tmp_path, THREE)
    lived = check(day.live(algorithm=own(tmp_path, STOPS_AFTER_ONE)))

    assert lived.blocked() == [("BETA", "stopped"), ("GAMA", "stopped")]
    assert lived.story("s20200310-ALFA.1") == ["PENDING_SUBMIT", "SUBMITTED", "PENDING_CANCEL", "CANCELLED"]
    assert day.broker["executions"] == []


def test_what_comes_after_the_last_line_is_in_the_engines_log(tmp_path):
    """The journal is closed and stays as it is; nothing breaks."""
    day = Day(tmp_path, {"ALFA": 0.2}, order_type="MOC")
    lived = check(day.live(algorithm=own(tmp_path, NEVER_QUITS), leave_working=True,
                           deadline=datetime.fromisoformat("2020-03-10T19:45:00Z")))

    assert lived.story("s20200310-ALFA.1") == ["PENDING_SUBMIT", "SUBMITTED"]
    assert "after the journal was closed: order" in (lived.folder / "results" / "log.txt").read_text()
    assert len(day.broker["executions"]) == 1


NEVER_LATE = """def _is_late(self, day, order_type):
        return False"""


def test_an_order_that_the_engine_does_not_take_is_told_to_have_ended(tmp_path):
    """It was announced, so its end is too: nobody has to wonder what became of it."""
    lived = check(Day(tmp_path, {"ALFA": 0.2}, order_type="MOC").live(start="15:50", algorithm=own(tmp_path, NEVER_LATE)))

    assert lived.story("s20200310-ALFA.1") == ["PENDING_SUBMIT", "REJECTED"]
    assert lived.blocked() == [("ALFA", "engine")]
    assert folded(lived) == [("s20200310-ALFA.1", "tag:s20200310-ALFA.1", "REJECTED")]


def test_a_loss_since_the_last_close_is_known_to_who_began_before_the_open(tmp_path):
    """By the morning's value: on a day on which it falls, what would grow is refused."""
    risk = {"max_daily_loss": Decimal("0.000001")}
    lost = Day(tmp_path, {"ALFA": 0.9}, day="2020-03-13", order_type="MKT", resolution="minute", risk_overrides=risk)
    hold(lost, ALFA=300)
    lived = check(lost.live())
    sized = lived.of("sized")[0]

    assert lived.blocked() == [("ALFA", "max_daily_loss")]
    assert sized["order"] > 0
    assert lived.of("rebalance")[0]["equity"] < lived.lines[0]["cash"] + 300 * price_before("ALFA", lost.day)


def test_leans_own_paper_account_begins_with_what_it_is_given(tmp_path):
    """Holdings and cash live in the process alone, and come from the config."""
    day = Day(tmp_path, {"ALFA": 0.1})
    holding = ("ALFA", identify("ALFA"), Decimal(100), Decimal(300))
    lived = check(day.live(account="paper", cash=Decimal(70000), holdings=(holding,)))

    assert (lived.lines[0]["account"], lived.lines[0]["cash"], lived.lines[0]["holdings"]) == ("paper", 70000, {"ALFA": 100})
    assert lived.of("sized")[0]["order"] < 0
    assert not day.book.exists()


# How a process ends.

def test_an_interrupt_closes_the_journal(tmp_path):
    """Lean ends in good order, and so does the journal; what works at the broker stays there."""
    day = Day(tmp_path, {"ALFA": 0.3}, **FAR)
    process = day.begin(start="09:59", pace=600)
    day.wait_for("SUBMITTED")
    process.send_signal(INTERRUPTED)
    lived = check(day.ended(process))

    assert [line["kind"] for line in lived.lines[-2:]] == ["mark", "closed"]
    assert lived.result["state"]["Status"] == "Completed"
    assert len(day.broker["working"]) == 1


def test_a_terminated_process_leaves_what_was_told_before(tmp_path):
    """No last line, and a result that still says Running."""
    day = Day(tmp_path, {"ALFA": 0.3}, **FAR)
    process = day.begin(start="09:59", pace=600)
    day.wait_for("SUBMITTED")
    process.terminate()
    lived = day.ended(process)

    assert lived.code == -15
    assert not journal.verify(journal.read_lines(str(lived.journal))).closed
    assert (lived.result["state"]["Status"], lived.result["orders"]) == ("Running", {})


def test_a_live_engine_with_a_backtest_to_do_begins_nothing(tmp_path):
    """Nothing of what makes money safe would be done."""
    day = Day(tmp_path, {"ALFA": 0.3})
    config = day.config()
    told = json.loads(config.read_text())
    told["parameters"]["mode"] = "backtest"
    config.write_text(json.dumps(told))
    day.attempts -= 1
    day.config = lambda **_: config     # type: ignore[method-assign]
    process = day.begin()
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "the engine is live, and parameter 'mode' says backtest" in said


# Another attempt.

@pytest.mark.parametrize(("fault", "at_the_broker"), [("killed-before-send:2", 1), ("killed-after-send:2", 2)])
def test_a_crash_between_announcing_and_hearing_is_an_open_order(tmp_path, fault, at_the_broker):
    """Whether the broker has the second order the journal can't know: the store shows it as announced, and no more."""
    day = Day(tmp_path, THREE)
    lived = day.live(fault=fault)

    assert (lived.code, len(day.broker["working"])) == (-9, at_the_broker)
    assert folded(lived) == [("s20200310-ALFA.1", "1", "SUBMITTED"),
                             ("s20200310-BETA.1", "tag:s20200310-BETA.1", "PENDING_SUBMIT")]


@pytest.mark.parametrize("restarted", ["09:10", "09:27"])
def test_the_next_attempt_sends_what_was_not_sent_and_nothing_else(tmp_path, restarted):
    """Killed after the second of three: the first two are adopted from the broker, the third is sent, and no share is doubled."""
    day, whole = Day(tmp_path, THREE), whole_day()[0]
    first = day.live(fault="killed-after-send:2")
    sized = {line["symbol"]: line for line in first.of("sized")}
    left = line_of(day, "GAMA", int(sized["GAMA"]["order"]))
    second = check(day.live(start=restarted, resume={
        "sized": True, "lines": [left], "sent": {"s20200310-ALFA": 1, "s20200310-BETA": 1},
        "working": [{"order_ref": f"s20200310-{name}.1", "symbol": name, "quantity": sized[name]["order"], "filled": 0}
                    for name in ("ALFA", "BETA")]}))

    assert (second.of("rebalance", "sized"), second.lines[0]["resumed"]) == ([], True)
    assert second.story("s20200310-GAMA.1") == ["PENDING_SUBMIT", "SUBMITTED", "FILLED"]
    for name in ("ALFA", "BETA"):
        assert second.story(f"s20200310-{name}.1") == ["SUBMITTED", "FILLED"]
    assert (day.held(), day.broker["working"]) == (whole.held(), [])
    assert len(day.broker["executions"]) == 3


def test_purchases_wait_for_an_adopted_sale_too(tmp_path):
    """It frees their money whoever sent it; after ten minutes they go without."""
    day = Day(tmp_path, {"ALFA": 0.1, "BETA": 0.3}, **FAR)
    hold(day, ALFA=200)
    first = day.live(start="09:59", fault="killed-after-send:1")
    (sized,) = first.of("sized", symbol="ALFA")
    second = check(day.live(start="10:05", resume={
        "sized": True, "lines": [line_of(day, "BETA", 3, order_type="LMT")], "sent": {"s20200310-ALFA": 1},
        "working": [{"order_ref": "s20200310-ALFA.1", "symbol": "ALFA", "quantity": sized["order"], "filled": 0}]}))

    assert submitted(second) == [("ALFA", "10:05"), ("BETA", "10:15")]


def test_a_stop_file_takes_back_what_an_earlier_attempt_sent(tmp_path):
    """Adopted and cancelled, under its old name and its new id; what was left to send stays unsent."""
    day = Day(tmp_path, THREE)
    first = day.live(fault="killed-after-send:1")
    sized = first.of("sized", symbol="ALFA")[0]
    day.stop_file.write_text("anna: enough")
    second = check(day.live(start="09:10", resume={
        "sized": True, "lines": [line_of(day, "GAMA", 5)],
        "working": [{"order_ref": "s20200310-ALFA.1", "symbol": "ALFA", "quantity": sized["order"], "filled": 0}]}))

    assert second.story("s20200310-ALFA.1") == ["SUBMITTED", "PENDING_CANCEL", "CANCELLED"]
    assert {(line["order_id"], line["broker_id"]) for line in second.of("order")} == {(1, "1")}
    assert second.blocked() == [("GAMA", "stopped")]
    assert (day.broker["working"], day.broker["executions"]) == ([], [])


def test_a_further_order_of_an_intent_has_the_next_number(tmp_path):
    """One that was sent and came to nothing is another order than the one that goes now."""
    day = Day(tmp_path, {"ALFA": 0.3})
    lived = check(day.live(resume={"sized": True, "lines": [line_of(day, "ALFA", 5)], "sent": {"s20200310-ALFA": 2},
                                   "refs": ["s20200310-ALFA.1", "s20200310-ALFA.2"]}))

    assert lived.story("s20200310-ALFA.3") == ["PENDING_SUBMIT", "SUBMITTED", "FILLED"]
    assert day.held() == {"ALFA": 5}


def test_holdings_that_are_not_what_was_sized_from_are_left_alone(tmp_path):
    """Somebody traded meanwhile: what was sized is worth nothing for that name, and good for the other."""
    day = Day(tmp_path, {"ALFA": 0.3, "BETA": 0.1})
    hold(day, ALFA=3)
    lived = check(day.live(resume={"sized": True, "lines": [line_of(day, "ALFA", 5), line_of(day, "BETA", 7)]}))

    assert lived.blocked() == [("ALFA", "holdings_changed")]
    assert lived.of("blocked")[0]["detail"] == "3 held, sized from 0"
    assert day.held() == {"ALFA": 3, "BETA": 7}


def test_only_one_date_can_be_gone_on_with(tmp_path):
    """Lines do not say which date they are of."""
    day = Day(tmp_path, {"ALFA": 0.3}, items=[item_of("BETA", date(2020, 3, 11), 0.1)])
    lived = day.live(resume={"sized": True, "lines": [line_of(day, "ALFA", 5)]})

    assert "has the intents of one date" in lived.said
    assert lived.code == 1


def test_an_order_that_is_not_found_at_the_broker_is_told(tmp_path):
    """It ended between the question and the start: nobody guesses how."""
    day = Day(tmp_path, {"ALFA": 0.3})
    lived = check(day.live(resume={"sized": True, "working": [
        {"order_ref": "s20200310-ALFA.1", "symbol": "ALFA", "quantity": 10, "filled": 4}]}))

    assert lived.blocked() == [("ALFA", "not_adopted")]
    assert "s20200310-ALFA.1: the broker has no open order of 6 shares" in lived.of("blocked")[0]["detail"]
    assert lived.of("order") == []


@pytest.mark.parametrize("sized", [False, True])
def test_an_order_of_nobody_we_know_keeps_its_symbol_from_being_traded(tmp_path, sized):
    """Somebody's order works at the broker: it is not ours, and its symbol waits, whoever sized it."""
    day = Day(tmp_path, {"ALFA": 0.3, "BETA": 0.2})
    hold(day)
    book = day.broker
    book["working"] = [{"order_id": 3, "perm_id": 900003, "client_id": 5, "order_ref": "", "symbol": "ALFA",
                        "instrument_id": identify("ALFA"), "quantity": "9", "filled": "0", "order_type": "LMT", "limit_price": "1",
                        "status": "Submitted", "sent_at": "2020-03-10T12:00:00Z", "cancel_at": None}]
    day.book.write_text(json.dumps(book))
    lived = check(day.live(resume={"sized": True, "lines": [line_of(day, "ALFA", 5)]} if sized else None))

    assert lived.blocked() == [("ALFA", "working_order")]
    assert [order["order_id"] for order in day.broker["working"]] == [3]


def test_what_earlier_days_left_is_closed_where_nobody_wants_it(tmp_path):
    """The ledger names it; others' shares of it, and what the ledger does not name, stay."""
    day = Day(tmp_path, {"BETA": 0.2})
    hold(day, ALFA=30, GAMA=5)
    lived = check(day.live(resume={"ledger": {"ALFA": 20, "DELT": 0}}))

    assert lived.story("s20200310-ALFA.1") == ["PENDING_SUBMIT", "SUBMITTED", "FILLED"]
    assert lived.of("sized", symbol="ALFA")[0]["order"] == -20
    assert {name: day.held()[name] for name in ("ALFA", "GAMA")} == {"ALFA": 10, "GAMA": 5}
    assert "DELT" not in {row["symbol"] for row in lived.of("mark")[-1]["positions"]}


# What is left, as a file.

def test_nothing_left_is_a_value():
    """A file that says nothing more than what it is."""
    assert resume.read({"schema": "resume/1"}) == resume.Resume()


GOOD = {"order_intent_id": "s1-ALFA", "symbol": "ALFA", "instrument_id": "ALFA X", "order": 5, "target": 8, "held": 3,
        "price": Decimal("1.5"), "order_type": "MOO", "reduces": False}


@pytest.mark.parametrize(("given", "says"), [
    ([], "not a resume/1 object"),
    ({"schema": "resume/2"}, "not a resume/1 object"),
    ({"schema": "resume/1", "line": []}, "unknown field 'line'"),
    ({"schema": "resume/1", "sized": "yes"}, "sized must be true or false"),
    ({"schema": "resume/1", "lines": [GOOD]}, "lines without sized"),
    ({"schema": "resume/1", "sized": True, "lines": [GOOD, GOOD]}, "an intent has two lines"),
    ({"schema": "resume/1", "sized": True, "lines": [GOOD | {"order": 6}]}, "order 6 is not target 8 less held 3"),
    ({"schema": "resume/1", "sized": True, "lines": [GOOD | {"held": float("nan")}]}, "held nan is not finite"),
    ({"schema": "resume/1", "sized": True, "lines": [GOOD | {"order_type": "STP"}]}, "order_type 'STP' is not one of"),
    ({"schema": "resume/1", "sized": True, "lines": [{"symbol": "ALFA"}]}, "has not the fields held, instrument_id"),
    ({"schema": "resume/1", "sent": {"s1-ALFA": -1}}, "sent of s1-ALFA must be a count"),
    ({"schema": "resume/1", "ledger": {"ALFA": "many"}}, "ledger of ALFA 'many' is not a number"),
    ({"schema": "resume/1", "working": [{"order_ref": "s1-ALFA.1", "symbol": "ALFA", "quantity": 5, "filled": 5}]},
     "5 of 5 shares filled leaves nothing open")])
def test_what_is_not_as_it_must_be_is_refused(given, says):
    """Before anything begins, by name: money would go by it."""
    with pytest.raises(ValueError, match=re.escape(says)):
        resume.read(given)


def orders_open(*most: int):
    """Some open orders of two symbols."""
    shares = st.integers(1, *most or (3,)).map(Decimal)
    return st.lists(st.tuples(st.sampled_from(("ALFA", "BETA")), shares, st.sampled_from((1, -1))), max_size=4)


@given(ours=orders_open(), theirs=orders_open())
def test_an_adopted_order_is_surely_the_one(ours, theirs):
    """No order gets two names and no name two orders; symbol and shares agree; of more than are missed none is taken."""
    working = [resume.Working(order_ref=f"i{n}.1", symbol=symbol, quantity=side * shares, filled=Decimal(0))
               for n, (symbol, shares, side) in enumerate(ours)]
    found = [(n, symbol, side * shares) for n, (symbol, shares, side) in enumerate(ours + theirs, start=1)]
    adopted = resume.adopt(working, found)
    by_ref = {order.order_ref: order for order in working}

    assert len(set(adopted.values())) == len(adopted)
    for number, ref in adopted.items():
        _, symbol, quantity = found[number - 1]
        assert (symbol, quantity) == (by_ref[ref].symbol, by_ref[ref].remaining)
        assert not any((s, side * shares) == (symbol, quantity) for s, shares, side in theirs)


@given(ours=orders_open(9))
def test_every_order_is_adopted_where_the_broker_has_those_alone(ours):
    """Each once; a part that was filled may still be counted by the engine, or not."""
    working = [resume.Working(order_ref=f"i{n}.1", symbol=symbol, quantity=side * (shares + 20), filled=side * Decimal(20))
               for n, (symbol, shares, side) in enumerate(ours)]
    for quantity in ("remaining", "quantity"):
        found = [(n, order.symbol, getattr(order, quantity)) for n, order in enumerate(working, start=1)]

        assert sorted(resume.adopt(working, found).values()) == sorted(order.order_ref for order in working)


@pytest.mark.parametrize(("ours", "found", "adopted"), [
    ([(20, 5), (30, 10)], [20, 30], {1: "i0.1", 2: "i1.1"}),        # what remains of the second is the whole of the first
    ([(20, 5), (30, 10)], [15, 20], {1: "i0.1", 2: "i1.1"}),
    ([(20, 10)], [10, 20], {}),
    ([(20, 10)], [20, 7], {1: "i0.1"}),
    ([(20, 0), (30, 0)], [20], {}),
    ([(20, 0)], [20, 20], {})])
def test_an_order_that_may_be_another_is_not_adopted(ours, found, adopted):
    """Whole and remaining quantities may be confused: only one reading of all of a symbol's orders is believed."""
    working = [resume.Working(order_ref=f"i{n}.1", symbol="ALFA", quantity=Decimal(quantity), filled=Decimal(filled))
               for n, (quantity, filled) in enumerate(ours)]

    assert resume.adopt(working, [(n, "ALFA", Decimal(quantity)) for n, quantity in enumerate(found, start=1)]) == adopted


def test_a_deadline_is_later_than_every_moment():
    """Whatever a day's close, what is due is due before it is late, and late before we stop waiting."""
    day = date(2020, 3, 10)
    for close in (datetime.fromisoformat("2020-03-10T13:00"), datetime.fromisoformat("2020-03-10T16:00")):
        for kind in intents.ORDER_TYPES:
            assert timing.due(kind, day, close) < timing.latest(kind, day, close) < timing.last_wait(close)
    assert timing.opening(day) - timing.due("MOO", day, close) == timedelta(minutes=30)
