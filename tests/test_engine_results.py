"""The result files of the embedded engine against whole result folders of real Lean, and the sums they are made from.

The folders themselves are not part of the project: where they are absent the forms in `golden/raw/forms.txt`, which were
taken from them, are what our files must look like.
"""

import json
import re
from collections import deque
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_fixtures import GOLDEN, run_algorithm, run_source
from workbench.engines.embedded import decimals, sampling
from workbench.engines.embedded.capacity import Slots, SymbolCapacity
from workbench.engines.embedded.charts import thinned
from workbench.engines.embedded.decimals import (
    added,
    double_text,
    grouped,
    number,
    of_double,
    product,
    quotient,
    rounded,
    smart,
    text,
)
from workbench.engines.embedded.enums import DataNormalizationMode, OrderStatus, OrderType, Resolution
from workbench.engines.embedded.orders import Event, Order
from workbench.engines.embedded.sampling import Candle
from workbench.engines.embedded.security import MinuteSecurity, Tape
from workbench.engines.embedded.statistics import duration, two_digits
from workbench.engines.embedded.times_in_force import TimeInForce
from workbench.engines.embedded.trades import Trades

SHARED = Path(__file__).parents[2] / "shared" / "lean-golden"
RAW, SAMPLE = SHARED / "raw", SHARED / "sample"
BACKTESTS = ("before-listing", "leverage-and-margin-call", "minute-market-orders", "random-003", "rebalance-ib-margin",
             "splits-and-dividends-raw")
FORMS = GOLDEN / "raw" / "forms.txt"

# What is not equal, by its place in the files, and why.
DIFFERENT = {
    "state/StartTime": "the clock on the wall",
    "state/EndTime": "the clock on the wall",
    "state/Hostname": "the machine",
    "state/LogCount": "Lean counts its closing remarks, which hold the seconds it took",
    "serverStatistics": "the machine and its load",
    "algorithmConfiguration/parameters": "the paths of the recording machine",
    "totalPerformance/closedTrades/*/id": "Lean draws it; ours is the same in every run of an id",
    "analysis": "Lean's advice in words, some of it drawn at random or against a benchmark the folder need not hold: left empty",
}
CLOSING_REMARKS = ("Algorithm Id:(", "Due to numerical precision issues", "The starting dates for the following symbols")

D = Decimal


@pytest.fixture(scope="module")
def raw() -> Path:
    """Whole result folders of real Lean, which are not part of the project."""
    if not RAW.is_dir():
        pytest.skip(f"real Lean's result folders are not at {RAW}: only the forms of their files are compared")
    return RAW


def read(path: Path) -> Any:
    """JSON whose numbers are kept as they are written."""
    return json.loads(path.read_text(), parse_float=lambda digits: ("number", digits))


