"""Beginning: a project, the demo, what is installed, and market data."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.app import DataOption, JsonOption, app, data_app, pairs, settings_of
from workbench.cli.printing import plain, print_table, progress_bar, say


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where the project is to be.")] = Path()) -> None:
    """Make a project: settings, the five notebooks, a small invented market."""
    from workbench.running import project

    for path in project.init(folder):
        typer.echo(path)


@app.command()
def demo(folder: Annotated[Path | None, typer.Option("--folder", help="Where to work (default: data/demo).")] = None,
         as_json: JsonOption = False) -> None:
    """The main job on real prices: a year of monthly decisions, one backtest, the table and the report."""
    from workbench.running import demo as job

    with progress_bar("demo") as progress:
        done = job.run(folder, progress)
    print_table(done.rows, as_json=as_json, title=done.title)
    say(f"Report: {done.report}")


@app.command()
def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """What is installed, what is missing and how to get it. Exit code 9 where something needed is missing."""
    from workbench.running.doctor import examine

    checks = examine(settings_of(data))
    rows = [{"": {"good": "ok", "missing": "MISSING", "optional": "-"}[check.state], "what": check.name, "found": check.found,
             "remedy": check.remedy} for check in checks]
    print_table(rows, as_json=as_json)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(9)


@data_app.command("sample")
def data_sample(folder: Annotated[Path | None, typer.Argument(help="Lean data folder to write (default: the project's).")] = None,
                data: DataOption = None) -> None:
    """Write the sample: real daily prices of AAPL, FB, GOOG, IBM and MSFT, 2000 to 2013."""
    from workbench.market.sample import write_sample

    say(f"{write_sample(folder or settings_of(data).market)}: real daily prices of five stocks, 2000 to 2013")


@data_app.command("import")
def data_import(source: Annotated[Path, typer.Argument(help="A CSV or Parquet file, or a folder of them.")],
                folder: Annotated[Path | None, typer.Option("--into", help="Lean data folder to write into.")] = None,
                column: Annotated[list[str] | None, typer.Option("--column", help="field=column, where names differ.")] = None,
                exchange: Annotated[str, typer.Option(help="Exchange letter for the map files: N, Q, P …")] = "N",
                sort: Annotated[bool, typer.Option("--sort", help="Put the rows in order of date first.")] = False,
                data: DataOption = None, as_json: JsonOption = False) -> None:
    """Bring your own daily bars in. All is checked first; nothing is written unless all is good."""
    from workbench.market.importer import import_bars

    done = import_bars(source, folder or settings_of(data).market, columns=pairs(column, "--column") or None, exchange=exchange,
                       sort=sort)
    print_table([plain(item) for item in done], as_json=as_json)


@data_app.command("check")
def data_check(folder: Annotated[Path | None, typer.Argument(help="Lean data folder (default: the project's).")] = None,
               data: DataOption = None, as_json: JsonOption = False) -> None:
    """Gaps, jumps without a factor, zero volume, duplicates. Exit code 1 where something was found."""
    from workbench.market.check import check
    from workbench.market.folder import Market

    findings = check(Market(folder or settings_of(data).market))
    print_table([plain(finding) for finding in findings], as_json=as_json, title="" if findings else "nothing odd found")
    if findings:
        raise typer.Exit(1)
