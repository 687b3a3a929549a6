"""Where Lean is looked for, what is said where it is not, and the command that each of its kinds is started with.

The programs on the path are small ones of our own: they note how they were called, and behave as the real ones are
documented to in what is asked of them here.
"""

import itertools
import json
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.standin_fixtures import give, make_lean
from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import base, container_signals, containers, lean
from workbench.engines.config import Broker, Job, launcher_config, layered, read_config
from workbench.engines.secrets import Secrets, private_config
from workbench.errors import BadInput, MissingTool
from workbench.settings import Settings, read_settings

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs on the path are scripts with a first line")

DLLS = {"QuantConnect.Common.dll": b"common", lean.DLL: b"launcher"}
NOTE = """
import json, os, sys
from pathlib import Path
HOME, SAID = Path(os.environ["MACHINE"]), sys.argv[1:]
with open(HOME / "calls.jsonl", "a") as out:
    out.write(json.dumps([Path(sys.argv[0]).name, *SAID]) + "\\n")
def value(option):
    return SAID[SAID.index(option) + 1]
def contain(config):        # what the image runs, where a test has given it something to run
    if "LAUNCHER" in os.environ:
        os.chdir(os.environ["LAUNCHER"])
        os.execv(HOME / "lean" / "bin" / "dotnet", ["dotnet", "QuantConnect.Lean.Launcher.dll", "--config", str(config)])
"""
# Images are files; a container is a folder with the arguments it was made from, and the signals that it was sent.
DOCKER = NOTE + """
import signal, time
if SAID[:2] == ["image", "inspect"]:
    image = HOME / "images" / SAID[-1].replace("/", "_")
    print(image.read_text() if image.exists() else "[]")
    sys.exit(0 if image.exists() else 1)
if SAID[0] == "kill":
    name = HOME / "containers" / SAID[-1]
    if not name.exists():
        sys.exit(1)
    (name / SAID[SAID.index("--signal") + 1]).touch()
if SAID[0] == "run":
    mounts = [dict(part.partition("=")[::2] for part in text.split(",")) for flag, text in zip(SAID, SAID[1:]) if flag == "--mount"]
    for mount in mounts:
        assert os.path.isdir(mount["source"]), "bind source path does not exist: " + mount["source"]
    (HOME / "inside.json").write_text(Path(value("--config")).read_text())
    contain(value("--config"))
"""
# Of lean-cli: what it does to the config before a container sees it, and to its container when it is interrupted.
LEAN_CLI = NOTE + """
import signal, time
if SAID == ["--version"]:
    print("lean 1.0.221")
    sys.exit(0)
config_file = Path(value("--lean-config"))
root, output = config_file.parent, Path(value("--output"))
project = Path(SAID[2] if SAID[0] == "live" else SAID[1])
config = json.loads(config_file.read_text())
name = value("--environment") if SAID[0] == "live" else "backtesting"
config["environment"] = name
for key, default in {"job-user-id": "4711", "api-access-token": "of-lean-login", "ib-tws-dir": "in the image"}.items():
    if config.get(key, "") == "":
        config[key] = default
if SAID[0] == "live" and not {**config, **config["environments"][name]}["ib-account"]:
    sys.exit("You are missing the following option: --ib-account")
config |= {"algorithm-location": f"/LeanCLI/{project.name}", "algorithm-type-name": project.stem, "parameters": {},
           "data-folder": "/Lean/Data", "results-destination-folder": "/Results", "object-store-root": "/Storage",
           "algorithm-id": "1123456789"}
config["environments"][name]["data-provider"] = "QuantConnect.Lean.Engine.DataFeeds.DefaultDataProvider"
(HOME / "inside.json").write_text(json.dumps(config))
project.relative_to(root), output.relative_to(root)
container = HOME / "containers" / config["container-name"]
if os.environ.get("STAYS"):
    def kill(*_):
        (HOME / "killed").touch()
        os._exit(1)
    signal.signal(signal.SIGINT, kill)
    if os.environ["STAYS"] == "in a container":
        container.mkdir(parents=True)
    (HOME / "ready").touch()
    while not (container / "SIGINT").exists():
        time.sleep(0.01)
    (HOME / "graceful").touch()
flat, part = dict(config), config       # the stand-in for Lean looks one environment deep, Lean itself to the last
while part.get("environment") in part.get("environments", {}):
    part = part["environments"][part["environment"]]
    flat |= part
if "LAUNCHER" in os.environ:
    (HOME / "inside.json").write_text(json.dumps(flat | {"environment": "", "environments": {}}))
contain(HOME / "inside.json")
sys.exit(1)
"""


