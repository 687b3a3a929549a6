"""Following a run while it is at work: the store is kept up to date with its journal, and whoever likes can look on.

`following` reads the attempt's lines into the store as they are written, in a thread of the process that supervises the engine.
`watch` shows how far it is, in any process: the run and its attempts from their files, its orders from the store.
"""

import math
import os
import platform
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.running import records, stopping
from workbench.store import Store
from workbench.words.progress import OrderProgress, Refused, RunProgress
from workbench.words.run import FINAL, Attempt, Run

GLANCE = 0.1            # seconds between looks at the files: a few calls that open nothing
EVERY = 0.25            # seconds between two readings into the store: each takes a tenth of a second
LOOK = 0.5              # seconds between two looks at it
LATE = 2.0              # seconds after which who watches reads in what nobody else does
MOST = 200              # orders shown of a run that has more
LOG_LINES = 12
LOG_BYTES = 1 << 14
OF_WHAT_WAS_SENT = ("not_adopted", "not_cancelled")     # rules that an order meets only after it was sent
FOLLOWED = ("status.json", "journal.jsonl", "repairs.jsonl")

Stamp = tuple[int, int, int]        # size, modification time in ns, inode


@dataclass
class Following:
    """What went wrong with keeping the store up to date: how often, the last of it in words, and whether it still is behind."""

    times: int = 0
    trouble: str | None = None
    behind: bool = False

    def __str__(self) -> str:
        if self.trouble is None:
            return "the store followed"
        now = "the store is behind: `workbench ingest` brings it up to date" if self.behind else "the store has caught up since"
        return f"the store could not follow, {self.times} time{'' if self.times == 1 else 's'}, last: {self.trouble}; {now}"


@contextmanager
def following(store: Store, data: Path, run_id: str, attempt: int, *, every: float = EVERY) -> Iterator[Following]:
    """Keep the store up to date with an attempt's journal, repairs and status while the body runs, and at its end.

    A line is read in within a moment, and lines that keep coming every so many seconds, together.
    What goes wrong with that never stops the body: it is kept in the value given, and said as a warning at the end.
    Raises `BadInput`, before anything, for a store that is not the data folder's.
    """
    reader = _Reader(store, data, run_id, attempt)
    ended = threading.Event()

    def keep_up() -> None:
        reader.try_to_catch_up()            # at once: the first opening of a store takes its time, and an engine's start, too
        while not ended.wait(min(every, GLANCE)):
            if time.monotonic() - reader.looked >= every:
                reader.try_to_catch_up()

    thread = threading.Thread(target=keep_up, name=f"following {run_id}-{attempt}", daemon=True)
    thread.start()
    try:
        yield reader.following
    finally:
        ended.set()
        thread.join()
        reader.try_to_catch_up()
        if reader.following.trouble is not None:
            warnings.warn(f"run {run_id}, attempt {attempt}: {reader.following}", RuntimeWarning, stacklevel=3)


def watch(store: Store, run_id: str, *, every: float = LOOK, most: int = MOST, lines: int = LOG_LINES) -> Iterator[RunProgress]:
    """How far a run is, again every so many seconds, until its last attempt has ended or its process is gone.

    The last state is given, too: a run that has ended gives that one. Raises `NotRecorded` for an unknown run, and
    `StoreBusy` where the store stays locked.
    """
    watcher = Watcher(store, run_id, most=most, lines=lines)
    while True:
        seen = watcher.look()
        yield seen
        if seen.over:
            return
        time.sleep(every)


