"""The algorithm, run through the embedded engine as a run of the project is: config file, launcher, journal, results."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from market_fixtures import INVENTED

from workbench import files
from workbench.algorithm import journal
from workbench.algorithm.journal import to_json
from workbench.engines import base
from workbench.engines import outcome as outcomes
from workbench.engines.config import Job, launcher_config
from workbench.market.calendar import read_calendar
from workbench.market.corporate import read_map
from workbench.market.folder import Market
from workbench.words.instrument import Instrument, security_identifier

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = read_calendar(INVENTED)


@dataclass(frozen=True)
class Traded:
    """What a launch of the algorithm left."""

    folder: Path
    ended: base.Ended
    outcome: outcomes.Outcome
    lines: list[dict[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        """The engine's result file."""
        found: dict[str, Any] = json.loads((self.folder / "results" / "r0-1.json").read_text())
        return found

    @property
    def journal(self) -> bytes:
        """The journal's bytes."""
        return (self.folder / "journal.jsonl").read_bytes()

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The orders as the engine's result has them, by id."""
        orders = self.result["orders"]
        return [orders[number] for number in sorted(orders, key=int)]

    def of(self, *kinds: str, **fields: Any) -> list[dict[str, Any]]:
        """The journal's lines of these kinds with these fields, in order."""
        return [line for line in self.lines if line["kind"] in kinds and all(line.get(k) == v for k, v in fields.items())]

    def one(self, *kinds: str, **fields: Any) -> dict[str, Any]:
        """The only such line."""
        (line,) = self.of(*kinds, **fields)
        return line

    def fills(self, **fields: Any) -> list[tuple[str, Decimal, Decimal]]:
        """Symbol, shares and price of each fill, in order."""
        return [(line["symbol"], line["fill_quantity"], line["fill_price"])
                for line in self.of("order", status="FILLED", **fields)]

    def held(self) -> dict[str, Decimal]:
        """What the last mark says is held."""
        return {row["symbol"]: row["quantity"] for row in self.of("mark")[-1]["positions"] if row["quantity"]}


def new_york(line: Mapping[str, Any]) -> str:
    """When a line happened, on New York's wall clock."""
    return f"{datetime.fromisoformat(line['occurred_at']).astimezone(NEW_YORK):%Y-%m-%d %H:%M}"


def day_of(text: str) -> date:
    """A date from its text."""
    return date.fromisoformat(text)


def identify(symbol: str, market: Path = INVENTED) -> str:
    """Lean's identifier of the company that ends with this ticker."""
    mapping = read_map(market / "equity" / "usa" / "map_files" / f"{symbol.lower()}.csv")
    return security_identifier(mapping.first_ticker, mapping.first_date)


def price_before(symbol: str, day: date, market: Path = INVENTED) -> Decimal:
    """The last raw close before a session; a dollar where there was none."""
    bars = Market(market).bars(Instrument(symbol=symbol, instrument_id=identify(symbol, market), last_symbol=symbol))
    before = bars.between(None, CALENDAR.previous(day))
    return Decimal(int(before.close[-1])) / 10000 if len(before) else Decimal(1)


def item_of(symbol: str, day: date, weight: Any, *, market: Path = INVENTED, **changes: Any) -> dict[str, Any]:
    """An intent as a snapshot of that day would give it."""
    return {
        "schema": "intent/1", "order_intent_id": f"s{day:%Y%m%d}-{symbol}", "symbol": symbol,
        "instrument_id": identify(symbol, market), "weight": None if weight is None else Decimal(str(weight)),
        "snapshot_date": CALENDAR.previous(day), "rebalance_date": day, "decision_price": price_before(symbol, day, market),
    } | changes


def trade(
    folder: Path, decisions: Mapping[str, Mapping[str, Any]], *, items: list[dict[str, Any]] | None = None,
    market: Path = INVENTED,
    cash: Any = 100000, start: str | None = None, end: str | None = None, mode: str = "backtest",
    algorithm: str | None = None, root: Mapping[str, Any] | None = None, engine: base.Engine | None = None, **params: Any
) -> Traded:
    """Launch the algorithm over decisions: weights by symbol, by rebalance date. `items` are further intents.

    `algorithm` is the source of a file of its own, beside which the algorithm's files are found.
    """
    wanted = [item_of(symbol, day_of(day), weight, market=market)
              for day, weights in decisions.items() for symbol, weight in weights.items()]
    wanted += items or []
    days = sorted(item["rebalance_date"] for item in wanted if isinstance(item, dict)
                  and isinstance(item.get("rebalance_date"), date))
    first = day_of(start) if start else CALENDAR.previous(days[0])
    last = day_of(end) if end else CALENDAR.next(days[-1])
    intents, given = files.write(folder / "intents.json", to_json(wanted)), files.write(folder / "params.json", to_json(params))
    path, beside = base.ALGORITHM_FILE, {}
    if algorithm is not None:
        path, beside = files.write(folder / "own.py", algorithm), {"python-additional-paths": [str(base.ALGORITHM)]}
    config = launcher_config(Job(
        mode="backtest", algorithm=path, algorithm_id="r0-1", data_folder=market, results=folder / "results", intents=intents,
        params=given, journal=folder / "journal.jsonl", run_id="r0", attempt=1, account="test", start=first, end=last,
        cash=Decimal(str(cash)),
    )) | beside | dict(root or {})
    config["parameters"]["mode"] = mode
    files.write(folder / "lean.json", to_json(config))
    ended = base.launch(base.start_of(engine or base.find_engine("embedded"), folder / "lean.json"), folder / "log.txt", timeout=60)
    written = folder / "journal.jsonl"
    outcome = outcomes.read_outcome(folder / "results", "r0-1", written, ended)
    found = journal.read_lines(str(written)) if written.exists() else ()
    lines = [json.loads(line, parse_float=Decimal) for line in found if line.startswith(b"{") and line.endswith(b"\n")]
    return Traded(folder, ended, outcome, lines)
