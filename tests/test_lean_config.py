"""Lean's config for one attempt: Lean's own keys, one job's values, and never a secret."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import files
from workbench.algorithm.journal import to_json
from workbench.engines import secrets
from workbench.engines.config import OWN_KEYS, SECRET_PLACE, Broker, Job, launcher_config, layered, parameters_of, read_config
from workbench.engines.secrets import Secrets, needed_secrets, private_config, read_secrets, remove_leftovers, secret_keys
from workbench.errors import BadInput, UnknownName

RAW = Path(__file__).parents[2] / "shared" / "lean-golden" / "raw"
RECORDED = ("before-listing", "leverage-and-margin-call", "live-paper", "minute-market-orders", "random-003", "rebalance-ib-margin",
            "splits-and-dividends-raw")
FAKE_QUEUE = "QuantConnect.Lean.Engine.DataFeeds.Queues.FakeDataQueue"
# What belongs to a job and a folder, and so can't be the same in two configs.
THE_JOB_S_OWN = {"environment", "algorithm-type-name", "algorithm-location", "algorithm-id", "data-folder", "parameters",
                 "results-destination-folder", "object-store-root"}
# What our configs have beyond the recorded ones; what each is for is said where it is made.
OURS = {"backtest-name", "composer-dll-directory", "execution-intent-path", "execution-params-path", "brokerage"}
GIVEN = {"IB_USER_NAME": "carla-4711", "IB_PASSWORD": "hunter2!", "QC_USER_ID": "90210", "QC_API_TOKEN": "f00dfeed",
         "QC_ORGANIZATION_ID": "0rg"}


@pytest.fixture
def raw() -> Path:
    """Real Lean's recorded runs, where they are at hand."""
    if not RAW.is_dir():
        pytest.skip(f"real Lean's configs are not at {RAW}: nothing to compare with")
    return RAW


@pytest.fixture
def runtime(tmp_path, monkeypatch) -> Path:
    """A runtime folder of its own, and an environment without secrets or a keyring."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setitem(sys.modules, "keyring", None)
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    return folder


def job_of(folder: Path = Path("/runs/r1"), **changes) -> Job:
    """A backtest's job in a folder, but for the changes."""
    return replace(Job(
        mode="backtest", algorithm=folder / "algorithm" / "intent_execution.py", algorithm_id="r1-1", data_folder=folder / "market",
        results=folder / "1" / "results", intents=folder / "intents.json", params=folder / "params.json",
        journal=folder / "1" / "journal.jsonl", run_id="r1", attempt=1, account="backtest", start=date(2020, 3, 2),
        end=date(2020, 3, 6), cash=Decimal("100000.50")), **changes)


PAPER = {"mode": "paper", "account": "paper"}
AT_IB = {"mode": "paper", "account": "DU1234567"}
LIVE = {"mode": "live", "account": "U7654321"}


@pytest.mark.golden
@pytest.mark.parametrize("name", RECORDED)
def test_every_key_of_a_config_that_worked_is_in_ours(raw, name):
    """Real Lean ran with these keys and values; ours differ in what is the job's own, and are more by what is said above."""
    theirs = read_config(raw / name / "config.json")
    live = theirs["live-mode"]
    job = job_of(**PAPER) if live else job_of()
    extra = {"force-exchange-always-open": True} if live else {}
    ours = json.loads(to_json(layered(launcher_config(job, Broker(data_queue=FAKE_QUEUE), extra))))
    more = OURS | {"live-cash-balance", "live-holdings"} if live else OURS

    assert {k: v for k, v in ours.items() if k not in THE_JOB_S_OWN | more} == {
        k: v for k, v in theirs.items() if k not in THE_JOB_S_OWN}
    assert set(ours) - set(theirs) == more


@pytest.mark.parametrize(("changes", "environment", "brokerage", "transactions"), [
    ({}, "backtesting", None, "BacktestingTransactionHandler"),
    (PAPER, "live-paper", "PaperBrokerage", "BacktestingTransactionHandler"),
    (AT_IB, "live-interactive", "InteractiveBrokersBrokerage", "BrokerageTransactionHandler"),
    (LIVE, "live-interactive", "InteractiveBrokersBrokerage", "BrokerageTransactionHandler"),
])
def test_the_environment_says_who_takes_the_orders(changes, environment, brokerage, transactions):
    """A backtest, Lean's own paper brokerage, and a broker outside each have the handlers that Lean's own config gives them."""
    config = launcher_config(job_of(**changes))
    flat = layered(config)

    assert config["environment"] == environment
    assert list(config["environments"]) == [environment]
    assert flat["live-mode"] is (brokerage is not None)
    assert flat.get("live-mode-brokerage") == config.get("live-mode-brokerage") == brokerage
    assert flat["transaction-handler"].rpartition(".")[2] == transactions


