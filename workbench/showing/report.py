"""The report: one HTML file that says what was wanted, what was traded and why the two differ, readable without a network.

Ink, no numbers: everything shown was judged before. Two reports of two attempts are the same but for the elements marked
`data-volatile`, which hold the attempt and the wall-clock times.
"""

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from workbench import __version__
from workbench.judgement.evidence import Evidence
from workbench.judgement.rebalance import Judged
from workbench.judgement.reconciliation import Reconciliation
from workbench.showing import charts, numerals, packed, pages, rows
from workbench.showing.body import compose
from workbench.showing.definitions import definitions
from workbench.words.event import BadLine
from workbench.words.params import ExecutionParams
from workbench.words.run import Attempt, Run

if TYPE_CHECKING:
    from markupsafe import Markup

VOLATILE = re.compile(r"<(span|time)\b[^>]*\sdata-volatile\b[^>]*>.*?</\1>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a reconciliation's numbers come from: what it looked at, the attempt, and the lines that could not be read.

    `data` is the data folder as a person in the project's folder would write it, `versions` what made the report, and
    `rendered_at` the wall clock, None to leave it out.
    """

    evidence: Evidence
    attempt: Attempt
    bad_lines: tuple[BadLine, ...] = ()
    versions: tuple[tuple[str, str], ...] = (("workbench", __version__),)
    rendered_at: datetime | None = None
    data: str = "data"

    @property
    def commands(self) -> tuple[str, ...]:
        """What to type, in the project's folder, to have the run and this report made again from the recorded decisions."""
        run, where = self.evidence.run, [] if self.data == "data" else ["--data", self.data]
        until = [] if not run.rebalance_dates else ["--until", run.rebalance_dates[-1].isoformat()]
        options = ["--strategy", run.strategy, *until, "--params", f"{self.data}/params/{run.params_id}.json"]
        trade = ["workbench", "run", *options, "--engine", run.engine, "--cash", numerals.exact(run.cash), *where]
        return shlex.join(trade), shlex.join(["workbench", "report", run.run_id, *where])


def render(reconciliation: Reconciliation, provenance: Provenance) -> str:
    """The whole report as HTML. It asks for nothing outside itself, and lets no script run but its own two.

    Of more rows than a page should hold those that matter stand in it; all are packed in the same file and drawn when asked for.
    """
    evidence, dates = provenance.evidence, reconciliation.dates
    script, body = pages.text("packed.js") + pages.text("report.js"), compose(reconciliation, evidence.fills)
    return pages.template("report.html.jinja").render(
        report=reconciliation, provenance=provenance, evidence=evidence, run=evidence.run, body=body, drawn=_json(body.drawn),
        params=_params(evidence.params), sentence=_sentence(reconciliation, evidence.run), worst=_worst(dates),
        unknown=_unknown(reconciliation), statuses=sorted({row.status for one in dates for row in one.rows}),
        cell=_cell, number=rows.number, relative=rows.relative, most=packed.SHORT,
        decisions=sorted(evidence.snapshots, key=lambda snapshot: snapshot.rebalance_date),
        cause_names=charts.CAUSE_NAMES, definitions=definitions(reconciliation.convention),
        style=pages.text("report.css"), plotly=_plotly(), script=script, policy=_policy(_plotly(), script),
    )


def without_volatile(page: str) -> str:
    """A report without what differs between two attempts at the same run: the attempt's number and wall-clock times."""
    return VOLATILE.sub("", page)


def _cell(text: str, kind: str) -> "Markup":
    from markupsafe import Markup

    return Markup(rows.cell(text, kind))


def _json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end the element or begin a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _sentence(judged: Reconciliation, run: Run) -> str:
    """What was run, in one sentence."""
    days = [one.rebalance_date for one in judged.dates]
    if not days:
        return f"{run.strategy} has no rebalance date here."
    span = f"on {len(days)} rebalance dates from {numerals.day(days[0])} to {numerals.day(days[-1])}"
    if len(days) == 1:
        span = f"on {numerals.day(days[0])}"
    what = {"backtest": "in a backtest", "paper": "on paper,", "live": "live,"}[run.mode]
    begun = f"from {numerals.dollars(run.cash)} USD" if run.mode == "backtest" else f"on account {run.account}"
    return f"{run.strategy} decided its weights {span}, and the {run.engine} engine traded them {what} {begun}."


def _worst(dates: Sequence[Judged]) -> dict[str, Judged | None]:
    """The date with the largest deviation, and that with the most unfilled dollars."""
    deviating = [one for one in dates if one.deviation is not None]
    unfilled = [one for one in dates if one.unfilled_usd]
    return {"deviation": max(deviating, key=lambda one: one.deviation or Decimal(0), default=None),
            "unfilled": max(unfilled, key=lambda one: one.unfilled_usd or Decimal(0), default=None)}


def _unknown(judged: Reconciliation) -> list[tuple[date | None, str]]:
    """Everything that is said not to be known, with its date where it has one."""
    said: list[tuple[date | None, str]] = [(None, reason) for reason in judged.reasons]
    if judged.curve.why is not None:
        said.append((None, f"the curve is made of the engine's marks: {judged.curve.why}"))
    return said + [(one.rebalance_date, reason) for one in judged.dates for reason in one.reasons]


def _params(params: ExecutionParams) -> list[tuple[str, str, bool]]:
    """Each execution param as text, and whether it is not the default; limits by their own names."""
    limits = params.risk_overrides
    told = [(item.name, getattr(params, item.name), item.default) for item in fields(params) if item.name != "risk_overrides"]
    told += [(f"risk_overrides.{item.name}", getattr(limits, item.name), item.default) for item in fields(limits)]
    return [(name, numerals.plain(value), value != usual) for name, value, usual in told]


def _policy(*scripts: str) -> str:
    """A content security policy: no request to anywhere, and no script but these."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
            "form-action 'none'")


@cache
def _plotly() -> str:
    """plotly.js, as the installed package ships it."""
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    assert "</script" not in script.lower()
    return script
