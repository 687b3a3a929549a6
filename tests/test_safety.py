"""What must hold before anything is sent to an account, and the kill switch."""

import os
import platform
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest
from live_fixtures import DEAF, HANGING, MORNING, OBEDIENT, a_run, an_attempt, order, start_process, until

from workbench import files
from workbench.errors import BadInput, BrokerUnavailable, NotArmed, NotRecorded
from workbench.running import records, safety, sent, stopping
from workbench.running.stopping import Contact

LIVE, PAPER = "U1234567", "DU1234567"
EIGHT = Decimal(8)
QUICK = {"wait": 0.3, "patience": 10.0, "why": "a test", "by": "tester", "now": MORNING}


@pytest.fixture
def started():
    """Starts processes of attempts; none outlives its test."""
    processes = []

    def start(code, folder):
        processes.append(start_process(code, folder))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def arm(data, account=LIVE, **changes):
    """An arming that is allowed."""
    return safety.arm(data, account, **{"hours": EIGHT, "allow_live": True, "by": "tester", "now": MORNING, **changes})


def check(data, mode, account, now=MORNING, allow_live=True):
    return safety.check_account(mode, account, now=now, data=data, allow_live=allow_live)


# Arming.

def test_an_armed_account_may_trade_until_its_arming_expires(tmp_path):
    """Up to the last second and not at it."""
    arm(tmp_path)
    check(tmp_path, "live", LIVE, MORNING + timedelta(hours=8, seconds=-1))

    with pytest.raises(NotArmed, match=f"expired at 2020-03-12 20:30 UTC.*workbench arm {LIVE} --hours"):
        check(tmp_path, "live", LIVE, MORNING + timedelta(hours=8))


def test_arming_is_for_one_account(tmp_path):
    """Another account is as little armed as before, and a copied file arms nothing."""
    arm(tmp_path)
    with pytest.raises(NotArmed, match="U7654321 is not armed; `workbench arm U7654321"):
        check(tmp_path, "live", "U7654321")
    (tmp_path / "armed" / "U7654321.json").write_bytes((tmp_path / "armed" / f"{LIVE}.json").read_bytes())

    with pytest.raises(BadInput, match="holds an arming of account U1234567"):
        check(tmp_path, "live", "U7654321")


def test_an_arming_is_readable_by_its_owner_alone(tmp_path):
    """It says who may lose money."""
    arm(tmp_path)

    assert stat.S_IMODE((tmp_path / "armed" / f"{LIVE}.json").stat().st_mode) == 0o600


def test_an_account_that_is_disarmed_trades_no_more(tmp_path):
    """Whether there was an arming is said."""
    arm(tmp_path)

    assert safety.disarm(tmp_path, LIVE)
    assert not safety.disarm(tmp_path, LIVE)
    assert safety.armed(tmp_path, LIVE, MORNING) is None


def test_live_needs_the_setting_too(tmp_path):
    """To arm, and again to trade: the setting may have been taken back since."""
    with pytest.raises(NotArmed, match="allow_live = true"):
        arm(tmp_path, allow_live=False)
    arm(tmp_path)

    with pytest.raises(NotArmed, match="allow_live = true"):
        check(tmp_path, "live", LIVE, allow_live=False)


@pytest.mark.parametrize("hours", ["0", "-1", "24.01", "NaN", "Infinity"])
def test_an_account_is_armed_for_a_day_at_most(tmp_path, hours):
    """An arming that is forgotten must not last."""
    with pytest.raises(BadInput, match="at most 24 hours"):
        arm(tmp_path, hours=Decimal(hours))


@pytest.mark.parametrize(("mode", "account", "said"), [
    ("paper", LIVE, "not a paper account"),
    ("live", PAPER, "`--mode paper` trades it"),
    ("live", "DF1234567", "`--mode paper` trades it"),
    ("live", "", "needs an account"),
    ("live", "paper", "needs an account"),
])
def test_an_account_of_the_other_kind_is_refused(tmp_path, mode, account, said):
    """Paper never trades money, and live never trades a paper account by mistake."""
    with pytest.raises(NotArmed, match=said):
        check(tmp_path, mode, account)


@pytest.mark.parametrize("account", [PAPER, "DF1234567", "DUH123456", "paper"])
def test_paper_needs_no_arming(tmp_path, account):
    """Nor the setting."""
    assert check(tmp_path, "paper", account, allow_live=False) is None


