"""Deciding: from a strategy and a date to a recorded snapshot and its intents."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.errors import MissingPrice
from workbench.market.folder import Market
from workbench.research.portfolio import checked
from workbench.words import snapshot as snapshots
from workbench.words.identity import thaw
from workbench.words.instrument import Instrument
from workbench.words.snapshot import Item, Snapshot
from workbench.words.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd

Weights = Callable[[Any, Mapping[str, Any]], "pd.Series[float]"]


def decide(
    market: Market, strategy: Strategy, weights: Weights, rebalance_date: date, *,
    holdings: Mapping[str, Decimal] | None = None
) -> Snapshot:
    """Ask a strategy for its target weights, with the data up to the close before `rebalance_date` and nothing later.

    An empty answer means all cash: every symbol of the universe gets weight 0. Raises `NotASession`, `LookAhead`,
    `MissingPrice`, `UnknownName`, or `BadInput` for weights that are not finite numbers.
    """
    as_of = market.calendar.previous(market.calendar.require(rebalance_date))
    parameters = thaw(strategy.parameters)
    universe = _listed(market, rebalance_date, parameters.get("symbols"))
    view = market.view(universe, as_of)
    answer = weights(view, parameters)
    found = checked(answer, _names(universe), where=_where(strategy, rebalance_date))
    return _freeze(market, strategy, _or_cash(found, universe), universe, rebalance_date, as_of, holdings)


def decide_weights(
    market: Market, strategy: Strategy, weights: "pd.Series[float]", rebalance_date: date, *,
    holdings: Mapping[str, Decimal] | None = None
) -> Snapshot:
    """Freeze weights that were decided elsewhere, for a date. The universe is what they name."""
    as_of = market.calendar.previous(market.calendar.require(rebalance_date))
    universe = market.universe(rebalance_date, [str(name) for name in weights.index])
    named = weights.set_axis(_names(universe))         # a company named by a later ticker is meant under the one it has then
    found = checked(named, _names(universe), where=_where(strategy, rebalance_date))
    return _freeze(market, strategy, found, universe, rebalance_date, as_of, holdings)


def _freeze(market: Market, strategy: Strategy, weights: "pd.Series[float]", universe: tuple[Instrument, ...],
            rebalance_date: date, as_of: date, holdings: Mapping[str, Decimal] | None) -> Snapshot:
    by_symbol = {instrument.symbol: instrument for instrument in universe}
    items = []
    for name, weight in weights.items():
        instrument = by_symbol[str(name)]
        try:
            price = market.close(instrument, as_of)
        except MissingPrice:
            if weight:
                raise
            continue                    # nothing is wanted of a stock that has no price: nothing can be held of it either
        items.append(Item(symbol=instrument.symbol, instrument_id=instrument.instrument_id,
                          target_weight=Decimal(str(weight)), decision_price=price))
    return snapshots.take(
        strategy=strategy.name, rebalance_date=rebalance_date, as_of=market.calendar.close(as_of), snapshot_date=as_of,
        parameters=thaw(strategy.parameters), holdings=holdings, data_fingerprint=market.fingerprint(universe, as_of),
        items=tuple(items),
    )


def _listed(market: Market, day: date, symbols: tuple[str, ...] | None) -> tuple[Instrument, ...]:
    """The instruments that a strategy chooses from on a date: of the symbols named, those that are listed by then."""
    listed = set(market.symbols(day))
    found = market.universe(day, None if symbols is None else [name for name in symbols if _is_listed(market, name, day)])
    return tuple(instrument for instrument in found if instrument.symbol in listed)


def _is_listed(market: Market, name: str, day: date) -> bool:
    """Whether a symbol has come by a date; a name that never comes raises `UnknownName`."""
    try:
        market.instrument(name, day)
    except MissingPrice:
        return False
    return True


def _or_cash(weights: "pd.Series[float]", universe: tuple[Instrument, ...]) -> "pd.Series[float]":
    """No weights at all means all cash, and says so for every symbol: an absent symbol would only be left alone."""
    import pandas as pd

    return weights if len(weights) else pd.Series(0.0, index=[instrument.symbol for instrument in universe])


def _names(universe: tuple[Instrument, ...]) -> tuple[str, ...]:
    return tuple(instrument.symbol for instrument in universe)


def _where(strategy: Strategy, day: date) -> str:
    return f"strategy '{strategy.name}' on {day}"
