"""The Python face of the embedded engine against recordings of real Lean: what expressions evaluate to in a running algorithm.

`api_probe.py` evaluates the expressions of `api_expressions.json` at four moments; `portable/api.jsonl` is what Lean
answered. Type and text must be equal, of errors their type and text.
"""

import ast
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from tests.engine_fixtures import COMPARED, GOLDEN, recorded, run_algorithm
from workbench.engines.embedded import imports, names
from workbench.engines.embedded.clr import CLRMetatype, LeanEnum
from workbench.engines.embedded.enums import BrokerageName

pytestmark = pytest.mark.golden

PYTHONNET = "how the bridge between .NET and Python shows itself, not the algorithm's business"
FRAMEWORK = "the Algorithm Framework is left out: decisions are made in notebooks"
INDICATORS = "indicators are left out: signals are made in notebooks"
STATISTICS = "statistics are in the result file; the algorithm itself is not told them"
SUGGESTION = "Lean suggests near names of .NET's after the same text"
OVERFLOW = "an order of C#'s largest decimal overflows Lean's own arithmetic and stays NEW; here its margin is refused"
CALENDAR = "Lean's trading calendar is left out; `exchange.hours` answers the same questions"

# What is not equal and will not be, each with its reason.
LEFT_OUT = {
    "math": "which build of Python has the module built in",
    "self.SetCash": PYTHONNET,
    "self.train": PYTHONNET,
    "self.quit": PYTHONNET,
    "type(data.time)": PYTHONNET,
    "self.utc_time.tzinfo": PYTHONNET,
    "self.sma(a, 20)": INDICATORS,
    "self.rsi(a, 14).is_ready": INDICATORS,
    "self.ema(a, 5).current.value": INDICATORS,
    "self.runtime_error": SUGGESTION,
    'self.runtime_statistic("a", "b")': SUGGESTION,
    "event.status.name": SUGGESTION,
    'self.market_on_open_order(a, 1e30, tag="huge")': OVERFLOW,
    "[str(o.status) for o in self.transactions.get_orders()]": OVERFLOW,
    "len(self.trading_calendar.get_days_by_type(TradingDayType.PUBLIC_HOLIDAY, datetime(2019, 1, 1), datetime(2019, 12, 31)))":
        CALENDAR,
    "self.emit_insights": FRAMEWORK,
    "self.insights": FRAMEWORK,
    "self.statistics": STATISTICS,
    "self.statistics.total_performance.portfolio_statistics.sharpe_ratio": STATISTICS,
    "self.trade_builder.closed_trades": STATISTICS,
}
EQUAL, ALL = 434, 455

# Members of the face that are the engine's own and that no algorithm calls.
OWN = {
    **{f"{name}TimeInForce": {"expired", "good_til_date"} for name in ("", "Day", "GoodTilCanceled", "GoodTilDate")},
    "AlgorithmSettings": {"sizes", "free", "check"}, "UpdateOrderFields": {"check"},
    "DefaultBrokerageModel": {"refusal", "update_refusal", "check", "brokerage"},
    "InteractiveBrokersBrokerageModel": {"refusal", "update_refusal", "check", "brokerage"},
    "SecurityManager": {"subscribe", "find"}, "CashAmount": {"to_string"},     # which Lean's has, and the stubs leave out
    "FuncDateRule": {"days"}, "FuncTimeRule": {"moments"}, "ScheduledEvent": {"skip_before", "step", "begin"},
    "ConstantFeeModel": {"exact_fee"}, "InteractiveBrokersFeeModel": {"exact_fee", "PER_SHARE", "LEAST", "MOST"},
    "NullSlippageModel": {"exact_slippage"}, "ConstantSlippageModel": {"exact_slippage"},
    "VolumeShareSlippageModel": {"exact_slippage"}, "TradeBar": {"of"},
    "FillModel": {"rules"}, "EquityFillModel": {"rules"}, "ImmediateFillModel": {"rules"},
}
# Python's own words for a dictionary, which Lean's dictionaries speak too.
DICTIONARY = {"keys", "values", "items", "get", "count", "contains_key", "try_get_value", "get_value"}


# The classes that stand for types of Lean's.
FACE = sorted({value for room in imports.ROOMS for name, value in vars(room).items()
               if isinstance(value, CLRMetatype) and value.clr_name and value.__name__ == name}, key=lambda kind: kind.__name__)


@pytest.fixture(scope="module")
def answers(tmp_path_factory, invented):
    """Lean's lines beside ours."""
    ran = run_algorithm(tmp_path_factory.mktemp("api"), GOLDEN / "api_probe.py", data=invented,
                        parameters={"expressions-path": str(GOLDEN / "api_expressions.json")})
    expected = recorded(GOLDEN / "portable" / "api.jsonl")
    assert [(line["moment"], line["expr"]) for line in expected] == [(line["moment"], line["expr"]) for line in ran.lines]
    return list(zip(expected, ran.lines, strict=True))


def told(line: dict[str, Any]) -> str:
    """One line in words."""
    return f"{line.get('type') or line['error']}: {line['value']}"


def test_every_expression_in_scope_is_what_lean_says(answers, record_property):
    """Type and text of each value, of each error; the number of equals is the one written down."""
    different = [(lean, ours) for lean, ours in answers if lean != ours]
    report = [f"{lean['moment']}: {lean['expr']}\n  Lean {told(lean)}\n  ours {told(ours)}" for lean, ours in different
              if lean["expr"] not in LEFT_OUT]
    record_property(f"{COMPARED}API lines", [len(answers) - len(different), len(answers)])

    assert report == []
    assert (len(answers) - len(different), len(answers)) == (EQUAL, ALL)


def test_what_is_left_out_differs(answers):
    """The list of exceptions holds nothing that is equal by now."""
    different = {lean["expr"] for lean, ours in answers if lean != ours}

    assert LEFT_OUT.keys() == different


@pytest.mark.parametrize("kind", [kind for kind in FACE if not issubclass(kind, LeanEnum)], ids=lambda kind: kind.__name__)
def test_the_face_has_no_member_that_lean_has_not(kind):
    """What an algorithm may call here it may call there; a name of our own would run here only."""
    shown = {name for base in kind.__mro__ if base.__module__.startswith("workbench.") for name in vars(base)
             if not name.startswith("_") and name != "clr_name"}

    assert shown <= names.members()[kind.__name__] | OWN.get(kind.__name__, set()) | DICTIONARY


@pytest.mark.parametrize("kind", [kind for kind in FACE if issubclass(kind, LeanEnum)], ids=lambda kind: kind.__name__)
def test_enums_have_leans_names_and_numbers(kind):
    """As Lean's editor stubs list them, all of them; of the brokers the names, for the stubs count those wrongly."""
    namespace = names.namespaces()[kind.__name__]
    stub = Path(str(distribution("quantconnect-stubs").locate_file(namespace.replace(".", "/")))) / "__init__.pyi"
    found = next(node for node in ast.parse(stub.read_text()).body
                 if isinstance(node, ast.ClassDef) and node.name == kind.__name__)
    listed = {node.targets[0].id: ast.literal_eval(node.value) for node in found.body
              if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}

    if kind is BrokerageName:
        assert kind.__members__.keys() <= listed.keys()
    else:
        assert listed == {name: member._value_ for name, member in kind.__members__.items()}
