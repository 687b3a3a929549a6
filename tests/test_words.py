"""The words: ids that are content, values that can't change, identifiers of instruments, snapshots, runs, orders."""

import hashlib
import json
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from types import MappingProxyType

import numpy as np
import pytest
from contract_fixtures import read_table, spread
from hypothesis import given
from hypothesis import strategies as st

from workbench.algorithm.journal import to_json
from workbench.errors import BadInput, UnknownName
from workbench.words import run as runs
from workbench.words import snapshot as snapshots
from workbench.words.identity import canonical, content_id, freeze, money, thaw
from workbench.words.instrument import first_date, security_identifier, symbol
from workbench.words.intent import Rejected
from workbench.words.order import ENDED, STATUSES, Order, status_word, type_word
from workbench.words.run import FINAL, MODES, STATES, Attempt, Run
from workbench.words.snapshot import Item, Snapshot
from workbench.words.strategy import Strategy

MONDAY, FRIDAY = date(2020, 3, 2), date(2020, 2, 28)
CLOSE = datetime(2020, 2, 28, 21, tzinfo=UTC)


# Identity.

@pytest.mark.parametrize(("body", "text"), [
    ({"b": 1, "a": {"d": 2, "c": 3}}, '{"a":{"c":3,"d":2},"b":1}'), ({"a": Decimal("0.10")}, '{"a":0.1}'),
    ({"a": Decimal("1e-1")}, '{"a":0.1}'), ({"a": Decimal("1E+2")}, '{"a":100}'), ({"a": Decimal("-0.0")}, '{"a":0}'),
    ({"a": MONDAY, "b": CLOSE}, '{"a":"2020-03-02","b":"2020-02-28T21:00:00Z"}'),
    ({"a": (1, [None, True])}, '{"a":[1,[null,true]]}'),
    ({"ä": "ö\n"}, '{"ä":"ö\\n"}'), ({}, "{}"),
])
def test_canonical_json_is_one_text(body, text):
    """Sorted keys, no spaces, numbers plain, dates ISO."""
    assert canonical(body) == text


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | NAMES | st.dates()
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-10**20, max_value=10**20),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12)


def with_sorted_keys(value):
    """A copy, the keys of each object in order."""
    if isinstance(value, dict):
        return {key: with_sorted_keys(value[key]) for key in sorted(value)}
    return [with_sorted_keys(item) for item in value] if isinstance(value, list | tuple) else value


@given(BODIES)
def test_canonical_json_is_the_usual_text_of_a_sorted_copy(body):
    """At any depth, whatever an object or a list holds, and of an object that can't change as of a dict."""
    assert canonical(body) == to_json(with_sorted_keys(body))
    assert canonical([MappingProxyType({"b": body, "a": body})]) == canonical([{"a": body, "b": body}])


@pytest.mark.parametrize("value", [0.1, float("nan"), {1}, b"x", object(), np.float64(1)])
def test_what_has_no_exact_text_has_no_id(value):
    """Floats raise, and so does any other type that is not the contract's."""
    with pytest.raises(TypeError):
        content_id("s", {"a": [{"b": value}]})


def test_a_moment_without_a_zone_has_no_id():
    """It could be anyone's."""
    with pytest.raises(ValueError, match="no time zone"):
        content_id("s", {"a": datetime(2020, 3, 2)})        # noqa: DTZ001


def test_an_id_is_the_kind_and_sixteen_letters_of_a_hash():
    """A known example: an id does not rot."""
    body = {"strategy": "equal", "weight": Decimal("0.25"), "day": MONDAY}
    text = '{"day":"2020-03-02","strategy":"equal","weight":0.25}'

    assert content_id("s", body) == "s" + hashlib.sha256(text.encode()).hexdigest()[:16] == "s97399f07afc28c02"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
                    | st.decimals(-10**6, 10**6, places=6),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
                    max_leaves=8)


@given(st.dictionaries(st.text("abcde", max_size=3), JSON, max_size=4), st.randoms())
def test_an_id_is_of_the_content_not_of_its_order(body, random):
    """Keys in any order, numbers with any zeros, from memory or from a file."""
    keys = list(body)
    random.shuffle(keys)
    read = json.loads(to_json(body), parse_float=Decimal)

    assert content_id("x", body) == content_id("x", {key: body[key] for key in keys}) == content_id("x", read)


@given(st.dictionaries(st.text("abc", max_size=2), st.integers(0, 3), max_size=3),
       st.dictionaries(st.text("abc", max_size=2), st.integers(0, 3), max_size=3))
def test_other_content_has_another_id(one, other):
    """And the same content the same."""
    assert (content_id("x", one) == content_id("x", other)) == (one == other)


