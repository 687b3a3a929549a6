"""The journal of one attempt: what was sized, sent and heard, one JSON line each, chained so that a change shows.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder.

One writer, one file, append-only, never resumed. A `seal` line holds the sha256 of all bytes since the seal before it,
that seal's line included, so each seal covers everything before: after every line on paper and live, after every 1,000
lines in a backtest, and after the last line of all. A seal has the clocks of the line it follows, so that every byte of it
follows from what it seals: `verify` walks the chain and finds a change in the last seal too.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring as quote
from pathlib import Path
from typing import Any, BinaryIO

SCHEMA = "journal/1"
SEAL_EVERY = 1000
KINDS = ("opened", "rebalance", "sized", "capped", "blocked", "skipped", "order", "split", "dividend", "renamed",
         "delisted", "mark", "seal", "closed")

# Lean's order statuses in our words; the broker's own story is kept beside them in Lean's files.
LEAN_STATUS = {
    "new": "NEW", "submitted": "SUBMITTED", "updatesubmitted": "SUBMITTED", "partiallyfilled": "PARTIALLY_FILLED",
    "filled": "FILLED", "cancelpending": "PENDING_CANCEL", "canceled": "CANCELLED", "cancelled": "CANCELLED",
    "invalid": "REJECTED", "none": "UNKNOWN",
}
EXPIRED = "The order has expired."

# Nearly every line is of this form: plain text, numbers and words by name, nothing nested. What matches is JSON, with its number
# and kind where they belong and nowhere again, and need not be parsed to know it.
_TEXT = rb'"[ !#-\[\]-~]*+"'
USUAL = re.compile(rb'\{"schema":%(text)s,"run_id":%(text)s,"attempt":[1-9][0-9]{0,17},"seq":([1-9][0-9]{0,17}),"kind":"([a-z]++)"'
                   rb'(?:,"(?![sk](?:eq|ind)")[a-z_0-9]++":(?:%(text)s|-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]++)?|null|true|false))*+\}\n'
                   % {b"text": _TEXT})


def lean_status(text: Any, message: str = "") -> str:
    """Our word for one of Lean's statuses, in whichever spelling Python or Lean's files give it."""
    status = LEAN_STATUS.get(str(text).replace("_", "").lower(), "UNKNOWN")
    return "EXPIRED" if status == "CANCELLED" and message == EXPIRED else status


def to_json(value: Any) -> str:
    """Compact JSON with numbers as exact plain decimal text. Floats and unknown types raise TypeError: none belongs here."""
    write = WRITERS.get(type(value))
    if write is None:
        write = next((write for kind, write in WRITERS.items() if isinstance(value, kind)), _refuse)
    return write(value)


def _object(value: Mapping[Any, Any]) -> str:
    return "{" + ",".join([f"{_key(str(key))}{(WRITERS.get(type(item)) or to_json)(item)}" for key, item in value.items()]) + "}"


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return f"{quote(name)}:"


def _array(value: Iterable[Any]) -> str:
    return "[" + ",".join(map(to_json, value)) + "]"


def _refuse(value: Any) -> str:
    raise TypeError(f"{type(value).__name__} {value!r} can't be written exactly; make it a Decimal or text first")


def plain(number: Decimal) -> str:
    """A finite Decimal as plain text without an exponent or trailing zeros; raises ValueError for NaN and infinity."""
    if not number.is_finite():
        raise ValueError(f"{number} is not finite")
    text = str(number)
    if "E" in text:
        text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


@lru_cache(maxsize=256)             # a rebalance is hundreds of lines at one moment
def instant(moment: datetime) -> str:
    """A moment as UTC text, `2020-03-02T14:00:00Z`; raises ValueError for one without a time zone."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None or moment.utcoffset() is None:
            raise ValueError(f"{moment} has no time zone")
        moment = moment.astimezone(UTC)
    return moment.isoformat()[:-6] + "Z"


