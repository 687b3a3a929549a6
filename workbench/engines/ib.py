"""What Interactive Brokers knows of an account, asked of IB Gateway or TWS: executions, open orders, positions, cash.

Reading, and cancelling for the kill switch; no order is ever placed here. Each question has a connection of its own, in a
thread and event loop of its own, so that it works inside a notebook. An answer is whole (it may be known to be empty) or
`BrokerUnavailable` is raised: each of its parts must come to its end mark in time, be readable, and come over a gateway
that is itself connected to the broker. Shares of US companies in dollars only; what else an account holds is left out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.algorithm.sizing import exact
from workbench.errors import BrokerUnavailable, NotArmed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ib_async import IB, Contract, Fill, Position, Trade

T = TypeVar("T")

UNSET = 1e300                   # beyond it a number is IB's mark for one that is not there
ZONED = 174                     # protocol version from which the time of an execution names its zone
SIDES = {"BOT": "BUY", "SLD": "SELL", "BUY": "BUY", "SELL": "SELL", "SSHORT": "SELL"}
LINK_LOST, LINK_BACK = (1100, 2110), (1101, 1102)
FARMS_FINE = (2104, 2106, 2107, 2108, 2119, 2158)      # notices on market data, which nobody asked for
ID_IN_USE = 326
COMPLETED = "['101'"            # of a message about an ended order, which nobody asked for and the library can't place
LATE_FEES = 1.0                 # seconds to wait for commissions, which follow the executions one by one
LOOK_AGAIN = 0.5                # seconds between two looks at what is still open
REMEDY = "start IB Gateway or TWS, allow API connections, and check ib_host and ib_port"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution as the broker tells it: shares without a sign, dollars a share; `fee` None until it is known.

    `perm_id` is the order's number at the broker for ever, `order_id` its number at the client that sent it.
    """

    exec_id: str
    order_id: int
    perm_id: int
    client_id: int
    order_ref: str
    symbol: str
    side: str                   # BUY or SELL
    quantity: Decimal
    price: Decimal
    cum_quantity: Decimal
    occurred_at: datetime
    fee: Decimal | None
    account: str

    @property
    def shares(self) -> Decimal:
        """Shares with their sign: + bought, - sold."""
        return self.quantity if self.side == "BUY" else -self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order that is still open at the broker. `quantity` is signed, all of it; `filled` counts shares without a sign."""

    order_id: int
    perm_id: int
    client_id: int
    order_ref: str
    symbol: str
    quantity: Decimal
    filled: Decimal
    order_type: str
    limit_price: Decimal | None
    status: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Signed shares in the account, and the dollars a share they cost on average."""

    symbol: str
    quantity: Decimal
    average_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerView:
    """All that the broker told of one account, as of its own clock. Empty means that it said there is nothing.

    Open orders were read first, then executions, then positions: an order that is in none of them had ended without a
    fill before the first. `cash` and `equity` are dollars, None where the account does not count in them.
    """

    account: str
    accounts: tuple[str, ...]
    at: datetime
    executions: tuple[Execution, ...] = ()
    open_orders: tuple[OpenOrder, ...] = ()
    positions: tuple[Held, ...] = ()
    cash: Decimal | None = None
    equity: Decimal | None = None

    def held(self, symbol: str) -> Decimal:
        """Signed shares of one symbol; none are 0."""
        return sum((item.quantity for item in self.positions if item.symbol == symbol), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What became of an order that was to be cancelled: `gone` once the broker no longer has it open, else `why` not."""

    order: OpenOrder
    gone: bool
    why: str


def read_broker(host: str, port: int, *, client_id: int, account: str, timeout: float = 10.0) -> BrokerView:
    """Everything the broker tells of one account. `timeout` is in seconds, for each of the questions.

    Raises `BrokerUnavailable` where any answer is missing or in doubt, and `NotArmed` where the account is not among those
    of the login.
    """
    return _apart(lambda: _read(host, port, client_id, account, timeout))


def cancel_orders(host: str, port: int, *, client_id: int, account: str, orders: Iterable[OpenOrder],
                  timeout: float = 30.0) -> tuple[Cancelled, ...]:
    """Cancel these orders of one account, and look whether they are gone, for `timeout` seconds.

    An order can be cancelled only by the client id that sent it. One that is gone may have been filled: read the broker
    again. Raises as `read_broker` does.
    """
    wanted = tuple(orders)
    return _apart(lambda: _cancel(host, port, client_id, account, wanted, timeout))


def _apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run in a thread with an event loop of its own: the caller's may be running, as a notebook's always is."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="broker") as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


async def _read(host: str, port: int, client_id: int, account: str, timeout: float) -> BrokerView:
    async with _connected(host, port, client_id, timeout) as session:
        _check_account(session, account)
        at = await session.answer("the time", session.ib.reqCurrentTimeAsync)
        open_orders = await _open_orders(session, account)
        executions = await _executions(session, account)
        positions = await session.answer("positions", session.ib.reqPositionsAsync)
        cash, equity = await _account_values(session, account)
        session.check_link()
        return BrokerView(
            account=account, accounts=session.accounts, at=at.astimezone(UTC), executions=executions, open_orders=open_orders,
            positions=tuple(_held(item) for item in positions if _ours(item.contract, item.account, account) and item.position),
            cash=cash, equity=equity,
        )


async def _cancel(host: str, port: int, client_id: int, account: str, wanted: tuple[OpenOrder, ...],
                  timeout: float) -> tuple[Cancelled, ...]:
    loop = asyncio.get_running_loop()
    async with _connected(host, port, client_id, timeout) as session:
        _check_account(session, account)
        until = loop.time() + timeout
        asked: set[int] = set()
        while True:
            there = {_number(item): item for item in await _open_orders(session, account)}
            session.check_link()
            still = [order for order in wanted if _number(order) in there]
            for order in still:
                if order.client_id == client_id and order.order_id not in asked:
                    asked.add(order.order_id)
                    session.send_cancel(order.order_id)
            if not any(order.client_id == client_id for order in still) or loop.time() > until:
                return tuple(_cancelled(session, order, client_id, order in still) for order in wanted)
            await asyncio.sleep(LOOK_AGAIN)


def _cancelled(session: _Session, order: OpenOrder, client_id: int, still: bool) -> Cancelled:
    said = session.said.get(order.order_id, "")
    if not still:
        return Cancelled(order=order, gone=True, why=said)
    if order.client_id != client_id:
        said = f"client id {order.client_id} sent it, and only that one may cancel it"
    return Cancelled(order=order, gone=False, why=said or "still open, and the broker has not said why")


def _number(order: OpenOrder) -> tuple[int, int]:
    """What names an order among those of one account."""
    return (-1, order.perm_id) if order.perm_id else (order.client_id, order.order_id)


# One connection.


@dataclass(slots=True)
class _Session:
    """A connection, and what was said over it besides answers."""

    ib: IB
    where: str
    timeout: float
    accounts: tuple[str, ...] = ()
    said: dict[int, str] = field(default_factory=dict)          # request or order id -> the last error about it
    last: str = ""
    link_lost: str = ""
    unreadable: list[str] = field(default_factory=list)

    def hear(self, number: int, code: int, text: str, *_: object) -> None:
        """Keep an error or notice: its number is that of a request or order, or -1."""
        if code in FARMS_FINE:
            return
        self.said[number] = self.last = f"{code}: {text}"
        if code in LINK_LOST:
            self.link_lost = self.last
        elif code in LINK_BACK:
            self.link_lost = ""

    @property
    def client(self) -> Any:
        """The part of the library that sends and has no types."""
        return self.ib.client

    async def answer(self, what: str, request: Callable[[], Awaitable[T]]) -> T:
        """The whole answer to one request; `BrokerUnavailable` where it fails, or has no end in time."""
        from ib_async.wrapper import RequestError

        try:
            result = await asyncio.wait_for(request(), self.timeout)
        except TimeoutError:
            said = f"; the last it said was {self.last}" if self.last else ""
            raise self.unavailable(f"no whole answer to the question for {what} within {self.timeout:g} s{said}") from None
        except (ConnectionError, RequestError) as error:
            raise self.unavailable(f"the question for {what} failed ({error})") from error
        if self.unreadable:
            raise self.unavailable(f"its answer to the question for {what} can't be read ({self.unreadable[0]})")
        return result

    def send_cancel(self, order_id: int) -> None:
        """Ask for a cancel; whether it came to one is to be looked at."""
        try:
            self.client.cancelOrder(order_id)
        except ConnectionError as error:
            raise self.unavailable(f"the cancel of order {order_id} could not be sent ({error})") from error

    def check_link(self) -> None:
        """Raise where the gateway has lost the broker: what it tells then is only what it remembers."""
        if self.link_lost:
            raise self.unavailable(f"it has itself no connection to the broker ({self.link_lost})")

    def unavailable(self, why: str) -> BrokerUnavailable:
        return BrokerUnavailable(self.where, why, REMEDY)


@asynccontextmanager
async def _connected(host: str, port: int, client_id: int, timeout: float) -> AsyncIterator[_Session]:
    """A connection that has said whose accounts it sees. A client id in use is waited for: an old socket may hold it."""
    logging.getLogger("ib_async").addHandler(logging.NullHandler())       # what it says is in our errors
    where, until = f"IB at {host}:{port}", asyncio.get_running_loop().time() + timeout
    while True:
        session = await _connect(where, host, port, client_id, timeout)
        if session is not None:
            break
        if asyncio.get_running_loop().time() > until:
            raise BrokerUnavailable(where, f"client id {client_id} is in use by another connection",
                                    "end that one, or set ib_client_id to another")
        await asyncio.sleep(LOOK_AGAIN)
    try:
        with _hearing_unreadable(session):
            yield session
    finally:
        session.ib.disconnect()
        await asyncio.sleep(0)          # the socket closes in the loop's next round


async def _connect(where: str, host: str, port: int, client_id: int, timeout: float) -> _Session | None:
    """One try to connect; None where the client id is in use."""
    from ib_async import IB

    session = _Session(ib=IB(), where=where, timeout=timeout)
    ib = session.ib
    ib.RaiseRequestErrors = True
    ib.errorEvent += session.hear
    closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    session.client.conn.disconnected += lambda text: None if closed.done() else closed.set_result(str(text))
    ib.wrapper.clientId = client_id
    greeting: asyncio.Future[None] = asyncio.ensure_future(session.client.connectAsync(host, port, client_id, timeout))
    try:
        await asyncio.wait((greeting, closed), return_when=asyncio.FIRST_COMPLETED)
        if greeting.done() and greeting.exception() is None and ib.client.isReady():
            if ib.client.serverVersion() < ZONED:
                raise session.unavailable(f"its protocol version {ib.client.serverVersion()} is below {ZONED}: times without a "
                                          "zone can't be placed; update it")
            session.accounts = tuple(ib.client.getAccounts())
            return session
    except BaseException:
        ib.disconnect()
        raise
    finally:
        if not greeting.done():
            greeting.cancel()
        await asyncio.gather(greeting, return_exceptions=True)
    session.client.disconnect()
    if session.last.startswith(f"{ID_IN_USE}:"):
        return None
    error = greeting.exception() if not greeting.cancelled() else None
    if isinstance(error, TimeoutError):
        raise session.unavailable(f"no greeting within {timeout:g} s")
    raise session.unavailable(str(error or (closed.result() if closed.done() else "the connection was closed")))


@contextmanager
def _hearing_unreadable(session: _Session) -> Iterator[None]:
    """A message that the client can't decode is only logged by it, and would be missing from an answer."""
    thread = threading.get_ident()

    class Hearing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and COMPLETED not in record.getMessage():
                session.unreadable.append(record.getMessage()[:200])

    hearing, log = Hearing(level=logging.ERROR), logging.getLogger("ib_async.Decoder")
    log.addHandler(hearing)
    try:
        yield
    finally:
        log.removeHandler(hearing)


# Its answers in our words.


def _check_account(session: _Session, account: str) -> None:
    if account not in session.accounts:
        raise NotArmed(f"account {account or 'without a name'} is not one of this login's ({', '.join(session.accounts)})",
                       "set `account` to the one that is meant, or log in to it")


async def _open_orders(session: _Session, account: str) -> tuple[OpenOrder, ...]:
    """Every client's, not only ours: what another has sent is not to be taken for gone."""
    trades = await session.answer("open orders", session.ib.reqAllOpenOrdersAsync)
    told = [_open_order(trade) for trade in trades if _ours(trade.contract, trade.order.account, account)]
    return tuple({_number(order): order for order in told}.values())        # one may be told again while it changes


async def _executions(session: _Session, account: str) -> tuple[Execution, ...]:
    from ib_async import ExecutionFilter

    wanted = ExecutionFilter(acctCode=account)
    told = await session.answer("executions", lambda: session.ib.reqExecutionsAsync(wanted))
    fills = [fill for fill in told if _ours(fill.contract, fill.execution.acctNumber, account)]
    until = asyncio.get_running_loop().time() + min(LATE_FEES, session.timeout)
    while any(not fill.commissionReport.execId for fill in fills) and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.02)
    if session.unreadable:
        raise session.unavailable(f"a commission can't be read ({session.unreadable[0]})")
    return tuple(sorted(map(_execution, fills), key=lambda item: (item.occurred_at, item.exec_id)))


