"""One request to an engine. Asking for the same thing again finds it; each start of the engine is an attempt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from workbench.errors import BadInput
from workbench.words.identity import content_id
from workbench.words.intent import Rejected
from workbench.words.reading import read_fields

SCHEMA = "run/1"
MODES = ("backtest", "paper", "live")
STATES = ("queued", "running", "completed", "failed", "stopped", "abandoned")
FINAL = ("completed", "failed", "stopped", "abandoned")
OWN_PAPER = "paper"         # the account where Lean's own paper brokerage, which lives in Lean's process, is the broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A request: which decisions, under which params, by which engine, over which dates. `run.json` holds it.

    `run_id` is the content of every field but `schema`, `strategy`, `rebalance_dates` and `rejected`, which only say
    in other words what the snapshots say. `cash` is in dollars.
    """

    schema: str = SCHEMA
    run_id: str
    strategy: str
    engine: str
    engine_version: str
    mode: str
    account: str
    snapshot_ids: tuple[str, ...]
    rebalance_dates: tuple[date, ...]
    params_id: str
    data_fingerprint: str
    algorithm_sha256: str
    start: date
    end: date
    cash: Decimal
    rejected: tuple[Rejected, ...] = ()

    def __repr__(self) -> str:
        span = f"{self.rebalance_dates[0]} to {self.rebalance_dates[-1]}" if self.rebalance_dates else "no dates"
        return f"Run({self.strategy}, {len(self.rebalance_dates)} decisions, {span}, {self.engine} {self.mode}, {self.run_id})"

    def body(self) -> dict[str, Any]:
        """Every field, ready to be written."""
        return {
            "schema": self.schema, "run_id": self.run_id, "strategy": self.strategy, **_identity(self),
            "rebalance_dates": list(self.rebalance_dates),
            "rejected": [{"position": r.position, "symbol": r.symbol, "reason": r.reason} for r in self.rejected],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of an engine for a run. `status.json` holds it; `cause` says why it did not complete."""

    run_id: str
    attempt: int
    state: str
    mode: str
    queued_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    order_intent_path: str
    execution_params_path: str
    cause: str | None = None
    exit_code: int | None = None
    pid: int | None = None
    host: str | None = None

    def body(self) -> dict[str, Any]:
        """Every field, ready to be written."""
        return {name: getattr(self, name) for name in self.__slots__}


def request(
    *, strategy: str, engine: str, engine_version: str, mode: str, account: str, decisions: Mapping[date, str],
    params_id: str, data_fingerprint: str, algorithm_sha256: str, start: date, end: date, cash: Decimal,
    rejected: tuple[Rejected, ...] = ()
) -> Run:
    """A run over `decisions` (rebalance date → snapshot id), with its id."""
    if mode not in MODES:
        raise BadInput(f"mode {mode!r} is not one of {', '.join(MODES)}")
    dates = tuple(sorted(decisions))
    fields = {
        "strategy": strategy, "engine": engine, "engine_version": engine_version, "mode": mode, "account": account,
        "snapshot_ids": tuple(decisions[day] for day in dates), "rebalance_dates": dates, "params_id": params_id,
        "data_fingerprint": data_fingerprint, "algorithm_sha256": algorithm_sha256, "start": start, "end": end,
        "cash": cash, "rejected": rejected,
    }
    draft = Run(run_id="", **fields)            # type: ignore[arg-type]
    return Run(run_id=content_id("r", _identity(draft)), **fields)      # type: ignore[arg-type]


def read(body: Any, *, where: str) -> Run:
    """A run from its file. Raises `BadInput` where the content does not give the id it carries."""
    run = read_fields(Run, body, where=where)
    if run.schema != SCHEMA:
        raise BadInput(f"schema {run.schema!r} is not {SCHEMA}", where=where)
    if run.run_id != content_id("r", _identity(run)):
        raise BadInput(f"the content does not give the id {run.run_id}: the file was changed", where=where)
    return run


def read_attempt(body: Any, *, where: str) -> Attempt:
    """An attempt's status from its file."""
    attempt = read_fields(Attempt, body, where=where)
    if attempt.state not in STATES:
        raise BadInput(f"state {attempt.state!r} is not one of {', '.join(STATES)}", where=where)
    return attempt


def _identity(run: Run) -> dict[str, Any]:
    """What the id is made of (contracts §1)."""
    return {
        "engine": run.engine, "engine_version": run.engine_version, "mode": run.mode, "account": run.account,
        "snapshot_ids": list(run.snapshot_ids), "params_id": run.params_id, "data_fingerprint": run.data_fingerprint,
        "algorithm_sha256": run.algorithm_sha256, "start": run.start, "end": run.end, "cash": run.cash,
    }
