"""A person's own strategy: `def weights(view, params)` in a file of theirs, read once, so that what is hashed is what runs.

The file may name its parameters, `PARAMETERS = {"lookback": 60}`: they are then checked and completed as a built-in's are.
Without that it takes whatever is given. Its functions get lists and floats.
"""

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workbench.errors import BadInput, UnknownName, WorkbenchError
from workbench.market.view import View
from workbench.research.parameters import SYMBOLS, complete

if TYPE_CHECKING:
    import pandas as pd

USUAL = "weights"               # the function's name where none is asked for
DEFAULTS = "PARAMETERS"
SOURCE = "source_sha256"        # among the recorded parameters: the file's content makes the decision too


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """One function of a person's file, loaded."""

    path: Path
    function: str
    run: Callable[[View, dict[str, Any]], "pd.Series[float]"]
    defaults: Mapping[str, Any] | None
    sha256: str

    @property
    def name(self) -> str:
        """What decisions are filed under: the file's stem, and the function's name unless it is the usual one."""
        return self.path.stem if self.function == USUAL else f"{self.path.stem}.{self.function}"

    @property
    def place(self) -> str:
        """`file.py:function`."""
        return f"{self.path}:{self.function}"

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter, and the file's sha256. Raises `BadInput` when a sha256 is given and the file has another."""
        if given.get(SOURCE, self.sha256) != self.sha256:
            raise BadInput(f"the file is not the one recorded (sha256 {str(given[SOURCE])[:16]}…, now {self.sha256[:16]}…)",
                           where=str(self.path), remedy="restore it, or decide anew")
        asked = {name: value for name, value in given.items() if name != SOURCE}
        defaults = dict.fromkeys(asked.keys() - {SYMBOLS}) if self.defaults is None else self.defaults
        return {**complete(asked, defaults, where=self.place), SOURCE: self.sha256}

    def answer(self, view: View, values: Mapping[str, Any]) -> "pd.Series[float]":
        """What the function says. Its own errors come as `BadInput` with their place; ours pass as they are."""
        with _placed(self.path):
            return self.run(view, {name: _loose(value) for name, value in values.items()})


def load(path: Path, function: str) -> Own:
    """Run the file and find the function. Raises `BadInput` for what is wrong in it, with the line."""
    if not path.is_file():
        raise BadInput("no such file", where=str(path))
    source = path.read_bytes()
    digest = hashlib.sha256(source).hexdigest()
    module = _module(path, source, digest)
    run = getattr(module, function, None)
    if not callable(run):
        functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        raise UnknownName("function", function, functions, where=str(path))
    try:
        inspect.signature(run).bind(None, {})
    except TypeError:
        raise BadInput(f"{function} must take two arguments, (view, params)", where=str(path)) from None
    defaults = getattr(module, DEFAULTS, None)
    if defaults is not None and not isinstance(defaults, Mapping):
        raise BadInput(f"{DEFAULTS} must be a dict of names and defaults, not {type(defaults).__name__}", where=str(path))
    return Own(path, function, run, defaults, digest)


def _module(path: Path, source: bytes, digest: str) -> ModuleType:
    """The file as a module. It is registered, under a name of its content: dataclasses and pickle look for it there."""
    module = ModuleType(f"strategy_{digest[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    with _placed(path):
        exec(compile(source, str(path), "exec"), vars(module))
    return module


@contextmanager
def _placed(path: Path) -> Iterator[None]:
    """Tell an error of a person's code with the line of their file it came through."""
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        raise BadInput(f"{type(error).__name__}: {error}", where=f"{path}:{line}" if line else str(path)) from error


def _loose(value: Any) -> Any:
    """A parameter as research has it: recorded numbers are exact and lists frozen; here they are floats and lists."""
    if isinstance(value, Decimal):
        return float(value)
    return [_loose(item) for item in value] if isinstance(value, tuple) else value
