"""Lean in a container: the commands of docker and of lean-cli that run one attempt in Lean's image.

Every folder that the config names is mounted at its own path, so that the same config holds inside as outside.
"""

import shutil
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import container_signals
from workbench.engines.base import Engine, Start
from workbench.engines.config import Job, layered
from workbench.engines.secrets import is_private

SOME_ACCOUNT = "DU0000000"      # lean-cli asks for one where IB only gives the prices, too; Lean reads ours, which is none
IN_CONTAINER = {"PYTHONPYCACHEPREFIX": "/tmp/pycache"}      # the algorithm's folder is there to read only
CONTAINER_TWS = str(PurePosixPath("/", "root", "Jts"))      # where lean-cli has Lean's image look for IB Gateway


def container_of(job: Job) -> str:
    """The name of an attempt's container."""
    return f"workbench-{job.algorithm_id}"


def start_docker(engine: Engine, job: Job, config: Path) -> Start:
    """`docker run` passes signals on to what runs inside, whose entry point is Lean's launcher (Lean, Dockerfile)."""
    docker, image = engine.command
    name = container_of(job)
    given = layered(files.read_json(config))
    options = ["--rm", "--name", name, "--stop-signal", "SIGINT"]
    options += [part for key, value in IN_CONTAINER.items() for part in ("--env", f"{key}={value}")]
    for folder, access in _mounts(job, config, given).items():
        options += ["--mount", f"type=bind,source={folder},target={folder}" + (",readonly" if access == "ro" else "")]
    tws = ("--ib-tws-dir", CONTAINER_TWS) if "ib-host" in given and not given.get("ib-tws-dir") else ()
    return Start(command=(docker, "run", *options, image, "--config", str(config), *tws), cwd=config.parent,
                 last_resort=((docker, "rm", "--force", name),), private=(config,) if is_private(config) else ())


def start_cli(engine: Engine, job: Job, config: Path) -> Start:
    """lean-cli wants a project and a root of its own, and sets many of Lean's keys itself: see `_cli_config`."""
    lean, docker, image = engine.command
    name = container_of(job)
    root = config.parent / "cli"
    project = root / "project"
    for folder in (project, root / "data"):
        folder.mkdir(parents=True, exist_ok=True)
    for source in job.algorithm.parent.glob("*.py"):
        shutil.copyfile(source, project / source.name)
    given = files.read_json(config)
    files.write(root / "lean.json", to_json(_cli_config(given, name)) + "\n", private=True)
    volumes = {folder: {"bind": folder, "mode": access} for folder, access in _mounts(job, config, layered(given)).items()}
    inside = to_json({"volumes": volumes, "environment": IN_CONTAINER})
    own = ["backtest", str(project / job.algorithm.name), "--backtest-name", job.algorithm_id]
    if job.mode != "backtest":
        own = ["live", "deploy", str(project / job.algorithm.name), "--environment", str(given["environment"])]
        own += [] if job.at_broker else ["--live-cash-balance", f"USD:{job.cash:f}"]
    command = (sys.executable, "-I", "-S", container_signals.__file__, docker, name, lean, *own,
               "--lean-config", str(root / "lean.json"), "--output", str(root / "output"), "--image", image, "--no-update",
               "--extra-docker-config", inside)
    return Start(command=command, cwd=root, last_resort=((docker, "rm", "--force", name),),
                 private=(config, root / "lean.json") if is_private(config) else ())


def _cli_config(given: dict[str, Any], container: str) -> dict[str, Any]:
    """The `lean.json` of a root of lean-cli's own, from which Lean in the container still reads every key as we gave it.

    lean-cli sets its own ids, paths and parameters at the root and its modules' keys in the environment's section. An
    environment nested in that section wins over both (Lean, Configuration/Config.cs), so all of ours stand there. What
    lean-cli fills in itself where we have nothing, as the account of `lean login`, is left to it. Its data folder is one of
    its own, for it would bring that folder's databases up to date.
    """
    flat = {key: value for key, value in layered(given).items() if key != "environment"}
    for key, nothing in (("job-user-id", ("", "0")), ("api-access-token", ("",)), ("ib-tws-dir", ("",))):
        if flat.get(key, "") in nothing:
            flat.pop(key, None)
    name = str(given["environment"])
    section = {**given["environments"][name], "history-provider": ["SubscriptionDataReaderHistoryProvider"]}
    if flat.get("ib-account") == "":
        section["ib-account"] = SOME_ACCOUNT
    return {
        **flat, "data-folder": "data", "container-name": container, "environment": name,
        "file-database-last-update": f"{datetime.now(UTC):%m/%d/%Y %H:%M:%S}",
        "environments": {name: {**section, "environment": "workbench", "environments": {"workbench": flat}}},
    }


def _mounts(job: Job, config: Path, given: Mapping[str, Any]) -> dict[str, str]:
    """Folder and access, rw or ro, of all that an attempt reads and writes; none twice, none inside another of its access."""
    writable = {job.journal.parent, job.results.parent}
    readable = {job.algorithm.parent, job.data_folder, job.intents.parent, job.params.parent, config.parent}
    readable |= {path.parent for path in (job.resume, job.stop_file) if path is not None}
    readable |= {Path(path) for path in given.get("python-additional-paths") or []}
    mounted = {folder: "rw" for folder in writable if not writable & set(folder.parents)}
    for folder in sorted(readable):
        if not mounted.keys() & {folder, *folder.parents}:
            mounted[folder] = "ro"
    return {str(folder.absolute()): access for folder, access in sorted(mounted.items())}
