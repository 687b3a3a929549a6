"""The main job, end to end, on real prices: a year of monthly decisions, traded, stored, judged and reported.

Everything goes through the notebooks: papermill runs `2_decide` once a rebalance date, then `3_execute` and `4_reconcile`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from workbench.market.sample import write_sample
from workbench.running import notebook, project
from workbench.running.desk import Desk
from workbench.settings import Settings, read_settings

STRATEGY = "momentum"
PARAMETERS: dict[str, Any] = {"lookback": 126, "skip": 5, "top_n": 3, "gross": 0.98}
FIRST, LAST = date(2012, 1, 1), date(2012, 12, 31)
EXECUTION: dict[str, Any] = {"order_type": "MOO", "slippage_bps": 5.0}
WORKERS = 2

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demo made: its table, the report, and the folder everything is recorded in."""

    title: str
    rows: list[dict[str, Any]]
    report: Path
    folder: Path
    run_id: str


def run(folder: Path | None = None, progress: Progress | None = None) -> Demo:
    """Do the main job in a data folder (default: `data/demo` of the project). Done again, it finds what it did before."""
    settings = _settings(folder)
    say = progress or _silent
    if not (settings.market / "equity").is_dir():
        say(0, 1, "writing real prices of five stocks in Lean's format")
        write_sample(settings.market)
    desk = Desk(settings=settings)
    dates = desk.rebalance_dates(FIRST, LAST, "month-start")
    total = len(dates) + 2
    for done, day in enumerate(_decide(settings, dates), start=1):
        say(done, total, f"decided for {day}")
    say(len(dates), total, "trading and reconciling")
    last = {"data": str(settings.data), "strategy": STRATEGY, "until": dates[-1].isoformat(), **EXECUTION}
    _notebook(settings, "3_execute", last, "3_execute")
    say(len(dates) + 1, total, "writing the report")
    report = settings.reports / "demo.html"
    _notebook(settings, "4_reconcile", {**last, "report": str(report)}, "4_reconcile")
    bps = EXECUTION["slippage_bps"]
    params = desk.params(order_type=EXECUTION["order_type"], slippage_open_bps=bps, slippage_close_bps=bps)
    found = desk.execute(desk.decisions(STRATEGY, until=dates[-1]), params)
    title = (f"{STRATEGY} on AAPL, FB, GOOG, IBM and MSFT, {len(dates)} rebalance dates of 2012, from {settings.cash:,.0f} to "
             f"{found.outcome.end_equity:,.2f} dollars")
    return Demo(title=title, rows=desk.table(found), report=report, folder=settings.data, run_id=found.run.run_id)


def _silent(done: int, total: int, what: str) -> None:
    """Nobody is looking."""


def _settings(folder: Path | None) -> Settings:
    given = read_settings()
    return read_settings(data=folder.resolve() if folder else given.root / "data" / "demo", market="")


def _decide(settings: Settings, dates: tuple[date, ...]) -> Iterator[date]:
    """Run `2_decide` for every date, two at a time, and give each date as it is done."""
    jobs = [({"data": str(settings.data), "strategy": STRATEGY, "rebalance_date": day.isoformat(), "parameters": PARAMETERS,
              "order_type": EXECUTION["order_type"]}, f"2_decide-{day}", day) for day in dates]
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_notebook, settings, "2_decide", parameters, name): day for parameters, name, day in jobs}
        for future in as_completed(waiting):
            future.result()
            yield waiting[future]


def _notebook(settings: Settings, name: str, parameters: dict[str, Any], copy: str) -> Path:
    folder = settings.notebooks if settings.notebooks.is_dir() else project.notebooks()
    return notebook.run(notebook.find(folder, name), parameters, settings.reports / "notebooks" / f"{copy}.ipynb")
