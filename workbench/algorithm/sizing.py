"""From weights to whole-share orders, once, in exact decimals; the same call in a backtest, on paper and live.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder. Floats end at `exact`.
The steps and their order are the contract's (§4). Every cut is kept with its rule and its amount in shares, so that
raw − Σ cuts − (what rounding took) = target, to the last digit, for whoever explains the deviation later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Any, Protocol

ZERO = Decimal(0)
GRAIN = Decimal("1e-9")     # of a lot: 0.07 · 100 is 7 lots, not 8, whatever a division left in the last digits


class Limits(Protocol):
    """The risk limits that sizing reads (`params.RiskLimits`)."""

    @property
    def max_weight(self) -> Any: ...

    @property
    def max_gross(self) -> Any: ...

    @property
    def max_order_notional(self) -> Any: ...

    @property
    def max_turnover(self) -> Any: ...

    @property
    def allow_short(self) -> bool: ...

    @property
    def blocked(self) -> tuple[str, ...]: ...



class Params(Protocol):
    """The execution params that sizing reads (`params.ExecutionParams`)."""

    @property
    def min_qty(self) -> int: ...

    @property
    def lot_size(self) -> int: ...

    @property
    def cash_buffer_ratio(self) -> Decimal: ...

    @property
    def rounding(self) -> str: ...

    @property
    def capital_fraction(self) -> Decimal: ...

    @property
    def max_price_age_sessions(self) -> int: ...

    @property
    def risk_overrides(self) -> Any: ...



@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One holding to size: a signed weight of the budget, or (manual) a signed number of shares to trade."""

    order_intent_id: str
    symbol: str
    weight: Decimal | None
    quantity: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price a size is made from, in dollars, and the age of its bar in sessions (1: the session before this one)."""

    price: Decimal | None
    age: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What one rule took: signed shares between the target before it and after it; None where no price was known."""

    rule: str
    shares: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """One holding, sized. Quantities are signed shares; `raw` is weight × budget ÷ price, before any rule."""

    order_intent_id: str
    symbol: str
    price: Decimal | None
    raw: Decimal | None
    target: Decimal
    held: Decimal
    cuts: tuple[Cut, ...] = ()

    @property
    def order(self) -> Decimal:
        """Signed shares to trade; 0 sends nothing."""
        return self.target - self.held

    @property
    def reduces(self) -> bool:
        """Whether the order only brings the holding nearer to zero."""
        return _reduces(self.held, self.target)

    @property
    def value(self) -> Decimal:
        """Dollars traded, without sign."""
        return abs(self.order) * (self.price or ZERO)


def exact(value: Any) -> Decimal:
    """A Decimal from what Lean's Python gives. Floats by 15 significant digits: all that survives their journey.

    Raises ValueError for NaN and infinity: no quantity is ever made from them.
    """
    number = Decimal(format(value, ".15g")) if isinstance(value, float) else Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number.normalize() if number else ZERO


def size(
    wanted: Iterable[Wanted], *, equity: Decimal, held: Mapping[str, Decimal], quotes: Mapping[str, Quote], params: Params
) -> tuple[Sized, ...]:
    """Orders for the wanted holdings, in the order of sending: reducing first, then larger value, then symbol.

    `equity` is the account's total value in dollars, read once; `held` signed shares, a missing symbol holds none;
    `quotes` the sizing prices. Holdings that nobody wants are not here: the caller asks for them with weight 0.
    Raises ValueError for an equity that is not above zero.
    """
    if equity <= 0:
        raise ValueError(f"nothing can be sized from an equity of {equity} dollars")
    wanted = tuple(wanted)
    limits: Limits = params.risk_overrides
    budget = equity * params.capital_fraction * (1 - params.cash_buffer_ratio)
    manual = {item.order_intent_id for item in wanted if item.weight is None}
    lines = [_start(item, budget, held.get(item.symbol, ZERO), quotes.get(item.symbol)) for item in wanted]
    rules = [_why_held_back(line, quotes.get(line.symbol), limits, params.max_price_age_sessions) for line in lines]
    free = [rule is None for rule in rules]
    lines = [line if rule is None else _hold_back(line, rule) for line, rule in zip(lines, rules, strict=True)]
    if not limits.allow_short:
        lines = [_cut(line, "allow_short", max(line.target, ZERO)) if ok else line
                 for line, ok in zip(lines, free, strict=True)]
    if limits.max_weight is not None:
        most = limits.max_weight * budget
        lines = [_cap_weight(line, most) if ok else line for line, ok in zip(lines, free, strict=True)]
    lines = _cap_gross(lines, free, limits, budget)
    lines = _round(lines, free, manual, params, limits, budget)
    lines = [_cap_notional(line, limits, params.lot_size) for line in lines]
    lines = _cap_turnover(lines, limits, equity * params.capital_fraction, params.lot_size)
    lines = [_drop_small(line, _smallest(params)) for line in lines]
    return tuple(sorted(lines, key=lambda line: (not line.reduces, -line.value, line.symbol)))


