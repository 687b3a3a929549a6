"""A data folder: instruments by date, joined bars, and a fingerprint of what could be known."""

import hashlib
import shutil
import subprocess
import sys
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from market_fixtures import STOCKS, KnownBy, change_bars, make_bars, make_folder, read_invented, write_rows

from workbench.errors import BadInput, MissingPrice, NotASession, UnknownName
from workbench.market.bars import daily_path, join, read_daily, write_daily
from workbench.market.folder import Market
from workbench.words.identity import canonical
from workbench.words.instrument import Instrument

WEEK = [date(2019, 6, day) for day in (3, 4, 5, 6, 7)]


@pytest.fixture(scope="module")
def market(invented):
    return Market(invented)


def test_symbols_are_the_tickers_companies_end_with(market):
    """EPSO became EPSI and is listed once; ETAX was delisted and is still there."""
    assert market.symbols() == STOCKS


def test_symbols_on_a_date_are_those_listed_then(market):
    """Before the rename, before ZETA's listing, after ETAX's delisting."""
    assert set(STOCKS) - {"EPSI", "ZETA"} | {"EPSO"} == set(market.symbols(date(2019, 6, 3)))
    assert set(STOCKS) - {"ETAX"} == set(market.symbols(date(2020, 6, 3)))


def test_an_instrument_has_its_ticker_of_the_date(market):
    """One company, one identity, two tickers."""
    before, after = market.instrument("EPSO", date(2019, 10, 31)), market.instrument("EPSI", date(2019, 11, 1))

    assert (before.symbol, after.symbol) == ("EPSO", "EPSI")
    assert before.instrument_id == after.instrument_id == "EPSO X0VCJX7VS19H"
    assert before.last_symbol == after.last_symbol == "EPSI"


def test_a_company_is_found_by_its_later_ticker(market):
    """A list of today's tickers can be used for the past."""
    assert market.instrument("epsi", date(2019, 6, 3)) == market.instrument("EPSO", date(2019, 6, 3))


def test_a_ticker_given_up_is_refused_with_the_new_one(market):
    """Somebody else may take it next."""
    with pytest.raises(UnknownName, match="on 2019-11-01: unknown symbol 'EPSO'; did you mean 'EPSI'"):
        market.instrument("EPSO", date(2019, 11, 1))


def test_before_the_listing_there_is_no_price(market):
    """ZETA was listed on 2019-09-18."""
    assert market.instrument("ZETA", date(2019, 9, 18)).instrument_id == "ZETA X7YDC4YLLFTX"
    with pytest.raises(MissingPrice, match=r"no close for ZETA on 2019-09-17 .never seen\)"):
        market.instrument("ZETA", date(2019, 9, 17))


def test_an_unknown_ticker_is_met_with_the_nearest(market):
    """A typing error must not read as an empty market."""
    with pytest.raises(UnknownName, match="unknown symbol 'ALFB'; did you mean 'ALFA'") as refused:
        market.instrument("ALFB", date(2019, 6, 3))

    assert len(refused.value.known) == 5        # a market has thousands, and an error is to be read


@pytest.mark.golden
@pytest.mark.parametrize(("ticker", "on", "identity", "ends_as"), [
    ("FB", date(2001, 1, 3), "FB ROGEM6TFIF6T", "FB"),          # an earlier owner of the ticker
    ("FB", date(2015, 1, 5), "FB V6OIPNZEM8V9", "FB"),
    ("GOOG", date(2010, 1, 4), "GOOG T1AZ164W5VTX", "GOOGL"),   # the ticker went to another share class
    ("GOOG", date(2015, 1, 5), "GOOCV VP83T1ZUHROL", "GOOG"),
    ("AAPL", date(2015, 1, 5), "AAPL R735QTJ8XC9X", "AAPL"),
])
def test_a_ticker_means_its_owner_of_the_date(golden_sample, ticker, on, identity, ends_as):
    """Lean's own identifiers, out of its own map files."""
    found = Market(golden_sample).instrument(ticker, on)

    assert (ticker, identity, ends_as) == (found.symbol, found.instrument_id, found.last_symbol)


