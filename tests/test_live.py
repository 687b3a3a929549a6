"""Paper and live, whole: a decision of today, traded once under a stand-in for Lean, and gone on with after every kind of end."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from gateway import CANCEL, serving
from live_fixtures import MORNING, StandinBook, kill_nine, until
from standin_fixtures import INVENTED, lean  # noqa: F401 (a fixture)

import workbench as wb
from workbench.engines.lean import find_lean
from workbench.errors import (
    AlreadyClaimed,
    BadInput,
    EngineFailed,
    MissingPrice,
    NotArmed,
    NotASession,
    NotRecorded,
    OutcomeUnknown,
)
from workbench.market.bars import read_daily, write_daily
from workbench.market.folder import Market
from workbench.running import attempt, claims, live, records, recovery, safety, stopping
from workbench.running.attempt import Executed
from workbench.settings import read_settings
from workbench.words.params import ExecutionParams

ROOT = Path(__file__).parents[1]
DAY, ACCOUNT, LIVE_ACCOUNT = "2020-03-12", "DU1234567", "U1234567"
SECRETS = {"IB_USER_NAME": "somebody-71", "IB_PASSWORD": "very-secret-72", "QC_USER_ID": "73730", "QC_API_TOKEN": "token-74740",
           "QC_ORGANIZATION_ID": "organization-75"}
WEIGHTS = {"ALFA": "0.3", "BETA": "0.3", "DELT": "-0.2"}


class Trader:
    """A project with a Lean, a broker, and decisions; every call is a command of a person's."""

    def __init__(self, folder, launcher, monkeypatch):
        self.folder, self.lean, self.environment = folder, launcher, monkeypatch
        self.account, self.mode, self.port, self.book = ACCOUNT, "paper", None, folder / "book.json"
        self.market = Market(INVENTED)
        for name, value in {**SECRETS, "STANDIN_BOOK": str(self.book), "STANDIN_EXIT": "0"}.items():
            monkeypatch.setenv(name, value)

    @property
    def settings(self):
        return read_settings(self.folder, data=self.folder / "data", market=INVENTED, lean=self.lean.folder, account=self.account,
                             allow_live=self.mode == "live", ib_port=self.port)

    @property
    def data(self):
        return self.settings.data

    @property
    def desk(self):
        return wb.Desk(settings=self.settings)

    def decide(self, weights=WEIGHTS, day=DAY, name="own"):
        table = self.folder / f"{name}.csv"
        table.write_text("date,symbol,weight\n" + "".join(f"{day},{symbol},{weight}\n" for symbol, weight in weights.items()))
        snapshot, = self.desk.decide_weights(table, name=name)
        return snapshot

    def stand(self, **environment):
        """How the stand-in behaves from here on."""
        for name in ("FAULT", "START", "PACE"):
            if name.lower() in environment:
                self.environment.setenv(f"STANDIN_{name}", str(environment[name.lower()]))
            else:
                self.environment.delenv(f"STANDIN_{name}", raising=False)

    def prepare(self, name="own", day=DAY, now=MORNING, **params):
        decisions = replace(self.desk.decisions(name), snapshots=(self.desk.decisions(name).of(date.fromisoformat(day)),))
        return live.prepare_live(self.data, self.market, decisions, ExecutionParams(**params), engine=find_lean(self.settings),
                                 mode=self.mode, account=self.account, cash=Decimal(100000), now=now)

    def execute(self, run, now=MORNING, **options) -> Executed:
        return live.execute_live(self.data, self.market, run, engine=find_lean(self.settings), settings=self.settings,
                                 clock=lambda: now, by="tester", between_looks=0.1, **options)

    @property
    def broker(self):
        """The broker's own story."""
        return json.loads(self.book.read_text())

    @property
    def held(self):
        return {symbol: int(item["quantity"]) for symbol, item in self.broker["positions"].items() if int(item["quantity"])}

    def broker_forgets(self):
        """A person cancels everything there, by hand."""
        self.book.write_text(json.dumps({**self.broker, "working": []}))

    def lines(self, run, attempt=1, kind="order"):
        path = records.run_folder(self.data, run.run_id) / str(attempt) / "journal.jsonl"
        found = [json.loads(line) for line in path.read_text().splitlines()]
        return [line for line in found if line["kind"] == kind]


