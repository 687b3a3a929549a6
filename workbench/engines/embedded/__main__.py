"""`python -m workbench.engines.embedded --config lean.json`: the command line of Lean's launcher, for the embedded engine.

Every option of the launcher that changes a backtest is taken; an option it does not have is an error, as it is there.
"""

import argparse
import atexit
import contextlib
import gc
import io
import os
import sys
from pathlib import Path
from typing import Any

from workbench.engines.base import hold_lifeline
from workbench.engines.config import read_config
from workbench.engines.embedded.launcher import launch
from workbench.errors import BadInput

OPTIONS = (
    "algorithm-id", "algorithm-language", "algorithm-location", "algorithm-type-name", "backtest-name", "close-automatically",
    "data-folder", "environment", "results-destination-folder",
)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where the job completed, 1 where it failed, 2 where it could not be understood."""
    parser = argparse.ArgumentParser(prog="workbench.engines.embedded", allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=Path("config.json"))
    parser.add_argument("--parameters", default="", help="name:value,name:value, over those of the config")
    for option in OPTIONS:
        parser.add_argument(f"--{option}")
    given = vars(parser.parse_args(arguments))
    hold_lifeline()
    gc.set_threshold(200_000, 200, 200)         # orders and events stay to the end: looking for rubbish among them finds none
    try:
        config = read_config(given.pop("config"))
    except BadInput as error:
        print(error, file=sys.stderr)       # noqa: T201 (a command line speaks to stderr)
        return 2
    extra = dict(item.split(":", 1) for item in given.pop("parameters").split(",") if ":" in item)
    overrides: dict[str, Any] = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
    return launch({**config, **overrides, "parameters": {**(config.get("parameters") or {}), **extra}})


class QuickEnd:
    """The end of the process without the interpreter's own, which takes all orders and events apart, one by one.

    It comes after everything else that is to be done at exit: threads have ended, and what others have asked for has run. Files
    that an algorithm has left open are written out, as they would have been.
    """

    FILE: Any = io.IOBase.__mro__[1]             # what stands behind io.IOBase, and answers faster whether something is of its kind

    def __init__(self) -> None:
        self.code: int | None = None
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.code is None:               # an exception: let the interpreter say so
            return
        files: list[Any] = [one for one in gc.get_objects() if isinstance(one, self.FILE)]
        packed = [file for file in files if type(file).__module__ != "_io"]         # has an end of its own
        for end in (*(file.flush for file in files), *(file.close for file in packed), *(file.flush for file in files)):
            with contextlib.suppress(Exception):
                end()
        os._exit(self.code)


if __name__ == "__main__":
    end = QuickEnd()
    end.code = main()
    sys.exit(end.code)
