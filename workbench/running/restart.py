"""What the next attempt of a run is told of those before it: what is left to send, what works, and what is ours."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.algorithm.resume import SCHEMA, Line, Working
from workbench.errors import JournalBroken, NotRecorded
from workbench.running import records
from workbench.running.past import Past, opened_lines
from workbench.running.repairs import Repair
from workbench.store import Store
from workbench.words.event import SizedLine
from workbench.words.identity import money
from workbench.words.run import OWN_PAPER, Run

TRIED_AGAIN = ("stopped", "not_adopted", "not_cancelled")       # rules that held an order back, or spoke of one that was sent
SAME_DESK = "r.strategy = $strategy and r.account = $account and r.mode = $mode"
ZERO = Decimal(0)

Holding = tuple[str, str, Decimal, Decimal]         # symbol, instrument id, signed shares, average price


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """What the next attempt of a run is told, `body` in the form that the algorithm reads.

    `lines` are holdings that were sized, and certainly have no order that was filled or works. `sent` is the highest n by
    intent, `ledger` the shares that this strategy's own fills explain on this account, in earlier runs too. Where Lean's own
    paper brokerage starts again, `holdings` and `cash` are what it begins with. `not_asked` says why the broker was not.
    """

    sized: bool = False
    lines: tuple[Line, ...] = ()
    sent: tuple[tuple[str, int], ...] = ()
    ledger: tuple[tuple[str, Decimal], ...] = ()
    working: tuple[Working, ...] = ()
    refs: tuple[str, ...] = ()
    holdings: tuple[Holding, ...] = ()
    cash: Decimal | None = None
    repaired: tuple[Repair, ...] = ()
    not_asked: str = ""

    def body(self) -> dict[str, Any]:
        """The resume/1 object."""
        return {
            "schema": SCHEMA, "sized": self.sized, "lines": [_fields(line) for line in self.lines], "sent": dict(self.sent),
            "ledger": dict(self.ledger), "working": [_fields(order) for order in self.working], "refs": list(self.refs),
        }


def tell(data: Path, store: Store, run: Run, past: Past) -> Resume:
    """What is left to do after `past`, in which every order has ended or works at the broker.

    An attempt that sent nothing binds nobody: then everything is sized afresh.
    """
    sized = bool(past.ours)
    sent: dict[str, int] = {}
    for item in past.ours:
        n = item.order_ref.rpartition(".")[2]
        sent[item.order_intent_id] = max(sent.get(item.order_intent_id, 0), int(n) if n.isdecimal() else 0)
    holdings, cash = _paper_account(store, run) if run.account == OWN_PAPER else ((), None)
    return Resume(
        sized=sized, lines=_lines(data, store, run, past) if sized else (), sent=tuple(sorted(sent.items())),
        ledger=_ledger(store, run), refs=tuple(sorted(item.order_ref for item in past.ours)), holdings=holdings, cash=cash,
        working=tuple(Working(order_ref=item.order_ref, symbol=item.symbol, quantity=item.quantity, filled=item.filled)
                      for item in past.ours if not item.ended))


def _lines(data: Path, store: Store, run: Run, past: Past) -> tuple[Line, ...]:
    """Holdings that were sized and have no order that arrived anywhere. What a rule refused stays refused."""
    folder = records.run_folder(data, run.run_id)
    params = records.read_params(folder / "params.json")
    types = {intent.order_intent_id: intent.order_type for intent in records.read_intents_file(folder / "intents.json")[0]}
    newest = {line.order_intent_id: line for line in store.sized(run.run_id)}
    sized_at = {name: (line.attempt, line.seq) for name, line in newest.items()}
    refused = {cut.order_intent_id for cut in store.cuts(run.run_id) if cut.kind == "blocked" and cut.rule not in TRIED_AGAIN
               and (cut.attempt, cut.seq) > sized_at.get(cut.order_intent_id, (0, 0))}
    arrived = {sent.order_intent_id for sent in past.ours if not sent.never_arrived}
    return tuple(_line(line, types.get(line.order_intent_id) or params.order_type) for line in newest.values()
                 if line.order and line.order_intent_id not in refused | arrived)


def _line(line: SizedLine, order_type: str) -> Line:
    if line.order is None or line.target is None or line.held is None or line.instrument_id is None:
        raise JournalBroken(f"run {line.run_id}", line.seq, f"the sized line of {line.order_intent_id} is not whole")
    return Line(order_intent_id=line.order_intent_id, symbol=line.symbol, instrument_id=line.instrument_id, order=line.order,
                target=line.target, held=line.held, price=line.price, order_type=order_type,
                reduces=abs(line.target) < abs(line.held))


def _desk(run: Run) -> dict[str, str]:
    return {"strategy": run.strategy, "account": run.account, "mode": run.mode}


def _ledger(store: Store, run: Run) -> tuple[tuple[str, Decimal], ...]:
    """Signed shares by symbol that the fills of this strategy's own orders on this account make, over all its runs."""
    rows = store.rows(
        "select f.symbol, sum(f.quantity) as shares from fills f join runs r using (run_id) semi join counted_attempts "
        f"using (run_id, attempt) where {SAME_DESK} and f.order_intent_id is not null group by f.symbol having shares <> 0 "
        "order by f.symbol", **_desk(run)).rows
    return tuple((symbol, Decimal(shares)) for symbol, shares in rows)


