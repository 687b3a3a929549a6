"""Executes recorded order intents: a Lean algorithm, the same file in a backtest, on paper and live.

Reads the intents and params named in its parameters, sizes each rebalance date's weights once, sends the orders at the
moment their type asks for, and writes everything it does and hears to its journal. Weights come in; quantities are
decided here and nowhere else, by `sizing`, and looked at once more by `guard`.

Parameters (text): execution-intent-path, execution-params-path, journal-path, run-id, attempt, mode, account, start, end,
cash.
"""

from AlgorithmImports import *

import hashlib                      # Python's own names after Lean's star import, which covers some of them
import json
import platform
import threading
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as Exact
from pathlib import Path
from typing import Any

import guard
import intents
import journal
import params
import sizing
from sizing import ZERO, exact

READ = {"intents": "execution-intent-path", "params": "execution-params-path"}
MOMENTS = {"MOO": (9, 0), "MKT": (10, 0), "LMT": (10, 0)}       # New York; MOC goes by that day's close
BEFORE_CLOSE = timedelta(minutes=30)
REDUCING_DEADLINE = timedelta(minutes=10)
CUT_KINDS = {"blocked": "blocked", "stale": "blocked", "no_price": "blocked", "absurd": "blocked",
             "min_qty": "skipped"}      # else: capped
