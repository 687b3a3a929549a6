"""The sample of five stocks: real bars, true splits and true dividends, as a Lean data folder."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from bokeh_sampledata import stocks

from workbench.errors import MissingTool
from workbench.market import sample
from workbench.market.check import check
from workbench.market.folder import Market
from workbench.market.sample import EXCHANGES, research_prices, write_sample

FROM_2000, ENDS = date(2000, 3, 1), date(2013, 3, 1)

# IBM's quarterly dividends 2000-05 to 2013-02 in dollars, and how often each was paid in a row.
IBM = [("0.13", 4), ("0.14", 4), ("0.15", 4), ("0.16", 4), ("0.18", 4), ("0.20", 4), ("0.30", 4), ("0.40", 4), ("0.50", 4),
       ("0.55", 4), ("0.65", 4), ("0.75", 4), ("0.85", 4)]


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """The sample, written once."""
    return Market(write_sample(tmp_path_factory.mktemp("sample")))


@pytest.fixture(scope="module")
def actions(market):
    """All splits and dividends of a ticker."""
    return lambda ticker: market.actions(market.instrument(ticker, ENDS), date.min, date.max)


def paid(actions, ticker):
    """(ex-date, dollars) of a ticker's dividends."""
    return {one.ex_date: one.per_share for one in actions(ticker) if one.kind == "dividend"}


@pytest.mark.parametrize(("ticker", "first", "rows"), [
    ("AAPL", FROM_2000, 3270), ("FB", date(2012, 5, 18), 196), ("GOOG", date(2004, 8, 19), 2148), ("IBM", FROM_2000, 3270),
    ("MSFT", FROM_2000, 3270),
])
def test_each_stock_has_every_session_of_its_span(market, ticker, first, rows):
    """From its first bar to 2013-03-01, none missing and none too many."""
    bars = market.bars(market.instrument(ticker, ENDS))
    sessions = market.calendar.sessions(first, ENDS)

    assert (rows, rows) == (len(bars), len(sessions))
    assert tuple(bars.days.tolist()) == sessions


@pytest.mark.parametrize("ticker", EXCHANGES)
def test_bars_are_the_source_to_the_last_digit(market, ticker):
    """Ten-thousandths of a dollar hold every price; nothing is rounded or repaired."""
    bars, source = market.bars(market.instrument(ticker, ENDS)), getattr(stocks, ticker)

    for column in ("open", "high", "low", "close"):
        assert source[column] == [float(Decimal(int(price)) / 10_000) for price in getattr(bars, column)]
    assert source["volume"] == bars.volume.tolist()


@pytest.mark.parametrize(("ticker", "splits"), [
    ("AAPL", [date(2000, 6, 21), date(2005, 2, 28)]), ("MSFT", [date(2003, 2, 18)]), ("IBM", []), ("GOOG", []), ("FB", []),
])
def test_the_splits_are_the_known_ones(actions, ticker, splits):
    """Two for one, each on its first day traded so; AAPL's fall by half of 2000-09-29 is none."""
    found = [one for one in actions(ticker) if one.kind == "split"]

    assert splits == [one.ex_date for one in found]
    assert all(one.factor == Decimal("0.5") for one in found)


def test_apple_paid_three_times(actions):
    """Its first dividend since 1995."""
    expected = {day: Decimal("2.65") for day in (date(2012, 8, 9), date(2012, 11, 7), date(2013, 2, 7))}

    assert expected == paid(actions, "AAPL")


def test_microsoft_paid_since_2003(actions):
    """0.08, a year later 0.16, then quarterly; 3.00 more with the 0.08 of 2004-11-15."""
    found = paid(actions, "MSFT")

    assert len(found) == 37
    assert [found[day] for day in (date(2003, 2, 19), date(2003, 10, 15), date(2004, 8, 23))] == [
        Decimal("0.08"), Decimal("0.16"), Decimal("0.08")]
    assert found[date(2004, 11, 15)] == Decimal("3.08")
    assert (found[date(2010, 5, 18)], found[date(2013, 2, 19)]) == (Decimal("0.13"), Decimal("0.23"))


def test_ibm_paid_every_quarter(actions):
    """Fifty-two quarters, with a rise every May."""
    found = paid(actions, "IBM")

    assert [Decimal(amount) for amount, times in IBM for _ in range(times)] == list(found.values())
    assert (min(found), max(found)) == (date(2000, 5, 8), date(2013, 2, 6))


@pytest.mark.parametrize("ticker", ["GOOG", "FB"])
def test_nothing_is_made_up_for_those_who_paid_nothing(actions, ticker):
    """GOOG's adjusted closes are half its closes, for a later split: a constant is no event."""
    assert actions(ticker) == ()


