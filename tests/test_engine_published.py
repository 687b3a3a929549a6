"""Orders against Lean's published ones: for its demonstration algorithms Lean publishes a hash over all orders, every member of
each of them, as its writer puts them. What those algorithms do is done here in words of our own, on Lean's sample data; an equal
hash says that every order is equal, to the last character.
"""

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.engine_fixtures import Ran, run_source
from workbench.engines.embedded.decimals import number, smart

PRICES = ("price", "limitPrice", "stopPrice", "triggerPrice", "trailingAmount")

HEAD = """from AlgorithmImports import *

class Published(QCAlgorithm):
    def initialize(self):
        self.set_start_date({start})
        self.set_end_date({end})
"""

WEEK = {"start": "2013, 10, 7", "end": "2013, 10, 11"}

ALL_IN = HEAD + """
        self.add_equity("SPY", Resolution.{resolution})

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings("SPY", 1)
"""

BY_STEPS = HEAD + """
        self.add_equity("SPY", Resolution.MINUTE)

    def on_data(self, data):
        if not self.portfolio.invested:
            for share in (0.1, 0.2, 0.3, 1):
                self.set_holdings("SPY", share)
"""

TO_AND_FRO = HEAD + """
        self.names = [self.add_equity(name, Resolution.MINUTE, Market.USA, False, 1).symbol for name in ("SPY", "IBM")]

    def on_data(self, data):
        first, second = reversed(self.names) if self.portfolio.invested else self.names
        self.set_holdings([PortfolioTarget(first, 0.8), PortfolioTarget(second, 0.2)])
"""

IN_FORCE = HEAD + """
        self.add_equity("SPY", Resolution.MINUTE)
        self.sent = False

    def on_data(self, data):
        if self.sent:
            return
        self.sent = True
        until = TimeInForce.GOOD_TIL_DATE(datetime(2013, 10, 10))
        for lasts, far, near in ((TimeInForce.GOOD_TIL_CANCELED, 100, 160), (TimeInForce.DAY, 140, 180), (until, 100, 160)):
            self.default_order_properties.time_in_force = lasts
            self.limit_order("SPY", 10, far)
            self.limit_order("SPY", 10, near)
"""

BEFORE_THE_CLOSE = HEAD + """
        self.add_equity("SPY", Resolution.MINUTE)
        MarketOnCloseOrder.submission_time_buffer = timedelta(minutes=10)
        self.schedule.on(self.date_rules.today, self.time_rules.at(17, 0), lambda: self.market_on_close_order("SPY", 2))
        self.minutes = [(15, 49), (15, 51)]         # in time, and too late

    def on_data(self, data):
        if (self.time.hour, self.time.minute) in self.minutes:
            self.minutes.remove((self.time.hour, self.time.minute))
            self.market_on_close_order("SPY", 2)
"""

TRAILING = HEAD + """
        self.add_equity("SPY", Resolution.MINUTE)
        self.bought = self.sold = None

    def on_data(self, data):
        if self.bought is None:
            self.bought = self.trailing_stop_order("SPY", 100, 2, False)
        elif self.sold is None and self.portfolio.invested:
            self.sold = self.trailing_stop_order("SPY", -100, 0.5, False)
"""

TOUCHED = HEAD + """
        self.add_equity("SPY", Resolution.MINUTE)
        self.ticket = None

    def on_data(self, data):
        if not data.contains_key("SPY"):
            return
        sign = 1 if self.time.day < 9 else -1
        if not self.transactions.get_open_orders():
            self.sign, price = sign, data["SPY"].price
            self.ticket = self.transactions.add_order(SubmitOrderRequest(
                OrderType.LIMIT_IF_TOUCHED, SecurityType.EQUITY, "SPY", sign * 10, 0, price - sign, price - 0.25 * sign,
                self.utc_time, f"LIT - Quantity: {{sign * 10}}"))
        elif self.ticket is not None and self.ticket.quantity == 1:
            self.transactions.cancel_open_orders()
            self.ticket = None
        elif self.ticket is not None:
            left = int(self.ticket.quantity - self.sign)
            self.ticket.update_quantity(left, f"LIT - Quantity: {{left}}")
            trigger = self.ticket.get(OrderField.TRIGGER_PRICE)
            self.ticket.update_trigger_price(Extensions.round_to_significant_digits(trigger, 5))
"""

