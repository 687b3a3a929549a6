"""QuantConnect's Lean: where it is on this machine, and the command that starts one attempt with it.

Three kinds: a launcher (`dotnet QuantConnect.Lean.Launcher.dll`), a docker image that holds one, and lean-cli, which runs that
image its own way. All are given the same config.
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import base
from workbench.engines.base import Engine, Start
from workbench.engines.config import Broker, Job
from workbench.engines.containers import start_cli, start_docker
from workbench.engines.secrets import is_private
from workbench.errors import BadInput, MissingTool
from workbench.settings import Settings

DLL = "QuantConnect.Lean.Launcher.dll"
IMPORTS = "AlgorithmImports.py"
DEPS = "QuantConnect.Lean.Launcher.deps.json"
IMAGE = "quantconnect/lean:latest"
BUILDS = ("Launcher/bin/Debug", "Launcher/bin/Release")
PATIENCE = 20.0         # seconds that docker and lean-cli may take to say what they have
PYTHON_LIBRARY = {"win32": "python311.dll", "darwin": "libpython3.11.dylib"}.get(sys.platform, "libpython3.11.so")
GET = ("build it from github.com/QuantConnect/Lean with .NET, or `docker pull quantconnect/lean`, or `pip install lean`; "
       "the embedded engine needs none of them")
GET_DOTNET = "install the .NET that this Lean was built for, and put `dotnet` on the PATH"
CACHE = ".lean-versions.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One way to have Lean on this machine: where it was looked for, and the engine, or what is missing and how to get it."""

    kind: str
    place: str
    engine: Engine | None = None
    missing: str = ""
    remedy: str = GET


def broker_of(settings: Settings) -> Broker:
    """The broker as the settings have it."""
    return Broker(host=settings.ib_host, port=settings.ib_port, tws_dir=settings.ib_tws_dir,
                  weekly_restart=settings.ib_weekly_restart, data_queue=settings.lean_data_queue)


def extra_of(settings: Settings) -> dict[str, Any]:
    """The keys that a user lays over every config for Lean. Raises `BadInput` where the file is missing or no object."""
    if settings.lean_config is None:
        return {}
    found = files.read_json(settings.lean_config)
    if not isinstance(found, dict):
        raise BadInput("must hold an object", where=str(settings.lean_config))
    return found


def find_lean(settings: Settings) -> Engine:
    """The Lean that the settings name, else the first that is found.

    Raises `BadInput` where a setting or `LEAN_LAUNCHER` names something that is not there, and `MissingTool` that says
    where was looked.
    """
    looked: list[Found] = []
    for look in _looks(settings):
        looked.append(look())
        if (engine := looked[-1].engine) is not None:
            return engine
    if len(looked) == 1:
        raise MissingTool(f"{looked[0].missing} ({looked[0].place})", looked[0].remedy)
    raise MissingTool("Lean", f"looked for it in {'; '.join(one.place for one in looked)}. {GET}")


def look_for_lean(settings: Settings) -> tuple[Found, ...]:
    """Each way to have Lean, found or not, the one in use first. A setting that names nothing is a way, too."""
    found: dict[tuple[str, str], Found] = {}
    for look in (*_looks(settings), *_usual_looks(settings)):
        try:
            one = look()
        except BadInput as error:
            one = Found(kind="setting", place=error.where, missing=error.problem, remedy=error.remedy)
        found.setdefault((one.kind, one.place), one)
    return tuple(found.values())


def find_python_library(settings: Settings) -> Path | None:
    """The library of the Python 3.11 that Lean is to run (PYTHONNET_PYDLL): the setting's, the environment's, else looked for.

    Raises `BadInput` where one of these two names no file.
    """
    for where, given in (("setting 'lean_python'", settings.lean_python), ("PYTHONNET_PYDLL", os.environ.get("PYTHONNET_PYDLL"))):
        if given:
            path = Path(given).expanduser()
            if not path.is_file():
                raise BadInput(f"no such file: {path}", where=where, remedy=f"give the full path of {PYTHON_LIBRARY}")
            return path
    return next((path for path in _python_libraries() if path.is_file()), None)


def start(engine: Engine, job: Job, config: Path) -> Start:
    """The command of one attempt. Raises `BadInput` or `MissingTool` where it could not but fail.

    `config` is the file of the attempt, or its private copy with the secrets. For lean-cli a project is made beside it.
    """
    if not config.is_file():
        raise BadInput("no such config file", where=str(config), remedy="Lean would run something else instead")
    if not job.algorithm.is_file():
        raise BadInput("no such algorithm file", where=str(job.algorithm))
    kinds: dict[str, Callable[[Engine, Job, Path], Start]] = {
        "launcher": _start_launcher, "docker": start_docker, "cli": start_cli}
    if engine.kind not in kinds:
        return base.start_of(engine, config)
    return kinds[engine.kind](engine, job, config)