def without_differences(value: Any, path: tuple[str, ...] = ()) -> Any:
    """A file's content without the places that are known to differ."""
    place = "/".join("*" if step.isdigit() and "closedTrades" in path else step for step in path)
    if place in DIFFERENT:
        return "different"
    if isinstance(value, dict):
        return {key: without_differences(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list) and "closedTrades" in path:
        return [without_differences(item, (*path, str(n))) for n, item in enumerate(value)]
    return value


@pytest.mark.golden
@pytest.mark.parametrize("name", BACKTESTS)
def test_a_run_leaves_the_files_that_lean_left(name, raw, tmp_path):
    """Result, summary and order events to the last digit, but for the places named above; the log but for its closing remarks."""
    ran = run_algorithm(tmp_path, GOLDEN / "order_script.py", data=SAMPLE / "data", algorithm_id=name,
                        parameters={"script-path": str(SAMPLE / "scripts" / f"{name}.json")})
    for file in (f"{name}.json", f"{name}-summary.json"):
        lean, ours = read(raw / name / file), read(ran.results / file)

        assert list(lean) == list(ours)
        assert without_differences(lean) == without_differences(ours)
        assert lean["algorithmConfiguration"]["parameters"].keys() == ours["algorithmConfiguration"]["parameters"].keys()
    events = f"{name}-order-events.json"
    log = (raw / name / f"{name}-log.txt").read_text().splitlines()
    ours = (ran.results / f"{name}-log.txt").read_text().splitlines()

    assert (raw / name / events).read_text() == (ran.results / events).read_text()
    assert [shortest(line) for line in log if not line[20:].startswith(CLOSING_REMARKS)] == [shortest(line) for line in ours]


def shortest(line: str) -> str:
    """Without the zeros at the end of a price: how many there are is how often Lean has multiplied it."""
    return re.sub(r"(\.\d*?)0+$", r"\1", line)


@pytest.mark.golden
@pytest.mark.parametrize("name", BACKTESTS)
def test_the_data_monitor_counts_what_was_read(name, raw, tmp_path):
    """The files Lean asked for, in whatever order, but for the stock its analysis compares with."""
    ran = run_algorithm(tmp_path, GOLDEN / "order_script.py", data=SAMPLE / "data", algorithm_id=name,
                        parameters={"script-path": str(SAMPLE / "scripts" / f"{name}.json")})
    theirs = next((raw / name).glob("succeeded-data-requests-*.txt")).read_text().split()
    ours = next(ran.results.glob("succeeded-data-requests-*.txt")).read_text().split()
    report = json.loads(next(ran.results.glob("data-monitor-report-*.json")).read_text())

    assert set(ours) - {"/equity/usa/daily/spy.zip"} == set(theirs) - {"/equity/usa/daily/spy.zip"}
    assert read(next((raw / name).glob("data-monitor-report-*.json"))).keys() == report.keys()
    assert (report["total-data-requests-count"], report["failed-data-requests-count"]) == (len(ours), 0)


def forms(value: Any, path: str = "") -> set[str]:
    """Each place in a file and what stands there; names that a run gives (symbols, times, ids) are all one place."""
    if isinstance(value, dict):
        if re.search(r"/(orders|profitLoss|rollingWindow|parameters)$", path):
            return set().union({f"{path}: object"}, *(forms(item, f"{path}/*") for item in value.values()))
        if re.search(r"/(Assets Sales Volume|Portfolio Margin)/series$", path):
            return set().union({f"{path}: object"}, *(forms(item, f"{path}/*") for item in value.values()))
        return set().union({f"{path}: object"}, *(forms(item, f"{path}/{key}") for key, item in value.items()))
    if isinstance(value, list):
        return set().union({f"{path}: list"}, *(forms(item, f"{path}[]") for item in value))
    return {f"{path}: {kind(value)}"}


def kind(value: Any) -> str:
    """Words for a value's form."""
    if isinstance(value, tuple):
        return "decimal"
    if isinstance(value, str):
        patterns = {"time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "duration": r"-?(\d+\.)?\d\d:\d\d:\d\d(\.\d{7})?",
                    "digits": r"-?\d+(\.\d+)?", "percent": r"-?\d+(\.\d+)? ?%", "dollars": r"-?\$-?[\d,]+(\.\d\d)?"}
        return next((name for name, pattern in patterns.items() if re.fullmatch(pattern, value)), "text")
    return type(value).__name__


def test_files_have_lean_s_forms(tmp_path, invented):
    """A portable run's result, summary and order events hold Lean's places and nothing else, each with Lean's kind of value."""
    ran = run_algorithm(tmp_path, GOLDEN / "order_script.py", data=invented,
                        parameters={"script-path": str(GOLDEN / "portable" / "scripts" / "rebalance-ib-margin-raw.json")})
    ours = set().union(*(forms(read(ran.results / f"run{suffix}.json"), f"{suffix or 'result'}")
                         for suffix in ("", "-summary", "-order-events")))
    theirs = set(FORMS.read_text().splitlines())

    assert {line for line in ours if not line.startswith("result/analysis")} <= theirs
    assert {place(line) for line in theirs if required(line)} <= {place(line) for line in ours}


def place(line: str) -> str:
    return line.rpartition(": ")[0]


def required(line: str) -> bool:
    """Whether every run of a few orders has it: not a member of one order type's, nor what only refused orders have."""
    return not re.search(r"analysis|/orders/\*/(stop|limit|canceled|lastUpdate)|order-events\[\]/(message|stop|limit)|\$type", line)


def test_a_run_without_a_slice_has_files(tmp_path, invented):
    """A weekend: no bar, no order, no order events' file; the statistics are those of an account that stood still."""
    ran = run_source(tmp_path, """
from AlgorithmImports import *
class Still(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2020, 1, 4)
        self.set_end_date(2020, 1, 5)
        self.set_cash(5000)
        self.add_equity("ALFA", Resolution.DAILY)
""", data=invented)

    assert ran.exit_code == 0
    assert ran.result["statistics"]["End Equity"] == "5000"
    assert ran.result["runtimeStatistics"]["Equity"] == "$5,000.00"
    assert not (ran.results / "run-order-events.json").exists()
    assert json.loads((ran.results / "run-summary.json").read_text())["state"]["Status"] == "Completed"


def test_an_error_in_the_middle_leaves_what_was_known(tmp_path, invented):
    """The orders, charts and statistics up to the exception, and its text."""
    ran = run_source(tmp_path, """
from AlgorithmImports import *
class Failing(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2020, 1, 2)
        self.set_end_date(2020, 1, 31)
        self.stock = self.add_equity("ALFA", Resolution.DAILY).symbol
    def on_data(self, data):
        self.market_order(self.stock, 1)
        if self.time.day > 20:
            raise ValueError("enough")
""", data=invented)

    assert ran.exit_code == 1
    assert "enough" in ran.result["state"]["RuntimeError"]
    assert int(ran.result["statistics"]["Total Orders"]) == len(ran.result["orders"]) > 0
    assert ran.result["charts"]["Strategy Equity"]["series"]["Equity"]["values"]


def test_a_file_that_is_missing_is_reported(tmp_path, invented):
    """A subscription without a file is a failed request, by name."""
    ran = run_source(tmp_path, """
from AlgorithmImports import *
class Missing(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2020, 1, 2)
        self.set_end_date(2020, 1, 8)
        self.add_equity("NONE", Resolution.DAILY)
""", data=invented)
    report = json.loads(next(ran.results.glob("data-monitor-report-*.json")).read_text())

    assert next(ran.results.glob("failed-data-requests-*.txt")).read_text() == "/equity/usa/daily/none.zip\n"
    assert report["failed-data-requests-count"] == 1
    assert report["failed-data-requests-percentage"] == 50.0


@pytest.mark.parametrize(("value", "places", "written"), [
    (D("0.001"), 2, "0.00"), (D("-0.001"), 2, "0.00"), (D("1.5"), 2, "1.5"), (D(0), 3, "0"), (D("2.345"), 2, "2.34"),
    (D("2.355"), 2, "2.36"), (D("100000"), 2, "100000")])
def test_rounding_keeps_the_scale(value, places, written):
    """As C#'s Math.Round and ToString: half to even, no zero added and none taken."""
    assert written == text(rounded(value, places))


def test_numbers_are_written_as_lean_writes_them():
    """JSON's decimals have a point, N2 rounds half away from zero, small losses of a double are -0, large ones have E+."""
    assert [number(D(value)) for value in ("25", "171.1400", "-0")] == ["25.0", "171.1400", "0.0"]
    assert [grouped(D(value)) for value in ("26484.685", "-1235.525", "-0.001")] == ["26,484.69", "-1,235.53", "0.00"]
    assert [double_text(value, 3) for value in (0.7026, -0.0003, 3.26, 9.8e26)] == ["0.703", "-0", "3.26", "9.8E+26"]
    assert [duration(ticks * 10**6) for ticks in (1620000, 15, -600)] == ["1.21:00:00", "00:00:01.5000000", "-00:01:00"]
    assert [two_digits(D(value)) for value in ("219352000.00", "1000.00", "0")] == ["220000000.00", "1000.00", "0"]


def test_chart_values_are_smartly_rounded():
    """Four decimals above 1000, seven significant digits below."""
    assert [D("100301.9456"), D("0.04315043"), D("-2607.071"), D(100)] == \
        [smart(D(value)) for value in ("100301.94558", "0.043150431504", "-2607.0712345", "100.00")]


def test_arithmetic_is_c_sharp_s():
    """A mean of 35 shares' prices times 35 misses the sum by what Lean's file says."""
    mean = quotient(D("6060.5"), D(35))

    assert D("609.0999999999999999999999999") == added(product(D("190.56"), D(35)), product(mean, D(-35)))
    assert D(decimals.LARGEST) == of_double(1e40)
    with pytest.raises(ValueError, match="nan"):
        of_double(float("nan"))


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=12), st.decimals(min_value=1, max_value=10**6, places=6))
def test_no_decimal_has_more_digits_than_c_sharp_holds(left, right):
    """96 bits and 28 places, and never further from the exact result than half of the last place."""
    exactly = decimals.WIDE
    both = ((quotient(left, right), exactly.divide(left, right)), (product(left, right), exactly.multiply(left, right)))
    for found, exact in both:
        digits = int(exactly.scaleb(abs(found), decimals.scale(found)))

        assert digits <= decimals.LARGEST
        assert decimals.scale(found) <= 28
        assert abs(exactly.subtract(found, exact)) <= D(1).scaleb(-decimals.scale(found)) / 2 or exact == found


