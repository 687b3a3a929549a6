"""A view: what a strategy may see, and what it must not."""

import time
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_fixtures import KnownBy, make_bars, make_folder, read_invented, write_rows

from workbench.errors import BadInput, LookAhead, MissingPrice, NotASession, UnknownName
from workbench.market.folder import Market
from workbench.market.view import View

WEEK = [date(2019, 6, day) for day in (3, 4, 5, 6, 7)]


@pytest.fixture(scope="module")
def market(invented):
    return Market(invented)


def see(market, as_of, symbols=None):
    """The view of these symbols, or of all listed, after the close of a session."""
    return market.view(market.universe(as_of, symbols), as_of)


@pytest.fixture
def split(tmp_path):
    """One stock: 100 until a dividend of 2 on Wednesday, then a split of two for one on Thursday."""
    make_folder(tmp_path, xyz=make_bars(WEEK, [100, 100, 98, 50, 51]))
    write_rows(tmp_path, "map_files", "xyz", "20190603,xyz,N", "20501231,xyz,N")
    rows = ["20190603,0.98,0.5,1", "20190604,0.98,0.5,100", "20190605,1,0.5,98", "20501231,1,1,0"]
    write_rows(tmp_path, "factor_files", "xyz", *rows)
    return Market(tmp_path)


def test_adjusted_closes_are_what_a_holder_earned(split):
    """A dividend of 2 on 100, then half the price for twice the shares; the last close is the raw one."""
    closes = see(split, WEEK[4]).closes()["XYZ"]

    assert list(closes.round(9)) == [49.0, 49.0, 49.0, 50.0, 51.0]


@pytest.mark.parametrize(("day", "expected"), [
    (1, [100, 100]),                # nothing has happened yet
    (2, [98, 98, 98]),              # the dividend is in force, the split is not
    (3, [49, 49, 49, 50]),
])
def test_only_what_is_known_adjusts(split, day, expected):
    """On the evening before an event, prices are still what they were."""
    assert expected == list(see(split, WEEK[day]).closes()["XYZ"].round(9))


def test_raw_closes_stay_raw(split):
    """As traded, whatever came later."""
    assert list(see(split, WEEK[4]).closes(adjusted=False)["XYZ"]) == [100, 100, 98, 50, 51]


def test_adjusted_closes_agree_with_leans_factors(market):
    """Raw close × price factor × split factor, relative to the last day: the same but for the seventh digit."""
    as_of = date(2020, 12, 31)
    closes = see(market, as_of).closes()
    for one in market.universe(as_of):
        bars, factors = market.bars(one), market.factor_file(one)
        scale = [float(price * share) for price, share in (factors.on(day.item()) for day in bars.days)]
        expected = bars.close / 10_000 * np.array(scale) / float(np.prod(factors.on(as_of)))

        np.testing.assert_allclose(closes[one.symbol].dropna(), expected, rtol=3e-7)


@given(st.integers(0, 504))
def test_the_last_row_is_the_raw_close(at):
    """Adjusting is relative to the day of the decision."""
    market = read_invented()
    as_of = market.calendar.sessions(date(2019, 1, 2), date(2020, 12, 31))[at]
    view = see(market, as_of)

    pd.testing.assert_series_equal(view.closes(lookback=1).iloc[0], view.closes(adjusted=False).iloc[-1])


@given(st.integers(0, 504))
def test_a_view_is_the_same_whatever_comes_later(at):
    """To the last bit it is what the folder gave on that evening, before any later bar, split, dividend or rename."""
    whole = read_invented()
    as_of = whole.calendar.sessions(date(2019, 1, 2), date(2020, 12, 31))[at]
    then, now = see(KnownBy(whole.path, as_of), as_of), see(whole, as_of)

    pd.testing.assert_frame_equal(then.closes(), now.closes(), check_exact=True)
    pd.testing.assert_frame_equal(then.closes(adjusted=False), now.closes(adjusted=False), check_exact=True)


def test_lookback_takes_the_last_sessions(market):
    """Sessions, not bars: a day without a bar counts."""
    view = see(market, date(2019, 12, 31))

    assert len(view.closes(lookback=10)) == 10
    pd.testing.assert_frame_equal(view.closes(lookback=10), view.closes().iloc[-10:])


def test_a_lookback_before_the_first_bar_is_nan(market):
    """The frame has the rows asked for, as far as the calendar reaches."""
    view = see(market, date(2019, 1, 4))
    closes = view.closes(lookback=5)

    assert [str(day.date()) for day in closes.index] == ["2018-12-28", "2018-12-31", "2019-01-02", "2019-01-03", "2019-01-04"]
    assert closes.iloc[:2].isna().all(axis=None)
    assert len(view.closes(lookback=1000)) == len(market.calendar.sessions(market.calendar.first, date(2019, 1, 4)))


@pytest.mark.parametrize("lookback", [0, -1, 2.0, "5", True])
def test_a_lookback_is_a_whole_number_above_zero(market, lookback):
    """Counting from the other end would look ahead."""
    with pytest.raises(BadInput, match="lookback must be a whole number of sessions above zero"):
        see(market, date(2019, 12, 31)).closes(lookback=lookback)


