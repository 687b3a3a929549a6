"""What was concluded of an order rather than heard: `repairs.jsonl` beside an attempt's journal, lines of the same form.

Every line says `"inferred": true`, what kind of finding it is, why, and who said so. Written whole under another name and
renamed, the earlier lines as they were: a crash leaves the old file or the new one. Each line ends with the sha256 of all
bytes before its `seal`, so that a change shows.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from filelock import FileLock

from workbench import files
from workbench.algorithm.journal import SCHEMA, to_json
from workbench.errors import JournalBroken
from workbench.running import records
from workbench.words.order import Order

NAME = "repairs.jsonl"
FINDINGS = ("fill", "working", "ended", "absent", "died", "carried", "unknown", "resolved")
SEAL = ',"seal":"'
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One conclusion about one order of ours: its status from then on, and signed shares that were filled, at dollars a share."""

    order: Order
    finding: str
    status: str
    occurred_at: datetime
    why: str
    quantity: Decimal = ZERO
    price: Decimal | None = None
    fee: Decimal | None = None
    exec_id: str | None = None
    broker_id: str = ""
    by: str = "workbench"

    def __str__(self) -> str:
        what = f"{self.quantity:f} at {self.price:f}" if self.price is not None else self.status
        return f"{self.order.client_order_id}: {what} ({self.why})"


def append(data: Path, run_id: str, repairs: Iterable[Repair], *, now: datetime | None = None) -> tuple[Path, ...]:
    """Add repairs to the files of the attempts whose orders they are about. Returns those files.

    Raises `JournalBroken` where a file is not as it was left.
    """
    by_attempt: dict[int, list[Repair]] = {}
    for repair in repairs:
        assert repair.order.attempt is not None
        by_attempt.setdefault(repair.order.attempt, []).append(repair)
    return tuple(_append(records.run_folder(data, run_id) / str(attempt) / NAME, run_id, attempt, found, now or datetime.now(UTC))
                 for attempt, found in sorted(by_attempt.items()))


def _append(path: Path, run_id: str, attempt: int, repairs: list[Repair], now: datetime) -> Path:
    with FileLock(path.with_name(f".{NAME}.lock")):
        lines = read(path)
        text = path.read_bytes() if path.is_file() else b""
        for seq, repair in enumerate(repairs, start=len(lines) + 1):
            text += to_json(_line(repair, run_id, attempt, seq, now)).removesuffix("}").encode()
            text += f'{SEAL}{hashlib.sha256(text).hexdigest()}"}}\n'.encode()
        return files.write(path, text)


def read(path: Path) -> tuple[dict[str, Any], ...]:
    """The lines of a repairs file, none where there is none. Raises `JournalBroken` where they were changed."""
    text = path.read_bytes() if path.is_file() else b""
    lines: list[dict[str, Any]] = []
    end = 0
    for number, row in enumerate(text.splitlines(keepends=True), start=1):
        told, seal, _ = row.rpartition(SEAL.encode())
        try:
            line = json.loads(row, parse_float=Decimal)
            good = line["seq"] == number and line["seal"] == hashlib.sha256(text[: end + len(told)]).hexdigest()
        except (ValueError, KeyError, TypeError):
            raise JournalBroken(str(path), number, "not a line of repairs") from None
        if not (good and seal and row.endswith(b"\n")):
            raise JournalBroken(str(path), number, "this line, or one before it, was changed")
        lines.append(line)
        end += len(row)
    return tuple(lines)


def _line(repair: Repair, run_id: str, attempt: int, seq: int, now: datetime) -> dict[str, Any]:
    order = repair.order
    known_id = order.order_id is not None and order.order_id.isdecimal()
    return {
        "schema": SCHEMA, "run_id": run_id, "attempt": attempt, "seq": seq, "kind": "order", "occurred_at": repair.occurred_at,
        "recorded_at": now, "order_ref": order.client_order_id, "order_id": int(order.order_id or 0) if known_id else None,
        "event_id": None, "broker_id": repair.broker_id or order.broker_order_id or "", "exec_id": repair.exec_id,
        "symbol": order.symbol, "instrument_id": order.instrument_id, "type": order.order_type, "tif": None,
        "limit_price": order.limit_price, "stop_price": None, "status": repair.status, "quantity": order.quantity,
        "fill_quantity": repair.quantity, "fill_price": repair.price if repair.quantity else None,
        "fee": repair.fee if repair.quantity else None, "currency": "USD", "arrival_price": None, "arrival_source": None,
        "message": repair.why, "inferred": True, "finding": repair.finding, "by": repair.by,
    }