def test_at_a_broker_orders_go_in_their_order():
    """Lean would hand them to several threads there; one thread keeps reducing orders before increasing ones."""
    threads = [[layered(launcher_config(job_of(**changes))).get(f"{end}-transaction-threads") for end in ("minimum", "maximum")]
               for changes in (AT_IB, LIVE, PAPER)]

    assert threads == [[1, 1], [1, 1], [None, None]]


def test_the_account_and_its_trading_mode_go_together():
    """IB Gateway is started for the money that the job means, on the port that is usual for it unless another is set."""
    paper, live = layered(launcher_config(job_of(**AT_IB))), layered(launcher_config(job_of(**LIVE)))
    broker = Broker(host="gateway", port=7777, weekly_restart="22:00:00", tws_dir="/opt/tws")
    other = layered(launcher_config(job_of(**LIVE), broker))

    assert (paper["ib-account"], paper["ib-trading-mode"], paper["ib-port"]) == ("DU1234567", "paper", "4002")
    assert (live["ib-account"], live["ib-trading-mode"], live["ib-port"]) == ("U7654321", "live", "4001")
    assert (other["ib-host"], other["ib-port"], other["ib-tws-dir"]) == ("gateway", "7777", "/opt/tws")
    assert other["ib-weekly-restart-utc-time"] == "22:00:00"
    assert "ib-account" not in layered(launcher_config(job_of()))


def test_under_paper_money_the_prices_brokerage_is_asked_for_the_past():
    """Lean's paper brokerage knows no history; a queue that is a brokerage is asked by the name that Lean takes apart."""
    told = [layered(launcher_config(job_of(**PAPER), Broker(data_queue=queue)))["history-provider"]
            for queue in ("InteractiveBrokersBrokerage", FAKE_QUEUE)]
    disk = "QuantConnect.Lean.Engine.HistoricalData.SubscriptionDataReaderHistoryProvider"

    assert told == [["QuantConnect.Lean.Engine.HistoricalData.InteractiveBrokersBrokerageHistoryProvider", disk], [disk]]


def test_lean_s_paper_brokerage_begins_with_what_it_held():
    """Holdings are in the form that Lean's converter reads; a broker outside has its own and is told of none."""
    held = (("SPY", "SPY R735QTJ8XC9X", Decimal(12), Decimal("301.25")),)
    config = launcher_config(job_of(**PAPER, holdings=held))
    told = json.loads(to_json(config), parse_float=Decimal)

    assert told["live-holdings"] == [{"symbol": {"value": "SPY", "id": "SPY R735QTJ8XC9X", "permtick": "SPY"},
                                      "a": Decimal("301.25"), "q": 12}]
    assert told["live-cash-balance"] == [{"currency": "USD", "amount": Decimal("100000.5")}]
    assert not {"live-holdings", "live-cash-balance"} & set(launcher_config(job_of(**LIVE)))


def test_parameters_are_text_and_name_what_a_live_day_needs():
    """An algorithm can read text only; of a live day it hears when to end, what to look for, and what was before."""
    deadline = datetime(2020, 3, 3, 16, 15, tzinfo=timezone(timedelta(hours=-5)))
    more = {"resume": Path("/runs/r1/2/resume.json"), "stop_file": Path("/runs/r1/2/stop"), "deadline": deadline,
            "leave_working": True}
    backtest, live = (parameters_of(launcher_config(job_of(**changes))) for changes in ({}, LIVE | more))
    raw_values = launcher_config(job_of(**LIVE | more))["parameters"].values()

    assert backtest == {
        "execution-intent-path": "/runs/r1/intents.json", "execution-params-path": "/runs/r1/params.json",
        "brokerage": "InteractiveBrokersBrokerage", "journal-path": "/runs/r1/1/journal.jsonl", "run-id": "r1", "attempt": "1",
        "mode": "backtest", "account": "backtest", "start": "2020-03-02", "end": "2020-03-06", "cash": "100000.50"}
    assert {name: live[name] for name in live.keys() - backtest.keys()} == {
        "resume-path": "/runs/r1/2/resume.json", "stop-path": "/runs/r1/2/stop", "deadline": "2020-03-03T21:15:00Z",
        "leave-working": "true"}
    assert all(isinstance(value, str) for value in raw_values)


