"""The algorithm, run through the embedded engine: what it sends and when, what it hears, and what it must never do."""

import ast
import hashlib
import os
import shutil
import sys
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from algorithm_fixtures import Traded, identify, item_of, new_york, price_before, trade
from market_fixtures import INVENTED, make_bars, make_folder

from workbench.algorithm import journal
from workbench.engines import base
from workbench.engines.embedded import algorithm as embedded
from workbench.engines.embedded import imports
from workbench.market.bars import daily_path, read_daily
from workbench.market.calendar import read_calendar

SOURCE = base.ALGORITHM_FILE.read_text(encoding="utf-8")
FOLDERS: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def _folders(tmp_path_factory):
    """Room for runs that several tests look at."""
    FOLDERS.append(tmp_path_factory.mktemp("runs"))


def kept(name, *arguments, **fields) -> Traded:
    """A run in the folder that this module's tests share."""
    return trade(FOLDERS[-1] / name, *arguments, **fields)


def bar(symbol, day, column, market=INVENTED):
    """A raw price of a daily bar, in dollars."""
    bars = read_daily(daily_path(market, symbol))
    row = bars.row(date.fromisoformat(day))
    return Decimal(int(getattr(bars, column)[row])) / 10000


def check(ran: Traded) -> Traded:
    """A run that came to its end, with a journal that verifies."""
    assert ran.outcome.complete, ran.outcome.cause
    assert journal.verify(ran.journal.splitlines(keepends=True)).good
    return ran


@cache
def two_months() -> Traded:
    """Two decisions, the second without BETA: market-on-open, from 100,000 dollars."""
    return check(kept("two", {"2019-03-01": {"ALFA": 0.3, "BETA": -0.2}, "2019-04-01": {"ALFA": 0.1, "GAMA": 0.2}}))


# What is written, and when.

def test_a_journal_opens_and_closes(tmp_path):
    """The first line says what was asked for and what was there, the last what was written."""
    ran = two_months()
    first, (last, seal) = ran.lines[0], ran.lines[-2:]

    assert (first["kind"], first["mode"], first["account"], first["cash"], first["holdings"]) == ("opened", "backtest", "test",
                                                                                                  100000, {})
    for name in ("intents", "params"):
        assert first[f"{name}_sha256"] == hashlib.sha256((ran.folder / f"{name}.json").read_bytes()).hexdigest()
    assert (first["intents"], first["rejected"]) == (4, [])
    assert (last["kind"], seal["kind"]) == ("closed", "seal")
    assert last["counts"] == {kind: len(ran.of(kind)) for kind in ("dividend", "mark", "opened", "order", "rebalance", "sized")}


def test_a_rebalance_is_sized_once_and_sent(tmp_path):
    """Equity and cash once; each name with the close before as its price; an order that its `order_ref` names."""
    ran = two_months()
    rebalance, sized = ran.of("rebalance")[0], ran.of("sized")[:2]

    assert (rebalance["rebalance_date"], rebalance["equity"], rebalance["cash"]) == ("2019-03-01", 100000, 100000)
    assert [(line["symbol"], line["price"], line["price_time"]) for line in sized] == [
        ("ALFA", bar("ALFA", "2019-02-28", "close"), "2019-02-28T21:00:00Z"),
        ("BETA", bar("BETA", "2019-02-28", "close"), "2019-02-28T21:00:00Z")]
    assert [line["raw"] for line in sized] == [Decimal("146.156094709149"), Decimal("-57.773412675487")]
    assert [(line["target"], line["held"], line["order"]) for line in sized] == [(147, 0, 147), (-58, 0, -58)]
    assert [line["order_ref"] for line in sized] == ["s20190301-ALFA.1", "s20190301-BETA.1"]
    assert [(order["tag"], order["quantity"]) for order in ran.sent[:2]] == [("s20190301-ALFA.1", 147),
                                                                             ("s20190301-BETA.1", -58)]


def test_one_launch_trades_every_decision_from_what_it_holds():
    """The second rebalance starts where the first ended."""
    ran = two_months()
    mark, alfa = ran.of("mark")[0], ran.one("sized", order_intent_id="s20190401-ALFA")

    assert {row["symbol"]: row["quantity"] for row in mark["positions"]} == {"ALFA": 147, "BETA": -58, "GAMA": 0}
    assert (alfa["held"], alfa["order"]) == (147, alfa["target"] - 147)
    assert ran.of("rebalance")[1]["equity"] == Decimal("105205.44")


def test_what_an_order_cost_is_what_the_engine_says():
    """Each fill as the result file has it, with Interactive Brokers' fee; the open is the price on arrival."""
    ran = two_months()
    (fill,) = ran.of("order", status="FILLED", order_ref="s20190401-GAMA.1")
    given = ran.result["orders"][str(fill["order_id"])]

    assert (fill["fill_quantity"], fill["fill_price"]) == (given["quantity"], bar("GAMA", "2019-04-01", "open"))
    assert (fill["fee"], fill["currency"]) == (fill["fill_quantity"] * Decimal("0.005"), "USD")
    assert (fill["arrival_price"], fill["arrival_source"]) == (fill["fill_price"], "open")
    assert {line["arrival_price"] for line in ran.of("order", status="SUBMITTED")} == {None}
    assert Decimal(str(given["price"])) == fill["fill_price"]


def test_marks_are_at_each_rebalances_close_and_at_the_end():
    """Close and quantity of every name, and the account's value, from which any later valuation starts."""
    ran = two_months()

    assert [new_york(line) for line in ran.of("mark")] == ["2019-03-01 16:00", "2019-04-01 16:00", "2019-04-02 16:00"]
    for line in ran.of("mark"):
        assert line["equity"] == line["cash"] + sum(row["close"] * row["quantity"] for row in line["positions"])


def test_cash_follows_from_what_was_told():
    """Fills, fees and dividends explain every cent between two marks."""
    ran = two_months()
    before, after = ran.of("mark")[0], ran.of("mark")[1]
    between = [line for line in ran.lines if before["seq"] < line["seq"] < after["seq"]]
    moved = sum(-line["fill_quantity"] * line["fill_price"] - line["fee"] for line in between if line.get("fill_quantity"))
    moved += sum(line["cash"] for line in between if line["kind"] == "dividend")

    assert before["cash"] + moved == after["cash"]