class Machine:
    """A machine of its own: a home, a path, and what was called on it."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.bin, self.monkeypatch = home, home / "bin", monkeypatch
        self.bin.mkdir()
        for name in ("LEAN_LAUNCHER", "LEAN_HOME", "DOTNET_ROOT", "PYTHONNET_PYDLL", "CONDA_PREFIX", "STAYS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"HOME": home, "PATH": self.bin, "MACHINE": home, "XDG_RUNTIME_DIR": home}.items():
            monkeypatch.setenv(name, str(value))

    def program(self, name: str, source: str = NOTE) -> Path:
        """Put a program on the path."""
        path = files.write(self.bin / name, f"#!{sys.executable} -IS\n{source}")
        path.chmod(0o755)
        return path

    def image(self, name: str = lean.IMAGE, identity: str = "sha256:0123456789abcdef0123") -> None:
        """Pull an image."""
        self.program("docker", DOCKER)
        files.write(self.home / "images" / name.replace("/", "_"), identity)

    def launcher(self, folder: Path) -> Path:
        """Build Lean into a folder."""
        for name, data in DLLS.items():
            files.write(folder / name, data)
        files.write(folder / lean.IMPORTS, "")
        files.write(folder / lean.DEPS, json.dumps({"libraries": {"Other/1.0.0": {}, "QuantConnect.Lean.Launcher/2.5.0": {}}}))
        return folder

    def settings(self, **changes) -> Settings:
        """Settings of a project on this machine."""
        return read_settings(self.home, lean_python=str(files.write(self.home / "libpython3.11.so", "")), **changes)

    @property
    def calls(self) -> list[list[str]]:
        """Every call of every program, in order."""
        path = self.home / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def inside(self) -> dict:
        """The config as the Lean in the container reads it."""
        return layered(read_config(self.home / "inside.json"))


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    """A machine without any program."""
    return Machine(tmp_path, monkeypatch)


def prepare(folder: Path, **changes) -> tuple[Job, Path]:
    """A job whose files are there, and its config."""
    run = folder / "data" / "runs" / "r1"
    job = replace(Job(
        mode="backtest", algorithm=files.write(folder / "algorithm" / "main.py", "import beside"), algorithm_id="r1-1",
        data_folder=folder / "market", results=run / "1" / "results", intents=files.write(run / "intents.json", "[]"),
        params=files.write(run / "params.json", "{}"), journal=run / "1" / "journal.jsonl", run_id="r1", attempt=1,
        account="backtest", start=date(2020, 3, 2), end=date(2020, 3, 6), cash=Decimal("100000.50")), **changes)
    files.write(folder / "algorithm" / "beside.py", "")
    job.data_folder.mkdir(exist_ok=True)
    return job, files.write(run / "1" / "lean.json", to_json(launcher_config(job)))


def run(start: base.Start) -> subprocess.CompletedProcess[bytes]:
    """Give a start's command, as the launcher of engines does."""
    return subprocess.run(start.command, cwd=start.cwd, env={**os.environ, **dict(start.environment)}, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True)


def wait_for(path: Path) -> None:
    """Until a file is there."""
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path.name} after ten seconds"
        time.sleep(0.01)


def test_without_lean_it_is_said_where_was_looked_and_how_to_get_it(machine):
    """Every way, in order, and the remedy."""
    with pytest.raises(MissingTool) as caught:
        lean.find_lean(machine.settings())
    text = str(caught.value)

    assert text.index(str(machine.home / "Lean")) < text.index("docker image") < text.index("`lean` on the PATH")
    assert "docker pull quantconnect/lean" in text
    assert "the embedded engine needs none" in text
    assert machine.calls == []


@pytest.mark.parametrize("build", ["Debug", "Release"])
@pytest.mark.parametrize("named", ["folder", "dll", "tree", "LEAN_LAUNCHER", "LEAN_HOME", "home"])
def test_a_launcher_is_found_however_it_is_named(machine, named, build):
    """By the setting (the folder, the DLL or Lean's tree), by the environment, or where a checkout usually is."""
    tree = machine.home / ("Lean" if named == "home" else "elsewhere")
    folder = machine.launcher(tree / "Launcher" / "bin" / build)
    dotnet = machine.program("dotnet")
    given = {"folder": folder, "dll": folder / lean.DLL, "tree": tree}.get(named, "")
    if named.startswith("LEAN_"):
        machine.monkeypatch.setenv(named, str(folder if named == "LEAN_LAUNCHER" else tree))
    engine = lean.find_lean(machine.settings(lean=str(given)))

    assert (engine.kind, engine.name, engine.cwd) == ("launcher", "lean", folder)
    assert engine.command == (str(dotnet), "QuantConnect.Lean.Launcher.dll")
    assert engine.environment == (("PYTHONNET_PYDLL", str(machine.home / "libpython3.11.so")),)


