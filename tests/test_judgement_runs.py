"""Real runs through the embedded engine, judged: what its own books say and what is folded from its journal are the same."""

from datetime import date
from decimal import Decimal

import pytest
from judgement_fixtures import Told, decide, trade

from workbench.judgement.reconciliation import reconcile
from workbench.market.folder import Market
from workbench.words.intent import manual

CENT = Decimal("0.01")
BASIS = {               # two of these dates are ex-dates themselves: BETA's split and a dividend of ALFA
    date(2019, 3, 1): {"ALFA": "0.25", "BETA": "0.25", "THET": "0.2", "DELT": "0.1", "GAMA": "0.1"},
    date(2019, 4, 1): {"ALFA": "0.2", "BETA": "0.4", "THET": "0.25", "DELT": "0.1"},
    date(2019, 6, 13): {"ALFA": "0.3", "BETA": "0.2", "THET": "0.25", "ETAX": "0.2"},
    date(2019, 7, 15): {"ALFA": "0.3", "BETA": "0.1", "THET": "0.35", "EPSO": "0.2"},
    date(2019, 11, 7): {"ALFA": "0.2", "BETA": "0.2", "ZETA": "0.25", "EPSI": "0.2"},
    date(2020, 3, 2): {"ALFA": "0.2", "BETA": "0.1", "GAMA": "0.35", "ETAX": "0.2"},
    date(2020, 5, 1): {"ALFA": "0.2", "BETA": "0.3", "GAMA": "0.2", "ETAX": "0.2"},
    date(2020, 8, 3): {"ALFA": "0.2", "BETA": "0.3", "THET": "0.2", "ZETA": "0.2"},
    date(2020, 9, 1): {"ALFA": "0.2", "BETA": "0.3", "THET": "-0.2", "ZETA": "0.2"},
}
LIMITS = {"max_weight": "0.3", "blocked": ["DELT"]}
VARIANTS = {
    "moo": {"cash_buffer_ratio": "0.02", "fee_bps": "2", "slippage_open_bps": "3", "risk_overrides": LIMITS},
    "moc": {"order_type": "MOC", "slippage_close_bps": "4", "cash_buffer_ratio": "0.05"},
    "mkt": {"order_type": "MKT", "rounding": "down", "brokerage": "default"},
    "lmt": {"order_type": "LMT", "limit_offset_bps": "150", "risk_overrides": LIMITS},
    "cash": {"brokerage": "ib-cash", "rounding": "up"},
    "adjusted": {"normalization": "adjusted", "fee_bps": "1"},
    "limits": {"risk_overrides": {"max_turnover": "0.3", "max_order_notional": "150000", "max_orders_per_minute": 3,
                                  "price_collar_bps": "1500", "allow_short": False}},
    "lots": {"close_unlisted": False, "capital_fraction": "0.5", "min_qty": 500, "lot_size": 100},
}


@pytest.fixture(scope="module")
def market(invented):
    return Market(invented)


@pytest.fixture(scope="module")
def run(market, tmp_path_factory):
    """A variant's run, traded once."""
    known: dict[str, Told] = {}

    def traded(name: str) -> Told:
        if name not in known:
            decisions = [decide(market, day, weights) for day, weights in BASIS.items()]
            known[name] = trade(tmp_path_factory.mktemp(name), market, decisions, **VARIANTS[name])
        return known[name]

    return traded


@pytest.mark.parametrize("name", VARIANTS)
def test_a_real_run_adds_up(run, market, name):
    """Every identity holds: exactly where numbers are ours, to the cent where they are the engine's."""
    found = reconcile(run(name).evidence(market))

    assert found.failed == ()
    assert [one.rebalance_date for one in found.dates] == list(BASIS)
    for one in found.dates:
        assert (one.waterfall.residual, one.shortfall.residual) == (0, 0)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "adjusted"])