def test_the_same_config_gives_the_same_bytes(tmp_path):
    """Run again, the journal is equal byte for byte."""
    again = trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "BETA": -0.2}, "2019-04-01": {"ALFA": 0.1, "GAMA": 0.2}})

    assert again.journal == two_months().journal


DAYS = {
    "2019-03-08": "the Friday before clocks change", "2019-03-11": "the Monday after", "2019-07-03": "an early close",
    "2019-11-04": "after clocks change back",
}


@cache
def moments(order_type) -> Traded:
    """Rebalances of that type on four days that differ."""
    return check(kept(f"moments-{order_type}", {day: {"ALFA": n / 10} for n, day in enumerate(DAYS, start=1)},
                      order_type=order_type))


@pytest.mark.parametrize(("order_type", "lean", "at"), [
    ("MOO", "MARKET_ON_OPEN", ["09:00"] * 4), ("MKT", "MARKET_ON_CLOSE", ["10:00"] * 4), ("LMT", "LIMIT", ["10:00"] * 4),
    ("MOC", "MARKET_ON_CLOSE", ["15:30", "15:30", "12:30", "15:30"]),
])
def test_each_order_type_has_its_moment(order_type, lean, at):
    """Market-on-open before the open, market and limit after it (daily, Lean makes the former market-on-close), and
    market-on-close half an hour before that day's close."""
    submitted = moments(order_type).of("order", status="SUBMITTED")

    assert [new_york(line) for line in submitted] == [f"{day} {time}" for day, time in zip(DAYS, at, strict=True)]
    assert {line["type"] for line in submitted} == {lean}


def test_clocks_change_and_utc_does_not():
    """09:00 in New York is 14:00 UTC in winter and 13:00 in summer; a close is at 21:00, 20:00 or, early, 17:00."""
    ran = moments("MOO")

    assert [line["occurred_at"][11:16] for line in ran.of("rebalance")] == ["14:00", "13:00", "13:00", "14:00"]
    assert [line["occurred_at"][11:16] for line in ran.of("mark")] == ["21:00", "20:00", "17:00", "21:00", "21:00"]


@pytest.mark.parametrize(("order_type", "column"), [("MOO", "open"), ("MOC", "close"), ("MKT", "close")])
def test_an_order_fills_in_its_session(order_type, column):
    """On the rebalance date itself, at its open or its close."""
    ran = moments(order_type)

    assert [(new_york(line)[:10], line["fill_price"]) for line in ran.of("order", status="FILLED")] == [
        (day, bar("ALFA", day, column)) for day in DAYS]


def test_an_intent_may_have_a_type_of_its_own(tmp_path):
    """Sized together at the first moment of the day, each sent at its own."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.2}},
                      items=[item_of("BETA", date(2019, 3, 1), 0.2, order_type="MOC")]))

    assert [new_york(line)[11:] for line in ran.of("sized")] == ["09:00", "09:00"]
    assert [(line["symbol"], new_york(line)[11:]) for line in ran.of("order", status="SUBMITTED")] == [("ALFA", "09:00"),
                                                                                                       ("BETA", "15:30")]


def test_a_limit_is_made_from_the_sizing_price(tmp_path):
    """10 bps from the close before (205.26 and 7.12), on the tick; what the intent itself asks for goes before that."""
    day = date(2019, 3, 1)
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.2}}, order_type="LMT", limit_offset_bps=10,
                      items=[item_of("BETA", day, 0.2, limit_price=Decimal("300.5")), item_of("GAMA", day, -0.1)]))
    limits = {line["symbol"]: line["limit_price"] for line in ran.of("order", status="SUBMITTED")}

    assert limits == {"ALFA": Decimal("205.05"), "BETA": Decimal("300.5"), "GAMA": Decimal("7.13")}
    assert {line["type"] for line in ran.of("order")} == {"LIMIT"}


# What is held, and what is not named.

def test_what_is_not_named_any_more_is_closed():
    """BETA was decided on in March and not in April: its short is bought back, under the April snapshot's id."""
    ran = two_months()
    line = ran.one("sized", order_intent_id="s20190401-BETA")

    assert (line["target"], line["held"], line["order"]) == (0, -58, 58)
    assert "BETA" not in ran.held()


def test_unlisted_holdings_stay_where_that_is_asked_for(tmp_path):
    """Nothing is sized for BETA, and nothing sent."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "BETA": -0.2}, "2019-04-01": {"ALFA": 0.1}}, close_unlisted=False))

    assert ran.of("sized", order_intent_id="s20190401-BETA") == []
    assert ran.held()["BETA"] == -58


OTHERS = """
from AlgorithmImports import *
import intent_execution


class Others(intent_execution.IntentExecution):

    def initialize(self):
        super().initialize()
        self.schedule.on(self.date_rules.on(2019, 3, 4), self.time_rules.at(9, 0), self.trade_by_hand)

    def trade_by_hand(self):
        self.market_on_open_order(self.assets["BETA"], 30, tag="a person's")
        self.market_on_open_order(self.assets["DELT"], 40, tag="")
        self.market_on_open_order(self.assets["ALFA"], -100, tag="a person's")
"""


def test_what_others_bought_is_never_touched(tmp_path):
    """Orders of somebody else's are lines, under their own tags; what they bought stays, what they sold is not sold again."""
    decisions = {"2019-03-01": {"ALFA": 0.3, "BETA": 0.2}, "2019-04-01": {"GAMA": 0.1}, "2019-05-01": {"DELT": 0}}
    ran = check(trade(tmp_path, decisions, algorithm=OTHERS))
    orders = {line["symbol"]: line["order"] for line in ran.of("sized") if line["order_intent_id"].startswith("s20190401")}

    assert {line["order_ref"] for line in ran.of("order") if "." not in line["order_ref"]} == {"a person's", ""}
    assert set(orders) == {"ALFA", "BETA", "GAMA"}
    assert (orders["ALFA"], orders["BETA"]) == (-(147 - 100), -58)
    assert ran.one("sized", order_intent_id="s20190501-DELT")["order"] == -40           # named, and so it is ours to close
    assert ran.held() == {"BETA": 30}


