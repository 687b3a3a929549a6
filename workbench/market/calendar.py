"""Sessions of US equities, as the data folder's market-hours database has them: the calendar that Lean trades by.

Reading is plain JSON, so that a command which only needs a date stays cheap. Writing a database of our own asks
`exchange_calendars`, once.
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from workbench import files
from workbench.errors import BadInput, NotASession, UnknownName

NEW_YORK = ZoneInfo("America/New_York")
DATABASE = Path("market-hours") / "market-hours-database.json"
ENTRY = "Equity-usa-[*]"
WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
HOURS = (("04:00:00", "09:30:00", "premarket"), ("09:30:00", "16:00:00", "market"), ("16:00:00", "20:00:00", "postmarket"))
REMEDY = "give a date inside it, or `workbench data sample` writes a database for 1998 to 2030"

ONE_DAY = timedelta(days=1)
CERTAIN = timedelta(days=6)     # no two of the exchange's yearly holidays are nearer to each other than Christmas to New Year


def _week(day: date) -> tuple[int, ...]:
    return tuple(day.isocalendar()[:2])


def _month(day: date) -> tuple[int, ...]:
    return day.year, day.month


def _quarter(day: date) -> tuple[int, ...]:
    return day.year, (day.month - 1) // 3


# What a rebalance can be due by: the period, and whether its first (-1) or last (1) session counts.
EVERY: Mapping[str, tuple[Callable[[date], tuple[int, ...]], int]] = MappingProxyType({
    "daily": (lambda day: (day.toordinal(),), -1),
    "weekly": (_week, -1),
    "month-start": (_month, -1),
    "month-end": (_month, 1),
    "quarter-start": (_quarter, -1),
    "quarter-end": (_quarter, 1),
})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calendar:
    """The exchange's sessions between `first` and `last`, the dates for which the database knows the holidays.

    Times are New York's. A question about a date outside raises `BadInput`: without its holidays a date only looks
    like a session.
    """

    first: date
    last: date
    days: tuple[date, ...] = field(repr=False)
    hours: tuple[tuple[time, time] | None, ...] = field(repr=False)
    early_closes: Mapping[date, time] = field(repr=False)
    late_opens: Mapping[date, time] = field(repr=False)

    def __repr__(self) -> str:
        return f"Calendar({self.first} to {self.last}, {len(self.days)} sessions)"

    def covers(self, day: date) -> bool:
        """Whether the database holds the holidays around this date."""
        return self.first <= day <= self.last

    def is_session(self, day: date) -> bool:
        """Whether the exchange trades on this date. Raises `BadInput` for a date that is not covered."""
        self._covered(day)
        at = bisect_left(self.days, day)
        return at < len(self.days) and self.days[at] == day

    def require(self, day: date) -> date:
        """The date itself, or `NotASession` with the sessions before and after it."""
        if self.is_session(day):
            return day
        at = bisect_left(self.days, day)
        before = self.days[at - 1] if at else None
        raise NotASession(day, before, self.days[at] if at < len(self.days) else None)

    def previous(self, day: date) -> date:
        """The last session strictly before this date. Raises `BadInput` where the database begins later."""
        self._covered(day)
        at = bisect_left(self.days, day)
        return self.days[at - 1] if at else self._refuse(day, "the session before")

    def next(self, day: date) -> date:
        """The first session strictly after this date. Raises `BadInput` where the database ends earlier."""
        self._covered(day)
        at = bisect_right(self.days, day)
        return self.days[at] if at < len(self.days) else self._refuse(day, "the session after")

    def sessions(self, first: date, last: date) -> tuple[date, ...]:
        """All sessions from `first` to `last`, both included; none when `last` is earlier."""
        self._covered(first)
        self._covered(last)
        return self.days[bisect_left(self.days, first):bisect_right(self.days, last)]

    def open_time(self, day: date) -> time:
        """New York wall-clock time at which this session's regular hours begin, late opens honoured."""
        usual, _ = self._hours(day)
        return self.late_opens.get(day, usual)

    def close_time(self, day: date) -> time:
        """New York wall-clock time at which this session's regular hours end, early closes honoured."""
        _, usual = self._hours(day)
        return self.early_closes.get(day, usual)

    def open(self, day: date) -> datetime:
        """The instant (UTC) at which this session's regular hours begin."""
        return datetime.combine(day, self.open_time(day), NEW_YORK).astimezone(UTC)

    def close(self, day: date) -> datetime:
        """The instant (UTC) at which this session's regular hours end."""
        return datetime.combine(day, self.close_time(day), NEW_YORK).astimezone(UTC)

    def rebalance_dates(self, first: date, last: date, every: str) -> tuple[date, ...]:
        """The sessions from `first` to `last` on which a rebalance is due.

        `every` is daily, weekly (the week's first session), month-start, month-end, quarter-start or quarter-end. A
        period whose first or last session lies outside the two dates gives none. Raises `UnknownName` for another word.
        """
        if every not in EVERY:
            raise UnknownName("rebalance frequency", every, EVERY)
        period, side = EVERY[every]
        return tuple(day for day in self.sessions(first, last) if period(self._beside(day, side)) != period(day))

    def _beside(self, day: date, side: int) -> date:
        """The neighbouring session, or the first date past the calendar's end: what lies between belongs to no session."""
        at = bisect_left(self.days, day) + side
        if 0 <= at < len(self.days):
            return self.days[at]
        return self.first - ONE_DAY if side < 0 else self.last + ONE_DAY

    def _hours(self, day: date) -> tuple[time, time]:
        hours = self.hours[self.require(day).weekday()]
        assert hours is not None        # a session is a day with hours
        return hours

    def _covered(self, day: date) -> None:
        if not self.covers(day):
            self._refuse(day, "the session")

    def _refuse(self, day: date, what: str) -> date:
        raise BadInput(f"{what} of {day} is not known: the market-hours database covers {self.first} to {self.last}",
                       remedy=REMEDY)


