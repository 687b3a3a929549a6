"""From the store, the market and an engine's result to the evidence that a judgement looks at."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from workbench.collecting import without_collecting
from workbench.errors import MissingPrice
from workbench.judgement.evidence import Evidence
from workbench.judgement.holdings import session_of
from workbench.market.bars import SCALE
from workbench.market.folder import Market
from workbench.running import records
from workbench.running.rebalance import find_executed
from workbench.store import Store
from workbench.words.event import Fill, MarkLine
from workbench.words.identity import money
from workbench.words.order import Order
from workbench.words.run import Run

Holdings = tuple[tuple[str, Decimal], ...]
OPENED = """
select line from events where run_id = $run and kind = 'opened' order by attempt, occurred_at, writer, place, identity limit 1
"""
AUCTIONS = {"MOO": "open", "MOC": "close"}


@without_collecting()
def gather(data: Path, store: Store, market: Market, run: Run) -> Evidence:
    """Everything heard of a run, with its decisions, params and the bars of what it traded.

    Of a backtest the attempt that counts is heard, of paper and live all of them: a restart goes on where the one before
    ended. There the account's beginning is what the first journal opened with, and what a session's open and close were is
    the market's to say, once its bars are there: an algorithm that ends when its orders have ended does not see the close.
    """
    executed = find_executed(data, run)
    number = executed.attempt.attempt if run.mode == "backtest" else None
    intents, _ = records.read_intents_file(records.run_folder(data, run.run_id) / "intents.json")
    with store.together(f"evidence of {run.run_id}"):
        heard = Evidence(
            run=run, attempt=executed.attempt.attempt, params=store.params(run.params_id),
            snapshots=store.snapshots_of(run.snapshot_ids), intents=intents,
            rebalances=store.rebalances(run.run_id, attempt=number), sized=store.sized(run.run_id, attempt=number),
            cuts=store.cuts(run.run_id, attempt=number), orders=store.orders(run.run_id, attempt=number),
            fills=store.fills(run.run_id, attempt=number), marks=store.marks(run.run_id, attempt=number),
            corporate=store.corporate_actions(run.run_id, attempt=number), cash=run.cash,
            end_equity=executed.outcome.end_equity if run.mode == "backtest" else None)
        cash, holdings = (run.cash, ()) if run.mode == "backtest" else _at_the_start(store, run)
    if run.mode != "backtest":
        heard = replace(heard, cash=cash, holdings=holdings, marks=tuple(_at_the_close(market, heard.marks)),
                        fills=tuple(_with_arrivals(market, heard.fills, heard.orders)))
    named = {item.instrument_id: (item.symbol, snapshot.rebalance_date) for snapshot in heard.snapshots for item in snapshot.items}
    return replace(heard, bars={instrument_id: market.bars(market.instrument(symbol, day))
                                for instrument_id, (symbol, day) in named.items()})


def _at_the_start(store: Store, run: Run) -> tuple[Decimal, Holdings]:
    """Cash and shares of the account as the run's first journal found them."""
    opened = store.rows(OPENED, run=run.run_id).rows
    if not opened:
        return run.cash, ()
    line = json.loads(opened[0][0], parse_float=Decimal)
    return Decimal(line["cash"]), tuple((symbol, Decimal(shares)) for symbol, shares in sorted(line["holdings"].items()))


def _at_the_close(market: Market, marks: Sequence[MarkLine]) -> Iterator[MarkLine]:
    """The last mark of each session at that session's closes, with the account's value then; none where a close is not known."""
    by_mark: dict[date, dict[tuple[int, int], list[MarkLine]]] = defaultdict(lambda: defaultdict(list))
    for line in marks:
        by_mark[session_of(line.occurred_at)][line.attempt, line.seq].append(line)
    for day, told in sorted(by_mark.items()):
        lines = told[max(told)]
        try:
            closes = [_price(market, line.symbol, day, "close") if line.quantity else line.close for line in lines]
        except MissingPrice:
            continue
        equity = lines[0].cash + sum(((close or 0) * line.quantity for close, line in zip(closes, lines, strict=True)), Decimal(0))
        for line, close in zip(lines, closes, strict=True):
            yield replace(line, occurred_at=market.calendar.close(day), close=close, equity=money(equity))


def _with_arrivals(market: Market, fills: Sequence[Fill], orders: Iterable[Order]) -> Iterator[Fill]:
    """Fills of the auctions with the auction's price, where the engine could not know it yet (docs/contracts.md §8)."""
    kinds = {(order.attempt, order.order_id): order.order_type for order in orders}
    for fill in fills:
        auction = AUCTIONS.get(kinds.get((fill.attempt, fill.order_id)) or "")
        if fill.arrival_price is None and auction is not None:
            with suppress(MissingPrice):        # the day's bars are not there yet: its shortfall is not split
                price = _price(market, fill.symbol, session_of(fill.occurred_at), auction)
                fill = replace(fill, arrival_price=price, arrival_source=auction)
        yield fill


def _price(market: Market, symbol: str, day: date, field: str) -> Decimal:
    """The raw open or close of a session, in dollars. Raises `MissingPrice`."""
    instrument = market.instrument(symbol, day)
    if field == "close":
        return market.close(instrument, day)
    bars = market.bars(instrument)
    row = bars.row(day)
    if row is None:
        raise MissingPrice(symbol, day)
    return Decimal(int(bars.open[row])) / SCALE
