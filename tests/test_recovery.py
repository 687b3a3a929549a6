"""After a crash: what the journals and the broker prove is written down once, and what nobody can prove stops all trading."""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import pytest
from gateway import Book, Faults, Fill, serving
from gateway import Order as GatewayOrder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_fixtures import MONDAY, MORNING, OPEN, Desk, decide, emptied, instrument, put, request
from test_matching import LATER, execution, open_order, seen

from workbench.algorithm import resume
from workbench.algorithm.journal import to_json
from workbench.engines.ib import read_broker
from workbench.errors import BadInput, BrokerUnavailable, JournalBroken, NotRecorded, OutcomeUnknown
from workbench.running import repairs
from workbench.running.recovery import look_back, recover_lost, resolve
from workbench.store import Store
from workbench.words import params as params_words
from workbench.words.run import request as requested

HELD = {"GAMA": 3}


@pytest.fixture(scope="module")
def kept():
    return Store(":memory:")


@pytest.fixture
def store(kept):
    return emptied(kept)


def ask_for(folder, *, mode="paper", account="DU1234567", day=MONDAY, weights=None, strategy="momentum", **given):
    """A recorded request with all of its files."""
    taken = decide(folder, weights or {"ALFA": "0.6", "BETA": "0.3"}, day=day, strategy=strategy)
    asked = request(folder, taken, mode=mode, **given)
    if account != asked.account:
        asked = requested(
            strategy=asked.strategy, engine=asked.engine, engine_version="1", mode=mode, account=account,
            decisions={taken.rebalance_date: taken.snapshot_id}, params_id=asked.params_id, data_fingerprint="d" * 64,
            algorithm_sha256="a" * 64, start=asked.start, end=asked.end, cash=asked.cash)
        put(folder / "runs" / asked.run_id / "run.json", to_json(asked.body()))
    place = folder / "runs" / asked.run_id
    put(place / "intents.json", to_json([intent.body() for intent in taken.intents()]))
    put(place / "params.json", to_json(params_words.body(params_words.read(given))))
    return asked, taken


@pytest.fixture
def asked(tmp_path):
    """A run on paper at the broker: ALFA and BETA wanted, GAMA held and closed as nobody names it."""
    return ask_for(tmp_path)


def begun(folder, asked, *, attempt=1, sized=True, holdings=None):
    """An attempt that has sized its day, and the order_refs."""
    run, taken = asked
    desk = Desk(folder, run.run_id, attempt=attempt, mode="paper")
    desk.opened(HELD if holdings is None else holdings)
    if not sized:
        return desk, {}
    desk.rebalance()
    refs = {name: desk.sized(f"{taken.snapshot_id}-{name}", order, held=held)
            for name, order, held in (("GAMA", -3, 3), ("ALFA", 10, 0), ("BETA", 5, 0))}
    return desk, refs


def announce(desk, ref, quantity, *, at=MORNING):
    """The line before a send."""
    desk.order(None, ref, quantity, "PENDING_SUBMIT", at=at, event=False, symbol=ref.split("-")[1].split(".")[0])


def heard(desk, order_id, ref, quantity, status, *, fill=0, price="82.5", at=OPEN, **more):
    desk.order(order_id, ref, quantity, status, fill=fill, price=price, at=at, symbol=ref.split("-")[1].split(".")[0], **more)


def crashed(folder, asked, *, told=()):
    """All three were announced; of those in `told` the engine had said that they were submitted. Then the process died."""
    desk, refs = begun(folder, asked)
    for number, (name, quantity) in enumerate((("GAMA", -3), ("ALFA", 10), ("BETA", 5)), start=1):
        announce(desk, refs[name], quantity)
        if name in told:
            heard(desk, number, refs[name], quantity, "SUBMITTED", at=MORNING)
    desk.stop()
    return refs


def look(folder, store, asked, *views, **given):
    """Look back with a broker that gives these answers, the last again and again; without any, with no broker."""
    answers = list(views)

    def ask():
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return look_back(folder, store, asked[0], ask=ask if views else None, **({"paper": False, "wait": 0.0} | given))


def at_broker(*executions, orders=(), **positions):
    """A view with GAMA as it was held at the start, changed by the executions."""
    held = {"GAMA": 3, **{name: 0 for name in ("ALFA", "BETA")}}
    for item in executions:
        held[item.symbol] += item.shares
    return seen(*executions, orders=orders, positions=held | positions)