def test_the_guard_counts_what_is_held_unnamed(tmp_path):
    """Half the account is ours to use: with ALFA still held, another 0.6 of it would be a gross of 1.2."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.6}, "2019-03-04": {"BETA": 0.6}}, close_unlisted=False,
                      capital_fraction="0.5", risk_overrides={"max_gross": 1}))
    line = ran.one("blocked")

    assert (line["symbol"], line["rule"]) == ("BETA", "max_gross")
    assert set(ran.held()) == {"ALFA"}


def test_a_run_that_ends_with_a_rebalance_is_marked_once(tmp_path):
    """The last close is a rebalance's and the end's."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.6}}, end="2019-03-01"))

    assert len(ran.of("mark")) == 1


def test_an_intent_that_was_refused_is_held_and_not_sold(tmp_path):
    """A weight that is no number is an error, and an error means hold: the holding is neither sized nor closed as unlisted."""
    bad = item_of("BETA", date(2019, 4, 1), 0) | {"weight": "not a number"}
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "BETA": 0.2}, "2019-04-01": {"ALFA": 0.1},
                                 "2019-05-01": {"ALFA": 0.1}},
                      items=[bad]))
    line = ran.one("blocked", rule="refused_intent")

    assert ran.lines[0]["rejected"] == [{"position": 4, "symbol": "BETA", "reason": "weight 'not a number' is not a number"}]
    assert (line["symbol"], new_york(line)) == ("BETA", "2019-04-01 09:00")
    assert ran.of("sized", order_intent_id="s20190401-BETA") == []
    assert ran.one("sized", order_intent_id="s20190501-BETA")["held"] == 58         # the next decision does not want it


def test_a_symbol_without_data_is_blocked_and_the_others_go_on(tmp_path):
    """Nothing is known of NONE: no price, no order, a line."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "NONE": 0.2}}))
    line = ran.one("blocked", symbol="NONE")

    assert (line["rule"], line["cut"]) == ("no_price", None)
    assert [(order["symbol"]["value"], order["quantity"]) for order in ran.sent] == [("ALFA", 147)]


def test_limits_cut_and_say_so(tmp_path):
    """Capped, blocked and skipped lines with their rule and amount; the refusals of the guard as well."""
    limits = {"max_weight": "0.1", "blocked": ["GAMA"], "max_orders_per_minute": 2}
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "BETA": 0.05, "GAMA": 0.1, "DELT": 0.04, "THET": "0.0001"}},
                      risk_overrides=limits, min_qty=5))
    told = {(line["kind"], line["symbol"], line["rule"]): line["cut"] for line in ran.of("capped", "blocked", "skipped")}
    alfa = ran.one("sized", symbol="ALFA")

    assert told["capped", "ALFA",
                "max_weight"] == alfa["raw"] - Decimal(10000) / alfa["price"] // Decimal("1e-12") * Decimal("1e-12")
    assert told["blocked", "GAMA", "blocked"] == ran.one("sized", symbol="GAMA")["raw"]
    assert sorted(key[1:] for key in told if key[2] == "max_orders_per_minute") == [
        ("DELT", "max_orders_per_minute"), ("THET", "max_orders_per_minute")]
    assert told["blocked", "DELT", "max_orders_per_minute"] == ran.one("sized", symbol="DELT")["order"]
    assert [order["symbol"]["value"] for order in ran.sent] == ["ALFA", "BETA"]


def test_a_small_change_is_skipped(tmp_path):
    """An order under the least quantity is a line, and nothing is sent."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3}, "2019-03-04": {"ALFA": "0.3005"}}, min_qty=20))
    line = ran.one("skipped")

    assert (line["symbol"], line["rule"]) == ("ALFA", "min_qty")
    assert len(ran.sent) == 1


def test_sizing_reads_the_params(tmp_path):
    """Fraction, buffer and lots: 0.3 · (100,000 · 0.5 · 0.9) ÷ 205.26 = 65.8, in lots of 10 down 60."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3}}, capital_fraction="0.5", cash_buffer_ratio="0.1", lot_size=10,
                      rounding="down"))

    assert ran.one("sized")["target"] == 60


def test_an_order_by_hand_is_sent_as_it_is(tmp_path):
    """Its shares, beside the weights of the day; what is not named is closed only where weights were decided."""
    day = date(2019, 4, 1)
    by_hand = item_of("BETA", day, None, order_intent_id="m0-BETA", quantity=-7, source="manual")
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "BETA": 0.2}}, items=[by_hand]))

    assert ran.one("sized", order_intent_id="m0-BETA")["order"] == -7
    assert ran.held() == {"ALFA": 147, "BETA": 51}


# What happens to stocks.

def test_a_split_between_decision_and_sizing_changes_nothing_of_the_plan(tmp_path):
    """BETA splits 4:1 on 2020-08-03. The decision price is of the day before; a collar of 1 bp sees no move."""
    ran = check(trade(tmp_path, {"2020-08-03": {"BETA": 0.4}}, risk_overrides={"price_collar_bps": 1}))
    line = ran.one("sized")

    assert line["price"] == price_before("BETA", date(2020, 8, 3)) / 4 == Decimal("47.005")
    assert ran.fills() == [("BETA", line["order"], bar("BETA", "2020-08-03", "open"))]
    assert ran.of("blocked") == []


def test_a_dividend_between_decision_and_sizing_is_not_taken_for_a_move(tmp_path):
    """ALFA goes ex on 2020-06-11; before the first bar of that day the last known price is still the one with it."""
    ran = check(trade(tmp_path, {"2020-06-11": {"ALFA": 0.4}}, risk_overrides={"price_collar_bps": 1}))

    assert ran.of("dividend")[0]["occurred_at"] < ran.one("sized")["occurred_at"]
    assert (len(ran.fills()), ran.of("blocked")) == (1, [])


@pytest.mark.parametrize("order_type", ["MOO", "MKT", "MOC"])
def test_a_price_beyond_the_collar_is_refused(tmp_path, order_type):
    """A decision price that is not that day's close: the order is not sent, and the refusal says both prices."""
    wrong = item_of("ALFA", date(2019, 3, 1), 0.3, decision_price=Decimal("205.47"))        # 10.2 bps above 205.26
    ran = check(trade(tmp_path, {"2019-03-01": {"BETA": 0.1}}, items=[wrong], order_type=order_type,
                      risk_overrides={"price_collar_bps": 10}))
    line = ran.one("blocked")

    assert (line["symbol"], line["rule"], line["cut"]) == ("ALFA", "price_collar_bps", 147)
    assert "205.26" in line["detail"]
    assert "205.47" in line["detail"]
    assert [order["symbol"]["value"] for order in ran.sent] == ["BETA"]


