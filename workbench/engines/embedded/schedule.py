"""Scheduled events: date rules × time rules → moments, run in order of time, then of creation."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any

from workbench.engines.embedded.clock import utc_of, utc_time
from workbench.engines.embedded.clr import ClrObject

NEVER = 2**62


class FuncDateRule(ClrObject):
    """A rule that gives days in order, from a first day on."""

    def __init__(self, name: str, days: Callable[[date], Iterator[date]]) -> None:
        self.name, self.days = name, days


class FuncTimeRule(ClrObject):
    """A rule that gives the wall-clock moments of given days, in order; a day may have none."""

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

    @property
    def next_event_utc_time(self) -> datetime:
        return utc_time(self.next)

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
