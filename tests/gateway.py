"""A gateway on this machine that speaks the broker's protocol (version 178, text) for what we ask of one.

It runs in a thread of its own. What it tells is a `Book`; `Faults` says what goes wrong. `asked` is the ledger of every
message that it received, so that a test can say what was never sent.
"""

import asyncio
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

VERSION = 178
CANCEL, OPEN, ALL_OPEN, EXECUTIONS, TIME, POSITIONS, SUMMARY, START = 4, 5, 16, 7, 49, 61, 62, 71
PLACE = 3
ENDS = {OPEN: [53, 1], ALL_OPEN: [53, 1], POSITIONS: [62, 1]}
UNSET = "1.7976931348623157E308"


@dataclass
class Fill:
    """One execution in the gateway's book; `fee` None has no commission report yet."""

    symbol: str
    shares: float               # signed
    price: float
    at: datetime
    exec_id: str
    order_id: int = 1
    perm_id: int = 1001
    client_id: int = 0
    order_ref: str = ""
    cum: float | None = None
    fee: float | None = 1.0
    account: str = "DU1234567"
    kind: str = "STK"


@dataclass
class Order:
    """One open order in the gateway's book."""

    symbol: str
    quantity: float             # signed
    order_id: int = 1
    perm_id: int = 1001
    client_id: int = 0
    filled: float = 0
    order_ref: str = ""
    order_type: str = "MKT"
    limit: float = 0.0
    status: str = "Submitted"
    account: str = "DU1234567"
    stubborn: bool = False      # a cancel changes nothing


@dataclass
class Book:
    """What the broker knows."""

    fills: list[Fill] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    positions: dict[str, tuple[float, float]] = field(default_factory=dict)        # symbol -> shares, average price
    accounts: tuple[str, ...] = ("DU1234567",)
    cash: float = 90000.0
    equity: float = 100000.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    other_shares: tuple[tuple[str, str, float], ...] = ()           # kind, symbol, quantity: options and the like


@dataclass
class Faults:
    """What goes wrong. Message ids are those of the requests."""

    silent: set[int] = field(default_factory=set)           # no answer
    endless: set[int] = field(default_factory=set)          # an answer without its end mark
    refused: dict[int, tuple[int, str]] = field(default_factory=dict)      # an error instead of an answer
    cut_after: int | None = None                            # bytes, of everything sent on one connection
    id_in_use: int = 0                                      # so many connections are turned away
    slow: float = 0.0                                       # seconds before each answer
    link_lost: bool = False                                 # 1100 at the start
    zone: str = "US/Eastern"
    version: int = VERSION
    mute: bool = False                                      # not even a greeting


