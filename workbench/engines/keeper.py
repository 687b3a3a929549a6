"""Keeps one engine: a small process between us and it, so that no engine outlives whoever started it, however that one ends.

Standard library only, and little of it: it is started as a script before every engine, without the site's packages.

The engine gets a process group of its own, nothing to read, and its output in a file. On standard input come the names of
signals to pass on, one a line; the end of that input means that the supervisor is gone, be it by kill -9, and the engine is
stopped: softly first, in the end by what nobody can ignore. Asked to end itself, the keeper asks the engine, by the SIGINT on
which Lean still writes its files. On standard output it says `engine <pid>`, and at the end `exit <code>`, or `failed <why>`
where there was nothing to start.
"""

# ruff: noqa: PTH106, PTH108, PTH120, PTH123
# pathlib would cost as much again as everything that is imported here.

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

LIFELINE = "WORKBENCH_LIFELINE"
POSIX = os.name == "posix"
LAST_RESORT = 30.0      # seconds that a command of last resort may take
SOFT = "SIGINT"


class Keeper:
    """One engine that is running, and what is known of its end."""

    def __init__(self, command: Sequence[str], cwd: str, log: str) -> None:
        self._over = threading.Event()
        self.hard = False           # a harder signal than SIGINT was needed
        self.alone = False          # the supervisor is gone
        reader, self._lifeline = os.pipe()      # an engine of ours ends where this pipe does: even the keeper can be killed
        try:
            with open(log, "ab") as out:
                self.engine = subprocess.Popen(
                    command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                    env={**os.environ, LIFELINE: str(reader)}, pass_fds=(reader,) if POSIX else (),
                    process_group=0 if POSIX else None, creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0))
        finally:
            os.close(reader)

    def wait(self) -> int:
        """The engine's exit code, at its end; whatever it left in its group goes with it."""
        code = self.engine.wait()
        self._over.set()
        if POSIX:
            signal_group(self.engine.pid, signal.SIGKILL)
        return code

    def send(self, name: str) -> None:
        """Pass a signal on."""
        self.hard = self.hard or name != SOFT
        if POSIX:
            signal_group(self.engine.pid, getattr(signal, name))
        elif name == SOFT:
            self.engine.send_signal(getattr(signal, "CTRL_BREAK_EVENT"))      # noqa: B009 (Windows alone has it)
        else:
            self.engine.kill()

    def obey(self, orders: Iterable[str], patience: Sequence[tuple[str, float]]) -> None:
        """Pass on what the supervisor says, for as long as there is one; after that, stop the engine."""
        for name in orders:
            self.send(name)
        self.alone = True
        stop(self.send, patience, self._over.wait)


def stop(send: Callable[[str], None], patience: Iterable[tuple[str, float]], gone: Callable[[float], bool]) -> int:
    """Ask, tell, kill: one signal after the other, with the seconds to wait after each, until it is gone; how many it took."""
    if gone(0):
        return 0
    steps = list(patience)
    for sent, (name, seconds) in enumerate(steps, start=1):
        send(name)
        if gone(seconds):
            return sent
    return len(steps)


def signal_group(group: int, number: int) -> bool:
    """Signal a process group (0: only look). Returns whether there was one; one that is not ours any more counts as none."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def give(commands: Iterable[Sequence[str]]) -> None:
    """Run the commands of last resort, such as `docker kill`. One that fails says only that there was nothing left to stop."""
    for command in commands:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                           timeout=LAST_RESORT)


def remove(paths: Iterable[str]) -> None:
    """Remove private files, and their folder where nothing else is in it."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(path))


def arguments_of(log: str, cwd: str, patience: Iterable[tuple[str, float]], command: Sequence[str], private: Sequence[str],
                 last_resort: Sequence[Sequence[str]]) -> list[str]:
    """The keeper's own arguments: text and lists of text, each list after its length. (JSON would cost 10 ms a start.)"""
    steps = [text for name, seconds in patience for text in (name, str(seconds))]
    lists = [steps, command, private, *last_resort]
    return [log, cwd, str(len(lists)), *(text for one in lists for text in (str(len(one)), *one))]


def main(arguments: Iterable[str]) -> None:
    """Start the engine, keep it, and say how it ended."""
    given = iter(arguments)
    log, cwd = next(given), next(given)
    steps, command, private, *last_resort = [[next(given) for _ in range(int(next(given)))] for _ in range(int(next(given)))]
    patience = [(name, float(seconds)) for name, seconds in zip(steps[::2], steps[1::2], strict=True)]
    early: list[str] = []
    send: Callable[[str], None] = early.append
    for number in (signal.SIGINT, signal.SIGTERM):      # having heard them, we let the engine hear them too, whatever our shell did
        signal.signal(number, lambda *_: send(SOFT))
    try:
        keeper = Keeper(command, cwd, log)
    except OSError as error:
        say(f"failed {error.filename or command[0]}: {error.strerror or error}")
        return
    send = keeper.send
    for name in early:
        send(name)
    say(f"engine {keeper.engine.pid}")
    threading.Thread(target=keeper.obey, args=(_lines(), patience), daemon=True).start()
    code = keeper.wait()
    if keeper.hard or code < 0:
        give(last_resort)
    if keeper.alone:
        remove(private)
    say(f"exit {code}")


def say(text: str) -> None:
    """One line to the supervisor, if it is still there."""
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode())


def _lines() -> Iterator[str]:
    """Lines of standard input, read without a buffer: a thread that waits in one would hold up the end of the process."""
    held = b""
    while more := os.read(0, 4096):
        *lines, held = (held + more).split(b"\n")
        yield from (line.decode() for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)
