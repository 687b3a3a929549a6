"""Laws of the embedded engine, over random order scripts: money, numbers and holdings, whatever an algorithm does.

The engine is run in this process, many short runs on the invented market, around its splits, its rename, its listing and its
delisting. What is checked is folded from the files it leaves and from what the algorithm was told.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from algorithm_fixtures import price_before, trade
from engine_fixtures import GOLDEN
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from market_fixtures import INVENTED

from workbench.engines.embedded import launcher, trades
from workbench.errors import MissingPrice

# Around a listing, a rename and dividends, each of three splits, and a delisting; with the stock it happens to.
WINDOWS = {("2019-09-10", "2019-10-18"): "ZETA", ("2019-10-21", "2019-12-20"): "EPSI", ("2020-03-24", "2020-04-09"): "THET",
           ("2020-04-20", "2020-05-06"): "GAMA", ("2020-05-01", "2020-05-29"): "ETAX", ("2020-07-20", "2020-09-18"): "BETA"}
MINUTES = ("2020-03-11", "2020-03-13")         # ALFA pays a dividend on the 12th
TICKERS = ("ALFA", "BETA", "GAMA", "DELT", "EPSI", "THET", "ZETA", "ETAX")
WITH_MINUTES = ("ALFA", "BETA", "DELT")
TIMES = ("", "09:00", "10:00", "12:15", "15:30", "15:50")
PRICED = {"market": (), "market_on_open": (), "market_on_close": (), "limit": ("limit_price",), "stop_market": ("stop_price",),
          "stop_limit": ("stop_price", "limit_price"), "limit_if_touched": ("trigger_price", "limit_price"), "trailing_stop": ()}
CENT, ONE, HAIR = Decimal("0.01"), Decimal(1), Decimal("1e-15")      # of a dollar: what 28 digits leave of a sum of exact ones
CLOSED = ("filled", "canceled", "invalid")
MAY_FOLLOW = {
    "new": ("submitted", "invalid"),
    "submitted": ("submitted", "updateSubmitted", "cancelPending", "partiallyFilled", *CLOSED),
    "updateSubmitted": ("updateSubmitted", "cancelPending", "partiallyFilled", *CLOSED),
    "cancelPending": ("updateSubmitted", "partiallyFilled", *CLOSED),
    "partiallyFilled": ("updateSubmitted", "cancelPending", "partiallyFilled", *CLOSED),
}
WATCHED = """
from AlgorithmImports import *
from order_script import OrderScript

class Watched(OrderScript):
    # The recorder's algorithm, which also writes down what splits and dividends it is told of.
    def on_dividends(self, dividends):
        for symbol in dividends.keys():
            self.record("dividend", symbol=str(symbol.id), per_share=dividends[symbol].distribution)

    def on_splits(self, splits):
        for symbol in splits.keys():
            split = splits[symbol]
            if str(split.type) == "SPLIT_OCCURRED":
                self.record("split", symbol=str(symbol.id), factor=split.split_factor, reference=split.reference_price)
"""
LAW = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@dataclass(frozen=True)
class Ran:
    """A run: the script, Lean's order events, what the algorithm was told, and the account that the engine was left with."""

    script: Mapping[str, Any]
    events: list[dict[str, Any]]
    told: list[dict[str, Any]]
    cash: Decimal
    held: dict[str, Decimal]
    fees: Decimal
    files: tuple[bytes, bytes]
    closed: list[dict[str, Any]]


@contextlib.contextmanager
def interpreter_as_it_was() -> Iterator[None]:
    """An engine's process ends with its run; in this one, what it puts into the interpreter is taken out again."""
    path, out, modules = list(sys.path), sys.stdout, set(sys.modules)
    console = io.StringIO()
    try:
        with contextlib.redirect_stderr(console):
            sys.stdout = console
            yield
    finally:
        if sys.stdout is not console:
            sys.stdout.close()
        sys.path[:], sys.stdout = path, out
        for name in {"AlgorithmImports", "order_script", "watched"} & (set(sys.modules) - modules):
            del sys.modules[name]


def run(script: Mapping[str, Any], *, one_by_one: bool = False) -> Ran:
    """Run a script here, as the engine's own process would; its trades matched as columns where they can be, or fill by fill."""
    found: list[Any] = []

    class Kept(launcher.Backtest):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            found.append(self)

    with tempfile.TemporaryDirectory() as name, interpreter_as_it_was(), pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        (folder / "script.json").write_text(json.dumps(script))
        (folder / "watched.py").write_text(WATCHED)
        patch.setattr(launcher, "Backtest", Kept)
        if one_by_one:
            patch.setattr(trades, "_as_columns", lambda *_: None)
        patch.setattr(os, "fsync", lambda _: None)       # nothing here is to outlive the test, and waiting is half its time
        code = launcher.launch({
            "algorithm-location": str(folder / "watched.py"), "algorithm-id": "law", "data-folder": str(INVENTED),
            "results-destination-folder": str(folder / "results"), "python-additional-paths": [str(GOLDEN)],
            "parameters": {"script-path": str(folder / "script.json"), "events-path": str(folder / "events.jsonl")},
        })
        assert code == 0, json.loads((folder / "results" / "law.json").read_text())["state"]["RuntimeError"]
        path = folder / "results" / "law-order-events.json"
        text, told = path.read_bytes() if path.exists() else b"[]", (folder / "events.jsonl").read_bytes()
        result = json.loads((folder / "results" / "law.json").read_text(), parse_float=Decimal)
    account = found[0].account
    return Ran(
        script=script, events=json.loads(text, parse_float=Decimal),
        told=[json.loads(line, parse_float=Decimal) for line in told.splitlines()], cash=account.cash + account.unsettled,
        held={str(one.symbol.id): one.quantity for one in found[0].securities if one.quantity}, fees=account.fees,
        files=(text, told), closed=result["totalPerformance"]["closedTrades"],
    )


