"""What the broker is asked and how it answers: a gateway on this machine that speaks its protocol to the real client."""

import asyncio
import socket
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from gateway import (
    ALL_OPEN,
    CANCEL,
    EXECUTIONS,
    PLACE,
    POSITIONS,
    START,
    SUMMARY,
    TIME,
    Book,
    Faults,
    Fill,
    Order,
    serving,
)

from workbench.engines.ib import Execution, Held, OpenOrder, cancel_orders, read_broker
from workbench.errors import BrokerUnavailable, NotArmed

ACCOUNT = "DU1234567"
OPENED = datetime(2020, 3, 2, 14, 30, 5, tzinfo=UTC)
QUESTIONS = {TIME: "the time", ALL_OPEN: "open orders", EXECUTIONS: "executions", POSITIONS: "positions",
             SUMMARY: "the account's value"}


def book(**given) -> Book:
    """A day's trading: ALFA bought, BETA sold in part and still working."""
    return Book(
        fills=[Fill("ALFA", 10, 82.5, OPENED, "0000e0d5.5e5d2b.01.01"),
               Fill("BETA", -4, 20.01, OPENED, "0000e0d5.5e5d2c.01.01", order_id=2, perm_id=1002, cum=4, fee=0.35)],
        orders=[Order("BETA", -10, order_id=2, perm_id=1002, filled=4, order_type="LMT", limit=20.01)],
        positions={"ALFA": (10.0, 82.6), "BETA": (6.0, 21.5)}, now=lambda: OPENED, **given)


def read(gateway, **given):
    return read_broker("127.0.0.1", gateway.port, **({"client_id": 77, "account": ACCOUNT, "timeout": 5.0} | given))


def cancel(gateway, orders, **given):
    return cancel_orders("127.0.0.1", gateway.port, **({"client_id": 0, "account": ACCOUNT, "timeout": 0.3} | given),
                         orders=orders)


# A whole answer


def test_everything_that_the_broker_tells_is_read():
    """Executions, open orders, positions, cash, equity, and the broker's own clock."""
    with serving(book()) as gateway:
        view = read(gateway)

    assert view.executions[0] == Execution(
        exec_id="0000e0d5.5e5d2b.01.01", order_id=1, perm_id=1001, client_id=0, order_ref="", symbol="ALFA", side="BUY",
        quantity=Decimal(10), price=Decimal("82.5"), cum_quantity=Decimal(10), occurred_at=OPENED, fee=Decimal(1),
        account=ACCOUNT)
    assert view.open_orders == (OpenOrder(
        order_id=2, perm_id=1002, client_id=0, order_ref="", symbol="BETA", quantity=Decimal(-10), filled=Decimal(4),
        order_type="LMT", limit_price=Decimal("20.01"), status="Submitted", account=ACCOUNT),)
    assert view.positions == (Held(symbol="ALFA", quantity=Decimal(10), average_price=Decimal("82.6")),
                              Held(symbol="BETA", quantity=Decimal(6), average_price=Decimal("21.5")))
    assert (Decimal(90000), Decimal(100000), OPENED, (ACCOUNT,)) == (view.cash, view.equity, view.at, view.accounts)


def test_open_orders_are_read_before_executions_and_those_before_positions():
    """Else an order that fills between two answers would be in none of them."""
    with serving(book()) as gateway:
        read(gateway)

    assert gateway.ids() == [START, TIME, ALL_OPEN, EXECUTIONS, POSITIONS, SUMMARY]


def test_a_commission_that_was_not_told_is_not_known():
    """None is not zero."""
    given = book()
    given.fills[1].fee = None
    with serving(given) as gateway:
        view = read(gateway)

    assert [execution.fee for execution in view.executions] == [Decimal(1), None]


def test_an_empty_account_is_known_to_be_empty():
    """Each answer came to its end and told nothing."""
    with serving(Book()) as gateway:
        view = read(gateway)

    assert (view.executions, view.open_orders, view.positions) == ((), (), ())