def states(store, asked):
    return {order.client_order_id: (order.status, int(order.filled_quantity)) for order in store.orders(asked[0].run_id)}


ALL_FILLED = (execution(-3, symbol="GAMA", price="20.01"), execution(10, order_id=2, price="82.6"),
              execution(5, order_id=3, symbol="BETA", price="11.5"))


# With the broker's help


def test_orders_that_were_announced_and_filled_are_repaired(tmp_path, store, asked):
    """The process died after the sends; the broker tells the rest, fees and all, and it is marked as inferred."""
    refs = crashed(tmp_path, asked)
    left = look(tmp_path, store, asked, at_broker(*ALL_FILLED))

    assert states(store, asked) == {refs["GAMA"]: ("FILLED", -3), refs["ALFA"]: ("FILLED", 10), refs["BETA"]: ("FILLED", 5)}
    fills = store.fills(asked[0].run_id)
    assert [(fill.inferred, fill.fee) for fill in fills] == [(True, 1)] * 3
    assert (left.lines, left.working, left.sized) == ((), (), True)
    assert dict(left.ledger) == {"ALFA": 10, "BETA": 5, "GAMA": -3}
    assert {position.symbol: position.quantity for position in store.positions(asked[0].run_id)} == {
        "ALFA": 10, "BETA": 5, "GAMA": 0}


def test_what_was_never_sent_is_sent_by_the_next_attempt(tmp_path, store, asked):
    """GAMA was filled, ALFA announced and never arrived, BETA not even announced: the last two are still to be sent."""
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["GAMA"], -3)
    heard(desk, 1, refs["GAMA"], -3, "FILLED", fill=-3, price="20.01")
    announce(desk, refs["ALFA"], 10, at=OPEN)
    desk.stop()
    left = look(tmp_path, store, asked, at_broker(ALL_FILLED[0]))

    assert [(line.symbol, line.order, line.order_type, line.reduces) for line in left.lines] == [
        ("ALFA", 10, "MOO", False), ("BETA", 5, "MOO", False)]
    assert dict(left.sent) == {refs["GAMA"][:-2]: 1, refs["ALFA"][:-2]: 1}
    assert states(store, asked)[refs["ALFA"]] == ("CANCELLED", 0)


def test_what_the_next_attempt_is_told_can_be_read_by_it(tmp_path, store, asked):
    """The algorithm's own reading takes it, with every number exact."""
    refs = crashed(tmp_path, asked, told=("ALFA",))
    left = look(tmp_path, store, asked, at_broker(
        ALL_FILLED[0], execution(4, order_id=2), orders=[open_order(10, order_id=2, filled=4)]))
    told = resume.read(json.loads(to_json(left.body()), parse_float=Decimal))

    assert told.working == (resume.Working(order_ref=refs["ALFA"], symbol="ALFA", quantity=Decimal(10), filled=Decimal(4)),)
    assert told.refs == set(refs.values())
    assert [line.symbol for line in told.lines] == ["BETA"]
    assert told.ledger == {"ALFA": 4, "GAMA": -3}


def test_an_order_that_the_engine_had_told_of_and_is_gone_is_not_sent_again(tmp_path, store, asked):
    """Somebody cancelled it at the broker: absent, and not for us to repeat."""
    refs = crashed(tmp_path, asked, told=("ALFA",))
    left = look(tmp_path, store, asked, at_broker(ALL_FILLED[0], ALL_FILLED[2]))

    assert states(store, asked)[refs["ALFA"]] == ("CANCELLED", 0)
    assert left.lines == ()


def test_looking_back_twice_writes_nothing_more(tmp_path, store, asked):
    """The second time everything is known; the files stay as they are."""
    crashed(tmp_path, asked)
    first = look(tmp_path, store, asked, at_broker(*ALL_FILLED))
    file = tmp_path / "runs" / asked[0].run_id / "1" / "repairs.jsonl"
    text = file.read_bytes()
    again = look(tmp_path, store, asked, at_broker(*ALL_FILLED))

    assert file.read_bytes() == text
    assert (again.repaired, again.body()) == ((), first.body())


