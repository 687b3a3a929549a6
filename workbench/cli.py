"""The `workbench` command. Each sub-command reads its options, calls one function of the rooms below, and prints.

Data goes to stdout (as JSON with --json), everything else to stderr. Exit codes: 0 done; 1 different, or something odd found, or
anything else; 2 bad input; 3 not recorded or no price; 4 a strategy looked ahead; 5 an engine or notebook failed; 6 a journal
does not verify; 7 claimed by another; 8 the store stayed locked; 9 something is not installed; 10 live trading that nobody
allowed; 11 orders whose outcome nobody knows; 12 the broker could not be asked.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench import __version__
from workbench.errors import BadInput, WorkbenchError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.engines.log import LogLine
    from workbench.judgement.parity import Parity
    from workbench.running.desk import Desk
    from workbench.words.progress import OrderProgress, RunProgress

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
        _stderr().print(f"[bold red]{type(error).__name__}[/]: ", end="")
        _stderr().print(str(error), markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


# Begin.

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

    with _bar("demo") as progress:
        done = job.run(folder, progress)
    _print_table(done.rows, as_json=as_json, title=done.title)
    _say(f"Report: {done.report}")


@app.command()
def doctor(data: DataOption = None, as_json: JsonOption = False) -> None:
    """What is installed, what is missing and how to get it. Exit code 9 where something needed is missing."""
    from workbench.running.doctor import examine

    checks = examine(_settings(data))
    rows = [{"": {"good": "ok", "missing": "MISSING", "optional": "-"}[check.state], "what": check.name, "found": check.found,
             "remedy": check.remedy} for check in checks]
    _print_table(rows, as_json=as_json)
    if any(check.state == "missing" for check in checks):
        raise typer.Exit(9)


# Market data.

@data_app.command("sample")
def data_sample(folder: Annotated[Path | None, typer.Argument(help="Lean data folder to write (default: the project's).")] = None,
                data: DataOption = None) -> None:
    """Write the sample: real daily prices of AAPL, FB, GOOG, IBM and MSFT, 2000 to 2013."""
    from workbench.market.sample import write_sample

    _say(f"{write_sample(folder or _settings(data).market)}: real daily prices of five stocks, 2000 to 2013")


@data_app.command("import")
def data_import(source: Annotated[Path, typer.Argument(help="A CSV or Parquet file, or a folder of them.")],
                folder: Annotated[Path | None, typer.Option("--into", help="Lean data folder to write into.")] = None,
                column: Annotated[list[str] | None, typer.Option("--column", help="field=column, where names differ.")] = None,
                exchange: Annotated[str, typer.Option(help="Exchange letter for the map files: N, Q, P …")] = "N",
                sort: Annotated[bool, typer.Option("--sort", help="Put the rows in order of date first.")] = False,
                data: DataOption = None, as_json: JsonOption = False) -> None:
    """Bring your own daily bars in. All is checked first; nothing is written unless all is good."""
    from workbench.market.importer import import_bars

    done = import_bars(source, folder or _settings(data).market, columns=_pairs(column, "--column") or None, exchange=exchange,
                       sort=sort)
    _print_table([_plain(item) for item in done], as_json=as_json)


@data_app.command("check")
def data_check(folder: Annotated[Path | None, typer.Argument(help="Lean data folder (default: the project's).")] = None,
               data: DataOption = None, as_json: JsonOption = False) -> None:
    """Gaps, jumps without a factor, zero volume, duplicates. Exit code 1 where something was found."""
    from workbench.market.check import check
    from workbench.market.folder import Market

    findings = check(Market(folder or _settings(data).market))
    _print_table([_plain(finding) for finding in findings], as_json=as_json, title="" if findings else "nothing odd found")
    if findings:
        raise typer.Exit(1)


# Decide, preview, run.

@app.command()
def decide(
    strategy: StrategyOption = "momentum",
    on: Annotated[list[str] | None, typer.Option("--date", help="A rebalance date; may be repeated.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First date of a range.")] = None,
    last: Annotated[str | None, typer.Option("--until", help="Last date of a range.")] = None,
    every: Annotated[str, typer.Option(help="daily, weekly, month-start, month-end, quarter-start, quarter-end")] = "month-start",
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="A strategy parameter, name=value.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Take weights from a table (date, symbol, weight) instead.")] = None,
    name: Annotated[str | None, typer.Option(help="With --weights: what to file the decisions under.")] = None,
    data: DataOption = None, market: MarketOption = None, as_json: JsonOption = False,
) -> None:
    """Decide target weights and record them: a snapshot and its intents for each rebalance date."""
    desk = _desk(data, market)
    if weights is not None:
        found = list(desk.decide_weights(weights, name=name))
    else:
        days = _days(desk, on, first, last, every)
        with _bar("deciding") as progress:
            found = []
            for snapshot in desk.decide_each(strategy, days, _pairs(param, "--param")):
                found.append(snapshot)
                progress(len(found), len(days))
    _print_table([{"rebalance_date": s.rebalance_date, "snapshot_id": s.snapshot_id, "strategy": s.strategy,
                   "as_of": s.snapshot_date, "names": sum(1 for item in s.items if item.target_weight),
                   "gross": round(s.gross, 6), "net": round(s.net, 6)} for s in found], as_json=as_json)


@app.command()
def preview(
    strategy: StrategyOption = "momentum",
    on: Annotated[str | None, typer.Option("--date", help="The rebalance date (default: the last one decided).")] = None,
    params: ParamsOption = None, settings: SetOption = None, data: DataOption = None, market: MarketOption = None,
    cash: Annotated[str | None, typer.Option(help="Equity in dollars to size from.")] = None, as_json: JsonOption = False,
) -> None:
    """A rebalance before it is run: orders, turnover, estimated cost, blocked names, difference to the last decision."""
    desk = _desk(data, market)
    decisions = desk.decisions(strategy)
    seen = desk.preview(decisions.of(_day(on)) if on else decisions.last, desk.params(params, **_pairs(settings, "--set")),
                        equity=Decimal(cash) if cash else None)
    rows = [{"symbol": line.symbol, "target": round(line.target_weight, 6),
             "change": round(line.target_weight - line.previous_weight, 6), "held": line.held, "order": line.order,
             "price": line.price, "value": round(line.value, 2), "cost": round(line.cost, 2),
             "cut or blocked by": ", ".join(line.rules)} for line in seen.lines]
    _print_table(rows, as_json=as_json, title=repr(seen))


@app.command()
def run(
    until: Annotated[str | None, typer.Option("--until", help="The last rebalance date of a backtest.")] = None,
    strategy: StrategyOption = "momentum",
    on: Annotated[str | None, typer.Option("--date", help="Report this rebalance date only.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write everything and start nothing.")] = False,
    params: ParamsOption = None, settings: SetOption = None,
    engine: Annotated[str | None, typer.Option(help="embedded or lean")] = None,
    mode: Annotated[str, typer.Option(help="backtest; paper and live trade the decision for today, by Lean.")] = "backtest",
    account: Annotated[str | None, typer.Option(help="Paper, live: the account (default: the settings').")] = None,
    deadline: Annotated[str | None, typer.Option(help="Paper, live: HH:MM New York (default: 15 minutes after the close).")] = None,
    leave_working: Annotated[bool, typer.Option("--leave-working", help="Paper, live: let orders work on at the end.")] = False,
    supersede: Annotated[str | None, typer.Option(help="Paper, live: take the date over from this decision.")] = None,
    cash: Annotated[str | None, typer.Option(help="US dollars to start with.")] = None,
    data: DataOption = None, market: MarketOption = None, as_json: JsonOption = False,
) -> None:
    """Trade recorded decisions: all up to a date in one backtest, or today's on paper or live. Asking again finds it or goes on."""
    desk = _desk(data, market)
    if mode == "backtest" and until is None:
        raise BadInput("a backtest needs its last date", where="--until")
    decisions = desk.decisions(strategy, until=until)
    chosen = desk.params(params, **_pairs(settings, "--set"))
    money = _decimal(cash, "--cash") if cash else None
    if dry_run:
        made = desk.prepare(decisions, chosen, engine=engine, cash=money, mode=mode, account=account)
        _print_table([{"run_id": made.run_id, "dates": len(made.rebalance_dates), "start": made.start, "end": made.end,
                       "rejected": len(made.rejected), "folder": desk.data / "runs" / made.run_id}], as_json=as_json)
        return
    with _bar("trading") if mode == "backtest" else _spinner(f"{mode} trading; Ctrl-C cancels what works, and ends") as progress:
        done = desk.execute(decisions, chosen, engine=engine, cash=money, mode=mode, account=account, progress=progress,
                            hear=_hear, supersede=supersede, leave_working=leave_working,
                            deadline=None if deadline is None else _today_at(deadline))
    _say(f"run {done.run.run_id}, attempt {done.attempt.attempt}" + (" (found: it had been run before)" if done.found else ""))
    _say_differences(done.folder)
    _print_table(desk.table(done.run.run_id, dates=None if on is None else [_day(on)]), as_json=as_json)


