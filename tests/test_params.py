"""Execution params: the contract's fields and defaults (§3), and one reading of them."""

import hashlib
import json
from dataclasses import fields, replace
from decimal import Decimal

import pytest
from contract_fixtures import read_table, spread
from hypothesis import given
from hypothesis import strategies as st

from workbench.algorithm import params as rules
from workbench.algorithm.journal import to_json
from workbench.algorithm.params import ExecutionParams, RiskLimits, read
from workbench.errors import BadInput
from workbench.words import params as words

COUNTS = ("min_qty", "lot_size", "max_price_age_sessions")
NUMBERS = ("cash_buffer_ratio", "fee_bps", "slippage_open_bps", "slippage_close_bps", "capital_fraction")
NUMBER_LIMITS = ("max_weight", "max_gross", "max_order_notional", "max_turnover", "price_collar_bps", "max_daily_loss")
SPELT = {"IB margin": "ib-margin", "true": True, "{}": RiskLimits()}


def rows():
    """Each field of the contract with its default, as text."""
    found = []
    for name_cell, default_cell, _ in read_table(3, "field"):
        names, defaults = spread(name_cell), spread(default_cell)
        found += zip(names, defaults if len(defaults) == len(names) else defaults * len(names), strict=True)
    return found


def test_the_fields_are_the_contracts():
    """Names, in the order of the table."""
    assert [name for name, _ in rows()] == [field.name for field in fields(ExecutionParams)]


@pytest.mark.parametrize(("name", "default"), rows())
def test_a_default_is_the_contracts(name, default):
    """As the table has it."""
    given_ = getattr(ExecutionParams(), name)
    wanted = SPELT.get(default, default)

    assert given_ == (Decimal(wanted) if isinstance(given_, int | Decimal) and not isinstance(given_, bool) else wanted)


def test_the_risk_limits_are_the_contracts():
    """Names, in the order of the table; none is set unless somebody sets it."""
    meaning = next(row[2] for row in read_table(3, "field") if row[0] == "risk_overrides")
    unset = RiskLimits()

    assert spread(meaning) == [field.name for field in fields(RiskLimits)]
    assert {getattr(unset, name) for name in spread(meaning)} == {None, True, ()}


@pytest.mark.parametrize(("name", "choices"), [
    ("rounding", rules.ROUNDINGS), ("order_type", rules.ORDER_TYPES), ("time_in_force", rules.TIMES_IN_FORCE),
])
def test_choices_are_the_contracts(name, choices):
    """Every choice stands in the table's row of its field."""
    row = next(" ".join(row) for row in read_table(3, "field") if row[0] == name)

    assert all(choice in row for choice in choices)


def test_nothing_given_is_all_defaults():
    """An empty object, and one of nulls."""
    assert read({}) == ExecutionParams()
    assert read({field.name: None for field in fields(ExecutionParams)}) == ExecutionParams()
    assert read({"schema": "params/1"}) == ExecutionParams()


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize(("value", "count"), [
    (None, 1), (0, 1), ("0", 1), (0.0, 1), (5, 5), ("5", 5), (" 5 ", 5), (5.0, 5), (Decimal("5.00"), 5), ("5e0", 5),
])
def test_null_and_nothing_are_the_default_of_a_count(name, value, count):
    """And "5" is 5."""
    found = getattr(read({name: value}), name)

    assert (found, type(found)) == (count, int)


@pytest.mark.parametrize("value", [None, 0, "0"])
def test_no_number_of_orders_a_minute_is_no_limit(value):
    """It is a count too, and its default is none."""
    assert read({"risk_overrides": {"max_orders_per_minute": value}}).risk_overrides.max_orders_per_minute is None


@pytest.mark.parametrize("name", [*COUNTS, *NUMBERS])
@pytest.mark.parametrize("value", [-1, "-0.5", "five", "", True, [1], {}, float("nan"), "inf", Decimal("-Infinity")])
def test_what_is_no_number_or_negative_raises(name, value):
    """Naming the field and the value."""
    with pytest.raises(ValueError, match=name):
        read({name: value})


@pytest.mark.parametrize("value", ["1.5", 0.1])
def test_half_a_count_raises(value):
    """A lot of one and a half shares is none."""
    with pytest.raises(ValueError, match="whole number"):
        read({"lot_size": value})


