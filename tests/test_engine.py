"""The embedded engine's own manners: what it refuses, how a job fails, and the form of what it leaves."""

import gzip
import json
from decimal import Decimal

import pytest

from tests.engine_fixtures import GOLDEN, run_algorithm, run_source
from workbench.engines.config import layered, parameters_of, read_config
from workbench.engines.embedded.clr import ArgumentException, decimal
from workbench.engines.embedded.enums import OrderStatus, OrderType
from workbench.errors import BadInput

HEAD = """
from AlgorithmImports import *

class Probe(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2019, 3, 1)
        self.set_end_date(2019, 3, 8)
        self.set_cash(100000)
        self.a = self.add_equity("ALFA", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW).symbol
        self.set_benchmark(lambda t: 0)
"""
BUY_ONCE = HEAD + """
    def on_data(self, data):
        if not self.portfolio.invested and not self.transactions.orders_count:
            self.market_order(self.a, 10, tag="first")
"""


@pytest.mark.parametrize(("line", "named"), [
    ('self.add_equity("BETA", Resolution.HOUR)', "HOUR data"),
    ("self.settings.daily_precise_end_time = False", "settings.daily_precise_end_time = False"),
    ("self.settings.stale_price_time_span = timedelta(minutes=5)", "settings.stale_price_time_span = 0:05:00"),
    ("self.settings.trading_days_per_year = 365", "settings.trading_days_per_year = 365"),
    ('self.add_crypto("BTCUSD")', "QCAlgorithm.add_crypto"),
    ("self.set_universe_selection(None)", "QCAlgorithm.set_universe_selection"),
    ("self.securities[self.a].set_buying_power_model(None)", "set_buying_power_model"),
    ("self.set_benchmark(lambda t: t.day)", "a benchmark that moves"),
    ("self.sma(self.a, 5)", "QCAlgorithm.sma"),
    ("self.Consolidate(self.a, None, None)", "QCAlgorithm.Consolidate"),
    ("self.portfolio.margin_call_model", "SecurityPortfolioManager.margin_call_model"),
    ("x = Decimal(3)", "Decimal"),
    ("x = isinstance(3, Decimal)", "Decimal"),
    ("x = SimpleMovingAverage(5)", "SimpleMovingAverage"),
    ("self.history[Delisting](self.a, 5)", "history of Delisting"),
    ("self.history(self.a, 5, Resolution.HOUR)", "history of HOUR data"),
])
def test_what_is_not_supported_names_itself(line, named, tmp_path, invented):
    """Nothing is approximated: the run ends before its first step, and the error names the missing member."""
    ran = run_source(tmp_path, HEAD + f"        {line}\n", data=invented)

    assert ran.exit_code == 1
    assert named in ran.result["state"]["RuntimeError"]
    assert ran.result["state"]["Status"] == "RuntimeError"


def test_a_missing_member_says_to_run_under_lean(tmp_path, invented):
    """A member of Lean's that this engine lacks says what to do, and `hasattr` does not hide it."""
    ran = run_source(tmp_path, HEAD + "        hasattr(self, 'consolidate')\n", data=invented)

    assert "does not support QCAlgorithm.consolidate; run this algorithm under Lean" in ran.result["state"]["RuntimeError"]


def test_a_name_that_nobody_has_is_an_attribute_error(tmp_path, invented):
    """As under Lean: an algorithm may ask whether it has set an attribute of its own."""
    ran = run_source(tmp_path, HEAD + "        self.debug(str(hasattr(self, 'my_count')))\n", data=invented)

    assert "False" in (ran.results / "run-log.txt").read_text()
    assert ran.exit_code == 0


def test_a_model_of_a_missing_kind_fails_at_its_class(tmp_path, invented):
    """A base class that this engine lacks is named when the file is imported, not when the class is first used."""
    ran = run_source(tmp_path, "from AlgorithmImports import *\nclass Mine(AlphaModel): pass\n" + HEAD, data=invented)

    assert "does not support AlphaModel" in ran.result["state"]["RuntimeError"]


@pytest.mark.parametrize(("source", "said"), [
    ("def broken(:\n", "Unable to import python module"),
    ("import nowhere\n", "No module named 'nowhere'"),
    ("from AlgorithmImports import *\n", "no class derived from QCAlgorithm"),
    (HEAD + "        raise ValueError('on purpose')\n", "During the algorithm initialization"),
])
def test_a_job_that_can_not_start_leaves_a_result_that_says_why(source, said, tmp_path, invented):
    """As under Lean: a result file with the error and no statistics, and exit code 1."""
    ran = run_source(tmp_path, source, data=invented)

    assert said in ran.result["state"]["RuntimeError"]
    assert ran.result["statistics"] == {}
    assert ran.exit_code == 1


