"""The two sides of a parity, read from wherever they are: Lean's result files, a journal, or what this project recorded.

    a folder     of Lean's or the embedded engine's result files, or of a run or an attempt in the data folder
    a file       `<id>-order-events.json`, or a journal
    a run        its id, or the unique beginning of one: the attempt that counts; `<run id>-2` is its second attempt
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench import files
from workbench.algorithm import journal
from workbench.engines.embedded.enums import OrderType
from workbench.errors import BadInput, NotRecorded
from workbench.judgement.telling import JOURNAL, LEAN, ORDER, Telling, Told
from workbench.running import records

EVENTS = "-order-events.json"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RUN = re.compile(r"(r[0-9a-f]{1,16})(?:-([0-9]+))?")
DAY = re.compile(r"-\d{4}-\d\d-\d\d$")              # live, Lean begins a file of order events each day

# Lean's names for what the journal has too; its others keep theirs.
RENAMED = {"symbol": "instrument_id", "symbolValue": "symbol", "fillQuantity": "fill_quantity", "fillPrice": "fill_price",
           "orderFeeAmount": "fee", "orderFeeCurrency": "fee_currency", "limitPrice": "limit_price", "stopPrice": "stop_price"}
NUMBERS = ("id", "algorithmId", "orderId", "orderEventId")
BOTH_TELL = frozenset({"time", "symbol", "instrument_id", "status", "quantity", "fill_quantity", "fill_price", "fee", "limit_price",
                       "stop_price", "message"})
LEAN_TELLS = BOTH_TELL | {"symbolPermtick", "fee_currency", "fillPriceCurrency", "direction", "isAssignment"}
JOURNAL_TELLS = BOTH_TELL | {"type", "order_ref", "tif", "currency", "arrival_price", "arrival_source"}

# Of a journal's line: what says which run and when it was written, and what a broker calls it.
NOT_TOLD = ("schema", "run_id", "attempt", "seq", "kind", "occurred_at", "recorded_at", "order_id", "event_id", "broker_id",
            "exec_id")
OF_THE_FILE = ("opened", "seal", "closed")
ASKED = ("mode", "cash", "holdings", "intents_sha256", "params_sha256", "intents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Where one side was found: its order events as Lean writes them, its journal, or both, and its result file."""

    name: str
    events: tuple[Path, ...] = ()
    journal: Path | None = None
    result: Path | None = None


def read_sides(data: Path, a: str, b: str) -> tuple[Telling, Telling]:
    """Both sides of a parity, as journals where both have one, else as Lean's order events where both have those.

    `data` is the folder in which run ids are looked up. Raises `BadInput` for what is not there or does not read, and
    `NotRecorded` for a run that is not.
    """
    one, other = find(data, a), find(data, b)
    if one.journal and other.journal:
        return _without_announcements(read_journal(one), read_journal(other))
    if _is_lean(one) and _is_lean(other):
        return read_lean(one), read_lean(other)
    return _mixed(one), _mixed(other)


def find(data: Path, text: str) -> Side:
    """Where a side is. Raises `BadInput` or `NotRecorded`, saying what was looked for."""
    path = Path(text)
    if path.is_dir():
        return _in_folder(path, text)
    if path.is_file():
        return _file(path, text)
    named = RUN.fullmatch(text)
    if named is None:
        raise BadInput("no such file or folder, and not the id of a run", where=text,
                       remedy="name a folder of results, an order-events or journal file, or a run of `workbench runs ls`")
    run = records.read_run(data, named[1])
    folder = records.run_folder(data, run.run_id)
    return _in_folder(folder / named[2] if named[2] else _counted(data, run.run_id), text)


def in_our_words(told: Telling) -> Telling:
    """What Lean tells, in the journal's words: its statuses, no price where nothing was filled, a fee on every fill."""
    return replace(told, events=tuple(replace(one, values=_in_our_words(one.values)) for one in told.events))


# Finding.

