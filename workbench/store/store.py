"""The store: what was decided, sent and heard, asked in the words of the desk or in plain SQL.

An index over the files of one data folder, in one DuckDB file, opened for one statement, one batch or some reads together.
Delete it, and `rebuild` makes it again. A question about a run or snapshot that was never recorded raises `NotRecorded`; one
whose answer is nothing gives `()`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from workbench.algorithm.intents import SCHEMA as INTENT_SCHEMA
from workbench.errors import BadInput, NotRecorded
from workbench.store import survey
from workbench.store.access import Access, make, opened
from workbench.store.ingest import Ingested, Reading, check_form
from workbench.store.lock import Lock
from workbench.store.survey import Source
from workbench.words import params as params_words
from workbench.words.event import BadLine, CorporateLine, CutLine, Event, Fill, MarkLine, RebalanceLine, SizedLine
from workbench.words.identity import WIDE, freeze
from workbench.words.intent import Intent, Rejected
from workbench.words.order import Order, Position
from workbench.words.params import ExecutionParams
from workbench.words.run import Attempt, Run
from workbench.words.snapshot import Item, Snapshot

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

T = TypeVar("T")

TABLES = ("snapshots", "snapshot_items", "intents", "params", "runs", "attempts", "events", "bad_lines", "ingested_files")
AS_THEY_ARE = ("VARCHAR", "INTEGER", "BIGINT", "BOOLEAN", "DATE", "JSON")       # types whose values need no rewriting
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BY_NUMBER = "attempt, try_cast(order_id as bigint), order_id"


@dataclass(frozen=True, slots=True)
class Form:
    """How a column of one type is asked for (`{}` is the column), and what makes a value of what comes."""

    made: type
    sql: str
    read: Callable[[Any], Any]


FORMS = (
    Form(Decimal, "rtrim(rtrim({}::decimal(38,12)::varchar, '0'), '.')", Decimal),
    Form(datetime, "epoch_us({})", lambda told: EPOCH + timedelta(microseconds=told)),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """The answer to a plain question: column names, and rows of exact values."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class Store:
    """One store. `path` is its file, in the data folder whose files it indexes, or ":memory:"; `wait` is in seconds.

    Any call may raise `StoreBusy`, naming who holds the store, once it has waited that long.
    """

    def __init__(self, path: Path | str, *, wait: float = 30.0) -> None:
        self.path = None if str(path) == ":memory:" else Path(path).absolute()
        self._access = Access(self.path, wait=wait)
        self._wait = wait
        self._sources: dict[str, Source] = {}       # of files outside any data folder, for a store in memory

    def __repr__(self) -> str:
        return f"Store({str(self.path) if self.path else ':memory:'!r})"

    # From files to tables.

    @contextmanager
    def atomic(self) -> Iterator[Store]:
        """One batch: what the body indexes is kept whole or not at all, and its reads see it. Others wait meanwhile."""
        with self._access.writing("a batch"):
            yield self

    @contextmanager
    def together(self, errand: str) -> Iterator[Store]:
        """Reads that belong together: what the body reads is one state of the store. Nobody can write meanwhile, nor the body."""
        with self._access.together(errand):
            yield self

    def index(self, folder: Path | str, *, verify: bool = False) -> Ingested:
        """Read what is new, changed or gone in a data folder. `verify` reads every byte instead of trusting times and sizes.

        Raises `BadInput` for a folder that is not there. One store is for one data folder: what another folder held would
        count as gone.
        """
        root = _folder(folder)
        there = {item.file: item for item in survey.survey(root)}
        before = {}
        if self.path is None or self.path.exists():
            with self._access.reading("look for new files") as connection:
                before = survey.known(connection)
        gone = [file for file in before if file not in there and survey.recognise(file)]
        return self._read(Reading(root, survey.unseen(there, before, verify=verify), gone, self._sources), "index files")

    def ingest(
        self, path: Path | str, *, run_id: str | None = None, attempt: int | None = None, source: str | None = None,
        format: str | None = None
    ) -> Ingested:
        """Read one file of events: a journal, Lean's order events, or a plain list, told apart by their first object.

        A file from outside the data folder is copied into its `events` folder first, so that a rebuild finds it. A plain
        list needs the run it belongs to (`attempt` is 1 unless given); `source` is the name that its lines go under (default
        `plain`). Raises `BadInput` for a file that is not there or whose form or run can't be told; lines that can't be
        read are kept as bad lines.
        """
        given = Path(path).absolute()
        if not given.is_file():
            raise BadInput("no such file", where=str(path))
        folder = self.path.parent if self.path is not None else None
        item = self._found(given, folder, Source(name=source, run_id=run_id, attempt=attempt, format=format))
        return self._read(Reading(folder, [item], sources=self._sources), f"ingest {given.name}")

    def rebuild(self, folder: Path | str) -> Ingested:
        """Make the store again from the files of a data folder. The old one serves until the new one is whole."""
        root = _folder(folder)
        if self.path is None:
            fresh = Store(":memory:")
            read = fresh.index(root)
            assert fresh._access._memory is not None
            self._access.replace(fresh._access._memory)
            return read
        beside = self._access.beside("rebuild.duckdb")
        with Lock(beside, wait=self._wait).held("rebuild the store", exclusive=True):
            read = _fill(make(beside), root)
            with self._access.alone("put the rebuilt store in place"):
                read += _fill(beside, root)         # what came meanwhile
                self.path.with_name(f"{self.path.name}.wal").unlink(missing_ok=True)
                beside.replace(self.path)
        return read

    # What was decided.

    def snapshots(self, strategy: str | None = None, until: date | None = None) -> tuple[Snapshot, ...]:
        """Decisions in the order of their rebalance dates, of one strategy or all, up to and with a date."""
        return self._snapshots("(strategy = $strategy or $strategy is null) and (rebalance_date <= $until or $until is null)",
                               {"strategy": strategy, "until": until})

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One decision by its id."""
        return self.snapshots_of((snapshot_id,))[0]

    def snapshots_of(self, snapshot_ids: Sequence[str]) -> tuple[Snapshot, ...]:
        """Decisions by their ids, in the order of these. Raises `NotRecorded` for the first that is not there."""
        found = {one.snapshot_id: one for one in self._snapshots("list_contains($ids, snapshot_id)", {"ids": list(snapshot_ids)})}
        for snapshot_id in snapshot_ids:
            if snapshot_id not in found:
                raise NotRecorded(f"snapshot {snapshot_id}", "`workbench decide` records one")
        return tuple(found[snapshot_id] for snapshot_id in snapshot_ids)

    def intents(self, snapshot_id: str) -> tuple[Intent, ...]:
        """The intents of one decision, in the order of their file."""
        with self._access.reading(f"intents of {snapshot_id}") as connection:
            found = _values(connection, Intent, "intents where snapshot_id = $id order by position", {"id": snapshot_id},
                            schema=f"'{INTENT_SCHEMA}'")
            known = found or _any(connection, "snapshots where snapshot_id = $id", {"id": snapshot_id}) \
                or _any(connection, "ingested_files where file = 'intents/' || $id || '.json'", {"id": snapshot_id})
        if not known:
            raise NotRecorded(f"snapshot {snapshot_id}", "`workbench decide` records one")
        return found

    def params(self, params_id: str) -> ExecutionParams:
        """Execution params by their id."""
        names = [item.name for item in fields(ExecutionParams)]
        with self._access.reading(f"params {params_id}") as connection:
            rows = _answer(connection.execute(f"select {', '.join(names)} from params where params_id = ?", [params_id]))
        if not rows:
            raise NotRecorded(f"params {params_id}")
        body = dict(zip(names, rows[0], strict=True))
        body["risk_overrides"] = json.loads(body["risk_overrides"], parse_float=Decimal)
        return params_words.read(body, where=params_id)

    # What was asked of an engine.

    def runs(self, strategy: str | None = None) -> tuple[Run, ...]:
        """Runs in the order in which they were first queued, of one strategy or all."""
        with self._access.reading("runs") as connection:
            return _runs(connection, "strategy = $strategy or $strategy is null", {"strategy": strategy})

    def run(self, run_id: str) -> Run:
        """One run by its id."""
        with self._access.reading(f"run {run_id}") as connection:
            found = _runs(connection, "r.run_id = $id", {"id": run_id})
        if not found:
            raise NotRecorded(f"run {run_id}", "`workbench runs` lists those that are")
        return found[0]

    def attempts(self, run_id: str) -> tuple[Attempt, ...]:
        """The starts of an engine for a run, as their status files say."""
        return self._of_run(Attempt, "attempts where run_id = $run order by attempt", run_id)

    def counted_attempt(self, run_id: str) -> int | None:
        """The attempt that counts: a backtest's first that was closed, else the last; None before there is one."""
        with self._access.reading(f"attempts of {run_id}") as connection:
            _check_run(connection, run_id)
            row = connection.execute("select max(attempt) from counted_attempts where run_id = ?", [run_id]).fetchone()
        return row[0] if row else None

    # What was heard, of the attempts that count or of the one named.

    def orders(self, run_id: str, *, attempt: int | None = None) -> tuple[Order, ...]:
        """The orders of a run, folded from everything that was heard of them."""
        return self._counted(Order, "orders", run_id, attempt, BY_NUMBER)

    def fills(self, run_id: str, *, attempt: int | None = None) -> tuple[Fill, ...]:
        """The executions of a run in the order in which they happened."""
        return self._counted(Fill, "fills", run_id, attempt, f"occurred_at, {BY_NUMBER}, place")

    def sized(self, run_id: str, *, attempt: int | None = None) -> tuple[SizedLine, ...]:
        """How each intent was sized."""
        return self._counted(SizedLine, "sized", run_id, attempt, "attempt, seq")

    def cuts(self, run_id: str, *, attempt: int | None = None) -> tuple[CutLine, ...]:
        """What each rule took from which intent's order."""
        return self._counted(CutLine, "cuts", run_id, attempt, "attempt, seq")

    def rebalances(self, run_id: str, *, attempt: int | None = None) -> tuple[RebalanceLine, ...]:
        """The account at each rebalance, before its orders."""
        return self._counted(RebalanceLine, "rebalances", run_id, attempt, "attempt, seq")

    def marks(self, run_id: str, *, attempt: int | None = None) -> tuple[MarkLine, ...]:
        """Closes and quantities as the account had them, on rebalance days and at the end."""
        return self._counted(MarkLine, "marks", run_id, attempt, "attempt, seq, symbol")

    def corporate_actions(self, run_id: str, *, attempt: int | None = None) -> tuple[CorporateLine, ...]:
        """Splits, dividends, renames and delistings that the algorithm heard of."""
        return self._counted(CorporateLine, "corporate_actions", run_id, attempt, "attempt, seq")

    def positions(self, run_id: str) -> tuple[Position, ...]:
        """What the run holds, as of the last that was heard of it; None with a reason where that can't be known."""
        return self._of_run(Position, "positions_of($run) order by symbol nulls last", run_id)

    def events(self, run_id: str, *, order_id: str | None = None) -> tuple[Event, ...]:
        """Every line heard of a run, of all its attempts, or of one order: the log itself, nothing folded."""
        if order_id is None:
            return self._of_run(Event, "events where run_id = $run order by attempt, occurred_at, writer, place, identity", run_id)
        return self._of_run(Event, "order_events where run_id = $run and order_id = $order "
                            "order by attempt, occurred_at, writer, place, identity", run_id, {"order": order_id})

    def bad_lines(self) -> tuple[BadLine, ...]:
        """What could not be read, by file and line."""
        with self._access.reading("bad lines") as connection:
            return _values(connection, BadLine, "bad_lines order by file, line, reason", {})

    # Plain questions.

    def frame(self, sql: str, **params: object) -> pd.DataFrame:
        """The answer to one SELECT as a DataFrame, `$name` standing for a parameter. Numbers there are floats, for research;
        `rows` keeps them exact. Raises `BadInput` for a statement that is wrong or would change anything."""
        with self._access.reading("a query") as connection:
            frame: pd.DataFrame = _ask(connection, sql, params).df()
            return frame

    def rows(self, sql: str, **params: object) -> Rows:
        """The answer to one SELECT with its exact values, `$name` standing for a parameter.

        Raises `BadInput` for a statement that is wrong or would change anything.
        """
        with self._access.reading("a query") as connection:
            answer = _ask(connection, sql, params)
            names = tuple(str(column[0]) for column in answer.description)
            return Rows(names, tuple(_answer(answer)))

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        text = " union all ".join(f"select '{table}', count(*) from {table}" for table in TABLES)
        with self._access.reading("counts") as connection:
            found = dict(connection.execute(text).fetchall())
        return {table: found[table] for table in TABLES}

    def _read(self, reading: Reading, errand: str) -> Ingested:
        """Batch by batch, each in a transaction of its own, so that readers get their turn between."""
        read = Ingested()
        while not reading.done:
            with self._access.writing(errand) as connection:
                read += reading.read_batch(connection)
        return read

    def _found(self, path: Path, folder: Path | None, source: Source) -> survey.Found:
        """A file to ingest: where it lies in the data folder already, else its copy there."""
        if folder is not None and path.is_relative_to(folder):
            known_as = survey.recognise(path.relative_to(folder).as_posix())
            if known_as is not None:
                return survey.found(path.relative_to(folder).as_posix(), path, *known_as)
        check_form(path, source)
        if folder is None:
            self._sources[path.as_posix()] = source
            return survey.found(path.as_posix(), path, "events", source)
        kept = survey.keep(folder, path, source)
        return survey.found(kept.relative_to(folder).as_posix(), kept, "events", source)

    def _snapshots(self, condition: str, given: dict[str, Any]) -> tuple[Snapshot, ...]:
        names = [item.name for item in fields(Snapshot) if item.name not in ("schema", "items")]
        columns = _types(Item)
        with self._access.reading("snapshots") as connection:
            heads = _answer(connection.execute(
                f"select {', '.join(names)} from snapshots where {condition} order by rebalance_date, as_of, snapshot_id", given))
            items: dict[str, list[Item]] = defaultdict(list)
            for snapshot_id, *row in _rows(
                connection, {"snapshot_id": (str,), **columns}, "snapshot_items where snapshot_id in "
                f"(select snapshot_id from snapshots where {condition}) order by snapshot_id, position", given):
                items[snapshot_id].append(Item(**dict(zip(columns, row, strict=True))))
        return tuple(_snapshot(dict(zip(names, row, strict=True)), items) for row in heads)

    def _of_run(self, kind: type[T], query: str, run_id: str, given: dict[str, Any] | None = None) -> tuple[T, ...]:
        with self._access.reading(f"{kind.__name__.lower()}s of {run_id}") as connection:
            _check_run(connection, run_id)
            return _values(connection, kind, query, {"run": run_id, **(given or {})})

    def _counted(self, kind: type[T], view: str, run_id: str, attempt: int | None, order: str) -> tuple[T, ...]:
        if attempt is not None:
            return self._of_run(kind, f"{view} where run_id = $run and attempt = $attempt order by {order}", run_id,
                                {"attempt": attempt})
        return self._of_run(kind, f"{view} where run_id = $run and attempt in (select attempt from counted_attempts "
                            f"where run_id = $run) order by {order}", run_id)