def test_a_freed_place_is_taken_first():
    """Stocks come back in the order of a .NET dictionary's places."""
    slots = Slots()
    first, second, third = (slots.add(SymbolCapacity(stock(n))) for n in range(3))
    slots.remove(first)
    slots.remove(second)
    newer = slots.add(SymbolCapacity(stock(3)))

    assert [newer, third] == slots.all()
    assert slots.get(3) is newer
    assert slots.get(0) is None


def test_candles_are_thinned_out():
    """Two days each: extremes of the days in between, the close on the line, whole dollars but for it."""
    day = 86400
    points = [Candle(n * day, *(D(value) for value in row)) for n, row in enumerate(
        [("10.5", "10.5", "10.5", "10.5"), ("11.2", "13.9", "11.2", "12.4"), ("12.4", "12.4", "9.8", "10.4"),
         ("10.4", "15.6", "10.4", "15.6")])]

    assert [points[0], Candle(2 * day, D(11), D(13), D(9), D("10.4"))] == thinned(points, 2 * day)


class Filled(NamedTuple):
    """A price that comes with a slice, or (with a quantity) a fill."""

    price: int
    quantity: int = 0


MOVES = st.lists(st.builds(Filled, st.integers(1, 50), st.integers(-4, 4)), min_size=1, max_size=40)