@pytest.mark.parametrize("where", ["setting 'lean'", "LEAN_LAUNCHER"])
def test_a_name_for_nothing_is_refused_though_another_lean_is_there(machine, where):
    """Whoever names a Lean does not want another."""
    machine.launcher(machine.home / "Lean" / "Launcher" / "bin" / "Debug")
    machine.program("dotnet")
    if where == "LEAN_LAUNCHER":
        machine.monkeypatch.setenv(where, "/nowhere")
    with pytest.raises(BadInput, match=f"{where}: no QuantConnect.Lean.Launcher.dll in /nowhere"):
        lean.find_lean(machine.settings(lean="" if where == "LEAN_LAUNCHER" else "/nowhere"))


def test_a_launcher_needs_dotnet_and_its_python_files(machine):
    """Each that is missing is named."""
    folder = machine.launcher(machine.home / "build")
    settings = machine.settings(lean=str(folder))
    if lean._find_dotnet() is None:
        with pytest.raises(MissingTool, match=r"\.NET .*is not installed; install the \.NET"):
            lean.find_lean(settings)
    machine.program("dotnet")
    (folder / lean.IMPORTS).unlink()
    with pytest.raises(MissingTool, match=r"AlgorithmImports\.py"):
        lean.find_lean(settings)


def test_another_build_is_another_version(machine):
    """Lean's own version and a hash over its DLLs; the hash is taken anew where a size or a time has changed."""
    folder = machine.launcher(machine.home / "build")
    machine.program("dotnet")
    settings = machine.settings(lean=str(folder))
    settings.data.mkdir()
    first, again = (lean.find_lean(settings).version for _ in range(2))
    kept = json.loads((settings.data / lean.CACHE).read_text())
    files.write(folder / "QuantConnect.Common.dll", b"Common")
    os.utime(folder / "QuantConnect.Common.dll", (1, 1))
    other = lean.find_lean(settings).version
    files.write(folder / "Newtonsoft.Json.dll", b"not Lean's own")

    assert first == again != other == lean.find_lean(settings).version
    assert [version.partition("+")[0] for version in (first, other)] == ["2.5.0", "2.5.0"]
    assert kept[str(folder)]["digest"] == first.partition("+")[2]


def test_what_was_hashed_once_is_not_read_again(machine):
    """Another process finds the hash in the data folder, by the names, sizes and times of the DLLs."""
    folder = machine.launcher(machine.home / "build")
    machine.program("dotnet")
    settings = machine.settings(lean=str(folder))
    settings.data.mkdir()
    first = lean.find_lean(settings).version
    path, times = folder / lean.DLL, (folder / lean.DLL).stat()
    path.write_bytes(b"LAUNCHER")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    lean._digest.cache_clear()

    assert lean.find_lean(settings).version == first


@pytest.mark.parametrize(("setting", "image"), [("docker", lean.IMAGE), ("docker:mine/lean:7", "mine/lean:7"), ("", lean.IMAGE)])
def test_a_docker_image_is_a_lean(machine, setting, image):
    """By the setting, or where there is no launcher; its version is the image's identity."""
    machine.image(image)
    engine = lean.find_lean(machine.settings(lean=setting))

    assert (engine.kind, engine.version) == ("docker", "docker-0123456789ab")
    assert engine.command == (str(machine.bin / "docker"), image)


def test_a_docker_without_the_image_says_how_to_get_it(machine):
    """Named by the setting, it is an error; only looked for, it is passed by."""
    machine.program("docker", DOCKER)
    with pytest.raises(MissingTool, match=r"the image mine/lean.*`docker pull mine/lean`"):
        lean.find_lean(machine.settings(lean="docker:mine/lean"))


