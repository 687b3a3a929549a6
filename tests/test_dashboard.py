"""The dashboard, served for real: behind its token, on this machine alone, clicked in a browser, and gone after Ctrl-C."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import psutil
import pytest
from browser_fixtures import chromium, middle, opened
from showing_fixtures import Page, trade

from workbench.errors import BadInput, NotRecorded
from workbench.running import dashboard
from workbench.running.desk import Desk
from workbench.settings import read_settings

ROOT = Path(__file__).parents[1]
FIRST_FIGURE = ".wb-panel .js-plotly-plot .points path"


@pytest.fixture(scope="module")
def traded(tmp_path_factory, invented):
    return trade(tmp_path_factory.getbasetemp() / "showing", invented)


@pytest.fixture(scope="module")
def project(traded, tmp_path_factory):
    """A project with the notebook, over the data and the market of the run."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "5_dashboard.ipynb", folder / "notebooks")
    settings = traded.desk.settings
    (folder / "workbench.toml").write_text(f'data = "{settings.data}"\nmarket = "{settings.market}"\n')
    return folder


@contextmanager
def serving(project):
    """`serve` in a process of its own, and the address that it prints."""
    code = "from workbench.settings import read_settings; from workbench.running.dashboard import serve; " \
           "serve(read_settings(), open_browser=False)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(20)


@pytest.fixture(scope="module")
def address(project):
    with serving(project) as (_, address):
        yield address


class Stay(HTTPRedirectHandler):
    """Redirects are answers here."""

    def redirect_request(self, *_):
        return None


def ask(address, path="/"):
    """Status, headers and text of an answer to a request without a token or a cookie."""
    parts = urlsplit(address)
    try:
        with build_opener(Stay).open(f"{parts.scheme}://{parts.netloc}{path}", timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


@pytest.mark.notebook
@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/api/kernels", "/voila/render/5_dashboard.ipynb", "/anything"])
def test_without_the_token_there_is_only_a_login(path, address):
    """The page is not given, not even a part of it, and no kernel is started."""
    status, headers, text = ask(address, path)

    assert status == 302
    assert headers["Location"].startswith("/login?")
    assert text == ""


@pytest.mark.notebook
@pytest.mark.parametrize("path", ["/voila/files/5_dashboard.ipynb", "/voila/files/../workbench.toml", "/api/kernels/a-b-c-d-e",
                                  "/api/kernels/a-b-c-d-e/channels"])
def test_files_and_kernels_are_nobodys_without_it(path, address):
    """Neither what lies beside the notebook nor a kernel's channel."""
    status, _, text = ask(address, path)

    assert status in (302, 400, 403)
    assert "workbench" not in text


@pytest.mark.notebook
def test_the_address_is_this_machines_and_hard_to_guess(address):
    """A loopback address that is not a name, a free port, and a token of 256 bits."""
    parts = urlsplit(address)

    assert parts.hostname == "127.0.0.1"
    assert parts.port > 0
    assert len(parts.query.removeprefix("token=")) >= 43


@pytest.mark.browser
def test_a_click_shows_the_symbols_orders_and_nobody_else_is_asked(traded, address):
    """Choose a date, click a bar: the symbol's orders and events are there. Every request goes to the server's own address."""
    judged = next(one for one in traded.judged.dates if sum(1 for row in one.rows if row.filled) > 1)
    names = [gap.symbol for gap in judged.waterfall.every]
    row = [row for row in judged.rows if row.filled][-1]
    with chromium() as browser, opened(browser, address, viewport={"width": 1400, "height": 1500}) as shown:
        page = shown.page
        page.wait_for_selector(FIRST_FIGURE, timeout=60_000)
        page.locator(".wb-panel select").nth(1).select_option(index=traded.judged.dates.index(judged))
        figures = page.locator(".wb-panel .js-plotly-plot")
        page.wait_for_function("names => JSON.stringify(document.querySelectorAll('.js-plotly-plot')[1].data?.at(-1)?.y) === "
                               "JSON.stringify(names)", arg=names)
        page.wait_for_timeout(300)          # plotly moves its bars into place
        page.mouse.click(*middle(figures.nth(1).locator(".scatterlayer .points path").nth(names.index(row.symbol))))
        page.locator(".wb-panel caption", has_text=f"{row.symbol}:").wait_for(timeout=20_000)
        weight = float(next(gap.actual for gap in judged.waterfall.every if gap.symbol == row.symbol)) * 100
        page.wait_for_function("weight => Math.abs(document.querySelectorAll('.js-plotly-plot')[2].data[1].y[1] - weight) "
                               "< 1e-9", arg=weight)
        text = " ".join(page.locator(".wb-panel").inner_text().split())
        own = urlsplit(address).netloc

        assert page.locator(".wb-panel select").nth(2).input_value() == row.symbol
        assert row.order_refs[0] in text
        assert text.count(f" {row.order_ids[0]} order ") >= 2
        assert {urlsplit(asked).netloc for asked in shown.asked if not asked.startswith(("data:", "blob:"))} == {own}
        assert any(asked.startswith("ws:") for asked in shown.asked)
        assert shown.wrong == []


@pytest.mark.notebook
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_it_ends_cleanly_and_leaves_no_kernel(ending, project):
    """With a page given and its kernel waiting: exit code 0, and every process that it began is gone."""
    with serving(project) as (process, address):
        with build_opener().open(address, timeout=60) as answer:
            page = answer.read().decode()
        kernels = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(ending)

        assert process.wait(20) == 0
        assert kernels
        assert not [kernel for kernel in kernels if kernel.is_running()]
        assert not [link for link in re.findall(r'(?:src|href)="([^"]*)', page) if "//" in link]


def test_without_a_run_the_panel_says_what_to_do(tmp_path, invented):
    """A fresh project has a dashboard, too: with no data folder yet, and with an empty one."""
    for made in (False, True):
        if made:
            (tmp_path / "data").mkdir()
        panel = dashboard.panel(Desk(tmp_path / "data", market=invented))

        assert "Nothing has been run yet" in panel.message.value


def test_a_port_that_is_taken_is_said_to_be(tmp_path):
    """Before voila is started, and with what to do instead."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "5_dashboard.ipynb", tmp_path / "notebooks")
    with dashboard._listen(0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} can't be listened on .*; choose another; 0 finds a free one"):
            dashboard.serve(read_settings(tmp_path), port=port)


def test_without_the_notebook_nothing_is_served(tmp_path):
    """It is named, with the folder that was looked in."""
    with pytest.raises(NotRecorded, match="notebook '5_dashboard' is not recorded"):
        dashboard.serve(read_settings(tmp_path))


def test_the_panel_shows_the_last_completed_run_of_each_strategy(traded):
    """Or the run that was asked for."""
    panel = dashboard.panel(traded.desk)
    again = dashboard.panel(traded.desk, traded.evidence.run.run_id)

    assert list(panel.strategy.options) == ["momentum"]
    assert panel.run_id == again.run_id == traded.evidence.run.run_id
    assert traded.judged.dates[-1].rows[0].order_refs[0] in Page(panel.orders.value).text