@pytest.fixture
def trader(tmp_path, lean, monkeypatch):  # noqa: F811 (the fixture)
    """A trader with one decision for today."""
    found = Trader(tmp_path, lean, monkeypatch)
    found.decide()
    return found


def test_a_decision_is_traded_on_paper(trader):
    """Every intent is filled at the broker once, and the store knows."""
    run = trader.prepare()
    done = trader.execute(run)

    assert (done.attempt.state, done.outcome.cause) == ("completed", None)
    assert set(trader.held) == set(WEIGHTS)
    filled = {order.symbol: int(order.filled_quantity) for order in trader.desk.store.orders(run.run_id)}
    assert filled == trader.held
    assert len(trader.broker["executions"]) == 3
    assert (done.folder / "differences.json").is_file()


def test_a_day_is_judged_as_a_backtest_is(trader):
    """At the session's close and its open, which the market tells, although the algorithm ended at half past nine; it all ties."""
    run = trader.prepare()
    trader.execute(run)
    judged = trader.desk.reconcile(run.run_id)
    day, = judged.dates

    assert judged.failed == ()
    assert day.deviation is not None
    assert {row.arrival_source for row in day.rows} == {"open"}
    assert day.end_equity == sum((held * price(trader, symbol) for symbol, held in trader.held.items()),
                                 Decimal(trader.broker["cash"]))
    page = trader.desk.report(run.run_id).read_text(encoding="utf-8")
    assert f"traded them on paper, on account {ACCOUNT}" in page
    assert "A curve needs two sessions" in page


def test_before_the_days_prices_are_there_it_says_what_it_does_not_know(trader):
    """No close, no deviation: nothing is valued at the price of half past nine."""
    run = trader.prepare()
    trader.execute(run)
    market = shutil.copytree(INVENTED, trader.folder / "morning")
    for path in (market / "equity" / "usa" / "daily").glob("*.zip"):
        bars = read_daily(path)
        write_daily(path, path.stem, bars.between(None, date(2020, 3, 11)))
    judged = wb.Desk(settings=replace(trader.settings, market=market)).reconcile(run.run_id)
    day, = judged.dates

    assert (day.deviation, day.end_equity) == (None, None)
    assert any("no mark" in reason for reason in day.reasons)
    assert {row.symbol: row.filled for row in day.rows} == trader.held


def price(trader, symbol, day=date(2020, 3, 12)):
    """A raw close of the market's."""
    return trader.market.close(trader.market.instrument(symbol, day), day)


def test_what_was_traded_is_found_and_not_traded_again(trader):
    """Asking twice is asking once; the engine is not even started."""
    run = trader.prepare()
    first, again = trader.execute(run), trader.execute(run)

    assert (first.found, again.found) == (False, True)
    assert again.attempt == first.attempt
    assert len(records.attempts(trader.data, run.run_id)) == 1
    assert len(trader.broker["executions"]) == 3


def test_leans_own_paper_brokerage_needs_no_account(trader):
    """Nor a broker's secrets, where the prices are somebody else's."""
    trader.account = ""
    for name in SECRETS:
        trader.environment.delenv(name)
    trader.environment.setenv("WORKBENCH_LEAN_DATA_QUEUE", "SomebodysQueue")
    run = trader.prepare()
    done = trader.execute(run)

    assert run.account == "paper"
    assert done.ended
    assert {order.status for order in trader.desk.store.orders(run.run_id)} == {"FILLED"}
    assert not trader.book.exists()


# What is refused before anything is sent.

