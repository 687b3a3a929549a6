"""What a portfolio is worth at each close, from integer columns: exact, and without an object a bar.

Prices are integers (dollars × 10000) times a decimal factor. Σ quantity × price is summed in whole numbers on a common grid, so
nothing is rounded before the last step.
"""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from workbench.engines.embedded.security import DailySecurity, Security, Tape

SAFE = 2**53        # above this a sum of 64-bit products is not trusted
NEVER = 2**62


class Valuation:
    """Σ quantity × price over what is held, session by session.

    `hold` is told whenever holdings change; what is not a plain daily column (minute bars, total return, a split on its way) is
    left to the caller, in `others`.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._closes = np.zeros((0, 0), dtype=np.int64)     # sessions × securities, dollars × 10000; 0 before the first bar
        self._highest = np.zeros(0, dtype=np.int64)         # each security's highest close
        self._columns: dict[int, int] = {}                  # the matrix's column of each security, by its index
        self.others: list[Security] = []
        self._plain: list[DailySecurity] = []
        self._places: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self.initials: NDArray[np.float64] = np.empty(0)    # margin for a dollar held, of each plain one
        self._until = -1                                    # the session at which the weights are no longer right
        self._weights: list[int] = []
        self._exponent = 0
        self._array: NDArray[np.int64] | None = None        # the weights where 64 bits hold every sum

    def load(self, securities: Sequence[Security]) -> None:
        """Lay the closes of all daily securities beside each other."""
        daily = [security for security in securities if isinstance(security, DailySecurity) and security.columns is not None]
        sessions = max((len(security.rows) for security in daily), default=0)
        self._closes = np.zeros((sessions, len(daily)), dtype=np.int64)
        self._columns = {security.index: place for place, security in enumerate(daily)}
        for place, security in enumerate(daily):
            assert security.columns is not None
            known = security.rows >= 0
            self._closes[known, place] = security.columns.bars.close[security.rows[known]]
        self._highest = self._closes.max(axis=0, initial=0)

    def hold(self, held: Sequence[Security]) -> None:
        """Take over what is held now."""
        self._plain, self.others = [], []
        for security in held:
            if security.index in self._columns and isinstance(security, DailySecurity) and security.is_plain:
                self._plain.append(security)
            else:
                self.others.append(security)
        self._places = np.array([self._columns[security.index] for security in self._plain], dtype=np.int64)
        self.initials = np.array([float(security.initial) for security in self._plain])
        self._until = -1

    def value(self) -> Decimal:
        """Dollars of everything but `others` at the newest closes."""
        session = self._tape.session
        if not self._plain or session < 0:
            return Decimal(0)
        if session >= self._until or self._until < 0:
            self._weigh(session)
        closes = self._closes[session, self._places]
        if self._array is not None:
            total = int(closes @ self._array)
        else:
            total = sum(map(int.__mul__, closes.tolist(), self._weights))
        return Decimal(total).scaleb(self._exponent)

    def parts(self) -> tuple[list[DailySecurity], NDArray[np.int64], int] | None:
        """Each holding's worth at the newest closes, in whole numbers of 10^the last; None where 64 bits don't hold all of it."""
        session = self._tape.session
        if self.others or not self._plain or session < 0:
            return None
        if session >= self._until or self._until < 0:
            self._weigh(session)
        if self._array is None:
            return None
        return self._plain, self._closes[session, self._places] * self._array, self._exponent

    def margin(self) -> Decimal | None:
        """Σ |worth| × the margin for a dollar held, where it is the same for all; None where columns don't tell."""
        parts = self.parts()
        if parts is None or (self.initials != self.initials[0]).any():
            return None
        plain, worths, exponent = parts
        return Decimal(int(np.abs(worths).sum())).scaleb(exponent) * plain[0].initial

    def _weigh(self, session: int) -> None:
        """Quantity × factor of each holding as a whole number on the finest grid any of them needs, until a factor changes."""
        if all(security.is_raw for security in self._plain) and self._weigh_shares():
            return
        parts = [security.factor_at(session) for security in self._plain]
        self._until = min((until for _, until in parts), default=NEVER)
        weights = [security.quantity * factor for security, (factor, _) in zip(self._plain, parts, strict=True)]
        scale = min(map(_exponent, weights))
        self._take([int(weight.scaleb(-scale)) for weight in weights], scale)

    def _weigh_shares(self) -> bool:
        """The same where the factors are 1. False where shares are not whole."""
        quantities = [security.quantity for security in self._plain]
        weights = [int(quantity) for quantity in quantities]
        if weights != quantities:
            return False
        self._until = NEVER
        self._take(weights, 0)
        return True

    def _take(self, weights: list[int], scale: int) -> None:
        self._weights, self._exponent = weights, scale - 4
        fits = sum(map(abs, self._weights)) * int(self._highest[self._places].max(initial=0)) < SAFE
        self._array = np.array(self._weights, dtype=np.int64) if fits else None


def _exponent(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    return min(exponent, 0)
