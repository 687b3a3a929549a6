"""From scores to weights: signed fractions of equity, a Series by symbol. What is left of 1 is cash."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import BadInput, UnknownName

if TYPE_CHECKING:
    import pandas as pd


def top(scores: "pd.Series[float]", n: int) -> tuple[str, ...]:
    """The symbols of the `n` highest scores, best first; of equal ones the earlier in the alphabet. NaN is no score."""
    if n < 1:
        raise BadInput(f"top {n}: at least one must be wanted")
    known = scores.dropna().sort_index().sort_values(ascending=False, kind="stable")
    return tuple(map(str, known.index[:n]))


def equal(symbols: Iterable[str], gross: float = 1.0) -> "pd.Series[float]":
    """The same weight for each: gross / count. No symbols, no weights."""
    import pandas as pd

    names = sorted(symbols)
    return pd.Series(require_gross(gross) / max(len(names), 1), index=names, dtype=float)


def inverse_volatility(volatility: "pd.Series[float]", gross: float = 1.0) -> "pd.Series[float]":
    """Weights in proportion to 1 / volatility, adding up to `gross`; symbols without a volatility get none.

    Raises `BadInput` for a volatility of zero: a price that never moves is missing data, not a safe stock.
    """
    known = volatility.dropna().sort_index()
    flat = [str(symbol) for symbol in known.index[known <= 0]]
    if flat:
        raise BadInput(f"the price of {', '.join(flat)} did not move at all", remedy="leave it out, or mend its data")
    inverse = 1 / known
    return inverse * (require_gross(gross) / inverse.sum()) if len(inverse) else inverse


def checked(answer: Any, symbols: Iterable[str], *, where: str) -> "pd.Series[float]":
    """A strategy's answer as float weights sorted by symbol. It may be empty: all cash.

    Raises `BadInput` for what is not a Series of finite numbers, one a symbol, and `UnknownName` for a symbol that the
    strategy was not shown.
    """
    import pandas as pd

    known = dict.fromkeys(symbols)
    if not isinstance(answer, pd.Series):
        raise BadInput(f"a strategy answers with a pandas Series of weights by symbol, not {type(answer).__name__}",
                       where=where)
    for symbol in answer.index:
        if symbol not in known:
            raise UnknownName("symbol", str(symbol), tuple(known), where=where)
    twice = answer.index[answer.index.duplicated()]
    if len(twice):
        raise BadInput(f"two weights for {twice[0]}", where=where)
    weights = pd.to_numeric(answer, errors="coerce").astype(float)
    finite = np.isfinite(weights.to_numpy())
    if not finite.all():
        at = int(np.argmin(finite))
        raise BadInput(f"the weight of {answer.index[at]} is {answer.tolist()[at]!r}, not a finite number", where=where)
    return weights.sort_index().rename("weight")


def require_gross(gross: float) -> float:
    """A gross exposure: finite and above zero, 1 being all of the equity. Raises `BadInput` for another number."""
    if not (np.isfinite(gross) and gross > 0):
        raise BadInput(f"gross {gross!r} must be a number above zero: 1 is all of the equity")
    return float(gross)
