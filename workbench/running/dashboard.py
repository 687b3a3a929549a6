"""The dashboard: its notebook served as a page by voila, to this machine alone, behind a token, and without the internet."""

import os
import secrets
import socket
import sys
import webbrowser
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput
from workbench.judgement.reconciliation import Reconciliation
from workbench.running import notebook as notebooks
from workbench.settings import Settings
from workbench.words.run import Run

if TYPE_CHECKING:
    from workbench.running.desk import Desk
    from workbench.showing.panels.reconciliation import ReconciliationPanel

NAME = "5_dashboard"
HOST = "127.0.0.1"
TEMPLATES = Path(__file__).parent / "voila"
EXTENSIONS = ("@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager", "anywidget")
IDLE = 300          # seconds without a page after which its kernel ends
PING = 30_000       # milliseconds; as jupyter_server has it, but with a timeout that is not longer than the interval

# The page may talk to its own server and to nobody else: what asks for more is refused by the browser.
POLICY = ("default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
          "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host}:{port}; frame-ancestors 'none'")


def serve(settings: Settings, *, port: int = 0, open_browser: bool = True) -> None:
    """Serve the dashboard until Ctrl-C or a terminate signal; no kernel is left then. Port 0 finds a free one.

    The address with its token is printed, and opened in the browser unless `open_browser` is false. A request without the token
    gets a login form and nothing else. Raises `BadInput` where the port is taken, and `NotRecorded` without the notebook.
    """
    path = notebooks.find(settings.notebooks, NAME)
    listening = _listen(port)
    token = secrets.token_urlsafe(32)
    address = f"http://{HOST}:{listening.getsockname()[1]}/?token={token}"

    def announce() -> None:
        sys.stdout.write(f"{address}\nCtrl-C ends it.\n")
        sys.stdout.flush()
        if open_browser:
            webbrowser.open(address)

    _application(path, listening, token, {"data": str(settings.data), "market": str(settings.market)}, announce).start()


def panel(desk: "Desk", run_id: str = "") -> "ReconciliationPanel":
    """The panel over one recorded run, or over the last completed run of each strategy."""
    from workbench.showing.panels.reconciliation import ReconciliationPanel

    last = {run.strategy: run for run in ([desk.run(run_id)] if run_id else _completed(desk))}

    @cache
    def reconcile(found: str) -> Reconciliation:
        return desk.reconcile(found)

    return ReconciliationPanel(
        lambda strategy, _: reconcile(last[strategy].run_id),
        {strategy: run.rebalance_dates for strategy, run in last.items()},
        events=lambda run, order_id: desk.store.events(run, order_id=order_id))


def at_work(desk: "Desk") -> Any:
    """A panel for each run on paper or live that is at work now, each following its run until that is over."""
    from workbench.running.follow import Watcher
    from workbench.running.stopping import find_at_work
    from workbench.showing.panels.live import LivePanel, board

    places, _ = find_at_work(desk.data) if desk.data.is_dir() else ((), ())
    return board([LivePanel(Watcher(desk.store, run_id).look) for run_id in sorted({place.attempt.run_id for place in places})])


def _completed(desk: "Desk") -> list[Run]:
    """The runs that came to their end, in the order in which they were asked for. A project without data has none."""
    if not desk.data.is_dir():
        return []
    desk.store.index(desk.data)
    return [run for run in desk.store.runs() if any(one.state == "completed" for one in desk.store.attempts(run.run_id))]


def _listen(port: int) -> socket.socket:
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        problem = f"port {port} can't be listened on ({error.strerror})"
        raise BadInput(problem, remedy="choose another; 0 finds a free one") from None
    listening.setblocking(False)
    return listening


def _application(path: Path, listening: socket.socket, token: str, parameters: dict[str, str],
                 announce: Callable[[], None]) -> Any:
    """Voila for one notebook, on a socket that is already open."""
    import nbformat
    from tornado.httpserver import HTTPServer
    from tornado.ioloop import IOLoop
    from voila.app import Voila  # type: ignore[import-untyped]
    from voila.voila_identity_provider import VoilaIdentityProvider  # type: ignore[import-untyped]

    class Dashboard(Voila):  # type: ignore[misc]
        """Voila, but for where it listens, and that it says so once it does."""

        def listen(self) -> None:
            HTTPServer(self.app).add_sockets([listening])
            self.ioloop = IOLoop.current()
            self.ioloop.add_callback(announce)
            try:
                self.ioloop.start()
            except KeyboardInterrupt:
                self.log.info("stopped")
            finally:
                self.stop()

    def give_parameters(_: Any, *, notebook: Any, **where: Any) -> Any:        # noqa: ARG001 - voila's own form
        """The parameters as papermill gives them: a cell after the one that declares them."""
        tagged = next(at for at, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
        text = "\n".join(["# Parameters", *(f"{name} = {value!r}" for name, value in parameters.items())])
        new_cell: Callable[..., Any] = nbformat.v4.new_code_cell
        notebook.cells.insert(tagged + 1, new_cell(text, metadata={"tags": ["injected-parameters"]}))
        return notebook

    port = listening.getsockname()[1]
    app = Dashboard(notebook_path=str(path), token=token, open_browser=False, ip=HOST, port=port, config_file_paths=[],
                    identity_provider_class=VoilaIdentityProvider, log_level="ERROR",
                    tornado_settings={"headers": {"Content-Security-Policy": POLICY.format(host=HOST, port=port)},
                                      "ws_ping_interval": PING, "ws_ping_timeout": PING})
    if os.name == "posix":
        app.config.KernelManager.transport = "ipc"      # a file that only its owner may open, and no port
    app.config.MappingKernelManager.cull_idle_timeout = IDLE
    app.config.MappingKernelManager.cull_interval = IDLE // 5
    app.initialize([])
    app.template_paths.insert(0, str(TEMPLATES))
    app.voila_configuration.prelaunch_hook = give_parameters
    app.voila_configuration.file_allowlist = []         # no file beside the notebook is anybody's
    app.voila_configuration.extension_allowlist = list(EXTENSIONS)
    app.voila_configuration.show_tracebacks = True      # what went wrong is said on the page, and not only in a log
    return app
