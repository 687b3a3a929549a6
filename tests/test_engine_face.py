"""The rules behind the embedded engine's Python face, each in a small algorithm of our own (Lean's C# source says them)."""

import json
from datetime import date

import pytest

from tests.engine_fixtures import run_source
from workbench.market.bars import read_minute

HEAD = """
from AlgorithmImports import *

class Probe(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2019, 3, 1)
        self.set_end_date(2019, 4, 5)
        self.set_cash(100000)
        self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, AccountType.MARGIN)
        self.a = self.add_equity("ALFA", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW).symbol
        self.b = self.add_equity("BETA", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW).symbol
        self.set_benchmark(lambda t: 0)
        self.step = 0
"""


def said(folder, source, invented, **parameters) -> list[str]:
    """What an algorithm said by `self.log`, once it has run without an error."""
    ran = run_source(folder, source, data=invented, **parameters)
    assert ran.result["state"]["RuntimeError"] == "", ran.console[-2000:]
    lines = (ran.results / "run-log.txt").read_text().splitlines()
    return [line[20:] for line in lines if not line[20:].startswith(("Launching", "Warning"))]


def on_data(body: str) -> str:
    """The head with lines for each step: `self.step` counts them from 1."""
    lines = "".join(f"        {line}\n" for line in body.strip("\n").splitlines())
    return HEAD + "\n    def on_data(self, data):\n        self.step += 1\n" + lines


# Date and time rules.

@pytest.mark.parametrize(("date_rule", "days"), [
    ("self.date_rules.every(DayOfWeek.MONDAY, DayOfWeek.FRIDAY)",
     "03-01 03-04 03-08 03-11 03-15 03-18 03-22 03-25 03-29 04-01 04-05"),
    ("self.date_rules.week_start(self.a)", "03-04 03-11 03-18 03-25 04-01"),
    ("self.date_rules.week_start('ALFA', 2)", "03-06 03-13 03-20 03-27 04-03"),
    ("self.date_rules.week_end(self.a, 1)", "03-07 03-14 03-21 03-28 04-04"),
    ("self.date_rules.week_end()", "03-01 03-08 03-15 03-22 03-29 04-05"),
    ("self.date_rules.week_start(6)", "03-03 03-10 03-17 03-24 03-31"),
    ("self.date_rules.month_start(self.a)", "03-01 04-01"),
    ("self.date_rules.month_start(self.a, 3)", "03-06 04-04"),
    ("self.date_rules.month_end(self.a)", "03-29"),
    ("self.date_rules.month_end(self.a, 30)", "03-01 04-01"),
    ("self.date_rules.month_end()", "03-31"),
    ("self.date_rules.quarter_end(self.a, 1)", "03-28"),
    ("self.date_rules.quarter_start()", "04-01"),
    ("self.date_rules.on(datetime(2019, 3, 7), datetime(2019, 3, 12))", "03-07 03-12"),
    ("self.date_rules.today", "03-01"),
    ("self.date_rules.tomorrow", "03-02"),
])
def test_date_rules_give_leans_days(date_rule, days, tmp_path, invented):
    """Offsets count open days of the symbol, all days without one, and stop at the period's other end."""
    source = HEAD + (f"        self.schedule.on({date_rule}, self.time_rules.noon, "
                     "lambda: self.log(self.time.strftime('%m-%d')))\n")

    assert days.split() == said(tmp_path, source, invented)


@pytest.mark.parametrize(("time_rule", "moment"), [
    ("self.time_rules.at(10, 30, TimeZones.UTC)", "05:30"),
    ("self.time_rules.at(timedelta(hours=9))", "09:00"),
    ("self.time_rules.after_market_open(self.a, 45)", "10:15"),
    ("self.time_rules.before_market_open('ALFA', 30)", "09:00"),
    ("self.time_rules.before_market_close(90)", "14:30"),
    ("self.time_rules.after_market_close(self.a, 5)", "16:05"),
    ("self.time_rules.noon", "12:00"),
])
def test_time_rules_give_leans_moments(time_rule, moment, tmp_path, invented):
    """Times of the exchange with or without a symbol; a time zone where one is given."""
    source = HEAD + (f"        self.schedule.on(self.date_rules.on(2019, 3, 5), {time_rule}, "
                     "lambda: self.log(self.time.strftime('%H:%M')))\n")

    assert [moment] == said(tmp_path, source, invented)


