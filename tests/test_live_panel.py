"""The panel of a run at work: state and a view, what it shows and when, and a real page that follows a real journal."""

import asyncio
import os
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import nbformat
import pytest
from browser_fixtures import chromium, opened
from showing_fixtures import Page
from store_fixtures import Desk, decide, put, queue, request
from test_dashboard import serving

from workbench.errors import StoreBusy
from workbench.running.follow import Watcher, following
from workbench.showing import numerals
from workbench.showing.panels.live import SILENT, LivePanel
from workbench.store import Store
from workbench.words.progress import OrderProgress, Refused, RunProgress

NOW = datetime(2020, 3, 2, 14, 31, tzinfo=UTC)
SHOTS = os.environ.get("WORKBENCH_SHOTS")       # a folder for a picture of the page, for a person to look at


@pytest.fixture
def seen(tmp_path):
    """A run on paper with an order in each state of its life."""
    taken = decide(tmp_path, {"ALFA": "0.6"})
    run = request(tmp_path, taken, mode="paper")
    attempt = queue(tmp_path, run, state="running")

    def order(number, symbol, quantity, filled, status, last, *, price=None, age=5, ref="") -> OrderProgress:
        return OrderProgress(
            attempt=1, order_ref=ref or f"{taken.snapshot_id}-{symbol}.1", order_id=number, symbol=symbol,
            side="BUY" if quantity > 0 else "SELL", order_type="MOO", quantity=Decimal(quantity), filled=Decimal(filled),
            average_price=None if price is None else Decimal(price), status=status, last=last, heard_at=NOW,
            age=None if age is None else timedelta(seconds=age))

    orders = (
        order("1", "ALFA", 10, 4, "PARTIALLY_FILLED", "partially filled, 4 at 82.5", price="82.5", age=3),
        order("2", "BETA", -5, -5, "FILLED", "filled, 5 at 41.25", price="41.25", age=200),
        order("3", "GAMA", 7, 0, "REJECTED", "rejected: <b>no</b> margin"),
        order(None, "DELT", 3, 0, "NEW", "sized, not sent yet", age=None),
    )
    return RunProgress(
        run=run, attempt=attempt, seen_at=NOW, orders=orders, told=4, ended=2, equity=Decimal("100000.25"), cash=Decimal(90000),
        refused=(Refused(attempt=1, symbol="ETAX", rule="max_order_notional", detail="9000 of 5000"),),
        left=(Refused(attempt=1, symbol="OMEG", rule="not_cancelled", detail="s-OMEG.1 still works at the broker"),),
        valued_at=NOW - timedelta(minutes=31), alive_at=NOW - timedelta(seconds=2), log=("first line", "<script>alert(1)</script>"))


def text(panel) -> str:
    """What a reader sees of it."""
    return Page("".join(part.value for part in (panel.message, panel.summary, panel.orders, panel.log))).text


# What is shown.

def test_each_order_has_how_far_it_is(seen):
    """Symbol, side, quantities, price, status, what was heard last and how long ago, and its ref."""
    panel = LivePanel(lambda: seen)
    ref = seen.orders[0].order_ref
    rows = [" ".join(Page(part).text.split()) for part in panel.orders.value.split("<tr>")[2:]]

    assert rows[0] == f"ALFA BUY MOO +10 +4 82.5000 partially filled partially filled, 4 at 82.5 3 s {ref}"
    assert rows[1].startswith("BETA SELL MOO −5 −5 41.2500 filled filled, 5 at 41.25 3 min")
    assert rows[3].startswith("DELT BUY MOO +3 0 – new sized, not sent yet –")
    assert [bar.split("%")[0] for bar in panel.orders.value.split("width: ")[1:]] == ["40", "100", "0", "0"]
    assert "Not sent ETAX: the limit on one order's dollars (9000 of 5000)" in text(panel)
    assert "Look at the broker OMEG: it could not be cancelled in time (s-OMEG.1 still works at the broker)" in text(panel)


def test_run_account_and_signs_of_life_are_above(seen):
    """And the engine's last lines below."""
    shown = text(LivePanel(lambda: seen))

    for part in ("momentum, on paper running", f"run {seen.run.run_id}, attempt 1, for 2 Mar 2020", "Account DU1234567",
                 "Orders ended 2 of 4", "Equity, 14:00 UTC 100,000.25 USD", "Cash 90,000.00 USD", "Last sign of life 2 s ago",
                 "Looked at 14:31:00 UTC", "first line"):
        assert part in shown


def test_what_comes_from_data_is_text(seen):
    """A broker's message and an engine's log are nobody's markup."""
    panel = LivePanel(lambda: seen)

    assert "&lt;b&gt;no&lt;/b&gt; margin" in panel.orders.value
    assert "<script>" not in panel.log.value + panel.orders.value