def closes(window: tuple[str, str]) -> dict[str, float]:
    """What each stock cost before a window; those that were not listed yet, ten dollars."""
    found = {}
    for ticker in TICKERS:
        with contextlib.suppress(MissingPrice):
            found[ticker] = float(price_before(ticker, date.fromisoformat(window[0])))
    return found


CLOSES = {window: closes(window) for window in (*WINDOWS, MINUTES)}


@st.composite
def scripts(draw: st.DrawFn) -> dict[str, Any]:
    """A script of up to sixteen actions of every kind, on some of the stocks, around something that happens to them."""
    resolution = draw(st.sampled_from(["daily", "daily", "daily", "minute"]))
    window = MINUTES if resolution == "minute" else draw(st.sampled_from(sorted(WINDOWS)))
    first, last = map(date.fromisoformat, window)
    known = WITH_MINUTES if resolution == "minute" else TICKERS
    symbols = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
    symbols = list(dict.fromkeys([WINDOWS.get(window, "ALFA"), *symbols]))
    days = [first + timedelta(days=at) for at in range((last - first).days + 1)]
    days = [day for day in days if day.weekday() < 5]
    tags: list[str] = []
    actions = []
    for number in range(draw(st.integers(1, 16))):
        do = draw(st.sampled_from([*PRICED, "set_holdings", "liquidate", *(["update", "cancel"] if tags else [])]))
        action: dict[str, Any] = {"do": do, "date": str(draw(st.sampled_from(days))), "time": draw(st.sampled_from(TIMES))}
        symbol = draw(st.sampled_from(symbols))
        price = CLOSES[window][symbol]
        near = st.integers(-60, 60).map(lambda step, price=price: round(price * (1 + step / 1000), 2))
        if do in PRICED:
            tag = f"a{number}"
            tags.append(tag)
            action |= {"tag": tag, "symbol": symbol, "quantity": draw(st.sampled_from([-333, -40, -7, 1, 13, 100, 250]))}
            action |= {name: draw(near) for name in PRICED[do]}
            if do == "trailing_stop":
                action |= {"trailing_amount": draw(st.sampled_from([0.02, 0.05])), "trailing_as_percentage": True}
            if draw(st.integers(0, 3)) == 0:
                action["tif"] = "day"
        elif do == "set_holdings":
            weights = st.dictionaries(st.sampled_from(symbols), st.integers(-30, 45).map(lambda x: x / 100), min_size=1)
            action |= {"tag": f"s{number}", "targets": draw(weights), "liquidate": draw(st.booleans())}
        elif do == "liquidate":
            action |= {"tag": f"l{number}"} | ({"symbol": symbol} if draw(st.booleans()) else {})
        else:
            action |= {"of": draw(st.sampled_from(tags)), "tag": f"u{number}"}
            if do == "update":
                action |= draw(st.fixed_dictionaries({}, optional={
                    "quantity": st.sampled_from([-50, 5, 60]), "limit_price": near, "stop_price": near}))
        actions.append(action)
    return {
        "start": window[0], "end": window[1], "cash": draw(st.sampled_from([25_000, 100_000, 1_000_000])), "symbols": symbols,
        "resolution": resolution, "normalization": draw(st.sampled_from(["raw", "adjusted"])),
        "brokerage": draw(st.sampled_from(["default", "ib-margin", "ib-cash"])),
        "fee": draw(st.sampled_from([None, {"bps": 2.5}, {"constant": 1.25}])),
        "slippage": draw(st.sampled_from([None, {"bps": 7}])), "record_days": True, "actions": actions,
    }


@dataclass
class Folded:
    """An account as its events make it. Adjusted prices hold splits and dividends already."""

    raw: bool
    cash: Decimal
    held: defaultdict[str, Decimal]
    fees: Decimal = Decimal(0)

    def fill(self, told: Mapping[str, Any]) -> None:
        """Shares against money, less the fee."""
        fee = told.get("orderFeeAmount", Decimal(0))
        self.held[told["symbol"]] += told["fillQuantity"]
        self.cash -= told["fillQuantity"] * told["fillPrice"] + fee
        self.fees += fee

    def dividend(self, told: Mapping[str, Any]) -> None:
        """Cash for the shares held, to the cent."""
        if self.raw:
            self.cash += (self.held[told["symbol"]] * told["per_share"]).quantize(CENT, ROUND_HALF_EVEN)

    def split(self, told: Mapping[str, Any]) -> None:
        """Whole shares, and cash for the part of one at the price on the new basis."""
        if self.raw:
            now = self.held[told["symbol"]] / told["factor"]
            whole = now.quantize(ONE, ROUND_DOWN)
            self.cash += (now - whole) * told["reference"] * told["factor"]
            self.held[told["symbol"]] = whole


