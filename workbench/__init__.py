"""The workbench: what was wanted, what was traded, and why the two differ.

Everything a notebook needs is here; names are imported when they are first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from workbench.errors import WorkbenchError
    from workbench.market.folder import Market
    from workbench.running.desk import Desk
    from workbench.running.notebook import check_parameters
    from workbench.running.notebook import run as run_notebook
    from workbench.settings import Settings, read_settings
    from workbench.showing import charts
    from workbench.store import Store
    from workbench.words.identity import content_id
    from workbench.words.identity import money as exact
    from workbench.words.params import ExecutionParams
    from workbench.words.snapshot import Snapshot

__all__ = [
    "charts", "check_parameters", "content_id", "Desk", "exact", "ExecutionParams", "Market", "read_settings", "run_notebook",
    "Settings", "Snapshot", "Store", "WorkbenchError",
]

# Where each public name is, and what it is called there; a module by itself has no second part.
_ROOMS = {
    "charts": ("workbench.showing.charts", ""),
    "check_parameters": ("workbench.running.notebook", "check_parameters"),
    "content_id": ("workbench.words.identity", "content_id"),
    "Desk": ("workbench.running.desk", "Desk"),
    "exact": ("workbench.words.identity", "money"),
    "ExecutionParams": ("workbench.words.params", "ExecutionParams"),
    "Market": ("workbench.market.folder", "Market"),
    "read_settings": ("workbench.settings", "read_settings"),
    "run_notebook": ("workbench.running.notebook", "run"),
    "Settings": ("workbench.settings", "Settings"),
    "Snapshot": ("workbench.words.snapshot", "Snapshot"),
    "Store": ("workbench.store", "Store"),
    "WorkbenchError": ("workbench.errors", "WorkbenchError"),
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'workbench' has no attribute '{name}'")
    module, attribute = _ROOMS[name]
    found = import_module(module)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
