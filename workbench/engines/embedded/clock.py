"""Moments: UTC seconds inside, New York's wall clock outside; and the exchange's hours as Lean's rules ask for them."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from workbench.market.calendar import Calendar

NEW_YORK = ZoneInfo("America/New_York")
OPEN, CLOSE = time(9, 30), time(16, 0)


@lru_cache(maxsize=4096)
def utc_of(local: datetime) -> int:
    """UTC seconds of a New York wall-clock time."""
    return int(local.replace(tzinfo=NEW_YORK).timestamp())


@lru_cache(maxsize=4096)
def local_of(utc: int) -> datetime:
    """New York wall-clock time, without a zone, as Lean gives it to an algorithm."""
    return datetime.fromtimestamp(utc, NEW_YORK).replace(tzinfo=None)


@lru_cache(maxsize=4096)
def utc_time(utc: int) -> datetime:
    """The moment as an aware UTC datetime."""
    return datetime.fromtimestamp(utc, UTC)


@cache
def midnight(day: date) -> datetime:
    """00:00 of a day."""
    return datetime(day.year, day.month, day.day)          # noqa: DTZ001 (New York's wall clock)


class Hours:
    """Regular trading hours. Open is the half-open interval from 09:30 to the close: at the close it is closed.

    Beyond the years whose holidays the database knows every weekday is a session, as it is for Lean.
    """

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self._days = frozenset(calendar.days)
        self.is_open = lru_cache(maxsize=1024)(self._is_open)       # asked of the same few moments by every order
        self.next_close = lru_cache(maxsize=1024)(self._next_close)

    def is_session(self, day: date) -> bool:
        """Whether the exchange opens on that day."""
        if day in self._days:
            return True
        return not self.calendar.covers(day) and day.weekday() < 5

    def close_of(self, day: date) -> datetime:
        """The wall-clock close of a session, 13:00 on early closes."""
        return datetime.combine(day, self.calendar.early_closes.get(day, CLOSE))

    def open_of(self, day: date) -> datetime:
        """The wall-clock open of a session."""
        return datetime.combine(day, OPEN)

    def _is_open(self, local: datetime) -> bool:
        """Whether regular trading is under way."""
        day = local.date()
        return local.time() >= OPEN and self.is_session(day) and local < self.close_of(day)

    def next_open(self, local: datetime) -> datetime:
        """The first open strictly after a moment."""
        day = local.date()
        while not self.is_session(day) or self.open_of(day) <= local:
            day += timedelta(days=1)
        return self.open_of(day)

    def _next_close(self, local: datetime) -> datetime:
        """The first close strictly after a moment."""
        day = local.date()
        while not self.is_session(day) or self.close_of(day) <= local:
            day += timedelta(days=1)
        return self.close_of(day)

    def bars_back(self, day: date, count: int, *, minutes: bool) -> datetime:
        """When so many daily or minute bars of regular hours begin that end by a day's 00:00; daily ones count from 00:00."""
        left = count
        while left > 0:
            day -= timedelta(days=1)
            if not self.is_session(day):
                continue
            length = (self.close_of(day) - self.open_of(day)) // timedelta(minutes=1) if minutes else 1
            if length >= left:
                return self.close_of(day) - timedelta(minutes=left) if minutes else midnight(day)
            left -= length
        return midnight(day)

    def sessions(self, first: date, last: date) -> list[date]:
        """The sessions from `first` to `last`, both included."""
        days = (first + timedelta(days=n) for n in range((last - first).days + 1))
        return [day for day in days if self.is_session(day)]