@pytest.mark.golden
def test_between_two_owners_a_ticker_is_nobodys(golden_sample):
    """FB was nobody's in 2005; and QQQ was QQQQ in 2008."""
    market = Market(golden_sample)

    assert market.instrument("QQQ", date(2008, 1, 3)).symbol == "QQQQ"
    with pytest.raises(MissingPrice):
        market.instrument("FB", date(2005, 1, 3))


def test_without_a_map_file_the_identity_has_no_date(tmp_path):
    """As Lean has it: days 0."""
    market = Market(make_folder(tmp_path, xyz=make_bars(WEEK, [10, 11, 12, 13, 14])))
    found = market.instrument("XYZ", date(2019, 6, 3))

    assert found == Instrument(symbol="XYZ", instrument_id="XYZ 2T", last_symbol="XYZ")
    assert len(market.bars(found)) == 5
    assert market.actions(found, date.min, date.max) == ()
    assert market.instruments() == (found,)


def test_bars_are_joined_across_a_rename(market, invented):
    """Both tickers' files, in order, each for its span."""
    parts = [read_daily(daily_path(invented, ticker)) for ticker in ("EPSO", "EPSI")]
    bars = market.bars(market.instrument("EPSI", date(2020, 6, 3)))

    assert bars == join(parts)
    assert [Decimal("67.15"), Decimal("67.8")] == [
        market.close(market.instrument("EPSI", date(2020, 1, 2)), day) for day in (date(2019, 10, 31), date(2019, 11, 1))]


def test_bars_of_another_owner_of_the_ticker_are_cut_off(tmp_path):
    """A file may hold two companies; the map says whose rows are whose."""
    make_folder(tmp_path, xyz=make_bars(WEEK, [10, 11, 50, 51, 52]))
    write_rows(tmp_path, "map_files", "xyz.1", "20190603,xyz,N", "20190604,xyz,N")
    write_rows(tmp_path, "map_files", "xyz", "20190605,xyz,Q", "20501231,xyz,Q")
    market = Market(tmp_path)
    old, new = market.instrument("XYZ", WEEK[1]), market.instrument("XYZ", WEEK[2])

    assert old.instrument_id != new.instrument_id
    assert (list(market.bars(old).close), list(market.bars(new).close)) == ([100000, 110000], [500000, 510000, 520000])
    assert {old.instrument_id, new.instrument_id} == {one.instrument_id for one in market.instruments()}
    assert market.symbols() == ("XYZ",)


def test_a_span_without_a_file_has_no_bars(tmp_path):
    """The company traded under that ticker, and we don't have it: nothing is made up, and `check` says so."""
    make_folder(tmp_path, new=make_bars(WEEK[2:], [12, 13, 14]))
    write_rows(tmp_path, "map_files", "new", "20190603,old,N", "20190604,old,N", "20501231,new,N")
    market = Market(tmp_path)

    assert market.bars(market.instrument("OLD", WEEK[0])).days.tolist() == WEEK[2:]
    assert repr(market) == f"Market({tmp_path}, 1 symbols)"


def test_a_close_is_raw_and_exact(market):
    """BETA before and after its split: nothing is adjusted."""
    beta = market.instrument("BETA", date(2020, 8, 3))

    assert market.close(beta, date(2020, 7, 31)) == Decimal("188.02")
    assert market.close(beta, date(2020, 8, 3)) == Decimal("47.93")


def test_a_missing_close_says_when_the_last_one_was(market):
    """ETAX ended in May."""
    with pytest.raises(MissingPrice, match=r"no close for ETAX on 2020-06-01 .last seen 2020-05-15\)"):
        market.close(market.instrument("ETAX", date(2020, 6, 1)), date(2020, 6, 1))


def test_a_close_on_a_holiday_is_another_mistake(market):
    """No data is missing then."""
    with pytest.raises(NotASession):
        market.close(market.instrument("ALFA", date(2019, 7, 5)), date(2019, 7, 4))


def test_actions_are_taken_by_their_ex_date(market):
    """Both ends are included."""
    beta = market.instrument("BETA", date(2020, 8, 3))

    assert [one.kind for one in market.actions(beta, date(2019, 11, 7), date(2020, 8, 3))] == ["dividend", "split"]
    assert market.actions(beta, date(2019, 11, 8), date(2020, 7, 31)) == ()


