"""Orders, fills and positions, folded from events that come late, twice, out of order or from several sources."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from store_fixtures import (
    MONDAY,
    MORNING,
    OPEN,
    Desk,
    decide,
    emptied,
    instrument,
    lean_event,
    lean_file,
    queue,
    request,
    small_run,
)

from workbench.store import Store

LATER = OPEN + timedelta(minutes=5)
TUESDAY = OPEN + timedelta(days=1)


@pytest.fixture(scope="module")
def kept():
    return Store(":memory:")


@pytest.fixture
def store(kept):
    return emptied(kept)


@pytest.fixture
def asked(tmp_path):
    return request(tmp_path, decide(tmp_path, {"ALFA": "0.6"}), mode="paper")


@pytest.fixture
def desk(tmp_path, asked):
    desk = Desk(tmp_path, asked.run_id)
    yield desk
    desk.stop()


@pytest.fixture
def ref(asked):
    return f"{asked.snapshot_ids[0]}-ALFA.1"


def plain(store, tmp_path, run_id, *lines, source="broker"):
    """Ingest a plain list."""
    path = tmp_path / f"{source}.json"
    path.write_text(json.dumps(list(lines)))
    return store.ingest(path, run_id=run_id, source=source)


def one(store, folder, asked):
    """The only order there is."""
    store.index(folder)
    (order,) = store.orders(asked.run_id)
    return order


# Orders and their fills


def test_partial_fills_average(store, tmp_path):
    """4 at 82.50 and 6 at 82.75 make 10 at 82.65, exactly."""
    asked, taken = small_run(tmp_path)
    store.index(tmp_path)
    alfa = store.orders(asked.run_id)[0]

    assert (Decimal(10), Decimal("82.65"), Decimal(2)) == (alfa.filled_quantity, alfa.avg_fill_price, alfa.fees)
    assert (alfa.status, alfa.side, alfa.order_type, alfa.broker_order_id) == ("FILLED", "BUY", "MOO", "1")
    assert (f"{taken.snapshot_id}-ALFA.1", f"{taken.snapshot_id}-ALFA") == (alfa.client_order_id, alfa.order_intent_id)


def test_an_average_without_end_is_right_to_the_last_digit_kept(store, tmp_path, asked, desk, ref):
    """(1 · 100000 + 2 · 100001) ÷ 3 has no last digit; a double would be wrong in the eleventh decimal."""
    desk.order(1, ref, 3, "PARTIALLY_FILLED", fill=1, price="100000")
    desk.order(1, ref, 3, "FILLED", fill=2, price="100001")
    desk.close()

    assert Decimal("100000.666666666667") == one(store, tmp_path, asked).avg_fill_price


def test_a_fill_after_a_cancel_counts(store, tmp_path, asked, desk, ref):
    """The cancel lost the race for 4 of 10 shares: they are ours, and the rest stays cancelled."""
    desk.order(1, ref, 10, "SUBMITTED", at=MORNING)
    desk.order(1, ref, 10, "CANCELLED", at=OPEN)
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=4, at=LATER)
    desk.close()
    order = one(store, tmp_path, asked)

    assert ("CANCELLED", Decimal(4)) == (order.status, order.filled_quantity)
    assert order.last_status_at == LATER


def test_an_order_shown_cancelled_and_wholly_filled_is_filled(store, tmp_path, asked, desk, ref):
    """Nothing of it may be sent again."""
    desk.order(1, ref, 10, "CANCELLED", at=OPEN)
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=10, at=LATER)
    desk.close()

    assert one(store, tmp_path, asked).status == "FILLED"


def test_an_ended_order_is_not_reopened_by_a_late_status(store, tmp_path, asked, desk, ref):
    """A working status stamped after the end is an echo."""
    desk.order(1, ref, 10, "REJECTED", at=OPEN)
    desk.order(1, ref, 10, "SUBMITTED", at=LATER)
    desk.close()

    assert one(store, tmp_path, asked).status == "REJECTED"


def test_a_cancel_that_was_refused_leaves_the_order_working(store, tmp_path, asked, desk, ref):
    """Among working statuses the last one stands, at whatever step of the usual course."""
    for status in ("SUBMITTED", "PENDING_CANCEL", "SUBMITTED"):
        desk.order(1, ref, 10, status)
    desk.close()

    assert one(store, tmp_path, asked).status == "SUBMITTED"


def test_a_working_order_with_fills_is_partially_filled(store, tmp_path, asked, desk, ref):
    """Interactive Brokers goes on calling it Submitted."""
    desk.order(1, ref, 10, "SUBMITTED", fill=4)
    desk.close()

    assert one(store, tmp_path, asked).status == "PARTIALLY_FILLED"


def test_fees_are_unknown_while_one_fill_s_fee_is(store, tmp_path, asked, desk, ref):
    """A late commission is not a zero; an order without fills costs nothing."""
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=4, fee="1")
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=4, fee=None)
    desk.order(2, ref, 10, "SUBMITTED")
    desk.close()
    store.index(tmp_path)

    assert [None, Decimal(0)] == [order.fees for order in store.orders(asked.run_id)]


def test_the_first_tag_names_the_order(store, tmp_path, asked, desk, ref):
    """Lean overwrites an order's tag when it is cancelled."""
    desk.order(1, ref, 10, "SUBMITTED", at=MORNING)
    desk.order(1, "Open order cancelled on symbol changed event", 10, "CANCELLED")
    desk.close()

    assert ref == one(store, tmp_path, asked).client_order_id


