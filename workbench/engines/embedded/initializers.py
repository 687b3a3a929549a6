"""What a stock is set up with when it is added: the broker's models, or what the algorithm's own initializer gives it."""

from typing import TYPE_CHECKING, Any, ClassVar

from workbench.engines.embedded.clr import ClrObject, decimal, hook, overridden
from workbench.engines.embedded.models import InteractiveBrokersFeeModel, NullSlippageModel
from workbench.engines.embedded.securities import Equity
from workbench.engines.embedded.security import Security
from workbench.errors import NotSupported

if TYPE_CHECKING:
    from workbench.engines.embedded.backtest import Backtest

BARE_LEVERAGE = decimal(2)      # of a stock that no broker's model has been at


class SecuritySeeder(ClrObject):
    """First prices of securities: none are given."""

    NULL: ClassVar["SecuritySeeder"]


SecuritySeeder.NULL = SecuritySeeder()


class BrokerageModelSecurityInitializer(ClrObject):
    """Gives a security its broker's models and leverage. An algorithm's own calls it by `super().initialize(security)`."""

    def __init__(self, brokerage_model: Any = None, security_seeder: Any = SecuritySeeder.NULL) -> None:
        if security_seeder is not SecuritySeeder.NULL:
            raise NotSupported("a security seeder")
        self._broker = brokerage_model

    def initialize(self, security: Equity) -> None:
        broker, core = self._broker, security._security
        core.set_leverage(decimal(hook(broker, "get_leverage")(security)))
        core.fee_model, core.slippage_model = hook(broker, "get_fee_model")(security), hook(broker, "get_slippage_model")(security)


class Initializers:
    """Those of a run: the one that an algorithm has set stands in the broker's place, those it has added come after."""

    def __init__(self, run: "Backtest") -> None:
        self._run = run
        self._own: Any = None
        self._added: list[Any] = []

    def set(self, initializer: Any) -> None:
        """Set the algorithm's own. A function leaves the broker's settlement out too: what a sale brings is there at once."""
        self._own = initializer
        if not isinstance(initializer, BrokerageModelSecurityInitializer):
            self._run.account.delayed = False

    def add(self, initializer: Any) -> None:
        """Let one come after the others."""
        self._added.append(initializer)

    def hear_broker(self) -> bool:
        """Set up the stocks that are there for another broker, who leaves them their leverage. False where the algorithm's own
        initializer stands in the broker's place."""
        if self._own is not None:
            return False
        for security in self._run.securities:
            leverage = security.leverage
            self.initialize(security)
            security.face.set_leverage(leverage)
        return True

    def initialize(self, security: Security) -> None:
        """Set up one stock."""
        if self._own is None:
            BrokerageModelSecurityInitializer(self._run.brokerage).initialize(security.face)
        else:
            security.set_leverage(BARE_LEVERAGE)
            security.fee_model, security.slippage_model = InteractiveBrokersFeeModel(), NullSlippageModel()
            _ask(self._own, security.face)
        for initializer in self._added:
            _ask(initializer, security.face)


def _ask(initializer: Any, face: Equity) -> None:
    """Initializers are functions, or objects with a method of that name."""
    own = overridden(initializer, "initialize")
    if own is None and isinstance(initializer, BrokerageModelSecurityInitializer):
        own = initializer.initialize
    (own or initializer)(face)
