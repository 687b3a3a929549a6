"""Lean's config file: reading it as Lean's launcher does, and building one.

A key is looked up at the root, then in `environments.<environment>`, whose own `environment` may lead further down.
Lines may hold `//` comments. Unknown keys are ignored, and so is an environment without a section. (Lean,
Configuration/Config.cs.)
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, UnknownName

COMMENT_OR_TEXT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)

HANDLERS = "QuantConnect.Lean.Engine"
DISK_HISTORY = f"{HANDLERS}.HistoricalData.SubscriptionDataReaderHistoryProvider"
IB = "InteractiveBrokersBrokerage"
NO_BROKER = ("", "paper")                               # the account of Lean's own paper brokerage
GATEWAY_PORTS = {"paper": 4002, "live": 4001}           # IB Gateway's own defaults
EXTRA = "the file of the setting 'lean_config'"
SECRET_PLACE = "secret:"
SECRET_KEY = re.compile(r"password|secret|token|(api|access|private|auth)-?key|user-?(name|id)|organization-id", re.IGNORECASE)
OWN_KEYS = frozenset((
    "environment", "environments", "parameters", "algorithm-language", "algorithm-location", "algorithm-type-name",
    "algorithm-id", "backtest-name", "data-folder", "results-destination-folder", "object-store-root", "close-automatically",
    "live-mode", "live-mode-brokerage", "brokerage", "execution-intent-path", "execution-params-path", "live-cash-balance",
    "live-holdings", "ib-account", "ib-trading-mode", "ib-user-name", "ib-password", "job-user-id", "api-access-token",
    "job-organization-id",
))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt, as its engine is told. `mode` is backtest, paper or live; the account "paper" is Lean's own brokerage's.

    `resume` is what earlier attempts of the day left, `stop_file` the file whose appearance ends the trading, `deadline`
    the instant at which the algorithm ends by itself. `holdings` (symbol, instrument id, shares, average price) and `cash`
    are what Lean's own paper brokerage begins with; at a real broker they are the broker's.
    """

    mode: str
    algorithm: Path
    algorithm_id: str
    data_folder: Path
    results: Path
    intents: Path
    params: Path
    journal: Path
    run_id: str
    attempt: int
    account: str
    start: date
    end: date
    cash: Decimal
    resume: Path | None = None
    stop_file: Path | None = None
    deadline: datetime | None = None
    leave_working: bool = False
    holdings: tuple[tuple[str, str, Decimal, Decimal], ...] = ()

    @property
    def at_broker(self) -> bool:
        """Whether the orders go to a broker outside Lean's process."""
        return self.mode == "live" or (self.mode == "paper" and self.account not in NO_BROKER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How paper and live reach the market. Without a port, Lean is given IB Gateway's usual one of the mode."""

    host: str = "127.0.0.1"
    port: int | None = None
    tws_dir: str = ""
    weekly_restart: str = ""
    data_queue: str = IB


def launcher_config(job: Job, broker: Broker | None = None, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A complete config for one attempt, for Lean's launcher and the embedded engine alike; it never holds a secret.

    `extra` (the file of the setting `lean_config`) is laid over the handlers and the root. Raises `BadInput` for a key in it
    that is the attempt's own or a secret, and for live trading without an account.
    """
    broker = broker or Broker()
    name, section = _environment(job, broker)
    paths = {"execution-intent-path": str(job.intents.absolute()), "execution-params-path": str(job.params.absolute()),
             "brokerage": IB}
    config = {
        "environment": name,
        "algorithm-language": "Python",
        "algorithm-location": str(job.algorithm.absolute()),
        "algorithm-type-name": "IntentExecution",
        "algorithm-id": job.algorithm_id,
        "backtest-name": job.algorithm_id,
        "data-folder": f"{job.data_folder.absolute()}/",
        "results-destination-folder": str(job.results.absolute()),
        "object-store-root": str(job.results.absolute() / "storage"),
        "close-automatically": True,
        "debugging": False,
        "composer-dll-directory": ".",
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
        "job-user-id": "0",
        "api-access-token": "",
        "job-organization-id": "",
        **paths,
        **({"live-mode-brokerage": section["live-mode-brokerage"]} if job.mode != "backtest" else {}),
        **_accounts(job, broker),
        "parameters": {**paths, **_parameters(job)},
        "environments": {name: section},
    }
    return _overlaid(config, section, extra or {})


def _parameters(job: Job) -> dict[str, str]:
    """What the algorithm is told beside its files, all text; the rest of a live day only where there is one."""
    told: dict[str, str] = {
        "journal-path": str(job.journal.absolute()), "run-id": job.run_id, "attempt": str(job.attempt), "mode": job.mode,
        "account": job.account, "start": job.start.isoformat(), "end": job.end.isoformat(), "cash": format(job.cash, "f"),
    }
    if job.mode == "backtest":
        return told
    told["leave-working"] = "true" if job.leave_working else "false"
    if job.resume is not None:
        told["resume-path"] = str(job.resume.absolute())
    if job.stop_file is not None:
        told["stop-path"] = str(job.stop_file.absolute())
    if job.deadline is not None:
        told["deadline"] = f"{job.deadline.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return told


def _environment(job: Job, broker: Broker) -> tuple[str, dict[str, Any]]:
    """The name of Lean's environment and its section: which handlers run the job (Lean, Launcher/config.json)."""
    if job.mode == "backtest":
        return "backtesting", {
            "live-mode": False,
            "setup-handler": f"{HANDLERS}.Setup.BacktestingSetupHandler",
            "result-handler": f"{HANDLERS}.Results.BacktestingResultHandler",
            "data-feed-handler": f"{HANDLERS}.DataFeeds.FileSystemDataFeed",
            "real-time-handler": f"{HANDLERS}.RealTime.BacktestingRealTimeHandler",
            "history-provider": [DISK_HISTORY],
            "transaction-handler": f"{HANDLERS}.TransactionHandlers.BacktestingTransactionHandler",
        }
    if job.mode not in ("paper", "live"):
        raise UnknownName("mode", job.mode, ("backtest", "paper", "live"))
    if job.mode == "live" and job.account in NO_BROKER:
        raise BadInput("live trading needs an account", where="account", remedy="set WORKBENCH_ACCOUNT, or choose paper")
    kind = "Brokerage" if job.at_broker else "Backtesting"
    return "live-interactive" if job.at_broker else "live-paper", {
        "live-mode": True,
        "live-mode-brokerage": IB if job.at_broker else "PaperBrokerage",
        "setup-handler": f"{HANDLERS}.Setup.BrokerageSetupHandler",
        "result-handler": f"{HANDLERS}.Results.LiveTradingResultHandler",
        "data-feed-handler": f"{HANDLERS}.DataFeeds.LiveTradingDataFeed",
        "data-queue-handler": [broker.data_queue],
        "real-time-handler": f"{HANDLERS}.RealTime.LiveTradingRealTimeHandler",
        "history-provider": _history(job, broker),
        "transaction-handler": f"{HANDLERS}.TransactionHandlers.{kind}TransactionHandler",
        **({"minimum-transaction-threads": 1, "maximum-transaction-threads": 1} if job.at_broker else {}),  # ours is the order
    }


def _history(job: Job, broker: Broker) -> list[str]:
    """Who knows the past: the broker, else a brokerage that only gives the prices, then the disk.

    Under a paper brokerage the one that gives the prices is asked by a name that Lean takes apart (Lean,
    Common/Data/HistoryExtensions.cs); a queue that is no brokerage has no history.
    """
    queue = broker.data_queue.rpartition(".")[2]
    if job.at_broker:
        return ["BrokerageHistoryProvider", DISK_HISTORY]
    return [f"{HANDLERS}.HistoricalData.{queue}HistoryProvider", DISK_HISTORY] if queue.endswith("Brokerage") else [DISK_HISTORY]


def _accounts(job: Job, broker: Broker) -> dict[str, Any]:
    """Where the money is: nothing in a backtest; a beginning for Lean's paper brokerage; the gateway where IB is asked."""
    if job.mode == "backtest":
        return {}
    keys: dict[str, Any] = {} if job.at_broker else {
        "live-cash-balance": [{"currency": "USD", "amount": job.cash}], "live-holdings": [_holding(*item) for item in job.holdings],
    }
    if job.at_broker or broker.data_queue.endswith(IB):
        keys |= {
            "ib-account": job.account if job.at_broker else "",
            "ib-user-name": "",
            "ib-password": "",
            "ib-host": broker.host,
            "ib-port": str(broker.port or GATEWAY_PORTS[job.mode]),
            "ib-agent-description": "Individual",
            "ib-trading-mode": job.mode,
            "ib-enable-delayed-streaming-data": False,
            "ib-financial-advisors-group-filter": "",
            "ib-weekly-restart-utc-time": broker.weekly_restart,
            **({"ib-tws-dir": broker.tws_dir} if broker.tws_dir else {}),
        }
    return keys


def _holding(symbol: str, instrument_id: str, shares: Decimal, price: Decimal) -> dict[str, Any]:
    """One holding as Lean reads it (Lean, Common/Global.cs, HoldingJsonConverter; Common/SymbolJsonConverter.cs)."""
    return {"symbol": {"value": symbol, "id": instrument_id, "permtick": symbol}, "a": price, "q": shares}


def _overlaid(config: dict[str, Any], section: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The config with a user's own keys on top: in the section, which wins, where that has the key; else at the root."""
    for key, value in extra.items():
        if key.lower() in OWN_KEYS:
            raise BadInput(f"'{key}' is the attempt's own", where=EXTRA, remedy="remove it")
        _refuse_secrets(key, value)
        (section if key in section else config)[key] = value
    return config


def _refuse_secrets(key: str, value: Any) -> None:
    """A secret must not come to lie in a file that is kept: its place is taken by `secret:NAME`."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _refuse_secrets(f"{key}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_secrets(key, inner)
    elif SECRET_KEY.search(key) and value and not str(value).startswith(SECRET_PLACE):
        raise BadInput(f"'{key}' looks like a secret", where=EXTRA,
                       remedy=f"write \"{SECRET_PLACE}NAME\" there, and give NAME by the environment or the keyring")