def test_scheduled_events_have_leans_names(tmp_path, invented):
    """Date rule and time rule, or the name that is given."""
    source = HEAD + """
        nothing = lambda: None
        days, times = self.date_rules, self.time_rules
        self.log(str(self.schedule.on(days.month_start(self.a, 2), times.after_market_open(self.a, 30), nothing)))
        self.log(str(self.schedule.on(days.every_day(), times.at(9, 45), nothing)))
        self.log(self.schedule.on("mine", self.date_rules.every_day(), self.time_rules.at(9, 45), nothing).name)
"""

    assert said(tmp_path, source, invented) == ["ALFA: MonthStart+2: ALFA: 30 min after MarketOpen", "EveryDay: 9.75", "mine"]


# History.

def test_history_takes_every_form_of_a_request(tmp_path, invented):
    """A count, a span, two moments; symbols, tickers and lists; frames, bars and slices."""
    source = on_data("""
if self.step == 10:
    now = self.time
    frame = self.history(self.a, 5, Resolution.DAILY)
    same = [self.history("ALFA", 5), self.history([self.a], 5), self.history(tickers=["ALFA"], periods=5),
            self.history(self.a, now - timedelta(days=7), now), self.history(self.a, timedelta(days=7)),
            self.history(TradeBar, self.a, 5), self.history(self.a, start=now - timedelta(days=7), end=now)]
    self.log(str([frame.equals(other) for other in same]))
    bars = list(self.history[TradeBar](self.a, 5))
    self.log(str([bar.close for bar in bars] == frame["close"].tolist()))
    slices = list(self.history(5))
    self.log(str([len(one.bars) for one in slices]))
    self.log(str([one.bars[self.a].close for one in slices] == frame["close"].tolist()))
    self.log(str([sorted(str(s) for s in bars.keys()) for bars in self.history[TradeBar]([self.a, self.b], 2)]))
""")

    assert [str([True] * 7), "True", "[2, 2, 2, 2, 2]", "True", "[['ALFA', 'BETA'], ['ALFA', 'BETA']]"] == said(
        tmp_path, source, invented)


def test_history_ends_now(tmp_path, invented):
    """Bars of today are there once they have ended; the future is cut off with a word."""
    source = HEAD + """
        self.schedule.on(self.date_rules.on(2019, 3, 6), self.time_rules.at(15, 0), self.look)

    def look(self):
        self.log(str(self.history(self.a, 1).index[-1][1]))
        self.log(str(self.history(self.a, self.time - timedelta(days=1), datetime(2030, 1, 1)).index[-1][1]))

    def on_data(self, data):
        if self.time.day == 6:
            self.log(str(self.history(self.a, 1).index[-1][1]))
"""

    assert said(tmp_path, source, invented) == [
        "2019-03-05 16:00:00", "Request for future history modified to end now.", "2019-03-05 16:00:00", "2019-03-06 16:00:00"]


def test_history_of_nothing_is_an_empty_frame(tmp_path, invented):
    """A stock that is not listed yet has no bars, and a frame of it no rows."""
    source = HEAD + """
        late = self.add_equity("ZETA", Resolution.DAILY).symbol
        frame = self.history(late, 5)
        self.log(f"{frame.empty} {len(list(self.history[TradeBar](late, 5)))} {self.get_last_known_price(late)}")
"""

    assert said(tmp_path, source, invented) == ["True 0 None"]


MINUTES = """
from AlgorithmImports import *

class Probe(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2020, 3, 12)
        self.set_end_date(2020, 3, 13)
        self.a = self.add_equity("ALFA", Resolution.MINUTE, data_normalization_mode=DataNormalizationMode.RAW).symbol
        self.d = self.add_equity("DELT", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW).symbol
        self.set_benchmark(lambda t: 0)
        self.schedule.on(self.date_rules.on(2020, 3, 12), self.time_rules.at(11, 0), self.look)

    def look(self):
"""


def looked(body: str) -> str:
    """The minute head with lines for 11:00 of 12 March 2020."""
    return MINUTES + "".join(f"        {line}\n" for line in body.strip("\n").splitlines())


