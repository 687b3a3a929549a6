"""Lean's launcher in live mode, for the stand-in: one date of the data folder, in simulated New York time.

The algorithm runs on the embedded engine's classes; orders go to a broker of their own (`broker.Broker`), which outlives the
process where STANDIN_BOOK names its file. What Lean shows of a live run is shown: log lines, result files, their staleness.

    STANDIN_START   New York time of the start, 08:30 (the date is the parameter `start`)
    STANDIN_PACE    simulated seconds per second of the clock; without it, as fast as it goes
    STANDIN_BOOK    the broker's file: read at the start, written at each change (see `broker`)
    STANDIN_EXIT    seconds that ending takes, 1.3
    STANDIN_FAULT   several with commas: killed-after:<n fills told>, killed-before-send:<n>, killed-after-send:<n> (the nth
                    order is with the broker and nothing was told), lose-fill:<n> (it happens, and is never told),
                    disconnect:<HH:MM>-<HH:MM> (all that happens meanwhile is lost; 09:00-09:45), partial-fills, deaf-cancel,
                    hang:<HH:MM> (from then on nothing happens any more; 09:15), hang-hard:<HH:MM> (SIGINT is ignored too),
                    runtime-error:<n fills told>
"""

import json
import os
import signal
import sys
import time as clock
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.engines.config import layered, parameters_of, read_config
from workbench.engines.embedded import forms, imports, launcher, views
from workbench.engines.embedded.algorithm import QCAlgorithm
from workbench.engines.embedded.backtest import Backtest
from workbench.engines.embedded.book import Book, Request
from workbench.engines.embedded.clock import local_of, midnight, utc_of
from workbench.engines.embedded.clr import ClrObject, overloaded
from workbench.engines.embedded.enums import DataNormalizationMode, OrderStatus, OrderType, Resolution
from workbench.engines.embedded.feed import Step
from workbench.engines.embedded.history import DAY
from workbench.engines.embedded.initializers import BrokerageModelSecurityInitializer as Initializer
from workbench.engines.embedded.log import Log
from workbench.engines.embedded.orders import Event, Order, OrderEvent
from workbench.engines.embedded.requests import OrderResponse
from workbench.engines.embedded.security import MinuteSecurity, Prices
from workbench.engines.embedded.times_in_force import TimeInForce
from workbench.market.bars import daily_path, read_daily

sys.path.insert(0, str(Path(__file__).parent))
from broker import Broker, Report

KINDS = {OrderType.MARKET: "MKT", OrderType.MARKET_ON_OPEN: "MOO", OrderType.MARKET_ON_CLOSE: "MOC", OrderType.LIMIT: "LMT"}
TYPES = {word: kind for kind, word in KINDS.items()}
STATUS_MESSAGE, FILL_MESSAGE = "Interactive Brokers Order Event", "Interactive Brokers Order Fill Event"
MINUTE, TEN_MINUTES = 60, 600


def faults() -> dict[str, str]:
    """The faults asked for, each with what follows its colon."""
    asked = os.environ.get("STANDIN_FAULT", "").split(",")
    return {name: rest for name, _, rest in (item.strip().partition(":") for item in asked) if name}


def kill() -> None:
    """End as a process that is killed."""
    os.kill(os.getpid(), signal.SIGKILL)