def test_a_decision_is_for_today_in_new_york(trader):
    """Not for yesterday's session, nor for tomorrow's, nor for a day without one; late in the evening in Europe it is today."""
    with pytest.raises(BadInput, match="is for 2020-03-12, and in New York it is 2020-03-13; decide for 2020-03-13"):
        trader.prepare(now=MORNING + timedelta(days=1))
    with pytest.raises(BadInput, match="in New York it is 2020-03-14; decide for 2020-03-16"):
        trader.prepare(now=MORNING + timedelta(days=2))
    with pytest.raises(BadInput, match="it is executed on that day"):
        trader.prepare(now=MORNING - timedelta(days=1))
    with pytest.raises(NotASession, match="2020-03-14"):
        live.check_today(trader.market.calendar, date(2020, 3, 14), MORNING)

    assert trader.prepare(now=datetime(2020, 3, 13, 3, 59, tzinfo=UTC)).start == date(2020, 3, 12)


def test_a_request_that_is_prepared_today_is_not_executed_tomorrow(trader):
    """The day is looked at again."""
    run = trader.prepare()

    with pytest.raises(BadInput, match="in New York it is 2020-03-13"):
        trader.execute(run, MORNING + timedelta(days=1))
    assert not (trader.data / "claims").exists()


def test_another_lean_than_the_one_asked_for_is_not_started(trader):
    """It was rebuilt since the request was written."""
    run = trader.prepare()
    (trader.lean.folder / "QuantConnect.Lean.Engine.dll").write_text("another")

    with pytest.raises(BadInput, match="the engine or the algorithm is not the one"):
        trader.execute(run)


def test_a_dry_run_is_no_attempt(trader):
    """What was configured and never started is neither at work nor gone on with."""
    run = trader.prepare()
    attempt.configure(trader.data, trader.market, run, trader.settings)
    killed = safety.kill(trader.data, runs=None, why="a test", by="tester", contact=None, now=MORNING)
    safety.clear_stop(trader.data)

    with pytest.raises(NotRecorded, match="attempt 1 queued"):
        trader.desk.executed(run.run_id)
    assert killed == ()
    assert trader.execute(run).attempt.attempt == 2
    assert [one.state for one in records.attempts(trader.data, run.run_id)] == ["queued", "completed"]


def test_a_day_that_is_over_is_not_begun(trader):
    """Fifteen minutes after its close nothing more can fill."""
    with pytest.raises(BadInput, match="the deadline was 2020-03-12 20:15 UTC, and nothing was begun"):
        trader.execute(trader.prepare(), datetime(2020, 3, 12, 20, 15, tzinfo=UTC))


def test_prices_that_changed_since_the_decision_are_no_ground_to_trade_on(trader, tmp_path):
    """A market of other numbers, or one that was only half brought in."""
    other = tmp_path / "market"
    shutil.copytree(INVENTED, other)
    daily = other / "equity" / "usa" / "daily"
    shutil.copyfile(daily / "beta.zip", daily / "alfa.zip")
    trader.market = Market(other)
    with pytest.raises((BadInput, MissingPrice), match="ALFA"):
        trader.prepare()


def test_the_embedded_engine_and_many_dates_are_for_backtests(trader):
    """Each refusal says what to choose."""
    from workbench.engines.base import find_engine

    decisions = trader.desk.decisions("own")
    with pytest.raises(BadInput, match="choose the engine `lean`"):
        live.prepare_live(trader.data, trader.market, decisions, ExecutionParams(), engine=find_engine("embedded"), mode="paper",
                          account=ACCOUNT, cash=Decimal(1), now=MORNING)
    with pytest.raises(BadInput, match="one date, not 0"):
        live.prepare_live(trader.data, trader.market, replace(decisions, snapshots=()), ExecutionParams(),
                          engine=find_lean(trader.settings), mode="paper", account=ACCOUNT, cash=Decimal(1), now=MORNING)


