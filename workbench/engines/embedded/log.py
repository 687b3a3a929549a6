"""The engine's log, in Lean's form: `log.txt` for the engine, and the algorithm's own lines for `<id>-log.txt`."""

import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO


class Log:
    """Writes `<UTC time> LEVEL:: text` as it happens, to the file and to the console (errors to stderr)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("a", encoding="utf-8", newline="\n")
        self._out, self._err = sys.stdout, sys.stderr       # as they are now: an algorithm's print() is sent nowhere later
        self._last = self._last_debug = self._last_error = ""
        self.user_lines: list[str] = []
        self._said_once: set[str] = set()

    def trace(self, text: str) -> None:
        """A line of the engine."""
        self._write("TRACE", text, self._out)

    def fault(self, text: str) -> None:
        """An error of the engine."""
        self._write("ERROR", text, self._err)

    def debug(self, text: str, local: datetime) -> None:
        """`self.debug`: a line of the algorithm. The same one again, or an empty one, is left out, as by Lean."""
        if text in ("", self._last_debug):
            return
        self._last_debug = text
        self._user(text, local)
        self.trace(f"Debug: {local:%Y-%m-%d %H:%M:%S} {text}")

    def log(self, text: str, local: datetime) -> None:
        """`self.log`: a line of the algorithm."""
        self._user(text, local)
        self.trace(f"Log: {local:%Y-%m-%d %H:%M:%S} {text}")

    def error(self, text: str, local: datetime) -> None:
        """`self.error`, and what the engine reports as the algorithm's error. The same one again is left out, as by Lean."""
        if text in ("", self._last_error):
            return
        self._last_error = text
        self._user(text, local)
        self.fault(f"{local:%Y-%m-%d %H:%M:%S} {text}")

    def debug_once(self, text: str, local: datetime) -> None:
        """A warning that is given once a run."""
        if text not in self._said_once:
            self._said_once.add(text)
            self.debug(text, local)

    def runtime_error(self, error: BaseException, context: str, local: datetime) -> str:
        """An exception of the algorithm: where it was, in its own file. Returns the text of the result's state."""
        frames = traceback.extract_tb(error.__traceback__)
        place = next((f" at {frame.name} in {Path(frame.filename).name}: line {frame.lineno}" for frame in reversed(frames)
                      if "embedded" not in frame.filename), "")
        text = f"{local:%Y-%m-%d %H:%M:%S} Runtime Error: {error}{place}"
        self.fault(f"Extensions.SetRuntimeError(): Algorithm at {local:%Y-%m-%d %H:%M:%S}. RuntimeError in {context}. "
                   f"Context: {context}: {error}")
        self.fault(f"{text}\n{''.join(traceback.format_exception(error))}")
        return text

    def close(self) -> None:
        """End the file."""
        self._file.close()

    def _user(self, text: str, local: datetime) -> None:
        self.user_lines.append(f"{local:%Y-%m-%d %H:%M:%S} {text}")

    def _write(self, level: str, text: str, console: TextIO) -> None:
        """Identical consecutive messages are written once, as Lean does."""
        if text == self._last:
            return
        self._last = text
        now = datetime.now(UTC)
        self._file.write(f"{now:%Y-%m-%dT%H:%M:%S.%f}0Z {level}:: {text}\n")
        self._file.flush()
        print(f"{now:%Y%m%d %H:%M:%S}.{now.microsecond // 1000:03d} {level}:: {text}", file=console)
