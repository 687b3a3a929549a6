"""Lines of events in the three forms that are told: the journal's own, Lean's order events, and plain lists.

Journals and Lean's files may be long, so DuckDB reads them in bulk: a first pass that is quick for files without a bad line,
and a second only where the first met one, which knows each line's number. Plain lists are short and read one by one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from workbench.algorithm.journal import EXPIRED, KINDS, SCHEMA
from workbench.words.identity import canonical, money
from workbench.words.order import LIFECYCLE, status_word

MOST_SHARES, MOST_DOLLARS = 10**12, 10**9           # of one order, of one share: beyond them a number is a mistake
MOST_VALUE = 10**14                                 # dollars in one fill
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
FILLED = ("FILLED", "PARTIALLY_FILLED")
BOM = b"\xef\xbb\xbf"             # which some editors put before UTF-8

_MONEY = "DECIMAL(38,12)"
_BETWEEN_OBJECTS = re.compile(rb'\}\s*,\s*\{(?=\s*")')      # inside JSON text the quote would have a backslash before it
_OPEN_OR_COMMA = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How DuckDB reads one form: fields with their types, why a line is refused, and the line as a row of events."""

    fields: dict[str, str]
    refused: str
    row: str


def _refusal(*rules: tuple[str, str]) -> str:
    """SQL for the first rule that a line breaks, as its reason; NULL for a good line."""
    return "case " + " ".join(f"when {rule} then {reason}" for rule, reason in rules) + " end"


def _absurd(quantity: str, price: str) -> tuple[str, str]:
    return (f"abs({quantity}) >= {MOST_SHARES} or abs({price}) >= {MOST_DOLLARS} "
            f"or abs({quantity}::double * {price}::double) >= {MOST_VALUE}", "'a quantity or price beyond all measure'")


JOURNAL = Form(
    fields={
        "schema": "VARCHAR", "run_id": "VARCHAR", "attempt": "INTEGER", "seq": "BIGINT", "kind": "VARCHAR",
        "occurred_at": "TIMESTAMPTZ", "recorded_at": "TIMESTAMPTZ", "order_ref": "VARCHAR", "order_intent_id": "VARCHAR",
        "order_id": "VARCHAR", "event_id": "INTEGER", "broker_id": "VARCHAR", "exec_id": "VARCHAR", "symbol": "VARCHAR",
        "instrument_id": "VARCHAR", "type": "VARCHAR", "tif": "VARCHAR", "limit_price": _MONEY, "stop_price": _MONEY,
        "status": "VARCHAR", "quantity": _MONEY, "order": _MONEY, "fill_quantity": _MONEY, "fill_price": _MONEY, "fee": _MONEY,
        "currency": "VARCHAR", "arrival_price": _MONEY, "arrival_source": "VARCHAR", "message": "VARCHAR",
        "inferred": "BOOLEAN",
    },
    refused=_refusal(
        ("line is null", "'not JSON'"),
        (f"schema is distinct from '{SCHEMA}'", f"'schema is not {SCHEMA}'"),
        ("run_id is null or attempt is null or seq is null or occurred_at is null",
         "'run_id, attempt, seq or occurred_at is missing or not what it should be'"),
        (f"occurred_at not between '{EARLIEST}' and '{LATEST}'", "'occurred_at is not of our age'"),
        (f"kind is null or kind not in ({', '.join(repr(kind) for kind in KINDS)})", "'unknown kind ' || coalesce(kind, '')"),
        ("kind = 'order' and upper(currency) <> 'USD'", "'currency ' || currency || '; only USD is traded'"),
        ("kind = 'order' and status is null", "'status is missing'"),
        ("kind = 'order' and (quantity is null or fill_quantity is null)", "'quantity or fill_quantity is not a number'"),
        ("kind = 'order' and fill_quantity <> 0 and fill_price is null", "'a fill without a price'"),
        ("kind = 'order' and fill_quantity <> 0 and fee is null and contains(line, '\"fee\":') "
         "and not regexp_matches(line, '\"fee\":\\s*null')", "'fee is not a number'"),
        _absurd("coalesce(fill_quantity, 0)", "coalesce(fill_price, 0)"),
    ),
    row="""
        run_id, attempt, $writer as writer, seq::varchar as identity, seq, seq as place, kind, occurred_at, recorded_at,
        order_ref as tag, order_intent_id, order_id, event_id, broker_id, exec_id, symbol, instrument_id,
        $order_type as order_type, tif as time_in_force, limit_price, stop_price, $status as status,
        case when kind = 'sized' then "order" else quantity end as quantity, fill_quantity,
        case when fill_quantity <> 0 then fill_price end as fill_price, fee, arrival_price, arrival_source, message,
        coalesce(inferred, false) as inferred, line
    """,
)

