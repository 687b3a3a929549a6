"""Bars: Lean's files, read as columns and written back."""

import tempfile
import time
import zipfile
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_fixtures import INVENTED

from workbench.errors import BadInput
from workbench.market.bars import Bars, daily_path, empty, join, read_daily, read_minute, write_daily, zipped

GOOD = "20200102 00:00,10000,10100,9900,10050,500\n20200103 00:00,10050,10200,10000,10150,600\n"


def write_text(path: Path, text: str) -> Path:
    """A zip of daily bars with any text in it."""
    path.write_bytes(zipped(f"{path.stem}.csv", text.encode()))
    return path


def test_a_daily_file_is_read_as_it_is_written(invented):
    """First and last rows of a file, number by number."""
    bars = read_daily(invented / "equity" / "usa" / "daily" / "alfa.zip")

    assert len(bars) == 505
    assert (date(2019, 1, 2), date(2020, 12, 31)) == (bars.days[0].item(), bars.days[-1].item())
    assert [getattr(bars, c.name)[0] for c in fields(bars)][1:] == [2105600, 2160200, 2105300, 2153600, 294100]
    assert bars.close[-1] == 4044000


@given(st.dates(date(1998, 1, 2), date(2030, 12, 31)), st.lists(st.tuples(*[st.integers(0, 10**17)] * 5), max_size=30))
def test_writing_and_reading_gives_the_same_bars(first, rows):
    """Every column survives, from no rows to many, from one digit to seventeen."""
    columns = np.array(rows, np.int64).reshape(-1, 5).T
    days = np.datetime64(first) + np.arange(len(rows))
    bars = Bars(days=days, open=columns[0], high=columns[1], low=columns[2], close=columns[3], volume=columns[4])
    with tempfile.TemporaryDirectory() as folder:
        path = write_daily(Path(folder) / "xyz.zip", "XYZ", bars)

        assert bars == read_daily(path)


def test_the_same_bars_give_the_same_bytes(tmp_path, invented):
    """No clock goes into a file, so that a folder can be compared by its bytes."""
    bars = read_daily(invented / "equity" / "usa" / "daily" / "beta.zip")
    first = write_daily(tmp_path / "a" / "beta.zip", "BETA", bars).read_bytes()
    time.sleep(0.01)

    assert first == write_daily(tmp_path / "b" / "beta.zip", "beta", bars).read_bytes()
    assert zipfile.ZipFile(tmp_path / "a" / "beta.zip").infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


def test_text_written_is_what_lean_wrote(tmp_path, invented):
    """Our writer's text is the recorded file's text."""
    source = invented / "equity" / "usa" / "daily" / "gama.zip"
    copy = write_daily(tmp_path / "gama.zip", "gama", read_daily(source))

    assert zipfile.ZipFile(source).read("gama.csv") == zipfile.ZipFile(copy).read("gama.csv")


@pytest.mark.parametrize("text", [GOOD.rstrip("\n"), GOOD.replace("\n", "\r\n")], ids=["no last line end", "windows"])
def test_line_ends_do_not_matter(tmp_path, text):
    """Lean's own sample files have no last line end."""
    assert read_daily(write_text(tmp_path / "x.zip", GOOD)) == read_daily(write_text(tmp_path / "y.zip", text))


@pytest.mark.parametrize(("old", "new", "told"), [
    ("10150", "10150.5", "row 2: '20200103 00:00,10050,10200,10000,10150.5,600' is not yyyyMMdd 00:00,open"),
    ("9900", "-9900", "row 1: "),
    ("9900", "", "row 1: "),
    ("9900,", "", "row 1: "),
    ("600", "600,7", "row 2: "),
    ("600", "6" * 19, "row 2: "),
    ("20200103", "20200102", "row 2: 2020-01-02 comes after 2020-01-02: dates must ascend"),
    ("20200103", "20191231", "row 2: 2019-12-31 comes after 2020-01-02: dates must ascend"),
    ("20200103", "20200230", "row 2: 20200230 is not a date"),
    ("20200103", "20201301", "row 2: 20201301 is not a date"),
    ("20200103 00:00", "20200103 09:30", "row 2: the bar of 2020-01-03 is not at 00:00"),
])
def test_a_bad_row_is_named(tmp_path, old, new, told):
    """File, row and what is wrong with it; nothing is skipped."""
    path = write_text(tmp_path / "bad.zip", GOOD.replace(old, new, 1))

    with pytest.raises(BadInput) as refused:
        read_daily(path)

    assert f"{path} {told}" in str(refused.value)


def test_disorder_can_be_read_to_be_shown(tmp_path):
    """`check` names each disordered date, and so has to see them."""
    path = write_text(tmp_path / "x.zip", "".join(reversed(GOOD.splitlines(keepends=True))))

    assert [str(day) for day in read_daily(path, ordered=False).days] == ["2020-01-03", "2020-01-02"]


def test_disorder_is_never_written(tmp_path, invented):
    """Lean would read half of such a file."""
    bars = read_daily(invented / "equity" / "usa" / "daily" / "alfa.zip")

    with pytest.raises(BadInput, match="row 506: 2019-01-02 comes after 2020-12-31"):
        write_daily(tmp_path / "twice.zip", "twice", join([bars, bars]))
    assert not (tmp_path / "twice.zip").exists()


@pytest.mark.parametrize(("content", "told"), [(None, "no such file"), (b"no zip", "not a zip of bars")])
def test_a_file_that_is_no_zip_is_named(tmp_path, content, told):
    """Missing and broken are told apart."""
    path = tmp_path / "x.zip"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadInput, match=f"x.zip: {told}"):
        read_daily(path)


