"""The result files, with Lean's names, keys and number formats, so that a reader of Lean's results reads ours."""

import json
import os
import platform
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench import files
from workbench.engines.embedded.backtest import Backtest
from workbench.engines.embedded.charts import Charts, Text, charts, summary_chart
from workbench.engines.embedded.clr import ZERO, pascal
from workbench.engines.embedded.decimals import added, grouped, normal, number, rounded, shortest, text
from workbench.engines.embedded.enums import OrderDirection, OrderStatus, OrderType
from workbench.engines.embedded.orders import Event, Order, direction_of
from workbench.engines.embedded.securities import unrealized_after_fee
from workbench.engines.embedded.slices import Symbol
from workbench.engines.embedded.statistics import (
    RATES,
    TICKS_A_SECOND,
    Outcome,
    Performance,
    Rates,
    duration,
    instant,
    printed,
    rolling_performances,
    total_performance,
)
from workbench.engines.embedded.times_in_force import DayTimeInForce, GoodTilDateTimeInForce
from workbench.engines.embedded.trades import Trade

VERSION = "v2.5.0.0"        # of Lean, whose behaviour of August 2026 this engine gives
NOTHING = Performance({}, {}, [])
CAMEL = {member: pascal(str(member))[0].lower() + pascal(str(member))[1:] for member in (*OrderStatus, *OrderDirection)}
PLAIN = {int(kind) for kind in (OrderType.MARKET, OrderType.MARKET_ON_OPEN, OrderType.MARKET_ON_CLOSE)}  # no prices of their own
EMPTY = '""'


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a run ended."""

    status: str
    started: datetime
    runtime_error: str = ""
    stack_trace: str = ""


def write_results(folder: Path, algorithm_id: str, run: Backtest | None, state: State, *, name: str,
                  parameters: Mapping[str, str]) -> dict[str, str]:
    """Write `<id>.json`, `<id>-summary.json`, `<id>-order-events.json` (where there were events) and `<id>-log.txt`.

    Returns the printed statistics, none where the run never began. Lean's `analysis`, advice in words, is left empty.
    """
    ended = datetime.now(UTC)
    begun = run if run is not None and run.initialized else None
    outcome = None if begun is None else _outcome(begun)
    total = NOTHING if outcome is None else total_performance(outcome)
    statistics = {} if begun is None else _statistics(begun, total)
    shared: dict[str, Any] = {
        "statistics": statistics,
        "runtimeStatistics": {} if begun is None else _runtime_statistics(begun, statistics),
        "state": _state(state, run, name, ended),
        "serverStatistics": _server_statistics(state, ended),
        "algorithmConfiguration": {} if run is None else _configuration(run, name, parameters),
    }
    rolling = {} if outcome is None else {key: _performance(of) for key, of in rolling_performances(outcome).items()}
    body = {
        "rollingWindow": rolling,
        "charts": {} if begun is None else charts(begun.sampler, begun.securities),
        "orders": {} if run is None else {str(order.id): Text(order_json(order)) for order in run.book.orders},
        "profitLoss": {} if outcome is None else {_moment(at): profit for at, profit in outcome.profits},
        **shared,
        "totalPerformance": _performance(total, [_trade(trade, f"{algorithm_id}-{n}") for n, trade in enumerate(total.trades)]),
        "analysis": [],
    }
    files.write(folder / f"{algorithm_id}.json", lean_json(body))
    summary: Charts = {} if begun is None else summary_chart(begun.sampler.equity)
    files.write(folder / f"{algorithm_id}-summary.json", lean_json(
        {"rollingWindow": {}, "charts": summary, **shared, "totalPerformance": _performance(total)}))
    if run is not None and run.book.events:
        quoted = json.dumps(algorithm_id)[1:-1]
        lines = ",".join([event_json(event, quoted) for event in run.book.events])
        files.write(folder / f"{algorithm_id}-order-events.json", f"[{lines}]")
    files.write(folder / f"{algorithm_id}-log.txt", "".join(f"{line}\n" for line in (run.log.user_lines if run else [])))
    return statistics


def data_requests(run: Backtest) -> list[tuple[str, bool]]:
    """The data files a run has asked for, each once, and whether they were there."""
    asked = [*run.requests]
    if run.initialized:
        asked.append((f"/{RATES.as_posix()}", (run.feed.folder / RATES).is_file()))
    return list(dict(asked).items())


def write_data_monitor(folder: Path, requests: Iterable[tuple[str, bool]], now: datetime) -> str:
    """Write which data files were found and which were not, and the report of both. Returns the report's lines for the log."""
    found = [path for path, ok in requests if ok]
    missing = [path for path, ok in requests if not ok]
    stamp = f"{now:%Y%m%d%H%M%S}{now.microsecond // 1000:03d}"
    for name, paths in (("succeeded", found), ("failed", missing)):
        files.write(folder / f"{name}-data-requests-{stamp}.txt", "".join(f"{path}\n" for path in paths))
    count = len(found) + len(missing)
    share = round(100 * len(missing) / count, 0) if count else 0.0
    files.write(folder / f"data-monitor-report-{stamp}.json", json.dumps({
        "succeeded-data-requests-count": len(found), "failed-data-requests-count": len(missing),
        "succeeded-universe-data-requests-count": 0, "failed-universe-data-requests-count": 0,
        "total-data-requests-count": count, "failed-data-requests-percentage": share,
        "total-universe-data-requests-count": 0, "failed-universe-data-requests-percentage": 0.0, "data-request-rates": [],
    }, separators=(",", ":")))
    return "\n".join(["", *(f"DATA USAGE:: {line}" for line in (
        f"Total data requests {count}", f"Succeeded data requests {len(found)}", f"Failed data requests {len(missing)}",
        f"Failed data requests percentage {share:g}%", "Total universe data requests 0", "Succeeded universe data requests 0",
        "Failed universe data requests 0", "Failed universe data requests percentage 0%"))])


