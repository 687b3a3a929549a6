"""What must hold before anything is sent to an account, and how all of it is stopped at once.

    armed/<account>.json        one live account that a person has armed, until when, and who; readable by its owner alone
    armed/STOP                  the kill switch was thrown: nothing is armed and nothing starts until a person clears it

Paper is the default and needs no arming. Live needs the setting `allow_live`, an arming of this one account that has not
expired, and an account that is not a paper account. The broker is asked separately whether it knows the account.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.errors import BadInput, NotArmed
from workbench.running import stopping
from workbench.running.stopping import Contact, Stopped
from workbench.words.reading import read_fields
from workbench.words.run import OWN_PAPER

SCHEMA = "arming/1"
STOP_SCHEMA = "stop/1"
ACCOUNT = re.compile(r"[A-Z]{1,3}[0-9]{3,12}")
PAPER_ACCOUNT = re.compile(r"D[UF][A-Z]?[0-9]+")    # Interactive Brokers: a person's, and an advisor's
LONGEST = Decimal(24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arming:
    """One account that may trade live between two moments (UTC), and who said so."""

    schema: str = SCHEMA
    account: str
    armed_at: datetime
    expires_at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """That trading was stopped: when (UTC), by whom and why."""

    schema: str = STOP_SCHEMA
    at: datetime
    by: str
    why: str


# Arming.

def arm(data: Path, account: str, *, hours: Decimal, allow_live: bool, by: str, now: datetime) -> Arming:
    """Allow live trading on one account for some hours, at most a day. Arming again begins anew.

    Raises `NotArmed` where the setting does not allow live trading, after the kill switch, and for a paper account, which
    needs no arming; `BadInput` for hours out of range and for what is not an account's id.
    """
    _live_account(account)
    if not allow_live:
        raise NotArmed("live trading is not allowed here", _ALLOW)
    check_not_stopped(data)
    if not hours.is_finite() or not 0 < hours <= LONGEST:
        raise BadInput(f"an account is armed for more than 0 and at most {LONGEST} hours, not {hours}")
    until = now + timedelta(seconds=float(hours * 3600))
    arming = Arming(account=account, armed_at=now, expires_at=until, by=by)
    files.write(_arming_path(data, account), to_json(_body(arming)) + "\n", private=True)
    return arming


def disarm(data: Path, account: str) -> bool:
    """Take an account's arming back. Whether there was one; what is at work goes on (`kill` ends that)."""
    path = _arming_path(data, account)
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def armed(data: Path, account: str, now: datetime) -> Arming | None:
    """The arming of an account that holds at this moment. None where there is none or it has expired."""
    found = _read_arming(data, account)
    return found if found is not None and found.armed_at <= now < found.expires_at else None


def is_paper(account: str) -> bool:
    """Whether no real money is behind an account: a paper account's id tells it, and Lean's own paper has none."""
    return account == OWN_PAPER or PAPER_ACCOUNT.fullmatch(account) is not None


def check_account(mode: str, account: str, *, now: datetime, data: Path, allow_live: bool) -> None:
    """Whether this mode may trade this account now: nothing where it may, else `NotArmed` with the command to give."""
    check_not_stopped(data)
    if mode == "paper":
        if not is_paper(account):
            raise NotArmed(f"account {account} is not a paper account",
                           "set `account` to one that begins with DU or DF, or leave it empty for Lean's own paper brokerage")
        return
    if mode != "live":
        raise BadInput(f"mode {mode!r} has no account; it is paper or live that has one")
    if account in ("", OWN_PAPER):
        raise NotArmed("live trading needs an account at the broker", "set `account` in workbench.toml, or WORKBENCH_ACCOUNT")
    _live_account(account)
    if not allow_live:
        raise NotArmed("live trading is not allowed here", _ALLOW)
    if armed(data, account, now) is None:
        raise NotArmed(_why_not_armed(data, account, now), f"`workbench arm {account} --hours 8` arms it")


_ALLOW = "set `allow_live = true` in workbench.toml, or WORKBENCH_ALLOW_LIVE=true, then `workbench arm <account> --hours 8`"


def _live_account(account: str) -> None:
    if is_paper(account):
        raise NotArmed(f"{account} is a paper account, and live trading needs a live one",
                       "`--mode paper` trades it, and needs no arming")
    if not ACCOUNT.fullmatch(account):
        raise BadInput(f"{account!r} is not an account's id", remedy="letters, then digits, as U1234567")


def _why_not_armed(data: Path, account: str, now: datetime) -> str:
    found = _read_arming(data, account)
    if found is None:
        return f"account {account} is not armed"
    if now < found.armed_at:
        return f"account {account} is armed from {found.armed_at:%Y-%m-%d %H:%M} UTC on, which is later than now"
    return f"the arming of account {account} expired at {found.expires_at:%Y-%m-%d %H:%M} UTC"


def _read_arming(data: Path, account: str) -> Arming | None:
    path = _arming_path(data, account)
    if not path.exists():
        return None
    found = read_fields(Arming, files.read_json(path), where=str(path))
    if found.account != account or found.schema != SCHEMA:
        raise BadInput(f"holds an arming of account {found.account}, schema {found.schema}", where=str(path),
                       remedy=f"`workbench disarm {account}` removes it")
    return found


def _arming_path(data: Path, account: str) -> Path:
    if not ACCOUNT.fullmatch(account):
        raise BadInput(f"{account!r} is not an account's id", remedy="letters, then digits, as U1234567")
    return data / "armed" / f"{account}.json"


def _body(value: Arming | Stop) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__slots__}


# The kill switch.

def kill(data: Path, *, runs: Iterable[str] | None, why: str, by: str, contact: Contact | None, wait: float = 60.0,
         patience: float = 45.0, now: datetime) -> tuple[Stopped, ...]:
    """Stop what is at work on paper and live, cancel what it has working, and let nothing start until a person says so.

    First of all `armed/STOP` is written. Then each attempt is stopped as `stopping.stop` does it, by its stop file, by
    signals, by the last resort, and at the broker through `contact` where one is configured. All of it goes by files, signals
    and the broker: it needs nothing of the process it stops, which may hang. `runs` are ids; None is every run that is at
    work. What could not be cancelled is in the answer.
    """
    files.write(stop_path(data), to_json(_body(Stop(at=now, by=by, why=why))) + "\n")
    return stopping.stop(data, runs=runs, why=why, by=by, contact=contact, wait=wait, patience=patience, now=now)


def stop_path(data: Path) -> Path:
    """The file that keeps everything stopped."""
    return data / "armed" / "STOP"


def stopped(data: Path) -> Stop | None:
    """That the kill switch was thrown, if it was. An unreadable file stops as much as any."""
    path = stop_path(data)
    if not path.exists():
        return None
    try:
        return read_fields(Stop, files.read_json(path), where=str(path))
    except BadInput as error:
        return Stop(at=datetime.fromtimestamp(0, UTC), by="nobody who can be read", why=str(error))


def check_not_stopped(data: Path) -> None:
    """Raises `NotArmed` after the kill switch."""
    found = stopped(data)
    if found is not None:
        raise NotArmed(f"trading was stopped by {found.by} at {found.at:%Y-%m-%d %H:%M} UTC ({found.why})",
                       "when the reason is gone, `workbench disarm --clear-stop` lets trading begin again")


def clear_stop(data: Path) -> bool:
    """Let trading begin again; whether it was stopped."""
    there = stop_path(data).exists()
    stop_path(data).unlink(missing_ok=True)
    return there
