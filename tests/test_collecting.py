"""The garbage collector rests where it is told to, and nowhere else."""

import gc

import pytest

from workbench.collecting import without_collecting
from workbench.errors import BadInput


@pytest.mark.parametrize("at_work", [True, False])
def test_the_collector_rests_only_meanwhile(at_work):
    """And stays at rest where it was, also after an error."""
    def fail():
        with without_collecting():
            raise BadInput(f"collecting {gc.isenabled()}")

    before = gc.isenabled()
    (gc.enable if at_work else gc.disable)()
    try:
        with pytest.raises(BadInput, match="collecting False"):
            fail()
        assert gc.isenabled() == at_work
    finally:
        (gc.enable if before else gc.disable)()