def test_an_error_in_on_data_ends_the_run_and_keeps_what_was_heard(tmp_path, invented):
    """The events up to the error are written, and the state carries its text and where it was."""
    source = BUY_ONCE + """
        if self.time.day == 6:
            raise ValueError("on purpose")
"""
    ran = run_source(tmp_path, source, data=invented)
    events = json.loads((ran.results / "run-order-events.json").read_text())

    assert [event["status"] for event in events] == ["submitted", "filled"]
    assert "on purpose at OnData" in ran.result["state"]["RuntimeError"]
    assert "algorithm.py" in ran.result["state"]["StackTrace"]
    assert len(ran.result["statistics"]) > 20


def test_an_error_in_on_order_event_ends_the_run_at_the_next_step(tmp_path, invented):
    """As under Lean: its own step is finished, and of the next one prices move and what is pending fills before the check."""
    source = BUY_ONCE + """
        self.log(f"> {self.time}")

    def on_order_event(self, event):
        raise ValueError(f"in the callback, {event.fill_quantity:g}")

    def on_end_of_algorithm(self):
        self.log("> the end")
"""
    ran = run_source(tmp_path, source, data=invented)
    events = json.loads((ran.results / "run-order-events.json").read_text())

    assert [event["status"] for event in events] == ["submitted", "filled"]
    assert "in the callback, 10 at Order Event Handler" in ran.result["state"]["RuntimeError"]
    assert heard(ran) == ["> 2019-03-01 16:00:00"]


def test_a_failing_scheduled_event_is_run_again_with_the_slice(tmp_path, invented):
    """As under Lean: it stays due, the others of its moment wait, and the run ends at the slice's check."""
    source = HEAD + """
        for name in "first", "second":
            self.schedule.on(self.date_rules.on(2019, 3, 4), self.time_rules.noon, lambda name=name: self.fail(name))

    def fail(self, name):
        self.log(f"> {name} {self.time}")
        raise ValueError("on purpose")

    def on_data(self, data):
        self.log(f"> {self.time}")
"""
    assert heard(run_source(tmp_path, source, data=invented)) == [
        "> 2019-03-01 16:00:00", "> first 2019-03-04 12:00:00", "> first 2019-03-04 16:00:00"]


def test_an_error_in_on_splits_ends_the_run_before_on_data(tmp_path, invented):
    """And before orders are looked at again; it is no end that the algorithm hears of."""
    source = HEAD + """
        self.set_start_date(2020, 4, 27)
        self.set_end_date(2020, 4, 30)
        self.add_equity("GAMA", Resolution.DAILY)

    def on_splits(self, splits):
        raise ValueError("on purpose")

    def on_data(self, data):
        self.log(f"> {self.time}")

    def on_end_of_algorithm(self):
        self.log("> the end")
"""
    ran = run_source(tmp_path, source, data=invented)

    assert "on purpose at on_splits" in ran.result["state"]["RuntimeError"]
    assert heard(ran) == ["> 2020-04-27 16:00:00"]


def test_the_newest_slice_is_there_before_orders_are_looked_at(tmp_path, invented):
    """An order event of a fill sees the slice that filled it."""
    source = BUY_ONCE + """
    def on_order_event(self, event):
        newest = self.current_slice
        self.log(f"> {event.fill_quantity:g} {newest.time} {newest[self.a].open == event.fill_price}")
"""
    assert heard(run_source(tmp_path, source, data=invented)) == [
        "> 0 2019-03-01 16:00:00 False", "> 10 2019-03-04 16:00:00 True"]


def test_statistics_of_its_own_come_after_leans(tmp_path, invented):
    """They are printed and kept; none takes the place of one of Lean's."""
    source = HEAD + """
    def on_end_of_algorithm(self):
        self.set_summary_statistic("Best Stock", "ALFA")
        self.set_summary_statistic("Total Orders", "many")
"""
    ran = run_source(tmp_path, source, data=invented)

    assert list(ran.result["statistics"].items())[-1] == ("Best Stock", "ALFA")
    assert ran.result["statistics"]["Total Orders"] == "0"
    assert "STATISTICS:: Best Stock ALFA" in ran.console