def test_an_order_that_another_attempt_took_over_is_one_order(tmp_path, store, asked):
    """Attempt 1 sold 4 of 10, attempt 2 met it under another number and heard 3 more, and died; the broker has all."""
    refs = crashed(tmp_path, asked, told=("GAMA", "ALFA"))
    look(tmp_path, store, asked, at_broker(
        ALL_FILLED[0], ALL_FILLED[2], execution(4, order_id=2, cum=4), orders=[open_order(10, order_id=2, filled=4)]))
    desk = Desk(tmp_path, asked[0].run_id, attempt=2, mode="paper")
    desk.opened({"ALFA": 4, "BETA": 5})
    heard(desk, 1, refs["ALFA"], 10, "SUBMITTED", broker_id="2")
    heard(desk, 1, refs["ALFA"], 10, "PARTIALLY_FILLED", fill=3, price="82.7", broker_id="2", at=OPEN + timedelta(minutes=2))
    desk.stop()
    left = look(tmp_path, store, asked, at_broker(
        ALL_FILLED[0], ALL_FILLED[2], execution(4, order_id=2, cum=4),
        execution(3, n=2, order_id=2, cum=7, price="82.7", at=OPEN + timedelta(minutes=2)),
        execution(3, n=3, order_id=2, cum=10, price="82.8", at=OPEN + timedelta(minutes=3))))

    fills = [int(fill.quantity) for fill in store.fills(asked[0].run_id) if fill.symbol == "ALFA"]
    assert fills == [4, 3, 3]
    assert (left.working, dict(left.ledger)["ALFA"]) == ((), 10)
    assert {order.status for order in store.orders(asked[0].run_id)} <= {"FILLED", "CANCELLED"}
    assert [repair.finding for repair in left.repaired] == ["fill"]


def test_a_fill_that_came_while_the_broker_was_asked_is_seen_at_the_second_look(tmp_path, store, asked):
    """One answer that an order is nowhere is not enough."""
    refs = crashed(tmp_path, asked)
    left = look(tmp_path, store, asked, at_broker(*ALL_FILLED[:2]), at_broker(*ALL_FILLED))

    assert states(store, asked)[refs["BETA"]] == ("FILLED", 5)
    assert left.lines == ()


def test_an_order_that_disappears_at_the_last_look_is_unknown(tmp_path, store, asked):
    """Its absence was told once only."""
    refs = crashed(tmp_path, asked)
    there = at_broker(*ALL_FILLED[:2], at_hand=0)
    moving = [at_broker(*ALL_FILLED[:2], BETA=n) for n in (1, 2, 3)]
    with pytest.raises(OutcomeUnknown, match="told it twice") as caught:
        look(tmp_path, store, asked, *moving, there)

    assert caught.value.orders == (refs["BETA"],)


def test_what_was_unknown_is_known_once_the_broker_says_more(tmp_path, store, asked):
    """First it counted more shares than it told of; then it told of all, and of the order that still works."""
    refs = crashed(tmp_path, asked, told=("ALFA",))
    with pytest.raises(OutcomeUnknown):
        look(tmp_path, store, asked, at_broker(ALL_FILLED[0], ALL_FILLED[2], orders=[open_order(10, order_id=2, filled=4)]))
    before = states(store, asked)[refs["ALFA"]]
    left = look(tmp_path, store, asked, at_broker(
        ALL_FILLED[0], ALL_FILLED[2], execution(4, order_id=2), orders=[open_order(10, order_id=2, filled=4)]))

    assert (before, states(store, asked)[refs["ALFA"]]) == (("UNKNOWN", 0), ("PARTIALLY_FILLED", 4))
    assert [order.filled for order in left.working] == [4]


def test_an_attempt_that_sized_again_binds_by_its_own_sizes(tmp_path, store, asked):
    """The first sent nothing and refused ALFA; the second sized anew, sold GAMA, and died before the rest."""
    first, refs = begun(tmp_path, asked)
    first.cut("blocked", refs["ALFA"][:-2], "price_collar", 10)
    first.stop()
    desk, refs = begun(tmp_path, asked, attempt=2)
    announce(desk, refs["GAMA"], -3)
    heard(desk, 1, refs["GAMA"], -3, "FILLED", fill=-3, price="20.01")
    desk.stop()
    left = look(tmp_path, store, asked)

    assert [line.symbol for line in left.lines] == ["ALFA", "BETA"]