def test_minutes_come_with_their_quotes(tmp_path, invented):
    """One row a minute: Lean's columns in alphabetical order, the bar's prices over the quote's middle; the newest as filed."""
    source = looked("""
frame = self.history(self.a, 91)
self.log(" ".join(frame.columns))
self.log(f"{frame.shape} {frame.index.names} {frame.index[0][1]} {frame.index[-1][1]}")
first = frame.iloc[-90]
self.log(f"{first.open} {first.close} {first.volume} {first.bidopen} {first.askclose} {first.bidsize} {first.asksize}")
""")
    trade, quote = (minute(invented, kind) for kind in ("trade", "quote"))

    assert said(tmp_path, source, invented) == [
        "askclose askhigh asklow askopen asksize bidclose bidhigh bidlow bidopen bidsize close high low open volume",
        "(91, 15) ['symbol', 'time'] 2020-03-11 16:00:00 2020-03-12 11:00:00",
        f"{trade[1] / 1e4} {trade[4] / 1e4} {trade[5]:.1f} {quote[1] / 1e4} {quote[9] / 1e4} {quote[5]:.1f} {quote[10]:.1f}"]


def minute(invented, kind: str) -> list[int]:
    """ALFA's first row of 12 March 2020, as filed."""
    minutes = read_minute(invented, "ALFA", date(2020, 3, 12))
    columns = minutes.trades if kind == "trade" else minutes.quotes
    return [int(getattr(columns, name)[0]) for name in columns.__dataclass_fields__]


def test_minutes_take_every_form_of_a_request(tmp_path, invented):
    """A count, a span, two moments; frames, bars, quotes and slices, by the stock's own resolution or another."""
    source = looked("""
now = self.time
frame = self.history(self.a, 90, Resolution.MINUTE)
same = [self.history("ALFA", 90), self.history(self.a, timedelta(minutes=90)), self.history([self.a], now.replace(hour=9), now)]
self.log(str([frame.equals(other) for other in same]))
bars, quotes = list(self.history[TradeBar](self.a, 90)), list(self.history[QuoteBar](self.a, 90))
self.log(str([[bar.close for bar in bars] == frame["close"].tolist(), len(bars), str(bars[-1].time)]))
self.log(str([[quote.ask.close for quote in quotes] == frame["askclose"].tolist(), len(quotes), str(quotes[-1].end_time)]))
self.log(str(list(self.history(QuoteBar, self.a, 2).columns)[-4:] + list(self.history(TradeBar, self.a, 2).columns)))
slices = list(self.history(2, Resolution.MINUTE))
self.log(str([(str(one.time), len(one.bars), len(one.quote_bars)) for one in slices]))
self.log(str([(one[self.a].close, one[self.d].close) for one in self.history[TradeBar]([self.a, self.d], 1, Resolution.MINUTE)]))
self.log(str(self.history(self.a, 2, Resolution.DAILY).shape))
""")

    lines = said(tmp_path, source, invented)

    assert [str([True] * 3), "[True, 90, '2020-03-12 10:59:00']", "[True, 90, '2020-03-12 11:00:00']"] == lines[:3]
    assert lines[3] == "['close', 'high', 'low', 'open', 'close', 'high', 'low', 'open', 'volume']"
    assert lines[4] == "[('2020-03-12 10:59:00', 2, 2), ('2020-03-12 11:00:00', 2, 2)]"
    assert lines[6] == "(2, 5)"


def test_a_minute_without_trades_is_filled_forward(tmp_path, invented):
    """With the price before it and no volume; or not at all, where that is asked for; and across nights from bar to bar."""
    source = looked("""
start, end = datetime(2020, 3, 11, 9, 30), datetime(2020, 3, 12, 11, 0)
bars = list(self.history[TradeBar](self.d, start, end, Resolution.MINUTE))
real = list(self.history[TradeBar](self.d, start, end, Resolution.MINUTE, fill_forward=False))
filled = [one for one in bars if one.is_fill_forward]
self.log(f"{len(bars)} {len(bars) - len(real) == len(filled) > 0} {sum(one.volume for one in filled)}")
closes = dict(zip([one.end_time for one in bars], [one.close for one in bars]))
missing = filled[-1]
self.log(str(missing.close == closes[missing.time]))
frame = self.history([self.d], start, end, Resolution.MINUTE, fill_forward=False)
self.log(f"{len(frame)} {frame['volume'].isna().sum() == len(filled)}")
""")

    assert said(tmp_path, source, invented) == ["480 True 0.0", "True", "480 True"]


