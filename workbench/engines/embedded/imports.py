"""The module `AlgorithmImports` that an algorithm's star import finds under the embedded engine.

The names of Lean's that portfolio algorithms on US equities use, and the Python names Lean's module brings. numpy and
pandas are bound lazily: an algorithm that does not touch them does not wait for them.
"""

import importlib.util
import json
import math
import sys
import typing
from datetime import date, datetime, time, timedelta
from types import ModuleType

from workbench.engines.embedded import algorithm, clr, enums, models, orders, slices, times_in_force

LAZY = {"np": "numpy", "pd": "pandas"}


def install() -> ModuleType:
    """Make `from AlgorithmImports import *` work in this process."""
    module = ModuleType("AlgorithmImports")
    names: dict[str, object] = {
        "date": date, "datetime": datetime, "time": time, "timedelta": timedelta, "json": json, "math": math,
    }
    names |= {name: getattr(typing, name) for name in ("Any", "Callable", "Dict", "List", "Optional", "Set", "Tuple", "Union")}
    for room in (algorithm, enums, models, orders, slices, times_in_force):
        names |= {name: value for name, value in vars(room).items()
                  if isinstance(value, type) and value.__module__ == room.__name__ and not name.startswith("_")}
    names |= {name: getattr(clr, name) for name in ("ArgumentException", "InvalidOperationException", "KeyNotFoundException")}
    names["QCAlgorithmFramework"] = algorithm.QCAlgorithm
    names |= {alias: lazily(name) for alias, name in LAZY.items()}
    module.__dict__.update(names)
    module.__dict__["__all__"] = sorted(names)
    sys.modules["AlgorithmImports"] = module
    return module


def lazily(name: str) -> ModuleType:
    """A module that is imported when the first of its names is asked for."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is not installed")
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    return module