def heard(ran) -> list[str]:
    """What an algorithm said by `self.log`, where the line begins with a mark."""
    lines = (ran.results / "run-log.txt").read_text().splitlines()
    return [line[20:] for line in lines if line[20:].startswith("> ")]


def test_a_bad_data_folder_fails_before_the_algorithm_is_loaded(tmp_path):
    """Lean's own words for it, and exit code 1."""
    ran = run_source(tmp_path, "raise SystemExit('must not be imported')", data=tmp_path / "nothing")

    assert "Unable to locate symbol properties file" in ran.result["state"]["RuntimeError"]
    assert ran.exit_code == 1


def test_a_missing_config_file_runs_nothing(tmp_path):
    """Lean falls back to another config; we refuse."""
    from workbench.engines.embedded.__main__ import main

    assert main(["--config", str(tmp_path / "absent.json")]) == 2
    assert list(tmp_path.iterdir()) == []


def test_no_events_no_events_file(tmp_path, invented):
    """The file is absent where nothing was ordered, as Lean's is; the log still reaches its end."""
    ran = run_source(tmp_path, HEAD, data=invented)

    assert not (ran.results / "run-order-events.json").exists()
    assert ran.result["statistics"]["Total Orders"] == "0"
    assert "Engine.Main(): Analysis Completed and Results Posted." in (ran.results / "log.txt").read_text()


def test_print_goes_nowhere_and_the_algorithms_words_to_its_log(tmp_path, invented):
    """As under Lean: stdout is the null device once the algorithm is loaded."""
    source = HEAD + """
        print("swallowed")
        self.debug("said")
        self.log("noted")
        self.error("wrong")
"""
    ran = run_source(tmp_path, source, data=invented)
    words = (ran.results / "run-log.txt").read_text()

    assert "swallowed" not in ran.console
    assert [line[20:] for line in words.splitlines()][:3] == ["said", "noted", "wrong"]


def test_order_events_have_leans_keys_in_leans_order(tmp_path, invented):
    """A fill event of the file, key by key (lean-facts §3.4)."""
    ran = run_source(tmp_path, BUY_ONCE, data=invented)
    fill = json.loads((ran.results / "run-order-events.json").read_text())[1]

    assert list(fill) == ["id", "algorithmId", "orderId", "orderEventId", "symbol", "symbolValue", "symbolPermtick", "time",
                          "status", "orderFeeAmount", "orderFeeCurrency", "fillPrice", "fillPriceCurrency", "fillQuantity",
                          "direction", "isAssignment", "quantity"]
    assert fill["symbol"] == "ALFA X0VCJX7VS19H"
    assert fill["id"] == "run-1-2"


def test_orders_of_the_result_carry_tag_type_and_prices(tmp_path, invented):
    """The order of the result file is found by its id, with the last tag and the average price."""
    ran = run_source(tmp_path, BUY_ONCE, data=invented)
    order = ran.result["orders"]["1"]

    assert (order["type"], order["status"], order["tag"], order["quantity"]) == (4, 3, "first", 10.0)
    assert order["price"] > 0


def test_the_same_config_twice_gives_the_same_events(tmp_path, invented):
    """Nothing of a run depends on the clock or on a hash's order."""
    script = str(GOLDEN / "portable" / "scripts" / "rebalance-default.json")
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        ran = run_algorithm(tmp_path / name, GOLDEN / "order_script.py", data=invented, parameters={"script-path": script})
        files.append((ran.results / "run-order-events.json").read_bytes())

    assert files[0] == files[1]


def test_pascal_case_works_for_calls_and_callbacks(tmp_path, invented):
    """Lean gives every member two names; so do we, and an algorithm may define its callbacks in either."""
    source = HEAD.replace("def initialize", "def Initialize") + """
    def OnData(self, data):
        if not self.Portfolio.Invested and not self.Transactions.OrdersCount:
            self.MarketOrder(self.a, 10)
        assert self.Portfolio.TotalPortfolioValue == self.portfolio.total_portfolio_value
        assert OrderStatus.Filled == OrderStatus.FILLED
"""
    ran = run_source(tmp_path, source, data=invented)

    assert ran.result["state"]["RuntimeError"] == ""
    assert ran.result["statistics"]["Total Orders"] == "1"


