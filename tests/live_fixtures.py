"""Runs on paper and live as files, and processes that stand for their engines: for what is stopped, claimed and restarted."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

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