def test_an_unknown_tag_is_kept_and_matched_to_nothing(store, tmp_path, asked, desk):
    """A margin call is nobody's intent; it is not dropped and not guessed."""
    desk.order(7, "Margin Call", -4, "FILLED", fill=-4)
    desk.close()
    order = one(store, tmp_path, asked)

    assert ("Margin Call", None, Decimal(-4)) == (order.client_order_id, order.order_intent_id, order.filled_quantity)


def test_a_tag_is_matched_whole(store, tmp_path):
    """`…-ALFA.1` is order 1 of ALFA; `…-ALFA.1x` is nothing; an intent's id alone names the intent."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    asked = request(tmp_path, taken, mode="paper")
    desk = Desk(tmp_path, asked.run_id)
    intent = f"{taken.snapshot_id}-ALFA"
    for number, tag in enumerate((f"{intent}.2", intent, f"{intent}.1x", f"x{intent}.1", f"{intent}.1.1"), start=1):
        desk.order(number, tag, 1, "SUBMITTED")
    desk.close()
    store.index(tmp_path)

    assert [intent, intent, None, None, None] == [order.order_intent_id for order in store.orders(asked.run_id)]


def test_a_symbol_may_look_like_an_order_s_number(store, tmp_path):
    """`…-BRK.1` is an intent in BRK.1 where there is one, and order 1 of BRK where there is that."""
    taken = decide(tmp_path, {"BRK.1": "0.6"})
    asked = request(tmp_path, taken, mode="paper")
    desk = Desk(tmp_path, asked.run_id)
    desk.order(1, f"{taken.snapshot_id}-BRK.1", 1, "SUBMITTED")
    desk.order(2, f"{taken.snapshot_id}-BRK.1.1", 1, "SUBMITTED")
    desk.close()
    store.index(tmp_path)

    assert 2 * [f"{taken.snapshot_id}-BRK.1"] == [order.order_intent_id for order in store.orders(asked.run_id)]


# Executions by their ids


def test_an_execution_heard_twice_is_one_fill(store, tmp_path, asked, desk, ref):
    """After a reconnect executions are asked for again; the fee may come only then."""
    exec_id = "0000e0d5.5e5f6a7b.01.01"
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=4, fee=None, exec_id=exec_id, event=False)
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=4, fee="0.35", exec_id=exec_id, event=False, at=LATER)
    desk.close()
    order = one(store, tmp_path, asked)

    assert (Decimal(4), Decimal("0.35")) == (order.filled_quantity, order.fees)
    assert store.fills(asked.run_id)[0].occurred_at == OPEN


def test_a_correction_replaces_its_execution(store, tmp_path, asked, desk, ref):
    """The last part of an execution id counts corrections: 10 at 82.50 were 6 at 82.40, so the order works on."""
    desk.order(1, ref, 10, "FILLED", fill=10, exec_id="0000e0d5.5e5f6a7b.01.01", event=False)
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=6, price="82.4", exec_id="0000e0d5.5e5f6a7b.01.02", event=False, at=LATER)
    desk.close()
    order = one(store, tmp_path, asked)

    assert (Decimal(6), Decimal("82.4"), "PARTIALLY_FILLED") == (order.filled_quantity, order.avg_fill_price, order.status)


def test_a_bust_takes_the_fill_away(store, tmp_path, asked, desk, ref):
    """A correction to no shares: nothing was traded."""
    desk.order(1, ref, 10, "FILLED", fill=10, exec_id="0000e0d5.5e5f6a7b.01.01", event=False)
    desk.order(1, ref, 10, "SUBMITTED", exec_id="0000e0d5.5e5f6a7b.01.02", event=False, at=LATER)
    desk.close()
    order = one(store, tmp_path, asked)

    assert (Decimal(0), None, "SUBMITTED") == (order.filled_quantity, order.avg_fill_price, order.status)
    assert store.fills(asked.run_id) == ()


def test_a_correction_s_fee_is_unknown_until_it_is_told(store, tmp_path, asked, desk, ref):
    """The corrected execution's fee was another execution's."""
    desk.order(1, ref, 10, "FILLED", fill=10, fee="1", exec_id="0000e0d5.5e5f6a7b.01.01", event=False)
    desk.order(1, ref, 10, "FILLED", fill=10, fee=None, exec_id="0000e0d5.5e5f6a7b.01.02", event=False, at=LATER)
    desk.close()

    assert one(store, tmp_path, asked).fees is None


def test_an_execution_asked_for_again_after_a_restart_counts_once(store, tmp_path, asked, desk, ref):
    """Execution ids are the broker's: the second attempt hears the first one's executions again."""
    desk.order(1, ref, 10, "FILLED", fill=10, exec_id="0000e0d5.5e5f6a7b.01.01", event=False)
    desk.close()
    again = Desk(tmp_path, asked.run_id, attempt=2)
    again.order(1, ref, 10, "FILLED", fill=10, exec_id="0000e0d5.5e5f6a7b.01.01", event=False, at=LATER)
    again.close()
    store.index(tmp_path)

    assert [(1, Decimal(10))] == [(fill.attempt, fill.quantity) for fill in store.fills(asked.run_id)]


# Several sources


def test_what_lean_s_file_repeats_is_counted_once(store, tmp_path, asked, desk, ref):
    """The journal and Lean's own file tell the same events; the journal's has the tag and the arrival price."""
    desk.order(1, ref, 10, "SUBMITTED", at=MORNING)
    desk.order(1, ref, 10, "FILLED", fill=10)
    desk.close()
    algorithm = f"{asked.run_id}-1"
    lean_file(tmp_path, asked.run_id, [
        lean_event(algorithm, 1, 1, "submitted", at=MORNING),
        lean_event(algorithm, 1, 2, "filled", fill="10.0", price="82.5", fee="1.0"),
        lean_event(algorithm, 2, 1, "filled", fill="3.0", price="82.5", fee="1.0", quantity="3.0"),
    ])
    store.index(tmp_path)
    first, second = store.orders(asked.run_id)

    assert Decimal(10) == first.filled_quantity
    assert Decimal(3) == second.filled_quantity         # the journal was not told of this one
    assert [Decimal("82.4"), None] == [fill.arrival_price for fill in store.fills(asked.run_id)]


def test_a_broker_s_count_adds_only_what_was_not_heard(store, tmp_path, asked, desk, ref):
    """60 of 100 came by our own events; the broker's list says 100, the last 40 at 83."""
    desk.order(1, ref, 100, "PARTIALLY_FILLED", fill=60, price="82")
    desk.close()
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"order_id": 1, "status": "Submitted", "filled": 60, "fill_price": 82, "time": "2020-03-02T14:30:00Z"},
          {"order_id": 1, "status": "Filled", "filled": 100, "fill_price": 83, "time": "2020-03-02T14:31:00Z"})
    (order,) = store.orders(asked.run_id)

    assert (Decimal(100), Decimal("82.4"), "FILLED") == (order.filled_quantity, order.avg_fill_price, order.status)
    assert order.fees is None


