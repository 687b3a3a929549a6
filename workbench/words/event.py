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
class Rebalance:
    """The moment a rebalance was sized: total portfolio value and cash, in dollars, read once before the first order."""

    run_id: str
    attempt: int
    rebalance_date: date
    equity: Decimal
    cash: Decimal
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SizedLine:
    """One holding as it was sized. `raw` is weight × budget ÷ price before any rule; None where no price was known.

    Quantities are signed shares: `order` = `target` − `held`. `order_ref` is None where nothing was to be sent.
    """

    run_id: str
    attempt: int
    rebalance_date: date
    order_ref: str | None
    order_intent_id: str
    symbol: str
    instrument_id: str
    price: Decimal | None
    raw: Decimal | None
    target: Decimal
    held: Decimal
    order: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What one rule took from a holding (`kind` capped, blocked or skipped), in signed shares; None where no price was known."""

    run_id: str
    attempt: int
    rebalance_date: date
    kind: str
    order_intent_id: str
    symbol: str
    rule: str
    shares: Decimal | None
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What an account held of one instrument at a mark: signed shares, and the close in dollars (None: no price yet)."""

    symbol: str
    instrument_id: str
    quantity: Decimal
    close: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The account as the engine itself saw it at a session's close: what every later valuation starts from."""

    run_id: str
    attempt: int
    equity: Decimal
    cash: Decimal
    occurred_at: datetime
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporateEvent:
    """A split, dividend, rename or delisting as the journal heard it.

    `cash` is dollars paid to the account; `per_share` a dividend's dollars a share; `factor` what old prices are
    multiplied by (0.25 for four new shares for one); `old` and `new` shares (split, delisting) or tickers (rename), as text.
    """

    run_id: str
    attempt: int
    kind: str
    symbol: str
    instrument_id: str
    cash: Decimal | None
    per_share: Decimal | None
    factor: Decimal | None
    old: str | None
    new: str | None
    occurred_at: datetime
