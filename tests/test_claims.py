"""Whose an account's rebalance date is: claimed once, found again, taken over only from what can't fill any more."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from live_fixtures import DAY, HANGING, MORNING, a_run, an_attempt, order, start_process

from workbench import files
from workbench.errors import AlreadyClaimed, BadInput, NotRecorded, OutcomeUnknown
from workbench.running import claims, records

ACCOUNT = "DU1234567"
QUICK = {"by": "tester", "contact": None, "wait": 0.3, "patience": 10.0, "now": MORNING}


def claim(data, snapshot="s1", run_id="r1", *, strategy="momentum", account=ACCOUNT, day=DAY, now=MORNING):
    return claims.claim(data, strategy, account, day, snapshot, run_id, now=now)


def supersede(data, snapshot="s2", run_id="r2", *, old="s1", strategy="momentum", day=DAY, **changes):
    return claims.supersede(data, strategy, ACCOUNT, day, snapshot, run_id, old=old, **QUICK | changes)


def claimed(data):
    return sorted(path.name for path in (data / "claims" / ACCOUNT).glob("*.json") if not path.name.startswith("."))


def test_a_date_is_claimed_once_and_found_again(tmp_path):
    """The second start of the same run gets the first one's claim, with its time."""
    first = claim(tmp_path)
    again = claim(tmp_path, now=MORNING + timedelta(hours=1))

    assert again == first
    assert claims.read_claim(tmp_path, ACCOUNT, DAY) == first
    assert claimed(tmp_path) == ["2020-03-12.json"]


def test_another_decision_for_a_claimed_date_is_refused(tmp_path):
    """With the owner and the way to take it over."""
    claim(tmp_path)

    with pytest.raises(AlreadyClaimed, match=r"2020-03-12 on account DU1234567 is claimed by run r1 of momentum's decision s1 "
                                             r"\(2020-03-12 12:30 UTC\); `--supersede s1`"):
        claim(tmp_path, "s2", "r2")


def test_the_same_decision_under_other_params_is_another_run_and_refused(tmp_path):
    """Orders of both would be sent."""
    claim(tmp_path)

    with pytest.raises(AlreadyClaimed, match="of the same decision"):
        claim(tmp_path, "s1", "r2")


def test_an_account_has_one_strategy(tmp_path):
    """On whatever date; another account is free."""
    claim(tmp_path)
    later = date(2020, 3, 13)

    with pytest.raises(AlreadyClaimed, match=r"account DU1234567 is claimed by .* for 2020-03-12; use another account"):
        claim(tmp_path, "s9", "r9", strategy="value", day=later)
    assert claim(tmp_path, "s9", "r9", strategy="value", account="DU7654321", day=later).strategy == "value"
    assert claim(tmp_path, "s3", "r3", day=later).run_id == "r3"


def test_of_many_who_claim_at_once_one_has_it(tmp_path):
    """Threads here, and exclusive creation makes it as true of processes and machines."""
    begin = threading.Barrier(8)

    def one(number):
        begin.wait()
        try:
            return claim(tmp_path, f"s{number}", f"r{number}").run_id
        except AlreadyClaimed:
            return None

    with ThreadPoolExecutor(8) as pool:
        winners = [name for name in pool.map(one, range(8)) if name]

    assert winners == [claims.read_claim(tmp_path, ACCOUNT, DAY).run_id]
    assert claimed(tmp_path) == ["2020-03-12.json"]
    assert not [path for path in (tmp_path / "claims" / ACCOUNT).iterdir() if path.name.endswith(".tmp")]


def test_a_claim_that_was_changed_is_not_believed(tmp_path):
    """Copied to another date, or cut off."""
    claim(tmp_path)
    path = tmp_path / "claims" / ACCOUNT / "2020-03-12.json"
    (path.parent / "2020-03-13.json").write_bytes(path.read_bytes())
    with pytest.raises(BadInput, match="is a claim of 2020-03-12"):
        claim(tmp_path, day=date(2020, 3, 13))
    path.write_text("{")

    with pytest.raises(BadInput, match="not JSON"):
        claim(tmp_path)


def test_a_date_that_nobody_claimed_is_not_recorded(tmp_path):
    """Not an empty claim."""
    with pytest.raises(NotRecorded):
        claims.read_claim(tmp_path, ACCOUNT, DAY)
    with pytest.raises(NotRecorded, match="leave --supersede out"):
        supersede(tmp_path)


# Superseding.

def test_a_decision_is_superseded_and_the_old_claim_is_kept(tmp_path):
    """Its run had ended, with nothing working."""
    old = a_run(tmp_path)
    an_attempt(tmp_path, old, state="completed", lines=[order("s1-ALFA.1", "FILLED")])
    first = claim(tmp_path, "s1", old.run_id)
    new, stopped = supersede(tmp_path)

    assert (new.snapshot_id, new.run_id, new.supersedes) == ("s2", "r2", "s1")
    assert [one.clear for one in stopped] == [True]
    assert claimed(tmp_path) == ["2020-03-12.json", "2020-03-12.superseded-1.json"]
    assert json.loads((tmp_path / "claims" / ACCOUNT / "2020-03-12.superseded-1.json").read_text())["run_id"] == first.run_id
    assert claim(tmp_path, "s2", "r2") == new


