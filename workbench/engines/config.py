"""Lean's config file: reading it as Lean's launcher does, and building one.

A key is looked up at the root, then in `environments.<environment>`, whose own `environment` may lead further down.
Lines may hold `//` comments. Unknown keys are ignored, and so is an environment without a section. (Lean,
Configuration/Config.cs.)
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput

COMMENT_OR_TEXT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)

HANDLERS = "QuantConnect.Lean.Engine"


def read_config(path: Path) -> dict[str, Any]:
    """The parsed file. Raises `BadInput` where it is missing or not an object: Lean would run something else instead."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput("no such config file", where=str(path)) from None
    try:
        parsed = json.loads(COMMENT_OR_TEXT.sub(lambda m: m[0] if m[0].startswith('"') else " ", text))
    except json.JSONDecodeError as error:
        raise BadInput(f"not JSON ({error})", where=str(path)) from None
    if not isinstance(parsed, dict):
        raise BadInput("must hold an object", where=str(path))
    return parsed


def layered(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with its environment's section laid on top of the root."""
    flat = {key: value for key, value in config.items() if key != "environments"}
    sections, name = config.get("environments") or {}, str(config.get("environment") or "")
    for part in filter(None, name.split(".")):
        section = sections.get(part)
        if not isinstance(section, Mapping):
            break
        flat |= {key: value for key, value in section.items() if key not in ("environment", "environments")}
        sections = section.get("environments") or {}
        if section.get("environment"):
            flat |= layered({**section, "environments": sections})
    return flat


def flag(value: Any) -> bool:
    """A JSON flag or its text."""
    return value if isinstance(value, bool) else str(value).strip().lower() == "true"


def parameters_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The algorithm's parameters, all text. Raises `BadInput` for a nested value, on which Lean's launcher crashes."""
    found: dict[str, str] = {}
    for name, value in (config.get("parameters") or {}).items():
        if isinstance(value, dict | list):
            raise BadInput(f"parameter '{name}' is nested; Lean takes text, numbers and flags only")
        found[name] = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return found


def backtest_config(
    *, algorithm: Path, algorithm_id: str, data_folder: Path, results: Path, parameters: Mapping[str, str],
    root: Mapping[str, Any]
) -> dict[str, Any]:
    """A complete config for a backtest, for Lean's launcher and the embedded engine alike.

    `root` holds keys of ours that readers of the config want at the top; an algorithm can read only `parameters`.
    """
    return {
        "environment": "",
        "algorithm-language": "Python",
        "algorithm-location": str(algorithm),
        "algorithm-type-name": "IntentExecution",
        "algorithm-id": algorithm_id,
        "backtest-name": algorithm_id,
        "data-folder": f"{data_folder}/",
        "results-destination-folder": str(results),
        "object-store-root": str(results / "storage"),
        "close-automatically": True,
        "debugging": False,
        "live-mode": False,
        "log-handler": "QuantConnect.Logging.CompositeLogHandler",
        "messaging-handler": "QuantConnect.Messaging.Messaging",
        "job-queue-handler": "QuantConnect.Queues.JobQueue",
        "api-handler": "QuantConnect.Api.Api",
        "map-file-provider": "QuantConnect.Data.Auxiliary.LocalDiskMapFileProvider",
        "factor-file-provider": "QuantConnect.Data.Auxiliary.LocalDiskFactorFileProvider",
        "data-provider": f"{HANDLERS}.DataFeeds.DefaultDataProvider",
        "data-channel-provider": "DataChannelProvider",
        "object-store": f"{HANDLERS}.Storage.LocalObjectStore",
        "data-aggregator": f"{HANDLERS}.DataFeeds.AggregationManager",
        "setup-handler": f"{HANDLERS}.Setup.BacktestingSetupHandler",
        "result-handler": f"{HANDLERS}.Results.BacktestingResultHandler",
        "data-feed-handler": f"{HANDLERS}.DataFeeds.FileSystemDataFeed",
        "real-time-handler": f"{HANDLERS}.RealTime.BacktestingRealTimeHandler",
        "history-provider": [f"{HANDLERS}.HistoricalData.SubscriptionDataReaderHistoryProvider"],
        "transaction-handler": f"{HANDLERS}.TransactionHandlers.BacktestingTransactionHandler",
        "job-user-id": "0",
        "api-access-token": "",
        "job-organization-id": "",
        **root,
        "parameters": dict(parameters),
    }