@pytest.mark.parametrize(("mode", "account", "said"), [
    ("paper", LIVE_ACCOUNT, "not a paper account"),
    ("live", ACCOUNT, "is a paper account"),
    ("live", LIVE_ACCOUNT, "is not armed; `workbench arm U1234567"),
])
def test_an_account_that_may_not_trade_is_refused_before_anything_starts(trader, mode, account, said):
    """No claim, no attempt, no engine."""
    trader.mode, trader.account = mode, account
    run = trader.prepare()

    with pytest.raises(NotArmed, match=said):
        trader.execute(run)
    assert not (trader.data / "claims").exists()
    assert records.attempts(trader.data, run.run_id) == ()


def test_an_arming_that_expired_is_refused(trader):
    """At the minute."""
    trader.mode, trader.account = "live", LIVE_ACCOUNT
    safety.arm(trader.data, LIVE_ACCOUNT, hours=Decimal(1), allow_live=True, by="tester", now=MORNING)

    with pytest.raises(NotArmed, match="expired at 2020-03-12 13:30 UTC"):
        trader.execute(trader.prepare(), MORNING + timedelta(hours=1))


def test_an_arming_covers_all_that_may_be_sent(trader):
    """Not only the start: one that would expire on the way is refused, unless the run is to end earlier."""
    trader.mode, trader.account = "live", LIVE_ACCOUNT
    safety.arm(trader.data, LIVE_ACCOUNT, hours=Decimal(2), allow_live=True, by="tester", now=MORNING)
    run = trader.prepare()
    with pytest.raises(NotArmed, match=r"expires at 14:30 UTC, and the run may last until 20:15 UTC; .*--deadline"):
        trader.execute(run)

    assert trader.execute(run, deadline=MORNING + timedelta(hours=2)).ended


def test_live_trades_with_secrets_that_are_nowhere_afterwards(trader):
    """Neither in the run's folder, nor anywhere else that is recorded, nor in the temporary folder."""
    trader.mode, trader.account = "live", LIVE_ACCOUNT
    safety.arm(trader.data, LIVE_ACCOUNT, hours=Decimal(8), allow_live=True, by="tester", now=MORNING)
    done = trader.execute(trader.prepare())
    written = [path for path in trader.folder.rglob("*") if path.is_file()]

    assert done.ended
    assert any(path.name == "lean.json" for path in written)
    for value in SECRETS.values():
        assert [path for path in written if value.encode() in path.read_bytes()] == []


def test_a_secret_that_is_missing_is_named_before_the_engine_starts(trader):
    """And its attempt says why it failed."""
    trader.environment.delenv("IB_PASSWORD")
    run = trader.prepare()

    with pytest.raises(BadInput, match="IB_PASSWORD"):
        trader.execute(run)
    only, = records.attempts(trader.data, run.run_id)
    assert (only.state, "IB_PASSWORD" in only.cause) == ("failed", True)


def test_another_decision_for_the_day_is_refused(trader):
    """The first keeps the date; nothing of the second is sent."""
    trader.execute(trader.prepare())
    trader.decide({"GAMA": "0.5"})
    second = trader.prepare()

    with pytest.raises(AlreadyClaimed, match=r"2020-03-12 on account DU1234567 is claimed by run .*--supersede s"):
        trader.execute(second)
    assert "GAMA" not in trader.held


def test_another_decision_supersedes_the_first(trader):
    """What that holds is its beginning."""
    first = trader.prepare()
    trader.execute(first)
    trader.decide({"ALFA": "0.5", "BETA": "0", "DELT": "0"})
    trader.stand(start="09:05")
    done = trader.execute(trader.prepare(), supersede=first.snapshot_ids[0])

    assert done.ended
    assert set(trader.held) == {"ALFA"}
    assert claims.newest(trader.data, ACCOUNT).supersedes == first.snapshot_ids[0]