LEAN = Form(
    fields={
        "id": "VARCHAR", "algorithmId": "VARCHAR", "orderId": "VARCHAR", "orderEventId": "INTEGER", "symbol": "VARCHAR",
        "symbolValue": "VARCHAR", "time": _MONEY, "status": "VARCHAR", "orderFeeAmount": _MONEY,
        "orderFeeCurrency": "VARCHAR", "fillPrice": _MONEY, "fillPriceCurrency": "VARCHAR", "fillQuantity": _MONEY,
        "direction": "VARCHAR", "message": "VARCHAR", "quantity": _MONEY, "limitPrice": _MONEY, "stopPrice": _MONEY,
    },
    refused=_refusal(
        ("line is null", "'not JSON'"),
        ("orderId is null or orderEventId is null or status is null or time is null",
         "'orderId, orderEventId, status or time is missing or not what it should be'"),
        ("coalesce($run_id::varchar, algorithmId) is null", "'algorithmId is missing'"),
        ("orderFeeCurrency not in ('', 'USD') or fillPriceCurrency not in ('', 'USD')",
         "'currency ' || coalesce(nullif(orderFeeCurrency, ''), fillPriceCurrency) || '; only USD is traded'"),
        ("fillQuantity is null or (fillQuantity <> 0 and fillPrice is null)", "'fillQuantity or fillPrice is not a number'"),
        (f"time not between {EARLIEST.timestamp():.0f} and {LATEST.timestamp():.0f}", "'time is not in Unix seconds'"),
        _absurd("fillQuantity", "coalesce(fillPrice, 0)"),
    ),
    # Our own algorithm ids are <run id>-<attempt>; any other is the name of a run, whole. An event of a delisting has no
    # currency and no fee, and costs nothing; elsewhere a fee that is not told is not known.
    row=rf"""
        coalesce($run_id::varchar, nullif(regexp_extract(algorithmId, '^(r[0-9a-f]{{16}})-[0-9]+$', 1), ''), algorithmId) as run_id,
        coalesce($attempt::integer, try_cast(regexp_extract(algorithmId, '^r[0-9a-f]{{16}}-([0-9]+)$', 1) as integer), 1)
            as attempt,
        $writer as writer, coalesce(id, concat_ws('-', algorithmId, orderId, orderEventId)) as identity,
        orderEventId::bigint as place, 'order' as kind, make_timestamptz((time * 1000000)::bigint) as occurred_at,
        orderId as order_id, orderEventId as event_id, symbolValue as symbol, symbol as instrument_id,
        case lower(direction) when 'buy' then 'BUY' when 'sell' then 'SELL' end as side, limitPrice as limit_price,
        stopPrice as stop_price, case when message = '{EXPIRED}' then 'EXPIRED' else $status end as status, quantity,
        fillQuantity as fill_quantity, case when fillQuantity <> 0 then fillPrice end as fill_price,
        case when fillQuantity <> 0 and orderFeeAmount is null and fillPriceCurrency = '' then 0 else orderFeeAmount end as fee,
        message, false as inferred, line
    """,
)


@dataclass(frozen=True, slots=True)
class Text:
    """One line, or one item of an array, with its number counted from 1; `broken` says why it is none, if it is not."""

    number: int
    text: str
    broken: str | None = None


def form_of(first: Any) -> str | None:
    """Which form a file's first object is of; None for something else."""
    if not isinstance(first, dict):
        return None
    if first.get("schema") == SCHEMA or {"seq", "kind"} <= first.keys():
        return "journal"
    if {"orderId", "orderEventId"} <= first.keys():
        return "lean"
    return "plain" if "status" in first else None


def joined(data: bytes) -> bytes | None:
    """The objects of a compact JSON array, one a line, cut off after the last whole one.

    None where the array is laid out otherwise; `items` reads any.
    """
    body = data.strip()
    if not body.startswith(b"[") or b"\n" in body:
        return None
    lines = _BETWEEN_OBJECTS.sub(b"}\n{", body[1:].removesuffix(b"]"))
    if not body.endswith(b"]"):
        lines = lines[: lines.rfind(b"\n") + 1]
    return lines.rstrip()


def items(data: bytes) -> Iterator[Text]:
    """The objects of a JSON array as they are written, and what stands between them that is none, as broken.

    An array that is cut short, as one is while its writer is at work, gives the objects before the cut.
    """
    text, utf8 = _decoded(data)
    text = text.strip().removeprefix("[")
    ended = text.endswith("]")
    text = text.removesuffix("]")
    decoder = json.JSONDecoder(parse_float=str)
    at, number = _skip(text, 0), 0
    while at < len(text):
        number += 1
        try:
            _, end = decoder.raw_decode(text, at)
            yield Text(number, text[at:end], None if utf8 or "\ufffd" not in text[at:end] else "not UTF-8")
        except json.JSONDecodeError:
            end = _next_object(text, at)
            if end == len(text) and not ended:
                return
            yield Text(number, text[at:end].rstrip(", \n\r\t"), "not JSON")
        at = _skip(text, end)