class Watcher:
    """Looks at one run, again and again: at most so many orders, and the engine's last lines.

    Where nobody reads the run into the store, or whoever did is dead, it does so itself. While the store's file is as it was,
    nothing is asked of it. Raises `NotRecorded` for an unknown run.
    """

    def __init__(self, store: Store, run_id: str, *, most: int = MOST, lines: int = LOG_LINES) -> None:
        self.store, self.most, self.lines = store, most, lines
        self.data = _folder(store)
        self.run = records.read_run(self.data, run_id)
        self._heard: RunProgress | None = None
        self._heard_from: tuple[int, Stamp | None] | None = None
        self._read_in_already: Stamp | None = None

    def look(self) -> RunProgress:
        """How far the run is now. Raises `StoreBusy` where the store stays locked."""
        known = records.attempts(self.data, self.run.run_id)
        seen_at = datetime.now(UTC)
        if not known:
            return RunProgress(run=self.run, attempt=None, seen_at=seen_at)
        attempt = known[-1]
        heard = self._hear(attempt)
        place = records.run_folder(self.data, self.run.run_id) / str(attempt.attempt)
        orders = tuple(replace(order, age=None if order.heard_at is None else max(seen_at - order.heard_at, timedelta(0)))
                       for order in heard.orders)
        return replace(heard, attempt=attempt, seen_at=seen_at, orders=orders, alive_at=_last_written(place),
                       gone=_is_gone(place, attempt), stop=stopping.stop_told(place), log=_tail(place / "log.txt", self.lines))

    def _hear(self, attempt: Attempt) -> RunProgress:
        """What the store tells; what it told last where it has not changed since."""
        assert self.store.path is not None
        reader = _Reader(self.store, self.data, self.run.run_id, attempt.attempt)
        there = _stamp(reader.journal)
        if there is not None and (attempt.state in FINAL or time.time() - there[1] / 1e9 > LATE):
            self._read_in(reader, there)
        told = attempt.attempt, _stamp(self.store.path)
        if self._heard is None or told != self._heard_from:
            self._heard, self._heard_from = _hear(self.store, self.run, attempt, self.most), told
        return self._heard

    def _read_in(self, reader: "_Reader", there: Stamp) -> None:
        """Read in what the store has not read of a journal, unless it was seen to have."""
        if there == self._read_in_already:
            return
        file = reader.journal.relative_to(reader.data).as_posix()
        known = self.store.rows("select size, mtime_ns, inode from ingested_files where file = $file", file=file)
        if there not in known.rows:
            reader.catch_up()
        self._read_in_already = there


# Reading in.

class _Reader:
    """Reads what has changed of one attempt's files into the store."""

    def __init__(self, store: Store, data: Path, run_id: str, attempt: int) -> None:
        if _folder(store) != data.absolute():
            raise BadInput(f"{store!r} is not the store of this data folder", where=str(data))
        run = records.run_folder(data.absolute(), run_id)
        self.store, self.data = store, data.absolute()
        self.paths = (run / "run.json", *(run / str(attempt) / name for name in FOLLOWED))
        self.journal = run / str(attempt) / "journal.jsonl"
        self.read: dict[Path, Stamp] = {}
        self.looked = -math.inf         # on the monotonic clock, when anything was last read in
        self.following = Following()

    def catch_up(self) -> None:
        """Read in what is new. The files are looked at first, so that a line written meanwhile is new the next time."""
        there = {path: stamp for path in self.paths if (stamp := _stamp(path)) is not None}
        changed = [path for path, stamp in there.items() if self.read.get(path) != stamp]
        if changed:
            with self.store.atomic():
                for path in changed:
                    self.store.ingest(path)
            self.read |= there
            self.looked = time.monotonic()

    def try_to_catch_up(self) -> None:
        """The same; what goes wrong is kept."""
        try:
            self.catch_up()
            self.following.behind = False
        except Exception as error:      # noqa: BLE001 - orders are at work: whatever befalls an index, the run goes on
            self.looked = time.monotonic()
            self.following.times += 1
            self.following.trouble, self.following.behind = f"{type(error).__name__}: {error}", True


def _stamp(path: Path) -> Stamp | None:
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_size, told.st_mtime_ns, told.st_ino


def _folder(store: Store) -> Path:
    if store.path is None:
        raise BadInput("a store in memory has no data folder, so no run of it can be looked at", where=repr(store))
    return store.path.parent


# Looking.

def _hear(store: Store, run: Run, attempt: Attempt, most: int) -> RunProgress:
    """What the store tells: of a backtest its last attempt, of paper and live all of them."""
    asked = {"run": run.run_id, "attempt": attempt.attempt if run.mode == "backtest" else None}
    orders, account = store.rows(ORDERS, **asked, most=most), store.rows(ACCOUNT, **asked)
    sent = [_order(dict(zip(orders.columns, row, strict=True)), real=run.mode != "backtest") for row in orders]
    waiting = [_waiting(*row) for row in store.rows(WAITING, **asked)]
    told, ended = orders.rows[0][-2:] if sent else (0, 0)
    blocked = [Refused(attempt=row[0], symbol=row[1], rule=row[2], detail=row[3]) for row in store.rows(BLOCKED, **asked)]
    equity, cash, valued_at = account.rows[0] if len(account) else (None, None, None)
    return RunProgress(
        run=run, attempt=attempt, seen_at=attempt.queued_at, orders=(*sent, *waiting), told=told + len(waiting), ended=ended,
        refused=tuple(one for one in blocked if one.rule not in OF_WHAT_WAS_SENT),
        left=tuple(one for one in blocked if one.rule in OF_WHAT_WAS_SENT), equity=equity, cash=cash, valued_at=valued_at,
    )


