"""What is installed, what is missing, and how to get it."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workbench.errors import BadInput, WorkbenchError
from workbench.settings import Settings

PACKAGES = ("duckdb", "papermill", "plotly", "ipywidgets", "voila", "pandas", "numpy", "skfolio", "bokeh-sampledata",
            "exchange-calendars", "typer", "rich")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. `state` is good, missing (something does not work without it) or optional (nicer with it)."""

    name: str
    state: str
    found: str
    remedy: str = ""


def examine(settings: Settings) -> tuple[Check, ...]:
    """Look at everything, change nothing."""
    looks: list[Callable[[], Check]] = [
        _python, _bytecode, *[partial(_package, name) for name in PACKAGES],
        lambda: _folder("data folder", settings.data, "it is made when something is recorded; `workbench init` makes one"),
        lambda: _market(settings), lambda: _store(settings), lambda: _notebooks(settings), _jupyter, _browser,
    ]
    return (*(look() for look in looks), *_lean(settings), _python_library(settings), _leftovers(), _broker(settings),
            _live(settings))


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    return Check(name="python", state="good" if good else "missing", found=platform.python_version(),
                 remedy="" if good else "install Python 3.11 or newer")


def _bytecode() -> Check:
    """Without cached bytecode every import is three to four times slower, and so is every notebook."""
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return Check(name="bytecode cache", state="optional", found="off (PYTHONDONTWRITEBYTECODE is set)",
                     remedy="unset it: seconds a notebook")
    return Check(name="bytecode cache", state="good", found="on")


def _package(name: str) -> Check:
    try:
        return Check(name=name, state="good", found=importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name=name, state="missing", found="not installed", remedy=f"pip install {name}")


def _folder(name: str, path: Path, remedy: str) -> Check:
    if not path.is_dir():
        return Check(name=name, state="optional", found=f"{path} is not there", remedy=remedy)
    writable = os.access(path, os.W_OK)
    return Check(name=name, state="good" if writable else "missing", found=str(path) + ("" if writable else " (read only)"),
                 remedy="" if writable else "make it writable, or choose another with WORKBENCH_DATA")


def _market(settings: Settings) -> Check:
    from workbench.market.folder import Market

    try:
        count = len(Market(settings.market).symbols())
    except WorkbenchError as error:
        return Check(name="market data", state="optional", found="none", remedy=str(error))
    return Check(name="market data", state="good", found=f"{count} symbols in {settings.market}")


def _store(settings: Settings) -> Check:
    from workbench.store import Store

    if not settings.store.exists():
        return Check(name="store", state="optional", found="not made yet", remedy="the first decision or run makes it")
    try:
        counts = Store(settings.store, wait=2.0).counts()
    except WorkbenchError as error:
        return Check(name="store", state="missing", found=str(error),
                     remedy="`workbench store rebuild` makes it again from the files")
    return Check(name="store", state="good",
                 found=f"{counts['runs']} runs, {counts['events']} events, {counts['bad_lines']} bad lines")


def _notebooks(settings: Settings) -> Check:
    found = sorted(path.stem for path in settings.notebooks.glob("*.ipynb"))
    if not found:
        return Check(name="notebooks", state="optional", found=f"none in {settings.notebooks}",
                     remedy="`workbench init` brings the five")
    return Check(name="notebooks", state="good", found=", ".join(found))


def _jupyter() -> Check:
    try:
        return Check(name="jupyterlab", state="good", found=importlib.metadata.version("jupyterlab"))
    except importlib.metadata.PackageNotFoundError:
        return Check(name="jupyterlab", state="optional", found="not installed",
                     remedy="pip install 'workbench[lab]', to work in notebooks by hand")


def _browser() -> Check:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        return Check(name="chromium", state="optional", found="not found", remedy="only the browser tests need it")
    return Check(name="chromium", state="good", found=found)


def _lean(settings: Settings) -> tuple[Check, ...]:
    """Each way to have Lean, and what it needs beside itself. All of it is optional: the embedded engine needs none."""
    from workbench.engines import lean

    return tuple(
        Check(name=f"lean {one.kind}", state="good" if one.engine else "optional", remedy="" if one.engine else one.remedy,
              found=f"{one.engine.version} in {one.place}" if one.engine else f"{one.missing} is missing ({one.place})")
        for one in lean.look_for_lean(settings))


def _python_library(settings: Settings) -> Check:
    from workbench.engines import lean

    name = "PYTHONNET_PYDLL"
    try:
        found = lean.find_python_library(settings)
    except BadInput as error:
        return Check(name=name, state="optional", found=error.problem, remedy=f"{error.where}: {error.remedy}")
    if found is None:
        return Check(name=name, state="optional", found=f"no {lean.PYTHON_LIBRARY} found",
                     remedy="Lean's launcher needs a Python 3.11 with pandas and wrapt: set lean_python to its library")
    return Check(name=name, state="good", found=str(found))


def _leftovers() -> Check:
    """A supervisor that was killed could not remove the file with the secrets that it gave to Lean."""
    from workbench.engines.secrets import find_leftovers

    found = find_leftovers()
    if not found:
        return Check(name="secrets", state="good", found="none left behind")
    return Check(name="secrets", state="missing", found=f"left behind by a process that was killed: {', '.join(map(str, found))}",
                 remedy="remove these folders; starting Lean removes them, too")


def _broker(settings: Settings) -> Check:
    if settings.ib_port is None:
        return Check(name="ib connection", state="optional", found="no ib_port",
                     remedy="set it to let us read executions and open orders ourselves after a crash")
    return Check(name="ib connection", state="good",
                 found=f"{settings.ib_host}:{settings.ib_port} as client {settings.ib_client_id} (not tried)")


def _live(settings: Settings) -> Check:
    account = settings.account or "none: Lean's own paper brokerage"
    if not settings.allow_live:
        return Check(name="live trading", state="optional", found=f"not allowed; account {account}",
                     remedy="only with allow_live, and `workbench arm` for one account")
    return Check(name="live trading", state="good", found=f"allowed by allow_live, once armed; account {account}")
