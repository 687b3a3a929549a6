"""The kernel a notebook runs in: reached through the file system, not a port, and quiet unless something is wrong.

Ports can collide when notebooks run side by side, and a TCP port of loopback is anybody's on the machine to connect to; a
Unix socket in a folder that is the user's alone is neither. Windows has no such sockets and keeps to TCP.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.manager import AsyncKernelManager


class PrivateKernelManager(AsyncKernelManager):
    """A kernel manager over Unix sockets, whose kernel's stderr goes to `stderr_path`."""

    stderr_path: ClassVar[Path | None] = None

    def __init__(self, **options: Any) -> None:
        self._sockets = tempfile.mkdtemp(prefix="workbench-") if os.name == "posix" else None
        if self._sockets is not None:
            options |= {"transport": "ipc", "ip": f"{self._sockets}/kernel"}
        super().__init__(**options)

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        if self.stderr_path is None:
            await super()._async_launch_kernel(kernel_cmd, **options)
            return
        with self.stderr_path.open("ab") as stderr:
            await super()._async_launch_kernel(kernel_cmd, stderr=stderr, **options)

    def cleanup_ipc_files(self) -> None:
        """Called when the kernel is gone."""
        super().cleanup_ipc_files()
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
