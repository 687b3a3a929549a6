"""Fee, slippage, fill, margin and brokerage models: Lean's for US equities, and the hooks for an algorithm's own."""

from datetime import datetime, time
from decimal import Decimal
from typing import Any

from workbench.engines.embedded.clock import Hours
from workbench.engines.embedded.clr import ZERO, ClrObject, decimal, hook, overridden, pascal, real
from workbench.engines.embedded.enums import AccountType, BrokerageMessageType, BrokerageName, OrderType, SecurityType
from workbench.engines.embedded.orders import CashAmount, Order, OrderFee
from workbench.engines.embedded.requests import OrderRequest
from workbench.engines.embedded.security import Security
from workbench.engines.embedded.times_in_force import (
    DayTimeInForce,
    GoodTilCanceledTimeInForce,
    GoodTilDateTimeInForce,
    TimeInForce,
)
from workbench.engines.embedded.views import Order as OrderView
from workbench.engines.embedded.views import view
from workbench.errors import NotSupported

MOO_UNTIL = time(9, 28)
NOT_ASKED = ("apply_split", "can_execute_order", "get_benchmark", "get_buying_power_model", "get_fill_model",
             "get_margin_interest_rate_model", "get_settlement_model", "get_shortable_provider")


class OrderFeeParameters(ClrObject):
    """What a fee model is asked with."""

    def __init__(self, security: Any, order: OrderView) -> None:
        self.security, self.order = security, order


class FeeModel(ClrObject):
    """Base of fee models. An algorithm's own overrides `get_order_fee(parameters)` and returns an OrderFee."""


    def __init__(self) -> None:
        pass

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        return OrderFee.ZERO


