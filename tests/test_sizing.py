"""Sizing: from weights to whole-share orders. Examples by hand from the contract (§4), then its laws."""

from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workbench.algorithm.params import ExecutionParams, RiskLimits
from workbench.algorithm.sizing import ABSURD, Cut, Quote, Sized, Wanted, exact, limit_price, lots, size

BEFORE_ROUNDING = ("blocked", "stale", "no_price", "absurd", "allow_short", "max_weight", "max_gross")
LIMITS = ("max_weight", "max_gross", "max_order_notional", "max_turnover", "allow_short", "blocked")


def number(value):
    """A Decimal from the text of a number."""
    return None if value is None else Decimal(str(value))


def params_of(**fields):
    """Params with these fields, limits among them."""
    limits = {name: fields.pop(name) for name in LIMITS if name in fields}
    limits = {name: value if name in ("allow_short", "blocked") else number(value) for name, value in limits.items()}
    for name in ("cash_buffer_ratio", "capital_fraction"):
        if name in fields:
            fields[name] = number(fields[name])
    return ExecutionParams(**fields, risk_overrides=RiskLimits(**limits))


def size_all(weights, prices=None, *, equity=1000, held=None, quantities=None, ages=None, params=None, **fields):
    """Size weights (and quantities by hand) by symbol; prices are 1 where none are given. Returns lines by symbol, in order."""
    wanted = [Wanted(order_intent_id=f"s-{name}", symbol=name, weight=number(weight)) for name, weight in weights.items()]
    wanted += [Wanted(order_intent_id=f"m-{name}", symbol=name, weight=None, quantity=quantity)
               for name, quantity in (quantities or {}).items()]
    quotes = {item.symbol: Quote(price=number((prices or {}).get(item.symbol, 1)), age=(ages or {}).get(item.symbol, 1))
              for item in wanted}
    lines = size(wanted, equity=number(equity), held={name: number(shares) for name, shares in (held or {}).items()},
                 quotes=quotes, params=params or params_of(**fields))
    return {line.symbol: line for line in lines}


def size_one(weight, *, price=1, held=0, age=1, **fields):
    """Size one name of weight `weight`."""
    return size_all({"ALFA": weight}, {"ALFA": price}, held={"ALFA": held}, ages={"ALFA": age}, **fields)["ALFA"]


def cut_by(line):
    """What each rule took, in shares."""
    return {cut.rule: cut.shares for cut in line.cuts}


# Examples.

@pytest.mark.parametrize(("rounding", "lot_size", "raw", "whole"), [
    ("up", 1, "0.2", 1), ("up", 5, "7.5", 10), ("up", 1, "-0.2", -1), ("up", 5, "-7.5", -10), ("up", 5, "10", 10),
    ("down", 1, "1.9", 1), ("down", 5, "9.9", 5), ("down", 1, "-1.9", -1),
    ("nearest", 1, "1.4", 1), ("nearest", 1, "1.5", 2), ("nearest", 1, "2.5", 3), ("nearest", 1, "-2.5", -3),
    ("nearest", 100, "149", 100),
    ("up", 1, "7.0000000004", 7), ("up", 1, "7.000000001", 8), ("down", 1, "6.9999999996", 7), ("down", 1, "6.999999999", 6),
])
def test_lots_are_whole(rounding, lot_size, raw, whole):
    """Up is away from zero, down toward it, nearest takes halves away; all of it on a grain of 1e-9 lots."""
    rounded = lots(Decimal(raw), lot_size, rounding)

    assert whole == rounded


def test_a_fifth_of_a_share_is_one():
    """Rounding up, 20 cents of a dollar stock is one share."""
    line = size_one("0.0002", rounding="up")

    assert (Decimal("0.2"), 1, 1) == (line.raw, line.target, line.order)


def test_seven_and_a_half_is_ten_in_lots_of_five():
    """Rounding up goes to the next whole lot."""
    line = size_one("0.0075", rounding="up", lot_size=5)

    assert (Decimal("7.5"), 10) == (line.raw, line.target)


@pytest.mark.parametrize("rounding", ["up", "fit", "down", "nearest"])
def test_seven_percent_of_a_hundred_is_seven(rounding):
    """0.07 · 100 is 7.000000000000001 as a float; it buys 7 shares, not 8, and not 6."""
    line = size_one(exact(0.07 * 100 / 100), equity=exact(100.0), rounding=rounding)
    noisy = size_one("0.07000000000000000001", equity=100, rounding=rounding)

    assert 0.07 * 100 != 7
    assert 7 == line.target == noisy.target