# Looking

def _looks(settings: Settings) -> tuple[Callable[[], Found], ...]:
    """Where to look: where the setting says, else where the environment says, else in the usual places."""
    kind, _, image = settings.lean.partition(":")
    if kind == "docker":
        return (lambda: _docker(image or IMAGE),)
    if kind == "cli":
        return (lambda: _cli(image or IMAGE),)
    for given, where in ((settings.lean, "setting 'lean'"), (os.environ.get("LEAN_LAUNCHER", ""), "LEAN_LAUNCHER")):
        if given:
            return (functools.partial(_named, settings, given, where),)
    return _usual_looks(settings)


def _usual_looks(settings: Settings) -> tuple[Callable[[], Found], ...]:
    return (lambda: _built(settings), lambda: _docker(IMAGE), lambda: _cli(IMAGE))


def _named(settings: Settings, given: str, where: str) -> Found:
    """The launcher in a folder, beside a DLL, or in Lean's own tree."""
    path = (settings.root / Path(given).expanduser()).resolve()
    folders = (path.parent if path.name == DLL else path, *(path / build for build in BUILDS))
    folder = next((one for one in folders if (one / DLL).is_file()), None)
    if folder is None:
        raise BadInput(f"no {DLL} in {path}", where=where, remedy="name the folder it was built into, or `docker` or `cli`")
    return _launcher(folder, settings)


def _built(settings: Settings) -> Found:
    """The launcher where a checkout of Lean usually is."""
    tops = _usual_places()
    for folder in (top / build for top in tops for build in BUILDS):
        if (folder / DLL).is_file():
            return _launcher(folder, settings)
    return Found(kind="launcher", place=", ".join(map(str, tops)), missing=f"{DLL} under {' or '.join(BUILDS)}")


def _usual_places() -> tuple[Path, ...]:
    home = os.environ.get("LEAN_HOME")
    return (*([Path(home)] if home else []), Path.home() / "Lean", Path(Path.home().anchor) / "Lean")


def _launcher(folder: Path, settings: Settings) -> Found:
    dotnet = _find_dotnet()
    if dotnet is None:
        return Found(kind="launcher", place=str(folder), missing=".NET", remedy=GET_DOTNET)
    if not (folder / IMPORTS).is_file():
        return Found(kind="launcher", place=str(folder), missing=IMPORTS, remedy="build Lean again, with its Python files")
    library = find_python_library(settings)
    engine = Engine(name="lean", kind="launcher", version=_launcher_version(folder, settings.data / CACHE),
                    command=(dotnet, DLL), cwd=folder,
                    environment=(("PYTHONNET_PYDLL", str(library)),) if library is not None else ())
    return Found(kind="launcher", place=str(folder), engine=engine)


def _docker(image: str) -> Found:
    place = f"docker image {image}"
    docker = shutil.which("docker")
    if docker is None:
        return Found(kind="docker", place=place, missing="docker", remedy="install Docker")
    if sys.platform == "win32":
        return Found(kind="docker", place=place, missing="a docker with this machine's own paths",
                     remedy="run the workbench in WSL")
    found = _ask(docker, "image", "inspect", "--format", "{{.Id}}", image)
    if found is None:
        return Found(kind="docker", place=place, missing=f"the image {image}",
                     remedy=f"`docker pull {image}`; where it is there, see that docker runs and is yours to use")
    version = found.rpartition(":")[2][:12]
    return Found(kind="docker", place=place, engine=Engine(
        name="lean", kind="docker", version=f"docker-{version}", command=(docker, image)))


def _cli(image: str) -> Found:
    lean = shutil.which("lean")
    said = _ask(lean, "--version") if lean is not None else None
    version = re.fullmatch(r"lean(?:\.exe)? (\S+)", said or "")         # another program of that name answers otherwise
    if lean is None or version is None:
        return Found(kind="cli", place="`lean` on the PATH", missing="lean-cli", remedy="`pip install lean`")
    inside = _docker(image)
    if inside.engine is None:
        return Found(kind="cli", place=lean, missing=inside.missing, remedy=inside.remedy)
    return Found(kind="cli", place=lean, engine=Engine(
        name="lean", kind="cli", version=f"cli-{version[1]}+{inside.engine.version}", command=(lean, *inside.engine.command)))