def lean_json(value: Any, indent: int = 0) -> str:
    """Indented JSON with Lean's numbers."""
    pad, inner = " " * indent, " " * (indent + 2)
    if isinstance(value, Text):
        return value
    if isinstance(value, Mapping):
        items = ",\n".join(f"{inner}{json.dumps(str(key))}: {lean_json(item, indent + 2)}" for key, item in value.items())
        return f"{{\n{items}\n{pad}}}" if items else "{}"
    if isinstance(value, list | tuple):
        items = ",\n".join(f"{inner}{lean_json(item, indent + 2)}" for item in value)
        return f"[\n{items}\n{pad}]" if items else "[]"
    if isinstance(value, Decimal):
        return number(value)
    return json.dumps(value, ensure_ascii=False)


def event_json(event: Event, algorithm_id: str) -> str:
    """One order event, its keys in Lean's order. `algorithm_id` is text that stands in JSON as it is."""
    order = event.order
    fee = "" if event.fee is None else f'"orderFeeAmount":{shortest(event.fee)},"orderFeeCurrency":"{event.fee_currency}",'
    message = f'"message":{json.dumps(event.message, ensure_ascii=False)},' if event.message else ""
    prices = "" if event.stop is None else f',"stopPrice":{shortest(event.stop)}'
    if event.limit is not None:
        prices += f',"limitPrice":{shortest(event.limit)}'
    price = shortest(event.fill_price) if event.fill_price else "0.0"
    filled = number(event.fill_quantity) if event.fill_quantity else "0.0"
    return (f'{{"id":"{algorithm_id}-{order.id}-{event.id}","algorithmId":"{algorithm_id}","orderId":{order.id},'
            f'"orderEventId":{event.id},{_of_event(order.security.symbol, str(order.security.symbol))},"time":{event.utc}.0,'
            f'"status":"{CAMEL[event.status]}",{fee}"fillPrice":{price},"fillPriceCurrency":"{event.fee_currency}",'
            f'"fillQuantity":{filled},"direction":"{CAMEL[direction_of(event.quantity)]}",{message}"isAssignment":false,'
            f'"quantity":{number(event.quantity)}{prices}}}')


@lru_cache(maxsize=4096)
def _of_event(symbol: Symbol, ticker: str) -> str:
    identifier = str(symbol.id)
    return f'"symbol":"{identifier}","symbolValue":"{ticker}","symbolPermtick":"{identifier.split(" ")[0]}"'


