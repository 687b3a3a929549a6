"""The order book of a run: requests, the scan of pending orders, and the events both give.

Lean's rules (BrokerageTransactionHandler, BacktestingBrokerage): a submit is handled at once; cancels and updates wait in a
queue that is drained at the next submit and around each slice's two scans; after every drained request all pending orders
are scanned, in order of their ids.
"""

from collections import defaultdict, deque
from copy import copy
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Protocol

from workbench.engines.embedded.account import Account
from workbench.engines.embedded.clock import Hours, utc_of
from workbench.engines.embedded.clr import ZERO, decimal
from workbench.engines.embedded.decimals import text
from workbench.engines.embedded.enums import DataNormalizationMode, OrderResponseErrorCode, OrderStatus, OrderType, Resolution
from workbench.engines.embedded.fill_models import proposals
from workbench.engines.embedded.fills import Fill, Opening, Scene, fill
from workbench.engines.embedded.models import BrokerageModel, fee_of, slippage_of
from workbench.engines.embedded.orders import TYPE_WORDS, Event, Order, OrderTicket, Quoted, number_text, trailing_text
from workbench.engines.embedded.requests import (
    ACCEPTED,
    WAITING,
    CancelOrderRequest,
    OrderRequest,
    OrderResponse,
    UpdateOrderFields,
)
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.times_in_force import TimeInForce
from workbench.engines.embedded.views import MarketOnCloseOrder

CENT, HUNDREDTH_OF_A_CENT = Decimal("0.01"), Decimal("0.0001")
REFUSED_ID = -10
PRICE_WORDS = {"limit": "LimitPrice", "stop": "StopPrice", "trigger": "TriggerPrice", "trail": "TrailingAmount"}
SETTLEMENT = time(6)
GOOD_TIL_CANCELED = TimeInForce.GOOD_TIL_CANCELED


class Run(Protocol):
    """What the book needs of the run it is part of."""

    utc: int
    local: datetime
    hours: Hours
    account: Account
    brokerage: BrokerageModel
    warming_up: bool

    def tell(self, event: Event) -> None: ...

    def error(self, text: str) -> None: ...

    def fault(self, text: str) -> None: ...

    def note_closed(self, profit: Decimal, fee: Decimal) -> None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """A cancel (no fields) or an update of an order, waiting in the queue, and what the algorithm sees of it."""

    order: Order
    fields: UpdateOrderFields | None
    asked: OrderRequest


