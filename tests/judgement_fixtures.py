"""Runs to judge: real ones, traded by the embedded engine on the invented market and read back from the journal, and
stories told line by line.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.algorithm.sizing import Quote, Sized, Wanted, size
from workbench.engines import base
from workbench.engines import outcome as outcomes
from workbench.engines.config import Job, launcher_config
from workbench.judgement.reconciliation import Evidence
from workbench.market.folder import Market
from workbench.words import params as rules
from workbench.words import run as runs
from workbench.words import snapshot as snapshots
from workbench.words.event import CorporateLine, CutLine, Fill, MarkLine, RebalanceLine, SizedLine
from workbench.words.instrument import Instrument
from workbench.words.intent import Intent, manual
from workbench.words.order import Order, status_word, type_word
from workbench.words.snapshot import Item, Snapshot

CASH = Decimal("1000000")


def decide(market: Market, day: date, weights: Mapping[str, str], *, strategy: str = "test") -> Snapshot:
    """A snapshot of these weights (text) for a rebalance date, at the raw closes before it."""
    before = market.calendar.previous(day)
    items = []
    for symbol, weight in weights.items():
        instrument = market.instrument(symbol, day)
        items.append(Item(symbol=instrument.last_symbol, instrument_id=instrument.instrument_id,
                          target_weight=Decimal(weight), decision_price=market.close(instrument, before)))
    return snapshots.take(strategy=strategy, rebalance_date=day, as_of=market.calendar.close(before), snapshot_date=before,
                          parameters={}, holdings=None, data_fingerprint="", items=tuple(items))


@dataclass(frozen=True)
class Told:
    """What a run was asked, and every line its journal and result tell."""

    run: runs.Run
    params: rules.ExecutionParams
    snapshots: tuple[Snapshot, ...]
    intents: tuple[Intent, ...]
    outcome: outcomes.Outcome
    lines: tuple[dict[str, Any], ...] = field(repr=False)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The lines of these kinds, in their order."""
        return [line for line in self.lines if line["kind"] in kinds]

    @property
    def rebalances(self) -> tuple[RebalanceLine, ...]:
        return tuple(RebalanceLine(**_common(line), rebalance_date=_day(line["rebalance_date"]), equity=line["equity"],
                                   cash=line["cash"]) for line in self.of("rebalance"))

    @property
    def sized(self) -> tuple[SizedLine, ...]:
        names = ("order_ref", "order_intent_id", "symbol", "instrument_id", "price", "raw", "target", "held", "order")
        return tuple(SizedLine(
            **_common(line), rebalance_date=day, price_time=_moment(line["price_time"]), **{name: line[name] for name in names},
        ) for day, line in self._dated("sized"))

    @property
    def cuts(self) -> tuple[CutLine, ...]:
        return tuple(CutLine(
            **_common(line), rebalance_date=day, kind=line["kind"], order_intent_id=line["order_intent_id"],
            symbol=line["symbol"], rule=line["rule"], cut=line["cut"], detail=line.get("detail"),
        ) for day, line in self._dated("capped", "blocked", "skipped"))

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        names = ("symbol", "instrument_id", "fee", "arrival_price", "arrival_source")
        return tuple(Fill(
            run_id=line["run_id"], attempt=int(line["attempt"]), order_id=str(line["order_id"]),
            client_order_id=line["order_ref"], order_intent_id=_intent_of(line["order_ref"]), quantity=line["fill_quantity"],
            price=line["fill_price"], occurred_at=_moment(line["occurred_at"]), **{name: line[name] for name in names},
        ) for line in self.of("order") if line["fill_quantity"])

    @cached_property
    def orders(self) -> tuple[Order, ...]:
        heard: dict[str, list[dict[str, Any]]] = {}
        for line in self.of("order"):
            heard.setdefault(str(line["order_id"]), []).append(line)
        return tuple(self._order(order_id, lines) for order_id, lines in heard.items())

    @property
    def marks(self) -> tuple[MarkLine, ...]:
        return tuple(MarkLine(**_common(line), equity=line["equity"], cash=line["cash"], **position)
                     for line in self.of("mark") for position in line["positions"])

    @property
    def corporate(self) -> tuple[CorporateLine, ...]:
        renamed = {"renamed"}
        return tuple(CorporateLine(
            **_common(line), kind=line["kind"], symbol=line["symbol"], instrument_id=line["instrument_id"],
            factor=line.get("factor"), per_share=line.get("per_share"), cash=line.get("cash"),
            old_quantity=None if line["kind"] in renamed else line.get("old"),
            new_quantity=None if line["kind"] in renamed else line.get("new"),
            old_symbol=line["old"] if line["kind"] in renamed else None,
            new_symbol=line["new"] if line["kind"] in renamed else None,
        ) for line in self.of("split", "dividend", "renamed", "delisted"))

    def evidence(self, market: Market | None = None, **changes: Any) -> Evidence:
        """Everything told, with the market's bars where one is given."""
        held = {line.instrument_id: line.symbol for line in self.marks}
        bars = {} if market is None else {name: market.bars(market.instrument(symbol, self.run.end))
                                          for name, symbol in held.items()}
        return replace(Evidence(
            run=self.run, attempt=1, params=self.params, snapshots=self.snapshots, intents=self.intents,
            rebalances=self.rebalances, sized=self.sized, cuts=self.cuts, orders=self.orders, fills=self.fills,
            marks=self.marks, corporate=self.corporate, cash=self.run.cash, end_equity=self.outcome.end_equity, bars=bars,
        ), **changes)

    def _dated(self, *kinds: str) -> Iterable[tuple[date, dict[str, Any]]]:
        """The lines of these kinds, each with the rebalance date that it follows."""
        day = None
        for line in self.lines:
            if line["kind"] == "rebalance":
                day = _day(line["rebalance_date"])
            if line["kind"] in kinds:
                assert day is not None
                yield day, line

    def _order(self, order_id: str, lines: list[dict[str, Any]]) -> Order:
        last, ref = lines[-1], lines[0]["order_ref"]
        filled = [fill for fill in self.fills if fill.order_id == order_id]
        shares = sum((fill.quantity for fill in filled), Decimal(0))
        paid = sum((fill.quantity * fill.price for fill in filled), Decimal(0))
        return Order(
            client_order_id=ref, order_intent_id=_intent_of(ref), symbol=last["symbol"], instrument_id=last["instrument_id"],
            side="BUY" if last["quantity"] > 0 else "SELL", quantity=last["quantity"], order_type=type_word(last["type"]),
            status=status_word(last["status"]) or "UNKNOWN", run_id=last["run_id"], attempt=int(last["attempt"]),
            order_id=order_id, filled_quantity=shares, avg_fill_price=paid / shares if shares else None,
            fees=sum((fill.fee or Decimal(0) for fill in filled), Decimal(0)), limit_price=last["limit_price"],
            last_status_at=_moment(last["occurred_at"]))


