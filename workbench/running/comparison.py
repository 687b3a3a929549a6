"""One decision list under two engines: the same weights, params, cash and market data, and what each made of them."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from workbench.engines.base import Engine
from workbench.errors import BadInput
from workbench.judgement.parity import Parity, compare
from workbench.judgement.telling import TOLERANCE, Telling
from workbench.running import rebalance
from workbench.running.attempt import Executed, find_engine
from workbench.running.desk import Desk
from workbench.running.rebalance import Progress
from workbench.running.records import Decisions
from workbench.running.sides import read_sides
from workbench.words.params import ExecutionParams

ENGINES = ("embedded", "lean")


def compare_engines(
    desk: Desk, decisions: Decisions, params: ExecutionParams | None = None, *,
    engines: tuple[str | Engine, str | Engine] = ENGINES, cash: Decimal | None = None, tolerance: Decimal = TOLERANCE,
    ignore: Iterable[str] = (), progress: Progress | None = None
) -> tuple[Executed, Executed, Parity]:
    """Trade the decisions in a backtest under each engine, or find the runs that already did, and compare line by line.

    A is the first engine, B the second; numbers agree to the relative `tolerance`, and `ignore` names fields as `compare` takes
    them. Raises `MissingTool` or `UnknownName` for an engine that is not here before either is started, `BadInput` where both are
    the same, and `EngineFailed` for one that did not come to its end.
    """
    found = [find_engine(engine, desk.settings) if isinstance(engine, str) else engine for engine in engines]
    given, cash = params or ExecutionParams(), cash or desk.settings.cash
    runs = [rebalance.prepare(desk.data, desk.market, decisions, given, engine=engine, cash=cash) for engine in found]
    if runs[0].run_id == runs[1].run_id:
        raise BadInput(f"engine '{found[0].name}' is compared with itself", remedy="name two engines, or two versions of one")
    try:
        a, b = (rebalance.execute(desk.data, desk.market, run, engine=engine, settings=desk.settings, progress=progress,
                                  store=None if engine.kind == "embedded" else desk.store)      # ours is over too soon to follow
                for run, engine in zip(runs, found, strict=True))
    finally:
        desk.store.index(desk.data)
    return a, b, compare(*_tellings(a, b), tolerance=tolerance, ignore=ignore)


def _tellings(a: Executed, b: Executed) -> tuple[Telling, Telling]:
    """Both sides as their journals tell them, under the names of their engines."""
    one, other = read_sides(a.folder.parents[1], str(a.folder), str(b.folder))
    return replace(one, name=_name(a)), replace(other, name=_name(b))


def _name(executed: Executed) -> str:
    return f"{executed.run.engine} {executed.run.engine_version} ({executed.run.run_id}-{executed.attempt.attempt})"
