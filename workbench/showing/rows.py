"""The rows of the report's long tables: orders with their fills, and weights. The text of every cell is written here, once.

A row is a form, markup with fields in it, and a text for each field. Rows that stand in the page are filled in here; those of a
long report that do not are packed, as columns of the same texts, and the page's script fills in the same forms.

A number's text is `shown⇥digits`: what a reader sees, and all its digits for whoever points at it and for sorting. Digits that
are those shown, but for commas, a plus and zeros at the end, are `=`.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from html import escape
from urllib.parse import quote

from workbench.judgement.deviation import CAUSES, Gap
from workbench.judgement.orders import OrderRow
from workbench.judgement.rebalance import Judged
from workbench.judgement.shortfall import Shortfall
from workbench.showing import numerals, pages
from workbench.showing.definitions import RULES
from workbench.words.event import Fill

FIELD = re.compile(r"\{(\w+)(?::([nc]))?\}")        # {name}: a text; {name:n}: a number's cell; {name:c}: a cost's, gains in green
UNSAFE = re.compile(r"[&<>\"'\n\t=]")
BETWEEN = str.maketrans({"\n": "&#10;", "\t": "&#9;", "=": "&#61;"})         # what stands between texts, or for one
IN_ADDRESS = re.compile(r"[\w.~-]*", re.ASCII)      # needs no quoting in an address
SAME = "="
CUT = {"BLOCKED", "SKIPPED", "NOT SENT", "NOT SIZED", "REJECTED", "CANCELLED", "EXPIRED", "UNKNOWN", "INACTIVE"}
DECISION_PRICES = {"decision": "the decision's", "close": "the market's close at the decision", "sizing": "the sizing price"}
SEARCHED = ("symbol", "instrument", "intent", "refs", "ids", "source")
KEPT = 10_000               # texts that are kept: the same prices and moments stand in many places

Texts = dict[str, str]      # a row's texts by field: markup already, all that is data in it escaped
Write = Callable[[Decimal | None], str]


class Form:
    """The markup of a row, with its fields."""

    def __init__(self, markup: str) -> None:
        self.markup = markup
        *parts, self._end = FIELD.split(markup)
        self._parts = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
        self.cells = [name for _, name, kind in self._parts if kind]

    def fill(self, texts: Mapping[str, str]) -> str:
        """The row with its texts."""
        filled = [before + (cell(texts[name], kind) if kind else texts[name]) for before, name, kind in self._parts]
        return "".join([*filled, self._end])


ORDER, FILLS, FILL = (Form(pages.text(f"{name}.html")) for name in ("order", "fills", "fill"))
COLUMNS = ["date", "symbol", "status", *ORDER.cells]


def cell(text: str, kind: str) -> str:
    """A number's cell; of the kind `c`, a cost, what is below zero is a gain."""
    told, tab, digits = text.partition("\t")
    if not tab:
        return f'<td class="n{"" if told == numerals.NOTHING else " unknown"}" data-v="">{told}</td>'
    if digits == SAME:
        digits = _digits(told)
    gain = " gain" if kind == "c" and digits.startswith("-") else ""
    return f'<td class="n{gain}" data-v="{digits}" title="{digits}">{told}</td>'


def number(value: Decimal | None, write: Write) -> str:
    """A number's text for its cell."""
    if value is None:
        return numerals.UNKNOWN
    told, exact = write(value), numerals.exact(value)
    return f"{told}\t{SAME if exact == _digits(told) else exact}"


def _digits(told: str) -> str:
    """The digits that are shown, as numbers are written out."""
    plain = told.replace(",", "").replace("+", "").replace("\N{MINUS SIGN}", "-")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


class Written(dict[Decimal | None, str]):
    """Texts of numbers, as one of `numerals` writes them. They are kept, for the same prices stand in many places."""

    def __init__(self, write: Write) -> None:
        super().__init__()
        self._write = write

    def __missing__(self, value: Decimal | None) -> str:
        if len(self) >= KEPT:
            self.clear()
        self[value] = text = number(value, self._write)
        return text


DOLLARS, PRICES, SHARES = Written(numerals.dollars), Written(numerals.price), Written(numerals.shares)


def shown(text: str) -> str:
    """A number's text without its digits."""
    return text.partition("\t")[0]


@dataclass(frozen=True, slots=True)
class Order:
    """The texts of an order's row, and of its fills' rows."""

    texts: Texts
    fills: Sequence[Texts]

    def fill(self, at: int) -> str:
        """The row, as the `at`-th of the report."""
        fills = fill_table(f"Fills of {self.texts['symbol']}", self.fills) if self.fills else '<p class="note">No fill.</p>'
        found = " ".join(self.texts[name] for name in SEARCHED).lower()
        return ORDER.fill({**self.texts, "at": str(at), "found": found, "fills": fills})