@pytest.mark.parametrize(("value", "number"), [
    (0.1, "0.1"), ("1e-13", "0"), ("0.0000000000005", "0"), ("0.0000000000015", "0.000000000002"), (-0.0, "0"), (5, "5"),
    (np.float64(0.3), "0.3"), ("123456789012345678.123456789012", "123456789012345678.123456789012"),
    ("1e20", "100000000000000000000"),
])
def test_money_is_on_the_stores_grid(value, number):
    """12 decimals, halves to even, floats by their shortest text, and as many digits as the store keeps."""
    assert money(value) == Decimal(number)
    assert money(value).as_tuple() == Decimal(number).normalize(Context(prec=60)).as_tuple()


@pytest.mark.parametrize("value", [float("nan"), "inf", "1e26", "-1e300"])
def test_what_the_store_cant_keep_raises(value):
    """By name."""
    with pytest.raises(ValueError, match=r"finite|too large"):
        money(value)


def test_frozen_parameters_cant_change():
    """Lists become tuples, floats exact, keys sorted; a change to what was given changes nothing."""
    given_ = {"names": ["a", ["b"]], "f": 0.1, "day": MONDAY, "none": None, "yes": True}
    pairs = freeze(given_)
    given_["names"].append("c")

    assert pairs == (("day", MONDAY), ("f", Decimal("0.1")), ("names", ("a", ("b",))), ("none", None), ("yes", True))
    assert thaw(pairs) == {"day": MONDAY, "f": Decimal("0.1"), "names": ("a", ("b",)), "none": None, "yes": True}
    assert hash(pairs) == hash(freeze(thaw(pairs)))


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], {1}, object(), b"x", np.int64(1)])
def test_a_parameter_is_a_plain_value(value):
    """Objects within objects have no place in an id."""
    with pytest.raises(TypeError, match="a parameter is"):
        freeze({"p": value})


# Instruments.

@pytest.mark.parametrize(("ticker", "first", "identifier"), [
    ("AAPL", date(1998, 1, 2), "AAPL R735QTJ8XC9X"), ("SPY", date(1998, 1, 2), "SPY R735QTJ8XC9X"),
    ("fb", date(2012, 5, 18), "FB V6OIPNZEM8V9"),
    ("ALFA", date(2019, 1, 2), "ALFA X0VCJX7VS19H"), ("XYZ", None, "XYZ 2T"),
])
def test_an_identifier_is_leans(ticker, first, identifier):
    """As Lean's own, worked out and seen."""
    assert security_identifier(ticker, first) == identifier
    assert first_date(identifier) == first


@given(st.dates(date(1900, 1, 1), date(2050, 12, 31)))
def test_an_identifier_holds_the_listing_date(first):
    """It can be read back."""
    assert first_date(security_identifier("ALFA", first)) == first


def test_a_symbol_of_a_person_is_read_or_refused():
    """With the place it was written at."""
    assert symbol(" brk.b ") == "BRK.B"
    with pytest.raises(BadInput, match=r"^w.csv: symbol 'A B' is not a US ticker"):
        symbol("a b", where="w.csv")


# Snapshots.

def item_of(name="ALFA", weight="0.6", price="10.50", **changes):
    """One holding of a snapshot."""
    return Item(symbol=name, instrument_id=f"{name} X", target_weight=Decimal(weight), decision_price=Decimal(price), **changes)


def snapshot_of(**changes):
    """A snapshot of two names."""
    return snapshots.take(**{
        "strategy": "equal", "rebalance_date": MONDAY, "as_of": CLOSE, "snapshot_date": FRIDAY,
        "holdings": {"ALFA": Decimal(5)},
        "parameters": {"months": 12, "top": 0.2, "symbols": ["ALFA", "BETA"]}, "data_fingerprint": "f0",
        "items": (item_of("BETA", "-0.1", score=Decimal("0.5")), item_of()),
    } | changes)


def body_of(snapshot):
    """What a snapshot's file holds, parsed."""
    return json.loads(to_json(snapshot.body()), parse_float=Decimal)


def test_a_snapshot_is_read_as_it_was_taken():
    """From its file's text."""
    snapshot = snapshot_of()

    assert snapshots.read(body_of(snapshot), where="s.json") == snapshot
    assert snapshots.read(body_of(snapshot_of(holdings=None)), where="s.json").holdings is None