def test_paths_are_whole_for_lean_runs_elsewhere(monkeypatch, tmp_path):
    """Lean's current folder is its launcher's: a path relative to ours would be another file there."""
    monkeypatch.chdir(tmp_path)
    config = launcher_config(job_of(Path("run"), stop_file=Path("stop"), **LIVE))
    paths = [config[key] for key in ("algorithm-location", "data-folder", "results-destination-folder", "object-store-root")]
    paths += [value for name, value in config["parameters"].items() if name.endswith("-path")]

    assert all(path.startswith(f"{tmp_path}{os.sep}") for path in paths)
    assert len(paths) == 8


def test_a_mode_that_is_none_and_a_live_run_without_account_are_refused():
    """Each says what it should have been."""
    with pytest.raises(UnknownName, match="did you mean 'paper'"):
        launcher_config(job_of(mode="papper"))
    with pytest.raises(BadInput, match="live trading needs an account"):
        launcher_config(job_of(mode="live", account="paper"))


@given(st.sampled_from(("setup-handler", "data-queue-handler", "history-provider", "data-provider", "maximum-chart-series", "new")),
       st.sampled_from(({}, PAPER, LIVE)), st.text("abc.", min_size=1))
def test_a_user_s_key_is_what_lean_reads(key, changes, value):
    """Laid over the section where that has the key, for the section would win; else at the root."""
    before, after = (layered(launcher_config(job_of(**changes), extra=extra)) for extra in ({}, {key: value}))

    assert after == before | {key: value}


@pytest.mark.parametrize("key", sorted(OWN_KEYS))
def test_what_is_the_attempt_s_own_is_not_a_user_s_to_set(key):
    """The ids, paths, parameters, mode and account decide what is traded and where it is recorded."""
    with pytest.raises(BadInput, match=f"'{key}' is the attempt's own"):
        launcher_config(job_of(), extra={key: "x"})


@pytest.mark.parametrize("extra", [
    {"tiingo-auth-token": "abc"}, {"polygon-api-key": "abc"}, {"iqfeed-password": "abc"}, {"iqfeed-username": "abc"},
    {"binance-api-secret": "abc"}, {"more": {"deep-access-key": "abc"}}, {"list": [{"x-token": "abc"}]},
])
def test_a_secret_does_not_come_in_by_the_user_s_keys(extra):
    """The config is kept; where it wants a secret stands the place of one."""
    with pytest.raises(BadInput, match=r"looks like a secret.*secret:NAME"):
        launcher_config(job_of(), extra=extra)

    assert launcher_config(job_of(), extra={"polygon-api-key": f"{SECRET_PLACE}POLYGON", "iqfeed-username": ""})


def test_which_secrets_are_needed_follows_from_who_is_asked():
    """A backtest needs none; IB's account and QuantConnect's licence are needed wherever IB trades or gives the prices."""
    of_ib = sorted(GIVEN)

    assert needed_secrets(launcher_config(job_of())) == ()
    assert list(needed_secrets(launcher_config(job_of(**LIVE)))) == of_ib
    assert list(needed_secrets(launcher_config(job_of(**PAPER)))) == of_ib
    assert needed_secrets(launcher_config(job_of(**PAPER), Broker(data_queue=FAKE_QUEUE))) == ()
    assert needed_secrets(launcher_config(job_of(**LIVE)), "cli") == ("IB_PASSWORD", "IB_USER_NAME", "QC_ORGANIZATION_ID")
    assert needed_secrets(launcher_config(job_of(), extra={"polygon-api-key": "secret:POLYGON"})) == ("POLYGON",)


def test_missing_secrets_are_named_with_the_remedy(runtime, monkeypatch):
    """All that are missing at once, and no value of those that are there."""
    monkeypatch.setenv("IB_USER_NAME", GIVEN["IB_USER_NAME"])
    with pytest.raises(BadInput) as caught:
        read_secrets(sorted(GIVEN))

    assert "missing: IB_PASSWORD, QC_API_TOKEN, QC_ORGANIZATION_ID, QC_USER_ID" in str(caught.value)
    assert "keyring set workbench IB_PASSWORD" in str(caught.value)
    assert GIVEN["IB_USER_NAME"] not in str(caught.value)


