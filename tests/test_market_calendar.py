"""The calendar: which days trade, and from when to when."""

import json
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_fixtures import read_invented

from workbench.errors import BadInput, NotASession, UnknownName
from workbench.market.calendar import DATABASE, ENTRY, EVERY, read_calendar, write_market_hours

# Where Lean's database of 2026-08 and the exchange's own list of sessions and early closes differ, and why.
NO_SESSION_ANYWAY = {
    date(2011, 1, 1): "a Saturday",
    date(2022, 1, 1): "a Saturday",
    date(2017, 12, 24): "a Sunday",
}
EARLY_CLOSES_LEAN_LACKS = {
    date(1998, 11, 27): "the day after Thanksgiving closed at 13:00, as in every year since 1992",
    date(1998, 12, 24): "Christmas Eve closed at 13:00",
    date(1999, 12, 31): "the last day of 1999 closed at 13:00",
}


@pytest.fixture(scope="module")
def calendar(invented):
    """The invented market's calendar, 2019 and 2020."""
    return read_calendar(invented)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder with a database of our own."""
    folder = tmp_path_factory.mktemp("hours")
    write_market_hours(folder)
    return folder


@pytest.mark.parametrize(("day", "trades"), [
    (date(2019, 7, 3), True), (date(2019, 7, 4), False), (date(2019, 7, 6), False), (date(2020, 4, 10), False),
    (date(2020, 12, 31), True),
])
def test_weekends_and_holidays_do_not_trade(calendar, day, trades):
    """A session is a weekday that is no holiday."""
    assert trades is calendar.is_session(day)


def test_early_closes_end_the_session_early(calendar):
    """The day after Thanksgiving ends at 13:00 in New York, in winter six hours before 19:00 UTC."""
    assert time(13) == calendar.close_time(date(2020, 11, 27))
    assert datetime(2020, 11, 27, 18, tzinfo=UTC) == calendar.close(date(2020, 11, 27))


def test_instants_follow_new_yorks_summer_time(calendar):
    """The same wall clock is another instant after the second Sunday of March."""
    assert datetime(2019, 3, 8, 14, 30, tzinfo=UTC) == calendar.open(date(2019, 3, 8))
    assert datetime(2019, 3, 11, 13, 30, tzinfo=UTC) == calendar.open(date(2019, 3, 11))
    assert datetime(2019, 3, 11, 20, tzinfo=UTC) == calendar.close(date(2019, 3, 11))


def test_a_day_without_trading_has_no_hours(calendar):
    """Asking when a Sunday closes is a mistake, and says so."""
    with pytest.raises(NotASession, match=r"2019-06-02 .Sunday. is not a session"):
        calendar.close_time(date(2019, 6, 2))


def test_a_refused_day_names_both_neighbours(calendar):
    """The error says where to go instead."""
    with pytest.raises(NotASession) as refused:
        calendar.require(date(2019, 7, 4))

    assert (date(2019, 7, 3), date(2019, 7, 5)) == (refused.value.before, refused.value.after)


@given(st.dates(date(2019, 1, 1), date(2020, 12, 31)))
def test_neighbours_are_strict_and_next_to_each_other(day):
    """The session before is before, the one after is after, and at most the day itself lies between."""
    calendar = read_invented().calendar
    before, after = calendar.previous(day), calendar.next(day)

    assert before < day < after
    assert calendar.sessions(before, after) == (before, *((day,) if calendar.is_session(day) else ()), after)


def test_the_years_end_is_known_from_both_sides(calendar):
    """The holidays around the database's ends tell a few days more."""
    assert date(2018, 12, 31) == calendar.previous(date(2019, 1, 2))
    assert date(2021, 1, 4) == calendar.next(date(2020, 12, 31))


