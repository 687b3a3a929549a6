"""The benchmark's markets: seeded geometric random walks, written as a Lean data folder, the same bytes each time."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from weights import ticker, weights

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.market.bars import EQUITY, Bars, daily_path, write_daily
from workbench.market.calendar import read_calendar, write_market_hours
from workbench.market.corporate import FOREVER, MapFile, MapRow
from workbench.market.folder import Market
from workbench.market.sample import write_databases
from workbench.words.identity import money

FIRST, LAST = date(2012, 1, 3), date(2029, 12, 31)
SEED = 20120103
TICK = 100          # a cent, in the ten-thousandths of a dollar that Lean's files hold

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """So many names over so many sessions, all brought to new weights every so many of them; `cash` in dollars."""

    name: str
    names: int
    sessions: int
    every: int
    cash: int = 10_000_000


def make_market(folder: Path, case: Case) -> None:
    """Write a case: the Lean data folder `market`, the same closes and days as arrays, its rebalances as order intents, and the
    case itself."""
    market = folder / "market"
    write_databases(market)
    write_market_hours(market)
    sessions = read_calendar(market).sessions(FIRST, LAST)[:case.sessions]
    days = np.array(sessions, "datetime64[D]")
    columns = random_columns(case.sessions, case.names)
    for number in range(case.names):
        name = ticker(number).lower()
        bars = Bars(days=days, **{field: column[:, number] for field, column in columns.items()})
        write_daily(daily_path(market, name), name, bars)
        rows = (MapRow(sessions[0], name, "N"), MapRow(FOREVER, name, "N"))
        files.write(market / EQUITY / "map_files" / f"{name}.csv", MapFile(name, rows).text())
        files.write(market / EQUITY / "factor_files" / f"{name}.csv", f"{FOREVER:%Y%m%d},1,1,0\n")
    np.save(folder / "days.npy", days)
    np.save(folder / "closes.npy", columns["close"])
    files.write(folder / "case.json", json.dumps({**asdict(case), "start": str(sessions[0]), "end": str(sessions[-1])}))
    files.write(folder / "intents.json", to_json([*order_intents(Market(market), case, sessions, columns["close"])]))
    files.write(folder / "params.json", to_json({"brokerage": "default"}))


def order_intents(market: Market, case: Case, sessions: Sequence[date], closes: Numbers) -> Iterator[dict[str, Any]]:
    """What is wanted, decided at every so many closes and traded at the next open, as the algorithm of ours reads it."""
    stocks = [market.instrument(ticker(number), sessions[0]) for number in range(case.names)]
    for rebalance, session in enumerate(range(0, case.sessions - 1, case.every)):
        decided, traded = sessions[session], sessions[session + 1]
        for number, (stock, share) in enumerate(zip(stocks, weights(rebalance, case.names), strict=True)):
            yield {"schema": "intent/1", "order_intent_id": f"s{rebalance:016x}-{stock.symbol}", "symbol": stock.symbol,
                   "instrument_id": stock.instrument_id, "weight": money(share), "snapshot_date": decided,
                   "rebalance_date": traded, "decision_price": Decimal(int(closes[session, number])).scaleb(-4)}


def random_columns(sessions: int, names: int) -> dict[str, Numbers]:
    """Open, high, low, close and volume, shape (sessions, names), in whole cents: 24 % a year around 8 % of growth."""
    draw, shape = np.random.default_rng(SEED), (sessions, names)
    walk = np.exp(np.cumsum(draw.normal(0.0003, 0.015, shape), axis=0))
    closes = in_cents(draw.uniform(200_000, 3_000_000, names) * walk)
    opens = in_cents(np.vstack([closes[:1], closes[:-1]]) * (1 + draw.normal(0, 0.004, shape)))
    reach = 1 + np.abs(draw.normal(0, 0.004, shape))
    highs, lows = np.maximum(opens, closes), np.minimum(opens, closes)
    return {"open": opens, "high": np.maximum(highs, in_cents(highs * reach)), "low": np.minimum(lows, in_cents(lows / reach)),
            "close": closes, "volume": draw.integers(500_000, 20_000_000, shape)}


def in_cents(prices: NDArray[np.float64]) -> Numbers:
    """Prices on the grid of cents, a dollar at the least."""
    return np.maximum(np.rint(prices / TICK).astype(np.int64), 100) * TICK


def forget(folder: Path) -> None:
    """Ask the system to drop a folder's files from memory, where it can be asked."""
    if hasattr(os, "posix_fadvise"):
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as source:
                    os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