def test_an_order_is_what_the_target_lacks():
    """Held 3, wanted 5: the order is 2, though a lot is 5."""
    line = size_one("0.005", held=3, lot_size=5)

    assert (line.target, line.order) == (5, 2)


def test_a_weight_is_of_what_is_left_after_fraction_and_buffer():
    """E is the account's value times the fraction; the budget is E less the cash buffer."""
    line = size_one("0.5", equity=10000, capital_fraction="0.4", cash_buffer_ratio="0.05", price=19)

    assert Decimal("10000") * Decimal("0.4") * Decimal("0.95") / 2 / 19 == line.raw == 100


@pytest.mark.parametrize("held", [7, -7, 100])
def test_a_weight_of_zero_closes(held):
    """To the last share: no lot, least quantity, stale or missing price, value limit or turnover limit stands in its way."""
    line = size_one(0, held=held, price=None, age=99, min_qty=50, lot_size=10, max_order_notional=1, max_turnover="0.001")

    assert (0, -held, ()) == (line.target, line.order, line.cuts)


def test_fit_keeps_what_fits():
    """Three thirds of 100 dollars at 30 dollars: 1.11 each; all up would be 180 dollars, one each is 90."""
    names = ("ALFA", "BETA", "GAMA")
    lines = size_all(dict.fromkeys(names, "0.333333333333"), dict.fromkeys(names, 30), equity=100)

    assert [lines[name].target for name in names] == [1, 1, 1]


def test_fit_gives_back_the_largest_overshoot_first():
    """Of 1000 dollars: ALFA 1.25 → 2 shares of 240 overshoots by 180, BETA 3.5 → 4 of 100 by 50, GAMA 35 of 10 by nothing.

    All up is 480 + 400 + 350 = 1230. Giving back one ALFA leaves 990, which fits: BETA keeps its fourth share.
    """
    lines = size_all({"ALFA": "0.3", "BETA": "0.35", "GAMA": "0.35"}, {"ALFA": 240, "BETA": 100, "GAMA": 10})

    assert {name: line.target for name, line in lines.items()} == {"ALFA": 1, "BETA": 4, "GAMA": 35}


def test_fit_rounds_up_where_there_is_room():
    """Half the budget is asked for: nothing need be given back."""
    lines = size_all({"ALFA": "0.25", "BETA": "0.25"}, {"ALFA": 240, "BETA": 100})

    assert {name: line.target for name, line in lines.items()} == {"ALFA": 2, "BETA": 3}


def test_fit_lets_more_than_the_budget_be_asked_for():
    """Weights of 1.5 can't be brought within the budget by a lot each: they are brought within what they ask for."""
    lines = size_all({"ALFA": "0.75", "BETA": "0.75"}, {"ALFA": 7, "BETA": 7})

    assert {name: line.target for name, line in lines.items()} == {"ALFA": 107, "BETA": 107}
    assert 1000 < 7 * (107 + 107) <= 1500


def test_fit_counts_what_may_not_move():
    """A blocked holding takes its part of the budget; the others give back what that costs."""
    lines = size_all({"ALFA": "0.5", "BETA": "0.5"}, {"ALFA": 10, "BETA": 35}, held={"ALFA": 49}, blocked=("ALFA",))

    assert (lines["ALFA"].target, lines["BETA"].target) == (49, 14)


def test_fit_is_not_disturbed_by_a_grain():
    """An overshoot that only a division's last digits make is none: ten shares of 100 stay ten."""
    line = size_one(1, price=100, equity="999.99999999999")

    assert line.target == 10


def test_a_small_account_is_not_overdrawn():
    """Shares dearer than the whole account are given back to the last one."""
    lines = size_all({"ALFA": "0.5", "BETA": "0.5"}, {"ALFA": 900, "BETA": 800}, equity=100)

    assert [line.target for line in lines.values()] == [0, 0]


def test_the_least_quantity_is_a_whole_lot():
    """min_qty 7 in lots of 5 is 10; a weight above nothing gets it."""
    line = size_one("0.002", lot_size=5, min_qty=7, rounding="nearest")

    assert line.target == 10


