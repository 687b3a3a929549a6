"""Settings: one table, read once; the environment over the project's file over the defaults."""

import os
from dataclasses import fields
from decimal import Decimal

import pytest

from workbench.errors import BadInput, UnknownName
from workbench.settings import PROJECT_FILE, SETTINGS, Settings, project_root, read_settings


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    """Settings of whoever runs the tests are not theirs."""
    for name in list(os.environ):
        if name.startswith("WORKBENCH_"):
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path):
    """A project's root, with its file still empty, and a folder deep inside."""
    (tmp_path / PROJECT_FILE).touch()
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    return tmp_path


def test_every_setting_has_a_name_and_a_reason():
    """The table is the list of fields, and each row says what it is for."""
    assert [row.name for row in SETTINGS] == [field.name for field in fields(Settings)][1:]
    assert all(row.help and row.help == row.help.strip() for row in SETTINGS)


def test_without_anything_the_defaults_hold(tmp_path):
    """Folders are the project's own."""
    settings = read_settings(tmp_path)

    assert (settings.root, settings.data, settings.reports) == (tmp_path, tmp_path / "data", tmp_path / "reports")
    assert (settings.market, settings.store) == (tmp_path / "data" / "market", tmp_path / "data" / "workbench.duckdb")
    assert (settings.cash, settings.engine) == (Decimal(100000), "embedded")
    assert (settings.store_wait, settings.engine_timeout) == (30.0, 3600.0)


def test_the_file_then_the_environment_then_the_caller(project, monkeypatch):
    """Each wins over the one before; nothing given is nothing said."""
    (project / PROJECT_FILE).write_text('cash = 5000\ndata = "records"\nengine = "lean"\n')
    assert (read_settings(project).cash, read_settings(project).data) == (5000, project / "records")

    monkeypatch.setenv("WORKBENCH_CASH", "6000.50")
    monkeypatch.setenv("WORKBENCH_ENGINE", "")
    assert (read_settings(project).cash, read_settings(project).engine) == (Decimal("6000.50"), "lean")

    assert (read_settings(project, cash=7, engine=None).cash, read_settings(project).engine) == (7, "lean")


def test_the_project_is_found_from_below(project):
    """From a notebook's folder as from the root; without a file, here is the root."""
    assert project_root(project / "notebooks" / "deep") == project
    assert read_settings(project / "notebooks" / "deep").data == project / "data"
    assert read_settings(str(project)).root == project

    (project / PROJECT_FILE).unlink()
    assert read_settings(project / "notebooks").data == project / "notebooks" / "data"


def test_the_current_folder_is_where_one_starts(project, monkeypatch):
    """Where no folder is named."""
    monkeypatch.chdir(project / "notebooks")

    assert read_settings().root == project


def test_a_market_follows_the_data_unless_it_is_named(project, monkeypatch):
    """Relative to the root, or absolute, or at home."""
    assert read_settings(project, data="records").market == project / "records" / "market"
    assert read_settings(project, market="bars").market == project / "bars"
    assert read_settings(project, market="/srv/bars").market.as_posix() == "/srv/bars"
    monkeypatch.setenv("HOME", str(project / "home"))
    assert read_settings(project, market="~/bars").market == project / "home" / "bars"


def test_an_unknown_setting_raises(project):
    """In the file, naming it, and from the caller; with the nearest name."""
    (project / PROJECT_FILE).write_text("chas = 1\n")
    with pytest.raises(UnknownName, match=r"workbench\.toml: unknown setting 'chas'; did you mean 'cash'\?"):
        read_settings(project)

    (project / PROJECT_FILE).write_text("")
    with pytest.raises(UnknownName, match=r"unknown setting 'dta'; did you mean 'data'\?"):
        read_settings(project, dta="x")


def test_a_broken_file_is_named(project):
    """Not TOML is not empty."""
    (project / PROJECT_FILE).write_text("cash = ")
    with pytest.raises(BadInput, match=r"workbench\.toml: not TOML"):
        read_settings(project)


@pytest.mark.parametrize("name", ["cash", "store_wait", "engine_timeout"])
@pytest.mark.parametrize("value", ["0", "-1", "lots", "nan", "inf", ""])
def test_a_number_is_above_zero(project, name, value):
    """Naming the setting and what was given; through the environment too, where nothing given is nothing said."""
    with pytest.raises(BadInput, match=f"setting '{name}'"):
        read_settings(project, **{name: value})


def test_settings_cant_be_changed(project):
    """They are read once, and passed on as a value."""
    settings = read_settings(project)
    with pytest.raises(AttributeError):
        settings.cash = Decimal(1)      # type: ignore[misc]
    assert isinstance(hash(settings), int)