def test_a_broker_s_smaller_count_takes_nothing_away(store, tmp_path, asked, desk, ref):
    """Its list was made before the last fill."""
    desk.order(1, ref, 100, "FILLED", fill=100, price="82")
    desk.close()
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"tag": ref, "status": "Submitted", "filled": 60, "fill_price": 82, "time": "2020-03-02T14:30:00Z"})
    (order,) = store.orders(asked.run_id)

    assert (Decimal(100), "FILLED") == (order.filled_quantity, order.status)


def test_two_brokers_lists_are_not_added_up(store, tmp_path, asked, desk, ref):
    """Both count the same order's shares; the one that has seen more is believed."""
    desk.order(1, ref, -100, "SUBMITTED")
    desk.close()
    store.index(tmp_path)
    told = {"order_id": 1, "status": "Submitted", "fill_price": 82, "time": "2020-03-02T14:30:00Z"}
    plain(store, tmp_path, asked.run_id, told | {"filled": 60}, source="broker")
    plain(store, tmp_path, asked.run_id, told | {"filled": 80}, source="statement")
    (order,) = store.orders(asked.run_id)

    assert Decimal(-80) == order.filled_quantity        # its sign is the order's


def test_a_plain_list_alone_makes_orders(store, tmp_path, asked):
    """Its tags name the intents, and the intents' side is the order's until its own is told."""
    intent = f"{asked.snapshot_ids[0]}-ALFA"
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"tag": f"{intent}.1", "status": "submitted", "filled": 0, "time": "2020-03-02T14:00:00Z"},
          {"tag": f"{intent}.1", "status": "partially_filled", "filled": 4, "fill_price": 82.5, "time": 1583159400},
          {"tag": f"{intent}.1", "status": "FILLED", "filled": 10, "fill_price": 82.75, "time": "2020-03-02T09:31:00-05:00"},
          {"order_id": 9, "status": "Sent", "filled": 0, "time": "2020-03-02T14:00:00Z"},
          {"status": "Filled", "filled": 5, "fill_price": 7, "time": "2020-03-02T14:00:00Z"})
    orders = {order.order_id: order for order in store.orders(asked.run_id)}
    named = orders[f"tag:{intent}.1"]
    (nameless,) = [order for number, order in orders.items() if number.startswith("?")]

    assert (intent, "BUY", Decimal(10), Decimal("82.65")) == (
        named.order_intent_id, named.side, named.filled_quantity, named.avg_fill_price)
    assert (orders["9"].status, orders["9"].order_intent_id) == ("UNKNOWN", None)       # a status nobody uses is kept
    assert (None, Decimal(5)) == (nameless.order_intent_id, nameless.filled_quantity)   # neither tag nor order id