def lots(quantity: Decimal, lot_size: int, rounding: str) -> Decimal:
    """Shares rounded to whole lots, away from zero (`up`), toward it (`down`) or to the nearest (halves away)."""
    mode = {"up": ROUND_UP, "fit": ROUND_UP, "down": ROUND_DOWN, "nearest": ROUND_HALF_UP}[rounding]
    count = (quantity / lot_size).quantize(GRAIN, ROUND_HALF_EVEN)
    return count.to_integral_value(mode) * lot_size


def limit_price(price: Decimal, buy: bool, offset_bps: Decimal, tick: Decimal = Decimal("0.01")) -> Decimal:
    """A limit this many basis points from the sizing price; positive waits (passive), and the tick rounds passively."""
    shift = price * offset_bps / 10000
    ideal = price - shift if buy else price + shift
    if ideal < 1:
        tick = min(tick, Decimal("0.0001"))
    return (ideal / tick).to_integral_value(ROUND_DOWN if buy else ROUND_UP) * tick


def _start(item: Wanted, budget: Decimal, held: Decimal, quote: Quote | None) -> Sized:
    price = quote.price if quote is not None and quote.price is not None and quote.price > 0 else None
    if item.weight is None:
        raw: Decimal | None = held + Decimal(item.quantity or 0)
    elif item.weight == 0:
        raw = ZERO
    else:
        raw = None if price is None else item.weight * budget / price
    return Sized(order_intent_id=item.order_intent_id, symbol=item.symbol, price=price, raw=raw, held=held,
                 target=held if raw is None else raw)


def _why_held_back(line: Sized, quote: Quote | None, limits: Limits, max_age: int) -> str | None:
    """The rule that keeps a holding from growing, if any. A close needs no price, so only a block can hold it."""
    if line.symbol in limits.blocked:
        return "blocked"
    if line.raw == 0:
        return None
    if line.price is None:
        return "no_price"
    return "stale" if quote is not None and quote.age > max_age else None


def _hold_back(line: Sized, rule: str) -> Sized:
    """A blocked name may come nearer to zero and no further from it; a stale price sizes nothing."""
    if rule == "blocked":
        return _cut(line, rule, _toward_zero(line.held, line.target))
    if line.raw is None:
        return replace(line, cuts=(*line.cuts, Cut(rule=rule, shares=None)))
    return _cut(line, rule, line.held)


def _cap_weight(line: Sized, most: Decimal) -> Sized:
    """The target's value, long or short, within `most` dollars."""
    if not line.price:
        return line
    shares = most / line.price
    return _cut(line, "max_weight", max(-shares, min(shares, line.target)))


def _cap_gross(lines: list[Sized], free: list[bool], limits: Limits, budget: Decimal) -> list[Sized]:
    """Scale every target that may move, so that the gross with those that may not is within the limit."""
    if limits.max_gross is None:
        return lines
    values = [abs(line.target) * (line.price or ZERO) for line in lines]
    fixed = sum((v for v, ok in zip(values, free, strict=True) if not ok), ZERO)
    moving = sum((v for v, ok in zip(values, free, strict=True) if ok), ZERO)
    allowed = max(limits.max_gross * budget - fixed, ZERO)
    if moving <= allowed:
        return lines
    return [_cut(line, "max_gross", line.target * allowed / moving) if ok else line
            for line, ok in zip(lines, free, strict=True)]


