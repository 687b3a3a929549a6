"""A Lean on this machine: a launcher's folder and a `dotnet` that a test makes for itself, and jobs to give it."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import base
from workbench.engines.base import Ended, Start
from workbench.engines.config import Job, launcher_config
from workbench.engines.log import LogLine
from workbench.engines.outcome import Outcome, read_outcome
from workbench.market.corporate import read_map
from workbench.words.instrument import security_identifier

ROOT = Path(__file__).parents[1]
INVENTED = ROOT / "data" / "fixtures" / "market"
STANDIN = ROOT / "tests" / "standin" / "dotnet.py"
DLL = "QuantConnect.Lean.Launcher.dll"
VERSION = "2.5.0.0"
LAUNCHER = {
    DLL: "MZ: stands for Lean's launcher\n",
    "QuantConnect.Lean.Engine.dll": "MZ: stands for Lean's engine\n",
    "QuantConnect.Lean.Launcher.runtimeconfig.json": json.dumps(
        {"runtimeOptions": {"tfm": "net10.0", "framework": {"name": "Microsoft.NETCore.App", "version": "10.0.0"}}}),
    "QuantConnect.Lean.Launcher.deps.json": json.dumps(
        {"libraries": {f"QuantConnect.Lean.Launcher/{VERSION}": {"type": "project", "serviceable": False, "sha512": ""}}}),
    "AlgorithmImports.py": "from clr import AddReference\n",
}


@dataclass(frozen=True)
class Lean:
    """A launcher's folder, and the folder of the `dotnet` that runs it."""

    folder: Path
    bin: Path

    @property
    def path(self) -> str:
        """A PATH on which this `dotnet` comes first."""
        return f"{self.bin}{os.pathsep}{os.environ['PATH']}"

    def start(self, config: Path, *options: str, cwd: Path | None = None, last_resort: tuple[tuple[str, ...], ...] = (),
              private: tuple[Path, ...] = (), **environment: str) -> Start:
        """The launcher's command line as we give it; environment in lower case, `fault="crash"` for STANDIN_FAULT."""
        given = {f"STANDIN_{name.upper()}": value for name, value in environment.items()}
        return Start(command=(str(self.bin / "dotnet"), str(self.folder / DLL), "--config", str(config), *options),
                     cwd=cwd or self.folder, environment=tuple(given.items()), last_resort=last_resort, private=private)


def make_lean(place: Path) -> Lean:
    """Make both folders below `place`."""
    for name, text in LAUNCHER.items():
        files.write(place / "launcher" / name, text)
    dotnet = files.write(place / "bin" / "dotnet", f'#!/bin/sh\nexec "{sys.executable}" "{STANDIN}" "$@"\n')
    dotnet.chmod(0o755)
    return Lean(place / "launcher", place / "bin")


@pytest.fixture
def lean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lean:
    """A Lean that the workbench finds where `settings.lean` names its folder: `dotnet` is on the PATH."""
    made = make_lean(tmp_path / "lean")
    (tmp_path / "temp").mkdir()
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))        # where a stand-in that is killed leaves its own files
    return made


@dataclass(frozen=True)
class Given:
    """An attempt's folder, ready to be started."""

    job: Job
    config: Path

    @property
    def folder(self) -> Path:
        """The attempt's folder."""
        return self.config.parent

    @property
    def log(self) -> Path:
        """Where the console goes."""
        return self.folder / "log.txt"

    def launch(self, start: Start, **options: Any) -> tuple[Ended, Outcome, list[LogLine]]:
        """Start it, wait for its end, and judge it; with every line that was heard on the way."""
        heard: list[LogLine] = []
        usual = {"timeout": 30.0, "hear": heard.append, "alive": (self.job.journal, self.job.results)}
        ended = base.launch(start, self.log, **{**usual, **options})
        return ended, self.judge(ended), heard

    def judge(self, ended: Ended) -> Outcome:
        """What the attempt came to."""
        return read_outcome(self.job.results, self.job.algorithm_id, self.job.journal, ended, log=self.log, mode=self.job.mode)


def identify(symbol: str) -> str:
    """Lean's identifier of a company of the invented market."""
    mapping = read_map(INVENTED / "equity" / "usa" / "map_files" / f"{symbol.lower()}.csv")
    return security_identifier(mapping.first_ticker, mapping.first_date)


def give(folder: Path, *, mode: str = "backtest", algorithm: Path = base.ALGORITHM_FILE, market: Path = INVENTED,
         changes: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None) -> Given:
    """An attempt on two stocks of the invented market: two decisions of March 2019, or on paper and live one of March 2020."""
    live = mode != "backtest"
    days = {date(2020, 3, 12): date(2020, 3, 11)} if live else {
        date(2019, 3, 4): date(2019, 3, 1), date(2019, 3, 18): date(2019, 3, 15)}
    wanted = [{
        "schema": "intent/1", "order_intent_id": f"s{day:%Y%m%d}-{symbol}", "symbol": symbol, "instrument_id": identify(symbol),
        "weight": Decimal(weight), "snapshot_date": before, "rebalance_date": day, "decision_price": Decimal(50)}
        for day, before in days.items() for symbol, weight in (("ALFA", "0.5"), ("BETA", "0.4"))]
    start, end = (date(2020, 3, 12),) * 2 if live else (date(2019, 3, 1), date(2019, 3, 29))
    job = Job(mode=mode, algorithm=algorithm, algorithm_id="r1-1", data_folder=market, results=folder / "results",
              intents=files.write(folder / "intents.json", to_json(wanted)), params=files.write(folder / "params.json", "{}"),
              journal=folder / "journal.jsonl", run_id="r1", attempt=1, account="paper" if live else "backtest", start=start,
              end=end, cash=Decimal(100000))
    config = {**launcher_config(job), **(changes or {})}
    config["parameters"] = {**config["parameters"], **(parameters or {})}
    return Given(job, files.write(folder / "lean.json", to_json(config)))
