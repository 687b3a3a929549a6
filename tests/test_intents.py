"""Order intents: the contract's fields (§2), a bad item refused alone, and one reading of them."""

import json
import re
from dataclasses import fields
from datetime import date
from decimal import Decimal

import pytest
from contract_fixtures import read_section, read_table, spread
from hypothesis import given
from hypothesis import strategies as st

from workbench.algorithm.intents import SOURCES, Intent, Rejected, read, symbol
from workbench.algorithm.journal import to_json
from workbench.errors import BadInput
from workbench.words import intent as words
from workbench.words.instrument import Instrument

MONDAY, FRIDAY = date(2020, 3, 2), date(2020, 2, 28)
ALFA = Instrument(symbol="ALFA", instrument_id="ALFA X0VCJX7VS19H", last_symbol="ALFA")


def item_of(name="ALFA", **changes):
    """An item as a file holds it; a field changed to `...` is left out."""
    item = {
        "schema": "intent/1", "order_intent_id": f"s0-{name.strip()}", "symbol": name,
        "instrument_id": f"{name.strip().upper()} X", "weight": Decimal("0.1"), "snapshot_date": "2020-02-28",
        "rebalance_date": "2020-03-02", "decision_price": Decimal("10.5"), "side": "BUY", "quantity": None, "order_type": None,
        "limit_price": None, "source": "strategy",
    } | changes
    return {key: value for key, value in item.items() if value is not ...}


def read_one(**changes):
    """The one intent of a file with one good item."""
    (intent,), bad = read([item_of(**changes)])

    assert bad == ()
    return intent


def why_refused(item):
    """The reason why an item is refused, between two that are not."""
    good, bad = read([item_of("BETA"), item, item_of("GAMA")])

    assert [intent.symbol for intent in good] == ["BETA", "GAMA"]
    assert [(refused.position, bool(refused.reason)) for refused in bad] == [(1, True)]
    return bad[0].reason


def test_the_fields_are_the_contracts():
    """Names, in the order of the table."""
    names = [name for row in read_table(2, "field") for name in spread(row[0])]

    assert [field.name for field in fields(Intent)] == names
    assert list(read_one().body()) == names


def test_the_sources_are_the_contracts():
    """strategy, manual and close."""
    assert spread(next(row[1] for row in read_table(2, "field") if row[0] == "source")) == list(SOURCES)


def test_an_item_is_read_field_by_field():
    """Every type as the contract has it."""
    wanted = Intent(order_intent_id="s0-ALFA", symbol="ALFA", instrument_id="ALFA X", weight=Decimal("0.1"),
                    snapshot_date=FRIDAY, rebalance_date=MONDAY, decision_price=Decimal("10.5"), side="BUY")

    assert read_one() == wanted


def test_what_may_be_left_out_may_be_left_out():
    """A person writes only what matters."""
    left_out = dict.fromkeys(("schema", "side", "quantity", "order_type", "limit_price", "source"), ...)

    assert read_one(**left_out) == read_one()


@pytest.mark.parametrize(("weight", "side"), [("0.1", "BUY"), (0, "BUY"), ("-0.1", "SELL"), ("-1e-12", "SELL")])
@pytest.mark.parametrize("said", ["BUY", "SELL", None])
def test_the_side_is_of_the_weight(weight, side, said):
    """Whatever the file says."""
    assert read_one(weight=weight, side=said).side == side


@pytest.mark.parametrize(("text", "ticker"), [
    (" alfa ", "ALFA"), ("brk.b", "BRK.B"), ("BF-B", "BF-B"), ("A1", "A1"), ("A" * 12, "A" * 12),
])
def test_a_symbol_is_stripped_and_upper_cased(text, ticker):
    """As the contract's expression allows it."""
    expression = re.search(r"`\^(.*?)\$`", read_section(2))

    assert symbol(text) == read_one(symbol=text).symbol == ticker
    assert expression is not None
    assert re.fullmatch(expression[1], ticker)


@pytest.mark.parametrize("text", ["", "   ", None, ..., "A" * 13, "AL FA", "ÄLFA", "ALFA/USD", "a_b", "ALFA\nBETA"])
def test_what_is_no_ticker_is_refused(text):
    """Empty or impossible."""
    assert "symbol" in why_refused(item_of(symbol=text))


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), "-Infinity", "NaN", Decimal("sNaN"), "abc", "", True, [], {}])
def test_a_weight_that_is_not_a_finite_number_is_refused(weight):
    """Alone."""
    assert "weight" in why_refused(item_of(weight=weight))