@pytest.mark.parametrize(("name", "inside", "outside"), [
    ("cash_buffer_ratio", [0, "0.999999"], [1, 2]), ("capital_fraction", ["0.000001", 1], [0, "1.000001"]),
])
def test_fractions_stay_in_their_bounds(name, inside, outside):
    """[0, 1) for the buffer, (0, 1] for the capital."""
    assert [getattr(read({name: value}), name) for value in inside] == [Decimal(value) for value in inside]
    for value in outside:
        with pytest.raises(ValueError, match=name):
            read({name: value})


def test_an_offset_may_be_negative():
    """It then crosses the market."""
    assert read({"limit_offset_bps": "-2.5"}).limit_offset_bps == Decimal("-2.5")


@pytest.mark.parametrize(("name", "remedy"), [
    ("min_qtty", "did you mean 'min_qty'?"), ("roundng", "did you mean 'rounding'?"),
    ("OrderType", "did you mean 'order_type'?"),
    ("slippage_open", "did you mean 'slippage_open_bps'?"), ("zzz", "known: brokerage, capital_fraction, cash_buffer_ratio"),
])
def test_an_unknown_field_raises(name, remedy):
    """With the nearest name, or all of them."""
    with pytest.raises(ValueError, match=f"unknown execution param '{name}'") as raised:
        read({name: 1})

    assert remedy in str(raised.value)


def test_an_unknown_limit_raises():
    """A limit that would do nothing is worse than none."""
    with pytest.raises(ValueError, match=r"unknown risk override 'max_wieght'; did you mean 'max_weight'\?"):
        read({"risk_overrides": {"max_wieght": 0.1}})


@pytest.mark.parametrize("value", [5, "max_weight", ["max_weight"], True])
def test_limits_are_an_object(value):
    """With fields of their own."""
    with pytest.raises(ValueError, match="risk_overrides must be an object"):
        read({"risk_overrides": value})


@pytest.mark.parametrize("name", NUMBER_LIMITS)
def test_a_limit_is_a_number_that_is_not_negative(name):
    """Nothing at all may be allowed; null is no limit."""
    assert getattr(read({"risk_overrides": {name: 0}}).risk_overrides, name) == 0
    assert getattr(read({"risk_overrides": {name: None}}).risk_overrides, name) is None
    for value in (-0.1, "x", True):
        with pytest.raises(ValueError, match=name):
            read({"risk_overrides": {name: value}})


@pytest.mark.parametrize(("name", "text", "choice"), [
    ("order_type", "moc", "MOC"), ("rounding", "UP", "up"), ("brokerage", "IB-Cash", "ib-cash"),
    ("time_in_force", "gtc", "GTC"), ("resolution", "Minute", "minute"), ("normalization", " adjusted ", "adjusted"),
])
def test_choices_are_read_in_any_case(name, text, choice):
    """And kept in ours."""
    assert getattr(read({name: text}), name) == choice


def test_another_choice_raises():
    """Saying what there is, and the nearest."""
    with pytest.raises(ValueError, match=r"order_type must be one of MKT, MOO, MOC, LMT, not 'MMO'; did you mean 'MOO'\?"):
        read({"order_type": "MMO"})


@pytest.mark.parametrize(("value", "flag"), [(True, True), (False, False), ("true", True), ("False", False)])
def test_a_flag_is_true_or_false(value, flag):
    """In JSON or as text."""
    assert read({"close_unlisted": value}).close_unlisted is flag
    assert read({"risk_overrides": {"allow_short": value}}).risk_overrides.allow_short is flag


@pytest.mark.parametrize("value", [0, 1, "yes", "", []])
def test_nothing_else_is_a_flag(value):
    """0 is no flag: nobody may guess what was meant."""
    with pytest.raises(ValueError, match="allow_short must be true or false"):
        read({"risk_overrides": {"allow_short": value}})


def test_blocked_symbols_are_read_as_symbols():
    """Upper case, once each, sorted; text alone is no list."""
    assert read({"risk_overrides": {"blocked": ["beta", " ALFA ", "BETA"]}}).risk_overrides.blocked == ("ALFA", "BETA")
    with pytest.raises(ValueError, match="blocked must be a list of symbols"):
        read({"risk_overrides": {"blocked": "ALFA"}})


@pytest.mark.parametrize("value", ["", "   ", "NOT A TICKER", "ALFA,BETA", ["ALFA"]])
def test_a_blocked_symbol_that_blocks_nothing_raises(value):
    """What can't be a ticker would never match one."""
    with pytest.raises(ValueError, match="blocked"):
        read({"risk_overrides": {"blocked": ["ALFA", value]}})