def _quoted_instant(moment: datetime) -> str:
    return f'"{instant(moment)}"'


# By type, the commonest first where a value's own type is none of them; a datetime is a date and a flag an int.
WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: quote, Decimal: plain, type(None): lambda _: "null", bool: lambda flag: "true" if flag else "false",
    int: int.__repr__, datetime: _quoted_instant, date: lambda day: f'"{day.isoformat()}"', dict: _object, list: _array,
    tuple: _array, Mapping: _object,
}


@lru_cache(maxsize=1024)
def new_york_to_utc(local: datetime) -> datetime:
    """The UTC moment of a New York wall-clock time, by the United States' own rule (since 1987).

    Here because a Lean image need not have a time-zone database; a test holds it to one.
    """
    if local.year >= 2007:
        begin, end = _sunday(local.year, 3, 2), _sunday(local.year, 11, 1)
    else:
        begin, end = _sunday(local.year, 4, 1), _sunday(local.year, 11, 1) - timedelta(days=7)
    naive = datetime(local.year, local.month, local.day, local.hour, local.minute, local.second, local.microsecond)
    summer = begin + timedelta(hours=2) <= naive < end + timedelta(hours=2)
    return (naive + timedelta(hours=4 if summer else 5)).replace(tzinfo=UTC)


def _sunday(year: int, month: int, which: int) -> datetime:
    """The n-th Sunday of a month."""
    first = datetime(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (which - 1))


class Journal:
    """The writer. `now` gives the wall clock; in a backtest `recorded_at` is `occurred_at`, so a rerun gives the same bytes.

    Raises FileExistsError for a file that is already there, and OSError where a line can't be written: a caller that
    goes on trading after that is wrong.
    """

    def __init__(self, path: str, *, run_id: str, attempt: int, live: bool, now: Callable[[], datetime]) -> None:
        self.live, self.now = live, now
        self.seq = 0
        self.counts: dict[str, int] = {}
        self._unsealed = hashlib.sha256()
        self._since_seal = 0
        self._last_seal: str | None = None
        self._begin = _beginning(run_id, attempt)
        self._one_at_a_time = threading.Lock()      # live, Lean schedules, and tells of orders, in threads of their own
        self._file: BinaryIO = Path(path).open("xb")      # noqa: SIM115 (open for as long as the algorithm runs)

    def write(self, kind: str, occurred_at: datetime, **fields: Any) -> None:
        """Append one line, and a seal after it where one is due. On paper and live it leaves the process at once."""
        with self._one_at_a_time:
            clocks = self._append(kind, occurred_at, fields)
            if self.live or self._since_seal >= SEAL_EVERY:
                self._seal(clocks)
            if self.live:
                self._file.flush()

    def sync(self) -> None:
        """Force everything written so far to the disk: before each send, on paper and live."""
        with self._one_at_a_time:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self, occurred_at: datetime) -> None:
        """Write the last line and the last seal."""
        with self._one_at_a_time:
            counts = dict(sorted(self.counts.items()))
            self._seal(self._append("closed", occurred_at, {"counts": counts, "last_seq": self.seq + 1}))
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _append(self, kind: str, occurred_at: datetime, fields: Mapping[str, Any]) -> tuple[str, str]:
        occurred = instant(occurred_at)
        clocks = occurred, instant(self.now()) if self.live else occurred
        self._put(kind, _line(self._begin, self.seq + 1, kind, clocks, _object(fields)))
        return clocks

    def _seal(self, clocks: tuple[str, str]) -> None:
        digest, previous = self._unsealed.hexdigest(), self._last_seal
        self._unsealed = hashlib.sha256()
        self._put("seal", _seal_line(self._begin, self.seq + 1, clocks, digest, previous))
        self._last_seal, self._since_seal = digest, 0

    def _put(self, kind: str, line: bytes) -> None:
        self._file.write(line)
        self._unsealed.update(line)
        self.seq += 1
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self._since_seal += 1


