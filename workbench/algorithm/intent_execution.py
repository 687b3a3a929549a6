"""Executes recorded order intents: a Lean algorithm, the same file in a backtest, on paper and live.

Reads the intents and params named in its parameters, sizes each rebalance date's weights once, sends the orders at the
moment their type asks for, and writes everything it does and hears to its journal. Weights come in; quantities are
decided here and nowhere else, by `sizing`, and looked at once more by `guard`.

A backtest trades by scheduled events. Paper and live trade one date, and look after it every five seconds: what is due is
sent, once, each order announced in the journal before it goes; a file can stop it all; and when every order has ended, or at
a deadline, the algorithm ends by itself. An attempt that goes on where an earlier one was cut short is told of it (`resume`).

Parameters (text): execution-intent-path, execution-params-path, journal-path, run-id, attempt, mode, account, start, end,
cash; on paper and live also resume-path, stop-path, deadline (a UTC moment) and leave-working (true: what still works at the
deadline is not cancelled), each of which may be missing.
"""

from AlgorithmImports import *

import hashlib                      # Python's own names after Lean's star import, which covers some of them
import json
import platform
import threading
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Exact
from pathlib import Path
from typing import Any

import guard
import intents
import journal
import params
import resume
import sizing
import timing
from sizing import ZERO, exact

READ = {"intents": "execution-intent-path", "params": "execution-params-path"}
REDUCING_DEADLINE = timedelta(minutes=10)
BETWEEN_LOOKS = timedelta(seconds=5)
CANCELLING = timedelta(seconds=60)
CUT_KINDS = {"blocked": "blocked", "stale": "blocked", "no_price": "blocked", "absurd": "blocked",
             "min_qty": "skipped"}      # else: capped
ENDED = ("FILLED", "CANCELLED", "EXPIRED", "REJECTED")
LEANS_TYPES = {"MOO": "MARKET_ON_OPEN", "MKT": "MARKET", "MOC": "MARKET_ON_CLOSE", "LMT": "LIMIT"}


class BpsFee(FeeModel):
    """Fees as basis points of the order's value at the security's price; for backtests."""

    def __init__(self, bps: float) -> None:
        super().__init__()
        self.bps = bps

    def get_order_fee(self, parameters: Any) -> OrderFee:
        value = abs(parameters.order.get_value(parameters.security))
        return OrderFee(CashAmount(value * self.bps / 10000, "USD"))


class OpenCloseSlippage:
    """Basis points of the price against us, one figure at the close and one for everything else; for backtests."""

    def __init__(self, open_bps: float, close_bps: float) -> None:
        self.open_bps, self.close_bps = open_bps, close_bps

    def get_slippage_approximation(self, asset: Any, order: Any) -> float:
        bps = self.close_bps if order.type == OrderType.MARKET_ON_CLOSE else self.open_bps
        return float(asset.price) * bps / 10000


