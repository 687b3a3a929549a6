"""A subscribed stock in the core: its newest real bar, its models, and what the account holds of it."""

from datetime import date, datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any

import numpy as np

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.columns import ONE, Columns
from workbench.engines.embedded.enums import DataNormalizationMode, Resolution


class Tape:
    """Where the run is: the step every security looks up its own row for. -1 is before the first bar."""

    __slots__ = ("ends", "starts", "step")

    def __init__(self, starts: list[datetime], ends: list[datetime]) -> None:
        self.starts, self.ends = starts, ends       # wall-clock start and end of each step's bar
        self.step = -1


class Security:
    """State that the tape moves from bar to bar. Quantities are signed shares, money is dollars, all exact.

    `rows[step]` is the newest real bar at a step (-1: none yet), `real[step]` whether it came with that step: a
    fill-forward bar moves neither price nor row. Nothing is done for a bar until somebody asks for its price.
    """

    __slots__ = (
        "_at", "_price", "_row", "_scale", "average_price", "columns", "delisted", "face", "fee_model", "fees", "fill_model",
        "index", "initial", "last_day", "last_trade_profit", "leverage", "mode", "profit", "quantity", "real", "resolution",
        "rows", "sale_volume", "slippage_model", "symbol", "tape", "tradable",
    )

    def __init__(self, index: int, symbol: Any, resolution: Resolution, mode: DataNormalizationMode, tape: Tape) -> None:
        self.index, self.symbol, self.resolution, self.mode, self.tape = index, symbol, resolution, mode, tape
        self.columns: Columns | None = None
        self.rows: Any = np.empty(0, dtype=np.int32)
        self.real: Any = np.empty(0, dtype=bool)
        self.last_day: date | None = None           # the day of delisting, where the map file names one
        self._at, self._row, self._scale = -1, -1, ONE
        self._price: Decimal | None = ZERO
        self.tradable, self.delisted = True, False
        self.leverage, self.initial = ONE, ONE
        self.face: Any = None                       # what the algorithm sees of it
        self.fee_model: Any = None
        self.slippage_model: Any = None
        self.fill_model: Any = None
        self.quantity = self.average_price = self.fees = ZERO
        self.profit = self.last_trade_profit = self.sale_volume = ZERO

    def set_leverage(self, leverage: Decimal) -> None:
        """Dollars that may be held for each dollar of margin; `initial` is the margin for a dollar held."""
        self.leverage, self.initial = leverage, ONE / leverage

    @property
    def row(self) -> int:
        """The newest real bar, -1 before the first."""
        if self._at != self.tape.step:
            self._move()
        return self._row

    @property
    def price(self) -> Decimal:
        """The newest real close in dollars, 0 before the first: what sizes, margins and values are made from."""
        if self._at != self.tape.step:
            self._move()
        if self._price is None:
            assert self.columns is not None
            self._price = self.columns.price("close", self._row) * self._scale
        return self._price

    def field(self, name: str) -> Decimal:
        """open, high, low or close of the newest real bar; 0 before the first."""
        row = self.row
        if row < 0:
            return ZERO
        assert self.columns is not None
        return self.columns.price(name, row) * self._scale

    @property
    def volume(self) -> Decimal:
        """Volume of the newest real bar."""
        row = self.row
        if row < 0:
            return ZERO
        assert self.columns is not None
        return self.columns.volume(row)

    @property
    def has_new_bar(self) -> bool:
        """Whether a real bar came with this step."""
        step = self.tape.step
        return 0 <= step < len(self.real) and bool(self.real[step])

    @property
    def bar_step(self) -> int:
        """The step with which the newest real bar came."""
        step = self.tape.step
        return step if self.has_new_bar else int(np.flatnonzero(self.real[: step + 1])[-1])

    @property
    def bar_end(self) -> datetime | None:
        """When the newest real bar ended, New York time."""
        return None if self.row < 0 else self.tape.ends[self.bar_step]

    @property
    def bar_start(self) -> datetime:
        """When the newest real bar began, New York time."""
        return self.tape.starts[self.bar_step]

    @property
    def unrealized(self) -> Decimal:
        """Profit of what is held, at the newest price."""
        return (self.price - self.average_price) * self.quantity

    def hear_split(self, factor: Decimal) -> None:
        """A raw-mode split: shares and the last prices change at once, before the first bar on the new basis."""
        price = self.price * factor
        self._scale *= factor
        self._price = price
        if self.quantity:
            self.quantity = (self.quantity / factor).to_integral_value(ROUND_DOWN)
            self.average_price *= factor

    def hear_end(self) -> None:
        """Delisted: no price, no trading."""
        self.tradable, self.delisted = False, True
        self._price = ZERO

    def _move(self) -> None:
        self._at = self.tape.step
        if self.delisted:
            return
        row = int(self.rows[self._at]) if 0 <= self._at < len(self.rows) else -1
        if row != self._row:
            self._row, self._scale = row, ONE
            self._price = None if row >= 0 else ZERO
