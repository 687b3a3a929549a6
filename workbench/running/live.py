"""Paper and live: one decision of today, executed once and watched to its end, and gone on with where it was cut short.

In this order, so that nothing is sent twice and nothing without leave: the account is checked and armed, nothing else is at
work on it, the date is claimed, what earlier attempts sent is known (or trading waits for a person), and only then an engine
starts. Each start is an attempt with a folder of its own: Lean overwrites its day's files and begins its order ids anew.
"""

import contextlib
import getpass
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.algorithm.timing import AFTER_CLOSE
from workbench.engines import base
from workbench.engines import outcome as outcomes
from workbench.engines.base import PATIENCE_LIVE, Engine
from workbench.engines.ib import BrokerView, cancel_orders, read_broker
from workbench.engines.log import LogLine
from workbench.engines.secrets import remove_leftovers
from workbench.errors import AlreadyClaimed, BadInput, BrokerUnavailable, NotArmed, OutcomeUnknown
from workbench.market.calendar import NEW_YORK, Calendar
from workbench.market.folder import Market
from workbench.running import claims, rebalance, records, recovery, safety, stopping
from workbench.running.attempt import Executed, Watch, configure, judge, supervise
from workbench.running.records import Decisions
from workbench.running.restart import Resume
from workbench.running.safety import LONGEST
from workbench.running.sent import working
from workbench.running.stopping import Contact
from workbench.settings import Settings
from workbench.store import Store
from workbench.words import intent as intent_words
from workbench.words import run as runs
from workbench.words.intent import Intent
from workbench.words.params import ExecutionParams
from workbench.words.run import OWN_PAPER, Attempt, Run

MODES = ("paper", "live")
LEANS_CLIENT = 0            # the API client id of Lean's orders, and so the only one that can cancel them
SLACK = 300.0               # seconds beyond the deadline for the last cancels and for Lean's own end
STOP_PATIENCE = 120.0       # seconds that the algorithm has to cancel and end, once it was told to stop
KEEPER_PATIENCE = 90.0      # seconds that the keeper of an engine may take to end it, when its supervisor was killed
RESUME_FILE = "resume.json"

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def prepare_live(data: Path, market: Market, decisions: Decisions, params: ExecutionParams, *, engine: Engine, mode: str,
                 account: str, cash: Decimal, now: datetime) -> Run:
    """Write the request to execute one decision, which must be for today in New York. Nothing is started.

    `cash` is what Lean's own paper brokerage begins with; at a broker the broker's counts. Raises `NotASession` and
    `BadInput` for another day, `MissingPrice` and `BadInput` where the market data do not say what was decided on.
    """
    if mode not in MODES:
        raise BadInput(f"mode {mode!r} is not one of {', '.join(MODES)}")
    if engine.kind == "embedded":
        raise BadInput("the embedded engine trades in backtests only", where=f"mode {mode}", remedy="choose the engine `lean`")
    if len(decisions.snapshots) != 1:
        raise BadInput(f"{mode} executes the decision of one date, not {len(decisions.snapshots)}")
    snapshot, = decisions.snapshots
    check_today(market.calendar, snapshot.rebalance_date, now)
    good, refused = rebalance.usable_intents(data, market, decisions)
    _check_prices(market, good)
    run = runs.request(
        strategy=decisions.strategy, engine=engine.name, engine_version=engine.version, mode=mode,
        account=account or (OWN_PAPER if mode == "paper" else ""),
        decisions={snapshot.rebalance_date: snapshot.snapshot_id}, params_id=records.save_params(data, params),
        data_fingerprint=market.fingerprint(rebalance.instruments_of(market, good), snapshot.snapshot_date),
        algorithm_sha256=base.algorithm_sha256(), start=snapshot.rebalance_date, end=snapshot.rebalance_date, cash=cash,
        rejected=refused,
    )
    return rebalance.save_request(data, run, intent_words.text(good), params)