class IntentExecution(QCAlgorithm):
    """One launch over all the decisions it is given; live and paper get those of one date."""

    def initialize(self) -> None:
        self.trading_mode = str(self.get_parameter("mode", "backtest"))
        self.for_real = self.trading_mode != "backtest"
        if self.live_mode and not self.for_real:
            raise ValueError("the engine is live, and parameter 'mode' says backtest")
        self.execution_params: params.ExecutionParams = params.read(_load(self._required("execution-params-path")))
        good, refused = intents.read(_load(self._required("execution-intent-path")))
        self.set_start_date(*_ymd(self._required("start")))
        self.set_end_date(*_ymd(self._required("end")))
        self.set_cash(float(self._required("cash")))
        self.set_brokerage_model(*_brokerage(self.execution_params.brokerage))
        if self.live_mode:      # Lean live knows no price before a bar has come, a day later with daily ones
            self.set_security_initializer(
                BrokerageModelSecurityInitializer(self.brokerage_model, FuncSecuritySeeder(self.get_last_known_prices)))
        if not good:
            raise ValueError(f"no usable intent in {self._required('execution-intent-path')}; {len(refused)} refused")
        self.left = self._read_resume()
        self.stocks: dict[str, Equity] = {name: self._add(name)
                                          for name in sorted({intent.symbol for intent in good} | self.left.symbols)}
        self.assets: dict[str, Symbol] = {name: stock.symbol for name, stock in self.stocks.items()}
        self.set_benchmark(lambda moment: 0)
        _check_identities((*good, *self.left.lines), self.assets)

        self.refused = refused
        self.read_hashes = {f"{name}_sha256": _sha256(self._required(path)) for name, path in READ.items()}
        self.intents_by_day: dict[date, list[intents.Intent]] = defaultdict(list)
        for intent in good:
            self.intents_by_day[intent.rebalance_date].append(intent)
        self.sized_days: set[date] = set()
        self.to_send: dict[tuple[date, str], list[tuple[sizing.Sized, intents.Intent | None]]] = defaultdict(list)
        self.traded: set[tuple[date, str]] = set()              # what was due, and sent or refused
        self.waiting: list[tuple[date, str, sizing.Sized, intents.Intent | None]] = []
        self.waiting_until: datetime | None = None
        self.working: dict[str, tuple[str, OrderTicket]] = {}   # order_ref -> symbol and ticket
        self.first_tags: dict[int, str] = {}                    # order id -> first tag seen: Lean overwrites tags
        self.sent_counts = defaultdict(int, self.left.sent)     # order_intent_id -> orders sent
        self.sent_refs = set(self.left.refs)
        self.ledger = defaultdict(Exact, self.left.ledger)      # what our own orders explain, in shares
        self.basis: dict[str, list[tuple[date, Exact, Exact]]] = defaultdict(list)
        self.ages: dict[tuple[date, date], int] = {}
        self.delisting_warned: set[str] = set()
        self.reducing_refs: set[str] = set()
        self.guard: guard.Guard | None = None
        self.close_value: Exact | None = None
        self.marked: datetime | None = None
        self.turn = threading.RLock()       # live, Lean tells of data, orders and the time in threads of their own
        self.opened = self.adopted = self.ended = False
        self.may_send = True
        self.stopping: str | None = None                        # the rule by which nothing is sent any more
        self.stopping_since: datetime | None = None
        self.cancel_asked: set[str] = set()

        self.closes = {day: self._close_of(day) for day in sorted(self.intents_by_day)}
        self.kinds = {day: sorted(self._order_types(day), key=lambda kind: timing.due(kind, day, close))
                      for day, close in self.closes.items()}
        if self.for_real:
            self._look_after_the_day()
        else:
            for day, kinds in self.kinds.items():
                for order_type in kinds:
                    self._schedule(day, order_type)
        self.lines = journal.Journal(self._required("journal-path"), run_id=self._required("run-id"),
                             attempt=int(self._required("attempt")), live=self.trading_mode != "backtest",
                             now=lambda: datetime.now(UTC))

    def _schedule(self, day: date, order_type: str) -> None:
        """A callback without parameters: Lean could take one that has them for one that wants the event's name and time."""
        moment = timing.due(order_type, day, self.closes[day])
        self.schedule.on(self.date_rules.on(day.year, day.month, day.day), self.time_rules.at(moment.hour, moment.minute),
                         lambda: self._trade(day, order_type))

    def _open(self) -> None:
        """The journal's first line, written with the first thing that happens: live, Lean loads cash and holdings only after
        `initialize`."""
        self._write("opened", self.utc_time, {
            "versions": {"python": platform.python_version(), "schema": journal.SCHEMA}, "mode": self.trading_mode,
            "account": str(self.get_parameter("account", "")), **({"resumed": self.left.sized} if self.for_real else {}),
            "cash": exact(self.portfolio.cash), "holdings": {name: self._held(name) for name in self.assets if self._held(name)},
            **self.read_hashes, "intents": sum(len(of_day) for of_day in self.intents_by_day.values()),
            "rejected": [{"position": item.position, "symbol": item.symbol, "reason": item.reason} for item in self.refused]})

    # The rebalance: size once, at the first moment of the day, then send each order type at its own.

    def _trade(self, day: date, order_type: str) -> None:
        if not self.may_send:
            return
        if day not in self.sized_days:
            self.sized_days.add(day)
            self._size(day)
        batch = self.to_send.pop((day, order_type), [])
        if self._is_late(day, order_type):
            self._refuse("too_late", batch, self._until(day, order_type))
            return
        wait = self.for_real and order_type in ("MKT", "LMT") and (self._is_reducing() or any(line.reduces for line, _ in batch))
        for line, intent in batch:
            if wait and not line.reduces:
                self.waiting.append((day, order_type, line, intent))
            else:
                self._send(line, intent, order_type)
        if self.waiting and self.waiting_until is None:
            self.waiting_until = self.time + REDUCING_DEADLINE

    def _size(self, day: date) -> None:
        """Read equity once, size every wanted holding, and record what was sized and what each rule took."""
        rules = self.execution_params
        total, cash = exact(self.portfolio.total_portfolio_value), exact(self.portfolio.cash)
        self._record("rebalance", rebalance_date=day, equity=total, cash=cash)
        today = {intent.order_intent_id: intent for intent in self.intents_by_day[day]}
        wanted = [sizing.Wanted(order_intent_id=intent.order_intent_id, symbol=intent.symbol, weight=intent.weight,
                                quantity=intent.quantity) for intent in today.values()]
        if rules.close_unlisted:
            wanted += self._closes_of_unlisted(day)
        wanted = [item for item in wanted if self._free_of_working_orders(item)]
        if total <= 0:
            for item in wanted:
                self._record("blocked", order_intent_id=item.order_intent_id, symbol=item.symbol, rule="no_equity", cut=None)
            return
        held = {name: self._held(name) for name in self.assets}
        quotes = {item.symbol: self._quote(item.symbol, day) for item in wanted}
        for line in sizing.size(wanted, equity=total, held=held, quotes=quotes, params=rules):
            intent = today.get(line.order_intent_id)
            self._record_sized(line)
            if line.order != 0:
                order_type = (intent.order_type if intent else None) or rules.order_type
                self.to_send[day, order_type].append((line, intent))
        self._set_guard(total)

    def _set_guard(self, total: Exact) -> None:
        rules, held = self.execution_params, {name: self._held(name) for name in self.assets}
        gross = sum((abs(held[name]) * (self._price(name) or ZERO) for name in held if held[name]), ZERO)
        self.guard = guard.Guard(rules.risk_overrides, equity=total * rules.capital_fraction, gross=gross,
                                 loss=None if not self.close_value else 1 - total / self.close_value)

    def _closes_of_unlisted(self, day: date) -> list[sizing.Wanted]:
        """The shares that our own orders explain, of what today's intents do not name: those are sold, and no others."""
        named = {intent.symbol for intent in self.intents_by_day[day]}
        snapshot = next((i.order_intent_id.split("-")[0] for i in self.intents_by_day[day] if i.source != "manual"), None)
        if snapshot is None:
            return []
        ours = {name: int(self._ours(name)) for name in self.assets if name not in named}
        unlisted = [sizing.Wanted(order_intent_id=f"{snapshot}-{name}", symbol=name, weight=None, quantity=-shares)
                    for name, shares in ours.items() if shares]
        return [item for item in unlisted if self._is_unwanted(item, day)]

    def _ours(self, name: str) -> Exact:
        held, ours = self._held(name), self.ledger[name]
        return min(abs(held), abs(ours)).copy_sign(held) if held * ours > 0 else ZERO

    def _is_unwanted(self, item: sizing.Wanted, day: date) -> bool:
        """Whether nothing was said of a symbol. What was said and refused as unreadable is held, not sold."""
        for refused in self.refused:
            if refused.symbol.strip().upper() == item.symbol and refused.rebalance_date in (day, None):
                self._record("blocked", order_intent_id=item.order_intent_id, symbol=item.symbol, rule="refused_intent",
                             cut=None, detail=refused.reason)
                return False
        return True

    def _free_of_working_orders(self, item: sizing.Wanted) -> bool:
        """An order whose outcome is not known yet is never doubled, whoever sent it (ourselves, before a restart): its symbol
        waits."""
        found = [self.first_tags.get(order.id) or f"order {order.id}"
                 for order in self.transactions.get_open_orders(self.assets[item.symbol])]
        if found:
            self._record("blocked", order_intent_id=item.order_intent_id, symbol=item.symbol, rule="working_order", cut=None,
                         detail=", ".join(found))
        return not found

    def _record_sized(self, line: sizing.Sized) -> None:
        ref = f"{line.order_intent_id}.{self.sent_counts[line.order_intent_id] + 1}"
        self._record("sized", order_ref=ref if line.order else None, order_intent_id=line.order_intent_id,
                     symbol=line.symbol, instrument_id=str(self.assets[line.symbol].id), price=line.price,
                     price_time=self._price_time(line.symbol), raw=line.raw, target=line.target, held=line.held,
                     order=line.order)
        for cut in line.cuts:
            self._record(CUT_KINDS.get(cut.rule, "capped"), order_intent_id=line.order_intent_id, symbol=line.symbol,
                         rule=cut.rule, cut=cut.shares)

    def _send(self, line: sizing.Sized, intent: intents.Intent | None, order_type: str) -> None:
        """Check; where money is real announce the order and force the journal to the disk; send."""
        if not self.may_send:       # asked here too: Lean goes on with a batch after an error in `on_order_event`
            return
        if self.for_real and (stop := self._stop_order()) is not None:
            self._refuse("stopped", [(line, intent)], stop)
            return
        name = line.symbol
        price = self._price(name)
        check = guard.Check(symbol=name, quantity=line.order, held=self._held(name), price=price,
                            reference=self._reference(intent), now=self.time,
                            lot_value=(price or ZERO) * self.execution_params.lot_size)
        assert self.guard is not None
        limit = self._limit(line, intent)
        refusal = self.guard.check(check)
        if refusal is None and order_type == "LMT" and limit is None:
            refusal = guard.Refusal(rule="no_price", detail=f"{name} has no price to make a limit from")
        if refusal is not None:
            self._record("blocked", order_intent_id=line.order_intent_id, symbol=name, rule=refusal.rule, cut=line.order,
                         detail=refusal.detail)
            return
        self.sent_counts[line.order_intent_id] += 1
        ref = f"{line.order_intent_id}.{self.sent_counts[line.order_intent_id]}"
        self.sent_refs.add(ref)
        if line.reduces:
            self.reducing_refs.add(ref)
        if self.for_real:
            self._announce(line, ref, order_type, limit, "PENDING_SUBMIT")
            self._force_to_disk()
        self.guard.note(check)      # before it is sent: what is sent from within its own events counts it
        ticket = self._place(self.assets[name], int(line.order), order_type, limit, ref)
        if ticket.order_id <= 0:
            self.reducing_refs.discard(ref)
            if self.for_real:
                self._announce(line, ref, order_type, limit, "REJECTED", str(ticket))
            self._record("blocked", order_intent_id=line.order_intent_id, symbol=name, rule="engine", cut=line.order,
                         detail=str(ticket))
            return
        self.working[ref] = (name, ticket)
        if journal.lean_status(ticket.status) in ENDED:     # in this order: live, it may end in another thread meanwhile
            self.working.pop(ref, None)

    def _announce(self, line: sizing.Sized, ref: str, order_type: str, limit: Exact | None, status: str,
                  message: str | None = None) -> None:
        """What we say of an order that has no id of the engine's: that it is about to be sent, or was not taken."""
        self._record(
            "order", order_ref=ref, order_id=None, event_id=None, broker_id="", exec_id=None, symbol=line.symbol,
            instrument_id=str(self.assets[line.symbol].id), type=LEANS_TYPES[order_type], tif=self.execution_params.time_in_force,
            limit_price=limit if order_type == "LMT" else None, stop_price=None, status=status, quantity=line.order,
            fill_quantity=ZERO, fill_price=None, fee=None, currency="USD", arrival_price=None, arrival_source=None,
            message=message)

    def _place(self, symbol: Symbol, quantity: int, order_type: str, limit: Exact | None, ref: str) -> OrderTicket:
        options: dict[str, Any] = {"tag": ref}
        if self.for_real:                   # nobody waits: it is heard, and meanwhile the next one goes
            options["asynchronous"] = True
        if self.execution_params.time_in_force == "DAY":
            options["order_properties"] = properties = self.default_order_properties.clone()
            properties.time_in_force = TimeInForce.DAY
        if order_type == "MOO":
            return self.market_on_open_order(symbol, quantity, **options)
        if order_type == "MOC":
            return self.market_on_close_order(symbol, quantity, **options)
        if order_type == "LMT":
            assert limit is not None
            return self.limit_order(symbol, quantity, float(limit), **options)
        return self.market_order(symbol, quantity, **options)

    # Paper and live: one date, looked after from when Lean's clock runs until every order has ended.

    def _look_after_the_day(self) -> None:
        """Everything that is done goes by this look, in the one thread that Lean keeps for scheduled events: whatever comes in
        other threads is only heard."""
        text = str(self.get_parameter("deadline", "") or "")
        last = max(timing.last_wait(close) for close in self.closes.values())
        self.deadline_utc = datetime.fromisoformat(text) if text else journal.new_york_to_utc(last)
        self.stop_path = str(self.get_parameter("stop-path", "") or "")
        self.leave_working = str(self.get_parameter("leave-working", "false")).lower() == "true"
        if self.left.sized:
            self._take_over(self.left.lines)
        self.schedule.on(self.date_rules.every_day(), self.time_rules.every(BETWEEN_LOOKS), self._look)

    def _take_over(self, lines: Iterable[resume.Line]) -> None:
        """What an earlier attempt sized and did not send is sent as it is; nothing is sized again."""
        if len(self.closes) != 1:
            raise ValueError("an attempt that goes on where another stopped has the intents of one date")
        (day,) = self.closes
        self.sized_days.add(day)
        by_id = {intent.order_intent_id: intent for intent in self.intents_by_day[day]}
        for line in lines:
            sized = sizing.Sized(order_intent_id=line.order_intent_id, symbol=line.symbol, price=line.price, raw=None,
                                 target=line.target, held=line.held)
            self.to_send[day, line.order_type].append((sized, by_id.get(line.order_intent_id)))
        for order_type in sorted({line.order_type for line in lines} - set(self.kinds[day])):
            self.kinds[day].append(order_type)

    def _look(self) -> None:
        """What is due now, in this order: stop, give up at the deadline, send; and end when nothing is left to wait for."""
        if self.ended or not self.may_send:
            return
        self._begin()
        if self.stopping is None:
            stop = self._stop_order()
            if stop is not None:
                self._stop("stopped", stop)
            elif self.utc_time >= self.deadline_utc:
                self._stop("deadline", journal.instant(self.deadline_utc))
            else:
                self._trade_what_is_due()
        if self._cancels():
            self._cancel_working()
        if self._is_over():
            self._finish()

    def _begin(self) -> None:
        """Take up the orders of earlier attempts that are open at the broker; Lean has met them under new ids and without tags."""
        with self.turn:
            if self.adopted:
                return
            self.adopted = True
            if self.time < timing.opening(min(self.closes)):        # the newest prices are the last close's, for the loss since
                self.close_value = exact(self.portfolio.total_portfolio_value)
            tickets = {ticket.order_id: ticket for ticket in self.transactions.get_open_order_tickets()}
            refs = resume.adopt(self.left.working, [(number, str(ticket.symbol), exact(ticket.quantity))
                                                    for number, ticket in tickets.items()])
            for number, ref in refs.items():
                self.first_tags[number] = ref
                name, ticket = str(tickets[number].symbol), tickets[number]
                self.working[ref] = (name, ticket)
                if self._held(name) * exact(ticket.quantity) < 0:
                    self.reducing_refs.add(ref)
            for order in self.left.working:
                self._tell_of_adoption(order, next((number for number, ref in refs.items() if ref == order.order_ref), None))
            self._open_once()

    def _tell_of_adoption(self, order: resume.Working, order_id: int | None) -> None:
        intent = order.order_ref.rpartition(".")[0]
        if order_id is None:
            self._record("blocked", order_intent_id=intent, symbol=order.symbol, rule="not_adopted", cut=None,
                         detail=f"{order.order_ref}: the broker has no open order of {order.remaining} shares that is surely it")
            return
        found = self.transactions.get_order_by_id(order_id)
        self._record(
            "order", order_ref=order.order_ref, order_id=order_id, event_id=None, broker_id=",".join(found.broker_id),
            exec_id=None, symbol=order.symbol, instrument_id=str(self.assets[order.symbol].id), type=str(found.type),
            tif=self.execution_params.time_in_force, limit_price=None, stop_price=None, status="SUBMITTED",
            quantity=exact(found.quantity), fill_quantity=ZERO, fill_price=None, fee=None, currency="USD", arrival_price=None,
            arrival_source=None, message="adopted")

    def _trade_what_is_due(self) -> None:
        for day, kinds in self.kinds.items():
            if day not in self.sized_days and all(self._is_late(day, order_type) for order_type in kinds):
                self.sized_days.add(day)
                self._refuse_unsized("too_late", day, ", ".join(self._until(day, order_type) for order_type in kinds))
            for order_type in kinds:
                if (day, order_type) not in self.traded and self.time >= timing.due(order_type, day, self.closes[day]):
                    self.traded.add((day, order_type))
                    self._check_left(day, order_type)
                    self._trade(day, order_type)
        if self.waiting and (not self._is_reducing() or (self.waiting_until is not None and self.time >= self.waiting_until)):
            self._send_waiting()

    def _check_left(self, day: date, order_type: str) -> None:
        """Before lines of an earlier attempt are sent: the account holds what they were sized from, and nothing works for it."""
        if not self.left.sized:
            return
        if self.guard is None:
            self._set_guard(exact(self.portfolio.total_portfolio_value))
        for item in self.to_send.pop((day, order_type), []):
            line, held = item[0], self._held(item[0].symbol)
            wanted = sizing.Wanted(order_intent_id=line.order_intent_id, symbol=line.symbol, weight=None)
            if held != line.held:
                self._refuse("holdings_changed", [item], f"{held} held, sized from {line.held}")
            elif self._free_of_working_orders(wanted):
                self.to_send[day, order_type].append(item)

    def _is_reducing(self) -> bool:
        """Whether an order that frees money is still at work."""
        return any(ref in self.reducing_refs for ref in list(self.working))

    def _send_waiting(self) -> None:
        self.waiting_until = None
        while self.waiting:
            day, order_type, line, intent = self.waiting.pop(0)
            if self._is_late(day, order_type):
                self._refuse("too_late", [(line, intent)], self._until(day, order_type))
            else:
                self._send(line, intent, order_type)

    def _is_late(self, day: date, order_type: str) -> bool:
        """Whether an order of this type would miss its market: on a day of a backtest none does."""
        return self.for_real and self.time >= timing.latest(order_type, day, self.closes[day])

    def _until(self, day: date, order_type: str) -> str:
        return f"{order_type} is sent until {timing.latest(order_type, day, self.closes[day]):%H:%M:%S}"

    def _stop_order(self) -> str | None:
        """Who stops us and why, where somebody does."""
        if not self.stop_path:
            return None
        try:
            return Path(self.stop_path).read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError:         # it is there
            return "the file can't be read"

    def _stop(self, rule: str, detail: str) -> None:
        """From now on nothing is sent. Each thing that was not is recorded."""
        self.stopping, self.stopping_since = rule, self.utc_time
        for day in self.closes:
            if day not in self.sized_days:
                self.sized_days.add(day)
                self._refuse_unsized(rule, day, detail)
        unsent = [item for batch in self.to_send.values() for item in batch]
        self._refuse(rule, unsent + [(line, intent) for _, _, line, intent in self.waiting], detail)
        self.to_send.clear()
        self.waiting.clear()

    def _cancels(self) -> bool:
        return self.stopping == "stopped" or (self.stopping == "deadline" and not self.leave_working)

    def _cancel_working(self) -> None:
        """Ask once for each order; one that the broker has not yet, or that could not be asked for, at the next look."""
        for ref, (_, ticket) in list(self.working.items()):
            if ref not in self.cancel_asked and ticket.status != OrderStatus.NEW and ticket.cancel(ref).is_success:
                self.cancel_asked.add(ref)

    def _is_over(self) -> bool:
        if self.stopping is None:
            return (self.sized_days >= set(self.closes) and not any(self.to_send.values()) and not self.waiting
                    and not self.working)
        assert self.stopping_since is not None
        return not self._cancels() or not self.working or self.utc_time - self.stopping_since >= CANCELLING

    def _finish(self) -> None:
        """The last mark and the last line, and then Lean is told to end."""
        for ref, (name, _) in list(self.working.items()):
            if self._cancels():
                self._record("blocked", order_intent_id=ref.rpartition(".")[0], symbol=name, rule="not_cancelled", cut=None,
                             detail=f"{ref} still works at the broker")
        self._close()
        self.quit("every order has ended" if self.stopping is None else f"{self.stopping}; {len(self.working)} orders open")

    def _refuse(self, rule: str, batch: Iterable[tuple[sizing.Sized, intents.Intent | None]], detail: str) -> None:
        for line, _ in batch:
            self._record("blocked", order_intent_id=line.order_intent_id, symbol=line.symbol, rule=rule, cut=line.order,
                         detail=detail)

    def _refuse_unsized(self, rule: str, day: date, detail: str) -> None:
        for intent in self.intents_by_day[day]:
            self._record("blocked", order_intent_id=intent.order_intent_id, symbol=intent.symbol, rule=rule, cut=None,
                         detail=detail)

    # What Lean tells.

    def on_order_event(self, event: OrderEvent) -> None:
        """An event that can't be taken in stops all sending: Lean itself goes on until its next step."""
        try:
            with self.turn:
                self._hear_order(event)
        except BaseException:
            self.may_send = False
            self.lines.sync()           # nobody closes the journal after an error, and a process may end without writing it out
            raise

    def _hear_order(self, event: OrderEvent) -> None:
        if self.for_real:
            self._begin()
        order_id, symbol = event.order_id, event.symbol
        order = self.transactions.get_order_by_id(order_id)
        ref = self.first_tags.setdefault(order_id, str(order.tag or ""))
        name, message = str(symbol), str(event.message or "")
        status = journal.lean_status(event.status, message)
        filled = exact(event.fill_quantity)
        arrival, source = self._arrival(order, name, filled != 0)
        self.ledger[name] += filled if ref in self.sent_refs else _taken(self.ledger[name], filled)
        self._record(
            "order", moment=event.utc_time, order_ref=ref, order_id=order_id, event_id=event.id,
            broker_id=",".join(order.broker_id), exec_id=None, symbol=name, instrument_id=str(symbol.id),
            type=str(order.type), tif=self.execution_params.time_in_force, limit_price=_maybe(event.limit_price),
            stop_price=_maybe(event.stop_price), status=status, quantity=exact(event.quantity), fill_quantity=filled,
            fill_price=exact(event.fill_price) if filled else None,
            fee=exact(event.order_fee.value.amount) if filled else None, currency="USD",
            arrival_price=arrival, arrival_source=source, message=message or None)
        if status in ENDED:
            self.working.pop(ref, None)

    def on_data(self, data: Slice) -> None:
        with self.turn:
            self._hear_data(data)

    def _hear_data(self, data: Slice) -> None:
        if data.splits.count or data.dividends.count:
            self._hear_corporate_actions(data)
        if data.symbol_changed_events.count or data.delistings.count:
            self._hear_listings(data)
        if data.bars.count:
            self._at_close()

    def _hear_corporate_actions(self, data: Slice) -> None:
        """Fills alone do not give positions: shares and cash that splits and dividends changed are lines too."""
        for symbol in data.dividends.keys():
            name, per_share = str(symbol), exact(data.dividends[symbol].distribution)
            raw = self.execution_params.normalization == "raw"
            self.basis[name].append((self.time.date(), Exact(1), per_share))
            self._record("dividend", symbol=name, instrument_id=str(symbol.id), per_share=per_share,
                         cash=self.ledger[name] * per_share if raw else ZERO)
        for symbol in data.splits.keys():
            split, name = data.splits[symbol], str(symbol)
            if str(split.type) != "SPLIT_OCCURRED":
                continue
            factor, old = exact(split.split_factor), self.ledger[name]
            self.basis[name].append((self.time.date(), factor, ZERO))
            new, in_lieu = old, ZERO
            if self.execution_params.normalization == "raw":        # of our own shares alone: others may be held beside them
                new = sizing.lots(old / factor, 1, "down")
                in_lieu = (old / factor - new) * (self._price(name) or ZERO)
                self.ledger[name] = new
            self._record("split", symbol=name, instrument_id=str(symbol.id), factor=factor, old=old, new=new, cash=in_lieu)

    def _hear_listings(self, data: Slice) -> None:
        for symbol in data.symbol_changed_events.keys():
            change = data.symbol_changed_events[symbol]
            self._record("renamed", symbol=str(symbol), instrument_id=str(symbol.id),
                         old=str(getattr(change, "old_symbol", "")), new=str(getattr(change, "new_symbol", "")))
        for symbol in data.delistings.keys():
            name = str(symbol)
            if name in self.delisting_warned:       # the first is the warning, on its last day; the second is the end
                self._record("delisted", symbol=name, instrument_id=str(symbol.id), old=self.ledger[name], new=ZERO)
            self.delisting_warned.add(name)

    def _at_close(self) -> None:
        close = self.closes.get(self.time.date())
        if close is not None and self.time >= close:
            self._mark()
        values = self.execution_params.risk_overrides.max_daily_loss is not None and not self.for_real
        if (values or self.working) and not self.is_market_open(next(iter(self.assets.values()))):
            if values:
                self.close_value = exact(self.portfolio.total_portfolio_value)
            if self.working:
                self._cancel_before_next()

    def _cancel_before_next(self) -> None:
        """At the close before the next rebalance date, what is still working is taken back.

        Here, not in the morning: a cancel between daily bars waits for the next slice, and may lose to a fill there.
        """
        hours = next(iter(self.stocks.values())).exchange.hours
        if hours.get_next_market_open(self.time, False).date() in self.closes:
            for ref, (_, ticket) in list(self.working.items()):
                ticket.cancel(ref)

    def _mark(self) -> None:
        """Closes and quantities as the account has them: what every later valuation starts from."""
        if self.marked == self.time:
            return
        self.marked = self.time
        self._record("mark", equity=exact(self.portfolio.total_portfolio_value), cash=exact(self.portfolio.cash),
                     positions=[{"symbol": name, "instrument_id": str(symbol.id), "close": self._price(name),
                                 "quantity": self._held(name)} for name, symbol in self.assets.items()])

    def on_end_of_algorithm(self) -> None:
        self._close()

    def _close(self) -> None:
        """The last mark and the last line, once: live, by the look that ended the day, or by Lean where it was told to end."""
        with self.turn:
            if not self.ended:
                self._mark()
                self.lines.close(self.utc_time)
                self.ended = True

    # Small readings.

    def _record(self, kind: str, moment: datetime | None = None, **fields: Any) -> None:
        """Write a journal line, after the one that opens the journal. What comes after the last one is for Lean's log alone."""
        with self.turn:
            if self.ended:
                self.error(f"after the journal was closed: {kind} {fields}")
                return
            self._open_once()
            self._write(kind, self.utc_time if moment is None else moment, fields)

    def _open_once(self) -> None:
        if not self.opened:
            self.opened = True
            self._open()

    def _write(self, kind: str, moment: datetime, fields: dict[str, Any]) -> None:
        """A line that can't be written stops all sending."""
        try:
            self.lines.write(kind, moment, **fields)
        except BaseException:
            self.may_send = False
            raise

    def _force_to_disk(self) -> None:
        try:
            self.lines.sync()
        except BaseException:
            self.may_send = False
            raise

    def _add(self, name: str) -> Equity:
        rules = self.execution_params
        resolution = Resolution.MINUTE if rules.resolution == "minute" else Resolution.DAILY
        mode = DataNormalizationMode.RAW if rules.normalization == "raw" else DataNormalizationMode.ADJUSTED
        security = self.add_equity(name, resolution, data_normalization_mode=mode)
        if self.trading_mode == "backtest" and rules.fee_bps:
            security.set_fee_model(BpsFee(float(rules.fee_bps)))
        if self.trading_mode == "backtest" and (rules.slippage_open_bps or rules.slippage_close_bps):
            security.set_slippage_model(OpenCloseSlippage(float(rules.slippage_open_bps), float(rules.slippage_close_bps)))
        return security

    def _order_types(self, day: date) -> set[str]:
        usual = self.execution_params.order_type
        return {intent.order_type or usual for intent in self.intents_by_day[day]} | {usual}

    def _read_resume(self) -> resume.Resume:
        path = str(self.get_parameter("resume-path", "") or "") if self.for_real else ""
        return resume.read(_load(path)) if path else resume.Resume()

    def _close_of(self, day: date) -> datetime:
        hours = next(iter(self.stocks.values())).exchange.hours
        midnight = datetime(day.year, day.month, day.day)
        if not hours.is_date_open(midnight):
            raise ValueError(f"{day} is not a session of the exchange; no order can fill on it")
        close = hours.get_next_market_close(midnight, False)
        return datetime(close.year, close.month, close.day, close.hour, close.minute)

    def _held(self, name: str) -> Exact:
        return exact(self.stocks[name].holdings.quantity)

    def _price(self, name: str) -> Exact | None:
        price = exact(self.stocks[name].price)
        return price if price > 0 else None

    def _price_time(self, name: str) -> str | None:
        last = self.stocks[name].get_last_data()
        return None if last is None else journal.instant(journal.new_york_to_utc(last.end_time))

    def _quote(self, name: str, day: date) -> sizing.Quote:
        last = self.stocks[name].get_last_data()
        if last is None:
            return sizing.Quote(price=None)
        return sizing.Quote(price=self._price(name), age=self._sessions_between(last.end_time.date(), day))

    def _sessions_between(self, first: date, last: date) -> int:
        """Sessions after the first date, up to the last."""
        if (first, last) not in self.ages:
            hours, step, count = next(iter(self.stocks.values())).exchange.hours, first, 0
            while step < last:
                step += timedelta(days=1)
                count += bool(hours.is_date_open(datetime(step.year, step.month, step.day)))
            self.ages[first, last] = count
        return self.ages[first, last]

    def _reference(self, intent: intents.Intent | None) -> Exact | None:
        """The decision price on the basis of the last known price. None where bases differ.

        Lean brings that price to a split's basis at once, at 00:00; a dividend is in it only with the first bar after.
        """
        if intent is None or self.execution_params.normalization != "raw":
            return None
        last = self.stocks[intent.symbol].get_last_data()
        price = intent.decision_price
        for day, factor, per_share in self.basis[intent.symbol]:
            if intent.snapshot_date < day <= intent.rebalance_date:
                price *= factor
                if last is not None and last.end_time.date() >= day:
                    price -= per_share
        return price

    def _limit(self, line: sizing.Sized, intent: intents.Intent | None) -> Exact | None:
        if intent is not None and intent.limit_price is not None:
            return intent.limit_price
        if line.price is None:
            return None
        return sizing.limit_price(line.price, line.order > 0, self.execution_params.limit_offset_bps)

    def _arrival(self, order: Order, name: str, filled: bool) -> tuple[Exact | None, str | None]:
        """The price when the order reached the market: the session's open or close, the minute's mid, else the bar's open."""
        security = self.stocks.get(name)
        if security is None or not filled or (self.for_real and not self._knows_arrival(order, security)):
            return None, None
        if order.type == OrderType.MARKET_ON_OPEN:
            return exact(security.open), "open"
        if order.type == OrderType.MARKET_ON_CLOSE:
            return exact(security.close), "close"
        if self.execution_params.resolution == "minute":
            return (exact(security.bid_price) + exact(security.ask_price)) / 2, "mid"
        return exact(security.open), "bar"

    def _knows_arrival(self, order: Order, security: Security) -> bool:
        """Live, a price is known when its bar has come: the open with a bar that begins there, the close with one that ends
        there, the mid with quotes."""
        last = security.get_last_data()
        if last is None:
            return False
        if order.type == OrderType.MARKET_ON_OPEN:
            return bool(last.time == timing.opening(self.time.date()))
        if order.type == OrderType.MARKET_ON_CLOSE:
            return last.end_time == self.closes.get(self.time.date())
        return self.execution_params.resolution == "minute" and security.bid_price > 0 and security.ask_price > 0

    def _required(self, name: str) -> str:
        value = self.get_parameter(name)
        if not value:
            raise ValueError(f"parameter '{name}' is missing from the engine's configuration")
        return str(value)


