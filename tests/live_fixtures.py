"""Runs on paper and live as files, and processes that stand for their engines: for what is stopped, claimed and restarted."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from gateway import Fill, Order
from standin.broker import NEW_YORK, Broker

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.running import records, stopping
from workbench.words import run as runs
from workbench.words.run import Attempt, Run

DAY = date(2020, 3, 12)
MORNING = datetime(2020, 3, 12, 12, 30, tzinfo=UTC)         # 08:30 in New York
PATIENCE = 20.0

# Engines in a few lines: what each does with its stop file and with SIGINT.
OBEDIENT = """
import json, os, pathlib, sys, time
folder = pathlib.Path(os.environ["WORKBENCH_ATTEMPT"])
print("ready", flush=True)
while not (folder / "stop.txt").exists():
    time.sleep(0.02)
with (folder / "journal.jsonl").open("a") as out:
    for line in map(json.loads, (folder / "journal.jsonl").read_text().splitlines()):
        if line["kind"] == "order" and line["status"] == "SUBMITTED":
            out.write(json.dumps({**line, "status": "CANCELLED"}) + "\\n")
"""
DEAF = """
import signal, time
signal.signal(signal.SIGINT, lambda *_: None)
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""
HANGING = """
import time
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""


def a_run(data: Path, *, mode: str = "paper", account: str = "DU1234567", snapshot: str = "s1", strategy: str = "momentum",
          day: date = DAY) -> Run:
    """A request that is recorded, of one decision."""
    run = runs.request(strategy=strategy, engine="lean", engine_version="1", mode=mode, account=account, decisions={day: snapshot},
                       params_id="p1", data_fingerprint="f1", algorithm_sha256="a1", start=day, end=day, cash=Decimal(100000))
    files.write(records.run_folder(data, run.run_id) / "run.json", to_json(run.body()) + "\n")
    return run


def an_attempt(data: Path, run: Run, number: int = 1, *, state: str = "running", pid: int | None = None,
               host: str | None = None, lines: list[Mapping[str, Any]] | None = None) -> Path:
    """One attempt of it, with order lines in its journal."""
    records.save_attempt(data, Attempt(run_id=run.run_id, attempt=number, state=state, mode=run.mode, queued_at=MORNING,
                                       order_intent_path="i", execution_params_path="p", pid=pid, host=host))
    folder = records.run_folder(data, run.run_id) / str(number)
    files.write(folder / "journal.jsonl", "".join(json.dumps({"kind": "order", **line}) + "\n" for line in lines or []))
    return folder


def order(ref: str, status: str, quantity: int = 100, symbol: str = "ALFA", **fields: Any) -> dict[str, Any]:
    """An order line, shortened to what tells its outcome."""
    return {"order_ref": ref, "symbol": symbol, "status": status, "quantity": quantity, **fields}


def start_process(code: str, folder: Path) -> subprocess.Popen[str]:
    """A process that belongs to an attempt, once it says that it is ready."""
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, stopping.TAG: str(folder.resolve())},
                               stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait for something to be true, and give it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)
    return found


def kill_nine(*pids: int) -> None:
    """SIGKILL: nobody has time for anything."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


class StandinBook:
    """The stand-in's broker as a gateway tells of it: the same file, at the moment `clock`, and what is due by then happened."""

    other_shares = ()
    equity = 100000.0

    def __init__(self, path: Path, market: Path, *, accounts: tuple[str, ...], clock: datetime) -> None:
        self.path, self.accounts, self.clock = path, accounts, clock
        self.broker = Broker(market, path, account=accounts[0])

    def now(self) -> datetime:
        return self.clock

    @property
    def state(self) -> dict[str, Any]:
        self.broker.reports(self.clock.astimezone(NEW_YORK).replace(tzinfo=None))
        return self.broker.state

    @property
    def fills(self) -> list[Fill]:
        return [Fill(symbol=one["symbol"], shares=float(one["quantity"]) * (1 if one["side"] == "BUY" else -1),
                     price=float(one["price"]), at=datetime.fromisoformat(one["occurred_at"]), exec_id=one["exec_id"],
                     order_id=one["order_id"], perm_id=one["perm_id"], client_id=one["client_id"],
                     cum=float(one["cum_quantity"]), fee=float(one["fee"]), account=one["account"])
                for one in self.state["executions"]]

    @property
    def orders(self) -> "_Open":
        return _Open(self, [Order(symbol=one["symbol"], quantity=float(one["quantity"]), order_id=one["order_id"],
                                  perm_id=one["perm_id"], client_id=one["client_id"], filled=abs(float(one["filled"])),
                                  order_type="MKT", status=one["status"], account=self.accounts[0])
                            for one in self.state["working"]])

    @property
    def positions(self) -> dict[str, tuple[float, float]]:
        return {symbol: (float(one["quantity"]), float(one["average_price"])) for symbol, one in self.state["positions"].items()}

    @property
    def cash(self) -> float:
        return float(self.state["cash"])


class _Open(list[Order]):
    """Open orders; one that is removed is taken out of the book."""

    def __init__(self, book: StandinBook, orders: list[Order]) -> None:
        super().__init__(orders)
        self.book = book

    def remove(self, order: Order) -> None:
        with self.book.broker.change() as state:
            state["working"] = [one for one in state["working"] if one["order_id"] != order.order_id]
