"""What all tests share: the invented market, real Lean's recordings where they are at hand, and repeatable examples."""

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT.parent / "shared" / "lean-golden" / "sample" / "data"

settings.register_profile("workbench", deadline=None, derandomize=True)
settings.load_profile("workbench")


@pytest.fixture(scope="session")
def invented() -> Path:
    """The invented market: eight stocks, 2019 and 2020, as a Lean data folder."""
    return ROOT / "data" / "fixtures" / "market"


@pytest.fixture(scope="session")
def golden_sample() -> Path:
    """Lean's own sample data, which is not part of the project."""
    if not SAMPLE.is_dir():
        pytest.skip(f"Lean's sample data is not at {SAMPLE}: nothing to compare with")
    return SAMPLE
