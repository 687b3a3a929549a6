"""What a run has sent, from its journals alone: for when the store may be locked and the process that wrote them hangs."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.algorithm.journal import read_lines
from workbench.words.order import ENDED

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order of ours as the journals of a run tell it: signed shares wanted and filled, the last status."""

    order_ref: str
    symbol: str
    quantity: Decimal
    filled: Decimal
    status: str
    broker_ids: frozenset[str]

    @property
    def works(self) -> bool:
        """Whether it may still fill."""
        return self.status not in ENDED and (self.quantity == 0 or abs(self.filled) < abs(self.quantity))


def working(run_folder: Path) -> tuple[Sent, ...]:
    """The orders of a run that may still fill, as the journals and repairs of all its attempts tell."""
    return tuple(sent for sent in read_sent(run_folder) if sent.works)


def read_sent(run_folder: Path) -> tuple[Sent, ...]:
    """Every order of a run that carries a reference of ours, folded over all its attempts."""
    told: dict[str, list[dict[str, Any]]] = {}
    for line in _order_lines(run_folder):
        if line.get("order_ref"):
            told.setdefault(str(line["order_ref"]), []).append(line)
    return tuple(_fold(ref, lines) for ref, lines in told.items())


def _fold(ref: str, lines: list[dict[str, Any]]) -> Sent:
    statuses = [str(line["status"]) for line in lines if line.get("status")]
    ended = [status for status in statuses if status in ENDED]
    return Sent(
        order_ref=ref, symbol=next((str(line["symbol"]) for line in lines if line.get("symbol")), ""),
        quantity=max((_number(line.get("quantity")) for line in lines), key=abs),      # one that was adopted tells what remains
        filled=sum((_number(line.get("fill_quantity")) for line in lines), ZERO),
        status=ended[-1] if ended else statuses[-1] if statuses else "UNKNOWN",
        broker_ids=frozenset(part for line in lines for part in str(line.get("broker_id") or "").split(",") if part),
    )


def _order_lines(run_folder: Path) -> Iterator[dict[str, Any]]:
    """The order lines of all attempts, journal before repairs. A line that a killed process left torn tells nothing."""
    for folder in sorted(run_folder.glob("[0-9]*"), key=lambda path: int(path.name)):
        for path in (folder / "journal.jsonl", folder / "repairs.jsonl"):
            for text in read_lines(str(path)) if path.is_file() else ():
                if b'"order"' in text:
                    with contextlib.suppress(json.JSONDecodeError):
                        line = json.loads(text, parse_float=Decimal)
                        if isinstance(line, dict) and line.get("kind") == "order":
                            yield line


def _number(value: Any) -> Decimal:
    return Decimal(value) if isinstance(value, int | Decimal | str) and not isinstance(value, bool) else ZERO
