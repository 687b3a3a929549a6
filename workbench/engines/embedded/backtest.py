"""One backtest: Lean's time step, moment by moment (Engine/AlgorithmManager.cs; the order of things is lean-facts §5.3).

The loop has work only where something happens: a bar nobody looks at, with no order pending, costs a tuple.
"""

from calendar import timegm
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from workbench.engines.embedded import margin_calls
from workbench.engines.embedded.account import Account
from workbench.engines.embedded.book import Book
from workbench.engines.embedded.clock import Hours, local_of, midnight, utc_of
from workbench.engines.embedded.clr import overridden
from workbench.engines.embedded.decimals import normal, plus
from workbench.engines.embedded.enums import BrokerageName, DataNormalizationMode, DelistingType, Resolution, SplitType
from workbench.engines.embedded.feed import Actions, Feed, Step
from workbench.engines.embedded.log import Log
from workbench.engines.embedded.models import BrokerageModel, DefaultBrokerageModel
from workbench.engines.embedded.orders import Event, OrderEvent
from workbench.engines.embedded.sampling import Sampler
from workbench.engines.embedded.schedule import Schedule, ScheduledEvent
from workbench.engines.embedded.security import MINUTE, Security
from workbench.engines.embedded.slices import (
    Delisting,
    Dividend,
    QuoteBar,
    SecurityChanges,
    Slice,
    Split,
    Symbol,
    SymbolChangedEvent,
    TradeBars,
    bar_of,
)
from workbench.engines.embedded.trades import Trades
from workbench.errors import NotSupported
from workbench.market.calendar import read_calendar

BEFORE_CLOSE = timedelta(minutes=10)
NOTHING_LEFT = "AlgorithmManager.Run(): Portfolio value is less than or equal to zero, stopping algorithm."
CALLBACKS = ("on_data", "on_order_event", "on_end_of_day", "on_dividends", "on_splits", "on_delistings",
             "on_symbol_changed_events", "on_end_of_algorithm", "on_margin_call_warning", "on_warmup_finished",
             "on_securities_changed")


