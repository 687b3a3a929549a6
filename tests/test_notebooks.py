"""The five notebooks: their form, that they run from their defaults, and that papermill runs them with other parameters."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.errors import BadInput, NotebookFailed, UnknownName
from workbench.running import notebook

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["1_research", "2_decide", "3_execute", "4_reconcile", "5_dashboard"]
RESEARCH_MAY = {"workbench", "numpy", "pandas"}


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def stored(cell: dict) -> set[str]:
    """Names that a cell binds, `_` and loop variables of comprehensions aside."""
    tree = ast.parse(source(cell))
    inside = {name.id for node in ast.walk(tree) if isinstance(node, ast.comprehension)
              for name in ast.walk(node.target) if isinstance(name, ast.Name)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)} - inside - {"_"}


def test_the_five_are_there_in_order():
    """Number is place in the flow."""
    assert [path.stem for path in NOTEBOOKS] == NAMES


each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@each
def test_parameters_come_first(path):
    """Exactly one cell is tagged, and no code precedes it."""
    tagged = [number for number, cell in enumerate(cells(path, "code")) if "parameters" in cell["metadata"].get("tags", [])]

    assert tagged == [0]


@each
def test_every_parameter_has_a_type_a_literal_and_a_word_of_help(path):
    """papermill shows exactly this as help."""
    declared = notebook.declared(path)

    assert declared
    assert all(parameter.kind in {"str", "int", "float", "bool", "list", "dict"} and parameter.help for parameter in declared)


@each
def test_parameters_are_checked_before_anything_else(path):
    """A misspelt parameter must not only warn, however the notebook is run."""
    assert "wb.check_parameters()" in source(cells(path, "code")[1])


@each
def test_cells_are_thin(path):
    """At most ten lines each, no loop, def, try or with: those are functions that have not moved yet."""
    for cell in cells(path, "code"):
        assert len(source(cell).splitlines()) <= 10
        assert not [node for node in ast.walk(ast.parse(source(cell)))
                    if isinstance(node, ast.For | ast.While | ast.FunctionDef | ast.Try | ast.With | ast.ClassDef | ast.If)]


@each
def test_it_reads_as_an_argument(path):
    """Markdown before every code cell; the first states question, inputs and outputs."""
    kinds = [cell["cell_type"] for cell in json.loads(path.read_text())["cells"]]

    assert kinds[0] == "markdown"
    assert all(kinds[place - 1] == "markdown" for place, kind in enumerate(kinds) if kind == "code")
    assert "**Question.**" in source(cells(path, "markdown")[0])


@each
def test_nothing_is_kept_and_nothing_hidden(path):
    """No outputs, no counts, each name bound in one cell, no star import, no wall clock."""
    code = cells(path, "code")
    names = [name for cell in code for name in stored(cell)]

    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len(names) == len(set(names))
    assert not any(word in source(cell) for cell in code for word in ("import *", "today()", "now()", "%run", "chdir"))


@each
def test_only_the_workbench_is_imported(path):
    """If a notebook needs a deeper import, the public names lack one."""
    named = {alias.name for cell in cells(path, "code") for node in ast.walk(ast.parse(source(cell)))
             if isinstance(node, ast.Import) for alias in node.names}
    deeper = [node for cell in cells(path, "code") for node in ast.walk(ast.parse(source(cell)))
              if isinstance(node, ast.ImportFrom)]

    assert named <= (RESEARCH_MAY if path.stem == "1_research" else {"workbench"})
    assert deeper == []


@each
def test_committed_text_is_what_the_notebook_format_asks_for(path):
    """Valid against the format's own schema."""
    import nbformat

    nbformat.validate(nbformat.read(path, as_version=4))


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project of its own with the notebooks and the invented market, as `workbench init` makes it."""
    from workbench.running.project import init

    folder = tmp_path_factory.mktemp("project")
    init(folder)
    return folder


@pytest.mark.notebook
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_its_defaults(name, project):
    """nbval, strict: every cell runs, in the order of the file, in a fresh kernel."""
    path = project / "notebooks" / f"{name}.ipynb"
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--nbval", "-p", "no:cacheprovider", "-W", "default", str(path)],
                          cwd=project, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


@pytest.mark.notebook
@pytest.mark.parametrize(("name", "parameters", "shows"), [
    ("1_research", {"rebalance_date": "2020-03-02", "lookback": 40, "strategies": ["inverse_volatility"]}, "inverse_volatility"),
    ("2_decide", {"strategy": "equal_weight", "rebalance_date": "2020-04-01", "parameters": {}}, "equal_weight 2020-04-01"),
    ("3_execute", {"until": "2020-04-01", "order_type": "MOC", "fee_bps": 2.0}, "attempt 1 completed"),
    ("4_reconcile", {"until": "2020-03-02", "order_type": "LMT", "slippage_bps": 0.0}, "2020-03-02"),
])
def test_papermill_runs_it_with_other_parameters(name, parameters, shows, project, tmp_path):
    """As a user of papermill by hand expects: the executed copy holds the injected cell and the results."""
    import papermill

    copy = tmp_path / "out.ipynb"
    papermill.execute_notebook(str(project / "notebooks" / f"{name}.ipynb"), str(copy), parameters=parameters,
                               cwd=str(project / "notebooks"), progress_bar=False)
    text = copy.read_text()

    assert "injected-parameters" in text
    assert shows in text


@pytest.mark.notebook
@pytest.mark.parametrize(("parameters", "said"), [
    ({"untill": "2020-04-01"}, "unknown parameter 'untill'; did you mean 'until'?"),
    ({"until": 20200401}, "parameter 'until' must be str, not int 20200401"),
])
def test_a_wrong_parameter_is_an_error_also_by_hand(parameters, said, project, tmp_path):
    """papermill alone warns about the name and takes the number; the notebook's first step refuses both."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    copy = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError) as caught:
        papermill.execute_notebook(str(project / "notebooks" / "3_execute.ipynb"), str(copy), parameters=parameters,
                                   cwd=str(project / "notebooks"), progress_bar=False)

    assert said in str(caught.value)