class LiveBook(Book):
    """Orders as Lean live has them: what the broker accepts and does is told by the broker alone."""

    def __init__(self, run: "LiveRun") -> None:
        super().__init__(run)
        self.live = run
        self.broker_ids: dict[int, int] = {}        # Lean's order id → the broker's
        self.sends = 0

    def scan(self) -> None:
        """Nothing fills by itself."""

    def drain(self) -> None:
        """Cancels go to the broker."""
        while self._queue:
            request: Request = self._queue.popleft()
            if request.fields is None and not request.order.is_closed:
                self.live.broker.cancel(self.broker_ids[request.order.id], self.live.local)

    def adopt(self, found: dict[str, Any]) -> None:
        """An open order that the broker told of at the start: a new id, no tag."""
        security = self.live.algorithm.securities.find(found["symbol"])
        order = Order(TYPES[found["order_type"]], security, Decimal(found["quantity"]), "", TimeInForce.GOOD_TIL_CANCELED,
                      self.live.utc)
        order.id, order.status = len(self.orders) + 1, OrderStatus.SUBMITTED
        order.limit = None if found["limit_price"] is None else Decimal(found["limit_price"])
        self.orders.append(order)
        self.pending[order.id] = self._pending_of[security.index][order.id] = order
        self.broker_ids[order.id] = found["order_id"]

    def hear(self, report: Report) -> None:
        """Take in what the broker told of one order."""
        order = next(self.orders[number - 1] for number, other in self.broker_ids.items() if other == report.order_id)
        if report.exec_id is None:
            order.canceled = self.live.utc
            self._close(order, OrderStatus.CANCELED, self.live.says(STATUS_MESSAGE))
            return
        order.status = OrderStatus.FILLED if report.complete else OrderStatus.PARTIALLY_FILLED
        event = Event(order, order.status, self.live.utc, self.live.says(FILL_MESSAGE))
        event.fill_price, event.fill_quantity, event.fee = report.price, report.quantity, report.fee
        self._take(order, event)
        if report.complete:
            self._drop(order)
        self._tell(event)

    def _handle_submit(self, order: Order) -> OrderResponse:
        if self._shortage(order) is None and self.run.brokerage.refusal(order, self.run.local, self.run.hours) is None:
            self.sends += 1
            if self.live.has("killed-before-send", self.sends):
                kill()
            self.broker_ids[order.id] = self.live.broker.place(
                str(order.security.symbol), str(order.security.symbol.id), order.quantity, KINDS[order.type], order.limit,
                self.run.local)
            if self.live.has("killed-after-send", self.sends):
                kill()
        return super()._handle_submit(order)