def _folder(folder: Path | str) -> Path:
    root = Path(folder).absolute()
    if not root.is_dir():
        raise BadInput("no such data folder", where=str(folder))
    return root


def _fill(path: Path, folder: Path) -> Ingested:
    """Index a folder into a database file that nobody else knows of yet."""
    read = Ingested()
    with opened(path, None) as connection:
        there = {item.file: item for item in survey.survey(folder)}
        before = survey.known(connection)
        reading = Reading(folder, survey.unseen(there, before, verify=False), [file for file in before if file not in there])
        while not reading.done:
            connection.execute("begin")
            read += reading.read_batch(connection)
            connection.execute("commit")
    return read


def _values(
    connection: DuckDBPyConnection, kind: type[T], query: str, given: dict[str, Any], **instead: str
) -> tuple[T, ...]:
    """Rows as values of `kind`, whose fields are columns of the same names, or the SQL given `instead`."""
    types = _types(kind)
    return tuple(kind(**dict(zip(types, row, strict=True))) for row in _rows(connection, types, query, given, instead))


def _rows(
    connection: DuckDBPyConnection, types: Mapping[str, tuple[type, ...]], query: str, given: dict[str, Any],
    instead: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[Any, ...]]:
    """Columns of these types, row by row. Decimals come as text and moments as whole microseconds: both arrive exact, and
    far sooner than as objects, of which each different one is made once."""
    forms = [next((form for form in FORMS if form.made in kinds), None) for kinds in types.values()]
    names = [instead.get(name, f'"{name}"') for name in types]
    asked = ", ".join(name if form is None else form.sql.format(name) for name, form in zip(names, forms, strict=True))
    columns = zip(*connection.execute(f"select {asked} from {query}", given).fetchall(), strict=True)
    return zip(*(column if form is None else map(_Known(form.read).__getitem__, column)
                 for column, form in zip(columns, forms, strict=False)), strict=True)


