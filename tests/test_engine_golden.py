"""The embedded engine against recordings of real Lean: what the algorithm was told, line by line, and the statistics.

`portable/` is part of the project; Lean's own sample data is read where it is at hand and skipped loudly elsewhere.
"""

import functools
import json
from pathlib import Path

import pytest

from tests.engine_fixtures import COMPARED, GOLDEN, Ran, equal_of_all, first_difference, recorded, run_algorithm

SAMPLE = Path(__file__).parents[2] / "shared" / "lean-golden" / "sample"
ORDER_SCRIPT = GOLDEN / "order_script.py"

pytestmark = pytest.mark.golden


def names(folder: Path) -> list[str]:
    """The scripts of a folder of recordings."""
    return [path.stem for path in sorted((folder / "scripts").glob("*.json"))]


@pytest.fixture(scope="module")
def run(tmp_path_factory, invented):
    """Runs a recorded script once, however many tests look at it."""
    data = {GOLDEN / "portable": invented, SAMPLE: SAMPLE / "data"}

    @functools.cache
    def once(recordings: Path, name: str) -> Ran:
        if name == "absent":
            pytest.skip(f"Lean's recordings are not at {SAMPLE}: the embedded engine is compared with the portable ones only")
        return run_algorithm(tmp_path_factory.mktemp(name), ORDER_SCRIPT, data=data[recordings],
                             parameters={"script-path": str(recordings / "scripts" / f"{name}.json")})

    return once


def cases() -> list[tuple[Path, str]]:
    """Every recorded run: the portable ones, and those on Lean's own sample data (real prices, scripts of other seeds)."""
    return [*((GOLDEN / "portable", name) for name in names(GOLDEN / "portable")),
            *((SAMPLE, name) for name in names(SAMPLE) or ["absent"])]


def named(value: object) -> str | None:
    return value.name if isinstance(value, Path) else None


@pytest.mark.parametrize(("recordings", "name"), cases(), ids=named)
def test_a_script_is_told_what_lean_told_it(run, recordings, name, record_property):
    """Every event, day and end line equals real Lean's."""
    ran = run(recordings, name)
    difference = first_difference(recorded(recordings / "expected" / f"{name}.jsonl"), ran.lines)
    record_property(f"{COMPARED}scripts", [difference is None, 1])

    assert difference is None
    assert ran.exit_code == 0


@pytest.mark.parametrize(("recordings", "name"), cases(), ids=named)
def test_statistics_equal_leans(run, recordings, name, record_property):
    """All printed statistics and runtime statistics of the result file are Lean's, to the printed character."""
    ran = run(recordings, name)
    expected = json.loads((recordings / "statistics" / f"{name}.json").read_text())
    found = {key: ran.result[key] for key in ("statistics", "runtimeStatistics")}
    record_property(f"{COMPARED}recordings' statistics", [expected == found, 1])

    assert expected == found


def test_models_written_in_python_equal_leans(tmp_path, invented):
    """Fee and slippage models of the algorithm's own, and what it sees at 09:00, 10:00 and 15:30 around a split."""
    ran = run_algorithm(tmp_path, GOLDEN / "models_probe.py", data=invented, parameters={})

    assert first_difference(recorded(GOLDEN / "portable" / "models.jsonl"), ran.lines) is None


def test_a_difference_is_found():
    """The comparison can fail: a changed number, status or length shows."""
    line = {"kind": "order_event", "order_id": 1, "fill_price": 10.0}

    assert first_difference([line], [{**line, "fill_price": 10.0000001}]) is not None
    assert first_difference([line], [{**line, "fill_price": 10.000000001}]) is None
    assert first_difference([line], [{**line, "order_id": 1.0}]) is not None
    assert first_difference([line], [line, line]) is not None


def test_the_last_lines_count_what_was_equal():
    """Of each kind, over all tests; of what was not compared with Lean nothing."""
    properties = [(f"{COMPARED}scripts", [True, 1]), (f"{COMPARED}lines", [434, 455]), (f"{COMPARED}scripts", [False, 1]),
                  ("another", "property")]

    assert equal_of_all(properties) == "1 of 2 scripts, 434 of 455 lines"
    assert equal_of_all([("another", "property")]) == ""