@cache
def splits() -> Traded:
    """Held over three splits: THET 3:2, GAMA 1:8, BETA 4:1; and a rebalance after."""
    weights = {"BETA": 0.2, "GAMA": 0.2, "THET": 0.2}
    return check(kept("splits", {"2019-07-01": weights, "2020-09-01": dict.fromkeys(weights, 0.1)}))


def test_splits_change_what_is_held_and_pay_for_fractions():
    """Old and new shares and the cash in lieu are lines; no order is needed."""
    ran = splits()
    told = {line["symbol"]: (line["factor"], line["old"], line["new"], line["cash"]) for line in ran.of("split")}
    bought = {line["symbol"]: line["order"] for line in ran.of("sized")[:3]}

    assert [(line["symbol"], new_york(line)) for line in ran.of("split")] == [
        ("THET", "2019-07-15 00:00"), ("GAMA", "2020-04-29 00:00"), ("BETA", "2020-08-03 00:00")]
    assert told["BETA"] == (Decimal("0.25"), bought["BETA"], bought["BETA"] * 4, 0)
    assert told["GAMA"][:3] == (8, bought["GAMA"], bought["GAMA"] // 8)
    assert told["GAMA"][3] == bought["GAMA"] % 8 * bar("GAMA", "2020-04-28", "close") > 0
    assert told["THET"][:3] == (Decimal("0.66666667"), bought["THET"], bought["THET"] / Decimal("0.66666667") // 1)


def test_the_ledger_is_the_account_after_splits():
    """What the journal explains is what is held when the next rebalance is sized."""
    ran = splits()

    for line in ran.of("sized")[3:]:
        (split,) = ran.of("split", symbol=line["symbol"])
        assert line["held"] == split["new"]


def test_cash_in_lieu_is_what_the_account_got():
    """Between the marks around them, splits, dividends, fills and fees explain all cash."""
    ran = splits()
    first, last = ran.of("mark")[0], ran.of("mark")[1]
    between = [line for line in ran.lines if first["seq"] < line["seq"] < last["seq"]]
    moved = sum(line["cash"] for line in between if line["kind"] in ("split", "dividend"))
    moved -= sum(line["fill_quantity"] * line["fill_price"] + line["fee"] for line in between if line.get("fill_quantity"))

    assert abs(first["cash"] + moved - last["cash"]) < Decimal("0.000001")


def test_dividends_are_paid_on_what_is_held():
    """Four of ALFA in 2020, each with its cash; a short pays."""
    ran = check(kept("dividends", {"2020-01-02": {"ALFA": 0.3}, "2020-07-01": {"ALFA": -0.3}}, end="2020-12-31"))
    held = [line["target"] for line in ran.of("sized")]
    told = ran.of("dividend", symbol="ALFA")

    assert [new_york(line) for line in told] == [f"2020-{day} 00:00" for day in ("03-12", "06-11", "09-10", "12-10")]
    assert [line["cash"] for line in told] == [line["per_share"] * quantity for line,
                                               quantity in zip(told, sorted(held * 2)[::-1], strict=True)]
    assert told[0]["cash"] > 0 > told[-1]["cash"]


def test_adjusted_prices_leave_corporate_events_to_the_prices(tmp_path):
    """Asked for by a backtest: no shares and no cash move, the lines are there all the same, and no collar misfires."""
    ran = check(trade(tmp_path, {"2020-07-01": {"ALFA": 0.3, "BETA": 0.3}, "2020-10-01": {"ALFA": 0.3}},
                      normalization="adjusted",
                      risk_overrides={"price_collar_bps": 1}))
    split = ran.one("split", symbol="BETA")

    assert (split["old"], split["new"], split["cash"]) == (ran.one("sized",
                                                                   order_intent_id="s20200701-BETA")["target"],) * 2 + (0,)
    assert {line["cash"] for line in ran.of("dividend")} == {0}
    assert ran.one("sized", order_intent_id="s20200701-BETA")["price"] < price_before("BETA", date(2020, 7, 1)) / 3
    assert ran.one("sized", order_intent_id="s20201001-BETA")["order"] == -split["new"]


def test_a_delisted_holding_ends(tmp_path):
    """ETAX ends on 2020-05-15: the engine liquidates it without a tag of ours, and it is wanted no more."""
    ran = check(trade(tmp_path, {"2020-05-04": {"ETAX": 0.2, "ALFA": 0.2}, "2020-06-01": {"ETAX": 0.2, "ALFA": 0.2}}))
    end, bought = ran.one("delisted"), ran.one("sized", order_intent_id="s20200504-ETAX")["order"]
    closing = ran.of("order", symbol="ETAX")[-1]

    assert (closing["order_ref"], closing["fill_quantity"], closing["status"]) == ("Liquidate from delisting", -bought,
                                                                                   "FILLED")
    assert (new_york(end), end["symbol"], end["old"], end["new"]) == ("2020-05-16 00:00", "ETAX", 0, 0)
    assert ran.one("blocked", order_intent_id="s20200601-ETAX")["rule"] == "no_price"
    assert set(ran.held()) == {"ALFA"}


def test_a_name_is_bought_only_once_it_is_listed(tmp_path):
    """ZETA is listed on 2019-09-18: it is blocked before its first bar and bought after."""
    ran = check(trade(tmp_path, {day: {"ALFA": 0.2, "ZETA": 0.2} for day in ("2019-09-03", "2019-09-18", "2019-09-19")}))

    assert [(line["order_intent_id"], line["rule"]) for line in ran.of("blocked")] == [
        ("s20190903-ZETA", "no_price"), ("s20190918-ZETA", "no_price")]
    assert [fill[0] for fill in ran.fills() if fill[0] == "ZETA"] == ["ZETA"]
    assert new_york(ran.of("order", symbol="ZETA")[0]) == "2019-09-19 09:00"


@cache
def renamed() -> Traded:
    """EPSO becomes EPSI on 2019-11-01, with a limit order far from the market still open."""
    far = item_of("EPSI", date(2019, 10, 15), 0.3, limit_price=Decimal(1))
    return check(kept("renamed", {"2019-10-01": {"EPSI": 0.2}, "2019-11-15": {"EPSI": 0.1}}, items=[far]))


def test_a_renamed_company_is_one_company():
    """Bought as EPSO, held and sold as EPSI; the tickers are in the line of the rename."""
    ran = renamed()
    line = ran.one("renamed")

    assert (line["symbol"], line["old"], line["new"], line["instrument_id"]) == ("EPSI", "EPSO", "EPSI", identify("EPSI"))
    assert ran.one("sized", order_intent_id="s20191115-EPSI")["held"] == ran.of("sized")[0]["target"]
    assert {order["instrument_id"] for order in ran.of("order")} == {identify("EPSI")}


def test_an_order_belongs_to_the_first_tag_seen_with_it():
    """Lean writes its own words over the tag of an order it cancels; the journal keeps ours."""
    ran = renamed()
    number = ran.of("order", order_ref="s20191015-EPSI.1")[0]["order_id"]
    last = ran.of("order", order_id=number)[-1]

    assert ran.result["orders"][str(number)]["tag"] == "Open order cancelled on symbol changed event"
    assert (last["status"], last["order_ref"]) == ("CANCELLED", "s20191015-EPSI.1")
    assert {line["order_ref"] for line in ran.of("order", order_id=number)} == {"s20191015-EPSI.1"}


# Orders that do not simply fill.

def test_what_is_left_over_is_cancelled_before_the_next_rebalance(tmp_path):
    """A limit far away works until the close before the next date, is taken back there under its own tag, and sized anew."""
    day = date(2019, 3, 1)
    ran = check(trade(tmp_path, {"2019-03-08": {"ALFA": 0.2}}, items=[item_of("ALFA", day, 0.2, limit_price=Decimal(100))]))
    (order,) = [order for order in ran.sent if order["tag"] == "s20190301-ALFA.1"]
    told = [(line["status"], new_york(line)) for line in ran.of("order", order_ref="s20190301-ALFA.1")]

    assert told == [("SUBMITTED", "2019-03-01 10:00"), ("PENDING_CANCEL", "2019-03-07 16:00"),
                    ("CANCELLED", "2019-03-07 16:00")]
    assert order["status"] == 5
    assert len(ran.fills()) == 1


STUBBORN = """
from AlgorithmImports import *
import intent_execution


class Stubborn(intent_execution.IntentExecution):

    def _cancel_before_next(self):
        pass
"""


def test_a_working_order_is_never_doubled(tmp_path):
    """Where what is left over could not be taken back, its symbol waits, and the others go on."""
    far = [item_of("ALFA", date(2019, 3, 1), 0.2, limit_price=Decimal(100))]
    ran = check(trade(tmp_path, {"2019-03-08": {"ALFA": 0.2, "BETA": 0.2}}, items=far, algorithm=STUBBORN))
    line = ran.one("blocked")

    assert (line["order_intent_id"], line["rule"], line["detail"]) == ("s20190308-ALFA", "working_order", "s20190301-ALFA.1")
    assert [order["tag"] for order in ran.sent] == ["s20190301-ALFA.1", "s20190308-BETA.1"]


def test_an_order_of_others_is_not_doubled_either(tmp_path):
    """Still open when the weights are sized, with no tag or one of theirs: the symbol waits until its outcome is known."""
    source = OTHERS.replace("9, 0", "10, 0").replace("self.market_on_open_order", "self.limit_order")
    source = source.replace("30, ", "30, 1.0, ").replace("40, ", "40, 1.0, ").replace("-100, ", "-100, 9999.0, ")
    later = {"ALFA": 0.1, "BETA": 0.3, "DELT": 0.1, "GAMA": 0.1}
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "BETA": 0.2}, "2019-03-08": later}, algorithm=source))

    assert [(line["symbol"], line["rule"], line["detail"]) for line in ran.of("blocked")] == [
        ("ALFA", "working_order", "a person's"), ("BETA", "working_order", "a person's"), ("DELT", "working_order", "order 4")]
    assert [order["tag"] for order in ran.sent][-1] == "s20190308-GAMA.1"


