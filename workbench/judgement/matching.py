"""Which of the broker's executions and open orders are which of ours, and what became of those that we lost sight of.

Lean tells the broker none of our order_refs, so an order is known there by the broker's number where Lean told it, else by
account, symbol, side, quantity and the time at which it was sent. Nothing is guessed: what two of our orders could own,
what does not add up, and what can't be seen, is `unknown`, and a person decides.

What counts as proof, beside a number of the broker's: of an order that is nowhere, that it was sent some time before and on
the same day, and that the account holds exactly what the journals and the fills found here explain; the same for the end
of one that was partly filled.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from workbench.market.calendar import NEW_YORK

if TYPE_CHECKING:
    from workbench.engines.ib import BrokerView, Execution, OpenOrder

LEAN_CLIENT = 0                         # the client id under which Lean's plugin sends, always
CLOCKS = timedelta(seconds=60)          # between our clock and the broker's; executions are stamped in whole seconds
GRACE = timedelta(seconds=10)           # after it was sent an order may be on its way, and seen nowhere
CENT_OF_A_CENT = Decimal("0.000001")    # prices went through doubles on both sides
FAMILY = re.compile(r"^(.+\..+\..+)\.[0-9]{2}$")        # an IB execution id without the number of its correction
STATES = ("filled", "working", "ended", "absent", "unknown")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFill:
    """A fill that is already recorded: signed shares, dollars a share. `exec_id` only where the broker told it."""

    quantity: Decimal
    price: Decimal
    occurred_at: datetime
    exec_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unresolved:
    """One order of ours: signed shares, and what was heard of it.

    `broker_id` is Lean's, the order's number at Lean's client (several have commas between them), "" where nothing was heard
    since it was announced. `ended` was heard to have ended, and may lack fills; `settled` was decided by a person.
    """

    order_ref: str
    symbol: str
    quantity: Decimal
    sent_at: datetime
    broker_id: str = ""
    fills: tuple[KnownFill, ...] = ()
    ended: bool = False
    settled: bool = False

    @property
    def filled(self) -> Decimal:
        """Signed shares filled, as far as it is recorded."""
        return sum((fill.quantity for fill in self.fills), ZERO)

    @property
    def broker_ids(self) -> frozenset[str]:
        """The numbers in `broker_id`."""
        return frozenset(part.strip() for part in self.broker_id.split(",") if part.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one order.

    filled: all of it. working: `open` at the broker. ended: over, and not all of it was filled. absent: over without a
    fill, or never there. unknown: `why`. `fills` are executions of it that are not recorded yet.
    """

    order_ref: str
    state: str
    fills: tuple[Execution, ...] = ()
    open: OpenOrder | None = None
    filled: Decimal = ZERO
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """One finding for each of our orders, and the executions that are of none of them."""

    findings: tuple[Finding, ...]
    foreign: tuple[Execution, ...] = ()

    @property
    def ambiguous(self) -> tuple[Finding, ...]:
        """The orders whose outcome is not known."""
        return tuple(finding for finding in self.findings if finding.state == "unknown")

    def of(self, order_ref: str) -> Finding:
        """The finding for one order. Raises KeyError for one that was not asked about."""
        for finding in self.findings:
            if finding.order_ref == order_ref:
                return finding
        raise KeyError(order_ref)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """One order as the broker knows it. `executions` has the last correction of each, `told` all of them by family."""

    symbol: str
    buys: bool
    client_id: int
    order_id: int
    order_ref: str
    executions: tuple[Execution, ...]
    told: Mapping[str, tuple[Execution, ...]]
    open: OpenOrder | None

    @property
    def shares(self) -> Decimal:
        return sum((item.shares for item in self.executions), ZERO)

    @property
    def by_lean(self) -> bool:
        """Orders entered by hand have no number above zero, those of other programs another client id or a reference."""
        return self.client_id == LEAN_CLIENT and self.order_id > 0 and not self.order_ref

    def is_like(self, order: Unresolved) -> bool:
        """The same symbol and side, and nothing of it happened before ours was sent."""
        began = min((item.occurred_at for item in self.executions), default=order.sent_at)
        return self.symbol == order.symbol and self.buys == (order.quantity > 0) and began >= order.sent_at - CLOCKS


def match(orders: Sequence[Unresolved], view: BrokerView, *, held: Mapping[str, Decimal] | None = None) -> Matching:
    """What the broker tells of each of our orders. `held` is the signed shares that the journals explain, by symbol.

    `orders` should be all of the account's orders of the day, with those that have ended: they own executions too.
    """
    placed = _placed(view)
    claims = [(place, able) for place in placed if (able := _owners(orders, place))]
    owned, doubt = _owned(claims)
    known = {order.order_ref: _compared(order, owned[order.order_ref]) for order in orders if order.order_ref in owned}
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for order in orders:
        if order.order_ref in known and not known[order.order_ref].why:
            found[order.symbol] += known[order.order_ref].filled - order.filled
    findings = []
    for order in orders:
        if order.order_ref in doubt:
            finding = Finding(order_ref=order.order_ref, state="unknown", filled=order.filled, why=doubt[order.order_ref])
        elif order.order_ref in known:
            finding = known[order.order_ref]
        else:
            finding = _nowhere(order)
        by_number = order.order_ref in owned and _is_surely(order, owned[order.order_ref])
        findings.append(_proved(order, finding, view, held, found[order.symbol], by_number=by_number))
    taken = {item.exec_id for place, _ in claims for versions in place.told.values() for item in versions}
    return Matching(findings=tuple(findings), foreign=tuple(item for item in view.executions if item.exec_id not in taken))


