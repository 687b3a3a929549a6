"""A long report: the rows that stand in its page, and all rows packed, to be drawn when somebody asks for them.

A pack is what a page has of one date: columns of texts and its figures, as JSON, deflated, in base64.
"""

import base64
import json
import re
import zlib
from collections.abc import Container, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from workbench.judgement.orders import OrderRow
from workbench.judgement.rebalance import Judged
from workbench.showing.rows import CUT, SAME, Order, Texts, symbol_link

SHORT = 1_000           # rows that all stand in a page
STANDING = 400          # rows of a longer one that stand there, by size and again by trouble
LEVEL = 6
ZERO = Decimal(0)
LIKE = {"link": "intent", "ordered": "wanted", "filled": "ordered", "average": "arrival"}
OWN = {"order": "ids", "shares": "filled", "price": "average", "fee": "fees", "arrival": "arrival"}


def is_long(dates: Sequence[Judged]) -> bool:
    """Whether the orders, or the weights, are more than a page should hold."""
    weights = (len(one.waterfall.every) for one in dates if one.waterfall is not None)
    return max(sum(len(one.rows) for one in dates), sum(weights)) > SHORT


def in_trouble(row: OrderRow, late: Container[str]) -> bool:
    """Whether an order was refused or capped, not filled, filled late, or its cost is not known."""
    return bool(row.rules) or row.status in CUT or bool(row.unfilled) or row.shortfall.total is None or row.order_intent_id in late


@dataclass(frozen=True, slots=True)
class Standing:
    """Which rows stand in the page of a long report: of each date the `share` largest, and the largest of those in `trouble`."""

    intents: frozenset[str]
    share: int
    trouble: int
    every: int

    def __str__(self) -> str:
        trouble = ", and all that were" if self.trouble else ". None was"
        if self.trouble > STANDING:
            trouble = f", and the {STANDING} largest of {self.trouble:,} that were"
        share = f"the {self.share} that cost, gained or left unfilled most" if self.share > 1 else "the largest"
        return (f"{len(self.intents):,} of {self.every:,} rows stand here: of each date {share}{trouble} refused, "
                "capped, not filled, late or not known.")


def choose(dates: Sequence[Judged], late: Container[str]) -> Standing:
    """The rows of a long report that stand in its page; `late` are the intents of which a fill came after the mark."""
    share = max(1, STANDING // len(dates))
    ordered = [sorted(one.rows, key=_size, reverse=True) for one in dates]
    troubled = sorted((row for some in ordered for row in some if in_trouble(row, late)), key=_size, reverse=True)
    chosen = [row for some in ordered for row in some[:share]] + troubled[:STANDING]
    return Standing(frozenset(row.order_intent_id for row in chosen), share, len(troubled), sum(map(len, ordered)))


def pack(first: int, orders: Sequence[Order], gaps: Sequence[Texts], form: str, figures: dict[str, Any]) -> str:
    """One date: its orders, the first of them the `first` of the report, their fills, its weights with their form, its figures.

    A text that is that of the field beside it (`LIKE`), or a fill's that is its order's (`OWN`), is `=`. Basis points, a ratio,
    have no digits but those shown.
    """
    own = [order.texts for order in orders for _ in order.fills]
    told, fills = _columns([order.texts for order in orders]), _columns([fill for order in orders for fill in order.fills])
    fills |= {name: _but(column, [texts[OWN[name]] for texts in own]) for name, column in fills.items() if name in OWN}
    if own:
        fills["symbol"] = _but(fills["symbol"], [symbol_link(texts["link"], texts["symbol"]) for texts in own])
    told |= {name: _but(told[name], told[like]) for name, like in LIKE.items() if told}
    told |= {"bps": [re.sub("\t.*", f"\t{SAME}", text) for text in told.get("bps", ())]}
    text = json.dumps({
        "first": first, "orders": _lines(told), "filled": [len(order.fills) for order in orders], "fills": _lines(fills),
        "gaps": _lines(_columns(gaps)), "weighed": len(gaps), "form": form, "figures": figures,
    }, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), LEVEL)).decode()


def _columns(rows: Sequence[Texts]) -> dict[str, Sequence[str]]:
    """The texts by field, a text a row."""
    return dict(zip(rows[0], zip(*(row.values() for row in rows), strict=True), strict=True)) if rows else {}


def _but(column: Sequence[str], like: Sequence[str]) -> Sequence[str]:
    """A column with `=` where it says what the other does."""
    return [SAME if text == other else text for text, other in zip(column, like, strict=True)]


def _lines(columns: dict[str, Sequence[str]]) -> dict[str, str]:
    return {name: "\n".join(column) for name, column in columns.items()}


def _size(row: OrderRow) -> Decimal:
    """What an order's trouble comes to in dollars: its shortfall, or what it left unfilled."""
    return max(abs(row.shortfall.total or ZERO), abs(row.unfilled_usd or ZERO))