# What nobody can prove


def test_without_a_broker_to_ask_the_outcome_is_unknown(tmp_path, store, asked):
    """All three may be at the broker; the remedies are named."""
    refs = crashed(tmp_path, asked)
    with pytest.raises(OutcomeUnknown, match=r"ib_port.*workbench resolve r[0-9a-f]{16} ") as caught:
        look(tmp_path, store, asked)

    assert set(caught.value.orders) == set(refs.values())


def test_a_broker_that_can_t_be_asked_is_not_one_that_has_nothing(tmp_path, store, asked):
    """No answer leaves every order unknown."""
    crashed(tmp_path, asked)
    run = asked[0]
    with serving(Book(), Faults(silent={16})) as gateway, pytest.raises(OutcomeUnknown, match="open orders"):
        look_back(tmp_path, store, run, paper=False, wait=0.0, ask=lambda: read_broker(
            "127.0.0.1", gateway.port, client_id=77, account=run.account, timeout=0.2))


def test_what_is_ambiguous_is_marked_unknown_and_the_rest_is_repaired(tmp_path, store, asked):
    """ALFA has more at the broker than was ordered; the others are found, once however often one looks."""
    refs = crashed(tmp_path, asked)
    view = at_broker(ALL_FILLED[0], execution(12, order_id=2), ALL_FILLED[2])
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match="add up") as caught:
            look(tmp_path, store, asked, view)

    assert caught.value.orders == (refs["ALFA"],)
    assert states(store, asked) == {refs["GAMA"]: ("FILLED", -3), refs["ALFA"]: ("UNKNOWN", 0), refs["BETA"]: ("FILLED", 5)}
    assert len(repairs.read(tmp_path / "runs" / asked[0].run_id / "1" / "repairs.jsonl")) == 3


def test_an_answer_with_nothing_lost_is_not_needed(tmp_path, store, asked):
    """Every order was heard to have ended: the next attempt goes on, and is told that the broker was not asked."""
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["GAMA"], -3)
    heard(desk, 1, refs["GAMA"], -3, "FILLED", fill=-3, price="20.01")
    desk.stop()
    left = look(tmp_path, store, asked)

    assert [line.symbol for line in left.lines] == ["ALFA", "BETA"]
    assert "ib_port" in left.not_asked


def test_nothing_sent_is_sized_afresh(tmp_path, store, asked):
    """Sizes of an attempt that sent nothing are no obligation."""
    desk, _ = begun(tmp_path, asked)
    desk.stop()
    left = look(tmp_path, store, asked)

    assert (left.sized, left.lines, left.sent, left.refs) == (False, (), (), ())


def test_a_run_without_attempts_has_the_ledger_of_those_before(tmp_path, store, asked):
    """Yesterday's shares of this strategy on this account are ours to close today."""
    crashed(tmp_path, asked)
    look(tmp_path, store, asked, at_broker(*ALL_FILLED))
    today = ask_for(tmp_path, day=date(2020, 3, 3))
    left = look(tmp_path, store, today)

    assert (left.sized, dict(left.ledger)) == (False, {"ALFA": 10, "BETA": 5, "GAMA": -3})


@pytest.mark.parametrize("other", [{"strategy": "value"}, {"account": "DU7654321"}, {"mode": "live"}], ids=str)
def test_the_ledger_is_of_one_strategy_on_one_account(tmp_path, store, asked, other):
    """What another bought, or we elsewhere, is not ours to close."""
    crashed(tmp_path, asked)
    look(tmp_path, store, asked, at_broker(*ALL_FILLED))

    assert look(tmp_path, store, ask_for(tmp_path, day=date(2020, 3, 3), **other)).ledger == ()


def test_what_a_rule_refused_is_not_sent_by_a_restart(tmp_path, store, asked):
    """Too large stays too large; what a person stopped is still wanted."""
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["GAMA"], -3)
    heard(desk, 1, refs["GAMA"], -3, "FILLED", fill=-3)
    desk.cut("blocked", refs["ALFA"][:-2], "max_order_notional", 10)
    desk.cut("blocked", refs["BETA"][:-2], "stopped", 5)
    desk.close()
    left = look(tmp_path, store, asked)

    assert [line.symbol for line in left.lines] == ["BETA"]


# Journals


