"""Which files of a data folder the store indexes, and which of them it has not read as they are now."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import files
from workbench.errors import BadInput

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

JOURNALS = {"journal.jsonl": "journal", "repairs.jsonl": "repairs"}         # files of journal lines, and their writers
ORDER_EVENTS = "-order-events.json"
DOCUMENTS = ("snapshot", "intents", "params", "run", "attempt")
SIDECAR = ".source.json"
SIDECAR_SCHEMA = "source/1"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whose events a file tells, where the file does not say it itself."""

    name: str | None = None
    run_id: str | None = None
    attempt: int | None = None
    format: str | None = None           # journal, lean or plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file to index: its name in the store, what it is, and what the disk says of it."""

    file: str
    path: Path
    kind: str
    size: int
    mtime_ns: int
    inode: int
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store remembers of a file it has read."""

    file: str
    kind: str
    size: int
    mtime_ns: int
    inode: int
    read_to: int
    lines: int
    sha256: str
    runs: tuple[str, ...]


def survey(folder: Path) -> Iterator[Found]:
    """Every file under a data folder that belongs in the store. What is written under a temporary name is passed over."""
    for strategy in _folders(folder / "snapshots"):
        for day in _folders(strategy):
            yield from _all_found(folder, _files(day))
    for name in ("intents", "params", "events"):
        yield from _all_found(folder, _files(folder / name))
    for run in _folders(folder / "runs"):
        yield from _all_found(folder, _files(run))
        for attempt in _folders(run):
            yield from _all_found(folder, _files(attempt) + _files(attempt / "results"))


def _all_found(folder: Path, paths: Iterable[Path]) -> Iterator[Found]:
    for path in paths:
        known_as = recognise(path.relative_to(folder).as_posix())
        if known_as is not None:
            yield found(path.relative_to(folder).as_posix(), path, *known_as)


def recognise(file: str) -> tuple[str, Source] | None:
    """What a file is by its place in the data folder, and whose events it tells; None for one that is not indexed."""
    parts = file.split("/")
    match parts:
        case ["snapshots", _, _, name] if name.endswith(".json") and not name.endswith(".made.json"):
            return "snapshot", Source()
        case ["intents" | "params" as kind, name] if name.endswith(".json"):
            return kind, Source()
        case ["events", name] if not name.endswith(SIDECAR):
            return "events", Source()
        case ["runs", _, "run.json"]:
            return "run", Source()
        case ["runs", _, attempt, "status.json"] if attempt.isdecimal():
            return "attempt", Source()
        case ["runs", run, attempt, name] if attempt.isdecimal() and name in JOURNALS:
            return "events", Source(name=JOURNALS[name], run_id=run, attempt=int(attempt), format="journal")
        case ["runs", run, attempt, "results", name] if attempt.isdecimal() and name.endswith(ORDER_EVENTS):
            return "events", Source(name="lean", run_id=run, attempt=int(attempt), format="lean")
    return None


def found(file: str, path: Path, kind: str, source: Source) -> Found:
    """What the disk says of one file now."""
    told = path.stat()
    return Found(file=file, path=path, kind=kind, size=told.st_size, mtime_ns=told.st_mtime_ns, inode=told.st_ino,
                 source=source)


def read_sidecar(path: Path) -> Source:
    """Whose events a file tells, from the small file beside it; nothing is known where there is none.

    Raises `BadInput` for a sidecar that is not what `keep` writes.
    """
    beside = path.with_name(path.name + SIDECAR)
    if not beside.is_file():
        return Source()
    told = files.read_json(beside)
    if not isinstance(told, dict) or told.get("schema") != SIDECAR_SCHEMA:
        raise BadInput(f"not a {SIDECAR_SCHEMA} object", where=beside.name, remedy="ingest the file again")
    return Source(name=told.get("source"), run_id=told.get("run_id"), attempt=told.get("attempt"), format=told.get("format"))


def keep(folder: Path, path: Path, source: Source) -> Path:
    """Copy a file of events into the data folder, named by its content and source, so that a rebuild finds it again."""
    data = path.read_bytes()
    body = {"schema": SIDECAR_SCHEMA, "source": source.name, "run_id": source.run_id, "attempt": source.attempt,
            "format": source.format}
    sidecar = json.dumps(body, sort_keys=True)
    name = hashlib.sha256(data + sidecar.encode()).hexdigest()[:16]
    kept = folder / "events" / f"{name}{path.suffix}"
    files.write_once(kept.with_name(kept.name + SIDECAR), sidecar)
    return files.write_once(kept, data)


def known(connection: DuckDBPyConnection, files: Iterable[str] | None = None) -> dict[str, Known]:
    """What the store has read, by name; of the files named, or all."""
    text = "select file, kind, size, mtime_ns, inode, read_to, lines, sha256, runs from ingested_files"
    if files is None:
        rows = connection.execute(text).fetchall()
    else:
        rows = connection.execute(f"{text} where file in (select unnest(?::varchar[]))", [list(files)]).fetchall()
    return {row[0]: Known(file=row[0], kind=row[1], size=row[2], mtime_ns=row[3], inode=row[4], read_to=row[5], lines=row[6],
                          sha256=row[7], runs=tuple(row[8])) for row in rows}


def telling_of(connection: DuckDBPyConnection, runs: Iterable[str]) -> list[str]:
    """The files of events that tell of any of these runs."""
    rows = connection.execute(
        "select file from ingested_files where kind = 'events' and list_has_any(runs, ?::varchar[])", [list(runs)]
    )
    return [str(row[0]) for row in rows.fetchall()]


def unseen(there: Mapping[str, Found], before: Mapping[str, Known], *, verify: bool) -> list[Found]:
    """The files whose size, time or inode is not what the store remembers; all of them to verify."""
    return [item for name, item in there.items() if verify or name not in before or not same(item, before[name])]


def same(item: Found, before: Known) -> bool:
    """Whether the disk says of a file what it said when it was read."""
    return (item.size, item.mtime_ns, item.inode) == (before.size, before.mtime_ns, before.inode)


def digest(path: Path, size: int) -> Any:
    """The running sha256 of a file's first bytes."""
    running = hashlib.sha256()
    with path.open("rb") as source:
        while size > 0 and (data := source.read(min(CHUNK, size))):
            running.update(data)
            size -= len(data)
    return running


def _folders(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _entries(folder) if entry.is_dir()]


def _files(folder: Path) -> list[Path]:
    return [Path(entry) for entry in _entries(folder) if entry.is_file()]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name; nothing where there is none. Hidden names are files still being written."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