def _ask(*command: str) -> str | None:
    """What a tool says, stripped; None where it fails or says nothing in time."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else None


def _find_dotnet() -> str | None:
    name = "dotnet.exe" if sys.platform == "win32" else "dotnet"
    root = os.environ.get("DOTNET_ROOT")
    folders = (Path(root) if root else None, Path.home() / ".dotnet", Path("/usr/share/dotnet"), Path("/usr/local/share/dotnet"),
               Path(os.environ.get("PROGRAMFILES", "C:/Program Files")) / "dotnet")
    return shutil.which("dotnet") or next((str(path / name) for path in folders if path is not None and (path / name).is_file()),
                                          None)


def _python_libraries() -> Iterator[Path]:
    """Where the library of a Python 3.11 may lie: the active conda's, ours, the PATH's, and the usual places of the others."""
    if conda := os.environ.get("CONDA_PREFIX"):
        yield from _libraries_in(Path(conda), None)
    if sys.version_info[:2] == (3, 11):
        yield from _libraries_in(Path(sys.base_prefix), sysconfig.get_config_var("LIBDIR"))
    python = shutil.which("python3.11")
    code = "import sys, sysconfig; print(sys.base_prefix); print(sysconfig.get_config_var('LIBDIR') or '')"
    said = _ask(python, "-c", code) if python else None
    if said is not None:
        base_prefix, _, folder = said.partition("\n")
        yield from _libraries_in(Path(base_prefix), folder)
    for prefix in (Path.home() / "miniconda3", Path.home() / "anaconda3", Path("/opt/miniconda3")):
        yield from _libraries_in(prefix, None)
    for brew in ("/opt/homebrew/opt/python@3.11", "/usr/local/opt/python@3.11"):
        yield Path(brew, "Frameworks/Python.framework/Versions/3.11/lib", PYTHON_LIBRARY)


def _libraries_in(prefix: Path, folder: str | None) -> Iterator[Path]:
    """A library of Python lies in LIBDIR; in Windows beside python.exe."""
    if folder:
        yield Path(folder) / PYTHON_LIBRARY
    yield from (prefix / PYTHON_LIBRARY, prefix / "lib" / PYTHON_LIBRARY)


# Identity

def _launcher_version(folder: Path, cache: Path) -> str:
    """Lean's own version, and eight hex characters over its DLLs: another build is another Lean, and another run."""
    dlls = sorted(folder.glob("QuantConnect.*.dll"))
    stamp = hashlib.sha256("\n".join(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in dlls).encode())
    return f"{_own_version(folder)}+{_digest(folder, stamp.hexdigest(), cache)}"


def _own_version(folder: Path) -> str:
    try:
        libraries = json.loads((folder / DEPS).read_text(encoding="utf-8-sig")).get("libraries", {})
    except (FileNotFoundError, json.JSONDecodeError):
        return "unknown"
    return next((name.partition("/")[2] for name in libraries if name.startswith("QuantConnect.Lean.Launcher/")), "unknown")


@functools.cache
def _digest(folder: Path, stamp: str, cache: Path) -> str:
    """The hash of the DLLs, kept by the folder and by the names, sizes and times of what was hashed: they are many megabytes."""
    known = files.read_json(cache) if cache.is_file() else {}
    if known.get(str(folder), {}).get("stamp") == stamp:
        return str(known[str(folder)]["digest"])
    digest = hashlib.sha256()
    for path in sorted(folder.glob("QuantConnect.*.dll")):
        digest.update(f"{path.name} {files.sha256(path)}\n".encode())
    found = digest.hexdigest()[:8]
    if cache.parent.is_dir():
        files.write(cache, to_json(known | {str(folder): {"stamp": stamp, "digest": found}}) + "\n")
    return found


# Starting

def _start_launcher(engine: Engine, job: Job, config: Path) -> Start:       # noqa: ARG001 (all kinds are started alike)
    folder = engine.cwd or config.parent
    for name in (DLL, IMPORTS):
        if not (folder / name).is_file():
            raise BadInput(f"no {name}", where=str(folder), remedy="build Lean again, or name another with the setting 'lean'")
    if shutil.which(engine.command[0]) is None:
        raise MissingTool(".NET", GET_DOTNET)
    return Start(command=(*engine.command, "--config", str(config)), cwd=folder, environment=engine.environment,
                 private=(config,) if is_private(config) else ())
