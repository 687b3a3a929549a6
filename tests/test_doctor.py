"""What the doctor says of Lean, the broker, live trading and secrets left behind, on machines that have them or not."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from workbench import files
from workbench.engines import lean
from workbench.running.doctor import Check, examine
from workbench.settings import read_settings


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Path:
    """A machine with nothing on its path, and a home and a runtime folder of its own."""
    for name in ("LEAN_LAUNCHER", "LEAN_HOME", "DOTNET_ROOT", "PYTHONNET_PYDLL", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "PATH", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(files.write(tmp_path / name.lower() / "kept", "").parent))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "xdg_runtime_dir"))
    return tmp_path


def rows(machine: Path, **settings) -> dict[str, Check]:
    """The doctor's rows by name."""
    return {check.name: check for check in examine(read_settings(machine, **settings))}


def build(folder: Path) -> Path:
    """A folder that Lean was built into."""
    for name in (lean.DLL, lean.IMPORTS):
        files.write(folder / name, "")
    return Path(files.write(folder / lean.DEPS, json.dumps({"libraries": {"QuantConnect.Lean.Launcher/2.5.0": {}}})).parent)


def put_dotnet(machine: Path) -> None:
    """A `dotnet` on the path."""
    files.write(machine / "path" / "dotnet", "#!/bin/sh\n").chmod(0o755)


def test_without_lean_each_way_is_optional_and_says_how_to_get_it(machine):
    """Where was looked, what is missing there, and the remedy; none is needed."""
    found = [check for name, check in rows(machine).items() if name.startswith("lean ")]

    assert [check.name for check in found] == ["lean launcher", "lean docker", "lean cli"]
    assert {check.state for check in found} == {"optional"}
    assert str(machine / "home" / "Lean") in found[0].found
    assert "the embedded engine needs none" in found[0].remedy
    assert all(check.remedy for check in found)


@pytest.mark.skipif(os.name != "posix", reason="the program on the path is a script with a first line")
def test_a_lean_that_is_there_is_good_and_says_its_version(machine):
    """The version is part of a run's identity."""
    put_dotnet(machine)
    folder = build(machine / "home" / "Lean" / "Launcher" / "bin" / "Debug")
    check = rows(machine)["lean launcher"]

    assert check.state == "good"
    assert check.found.startswith("2.5.0+")
    assert str(folder) in check.found


def test_a_setting_that_names_no_lean_is_said_beside_what_there_is(machine):
    """It is looked at with the others, and does not end the doctor's round."""
    found = rows(machine, lean="/nowhere")

    assert "/nowhere" in found["lean setting"].found
    assert "lean docker" in found


def test_a_python_library_that_is_not_there_is_said(machine):
    """In the row of the library, and in the round's other rows nothing ends."""
    put_dotnet(machine)
    build(machine / "home" / "Lean" / "Launcher" / "bin" / "Debug")
    given = files.write(machine / "libpython3.11.so", "")
    bad, good = rows(machine, lean_python="/nowhere.so"), rows(machine, lean_python=given)

    assert bad["PYTHONNET_PYDLL"].state == "optional"
    assert "/nowhere.so" in bad["PYTHONNET_PYDLL"].found
    assert "lean_python" in bad["PYTHONNET_PYDLL"].remedy
    assert (good["PYTHONNET_PYDLL"].state, good["PYTHONNET_PYDLL"].found) == ("good", str(given))


def test_secrets_that_a_killed_process_left_are_said_and_not_touched(machine):
    """The doctor only looks; of a process that lives nothing is said."""
    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    clean = rows(machine)["secrets"]
    left = [files.write(machine / "xdg_runtime_dir" / f"workbench-{pid}-x" / "lean.json", "{}") for pid in (dead.pid, os.getpid())]
    found = rows(machine)["secrets"]

    assert (clean.state, found.state) == ("good", "missing")
    assert str(left[0].parent) in found.found
    assert str(left[1].parent) not in found.found
    assert all(path.exists() for path in left)


def test_the_broker_s_connection_is_only_said(machine):
    """No port: no connection of ours. With one: where to, and that it was not tried."""
    without, given = rows(machine)["ib connection"], rows(machine, ib_port=4002, ib_client_id=78)["ib connection"]

    assert (without.state, given.state) == ("optional", "good")
    assert given.found == "127.0.0.1:4002 as client 78 (not tried)"


def test_live_trading_is_not_allowed_until_it_is(machine):
    """The account is named with it; without one, the paper brokerage is Lean's own."""
    default, allowed = rows(machine)["live trading"], rows(machine, allow_live="true", account="U1")["live trading"]

    assert default.state == "optional"
    assert "not allowed" in default.found
    assert "Lean's own paper brokerage" in default.found
    assert (allowed.state, "account U1" in allowed.found) == ("good", True)

