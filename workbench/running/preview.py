"""A rebalance before it is run: the very sizing and the very guard that the algorithm uses, at the decision prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from workbench.algorithm.guard import Check, Guard
from workbench.algorithm.sizing import Quote, Sized, Wanted, limit_price, size
from workbench.words.params import ExecutionParams
from workbench.words.snapshot import Snapshot

if TYPE_CHECKING:
    import pandas as pd

ZERO = Decimal(0)
IB_A_SHARE, IB_LEAST, IB_MOST = Decimal("0.005"), Decimal(1), Decimal("0.005")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """One holding of the preview. Shares are signed; `value` and `cost` in dollars; `rules` what cut or stopped it."""

    symbol: str
    target_weight: Decimal
    previous_weight: Decimal
    price: Decimal | None
    held: Decimal
    order: Decimal
    limit: Decimal | None
    value: Decimal
    cost: Decimal
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a rebalance would send, from `equity` dollars and the holdings given; nothing is written or started.

    `turnover` is one-way, ½ Σ|order value| ÷ equity; `cost` the estimated fees and slippage in dollars (params' bps where
    given, else Interactive Brokers' fees); `basis` says where equity and holdings come from.
    """

    snapshot: Snapshot
    previous: Snapshot | None
    equity: Decimal
    basis: str
    lines: tuple[PreviewLine, ...]
    turnover: Decimal
    cost: Decimal
    cash_after: Decimal

    @property
    def orders(self) -> tuple[PreviewLine, ...]:
        """The lines with an order, in the order of sending."""
        return tuple(line for line in self.lines if line.order)

    @property
    def blocked(self) -> tuple[PreviewLine, ...]:
        """The lines that a rule cut or stopped."""
        return tuple(line for line in self.lines if line.rules)

    def frame(self) -> "pd.DataFrame":
        """The lines as a table, index the symbols."""
        import pandas as pd

        rows = [{"target": float(line.target_weight), "change": float(line.target_weight - line.previous_weight),
                 "price": None if line.price is None else float(line.price), "held": int(line.held), "order": int(line.order),
                 "value": float(line.value), "cost": float(line.cost), "rules": ", ".join(line.rules)} for line in self.lines]
        return pd.DataFrame(rows, index=pd.Index([line.symbol for line in self.lines], name="symbol"))

    def __repr__(self) -> str:
        return (f"Preview({self.snapshot.strategy} {self.snapshot.rebalance_date}: {len(self.orders)} orders, turnover "
                f"{self.turnover:.1%}, cost {self.cost:,.2f}, {len(self.blocked)} cut or blocked; {self.basis})")

    def _repr_html_(self) -> str:
        """The table under its summary, in a notebook."""
        from html import escape

        return f"<p>{escape(repr(self))}</p>{self.frame().to_html(float_format='{:,.4f}'.format)}"


def preview(
    snapshot: Snapshot, params: ExecutionParams, *, equity: Decimal, holdings: Mapping[str, Decimal], basis: str,
    previous: Snapshot | None = None, prices: Mapping[str, Decimal] | None = None
) -> Preview:
    """Size a decision as the algorithm would, from this equity (dollars) and these holdings (signed shares by symbol).

    `prices` are for holdings that the snapshot does not name; without one such a holding can't be valued and is only
    closed, which needs no price.
    """
    known = {item.symbol: item.decision_price for item in snapshot.items} | dict(prices or {})
    wanted = [Wanted(order_intent_id=f"{snapshot.snapshot_id}-{item.symbol}", symbol=item.symbol, weight=item.target_weight)
              for item in snapshot.items]
    if params.close_unlisted:
        named = {item.symbol for item in snapshot.items}
        wanted += [Wanted(order_intent_id=f"{snapshot.snapshot_id}-{name}", symbol=name, weight=ZERO)
                   for name, shares in sorted(holdings.items()) if shares and name not in named]
    sized = size(wanted, equity=equity, held=holdings, quotes={name: Quote(price=price) for name, price in known.items()},
                 params=params)
    guard = Guard(params.risk_overrides, equity=equity * params.capital_fraction,
                  gross=sum((abs(shares) * known.get(name, ZERO) for name, shares in holdings.items()), ZERO))
    weights, before = snapshot.weights(), previous.weights() if previous is not None else {}
    lines = tuple(_line(line, params, guard, weights.get(line.symbol, ZERO), before.get(line.symbol, ZERO)) for line in sized)
    traded = sum((line.value for line in lines), ZERO)
    invested = sum((line.target * (line.price or ZERO) for line in sized), ZERO)
    cost = sum((line.cost for line in lines), ZERO)
    return Preview(snapshot=snapshot, previous=previous, equity=equity, basis=basis, lines=lines, cost=cost,
                   turnover=traded / 2 / equity, cash_after=equity - invested - cost)


def _line(line: Sized, params: ExecutionParams, guard: Guard, weight: Decimal, before: Decimal) -> PreviewLine:
    rules = [cut.rule for cut in line.cuts]
    order = line.order
    if order:
        check = Check(symbol=line.symbol, quantity=order, held=line.held, price=line.price, reference=line.price,
                      now=datetime.now(UTC), lot_value=(line.price or ZERO) * params.lot_size)
        refusal = guard.check(check)
        if refusal is not None:
            rules.append(refusal.rule)
            order = ZERO
        else:
            guard.note(check)
    limit = None
    if order and params.order_type == "LMT" and line.price is not None:
        limit = limit_price(line.price, order > 0, params.limit_offset_bps)
    value = abs(order) * (line.price or ZERO)
    return PreviewLine(symbol=line.symbol, target_weight=weight, previous_weight=before, price=line.price, held=line.held,
                       order=order, limit=limit, value=value, cost=_cost(order, value, params), rules=tuple(rules))


def _cost(order: Decimal, value: Decimal, params: ExecutionParams) -> Decimal:
    """Fees and slippage as a backtest would charge them, at the decision price."""
    if not order:
        return ZERO
    bps = {"MOC": params.slippage_close_bps, "LMT": ZERO}.get(params.order_type, params.slippage_open_bps)
    fee = value * params.fee_bps / 10000 if params.fee_bps else _ib_fee(abs(order), value)
    return fee + value * bps / 10000


def _ib_fee(shares: Decimal, value: Decimal) -> Decimal:
    """Interactive Brokers, US equities, as Lean's model has it: half a cent a share, at least a dollar, at most 0.5 %."""
    fee = IB_A_SHARE * shares
    return IB_LEAST if fee < IB_LEAST else min(fee, IB_MOST * value)