def test_leans_own_paper_account_goes_on_where_it_ended(trader):
    """The next decision, of the same day or another, begins with what the one before left: nothing is bought twice."""
    trader.account = ""
    trader.environment.setenv("WORKBENCH_LEAN_DATA_QUEUE", "SomebodysQueue")
    first = trader.prepare()
    trader.execute(first)
    held = last_mark(trader, first)
    trader.decide({"ALFA": "0.3", "BETA": "0", "DELT": "0"})
    trader.stand(start="08:45")
    second = trader.prepare()
    trader.execute(second, supersede=first.snapshot_ids[0])
    trader.decide({"ALFA": "0.3", "BETA": "0", "DELT": "0"}, day="2020-03-13")
    third = trader.prepare(day="2020-03-13", now=MORNING + timedelta(days=1))
    trader.stand(start="08:30")
    trader.execute(third, MORNING + timedelta(days=1))

    assert set(held) == set(WEIGHTS)
    assert {"BETA": -held["BETA"], "DELT": -held["DELT"]}.items() <= traded(trader, second).items()
    assert set(last_mark(trader, second)) == {"ALFA"}
    assert set(last_mark(trader, third)) == {"ALFA"}
    assert abs(last_mark(trader, third)["ALFA"] - held["ALFA"]) < held["ALFA"] // 5


def traded(trader, run):
    """Shares by symbol that a run filled."""
    return {fill.symbol: int(fill.quantity) for fill in trader.desk.store.fills(run.run_id)}


def last_mark(trader, run):
    """Shares by symbol at the end of a run."""
    return {row["symbol"]: row["quantity"] for row in trader.lines(run, kind="mark")[-1]["positions"] if row["quantity"]}


# Two at once, stops, ends.

@pytest.fixture
def begin(trader):
    """Starts an execution in a process of its own, as a command would; none outlives its test."""
    started = []

    def start(run, **options):
        code = f"""
import sys
from datetime import datetime
from pathlib import Path
sys.path.insert(0, {str(ROOT / "tests")!r})
from workbench.engines.lean import find_lean
from workbench.market.folder import Market
from workbench.running import live, records
from workbench.settings import read_settings
settings = read_settings({str(trader.folder)!r}, data={str(trader.data)!r}, market={str(INVENTED)!r},
                         lean={str(trader.lean.folder)!r}, account={trader.account!r}, ib_port={trader.settings.ib_port!r})
done = live.execute_live(settings.data, Market(settings.market), records.read_run(settings.data, {run.run_id!r}),
                         clock=lambda: datetime.fromisoformat({MORNING.isoformat()!r}), engine=find_lean(settings),
                         settings=settings, by="tester", **{options!r})
print(done.attempt.state)
"""
        started.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def place_of(trader, run, attempt=1):
    return records.run_folder(trader.data, run.run_id) / str(attempt)


def wait_for(trader, run, text, attempt=1):
    """Wait until an attempt's journal tells of something."""
    path = place_of(trader, run, attempt) / "journal.jsonl"
    until(lambda: path.exists() and text in path.read_text())


def test_of_two_starts_at_once_the_second_is_refused(trader, begin):
    """At once, with the process that has the account; the first is not disturbed."""
    trader.stand(start="08:59", pace=300)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")

    with pytest.raises(AlreadyClaimed, match=rf"account DU1234567 is claimed by run {run.run_id}, process {process.pid}"):
        trader.execute(run)
    assert process.communicate(timeout=60) == ("completed\n", "")
    assert len(trader.broker["executions"]) == 3