def test_a_rejected_order_ends_rejected(tmp_path):
    """Two and a half times the account is more than its margin: the engine refuses, the journal says so and in whose words."""
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": "2.5", "BETA": "0.1"}, "2019-03-04": {"ALFA": "0.1", "BETA": "0.1"}}))
    line = ran.one("order", order_ref="s20190301-ALFA.1")

    assert (line["status"], line["fill_quantity"], line["fill_price"], line["fee"]) == ("REJECTED", 0, None, None)
    assert line["message"].startswith("Order Error: ids: [1], Insufficient buying power to complete orders")
    assert ran.of("order",
                  order_ref="s20190304-ALFA.1")[-1]["status"] == "FILLED"      # it is over, and does not stand in the way


def test_an_order_that_the_engine_never_took_is_a_line(tmp_path):
    """Refused before it has an id there is no event: the symbol is blocked, and its next order is a second one."""
    source = STUBBORN.replace("    def _cancel_before_next(self):\n        pass\n",
                              "    def _place(self, symbol, quantity, order_type, limit, ref):\n"
                              "        if str(self.time.date()) == '2019-03-01':\n"
                              "            self.securities[symbol].is_tradable = False\n"
                              "        ticket = super()._place(symbol, quantity, order_type, limit, ref)\n"
                              "        self.securities[symbol].is_tradable = True\n"
                              "        return ticket\n")
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.2}, "2019-03-04": {"ALFA": 0.2}}, algorithm=source))
    line = ran.one("blocked")

    assert (line["rule"], line["cut"]) == ("engine", ran.of("sized")[0]["order"])
    assert [order["tag"] for order in ran.sent] == ["s20190304-ALFA.1"]


