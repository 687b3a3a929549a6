"""What is printed: data to stdout, as tables or JSON, and everything else to stderr."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.engines.log import LogLine
    from workbench.judgement.parity import Parity
    from workbench.words.progress import OrderProgress, RunProgress


def show_parity(found: "Parity", context: int, html: Path | None, *, as_json: bool) -> None:
    """A comparison as text or JSON, and as a page where one is wanted. Ends with code 1 where the sides differ."""
    if html is not None:
        from workbench import files
        from workbench.showing.parity import render

        say(f"Page: {files.write(html, render(found, before=context))}")
    if as_json:
        typer.echo(json_text(found.body(context)))
    else:
        _print_parity(found, context)
    if not found.equal:
        raise typer.Exit(1)


def say_errors(line: "LogLine") -> None:
    """What an engine says is wrong, as it says it; all else is in its log."""
    if line.level == "ERROR":
        say(line.text)


def say_line(line: "LogLine") -> None:
    """A line of an engine's log, with its moment and level."""
    say(" ".join(filter(None, ("" if line.at is None else f"{line.at:%H:%M:%S}", line.level, line.text))))


def say_differences(folder: Path) -> None:
    """Where Lean's own files and the journal do not agree, or could not be compared."""
    path = folder / "differences.json"
    if not path.is_file():
        return
    told = json.loads(path.read_text(encoding="utf-8"))
    if not told["none"]:
        say(f"Lean's own files and the journal: {told['verdict']} ({path})")


def progress_of(seen: "RunProgress") -> Any:
    """A run at work as one table under a line of facts."""
    from rich.console import Group
    from rich.table import Table

    silent = "no word yet" if seen.silent is None else f"last sign of life {seen.silent.total_seconds():.0f} s ago"
    money = "" if seen.equity is None else f", equity {seen.equity:,.2f}, cash {seen.cash:,.2f}"
    table = Table(box=None, header_style="bold", pad_edge=False)
    rows = [progress_row(order) for order in seen.orders]
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right" if name in ("quantity", "filled", "price") else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    facts = f"run {seen.run.run_id}: {seen.state}, {seen.ended} of {seen.told} orders ended{money}; {silent}"
    odd = [f"{what}: {one.symbol}, {one.rule}" + (f" ({one.detail})" if one.detail else "")
           for what, some in (("not sent", seen.refused), ("look at the broker", seen.left)) for one in some]
    return Group(facts, table, *odd, *([f"told to stop: {seen.stop}"] if seen.stop else []))


def progress_row(order: "OrderProgress") -> dict[str, Any]:
    """One order as a row."""
    return {"order": order.order_ref or order.order_id, "symbol": order.symbol, "side": order.side, "quantity": order.quantity,
            "filled": order.filled, "price": order.average_price, "status": order.status, "last": order.last,
            "age": None if order.age is None else f"{order.age.total_seconds():.0f} s"}


def _print_parity(found: "Parity", context: int) -> None:
    """The verdict, the first difference with what came before it, and the sums."""
    say(found.verdict)
    for text in (f"A: {found.a.name}", f"B: {found.b.name}", f"paired by {found.paired_by}",
                 *(f"not compared, {text}" for text in found.left_out)):
        say(text)
    shown = found.context(context)
    if shown:
        print_table([{"A": row.a and row.a.place, "B": row.b and row.b.place, "event": row.either.label,
                      "symbol": row.either.values.get("symbol"), "time": row.either.values.get("time"),
                      "status": row.either.values.get("status"), "": "" if row.equal else "<- the first difference"}
                     for row in shown], as_json=False)
        typer.echo()
        print_table([{"field": one.name, "A": one.a, "B": one.b, "": "" if one.equal else "<-"}
                     for one in found.beside(shown[-1])], as_json=False)
        typer.echo()
    print_table([{"field": one.name, "compared": one.compared, "equal": one.equal, "different": one.different,
                  "largest absolute": _short(one.largest_absolute), "largest relative": _short(one.largest_relative),
                  "where": one.where} for one in found.fields], as_json=False)
    typer.echo()
    print_table([{"A alone": found.only_a, "B alone": found.only_b, "both": len(found.rows) - found.only_a - found.only_b}],
                as_json=False)
    for name, some in (("value", found.wrong), ("asked", [one for one in found.asked if not one.equal])):
        if some:
            typer.echo()
            print_table([{name: one.name, "A": one.a, "B": one.b} for one in some], as_json=False)


def _short(gap: Decimal | None) -> str:
    return "-" if gap is None else f"{gap:.3g}" if gap else "0"


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as a row of its fields."""
    from dataclasses import fields

    return {field.name: getattr(value, field.name) for field in fields(value)}


def print_table(rows: Iterable[Mapping[str, Any]], *, as_json: bool, title: str = "") -> None:
    """Rows as a table, or as JSON for scripts; numbers stand on the right."""
    found = list(rows)
    if as_json:
        typer.echo(json_text(found))
        return
    from rich.table import Table

    if title:
        say(title)
    if not found:
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in found[0]:
        numeric = all(isinstance(row[name], int | float | Decimal) or row[name] is None for row in found)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in found:
        table.add_row(*(_cell(value) for value in row.values()))
    stdout().print(table)


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    if isinstance(value, Decimal):
        exponent = value.normalize().as_tuple().exponent
        return f"{value:,f}" if isinstance(exponent, int) and exponent > -7 else f"{value:,.6f}"
    return escape(str(value))


def json_text(value: Any) -> str:
    """A value as JSON with exact numbers."""
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


def say(text: str) -> None:
    """A line for a person, on stderr."""
    stderr().print(text, markup=False, highlight=False, soft_wrap=True)


def stdout() -> "Console":
    """Where data goes."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 200)


def stderr() -> "Console":
    """Where everything else goes."""
    from rich.console import Console

    return Console(stderr=True)


@contextmanager
def progress_bar(what: str) -> Iterator[Any]:
    """A progress bar on stderr, shown where somebody looks and only once something has taken a while."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=stderr(),
                  transient=True) as bar:
        task = bar.add_task(what, total=None)

        def progress(done: int, total: int, say: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=say or what)

        yield progress


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """A sign that something is at work, where nobody knows how long it takes."""
    with stderr().status(what):
        yield
