"""Secrets: read where they are asked for, handed to an engine in a file that only it needs, and nowhere else.

They come from the environment, else from the keyring (service "workbench"). The config that is kept has none of them, nor
has any command line, log or parameter. A value `secret:NAME` in the config is the place of one, as for a data provider's key.
"""

import contextlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines.config import IB, SECRET_PLACE, layered
from workbench.errors import BadInput

SERVICE = "workbench"
PREFIX = "workbench-"

# What Lean calls them in its config.
CONFIG_KEYS = {
    "IB_USER_NAME": "ib-user-name", "IB_PASSWORD": "ib-password", "QC_USER_ID": "job-user-id",
    "QC_API_TOKEN": "api-access-token", "QC_ORGANIZATION_ID": "job-organization-id",
}
LOGGED_IN = ("QC_USER_ID", "QC_API_TOKEN")      # lean-cli has these itself, after `lean login`


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Names and values; only the names are ever shown."""

    values: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Secrets({', '.join(name for name, _ in self.values) or 'none'})"

    __str__ = __repr__


def needed_secrets(config: Mapping[str, Any], kind: str = "launcher") -> tuple[str, ...]:
    """The names of the secrets that Lean of this kind needs for a config, sorted.

    Where Interactive Brokers trades or gives the prices, Lean signs in there, and shows QuantConnect its licence.
    """
    flat = layered(config)
    asked = " ".join(str(flat.get(key) or "") for key in ("live-mode-brokerage", "data-queue-handler", "history-provider"))
    names = set(_places(config))
    if flat.get("live-mode") and IB in asked:
        names |= set(CONFIG_KEYS) - (set(LOGGED_IN) if kind == "cli" else set())
    return tuple(sorted(names))


def read_secrets(needed: Iterable[str]) -> Secrets:
    """The secrets of these names. Raises `BadInput` that names each missing one, and says how to give it."""
    found = {name: _read(name) for name in needed}
    missing = [name for name, value in found.items() if value is None]
    if missing:
        raise BadInput(f"missing: {', '.join(missing)}", where="secrets",
                       remedy=f"set it in the environment, or once with `keyring set {SERVICE} {missing[0]}`")
    return Secrets(values=tuple((name, value) for name, value in found.items() if value is not None))


def secret_keys(secrets: Secrets) -> dict[str, str]:
    """Lean's config keys for those secrets that have one of their own."""
    return {CONFIG_KEYS[name]: value for name, value in secrets.values if name in CONFIG_KEYS}


@contextlib.contextmanager
def private_config(config: Path, secrets: Secrets | None) -> Iterator[Path]:
    """The file that the engine is given: `config` itself where there are no secrets, else a copy of it that has them.

    The copy is its owner's alone from its creation on, in a folder that is too, and is gone at the end whatever happens.
    What killed supervisors left is removed first. Raises `BadInput` for a `secret:NAME` in the config that is not given.
    """
    if secrets is None or not secrets.values:
        yield config
        return
    remove_leftovers()
    text = to_json(_filled(files.read_json(config), dict(secrets.values)) | secret_keys(secrets)) + "\n"
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=_runtime_folder()))        # 0700 by its contract
    try:
        copy = folder / config.name
        with open(copy, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            out.write(text)
        yield copy
    finally:
        shutil.rmtree(folder)


def is_private(config: Path) -> bool:
    """Whether a config is a copy that `private_config` made."""
    return config.parent.name.startswith(PREFIX) and config.parent.parent in _folders()


def find_leftovers() -> tuple[Path, ...]:
    """Folders with secrets of supervisors that were killed: the process in the folder's name is gone."""
    found = (path for folder in _folders() for path in folder.glob(f"{PREFIX}[0-9]*-*"))
    return tuple(path for path in found if path.is_dir() and _ours(path) and not _alive(int(path.name.split("-")[1])))


def remove_leftovers() -> tuple[Path, ...]:
    """Remove what killed supervisors left. Returns the folders that were there."""
    found = find_leftovers()
    for path in found:
        shutil.rmtree(path)
    return found


def _read(name: str) -> str | None:
    return os.environ.get(name) or _from_keyring(name)


def _from_keyring(name: str) -> str | None:
    """What the keyring has, if there is one: the package is optional, and a machine without a desktop has no store."""
    try:
        keyring = importlib.import_module("keyring")
        errors = importlib.import_module("keyring.errors")
    except ModuleNotFoundError:
        return None
    try:
        found: str | None = keyring.get_password(SERVICE, name)
    except errors.KeyringError as error:
        raise BadInput(f"the keyring can't be read ({error})", where=f"secret {name}",
                       remedy="unlock it, or set the secret in the environment") from None
    return found or None


def _places(value: Any) -> Iterator[str]:
    """The names behind every `secret:NAME` in a config."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _places(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _places(inner)
    elif isinstance(value, str) and value.startswith(SECRET_PLACE):
        yield value.removeprefix(SECRET_PLACE)


def _filled(value: Any, secrets: Mapping[str, str]) -> Any:
    """The config with each `secret:NAME` replaced by its value."""
    if isinstance(value, Mapping):
        return {key: _filled(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, secrets) for inner in value]
    if isinstance(value, str) and value.startswith(SECRET_PLACE):
        name = value.removeprefix(SECRET_PLACE)
        if name not in secrets:
            raise BadInput(f"no value for {SECRET_PLACE}{name}", where="the config", remedy="give it with the other secrets")
        return secrets[name]
    return value


def _runtime_folder() -> Path:
    """A folder that does not outlive the machine's running, where there is one."""
    return next(folder for folder in _folders() if os.access(folder, os.W_OK))


def _folders() -> tuple[Path, ...]:
    given = os.environ.get("XDG_RUNTIME_DIR")
    return tuple(dict.fromkeys(path for path in (Path(given) if given else None, Path(tempfile.gettempdir()))
                               if path is not None and path.is_dir()))


def _ours(path: Path) -> bool:
    return os.name != "posix" or path.stat().st_uid == os.getuid()


def _alive(pid: int) -> bool:
    import psutil  # type: ignore[import-untyped]

    return bool(psutil.pid_exists(pid))
