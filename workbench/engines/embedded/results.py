"""The result files, with Lean's names, keys and number formats, so that a reader of Lean's results reads ours."""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from workbench import files
from workbench.engines.embedded.backtest import Backtest
from workbench.engines.embedded.charts import Charts, charts, summary_chart
from workbench.engines.embedded.clr import ZERO
from workbench.engines.embedded.decimals import added, grouped, rounded, text
from workbench.engines.embedded.forms import Flat, Rows, event_lines, indented, joined, order_lines, profit_lines, trade_lines
from workbench.engines.embedded.securities import unrealized_after_fee
from workbench.engines.embedded.statistics import (
    RATES,
    Outcome,
    Performance,
    Rates,
    printed,
    rolling_performances,
    total_performance,
)

VERSION = "v2.5.0.0"        # of Lean, whose behaviour of August 2026 this engine gives
NOTHING = Performance({}, {}, [])


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
    body = {
        "rollingWindow": {} if outcome is None else {key: _performance(of) for key, of in rolling_performances(outcome).items()},
        "charts": {} if begun is None else charts(begun.sampler, begun.securities),
        "orders": Rows(order_lines(run.book.orders if run else []), "{}"),
        "profitLoss": Rows(profit_lines(outcome.profits if outcome else []), "{}"),
        **shared,
        "totalPerformance": _performance(total, Rows(trade_lines(total.trades, algorithm_id))),
        "analysis": [],
    }
    files.write(folder / f"{algorithm_id}.json", indented(body))
    summary: Charts = {} if begun is None else summary_chart(begun.sampler.equity)
    files.write(folder / f"{algorithm_id}-summary.json", indented(
        {"rollingWindow": {}, "charts": summary, **shared, "totalPerformance": _performance(total)}))
    if run is not None and run.book.events:
        lines = joined(event_lines(run.book.events, algorithm_id), ",")
        files.write(folder / f"{algorithm_id}-order-events.json", chain("[", lines, "]"))
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


def _outcome(run: Backtest) -> Outcome:
    return Outcome(run.sampler, list(_profit_loss(run.closed_profits)), run.trades.closed, Rates.read(run.feed.folder))


def _profit_loss(closed: Iterable[tuple[int, Decimal]]) -> Iterable[tuple[int, Decimal]]:
    """Closings by their time in milliseconds; one at a time already taken is moved on, as Lean's dictionary needs."""
    last = -1
    for utc, profit in closed:
        last = max(utc * 1000, last + 1)
        yield last, profit


def _statistics(run: Backtest, total: Performance) -> dict[str, str]:
    """Lean's, then the algorithm's own, which do not take the place of one of them."""
    lowest = run.sampler.estimate.lowest
    found = printed(total, orders=len(run.book.orders), fees=run.account.fees, capacity=run.sampler.estimate.capacity,
                    lowest="" if lowest is None else str(lowest.symbol.id))
    return found | {name: value for name, value in run.algorithm.summary_statistics.items() if name not in found}


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


def _performance(of: Performance, trades: Rows | None = None) -> dict[str, Any]:
    """Statistics of one span; decimals in them are texts of at most four places."""
    return {
        "tradeStatistics": Flat({key: text(rounded(value, 4)) if isinstance(value, Decimal) else value
                                 for key, value in of.of_trades.items()}),
        "portfolioStatistics": Flat({key: text(rounded(value, 4)) for key, value in of.portfolio.items()}),
        "closedTrades": trades or [],
    }


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
