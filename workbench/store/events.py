"""Lines of events into the table of events: read in bulk, each kept once, and what can't be read kept with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.algorithm.journal import to_json
from workbench.store import lines
from workbench.store.documents import EXCERPT, bad_line
from workbench.store.loading import columns, load, object_size, structure
from workbench.words.order import status_word, type_word

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMS = {"journal": lines.JOURNAL, "lean": lines.LEAN}
FEW_RUNS = 20               # so many are named in a query one by one, which lets DuckDB pass over other runs' rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pieces that are read alike: their form, who wrote them, and the run they belong to where they do not say it."""

    format: str
    writer: str
    run_id: str | None = None
    attempt: int | None = None
    alone: str | None = None        # a file whose runs are known only once it was read


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some whole lines of a file, or a whole array: its bytes from `start` to `end`.

    `first` is the number of its first line, `run_id` and `attempt` those of the folder that the file lies in.
    """

    file: str
    path: Path
    start: int
    end: int
    first: int = 1
    array: bool = False
    run_id: str | None = None
    attempt: int | None = None

    def read(self) -> bytes:
        """The bytes, without the mark that some editors put before UTF-8."""
        with self.path.open("rb") as stream:
            stream.seek(self.start)
            data = stream.read(self.end - self.start)
        return data.removeprefix(lines.BOM) if self.start == 0 else data

    def texts(self) -> Iterator[lines.Text]:
        """The lines or items one by one, with their numbers."""
        return lines.items(self.read()) if self.array else lines.numbered(self.read(), self.first)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of some pieces: new events, refused lines, and the runs that each file tells of."""

    events: int
    bad: int
    runs: dict[str, set[str]]

    def __add__(self, other: Taken) -> Taken:
        runs = {file: self.runs.get(file, set()) | other.runs.get(file, set()) for file in self.runs | other.runs}
        return Taken(self.events + other.events, self.bad + other.bad, runs)


def take(connection: DuckDBPyConnection, path: Path, group: Group, pieces: list[Piece]) -> Taken:
    """Read the pieces of one group into the table of events. `path` is a spool."""
    if group.format == "plain":
        return _take_plain(connection, path, group, pieces)
    runs = _parse_quickly(connection, path, group, pieces)
    if runs is not None:
        return Taken(_append(connection), 0, runs)
    if group.format == "lean" and group.run_id is None:      # under an algorithm id that is not ours: the folder says whose
        alone = [replace(group, run_id=piece.run_id, attempt=piece.attempt) for piece in pieces]
        parts = [_take_by_number(connection, path, part, [piece]) for part, piece in zip(alone, pieces, strict=True)]
        return sum(parts, Taken(0, 0, {}))
    return _take_by_number(connection, path, group, pieces)


def _take_plain(connection: DuckDBPyConnection, path: Path, group: Group, pieces: list[Piece]) -> Taken:
    assert group.run_id is not None
    rows: list[dict[str, Any]] = []
    bad: list[dict[str, Any]] = []
    for piece in pieces:
        for item in piece.texts():
            try:
                if item.broken:
                    raise ValueError(item.broken)
                rows.append(lines.plain_row(item.text, run_id=group.run_id, attempt=group.attempt or 1, writer=group.writer))
            except ValueError as error:
                bad.append(bad_line(piece.file, item.number, item.text, str(error)))
    connection.execute("drop view if exists stage")
    connection.execute("create or replace temp table plain as from events limit 0")
    load(connection, path, "plain", rows)
    connection.execute("create temp view stage as from plain")
    refused = load(connection, path, "bad_lines", bad)
    return Taken(_append(connection), refused, {piece.file: {group.run_id} for piece in pieces})