@pytest.mark.parametrize(("name", "reason"), [
    ("wieght", "unknown field 'wieght'; did you mean 'weight'?"), ("limitprice", "did you mean 'limit_price'?"),
    ("zzz", "unknown field 'zzz'"),
])
def test_an_unknown_field_is_refused(name, reason):
    """With the nearest name: what was meant by it would be lost."""
    assert reason in why_refused(item_of(**{name: 1}))


@pytest.mark.parametrize(("changes", "reason"), [
    ({"weight": None}, "exactly one of weight and quantity"), ({"quantity": 5}, "exactly one of weight and quantity"),
    ({"weight": None, "quantity": 5}, "quantity is for manual orders"),
    ({"weight": None, "quantity": 0, "source": "manual"}, "quantity"),
    ({"weight": None, "quantity": "1.5", "source": "manual"}, "quantity"),
    ({"source": "manual"}, "a manual order has a quantity"), ({"source": "desk"}, "source 'desk' is not one of"),
    ({"decision_price": None}, "decision_price"), ({"decision_price": 0}, "decision_price"),
    ({"decision_price": "-1"}, "decision_price"), ({"limit_price": 0}, "limit_price"), ({"limit_price": "-1"}, "limit_price"),
    ({"limit_price": 10, "order_type": "MOO"}, "limit_price with order_type MOO"),
    ({"order_type": "STOP"}, "order_type 'STOP' is not one of MKT, MOO, MOC, LMT"),
    ({"schema": "intent/2"}, "schema"), ({"order_intent_id": ""}, "order_intent_id"),
    ({"order_intent_id": ...}, "order_intent_id"), ({"instrument_id": None}, "instrument_id"),
    ({"rebalance_date": "2020-02-30"}, "rebalance_date"), ({"rebalance_date": None}, "rebalance_date"),
    ({"snapshot_date": "yesterday"}, "snapshot_date"),
])
def test_a_bad_item_is_refused_alone(changes, reason):
    """Named, and the others go on."""
    assert reason in why_refused(item_of(**changes))


@pytest.mark.parametrize("item", [None, 5, "ALFA", [], [item_of()]])
def test_an_item_that_is_no_object_is_refused_alone(item):
    """The list is what a file must be; what is in it is judged one by one."""
    assert "must be an object" in why_refused(item)


@pytest.mark.parametrize("items", [None, {}, {"ALFA": 0.1}, "[]", 5])
def test_a_wrong_shape_raises(items):
    """A file that is no list holds no intents, and says so; outside the algorithm with the file's name."""
    with pytest.raises(ValueError, match="must be a list of objects"):
        read(items)
    with pytest.raises(BadInput, match=r"^my.json: order intents must be a list"):
        words.read(items, where="my.json")


def test_no_items_are_no_intents():
    """Empty is known to be empty."""
    assert read([]) == ((), ())


def test_what_was_refused_is_named():
    """By its place, its symbol as given, and its date, where there are any."""
    _, bad = read([item_of(), item_of(" beta ", weight="x"), 7, item_of(symbol="", rebalance_date="soon")])

    assert bad == (Rejected(position=1, symbol=" beta ", reason="weight 'x' is not a number"),
                   Rejected(position=2, symbol="?", reason="an intent must be an object, not 7"),
                   Rejected(position=3, symbol="?", reason="symbol is empty"))
    assert [refused.rebalance_date for refused in bad] == [MONDAY, None, None]


def test_a_symbol_has_one_item_a_date():
    """Each is sized from what is held: two would trade the same shares twice. Other dates are other decisions."""
    by_hand = {"weight": None, "quantity": -10, "source": "manual"}
    again = {"order_intent_id": "s1-ALFA", "rebalance_date": "2020-03-03"}
    good, bad = read([item_of(), item_of(order_intent_id="s0-again"), item_of(order_intent_id="m0-ALFA", **by_hand),
                      item_of(**again), item_of("BETA", order_intent_id="m1-BETA", **by_hand),
                      item_of("BETA", order_intent_id="m2-BETA", **by_hand)])

    assert [intent.order_intent_id for intent in good] == ["s0-ALFA", "s1-ALFA", "m1-BETA"]
    assert [refused.position for refused in bad] == [1, 2, 5]
    assert "two items for ALFA" in bad[0].reason


def test_an_id_is_used_once():
    """Orders and events are joined on it."""
    good, bad = read([item_of(), item_of("BETA", order_intent_id="s0-ALFA")])

    assert [intent.symbol for intent in good] == ["ALFA"]
    assert "appears twice" in bad[0].reason


@pytest.mark.parametrize("order_type", [None, "LMT"])
def test_a_limit_price_makes_a_limit_order(order_type):
    """Also where the params would send orders to the market: what a person will pay at most is never dropped."""
    assert read_one(limit_price="9.5", order_type=order_type).order_type == "LMT"


