"""Fee, slippage, fill, margin and brokerage models: Lean's for US equities, and the hooks for an algorithm's own."""

from datetime import datetime, time
from decimal import Decimal
from typing import Any

from workbench.engines.embedded.clock import Hours
from workbench.engines.embedded.clr import ZERO, ClrObject, decimal, hook
from workbench.engines.embedded.enums import AccountType, BrokerageName, OrderType
from workbench.engines.embedded.orders import CashAmount, Order, OrderFee, OrderView
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.times_in_force import Day, GoodTilCanceled, GoodTilDate

MOO_UNTIL = time(9, 28)


class OrderFeeParameters(ClrObject):
    """What a fee model is asked with."""

    def __init__(self, security: Any, order: OrderView) -> None:
        self.security, self.order = security, order


class FeeModel(ClrObject):
    """Base of fee models. An algorithm's own overrides `get_order_fee(parameters)` and returns an OrderFee."""

    clr_name = "QuantConnect.Orders.Fees.FeeModel"

    def __init__(self) -> None:
        pass

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        return OrderFee.ZERO


class ConstantFeeModel(FeeModel):
    """The same fee for every order."""

    clr_name = "QuantConnect.Orders.Fees.ConstantFeeModel"

    def __init__(self, fee: Any, currency: str = "USD") -> None:
        self._fee = OrderFee(CashAmount(abs(decimal(fee)), currency))

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        return self._fee

    def exact_fee(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        return self._fee.value.exact


class InteractiveBrokersFeeModel(FeeModel):
    """US equities: half a cent a share, at least a dollar; and, where above that, at most 0.5 % of the order's value."""

    clr_name = "QuantConnect.Orders.Fees.InteractiveBrokersFeeModel"
    PER_SHARE, LEAST, MOST = Decimal("0.005"), Decimal(1), Decimal("0.005")

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        order = parameters.order._order
        return OrderFee(CashAmount(self.exact_fee(order, order.security), "USD"))

    def exact_fee(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        fee = self.PER_SHARE * abs(order.quantity)
        if fee < self.LEAST:
            return self.LEAST
        return min(fee, self.MOST * abs(order.value(security.price)))


class NullSlippageModel(ClrObject):
    """No slippage."""

    clr_name = "QuantConnect.Orders.Slippage.NullSlippageModel"

    def get_slippage_approximation(self, asset: Any, order: Any) -> float:
        return 0.0

    def exact_slippage(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        return ZERO


class ConstantSlippageModel(ClrObject):
    """A fraction of the newest bar's close."""

    clr_name = "QuantConnect.Orders.Slippage.ConstantSlippageModel"

    def __init__(self, slippage_percent: Any) -> None:
        self._fraction = decimal(slippage_percent)

    def get_slippage_approximation(self, asset: Any, order: Any) -> float:
        return float(decimal(asset.price) * self._fraction)

    def exact_slippage(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        return security.price * self._fraction


class VolumeShareSlippageModel(ClrObject):
    """Impact by share of the bar's volume: share² × impact × price, the share at most the limit."""

    clr_name = "QuantConnect.Orders.Slippage.VolumeShareSlippageModel"

    def __init__(self, volume_limit: Any = 0.025, price_impact: Any = 0.1) -> None:
        self._limit, self._impact = decimal(volume_limit), decimal(price_impact)

    def get_slippage_approximation(self, asset: Any, order: Any) -> float:
        return float(self.exact_slippage(order._order, order._order.security))

    def exact_slippage(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        volume = security.volume
        share = min(abs(order.quantity) / volume, self._limit) if volume else self._limit
        return share * share * self._impact * security.price


class EquityFillModel(ClrObject):
    """Lean's fills for equities: the rules of `fills`. One of an algorithm's own is not asked here."""

    clr_name = "QuantConnect.Orders.Fills.EquityFillModel"


class SecurityMarginModel(ClrObject):
    """Margin of 1 ÷ leverage of what is held."""

    clr_name = "QuantConnect.Securities.SecurityMarginModel"

    def __init__(self, leverage: Any = 1) -> None:
        self.leverage = decimal(leverage)


class BrokerageModel(ClrObject):
    """What a broker takes: leverage, fees, and which orders it refuses, with its words."""

    brokerage = BrokerageName.DEFAULT

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        self.account_type = account_type

    @property
    def leverage(self) -> Decimal:
        """Leverage of US equities: 2 in a margin account, 1 in a cash account."""
        return Decimal(1 if self.account_type is AccountType.CASH else 2)

    def refusal(self, order: Order, now: datetime, hours: Hours) -> str | None:
        """Why the broker does not take the order, or None."""
        return None


class DefaultBrokerageModel(BrokerageModel):
    """Takes everything."""

    clr_name = "QuantConnect.Brokerages.DefaultBrokerageModel"


class InteractiveBrokersBrokerageModel(BrokerageModel):
    """Interactive Brokers: market-on-open only between a close and two minutes before the next open."""

    clr_name = "QuantConnect.Brokerages.InteractiveBrokersBrokerageModel"
    brokerage = BrokerageName.INTERACTIVE_BROKERS_BROKERAGE

    def refusal(self, order: Order, now: datetime, hours: Hours) -> str | None:
        if order.type is OrderType.MARKET_ON_OPEN and not _may_send_for_the_open(now, hours):
            return ("Warning - Code: NotSupported - MarketOnOpen submission time is invalid. Valid local times are  "
                    "04:00– 09:28. Consider setting daily_precise_end_time = false or using self.schedule.on.")
        if not isinstance(order.tif, GoodTilCanceled | Day | GoodTilDate):
            return "Warning - Code: NotSupported - this time in force is not supported by Interactive Brokers."
        return None


def brokerage_model(name: BrokerageName, account_type: AccountType) -> BrokerageModel:
    """The model of a broker by Lean's name for it."""
    if name is BrokerageName.DEFAULT:
        return DefaultBrokerageModel(account_type)
    return InteractiveBrokersBrokerageModel(account_type)


def _may_send_for_the_open(now: datetime, hours: Hours) -> bool:
    day = now.date()
    if not hours.is_session(day):
        return True
    return now.time() < MOO_UNTIL or now >= hours.close_of(day)


def fee_of(order: Order) -> Decimal:
    """What the security's fee model asks for the whole order at the present price, in dollars."""
    security = order.security
    model = security.fee_model
    if type(model) in (InteractiveBrokersFeeModel, ConstantFeeModel):
        exact: Decimal = model.exact_fee(order, security)
        return exact
    given = hook(model, "get_order_fee")(OrderFeeParameters(security.face, OrderView(order)))
    fee: Decimal = given.value.exact
    return fee


def slippage_of(order: Order) -> Decimal:
    """What the security's slippage model asks for the order at the present price, in dollars a share."""
    security = order.security
    model = security.slippage_model
    if type(model) in (NullSlippageModel, ConstantSlippageModel, VolumeShareSlippageModel):
        exact: Decimal = model.exact_slippage(order, security)
        return exact
    return decimal(hook(model, "get_slippage_approximation")(security.face, OrderView(order)))
