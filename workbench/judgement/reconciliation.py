"""A run judged: what was wanted, what was traded, and why the two differ. Numbers only; others draw them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from workbench.collecting import without_collecting
from workbench.errors import MissingPrice, NotRecorded, UnknownName
from workbench.judgement.checks import Check, check
from workbench.judgement.evidence import Evidence, Heard
from workbench.judgement.performance import Curve, Summary, equity_curve, summarise
from workbench.judgement.plan import Day
from workbench.judgement.rebalance import Judged, judge
from workbench.judgement.shortfall import CONVENTIONS, Shortfall, sum_shortfalls
from workbench.judgement.tracking import Tracking, track
from workbench.words.event import Fill

__all__ = ["Evidence", "Judged", "Reconciliation", "reconcile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """A run beside its decisions: one `Judged` a rebalance date, their sums, the account's curve, and the checks.

    `convention` is that of the shortfall's split (docs/measures.md §2), `basis` whose prices these are. The `shortfall` is
    the sum over the dates judged; curve, summary, tracking and `external` (every fill that belongs to no intent) are the
    whole run's. `reasons` say why a number is None.
    """

    run_id: str
    attempt: int
    strategy: str
    mode: str
    convention: str
    basis: str
    dates: tuple[Judged, ...]
    shortfall: Shortfall
    curve: Curve
    summary: Summary
    tracking: Tracking | None
    late: tuple[Fill, ...]
    external: tuple[Fill, ...]
    checks: tuple[Check, ...]
    reasons: tuple[str, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(one for one in self.checks if one.holds is False)

    def date(self, day: date) -> Judged:
        """One rebalance date. Raises `NotRecorded` for one that was not judged."""
        found = next((judged for judged in self.dates if judged.rebalance_date == day), None)
        if found is None:
            known = (judged.rebalance_date for judged in self.dates)
            raise NotRecorded(f"a rebalance on {day} in run {self.run_id}", _known(known))
        return found

    def __repr__(self) -> str:
        looked = [one for one in self.checks if one.holds is not None]
        return (f"Reconciliation({self.strategy}, {len(self.dates)} dates, {self.shortfall!r}, "
                f"{len(looked) - len(self.failed)} of {len(looked)} checks hold, {self.run_id} attempt {self.attempt})")


@without_collecting()
def reconcile(evidence: Evidence, *, convention: str = "A", dates: Iterable[date] | None = None) -> Reconciliation:
    """Judge a run: all its rebalance dates, or those given, in the order of time.

    Raises `NotRecorded` for a date on which the run was not to rebalance, and `UnknownName` for another convention than A
    (CFA) or B (Kissell).
    """
    if convention not in CONVENTIONS:
        raise UnknownName("shortfall convention", convention, CONVENTIONS)
    heard = Heard(evidence)
    days = tuple(Day(heard, day) for day in _dates(evidence, dates))
    judged = tuple(judge(day, convention) for day in days)
    curve = equity_curve(heard)
    tracking, reasons = _tracking(heard, curve)
    return Reconciliation(
        run_id=evidence.run.run_id, attempt=evidence.attempt, strategy=evidence.run.strategy, mode=evidence.run.mode,
        convention=convention, dates=judged, shortfall=sum_shortfalls(one.shortfall for one in judged), curve=curve,
        basis="adjusted prices; decision prices are the sizing prices" if evidence.adjusted else "raw prices",
        summary=summarise(curve), tracking=tracking, late=tuple(fill for one in judged for fill in one.late),
        external=tuple(fill for fill in heard.fills if fill.order_intent_id is None), checks=check(heard, days, judged, curve),
        reasons=reasons,
    )


def _dates(evidence: Evidence, wanted: Iterable[date] | None) -> tuple[date, ...]:
    known = {*evidence.run.rebalance_dates, *(line.rebalance_date for line in evidence.rebalances),
             *(intent.rebalance_date for intent in evidence.intents)}
    chosen = known if wanted is None else set(wanted)
    for day in sorted(chosen - known):
        raise NotRecorded(f"a rebalance on {day} in run {evidence.run.run_id}", _known(known))
    return tuple(sorted(chosen))


def _tracking(heard: Heard, curve: Curve) -> tuple[Tracking | None, tuple[str, ...]]:
    """The tracking, or why there is none."""
    if curve.why is not None:
        return None, (f"the curve has no value for each session ({curve.why}), so there is no tracking difference",)
    try:
        tracking = track(heard, curve)
    except MissingPrice as error:
        return None, (f"no tracking difference: {error}",)
    return tracking, () if tracking is not None else ("no tracking difference: the curve does not reach back to a decision",)


def _known(days: Iterable[date]) -> str:
    return "it has " + (", ".join(map(str, sorted(days))) or "none")