def test_a_small_order_is_dropped_and_told():
    """Held 100, wanted 103, at least 5 at a time: nothing is sent, and 3 shares are told of."""
    line = size_one("0.103", held=100, min_qty=5)

    assert (line.order, cut_by(line)) == (0, {"min_qty": 3})


def test_each_rule_tells_what_it_took():
    """100 wanted: 60 by weight, then 30 by gross; 30 shares remain of 30.5 dollars."""
    line = size_one("0.1", max_weight="0.06", max_gross="0.0305", rounding="down")

    assert Decimal(100) == line.raw
    assert {"max_weight": 40, "max_gross": Decimal("29.5")} == cut_by(line)
    assert line.target == 30


def test_shorts_are_cut_to_nothing_where_they_are_not_allowed():
    """The whole negative target is the cut."""
    line = size_one("-0.1", held=20, allow_short=False)

    assert (line.target, line.order, cut_by(line)) == (0, -20, {"allow_short": -100})


def test_gross_scales_all_alike():
    """1.5 is asked for and 0.75 allowed: every weight is halved, the short one too."""
    lines = size_all({"ALFA": "1.0", "BETA": "-0.5"}, max_gross="0.75")

    assert {name: line.target for name, line in lines.items()} == {"ALFA": 500, "BETA": -250}


def test_an_order_is_cut_to_its_value_limit():
    """2000 dollars at 7: 285 shares, and in lots of 10, 280."""
    line = size_one("0.9", equity=10000, price=7, max_order_notional=2000, lot_size=10)

    assert line.order == 280


def test_a_reversal_keeps_the_part_that_closes():
    """Held 100, wanted −100, at most 30 dollars an order: the 100 are sold, nothing is sold short."""
    line = size_one("-0.1", held=100, max_order_notional=30)

    assert (line.order, line.target) == (-100, 0)


def test_turnover_scales_what_increases_and_rounds_down():
    """One-way 10 % of 1000 is 200 dollars: the sale takes 100, the two purchases of 300 share the other 100."""
    lines = size_all({"ALFA": 0, "BETA": "0.2", "GAMA": "0.1"}, {"ALFA": 1, "BETA": 7, "GAMA": 1}, held={"ALFA": 100},
                     max_turnover="0.1", rounding="down")

    assert lines["ALFA"].order == -100
    assert (lines["BETA"].order, lines["GAMA"].order) == (9, 33)       # 196 · 100/296 ÷ 7 = 9.46; 100 · 100/296 = 33.8


@pytest.mark.parametrize(("weight", "target"), [("0.2", 50), ("0.02", 20), (0, 0), ("-0.1", 0)])
def test_a_blocked_name_only_comes_nearer_to_zero(weight, target):
    """Held 50: it does not grow and does not turn, but it may be sold."""
    line = size_one(weight, held=50, blocked=("ALFA",))

    assert target == line.target


@pytest.mark.parametrize(("price", "age", "rule"),
                         [(None, 1, "no_price"), (0, 1, "no_price"), (-5, 1, "no_price"), (10, 2, "stale")])
def test_without_a_fresh_price_a_weight_is_worth_nothing(price, age, rule):
    """What is held stays, and the rule is told."""
    line = size_one("0.5", held=7, price=price, age=age)

    assert (line.target, line.order) == (7, 0)
    assert rule in cut_by(line)


def test_a_price_may_be_as_old_as_the_params_say():
    """Age 1 is the session before; the limit itself is fresh enough."""
    assert size_one("0.5", age=3, max_price_age_sessions=3).order == 500
    assert size_one("0.5", age=4, max_price_age_sessions=3).order == 0


def test_no_price_is_no_number():
    """Where no price was known there is no raw target, and the cut has no amount."""
    line = size_one("0.5", price=None)

    assert (None, (Cut(rule="no_price", shares=None),)) == (line.raw, line.cuts)


@pytest.mark.parametrize(("weight", "price"), [("1e400", 10), ("-1e400", 10), ("1", "1e-300")])
def test_an_absurd_weight_is_held_back_alone(weight, price):
    """It sizes nothing, spoils no other name, and is told of."""
    lines = size_all({"ALFA": weight, "BETA": "0.5"}, {"ALFA": price}, held={"ALFA": 3}, max_gross=1)

    assert (3, None, (Cut(rule="absurd", shares=None),)) == (lines["ALFA"].target, lines["ALFA"].raw, lines["ALFA"].cuts)
    assert lines["BETA"].target == 500