@pytest.mark.parametrize("ask", [
    lambda calendar, day: calendar.is_session(day), lambda calendar, day: calendar.next(day),
    lambda calendar, day: calendar.previous(day), lambda calendar, day: calendar.close(day),
    lambda calendar, day: calendar.sessions(day, date(2019, 5, 1)),
])
def test_a_date_without_holidays_is_refused_not_guessed(calendar, ask):
    """July 4th of a year the database does not know would look like a session."""
    assert not calendar.covers(date(2018, 7, 4))
    with pytest.raises(BadInput, match=r"covers 2018-12-19 to 2021-01-07; .*workbench data sample"):
        ask(calendar, date(2018, 7, 4))


def test_month_ends_are_the_last_sessions_of_their_months(calendar):
    """May 2020 ends on a Friday, and so does its last session; November ends on a Monday."""
    found = calendar.rebalance_dates(date(2020, 5, 1), date(2020, 11, 30), "month-end")

    assert (date(2020, 5, 29), date(2020, 6, 30), date(2020, 7, 31), date(2020, 8, 31), date(2020, 9, 30), date(2020, 10, 30),
            date(2020, 11, 30)) == found


def test_a_period_that_ends_outside_gives_nothing(calendar):
    """The 30th is not September's end when it lies after the range."""
    assert calendar.rebalance_dates(date(2020, 9, 1), date(2020, 9, 29), "month-end") == ()
    assert (date(2020, 10, 1),) == calendar.rebalance_dates(date(2020, 9, 2), date(2020, 10, 30), "quarter-start")


def test_weeks_begin_on_tuesday_after_a_monday_without_trading(calendar):
    """Presidents' Day and Memorial Day are Mondays."""
    found = calendar.rebalance_dates(date(2020, 2, 10), date(2020, 2, 28), "weekly")

    assert (date(2020, 2, 10), date(2020, 2, 18), date(2020, 2, 24)) == found


@given(st.sampled_from(sorted(EVERY)), st.dates(date(2019, 1, 1), date(2020, 12, 31)), st.integers(0, 400))
def test_rebalance_dates_are_sessions_one_a_period(every, first, days):
    """Each date is a session in the range, and no two are of one period."""
    calendar, last = read_invented().calendar, min(first + timedelta(days=days), date(2020, 12, 31))
    found = calendar.rebalance_dates(first, last, every)
    period, _ = EVERY[every]

    assert set(found) <= set(calendar.sessions(first, last))
    assert len(found) == len({period(day) for day in found})


def test_an_unknown_frequency_is_met_with_the_nearest(calendar):
    """A typing error is told, not run as something else."""
    with pytest.raises(UnknownName, match="did you mean 'month-end'"):
        calendar.rebalance_dates(date(2020, 1, 2), date(2020, 2, 3), "monthend")


def test_our_database_agrees_with_the_invented_markets(invented, written):
    """Two years, day by day: same sessions, same hours."""
    theirs, ours = read_calendar(invented), read_calendar(written)
    days = ours.sessions(date(2018, 12, 25), date(2021, 1, 1))

    assert theirs.sessions(date(2018, 12, 25), date(2021, 1, 1)) == days
    assert [theirs.close(day) for day in days] == [ours.close(day) for day in days]


def test_our_database_reaches_from_1998_to_2030(written):
    """The whole years, and no longer."""
    calendar = read_calendar(written)

    assert calendar.covers(date(1998, 1, 1))
    assert calendar.covers(date(2030, 12, 31))
    assert not calendar.covers(date(2031, 1, 1))
    assert len(calendar.sessions(date(2012, 1, 1), date(2012, 12, 31))) == 250      # the storm in October took two


@pytest.mark.golden
def test_our_database_differs_from_leans_only_where_we_know_why(golden_sample, written):
    """Holidays and early closes 1998 to 2028, date by date; what differs is a day without trading, or stands in the table."""
    theirs, ours = read_calendar(golden_sample), read_calendar(written)
    span = date(1998, 1, 1), date(2028, 12, 31)
    days = ours.sessions(*span)
    shorter = {day for day in days if ours.close_time(day) != theirs.close_time(day)}

    assert theirs.sessions(*span) == days
    assert set(EARLY_CLOSES_LEAN_LACKS) == shorter
    assert {time(13)} == {ours.close_time(day) for day in shorter}