def test_equity_ties_to_the_engines_books(run, market, name):
    """At every mark and at the end, through splits, dividends, a rename and a delisting."""
    told = run(name)
    curve = reconcile(told.evidence(market)).curve

    assert curve.source == "bars"
    assert [tie.what for tie in curve.ties] == ["mark"] * len(told.of("mark")) + ["end"]
    assert max(abs(tie.residual) for tie in curve.ties) < CENT
    assert round(curve.equity[-1], 2) == told.outcome.end_equity


@pytest.mark.parametrize("name", VARIANTS)
def test_the_cost_of_a_run_is_what_its_journal_says(run, market, name):
    """Q·(P_n − P_d) less what the fills earned by the close, from the journal's own lines and nothing else."""
    told = run(name)
    found = reconcile(told.evidence(market))
    for one in found.dates:
        for row in one.rows:
            lines = [line for line in told.of("order") if line["fill_quantity"] and line["order_ref"] in row.order_refs
                     and line["occurred_at"].startswith(str(one.rebalance_date))]
            earned = sum(line["fill_quantity"] * (row.close - line["fill_price"]) - line["fee"] for line in lines)
            paper = row.wanted * (row.close - row.decision_price)

            assert abs(row.shortfall.total - (paper - earned)) < Decimal("1e-6")


def test_each_cause_is_named_where_it_acted(run, market):
    """A buffer always, DELT's block on the first two dates, the cap on BETA on the second; no leftovers."""
    found = reconcile(run("moo").evidence(market))
    moved = {one.rebalance_date: {cause for cause, size in one.waterfall.moved if size} for one in found.dates}
    usual = {"buffer", "rounding", "cost", "drift"}

    assert moved[date(2019, 3, 1)] == usual | {"blocked"}
    assert moved[date(2019, 4, 1)] == usual | {"blocked", "caps"}
    assert moved[date(2020, 9, 1)] == usual


def test_a_decision_price_crosses_a_split_and_a_dividend(run, market):
    """BETA closed at 188.02 before its split, ALFA at 261.60 before a dividend of 0.88."""
    found = reconcile(run("moo").evidence(market))
    prices = {(one.rebalance_date, row.symbol): row.decision_price for one in found.dates for row in one.rows}

    assert prices[date(2020, 8, 3), "BETA"] == Decimal("188.02") / 4
    assert prices[date(2019, 6, 13), "ALFA"] == Decimal("260.72")


def test_residuals_that_fill_later_are_late(run, market):
    """Limits 1.5 % away: what is not filled by the close is missed, and what fills afterwards is listed with its date."""
    told = run("lmt")
    found = reconcile(told.evidence(market))
    ours = {order_id for one in found.dates for row in one.rows for order_id in row.order_ids}

    assert all(dict(one.waterfall.moved)["residual"] and one.unfilled_usd > 0 for one in found.dates)
    assert found.late
    assert all(fill.occurred_at.date() > one.rebalance_date for one in found.dates for fill in one.late)
    assert len(found.external) + len([fill for fill in told.fills if fill.order_id in ours]) == len(told.fills)


def test_a_delisted_holding_is_liquidated_by_nobody_of_ours(run, market):
    """Its fill is external, and its shares are gone from every later mark."""
    told = run("moo")
    found = reconcile(told.evidence(market))

    assert [(fill.symbol, fill.client_order_id) for fill in found.external] == [("ETAX", "Liquidate from delisting")]
    assert found.external[0] not in [fill for one in found.dates for fill in one.external]


def test_a_renamed_stock_stays_one_holding(run, market):
    """Decided on as EPSO and as EPSI, it is the same instrument, and held throughout."""
    found = reconcile(run("moo").evidence(market))
    names = {row.instrument_id for one in found.dates for row in one.rows if row.symbol == "EPSI"}
    second = found.date(date(2019, 11, 7))

    assert len(names) == 1
    assert next(row for row in second.rows if row.symbol == "EPSI").filled != 0


