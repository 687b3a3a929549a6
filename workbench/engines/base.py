"""The seam: one way to start an engine, watch it, and read what it left, whichever engine it is.

An engine is a command that takes Lean's config file and leaves Lean's result files and our journal. Nothing is believed of
its exit code alone: success is what its files say.
"""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workbench import __version__
from workbench.engines import keeper
from workbench.engines.log import Listener, LogLine, Pulse
from workbench.errors import BadInput, EngineFailed, UnknownName

ALGORITHM = Path(__file__).parent.parent / "algorithm"
ALGORITHM_FILE = ALGORITHM / "intent_execution.py"
POLL = 0.05
Patience = tuple[tuple[str, float], ...]

# Softer first, with the seconds to wait after each. SIGINT is the only one on which Lean still writes its files; live it also
# cancels, saves and leaves the broker in order.
PATIENCE: Patience = (("SIGINT", 10.0), ("SIGTERM", 5.0), ("SIGKILL", 5.0))
PATIENCE_LIVE: Patience = (("SIGINT", 30.0), ("SIGTERM", 5.0), ("SIGKILL", 5.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """How an engine is started, where, and what it calls itself. `kind`: embedded, launcher, docker or cli."""

    name: str
    version: str
    command: tuple[str, ...]
    cwd: Path | None = None
    environment: tuple[tuple[str, str], ...] = ()
    kind: str = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One start of an engine: the whole command, where, and what it gets on top of our environment.

    `last_resort` are commands to give when a signal to our child may not have reached the engine itself (a container).
    `private` are files that hold secrets: they are removed when the engine has ended and we are no longer there to do it.
    """

    command: tuple[str, ...]
    cwd: Path
    environment: tuple[tuple[str, str], ...] = ()
    last_resort: tuple[tuple[str, ...], ...] = ()
    private: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an engine's process ended. `stopped` says why we stopped it, where we did; `killed` that it did not go when asked."""

    exit_code: int
    seconds: float
    stopped: str | None = None
    killed: bool = False


def find_engine(name: str) -> Engine:
    """The engine of that name. Raises `UnknownName` for one there is not."""
    if name == "embedded":
        return Engine(name=name, version=f"{__version__}+{_sources_digest()}",
                      command=(sys.executable, "-m", "workbench.engines.embedded"))
    raise UnknownName("engine", name, ("embedded", "lean"))


def algorithm_sha256() -> str:
    """One hash over the algorithm's files: what traded is part of a run's identity."""
    digest = hashlib.sha256()
    for path in sorted(ALGORITHM.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def start_of(engine: Engine, config: Path) -> Start:
    """The start of an engine that takes a config file and needs nothing else. Raises `BadInput` where there is no such file."""
    if not config.is_file():
        raise BadInput("no such config file", where=str(config))
    return Start(command=(*engine.command, "--config", str(config)), cwd=engine.cwd or config.parent,
                 environment=engine.environment)


def launch(
    start: Start, log: Path, *, timeout: float, stall: float | None = None, alive: Iterable[Path] = (),
    patience: Patience | None = None, hear: Callable[[LogLine], None] | None = None, watch: Callable[[], None] | None = None,
    stop: Callable[[], str | None] | None = None
) -> Ended:
    """Start an engine and wait for its end; what it prints goes to `log`, and line by line to `hear`.

    It ends with us, however we end. It is asked to stop, then told to, then killed, with the patience given, when we are
    interrupted, after `timeout` seconds, when `stop` says why, and after `stall` seconds in which neither the log nor
    anything in `alive` (files, and folders one level deep) has changed. `watch` is called now and then while it runs.
    """
    begun = time.monotonic()
    stopped, killed = None, False
    log.touch()
    listener, pulse = Listener(log), Pulse((log, *alive))
    with _Kept(start, log, patience or PATIENCE) as engine:
        while not engine.over(POLL):
            if watch is not None:
                watch()
            if hear is not None:
                for line in listener.hear():
                    hear(line)
            reason = _reason(time.monotonic() - begun, timeout, pulse, stall, stop)
            if reason is not None and (signals := engine.stop()):
                stopped, killed = reason, signals > 1
        if engine.exit_code is None:
            stopped, killed = "the process that kept the engine was killed", engine.take_over() > 1
    if hear is not None:
        for line in listener.hear(end=True):
            hear(line)
    return Ended(exit_code=engine.exit_code if engine.exit_code is not None else -signal.SIGKILL,
                 seconds=time.monotonic() - begun, stopped=stopped, killed=killed)


def _reason(seconds: float, timeout: float, pulse: Pulse, stall: float | None, stop: Callable[[], str | None] | None) -> str | None:
    """Why the engine is to be stopped now, if it is."""
    if stop is not None and (asked := stop()) is not None:
        return asked
    if seconds > timeout:
        return f"ran longer than {timeout:.0f} seconds"
    if stall is not None and pulse.silence() > stall:
        return f"gave no sign of life for {stall:.0f} seconds"
    return None


class _Kept:
    """An engine under its keeper, as its supervisor sees it. Leaving the block, however that happens, stops what still runs."""

    def __init__(self, start: Start, log: Path, patience: Patience) -> None:
        self.exit_code: int | None = None
        self._start, self._log, self._patience = start, log, patience
        self._said: dict[str, str] = {}         # what the keeper has said: engine, exit, failed
        self._over = threading.Event()

    def __enter__(self) -> "_Kept":
        environment = {**os.environ, **dict(self._start.environment)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)        # uncached imports would double the time of every start
        arguments = keeper.arguments_of(
            str(self._log.resolve()), str(self._start.cwd), self._patience, self._start.command,
            [str(path) for path in self._start.private], self._start.last_resort)
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, *arguments], env=environment, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=out, start_new_session=True)
        threading.Thread(target=self._listen, daemon=True, name="keeper").start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:        # whatever came in between, the keeper now knows that we are gone
            _close(self._process.stdin)
        self._process.wait()
        _close(self._process.stdout)

    def over(self, seconds: float) -> bool:
        """Whether it has ended, after so many seconds at most. Raises `EngineFailed` where there was nothing to start."""
        if not self._over.wait(seconds):
            return False
        if "failed" in self._said:
            raise EngineFailed(f"can't start {self._said['failed']}", log=str(self._log))
        if "exit" in self._said:
            self.exit_code = int(self._said["exit"])
        return True

    def stop(self) -> int:
        """End it, softer signals first. Returns how many it took: none where it has ended."""
        sent = keeper.stop(self._tell, self._patience, self._over.wait)
        if not self._over.wait(keeper.LAST_RESORT * len(self._start.last_resort)):
            self._process.kill()
            self._over.wait()
        return sent

    def take_over(self) -> int:
        """Stop an engine whose keeper was killed, as that one would have done. Returns how many signals it took."""
        group = int(self._said.get("engine", 0))
        if not group or os.name != "posix":
            return 0

        def gone(seconds: float) -> bool:
            until = time.monotonic() + seconds
            while keeper.signal_group(group, 0):
                if time.monotonic() >= until:
                    return False
                time.sleep(POLL)
            return True

        sent = keeper.stop(lambda name: _signal(group, name), self._patience, gone)
        keeper.give(self._start.last_resort)
        return sent

    def _tell(self, name: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):      # it has ended
            self._process.stdin.write(f"{name}\n".encode())
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            word, _, text = line.decode(errors="replace").strip().partition(" ")
            self._said[word] = text
        self._over.set()


def hold_lifeline() -> None:
    """In an engine of ours: end at once when the process that started us is gone, so that no orphan trades on."""
    handle = os.environ.get(keeper.LIFELINE)
    if handle is None or os.name != "posix":
        return

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(int(handle), 1):
                pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def _signal(group: int, name: str) -> None:
    keeper.signal_group(group, getattr(signal, name))


def _close(stream: IO[bytes] | None) -> None:
    assert stream is not None
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def _sources_digest() -> str:
    """Eight hex characters over the engine's own source: another engine is another run."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "embedded").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:8]