def test_costs_are_charged(tmp_path):
    """5 bps of the value at the close as fee; 10 bps of the close against us at the open, 3 at the close."""
    costs = {"fee_bps": 5, "slippage_open_bps": 10, "slippage_close_bps": 3}
    items = [item_of("BETA", date(2019, 3, 1), -0.2, order_type="MOC")]
    ran = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3}}, items=items, **costs))
    alfa, beta = (ran.one("order", status="FILLED", symbol=name) for name in ("ALFA", "BETA"))
    alfa_close, beta_close = bar("ALFA", "2019-03-01", "close"), bar("BETA", "2019-03-01", "close")

    assert alfa["fill_price"] == bar("ALFA", "2019-03-01", "open") + alfa_close * 10 / 10000
    assert beta["fill_price"] == beta_close - beta_close * 3 / 10000
    assert alfa["fee"] == alfa["fill_quantity"] * alfa_close * 5 / 10000
    assert beta["fee"] == -beta["fill_quantity"] * beta_close * 5 / 10000
    assert (alfa["arrival_price"], beta["arrival_price"]) == (bar("ALFA", "2019-03-01", "open"), beta_close)


def test_costs_never_shape_sizes():
    """The same shares with costs and without."""
    ran = check(kept("costly", {"2019-03-01": {"ALFA": 0.3, "BETA": -0.2}}, fee_bps=50, slippage_open_bps=100))

    assert [line["order"] for line in ran.of("sized")] == [line["order"] for line in two_months().of("sized")[:2]]


def test_the_brokerage_is_the_params(tmp_path):
    """Interactive Brokers' model or Lean's default: told in the result, and the same fills where both take the orders."""
    default = check(trade(tmp_path, {"2019-03-01": {"ALFA": 0.3, "BETA": -0.2}}, brokerage="default"))

    assert (two_months().result["algorithmConfiguration"]["brokerage"],
            default.result["algorithmConfiguration"]["brokerage"]) == (1, 0)
    assert default.fills() == two_months().fills()[:2]


def test_a_cash_account_lends_nothing(tmp_path):
    """Half again the account is bought on margin, and refused without it."""
    ran = {name: check(trade(tmp_path / name, {"2019-03-01": {"ALFA": 1.5}}, brokerage=name))
           for name in ("ib-margin", "ib-cash")}

    assert [line["status"] for line in ran["ib-margin"].of("order")] == ["SUBMITTED", "FILLED"]
    assert [line["status"] for line in ran["ib-cash"].of("order")] == ["REJECTED"]


def test_a_stale_price_blocks(tmp_path):
    """A stock that did not trade for two sessions is older than the params allow; one session more, and it is bought."""
    days = read_calendar(INVENTED).sessions(date(2019, 2, 20), date(2019, 3, 6))
    halted = [day for day in days if not date(2019, 2, 26) < day < date(2019, 3, 1)]
    market = make_folder(tmp_path / "market", HALT=make_bars(halted, [10.0] * len(halted)),
                         REST=make_bars(days, [10.0] * len(days)))
    shutil.copytree(INVENTED / "symbol-properties", market / "symbol-properties")
    ran = {age: check(trade(tmp_path / str(age), {"2019-03-01": {"HALT": 0.2, "REST": 0.2}}, market=market, start="2019-02-20",
                            max_price_age_sessions=age)) for age in (2, 3)}

    assert [(line["symbol"], line["rule"]) for line in ran[2].of("blocked")] == [("HALT", "stale")]
    assert [fill[0] for fill in ran[3].fills()] == ["HALT", "REST"]


def test_a_days_loss_stops_what_increases(tmp_path):
    """The account is 30 % down on the close before: nothing more is bought, and what reduces goes out."""
    days = read_calendar(INVENTED).sessions(date(2019, 2, 20), date(2019, 3, 12))
    falls = [100.0 if day < date(2019, 3, 6) else 70.0 for day in days]
    market = make_folder(tmp_path / "market", FALL=make_bars(days, falls), REST=make_bars(days, [10.0] * len(days)))
    shutil.copytree(INVENTED / "symbol-properties", market / "symbol-properties")
    source = STUBBORN.replace("    def _cancel_before_next(self):\n        pass\n",
                              "    def _at_close(self):\n"
                              "        if str(self.time.date()) != '2019-03-06':\n"
                              "            super()._at_close()\n")        # the loss is of today, not of the close before
    ran = check(trade(tmp_path / "run", {"2019-03-01": {"FALL": 1, "REST": 0}, "2019-03-07": {"FALL": 0.5, "REST": 0.5}},
                      market=market,
                      start="2019-02-20", algorithm=source, risk_overrides={"max_daily_loss": "0.2"}))

    assert [(line["symbol"], line["rule"]) for line in ran.of("blocked")] == [("REST", "max_daily_loss")]
    assert [fill[:1] for fill in ran.fills()] == [("FALL",), ("FALL",)]


def test_with_minutes_too_a_days_loss_is_since_the_last_close(tmp_path):
    """BETA opened 4 % lower: at ten nothing is bought, although the minute before was no worse."""
    weights = {"2020-03-12": {"BETA": 0.9}, "2020-03-13": {"BETA": 0.9, "ALFA": 0.1}}
    given = {"order_type": "MKT", "resolution": "minute"}
    ran = check(trade(tmp_path / "limit", weights, risk_overrides={"max_daily_loss": "0.02"}, **given))
    free = check(trade(tmp_path / "free", weights, risk_overrides={"max_daily_loss": "0.05"}, **given))

    assert ("ALFA", "max_daily_loss") in [(line["symbol"], line["rule"]) for line in ran.of("blocked")]
    assert "ALFA" in [fill[0] for fill in free.fills()]


