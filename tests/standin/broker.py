"""The broker behind the stand-in: its orders, executions, positions and cash, which outlive the process that trades.

Kept in memory, or in a file that every side reads afresh: the stand-in while it trades, a gateway that tells of it, a test.
The file is one JSON object; numbers are decimal text, quantities signed shares but for an execution's, moments UTC:

    {"schema": "standin-book/1", "account": "DU1234567", "cash": "100000", "next_order_id": 1,
     "positions": {"ALFA": {"instrument_id": "ALFA X0VCJX7VS19H", "quantity": "10", "average_price": "82.5"}},
     "working": [{"order_id": 1, "perm_id": 900001, "client_id": 0, "order_ref": "", "symbol": "ALFA", "instrument_id": …,
                  "quantity": "10", "filled": "0", "order_type": "MOO", "limit_price": null, "status": "Submitted",
                  "sent_at": "2020-03-11T13:00:00Z", "cancel_at": null}],
     "executions": [{"exec_id": "0000e0d5.00000001.01.01", "order_id": 1, "perm_id": 900001, "client_id": 0, "order_ref": "",
                     "symbol": "ALFA", "instrument_id": …, "side": "BUY", "quantity": "10", "price": "82.5",
                     "cum_quantity": "10", "occurred_at": "2020-03-11T13:30:00Z", "fee": "1", "account": "DU1234567"}]}

An order that is in neither list any more was cancelled. Whoever cancels one takes it out of `working` (`Broker.change`).

Prices are the data folder's of the day the order was sent on: the open, the close, the minute's, and with daily bars alone the
middle of open and close for an order at the market. A limit is met at noon, or a minute after it was sent.
"""

import copy
import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from workbench.algorithm.journal import plain
from workbench.market.bars import Trades, daily_path, read_daily, read_minute
from workbench.market.calendar import read_calendar
from workbench.market.corporate import read_map

NEW_YORK = ZoneInfo("America/New_York")
OPEN, NOON = time(9, 30), time(12)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
CENT, UNIT = Decimal("0.01"), Decimal("0.0001")


@dataclass(frozen=True)
class Report:
    """What the broker tells of one order: an execution, or (no exec_id) that it was cancelled."""

    order_id: int
    symbol: str
    quantity: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    complete: bool = False
    exec_id: str | None = None


class Prices:
    """What an order gets on a day of the data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calendar = folder, read_calendar(folder)

    def close_time(self, day: date) -> datetime:
        """New York time of a session's close."""
        return datetime.combine(day, self.calendar.early_closes.get(day, time(16)))

    def fill(self, order: dict[str, Any]) -> tuple[datetime, Decimal] | None:
        """When and at what price an order fills, in New York time; None where it does not."""
        sent = local(order["sent_at"])
        bar = self._bar(order["symbol"], sent.date())
        if bar is None:
            return None
        buys, limit = Decimal(order["quantity"]) > 0, order["limit_price"] and Decimal(order["limit_price"])
        moment = {"MOO": datetime.combine(sent, OPEN), "MOC": self.close_time(sent.date())}.get(order["order_type"])
        if moment is not None:
            return moment, bar["open" if order["order_type"] == "MOO" else "close"]
        minutes = self._minutes(order["symbol"], sent.date())
        if order["order_type"] == "MKT":
            price = ((bar["open"] + bar["close"]) / 2).quantize(CENT)
            return sent + SECOND, price if minutes is None else self._at(minutes, sent)
        if minutes is not None:
            return self._limit_among(minutes, sent, limit, buys)
        met = bar["low"] < limit if buys else bar["high"] > limit
        return (max(sent + MINUTE, datetime.combine(sent, NOON)), limit) if met else None

    def _ticker(self, symbol: str, day: date) -> str:
        return read_map(self.folder / "equity" / "usa" / "map_files" / f"{symbol.lower()}.csv").ticker_on(day) or symbol

    def _bar(self, symbol: str, day: date) -> dict[str, Decimal] | None:
        bars = read_daily(daily_path(self.folder, self._ticker(symbol, day)))
        found = bars.between(day, day)
        return {name: int(getattr(found, name)[0]) * UNIT for name in ("open", "high", "low", "close")} if len(found) else None

    def _minutes(self, symbol: str, day: date) -> Trades | None:
        return read_minute(self.folder, self._ticker(symbol, day), day).trades

    def _at(self, minutes: Trades, sent: datetime) -> Decimal:
        """The newest minute's close."""
        row = max(0, sum(1 for start in minutes.time if _moment(sent, start) + MINUTE <= sent) - 1)
        return int(minutes.close[row]) * UNIT

    def _limit_among(self, minutes: Trades, sent: datetime, limit: Decimal, buys: bool) -> tuple[datetime, Decimal] | None:
        for row, start in enumerate(minutes.time):
            ended = _moment(sent, start) + MINUTE
            far = int(minutes.low[row] if buys else minutes.high[row]) * UNIT
            if ended > sent and (far < limit if buys else far > limit):
                return ended, limit
        return None


