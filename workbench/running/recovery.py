"""What became of a run's orders when its process was cut short, and what the next attempt may still do.

The journals of all attempts are read first; then the broker is asked, where it can be. What it proves is written down as
repairs, marked as inferred. What nobody can prove is not traded over: `OutcomeUnknown` names the orders, and a person says
what became of each (`resolve`).
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.algorithm.journal import read_lines, verify
from workbench.algorithm.resume import SCHEMA, Line, Working
from workbench.errors import BadInput, BrokerUnavailable, JournalBroken, NotRecorded, OutcomeUnknown
from workbench.judgement.matching import Finding, KnownFill, Matching, Unresolved, match
from workbench.running import records, repairs
from workbench.running.repairs import Repair
from workbench.store import Store
from workbench.words.event import SizedLine
from workbench.words.order import Order
from workbench.words.run import Run

if TYPE_CHECKING:
    from workbench.engines.ib import BrokerView, Execution

PAPER = "paper"                 # the account's name where Lean's own paper brokerage was the broker
LOOKS = 4                       # at most so often is the broker asked
UNHEARD = ("NEW", "PENDING_SUBMIT")
TRIED_AGAIN = ("stopped",)      # rules by which an order was held back that do not hold for the next attempt
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


def look_back(data: Path, store: Store, run: Run, *, ask: Callable[[], BrokerView] | None, paper: bool,
              wait: float = 5.0) -> Resume:
    """What all earlier attempts of a run left, after the broker was asked about every order whose end was not heard.

    `ask` reads the broker, None where it can't be read. `paper` says that Lean's own paper brokerage may have been the broker,
    which it was where the account is called `paper`: what worked there ended with its process. `wait` is the seconds between
    two looks. Raises `OutcomeUnknown` where an order's outcome can't be proved, and `JournalBroken` for a journal that was
    changed. Works for a run without attempts too: the ledger is that of the runs before it.
    """
    _check_journals(data, run)
    past = _read(data, store, run)
    lost = [sent for sent in past.ours if not sent.ended]
    repaired: tuple[Repair, ...] = ()
    not_asked = ""
    if paper and run.account == PAPER:
        repaired = tuple(_died(past, sent) for sent in lost)
    elif past.ours:
        try:
            view, matching = _ask(ask, past, wait)
            repaired = _conclusions(past, matching, view)
        except BrokerUnavailable as error:
            if lost:
                raise _unknown(run, lost, str(error)) from error
            not_asked = str(error)
    past = _record(data, store, run, past, (*repaired, *_carried(past, repaired)))
    doubtful = [repair for repair in repaired if repair.finding == "unknown"]
    if doubtful:
        refs = {repair.order.client_order_id for repair in doubtful}
        raise _unknown(run, [sent for sent in past.ours if sent.order_ref in refs], "; ".join(map(str, doubtful)))
    return replace(_resume(data, store, run, past), repaired=repaired, not_asked=not_asked)


def recover_lost(data: Path, store: Store, run: Run, view: BrokerView) -> tuple[Repair, ...]:
    """After a run has ended: the fills that the broker has and the journals lack, and the ends that it proves, written down.

    Orders whose outcome is in doubt get the status UNKNOWN; the repairs returned name them by their finding.
    """
    _check_journals(data, run)
    past = _read(data, store, run)
    matching = match(past.asked, view, held=past.held)
    found = _conclusions(past, matching, view)
    _record(data, store, run, past, (*found, *_carried(past, found)))
    return found


def resolve(data: Path, store: Store, run: Run, order_ref: str, *, filled: Decimal, price: Decimal | None,
            fee: Decimal | None = None, by: str) -> Path:
    """A person says what became of an order: how many of its shares were filled in all, without a sign, and at what price
    those that are not recorded yet. It is over then. Returns the file with the line that says so, and who.

    Raises `NotRecorded` for an order that the run has not sent and `BadInput` for what can't be.
    """
    _check_journals(data, run)
    past = _read(data, store, run)
    sent = next((sent for sent in past.ours if sent.order_ref == order_ref), None)
    if sent is None:
        refs = ", ".join(sent.order_ref for sent in past.ours) or "none"
        raise NotRecorded(f"order {order_ref} of run {run.run_id}", f"sent were {refs}")
    known, wanted = abs(sent.filled), abs(sent.quantity)
    if not known <= filled <= wanted:
        raise BadInput(f"{filled:f} shares of {order_ref} can't have been filled: {known:f} of {wanted:f} are recorded as filled")
    if filled > known and (price is None or price <= 0):
        raise BadInput(f"{filled - known:f} shares of {order_ref} need the price at which they were filled", remedy="give --price")
    if not by.strip():
        raise BadInput("nobody is named who says so")
    more = (filled - known) * (1 if sent.quantity > 0 else -1)
    repair = Repair(
        order=sent.latest, finding="resolved", status="FILLED" if filled == wanted else "CANCELLED",
        occurred_at=max(past.heard_until, sent.sent_at), why=f"{filled:f} of {wanted:f} filled, says {by}", quantity=more,
        price=price if more else None, fee=fee if more else None, by=by)
    (path,) = repairs.append(data, run.run_id, [repair])
    store.index(data)
    return path


# What the journals tell.


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """One order of ours over all attempts: a later one may have found it still working, under another number of Lean's."""

    order_ref: str
    order_intent_id: str
    symbol: str
    quantity: Decimal
    sent_at: datetime
    rows: tuple[Order, ...]                 # first to last attempt
    fills: tuple[KnownFill, ...]
    acknowledged: bool                      # whether the engine ever told of it
    findings: frozenset[str]                # of repairs about it

    @property
    def latest(self) -> Order:
        """Its row in the last attempt that bore its reference."""
        return [row for row in self.rows if row.client_order_id == self.order_ref][-1]

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def ended(self) -> bool:
        last = [row for row in self.rows if row.attempt == self.rows[-1].attempt]
        return any(row.ended for row in last) or abs(self.filled) >= abs(self.quantity)

    @property
    def never_arrived(self) -> bool:
        """Whether it is proved that nothing of it is or was at a broker that goes on."""
        absent = "absent" in self.findings and self.latest.status == "CANCELLED" and not self.acknowledged
        return not self.filled and (absent or "died" in self.findings)

    @property
    def broker_ids(self) -> str:
        return ",".join(sorted({part for row in self.rows for part in (row.broker_order_id or "").split(",") if part}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """All that the attempts of a run tell."""

    ours: tuple[_Sent, ...] = ()
    others: tuple[Unresolved, ...] = ()                     # the engine's own orders, such as a liquidation
    held: Mapping[str, Decimal] = field(default_factory=dict)
    heard_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def asked(self) -> tuple[Unresolved, ...]:
        """What is looked for at the broker."""
        return (*(Unresolved(order_ref=sent.order_ref, symbol=sent.symbol, quantity=sent.quantity, sent_at=sent.sent_at,
                             broker_id=sent.broker_ids, fills=sent.fills, ended=sent.ended,
                             settled="resolved" in sent.findings) for sent in self.ours), *self.others)


def _check_journals(data: Path, run: Run) -> None:
    """Raise where a journal of the run was changed. One that a killed process left open, or torn in its last line, is as it
    should be: each line was sealed before the next."""
    for folder in sorted(records.run_folder(data, run.run_id).glob("[0-9]*")):
        repairs.read(folder / repairs.NAME)
        path = folder / "journal.jsonl"
        lines = [line for line in read_lines(str(path)) if line.endswith(b"\n")] if path.is_file() else []
        verdict = verify(lines)
        if not verdict.good and not _goes_on(lines[: verdict.trusted], lines[verdict.trusted:]):
            raise JournalBroken(str(path), verdict.line, verdict.why)


def _goes_on(sealed: list[bytes], rest: list[bytes]) -> bool:
    """Whether what no seal covers is the one line that came next."""
    try:
        return not rest or (len(rest) == 1 and json.loads(rest[0])["seq"] == len(sealed) + 1 and not verify(sealed).closed)
    except (ValueError, KeyError, TypeError):
        return False


def _read(data: Path, store: Store, run: Run) -> _Past:
    """The orders of all attempts, each once, with what is recorded of it."""
    store.index(data)
    for bad in store.bad_lines():
        if bad.file.startswith(f"runs/{run.run_id}/") and bad.file.endswith(".jsonl"):
            raise JournalBroken(bad.file, bad.line, bad.reason)
    events = store.rows(
        "select attempt, order_id, writer, status, occurred_at, json_extract_string(line, '$.finding') as finding "
        "from order_events where run_id = $run order by attempt, occurred_at", run=run.run_id).rows
    if not events:
        return _Past()
    told: dict[tuple[int, str], list[tuple[Any, ...]]] = defaultdict(list)
    for event in events:
        told[event[0], event[1]].append(event)
    fills = _fills(store, run)
    rows = sorted(store.orders(run.run_id), key=lambda row: row.attempt or 0)
    ours = {row.client_order_id: row for row in reversed(rows) if row.client_order_id and row.order_intent_id}
    sent = tuple(_sent(ref, rows, told, fills) for ref in ours if ref is not None)
    taken = {_key(row) for item in sent for row in item.rows}
    first = min(row.attempt or 1 for item in sent for row in item.rows) if sent else 1
    return _Past(ours=sent, others=tuple(_other(row, told, fills) for row in rows if _key(row) not in taken and row.quantity
                                         and row.broker_order_id), held=_held(store, run, first),
                 heard_until=max(event[4] for event in events))


def _key(row: Order) -> tuple[int, str]:
    return row.attempt or 0, row.order_id or ""


def _sent(ref: str, rows: Sequence[Order], told: Mapping[tuple[int, str], list[tuple[Any, ...]]],
          fills: Mapping[tuple[int, str], list[KnownFill]]) -> _Sent:
    own = [row for row in rows if row.client_order_id == ref]
    numbers = {part for row in own for part in (row.broker_order_id or "").split(",") if part}
    bearing = tuple(row for row in rows if row in own or (
        not row.order_intent_id and row.symbol == own[0].symbol and numbers & set((row.broker_order_id or "").split(","))))
    heard = [event for row in bearing for event in told[_key(row)]]
    if own[0].quantity is None or own[0].symbol is None:
        raise JournalBroken(f"run {own[0].run_id}", 0, f"order {ref} was sent without a symbol or a quantity")
    return _Sent(
        order_ref=ref, order_intent_id=own[0].order_intent_id or "", symbol=own[0].symbol, quantity=own[0].quantity,
        sent_at=min(event[4] for event in heard), rows=bearing,
        fills=tuple(fill for row in bearing for fill in fills.get(_key(row), [])),
        acknowledged=any(event[2] != "repairs" and event[3] not in UNHEARD for event in heard),
        findings=frozenset(event[5] for event in heard if event[5]))


def _other(row: Order, told: Mapping[tuple[int, str], list[tuple[Any, ...]]],
           fills: Mapping[tuple[int, str], list[KnownFill]]) -> Unresolved:
    return Unresolved(order_ref=f"order {row.order_id} of attempt {row.attempt}", symbol=row.symbol or "",
                      quantity=row.quantity or ZERO, sent_at=min(event[4] for event in told[_key(row)]),
                      broker_id=row.broker_order_id or "", fills=tuple(fills.get(_key(row), [])), ended=row.ended)


def _fills(store: Store, run: Run) -> dict[tuple[int, str], list[KnownFill]]:
    """What is recorded as filled, by attempt and order; with the broker's id of the execution where one was told."""
    ids: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for *what, exec_id in store.rows("select attempt, order_id, fill_quantity, fill_price, occurred_at, exec_id from executions "
                                     "where run_id = $run and fill_quantity <> 0", run=run.run_id).rows:
        ids[tuple(what)].append(exec_id)
    found: dict[tuple[int, str], list[KnownFill]] = defaultdict(list)
    for fill in store.fills(run.run_id):
        known = ids[fill.attempt, fill.order_id, fill.quantity, fill.price, fill.occurred_at]
        found[fill.attempt, fill.order_id].append(KnownFill(
            quantity=fill.quantity, price=fill.price, occurred_at=fill.occurred_at, exec_id=known.pop() if known else ""))
    return found


def _held(store: Store, run: Run, first: int) -> dict[str, Decimal]:
    """Signed shares by symbol that the journals explain: what the account held when our first order was sent, and all fills
    since. Nothing where its holdings were not told."""
    opened = _opened(store, run.run_id)
    if first not in opened:
        return {}
    held = defaultdict(lambda: ZERO, {name: Decimal(shares) for name, shares in opened[first]["holdings"].items()})
    for row in store.orders(run.run_id):
        if row.symbol:
            held[row.symbol] += ZERO            # what is not named among the holdings is not held
    for fill in store.fills(run.run_id):
        if fill.attempt >= first:
            held[fill.symbol] += fill.quantity
    return dict(held)


def _opened(store: Store, run_id: str) -> dict[int, dict[str, Any]]:
    """The first line of each attempt's journal."""
    return {event.attempt: json.loads(event.line, parse_float=Decimal)
            for event in store.events(run_id) if event.kind == "opened"}


# What the broker tells, and what follows.


def _ask(ask: Callable[[], BrokerView] | None, past: _Past, wait: float) -> tuple[BrokerView, Matching]:
    """The last answer. Where it says that an order is over which was not heard to have ended, the one before said so too:
    an order may still be on its way when the first is given."""
    if ask is None:
        raise BrokerUnavailable("the broker", "no connection to it is configured", "set `ib_port` to that of IB Gateway or TWS")
    view = ask()
    matching = match(past.asked, view, held=past.held)
    before: Matching | None = None
    for _ in range(LOOKS - 1):
        if not _doubtful(past, matching) or (before is not None and matching == before and not matching.ambiguous):
            return view, matching
        time.sleep(wait)
        before, view = matching, ask()
        matching = match(past.asked, view, held=past.held)
    doubtful = _doubtful(past, matching)
    findings = tuple(
        finding if finding.order_ref not in doubtful or (before is not None and finding == before.of(finding.order_ref))
        else replace(finding, state="unknown", fills=(), why=finding.why or "the broker has not told it twice")
        for finding in matching.findings)
    return view, replace(matching, findings=findings)


def _doubtful(past: _Past, matching: Matching) -> set[str]:
    """The orders about which one answer is not enough."""
    return {order.order_ref for order, finding in zip(past.asked, matching.findings, strict=True)
            if finding.state not in ("filled", "working") and not (order.ended and finding.state == "ended")}


def _conclusions(past: _Past, matching: Matching, view: BrokerView) -> tuple[Repair, ...]:
    """What is to be written down of each order: nothing that is written already."""
    return tuple(repair for sent in past.ours for repair in _of_one(sent, matching.of(sent.order_ref), view))


def _of_one(sent: _Sent, finding: Finding, view: BrokerView) -> list[Repair]:
    found = _filled(sent, finding.fills)
    if finding.state == "unknown":
        found.append(_concluded(sent, "unknown", "UNKNOWN", view.at, finding.why))
    elif finding.open and sent.latest.status in (*UNHEARD, "UNKNOWN") and not found:
        working = _concluded(sent, "working", "SUBMITTED", view.at, "the broker has it open")
        found.append(replace(working, broker_id=str(finding.open.order_id)))
    elif finding.state == "ended" and not sent.ended:
        found.append(_concluded(sent, "ended", "CANCELLED", view.at, f"no longer open, {finding.filled:f} filled"))
    elif finding.state == "absent" and not sent.ended:
        found.append(_concluded(sent, "absent", "CANCELLED", view.at, "neither open nor executed at the broker"))
    return found


def _filled(sent: _Sent, executions: Iterable[Execution]) -> list[Repair]:
    found, filled = [], sent.filled
    for item in executions:
        filled += item.shares
        found.append(Repair(
            order=sent.latest, finding="fill", status="FILLED" if filled == sent.quantity else "PARTIALLY_FILLED",
            occurred_at=item.occurred_at, why="told by the broker alone", quantity=item.shares, price=item.price, fee=item.fee,
            exec_id=item.exec_id, broker_id=str(item.order_id)))
    return found


def _concluded(sent: _Sent, finding: str, status: str, at: datetime, why: str) -> Repair:
    return Repair(order=sent.latest, finding=finding, status=status, occurred_at=at, why=why)


def _died(past: _Past, sent: _Sent) -> Repair:
    return _concluded(sent, "died", "CANCELLED", past.heard_until, "it worked at Lean's own paper brokerage, which ended with "
                                                                  "its process")


def _carried(past: _Past, repaired: Iterable[Repair]) -> list[Repair]:
    """An order that has ended leaves no row of an earlier attempt as if it worked there."""
    over = {repair.order.client_order_id for repair in repaired if repair.status in ("FILLED", "CANCELLED")}
    return [Repair(order=row, finding="carried", status="CANCELLED", occurred_at=past.heard_until,
                   why=f"it went on as order {sent.latest.order_id} of attempt {sent.latest.attempt}")
            for sent in past.ours if sent.ended or sent.order_ref in over
            for row in sent.rows if (row.attempt or 0) < (sent.latest.attempt or 0) and not row.ended]


def _record(data: Path, store: Store, run: Run, past: _Past, found: Iterable[Repair]) -> _Past:
    """Write repairs down and read again. What is still as unknown as it was is not said again."""
    said = {sent.order_ref for sent in past.ours
            if "unknown" in sent.findings and (sent.ended or sent.latest.status == "UNKNOWN")}
    new = [repair for repair in found if repair.finding != "unknown" or repair.order.client_order_id not in said]
    if not new:
        return past
    repairs.append(data, run.run_id, new)
    return _read(data, store, run)


def _unknown(run: Run, lost: Iterable[_Sent], why: str) -> OutcomeUnknown:
    remedy = (f"{why}; look at the broker, and say of each order `workbench resolve {run.run_id} <order_ref> --filled Q --price P` "
              "or `--cancelled`")
    return OutcomeUnknown(run.run_id, [sent.order_ref for sent in lost], remedy)


# What the next attempt is told.


def _resume(data: Path, store: Store, run: Run, past: _Past) -> Resume:
    sized = bool(past.ours)
    sent: dict[str, int] = {}
    for item in past.ours:
        n = item.order_ref.rpartition(".")[2]
        sent[item.order_intent_id] = max(sent.get(item.order_intent_id, 0), int(n) if n.isdecimal() else 0)
    holdings, cash = _paper_account(store, run) if run.account == PAPER else ((), None)
    return Resume(
        sized=sized, lines=_lines(data, store, run, past) if sized else (), sent=tuple(sorted(sent.items())),
        ledger=_ledger(store, run), refs=tuple(sorted(item.order_ref for item in past.ours)), holdings=holdings, cash=cash,
        working=tuple(Working(order_ref=item.order_ref, symbol=item.symbol, quantity=item.quantity, filled=item.filled)
                      for item in past.ours if not item.ended))


def _lines(data: Path, store: Store, run: Run, past: _Past) -> tuple[Line, ...]:
    """Holdings that were sized and have no order that arrived anywhere. What a rule refused stays refused."""
    folder = records.run_folder(data, run.run_id)
    params = records.read_params(folder / "params.json")
    types = {intent.order_intent_id: intent.order_type for intent in records.read_intents_file(folder / "intents.json")[0]}
    refused = {cut.order_intent_id for cut in store.cuts(run.run_id)
               if cut.kind == "blocked" and cut.rule not in (*TRIED_AGAIN, "not_adopted", "not_cancelled")}
    arrived = {sent.order_intent_id for sent in past.ours if not sent.never_arrived}
    newest = {line.order_intent_id: line for line in store.sized(run.run_id)}
    return tuple(_line(line, types.get(line.order_intent_id) or params.order_type) for line in newest.values()
                 if line.order and line.order_intent_id not in refused | arrived)


def _line(line: SizedLine, order_type: str) -> Line:
    if line.order is None or line.target is None or line.held is None or line.instrument_id is None:
        raise JournalBroken(f"run {line.run_id}", line.seq, f"the sized line of {line.order_intent_id} is not whole")
    return Line(order_intent_id=line.order_intent_id, symbol=line.symbol, instrument_id=line.instrument_id, order=line.order,
                target=line.target, held=line.held, price=line.price, order_type=order_type,
                reduces=abs(line.target) < abs(line.held))


SAME_DESK = "r.strategy = $strategy and r.account = $account and r.mode = $mode"


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
    """What Lean's own paper brokerage held when it last ended for this strategy: in this run, else in the newest before it."""
    before = store.rows(
        f"select distinct r.run_id, r.rebalance_dates[-1] as day from runs r join events e using (run_id) where {SAME_DESK} "
        "and e.kind = 'opened' and (r.run_id = $run or r.rebalance_dates[-1] < $day) order by day desc limit 1",
        **_desk(run), day=run.rebalance_dates[-1], run=run.run_id).rows
    if not before:
        return (), run.cash
    run_id = str(before[0][0])
    attempt, line = max(_opened(store, run_id).items())
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
    return tuple((symbol, costs[symbol][0], shares, costs[symbol][1]) for symbol, shares in sorted(held.items()) if shares), cash


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
