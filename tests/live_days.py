"""Live days of the algorithm, run by the stand-in as a process of its own, with a broker whose book outlives it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from algorithm_fixtures import item_of
from market_fixtures import INVENTED

from workbench import files
from workbench.algorithm import journal
from workbench.algorithm.journal import to_json
from workbench.engines import base
from workbench.engines.config import Job, launcher_config

LIVE = Path(__file__).parent / "standin" / "live.py"
ACCOUNT = "DU1234567"
DAY = "2020-03-10"


@dataclass(frozen=True)
class Lived:
    """What one attempt of a live day left."""

    folder: Path
    code: int
    said: str

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        """The journal, without its seals."""
        found = [json.loads(line, parse_float=Decimal) for line in journal.read_lines(str(self.journal)) if line.endswith(b"\n")]
        return [line for line in found if line["kind"] != "seal"]

    @property
    def journal(self) -> Path:
        """The journal's path."""
        return self.folder / "journal.jsonl"

    @cached_property
    def result(self) -> dict[str, Any]:
        """The engine's result file."""
        found: dict[str, Any] = json.loads((self.folder / "results" / "r0-1.json").read_text())
        return found

    def of(self, *kinds: str, **fields: Any) -> list[dict[str, Any]]:
        """The journal's lines of these kinds with these fields, in order."""
        return [line for line in self.lines if line["kind"] in kinds and all(line.get(k) == v for k, v in fields.items())]

    def story(self, ref: str) -> list[str]:
        """The statuses that were told of an order_ref."""
        return [line["status"] for line in self.of("order", order_ref=ref)]

    def blocked(self) -> list[tuple[str, str]]:
        """Symbol and rule of what was not sent."""
        return [(line["symbol"], line["rule"]) for line in self.of("blocked")]


class Day:
    """One live day: its decision, its broker, and attempt after attempt."""

    def __init__(self, folder: Path, weights: Mapping[str, Any], *, day: str = DAY, items: list[dict[str, Any]] | None = None,
                 **params: Any) -> None:
        self.folder, self.day = folder, date.fromisoformat(day)
        wanted = [item_of(symbol, self.day, weight) for symbol, weight in weights.items()] + (items or [])
        self.intents = files.write(folder / "intents.json", to_json(wanted))
        self.params = files.write(folder / "params.json", to_json(params))
        self.book, self.stop_file = folder / "book.json", folder / "stop"
        self.attempts = 0

    def config(self, **given: Any) -> Path:
        """The config of a new attempt."""
        self.attempts += 1
        place = self.folder / str(self.attempts)
        resume = given.pop("resume", None)
        if resume is not None:
            resume = files.write(place / "resume.json", to_json({"schema": "resume/1", **resume}))
        job = Job(**{"mode": "paper", "algorithm": base.ALGORITHM_FILE, "algorithm_id": "r0-1", "data_folder": INVENTED,
                     "results": place / "results", "intents": self.intents, "params": self.params,
                     "journal": place / "journal.jsonl", "run_id": "r0", "attempt": self.attempts, "account": ACCOUNT,
                     "start": self.day, "end": self.day, "cash": Decimal(100000), "resume": resume, "stop_file": self.stop_file,
                     **given})
        return files.write(place / "lean.json", to_json(launcher_config(job)))

    def begin(self, *, start: str = "08:30", fault: str = "", pace: float | None = None,
              **given: Any) -> "subprocess.Popen[str]":
        """Start an attempt."""
        environment = os.environ | {"STANDIN_START": start, "STANDIN_FAULT": fault, "STANDIN_BOOK": str(self.book),
                                    "STANDIN_EXIT": "0"}
        if pace is not None:
            environment["STANDIN_PACE"] = str(pace)
        return subprocess.Popen([sys.executable, str(LIVE), "--config", str(self.config(**given))], env=environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ended(self, process: "subprocess.Popen[str]") -> Lived:
        """An attempt's end."""
        said, _ = process.communicate(timeout=60)
        return Lived(self.folder / str(self.attempts), process.returncode, said)

    def live(self, **given: Any) -> Lived:
        """One attempt, from its start to its end."""
        return self.ended(self.begin(**given))

    def wait_for(self, text: str) -> None:
        """Wait until the attempt's journal says something."""
        path = self.folder / str(self.attempts) / "journal.jsonl"
        until = time.monotonic() + 30
        while not path.exists() or text not in path.read_text():
            assert time.monotonic() < until, f"the journal never said {text}"
            time.sleep(0.02)

    @property
    def broker(self) -> dict[str, Any]:
        """The broker's own story."""
        found: dict[str, Any] = json.loads(self.book.read_text())
        return found

    def held(self) -> dict[str, int]:
        """What the broker says is held."""
        return {symbol: int(item["quantity"]) for symbol, item in self.broker["positions"].items()}


INTERRUPTED = signal.SIGINT
