"""Small Lean data folders, made for one test."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from workbench import files
from workbench.market.bars import EQUITY, SCALE, Bars, daily_path, write_daily
from workbench.market.calendar import DATABASE
from workbench.market.corporate import FOREVER, FactorFile, FactorRow, MapFile, MapRow
from workbench.market.folder import Market
from workbench.words.instrument import Instrument

INVENTED = Path(__file__).parents[1] / "data" / "fixtures" / "market"
STOCKS = ("ALFA", "BETA", "DELT", "EPSI", "ETAX", "GAMA", "THET", "ZETA")


@cache
def read_invented() -> Market:
    """The invented market, read once: tests of laws take no fixtures."""
    return Market(INVENTED)


def make_bars(
    days: Sequence[date], closes: Sequence[float], *, opens: Sequence[float] | None = None, volume: int = 1000
) -> Bars:
    """Bars with these closes in dollars, opening at them or at `opens`, and no range beyond the two."""
    close = np.rint(np.array(closes) * SCALE).astype(np.int64)
    open_ = close if opens is None else np.rint(np.array(opens) * SCALE).astype(np.int64)
    return Bars(days=np.array(days, "datetime64[D]"), open=open_, high=np.maximum(open_, close), low=np.minimum(open_, close),
                close=close, volume=np.full(len(close), volume))


def make_folder(path: Path, **stocks: Bars) -> Path:
    """A Lean data folder of these stocks, with market hours for 2019 and 2020 and neither map nor factor files."""
    files.write(path / DATABASE, (INVENTED / DATABASE).read_bytes())
    for ticker, bars in stocks.items():
        write_daily(daily_path(path, ticker), ticker, bars)
    return path


def write_rows(path: Path, kind: str, name: str, *rows: str) -> None:
    """Write `map_files` or `factor_files` of a folder, row by row."""
    files.write(path / EQUITY / kind / f"{name}.csv", "".join(f"{row}\n" for row in rows))


def change_bars(bars: Bars, row: int, **values: int) -> Bars:
    """The same bars but for one row's columns, given as they stand in the file."""
    columns = {column.name: getattr(bars, column.name).copy() for column in fields(bars)}
    for name, value in values.items():
        columns[name][row] = value
    return Bars(**columns)


class KnownBy(Market):
    """A data folder as it was on the evening of `last`: no later bars, and map and factor files without what came after.

    Factors are scaled to end at 1 and rounded to seven digits, as whoever wrote the files that evening would have done.
    """

    def __init__(self, path: Path, last: date) -> None:
        super().__init__(path)
        self.last = last

    def _daily(self, ticker: str) -> Bars:
        return super()._daily(ticker).between(None, self.last)

    @cached_property
    def _tickers(self) -> frozenset[str]:
        whole = Market(self.path)
        return frozenset(ticker for ticker in whole._tickers if len(whole._daily(ticker).between(None, self.last)))

    @cached_property
    def _maps(self) -> dict[str, MapFile]:
        whole = Market(self.path)._maps
        return {name: self._known(known) for name, known in whole.items() if known.rows[0].date <= self.last}

    def _known(self, known: MapFile) -> MapFile:
        rows = tuple(row for row in known.rows if row.date < self.last)
        if rows and rows[-1] == known.rows[-1]:
            return known
        return MapFile(known.name, (*(rows or known.rows[:1]), MapRow(FOREVER, known.ticker_on(self.last) or "")))

    def factor_file(self, instrument: Instrument) -> FactorFile:
        """The factors as they were."""
        whole = super().factor_file(instrument)
        price, split = whole.on(self.last)
        rows = [FactorRow(row.date, (row.price_factor / price).quantize(Decimal("1e-7")), row.split_factor / split,
                          row.reference_price) for row in whole.rows if row.date < self.last]
        return FactorFile(whole.name, (*rows, FactorRow(FOREVER, Decimal(1), Decimal(1), Decimal(0))))
