"""The result files, with Lean's names, keys and number formats, so that a reader of Lean's results reads ours."""

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench import files
from workbench.engines.embedded.backtest import Backtest
from workbench.engines.embedded.clock import utc_time
from workbench.engines.embedded.clr import pascal
from workbench.engines.embedded.enums import OrderType
from workbench.engines.embedded.orders import Event, Order, direction_of
from workbench.engines.embedded.sampling import Series
from workbench.engines.embedded.statistics import Outcome, printed, risk_free_rate
from workbench.engines.embedded.times_in_force import DayTimeInForce, GoodTilDateTimeInForce

VERSION = "v2.5.0.0"        # of Lean, whose behaviour of August 2026 this engine gives


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a run ended."""

    status: str
    started: datetime
    runtime_error: str = ""
    stack_trace: str = ""


def write_results(folder: Path, algorithm_id: str, run: Backtest | None, state: State, *, name: str,
                  parameters: Mapping[str, str]) -> dict[str, str]:
    """Write `<id>.json`, `<id>-order-events.json` (only where there were events) and `<id>-log.txt`; returns the statistics."""
    statistics = {} if run is None or not run.initialized else _statistics(run)
    body: dict[str, Any] = {
        "charts": {} if run is None else _charts(run),
        "orders": Raw({} if run is None else {str(order.id): order_json(order) for order in run.book.orders}),
        "profitLoss": {} if run is None else dict(_profit_loss(run)),
        "statistics": statistics,
        "runtimeStatistics": {} if run is None or not run.initialized else _runtime_statistics(run),
        "state": _state(state, run, name),
        "algorithmConfiguration": {} if run is None else _configuration(run, name, parameters),
    }
    files.write(folder / f"{algorithm_id}.json", lean_json(body))
    if run is not None and run.book.events:
        lines = ",".join(event_json(event, algorithm_id) for event in run.book.events)
        files.write(folder / f"{algorithm_id}-order-events.json", f"[{lines}]")
    files.write(folder / f"{algorithm_id}-log.txt", "".join(f"{line}\n" for line in (run.log.user_lines if run else [])))
    return statistics


def number(value: Decimal) -> str:
    """A decimal as Newtonsoft writes it: always with a point, without trailing zeros."""
    text = format(value.normalize(), "f") if value else "0"
    return text if "." in text else f"{text}.0"


def instant(utc: int) -> str:
    """`2013-10-07T13:31:00Z`."""
    return f"{utc_time(utc):%Y-%m-%dT%H:%M:%SZ}"


class Raw(dict[str, str]):
    """An object whose values are JSON text already."""


def lean_json(value: Any, indent: int = 0) -> str:
    """Indented JSON with Lean's numbers."""
    pad, inner = " " * indent, " " * (indent + 2)
    if isinstance(value, Raw):
        items = ",\n".join(f"{inner}{json.dumps(key)}: {text}" for key, text in value.items())
        return f"{{\n{items}\n{pad}}}" if items else "{}"
    if isinstance(value, Mapping):
        items = ",\n".join(f"{inner}{json.dumps(str(key))}: {lean_json(item, indent + 2)}" for key, item in value.items())
        return f"{{\n{items}\n{pad}}}" if items else "{}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(lean_json(item, indent + 2) for item in value) + "]"
    if isinstance(value, Decimal):
        return number(value)
    return json.dumps(value, ensure_ascii=False)


def event_json(event: Event, algorithm_id: str) -> str:
    """One order event, its keys in Lean's order."""
    order, symbol = event.order, event.order.security.symbol
    identifier = str(symbol.id)
    parts = [
        f'"id":{json.dumps(f"{algorithm_id}-{order.id}-{event.id}")},"algorithmId":{json.dumps(algorithm_id)}',
        f'"orderId":{order.id},"orderEventId":{event.id},"symbol":"{identifier}","symbolValue":"{symbol}"',
        f'"symbolPermtick":"{identifier.split(" ")[0]}","time":{event.utc}.0,"status":"{_camel(event.status)}"',
    ]
    if event.fee is not None:
        parts.append(f'"orderFeeAmount":{number(event.fee)},"orderFeeCurrency":"{event.fee_currency}"')
    parts.append(f'"fillPrice":{number(event.fill_price)},"fillPriceCurrency":"{event.fee_currency}",'
                 f'"fillQuantity":{number(event.fill_quantity)},"direction":"{_camel(direction_of(event.quantity))}"')
    if event.message:
        parts.append(f'"message":{json.dumps(event.message, ensure_ascii=False)}')
    parts.append(f'"isAssignment":false,"quantity":{number(event.quantity)}')
    if event.stop is not None:
        parts.append(f'"stopPrice":{number(event.stop)}')
    if event.limit is not None:
        parts.append(f'"limitPrice":{number(event.limit)}')
    return "{" + ",".join(parts) + "}"


def order_json(order: Order) -> str:
    """One order of the result file."""
    symbol = order.security.symbol
    price = number(order.submission_price)
    parts = [
        *_own_prices(order),
        f'"type":{int(order.type)},"id":{order.id},"contingentId":0,"brokerId":["{order.id}"]',
        f'"symbol":{{"value":"{symbol}","id":"{symbol.id}","permtick":"{symbol}"}}',
        f'"price":{number(order.average_price)},"priceCurrency":"USD"',
        f'"time":"{instant(order.created)}","createdTime":"{instant(order.created)}"',
    ]
    for key, utc in (("lastFillTime", order.last_fill), ("lastUpdateTime", order.last_update), ("canceledTime", order.canceled)):
        if utc is not None:
            parts.append(f'"{key}":"{instant(utc)}"')
    parts += [
        f'"quantity":{number(order.quantity)},"status":{int(order.status)},"tag":{json.dumps(order.tag, ensure_ascii=False)}',
        f'"properties":{{"timeInForce":{_tif(order)}}}',
        f'"securityType":1,"direction":{int(direction_of(order.quantity))},"value":{number(order.filled * order.average_price)}',
        f'"orderSubmissionData":{{"bidPrice":{price},"askPrice":{price},"lastPrice":{price}}}',
        f'"isMarketable":{json.dumps(order.type is OrderType.MARKET)},"priceAdjustmentMode":{int(order.security.mode)}',
    ]
    return "{" + ",".join(parts) + "}"


