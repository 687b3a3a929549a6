"""One job from its config: load the algorithm, run it, write the results; Lean's order of things and Lean's words."""

import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench import __version__
from workbench.engines.config import flag, layered, parameters_of
from workbench.engines.embedded import imports
from workbench.engines.embedded.algorithm import QCAlgorithm
from workbench.engines.embedded.backtest import Backtest
from workbench.engines.embedded.clr import hook
from workbench.engines.embedded.log import Log
from workbench.engines.embedded.results import VERSION, State, data_requests, write_data_monitor, write_results
from workbench.errors import NotSupported, WorkbenchError


def launch(config: Mapping[str, Any]) -> int:
    """Run the job of a config; relative paths in it are the current directory's. Returns 0 where it completed, else 1."""
    settings = layered(config)
    results = Path(str(settings.get("results-destination-folder") or "."))
    algorithm_id = str(settings.get("algorithm-id") or settings.get("algorithm-type-name") or "algorithm")
    log = Log(results / "log.txt")
    started = datetime.now(UTC)
    log.trace(f"Engine.Main(): LEAN ALGORITHMIC TRADING ENGINE {VERSION} Mode: EMBEDDED (workbench {__version__}) "
              f"Host: {os.uname().nodename if hasattr(os, 'uname') else 'windows'}")
    log.trace(f"JobQueue.NextJob(): Selected {settings.get('algorithm-location')}")
    run: Backtest | None = None
    try:
        parameters = parameters_of(settings)
        _refuse_unsupported(settings)
        run = _prepare(settings, parameters, log)
        log.trace(f"AlgorithmManager.Run(): Begin DataStream - Start: {run.start} Stop: {run.end} Time: {run.local} Warmup: False")
        log.debug(f"Launching analysis for {algorithm_id} with LEAN Engine {VERSION}", run.local)
        try:
            run.run()
        except NotSupported as error:
            raise _StartFailed(str(error)) from None
        log.trace("AlgorithmManager.Run(): Firing On End Of Algorithm...")
        state = _ended(run, started)
    except _StartFailed as failure:
        log.fault(f"Engine.Run(): {failure.text}")
        state = State(status="RuntimeError", started=started, runtime_error=failure.text, stack_trace=failure.trace)
        parameters = {}
    statistics = write_results(results, algorithm_id, run, state, name=str(settings.get("backtest-name") or "local"),
                               parameters=parameters)
    log.trace("\n" + "".join(f"STATISTICS:: {name} {value}\n" for name, value in statistics.items()))
    log.trace("Engine.Main(): Analysis Completed and Results Posted.")
    if run is not None:
        log.trace(f"DataMonitor.GenerateReport():{write_data_monitor(results, data_requests(run), datetime.now(UTC))}")
    log.trace(f"Engine.Main(): Packet removed from queue: {algorithm_id}")
    log.close()
    return 0 if state.status == "Completed" else 1


class _StartFailed(Exception):
    """The job ended before its first step."""

    def __init__(self, text: str, trace: str = "") -> None:
        super().__init__(text)
        self.text, self.trace = text, trace


def _refuse_unsupported(settings: Mapping[str, Any]) -> None:
    """Config keys that would change the run and that this engine does not follow."""
    if flag(settings.get("live-mode", False)):
        raise _StartFailed(str(NotSupported("live-mode")))
    if str(settings.get("algorithm-language") or "Python") != "Python":
        raise _StartFailed(str(NotSupported(f"algorithm-language {settings['algorithm-language']}")))
    if flag(settings.get("force-exchange-always-open", False)):
        raise _StartFailed(str(NotSupported("force-exchange-always-open")))


def _prepare(settings: Mapping[str, Any], parameters: dict[str, str], log: Log) -> Backtest:
    """The algorithm, loaded and initialized, in a run that is ready to begin."""
    folder = Path(str(settings.get("data-folder") or "../../../Data/"))
    if not (folder / "symbol-properties" / "symbol-properties-database.csv").is_file():
        raise _StartFailed(f"Unable to locate symbol properties file: {folder}/symbol-properties/symbol-properties-database.csv")
    try:
        run = Backtest(folder, log)
    except WorkbenchError as error:
        raise _StartFailed(str(error)) from None
    kind = _load(Path(str(settings.get("algorithm-location") or "")), settings)
    QCAlgorithm._starting, QCAlgorithm._parameters = run, parameters
    QCAlgorithm._store = str(settings.get("object-store-root") or "./storage")
    try:
        run.algorithm = kind()
        hook(run.algorithm, "initialize")()
        run.algorithm.settings.check()
    except Exception as error:      # noqa: BLE001 (whatever an algorithm raises is the job's result)
        raise _StartFailed(f"Algorithm.Initialize() Error: During the algorithm initialization, the following exception has "
                           f"occurred: {error}", traceback.format_exc()) from None
    finally:
        QCAlgorithm._starting = None
    return run


def _load(path: Path, settings: Mapping[str, Any]) -> type[QCAlgorithm]:
    """The algorithm's class: in order of name, the first one defined in the file that is a QCAlgorithm."""
    if not path.is_file():
        raise _StartFailed(f"Algorithm.Initialize() Error: Unable to find the algorithm file: {path}")
    imports.install()
    more = [str(item) for item in settings.get("python-additional-paths") or []]
    sys.path[:0] = [str(path.resolve().parent), *more]
    try:
        module = _import(path)
    except BaseException as error:  # noqa: BLE001 (a file that ends the interpreter at import fails the job, not the engine)
        raise _StartFailed(f"Algorithm.Initialize() Error: Unable to import python module {path}. {type(error).__name__}: "
                           f"{error}", traceback.format_exc()) from None
    sys.stdout = Path(os.devnull).open("w")        # noqa: SIM115 (as under Lean, print() goes nowhere; the log has its own)
    for name in dir(module):
        kind = getattr(module, name)
        if inspect.isclass(kind) and issubclass(kind, QCAlgorithm) and kind.__module__ == module.__name__:
            return kind
    raise _StartFailed(f"Algorithm.Initialize() Error: Unable to import python module {path}: no class derived from QCAlgorithm")


def _import(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _ended(run: Backtest, started: datetime) -> State:
    error = run.runtime_error
    if error is None:
        return State(status="Completed", started=started)
    trace = "".join(traceback.format_exception(error))
    return State(status="RuntimeError", started=started, stack_trace=trace,
                 runtime_error=f"{run.local:%Y-%m-%d %H:%M:%S} Runtime Error: {error} at {run.error_context}")