def test_an_intent_s_id_finds_its_only_order(store, tmp_path, asked, desk, ref):
    """A list tagged with intents tells of the order that serves the intent; with two orders it can't be told which."""
    intent = ref.removesuffix(".1")
    desk.order(1, ref, 10, "SUBMITTED")
    desk.close()
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"tag": intent, "status": "Filled", "filled": 10, "fill_price": 82, "time": "2020-03-02T14:31:00Z"})

    assert [order.order_id for order in store.orders(asked.run_id)] == ["1"]

    more = Desk(tmp_path, asked.run_id, name="repairs.jsonl")
    more.order(2, f"{intent}.2", 10, "SUBMITTED")
    more.close()
    store.index(tmp_path)

    assert ["1", "2", f"tag:{intent}"] == [order.order_id for order in store.orders(asked.run_id)]


def test_a_tag_of_several_orders_names_none_of_them(store, tmp_path, asked, desk):
    """Two margin calls: a list that names the tag alone tells of an order that can't be told."""
    desk.order(7, "Margin Call", -4, "SUBMITTED")
    desk.order(8, "Margin Call", -4, "SUBMITTED")
    desk.close()
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"tag": "Margin Call", "status": "Filled", "filled": 4, "fill_price": 82, "time": "2020-03-02T14:31:00Z"})

    filled = [(order.order_id, order.filled_quantity) for order in store.orders(asked.run_id)]
    assert filled == [("7", 0), ("8", 0), ("tag:Margin Call", 4)]


