"""Rules of the embedded engine's core that no recording shows: each from Lean's source, in a small algorithm of our own."""

import shutil
from decimal import Decimal

import pytest

from tests.engine_fixtures import run_source

HEAD = """
from AlgorithmImports import *

class Probe(QCAlgorithm):
    def initialize(self):
        self.set_start_date({start})
        self.set_end_date({end})
        self.set_cash({cash})
        self.set_benchmark(lambda t: 0)
        self.step = 0
"""
DAILY = {"start": "2020, 3, 2", "end": "2020, 3, 9", "cash": 100000}
MINUTES = {"start": "2020, 3, 11", "end": "2020, 3, 11", "cash": 100000}


def algorithm(span, setup, *methods):
    """An algorithm of a span of dates, with lines of `initialize` and further methods."""
    lines = "".join(f"        {line}\n" for line in setup.strip("\n").splitlines())
    return HEAD.format(**span) + lines + "".join(f"\n{method}\n" for method in methods)


def said(folder, invented, source):
    """What an algorithm said by `self.log`, once it has run without an error."""
    ran = run_source(folder, source, data=invented)
    assert ran.result["state"]["RuntimeError"] == "", ran.console[-2000:]
    return [line[20:] for line in (ran.results / "run-log.txt").read_text().splitlines() if line[20:].startswith("> ")]


ON_EVENT = """
    def on_order_event(self, event):
        self.log(f"> {event.order_id}.{event.id} {event.status} {event.fill_quantity:g} {event.message}".strip())
"""


def test_a_warm_up_has_data_but_takes_no_orders(tmp_path, invented):
    """Three bars before the first day; scheduled events run in it; the end of it is told at the first day's 00:00."""
    source = algorithm(DAILY, """
self.a = self.add_equity("ALFA", Resolution.DAILY).symbol
self.set_warm_up(3)
self.schedule.on(self.date_rules.every_day(self.a), self.time_rules.at(10, 0), lambda: self.log(f"> {self.time} scheduled"))
""", """
    def on_data(self, data):
        ticket = self.market_order(self.a, 1)
        self.log(f"> {self.time} {self.is_warming_up} {ticket.status}")
""", """
    def on_warmup_finished(self):
        self.log(f"> {self.time} finished {self.is_warming_up}")
""")
    lines = said(tmp_path, invented, source)

    assert lines[:7] == [
        "> 2020-02-26 10:00:00 scheduled", "> 2020-02-26 16:00:00 True INVALID",
        "> 2020-02-27 10:00:00 scheduled", "> 2020-02-27 16:00:00 True INVALID",
        "> 2020-02-28 10:00:00 scheduled", "> 2020-02-28 16:00:00 True INVALID",
        "> 2020-03-02 00:00:00 finished False",
    ]
    assert lines[8] == "> 2020-03-02 16:00:00 False SUBMITTED"


@pytest.mark.parametrize(("span", "first"), [
    ("timedelta(days=4)", "2020-02-27 16:00:00"), ("timedelta(hours=63)", "2020-02-28 16:00:00"),
    ("timedelta(hours=60)", "2020-03-02 16:00:00"),
])
def test_a_warm_up_by_time_takes_bars_that_began_in_it(span, first, tmp_path, invented):
    """A daily bar begins at 09:30."""
    source = algorithm(DAILY, f"""
self.a = self.add_equity("ALFA", Resolution.DAILY).symbol
self.set_warm_up({span})
""", """
    def on_data(self, data):
        self.log(f"> {self.time}")
""")

    assert said(tmp_path, invented, source)[0] == f"> {first}"


def test_a_warm_up_of_minutes_counts_open_minutes(tmp_path, invented):
    """The last hundred minutes of the day before; then a split, at the first day's 00:00."""
    source = algorithm(MINUTES | {"start": "2020, 3, 12", "end": "2020, 3, 12"}, """
self.a = self.add_equity("ALFA", Resolution.MINUTE).symbol
self.set_warm_up(100)
""", """
    def on_data(self, data):
        if self.step in (0, 100):
            self.log(f"> {self.time} {self.is_warming_up}")
        self.step += 1
""")

    assert said(tmp_path, invented, source) == ["> 2020-03-11 14:21:00 True", "> 2020-03-12 00:00:00 False"]