def family(exec_id: str) -> str:
    """What all corrections of one execution have in common."""
    told = FAMILY.match(exec_id)
    return told.group(1) if told else exec_id


# Whose is what.


def _placed(view: BrokerView) -> tuple[_Placed, ...]:
    """The broker's orders, from their executions and from those that are open."""
    told: dict[tuple[object, ...], dict[str, dict[str, Execution]]] = defaultdict(lambda: defaultdict(dict))
    for item in view.executions:
        told[_key(item, item.side == "BUY")][family(item.exec_id)][item.exec_id] = item
    open_orders = {_key(order, order.quantity > 0): order for order in view.open_orders}
    return tuple(_place(told.get(key, {}), open_orders.get(key)) for key in sorted({*told, *open_orders}, key=repr))


def _key(item: Execution | OpenOrder, buys: bool) -> tuple[object, ...]:
    number = (item.perm_id,) if item.perm_id else (item.client_id, item.order_id)
    return (*number, item.symbol, buys)


def _place(told: Mapping[str, Mapping[str, Execution]], open_order: OpenOrder | None) -> _Placed:
    versions = {name: tuple(of_one[exec_id] for exec_id in sorted(of_one)) for name, of_one in told.items()}
    last = sorted((items[-1] for items in versions.values()), key=lambda item: (item.occurred_at, item.exec_id))
    head: Execution | OpenOrder = open_order or last[0]
    buys = open_order.quantity > 0 if open_order else last[0].side == "BUY"
    return _Placed(symbol=head.symbol, buys=buys, client_id=head.client_id, order_id=head.order_id, order_ref=head.order_ref,
                   executions=tuple(last), told=versions, open=open_order)


def _is_surely(order: Unresolved, place: _Placed) -> bool:
    """By our reference where it was sent along, else by the number that Lean told."""
    if place.order_ref:
        return place.order_ref == order.order_ref
    return place.by_lean and str(place.order_id) in order.broker_ids and place.is_like(order)


def _owned(claims: Sequence[tuple[_Placed, list[Unresolved]]]) -> tuple[dict[str, _Placed], dict[str, str]]:
    """The broker's order of each of ours that surely has one, and why it can't be told of others."""
    owned: dict[str, _Placed] = {}
    doubt: dict[str, str] = {}
    for place, able in claims:
        for order in able:
            rivals = sum(order in others for _, others in claims)
            if len(able) > 1:
                doubt[order.order_ref] = f"{_said(place)} could be of {', '.join(sorted(item.order_ref for item in able))}"
            elif rivals > 1:
                doubt[order.order_ref] = f"the broker has {rivals} orders that could be it, among them {_said(place)}"
            elif place.open and (order.ended or order.settled):
                doubt[order.order_ref] = f"it was taken for ended, and the broker has it open: {_said(place)}"
            elif not (order.settled or _is_surely(order, place) or _adds_up(order, place)):
                doubt[order.order_ref] = f"{order.quantity:f} ordered, and it does not add up: {_said(place)}"
            else:
                owned[order.order_ref] = place
    return {ref: place for ref, place in owned.items() if ref not in doubt}, doubt


def _owners(orders: Sequence[Unresolved], place: _Placed) -> list[Unresolved]:
    """Who could own a broker's order: whom a number or reference names; else, of those that none names, the ones that we lost
    sight of; else those that a person settled; else those that were taken for ended without the broker having been heard."""
    sure = [order for order in orders if _is_surely(order, place)]
    if sure or not place.by_lean:
        return sure
    like = [order for order in orders if not order.broker_ids and place.is_like(order)]
    lost = [order for order in like if not order.ended and not order.settled]
    return lost or [order for order in like if order.settled] or like


def _adds_up(order: Unresolved, place: _Placed) -> bool:
    """Whether an order that no number names has the quantities of ours: as recorded for one that ended, else as ordered."""
    if order.ended:
        return order.filled == place.shares != 0
    return order.quantity == (place.open.quantity if place.open else place.shares)


def _said(place: _Placed) -> str:
    """A broker's order in words."""
    what = f"{'BUY' if place.buys else 'SELL'} {place.symbol}"
    ordered = f" {abs(place.open.quantity):f} open," if place.open else ""
    return f"{what},{ordered} {abs(place.shares):f} filled (order {place.order_id} of client {place.client_id})"


