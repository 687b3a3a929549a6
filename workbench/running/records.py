"""What is recorded, as files: snapshots, intents, params and runs under the data folder. The truth; the store only indexes it.

    snapshots/<strategy>/<rebalance_date>/<id>.json     the decision, frozen; <id>.made.json beside it: clock and versions
    intents/<snapshot id>.json                          what the engine is asked for, one item a symbol
    params/<params id>.json                             how it is traded
    runs/<run id>/run.json, intents.json, params.json   a request; under it one folder an attempt
"""

import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workbench import __version__, files
from workbench.algorithm.journal import to_json
from workbench.errors import BadInput, NotRecorded
from workbench.words import intent as intents
from workbench.words import params as params_words
from workbench.words import run as runs
from workbench.words import snapshot as snapshots
from workbench.words.params import ExecutionParams
from workbench.words.run import Attempt, Run
from workbench.words.snapshot import Snapshot

VERSIONS_KEPT = ("numpy", "pandas", "duckdb", "skfolio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """The recorded decisions of one strategy, one a rebalance date, in order of date."""

    strategy: str
    snapshots: tuple[Snapshot, ...]

    def __repr__(self) -> str:
        if not self.snapshots:
            return f"Decisions({self.strategy}, none)"
        span = f"{self.snapshots[0].rebalance_date} to {self.snapshots[-1].rebalance_date}"
        kinds = len({snapshot.parameters for snapshot in self.snapshots})
        mixed = f", {kinds} sets of parameters" if kinds > 1 else ""
        return f"Decisions({self.strategy}, {len(self.snapshots)} dates, {span}{mixed})"

    def __len__(self) -> int:
        return len(self.snapshots)

    @property
    def last(self) -> Snapshot:
        """The decision of the latest date."""
        if not self.snapshots:
            raise NotRecorded(f"a decision of '{self.strategy}'", "record one with `workbench decide`")
        return self.snapshots[-1]

    @property
    def dates(self) -> tuple[date, ...]:
        """The rebalance dates."""
        return tuple(snapshot.rebalance_date for snapshot in self.snapshots)

    def of(self, day: date) -> Snapshot:
        """The decision of one date. Raises `NotRecorded` where there is none."""
        for snapshot in self.snapshots:
            if snapshot.rebalance_date == day:
                return snapshot
        raise NotRecorded(f"a decision of '{self.strategy}' for {day}", f"recorded: {', '.join(map(str, self.dates)) or 'none'}")


def save_snapshots(data: Path, snapshots: Iterable[Snapshot], *, source: str) -> None:
    """Record decisions and their intents. The same decision again is found, and counts as the newest for its date."""
    files.write_all(pair for snapshot in snapshots for pair in _not_there(data, snapshot, source))


def _not_there(data: Path, snapshot: Snapshot, source: str) -> Iterator[tuple[Path, str]]:
    """The files of a decision, those not there that have its content for a name, and those that are of this moment."""
    folder = data / "snapshots" / snapshot.strategy / snapshot.rebalance_date.isoformat()
    for path, text in ((folder / f"{snapshot.snapshot_id}.json", to_json(snapshot.body()) + "\n"),
                       (intents_path(data, snapshot.snapshot_id), intents.text(snapshot.intents()))):
        if not files.is_there(path, text):
            yield path, text
    yield folder / f"{snapshot.snapshot_id}.made.json", to_json(made(source)) + "\n"


def made(source: str) -> dict[str, Any]:
    """Clock and versions, kept beside what they made and never hashed."""
    return {"made_at": datetime.now(UTC), "source": source, "workbench": __version__, "python": platform.python_version(),
            "platform": sys.platform, **_versions()}


@cache
def _versions() -> dict[str, str]:
    """What is installed does not change under a process that has loaded it."""
    return {name: version(name) for name in VERSIONS_KEPT}


def read_decisions(data: Path, strategy: str, *, until: date | None = None) -> Decisions:
    """The newest recorded decision of each rebalance date up to `until`.

    Raises `NotRecorded` where the strategy has none at all, naming those that have.
    """
    folder = data / "snapshots" / strategy
    if not folder.is_dir():
        known = ", ".join(sorted(path.name for path in (data / "snapshots").glob("*") if path.is_dir())) or "none yet"
        raise NotRecorded(f"a decision of '{strategy}'", f"strategies with decisions: {known}; `workbench decide` records one")
    found = []
    for day in sorted(path for path in folder.iterdir() if path.is_dir()):
        if until is None or date.fromisoformat(day.name) <= until:
            newest = max((path for path in day.glob("s*.json") if not path.name.endswith(".made.json")), key=_made_at, default=None)
            if newest is not None:
                found.append(read_snapshot(newest))
    return Decisions(strategy=strategy, snapshots=tuple(found))


def read_snapshot(path: Path) -> Snapshot:
    """A snapshot from its file; one whose content does not give its id raises `BadInput`."""
    return snapshots.read(files.read_json(path), where=str(path))


def read_intents(data: Path, snapshot_id: str) -> tuple[tuple[intents.Intent, ...], tuple[intents.Rejected, ...]]:
    """The intents of a snapshot as they stand in their file, and the items refused alone."""
    return read_intents_file(intents_path(data, snapshot_id))


def intents_path(data: Path, snapshot_id: str) -> Path:
    """Where the intents of a snapshot are recorded."""
    return data / "intents" / f"{snapshot_id}.json"


def read_intents_file(path: Path) -> tuple[tuple[intents.Intent, ...], tuple[intents.Rejected, ...]]:
    """The intents of a file, and the items refused alone."""
    return intents.read(files.read_json(path), where=str(path))


def save_params(data: Path, params: ExecutionParams) -> str:
    """Record params under their id, and return it."""
    params_id = params_words.params_id(params)
    files.write_once(data / "params" / f"{params_id}.json", to_json(params_words.body(params)) + "\n")
    return params_id


def read_params(path: Path) -> ExecutionParams:
    """Params from a file of one's own or a recorded one."""
    return params_words.read(files.read_json(path), where=str(path))


def run_folder(data: Path, run_id: str) -> Path:
    """Where a run is recorded."""
    return data / "runs" / run_id


def read_run(data: Path, run_id: str) -> Run:
    """A recorded run. A unique beginning of its id is enough; raises `NotRecorded` for one that is not there."""
    matches = sorted(path.name for path in (data / "runs").glob(f"{run_id}*") if path.is_dir())
    if len(matches) != 1 and run_id not in matches:
        remedy = f"it could be {', '.join(matches)}" if matches else "`workbench runs ls` lists what is there"
        raise NotRecorded(f"run '{run_id}'", remedy)
    path = run_folder(data, run_id if run_id in matches else matches[0]) / "run.json"
    return runs.read(files.read_json(path), where=str(path))


def attempts(data: Path, run_id: str) -> tuple[Attempt, ...]:
    """The attempts of a run, first to last."""
    folder = run_folder(data, run_id)
    found = (path / "status.json" for path in sorted(folder.glob("[0-9]*"), key=lambda path: int(path.name)))
    return tuple(runs.read_attempt(files.read_json(path), where=str(path)) for path in found if path.is_file())


def save_attempt(data: Path, attempt: Attempt) -> Path:
    """Write an attempt's status."""
    path = run_folder(data, attempt.run_id) / str(attempt.attempt) / "status.json"
    return files.write(path, to_json(attempt.body()) + "\n")


def _made_at(path: Path) -> tuple[str, str]:
    beside = path.with_name(f"{path.stem}.made.json")
    try:
        return str(files.read_json(beside).get("made_at", "")), path.name
    except BadInput:
        return "", path.name            # a snapshot without its companion is older than any with one