def test_a_session_without_a_bar_is_nan(tmp_path):
    """Never filled from the day before."""
    make_folder(tmp_path, aaa=make_bars(WEEK, [10, 11, 12, 13, 14]), bbb=make_bars([WEEK[0], WEEK[4]], [20, 21]))
    closes = see(Market(tmp_path), WEEK[4]).closes()

    assert closes["BBB"].isna().tolist() == [False, True, True, True, False]


def test_a_bar_without_a_session_is_refused(tmp_path):
    """It has no place in the frame, and must not vanish."""
    make_folder(tmp_path, aaa=make_bars([*WEEK, date(2019, 6, 8)], [10, 11, 12, 13, 14, 15]))
    market = Market(tmp_path)

    with pytest.raises(BadInput, match="AAA has a bar on 2019-06-08, which is not a session; `workbench data check`"):
        see(market, date(2019, 6, 10), ["AAA"]).closes()


def test_symbols_without_a_bar_are_nan_columns(market):
    """ZETA is listed in September; in June it can be asked for and has no price."""
    view = see(market, date(2019, 6, 3), ["ALFA", "ZETA"])

    assert view.symbols == ("ALFA", "ZETA")
    assert view.closes()["ZETA"].isna().all()
    with pytest.raises(MissingPrice, match=r"no close for ZETA on 2019-06-03 .never seen\)"):
        view.close("ZETA")
    with pytest.raises(MissingPrice):
        view.bars("ZETA")


def test_a_view_of_nothing_is_an_empty_frame(market):
    """An empty universe is no error."""
    assert market.view([], date(2019, 6, 3)).closes().shape == (1, 0)


@pytest.mark.parametrize("day", [date(2019, 6, 4), datetime(2019, 6, 4, 9, 30, tzinfo=UTC), "2019-06-04", date(2030, 1, 1)])
def test_a_later_day_is_refused(market, day):
    """A strategy that peeks is stopped, not obeyed."""
    with pytest.raises(LookAhead, match="as of 2019-06-03 and sees nothing later"):
        see(market, date(2019, 6, 3)).close("ALFA", day)


def test_a_close_is_of_one_session(market):
    """By default the last; of an earlier day on request."""
    view = see(market, date(2020, 8, 3))

    assert view.close("BETA") == 47.93
    assert view.close("BETA", "2020-07-31") == view.close("BETA", pd.Timestamp("2020-07-31")) == 188.02


def test_a_close_that_is_not_there_says_why(market):
    """A holiday, a gap, another symbol and a word are four different mistakes."""
    view = see(market, date(2020, 6, 1), ["ALFA", "ETAX"])

    with pytest.raises(NotASession):
        view.close("ALFA", "2020-05-25")
    with pytest.raises(MissingPrice, match="last seen 2020-05-15"):
        view.close("ETAX")
    with pytest.raises(UnknownName, match="unknown symbol 'BETA'"):
        view.close("BETA")
    with pytest.raises(BadInput, match="'yesterday' is not a date"):
        view.close("ALFA", "yesterday")


def test_bars_end_with_the_view(market):
    """Raw columns in dollars and shares, and no row later."""
    bars = see(market, date(2019, 1, 4)).bars("ALFA")

    assert list(bars.columns) == ["open", "high", "low", "close", "volume"]
    assert bars.loc["2019-01-02"].tolist() == [210.56, 216.02, 210.53, 215.36, 294100]
    assert bars.index[-1] == pd.Timestamp("2019-01-04")


def test_returns_are_of_adjusted_closes(split):
    """A split earns nothing, a dividend does."""
    returns = see(split, WEEK[4]).returns(4)["XYZ"]

    assert list(returns.round(9)) == [0.0, 0.0, round(50 / 49 - 1, 9), 0.02]


def test_what_a_strategy_changes_stays_its_own(market):
    """Frames are copies."""
    view = see(market, date(2019, 6, 3))
    closes = view.closes()
    closes.iloc[:] = 0.0

    assert view.closes().iloc[-1].min() > 0


def test_a_narrower_view_is_found_by_later_tickers_too(market):
    """EPSO is to be EPSI."""
    view = see(market, date(2019, 6, 3))

    assert view.only(["EPSI", "ALFA"]).symbols == ("EPSO", "ALFA")
    assert view.only(["EPSI"]).as_of == date(2019, 6, 3)
    assert ("EPSI" in view, "EPSI" in view.only(["ALFA"]), "NONE" in view) == (True, False, False)
    with pytest.raises(UnknownName):
        view.only(["NONE"])


def test_a_view_is_taken_after_a_session(market):
    """There is no close to decide by on a Sunday."""
    with pytest.raises(NotASession):
        market.view([], date(2019, 6, 2))


def test_five_hundred_stocks_are_a_frame_in_well_under_a_second(market):
    """The frame is filled column by column from arrays, not bar by bar."""
    day = date(2020, 12, 31)
    one = market.universe(day, ["ALFA"])[0]
    view = market.view([one], day)
    bars, actions = view._bars["ALFA"], view._actions["ALFA"]
    names = [f"S{n}" for n in range(500)]
    many = View(as_of=day, calendar=market.calendar, bars=dict.fromkeys(names, bars), actions=dict.fromkeys(names, actions))
    start = time.perf_counter()

    assert many.closes().shape == (505, 500)
    assert time.perf_counter() - start < 1