def stock(index: int) -> MinuteSecurity:
    """A stock whose price is set by hand."""
    return MinuteSecurity(index, "ALFA", Resolution.MINUTE, DataNormalizationMode.RAW, Tape([], []))


@given(MOVES)
def test_closed_trades_equal_those_of_following_every_price(moves):
    """First in first out; adverse and favorable from the position's extremes, what was given back from the lot's own path."""
    security, trades = stock(0), Trades()
    order = Order(OrderType.MARKET, security, D(1), "", TimeInForce.GOOD_TIL_CANCELED, 0)
    for at, move in enumerate(moves):
        if move.quantity:
            order.id = at + 1
            event = Event(order, OrderStatus.FILLED, at)
            event.fill_price, event.fill_quantity, event.fee = D(move.price), D(move.quantity), D(1)
            trades.fill(event)
        else:
            security.tape.step += 1
            security._at, security._price = security.tape.step, D(move.price)
            trades.look()

    assert followed(moves) == [(t.entered, int(t.entry_price), int(t.quantity) * (1 if t.is_long else -1), t.exited, int(t.profit),
                                int(t.adverse), int(t.favorable), int(t.given_back), int(t.fees)) for t in trades.closed]


def followed(moves: list[Filled]) -> list[tuple[int, ...]]:
    """The same, slowly: every lot looks at every price."""
    lots: deque[list[Any]] = deque()            # entered, price, quantity, prices since, fee
    extremes: list[int] = []
    closed: list[tuple[int, ...]] = []
    for at, (price, quantity) in enumerate(moves):
        for lot in lots:
            lot[3].append(price)
        extremes.append(price)
        fee = 1
        while quantity and lots and lots[0][2] * quantity < 0:
            entered, entry, held, since, paid = lots[0]
            sign = 1 if held > 0 else -1
            part = min(abs(held), abs(quantity))
            gains = [(seen - price_in) * sign for price_in, seen in ((entry, value) for value in extremes)]
            gone = max(max(value * sign for value in since[: n + 1]) - since[n] * sign for n in range(len(since)))
            closed.append((entered, entry, part * sign, at, (price - entry) * part * sign, min(gains) * part, max(gains) * part,
                           gone * part, paid + fee))
            fee, quantity = 0, quantity + part * sign
            lots[0][2] -= part * sign
            lots[0][4] = 0
            if not lots[0][2]:
                lots.popleft()
        if quantity:
            if not lots:
                extremes = [price]
            lots.append([at, price, quantity, [price], fee])
        elif not lots:
            extremes = []
    return closed


def test_equity_is_sampled_in_order_of_time(tmp_path, invented):
    """No two candles at one moment, and the last one at the last slice."""
    ran = run_algorithm(tmp_path, GOLDEN / "order_script.py", data=invented,
                        parameters={"script-path": str(GOLDEN / "portable" / "scripts" / "minute-orders.json")})
    times = [candle[0] for candle in ran.result["charts"]["Strategy Equity"]["series"]["Equity"]["values"]]

    assert all(before < after for before, after in pairwise(times))


@given(st.lists(st.tuples(st.integers(1, 200_000), st.integers(-3000, 3000).filter(bool)), min_size=41, max_size=60),
       st.integers(10**5, 10**8))
def test_many_holdings_are_weighed_as_few_are(holdings, value):
    """Exposure to the last digit, the same forty stocks with the same shares, and the rest together to seven digits."""
    held = []
    for index, (price, quantity) in enumerate(holdings):
        security = stock(index)
        security._price, security.quantity = D(price).scaleb(-2), D(quantity)
        security._at = security.tape.step
        security.set_leverage(D(2))
        held.append(security)
    worths = np.array([price * 100 * quantity for price, quantity in holdings], dtype=np.int64)
    singly, many = sampling._weigh(held, D(value)), sampling._weigh_many(held, worths, -4, np.full(len(held), 0.5), D(value))

    assert singly[0] == many[0]
    assert singly[1].of == many[1].of
    assert float(singly[1].others) == pytest.approx(float(many[1].others), rel=1e-5, abs=1e-5)
