"""Who may trade an account: one strategy, one run a rebalance date, one process at a time.

    claims/<account>/<rebalance date>.json                  which decision and run this date belongs to; made once, exclusively
    claims/<account>/<rebalance date>.superseded-1.json     what it belonged to before somebody superseded it
    claims/<account>/.lock, .holder.json                    held while a run is at work; the kernel frees it when its process ends

A claim is made before anything is sent and never edited. A second start finds it; another decision for the date, and other
params for the same decision, are refused until a person supersedes the first, which is cancelled and looked at before.
"""

import contextlib
import os
import platform
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.errors import AlreadyClaimed, BadInput, NotRecorded, OutcomeUnknown, WorkbenchError
from workbench.running import stopping
from workbench.running.stopping import Contact, Stopped
from workbench.words.reading import read_fields

SCHEMA = "claim/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """That an account's rebalance date belongs to one run of one decision. `supersedes` is the snapshot it took it from."""

    schema: str = SCHEMA
    strategy: str
    account: str
    rebalance_date: date
    snapshot_id: str
    run_id: str
    claimed_at: datetime
    supersedes: str | None = None

    def __str__(self) -> str:
        return f"run {self.run_id} of {self.strategy}'s decision {self.snapshot_id} ({self.claimed_at:%Y-%m-%d %H:%M} UTC)"


def claim(data: Path, strategy: str, account: str, rebalance_date: date, snapshot_id: str, run_id: str, *,
          now: datetime) -> Claim:
    """Claim an account's rebalance date for a run, or find that it has it.

    Raises `AlreadyClaimed`, naming the owner and the remedy, where the date belongs to another decision or run, or the
    account to another strategy.
    """
    wanted = Claim(strategy=strategy, account=account, rebalance_date=rebalance_date, snapshot_id=snapshot_id, run_id=run_id,
                   claimed_at=now)
    owner = newest(data, account)
    if owner is not None and owner.strategy != strategy:
        raise AlreadyClaimed(f"account {account}", f"{owner}, for {owner.rebalance_date}",
                             f"use another account (each has one strategy), or `--supersede {owner.snapshot_id}` hands it over")
    try:
        return _create(data, wanted)
    except FileExistsError:
        found = read_claim(data, account, rebalance_date)
    if (found.snapshot_id, found.run_id) != (snapshot_id, run_id):
        same = " (of the same decision: engine, params or cash differ)" if found.snapshot_id == snapshot_id else ""
        raise AlreadyClaimed(f"{rebalance_date} on account {account}", f"{found}{same}",
                             f"`--supersede {found.snapshot_id}` cancels what that has working, and takes the date over")
    return found


def supersede(data: Path, strategy: str, account: str, rebalance_date: date, snapshot_id: str, run_id: str, *,
              old: str, by: str, contact: Contact | None, wait: float = 60.0, patience: float = 45.0,
              now: datetime) -> tuple[Claim, tuple[Stopped, ...]]:
    """Take a date (or an account, of another strategy) over from the decision `old`, after all of that is cancelled.

    The old run is stopped, and its orders are cancelled and looked at; only where none can fill any more is the claim
    replaced, and the old one kept beside it. Raises `OutcomeUnknown`, with the orders in question, where that could not be
    shown, and `NotRecorded` where `old` owns neither the date nor the account. A claim that is this run's is found.
    """
    wanted = Claim(strategy=strategy, account=account, rebalance_date=rebalance_date, snapshot_id=snapshot_id, run_id=run_id,
                   claimed_at=now, supersedes=old)
    owner = _owner(data, wanted)
    if owner is not None and owner.run_id == run_id:
        return owner, ()
    if owner is None or owner.snapshot_id != old:
        raise NotRecorded(f"a claim of {old} on account {account} for {rebalance_date}",
                          f"it belongs to {owner}" if owner is not None else "nobody claimed it: leave --supersede out")
    stopped = _stop(data, owner, why=f"superseded by {snapshot_id}", by=by, contact=contact, wait=wait, patience=patience,
                    now=now)
    with held(data, account, run_id, now=now):
        now_its = _owner(data, wanted)
        if now_its != owner:
            raise AlreadyClaimed(f"{rebalance_date} on account {account}", str(now_its), "look at that one first")
        if owner.rebalance_date == rebalance_date:
            _keep_beside(data, owner)
        return _create(data, wanted), stopped