def test_what_is_subscribed_and_warmed_up_is_told_at_the_start(tmp_path, invented):
    """`on_securities_changed`, then `on_warmup_finished`, without a warm-up too."""
    source = algorithm(DAILY, 'self.add_equity("ALFA", Resolution.DAILY)', """
    def on_securities_changed(self, changes):
        self.log(f"> {self.time} {[str(one.symbol) for one in changes.added_securities]} {len(changes.removed_securities)}")
""", """
    def on_warmup_finished(self):
        self.log(f"> {self.time} warm")
""")

    assert said(tmp_path, invented, source) == ["> 2020-03-02 00:00:00 ['ALFA'] 0", "> 2020-03-02 00:00:00 warm"]


def test_a_margin_call_sells_what_is_too_much_and_says_so(tmp_path, invented):
    """Leverage 50 and falling prices: calls come at the minutes 1 after every 5, until the margin suffices.

    Their quantity is ⌈(margin used − value + fee) ÷ margin of a share⌉ against the position, at most all of it.
    """
    source = algorithm(MINUTES | {"cash": 3000}, """
one = self.add_equity("DELT", Resolution.MINUTE, leverage=50, data_normalization_mode=DataNormalizationMode.RAW)
one.set_fee_model(ConstantFeeModel(2))
self.d = one.symbol
""", """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.market_order(self.d, 30000)
""", """
    def on_order_event(self, event):
        order = self.transactions.get_order_by_id(event.order_id)
        if event.status == OrderStatus.SUBMITTED and order.tag:
            used, value = self.portfolio.total_margin_used, self.portfolio.total_portfolio_value
            expected = math.ceil(round((used - value + 2) / (self.securities[self.d].price / 50), 6))
            held = self.portfolio[self.d].quantity
            self.log(f"> {self.time.minute % 5} {order.type} {order.tag} {event.quantity == -min(expected, held)}")
""")
    lines = said(tmp_path, invented, source)

    assert len(lines) > 1
    assert set(lines) == {"> 1 MARKET Margin Call True"}


def test_a_fill_model_of_ones_own_fills_in_parts(tmp_path, invented):
    """What it leaves stays pending; a fee is asked for the last part only; the average price is that of all parts."""
    source = """
from AlgorithmImports import *

class Parts(EquityFillModel):
    def __init__(self):
        super().__init__()
        self.left = {}

    def market_on_open_fill(self, asset, order):
        fill = super().market_on_open_fill(asset, order)
        if fill.status == OrderStatus.FILLED:
            left = self.left.get(order.id, order.quantity)
            part = min(left, 40)
            self.left[order.id] = left - part
            fill.fill_quantity = part
            fill.status = OrderStatus.FILLED if part == left else OrderStatus.PARTIALLY_FILLED
        return fill
""" + algorithm(DAILY, """
one = self.add_equity("ALFA", Resolution.DAILY)
one.set_fill_model(Parts())
self.a = one.symbol
""", """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.ticket = self.market_order(self.a, 100)
        held = self.portfolio[self.a].quantity
        self.log(f"> {held:g} {self.ticket.quantity_filled:g} {self.portfolio.total_fees:g}")
""", ON_EVENT)

    assert said(tmp_path, invented, source)[:8] == [
        "> 1.1 SUBMITTED 0", "> 0 0 0", "> 1.2 PARTIALLY_FILLED 40", "> 40 40 0", "> 1.3 PARTIALLY_FILLED 40",
        "> 1.4 FILLED 20", "> 100 100 1", "> 100 100 1",
    ]


def test_a_fill_model_that_fails_is_told_and_leaves_the_order(tmp_path, invented):
    """As in Lean, an exception of the model is an error line, and the run goes on."""
    source = """
from AlgorithmImports import *

class Broken(FillModel):
    def market_on_open_fill(self, asset, order):
        raise ValueError("no idea")
""" + algorithm(DAILY, """
one = self.add_equity("ALFA", Resolution.DAILY)
one.set_fill_model(Broken())
self.a = one.symbol
""", """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.market_order(self.a, 100)
""", ON_EVENT)
    ran = run_source(tmp_path, source, data=invented)

    assert ran.result["state"]["Status"] == "Completed"
    assert "Order Error: id: 1, Transaction model failed to fill for order type: MarketOnOpen with error: no idea" in ran.console
    assert ran.result["orders"]["1"]["status"] == 1


