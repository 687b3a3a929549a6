"""The embedded engine beside other engines, on the same rebalances, in the same minutes: `make bench`, or

    python bench/engine.py [--quick] [--rounds 3] [--case monthly500] [--engine bt] [--profile]

Each measurement is a whole process: start, imports, reading, running, writing. The embedded engine takes a Lean config file
and writes its order events in full; cold, its market has just been written and nothing of it is in memory, warm, it was run
on before; with journal, it runs the algorithm that trades order intents on the same rebalances, which sizes, checks and keeps
a journal of all it does. Rounds are interleaved, so that a slow minute of the machine is slow for all; a fixed loop, timed in
each round, shows how much the machine itself wanders. Only ratios are to be believed.
"""

import argparse
import contextlib
import cProfile
import io
import json
import os
import platform
import pstats
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from market import Case, forget, make_market
from peers import PACKAGES
from rich.console import Console
from rich.table import Table

from workbench import __version__
from workbench.algorithm.journal import to_json
from workbench.engines.base import ALGORITHM_FILE
from workbench.engines.config import Job, launcher_config

HERE = Path(__file__).parent
OURS = ("workbench, cold", "workbench, warm", "workbench, journal")
SLOW = ("backtrader", "zipline", "nautilus")        # minutes each: they run in the first round alone
AIMS = {"monthly500": 15.0, "daily100": 4.0}        # bt's run ÷ our whole process
JOURNAL_AIM = 2.0                                   # the run with the journal ÷ the run without
LIMIT = 600.0                                       # seconds after which a process is stopped


CASES = (Case(name="monthly12", names=12, sessions=2520, every=21), Case(name="monthly500", names=500, sessions=2520, every=21),
         Case(name="daily100", names=100, sessions=2520, every=1))
QUICK = (Case(name="monthly12", names=12, sessions=504, every=21), Case(name="monthly500", names=100, sessions=504, every=21),
         Case(name="daily100", names=20, sessions=252, every=1))


@dataclass(slots=True, kw_only=True)
class Measured:
    """One engine on one case: seconds of whole processes, and of the runs alone, by round; `said` why there are none."""

    seconds: list[float] = field(default_factory=list)
    runs: list[float] = field(default_factory=list)
    orders: int = 0
    said: str = ""

    def take(self, seconds: float, run: float, orders: int) -> None:
        """One more round."""
        self.seconds.append(seconds)
        self.runs.append(run)
        self.orders = orders


# One measurement.

def run_workbench(folder: Path, measured: Measured, *, cold: bool, journal: bool = False) -> None:
    """The embedded engine on a config file. Cold, on a market written anew and with no cache of the user's; with `journal` by
    the algorithm that trades order intents."""
    with tempfile.TemporaryDirectory() as name:
        work, market, caches = Path(name), folder / "market", folder / "caches"
        if cold:
            market, caches = work / "market", work / "caches"
            shutil.copytree(folder / "market", market)
            os.sync()
            forget(market)
        config = configure_intents(folder, work) if journal else configure(folder, market, work / "results")
        (work / "lean.json").write_text(to_json(config))
        seconds = timed([sys.executable, "-m", "workbench.engines.embedded", "--config", "lean.json"], work, measured,
                        XDG_CACHE_HOME=str(caches))[0]
        if seconds is not None:
            run, orders = read_log(work / "results" / "log.txt")
            events = work / "results" / "bench-order-events.json"
            assert events.stat().st_size > 500 * orders, f"{events} does not hold two events an order"
            measured.take(seconds, run, orders)


def configure(folder: Path, market: Path, results: Path) -> dict[str, Any]:
    """Lean's config file for a case."""
    case = json.loads((folder / "case.json").read_text())
    return {
        "algorithm-language": "Python", "algorithm-location": str(HERE / "rebalance.py"), "algorithm-type-name": "Rebalance",
        "algorithm-id": "bench", "data-folder": f"{market}/", "results-destination-folder": str(results),
        "close-automatically": True, "parameters": {key: str(value) for key, value in case.items()},
    }