def test_reducing_goes_first_then_larger_then_by_name():
    """The order of sending. A reversal to a smaller holding frees money too; one to a larger does not."""
    lines = size_all({"ALFA": "0.1", "BETA": "0.3", "GAMA": 0, "DELT": "0.1", "EPSI": "0.01", "THET": "-0.2", "ZETA": "-0.1"},
                     held={"GAMA": 5, "EPSI": 90, "THET": 10, "ZETA": 300})

    assert list(lines) == ["ZETA", "EPSI", "GAMA", "BETA", "THET", "ALFA", "DELT"]


@pytest.mark.parametrize("equity", [0, -1])
def test_nothing_is_sized_from_nothing(equity):
    """An account without value raises."""
    with pytest.raises(ValueError, match="equity"):
        size_one("0.1", equity=equity)


@pytest.mark.parametrize(("price", "buy", "offset", "limit"), [
    ("100", True, 0, "100"), ("100", True, 10, "99.9"), ("100", False, 10, "100.1"), ("100", True, -10, "100.1"),
    ("33.33", True, 10, "33.29"), ("33.33", False, 10, "33.37"), ("0.5", True, 10, "0.4995"), ("0.1234", False, 25, "0.1238"),
])
def test_a_limit_waits_on_the_passive_side(price, buy, offset, limit):
    """Positive offsets wait; the tick (a cent; a hundredth of one below a dollar) rounds away from the market."""
    found = limit_price(Decimal(price), buy, Decimal(offset))

    assert Decimal(limit) == found


# Orders by hand.

def size_by_hand(quantity, **fields):
    """Size an order by hand in ALFA, at a dollar a share unless told otherwise."""
    given_ = {place: {"ALFA": fields.pop(name, usual)} for place, name, usual in
              (("prices", "price", 1), ("ages", "age", 1), ("held", "held", 0))}
    return size_all({}, quantities={"ALFA": quantity}, **given_, **fields)["ALFA"]


def test_an_order_by_hand_is_sent_as_it_is():
    """No rounding, whatever the lots."""
    line = size_by_hand(7, held=3, lot_size=5, rounding="up")

    assert (line.target, line.order, line.cuts) == (10, 7, ())


@pytest.mark.parametrize("limits", [{"max_weight": "0.05"}, {"max_gross": "0.05"}])
def test_a_limit_does_not_turn_an_order_by_hand_around(limits):
    """Held 100 where 50 are allowed: a purchase of 5 becomes nothing, not a sale of 50."""
    line = size_by_hand(5, held=100, **limits)

    assert line.order == 0


def test_a_limit_leaves_whole_lots_of_an_order_by_hand():
    """50.5 dollars are allowed and 20 held: 30 more shares of the 100 asked for, and in lots of 20, 20."""
    line = size_by_hand(100, held=20, max_weight="0.0505", lot_size=20)

    assert (line.order, cut_by(line)) == (20, {"max_weight": 80})


@pytest.mark.parametrize("why", [{"price": None}, {"age": 9}, {"blocked": ("ALFA",)}])
def test_a_sale_by_hand_needs_no_price(why):
    """What only reduces is never cut; what would grow the holding is."""
    assert size_by_hand(-30, held=100, **why).order == -30
    assert size_by_hand(30, held=100, **why).order == 0
    assert size_by_hand(-130, held=100, **why).order == -100


def test_a_short_held_before_is_not_bought_back_by_a_rule():
    """Short 50 and told to sell 10 more where shorts are not allowed: nothing is sold, and nothing bought."""
    line = size_by_hand(-10, held=-50, allow_short=False)

    assert line.order == 0


# Laws.

SYMBOLS = ("ALFA", "BETA", "GAMA", "DELT", "EPSI")
WEIGHTS = st.decimals(-2, 2, places=12) | st.decimals(-1, 1, places=3) | st.just(Decimal(0))
PRICES = st.decimals("0.01", 5000, places=2)
HELD = st.integers(-500, 500) | st.just(0)