def test_what_is_no_share_in_dollars_is_left_out():
    """An option's symbol is that of its share: it must not be taken for it."""
    given = book(other_shares=(("OPT", "ALFA", 3.0),))
    given.fills.append(Fill("ALFA", 3, 1.5, OPENED, "0000e0d5.5e5d2d.01.01", perm_id=1003, kind="OPT"))
    with serving(given) as gateway:
        view = read(gateway)

    assert Decimal(10) == view.held("ALFA") == sum(item.shares for item in view.executions if item.symbol == "ALFA")


def test_tickers_are_written_as_lean_writes_them():
    """IB has a blank in BRK B."""
    with serving(Book(positions={"BRK B": (5.0, 200.0)})) as gateway:
        view = read(gateway)

    assert Decimal(5) == view.held("BRK.B")


def test_it_works_while_a_loop_is_running():
    """As it always is in a notebook."""
    async def cell():
        return read(gateway)

    with serving(book()) as gateway:
        view = asyncio.run(cell())

    assert len(view.executions) == 2


def test_reading_never_places_or_cancels():
    """The ledger of everything that was sent has neither message."""
    with serving(book()) as gateway:
        read(gateway)

    assert not {PLACE, CANCEL} & set(gateway.ids())


def test_a_slow_gateway_is_waited_for():
    """Each answer may take its time, within the timeout."""
    with serving(book(), Faults(slow=0.1)) as gateway:
        view = read(gateway)

    assert len(view.positions) == 2


# No answer is not an empty one


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: QUESTIONS[question])
def test_a_question_without_an_answer_raises(question):
    """It is named, and nothing is returned."""
    with serving(book(), Faults(silent={question})) as gateway, pytest.raises(BrokerUnavailable) as caught:
        read(gateway, timeout=0.2)

    assert QUESTIONS[question] in caught.value.why
    assert "ib_port" in caught.value.remedy


@pytest.mark.parametrize("question", [ALL_OPEN, EXECUTIONS, POSITIONS, SUMMARY], ids=lambda question: QUESTIONS[question])
def test_an_answer_without_its_end_raises(question):
    """What came may be half of it."""
    with serving(book(), Faults(endless={question})) as gateway, pytest.raises(BrokerUnavailable, match="no whole answer"):
        read(gateway, timeout=0.2)


def test_an_answer_that_is_cut_raises_wherever_it_is_cut():
    """Never half a view: any number of bytes before the last end mark gives an error, and soon."""
    with serving(book()) as gateway:
        read(gateway)
    for cut in (*range(0, gateway.sent, 67), gateway.sent - 1):
        began = time.monotonic()
        with serving(book(), Faults(cut_after=cut)) as gateway, pytest.raises(BrokerUnavailable):
            read(gateway)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("code", [162, 321])
def test_a_refused_question_raises(code):
    """The client takes 321 for a mere warning and would wait for ever; other errors it turns into an empty list."""
    with (serving(book(), Faults(refused={EXECUTIONS: (code, "The API interface is in Read-Only mode")})) as gateway,
          pytest.raises(BrokerUnavailable, match="Read-Only")):
        read(gateway, timeout=0.3)


def test_an_execution_that_can_t_be_read_is_not_passed_over():
    """The client logs it and goes on; the answer would lack a fill."""
    with (serving(book(), Faults(zone="Atlantis")) as gateway,
          pytest.raises(BrokerUnavailable, match="can't be read")):
        read(gateway)


def test_a_gateway_that_lost_the_broker_is_not_believed():
    """After 1100 it tells what it remembers."""
    with serving(book(), Faults(link_lost=True)) as gateway, pytest.raises(BrokerUnavailable, match="1100"):
        read(gateway)


def test_a_protocol_without_time_zones_is_refused():
    """A time without its zone can't be placed."""
    with serving(book(), Faults(version=173)) as gateway, pytest.raises(BrokerUnavailable, match="version 173"):
        read(gateway)


