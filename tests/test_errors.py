"""The error tree: drawn on top of its file, every error with its facts, a text that helps, and a way through a pickle."""

import copy
import inspect
import pickle
import re
from datetime import date

import pytest

from workbench import errors
from workbench.errors import (
    AlgorithmFailed,
    AlreadyClaimed,
    BadInput,
    BrokerUnavailable,
    EngineFailed,
    JournalBroken,
    LookAhead,
    MissingPrice,
    MissingTool,
    NoMarketData,
    NotArmed,
    NotASession,
    NotebookFailed,
    NotRecorded,
    NotSupported,
    OutcomeUnknown,
    StoreBusy,
    UnknownName,
    WorkbenchError,
)

ROW = re.compile(r"^ +(\w+)(?: \((\w+)\))? +(\d+) +(\S.*)$", re.MULTILINE)
EXAMPLES = [
    (BadInput("not a number", where="w.csv:3", remedy="write 0.1"), "w.csv:3: not a number; write 0.1"),
    (BadInput("not a number"), "not a number"),
    (UnknownName("field", "wieght", ["weight", "symbol"], where="w.csv"),
     "w.csv: unknown field 'wieght'; did you mean 'weight'?"),
    (UnknownName("field", "zzz", ["weight", "symbol"]), "unknown field 'zzz'; known: symbol, weight"),
    (UnknownName("strategy", "zzz", []), "unknown strategy 'zzz'; known: none"),
    (NotASession(date(2020, 3, 1), date(2020, 2, 28), date(2020, 3, 2)),
     "2020-03-01 (Sunday) is not a session; the sessions beside it are 2020-02-28 and 2020-03-02"),
    (NotRecorded("run 'r1'", "`workbench runs ls` lists what is there"),
     "run 'r1' is not recorded; `workbench runs ls` lists what is there"),
    (NotRecorded("run 'r1'"), "run 'r1' is not recorded"),
    (MissingPrice("ALFA", date(2020, 3, 2), date(2020, 2, 28)),
     "no close for ALFA on 2020-03-02 (last seen 2020-02-28); `workbench data check` lists the gaps"),
    (MissingPrice("ALFA", date(2020, 3, 2)),
     "no close for ALFA on 2020-03-02 (never seen); `workbench data check` lists the gaps"),
    (LookAhead(date(2020, 3, 3), date(2020, 3, 2)),
     "data of 2020-03-03 was asked for, but the decision is as of 2020-03-02 and sees nothing later"),
    (EngineFailed("no result", log="log.txt", tail="last words"), "no result\nlog: log.txt\nlast words"),
    (EngineFailed("no result"), "no result"),
    (NotebookFailed("2_decide", 3, "ZeroDivisionError", "copy.ipynb"),
     "2_decide, cell 3: ZeroDivisionError; the executed copy is copy.ipynb"),
    (NotebookFailed("2_decide", None, "DeadKernel", "copy.ipynb"), "2_decide: DeadKernel; the executed copy is copy.ipynb"),
    (NotSupported("set_warm_up"), "the embedded engine does not support set_warm_up; run this algorithm under Lean"),
    (JournalBroken("journal.jsonl", 7, "not a journal line"), "journal.jsonl:7: not a journal line"),
    (AlreadyClaimed("equal 2020-03-02", "s1", "use --supersede s1"), "equal 2020-03-02 is claimed by s1; use --supersede s1"),
    (StoreBusy("workbench.duckdb", "pid 7", 30.0),
     "workbench.duckdb has been locked for 30 s by pid 7; wait for it, or end that process"),
    (AlgorithmFailed("division by zero", place="intent_execution.py:7", log="log.txt"),
     "intent_execution.py:7: division by zero\nlog: log.txt"),
    (AlgorithmFailed("division by zero"), "division by zero"),
    (NoMarketData("no data for ALFA", log="log.txt"), "no data for ALFA\nlog: log.txt"),
    (NotArmed("account U1 is not armed", "`workbench arm U1`"), "account U1 is not armed; `workbench arm U1`"),
    (OutcomeUnknown("r1", ["s1-ALFA.1", "s1-BETA.1"], "ask the broker"),
     "run r1: the outcome is not known of s1-ALFA.1, s1-BETA.1; ask the broker"),
    (BrokerUnavailable("IB", "no answer", "start it"), "IB can't be asked: no answer; start it"),
    (BrokerUnavailable("IB", "no answer"), "IB can't be asked: no answer"),
    (MissingTool("dotnet", "install .NET"), "dotnet is not installed; install .NET"),
]


def classes():
    """Every error class of the file."""
    return {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__}


def drawn():
    """The tree as it is drawn: name, built-in, exit code, depth."""
    assert errors.__doc__ is not None
    return [(name, builtin, int(code), match.start(1) - match.start()) for match in ROW.finditer(errors.__doc__)
            for name, builtin, code, _ in [match.groups()]]


def test_every_error_is_in_the_drawing():
    """And nothing else."""
    assert {name for name, *_ in drawn()} == set(classes()) - {"WorkbenchError"}


@pytest.mark.parametrize(("name", "builtin", "code", "depth"), drawn())
def test_an_error_is_what_the_drawing_says(name, builtin, code, depth):
    """Under its parent, with its built-in and its exit code."""
    kind = classes()[name]
    above = [other for other, _, _, other_depth in drawn()[:[row[0] for row in drawn()].index(name)] if other_depth < depth]

    assert kind.exit_code == code
    assert kind.__mro__[1] is (classes()[above[-1]] if above else WorkbenchError)
    assert builtin is None or builtin in [base.__name__ for base in kind.__mro__]


def test_each_exit_code_is_one_thing():
    """A script can tell them apart; 1 is what nobody meant."""
    assert WorkbenchError.exit_code == 1
    assert 1 not in {code for _, _, code, _ in drawn()}


def test_every_error_has_an_example():
    """So that the laws below are laws."""
    assert {type(error).__name__ for error, _ in EXAMPLES} == set(classes()) - {"WorkbenchError"}


@pytest.mark.parametrize(("error", "text"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_error_says_what_where_and_what_to_do(error, text):
    """In one sentence, or with the last words of the engine."""
    assert str(error) == text


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda error: type(error).__name__)
def test_an_error_survives_a_pickle(error):
    """Between processes it keeps its class, its text and its facts."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert (str(again), vars(again), again.args) == (str(error), vars(error), error.args)


def test_an_error_knows_its_facts():
    """Whoever catches it need not read its text."""
    busy, unknown, closed = StoreBusy("p", "h", 1.5), UnknownName("f", "abd", ["abc", "x"]), EXAMPLES[5][0]

    assert (busy.path, busy.holder, busy.waited) == ("p", "h", 1.5)
    assert (unknown.kind, unknown.name, unknown.known, unknown.suggestion) == ("f", "abd", ("abc", "x"), "abc")
    assert (closed.day, closed.before, closed.after) == (date(2020, 3, 1), date(2020, 2, 28), date(2020, 3, 2))
