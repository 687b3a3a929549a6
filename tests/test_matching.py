"""Which of the broker's executions are ours: what is found is true and found once, and what is not certain is unknown."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.engines.ib import BrokerView, Execution, Held, OpenOrder
from workbench.judgement.matching import KnownFill, Matching, Unresolved, family, match

SENT = datetime(2020, 3, 2, 14, 0, tzinfo=UTC)          # 09:00 in New York
OPENED = datetime(2020, 3, 2, 14, 30, 5, tzinfo=UTC)
LATER = datetime(2020, 3, 2, 16, 0, tzinfo=UTC)
ACCOUNT = "DU1234567"


def execution(shares: int, *, n: int = 1, order_id: int = 1, price: str = "82.5", symbol: str = "ALFA", at: datetime = OPENED,
              correction: int = 1, cum: int | None = None, perm_id: int | None = None, **more) -> Execution:
    return Execution(**({
        "exec_id": f"0000e0d5.{order_id:04d}.{n:02d}.{correction:02d}", "order_id": order_id,
        "perm_id": 1000 + order_id if perm_id is None else perm_id, "client_id": 0, "order_ref": "", "symbol": symbol,
        "side": "BUY" if shares >= 0 else "SELL", "quantity": Decimal(abs(shares)), "price": Decimal(price),
        "cum_quantity": Decimal(abs(shares) if cum is None else cum), "occurred_at": at, "fee": Decimal(1),
        "account": ACCOUNT} | more))


def open_order(quantity: int, *, order_id: int = 1, filled: int = 0, symbol: str = "ALFA", **more) -> OpenOrder:
    return OpenOrder(**({
        "order_id": order_id, "perm_id": 1000 + order_id, "client_id": 0, "order_ref": "", "symbol": symbol,
        "quantity": Decimal(quantity), "filled": Decimal(filled), "order_type": "MKT", "limit_price": None,
        "status": "Submitted", "account": ACCOUNT} | more))


def seen(*executions: Execution, orders=(), positions=None, at: datetime = LATER) -> BrokerView:
    """A view whose positions are what its executions make of nothing, unless given."""
    made = Counter()
    for item in executions:
        made[item.symbol] += item.shares
    return BrokerView(account=ACCOUNT, accounts=(ACCOUNT,), at=at, executions=executions, open_orders=tuple(orders),
                      positions=tuple(Held(symbol=name, quantity=Decimal(shares), average_price=Decimal(1))
                                      for name, shares in (made if positions is None else positions).items()))


def ours(quantity: int = 10, *fills: KnownFill, ref: str = "s-ALFA.1", **more) -> Unresolved:
    return Unresolved(**({"order_ref": ref, "symbol": "ALFA", "quantity": Decimal(quantity), "sent_at": SENT,
                          "fills": fills} | more))


def told(shares: int, price: str = "82.5", **more) -> KnownFill:
    return KnownFill(**({"quantity": Decimal(shares), "price": Decimal(price),
                         "occurred_at": OPENED + timedelta(seconds=2)} | more))


NOTHING = {"ALFA": Decimal(0), "BETA": Decimal(0)}


def found(order: Unresolved, view: BrokerView, held=NOTHING, others=()):
    return match([order, *others], view, held=held).of(order.order_ref)


# What is found


def test_an_order_that_was_announced_and_filled_is_found():
    """Nothing was heard after it was sent; symbol, side, quantity, time and position say that it is it."""
    finding = found(ours(), seen(execution(10)))

    assert (finding.state, finding.filled, [item.exec_id for item in finding.fills]) == (
        "filled", 10, ["0000e0d5.0001.01.01"])


def test_an_order_that_was_announced_and_works_is_found():
    """Its open order has its quantity."""
    finding = found(ours(-10), seen(orders=[open_order(-10)]))

    assert (finding.state, finding.filled) == ("working", 0)
    assert finding.open is not None


def test_a_working_order_s_fills_are_found():
    """Some of it was filled while nobody listened."""
    finding = found(ours(10, told(4, "82.4"), broker_id="1"), seen(
        execution(4, price="82.4", cum=4), execution(3, n=2, cum=7), orders=[open_order(10, filled=7)]))

    assert (finding.state, finding.filled) == ("working", 7)
    assert [item.quantity for item in finding.fills] == [3]


def test_an_order_that_is_nowhere_is_absent():
    """Not open, not executed, and the account holds what it held."""
    assert found(ours(), seen()).state == "absent"


def test_an_order_that_was_partly_filled_and_is_no_longer_open_has_ended():
    """By its number it is surely it, and the position agrees."""
    finding = found(ours(10, broker_id="1"), seen(execution(4)))

    assert (finding.state, finding.filled) == ("ended", 4)


def test_a_fill_that_lost_the_race_against_its_cancel_is_found():
    """Heard as cancelled, and executed before that."""
    finding = found(ours(10, broker_id="1", ended=True), seen(execution(10)))

    assert (finding.state, [item.quantity for item in finding.fills]) == ("filled", [10])


def test_our_own_reference_is_enough():
    """Where a reference is sent along, neither client nor number matters."""
    finding = found(ours(), seen(execution(10, order_ref="s-ALFA.1", client_id=12)))

    assert finding.state == "filled"


# What is not counted twice


def test_a_fill_that_is_recorded_is_not_found_again():
    """Lean tells no execution id: shares and price say that it is it, seconds later."""
    finding = found(ours(10, told(10), broker_id="1"), seen(execution(10)))

    assert (finding.state, finding.fills) == ("filled", ())


def test_of_two_alike_executions_one_is_recorded():
    """Same shares, same price: the one that is nearest in time is taken for the recorded one."""
    finding = found(ours(10, told(5), broker_id="1"),
                    seen(execution(5, cum=5), execution(5, n=2, cum=10, at=OPENED + timedelta(minutes=5))))

    assert [item.exec_id for item in finding.fills] == ["0000e0d5.0001.02.01"]


def test_a_price_that_went_through_doubles_is_the_same():
    """Fifteen digits against seventeen."""
    finding = found(ours(10, told(10, "82.123456789012"), broker_id="1"), seen(execution(10, price="82.1234567890123")))

    assert finding.fills == ()


def test_the_last_correction_stands_for_all():
    """01.02 replaces 01.01."""
    finding = found(ours(), seen(execution(10), execution(10, correction=2, price="82.6"), positions={"ALFA": 10}))

    assert [item.price for item in finding.fills] == [Decimal("82.6")]


def test_a_correction_of_what_the_broker_told_replaces_it():
    """It was recorded with its id, which the store replaces by family."""
    known = told(10, exec_id="0000e0d5.0001.01.01")
    finding = found(ours(10, known, broker_id="1"), seen(execution(10), execution(10, correction=2, price="82.6")))

    assert [item.exec_id for item in finding.fills] == ["0000e0d5.0001.01.02"]


def test_a_corrected_price_alone_is_not_another_fill():
    """The shares are recorded; only the newest correction is told."""
    finding = found(ours(10, told(10), broker_id="1"), seen(execution(10, correction=2, price="82.6")))

    assert (finding.state, finding.fills) == ("filled", ())


def test_executions_of_yesterday_need_not_be_told():
    """Those that are recorded of an earlier day are no contradiction to today's."""
    before = told(4, occurred_at=OPENED - timedelta(days=1))
    finding = found(ours(10, before, broker_id="1", sent_at=SENT - timedelta(days=1)), seen(execution(6, cum=10)))

    assert (finding.state, [item.quantity for item in finding.fills]) == ("filled", [6])


