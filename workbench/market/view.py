"""What a strategy may see: prices up to one session's close, and nothing later."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, LookAhead, MissingPrice, UnknownName
from workbench.market.bars import SCALE, Bars
from workbench.market.calendar import Calendar
from workbench.market.corporate import CorporateAction

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
PRICES = ("open", "high", "low", "close")


class View:
    """Raw and adjusted prices of some symbols as they were known after the close of session `as_of`.

    It holds nothing later: bars are cut when it is made, and `actions` are those in force by then. Prices are floats, in
    dollars. `later` leads from the ticker a symbol's company ends with to the symbol.
    """

    def __init__(
        self, *, as_of: date, calendar: Calendar, bars: Mapping[str, Bars],
        actions: Mapping[str, tuple[CorporateAction, ...]], later: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.as_of = as_of
        self.symbols = tuple(bars)
        self._calendar = calendar
        self._bars = {symbol: held.between(None, as_of) for symbol, held in bars.items()}
        self._actions = {symbol: actions[symbol] for symbol in bars}
        self._later = later
        self._tables: dict[bool, pd.DataFrame] = {}

    def __repr__(self) -> str:
        return f"View({len(self.symbols)} symbols as of {self.as_of})"

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._bars or self._later.get(str(symbol)) in self._bars

    def only(self, symbols: Iterable[str]) -> "View":
        """The same view of some of its symbols, also asked for by their later tickers.

        Raises `UnknownName` for one it does not have.
        """
        names = [symbol if symbol in self._bars else self._later.get(symbol, symbol) for symbol in symbols]
        chosen = {symbol: self._held(symbol) for symbol in names}
        return View(as_of=self.as_of, calendar=self._calendar, bars=chosen, actions=self._actions, later=self._later)

    def closes(self, adjusted: bool = True, lookback: int | None = None) -> "pd.DataFrame":
        """Daily closes: index the sessions up to `as_of`, a column a symbol; NaN where a symbol has no bar.

        The last `lookback` sessions, or all since the first bar of any symbol. Adjusted closes are what a holder earned:
        a dividend multiplies every earlier close by 1 − dividend / close before it, a split by its ratio; only what was in
        force by `as_of` counts, so the last row is the raw close.
        """
        if adjusted not in self._tables:
            self._tables[adjusted] = self._table(adjusted)
        table = self._tables[adjusted]
        if lookback is None:
            return table.copy()
        count = _count("lookback", lookback)
        return table.iloc[-count:].copy() if count <= len(table) else self._longer(table, count)

    def returns(self, lookback: int) -> "pd.DataFrame":
        """Daily total returns of the last `lookback` sessions, as fractions: adjusted close / the one before − 1."""
        closes = self.closes(lookback=_count("lookback", lookback) + 1)
        return closes.pct_change(fill_method=None).iloc[1:]

    def close(self, symbol: str, day: date | str | None = None) -> float:
        """The raw close of a session, by default of `as_of`.

        Raises `LookAhead` for a later day, `NotASession` for a day without trading, and `MissingPrice` where that session
        has no bar.
        """
        wanted = self._allowed(self.as_of if day is None else day)
        held = self._held(symbol)
        self._calendar.require(wanted)
        row = held.row(wanted)
        if row is None:
            earlier = held.between(None, wanted)
            raise MissingPrice(symbol, wanted, earlier.days[-1].item() if len(earlier) else None)
        return float(held.close[row] / SCALE)

    def bars(self, symbol: str) -> "pd.DataFrame":
        """All raw daily bars of one symbol: index the dates, columns open, high, low, close (dollars) and volume (shares).

        Raises `MissingPrice` where there is none.
        """
        import pandas as pd

        held = self._held(symbol)
        if not len(held):
            raise MissingPrice(symbol, self.as_of)
        data: dict[str, Any] = {name: getattr(held, name) / SCALE for name in PRICES}
        return pd.DataFrame({**data, "volume": held.volume}, index=_index(held.days))

    def _held(self, symbol: str) -> Bars:
        if symbol not in self._bars:
            raise UnknownName("symbol", symbol, self.symbols, where=repr(self))
        return self._bars[symbol]

    def _allowed(self, day: date | str) -> date:
        """The day as a date; `LookAhead` when it is after `as_of`."""
        wanted = _date(day)
        if wanted > self.as_of:
            raise LookAhead(wanted, self.as_of)
        return wanted

    def _table(self, adjusted: bool) -> "pd.DataFrame":
        import pandas as pd

        starts = [held.days[0] for held in self._bars.values() if len(held)]
        first = min(starts).item() if starts else self.as_of
        sessions = np.array(self._calendar.sessions(first, self.as_of), "datetime64[D]")
        values = np.full((len(sessions), len(self.symbols)), np.nan)
        placed: dict[bytes, NDArray[np.intp]] = {}          # most stocks have bars on the same dates
        for column, symbol in enumerate(self.symbols):
            held = self._bars[symbol]
            dates = held.days.tobytes()
            if dates not in placed:
                placed[dates] = _rows_among(sessions, held, symbol)
            closes = held.close / SCALE
            values[placed[dates], column] = closes * self._factors(symbol) if adjusted else closes
        return pd.DataFrame(values, index=_index(sessions), columns=list(self.symbols))

    def _factors(self, symbol: str) -> Floats:
        """What each raw close is multiplied by: the product of all adjustments that came after it."""
        held = self._bars[symbol]
        factors = np.ones(len(held))
        for action in self._actions[symbol]:
            factors[:int(np.searchsorted(held.days, np.datetime64(action.ex_date, "D")))] *= float(action.adjustment)
        return factors

    def _longer(self, table: "pd.DataFrame", count: int) -> "pd.DataFrame":
        """The table begun earlier, without prices: `count` rows, or as many as the calendar has sessions."""
        days = self._calendar.sessions(self._calendar.first, self.as_of)[-count:]
        return table.reindex(_index(np.array(days, "datetime64[D]")))


def _date(day: date | str) -> date:
    """A date from a date, a timestamp, or text YYYY-MM-DD."""
    if isinstance(day, date):
        return day.date() if isinstance(day, datetime) else day
    try:
        return date.fromisoformat(day)
    except (TypeError, ValueError):
        raise BadInput(f"{day!r} is not a date YYYY-MM-DD") from None


def _count(name: str, value: int) -> int:
    """A whole number of sessions above zero."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise BadInput(f"{name} must be a whole number of sessions above zero, not {value!r}")
    return int(value)


def _index(days: NDArray[np.datetime64]) -> "pd.DatetimeIndex":
    import pandas as pd

    return pd.DatetimeIndex(days.astype("datetime64[ns]"), name="session")


def _rows_among(sessions: NDArray[np.datetime64], held: Bars, symbol: str) -> NDArray[np.intp]:
    """Where each bar's date is among the sessions. Raises `BadInput` for a date that is none."""
    rows = np.searchsorted(sessions, held.days)
    if rows[rows < len(sessions)].size < len(held) or not np.array_equal(sessions[rows], held.days):
        stray = np.setdiff1d(held.days, sessions)[0]
        raise BadInput(f"{symbol} has a bar on {stray}, which is not a session", remedy="`workbench data check` lists such bars")
    return rows
