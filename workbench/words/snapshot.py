"""A decision, frozen: which weights, from which data and parameters, at which prices."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from workbench.algorithm.intents import Intent
from workbench.errors import BadInput
from workbench.words.identity import content_id, freeze, money, thaw
from workbench.words.reading import read_fields

SCHEMA = "snapshot/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One wanted holding: a signed fraction of equity, and the raw close it was decided at, in dollars."""

    symbol: str
    instrument_id: str
    target_weight: Decimal
    decision_price: Decimal
    score: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a strategy decided for one rebalance date, and everything its id is made of.

    `as_of` is the close of the session before, in UTC, and `snapshot_date` that session; `holdings` are the signed
    shares the strategy was told of, if any. `gross`, `net` and `cash_weight` are sums over the items.
    """

    schema: str = SCHEMA
    snapshot_id: str
    strategy: str
    rebalance_date: date
    as_of: datetime
    snapshot_date: date
    parameters: tuple[tuple[str, Any], ...]
    holdings: tuple[tuple[str, Decimal], ...] | None
    data_fingerprint: str
    items: tuple[Item, ...]
    gross: Decimal
    net: Decimal
    cash_weight: Decimal

    def __repr__(self) -> str:
        held = sum(1 for item in self.items if item.target_weight)
        return (f"Snapshot({self.strategy} {self.rebalance_date}, {held} names, gross {self.gross:.0%}, net {self.net:+.0%}, "
                f"{self.snapshot_id})")

    def weights(self) -> dict[str, Decimal]:
        """Target weight by symbol."""
        return {item.symbol: item.target_weight for item in self.items}

    def body(self) -> dict[str, Any]:
        """Every field, ready to be written."""
        return {
            "schema": self.schema, "snapshot_id": self.snapshot_id, **_identity(self), "snapshot_date": self.snapshot_date,
            "gross": self.gross, "net": self.net, "cash_weight": self.cash_weight,
        }

    def intents(self) -> tuple[Intent, ...]:
        """One intent an item. Type and limit price are left to the execution params."""
        return tuple(
            Intent(
                order_intent_id=f"{self.snapshot_id}-{item.symbol}", symbol=item.symbol, instrument_id=item.instrument_id,
                weight=item.target_weight, snapshot_date=self.snapshot_date, rebalance_date=self.rebalance_date,
                decision_price=item.decision_price, side="BUY" if item.target_weight >= 0 else "SELL",
            )
            for item in self.items
        )


def take(
    *, strategy: str, rebalance_date: date, as_of: datetime, snapshot_date: date, parameters: Mapping[str, Any],
    holdings: Mapping[str, Decimal] | None, data_fingerprint: str, items: tuple[Item, ...]
) -> Snapshot:
    """Freeze a decision. Weights, prices and scores are put on the store's grid of 12 decimals; items sorted by symbol."""
    rounded = tuple(
        Item(symbol=item.symbol, instrument_id=item.instrument_id, target_weight=money(item.target_weight),
             decision_price=money(item.decision_price), score=None if item.score is None else money(item.score))
        for item in sorted(items, key=lambda item: item.symbol)
    )
    symbols = [item.symbol for item in rounded]
    if len(set(symbols)) != len(symbols):
        twice = sorted({name for name in symbols if symbols.count(name) > 1})
        raise BadInput(f"two weights for {', '.join(twice)}", where=f"{strategy} {rebalance_date}")
    gross, net, cash_weight = _sums(rounded)
    draft = Snapshot(
        snapshot_id="", strategy=strategy, rebalance_date=rebalance_date, as_of=as_of, snapshot_date=snapshot_date,
        parameters=freeze(parameters), data_fingerprint=data_fingerprint, items=rounded, gross=gross, net=net,
        holdings=None if holdings is None else tuple(sorted((name, money(held)) for name, held in holdings.items())),
        cash_weight=cash_weight,
    )
    return replace(draft, snapshot_id=content_id("s", _identity(draft)))


def read(body: Any, *, where: str) -> Snapshot:
    """A snapshot from its file. Raises `BadInput` where the content does not give the id it carries, or what follows from
    the content does not."""
    try:
        if isinstance(body, dict):
            body = {name: freeze(value) if name in ("parameters", "holdings") and isinstance(value, dict) else value
                    for name, value in body.items()}
        snapshot = read_fields(Snapshot, body, where=where)
        found = content_id("s", _identity(snapshot))
    except BadInput:
        raise
    except (TypeError, ValueError) as error:        # a moment without a zone, a parameter that is an object
        raise BadInput(str(error), where=where) from None
    if snapshot.schema != SCHEMA:
        raise BadInput(f"schema {snapshot.schema!r} is not {SCHEMA}", where=where)
    follows = (found, *_sums(snapshot.items), snapshot.as_of.astimezone(UTC).date())
    if follows != (snapshot.snapshot_id, snapshot.gross, snapshot.net, snapshot.cash_weight, snapshot.snapshot_date):
        raise BadInput(f"the content does not give the id {snapshot.snapshot_id}: the file was changed", where=where,
                       remedy="restore it, or decide again")
    return snapshot


def _sums(items: tuple[Item, ...]) -> tuple[Decimal, Decimal, Decimal]:
    """Gross, net and cash weight."""
    net = sum((item.target_weight for item in items), Decimal(0))
    return sum((abs(item.target_weight) for item in items), Decimal(0)), net, 1 - net


def _identity(snapshot: Snapshot) -> dict[str, Any]:
    """What the id is made of (contracts §1)."""
    return {
        "strategy": snapshot.strategy,
        "rebalance_date": snapshot.rebalance_date,
        "as_of": snapshot.as_of,
        "parameters": thaw(snapshot.parameters),
        "holdings": None if snapshot.holdings is None else dict(snapshot.holdings),
        "data_fingerprint": snapshot.data_fingerprint,
        "items": [
            {"symbol": item.symbol, "instrument_id": item.instrument_id, "target_weight": item.target_weight,
             "decision_price": item.decision_price, "score": item.score}
            for item in snapshot.items
        ],
    }