def test_numbers_may_be_text():
    """As in params, and exact."""
    intent = read_one(weight="0.10", decision_price="10")

    assert (intent.weight, intent.decision_price) == (Decimal("0.1"), 10)


def test_an_order_by_hand_has_shares():
    """Signed; its side is theirs."""
    intent = read_one(weight=None, quantity="-5", source="manual")

    assert (intent.weight, intent.quantity, type(intent.quantity), intent.side) == (None, -5, int, "SELL")
    assert read_one(weight=None, quantity=1, source="manual").side == "BUY"


def test_manual_orders_are_each_their_own():
    """Asking twice means wanting two: a fresh random part in each id."""
    one, other = (words.manual(ALFA, 5, rebalance_date=MONDAY, snapshot_date=FRIDAY, decision_price=Decimal(10))
                  for _ in range(2))

    assert re.fullmatch(r"m[0-9a-f]{16}-ALFA", one.order_intent_id)
    assert one.order_intent_id != other.order_intent_id
    assert (one.quantity, one.weight, one.source) == (5, None, "manual")


def test_a_bad_manual_order_raises():
    """It is alone: there is nobody to go on."""
    with pytest.raises(BadInput, match="manual order in ALFA: quantity"):
        words.manual(ALFA, 0, rebalance_date=MONDAY, snapshot_date=FRIDAY, decision_price=Decimal(10))


@pytest.mark.parametrize(("changes", "order_type"), [
    ({}, "MOC"), ({"order_type": "MKT"}, "MKT"), ({"limit_price": 9}, "LMT"),
])
def test_a_placeholder_stands_for_an_intent(changes, order_type):
    """From the moment it exists: quantity 0, the side of the weight, NEW, of no run."""
    order = words.placeholder(read_one(weight="-0.1", **changes), "MOC")

    assert (order.order_intent_id, order.symbol, order.side) == ("s0-ALFA", "ALFA", "SELL")
    assert (order.quantity, order.status) == (0, "NEW")
    assert (order.order_type, order.run_id, order.client_order_id, order.order_id) == (order_type, None, None, None)
    assert (order.ended, order.remaining) == (False, 0)


PRICES = st.decimals("0.000001", 10**6, places=6)
INTENTS = st.builds(
    Intent, order_intent_id=st.from_regex(r"[a-z0-9]{1,8}-[A-Z]{1,4}", fullmatch=True),
    symbol=st.from_regex(r"[A-Z0-9.\-]{1,12}", fullmatch=True), side=st.just("BUY"),
    instrument_id=st.from_regex(r"[A-Z]{1,4} [A-Z0-9]{4}", fullmatch=True), weight=st.decimals(-5, 5, places=12),
    snapshot_date=st.dates(), rebalance_date=st.dates(), decision_price=PRICES, source=st.sampled_from(["strategy", "close"]),
    order_type=st.sampled_from([None, "MKT", "MOO", "MOC", "LMT"]),
).map(lambda i: Intent(**i.body() | {"side": "BUY" if i.weight >= 0 else "SELL"}))


@given(st.lists(INTENTS, unique_by=(lambda i: i.order_intent_id, lambda i: (i.rebalance_date, i.instrument_id)), max_size=5))
def test_intents_are_read_as_they_were_written(intents):
    """From the file's text, exactly."""
    text = to_json([intent.body() for intent in intents])
    good, bad = read(json.loads(text, parse_float=Decimal))

    assert (good, bad) == (tuple(intents), ())
    assert to_json([intent.body() for intent in good]) == text


ANYTHING = st.none() | st.integers() | st.text(max_size=5) | st.floats() | st.booleans()


@given(st.lists(st.dictionaries(st.sampled_from([field.name for field in fields(Intent)]), ANYTHING) | ANYTHING, max_size=5))
def test_whatever_a_list_holds_is_read_or_refused(items):
    """Each item is one or the other, and nothing else happens."""
    good, bad = read(items)

    assert len(good) + len(bad) == len(items)
    assert all(0 <= refused.position < len(items) and refused.reason for refused in bad)


def test_a_file_of_intents_has_a_line_for_each():
    """Every field as `to_json` writes the body, and what was written is read again as it was."""
    (first, second), _ = read([item_of("ALFA"), item_of("BETA", weight=Decimal("-0.25"), order_type="LMT", limit_price=Decimal(9))])
    text = words.text([first, second])

    assert text.splitlines() == ["[", f"{to_json(first.body())},", to_json(second.body()), "]"]
    assert words.read(json.loads(text, parse_float=Decimal)) == ((first, second), ())