def test_the_rules_of_other_assets_can_be_built_upon(tmp_path, invented):
    """`ImmediateFillModel` fills a limit at the worse of limit and extreme, without a gap's message."""
    source = algorithm(DAILY, """
one = self.add_equity("ALFA", Resolution.DAILY)
one.set_fill_model(ImmediateFillModel())
self.a = one.symbol
""", """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.limit_order(self.a, 10, self.securities[self.a].price * 2)
        if self.step == 2:
            bar = data.bars[self.a]
            self.log(f"> {self.portfolio[self.a].average_price == bar.high}")
""")

    assert said(tmp_path, invented, source) == ["> True"]


def test_an_update_the_account_cant_carry_changes_nothing(tmp_path, invented):
    """The order stays as it was, an event of its own status says why, and the response was a success: it is asked later."""
    source = algorithm(DAILY, 'self.a = self.add_equity("ALFA", Resolution.DAILY).symbol', """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.ticket = self.limit_order(self.a, 10, 1)
            answer = self.ticket.update_quantity(10**6)
            self.log(f"> {answer.is_success}")
            zero = self.ticket.update_quantity(0)
            self.log(f"> {zero.error_message}")
        if self.step == 2:
            self.log(f"> {self.ticket.quantity:g} {self.ticket.status}")
""", ON_EVENT)
    lines = said(tmp_path, invented, source)

    assert lines[:3] == ["> 1.1 SUBMITTED 0", "> True", "> Unable to update order with id 1 that has zero quantity."]
    assert lines[3].startswith("> 1.2 SUBMITTED 0 Brokerage failed to update order with id: 1, Symbol: ALFA, Insufficient buying")
    assert lines[4] == "> 10 SUBMITTED"


def test_a_closed_order_takes_a_tag(tmp_path, invented):
    """A quantity it does not."""
    source = algorithm(DAILY, 'self.a = self.add_equity("ALFA", Resolution.DAILY).symbol', """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.ticket = self.market_order(self.a, 10, tag="first")
        if self.step == 2:
            self.log(f"> {self.ticket.update_tag('late').is_success} {self.ticket.update_quantity(3).is_success}")
        if self.step == 3:
            self.log(f"> {self.ticket.tag} {self.ticket.quantity:g}")
""")

    assert said(tmp_path, invented, source) == ["> True False", "> late 10"]


def test_without_fill_forward_a_slice_holds_what_came(tmp_path, invented):
    """DELT trades in some minutes only; filled forward it is in every slice."""
    source = algorithm(MINUTES, """
self.a = self.add_equity("ALFA", Resolution.MINUTE).symbol
self.d = self.add_equity("DELT", Resolution.MINUTE, fill_forward={forward}).symbol
""", """
    def on_data(self, data):
        self.step += data.bars.contains_key(self.d)
""", """
    def on_end_of_algorithm(self):
        self.log(f"> {self.step}")
""")
    counts = [said(tmp_path, invented, source.replace("{forward}", text)) for text in ("True", "False")]

    assert counts == [["> 390"], ["> 338"]]


def test_a_daily_stock_among_minutes_is_filled_forward_under_its_own_time(tmp_path, invented):
    """In every slice of the second day its bar is yesterday's; at 16:00 comes the new one."""
    source = algorithm(MINUTES | {"end": "2020, 3, 12"}, """
self.a = self.add_equity("ALFA", Resolution.MINUTE).symbol
self.b = self.add_equity("BETA", Resolution.DAILY).symbol
""", """
    def on_data(self, data):
        bar = data.bars.get(self.b)
        if bar is not None and (self.time.day == 12 and self.time.hour in (12, 16) and self.time.minute == 0):
            self.log(f"> {self.time} {bar.end_time} {bar.is_fill_forward}")
""")

    assert said(tmp_path, invented, source) == ["> 2020-03-12 12:00:00 2020-03-11 16:00:00 True",
                                                "> 2020-03-12 16:00:00 2020-03-12 16:00:00 False"]


