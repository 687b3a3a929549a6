"""Small things of .NET's and Lean's that algorithms use beside Python's own."""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Context
from typing import Any

from workbench.engines.embedded.clr import ClrObject, decimal, real
from workbench.engines.embedded.decimals import smart


class EventHandlers:
    """One of C#'s events: functions join and leave with `+=` and `-=`, and are called with the sender and nothing else."""

    def __init__(self) -> None:
        self._called: list[Callable[[Any, Any], Any]] = []

    def __iadd__(self, function: Callable[[Any, Any], Any]) -> "EventHandlers":
        self._called.append(function)
        return self

    def __isub__(self, function: Callable[[Any, Any], Any]) -> "EventHandlers":
        if function in self._called:
            self._called.remove(function)
        return self

    def raise_from(self, sender: Any) -> None:
        """Call all of them, in the order in which they joined."""
        for function in list(self._called):
            function(sender, None)


class CircularQueue(ClrObject):
    """A queue whose items return to its end: `CircularQueue[OrderType](items)`. `circle_completed` tells that the first came
    up once more."""

    def __init__(self, *items: Any) -> None:
        first: Iterable[Any] = items[0] if len(items) == 1 and isinstance(items[0], list | tuple) else items
        self._items = deque(first)
        self._head = self._items[0] if self._items else None
        self.circle_completed = EventHandlers()

    def __class_getitem__(cls, kind: Any) -> type["CircularQueue"]:
        return cls

    def dequeue(self) -> Any:
        """The next item, which goes to the end."""
        item = self._items.popleft()
        if item == self._head:
            self.circle_completed.raise_from(self)
        self._items.append(item)
        return item


class Extensions(ClrObject):
    """Lean's extension methods, of which few make sense in Python."""

    @staticmethod
    def round_to_significant_digits(value: Any, digits: int) -> float:
        """A number with so many significant digits, half to even."""
        return real(Context(prec=digits).plus(decimal(value)))

    @staticmethod
    def smart_rounding(value: Any) -> float:
        """A number above 1000 with four decimals, another with seven significant digits."""
        return real(smart(decimal(value)))