ALL_TYPES = HEAD + """
        self.asset = self.add_equity("SPY", Resolution.DAILY)
        self.kinds = CircularQueue[OrderType]([
            OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.MARKET_ON_OPEN,
            OrderType.MARKET_ON_CLOSE, OrderType.TRAILING_STOP])
        self.kinds.circle_completed += self.turn
        self.month, self.shares, self.tickets = -1, 100, []

    def turn(self, sender, event):
        self.shares = -self.shares

    def on_data(self, data):
        if not data.bars.contains_key("SPY"):
            return
        if self.time.month != self.month:
            self.month, bar, buys = self.time.month, data["SPY"], self.shares > 0
            kind = self.kinds.dequeue()
            stop = 1.025 * bar.high if buys else 0.975 * bar.low
            limit = 0.975 * stop if buys else 1.025 * stop
            if kind == OrderType.LIMIT:
                limit = 0.975 * bar.low if buys else 1.025 * bar.high
            self.tickets.append(self.transactions.add_order(SubmitOrderRequest(
                kind, SecurityType.EQUITY, "SPY", self.shares, stop, limit, 0, 0.01, True, self.utc_time, str(int(kind)))))
            return
        ticket, day = self.tickets[-1], self.time.day
        if ticket.status is OrderStatus.FILLED:
            return
        asked, sign, fields = len(ticket.update_requests), math.copysign(1, ticket.quantity), UpdateOrderFields()
        if 8 < day < 14:
            if asked == 0:
                fields.quantity, fields.tag = ticket.quantity + math.copysign(10, self.shares), f"Change quantity: {{day}}"
                ticket.update(fields)
        elif 13 < day < 20:
            if asked == 1:
                fields.limit_price = self.asset.price * (1 - 0.005 * sign)
                if ticket.order_type != OrderType.TRAILING_STOP:
                    fields.stop_price = self.asset.price * (1 + 0.005 * sign)
                fields.tag = f"Change prices: {{day}}"
                ticket.update(fields)
        elif asked == 2:
            ticket.cancel(f"{{day}} and is still open!")
"""

AVERAGE = """
class Average:
    def __init__(self, days):
        self.days, self.seen, self.value = days, 0, 0.0

    def take(self, price):
        self.seen += 1
        self.value += (price - self.value) * (1 / self.seen if self.seen <= self.days else 2 / (self.days + 1))
"""

CROSSING = HEAD + """
        self.names = [self.add_equity(name, Resolution.MINUTE).symbol for name in ("SPY", "IBM")]
        self.averages = [Average(minutes) for minutes in (30, 60, 10, 30)]

    def on_data(self, data):
        for average in self.averages:
            average.take(data["SPY"].close)
        fast, slow, faster, slower = (average.value for average in self.averages)
        if self.averages[1].seen < 60:
            return
        for name, share, rises in zip(self.names, (0.5, 0.2), (fast > slow, faster > slower)):
            if rises:
                self.set_holdings(name, share)
            elif self.securities[name].invested:
                self.liquidate(name)
""" + AVERAGE

TREND = HEAD + """
        self.add_equity("SPY", Resolution.DAILY)
        self.fast, self.slow, self.signal = Average(12), Average(26), Average(9)
        self.day = None

    def on_data(self, data):
        if data.bars.contains_key("SPY"):
            self.fast.take(data["SPY"].close)
            self.slow.take(data["SPY"].close)
            if self.slow.seen >= 26:
                self.signal.take(self.fast.value - self.slow.value)
        if self.signal.seen < 9 or self.day == self.time.date():
            return
        self.day, held = self.time.date(), self.portfolio["SPY"].quantity
        delta = (self.fast.value - self.slow.value - self.signal.value) / self.fast.value
        if held <= 0 and delta > 0.0025:
            self.set_holdings("SPY", 1)
        elif held >= 0 and delta < -0.0025:
            self.liquidate("SPY")
""" + AVERAGE

