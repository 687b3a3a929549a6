"""The body of a report: its long tables and its figures. In a long report what matters stands in the page, and all is packed."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from workbench.judgement.rebalance import Judged
from workbench.judgement.reconciliation import Reconciliation
from workbench.showing import charts, packed, rows
from workbench.words.event import Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One date: markup of the `orders` and weights that stand in the page, `standing` of `every` weights; and figures or a pack.

    `moved` is ½ Σ|Δw| of each cause, a fraction, where it is not 0. The `pack` is a long report's.
    """

    judged: Judged
    orders: str
    weights: str
    standing: int
    every: int
    moved: Mapping[str, Decimal]
    figures: Mapping[str, Any]
    pack: str | None

    @property
    def day(self) -> date:
        """The rebalance date."""
        return self.judged.rebalance_date


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a page has of rows and figures: its `days`, the tables of fills as markup, and what is told to the script.

    `standing` says which rows stand in the page of a long report. `intents` counts the orders' rows.
    """

    days: Sequence[Day]
    intents: int
    late: str
    external: str
    drawn: Mapping[str, Any]
    standing: packed.Standing | None


def compose(judged: Reconciliation, fills: Iterable[Fill]) -> Body:
    """The tables and figures of a reconciliation; `fills` are the run's."""
    late = frozenset(judged.late)
    late_intents = {fill.order_intent_id for fill in late if fill.order_intent_id is not None}
    standing = packed.choose(judged.dates, late_intents) if packed.is_long(judged.dates) else None
    filled: dict[str | None, list[Fill]] = defaultdict(list)
    for fill in fills:
        filled[fill.order_intent_id].append(fill)
    days, intents = [], 0
    for one in judged.dates:
        orders = [rows.order(one, row, filled.get(row.order_intent_id, ()), late if row.order_intent_id in late_intents else ())
                  for row in one.rows]
        days.append(_day(one, intents + 1, orders, standing))
        intents += len(orders)
    return Body(days=days, intents=intents, late=_table("Late fills", judged.late, late), standing=standing,
                external=_table("External fills", judged.external, late), drawn=_drawn(judged, days, standing))


def _day(judged: Judged, first: int, orders: Sequence[rows.Order], standing: packed.Standing | None) -> Day:
    """One date, whose orders are those from the `first` of the report on."""
    waterfall = judged.waterfall
    moved = {} if waterfall is None else {cause: size for cause, size in waterfall.moved if size}
    form, every = rows.gap_form(moved), () if waterfall is None else waterfall.every
    weights = [rows.gap_texts(gap, moved) for gap in every]
    kept: Sequence[int] = range(len(weights))
    shown = list(enumerate(orders, first))
    figures = {"gaps": _body(*charts.gaps_figure(judged)), "weights": _body(*charts.weights_figure(judged))}
    pack = None
    if standing is not None:
        kept = [*charts.largest(every[:-1], standing.share), *kept[-1:]]            # and cash
        shown = [told for row, told in zip(judged.rows, shown, strict=True) if row.order_intent_id in standing.intents]
        pack = packed.pack(first, orders, weights, form.markup, figures)
    return Day(judged=judged, orders="".join(order.fill(at) for at, order in shown), standing=len(kept), every=len(weights),
               weights="".join(form.fill(weights[at]) for at in kept), moved=moved, figures={} if pack else figures, pack=pack)


def _drawn(judged: Reconciliation, days: Iterable[Day], standing: packed.Standing | None) -> dict[str, Any]:
    """What the page's script draws: the figures of the run and, of a short report, of each date; of a long one its rows' forms."""
    figures = {"equity": charts.draw_equity(judged), "causes": charts.draw_causes(judged.dates),
               "shortfall": charts.draw_shortfall(judged.dates), "turnover": charts.draw_turnover(judged.dates)}
    bodies = {name: figure.to_plotly_json() for name, figure in figures.items()}
    drawn = {"figures": {name: _body(body["data"], body["layout"]) for name, body in bodies.items()},
             "dates": {one.day.isoformat(): one.figures for one in days if one.figures}}
    if standing is None:
        return drawn
    forms = {"order": rows.ORDER.markup, "fills": rows.FILLS.markup, "fill": rows.FILL.markup}
    return {**drawn, "every": standing.every, "columns": rows.COLUMNS, "cells": rows.ORDER.cells, "forms": forms,
            "searched": rows.SEARCHED, "like": packed.LIKE, "own": packed.OWN}


def _body(data: Any, layout: Any) -> dict[str, Any]:
    return {"data": data, "layout": layout}


def _table(caption: str, fills: Sequence[Fill], late: Collection[Fill]) -> str:
    """The first of some fills, as markup."""
    return rows.fill_table(caption, [rows.fill_texts(fill, late) for fill in fills[:packed.SHORT]])
