"""`self.object_store`: files of an algorithm's own under the config's `object-store-root` (Lean: LocalObjectStore)."""

import re
from collections.abc import Iterator
from pathlib import Path

from workbench.engines.embedded.clr import ArgumentException, ClrObject, KeyNotFoundException, KeyValuePair

KEYS = re.compile(r"\.?[a-zA-Z0-9\\/_#\-$= ]+\.?[a-zA-Z0-9]*")


class ObjectStore(ClrObject):
    """Keys are relative paths. Text is UTF-8."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def keys(self) -> list[str]:
        if not self._root.is_dir():
            return []
        return sorted(path.relative_to(self._root).as_posix() for path in self._root.rglob("*") if path.is_file())

    @property
    def count(self) -> int:
        return len(self.keys)

    def contains_key(self, path: str) -> bool:
        return self._path(path).is_file()

    def read(self, path: str) -> str:
        return self.read_bytes(path).decode("utf-8")

    def read_string(self, path: str) -> str:
        return self.read(path)

    def read_bytes(self, path: str) -> bytes:
        file = self._path(path)
        if not file.is_file():
            raise KeyNotFoundException(f"Object with path '{path}' was not found in the current project. Please use "
                                       "'ObjectStore.ContainsKey(key)' to check if an object exists before attempting to read.")
        return file.read_bytes()

    def save(self, path: str, text: str) -> bool:
        return self.save_bytes(path, text.encode("utf-8"))

    def save_string(self, path: str, text: str) -> bool:
        return self.save(path, text)

    def save_bytes(self, path: str, contents: bytes) -> bool:
        if not KEYS.fullmatch(path):
            raise ArgumentException(f"LocalObjectStore: path is not supported: '{path}'")
        file = self._path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(contents))
        return True

    def delete(self, path: str) -> bool:
        file = self._path(path)
        found = file.is_file()
        file.unlink(missing_ok=True)
        return found

    def clear(self) -> None:
        for key in self.keys:
            self._path(key).unlink()

    def get_file_path(self, path: str) -> str:
        """Where the object is, or would be: for a library that reads and writes files itself."""
        file = self._path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        return str(file)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return (KeyValuePair(key, self._path(key).read_bytes()) for key in self.keys)

    def _path(self, key: str) -> Path:
        """The file of a key. Raises ArgumentException for one that leads outside."""
        path = (self._root / key.lstrip(".").lstrip("/\\").replace("\\", "/")).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ArgumentException(f"LocalObjectStore: path is not supported: '{key}'")
        return path
