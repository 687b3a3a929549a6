"""The charts of a result file, as JSON text, made from a run's samples when it is over."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from itertools import groupby

from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import WIDE, number, smart
from workbench.engines.embedded.sampling import Candle, Sampler, Series, Shares
from workbench.engines.embedded.security import Security

LINE, CANDLE, BAR, TREEMAP = 0, 2, 3, 7
DAY = 86400
OTHERS = "OTHERS"           # all stocks that have no line of their own
LONGEST_STEP, POINTS_OF_A_SUMMARY = 7, 100

Points = Iterable[tuple[int, Decimal]]
Charts = dict[str, dict[str, object]]


class Text(str):
    """JSON text already."""

    __slots__ = ()


def charts(sampler: Sampler, securities: Sequence[Security]) -> Charts:
    """Every chart that Lean makes by itself, by name; the two by stock only where something was traded."""
    nothing = ((utc, ZERO) for utc, _ in sampler.returns.points)
    found: Charts = {
        "Strategy Equity": _chart("Strategy Equity", {"Equity": candles("Equity", sampler.equity),
                                                      "Return": _series("Return", "%", sampler.returns.points, index=1, kind=BAR)}),
        "Benchmark": _chart("Benchmark", {"Benchmark": _series("Benchmark", "$", nothing)}),
        "Drawdown": _chart("Drawdown", {"Equity Drawdown": _series("Equity Drawdown", "%", sampler.drawdown.points)}),
    }
    exposure = {f"Equity - {side} Ratio": series for side, series in (("Long", sampler.long), ("Short", sampler.short))}
    if sampler.long.points:
        found["Exposure"] = _chart("Exposure", _lines(exposure))
    if sampler.sales:
        found["Assets Sales Volume"] = _chart("Assets Sales Volume", {
            name: _series_of(name, "$", values, kind=TREEMAP) for name, values in _by_stock(sampler.sales, securities).items()})
    found["Capacity"] = _chart("Capacity", {"Strategy Capacity": _series("Strategy Capacity", "$", sampler.capacity.points)})
    if sampler.turnover.points:
        name = "Portfolio Turnover"
        found[name] = _chart(name, {name: _series(name, "%", sampler.turnover.points)})
    margins = {name: _margin(name, values) for name, values in _by_stock(sampler.margins, securities, ends=True).items()}
    found["Portfolio Margin"] = {**_chart("Portfolio Margin", margins), "legendDisabled": True}
    return found


def summary_chart(equity: list[Candle]) -> Charts:
    """The one chart of a summary: the equity, thinned out to a candle of several days where there are many points."""
    step = min(LONGEST_STEP, len(equity) // POINTS_OF_A_SUMMARY)
    points = equity if step <= 1 else thinned(equity, step * DAY)
    return {"Strategy Equity": _chart("Strategy Equity", {"Equity": candles("Equity", points)})}


def candles(name: str, points: Iterable[Candle]) -> Text:
    """A series of candles in dollars."""
    return Text(f'{{"name":"{name}","unit":"$","index":0,"seriesType":{CANDLE},"values":[{",".join(map(_candle, points))}]}}')


def thinned(points: list[Candle], step: int) -> list[Candle]:
    """Candles `step` seconds apart from the first one's time on, each of those since the one before.

    As Lean samples them (SeriesSampler): prices are cut to whole dollars, the close is on the line from the first one's
    open to the last one's close.
    """
    found, first = [points[0]], 1
    due = points[0].utc + step
    for place in range(1, len(points)):
        current = points[place]
        if due > current.utc:
            continue
        group = points[first : place + 1]
        template = _aggregated(group)
        began, before = points[first - 1].utc, None
        while due <= current.utc:
            candle = template._replace(utc=due, close=_on_line(began, group[0].open, current, due))
            if before is not None:
                candle = candle._replace(open=before.close)
            before = candle
            if len(group) == 1:
                candle = before = candle._replace(high=max(candle.open, candle.close), low=min(candle.open, candle.close))
            found.append(candle)
            due += step
        first = place + 1
    return found


def _aggregated(group: list[Candle]) -> Candle:
    whole = [smart(value.quantize(Decimal(1), ROUND_DOWN, context=WIDE)) for value in (
        group[0].open, max(candle.high for candle in group), min(candle.low for candle in group), group[-1].close)]
    return Candle(group[-1].utc, *whole)


def _on_line(began: int, opened: Decimal, current: Candle, at: int) -> Decimal:
    return smart((current.close - opened) * (at - began) / (current.utc - began) + opened)


def _candle(candle: Candle) -> str:
    if candle.open is candle.close and candle.high is candle.low:
        value = number(candle.open)
        return f"[{candle.utc},{value},{value},{value},{value}]"
    return f"[{candle.utc},{number(candle.open)},{number(candle.high)},{number(candle.low)},{number(candle.close)}]"


def _chart(name: str, series: Mapping[str, Text]) -> dict[str, object]:
    return {"name": name, "chartType": 0, "series": dict(series)}


def _lines(series: Mapping[str, Series]) -> dict[str, Text]:
    return {name: _series(name, "", line.points) for name, line in series.items()}


def _series(name: str, unit: str, points: Points, *, index: int = 0, kind: int = LINE) -> Text:
    values = ",".join([f"[{utc},{number(value)}]" for utc, value in points])
    return _series_of(name, unit, values, index=index, kind=kind)


def _series_of(name: str, unit: str, values: str, *, index: int = 0, kind: int = LINE) -> Text:
    return Text(f'{{"name":"{name}","unit":"{unit}","index":{index},"seriesType":{kind},"values":[{values}],'
                '"color":"","scatterMarkerSymbol":"none"}')


def _margin(name: str, values: str) -> Text:
    color = "#808080" if name == OTHERS else ""
    return Text(f'{{"name":"{name}","unit":"%","index":0,"seriesType":{BAR},"indexName":"Margin Used (%)",'
                f'"tooltip":"{{SERIES_NAME}}: {{VALUE}}%","values":[{values}],"color":"{color}",'
                '"scatterMarkerSymbol":"none"}')


def _by_stock(samples: list[tuple[int, Shares]], securities: Sequence[Security], *, ends: bool = False) -> dict[str, str]:
    """The points of each stock's line. With `ends`, a point without a value where the stock is in a sample no longer.

    Days on which nothing moved share one object: of those the number is written once, and set between the times.
    """
    names, lines, before = [str(security.symbol) for security in securities], dict[str, list[str]](), set[str]()
    for times, shares in _stretches(samples):
        here = [(names[index], value) for index, value in shares.of]
        if shares.others is not None:
            here.append((OTHERS, shares.others))
        frame = [f"[{times[0]},", *(f"],[{utc}," for utc in times[1:]), "]"]
        for name, value in here:
            lines.setdefault(name, []).append(number(value).join(frame))
        if ends:
            present = {name for name, _ in here}
            for name in before - present:
                lines[name].append(f"[{times[0]},null]")
            before = present
    return {name: ",".join(points) for name, points in lines.items()}


def _stretches(samples: Iterable[tuple[int, Shares]]) -> Iterator[tuple[list[int], Shares]]:
    """Samples one after the other that share one object: their times, and the object."""
    for _, group in groupby(samples, key=lambda sample: id(sample[1])):
        same = list(group)
        yield [utc for utc, _ in same], same[0][1]