def order_json(order: Order) -> str:
    """One order of the result file."""
    symbol, price, submitted, created = order.security.symbol, normal(order.average_price), order.submitted, instant(order.created)
    bid = number(submitted.bid)
    ask, last = (bid if quoted is submitted.bid else number(quoted) for quoted in (submitted.ask, submitted.last))
    own = "".join(f"{part}," for part in _own_prices(order)) if order.type._value_ not in PLAIN else ""
    moments = ("lastFillTime", order.last_fill), ("lastUpdateTime", order.last_update), ("canceledTime", order.canceled)
    times = "".join(f'"{key}":"{instant(utc)}",' for key, utc in moments if utc is not None)
    marketable = "true" if _is_marketable(order) else "false"
    return (f'{{{own}"type":{order.type._value_},"id":{order.id},"contingentId":0,"brokerId":["{order.id}"],'
            f'"symbol":{{"value":"{symbol}","id":"{symbol.id}","permtick":"{symbol}"}},"price":{number(price)},"priceCurrency":"USD",'
            f'"time":"{created}","createdTime":"{created}",{times}"quantity":{number(order.quantity)},'
            f'"status":{order.status._value_},"tag":{json.dumps(order.tag, ensure_ascii=False) if order.tag else EMPTY},'
            f'"properties":{{"timeInForce":{_tif(order)}}},"securityType":1,"direction":{direction_of(order.quantity)._value_},'
            f'"value":{number(order.quantity * price)},'
            f'"orderSubmissionData":{{"bidPrice":{bid},"askPrice":{ask},"lastPrice":{last}}},'
            f'"isMarketable":{marketable},"priceAdjustmentMode":{order.security.mode._value_}}}')


def _is_marketable(order: Order) -> bool:
    """Whether it would fill at once; a limit by what was quoted when it was sent."""
    if order.type is not OrderType.LIMIT or order.limit is None:
        return order.type is OrderType.MARKET
    return order.limit >= order.submitted.ask if order.quantity > 0 else order.limit <= order.submitted.bid


def _own_prices(order: Order) -> list[str]:
    stop, limit, trigger = (None if price is None else number(price) for price in (order.stop, order.limit, order.trigger))
    parts = []
    if trigger is not None:
        parts.append(f'"triggerPrice":{trigger}')
    if order.type is OrderType.TRAILING_STOP:
        parts.append(f'"trailingAmount":{number(order.trail)},"trailingAsPercentage":{json.dumps(order.trail_is_percent)}')
    if stop is not None:
        parts.append(f'"stopPrice":{stop}')
    if order.type is OrderType.STOP_LIMIT:
        parts.append(f'"stopTriggered":{json.dumps(order.touched)}')
    if limit is not None:
        parts.append(f'"limitPrice":{limit}')
    if order.type is OrderType.LIMIT_IF_TOUCHED:
        parts.append(f'"triggerTouched":{json.dumps(order.touched)}')
    return parts


def _tif(order: Order) -> str:
    if isinstance(order.tif, DayTimeInForce):
        return '{"$type":"QuantConnect.Orders.TimeInForces.DayTimeInForce"}'
    if isinstance(order.tif, GoodTilDateTimeInForce):
        return ('{"$type":"QuantConnect.Orders.TimeInForces.GoodTilDateTimeInForce",'
                f'"Expiry":"{order.tif.expiry.isoformat()}"}}')
    return "{}"


def _outcome(run: Backtest) -> Outcome:
    return Outcome(run.sampler, list(_profit_loss(run.closed_profits)), run.trades.closed, Rates.read(run.feed.folder))


def _profit_loss(closed: Iterable[tuple[int, Decimal]]) -> Iterable[tuple[int, Decimal]]:
    """Closings by their time in milliseconds; one at a time already taken is moved on, as Lean's dictionary needs."""
    last = -1
    for utc, profit in closed:
        last = max(utc * 1000, last + 1)
        yield last, profit


def _moment(milliseconds: int) -> str:
    utc, rest = divmod(milliseconds, 1000)
    return f"{instant(utc)[:-1]}.{rest:03d}Z".replace(".000Z", "Z")


def _statistics(run: Backtest, total: Performance) -> dict[str, str]:
    lowest = run.sampler.estimate.lowest
    return printed(total, orders=len(run.book.orders), fees=run.account.fees, capacity=run.sampler.estimate.capacity,
                   lowest="" if lowest is None else str(lowest.symbol.id))