class LiveRun(Backtest):
    """One live day: the clock runs by itself, and what is due at a moment happens then."""

    def __init__(self, settings: Mapping[str, Any], parameters: Mapping[str, str], folder: Path, log: Log) -> None:
        super().__init__(folder, log)
        self.faults, self.fills, self.seeded = faults(), 0, set[int]()
        self.day = date.fromisoformat(parameters["start"])
        begin = datetime.combine(self.day, time.fromisoformat(os.environ.get("STANDIN_START", "08:30")))
        self.begin_utc = utc_of(begin)
        self.start = self.end = self.day
        self.local, self.utc = begin, self.begin_utc
        self.at_broker = str(settings.get("live-mode-brokerage")) != "PaperBrokerage"
        self.broker = _broker(settings, parameters, folder, self.at_broker, self.faults)
        self.files = Files(self, Path(str(settings["results-destination-folder"])), str(settings["algorithm-id"]))
        self.book: LiveBook = LiveBook(self)
        self.warming_up = self.interrupted = False
        self.begun = clock.monotonic()

    def has(self, fault: str, count: int) -> bool:
        """Whether a fault is asked for at this count."""
        return self.faults.get(fault) == str(count)

    def says(self, message: str) -> str:
        """A message of the broker's; Lean's own paper brokerage has none."""
        return message if self.at_broker else ""

    def tell(self, event: Event) -> None:
        told = OrderEvent._of(event, self.book)
        self.log.trace(f"LiveTradingResultHandler.OrderEvent(): {told} BrokerId: {self.book.broker_ids.get(event.order.id, '')}")
        super().tell(event)
        self.log.debug(f"New Order Event: {told}", self.local)

    def run(self) -> None:
        """The day, until the algorithm quits, an error of it, SIGINT, or the next midnight."""
        self.broker.reports(self.local)                     # what was due before is not told to a new process
        self._load_account()
        sessions = self.hours.sessions(self.day - timedelta(days=7), self.day)[-2:]
        self._begin(self.local, sessions)
        steps = iter(self.feed.steps(self.securities, sessions, midnight(sessions[0])))
        step = self._go_to_now(steps)
        for found in self.broker.open_orders():
            self.book.adopt(found)
        self.files.write()
        signal.signal(signal.SIGINT, self._interrupt)
        end = utc_of(midnight(self.day + timedelta(days=1)))
        while not self._over():
            moment = min(self.schedule.next(), step.utc if step else end, self.files.next, end)
            if moment >= end or not self._wait_for(moment):
                break
            self._advance(moment, local_of(moment))
            self._hear_broker()
            if step is not None and step.utc <= moment and not self._over():
                self._take_data(step)
                step = next(steps, None)
            self._run_scheduled(moment)
            self.book.drain()
            self.files.pass_to(moment)
        self._finish()

    def _over(self) -> bool:
        return self.runtime_error is not None or self.stopped is not None

    def _go_to_now(self, steps: Any) -> Step | None:
        """Pass over the data of before the start: what was seeded knows its last price, what was not knows none."""
        step: Step | None = next(steps, None)
        while step is not None and step.utc <= self.begin_utc:
            if step.actions is None:
                self.tape.now = step.local
                self.tape.step += 1
                self.tape.minute = step.minute
                self.tape.session = step.place if step.closes and step.place is not None else self.tape.session
            step = next(steps, None)
        for security in self.securities:
            if security.index not in self.seeded:
                assert not isinstance(security, MinuteSecurity), "a stock with minutes is always seeded here"
                security.rows = security.rows.copy()
                security.rows[security.rows == security.rows[0]] = -1
            elif isinstance(security, MinuteSecurity) and not security.price:
                self._seed_from_the_day_before(security)
        return step

    def _seed_from_the_day_before(self, security: MinuteSecurity) -> None:
        bars = read_daily(daily_path(self.feed.folder, str(security.symbol))).between(None, self.day - DAY)
        day = bars.days[-1].item()
        close = Decimal(int(bars.close[-1])) / 10000
        security._bar = Prices(self.hours.open_of(day), self.hours.close_of(day), close, close, close, close)
        security._price, security._made_bar = None, True

    def _load_account(self) -> None:
        """Cash and holdings are the broker's. What else it holds is subscribed to, as Lean does."""
        state = self.broker.state
        self.account.cash = Decimal(state["cash"])
        self.initialized = False
        for symbol, held in state["positions"].items():
            self.algorithm.add_equity(symbol, Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW)
            security = self.algorithm.securities.find(symbol)
            self.seeded.add(security.index)
            security.quantity, security.average_price = Decimal(held["quantity"]), Decimal(held["average_price"])
        self.account.touch()

    def _hear_broker(self) -> None:
        for report in self.broker.reports(self.local):
            self.fills += report.exec_id is not None
            if report.exec_id is not None and (self.has("lose-fill", self.fills) or self._is_disconnected()):
                continue
            self.book.hear(report)
            if report.exec_id is not None and self.has("killed-after", self.fills):
                kill()
            if report.exec_id is not None and self.has("runtime-error", self.fills):
                self._call(_fail, "OnData")

    def _is_disconnected(self) -> bool:
        if "disconnect" not in self.faults:
            return False
        first, last = (self.faults["disconnect"] or "09:00-09:45").split("-")
        return time.fromisoformat(first) <= self.local.time() < time.fromisoformat(last)

    def _take_data(self, step: Step) -> None:
        """A slice: prices, then corporate actions, then the algorithm."""
        self._move_to(step)
        if step.actions is not None:
            self._apply(step.actions)
        arrived = self._slice(step)
        on_data = self._hooks.get("on_data")
        if on_data is not None:
            self._call(on_data, "OnData", arrived)

    def _advance(self, utc: int, local: datetime) -> None:
        self.utc, self.local = utc, local

    def _wait_for(self, moment: int) -> bool:
        """Wait until a moment has come at the pace asked for. False where the process is told to end meanwhile."""
        pace = float(os.environ.get("STANDIN_PACE", "inf"))
        while not self.interrupted:
            if self._hangs():
                clock.sleep(0.02)
                continue
            left = (moment - self.begin_utc) / pace - (clock.monotonic() - self.begun)
            if left <= 0:
                return True
            clock.sleep(min(left, 0.02))
        return False

    def _hangs(self) -> bool:
        asked = next((self.faults[name] for name in ("hang", "hang-hard") if name in self.faults), None)
        return asked is not None and self.local.time() >= time.fromisoformat(asked or "09:15")

    def _interrupt(self, *_: Any) -> None:
        self.interrupted = "hang-hard" not in self.faults

    def _finish(self) -> None:
        if self.interrupted:
            self.log.trace("Program.ExitKeyPress(): Lean instance has been cancelled, shutting down safely now")
        if self.runtime_error is None:
            self.log.fault(f"AlgorithmManager.Run(): Algorithm state changed to Stopped at {self.utc}")
            self.log.trace("AlgorithmManager.Run(): Firing On End Of Algorithm...")
            end = self._hooks.get("on_end_of_algorithm")
            if end is not None:
                self._call(end, "On End Of Algorithm")
        clock.sleep(float(os.environ.get("STANDIN_EXIT", "1.3")))