@pytest.mark.parametrize("account", ["../../etc/U1", "U1234567/../X", "u1234567", "", "U12 34567", "STOP"])
def test_what_is_no_account_makes_no_file(tmp_path, account):
    """An id is part of a path."""
    with pytest.raises(BadInput, match="not an account's id"):
        arm(tmp_path, account)

    assert not (tmp_path / "armed").exists()


# The kill switch.

def test_after_the_kill_switch_nothing_is_armed_and_nothing_starts(tmp_path):
    """On paper neither, until a person clears it."""
    arm(tmp_path)
    safety.kill(tmp_path, runs=None, contact=None, **QUICK)

    for mode, account in (("live", LIVE), ("paper", PAPER)):
        with pytest.raises(NotArmed, match=r"stopped by tester.*\(a test\); .*disarm --clear-stop"):
            check(tmp_path, mode, account)
    with pytest.raises(NotArmed, match="stopped by tester"):
        arm(tmp_path)
    assert safety.clear_stop(tmp_path)
    check(tmp_path, "live", LIVE)


def test_a_stop_that_can_not_be_read_stops_as_much(tmp_path):
    """`touch data/armed/STOP` is enough."""
    files.write(safety.stop_path(tmp_path), "")

    with pytest.raises(NotArmed, match="trading was stopped"):
        check(tmp_path, "paper", PAPER)


def test_an_engine_that_reads_its_stop_file_ends_by_itself(tmp_path, started):
    """Its cancels are in its journal, and what it had working is told as cancelled."""
    run = a_run(tmp_path)
    folder = an_attempt(tmp_path, run, host=platform.node(), lines=[order("s1-ALFA.1", "SUBMITTED"), order("s1-BETA.1", "FILLED")])
    started(OBEDIENT, folder)
    killed, = safety.kill(tmp_path, runs=None, contact=None, **QUICK | {"wait": 10.0})

    assert killed.clear
    assert killed.how == "by its stop file"
    assert [(one.order_ref, one.state) for one in killed.orders] == [("s1-ALFA.1", "cancelled")]
    assert records.attempts(tmp_path, run.run_id)[0].state == "stopped"
    assert "stopped by tester: a test" in records.attempts(tmp_path, run.run_id)[0].cause


def test_a_supervisor_that_lives_is_interrupted(tmp_path, started):
    """It ends its engine as Ctrl-C makes it."""
    folder = an_attempt(tmp_path, a_run(tmp_path))
    supervisor = subprocess.Popen([sys.executable, "-c", f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {HANGING!r}], env={{**os.environ, "WORKBENCH_ATTEMPT": {str(folder)!r}}},
                         start_new_session=True)
try:
    child.wait()
except KeyboardInterrupt:
    child.kill()
    child.wait()