@pytest.mark.parametrize(("seconds", "late"), [(SILENT, False), (SILENT + 1, True)])
def test_a_long_silence_is_marked(seconds, late, seen):
    """Lean writes its charts every minute; after two something is wrong, unless the run is over."""
    quiet = replace(seen, alive_at=NOW - timedelta(seconds=seconds))
    over = replace(quiet, attempt=replace(seen.attempt, state="completed"))

    assert ("wb-late" in LivePanel(lambda: quiet).summary.value) is late
    assert "wb-late" not in LivePanel(lambda: over).summary.value


def test_how_it_ended_is_said(seen):
    """The cause of a failed attempt, a process that is gone, and who stopped one that has not ended yet."""
    failed = replace(seen, attempt=replace(seen.attempt, state="failed", cause="the broker <refused> us"))
    gone = replace(seen, gone=True, attempt=replace(seen.attempt, pid=4711))

    assert "the broker <refused> us" in text(LivePanel(lambda: failed))
    assert "momentum, on paper gone" in text(LivePanel(lambda: gone))
    assert "process 4711 is no longer there" in text(LivePanel(lambda: gone))
    assert "stopped by desk: fat finger" in text(LivePanel(lambda: replace(seen, stop="stopped by desk: fat finger")))


@pytest.mark.parametrize(("since", "words"), [
    (timedelta(milliseconds=900), "0 s"), (timedelta(seconds=99), "99 s"), (timedelta(seconds=100), "1 min"),
    (timedelta(minutes=59, seconds=59), "59 min"), (timedelta(hours=2, minutes=5), "2 h 05 min"),
    (timedelta(hours=47), "47 h 00 min"), (timedelta(days=3, hours=5), "3 days"), (None, "unknown"),
])
def test_ages_are_in_words_that_fit_them(since, words):
    """Seconds while they matter, then minutes, hours and days."""
    assert numerals.ago(since) == words


def test_before_the_first_order_it_says_so(seen):
    """Not an empty table, and no number that nobody knows."""
    shown = text(LivePanel(lambda: RunProgress(run=seen.run, attempt=None, seen_at=NOW)))

    assert "not started" in shown and "No order yet." in shown and "Last sign of life none yet" in shown
    assert "Equity –" in shown and "Cash –" in shown


def test_of_many_orders_it_says_how_many_are_shown(seen):
    """The others ended before."""
    assert "Orders: 4 of 900, those at work and the latest of the others" in text(LivePanel(lambda: replace(seen, told=900)))


def test_an_error_stands_above_what_was_last_known(seen):
    """With the moment of that; and it goes with the next look that succeeds."""
    answers = [seen, StoreBusy("x.duckdb", "pid <7>", 30), seen]

    def load():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    panel = LivePanel(load)
    panel.refresh()

    assert "StoreBusy: x.duckdb has been locked for 30 s by pid <7>" in text(panel)
    assert 'role="alert"' in panel.message.value
    assert f"What is shown below was so at {numerals.moment(NOW)}" in text(panel)
    assert "ALFA" in text(panel)
    panel.refresh()
    assert panel.message.value == ""


def test_an_error_that_is_not_ours_is_shown_and_raised(seen):
    """A mistake in the program is seen on the page, and by whoever called."""
    answers = [seen]
    panel = LivePanel(lambda: answers.pop())

    with pytest.raises(IndexError):
        panel.refresh()
    assert "IndexError" in text(panel)


# When it is shown.

def test_it_follows_until_the_run_is_over_and_no_longer(seen):
    """A change is shown within a moment, an age within `every`; with the run its looking ends."""
    states, loads = [seen], []

    def load():
        loads.append(threading.current_thread())
        return states[-1]

    async def look_on():
        panel = LivePanel(load, every=0.05)
        panel.start()                   # a second time: nothing happens
        assert panel.at_work
        states.append(replace(seen, ended=3, seen_at=NOW + timedelta(seconds=1)))
        await until(lambda: "Orders ended 3 of 4" in text(panel))
        states.append(replace(states[-1], seen_at=NOW + timedelta(seconds=9)))
        await until(lambda: "14:31:09" in text(panel))
        states.append(replace(states[-1], attempt=replace(seen.attempt, state="completed")))
        await until(lambda: not panel.at_work)
        count = len(loads)
        await asyncio.sleep(0.2)
        assert len(loads) == count
        return panel

    panel = asyncio.run(look_on())

    assert "momentum, on paper completed" in text(panel)
    assert loads[0] is threading.main_thread()
    assert all(thread is not threading.main_thread() for thread in loads[1:])


def test_a_store_that_is_slow_holds_up_nothing_else(seen):
    """Looking happens beside the loop: a notebook's other cells go on."""
    release = threading.Event()
    answers = iter([lambda: seen])

    def load():
        answer = next(answers, None)
        if answer is None:
            release.wait(20)
            return replace(seen, attempt=replace(seen.attempt, state="completed"))
        return answer()

    async def look_on():
        panel = LivePanel(load, every=0.02)
        begun, turns = time.monotonic(), 0
        while time.monotonic() - begun < 0.3:
            await asyncio.sleep(0.01)
            turns += 1
        release.set()
        await until(lambda: not panel.at_work)
        return turns

    assert asyncio.run(look_on()) > 10


