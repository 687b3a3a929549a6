"""Statistics of many trades, made from columns, are those of Lean's running sums."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines.embedded import trade_columns
from workbench.engines.embedded.statistics import _of_many, _of_trades
from workbench.engines.embedded.trade_columns import Span, TradeColumns
from workbench.engines.embedded.trades import Trade

MONEY = st.decimals(-5000, 5000, places=4)
GAINS = st.decimals(0, 5000, places=3)


def trade(entered, length, profit, adverse, favorable, given_back, fees):
    """A closed trade whose shares and prices no statistic looks at."""
    return Trade(security=None, entered=entered, entry_price=Decimal(1), is_long=True, quantity=Decimal(1),
                 exited=entered + length, exit_price=Decimal(1), profit=profit, fees=fees, adverse=-adverse, favorable=favorable,
                 given_back=given_back, orders=(1, 2))


TRADES = st.lists(st.builds(trade, st.integers(0, 10**8), st.integers(0, 10**7), MONEY, GAINS, GAINS, GAINS, GAINS), max_size=20)


@pytest.mark.parametrize("safe", [2**60, 0], ids=["64 bits", "whole numbers of any size"])
@given(before=TRADES, trades=TRADES, after=TRADES)
def test_columns_and_running_sums_agree(safe, before, trades, after):
    """Every member, of a span among others: texts and counts alike, numbers to 1e-12 relative, whether or not 64 bits hold sums."""
    for part in (before, trades, after):
        part.sort(key=lambda one: one.exited)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trade_columns, "SAFE", safe)
        columns = TradeColumns([*before, *trades, *after])
    slowly, quickly = _of_trades(trades), _of_many(Span(columns, len(before), len(before) + len(trades)))

    assert list(slowly) == list(quickly)
    for name, value in slowly.items():
        if isinstance(value, Decimal):
            assert quickly[name] == pytest.approx(value, rel=Decimal("1e-12"), abs=Decimal("1e-12")), name
        elif "average" not in name:         # a mean duration is cut to a ten-millionth of a second at every step
            assert quickly[name] == value, name


def test_a_span_takes_the_trades_that_ended_in_it():
    """From its first moment on, and before its end."""
    trades = [trade(0, at, Decimal(at), Decimal(0), Decimal(0), Decimal(0), Decimal(0)) for at in (1, 2, 3, 4)]

    assert _of_many(TradeColumns(trades).between(2, 4))["totalProfitLoss"] == 5