# What is unknown


UNKNOWN = {
    "too many shares": (ours(10, broker_id="1"), seen(execution(11))),
    "not its quantity": (ours(10), seen(execution(4))),
    "open with another quantity": (ours(10), seen(orders=[open_order(12)])),
    "two could be it": (ours(10), seen(execution(10), execution(10, order_id=2))),
    "a bust of what is recorded": (ours(10, told(10), broker_id="1"), seen(execution(10), execution(0, correction=2))),
    "a correction to fewer shares": (ours(10, told(10), broker_id="1"), seen(execution(10), execution(6, correction=2))),
    "a bust told alone": (ours(10, told(10), broker_id="1"), seen(execution(0, correction=2))),
    "other prices and other shares": (ours(10, told(4, "80.0"), broker_id="1"), seen(execution(6, cum=6))),
    "the broker counts more": (ours(10, broker_id="1"), seen(execution(4, cum=9))),
    "the open order counts more": (ours(10, broker_id="1"), seen(orders=[open_order(10, filled=4)])),
    "the position is another": (ours(), seen(positions={"ALFA": 10})),
    "the executed position is another": (ours(), seen(execution(10), positions={"ALFA": 0})),
    "open though it was heard to have ended": (ours(10, broker_id="1", ended=True), seen(orders=[open_order(10)])),
    "open though a person settled it": (ours(10, settled=True), seen(orders=[open_order(10)])),
    "executed though it was taken for absent": (ours(10, ended=True), seen(execution(10))),
    "a moment ago": (ours(sent_at=LATER - timedelta(seconds=5)), seen()),
    "another day": (ours(), seen(at=LATER + timedelta(days=1))),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_is_not_certain_is_unknown(case):
    """It says why, and finds nothing."""
    finding = found(*UNKNOWN[case])

    assert (finding.state, finding.fills) == ("unknown", ())
    assert finding.why


def test_what_is_nowhere_is_not_absent_where_nobody_knows_what_was_held():
    """No position to compare with is no proof."""
    assert found(ours(), seen(), held=None).state == "unknown"


def test_an_execution_that_two_could_own_is_of_neither():
    """Both are unknown, and say so."""
    one, other = ours(), ours(ref="s-ALFA.2")
    matching = match([one, other], seen(execution(10)), held=NOTHING)

    assert [finding.state for finding in matching.ambiguous] == ["unknown", "unknown"]
    assert all("s-ALFA.1, s-ALFA.2" in finding.why for finding in matching.findings)


def test_a_number_tells_two_apart():
    """The one whose number was heard owns its executions; the other is absent."""
    one, other = ours(broker_id="1"), ours(ref="s-ALFA.2")
    matching = match([one, other], seen(execution(10)), held=NOTHING)

    assert [finding.state for finding in matching.findings] == ["filled", "absent"]


def test_of_two_orders_of_an_intent_the_one_that_was_lost_owns_it():
    """The first was proved absent long before the second was sent; a person had settled a third."""
    others = [ours(ref="s-ALFA.1", ended=True), ours(ref="s-ALFA.3", settled=True)]
    matching = match([*others, ours(ref="s-ALFA.2")], seen(execution(10)), held=NOTHING)

    assert [finding.state for finding in matching.findings] == ["ended", "ended", "filled"]


def test_an_execution_that_was_taken_back_fills_nothing():
    """No shares are left in its last correction; the other execution stands."""
    view = seen(execution(6), execution(0, correction=2), execution(4, n=2), positions={"ALFA": 4})
    finding = found(ours(10, broker_id="1"), view)

    assert (finding.state, [item.quantity for item in finding.fills], finding.filled) == ("ended", [4], 4)


# What is not ours


@pytest.mark.parametrize("more", [
    {"order_id": 0}, {"order_id": -3}, {"client_id": 12}, {"order_ref": "someone else's"}, {"symbol": "BETA"},
    {"at": SENT - timedelta(hours=1)}], ids=str)
def test_another_s_execution_is_never_ours(more):
    """By hand, by another program, of another symbol, or before ours was sent: ours is absent beside it, or unknown."""
    given = execution(10, **more)
    matching = match([ours()], seen(given), held=NOTHING)

    assert matching.foreign == (given,)
    assert matching.of("s-ALFA.1").fills == ()
    assert matching.of("s-ALFA.1").state == ("absent" if given.symbol == "BETA" else "unknown")


def test_a_sale_is_no_purchase():
    """The side tells them apart."""
    finding = found(ours(10), seen(execution(-10)))

    assert (finding.state, finding.fills) == ("unknown", ())


def test_a_number_that_was_given_again_is_not_ours():
    """After a reset of the numbers, one belonged to an order of the morning."""
    given = execution(10, at=SENT - timedelta(hours=1))
    matching = match([ours(broker_id="1")], seen(given, positions={"ALFA": 0}), held=NOTHING)

    assert matching.foreign == (given,)
    assert matching.of("s-ALFA.1").state == "absent"


def test_what_a_person_settled_stays_settled():
    """Its executions are its own, and found no more."""
    matching = match([ours(10, told(10, "82.55"), settled=True, ended=True)],
                     seen(execution(4), execution(6, n=2, price="82.6")), held=NOTHING)

    assert (matching.of("s-ALFA.1").state, matching.of("s-ALFA.1").fills, matching.foreign) == ("filled", (), ())


# Laws, over invented days


@dataclass(frozen=True)
class Day:
    """What really happened, what was heard of it, and what the broker tells."""

    orders: tuple[Unresolved, ...]
    view: BrokerView
    held: dict[str, Decimal]
    truth: dict[str, tuple[str, Counter]]           # order_ref -> state, and its executions that nobody heard


@st.composite
def days(draw) -> Day:
    """Orders on two symbols: arrived or not, filled in parts, still open or not, heard of in part; people trade beside them."""
    executions, orders, open_orders, truth = [], [], [], {}
    position, held = Counter(), {"ALFA": Decimal(7), "BETA": Decimal(0)}
    for number in range(1, draw(st.integers(1, 5)) + 1):
        symbol = draw(st.sampled_from(["ALFA", "BETA"]))
        quantity = draw(st.sampled_from([-10, -6, 6, 10]))
        sign = 1 if quantity > 0 else -1
        arrived, numbered = draw(st.booleans()), draw(st.booleans())
        parts = draw(st.lists(st.integers(1, 5), max_size=3)) if arrived else []
        parts = parts if sum(parts) < abs(quantity) or sum(parts) == abs(quantity) else [abs(quantity)]
        done = [execution(sign * size, n=n, order_id=number, symbol=symbol, cum=sum(parts[:n]),
                          price=draw(st.sampled_from(["82.5", "82.6"])), at=OPENED + timedelta(minutes=n))
                for n, size in enumerate(parts, start=1)]
        works = arrived and sum(parts) < abs(quantity) and draw(st.booleans())
        if works:
            open_orders.append(open_order(quantity, order_id=number, symbol=symbol, filled=sum(parts)))
        heard = [item for item in done if arrived and numbered and draw(st.booleans())]
        executions += done
        ended = arrived and numbered and not works and draw(st.booleans())
        ref = f"s-{symbol}.{number}"
        orders.append(Unresolved(
            order_ref=ref, symbol=symbol, quantity=Decimal(quantity), sent_at=SENT, ended=ended,
            broker_id=str(number) if arrived and numbered else "",
            fills=tuple(told(int(item.shares), str(item.price), occurred_at=item.occurred_at + timedelta(seconds=1))
                        for item in heard)))
        held[symbol] += sum(item.shares for item in heard)
        position[symbol] += sum(item.shares for item in done)
        lost = Counter((item.shares, item.price) for item in done) - Counter((item.shares, item.price) for item in heard)
        state = ("working" if works else "filled" if sum(parts) == abs(quantity) else "ended" if parts or ended else "absent")
        truth[ref] = (state, lost)
    for hand in range(draw(st.integers(0, 2))):
        symbol, shares = draw(st.sampled_from(["ALFA", "BETA"])), draw(st.sampled_from([-10, 6, 10]))
        executions.append(execution(shares, order_id=draw(st.sampled_from([0, -5])), n=hand + 1, perm_id=9000 + hand,
                                    symbol=symbol, exec_id=f"by.hand.{hand:02d}.01"))
        position[symbol] += shares
    draw(st.randoms()).shuffle(executions)
    position["ALFA"] += 7
    return Day(tuple(orders), seen(*executions, orders=open_orders, positions=position), held, truth)


def recorded(orders: tuple[Unresolved, ...], matching: Matching) -> tuple[Unresolved, ...]:
    """The orders as they are known once what was found is recorded."""
    after = []
    for order in orders:
        finding = matching.of(order.order_ref)
        families = {family(item.exec_id) for item in finding.fills}
        kept = tuple(fill for fill in order.fills if not fill.exec_id or family(fill.exec_id) not in families)
        new = tuple(KnownFill(quantity=item.shares, price=item.price, occurred_at=item.occurred_at, exec_id=item.exec_id)
                    for item in finding.fills)
        number = next((str(item.order_id) for item in finding.fills), order.broker_id)
        after.append(replace(order, fills=kept + new, broker_id=order.broker_id or number,
                             ended=order.ended or finding.state in ("filled", "ended", "absent")))
    return tuple(after)


@given(days())
@settings(max_examples=300, deadline=None)
def test_what_is_found_is_true(day):
    """Of every order that is not unknown: its state, and exactly the executions that nobody had heard."""
    for finding in match(day.orders, day.view, held=day.held).findings:
        if finding.state != "unknown":
            assert (finding.state, Counter((item.shares, item.price) for item in finding.fills)) == day.truth[finding.order_ref]


@given(days())
@settings(max_examples=150, deadline=None)
def test_recording_what_was_found_and_matching_again_changes_nothing(day):
    """Nothing new is found, and no order's state is another."""
    first = match(day.orders, day.view, held=day.held)
    held = dict(day.held)
    for order in day.orders:
        held[order.symbol] += sum(item.shares for item in first.of(order.order_ref).fills)
    again = match(recorded(day.orders, first), day.view, held=held)

    assert not [item for finding in again.findings for item in finding.fills]
    assert {f.order_ref: "ended" if f.state == "absent" else f.state for f in first.findings} == {
        f.order_ref: "ended" if f.state == "absent" else f.state for f in again.findings}


@given(days())
@settings(max_examples=150, deadline=None)
def test_no_execution_is_of_two_orders(day):
    """Nor both ours and another's."""
    matching = match(day.orders, day.view, held=day.held)
    owned = [item.exec_id for finding in matching.findings for item in finding.fills]

    assert len(owned) == len(set(owned))
    assert not set(owned) & {item.exec_id for item in matching.foreign}


@given(days())
@settings(max_examples=150, deadline=None)
def test_shares_are_conserved(day):
    """No order is filled beyond its quantity, and each has what was recorded and what was found."""
    matching = match(day.orders, day.view, held=day.held)
    for order in day.orders:
        finding = matching.of(order.order_ref)

        assert finding.filled == order.filled + sum(item.shares for item in finding.fills)
        assert abs(finding.filled) <= abs(order.quantity)


@given(days(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_things_are_told_does_not_matter(day, random):
    """Neither ours nor the broker's."""
    orders, executions = list(day.orders), list(day.view.executions)
    random.shuffle(orders)
    random.shuffle(executions)
    other = match(orders, replace(day.view, executions=tuple(executions)), held=day.held)

    assert {f.order_ref: f for f in match(day.orders, day.view, held=day.held).findings} == {
        f.order_ref: f for f in other.findings}


def test_most_days_without_people_beside_us_are_resolved():
    """The laws are not kept by finding nothing: one order lost, the rest heard, is always resolved."""
    for quantity in (-10, 6):
        for view in (seen(), seen(execution(quantity)), seen(orders=[open_order(quantity)])):
            heard = ours(5, told(5), ref="s-BETA.1", symbol="BETA", broker_id="7", ended=True)

            assert not match([ours(quantity), heard], view, held=NOTHING).ambiguous
