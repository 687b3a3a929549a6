"""Map and factor files: tickers, splits and dividends by Lean's rules."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.market.calendar import read_calendar
from workbench.market.corporate import FactorFile, FactorRow, MapFile, MapRow, distribution, read_factors, read_map


@pytest.fixture(scope="module")
def calendar(invented):
    return read_calendar(invented)


@pytest.fixture(scope="module")
def factors(invented):
    """A factor file of the invented market by name."""
    return lambda name: read_factors(invented / "equity" / "usa" / "factor_files" / f"{name}.csv")


@pytest.fixture(scope="module")
def maps(invented):
    """A map file of the invented market by name."""
    return lambda name: read_map(invented / "equity" / "usa" / "map_files" / f"{name}.csv")


@pytest.mark.parametrize(("day", "ticker"), [
    (date(2019, 1, 1), None), (date(2019, 1, 2), "EPSO"), (date(2019, 10, 31), "EPSO"), (date(2019, 11, 1), "EPSI"),
    (date(2049, 1, 1), "EPSI"),
])
def test_a_rename_takes_effect_after_its_row(maps, day, ticker):
    """The row's date is the old ticker's last."""
    assert ticker == maps("epsi").ticker_on(day)


def test_an_identity_keeps_its_first_ticker(maps):
    """EPSI was listed as EPSO, and is known by it for ever."""
    known = maps("epsi")

    assert (known.first_ticker, known.last_ticker) == ("EPSO", "EPSI")
    assert (known.first_date, known.delisting_date) == (date(2019, 1, 2), None)


def test_a_delisted_stock_has_no_ticker_afterwards(maps):
    """ETAX traded for the last time on 2020-05-15."""
    known = maps("etax")

    assert known.delisting_date == date(2020, 5, 15)
    assert (known.ticker_on(date(2020, 5, 15)), known.ticker_on(date(2020, 5, 18))) == ("ETAX", None)


def test_spans_meet_without_a_gap(maps):
    """Each begins on the day after the one before it."""
    assert maps("epsi").spans() == (
        ("EPSO", date(2019, 1, 2), date(2019, 10, 31)), ("EPSI", date(2019, 11, 1), date(2050, 12, 31)))


def test_a_ticker_of_one_day_has_its_own_span():
    """A first row may name another ticker than the second."""
    rows = (MapRow(date(2019, 1, 2), "aa"), MapRow(date(2019, 1, 31), "bb"), MapRow(date(2050, 12, 31), "bb"))

    assert MapFile("bb", rows).spans() == (
        ("AA", date(2019, 1, 2), date(2019, 1, 2)), ("BB", date(2019, 1, 3), date(2050, 12, 31)))


def test_without_a_map_file_nothing_is_known(tmp_path):
    """Lean then takes the ticker for the identity, and no date."""
    known = read_map(tmp_path / "xyz.csv")

    assert (known.first_date, known.first_ticker, known.last_ticker, known.delisting_date) == (None, "XYZ", "XYZ", None)
    assert known.ticker_on(date(1999, 1, 1)) == "XYZ"
    assert known.spans() == (("XYZ", None, None),)


def test_without_a_factor_file_nothing_is_adjusted(tmp_path, calendar):
    """Lean goes on with raw prices."""
    known = read_factors(tmp_path / "xyz.csv")

    assert known.on(date(1999, 1, 1)) == (1, 1)
    assert known.actions(calendar) == ()


@pytest.mark.parametrize(("day", "price", "split"), [
    (date(2018, 1, 2), "0.9910272", "0.25"), (date(2019, 5, 8), "0.9910272", "0.25"), (date(2019, 5, 9), "0.9943575", "0.25"),
    (date(2020, 7, 31), "1.0000000", "0.25"), (date(2020, 8, 3), "1", "1"), (date(2051, 1, 2), "1", "1"),
])
def test_factors_are_those_of_the_earliest_row_not_before_a_date(factors, day, price, split):
    """A row applies up to its own date, and the first to all before."""
    assert (Decimal(price), Decimal(split)) == factors("beta").on(day)


def test_events_come_on_the_session_after_their_row(factors, calendar):
    """A dividend of 1.10, one of 1.20, and four new shares for one after a weekend."""
    first, second, split = factors("beta").actions(calendar)

    assert (first.kind, first.row_date, first.ex_date, first.per_share) == (
        "dividend", date(2019, 5, 8), date(2019, 5, 9), Decimal("1.10"))
    assert (second.ex_date, second.per_share, second.reference_price) == (date(2019, 11, 7), Decimal("1.20"), Decimal("212.67"))
    assert (split.kind, split.row_date, split.ex_date, split.factor, split.per_share) == (
        "split", date(2020, 7, 31), date(2020, 8, 3), Decimal("0.25"), None)


def test_a_first_row_like_the_second_is_no_event(factors, calendar):
    """Files begin with a row that only carries the factors back."""
    assert factors("epsi").rows[0].date == date(2019, 1, 2)
    assert [one.ex_date for one in factors("epsi").actions(calendar)] == [date(2019, 8, 15), date(2020, 8, 13)]


def test_a_dividend_and_a_split_of_one_morning_come_in_leans_order(calendar):
    """The dividend is paid on the old shares."""
    rows = (FactorRow(date(2019, 6, 3), Decimal("0.99"), Decimal("0.5"), Decimal(100)),
            FactorRow(date(2050, 12, 31), Decimal(1), Decimal(1), Decimal(0)))
    dividend, split = FactorFile("xyz", rows).actions(calendar)

    assert (dividend.kind, dividend.per_share) == ("dividend", Decimal("1.00"))
    assert (split.kind, split.factor) == ("split", Decimal("0.5"))
    assert dividend.ex_date == split.ex_date == date(2019, 6, 4)


@pytest.mark.parametrize(("price", "ratio", "paid"), [
    ("10", "0.9995", "0.00"),       # 0.005, halves to even
    ("10", "0.9985", "0.02"),       # 0.015
    ("210.13", "0.995812094", "0.88"), ("29.97", "0.8972306", "3.08"),
])
def test_a_distribution_is_in_cents_halves_to_even(price, ratio, paid):
    """round(close − close × ratio, 2), as .NET rounds decimals."""
    assert Decimal(paid) == distribution(Decimal(price), Decimal(ratio))


def test_an_event_without_a_price_is_refused(calendar):
    """Lean stops on it too."""
    rows = (FactorRow(date(2019, 6, 3), Decimal("0.99"), Decimal(1), Decimal(0)),
            FactorRow(date(2050, 12, 31), Decimal(1), Decimal(1), Decimal(0)))

    with pytest.raises(BadInput, match="factor file xyz: the event after 2019-06-03 has no reference price"):
        FactorFile("xyz", rows).actions(calendar)


@given(st.sampled_from([Fraction(n, m) for n in range(1, 21) for m in range(1, 21) if n != m]),
       st.decimals("0.001", "1", places=8))
def test_an_adjustment_is_free_of_the_files_rounding(ratio, later):
    """However later events have rescaled and rounded two split factors, the split between them is the same."""
    exact = Decimal(ratio.numerator) / ratio.denominator
    before = (later * exact).quantize(Decimal("1e-8"))
    assume(abs(before / later / exact - 1) < Decimal("0.00004"))
    rows = (FactorRow(date(2019, 6, 3), Decimal(1), before, Decimal(9)),
            FactorRow(date(2019, 7, 3), Decimal(1), later, Decimal(9)))
    action, = FactorFile("xyz", rows).actions(_NextDay())

    assert exact == action.adjustment


def test_an_odd_ratio_is_kept_to_six_digits():
    """A spin-off's 0.997307 is no simple fraction."""
    rows = (FactorRow(date(2019, 6, 3), Decimal(1), Decimal("0.99730712"), Decimal(9)),
            FactorRow(date(2050, 12, 31), Decimal(1), Decimal(1), Decimal(0)))
    action, = FactorFile("xyz", rows).actions(_NextDay())

    assert action.adjustment == Decimal("0.997307")