def execute_live(
    data: Path, market: Market, run: Run, *, engine: Engine, settings: Settings, clock: Clock = wall_clock,
    hear: Callable[[LogLine], None] | None = None, by: str | None = None, supersede: str | None = None,
    leave_working: bool = False, deadline: datetime | None = None, between_looks: float = 5.0
) -> Executed:
    """Execute a request on paper or live to its end, go on with it, or find that it came to its end.

    Without a deadline it ends 15 minutes after that day's close; what still works is cancelled then, unless
    `leave_working`. `supersede` is a snapshot id from which the date is taken over. The first Ctrl-C stops softly, as a stop
    file does, the second at once. The broker is asked again `between_looks` seconds after an answer that leaves an order in
    doubt: it may be on its way. Raises `NotArmed`, `AlreadyClaimed`, `OutcomeUnknown`, `BrokerUnavailable`, and the
    engine's own errors; after each of them the same may be asked again.
    """
    check_today(market.calendar, run.start, clock())
    _check_same(run, engine)
    safety.check_account(run.mode, run.account, now=clock(), data=data, allow_live=settings.allow_live)
    day = _Day(data=data.absolute(), market=market, run=run, engine=engine, settings=settings, clock=clock,
               store=Store(settings.store, wait=settings.store_wait), contact=reach(settings, run.account),
               by=by or getpass.getuser(), leave_working=leave_working, between_looks=between_looks,
               deadline=deadline or market.calendar.close(run.start) + AFTER_CLOSE)
    if supersede is not None:
        claims.supersede(data, run.strategy, run.account, run.start, run.snapshot_ids[0], run.run_id, old=supersede, by=day.by,
                         contact=day.contact, now=clock())
    with claims.held(data, run.account, run.run_id, now=clock()):
        claims.claim(data, run.strategy, run.account, run.start, run.snapshot_ids[0], run.run_id, now=clock())
        return day.execute(hear)


def reach(settings: Settings, account: str) -> Contact | None:
    """How the broker is reached for an account: None where no connection is configured, and for Lean's own paper brokerage."""
    host, port = settings.ib_host, settings.ib_port
    if port is None or account == OWN_PAPER:
        return None
    return Contact(
        ask=lambda whose: read_broker(host, port, client_id=settings.ib_client_id, account=whose),
        cancel=lambda whose, orders: cancel_orders(host, port, client_id=LEANS_CLIENT, account=whose, orders=orders),
    )


def check_today(calendar: Calendar, day: date, now: datetime) -> None:
    """Whether a session is today's, in New York. Raises `NotASession` or `BadInput` where it is not."""
    calendar.require(day)
    today = now.astimezone(NEW_YORK).date()
    if day != today:
        remedy = "it is executed on that day"
        if day < today:
            on = today if not calendar.covers(today) or calendar.is_session(today) else calendar.next(today)
            remedy = f"decide for {on}: `workbench decide --date {on}`"
        raise BadInput(f"the decision is for {day}, and in New York it is {today}", remedy=remedy)


def _check_same(run: Run, engine: Engine) -> None:
    """What is started must be what was asked for: a run is of one Lean and one algorithm."""
    if (engine.name, engine.version, base.algorithm_sha256()) != (run.engine, run.engine_version, run.algorithm_sha256):
        raise BadInput("the engine or the algorithm is not the one that it was asked of", where=f"run {run.run_id}",
                       remedy="prepare it again: that is another run")


