"""From files to tables: what is new or has grown is read, what has gone is taken out, what is known is left alone.

A file whose size, time and inode are as they were is not opened; one whose bytes are as they were is not read. A file of
lines that has grown is read from where the last reading ended; its last line counts once it is whole. Documents are
replaced by what they say now. Where lines that were read have changed or gone, everything about their runs is read again.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.collecting import without_collecting
from workbench.errors import BadInput, UnknownName
from workbench.store import documents, lines, survey
from workbench.store.documents import bad_line
from workbench.store.events import Group, Piece, take
from workbench.store.loading import load, load_columns, spool
from workbench.store.survey import Found, Known, Source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

BATCH_BYTES = 96 << 20              # read in one transaction: a second or two, in which readers wait
BATCH_FILES = 5000
HEAD_BYTES = 1 << 16                # in which a file's first object must end
ARRAY = b"["
FORMATS = ("journal", "lean", "plain")


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of indexing: files read, new events, and lines or files that could not be read."""

    files: int = 0
    events: int = 0
    bad: int = 0

    def __add__(self, other: Ingested) -> Ingested:
        return Ingested(self.files + other.files, self.events + other.events, self.bad + other.bad)


class Reading:
    """Files to be read, batch by batch. Between batches others may use the store.

    `sources` says whose events a file tells that lies outside `folder`.
    """

    def __init__(
        self, folder: Path | None, found: Iterable[Found], gone: Iterable[str] = (), sources: Mapping[str, Source] | None = None
    ) -> None:
        self.folder, self.sources = folder, sources or {}
        self.todo = deque(sorted(found, key=_order))
        self.gone = list(gone)
        self.digests: dict[str, tuple[int, Any]] = {}       # bytes read so far of a file too long for one batch

    @property
    def done(self) -> bool:
        """Whether nothing is left to read."""
        return not self.todo and not self.gone

    def read_batch(self, connection: DuckDBPyConnection) -> Ingested:
        """Read the next files, at most about `BATCH_BYTES` of them, in the transaction that is open."""
        names = [item.file for item in islice(self.todo, BATCH_FILES)] + self.gone
        batch = _Batch(connection, self, survey.known(connection, names))
        while self.gone:
            batch.forget(self.gone.pop())
        with without_collecting():
            while self.todo and batch.size < BATCH_BYTES and batch.files < BATCH_FILES and not batch.full:
                batch.add(self.todo.popleft())
            return batch.write()

    def look_again(self, file: str) -> Found | None:
        """A file as the disk has it now, by the name the store knows it under; None where it is gone."""
        path = self.folder / file if self.folder is not None and file not in self.sources else Path(file)
        kind, source = survey.recognise(file) or ("events", self.sources.get(file, Source()))
        return survey.found(file, path, kind, source) if path.is_file() else None