OWN_FEES = HEAD + """
        self.spy = self.add_equity("SPY", Resolution.MINUTE)
        self.spy.set_fee_model(Share())
        self.short, self.long = Average(30), Average(60)

    def on_data(self, data):
        self.short.take(data["SPY"].close)
        self.long.take(data["SPY"].close)
        if self.long.seen < 60:
            return
        if not self.portfolio.invested and self.short.value > self.long.value:
            self.set_holdings("SPY", 1)
        elif self.portfolio.invested and self.short.value < self.long.value:
            self.liquidate("SPY")

class Share(FeeModel):
    def get_order_fee(self, parameters):
        return OrderFee(CashAmount(max(1.0, parameters.security.price * parameters.order.absolute_quantity * 0.00002), "USD"))
""" + AVERAGE

QUARTERS = HEAD + """
        self.set_security_initializer(lambda one: one.set_data_normalization_mode(DataNormalizationMode.RAW))
        self.ibm = self.add_equity("IBM", Resolution.MINUTE).symbol
        self.add_equity("AAPL", Resolution.DAILY)
        self.may = False
        days = self.date_rules.every_day(self.ibm)
        self.schedule.on(days, self.time_rules.after_market_open(self.ibm, 0), lambda: self.allow(True))
        self.schedule.on(days, self.time_rules.before_market_close(self.ibm, 16), lambda: self.allow(False))

    def allow(self, may):
        self.may = may

    def on_data(self, data):
        if self.may and not self.portfolio.invested:
            self.set_holdings("IBM", 1)
        if self.time.minute % 15 == 0:
            self.liquidate()
"""

STALE = HEAD + """
        self.add_equity("SPY", Resolution.MINUTE)
        for moment in (self.time_rules.at(9, 30, 1), self.time_rules.at(12, 0, 0)):
            self.schedule.on(self.date_rules.every_day("SPY"), moment, self.buy_one)

    def buy_one(self):
        if self.securities["SPY"].has_data:
            self.market_order("SPY", 1)
"""

BY_DAYS_AND_MINUTES = HEAD + """
        self.add_equity("SPY", Resolution.DAILY)
        self.add_equity("IBM", Resolution.MINUTE)
        day = self.date_rules.on(2013, 10, 8)
        self.schedule.on(day, self.time_rules.at(9, 31), lambda: [self.market_order(name, 10) for name in ("IBM", "SPY")])
        self.schedule.on(day, self.time_rules.at(15, 55), lambda: self.market_order("SPY", 10))
"""

EVERY_HOUR = HEAD + """
        self.add_equity("SPY")

    def on_data(self, data):
        if self.time.minute == 0:
            self.market_order("SPY", 1, asynchronous=True)
"""

STOP_ON_ENTRY = HEAD + """
        self.add_equity("SPY")
        self.entry = None

    def on_data(self, data):
        if self.entry is None:
            self.entry = 1
            self.market_order("SPY", -100, False, "Entry")

    def on_order_event(self, event):
        if event.status == OrderStatus.FILLED and self.transactions.get_order_by_id(event.order_id).tag == "Entry":
            self.stop_market_order("SPY", 100, event.fill_price - 2, tag="StopLoss")
"""

AFTERWARDS = HEAD + """
        self.add_equity("SPY", Resolution.MINUTE)
        self.resting = None

    def on_data(self, data):
        if self.resting is None:
            self.resting = self.limit_order("SPY", 100, self.securities["SPY"].price * 0.1)
            self.resting.cancel()
        elif not self.portfolio.invested:
            self.buy("SPY", 100)

    def on_order_event(self, event):
        if event.status in (OrderStatus.CANCELED, OrderStatus.FILLED):
            how = "canceled" if event.status == OrderStatus.CANCELED else "filled"
            event.ticket.update_tag(f"This is the tag set after order was {{how}}.")
"""