def test_a_snapshot_sums_its_weights():
    """Gross, net and what is left in cash; items by symbol."""
    snapshot = snapshot_of()

    assert [item.symbol for item in snapshot.items] == ["ALFA", "BETA"]
    assert (snapshot.gross, snapshot.net, snapshot.cash_weight) == (Decimal("0.7"), Decimal("0.5"), Decimal("0.5"))
    assert snapshot.weights() == {"ALFA": Decimal("0.6"), "BETA": Decimal("-0.1")}
    assert repr(snapshot).startswith("Snapshot(equal 2020-03-02, 2 names, gross 70%, net +50%, s")


def test_a_snapshot_has_a_known_id():
    """Ids are names of files: what they are made of can't change unnoticed."""
    text = ('{"as_of":"2020-02-28T21:00:00Z","data_fingerprint":"f0","holdings":{"ALFA":5},"items":['
            '{"decision_price":10.5,"instrument_id":"ALFA X","score":null,"symbol":"ALFA","target_weight":0.6},'
            '{"decision_price":10.5,"instrument_id":"BETA X","score":0.5,"symbol":"BETA","target_weight":-0.1}],'
            '"parameters":{"months":12,"symbols":["ALFA","BETA"],"top":0.2},"rebalance_date":"2020-03-02","strategy":"equal"}')

    assert snapshot_of().snapshot_id == "s" + hashlib.sha256(text.encode()).hexdigest()[:16]


OTHER = {
    "strategy": "other", "rebalance_date": date(2020, 3, 3), "as_of": CLOSE + timedelta(seconds=1),
    "parameters": {"months": 11},
    "holdings": None, "data_fingerprint": "f1", "items": (item_of(),),
}


@pytest.mark.parametrize("name", OTHER)
def test_what_a_snapshot_is_made_of_makes_its_id(name):
    """Each part of the contract's list (§1)."""
    assert snapshot_of(**{name: OTHER[name]}).snapshot_id != snapshot_of().snapshot_id


@pytest.mark.parametrize("item", [
    item_of(weight="0.600000000001"), item_of(price="10.51"), item_of(score=Decimal(1)), item_of("ALFB"),
    replace(item_of(), instrument_id="Y"),
])
def test_every_field_of_an_item_makes_the_id(item):
    """To the last decimal the store keeps."""
    assert snapshot_of(items=(item,)).snapshot_id != snapshot_of(items=(item_of(),)).snapshot_id


def test_what_is_the_same_number_makes_the_same_id():
    """0.6, 0.60 and 0.6 with a hair that the store would not keep; 0.2 as a float or a Decimal; holdings in any order."""
    same = snapshot_of(items=(item_of(weight="0.6000000000001"), item_of("BETA", "-0.10", score=Decimal("0.5000"))),
                       parameters={"symbols": ("ALFA", "BETA"), "top": Decimal("0.20"), "months": 12},
                       holdings={"ALFA": Decimal("5.0")})

    assert same == snapshot_of()


def test_two_weights_for_a_symbol_raise():
    """Naming it."""
    with pytest.raises(BadInput, match=r"equal 2020-03-02: two weights for ALFA"):
        snapshot_of(items=(item_of(), item_of("BETA"), item_of()))


def changed(path, value):
    """The file of a snapshot with one place changed."""
    body = body_of(snapshot_of())
    *steps, last = path
    place = body
    for step in steps:
        place = place[step]
    place[last] = value
    return body


@pytest.mark.parametrize(("path", "value"), [
    (["snapshot_id"], "s0000000000000000"), (["strategy"], "other"), (["rebalance_date"], "2020-03-03"),
    (["as_of"], "2020-02-28T21:00:01Z"),
    (["snapshot_date"], "2020-02-27"), (["parameters", "months"], 13), (["parameters", "more"], 1), (["holdings", "ALFA"], 6),
    (["holdings"], None), (["data_fingerprint"], "f1"), (["items", 0, "target_weight"], Decimal("0.61")),
    (["items", 1, "decision_price"], 11), (["items", 0, "symbol"], "GAMA"), (["items", 0, "instrument_id"], "Y"),
    (["items", 1, "score"], None),
    (["gross"], Decimal("0.8")), (["net"], Decimal("0.4")), (["cash_weight"], 0),
])
def test_a_changed_snapshot_is_found(path, value):
    """Every field is of the id, or follows from what is."""
    with pytest.raises(BadInput, match=r"^s\.json: the content does not give the id"):
        snapshots.read(changed(path, value), where="s.json")