class Gateway:
    """The server: `with serving(book) as gateway` gives one that listens on `gateway.port`."""

    def __init__(self, book: Book, faults: Faults) -> None:
        self.book, self.faults = book, faults
        self.asked: list[list[str]] = []
        self.port = self.sent = 0
        self._connections: set[asyncio.Task[None]] = set()

    def ids(self) -> list[int]:
        """The ids of all messages that came."""
        return [int(fields[0]) for fields in self.asked]

    async def serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        server = await asyncio.start_server(self._greet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, _Cut):
                await _Connection(self, reader, writer).run()
        finally:
            self._connections.discard(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


class _Cut(Exception):
    """The socket is to be cut here."""


class _Connection:
    """One client."""

    def __init__(self, gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.gateway, self.book, self.faults = gateway, gateway.book, gateway.faults
        self.reader, self.writer = reader, writer
        self.sent = 0
        self.client_id = -1

    async def run(self) -> None:
        assert await self.reader.readexactly(4) == b"API\0"
        (size,) = struct.unpack(">I", await self.reader.readexactly(4))
        lowest, highest = (await self.reader.readexactly(size)).decode().removeprefix("v").split("..")
        assert int(lowest) <= self.faults.version <= int(highest)
        if self.faults.mute:
            await asyncio.sleep(60)
        self.tell(self.faults.version, "20200302 09:00:00 US/Eastern")
        while True:
            (size,) = struct.unpack(">I", await self.reader.readexactly(4))
            fields = (await self.reader.readexactly(size)).decode().split("\0")[:-1]
            self.gateway.asked.append(fields)
            if self.faults.slow:
                await asyncio.sleep(self.faults.slow)
            self.answer(int(fields[0]), fields[1:])
            await self.writer.drain()

    def tell(self, *fields: Any) -> None:
        """Send one message, or as much of it as the fault lets through."""
        text = "".join(f"{int(item) if isinstance(item, bool) else item}\0" for item in fields).encode()
        data = struct.pack(">I", len(text)) + text
        if self.faults.cut_after is not None and self.sent + len(data) > self.faults.cut_after:
            self.writer.write(data[: self.faults.cut_after - self.sent])
            raise _Cut
        self.sent += len(data)
        self.gateway.sent += len(data)
        self.writer.write(data)

    def answer(self, message: int, fields: list[str]) -> None:
        if message in self.faults.silent:
            return
        if message in self.faults.refused:
            code, text = self.faults.refused[message]
            self.error(int(fields[1]) if message in (EXECUTIONS, SUMMARY) else -1, code, text)
            return
        if message == START:
            self.start(int(fields[1]))
        elif message == TIME:
            self.tell(49, 1, int(self.book.now().timestamp()))
        elif message in (OPEN, ALL_OPEN):
            for order in list(self.book.orders):
                if message == ALL_OPEN or order.client_id == self.client_id:
                    self.tell_order(order)
        elif message == EXECUTIONS:
            self.tell_executions(int(fields[1]), fields[3])
        elif message == POSITIONS:
            self.tell_positions()
        elif message == SUMMARY:
            self.tell_summary(int(fields[1]))
        elif message == CANCEL:
            self.cancel(int(fields[1]))
        if message in ENDS and message not in self.faults.endless:
            self.tell(*ENDS[message])

    def start(self, client_id: int) -> None:
        self.client_id = client_id
        if self.faults.id_in_use:
            self.faults.id_in_use -= 1
            self.error(-1, 326, "Unable to connect as the client id is already in use. Retry with a unique client id.")
            raise _Cut
        self.tell(15, 1, ",".join(self.book.accounts))
        self.tell(9, 1, 1)
        self.error(-1, 2104, "Market data farm connection is OK:usfarm")
        if self.faults.link_lost:
            self.error(-1, 1100, "Connectivity between IBKR and Trader Workstation has been lost.")

    def error(self, number: int, code: int, text: str) -> None:
        self.tell(4, 2, number, code, text, "")

    def cancel(self, order_id: int) -> None:
        found = [order for order in self.book.orders if (order.client_id, order.order_id) == (self.client_id, order_id)]
        if not found:
            self.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif found[0].stubborn:
            self.error(order_id, 10148, f"OrderId {order_id} that needs to be cancelled is PendingCancel.")
        else:
            self.book.orders.remove(found[0])
            self.error(order_id, 202, "Order Canceled - reason:")

    def contract(self, symbol: str, kind: str = "STK", exchange: str = "SMART") -> list[Any]:
        """The eleven fields of a contract."""
        return [abs(hash((symbol, kind))) % 10**8, symbol, kind, "", 0.0, "?" if kind == "STK" else "C", "", exchange, "USD",
                symbol, symbol]

    def tell_order(self, order: Order) -> None:
        action, size = ("BUY" if order.quantity > 0 else "SELL"), abs(order.quantity)
        self.tell(
            5, order.order_id, *self.contract(order.symbol), action, size, order.order_type, order.limit, 0.0, "DAY", "",
            order.account, "O", 0, order.order_ref, order.client_id, order.perm_id, 0, 0, 0.0, "", "", "", "", "",
            "", "", "", "", "", 0, "", -1, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 2147483647, 0, 0, 0, "", 3, 0, 0, "", 0, 0, "", 0,
            "None", "", 0, "", "", "", "?", 0, 0, "",
            0, 0, "", "", "", "", "", 0, 0, 0, "", "", "", "", 0, "", "IB", 0, 0, "",
            0, 0, order.status, *[UNSET] * 9, "", "", "", "", "", 0, 0, 0,
            "None", UNSET, UNSET, UNSET, UNSET, UNSET, UNSET, 0, "", "", "", 0.0, 0, 0, 0, 0, "", "", 0, "", "", "", "", "")
        self.tell(3, order.order_id, order.status, order.filled, size - order.filled, 0.0, order.perm_id, 0, 0.0,
                  order.client_id, "", 0.0)

    def tell_executions(self, request: int, account: str) -> None:
        told = [fill for fill in self.book.fills if fill.account == account]
        for fill in told:
            when = fill.at.astimezone(ZoneInfo("America/New_York")).strftime("%Y%m%d %H:%M:%S")
            size = abs(fill.shares)
            self.tell(11, request, fill.order_id, *self.contract(fill.symbol, fill.kind), fill.exec_id,
                      f"{when} {self.faults.zone}", fill.account, "ISLAND", "BOT" if fill.shares > 0 else "SLD", size, fill.price,
                      fill.perm_id, fill.client_id, 0, size if fill.cum is None else fill.cum, fill.price, fill.order_ref, "",
                      "", "", 2, 0)
        if EXECUTIONS not in self.faults.endless:
            self.tell(55, 1, request)
        for fill in told:
            if fill.fee is not None:
                self.tell(59, 1, fill.exec_id, fill.fee, "USD", UNSET, UNSET, "")

    def tell_positions(self) -> None:
        kinds = [("STK", symbol, shares, price) for symbol, (shares, price) in self.book.positions.items()]
        kinds += [(kind, symbol, shares, 1.0) for kind, symbol, shares in self.book.other_shares]
        for kind, symbol, shares, price in kinds:
            self.tell(61, 3, self.book.accounts[0], *self.contract(symbol, kind, exchange=""), shares, price)

    def tell_summary(self, request: int) -> None:
        for tag, value in (("TotalCashValue", self.book.cash), ("NetLiquidation", self.book.equity)):
            self.tell(63, 1, request, self.book.accounts[0], tag, value, "USD")
        if SUMMARY not in self.faults.endless:
            self.tell(64, 1, request)


@contextmanager
def serving(book: Book | None = None, faults: Faults | None = None) -> Iterator[Gateway]:
    """A gateway that listens until the end of the block."""
    gateway = Gateway(book or Book(), faults or Faults())
    started, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(gateway.serve(started, stop))

    thread = threading.Thread(target=run, name="gateway")
    thread.start()
    try:
        assert started.wait(10)
        yield gateway
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