def test_the_keyring_is_asked_after_the_environment(runtime, monkeypatch, tmp_path):
    """A real package of that name, found first on the path, answers for the service; what it can't read is said."""
    package = tmp_path / "packages" / "keyring"
    files.write(package / "errors.py", "class KeyringError(Exception):\n    pass\n")
    files.write(package / "__init__.py", """
from keyring.errors import KeyringError

def get_password(service, name):
    if name == "LOCKED":
        raise KeyringError("is locked")
    return {("workbench", "IB_PASSWORD"): "from the ring", ("workbench", "IB_USER_NAME"): "from the ring"}.get((service, name))
""")
    monkeypatch.delitem(sys.modules, "keyring")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setenv("IB_USER_NAME", "from the environment")
    found = dict(read_secrets(("IB_USER_NAME", "IB_PASSWORD")).values)
    try:
        with pytest.raises(BadInput, match=r"LOCKED.*can't be read \(is locked\)"):
            read_secrets(("LOCKED",))
    finally:
        for name in ("keyring", "keyring.errors"):
            sys.modules.pop(name, None)

    assert found == {"IB_USER_NAME": "from the environment", "IB_PASSWORD": "from the ring"}


def test_secrets_do_not_show_themselves():
    """Neither printed, nor in a message, nor among a dataclass's fields in a traceback."""
    held = Secrets(values=tuple(GIVEN.items()))

    assert not [value for value in GIVEN.values() if value in f"{held} {held!r}"]
    assert "IB_PASSWORD" in repr(held)
    assert secret_keys(held) == {
        "ib-user-name": "carla-4711", "ib-password": "hunter2!", "job-user-id": "90210", "api-access-token": "f00dfeed",
        "job-organization-id": "0rg"}


def test_the_engine_s_file_has_the_secrets_and_no_other_file_does(runtime, tmp_path):
    """The copy is its owner's alone, Lean reads every secret in it, the kept file has none, and in the end it is gone."""
    extra = {"polygon-api-key": "secret:POLYGON", "feeds": [{"key": "secret:POLYGON"}]}
    kept = files.write(tmp_path / "run" / "lean.json", to_json(launcher_config(job_of(**LIVE), extra=extra)))
    held = Secrets(values=(*GIVEN.items(), ("POLYGON", "p0lygon")))
    with private_config(kept, held) as copy:
        flat = layered(read_config(copy))
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (copy, copy.parent)]
        assert secrets.is_private(copy)
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert (flat["ib-password"], flat["job-user-id"], flat["polygon-api-key"]) == ("hunter2!", "90210", "p0lygon")
    assert flat["feeds"] == [{"key": "p0lygon"}]
    assert flat["algorithm-id"] == "r1-1"
    assert modes == [0o600, 0o700]
    assert not [value for _, value in held.values if value.encode() in left]
    assert not list(runtime.iterdir())


def test_the_copy_goes_however_the_engine_ends(runtime, tmp_path):
    """An exception of the launch leaves nothing behind either; without secrets there is no copy at all."""
    kept = files.write(tmp_path / "lean.json", to_json(launcher_config(job_of(**LIVE))))
    with pytest.raises(KeyboardInterrupt), private_config(kept, Secrets(values=tuple(GIVEN.items()))):
        raise KeyboardInterrupt
    with private_config(kept, None) as same:
        assert same == kept
        assert not secrets.is_private(same)
    files.write(kept, to_json(launcher_config(job_of(**LIVE), extra={"polygon-api-key": "secret:POLYGON"})))
    with pytest.raises(BadInput, match="no value for secret:POLYGON"):
        private_config(kept, Secrets(values=tuple(GIVEN.items()))).__enter__()

    assert not list(runtime.iterdir())


def test_what_a_killed_supervisor_left_is_removed_and_what_a_living_one_uses_is_not(runtime):
    """A folder belongs to the process in its name."""
    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    for pid in (dead.pid, os.getpid()):
        files.write(runtime / f"workbench-{pid}-abc" / "lean.json", "{}", private=True)
    found, removed, again = secrets.find_leftovers(), remove_leftovers(), remove_leftovers()

    assert found == removed == (runtime / f"workbench-{dead.pid}-abc",)
    assert again == ()
    assert [path.name for path in runtime.iterdir()] == [f"workbench-{os.getpid()}-abc"]


def test_a_config_s_deadline_is_utc_whatever_it_was_given_in():
    """The algorithm compares it with Lean's UTC clock."""
    utc = datetime(2020, 3, 3, 21, 15, tzinfo=UTC)
    told = {launcher_config(job_of(**LIVE, deadline=utc.astimezone(timezone(timedelta(hours=hours)))))["parameters"]["deadline"]
            for hours in (-5, 0, 9)}

    assert told == {"2020-03-03T21:15:00Z"}
