"""Small Lean data folders, made for one test."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np

from workbench import files
from workbench.market.bars import EQUITY, SCALE, Bars, daily_path, write_daily
from workbench.market.calendar import DATABASE

HOURS = Path(__file__).parents[1] / "data" / "fixtures" / "market" / DATABASE     # covers 2019 and 2020


def make_bars(days: Sequence[date], closes: Sequence[float], *, opens: Sequence[float] | None = None, volume: int = 1000) -> Bars:
    """Bars with these closes in dollars, opening at them or at `opens`, and no range beyond the two."""
    close = np.rint(np.array(closes) * SCALE).astype(np.int64)
    open_ = close if opens is None else np.rint(np.array(opens) * SCALE).astype(np.int64)
    return Bars(days=np.array(days, "datetime64[D]"), open=open_, high=np.maximum(open_, close), low=np.minimum(open_, close),
                close=close, volume=np.full(len(close), volume))


def make_folder(path: Path, **stocks: Bars) -> Path:
    """A Lean data folder of these stocks, with market hours for 2019 and 2020 and neither map nor factor files."""
    files.write(path / DATABASE, HOURS.read_bytes())
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