@pytest.mark.parametrize("ticker", EXCHANGES)
def test_adjusted_closes_are_close_to_the_sources(market, ticker):
    """The source puts a dividend on another close; beyond that the two are one."""
    closes = market.view(market.universe(ENDS, [ticker]), ENDS).closes()[ticker]
    theirs = np.array(getattr(stocks, ticker)["adj_close"])

    np.testing.assert_allclose(closes / closes.iloc[-1], theirs / theirs[-1], rtol=0.002)


def test_factors_end_at_one(market):
    """After the last event raw and adjusted prices are the same, so that later events stay out."""
    for one in market.instruments():
        assert market.factor_file(one).on(ENDS) == (1, 1)
        assert market.factor_file(one).rows[-1].date == date(2050, 12, 31)


def test_a_factor_file_reads_as_leans_do(market):
    """Seven decimals where they keep the cents, the close before each event, and factors back to the first bar."""
    assert market.factor_file(market.instrument("AAPL", ENDS)).text() == (
        "20000301,0.9854544,0.25,1\n20000620,0.9854544,0.25,101.25\n20050225,0.9854544,0.5,88.99\n"
        "20120808,0.9854544,1,619.86\n20121106,0.9896855,1,582.8495\n20130206,0.9942058,1,457.35\n20501231,1,1,0\n")


def test_identities_are_leans(market):
    """FB and GOOG begin where they really began, so that Lean's own identifiers come out."""
    assert market.instrument("FB", ENDS).instrument_id == "FB V6OIPNZEM8V9"
    assert market.instrument("GOOG", ENDS).instrument_id == "GOOG T1AZ164W5VTX"


def test_writing_again_gives_the_same_bytes(market, tmp_path):
    """A sample can be compared, and fingerprints of it are the same on every machine."""
    again = write_sample(tmp_path / "again")
    names = sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())

    assert len(names) == 18
    assert all((again / name).read_bytes() == (market.path / name).read_bytes() for name in names)


def test_the_only_finding_is_the_fall_that_looks_like_a_split(market):
    """Everything odd about the sample is known."""
    found, = check(market)

    assert (found.kind, found.symbol, found.day) == ("jump_without_factor", "AAPL", date(2000, 9, 29))


def test_databases_are_there_for_lean(market):
    """Symbol properties and interest rates have Lean's form; market hours reach from 1998 to 2030."""
    properties = (market.path / "symbol-properties" / "symbol-properties-database.csv").read_text().splitlines()
    rates = _rates(market.path)

    assert properties[0].split(",")[:5] == ["market", "symbol", "type", "description", "quote_currency"]
    assert properties[1] == "usa,[*],equity,,USD,1,0.01,1"
    assert list(rates) == sorted(rates)
    assert (market.calendar.first.year, market.calendar.last) == (1997, date(2030, 12, 31))


def test_rates_agree_with_the_invented_markets(market, invented):
    """Where both know the primary credit rate, at the end of each month of 2019 and 2020."""
    ends = market.calendar.rebalance_dates(date(2019, 1, 1), date(2020, 12, 31), "month-end")

    assert [_rate(_rates(market.path), day) for day in ends] == [_rate(_rates(invented), day) for day in ends]


@pytest.mark.golden
def test_rates_agree_with_leans(market, golden_sample):
    """At each month's end since the primary credit rate began, to within a session: some dates are the announcement's."""
    ours, theirs, calendar = _rates(market.path), _rates(golden_sample), market.calendar
    ends = calendar.rebalance_dates(date(2003, 1, 31), date(2023, 12, 31), "month-end")

    assert all(_rate(ours, day) in (_rate(theirs, day), _rate(theirs, calendar.next(day))) for day in ends)


def test_an_old_package_is_refused_with_the_remedy():
    """Its adjusted closes had two decimals, from which no dividend can be told."""
    with pytest.raises(MissingTool, match=r"bokeh-sampledata with unadjusted prices is not installed; pip install .*>=2026\.1"):
        sample._require_unadjusted("2024.2")


def test_research_prices_are_thirty_three_years_of_twenty_stocks():
    """Adjusted closes only, for research."""
    prices = research_prices()

    assert prices.shape == (8313, 20)
    assert prices.index.name == "session"
    assert prices.notna().all(axis=None)
    assert (prices.index[0].date(), prices.index[-1].date()) == (date(1990, 1, 2), date(2022, 12, 28))


def _rates(folder) -> dict[date, Decimal]:
    lines = (folder / "alternative" / "interest-rate" / "usa" / "interest-rate.csv").read_text().split()[1:]
    return {date.fromisoformat(day): Decimal(rate) for day, rate in (line.split(",") for line in lines)}


def _rate(rates: dict[date, Decimal], day: date) -> Decimal:
    return rates[max(known for known in rates if known <= day)]