@pytest.mark.golden
def test_leans_extra_entries_are_days_without_trading(golden_sample, written):
    """Its database also lists three days of weekends."""
    theirs, ours = _listed(golden_sample), _listed(written)

    assert set(NO_SESSION_ANYWAY) == theirs - ours
    assert all(day.weekday() >= 5 for day in NO_SESSION_ANYWAY)


def test_a_missing_database_says_how_to_get_one(tmp_path):
    """The file and the command are named."""
    with pytest.raises(BadInput, match=r"market-hours-database.json: no market-hours database; `workbench data sample`"):
        read_calendar(tmp_path)


@pytest.mark.parametrize("damage", [
    lambda entry: entry.pop("holidays"), lambda entry: entry.update(holidays=["2019-07-04"]),
    lambda entry: entry.update(earlyCloses={"7/3/2019": "1 pm"}), lambda entry: entry.update(holidays=[]),
])
def test_a_damaged_database_is_named(tmp_path, invented, damage):
    """Half a database would give wrong sessions."""
    whole = json.loads((invented / DATABASE).read_text())
    damage(whole["entries"][ENTRY])
    (tmp_path / DATABASE).parent.mkdir()
    (tmp_path / DATABASE).write_text(json.dumps(whole))

    with pytest.raises(BadInput, match=r"market-hours-database.json: entry 'Equity-usa-.*' is not a market-hours entry"):
        read_calendar(tmp_path)


def test_a_database_that_is_no_json_is_named(tmp_path):
    """Another mistake than a wrong entry."""
    (tmp_path / DATABASE).parent.mkdir()
    (tmp_path / DATABASE).write_text("{")

    with pytest.raises(BadInput, match=r"market-hours-database\.json: not JSON"):
        read_calendar(tmp_path)


def test_a_calendar_prints_what_it_covers(calendar):
    """Not its five hundred days."""
    assert repr(calendar) == "Calendar(2018-12-19 to 2021-01-07, 517 sessions)"


def test_the_calendars_own_ends_are_told(calendar):
    """Before the first session it knows there is one, but not which."""
    with pytest.raises(BadInput, match="the session before of 2018-12-19 is not known"):
        calendar.previous(calendar.first)
    with pytest.raises(BadInput, match="the session after of 2021-01-07 is not known"):
        calendar.next(calendar.last)


@pytest.mark.parametrize(("every", "day"), [("month-start", date(1998, 1, 2)), ("quarter-end", date(2030, 12, 31))])
def test_periods_at_the_calendars_ends_are_whole(written, every, day):
    """January 1998 begins and December 2030 ends inside what the database knows."""
    calendar = read_calendar(written)

    assert calendar.rebalance_dates(day, day, every) == (day,)


def test_late_opens_are_honoured(tmp_path, invented):
    """Lean's layout has them; its US entry has been empty so far."""
    whole = json.loads((invented / DATABASE).read_text())
    whole["entries"][ENTRY]["lateOpens"] = {"9/11/2019": "12:00:00"}
    (tmp_path / DATABASE).parent.mkdir()
    (tmp_path / DATABASE).write_text(json.dumps(whole))

    assert datetime(2019, 9, 11, 16, tzinfo=UTC) == read_calendar(tmp_path).open(date(2019, 9, 11))


def _listed(folder) -> set[date]:
    """Every date named in a database of US equities."""
    entry = json.loads((folder / DATABASE).read_text())["entries"][ENTRY]
    texts = [*entry["holidays"], *entry["earlyCloses"]]
    return {date(int(year), int(month), int(day)) for month, day, year in (text.split("/") for text in texts)}
