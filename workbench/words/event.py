"""One appended row about an intent, an order or a holding, whoever told of it."""

from dataclasses import dataclass
from datetime import date, datetime
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceLine:
    """The account when the weights of one date were sized: dollars of equity and cash."""

    run_id: str
    attempt: int
    seq: int
    occurred_at: datetime
    rebalance_date: date
    equity: Decimal
    cash: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedLine:
    """How one intent was sized, in signed shares: the weight's worth (`raw`), the target in lots, what was held, the order.

    `price` is dollars a share, of `price_time`. `order_ref` is None where no order was wanted.
    """

    run_id: str
    attempt: int
    seq: int
    occurred_at: datetime
    rebalance_date: date | None
    order_ref: str | None
    order_intent_id: str
    symbol: str
    instrument_id: str | None
    price: Decimal | None
    price_time: datetime | None
    raw: Decimal | None
    target: Decimal | None
    held: Decimal | None
    order: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CutLine:
    """What a rule took from one intent's order: `kind` is capped, blocked or skipped, `cut` shares or None if not told."""

    run_id: str
    attempt: int
    seq: int
    occurred_at: datetime
    rebalance_date: date | None
    kind: str
    order_intent_id: str
    symbol: str
    rule: str
    cut: Decimal | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkLine:
    """One asset at a session's close as the account had it: dollars a share, signed shares, and the account's dollars."""

    run_id: str
    attempt: int
    seq: int
    occurred_at: datetime
    symbol: str
    instrument_id: str | None
    close: Decimal | None
    quantity: Decimal
    equity: Decimal
    cash: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporateLine:
    """A split, dividend, rename or delisting that the algorithm heard. What a kind does not have is None.

    `factor` is what a split multiplies the price by, `per_share` a dividend's dollars, `cash` what the account got in
    dollars; quantities are the shares held before and after.
    """

    run_id: str
    attempt: int
    seq: int
    occurred_at: datetime
    kind: str
    symbol: str
    instrument_id: str | None
    factor: Decimal | None
    per_share: Decimal | None
    cash: Decimal | None
    old_quantity: Decimal | None
    new_quantity: Decimal | None
    old_symbol: str | None
    new_symbol: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """What could not be read: its file in the data folder, its line or item (0: all of it), its text, and why."""

    file: str
    line: int
    text: str
    reason: str
