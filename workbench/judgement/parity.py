"""Parity: two tellings of one trading compared event by event, with the first place where they part.

Equal means: the same events in the same order; text, flags, moments and whole numbers identical, other numbers to a relative
tolerance. Ids of runs, wall clocks and machines are no part of a telling.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from workbench.errors import BadInput, UnknownName
from workbench.judgement.pairing import Row, pair
from workbench.judgement.telling import ORDER, PLACE, TIME, TOLERANCE, Telling, Told, Value, is_number, same

END, STATISTICS = "end", "statistics"
USUAL = ("time", "symbol", "instrument_id", "type", "tag", "order_ref", "status", "quantity", "limit_price", "stop_price",
         "fill_quantity", "fill_price", "fee")      # these first, where both have them; the others as they come


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field over all events that both sides tell and either has it in; the largest differences of numbers, and where."""

    name: str
    compared: int
    different: int
    largest_absolute: Decimal | None
    largest_relative: Decimal | None
    where: str

    @property
    def equal(self) -> int:
        """How many were equal."""
        return self.compared - self.different


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One value on both sides."""

    name: str
    a: Value
    b: Value
    equal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What the comparison found. `rows` are all events in their order; `left_out` says what was not compared, and why.

    `asked` is told beside the rest and decides nothing: runs that were asked for different things may still trade alike.
    """

    a: Telling
    b: Telling
    paired_by: str
    tolerance: Decimal
    ignored: tuple[str, ...]
    left_out: tuple[str, ...]
    rows: tuple[Row, ...]
    fields: tuple[Field, ...]
    end: tuple[Beside, ...]
    statistics: tuple[Beside, ...]
    asked: tuple[Beside, ...]

    def __repr__(self) -> str:
        return f"Parity({self.verdict})"

    @property
    def equal(self) -> bool:
        """Whether nothing that was compared differs."""
        return self.first is None and not self.wrong

    @property
    def first(self) -> int | None:
        """The row of the first difference among the events; None where there is none."""
        return next((at for at, row in enumerate(self.rows) if not row.equal), None)

    @property
    def different(self) -> tuple[Row, ...]:
        """Every row on which the sides differ."""
        return tuple(row for row in self.rows if not row.equal)

    @property
    def wrong(self) -> tuple[Beside, ...]:
        """What differs at the end and in the statistics."""
        return tuple(one for one in (*self.end, *self.statistics) if not one.equal)

    @property
    def only_a(self) -> int:
        """How many events A alone tells."""
        return sum(row.b is None for row in self.rows)

    @property
    def only_b(self) -> int:
        """How many events B alone tells."""
        return sum(row.a is None for row in self.rows)

    @property
    def verdict(self) -> str:
        """The finding in one sentence."""
        count = f"{len(self.rows):,} event{'' if len(self.rows) == 1 else 's'}"
        if self.first is not None:
            row = self.rows[self.first]
            subject = f" ({row.either.subject})" if row.either.kind == ORDER else ""
            return f"different, first at {row.either.label}{subject}: {_what(row)}"
        if self.wrong:
            return f"different in {', '.join(one.name for one in self.wrong)}; {count} equal"
        return f"equal, {count}"

    def context(self, before: int) -> tuple[Row, ...]:
        """Some rows before the first difference, and that one last; none where there is no difference."""
        return () if self.first is None else self.rows[max(0, self.first - before):self.first + 1]

    def beside(self, row: Row) -> tuple[Beside, ...]:
        """An event's place and compared fields on both sides; a side that does not tell it has None everywhere."""
        a, b = (dict(told.values, **{PLACE: told.place}) if told else {} for told in (row.a, row.b))
        names = [PLACE, *(one.name for one in self.fields if one.name != PLACE)]
        whole = row.a is not None and row.b is not None
        return tuple(Beside(name=name, a=a.get(name), b=b.get(name), equal=whole and name not in row.differing)
                     for name in names if a.get(name) is not None or b.get(name) is not None)

    def body(self, before: int) -> dict[str, Any]:
        """The finding as an object for scripts, with the events `before` the first difference and that one field by field."""
        shown = self.context(before)
        return {
            "equal": self.equal, "verdict": self.verdict, "a": self.a.name, "b": self.b.name, "paired_by": self.paired_by,
            "tolerance": self.tolerance, "ignored": self.ignored, "left_out": self.left_out, "events": len(self.rows),
            "different": len(self.different), "only_a": self.only_a, "only_b": self.only_b,
            "first": None if not shown else {
                "event": shown[-1].either.label, "differing": shown[-1].differing,
                "fields": [_plain(one) for one in self.beside(shown[-1])],
                "before": [{"event": row.either.label, **row.either.values} for row in shown[:-1]],
            },
            "fields": [{**_plain(one), "equal": one.equal} for one in self.fields],
            "end": [_plain(one) for one in self.end], "statistics": [_plain(one) for one in self.statistics],
            "asked": [_plain(one) for one in self.asked],
        }


