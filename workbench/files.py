"""Files that are whole or not there: a reader never sees half of one, and a crash never leaves one."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.errors import BadInput


def write(path: Path, data: bytes | str | Iterable[str], *, private: bool = False) -> Path:
    """Write under a temporary name, force it to the disk, then rename: the file appears whole or not at all.

    Texts of an iterable are written one after the other, so that a long file is never whole in memory. `private` makes it
    readable by its owner alone. The folder is created when it is missing.
    """
    _put(path, data, private)
    _sync_folder(path.parent)
    return path


def write_all(contents: Iterable[tuple[Path, bytes | str]]) -> None:
    """Write files one after the other, each as `write` does, and force their folders to the disk once, at the end.

    On an error those before it are there, whole.
    """
    folders: dict[Path, None] = {}
    try:
        for path, data in contents:
            _put(path, data, private=False)
            folders[path.parent] = None
    finally:
        for folder in folders:
            _sync_folder(folder)


def _put(path: Path, data: bytes | str | Iterable[str], private: bool) -> None:
    """A file under its name, its content on the disk; its name may not be there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, 0o600 if private else 0o666)) as out:
            parts = [data] if isinstance(data, bytes | str) else data
            out.writelines(part.encode() if isinstance(part, str) else part for part in parts)
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def write_once(path: Path, data: bytes | str) -> Path:
    """Write a file named after its content: the second time, the same bytes are found and nothing is written.

    Raises `BadInput` when the file is there with other content: a name that is a hash never changes its meaning.
    """
    return path if is_there(path, data) else write(path, data)


def is_there(path: Path, data: bytes | str) -> bool:
    """Whether a file is there with this content. Raises `BadInput` when it is there with other content."""
    if not path.exists():
        return False
    if path.read_bytes() != (data.encode() if isinstance(data, str) else data):
        raise BadInput("already exists with other content", where=str(path), remedy="move it away and run again")
    return True


def read_json(path: Path) -> Any:
    """Read a JSON file with exact numbers (`Decimal`). A missing or broken file is named in the error."""
    try:
        return json.loads(path.read_bytes(), parse_float=Decimal)
    except FileNotFoundError:
        raise BadInput("no such file", where=str(path)) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"not JSON ({error})", where=str(path)) from None


def sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Windows can't open a folder, and needs no such call."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