def configure_intents(folder: Path, work: Path) -> dict[str, Any]:
    """The same for the algorithm of ours, with the case's rebalances as order intents."""
    case = json.loads((folder / "case.json").read_text())
    return launcher_config(Job(
        mode="backtest", algorithm=ALGORITHM_FILE, algorithm_id="bench", data_folder=folder / "market", results=work / "results",
        intents=folder / "intents.json", params=folder / "params.json", journal=work / "journal.jsonl", run_id="r0", attempt=1,
        account="bench", start=date.fromisoformat(case["start"]), end=date.fromisoformat(case["end"]), cash=Decimal(case["cash"])))


def run_peer(name: str, folder: Path, measured: Measured) -> None:
    """Another engine, in a process of its own."""
    if installed(name) is None:
        measured.said = "not installed"
        return
    seconds, said = timed([sys.executable, str(HERE / "peers.py"), name, str(folder)], folder, measured)
    if seconds is not None:
        told = json.loads(said.splitlines()[-1])
        measured.take(seconds, told["run"], told["orders"])


def installed(peer: str) -> str | None:
    """The version of a peer; None where it is not installed."""
    with contextlib.suppress(PackageNotFoundError):
        return version(PACKAGES[peer])
    return None


def timed(command: list[str], folder: Path, measured: Measured, **environment: str) -> tuple[float | None, str]:
    """Seconds that a process takes from start to end, and what it says; None where it fails, which is kept in `measured`."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=folder, env={**inherited, **environment}, capture_output=True, text=True,
                              timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        measured.said = f"stopped after {LIMIT:.0f} s"
        return None, ""
    seconds = time.perf_counter() - begun
    if done.returncode:
        words = [line for line in (done.stdout + done.stderr).splitlines() if any(map(str.isalpha, line))]
        measured.said = f"failed: {words[-1].strip()[:80] if words else done.returncode}"
        return None, ""
    return seconds, done.stdout


def read_log(path: Path) -> tuple[float, int]:
    """Seconds between the first step and the last, and the orders, from the engine's log."""
    begun = ended = None
    orders = 0
    for line in path.read_text().splitlines():
        if "Begin DataStream" in line:
            begun = _clock(line)
        elif "Firing On End Of Algorithm" in line:
            ended = _clock(line)
        elif line.startswith("STATISTICS:: Total Orders"):
            orders = int(line.rsplit(" ", 1)[1])
    assert begun and ended and orders, f"{path} does not tell of a run with orders"
    return (ended - begun).total_seconds(), orders


def _clock(line: str) -> datetime:
    return datetime.fromisoformat(line.split("Z ", 1)[0][:26])


def fixed_loop() -> float:
    """Seconds of a loop that does the same every time: what the machine itself gives just now."""
    begun = time.perf_counter()
    total = 0
    for number in range(3_000_000):
        total += number & 7
    assert total
    return time.perf_counter() - begun


# All of them.

def measure(cases: tuple[Case, ...], engines: list[str], rounds: int, work: Path, say: Console) -> tuple[
        dict[tuple[str, str], Measured], list[float]]:
    """Every engine on every case, round by round, and the fixed loop before each round of a case."""
    found = {(case.name, engine): Measured() for case in cases for engine in engines}
    loops = []
    for case in cases:
        folder = work / case.name
        folder.mkdir()
        with say.status(f"{case.name}: writing {case.names} names × {case.sessions} sessions"):
            make_market(folder, case)
        for number in range(rounds):
            loops.append(fixed_loop())
            for engine in engines:
                measured = found[case.name, engine]
                if measured.said or (number and engine in SLOW):
                    continue
                with say.status(f"{case.name}, round {number + 1} of {rounds}: {engine}"):
                    if engine in OURS:
                        run_workbench(folder, measured, cold=engine == OURS[0], journal=engine == OURS[2])
                    else:
                        run_peer(engine, folder, measured)
        shutil.rmtree(folder)
    return found, loops


def tables(cases: tuple[Case, ...], found: dict[tuple[str, str], Measured]) -> Iterator[Table]:
    """A table a case: seconds of the whole process, of the run alone, orders, and how many times bt's that is."""
    for case in cases:
        title = f"{case.name}: {case.names} names × {case.sessions} sessions, every {case.every}"
        table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
        for name in ("engine", "min s", "median s", "max s", "run alone s", "orders", "orders/s", "bt ÷ this", "bt's run ÷ this"):
            table.add_column(name, justify="left" if name == "engine" else "right")
        base = found.get((case.name, "bt"), Measured())
        for (name, engine), measured in found.items():
            if name == case.name:
                table.add_row(engine, *row(measured, base))
        yield table