def _parse_quickly(
    connection: DuckDBPyConnection, path: Path, group: Group, pieces: list[Piece]
) -> dict[str, set[str]] | None:
    """Stage all lines at once. None where one is refused, for then its number is wanted, or is not of its folder's run."""
    import duckdb

    source = _spool(path, pieces)
    if source is None:
        return None
    form = FORMS[group.format]
    text = (f"create or replace temp table parsed as select *, {form.refused} as refused from ("
            "select json::varchar as line, unnest(json_transform(json, $structure)) "
            "from read_ndjson_objects($path, ignore_errors = true))")
    connection.execute("drop view if exists stage")
    try:
        connection.execute(text, _facts(text, group) | {"structure": structure(form.fields), "path": str(source)})
    except duckdb.InvalidInputException:        # a line longer than DuckDB's usual room for one
        return None
    if _count(connection, "select count(*) from parsed where refused is not null"):
        return None
    _stage(connection, form, group)
    told = {str(row[0]) for row in connection.execute("select distinct run_id from stage").fetchall()}
    if group.alone:
        return {group.alone: told}
    runs = {piece.file: {piece.run_id or group.run_id or ""} for piece in pieces}
    return runs if told <= set().union(*runs.values()) else None


def _spool(path: Path, pieces: list[Piece]) -> Path | None:
    """A file with an object a line, of all the pieces; None where an array is not laid out for it.

    A long file that is read whole is that file itself. Should it grow meanwhile, its new lines are read once more later,
    and kept once.
    """
    if len(pieces) == 1 and not pieces[0].array and pieces[0].start == 0 and pieces[0].end == pieces[0].path.stat().st_size:
        return pieces[0].path
    with path.open("wb") as out:
        for piece in pieces:
            data = lines.joined(piece.read()) if piece.array else piece.read()
            if data is None:
                return None
            out.write(data)
            out.write(b"\n")
    return path


def _take_by_number(connection: DuckDBPyConnection, path: Path, group: Group, pieces: list[Piece]) -> Taken:
    """Read line by line, so that what is refused is kept with its file and number."""
    form = FORMS[group.format]
    with path.open("w", encoding="utf-8", errors="replace") as out:
        for piece in pieces:
            for item in piece.texts():
                out.write(to_json({"file": piece.file, "number": item.number, "line": item.text, "broken": item.broken}) + "\n")
    text = (f"create or replace temp table parsed as select *, coalesce(broken, case when not valid then 'not JSON' end, "
            f"{form.refused}) as refused from ("
            "select *, unnest(json_transform(case when valid then line end, $structure)) from ("
            "select *, broken is null and json_valid(line) as valid from read_json($path, format = 'newline_delimited', "
            "maximum_object_size = $size, columns = {file: 'VARCHAR', number: 'BIGINT', line: 'VARCHAR', broken: 'VARCHAR'})))")
    given = {"structure": structure(form.fields), "path": str(path), "size": object_size(path)}
    connection.execute("drop view if exists stage")
    connection.execute(text, _facts(text, group) | given)
    bad = connection.execute(
        "insert into bad_lines select file, number, line[:$most], refused from parsed where refused is not null",
        {"most": EXCERPT},
    ).fetchone()
    connection.execute("delete from parsed where refused is not null")
    _stage(connection, form, group)
    runs: dict[str, set[str]] = {piece.file: set() for piece in pieces}
    for row in connection.execute("select distinct file, run_id from stage").fetchall():
        runs[row[0]].add(row[1])
    assert bad is not None
    return Taken(_append(connection), bad[0], runs)


def _stage(connection: DuckDBPyConnection, form: lines.Form, group: Group) -> None:
    """The parsed lines as rows of events, with statuses and order types in our words. Seals tell of no event."""
    status = _in_our_words(connection, "status", lambda text: status_word(text) or "UNKNOWN")
    row = form.row.replace("$status", status)
    if "type" in form.fields:
        row = row.replace("$order_type", _in_our_words(connection, "type", type_word))
    for name, fact in _facts(row, group).items():
        row = row.replace(f"${name}", _literal(fact))
    seals = "where kind <> 'seal'" if "kind" in form.fields else ""
    file = ", file" if "file" in columns(connection, "parsed") else ""
    connection.execute(f"create temp view stage as select {row}, false as repeats {file} from parsed {seals}")


