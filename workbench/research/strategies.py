"""Strategies by name: what turns a view into weights, with the parameters that make it one decision and not another.

    equal_weight             the same weight for every symbol
    momentum                 the best of the last year, equally
    inverse_volatility       the calmer, the more
    minimum_variance         the long-only mix with the least variance (skfolio)
    my_file.py:weights       a person's own `weights(view, params) -> Series`, from a file; `:weights` may be left out

A built-in's parameters are its keyword arguments: their types and defaults are the table that given values are read
against. `symbols` is common to all: the tickers to choose from, by default all that the view has.
"""

import inspect
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, UnknownName
from workbench.market.table import read_table
from workbench.market.view import View
from workbench.research import own, portfolio, signals
from workbench.research.parameters import SYMBOLS, complete, frozen
from workbench.words import instrument
from workbench.words.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd

Weights = Callable[[View, Mapping[str, Any]], "pd.Series[float]"]

PLACES = 6                      # of an optimiser's weights: below that they are its tolerance, not its answer
WEIGHT_COLUMNS = {"date": ("rebalance_date",), "symbol": ("ticker",), "weight": ("target_weight",)}


def equal_weight(view: View, *, gross: float = 1.0) -> "pd.Series[float]":
    """The same weight for every symbol with a close at `as_of`."""
    return portfolio.equal(_priced(view), gross)


def momentum(view: View, *, lookback: int = 252, skip: int = 21, top_n: int = 3, gross: float = 1.0) -> "pd.Series[float]":
    """Equal weights for the `top_n` highest total returns over `lookback` sessions but the last `skip` (`signals.momentum`)."""
    scores = signals.momentum(view.closes(lookback=lookback + 1), lookback, skip)
    return portfolio.equal(portfolio.top(scores[_priced(view)], top_n), gross)


def inverse_volatility(view: View, *, lookback: int = 63, gross: float = 1.0) -> "pd.Series[float]":
    """Weights in proportion to 1 / volatility over `lookback` sessions (`signals.volatility`)."""
    return portfolio.inverse_volatility(signals.volatility(view.closes(lookback=lookback + 1), lookback), gross)


def minimum_variance(view: View, *, lookback: int = 126, gross: float = 1.0, max_weight: float = 0.4) -> "pd.Series[float]":
    """The long-only weights of least sample variance over `lookback` daily returns, none above `max_weight`, `gross` in all.

    Symbols without a close on each of those sessions are left out. Raises `BadInput` when the rest can't hold `gross`.
    """
    import pandas as pd

    portfolio.require_gross(gross)
    returns = view.returns(lookback).dropna(axis="columns")
    if returns.empty or len(returns) < lookback:
        return portfolio.equal((), gross)
    if max_weight * len(returns.columns) < gross:
        raise BadInput(f"{len(returns.columns)} symbols of at most {max_weight} each can't hold gross {gross}",
                       remedy="raise max_weight, lower gross, or widen the universe")
    from skfolio.optimization import MeanRisk

    model = MeanRisk(min_weights=0.0, max_weights=min(1.0, max_weight / gross)).fit(returns)
    return pd.Series(model.weights_ * gross, index=returns.columns, dtype=float).clip(lower=0.0).round(PLACES)


BUILT_IN: Mapping[str, Callable[..., "pd.Series[float]"]] = MappingProxyType({
    function.__name__: function for function in (equal_weight, momentum, inverse_volatility, minimum_variance)
})


def strategy(spec: str, parameters: Mapping[str, Any] | None = None) -> tuple[Strategy, Weights]:
    """A strategy by name or `file.py:function`, and the callable that answers `weights(view, params)`.

    The strategy's parameters are complete: defaults are filled in, and a file's own sha256 is among them. The callable
    takes them as a mapping, in whatever exact form they were kept. Raises `UnknownName` for a strategy or parameter that
    does not exist and `BadInput` for a value of the wrong kind.
    """
    given = dict(parameters or {})
    path, function = _file(spec)
    return _built_in(spec, given) if path is None else _own(path, function, given)


def read_weights(path: Path | str) -> dict[date, "pd.Series[float]"]:
    """A table of weights, CSV or Parquet with columns date, symbol, weight: by rebalance date, a Series by symbol.

    Raises `BadInput` naming file, row and column for what is not a date, a ticker or a finite number, and for a symbol twice
    on a date.
    """
    import pandas as pd

    table = read_table(Path(path), WEIGHT_COLUMNS, tuple(WEIGHT_COLUMNS))
    days, values = table.dates("date").tolist(), table.numbers("weight").tolist()
    found: dict[date, dict[str, float]] = {}
    symbols: dict[str, str] = {}
    for day, value, (row, text) in zip(days, values, table.cells("symbol"), strict=True):
        symbol = symbols.get(text) or symbols.setdefault(text, instrument.symbol(text, where=table.place(row, "symbol")))
        if symbol in found.setdefault(day, {}):
            raise table.refuse(row, "symbol", symbol, f"there twice on {day}", "keep one row")
        found[day][symbol] = value
    return {day: pd.Series(found[day], dtype=float, name="weight").sort_index() for day in sorted(found)}


def _priced(view: View) -> list[str]:
    """The symbols that traded at `as_of`."""
    last = view.closes(adjusted=False, lookback=1).iloc[-1]
    return [str(symbol) for symbol in last.index[last.notna()]]


def _file(spec: str) -> tuple[Path | None, str]:
    """The file and function of `file.py:function`; no file for any other spec."""
    name, colon, function = spec.rpartition(":")
    if colon and name.endswith(".py"):
        return Path(name), function
    return (Path(spec), own.USUAL) if spec.endswith(".py") else (None, "")


def _built_in(name: str, given: Mapping[str, Any]) -> tuple[Strategy, Weights]:
    if name not in BUILT_IN:
        raise UnknownName("strategy", name, [*BUILT_IN, "my_file.py:weights"])
    function = BUILT_IN[name]
    defaults = {one.name: one.default for one in inspect.signature(function).parameters.values() if one.name != "view"}
    kept = Strategy(name=name, source="built-in", parameters=frozen(complete(given, defaults, where=name), where=name))

    def weights(view: View, params: Mapping[str, Any]) -> "pd.Series[float]":
        values = complete(params, defaults, where=name)
        seen = _seen(view, values.pop(SYMBOLS))
        return portfolio.checked(function(seen, **values), seen.symbols, where=name)

    return kept, weights


def _own(path: Path, function: str, given: Mapping[str, Any]) -> tuple[Strategy, Weights]:
    loaded = own.load(path, function)
    kept = Strategy(name=loaded.name, source=f"{path.name}:{function}",
                    parameters=frozen(loaded.parameters(given), where=loaded.place))

    def weights(view: View, params: Mapping[str, Any]) -> "pd.Series[float]":
        values = loaded.parameters(params)
        seen = _seen(view, values[SYMBOLS])
        return portfolio.checked(loaded.answer(seen, values), seen.symbols, where=loaded.place)

    return kept, weights


def _seen(view: View, symbols: tuple[str, ...] | None) -> View:
    """The view of the symbols asked for. One that the view lacks was not listed by then: who made the view knew its name."""
    return view if symbols is None else view.only(symbol for symbol in symbols if symbol in view)