def _counted(data: Path, run_id: str) -> Path:
    """The attempt's folder that a run's name means: the first that completed, else the last that began."""
    known = records.attempts(data, run_id)
    complete = [one for one in known if one.state == "completed"]
    if not known:
        raise NotRecorded(f"an attempt of run {run_id}", "`workbench run` makes one")
    return records.run_folder(data, run_id) / str((complete[0] if complete else known[-1]).attempt)


def _in_folder(folder: Path, name: str) -> Side:
    if not folder.is_dir():
        raise NotRecorded(str(folder), "`workbench runs show` lists the attempts")
    if (folder / "run.json").is_file() and (folder / "params.json").is_file():
        return _in_folder(_counted(folder.parents[1], folder.name), name)
    results = folder / "results" if (folder / "results").is_dir() else folder
    found = folder / "journal.jsonl"
    ids = {_algorithm_id(path) for path in results.glob(f"*{EVENTS}")} or _with_results(results)
    if len(ids) > 1:
        raise BadInput(f"results of {', '.join(sorted(ids))}", where=str(results), remedy=f"name one file, <id>{EVENTS}")
    if not ids and not found.is_file():
        raise BadInput(f"holds neither <id>{EVENTS} nor <id>.json nor journal.jsonl", where=str(folder))
    side = of_id(results, ids.pop(), name) if ids else Side(name=name)
    return replace(side, journal=found if found.is_file() else None)


def _file(path: Path, name: str) -> Side:
    if path.name.endswith(EVENTS):
        side = of_id(path.parent, _algorithm_id(path), name)
        return replace(side, events=(path,))
    with path.open("rb") as source:
        first = source.readline()
    if not first.startswith(b'{"schema":'):
        raise BadInput(f"neither a journal nor Lean's order events (<id>{EVENTS})", where=str(path))
    return Side(name=name, journal=path)


def of_id(folder: Path, algorithm_id: str, name: str) -> Side:
    """Lean's files of one run in a folder: its order events, live a file a day, and its result; none where there are none."""
    result = folder / f"{algorithm_id}.json"
    events = tuple(path for path in sorted(folder.glob(f"*{EVENTS}")) if _algorithm_id(path) == algorithm_id)
    return Side(name=name, events=events, result=result if result.is_file() else None)


def _algorithm_id(path: Path) -> str:
    return DAY.sub("", path.name.removesuffix(EVENTS))


def _with_results(folder: Path) -> set[str]:
    """Ids of runs without an order: Lean leaves no file of events then, and a log that is named like the result."""
    return {path.stem for path in folder.glob("*.json") if (folder / f"{path.stem}-log.txt").is_file()}


def _mixed(side: Side) -> Telling:
    return read_journal(side) if side.journal else in_our_words(read_lean(side))


def _is_lean(side: Side) -> bool:
    return bool(side.events) or side.result is not None


# Lean's files.

def read_lean(side: Side) -> Telling:
    """What Lean's files tell. Raises `BadInput` for one that can't be read, or is not whole.

    Live, an event may stand in the files of two days: it is told once.
    """
    result: Mapping[str, Any] = {} if side.result is None else files.read_json(side.result)
    orders = result.get("orders") or {}
    events = _once(map(_items, side.events))
    return Telling(
        name=side.name, form=LEAN, events=tuple(_lean_event(place, item, orders) for place, item in enumerate(events, start=1)),
        fields=LEAN_TELLS | ({"type", "tag"} if orders else set()), statistics=_printed(result), end=_worth(result),
        wall_clock=any(DAY.search(path.name.removesuffix(EVENTS)) for path in side.events),
    )


def _items(path: Path) -> list[Any]:
    found = files.read_json(path)
    if not isinstance(found, list):
        raise BadInput("must hold a list of order events", where=str(path))
    return found


def _once(told: Iterable[list[Any]]) -> list[Any]:
    """The events of several files, without what an earlier one tells word for word. Under the same id, ids begin again with a
    process, may stand another event: that one stays."""
    found: list[Any] = []
    for items in told:
        known = {str(item.get("id")): item for item in found if isinstance(item, dict)}
        found += [item for item in items if not isinstance(item, dict) or known.get(str(item.get("id"))) != item]
    return found


