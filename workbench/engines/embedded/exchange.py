"""`security.exchange`: the exchange's hours and a stock's trading units, as an algorithm asks for them."""

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from workbench.engines.embedded.clr import ClrObject
from workbench.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engines.embedded.backtest import Backtest


class CachedDateTimeZone(ClrObject):
    """A time zone."""

    def __init__(self, id: str) -> None:
        self.id = id

    def __str__(self) -> str:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CachedDateTimeZone) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


class TimeZones(ClrObject):
    """Time zones by name."""

    NEW_YORK = CachedDateTimeZone("America/New_York")
    UTC = CachedDateTimeZone("UTC")
    LONDON, BERLIN, PARIS, ZURICH = (CachedDateTimeZone(f"Europe/{city}") for city in ("London", "Berlin", "Paris", "Zurich"))
    CHICAGO, DENVER, LOS_ANGELES, TORONTO = (
        CachedDateTimeZone(f"America/{city}") for city in ("Chicago", "Denver", "Los_Angeles", "Toronto"))
    TOKYO, HONG_KONG, SHANGHAI = (CachedDateTimeZone(f"Asia/{city}") for city in ("Tokyo", "Hong_Kong", "Shanghai"))


NEW_YORK = TimeZones.NEW_YORK


class Market(ClrObject):
    """Markets by name."""

    USA, OANDA, FXCM, DUKASCOPY, BITFINEX, GLOBEX = "usa", "oanda", "fxcm", "dukascopy", "bitfinex", "cmeglobex"
    NYMEX, CBOT, ICE, CBOE, CFE, INDIA = "nymex", "cbot", "ice", "cboe", "cfe", "india"
    COMEX, CME, EUREX, SGX, HKFE, OSE = "comex", "cme", "eurex", "sgx", "hkfe", "ose"
    NYSELIFFE, KRAKEN, BITSTAMP, OK_COIN, BITHUMB, BINANCE = "nyseliffe", "kraken", "bitstamp", "okcoin", "bithumb", "binance"
    POLONIEX, COINONE, HIT_BTC, BITTREX, FTX, FTXUS = "poloniex", "coinone", "hitbtc", "bittrex", "ftx", "ftxus"
    BINANCE_US, BYBIT, COINBASE, DYDX, KRX = "binanceus", "bybit", "coinbase", "dydx", "krx"
    INTERACTIVE_BROKERS = "interactivebrokers"


class SecurityExchangeHours(ClrObject):
    """`security.exchange.hours`: regular hours only."""

    is_market_always_open = False
    regular_market_duration = timedelta(hours=6, minutes=30)
    time_zone = NEW_YORK

    def __init__(self, run: "Backtest") -> None:
        self._run = run

    @property
    def early_closes(self) -> dict[datetime, timedelta]:
        closes = self._run.hours.calendar.early_closes.items()
        return {_moment(day): timedelta(hours=at.hour, minutes=at.minute) for day, at in closes}

    def get_next_market_open(self, local_date_time: datetime, extended_market_hours: bool = False) -> datetime:
        regular_only(extended_market_hours)
        return self._run.hours.next_open(local_date_time)

    def get_next_market_close(self, local_date_time: datetime, extended_market_hours: bool = False) -> datetime:
        regular_only(extended_market_hours)
        return self._run.hours.next_close(local_date_time)

    def get_previous_trading_day(self, local_date: datetime | date) -> datetime:
        return self._trading_day(local_date, -1)

    def get_next_trading_day(self, date: datetime | date) -> datetime:
        return self._trading_day(date, 1)

    def is_date_open(self, local_date_time: datetime | date, extended_market_hours: bool = False) -> bool:
        regular_only(extended_market_hours)
        return self._run.hours.is_session(day_of(local_date_time))

    def is_open(self, local_date_time: datetime, extended_market_hours: bool = False) -> bool:
        regular_only(extended_market_hours)
        return self._run.hours.is_open(local_date_time)

    def _trading_day(self, after: datetime | date, step: int) -> datetime:
        day = day_of(after) + timedelta(days=step)
        while not self._run.hours.is_session(day):
            day += timedelta(days=step)
        return _moment(day)


class EquityExchange(ClrObject):
    """`security.exchange`."""

    trading_days_per_year = 252

    def __init__(self, run: "Backtest") -> None:
        self._run = run
        self.hours = SecurityExchangeHours(run)

    @property
    def local_time(self) -> datetime:
        return self._run.local

    @property
    def time_zone(self) -> CachedDateTimeZone:
        return NEW_YORK

    @property
    def exchange_open(self) -> bool:
        return self._run.hours.is_open(self._run.local)

    def date_is_open(self, date_to_check: datetime | date) -> bool:
        return self._run.hours.is_session(day_of(date_to_check))

    def date_time_is_open(self, date_time: datetime) -> bool:
        return self._run.hours.is_open(date_time)


class SymbolProperties(ClrObject):
    """`security.symbol_properties` of US equities."""

    description = ""
    market_ticker = ""
    quote_currency = "USD"
    lot_size, contract_multiplier, price_magnifier, strike_multiplier = 1.0, 1.0, 1.0, 1.0
    minimum_price_variation = 0.01
    minimum_order_size: float | None = None


def regular_only(extended: bool) -> None:
    """Raise NotSupported where extended hours are asked for."""
    if extended:
        raise NotSupported("extended market hours")


def day_of(when: Any) -> date:
    """The day of a date or a moment."""
    day: date = when.date() if isinstance(when, datetime) else when
    return day


def _moment(day: date) -> datetime:
    return datetime.combine(day, time())
