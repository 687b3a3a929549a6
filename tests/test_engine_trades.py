"""Closed trades of daily bars: as columns they are what they are fill by fill."""

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from hypothesis import event, given
from hypothesis import strategies as st

from workbench.engines.embedded.columns import Columns
from workbench.engines.embedded.decimals import normal, number
from workbench.engines.embedded.enums import DataNormalizationMode, OrderStatus, OrderType, Resolution
from workbench.engines.embedded.orders import Event, Order
from workbench.engines.embedded.security import DailySecurity, Tape
from workbench.engines.embedded.times_in_force import TimeInForce
from workbench.engines.embedded.trades import Trade, Trades, _as_columns, _one_by_one
from workbench.market.bars import Bars


class Move(NamedTuple):
    """A fill, so many sessions after the one before; its price in ten-thousandths of a dollar."""

    sessions: int
    price: int
    quantity: int
    fee: str


# Prices with all their places are seldom equal; round ones are, and are told with fewer places.
PRICES = st.one_of(st.integers(90_000, 110_000), st.integers(90, 110).map(lambda n: n * 1000))
MOVES = st.lists(st.builds(Move, st.integers(0, 6), PRICES, st.integers(-5, 5).filter(bool), st.sampled_from(["1", "1.25", "0.5"])),
                 min_size=1, max_size=30)


def stock(closes: list[int]) -> DailySecurity:
    """A stock with a bar at each session."""
    count = len(closes)
    tape = Tape([datetime(2020, 1, 1)] * count, [datetime(2020, 1, 1)] * count)      # noqa: DTZ001 (nobody looks at them)
    security = DailySecurity(0, "ALFA", Resolution.DAILY, DataNormalizationMode.RAW, tape)
    column = np.array(closes, np.int64)
    bars = Bars(days=np.arange(count).astype("datetime64[D]"), open=column, high=column, low=column, close=column, volume=column)
    security.load(Columns(bars, (Decimal(1),), None), np.arange(count), list(range(count)))
    return security


def told(trades: list[tuple[int, Trade]]) -> list[tuple[object, ...]]:
    """Trades as the files tell them. A move against the position that several pairs of prices share may show more zeros."""
    def text(value: object) -> object:
        return number(value) if isinstance(value, Decimal) else value

    return [(*map(text, trade[1:11]), normal(trade.given_back), trade.orders) for _, trade in trades]


@given(MOVES, st.lists(PRICES, min_size=1, max_size=20))
def test_trades_as_columns_are_those_of_fill_by_fill(moves, closes):
    """First in first out, with fees, extremes and falls; long, short, and through zero in one fill."""
    security = stock((closes * 200)[:200])
    trades = Trades()
    for at, move in enumerate(moves, start=1):
        security.tape.session += move.sessions + (at == 1)
        order = Order(OrderType.MARKET, security, Decimal(move.quantity), "", TimeInForce.GOOD_TIL_CANCELED, 0)
        order.id = at
        filled = Event(order, OrderStatus.FILLED, at)
        filled.fill_price, filled.fill_quantity, filled.fee = Decimal(move.price).scaleb(-4), order.quantity, Decimal(move.fee)
        trades.fill(filled)
    noted = trades._noted[security]
    columns = _as_columns(security, noted)
    event(f"{min(len(columns or []), 10)} trades")

    assert columns is not None
    assert told(_one_by_one(security, noted)) == told(columns)
    assert [trade for _, trade in columns] == trades.closed