def trade(folder: Path, market: Market, decisions: Iterable[Snapshot], *, manual: Iterable[Intent] = (), cash: Decimal = CASH,
          end: date | None = None, **params: Any) -> Told:
    """Run decisions through the embedded engine and read what it told. Fails where the engine did."""
    decisions = tuple(decisions)
    chosen = rules.read(params)
    intents = tuple(intent for snapshot in decisions for intent in snapshot.intents()) + tuple(manual)
    days = sorted({intent.rebalance_date for intent in intents})
    engine = base.find_engine("embedded")
    run = runs.request(
        strategy="test", engine=engine.name, engine_version=engine.version, mode="backtest", account="backtest",
        decisions={snapshot.rebalance_date: snapshot.snapshot_id for snapshot in decisions}, params_id=rules.params_id(chosen),
        data_fingerprint="", algorithm_sha256=base.algorithm_sha256(), start=market.calendar.previous(days[0]),
        end=end or market.calendar.next(days[-1]), cash=cash)
    outcome = _launch(folder, market, run, engine, intents, chosen)
    outcomes.raise_failed(outcome, folder / "engine.txt")
    texts = (folder / "journal.jsonl").read_text().splitlines()
    lines = tuple(json.loads(text, parse_float=Decimal, parse_int=Decimal) for text in texts)
    return Told(run, chosen, decisions, intents, outcome, lines)


