"""The lines of the result files are what JSON of the same things is, and statistics from columns what a loop finds."""

import json
import re
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine_fixtures import run_source
from workbench.engines.embedded import statistics
from workbench.engines.embedded.charts import Text, _by_stock
from workbench.engines.embedded.clr import pascal
from workbench.engines.embedded.decimals import places_of, rounded, whole
from workbench.engines.embedded.enums import DataNormalizationMode, OrderStatus, OrderType, Resolution
from workbench.engines.embedded.forms import Flat, Rows, event_lines, indented, joined, order_lines, profit_lines, trade_lines
from workbench.engines.embedded.orders import Event, Order, Quoted
from workbench.engines.embedded.sampling import Candle, Shares
from workbench.engines.embedded.security import MinuteSecurity, Tape
from workbench.engines.embedded.slices import Symbol
from workbench.engines.embedded.statistics import Curve, duration, instant
from workbench.engines.embedded.times_in_force import TimeInForce
from workbench.engines.embedded.trades import Trade

D = Decimal


def stock(place: int) -> MinuteSecurity:
    """A stock whose ticker has changed."""
    return MinuteSecurity(place, Symbol(f"S{place}", f"OLD{place} 2T"), Resolution.MINUTE, DataNormalizationMode.RAW, Tape([], []))


STOCKS = [stock(place) for place in range(3)]
AMOUNTS = st.one_of(st.decimals(-10**9, 10**9, places=4), st.integers(-10**9, 10**9).map(Decimal),
                    st.sampled_from([D("-0.00"), D("1E+3"), D("0E-9"), D("1.23E-9"), D("100.0000"), D("0.10")]))
MOMENTS = st.integers(0, 2**31)
TEXTS = st.sampled_from(["", "Liquidated", 'a "tag" \\ é\n'])


@st.composite
def an_order(draw):
    """An order of any type, with everything that can have happened to it."""
    order = Order(draw(st.sampled_from([*OrderType])), draw(st.sampled_from(STOCKS)), draw(AMOUNTS), draw(TEXTS),
                  draw(st.sampled_from([TimeInForce.GOOD_TIL_CANCELED, TimeInForce.DAY])), draw(MOMENTS))
    order.id, order.status, order.average_price = draw(st.integers(1, 10**6)), draw(st.sampled_from([*OrderStatus])), draw(AMOUNTS)
    limited = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)
    order.limit = draw(AMOUNTS) if order.type in limited else None
    order.trigger = draw(AMOUNTS) if order.type is OrderType.LIMIT_IF_TOUCHED else None
    order.trail, order.trail_is_percent = draw(AMOUNTS), draw(st.booleans())
    order.stop = draw(AMOUNTS) if order.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP) else None
    order.submitted = Quoted(draw(AMOUNTS), draw(AMOUNTS), draw(AMOUNTS))
    order.touched = draw(st.booleans())
    order.last_fill, order.last_update, order.canceled = (draw(st.none() | MOMENTS) for _ in range(3))
    return order


@st.composite
def an_event(draw):
    """An event of an order."""
    event = Event(draw(an_order()), draw(st.sampled_from([*OrderStatus])), draw(MOMENTS), draw(TEXTS))
    event.fill_price, event.fill_quantity, event.fee = draw(AMOUNTS), draw(AMOUNTS), draw(st.none() | AMOUNTS)
    event.stop = draw(st.none() | AMOUNTS)
    return event


def number(value: Decimal) -> str:
    """A decimal's text between marks that `plain` takes away: all its digits, always with a point."""
    digits = format(value if value else abs(value), "f")
    return f"#{digits if '.' in digits else digits + '.0'}#"


def shortest(value: Decimal) -> str:
    return number(value.normalize())