@pytest.mark.parametrize(("path", "value", "says"), [
    (["schema"], "snapshot/2", "schema 'snapshot/2' is not snapshot/1"), (["as_of"], "2020-02-28T21:00:00", "has no time zone"),
    (["parameters"], {"a": {"b": 1}}, "a parameter is"), (["items"], 5, "items"),
    (["items", 0, "target_weight"], "NaN", "target_weight"),
    (["items", 0, "extra"], 1, "items.0.extra"), (["rebalance_date"], "someday", "rebalance_date"),
])
def test_a_snapshot_that_can_not_be_one_is_refused(path, value, says):
    """With the file and the place in it."""
    with pytest.raises(BadInput, match=r"^s\.json: ") as raised:
        snapshots.read(changed(path, value), where="s.json")

    assert says in str(raised.value)


def test_an_unknown_field_is_named_with_the_nearest():
    """A file of another version is not read as if it were ours."""
    with pytest.raises(UnknownName, match=r"^s\.json: unknown field 'grosss'; did you mean 'gross'\?$"):
        snapshots.read(changed(["grosss"], 1), where="s.json")
    with pytest.raises(BadInput, match=r"^s\.json: must be a JSON object, not list$"):
        snapshots.read([], where="s.json")


@pytest.mark.parametrize("name", [field.name for field in fields(Snapshot) if field.name != "schema"])
def test_a_missing_field_is_named(name):
    """All but the schema, which has always been one."""
    body = body_of(snapshot_of())
    del body[name]
    with pytest.raises(BadInput, match=f"field '{name}'"):
        snapshots.read(body, where="s.json")


def test_a_snapshot_wants_one_intent_an_item():
    """With its weight, its price, both dates, and an id that names both."""
    snapshot = snapshot_of()
    alfa, beta = snapshot.intents()

    assert (alfa.order_intent_id, beta.order_intent_id) == (f"{snapshot.snapshot_id}-ALFA", f"{snapshot.snapshot_id}-BETA")
    assert (beta.weight, beta.side, beta.decision_price) == (Decimal("-0.1"), "SELL", Decimal("10.5"))
    assert (beta.snapshot_date, beta.rebalance_date, beta.instrument_id) == (FRIDAY, MONDAY, "BETA X")
    assert (beta.source, beta.quantity, beta.order_type) == ("strategy", None, None)


# Values.

VALUES = [snapshot_of(), item_of(), snapshot_of().intents()[0], Strategy(name="x", source="y"),
          Order(client_order_id=None, order_intent_id=None, symbol="A", instrument_id=None, side=None, quantity=None,
                order_type=None, status="NEW"),
          Rejected(position=0, symbol="A", reason="x")]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_values_are_frozen_all_the_way_down(value):
    """No field can be set, none holds what can change, and the whole can be a key."""
    for field in fields(value):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)

    assert isinstance(hash(value), int)


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a b", "ä", "x" * 65, "-x"])
def test_a_strategys_name_is_the_name_of_a_folder(name):
    """And can't lead anywhere else."""
    with pytest.raises(BadInput, match="strategy name"):
        Strategy(name=name, source="built-in")

    assert Strategy(name="Mom_12.1-a", source="built-in", parameters=(("top", 3),)).parameter("top") == 3


# Runs.

def run_of(**changes):
    """A request over two decisions."""
    return runs.request(**{
        "strategy": "equal", "engine": "embedded", "engine_version": "1+ab", "mode": "backtest", "account": "backtest",
        "decisions": {date(2020, 4, 1): "s2", MONDAY: "s1"}, "params_id": "p0", "data_fingerprint": "f0",
        "algorithm_sha256": "a0",
        "start": FRIDAY, "end": date(2020, 4, 2), "cash": Decimal(100000),
        "rejected": (Rejected(position=3, symbol="X", reason="y"),),
    } | changes)


def test_a_run_is_read_as_it_was_asked_for():
    """From its file's text; decisions in order of date."""
    run = run_of()

    assert runs.read(json.loads(to_json(run.body()), parse_float=Decimal), where="run.json") == run
    assert (run.snapshot_ids, run.rebalance_dates) == (("s1", "s2"), (MONDAY, date(2020, 4, 1)))
    assert repr(run).startswith("Run(equal, 2 decisions, 2020-03-02 to 2020-04-01, embedded backtest, r")


def test_a_run_has_a_known_id():
    """It is the content of the request (§1)."""
    text = ('{"account":"backtest","algorithm_sha256":"a0","cash":100000,"data_fingerprint":"f0","end":"2020-04-02",'
            '"engine":"embedded","engine_version":"1+ab","mode":"backtest","params_id":"p0","snapshot_ids":["s1","s2"],"start":"2020-02-28"}')

    assert run_of().run_id == "r" + hashlib.sha256(text.encode()).hexdigest()[:16]


