"""The same rebalances in other engines, one a process: `python bench/peers.py bt CASE_FOLDER` prints one line of JSON.

Semantics differ: bt fills at the close it decides on, the others at that bar or the next; none keeps Lean's order events.
Orders of magnitude are compared, not percentages. vectorbt is left out: its 1.0 does not import beside plotly 7, and its later
versions need pandas 3.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from weights import ticker, weights

FEE = 0.005                 # dollars a share, Lean's own for a US stock
PACKAGES = {"bt": "bt", "backtrader": "backtrader", "nautilus": "nautilus_trader", "zipline": "zipline-reloaded"}


class Work:
    """A case: closes (index the sessions, a column a name, dollars), and target weights by the rows they are decided on."""

    def __init__(self, folder: Path) -> None:
        self.case: dict[str, Any] = json.loads((folder / "case.json").read_text())
        days = pd.DatetimeIndex(np.load(folder / "days.npy").astype("datetime64[ns]"))
        self.closes = pd.DataFrame(np.load(folder / "closes.npy") / 10_000, index=days,
                                   columns=[ticker(number) for number in range(self.case["names"])])
        self.rows = list(range(0, len(days) - 1, self.case["every"]))
        self.weights = pd.DataFrame([weights(number, self.case["names"]) for number in range(len(self.rows))],
                                    index=days[self.rows], columns=self.closes.columns)
        self.of_row = {row: values for row, values in zip(self.rows, self.weights.to_numpy().tolist(), strict=True)}


def run_bt(work: Work) -> Callable[[], int]:
    """Targets by date, then rebalance; transactions are worked out from the differences of positions."""
    import bt

    strategy = bt.Strategy("s", [bt.algos.WeighTarget(work.weights), bt.algos.Rebalance()])

    def run() -> int:
        test = bt.Backtest(strategy, work.closes, initial_capital=work.case["cash"],
                           commissions=lambda quantity, _price: abs(quantity) * FEE, integer_positions=True, progress_bar=False)
        return len(bt.run(test).get_transactions())

    return run


def run_backtrader(work: Work) -> Callable[[], int]:
    """Target percents in `next`, sent as market orders."""
    import backtrader

    class Targets(backtrader.Strategy):      # type: ignore[misc]
        def __init__(self) -> None:
            self.filled = 0

        def notify_order(self, order: Any) -> None:
            self.filled += order.status == order.Completed

        def next(self) -> None:
            for data, share in zip(self.datas, work.of_row.get(len(self) - 1, ()), strict=False):
                self.order_target_percent(data, share)

    engine = backtrader.Cerebro(stdstats=False)
    engine.broker.setcash(work.case["cash"])
    engine.broker.setcommission(1e-4)
    engine.broker.set_checksubmit(False)
    for name, close in work.closes.items():
        bars = pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 1e6})
        engine.adddata(backtrader.feeds.PandasData(dataname=bars), name=name)
    engine.addstrategy(Targets)
    return lambda: int(engine.run(runonce=True, preload=True)[0].filled)


def run_zipline(work: Work) -> Callable[[], int]:
    """A bundle of the closes, then target percents in `handle_data`; writing the bundle is not timed."""
    os.environ["ZIPLINE_ROOT"] = tempfile.mkdtemp()
    from zipline.api import order_target_percent, set_commission, set_slippage, symbol
    from zipline.data.bundles import ingest, register
    from zipline.finance import commission, slippage
    from zipline.utils.calendar_utils import get_calendar
    from zipline.utils.run_algo import run_algorithm

    sessions, names = work.closes.index, list(work.closes.columns)

    def write(_environ: Any, assets: Any, _minutes: Any, daily: Any, adjustments: Any, *_: Any) -> None:
        table = pd.DataFrame({"symbol": names, "asset_name": names, "start_date": sessions[0], "end_date": sessions[-1],
                              "auto_close_date": sessions[-1] + pd.Timedelta(days=5), "exchange": "X"})
        bars = (pd.DataFrame({"open": close, "high": close, "low": close, "close": close, "volume": 10_000_000})
                for _, close in work.closes.items())
        daily.write(enumerate(bars), show_progress=False)
        assets.write(equities=table, exchanges=pd.DataFrame({"exchange": ["X"], "canonical_name": ["X"], "country_code": ["US"]}))
        adjustments.write()

    def initialize(context: Any) -> None:
        context.row, context.assets = -1, [symbol(name) for name in names]
        set_commission(commission.PerShare(FEE, 0))
        set_slippage(slippage.FixedBasisPointsSlippage(0, 0.5))

    def handle_data(context: Any, _data: Any) -> None:
        context.row += 1
        for asset, share in zip(context.assets, work.of_row.get(context.row, ()), strict=False):
            order_target_percent(asset, share)

    register("bench", write, calendar_name="XNYS", start_session=sessions[0], end_session=sessions[-1])
    ingest("bench")

    def run() -> int:
        done = run_algorithm(start=sessions[0], end=sessions[-1], initialize=initialize, handle_data=handle_data,
                             capital_base=work.case["cash"], bundle="bench", data_frequency="daily",
                             trading_calendar=get_calendar("XNYS"), benchmark_returns=pd.Series(0.0, index=sessions))
        return sum(map(len, done.transactions))

    return run


def run_nautilus(work: Work) -> Callable[[], int]:
    """Market orders for whole shares, worked out from the close; building its bars is not timed."""
    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import Bar, BarType
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.test_kit.providers import TestInstrumentProvider
    from nautilus_trader.trading.strategy import Strategy

    closes = work.closes.to_numpy()
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True),
                                                 risk_engine=RiskEngineConfig(bypass=True)))
    engine.add_venue(Venue("XNAS"), oms_type=OmsType.NETTING, account_type=AccountType.MARGIN, base_currency=USD,
                     starting_balances=[Money(100 * work.case["cash"], USD)])
    stocks = [TestInstrumentProvider.equity(symbol=name, venue="XNAS") for name in work.closes.columns]
    kinds = [BarType.from_str(f"{stock.id}-1-DAY-LAST-EXTERNAL") for stock in stocks]

    class Targets(Strategy):      # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(StrategyConfig())
            self.held, self.heard, self.filled = np.zeros(len(stocks)), 0, 0

        def on_start(self) -> None:
            for kind in kinds:
                self.subscribe_bars(kind)

        def on_order_filled(self, _event: Any) -> None:
            self.filled += 1

        def on_bar(self, _bar: Any) -> None:
            self.heard += 1
            row, rest = divmod(self.heard, len(stocks))
            if rest or row - 1 not in work.of_row:
                return
            change = np.floor(np.array(work.of_row[row - 1]) * work.case["cash"] / closes[row - 1]) - self.held
            self.held += change
            for stock, shares in zip(stocks, change.tolist(), strict=True):
                if shares:
                    side = OrderSide.BUY if shares > 0 else OrderSide.SELL
                    self.submit_order(self.order_factory.market(stock.id, side, stock.make_qty(abs(shares))))

    for stock in stocks:
        engine.add_instrument(stock)
    volume, bars = Quantity.from_int(10_000_000), []
    for stamp, row in zip(work.closes.index.astype("int64").tolist(), closes, strict=True):
        for kind, close in zip(kinds, row, strict=True):
            price = Price(close, 2)
            bars.append(Bar(kind, price, price, price, price, volume, stamp, stamp))
    engine.add_data(bars, sort=False)
    targets = Targets()
    engine.add_strategy(targets)

    def run() -> int:
        engine.run()
        return targets.filled

    return run


PEERS: dict[str, Callable[[Work], Callable[[], int]]] = {
    "bt": run_bt, "backtrader": run_backtrader, "nautilus": run_nautilus, "zipline": run_zipline,
}


def main(name: str, folder: str) -> None:
    """Make ready, run, and print the seconds of the run alone and the orders."""
    run = PEERS[name](Work(Path(folder)))
    begun = time.perf_counter()
    orders = run()
    seconds = time.perf_counter() - begun
    sys.stdout.write(json.dumps({"orders": orders, "run": seconds, "version": version(PACKAGES[name])}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
