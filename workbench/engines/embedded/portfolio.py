"""`self.portfolio`: the account, and by symbol what it holds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.engines.embedded.clr import ZERO, ClrObject, ClrOwner, KeyNotFoundException, KeyValuePair, real
from workbench.engines.embedded.enums import OrderDirection
from workbench.engines.embedded.securities import EquityHolding, SecurityManager, unrealized_after_fee
from workbench.engines.embedded.slices import Symbol

if TYPE_CHECKING:
    from workbench.engines.embedded.backtest import Backtest


class Cash(ClrObject):
    """One currency of the cash book."""

    symbol, currency_symbol, conversion_rate = "USD", "$", 1.0

    def __init__(self, run: "Backtest", *, settled: bool = True) -> None:
        self._run, self._settled = run, settled

    @property
    def amount(self) -> float:
        account = self._run.account
        return real(account.cash if self._settled else account.unsettled)

    @property
    def value_in_account_currency(self) -> float:
        return self.amount


class CashBook(ClrObject):
    """`self.portfolio.cash_book`: dollars only."""

    account_currency = "USD"

    def __init__(self, run: "Backtest", *, settled: bool = True) -> None:
        self._cash = Cash(run, settled=settled)

    @property
    def count(self) -> int:
        return 1

    @property
    def total_value_in_account_currency(self) -> float:
        return self._cash.amount

    def keys(self) -> list[str]:
        return ["USD"]

    def values(self) -> list[Cash]:
        return [self._cash]

    def items(self) -> list[tuple[str, Cash]]:
        return [("USD", self._cash)]

    def contains_key(self, symbol: str) -> bool:
        return symbol == "USD"

    def get(self, symbol: str, default_value: Any = None) -> Any:
        return self._cash if symbol == "USD" else default_value

    def __contains__(self, symbol: object) -> bool:
        return symbol == "USD"

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[KeyValuePair]:
        return iter([KeyValuePair("USD", self._cash)])

    def __getitem__(self, symbol: str) -> Cash:
        if symbol != "USD":
            raise KeyNotFoundException(f"This cash symbol ({symbol}) was not found in your cash book.")
        return self._cash


class SecurityPortfolioManager(ClrOwner):
    """The account, and by symbol or ticker what it holds."""

    securities: SecurityManager
    cash_book: CashBook
    unsettled_cash_book: CashBook

    def __init__(self, run: "Backtest", securities: SecurityManager) -> None:
        self._run, self.securities = run, securities
        self.cash_book, self.unsettled_cash_book = CashBook(run), CashBook(run, settled=False)

    @property
    def cash(self) -> float:
        return real(self._run.account.cash)

    @property
    def unsettled_cash(self) -> float:
        return real(self._run.account.unsettled)

    @property
    def total_portfolio_value(self) -> float:
        return real(self._run.account.value)

    @property
    def total_portfolio_value_less_free_buffer(self) -> float:
        value = self._run.account.value
        return real(value - self._run.algorithm.settings.free(value))

    @property
    def total_holdings_value(self) -> float:
        return real(sum((abs(s.quantity) * s.price for s in self._run.account.held), ZERO))

    @property
    def total_absolute_holdings_cost(self) -> float:
        return real(sum((abs(s.quantity) * s.average_price for s in self._run.account.held), ZERO))

    @property
    def total_unlevered_absolute_holdings_cost(self) -> float:
        return real(sum((abs(s.quantity) * s.average_price / s.leverage for s in self._run.account.held), ZERO))

    @property
    def total_fees(self) -> float:
        return real(self._run.account.fees)

    @property
    def total_profit(self) -> float:
        return real(self._run.account.profit)

    @property
    def total_net_profit(self) -> float:
        return real(self._run.account.profit - self._run.account.fees)

    @property
    def total_sale_volume(self) -> float:
        return real(self._run.account.sale_volume)

    @property
    def total_unrealized_profit(self) -> float:
        return real(sum((unrealized_after_fee(s) for s in self._run.account.held), ZERO))

    @property
    def total_unrealised_profit(self) -> float:
        return self.total_unrealized_profit

    @property
    def total_margin_used(self) -> float:
        return real(self._run.account.margin_used)

    @property
    def margin_remaining(self) -> float:
        return real(self._run.account.margin_remaining)

    @property
    def invested(self) -> bool:
        return bool(self._run.account.held)

    @property
    def hold_stock(self) -> bool:
        return self.invested

    def get_margin_remaining(self, symbol: Any, direction: OrderDirection = OrderDirection.BUY) -> float:
        """What an order of a direction may use: against the position, its margin twice over comes to what is free."""
        security = self.securities[symbol]._security
        return real(self._run.account.free_margin(security, ZERO + {OrderDirection.BUY: 1, OrderDirection.SELL: -1}[direction]))

    def get_buying_power(self, symbol: Any, direction: OrderDirection = OrderDirection.BUY) -> float:
        return self.get_margin_remaining(symbol, direction)

    @property
    def count(self) -> int:
        return len(self.securities)

    def keys(self) -> list[Symbol]:
        return self.securities.keys()

    def values(self) -> list[EquityHolding]:
        return [face.holdings for face in self.securities.values()]

    def items(self) -> list[tuple[Symbol, EquityHolding]]:
        return [(symbol, face.holdings) for symbol, face in self.securities.items()]

    def get(self, key: Any, default_value: Any = None) -> Any:
        found = self.securities.find(key)
        return default_value if found is None else found.face.holdings

    def contains_key(self, key: Any) -> bool:
        return key in self.securities

    def try_get_value(self, key: Any, default_value: Any = None) -> tuple[bool, Any]:
        return self.contains_key(key), self.get(key, default_value)

    def __contains__(self, key: object) -> bool:
        return key in self.securities

    def __len__(self) -> int:
        return len(self.securities)

    def __iter__(self) -> Iterator[KeyValuePair]:
        return (KeyValuePair(pair.key, pair.value.holdings) for pair in self.securities)

    def __getitem__(self, key: Any) -> EquityHolding:
        return self.securities[key].holdings
