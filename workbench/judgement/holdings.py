"""What an account held at any moment, folded from what was heard: fills, splits and delistings, and the cash they moved."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from types import MappingProxyType

from workbench.market.calendar import NEW_YORK
from workbench.words.event import CorporateLine, Fill

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that moved an account: the signed shares of the instrument after it, and the dollars it brought (− took)."""

    occurred_at: datetime
    instrument_id: str
    quantity: Decimal
    cash: Decimal


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """What an account began with, in dollars and signed shares by instrument id, and by instrument all that changed it.

    Changes are in order of time. `instruments` is everything ever held.
    """

    cash: Decimal
    holdings: Mapping[str, Decimal]
    changes: Mapping[str, tuple[Change, ...]]

    def __repr__(self) -> str:
        return f"Ledger({len(self.instruments)} instruments, {sum(map(len, self.changes.values()))} changes)"

    @cached_property
    def instruments(self) -> tuple[str, ...]:
        """Everything ever held or moved, sorted."""
        return tuple(sorted({*self.holdings, *self.changes}))

    def shares(self, instrument_id: str, moment: datetime, *, before: bool = False) -> Decimal:
        """Signed shares held at a moment; what happened at that very moment counts, unless `before`."""
        find = bisect_left if before else bisect_right
        at = find(self._moments.get(instrument_id, ()), moment)
        return self.changes[instrument_id][at - 1].quantity if at else self.holdings.get(instrument_id, ZERO)

    @cached_property
    def _moments(self) -> Mapping[str, list[datetime]]:
        """When each instrument's changes were."""
        return {name: [change.occurred_at for change in changes] for name, changes in self.changes.items()}


@lru_cache(maxsize=10_000)           # the lines of one mark or auction share their moment
def session_of(moment: datetime) -> date:
    """The New York date of a moment."""
    return moment.astimezone(NEW_YORK).date()


def fold(
    *, cash: Decimal, holdings: Mapping[str, Decimal], fills: Iterable[tuple[str, Fill]],
    corporate: Iterable[tuple[str, CorporateLine]]
) -> Ledger:
    """Fold fills and corporate events, each with its instrument id, into what was held.

    A split states the shares after it; of a delisted stock nothing is left, and its liquidation only brings cash, in
    whichever order the two were told. A fee that is not known yet counts as 0 until it is.
    """
    told: list[tuple[datetime, str, CorporateLine | Fill]] = []
    told += [(event.occurred_at, instrument_id, event) for instrument_id, event in corporate]
    told += [(fill.occurred_at, instrument_id, fill) for instrument_id, fill in fills]
    held, gone = dict(holdings), set[str]()
    changes: dict[str, list[Change]] = {}
    for moment, instrument_id, what in sorted(told, key=lambda item: item[0]):
        shares = held.get(instrument_id, ZERO)
        if isinstance(what, Fill):
            shares = shares if instrument_id in gone else shares + what.quantity
            dollars = -what.quantity * what.price - (what.fee or ZERO)
        else:
            shares, dollars = _after(what, shares), what.cash or ZERO
            if what.kind == "delisted":
                gone.add(instrument_id)
        held[instrument_id] = shares
        changes.setdefault(instrument_id, []).append(
            Change(occurred_at=moment, instrument_id=instrument_id, quantity=shares, cash=dollars))
    return Ledger(cash=cash, holdings=MappingProxyType(dict(holdings)),
                  changes=MappingProxyType({name: tuple(some) for name, some in changes.items()}))


def _after(event: CorporateLine, shares: Decimal) -> Decimal:
    """The shares that an event leaves: a split says how many, where it changed any."""
    if event.kind == "delisted":
        return ZERO
    changed = event.kind == "split" and event.new_quantity is not None and event.new_quantity != event.old_quantity
    return event.new_quantity if changed and event.new_quantity is not None else shares
