"""One decision list under two engines: equal where they trade alike, and the first difference where they do not."""

import sys
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.standin_fixtures import lean as lean
from workbench import files
from workbench.engines import base
from workbench.errors import BadInput, EngineFailed, UnknownName
from workbench.running import records
from workbench.running.comparison import compare_engines
from workbench.running.desk import Desk
from workbench.settings import read_settings

WEIGHTS = "date,symbol,weight\n2020-03-02,ALFA,0.4\n2020-03-02,BETA,0.3\n2020-03-05,ALFA,0.1\n2020-03-05,GAMA,0.5\n"

# An engine that takes the same config and charges two basis points more than it is told to.
DEARER = """
import json, sys
from pathlib import Path
from workbench.algorithm.journal import to_json
from workbench.engines.embedded.__main__ import main
from workbench.engines.config import read_config

path = Path(sys.argv[2])
config = read_config(path)
params = json.loads(Path(config["parameters"]["execution-params-path"]).read_text(), parse_float=str)
own = path.with_name("dearer-params.json")
own.write_text(json.dumps({**params, "fee_bps": 2}))
config["parameters"]["execution-params-path"] = str(own)
path.with_name("dearer.json").write_text(to_json(config))
sys.argv[2] = str(path.with_name("dearer.json"))
sys.exit(main())
"""


@pytest.fixture
def desk(tmp_path, invented):
    return decided(tmp_path, read_settings(tmp_path, data=tmp_path / "data", market=invented))


def decided(folder, settings):
    """A desk with decisions on two dates."""
    desk = Desk(settings=settings)
    (folder / "mine.csv").write_text(WEIGHTS)
    desk.decide_weights(folder / "mine.csv")
    return desk


@pytest.fixture
def again():
    """The embedded engine under another name: another engine, as a run's identity goes."""
    return replace(base.find_engine("embedded"), name="again")


def test_two_engines_that_trade_alike_are_equal(desk, again):
    """Every line of both journals, and the statistics of both results; each has its run and its attempt."""
    a, b, found = compare_engines(desk, desk.decisions("mine"), engines=("embedded", again))

    assert found.equal, found.verdict
    assert {row.either.kind for row in found.rows} >= {"rebalance", "sized", "order", "mark"}
    assert len(found.statistics) > 20
    assert (a.run.engine, b.run.engine) == ("embedded", "again")
    assert a.run.run_id != b.run.run_id
    assert [side.name.split()[0] for side in (found.a, found.b)] == ["embedded", "again"]
    assert all(one.run.run_id in side.name for one, side in ((a, found.a), (b, found.b)))
    assert all(one.ended for one in (a, b))


def test_asking_again_finds_both_runs(desk, again):
    """Nothing is traded twice."""
    first = compare_engines(desk, desk.decisions("mine"), engines=("embedded", again))
    second = compare_engines(desk, desk.decisions("mine"), engines=("embedded", again))

    assert [one.found for one in (*first[:2], *second[:2])] == [False, False, True, True]
    assert [len(records.attempts(desk.data, one.run.run_id)) for one in second[:2]] == [1, 1]


def test_the_first_difference_between_two_engines_is_named(desk):
    """One charges more than it was told to: sizes are the same, and the fee of the first fill is not."""
    dearer = base.Engine(name="dearer", version="1", command=(sys.executable, "-c", DEARER))
    _, _, found = compare_engines(desk, desk.decisions("mine"), desk.params(), engines=("embedded", dearer))

    assert not found.equal
    row = found.rows[found.first]
    assert (row.either.kind, row.differing) == ("order", ("fee",))
    assert {"Total Fees", "End Equity"} <= {one.name for one in found.statistics if not one.equal}


def test_cash_and_params_are_those_of_both(desk, again):
    """And a tolerance and what to ignore are the asker's, as in any parity."""
    a, b, found = compare_engines(desk, desk.decisions("mine"), desk.params(fee_bps=3), engines=("embedded", again),
                                  cash=Decimal(5000), tolerance=Decimal("1e-6"), ignore=["statistics"])

    assert [one.run.cash for one in (a, b)] == [5000, 5000]
    assert a.run.params_id == b.run.params_id
    assert (found.tolerance, found.ignored, found.statistics) == (Decimal("1e-6"), ("statistics",), ())


def test_an_engine_is_not_compared_with_itself(desk):
    """It would be one run, found twice."""
    with pytest.raises(BadInput, match="engine 'embedded' is compared with itself; name two engines"):
        compare_engines(desk, desk.decisions("mine"), engines=("embedded", "embedded"))
    assert desk.runs().empty


def test_an_engine_that_is_not_there_stops_it_before_the_other_is_started(desk):
    """No run of the one that is there is begun for nothing."""
    with pytest.raises(UnknownName, match="unknown engine 'embeded'"):
        compare_engines(desk, desk.decisions("mine"), engines=("embedded", "embeded"))
    assert not (desk.data / "runs").exists()


def test_an_engine_that_fails_says_so(desk):
    """There is no parity with half a run, and the run of the other is kept."""
    broken = base.Engine(name="broken", version="1", command=(sys.executable, "-c", "raise SystemExit(7)"))
    with pytest.raises(EngineFailed):
        compare_engines(desk, desk.decisions("mine"), engines=("embedded", broken))

    assert sorted(desk.runs()["state"]) == ["completed", "failed"]


def test_real_lean_s_launcher_is_the_other_side(tmp_path, invented, lean):
    """Found on this machine, started as it wants to be, and its own files held against the journal: here a stand-in for it."""
    desk = decided(tmp_path, read_settings(tmp_path, data=tmp_path / "data", market=invented, lean=lean.folder))
    a, b, found = compare_engines(desk, desk.decisions("mine"))

    assert (a.run.engine, b.run.engine) == ("embedded", "lean")
    assert found.equal, found.verdict
    assert files.read_json(b.folder / "differences.json")["none"] is True