async def _account_values(session: _Session, account: str) -> tuple[Decimal | None, Decimal | None]:
    """Cash and equity in dollars."""
    rows = await session.answer("the account's value", lambda: session.ib.accountSummaryAsync(account))
    told = {(row.tag, row.currency): row.value for row in rows}
    cash = told.get(("TotalCashBalance", "USD"), told.get(("TotalCashValue", "USD")))
    equity = told.get(("NetLiquidation", "USD"))
    return (exact(cash) if cash else None), (exact(equity) if equity else None)


def _ours(contract: Contract | None, account: str, wanted: str) -> bool:
    return contract is not None and account == wanted and contract.secType == "STK" and contract.currency == "USD"


def _symbol(contract: Contract | None) -> str:
    """The ticker as Lean writes it: IB has a blank where others have a point (BRK B)."""
    assert contract is not None
    return contract.symbol.replace(" ", ".")


def _side(word: str) -> str:
    if word not in SIDES:
        raise BrokerUnavailable("IB", f"it told of a side {word!r}, which is neither bought nor sold")
    return SIDES[word]


def _execution(fill: Fill) -> Execution:
    told, report = fill.execution, fill.commissionReport
    known = report.execId != "" and abs(report.commission) < UNSET
    return Execution(
        exec_id=told.execId, order_id=told.orderId, perm_id=told.permId, client_id=told.clientId, order_ref=told.orderRef,
        symbol=_symbol(fill.contract), side=_side(told.side), quantity=exact(told.shares),
        price=exact(told.price), cum_quantity=exact(told.cumQty), occurred_at=told.time.astimezone(UTC),
        fee=exact(report.commission) if known else None, account=told.acctNumber,
    )


def _open_order(trade: Trade) -> OpenOrder:
    order, status = trade.order, trade.orderStatus
    size, limit = exact(order.totalQuantity), float(order.lmtPrice or 0)
    return OpenOrder(
        order_id=order.orderId, perm_id=order.permId, client_id=order.clientId, order_ref=order.orderRef,
        symbol=_symbol(trade.contract), quantity=size if _side(order.action) == "BUY" else -size, filled=exact(status.filled),
        order_type=order.orderType,
        limit_price=exact(limit) if order.orderType == "LMT" and abs(limit) < UNSET else None,
        status=status.status, account=order.account,
    )


def _held(item: Position) -> Held:
    return Held(symbol=_symbol(item.contract), quantity=exact(item.position), average_price=exact(item.avgCost))
