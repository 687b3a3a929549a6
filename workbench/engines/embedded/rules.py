"""`self.date_rules` and `self.time_rules` (Lean: Common/Scheduling/DateRules.cs, TimeRules.cs)."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from workbench.engines.embedded.clock import NEW_YORK, Hours, midnight
from workbench.engines.embedded.clr import ArgumentException, ClrObject
from workbench.engines.embedded.enums import DayOfWeek
from workbench.engines.embedded.exchange import CachedDateTimeZone, regular_only
from workbench.engines.embedded.schedule import FuncDateRule, FuncTimeRule

HORIZON = date(2100, 1, 1)
ONE_DAY = timedelta(days=1)
Period = Callable[[date], tuple[date, date]]            # the first and last day of the period that a day is in


class DateRules(ClrObject):
    """Which days. With a symbol its sessions count, without one all days."""

    def __init__(self, hours: Hours, today: Callable[[], date]) -> None:
        self._hours, self._today = hours, today

    @property
    def today(self) -> FuncDateRule:
        return FuncDateRule("TodayOnly", lambda _: iter([self._today()]))

    @property
    def tomorrow(self) -> FuncDateRule:
        return FuncDateRule("TomorrowOnly", lambda _: iter([self._today() + ONE_DAY]))

    def every_day(self, symbol: Any = None, extended_market_hours: bool = False) -> FuncDateRule:
        regular_only(extended_market_hours)
        if symbol is None:
            return FuncDateRule("EveryDay", _days)
        return FuncDateRule(f"{symbol}: EveryDay", lambda first: filter(self._hours.is_session, _days(first)))

    def on(self, *when: Any) -> FuncDateRule:
        """One day (year, month, day) or several (dates)."""
        if len(when) == 3 and all(isinstance(part, int) for part in when):
            days = [date(*when)]
        else:
            items = when[0] if len(when) == 1 and isinstance(when[0], list | tuple) else when
            days = [item.date() if isinstance(item, datetime) else item for item in items]
        return FuncDateRule(",".join(f"{day:%m/%d/%Y}" for day in days), lambda first: (day for day in days if day >= first))

    def every(self, *days: Any) -> FuncDateRule:
        """Certain days of the week."""
        items = days[0] if len(days) == 1 and isinstance(days[0], list | tuple) else days
        chosen = {int(DayOfWeek(int(item))) for item in items}
        name = ",".join(str(DayOfWeek(number)).capitalize() for number in (int(item) for item in items))
        return FuncDateRule(name, lambda first: (day for day in _days(first) if (day.weekday() + 1) % 7 in chosen))

    def month_start(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        return self._of("MonthStart", symbol, days_offset, 30, _month, forward=True)

    def month_end(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        return self._of("MonthEnd", symbol, days_offset, 30, _month, forward=False)

    def week_start(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        """Without a symbol, counted from Monday."""
        listed = symbol is not None and not isinstance(symbol, int)
        return self._of("WeekStart", symbol, days_offset, 4 if listed else 6, _trading_week if listed else _week, forward=True)

    def week_end(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        """Without a symbol, counted back from Friday."""
        listed = symbol is not None and not isinstance(symbol, int)
        return self._of("WeekEnd", symbol, days_offset, 4 if listed else 6, _trading_week if listed else _week_to_friday,
                        forward=False)

    def quarter_start(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        return self._of("QuarterStart", symbol, days_offset, 92, _quarter, forward=True)

    def quarter_end(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        return self._of("QuarterEnd", symbol, days_offset, 92, _quarter, forward=False)

    def year_start(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        return self._of("YearStart", symbol, days_offset, 365, _year, forward=True)

    def year_end(self, symbol: Any = None, days_offset: int = 0, extended_market_hours: bool = True) -> FuncDateRule:
        return self._of("YearEnd", symbol, days_offset, 365, _year, forward=False)

    def _of(self, name: str, symbol: Any, offset: int, most: int, period: Period, *, forward: bool) -> FuncDateRule:
        """The n-th day of each period from its start or its end; beyond its other end, the last one within."""
        if isinstance(symbol, int):                 # the offset may come first where there is no symbol
            symbol, offset = None, symbol
        if not 0 <= offset <= most:
            raise ArgumentException(f"DateRules.{name}() : Offset must be between 0 and {most}")
        is_open = self._hours.is_session if symbol is not None else _always

        def days(first: date) -> Iterator[date]:
            begin, end = period(first)
            while begin < HORIZON:
                day = _scheduled(begin, end, offset, is_open) if forward else _scheduled(end, begin, offset, is_open)
                under_way = name == "YearStart" and begin < first.replace(day=1)     # Lean looks back to the month's start only
                if day >= first and not under_way:
                    yield day
                begin, end = period(end + ONE_DAY)

        sign = f"{offset if forward else -offset:+d}" if offset else ""
        return FuncDateRule(f"{symbol}: {name}{sign}" if symbol is not None else f"{name}{sign}", days)


class TimeRules(ClrObject):
    """Which moments of a day. The exchange's hours are the same for every stock, so a symbol only names the rule."""

    def __init__(self, hours: Hours, now: Callable[[], datetime]) -> None:
        self._hours, self._now = hours, now

    @property
    def now(self) -> FuncTimeRule:
        return FuncTimeRule("Now", lambda _: [self._now()])

    @property
    def midnight(self) -> FuncTimeRule:
        return FuncTimeRule("Midnight", lambda day: [midnight(day)])

    @property
    def noon(self) -> FuncTimeRule:
        return FuncTimeRule("Noon", lambda day: [midnight(day) + timedelta(hours=12)])

    def at(self, *when: Any, time_zone: Any = None) -> FuncTimeRule:
        """Hour, minute[, second], or a timedelta after midnight; and a time zone, New York's if none is given."""
        parts = list(when)
        if parts and isinstance(parts[-1], CachedDateTimeZone | str):
            time_zone = parts.pop()
        if len(parts) == 1 and isinstance(parts[0], timedelta):
            after = parts[0]
        else:
            after = timedelta(hours=parts[0], minutes=parts[1], seconds=parts[2] if len(parts) > 2 else 0)
        zone = NEW_YORK if time_zone is None else ZoneInfo(str(time_zone))

        def moment(day: date) -> list[datetime]:
            return [(midnight(day) + after).replace(tzinfo=zone).astimezone(NEW_YORK).replace(tzinfo=None)]

        return FuncTimeRule(_number(after / timedelta(hours=1)), moment)

    def every(self, interval: timedelta) -> FuncTimeRule:
        if interval <= timedelta(0):
            raise ArgumentException("TimeRules.Every(): time span interval can not be zero or less")

        def moments(day: date) -> Iterator[datetime]:
            moment = midnight(day)
            while moment.date() == day:
                yield moment
                moment += interval

        return FuncTimeRule(f"Every {_number(interval / timedelta(minutes=1))} min", moments)

    def after_market_open(self, symbol: Any = None, minutes_after_open: float = 0,
                          extended_market_open: bool = False) -> FuncTimeRule:
        symbol, minutes = _minutes(symbol, minutes_after_open)
        regular_only(extended_market_open)
        return FuncTimeRule(_name(symbol, minutes, "after" if minutes > 0 else "before", "MarketOpen"),
                            lambda day: self._session(day, self._hours.open_of, timedelta(minutes=minutes)))

    def before_market_open(self, symbol: Any = None, minutes_before_open: float = 0,
                           extended_market_open: bool = False) -> FuncTimeRule:
        symbol, minutes = _minutes(symbol, minutes_before_open)
        return self.after_market_open(symbol, -minutes, extended_market_open)

    def before_market_close(self, symbol: Any = None, minutes_before_close: float = 0,
                            extended_market_close: bool = False) -> FuncTimeRule:
        symbol, minutes = _minutes(symbol, minutes_before_close)
        regular_only(extended_market_close)
        return FuncTimeRule(_name(symbol, minutes, "before" if minutes > 0 else "after", "MarketClose"),
                            lambda day: self._session(day, self._hours.close_of, -timedelta(minutes=minutes)))

    def after_market_close(self, symbol: Any = None, minutes_after_close: float = 0,
                           extended_market_close: bool = False) -> FuncTimeRule:
        symbol, minutes = _minutes(symbol, minutes_after_close)
        return self.before_market_close(symbol, -minutes, extended_market_close)

    def _session(self, day: date, of: Callable[[date], datetime], away: timedelta) -> list[datetime]:
        return [of(day) + away] if self._hours.is_session(day) else []


