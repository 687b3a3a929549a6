"""Every error the workbench raises, in one tree.

    WorkbenchError                    exit code
      BadInput (ValueError)              2        a file or value that a person wrote is not what it should be
        UnknownName (LookupError)        2        a field, parameter or strategy that does not exist; says the nearest
        NotASession                      2        a date on which the exchange is closed; names its neighbours
      NotRecorded (LookupError)          3        asked for a snapshot, run or report that is not there
      MissingPrice (LookupError)         3        a price needed for a decision is not in the market data
      LookAhead (PermissionError)        4        a strategy asked for data later than its decision may see
      EngineFailed (RuntimeError)        5        an engine ended without a complete result; carries its last words
        AlgorithmFailed                  5        the algorithm raised under the engine; says where in its file
        NoMarketData (LookupError)       5        an engine ran, and found no data to run on
      NotebookFailed (RuntimeError)      5        a cell of a notebook raised; the executed copy is kept
      NotSupported (NotImplementedError) 5        the embedded engine does not do this; says to run it under Lean
      JournalBroken                      6        a journal's chain does not verify; says where
      AlreadyClaimed                     7        another snapshot or process owns this rebalance
      StoreBusy (TimeoutError)           8        the store stayed locked; names the holder
      MissingTool (ImportError)          9        something is not installed; says how to get it
      NotArmed (PermissionError)        10        live trading that nobody allowed, or for another account
      OutcomeUnknown                    11        orders whose outcome nobody knows: trading waits for a person
      BrokerUnavailable (ConnectionError) 12      the broker could not be asked: not the same as an empty answer

An error knows its facts (attributes), pickles, and its text names the thing, the place and the remedy.
"""

import difflib
from collections.abc import Iterable
from datetime import date


class WorkbenchError(Exception):
    """The one base: `except WorkbenchError` catches everything the workbench means to say."""

    exit_code = 1


class BadInput(WorkbenchError, ValueError):
    """A file or value that a person wrote is not what it should be."""

    exit_code = 2

    def __init__(self, problem: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(problem, where, remedy)
        self.problem, self.where, self.remedy = problem, where, remedy

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        return f"{text}; {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), dict(self.__dict__), self.args)


class UnknownName(BadInput, LookupError):
    """A name that does not exist, with the nearest one that does."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        near = difflib.get_close_matches(name, self.known, n=1)
        self.suggestion = near[0] if near else None
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(self.known) or 'none'}"
        super().__init__(f"unknown {kind} '{name}'", where=where, remedy=hint)


class NotASession(BadInput):
    """A date on which the exchange is closed."""

    def __init__(self, day: date, before: date | None, after: date | None) -> None:
        self.day, self.before, self.after = day, before, after
        around = " and ".join(str(d) for d in (before, after) if d is not None)
        super().__init__(f"{day} ({day:%A}) is not a session", remedy=f"the sessions beside it are {around}")


class NotRecorded(WorkbenchError, LookupError):
    """Something was asked for by name that was never recorded: not the same as an empty answer."""

    exit_code = 3

    def __init__(self, thing: str, remedy: str = "") -> None:
        super().__init__(thing, remedy)
        self.thing, self.remedy = thing, remedy

    def __str__(self) -> str:
        return f"{self.thing} is not recorded" + (f"; {self.remedy}" if self.remedy else "")


class MissingPrice(WorkbenchError, LookupError):
    """A price needed for a decision is not in the market data."""

    exit_code = 3

    def __init__(self, symbol: str, as_of: object, last_seen: object = None) -> None:
        super().__init__(symbol, as_of, last_seen)
        self.symbol, self.as_of, self.last_seen = symbol, as_of, last_seen

    def __str__(self) -> str:
        seen = f"last seen {self.last_seen}" if self.last_seen else "never seen"
        return f"no close for {self.symbol} on {self.as_of} ({seen}); `workbench data check` lists the gaps"


class LookAhead(WorkbenchError, PermissionError):
    """A strategy asked for data later than its decision may see."""

    exit_code = 4

    def __init__(self, asked: object, as_of: object) -> None:
        super().__init__(asked, as_of)
        self.asked, self.as_of = asked, as_of

    def __str__(self) -> str:
        return f"data of {self.asked} was asked for, but the decision is as of {self.as_of} and sees nothing later"


class EngineFailed(WorkbenchError, RuntimeError):
    """An engine ended without a complete result."""

    exit_code = 5

    def __init__(self, cause: str, *, log: str = "", tail: str = "") -> None:
        super().__init__(cause, log, tail)
        self.cause, self.log, self.tail = cause, log, tail

    def __str__(self) -> str:
        text = self.cause + (f"\nlog: {self.log}" if self.log else "")
        return f"{text}\n{self.tail}" if self.tail else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), dict(self.__dict__), self.args)


class AlgorithmFailed(EngineFailed):
    """The algorithm raised while an engine ran it. `place` is a line of its file, as `intent_execution.py:123`."""

    def __init__(self, cause: str, *, place: str = "", log: str = "", tail: str = "") -> None:
        super().__init__(cause, log=log, tail=tail)
        self.place = place

    def __str__(self) -> str:
        return f"{self.place}: {super().__str__()}" if self.place else super().__str__()


class NoMarketData(EngineFailed, LookupError):
    """An engine ran to its end and found no data to run on."""


class NotebookFailed(WorkbenchError, RuntimeError):
    """A cell of a notebook raised."""

    exit_code = 5

    def __init__(self, notebook: str, cell: int | None, error: str, copy: str) -> None:
        super().__init__(notebook, cell, error, copy)
        self.notebook, self.cell, self.error, self.copy = notebook, cell, error, copy

    def __str__(self) -> str:
        where = self.notebook if self.cell is None else f"{self.notebook}, cell {self.cell}"
        return f"{where}: {self.error}; the executed copy is {self.copy}"


class NotSupported(WorkbenchError, NotImplementedError):
    """The embedded engine does not do this; real Lean may."""

    exit_code = 5

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"the embedded engine does not support {self.what}; run this algorithm under Lean"


class JournalBroken(WorkbenchError):
    """A journal's chain does not verify."""

    exit_code = 6

    def __init__(self, path: str, line: int, why: str) -> None:
        super().__init__(path, line, why)
        self.path, self.line, self.why = path, line, why

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.why}"


