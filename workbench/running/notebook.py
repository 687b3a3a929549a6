"""Notebooks as functions: their parameters, checked; their executed copies, kept.

The first code cell, tagged `parameters`, declares one annotated literal a line. A name that is not declared, or a value of
another type than declared, is an error with a suggestion: papermill alone only warns.
"""

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import BadInput, NotebookFailed, NotRecorded, UnknownName

TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A declared parameter: its annotation's first word, its default, and the comment beside it."""

    name: str
    kind: str
    default: Any
    help: str


def declared(path: Path) -> tuple[Parameter, ...]:
    """The parameters a notebook declares, in order. Raises `BadInput` where it has no cell tagged `parameters`."""
    return parse(_tagged_cell(path), where=str(path))


def parse(source: str, *, where: str) -> tuple[Parameter, ...]:
    """The parameters in the text of a cell."""
    lines = source.splitlines()
    found = []
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise BadInput(f"line {node.lineno} of the parameters cell is not `name: type = literal`", where=where)
        comment = lines[node.lineno - 1].partition("#")[2].strip()
        kind = ast.unparse(node.annotation).split("[")[0].split(" |")[0]
        found.append(Parameter(name=node.target.id, kind=kind, default=ast.literal_eval(node.value), help=comment))
    return tuple(found)


def checked(given: Mapping[str, Any], parameters: Iterable[Parameter], *, where: str) -> dict[str, Any]:
    """The given values by the declared types. Text that reads as a declared number is one, since a command line gives text.

    Raises `UnknownName` with the nearest declared name, and `BadInput` for a value of another type.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise UnknownName("parameter", name, known, where=where)
    return {name: _converted(known[name], value, where) for name, value in given.items()}


def check_parameters() -> None:
    """In a notebook, after its parameters: refuse what papermill injected under a wrong name or with a wrong type.

    Reads the cells that have run. Outside a notebook it does nothing.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    cells = [cell for cell in shell.user_ns.get("In", []) if cell.strip()]
    own = next((cell for cell in cells if _is_declaration(cell)), None)
    if own is None:
        return
    injected = {name: shell.user_ns[name] for cell in cells if _is_injection(cell) for name in _assigned(cell)}
    parameters = parse(own, where="this notebook")
    checked(injected, parameters, where="this notebook")
    for parameter in parameters:
        _refuse_other_type(parameter, shell.user_ns[parameter.name], "this notebook")


def run(path: Path, parameters: Mapping[str, Any], output: Path, *, progress: bool = False) -> Path:
    """Run a notebook with papermill; the executed copy is written to `output` and kept, also when a cell fails.

    The kernel's folder is the notebook's. Raises `UnknownName` or `BadInput` before anything runs, and `NotebookFailed` with the
    failing cell's own error.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from workbench.running.kernel import PrivateKernelManager

    values = checked(parameters, declared(path), where=path.name)
    output.parent.mkdir(parents=True, exist_ok=True)
    log = output.with_suffix(".kernel.log")
    manager = type("KernelManager", (PrivateKernelManager,), {"stderr_path": log})
    try:
        papermill.execute_notebook(str(path), str(output), parameters=values, progress_bar=progress, log_output=False,
                                   cwd=str(path.parent), kernel_name="python3", kernel_manager_class=manager)
    except PapermillExecutionError as error:
        raise NotebookFailed(path.name, error.exec_count, f"{error.ename}: {error.evalue}", str(output)) from None
    except DeadKernelError as error:
        raise NotebookFailed(path.name, None, f"its kernel died ({error}); what it said is in {log}", str(output)) from None
    log.unlink(missing_ok=True)
    return output


def find(folder: Path, name: str) -> Path:
    """A notebook by its name or number: `3_execute`, `execute` or `3`."""
    every = sorted(folder.glob("*.ipynb"))
    for path in every:
        number, _, word = path.stem.partition("_")
        if name in (path.stem, path.name, number, word):
            return path
    raise NotRecorded(f"notebook '{name}'", f"there are {', '.join(p.stem for p in every) or 'none'} in {folder}")


def _tagged_cell(path: Path) -> str:
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        raise BadInput("no such notebook", where=str(path)) from None
    except (json.JSONDecodeError, KeyError) as error:
        raise BadInput(f"not a notebook ({error})", where=str(path)) from None
    for cell in cells:
        if "parameters" in cell.get("metadata", {}).get("tags", []):
            return "".join(cell["source"])
    raise BadInput("no cell is tagged 'parameters'", where=str(path))


def _converted(parameter: Parameter, value: Any, where: str) -> Any:
    kind = TYPES.get(parameter.kind)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and kind in (int, float, bool, list):
        try:
            value = ast.literal_eval(value.strip().capitalize() if kind is bool else value)
        except (ValueError, SyntaxError):
            pass                        # said below, with the value as it was given
        else:
            if kind is float and isinstance(value, int) and not isinstance(value, bool):
                value = float(value)
    _refuse_other_type(parameter, value, where)
    return value


def _refuse_other_type(parameter: Parameter, value: Any, where: str) -> None:
    kind = TYPES.get(parameter.kind)
    if kind is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
        return
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return
    as_text = f"quote it, or pass it as text (papermill -r {parameter.name} {value})"
    hint = as_text if kind is str else f"for example {parameter.default!r}"
    raise BadInput(f"parameter '{parameter.name}' must be {parameter.kind}, not {type(value).__name__} {value!r}", where=where,
                   remedy=hint)


def _is_declaration(cell: str) -> bool:
    """A cell of annotated assignments and nothing else."""
    try:
        body = ast.parse(cell).body
    except SyntaxError:
        return False
    return bool(body) and all(isinstance(node, ast.AnnAssign) for node in body)


def _is_injection(cell: str) -> bool:
    return cell.lstrip().startswith("# Parameters")


def _assigned(cell: str) -> list[str]:
    return [target.id for node in ast.parse(cell).body if isinstance(node, ast.Assign)
            for target in node.targets if isinstance(target, ast.Name)]
