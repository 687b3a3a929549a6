"""One reading of the params in every mode: a backtest and a day on paper size the same inputs alike, whatever the params say."""

from pathlib import Path
from typing import Any

import pytest
from algorithm_fixtures import trade
from live_days import DAY, Day

from workbench.algorithm import params as algorithms
from workbench.words import params as words

WEIGHTS = {"ALFA": "0.31", "BETA": "-0.17", "GAMA": "0.29", "ZETA": "0.07"}
SIZED = ("order_intent_id", "symbol", "instrument_id", "price", "raw", "target", "held", "order")
CUT = ("kind", "order_intent_id", "symbol", "rule", "cut")
PARAMS: list[dict[str, Any]] = [
    {},
    {"min_qty": 50, "lot_size": 25, "cash_buffer_ratio": "0.031"},
    {"rounding": "up", "min_qty": 7},
    {"rounding": "down", "capital_fraction": "0.6"},
    {"fee_bps": 12, "slippage_open_bps": 30, "slippage_close_bps": 60, "rounding": "nearest"},
    {"order_type": "MOC", "slippage_close_bps": 25},
    {"risk_overrides": {"max_weight": "0.2", "max_gross": "0.55", "blocked": ["ZETA"]}},
    {"risk_overrides": {"allow_short": False, "max_order_notional": 9000}, "lot_size": 10},
    {"risk_overrides": {"max_turnover": "0.2"}, "cash_buffer_ratio": "0.1"},
]


@pytest.mark.parametrize("given", PARAMS, ids=lambda given: ",".join(given) or "defaults")
def test_a_backtest_and_a_day_on_paper_size_alike(given: dict[str, Any], tmp_path: Path) -> None:
    """Raw shares, targets, orders and every cut with its rule: the same equity, prices, holdings and params give the same."""
    backtest = trade(tmp_path / "backtest", {DAY: WEIGHTS}, **given)
    paper = Day(tmp_path / "paper", WEIGHTS, **given).live()

    for kinds, fields in ((("sized",), SIZED), (("capped", "skipped"), CUT)):
        there = [tuple(line[name] for name in fields) for line in backtest.of(*kinds)]
        assert there == [tuple(line[name] for name in fields) for line in paper.of(*kinds)]
        assert there or kinds != ("sized",)


def test_fees_and_slippage_shape_no_size_and_nothing_on_paper(tmp_path: Path) -> None:
    """They are a backtest's: on paper and live the broker has its own."""
    dear = {"fee_bps": 80, "slippage_open_bps": 200}
    plain, charged = (trade(tmp_path / name, {DAY: WEIGHTS}, **given) for name, given in (("plain", {}), ("dear", dear)))
    one, other = (Day(tmp_path / f"paper-{name}", WEIGHTS, **given).live() for name, given in (("plain", {}), ("dear", dear)))
    told = [[(line["symbol"], line["fill_price"], line["fee"]) for line in lived.of("order", status="FILLED")]
            for lived in (one, other)]

    assert [line["order"] for line in plain.of("sized")] == [line["order"] for line in charged.of("sized")]
    assert [line["fill_price"] for line in plain.of("order", status="FILLED")] != [
        line["fill_price"] for line in charged.of("order", status="FILLED")]
    assert told[0] == told[1] != []


@pytest.mark.parametrize("given", PARAMS, ids=lambda given: ",".join(given) or "defaults")
def test_params_are_read_by_one_function(given: dict[str, Any]) -> None:
    """What the desk reads and hashes, and what the algorithm reads inside Lean, is one value."""
    assert words.read(given, where="params").body() == algorithms.read(given).body()