def plain(value: Any) -> str:
    """JSON as Python's own writer has it, with decimals as numbers."""
    return re.sub('"#([^#]*)#"', r"\1", json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def camel(member: OrderStatus) -> str:
    word = pascal(str(member))
    return word[0].lower() + word[1:]


def side(quantity: Decimal) -> int:
    return 0 if quantity > 0 else 1 if quantity < 0 else 2


@given(an_event())
def test_an_event_is_json_of_its_members(event):
    """Lean's keys in Lean's order; what is not there is left out; prices without zeros at their end."""
    order = event.order
    symbol = order.security.symbol
    members = {
        "id": f"my id-{order.id}-{event.id}", "algorithmId": "my id", "orderId": order.id, "orderEventId": event.id,
        "symbol": str(symbol.id), "symbolValue": str(symbol), "symbolPermtick": str(symbol.id).split(" ")[0],
        "time": f"#{event.utc}.0#", "status": camel(event.status),
        **({} if event.fee is None else {"orderFeeAmount": shortest(event.fee), "orderFeeCurrency": "USD"}),
        "fillPrice": shortest(event.fill_price), "fillPriceCurrency": "USD",
        "fillQuantity": number(event.fill_quantity) if event.fill_quantity else "#0.0#",
        "direction": ("buy", "sell", "hold")[side(event.quantity)], **({"message": event.message} if event.message else {}),
        "isAssignment": False, "quantity": number(event.quantity),
        **({} if event.stop is None else {"stopPrice": shortest(event.stop)}),
        **({} if event.limit is None else {"limitPrice": shortest(event.limit)}),
    }

    assert plain(members) == next(event_lines([event], "my id"))


@given(an_order())
def test_an_order_is_json_of_its_members(order):
    """Prices of a type's own stand as Lean's classes declare them: before the type, or after it where the class inherits them."""
    symbol, (bid, ask, last) = order.security.symbol, order.submitted
    price = D(shortest(order.average_price).strip("#").removesuffix(".0"))
    times = (("lastFillTime", order.last_fill), ("lastUpdateTime", order.last_update), ("canceledTime", order.canceled))
    at_once = order.type is OrderType.MARKET or (
        order.type is OrderType.LIMIT and (order.limit >= ask if order.quantity > 0 else order.limit <= bid))
    limit, stop, trigger = (None if own is None else number(own) for own in (order.limit, order.stop, order.trigger))
    trail = {"trailingAmount": number(order.trail), "trailingAsPercentage": order.trail_is_percent}
    before, after = {
        OrderType.LIMIT: ({"limitPrice": limit}, {}), OrderType.STOP_MARKET: ({"stopPrice": stop}, {}),
        OrderType.STOP_LIMIT: ({"stopPrice": stop, "stopTriggered": order.touched, "limitPrice": limit}, {}),
        OrderType.TRAILING_STOP: (trail, {"stopPrice": stop}),
        OrderType.LIMIT_IF_TOUCHED: ({}, {"triggerPrice": trigger, "limitPrice": limit, "triggerTouched": order.touched}),
    }.get(order.type, ({}, {}))
    members = {
        **before, "type": int(order.type), **after, "id": order.id, "contingentId": 0, "brokerId": [str(order.id)],
        "symbol": {"value": str(symbol), "id": str(symbol.id), "permtick": str(symbol)},
        "price": number(price), "priceCurrency": "USD", "time": instant(order.created), "createdTime": instant(order.created),
        **{name: instant(utc) for name, utc in times if utc is not None},
        "quantity": number(order.quantity), "status": int(order.status), "tag": order.tag,
        "properties": {"timeInForce": {} if order.tif is TimeInForce.GOOD_TIL_CANCELED else {
            "$type": "QuantConnect.Orders.TimeInForces.DayTimeInForce"}},
        "securityType": 1, "direction": side(order.quantity), "value": number(order.quantity * price),
        "orderSubmissionData": {"bidPrice": number(bid), "askPrice": number(ask), "lastPrice": number(last)},
        "isMarketable": at_once, "priceAdjustmentMode": 0,
    }

    assert next(order_lines([order])) == f'"{order.id}": {plain(members)}'


@given(st.tuples(MOMENTS, st.integers(0, 10**7), st.booleans(), *([AMOUNTS] * 7)),
       st.lists(st.integers(1, 99), min_size=1, max_size=3))
def test_a_trade_is_json_of_its_members(drawn, orders):
    """Its id is the fifth kind of UUID, of the algorithm's id and its place."""
    entered, length, is_long, quantity, entry, left, profit, fees, adverse, given_back = drawn
    trade = Trade(STOCKS[1], entered, entry, is_long, quantity, entered + length, left, profit, fees, adverse, abs(adverse),
                  given_back, tuple(orders))
    members = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_OID, "my id-1")),
        "symbols": [{"value": "S1", "id": "OLD1 2T", "permtick": "S1"}], "entryTime": instant(entered), "entryPrice": number(entry),
        "direction": 0 if is_long else 1, "quantity": number(quantity), "exitTime": instant(entered + length),
        "exitPrice": number(left), "profitLoss": number(profit), "totalFees": number(fees), "mae": number(adverse),
        "mfe": number(abs(adverse)), "duration": duration(length * 10**7), "endTradeDrawdown": number(given_back),
        "isWin": profit > 0, "orderIds": orders,
    }
    found = [*trade_lines([trade, trade], "my id")][1]

    assert plain(members) == re.sub(r"(?<=\d), (?=\d)", ",", found)


@given(st.lists(st.tuples(st.integers(0, 10**12), AMOUNTS), max_size=5))
def test_profits_stand_by_their_moments(profits):
    """Milliseconds where there are some."""
    expected = {f"{instant(at // 1000)[:-1]}{f'.{at % 1000:03d}' if at % 1000 else ''}Z": number(profit) for at, profit in profits}
    found = json.loads(f"{{{','.join(profit_lines(profits))}}}", parse_float=lambda digits: f"#{digits}#")

    assert expected == found


LEAVES = st.one_of(st.integers(), st.text(max_size=5), st.none(), st.booleans())
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3))