def _scheduled(base: date, boundary: date, offset: int, is_open: Callable[[date], bool]) -> date:
    """The open day `offset` open days from `base` towards `boundary`; past it, the nearest open day from it back."""
    step = ONE_DAY if base <= boundary else -ONE_DAY
    day = base
    while not is_open(day):
        day += step
    for _ in range(offset):
        day += step
        while not is_open(day):
            day += step
    if (day > boundary) if base <= boundary else (day < boundary):
        day = boundary
        while not is_open(day):
            day -= step
    return day


def _always(_: date) -> bool:
    return True


def _days(first: date) -> Iterator[date]:
    day = first
    while day < HORIZON:
        yield day
        day += ONE_DAY


def _month(day: date) -> tuple[date, date]:
    begin = day.replace(day=1)
    return begin, (begin + timedelta(days=31)).replace(day=1) - ONE_DAY


def _quarter(day: date) -> tuple[date, date]:
    begin = date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
    return begin, _month(begin + timedelta(days=70))[1]


def _year(day: date) -> tuple[date, date]:
    return date(day.year, 1, 1), date(day.year, 12, 31)


def _week(day: date) -> tuple[date, date]:
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def _trading_week(day: date) -> tuple[date, date]:
    monday = day - timedelta(days=day.weekday())
    return (monday, monday + timedelta(days=4)) if day.weekday() < 5 else _trading_week(monday + timedelta(days=7))


def _week_to_friday(day: date) -> tuple[date, date]:
    friday = day + timedelta(days=(4 - day.weekday()) % 7)
    return friday - timedelta(days=6), friday


def _minutes(symbol: Any, minutes: float) -> tuple[Any, float]:
    """The minutes may come first where there is no symbol."""
    return (None, symbol) if isinstance(symbol, int | float) else (symbol, minutes)


def _name(symbol: Any, minutes: float, side: str, what: str) -> str:
    text = f"{_number(abs(minutes))} min {side} {what}"
    return text if symbol is None else f"{symbol}: {text}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
