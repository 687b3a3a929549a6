"""Execution params: how the decided weights are traded. One reading of the file, inside Lean and outside it.

Standard library only: Lean imports this module by its bare name, from the algorithm's folder.
"""

import difflib
import re
from dataclasses import MISSING, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any

SCHEMA = "params/1"
SYMBOL = re.compile(r"[A-Z0-9.\-]{1,12}")
ROUNDINGS = ("up", "down", "nearest", "fit")
ORDER_TYPES = ("MKT", "MOO", "MOC", "LMT")
TIMES_IN_FORCE = ("GTC", "DAY")
BROKERAGES = ("ib-margin", "ib-cash", "default")
NORMALIZATIONS = ("raw", "adjusted")
RESOLUTIONS = ("daily", "minute")


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Limits that no order may pass; None means no limit. Weights and turnover are fractions of the budget.

    `max_turnover` is one-way, ½ Σ|order value| ÷ E. `max_daily_loss` is a fraction of the value at the last
    session's close.
    """

    max_weight: Decimal | None = None
    max_gross: Decimal | None = None
    max_order_notional: Decimal | None = None
    max_turnover: Decimal | None = None
    allow_short: bool = True
    blocked: tuple[str, ...] = ()
    price_collar_bps: Decimal | None = None
    max_orders_per_minute: int | None = None
    max_daily_loss: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionParams:
    """How decided weights become orders; the same fields and defaults in a backtest, on paper and live."""

    min_qty: int = 1
    lot_size: int = 1
    cash_buffer_ratio: Decimal = Decimal(0)
    rounding: str = "fit"
    fee_bps: Decimal = Decimal(0)
    slippage_open_bps: Decimal = Decimal(0)
    slippage_close_bps: Decimal = Decimal(0)
    order_type: str = "MOO"
    limit_offset_bps: Decimal = Decimal(0)
    time_in_force: str = "GTC"
    close_unlisted: bool = True
    capital_fraction: Decimal = Decimal(1)
    max_price_age_sessions: int = 1
    brokerage: str = "ib-margin"
    normalization: str = "raw"
    resolution: str = "daily"
    risk_overrides: RiskLimits = field(default_factory=RiskLimits)

    def body(self) -> dict[str, Any]:
        """Every field by name, ready to be written or hashed; limits that are not set are left out."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        limits = self.risk_overrides
        values["risk_overrides"] = {
            item.name: _listed(getattr(limits, item.name))
            for item in fields(limits)
            if getattr(limits, item.name) != item.default
        }
        return values


def read(given: Any) -> ExecutionParams:
    """Params from a parsed JSON object. Raises ValueError naming the field, the value and what is allowed."""
    if not isinstance(given, dict):
        raise ValueError(f"execution params must be an object with fields, not {type(given).__name__}")
    if given.get("schema", SCHEMA) != SCHEMA:
        raise ValueError(f"schema {given['schema']!r} is not {SCHEMA}")
    given = {name: value for name, value in given.items() if name != "schema"}
    defaults = {item.name: item.default for item in fields(ExecutionParams)}
    _refuse_unknown("execution param", given, defaults)
    values: dict[str, Any] = {name: _READERS[name](name, value) for name, value in given.items() if value is not None}
    params = ExecutionParams(**{name: value for name, value in values.items() if value is not None})
    if params.time_in_force == "DAY" and params.resolution == "daily":
        raise ValueError("time_in_force DAY with daily bars never fills (an order expires at the close, before the bar "
                         "that would fill it); use GTC, or resolution minute")
    return params


def _limits(name: str, given: Any) -> RiskLimits:
    if not isinstance(given, dict):
        raise ValueError(f"{name} must be an object, not {given!r}")
    defaults = {item.name: item.default for item in fields(RiskLimits)}
    _refuse_unknown("risk override", given, defaults)
    values = {key: _LIMIT_READERS[key](f"{name}.{key}", value) for key, value in given.items() if value is not None}
    return RiskLimits(**{key: value for key, value in values.items() if value is not None})


def _refuse_unknown(kind: str, given: dict[str, Any], known: dict[str, Any]) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            raise ValueError(f"unknown {kind} '{name}'; " + (f"did you mean '{near[0]}'?" if near
                                                            else f"known: {', '.join(sorted(known))}"))


def _number(name: str, value: Any, low: Decimal | None = Decimal(0)) -> Decimal:
    """A finite number from a number or its text; floats by their shortest text, so 0.1 is 0.1."""
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"{name} must be finite, not {value!r}")
    if low is not None and number < low:
        raise ValueError(f"{name} must not be below {low}, got {number}")
    return number


def _count(name: str, value: Any) -> int | None:
    """A whole number above zero; 0 asks for the default."""
    number = _number(name, value)
    if number != number.to_integral_value():
        raise ValueError(f"{name} must be a whole number, got {number}")
    return int(number) or None


def _ratio(name: str, value: Any) -> Decimal:
    number = _number(name, value)
    if number >= 1:
        raise ValueError(f"{name} must be in [0, 1), got {number}")
    return number


def _fraction(name: str, value: Any) -> Decimal:
    number = _number(name, value)
    if not 0 < number <= 1:
        raise ValueError(f"{name} must be in (0, 1], got {number}")
    return number


def _signed(name: str, value: Any) -> Decimal:
    return _number(name, value, low=None)


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "false"):
        return text == "true"
    raise ValueError(f"{name} must be true or false, not {value!r}")


def _symbols(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise ValueError(f"{name} must be a list of symbols, not {value!r}")
    found = {str(item).strip().upper() for item in value}
    for symbol in found:
        if not SYMBOL.fullmatch(symbol):
            raise ValueError(f"{name}: {symbol!r} is not a US ticker, and would match none")
    return tuple(sorted(found))


def _one_of(allowed: tuple[str, ...]) -> Any:
    def read_choice(name: str, value: Any) -> str:
        wanted = str(value).strip()
        for choice in allowed:
            if wanted.lower() == choice.lower():
                return choice
        near = difflib.get_close_matches(wanted, allowed, n=1, cutoff=0.4)
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {value!r}"
                         + (f"; did you mean '{near[0]}'?" if near else ""))
    return read_choice


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_READERS: dict[str, Any] = {
    "min_qty": _count, "lot_size": _count, "cash_buffer_ratio": _ratio, "rounding": _one_of(ROUNDINGS),
    "fee_bps": _number, "slippage_open_bps": _number, "slippage_close_bps": _number,
    "order_type": _one_of(ORDER_TYPES), "limit_offset_bps": _signed, "time_in_force": _one_of(TIMES_IN_FORCE),
    "close_unlisted": _flag, "capital_fraction": _fraction, "max_price_age_sessions": _count,
    "brokerage": _one_of(BROKERAGES), "normalization": _one_of(NORMALIZATIONS), "resolution": _one_of(RESOLUTIONS),
    "risk_overrides": _limits,
}
_LIMIT_READERS: dict[str, Any] = {
    "max_weight": _number, "max_gross": _number, "max_order_notional": _number, "max_turnover": _number,
    "allow_short": _flag, "blocked": _symbols, "price_collar_bps": _number, "max_orders_per_minute": _count,
    "max_daily_loss": _number,
}
assert set(_READERS) == {item.name for item in fields(ExecutionParams)}
assert set(_LIMIT_READERS) == {item.name for item in fields(RiskLimits)}
assert all(item.default is not MISSING or item.default_factory is not MISSING for item in fields(ExecutionParams))
