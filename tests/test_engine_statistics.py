"""Statistics of many trades, made from columns, are those of Lean's running sums."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.embedded import statistics
from workbench.engines.embedded.statistics import TradeColumns, _of_many, _of_trades
from workbench.engines.embedded.trades import Trade

MONEY = st.decimals(-5000, 5000, places=4)
GAINS = st.decimals(0, 5000, places=3)


def trade(entered, length, profit, adverse, favorable, given_back, fees):
    """A closed trade whose shares and prices no statistic looks at."""
    return Trade(security=None, entered=entered, entry_price=Decimal(1), is_long=True, quantity=Decimal(1),
                 exited=entered + length, exit_price=Decimal(1), profit=profit, fees=fees, adverse=-adverse, favorable=favorable,
                 given_back=given_back, orders=(1, 2))


TRADES = st.lists(st.builds(trade, st.integers(0, 10**8), st.integers(0, 10**7), MONEY, GAINS, GAINS, GAINS, GAINS), max_size=25)


@pytest.mark.parametrize("safe", [2**60, 0], ids=["64 bits", "whole numbers of any size"])
@given(trades=TRADES)
def test_columns_and_running_sums_agree(safe, trades):
    """Every member: texts and counts alike, numbers to 1e-12 relative, whether or not 64 bits hold the sums."""
    trades.sort(key=lambda one: one.exited)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "FEW", -1)
        patch.setattr(statistics, "SAFE", safe)
        columns = TradeColumns.of(trades)
    slowly, quickly = _of_trades(trades), _of_many(columns)

    assert list(slowly) == list(quickly)
    for name, value in slowly.items():
        if isinstance(value, Decimal):
            assert quickly[name] == pytest.approx(value, rel=Decimal("1e-12"), abs=Decimal("1e-12")), name
        elif "average" not in name:         # a mean duration is cut to a ten-millionth of a second at every step
            assert quickly[name] == value, name


def test_a_span_takes_the_trades_that_ended_in_it():
    """From its first moment on, and before its end."""
    trades = [trade(0, at, Decimal(at), Decimal(0), Decimal(0), Decimal(0), Decimal(0)) for at in (1, 2, 3, 4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "FEW", 0)
        columns = TradeColumns.of(trades)

    assert _of_many(columns.between(2, 4))["totalProfitLoss"] == 5