def row(measured: Measured, base: Measured) -> list[str]:
    """The cells of an engine. `bt's run ÷ this` leaves out what bt takes to start and read, and nothing of this engine's."""
    if not measured.seconds:
        return [measured.said or "not run", *[""] * 7]
    middle = statistics.median(measured.seconds)
    whole, alone = (f"{statistics.median(some) / middle:.2f}" if some else "-" for some in (base.seconds, base.runs))
    seconds = (min(measured.seconds), middle, max(measured.seconds), statistics.median(measured.runs))
    return [*(f"{one:.2f}" for one in seconds), f"{measured.orders:,}", f"{measured.orders / middle:,.0f}", whole, alone]


def facts(engines: list[str], loops: list[float]) -> list[str]:
    """The machine, the versions, and how much the machine wandered."""
    versions = [f"{name} {installed(name)}" for name in engines if name in PACKAGES and installed(name)]
    system = f"{platform.system()}, Python {platform.python_version()}"
    return [
        f"{os.cpu_count()} cores, {cpu()}, {system}",
        ", ".join([f"workbench {__version__}", f"numpy {version('numpy')}", f"pandas {version('pandas')}", *versions]),
        f"fixed loop {min(loops):.3f} to {max(loops):.3f} s, median {statistics.median(loops):.3f} s, over {len(loops)} rounds",
    ]


def cpu() -> str:
    """The processor's name, where the system tells it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def verdicts(cases: tuple[Case, ...], found: dict[tuple[str, str], Measured]) -> Iterator[str]:
    """Each aim, and whether the warm median reaches it."""
    for case in cases:
        ours, kept, base = (found.get((case.name, engine), Measured()) for engine in (*OURS[1:], "bt"))
        if case.name in AIMS and ours.seconds and base.runs:
            ratio = statistics.median(base.runs) / statistics.median(ours.seconds)
            reached = "reached" if ratio >= AIMS[case.name] else "not reached"
            yield f"{case.name}: bt's run ÷ workbench = {ratio:.2f}, aim {AIMS[case.name]:.0f}: {reached}"
        if case.name in AIMS and ours.runs and kept.runs:
            ratio = statistics.median(kept.runs) / statistics.median(ours.runs)
            reached = "reached" if ratio <= JOURNAL_AIM else "not reached"
            yield f"{case.name}: the run with journal ÷ the run without = {ratio:.2f}, aim at most {JOURNAL_AIM:.0f}: {reached}"


def profile(case: Case, work: Path, say: Console) -> None:
    """Where the embedded engine's time goes on one case, in this process."""
    from workbench.engines.embedded.launcher import launch

    folder = work / case.name
    folder.mkdir()
    make_market(folder, case)
    out = sys.stdout
    profiler = cProfile.Profile()
    profiler.runcall(launch, configure(folder, folder / "market", folder / "results"))
    sys.stdout = out
    for order in ("tottime", "cumulative"):
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).strip_dirs().sort_stats(order).print_stats(35)
        say.print(text.getvalue(), markup=False, highlight=False, soft_wrap=True)


def main() -> None:
    """Measure, and print the tables; aims are only judged at full size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small cases, one round")
    parser.add_argument("--rounds", type=int, help="how often each is measured (default 3)")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES], help="only this case; may be repeated")
    parser.add_argument("--engine", action="append", choices=list(PACKAGES), help="only this peer; may be repeated")
    parser.add_argument("--profile", action="store_true", help="say where the embedded engine's time goes, and measure nothing")
    given = parser.parse_args()
    cases = tuple(case for case in (QUICK if given.quick else CASES) if case.name in (given.case or [case.name]))
    engines, say = [*OURS, *(given.engine or PACKAGES)], Console(stderr=True)
    page = Console(width=None if sys.stdout.isatty() else 160)
    with tempfile.TemporaryDirectory(prefix="workbench-bench-") as name:
        if given.profile:
            for case in cases:
                profile(case, Path(name), page)
            return
        found, loops = measure(cases, engines, given.rounds or (1 if given.quick else 3), Path(name), say)
    for table in tables(cases, found):
        page.print(table)
        page.print()
    for line in (*facts(engines, loops), *(() if given.quick else verdicts(cases, found))):
        page.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
