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


def leave(code: int) -> None:
    """End the process at once: taking a million objects apart, whose memory goes with it, is seconds of a long run.

    Files that an algorithm has left open are written out, as at an ordinary end; `__del__` methods are not called.
    """
    objects = gc.get_objects()
    kinds = {kind for kind in set(map(type, objects)) if issubclass(kind, io.IOBase)}
    files: list[Any] = [one for one in objects if type(one) in kinds]
    packed = [file for file in files if type(file).__module__ != "_io"]         # has an end of its own to write
    for end in (*(file.flush for file in files), *(file.close for file in packed), *(file.flush for file in files)):
        with contextlib.suppress(ValueError):       # closed, or without a file
            end()
    os._exit(code)


if __name__ == "__main__":
    ended: list[int] = []
    if not atexit._ncallbacks():        # registered first, it runs last: after threads are awaited and all others have ended
        atexit.register(lambda: leave(*ended) if ended else None)
    ended.append(main())
    sys.exit(*ended)