def read_calendar(folder: Path | str) -> Calendar:
    """The calendar of a Lean data folder, from the entry `Equity-usa-[*]` of its market-hours database.

    Raises `BadInput` naming the file when it is missing or its entry is not what Lean writes.
    """
    path = Path(folder) / DATABASE
    if not path.is_file():
        raise BadInput("no market-hours database", where=str(path), remedy="`workbench data sample` writes one")
    try:
        return _calendar(files.read_json(path)["entries"][ENTRY])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(f"entry '{ENTRY}' is not a market-hours entry ({type(error).__name__}: {error})",
                       where=str(path)) from None


def write_market_hours(folder: Path | str, first_year: int = 1998, last_year: int = 2030) -> Path:
    """Write the market-hours database of US equities, in Lean's layout, and return its path.

    Holidays and early closes are those of the New York Stock Exchange (`exchange_calendars`, calendar XNYS); days to
    come are by its rules as they are known now.
    """
    import exchange_calendars

    first, last = date(first_year, 1, 1), date(last_year, 12, 31)
    exchange = exchange_calendars.get_calendar("XNYS", start=first.isoformat(), end=last.isoformat())
    sessions = {stamp.date() for stamp in exchange.sessions}
    weekdays = (first + timedelta(days=n) for n in range((last - first).days + 1))
    holidays = [day for day in weekdays if day.weekday() < 5 and day not in sessions]
    early = {stamp.date(): exchange.closes[stamp].tz_convert(NEW_YORK) for stamp in sorted(exchange.early_closes)}
    entry: dict[str, Any] = {"dataTimeZone": NEW_YORK.key, "exchangeTimeZone": NEW_YORK.key, "sunday": []}
    for name in WEEK[:5]:
        entry[name] = [{"start": start, "end": end, "state": state} for start, end, state in HOURS]
    entry["saturday"] = []
    entry["holidays"] = [_us_text(day) for day in holidays]
    entry["earlyCloses"] = {_us_text(day): f"{close:%H:%M:%S}" for day, close in early.items()}
    text = json.dumps({"entries": {ENTRY: entry}}, indent=1)
    return files.write(Path(folder) / DATABASE, text + "\n")


def _calendar(entry: Mapping[str, Any]) -> Calendar:
    holidays = frozenset(_us_date(text) for text in entry["holidays"])
    if not holidays:
        raise ValueError("it holds no holidays")
    first, last = _reach(min(holidays), max(holidays))
    hours = tuple(_market_hours(entry[name]) for name in WEEK)
    dates = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return Calendar(
        first=first, last=last, hours=hours,
        days=tuple(day for day in dates if hours[day.weekday()] is not None and day not in holidays),
        early_closes=_exceptions(entry.get("earlyCloses")), late_opens=_exceptions(entry.get("lateOpens")),
    )


def _reach(first: date, last: date) -> tuple[date, date]:
    """How far the holidays between `first` and `last` speak: to the year's ends, else less than a week beyond."""
    start = min(date(first.year, 1, 1), first - CERTAIN) if first.month == 1 else first - CERTAIN
    end = date(last.year, 12, 31) if last.month == 12 else last + CERTAIN
    return start, end


def _market_hours(segments: list[Mapping[str, str]]) -> tuple[time, time] | None:
    for segment in segments:
        if segment["state"] == "market":
            return time.fromisoformat(segment["start"]), time.fromisoformat(segment["end"])
    return None


def _exceptions(table: Mapping[str, str] | None) -> Mapping[date, time]:
    return MappingProxyType({_us_date(day): time.fromisoformat(text) for day, text in (table or {}).items()})


def _us_date(text: str) -> date:
    month, day, year = text.split("/")
    return date(int(year), int(month), int(day))


def _us_text(day: date) -> str:
    return f"{day.month}/{day.day}/{day.year}"