def test_actions_outside_the_listing_are_not_ours(tmp_path):
    """After a delisting nobody is paid."""
    make_folder(tmp_path, xyz=make_bars(WEEK, [10, 10, 10, 10, 10]))
    write_rows(tmp_path, "map_files", "xyz", "20190603,xyz,N", "20190606,xyz,N")
    rows = ["20190603,0.98,1,1", "20190604,0.98,1,10", "20190606,0.99,1,10", "20501231,1,1,0"]
    write_rows(tmp_path, "factor_files", "xyz", *rows)
    market = Market(tmp_path)

    assert [date(2019, 6, 5)] == [one.ex_date for one in market.actions(market.instruments()[0], date.min, date.max)]


def test_an_instrument_of_another_folder_is_refused(market):
    """Its bars would be empty here, which is not what is true of it."""
    with pytest.raises(UnknownName, match="unknown instrument 'AAPL R735QTJ8XC9X'"):
        market.bars(Instrument(symbol="AAPL", instrument_id="AAPL R735QTJ8XC9X", last_symbol="AAPL"))


def test_a_universe_may_name_what_is_not_listed_yet(market):
    """It is then a column without prices; a ticker that never was one is still refused."""
    names = [one.symbol for one in market.universe(date(2019, 6, 3), ["EPSI", "ZETA"])]

    assert names == ["EPSO", "ZETA"]
    with pytest.raises(UnknownName):
        market.universe(date(2019, 6, 3), ["NONE"])


@pytest.mark.parametrize("name", [".", "missing", "equity"])
def test_a_folder_that_is_no_market_is_refused(tmp_path, name):
    """With the command that makes one."""
    (tmp_path / "equity" / "usa").mkdir(parents=True)

    with pytest.raises(BadInput, match=r"not a Lean data folder: .*`workbench data sample` makes one"):
        Market(tmp_path / name)


def test_a_fingerprint_is_of_content_not_of_order(market):
    """The same instruments in any order, twice or once."""
    day = date(2019, 12, 31)
    chosen = market.universe(day)

    assert market.fingerprint(chosen, day) == market.fingerprint([*reversed(chosen), chosen[0]], day)
    assert len(market.fingerprint(chosen, day)) == 64


def test_a_fingerprint_depends_on_universe_and_date(market):
    """Fewer instruments or another session is another fingerprint."""
    day = date(2019, 12, 31)
    chosen = market.universe(day)
    others = {market.fingerprint(chosen[1:], day), market.fingerprint(chosen, date(2019, 12, 30)), market.fingerprint([], day)}

    assert market.fingerprint(chosen, day) not in others
    assert len(others) == 3


@given(st.integers(0, 504))
def test_later_rows_change_no_fingerprint(at):
    """Neither bars nor splits, dividends, renames, listings or delistings to come: it is the same as on that evening."""
    whole = read_invented()
    as_of = whole.calendar.sessions(date(2019, 1, 2), date(2020, 12, 31))[at]
    then = KnownBy(whole.path, as_of)

    assert then.symbols(as_of) == whole.symbols(as_of)
    assert then.fingerprint(then.universe(as_of), as_of) == whole.fingerprint(whole.universe(as_of), as_of)


@given(st.integers(0, 504), st.sampled_from(["open", "high", "low", "close", "volume", "days"]), st.integers(0, 504))
def test_any_row_up_to_the_date_is_in_the_fingerprint(row, column, at):
    """One number changed by one changes it exactly when its row is not later than the date."""
    whole = read_invented()
    alfa = whole.instrument("ALFA", date(2019, 1, 2))
    as_of = whole.bars(alfa).days[at].item()
    other = Market(whole.path)
    bars = whole.bars(alfa)
    value = getattr(bars, column)[row] + 1
    other._joined[alfa.instrument_id] = change_bars(bars, row, **{column: value})

    assert (row <= at) == (whole.fingerprint([alfa], as_of) != other.fingerprint([alfa], as_of))