CHANGED_AT_ONCE = HEAD + """
        self.add_equity("SPY", Resolution.DAILY)

    def on_data(self, data):
        if not self.portfolio.invested:
            fields = UpdateOrderFields()
            fields.quantity, fields.tag, fields.limit_price = 20, "Pepe", data["SPY"].low
            self.limit_order("SPY", 10, 100).update(fields)
"""

DELISTED = HEAD + """
        self.add_equity("AAA.1", Resolution.DAILY)
        self.add_equity("SPY", Resolution.DAILY)

    def on_data(self, data):
        if not self.transactions.orders_count:
            self.set_holdings("AAA.1", 1)
        for symbol, delisting in data.delistings.items():
            self.set_holdings(symbol, int(delisting.type == DelistingType.DELISTED))
"""

SHORT_OVER_A_SPLIT = HEAD + """
        self.add_equity("AAPL", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW)
        self.sold = False

    def on_data(self, data):
        if not self.portfolio.invested and not any(one.type == SplitType.SPLIT_OCCURRED for one in data.splits.values()):
            self.set_holdings("AAPL", -1)
"""

PICKY = HEAD + """
        self.set_brokerage_model(Picky())
        self.add_equity("SPY", Resolution.DAILY)
        self.add_equity("AIG", Resolution.DAILY)

    def on_data(self, data):
        if not self.portfolio.invested:
            self.market_order("SPY", 100)
            self.market_order("AIG", 100)

    def on_order_event(self, event):
        if not event.ticket.update_requests and event.order_id == 1 and event.status == OrderStatus.SUBMITTED:
            fields = UpdateOrderFields()
            fields.quantity = event.ticket.quantity + 10
            event.ticket.update(fields)

class Picky(DefaultBrokerageModel):
    def can_submit_order(self, security, order, message):
        if security.symbol.value == "AIG":
            return False, BrokerageMessageEvent(BrokerageMessageType.INFORMATION, "", "Symbol AIG can not be submitted")
        return True, None

    def can_update_order(self, security, order, request, message):
        return False, BrokerageMessageEvent(BrokerageMessageType.INFORMATION, "", "This order can not be updated")
"""

SIXTEEN = HEAD + """
        names = "SPY AAPL AAA GOOG GOOGL IBM QQQ FB WM WMI BAC USO IWM EEM BNO AIG"
        self.assets = [self.add_equity(name, Resolution.DAILY) for name in names.split()]
        for asset in self.assets:
            asset.set_leverage(100)

    def on_data(self, data):
        if self.portfolio.invested:
            self.liquidate()
        else:
            for asset in self.assets:
                self.set_holdings(asset.symbol, 10 / 16)
"""

