"""From what a data source says of splits and dividends to a factor file from which Lean computes just those.

A source gives them outright, or only as a second, adjusted close; the second is worked back here. Whatever an
adjustment may have meant, what it was is what moved the ratio of adjusted to raw close from one session to the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

from workbench.errors import BadInput
from workbench.market.bars import SCALE, Bars
from workbench.market.calendar import Calendar
from workbench.market.corporate import FOREVER, ONE, FactorFile, FactorRow, distribution

PRICE_DIGITS = range(7, 13)     # decimals of a price factor: Lean's own seven, more where seven lose the cents
SPLIT_STEP = Decimal("1e-10")
LARGEST = 20                    # the larger number in a split such as 3 for 2; whole ones, such as 100 for 1, have no bound
LEAST_SPLIT = Fraction(5, 4)    # what moves prices less than this is paid in cash, and what moves them more is not
HALF_CENT = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a share becomes before the open of `ex_date`: `split` new shares, and `dividend` dollars paid on the old one."""

    ex_date: date
    split: Fraction = Fraction(1)
    dividend: Decimal = Decimal(0)


def from_adjusted(
    bars: Bars, adjusted: Sequence[float], *, decimals: int, paid_on: str = "before", where: str = ""
) -> tuple[Change, ...]:
    """The changes that explain adjusted closes, one for one with the bars; `decimals` is how finely they are rounded.

    With q = (adjusted / close) before the ex-date ÷ the same on it:

        a split of n for m       q = m / n, and the open shows it too: else it is a fall, not a split
        a dividend D, "before"   q = 1 − D / close before it   (the usual kind: CRSP, Yahoo, Lean)
        a dividend D, "after"    q = close on it / (close on it + D)

    A step within the rounding error of the two adjusted closes, or worth less than half a cent, is none; D is put on
    whole cents. Raises `BadInput` for a step that is neither, and where D can't be told to the cent.
    """
    closes = bars.close / SCALE
    changes = []
    for row in range(1, len(bars)):
        ratio = (adjusted[row - 1] / closes[row - 1]) / (adjusted[row] / closes[row])
        error = 0.5 * 10.0**-decimals * (1 / adjusted[row - 1] + 1 / adjusted[row]) + 1e-9
        if abs(ratio - 1) <= 2 * error:
            continue
        day = bars.days[row].item()
        split = _split(ratio, error, gap=bars.open[row] / bars.close[row - 1])
        if split is not None:
            changes.append(Change(ex_date=day, split=split))
            continue
        cash = closes[row - 1] * (1 - ratio) if paid_on == "before" else closes[row] * (1 / ratio - 1)
        if abs(cash) < HALF_CENT:
            continue
        if not 1 / LEAST_SPLIT < ratio < 1:
            raise BadInput(f"adjusted to raw close moves by {ratio:.6f} on {day}: neither a split nor a dividend", where=where,
                           remedy="give splits and dividends as columns, or leave the adjusted closes out")
        if error * closes[row - 1] > HALF_CENT:
            raise BadInput(f"adjusted closes of {decimals} decimals are too coarse to tell the dividend of {day} to a cent",
                           where=where, remedy="give dividends as a column, or adjusted closes with more decimals")
        changes.append(Change(ex_date=day, dividend=Decimal(str(round(float(cash), 2)))))
    return tuple(changes)


def factor_file(name: str, bars: Bars, changes: Sequence[Change], calendar: Calendar) -> FactorFile:
    """The factor file whose events, computed by Lean's rules, are these changes.

    Each row is dated the session before its ex-date and refers to the last raw close by then. Factors are 1 at the end
    of the data. A dividend finer than a cent keeps its effect on adjusted prices, but Lean pays it rounded to the cent.
    Raises `BadInput` for a change before there was a close, or one that takes all of it.
    """
    first = bars.days[0].item()
    price, split = ONE, ONE
    rows = [FactorRow(FOREVER, ONE, ONE, Decimal(0))]
    for change in sorted(changes, key=lambda one: one.ex_date, reverse=True):
        earlier = bars.between(None, calendar.previous(change.ex_date))
        if not len(earlier):
            raise BadInput(f"a split or dividend on {change.ex_date}, before there was a close", where=name,
                           remedy=f"the bars begin on {first}; leave it out")
        close = Decimal(int(earlier.close[-1])) / SCALE
        price, split = _price_factor(price, close, change, name), _split_factor(split, change)
        rows.append(FactorRow(calendar.previous(change.ex_date), price, split, close))
    if rows[-1].date > first:
        rows.append(FactorRow(first, price, split, ONE))
    return FactorFile(name, tuple(reversed(rows)))


def _split(ratio: float, error: float, *, gap: float) -> Fraction | None:
    """New shares for an old one, when a price ratio is that of a split: simple, large, and shown by the open."""
    small = min(ratio, 1 / ratio)
    whole = Fraction(1, round(1 / small))
    simple = next((near for near in (whole, Fraction(small).limit_denominator(LARGEST))
                   if near and abs(float(near) / small - 1) <= max(1e-6, 2 * error)), None)
    if simple is None or 1 / simple < LEAST_SPLIT or abs(math.log(gap / ratio)) >= abs(math.log(gap)):
        return None
    return 1 / simple if ratio < 1 else simple


def _price_factor(after: Decimal, close: Decimal, change: Change, name: str) -> Decimal:
    """The price factor before a dividend, with decimals enough that Lean pays the very cents."""
    if not change.dividend:
        return after
    if not 0 < change.dividend < close:
        raise BadInput(f"a dividend of {change.dividend} on {change.ex_date} from a share worth {close}", where=name,
                       remedy="correct the dividend: it is dollars per share, and less than the close before it")
    exact = after * (1 - change.dividend / close)
    wanted = distribution(close, exact / after)
    for digits in PRICE_DIGITS:
        factor = exact.quantize(Decimal(1).scaleb(-digits))
        if factor and distribution(close, factor / after) == wanted:
            return factor
    return exact


def _split_factor(after: Decimal, change: Change) -> Decimal:
    """The split factor before a split. Cut, never rounded up: shares are divided by it, and none may get lost."""
    if change.split == 1:
        return after
    exact = after * change.split.denominator / change.split.numerator
    cut = exact.quantize(SPLIT_STEP, ROUND_DOWN)
    return (cut or exact).normalize()
