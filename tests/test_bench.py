"""The benchmark's own code: its market can be traded on, a round measures, and what is missing says so."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from workbench.market.check import check
from workbench.market.folder import Market

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture(scope="module")
def bench():
    """The benchmark's modules, which are scripts and not part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import engine
        import market

        yield engine, market
    for name in ("engine", "market", "peers", "weights"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def case(bench):
    _, market = bench
    return market.Case(name="tiny", names=3, sessions=12, every=4)


@pytest.fixture(scope="module")
def folder(bench, case, tmp_path_factory):
    _, market = bench
    folder = tmp_path_factory.mktemp("bench")
    market.make_market(folder, case)
    return folder


def test_the_market_is_whole_and_the_same_every_time(bench, case, folder, tmp_path):
    """Nothing odd in it; the same bytes again; closes in cents, as the peers read them."""
    _, market = bench
    market.make_market(tmp_path, case)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    known = Market(folder / "market")
    (first, *_) = known.universe(known.calendar.sessions(market.FIRST, market.LAST)[0])

    assert not check(known)
    assert all((folder / path).read_bytes() == (tmp_path / path).read_bytes() for path in files)
    assert np.array_equal(known.bars(first).close, np.load(folder / "closes.npy")[:, 0])
    assert (np.load(folder / "closes.npy") % market.TICK == 0).all()


def test_a_round_measures_the_engine_and_names_what_is_not_there(bench, case, tmp_path, monkeypatch):
    """Cold and warm give seconds and the orders of three rebalances of three names; a peer that is missing says so."""
    engine, _ = bench
    monkeypatch.setattr(engine, "installed", lambda _: None)
    found, loops = engine.measure((case,), [*engine.OURS, "bt"], 2, tmp_path, Console(stderr=True))
    page = Console(width=160, record=True, file=io.StringIO())
    for table in engine.tables((case,), found):
        page.print(table)
    text = page.export_text()

    assert len(loops) == 2
    for name in engine.OURS:
        measured = found["tiny", name]
        assert (measured.orders, len(measured.seconds), measured.said) == (9, 2, "")
        assert all(0 <= run < seconds for run, seconds in zip(measured.runs, measured.seconds, strict=True))
        assert name in text
    assert "not installed" in text
    assert list(engine.verdicts((case,), found)) == []


def test_a_process_that_fails_is_told_and_not_timed(bench, tmp_path):
    """Its last words stand in the table."""
    engine, _ = bench
    measured = engine.Measured()

    assert engine.timed([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path, measured) == (None, "")
    assert measured.said == "failed: no such thing"
    assert engine.row(measured, engine.Measured())[0] == "failed: no such thing"


def test_ratios_are_of_medians(bench):
    """bt's whole process, and its run alone, to our whole process, an aim being judged by the latter; and the run with a journal
    to the run without."""
    engine, market = bench
    ours = engine.Measured(seconds=[1.0, 2.0, 9.0], runs=[0.5, 1.0, 8.0], orders=600)
    base = engine.Measured(seconds=[40.0, 41.0, 44.0], runs=[30.0, 31.0, 39.0], orders=500)
    case = market.Case(name="monthly500", names=500, sessions=2520, every=21)
    kept = engine.Measured(seconds=[4.0, 5.0], runs=[3.0, 3.2], orders=600)
    found = {("monthly500", engine.OURS[1]): ours, ("monthly500", engine.OURS[2]): kept, ("monthly500", "bt"): base}

    assert engine.row(ours, base) == ["1.00", "2.00", "9.00", "1.00", "600", "300", "20.50", "15.50"]
    assert list(engine.verdicts((case,), found)) == [
        "monthly500: bt's run ÷ workbench = 15.50, aim 15: reached",
        "monthly500: the run with journal ÷ the run without = 3.10, aim at most 2: not reached"]


def test_weights_are_the_same_for_all(bench, folder, case):
    """By the number of the rebalance; their sum is the gross."""
    import weights

    assert weights.weights(7, 5) == weights.weights(7, 5) != weights.weights(8, 5)
    assert sum(weights.weights(0, 500)) == pytest.approx(weights.GROSS)
    assert json.loads((folder / "case.json").read_text())["names"] == case.names
