"""How long an order lives (Lean: Common/Orders/TimeInForces)."""

from datetime import date, datetime
from typing import ClassVar

from workbench.engines.embedded.clock import Hours, local_of
from workbench.engines.embedded.clr import ClrObject


class TimeInForce(ClrObject):
    """Base of the three; the class also hands out its common values, as Lean's does."""

    GOOD_TIL_CANCELED: ClassVar["TimeInForce"]
    GoodTilCanceled: ClassVar["TimeInForce"]
    DAY: ClassVar["TimeInForce"]
    Day: ClassVar["TimeInForce"]

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        """Whether an order placed at `created` (UTC seconds) is over at `now` (New York time)."""
        raise NotImplementedError

    @staticmethod
    def good_til_date(expiry: datetime) -> "TimeInForce":
        return GoodTilDate(expiry)

    GoodTilDate = good_til_date


class GoodTilCanceled(TimeInForce):
    clr_name = "QuantConnect.Orders.TimeInForces.GoodTilCanceledTimeInForce"

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        return False


class Day(TimeInForce):
    """Over at the first regular close strictly after its placing. Asked before filling, so a daily bar never fills it."""

    clr_name = "QuantConnect.Orders.TimeInForces.DayTimeInForce"

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        return now >= hours.next_close(local_of(created))


class GoodTilDate(TimeInForce):
    """Over at the close of its expiry date."""

    clr_name = "QuantConnect.Orders.TimeInForces.GoodTilDateTimeInForce"

    def __init__(self, expiry: datetime) -> None:
        self.expiry = expiry

    def expired(self, created: int, now: datetime, hours: Hours) -> bool:
        day: date = self.expiry.date() if isinstance(self.expiry, datetime) else self.expiry
        if hours.is_session(day):
            return now >= hours.close_of(day)
        return now.date() >= day


TimeInForce.GOOD_TIL_CANCELED = TimeInForce.GoodTilCanceled = GoodTilCanceled()
TimeInForce.DAY = TimeInForce.Day = Day()
