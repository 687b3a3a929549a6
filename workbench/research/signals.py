"""Numbers by which symbols are compared. Each is a Series by symbol; NaN where the window lacks a close, never a guess."""

from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

SESSIONS_A_YEAR = 252


def momentum(closes: "pd.DataFrame", lookback: int, skip: int = 0) -> "pd.Series[float]":
    """Total return over the `lookback` sessions before the last row, leaving out the last `skip` of them.

    P(T − skip) / P(T − lookback) − 1, T the last row; `closes` are adjusted, index sessions, a column a symbol. "12 − 1
    months" is lookback 252, skip 21. NaN without `lookback` + 1 rows, or without a close at either end.
    """
    if not 0 <= skip < lookback:
        raise BadInput(f"skip {skip} must be at least 0 and less than lookback {lookback}")
    if len(closes) <= lookback:
        return _series(np.nan, closes)
    return closes.iloc[-1 - skip] / closes.iloc[-1 - lookback] - 1


def volatility(closes: "pd.DataFrame", lookback: int, *, log: bool = True) -> "pd.Series[float]":
    """Annualised standard deviation of the last `lookback` daily returns.

    √252 · √(Σ (r − r̄)² / (n − 1)), n = `lookback`, r = ln(P(t) / P(t − 1)), or P(t) / P(t − 1) − 1 with `log` False; `closes`
    as in `momentum`. NaN where one of the n + 1 closes is missing.
    """
    if lookback < 2:
        raise BadInput(f"lookback {lookback} must be at least 2: one return has no deviation")
    if len(closes) <= lookback:
        return _series(np.nan, closes)
    prices = closes.iloc[-1 - lookback:].to_numpy(dtype=float)
    growth = prices[1:] / prices[:-1]
    returns = np.log(growth) if log else growth - 1
    return _series(returns.std(axis=0, ddof=1) * np.sqrt(SESSIONS_A_YEAR), closes)


def _series(values: Any, closes: "pd.DataFrame") -> "pd.Series[float]":
    import pandas as pd

    return pd.Series(values, index=closes.columns, dtype=float)