def _decoded(data: bytes) -> tuple[str, bool]:
    """The text, with a mark where bytes are no UTF-8, and whether there was no need for one."""
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return data.decode(errors="replace"), False


def _skip(text: str, at: int) -> int:
    found = _OPEN_OR_COMMA.match(text, at)
    assert found is not None
    return found.end()


def _next_object(text: str, at: int) -> int:
    """Where the object after a broken one begins; the end of the text where there is none."""
    found = re.compile(r'\}\s*,\s*(?=\{\s*")').search(text, at)
    return found.end() if found else len(text)


def numbered(data: bytes, first: int) -> Iterator[Text]:
    """The lines with their numbers, blank ones passed over."""
    for number, line in enumerate(data.split(b"\n"), start=first):
        if line := line.strip(b" \t\r"):
            text, utf8 = _decoded(line)
            yield Text(number, text, None if utf8 else "not UTF-8")


def plain_row(text: str, *, run_id: str, attempt: int, writer: str) -> dict[str, Any]:
    """A plain line as a row of events. Raises ValueError saying what is wrong with it.

    `{order_id | tag, status, filled, fill_price, time}`: shares so far without a sign, dollars a share for the shares since
    the line before; `side`, `symbol`, `fee`, `currency` and `message` are read where they are told. Identity is the hash
    of the line's values.
    """
    body = json.loads(text, parse_float=_exact, parse_constant=_exact)
    if not isinstance(body, dict):
        raise ValueError("not an object")
    currency = str(body.get("currency") or "USD").upper()
    if currency != "USD":
        raise ValueError(f"currency {currency}; only USD is traded")
    if not isinstance(body.get("status"), str):
        raise ValueError("status is missing")
    status = status_word(body["status"]) or "UNKNOWN"
    filled, price = _amount(body, "filled"), _amount(body, "fill_price")
    if filled and not price and status in FILLED:
        raise ValueError("shares were filled, and fill_price does not say at what price")
    if (filled or 0) >= MOST_SHARES or (price or 0) >= MOST_DOLLARS or (filled or 0) * (price or 0) >= MOST_VALUE:
        raise ValueError("a quantity or price beyond all measure")
    identity = hashlib.sha256(canonical(body).encode()).hexdigest()[:16]
    return {
        "run_id": run_id, "attempt": attempt, "writer": writer, "identity": identity,
        "place": LIFECYCLE.index(status) * 2**48 + int(identity[:12], 16), "kind": "order",
        "occurred_at": _instant(body.get("time")), "tag": _name(body, "tag"), "order_id": _name(body, "order_id"),
        "symbol": _name(body, "symbol"), "side": _side(body), "status": status, "filled": filled if filled and price else None,
        "fill_price": price if filled and price else None, "fee": _amount(body, "fee"), "message": _name(body, "message"),
        "inferred": False, "repeats": False, "line": text,
    }


def _exact(text: str) -> Decimal:
    """A number with every digit it is written with. Raises ValueError for what is no number or beyond all measure."""
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > 40:
        raise ValueError(f"{text} is not a number that can be traded")
    return number


def _amount(body: dict[str, Any], name: str) -> Decimal | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool):
            raise InvalidOperation
        number = money(_exact(str(value)))
    except InvalidOperation:
        raise ValueError(f"{name} {value!r} is not a number") from None
    if number < 0:
        raise ValueError(f"{name} {value} is below zero; counts here have no sign")
    return number


def _name(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} {value!r} is neither text nor a whole number")
    return str(value).strip() or None


def _side(body: dict[str, Any]) -> str | None:
    side = (_name(body, "side") or "").upper()
    if side in ("BUY", "SELL"):
        return side
    if side:
        raise ValueError(f"side {side} is neither BUY nor SELL")
    return None


def _instant(value: Any) -> datetime:
    """A moment from ISO text with its zone, or from Unix seconds."""
    if value is None:
        raise ValueError("time is missing")
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
        else:
            moment = EPOCH + timedelta(microseconds=int(Decimal(value) * 1_000_000))
    except (ValueError, TypeError, OverflowError):
        raise ValueError(f"time {value!r} is neither ISO text nor Unix seconds") from None
    if moment.tzinfo is None:
        raise ValueError(f"time {value!r} has no zone; write it in UTC with a Z")
    if not EARLIEST <= moment < LATEST:
        raise ValueError(f"time {value!r} is not of our age; numbers are Unix seconds")
    return moment


def is_json(line: bytes) -> bool:
    """Whether these bytes are one whole JSON text."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
