"""The command itself: its groups, the options that several commands have, and what reads their values."""

import json
import sys
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench import __version__
from workbench.cli.printing import stderr
from workbench.errors import BadInput, WorkbenchError

if TYPE_CHECKING:
    from workbench.running.desk import Desk
    from workbench.settings import Settings

app = typer.Typer(name="workbench", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="From a decision in a notebook to orders, fills, and why the two differ.")
data_app = typer.Typer(no_args_is_help=True, help="Market data in Lean's format: sample, import, check.")
runs_app = typer.Typer(no_args_is_help=True, help="What was asked of an engine.")
journal_app = typer.Typer(no_args_is_help=True, help="The event journal of an attempt.")
store_app = typer.Typer(no_args_is_help=True, help="The DuckDB index.")
app.add_typer(data_app, name="data")
app.add_typer(runs_app, name="runs")
app.add_typer(journal_app, name="journal")
app.add_typer(store_app, name="store")

DataOption = Annotated[Path | None, typer.Option("--data", help="Folder of everything recorded (default: the project's).")]
MarketOption = Annotated[Path | None, typer.Option("--market", help="Lean data folder to read prices from.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
StrategyOption = Annotated[str, typer.Option("--strategy", "-s", help="A built-in's name, or my_file.py:weights.")]
ParamsOption = Annotated[Path | None, typer.Option("--params", help="A file of execution params.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="An execution param, name=value; may be repeated.")]


def main() -> None:
    """Run the command; an error of ours is one line on stderr and its exit code."""
    try:
        app()
    except WorkbenchError as error:
        stderr().print(f"[bold red]{type(error).__name__}[/]: ", end="")
        stderr().print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


def today() -> date:
    """The day it is in New York."""
    from workbench.market.calendar import NEW_YORK

    return datetime.now(NEW_YORK).date()


def today_at(text: str) -> datetime:
    """A moment of today in New York, from HH:MM."""
    from datetime import time as clock

    from workbench.market.calendar import NEW_YORK

    try:
        return datetime.combine(today(), clock.fromisoformat(text), NEW_YORK)
    except ValueError:
        raise BadInput(f"{text!r} is not a time HH:MM", where="--deadline") from None


def number(text: str, option: str) -> Decimal:
    """An option's exact number. Raises `BadInput` that names the option."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadInput(f"{text!r} is not a number", where=option) from None


def settings_of(data: Path | None, market: Path | None = None) -> "Settings":
    """The project's settings; folders of one's own are the current directory's."""
    from workbench.settings import read_settings

    return read_settings(data=data and data.resolve(), market=market and market.resolve())


def desk_of(data: Path | None, market: Path | None) -> "Desk":
    """The desk of these folders."""
    from workbench.running.desk import Desk

    return Desk(settings=settings_of(data, market))


def dates_of(desk: "Desk", on: list[str] | None, first: str | None, last: str | None, every: str) -> list[date]:
    """The rebalance dates that were named, or those of a range."""
    if on and not (first or last):
        return [day(text) for text in on]
    if first and last and not on:
        return list(desk.rebalance_dates(day(first), day(last), every))
    raise BadInput("say which dates", remedy="give --date (once or more), or --from and --until")


def day(text: str) -> date:
    """A date from its text."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a date YYYY-MM-DD") from None


def pairs(given: Iterable[str] | None, option: str) -> dict[str, Any]:
    """`name=value` options; values that read as JSON are that (numbers, flags, lists, objects), else text."""
    found: dict[str, Any] = {}
    for item in given or ():
        name, equals, text = item.partition("=")
        if not equals or not name:
            raise BadInput(f"{item!r} is not name=value", where=option)
        try:
            found[name] = json.loads(text, parse_float=str)
        except json.JSONDecodeError:
            found[name] = text
    return found
