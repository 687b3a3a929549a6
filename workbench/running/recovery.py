"""What became of a run's orders when its process was cut short, and what the next attempt may still do.

The journals of all attempts are read first; then the broker is asked, where it can be. What it proves is written down as
repairs, marked as inferred. What nobody can prove is not traded over: `OutcomeUnknown` names the orders, and a person says
what became of each (`resolve`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import BadInput, BrokerUnavailable, NotRecorded, OutcomeUnknown
from workbench.judgement.matching import Finding, Matching, match
from workbench.running import repairs, restart
from workbench.running.past import UNHEARD, Past, Sent, check_journals, read
from workbench.running.repairs import Repair
from workbench.running.restart import Resume
from workbench.store import Store
from workbench.words.run import OWN_PAPER, Run

if TYPE_CHECKING:
    from datetime import datetime

    from workbench.engines.ib import BrokerView, Execution

LOOKS = 4                       # at most so often is the broker asked


def look_back(data: Path, store: Store, run: Run, *, ask: Callable[[], BrokerView] | None, paper: bool,
              wait: float = 5.0) -> Resume:
    """What all earlier attempts of a run left, after the broker was asked about every order whose end was not heard.

    `ask` reads the broker, None where it can't be read. `paper` says that Lean's own paper brokerage may have been the broker,
    which it was where the account is called `paper`: what worked there ended with its process. `wait` is the seconds between
    two looks. Raises `OutcomeUnknown` where an order's outcome can't be proved, and `JournalBroken` for a journal that was
    changed. Works for a run without attempts too: the ledger is that of the runs before it.
    """
    check_journals(data, run)
    past = read(data, store, run)
    lost = [sent for sent in past.ours if not sent.ended]
    repaired: tuple[Repair, ...] = ()
    not_asked = ""
    if paper and run.account == OWN_PAPER:
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
    return replace(restart.tell(data, store, run, past), repaired=repaired, not_asked=not_asked)


def recover_lost(data: Path, store: Store, run: Run, view: BrokerView) -> tuple[Repair, ...]:
    """After a run has ended: the fills that the broker has and the journals lack, and the ends that it proves, written down.

    Orders whose outcome is in doubt get the status UNKNOWN; the repairs returned name them by their finding.
    """
    check_journals(data, run)
    past = read(data, store, run)
    matching = match(past.asked, view, held=past.held)
    found = _conclusions(past, matching, view)
    _record(data, store, run, past, (*found, *_carried(past, found)))
    return found


def resolve(data: Path, store: Store, run: Run, order_ref: str, *, filled: Decimal | None,
            price: Decimal | None, fee: Decimal | None = None, by: str) -> Path:
    """A person says what became of an order: how many of its shares were filled in all, without a sign (None: no more than is
    recorded), and at what price those that are not recorded yet. It is over then. Returns the file with the line that says so,
    and who.

    Raises `NotRecorded` for an order that the run has not sent and `BadInput` for what can't be.
    """
    check_journals(data, run)
    past = read(data, store, run)
    sent = next((sent for sent in past.ours if sent.order_ref == order_ref), None)
    if sent is None:
        refs = ", ".join(sent.order_ref for sent in past.ours) or "none"
        raise NotRecorded(f"order {order_ref} of run {run.run_id}", f"sent were {refs}")
    known, wanted = abs(sent.filled), abs(sent.quantity)
    filled = known if filled is None else filled
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


# What the broker tells, and what follows.


def _ask(ask: Callable[[], BrokerView] | None, past: Past, wait: float) -> tuple[BrokerView, Matching]:
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


def _doubtful(past: Past, matching: Matching) -> set[str]:
    """The orders about which one answer is not enough."""
    return {order.order_ref for order, finding in zip(past.asked, matching.findings, strict=True)
            if finding.state not in ("filled", "working") and not (order.ended and finding.state == "ended")}


def _conclusions(past: Past, matching: Matching, view: BrokerView) -> tuple[Repair, ...]:
    """What is to be written down of each order: nothing that is written already."""
    return tuple(repair for sent in past.ours for repair in _of_one(sent, matching.of(sent.order_ref), view))


def _of_one(sent: Sent, finding: Finding, view: BrokerView) -> list[Repair]:
    found = _filled(sent, finding.fills)
    if finding.state == "unknown":
        found.append(_concluded(sent, "unknown", "UNKNOWN", view.at, finding.why))
    elif finding.open and (sent.latest.status == "UNKNOWN" or (sent.latest.status in UNHEARD and not found)):
        working = _concluded(sent, "working", "SUBMITTED", view.at, "the broker has it open")
        found.append(replace(working, broker_id=str(finding.open.order_id)))
    elif finding.state == "ended" and not sent.ended:
        found.append(_concluded(sent, "ended", "CANCELLED", view.at, f"no longer open, {finding.filled:f} filled"))
    elif finding.state == "absent" and not sent.ended:
        found.append(_concluded(sent, "absent", "CANCELLED", view.at, "neither open nor executed at the broker"))
    return found


def _filled(sent: Sent, executions: Iterable[Execution]) -> list[Repair]:
    found, filled = [], sent.filled
    for item in executions:
        filled += item.shares
        found.append(Repair(
            order=sent.latest, finding="fill", status="FILLED" if filled == sent.quantity else "PARTIALLY_FILLED",
            occurred_at=item.occurred_at, why="told by the broker alone", quantity=item.shares, price=item.price, fee=item.fee,
            exec_id=item.exec_id, broker_id=str(item.order_id)))
    return found


def _concluded(sent: Sent, finding: str, status: str, at: datetime, why: str) -> Repair:
    return Repair(order=sent.latest, finding=finding, status=status, occurred_at=at, why=why)


def _died(past: Past, sent: Sent) -> Repair:
    return _concluded(sent, "died", "CANCELLED", past.heard_until, "it worked at Lean's own paper brokerage, which ended with "
                                                                  "its process")


def _carried(past: Past, repaired: Iterable[Repair]) -> list[Repair]:
    """An order that has ended leaves no row of an earlier attempt as if it worked there."""
    over = {repair.order.client_order_id for repair in repaired if repair.status in ("FILLED", "CANCELLED")}
    return [Repair(order=row, finding="carried", status="CANCELLED", occurred_at=past.heard_until,
                   why=f"it went on as order {sent.latest.order_id} of attempt {sent.latest.attempt}")
            for sent in past.ours if sent.ended or sent.order_ref in over
            for row in sent.rows if (row.attempt or 0) < (sent.latest.attempt or 0) and not row.ended]


def _record(data: Path, store: Store, run: Run, past: Past, found: Iterable[Repair]) -> Past:
    """Write repairs down and read again. What is still as unknown as it was is not said again."""
    said = {sent.order_ref for sent in past.ours
            if "unknown" in sent.findings and (sent.ended or sent.latest.status == "UNKNOWN")}
    new = [repair for repair in found if repair.finding != "unknown" or repair.order.client_order_id not in said]
    if not new:
        return past
    repairs.append(data, run.run_id, new)
    return read(data, store, run)


def _unknown(run: Run, lost: Iterable[Sent], why: str) -> OutcomeUnknown:
    remedy = (f"{why}; look at the broker, and say of each order `workbench resolve {run.run_id} <order_ref> --filled Q --price P` "
              "or `--cancelled`")
    return OutcomeUnknown(run.run_id, [sent.order_ref for sent in lost], remedy)
