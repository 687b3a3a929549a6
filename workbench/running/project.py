"""A project folder: settings, notebooks and a small market to begin with."""

import shutil
from pathlib import Path

from workbench.errors import BadInput
from workbench.settings import PROJECT_FILE, SETTINGS

PACKAGE = Path(__file__).parents[1]
REPOSITORY = PACKAGE.parent
FIXTURES = ("market", "snapshots", "intents")


def notebooks() -> Path:
    """The five notebooks as they come with the package, or as they lie in its repository."""
    return _shipped(PACKAGE / "running" / "notebooks", REPOSITORY / "notebooks")


def fixtures() -> Path:
    """A small data folder for first steps: an invented market of eight stocks, 2019 and 2020, and some recorded decisions."""
    return _shipped(PACKAGE / "running" / "fixtures", REPOSITORY / "data" / "fixtures")


def init(folder: Path) -> tuple[Path, ...]:
    """Make a project: `workbench.toml`, `notebooks/` and `data/fixtures`. What is there already is left as it is.

    Returns what was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    settings = folder / PROJECT_FILE
    if not settings.exists():
        settings.write_text(_settings_text(), encoding="utf-8")
        written.append(settings)
    for source in sorted(notebooks().glob("*.ipynb")):
        target = folder / "notebooks" / source.name
        if not target.exists():
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, target)
            written.append(target)
    for part in FIXTURES:
        target = folder / "data" / "fixtures" / part
        if not target.exists():
            shutil.copytree(fixtures() / part, target, ignore=shutil.ignore_patterns("*.made.json"))
            written.append(target)
    return tuple(written)


def _settings_text() -> str:
    rows = "\n".join(f"# {row.name} = \"{row.default}\"    # {row.help}" for row in SETTINGS)
    return ("# Settings of this project; each line shows its default. WORKBENCH_<NAME> in the environment wins over this file.\n"
            f"{rows}\n")


def _shipped(installed: Path, repository: Path) -> Path:
    for folder in (installed, repository):
        if folder.is_dir():
            return folder
    raise BadInput("the package came without it", where=str(installed), remedy="install workbench again")