def test_a_torn_last_line_is_what_a_crash_leaves(tmp_path, store, asked):
    """An announcement that did not reach the disk whole was not sent: sends wait for it."""
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["GAMA"], -3)
    heard(desk, 1, refs["GAMA"], -3, "FILLED", fill=-3, price="20.01")
    announce(desk, refs["ALFA"], 10)
    desk.stop()
    lines = desk.path.read_bytes().splitlines(keepends=True)
    desk.path.write_bytes(b"".join(lines[:-2]) + lines[-2][:50])
    left = look(tmp_path, store, asked)

    assert [line.symbol for line in left.lines] == ["ALFA", "BETA"]


@pytest.mark.parametrize("change", [
    lambda lines: [lines[0].replace(b"100000", b"100001"), *lines[1:]],
    lambda lines: [*lines[:4], *lines[6:]],
    lambda lines: [*lines, lines[-1]],
    lambda lines: [*lines, b"rubbish\n"]], ids=["changed", "cut out", "repeated", "rubbish"])
def test_a_journal_that_was_changed_is_not_traded_on(tmp_path, store, asked, change):
    """It says where."""
    crashed(tmp_path, asked)
    path = tmp_path / "runs" / asked[0].run_id / "1" / "journal.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(JournalBroken, match=r"journal\.jsonl"):
        look(tmp_path, store, asked, at_broker(*ALL_FILLED))


@pytest.mark.parametrize(("line", "change"), [
    (1, lambda line: line.replace(b"82.6", b"82.7")), (3, lambda line: line.replace(b"20.01", b"20.02")),
    (3, lambda line: line.partition(b',"seal"')[0] + b"}\n"), (2, lambda _: b""), (3, lambda line: line.rstrip())])
def test_repairs_that_were_changed_are_not_traded_on(tmp_path, store, asked, line, change):
    """Each line is sealed with those before it."""
    crashed(tmp_path, asked)
    look(tmp_path, store, asked, at_broker(*ALL_FILLED))
    path = tmp_path / "runs" / asked[0].run_id / "1" / "repairs.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert change(lines[line - 1]) != lines[line - 1]
    path.write_bytes(b"".join([*lines[: line - 1], change(lines[line - 1]), *lines[line:]]))
    with pytest.raises(JournalBroken, match=rf"repairs\.jsonl:{line}"):
        repairs.read(path)
    with pytest.raises(JournalBroken):
        look(tmp_path, store, asked, at_broker(*ALL_FILLED))


def test_an_announcement_is_ours_whatever_its_reference(tmp_path, store, asked):
    """An intent that nobody knows any more is no reason to forget an order."""
    desk, _ = begun(tmp_path, asked)
    desk.order(None, "gone-ALFA.1", 10, "PENDING_SUBMIT", at=MORNING, event=False)
    desk.stop()
    with pytest.raises(OutcomeUnknown) as caught:
        look(tmp_path, store, asked)

    assert caught.value.orders == ("gone-ALFA.1",)


# Fills that were lost


def test_fills_that_the_engine_lost_are_found_after_the_run(tmp_path, store, asked):
    """Heard as cancelled during a disconnect, and filled at the broker."""
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["ALFA"], 10)
    heard(desk, 2, refs["ALFA"], 10, "SUBMITTED", at=MORNING)
    heard(desk, 2, refs["ALFA"], 10, "PARTIALLY_FILLED", fill=4, price="82.6")
    heard(desk, 2, refs["ALFA"], 10, "CANCELLED", at=OPEN + timedelta(minutes=1))
    desk.close()
    view = at_broker(execution(4, order_id=2, price="82.6", cum=4), execution(6, n=2, order_id=2, price="82.7", cum=10))
    (found,) = recover_lost(tmp_path, store, asked[0], view)

    assert (found.finding, found.quantity, found.price) == ("fill", 6, Decimal("82.7"))
    assert states(store, asked)[refs["ALFA"]] == ("FILLED", 10)
    assert recover_lost(tmp_path, store, asked[0], view) == ()


def test_a_fill_of_somebody_else_is_not_ours(tmp_path, store, asked):
    """By hand, beside our own."""
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["ALFA"], 10)
    heard(desk, 2, refs["ALFA"], 10, "FILLED", fill=10, price="82.6")
    desk.close()
    view = at_broker(execution(10, order_id=2, price="82.6"), execution(7, order_id=0, perm_id=77, exec_id="by.hand.01.01"))

    assert recover_lost(tmp_path, store, asked[0], view) == ()