def test_columns_cannot_be_written_to(invented):
    """What one reader sees, the next sees too."""
    bars = read_daily(invented / "equity" / "usa" / "daily" / "alfa.zip")

    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1


def test_bars_print_their_span(invented):
    """Not their columns."""
    assert repr(read_daily(daily_path(invented, "alfa"))) == "Bars(505 rows, 2019-01-02 to 2020-12-31)"
    assert repr(join([])) == "Bars(0 rows)"
    assert empty() != "no bars"


def test_columns_have_one_length():
    """A frame with a hole is no frame."""
    none = empty()

    with pytest.raises(BadInput, match="column 'volume' has 1 rows and 'days' has 0"):
        Bars(days=none.days, open=none.open, high=none.open, low=none.open, close=none.open, volume=np.ones(1, np.int64))


@given(st.integers(0, 504), st.integers(0, 504))
def test_between_takes_both_ends(first, last):
    """A part begins and ends with the dates asked for, and is empty when they are crossed."""
    bars = read_daily(daily_path(INVENTED, "alfa"))
    part = bars.between(bars.days[first].item(), bars.days[last].item())

    assert max(0, last - first + 1) == len(part)
    assert not len(part) or (part.days[0], part.days[-1]) == (bars.days[first], bars.days[last])


def test_a_row_is_found_by_its_date(invented):
    """A session has its row; a Sunday has none."""
    bars = read_daily(invented / "equity" / "usa" / "daily" / "alfa.zip")

    assert bars.row(date(2019, 1, 3)) == 1
    assert bars.row(date(2019, 1, 6)) is None
    assert bars.row(date(2021, 1, 4)) is None


def test_minutes_have_trades_and_quotes(invented):
    """The first minute of a recorded day, from 09:30."""
    minutes = read_minute(invented, "ALFA", date(2020, 3, 11))
    trades, quotes = minutes.trades, minutes.quotes
    bid, ask = (quotes.bid_open[0], quotes.bid_size[0]), (quotes.ask_open[0], quotes.ask_close[0], quotes.ask_size[0])

    assert (trades.time[0], trades.open[0], trades.close[0], trades.volume[0]) == (34_200_000, 2953100, 2954000, 39600)
    assert (bid, ask) == ((2952800, 900), (2953400, 2954300, 4600))


def test_a_day_without_minutes_is_not_an_empty_day(invented):
    """No file is told as None, never as no rows."""
    assert read_minute(invented, "ALFA", date(2020, 3, 16)) == (None, None)


def test_a_side_without_quotes_is_zero(tmp_path):
    """Lean leaves a side's fields empty where nobody bid or asked."""
    folder = tmp_path / "equity" / "usa" / "minute" / "xyz"
    folder.mkdir(parents=True)
    text = b"34200000,,,,,,100,110,90,105,7\n34260000,50,60,40,55,3,,,,,\n"
    (folder / "20200102_quote.zip").write_bytes(zipped("20200102_xyz_minute_quote.csv", text))
    quotes = read_minute(tmp_path, "XYZ", date(2020, 1, 2)).quotes

    assert list(quotes.bid_open) == [0, 50]
    assert list(quotes.ask_close) == [105, 0]
    assert list(quotes.ask_size) == [7, 0]


def test_a_bad_minute_row_is_named(tmp_path):
    """As a daily one is."""
    folder = tmp_path / "equity" / "usa" / "minute" / "xyz"
    folder.mkdir(parents=True)
    (folder / "20200102_trade.zip").write_bytes(zipped("x.csv", b"34200000,1,1,1,1,1\n34260000,1,1,1,1\n"))

    with pytest.raises(BadInput, match=r"row 2: '34260000,1,1,1,1' is not time,open,high,low,close,volume in whole numbers"):
        read_minute(tmp_path, "XYZ", date(2020, 1, 2))


def test_minutes_out_of_order_are_refused(tmp_path):
    """Two bars of one minute would be filled twice."""
    folder = tmp_path / "equity" / "usa" / "minute" / "xyz"
    folder.mkdir(parents=True)
    (folder / "20200102_trade.zip").write_bytes(zipped("x.csv", b"34260000,1,1,1,1,1\n34260000,1,1,1,1,1\n"))

    with pytest.raises(BadInput, match="row 2: 34260000 ms comes after 34260000 ms"):
        read_minute(tmp_path, "XYZ", date(2020, 1, 2))


@pytest.mark.golden
def test_all_of_leans_sample_bars_are_read(golden_sample):
    """Every daily and minute file of the sample, with the counts its readme gives for some."""
    daily = {path.stem: read_daily(path) for path in (golden_sample / "equity" / "usa" / "daily").glob("*.zip")}
    days = {(path.parent.name, path.name[:8]) for path in (golden_sample / "equity" / "usa" / "minute").glob("*/*.zip")}
    minutes = [read_minute(golden_sample, ticker, date.fromisoformat(day)) for ticker, day in days]

    assert (len(daily["spy"]), len(daily["fb"]), len(daily["aaa"])) == (5849, 2947, 1371)
    assert all(one.trades is not None and one.quotes is not None for one in minutes)
    assert minutes


def test_reading_costs_a_few_milliseconds_for_ten_years(invented, tmp_path):
    """2,500 rows take about one millisecond; ten are allowed, since the machine may be busy."""
    days = np.datetime64("2000-01-03") + np.arange(2500)
    price = np.full(2500, 1_234_500)
    bars = Bars(days=days, open=price, high=price, low=price, close=price, volume=price)
    path = write_daily(tmp_path / "long.zip", "long", bars)
    took = min(_seconds(path) for _ in range(20))

    assert took < 0.010


def _seconds(path: Path) -> float:
    start = time.perf_counter()
    read_daily(path)
    return time.perf_counter() - start