@app.command()
def compare(
    until: Annotated[str, typer.Option("--until", help="The last rebalance date to execute.")],
    strategy: StrategyOption = "momentum",
    engines: Annotated[str, typer.Option(help="Two engines, with a comma between.")] = "embedded,lean",
    params: ParamsOption = None, settings: SetOption = None,
    cash: Annotated[str | None, typer.Option(help="US dollars to start with.")] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the comparison as one HTML page, too.")] = None,
    context: Annotated[int, typer.Option(min=0, help="Events to show before the first difference.")] = 3,
    data: DataOption = None, market: MarketOption = None, as_json: JsonOption = False,
) -> None:
    """One decision list under two engines, event by event. Exit code 1 where they differ, with the first difference."""
    from workbench.running.comparison import compare_engines

    first, comma, second = engines.partition(",")
    if not comma or "," in second:
        raise BadInput(f"{engines!r} is not two engines", where="--engines", remedy="as embedded,lean")
    desk = _desk(data, market)
    with _spinner(f"{first}, then {second}"):
        _, _, found = compare_engines(desk, desk.decisions(strategy, until=until), desk.params(params, **_pairs(settings, "--set")),
                                      engines=(first.strip(), second.strip()), cash=_decimal(cash, "--cash") if cash else None)
    _show_parity(found, context, html, as_json=as_json)


