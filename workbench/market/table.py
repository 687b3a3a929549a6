"""A table that a person wrote, CSV or Parquet: columns found by name, and errors that name file, row and column."""

import csv
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import BadInput, UnknownName

if TYPE_CHECKING:
    import pandas as pd

KINDS = (".csv", ".parquet")
DAY = re.compile(r"(\d{4}-\d\d-\d\d)([T ]00:00(:00(\.0+)?)?(Z|[+-]\d\d:?\d\d)?)?")
NOTHING = ("", "nan", "none", "<na>", "nat")        # what tables write where there is nothing
NEARLY = 0.85


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A file's rows, and under which name each of our columns is in it.

    `frame`'s index is the row as a person counts it: the line of a CSV file, from 1 in a Parquet file. Cells of a CSV file
    are text.
    """

    path: Path
    frame: "pd.DataFrame"
    names: Mapping[str, str]

    def has(self, *ours: str) -> bool:
        """Whether any of these columns is there."""
        return any(name in self.names for name in ours)

    def column(self, ours: str) -> "pd.Series[Any]":
        """One of our columns."""
        return self.frame[self.names[ours]]

    def cells(self, ours: str) -> list[tuple[Any, str]]:
        """(row, text) of each cell of a column, empty text for nothing; no cells where the file lacks the column."""
        return [(row, cell(value)) for row, value in self.column(ours).items()] if self.has(ours) else []

    def numbers(self, ours: str) -> NDArray[np.float64]:
        """A column as floats. Raises `BadInput` for a cell that is not a finite number."""
        import pandas as pd

        values = pd.to_numeric(self.column(ours), errors="coerce").to_numpy(np.float64)
        self.require(np.isfinite(values), ours, "not a number", "write a plain number, without separators or units")
        return values

    def dates(self, ours: str) -> NDArray[np.datetime64]:
        """A column as datetime64[D]. Raises `BadInput` for a cell that is not a date, or has a time of day."""
        known: dict[str, date] = {}         # a table has many rows a date
        for row, text in (cells := self.cells(ours)):
            if text not in known:
                known[text] = self._date(ours, row, text)
        return np.array([known[text] for _, text in cells], "datetime64[D]")

    def rows(self, frame: "pd.DataFrame") -> "Table":
        """The same table with other rows."""
        return Table(self.path, frame, self.names)

    def require(self, good: NDArray[np.bool_], ours: str, problem: str, remedy: str) -> None:
        """Refuse the first row that is not good."""
        if not good.all():
            at = int(np.argmin(good))
            raise self.refuse(self.frame.index[at], ours, self.column(ours).iloc[at], problem, remedy)

    def refuse(self, row: Any, ours: str, value: Any, problem: str, remedy: str) -> BadInput:
        """The error for one cell."""
        return BadInput(f"{str(value)!r} is {problem}", where=self.place(row, ours), remedy=remedy)

    def place(self, row: Any, ours: str) -> str:
        """Where a cell is, in a person's words."""
        return f"{self.path} row {row} column '{self.names[ours]}'"

    def _date(self, ours: str, row: Any, text: str) -> date:
        match = DAY.fullmatch(text)
        try:
            if match is None:
                raise ValueError(text)
            return date.fromisoformat(match[1])
        except ValueError:
            raise self.refuse(row, ours, text, "not a date", "write it as YYYY-MM-DD") from None


def cell(value: Any) -> str:
    """A cell's text, stripped; empty for nothing."""
    text = str(value).strip()
    return "" if text.lower() in NOTHING else text


def read_table(
    path: Path, known: Mapping[str, Sequence[str]], required: Sequence[str], columns: Mapping[str, str] | None = None
) -> Table:
    """Read a CSV or Parquet file whose columns are the `known` (ours → other spellings), in any case and order.

    `columns` says outright under which name one of ours is there. Raises `BadInput` for a file that can't be read, has no
    rows or lacks a required column, and `UnknownName` for a column whose name is nearly one of ours.
    """
    frame = _frame(path)
    if frame.empty:
        raise BadInput("it has no rows", where=str(path))
    return Table(path, frame, _names(path, [str(name) for name in frame.columns], known, required, columns or {}))


def _frame(path: Path) -> "pd.DataFrame":
    if path.suffix.lower() not in KINDS:
        raise BadInput("neither .csv nor .parquet", where=str(path), remedy="convert it to one of them")
    if not path.is_file():
        raise BadInput("no such file", where=str(path))
    try:
        return _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise BadInput(f"not a {path.suffix[1:]} table ({error})", where=str(path)) from None


def _csv(path: Path) -> "pd.DataFrame":
    """All cells as text, the line of each row as index. Raises `BadInput` for a row of another length than the header."""
    import pandas as pd

    with path.open(newline="", encoding="utf-8-sig") as source:
        reader = csv.reader(source, strict=True)
        header = next(reader, [])
        lines, rows = [], []
        for row in reader:
            if row and len(row) != len(header):
                raise BadInput(f"{len(row)} cells under a header of {len(header)}", where=f"{path} row {reader.line_num}",
                               remedy="quote a cell that has a comma in it")
            if row:
                lines.append(reader.line_num)
                rows.append(row)
    if len(set(header)) != len(header):
        raise BadInput("two columns have one name", where=str(path), remedy="rename one of them")
    return pd.DataFrame(rows, columns=header, index=lines, dtype=str)


def _parquet(path: Path) -> "pd.DataFrame":
    """The cells as they are, rows counted from 1; a named index is a column too."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ValueError as error:         # Arrow's own errors are among these
        raise BadInput(f"not a parquet table ({error})", where=str(path)) from None
    frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    return frame.set_axis(pd.RangeIndex(1, len(frame) + 1))


def _names(
    path: Path, theirs: Sequence[str], known: Mapping[str, Sequence[str]], required: Sequence[str], columns: Mapping[str, str]
) -> dict[str, str]:
    """Our column → the file's name for it."""
    found: dict[str, str] = {}
    for ours, name in columns.items():
        if ours not in known:
            raise UnknownName("column", ours, known, where="columns")
        if name not in theirs:
            raise UnknownName("column", name, theirs, where=str(path))
        found[ours] = name
    for name in theirs:
        if name not in columns.values():
            _find(path, name, known, columns, found)
    for ours in required:
        if ours not in found:
            raise BadInput(f"it has no column '{ours}'", where=str(path),
                           remedy=f"its columns are {', '.join(theirs)}; rename the one that is meant")
    return found


def _find(
    path: Path, name: str, known: Mapping[str, Sequence[str]], columns: Mapping[str, str], found: dict[str, str]
) -> None:
    """Put a file's column where it belongs among ours, or leave it out; refuse one that is nearly ours."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    meant = next((ours for ours, others in known.items() if plain == ours or plain in others), None)
    if meant is None:
        if near := difflib.get_close_matches(plain, known, 1, NEARLY):
            raise UnknownName("column", name, near, where=str(path))
    elif meant in found and meant not in columns:
        raise BadInput(f"columns '{found[meant]}' and '{name}' are both the {meant}", where=str(path),
                       remedy="keep one of them")
    elif meant not in columns:
        found[meant] = name