ENDED = ("FILLED", "CANCELLED", "EXPIRED", "REJECTED")


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
        self.execution_params: params.ExecutionParams = params.read(_load(self._required("execution-params-path")))
        good, refused = intents.read(_load(self._required("execution-intent-path")))
        self.set_start_date(*_ymd(self._required("start")))
        self.set_end_date(*_ymd(self._required("end")))
        self.set_cash(float(self._required("cash")))
        self.set_brokerage_model(*_brokerage(self.execution_params.brokerage))
        if not good:
            raise ValueError(f"no usable intent in {self._required('execution-intent-path')}; {len(refused)} refused")
        self.assets: dict[str, Symbol] = {}
        for name in sorted({intent.symbol for intent in good}):
            self.assets[name] = self._add(name)
        self.set_benchmark(lambda moment: 0)
        _check_identities(good, self.assets)

        self.refused = refused
        self.read_hashes = {f"{name}_sha256": _sha256(self._required(path)) for name, path in READ.items()}
        self.intents_by_day: dict[date, list[intents.Intent]] = defaultdict(list)
        for intent in good:
            self.intents_by_day[intent.rebalance_date].append(intent)
        self.sized_days: set[date] = set()
        self.to_send: dict[tuple[date, str], list[tuple[sizing.Sized, intents.Intent | None]]] = defaultdict(list)
        self.waiting: list[tuple[sizing.Sized, intents.Intent | None, str]] = []
        self.working: dict[str, tuple[str, OrderTicket]] = {}   # order_ref -> symbol and ticket
        self.first_tags: dict[int, str] = {}                    # order id -> first tag seen: Lean overwrites tags
        self.sent_counts: dict[str, int] = defaultdict(int)     # order_intent_id -> orders sent
        self.sent_refs: set[str] = set()
        self.ledger: dict[str, Exact] = defaultdict(Exact)      # what our own orders explain, in shares
        self.basis: dict[str, list[tuple[date, Exact, Exact]]] = defaultdict(list)
        self.delisting_warned: set[str] = set()
        self.reducing_refs: set[str] = set()
        self.guard: guard.Guard | None = None
        self.close_value: Exact | None = None
        self.marked: datetime | None = None
        self.sending = threading.Lock()
        self.opened = False
        self.may_send = True

        self.closes = {day: self._close_of(day) for day in sorted(self.intents_by_day)}
        for day in self.closes:
            for order_type in sorted(self._order_types(day), key=lambda kind: self._moment(day, kind)):
                self._schedule(day, order_type)
        self.lines = journal.Journal(self._required("journal-path"), run_id=self._required("run-id"),
                             attempt=int(self._required("attempt")), live=self.trading_mode != "backtest",
                             now=lambda: datetime.now(UTC))

    def _schedule(self, day: date, order_type: str) -> None:
        """A callback without parameters: Lean could take one that has them for one that wants the event's name and time."""
        moment = self._moment(day, order_type)
        self.schedule.on(self.date_rules.on(day.year, day.month, day.day), self.time_rules.at(moment.hour, moment.minute),
                         lambda: self._trade(day, order_type))

    def _open(self) -> None:
        """The journal's first line, written with the first thing that happens: live, Lean loads cash and holdings only after
        `initialize`."""
        self._write("opened", self.utc_time,
                    versions={"python": platform.python_version(), "schema": journal.SCHEMA}, mode=self.trading_mode,
                    account=str(self.get_parameter("account", "")), cash=exact(self.portfolio.cash),
                    holdings={name: self._held(name) for name in self.assets if self._held(name)},
                    **self.read_hashes, intents=sum(len(of_day) for of_day in self.intents_by_day.values()),
                    rejected=[{"position": item.position, "symbol": item.symbol, "reason": item.reason}
                              for item in self.refused])

    # The rebalance: size once, at the first moment of the day, then send each order type at its own.

    def _trade(self, day: date, order_type: str) -> None:
        if not self.may_send:
            return
        if day not in self.sized_days:
            self.sized_days.add(day)
            self._size(day)
        batch = self.to_send.pop((day, order_type), [])
        wait = self.live_mode and order_type in ("MKT", "LMT") and any(line.reduces for line, _ in batch)
        for line, intent in batch:
            if wait and not line.reduces:
                self.waiting.append((line, intent, order_type))
            else:
                self._send(line, intent, order_type)
        if self.waiting:
            later = self.time + REDUCING_DEADLINE
            self.schedule.on(self.date_rules.on(later.year, later.month, later.day),
                             self.time_rules.at(later.hour, later.minute), self._send_waiting)
            self._send_waiting_when_reduced()

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
        """Check, force the journal to the disk where money is real, send."""
        if not self.may_send:       # asked here too: Lean goes on with a batch after an error in `on_order_event`
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
        if self.trading_mode != "backtest":
            self._force_to_disk()
        self.guard.note(check)      # before it is sent: what is sent from within its own events counts it
        ticket = self._place(self.assets[name], int(line.order), order_type, limit, ref)
        if ticket.order_id <= 0:
            self.reducing_refs.discard(ref)
            self._record("blocked", order_intent_id=line.order_intent_id, symbol=name, rule="engine", cut=line.order,
                         detail=str(ticket))
            return
        self.working[ref] = (name, ticket)
        if journal.lean_status(ticket.status) in ENDED:     # in this order: live, it may end in another thread meanwhile
            self.working.pop(ref, None)

    def _place(self, symbol: Symbol, quantity: int, order_type: str, limit: Exact | None, ref: str) -> OrderTicket:
        properties = self.default_order_properties.clone()
        if self.execution_params.time_in_force == "DAY":
            properties.time_in_force = TimeInForce.DAY
        if order_type == "MOO":
            return self.market_on_open_order(symbol, quantity, tag=ref, order_properties=properties)
        if order_type == "MOC":
            return self.market_on_close_order(symbol, quantity, tag=ref, order_properties=properties)
        if order_type == "LMT":
            assert limit is not None
            return self.limit_order(symbol, quantity, float(limit), tag=ref, order_properties=properties)
        return self.market_order(symbol, quantity, tag=ref, order_properties=properties)

    def _send_waiting_when_reduced(self) -> None:
        if self.waiting and not any(ref in self.reducing_refs for ref in list(self.working)):
            self._send_waiting()

    def _send_waiting(self) -> None:
        """Send them all, each once: whoever comes while that goes on (live, another thread; or the event of an order of this
        very loop) leaves it to the one who is at it."""
        if not self.sending.acquire(blocking=False):
            return
        try:
            while self.waiting:
                self._send(*self.waiting.pop(0))
        finally:
            self.sending.release()

    # What Lean tells.

    def on_order_event(self, event: OrderEvent) -> None:
        """An event that can't be taken in stops all sending: Lean itself goes on until its next step."""
        try:
            self._hear_order(event)
        except BaseException:
            self.may_send = False
            self.lines.sync()           # nobody closes the journal after an error, and a process may end without writing it out
            raise

    def _hear_order(self, event: OrderEvent) -> None:
        order = self.transactions.get_order_by_id(event.order_id)
        ref = self.first_tags.setdefault(event.order_id, str(order.tag or ""))
        name, message = str(event.symbol), str(event.message or "")
        status = journal.lean_status(event.status, message)
        filled = exact(event.fill_quantity)
        arrival, source = self._arrival(order, name, filled != 0)
        self.ledger[name] += filled if ref in self.sent_refs else _taken(self.ledger[name], filled)
        self._record(
            "order", moment=event.utc_time, order_ref=ref, order_id=event.order_id, event_id=event.id,
            broker_id=",".join(order.broker_id), exec_id=None, symbol=name, instrument_id=str(event.symbol.id),
            type=str(order.type), tif=self.execution_params.time_in_force, limit_price=_maybe(event.limit_price),
            stop_price=_maybe(event.stop_price), status=status, quantity=exact(event.quantity), fill_quantity=filled,
            fill_price=exact(event.fill_price) if filled else None,
            fee=exact(event.order_fee.value.amount) if filled else None, currency="USD",
            arrival_price=arrival, arrival_source=source, message=message or None)
        if status in ENDED:
            self.working.pop(ref, None)
            self._send_waiting_when_reduced()

    def on_data(self, data: Slice) -> None:
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
        if self.execution_params.risk_overrides.max_daily_loss is not None:
            self.close_value = exact(self.portfolio.total_portfolio_value)
        if self.working and not self.is_market_open(next(iter(self.assets.values()))):
            self._cancel_before_next()

    def _cancel_before_next(self) -> None:
        """At the close before the next rebalance date, what is still working is taken back.

        Here, not in the morning: a cancel between daily bars waits for the next slice, and may lose to a fill there.
        """
        hours = self.securities[next(iter(self.assets.values()))].exchange.hours
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
        self._mark()
        self.lines.close(self.utc_time)

    # Small readings.

    def _record(self, kind: str, moment: datetime | None = None, **fields: Any) -> None:
        """Write a journal line, after the one that opens the journal."""
        if not self.opened:
            self.opened = True
            self._open()
        self._write(kind, self.utc_time if moment is None else moment, **fields)

    def _write(self, kind: str, moment: datetime, **fields: Any) -> None:
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

    def _add(self, name: str) -> Symbol:
        rules = self.execution_params
        resolution = Resolution.MINUTE if rules.resolution == "minute" else Resolution.DAILY
        mode = DataNormalizationMode.RAW if rules.normalization == "raw" else DataNormalizationMode.ADJUSTED
        security = self.add_equity(name, resolution, data_normalization_mode=mode)
        if self.trading_mode == "backtest" and rules.fee_bps:
            security.set_fee_model(BpsFee(float(rules.fee_bps)))
        if self.trading_mode == "backtest" and (rules.slippage_open_bps or rules.slippage_close_bps):
            security.set_slippage_model(OpenCloseSlippage(float(rules.slippage_open_bps), float(rules.slippage_close_bps)))
        return security.symbol

    def _order_types(self, day: date) -> set[str]:
        usual = self.execution_params.order_type
        return {intent.order_type or usual for intent in self.intents_by_day[day]} | {usual}

    def _moment(self, day: date, order_type: str) -> datetime:
        if order_type == "MOC":
            return self.closes[day] - BEFORE_CLOSE
        return datetime(day.year, day.month, day.day, *MOMENTS[order_type])

    def _close_of(self, day: date) -> datetime:
        hours = self.securities[next(iter(self.assets.values()))].exchange.hours
        midnight = datetime(day.year, day.month, day.day)
        if not hours.is_date_open(midnight):
            raise ValueError(f"{day} is not a session of the exchange; no order can fill on it")
        close = hours.get_next_market_close(midnight, False)
        return datetime(close.year, close.month, close.day, close.hour, close.minute)

    def _held(self, name: str) -> Exact:
        return exact(self.portfolio[self.assets[name]].quantity)

    def _price(self, name: str) -> Exact | None:
        price = exact(self.securities[self.assets[name]].price)
        return price if price > 0 else None

    def _price_time(self, name: str) -> str | None:
        last = self.securities[self.assets[name]].get_last_data()
        return None if last is None else journal.instant(journal.new_york_to_utc(last.end_time))

    def _quote(self, name: str, day: date) -> sizing.Quote:
        last = self.securities[self.assets[name]].get_last_data()
        if last is None:
            return sizing.Quote(price=None)
        hours, age = self.securities[self.assets[name]].exchange.hours, 0
        step = last.end_time.date()
        while step < day:
            step += timedelta(days=1)
            age += bool(hours.is_date_open(datetime(step.year, step.month, step.day)))
        return sizing.Quote(price=self._price(name), age=age)

    def _reference(self, intent: intents.Intent | None) -> Exact | None:
        """The decision price on the basis of the last known price. None where bases differ.

        Lean brings that price to a split's basis at once, at 00:00; a dividend is in it only with the first bar after.
        """
        if intent is None or self.execution_params.normalization != "raw":
            return None
        last = self.securities[self.assets[intent.symbol]].get_last_data()
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
        security = self.securities[self.assets[name]] if name in self.assets else None
        if security is None or not filled:
            return None, None
        if order.type == OrderType.MARKET_ON_OPEN:
            return exact(security.open), "open"
        if order.type == OrderType.MARKET_ON_CLOSE:
            return exact(security.close), "close"
        if self.execution_params.resolution == "minute":
            return (exact(security.bid_price) + exact(security.ask_price)) / 2, "mid"
        return exact(security.open), "bar"

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


def _check_identities(wanted: tuple[intents.Intent, ...], assets: dict[str, Symbol]) -> None:
    """The instrument that was decided on must be the one that will be traded: tickers are reused."""
    for intent in wanted:
        found = str(assets[intent.symbol].id)
        if found != intent.instrument_id:
            raise ValueError(f"{intent.symbol} was decided on as {intent.instrument_id}, but here it is {found}: "
                             "the data folder is not the one of the decision")