def _in_our_words(connection: DuckDBPyConnection, name: str, word: Callable[[str], str]) -> str:
    """SQL for a column in our words, each text that occurs translated once."""
    rows = connection.execute(f"select distinct {name} from parsed where {name} is not null").fetchall()
    cases = [f"when {_literal(row[0])} then {_literal(word(row[0]))}" for row in rows if word(row[0]) != row[0]]
    return f"case {name} {' '.join(cases)} else {name} end" if cases else name


def _append(connection: DuckDBPyConnection) -> int:
    """Move the stage into the table of events: what is not there yet, once, and marked where the journal tells it too.

    Lines are long, so those that are there are compared only where one of the stage's has come before under its identity.
    """
    row = connection.execute(
        "select count(*), count(distinct hash(run_id, attempt, writer, identity)), "
        "bool_or(writer = 'lean'), bool_or(writer = 'journal') from stage"
    ).fetchone()
    assert row is not None
    count, different, has_lean, has_journal = row
    if not count:
        return 0
    place, given = _near(connection)
    connection.execute("create or replace temp table near as select run_id, attempt, writer, identity, order_id, event_id "
                       f"from events where {place}", given)
    fresh = "stage s" if different == count else "(select distinct on (run_id, attempt, writer, identity, line) * from stage) s"
    if _count(connection, "select count(*) from near semi join stage using (run_id, attempt, writer, identity)"):
        connection.execute("create or replace temp table own_lines as select run_id, attempt, writer, identity, line from events "
                           f"where {place} and writer in (select writer from stage)", given)
        fresh += " anti join own_lines using (run_id, attempt, writer, identity, line)"
    staged = columns(connection, "stage")
    wanted = ", ".join(name for name in columns(connection, "events") if name in staged)
    added = connection.execute(f"insert into events by name select {wanted} from {fresh}").fetchone()
    if has_lean or (has_journal and _count(connection, "select count(*) from near where writer = 'lean'")):
        _mark_repeats(connection, place, given)
    assert added is not None
    return int(added[0])


def _near(connection: DuckDBPyConnection) -> tuple[str, dict[str, Any]]:
    """Where in the table of events the stage's own, or what repeats them, can be: the same runs and moments.

    SQL for the condition, and its parameters. Lean's file rounds a moment that the journal has to the microsecond.
    """
    row = connection.execute("select min(occurred_at), max(occurred_at), list(distinct run_id) from stage").fetchone()
    assert row is not None
    given: dict[str, Any] = {"first": row[0], "last": row[1]}
    if len(row[2]) <= FEW_RUNS:
        given |= {f"run{n}": name for n, name in enumerate(row[2])}
        runs = ", ".join(f"$run{n}" for n in range(len(row[2])))
    else:
        runs = "select run_id from stage"
    return f"occurred_at between $first - interval 1 second and $last + interval 1 second and run_id in ({runs})", given


def _mark_repeats(connection: DuckDBPyConnection, place: str, given: dict[str, Any]) -> None:
    connection.execute(
        f"update events set repeats = true where {place} and writer = 'lean' and not repeats and exists ("
        "select 1 from (select run_id, attempt, order_id, event_id, writer from stage union all "
        "select run_id, attempt, order_id, event_id, writer from near) j where j.writer = 'journal' "
        "and j.run_id = events.run_id and j.attempt = events.attempt and j.order_id = events.order_id "
        "and j.event_id = events.event_id)",
        given,
    )


def _facts(text: str, group: Group) -> dict[str, Any]:
    """The group's facts that a statement asks for: DuckDB takes no parameter that it has no use for."""
    facts = {"writer": group.writer, "run_id": group.run_id, "attempt": group.attempt}
    return {name: value for name, value in facts.items() if f"${name}" in text}


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


def _count(connection: DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