class Broker:
    """One account. `partly` fills each order in two parts, a minute apart; `deaf` never takes an order back."""

    def __init__(self, folder: Path, book: Path | None = None, *, account: str = "paper", cash: Decimal = Decimal(100000),
                 positions: dict[str, dict[str, str]] | None = None, partly: bool = False, deaf: bool = False) -> None:
        self.prices, self.book, self.partly, self.deaf = Prices(folder), book, partly, deaf
        self._state: dict[str, Any] = {"schema": "standin-book/1", "account": account, "cash": plain(cash), "next_order_id": 1,
                                       "positions": positions or {}, "working": [], "executions": []}
        self._seen = 0
        self._known: set[int] = set()           # the orders that this process is told of
        self._fills: dict[int, tuple[datetime, Decimal] | None] = {}
        if book is not None and not book.exists():
            self._save()

    @property
    def state(self) -> dict[str, Any]:
        """Everything, as it is now; not to be changed."""
        if self.book is not None and self.book.stat().st_mtime_ns != self._seen:
            self._seen = self.book.stat().st_mtime_ns
            self._state = json.loads(self.book.read_text())
        return self._state

    @contextmanager
    def change(self) -> Iterator[dict[str, Any]]:
        """The state, to be changed while nobody else changes it."""
        if self.book is None:
            yield self._state
            return
        with self.book.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._state = copy.deepcopy(self.state)
            yield self._state
            self._save()

    def open_orders(self) -> list[dict[str, Any]]:
        """What is working now; from here on this process is told of it."""
        found: list[dict[str, Any]] = self.state["working"]
        self._known.update(order["order_id"] for order in found)
        return found

    def place(self, symbol: str, instrument_id: str, quantity: Decimal, order_type: str, limit: Decimal | None,
              now: datetime) -> int:
        """Take an order in; gives its id."""
        with self.change() as state:
            number: int = state["next_order_id"]
            state["next_order_id"] = number + 1
            state["working"].append({
                "order_id": number, "perm_id": 900000 + number, "client_id": 0, "order_ref": "", "symbol": symbol,
                "instrument_id": instrument_id, "quantity": plain(quantity), "filled": "0", "order_type": order_type,
                "limit_price": None if limit is None else plain(limit), "status": "Submitted", "sent_at": stamp(now),
                "cancel_at": None})
        self._known.add(number)
        return number

    def cancel(self, order_id: int, now: datetime) -> None:
        """Ask for an order to be taken back; a second later it is, unless it was filled first."""
        with self.change() as state:
            for order in state["working"]:
                if order["order_id"] == order_id and not self.deaf:
                    order["status"], order["cancel_at"] = "PendingCancel", stamp(now + SECOND)

    def reports(self, now: datetime) -> list[Report]:
        """What happened up to a moment (New York time) and was not told of yet, to the orders of this process."""
        told: list[Report] = []
        if any(moment <= now for moment, _, _ in self._due(self.state)):
            with self.change() as state:
                while due := [item for item in self._due(state) if item[0] <= now]:
                    moment, _, order = min(due, key=lambda item: item[:2])
                    told.append(self._happen(state, order, moment))
        gone = self._known - {order["order_id"] for order in self.state["working"]} - {report.order_id for report in told}
        told += [Report(number, "") for number in sorted(gone)]
        heard = [report for report in told if report.order_id in self._known]
        self._known -= {report.order_id for report in heard if report.complete or report.exec_id is None}
        return heard

    def _due(self, state: dict[str, Any]) -> Iterator[tuple[datetime, int, dict[str, Any]]]:
        for order in state["working"]:
            number = order["order_id"]
            if number not in self._fills:
                self._fills[number] = self.prices.fill(order)
            fill = self._fills[number]
            moments = [local(order["cancel_at"])] if order["cancel_at"] else []
            moments += [fill[0] + (MINUTE if Decimal(order["filled"]) else 0 * MINUTE)] if fill is not None else []
            if moments:
                yield min(moments), number, order

    def _happen(self, state: dict[str, Any], order: dict[str, Any], moment: datetime) -> Report:
        fill = self._fills[order["order_id"]]
        quantity, filled = Decimal(order["quantity"]), Decimal(order["filled"])
        left = quantity - filled
        if fill is None or fill[0] + (MINUTE if filled else 0 * MINUTE) > moment:
            state["working"].remove(order)
            return Report(order["order_id"], order["symbol"])
        part = (left / 2).to_integral_value() if self.partly and not filled and abs(left) > 1 else left
        fee = max(Decimal(1), abs(part) * Decimal("0.005"))
        exec_id = f"0000e0d5.{len(state['executions']) + 1:08x}.01.01"
        order["filled"] = plain(filled + part)
        if part == left:
            state["working"].remove(order)
        state["executions"].append({
            **{name: order[name] for name in ("order_id", "perm_id", "client_id", "order_ref", "symbol", "instrument_id")},
            "exec_id": exec_id, "side": "BUY" if quantity > 0 else "SELL", "quantity": plain(abs(part)), "price": plain(fill[1]),
            "cum_quantity": plain(abs(filled + part)), "occurred_at": stamp(moment), "fee": plain(fee),
            "account": state["account"]})
        self._book(state, order, part, fill[1], fee)
        return Report(order["order_id"], order["symbol"], part, fill[1], fee, part == left, exec_id)

    def _book(self, state: dict[str, Any], order: dict[str, Any], quantity: Decimal, price: Decimal, fee: Decimal) -> None:
        state["cash"] = plain(Decimal(state["cash"]) - quantity * price - fee)
        held = state["positions"].pop(order["symbol"], {"quantity": "0", "average_price": "0"})
        before, average = Decimal(held["quantity"]), Decimal(held["average_price"])
        after = before + quantity
        if before * quantity >= 0:
            average = (before * average + quantity * price) / after
        elif after * before < 0:
            average = price
        if after:
            state["positions"][order["symbol"]] = {"instrument_id": order["instrument_id"], "quantity": plain(after),
                                                   "average_price": plain(average)}

    def _save(self) -> None:
        assert self.book is not None
        new = self.book.with_suffix(".new")
        new.write_text(json.dumps(self._state, indent=1))
        new.replace(self.book)
        self._seen = self.book.stat().st_mtime_ns


def local(text: str) -> datetime:
    """New York's wall clock of a UTC moment's text."""
    return datetime.fromisoformat(text).astimezone(NEW_YORK).replace(tzinfo=None)


def stamp(moment: datetime) -> str:
    """The text of a New York moment in UTC."""
    return f"{moment.replace(tzinfo=NEW_YORK).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _moment(day: datetime, milliseconds: Any) -> datetime:
    return datetime.combine(day, time()) + timedelta(milliseconds=int(milliseconds))