@app.command()
def watch(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
          every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
          data: DataOption = None, as_json: JsonOption = False) -> None:
    """Follow a run that is at work: its orders, how far each is, the account, the last sign of life. Ends with the run."""
    from workbench.running.follow import watch as look_on

    desk = _desk(data, None)
    found = desk.run(run_id)
    if as_json:
        for seen in look_on(desk.store, found.run_id, every=every):
            typer.echo(_json({"state": seen.state, "seen_at": seen.seen_at, "equity": seen.equity, "cash": seen.cash,
                              "orders": [_progress_row(order) for order in seen.orders]}))
        return
    from rich.live import Live

    with Live(console=_stdout(), refresh_per_second=4) as screen:
        for seen in look_on(desk.store, found.run_id, every=every):
            screen.update(_progress(seen))


# Safety.

@app.command()
def arm(account: Annotated[str, typer.Argument(help="The one live account that may be traded.")],
        hours: Annotated[str, typer.Option(help="For how long, at most 24.")] = "8", data: DataOption = None) -> None:
    """Allow live trading on one account for some hours. Needs the setting allow_live; paper needs no arming."""
    import getpass

    from workbench.running import safety

    settings = _settings(data)
    made = safety.arm(settings.data, account.strip().upper(), hours=_decimal(hours, "--hours"), allow_live=settings.allow_live,
                      by=getpass.getuser(), now=datetime.now(UTC))
    _say(f"account {made.account} is armed until {made.expires_at:%Y-%m-%d %H:%M} UTC")


@app.command()
def disarm(account: Annotated[str | None, typer.Argument(help="The account (default: none).")] = None,
           clear_stop: Annotated[bool, typer.Option("--clear-stop", help="After `kill`: let trading begin again.")] = False,
           data: DataOption = None) -> None:
    """Take an account's arming back; or, after the kill switch, let trading begin again."""
    from workbench.running import safety

    folder = _settings(data).data
    if account is None and not clear_stop:
        raise BadInput("say what", remedy="name the account, or give --clear-stop")
    if account is not None:
        account = account.strip().upper()
        _say(f"account {account} is disarmed" if safety.disarm(folder, account) else f"account {account} was not armed")
    if clear_stop:
        _say("trading may begin again" if safety.clear_stop(folder) else "trading was not stopped")


@app.command()
def kill(run_ids: Annotated[list[str] | None, typer.Argument(help="Runs (default: all that are at work).")] = None,
         why: Annotated[str, typer.Option(help="What to write down as the reason.")] = "by hand",
         wait: Annotated[float, typer.Option(help="Seconds an algorithm has to cancel and end by itself.")] = 60.0,
         data: DataOption = None, as_json: JsonOption = False) -> None:
    """Stop trading now: cancel what works, verify, say what is left. Nothing starts again until `disarm --clear-stop`."""
    import getpass

    from workbench.running import live, records, safety

    settings = _settings(data)
    runs = [records.read_run(settings.data, name).run_id for name in run_ids] if run_ids else None
    done = safety.kill(settings.data, runs=runs, why=why, by=getpass.getuser(), now=datetime.now(UTC), wait=wait,
                       contact=live.reach(settings, settings.account))
    _print_table([{"run_id": one.run_id, "attempt": one.attempt, "mode": one.mode, "account": one.account, "how": one.how,
                   "ended": one.ended, "still open": ", ".join(order.order_ref for order in one.orders
                                                               if order.state in ("working", "unknown")),
                   "problem": one.problem} for one in done], as_json=as_json, title="" if done else "nothing was at work")
    if not all(one.clear for one in done):
        raise typer.Exit(1)


