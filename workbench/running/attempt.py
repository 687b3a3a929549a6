"""One attempt at a run: its folder and config, its engine started and watched, and what came of it, in every mode."""

import os
import platform
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import base, lean
from workbench.engines import outcome as outcomes
from workbench.engines.config import Job, launcher_config
from workbench.engines.log import LogLine
from workbench.engines.secrets import needed_secrets, private_config, read_secrets
from workbench.market.folder import Market
from workbench.running import differences, records
from workbench.running.follow import following
from workbench.running.stopping import TAG
from workbench.settings import Settings
from workbench.store import Store
from workbench.words.run import Attempt, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """A run and the attempt that counts, with what the engine left; `found` where it had been run before."""

    run: Run
    attempt: Attempt
    outcome: outcomes.Outcome
    folder: Path
    found: bool

    def __repr__(self) -> str:
        end = f", end equity {self.outcome.end_equity:,.2f}" if self.outcome.end_equity is not None else ""
        return f"Executed({self.run!r}, attempt {self.attempt.attempt} {self.attempt.state}{end})"

    @property
    def ended(self) -> bool:
        """Whether the attempt came to its end in good order."""
        return self.attempt.state == "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How an attempt is watched: the seconds it may take, what is told of it meanwhile, and what may end it.

    `hear` gets each line of the engine's log, `look` is called now and then, `stop` says why it is to end; `store` is kept up
    to date while it runs.
    """

    timeout: float
    patience: base.Patience = base.PATIENCE
    hear: Callable[[LogLine], None] | None = None
    look: Callable[[], None] | None = None
    stop: Callable[[], str | None] | None = None
    store: Store | None = None


def find_engine(name: str, settings: Settings) -> base.Engine:
    """The engine of that name on this machine. Raises `UnknownName`, and `MissingTool` where it is not installed."""
    return lean.find_lean(settings) if name == "lean" else base.find_engine(name)


def configure(data: Path, market: Market, run: Run, settings: Settings, **told: Any) -> tuple[Attempt, Job]:
    """Write the next attempt's folder: its config, without any secret, and a status that says queued.

    `told` is what a live day's job has beside the run's own (`Job`).
    """
    folder = records.run_folder(data, run.run_id).absolute()
    number = 1 + max((int(path.name) for path in folder.glob("[0-9]*")), default=0)
    place = folder / str(number)
    place.mkdir()
    job = Job(**{
        "mode": run.mode, "algorithm": base.ALGORITHM_FILE, "algorithm_id": f"{run.run_id}-{number}",
        "data_folder": market.path.resolve(), "results": place / "results", "intents": folder / "intents.json",
        "params": folder / "params.json", "journal": place / "journal.jsonl", "run_id": run.run_id, "attempt": number,
        "account": run.account, "start": run.start, "end": run.end, "cash": run.cash, **told})
    extra = lean.extra_of(settings) if run.engine == "lean" else {}
    files.write(place / "lean.json", to_json(launcher_config(job, lean.broker_of(settings), extra)) + "\n")
    attempt = Attempt(
        run_id=run.run_id, attempt=number, state="queued", mode=run.mode, queued_at=datetime.now(UTC),
        order_intent_path=str(job.intents), execution_params_path=str(job.params),
    )
    records.save_attempt(data, attempt)
    return attempt, job


def supervise(
    data: Path, run: Run, attempt: Attempt, job: Job, *, engine: base.Engine, settings: Settings, watch: Watch
) -> Executed:
    """Start the engine on a configured attempt, watch it to its end, and judge what it left; its status is kept throughout.

    Lean's own files are held against the journal then, and what differs is written beside them. Nothing is raised for an
    attempt that failed: its outcome says so. An error or an interrupt of ours is recorded, the engine stopped, and raised.
    """
    place = job.journal.parent
    attempt = replace(attempt, state="running", started_at=datetime.now(UTC), pid=os.getpid(), host=platform.node())
    records.save_attempt(data, attempt)
    try:
        ended = _launch(data, attempt, job, engine, settings, watch)
    except BaseException as error:
        state = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        cause = f"{type(error).__name__}: {error}"
        records.save_attempt(data, replace(attempt, state=state, ended_at=datetime.now(UTC), cause=cause))
        raise
    outcome = outcomes.read_outcome(job.results, job.algorithm_id, job.journal, ended, log=place / "log.txt", mode=run.mode)
    state = "completed" if outcome.complete else "stopped" if outcome.failure == "stopped" else "failed"
    attempt = replace(attempt, state=state, ended_at=datetime.now(UTC), cause=outcome.cause, exit_code=ended.exit_code)
    records.save_attempt(data, attempt)
    if engine.kind != "embedded":
        differences.record(place, differences.compare_with_lean(job.results, job.algorithm_id, job.journal))
    return Executed(run=run, attempt=attempt, outcome=outcome, folder=place, found=False)


def judge(folder: Path, run: Run, attempt: Attempt) -> Executed:
    """An attempt that has ended, as its files tell of it now; `folder` is the run's."""
    place = folder / str(attempt.attempt)
    ended = base.Ended(exit_code=attempt.exit_code or 0, seconds=0.0)
    outcome = outcomes.read_outcome(place / "results", f"{run.run_id}-{attempt.attempt}", place / "journal.jsonl", ended,
                                    log=place / "log.txt", mode=run.mode)
    return Executed(run=run, attempt=attempt, outcome=outcome, folder=place, found=True)


def _launch(data: Path, attempt: Attempt, job: Job, engine: base.Engine, settings: Settings, watch: Watch) -> base.Ended:
    place, kept = job.journal.parent, job.journal.parent / "lean.json"
    needed = needed_secrets(files.read_json(kept), engine.kind) if engine.kind != "embedded" else ()
    followed = following(watch.store, data, attempt.run_id, attempt.attempt) if watch.store is not None else nullcontext()
    with private_config(kept, read_secrets(needed) if needed else None) as config, followed:
        start = lean.start(engine, job, config)
        start = replace(start, environment=(*start.environment, (TAG, str(place.resolve()))))
        return base.launch(start, place / "log.txt", timeout=watch.timeout, stall=settings.engine_stall,
                           alive=(job.journal, job.results), patience=watch.patience, hear=watch.hear, watch=watch.look,
                           stop=watch.stop)