"""], stdout=subprocess.PIPE, text=True)
    try:
        assert supervisor.stdout.readline() == "ready\n"
        an_attempt(tmp_path, a_run(tmp_path), pid=supervisor.pid, host=platform.node())
        killed, = safety.kill(tmp_path, runs=None, contact=None, **QUICK)

        assert (killed.how, killed.clear) == ("interrupted", True)
    finally:
        supervisor.kill()
        supervisor.communicate()


def test_a_supervisor_that_hangs_is_killed_and_so_is_its_engine(tmp_path, started):
    """One that is stopped hears no signal but the last; an engine that ignores SIGINT neither."""
    run = a_run(tmp_path)
    folder = an_attempt(tmp_path, run)
    engine = started(DEAF, folder)
    supervisor = started(HANGING, tmp_path)
    os.kill(supervisor.pid, signal.SIGSTOP)
    an_attempt(tmp_path, run, pid=supervisor.pid, host=platform.node())
    killed, = safety.kill(tmp_path, runs=[run.run_id[:6]], contact=None, **QUICK | {"patience": 0.3})

    assert (killed.how, killed.ended) == ("killed", True)
    assert engine.wait(5) == -signal.SIGKILL
    assert supervisor.wait(5) == -signal.SIGKILL


def test_a_process_that_only_has_the_number_of_a_supervisor_is_left_alone(tmp_path, started):
    """Process ids are used again: one born after the status was written is somebody else."""
    run = a_run(tmp_path)
    other = started(HANGING, tmp_path)
    folder = an_attempt(tmp_path, run, pid=other.pid, host=platform.node())
    os.utime(folder / "status.json", (1_000_000_000, 1_000_000_000))
    killed, = safety.kill(tmp_path, runs=None, contact=None, **QUICK)

    assert killed.how == "its processes were gone"
    assert other.poll() is None


def test_what_runs_on_another_machine_is_told_by_its_stop_file_and_said(tmp_path):
    """Nobody here can signal it."""
    folder = an_attempt(tmp_path, a_run(tmp_path), pid=4711, host="elsewhere")
    killed, = safety.kill(tmp_path, runs=None, contact=None, **QUICK)

    assert not killed.ended
    assert "they are on elsewhere, where a person must end process 4711" in killed.problem
    assert stopping.stop_told(folder) == "stopped by tester at 2020-03-12T12:30:00Z: a test"


def test_a_status_that_can_not_be_read_keeps_nothing_else_from_being_stopped(tmp_path, started):
    """It is told of."""
    run, broken = a_run(tmp_path), a_run(tmp_path, snapshot="s2")
    engine = started(HANGING, an_attempt(tmp_path, run, host=platform.node()))
    (an_attempt(tmp_path, broken) / "status.json").write_text("{")
    killed = {one.run_id: one for one in safety.kill(tmp_path, runs=None, contact=None, **QUICK)}

    assert killed[run.run_id].ended
    assert engine.wait(5) is not None
    assert "not JSON" in killed[broken.run_id].problem
    assert not killed[broken.run_id].clear


def test_a_backtest_and_what_has_ended_are_not_touched(tmp_path):
    """Nothing to kill is an answer."""
    an_attempt(tmp_path, a_run(tmp_path, mode="backtest"))
    ended = an_attempt(tmp_path, a_run(tmp_path), state="completed")

    assert safety.kill(tmp_path, runs=None, contact=None, **QUICK) == ()
    assert not (ended / stopping.STOP_FILE).exists()


def test_a_run_that_is_not_there_is_named(tmp_path):
    """But first everything is stopped."""
    with pytest.raises(NotRecorded, match="run 'r123'"):
        safety.kill(tmp_path, runs=["r123"], contact=None, **QUICK)

    assert safety.stopped(tmp_path) is not None


# At the broker.

@dataclass(frozen=True)
class Open:
    """An open order as the broker tells it."""

    symbol: str
    quantity: Decimal
    order_id: int = 1
    perm_id: int = 1
    client_id: int = 0
    filled: Decimal = Decimal(0)
    status: str = "Submitted"


@dataclass(frozen=True)
class View:
    open_orders: tuple[Open, ...]


@dataclass(frozen=True)
class Answer:
    order: Open
    gone: bool
    why: str = ""


class Book:
    """A broker's open orders: those of `stubborn` symbols can't be cancelled."""

    def __init__(self, *orders, stubborn=()):
        self.orders, self.stubborn, self.asked = orders, stubborn, []
        self.contact = Contact(ask=lambda _: View(self.orders), cancel=self.cancel)

    def cancel(self, account, orders):
        self.asked += [(account, order.symbol) for order in orders]
        return tuple(Answer(order, order.symbol not in self.stubborn, "too late to cancel") for order in orders)


def left_open(data, *lines, account=LIVE):
    """A live run whose process is gone, and that left these orders open."""
    run = a_run(data, mode="live", account=account)
    an_attempt(data, run, host=platform.node(), lines=list(lines))
    return run


def states(killed):
    return {one.order_ref or one.symbol: one.state for one in killed.orders}


def test_what_is_still_open_of_ours_is_cancelled_at_the_broker(tmp_path):
    """And nothing else: other shares, another symbol."""
    left_open(tmp_path, order("s1-ALFA.1", "SUBMITTED"), order("s1-BETA.1", "SUBMITTED", -50, "BETA"),
              order("s1-GAMA.1", "PENDING_SUBMIT", 10, "GAMA"), order("s1-DELT.1", "FILLED", 7, "DELT"))
    book = Book(Open("ALFA", Decimal(100)), Open("BETA", Decimal(-50), 2), Open("BETA", Decimal(50), 3), stubborn=("BETA",))
    killed, = safety.kill(tmp_path, runs=None, contact=book.contact, **QUICK)

    assert states(killed) == {"s1-ALFA.1": "cancelled", "s1-BETA.1": "working", "s1-GAMA.1": "gone", "BETA": "foreign"}
    assert book.asked == [(LIVE, "ALFA"), (LIVE, "BETA")]
    assert next(one.why for one in killed.orders if one.state == "working") == "too late to cancel"
    assert not killed.clear


def test_without_a_connection_what_was_left_is_unknown(tmp_path):
    """A process that is gone takes nothing back at the broker."""
    left_open(tmp_path, order("s1-ALFA.1", "SUBMITTED"))
    killed, = safety.kill(tmp_path, runs=None, contact=None, **QUICK)

    assert states(killed) == {"s1-ALFA.1": "unknown"}
    assert "cancel by hand" in killed.problem


def test_a_broker_that_can_not_be_asked_is_not_an_empty_one(tmp_path):
    """Its words are kept."""
    def refuse(account):
        raise BrokerUnavailable("IB Gateway", "connection refused")

    left_open(tmp_path, order("s1-ALFA.1", "SUBMITTED"))
    killed, = safety.kill(tmp_path, runs=None, contact=Contact(ask=refuse, cancel=lambda *_: ()), **QUICK)

    assert states(killed) == {"s1-ALFA.1": "unknown"}
    assert "connection refused" in killed.problem


def test_what_worked_in_leans_own_paper_brokerage_ended_with_it(tmp_path):
    """The process was the broker."""
    left_open(tmp_path, order("s1-ALFA.1", "SUBMITTED"), account="paper")
    run = a_run(tmp_path, account="paper")
    an_attempt(tmp_path, run, host=platform.node(), lines=[order("s1-ALFA.1", "SUBMITTED")])
    killed = next(one for one in safety.kill(tmp_path, runs=None, contact=None, **QUICK) if one.mode == "paper")

    assert killed.clear
    assert states(killed) == {"s1-ALFA.1": "cancelled"}


def test_a_named_run_that_is_over_is_asked_of_at_the_broker_too(tmp_path):
    """It may have ended and left orders working."""
    run = a_run(tmp_path, mode="live", account=LIVE)
    an_attempt(tmp_path, run, state="failed", lines=[order("s1-ALFA.1", "SUBMITTED")])
    killed, = safety.kill(tmp_path, runs=[run.run_id], contact=Book(Open("ALFA", Decimal(100))).contact, **QUICK)

    assert (killed.how, killed.clear, states(killed)) == ("was not at work", True, {"s1-ALFA.1": "cancelled"})


# What was sent.

def test_orders_are_folded_over_attempts_and_repairs(tmp_path):
    """A later attempt's cancel, a repair's fill; a torn last line tells nothing."""
    run = a_run(tmp_path)
    first = an_attempt(tmp_path, run, 1, state="failed", lines=[
        order("s1-ALFA.1", "PENDING_SUBMIT"), order("s1-ALFA.1", "SUBMITTED", broker_id="7"),
        order("s1-ALFA.1", "PARTIALLY_FILLED", fill_quantity=40), order("s1-BETA.1", "SUBMITTED", -10, "BETA"),
        order("s1-GAMA.1", "SUBMITTED", 5, "GAMA")])
    second = an_attempt(tmp_path, run, 2, lines=[
        order("s1-ALFA.1", "SUBMITTED", 60), order("s1-BETA.1", "CANCELLED", -10, "BETA")])
    (first / "repairs.jsonl").write_bytes((first / "journal.jsonl").read_bytes().splitlines(True)[0].replace(
        b"PENDING_SUBMIT", b"PARTIALLY_FILLED").replace(b'"quantity"', b'"fill_quantity": 60, "quantity"'))
    with (second / "journal.jsonl").open("a") as out:
        out.write('{"kind": "order", "order_ref": "s1-GAMA.1", "status": "CANC')
    found = {one.order_ref: one for one in sent.read_sent(first.parent)}

    assert {ref: one.works for ref, one in found.items()} == {"s1-ALFA.1": False, "s1-BETA.1": False, "s1-GAMA.1": True}
    assert (found["s1-ALFA.1"].filled, found["s1-ALFA.1"].broker_ids) == (100, {"7"})


def test_processes_of_an_attempt_are_found_by_what_they_carry(tmp_path, started):
    """Not by their numbers, nor by their names."""
    mine, other = tmp_path / "1", tmp_path / "2"
    process = started(HANGING, mine)
    started(HANGING, other)

    assert [found.pid for found in stopping.processes(mine)] == [process.pid]
    assert not stopping.wait_for_end(mine, 0.1)
    process.kill()
    assert stopping.wait_for_end(mine, 10)
    assert until(lambda: not stopping.processes(mine))


def test_clear_means_that_nothing_can_fill(tmp_path):
    """Neither a process nor an order is left."""
    killed = stopping.Stopped(run_id="r", attempt=1, mode="live", account=LIVE, how="killed", ended=True)
    working = stopping.Order(order_ref="x", symbol="ALFA", quantity=Decimal(1), filled=Decimal(0), state="working")

    assert killed.clear
    assert not replace(killed, ended=False).clear
    assert not replace(killed, orders=(working,)).clear
