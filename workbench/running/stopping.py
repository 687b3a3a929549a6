"""Stopping what is at work on paper and live: by its stop file, by signals, by the last resort, and at the broker.

    runs/<run id>/<attempt>/stop.txt        who stops it and why: the algorithm looks for it before every send and every few
                                            seconds, cancels what works, and ends

All of it goes by files, signals and the broker. The process that is stopped may hang, and the store may be locked: what was
ordered is read from the journals themselves.
"""

from __future__ import annotations

import contextlib
import platform
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from workbench import files
from workbench.algorithm.journal import instant
from workbench.errors import BadInput, WorkbenchError
from workbench.running import records
from workbench.running.sent import Sent, read_sent, working
from workbench.words import run as runs_words
from workbench.words.order import ENDED
from workbench.words.run import Attempt

if TYPE_CHECKING:
    import psutil  # type: ignore[import-untyped]

    from workbench.engines.ib import BrokerView, Cancelled, OpenOrder

STOP_FILE = "stop.txt"
TAG = "WORKBENCH_ATTEMPT"           # in the environment of every process of an attempt: the attempt's folder
MODES = ("paper", "live")
BACKTEST = b'"mode":"backtest"'     # most statuses: not even parsed, for a kill is in a hurry
POLL = 0.1
WRITE_OUT = 5.0                     # seconds that a supervisor has, after its engine has ended, to say so itself
CLOCKS = 2.0                        # seconds by which a file's and a process's clock may differ


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How the broker is reached: what it says of an account, and cancelling some of its open orders as who placed them."""

    ask: Callable[[str], BrokerView]
    cancel: Callable[[str, tuple[OpenOrder, ...]], tuple[Cancelled, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What became of an order that was at work when it was to stop.

    `state` is cancelled, filled, rejected or expired (heard, or seen at the broker), gone (the broker has it no more as
    open: filled or cancelled, the next start finds out), working (it could not be cancelled), unknown (nobody could be
    asked), or foreign (open at the broker, and not of this run: left alone).
    """

    order_ref: str
    symbol: str
    quantity: Decimal
    filled: Decimal
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What stopping one attempt came to. `how` says what it took, `problem` what could not be done."""

    run_id: str
    attempt: int
    mode: str
    account: str
    how: str
    ended: bool
    orders: tuple[Order, ...] = ()
    problem: str = ""

    @property
    def clear(self) -> bool:
        """Whether no process of it is left and no order of it can fill any more."""
        return self.ended and not any(order.state in ("working", "unknown") for order in self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One attempt, and the account it trades."""

    folder: Path
    attempt: Attempt
    account: str


def stop(data: Path, *, runs: Iterable[str] | None, why: str, by: str, contact: Contact | None, wait: float = 60.0,
         patience: float = 45.0, now: datetime) -> tuple[Stopped, ...]:
    """Stop the attempts that are at work, of these runs or of all, and cancel what their runs have working.

    Each is given its stop file, all at once, and `wait` seconds together to cancel and end. One that does not is
    interrupted, then its supervisor is killed (whose keeper then ends the engine), then whatever is left of it; each with
    `patience` seconds. Then the broker is asked what is still open, that is cancelled there, and looked for again. A named
    run that is not at work is asked of at the broker all the same. Raises `NotRecorded` for a run that is not there.
    """
    names = None if runs is None else tuple(records.read_run(data, run_id).run_id for run_id in runs)
    at_work, broken = find_at_work(data, names)
    before = {place.folder: working(place.folder.parent) for place in at_work}
    gone = {place.folder for place in at_work if _is_gone(place)}
    for place in at_work:
        write_stop_file(place.folder, by=by, why=why, at=now)
    deadline = time.monotonic() + wait
    ends = [(place, "its processes were gone" if place.folder in gone else _end(place, deadline, patience)) for place in at_work]
    found = [_stopped(data, place, how, before[place.folder], contact, by, why, now) for place, how in ends]
    idle = set(names or ()) - {place.attempt.run_id for place in at_work}
    found += [one for run_id in sorted(idle) for one in _stop_idle(data, run_id, contact)]
    return (*found, *broken)


def find_at_work(data: Path, runs: Iterable[str] | None = None) -> tuple[tuple[Place, ...], tuple[Stopped, ...]]:
    """The attempts on paper and live that were started and have not said that they ended, and those that nobody can read.

    A status that can't be read must not keep the others from being stopped: it is told of, and left.
    """
    folder, found, broken = data / "runs", [], []
    paths = [folder / run_id for run_id in runs] if runs is not None else sorted(folder.glob("r*"))
    for path in sorted(status for run in paths for status in run.glob("[0-9]*/status.json")):
        if BACKTEST in path.read_bytes():
            continue
        try:
            attempt = runs_words.read_attempt(files.read_json(path), where=str(path))
            if attempt.mode in MODES and attempt.state == "running":
                account = records.read_run(data, attempt.run_id).account
                found.append(Place(folder=path.parent, attempt=attempt, account=account))
        except WorkbenchError as error:
            number = int(path.parent.name) if path.parent.name.isdigit() else 0
            broken.append(Stopped(run_id=path.parent.parent.name, attempt=number, mode="", account="", how="can't be read",
                                  ended=False, problem=str(error)))
    return tuple(found), tuple(broken)