def test_repairs_are_labelled_as_concluded(store, tmp_path, asked, desk, ref):
    """What was concluded rather than heard lies in a second file and says so."""
    desk.order(1, ref, 10, "SUBMITTED")
    repairs = Desk(tmp_path, asked.run_id, name="repairs.jsonl")
    repairs.order(1, ref, 10, "FILLED", fill=10, event=False, inferred=True, at=LATER)
    repairs.close()
    order = one(store, tmp_path, asked)

    assert order.status == "FILLED"
    assert [fill.inferred for fill in store.fills(asked.run_id)] == [True]


# Which attempts count


def test_a_backtest_counts_its_first_closed_attempt(store, tmp_path):
    """A first that was stopped and a third that repeats the second change nothing."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    asked = request(tmp_path, taken)
    for attempt, quantity, closed in ((1, 5, False), (2, 6, True), (3, 7, True)):
        desk = Desk(tmp_path, asked.run_id, attempt=attempt)
        desk.opened()
        desk.order(1, f"{taken.snapshot_id}-ALFA.1", quantity, "FILLED", fill=quantity)
        if closed:
            desk.close()
        else:
            desk.stop()
    store.index(tmp_path)

    assert store.counted_attempt(asked.run_id) == 2
    assert [(2, Decimal(6))] == [(order.attempt, order.filled_quantity) for order in store.orders(asked.run_id)]
    assert [Decimal(5)] == [order.filled_quantity for order in store.orders(asked.run_id, attempt=1)]
    assert [Decimal(6)] == [position.quantity for position in store.positions(asked.run_id)]


def test_a_backtest_that_never_closed_counts_nothing(store, tmp_path):
    """Half a backtest is not a result."""
    asked = request(tmp_path, decide(tmp_path, {"ALFA": "0.6"}))
    queue(tmp_path, asked, state="failed")
    desk = Desk(tmp_path, asked.run_id)
    desk.order(1, "x", 5, "FILLED", fill=5)
    desk.stop()
    store.index(tmp_path)

    assert store.counted_attempt(asked.run_id) is None
    assert store.orders(asked.run_id) == ()


def test_paper_counts_every_attempt(store, tmp_path, asked, desk, ref):
    """What was sent before a restart was sent."""
    desk.order(1, ref, 10, "FILLED", fill=10)
    desk.stop()
    again = Desk(tmp_path, asked.run_id, attempt=2)
    again.order(1, f"{ref[:-1]}2", 3, "FILLED", fill=3)
    again.close()
    store.index(tmp_path)

    assert [(1, Decimal(10)), (2, Decimal(3))] == [(fill.attempt, fill.quantity) for fill in store.fills(asked.run_id)]


# Positions


def held(store, folder, asked):
    """What a run holds, by symbol, with the reason where that is not known."""
    store.index(folder)
    return {position.symbol: position.reason or position.quantity for position in store.positions(asked.run_id)}


def test_positions_start_with_what_was_held(store, tmp_path, asked, desk, ref):
    """10 before, 5 bought, BETA untouched."""
    desk.opened({"ALFA": 10, "BETA": 7})
    desk.order(1, ref, 5, "FILLED", fill=5)
    desk.close()

    assert {"ALFA": Decimal(15), "BETA": Decimal(7)} == held(store, tmp_path, asked)


def test_a_restart_states_anew_what_is_held(store, tmp_path, asked, desk, ref):
    """The second attempt opened with the first one's fill already in the account."""
    desk.opened()
    desk.order(1, ref, 5, "FILLED", fill=5)
    desk.stop()
    again = Desk(tmp_path, asked.run_id, attempt=2)
    again.opened({"ALFA": 5}, at=LATER)
    again.order(1, f"{ref[:-1]}2", 2, "FILLED", fill=2, at=LATER)
    again.close()

    assert {"ALFA": Decimal(7)} == held(store, tmp_path, asked)