@given(TREES)
def test_the_rest_is_indented_as_python_indents(tree):
    """By two blanks a level, empty objects and lists on one line."""
    assert json.dumps(tree, indent=2, ensure_ascii=False) == "".join(indented(tree))


@given(st.dictionaries(st.text("ab", max_size=3), LEAVES, max_size=3), st.lists(st.integers(), max_size=4))
def test_rows_stand_where_their_lists_would(flat, items):
    """Flat objects, and items or members made while they are written."""
    plainly = {"flat": flat, "items": items, "members": {str(item): item for item in items}, "text": [1]}
    made = {"flat": Flat(flat), "items": Rows(map(str, items)), "text": Text("[\n    1\n  ]"),
            "members": Rows((f'"{key}": {item}' for key, item in plainly["members"].items()), "{}")}

    assert json.dumps(plainly, indent=2, ensure_ascii=False) == "".join(indented({key: made[key] for key in plainly}))
    assert ",".join(map(str, range(2500))) == "".join(joined(map(str, range(2500)), ","))


def test_a_stock_s_line_ends_where_its_samples_end():
    """Samples that share an object are one stretch; a stock that leaves has a point without a value, and may come back."""
    both, one = Shares(((0, D("1.5")), (2, D(2))), D(7)), Shares(((2, D("2.50")),))
    samples = [(1, both), (2, both), (3, one), (4, one), (5, both)]

    assert _by_stock(samples, STOCKS, ends=True) == {
        "S0": "[1,1.5],[2,1.5],[3,null],[5,1.5]", "S2": "[1,2.0],[2,2.0],[3,2.50],[4,2.50],[5,2.0]",
        "OTHERS": "[1,7.0],[2,7.0],[3,null],[5,7.0]"}
    assert _by_stock(samples, STOCKS)["S0"] == "[1,1.5],[2,1.5],[5,1.5]"


ODD_VALUES = st.sampled_from([D(0), D(10**18), D("1E+20"), D("-5.5"), D("100.00")])
VALUES = st.lists(st.decimals(0, 10**6, places=4) | ODD_VALUES, min_size=2, max_size=30)


@given(VALUES, st.data())
def test_a_drawdown_is_what_one_pass_finds(values, data):
    """The deepest fall, with the digits that its division leaves, and the longest recovery."""
    times = np.cumsum(data.draw(st.lists(st.integers(1, 10**6), min_size=len(values), max_size=len(values)))).tolist()
    left = data.draw(st.integers(0, len(values) - 2))
    peak, peak_at, fell_at, deepest, longest = values[left], times[left], None, D(0), 0
    for utc, value in zip(times[left:], values[left:], strict=True):
        if value >= peak:
            if fell_at is not None:
                longest, fell_at = max(longest, utc - fell_at), None
            peak, peak_at = value, utc
        elif peak:
            deepest = min(deepest, value / peak - 1)
            if fell_at is None:
                fell_at = peak_at
    found = Curve([Candle(utc, *[value] * 4) for utc, value in zip(times, values, strict=True)]).drawdown(left, len(values))

    assert (str(rounded(abs(deepest), 3)), longest // 86400) == (str(found[0]), found[1])


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=60))
def test_a_variance_is_summed_up_from_the_first_value_on(values):
    """To the last bit what Lean's loop gives."""
    summed, squares = values[0], 0.0
    for place in range(1, len(values)):
        summed += values[place]
        gap = (place + 1) * values[place] - summed
        squares += gap * gap / ((place + 1.0) * place)

    assert squares / (len(values) - 1) == statistics._variance(np.array(values))


@given(st.lists(AMOUNTS, max_size=10))
def test_whole_numbers_are_exact(values):
    """On the finest grid that one of them needs."""
    places = places_of(values)

    assert values == [D(number).scaleb(-places) for number in whole(values, places)]
    assert places == max([0, *(-value.as_tuple().exponent for value in values)])


LEAVES_OPEN = """
from AlgorithmImports import *
import atexit, threading, time
from pathlib import Path

class Leaves(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2019, 1, 2)
        self.set_end_date(2019, 1, 3)
        self.set_benchmark(lambda t: 0)
        self.me, self.file = self, Path("open.txt").open("w")
        self.file.write("written")
        atexit.register(lambda: Path("registered.txt").write_text("ended"))
        threading.Thread(target=lambda: (time.sleep(0.3), Path("thread.txt").write_text("ended"))).start()
"""


def test_what_an_algorithm_leaves_open_is_ended(tmp_path, invented):
    """The process goes at once, but after files are written, threads have ended and what was registered for the end has run."""
    ran = run_source(tmp_path, LEAVES_OPEN, data=invented)

    assert ran.exit_code == 0
    for name, content in (("open", "written"), ("registered", "ended"), ("thread", "ended")):
        assert content == (tmp_path / f"{name}.txt").read_text()