def _lean_event(place: int, item: Any, orders: Mapping[str, Any]) -> Told:
    try:
        number = str(item["orderId"])
        values = {RENAMED.get(name, name): value for name, value in item.items() if name not in NUMBERS}
        values["time"] = EPOCH + timedelta(microseconds=int(Decimal(item["time"]) * 1_000_000))
        event = int(item["orderEventId"])
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        raise BadInput("is not an order event of Lean's", where=f"item {place}") from None
    order = orders.get(number)
    if order is not None:
        values |= {"type": str(OrderType(order["type"])), "tag": order.get("tag")}
    return Told(place=place, order=number, event=event, values=values)


def _printed(result: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in (result.get("statistics") or {}).items()}


def _worth(result: Mapping[str, Any]) -> dict[str, Any]:
    """The account at the end: as printed, and to the last digit where the result has it (live, it does)."""
    found: dict[str, Any] = {name: str(value) for name, value in (result.get("runtimeStatistics") or {}).items()}
    for currency, cash in (result.get("cash") or {}).items():
        found[f"cash {currency}"] = cash.get("amount", cash.get("Amount"))
    for symbol, holding in (result.get("holdings") or {}).items():
        found[f"shares {symbol}"] = holding.get("q", holding.get("quantity"))
    return found


def _in_our_words(values: Mapping[str, Any]) -> dict[str, Any]:
    filled = bool(values.get("fill_quantity"))
    return {
        **values, "status": journal.lean_status(values.get("status"), str(values.get("message") or "")),
        "fill_price": values.get("fill_price") if filled else None,
        "fee": values.get("fee") or Decimal(0) if filled else None,
    }


# A journal.

def _without_announcements(a: Telling, b: Telling) -> tuple[Telling, Telling]:
    """Both journals; where only one is of paper or live, without what only such a one has: orders announced before each send."""
    if a.wall_clock == b.wall_clock:
        return a, b
    a, b = (replace(one, events=tuple(told for told in one.events if told.order or told.kind != ORDER)) for one in (a, b))
    return a, b


def read_journal(side: Side) -> Telling:
    """What a journal tells, and the statistics of the result beside it."""
    assert side.journal is not None
    lines = tuple(_lines(side.journal))
    opened: Mapping[str, Any] = next((line for _, line in lines if line["kind"] == "opened"), {})
    marks = [line for _, line in lines if line["kind"] == "mark"]
    return Telling(
        name=side.name, form=JOURNAL, events=tuple(_heard_events(lines)), fields=JOURNAL_TELLS,
        statistics={} if side.result is None else _printed(files.read_json(side.result)), end=_marked(marks[-1]) if marks else {},
        asked={name: opened[name] for name in ASKED if name in opened}, wall_clock=opened.get("mode") in ("paper", "live"),
    )


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The journal's lines with their numbers. Raises `BadInput` for one that is none."""
    for number, text in enumerate(journal.read_lines(str(path)), start=1):
        try:
            line = json.loads(text, parse_float=Decimal)
            assert line["kind"] in journal.KINDS and line["occurred_at"]
        except (ValueError, KeyError, TypeError, AssertionError):
            raise BadInput("not a journal line", where=f"{path}:{number}",
                           remedy="`workbench journal verify` says up to where it stands") from None
        yield number, line


def _heard_events(lines: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[Told]:
    """Every line but those about the file itself. An order that is announced has no number: no engine has heard of it yet."""
    for number, line in lines:
        if line["kind"] not in OF_THE_FILE:
            values = {"time": datetime.fromisoformat(line["occurred_at"]),
                      **{name: value for name, value in line.items() if name not in NOT_TOLD}}
            order = line["kind"] == ORDER
            yield Told(place=number, kind=line["kind"], values=values, order=str(line["order_id"] or "") if order else "",
                       event=int(line["event_id"] or 0) if order else 0, ref=str(line.get("order_ref") or "") if order else "")


def _marked(mark: Mapping[str, Any]) -> dict[str, Any]:
    """Cash, equity and shares of the last mark."""
    held = {f"shares {row['symbol']}": row["quantity"] for row in mark["positions"] if row["quantity"]}
    return {"cash": mark["cash"], "equity": mark["equity"], **held}
