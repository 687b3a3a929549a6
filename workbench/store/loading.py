"""Rows into tables, in bulk and exactly: through a file of JSON lines, since DuckDB takes single rows only slowly.

DuckDB's `read_json` reads numbers as doubles even where a DECIMAL is asked for; `json_transform` of a line's text, since 2.0,
does not. So every number here goes by the second way (a test compares both).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.algorithm.journal import to_json

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@contextmanager
def spool() -> Iterator[Path]:
    """A temporary file that text is handed to DuckDB through."""
    with tempfile.TemporaryDirectory(prefix="workbench-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "lines.jsonl"


def structure(fields: Mapping[str, str]) -> str:
    """What `json_transform` is told: each field's type, lists as `["VARCHAR"]`; a JSON column is taken as its text."""
    def told(kind: str) -> str:
        if kind.endswith("[]"):
            return f"[{told(kind[:-2])}]"
        return '"VARCHAR"' if kind == "JSON" else f'"{kind}"'

    return "{" + ",".join(f'"{name}":{told(kind)}' for name, kind in fields.items()) + "}"


def columns(connection: DuckDBPyConnection, table: str) -> dict[str, str]:
    """A table's columns and their types, in order."""
    told = connection.execute(
        "select column_name, data_type from duckdb_columns() where table_name = ? order by column_index", [table]
    )
    return dict(told.fetchall())


def load(connection: DuckDBPyConnection, path: Path, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert rows given by column name (a missing one is NULL) and say how many they were. `path` is a spool."""
    count = _spool_rows(path, rows)
    if count:
        connection.execute(
            f"insert into {table} by name select unnest(json_transform(json, $structure)) "
            "from read_ndjson_objects($path, maximum_object_size = $size)",
            {"structure": structure(columns(connection, table)), "path": str(path), "size": object_size(path)},
        )
    return count


def load_columns(connection: DuckDBPyConnection, path: Path, table: str, groups: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows given many at a time: by column name a list over them, or a value that is every row's.

    All groups have lists of equal length, for the same columns. `path` is a spool.
    """
    if not _spool_rows(path, groups):
        return
    types = {name: kind for name, kind in columns(connection, table).items() if name in groups[0]}
    listed = [name for name in types if isinstance(groups[0][name], list)]
    told = {name: f"{kind}[]" if name in listed else kind for name, kind in types.items()}
    values = ", ".join(f'unnest(g."{name}") as "{name}"' if name in listed else f'g."{name}"' for name in types)
    connection.execute(
        f"insert into {table} by name select {values} from (select json_transform(json, $structure) as g "
        "from read_ndjson_objects($path, maximum_object_size = $size))",
        {"structure": structure(told), "path": str(path), "size": object_size(path)},
    )


def _spool_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write objects as lines, and say how many they were."""
    count = 0
    with path.open("w", encoding="utf-8", errors="replace") as out:
        for count, row in enumerate(rows, start=1):     # noqa: B007 (the last is the count)
            out.write(to_json(row) + "\n")
    return count


def object_size(path: Path) -> int:
    """Room for the longest line that the file can hold, and never below DuckDB's own 16 MB."""
    return max(16 << 20, path.stat().st_size + 1)