def test_trouble_does_not_end_the_looking_and_closing_does(seen):
    """A store that is busy now is not busy for ever; a person who has seen enough says so."""
    trouble = [True]

    def load():
        if len(trouble) % 2 == 0:
            trouble.append(True)
            raise StoreBusy("x.duckdb", "pid 7", 30)
        trouble.append(True)
        return seen

    async def look_on():
        panel = LivePanel(load, every=0.01)
        await until(lambda: len(trouble) > 6)
        assert panel.at_work
        panel.close()
        await until(lambda: not panel.at_work)
        panel.start()
        assert panel.at_work
        panel.close()

    asyncio.run(look_on())


def test_where_no_loop_is_at_work_it_shows_what_there_is(seen):
    """A script, and a run that is over: nothing is left behind."""
    panel = LivePanel(lambda: seen)

    assert not panel.at_work
    panel.close()
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_()
    assert repr(panel) == f"LivePanel(RunProgress({seen.run.run_id}, running, 2 of 4 orders ended))"


async def until(what, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


# A page.

@pytest.mark.browser
def test_a_page_in_another_process_follows_the_journal(tmp_path):
    """Served by a kernel of its own: a fill that is written here is on the page a moment later, and the end of the run, too."""
    data = tmp_path / "data"
    taken = decide(data, {"ALFA": "0.6", "BETA": "0.3"})
    run = request(data, taken, mode="paper")
    queue(data, run, state="running")
    desk = Desk(data, run.run_id, mode="paper")
    desk.journal.now = lambda: datetime.now(UTC)
    desk.opened()
    desk.rebalance()
    alfa, beta = desk.sized(f"{taken.snapshot_id}-ALFA", 1200), desk.sized(f"{taken.snapshot_id}-BETA", -500, held=500)
    desk.order(1, alfa, 1200, "SUBMITTED")
    put(desk.path.parent / "log.txt", "".join(f"20200302 14:00:{n:02}.000 TRACE:: Engine.Run(): step {n} {'. ' * n}\n"
                                              for n in range(0, 60, 4)))
    store = Store(data / "workbench.duckdb")
    with following(store, data, run.run_id, 1), serving(project(tmp_path, data, run.run_id)) as (_, address), \
            chromium() as browser, opened(browser, address) as shown:
        panel = shown.page.locator(".wb-panel")
        panel.get_by_text("sized, not sent yet").wait_for(timeout=60_000)
        desk.order(2, beta, -500, "FILLED", fill=-500, price="41.25", symbol="BETA")
        desk.order(1, alfa, 1200, "PARTIALLY_FILLED", fill=700, price="82.625")
        begun = time.monotonic()
        panel.get_by_text("partially filled, 700 at 82.625").wait_for(timeout=20_000)
        took = time.monotonic() - begun
        desk.line("blocked", order_intent_id="x", symbol="GAMA", rule="max_gross", cut=Decimal(7), detail=None)
        panel.get_by_text("GAMA: the limit on the gross").wait_for(timeout=20_000)
        box = panel.locator(".wb-bar i").first.bounding_box()
        whole = panel.locator(".wb-bar").first.bounding_box()
        wide = shown.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        if SHOTS:
            shown.page.screenshot(path=Path(SHOTS) / "live.png", full_page=True)
        desk.close()
        queue(data, run, state="completed")
        panel.locator(".wb-state.completed").wait_for(timeout=20_000)

        assert took < 5                 # usually one
        assert box["width"] / whole["width"] == pytest.approx(700 / 1200, abs=0.02)
        assert wide
        assert shown.wrong == []
    assert [order.status for order in Watcher(store, run.run_id).look().orders] == ["PARTIALLY_FILLED", "FILLED"]


def project(folder, data, run_id):
    """A project whose dashboard is the live panel over one run."""
    cells = [nbformat.v4.new_code_cell('data: str = ""\nmarket: str = ""', metadata={"tags": ["parameters"]}),
             nbformat.v4.new_code_cell(
                 "from pathlib import Path\nfrom workbench.running.follow import Watcher\nfrom workbench.store import Store\n"
                 "from workbench.showing.panels.live import LivePanel\n"
                 f'LivePanel(Watcher(Store(Path(data) / "workbench.duckdb"), "{run_id}").look)')]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3",
                                                                              "language": "python"}})
    (folder / "notebooks").mkdir()
    nbformat.write(notebook, folder / "notebooks" / "5_dashboard.ipynb")
    (folder / "workbench.toml").write_text(f'data = "{data}"\nmarket = "{data}"\n')
    return folder