def test_total_return_adds_dividends_to_later_prices(tmp_path, invented):
    """Split-adjusted prices plus what was paid a share since the run's beginning."""
    source = algorithm({"start": "2019, 2, 1", "end": "2019, 6, 28", "cash": 1000}, """
modes = DataNormalizationMode
self.a = self.add_equity("{ticker}", Resolution.DAILY, data_normalization_mode=modes.{mode}).symbol
self.paid = 0
""", """
    def on_data(self, data):
        for one in data.dividends.values():
            self.paid += one.distribution
        if data.bars.count:
            self.last = self.securities[self.a].price
""", """
    def on_end_of_algorithm(self):
        self.log(f"> {self.last} {self.paid}")
""")
    prices = {}
    for mode in ("TOTAL_RETURN", "SPLIT_ADJUSTED"):
        folder = tmp_path / mode
        folder.mkdir()
        [line] = said(folder, invented, source.replace("{ticker}", "ALFA").replace("{mode}", mode))
        prices[mode] = [Decimal(word) for word in line[2:].split()]

    paid = prices["TOTAL_RETURN"][1]
    assert paid > 0
    assert prices["TOTAL_RETURN"][0] - prices["SPLIT_ADJUSTED"][0] == pytest.approx(paid, rel=Decimal("1e-9"))


def test_margin_calls_of_ones_own_are_refused_before_the_run(tmp_path, invented):
    """The refusal names the callback, and is the result's error."""
    source = algorithm(DAILY, 'self.add_equity("ALFA", Resolution.DAILY)', """
    def on_margin_call(self, requests):
        return requests
""")
    ran = run_source(tmp_path, source, data=invented)

    assert "on_margin_call" in ran.result["state"]["RuntimeError"]
    assert ran.exit_code == 1


@pytest.mark.parametrize("resolution", ["DAILY", "MINUTE"])
def test_a_split_moves_what_the_stock_was_seen_with(resolution, tmp_path, invented):
    """Raw prices, from 00:00 until the first bar on the new basis: prices and quotes × the factor, volume and sizes ÷ it."""
    market = tmp_path / "market"
    shutil.copytree(invented, market)
    (market / "equity" / "usa" / "factor_files" / "alfa.csv").write_text(
        "20190102,1,0.5,1\n20200311,1,0.5,289.53\n20501231,1,1,0\n")
    source = algorithm({"start": "2020, 3, 11", "end": "2020, 3, 12", "cash": 100000}, f"""
self.a = self.add_equity("ALFA", Resolution.{resolution}, data_normalization_mode=DataNormalizationMode.RAW)
""", """
    def now(self):
        a = self.a
        return [a.price, a.open, a.high, a.low, a.close, a.bid_price, a.ask_price], [a.volume, a.bid_size, a.ask_size]

    def on_data(self, data):
        for split in data.splits.values():
            if split.type == SplitType.SPLIT_OCCURRED:
                factor, (prices, sizes), last = split.split_factor, self.now(), self.a.get_last_data()
                moved = [abs(now - before * factor) < 1e-9 for now, before in zip(prices, self.before[0])]
                moved += [abs(now - before / factor) < 1e-6 for now, before in zip(sizes, self.before[1])]
                self.log(f"> {self.time} {factor:g} {all(moved)} {last.close == prices[0]} {abs(last.volume - sizes[0]) <= 0.5}")
        self.before = self.now()
""")

    assert said(tmp_path, market, source) == ["> 2020-03-12 00:00:00 0.5 True True True"]