# What must stop it.

def test_another_instrument_of_that_name_stops_the_run(tmp_path):
    """Tickers are reused: nothing is sent for a company that was not decided on, and no journal begins."""
    ran = trade(tmp_path, {"2019-03-01": {"ALFA": 0.3}},
                items=[item_of("BETA", date(2019, 3, 1), 0.1, instrument_id="BETA R735QTJ8XC9X")])

    assert "BETA was decided on as BETA R735QTJ8XC9X, but here it is BETA X0VCJX7VS19H" in (ran.outcome.cause or "")
    assert (ran.lines, ran.sent) == ([], [])


def test_no_usable_intent_stops_the_run(tmp_path):
    """Where all are refused there is nothing to do, and it says why."""
    ran = trade(tmp_path, {}, items=[item_of("ALFA", date(2019, 3, 1), 0.1) | {"weight": "x"}])

    assert "no usable intent" in (ran.outcome.cause or "")
    assert "1 refused" in (ran.outcome.cause or "")
    assert ran.lines == []


@pytest.mark.parametrize(("day", "says"),
                         [("2019-03-02", "2019-03-02 is not a session"), ("2019-07-04", "2019-07-04 is not a session")])
def test_a_date_without_a_session_stops_the_run(tmp_path, day, says):
    """No order can fill on it."""
    item = item_of("ALFA", date(2019, 3, 1), 0.1, rebalance_date=date.fromisoformat(day))
    ran = trade(tmp_path, {}, items=[item], start="2019-02-28", end="2019-07-10")

    assert says in (ran.outcome.cause or "")
    assert ran.lines == []


def test_a_journal_that_is_there_stops_the_run(tmp_path):
    """It is never written over: two processes can't trade one attempt."""
    (tmp_path / "journal.jsonl").write_bytes(b"of another\n")
    ran = trade(tmp_path, {"2019-03-01": {"ALFA": 0.3}})

    assert "File exists" in (ran.outcome.cause or "")
    assert ran.journal == b"of another\n"
    assert ran.sent == []


BROKEN = """
from AlgorithmImports import *
import intent_execution


class Broken(intent_execution.IntentExecution):

    def _arrival(self, order, name, filled):
        raise ValueError("not understood")
"""


def test_an_event_that_cant_be_taken_in_stops_all_sending(tmp_path):
    """Lean goes on with the batch after an error in `on_order_event`: the first order is the last."""
    ran = trade(tmp_path, {"2019-03-01": {"ALFA": 0.2, "BETA": 0.2, "GAMA": 0.2}}, algorithm=BROKEN)

    assert "not understood" in (ran.outcome.cause or "")
    assert [order["symbol"]["value"] for order in ran.sent] == [ran.of("sized")[0]["symbol"]]
    assert not journal.verify(ran.journal.splitlines(keepends=True)).good


FULL = """
from AlgorithmImports import *
import os
import resource
import signal
from pathlib import Path

import intent_execution


class Full(intent_execution.IntentExecution):

    def _place(self, *arguments):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = Path(self.get_parameter("journal-path")).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        try:
            return super()._place(*arguments)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits a file's size as a full disk would")
def test_a_full_disk_stops_all_sending(tmp_path):
    """From the first order on the journal can't grow: its own event can't be written, and no second order goes out."""
    ran = trade(tmp_path, {"2019-03-01": {"ALFA": 0.2, "BETA": 0.2, "GAMA": 0.2}}, algorithm=FULL, mode="paper")

    assert "File too large" in (ran.outcome.cause or "")
    assert [order["symbol"]["value"] for order in ran.sent] == [ran.of("sized")[0]["symbol"]]
    assert not journal.verify(ran.journal.splitlines(keepends=True)).closed


# Paper and live.

PAPER = """
from AlgorithmImports import *
import intent_execution


class Paper(intent_execution.IntentExecution):

    def initialize(self):
        super().initialize()
        self.live_mode = True
        ENDS
"""


ENDS_AT_FIVE_PAST = """self.schedule.on(self.date_rules.on(2019, 3, 4), self.time_rules.at(10, 5), self.end_them)

    def end_them(self):
        for _, ticket in list(self.working.values()):
            ticket.cancel('theirs')
        self.limit_order(self.assets['BETA'], 1, 1.0, tag='not of ours')"""


def paper(folder, ends="pass", **fields) -> Traded:
    """ALFA is reduced and BETA bought by market orders that wait for each other, as on paper and live."""
    first = {"2019-03-01": {"ALFA": 0.5}, "2019-03-04": {"ALFA": 0.2, "BETA": 0.3}}
    return check(trade(folder, first, algorithm=PAPER.replace("ENDS", ends), order_type="MKT", mode="paper", **fields))


def test_on_paper_every_line_is_sealed_with_our_clock(tmp_path):
    """`recorded_at` is the wall clock's; a rerun is another story."""
    ran = paper(tmp_path)
    years = {line["recorded_at"][:4] for line in ran.lines}

    assert {line["occurred_at"][:4] for line in ran.lines} == {"2019"}
    assert min(years) > "2019"
    assert {line["kind"] for line in ran.lines[1::2]} == {"seal"}


def test_increasing_orders_wait_for_the_reducing_ones_until_a_deadline(tmp_path):
    """The sale has not ended after ten minutes: the purchase goes out all the same, checked again, not sized again."""
    ran = paper(tmp_path)
    submitted = [(line["order_ref"], new_york(line)) for line in ran.of("order", status="SUBMITTED")][1:]

    assert submitted == [("s20190304-ALFA.1", "2019-03-04 10:00"), ("s20190304-BETA.1", "2019-03-04 10:10")]
    assert len(ran.of("sized", order_intent_id="s20190304-BETA")) == 1


