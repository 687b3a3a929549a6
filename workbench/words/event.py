"""One appended row about an intent, an order or a holding, whoever told of it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `quantity` is signed shares, `price` dollars a share, `fee` dollars or None until it is known."""

    run_id: str
    attempt: int
    order_id: str
    client_order_id: str | None
    order_intent_id: str | None
    symbol: str
    instrument_id: str | None
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    arrival_price: Decimal | None
    arrival_source: str | None
    occurred_at: datetime
    inferred: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line that was heard: its place (`writer`, `seq`), its two clocks, and its text as it came."""

    run_id: str
    attempt: int
    writer: str
    seq: int | None
    kind: str
    occurred_at: datetime
    recorded_at: datetime | None
    order_id: str | None
    status: str | None
    line: str
    inferred: bool = False
