"""What an engine says while it runs: its lines in both of Lean's forms, and whether it still gives a sign of life.

The console has `yyyyMMdd HH:mm:ss.fff LEVEL:: text`, the file an ISO-8601 time in front; both UTC. A block of several
lines (a table, a traceback) has one time, and is one line here. (Lean, Logging/ConsoleLogHandler.cs, FileLogHandler.cs.)
"""

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HEAD = re.compile(r"(?P<at>\d{8} \d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?)"
                  r" (?P<level>[A-Z]+):: ?(?P<text>.*)")
SETTLED = 0.25      # seconds after which nothing more belongs to a block: Lean writes one at once
DEATH = ("Unhandled exception.", "Fatal error")        # what the runtime prints itself, in the middle of whatever was said before


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One thing said. `level` is TRACE, DEBUG, ERROR or REPORT, or empty for text that is not the log's, such as stderr's."""

    at: datetime | None
    level: str
    text: str


def read_log(path: Path) -> tuple[LogLine, ...]:
    """Everything a log says; nothing where there is none."""
    if not path.is_file():
        return ()
    return tuple(parse_lines(path.read_text(encoding="utf-8", errors="replace").splitlines()))


def parse_lines(lines: Iterable[str]) -> Iterator[LogLine]:
    """The lines of a log, blocks of several joined. Text before the first headed line has no level."""
    at: datetime | None = None
    level, block = "", list[str]()
    for line in lines:
        head = HEAD.match(line)
        if head is None and not line.startswith(DEATH):
            block.append(line)
            continue
        if block:
            yield LogLine(at=at, level=level, text="\n".join(block).strip())
        at, level, block = (_instant(head["at"]), head["level"], [head["text"]]) if head else (None, "", [line])
    if block:
        yield LogLine(at=at, level=level, text="\n".join(block).strip())


class Listener:
    """Reads a growing log. A block is given once the next one begins, or when nothing was added to it for a moment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at = path.stat().st_size if path.exists() else 0
        self._held = ""
        self._since = time.monotonic()

    def hear(self, *, end: bool = False) -> tuple[LogLine, ...]:
        """What is new since the last time; with `end`, also what was held back."""
        new, now = self._new(), time.monotonic()
        text = self._held + new
        self._since = now if new else self._since
        cut = len(text) if end or now - self._since > SETTLED else self._last_head(text)
        self._held = text[cut:]
        return tuple(parse_lines(text[:cut].splitlines()))

    def _new(self) -> str:
        with self.path.open("rb") as source:
            source.seek(self._at)
            found = source.read()
        whole = found[:found.rfind(b"\n") + 1]          # never half a line, nor half a character
        self._at += len(whole)
        return whole.decode("utf-8", errors="replace")

    @staticmethod
    def _last_head(text: str) -> int:
        """Where the last block begins: it may go on."""
        at = len(text)
        for line in reversed(text.splitlines(keepends=True)):
            at -= len(line)
            if HEAD.match(line) or line.startswith(DEATH):
                return at
        return 0


class Pulse:
    """Whether something grows: the size and time of files, and of what is directly inside folders."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self.paths = tuple(paths)
        self._seen = self._look()
        self._since = self._looked = time.monotonic()

    def silence(self) -> float:
        """Seconds since the last change. Looks at the disk once a second at most."""
        now = time.monotonic()
        if now - self._looked >= min(1.0, (now - self._since) / 4):
            self._looked = now
            found = self._look()
            if found != self._seen:
                self._seen, self._since = found, now
        return now - self._since

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        return tuple(sorted(fact for path in self.paths for fact in _facts(path)))


def _facts(path: Path) -> Iterator[tuple[str, int, int]]:
    try:
        if path.is_dir():
            with os.scandir(path) as entries:
                found = [(entry.path, entry.stat()) for entry in entries]
        else:
            found = [(str(path), path.stat())]
    except FileNotFoundError:       # not there yet, or replaced while we looked: the next look sees it
        return
    for name, stat in found:
        yield name, stat.st_size, stat.st_mtime_ns


def _instant(text: str) -> datetime:
    """A UTC moment of either form; .NET writes seven digits of a second, Python reads six."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    form = "%Y-%m-%dT%H:%M:%S" if "T" in whole else "%Y%m%d %H:%M:%S"
    return datetime.strptime(whole, form).replace(tzinfo=UTC, microsecond=int(fraction[:6].ljust(6, "0") or 0))
