"""What was held at any moment, folded from what was heard."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.judgement.holdings import fold, session_of
from workbench.words.event import CorporateLine, Fill


def at(day, hour=21):
    return datetime(2020, 1, day, hour, tzinfo=UTC)


def fill(day, quantity, price="10", fee="1", hour=21):
    return "AAA X", Fill(
        run_id="r", attempt=1, order_id="1", client_order_id=None, order_intent_id=None, symbol="AAA", instrument_id="AAA X",
        quantity=Decimal(quantity), price=Decimal(price), fee=fee and Decimal(fee), arrival_price=None, arrival_source=None,
        occurred_at=at(day, hour))


def corporate(day, kind, hour=5, **fields):
    nothing = dict.fromkeys(("factor", "per_share", "cash", "old_quantity", "new_quantity", "old_symbol", "new_symbol"))
    numbers = {name: Decimal(value) for name, value in fields.items()}
    return "AAA X", CorporateLine(run_id="r", attempt=1, seq=day, kind=kind, symbol="AAA", instrument_id="AAA X",
                                  occurred_at=at(day, hour), **{**nothing, **numbers})


def ledger(fills=(), events=(), held="0"):
    return fold(cash=Decimal(1000), holdings={"AAA X": Decimal(held)}, fills=fills, corporate=events)


def moved(book):
    return sum(change.cash for change in book.changes.get("AAA X", ()))


def test_fills_add_up_and_cost_their_price_and_fee():
    """Bought 10 at 10 and sold 4 at 12, a dollar each."""
    book = ledger([fill(2, 10), fill(3, -4, "12")])

    assert [book.shares("AAA X", at(day)) for day in (1, 2, 3)] == [0, 10, 6]
    assert moved(book) == -101 + 47


def test_a_moment_counts_what_happened_at_it_unless_before_is_asked():
    """A fill at the close belongs to the close."""
    book = ledger([fill(2, 10)], held="3")

    assert (book.shares("AAA X", at(2)), book.shares("AAA X", at(2), before=True)) == (13, 3)


def test_a_fee_that_is_not_known_takes_nothing_yet():
    """It is pending, and counted elsewhere."""
    assert moved(ledger([fill(2, 10, fee=None)])) == -100


def test_a_split_says_what_is_held_after_it():
    """Three for two of 25 shares leaves 37, and the half in cash."""
    split = corporate(3, "split", factor="0.66666667", old_quantity=25, new_quantity=37, cash="3.3")
    book = ledger([fill(2, 25), fill(4, 3)], [split])

    assert [book.shares("AAA X", at(day)) for day in (2, 3, 4)] == [25, 37, 40]
    assert moved(book) == -251 + Decimal("3.3") - 31


@pytest.mark.parametrize("told", [7, 0])
def test_a_split_that_changed_no_shares_changes_nothing(told):
    """Where prices are adjusted shares never split; and a line that knows of none says nothing of those held before."""
    book = ledger(events=[corporate(3, "split", factor="0.5", old_quantity=told, new_quantity=told)], held="7")

    assert book.shares("AAA X", at(4)) == 7


def test_a_dividend_brings_cash_and_leaves_shares():
    """A dollar a share."""
    book = ledger(events=[corporate(3, "dividend", per_share="1", cash="7")], held="7")

    assert (book.shares("AAA X", at(4)), moved(book)) == (7, 7)


@pytest.mark.parametrize("hour", [4, 5, 6])
def test_a_delisted_stock_is_sold_once(hour):
    """Whether its liquidation is told before the delisting, with it or after: nothing is left, and the cash is there."""
    liquidation = fill(16, -10, "8", "0", hour)
    book = ledger([fill(2, 10), liquidation], [corporate(16, "delisted", old_quantity=0, new_quantity=0)])

    assert book.shares("AAA X", at(17)) == 0
    assert moved(book) == -101 + 80


@given(st.permutations([fill(2, 10), fill(3, -4), fill(5, 7)]), st.permutations([
    corporate(4, "split", factor="0.5", old_quantity=6, new_quantity=12), corporate(3, "dividend", per_share="1", cash="10")]))
def test_the_order_in_which_lines_come_changes_nothing(fills, events):
    """Only their moments count."""
    book = ledger(fills, events)

    assert book.changes["AAA X"] == ledger(sorted(fills, key=lambda one: one[1].occurred_at), events[::-1]).changes["AAA X"]
    assert book.shares("AAA X", at(6)) == 19


def test_a_session_is_new_yorks():
    """Half past midnight in London is still the evening before."""
    assert session_of(datetime(2020, 1, 3, 0, 30, tzinfo=UTC)) == date(2020, 1, 2)