class Files:
    """The result files of a live run: replaced by the clock, complete only at the end."""

    def __init__(self, run: LiveRun, folder: Path, algorithm_id: str) -> None:
        self.run, self.folder, self.id = run, folder, algorithm_id
        self.started = datetime.now(UTC)
        self.next = run.begin_utc + MINUTE

    def write(self, status: str = "Running", error: BaseException | None = None) -> None:
        """`<id>.json`: every ten minutes, and at the end."""
        self._write(f"{self.id}.json", self._body(status, error))

    def pass_to(self, utc: int) -> None:
        """What is due by the clock."""
        while self.next <= utc:
            if (self.next - self.run.begin_utc) % TEN_MINUTES == 0:
                self.write()
            day = f"{datetime.fromtimestamp(self.next, UTC):%Y-%m-%d}"
            self._write(f"{self.id}-{day}_minute.json", self._body("Running", None))
            self.write_events()
            self.next += MINUTE

    def write_events(self) -> None:
        """Each UTC day's events of this process, whole; no file without events."""
        events = self.run.book.events
        for day in sorted({f"{datetime.fromtimestamp(event.utc, UTC):%Y-%m-%d}" for event in events}):
            first = datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()
            text = ",".join(forms.event_lines([event for event in events if event.utc >= first], self.id))
            (self.folder / f"{self.id}-{day}-order-events.json").write_text(f"[{text}]")

    def _body(self, status: str, error: BaseException | None) -> dict[str, Any]:
        run = self.run
        orders = json.loads("{" + ",".join(forms.order_lines(run.book.orders)) + "}")
        for order in run.book.orders:
            known = run.book.broker_ids.get(order.id)
            orders[str(order.id)]["brokerId"] = [] if known is None else [str(known)]
        holdings = {str(s.symbol.id): {"a": float(s.average_price), "q": float(s.quantity), "p": float(s.price)}
                    for s in run.securities if s.quantity}
        cash = float(run.account.cash)
        return {
            "holdings": holdings, "cash": {"USD": {"symbol": "USD", "amount": cash, "conversionRate": 1.0,
                                                   "currencySymbol": "$", "valueInAccountCurrency": cash}},
            "accountCurrency": "USD", "accountCurrencySymbol": "$", "charts": {}, "orders": orders, "profitLoss": {},
            "statistics": {"Total Orders": str(len(orders)), "Total Fees": f"${run.account.fees}"},
            "runtimeStatistics": {"Equity": f"${run.account.value:,.2f}", "Fees": f"-${run.account.fees:,.2f}"},
            "state": {"StartTime": f"{self.started:%Y-%m-%dT%H:%M:%SZ}",
                      "EndTime": "" if status == "Running" else f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                      "RuntimeError": "" if error is None else f"{run.local:%Y-%m-%d %H:%M:%S} Runtime Error: {error} at "
                                                               f"{run.error_context}",
                      "StackTrace": "" if error is None else repr(error), "LogCount": str(len(run.log.user_lines)),
                      "OrderCount": str(len(orders)), "InsightCount": "0", "Hostname": "stand-in", "Status": status},
            "serverStatistics": {}}

    def _write(self, name: str, body: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(json.dumps(body, indent=1))


class LiveAlgorithm(QCAlgorithm):
    """The algorithm's base as it is live: dates and cash are the broker's, market orders stay what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.live_mode = True

    def set_start_date(self, *when: Any, **named: Any) -> None:
        """Nothing, as in Lean live."""

    def set_end_date(self, *when: Any, **named: Any) -> None:
        """Nothing, as in Lean live."""

    @overloaded
    def market_order(self, symbol: Any, quantity: Any, asynchronous: bool = False, tag: str | None = "",
                     order_properties: Any = None) -> Any:
        kind = OrderType.MARKET if self._run.hours.is_open(self._run.local) else OrderType.MARKET_ON_OPEN
        return self._submit(kind, self._security(symbol), quantity, asynchronous, tag, order_properties)

    def get_last_known_prices(self, securities: Any) -> Any:
        """One of a stock with minutes is given later, when the data folder is read."""
        security = self._security(securities)
        return [security] if isinstance(security, MinuteSecurity) else super().get_last_known_prices(securities)


class FuncSecuritySeeder(ClrObject):
    """Gives a security its first price."""

    def __init__(self, seed_function: Any) -> None:
        self._function = seed_function

    def seed_security(self, face: Any) -> None:
        """Remember that it is asked for; the price comes with the data folder."""
        security = face._security
        if list(self._function(face)):
            face._run.seeded.add(security.index)


class BrokerageModelSecurityInitializer(Initializer):
    """With a seeder."""

    def __init__(self, brokerage_model: Any = None, security_seeder: Any = None) -> None:
        super().__init__(brokerage_model)
        self._seeder = security_seeder

    def initialize(self, security: Any) -> None:
        super().initialize(security)
        if self._seeder is not None:
            self._seeder.seed_security(security)


def install() -> ModuleType:
    """`AlgorithmImports` with the names that are different live."""
    module = imports.install()
    for name, value in {"QCAlgorithm": LiveAlgorithm, "FuncSecuritySeeder": FuncSecuritySeeder,
                        "BrokerageModelSecurityInitializer": BrokerageModelSecurityInitializer}.items():
        module.__dict__[name] = value
    return module


def main(config: Mapping[str, Any]) -> int:
    """Run the live job of a config. Returns 0 where it completed, else 1, as Lean is designed to."""
    settings = layered(config)
    parameters = parameters_of(settings)
    log = Log(Path(str(settings["results-destination-folder"])) / "log.txt")
    launcher.imports = type("Live", (), {"install": staticmethod(install)})                 # type: ignore[assignment]
    launcher.Backtest = partial(LiveRun, settings, parameters)                              # type: ignore[assignment, misc]
    run: Any = None
    error: BaseException | None = None
    try:
        run = launcher._prepare({**settings, "live-mode": False}, parameters, log)
        views.Order.broker_id = property(                                                   # type: ignore[assignment]
            lambda order: [str(run.book.broker_ids[order.id])] if order.id in run.book.broker_ids else [])
        log.trace(f"AlgorithmManager.Run(): Begin DataStream - Start: {run.local} Stop: 12/31/2050 Time: {run.local} Warmup: False")
        run.run()
        error = run.runtime_error
    except launcher._StartFailed as failure:
        error = failure
        log.fault(f"Engine.Run(): {failure}")
    if run is not None:
        run.files.write("Completed" if error is None else "RuntimeError", error)
        run.files.write_events()
        lines = "\n".join(run.log.user_lines)
        (run.files.folder / f"{run.files.id}-log.txt").write_text(f"{lines}\n")
    log.trace("Engine.Main(): Analysis Completed and Results Posted.")
    log.trace(f"Engine.Main(): Packet removed from queue: {settings['algorithm-id']}")
    return 0 if error is None else 1


def _broker(settings: Mapping[str, Any], parameters: Mapping[str, str], folder: Path, at_broker: bool,
            asked: Mapping[str, str]) -> Broker:
    """The account in its file, or, under Lean's own paper brokerage, one that ends with the process."""
    kinds = {"partly": "partial-fills" in asked, "deaf": "deaf-cancel" in asked}
    if at_broker:
        book = os.environ.get("STANDIN_BOOK")
        return Broker(folder, None if book is None else Path(book), account=str(settings.get("ib-account") or "DU0000000"),
                      cash=Decimal(parameters["cash"]), **kinds)
    balances, holdings = (settings.get(name) or [] for name in ("live-cash-balance", "live-holdings"))
    cash = Counter({item["currency"]: Decimal(str(item["amount"])) for item in balances})
    held = {item["symbol"]["value"]: {"instrument_id": item["symbol"]["id"], "quantity": str(item["q"]),
                                      "average_price": str(item["a"])} for item in holdings}
    return Broker(folder, cash=cash["USD"] if balances else Decimal(parameters["cash"]), positions=held, **kinds)


def _fail(*_: Any) -> None:
    raise ValueError("the stand-in was asked to fail")


if __name__ == "__main__":
    sys.exit(main(read_config(Path(sys.argv[sys.argv.index("--config") + 1]))))