def _load(path: str) -> Any:
    return json.loads(Path(path).read_bytes(), parse_float=Exact)


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _ymd(text: str) -> tuple[int, int, int]:
    day = date.fromisoformat(text)
    return day.year, day.month, day.day


def _taken(ours: Exact, filled: Exact) -> Exact:
    """What an order that is not ours (a delisting, a margin call, a person's) takes from our shares; it adds nothing."""
    return ZERO if ours * filled >= 0 else min(abs(ours), abs(filled)).copy_sign(filled)


def _maybe(value: Any) -> Exact | None:
    return None if value is None else exact(value)


def _brokerage(name: str) -> tuple[BrokerageName, AccountType]:
    if name == "default":
        return BrokerageName.DEFAULT, AccountType.MARGIN
    return BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, AccountType.CASH if name == "ib-cash" else AccountType.MARGIN


def _check_identities(wanted: Iterable[intents.Intent | resume.Line], assets: dict[str, Symbol]) -> None:
    """The instrument that was decided on must be the one that will be traded: tickers are reused."""
    for intent in wanted:
        found = str(assets[intent.symbol].id)
        if found != intent.instrument_id:
            raise ValueError(f"{intent.symbol} was decided on as {intent.instrument_id}, but here it is {found}: "
                             "the data folder is not the one of the decision")