HASHED = {
    "engine": "lean", "engine_version": "2", "mode": "paper", "account": "DU1", "decisions": {MONDAY: "s1"}, "params_id": "p1",
    "data_fingerprint": "f1", "algorithm_sha256": "a1", "start": date(2020, 2, 27), "end": date(2020, 4, 3), "cash": Decimal(1),
}
NOT_HASHED = {
    "strategy": "renamed", "rejected": (), "decisions": {date(2020, 3, 4): "s1", date(2020, 4, 6): "s2"},
    "cash": Decimal("100000.00"),
}


@pytest.mark.parametrize("name", HASHED)
def test_another_request_is_another_run(name):
    """Whatever of the contract's list differs."""
    assert run_of(**{name: HASHED[name]}).run_id != run_of().run_id


@pytest.mark.parametrize("name", NOT_HASHED)
def test_the_same_request_is_the_same_run(name):
    """Its name, its dates and what was refused say in other words what the snapshots say."""
    assert run_of(**{name: NOT_HASHED[name]}).run_id == run_of().run_id


def test_there_is_nothing_else_a_request_is_made_of():
    """Every argument is in one list or the other."""
    arguments = set(runs.request.__kwdefaults__ or {}) | {*runs.request.__annotations__} - {"return"}

    assert arguments == set(HASHED) | set(NOT_HASHED)


def test_a_changed_run_is_found():
    """By its id, its schema, and a field that is not one."""
    body = run_of().body()
    with pytest.raises(BadInput, match="the content does not give the id"):
        runs.read(body | {"cash": Decimal(5)}, where="run.json")
    with pytest.raises(BadInput, match="schema 'run/2' is not run/1"):
        runs.read(body | {"schema": "run/2"}, where="run.json")
    with pytest.raises(UnknownName, match="did you mean 'engine'"):
        runs.read(body | {"engin": 1}, where="run.json")


def test_a_mode_is_one_of_three():
    """backtest, paper or live."""
    assert MODES == ("backtest", "paper", "live")
    with pytest.raises(BadInput, match="mode 'Live' is not one of"):
        run_of(mode="Live")


def test_an_attempt_is_read_as_it_was_written():
    """With its two or three clocks, or without."""
    attempt = Attempt(run_id="r0", attempt=2, state="running", mode="backtest", queued_at=CLOSE,
                      started_at=CLOSE + timedelta(seconds=1),
                      order_intent_path="intents.json", execution_params_path="params.json", pid=7, host="here")
    body = json.loads(to_json(attempt.body()))

    assert runs.read_attempt(body, where="status.json") == attempt
    assert set(FINAL) < set(STATES)
    with pytest.raises(BadInput, match="state 'gone' is not one of queued, running"):
        runs.read_attempt(body | {"state": "gone"}, where="status.json")


# Orders.

def test_every_status_word_is_read():
    """Lean's and Interactive Brokers', in any case. What depends on more than the word is for those who know more."""
    words = [(ours.split(" (")[0], word) for ours, *theirs in read_table(6, "ours") for cell in theirs for word in spread(cell)]
    plain = [(ours, word) for ours, word in words if word and " " not in word]

    assert len(plain) == 16
    for ours, word in plain:
        assert status_word(word) == status_word(word.upper()) == status_word(word.lower()) == ours


def test_ours_are_the_contracts():
    """The words of the table's first column, and no others."""
    ours = {row[0].split(" (")[0] for row in read_table(6, "ours")}

    assert set(STATUSES.values()) == ours
    assert all(status_word(word) == word for word in ours)
    assert set(ENDED) < ours
    assert status_word("CANCELED") == "CANCELLED"
    assert status_word("something") is None


@pytest.mark.parametrize(("theirs", "ours"), [
    ("MARKET_ON_OPEN", "MOO"), ("marketOnClose", "MOC"), ("Limit", "LMT"), ("MKT", "MKT"), ("STOP_LIMIT", "STP LMT"),
    ("COMBO_LEG", "COMBO_LEG"),
])
def test_order_types_have_our_words(theirs, ours):
    """A type we have no word for keeps its own."""
    assert type_word(theirs) == ours


def test_what_remains_is_computed():
    """Signed, from what was ordered and what was filled."""
    order = Order(client_order_id="s0-ALFA.1", order_intent_id="s0-ALFA", symbol="ALFA", instrument_id=None, side="SELL",
                  quantity=Decimal(-10), order_type="MOO", status="PARTIALLY_FILLED", filled_quantity=Decimal(-4))

    assert (order.remaining, order.ended) == (-6, False)
    assert replace(order, status="EXPIRED").ended


def test_run_is_hashable_too():
    """A request can be a key."""
    assert len({run_of(), run_of(), run_of(cash=Decimal(1))}) == 2
    assert isinstance(run_of(), Run)
