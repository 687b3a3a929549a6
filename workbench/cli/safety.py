"""Arming, the kill switch, and saying what became of an order."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from workbench.cli.app import DataOption, JsonOption, app, desk_of, number, settings_of
from workbench.cli.printing import print_table, say
from workbench.errors import BadInput


@app.command()
def arm(account: Annotated[str, typer.Argument(help="The one live account that may be traded.")],
        hours: Annotated[str, typer.Option(help="For how long, at most 24.")] = "8", data: DataOption = None) -> None:
    """Allow live trading on one account for some hours. Needs the setting allow_live; paper needs no arming."""
    import getpass

    from workbench.running import safety

    settings = settings_of(data)
    made = safety.arm(settings.data, account.strip().upper(), hours=number(hours, "--hours"), allow_live=settings.allow_live,
                      by=getpass.getuser(), now=datetime.now(UTC))
    say(f"account {made.account} is armed until {made.expires_at:%Y-%m-%d %H:%M} UTC")


@app.command()
def disarm(account: Annotated[str | None, typer.Argument(help="The account (default: none).")] = None,
           clear_stop: Annotated[bool, typer.Option("--clear-stop", help="After `kill`: let trading begin again.")] = False,
           data: DataOption = None) -> None:
    """Take an account's arming back; or, after the kill switch, let trading begin again."""
    from workbench.running import safety

    folder = settings_of(data).data
    if account is None and not clear_stop:
        raise BadInput("say what", remedy="name the account, or give --clear-stop")
    if account is not None:
        account = account.strip().upper()
        say(f"account {account} is disarmed" if safety.disarm(folder, account) else f"account {account} was not armed")
    if clear_stop:
        say("trading may begin again" if safety.clear_stop(folder) else "trading was not stopped")


@app.command()
def kill(run_ids: Annotated[list[str] | None, typer.Argument(help="Runs (default: all that are at work).")] = None,
         why: Annotated[str, typer.Option(help="What to write down as the reason.")] = "by hand",
         wait: Annotated[float, typer.Option(help="Seconds an algorithm has to cancel and end by itself.")] = 60.0,
         data: DataOption = None, as_json: JsonOption = False) -> None:
    """Stop trading now: cancel what works, verify, say what is left. Nothing starts again until `disarm --clear-stop`."""
    import getpass

    from workbench.running import live, safety

    settings = settings_of(data)
    done = safety.kill(settings.data, runs=run_ids or None, why=why, by=getpass.getuser(), now=datetime.now(UTC), wait=wait,
                       contact=live.reach(settings, settings.account))
    print_table([{"run_id": one.run_id, "attempt": one.attempt, "mode": one.mode, "account": one.account, "how": one.how,
                  "ended": one.ended, "still open": ", ".join(order.order_ref or f"{order.quantity} {order.symbol}, not of this run"
                                          for order in one.orders if order.state in ("working", "unknown", "foreign")),
                  "problem": one.problem} for one in done], as_json=as_json, title="" if done else "nothing was at work")
    if not all(one.clear for one in done):
        raise typer.Exit(1)


@app.command()
def resolve(run_id: Annotated[str, typer.Argument(help="A run id, or the unique beginning of one.")],
            order_ref: Annotated[str, typer.Argument(help="The order whose outcome is unknown.")],
            filled: Annotated[str | None, typer.Option(help="Shares that were filled in all, without a sign.")] = None,
            price: Annotated[str | None, typer.Option(help="Their average price in dollars.")] = None,
            fee: Annotated[str | None, typer.Option(help="Fees in dollars, where known.")] = None,
            cancelled: Annotated[bool, typer.Option("--cancelled", help="Nothing (more) was filled.")] = False,
            data: DataOption = None) -> None:
    """Say what became of an order that nobody knows the outcome of. It is written down as inferred, with your name."""
    import getpass

    from workbench.running import recovery

    if (filled is None) == (not cancelled):
        raise BadInput("say what became of it", remedy="give --filled and --price, or --cancelled")
    desk = desk_of(data, None)
    desk.store.index(desk.data)
    told = {name: None if text is None else number(text, f"--{name}")
            for name, text in (("filled", filled), ("price", price), ("fee", fee))}
    made = recovery.resolve(desk.data, desk.store, desk.run(run_id), order_ref, **told, by=getpass.getuser())
    desk.store.index(desk.data)
    typer.echo(made)
