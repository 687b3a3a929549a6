"""Types of Lean's, and of .NET, that an algorithm's star import brings and this engine does not have.

Each stands in its name's place, as it would under Lean: it can be named, and whatever else is done with it raises
NotSupported. Without them `Decimal` would be Python's here and .NET's there, and nobody would say so.
"""

from typing import Any, NoReturn

from workbench.errors import NotSupported


class Absent:
    """One such type."""

    def __init__(self, name: str, namespace: str) -> None:
        self._absent = name, namespace

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise NotSupported(self._absent[0])

    __call__ = __getitem__ = __mro_entries__ = __instancecheck__ = __subclasscheck__ = __iter__ = __or__ = __ror__ = _refuse

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotSupported(f"{self._absent[0]}.{name}")

    def __repr__(self) -> str:
        name, namespace = self._absent
        return f"<class '{namespace}.{name}{'[]' if name in GENERIC else ''}'>"


Absent.__name__ = "CLRMetatype"
GENERIC = frozenset({"Func", "Lazy", "Progress"})