def folded(ran: Ran) -> Folded:
    """The account from its beginning, through all that was told, in the order in which it was."""
    events = iter(ran.events)
    account = Folded(ran.script["normalization"] == "raw", Decimal(ran.script["cash"]), defaultdict(Decimal))
    with localcontext(prec=50):
        for line in ran.told:
            if line["kind"] == "order_event":
                account.fill(next(events))
            elif line["kind"] in ("dividend", "split"):
                event(f"a {line['kind']}{' of shares held' if account.held[line['symbol']] else ''}")
                getattr(account, line["kind"])(line)
    assert next(events, None) is None
    return account


@LAW
@given(scripts())
def test_no_money_appears_or_disappears(script):
    """Start cash − Σ quantity × price − fees + dividends + cash for parts of shares is the end cash, to 1e-15 of a dollar."""
    ran = run(script)
    account = folded(ran)

    assert abs(account.cash - ran.cash) < HAIR
    assert abs(account.fees - ran.fees) < HAIR


@LAW
@given(scripts())
def test_what_was_told_makes_the_holdings(script):
    """Fills, splits, renames and a delisting, folded, are what the engine holds; to the share."""
    ran = run(script)
    account = folded(ran)
    event("holds something" if ran.held else "holds nothing")

    assert {name: quantity for name, quantity in account.held.items() if quantity} == ran.held
    assert sorted(account.held[name] for name in ran.held) == sorted(q for q, *_ in ran.told[-1]["holdings"].values() if q)


@LAW
@given(scripts())
def test_numbers_count_up_and_nothing_follows_the_end_of_an_order(script):
    """Order numbers and each order's event numbers are 1, 2, 3 …; statuses follow each other as Lean's do; time never turns.

    What is sold at a delisting was never submitted: its only event is its fill, without a fee.
    """
    ran = run(script)
    seen: dict[int, list[dict[str, Any]]] = {}
    for one in ran.events:
        seen.setdefault(one["orderId"], []).append(one)
    told = [line for line in ran.told if line["kind"] == "order_event"]

    assert sorted(seen) == list(range(1, len(seen) + 1))
    assert [(line["order_id"], line["event_id"]) for line in told] == [(one["orderId"], one["orderEventId"]) for one in ran.events]
    assert [one["time"] for one in ran.events] == sorted(one["time"] for one in ran.events)
    for order in seen.values():
        sold_at_delisting = len(order) == 1 and "orderFeeAmount" not in order[0]
        statuses = ["submitted" if sold_at_delisting else "new", *(one["status"] for one in order)]
        assert [one["orderEventId"] for one in order] == list(range(1, len(order) + 1))
        assert all(after in MAY_FOLLOW.get(before, ()) for before, after in pairwise(statuses)), statuses
        assert sum(one["fillQuantity"] for one in order) in (0, order[-1]["quantity"])
        assert len({one["id"] for one in order}) == len(order)
        assert {one["symbol"] for one in order} == {order[0]["symbol"]}


@settings(LAW, max_examples=20)
@given(scripts())
def test_the_same_config_gives_the_same_bytes(script):
    """Of the order events, and of what the algorithm was told."""
    assert run(script).files == run(script).files


@settings(LAW, max_examples=40)
@given(scripts())
def test_trades_matched_as_columns_are_those_of_fill_by_fill(script):
    """In the result file, whatever was traded."""
    columns, one_by_one = run(script), run(script, one_by_one=True)
    event(f"{min(len(columns.closed), 5)} trades")

    assert columns.closed == one_by_one.closed
    assert columns.files == one_by_one.files


WEIGHTS = st.dictionaries(st.sampled_from(("ALFA", "BETA", "GAMA", "ETAX")), st.integers(-20, 40).map(lambda x: Decimal(x) / 100),
                          min_size=1)


@settings(LAW, max_examples=3)
@given(WEIGHTS, WEIGHTS, st.sampled_from(["MOO", "MOC", "LMT", "MKT"]))
def test_the_same_decisions_give_the_same_journal(one, other, order_type):
    """The shipped algorithm's journal, byte for byte, and its order events; each in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        left = []
        for attempt in ("first", "second"):
            traded = trade(Path(name) / attempt, {"2020-03-30": one, "2020-05-14": other}, order_type=order_type, end="2020-05-20")
            assert traded.outcome.complete, traded.outcome.cause
            events = traded.folder / "results" / "r0-1-order-events.json"
            left.append((traded.journal.replace(str(traded.folder).encode(), b""), events.read_bytes() if events.exists() else b""))

    assert left[0] == left[1]
