"""Snapshots, intents, params, runs and attempts: from a file to rows, each under the name that its content gives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

from workbench.algorithm.journal import to_json
from workbench.errors import BadInput
from workbench.words import intent, params, run, snapshot
from workbench.words.identity import thaw
from workbench.words.intent import Intent
from workbench.words.snapshot import Item

TABLES = {"snapshot": ("snapshots", "snapshot_items"), "intents": ("intents",), "params": ("params",), "run": ("runs",),
          "attempt": ("attempts",)}
NUMBERS = (Decimal, int)
LARGEST = 10**18            # of any number; a column holds a little more
EXCERPT = 2000              # characters of what could not be read that are kept


@dataclass(slots=True)
class Rows:
    """A row by table, columns of many by table (`loading.load_columns`), and what could not be read as rows of `bad_lines`."""

    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    columns: dict[str, dict[str, Any]] = field(default_factory=dict)
    bad: list[dict[str, Any]] = field(default_factory=list)


def read(kind: str, file: str, data: bytes) -> Rows:
    """The rows of one file. A file that can't be read gives none but one bad line; a bad item is refused alone."""
    try:
        rows = _READERS[kind](file, json.loads(data, parse_float=Decimal, parse_constant=_refuse_constant))
        _check_range(rows)
    except BadInput as error:
        return Rows(bad=[bad_line(file, 0, data.decode(errors="replace"), error.problem)])
    except (ValueError, TypeError) as error:
        return Rows(bad=[bad_line(file, 0, data.decode(errors="replace"), f"can't be read ({error})")])
    return rows


def bad_line(file: str, line: int, text: str, reason: str) -> dict[str, Any]:
    """A row of `bad_lines`."""
    return {"file": file, "line": line, "text": text[:EXCERPT], "reason": reason}


def _snapshot(file: str, body: Any) -> Rows:
    value = snapshot.read(body, where=file)
    _named(file, f"{value.strategy}/{value.rebalance_date}/{value.snapshot_id}")
    head = {
        "snapshot_id": value.snapshot_id, "strategy": value.strategy, "rebalance_date": value.rebalance_date,
        "as_of": value.as_of, "snapshot_date": value.snapshot_date, "parameters": to_json(thaw(value.parameters)),
        "holdings": None if value.holdings is None else to_json(dict(value.holdings)),
        "data_fingerprint": value.data_fingerprint, "gross": value.gross, "net": value.net,
        "cash_weight": value.cash_weight, "file": file,
    }
    items = {"snapshot_id": value.snapshot_id, "file": file, **_columns(value.items, Item)}
    return Rows(tables={"snapshots": head}, columns={"snapshot_items": items})


def _intents(file: str, body: Any) -> Rows:
    good, refused = intent.read(body, where=file)
    rows = {"snapshot_id": PurePosixPath(file).stem, "file": file, **_columns(good, Intent)}
    del rows["schema"]
    bad = [bad_line(file, item.position + 1, _excerpt(body[item.position]), item.reason) for item in refused]
    return Rows(columns={"intents": rows}, bad=bad)


def _columns(items: Sequence[Any], kind: type[Any]) -> dict[str, list[Any]]:
    """Each field of `kind` as a list over the items, and their positions."""
    return {"position": list(range(len(items))), **{one.name: [getattr(item, one.name) for item in items] for one in fields(kind)}}


def _params(file: str, body: Any) -> Rows:
    value = params.read(body, where=file)
    params_id = params.params_id(value)
    _named(file, params_id)
    row = value.body() | {"params_id": params_id, "file": file}
    row["risk_overrides"] = to_json(row["risk_overrides"])
    return Rows(tables={"params": row})


def _run(file: str, body: Any) -> Rows:
    value = run.read(body, where=file)
    _named(file, f"{value.run_id}/run")
    row = value.body() | {"start_date": value.start, "end_date": value.end, "file": file}
    row["rejected"] = to_json(row["rejected"])
    for name in ("schema", "start", "end"):
        del row[name]
    return Rows(tables={"runs": row})


def _attempt(file: str, body: Any) -> Rows:
    value = run.read_attempt(body, where=file)
    _named(file, f"{value.run_id}/{value.attempt}/status")
    return Rows(tables={"attempts": value.body() | {"file": file}})


def _check_range(rows: Rows) -> None:
    """Raise ValueError for a number that the store's columns can't hold."""
    for table in (*rows.tables.values(), *rows.columns.values()):
        wrong = [(position, f"{name} {value}") for name, given in table.items()
                 for position, value in enumerate(given if isinstance(given, list) else [given])
                 if isinstance(value, NUMBERS) and not -LARGEST < value < LARGEST]
        if wrong:
            raise ValueError(f"{min(wrong, key=lambda one: one[0])[1]} is out of range")


def _named(file: str, name: str) -> None:
    """Raise `BadInput` where a file lies under another name than its content gives: it would be found under both."""
    if not str(PurePosixPath(file).with_suffix("")).endswith(f"/{name}"):
        raise BadInput(f"holds {name} under another name", where=file)


def _excerpt(item: Any) -> str:
    return json.dumps(item, default=str, ensure_ascii=False)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


_READERS: dict[str, Callable[[str, Any], Rows]] = {
    "snapshot": _snapshot, "intents": _intents, "params": _params, "run": _run, "attempt": _attempt,
}
assert set(_READERS) == set(TABLES)
