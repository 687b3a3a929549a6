"""From the store, the market and an engine's result to the evidence that a judgement looks at."""

import json
from decimal import Decimal
from pathlib import Path

from workbench.judgement.evidence import Evidence
from workbench.market.folder import Market
from workbench.running import records
from workbench.running.rebalance import find_executed
from workbench.store import Store
from workbench.words.run import Run

Holdings = tuple[tuple[str, Decimal], ...]


def gather(data: Path, store: Store, market: Market, run: Run) -> Evidence:
    """Everything heard of a run, with its decisions, params and the bars of what it traded.

    Of a backtest the attempt that counts is heard, of paper and live all of them: a restart goes on where the one before
    ended. There the account's beginning is what the first journal opened with.
    """
    executed = find_executed(data, run)
    number = executed.attempt.attempt if run.mode == "backtest" else None
    cash, holdings = (run.cash, ()) if run.mode == "backtest" else _at_the_start(store, run)
    snapshots = tuple(store.snapshot(snapshot_id) for snapshot_id in run.snapshot_ids)
    intents, _ = records.read_intents_file(records.run_folder(data, run.run_id) / "intents.json")
    return Evidence(
        run=run, attempt=executed.attempt.attempt, params=store.params(run.params_id), snapshots=snapshots, intents=intents,
        rebalances=store.rebalances(run.run_id, attempt=number), sized=store.sized(run.run_id, attempt=number),
        cuts=store.cuts(run.run_id, attempt=number), orders=store.orders(run.run_id, attempt=number),
        fills=store.fills(run.run_id, attempt=number), marks=store.marks(run.run_id, attempt=number),
        corporate=store.corporate_actions(run.run_id, attempt=number), cash=cash, holdings=holdings,
        end_equity=executed.outcome.end_equity,
        bars={item.instrument_id: market.bars(market.instrument(item.symbol, snapshot.rebalance_date))
              for snapshot in snapshots for item in snapshot.items},
    )


def _at_the_start(store: Store, run: Run) -> tuple[Decimal, Holdings]:
    """Cash and shares of the account as the run's first journal found them."""
    opened = [event for event in store.events(run.run_id) if event.kind == "opened"]
    if not opened:
        return run.cash, ()
    line = json.loads(min(opened, key=lambda event: event.attempt).line, parse_float=Decimal)
    return Decimal(line["cash"]), tuple((symbol, Decimal(shares)) for symbol, shares in sorted(line["holdings"].items()))

