"""What Lean's own files say of an attempt, held against its journal, once the engine's process has ended.

Lean tells of one trading in up to four places: its order events (live, a file a day), a line in its log for each of them (live
alone), the orders in its result, and the account there at the end. The journal is the fifth. All should say the same. That
nothing differs is one answer; that something could not be read, so that nobody knows, is another.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from workbench import files
from workbench.algorithm import journal as journals
from workbench.algorithm.journal import to_json
from workbench.engines.embedded.enums import OrderStatus
from workbench.errors import BadInput
from workbench.judgement.parity import Beside, compare
from workbench.judgement.telling import LEAN, ORDER, PLACE, TIME, TOLERANCE, Telling, Told, Value, is_number, same
from workbench.running import sides

SCHEMA = "differences/1"
NAME = "differences.json"
JOURNAL, EVENTS, LOG, RESULT = "journal", "order events", "log", "result"
ROUNDED = Decimal("1e-6")               # the log has seven digits of a price
HALF_CENT = Decimal("0.005")            # statistics are printed in cents
MOMENT = timedelta(milliseconds=1)      # Lean's times are doubles
KEPT = 10_000                           # orders: live, Lean forgets the oldest beyond them
RUNNING = "Running"
ANNOUNCED = "PENDING_SUBMIT"            # written before each send
MOST = 200                              # differences that are kept one by one; of the others, how many there are

# Of an order event's line in the log: parts are left out where they would be empty, prices are rounded to seven digits.
LOGGED = re.compile(r"LiveTradingResultHandler\.OrderEvent\(\): Time: (?:.+?) OrderID: (?P<order>\d+) EventID: (?P<event>\d+) "
                    r"Symbol: (?P<symbol>.+?) Status: (?P<status>\w+) Quantity: (?P<quantity>\S+)"
                    r"(?: FillQuantity: (?P<filled>\S+) FillPrice: [^\d-]?(?P<price>\S+))?(?P<rest>.*)")
FEE = re.compile(r" OrderFee: (\S+) ")

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing on which two sources do not agree: where, which field of it (`event`: whether there is one), and what each says."""

    where: str
    field: str
    told: tuple[tuple[str, Value], ...]

    def __str__(self) -> str:
        return f"{self.where}, {self.field}: " + ", ".join(f"{source} {_written(value)}" for source, value in self.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """What was found, and how many `more` there are. `counts` says how much each source tells, `end` lays the account's end
    side by side (A is Lean's).

    `unreadable` names what could not be read, or was not whole: where it is not empty, no difference is not the same as none.
    `left_out` says what was not compared, and why.
    """

    algorithm_id: str
    counts: tuple[tuple[str, int], ...]
    found: tuple[Difference, ...] = ()
    more: int = 0
    end: tuple[Beside, ...] = ()
    unreadable: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Differences({self.algorithm_id}, {self.verdict})"

    @property
    def none(self) -> bool:
        """Whether everything was read, and all of it agrees."""
        return not self.found and not self.unreadable and all(one.equal for one in self.end)

    @property
    def verdict(self) -> str:
        """The finding in one sentence: none, how many, or that it is not known."""
        wrong = [*map(str, self.found), *(f"{one.name}: Lean {_written(one.a)}, journal {_written(one.b)}"
                                          for one in self.end if not one.equal)]
        if wrong:
            count = len(wrong) + self.more
            return f"{count} difference{'' if count == 1 else 's'}, first {wrong[0]}"
        if self.unreadable:
            return f"not known: {'; '.join(self.unreadable)}"
        return f"none, over {dict(self.counts).get(JOURNAL, 0)} order events"

    def body(self) -> dict[str, Any]:
        """Everything that was found, ready to be written."""
        return {
            "schema": SCHEMA, "algorithm_id": self.algorithm_id, "none": self.none, "verdict": self.verdict,
            "counts": dict(self.counts),
            "found": [{"where": one.where, "field": one.field, "told": dict(one.told)} for one in self.found],
            "more": self.more,
            "end": [{"name": one.name, "lean": one.a, "journal": one.b, "equal": one.equal} for one in self.end],
            "unreadable": self.unreadable, "left_out": self.left_out,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What is read of Lean's result: what became of each order by its number, statistics as printed, cash and shares where told."""

    orders: Mapping[str, Mapping[str, Value]]
    statistics: Mapping[str, str]
    cash: Decimal | None
    shares: Mapping[str, Decimal]


def compare_with_lean(results: Path, algorithm_id: str, journal: Path) -> Differences:
    """Hold what Lean left in its results folder against the journal. Nothing is raised: what can't be read is part of the answer.

    Only after the process has ended: before that, Lean's files are partial, and may be half-written.
    """
    sources = _Sources(results, algorithm_id, journal)
    heard, lean, logged = sources.journal, sources.lean, sources.log
    found: list[Difference] = []
    if heard is not None and lean is not None:
        found += _differing(heard, lean)
    if lean is not None and lean.name == EVENTS and logged is not None and logged.events:
        found += _differing(lean, logged)
    found += [Difference(where=ref, field="event", told=((JOURNAL, "sent"), (EVENTS, None))) for ref in sources.unheard]
    if sources.result is not None and lean is not None:
        found += [*_of_orders(sources.result.orders, lean, sources.adopted), *_of_fees(sources.result, lean)]
    return Differences(
        algorithm_id=algorithm_id, counts=tuple(sources.counts()), found=tuple(found[:MOST]), more=max(len(found) - MOST, 0),
        end=tuple(_end(sources)), unreadable=tuple(sources.unreadable), left_out=tuple(sources.left_out))


def record(place: Path, found: Differences) -> Path:
    """Write what was found into the attempt's folder, a clean finding too; returns its path."""
    return files.write(place / NAME, to_json(found.body()) + "\n")


# The sources.

class _Sources:
    """Everything that tells of an attempt, each None where it is not there, or can't be read."""

    def __init__(self, results: Path, algorithm_id: str, journal: Path) -> None:
        self.unreadable: list[str] = []
        self.left_out: list[str] = []
        self.unheard: tuple[str, ...] = ()
        self.adopted: frozenset[str] = frozenset()
        side = sides.of_id(results, algorithm_id, EVENTS)
        self.result = self._read(lambda: _result(results / f"{algorithm_id}.json"), RESULT)
        self.log = self._log(results / "log.txt")
        self.events = self._events(side)
        self.marks: Mapping[str, Value] = {}
        self.live = bool((self.events and self.events.wall_clock) or (self.log and self.log.events))
        self.journal = self._journal(journal)

    @property
    def lean(self) -> Telling | None:
        """What Lean tells of its order events: its file of them, or where that is lost, its log's lines."""
        return self.events or (self.log if self.log is not None and self.log.events else None)

    def counts(self) -> Iterator[tuple[str, int]]:
        """How many order events each tells, and how many orders the result has."""
        for name, told in ((JOURNAL, self.journal), (EVENTS, self.events), (LOG, self.log)):
            if told is not None and (told.events or name != LOG):
                yield name, len(told.events)
        if self.result is not None:
            yield "orders", len(self.result.orders)

    def _log(self, path: Path) -> Telling | None:
        if not path.is_file():
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
        told = tuple(_logged(place, match) for place, match in enumerate(LOGGED.finditer(text), start=1))
        return Telling(name=LOG, form=LOG, events=told, fields=frozenset(
            {"symbol", "status", "quantity", "fill_quantity", "fill_price", "fee"}), wall_clock=True)

    def _events(self, side: sides.Side) -> Telling | None:
        """The order events. No file is an answer where the result has no order; where it has some, or is missing, it is lost."""
        if side.events:
            whole = side if self.result is not None else replace(side, result=None)
            return self._read(lambda: _with_numbers(sides.in_our_words(sides.read_lean(whole))), EVENTS)
        logged = 0 if self.log is None else len(self.log.events)
        if logged or self.result is None or self.result.orders:
            told = f", though the log tells of {logged}" if logged else ""
            self.unreadable.append(f"{EVENTS}: Lean left no file of them{told}")
            return None
        return Telling(name=EVENTS, form=LEAN, events=(), fields=sides.BOTH_TELL)

    def _journal(self, path: Path) -> Telling | None:
        """The order events that the journal heard of; the refs that were sent and nothing was heard of; and the orders that an
        attempt found at work at the broker, of which Lean need not tell again."""
        found = self._read(lambda: sides.read_journal(sides.Side(name=JOURNAL, journal=path)), JOURNAL)
        if found is None:
            return None
        self.live, self.marks = self.live or found.wall_clock, found.end
        orders = [told for told in found.events if told.kind == ORDER]
        heard = {told.ref for told in orders if told.event}
        announced = [told.ref for told in orders if not told.event and told.values.get("status") == ANNOUNCED]
        self.unheard = tuple(dict.fromkeys(ref for ref in announced if ref not in heard))
        self.adopted = frozenset(told.order for told in orders if not told.event and told.values.get("status") != ANNOUNCED)
        return replace(found, events=tuple(told for told in orders if told.event), statistics={}, end={})

    def _read(self, read: Callable[[], T], name: str) -> T | None:
        try:
            return read()
        except BadInput as error:
            self.unreadable.append(f"{name}: {error}")
        except OSError as error:
            self.unreadable.append(f"{name}: {error.filename}: {error.strerror}")
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            self.unreadable.append(f"{name}: not what it should be ({type(error).__name__}: {error})")
        return None


def _result(path: Path) -> _Result:
    """The result, if it is the one of the end. Raises `BadInput` for another: what Lean writes before is in part."""
    found = files.read_json(path)
    if not isinstance(found, dict):
        raise BadInput("not a result of Lean's", where=str(path))
    state = (found.get("state") or {}).get("Status") or "unknown"
    if state in (RUNNING, "unknown"):
        raise BadInput(f"was not written at the end (its state is {state})", where=path.name)
    cash = ((found.get("cash") or {}).get("USD") or {}).get("amount")
    return _Result(
        orders={str(number): _said(order) for number, order in (found.get("orders") or {}).items()},
        statistics={str(name): str(value) for name, value in (found.get("statistics") or {}).items()},
        cash=None if cash is None else Decimal(cash),
        shares={str(name): Decimal(one.get("q", 0)) for name, one in (found.get("holdings") or {}).items()})


def _said(order: Mapping[str, Any]) -> dict[str, Value]:
    """What became of an order, as the result says."""
    return {"status": journals.lean_status(OrderStatus(order["status"])), "quantity": Decimal(order["quantity"]),
            "price": Decimal(order["price"])}


def _with_numbers(told: Telling) -> Telling:
    """The same, if every event has its quantities, and a price where it has a fill."""
    for one in told.events:
        values = one.values
        given = [values.get("quantity"), values.get("fill_quantity"), *([values.get("fill_price")] if values.get("fill_quantity")
                                                                         else [])]
        if not all(map(is_number, given)):
            raise BadInput("has an event without its numbers", where=one.label)
    return told


def _logged(place: int, match: re.Match[str]) -> Told:
    """An order event as its line in the log has it, in our words."""
    price, filled = _number(match["price"]), _number(match["filled"])
    rest = match["rest"].split(" Message: ")[0]
    fee = FEE.search(rest)
    message = match["rest"].partition(" Message: ")[2].rpartition(" BrokerId: ")[0]
    return Told(place=place, order=match["order"], event=int(match["event"]), values={
        "symbol": match["symbol"], "status": journals.lean_status(match["status"], message),
        "quantity": _number(match["quantity"]), "fill_quantity": filled or Decimal(0), "fill_price": price if filled else None,
        "fee": (_number(fee[1]) if fee else Decimal(0)) if filled else None,
    })


def _number(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text.replace(",", ""))
    except InvalidOperation:
        return None


# Event by event.

def _differing(a: Telling, b: Telling) -> Iterator[Difference]:
    """The events on which two tellings differ; live, each came at its own moment, so that their order among others is no matter."""
    live = a.wall_clock or b.wall_clock
    timed = live and TIME in a.fields & b.fields
    for row in compare(a, b, tolerance=_tolerance(b), ignore=[PLACE] if live else ()).rows:
        if row.a is None or row.b is None:
            yield _one("event", a.name, row.a, b.name, row.b)
            continue
        late = timed and abs(row.a.values[TIME] - row.b.values[TIME]) > MOMENT
        for field in (*row.differing, *((TIME,) if late else ())):
            yield _one(field, a.name, row.a, b.name, row.b)


def _tolerance(told: Telling) -> Decimal:
    return ROUNDED if told.name == LOG else TOLERANCE


def _one(field: str, name_a: str, a: Told | None, name_b: str, b: Told | None) -> Difference:
    either = a or b
    assert either is not None
    where = f"{either.label} ({either.subject})" if either.subject else either.label
    return Difference(where=where, field=field, told=((name_a, _value(a, field)), (name_b, _value(b, field))))


def _value(told: Told | None, field: str) -> Value:
    if told is None:
        return None
    value = told.place if field == PLACE else told.values.get("status" if field == "event" else field)
    return str(value) if isinstance(value, float) else value        # of JSON, what is no number alone is still a float


# Order by order, and at the end.

def _of_orders(orders: Mapping[str, Mapping[str, Value]], lean: Telling, adopted: frozenset[str]) -> Iterator[Difference]:
    """What became of each order, as the result says and as its events do; one that was adopted need not have any."""
    told: dict[str, list[Told]] = {}
    for event in lean.events:
        told.setdefault(event.order, []).append(event)
    for number in dict.fromkeys([*told, *orders]):
        end, said = _fold(told.get(number)), orders.get(number)
        if end is not None and said is not None:
            for field in end:
                if not same(end[field], said[field], _tolerance(lean)):
                    yield Difference(where=f"order {number}", field=field, told=((lean.name, end[field]), (RESULT, said[field])))
        elif (end is None and number not in adopted) or (said is None and len(orders) < KEPT):
            yield Difference(where=f"order {number}", field="event", told=(
                (lean.name, None if end is None else end["status"]), (RESULT, None if said is None else said["status"])))


def _of_fees(result: _Result, lean: Telling) -> Iterator[Difference]:
    """All fees as the result has them, in cents, and as the events do."""
    printed = _number(result.statistics.get("Total Fees", "").replace("$", "") or None)
    if printed is not None and not _in_cents("", printed, _fees(lean)).equal:
        yield Difference(where="the end", field="fees", told=((RESULT, printed), (lean.name, _fees(lean))))


def _fold(events: Sequence[Told] | None) -> dict[str, Value] | None:
    """An order's last status, its quantity, and the average price of its fills."""
    if not events:
        return None
    fills = [(told.values["fill_quantity"], told.values["fill_price"]) for told in events if told.values["fill_quantity"]]
    shares = sum((Decimal(quantity) for quantity, _ in fills), Decimal(0))
    price = sum((quantity * price for quantity, price in fills), Decimal(0)) / shares if shares else Decimal(0)
    status = str(events[-1].values["status"])
    return {"status": "CANCELLED" if status == "EXPIRED" else status, "quantity": events[-1].values["quantity"], "price": price}


def _end(sources: _Sources) -> Iterator[Beside]:
    """Fills, fees and the account at the end. Live, equity has moved with the prices since the last mark: cash and shares stand."""
    heard, lean, result = sources.journal, sources.lean, sources.result
    if heard is not None and lean is not None:
        yield _beside("fills", *(sum(bool(told.values.get("fill_quantity")) for told in side.events) for side in (lean, heard)))
        yield _beside("fees", *(_fees(side) for side in (lean, heard)))
    if result is None:
        return
    if not sources.marks:
        sources.left_out.append("the account at the end: the journal has no mark")
    elif sources.live:
        sources.left_out.append("equity: prices have moved since the last mark")
        yield from _account(sources)
    elif (equity := _number(result.statistics.get("End Equity"))) is not None:
        yield _in_cents("equity", equity, sources.marks["equity"])


def _account(sources: _Sources) -> Iterator[Beside]:
    """Cash, and the shares of what the algorithm trades: live, Lean's result has both to the last digit."""
    assert sources.result is not None and sources.journal is not None
    if sources.result.cash is not None:
        yield _in_cents("cash", sources.result.cash, sources.marks["cash"])
    ours = {name.removeprefix("shares "): value for name, value in sources.marks.items() if name.startswith("shares ")}
    names = {str(told.values.get("instrument_id")): str(told.values.get("symbol")) for told in sources.journal.events}
    theirs = {names.get(name, name.split()[0]): shares for name, shares in sources.result.shares.items()}
    for symbol in sorted(ours.keys() | {name for name in theirs if name in names.values()}):
        yield _beside(f"shares {symbol}", theirs.pop(symbol, 0), ours.get(symbol, 0))
    if theirs:
        sources.left_out.append(f"shares of {', '.join(sorted(theirs))}: not the algorithm's")


def _fees(told: Telling) -> Decimal:
    return sum((Decimal(one.values["fee"]) for one in told.events if one.values.get("fee")), Decimal(0))


def _beside(name: str, lean: Value, ours: Value) -> Beside:
    return Beside(name=name, a=lean, b=ours, equal=same(lean, ours, TOLERANCE))


def _in_cents(name: str, lean: Decimal, ours: Decimal) -> Beside:
    """One that was rounded to cents on Lean's side."""
    return Beside(name=name, a=lean, b=ours, equal=abs(lean - ours) <= HALF_CENT + TOLERANCE * abs(lean))


def _written(value: Value) -> str:
    return "nothing" if value is None else journals.plain(value) if isinstance(value, Decimal) else str(value)
