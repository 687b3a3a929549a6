"""The points Lean's charts and statistics are made from: equity at every slice and midnight, the day's return and turnover."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from workbench.engines.embedded.account import Account
from workbench.engines.embedded.clock import midnight, utc_of
from workbench.engines.embedded.clr import ZERO


@dataclass(slots=True)
class Series:
    """Points in time order: UTC seconds and a value."""

    points: list[tuple[int, Decimal]] = field(default_factory=list)

    def add(self, utc: int, value: Decimal) -> None:
        """Append a point."""
        self.points.append((utc, value))


class Sampler:
    """Takes the samples of a run: `equity` in dollars, `returns` and `turnover` in percent, one a calendar day."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.equity, self.returns, self.turnover = Series(), Series(), Series()
        self._previous = ZERO
        self._traded = ZERO

    def begin(self, utc: int) -> None:
        """The first midnight: what the run starts with."""
        self._previous = self.account.value
        self.equity.add(utc, self._previous)
        self.returns.add(utc, ZERO)

    def pass_midnights(self, before: int, after: int, local_before: datetime, local_after: datetime) -> None:
        """Sample every midnight after one moment and up to another; nothing moved between them."""
        day = local_before.date() + timedelta(days=1)
        while day <= local_after.date():
            utc = utc_of(midnight(day))
            if before < utc <= after:
                value = self.account.value
                self.equity.add(utc, value)
                self._sample_day(utc, value)
            day += timedelta(days=1)

    def sample(self, utc: int) -> Decimal:
        """Sample the equity of a slice and return it. A slice at a midnight takes the place of that midnight's point."""
        value = self.account.value
        if self.equity.points and self.equity.points[-1][0] == utc:
            self.equity.points[-1] = (utc, value)
        else:
            self.equity.add(utc, value)
        return value

    def finish(self, utc: int) -> None:
        """The last day's return and turnover, at the last slice."""
        if self.returns.points and self.returns.points[-1][0] < utc:
            self._sample_day(utc, self.account.value)

    def _sample_day(self, utc: int, value: Decimal) -> None:
        traded = self.account.sale_volume - self._traded
        self.returns.add(utc, (value / self._previous - 1) * 100 if self._previous else ZERO)
        self.turnover.add(utc, traded / value * 100 if value else ZERO)
        self._previous, self._traded = value, self.account.sale_volume