def test_superseding_again_finds_it_done(tmp_path):
    """The same command after a crash in between goes on."""
    old = a_run(tmp_path)
    claim(tmp_path, "s1", old.run_id)
    new, _ = supersede(tmp_path)

    assert supersede(tmp_path) == (new, ())


def test_only_the_owner_can_be_superseded(tmp_path):
    """A stale id on the command line takes nothing over, and says whose the date is."""
    claim(tmp_path)

    with pytest.raises(NotRecorded, match="belongs to run r1"):
        supersede(tmp_path, old="s7")
    assert claims.read_claim(tmp_path, ACCOUNT, DAY).run_id == "r1"


def test_yesterdays_claim_of_the_same_strategy_is_not_in_the_way(tmp_path):
    """And so can't be superseded."""
    claim(tmp_path, day=date(2020, 3, 11))

    with pytest.raises(NotRecorded, match="nobody claimed it"):
        supersede(tmp_path)


def test_orders_that_may_still_fill_keep_a_claim(tmp_path):
    """Nobody can be asked what became of them: the date stays the old run's."""
    old = a_run(tmp_path)
    an_attempt(tmp_path, old, state="failed", lines=[order("s1-ALFA.1", "SUBMITTED")])
    claim(tmp_path, "s1", old.run_id)

    with pytest.raises(OutcomeUnknown, match=rf"{old.run_id}.*s1-ALFA.1.*cancel by hand.*workbench resolve {old.run_id}"):
        supersede(tmp_path)
    assert claims.read_claim(tmp_path, ACCOUNT, DAY).run_id == old.run_id


def test_a_run_at_work_is_stopped_before_its_claim_is_replaced(tmp_path):
    """Its process is gone by then, and the account's lock with it."""
    old = a_run(tmp_path)
    claim(tmp_path, "s1", old.run_id)
    folder = an_attempt(tmp_path, old)
    process = start_process(HANGING, folder)
    try:
        new, stopped = supersede(tmp_path)

        assert (new.run_id, stopped[0].how) == ("r2", "interrupted")
        assert process.wait(5) is not None
        assert records.attempts(tmp_path, old.run_id)[0].cause.startswith("stopped by tester: superseded by s2")
    finally:
        process.kill()
        process.communicate()


def test_an_account_is_handed_over_to_another_strategy(tmp_path):
    """The old strategy's date stays as it is; the account is the new one's."""
    old = a_run(tmp_path, day=date(2020, 3, 11))
    claim(tmp_path, "s1", old.run_id, day=date(2020, 3, 11))
    supersede(tmp_path, strategy="value", now=MORNING + timedelta(minutes=1))

    assert claimed(tmp_path) == ["2020-03-11.json", "2020-03-12.json"]
    with pytest.raises(AlreadyClaimed, match="value's decision s2"):
        claim(tmp_path, "s3", "r3", day=date(2020, 3, 13))


# One process at a time.

def test_an_account_is_one_process_alone(tmp_path):
    """The second is refused at once, and told who has it."""
    with (claims.held(tmp_path, ACCOUNT, "r1", now=MORNING),
          pytest.raises(AlreadyClaimed, match=f"run r1, process {os.getpid()} on .*since 2020-03-12T12:30:00Z; wait"),
          claims.held(tmp_path, ACCOUNT, "r2", now=MORNING)):
        pass
    with claims.held(tmp_path, "DU7654321", "r2", now=MORNING), claims.held(tmp_path, ACCOUNT, "r2", now=MORNING):
        pass


def test_a_dead_process_has_no_account(tmp_path):
    """The kernel frees what a process held that was killed."""
    holder = subprocess.Popen([sys.executable, "-c", f"""
import datetime, pathlib, time
from workbench.running import claims
with claims.held(pathlib.Path({str(tmp_path)!r}), {ACCOUNT!r}, "r1", now=datetime.datetime.now(datetime.UTC)):
    print("ready", flush=True)
    time.sleep(60)
"""], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "ready\n"
        with (pytest.raises(AlreadyClaimed, match=f"process {holder.pid}"),
              claims.held(tmp_path, ACCOUNT, "r2", now=MORNING)):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()

        with claims.held(tmp_path, ACCOUNT, "r2", now=MORNING):
            pass
    finally:
        holder.kill()
        holder.communicate()


def test_an_account_is_part_of_a_path(tmp_path):
    """And nothing but letters and digits."""
    with pytest.raises(BadInput, match="not an account's id"):
        claim(tmp_path, account="../U1")


def test_a_note_that_can_not_be_read_is_said(tmp_path):
    """The lock counts, not the note."""
    with claims.held(tmp_path, ACCOUNT, "r1", now=MORNING):
        files.write(tmp_path / "claims" / ACCOUNT / ".holder.json", "[]")

        with (pytest.raises(AlreadyClaimed, match="has not said yet who it is"),
              claims.held(tmp_path, ACCOUNT, "r2", now=MORNING)):
            pass
