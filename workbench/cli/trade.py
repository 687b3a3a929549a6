"""Deciding, previewing, running, comparing and watching."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.app import (
    DataOption,
    JsonOption,
    MarketOption,
    ParamsOption,
    SetOption,
    StrategyOption,
    app,
    dates_of,
    day,
    desk_of,
    number,
    pairs,
    today,
    today_at,
)
from workbench.cli.printing import (
    json_text,
    print_table,
    progress_bar,
    progress_of,
    progress_row,
    say,
    say_differences,
    say_errors,
    say_line,
    show_parity,
    spinner,
    stdout,
)
from workbench.errors import BadInput


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
    desk = desk_of(data, market)
    if weights is not None:
        found = list(desk.decide_weights(weights, name=name))
    else:
        days = dates_of(desk, on, first, last, every)
        with progress_bar("deciding") as progress:
            found = []
            for snapshot in desk.decide_each(strategy, days, pairs(param, "--param")):
                found.append(snapshot)
                progress(len(found), len(days))
    print_table([{"rebalance_date": s.rebalance_date, "snapshot_id": s.snapshot_id, "strategy": s.strategy,
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
    desk = desk_of(data, market)
    decisions = desk.decisions(strategy)
    seen = desk.preview(decisions.of(day(on)) if on else decisions.last, desk.params(params, **pairs(settings, "--set")),
                        equity=number(cash, "--cash") if cash else None)
    rows = [{"symbol": line.symbol, "target": round(line.target_weight, 6),
             "change": round(line.target_weight - line.previous_weight, 6), "held": line.held, "order": line.order,
             "price": line.price, "value": round(line.value, 2), "cost": round(line.cost, 2),
             "cut or blocked by": ", ".join(line.rules)} for line in seen.lines]
    print_table(rows, as_json=as_json, title=repr(seen))


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
    log: Annotated[bool, typer.Option("--log", help="Show the engine's log as it is written, not its errors only.")] = False,
    data: DataOption = None, market: MarketOption = None, as_json: JsonOption = False,
) -> None:
    """Trade recorded decisions: all up to a date in one backtest, or today's on paper or live. Asking again finds it or goes on."""
    desk = desk_of(data, market)
    if mode == "backtest" and until is None:
        raise BadInput("a backtest needs its last date", where="--until")
    decisions = desk.decisions(strategy, until=until or today())       # only paper and live come here without one
    chosen = desk.params(params, **pairs(settings, "--set"))
    money = number(cash, "--cash") if cash else None
    if dry_run:
        made = desk.prepare(decisions, chosen, engine=engine, cash=money, mode=mode, account=account)
        print_table([{"run_id": made.run_id, "dates": len(made.rebalance_dates), "start": made.start, "end": made.end,
                      "rejected": len(made.rejected), "folder": desk.data / "runs" / made.run_id}], as_json=as_json)
        return
    shown = progress_bar("trading") if mode == "backtest" else spinner(f"{mode} trading; Ctrl-C cancels what works, and ends")
    with shown as progress:
        done = desk.execute(decisions, chosen, engine=engine, cash=money, mode=mode, account=account, progress=progress,
                            hear=say_line if log else say_errors, supersede=supersede, leave_working=leave_working,
                            deadline=None if deadline is None else today_at(deadline))
    say(f"run {done.run.run_id}, attempt {done.attempt.attempt}" + (" (found: it had been run before)" if done.found else ""))
    say_differences(done.folder)
    if done.outcome.missing:
        say(f"asked for, and not in the data folder: {', '.join(done.outcome.missing)}")
    print_table(desk.table(done.run.run_id, dates=None if on is None else [day(on)]), as_json=as_json)


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
    desk = desk_of(data, market)
    with spinner(f"{first}, then {second}"):
        _, _, found = compare_engines(desk, desk.decisions(strategy, until=until), desk.params(params, **pairs(settings, "--set")),
                                      engines=(first.strip(), second.strip()), cash=number(cash, "--cash") if cash else None)
    show_parity(found, context, html, as_json=as_json)


@app.command()
def watch(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
          every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
          data: DataOption = None, as_json: JsonOption = False) -> None:
    """Follow a run that is at work: its orders, how far each is, the account, the last sign of life. Ends with the run."""
    from workbench.running.follow import watch as look_on

    desk = desk_of(data, None)
    found = desk.run(run_id)
    if as_json:
        for seen in look_on(desk.store, found.run_id, every=every):
            typer.echo(json_text({"state": seen.state, "seen_at": seen.seen_at, "equity": seen.equity, "cash": seen.cash,
                                  "orders": [progress_row(order) for order in seen.orders]}))
        return
    from rich.live import Live

    with Live(console=stdout(), refresh_per_second=4) as screen:
        for seen in look_on(desk.store, found.run_id, every=every):
            screen.update(progress_of(seen))
