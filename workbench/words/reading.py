"""From a parsed JSON object to a frozen value: every field typed, none unknown, none missing."""

from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from workbench.errors import BadInput, UnknownName

T = TypeVar("T")


def read_fields(kind: type[T], body: Any, *, where: str) -> T:
    """Build the dataclass `kind` from a JSON object read with exact numbers.

    Raises `UnknownName` for a field that does not exist and `BadInput` for one that is missing or of the wrong type,
    naming `where` it was read.
    """
    if not isinstance(body, dict):
        raise BadInput(f"must be a JSON object, not {type(body).__name__}", where=where)
    known = {field.name for field in fields(kind)}          # type: ignore[arg-type]
    for name in body:
        if name not in known:
            raise UnknownName("field", name, known, where=where)
    from pydantic import ValidationError

    try:
        value: T = _adapter(kind).validate_python(body)     # type: ignore[arg-type]     # a class is hashable
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"field '{place}': {first['msg'].lower()}", where=where) from None
    return value


@cache
def _adapter(kind: type[Any]) -> Any:
    from pydantic import ConfigDict, TypeAdapter, with_config

    return TypeAdapter(with_config(ConfigDict(extra="forbid"))(kind))
