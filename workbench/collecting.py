"""Python's garbage collector, where very many objects are made at once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """While all that is made is kept: the collector would walk it again and again, and free none of it. A decorator too.

    It rests for the whole process, and is as it was afterwards, also after an error.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()