def test_blank_lines_are_passed_over(tmp_path):
    """As Lean does."""
    (tmp_path / "xyz.csv").write_text("20190102,xyz,N\n\n20501231,xyz,N\n\n")

    assert len(read_map(tmp_path / "xyz.csv").rows) == 2


@pytest.mark.parametrize("kind", ["map_files", "factor_files"])
def test_files_keep_their_text(invented, kind):
    """Read and written again, every file is what it was."""
    read = read_map if kind == "map_files" else read_factors
    paths = sorted((invented / "equity" / "usa" / kind).glob("*.csv"))

    assert len(paths) == 8
    assert [path.read_text() for path in paths] == [read(path).text() for path in paths]


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["map_files", "factor_files"])
def test_leans_own_files_keep_their_text(golden_sample, kind):
    """The sample's files too, up to the last line end, which they lack."""
    read = read_map if kind == "map_files" else read_factors
    paths = sorted((golden_sample / "equity" / "usa" / kind).glob("*.csv"))

    assert len(paths) > 20
    assert [path.read_text().rstrip("\n") + "\n" for path in paths] == [read(path).text() for path in paths]


@pytest.mark.parametrize(("text", "told"), [
    ("20190102,xyz,N\n20190102,xyz,N\n", "row 2: 2019-01-02 comes after 2019-01-02"),
    ("2019-01-02,xyz,N\n", "row 1: '2019-01-02,xyz,N' is not yyyyMMdd,ticker"),
    ("20190102\n", "row 1: '20190102' is not"),
    ("20190102,,N\n", "row 1: "),
    ("20190102,xyz,N,1\n", "row 1: "),
    ("20190230,xyz\n", "row 1: "),
])
def test_a_bad_map_row_is_named(tmp_path, text, told):
    """File and row; nothing is skipped."""
    (tmp_path / "xyz.csv").write_text(text)

    with pytest.raises(BadInput) as refused:
        read_map(tmp_path / "xyz.csv")

    assert f"xyz.csv {told}" in str(refused.value)


@pytest.mark.parametrize("text", ["20190102,1\n", "20190102,0,1,1\n", "20190102,nan,1,1\n", "20190102,1,inf,1\n",
                                  "20190102,1,-1,1\n", "20190102,1,1,x\n"])
def test_a_factor_that_is_no_positive_number_is_refused(tmp_path, text):
    """Zero, infinity and words adjust nothing."""
    (tmp_path / "xyz.csv").write_text(text)

    with pytest.raises(BadInput, match=r"xyz.csv row 1: .* is not yyyyMMdd,price factor,split factor,reference price"):
        read_factors(tmp_path / "xyz.csv")


class _NextDay:
    """A calendar on which every day trades."""

    def next(self, day):
        return date.fromordinal(day.toordinal() + 1)