def test_pandas_is_not_waited_for_by_an_algorithm_that_does_not_touch_it(tmp_path, invented):
    """`pd` is bound lazily: a run without it does not import pandas."""
    source = HEAD + """
        import sys
        self.debug("pandas.core" in sys.modules and "loaded" or "not loaded")
        self.debug(str(pd.__name__))
"""
    ran = run_source(tmp_path, source, data=invented)
    words = [line[20:] for line in (ran.results / "run-log.txt").read_text().splitlines()]

    assert words[:2] == ["not loaded", "pandas"]


def test_refused_orders_have_no_id_and_no_event(tmp_path, invented):
    """Zero quantity, no data and a late market-on-close: an INVALID ticket, an error in the log, nothing else."""
    source = HEAD.replace('self.set_benchmark(lambda t: 0)', 'self.set_benchmark(lambda t: 0)\n'
                          '        self.z = self.add_equity("ZETA", Resolution.DAILY).symbol\n'
                          '        self.schedule.on(self.date_rules.on(2019, 3, 5), self.time_rules.at(15, 50), self.late)') + """
    def on_data(self, data):
        for ticket in (self.market_order(self.a, 0), self.market_order(self.z, 5)):
            assert ticket.status == OrderStatus.INVALID and ticket.order_id == -10

    def late(self):
        assert self.market_on_close_order(self.a, 1).status == OrderStatus.INVALID
"""
    ran = run_source(tmp_path, source, data=invented)
    log = (ran.results / "log.txt").read_text()

    assert ran.result["state"]["RuntimeError"] == ""
    assert ran.result["orders"] == {}
    assert "has zero quantity" in log
    assert "does not have an accurate price" in log
    assert "MarketOnClose orders must be placed within 00:15:30" in log


def test_config_layers_and_comments_read_as_lean_reads_them(tmp_path):
    """The environment's section lies on top of the root; comments go; a nested environment leads further."""
    path = tmp_path / "config.json"
    path.write_text('{ // a comment\n "environment": "live.paper", "a": 1, "b": "http://x", /* more */'
                    '"environments": {"live": {"a": 2, "environments": {"paper": {"a": 3, "c": true}}}}}')
    flat = layered(read_config(path))

    assert (flat["a"], flat["b"], flat["c"]) == (3, "http://x", True)


def test_a_nested_parameter_is_refused():
    """Lean's launcher crashes on it; we say which."""
    with pytest.raises(BadInput, match="parameter 'x' is nested"):
        parameters_of({"parameters": {"x": {"y": 1}}})


def test_flags_and_numbers_become_text_parameters():
    """Parameters are text; flags are lower case."""
    assert parameters_of({"parameters": {"a": True, "b": 1.5, "c": "t"}}) == {"a": "true", "b": "1.5", "c": "t"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused(value):
    """As C# refuses it."""
    with pytest.raises(ArgumentException, match="non-finite"):
        decimal(value)


def test_an_absurd_number_is_clamped_as_lean_clamps_it():
    """1e30 becomes C#'s largest decimal; the guard, not the engine, is there to stop it."""
    assert decimal(1e30) == Decimal("79228162514264337593543950335")


def test_enums_are_numbers_and_words():
    """Equal to their number, printed by their word, and not ready for JSON."""
    assert OrderStatus.FILLED == 3
    assert f"{OrderType.MARKET_ON_OPEN}" == "MARKET_ON_OPEN"
    assert {OrderStatus.FILLED: "x"}[OrderStatus.Filled] == "x"
    with pytest.raises(TypeError):
        json.dumps(OrderStatus.FILLED)
    with pytest.raises(AttributeError):
        OrderStatus.FILLED.name         # noqa: B018


def test_what_an_algorithm_leaves_open_is_written_out(tmp_path, invented):
    """The process ends without taking itself apart; files, also packed ones, and what was asked for at exit are not lost."""
    run_source(tmp_path, f"""
import atexit, gzip
from pathlib import Path
from AlgorithmImports import *

class Careless(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2020, 3, 2)
        self.set_end_date(2020, 3, 3)
        self.plain, self.packed = open(r"{tmp_path}/plain", "w"), gzip.open(r"{tmp_path}/packed", "wt")
        self.plain.write("a line")
        self.packed.write("a line")
        atexit.register(Path(r"{tmp_path}/exit").write_text, "a line")
""", data=invented)

    assert (tmp_path / "plain").read_text() == "a line"
    assert gzip.decompress((tmp_path / "packed").read_bytes()) == b"a line"
    assert (tmp_path / "exit").read_text() == "a line"