def compare(a: Telling, b: Telling, *, tolerance: Decimal = TOLERANCE, ignore: Iterable[str] = ()) -> Parity:
    """Compare two tellings. `ignore` names fields or statistics, all of `end` or `statistics`, or `place`.

    Raises `UnknownName` for a name to ignore that neither side has, and `BadInput` for a tolerance below 0.
    """
    if not tolerance.is_finite() or tolerance < 0:
        raise BadInput(f"tolerance {tolerance} is not a number from 0 up")
    ignored = frozenset(ignore)
    names, left_out = _fields(a, b)
    _refuse_unknown(ignored, {PLACE, END, STATISTICS, *names, *a.fields, *b.fields, *a.end, *b.end, *a.statistics, *b.statistics})
    names = tuple(name for name in names if name not in ignored)
    place = PLACE not in ignored
    told_a, told_b = _alike(a, b)
    paired_by, rows = pair(told_a, told_b, names, tolerance, place=place)
    return Parity(
        a=a, b=b, paired_by=paired_by, tolerance=tolerance, ignored=tuple(sorted(ignored)), rows=rows,
        left_out=(*left_out, *_told_by_one(END, a, a.end, b, b.end), *_told_by_one(STATISTICS, a, a.statistics, b, b.statistics)),
        fields=(*((_places(rows),) if place else ()), *(_field(name, rows) for name in names)),
        end=() if END in ignored else _beside(a.end, b.end, tolerance, ignored),
        statistics=() if STATISTICS in ignored else _beside(a.statistics, b.statistics, tolerance, ignored),
        asked=_beside(a.asked, b.asked, tolerance, ignored),
    )


def _plain(value: Field | Beside) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in fields(value)}


def _what(row: Row) -> str:
    if row.a is None or row.b is None:
        return f"only {'A' if row.b is None else 'B'} tells it"
    return ", ".join(row.differing)


def _fields(a: Telling, b: Telling) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that both can tell, the usual ones first; and what is left out.

    Of two tellings of one form, a field that neither declares is compared as well, wherever it is seen.
    """
    told = dict.fromkeys(name for side in (a, b) for told in side.events for name in told.values)
    seen = (*(name for name in USUAL if name in told), *(name for name in told if name not in USUAL))
    known, both = a.fields | b.fields, a.fields & b.fields
    names = [name for name in seen if name in both or (name not in known and a.form == b.form)]
    left_out = [text for side, other in ((a, b), (b, a)) for text in _missing(side, side.fields, other.fields)]
    if TIME in names and (a.wall_clock or b.wall_clock):
        names.remove(TIME)
        left_out.append(f"{TIME}: of a real day's clock")
    return tuple(names), tuple(left_out)


def _missing(side: Telling, own: Iterable[str], others: Iterable[str]) -> Iterator[str]:
    """What one side does not tell and the other does, as a sentence; nothing where there is nothing."""
    names = sorted(set(others) - set(own))
    if names:
        yield f"{', '.join(names)}: not told by {side.name}"


def _told_by_one(what: str, a: Telling, in_a: Mapping[str, Value], b: Telling, in_b: Mapping[str, Value]) -> tuple[str, ...]:
    return tuple(f"{what} {text}" for text in (*_missing(a, in_a, in_b), *_missing(b, in_b, in_a)))


def _alike(a: Telling, b: Telling) -> tuple[Sequence[Told], Sequence[Told]]:
    """The events of the kinds that both forms have: Lean tells of orders alone."""
    if a.form == b.form:
        return a.events, b.events
    return tuple(told for told in a.events if told.kind == ORDER), tuple(told for told in b.events if told.kind == ORDER)


def _refuse_unknown(ignored: frozenset[str], known: set[str]) -> None:
    for name in sorted(ignored - known):
        raise UnknownName("field", name, known)


def _places(rows: Sequence[Row]) -> Field:
    moved = [row.either.label for row in rows if PLACE in row.differing]
    both = sum(row.a is not None and row.b is not None for row in rows)
    return Field(name=PLACE, compared=both, different=len(moved), largest_absolute=None, largest_relative=None,
                 where=moved[0] if moved else "")


def _field(name: str, rows: Sequence[Row]) -> Field:
    compared = different = 0
    absolute = relative = None
    first = worst = ""
    for row in rows:
        x, y = (None, None) if row.a is None or row.b is None else (row.a.values.get(name), row.b.values.get(name))
        if x is None and y is None:
            continue
        compared += 1
        if name in row.differing:
            different += 1
            first = first or row.either.label
        for gap, size in _gaps(x, y):
            share = gap / size if size else gap
            if relative is None or share > relative:
                relative, worst = share, row.either.label if share else ""
            absolute = gap if absolute is None else max(absolute, gap)
    return Field(name=name, compared=compared, different=different, largest_absolute=absolute, largest_relative=relative,
                 where=worst or first)


def _gaps(x: Value, y: Value) -> Iterator[tuple[Decimal, Decimal]]:
    """How far numbers lie apart, and the size of the larger, wherever in a value they are."""
    if is_number(x) and is_number(y):
        yield (Decimal(0), Decimal(0)) if x == y else (abs(Decimal(x) - y), max(abs(Decimal(x)), abs(Decimal(y))))
    elif isinstance(x, Mapping) and isinstance(y, Mapping):
        for name in x.keys() & y.keys():
            yield from _gaps(x[name], y[name])
    elif isinstance(x, list | tuple) and isinstance(y, list | tuple):
        for one, other in zip(x, y, strict=False):
            yield from _gaps(one, other)


def _beside(a: Mapping[str, Value], b: Mapping[str, Value], tolerance: Decimal, ignored: frozenset[str]) -> tuple[Beside, ...]:
    return tuple(Beside(name=name, a=a[name], b=b[name], equal=same(a[name], b[name], tolerance))
                 for name in a if name in b and name not in ignored)
