"""A panel of a run that is at work: each order and how far it is, the account, the last sign of life, the engine's last words.

State and a view: it is given a callable that says how far the run is, opens no database, and computes nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from workbench.errors import WorkbenchError
from workbench.showing import pages
from workbench.words.progress import RunProgress

TEMPLATE = "panels/live.html.jinja"
GLANCE = 0.25           # seconds between looks: what has changed is shown at once
SILENT = 120            # seconds without a sign of life after which it is said in red; Lean, live, writes every minute

Load = Callable[[], RunProgress]


class LivePanel:
    """Shows how far a run is, again whenever something has changed and at least every so many seconds, until it is over.

    `load()` gives the run's state, and is called outside the loop of the notebook, so that a store that is busy holds up nothing.
    Where no loop is at work, in a script, the panel shows what there is and `refresh` shows it again. An error in loading is
    shown above what was last known, whose moment is written there; the next look is tried all the same.
    """

    def __init__(self, load: Load, *, every: float = 1.0) -> None:
        self._load, self.every = load, every
        self.seen: RunProgress | None = None
        self.message, self.summary, self.orders, self.log = (widgets.HTML() for _ in range(4))
        self.view = self._compose()
        self._task: asyncio.Task[None] | None = None
        self.refresh()
        self.start()

    def __repr__(self) -> str:
        return f"LivePanel({'nothing seen' if self.seen is None else repr(self.seen)})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.view._repr_mimebundle_(**options)

    @property
    def at_work(self) -> bool:
        """Whether it goes on looking."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begin to look, in the loop that is running: nothing to do where there is none, where it looks already, or at the end."""
        over = self.seen is not None and self.seen.over
        with contextlib.suppress(RuntimeError):         # no loop: a script, or a test
            if not self.at_work and not over:
                self._task = asyncio.get_running_loop().create_task(self._look_on())

    def close(self) -> None:
        """Look no longer; what is shown stays."""
        if self._task is not None:
            self._task.cancel()

    def refresh(self) -> None:
        """Look once and show it. An error that is not ours is shown, too, and raised."""
        self._show(*_tried(self._load))

    async def _look_on(self) -> None:
        loop = asyncio.get_running_loop()
        shown_at = loop.time()
        while self.seen is None or not self.seen.over:
            await asyncio.sleep(min(GLANCE, self.every))
            seen, error = await asyncio.to_thread(_tried, self._load)
            if error is not None or _changed(self.seen, seen) or loop.time() - shown_at >= self.every:
                self._show(seen, error)
                shown_at = loop.time()

    def _show(self, seen: RunProgress | None, error: Exception | None) -> None:
        """A state in every part of the view; or an error above the last one."""
        page: Any = pages.template(TEMPLATE).module
        self.message.value = "" if error is None else str(page.failure(type(error).__name__, str(error), self.seen))
        if seen is not None:
            self.seen = seen
            self.summary.value = str(page.summary(seen, SILENT))
            self.orders.value = str(page.orders(seen))
            self.log.value = str(page.log(seen))
        if error is not None and not isinstance(error, WorkbenchError):
            raise error

    def _compose(self) -> Any:
        """The widgets in their places."""
        style = widgets.HTML(f"<style>{pages.text('panels/reconciliation.css')}{pages.text('panels/live.css')}</style>",
                             layout={"height": "0"})
        view = widgets.VBox([style, self.message, self.summary, self.orders, self.log])
        view.add_class("wb-panel")
        return view


def _tried(load: Load) -> tuple[RunProgress | None, Exception | None]:
    try:
        return load(), None
    except Exception as error:      # noqa: BLE001 - shown where the numbers would be; one that is not ours is raised there
        return None, error


def _changed(before: RunProgress | None, now: RunProgress | None) -> bool:
    """Whether there is more to tell than that time has passed."""
    return before is None or now is None or _told(before) != _told(now)


def _told(seen: RunProgress) -> tuple[object, ...]:
    orders = tuple((one.attempt, one.order_ref, one.order_id, one.status, one.filled, one.heard_at) for one in seen.orders)
    return (seen.state, seen.stop, seen.attempt, orders, seen.told, seen.ended, seen.refused, seen.left, seen.equity, seen.cash,
            seen.log)


def board(panels: Sequence[LivePanel]) -> Any:
    """Panels below each other, or a line that says there is none."""
    if not panels:
        return widgets.HTML("Nothing is at work on paper or live.")
    return widgets.VBox([panel.view for panel in panels])
