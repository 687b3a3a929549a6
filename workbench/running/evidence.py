"""From the store, the market and an engine's result to the evidence that a judgement looks at."""

from pathlib import Path

from workbench.judgement.evidence import Evidence
from workbench.market.folder import Market
from workbench.running import records
from workbench.running.rebalance import find_executed
from workbench.store import Store
from workbench.words.run import Run


def gather(data: Path, store: Store, market: Market, run: Run) -> Evidence:
    """Everything heard of a run's attempt that counts, with its decisions, params and the bars of what it traded."""
    executed = find_executed(data, run)
    number = executed.attempt.attempt
    snapshots = tuple(store.snapshot(snapshot_id) for snapshot_id in run.snapshot_ids)
    instruments = {item.instrument_id: market.instrument(item.symbol, snapshot.rebalance_date)
                   for snapshot in snapshots for item in snapshot.items}
    folder = records.run_folder(data, run.run_id)
    intents, _ = records.read_intents_file(folder / "intents.json")
    return Evidence(
        run=run, attempt=number, params=store.params(run.params_id), snapshots=snapshots, intents=intents,
        rebalances=store.rebalances(run.run_id, attempt=number), sized=store.sized(run.run_id, attempt=number),
        cuts=store.cuts(run.run_id, attempt=number), orders=store.orders(run.run_id, attempt=number),
        fills=store.fills(run.run_id, attempt=number), marks=store.marks(run.run_id, attempt=number),
        corporate=store.corporate_actions(run.run_id, attempt=number), cash=run.cash, end_equity=executed.outcome.end_equity,
        bars={name: market.bars(instrument) for name, instrument in instruments.items()},
    )
