"""The check: each oddity is named, and nothing else is."""

import shutil
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_fixtures import change_bars, make_bars, make_folder, read_invented, write_rows

from workbench.errors import BadInput
from workbench.market.bars import daily_path, zipped
from workbench.market.check import KINDS, Finding, check
from workbench.market.folder import Market

WEEK = [date(2019, 6, day) for day in (3, 4, 5, 6, 7)]
FLAT = [10, 10, 10, 10, 10]


def listed(path, name="xyz", *rows):
    """A map file: listed all week, and still."""
    write_rows(path, "map_files", name, *(rows or (f"20190603,{name},N", f"20501231,{name},N")))


def factors(path, *rows):
    write_rows(path, "factor_files", "xyz", *rows, "20501231,1,1,0")


def test_a_plain_week_has_no_findings(tmp_path):
    """Nothing odd, nothing said."""
    listed(make_folder(tmp_path, xyz=make_bars(WEEK, FLAT)))

    assert check(Market(tmp_path)) == ()


def test_the_invented_market_has_two_wild_days(invented):
    """Its two smallest stocks each jumped once in the spring of 2020."""
    found = check(Market(invented))

    assert [(one.kind, one.symbol, one.day) for one in found] == [
        ("jump_without_factor", "DELT", date(2020, 3, 25)), ("jump_without_factor", "GAMA", date(2020, 3, 23))]
    assert found[0].detail == "close 2.29 to 3.45 (+50.7%)"


def test_missing_sessions_are_one_gap(tmp_path):
    """Neighbours together, so that a hole of a year is one line."""
    make_folder(tmp_path, xyz=make_bars([WEEK[0], WEEK[3], WEEK[4]], [10, 10, 10]))
    listed(tmp_path)

    assert check(Market(tmp_path)) == (Finding("gap", "XYZ", WEEK[1], "2 sessions, to 2019-06-05"),)


def test_a_listed_stock_is_expected_on_the_markets_last_day(tmp_path):
    """Its bars end early: stale, or delisted without a word."""
    make_folder(tmp_path, xyz=make_bars(WEEK[:4], FLAT[:4]), abc=make_bars(WEEK, FLAT))
    listed(tmp_path)

    assert check(Market(tmp_path)) == (Finding("gap", "XYZ", WEEK[4], "1 session"),)


def test_a_delisted_stock_is_not_missed(tmp_path):
    """After its last day there is nothing to have."""
    make_folder(tmp_path, xyz=make_bars(WEEK[:3], FLAT[:3]), abc=make_bars(WEEK, FLAT))
    listed(tmp_path, "xyz", "20190603,xyz,N", "20190605,xyz,N")

    assert check(Market(tmp_path)) == ()


def test_without_a_map_file_a_stock_may_begin_and_end_anywhere(tmp_path):
    """Nothing says when it was listed; a hole between its bars is one all the same."""
    make_folder(tmp_path, xyz=make_bars([WEEK[1], WEEK[3]], [10, 10]), abc=make_bars(WEEK, FLAT))

    assert check(Market(tmp_path)) == (Finding("gap", "XYZ", WEEK[2], "1 session"),)


@pytest.mark.parametrize(("close", "told"), [
    (5.3, "close 10 to 5.3 (-47.0%)"), (20, "close 10 to 20 (+100.0%)"), (3.2, "close 10 to 3.2 (-68.0%)"),
    (14.6, "close 10 to 14.6 (+46.0%)"), (17.5, "close 10 to 17.5 (+75.0%)"),
])
def test_a_jump_that_nothing_explains_is_named(tmp_path, close, told):
    """Up or down, like a split or just too far."""
    listed(make_folder(tmp_path, xyz=make_bars(WEEK, [10, 10, close, close, close])))

    assert check(Market(tmp_path)) == (Finding("jump_without_factor", "XYZ", WEEK[2], told),)


@pytest.mark.parametrize("close", [6.6, 7.5, 13.4, 12, 5.8])
def test_an_ordinary_bad_day_is_no_finding(tmp_path, close):
    """Less than 35 %, or less than half and not near a split."""
    listed(make_folder(tmp_path, xyz=make_bars(WEEK, [10, 10, close, close, close])))

    assert check(Market(tmp_path)) == ()


def test_a_jump_that_a_split_explains_is_none(tmp_path):
    """Two for one, and a fifth more of the market's own."""
    listed(make_folder(tmp_path, xyz=make_bars(WEEK, [10, 10, 6, 6, 6])))
    factors(tmp_path, "20190603,1,0.5,1", "20190604,1,0.5,10")

    assert check(Market(tmp_path)) == ()


def test_a_split_that_prices_do_not_show_is_a_jump(tmp_path):
    """Prices from which it is already gone double when it is taken out again."""
    listed(make_folder(tmp_path, xyz=make_bars(WEEK, FLAT)))
    factors(tmp_path, "20190603,1,0.5,1", "20190604,1,0.5,10")

    assert [(one.kind, one.day) for one in check(Market(tmp_path))] == [("jump_without_factor", WEEK[2])]


@pytest.mark.parametrize(("row", "told"), [
    ("20190604,0.99,1,10", "no bar before the split or dividend"),
    ("20190605,0.99,1,0", "no reference price before the split or dividend"),
])
def test_an_event_without_a_price_is_named(tmp_path, row, told):
    """Nobody can say what such a dividend was worth."""
    listed(make_folder(tmp_path, xyz=make_bars([WEEK[0], *WEEK[2:]], FLAT[1:])))
    factors(tmp_path, "20190603,0.99,1,1", row)
    found = [one for one in check(Market(tmp_path)) if one.kind == "action_without_price"]

    assert [date(2019, 6, int(row[6:8]))] == [one.day for one in found]
    assert found[0].detail.startswith(told)