def _own_prices(order: Order) -> list[str]:
    named = {"limitPrice": order.limit, "stopPrice": order.stop, "triggerPrice": order.trigger}
    parts = [f'"{key}":{number(price)}' for key, price in named.items() if price is not None]
    if order.type is OrderType.STOP_LIMIT:
        parts.append(f'"stopTriggered":{json.dumps(order.touched)}')
    elif order.type is OrderType.LIMIT_IF_TOUCHED:
        parts.append(f'"triggerTouched":{json.dumps(order.touched)}')
    elif order.type is OrderType.TRAILING_STOP:
        parts.append(f'"trailingAmount":{number(order.trail)},"trailingAsPercentage":{json.dumps(order.trail_is_percent)}')
    return parts


def _tif(order: Order) -> str:
    if isinstance(order.tif, DayTimeInForce):
        return '{"$type":"QuantConnect.Orders.TimeInForces.DayTimeInForce"}'
    if isinstance(order.tif, GoodTilDateTimeInForce):
        return ('{"$type":"QuantConnect.Orders.TimeInForces.GoodTilDateTimeInForce",'
                f'"Expiry":"{order.tif.expiry.isoformat()}"}}')
    return "{}"


def _statistics(run: Backtest) -> dict[str, str]:
    return printed(Outcome(
        sampler=run.sampler, profits=run.closed_profits, orders=len(run.book.orders), fees=run.account.fees,
        start_equity=run.sampler.equity.points[0][1] if run.sampler.equity.points else run.account.value,
        rate=risk_free_rate(run.feed.folder, run.sampler),
    ))


def _charts(run: Backtest) -> dict[str, Any]:
    sampler = run.sampler
    candles = [[utc, *([round(value, 4)] * 4)] for utc, value in sampler.equity.points]
    return {
        "Strategy Equity": _chart("Strategy Equity", {
            "Equity": {"name": "Equity", "unit": "$", "index": 0, "seriesType": 2, "values": candles},
            "Return": _series("Return", "%", 1, 3, sampler.returns),
        }),
        "Portfolio Turnover": _chart("Portfolio Turnover", {
            "Portfolio Turnover": _series("Portfolio Turnover", "%", 0, 0, sampler.turnover),
        }),
    }


def _chart(name: str, series: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "chartType": 0, "series": dict(series)}


def _series(name: str, unit: str, index: int, kind: int, series: Series) -> dict[str, Any]:
    values = [[utc, Decimal(format(value, ".7g"))] for utc, value in series.points]
    return {"name": name, "unit": unit, "index": index, "seriesType": kind, "values": values, "color": "",
            "scatterMarkerSymbol": "none"}


def _profit_loss(run: Backtest) -> Iterable[tuple[str, Decimal]]:
    """Closings by their time; a second one at the same time is moved by a millisecond, as Lean's dictionary needs."""
    taken: dict[int, int] = {}
    for utc, profit in run.closed_profits:
        shift = taken.get(utc, 0)
        taken[utc] = shift + 1
        yield (f"{instant(utc)[:-1]}.{shift:03d}Z" if shift else instant(utc)), profit


def _runtime_statistics(run: Backtest) -> dict[str, str]:
    account = run.account
    held = sum((abs(s.quantity) * s.price for s in account.held), Decimal(0))
    start = run.sampler.equity.points[0][1]
    open_profit = sum((s.unrealized for s in account.held), Decimal(0))
    return {
        "Equity": f"${account.value:,.2f}",
        "Fees": f"-${account.fees:,.2f}",
        "Holdings": f"${held:,.2f}",
        "Net Profit": f"${account.profit - account.fees:,.2f}",
        "Return": f"{(account.value / start - 1) * 100:.2f} %" if start else "0 %",
        "Unrealized": f"${open_profit:,.2f}",
        "Volume": f"${account.sale_volume:,.2f}",
        **run.algorithm.runtime_statistics,
    }


def _state(state: State, run: Backtest | None, name: str) -> dict[str, str]:
    return {
        "StartTime": f"{state.started:%Y-%m-%dT%H:%M:%SZ}",
        "EndTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "RuntimeError": state.runtime_error,
        "StackTrace": state.stack_trace,
        "LogCount": str(len(run.log.user_lines) if run else 0),
        "OrderCount": str(len(run.book.orders) if run else 0),
        "InsightCount": "0",
        "Name": name,
        "Hostname": platform.node(),
        "Status": state.status,
    }


def _configuration(run: Backtest, name: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name, "tags": [], "accountCurrency": "USD", "brokerage": int(run.brokerage.brokerage),
        "accountType": int(run.brokerage.account_type), "parameters": dict(parameters), "outOfSampleMaxEndDate": None,
        "outOfSampleDays": 0, "startDate": f"{run.start}T00:00:00Z", "endDate": f"{run.end}T23:59:59Z", "tradingDaysPerYear": 252,
    }


def _camel(member: object) -> str:
    word = pascal(str(member))
    return word[0].lower() + word[1:]
