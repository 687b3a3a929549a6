"""Figures of a reconciliation: the report and the panel draw the same ones, so they cannot disagree.

Ink, no numbers: every value drawn was judged before. The same reconciliation gives the same figure, byte for byte.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from workbench.judgement.deviation import CAUSES, Gap
from workbench.judgement.performance import drawdowns
from workbench.judgement.rebalance import Judged
from workbench.judgement.reconciliation import Reconciliation
from workbench.showing import numerals

if TYPE_CHECKING:
    import plotly.graph_objects as go

FONT = ('-apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Noto Sans", Ubuntu, "Helvetica Neue", "Liberation Sans", '
        '"DejaVu Sans Condensed", system-ui, sans-serif')
INK, MUTED, FAINT, RULE = "#1c2733", "#56636f", "#a3adb7", "#e3e7eb"
REAL, INTENDED = "#0072b2", "#8a949e"

# Okabe and Ito for the four parts, Tol's muted nine for the causes: both are told apart by colour-blind readers.
PARTS = {"delay": "#e69f00", "execution": "#0072b2", "unsplit": "#8a949e", "opportunity": "#cc79a7", "fees": "#009e73"}
CAUSE_COLOURS = dict(zip(CAUSES, ("#117733", "#999933", "#44aa99", "#cc6677", "#882255", "#aa4499", "#ddcc77", "#88ccee",
                                  "#332288"), strict=True))
CAUSE_NAMES = {"buffer": "cash buffer", "caps": "risk caps", "rounding": "whole lots", "blocked": "blocked, rejected",
               "residual": "not filled", "external": "outside the plan", "cost": "cost of fills", "drift": "price drift",
               "broker_break": "broker break"}
MOST_POINTS = 2_000
MOST_TICKS = 14
MOST_SYMBOLS = 40                           # of more, the largest gaps are drawn
MOST_SESSIONS_WITHOUT_WEEKENDS = 130        # in a longer line two days in seven are not seen
ROW = 30                                    # pixels a symbol takes

Plain = tuple[list[dict[str, Any]], dict[str, Any]]         # a figure's traces and its layout


def draw_equity(judged: Reconciliation) -> go.Figure:
    """The account's value and its drawdown, one above the other, the paper portfolio's beside them where there is one.

    The right axis is the growth of what the account was worth at the first decision, on which the paper portfolio is 1.
    """
    curve, tracking = judged.curve, judged.tracking
    kept = thin(curve.equity)
    lines = [_line(_iso(curve.days, kept), _floats(curve.equity, kept), REAL, "account", 2,
                   _each(numerals.dollars, curve.equity, kept), uid="equity")]
    layout = _layout(height=440, hovermode="x unified", legend=_legend(), margin=_margin(left=86, right=58, top=34, bottom=34))
    layout |= {"yaxis": _axis("USD", domain=[0.36, 1], tickformat=",.0f"),
               "yaxis2": _axis("below the high", domain=[0, 0.27], tickformat=",.2~%", rangemode="tozero"),
               "xaxis": _axis(None, showgrid=False, anchor="y2", type="date", hoverformat="%-d %b %Y",
                              rangebreaks=_weekends(curve.days))}
    falls = _drawdowns(curve.equity)
    if falls:
        kept = thin(falls)
        lines.append(_line(_iso(curve.days, kept), _floats(falls, kept), REAL, "account, below its high", 1,
                           _each(numerals.percent, falls, kept), uid="drawdown", yaxis="y2", fill="tozeroy",
                           fillcolor="rgba(0,114,178,0.12)", showlegend=False))
    if tracking is not None:
        kept = thin(tracking.paper)
        base = curve.at(tracking.days[0])
        every = [*curve.equity, *(value * (base or 1) for value in tracking.paper)]
        low, high = min(every), max(every)
        room = (high - low) / 20 or Decimal(1)
        ends = [low - room, high + room]
        layout["yaxis"]["range"] = [float(end) for end in ends]
        layout["yaxis3"] = _axis("growth of 1", overlaying="y", side="right", showgrid=False, tickformat=".2f",
                                 range=[float(end / (base or 1)) for end in ends], zeroline=False)
        lines.insert(0, _line(_iso(tracking.days, kept), _floats(tracking.paper, kept), INTENDED, "paper portfolio", 1.5,
                              _each(lambda value: f"{value:.4f}", tracking.paper, kept), uid="paper", yaxis="y3", dash="dot"))
    lines.append(_rebalances(judged))
    return _figure([line for line in lines if line], layout)


def draw_causes(dates: Sequence[Judged]) -> go.Figure:
    """By rebalance date: how much of the weights each cause moved, ½ Σ|change|, and the deviation that came of them."""
    known = [one for one in dates if one.waterfall is not None]
    days = [one.rebalance_date for one in known]
    moved = [dict(one.waterfall.moved) for one in known if one.waterfall is not None]
    bars = [_bar(days, [one[cause] for one in moved], CAUSE_COLOURS[cause], CAUSE_NAMES[cause], numerals.percent, uid=cause)
            for cause in CAUSES if any(one[cause] for one in moved)]
    deviation = _dots(days, [one.deviation for one in known], "deviation", numerals.percent, uid="deviation")
    return _figure([*bars, deviation], _by_date(days, "weight moved, ½ Σ|change|", tickformat=",.2~%", barmode="stack"))


def draw_gaps(judged: Judged) -> go.Figure:
    """One date: by symbol and for cash, what each cause added to or took from its weight. The diamond is the whole gap."""
    return _figure(*gaps_figure(judged))


def gaps_figure(judged: Judged) -> Plain:
    """The same as plain values. Of more than `MOST_SYMBOLS` the largest gaps are drawn, and said to be so."""
    gaps, which = _largest(judged)
    names = _rows(gaps)
    bars: list[dict[str, Any]] = []
    for at, cause in enumerate(CAUSES):
        changes = [gap.changes[at] for gap in gaps]
        if any(changes):
            bars.append({
                "type": "bar", "orientation": "h", "uid": cause, "name": CAUSE_NAMES[cause], "y": names,
                "x": [float(change) * 100 for change in changes], "marker": {"color": CAUSE_COLOURS[cause]}, "width": 0.56,
                "customdata": [[gap.symbol, numerals.points(change)] for gap, change in zip(gaps, changes, strict=True)],
                "hovertemplate": f"%{{y}}: {CAUSE_NAMES[cause]} %{{customdata[1]}}<extra></extra>"})
    whole = {"type": "scatter", "mode": "markers", "uid": "gap", "name": "gap", "y": names,
             "x": [float(gap.gap) * 100 for gap in gaps], "cliponaxis": False,
             "marker": {"symbol": "diamond", "size": 9, "color": INK, "line": {"color": "white", "width": 1.5}},
             "customdata": [[gap.symbol, numerals.points(gap.gap)] for gap in gaps],
             "hovertemplate": "%{y}: gap %{customdata[1]}<extra></extra>"}
    return [*bars, whole], _by_symbol(names, "filled less intended, percentage points", which, barmode="relative",
                                      tickformat=",.6~g")


def draw_waterfall(gap: Gap) -> go.Figure:
    """One symbol: from the intended weight, cause by cause, to the filled one. The steps sum to the gap exactly."""
    told = [(cause, change) for cause, change in gap.causes if change]
    names = ["intended", *(CAUSE_NAMES[cause] for cause, _ in told), "filled"]
    levels = [gap.target]
    for _, change in told:
        levels.append(levels[-1] + change)
    steps = {
        "type": "waterfall", "uid": "steps", "x": names[1:-1], "y": [float(change) * 100 for _, change in told],
        "measure": ["relative"] * len(told), "base": float(gap.target) * 100, "showlegend": False, "width": 0.6,
        "text": [numerals.points(change) for _, change in told], "textposition": "outside", "cliponaxis": False,
        "textfont": {"size": 11, "color": MUTED}, "connector": {"line": {"color": FAINT, "width": 1}},
        "increasing": {"marker": {"color": REAL}}, "decreasing": {"marker": {"color": "#d55e00"}},
        "hovertemplate": "%{x}: %{text}<extra></extra>"}
    ends = {"type": "scatter", "mode": "markers", "uid": "ends", "x": ["intended", "filled"], "showlegend": False,
            "y": [float(gap.target) * 100, float(gap.actual) * 100], "cliponaxis": False,
            "marker": {"symbol": "line-ew", "size": 46, "line": {"width": 3, "color": [INTENDED, REAL]}},
            "customdata": [numerals.percent(gap.target), numerals.percent(gap.actual)],
            "hovertemplate": "%{x}: %{customdata}<extra></extra>"}
    low, high = float(min(levels)) * 100, float(max(levels)) * 100
    room = (high - low) * 0.22 or 0.01
    layout = _layout(height=300, showlegend=False, margin=_margin(left=70, top=12, bottom=40))
    layout |= {"yaxis": _axis("weight, %", range=[low - room, high + room], tickformat=",.6~g", zeroline=False),
               "xaxis": _axis(None, showgrid=False, type="category", categoryorder="array", categoryarray=names),
               "annotations": [{"x": name, "y": float(weight) * 100, "text": f"<b>{numerals.percent(weight)}</b>", "yshift": 14,
                                "showarrow": False} for name, weight in (("intended", gap.target), ("filled", gap.actual))]}
    return _figure([steps, ends], layout)


def draw_weights(judged: Judged) -> go.Figure:
    """One date: by symbol and for cash, the intended weight as a ring, the filled one as a dot: on target is a bull's eye."""
    return _figure(*weights_figure(judged))


