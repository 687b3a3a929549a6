"""Lean's enums that portfolio algorithms on US equities use, with Lean's numbers (Common/Orders, Common/Global.cs)."""

from workbench.engines.embedded.clr import LeanEnum


class Resolution(LeanEnum):
    TICK, SECOND, MINUTE, HOUR, DAILY = range(5)


class SecurityType(LeanEnum):
    BASE, EQUITY, OPTION, COMMODITY, FOREX, FUTURE, CFD, CRYPTO, FUTURE_OPTION, INDEX, INDEX_OPTION, CRYPTO_FUTURE = range(12)


class AccountType(LeanEnum):
    MARGIN, CASH = range(2)


class BrokerageName(LeanEnum):
    DEFAULT, INTERACTIVE_BROKERS_BROKERAGE = range(2)


class DataNormalizationMode(LeanEnum):
    (RAW, ADJUSTED, SPLIT_ADJUSTED, TOTAL_RETURN, FORWARD_PANAMA_CANAL, BACKWARDS_PANAMA_CANAL, BACKWARDS_RATIO,
     SCALED_RAW) = range(8)


class OrderType(LeanEnum):
    (MARKET, LIMIT, STOP_MARKET, STOP_LIMIT, MARKET_ON_OPEN, MARKET_ON_CLOSE, OPTION_EXERCISE, LIMIT_IF_TOUCHED,
     COMBO_MARKET, COMBO_LIMIT, COMBO_LEG_LIMIT, TRAILING_STOP) = range(12)


class OrderStatus(LeanEnum):
    NEW, SUBMITTED, PARTIALLY_FILLED, FILLED = range(4)
    CANCELED, NONE, INVALID, CANCEL_PENDING, UPDATE_SUBMITTED = range(5, 10)


class OrderDirection(LeanEnum):
    BUY, SELL, HOLD = range(3)


class OrderField(LeanEnum):
    LIMIT_PRICE, STOP_PRICE, TRIGGER_PRICE, TRAILING_AMOUNT, TRAILING_AS_PERCENTAGE = range(5)


class SplitType(LeanEnum):
    WARNING, SPLIT_OCCURRED = range(2)


class DelistingType(LeanEnum):
    WARNING, DELISTED = range(2)


class OrderResponseErrorCode(LeanEnum):
    NONE = 0
    PROCESSING_ERROR = -1
    ORDER_ALREADY_EXISTS = -2
    INSUFFICIENT_BUYING_POWER = -3
    BROKERAGE_MODEL_REFUSED_TO_SUBMIT_ORDER = -4
    BROKERAGE_FAILED_TO_SUBMIT_ORDER = -5
    ORDER_QUANTITY_ZERO = -11
    SECURITY_PRICE_ZERO = -16
    SECURITY_HAS_NO_DATA = -19
    MARKET_ON_CLOSE_ORDER_TOO_LATE = -21
    ALGORITHM_WARMING_UP = -24
    NON_TRADABLE_SECURITY = -28
    ORDER_QUANTITY_LESS_THAN_LOT_SIZE = -30
    EXCEEDS_SHORTABLE_QUANTITY = -31
    MARKET_ON_OPEN_NOT_ALLOWED_DURING_REGULAR_HOURS = -35