def write_stop_file(folder: Path, *, by: str, why: str, at: datetime) -> Path:
    """Tell the algorithm of an attempt to cancel what works and to end."""
    return files.write(folder / STOP_FILE, f"{by} at {instant(at)}: {why}\n")


def stop_told(folder: Path) -> str | None:
    """Who stopped an attempt and why, from its stop file; None where it was not told to stop."""
    try:
        return f"stopped by {(folder / STOP_FILE).read_text(encoding='utf-8', errors='replace').strip() or 'somebody'}"
    except FileNotFoundError:
        return None


# Processes.

def processes(folder: Path) -> list[psutil.Process]:
    """The living processes of an attempt on this machine: those that carry its folder in their environment, and theirs."""
    import psutil

    tagged: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):        # another user's, or gone meanwhile: none of ours
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(TAG) == str(folder.resolve()):
                tagged[process.pid] = process
    return list(tagged.values())


def wait_for_end(folder: Path, seconds: float) -> bool:
    """Wait until no process of an attempt is left; whether that came to be."""
    deadline = time.monotonic() + seconds
    while processes(folder):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True


def supervisor(folder: Path, attempt: Attempt) -> psutil.Process | None:
    """The process that watches over an attempt, if it lives. One born after it last wrote is another with its number."""
    import psutil

    if attempt.pid is None or attempt.host != platform.node():
        return None
    try:
        process = psutil.Process(attempt.pid)
        written = (folder / "status.json").stat().st_mtime
        if process.status() == psutil.STATUS_ZOMBIE or process.create_time() > written + CLOCKS:
            return None
    except psutil.Error:
        return None
    return process


def _end(place: Place, deadline: float, patience: float) -> str:
    """End an attempt, the softest way that works; which that was. Empty where it does not end."""
    if _is_elsewhere(place):
        return _end_elsewhere(place, deadline)
    if _is_over(place, deadline - time.monotonic()):
        return "by its stop file"
    for number, whom, said in _signals(place):
        for process in whom:
            _signal(process, number)
        if _is_over(place, patience):
            return said
    return ""


def _is_elsewhere(place: Place) -> bool:
    return place.attempt.host not in (None, platform.node())


def _is_gone(place: Place) -> bool:
    return not _is_elsewhere(place) and not processes(place.folder) and supervisor(place.folder, place.attempt) is None


def _signals(place: Place) -> Iterator[tuple[int, list[psutil.Process], str]]:
    """Softer first. The keeper of an engine ends it, and its container, when its supervisor is gone."""
    watching = supervisor(place.folder, place.attempt)
    interrupt = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT)      # Windows has other names for these
    kill = getattr(signal, "SIGKILL", signal.SIGTERM)
    yield interrupt, [watching] if watching else _topmost(processes(place.folder)), "interrupted"
    if watching:
        yield kill, [watching], "its supervisor was killed"
    yield kill, processes(place.folder), "killed"


def _topmost(found: list[psutil.Process]) -> list[psutil.Process]:
    """Those whose parent is none of them: a keeper passes signals on, and its engine is not to hear them twice."""
    import psutil

    pids, top = {process.pid for process in found}, []
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.ppid() not in pids:
                top.append(process)
    return top


def _signal(process: psutil.Process, number: int) -> None:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _is_over(place: Place, seconds: float) -> bool:
    """Whether the engine is gone within these seconds, and its supervisor is too or has had time to write that down."""
    if not wait_for_end(place.folder, max(0.0, seconds)):
        return False
    until = time.monotonic() + WRITE_OUT
    while time.monotonic() < until and not _has_ended(place) and supervisor(place.folder, place.attempt) is not None:
        time.sleep(POLL)
    return True


def _has_ended(place: Place) -> bool:
    path = place.folder / "status.json"
    return runs_words.read_attempt(files.read_json(path), where=str(path)).state in runs_words.FINAL


def _end_elsewhere(place: Place, deadline: float) -> str:
    """On another machine only the stop file reaches it, and its status tells that it has."""
    while not _has_ended(place):
        if time.monotonic() >= deadline:
            return ""
        time.sleep(POLL)
    return "by its stop file"


# Orders.

def _stopped(data: Path, place: Place, how: str, before: tuple[Sent, ...], contact: Contact | None, by: str, why: str,
             now: datetime) -> Stopped:
    """What became of an attempt and of the orders that worked before it was stopped, or were sent meanwhile."""
    ended = bool(how)
    after = {sent.order_ref: sent for sent in read_sent(place.folder.parent)}
    heard = tuple(_heard(after[sent.order_ref]) for sent in before if not after[sent.order_ref].works)
    left = tuple(sent for sent in after.values() if sent.works)
    orders, problem = _cancel(place.account, left, contact, ended=ended)
    if ended:
        _write_stopped(data, place, f"stopped by {by}: {why} ({how})", now)
    else:
        problem = "; ".join(filter(None, (f"its processes do not end{_where(place)}", problem)))
    return Stopped(run_id=place.attempt.run_id, attempt=place.attempt.attempt, mode=place.attempt.mode, account=place.account,
                   how=how or "not ended", ended=ended, orders=heard + orders, problem=problem)