def test_a_fill_under_an_order_that_nobody_took_over_counts_once(tmp_path, store, asked):
    """A restarted engine met the open order without its reference: the broker's number says whose it is."""
    refs = crashed(tmp_path, asked, told=("ALFA",))
    look(tmp_path, store, asked, at_broker(ALL_FILLED[0], ALL_FILLED[2], orders=[open_order(10, order_id=2)]))
    desk = Desk(tmp_path, asked[0].run_id, attempt=2, mode="paper")
    desk.opened({"BETA": 5})
    desk.order(1, "", 10, "FILLED", fill=10, price="82.6", broker_id="2")
    desk.stop()
    left = look(tmp_path, store, asked, at_broker(*ALL_FILLED))

    assert (left.repaired, left.working, left.refs) == ((), (), tuple(sorted(refs.values())))


def test_an_execution_of_the_account_s_other_run_is_not_ours(tmp_path, store, asked):
    """The superseded run sold the same shares that morning, and heard the broker's number of it: ours never arrived."""
    old = ask_for(tmp_path, weights={"ALFA": "0.5"})
    desk = Desk(tmp_path, old[0].run_id, mode="paper")
    desk.opened(HELD)
    desk.order(1, f"{old[1].snapshot_id}-ALFA.1", 10, "SUBMITTED", broker_id="2", at=MORNING)
    desk.stop()
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["ALFA"], 10)
    desk.stop()
    left = look(tmp_path, store, asked, at_broker(execution(10, order_id=2)))

    assert "ALFA" in {line.symbol for line in left.lines}
    assert states(store, asked)[refs["ALFA"]] == ("CANCELLED", 0)


# A person decides


def test_a_person_says_what_became_of_an_order(tmp_path, store, asked):
    """Partly filled, the rest cancelled: it is over, says who said so, and the next attempt goes on."""
    refs = crashed(tmp_path, asked)
    for name, shares in (("GAMA", 3), ("ALFA", 4), ("BETA", 0)):
        path = resolve(tmp_path, store, asked[0], refs[name], filled=Decimal(shares), price=Decimal("82.5") if shares else None,
                       fee=Decimal("0.35") if shares else None, by="ada")
    left = look(tmp_path, store, asked)

    assert states(store, asked) == {refs["GAMA"]: ("FILLED", -3), refs["ALFA"]: ("CANCELLED", 4), refs["BETA"]: ("CANCELLED", 0)}
    assert {line["by"] for line in repairs.read(path)} == {"ada"}
    assert (left.lines, dict(left.ledger)) == ((), {"ALFA": 4, "GAMA": -3})


def test_what_a_person_said_is_not_undone_by_the_broker_s_executions(tmp_path, store, asked):
    """They are taken for what the person meant."""
    refs = crashed(tmp_path, asked)
    for name, shares in (("GAMA", 3), ("ALFA", 10), ("BETA", 5)):
        resolve(tmp_path, store, asked[0], refs[name], filled=Decimal(shares), price=Decimal("82.55"), by="ada")
    left = look(tmp_path, store, asked, at_broker(*ALL_FILLED))

    assert left.repaired == ()
    assert dict(left.ledger) == {"ALFA": 10, "BETA": 5, "GAMA": -3}


@pytest.mark.parametrize(("filled", "price", "by"), [
    ("11", "82.5", "ada"), ("-1", "82.5", "ada"), ("4", None, "ada"), ("4", "0", "ada"), ("0", None, " ")])
def test_what_a_person_says_must_be_possible(tmp_path, store, asked, filled, price, by):
    """More than was ordered, less than is recorded, shares for nothing, or nobody's word."""
    refs = crashed(tmp_path, asked)
    with pytest.raises(BadInput):
        resolve(tmp_path, store, asked[0], refs["ALFA"], filled=Decimal(filled), price=price and Decimal(price), by=by)


def test_only_an_order_that_was_sent_can_be_resolved(tmp_path, store, asked):
    """A slip of the pen names those that were."""
    refs = crashed(tmp_path, asked)
    with pytest.raises(NotRecorded, match=refs["ALFA"]):
        resolve(tmp_path, store, asked[0], "s1-ALFA.9", filled=Decimal(1), price=Decimal(1), by="ada")