def test_history_is_filled_forward_as_its_stock_is(tmp_path, invented):
    """Where a request does not say."""
    source = HEAD + """
        d = self.add_equity("DELT", Resolution.MINUTE, fill_forward=False).symbol
        self.set_start_date(2020, 3, 12)
        self.set_end_date(2020, 3, 12)
        given = [len(list(self.history[TradeBar](d, timedelta(days=1), fill_forward=filled))) for filled in (None, False, True)]
        self.log(str(given))
"""

    assert said(tmp_path, source, invented) == ["[338, 338, 390]"]


def test_history_knows_dividends_and_splits(tmp_path, invented):
    """A split is warned of on the day before; of the request's first session nothing is known, for its row is of the day before."""
    source = HEAD + """
        self.set_start_date(2020, 8, 31)
        self.set_end_date(2020, 9, 2)
        c = self.add_equity("GAMA", Resolution.DAILY).symbol
        now = datetime(2020, 8, 31)
        paid = list(self.history[Dividend](self.a, datetime(2019, 3, 1), now))
        self.log(str([(str(one.time.date()), one.distribution, one.reference_price) for one in paid]))
        late = self.history[Dividend](self.a, datetime(2019, 3, 14), datetime(2019, 7, 1))
        self.log(str([str(one.time.date()) for one in late]))
        parts = self.history[Split](self.b, timedelta(days=60))
        self.log(str([(str(one.time.date()), str(one.type), one.split_factor, one.reference_price) for one in parts]))
        frame = self.history(Dividend, self.a, datetime(2019, 3, 1), now)
        self.log(f"{list(frame.columns)} {frame.shape} {frame.index[0][1]}")
        self.log(str(list(self.history(Split, self.b, timedelta(days=60)).columns)))
        self.log(str(self.history(Dividend, self.a, 5).empty))
"""

    assert said(tmp_path, source, invented) == [
        "[('2019-03-14', 0.88, 210.13), ('2019-06-13', 0.88, 261.6), ('2019-09-12', 0.92, 253.39), ('2019-12-12', 0.92, 250.46), "
        "('2020-03-12', 0.92, 289.53), ('2020-06-11', 0.95, 315.68)]",
        "['2019-06-13']",
        "[('2020-07-31', 'WARNING', 0.25, 0.0), ('2020-08-03', 'SPLIT_OCCURRED', 0.25, 188.02)]",
        "['distribution', 'referenceprice'] (6, 2) 2019-03-14 00:00:00", "['referenceprice', 'splitfactor', 'type']", "True"]


@pytest.mark.parametrize(("call", "named"), [
    ("self.history(self.a, 5, Resolution.HOUR)", "history of HOUR data"),
    ("self.history(QuoteBar, self.a, 5)", "daily history of QuoteBar"),
    ("self.history[Delisting](self.a, 5)", "history of Delisting"),
    ("self.get_last_known_price(self.add_equity('DELT', Resolution.MINUTE).symbol)", "get_last_known_price of MINUTE data"),
    ("self.history(self.a, 5, extended_market_hours=True)", "history of extended market hours"),
])
def test_history_refuses_what_it_has_not(call, named, tmp_path, invented):
    """By name, never with an empty frame."""
    ran = run_source(tmp_path, HEAD + f"        {call}\n", data=invented)

    assert f"does not support {named}" in ran.result["state"]["RuntimeError"]


def test_a_frame_is_asked_by_ticker_or_by_symbol(tmp_path, invented):
    """As Lean's own frames: `loc`, columns after `unstack`, and `in`."""
    source = on_data("""
if self.step == 5:
    frame = self.history([self.a, self.b], 3)
    closes = frame["close"].unstack(level=0)
    self.log(str(frame.loc["ALFA"].equals(frame.loc[self.a])))
    self.log(str(closes["BETA"].tolist() == frame.loc[self.b]["close"].tolist()))
    self.log(str("ALFA" in closes and "NONE" not in closes))
    try:
        frame.loc["NONE"]
    except KeyError as error:
        self.log(str(error))
""")
    lines = said(tmp_path, source, invented)

    assert lines[:3] == ["True", "True", "True"]
    assert "No key found for either mapped or original key" in lines[3]


