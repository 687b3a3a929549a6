"""A real run to draw: a year of decisions on the invented market, traded with limits, blocks and a buffer, and judged."""

from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from workbench.judgement.evidence import Evidence
from workbench.judgement.orders import OrderRow
from workbench.judgement.reconciliation import Reconciliation
from workbench.judgement.shortfall import sum_shortfalls
from workbench.running.desk import Desk
from workbench.showing.report import Provenance

FIRST, LAST = date(2019, 6, 3), date(2020, 6, 1)
TROUBLE = {"order_type": "LMT", "limit_offset_bps": 30, "cash_buffer_ratio": "0.03", "fee_bps": 1, "slippage_open_bps": 5,
           "risk_overrides": {"max_weight": 0.4, "blocked": ["GAMA"]}}


@dataclass(frozen=True)
class Traded:
    """A run as the report and the panel get it."""

    desk: Desk
    evidence: Evidence
    judged: Reconciliation
    provenance: Provenance


@cache
def trade(folder: Path, market: Path) -> Traded:
    """Decide every month, trade all of it with trouble on the way, and judge. The same folder is traded in once."""
    desk = Desk(folder, market=market)
    dates = desk.rebalance_dates(FIRST, LAST, "month-start")
    assert len(list(desk.decide_each("momentum", dates, {"lookback": 60, "skip": 5, "top_n": 3}))) == len(dates)
    done = desk.execute(desk.decisions("momentum"), desk.params(**TROUBLE))
    evidence = desk.evidence(done)
    return Traded(desk, evidence, desk.reconcile(done), Provenance(evidence=evidence, attempt=done.attempt))


def without_mark(traded: Traded, at: int) -> Reconciliation:
    """The same judged as if one date had no mark: what its numbers need is not known."""
    from workbench.judgement.reconciliation import reconcile

    day = traded.judged.dates[at].rebalance_date
    lines = tuple(line for line in traded.evidence.marks if line.occurred_at.date() != day)
    return reconcile(replace(traded.evidence, marks=lines))


class Page(HTMLParser):
    """A page taken apart: elements with their attributes, ids, links, and the text that a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self._text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._open.append(tag)
            self.scripts.append("")

    def handle_endtag(self, tag):
        if self._open and tag == self._open[-1]:
            self._open.pop()

    def handle_data(self, data):
        if self._open:
            self.scripts[-1] += data
        else:
            self._text.append(data)

    @property
    def text(self) -> str:
        """What is written, with single spaces."""
        return " ".join(" ".join(self._text).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def lengthen(traded: Traded, names: int = 100) -> Traded:
    """The same run as if it had traded so many names: rows, gaps and fills again and again, two of them late, under other names."""
    judged, dates, fills = traded.judged, [], []
    for one in judged.dates:
        rows = tuple(_renamed(one.rows[at % len(one.rows)], at) for at in range(names))
        gaps = tuple(replace(one.waterfall.gaps[at % len(one.waterfall.gaps)], symbol=f"N{at:03}", instrument_id=f"N{at:03} X")
                     for at in range(names))
        for at, row in enumerate(rows):
            of_row = one.rows[at % len(one.rows)].order_intent_id
            fills += [replace(fill, order_intent_id=row.order_intent_id, symbol=row.symbol, order_id=f"{fill.order_id}{at:03}")
                      for fill in traded.evidence.fills if fill.order_intent_id == of_row]
        shortfall = sum_shortfalls(row.shortfall for row in rows)
        dates.append(replace(one, rows=rows, waterfall=replace(one.waterfall, gaps=gaps), shortfall=shortfall))
    evidence = replace(traded.evidence, fills=tuple(fills))
    known = replace(judged, dates=tuple(dates), shortfall=sum_shortfalls(one.shortfall for one in dates), late=tuple(fills[:2]))
    return Traded(traded.desk, evidence, known, replace(traded.provenance, evidence=evidence))


def _renamed(row: OrderRow, at: int) -> OrderRow:
    symbol, ids = f"N{at:03}", tuple(f"{order_id}{at:03}" for order_id in row.order_ids)
    return replace(row, symbol=symbol, instrument_id=f"{symbol} X", order_intent_id=f"{row.order_intent_id}-{symbol}",
                   order_ids=ids, order_refs=tuple(f"{row.order_intent_id}-{symbol}.1" for _ in row.order_refs))
