"""`self.settings` and `self.universe_settings`."""

from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from workbench.engines.embedded import targets
from workbench.engines.embedded.clr import ClrValues, decimal
from workbench.engines.embedded.enums import DataNormalizationMode, Resolution
from workbench.errors import NotSupported


class AlgorithmSettings(ClrValues):
    """`self.settings`."""

    free_portfolio_value_percentage: Any = 0.0025
    free_portfolio_value: Any = None
    minimum_order_margin_portfolio_percentage: Any = 0.001
    max_absolute_portfolio_target_percentage: Any = 1e9
    min_absolute_portfolio_target_percentage: Any = 1e-10
    liquidate_enabled = True
    daily_precise_end_time = True
    stale_price_time_span = timedelta(hours=1)
    seed_initial_prices = False
    trading_days_per_year: int | None = None
    automatic_indicator_warm_up = False
    data_subscription_limit = 2**31 - 1
    warm_up_resolution: Resolution | None = None
    warmup_resolution: Resolution | None = None
    rebalance_portfolio_on_security_changes: bool | None = None
    rebalance_portfolio_on_insight_changes: bool | None = None
    performance_sample_period = timedelta(0)
    ignore_unknown_asset_holdings = False

    def sizes(self) -> targets.Sizes:
        """The part that sizing reads, exact."""
        return _sizes(self.free_portfolio_value_percentage, self.free_portfolio_value,
                      self.minimum_order_margin_portfolio_percentage, self.max_absolute_portfolio_target_percentage,
                      self.min_absolute_portfolio_target_percentage)

    def free(self, value: Decimal) -> Decimal:
        """Dollars of a portfolio's value that sizing leaves alone."""
        return self.sizes().free(value)

    def check(self) -> None:
        """Raise for a setting whose effect the embedded engine does not have."""
        for name, value in ONLY.items():
            if getattr(self, name) != value:
                raise NotSupported(f"settings.{name} = {getattr(self, name)}")


@lru_cache(maxsize=16)
def _sizes(percentage: Any, free: Any, minimum: Any, most: Any, least: Any) -> targets.Sizes:
    return targets.Sizes(decimal(percentage), None if free is None else decimal(free), decimal(minimum), decimal(most),
                         decimal(least))


# Settings that this engine has at Lean's default only.
ONLY = {
    "daily_precise_end_time": True, "seed_initial_prices": False, "automatic_indicator_warm_up": False,
    "stale_price_time_span": timedelta(hours=1), "trading_days_per_year": None, "performance_sample_period": timedelta(0),
    "warm_up_resolution": None, "warmup_resolution": None,
}


class UniverseSettings(ClrValues):
    """`self.universe_settings`: the defaults of `add_equity`."""

    resolution = Resolution.MINUTE
    data_normalization_mode = DataNormalizationMode.ADJUSTED
    leverage: Any = 0.0
    fill_forward = True
    extended_market_hours = False
    asynchronous: bool | None = None
    minimum_time_in_universe = timedelta(days=1)
