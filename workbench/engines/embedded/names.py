"""The public names of Lean's: what an algorithm may rightly ask for, whether this engine has it or not.

`lean_names.txt` lists them as Lean's editor stubs do: by namespace its types, by type its members (snake_case).
"""

from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("lean_names.txt")


@cache
def namespaces() -> dict[str, str]:
    """Namespace by type: `OrderTicket` → `QuantConnect.Orders`. Of two types with a name, the later namespace's, as in Lean."""
    return {name: place for place, names in _parts()[0] for name in names}


@cache
def members() -> dict[str, frozenset[str]]:
    """The members of each type of the face, by the type's short name."""
    return {place.rsplit(".", 1)[1]: frozenset(names) for place, names in _parts()[1]}


def full_name(name: str) -> str | None:
    """`OrderTicket` → `QuantConnect.Orders.OrderTicket`; None where Lean has no such type."""
    place = namespaces().get(name)
    return None if place is None else f"{place}.{name}"


@cache
def _parts() -> tuple[list[tuple[str, list[str]]], list[tuple[str, list[str]]]]:
    types, of_types = TABLE.read_text(encoding="utf-8").split("\n\n")
    return _lines(types), _lines(of_types)


def _lines(text: str) -> list[tuple[str, list[str]]]:
    rows = (line.split(": ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return [(place, names.split(" ")) for place, names in rows]