def fingerprint_by_definition(market, instruments, as_of):
    """What `fingerprint/1` is, written out: of each stock what is known by the date, its columns as 8 bytes a row."""
    digest = hashlib.sha256(f"fingerprint/1 {as_of}\n".encode())
    for instrument_id, one in sorted({one.instrument_id: one for one in instruments}.items()):
        bars, known = market.bars(one).between(None, as_of), market.map_file(one)
        tickers = [(first, ticker) for ticker, first, _ in known.spans() if first is None or first <= as_of]
        if known.delisting_date is not None and known.delisting_date < as_of:
            tickers.append((known.delisting_date, ""))
        actions = [[action.kind, action.ex_date, action.adjustment] for action in market.actions(one, date.min, as_of)]
        digest.update(canonical({"id": instrument_id, "rows": len(bars), "actions": actions, "tickers": tickers}).encode())
        for column in (bars.days.astype(np.int64), bars.open, bars.high, bars.low, bars.close, bars.volume):
            digest.update(np.ascontiguousarray(column, "<i8").tobytes())
    return digest.hexdigest()


def test_a_fingerprint_is_what_it_is_defined_to_be(market):
    """On every session, with splits, dividends, a rename, a listing and a delisting on the way: recorded ids depend on it."""
    for day in market.calendar.sessions(date(2019, 1, 2), date(2020, 12, 31)):
        chosen = market.universe(day)
        assert fingerprint_by_definition(market, chosen, day) == market.fingerprint(chosen, day)


def test_a_dividend_to_come_rescales_factors_but_no_fingerprint(tmp_path, invented):
    """Factor files look back from their end: a new dividend changes every earlier row, and nothing that was known."""
    shutil.copytree(invented, tmp_path / "market")
    path = tmp_path / "market" / "equity" / "usa" / "factor_files" / "alfa.csv"
    before, later = Market(invented), date(2020, 12, 31)
    rows = [line.split(",") for line in path.read_text().split()]
    scaled = [f"{day},{(Decimal(price) * Decimal('0.9976543')).quantize(Decimal('1e-7'))},{split},{reference}"
              for day, price, split, reference in rows[:-1]]
    path.write_text("\n".join([*scaled, "20201230,0.9976543,1,400", "20501231,1,1,0"]) + "\n")
    after = Market(tmp_path / "market")
    alfa = before.instrument("ALFA", later)

    assert before.fingerprint([alfa], date(2020, 12, 30)) == after.fingerprint([alfa], date(2020, 12, 30))
    assert before.fingerprint([alfa], later) != after.fingerprint([alfa], later)


def test_a_rename_or_delisting_to_come_is_no_part_of_a_fingerprint(tmp_path, invented):
    """Until it has happened, the map file's last row says no more than that the stock is listed."""
    shutil.copytree(invented, tmp_path / "market")
    write_rows(tmp_path / "market", "map_files", "etax", "20190102,etax,N", "20501231,etax,N")
    there, here = Market(invented), Market(tmp_path / "market")
    etax = there.instrument("ETAX", date(2019, 6, 3))

    assert there.fingerprint([etax], date(2020, 5, 15)) == here.fingerprint([etax], date(2020, 5, 15))
    assert there.fingerprint([etax], date(2020, 5, 18)) != here.fingerprint([etax], date(2020, 5, 18))


def test_a_market_reads_each_file_once(tmp_path):
    """What one decision saw, the next of the same run sees too."""
    market = Market(make_folder(tmp_path, xyz=make_bars(WEEK, [10, 11, 12, 13, 14])))
    xyz = market.instrument("XYZ", WEEK[0])
    before = market.bars(xyz)
    write_daily(daily_path(tmp_path, "xyz"), "xyz", make_bars(WEEK[:1], [99]))

    assert before == market.bars(xyz)
    assert len(Market(tmp_path).bars(xyz)) == 1


@pytest.mark.parametrize(("rooms", "unwanted"), [
    ("market.calendar", {"numpy", "pandas"}),
    ("market.folder, market.sample, market.importer, market.check, research.strategies",
     {"pandas", "pyarrow", "exchange_calendars", "skfolio", "duckdb", "bokeh_sampledata"}),
])
def test_heavy_packages_wait_until_they_are_needed(rooms, unwanted):
    """A command that only asks for a date, or resolves a ticker, does not pay for what draws frames."""
    names = ", ".join(f"workbench.{name.strip()}" for name in rooms.split(","))
    told = subprocess.run([sys.executable, "-c", f"import sys, {names}; print(*sys.modules)"], capture_output=True, text=True,
                          check=True)

    assert unwanted & set(told.stdout.split()) == set()