def weights_figure(judged: Judged) -> Plain:
    """The same as plain values. Of more than `MOST_SYMBOLS` the largest gaps are drawn, and said to be so."""
    gaps, which = _largest(judged)
    names = _rows(gaps)
    told = [[gap.symbol, numerals.percent(gap.target), numerals.percent(gap.actual), numerals.points(gap.gap)] for gap in gaps]
    hover = "<b>%{y}</b><br>intended %{customdata[1]}<br>filled %{customdata[2]}<br>gap %{customdata[3]}<extra></extra>"
    between: dict[str, Any] = {"type": "scatter", "mode": "lines", "uid": "between", "x": [], "y": [], "hoverinfo": "skip",
                               "line": {"color": FAINT, "width": 2}, "showlegend": False}
    for name, gap in zip(names, gaps, strict=True):
        between["x"] += [float(gap.target) * 100, float(gap.actual) * 100, None]
        between["y"] += [name, name, None]
    common = {"type": "scatter", "mode": "markers", "y": names, "customdata": told, "hovertemplate": hover, "cliponaxis": False}
    intended = {**common, "uid": "intended", "name": "intended", "x": [float(gap.target) * 100 for gap in gaps],
                "marker": {"symbol": "circle-open", "size": 15, "color": INK, "line": {"width": 1.5}}}
    filled = {**common, "uid": "filled", "name": "filled", "x": [float(gap.actual) * 100 for gap in gaps],
              "marker": {"size": 9, "color": REAL}}
    layout = _by_symbol(names, "weight, % of the account's value, cash included", which, tickformat=",.6~g")
    layout["margin"]["r"] = 86
    layout["annotations"] = [
        {"x": 1, "xref": "paper", "xanchor": "left", "xshift": 12, "y": name, "yref": "y", "text": numerals.points(gap.gap),
         "showarrow": False, "font": {"size": 12, "color": MUTED}} for name, gap in zip(names, gaps, strict=True)]
    return [between, intended, filled], layout