def test_a_split_changes_what_is_held(store, tmp_path, asked, desk, ref):
    """3 for 2 on 5 shares: the account says 7, and cash for the half; a later sale is of the new shares."""
    desk.opened()
    desk.order(1, ref, 5, "FILLED", fill=5)
    desk.line("split", TUESDAY, symbol="ALFA", instrument_id=instrument("ALFA"), factor=Decimal("0.666666666667"),
              old=Decimal(5), new=Decimal(7), cash=Decimal("27.5"))
    desk.order(2, ref, -2, "FILLED", fill=-2, at=TUESDAY)
    desk.close(TUESDAY)

    assert {"ALFA": Decimal(5)} == held(store, tmp_path, asked)
    (action,) = store.corporate_actions(asked.run_id)
    assert ("split", Decimal(5), Decimal(7), Decimal("27.5")) == (
        action.kind, action.old_quantity, action.new_quantity, action.cash)


def test_adjusted_prices_leave_shares_alone(store, tmp_path, asked, desk, ref):
    """Where prices are adjusted a split changes nothing, and the journal says so."""
    desk.opened({"ALFA": 10})
    desk.order(1, ref, 5, "FILLED", fill=5)
    desk.line("split", TUESDAY, symbol="ALFA", instrument_id=instrument("ALFA"), factor=Decimal("0.5"), old=Decimal(5),
              new=Decimal(5), cash=Decimal(0))
    desk.close(TUESDAY)

    assert {"ALFA": Decimal(15)} == held(store, tmp_path, asked)


def test_a_rename_keeps_the_position(store, tmp_path, asked, desk, ref):
    """One company, one position, under the ticker it has now."""
    desk.opened()
    desk.order(1, ref, 5, "FILLED", fill=5, symbol="EPSO")
    desk.line("renamed", TUESDAY, symbol="EPSI", instrument_id=instrument("EPSO"), old="EPSO", new="EPSI")
    desk.close(TUESDAY)

    assert {"EPSI": Decimal(5)} == held(store, tmp_path, asked)
    assert [(item.old_symbol, item.new_symbol) for item in store.corporate_actions(asked.run_id)] == [("EPSO", "EPSI")]


@pytest.mark.parametrize("liquidated_first", [True, False])
def test_a_delisting_leaves_nothing(store, tmp_path, asked, desk, ref, liquidated_first):
    """Lean sells what is left by an order of its own, before or after it tells the algorithm."""
    desk.opened()
    desk.order(1, ref, 5, "FILLED", fill=5)
    if not liquidated_first:
        desk.line("delisted", TUESDAY, symbol="ALFA", instrument_id=instrument("ALFA"), old=Decimal(5), new=Decimal(0))
    desk.order(2, "Liquidate from delisting", -5, "FILLED", fill=-5, fee="0", at=TUESDAY)
    if liquidated_first:
        desk.line("delisted", TUESDAY, symbol="ALFA", instrument_id=instrument("ALFA"), old=Decimal(0), new=Decimal(0))
    desk.close(TUESDAY)

    assert {"ALFA": Decimal(0)} == held(store, tmp_path, asked)