def test_adjusted_prices_have_no_curve_of_their_own(run, market):
    """Marks only, and it says why; the decision is then priced where it was sized."""
    found = reconcile(run("adjusted").evidence(market))

    assert (found.curve.source, found.curve.why) == ("marks", "prices are adjusted: they are not the market's")
    assert {row.decision_source for one in found.dates for row in one.rows} == {"sizing"}
    assert found.tracking is None


def test_the_same_run_judged_without_bars_has_the_same_costs(run, market):
    """Bars are needed for the curve and for the price of what no decision names, and for nothing else."""
    told = run("moo")
    with_bars, without = reconcile(told.evidence(market)), reconcile(told.evidence())

    assert without.failed == ()
    assert [one.waterfall for one in with_bars.dates] == [one.waterfall for one in without.dates]
    assert [row.shortfall for one in with_bars.dates for row in one.rows if row.source == "strategy"] == [
        row.shortfall for one in without.dates for row in one.rows if row.source == "strategy"]
    assert without.curve.source == "marks"


def test_summary_and_tracking_come_from_the_curve(run, market):
    """Total returns by hand; the paper portfolio by its weights from decision price to decision price, dividends as cash."""
    found = reconcile(run("moo").evidence(market))
    paper, decisions = Decimal(1), list(run("moo").snapshots)
    for decision, later in zip(decisions, [*decisions[1:], None], strict=True):
        until = later.snapshot_date if later is not None else found.curve.days[-1]
        grown = decision.cash_weight
        for item in decision.items:
            instrument = market.instrument(item.symbol, decision.rebalance_date)
            shares, paid = Decimal(1), Decimal(0)
            for action in market.actions(instrument, date.fromordinal(decision.snapshot_date.toordinal() + 1), until):
                paid += shares * (action.per_share or 0)
                shares /= Decimal(1) if action.per_share is not None else action.factor
            last = market.bars(instrument).between(None, until).close[-1]
            grown += item.target_weight * (shares * Decimal(int(last)) / 10_000 + paid) / item.decision_price
        paper *= grown

    assert found.summary.total_return == round(found.curve.equity[-1] / 1_000_000 - 1, 12)
    assert found.tracking.real_return == found.summary.total_return
    assert found.tracking.paper_return == round(paper - 1, 12)
    assert found.summary.annual_return is not None


def test_a_manual_order_beside_a_decision(market, tmp_path):
    """Bought by hand on the same morning: a cost like any other, external to the weights."""
    day = date(2020, 3, 2)
    before = market.calendar.previous(day)
    beta = market.instrument("BETA", day)
    order = manual(beta, 300, rebalance_date=day, snapshot_date=before, decision_price=market.close(beta, before))
    found = reconcile(trade(tmp_path, market, [decide(market, day, {"ALFA": "0.5"})], manual=[order]).evidence(market))
    one = found.date(day)
    row = next(row for row in one.rows if row.symbol == "BETA")

    assert found.failed == ()
    assert (row.source, row.wanted, row.filled, row.status) == ("manual", 300, 300, "FILLED")
    assert next(gap for gap in one.waterfall.gaps if gap.symbol == "BETA").causes[5][1] > 0


def test_an_order_that_lives_through_a_split(market, tmp_path):
    """A far limit, still working when THET splits three for two: sent as sized, and everything still ties."""
    day = date(2019, 7, 1)
    decisions = [decide(market, day, {"THET": "0.5", "ALFA": "0.3"}), decide(market, date(2019, 8, 1), {"THET": "0.4"})]
    told = trade(tmp_path, market, decisions, order_type="LMT", limit_offset_bps="900")
    found = reconcile(told.evidence(market))
    row = next(row for row in found.date(day).rows if row.symbol == "THET")
    order = next(order for order in told.orders if order.order_id in row.order_ids)

    assert found.failed == ()
    assert (row.sent, row.filled) == (row.ordered, 0)
    assert order.quantity > row.sent
