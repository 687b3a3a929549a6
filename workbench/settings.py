"""The table of settings: where things are, and the few numbers a person may want to change.

Read once, by the caller (a notebook, the command line), and passed on as a value; nothing below reads the environment.
Order: the environment (`WORKBENCH_<NAME>`), then `workbench.toml` at the project's root, then the default.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, UnknownName

PROJECT_FILE = "workbench.toml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting("data", "data", "Folder of everything recorded: snapshots, intents, params, runs, and the store's file"),
    Setting("market", "", "Lean data folder that decisions and backtests read; empty: `market` inside `data`"),
    Setting("reports", "reports", "Folder of executed notebooks and HTML reports"),
    Setting("notebooks", "notebooks", "Folder of the five notebooks"),
    Setting("cash", "100000", "US dollars a backtest starts with"),
    Setting("engine", "embedded", "Engine used where none is named: embedded"),
    Setting("store_wait", "30", "Seconds to wait for the store's lock before saying who holds it"),
    Setting("engine_timeout", "3600", "Seconds after which an engine that has not ended is stopped"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings in force. Paths are absolute, anchored at the project's root."""

    root: Path
    data: Path
    market: Path
    reports: Path
    notebooks: Path
    cash: Decimal
    engine: str
    store_wait: float
    engine_timeout: float

    @property
    def store(self) -> Path:
        """The DuckDB file: an index that can be rebuilt from the other files at any time."""
        return self.data / "workbench.duckdb"


def read_settings(start: Path | str | None = None, **overrides: object) -> Settings:
    """The settings for a project: the folder above `start` (default: here) that holds `workbench.toml`, else `start`.

    Keyword arguments win over the environment and the file. Raises `UnknownName` for a setting that does not exist
    and `BadInput` for a value of the wrong kind.
    """
    here = Path(start).resolve() if start is not None else Path.cwd()
    root = project_root(here)
    values: dict[str, str] = {row.name: row.default for row in SETTINGS}
    values |= _from_file(root / PROJECT_FILE)
    values |= _from_environment(os.environ)
    for name, value in overrides.items():
        if name not in values:
            raise UnknownName("setting", name, values)
        if value is not None:
            values[name] = str(value)
    data = _path(root, values["data"])
    return Settings(
        root=root,
        data=data,
        market=_path(root, values["market"]) if values["market"] else data / "market",
        reports=_path(root, values["reports"]),
        notebooks=_path(root, values["notebooks"]),
        cash=_number("cash", values["cash"]),
        engine=values["engine"],
        store_wait=float(_number("store_wait", values["store_wait"])),
        engine_timeout=float(_number("engine_timeout", values["engine_timeout"])),
    )


def project_root(start: Path) -> Path:
    """The nearest folder at or above `start` with a `workbench.toml`; `start` itself where there is none."""
    for folder in (start, *start.parents):
        if (folder / PROJECT_FILE).is_file():
            return folder
    return start


def _from_file(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"not TOML ({error})", where=str(path)) from None
    known = {row.name for row in SETTINGS}
    for name in table:
        if name not in known:
            raise UnknownName("setting", name, known, where=str(path))
    return {name: str(value) for name, value in table.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    named = {row.name: f"WORKBENCH_{row.name.upper()}" for row in SETTINGS}
    return {name: environment[key] for name, key in named.items() if environment.get(key)}


def _path(root: Path, text: str) -> Path:
    return (root / Path(text).expanduser()).resolve()


def _number(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise BadInput(f"setting '{name}' is not a number: {text!r}") from None
    if not value.is_finite() or value <= 0:
        raise BadInput(f"setting '{name}' must be above zero, not {text}")
    return value


assert {row.name for row in SETTINGS} == {field.name for field in fields(Settings)} - {"root"}