PUBLISHED = {
    "all in, by minutes": (ALL_IN.format(resolution="MINUTE", **WEEK), 1, "3da9fa60bf95b9ed148b95e02e0cfc9e"),
    "all in, by days": (ALL_IN.format(resolution="DAILY", start="2013, 10, 8", end="2013, 10, 17"), 1,
                        "70f21e930175a2ec9d465b21edc1b6d9"),
    "in four steps": (BY_STEPS.format(start="2013, 10, 7", end="2013, 10, 8"), 4, "23bf9784138d7f8f43acb295647943cc"),
    "to and fro": (TO_AND_FRO.format(**WEEK), 11, "14d509658aa542a210a3d6d41c05cd22"),
    "times in force": (IN_FORCE.format(**WEEK), 6, "a0588650916ed396fb5793375118e7b3"),
    "before the close": (BEFORE_THE_CLOSE.format(start="2013, 10, 7", end="2013, 10, 8"), 2, "105d3eb1a9b673ce88238a93a63d6d08"),
    "trailing stops": (TRAILING.format(**WEEK), 2, "d56bac89a568c3a45cac595e69a35875"),
    "touched limits, updated": (TOUCHED.format(**WEEK), 75, "70e29c5d9168728385ee48b92f2ef56c"),
    "all types, updated": (ALL_TYPES.format(start="2013, 1, 1", end="2015, 1, 1"), 24, "290d228f253e9cf8b6d7de194664ce55"),
    "a tag afterwards": (AFTERWARDS.format(**WEEK), 2, "8fba4f724843997ef421cf26ccabe51b"),
    "changed at once": (CHANGED_AT_ONCE.format(start="2013, 10, 7", end="2013, 10, 9"), 1, "711cbe45c5d704f02f5b1107de9bc5d8"),
    "averages that cross": (CROSSING.format(**WEEK), 94, "8dd77e35338a81410a5b68dc8345f402"),
    "a trend of eleven years": (TREND.format(start="2004, 1, 1", end="2015, 1, 1"), 85, "0257edfddd889d6fe3779883138aebc5"),
    "fees of its own": (OWN_FEES.format(**WEEK), 31, "947ae7fbc63fb8cc499f96ac92ee3394"),
    "out every quarter": (QUARTERS.format(**WEEK), 250, "c65a9aa12b55e53a49a29cd28a358fcd"),
    "before the first minute": (STALE.format(**WEEK), 9, "c849aa80f00dde3d93bf4cc6d65c4d5e"),
    "days beside minutes": (BY_DAYS_AND_MINUTES.format(start="2013, 10, 7", end="2013, 10, 9"), 3,
                            "ebf45813288201552f706cd072fe9ad8"),
    "every hour": (EVERY_HOUR.format(**WEEK), 35, "ac3803a8abaf1d1e77e009c418ba68e2"),
    "a stop from an event": (STOP_ON_ENTRY.format(**WEEK), 2, "d448232662a0cada4bf83ef8334bcb5b"),
    "a delisting": (DELISTED.format(start="2007, 5, 15", end="2007, 5, 25"), 2, "1450ea23a3a1ef4ee2398ec757c39223"),
    "short over a split": (SHORT_OVER_A_SPLIT.format(start="2014, 6, 5", end="2014, 6, 11"), 1,
                           "6ea9aed8840dc08f9290028271750dcf"),
    "a broker of one's own": (PICKY.format(**WEEK), 2, "4e8e27d7546eced2ef3512fcc840a634"),
    "sixteen stocks in and out": (SIXTEEN.format(start="2016, 1, 1", end="2017, 1, 1"), 3752, "7e35def0ca91b89579b42cf23ef941e2"),
}


@pytest.mark.parametrize(("source", "orders", "published"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_orders_are_leans_to_the_last_character(source, orders, published, tmp_path, golden_sample):
    """As many orders, and the hash that Lean publishes."""
    ran = run_source(tmp_path, source, data=golden_sample)
    written = written_orders(ran)

    assert ran.exit_code == 0, ran.console
    assert len(written) == orders
    assert hashlib.md5(",".join(written).encode()).hexdigest() == published


def written_orders(ran: Ran) -> list[str]:
    """Each order's JSON as Lean hashes it: without spaces, prices rounded for people, the value made of the rounded price."""
    text = (ran.results / f"{ran.algorithm_id}.json").read_text()
    orders: dict[str, dict[str, Any]] = json.loads(text, parse_float=Decimal)["orders"]
    for order in orders.values():
        order |= {name: smart(order[name]) for name in PRICES if name in order}
        order["value"] = order["quantity"].to_integral_value() * order["price"]
    return [_plain(orders[key]) for key in sorted(orders, key=int)]


def _plain(order: dict[str, Any]) -> str:
    marked = json.dumps(order, separators=(",", ":"), ensure_ascii=False, default=lambda value: f"#{number(value)}#")
    return marked.replace('"#', "").replace('#"', "")