def test_a_split_that_leaves_no_share_leaves_the_order(tmp_path, invented):
    """GAMA goes 1 for 8: an order of 3 shares would be of none, and stays as it was; one of 20 becomes one of 2.

    A trailing amount goes with the price.
    """
    source = algorithm({"start": "2020, 4, 20", "end": "2020, 5, 8", "cash": 100000}, """
self.g = self.add_equity("GAMA", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW).symbol
""", """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            price = self.securities[self.g].price
            self.small = self.limit_order(self.g, 3, round(price / 50, 2))
            self.large = self.limit_order(self.g, 20, round(price / 50, 2))
            self.trailing = self.trailing_stop_order(self.g, -20, 2 * price, False)
            self.before = self.trailing.get(OrderField.TRAILING_AMOUNT)
        for split in data.splits.values():
            self.factor = split.split_factor
""", """
    def on_end_of_algorithm(self):
        quantities = [f"{one.quantity:g}" for one in (self.small, self.large, self.trailing)]
        moved = self.trailing.get(OrderField.TRAILING_AMOUNT) / self.before
        self.log(f"> {quantities} {abs(moved - self.factor) < 0.01} {self.factor:g}")
""")

    assert said(tmp_path, invented, source) == ["> ['3', '2', '-2'] True 8"]


def test_a_cancel_asked_for_twice_keeps_the_first_tag(tmp_path, invented):
    """Asked for and carried out, a second one changes nothing; refused by a closed order, each leaves its tag."""
    source = algorithm(DAILY, 'self.a = self.add_equity("ALFA", Resolution.DAILY).symbol', """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.resting, self.filled = self.limit_order(self.a, 1, 1), self.market_order(self.a, 1)
        if self.step == 2:
            for tag in ("one", "two"):
                self.log(f"> {self.resting.cancel(tag).is_success} {self.filled.cancel(tag).is_success}")
        if self.step == 3:
            self.resting.cancel("three")
            self.log(f"> {self.resting.tag} {self.filled.tag}")
""")

    assert said(tmp_path, invented, source) == ["> True False", "> False False", "> one two"]


def test_an_update_changes_what_the_order_has(tmp_path, invented):
    """A limit price for a stop order is passed over."""
    source = algorithm(DAILY, 'self.a = self.add_equity("ALFA", Resolution.DAILY).symbol', """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.ticket = self.stop_market_order(self.a, 1, 900)
            fields = UpdateOrderFields()
            fields.stop_price, fields.limit_price = 901, 902
            self.ticket.update(fields)
""", """
    def on_order_event(self, event):
        self.log(f"> {event.status} {event.stop_price} {event.limit_price}")
""")

    assert said(tmp_path, invented, source) == ["> SUBMITTED 900.0 None", "> UPDATE_SUBMITTED 901.0 None"]


@pytest.mark.parametrize("line", ["pass", 'self.set_benchmark("SPY")', 'self.set_benchmark(SecurityType.EQUITY, "SPY")'])
def test_a_benchmark_is_refused_where_it_has_bars(line, tmp_path, invented):
    """Lean makes a symbol's benchmark of hourly bars, the default brokerage's of SPY's; without them it is worth nothing."""
    market = tmp_path / "market"
    shutil.copytree(invented, market)
    source = algorithm(DAILY, 'self.add_equity("ALFA", Resolution.DAILY)').replace("self.set_benchmark(lambda t: 0)", line)
    assert run_source(tmp_path, source, data=market).result["state"]["Status"] == "Completed"

    (market / "equity" / "usa" / "hour").mkdir()
    (market / "equity" / "usa" / "hour" / "spy.zip").touch()
    assert "the benchmark SPY" in run_source(tmp_path, source, data=market).result["state"]["RuntimeError"]


