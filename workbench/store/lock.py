"""Who may open the store's file now: many readers or one writer, across threads and processes, in a fair queue.

Beside the database lies a folder, `<database>.lock`. Whoever wants the store first takes the file `turn`, waits there until
it has the file `hold` (shared to read, alone to write), and gives `turn` back: a writer that waits stands before every
reader that comes after it, and the next in line before a writer that comes again. The kernel frees the locks of a process
that ends, however it ends.

Each holder leaves a note with its process, host, errand and time, itself locked for as long as it is true: that is how an
error can name who is in the way, and how the note of a dead process is told from a living one's.
"""

import contextlib
import errno
import json
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from workbench.errors import BadInput, StoreBusy

POLL_SECONDS = 0.002
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)

if sys.platform == "win32":
    import msvcrt

    FAR_BYTE = 1 << 30          # beyond any note's text: Windows would not let others read a locked byte

    def _try(handle: int, exclusive: bool) -> bool:      # noqa: ARG001 (Windows' own call knows no shared lock)
        """Lock one byte, for readers too: on Windows they take turns."""
        os.lseek(handle, FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(handle: int, exclusive: bool) -> bool:
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Lock:
    """The queue before one database file. `wait` is in seconds."""

    def __init__(self, database: Path, *, wait: float) -> None:
        self.database, self.wait = database, wait
        self.folder = database.with_name(f"{database.name}.lock")

    @contextlib.contextmanager
    def held(self, errand: str, *, exclusive: bool) -> Iterator[None]:
        """Hold the store, shared or alone, for the body. Raises `StoreBusy` naming the holder after `wait` seconds.

        Where the folder can't be written, a reader goes ahead without a place in the queue (the database itself still
        refuses to be opened under a writer) and a writer is refused with `BadInput`.
        """
        with contextlib.ExitStack() as opened:
            if self._can_queue():
                self._queue(opened, errand, exclusive)
            elif exclusive:
                raise read_only(next(folder for folder in self.folder.parents if folder.exists()))
            yield

    def _can_queue(self) -> bool:
        """Whether files can be made beside the database; any other trouble with the disk raises OSError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with _opened(self.folder / "turn"):
                return True
        except OSError as error:
            if error.errno in READ_ONLY:
                return False
            raise

    def _queue(self, opened: contextlib.ExitStack, errand: str, exclusive: bool) -> None:
        since = time.monotonic()
        hold = opened.enter_context(_opened(self.folder / "hold"))
        note = opened.enter_context(self._note())
        with _opened(self.folder / "turn") as turn:
            self._wait_for(turn, exclusive=True, since=since)
            self._wait_for(hold, exclusive=exclusive, since=since)
        _tell(note, errand)

    def holders(self) -> tuple[str, ...]:
        """Who holds the store now, in words, the longest first. Notes of dead processes are swept away."""
        told, stale = [], []
        for path in self.folder.glob("note-*"):
            with contextlib.suppress(FileNotFoundError), _opened(path, create=False) as handle:
                if _try(handle, exclusive=True):
                    stale.append(path)
                elif text := path.read_text(encoding="utf-8"):
                    told.append(json.loads(text))
        for path in stale:
            path.unlink(missing_ok=True)
        return tuple(
            f"process {note['pid']} on {note['host']} ({note['errand']}, since {note['since']})"
            for note in sorted(told, key=lambda note: str(note["since"]))
        )

    def busy(self, since: float, unknown: str = "a process that left no note") -> StoreBusy:
        """The error that names who is in the way, for one who has waited since that moment of the monotonic clock."""
        first, *others = self.holders() or (unknown,)
        return StoreBusy(str(self.database), first + (f" and {len(others)} more" if others else ""), time.monotonic() - since)

    def _wait_for(self, handle: int, *, exclusive: bool, since: float) -> None:
        while not _try(handle, exclusive):
            if time.monotonic() - since >= self.wait:
                raise self.busy(since)
            time.sleep(POLL_SECONDS * (0.5 + random.random()))

    @contextlib.contextmanager
    def _note(self) -> Iterator[int]:
        """A file of one's own, empty until the store is held, and locked as long as its writer lives."""
        path = self.folder / f"note-{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}"
        try:
            with _opened(path) as handle:
                _try(handle, exclusive=True)
                yield handle
        finally:
            path.unlink(missing_ok=True)


def read_only(folder: Path) -> BadInput:
    """The error of one who would write where nobody may."""
    return BadInput("the folder is read-only, so nothing can be recorded in the store", where=str(folder),
                    remedy="make it writable, or work on a copy")


def _tell(note: int, errand: str) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    text = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "errand": errand, "since": since})
    os.lseek(note, 0, os.SEEK_SET)
    os.write(note, text.encode())


@contextlib.contextmanager
def _opened(path: Path, *, create: bool = True) -> Iterator[int]:
    """A file descriptor for the body; closing it frees its lock. A forked child lets go of what it inherits."""
    handle = os.open(path, os.O_RDWR | (os.O_CREAT if create else 0), 0o666)
    _OPEN.add(handle)
    try:
        yield handle
    finally:
        if handle in _OPEN:
            _OPEN.discard(handle)
            os.close(handle)


_OPEN: set[int] = set()


def _forget() -> None:
    """In a forked child: a lock belongs to the open file, and would otherwise be held until the child ends too."""
    while _OPEN:
        os.close(_OPEN.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