# Orders and tickets.

def test_one_symbol_is_sized_before_the_rest_is_liquidated(tmp_path, invented):
    """`set_holdings(symbol, weight, True)`: Lean computes the quantity first; the tickets come with the liquidation's first."""
    source = on_data("""
if self.step == 1:
    self.set_holdings(self.b, 0.5)
if self.step == 3:
    wanted = self.calculate_order_quantity(self.a, 0.9)
    tickets = self.set_holdings(self.a, 0.9, True, tag="rotate")
    self.log(str([(str(t.symbol), t.tag) for t in tickets]) + str(tickets[1].quantity == wanted))
""")

    assert said(tmp_path, source, invented) == ["[('BETA', 'rotate'), ('ALFA', 'rotate')]True"]


def test_liquidate_takes_symbols_in_every_form(tmp_path, invented):
    """One, a list, all by ticker; a symbol that was never added is passed over with a word."""
    source = on_data("""
if self.step in (1, 3, 5):
    self.market_order(self.a, 10)
    self.market_order(self.b, 10)
if self.step == 2:
    self.log(str([str(t.symbol) for t in self.liquidate([self.b, "ALFA"])]))
if self.step == 4:
    self.log(str([(str(t.symbol), t.tag) for t in self.liquidate(tag="out")]))
if self.step == 6:
    self.log(str(len(self.liquidate("NONE"))))
    self.log(str([t.tag for t in self.liquidate(self.a, "older form")]))
""")

    assert said(tmp_path, source, invented) == ["['BETA', 'ALFA']", "[('ALFA', 'out'), ('BETA', 'out')]", "0", "['older form']"]


def test_a_ticket_tells_its_requests_and_events(tmp_path, invented):
    """What was asked, what was answered, what happened; a second cancel is refused."""
    source = on_data("""
if self.step == 1:
    self.ticket = self.limit_order(self.a, 5, 1, tag="low")
if self.step == 2:
    fields = UpdateOrderFields()
    fields.limit_price = 2
    self.log(str(self.ticket.update(fields)))
if self.step == 3:
    self.log(str(self.ticket.get(OrderField.LIMIT_PRICE)) + str([r.limit_price for r in self.ticket.update_requests]))
    self.log(str(self.ticket.submit_request.limit_price) + " " + self.ticket.submit_request.tag)
    self.log(str(self.ticket.cancel("enough")))
    self.log(str(self.ticket.cancel("again")))
if self.step == 4:
    self.log(str([str(e.status) for e in self.ticket.order_events]))
    self.log(str(self.ticket.cancel_request.tag) + " " + self.ticket.tag)
""")

    assert said(tmp_path, source, invented) == [
        "Success", "2.0[2]", "1.0 low", "Success",
        "Error: RequestCanceled - Order 1 has already received a cancellation request.",
        "['SUBMITTED', 'UPDATE_SUBMITTED', 'CANCEL_PENDING', 'CANCELED']", "enough enough",
    ]


def test_orders_are_of_their_types_classes(tmp_path, invented):
    """An order has the prices of its type, and no others."""
    source = on_data("""
if self.step == 1:
    self.stop_limit_order(self.a, 1, 1e6, 1e6)
    self.trailing_stop_order(self.a, -1, 0.1, True)
    self.limit_if_touched_order(self.a, 1, 1, 1)
    for order in self.transactions.get_orders():
        self.log(f"{type(order).__name__} {isinstance(order, LimitOrder)} {hasattr(order, 'stop_price')}")
    self.log(str([o.id for o in self.transactions.get_open_orders(lambda o: o.type == OrderType.TRAILING_STOP)]))
    self.log(str([t.order_id for t in self.transactions.get_order_tickets(lambda t: t.quantity < 0)]))
""")

    assert said(tmp_path, source, invented) == [
        "StopLimitOrder False True", "TrailingStopOrder False True", "LimitIfTouchedOrder False False", "[2]", "[2]"]