def _check_prices(market: Market, intents: list[Intent]) -> None:
    """The close of the session before is what was decided at: data that are missing or changed are no ground to trade on."""
    for intent in intents:
        close = market.close(market.instrument(intent.symbol, intent.rebalance_date), intent.snapshot_date)
        if close != intent.decision_price:
            raise BadInput(f"{intent.symbol} was decided on at {intent.decision_price}, and {market.path} has a close of {close} "
                           f"on {intent.snapshot_date}", where=f"intent {intent.order_intent_id}", remedy="decide again")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """A run on its day, with everything that it is executed with. The account is ours alone while a method of it runs."""

    data: Path
    market: Market
    run: Run
    engine: Engine
    settings: Settings
    store: Store
    contact: Contact | None
    clock: Clock
    by: str
    deadline: datetime
    leave_working: bool
    between_looks: float

    def execute(self, hear: Callable[[LogLine], None] | None) -> Executed:
        self._end_orphans()
        remove_leftovers()
        earlier = [attempt for attempt in records.attempts(self.data, self.run.run_id) if attempt.started_at is not None]
        if earlier and earlier[-1].state == "completed":
            return judge(records.run_folder(self.data, self.run.run_id), self.run, earlier[-1])
        self._check_arming()
        if not earlier and self.clock() >= self.deadline:
            raise BadInput(f"the deadline was {self.deadline:%Y-%m-%d %H:%M} UTC, and nothing was begun before it",
                           where=f"run {self.run.run_id}", remedy="decide for the next session")
        if not earlier:
            self._ask_first()
        left = recovery.look_back(self.data, self.store, self.run, ask=self._ask(), paper=self.run.account == OWN_PAPER,
                                  wait=self.between_looks)
        return self._conclude(self._attempt(left, hear))

    def _check_arming(self) -> None:
        """An account is armed for all that is sent, not only for the start. Raises `NotArmed` where that ends too early."""
        if self.run.mode != "live":
            return
        arming = safety.armed(self.data, self.run.account, self.clock())
        if arming is None or arming.expires_at < self.deadline:
            until = "" if arming is None else f" at {arming.expires_at:%H:%M} UTC"
            raise NotArmed(f"the arming of account {self.run.account} expires{until}, and the run may last until "
                           f"{self.deadline:%H:%M} UTC",
                           f"`workbench arm {self.run.account} --hours {LONGEST}`, or an earlier --deadline")

    def _attempt(self, left: Resume, hear: Callable[[LogLine], None] | None) -> Executed:
        """One start of the engine, from its folder to what it left."""
        place = self._next_place()
        told: dict[str, Any] = {"stop_file": place / stopping.STOP_FILE, "deadline": self.deadline, "holdings": left.holdings,
                                "leave_working": self.leave_working, "resume": place / RESUME_FILE}
        if left.cash is not None:
            told["cash"] = left.cash
        attempt, job = configure(self.data, self.market, self.run, self.settings, **told)
        files.write(place / RESUME_FILE, to_json(left.body()) + "\n")
        with self._saying_why(attempt):
            safety.check_not_stopped(self.data)     # now that a kill sees the attempt: before, either would miss the other
            stopper = Stopper(self.data, place, self.by, self.clock)
            watch = Watch(timeout=max(0.0, (self.deadline - self.clock()).total_seconds()) + SLACK, patience=PATIENCE_LIVE,
                          hear=hear, stop=stopper, store=self.store)
            with soft_interrupt(stopper):
                return supervise(self.data, self.run, attempt, job, engine=self.engine, settings=self.settings, watch=watch)

    def _next_place(self) -> Path:
        """The folder that the next attempt will have."""
        folder = records.run_folder(self.data, self.run.run_id).absolute()
        return folder / str(1 + max((int(path.name) for path in folder.glob("[0-9]*")), default=0))

    @contextlib.contextmanager
    def _saying_why(self, attempt: Attempt) -> Iterator[None]:
        """An attempt that is not even started says so."""
        try:
            yield
        except BaseException as error:
            known = records.attempts(self.data, self.run.run_id)[-1]
            if known.state not in runs.FINAL:
                records.save_attempt(self.data, replace(attempt, state="failed", ended_at=self.clock(),
                                                        cause=f"{type(error).__name__}: {error}"))
            raise

    def _conclude(self, done: Executed) -> Executed:
        """What the broker knows and the journal does not is taken in; then it is said how the attempt ended.

        Raises the engine's error where it failed, and `OutcomeUnknown` where an order works on that was not to.
        """
        self._recover(done)
        told = stopping.stop_told(done.folder)
        at_work = () if self.leave_working or self.run.account == OWN_PAPER else working(done.folder.parent)
        left = [sent.order_ref for sent in at_work]
        if told is not None and done.outcome.complete:
            done = self._told(done, "stopped", told)
        elif left and done.outcome.complete:
            done = self._told(done, "failed", f"still working at its end: {', '.join(left)}")
        self.store.index(self.data)
        outcomes.raise_failed(done.outcome, done.folder / "log.txt")
        if left:
            raise OutcomeUnknown(self.run.run_id, left, "they could not be cancelled in time: look at the broker, or start again, "
                                 f"or `workbench kill {self.run.run_id}`")
        return done

    def _told(self, done: Executed, state: str, cause: str) -> Executed:
        attempt = replace(done.attempt, state=state, cause=cause)
        records.save_attempt(self.data, attempt)
        return replace(done, attempt=attempt)

    def _recover(self, done: Executed) -> None:
        """Take in the fills that the broker has and the journal lacks. A broker that is gone is said; the next start asks again."""
        ask = self._ask()
        if ask is None:
            return
        try:
            recovery.recover_lost(self.data, self.store, self.run, ask())
        except BrokerUnavailable as error:
            warnings.warn(f"run {self.run.run_id}, attempt {done.attempt.attempt}: {error}", RuntimeWarning, stacklevel=2)

    def _ask(self) -> Callable[[], BrokerView] | None:
        return None if self.contact is None else partial(self.contact.ask, self.run.account)

    def _ask_first(self) -> None:
        """Whether the broker has the account, where it can be asked already: Lean may start the gateway itself. Raises
        `NotArmed` where it has not."""
        ask = self._ask()
        if ask is not None:
            with contextlib.suppress(BrokerUnavailable):
                ask()

    def _end_orphans(self) -> None:
        """Attempts on this account whose supervisor is gone: their engines end, by their keepers, before another starts."""
        at_work, _ = stopping.find_at_work(self.data)
        for place in at_work:
            if place.account != self.run.account:
                continue
            if not stopping.wait_for_end(place.folder, KEEPER_PATIENCE):
                pids = ", ".join(str(process.pid) for process in stopping.processes(place.folder))
                orphan = f"attempt {place.attempt.attempt} of run {place.attempt.run_id}"
                raise AlreadyClaimed(f"account {self.run.account}", f"{orphan}, whose engine goes on without its supervisor "
                                     f"(process {pids})", f"`workbench kill {place.attempt.run_id}` ends it")
            records.save_attempt(self.data, replace(place.attempt, state="abandoned", ended_at=self.clock(),
                                                    cause="its process ended without saying so"))


