"""Strategies: by name or from a file, with complete parameters, and errors that say where."""

import hashlib
import math
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from workbench.errors import BadInput, LookAhead, UnknownName
from workbench.market.folder import Market
from workbench.research import signals
from workbench.research.strategies import BUILT_IN, read_weights, strategy

AS_OF = date(2020, 3, 31)


@pytest.fixture(scope="module")
def view(invented):
    """All stocks listed after the close of 2020-03-31."""
    market = Market(invented)
    return market.view(market.universe(AS_OF), AS_OF)


@pytest.fixture
def own(tmp_path):
    """Write a person's own file and give its path."""
    def write(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path
    return write


def decide(view, spec, **parameters):
    """The weights of a strategy, called with the parameters as they are recorded."""
    kept, weights = strategy(str(spec), parameters)
    return weights(view, dict(kept.parameters))


@pytest.mark.parametrize(("name", "complete"), [
    ("equal_weight", {"gross": 1}),
    ("momentum", {"lookback": 252, "skip": 21, "top_n": 3, "gross": 1}),
    ("inverse_volatility", {"lookback": 63, "gross": 1}),
    ("minimum_variance", {"lookback": 126, "gross": 1, "max_weight": Decimal("0.4")}),
])
def test_recorded_parameters_are_complete(name, complete):
    """Every default is written out: a later change of it changes no decision of before."""
    kept, _ = strategy(name)

    assert dict(kept.parameters) == {**complete, "symbols": None}
    assert (kept.name, kept.source) == (name, "built-in")


def test_every_built_in_is_tested():
    """The list above is the list there is."""
    assert set(BUILT_IN) == {"equal_weight", "momentum", "inverse_volatility", "minimum_variance"}


def test_given_parameters_are_read_by_type():
    """Text and Decimals from a command line or a record are the numbers they say."""
    given = {"lookback": "60", "skip": Decimal(5), "top_n": 2.0, "gross": "0.9", "symbols": " aaa, BBB,aaa"}
    kept, _ = strategy("momentum", given)

    assert dict(kept.parameters) == {
        "lookback": 60, "skip": 5, "top_n": 2, "gross": Decimal("0.9"), "symbols": ("AAA", "BBB")}


def test_recorded_parameters_give_the_same_strategy_again():
    """What was recorded can be asked for."""
    kept, _ = strategy("minimum_variance", {"max_weight": 0.35, "symbols": ["ALFA", "BETA"]})
    again, _ = strategy("minimum_variance", dict(kept.parameters))

    assert kept == again


@pytest.mark.parametrize(("spec", "parameters", "told"), [
    ("momentun", {}, "unknown strategy 'momentun'; did you mean 'momentum'"),
    ("momentum", {"lookbak": 60}, "momentum: unknown parameter 'lookbak'; did you mean 'lookback'"),
    ("momentum", {"lookback": 2.5}, "momentum parameter 'lookback': 2.5 is not a whole number; the default is 252"),
    ("momentum", {"lookback": "soon"}, "momentum parameter 'lookback': 'soon' is not a whole number"),
    ("momentum", {"top_n": True}, "momentum parameter 'top_n': True is not a whole number"),
    ("momentum", {"top_n": None}, "momentum parameter 'top_n': None is not a whole number"),
    ("equal_weight", {"gross": math.nan}, "equal_weight parameter 'gross': nan is not a finite number; the default is 1.0"),
    ("equal_weight", {"gross": [1]}, r"equal_weight parameter 'gross': \[1\] is not a finite number"),
    ("equal_weight", {"symbols": 7}, "equal_weight parameter 'symbols': 7 is not a list of tickers"),
    ("equal_weight", {"symbols": []}, "equal_weight parameter 'symbols': the list is empty; leave it out for all symbols"),
    ("equal_weight", {"symbols": ["A B"]}, "equal_weight parameter 'symbols': symbol 'A B' is not a US ticker"),
])
def test_a_wrong_name_or_value_is_told(spec, parameters, told):
    """What, where, and what would be right."""
    with pytest.raises(BadInput, match=told):
        strategy(spec, parameters)


def test_equal_weights_are_for_who_trades(view):
    """All listed on the day, the same for each."""
    weights = decide(view, "equal_weight", gross=0.8)

    assert sorted(view.symbols) == list(weights.index)
    assert weights.tolist() == [0.1] * 8


def test_momentum_takes_the_best(view):
    """The three highest of the very scores that research sees."""
    scores = signals.momentum(view.closes(), 60, 5)
    weights = decide(view, "momentum", lookback=60, skip=5)

    assert set(scores.nlargest(3).index) == set(weights.index)
    assert weights.sum() == pytest.approx(1)


def test_inverse_volatility_is_in_proportion(view):
    """Weight times volatility is the same for each."""
    weights = decide(view, "inverse_volatility", lookback=40)
    products = weights * signals.volatility(view.closes(), 40)

    assert products.max() == pytest.approx(products.min())
    assert weights.sum() == pytest.approx(1)


def test_minimum_variance_is_the_least_of_all_tried(view):
    """Within bounds, and calmer than equal and inverse-volatility weights on the same returns."""
    weights = decide(view, "minimum_variance", lookback=100, gross=0.9, max_weight=0.2)
    covariance = view.returns(100).cov()

    def variance(w):
        return float(w @ covariance.loc[w.index, w.index] @ w)

    assert weights.sum() == pytest.approx(0.9, abs=1e-5)
    assert weights.min() >= 0
    assert weights.max() == pytest.approx(0.2, abs=1e-5)        # of equity, not of the gross
    assert variance(weights) < variance(decide(view, "equal_weight", gross=0.9))
    assert variance(weights) < variance(decide(view, "inverse_volatility", lookback=100, gross=0.9).clip(upper=0.2))


def test_minimum_variance_of_two_is_the_textbooks(view):
    """w = (σ₂² − σ₁₂) / (σ₁² + σ₂² − 2σ₁₂)."""
    weights = decide(view, "minimum_variance", lookback=100, max_weight=1.0, symbols="ALFA,BETA")
    (a, c), (_, b) = view.returns(100)[["ALFA", "BETA"]].cov().to_numpy()

    assert weights["ALFA"] == pytest.approx((b - c) / (a + b - 2 * c), abs=2e-4)


def test_weights_that_cannot_hold_the_gross_are_refused(view):
    """Two names of at most 40 % are 80 %."""
    with pytest.raises(BadInput, match=r"2 symbols of at most 0.4 each can't hold gross 1.0; raise max_weight"):
        decide(view, "minimum_variance", symbols=["ALFA", "BETA"])


@pytest.mark.parametrize("name", ["momentum", "inverse_volatility", "minimum_variance"])
def test_without_enough_history_all_is_cash(view, name):
    """An empty answer is legal; a shorter window would be another strategy."""
    assert decide(view, name, lookback=1000).empty


@pytest.mark.parametrize("name", BUILT_IN)
def test_symbols_pick_the_universe(view, name):
    """Nothing else gets a weight."""
    parameters = {"lookback": 60} if name != "equal_weight" else {}

    assert set(decide(view, name, symbols=["GAMA", "ALFA", "BETA"], **parameters).index) <= {"ALFA", "BETA", "GAMA"}


def test_symbols_are_found_under_their_ticker_of_the_date(invented):
    """EPSI by name, EPSO on the day."""
    market = Market(invented)
    day = date(2019, 6, 3)
    seen = market.view(market.universe(day, ["EPSI", "ZETA"]), day)

    assert decide(seen, "equal_weight", symbols=["EPSI", "ZETA"]).to_dict() == {"EPSO": 1.0}


def test_symbols_that_the_view_lacks_are_not_listed_yet(invented):
    """A list for two years works from the first day on: ZETA joins when it can be traded."""
    market = Market(invented)
    day = date(2019, 6, 3)
    seen = market.view([market.instrument("ALFA", day)], day)

    assert decide(seen, "equal_weight", symbols=["ALFA", "ZETA"]).to_dict() == {"ALFA": 1.0}
    assert decide(seen, "equal_weight", symbols=["ZETA"]).empty


def test_a_persons_own_function_decides(view, own):
    """Called with the view and its parameters as floats and lists; filed under the file's stem."""
    path = own("""\
import pandas as pd

def weights(view, params):
    assert type(params["share"]) is float and params["names"] == ["BETA", "ALFA"]
    return pd.Series(params["share"], params["names"])
""")
    kept, weights = strategy(f"{path}:weights", {"share": 0.25, "names": ["BETA", "ALFA"]})

    assert (kept.name, kept.source) == ("mine", "mine.py:weights")
    assert kept.parameter("source_sha256") == hashlib.sha256(path.read_bytes()).hexdigest()
    assert weights(view, dict(kept.parameters)).to_dict() == {"ALFA": 0.25, "BETA": 0.25}


def test_another_function_has_its_own_name(view, own):
    """`stem.function`, so that two strategies of one file are filed apart; `:weights` may be left out."""
    path = own("import pandas as pd\ndef weights(view, params): return pd.Series(dtype=float)\ncautious = weights\n")

    assert strategy(f"{path}:cautious")[0].name == "mine.cautious"
    assert strategy(str(path))[0].name == "mine"
    assert decide(view, path).empty


def test_a_files_parameters_are_checked_like_a_built_ins(own):
    """Names, types and defaults from `PARAMETERS`."""
    path = own("PARAMETERS = {'lookback': 60, 'calm': True, 'tickers': ['A']}\ndef weights(view, params): ...\n")

    assert {"lookback": 60, "calm": False, "tickers": ("A",), "symbols": None}.items() <= dict(
        strategy(str(path), {"calm": "false"})[0].parameters).items()
    with pytest.raises(UnknownName, match="unknown parameter 'lookbak'; did you mean 'lookback'"):
        strategy(str(path), {"lookbak": 5})
    with pytest.raises(BadInput, match="parameter 'calm': 'perhaps' is not true or false"):
        strategy(str(path), {"calm": "perhaps"})


@pytest.mark.parametrize(("default", "given", "kept"), [
    ("None", "x", "x"), ("None", 3, 3), ("'mean'", "median", "median"), ("('a', 'b')", "c,d", ("c", "d")),
    ("['a']", ["e"], ("e",)),
])
def test_a_default_gives_its_parameter_a_kind(own, default, given, kept):
    """Text stays text, a list stays a list, and a default of None takes anything."""
    path = own(f"PARAMETERS = {{'how': {default}}}\ndef weights(view, params): ...\n")

    assert strategy(str(path), {"how": given})[0].parameter("how") == kept


@pytest.mark.parametrize(("default", "given", "told"), [("'mean'", 3, "3 is not text"), ("['a']", 3, "3 is not a list")])
def test_a_value_of_another_kind_is_refused(own, default, given, told):
    """With the default as an example of what is wanted."""
    path = own(f"PARAMETERS = {{'how': {default}}}\ndef weights(view, params): ...\n")

    with pytest.raises(BadInput, match=f"parameter 'how': {told}; the default is"):
        strategy(str(path), {"how": given})


def test_a_changed_file_is_not_the_recorded_one(own):
    """The sha256 among recorded parameters is held against the file."""
    path = own("def weights(view, params): ...\n")
    kept, _ = strategy(str(path))
    own("def weights(view, params): pass\n")

    with pytest.raises(BadInput, match=r"the file is not the one recorded .*; restore it, or decide anew"):
        strategy(str(path), dict(kept.parameters))


@pytest.mark.parametrize(("text", "told"), [
    ("one = 1\n\ndef weights(view, params):\n    return one / 0\n", ":4: ZeroDivisionError: division by zero"),
    ("def weights(view, params):\n    return params['none']\n", ":2: KeyError: 'none'"),
    ("def weights(view, params):\n    return {'ALFA': 1}\n", ":weights: a strategy answers with a pandas Series"),
    ("def weights(view, params):\n    return view.closes().iloc[-1] * float('nan')\n", ":weights: the weight of ALFA is nan"),
])
def test_errors_of_a_persons_code_have_a_place(view, own, text, told):
    """File and line, as an editor takes them."""
    path = own(text)

    with pytest.raises(BadInput) as refused:
        decide(view, path)

    assert str(refused.value).startswith(f"{path}{told}")


@pytest.mark.parametrize(("text", "told"), [
    ("def weights(view, params)\n", ":1: SyntaxError: expected ':'"),
    ("x = 1\nimport nothing_of_the_kind\n", ":2: ModuleNotFoundError: No module named 'nothing_of_the_kind'"),
    ("def weigths(view, params): ...\n", ": unknown function 'weights'; did you mean 'weigths'"),
    ("def weights(view): ...\n", ": weights must take two arguments, (view, params)"),
    ("weights = 7\n", ": unknown function 'weights'; known: none"),
    ("PARAMETERS = ['lookback']\ndef weights(view, params): ...\n", ": PARAMETERS must be a dict of names and defaults"),
])
def test_a_file_that_is_no_strategy_is_refused(own, text, told):
    """Before anything is decided."""
    path = own(text)

    with pytest.raises(BadInput) as refused:
        strategy(str(path))

    assert str(refused.value).startswith(f"{path}{told}")


def test_looking_ahead_stays_what_it_is(view, own):
    """Our own errors pass through a person's code unchanged."""
    path = own("def weights(view, params):\n    return view.close('ALFA', '2020-04-01')\n")

    with pytest.raises(LookAhead):
        decide(view, path)


def test_a_missing_file_is_named(tmp_path):
    """And so is a name that no folder could have."""
    with pytest.raises(BadInput, match=r"none\.py: no such file"):
        strategy(str(tmp_path / "none.py"))
    (tmp_path / "my file.py").write_text("def weights(view, params): ...\n")
    with pytest.raises(BadInput, match="strategy name 'my file' must be letters"):
        strategy(str(tmp_path / "my file.py"))


def test_a_parameter_without_exact_form_is_refused(own):
    """It could not be recorded, and so not repeated."""
    path = own("def weights(view, params): ...\n")

    with pytest.raises(BadInput, match=r"mine.py:weights parameters: nan is not a finite number"):
        strategy(str(path), {"x": math.nan})
    with pytest.raises(BadInput, match=r"mine.py:weights parameters: \{'a': 1\}: a parameter is a number, text"):
        strategy(str(path), {"x": {"a": 1}})


def test_a_table_of_weights_is_read_by_date(tmp_path):
    """In any order of rows; symbols as they are traded; a weight of zero is one."""
    path = tmp_path / "w.csv"
    path.write_text("Symbol,Weight,Date\nbeta,-0.25,2020-02-03\nALFA,0.5,2020-01-02\nALFA,0,2020-02-03\n")
    found = read_weights(path)

    assert list(found) == [date(2020, 1, 2), date(2020, 2, 3)]
    assert found[date(2020, 2, 3)].to_dict() == {"ALFA": 0.0, "BETA": -0.25}


def test_a_parquet_table_of_weights_is_read_too(tmp_path):
    """With real dates in it."""
    rows = {"date": [pd.Timestamp("2020-01-02"), date(2020, 1, 2)], "symbol": ["B", "A"], "weight": [0.25, 1]}
    pd.DataFrame(rows).astype({"date": "datetime64[ns]"}).to_parquet(tmp_path / "w.parquet")

    assert read_weights(tmp_path / "w.parquet")[date(2020, 1, 2)].to_dict() == {"A": 1.0, "B": 0.25}


@pytest.mark.parametrize(("row", "told"), [
    ("2020-13-01,ALFA,0.5", "row 3 column 'date': '2020-13-01' is not a date; write it as YYYY-MM-DD"),
    ("2020-01-02,AL FA,0.5", "row 3 column 'symbol': symbol 'AL FA' is not a US ticker"),
    ("2020-01-02,,0.5", "row 3 column 'symbol': symbol is empty"),
    ("2020-01-02,BETA,half", "row 3 column 'weight': 'half' is not a number"),
    ("2020-01-02,BETA,", "row 3 column 'weight': '' is not a number"),
    ("2020-01-02,BETA,inf", "row 3 column 'weight': 'inf' is not a number"),
    ("2020-01-02,alfa,0.5", "row 3 column 'symbol': 'ALFA' is there twice on 2020-01-02; keep one row"),
    ("2020-01-02,BETA", "row 3: 2 cells under a header of 3"),
])
def test_a_bad_weight_is_named(tmp_path, row, told):
    """File, row, column and value."""
    path = tmp_path / "w.csv"
    path.write_text(f"date,symbol,weight\n2020-01-02,ALFA,0.5\n{row}\n")

    with pytest.raises(BadInput) as refused:
        read_weights(path)

    assert str(refused.value).startswith(f"{path} {told}")