def test_the_kill_switch_cancels_what_works(trader, begin):
    """The algorithm does it itself, the attempt says who stopped it, and nothing starts until a person clears it."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    killed, = safety.kill(trader.data, runs=None, why="a test", by="tester", contact=None, now=MORNING)
    out, _ = process.communicate(timeout=30)

    assert (killed.clear, killed.how) == (True, "by its stop file")
    assert {order.state for order in killed.orders} == {"cancelled"}
    assert (trader.broker["working"], trader.broker["executions"]) == ([], [])
    assert out == "stopped\n"
    only, = records.attempts(trader.data, run.run_id)
    assert (only.state, only.cause) == ("stopped", "stopped by tester at 2020-03-12T12:30:00Z: a test")
    with pytest.raises(NotArmed, match="--clear-stop"):
        trader.execute(run)


def test_the_kill_switch_works_while_the_main_process_hangs(trader, begin):
    """It talks to the algorithm by a file, and writes down what the process that hangs can't."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    process.send_signal(signal.SIGSTOP)
    killed, = safety.kill(trader.data, runs=[run.run_id], why="it hangs", by="tester", contact=None, now=MORNING)

    assert (killed.clear, killed.how) == (True, "by its stop file")
    assert trader.broker["working"] == []
    assert process.poll() is None
    assert records.attempts(trader.data, run.run_id)[0].state == "stopped"


def test_what_was_cancelled_by_the_kill_switch_is_not_sent_again(trader, begin):
    """A person lets trading begin again: the run goes on, and has nothing left to do."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    until(lambda: sent(trader) == 3)
    safety.kill(trader.data, runs=None, why="a test", by="tester", contact=None, now=MORNING)
    process.communicate(timeout=30)
    safety.clear_stop(trader.data)
    trader.stand(start="09:20")
    done = trader.execute(run)

    assert done.ended
    assert (sent(trader), trader.broker["executions"]) == (3, [])


def test_the_first_ctrl_c_cancels_and_ends_in_good_order(trader, begin):
    """As a stop file does."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)

    assert out == "stopped\n"
    assert trader.broker["working"] == []
    assert "Ctrl-C" in records.attempts(trader.data, run.run_id)[0].cause


def test_a_stop_for_everything_is_enough_by_hand(trader, begin):
    """`touch data/armed/STOP`, from wherever the folder is reached."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    safety.stop_path(trader.data).parent.mkdir()
    safety.stop_path(trader.data).touch()

    assert process.communicate(timeout=30)[0] == "stopped\n"
    assert trader.broker["working"] == []


def test_the_deadline_cancels_what_still_works(trader):
    """A limit far away; the attempt is complete, and nothing of it is left at the broker."""
    run = trader.prepare(order_type="LMT", limit_offset_bps=Decimal(2000))
    done = trader.execute(run, deadline=datetime(2020, 3, 12, 18, 0, tzinfo=UTC))

    assert done.ended
    assert {order.status for order in trader.desk.store.orders(run.run_id)} == {"CANCELLED"}
    assert trader.broker["working"] == []


def test_what_is_to_work_on_is_left(trader):
    """Where a person says so."""
    run = trader.prepare(order_type="LMT", limit_offset_bps=Decimal(2000))
    done = trader.execute(run, deadline=datetime(2020, 3, 12, 18, 0, tzinfo=UTC), leave_working=True)

    assert done.ended
    assert len(trader.broker["working"]) == 3


def test_what_could_not_be_cancelled_is_said(trader):
    """The broker keeps an order; the attempt has failed, whatever the engine says."""
    trader.stand(fault="deaf-cancel")
    run = trader.prepare(order_type="LMT", limit_offset_bps=Decimal(2000))

    with pytest.raises(OutcomeUnknown, match="could not be cancelled in time"):
        trader.execute(run, deadline=datetime(2020, 3, 12, 18, 0, tzinfo=UTC))
    only, = records.attempts(trader.data, run.run_id)
    assert only.state == "failed"
    assert "still working at its end" in only.cause


def test_an_error_of_the_algorithm_is_said_with_its_place(trader):
    """The attempt failed, and the fills until then are known."""
    trader.stand(fault="runtime-error:1")
    run = trader.prepare()

    with pytest.raises(EngineFailed, match="the stand-in was asked to fail"):
        trader.execute(run)
    assert records.attempts(trader.data, run.run_id)[0].state == "failed"
    assert len(trader.desk.store.fills(run.run_id)) == len(trader.broker["executions"])


# Going on after a cut.

@pytest.fixture
def at_gateway(trader):
    """A gateway over the stand-in's own book; gives it, and its book whose clock a test may set."""
    book = StandinBook(trader.book, INVENTED, accounts=(ACCOUNT,), clock=MORNING + timedelta(minutes=40))
    with serving(book) as gateway:
        trader.port = gateway.port
        yield gateway