class _Batch:
    """What one transaction does: files are added, then written together, since DuckDB is quick only in bulk."""

    def __init__(self, connection: DuckDBPyConnection, reading: Reading, known: dict[str, Known]) -> None:
        self.connection, self.reading, self.known = connection, reading, known
        self.size = self.files = 0
        self.full = False
        self.rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.columns: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.bad: list[dict[str, Any]] = []
        self.pieces: dict[Group, list[Piece]] = defaultdict(list)
        self.ledger: dict[str, Known] = {}
        self.stale: dict[str, list[str]] = defaultdict(list)        # table -> files whose rows go

    def add(self, item: Found) -> None:
        """Plan what is to be done about one file."""
        try:
            if item.kind in survey.DOCUMENTS:
                self._add_document(item)
            else:
                self._add_events(item)
        except FileNotFoundError:
            self.reading.gone.append(item.file)
        except BadInput as error:
            self._refuse(item, error.problem)
            self._remember(item, read_to=0, lines=0, sha256="")
        except OSError as error:
            self._refuse(item, f"can't be read ({error.strerror})")
        self.files += 1

    def forget(self, file: str) -> None:
        """Take out what a file told that is no longer there."""
        before = self.known.pop(file, None)
        if before is None:
            return
        self._clear(file)
        if before.kind in survey.DOCUMENTS:
            self._clear_documents(before.kind, file)
        elif before.runs:
            self._read_again(before.runs, but=file)

    def write(self) -> Ingested:
        """Carry out the plan, and remember what was read."""
        for table, names in self.stale.items():
            self.connection.execute(f"delete from {table} where file in (select unnest(?::varchar[]))", [names])
        bad, events = len(self.bad), 0
        with spool() as path:
            for table, rows in self.rows.items():
                load(self.connection, path, table, rows)
            for table, groups in self.columns.items():
                load_columns(self.connection, path, table, groups)
            load(self.connection, path, "bad_lines", self.bad)
            for group, pieces in self.pieces.items():
                taken = take(self.connection, path, group, pieces)
                events, bad = events + taken.events, bad + taken.bad
                for file, runs in taken.runs.items():
                    self.ledger[file] = replace(self.ledger[file], runs=tuple(sorted({*self.ledger[file].runs, *runs})))
            load(self.connection, path, "ingested_files", map(asdict, self.ledger.values()))
        return Ingested(self.files, events, bad)

    def _add_document(self, item: Found) -> None:
        data = item.path.read_bytes()
        self.size += len(data)
        sha256 = hashlib.sha256(data).hexdigest()
        before = self.known.get(item.file)
        if before is None or before.sha256 != sha256:
            self._clear(item.file)
            self._clear_documents(item.kind, item.file)
            read = documents.read(item.kind, item.file, data)
            self.bad += read.bad
            for table, row in read.tables.items():
                self.rows[table].append(row)
            for table, columns in read.columns.items():
                self.columns[table].append(columns)
        self._remember(item, read_to=len(data), lines=0, sha256=sha256)

    def _add_events(self, item: Found) -> None:
        source = item.source if item.source != Source() else survey.read_sidecar(item.path)
        head = _head(item.path)
        if not head:
            self._add_nothing(item, source)
            return
        group = _group(item.file, source, head)
        if head.startswith(ARRAY):
            self._add_array(item, group, source)
        else:
            self._add_lines(item, group, source)

    def _add_nothing(self, item: Found, source: Source) -> None:
        """An empty file: not written yet, or, where it told of something, a journal that is no longer what it was."""
        if source.format == "lean" or item.file not in self.known or self._begin_again(item):
            self._remember(item, read_to=0, lines=0, sha256=hashlib.sha256().hexdigest())

    def _add_array(self, item: Found, group: Group, source: Source) -> None:
        """Arrays are rewritten whole by their writers, at first in part: what was told once stays told."""
        data = item.path.read_bytes()
        self.size += len(data)
        sha256 = hashlib.sha256(data).hexdigest()
        before = self.known.get(item.file)
        if before is None or before.sha256 != sha256:
            self._clear(item.file)
            piece = Piece(file=item.file, path=item.path, start=0, end=len(data), array=True, run_id=source.run_id,
                          attempt=source.attempt)
            self.pieces[group].append(piece)
        self._remember(item, read_to=len(data), lines=0, sha256=sha256, runs=before.runs if before else ())

    def _add_lines(self, item: Found, group: Group, source: Source) -> None:
        before = self.known.get(item.file)
        running = self._digest_so_far(item, before)
        if before is not None and running is None:
            if not self._begin_again(item):
                return
            before, running = None, hashlib.sha256()
        start, count = (before.read_to, before.lines) if before else (0, 0)
        read = _whole_lines(item.path, start, running, room=BATCH_BYTES - self.size, ended=not _grows(item.file))
        self.size += read.end - start
        if read.end > start:
            piece = Piece(file=item.file, path=item.path, start=start, end=read.end, first=count + 1, run_id=source.run_id,
                          attempt=source.attempt)
            self.pieces[group].append(piece)
        if not read.all:
            self.full = True
            self.files -= 1
            self.reading.todo.appendleft(item)
            self.reading.digests[item.file] = (read.end, running)
            item = replace(item, size=read.end)
        self._remember(item, read_to=read.end, lines=count + read.lines, sha256=running.hexdigest(),
                       runs=before.runs if before else ())

    def _digest_so_far(self, item: Found, before: Known | None) -> Any:
        """The digest of what was read; None where the file no longer begins with it."""
        if before is None:
            return hashlib.sha256()
        read_to, running = self.reading.digests.pop(item.file, (0, None))
        if running is None or read_to != before.read_to:
            running = survey.digest(item.path, before.read_to)
        return running if running.hexdigest() == before.sha256 else None

    def _begin_again(self, item: Found) -> bool:
        """Forget what a file told that has changed. Only a batch's first may: else what the batch has planned for the same
        runs would be taken out with the rest, and the file is left to the next batch."""
        if self.files:
            self.full = True
            self.reading.todo.appendleft(item)
            self.files -= 1
            return False
        self.forget(item.file)
        return True

    def _read_again(self, runs: tuple[str, ...], *, but: str) -> None:
        """Take out all events of these runs, and put the files that tell of them back on the list, `but` one."""
        self.connection.execute("delete from events where run_id in (select unnest(?::varchar[]))", [list(runs)])
        waiting = {item.file for item in self.reading.todo}
        for file in set(survey.telling_of(self.connection, runs)) - {but}:
            self.known.pop(file, None)
            self._clear(file)
            there = self.reading.look_again(file)
            if file not in waiting and there is not None:
                self.reading.todo.append(there)

    def _clear(self, file: str) -> None:
        self.stale["bad_lines"].append(file)
        self.stale["ingested_files"].append(file)

    def _clear_documents(self, kind: str, file: str) -> None:
        for table in documents.TABLES[kind]:
            self.stale[table].append(file)

    def _refuse(self, item: Found, reason: str) -> None:
        self._clear(item.file)
        self.bad.append(bad_line(item.file, 0, "", reason))

    def _remember(self, item: Found, *, read_to: int, lines: int, sha256: str, runs: tuple[str, ...] = ()) -> None:
        self.stale["ingested_files"].append(item.file)
        self.ledger[item.file] = Known(file=item.file, kind=item.kind, size=item.size, mtime_ns=item.mtime_ns,
                                       inode=item.inode, read_to=read_to, lines=lines, sha256=sha256, runs=runs)