def test_positions_are_unknown_without_an_opening(store, tmp_path, asked, ref):
    """A broker's list does not say what the account held before."""
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"tag": ref, "status": "Filled", "filled": 10, "fill_price": 82, "time": "2020-03-02T14:31:00Z"})

    assert held(store, tmp_path, asked) == {"ALFA": "nobody told what was held at the start"}


def test_positions_are_unknown_over_a_span_without_corporate_actions(store, tmp_path):
    """Lean's file tells fills and no splits: after one session the sum is right, after two nobody knows."""
    asked = request(tmp_path, decide(tmp_path, {"ALFA": "0.6"}))
    bought = lean_event(f"{asked.run_id}-1", 1, 1, "filled", fill="10.0", price="82.5", fee="1.0")
    sold = lean_event(f"{asked.run_id}-1", 2, 1, "filled", quantity="-4.0", fill="-4.0", price="82.5", fee="1.0", at=TUESDAY)
    lean_file(tmp_path, asked.run_id, [bought])

    assert {"ALFA": Decimal(10)} == held(store, tmp_path, asked)

    lean_file(tmp_path, asked.run_id, [bought, sold])

    assert held(store, tmp_path, asked) == {"ALFA": "nobody told of splits and renames from 2020-03-02 to 2020-03-03"}


def test_positions_are_unknown_after_the_journal_s_end(store, tmp_path, asked, desk, ref):
    """The algorithm died on Monday; what filled on Tuesday may have been split shares."""
    desk.opened()
    desk.order(1, ref, 10, "SUBMITTED")
    desk.stop()
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"tag": ref, "status": "Filled", "filled": 10, "fill_price": 82, "time": "2020-03-03T14:31:00Z"})

    assert held(store, tmp_path, asked) == {"ALFA": "nobody told of splits and renames after 2020-03-02"}


def test_positions_are_unknown_where_a_split_did_not_know_of_a_fill(store, tmp_path, asked, desk, ref):
    """The journal said what was held after the split without the fill that only the broker told."""
    desk.opened()
    desk.order(1, ref, 10, "PARTIALLY_FILLED", fill=4)
    desk.line("split", TUESDAY, symbol="ALFA", instrument_id=instrument("ALFA"), factor=Decimal("0.5"), old=Decimal(4),
              new=Decimal(8), cash=Decimal(0))
    desk.close(TUESDAY)
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id,
          {"tag": ref, "status": "Filled", "filled": 10, "fill_price": 82, "time": "2020-03-02T14:31:00Z"})

    assert held(store, tmp_path, asked) == {"ALFA": "a fill that broker told came before a split"}


def test_a_fill_without_a_side_has_no_position(store, tmp_path, asked, desk):
    """Bought or sold was not told: its shares are counted on the order and nowhere else."""
    desk.opened()
    desk.stop()
    store.index(tmp_path)
    plain(store, tmp_path, asked.run_id, {"order_id": 5, "symbol": "BETA", "status": "Filled", "filled": 10, "fill_price": 82,
                                          "time": "2020-03-02T14:31:00Z"})

    assert held(store, tmp_path, asked) == {"BETA": "a fill's side was not told"}


# Intents and their orders


def test_an_intent_has_a_placeholder_until_a_run_has_it(store, tmp_path):
    """Quantity 0, its side, NEW, no run; then one row in each run."""
    taken = decide(tmp_path, {"ALFA": "0.6", "BETA": "-0.3"})
    store.index(tmp_path)
    waiting = store.rows("select run_id, symbol, side, quantity, status from intent_orders order by symbol")

    assert waiting.rows == ((None, "ALFA", "BUY", 0, "NEW"), (None, "BETA", "SELL", 0, "NEW"))

    first, second = request(tmp_path, taken), request(tmp_path, taken, order_type="MOC")
    store.index(tmp_path)
    rows = store.rows("select run_id, symbol, order_type, status from intent_orders order by all")

    assert {(run.run_id, symbol, kind, "NEW") for run, kind in ((first, "MOO"), (second, "MOC"))
            for symbol in ("ALFA", "BETA")} == set(rows)


