"""From weights to whole-share orders, once, in exact decimals; the same call in a backtest, on paper and live.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder. Floats end at `exact`.
The steps and their order are the contract's (§4). Every cut is kept with its rule and its amount in shares, so that
raw − Σ cuts − (what rounding took) = target, to the last digit, for whoever explains the deviation later: all of them lie
on the store's grid of 12 decimals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Context, Decimal, localcontext
from functools import lru_cache
from typing import Any, Protocol

ZERO = Decimal(0)
GRAIN = Decimal("1e-9")     # of a lot: 0.07 · 100 is 7 lots, not 8, whatever a division left in the last digits
SHARE = Decimal("1e-12")    # the finest part of a share that is told of: the store's grid
ABSURD = Decimal(10) ** 15  # shares: no company has as many, so the weight or the price is a slip
EXACT = Context(prec=60)    # no sum or difference of numbers within these bounds is ever rounded


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
    """What one rule took: signed shares between the target before it and after it; None where there was no target yet."""

    rule: str
    shares: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """One holding, sized. Quantities are signed shares; `raw` is weight × budget ÷ price, before any rule.

    `raw` is None where no price was known, or where it would be absurd.
    """

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
        """Whether less is held afterwards, on whichever side: what frees money, and goes first."""
        return abs(self.target) < abs(self.held)

    @property
    def value(self) -> Decimal:
        """Dollars traded, without sign."""
        return abs(self.order) * (self.price or ZERO)


def exact(value: Any) -> Decimal:
    """A Decimal from what Lean's Python gives. Floats by 15 significant digits: all that survives their journey.

    Raises ValueError for NaN and infinity: no quantity is ever made from them.
    """
    return _exact(value) if isinstance(value, float) else _finite(Decimal(str(value)), value)


@lru_cache(maxsize=8192)            # a price or a quantity is asked for several times for each order
def _exact(value: float) -> Decimal:
    return _finite(Decimal(format(value, ".15g")), value)


def _finite(number: Decimal, value: Any) -> Decimal:
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
    with localcontext(EXACT):
        return _size(tuple(wanted), equity * params.capital_fraction, held, quotes, params)


def _size(wanted: tuple[Wanted, ...], equity: Decimal, held: Mapping[str, Decimal], quotes: Mapping[str, Quote],
          params: Params) -> tuple[Sized, ...]:
    limits: Limits = params.risk_overrides
    budget = equity * (1 - params.cash_buffer_ratio)
    lines = [_start(item, budget, held.get(item.symbol, ZERO), quotes.get(item.symbol)) for item in wanted]
    by_hand = [item.weight is None for item in wanted]
    rules = [_why_held_back(line, quotes.get(line.symbol), limits, params.max_price_age_sessions) for line in lines]
    free = [rule is None for rule in rules]
    lines = [line if rule is None else _hold_back(line, rule, hand)
             for line, rule, hand in zip(lines, rules, by_hand, strict=True)]

    def bound(rule: str, targets: list[Decimal]) -> list[Sized]:
        return [_bound(line, rule, target, hand, params.lot_size) if ok else line
                for line, target, ok, hand in zip(lines, targets, free, by_hand, strict=True)]

    if not limits.allow_short:
        lines = bound("allow_short", [max(line.target, ZERO) for line in lines])
    if limits.max_weight is not None:
        lines = bound("max_weight", [_within(line, limits.max_weight * budget) for line in lines])
    if limits.max_gross is not None:
        lines = bound("max_gross", _scaled(lines, free, limits.max_gross * budget))
    lines = _round(lines, free, by_hand, params, limits, budget)
    lines = [_cap_notional(line, limits, params.lot_size) for line in lines]
    lines = _cap_turnover(lines, limits, equity, params.lot_size)
    lines = [_drop_small(line, params.min_qty) for line in lines]
    return tuple(sorted(lines, key=lambda line: (not line.reduces, -line.value, line.symbol)))


def lots(quantity: Decimal, lot_size: int, rounding: str) -> Decimal:
    """Shares rounded to whole lots, away from zero (`up`), toward it (`down`) or to the nearest (halves away)."""
    mode = {"up": ROUND_UP, "fit": ROUND_UP, "down": ROUND_DOWN, "nearest": ROUND_HALF_UP}[rounding]
    return (_grained(quantity, lot_size) / lot_size).to_integral_value(mode) * lot_size


def limit_price(price: Decimal, buy: bool, offset_bps: Decimal, tick: Decimal = Decimal("0.01")) -> Decimal:
    """A limit this many basis points from the sizing price; positive waits (passive), and the tick rounds passively."""
    shift = price * offset_bps / 10000
    ideal = price - shift if buy else price + shift
    if ideal < 1:
        tick = min(tick, Decimal("0.0001"))
    return (ideal / tick).to_integral_value(ROUND_DOWN if buy else ROUND_UP) * tick


def _start(item: Wanted, budget: Decimal, held: Decimal, quote: Quote | None) -> Sized:
    price = quote.price if quote is not None and quote.price is not None and quote.price > 0 else None
    raw: Decimal | None = None
    if item.weight is None:
        raw = held + Decimal(item.quantity or 0)
    elif item.weight == 0:
        raw = ZERO
    elif price is not None:
        raw = item.weight * budget / price
    raw = None if raw is None or abs(raw) > ABSURD else raw.quantize(SHARE, ROUND_HALF_EVEN)
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
    if line.raw is None:
        return "absurd"
    return "stale" if quote is not None and quote.age > max_age else None


def _hold_back(line: Sized, rule: str, by_hand: bool) -> Sized:
    """A blocked name may come nearer to zero and no further from it. A weight is worth nothing at a stale price; an order by
    hand has its quantity without one."""
    if line.raw is None:
        return replace(line, cuts=(*line.cuts, Cut(rule=rule, shares=None)))
    return _cut(line, rule, _toward_zero(line.held, line.target) if rule == "blocked" or by_hand else line.held)


def _bound(line: Sized, rule: str, target: Decimal, by_hand: bool, lot_size: int) -> Sized:
    """The target where a rule wants it. An order by hand is only made smaller, in whole lots, and never turned around."""
    if not by_hand:
        return _cut(line, rule, target.quantize(SHARE, ROUND_DOWN))
    low, high = sorted((line.held, line.target))
    return _shrink(line, rule, abs(min(max(target, low), high) - line.held), lot_size)


def _within(line: Sized, most: Decimal) -> Decimal:
    """The target, long or short, worth no more than `most` dollars."""
    if not line.price:
        return line.target
    shares = most / line.price
    return max(-shares, min(shares, line.target))


def _scaled(lines: list[Sized], free: list[bool], most: Decimal) -> list[Decimal]:
    """Targets, all scaled alike, so that the gross with those that may not move is within `most` dollars."""
    fixed = sum((_worth(line) for line, ok in zip(lines, free, strict=True) if not ok), ZERO)
    moving = sum((_worth(line) for line, ok in zip(lines, free, strict=True) if ok), ZERO)
    allowed = max(most - fixed, ZERO)
    return [line.target if moving <= allowed else line.target * allowed / moving for line in lines]


def _round(
    lines: list[Sized], free: list[bool], by_hand: list[bool], params: Params, limits: Limits, budget: Decimal
) -> list[Sized]:
    """Whole lots. An order by hand is what it is, and so is a holding that may not move."""
    whole = [line if hand or (not ok and line.target == line.held) else replace(line, target=_whole(line, ok, params))
             for line, ok, hand in zip(lines, free, by_hand, strict=True)]
    if params.rounding != "fit":
        return whole
    may = [ok and not hand for ok, hand in zip(free, by_hand, strict=True)]
    return _give_back(lines, whole, may, params, budget if limits.max_gross is None else min(budget, limits.max_gross * budget))


def _give_back(ideal: list[Sized], whole: list[Sized], may: list[bool], params: Params, most: Decimal) -> list[Sized]:
    """Take one lot from the rounded targets, largest overshoot first, until the gross is within `most` dollars.

    Where even all of them would not bring it there, more than the budget was asked for: then until it is within that.
    """
    over = [(abs(line.target) - _grained(abs(asked.target), params.lot_size)) * (line.price or ZERO) if ok else ZERO
            for asked, line, ok in zip(ideal, whole, may, strict=True)]
    least = [_one_lot_less(line, params) if much > 0 else line for line, much in zip(whole, over, strict=True)]
    if sum(map(_worth, least), ZERO) > most:
        most = max(most, sum(map(_worth, ideal), ZERO))
    fitted, gross = list(whole), sum(map(_worth, whole), ZERO)
    for place in sorted(range(len(whole)), key=lambda i: (-over[i], whole[i].symbol)):
        if gross <= most or over[place] <= 0:
            break
        gross -= _worth(whole[place]) - _worth(least[place])
        fitted[place] = least[place]
    return fitted


def _one_lot_less(line: Sized, params: Params) -> Sized:
    less = abs(line.target) - params.lot_size
    return replace(line, target=ZERO if less < _smallest(params) else less.copy_sign(line.target))


def _grained(quantity: Decimal, lot_size: int) -> Decimal:
    """Shares on the grain of a lot."""
    return (quantity / lot_size).quantize(GRAIN, ROUND_HALF_EVEN, EXACT) * lot_size


def _whole(line: Sized, free: bool, params: Params) -> Decimal:
    if line.target == 0:
        return ZERO
    least = _smallest(params)
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
    """An order is not whole lots of itself (held 3, wanted 5 in lots of 5: 2), so it is held against min_qty as given."""
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


def _toward_zero(held: Decimal, target: Decimal) -> Decimal:
    """The nearest to `target` that lies between 0 and what is held."""
    return max(min(target, max(held, ZERO)), min(held, ZERO))


def _worth(line: Sized) -> Decimal:
    """Dollars of the target, without sign."""
    return abs(line.target) * (line.price or ZERO)


def _cut(line: Sized, rule: str, target: Decimal) -> Sized:
    if target == line.target:
        return line
    return replace(line, target=target, cuts=(*line.cuts, Cut(rule=rule, shares=line.target - target)))