def test_increasing_orders_go_as_soon_as_the_reducing_have_ended(tmp_path):
    """Cancelled at 10:05, as a broker may: the purchase does not wait for the deadline, and goes once."""
    ran = paper(tmp_path, ENDS_AT_FIVE_PAST)
    submitted = [(line["order_ref"], new_york(line)) for line in ran.of("order", status="SUBMITTED")][1:]

    assert submitted == [("s20190304-ALFA.1", "2019-03-04 10:00"), ("not of ours", "2019-03-04 10:05"),
                         ("s20190304-BETA.1", "2019-03-04 10:05")]
    assert ran.of("order", order_ref="s20190304-ALFA.1")[-1]["status"] == "CANCELLED"


def test_each_waiting_order_is_sent_once(tmp_path):
    """One that the broker rejects at once is told of from within its own sending; the next goes out all the same, and once."""
    decisions = {"2019-03-01": {"ALFA": 0.5}, "2019-03-04": {"ALFA": 0.2, "BETA": 4, "DELT": 0.1, "GAMA": 0.1}}
    ran = check(trade(tmp_path, decisions, algorithm=PAPER.replace("ENDS", ENDS_AT_FIVE_PAST), order_type="MKT", mode="paper"))

    assert [order["tag"] for order in ran.sent if order["tag"] != "not of ours"] == [
        "s20190301-ALFA.1", "theirs", "s20190304-BETA.1", "s20190304-DELT.1", "s20190304-GAMA.1"]
    assert [line["status"] for line in ran.of("order", order_ref="s20190304-BETA.1")] == ["PENDING_SUBMIT", "REJECTED"]


FORCED = """
from AlgorithmImports import *
import os

import intent_execution

forced, fsync = [], os.fsync
os.fsync = lambda handle: forced.append(fsync(handle))


class Forced(intent_execution.IntentExecution):

    def _place(self, *arguments):
        if not forced:
            raise ValueError("an order goes out that is not on the disk")
        forced.clear()
        return super()._place(*arguments)
"""


def test_on_paper_the_journal_is_on_the_disk_before_each_send(tmp_path):
    """Whatever happens to the machine, what was about to be sent is written; a backtest need not wait for that."""
    decisions = {"2019-03-01": {"ALFA": 0.5, "BETA": 0.2}}
    on_paper = trade(tmp_path / "paper", decisions, algorithm=FORCED, mode="paper")
    backtest = trade(tmp_path / "backtest", decisions, algorithm=FORCED)

    assert (len(check(on_paper).sent), backtest.sent) == (2, [])


def test_costs_of_a_backtest_are_not_charged_on_paper(tmp_path):
    """There the broker's own are heard."""
    ran = paper(tmp_path, fee_bps=100, slippage_close_bps=100)

    assert ran.fills()[0][2] == bar("ALFA", "2019-03-01", "close")
    assert ran.of("order", status="FILLED")[0]["fee"] == Decimal("1.22")


# Under real Lean.

def tree() -> ast.Module:
    """The algorithm's syntax tree."""
    return ast.parse(SOURCE)


def members_of_lean() -> set[str]:
    """Members of Lean's QCAlgorithm, from its stubs, in the spelling that Python sees."""
    stubs = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    text = (stubs / "QuantConnect" / "Algorithm" / "__init__.pyi").read_text(encoding="utf-8")
    (kind,) = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == "QCAlgorithm"]
    return {node.name for node in kind.body if isinstance(node, ast.FunctionDef)}


def algorithm_class() -> ast.ClassDef:
    """The one class that Lean finds."""
    (kind,) = [node for node in tree().body if isinstance(node, ast.ClassDef)
               and any(ast.unparse(b) == "QCAlgorithm" for b in node.bases)]
    return kind


def own_names() -> set[str]:
    """What the algorithm defines on itself: methods, and attributes it sets."""
    kind = algorithm_class()
    names = {node.name for node in kind.body if isinstance(node, ast.FunctionDef)}
    return names | {node.attr for node in ast.walk(kind) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                    and ast.unparse(node.value) == "self"}


CALLBACKS = {"initialize", "on_data", "on_order_event", "on_end_of_algorithm"}


def test_no_name_of_the_algorithms_own_is_one_of_leans():
    """A setter of Lean's that was meant for something else would be called without a word; in either spelling, and privately
    under the embedded engine too."""
    lean, names = members_of_lean(), own_names()
    spelt = {name for name in names if not name.startswith("_")} - CALLBACKS

    assert len(lean) > 300
    assert names & lean == CALLBACKS
    assert not {name.replace("_", "") for name in spelt} & {member.replace("_", "") for member in lean}
    assert {name for name in names if hasattr(embedded.QCAlgorithm, name)} == CALLBACKS
    assert "_run" not in names


def test_every_name_is_pythons_own_ours_or_one_lean_gives():
    """Python's own are imported after the star import, which covers some of them with .NET's."""
    given = set(imports.install().__all__)
    body = tree().body
    star = next(place for place, node in enumerate(body) if isinstance(node, ast.ImportFrom)
                and node.module == "AlgorithmImports")
    later = {alias.asname or alias.name for node in body[star + 1:] if isinstance(node, ast.Import | ast.ImportFrom)
             for alias in node.names}
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    defined |= {target.id for node in body if isinstance(node, ast.Assign)
                for target in node.targets if isinstance(target, ast.Name)}
    bound = {node.id for node in ast.walk(tree()) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in ast.walk(tree()) if isinstance(node, ast.arg)}
    used = {node.id for node in ast.walk(tree()) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    from_lean = used - later - defined - bound - set(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)

    assert star == 1
    assert from_lean <= given
    assert {"datetime", "timedelta", "date", "Path", "json", "Any"} <= later


def test_the_files_beside_it_need_nothing_but_python():
    """Lean imports them by their bare names, from the algorithm's folder: standard library only, and not each other."""
    for path in base.ALGORITHM.glob("*.py"):
        if path.name in ("__init__.py", base.ALGORITHM_FILE.name):
            continue
        nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Import
                                                                                                      | ast.ImportFrom)]
        found = {(node.module or "") if isinstance(node, ast.ImportFrom) else alias.name for node in nodes
                 for alias in node.names}

        assert {name.split(".")[0] for name in found} <= sys.stdlib_module_names


def test_there_is_one_algorithm_in_the_file():
    """Lean takes the first class that derives from QCAlgorithm."""
    assert algorithm_class().name == "IntentExecution"