def test_intents_show_their_orders_and_the_closes_that_the_algorithm_added(store, tmp_path):
    """GAMA is in no file of intents: the journal sized it to zero, so its source is close and its weight 0."""
    asked, _ = small_run(tmp_path)
    store.index(tmp_path)
    rows = store.rows("select symbol, source, weight, quantity, status, filled_quantity, rebalance_date from intent_orders "
                      "where run_id = $run order by symbol", run=asked.run_id)

    assert (
        ("ALFA", "strategy", Decimal("0.6"), Decimal(10), "FILLED", Decimal(10), MONDAY),
        ("BETA", "strategy", Decimal("0.3"), Decimal(5), "CANCELLED", Decimal(0), MONDAY),
        ("GAMA", "close", Decimal(0), Decimal(-3), "FILLED", Decimal(-3), MONDAY),
    ) == rows.rows
    assert not [row for row in store.rows("select run_id from intent_orders") if row[0] is None]


def test_an_intent_that_needed_no_order_has_none(store, tmp_path, asked, desk, ref):
    """It was sized, and what is held is what is wanted: not NEW, for nothing is to come."""
    desk.opened()
    desk.rebalance()
    desk.sized(ref.removesuffix(".1"), 0, held=10)
    desk.close()
    store.index(tmp_path)

    assert store.rows("select order_id, quantity, status from intent_orders").rows == ((None, 0, None),)


# The journal's other lines


def test_lines_belong_to_the_rebalance_before_them(store, tmp_path, asked, desk, ref):
    """Two dates in one journal: each size and cut under its own."""
    intent = ref.removesuffix(".1")
    for day in (0, 7):
        at = MORNING + timedelta(days=day)
        desk.rebalance(MONDAY + timedelta(days=day), at)
        desk.sized(intent, 10, at=at)
        desk.cut("blocked", intent, "no_equity", None, at=at)
    desk.close(at)
    store.index(tmp_path)

    days = [MONDAY, MONDAY + timedelta(days=7)]
    assert days == [line.rebalance_date for line in store.sized(asked.run_id)]
    assert days == [line.rebalance_date for line in store.cuts(asked.run_id)]
    assert [(line.kind, line.rule, line.cut) for line in store.cuts(asked.run_id)] == [("blocked", "no_equity", None)] * 2
    assert [(day, Decimal("100000.25")) for day in days] == [
        (line.rebalance_date, line.equity) for line in store.rebalances(asked.run_id)]


def test_a_mark_has_one_row_per_symbol(store, tmp_path, asked, desk):
    """Close, quantity and the account's dollars."""
    desk.mark({"ALFA": 10, "BETA": 0})
    desk.close()
    store.index(tmp_path)

    assert [("ALFA", Decimal(10), Decimal("83.1"), Decimal(100001)), ("BETA", Decimal(0), Decimal("83.1"), Decimal(100001))] == [
        (mark.symbol, mark.quantity, mark.close, mark.equity) for mark in store.marks(asked.run_id)]


def test_a_dividend_is_told_in_dollars(store, tmp_path, asked, desk):
    """Per share, and what the account got."""
    desk.line("dividend", datetime(2020, 3, 3, 5, tzinfo=UTC), symbol="ALFA", instrument_id=instrument("ALFA"),
              per_share=Decimal("0.77"), cash=Decimal("7.70"))
    desk.close()
    store.index(tmp_path)
    (action,) = store.corporate_actions(asked.run_id)

    assert ("dividend", Decimal("0.77"), Decimal("7.7"), None) == (action.kind, action.per_share, action.cash, action.factor)