class ConstantFeeModel(FeeModel):
    """The same fee for every order."""


    def __init__(self, fee: Any, currency: str = "USD") -> None:
        self._fee = OrderFee(CashAmount(abs(decimal(fee)), currency))

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        return self._fee

    def exact_fee(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        return self._fee.value.exact


class InteractiveBrokersFeeModel(FeeModel):
    """US equities: half a cent a share, at least a dollar; and, where above that, at most 0.5 % of the order's value."""

    PER_SHARE, LEAST, MOST = Decimal("0.005"), Decimal(1), Decimal("0.005")

    def get_order_fee(self, parameters: OrderFeeParameters) -> OrderFee:
        order = parameters.order._order
        return OrderFee(CashAmount(self.exact_fee(order, order.security), "USD"))

    def exact_fee(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        return self._for_shares(order.quantity, order.value(security.price))

    def _for_shares(self, quantity: Decimal, value: Decimal) -> Decimal:
        """The fee of so many shares that are worth so much."""
        fee = self.PER_SHARE * abs(quantity)
        if fee < self.LEAST:
            return self.LEAST
        most = self.MOST * abs(value)
        return most if most < fee else fee


class NullSlippageModel(ClrObject):
    """No slippage."""


    def get_slippage_approximation(self, asset: Any, order: Any) -> float:
        return 0.0

    def exact_slippage(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        return ZERO


class ConstantSlippageModel(ClrObject):
    """A fraction of the newest bar's close."""


    def __init__(self, slippage_percent: Any) -> None:
        self._fraction = decimal(slippage_percent)

    def get_slippage_approximation(self, asset: Any, order: Any) -> float:
        return real(decimal(asset.price) * self._fraction)

    def exact_slippage(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        return security.price * self._fraction


class VolumeShareSlippageModel(ClrObject):
    """Impact by share of the bar's volume: share² × impact × price, the share at most the limit."""


    def __init__(self, volume_limit: Any = 0.025, price_impact: Any = 0.1) -> None:
        self._limit, self._impact = decimal(volume_limit), decimal(price_impact)

    def get_slippage_approximation(self, asset: Any, order: Any) -> float:
        return real(self.exact_slippage(order._order, order._order.security))

    def exact_slippage(self, order: Order, security: Security) -> Decimal:
        """The same in exact decimals."""
        volume = security.volume
        share = min(abs(order.quantity) / volume, self._limit) if volume else self._limit
        return share * share * self._impact * security.price


class CashBuyingPowerModel(ClrObject):
    """Buying power of an account without margin; no stock is given it here, nor by Lean's brokerage models."""


class SecurityMarginModel(ClrObject):
    """Margin of 1 ÷ leverage of what is held."""


    def __init__(self, leverage: Any = 1) -> None:
        self.leverage = decimal(leverage)

    def get_leverage(self, security: Any) -> float:
        return real(security._security.leverage)

    def set_leverage(self, security: Any, leverage: Any) -> None:
        security.set_leverage(leverage)


class BrokerageMessageEvent(ClrObject):
    """What a broker has to say."""

    def __init__(self, type: BrokerageMessageType, code: Any, message: str) -> None:
        self.type, self.code, self.message = type, str(code), message

    def __str__(self) -> str:
        return f"{pascal(str(self.type))} - Code: {self.code} - {self.message}"


class DefaultBrokerageModel(ClrObject):
    """What a broker takes: leverage, fees, and which orders it refuses, with its words. This one takes everything.

    An algorithm's own overrides `get_leverage`, `get_fee_model`, `get_slippage_model`, `can_submit_order`, `can_update_order`.
    """

    brokerage = BrokerageName.DEFAULT

    def __init__(self, account_type: AccountType = AccountType.MARGIN) -> None:
        self.account_type = account_type

    @property
    def default_markets(self) -> dict[SecurityType, str]:
        return {SecurityType.EQUITY: "usa"}

    @property
    def required_free_buying_power_percent(self) -> float:
        return 0.0

    def get_leverage(self, security: Any) -> float:
        """Leverage of US equities: 2 in a margin account, 1 in a cash account."""
        return 1.0 if self.account_type is AccountType.CASH else 2.0

    def get_fee_model(self, security: Any) -> FeeModel:
        return InteractiveBrokersFeeModel()

    def get_slippage_model(self, security: Any) -> Any:
        return NullSlippageModel()

    def refusal(self, order: Order, now: datetime, hours: Hours) -> str | None:
        """Why the broker does not take the order, or None."""
        asked = overridden(self, "can_submit_order")
        if asked is None:
            return None
        taken, message = asked(order.security.face, view(order), None)
        return None if taken else str(message or BrokerageMessageEvent(BrokerageMessageType.WARNING, "InvalidOrder", ""))

    def update_refusal(self, order: Order, request: OrderRequest) -> str | None:
        """Why the broker does not take a change of the order, or None."""
        asked = overridden(self, "can_update_order")
        if asked is None:
            return None
        taken, message = asked(order.security.face, view(order), request, None)
        return None if taken else str(message or BrokerageMessageEvent(
            BrokerageMessageType.WARNING, "InvalidRequest", f"BrokerageModel declared unable to update order: {order.id}"))

    def check(self) -> None:
        """Raise NotSupported for a rule of an algorithm's own that this engine does not ask for."""
        for name in NOT_ASKED:
            if overridden(self, name) is not None:
                raise NotSupported(f"a brokerage model with its own {name}")


class InteractiveBrokersBrokerageModel(DefaultBrokerageModel):
    """Interactive Brokers: market-on-open only between a close and two minutes before the next open."""

    brokerage = BrokerageName.INTERACTIVE_BROKERS_BROKERAGE

    def refusal(self, order: Order, now: datetime, hours: Hours) -> str | None:
        if order.type is OrderType.MARKET_ON_OPEN and not _may_send_for_the_open(now, hours):
            return ("Warning - Code: NotSupported - MarketOnOpen submission time is invalid. Valid local times are  "
                    "04:00– 09:28. Consider setting daily_precise_end_time = false or using self.schedule.on.")
        if not isinstance(order.tif, GoodTilCanceledTimeInForce | DayTimeInForce | GoodTilDateTimeInForce):
            return "Warning - Code: NotSupported - this time in force is not supported by Interactive Brokers."
        return super().refusal(order, now, hours)


BrokerageModel = DefaultBrokerageModel      # the seam's name for the core


def brokerage_model(name: BrokerageName, account_type: AccountType) -> DefaultBrokerageModel:
    """The model of a broker by Lean's name for it."""
    if name is BrokerageName.DEFAULT:
        return DefaultBrokerageModel(account_type)
    if name is BrokerageName.INTERACTIVE_BROKERS_BROKERAGE:
        return InteractiveBrokersBrokerageModel(account_type)
    raise NotSupported(f"BrokerageName.{name}")


def _may_send_for_the_open(now: datetime, hours: Hours) -> bool:
    day = now.date()
    if not hours.is_session(day):
        return True
    return now.time() < MOO_UNTIL or now >= hours.close_of(day)


def fee_of(order: Order) -> Decimal:
    """What the security's fee model asks for the whole order at the present price, in dollars."""
    security = order.security
    model = security.fee_model
    if type(model) is InteractiveBrokersFeeModel:
        return model._for_shares(order.quantity, order.value(security.price))
    if type(model) is ConstantFeeModel:
        return model.exact_fee(order, security)
    given = hook(model, "get_order_fee")(OrderFeeParameters(security.face, view(order)))
    fee: Decimal = given.value.exact
    return fee


def market_fee(security: Security, quantity: Decimal, utc: int) -> Decimal:
    """What the fee model would ask for an order at the market, in dollars."""
    model = security.fee_model
    if type(model) is InteractiveBrokersFeeModel:
        return model._for_shares(quantity, quantity * security.price)
    return fee_of(Order(OrderType.MARKET, security, quantity, "", TimeInForce.GOOD_TIL_CANCELED, utc))


def slippage_of(order: Order) -> Decimal:
    """What the security's slippage model asks for the order at the present price, in dollars a share."""
    security = order.security
    model = security.slippage_model
    if type(model) is NullSlippageModel:
        return ZERO
    if type(model) in (ConstantSlippageModel, VolumeShareSlippageModel):
        exact: Decimal = model.exact_slippage(order, security)
        return exact
    return decimal(hook(model, "get_slippage_approximation")(security.face, view(order)))
