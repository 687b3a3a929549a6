"""The waterfall of one rebalance: from the weights that were wanted to those that were held, cause by cause.

Source: docs/measures.md §5 and §6. One thing is changed at a time, in the fixed order of `CAUSES`, and each change of the
weights belongs to its cause, so that the causes sum to the gap exactly. Another order would split it otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from operator import sub

from workbench.errors import BadInput
from workbench.words.identity import money

ZERO = Decimal(0)
CAUSES = ("buffer", "caps", "rounding", "blocked", "residual", "external", "cost", "drift", "broker_break")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """One instrument's signed shares from what its weight is worth to what the broker reports, each step after one cause.

    `target` is its weight w*, `price` the sizing price and `close` the mark's, in dollars; None where nobody told one.

    `wanted`: the weight's part of the budget ÷ price. `allowed`: less what the caps took. `rounded`: in lots, less what was
    too small. `sent`: held and ordered, less what was refused. `filled`: held and bought by the date's own orders.
    `explained`: all that fills and corporate events explain. `reported`: what the account had at the mark.
    """

    symbol: str
    instrument_id: str
    target: Decimal
    price: Decimal | None
    close: Decimal | None
    wanted: Decimal
    allowed: Decimal
    rounded: Decimal
    sent: Decimal
    filled: Decimal
    explained: Decimal
    reported: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far one instrument's weight (or cash's) is from what was wanted, and why: one change a cause, as in `CAUSES`."""

    symbol: str
    instrument_id: str | None
    target: Decimal
    actual: Decimal
    changes: tuple[Decimal, ...]

    @property
    def gap(self) -> Decimal:
        """Actual less target weight."""
        return self.actual - self.target

    @property
    def causes(self) -> tuple[tuple[str, Decimal], ...]:
        """Each cause with its part of the gap."""
        return tuple(zip(CAUSES, self.changes, strict=True))

    def __repr__(self) -> str:
        told = ", ".join(f"{cause} {change:+.4%}" for cause, change in self.causes if change)
        return f"Gap({self.symbol} {self.target:.4%} -> {self.actual:.4%}{': ' if told else ''}{told})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall:
    """The gaps of one rebalance by instrument, and of cash. Weights are fractions of the account's value, cash included."""

    gaps: tuple[Gap, ...]
    cash: Gap

    @property
    def every(self) -> tuple[Gap, ...]:
        """The instruments' gaps, and cash's after them."""
        return *self.gaps, self.cash

    @property
    def deviation(self) -> Decimal:
        """½ Σ|w − w*|, cash included (docs/measures.md §5). 0 is exact; with short positions it can exceed 1."""
        return sum((abs(one.gap) for one in self.every), ZERO) / 2

    @property
    def rms_gap(self) -> Decimal:
        """√(mean (w − w*)²) over the instruments and cash (docs/measures.md §5)."""
        return money((sum((one.gap ** 2 for one in self.every), ZERO) / len(self.every)).sqrt())

    @property
    def max_gap(self) -> Decimal:
        """The largest |w − w*|, cash included."""
        return max(abs(one.gap) for one in self.every)

    @property
    def gross(self) -> Decimal:
        """Σ|w| without cash, as held."""
        return sum((abs(one.actual) for one in self.gaps), ZERO)

    @property
    def moved(self) -> tuple[tuple[str, Decimal], ...]:
        """By cause, ½ Σ|change|, cash included. They need not sum to the deviation: causes may undo each other."""
        return tuple((cause, sum((abs(one.changes[at]) for one in self.every), ZERO) / 2) for at, cause in enumerate(CAUSES))

    @property
    def residual(self) -> Decimal:
        """Σ|w − w* − Σ causes|, cash included: exactly 0."""
        return sum((abs(one.gap - sum(one.changes, ZERO)) for one in self.every), ZERO)

    def __repr__(self) -> str:
        told = ", ".join(f"{cause} {size:.4%}" for cause, size in self.moved if size)
        return f"Waterfall({len(self.gaps)} names, deviation {self.deviation:.4%}{': ' if told else ''}{told})"


def attribute(steps: Iterable[Steps], *, equity: Decimal, cost: Decimal, end_equity: Decimal) -> Waterfall:
    """Attribute the gaps of a rebalance to their causes (docs/measures.md §6).

    `equity` is the account's value when it was sized, `cost` what the fills since then cost against the sizing prices, fees
    included, and `end_equity` the value at the mark; all dollars. Weights after each step are shares · price ÷ value: up to
    `external` at the sizing price and value, at `cost` the value is less the cost, at `drift` price and value are the
    mark's, at `broker_break` the shares are those reported. Each weight is put on the grid of 12 decimals, cash is 1 less
    their sum, and what a step changes is its cause's: the changes sum to the gap to the last digit.

    Where one of the two prices is not known the other stands for both. Raises `BadInput` for shares without any price, and
    for an account that is worth nothing: it has no weights.
    """
    after_cost = equity - cost
    if min(equity, after_cost, end_equity) <= 0:
        raise BadInput(f"an account worth {min(equity, after_cost, end_equity):.2f} dollars has no weights")
    paths = [(one, _weights(one, equity, after_cost, end_equity)) for one in steps]
    nothing = [ZERO] * (len(CAUSES) + 1)
    totals = [1 - sum(weights, ZERO) for weights in zip(nothing, *(path for _, path in paths), strict=True)]
    return Waterfall(gaps=tuple(_gap(one.symbol, one.instrument_id, path) for one, path in paths),
                     cash=_gap("cash", None, totals))


def _weights(one: Steps, equity: Decimal, after_cost: Decimal, end_equity: Decimal) -> list[Decimal]:
    """The target weight, and the weight after each cause."""
    sizing, closing = one.price if one.price is not None else one.close, one.close if one.close is not None else one.price
    if sizing is None or closing is None:
        if any((one.wanted, one.allowed, one.rounded, one.sent, one.filled, one.explained, one.reported)):
            raise BadInput(f"{one.symbol} has neither a sizing price nor a close")
        return [money(one.target)] + [ZERO] * len(CAUSES)
    weights = [money(one.target)]
    last: Decimal | None = None
    for shares in (one.wanted, one.allowed, one.rounded, one.sent, one.filled, one.explained):
        weights.append(weights[-1] if shares == last else money(shares * sizing / equity))      # most causes change nothing
        last = shares
    weights += [money(one.explained * sizing / after_cost), money(one.explained * closing / end_equity)]
    return [*weights, weights[-1] if one.reported == one.explained else money(one.reported * closing / end_equity)]


def _gap(symbol: str, instrument_id: str | None, path: list[Decimal]) -> Gap:
    changes = tuple(map(sub, path[1:], path))
    return Gap(symbol=symbol, instrument_id=instrument_id, target=path[0], actual=path[-1], changes=changes)