@app.command()
def resolve(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
            order_ref: Annotated[str, typer.Argument(help="The order whose outcome is unknown.")],
            filled: Annotated[str | None, typer.Option(help="Signed shares that were filled in all.")] = None,
            price: Annotated[str | None, typer.Option(help="Their average price in dollars.")] = None,
            fee: Annotated[str | None, typer.Option(help="Fees in dollars, where known.")] = None,
            cancelled: Annotated[bool, typer.Option("--cancelled", help="Nothing (more) was filled.")] = False,
            data: DataOption = None) -> None:
    """Say what became of an order that nobody knows the outcome of. It is written down as inferred, with your name."""
    import getpass

    from workbench.running import recovery

    if (filled is None) == (not cancelled):
        raise BadInput("say what became of it", remedy="give --filled and --price, or --cancelled")
    desk = _desk(data, None)
    desk.store.index(desk.data)
    shares = _decimal(filled, "--filled") if filled else Decimal(0)
    made = recovery.resolve(desk.data, desk.store, desk.run(run_id), order_ref, filled=shares,
                            price=_decimal(price, "--price") if price else None, fee=_decimal(fee, "--fee") if fee else None,
                            by=getpass.getuser())
    desk.store.index(desk.data)
    typer.echo(made)


@app.command()
def ingest(
    path: Annotated[Path, typer.Argument(help="A journal, Lean's order events, or a list of events.")],
    run_id: Annotated[str | None, typer.Option("--run", help="The run a plain list belongs to.")] = None,
    source: Annotated[str | None, typer.Option(help="What to call the teller of a plain list.")] = None,
    data: DataOption = None, as_json: JsonOption = False,
) -> None:
    """Read events of any source into the store. A file twice changes nothing; bad lines are kept with their reason."""
    _print_table([_plain(_desk(data, None).store.ingest(path, run_id=run_id, source=source))], as_json=as_json)


# Look.