def _round(
    lines: list[Sized], free: list[bool], manual: set[str], params: Params, limits: Limits, budget: Decimal
) -> list[Sized]:
    """Whole lots. With `fit`, every target goes up and lots are given back, largest overshoot first, while the gross
    is above the budget (times the gross asked for, where that is above one)."""
    least = _smallest(params)
    ideals = [line.target for line in lines]
    rounded = [
        line if line.order_intent_id in manual or (not ok and line.target == line.held)
        else replace(line, target=_whole(line, ok, params, least))
        for line, ok in zip(lines, free, strict=True)
    ]
    if params.rounding != "fit":
        return rounded
    asked = sum((abs(ideal) * (line.price or ZERO) for ideal, line in zip(ideals, lines, strict=True)), ZERO)
    most = budget if limits.max_gross is None else min(budget, limits.max_gross * budget)
    room = max(most, asked)
    gross = sum((abs(line.target) * (line.price or ZERO) for line in rounded), ZERO)
    overshoot = [(abs(line.target) - abs(ideal)) * (line.price or ZERO)
                 for ideal, line in zip(ideals, rounded, strict=True)]
    for index in sorted(range(len(rounded)), key=lambda i: (-overshoot[i], rounded[i].symbol)):
        if gross <= room or overshoot[index] <= 0:
            break
        line = rounded[index]
        if not free[index] or line.order_intent_id in manual:
            continue
        less = abs(line.target) - params.lot_size
        given = ZERO if less < least else less.copy_sign(line.target)
        gross -= (abs(line.target) - abs(given)) * (line.price or ZERO)
        rounded[index] = replace(line, target=given)
    return rounded


def _whole(line: Sized, free: bool, params: Params, least: int) -> Decimal:
    if line.target == 0:
        return ZERO
    whole = lots(line.target, params.lot_size, params.rounding)
    if not free:
        return _toward_zero(line.held, whole)
    return whole if abs(whole) >= least else Decimal(least).copy_sign(line.target)


def _cap_notional(line: Sized, limits: Limits, lot_size: int) -> Sized:
    if limits.max_order_notional is None or not line.price or line.value <= limits.max_order_notional:
        return line
    return _shrink(line, "max_order_notional", limits.max_order_notional / line.price, lot_size)


def _cap_turnover(lines: list[Sized], limits: Limits, equity: Decimal, lot_size: int) -> list[Sized]:
    """Scale what increases, so that ½ Σ|order value| stays within the limit; what reduces keeps its full size."""
    if limits.max_turnover is None:
        return lines
    room = 2 * limits.max_turnover * equity
    closing = [_closing(line) * (line.price or ZERO) for line in lines]
    opening = [line.value - part for line, part in zip(lines, closing, strict=True)]
    total = sum(opening, ZERO)
    left = max(room - sum(closing, ZERO), ZERO)
    if total <= left:
        return lines
    return [line if not part or not line.price
            else _shrink(line, "max_turnover", (line.value - part + part * left / total) / line.price, lot_size)
            for line, part in zip(lines, opening, strict=True)]


def _drop_small(line: Sized, least: int) -> Sized:
    if line.order == 0 or line.target == 0 or abs(line.order) >= least:
        return line
    return _cut(line, "min_qty", line.held)


def _smallest(params: Params) -> int:
    """min_qty raised to a whole lot."""
    return -(-params.min_qty // params.lot_size) * params.lot_size


def _shrink(line: Sized, rule: str, most: Decimal, lot_size: int) -> Sized:
    """The order cut to `most` shares, in whole lots, but never below the part that only closes."""
    allowed = max(lots(most, lot_size, "down"), _closing(line))
    if abs(line.order) <= allowed:
        return line
    return _cut(line, rule, line.held + allowed.copy_sign(line.order))


def _closing(line: Sized) -> Decimal:
    """Shares of the order that bring the holding toward zero."""
    if line.held == 0 or (line.order > 0) == (line.held > 0):
        return ZERO
    return min(abs(line.order), abs(line.held))


def _reduces(held: Decimal, target: Decimal) -> bool:
    return abs(target) < abs(held) and (target == 0 or (target > 0) == (held > 0))


def _toward_zero(held: Decimal, target: Decimal) -> Decimal:
    """The nearest to `target` that lies between 0 and what is held."""
    return max(min(target, max(held, ZERO)), min(held, ZERO))


def _cut(line: Sized, rule: str, target: Decimal) -> Sized:
    if target == line.target:
        return line
    return replace(line, target=target, cuts=(*line.cuts, Cut(rule=rule, shares=line.target - target)))