def order(judged: Judged, row: OrderRow, fills: Sequence[Fill], late: Container[Fill]) -> Order:
    """One intent of a date, with its fills; `late` are those after their date's mark."""
    cost, filled, intent = row.shortfall, bool(row.filled), row.order_intent_id
    texts = {
        "date": judged.rebalance_date.isoformat(), "symbol": safe(row.symbol), "instrument": safe(row.instrument_id),
        "intent": safe(intent), "link": in_address(intent),
        "refs": safe(", ".join(row.order_refs)) or "none was sent", "ids": safe(", ".join(row.order_ids)) or numerals.NOTHING,
        "source": safe(row.source),
        "from": "" if row.source == "strategy" else f' <span class="tag quiet">{safe(row.source)}</span>',
        "status": safe(row.status), "said": safe(row.status.lower()), "cut": " cut" if row.rules or row.status in CUT else "",
        "tags": _tags(row, any(fill in late for fill in fills)),
        "weight": numerals.NOTHING if row.target_weight is None else number(row.target_weight, numerals.percent),
        "wanted": SHARES[row.wanted], "ordered": SHARES[row.ordered], "filled": SHARES[row.filled],
        "decision": PRICES[row.decision_price],
        "arrival": PRICES[row.arrival_price] if filled else numerals.NOTHING,
        "average": PRICES[row.average_price] if filled else numerals.NOTHING,
        "close": PRICES[row.close],
        "delay": DOLLARS[cost.delay], "execution": DOLLARS[cost.execution], "opportunity": DOLLARS[cost.opportunity],
        "fees": f"{cost.fees_pending} pending" if cost.fees_pending else DOLLARS[cost.fees],
        "shortfall": DOLLARS[cost.total], "bps": relative(cost),
        "snapshot": _decision_link(judged), "side": safe(row.side or "nothing to do"), "sent": shown(SHARES[row.sent]),
        "unfilled": shown(SHARES[row.unfilled]), "unfilled_usd": shown(DOLLARS[row.unfilled_usd]),
        "decision_is": DECISION_PRICES[row.decision_source] if row.decision_source else numerals.UNKNOWN,
        "sizing": shown(PRICES[row.sizing_price]), "more": _more(row),
        "reasons": f'<ul class="reasons">{"".join(f"<li>{safe(one)}</li>" for one in row.reasons)}</ul>' if row.reasons else "",
    }
    return Order(texts, [fill_texts(fill, late) for fill in fills])


def relative(cost: Shortfall) -> str:
    """A shortfall in basis points; there are none of nothing."""
    return numerals.NOTHING if cost.notional == 0 else number(cost.bps, numerals.bps)


def _tags(row: OrderRow, late: bool) -> str:
    """What stands behind the status: that a fill was late, and the rules that took from the order."""
    rules = [f' <span class="rules">{safe(rule)}</span>' for rule in row.rules if rule != row.status.lower()]
    return "".join([' <span class="tag">late</span>', *rules] if late else rules)


def _more(row: OrderRow) -> str:
    """What only some orders have to say."""
    said = [f"<div><dt>Rule {safe(rule)}</dt><dd>{safe(RULES.get(rule, rule))}</dd></div>" for rule in row.rules]
    if row.shortfall.unsplit:
        unsplit = numerals.dollars(row.shortfall.unsplit)
        said.append(f"<div><dt>Delay and execution</dt><dd>{unsplit} USD, not told apart</dd></div>")
    return "".join(said)


def _decision_link(judged: Judged) -> str:
    """Where a date's decision stands in the page."""
    if judged.snapshot_id is None:
        return numerals.UNKNOWN
    name = safe(judged.snapshot_id)
    return f'<a href="#s-{name}">{name}</a>'


def fill_texts(fill: Fill, late: Container[Fill]) -> Texts:
    """One fill. Its symbol leads to its order, where it has one."""
    symbol, intent = safe(fill.symbol), fill.order_intent_id
    late_tag = ' <span class="tag">after the mark</span>' if fill in late else ""
    return {
        "time": moment(fill.occurred_at), "tags": f'{late_tag} <span class="tag">inferred</span>' if fill.inferred else late_tag,
        "symbol": symbol_link(in_address(intent), symbol) if intent else symbol, "order": safe(fill.order_id),
        "shares": SHARES[fill.quantity], "price": PRICES[fill.price],
        "fee": "pending" if fill.fee is None else DOLLARS[fill.fee],
        "arrival": PRICES[fill.arrival_price], "source": safe(fill.arrival_source or numerals.UNKNOWN),
    }


def symbol_link(address: str, symbol: str) -> str:
    """A symbol that leads to its order."""
    return f'<a href="#o-{address}">{symbol}</a>'


def fill_table(caption: str, fills: Iterable[Texts]) -> str:
    """A table of fills. The caption is markup."""
    return FILLS.fill({"caption": caption, "rows": "".join(map(FILL.fill, fills))})


def gap_form(causes: Iterable[str]) -> Form:
    """A row of a date's weights, with a column for each of these causes."""
    cells = "".join(f"{{{name}:n}}" for name in ("target", *causes, "actual", "gap"))
    return Form(f'<tr><th scope="row">{{symbol}}</th>{cells}</tr>')


def gap_texts(gap: Gap, causes: Container[str]) -> Texts:
    """One symbol's weights, and what each cause changed."""
    changes = {cause: number(change, numerals.change) for cause, change in zip(CAUSES, gap.changes, strict=True) if cause in causes}
    return {"symbol": safe(gap.symbol), "target": number(gap.target, numerals.percent), **changes,
            "actual": number(gap.actual, numerals.percent), "gap": number(gap.gap, numerals.change)}


def safe(text: str) -> str:
    """Text of data as markup: nothing in it is obeyed, and it is one line, for lines are how columns are packed."""
    return text if not UNSAFE.search(text) else escape(text).translate(BETWEEN)


def in_address(text: str) -> str:
    """Text as it stands in an address."""
    return text if IN_ADDRESS.fullmatch(text) else quote(text)


moment = lru_cache(maxsize=KEPT)(numerals.moment)
