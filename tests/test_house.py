"""The house as a test reads it: rooms in order, public names, third parties in their rooms, environments that agree."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import workbench as wb
from tests.conda_names import CONDA_NAMES, FROM_PYPI

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "workbench"

# A module imports only from lines above its own, and freely within its own room.
ROOMS = """
errors
settings files collecting
algorithm
words
market
research
store
engines
judgement
showing
running
cli
"""
LEVEL = {room: level for level, line in enumerate(ROOMS.split("\n")) for room in line.split()}

# Third-party packages that one room alone may name.
ONE_ROOM = {
    "duckdb": ("store",), "papermill": ("running",), "ipywidgets": ("showing",), "plotly": ("showing",),
    "exchange_calendars": ("market",), "skfolio": ("research", "market"), "bokeh_sampledata": ("market",), "voila": ("running",),
    "typer": ("cli",), "filelock": ("store", "running"), "ib_async": ("engines",),
}
STANDARD = set(sys.stdlib_module_names)


def modules() -> list[Path]:
    """Every module of the package but its front door, which only names what is inside."""
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def room(path: Path) -> str:
    """The room a module is in: its folder, or itself at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names of everything a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; full names say which room"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def breaches(path: Path, names: set[str]) -> list[str]:
    """The imports of a module that reach into its own level's other rooms or below."""
    own = room(path)
    reached = {name.split(".")[1] for name in names if name.startswith("workbench.")} & LEVEL.keys()
    return sorted(other for other in reached if other != own and LEVEL[other] >= LEVEL[own])


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rooms_above_its_own(path):
    """The layers are the folders; nothing reaches down or beside."""
    assert room(path) in LEVEL
    assert breaches(path, imported(path)) == []


def test_a_planted_breach_is_found():
    """The rule can fail: a store that imports an engine, a room beside."""
    assert breaches(PACKAGE / "store" / "store.py", {"workbench.engines.base.launch"}) == ["engines"]
    assert breaches(PACKAGE / "settings.py", {"workbench.files.write"}) == ["files"]
    assert breaches(PACKAGE / "running" / "desk.py", {"workbench.store.Store", "workbench.words.run"}) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_third_party_names_stay_in_their_room(path):
    """Whoever wants to know how DuckDB is used opens one folder."""
    named = {name.split(".")[0] for name in imported(path)} & ONE_ROOM.keys()

    assert {name for name in named if room(path) not in ONE_ROOM[name]} == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "algorithm").glob("*.py")), ids=lambda path: path.name)
def test_the_algorithm_needs_nothing_but_the_standard_library(path):
    """Lean has no other packages; siblings are imported by bare name, by the algorithm alone."""
    siblings = {sibling.stem for sibling in (PACKAGE / "algorithm").glob("*.py")}
    others = {name.split(".")[0] for name in imported(path)} - STANDARD

    assert others <= (siblings | {"AlgorithmImports"} if path.name == "intent_execution.py" else set())


def test_public_names_are_listed_in_order():
    """`workbench.__all__` is complete, sorted without regard to case, importable, and no longer than a page."""
    assert sorted(wb.__all__, key=str.casefold) == list(wb.__all__)
    assert set(wb.__all__) == set(wb._ROOMS)
    assert all(getattr(wb, name) is not None for name in wb.__all__)
    assert len(wb.__all__) <= 20


def test_importing_the_package_imports_next_to_nothing():
    """`import workbench` must not cost a command that only prints its version; names load when asked for."""
    heavy = ("pandas", "numpy", "duckdb", "plotly", "papermill")
    code = f"import sys, workbench; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def requirements(lines: list[str]) -> dict[str, str]:
    """Name and version bounds of each requirement."""
    found = {}
    for line in lines:
        name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", line.strip()).groups()
        found[name.lower()] = bounds.replace(" ", "")
    return found


def test_conda_users_get_the_same_dependencies():
    """environment.yml says what pyproject.toml says, through the written map of names; JupyterLab on top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = requirements(project["dependencies"] + project["optional-dependencies"]["lab"])
    given = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(item["pip"] for item in given if isinstance(item, dict))
    conda = requirements([item for item in given if isinstance(item, str) and not item.startswith(("python>", "pip"))])
    from_pip = requirements([item for item in pip if not item.startswith("--")])

    assert {CONDA_NAMES.get(name, name): bounds for name, bounds in wanted.items() if name not in FROM_PYPI} == conda
    assert {name: bounds for name, bounds in wanted.items() if name in FROM_PYPI} == from_pip


def test_constraints_pin_every_dependency_and_name_no_host():
    """Versions only: where packages come from is the machine's affair."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [item for extra in project["optional-dependencies"].values() for item in extra]
    declared = requirements(project["dependencies"] + extras)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}

    assert all(re.fullmatch(r"[A-Za-z0-9_.\-\[\]]+==[A-Za-z0-9_.+!]+", line) for line in lines)
    assert {name.replace("_", "-") for name in declared} <= pinned


def test_no_machine_and_no_host_in_what_is_committed():
    """No absolute path of a machine, and no address in the files that fetch packages."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    texts = {name: (ROOT / name).read_bytes() for name in tracked if name and (ROOT / name).is_file()}
    home = re.compile(rb"(^|[^A-Za-z0-9_.-])/(" + b"work" + rb"|" + b"root" + rb")/")
    fetching = ("constraints", "requirements", "pyproject.toml", "environment.yml", "Makefile", ".ci/")

    assert [name for name, text in texts.items() if home.search(text)] == []
    assert [name for name, text in texts.items() if name.startswith(fetching) and b"://" in text] == []
