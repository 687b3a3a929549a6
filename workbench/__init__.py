"""The workbench: what was wanted, what was traded, and why the two differ.

Everything a notebook needs is here; names are imported when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from workbench.errors import WorkbenchError
    from workbench.market.folder import Market
    from workbench.running.desk import Desk
    from workbench.running.notebook import check_parameters
    from workbench.running.notebook import run as run_notebook
    from workbench.settings import Settings, read_settings
    from workbench.store import Store
    from workbench.words.identity import content_id
    from workbench.words.params import ExecutionParams
    from workbench.words.snapshot import Snapshot

_ROOMS = {
    "check_parameters": ("workbench.running.notebook", "check_parameters"),
    "content_id": ("workbench.words.identity", "content_id"),
    "Desk": ("workbench.running.desk", "Desk"),
    "ExecutionParams": ("workbench.words.params", "ExecutionParams"),
    "Market": ("workbench.market.folder", "Market"),
    "read_settings": ("workbench.settings", "read_settings"),
    "run_notebook": ("workbench.running.notebook", "run"),
    "Settings": ("workbench.settings", "Settings"),
    "Snapshot": ("workbench.words.snapshot", "Snapshot"),
    "Store": ("workbench.store", "Store"),
    "WorkbenchError": ("workbench.errors", "WorkbenchError"),
}

__all__ = [
    "check_parameters", "content_id", "Desk", "ExecutionParams", "Market", "read_settings", "run_notebook", "Settings",
    "Snapshot", "Store", "WorkbenchError",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'workbench' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _ROOMS[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
