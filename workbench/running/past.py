"""What the journals of a run tell of its orders, folded over all attempts: the broker has not been asked yet."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.algorithm.journal import read_lines, verify
from workbench.errors import JournalBroken
from workbench.judgement.matching import KnownFill, Unresolved
from workbench.running import records, repairs
from workbench.store import Store
from workbench.words.event import Fill
from workbench.words.order import Order
from workbench.words.run import Run

UNHEARD = ("NEW", "PENDING_SUBMIT")
ZERO = Decimal(0)

Key = tuple[int, str]           # attempt and order id


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
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
        """Signed shares recorded as filled."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def ended(self) -> bool:
        """Whether it was heard, or proved, to be over."""
        last = [row for row in self.rows if row.attempt == self.rows[-1].attempt]
        return any(row.ended for row in last) or abs(self.filled) >= abs(self.quantity)

    @property
    def never_arrived(self) -> bool:
        """Whether it is proved that nothing of it is or was at a broker that goes on."""
        absent = "absent" in self.findings and self.latest.status == "CANCELLED" and not self.acknowledged
        return not self.filled and (absent or "died" in self.findings)

    @property
    def broker_ids(self) -> str:
        """The broker's numbers of it, as Lean told them."""
        return ",".join(sorted({part for row in self.rows for part in _numbers(row)}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """All that the attempts of a run tell."""

    ours: tuple[Sent, ...] = ()
    others: tuple[Unresolved, ...] = ()         # the engine's own, such as a liquidation, and other runs' on the account
    held: Mapping[str, Decimal] = field(default_factory=dict)
    heard_until: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    @property
    def asked(self) -> tuple[Unresolved, ...]:
        """What is looked for at the broker."""
        return (*(Unresolved(order_ref=sent.order_ref, symbol=sent.symbol, quantity=sent.quantity, sent_at=sent.sent_at,
                             broker_id=sent.broker_ids, fills=sent.fills, ended=sent.ended,
                             settled="resolved" in sent.findings) for sent in self.ours), *self.others)


def check_journals(data: Path, run: Run) -> None:
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


def read(data: Path, store: Store, run: Run) -> Past:
    """The orders of all attempts, each once, with what is recorded of it.

    Raises `JournalBroken` for a line that can't be read: it could be any order's.
    """
    store.index(data)
    for bad in store.bad_lines():
        if bad.file.startswith(f"runs/{run.run_id}/") and bad.file.endswith(".jsonl"):
            raise JournalBroken(bad.file, bad.line, bad.reason)
    told = _told(store, run.run_id)
    if not told:
        return Past()
    filled = store.fills(run.run_id)
    fills = _fills(store, run.run_id, filled)
    rows = sorted(store.orders(run.run_id), key=lambda row: row.attempt or 0)
    sent = tuple(_sent(ref, rows, told, fills) for ref in dict.fromkeys(
        row.client_order_id for row in rows if row.client_order_id and _is_ours(row, told)))
    taken = {_key(row) for item in sent for row in item.rows}
    first = min((row.attempt or 1 for item in sent for row in item.rows), default=1)
    opened = opened_lines(store, run.run_id).get(first)
    return Past(
        ours=sent, others=(*_others([row for row in rows if _key(row) not in taken], told, fills),
                           *_of_other_runs(store, run, min((item.sent_at for item in sent), default=datetime.now(UTC)))),
        held=_held(opened, rows, [fill for fill in filled if fill.attempt >= first]),
        heard_until=max(item.at for of_one in told.values() for item in of_one))


@dataclass(frozen=True, slots=True)
class _Told:
    """One event of an order: who told it, with what status, and for a repair its finding."""

    writer: str
    status: str | None
    at: datetime
    finding: str | None


def _told(store: Store, run_id: str) -> dict[Key, list[_Told]]:
    told: dict[Key, list[_Told]] = defaultdict(list)
    for attempt, order_id, *event in store.rows(
            "select attempt, order_id, writer, status, occurred_at, json_extract_string(line, '$.finding') from order_events "
            "where run_id = $run order by attempt, occurred_at", run=run_id).rows:
        told[attempt, order_id].append(_Told(*event))
    return dict(told)


def _is_ours(row: Order, told: Mapping[Key, list[_Told]]) -> bool:
    """An order of an intent, or one that the algorithm announced."""
    return row.order_intent_id is not None or any(
        event.writer == "journal" and event.status == "PENDING_SUBMIT" for event in told[_key(row)])


def _key(row: Order) -> Key:
    return row.attempt or 0, row.order_id or ""


def _sent(ref: str, rows: Sequence[Order], told: Mapping[Key, list[_Told]], fills: Mapping[Key, list[KnownFill]]) -> Sent:
    """One order of ours: the rows that bear its reference, and those that a restarted engine met without one, under the
    broker's number of it."""
    own = [row for row in rows if row.client_order_id == ref]
    quantity, symbol, numbers = own[0].quantity, own[0].symbol, {part for row in own for part in _numbers(row)}
    if quantity is None or symbol is None:
        raise JournalBroken(f"run {own[0].run_id}", 0, f"order {ref} was sent without a symbol or a quantity")
    bearing = tuple(row for row in rows if row in own or (
        not row.order_intent_id and row.symbol == symbol and numbers & _numbers(row)))
    heard = [event for row in bearing for event in told[_key(row)]]
    return Sent(
        order_ref=ref, order_intent_id=own[0].order_intent_id or ref.rpartition(".")[0], symbol=symbol, quantity=quantity,
        sent_at=min(event.at for event in heard), rows=bearing,
        fills=tuple(fill for row in bearing for fill in fills.get(_key(row), [])),
        acknowledged=any(event.writer != "repairs" and event.status not in UNHEARD for event in heard),
        findings=frozenset(event.finding for event in heard if event.finding))


def _numbers(row: Order) -> set[str]:
    return {part for part in (row.broker_order_id or "").split(",") if part}


def _others(rows: Iterable[Order], told: Mapping[Key, list[_Told]],
            fills: Mapping[Key, list[KnownFill]]) -> Iterator[Unresolved]:
    """Orders that are not ours, as far as the broker's number of them is known: what it tells of them is not ours either."""
    for row in rows:
        if row.quantity and row.symbol and row.broker_order_id:
            yield Unresolved(order_ref=f"order {row.order_id} of {row.run_id}-{row.attempt}", symbol=row.symbol,
                             quantity=row.quantity, sent_at=min(event.at for event in told[_key(row)]),
                             broker_id=row.broker_order_id, fills=tuple(fills.get(_key(row), [])), ended=row.ended)


def _of_other_runs(store: Store, run: Run, since: datetime) -> Iterator[Unresolved]:
    """The orders of the account's other runs of the day, as of one that this run supersedes."""
    found = store.rows("select distinct r.run_id from runs r join events e using (run_id) where r.account = $account "
                       "and r.mode = $mode and r.run_id <> $run and e.occurred_at >= $since order by r.run_id",
                       account=run.account, mode=run.mode, run=run.run_id, since=since - timedelta(days=1)).rows
    for (run_id,) in found:
        filled = store.fills(run_id)
        yield from _others(store.orders(run_id), _told(store, run_id), _fills(store, run_id, filled))


def _fills(store: Store, run_id: str, filled: Iterable[Fill]) -> dict[Key, list[KnownFill]]:
    """What is recorded as filled, by attempt and order; with the broker's id of the execution where one was told."""
    ids: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for *what, exec_id in store.rows("select attempt, order_id, fill_quantity, fill_price, occurred_at, exec_id from executions "
                                     "where run_id = $run and fill_quantity <> 0", run=run_id).rows:
        ids[tuple(what)].append(exec_id)
    found: dict[Key, list[KnownFill]] = defaultdict(list)
    for fill in filled:
        known = ids[fill.attempt, fill.order_id, fill.quantity, fill.price, fill.occurred_at]
        found[fill.attempt, fill.order_id].append(KnownFill(
            quantity=fill.quantity, price=fill.price, occurred_at=fill.occurred_at, exec_id=known.pop() if known else ""))
    return found


def _held(opened: Mapping[str, Any] | None, rows: Iterable[Order], fills: Iterable[Fill]) -> dict[str, Decimal]:
    """Signed shares by symbol that the journals explain: what the account held when our first order was sent, and all fills
    since. Nothing where its holdings were not told."""
    if opened is None:
        return {}
    held = defaultdict(lambda: ZERO, {name: Decimal(shares) for name, shares in opened["holdings"].items()})
    for row in rows:
        if row.symbol:
            held[row.symbol] += ZERO            # what is not named among the holdings is not held
    for fill in fills:
        held[fill.symbol] += fill.quantity
    return dict(held)


def opened_lines(store: Store, run_id: str) -> dict[int, dict[str, Any]]:
    """The first line of each attempt's journal."""
    rows = store.rows("select attempt, line from events where run_id = $run and kind = 'opened' order by attempt", run=run_id)
    return {attempt: json.loads(line, parse_float=Decimal) for attempt, line in rows}