@pytest.mark.parametrize("call", [
    "self.market_order(self.a)", "self.market_order(self.a, None)", "self.limit_order(self.a, 1, 'x')",
    "self.market_order(self.a, 1, 'tag')", "self.set_holdings(self.a, 0.1, 'tag')", "self.market_order(3, 1)",
    "self.history(self.a, 'five')", "self.history(self.a, 5, resolutoin=Resolution.DAILY)", "self.history(self.time, self.time)",
    "self.liquidate(self.a, tag=5)", "self.add_equity(3)", "self.set_start_date('2019')",
])
def test_a_call_that_fits_no_overload_is_a_type_error(call, tmp_path, invented):
    """Arguments of the wrong kind or number never become an order."""
    source = on_data(f"""
if self.step == 1:
    try:
        {call}
    except TypeError as error:
        self.log(str(error)[:35])
""")

    assert said(tmp_path, source, invented) == ["No method matches given arguments f"]


# Settings, models, initializers.

@pytest.mark.parametrize("line", [
    "self.settings.free_porfolio_value = 5", "self.universe_settings.leverages = 3", "UpdateOrderFields().limit = 3",
])
def test_a_misspelt_setting_is_an_error(line, tmp_path, invented):
    """A value nobody reads can't be set by mistake."""
    ran = run_source(tmp_path, HEAD + f"        {line}\n", data=invented)

    assert "has no attribute" in ran.result["state"]["RuntimeError"]


@pytest.mark.parametrize(("line", "named"), [
    ("self.securities[self.a].volatility_model = None", "Equity.volatility_model"),
    ("self.securities[self.a].SettlementModel = None", "Equity.SettlementModel"),
    ("self.portfolio.margin_call_model = None", "SecurityPortfolioManager.margin_call_model"),
])
def test_what_is_not_followed_can_not_be_set(line, named, tmp_path, invented):
    """A member of Lean's that this engine does not follow is refused when it is set, not passed over."""
    ran = run_source(tmp_path, HEAD + f"        {line}\n", data=invented)

    assert f"does not support {named}" in ran.result["state"]["RuntimeError"]


def test_settings_are_set_under_both_spellings(tmp_path, invented):
    """PascalCase writes what snake_case reads."""
    source = HEAD + """
        self.Settings.FreePortfolioValue = 500
        self.UniverseSettings.Resolution = Resolution.DAILY
        self.DefaultOrderProperties.TimeInForce = TimeInForce.Day
        self.log(f"{self.settings.free_portfolio_value} {self.universe_settings.resolution}")
        self.log(str(self.default_order_properties.time_in_force))
"""

    assert said(tmp_path, source, invented) == ["500 DAILY", "QuantConnect.Orders.TimeInForces.DayTimeInForce"]


def test_a_brokerage_model_of_ones_own_changes_leverage_fees_and_refusals(tmp_path, invented):
    """Lean asks the model; a refused order is invalid with the model's words."""
    source = """
from AlgorithmImports import *

class Broker(DefaultBrokerageModel):
    def get_leverage(self, security):
        return 4.0
    def get_fee_model(self, security):
        return ConstantFeeModel(7)
    def can_submit_order(self, security, order, message):
        if order.quantity > 100:
            return False, BrokerageMessageEvent(BrokerageMessageType.WARNING, "TooMuch", "at most a hundred")
        return True, None
""" + on_data("""
if self.step == 1:
    self.market_order(self.a, 50)
    self.market_order(self.a, 101)
""").replace("from AlgorithmImports import *", "", 1).replace(
        "self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, AccountType.MARGIN)",
        "self.set_brokerage_model(Broker())") + """
    def on_order_event(self, event):
        if event.status in (OrderStatus.FILLED, OrderStatus.INVALID):
            self.log(f"{event.order_id} {event.status} {event.order_fee} {event.message}")

    def on_end_of_algorithm(self):
        self.log(str(self.securities[self.a].leverage))
"""

    refused = "BrokerageModel declared unable to submit order: [2] Warning - Code: TooMuch - at most a hundred"
    assert said(tmp_path, source, invented) == [f"2 INVALID 0 QCC {refused}", refused, "1 FILLED 7 USD ", "4.0"]


def test_a_broker_that_comes_late_leaves_leverage_as_it_is(tmp_path, invented):
    """Lean keeps the leverage of stocks that were added before their broker, a cash account's too."""
    source = HEAD + """
        self.set_brokerage_model(BrokerageName.DEFAULT, AccountType.CASH)
        late = self.add_equity("GAMA", Resolution.DAILY)
        self.log(f"{self.securities[self.a].leverage} {late.leverage}")
"""

    assert said(tmp_path, source, invented) == ["2.0 1.0"]


