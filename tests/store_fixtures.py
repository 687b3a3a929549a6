"""Data folders for the tests of the store: decisions, runs and journals as the rest of the workbench writes them."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.algorithm.journal import Journal, to_json
from workbench.store import Store
from workbench.words import params, run, snapshot

MONDAY = date(2020, 3, 2)
MORNING = datetime(2020, 3, 2, 14, 0, tzinfo=UTC)          # 09:00 in New York
OPEN = datetime(2020, 3, 2, 14, 30, tzinfo=UTC)
TABLES = ("snapshots", "snapshot_items", "intents", "params", "runs", "attempts", "events", "bad_lines", "ingested_files")
VIEWS = ("orders", "fills", "positions", "intent_orders", "sized", "cuts", "rebalances", "marks", "corporate_actions",
         "counted_attempts")


def put(path: Path, text: str) -> Path:
    """Write a file at once: forcing it to the disk, as the workbench does, would be most of a test's time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def instrument(symbol: str) -> str:
    """An identifier in Lean's form."""
    return f"{symbol} R735QTJ8XC9X"


def decide(folder: Path, weights: Mapping[str, str], *, strategy: str = "momentum", day: date = MONDAY) -> snapshot.Snapshot:
    """Record a decision: its snapshot and its intents."""
    items = tuple(
        snapshot.Item(symbol=symbol, instrument_id=instrument(symbol), target_weight=Decimal(weight),
                      decision_price=Decimal("82.764822"))
        for symbol, weight in weights.items()
    )
    before = day - timedelta(days=1)
    taken = snapshot.take(
        strategy=strategy, rebalance_date=day, as_of=datetime(before.year, before.month, before.day, 21, tzinfo=UTC),
        snapshot_date=before, parameters={"lookback": 21, "decay": Decimal("0.123456789012")}, holdings=None,
        data_fingerprint="d" * 64, items=items,
    )
    put(folder / "snapshots" / strategy / str(day) / f"{taken.snapshot_id}.json", to_json(taken.body()))
    put(folder / "intents" / f"{taken.snapshot_id}.json", to_json([intent.body() for intent in taken.intents()]))
    return taken


def request(folder: Path, *decisions: snapshot.Snapshot, mode: str = "backtest", **given: Any) -> run.Run:
    """Record a request to an engine, and its params."""
    given_params = params.read(given)
    asked = run.request(
        strategy=decisions[0].strategy if decisions else "momentum", engine="embedded", engine_version="1", mode=mode,
        account="" if mode == "backtest" else "DU1234567", decisions={d.rebalance_date: d.snapshot_id for d in decisions},
        params_id=params.params_id(given_params), data_fingerprint="d" * 64, algorithm_sha256="a" * 64,
        start=date(2020, 2, 28), end=date(2020, 3, 31), cash=Decimal(100000),
    )
    put(folder / "params" / f"{asked.params_id}.json", to_json(params.body(given_params)))
    put(folder / "runs" / asked.run_id / "run.json", to_json(asked.body()))
    return asked


def queue(folder: Path, asked: run.Run, *, attempt: int = 1, state: str = "completed") -> run.Attempt:
    """Record the status of one start."""
    status = run.Attempt(run_id=asked.run_id, attempt=attempt, state=state, mode=asked.mode, queued_at=MORNING,
                         order_intent_path="intents.json", execution_params_path="params.json")
    put(folder / "runs" / asked.run_id / str(attempt) / "status.json", to_json(status.body()))
    return status


class Desk:
    """Writes the journal of one attempt, with the fields that the algorithm gives each line."""

    def __init__(self, folder: Path, run_id: str, *, attempt: int = 1, mode: str = "backtest", name: str = "journal.jsonl") -> None:
        self.path = folder / "runs" / run_id / str(attempt) / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(str(self.path), run_id=run_id, attempt=attempt, live=mode != "backtest",
                               now=lambda: datetime(2020, 3, 2, 15, tzinfo=UTC))
        self.mode, self.run_id, self.attempt = mode, run_id, attempt
        self.events: dict[int, int] = {}

    def opened(self, holdings: Mapping[str, int] | None = None, at: datetime = MORNING) -> None:
        self.journal.write("opened", at, versions={"python": "3.11.7"}, mode=self.mode, account="", cash=Decimal(100000),
                           holdings={name: Decimal(held) for name, held in (holdings or {}).items()}, intents_sha256="i",
                           params_sha256="p", intents=2, rejected=[])

    def rebalance(self, day: date = MONDAY, at: datetime = MORNING) -> None:
        self.journal.write("rebalance", at, rebalance_date=day, equity=Decimal("100000.25"), cash=Decimal(100000))

    def sized(self, intent_id: str, order: int, *, held: int = 0, at: datetime = MORNING, n: int = 1) -> str:
        symbol = intent_id.rsplit("-", 1)[1]
        ref = f"{intent_id}.{n}"
        self.journal.write("sized", at, order_ref=ref if order else None, order_intent_id=intent_id, symbol=symbol,
                           instrument_id=instrument(symbol), price=Decimal("82.764822"), price_time="2020-02-28T21:00:00Z",
                           raw=Decimal("10.5"), target=Decimal(held + order), held=Decimal(held), order=Decimal(order))
        return ref

    def cut(self, kind: str, intent_id: str, rule: str, shares: int | None, at: datetime = MORNING) -> None:
        self.journal.write(kind, at, order_intent_id=intent_id, symbol=intent_id.rsplit("-", 1)[1], rule=rule,
                           cut=None if shares is None else Decimal(shares))

    def order(
        self, order_id: int | None, ref: str, quantity: int, status: str, *, fill: int = 0, price: str = "82.5",
        symbol: str = "ALFA", fee: str | None = "1", at: datetime = OPEN, event: bool = True, **more: Any
    ) -> None:
        """One order event. `event` False leaves out Lean's event id, as another broker's engine would."""
        if order_id is not None:
            self.events[order_id] = self.events.get(order_id, 0) + 1
        line = {
            "order_ref": ref, "order_id": order_id, "event_id": self.events[order_id] if event and order_id else None,
            "broker_id": "" if order_id is None else str(order_id), "exec_id": None, "symbol": symbol,
            "instrument_id": instrument(symbol), "type": "MARKET_ON_OPEN", "tif": "GTC", "limit_price": None,
            "stop_price": None, "status": status, "quantity": Decimal(quantity), "fill_quantity": Decimal(fill),
            "fill_price": Decimal(price) if fill else None, "fee": Decimal(fee) if fill and fee is not None else None,
            "currency": "USD", "arrival_price": Decimal("82.4") if fill else None, "arrival_source": "open" if fill else None,
            "message": None,
        }
        self.journal.write("order", at, **line | more)

    def mark(self, positions: Mapping[str, int], at: datetime = OPEN) -> None:
        self.journal.write("mark", at, equity=Decimal(100001), cash=Decimal(90000), positions=[
            {"symbol": name, "instrument_id": instrument(name), "close": Decimal("83.1"), "quantity": Decimal(held)}
            for name, held in positions.items()])

    def line(self, kind: str, at: datetime = OPEN, **fields: Any) -> None:
        self.journal.write(kind, at, **fields)

    def close(self, at: datetime = OPEN) -> None:
        self.journal.close(at)

    def stop(self) -> None:
        """End as a killed process does: without a last line."""
        self.journal._file.close()