def test_lean_cli_is_found_by_what_it_answers(machine):
    """Another program is called `lean`, too: a theorem prover, which answers otherwise."""
    machine.image()
    machine.program("lean", "print('Lean (version 4.12.0, x86_64-unknown-linux-gnu)')")
    with pytest.raises(MissingTool, match="lean-cli"):
        lean.find_lean(machine.settings(lean="cli"))
    machine.program("lean", LEAN_CLI)
    engine = lean.find_lean(machine.settings(lean="cli"))

    assert (engine.kind, engine.version) == ("cli", "cli-1.0.221+docker-0123456789ab")
    assert engine.command == (str(machine.bin / "lean"), str(machine.bin / "docker"), lean.IMAGE)


def test_doctor_is_told_of_every_way(machine):
    """What is there and what is missing, each with its remedy; a setting that names nothing is one of them."""
    machine.image()
    machine.program("lean", LEAN_CLI)
    found = lean.look_for_lean(machine.settings(lean="/nowhere"))

    assert [(one.kind, one.engine is not None) for one in found] == [
        ("setting", False), ("launcher", False), ("docker", True), ("cli", True)]
    assert all(one.remedy for one in found)


def test_the_library_of_python_is_the_setting_s_then_the_environment_s_then_looked_for(machine):
    """Lean loads it by its full path; a path that names nothing is refused rather than passed over."""
    settings = machine.settings()
    unset = replace(settings, lean_python="")
    conda = files.write(machine.home / "env" / "lib" / lean.PYTHON_LIBRARY, "")
    machine.monkeypatch.setenv("CONDA_PREFIX", str(machine.home / "env"))
    looked_for = lean.find_python_library(unset)
    machine.monkeypatch.setenv("PYTHONNET_PYDLL", "/nowhere/libpython3.11.so")
    with pytest.raises(BadInput, match="PYTHONNET_PYDLL: no such file"):
        lean.find_python_library(unset)

    assert looked_for == conda
    assert lean.find_python_library(settings) == machine.home / "libpython3.11.so"


def test_the_python_on_the_path_is_asked_where_its_library_lies(machine):
    """Ours may be another version than Lean's."""
    machine.program("python3.11", "print('/prefix'); print('/folder')")

    assert {Path("/folder", lean.PYTHON_LIBRARY), Path("/prefix", lean.PYTHON_LIBRARY)} < set(lean._python_libraries())


def test_a_launcher_is_started_in_its_folder_with_the_config(machine):
    """As Lean is: the DLL by its bare name, from the folder whose plug-ins and Python files it loads."""
    folder = machine.launcher(machine.home / "build")
    dotnet = machine.program("dotnet")
    job, config = prepare(machine.home)
    start = lean.start(lean.find_lean(machine.settings(lean=str(folder))), job, config)
    run(start)

    assert start.command == (str(dotnet), "QuantConnect.Lean.Launcher.dll", "--config", str(config))
    assert start.cwd == folder
    assert machine.calls == [["dotnet", "QuantConnect.Lean.Launcher.dll", "--config", str(config)]]
    assert start.last_resort == start.private == ()


@pytest.mark.parametrize("lost", ["config", "algorithm", "dll", "imports", "dotnet"])
def test_what_could_only_fail_is_not_started(machine, lost):
    """Without its config Lean would run a sample of its own; without the rest it would end with a stack of .NET."""
    folder = machine.launcher(machine.home / "build")
    dotnet = machine.program("dotnet")
    job, config = prepare(machine.home)
    engine = lean.find_lean(machine.settings(lean=str(folder)))
    gone, said = {"config": (config, "config"), "algorithm": (job.algorithm, "main.py"), "dll": (folder / lean.DLL, lean.DLL),
                  "imports": (folder / lean.IMPORTS, lean.IMPORTS), "dotnet": (dotnet, r"\.NET")}[lost]
    gone.unlink()
    with pytest.raises((BadInput, MissingTool), match=said):
        lean.start(engine, job, config)


def test_a_container_sees_the_run_where_it_lies(machine):
    """Every folder that the config names is mounted at its own path: the attempt to write, all else to read."""
    machine.image()
    at = machine.home
    home = at / "data" / "runs" / "r1"
    job, config = prepare(at, stop_file=at / "stops" / "r1", resume=home / "1" / "resume.json")
    (at / "stops").mkdir()
    start = lean.start(lean.find_lean(machine.settings(lean="docker")), job, config)
    done = run(start)
    command = list(start.command)
    mounts = [value for option, value in itertools.pairwise(command) if option == "--mount"]

    assert done.returncode == 0, done.stderr
    assert command[1:5] == ["run", "--rm", "--name", "workbench-r1-1"]
    assert command[-3:] == [lean.IMAGE, "--config", str(config)]
    assert "--detach" not in command
    assert set(mounts) == {
        f"type=bind,source={home / '1'},target={home / '1'}",
        *(f"type=bind,source={one},target={one},readonly" for one in (home, at / "algorithm", at / "market", at / "stops"))}
    assert start.last_resort == ((str(machine.bin / "docker"), "rm", "--force", "workbench-r1-1"),)
    assert machine.inside == layered(launcher_config(job))


