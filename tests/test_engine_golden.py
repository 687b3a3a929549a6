"""The embedded engine against recordings of real Lean: what the algorithm was told, line by line.

`portable/` is part of the project; Lean's own sample data is read where it is at hand and skipped loudly elsewhere.
"""

import json
from pathlib import Path

import pytest

from tests.engine_fixtures import GOLDEN, first_difference, recorded, run_algorithm

SAMPLE = Path(__file__).parents[2] / "shared" / "lean-golden" / "sample"
ORDER_SCRIPT = GOLDEN / "order_script.py"

# Printed statistics that are not computed from the samples yet.
NOT_PRINTED: set[str] = set()
REQUIRED = ("market-times", "splits-and-dividends", "rebalance-default", "rebalance-bps-costs", "rebalance-ib-margin-raw",
            "rebalance-scheduled-1000")

pytestmark = pytest.mark.golden


def names(folder: Path) -> list[str]:
    """The scripts of a folder of recordings."""
    return [path.stem for path in sorted((folder / "scripts").glob("*.json"))]


@pytest.mark.parametrize("name", names(GOLDEN / "portable"))
def test_portable_script_is_told_what_lean_told_it(name, tmp_path, invented):
    """Every event, day and end line equals real Lean's."""
    scripts = GOLDEN / "portable" / "scripts"
    ran = run_algorithm(tmp_path, ORDER_SCRIPT, data=invented, parameters={"script-path": str(scripts / f"{name}.json")})

    assert first_difference(recorded(GOLDEN / "portable" / "expected" / f"{name}.jsonl"), ran.lines) is None
    assert ran.exit_code == 0


@pytest.mark.parametrize("name", names(SAMPLE) or ["absent"])
def test_sample_script_is_told_what_lean_told_it(name, tmp_path):
    """The same on Lean's own sample data: real prices, scripts made with other seeds."""
    if name == "absent":
        pytest.skip(f"Lean's recordings are not at {SAMPLE}: the embedded engine is compared with the portable ones only")
    ran = run_algorithm(tmp_path, ORDER_SCRIPT, data=SAMPLE / "data",
                        parameters={"script-path": str(SAMPLE / "scripts" / f"{name}.json")})

    assert first_difference(recorded(SAMPLE / "expected" / f"{name}.jsonl"), ran.lines) is None


@pytest.mark.parametrize("name", REQUIRED)
def test_printed_statistics_equal_leans(name, tmp_path, invented):
    """The statistics of the result file are Lean's, to the printed digit."""
    scripts = GOLDEN / "portable" / "scripts"
    ran = run_algorithm(tmp_path, ORDER_SCRIPT, data=invented, parameters={"script-path": str(scripts / f"{name}.json")})
    expected = json.loads((GOLDEN / "portable" / "statistics" / f"{name}.json").read_text())["statistics"]

    assert {k: v for k, v in expected.items() if k not in NOT_PRINTED} == ran.result["statistics"]


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