def test_a_day_order_with_daily_bars_is_refused():
    """Lean lets it expire before the bar that would fill it."""
    with pytest.raises(ValueError, match="use GTC, or resolution minute"):
        read({"time_in_force": "DAY"})

    assert read({"time_in_force": "DAY", "resolution": "minute"}).time_in_force == "DAY"


@pytest.mark.parametrize("given_", [None, [], "{}", 5, [{}]])
def test_a_wrong_shape_raises(given_):
    """Params are an object with fields."""
    with pytest.raises(ValueError, match="must be an object"):
        read(given_)


def test_another_files_schema_is_refused():
    """Intents are no params."""
    with pytest.raises(ValueError, match="schema 'intent/1' is not params/1"):
        read({"schema": "intent/1"})


def test_a_person_is_told_where():
    """Outside the algorithm, the error is one of ours and names the file."""
    with pytest.raises(BadInput, match=r"^my.json: min_qty must not be below 0, got -1$"):
        words.read({"min_qty": -1}, where="my.json")


DECIMALS = st.decimals(0, 1000, places=6)
LIMITS = st.builds(
    RiskLimits, max_weight=st.none() | DECIMALS, max_gross=st.none() | DECIMALS, max_order_notional=st.none() | DECIMALS,
    max_turnover=st.none() | DECIMALS, allow_short=st.booleans(), price_collar_bps=st.none() | DECIMALS,
    blocked=st.sets(st.sampled_from(["ALFA", "BETA", "BRK.B"])).map(sorted).map(tuple), max_daily_loss=st.none() | DECIMALS,
    max_orders_per_minute=st.none() | st.integers(1, 100))
PARAMS = st.builds(
    ExecutionParams, min_qty=st.integers(1, 500), lot_size=st.integers(1, 500), fee_bps=DECIMALS,
    cash_buffer_ratio=st.decimals(0, "0.9", places=4), rounding=st.sampled_from(rules.ROUNDINGS), slippage_open_bps=DECIMALS,
    slippage_close_bps=DECIMALS, order_type=st.sampled_from(rules.ORDER_TYPES), close_unlisted=st.booleans(),
    limit_offset_bps=st.decimals(-100, 100, places=3), time_in_force=st.sampled_from(rules.TIMES_IN_FORCE),
    capital_fraction=st.decimals("0.01", 1, places=3),
    max_price_age_sessions=st.integers(1, 9), brokerage=st.sampled_from(rules.BROKERAGES), resolution=st.just("minute"),
    normalization=st.sampled_from(rules.NORMALIZATIONS), risk_overrides=LIMITS)


@given(PARAMS)
def test_params_are_read_as_they_were_written(params):
    """From the file's text, with the same id, and so is what is read from that."""
    text = to_json(words.body(params))
    again = words.read(json.loads(text, parse_float=Decimal))

    assert again == params
    assert words.params_id(again) == words.params_id(params)
    assert to_json(words.body(again)) == text


@given(PARAMS, PARAMS)
def test_other_params_have_another_id(one, other):
    """And equal ones the same."""
    assert (one == other) == (words.params_id(one) == words.params_id(other))


def test_the_usual_params_have_a_known_id():
    """Ids are in people's files: what they are made of can't change unnoticed."""
    text = ('{"brokerage":"ib-margin","capital_fraction":1,"cash_buffer_ratio":0,"close_unlisted":true,"fee_bps":0,'
            '"limit_offset_bps":0,"lot_size":1,"max_price_age_sessions":1,"min_qty":1,"normalization":"raw","order_type":"MOO",'
            '"resolution":"daily","risk_overrides":{},"rounding":"fit","slippage_close_bps":0,"slippage_open_bps":0,'
            '"time_in_force":"GTC"}')

    assert words.params_id(ExecutionParams()) == "p8dd91ed1ec09fc30"
    assert hashlib.sha256(text.encode()).hexdigest().startswith("8dd91ed1ec09fc30")
    assert words.params_id(ExecutionParams(fee_bps=Decimal("1.50"))) == words.params_id(ExecutionParams(fee_bps=Decimal("1.5")))


def test_limits_that_are_not_set_are_not_written():
    """A later limit, not set, leaves every id as it was."""
    params = ExecutionParams(risk_overrides=RiskLimits(max_weight=Decimal("0.1"), blocked=("ALFA",)))

    assert params.body()["risk_overrides"] == {"max_weight": Decimal("0.1"), "blocked": ["ALFA"]}
    assert replace(params, risk_overrides=RiskLimits()).body()["risk_overrides"] == {}