@st.composite
def markets(draw, weights=WEIGHTS, held=HELD, limited=True, by_hand=True):
    """Everything that `size_all` takes."""
    names = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
    hands = draw(st.lists(st.sampled_from(names), unique=True)) if by_hand else []
    fields = {
        "rounding": draw(st.sampled_from(["up", "down", "nearest", "fit"])), "lot_size": draw(st.sampled_from([1, 1, 5, 100])),
        "min_qty": draw(st.sampled_from([1, 1, 7, 30])), "cash_buffer_ratio": draw(st.sampled_from([0, "0.05"])),
        "capital_fraction": draw(st.sampled_from([1, "0.5"])),
    }
    if limited:
        fields |= {
            "max_weight": draw(st.none() | st.decimals(0, 1, places=3)),
            "max_gross": draw(st.none() | st.decimals(0, 2, places=3)),
            "max_order_notional": draw(st.none() | st.decimals(0, 50000, places=2)),
            "max_turnover": draw(st.none() | st.decimals(0, 1, places=3)), "allow_short": draw(st.booleans()),
            "blocked": tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=2))),
        }
    return {
        "weights": {name: draw(weights) for name in names if name not in hands},
        "quantities": {name: draw(st.integers(-300, 300).filter(bool)) for name in hands},
        "prices": {name: draw(st.just(None) | PRICES if limited else PRICES) for name in names},
        "held": {name: draw(held) for name in names},
        "ages": {name: draw(st.sampled_from([1, 1, 1, 2]) if limited else st.just(1)) for name in names},
        "equity": draw(st.decimals(1, 10**7, places=2)), **fields,
    }


def worth(line, shares):
    """Dollars of so many shares."""
    return abs(shares) * (line.price or 0)


def closing(line):
    """Shares of an order that bring a holding toward zero."""
    return min(abs(line.order), abs(line.held)) if line.order * line.held < 0 else Decimal(0)


