"""Implementation shortfall: what trading cost against a paper portfolio that trades everything at once, free, at the decision.

Source: docs/measures.md §1 and §2. Quantities are signed shares (+ buy, − sell), so one set of formulas serves both
sides; prices are dollars a share, costs dollars, and positive is bad.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from functools import reduce

from workbench.errors import BadInput, UnknownName

ZERO = Decimal(0)
CONVENTIONS = ("A", "B")
EXACT = Context(prec=100)       # no product or sum of numbers that the store holds (38 digits) is rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """The cost of one order, or the sum of many, in dollars. Positive is bad; None is not known, which is never 0.

    delay + execution + unsplit + opportunity + fees = `total` = `paper` − `real`, exactly (docs/measures.md §1).
    `unsplit` is the sum of the parts that can't be told apart where no arrival price is known, and those are None.
    `fees` are those known: `fees_pending` counts the fills whose fee is not, and `total` and `real` are without them.
    `notional` is Σ|quantity| · decision price. A sum is over the `orders` whose total is known; `unknown` counts the rest.
    """

    delay: Decimal | None
    execution: Decimal | None
    unsplit: Decimal | None
    opportunity: Decimal | None
    fees: Decimal | None
    fees_pending: int
    total: Decimal | None
    notional: Decimal | None
    paper: Decimal | None
    real: Decimal | None
    orders: int
    unknown: int

    @property
    def parts(self) -> tuple[tuple[str, Decimal | None], ...]:
        """The parts by name, in the order of time."""
        return tuple((name, getattr(self, name)) for name in ("delay", "execution", "unsplit", "opportunity", "fees"))

    @property
    def bps(self) -> Decimal | None:
        """1e4 · total / notional (docs/measures.md, notation); None without a total, or where nothing was wanted."""
        return None if self.total is None or not self.notional else 10_000 * self.total / self.notional

    @property
    def residual(self) -> Decimal | None:
        """paper − real − the sum of the parts: 0, or the numbers don't belong together. None where either is not known."""
        if self.total is None or self.paper is None or self.real is None:
            return None
        parts = reduce(EXACT.add, (part for _, part in self.parts if part is not None), ZERO)
        return EXACT.subtract(EXACT.subtract(self.paper, self.real), parts)

    def __repr__(self) -> str:
        bps = "" if self.bps is None else f", {self.bps:.1f} bps of {self.notional:,.2f}"
        parts = ", ".join(f"{name} {_dollars(part)}" for name, part in self.parts if name != "unsplit" or part)
        pending = f"; {self.fees_pending} fees pending" if self.fees_pending else ""
        unknown = f"; {self.unknown} orders not known" if self.unknown else ""
        return f"Shortfall({_dollars(self.total)}{bps}: {parts}{pending}{unknown})"


def split_shortfall(
    *, quantity: Decimal | None, filled: Decimal, average_price: Decimal | None, decision: Decimal | None,
    arrival: Decimal | None, close: Decimal | None, fees: Decimal | None, fees_pending: int = 0, convention: str = "A"
) -> Shortfall:
    """Split one order's shortfall, Q·(P_n − P_d) − [F·(P_n − P̄) − C], into its parts (docs/measures.md §1, §2).

    `quantity` Q and `filled` F are signed shares, `average_price` P̄ the mean of the fills, `decision` P_d, `arrival` P_a,
    `close` P_n, `fees` C. Convention A (CFA) has delay F·(P_a − P_d) and opportunity (Q − F)·(P_n − P_d); convention B
    (Kissell) delay Q·(P_a − P_d) and opportunity (Q − F)·(P_n − P_a). Both have execution F·(P̄ − P_a), fees C and one total.

    Nothing filled: P̄ is not defined, and execution is 0. No P_a where one is needed: the parts that need it are None,
    their sum is `unsplit`. No Q, P_d or P_n where needed: what depends on it is None. Fees None: one is pending.
    Raises `UnknownName` for another convention and `BadInput` for shares filled without a price.
    """
    if convention not in CONVENTIONS:
        raise UnknownName("shortfall convention", convention, CONVENTIONS)
    if filled and average_price is None:
        raise BadInput(f"{filled} shares are filled, without an average price")
    with localcontext(EXACT):
        paid = filled * average_price if average_price is not None else ZERO
        missed = None if quantity is None else quantity - filled
        decided = _value(filled, decision)
        traded = _less(paid, decided)
        lost = _less(_value(missed, close), _value(missed, decision))
        total = None if traded is None or lost is None else traded + lost + (fees or ZERO)
        arrived = _value(filled, arrival)
        execution = _less(paid, arrived)
        if convention == "A":
            delay, opportunity = _less(arrived, decided), lost
        else:
            delay = _less(_value(quantity, arrival), _value(quantity, decision))
            opportunity = _less(_value(missed, close), _value(missed, arrival))
        unsplit: Decimal | None = ZERO
        if opportunity is None and lost is not None and traded is not None:         # convention B, no arrival
            delay, execution, unsplit = None, None, traded + lost
        elif delay is None or execution is None:
            delay, execution, unsplit = None, None, traded
        return Shortfall(
            delay=delay, execution=execution, unsplit=unsplit, opportunity=opportunity, fees=fees, total=total,
            fees_pending=fees_pending or int(fees is None), notional=_size(_value(quantity, decision)),
            paper=_less(_value(quantity, close), _value(quantity, decision)),
            real=_less(_less(_value(filled, close), paid), fees or ZERO), orders=int(total is not None),
            unknown=int(total is None),
        )


def sum_shortfalls(costs: Iterable[Shortfall]) -> Shortfall:
    """The sum over the orders whose total is known; `unknown` counts those that are left out.

    A part that no order knows is None, and so are `paper` and `real` where one does not know them. The sum of no orders
    is 0; of orders of which none is known, None.
    """
    costs = tuple(costs)
    known = tuple(cost for cost in costs if cost.total is not None)
    nothing = bool(costs) and not known

    def summed(name: str, *, strict: bool = False) -> Decimal | None:
        values = [getattr(cost, name) for cost in known]
        told = [value for value in values if value is not None]
        gone = nothing or (len(told) < len(values) if strict else bool(values) and not told)
        return None if gone else sum(told, ZERO)

    with localcontext(EXACT):
        return Shortfall(
            delay=summed("delay"), execution=summed("execution"), unsplit=summed("unsplit"), opportunity=summed("opportunity"),
            fees=summed("fees"), fees_pending=sum(cost.fees_pending for cost in costs), total=summed("total"),
            notional=summed("notional"), paper=summed("paper", strict=True), real=summed("real", strict=True),
            orders=sum(cost.orders for cost in known), unknown=sum(cost.unknown for cost in costs),
        )


def _value(shares: Decimal | None, price: Decimal | None) -> Decimal | None:
    """shares · price; no shares are worth nothing at any price, known or not."""
    if shares is not None and not shares:
        return ZERO
    return None if shares is None or price is None else shares * price


def _less(value: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if value is None or other is None else value - other


def _size(value: Decimal | None) -> Decimal | None:
    return None if value is None else abs(value)


def _dollars(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"