def _runtime_statistics(run: Backtest, statistics: Mapping[str, str]) -> dict[str, str]:
    account = run.account
    start = run.sampler.start_equity
    gained = (account.value - start) / start * 100 if start > 0 else ZERO
    values = {
        **run.algorithm.runtime_statistics,
        "Probabilistic Sharpe Ratio": statistics["Probabilistic Sharpe Ratio"],
        "Unrealized": f"${grouped(added(*(unrealized_after_fee(s) for s in account.held)))}",
        "Fees": f"-${grouped(account.fees)}",
        "Net Profit": f"${grouped(added(*(added(s.profit, -s.fees) for s in account.securities)))}",
        "Return": f"{grouped(gained)} %",
        "Equity": f"${grouped(account.value)}",
        "Holdings": f"${grouped(sum((abs(s.quantity) * s.price for s in account.held), ZERO))}",
        "Volume": f"${grouped(account.sale_volume)}",
    }
    return dict(sorted(values.items(), key=lambda item: item[0].casefold()))


def _performance(of: Performance, trades: list[Text] | None = None) -> dict[str, Any]:
    """Statistics of one span; decimals in them are texts of at most four places."""
    return {
        "tradeStatistics": {key: text(rounded(value, 4)) if isinstance(value, Decimal) else value
                            for key, value in of.of_trades.items()},
        "portfolioStatistics": {key: text(rounded(value, 4)) for key, value in of.portfolio.items()},
        "closedTrades": trades or [],
    }


def _trade(trade: Trade, name: str) -> Text:
    """One closed trade. Lean's `id` is drawn; ours is the same in every run of the same algorithm id."""
    symbol = trade.security.symbol
    return Text(
        f'{{"id":"{uuid.uuid5(uuid.NAMESPACE_OID, name)}",'
        f'"symbols":[{{"value":"{symbol}","id":"{symbol.id}","permtick":"{symbol}"}}],'
        f'"entryTime":"{instant(trade.entered)}","entryPrice":{number(trade.entry_price)},"direction":{0 if trade.is_long else 1},'
        f'"quantity":{number(trade.quantity)},"exitTime":"{instant(trade.exited)}","exitPrice":{number(trade.exit_price)},'
        f'"profitLoss":{number(trade.profit)},"totalFees":{number(trade.fees)},"mae":{number(trade.adverse)},'
        f'"mfe":{number(trade.favorable)},"duration":"{duration((trade.exited - trade.entered) * TICKS_A_SECOND)}",'
        f'"endTradeDrawdown":{number(trade.given_back)},"isWin":{json.dumps(trade.profit > 0)},"orderIds":{list(trade.orders)}}}'
    )


def _state(state: State, run: Backtest | None, name: str, ended: datetime) -> dict[str, str]:
    return {
        "StartTime": f"{state.started:%Y-%m-%dT%H:%M:%SZ}",
        "EndTime": f"{ended:%Y-%m-%dT%H:%M:%SZ}",
        "RuntimeError": state.runtime_error,
        "StackTrace": state.stack_trace,
        "LogCount": str(len(run.log.user_lines) if run else 0),
        "OrderCount": str(len(run.book.orders) if run else 0),
        "InsightCount": "0",
        "Name": name,
        "Hostname": platform.node(),
        "Status": state.status,
    }


def _server_statistics(state: State, ended: datetime) -> dict[str, str]:
    up = int((ended - state.started).total_seconds())
    times = os.times()
    busy = (times.user + times.system) / max((ended - state.started).total_seconds(), 0.001) * 100
    return {
        "CPU Usage": f"{busy:.1f}%",
        "Used RAM (MB)": str(_memory_mb()),
        "Total RAM (MB)": "2147483647",
        "Hostname": platform.node(),
        "LEAN Version": VERSION,
        "Up Time": f"{up // 86400}d {up // 3600 % 24:02d}:{up // 60 % 60:02d}:{up % 60:02d}",
    }


def _memory_mb() -> int:
    """The most memory the process has had; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20


def _configuration(run: Backtest, name: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name, "tags": [], "accountCurrency": "USD", "brokerage": int(run.brokerage.brokerage),
        "accountType": int(run.brokerage.account_type), "parameters": dict(parameters), "outOfSampleMaxEndDate": None,
        "outOfSampleDays": 0, "startDate": f"{run.start}T00:00:00Z", "endDate": f"{run.end}T23:59:59Z", "tradingDaysPerYear": 252,
    }