# Lean's own paper brokerage


def test_what_worked_on_lean_s_own_paper_account_died_with_it(tmp_path, store):
    """The process was the broker: nobody is asked, what was filled stays, what worked is sent again."""
    asked = ask_for(tmp_path, account="paper")
    desk, refs = begun(tmp_path, asked, holdings={})
    announce(desk, refs["ALFA"], 10)
    heard(desk, 1, refs["ALFA"], 10, "FILLED", fill=10, price="82.6")
    announce(desk, refs["BETA"], 5)
    heard(desk, 2, refs["BETA"], 5, "SUBMITTED")
    desk.stop()
    left = look(tmp_path, store, asked, paper=True)

    assert states(store, asked) == {refs["ALFA"]: ("FILLED", 10), refs["BETA"]: ("CANCELLED", 0)}
    assert {line.symbol for line in left.lines} == {"BETA", "GAMA"}
    assert left.holdings == (("ALFA", instrument("ALFA"), Decimal(10), Decimal("82.6")),)
    assert left.cash == Decimal(100000) - 10 * Decimal("82.6") - 1


def test_the_paper_account_of_the_day_before_is_the_next_day_s(tmp_path, store):
    """Its holdings at what they cost on average, and its cash."""
    asked = ask_for(tmp_path, account="paper")
    desk, refs = begun(tmp_path, asked, holdings={})
    heard(desk, 1, refs["ALFA"], 10, "PARTIALLY_FILLED", fill=6, price="82.00")
    heard(desk, 1, refs["ALFA"], 10, "FILLED", fill=4, price="83.00", at=OPEN + timedelta(minutes=1))
    desk.close()
    left = look(tmp_path, store, ask_for(tmp_path, account="paper", day=date(2020, 3, 3)), paper=True)

    assert left.holdings == (("ALFA", instrument("ALFA"), Decimal(10), Decimal("82.4")),)
    assert left.cash == Decimal(100000) - 824 - 2
    assert dict(left.ledger) == {"ALFA": 10}


def test_a_broker_s_paper_account_is_asked_all_the_same(tmp_path, store, asked):
    """That the mode is paper does not make the process the broker."""
    crashed(tmp_path, asked)
    with pytest.raises(OutcomeUnknown):
        look(tmp_path, store, asked, paper=True)


# Wherever it was cut


@dataclass(frozen=True)
class Fate:
    """What became of one order at the broker: shares filled in parts, and whether the rest still works."""

    name: str
    quantity: int
    number: int
    parts: tuple[int, ...]
    works: bool

    @property
    def executions(self):
        sign = 1 if self.quantity > 0 else -1
        return [execution(sign * size, n=n, order_id=self.number, symbol=self.name, cum=sum(self.parts[:n]), price="82.5",
                          at=OPEN + timedelta(minutes=n)) for n, size in enumerate(self.parts, start=1)]

    @property
    def open(self):
        return [open_order(self.quantity, order_id=self.number, symbol=self.name, filled=sum(self.parts))] if self.works else []

    @property
    def lines(self):
        """What the journal tells in full, each with the moment at which it is told."""
        yield MORNING, (None, "PENDING_SUBMIT", 0)
        yield MORNING, (self.number, "SUBMITTED", 0)
        for item in self.executions:
            yield item.occurred_at, (self.number, "PARTIALLY_FILLED", int(item.shares))
        if not self.works:
            yield OPEN + timedelta(minutes=9), (self.number, "FILLED" if sum(self.parts) == abs(self.quantity) else "CANCELLED", 0)


@st.composite
def fates(draw, name, quantity, number):
    size = abs(quantity)
    parts = draw(st.sampled_from([(), (size,), (1,), (1, size - 1), (1, 1)]))
    return Fate(name, quantity, number, parts, sum(parts) < size and draw(st.booleans()))