def _launch(folder: Path, market: Market, run: runs.Run, engine: base.Engine, intents: tuple[Intent, ...],
            params: rules.ExecutionParams) -> outcomes.Outcome:
    files.write(folder / "intents.json", to_json([intent.body() for intent in intents]))
    files.write(folder / "params.json", to_json(rules.body(params)))
    journal = folder / "journal.jsonl"
    config = launcher_config(Job(
        mode="backtest", algorithm=base.ALGORITHM_FILE, algorithm_id=f"{run.run_id}-1", data_folder=market.path.resolve(),
        results=folder / "results", intents=folder / "intents.json", params=folder / "params.json", journal=journal,
        run_id=run.run_id, attempt=1, account="backtest", start=run.start, end=run.end, cash=run.cash))
    files.write(folder / "lean.json", to_json(config))
    ended = base.launch(base.start_of(engine, folder / "lean.json"), folder / "engine.txt", timeout=120)
    return outcomes.read_outcome(folder / "results", f"{run.run_id}-1", journal, ended)


def _common(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"run_id": line["run_id"], "attempt": int(line["attempt"]), "seq": int(line["seq"]),
            "occurred_at": _moment(line["occurred_at"])}


def _intent_of(ref: str) -> str | None:
    """`s…-ALFA.1` is an order of `s…-ALFA`; any other tag is nobody's."""
    intent, dot, number = ref.rpartition(".")
    return intent if dot and number.isdigit() and "-" in intent else None


def _moment(text: Any) -> Any:
    return None if text is None else datetime.fromisoformat(text)


def _day(text: str) -> date:
    return date.fromisoformat(text)


NAMES = ("AAA", "BBB", "CCC", "DDD")
KINDS = {"blocked": "blocked", "stale": "blocked", "no_price": "blocked", "min_qty": "skipped"}     # else: capped


