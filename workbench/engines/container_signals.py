"""Runs a command that keeps a container, and turns a soft signal into one that reaches what runs inside.

Standard library only: it is started as a script. lean-cli, where its output is not a terminal, kills its container at the
first SIGINT (lean-cli, lean/components/docker/docker_manager.py), and Lean in it could neither cancel nor write its results.
So the command runs in a session of its own, where our signals don't reach it, and the container is signalled by its name.
"""

import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

PATIENCE = 30.0     # seconds that docker may take to pass a signal on


def main(docker: str, container: str, command: Sequence[str]) -> int:
    """The command's exit code, at its end."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def pass_on(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        try:
            sent = subprocess.run([docker, "kill", "--signal", name, container], stdin=subprocess.DEVNULL, check=False,
                                  timeout=PATIENCE).returncode == 0
        except subprocess.TimeoutExpired:
            sent = False
        if not sent:
            child.send_signal(number)       # no container yet, or none that answers: the command itself is all there is

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