class _Known(dict[Any, Any]):
    """Values by what stands for them, each made once; None stands for itself."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__({None: None})
        self._make = make

    def __missing__(self, told: Any) -> Any:
        made = self[told] = self._make(told)
        return made


def _types(kind: type) -> dict[str, tuple[type, ...]]:
    """The fields of a dataclass, each with the types that its values can have."""
    return {item.name: get_args(item.type) or (item.type,) for item in fields(kind)}


def _runs(connection: DuckDBPyConnection, condition: str, given: dict[str, Any]) -> tuple[Run, ...]:
    names = [item.name for item in fields(Run) if item.name != "schema"]
    columns = ", ".join({"start": "start_date", "end": "end_date"}.get(name, name) for name in names)
    rows = _answer(connection.execute(
        f"select {columns} from runs r left join (select run_id, min(queued_at) as queued_at from attempts group by all) a "
        f"using (run_id) where {condition} order by queued_at nulls last, run_id", given))
    runs = []
    for row in rows:
        values = dict(zip(names, row, strict=True))
        values["rejected"] = tuple(Rejected(**item) for item in json.loads(values["rejected"]))
        runs.append(Run(**values))
    return tuple(runs)


def _snapshot(head: dict[str, Any], items: dict[str, list[Item]]) -> Snapshot:
    for name in ("parameters", "holdings"):
        if head[name] is not None:
            head[name] = freeze(json.loads(head[name], parse_float=Decimal))
    return Snapshot(items=tuple(items[head["snapshot_id"]]), **head)


def _check_run(connection: DuckDBPyConnection, run_id: str) -> None:
    """Raise `NotRecorded` where neither a request, nor a start, nor an event of the run is known."""
    if not any(_any(connection, f"{table} where run_id = $run", {"run": run_id}) for table in ("runs", "attempts", "events")):
        raise NotRecorded(f"run {run_id}", "`workbench runs` lists those that are")


def _any(connection: DuckDBPyConnection, query: str, given: dict[str, Any]) -> bool:
    return connection.execute(f"select 1 from {query} limit 1", given).fetchone() is not None


def _ask(connection: DuckDBPyConnection, sql: str, given: dict[str, object]) -> DuckDBPyConnection:
    """Run one statement that only reads."""
    import duckdb

    try:
        statements = duckdb.extract_statements(sql)
        if [statement.type for statement in statements] not in ([duckdb.StatementType.SELECT], [duckdb.StatementType.EXPLAIN]):
            raise BadInput("only one statement, and one that reads, can be asked here", where=sql.strip(),
                           remedy="the store is an index of files: `workbench ingest` and `workbench store rebuild` change it")
        return connection.execute(statements[0], given)
    except duckdb.Error as error:
        raise BadInput(str(error).strip(), where=sql.strip()) from None


def _plain(value: Any) -> Any:
    """A value as we write it: Decimals without trailing zeros or exponents, instants in UTC, lists as tuples."""
    if isinstance(value, Decimal):
        whole = value.to_integral_value()
        return whole if whole == value else value.normalize(WIDE)
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return tuple(map(_plain, value)) if isinstance(value, list) else value


def _answer(asked: DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """All rows of an answer, their values as we write them."""
    plain = [str(column[1]) in AS_THEY_ARE for column in asked.description]
    columns = zip(*asked.fetchall(), strict=True)
    return list(zip(*(column if as_it_is else map(_plain, column) for column, as_it_is in zip(columns, plain, strict=False)),
                    strict=True))