def test_a_refused_order_was_never_at_the_broker(tmp_path, invented):
    """Its ticket says why, so does the log, and it has no broker id. A change that the broker refuses changes nothing."""
    source = algorithm(DAILY | {"cash": 3000}, """
self.set_brokerage_model(Picky())
self.a = self.add_equity("ALFA", Resolution.DAILY).symbol
self.b = self.add_equity("BETA", Resolution.DAILY).symbol
""", """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.tickets = [self.market_order(self.a, 1000), self.market_order(self.b, 1), self.limit_order(self.a, 1, 1)]
        if self.step == 2:
            for ticket in self.tickets:
                order, response = self.transactions.get_order_by_id(ticket.order_id), ticket.submit_request.response
                self.log(f"> {response.error_code} {list(order.broker_id)} {response.error_message}")
            self.tickets[2].update_quantity(2)
        if self.step == 3:
            self.log(f"> {self.tickets[2].update_requests[0].response} {self.tickets[2].quantity:g}")

class Picky(DefaultBrokerageModel):
    def can_submit_order(self, security, order, message):
        if security.symbol.value == "BETA":
            return False, BrokerageMessageEvent(BrokerageMessageType.INFORMATION, "", "not BETA")
        return True, None

    def can_update_order(self, security, order, request, message):
        return request.quantity == 1, None
""")
    ran = run_source(tmp_path, source, data=invented)
    log = [line[20:] for line in (ran.results / "run-log.txt").read_text().splitlines()]
    first, second, third, update = [line for line in log if line.startswith("> ")]
    refused = "BrokerageModel declared unable to submit order: [2] Information - Code:  - not BETA"

    assert first.startswith("> INSUFFICIENT_BUYING_POWER [] Order Error: ids: [1], Insufficient buying power to complete orders ")
    assert second == f"> BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER [] {refused}"
    assert third == "> NONE ['3'] None"
    assert update == ("> Error: BrokerageModelRefusedToUpdateOrder - OrderID: 3 Warning - Code: InvalidRequest - "
                      "BrokerageModel declared unable to update order: 3 1")
    assert {first.removeprefix("> INSUFFICIENT_BUYING_POWER [] "), refused} < set(log)
    assert [order["brokerId"] for order in ran.result["orders"].values()] == [[], [], ["3"]]


def test_what_was_asked_of_an_order_says_what_became_of_it(tmp_path, invented):
    """First that it waits, then what happened; of a cancel that comes too late Lean says update. A copy stays as it was.

    A change that the account can't carry leaves the order as it is, but for the time of its last update.
    """
    source = algorithm(DAILY | {"cash": 3000}, 'self.a = self.add_equity("ALFA", Resolution.DAILY).symbol', """
    def on_data(self, data):
        self.step += 1
        if self.step == 1:
            self.tickets = [self.limit_order(self.a, 1, 1), self.limit_order(self.a, 1, 1), self.market_order(self.a, 1)]
            self.copy = self.transactions.get_order_by_id(1)
            for ticket, quantity in zip(self.tickets, (2, 1000)):
                ticket.update_quantity(quantity)
                self.log(f"> {ticket.update_requests[0].status}")
        if self.step == 2:
            for ticket, order in zip(self.tickets[:2], (self.copy, self.transactions.get_order_by_id(2))):
                request = ticket.update_requests[0]
                self.log(f"> {request.status} {request.response}"[:60])
                self.log(f"> {ticket.quantity:g} {order.quantity:g} {order.last_update_time}")
            self.log(f"> {self.tickets[2].cancel()}")
            self.liquidate(self.a, tag="out")
            request = self.tickets[0].cancel_request
            self.log(f"> {request.status} {request.tag}")
        if self.step == 3:
            self.log(f"> {self.tickets[0].cancel_request.status} {self.tickets[0].status} {self.tickets[0].cancel()}")
""")

    assert said(tmp_path, invented, source) == [
        "> PROCESSING", "> PROCESSING",
        "> PROCESSED Success", "> 2 1 None",
        "> ERROR Error: BrokerageFailedToUpdateOrder - Brokerage failed to update order with id: 2"[:60],
        "> 1 1 2020-03-02 21:00:00+00:00",
        "> Error: InvalidOrderStatus - Unable to update order with id 3 because it already has Filled status.",
        "> PROCESSED out",
        "> PROCESSED CANCELED Error: RequestCanceled - Order 1 has already received a cancellation request."]


def test_dividends_are_a_part_of_profit_and_counted_apart(tmp_path, invented):
    """Raw prices: what was paid for the shares held."""
    source = algorithm({"start": "2020, 3, 9", "end": "2020, 3, 13", "cash": 100000}, """
self.a = self.add_equity("ALFA", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW)
self.paid = 0
""", """
    def on_data(self, data):
        for dividend in data.dividends.values():
            self.paid += round(dividend.distribution * self.a.holdings.quantity, 2)
        if not self.portfolio.invested:
            self.market_order(self.a.symbol, 100)

    def on_end_of_algorithm(self):
        held = self.a.holdings
        self.log(f"> {self.paid > 0} {held.total_dividends == self.paid} {held.profit == self.paid}")
""")

    assert said(tmp_path, invented, source) == ["> True True True"]
