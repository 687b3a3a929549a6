"""How long an order lives (Lean: Common/Orders/TimeInForces)."""

from datetime import date, datetime
from typing import ClassVar

from workbench.engines.embedded.clock import Hours, local_of
from workbench.engines.embedded.clr import ClrObject


class TimeInForce(ClrObject):
    """Base of the three; the class also hands out its common values, as Lean's does."""

    GOOD_TIL_CANCELED: ClassVar["TimeInForce"]
    DAY: ClassVar["TimeInForce"]

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        """Whether an order placed at `created` (UTC seconds) is over at `now` (New York time)."""
        raise NotImplementedError

    @staticmethod
    def good_til_date(expiry: datetime) -> "TimeInForce":
        return GoodTilDateTimeInForce(expiry)

    GOOD_TIL_DATE = good_til_date


class GoodTilCanceledTimeInForce(TimeInForce):
    """Never over."""

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        return False


class DayTimeInForce(TimeInForce):
    """Over at the first regular close strictly after its placing. Asked before filling, so a daily bar never fills it."""

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        return now >= hours.next_close(local_of(created))


class GoodTilDateTimeInForce(TimeInForce):
    """Over at the close of its expiry date."""

    def __init__(self, expiry: datetime) -> None:
        self.expiry = expiry

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        day: date = self.expiry.date() if isinstance(self.expiry, datetime) else self.expiry
        if hours.is_session(day):
            return now >= hours.close_of(day)
        return now.date() >= day


TimeInForce.GOOD_TIL_CANCELED = GoodTilCanceledTimeInForce()
TimeInForce.DAY = DayTimeInForce()