def _beginning(run_id: str, attempt: int) -> str:
    """What each line of an attempt begins with, up to its number."""
    return f'{{"schema":"{SCHEMA}","run_id":{to_json(run_id)},"attempt":{attempt},"seq":'


def _line(beginning: str, seq: int, kind: str, clocks: tuple[str, str], fields: str) -> bytes:
    """One line's bytes. `fields` is the JSON object of what this kind alone has."""
    head = f'{beginning}{seq},"kind":"{kind}","occurred_at":"{clocks[0]}","recorded_at":"{clocks[1]}"'
    return f"{head}}}\n".encode() if fields == "{}" else f"{head},{fields[1:]}\n".encode()


def _seal_line(beginning: str, seq: int, clocks: tuple[str, str], digest: str, previous: str | None) -> bytes:
    return _line(beginning, seq, "seal", clocks, to_json({"sha256": digest, "previous": previous}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What `verify` found. `good` means every byte up to the end is covered and nothing is missing.

    `line` is the first line in doubt, counted from 1 (0: none), `trusted` the last line that a seal covers, and
    `closed` whether the writer ended in good order.
    """

    good: bool
    lines: int
    trusted: int
    closed: bool
    line: int = 0
    why: str = ""


def verify(lines: Iterable[bytes]) -> Verdict:
    """Walk a journal's lines (each with its newline) and say whether the chain holds, and where it first does not."""
    digest, previous = hashlib.sha256(), None
    before = b""
    count = trusted = 0
    closed = ended = False

    def broken(line: int, why: str) -> Verdict:
        return Verdict(good=False, lines=count, trusted=trusted, closed=False, line=line, why=why)

    for count, line in enumerate(lines, start=1):
        if not line.endswith(b"\n"):
            return broken(count, f"the last line is torn ({len(line)} bytes without an end); lines 1 to {count - 1} stand")
        try:
            seq, kind = _place_and_kind(line)
        except (ValueError, KeyError, TypeError):
            return broken(count, "not a journal line")
        if seq != count:
            gone = isinstance(seq, int) and seq > count
            return broken(count, f"seq is {seq} where {count} belongs: "
                          + ("a line is missing" if gone else "a line is repeated or out of place"))
        if ended:
            return broken(count, "a line after the journal was closed")
        if kind == "seal":
            sealed = digest.hexdigest()
            if line != _expected_seal(before, count, sealed, previous):
                return broken(trusted + 1, f"the seal on line {count} does not match: lines {trusted + 1} to {count} were "
                              "changed")
            digest, previous, trusted, ended = hashlib.sha256(), sealed, count, closed
        digest.update(line)
        before, closed = line, closed or kind == "closed"
    if ended:
        return Verdict(good=True, lines=count, trusted=trusted, closed=True)
    why = (f"no seal covers the lines after {trusted}" if closed else "not closed: the writer is still at work, or was stopped")
    return Verdict(good=False, lines=count, trusted=trusted, closed=closed, line=trusted + 1 if trusted < count else 0, why=why)


def _place_and_kind(line: bytes) -> tuple[Any, Any]:
    """A line's number and kind. Raises ValueError, KeyError or TypeError for what is no JSON object with both."""
    if usual := USUAL.fullmatch(line):
        return int(usual[1]), usual[2].decode()
    entry = json.loads(line)
    return entry["seq"], entry["kind"]


def _expected_seal(before: bytes, seq: int, digest: str, previous: str | None) -> bytes:
    """The bytes of a seal after the line `before`; none where that line lacks what every line has."""
    try:
        entry = json.loads(before)
        clocks = entry["occurred_at"], entry["recorded_at"]
        return _seal_line(_beginning(entry["run_id"], entry["attempt"]), seq, clocks, digest, previous)
    except (ValueError, KeyError, TypeError):
        return b""


def read_lines(path: str) -> Iterator[bytes]:
    """The journal's lines as bytes, each with its newline; the last may lack it."""
    with Path(path).open("rb") as source:
        yield from source