def _stop(data: Path, owner: Claim, *, why: str, by: str, contact: Contact | None, wait: float, patience: float,
          now: datetime) -> tuple[Stopped, ...]:
    """Stop the run of a claim, which may never have been started. Raises `OutcomeUnknown` unless nothing of it can fill."""
    stopped = stopping.stop(data, runs=[owner.run_id], why=why, by=by, contact=contact, wait=wait, patience=patience, now=now)
    left = [one for one in stopped if not one.clear]
    if left:
        open_ones = [order.order_ref for one in left for order in one.orders if order.state in ("working", "unknown")]
        problems = "; ".join(dict.fromkeys(one.problem for one in left if one.problem)) or "orders could not be cancelled"
        raise OutcomeUnknown(owner.run_id, open_ones or [f"attempt {one.attempt}" for one in left],
                             f"{problems}; cancel them at the broker, tell what became of them with "
                             f"`workbench resolve {owner.run_id} ORDER_REF`, then supersede again")
    return stopped


def newest(data: Path, account: str) -> Claim | None:
    """The claim that was made last on an account: its strategy has the account."""
    found = [_read(path) for path in sorted(_folder(data, account).glob("*.json")) if _is_claim(path)]
    return max(found, key=lambda one: (one.claimed_at, one.rebalance_date), default=None)


def read_claim(data: Path, account: str, rebalance_date: date) -> Claim:
    """The claim of a date. Raises `NotRecorded` where nobody claimed it."""
    path = _path(data, account, rebalance_date)
    if not path.exists():
        raise NotRecorded(f"a claim of {rebalance_date} on account {account}")
    return _read(path)


@contextlib.contextmanager
def held(data: Path, account: str, run_id: str, *, now: datetime) -> Iterator[None]:
    """Have an account to oneself for the body. Raises `AlreadyClaimed` at once, naming the process that has it.

    The lock is the kernel's: that of a dead process is free.
    """
    folder = _folder(data, account)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise AlreadyClaimed(f"account {account}", _holder(folder), "wait for its end, `workbench watch` shows how far it is, "
                             "`workbench kill` stops it") from None
    try:
        files.write(folder / ".holder.json", to_json({"pid": os.getpid(), "host": platform.node(), "run_id": run_id,
                                                      "since": now}) + "\n")
        yield
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    try:
        told = files.read_json(folder / ".holder.json")
        return f"run {told['run_id']}, process {told['pid']} on {told['host']}, since {told['since']}"
    except (WorkbenchError, LookupError, TypeError):
        return "a process that has not said yet who it is"


def _owner(data: Path, wanted: Claim) -> Claim | None:
    """Who stands in the way of a claim: whoever has the date, else the other strategy that has the account."""
    if _path(data, wanted.account, wanted.rebalance_date).exists():
        return read_claim(data, wanted.account, wanted.rebalance_date)
    last = newest(data, wanted.account)
    return last if last is not None and last.strategy != wanted.strategy else None


def _create(data: Path, wanted: Claim) -> Claim:
    """Make a claim's file, whole and only once: it is written under another name, then linked to its own.

    Raises FileExistsError where it is there.
    """
    path = _path(data, wanted.account, wanted.rebalance_date)
    new = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    files.write(new, to_json({name: getattr(wanted, name) for name in wanted.__slots__}) + "\n")
    try:
        os.link(new, path)
    finally:
        new.unlink()
    return wanted


def _keep_beside(data: Path, old: Claim) -> None:
    path = _path(data, old.account, old.rebalance_date)
    number = 1 + sum(1 for _ in path.parent.glob(f"{path.stem}.superseded-*.json"))
    path.rename(path.with_name(f"{path.stem}.superseded-{number}.json"))


def _read(path: Path) -> Claim:
    found = read_fields(Claim, files.read_json(path), where=str(path))
    if found.schema != SCHEMA or found.rebalance_date.isoformat() != path.stem or found.account != path.parent.name:
        raise BadInput(f"is a claim of {found.rebalance_date} on account {found.account}, schema {found.schema}", where=str(path),
                       remedy="restore it: it says whose orders these are")
    return found


def _is_claim(path: Path) -> bool:
    return not path.name.startswith(".") and ".superseded-" not in path.name


def _folder(data: Path, account: str) -> Path:
    if not account.isalnum():
        raise BadInput(f"{account!r} is not an account's id", remedy="letters, then digits, as U1234567")
    return data / "claims" / account


def _path(data: Path, account: str, rebalance_date: date) -> Path:
    return _folder(data, account) / f"{rebalance_date.isoformat()}.json"

