"""The page of a parity: one HTML file that shows where two tellings of a trading first part, readable without a network.

Ink, no numbers: everything shown was compared before. No script is in it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from workbench.judgement.parity import Parity
from workbench.showing import numerals, pages

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MOST_ROWS = 500         # of different events: a page that lists every one of a million can't be opened
SHOWN = ("time", "status", "quantity", "fill_quantity", "fill_price", "fee")


def render(found: Parity, *, before: int = 3) -> str:
    """The whole page as HTML, with so many events before the first difference."""
    return pages.template("parity.html.jinja").render(
        found=found, context=found.context(before), shown=SHOWN, policy=POLICY, most=MOST_ROWS, written=written, gap=gap,
        style=pages.text("report.css") + pages.text("parity.css"),
    )


def written(value: Any) -> str:
    """A value of an event as a person would write it, with all its digits."""
    if value is None:
        return numerals.NOTHING
    if isinstance(value, Decimal):
        return numerals.exact(value).replace("-", "\N{MINUS SIGN}")
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}{f'.{value:%f}'.rstrip('0') if value.microsecond else ''} UTC"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {written(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(map(written, value)) or "none"
    return numerals.plain(value)


def gap(value: Decimal | None) -> str:
    """How far numbers lie apart, to three digits."""
    return numerals.NOTHING if value is None else f"{value:.3g}" if value else "0"
