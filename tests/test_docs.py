"""Documents are tested or they rot."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

import workbench as wb
from tests import test_engine_api, test_engine_published
from workbench.cli import app
from workbench.settings import SETTINGS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SCRIPTS = 111       # recorded runs, with those on data that is not part of the project
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> set[str]:
    """Every command, groups with their members."""
    found = set()
    for name, command in get_command(app).commands.items():
        members = getattr(command, "commands", None)
        found |= {f"{name} {member}" for member in members} if members else {name}
    return found


def test_the_two_commands_come_first():
    """A newcomer's first block."""
    block = re.search(r"```sh\n(.*?)```", README, re.DOTALL)[1]

    assert [line.split("#")[0].strip() for line in block.splitlines()] == ["make demo", "make test"]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_in_the_readme(setting):
    """Every setting is explained where a user looks first, with its default."""
    row = next(line for line in README.splitlines() if line.startswith(f"| `{setting.name}` |"))

    assert setting.default in row
    assert setting.help.split(":")[0] in row


@pytest.mark.parametrize("command", sorted(commands() - {"demo", "notebook"}))
def test_a_command_is_in_the_readme(command):
    """`demo` is `make demo`; `notebook` is in the tutorial's words."""
    assert f"workbench {command}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_text_exist(page):
    """No page names a command that is gone."""
    known = commands()
    groups = {command.split()[0] for command in known if " " in command}
    for name, member in re.findall(r"(?:^|`)workbench ([a-z]+)(?: ([a-z]+))?", page.read_text(), re.MULTILINE):
        assert (f"{name} {member}" if name in groups else name) in known, f"{page.name}: workbench {name} {member}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_public_names_in_the_text_exist(page):
    """Each `wb.` name used in prose is one."""
    for name in re.findall(r"\bwb\.([A-Za-z_]+)", page.read_text()):
        assert name in wb.__all__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Relative links and pictures exist."""
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_engines_numbers_are_those_of_its_tests():
    """What the engine's page, the README and the changelog say is equal is what is compared."""
    golden = ROOT / "tests" / "golden" / "portable"
    scripts = len(list((golden / "scripts").glob("*.json")))
    page = (ROOT / "docs" / "engine.md").read_text()

    assert f"{SCRIPTS} recorded scripts: {scripts} on the invented market, {SCRIPTS - scripts} on" in page
    assert f"{test_engine_api.EQUAL} of {test_engine_api.ALL} lines" in page
    assert f"every order: {len(test_engine_published.PUBLISHED)} of Lean's demonstration algorithms" in page
    assert f"{SCRIPTS} recorded runs" in README
    assert f"{test_engine_api.EQUAL} of {test_engine_api.ALL}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_notebook_and_decision_is_listed():
    """In the README, and in the list of decisions."""
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()

    assert all(f"`{path.stem}`" in README for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert all(path.name in listed for path in (ROOT / "docs" / "decisions").glob("0*.md"))


def test_every_room_is_in_the_architecture():
    """The table of rooms names each folder and top module."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path.name + "/" for path in (ROOT / "workbench").iterdir() if path.is_dir() and not path.name.startswith("__")]

    assert [room for room in [*rooms, "cli/", "errors.py", "settings.py", "files.py"] if f"`{room}`" not in text] == []


def test_the_changelog_knows_this_version():
    """A line says what changed for the user."""
    assert f"## {wb.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_project_speaks_only_of_itself():
    """No word of the workplace in what is committed."""
    words = re.compile(r"\b(sub-?agents?|helper-\d|farm-|claude|LLM session|issue \d)\b", re.IGNORECASE)
    texts = [*PAGES, *(ROOT / "workbench").rglob("*.py"), *(ROOT / "scripts").glob("*.py")]

    assert [path.name for path in texts if words.search(path.read_text())] == []