# What is not recorded yet.


def _compared(order: Unresolved, place: _Placed) -> Finding:
    """An order's recorded fills against its executions. Nothing that is recorded is found again."""
    if order.settled:
        return _nowhere(order)
    lacking, replaced, why = _lacking(order, place)
    if not replaced and place.shares == order.filled:           # as many shares as are recorded; a price may be corrected
        lacking, why = (), ""
    filled = order.filled - replaced + sum((item.shares for item in lacking), ZERO)
    counted = max((item.cum_quantity for item in place.executions), default=ZERO)
    counted = max(counted, place.open.filled if place.open else ZERO)
    if abs(filled) > abs(order.quantity) or filled * order.quantity < 0:
        why = f"the quantities don't add up: {filled:f} filled of {order.quantity:f}"
    elif counted > abs(filled):
        why = f"the broker counts {counted:f} shares filled, and tells of {abs(filled):f}"
    if why:
        return Finding(order_ref=order.order_ref, state="unknown", filled=order.filled, why=why)
    state = "filled" if filled == order.quantity else "working" if place.open else "ended"
    return Finding(order_ref=order.order_ref, state=state, fills=lacking, filled=filled,
                   open=place.open if state == "working" else None)


def _lacking(order: Unresolved, place: _Placed) -> tuple[tuple[Execution, ...], Decimal, str]:
    """The executions that are not recorded, the recorded shares that they replace, and why the two can't be compared."""
    by_id = {family(fill.exec_id): fill for fill in order.fills if fill.exec_id}
    waiting = {name: versions for name, versions in place.told.items() if name not in by_id}
    corrected = [(place.told[name][-1], fill) for name, fill in by_id.items()
                 if name in place.told and place.told[name][-1].exec_id > fill.exec_id]
    unpaired = [fill for name, fill in by_id.items() if name not in place.told]
    why = ""
    for fill in sorted((fill for fill in order.fills if not fill.exec_id), key=lambda fill: fill.occurred_at):
        same = [name for name, versions in waiting.items() if any(_is_it(fill, item) for item in versions)]
        if not same:
            unpaired.append(fill)
            continue
        versions = waiting.pop(min(same, key=lambda name: abs(waiting[name][-1].occurred_at - fill.occurred_at)))
        if versions[-1].shares != fill.quantity:
            why = f"the broker corrected {fill.quantity:f} shares that are recorded to {versions[-1].shares:f}"
    if waiting and any(_is_of_today(fill, place) for fill in unpaired):
        why = f"{len(unpaired)} recorded fills are none of the broker's executions, and {len(waiting)} of those are not recorded"
    lacking = [item for item, _ in corrected] + [versions[-1] for versions in waiting.values() if versions[-1].quantity]
    replaced = sum((fill.quantity for _, fill in corrected), ZERO)
    return tuple(sorted(lacking, key=lambda item: (item.occurred_at, item.exec_id))), replaced, why


def _is_of_today(fill: KnownFill, place: _Placed) -> bool:
    """Whether the broker should still tell of a fill: it does so for the day's alone."""
    return fill.occurred_at + CLOCKS >= min(item.occurred_at for item in place.executions).astimezone(NEW_YORK).replace(
        hour=0, minute=0, second=0)


def _is_it(fill: KnownFill, item: Execution) -> bool:
    return fill.quantity == item.shares and abs(fill.price - item.price) <= CENT_OF_A_CENT


def _nowhere(order: Unresolved) -> Finding:
    """An order that the broker told nothing of."""
    if order.filled == order.quantity:
        state = "filled"
    else:
        state = "ended" if order.filled or order.ended or order.settled else "absent"
    return Finding(order_ref=order.order_ref, state=state, filled=order.filled)


# What can be said for certain.


def _proved(order: Unresolved, finding: Finding, view: BrokerView, held: Mapping[str, Decimal] | None, found: Decimal, *,
            by_number: bool) -> Finding:
    """The finding, or unknown where what it rests on is not there."""
    over = finding.state in ("ended", "absent") and not order.ended and not order.settled
    guessed = bool(finding.fills) and not by_number
    why = ""
    if over and view.at - order.sent_at < GRACE:
        why = "it was sent a moment ago, and may still be on its way; ask again"
    elif over and view.at.astimezone(NEW_YORK).date() != order.sent_at.astimezone(NEW_YORK).date():
        why = "the broker tells of executions of the same day only"
    elif over and (held is None or order.symbol not in held):
        why = "what was held before it is not known, so its end can't be proved"
    elif (over or guessed) and held is not None and order.symbol in held:
        wanted, there = held[order.symbol] + found, view.held(order.symbol)
        if wanted != there:
            why = f"the account holds {there:f} {order.symbol} where the fills that are known make {wanted:f}"
    if not why:
        return finding
    return Finding(order_ref=order.order_ref, state="unknown", filled=order.filled, why=why)
