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
    Setting("engine", "embedded", "Engine used where none is named: embedded or lean"),
    Setting("store_wait", "30", "Seconds to wait for the store's lock before saying who holds it"),
    Setting("engine_timeout", "3600", "Seconds after which a backtest that has not ended is stopped"),
    Setting("engine_stall", "600", "Seconds without a sign of life after which an engine is stopped"),
    Setting("lean", "", "Where Lean is: a launcher's folder, `docker`, `docker:<image>` or `cli`; empty: looked for"),
    Setting("lean_python", "", "Library of the Python 3.11 that Lean uses, for PYTHONNET_PYDLL; empty: looked for"),
    Setting("lean_config", "", "JSON file of keys laid over every config for Lean, such as a data provider's"),
    Setting("lean_data_queue", "InteractiveBrokersBrokerage", "Lean's source of live prices, on paper and live"),
    Setting("account", "", "Account at the broker for paper and live; empty: Lean's own paper brokerage, and no live"),
    Setting("allow_live", "false", "Must be true before an account can be armed for live trading"),
    Setting("ib_host", "127.0.0.1", "Machine on which IB Gateway or TWS listens"),
    Setting("ib_port", "", "Its port (Gateway: 4002 paper, 4001 live); empty: Lean uses those, and we don't connect ourselves"),
    Setting("ib_client_id", "77", "Client id of our own connection, which reads executions and open orders"),
    Setting("ib_tws_dir", "", "Folder in which IB Gateway is installed, for Lean"),
    Setting("ib_weekly_restart", "", "UTC time of IB Gateway's weekly restart, as 22:00:00, for Lean"),
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
    engine_stall: float
    lean: str
    lean_python: str
    lean_config: Path | None
    lean_data_queue: str
    account: str
    allow_live: bool
    ib_host: str
    ib_port: int | None
    ib_client_id: int
    ib_tws_dir: str
    ib_weekly_restart: str

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
        engine_stall=float(_number("engine_stall", values["engine_stall"])),
        lean=values["lean"],
        lean_python=values["lean_python"],
        lean_config=_path(root, values["lean_config"]) if values["lean_config"] else None,
        lean_data_queue=values["lean_data_queue"],
        account=values["account"].strip().upper(),
        allow_live=_flag("allow_live", values["allow_live"]),
        ib_host=values["ib_host"],
        ib_port=_port("ib_port", values["ib_port"]) if values["ib_port"] else None,
        ib_client_id=int(_number("ib_client_id", values["ib_client_id"])),
        ib_tws_dir=values["ib_tws_dir"],
        ib_weekly_restart=values["ib_weekly_restart"],
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


def _port(name: str, text: str) -> int:
    value = _number(name, text)
    if value != int(value) or value > 65535:
        raise BadInput(f"setting '{name}' must be a port up to 65535, not {text}")
    return int(value)


def _flag(name: str, text: str) -> bool:
    """Spelled out: a danger is switched on by `true` and nothing that merely resembles it."""
    if text.strip().lower() not in ("true", "false"):
        raise BadInput(f"setting '{name}' must be true or false, not {text!r}")
    return text.strip().lower() == "true"


assert {row.name for row in SETTINGS} == {field.name for field in fields(Settings)} - {"root"}