class Stopper:
    """What stops a run from this side: the kill switch for everything, and patience with one that was told to stop and does not."""

    def __init__(self, data: Path, place: Path, by: str, clock: Clock) -> None:
        self.data, self.place, self.by, self.clock = data, place, by, clock
        self._since: float | None = None

    def __call__(self) -> str | None:
        """Why the engine is to be ended by a signal now, if it is."""
        everything = safety.stopped(self.data)
        if everything is not None and not self.told:
            stopping.write_stop_file(self.place, by=everything.by, why=everything.why, at=self.clock())
        if not self.told:
            return None
        self._since = self._since or time.monotonic()
        if time.monotonic() - self._since <= STOP_PATIENCE:
            return None
        return f"told to stop, and at work {STOP_PATIENCE:.0f} seconds later"

    @property
    def told(self) -> bool:
        """Whether the algorithm was told to stop."""
        return (self.place / stopping.STOP_FILE).exists()

    def tell(self, why: str) -> None:
        """Tell the algorithm to cancel and to end."""
        stopping.write_stop_file(self.place, by=self.by, why=why, at=self.clock())


@contextlib.contextmanager
def soft_interrupt(stopper: Stopper) -> Iterator[None]:
    """Within the body, the first Ctrl-C tells the algorithm to stop; one that comes when it was told already raises.

    Only a process's main thread hears signals: elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if stopper.told:
            signal.default_int_handler(number, frame)
        stopper.tell("Ctrl-C")

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
