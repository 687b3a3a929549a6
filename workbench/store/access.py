"""The database opened for one statement, one batch or some reads together, under the lock; in memory for tests, kept open."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, MissingTool, StoreBusy
from workbench.store.lock import POLL_SECONDS, Lock, read_only
from workbench.store.migrations import CURRENT, migrate, refuse_newer, version

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OLDEST = 2                  # major version of DuckDB that is exact
TO_READ = ("set TimeZone = 'UTC'", "set enable_external_access = false", "set python_enable_replacements = false")
TO_WRITE = ("set TimeZone = 'UTC'", "set preserve_insertion_order = false", "set python_enable_replacements = false")
NOT_OURS = re.compile(r"not a valid DuckDB database|storage version|newer version of DuckDB|corrupt", re.IGNORECASE)


class Access:
    """Connections to one database: `path` None is one in memory, that lives as long as this object."""

    def __init__(self, path: Path | None, *, wait: float) -> None:
        self.path = path
        self._local = threading.local()
        self._alone = threading.RLock()
        self._lock = Lock(path, wait=wait) if path is not None else None
        self._memory = _in_memory() if path is None else None

    @contextlib.contextmanager
    def reading(self, errand: str) -> Iterator[DuckDBPyConnection]:
        """A connection that others may read beside. Where no database exists yet, an empty one."""
        batch = self._open("batch") or self._open("together")
        if batch is not None:
            yield batch
        elif self._memory is not None:
            with self._alone, _undone(self._memory):
                yield self._memory
        else:
            with self._opened_to_read(errand) as connection:
                yield connection

    @contextlib.contextmanager
    def together(self, errand: str) -> Iterator[None]:
        """What this thread reads in the body is read on one connection, from one state of the database."""
        with self.reading(errand) as connection, self._kept("together", connection):
            yield

    @contextlib.contextmanager
    def writing(self, errand: str) -> Iterator[DuckDBPyConnection]:
        """A connection alone, in one transaction: all of the body is kept, or nothing. Inside a batch, the batch's own."""
        batch = self._open("batch")
        if batch is not None:
            yield batch
        elif self._memory is not None:
            with self._alone, self._transaction(self._memory):
                yield self._memory
        else:
            with self.alone(errand), opened(self._there(), self._lock) as connection:
                migrate(connection, str(self.path))
                with self._transaction(connection):
                    yield connection

    @contextlib.contextmanager
    def alone(self, errand: str) -> Iterator[None]:
        """Hold the database's file alone, without opening it."""
        assert self._lock is not None
        with self._lock.held(errand, exclusive=True):
            yield

    def replace(self, connection: DuckDBPyConnection) -> None:
        """Let another database in memory take this one's place."""
        with self._alone:
            assert self._memory is not None
            self._memory.close()
            self._memory = connection

    def _open(self, what: str) -> DuckDBPyConnection | None:
        """The connection that this thread has open for a batch, or to read together. A forked child has none: its parent's
        is not its own."""
        process, connection = getattr(self._local, what, (None, None))
        return connection if process == os.getpid() else None

    @contextlib.contextmanager
    def _kept(self, what: str, connection: DuckDBPyConnection) -> Iterator[None]:
        """What `_open` gives in the body."""
        before = getattr(self._local, what, (None, None))
        setattr(self._local, what, (os.getpid(), connection))
        try:
            yield
        finally:
            setattr(self._local, what, before)

    @contextlib.contextmanager
    def _transaction(self, connection: DuckDBPyConnection) -> Iterator[None]:
        connection.execute("begin")
        try:
            with self._kept("batch", connection):
                yield
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise

    @contextlib.contextmanager
    def _opened_to_read(self, errand: str) -> Iterator[DuckDBPyConnection]:
        assert self._lock is not None and self.path is not None
        if not self.path.exists():
            with contextlib.closing(_in_memory()) as connection:
                yield connection
            return
        while True:
            with self._lock.held(errand, exclusive=False), opened(self.path, self._lock, read_only=True) as connection:
                taken = version(connection)
                if taken == CURRENT:
                    yield connection
                    return
            refuse_newer(taken, str(self.path))
            with self.writing(f"bring the store up to date for: {errand}"):
                """Opening it to write takes the steps that it lacks; a reader could not."""

    def _there(self) -> Path:
        """The database's path; a new database appears there whole, so that a crash while it is made leaves none."""
        assert self.path is not None
        if not self.path.exists():
            make(self.beside("new.duckdb")).replace(self.path)
        return self.path

    def beside(self, name: str) -> Path:
        """Where a database that is to take this one's place is made: in the lock's folder, on the same disk."""
        assert self._lock is not None
        return self._lock.folder / name


def make(path: Path) -> Path:
    """Make an empty database with all its tables, in place of what a killed process left there."""
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    with opened(path, None) as connection:
        migrate(connection, str(path))
    return path


@contextlib.contextmanager
def opened(path: Path, lock: Lock | None, *, read_only: bool = False) -> Iterator[DuckDBPyConnection]:
    """A connection to a database file. Another program that has it open, as DuckDB's own shell may, is waited for.

    Raises `StoreBusy` after the lock's `wait`, and `BadInput` for a file that can't be opened or is no database of ours.
    """
    connection = _connect(path, lock, read_only)
    try:
        for statement in TO_READ if read_only else TO_WRITE:
            connection.execute(statement)
        yield connection
    finally:
        connection.close()


def _duckdb() -> Any:
    """The library. Raises `MissingTool` for one that would round: before 2.0, numbers in JSON pass through doubles."""
    import duckdb

    if int(duckdb.__version__.split(".")[0]) < OLDEST:
        raise MissingTool(f"DuckDB {OLDEST}.0 or newer (here is {duckdb.__version__}, which rounds numbers)",
                          f"`pip install 'duckdb>={OLDEST}.0'` gets it")
    return duckdb


def _connect(path: Path, lock: Lock | None, read_only: bool) -> DuckDBPyConnection:
    duckdb = _duckdb()
    since = time.monotonic()
    while True:
        try:
            connection: DuckDBPyConnection = duckdb.connect(str(path), read_only=read_only)
            return connection
        except duckdb.IOException as error:
            held = re.search(r"Conflicting lock is held in (.*?\(PID \d+\))", str(error))
            if held is None:
                raise _refused(path, str(error)) from None
            if lock is None or time.monotonic() - since >= lock.wait:
                raise StoreBusy(str(path), held[1], time.monotonic() - since) from None
            time.sleep(POLL_SECONDS * 10)


def _refused(path: Path, said: str) -> BadInput:
    first = said.splitlines()[0]
    if NOT_OURS.search(first):
        return BadInput(f"not a store this workbench can open ({first})", where=str(path),
                        remedy="move it away and run `workbench store rebuild`: it holds nothing that the files don't")
    if re.search("Permission denied|Read-only file system", first):
        return read_only(path.parent)
    return BadInput(f"the store can't be opened ({first})", where=str(path))


@contextlib.contextmanager
def _undone(connection: DuckDBPyConnection) -> Iterator[None]:
    """A transaction that leaves nothing behind: a database in memory can't be opened to read alone."""
    connection.execute("begin")
    try:
        yield
    finally:
        connection.execute("rollback")


def _in_memory() -> DuckDBPyConnection:
    connection: DuckDBPyConnection = _duckdb().connect(":memory:")
    for statement in TO_WRITE:
        connection.execute(statement)
    migrate(connection, ":memory:")
    return connection
