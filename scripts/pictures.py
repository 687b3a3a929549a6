"""Makes the README's pictures: the report and the dashboard of a year of monthly decisions on the sample's real prices.

    python scripts/pictures.py

Needs Chromium and playwright; writes docs/pictures/report.png and docs/pictures/dashboard.png.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workbench.market.sample import write_sample
from workbench.running.demo import EXECUTION, FIRST, LAST, PARAMETERS, STRATEGY
from workbench.running.desk import Desk

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
WIDTH = 1400
MOST_BYTES = 500_000
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run"]
SERVE = ("from workbench.settings import read_settings; from workbench.running.dashboard import serve; "
         "serve(read_settings(data={data!r}, notebooks={notebooks!r}), open_browser=False)")


def main() -> None:
    """Trade the year, then look at its report and its dashboard."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        report = trade(Path(folder))
        with browser() as chromium, serving(Path(folder)) as address:
            picture(chromium, report.as_uri(), PICTURES / "report.png", height=2330, ready="[data-figure=turnover] .point")
            picture(chromium, address, PICTURES / "dashboard.png", height=1245, ready=".wb-panel .trace.bars .point",
                    choose="4 Sep 2012")


def trade(data: Path) -> Path:
    """A year of decisions and one backtest of them; returns the report's file."""
    write_sample(data / "market")
    desk = Desk(data)
    dates = desk.rebalance_dates(FIRST, LAST, "month-start")
    assert len(list(desk.decide_each(STRATEGY, dates, PARAMETERS))) == len(dates)
    bps = EXECUTION["slippage_bps"]
    params = desk.params(order_type=EXECUTION["order_type"], slippage_open_bps=bps, slippage_close_bps=bps)
    return desk.report(desk.execute(desk.decisions(STRATEGY), params), out=data / "report.html")


@contextmanager
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        yield chromium
        chromium.close()


@contextmanager
def serving(data: Path) -> Iterator[str]:
    """The dashboard over the data, and its address."""
    code = SERVE.format(data=str(data), notebooks=str(ROOT / "notebooks"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)


def picture(chromium: Any, address: str, path: Path, *, height: int, ready: str, choose: str = "") -> None:
    """The top of a page, once `ready` is on it, and with a rebalance date chosen."""
    page = chromium.new_page(viewport={"width": WIDTH, "height": height})
    page.goto(address)
    page.wait_for_selector(ready, timeout=60_000)
    if choose:
        page.locator(".wb-panel select").nth(1).select_option(label=choose)
    page.wait_for_timeout(1_500)        # figures move into their place
    page.screenshot(path=path)
    page.close()
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{path.name} has {size:,} bytes; at most {MOST_BYTES:,} are wanted: make it less high")


if __name__ == "__main__":
    main()