class AlreadyClaimed(WorkbenchError):
    """Another snapshot or process owns this rebalance."""

    exit_code = 7

    def __init__(self, what: str, owner: str, remedy: str) -> None:
        super().__init__(what, owner, remedy)
        self.what, self.owner, self.remedy = what, owner, remedy

    def __str__(self) -> str:
        return f"{self.what} is claimed by {self.owner}; {self.remedy}"


class StoreBusy(WorkbenchError, TimeoutError):
    """The store stayed locked for longer than we wait."""

    exit_code = 8

    def __init__(self, path: str, holder: str, waited: float) -> None:
        super().__init__(path, holder, waited)
        self.path, self.holder, self.waited = path, holder, waited

    def __str__(self) -> str:
        return f"{self.path} has been locked for {self.waited:.0f} s by {self.holder}; wait for it, or end that process"


class MissingTool(WorkbenchError, ImportError):
    """Something optional is needed here and not installed."""

    exit_code = 9

    def __init__(self, tool: str, remedy: str) -> None:
        super().__init__(tool, remedy)
        self.tool, self.remedy = tool, remedy

    def __str__(self) -> str:
        return f"{self.tool} is not installed; {self.remedy}"


class NotArmed(WorkbenchError, PermissionError):
    """Live trading was asked for that nobody allowed, or for another account than the one that is armed or there."""

    exit_code = 10

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why, remedy)
        self.why, self.remedy = why, remedy

    def __str__(self) -> str:
        return f"{self.why}; {self.remedy}"


class OutcomeUnknown(WorkbenchError):
    """Orders were sent whose outcome nobody knows. Nothing more is traded until a person says what became of them."""

    exit_code = 11

    def __init__(self, run_id: str, orders: Iterable[str], remedy: str) -> None:
        self.run_id, self.orders, self.remedy = run_id, tuple(orders), remedy
        super().__init__(run_id, self.orders, remedy)

    def __str__(self) -> str:
        return f"run {self.run_id}: the outcome is not known of {', '.join(self.orders)}; {self.remedy}"


class BrokerUnavailable(WorkbenchError, ConnectionError):
    """The broker could not be asked, or its answer did not come to an end. What it would have said is not known."""

    exit_code = 12

    def __init__(self, broker: str, why: str, remedy: str = "") -> None:
        super().__init__(broker, why, remedy)
        self.broker, self.why, self.remedy = broker, why, remedy

    def __str__(self) -> str:
        return f"{self.broker} can't be asked: {self.why}" + (f"; {self.remedy}" if self.remedy else "")


def _rebuild(kind: type[WorkbenchError], facts: dict[str, object], args: tuple[object, ...]) -> WorkbenchError:
    """Give an unpickled error its facts back: keyword-only arguments do not survive `Exception.__reduce__`."""
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(facts)
    return error