@runs_app.command("ls")
def runs_ls(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Every run and its last attempt."""
    desk = _desk(data, None)
    from workbench.running.desk import RUNS

    found = desk.store.rows(RUNS)
    _print_table([dict(zip(found.columns, row, strict=True)) for row in found], as_json=as_json)


@runs_app.command("show")
def runs_show(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
              data: DataOption = None, as_json: JsonOption = False) -> None:
    """One run: its request, its attempts, and its table."""
    desk = _desk(data, None)
    from workbench.running import records

    found = desk.run(run_id)
    attempts = [_plain(attempt) for attempt in records.attempts(desk.data, found.run_id)]
    if as_json:
        typer.echo(_json({"run": found.body(), "attempts": attempts, "table": desk.table(found.run_id)}))
        return
    _say(repr(found))
    shown = ("attempt", "state", "started_at", "ended_at", "cause")
    _print_table([{key: row[key] for key in shown} for row in attempts], as_json=False)
    _print_table(desk.table(found.run_id), as_json=False)


@app.command()
def report(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
           on: Annotated[list[str] | None, typer.Option("--date", help="Only this rebalance date; may be repeated.")] = None,
           out: Annotated[Path | None, typer.Option(help="The HTML file (default: in the reports folder).")] = None,
           data: DataOption = None, market: MarketOption = None) -> None:
    """One self-contained HTML page: what was wanted, what was traded, and why the two differ."""
    dates = [_day(text) for text in on] if on else None
    typer.echo(_desk(data, market).report(run_id, out=out, dates=dates))


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

    found = compare(*read_sides(_settings(data).data, a, b), tolerance=_decimal(tolerance, "--tolerance"), ignore=ignore or ())
    _show_parity(found, context, html, as_json=as_json)


@app.command()
def dashboard(data: DataOption = None, port: Annotated[int, typer.Option(help="0 finds a free one.")] = 0,
              open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True) -> None:
    """Serve the dashboard notebook as a page, on this machine only, behind a token."""
    from workbench.running.dashboard import serve

    serve(_settings(data), port=port, open_browser=open_browser)


@app.command()
def notebook(name: Annotated[str, typer.Argument(help="A notebook by name or number: 3_execute, execute or 3.")],
             param: Annotated[list[str] | None, typer.Option("--param", "-p", help="A parameter, name=value.")] = None,
             out: Annotated[Path | None, typer.Option(help="The executed copy (default: in the reports folder).")] = None) -> None:
    """Run a notebook with papermill; its parameters are checked first, its executed copy is kept."""
    from workbench.running import notebook as notebooks

    settings = _settings(None)
    path = notebooks.find(settings.notebooks, name)
    typer.echo(notebooks.run(path, _pairs(param, "--param"), out or settings.reports / "notebooks" / path.name, progress=True))


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
    _print_table([{"journal": file, "good": v.good, "lines": v.lines, "sealed up to": v.trusted, "closed": v.closed,
                   "first doubt": v.line or "", "why": v.why} for file, v in verdicts], as_json=as_json)
    for file, verdict in verdicts:
        if not verdict.good:
            raise JournalBroken(str(file), verdict.line, verdict.why)


@store_app.command("rebuild")
def store_rebuild(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Make the store again from the files. The old one serves until the new one is whole."""
    desk = _desk(data, None)
    with _spinner("reading the files"):
        desk.store.rebuild(desk.data)
    _print_table([desk.store.counts()], as_json=as_json)


@app.command()
def sql(query: Annotated[str, typer.Argument(help="One SELECT.")], data: DataOption = None, as_json: JsonOption = False) -> None:
    """Ask the store in plain SQL; statements that write are refused."""
    found = _desk(data, None).store.rows(query)
    _print_table([dict(zip(found.columns, row, strict=True)) for row in found], as_json=as_json)


# Small things.

def _show_parity(found: "Parity", context: int, html: Path | None, *, as_json: bool) -> None:
    """A comparison as text or JSON, and as a page where one is wanted. Ends with code 1 where the sides differ."""
    if html is not None:
        from workbench import files
        from workbench.showing.parity import render

        _say(f"Page: {files.write(html, render(found, before=context))}")
    if as_json:
        typer.echo(_json(found.body(context)))
    else:
        _print_parity(found, context)
    if not found.equal:
        raise typer.Exit(1)


def _hear(line: "LogLine") -> None:
    """What an engine says is wrong, as it says it; all else is in its log."""
    if line.level == "ERROR":
        _say(line.text)


def _say_differences(folder: Path) -> None:
    """Where Lean's own files and the journal do not agree, or could not be compared."""
    path = folder / "differences.json"
    if not path.is_file():
        return
    told = json.loads(path.read_text(encoding="utf-8"))
    found, unreadable = len(told["found"]) + told["more"], told["unreadable"]
    if found or unreadable:
        unread = f"; not readable: {'; '.join(unreadable)}" if unreadable else ""
        _say(f"Lean's own files and the journal: {found} differences{unread} ({path})")


def _progress(seen: "RunProgress") -> Any:
    """A run at work as one table under a line of facts."""
    from rich.console import Group
    from rich.table import Table

    silent = "no word yet" if seen.silent is None else f"last sign of life {seen.silent.total_seconds():.0f} s ago"
    money = "" if seen.equity is None else f", equity {seen.equity:,.2f}, cash {seen.cash:,.2f}"
    table = Table(box=None, header_style="bold", pad_edge=False)
    rows = [_progress_row(order) for order in seen.orders]
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right" if name in ("quantity", "filled", "price") else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    facts = f"run {seen.run.run_id}: {seen.state}, {seen.ended} of {seen.told} orders ended{money}; {silent}"
    refused = [f"not sent: {one.symbol}, {one.rule}" + (f" ({one.detail})" if one.detail else "") for one in seen.refused]
    return Group(facts, table, *refused)


def _progress_row(order: "OrderProgress") -> dict[str, Any]:
    return {"order": order.order_ref or order.order_id, "symbol": order.symbol, "side": order.side, "quantity": order.quantity,
            "filled": order.filled, "price": order.average_price, "status": order.status, "last": order.last,
            "age": None if order.age is None else f"{order.age.total_seconds():.0f} s"}


def _today_at(text: str) -> datetime:
    """A moment of today in New York, from HH:MM."""
    from datetime import time as clock

    from workbench.market.calendar import NEW_YORK

    try:
        return datetime.combine(datetime.now(NEW_YORK).date(), clock.fromisoformat(text), NEW_YORK)
    except ValueError:
        raise BadInput(f"{text!r} is not a time HH:MM", where="--deadline") from None


def _print_parity(found: "Parity", context: int) -> None:
    """The verdict, the first difference with what came before it, and the sums."""
    _say(found.verdict)
    for text in (f"A: {found.a.name}", f"B: {found.b.name}", f"paired by {found.paired_by}",
                 *(f"not compared, {text}" for text in found.left_out)):
        _say(text)
    shown = found.context(context)
    if shown:
        _print_table([{"A": row.a and row.a.place, "B": row.b and row.b.place, "event": row.either.label,
                       "symbol": row.either.values.get("symbol"), "time": row.either.values.get("time"),
                       "status": row.either.values.get("status"), "": "" if row.equal else "<- the first difference"}
                      for row in shown], as_json=False)
        typer.echo()
        _print_table([{"field": one.name, "A": one.a, "B": one.b, "": "" if one.equal else "<-"}
                      for one in found.beside(shown[-1])], as_json=False)
        typer.echo()
    _print_table([{"field": one.name, "compared": one.compared, "equal": one.equal, "different": one.different,
                   "largest absolute": _short(one.largest_absolute), "largest relative": _short(one.largest_relative),
                   "where": one.where} for one in found.fields], as_json=False)
    typer.echo()
    _print_table([{"A alone": found.only_a, "B alone": found.only_b, "both": len(found.rows) - found.only_a - found.only_b}],
                 as_json=False)
    for name, some in (("value", found.wrong), ("asked", [one for one in found.asked if not one.equal])):
        if some:
            typer.echo()
            _print_table([{name: one.name, "A": one.a, "B": one.b} for one in some], as_json=False)


def _short(gap: Decimal | None) -> str:
    return "-" if gap is None else f"{gap:.3g}" if gap else "0"


def _decimal(text: str, option: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise BadInput(f"{text!r} is not a number", where=option) from None



def _settings(data: Path | None, market: Path | None = None) -> Any:
    from workbench.settings import read_settings

    return read_settings(data=data and data.resolve(), market=market and market.resolve())


def _desk(data: Path | None, market: Path | None) -> "Desk":
    from workbench.running.desk import Desk

    return Desk(settings=_settings(data, market))


def _days(desk: "Desk", on: list[str] | None, first: str | None, last: str | None, every: str) -> list[date]:
    if on and not (first or last):
        return [_day(text) for text in on]
    if first and last and not on:
        return list(desk.rebalance_dates(_day(first), _day(last), every))
    raise BadInput("say which dates", remedy="give --date (once or more), or --from and --until")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r} is not a date YYYY-MM-DD") from None


def _pairs(given: Iterable[str] | None, option: str) -> dict[str, Any]:
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


def _plain(value: Any) -> dict[str, Any]:
    from dataclasses import fields

    return {field.name: getattr(value, field.name) for field in fields(value)}


def _print_table(rows: Iterable[Mapping[str, Any]], *, as_json: bool, title: str = "") -> None:
    found = list(rows)
    if as_json:
        typer.echo(_json(found))
        return
    from rich.table import Table

    if title:
        _say(title)
    if not found:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in found[0]:
        numeric = all(isinstance(row[name], int | float | Decimal) or row[name] is None for row in found)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in found:
        table.add_row(*(_cell(value) for value in row.values()))
    _stdout().print(table)


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    if isinstance(value, Decimal):
        exponent = value.normalize().as_tuple().exponent
        return f"{value:,f}" if isinstance(exponent, int) and exponent > -7 else f"{value:,.6f}"
    return escape(str(value))


def _json(value: Any) -> str:
    from workbench.algorithm.journal import to_json

    return to_json(_jsonable(value))


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value and abs(value) != float("inf") else None
    if isinstance(value, Path):
        return str(value)
    return value


def _say(text: str) -> None:
    _stderr().print(text, markup=False, highlight=False, soft_wrap=True)


def _stdout() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200)


def _stderr() -> "Console":
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    """A progress bar on stderr, shown where somebody looks and only once something has taken a while."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=_stderr(),
                  transient=True) as bar:
        task = bar.add_task(what, total=None)

        def progress(done: int, total: int, say: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=say or what)

        yield progress


@contextmanager
def _spinner(what: str) -> Iterator[None]:
    with _stderr().status(what):
        yield


if __name__ == "__main__":
    main()