def test_a_container_with_ib_is_told_where_its_gateway_is(machine):
    """Lean would look for it in a folder of Windows."""
    machine.image()
    engine = lean.find_lean(machine.settings(lean="docker"))
    commands = [lean.start(engine, *prepare(machine.home, mode="live", account="U1")).command]
    job, config = prepare(machine.home, mode="live", account="U1")
    files.write(config, to_json(launcher_config(job, Broker(tws_dir="/jts"))))
    commands.append(lean.start(engine, job, config).command)

    assert commands[0][-2:] == ("--ib-tws-dir", containers.CONTAINER_TWS)
    assert "--ib-tws-dir" not in commands[1]


@pytest.mark.parametrize("changes", [{}, {"mode": "paper", "account": "paper"}, {"mode": "live", "account": "U1"}])
def test_what_lean_cli_makes_of_the_config_is_what_we_gave_it(machine, changes):
    """It sets ids, paths and parameters of its own; Lean inside still reads ours, every key, and the account of `lean login`."""
    machine.image()
    machine.program("lean", LEAN_CLI)
    job, config = prepare(machine.home, **changes)
    files.write(config, to_json(launcher_config(job, extra={"data-provider": "MyProvider"})))
    start = lean.start(lean.find_lean(machine.settings(lean="cli")), job, config)
    run(start)
    ours, inside = layered(read_config(config)), machine.inside
    theirs = {"job-user-id": "4711", "api-access-token": "of-lean-login", "environment": "workbench"}

    assert {key: inside[key] for key in ours} == ours | theirs
    assert inside["data-provider"] == "MyProvider"
    assert inside["algorithm-id"] == "r1-1"


def test_lean_cli_is_given_a_root_of_its_own_beside_the_config(machine):
    """Project, output and data lie in it, as it insists; the market's folder is not the one that it would bring up to date."""
    machine.image()
    machine.program("lean", LEAN_CLI)
    job, config = prepare(machine.home)
    start = lean.start(lean.find_lean(machine.settings(lean="cli")), job, config)
    run(start)
    said = machine.calls[-1]
    root = config.parent / "cli"
    docker = json.loads(said[said.index("--extra-docker-config") + 1])
    kept = json.loads((root / "lean.json").read_text())

    assert said[:5] == ["lean", "backtest", str(root / "project" / "main.py"), "--backtest-name", "r1-1"]
    assert (start.cwd, kept["data-folder"], kept["container-name"]) == (root, "data", "workbench-r1-1")
    assert sorted(path.name for path in (root / "project").iterdir()) == ["beside.py", "main.py"]
    assert {folder: how["mode"] for folder, how in docker["volumes"].items()} == {
        str(config.parent): "rw", str(config.parent.parent): "ro", str(machine.home / "algorithm"): "ro",
        str(machine.home / "market"): "ro"}
    assert all(how["bind"] == folder for folder, how in docker["volumes"].items())
    assert datetime.strptime(kept["file-database-last-update"], "%m/%d/%Y %H:%M:%S").replace(tzinfo=UTC) <= datetime.now(UTC)


def test_lean_cli_deploys_paper_and_live_in_our_environment(machine):
    """Non-interactive, for the environment has the brokerage and the data; only paper money may be told its cash."""
    machine.image()
    machine.program("lean", LEAN_CLI)
    engine = lean.find_lean(machine.settings(lean="cli"))
    commands = [lean.start(engine, *prepare(machine.home, mode=mode, account=account)).command
                for mode, account in (("paper", "paper"), ("paper", "DU1"), ("live", "U1"))]
    words = [command[command.index("live"):command.index("--lean-config")] for command in commands]

    assert [one[:2] + one[3:] for one in words] == [
        ("live", "deploy", "--environment", "live-paper", "--live-cash-balance", "USD:100000.50"),
        ("live", "deploy", "--environment", "live-interactive"), ("live", "deploy", "--environment", "live-interactive")]