class Book:
    """All orders of a run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.orders: list[Order] = []
        self.events: list[Event] = []
        self.pending: dict[int, Order] = {}
        self._pending_of: dict[int, dict[int, Order]] = defaultdict(dict)       # by security, then by id
        self._scanned: dict[int, Order] = {}            # the pending ones that a scan looks at, by id
        self._fresh: list[Order] = []                   # the others: placed at `_fresh_at`, no scan of that moment fills them
        self._fresh_at = -1
        self._tickets: dict[int, OrderTicket] = {}
        self._queue: deque[Request] = deque()
        self._told_of_rounding = False          # which Lean does once a run

    # What an algorithm asks for.

    def submit(self, order: Order, *, checked: bool = True) -> OrderTicket:
        """Place an order. One refused before it has an id gives a ticket with the status INVALID, and an error in the log;
        one that is not `checked` goes as it is."""
        security = order.security
        order.quantity = order.quantity.to_integral_value(ROUND_DOWN)
        problem = self._problem(order) if checked else None
        if problem is not None:
            code, text = problem
            self.run.error(text)
            order.id, order.status = REFUSED_ID, OrderStatus.INVALID
            return OrderTicket(order, self, OrderResponse(code, text))
        tag = order.tag or _usual_tag(order)
        if order.has_prices:
            self._round_prices(order)
        order.id = len(self.orders) + 1
        order.created, order.submitted = self.run.utc, _quoted(security)
        self.orders.append(order)
        ticket = self._tickets[order.id] = OrderTicket(order, self, ACCEPTED)
        order.tag = tag
        if self._queue:
            self.drain()
        ticket._response = self._handle_submit(order)
        if self._scanned or self._fresh_at != self.run.utc:
            self.scan()
        return ticket

    def ticket(self, order: Order) -> OrderTicket:
        """The ticket of an order; orders of the engine's own making get theirs here."""
        return self._tickets.setdefault(order.id, OrderTicket(order, self, ACCEPTED))

    def cancel(self, order: Order, tag: str | None = None) -> OrderResponse:
        """Ask for an order to be taken back, once. Its tag changes first, even where a closed order refuses, as in Lean."""
        order.requests += 1
        if order.id <= 0:
            return _not_found(order)
        if order.cancel_asked:
            return OrderResponse(OrderResponseErrorCode.INVALID_REQUEST, "Cancellation is already in progress.")
        if tag is not None:
            order.tag = tag
        asked = self.ticket(order).cancel_request = CancelOrderRequest(order, self.run.utc, WAITING, tag)
        if order.is_closed:
            self.run.fault(f"BrokerageTransactionHandler.CancelOrder(): Cannot cancel order already {_status(order)}")
            asked.response = _closed(order)
            return asked.response
        order.cancel_asked = True
        order.status = OrderStatus.CANCEL_PENDING
        self._tell(Event(order, OrderStatus.CANCEL_PENDING, self.run.utc))
        self._queue.append(Request(order, None, asked))
        return WAITING

    def update(self, order: Order, fields: UpdateOrderFields, asked: OrderRequest) -> OrderResponse:
        """Ask for an order to be changed. A closed one is refused at once; a change waits in the queue, and `asked` is told
        what became of it."""
        order.requests += 1
        if order.id <= 0:
            return _not_found(order)
        if order.is_closed and not _only_tag(fields):
            self.run.fault(f"BrokerageTransactionHandler.Update(): Cannot update closed order with status {_status(order)}")
            return _closed(order)
        if fields.quantity is not None and not decimal(fields.quantity):
            return OrderResponse(OrderResponseErrorCode.ORDER_QUANTITY_ZERO,
                                 f"Unable to update order with id {order.id} that has zero quantity.")
        self._queue.append(Request(order, fields, asked))
        return WAITING

    def open_orders(self, security: Security | None = None) -> list[Order]:
        """Orders that are not closed, by id."""
        return list((self.pending if security is None else self._pending_of[security.index]).values())

    def remaining(self, security: Security, *kinds: OrderType) -> Decimal:
        """Signed shares still to be filled in a security, over all order types or the ones named."""
        pending = self._pending_of[security.index] if self.pending else None
        if not pending:
            return ZERO
        return sum((order.quantity - order.filled for order in pending.values() if not kinds or order.type in kinds), ZERO)

    # What the loop does around a slice.

    def drain(self) -> None:
        """Handle what waits in the queue, one request at a time, with a full scan after each."""
        while self._queue:
            request = self._queue.popleft()
            order, fields, asked = request.order, request.fields, request.asked
            asked.response = self._handle_cancel(order) if fields is None else self._handle_update(order, fields, asked)
            self.scan()

    def scan(self) -> None:
        """Look at every pending order once: expiry, buying power, fill. All but market orders wait for the next moment."""
        if self._fresh and self._fresh_at != self.run.utc:
            self._let_fresh_in()
        if not self._scanned:
            return
        scene = Scene(self.run.local, self.run.hours, slippage_of)
        for order in list(self._scanned.values()):
            if order.id in self._scanned:                   # an earlier fill's callback may have closed it
                self._look_at(order, scene)

    def split(self, security: Security, factor: Decimal) -> None:
        """Raw mode: open orders keep their worth; quantity ÷ factor cut toward zero, prices × factor on the tick."""
        for order in self.open_orders(security):
            fields = UpdateOrderFields()
            fields.quantity = (order.quantity / factor).to_integral_value(ROUND_DOWN)
            for name in ("limit", "stop", "trigger"):
                price = getattr(order, name)
                if price is not None:
                    setattr(fields, f"{name}_price", price * factor)
            if order.type is OrderType.TRAILING_STOP and not order.trail_is_percent:
                fields.trailing_amount = order.trail * factor
            self.ticket(order).update(fields)       # one that would be of no share any more is refused, and stays as it was

    def liquidate_delisted(self, security: Security) -> None:
        """Close a position of a delisted stock at its last close, without a fee, and take back its open orders."""
        run = self.run
        if security.quantity:
            order = Order(OrderType.MARKET, security, -security.quantity, "Liquidate from delisting",
                          TimeInForce.GOOD_TIL_CANCELED, run.utc)
            order.id = len(self.orders) + 1
            order.created = run.utc
            self.orders.append(order)
            self._fill(order, Fill(security.price, "Liquidate from delisting"), fee=None, currency="")
        for open_order in self.open_orders(security):
            self.cancel(open_order)
        self.drain()
        security.hear_end()
        run.account.touch()

    # Inside.

    def _problem(self, order: Order) -> tuple[OrderResponseErrorCode, str] | None:
        security, codes = order.security, OrderResponseErrorCode
        if self.run.warming_up:
            return (codes.ALGORITHM_WARMING_UP, "This operation is not allowed in initialize or during warm up: "
                    "OrderRequest.submit. Please move this code to the on_warmup_finished() method.")
        if not order.quantity:
            return codes.ORDER_QUANTITY_ZERO, f"Unable to submit order with id {REFUSED_ID} that has zero quantity."
        if not security.tradable:
            return (codes.NON_TRADABLE_SECURITY, f"The security with symbol '{security.symbol}' is marked as non-tradable.")
        if not security.price:
            return codes.SECURITY_PRICE_ZERO, no_price(security)
        if (order.type is OrderType.MARKET_ON_OPEN and security.resolution is not Resolution.DAILY
                and self.run.hours.is_open(self.run.local)):
            return (codes.MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS,
                    "Cannot submit a MarketOnOpen order while the market is open.")
        if order.type is OrderType.MARKET_ON_CLOSE and self._too_late_for_the_close():
            hours, rest = divmod(int(MarketOnCloseOrder.submission_time_buffer.total_seconds()), 3600)
            return (codes.MARKET_ON_CLOSE_ORDER_TOO_LATE,
                    f"MarketOnClose orders must be placed within {hours:02}:{rest // 60:02}:{rest % 60:02} before market close. "
                    "Override this TimeSpan buffer by setting Orders.MarketOnCloseOrder.SubmissionTimeBuffer in "
                    "QCAlgorithm.Initialize().")
        return None

    def _too_late_for_the_close(self) -> bool:
        now, hours = self.run.local, self.run.hours
        return hours.is_open(now) and hours.next_close(now) - now < MarketOnCloseOrder.submission_time_buffer

    def _round_prices(self, order: Order) -> None:
        """Raw prices are sent on the tick; adjusted ones are no market's prices and stay as they are."""
        if order.security.mode is not DataNormalizationMode.RAW:
            return
        trails = order.type is OrderType.TRAILING_STOP and not order.trail_is_percent
        for name, words in PRICE_WORDS.items():
            price = getattr(order, name)
            if price is None or (name == "trail" and not trails):
                continue
            tick = CENT if price >= 1 else HUNDREDTH_OF_A_CENT
            rounded = (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick
            if rounded != price and not self._told_of_rounding:
                self._told_of_rounding = True
                self.run.error(f"Warning: To meet brokerage precision requirements, order {words} was rounded to "
                               f"{text(rounded)} from {text(price)}")
            setattr(order, name, rounded)

    def _handle_submit(self, order: Order) -> OrderResponse:
        """Ask account and broker whether it may be sent. A refusal is told, and an error in the log."""
        security = order.security
        shortage = self._shortage(order)
        if shortage is not None:
            order.placed = False
            self.run.error(shortage)
            self._close(order, OrderStatus.INVALID, shortage)
            return OrderResponse(OrderResponseErrorCode.INSUFFICIENT_BUYING_POWER, shortage)
        refusal = self.run.brokerage.refusal(order, self.run.local, self.run.hours)
        if refusal is not None:
            order.placed = False
            refusal = f"BrokerageModel declared unable to submit order: [{order.id}] {refusal}"
            self._close(order, OrderStatus.INVALID, refusal)
            self.run.error(refusal)
            return OrderResponse(OrderResponseErrorCode.BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER, refusal)
        order.status = OrderStatus.SUBMITTED
        self.pending[order.id] = self._pending_of[security.index][order.id] = order
        if order.type is OrderType.MARKET:
            self._scanned[order.id] = order
        else:
            if self._fresh and self._fresh_at != self.run.utc:
                self._let_fresh_in()
            self._fresh.append(order)
            self._fresh_at = self.run.utc
        self._tell(Event(order, OrderStatus.SUBMITTED, self.run.utc))
        return ACCEPTED

    def _handle_cancel(self, order: Order) -> OrderResponse:
        if order.is_closed:                         # it was filled first: a later cancel is a new one
            order.cancel_asked = False
            return _closed(order)
        order.canceled = self.run.utc
        self._close(order, OrderStatus.CANCELED)
        return ACCEPTED

    def _handle_update(self, order: Order, fields: UpdateOrderFields, asked: OrderRequest) -> OrderResponse:
        """Change an order. One that was closed meanwhile takes a tag only; one that the broker does not let change, or the
        account can't carry, stays as it is."""
        codes = OrderResponseErrorCode
        if order.is_closed and not _only_tag(fields):
            return _closed(order)
        refusal = self.run.brokerage.update_refusal(order, asked)
        if refusal is not None:
            return self._leave(order, codes.BROKERAGE_MODEL_REFUSED_TO_UPDATE_ORDER, f"OrderID: {order.id} {refusal}",
                               "BrokerageModel declared unable to update order")
        if order.is_closed:
            if fields.tag is not None:
                order.tag = fields.tag
            return ACCEPTED
        changed = copy(order)
        _apply(fields, changed)
        reason = self._reason(changed)
        if reason is not None:
            text = (f"Brokerage failed to update order with id: {order.id}, Symbol: {order.security.symbol}, Insufficient buying "
                    f"power to complete order, Reason: {reason}.")
            return self._leave(order, codes.BROKERAGE_FAILED_TO_UPDATE_ORDER, text, text)
        _apply(fields, order)
        self._round_prices(order)
        order.last_update = self.run.utc
        order.status = OrderStatus.UPDATE_SUBMITTED
        self._tell(Event(order, OrderStatus.UPDATE_SUBMITTED, self.run.utc))
        return ACCEPTED

    def _leave(self, order: Order, code: OrderResponseErrorCode, text: str, told: str) -> OrderResponse:
        """Tell of an update that failed. Lean takes the event of an open order for that of an update, and notes its time."""
        self.run.error(text)
        if order.status in (OrderStatus.SUBMITTED, OrderStatus.UPDATE_SUBMITTED):
            order.last_update = self.run.utc
        self._tell(Event(order, order.status, self.run.utc, told))
        return OrderResponse(code, text)

    def _let_fresh_in(self) -> None:
        """Orders of an earlier moment are scanned from now on, all in order of their ids."""
        in_order = not self._scanned or next(reversed(self._scanned)) < self._fresh[0].id
        self._scanned.update((order.id, order) for order in self._fresh if order.id in self.pending)
        if not in_order:
            self._scanned = dict(sorted(self._scanned.items()))
        self._fresh = []

    def _drop(self, order: Order) -> None:
        if self.pending.pop(order.id, None) is not None:
            del self._pending_of[order.security.index][order.id]
            self._scanned.pop(order.id, None)

    def _look_at(self, order: Order, scene: Scene) -> None:
        run = self.run
        if order.type is OrderType.MARKET_ON_OPEN and scene.opening(order) is Opening.TO_COME:
            return
        if order.tif is not GOOD_TIL_CANCELED and order.tif.expired(order.created, run.local, run.hours):
            order.canceled = run.utc
            self._close(order, OrderStatus.CANCELED, "The order has expired.")
            return
        shortage = self._shortage(order)
        if shortage is not None:
            if order.status is not OrderStatus.CANCEL_PENDING:      # its cancel is handled at the next drain
                self._close(order, OrderStatus.INVALID, shortage)
                run.error(shortage)
            return
        if order.security.fill_model is not None:
            self._ask_own_model(order)
            return
        filled = fill(order, scene)
        if filled is not None:
            self._fill(order, filled, fee=fee_of(order), currency="USD")

    def _ask_own_model(self, order: Order) -> None:
        """Let a fill model of the algorithm's own say what happens. It may fill a part; an exception leaves the order as it is."""
        try:
            proposed = proposals(order.security.fill_model, order)
            for event in proposed:
                if event.status is OrderStatus.FILLED and event.fee is None:
                    event.fee = fee_of(order)
        except Exception as error:      # noqa: BLE001 (whatever a model raises is told, and the run goes on, as in Lean)
            self.run.error(f"Order Error: id: {order.id}, Transaction model failed to fill for order type: "
                           f"{TYPE_WORDS[order.type]} with error: {error}")
            return
        for event in proposed:
            if event.status is order.status and not event.fill_quantity:
                continue
            order.events += 1
            event.id, event.quantity, event.limit, event.stop = order.events, order.quantity, order.limit, order.stop
            order.status = event.status
            if event.fill_quantity:
                self._take(order, event)
            if order.is_closed:
                self._drop(order)
            self._tell(event)

    def _shortage(self, order: Order) -> str | None:
        """Lean's words where the account can't carry an order that is sent or about to fill, None where it can."""
        reason = self._reason(order)
        if reason is None:
            return None
        return (f"Order Error: ids: [{order.id}], Insufficient buying power to complete orders "
                f"(Value:[{_smart(order.value(order.security.price))}]), Reason: {reason}.")

    def _reason(self, order: Order) -> str | None:
        """Why the account can't carry an order at the security's price, None where it can.

        An order that only reduces always passes; pending orders reserve nothing.
        """
        security, quantity = order.security, order.quantity
        held, is_buy = security.quantity, quantity > ZERO
        if held and (held > ZERO) != is_buy and abs(quantity) <= abs(held):
            return None
        needed = quantity * security.price * security.initial
        fee = fee_of(order)
        needed = needed + fee if is_buy else needed - fee
        if order.filled:
            needed *= (abs(quantity) - abs(order.filled)) / abs(quantity)
        free = self.run.account.free_margin(security, quantity)
        if abs(needed) <= free:
            return None
        return f"Id: {order.id}, Initial Margin: {number_text(needed)}, Free Margin: {number_text(free)}"

    def _fill(self, order: Order, filled: Fill, *, fee: Decimal | None, currency: str) -> None:
        """Fill an order whole, move the account, then tell."""
        run = self.run
        order.status = OrderStatus.FILLED
        event = Event(order, OrderStatus.FILLED, run.utc, filled.message)
        event.fill_price, event.fill_quantity = filled.price, order.quantity - order.filled
        event.fee, event.fee_currency = fee, currency
        self._take(order, event)
        self._drop(order)
        self._tell(event)

    def _take(self, order: Order, event: Event) -> None:
        """Move the order and the account by a fill."""
        run, fee, quantity = self.run, event.fee or ZERO, event.fill_quantity
        order.last_fill = run.utc
        whole = order.filled + quantity
        if order.filled and whole:
            order.average_price = (order.average_price * order.filled + event.fill_price * quantity) / whole
        else:
            order.average_price = event.fill_price
        order.filled = whole
        closed = run.account.fill(order.security, quantity, event.fill_price, fee, self._settles)
        if closed is not None:
            run.note_closed(closed, fee)

    def _settles(self) -> int:
        """When what a sale brings may be used in a cash account: the next session at 06:00, New York."""
        day = self.run.local.date() + timedelta(days=1)
        while not self.run.hours.is_session(day):
            day += timedelta(days=1)
        return utc_of(datetime.combine(day, SETTLEMENT))

    def _close(self, order: Order, status: OrderStatus, message: str = "") -> None:
        order.status = status
        self._drop(order)
        self._tell(Event(order, status, self.run.utc, message))

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        self.run.tell(event)


def _quoted(security: Security) -> Quoted:
    quote, last = security.quote, security.price
    bid, ask = (None, None) if quote is None else (quote.bid, quote.ask)
    return Quoted(last if bid is None else bid.close, last if ask is None else ask.close, last)


def _not_found(order: Order) -> OrderResponse:
    return OrderResponse(OrderResponseErrorCode.UNABLE_TO_FIND_ORDER, f"Unable to locate order with id {order.id}.")


def _closed(order: Order) -> OrderResponse:
    """The refusal of a request that comes too late: Lean says update, of a cancel too."""
    return OrderResponse(OrderResponseErrorCode.INVALID_ORDER_STATUS,
                         f"Unable to update order with id {order.id} because it already has {_status(order)} status.")


def _status(order: Order) -> str:
    return str(order.status).capitalize()


def _usual_tag(order: Order) -> str:
    """The tag that Lean gives an order without one."""
    return f"Trailing Amount: {trailing_text(order)}" if order.type is OrderType.TRAILING_STOP else ""


def _only_tag(fields: UpdateOrderFields) -> bool:
    """Whether an update leaves quantity and prices as they are: a closed order takes such a one."""
    return all(getattr(fields, name) is None for name in ("quantity", "limit_price", "stop_price", "trigger_price",
                                                          "trailing_amount"))


def _apply(fields: UpdateOrderFields, order: Order) -> None:
    """Change what the order's type has; other fields are passed over."""
    if fields.quantity is not None:
        order.quantity = decimal(fields.quantity).to_integral_value(ROUND_DOWN)
    for name in ("limit", "stop", "trigger"):
        price = getattr(fields, f"{name}_price")
        if price is not None and getattr(order, name) is not None:
            setattr(order, name, decimal(price))
    if fields.trailing_amount is not None and order.type is OrderType.TRAILING_STOP:
        order.trail = decimal(fields.trailing_amount)
    if fields.tag is not None:
        order.tag = fields.tag


def no_price(security: Security) -> str:
    """What Lean says of an order in a stock without a bar."""
    return (f"{security.symbol}: The security does not have an accurate price as it has not yet received a bar of data. Before "
            "placing a trade (or using set_holdings) warm up your algorithm with set_warmup, or use slice.contains(symbol) to "
            "confirm the Slice object has price before using the data. Data does not necessarily all arrive at the same time so "
            "your algorithm should confirm the data is ready before using it. In live trading this can mean you do not have an "
            "active subscription to the asset class you're trying to trade. If using custom data make sure you've set the "
            "'Value' property.")


def _smart(value: Decimal) -> str:
    """Lean's rounding for texts: above 1000 to four decimals, whose zeros stay; else to seven significant digits."""
    value = value.normalize()
    if value > 1000:
        exponent = value.as_tuple().exponent
        return format(value.quantize(HUNDREDTH_OF_A_CENT) if isinstance(exponent, int) and exponent < -4 else value, "f")
    return number_text(Decimal(format(value, ".7g"))) if value else "0"