def _order(row: dict[str, Any], *, real: bool) -> OrderProgress:
    same = ("attempt", "order_ref", "order_id", "symbol", "side", "order_type", "quantity", "filled", "average_price", "status")
    return OrderProgress(**{name: row[name] for name in same}, last=_in_words(row), heard_at=row["heard_at"] if real else None,
                         age=None)


def _waiting(attempt: int, order_ref: str, symbol: str, quantity: Decimal) -> OrderProgress:
    return OrderProgress(attempt=attempt, order_ref=order_ref, order_id=None, symbol=symbol, side="BUY" if quantity > 0 else "SELL",
                         order_type=None, quantity=quantity, filled=Decimal(0), average_price=None, status="NEW",
                         last="sized, not sent yet", heard_at=None, age=None)


def _in_words(row: dict[str, Any]) -> str:
    """What was heard last: `partially filled, 40 at 82.5`."""
    text = str(row["last_status"] or "").replace("_", " ").lower()
    if row["last_fill"]:
        text += f", {abs(row['last_fill'])} at {row['last_price']}"
    if row["message"]:
        text += f": {row['message']}"
    return f"{text} (inferred)" if row["inferred"] else text


def _last_written(place: Path) -> datetime | None:
    """When the engine last wrote anything. Lean keeps its charts up to date, live, also while nothing happens."""
    newest = 0.0
    for folder in (place, place / "results"):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                newest = max([newest, *(entry.stat().st_mtime for entry in entries if entry.name not in ("status.json", "lean.json")
                                        and entry.is_file())])
    return datetime.fromtimestamp(newest, UTC) if newest else None


def _is_gone(place: Path, attempt: Attempt) -> bool:
    """Whether the process that supervises an attempt is no longer there; one on another machine is believed."""
    here = attempt.state == "running" and attempt.pid is not None and attempt.host == platform.node()
    return here and stopping.supervisor(place, attempt) is None


def _tail(log: Path, lines: int) -> tuple[str, ...]:
    """The last lines that the engine has printed, as they came."""
    try:
        with log.open("rb") as source:
            size = source.seek(0, os.SEEK_END)
            source.seek(max(0, size - LOG_BYTES))
            text = source.read().decode(errors="replace")
    except FileNotFoundError:
        return ()
    found = text.splitlines()
    return tuple(found[1 if size > LOG_BYTES else 0:][-lines:])


OF_THE_RUN = "run_id = $run and (attempt = $attempt or $attempt is null)"

ORDERS = f"""
with last as (
    select * from order_events where {OF_THE_RUN}
    qualify row_number() over (partition by attempt, order_id order by told_rank desc, identity desc) = 1
), mine as (
    select * from orders where {OF_THE_RUN}
)
select m.attempt, m.client_order_id as order_ref, m.order_id, m.symbol, m.side, m.order_type, m.quantity,
       m.filled_quantity as filled, m.avg_fill_price as average_price, m.status, l.status as last_status,
       l.fill_quantity as last_fill, l.fill_price as last_price, l.message, l.inferred,
       coalesce(l.recorded_at, l.occurred_at) as heard_at, count(*) over () as told,
       count(*) filter (m.status in ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED')) over () as ended
from mine m join last l on l.attempt = m.attempt and l.order_id = m.order_id
qualify row_number() over (order by m.status in ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED'), l.told_rank desc) <= $most
order by m.attempt, try_cast(m.order_id as bigint), m.order_id
"""

WAITING = f"""
select s.attempt, s.order_ref, s.symbol, s."order" from sized s
where {OF_THE_RUN} and s.order_ref is not null
  and not exists (select 1 from events e where e.run_id = s.run_id and e.kind = 'order' and e.tag = s.order_ref)
  and not exists (select 1 from cuts c where c.run_id = s.run_id and c.kind = 'blocked'
                  and c.order_intent_id = s.order_intent_id and (c.attempt, c.seq) > (s.attempt, s.seq))
order by s.attempt, s.seq
"""

BLOCKED = f"select attempt, symbol, rule, detail from cuts where {OF_THE_RUN} and kind = 'blocked' order by attempt, seq"

ACCOUNT = f"""
select equity, cash, occurred_at from (
    select run_id, attempt, seq, equity, cash, occurred_at from rebalances
    union all select run_id, attempt, seq, equity, cash, occurred_at from marks)
where {OF_THE_RUN} order by attempt desc, seq desc limit 1
"""