class Story:
    """A run told by hand, one line after the other, beside its own plain count of cash and shares.

    Weights are sized by the real sizing. Decisions fall on sessions of January and February 2020, at whose close (21:00
    UTC) the marks are taken; orders are sized at 14:00.
    """

    def __init__(self, *, cash: str = "100000", **params: Any) -> None:
        self.params = rules.read(params)
        self.cash, self.held = Decimal(cash), dict.fromkeys(NAMES, Decimal(0))
        self.opening, self.attempt, self.seq, self.sent = self.cash, 1, 0, 0
        self.told: dict[str, list[Any]] = {name: [] for name in (
            "snapshots", "intents", "rebalances", "sized", "cuts", "fills", "marks", "corporate")}
        self.placed: dict[str, Order] = {}

    def decide(self, day: date, weights: Mapping[str, str], prices: Mapping[str, str]) -> Snapshot:
        """A decision at the close of the day before."""
        before = date.fromordinal(day.toordinal() - 1)
        snapshot = snapshots.take(
            strategy="story", rebalance_date=day, as_of=_at(before, 21), snapshot_date=before, parameters={}, holdings=None,
            data_fingerprint="", items=tuple(Item(symbol=name, instrument_id=f"{name} X", target_weight=Decimal(weight),
                                                  decision_price=Decimal(prices[name])) for name, weight in weights.items()))
        self.told["snapshots"].append(snapshot)
        return snapshot

    def ask(self, day: date, symbol: str, quantity: int, price: str) -> Intent:
        """A manual order."""
        instrument = Instrument(symbol=symbol, instrument_id=f"{symbol} X", last_symbol=symbol)
        intent = manual(instrument, quantity, rebalance_date=day, snapshot_date=date.fromordinal(day.toordinal() - 1),
                        decision_price=Decimal(price))
        self.told["intents"].append(intent)
        return intent

    def size(self, day: date, prices: Mapping[str, str | None], *, ages: Mapping[str, int] | None = None) -> list[Order]:
        """Size the day's weights and manual orders, and send what is to be sent."""
        equity = self.value(prices)
        self.told["rebalances"].append(RebalanceLine(**self._line(day, 14), rebalance_date=day, equity=equity, cash=self.cash))
        intents = [i for s in self.told["snapshots"] if s.rebalance_date == day for i in s.intents()]
        intents += [intent for intent in self.told["intents"] if intent.rebalance_date == day]
        wanted = [Wanted(order_intent_id=one.order_intent_id, symbol=one.symbol, weight=one.weight, quantity=one.quantity)
                  for one in intents]
        if intents and self.params.close_unlisted:
            head, named = intents[0].order_intent_id.split("-")[0], {intent.symbol for intent in intents}
            wanted += [Wanted(order_intent_id=f"{head}-{name}", symbol=name, weight=Decimal(0))
                       for name, shares in self.held.items() if shares and name not in named]
        quotes = {name: Quote(price=None if price is None else Decimal(price), age=(ages or {}).get(name, 1))
                  for name, price in prices.items()}
        lines = size(wanted, equity=equity, held=self.held, quotes=quotes, params=self.params)
        return [order for line in lines if (order := self._send(day, line)) is not None]

    def refuse(self, order: Order, rule: str, detail: str = "over the limit") -> None:
        """Take an order back before it was sent: the guard refused it."""
        line = next(line for line in self.told["sized"] if line.order_ref == order.client_order_id)
        del self.placed[str(order.order_id)]
        self._cut(line.rebalance_date, "blocked", line.order_intent_id, line.symbol, rule, line.order, detail)

    def reject(self, order: Order) -> None:
        """The broker rejects an order."""
        self.placed[str(order.order_id)] = replace(order, status="REJECTED")

    def fill(self, day: date, order: Order | str, shares: Any, price: str, *, fee: str | None = "1", arrival: str | None = None,
             hour: int = 21) -> None:
        """Shares of an order, or (by symbol) of nobody's, are traded."""
        known = order if isinstance(order, Order) else None
        symbol = str(known.symbol if known else order)
        self.told["fills"].append(Fill(
            run_id="r", attempt=self.attempt, order_id=str(known.order_id if known else 999), symbol=symbol,
            client_order_id=known.client_order_id if known else "by phone",
            order_intent_id=known.order_intent_id if known else None, instrument_id=f"{symbol} X", quantity=Decimal(shares),
            price=Decimal(price), fee=_exact(fee), arrival_price=_exact(arrival),
            arrival_source=None if arrival is None else "open", occurred_at=_at(day, hour)))
        self.held[symbol] += Decimal(shares)
        self.cash -= Decimal(shares) * Decimal(price) + Decimal(fee or 0)
        if known is not None:
            now = self.placed[str(known.order_id)]
            filled = now.filled_quantity + Decimal(shares)
            self.placed[str(known.order_id)] = replace(
                now, filled_quantity=filled, status="FILLED" if filled == now.quantity else "PARTIALLY_FILLED")

    def split(self, day: date, symbol: str, factor: str) -> None:
        """Before the open, old prices are multiplied by the factor, and old shares divided by it."""
        old, new = self.held[symbol], self.held[symbol] / Decimal(factor)
        self._corporate(day, symbol, kind="split", factor=Decimal(factor), cash=Decimal(0), old_quantity=old, new_quantity=new)
        self.held[symbol] = new

    def dividend(self, day: date, symbol: str, per_share: str) -> None:
        """Before the open, a dividend is paid on what is held."""
        paid = self.held[symbol] * Decimal(per_share)
        self._corporate(day, symbol, kind="dividend", per_share=Decimal(per_share), cash=paid)
        self.cash += paid

    def mark(self, day: date, closes: Mapping[str, str | None], *, reported: Mapping[str, int] | None = None) -> None:
        """The session's close as the account has it; `reported` adds shares that nothing explains."""
        held = {name: shares + (reported or {}).get(name, 0) for name, shares in self.held.items()}
        equity = self.cash + sum((shares * Decimal(closes.get(name) or 0) for name, shares in held.items()), Decimal(0))
        common = self._line(day, 21)
        self.told["marks"] += [MarkLine(**common, symbol=name, instrument_id=f"{name} X", quantity=shares, equity=equity,
                                        close=_exact(closes.get(name)), cash=self.cash)
                               for name, shares in held.items()]

    def value(self, prices: Mapping[str, str | None]) -> Decimal:
        """Cash and what is held at these prices, in dollars."""
        held = {name: shares for name, shares in self.held.items() if shares}
        return self.cash + sum((shares * Decimal(prices[name] or 0) for name, shares in held.items()), Decimal(0))

    def evidence(self, **changes: Any) -> Evidence:
        """All that was told."""
        known = {snapshot.rebalance_date: snapshot.snapshot_id for snapshot in self.told["snapshots"]}
        run = runs.request(strategy="story", engine="none", engine_version="", mode="paper", account="DU1", decisions=known,
                           params_id="p", data_fingerprint="", algorithm_sha256="", cash=self.opening,
                           start=date(2020, 1, 2), end=date(2020, 2, 28))
        told = {name: tuple(lines) for name, lines in self.told.items()}
        told["intents"] = tuple(i for snapshot in told["snapshots"] for i in snapshot.intents()) + told["intents"]
        return replace(Evidence(run=run, attempt=self.attempt, params=self.params, orders=tuple(self.placed.values()),
                                cash=self.opening, **told), **changes)

    def _send(self, day: date, line: Sized) -> Order | None:
        ref = f"{line.order_intent_id}.{self.attempt}" if line.order else None
        self.told["sized"].append(SizedLine(
            **self._line(day, 14), rebalance_date=day, order_ref=ref, order_intent_id=line.order_intent_id, symbol=line.symbol,
            instrument_id=f"{line.symbol} X", price=line.price, price_time=None, raw=line.raw, target=line.target,
            held=line.held, order=line.order))
        for cut in line.cuts:
            self._cut(day, KINDS.get(cut.rule, "capped"), line.order_intent_id, line.symbol, cut.rule, cut.shares, None)
        if not line.order:
            return None
        self.sent += 1
        number = str(self.sent)
        self.placed[number] = Order(
            client_order_id=ref, order_intent_id=line.order_intent_id, symbol=line.symbol, instrument_id=f"{line.symbol} X",
            side="BUY" if line.order > 0 else "SELL", quantity=line.order, order_type="MOO", status="SUBMITTED", run_id="r",
            attempt=self.attempt, order_id=number, last_status_at=_at(day, 21))
        return self.placed[number]

    def _cut(self, day: Any, kind: str, order_intent_id: str, symbol: str, rule: str, shares: Any, detail: str | None) -> None:
        self.told["cuts"].append(CutLine(**self._line(day, 14), rebalance_date=day, kind=kind, order_intent_id=order_intent_id,
                                         symbol=symbol, rule=rule, cut=shares, detail=detail))

    def _corporate(self, day: date, symbol: str, **fields: Any) -> None:
        nothing = dict.fromkeys(("factor", "per_share", "cash", "old_quantity", "new_quantity", "old_symbol", "new_symbol"))
        self.told["corporate"].append(CorporateLine(**self._line(day, 5), symbol=symbol, instrument_id=f"{symbol} X",
                                                    **{**nothing, **fields}))

    def _line(self, day: date, hour: int) -> dict[str, Any]:
        self.seq += 1
        return {"run_id": "r", "attempt": self.attempt, "seq": self.seq, "occurred_at": _at(day, hour)}


def _exact(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