def sent(trader):
    """How many orders the broker was ever given."""
    return trader.broker["next_order_id"] - 1


def statuses(trader, run):
    return {order.client_order_id.rpartition("-")[2]: order.status for order in trader.desk.store.orders(run.run_id)
            if order.attempt == max(one.attempt for one in trader.desk.store.orders(run.run_id)
                                    if one.client_order_id == order.client_order_id)}


def test_after_a_kill_of_everything_the_day_goes_on_and_nothing_is_sent_twice(trader, begin, at_gateway):
    """Supervisor, keeper and engine die at once while all orders work; the next start takes them up, and they fill."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    until(lambda: sent(trader) == 3)
    kill_nine(process.pid, *(found.pid for found in stopping.processes(place_of(trader, run))))
    process.wait()
    assert len(trader.broker["working"]) == 3
    trader.stand(start="09:20")
    done = trader.execute(run)

    assert (done.attempt.attempt, done.attempt.state) == (2, "completed")
    assert records.attempts(trader.data, run.run_id)[0].state == "abandoned"
    assert (sent(trader), len(trader.broker["executions"])) == (3, 3)
    assert set(trader.held) == set(WEIGHTS)
    filled = {}
    for fill in trader.desk.store.fills(run.run_id):
        filled[fill.symbol] = filled.get(fill.symbol, 0) + int(fill.quantity)
    assert filled == trader.held


def test_an_order_that_was_sent_and_never_heard_of_is_found_at_the_broker(trader, at_gateway):
    """The engine dies between sending the second and being told so: one works unheard, the third was never sent."""
    trader.stand(fault="killed-after-send:2")
    run = trader.prepare()
    with pytest.raises(EngineFailed):
        trader.execute(run)
    assert sent(trader) == 2
    trader.stand(start="09:20")
    done = trader.execute(run)

    assert done.ended
    assert (sent(trader), len(trader.broker["executions"])) == (3, 3)
    assert set(statuses(trader, run).values()) == {"FILLED"}


def test_an_order_that_was_announced_and_never_sent_is_sent_once(trader, at_gateway):
    """The broker has neither an order nor an execution of it: it goes under its next number."""
    trader.stand(fault="killed-before-send:2")
    run = trader.prepare()
    with pytest.raises(EngineFailed):
        trader.execute(run)
    assert sent(trader) == 1
    trader.stand(start="09:20")
    done = trader.execute(run)

    assert done.ended
    assert (sent(trader), len(trader.broker["executions"])) == (3, 3)
    assert sorted(statuses(trader, run).values()) == ["CANCELLED", "FILLED", "FILLED", "FILLED"]


def test_fills_that_came_while_nobody_listened_are_known_from_the_broker(trader, begin, at_gateway):
    """The market opened over a dead process: what filled is taken in, marked as inferred, and nothing is sent."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    until(lambda: trader.book.exists() and sent(trader) == 3)
    kill_nine(process.pid, *(found.pid for found in stopping.processes(place_of(trader, run))))
    process.wait()
    at_gateway.book.clock = MORNING + timedelta(hours=2)
    trader.stand(start="10:30")
    done = trader.execute(run, MORNING + timedelta(hours=2))

    assert done.ended
    assert (sent(trader), len(trader.broker["executions"])) == (3, 3)
    fills = trader.desk.store.fills(run.run_id)
    assert {fill.symbol: int(fill.quantity) for fill in fills} == trader.held
    assert all(fill.inferred for fill in fills)