class Backtest:
    """The state of a run, and its loop. The algorithm's face (`QCAlgorithm`) looks at it and asks things of it."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.hours = Hours(read_calendar(folder))
        self.log = log
        self.requests: list[tuple[str, bool]] = []
        self.feed = Feed(folder, self.hours, lambda name, found: self.requests.append((name, found)))
        self.schedule = Schedule()
        self.brokerage: BrokerageModel = DefaultBrokerageModel()
        self.start, self.end = date(1998, 1, 1), date.today() - timedelta(days=1)     # noqa: DTZ011 (Lean's own default)
        self.local: datetime = midnight(self.start)
        self.utc = utc_of(self.local)
        self.warming_up = True              # until the first day: what is sent earlier is refused
        self.warm_up: timedelta | int | None = None         # a span of time, or a count of each subscription's bars
        self.warm_up_resolution: Resolution | None = None   # None: each subscription's own
        self.initialized = False
        self.stopped: str | None = None
        self.runtime_error: BaseException | None = None
        self.error_context = ""
        self.slice: Slice | None = None         # the newest
        self.closed_profits: list[tuple[int, Decimal]] = []
        self.tape = self.feed.tape([])
        self.account = Account(self.tape)
        self.book = Book(self)
        self.sampler, self.trades = Sampler(), Trades()
        self.benchmark: Any = None              # a symbol or a function of time; None: the brokerage's own
        self.algorithm: Any = None
        self._next_margin_look = 0
        self._hooks: dict[str, Callable[..., Any] | None] = {}

    @property
    def securities(self) -> list[Security]:
        """Everything subscribed, in order of subscription."""
        return self.account.securities

    # What the algorithm's face asks for.

    def set_dates(self, *, start: date | None = None, end: date | None = None) -> None:
        """The first and last day of the run; the clock stands at the first one's 00:00."""
        self.start, self.end = start or self.start, end or self.end
        self.local = midnight(self.start)
        self.utc = utc_of(self.local)

    def error(self, text: str) -> None:
        """A line that Lean writes as an error of the algorithm."""
        self.log.error(text, self.local)

    def fault(self, text: str) -> None:
        """A line that Lean writes as an error of its own."""
        self.log.fault(text)

    def note_closed(self, profit: Decimal, fee: Decimal) -> None:
        """Remember a closing's profit the way Lean's `profitLoss` counts it: twice the closing order's fee is taken off."""
        self.closed_profits.append((self.utc, plus(profit, -2 * normal(fee))))

    def tell(self, event: Event) -> None:
        """Tell the algorithm of an order event. An exception there ends the run at the next step's check, as in Lean."""
        if event.fill_quantity:
            self.trades.fill(event)
        callback = self._hooks.get("on_order_event")
        if callback is not None:
            self._call(callback, "Order Event Handler", OrderEvent._of(event, self.book))

    # The loop.

    def run(self) -> None:
        """All steps from the first day to the last, then the end. Errors of the algorithm are kept, not raised."""
        begin = self._beginning()
        sessions = self.hours.sessions(begin.date(), self.end)
        if sessions and self.hours.open_of(sessions[0]) < begin and self._resolutions() == {Resolution.DAILY}:
            del sessions[0]                 # a daily bar that began before the run is not part of it
        self._begin(begin, sessions)
        last, completed = timegm(self.start.timetuple()), True      # as Lean has it where no slice comes: the date, taken for UTC
        for step in self.feed.steps(self.securities, sessions, begin):
            last = step.utc
            if self.account.value <= 0:
                self.log.error(NOTHING_LEFT, self.local)
                self.stopped = "the account has nothing left"
                break
            if self.warming_up and step.utc > self._start_utc:
                self._run_scheduled(self._start_utc - 1)
                self._advance(self._start_utc, midnight(self.start))
                self._end_warm_up()
            self._run_scheduled(step.utc - 1)
            self._move_to(step)
            completed = self._take(step)
            if not completed or self.stopped is not None:
                break
        end = self._hooks.get("on_end_of_algorithm")
        if completed and end is not None:
            completed = self._call(end, "On End Of Algorithm")
        if not self.warming_up:
            self.sampler.finish(last, completed=completed)

    def _beginning(self) -> datetime:
        """When the run's data begins: the first day's 00:00, or what is to warm up before it."""
        first = midnight(self.start)
        if self.warm_up is None:
            return first
        if self.warm_up_resolution is not None and self._resolutions() != {self.warm_up_resolution}:
            raise NotSupported("set_warm_up at another resolution than the subscriptions'")
        if isinstance(self.warm_up, timedelta):
            return first - self.warm_up
        return min(self.hours.bars_back(self.start, self.warm_up, minutes=resolution is Resolution.MINUTE)
                   for resolution in self._resolutions() or {Resolution.MINUTE})

    def _resolutions(self) -> set[Resolution]:
        return {security.resolution for security in self.securities}

    def _end_warm_up(self) -> None:
        self.warming_up = False
        self.sampler.begin(self)
        self._tell_warmed_up()
        self.log.debug("Algorithm finished warming up.", self.local)

    def _tell_warmed_up(self) -> None:
        """Without a warm-up too, at the first day's 00:00."""
        finished = self._hooks.get("on_warmup_finished")
        if finished is not None:
            self._call(finished, "OnWarmupFinished")

    def _begin(self, begin: datetime, sessions: list[date]) -> None:
        self.local = begin
        self.utc = utc_of(begin)
        self._start_utc = utc_of(midnight(self.start))
        if self.warm_up is not None:
            self.schedule.begin(begin.date(), self.utc)
        tape = self.feed.tape(sessions)
        self.tape.starts, self.tape.ends = tape.starts, tape.ends
        days = np.array(sessions, dtype="datetime64[D]")
        for security in self.securities:
            self.feed.load(security, sessions, days)
        self.account.load()
        if overridden(self.algorithm, "on_margin_call") is not None:
            raise NotSupported("on_margin_call")
        self._check_benchmark(begin)
        for name in CALLBACKS:
            self._hooks[name] = overridden(self.algorithm, name)
        self._schedule_ends_of_day(sessions)
        self.warming_up, self.initialized = self.warm_up is not None, True
        if not self.warming_up:
            self.sampler.begin(self)
        changed = self._hooks.get("on_securities_changed")
        if changed is not None and self.securities:
            self._call(changed, "OnSecuritiesChanged", SecurityChanges([security.face for security in self.securities]))
        if not self.warming_up:
            self._tell_warmed_up()

    def _check_benchmark(self, begin: datetime) -> None:
        """Statistics are those of a benchmark that does not move: a symbol's is made of hourly bars, 0 where there are none."""
        benchmark = self.benchmark
        if benchmark is None and self.brokerage.brokerage is BrokerageName.DEFAULT:
            benchmark = "SPY"
        if callable(benchmark):
            if benchmark(begin) != benchmark(midnight(self.end)):
                raise NotSupported("a benchmark that moves")
        elif benchmark is not None:
            path = self.feed.folder / "equity" / "usa" / "hour" / f"{str(benchmark).lower()}.zip"
            if path.is_file():
                raise NotSupported(f"the benchmark {benchmark} with hourly bars ({path}); set_benchmark(lambda t: 0) is without,")

    def _move_to(self, step: Step) -> None:
        self._advance(step.utc, step.local)
        tape = self.tape
        tape.now = step.local
        if step.place is not None:
            tape.step += 1
            tape.minute = step.minute
            if step.closes:
                tape.session = step.place

    def _take(self, step: Step) -> bool:
        """One time step, in Lean's order. False where it ends the run, with an error: one of a callback of its own ends it
        at once, one that was heard in an order event or a scheduled event before the check at the next check."""
        actions = step.actions
        arrived = self.slice = self._slice(step)
        self.account.settle(step.utc)
        if self.warming_up and step.utc == self._start_utc:
            self._end_warm_up()
        if actions is not None and not self._rename(actions, arrived):
            return False
        self.book.drain()
        self.book.scan()
        self._run_scheduled(step.utc)
        if self.runtime_error is not None or self.stopped is not None:
            return self.runtime_error is None
        if step.utc >= self._next_margin_look:
            self._next_margin_look = step.utc + margin_calls.SECONDS_BETWEEN
            if not self._look_at_margin():
                return False
        if actions is not None:
            self._apply(actions)
            if not self._tell_actions(arrived):
                return False
        on_data = self._hooks.get("on_data")
        if on_data is not None and not self._call(on_data, "OnData", arrived):
            return False
        self.book.drain()
        self.book.scan()
        self.trades.look()
        if not self.warming_up:
            self.sampler.sample(self.utc)
        return True

    def _advance(self, utc: int, local: datetime) -> None:
        """Move the clock; the midnights it passes are sampled."""
        if not self.warming_up:
            self.sampler.pass_midnights(local)
        self.utc, self.local = utc, local

    def _run_scheduled(self, until: int) -> None:
        """Run what is due at or before a moment, each at its own time and at the prices that stand. One that fails ends the
        round and stays due: Lean runs it a second time with the slice."""
        while self.schedule.next() <= until:
            event = self.schedule.first()
            utc = max(event.next, self.utc)
            self._advance(utc, local_of(utc))
            if not self._call(event.callback, f"Scheduled Event: {event.name}"):
                break
            self.schedule.put_back(event)

    def _look_at_margin(self) -> bool:
        """Execute margin calls while the market is open, else warn of them. Closed and unheard, there is nothing to find out.
        False where the warning raised."""
        warned, is_open = self._hooks.get("on_margin_call_warning"), self.hours.is_open(self.local)
        if warned is None and not is_open:
            return True
        calls, close = margin_calls.calls_of(self.account, self.book)
        told: list[str] = []
        if calls and is_open:
            told = margin_calls.execute(calls, self.account, self.book)
            for line in told:
                self.error(line)
        return not close or bool(told) or warned is None or self._call(warned, "OnMarginCallWarning")

    def _rename(self, actions: Actions, arrived: Slice) -> bool:
        """Tell the algorithm of new tickers, then cancel the old ones' orders. False where it raised."""
        if not self._tell("on_symbol_changed_events", arrived.symbol_changed_events):
            return False
        for security, _, _ in actions.renames:
            for order in self.book.open_orders(security):
                self.book.cancel(order, "Open order cancelled on symbol changed event")
        return True

    def _apply(self, actions: Actions) -> None:
        """Raw prices leave dividends and splits to the account; delisted positions are closed."""
        for security, per_share, _ in actions.dividends:
            if security.mode is DataNormalizationMode.RAW:
                self.account.dividend(security, per_share)
        for security, factor, reference, kind in actions.splits:
            if kind is SplitType.SPLIT_OCCURRED and security.mode is DataNormalizationMode.RAW:
                self.trades.split(security, factor)
                self.account.split(security, factor, reference)
                self.book.split(security, factor)
        for security, kind_of_end in actions.delistings:
            if kind_of_end is DelistingType.DELISTED:
                self.book.liquidate_delisted(security)

    def _tell_actions(self, arrived: Slice) -> bool:
        """False where one of the callbacks raised: the others are not told any more."""
        return (self._tell("on_splits", arrived.splits) and self._tell("on_dividends", arrived.dividends)
                and self._tell("on_delistings", arrived.delistings))

    def _tell(self, name: str, part: Any) -> bool:
        callback = self._hooks.get(name)
        return callback is None or not part.count or self._call(callback, name, part)

    def _slice(self, step: Step) -> Slice:
        when, actions = step.local, step.actions
        if actions is None:
            return Slice(step.utc, when, TradeBars(self.feed.bars_at(step), lambda: self._bars(step)),
                         quotes=lambda: self._quotes(step))
        return Slice(
            step.utc, when, TradeBars(0, dict),
            dividends={s.symbol: Dividend(s.symbol, when, cash, ref) for s, cash, ref in actions.dividends},
            splits={s.symbol: Split(s.symbol, when, factor, ref, kind) for s, factor, ref, kind in actions.splits},
            changes={s.symbol: SymbolChangedEvent(s.symbol, when, old, new) for s, old, new in actions.renames},
            delistings={s.symbol: Delisting(s.symbol, when, s.price, kind) for s, kind in actions.delistings},
        )

    def _bars(self, step: Step) -> dict[Symbol, Any]:
        """Every stock's bar of a slice. Where none came the newest is filled forward: at its own resolution's end under the
        slice's time; a daily one among minutes keeps its own."""
        assert step.place is not None
        day, found = step.local.date(), {}
        for security in self.securities:
            if security.row < 0 or not security.lives(day) or not (security.fill_forward or security.has_new_bar):
                continue
            start, end = self.tape.starts[step.place], self.tape.ends[step.place]
            if security.resolution is Resolution.MINUTE:
                start, end = step.local - MINUTE, step.local
            elif not step.closes:
                start, last = security.bar_start, security.bar_end
                assert last is not None
                end = last
            found[security.symbol] = bar_of(security, start, end, filled_forward=not security.has_new_bar)
        return found

    def _quotes(self, step: Step) -> dict[Symbol, Any]:
        """Every stock's quotes of a minute; where none came the newest are filled forward."""
        day, found = step.local.date(), {}
        for security in self.securities:
            quote = security.quote
            if quote is not None and security.lives(day) and (security.fill_forward or quote.end == step.local):
                found[security.symbol] = QuoteBar(security.symbol, step.local - MINUTE, step.local, quote,
                                                  is_fill_forward=quote.end != step.local)
        return found

    def _schedule_ends_of_day(self, sessions: list[date]) -> None:
        """`on_end_of_day(symbol)` ten minutes before each close, for each security by its ticker."""
        first = self.local.date()
        nights = [utc_of(midnight(first + timedelta(days=n))) for n in range(1, (self.end - first).days + 2)]
        sampling = ScheduledEvent("Daily Sampling", lambda _: iter(nights), lambda: None, first)      # has its place in the order
        self.schedule.add(sampling, self.utc)
        callback = self._hooks.get("on_end_of_day")
        if callback is None:
            return
        for security in sorted(self.securities, key=lambda security: str(security.symbol)):
            last = security.last_day if security.last_day is not None and security.last_day >= first else self.end
            days = [day for day in sessions if day <= last]
            moments = partial(self._before_closes, days)
            event = ScheduledEvent(f"{security.symbol}.EndOfDay", moments, partial(callback, security.symbol), first)
            self.schedule.add(event, self.utc)

    def _before_closes(self, days: list[date], first: date) -> Iterator[int]:
        return (utc_of(self.hours.close_of(day) - BEFORE_CLOSE) for day in days if day >= first)

    def _call(self, callback: Callable[..., Any], context: str, *arguments: Any) -> bool:
        """Whether it came through. What it raises is the run's result."""
        try:
            callback(*arguments)
        except Exception as error:      # noqa: BLE001 (whatever an algorithm raises)
            self.runtime_error, self.error_context = error, context
            self.log.runtime_error(error, context, self.local)
            return False
        return True