@pytest.mark.parametrize("kind", ["launcher", "docker", "cli"])
def test_no_secret_is_in_a_command_or_in_what_is_kept(machine, kind):
    """Lean reads them in the private copy, and what stays of the attempt has none; what must go is named for the keeper."""
    machine.image()
    machine.program("dotnet", NOTE)
    machine.program("lean", LEAN_CLI)
    folder = machine.launcher(machine.home / "build")
    engine = lean.find_lean(machine.settings(lean=str(folder) if kind == "launcher" else kind))
    job, kept = prepare(machine.home, mode="live", account="U1")
    held = Secrets(values=(("IB_PASSWORD", "hunter2!"), ("IB_USER_NAME", "carla-4711")))
    with private_config(kept, held) as copy:
        start = lean.start(engine, job, copy)
        run(start)
        read = layered(read_config(copy)) if kind == "launcher" else machine.inside
        modes = {stat.S_IMODE(path.stat().st_mode) for path in start.private}
    (machine.home / "inside.json").unlink(missing_ok=True)
    told = " ".join((*start.command, str(start.environment), str(machine.calls)))
    left = b"".join(path.read_bytes() for path in machine.home.rglob("*") if path.is_file())

    assert (read["ib-password"], read["ib-user-name"]) == ("hunter2!", "carla-4711")
    assert not [value for _, value in held.values if value in told]
    assert not [value for _, value in held.values if value.encode() in left]
    assert copy in start.private
    assert modes == {0o600}
    assert not [path for path in start.private if path.exists()]


@pytest.mark.parametrize(("stays", "end", "other"), [
    ("in a container", "graceful", "killed"), ("before its container", "killed", "graceful")])
def test_lean_cli_is_stopped_by_way_of_its_container(machine, stays, end, other):
    """A SIGINT of its own would have it kill Lean at once; only where there is no container yet it gets one."""
    machine.image()
    machine.program("lean", LEAN_CLI)
    machine.monkeypatch.setenv("STAYS", stays)
    job, config = prepare(machine.home)
    start = lean.start(lean.find_lean(machine.settings(lean="cli")), job, config)
    child = subprocess.Popen(start.command, cwd=start.cwd, stdin=subprocess.DEVNULL, start_new_session=True)
    wait_for(machine.home / "ready")
    os.killpg(child.pid, signal.SIGINT)

    assert child.wait(10) == 1
    assert (machine.home / end).exists()
    assert not (machine.home / other).exists()


def test_an_exit_code_of_a_signal_is_told_as_a_shell_does(machine):
    """The command's end is the end of what keeps it."""
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"

    assert container_signals.main("docker", "none", [sys.executable, "-c", code]) == 128 + signal.SIGKILL


@pytest.mark.parametrize("kind", ["launcher", "docker", "cli"])
def test_an_attempt_comes_to_its_end_with_every_kind(machine, kind):
    """From the settings to the outcome: the stand-in for Lean reads what each kind hands it; what is kept has no secret."""
    made = make_lean(machine.home / "lean")
    machine.image()
    machine.program("lean", LEAN_CLI)
    (machine.bin / "dotnet").symlink_to(made.bin / "dotnet")
    machine.monkeypatch.setenv("LAUNCHER", str(made.folder))
    given = give(machine.home / "run" / "1", changes={"polygon-api-key": "secret:POLYGON"})
    engine = lean.find_lean(machine.settings(lean=str(made.folder) if kind == "launcher" else kind))
    with private_config(given.config, Secrets(values=(("POLYGON", "p0lygon"),))) as config:
        _, outcome, _ = given.launch(lean.start(engine, given.job, config))
    (machine.home / "inside.json").unlink(missing_ok=True)
    left = b"".join(path.read_bytes() for path in machine.home.rglob("*") if path.is_file())

    assert outcome.complete, outcome.cause
    assert outcome.end_equity is not None
    assert b"p0lygon" not in left


def test_the_embedded_engine_is_started_by_the_same_call(machine):
    """Whoever starts an attempt need not know its kind."""
    job, config = prepare(machine.home)
    engine = base.find_engine("embedded")

    assert lean.start(engine, job, config) == base.start_of(engine, config)


def test_a_user_s_keys_are_read_from_a_file(machine):
    """An object of Lean's keys; anything else is refused by name."""
    good, bad = files.write(machine.home / "good.json", '{"a": 1.5}'), files.write(machine.home / "bad.json", "[]")

    assert lean.extra_of(machine.settings()) == {}
    assert lean.extra_of(machine.settings(lean_config=good)) == {"a": Decimal("1.5")}
    with pytest.raises(BadInput, match=r"bad\.json: must hold an object"):
        lean.extra_of(machine.settings(lean_config=bad))
