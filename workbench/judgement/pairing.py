"""Which event of one telling is which of another, and the order in which both are best read."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from workbench.judgement.telling import ORDER, PLACE, Told, same

NUMBERS, REFS = "order and event number", "order_ref and place among the order's own events, since order numbers differ"

Key = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event on both sides, or on one alone; `differing` names the fields that are not equal, `place` where it moved."""

    a: Told | None
    b: Told | None
    differing: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both sides tell it, and the same."""
        return self.a is not None and self.b is not None and not self.differing

    @property
    def either(self) -> Told:
        """The event, of whichever side has it."""
        told = self.a or self.b
        assert told is not None
        return told


def pair(a: Sequence[Told], b: Sequence[Told], names: Sequence[str], tolerance: Decimal, *,
         place: bool = True) -> tuple[str, tuple[Row, ...]]:
    """What events were paired by, and all of them in order: what both tell, and between that what A tells, then what B does.

    Order events pair by the engine's numbers; by our order_ref where both know the same one under other numbers. Other
    lines of a journal pair by kind and by what they are about. With `place`, an event that has moved differs in it.
    """
    key = _by_ref if _refs_disagree(a, b) else _by_number
    in_a, in_b = _keyed(a, key), _keyed(b, key)
    rank = {own: at for at, own in enumerate(in_b)}
    both = [own for own in in_a if own in rank]
    stays = {own for own, kept in zip(both, longest_rising([rank[own] for own in both]), strict=True) if kept}

    def row(own: Key) -> Row:
        one, other = in_a.get(own), in_b.get(own)
        if one is None or other is None:
            return Row(a=one, b=other)
        moved = (PLACE,) if place and own not in stays else ()
        return Row(a=one, b=other, differing=(*moved, *(name for name in names if not same(
            one.values.get(name), other.values.get(name), tolerance))))

    rows = tuple(row(own) for own in _merged(list(in_a), list(in_b), stays))
    return REFS if key is _by_ref else NUMBERS, rows


def longest_rising(ranks: Sequence[int]) -> list[bool]:
    """Which of these different numbers belong to one longest rising run of them: the others have moved."""
    tops: list[int] = []            # by length, the smallest number that a run of it ends with
    lengths = []
    for rank in ranks:
        at = bisect_left(tops, rank)
        tops[at:at + 1] = [rank]
        lengths.append(at)
    kept, wanted = [False] * len(ranks), len(tops) - 1
    for at in range(len(ranks) - 1, -1, -1):
        if lengths[at] == wanted:
            kept[at] = True
            wanted -= 1
    return kept


def _merged(a: Sequence[Key], b: Sequence[Key], stays: set[Key]) -> Iterator[Key]:
    """Each key once, by the order of both: those that stay divide each side, and a moved one comes where it is met first."""
    rest = iter(b)
    seen: set[Key] = set()

    def new(keys: Sequence[Key]) -> Iterator[Key]:
        for own in keys:
            if own not in seen:
                seen.add(own)
                yield own

    for own in a:
        if own in stays:
            yield from new([*_until(rest, own), own])
        else:
            yield from new([own])
    yield from new(list(rest))


def _until(keys: Iterator[Key], last: Key) -> list[Key]:
    """What comes before a key that is sure to come."""
    found: list[Key] = []
    for own in keys:
        if own == last:
            break
        found.append(own)
    return found


def _refs_disagree(a: Sequence[Told], b: Sequence[Told]) -> bool:
    """Whether both know an order_ref under different numbers: each engine counts as it likes, and a ref is ours."""
    numbers_a, numbers_b = _numbers_of_refs(a), _numbers_of_refs(b)
    return any(numbers_a[ref] != numbers_b[ref] for ref in numbers_a.keys() & numbers_b.keys())


def _numbers_of_refs(events: Sequence[Told]) -> dict[str, str]:
    found: dict[str, str] = {}
    for told in events:
        if told.kind == ORDER and told.ref and told.order:
            found.setdefault(told.ref, told.order)
    return found


def _by_number(told: Told) -> Key:
    return (ORDER, told.order, told.event) if told.kind == ORDER else _by_subject(told)


def _by_ref(told: Told) -> Key:
    """An order that has no ref keeps its number."""
    return (ORDER, told.ref or f"#{told.order}") if told.kind == ORDER else _by_subject(told)


def _by_subject(told: Told) -> Key:
    return told.kind, told.values.get("order_intent_id"), told.subject


def _keyed(events: Sequence[Told], key: Callable[[Told], Key]) -> dict[Key, Told]:
    """Events by key, in their order; those that share one are told apart by which of them came first."""
    times: Counter[Key] = Counter()
    found: dict[Key, Told] = {}
    for told in events:
        own = key(told)
        times[own] += 1
        found[(*own, times[own])] = told
    return found
