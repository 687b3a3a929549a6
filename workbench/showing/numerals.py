"""Numbers, dates and moments as text: written one way in the report, the panel and the charts.

What is not known is the word for it, never a blank and never 0. A minus is a minus sign, so that columns of figures align.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

UNKNOWN = "unknown"
NOTHING = "–"           # there is no such number: the average price of an order of which nothing was filled
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")     # whatever the locale


def dollars(value: Decimal | None, *, signed: bool = False) -> str:
    """Dollars and cents: 1,824.11."""
    return _written(value, ",.2f", signed)


def price(value: Decimal | None) -> str:
    """Dollars a share, to four places."""
    return _written(value, ",.4f")


def shares(value: Decimal | None, *, signed: bool = True) -> str:
    """Shares, whole where they are whole, to two places where they are not."""
    whole = value is None or value == value.to_integral_value()
    return _written(value, ",.0f" if whole else ",.2f", signed)


def percent(value: Decimal | None, *, signed: bool = False) -> str:
    """A fraction as per cent, to two places: 33.33%."""
    text = _written(None if value is None else value * 100, ",.2f", signed)
    return text if value is None else f"{text}%"


def change(value: Decimal | None) -> str:
    """A difference of two weights in percentage points, to three places and signed: +0.083. Nothing at all is 0."""
    return "0" if value == 0 else _written(None if value is None else value * 100, ",.3f", True)


def points(value: Decimal | None) -> str:
    """The same with its unit: +0.083 pp."""
    return change(value) if value is None else f"{change(value)} pp"


def bps(value: Decimal | None) -> str:
    """Basis points, to one place."""
    return _written(value, ",.1f")


def ratio(value: Decimal | None) -> str:
    """A plain number, to two places."""
    return _written(value, ",.2f")


def exact(value: Decimal) -> str:
    """All digits, without an exponent."""
    short = value.normalize()
    return format(short if short else Decimal(0), "f")


def day(value: date) -> str:
    """A session: 3 Jan 2012."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def moment(value: datetime | None) -> str:
    """An instant, in UTC: 2012-01-03 21:00:00 UTC."""
    return UNKNOWN if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(value: timedelta | None) -> str:
    """How long since something: 4 s, 3 min, 2 h 05 min, 3 days."""
    if value is None:
        return UNKNOWN
    seconds = int(value.total_seconds())
    if seconds < 100:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes < 2880 else f"{minutes // 1440} days"


def plain(value: object) -> str:
    """A parameter's value as a person would write it."""
    if value is None:
        return "none"
    if isinstance(value, Decimal):
        return exact(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "none"
    return str(value)


def _written(value: Decimal | None, form: str, signed: bool = False) -> str:
    if value is None:
        return UNKNOWN
    text = format(value, f"+{form}" if signed else form)
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")            # what rounds to nothing has no sign
    return text.replace("-", "\N{MINUS SIGN}")
