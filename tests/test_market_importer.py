"""A person's own bars: refused with the cell that is wrong, or written whole."""

import hashlib
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market_fixtures import make_bars, write_rows

from workbench.errors import BadInput, NotASession, UnknownName
from workbench.market.bars import daily_path, write_daily
from workbench.market.calendar import DATABASE
from workbench.market.check import check
from workbench.market.folder import Market
from workbench.market.importer import Imported, import_bars

HEAD = "symbol,date,open,high,low,close,volume\n"
ROWS = """\
AAA,2019-06-03,10.0,10.5,9.9,10.2,1000
AAA,2019-06-04,10.2,10.6,10.1,10.5,1100
AAA,2019-06-05,10.5,10.5,10.0,10.1,1200
BBB,2019-06-03,20,21,19,20.25,500
BBB,2019-06-04,20.25,22,20,21,600
"""
WEEK = [date(2019, 6, day) for day in (3, 4, 5, 6, 7)]


@pytest.fixture
def write(tmp_path):
    """Write a source file."""
    def write(text: str, name: str = "prices.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path
    return write


@pytest.fixture
def folder(tmp_path, invented):
    """A folder with market hours of 2019 and 2020 and nothing else."""
    path = tmp_path / "market" / DATABASE
    path.parent.mkdir(parents=True)
    path.write_bytes((invented / DATABASE).read_bytes())
    return tmp_path / "market"


def contents(folder: Path) -> dict[str, str]:
    """Every file's hash."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}


def one_stock(closes, **columns) -> str:
    """A table of one symbol, open and range at the close, with more columns."""
    lines = ["date,open,high,low,close,volume" + "".join(f",{name}" for name in columns)]
    for n, close in enumerate(closes):
        more = "".join(f",{values[n]}" for values in columns.values())
        lines.append(f"{WEEK[n]},{close},{close},{close},{close},100{more}")
    return "\n".join(lines) + "\n"


def test_a_file_becomes_a_market(write, tmp_path):
    """Bars, identities, and every database that Lean asks for, from one CSV file."""
    done = import_bars(write(HEAD + ROWS), tmp_path / "new", exchange="N")
    market = Market(tmp_path / "new")
    aaa = market.instrument("AAA", WEEK[0])

    assert done[0] == Imported(symbol="AAA", rows=3, first=WEEK[0], last=WEEK[2], added=3, changed=0)
    assert [one.symbol for one in done] == ["AAA", "BBB"] == list(market.symbols())
    assert market.close(aaa, WEEK[1]) == Decimal("10.5")
    assert market.bars(aaa).volume.tolist() == [1000, 1100, 1200]
    assert (market.map_file(aaa).first_date, market.map_file(aaa).rows[0].exchange) == (WEEK[0], "N")
    assert check(market)[0].kind == "gap"       # BBB ends a session before AAA
    assert len(contents(tmp_path / "new")) == 9


def test_importing_again_changes_nothing(write, tmp_path):
    """Not a byte, and it says so."""
    source = write(HEAD + ROWS)
    import_bars(source, tmp_path / "new")
    before = contents(tmp_path / "new")
    again = import_bars(source, tmp_path / "new")

    assert [(one.added, one.changed) for one in again] == [(0, 0), (0, 0)]
    assert before == contents(tmp_path / "new")


def test_a_folder_of_files_is_named_by_symbol(write, folder, tmp_path):
    """Without a symbol column the file's name is the symbol; CSV and Parquet side by side."""
    write(one_stock([10, 11]), "many/aaa.csv")
    frame = pd.DataFrame({"Date": pd.to_datetime(WEEK), **{name: np.float32([1.1, 2.2, 3.3, 4.4, 5.5]) for name in
                                                          ("Open", "High", "Low", "Close")}, "Volume": 10})
    frame.set_index("Date").to_parquet(tmp_path / "many" / "BRK.B.parquet")
    import_bars(tmp_path / "many", folder)
    market = Market(folder)

    assert market.symbols() == ("AAA", "BRK.B")
    assert market.bars(market.instrument("BRK.B", WEEK[0])).close.tolist() == [11000, 22000, 33000, 44000, 55000]


@pytest.mark.parametrize(("old", "new", "told"), [
    ("10.5,10.0,10.1", "10.5,ten,10.1", "row 4 column 'low': 'ten' is not a number; write a plain number"),
    ("10.5,10.0,10.1", "10.5,,10.1", "row 4 column 'low': '' is not a number"),
    ("10.5,10.0,10.1", "10.5,inf,10.1", "row 4 column 'low': 'inf' is not a number"),
    ("10.5,10.0,10.1", "10.5,0,10.1", "row 4 column 'low': '0' is not a price above zero"),
    ("10.5,10.0,10.1", "10.5,-10,10.1", "row 4 column 'low': '-10' is not a price above zero"),
    ("10.5,10.0,10.1", "10.5,10.6,10.1", "row 4 column 'high': '10.5' is below the low of that row"),
    ("10.5,10.0,10.1", "10.5,10.0,10.12345", "row 4 column 'close': '10.12345' is finer than 0.0001"),
    ("1200", "1200.5", "row 4 column 'volume': '1200.5' is not a number of shares"),
    ("1200", "-1", "row 4 column 'volume': '-1' is not a number of shares"),
    ("2019-06-05", "2019-06-04", "row 4 column 'date': '2019-06-04' is twice there for AAA; keep one row a day"),
    ("2019-06-05", "2019-05-31", "row 4 column 'date': '2019-05-31' is earlier than the row before it; sort the rows, or ask "
                                 "for it with `--sort`"),
    ("2019-06-05", "2019-06-08", "row 4 column 'date': '2019-06-08' is not a session: the exchange was closed"),
    ("2019-06-05", "2025-06-05", "row 4 column 'date': '2025-06-05' is outside the market-hours database"),
    ("2019-06-05", "5/6/2019", "row 4 column 'date': '5/6/2019' is not a date; write it as YYYY-MM-DD"),
    ("2019-06-05", "2019-06-05 09:30", "row 4 column 'date': '2019-06-05 09:30' is not a date"),
    ("2019-06-05", "2019-02-30", "row 4 column 'date': '2019-02-30' is not a date"),
    ("AAA,2019-06-05", "A A,2019-06-05", "row 4 column 'symbol': symbol 'A A' is not a US ticker"),
    ("AAA,2019-06-05", ",2019-06-05", "row 4 column 'symbol': symbol is empty"),
])
def test_a_bad_cell_is_named_and_nothing_is_written(write, folder, old, new, told):
    """File, row as an editor counts, column, value and remedy; the other symbol waits too."""
    source, before = write(HEAD + ROWS.replace(old, new, 1)), contents(folder)

    with pytest.raises(BadInput) as refused:
        import_bars(source, folder)

    assert f"{source} {told}" in str(refused.value)
    assert before == contents(folder)


def test_a_refused_import_leaves_no_folder(write, tmp_path):
    """Nor a half-written one beside it."""
    source = write(HEAD + ROWS.replace("10.5", "x", 1))
    with pytest.raises(BadInput):
        import_bars(source, tmp_path / "new")

    assert [path.name for path in tmp_path.iterdir()] == ["prices.csv"]


def test_rows_are_sorted_when_asked(write, folder):
    """The remedy does what it says, and gives what sorted rows would have given."""
    lines = ROWS.splitlines(keepends=True)
    import_bars(write(HEAD + "".join(reversed(lines))), folder, sort=True)
    market = Market(folder)

    assert market.bars(market.instrument("AAA", WEEK[0])).close.tolist() == [102000, 105000, 101000]


@pytest.mark.parametrize(("header", "told"), [
    ("symbol,date,open,high,low,close\n", "it has no column 'volume'; its columns are symbol, date, open, high, low, close"),
    ("symbol,date,open,high,low,close,volumes\n", "unknown column 'volumes'; did you mean 'volume'"),
    ("symbol,date,open,high,low,close,volume,dividens\n", "unknown column 'dividens'; did you mean 'dividend'"),
    ("symbol,ticker,date,open,high,low,close,volume\n", "columns 'symbol' and 'ticker' are both the symbol"),
])
def test_columns_are_found_or_asked_for(write, folder, header, told):
    """A required one that is missing and one that is nearly ours are both told."""
    with pytest.raises(BadInput, match=told):
        import_bars(write(header + "AAA" + ",1" * header.count(",") + "\n"), folder)


def test_columns_may_have_other_names(write, folder):
    """Told once, by our name; spaces and case never matter, and what is nobody's is left alone."""
    text = HEAD.replace("close", "Last Price").replace("volume", "VOLUME").replace("date", " Date ") + ROWS
    import_bars(write(text.replace("\n", ",9\n").replace("VOLUME,9", "VOLUME,vwap")), folder, columns={"close": "Last Price"})

    assert Market(folder).symbols() == ("AAA", "BBB")
    with pytest.raises(UnknownName, match="unknown column 'Last Prize'; did you mean 'Last Price'"):
        import_bars(write(text), folder, columns={"close": "Last Prize"})
    with pytest.raises(UnknownName, match="columns: unknown column 'closing'"):
        import_bars(write(text), folder, columns={"closing": "Last Price"})


def test_other_currencies_are_refused(write, folder):
    """Prices in euros would be traded as dollars."""
    text = one_stock([10, 11], currency=["USD", "EUR"])

    with pytest.raises(BadInput, match=r"row 3 column 'currency': 'EUR' is not USD; US equities in dollars only"):
        import_bars(write(text, "aaa.csv"), folder)


def test_splits_and_dividends_come_from_their_columns(write, folder):
    """Two for one on Wednesday, and 0.25 a share on Friday: what Lean will do with the files is just that."""
    text = one_stock([100, 102, 50, 51, 50.5], split=["", "0", "2:1", "1.0", ""], dividend=["", "0", "", "nan", "0.25"])
    import_bars(write(text, "aaa.csv"), folder)
    market = Market(folder)
    split, dividend = market.actions(market.instrument("AAA", WEEK[0]), date.min, date.max)

    assert (split.kind, split.ex_date, split.factor) == ("split", WEEK[2], Decimal("0.5"))
    assert (dividend.kind, dividend.ex_date, dividend.per_share) == ("dividend", WEEK[4], Decimal("0.25"))


def test_splits_and_dividends_come_from_adjusted_closes(write, folder):
    """The same two, told by a second close alone."""
    before = 51 * (1 - 0.25 / 51)
    adjusted = [f"{close * before / 51 / 2:.6f}" for close in (100, 102)] + [f"{close * before / 51:.6f}" for close in (50, 51)]
    import_bars(write(one_stock([100, 102, 50, 51, 50.5], **{"Adj Close": [*adjusted, "50.5"]}), "aaa.csv"), folder)
    market = Market(folder)
    split, dividend = market.actions(market.instrument("AAA", WEEK[0]), date.min, date.max)

    assert (split.ex_date, split.factor) == (WEEK[2], Decimal("0.5"))
    assert (dividend.ex_date, dividend.per_share) == (WEEK[4], Decimal("0.25"))


def test_prices_already_adjusted_are_refused(write, folder):
    """Many sources give splits beside prices from which they are already gone: nobody traded at those."""
    text = one_stock([50, 51, 50, 51, 50.5], split=["", "", "2", "", ""])

    with pytest.raises(BadInput, match="row 4 column 'split': '2' is a split which the prices don't show: close 51, then"):
        import_bars(write(text, "aaa.csv"), folder)


@pytest.mark.parametrize(("column", "value", "told"), [
    ("split", "-2", "'-2' is not a split"), ("split", "2:0", "'2:0' is not a split"), ("split", "two", "'two' is not a split"),
    ("dividend", "-0.1", "'-0.1' is not a dividend"), ("dividend", "x", "'x' is not a dividend"),
    ("adj_close", "0", "'0' is not a price above zero"), ("adj_close", "", "'' is not a number"),
])
def test_a_bad_event_is_named(write, folder, column, value, told):
    """As any other cell."""
    good = ["10", "11"] if column == "adj_close" else ["", ""]
    text = one_stock([10, 11, 12], **{column: [*good, value]})

    with pytest.raises(BadInput, match=f"row 4 column '{column}': {told}"):
        import_bars(write(text, "aaa.csv"), folder)


def test_new_days_are_added_and_corrections_counted(write, folder):
    """A source that has every day of before, and more."""
    import_bars(write(one_stock([10, 11]), "aaa.csv"), folder)
    done, = import_bars(write(one_stock([10, 11.5, 12]), "aaa.csv"), folder)

    assert (done.rows, done.added, done.changed) == (3, 1, 1)
    assert len(Market(folder).bars(Market(folder).instruments()[0])) == 3


@pytest.mark.parametrize(("text", "told"), [
    (one_stock([10, 11, 12]).replace("2019-06-04,11,11,11,11,100\n", ""), "AAA has a bar on 2019-06-04 in the folder and none"),
    (one_stock([10, 11, 12]).replace("2019-06-03,10,10,10,10,100\n", ""), "AAA begins on 2019-06-04, and on 2019-06-03 in the"),
])
def test_a_source_that_would_lose_days_is_refused(write, folder, text, told):
    """History is extended or corrected, never cut; and its first day is part of the identity."""
    import_bars(write(one_stock([10, 11, 12]), "aaa.csv"), folder)
    before = contents(folder)

    with pytest.raises(BadInput, match=told):
        import_bars(write(text, "aaa.csv"), folder)
    assert before == contents(folder)


def test_known_events_are_not_forgotten(write, folder):
    """A later file without the columns would take the split away."""
    import_bars(write(one_stock([100, 50], split=["", "2"]), "aaa.csv"), folder)

    with pytest.raises(BadInput, match="the folder knows splits or dividends of AAA, and this file has no column for them"):
        import_bars(write(one_stock([100, 50, 51]), "aaa.csv"), folder)


@pytest.mark.parametrize(("name", "rows"), [
    ("aaa", ["20190603,aaa,N", "20190604,aaa,N"]),                              # delisted
    ("aaa", ["20190603,zzz,N", "20190604,zzz,N", "20501231,aaa,N"]),            # renamed
    ("aaa.1", ["20190603,aaa,N", "20190604,aaa,N"]),                            # an earlier owner
])
def test_a_history_that_a_file_of_bars_cannot_tell_is_kept(write, folder, name, rows):
    """Renames and delistings are the map file's; overwriting it would give the stock another identity."""
    write_daily(daily_path(folder, "aaa"), "aaa", make_bars(WEEK[:2], [10, 11]))
    write_rows(folder, "map_files", name, *rows)

    with pytest.raises(BadInput, match=r"AAA has a history in .* that this file does not tell"):
        import_bars(write(one_stock([10, 11, 12]), "aaa.csv"), folder)


def test_own_databases_are_kept(write, folder):
    """A folder that has market hours keeps them; one without gets ours."""
    (folder / "symbol-properties").mkdir()
    (folder / "symbol-properties" / "symbol-properties-database.csv").write_text("their own")
    before = contents(folder)
    import_bars(write(one_stock([10, 11]), "aaa.csv"), folder)

    assert before.items() <= contents(folder).items()
    assert (folder / "alternative" / "interest-rate" / "usa" / "interest-rate.csv").is_file()


@pytest.mark.parametrize(("name", "content", "told"), [
    ("missing.csv", None, ": no such file"), ("prices.xlsx", b"", ": neither .csv nor .parquet"),
    ("empty.csv", b"", ": it has no rows"), ("head.csv", HEAD.encode(), ": it has no rows"),
    ("broken.parquet", b"no parquet", ": not a parquet table"), ("latin.csv", b"symbol,d\xe4te\n", ": not a csv table"),
    ("quote.csv", b'date,open\n1,"2\n', ": not a csv table"), ("twice.csv", b"date,date\n1,2\n", ": two columns have one name"),
    ("ragged.csv", b"date,open\n1,2\n\n1,2,3\n", " row 4: 3 cells under a header of 2"),
])
def test_a_file_that_is_no_table_is_named(folder, tmp_path, name, content, told):
    """With what it is not."""
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(BadInput) as refused:
        import_bars(tmp_path / name, folder)

    assert str(refused.value).startswith(f"{tmp_path / name}{told}")


def test_an_empty_folder_is_named(folder, tmp_path):
    """Nothing imported must not look like all imported."""
    (tmp_path / "none").mkdir()

    with pytest.raises(BadInput, match=r"none: no \.csv or \.parquet file in it"):
        import_bars(tmp_path / "none", folder)


def test_a_symbol_in_two_files_is_refused(write, folder, tmp_path):
    """Which of the two would be right?"""
    write(one_stock([10, 11]), "many/aaa.csv")
    write(HEAD + ROWS, "many/others.csv")

    with pytest.raises(BadInput, match=r"others\.csv: AAA is in more than one file"):
        import_bars(tmp_path / "many", folder)


@pytest.mark.parametrize("exchange", ["NYSE", "q", "1"])
def test_an_exchange_is_a_letter(write, folder, exchange):
    """Lean writes one capital letter into its map files."""
    with pytest.raises(BadInput, match=f"exchange '{exchange}' is not a letter; Q is Nasdaq"):
        import_bars(write(HEAD + ROWS), folder, exchange=exchange)


def test_an_imported_market_is_seen_and_not_before_it_began(write, folder):
    """What was imported can be decided on."""
    import_bars(write(HEAD + ROWS), folder)
    market = Market(folder)

    assert market.view(market.universe(WEEK[1]), WEEK[1]).closes().iloc[-1].tolist() == [10.5, 21.0]
    with pytest.raises(NotASession):
        market.view((), date(2019, 6, 8))