def test_a_fill_that_lean_lost_is_recovered_from_the_broker(trader, at_gateway):
    """It happened, and was never told: at the end the broker is asked, and the store has it, inferred."""
    trader.stand(fault="lose-fill:2")
    at_gateway.book.clock = MORNING + timedelta(hours=8)
    run = trader.prepare()
    done = trader.execute(run)

    assert done.ended
    fills = trader.desk.store.fills(run.run_id)
    assert {fill.symbol: int(fill.quantity) for fill in fills} == trader.held
    assert [fill.inferred for fill in fills].count(True) == 1


def test_an_outcome_that_nobody_can_prove_stops_trading_until_a_person_decides(trader):
    """Without a connection to the broker, nothing is sent however often it is asked for; then only what was never sent."""
    trader.stand(fault="killed-after-send:2")
    run = trader.prepare()
    with pytest.raises(EngineFailed):
        trader.execute(run)
    trader.stand(start="09:20")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown, match=f"workbench resolve {run.run_id}") as unknown:
            trader.execute(run)
    assert len(unknown.value.orders) == 2
    assert (sent(trader), len(records.attempts(trader.data, run.run_id))) == (2, 1)

    trader.broker_forgets()
    for ref in unknown.value.orders:
        recovery.resolve(trader.data, trader.desk.store, run, ref, filled=Decimal(0), price=None, by="tester")
    done = trader.execute(run)

    assert done.ended
    assert (sent(trader), len(trader.held)) == (3, 1)


def test_the_paper_brokerage_that_died_is_begun_again_where_it_was(trader, begin):
    """Lean's own paper brokerage is its process: what worked there is sent again, under its next number."""
    trader.account = ""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    trader.account = "paper"
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    kill_nine(process.pid, *(found.pid for found in stopping.processes(place_of(trader, run))))
    process.wait()
    trader.account = ""
    trader.stand(start="09:20")
    done = trader.execute(run)

    assert done.ended
    fills = trader.desk.store.fills(run.run_id)
    assert sorted(fill.symbol for fill in fills) == sorted(WEIGHTS)
    assert "FILLED" in set(statuses(trader, run).values())


def test_an_engine_whose_supervisor_was_killed_is_over_before_the_next_begins(trader, begin, at_gateway):
    """Its keeper ends it; the account is not traded by two."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    until(lambda: sent(trader) == 3)
    kill_nine(process.pid)
    process.wait()
    trader.stand(start="09:20")
    done = trader.execute(run)

    assert done.ended
    assert stopping.processes(place_of(trader, run)) == []
    assert (sent(trader), len(trader.broker["executions"])) == (3, 3)


def test_the_kill_switch_cancels_at_the_broker_what_a_dead_process_left(trader, begin, at_gateway):
    """With Lean's own client id, and it is looked at afterwards."""
    trader.stand(start="08:59", pace=60)
    run = trader.prepare()
    process = begin(run)
    wait_for(trader, run, "SUBMITTED")
    until(lambda: sent(trader) == 3)
    kill_nine(process.pid, *(found.pid for found in stopping.processes(place_of(trader, run))))
    process.wait()
    killed, = safety.kill(trader.data, runs=None, why="a test", by="tester", now=MORNING,
                          contact=live.reach(trader.settings, ACCOUNT))

    assert killed.clear
    assert [order.state for order in killed.orders] == ["cancelled"] * 3
    assert at_gateway.ids().count(CANCEL) == 3
    assert trader.broker["working"] == []


def test_an_account_that_the_broker_does_not_know_is_refused(trader, at_gateway):
    """Before anything is begun."""
    at_gateway.book.accounts = ("DU7654321",)
    run = trader.prepare()

    with pytest.raises(NotArmed, match="DU1234567"):
        trader.execute(run)
    assert records.attempts(trader.data, run.run_id) == ()
