"""Scheduled events: date rules × time rules → moments, run in order of time, then of creation."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from workbench.engines.embedded.clock import Hours, midnight, utc_of
from workbench.engines.embedded.clr import ClrObject
from workbench.errors import NotSupported

HORIZON = date(2100, 1, 1)
NEVER = 2**62


class FuncDateRule(ClrObject):
    """A rule that gives days in order, from a first day on."""

    clr_name = "QuantConnect.Scheduling.FuncDateRule"

    def __init__(self, name: str, days: Callable[[date], Iterator[date]]) -> None:
        self.name, self.days = name, days


class FuncTimeRule(ClrObject):
    """A rule that gives the wall-clock moments of given days, in order; a day may have none."""

    clr_name = "QuantConnect.Scheduling.FuncTimeRule"

    def __init__(self, name: str, moments: Callable[[date], Iterable[datetime]]) -> None:
        self.name, self.moments = name, moments


class ScheduledEvent(ClrObject):
    """A callback and the moments from a day on at which it is due; `next` is NEVER when there are no more."""

    def __init__(self, name: str, moments: Callable[[date], Iterator[int]], callback: Callable[[], Any], first: date) -> None:
        self.name, self.callback, self.enabled = name, callback, True
        self._from = moments
        self.begin(first)

    def begin(self, first: date) -> None:
        """Count the moments from a day on."""
        self._moments = self._from(first)
        self.next = next(self._moments, NEVER)

    def skip_before(self, utc: int) -> None:
        """Leave out what was due before a moment."""
        while self.next < utc:
            self.step()

    def step(self) -> None:
        """Go on to the next moment."""
        self.next = next(self._moments, NEVER)

    def __str__(self) -> str:
        return self.name


class Schedule:
    """All scheduled events of a run, kept in Lean's own order.

    Adding one sorts all by time and creation. An event that has run is put back by a binary search, behind whichever
    event of the same moment the search meets first: so among equals the order is neither creation nor chance.
    (Lean, BacktestingRealTimeHandler.SortFirstElement.)
    """

    def __init__(self) -> None:
        self._events: list[ScheduledEvent] = []
        self._created: dict[int, int] = {}
        self._sorted = True

    def add(self, event: ScheduledEvent, now: int) -> None:
        """Take an event in; what was due before `now` is left out."""
        event.skip_before(now)
        self._created[id(event)] = len(self._created)
        self._events.append(event)
        self._sorted = False

    def begin(self, first: date, now: int) -> None:
        """Count what was added so far from a day on: a warm-up begins before the first day, and events run in it."""
        for event in self._events:
            event.begin(first)
            event.skip_before(now)
        self._sorted = False

    def remove(self, event: ScheduledEvent) -> None:
        """Run it no more."""
        event.enabled = False
        self._events.remove(event)

    def next(self) -> int:
        """When the next event is due."""
        if not self._sorted:
            self._events.sort(key=lambda event: (event.next, self._created[id(event)]))
            self._sorted = True
        return self._events[0].next if self._events else NEVER

    def first(self) -> ScheduledEvent:
        """The event that is due next; ask `next` before."""
        return self._events[0]

    def put_back(self, event: ScheduledEvent) -> None:
        """Move an event that has run on to its next moment."""
        event.step()
        if not self._sorted or not self._events or self._events[0] is not event:
            self._sorted = False                # the callback added or removed events: all are sorted afresh
            return
        rest = self._events
        if len(rest) > 1 and event.next > rest[1].next:
            rest.pop(0)
            rest.insert(_place(rest, event.next), event)


class DateRules(ClrObject):
    """`self.date_rules`: which days."""

    clr_name = "QuantConnect.Scheduling.DateRules"

    def __init__(self, hours: Hours, today: Callable[[], date]) -> None:
        self._hours, self._today = hours, today

    def every_day(self, symbol: Any = None) -> FuncDateRule:
        if symbol is None:
            return FuncDateRule("EveryDay", _calendar_days)
        return FuncDateRule(f"{symbol}: EveryDay", self._sessions)

    def on(self, *when: Any) -> FuncDateRule:
        """One day (year, month, day) or several (dates)."""
        if len(when) == 3 and all(isinstance(part, int) for part in when):
            days = [date(*when)]
        else:
            items = when[0] if len(when) == 1 and isinstance(when[0], list | tuple) else when
            days = sorted(item.date() if isinstance(item, datetime) else item for item in items)
        return FuncDateRule(",".join(str(day) for day in days), lambda first: (day for day in days if day >= first))

    def every(self, *weekdays: Any) -> FuncDateRule:
        raise NotSupported("date_rules.every(day of week)")

    @property
    def today(self) -> FuncDateRule:
        day = self._today()
        return self.on(day.year, day.month, day.day)

    @property
    def tomorrow(self) -> FuncDateRule:
        day = self._today() + timedelta(days=1)
        return self.on(day.year, day.month, day.day)

    def month_start(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("MonthStart", symbol, days_offset, lambda day: (day.year, day.month), last=False)

    def month_end(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("MonthEnd", symbol, days_offset, lambda day: (day.year, day.month), last=True)

    def week_start(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("WeekStart", symbol, days_offset, lambda day: day.isocalendar()[:2], last=False)

    def week_end(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("WeekEnd", symbol, days_offset, lambda day: day.isocalendar()[:2], last=True)

    def quarter_start(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("QuarterStart", symbol, days_offset, _quarter, last=False)

    def quarter_end(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("QuarterEnd", symbol, days_offset, _quarter, last=True)

    def year_start(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("YearStart", symbol, days_offset, lambda day: day.year, last=False)

    def year_end(self, symbol: Any = None, days_offset: int = 0) -> FuncDateRule:
        return self._of_period("YearEnd", symbol, days_offset, lambda day: day.year, last=True)

    def _of_period(self, name: str, symbol: Any, offset: int, period: Callable[[date], Any], *, last: bool) -> FuncDateRule:
        """The n-th day of each period from its start or its end: sessions with a symbol, else calendar days."""
        source = _calendar_days if symbol is None else self._sessions

        def days(first: date) -> Iterator[date]:
            group: list[date] = []
            begin = first.replace(day=1, month=1)           # a period under way counts from its true start
            for day in source(begin):
                if group and period(day) != period(group[0]):
                    yield from (d for d in _nth(group, offset, last) if d >= first)
                    group = []
                group.append(day)

        return FuncDateRule(f"{symbol}: {name}" if symbol is not None else name, days)

    def _sessions(self, first: date) -> Iterator[date]:
        return (day for day in _calendar_days(first) if self._hours.is_session(day))


class TimeRules(ClrObject):
    """`self.time_rules`: which moments of a day."""

    clr_name = "QuantConnect.Scheduling.TimeRules"

    def __init__(self, hours: Hours) -> None:
        self._hours = hours

    def at(self, *when: Any) -> FuncTimeRule:
        """Hour, minute[, second], or a timedelta after midnight."""
        if len(when) == 1 and isinstance(when[0], timedelta):
            after = when[0]
        elif all(isinstance(part, int) for part in when) and len(when) in (2, 3):
            after = timedelta(hours=when[0], minutes=when[1], seconds=when[2] if len(when) == 3 else 0)
        else:
            raise NotSupported("time_rules.at with a time zone")
        return FuncTimeRule(str(after), lambda day: [midnight(day) + after])

    @property
    def midnight(self) -> FuncTimeRule:
        return FuncTimeRule("Midnight", lambda day: [midnight(day)])

    @property
    def noon(self) -> FuncTimeRule:
        return FuncTimeRule("Noon", lambda day: [midnight(day) + timedelta(hours=12)])

    def every(self, interval: timedelta) -> FuncTimeRule:
        if interval <= timedelta(0):
            raise ValueError("time_rules.every needs an interval above zero")

        def moments(day: date) -> Iterator[datetime]:
            moment = midnight(day)
            while moment.date() == day:
                yield moment
                moment += interval

        return FuncTimeRule(f"Every {interval}", moments)

    def after_market_open(self, symbol: Any, minutes_after_open: float = 0, extended_market_open: bool = False) -> FuncTimeRule:
        self._regular_only(extended_market_open)
        after = timedelta(minutes=minutes_after_open)
        return FuncTimeRule(f"{symbol}: {_text(minutes_after_open)} min after MarketOpen",
                            lambda day: [self._hours.open_of(day) + after] if self._hours.is_session(day) else [])

    def before_market_close(self, symbol: Any, minutes_before_close: float = 0,
                            extended_market_close: bool = False) -> FuncTimeRule:
        self._regular_only(extended_market_close)
        before = timedelta(minutes=minutes_before_close)
        return FuncTimeRule(f"{symbol}: {_text(minutes_before_close)} min before MarketClose",
                            lambda day: [self._hours.close_of(day) - before] if self._hours.is_session(day) else [])

    def _regular_only(self, extended: bool) -> None:
        if extended:
            raise NotSupported("time rules of the extended market")


def moments_of(date_rule: FuncDateRule, time_rule: FuncTimeRule, first: date) -> Iterator[int]:
    """UTC seconds of every moment the two rules give together, in order."""
    for day in date_rule.days(first):
        for moment in time_rule.moments(day):
            yield utc_of(moment)


def _place(events: list[ScheduledEvent], moment: int) -> int:
    """Behind the event of the same moment that the search meets, else where the moment belongs."""
    low, high = 0, len(events) - 1
    while low <= high:
        middle = low + (high - low) // 2
        other = events[middle].next
        if moment < other:
            high = middle - 1
        elif moment > other:
            low = middle + 1
        else:
            return middle + 1
    return low


def _calendar_days(first: date) -> Iterator[date]:
    day = first
    while day < HORIZON:
        yield day
        day += timedelta(days=1)


def _nth(group: list[date], offset: int, last: bool) -> list[date]:
    place = len(group) - 1 - offset if last else offset
    return [group[max(0, min(place, len(group) - 1))]]


def _quarter(day: date) -> tuple[int, int]:
    return day.year, (day.month - 1) // 3


def _text(minutes: float) -> str:
    return f"{minutes:g}"