def test_nobody_listening_raises_at_once():
    """A refused connection names the place."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(BrokerUnavailable, match=f"127.0.0.1:{port}"):
        read_broker("127.0.0.1", port, client_id=77, account=ACCOUNT, timeout=5)


def test_a_listener_that_says_nothing_raises():
    """Something else may have the port."""
    with serving(book(), Faults(mute=True)) as gateway, pytest.raises(BrokerUnavailable, match="no greeting"):
        read(gateway, timeout=0.3)


def test_a_client_id_that_an_old_socket_holds_is_waited_for():
    """Another id would not see the same orders."""
    with serving(book(), Faults(id_in_use=1)) as gateway:
        view = read(gateway)

    assert gateway.ids().count(START) == 2
    assert len(view.executions) == 2


def test_a_client_id_in_use_raises_in_the_end():
    """It names the id and the setting."""
    with (serving(book(), Faults(id_in_use=99)) as gateway,
          pytest.raises(BrokerUnavailable, match=r"client id 77 is in use.*ib_client_id")):
        read(gateway, timeout=0.6)


@pytest.mark.parametrize("account", ["DU7654321", ""])
def test_another_account_is_refused(account):
    """The account must be one of the login's; nothing is asked of it."""
    with serving(book()) as gateway, pytest.raises(NotArmed, match=ACCOUNT):
        read(gateway, account=account)

    assert gateway.ids() == [START]


# Cancelling


def open_order(order_id: int, **given) -> OpenOrder:
    return OpenOrder(**({"order_id": order_id, "perm_id": 1000 + order_id, "client_id": 0, "order_ref": "", "symbol": "BETA",
                         "quantity": Decimal(-10), "filled": Decimal(4), "order_type": "LMT", "limit_price": None,
                         "status": "Submitted", "account": ACCOUNT} | given))


def test_a_cancelled_order_is_gone_once_the_broker_no_longer_has_it():
    """Asked, then looked for again."""
    with serving(book()) as gateway:
        (cancelled,) = cancel(gateway, [open_order(2)], timeout=5)

    assert cancelled.gone
    assert gateway.ids() == [START, ALL_OPEN, CANCEL, ALL_OPEN]


def test_an_order_that_can_t_be_cancelled_is_told_with_the_broker_s_words():
    """10148 makes the client show it as cancelled, while it is alive."""
    given = book()
    given.orders[0].stubborn = True
    with serving(given) as gateway:
        (cancelled,) = cancel(gateway, [open_order(2)])

    assert not cancelled.gone
    assert "PendingCancel" in cancelled.why
    assert gateway.ids().count(CANCEL) == 1


def test_another_client_s_order_is_told_not_to_be_ours_to_cancel():
    """Nothing is sent for it."""
    given = book()
    given.orders[0].client_id = 12
    with serving(given) as gateway:
        (cancelled,) = cancel(gateway, [open_order(2, client_id=12)])

    assert not cancelled.gone
    assert "client id 12" in cancelled.why
    assert CANCEL not in gateway.ids()


def test_an_order_that_is_no_longer_open_is_gone_without_asking():
    """It ended before."""
    with serving(Book()) as gateway:
        (cancelled,) = cancel(gateway, [open_order(2)])

    assert cancelled.gone
    assert CANCEL not in gateway.ids()


def test_only_the_orders_named_are_cancelled():
    """What a person entered by hand stays."""
    given = book()
    given.orders.append(Order("GAMA", 5, order_id=3, perm_id=1003))
    with serving(given) as gateway:
        cancel(gateway, [open_order(2)], timeout=5)

    assert [order.symbol for order in given.orders] == ["GAMA"]


@pytest.mark.parametrize("fault", [Faults(silent={ALL_OPEN}), Faults(link_lost=True)], ids=["silent", "link lost"])
def test_cancels_that_can_t_be_verified_raise(fault):
    """Not knowing is not having cancelled."""
    with serving(book(), fault) as gateway, pytest.raises(BrokerUnavailable):
        cancel(gateway, [open_order(2)])
