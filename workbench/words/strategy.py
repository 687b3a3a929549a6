"""A strategy by name, with the parameters that make it one decision rather than another."""

import re
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInput
from workbench.words.identity import thaw

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """`name` is what decisions are filed under; `source` says where the weights come from: `built-in`, `file.py:function`
    or a table of weights."""

    name: str
    source: str
    parameters: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise BadInput(f"strategy name {self.name!r} must be letters, digits, '_', '-' or '.', and start with a letter "
                           "or digit: it is the name of a folder")

    def parameter(self, name: str, default: Any = None) -> Any:
        """A parameter's value, or `default` where it was not given."""
        return thaw(self.parameters).get(name, default)