def test_the_runner_refuses_a_misspelt_parameter_before_anything_runs(project, tmp_path):
    """With the nearest name."""
    with pytest.raises(UnknownName, match="did you mean 'strategy'"):
        notebook.run(project / "notebooks" / "3_execute.ipynb", {"strateg": "momentum"}, tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize(("name", "value", "expected"), [
    ("cash", 5, 5.0), ("cash", "5", 5.0), ("cash", "2.5", 2.5), ("until", "2020-01-02", "2020-01-02"),
])
def test_values_are_read_by_the_declared_type(name, value, expected):
    """A command line gives text; the declaration says what it is."""
    declared = notebook.declared(ROOT / "notebooks" / "3_execute.ipynb")
    found = notebook.checked({name: value}, declared, where="3_execute")[name]

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("name", "value"), [("cash", "much"), ("cash", True), ("until", 5), ("strategy", None)])
def test_a_value_of_another_type_is_refused(name, value):
    """Naming the parameter, the type and what was given."""
    declared = notebook.declared(ROOT / "notebooks" / "3_execute.ipynb")

    with pytest.raises(BadInput, match=f"parameter '{name}' must be"):
        notebook.checked({name: value}, declared, where="3_execute")


@pytest.mark.notebook
def test_a_failing_notebook_keeps_its_executed_copy(project, tmp_path):
    """The error names the cell; the copy shows how far it came."""
    with pytest.raises(NotebookFailed, match="NotRecorded"):
        notebook.run(project / "notebooks" / "3_execute.ipynb", {"strategy": "nobody"}, tmp_path / "out.ipynb")

    assert "NotRecorded" in (tmp_path / "out.ipynb").read_text()


def test_a_notebook_is_found_by_name_or_number(project):
    """`3`, `execute` and `3_execute` are the same."""
    found = {notebook.find(project / "notebooks", name).stem for name in ("3", "execute", "3_execute", "3_execute.ipynb")}

    assert found == {"3_execute"}
    shutil.rmtree(project / "notebooks" / ".ipynb_checkpoints", ignore_errors=True)
