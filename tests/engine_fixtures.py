"""Running recorded scripts under the embedded engine and comparing with what real Lean saw."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
RELATIVE = 1e-9
COMPARED = "compared with Lean: "


@dataclass(frozen=True)
class Ran:
    """What a run under the embedded engine left."""

    exit_code: int
    console: str
    lines: list[dict[str, Any]]
    results: Path
    algorithm_id: str

    @property
    def result(self) -> dict[str, Any]:
        return json.loads((self.results / f"{self.algorithm_id}.json").read_text())


def run_algorithm(folder: Path, algorithm: Path, *, data: Path, parameters: Mapping[str, str], algorithm_id: str = "run",
                  **config: Any) -> Ran:
    """Run an algorithm file from a Lean config file, through the launcher's command line."""
    events = folder / "events.jsonl"
    (folder / "lean.json").write_text(json.dumps({
        "algorithm-language": "Python", "algorithm-location": str(algorithm), "algorithm-id": algorithm_id,
        "data-folder": str(data), "results-destination-folder": str(folder / "results"), "close-automatically": True,
        "parameters": {"events-path": str(events), **parameters}, **config,
    }))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-m", "workbench.engines.embedded", "--config", "lean.json"], cwd=folder,
                          capture_output=True, text=True, env=environment, check=False, timeout=120)
    lines = [json.loads(line) for line in events.read_text().splitlines()] if events.exists() else []
    return Ran(done.returncode, done.stdout + done.stderr, lines, folder / "results", algorithm_id)


def run_source(folder: Path, source: str, *, data: Path, **parameters: str) -> Ran:
    """Run an algorithm given as text."""
    path = folder / "algorithm.py"
    path.write_text(source)
    return run_algorithm(folder, path, data=data, parameters=parameters)


def recorded(path: Path) -> list[dict[str, Any]]:
    """The lines of a recording."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def first_difference(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> str | None:
    """The first line that is not equal (text and integers identical, numbers to 1e-9 relative), with both sides; None if equal."""
    for number, (left, right) in enumerate(zip_longest(expected, found), start=1):
        if not same(left, right):
            return f"line {number}\n  Lean: {json.dumps(left)}\n  ours: {json.dumps(right)}"
    return None


def same(left: Any, right: Any) -> bool:
    """Equal as the recordings' README means it."""
    if isinstance(left, float) and isinstance(right, float | int) and not isinstance(right, bool):
        return left == right or abs(left - right) <= RELATIVE * max(abs(left), abs(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def equal_of_all(properties: Iterable[tuple[str, Any]]) -> str:
    """How much was equal of how much was compared, from what tests recorded by `record_property(COMPARED + what, [equal, all])`."""
    sums: dict[str, list[int]] = {}
    for name, value in properties:
        if name.startswith(COMPARED):
            so_far = sums.setdefault(name.removeprefix(COMPARED), [0, 0])
            so_far[:] = (old + new for old, new in zip(so_far, value, strict=True))
    return ", ".join(f"{equal} of {compared} {what}" for what, (equal, compared) in sums.items())
