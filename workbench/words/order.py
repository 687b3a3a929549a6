"""An order as the workbench knows it: folded from events, never edited."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

ENDED = ("FILLED", "CANCELLED", "REJECTED", "EXPIRED")

# The usual course of an order. Among ended statuses that were told of one order, the later here is the one that stands.
LIFECYCLE = ("NEW", "PENDING_SUBMIT", "SUBMITTED", "PARTIALLY_FILLED", "PENDING_CANCEL", "INACTIVE", "UNKNOWN",
             "CANCELLED", "EXPIRED", "REJECTED", "FILLED")

# Status words of the outside world, lower case without punctuation, in ours (contracts §6).
STATUSES = {
    "new": "NEW",
    "pendingsubmit": "PENDING_SUBMIT", "apipending": "PENDING_SUBMIT",
    "submitted": "SUBMITTED", "updatesubmitted": "SUBMITTED", "presubmitted": "SUBMITTED",
    "partiallyfilled": "PARTIALLY_FILLED",
    "filled": "FILLED",
    "cancelpending": "PENDING_CANCEL", "pendingcancel": "PENDING_CANCEL",
    "canceled": "CANCELLED", "cancelled": "CANCELLED", "apicancelled": "CANCELLED", "apicanceled": "CANCELLED",
    "invalid": "REJECTED", "rejected": "REJECTED",
    "inactive": "INACTIVE",
    "expired": "EXPIRED",
    "none": "UNKNOWN", "unknown": "UNKNOWN",
}
TYPES = {
    "market": "MKT", "mkt": "MKT", "marketonopen": "MOO", "moo": "MOO", "marketonclose": "MOC", "moc": "MOC",
    "limit": "LMT", "lmt": "LMT", "stopmarket": "STP", "stop": "STP", "stp": "STP", "stoplimit": "STP LMT",
    "limitiftouched": "LIT", "trailingstop": "TRAIL",
}


def status_word(text: str) -> str | None:
    """Our word for a status in any system's spelling, any case; None for one nobody uses."""
    return STATUSES.get(_letters(text))


def type_word(text: str) -> str:
    """Our word for an order type in any system's spelling; a type we have no word for keeps its own."""
    return TYPES.get(_letters(text), text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order. Quantities are signed shares, prices and fees dollars; None where nothing was heard yet."""

    client_order_id: str | None
    order_intent_id: str | None
    symbol: str | None
    instrument_id: str | None
    side: str | None
    quantity: Decimal | None
    order_type: str | None
    status: str
    run_id: str | None = None
    attempt: int | None = None
    order_id: str | None = None
    broker_order_id: str | None = None
    filled_quantity: Decimal = Decimal(0)
    avg_fill_price: Decimal | None = None
    fees: Decimal | None = None
    limit_price: Decimal | None = None
    last_status_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.status in ENDED

    @property
    def remaining(self) -> Decimal:
        """Signed shares ordered and not filled."""
        return (self.quantity or Decimal(0)) - self.filled_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What a run holds of one asset, in signed shares, as of the last that was heard of it.

    `quantity` is None, and `reason` says why, where it can't be known: that is not the same as 0.
    """

    run_id: str
    symbol: str | None
    instrument_id: str | None
    quantity: Decimal | None
    reason: str | None
    as_of: datetime | None


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha())
