"""The module `AlgorithmImports` that an algorithm's star import finds under the embedded engine.

The names of Lean's that portfolio algorithms on US equities use, those it does not have in their place, and the Python names
Lean's module brings. numpy, pandas and pyplot are bound lazily: an algorithm that does not touch them does not wait for them.
"""

import importlib
import importlib.util
import json
import math
import sys
import typing
from datetime import date, datetime, time, timedelta
from types import ModuleType
from typing import Any

from workbench.engines.embedded import (
    algorithm,
    clr,
    enums,
    exchange,
    fill_models,
    history,
    initializers,
    models,
    names,
    object_store,
    orders,
    portfolio,
    requests,
    rules,
    schedule,
    securities,
    settings,
    slices,
    times_in_force,
    transactions,
    utilities,
    views,
)
from workbench.engines.embedded.absent import Absent

ROOMS = (algorithm, enums, exchange, fill_models, history, initializers, models, object_store, orders, portfolio, requests, rules,
         schedule, securities, settings, slices, times_in_force, transactions, utilities, views)
ERRORS = ("ArgumentException", "InvalidOperationException", "KeyNotFoundException", "NullReferenceException")
LAZY = {"np": "numpy", "pd": "pandas", "plt": "matplotlib.pyplot"}


def install() -> ModuleType:
    """Make `from AlgorithmImports import *` work in this process."""
    module = ModuleType("AlgorithmImports")
    found: dict[str, object] = {name: Absent(name, place) for name, place in names.namespaces().items()}
    found |= {name: getattr(typing, name) for name in typing.__all__}
    found |= {"date": date, "datetime": datetime, "time": time, "timedelta": timedelta, "json": json, "math": math}
    for room in ROOMS:
        found |= {name: value for name, value in vars(room).items()
                  if isinstance(value, clr.CLRMetatype) and value.clr_name and value.__name__ == name}
    found |= {name: getattr(clr, name) for name in ERRORS}
    found |= {"Exception": Exception, "QCAlgorithmFramework": algorithm.QCAlgorithm,
              "QCAlgorithmFrameworkBridge": algorithm.QCAlgorithm}
    found |= {alias: lazily(name) for alias, name in LAZY.items() if importlib.util.find_spec(name.split(".")[0]) is not None}
    module.__dict__.update(found)
    module.__dict__["__all__"] = sorted(found)
    sys.modules["AlgorithmImports"] = module
    _install_namespaces(found)
    return module


def _install_namespaces(found: dict[str, object]) -> None:
    """The modules that older algorithms name one by one: `clr`, whose references are there, and .NET's namespaces."""
    bridge = ModuleType("clr")
    bridge.__dict__["AddReference"] = lambda _: None
    sys.modules["clr"] = bridge
    for name, namespace in names.namespaces().items():
        parts = namespace.split(".")
        for depth in range(1, len(parts) + 1):
            place = ".".join(parts[:depth])
            inner = sys.modules.setdefault(place, ModuleType(place))
            inner.__dict__.setdefault("__path__", [])
            if depth > 1:
                setattr(sys.modules[".".join(parts[:depth - 1])], parts[depth - 1], inner)
        setattr(sys.modules[namespace], name, found[name])


def lazily(name: str) -> ModuleType:
    """A module that is imported when the first of its names is asked for."""
    return sys.modules[name] if name in sys.modules else _Awaited(name)


class _Awaited(ModuleType):
    """Stands for a module until it is needed: finding a submodule would import its package."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)
