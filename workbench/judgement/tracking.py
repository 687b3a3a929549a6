"""The account beside the paper portfolio of its own decisions: turnover, cash drag, tracking difference.

Source: docs/measures.md §5. The paper portfolio holds each decision's target weights from its decision price to the next
decision's, at closes, without cost; its dividends are kept as cash, and cash earns nothing, as in a backtest of Lean's.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import numpy as np

from workbench.errors import MissingPrice
from workbench.judgement.deviation import Gap
from workbench.judgement.evidence import Heard, Mark
from workbench.judgement.holdings import ZERO, session_of
from workbench.judgement.performance import ENOUGH, SESSIONS_A_YEAR, Curve, annual_volatility, returns
from workbench.market.bars import SCALE
from workbench.words.identity import money
from workbench.words.snapshot import Snapshot

ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turnover:
    """One-way turnover, as fractions of the account's value at sizing (docs/measures.md §5).

    `intended` is ½ Σ|w* − w⁰| over what the plan names, without cash; `realised` ½ Σ|dollars filled| ÷ value.
    """

    intended: Decimal
    realised: Decimal

    @property
    def gap(self) -> Decimal:
        """Realised less intended."""
        return self.realised - self.intended

    @property
    def ratio(self) -> Decimal | None:
        """Realised ÷ intended; None where nothing was intended."""
        return money(self.realised / self.intended) if self.intended else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashDrag:
    """What cash that should not, or should, have been there cost until the next mark, as a fraction (docs/measures.md §5).

    (w_cash − w*_cash) · `risky_return`, cash itself earning 0; positive is return lost. `risky_return` is that of a dollar
    in the target book, Σ w*·r ÷ Σ w*. `by_cause` splits it by what moved the cash, and sums to it exactly.
    """

    until: date
    risky_return: Decimal
    total: Decimal
    by_cause: tuple[tuple[str, Decimal], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """The account's return beside its paper portfolio's over the same sessions, as fractions (docs/measures.md §5).

    `error` is the sample standard deviation of the sessions' differences · √252; None for fewer than 252 sessions. `days` and
    `paper` are the paper portfolio's value at each close, from 1.
    """

    real_return: Decimal
    paper_return: Decimal
    error: Decimal | None
    days: tuple[date, ...] = field(repr=False)
    paper: tuple[Decimal, ...] = field(repr=False)
    convention: str = f"from the first decision on; {SESSIONS_A_YEAR} sessions a year; tracking error from {ENOUGH} sessions"

    @property
    def difference(self) -> Decimal:
        """Tracking difference: real less paper return."""
        return self.real_return - self.paper_return

    @property
    def sessions(self) -> int:
        """Sessions compared."""
        return len(self.days) - 1


def cash_drag(heard: Heard, targets: Mapping[str, Decimal], cash: Gap, first: Mark, last: Mark) -> CashDrag | None:
    """The drag between two marks. None for a target book that is not net long: it has no return per dollar.

    `targets` are target weights by instrument id, `cash` the cash's gap at the first mark. A stock that has left by the
    second mark counts at the last close in the bars. Raises `MissingPrice` for one without a close.
    """
    invested = sum(targets.values(), ZERO)
    if invested <= 0:
        return None
    earned = ZERO
    for instrument_id, weight in targets.items():
        if weight:
            closes = _close(heard, instrument_id, first), _close(heard, instrument_id, last)
            growth = heard.growth(instrument_id, *closes, after=first.occurred_at, until=last.occurred_at)
            earned += weight * (growth - 1)
    risky = money(earned / invested)
    return CashDrag(until=last.day, risky_return=risky, total=cash.gap * risky,
                    by_cause=tuple((cause, change * risky if change else ZERO) for cause, change in cash.causes))


def track(heard: Heard, curve: Curve) -> Tracking | None:
    """The account beside its paper portfolio, from the first decision's close to the curve's end.

    None where there is no decision, no value for every session since the first, or an account that came to nothing.
    Raises `MissingPrice` for a target without a close.
    """
    decisions = sorted(heard.evidence.snapshots, key=lambda snapshot: snapshot.rebalance_date)
    if curve.source != "bars" or not decisions or curve.days[0] > decisions[0].snapshot_date:
        return None
    start = sum(1 for day in curve.days if day <= decisions[0].snapshot_date) - 1
    days, real = curve.days[start:], curve.equity[start:]
    paper = _paper(heard, decisions, days)
    if min(*real, *paper) <= 0:
        return None
    moves = [ours - theirs for ours, theirs in zip(returns(real), returns(paper), strict=True)]
    return Tracking(real_return=money(real[-1] / real[0] - 1), paper_return=money(paper[-1] - 1), days=days, paper=paper,
                    error=annual_volatility(moves))


def _paper(heard: Heard, decisions: list[Snapshot], days: tuple[date, ...]) -> tuple[Decimal, ...]:
    """The paper portfolio's value at each of `days`, the first of which is the first decision's."""
    values, base, at = [ONE], ONE, 1
    columns = np.array(days, "datetime64[D]")
    held = {item.instrument_id for decision in decisions for item in decision.items if item.target_weight}
    closes = {name: heard.closes(name, columns).tolist() for name in held}
    ends = [decision.snapshot_date for decision in decisions[1:]] + [days[-1]]
    for decision, end in zip(decisions, ends, strict=True):
        stop = max(at, bisect_right(days, end))
        period = [decision.cash_weight] * (stop - at)
        for item in decision.items:
            if item.target_weight:
                share = item.target_weight / item.decision_price / SCALE
                told = closes[item.instrument_id][at:stop]
                worth = _worth(heard, item.instrument_id, decision.snapshot_date, days[at:stop], told)
                period = [value + share * one for value, one in zip(period, worth, strict=True)]
        values += [base * value for value in period]
        base, at = values[-1], stop
    return tuple(map(money, values))


def _worth(heard: Heard, instrument_id: str, since: date, days: Sequence[date],
           closes: Sequence[int]) -> Sequence[Decimal | int]:
    """What one share bought at the close of `since` is worth at each of `days`, with the dividends it paid.

    That and `closes`, which are those of `days`, are in dollars · 10000. Raises `MissingPrice` for a close of 0.
    """
    if not all(closes):
        raise MissingPrice(instrument_id, next(day for day, close in zip(days, closes, strict=True) if not close))
    events = [event for event in heard.actions(instrument_id) if session_of(event.occurred_at) > since]
    if not events or not days or session_of(events[0].occurred_at) > days[-1]:
        return closes
    shares, paid = ONE, ZERO
    worth: list[Decimal | int] = []
    for day, close in zip(days, closes, strict=True):
        while events and session_of(events[0].occurred_at) <= day:
            event = events.pop(0)
            paid += shares * (event.per_share or ZERO) * SCALE
            shares = shares / event.factor if event.factor is not None else shares
        worth.append(shares * close + paid)
    return worth


def _close(heard: Heard, instrument_id: str, mark: Mark) -> Decimal:
    close = mark.closes.get(instrument_id)
    if close is None and not heard.evidence.adjusted:
        close = heard.close_by(instrument_id, mark.day)
    if close is None:
        raise MissingPrice(instrument_id, mark.day)
    return close