def _where(place: Place) -> str:
    attempt = place.attempt
    return f": they are on {attempt.host}, where a person must end process {attempt.pid}" if _is_elsewhere(place) else ""


def _stop_idle(data: Path, run_id: str, contact: Contact | None) -> Iterator[Stopped]:
    """A run of which nothing is at work may have left orders working at the broker."""
    run = records.read_run(data, run_id)
    if run.mode not in MODES:
        raise BadInput(f"run {run_id} is a {run.mode}", remedy="there is nothing at a broker to stop")
    attempts = records.attempts(data, run_id)
    left = working(records.run_folder(data, run_id))
    if attempts:
        orders, problem = _cancel(run.account, left, contact, ended=True)
        yield Stopped(run_id=run_id, attempt=attempts[-1].attempt, mode=run.mode, account=run.account, how="was not at work",
                      ended=True, orders=orders, problem=problem)


def _heard(sent: Sent) -> Order:
    state = "filled" if sent.status not in ENDED else sent.status.lower()
    return Order(order_ref=sent.order_ref, symbol=sent.symbol, quantity=sent.quantity, filled=sent.filled, state=state)


def _cancel(account: str, left: tuple[Sent, ...], contact: Contact | None, *, ended: bool) -> tuple[tuple[Order, ...], str]:
    """Cancel at the broker what is left, and look again; what became of each, and what could not be done."""
    if account == runs_words.OWN_PAPER:
        state, why = ("cancelled", "it worked in the process that ended") if ended else ("unknown", "its process goes on")
        return tuple(_as(sent, state, why) for sent in left), ""
    if contact is None:
        why = "no connection to the broker is configured (`ib_port`): look there, and cancel by hand"
        return tuple(_as(sent, "unknown", why) for sent in left), why if left else ""
    try:
        view = contact.ask(account)
        pairs, foreign = _pair(left, view.open_orders)
        ours = tuple(order for _, order in pairs if order is not None)
        done = {_key(one.order): one for one in contact.cancel(account, ours)} if ours else {}
    except WorkbenchError as error:
        return tuple(_as(sent, "unknown", str(error)) for sent in left), str(error)
    orders = [_told(sent, order, done) for sent, order in pairs]
    orders += [Order(order_ref="", symbol=order.symbol, quantity=order.quantity, filled=order.filled, state="foreign",
                     why=f"{order.status} at the broker, client {order.client_id}") for order in foreign]
    return tuple(orders), ""


def _pair(left: tuple[Sent, ...], found: Iterable[OpenOrder]) -> tuple[list[tuple[Sent, OpenOrder | None]], list[OpenOrder]]:
    """Each order of ours with the open one at the broker that it is: by the broker's id and symbol, else by symbol and shares.

    The id alone tells too little: it begins again with each session.
    """
    pairs: dict[str, OpenOrder] = {}
    free = list(found)
    for same in (_same_id, _same_shares):
        for sent in left:
            match = next((order for order in free if sent.order_ref not in pairs and same(sent, order)), None)
            if match is not None:
                pairs[sent.order_ref] = match
                free.remove(match)
    return [(sent, pairs.get(sent.order_ref)) for sent in left], free


def _same_id(sent: Sent, order: OpenOrder) -> bool:
    return str(order.order_id) in sent.broker_ids and _same_shares(sent, order)


def _same_shares(sent: Sent, order: OpenOrder) -> bool:
    return order.symbol == sent.symbol and order.quantity == sent.quantity


def _key(order: OpenOrder) -> tuple[int, int]:
    return order.perm_id, order.order_id


def _told(sent: Sent, order: OpenOrder | None, done: dict[tuple[int, int], Cancelled]) -> Order:
    if order is None:
        return _as(sent, "gone", "not open at the broker: filled, cancelled, or never there; the next start finds out")
    answer = done.get(_key(order))
    if answer is None or not answer.gone:
        return _as(sent, "working", answer.why if answer is not None else "the broker did not answer")
    return _as(sent, "cancelled", "at the broker")


def _as(sent: Sent, state: str, why: str) -> Order:
    return Order(order_ref=sent.order_ref, symbol=sent.symbol, quantity=sent.quantity, filled=sent.filled, state=state, why=why)


def _write_stopped(data: Path, place: Place, cause: str, now: datetime) -> None:
    """Say that it ended, where its own supervisor could not any more."""
    path = place.folder / "status.json"
    attempt = runs_words.read_attempt(files.read_json(path), where=str(path))
    if attempt.state not in runs_words.FINAL:
        records.save_attempt(data, replace(attempt, state="stopped", ended_at=now.astimezone(UTC), cause=cause))