def whole_lot(market):
    """The least quantity, raised to a whole lot."""
    return -(-market["min_qty"] // market["lot_size"]) * market["lot_size"]


@given(markets())
def test_cuts_and_rounding_explain_every_share(market):
    """raw − Σ cuts − rounding = target, exactly; and rounding moves less than a lot or the least quantity."""
    for line in size_all(**market).values():
        assert all(cut.shares is None or cut.shares.is_finite() for cut in line.cuts)
        if line.raw is None:
            continue
        took = [(cut.rule in BEFORE_ROUNDING, cut.shares) for cut in line.cuts]
        ideal = Fraction(line.raw) - sum(Fraction(shares) for before, shares in took if before)
        whole = Fraction(line.target) + sum(Fraction(shares) for before, shares in took if not before)

        assert line.raw - sum(cut.shares for cut in line.cuts) - line.target == ideal - whole
        assert abs(ideal - whole) < max(market["lot_size"], whole_lot(market)) + Fraction(1, 10**6)
        if line.symbol in market["quantities"]:
            assert whole == ideal


@given(markets())
def test_raw_is_the_weight_of_the_budget(market):
    """weight × budget ÷ price, on a grid of 12 decimals."""
    budget = Fraction(market["equity"]) * Fraction(market["capital_fraction"]) * (1 - Fraction(market["cash_buffer_ratio"]))
    for name, line in size_all(**market).items():
        if name in market["quantities"]:
            assert line.raw == market["held"][name] + market["quantities"][name]
        elif market["weights"][name] == 0:
            assert line.raw == 0
        elif line.price is None:
            assert line.raw is None
        else:
            ideal = Fraction(market["weights"][name]) * budget / Fraction(line.price)
            assert line.raw == Fraction(round(ideal * 10**12), 10**12)


@given(markets())
def test_nothing_is_ever_not_a_number(market):
    """Targets and orders are finite, and orders whole shares."""
    for line in size_all(**market).values():
        assert line.target.is_finite()
        assert line.order == line.order.to_integral_value()
        assert abs(line.target) <= ABSURD


@given(markets())
def test_what_only_reduces_is_never_made_smaller(market):
    """Value and turnover limits cut what increases; a reversal keeps at least the part that closes."""
    free = size_all(**market | {"max_order_notional": None, "max_turnover": None})
    for name, line in size_all(**market).items():
        wanted = free[name]
        if closing(wanted) == abs(wanted.order):
            assert line.order == wanted.order
        assert abs(line.order) >= closing(wanted)
        assert line.order * wanted.order >= 0


@given(markets(limited=False, by_hand=False), st.data())
def test_limits_hold(market, data):
    """An order's value and the turnover stay within their limits, but for what only closes."""
    notional, turnover = data.draw(st.decimals(0, 10**6, places=2)), data.draw(st.decimals(0, 1, places=3))
    lines = size_all(**market, max_order_notional=notional, max_turnover=turnover).values()
    equity = market["equity"] * Decimal(market["capital_fraction"])
    traded, closed = sum(worth(x, x.order) for x in lines), sum(worth(x, closing(x)) for x in lines)

    assert all(worth(line, line.order) <= max(notional, worth(line, closing(line))) for line in lines)
    assert traded <= max(2 * turnover * equity, closed)


@given(markets(limited=False, by_hand=False, held=st.just(0)), st.decimals(0, 1, places=3), st.decimals(0, 2, places=3))
def test_weights_and_gross_stay_within_their_limits(market, heaviest, widest):
    """Rounded down and bought from nothing; the least quantity is the only exception, and the guard's to judge."""
    market |= {"rounding": "down", "min_qty": 1, "lot_size": 1}
    budget = market["equity"] * Decimal(market["capital_fraction"]) * (1 - Decimal(market["cash_buffer_ratio"]))
    lines = [x for x in size_all(**market, max_weight=heaviest, max_gross=widest).values() if abs(x.target) > 1]

    assert all(x.target * x.raw > 0 for x in lines)
    assert all(worth(x, x.target) <= heaviest * budget for x in lines)
    assert sum(worth(x, x.target) for x in lines) <= widest * budget


@given(markets(limited=False, by_hand=False, held=st.just(0)))
def test_fit_is_within_the_budget_where_that_can_be(market):
    """Wherever whole lots rounded down are within the budget, so is the gross of `fit`."""
    market["rounding"], lot = "fit", market["lot_size"]
    budget = market["equity"] * Decimal(market["capital_fraction"]) * (1 - Decimal(market["cash_buffer_ratio"]))
    lines = size_all(**market).values()
    assume(sum(worth(line, lots(line.raw, lot, "down")) for line in lines) <= budget)

    assert sum(worth(line, line.target) for line in lines) <= budget


@given(markets(limited=False, by_hand=False, held=st.just(0)))
def test_fit_gives_back_no_more_than_it_must(market):
    """What was given back overshot at least as much as what was kept, and keeping the last of it would not have fitted."""
    market |= {"rounding": "fit", "min_qty": 1, "lot_size": 1}
    budget = market["equity"] * Decimal(market["capital_fraction"]) * (1 - Decimal(market["cash_buffer_ratio"]))
    lines = size_all(**market).values()
    over = {line.symbol: worth(line, lots(line.raw, 1, "up")) - worth(line, line.raw) for line in lines}
    given_back = [line for line in lines if abs(line.target) < abs(lots(line.raw, 1, "up"))]
    kept = [over[line.symbol] for line in lines if line not in given_back]
    assume(given_back)
    least = min(given_back, key=lambda line: over[line.symbol])

    assert over[least.symbol] >= max(kept, default=0)
    assert sum(worth(line, line.target) for line in lines) + least.price > budget


@given(markets(), st.randoms())
def test_the_order_of_the_input_does_not_matter(market, random: Random):
    """The same lines in the same order of sending, however the names come."""
    lines = size_all(**market)
    names = list(market["weights"])
    random.shuffle(names)
    shuffled = size_all(**market | {"weights": {name: market["weights"][name] for name in names}})

    assert list(lines.items()) == list(shuffled.items())


@given(markets())
def test_orders_are_in_the_order_of_sending(market):
    """Reducing first, then larger value, then name."""
    keys = [(not line.reduces, -worth(line, line.order), line.symbol) for line in size_all(**market).values()]

    assert sorted(keys) == keys


@given(markets())
def test_held_back_names_never_move_away_from_zero(market):
    """Blocked, stale and unpriced holdings stay, or come nearer to zero on their own side."""
    for name, line in size_all(**market).items():
        if name in market["blocked"] or market["prices"][name] is None or market["ages"][name] > 1:
            assert abs(line.target) <= abs(line.held)
            assert line.target * line.held >= 0


@given(markets())
def test_small_orders_only_close(market):
    """No order is under the least quantity but one that leaves nothing."""
    for line in size_all(**market).values():
        assert abs(line.order) >= market["min_qty"] or line.order == 0 or line.target == 0


@given(markets())
def test_no_short_is_opened_where_none_is_allowed(market):
    """A target below zero is only what was held below zero."""
    for line in size_all(**market | {"allow_short": False}).values():
        assert line.target >= min(line.held, 0)


@given(markets())
def test_an_order_by_hand_is_only_made_smaller(market):
    """Between nothing and what was asked for."""
    for name, line in size_all(**market).items():
        if name in market["quantities"]:
            asked = market["quantities"][name]
            assert line.order * asked >= 0
            assert abs(line.order) <= abs(asked)


@given(markets(limited=False), st.integers(2, 1000))
def test_a_dearer_dollar_changes_nothing(market, times):
    """Equity and all prices times anything give the same shares."""
    dearer = market | {"equity": market["equity"] * times,
                       "prices": {name: price * times for name, price in market["prices"].items()}}
    before, after = size_all(**market), size_all(**dearer)

    assert {name: (x.raw, x.target) for name, x in before.items()} == {name: (x.raw, x.target) for name, x in after.items()}


@given(markets(weights=st.decimals(-1, 1, places=3), by_hand=False), st.sampled_from([2, 3, 10, 1000]))
def test_a_larger_account_trades_as_many_times_more(market, times):
    """Equity, holdings, lots and least quantities times k give k times the shares, under every limit."""
    notional = market["max_order_notional"]
    market["prices"] = {name: price and 2 ** int(price % 9) for name, price in market["prices"].items()}   # raw is exact
    larger = market | {
        "equity": market["equity"] * times, "held": {name: shares * times for name, shares in market["held"].items()},
        "lot_size": market["lot_size"] * times, "min_qty": market["min_qty"] * times,
        "max_order_notional": notional and notional * times,
    }
    before, after = size_all(**market), size_all(**larger)

    assert {name: line.target * times for name, line in before.items()} == {name: line.target for name, line in after.items()}


@given(markets())
def test_sized_values_hold_together(market):
    """`order`, `reduces` and `value` follow from what is held, the target and the price."""
    for line in size_all(**market).values():
        assert line.held + line.order == line.target
        assert line.reduces == (abs(line.target) < abs(line.held))
        assert line.value == worth(line, line.order)


# Numbers at the door.

@given(st.decimals(-10**9, 10**9, places=6))
def test_a_float_is_the_number_it_was_written_as(value):
    """15 significant digits come back from a float as they went in."""
    assert exact(float(value)) == exact(value) == value


@pytest.mark.parametrize(("value", "number_"), [
    (0.1, "0.1"), (0.1 + 0.2, "0.3"), (99979.00376800001, "99979.003768"), (-0.0, "0"), (7, "7"), ("1e3", "1000"),
    (1e300, "1e300"), (Decimal("0.10"), "0.1"),
])
def test_noise_of_a_float_ends_at_the_door(value, number_):
    """What Lean's decimals gather on their way through a double is not kept."""
    found = exact(value)

    assert Decimal(number_) == found
    assert str(found) == str(found.normalize())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), Decimal("NaN"), "inf"])
def test_no_quantity_comes_from_what_is_not_finite(value):
    """NaN and infinity raise."""
    with pytest.raises(ValueError, match="not a finite number"):
        exact(value)


@given(st.decimals(-1, 1, places=12), st.decimals(1, 10**6, places=2), PRICES)
def test_floats_and_decimals_size_alike(weight, equity, price):
    """The same numbers, given by Lean as floats or by a file as text."""
    given_ = [Wanted(order_intent_id="s-ALFA", symbol="ALFA", weight=weight)]
    lines = [size(given_, equity=exact(e), held={}, quotes={"ALFA": Quote(price=exact(p))}, params=ExecutionParams())
             for e, p in ((equity, price), (float(equity), float(price)))]

    assert lines[0] == lines[1]


def test_sized_is_frozen():
    """A change is a new value."""
    line = size_one("0.1")
    with pytest.raises(AttributeError):
        line.target = Decimal(5)        # type: ignore[misc]

    assert isinstance(line, Sized)
