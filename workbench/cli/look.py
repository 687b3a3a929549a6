"""Looking at what is recorded: runs, reports, journals, the store; and what can be read into it."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.app import (
    DataOption,
    JsonOption,
    MarketOption,
    app,
    day,
    desk_of,
    journal_app,
    number,
    pairs,
    runs_app,
    settings_of,
    store_app,
)
from workbench.cli.printing import json_text, plain, print_table, say, show_parity, spinner
from workbench.errors import BadInput


@app.command()
def ingest(
    path: Annotated[Path, typer.Argument(help="A journal, Lean's order events, or a list of events.")],
    run_id: Annotated[str | None, typer.Option("--run", help="The run a plain list belongs to.")] = None,
    source: Annotated[str | None, typer.Option(help="What to call the teller of a plain list.")] = None,
    data: DataOption = None, as_json: JsonOption = False,
) -> None:
    """Read events of any source into the store. A file twice changes nothing; bad lines are kept with their reason."""
    print_table([plain(desk_of(data, None).store.ingest(path, run_id=run_id, source=source))], as_json=as_json)


@runs_app.command("ls")
def runs_ls(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Every run and its last attempt."""
    desk = desk_of(data, None)
    from workbench.running.desk import RUNS

    found = desk.store.rows(RUNS)
    print_table([dict(zip(found.columns, row, strict=True)) for row in found], as_json=as_json)


@runs_app.command("show")
def runs_show(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
              data: DataOption = None, as_json: JsonOption = False) -> None:
    """One run: its request, its attempts, and its table."""
    desk = desk_of(data, None)
    from workbench.running import records

    found = desk.run(run_id)
    attempts = [plain(attempt) for attempt in records.attempts(desk.data, found.run_id)]
    if as_json:
        typer.echo(json_text({"run": found.body(), "attempts": attempts, "table": desk.table(found.run_id)}))
        return
    say(repr(found))
    shown = ("attempt", "state", "started_at", "ended_at", "cause")
    print_table([{key: row[key] for key in shown} for row in attempts], as_json=False)
    print_table(desk.table(found.run_id), as_json=False)


@app.command()
def report(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
           on: Annotated[list[str] | None, typer.Option("--date", help="Only this rebalance date; may be repeated.")] = None,
           out: Annotated[Path | None, typer.Option(help="The HTML file (default: in the reports folder).")] = None,
           data: DataOption = None, market: MarketOption = None) -> None:
    """One self-contained HTML page: what was wanted, what was traded, and why the two differ."""
    dates = [day(text) for text in on] if on else None
    typer.echo(desk_of(data, market).report(run_id, out=out, dates=dates))


@app.command()
def parity(
    a: Annotated[str, typer.Argument(help="A folder of results, an order-events or journal file, a run id, or <run id>-2.")],
    b: Annotated[str, typer.Argument(help="The other side, in any of these forms.")],
    tolerance: Annotated[str, typer.Option(help="How far numbers may differ, relative to the larger.")] = "1e-9",
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="A field to leave out, as message; may be repeated.")] = None,
    context: Annotated[int, typer.Option(min=0, help="Events to show before the first difference.")] = 3,
    html: Annotated[Path | None, typer.Option("--html", help="Write the comparison as one HTML page, too.")] = None,
    data: DataOption = None, as_json: JsonOption = False,
) -> None:
    """Compare two runs event by event, of Lean or of ours. Exit code 1 where they differ, with the first difference."""
    from workbench.judgement.parity import compare
    from workbench.running.sides import read_sides

    found = compare(*read_sides(settings_of(data).data, a, b), tolerance=number(tolerance, "--tolerance"), ignore=ignore or ())
    show_parity(found, context, html, as_json=as_json)


@app.command()
def dashboard(data: DataOption = None, port: Annotated[int, typer.Option(help="0 finds a free one.")] = 0,
              open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True) -> None:
    """Serve the dashboard notebook as a page, on this machine only, behind a token."""
    from workbench.running.dashboard import serve

    serve(settings_of(data), port=port, open_browser=open_browser)


@app.command()
def notebook(name: Annotated[str, typer.Argument(help="A notebook by name or number: 3_execute, execute or 3.")],
             param: Annotated[list[str] | None, typer.Option("--param", "-p", help="A parameter, name=value.")] = None,
             out: Annotated[Path | None, typer.Option(help="The executed copy (default: in the reports folder).")] = None) -> None:
    """Run a notebook with papermill; its parameters are checked first, its executed copy is kept."""
    from workbench.running import notebook as notebooks

    settings = settings_of(None)
    path = notebooks.find(settings.notebooks, name)
    typer.echo(notebooks.run(path, pairs(param, "--param"), out or settings.reports / "notebooks" / path.name, progress=True))


@journal_app.command("verify")
def journal_verify(path: Annotated[Path, typer.Argument(help="A journal.jsonl, or a run's folder.")],
                   as_json: JsonOption = False) -> None:
    """Walk the chain of a journal. Exit code 6, and the line, where it does not hold."""
    from workbench.algorithm import journal
    from workbench.errors import JournalBroken

    files = sorted(path.rglob("journal.jsonl")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise BadInput("no journal here", where=str(path))
    verdicts = [(file, journal.verify(journal.read_lines(str(file)))) for file in files]
    print_table([{"journal": file, "good": v.good, "lines": v.lines, "sealed up to": v.trusted, "closed": v.closed,
                  "first doubt": v.line or "", "why": v.why} for file, v in verdicts], as_json=as_json)
    for file, verdict in verdicts:
        if not verdict.good:
            raise JournalBroken(str(file), verdict.line, verdict.why)


@store_app.command("rebuild")
def store_rebuild(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Make the store again from the files. The old one serves until the new one is whole."""
    desk = desk_of(data, None)
    with spinner("reading the files"):
        desk.store.rebuild(desk.data)
    print_table([desk.store.counts()], as_json=as_json)


@app.command()
def sql(query: Annotated[str, typer.Argument(help="One SELECT.")], data: DataOption = None, as_json: JsonOption = False) -> None:
    """Ask the store in plain SQL; statements that write are refused."""
    found = desk_of(data, None).store.rows(query)
    print_table([dict(zip(found.columns, row, strict=True)) for row in found], as_json=as_json)