def draw_shortfall(dates: Sequence[Judged]) -> go.Figure:
    """By rebalance date: what each part of the implementation shortfall cost, in dollars. Above zero is cost, below is gain."""
    days = [one.rebalance_date for one in dates]
    bars = []
    for name, colour in PARTS.items():
        values = [dict(one.shortfall.parts)[name] for one in dates]
        if any(values):
            label = "delay and execution, not told apart" if name == "unsplit" else name
            bars.append(_bar(days, values, colour, label, _cost, uid=name))
    total = _dots(days, [one.shortfall.total for one in dates], "total", _cost, uid="total")
    return _figure([*bars, total], _by_date(days, "cost in USD (below zero: gain)", tickformat=",.0f", barmode="relative"))


def draw_turnover(dates: Sequence[Judged]) -> go.Figure:
    """By rebalance date: one-way turnover, intended and realised, as fractions of the account's value."""
    known = [one for one in dates if one.turnover is not None]
    days = [one.rebalance_date for one in known]
    pairs = [one.turnover for one in known if one.turnover is not None]
    bars = [_bar(days, [one.intended for one in pairs], "#c5ccd3", "intended", numerals.percent, uid="intended"),
            _bar(days, [one.realised for one in pairs], REAL, "realised", numerals.percent, uid="realised")]
    return _figure(bars, _by_date(days, "one-way turnover", tickformat=",.2~%", barmode="group"))


