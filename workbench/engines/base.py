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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workbench import __version__
from workbench.engines.log import Listener, LogLine, Pulse
from workbench.errors import BadInput, UnknownName

ALGORITHM = Path(__file__).parent.parent / "algorithm"
ALGORITHM_FILE = ALGORITHM / "intent_execution.py"
LIFELINE = "WORKBENCH_LIFELINE"
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
    raise UnknownName("engine", name, ("embedded",))


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
    patience = PATIENCE if patience is None else patience
    log.touch()
    listener, pulse = Listener(log), Pulse((log, *alive))
    with log.open("ab") as out, _child(start, out) as child:
        try:
            while child.poll() is None:
                time.sleep(POLL)
                if watch is not None:
                    watch()
                if hear is not None:
                    for line in listener.hear():
                        hear(line)
                stopped = _reason(time.monotonic() - begun, timeout, pulse, stall, stop)
                if stopped is not None:
                    killed = _stop(child, patience)
        finally:
            if child.poll() is None:
                _stop(child, patience)
    if hear is not None:
        for line in listener.hear(end=True):
            hear(line)
    return Ended(exit_code=child.returncode, seconds=time.monotonic() - begun, stopped=stopped, killed=killed)


def _reason(seconds: float, timeout: float, pulse: Pulse, stall: float | None, stop: Callable[[], str | None] | None) -> str | None:
    """Why the engine is to be stopped now, if it is."""
    if stop is not None and (asked := stop()) is not None:
        return asked
    if seconds > timeout:
        return f"ran longer than {timeout:.0f} seconds"
    if stall is not None and pulse.silence() > stall:
        return f"gave no sign of life for {stall:.0f} seconds"
    return None


@contextlib.contextmanager
def _child(start: Start, out: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The engine's process, holding the far end of a pipe that closes when we are gone."""
    reader, writer = os.pipe()
    environment = {**os.environ, **dict(start.environment), LIFELINE: str(reader)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)        # uncached imports would double the time of every start
    try:
        child = subprocess.Popen(
            start.command, cwd=start.cwd, env=environment,
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            pass_fds=(reader,) if os.name == "posix" else (),
        )
    except OSError:
        os.close(writer)
        raise
    finally:
        os.close(reader)
    try:
        yield child
    finally:
        os.close(writer)


def hold_lifeline() -> None:
    """In an engine of ours: end at once when the process that started us is gone, so that no orphan trades on."""
    handle = os.environ.get(LIFELINE)
    if handle is None or os.name != "posix":
        return

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(int(handle), 1):
                pass
        os._exit(3)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def _stop(child: subprocess.Popen[bytes], patience: Patience) -> bool:
    """End the child, softer signals first. Returns whether more than the first was needed."""
    for number, (name, seconds) in enumerate(patience):
        signal_number = getattr(signal, name, signal.SIGTERM)
        with contextlib.suppress(ProcessLookupError):
            if os.name == "posix":
                os.killpg(child.pid, signal_number)
            else:
                child.send_signal(signal_number)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return number > 0
    return True


def _sources_digest() -> str:
    """Eight hex characters over the engine's own source: another engine is another run."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "embedded").glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:8]
