"""The `workbench` command. Each sub-command reads its options, calls one function of the rooms below, and prints.

Data goes to stdout (as JSON with --json), everything else to stderr. Exit codes: 0 done; 1 different, or something odd found, or
anything else; 2 bad input; 3 not recorded or no price; 4 a strategy looked ahead; 5 an engine or notebook failed; 6 a journal
does not verify; 7 claimed by another; 8 the store stayed locked; 9 something is not installed; 10 live trading that nobody
allowed; 11 orders whose outcome nobody knows; 12 the broker could not be asked.
"""

from workbench.cli import begin, trade, look, safety        # noqa: I001 (in this order the help lists them)
from workbench.cli.app import app, main

__all__ = ["app", "begin", "look", "main", "safety", "trade"]
