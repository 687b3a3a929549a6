"""Lean's launcher as it was seen to behave, and every way in which it ends: what a person is told, and that nothing is left."""

import itertools
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin.matrix import CASES, Case, Seen, play, table
from tests.standin_fixtures import INVENTED, Lean, give
from tests.standin_fixtures import lean as lean
from workbench.engines import base
from workbench.engines.lean import find_lean, start
from workbench.settings import read_settings

RECORDED = Path(__file__).parents[2] / "shared" / "lean-golden" / "raw"


@pytest.fixture(scope="module")
def seen() -> Iterator[list[tuple[Case, Seen]]]:
    """What came of each case, printed as a table at the end (`pytest -s`)."""
    found: list[tuple[Case, Seen]] = []
    yield found
    sys.stdout.write(f"\n{table(found)}\n")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_each_end_is_told_with_its_cause(case: Case, tmp_path: Path, lean: Lean, seen: list[tuple[Case, Seen]]):
    """The right error with the right words and place, in time, whatever the exit code; and no process is left."""
    found = play(case, tmp_path / "attempt", lean)
    seen.append((case, found))

    assert (found.error, found.state) == (case.error, case.state)
    assert case.says in found.text
    assert found.place.startswith(case.place)
    assert bool(found.place) == bool(case.place)
    assert found.code in case.codes or not case.codes
    assert found.seconds < case.seconds
    assert found.alive == ()


def test_the_workbench_finds_it_and_starts_it_as_it_does_lean(tmp_path, lean):
    """By its folder in the settings: version from its files, command, folder; the attempt is complete."""
    settings = read_settings(tmp_path, lean=str(lean.folder))
    engine = find_lean(settings)
    given = give(tmp_path / "attempt")
    ended, outcome, heard = given.launch(start(engine, given.job, given.config))

    assert engine.version.startswith("2.5.0.0+")
    assert ended.exit_code == -signal.SIGABRT
    assert outcome.complete
    assert [line.text for line in heard if line.text.startswith("Engine.Main(): Analysis Completed")]


def test_it_trades_as_the_embedded_engine_does(tmp_path, lean):
    """The stand-in's journal and events are the embedded engine's: only the telling is Lean's."""
    theirs, ours = give(tmp_path / "lean"), give(tmp_path / "embedded")
    theirs.launch(lean.start(theirs.config))
    ours.launch(base.start_of(base.find_engine("embedded"), ours.config))

    assert theirs.job.journal.read_bytes() == ours.job.journal.read_bytes()
    assert events_of(theirs.job.results) == events_of(ours.job.results)


def test_files_read_half_way_are_partial(tmp_path, lean):
    """A save on the way says Running and gives its events newest first; the last one gives all, oldest first."""
    given = give(tmp_path / "attempt")
    states, orders = list[str](), list[list[int]]()

    def look() -> None:
        path = given.job.results / "r1-1.json"
        if path.exists():
            try:
                states.append(json.loads(path.read_bytes())["state"]["Status"])
                orders.append([event["orderId"] for event in events_of(given.job.results)])
            except (FileNotFoundError, json.JSONDecodeError):
                states.append("half-written")

    given.launch(lean.start(given.config, seconds="1.5", save="1"), watch=look)

    assert "Running" in states
    assert [2, 1, 2, 1] in [ids[-4:] for ids in orders]
    assert [event["orderId"] for event in events_of(given.job.results)] == [1, 2, 1, 2, 3, 4, 3, 4]


def test_sigint_ends_it_in_good_order_after_a_while(tmp_path, lean):
    """As seen: 1.3 s, final files, and the line that tells of it."""
    given = give(tmp_path / "attempt")
    ticks = itertools.count()
    ended, outcome, heard = given.launch(lean.start(given.config, seconds="10"),
                                         stop=lambda: "on purpose" if next(ticks) > 30 and given.job.journal.exists() else None)

    assert (ended.stopped, ended.killed) == ("on purpose", False)
    assert outcome.cause == "stopped: on purpose"
    assert any(line.text.startswith("Program.ExitKeyPress()") for line in heard)


@pytest.mark.parametrize("name", ["before-listing", "splits-and-dividends-raw"])
def test_a_recorded_folder_of_real_lean_is_told_again(name, tmp_path, lean):
    """Its result, events and log come out under the job's id; without a journal of ours it is not complete."""
    if not (RECORDED / name).is_dir():
        pytest.skip(f"no recording at {RECORDED / name}")
    given = give(tmp_path / "attempt")
    _, outcome, heard = given.launch(lean.start(given.config, replay=str(RECORDED / name)))

    assert outcome.cause == "the algorithm wrote no journal"
    assert dict(outcome.statistics) == json.loads((RECORDED / name / f"{name}.json").read_bytes())["statistics"]
    assert any("Processing total of" in line.text for line in heard)


def test_it_needs_no_market_of_its_own():
    """The invented market is the project's: what the stand-in trades on is on every machine."""
    assert INVENTED.is_dir()


def events_of(results: Path) -> list[dict]:
    """The order events that are there."""
    return json.loads((results / "r1-1-order-events.json").read_bytes())