@given(st.tuples(fates("GAMA", -3, 1), fates("ALFA", 10, 2), fates("BETA", 5, 3)), st.integers(0, 20), st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_the_process_was_cut_book_and_broker_agree_afterwards(kept, tmp_path_factory, day, cut, arrived):
    """Positions are the broker's, what works there is taken over, and nothing that was filled, works, or was heard to have
    arrived is sent again. What was cancelled there unfilled before anything was heard looks like what never arrived."""
    folder, store = tmp_path_factory.mktemp("data"), emptied(kept)
    asked = ask_for(folder)
    desk, refs = begun(folder, asked)
    told = [(at, fate, line) for fate in day for at, line in fate.lines]
    told = sorted(told, key=lambda item: item[0])[:cut]
    for at, fate, (number, status, fill) in told:
        desk.order(number, refs[fate.name], fate.quantity, status, fill=fill, at=at, symbol=fate.name, event=number is not None)
    desk.stop()
    heard = {fate.name: sum(1 for _, other, _ in told if other is fate) for fate in day}
    there = [fate for fate in day if heard[fate.name] > 1 or (heard[fate.name] == 1 and arrived)]
    view = at_broker(*(item for fate in there for item in fate.executions), orders=[item for fate in there for item in fate.open])
    doubtful = {refs[fate.name] for fate in there
                if heard[fate.name] == 1 and 0 < sum(fate.parts) < abs(fate.quantity) and not fate.works}
    if doubtful:            # no number, and not the quantity that was ordered: a person decides
        with pytest.raises(OutcomeUnknown) as caught:
            look(folder, store, asked, view)
        assert set(caught.value.orders) == doubtful
        return
    left = look(folder, store, asked, view)

    made = {fate.name: sum(int(item.shares) for item in fate.executions) for fate in there}
    assert dict(left.ledger) == {name: n for name, n in made.items() if n}
    if told:
        assert {(order.symbol, order.filled) for order in left.working} == {(f.name, made[f.name]) for f in there if f.works}
        over = {fate.name for fate in there if made[fate.name] or fate.works or heard[fate.name] > 1}
        assert {line.symbol for line in left.lines} == {fate.name for fate in day} - over
    assert left.sized == bool(told)


# Over the wire


def test_a_crash_is_recovered_over_the_wire(tmp_path, store, asked):
    """The gateway, the protocol, the matching, the repairs and the store, in one."""
    run, _ = asked
    refs = crashed(tmp_path, asked, told=("ALFA",))
    given = Book(
        fills=[Fill("GAMA", -3, 20.01, OPEN, "0000e0d5.5e5d2b.01.01", fee=1.05),
               Fill("ALFA", 4, 82.6, OPEN, "0000e0d5.5e5d2c.01.01", order_id=2, perm_id=1002, cum=4, fee=None)],
        orders=[GatewayOrder("ALFA", 10, order_id=2, perm_id=1002, filled=4)],
        positions={"ALFA": (4.0, 82.6)}, now=lambda: LATER)
    with serving(given) as gateway:
        left = look_back(tmp_path, store, run, paper=False, wait=0.0, ask=lambda: read_broker(
            "127.0.0.1", gateway.port, client_id=77, account=run.account, timeout=5))

    assert states(store, asked) == {refs["GAMA"]: ("FILLED", -3), refs["ALFA"]: ("PARTIALLY_FILLED", 4),
                                    refs["BETA"]: ("CANCELLED", 0)}
    assert {fill.symbol: fill.fee for fill in store.fills(run.run_id)} == {"GAMA": Decimal("1.05"), "ALFA": None}
    assert [line.symbol for line in left.lines] == ["BETA"]


def test_a_store_made_again_from_the_files_says_the_same(tmp_path, store, asked):
    """Repairs are files as journals are."""
    crashed(tmp_path, asked)
    look(tmp_path, store, asked, at_broker(*ALL_FILLED))
    before = store.orders(asked[0].run_id)
    store.rebuild(tmp_path)

    assert store.orders(asked[0].run_id) == before


def test_a_broker_that_is_not_there_is_said_where_nothing_was_lost(tmp_path, store, asked):
    """It is no reason to stop, and no reason to be silent."""
    desk, refs = begun(tmp_path, asked)
    announce(desk, refs["GAMA"], -3)
    heard(desk, 1, refs["GAMA"], -3, "FILLED", fill=-3, price="20.01")
    desk.stop()

    def nobody():
        raise BrokerUnavailable("IB at 127.0.0.1:4002", "nobody listens")

    left = look_back(tmp_path, store, asked[0], ask=nobody, paper=False)

    assert "nobody listens" in left.not_asked