def thin(values: Sequence[Decimal], most: int = MOST_POINTS) -> tuple[int, ...]:
    """Places in a series that keep its shape in at most `most` points: the first, the last, and the exact lowest and highest
    value of each of equally long stretches. Every place where there are no more than that."""
    count = len(values)
    if count <= most:
        return tuple(range(count))
    stretches = (most - 2) // 2
    bounds = [1 + (count - 2) * number // stretches for number in range(stretches + 1)]
    kept = {0, count - 1}
    for first, stop in pairwise(bounds):
        kept |= {min(range(first, stop), key=values.__getitem__), max(range(first, stop), key=values.__getitem__)}
    return tuple(sorted(kept))


# Traces.

def _line(days: list[str], values: list[float], colour: str, name: str, width: float, told: list[str], *, uid: str,
          dash: str = "solid", **more: Any) -> dict[str, Any]:
    return {"type": "scatter", "mode": "lines", "uid": uid, "name": name, "x": days, "y": values, "customdata": told,
            "line": {"color": colour, "width": width, "dash": dash}, "hovertemplate": f"{name} %{{customdata}}<extra></extra>",
            **more}


def _bar(days: Sequence[date], values: Sequence[Decimal | None], colour: str, name: str, told: Callable[[Decimal | None], str],
         *, uid: str) -> dict[str, Any]:
    return {"type": "bar", "uid": uid, "name": name, "x": [day.isoformat() for day in days], "marker": {"color": colour},
            "y": [None if value is None else float(value) for value in values], "customdata": [told(value) for value in values],
            "hovertemplate": f"{name} %{{customdata}}<extra></extra>"}


def _dots(days: Sequence[date], values: Sequence[Decimal | None], name: str, told: Callable[[Decimal | None], str], *,
          uid: str) -> dict[str, Any]:
    return {"type": "scatter", "mode": "markers", "uid": uid, "name": name, "x": [day.isoformat() for day in days],
            "y": [None if value is None else float(value) for value in values], "customdata": [told(value) for value in values],
            "marker": {"symbol": "diamond", "size": 9, "color": INK, "line": {"color": "white", "width": 1.5}},
            "hovertemplate": f"<b>{name} %{{customdata}}</b><extra></extra>"}


def _rebalances(judged: Reconciliation) -> dict[str, Any]:
    """The rebalance dates, as rings on the curve."""
    marked = [(one.rebalance_date, judged.curve.at(one.rebalance_date)) for one in judged.dates]
    on = [(day, value) for day, value in marked if value is not None]
    return {"type": "scatter", "mode": "markers", "uid": "rebalances", "name": "rebalance", "hoverinfo": "skip",
            "x": [day.isoformat() for day, _ in on], "y": [float(value) for _, value in on],
            "marker": {"symbol": "circle", "size": 7, "color": "white", "line": {"color": REAL, "width": 1.5}}}


def largest(gaps: Sequence[Gap], most: int) -> list[int]:
    """Places of the `most` largest gaps, in order."""
    return sorted(sorted(range(len(gaps)), key=lambda at: abs(gaps[at].gap), reverse=True)[:most])


def _largest(judged: Judged) -> tuple[Sequence[Gap], str]:
    """The gaps of a date that are drawn, cash the last of them, and what is to be said of the others."""
    if judged.waterfall is None:
        return (), ""
    gaps, cash = judged.waterfall.gaps, judged.waterfall.cash
    if len(gaps) <= MOST_SYMBOLS:
        return judged.waterfall.every, ""
    which = f"The {MOST_SYMBOLS} largest gaps of {len(gaps):,} symbols, and cash"
    return [*(gaps[at] for at in largest(gaps, MOST_SYMBOLS)), cash], which


def _rows(gaps: Iterable[Gap]) -> list[str]:
    """A row's label a gap. Two instruments of one ticker are two rows."""
    names: list[str] = []
    for gap in gaps:
        label = html.escape(gap.symbol, quote=False)
        names.append(label if label not in names else f"{label} ({html.escape(gap.instrument_id or '', quote=False)})")
    return names


def _drawdowns(values: Sequence[Decimal]) -> tuple[Decimal, ...]:
    return drawdowns(values) if values and min(values) > 0 else ()


def _iso(days: Sequence[date], kept: Iterable[int]) -> list[str]:
    return [days[at].isoformat() for at in kept]


def _floats(values: Sequence[Decimal], kept: Iterable[int]) -> list[float]:
    return [float(values[at]) for at in kept]


def _each(told: Callable[[Decimal], str], values: Sequence[Decimal], kept: Iterable[int]) -> list[str]:
    return [told(values[at]) for at in kept]


def _cost(value: Decimal | None) -> str:
    return numerals.dollars(value, signed=True)


# Layouts.

def _figure(traces: Sequence[dict[str, Any]], layout: dict[str, Any]) -> go.Figure:
    import plotly.graph_objects as go

    return go.Figure(data=list(traces), layout=layout)


def _layout(**more: Any) -> dict[str, Any]:
    return {
        "template": {}, "font": {"family": FONT, "size": 12, "color": INK}, "paper_bgcolor": "white", "plot_bgcolor": "white",
        "hoverlabel": {"bgcolor": "white", "bordercolor": FAINT, "font": {"family": FONT, "size": 12, "color": INK}},
        "separators": ".,", "bargap": 0.35, "dragmode": False, **more}


def _margin(left: int = 60, right: int = 16, top: int = 34, bottom: int = 40) -> dict[str, Any]:
    return {"l": left, "r": right, "t": top, "b": bottom, "pad": 4}


def _legend() -> dict[str, Any]:
    return {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom", "font": {"size": 12},
            "itemsizing": "constant", "traceorder": "normal"}


def _axis(title: str | None, **more: Any) -> dict[str, Any]:
    axis = {"showgrid": True, "gridcolor": RULE, "zeroline": True, "zerolinecolor": FAINT, "zerolinewidth": 1, "ticks": "",
            "showline": False, "tickfont": {"color": MUTED}, "automargin": True, "fixedrange": True, **more}
    if title:
        axis["title"] = {"text": title, "font": {"size": 12, "color": MUTED}, "standoff": 10}
    return axis


def _by_date(days: Sequence[date], title: str, *, tickformat: str, barmode: str) -> dict[str, Any]:
    """Bars over rebalance dates, evenly apart however far the dates are."""
    step = -(-len(days) // MOST_TICKS) or 1
    ticks = days[::step]
    years = [None, *(day.year for day in ticks)]
    labels = [f"{day.day} {numerals.MONTHS[day.month - 1]}" + (f"<br>{day.year}" if day.year != before else "")
              for day, before in zip(ticks, years, strict=False)]
    layout = _layout(height=340, barmode=barmode, hovermode="x unified", legend=_legend(), margin=_margin(left=76))
    layout["xaxis"] = _axis(None, showgrid=False, type="category", tickvals=[day.isoformat() for day in ticks], ticktext=labels,
                            categoryorder="array", categoryarray=[day.isoformat() for day in days], zeroline=False)
    layout["yaxis"] = _axis(title, tickformat=tickformat)
    return layout


def _by_symbol(names: Sequence[str], title: str, which: str, **more: Any) -> dict[str, Any]:
    """One row a symbol, in the order given, from the top; `which` they are is said above them."""
    layout = _layout(height=84 + ROW * max(len(names), 1), legend=_legend(), margin=_margin(left=64, bottom=44),
                     hovermode="closest", barmode=more.pop("barmode", "relative"))
    layout["yaxis"] = _axis(None, showgrid=False, type="category", categoryorder="array", categoryarray=list(names),
                            autorange="reversed", zeroline=False)
    if which:
        layout["legend"]["title"] = {"text": which, "side": "top", "font": {"size": 12, "color": MUTED}}
        # plotly leaves room in proportion above and below, which is too much of many rows
        layout["yaxis"] |= {"autorange": False, "range": [len(names) - 0.4, -0.6]}
    layout["xaxis"] = _axis(title, side="bottom", **more)
    return layout


def _weekends(days: Sequence[date]) -> list[dict[str, Any]]:
    return [{"bounds": ["sat", "mon"]}] if len(days) <= MOST_SESSIONS_WITHOUT_WEEKENDS else []
