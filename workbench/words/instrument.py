"""What is traded: a US equity, known for ever by Lean's security identifier and for a while by a ticker."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from workbench.algorithm import intents
from workbench.errors import BadInput

_ORIGIN = date(1899, 12, 30)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_USA, _EQUITY = 1, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One company's stock: the ticker on some date, the identifier that never changes, and the ticker it ends with."""

    symbol: str
    instrument_id: str
    last_symbol: str


def symbol(text: str, *, where: str = "") -> str:
    """A ticker, stripped and upper-cased. Raises `BadInput` for what can't be one."""
    try:
        return intents.symbol(text)
    except ValueError as error:
        raise BadInput(str(error), where=where) from None


@cache
def security_identifier(first_ticker: str, first_date: date | None) -> str:
    """Lean's identifier of a US equity: `AAPL R735QTJ8XC9X`.

    The number holds the days from 1899-12-30 to the first date of the map file (0 without one), the market and the
    security type: days · 10^14 + market · 100 + type, in base 36 (QuantConnect/Lean, Common/SecurityIdentifier.cs).
    """
    days = (first_date - _ORIGIN).days if first_date is not None else 0
    number = days * 10**14 + _USA * 100 + _EQUITY
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return f"{first_ticker.upper()} {text}"


def first_date(instrument_id: str) -> date | None:
    """The listing date inside an identifier; None where it was made without a map file."""
    days = int(instrument_id.rsplit(" ", 1)[-1], 36) // 10**14
    return _ORIGIN + timedelta(days=days) if days else None