def test_initializers_stand_in_the_brokers_place_or_come_after_it(tmp_path, invented):
    """A function replaces the broker's models, a class may call them, an added one comes after."""
    source = HEAD + """
        self.set_brokerage_model(BrokerageName.DEFAULT, AccountType.CASH)
        self.add_security_initializer(lambda security: security.set_fee_model(ConstantFeeModel(3)))
        added = self.add_equity("GAMA", Resolution.DAILY)
        self.set_security_initializer(lambda security: security.set_slippage_model(ConstantSlippageModel(0.01)))
        own = self.add_equity("DELT", Resolution.DAILY)
        self.set_security_initializer(Mine(self.brokerage_model, SecuritySeeder.NULL))
        of_class = self.add_equity("ZETA", Resolution.DAILY)
        for face in (added, own, of_class):
            self.log(f"{face.leverage} {type(face.fee_model).__name__} {type(face.slippage_model).__name__}")

class Mine(BrokerageModelSecurityInitializer):
    def initialize(self, security):
        super().initialize(security)
        security.set_slippage_model(ConstantSlippageModel(0.02))
"""

    assert said(tmp_path, source, invented) == [
        "1.0 ConstantFeeModel NullSlippageModel", "2.0 ConstantFeeModel ConstantSlippageModel",
        "1.0 ConstantFeeModel ConstantSlippageModel"]


# The rest.

def test_the_object_store_keeps_files_under_its_root(tmp_path, invented):
    """What is saved is read again, by this run and by the next, and no key leads outside."""
    source = HEAD + """
        store = self.object_store
        self.log(str(store.contains_key("weights/today.json")))
        store.save("weights/today.json", '{"ALFA": 0.5}')
        self.log(store.read("weights/today.json") + str(list(store.keys)))
        for key in ("../outside", "a;b"):
            try:
                store.save(key, "x")
            except ArgumentException as error:
                self.log(str(error))
        try:
            store.read("absent")
        except KeyNotFoundException as error:
            self.log(str(error)[:31])
"""

    assert said(tmp_path, source, invented) == [
        "False", '{"ALFA": 0.5}[\'weights/today.json\']', "LocalObjectStore: path is not supported: '../outside'",
        "LocalObjectStore: path is not supported: 'a;b'", "Object with path 'absent' was n"]
    assert json.loads((tmp_path / "storage" / "weights" / "today.json").read_text()) == {"ALFA": 0.5}


def test_parameters_read_as_their_defaults_kind(tmp_path, invented):
    """Text without a default, a number with one; what does not read as one is the default."""
    source = HEAD + """
        self.log(str([self.get_parameter("n"), self.get_parameter("n", 1), self.get_parameter("n", 1.0),
                      self.get_parameter("word", 5), self.get_parameter("none", "d")]))
        self.log(str(sorted(key for key in self.get_parameters().keys() if key != "events-path")))
"""

    assert said(tmp_path, source, invented, n="12", word="x") == ["['12', 12, 12.0, 5, 'd']", "['n', 'word']"]


def test_net_namespaces_are_modules(tmp_path, invented):
    """Older algorithms import them one by one, and add references first."""
    source = """
from clr import AddReference
AddReference("QuantConnect.Common")
from System import *
from QuantConnect import Resolution as R
from QuantConnect.Orders import OrderStatus as S
import QuantConnect.Algorithm
""" + HEAD + """
        self.log(str(R.DAILY == Resolution.Daily and S is OrderStatus and QuantConnect.Algorithm.QCAlgorithm is QCAlgorithm))
"""

    assert said(tmp_path, source, invented) == ["True"]


def test_bare_decimals_come_back_as_net_converts_them(tmp_path, invented):
    """An average of two fills has more digits than a double: Lean's last digit is not always the nearest one's."""
    source = on_data("""
if self.step == 1:
    self.market_order(self.a, 10)
if self.step == 2:
    self.log(repr(self.portfolio[self.a].unrealized_profit_percent))
""")

    assert said(tmp_path, source, invented) == ["0.015934331240946405"]