def lean_event(algorithm: str, order_id: int, event_id: int, status: str, *, quantity: str = "10.0", fill: str = "0.0",
               price: str = "0.0", fee: str | None = None, at: datetime = OPEN, symbol: str = "ALFA", **more: Any) -> str:
    """One event as Lean's file has it: numbers always with a point, the fee absent where there is none."""
    charged = f'"orderFeeAmount":{fee},"orderFeeCurrency":"USD",' if fee is not None else ""
    extra = "".join(f',"{name}":{json.dumps(value)}' for name, value in more.items())
    return (f'{{"id":"{algorithm}-{order_id}-{event_id}","algorithmId":"{algorithm}","orderId":{order_id},'
            f'"orderEventId":{event_id},"symbol":"{instrument(symbol)}","symbolValue":"{symbol}","symbolPermtick":"{symbol}",'
            f'"time":{at.timestamp()!r},"status":"{status}",{charged}"fillPrice":{price},"fillPriceCurrency":"USD",'
            f'"fillQuantity":{fill},"direction":"{"sell" if quantity.startswith("-") else "buy"}","isAssignment":false,'
            f'"quantity":{quantity}{extra}}}')


def lean_file(folder: Path, run_id: str, events: Iterable[str], *, attempt: int = 1) -> Path:
    """Lean's own file of an attempt."""
    path = folder / "runs" / run_id / str(attempt) / "results" / f"{run_id}-{attempt}-order-events.json"
    return put(path, "[" + ",".join(events) + "]")


def counted(monkeypatch: Any, place: Any, name: str) -> list[tuple[Any, ...]]:
    """What a function is called with from now on, call by call."""
    calls: list[tuple[Any, ...]] = []
    known = getattr(place, name)

    def called(*given: Any, **named: Any) -> Any:
        calls.append(given)
        return known(*given, **named)

    monkeypatch.setattr(place, name, called)
    return calls


def emptied(store: Store) -> Store:
    """A store in memory as if it were new, in a hundredth of the time that making one takes."""
    with store._access.writing("empty it") as connection:
        for table in TABLES:
            connection.execute(f"delete from {table}")
    store._sources.clear()
    return store


def contents(store: Store, names: Iterable[str] = TABLES) -> dict[str, list[str]]:
    """Every row of every table as text, in an order that does not depend on how it came; views follow from the tables."""
    return {name: sorted(map(repr, store.rows(f"select * from {name}"))) for name in names}


def small_run(folder: Path) -> tuple[run.Run, snapshot.Snapshot]:
    """A decision on two names, executed: ALFA filled in two parts, BETA cancelled, GAMA closed as it is not listed."""
    taken = decide(folder, {"ALFA": "0.6", "BETA": "0.3"})
    asked = request(folder, taken)
    queue(folder, asked)
    desk = Desk(folder, asked.run_id)
    desk.opened()
    desk.rebalance()
    alfa = desk.sized(f"{taken.snapshot_id}-ALFA", 10)
    beta = desk.sized(f"{taken.snapshot_id}-BETA", 5)
    gama = desk.sized(f"{taken.snapshot_id}-GAMA", -3, held=3)
    desk.cut("capped", f"{taken.snapshot_id}-BETA", "max_weight", 2)
    desk.order(1, alfa, 10, "SUBMITTED", at=MORNING)
    desk.order(2, beta, 5, "SUBMITTED", at=MORNING, symbol="BETA")
    desk.order(3, gama, -3, "SUBMITTED", at=MORNING, symbol="GAMA")
    desk.order(1, alfa, 10, "PARTIALLY_FILLED", fill=4, price="82.5")
    desk.order(1, alfa, 10, "FILLED", fill=6, price="82.75")
    desk.order(2, beta, 5, "CANCELLED", symbol="BETA")
    desk.order(3, gama, -3, "FILLED", fill=-3, price="20.01", symbol="GAMA")
    desk.mark({"ALFA": 10, "BETA": 0})
    desk.close()
    return asked, taken
