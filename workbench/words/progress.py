"""A run that is at work, as it is seen at one moment: what `workbench watch` and the live panel show."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from workbench.words.order import ENDED
from workbench.words.run import FINAL, Attempt, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProgress:
    """One order and how far it is: signed shares, dollars a share.

    `order_id` is None for one that was sized and is not sent yet, `order_ref` for one that is not ours. `last` says in words what
    was heard last, `heard_at` and `age` when that was; both are None where the clock is not a real day's.
    """

    attempt: int
    order_ref: str | None
    order_id: str | None
    symbol: str | None
    side: str | None
    order_type: str | None
    quantity: Decimal | None
    filled: Decimal
    average_price: Decimal | None
    status: str
    last: str
    heard_at: datetime | None
    age: timedelta | None

    @property
    def ended(self) -> bool:
        """Whether nothing more is expected of it."""
        return self.status in ENDED

    @property
    def share_filled(self) -> Decimal:
        """The filled part of it, from 0 to 1."""
        return min(abs(self.filled / self.quantity), Decimal(1)) if self.quantity else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An order that a rule took out: wanted and not sent, or sent and not to be had back."""

    attempt: int
    symbol: str
    rule: str
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProgress:
    """A run at the moment `seen_at`: its last attempt, orders, account, signs of life and the engine's last words.

    `orders` are at most as many as were asked for, those still at work first in line; `told` of them and `ended` count all.
    `refused` were not sent; `left` were, and could not be cancelled, or found again at the broker: a person looks there.
    `equity` and `cash` are dollars at `valued_at`, the last rebalance or mark. `alive_at` is when the engine last wrote
    anything. `gone` means that the attempt's process is no longer there, though its status does not say that it ended; `stop`
    says who told it to stop, and why.
    """

    run: Run
    attempt: Attempt | None
    seen_at: datetime
    orders: tuple[OrderProgress, ...] = ()
    told: int = 0
    ended: int = 0
    refused: tuple[Refused, ...] = ()
    left: tuple[Refused, ...] = ()
    equity: Decimal | None = None
    cash: Decimal | None = None
    valued_at: datetime | None = None
    alive_at: datetime | None = None
    gone: bool = False
    stop: str | None = None
    log: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"RunProgress({self.run.run_id}, {self.state}, {self.ended} of {self.told} orders ended)"

    @property
    def state(self) -> str:
        """The last attempt's state in a word; `gone` where its process is, `not started` before the first."""
        if self.attempt is None:
            return "not started"
        return "gone" if self.gone else self.attempt.state

    @property
    def over(self) -> bool:
        """Whether nothing more is to be seen."""
        return self.gone or (self.attempt is not None and self.attempt.state in FINAL)

    @property
    def silent(self) -> timedelta | None:
        """How long nothing was written; None before the engine's first word."""
        return None if self.alive_at is None else max(self.seen_at - self.alive_at, timedelta(0))