def _order(item: Found) -> tuple[bool, bool, str]:
    """Documents, then journals, then what Lean tells of the same: a journal's line goes before its repetition."""
    return item.kind == "events", item.source.format != "journal", item.file


def _grows(file: str) -> bool:
    """Whether a file may still be written to: then its last line counts once it has its end."""
    return file.startswith("runs/")


def check_form(path: Path, source: Source) -> None:
    """Raise `BadInput` where a file of events is of no form that can be read, or does not say whose they are."""
    if source.format is not None and source.format not in FORMATS:
        raise UnknownName("format", source.format, FORMATS, where=str(path))
    head = _head(path)
    if head:
        try:
            _group("", source, head)
        except BadInput as error:
            raise BadInput(error.problem, where=str(path), remedy=error.remedy) from None


def _head(path: Path) -> bytes:
    """The beginning of a file, from its first character."""
    with path.open("rb") as stream:
        return stream.read(HEAD_BYTES).removeprefix(lines.BOM).lstrip()


def _group(file: str, source: Source, head: bytes) -> Group:
    """How a file is read. Raises `BadInput` where it can't be told what it is or whose."""
    form = source.format or lines.form_of(_first_object(head))
    if form not in FORMATS:
        raise BadInput("neither a journal, nor Lean's order events, nor a plain list of them")
    if form == "plain":
        if source.run_id is None:
            raise BadInput("does not say whose events these are", remedy="name the run that they belong to")
        return Group(format=form, writer=source.name or "plain", run_id=source.run_id, attempt=source.attempt)
    writer = "lean" if form == "lean" else source.name or "journal"
    if file.startswith("runs/"):
        return Group(format=form, writer=writer)
    if form == "lean" and source.run_id is not None:
        return Group(format=form, writer=writer, run_id=source.run_id, attempt=source.attempt)
    return Group(format=form, writer=writer, alone=file)


def _first_object(head: bytes) -> Any:
    """The first object of a file from its beginning; None where there is none."""
    text = head.decode(errors="replace").removeprefix(ARRAY.decode()).lstrip()
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except json.JSONDecodeError:
        return None


@dataclass(frozen=True, slots=True)
class _Lines:
    """Where some whole lines end, how many they are, and whether they are all there are."""

    end: int
    lines: int
    all: bool


def _whole_lines(path: Path, start: int, running: Any, *, room: int, ended: bool) -> _Lines:
    """Find the whole lines after the first `start` bytes, about `room` bytes of them, and carry the digest on over them."""
    end, count, rest = start, 0, b""
    with path.open("rb") as stream:
        stream.seek(start)
        while data := stream.read(survey.CHUNK):
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
                continue
            running.update(rest + data[:cut])
            end += len(rest) + cut
            count += data.count(b"\n")
            rest = data[cut:]
            if end - start >= room:
                return _Lines(end, count, all=not rest and not stream.read(1))
    if rest and ended and lines.is_json(rest):
        running.update(rest)
        end, count = end + len(rest), count + 1
    return _Lines(end, count, all=True)