def _paper_account(store: Store, run: Run) -> tuple[tuple[Holding, ...], Decimal]:
    """What Lean's own paper brokerage held when it last ended for this strategy: in the run that was at work there last, which
    may be this one, one of another day, or one of this day that was superseded."""
    before = store.rows(
        f"select r.run_id from runs r join events e using (run_id) where {SAME_DESK} "
        "and e.kind = 'opened' and r.rebalance_dates[-1] <= $day group by r.run_id order by max(e.recorded_at) desc limit 1",
        **_desk(run), day=run.rebalance_dates[-1]).rows
    if not before:
        return (), run.cash
    run_id = str(before[0][0])
    attempt, line = max(opened_lines(store, run_id).items())
    cash, held = Decimal(line["cash"]), defaultdict(lambda: ZERO, {name: Decimal(n) for name, n in line["holdings"].items()})
    for fill in store.fills(run_id, attempt=attempt):
        held[fill.symbol] += fill.quantity
        cash -= fill.quantity * fill.price + (fill.fee or ZERO)
    for action in store.corporate_actions(run_id, attempt=attempt):
        cash += action.cash or ZERO
        if action.new_quantity is not None and action.old_quantity is not None:
            held[action.symbol] += action.new_quantity - action.old_quantity
    costs = _costs(store, run)
    for symbol in (name for name, shares in held.items() if shares and name not in costs):
        raise NotRecorded(f"what {symbol}, held on the paper account, cost")
    return tuple((symbol, costs[symbol][0], shares, money(costs[symbol][1]))
                 for symbol, shares in sorted(held.items()) if shares), cash


def _costs(store: Store, run: Run) -> dict[str, tuple[str, Decimal]]:
    """The instrument of each symbol, and the average dollars a share that what is held of it cost."""
    held: dict[str, Decimal] = defaultdict(lambda: ZERO)
    costs: dict[str, tuple[str, Decimal]] = {}
    for symbol, instrument, shares, price in store.rows(
            "select f.symbol, f.instrument_id, f.quantity, f.price from fills f join runs r using (run_id) "
            f"where {SAME_DESK} order by f.occurred_at, f.attempt, f.place", **_desk(run)).rows:
        before, after = held[symbol], held[symbol] + shares
        cost = costs[symbol][1] if symbol in costs else price
        if before * shares > 0:
            cost = (abs(before) * cost + abs(shares) * price) / abs(after)
        elif before * after <= 0:
            cost = price
        held[symbol], costs[symbol] = after, (instrument or symbol, cost)
    return costs


def _fields(value: Line | Working) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}