def test_a_factor_row_without_a_session_is_named(tmp_path):
    """Lean looks for events on trading days only, and would not see it."""
    listed(make_folder(tmp_path, xyz=make_bars([*WEEK, date(2019, 6, 10)], [*FLAT, 10])))
    factors(tmp_path, "20190603,0.99,1,1", "20190608,0.99,1,10")

    assert [(one.kind, one.day) for one in check(Market(tmp_path))] == [("not_a_session", date(2019, 6, 8))]


@pytest.mark.parametrize(("values", "kind", "told"), [
    ({"volume": 0}, "zero_volume", "close 10 without a trade"),
    ({"high": 99_000}, "bad_bar", "open 10, high 9.9, low 10, close 10"),
    ({"low": 101_000}, "bad_bar", "open 10, high 10, low 10.1, close 10"),
    ({"open": 110_000}, "bad_bar", "open 11, high 10, low 10, close 10"),
    ({"low": 0}, "bad_bar", "open 10, high 10, low 0, close 10"),
])
def test_an_impossible_bar_is_named(tmp_path, values, kind, told):
    """With its prices."""
    listed(make_folder(tmp_path, xyz=change_bars(make_bars(WEEK, FLAT), 2, **values)))

    assert check(Market(tmp_path)) == (Finding(kind, "XYZ", WEEK[2], told),)


def test_a_price_of_zero_is_one_finding(tmp_path):
    """It is a bad bar; that the next close is infinitely higher goes without saying."""
    listed(make_folder(tmp_path, xyz=change_bars(make_bars(WEEK, FLAT), 2, close=0, low=0)))

    assert [one.kind for one in check(Market(tmp_path))] == ["bad_bar"]


def test_dates_twice_or_out_of_order_are_named(tmp_path):
    """The file can't be traded on, but it can be looked at."""
    listed(make_folder(tmp_path))
    rows = "".join(f"201906{day:02d} 00:00,100000,100000,100000,100000,1\n" for day in (3, 4, 4, 6, 5, 7))
    path = daily_path(tmp_path, "xyz")
    path.parent.mkdir(parents=True)
    path.write_bytes(zipped("xyz.csv", rows.encode()))

    assert check(Market(tmp_path)) == (Finding("duplicate", "XYZ", WEEK[1], "comes after 2019-06-04"),
                                       Finding("duplicate", "XYZ", WEEK[2], "comes after 2019-06-06"))


@pytest.mark.parametrize(("day", "told"), [
    (date(2019, 6, 8), "a bar on a Saturday without trading"), (date(2019, 7, 4), "a bar on a Thursday without trading"),
    (date(2022, 7, 5), "outside the calendar (2018-12-19 to 2021-01-07)"),
])
def test_a_bar_without_a_session_is_named(tmp_path, day, told):
    """Weekends, holidays, and years that the database does not know."""
    make_folder(tmp_path, xyz=make_bars([*WEEK, day], [*FLAT, 10]))

    assert Finding("not_a_session", "XYZ", day, told) in check(Market(tmp_path))


def test_a_file_that_cannot_be_read_stops_the_check(tmp_path):
    """A finding is about data; this is none."""
    make_folder(tmp_path, xyz=make_bars(WEEK, FLAT))
    daily_path(tmp_path, "xyz").write_bytes(b"no zip")

    with pytest.raises(BadInput, match=r"xyz\.zip: not a zip of bars"):
        check(Market(tmp_path))


@given(st.sets(st.integers(0, 504), max_size=6))
def test_every_bar_taken_away_is_found(rows):
    """Whichever sessions are missing from a stock, the gaps are just those."""
    whole = read_invented().bars(read_invented().instrument("ALFA", date(2020, 1, 2)))
    kept = np.setdiff1d(np.arange(len(whole)), sorted(rows))
    with tempfile.TemporaryDirectory() as name:
        folder = make_folder(Path(name), full=whole, xyz=make_bars(whole.days[kept], whole.close[kept] / 10_000))
        listed(folder, "xyz", "20190102,xyz,N", "20501231,xyz,N")
        gaps = [one for one in check(Market(folder)) if one.kind == "gap"]
    days = [day for one in gaps for day in read_invented().calendar.sessions(one.day, date.fromisoformat(_last(one)))]

    assert whole.days[sorted(rows)].tolist() == days


def test_a_folder_without_stocks_has_no_findings(tmp_path):
    """Empty is empty."""
    make_folder(tmp_path, xyz=make_bars(WEEK, FLAT))
    shutil.rmtree(tmp_path / "equity" / "usa" / "daily")
    (tmp_path / "equity" / "usa" / "daily").mkdir()

    assert check(Market(tmp_path)) == ()


@pytest.mark.golden
def test_leans_sample_shows_what_is_known_of_it(golden_sample):
    """Zero volumes of one fund, a missing predecessor, and AAPL's fall of 2000; no bad bar, no stray date."""
    found = check(Market(golden_sample))
    kinds = {kind: [one.symbol for one in found if one.kind == kind] for kind in KINDS}

    assert kinds["bad_bar"] == kinds["duplicate"] == kinds["not_a_session"] == []
    assert set(kinds["zero_volume"]) == {"BNO"}
    assert Finding("gap", "BAC", date(1998, 1, 2), "188 sessions, to 1998-09-30") in found
    assert ("AAPL", date(2000, 9, 29)) in {(one.symbol, one.day) for one in found if one.kind == "jump_without_factor"}


def _last(gap: Finding) -> str:
    """The last date of a gap, as its detail says."""
    return gap.detail.rpartition(" ")[2] if "to" in gap.detail else str(gap.day)
