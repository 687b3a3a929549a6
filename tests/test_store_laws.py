"""Laws of the store: order, repetition and division of the input change nothing; folds are sums; a rebuild is the same."""

import itertools
import json
import shutil
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_fixtures import MORNING, OPEN, Desk, contents, decide, emptied, instrument, lean_event, lean_file, queue, request

from workbench.algorithm.journal import to_json
from workbench.store import Store
from workbench.words.order import ENDED, LIFECYCLE

LAW = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
SIDES = {1: 1, 2: -1, 3: 1}
NUMBERS = itertools.count()
PRICES = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal("99999.9999"), places=4)


@st.composite
def told(draw):
    """What was heard of one order at one moment: status, shares of the event without sign, price, fee or None."""
    return {
        "order": draw(st.integers(1, 3)), "minute": draw(st.integers(0, 4)), "status": draw(st.sampled_from(LIFECYCLE)),
        "shares": draw(st.integers(0, 40)), "price": draw(PRICES),
        "fee": draw(st.none() | st.decimals(min_value=0, max_value=5, places=2)),
    }


def journal_line(run_id, seq, event, **more):
    side = SIDES[event["order"]]
    line = {
        "schema": "journal/1", "run_id": run_id, "attempt": 1, "seq": seq, "kind": "order",
        "occurred_at": OPEN + timedelta(minutes=event["minute"]), "order_ref": f"s-ALFA.{event['order']}",
        "order_id": event["order"], "event_id": seq, "symbol": "ALFA", "instrument_id": instrument("ALFA"),
        "type": "LIMIT", "status": event["status"], "quantity": Decimal(100 * side),
        "fill_quantity": Decimal(event["shares"] * side), "fill_price": event["price"] if event["shares"] else None,
        "fee": event["fee"] if event["shares"] else None, "currency": "USD",
    }
    return to_json(line | more)


def lean_line(run_id, seq, event):
    side = SIDES[event["order"]]
    return lean_event(f"{run_id}-1", event["order"], seq, event["status"], quantity=f"{100 * side}.0",
                      fill=f"{event['shares'] * side}.0", price=str(event["price"]), at=OPEN + timedelta(minutes=event["minute"]),
                      fee=None if event["fee"] is None or not event["shares"] else str(event["fee"]))


def plain_line(_, seq, event):
    return to_json({"order_id": event["order"], "status": event["status"], "filled": event["shares"], "fill_price": event["price"],
                    "time": OPEN + timedelta(minutes=event["minute"]), "note": seq})


FORMS = {"journal": journal_line, "lean": lean_line, "plain": plain_line}


@pytest.fixture(scope="module")
def store():
    """One store for many runs: each example has a run of its own."""
    return Store(":memory:")


@pytest.fixture(scope="module")
def fresh():
    """Another, to begin anew in."""
    return Store(":memory:")


def ingest(store, folder, run_id, form, lines):
    """Read some lines as a file of their own."""
    path = folder / f"{next(NUMBERS)}.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    store.ingest(path, run_id=run_id, attempt=1, source=form)


def folded(store, run_id):
    """Everything folded from a run's events, without the run's name."""
    return [repr(value).replace(run_id, "r") for read in (store.orders, store.fills, store.positions) for value in read(run_id)]


@given(events=st.lists(st.tuples(st.sampled_from(list(FORMS)), told()), min_size=1, max_size=14), data=st.data())
@LAW
def test_order_repetition_and_division_change_nothing(store, tmp_path, events, data):
    """The same lines of three sources, shuffled, in pieces and some of them twice: the same orders, fills and positions."""
    once, again = f"r{next(NUMBERS):016x}", f"r{next(NUMBERS):016x}"
    for form in FORMS:
        ingest(store, tmp_path, once, form,
               [FORMS[form](once, seq, event) for seq, (kind, event) in enumerate(events, start=1) if kind == form])
    lines = [(form, FORMS[form](again, seq, event)) for seq, (form, event) in enumerate(events, start=1)]
    shuffled = data.draw(st.permutations(lines)) + data.draw(st.lists(st.sampled_from(lines), max_size=5))
    while shuffled:
        cut = data.draw(st.integers(1, len(shuffled)))
        piece, shuffled = shuffled[:cut], shuffled[cut:]
        for form in {form for form, _ in piece}:
            ingest(store, tmp_path, again, form, [line for kind, line in piece if kind == form])

    assert folded(store, again) == folded(store, once)
    assert len(store.events(again)) == len(store.events(once)) == len(events)


@given(events=st.lists(told(), min_size=1, max_size=14), form=st.sampled_from(list(FORMS)))
@LAW
def test_an_order_is_the_sum_of_its_fills(store, tmp_path, events, form):
    """Shares, dollars to the last digit kept, fees; and where one fee is unknown the sum is."""
    run_id = f"r{next(NUMBERS):016x}"
    ingest(store, tmp_path, run_id, form, [FORMS[form](run_id, seq, event) for seq, event in enumerate(events, start=1)])
    fills = store.fills(run_id)
    for order in store.orders(run_id):
        own = [fill for fill in fills if fill.order_id == order.order_id]
        fees = [fill.fee for fill in own]

        assert order.filled_quantity == sum(fill.quantity for fill in own)
        assert order.fees == (None if None in fees else sum(fees))
        if order.filled_quantity:
            exact = sum(Fraction(fill.quantity) * Fraction(fill.price) for fill in own) / Fraction(order.filled_quantity)
            assert abs(Fraction(order.avg_fill_price) - exact) <= Fraction(1, 2 * 10**12)
        else:
            assert order.avg_fill_price is None


@given(events=st.lists(told(), min_size=1, max_size=10))
@LAW
def test_events_one_by_one_are_what_the_fold_adds_up(store, tmp_path, events):
    """A second reckoning, in Python and by hand: shares, status and last moment of each order."""
    run_id = f"r{next(NUMBERS):016x}"
    ingest(store, tmp_path, run_id, "journal", [journal_line(run_id, seq, event) for seq, event in enumerate(events, start=1)])
    for order in store.orders(run_id):
        own = [(event["minute"], seq, event) for seq, event in enumerate(events, start=1)
               if str(event["order"]) == order.order_id]
        shares = sum(event["shares"] for *_, event in own)
        ended = [event["status"] for *_, event in own if event["status"] in ENDED]
        if shares >= 100:
            status = "FILLED"
        elif ended:
            status = max(ended, key=LIFECYCLE.index)
        else:
            status = max(own, key=lambda item: item[:2])[2]["status"]
            if shares and status in ("NEW", "PENDING_SUBMIT", "SUBMITTED"):
                status = "PARTIALLY_FILLED"

        assert order.filled_quantity == shares * SIDES[int(order.order_id)]
        assert order.status == status
        assert order.last_status_at == OPEN + timedelta(minutes=max(minute for minute, *_ in own))


EXECUTIONS = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 40), st.integers(0, 4))


@given(events=st.lists(EXECUTIONS, min_size=1, max_size=10), data=st.data())
@LAW
def test_the_last_correction_of_each_execution_stands(store, tmp_path, events, data):
    """In whatever order executions and corrections are heard, and however often: of each family the highest suffix."""
    run_id = f"r{next(NUMBERS):016x}"
    shares = {}
    for family, suffix, count, _ in events:
        shares.setdefault((family, suffix), count)
    lines = []
    for seq, (family, suffix, _, minute) in enumerate(events, start=1):
        event = {"order": 1, "minute": minute, "status": "SUBMITTED", "shares": shares[family, suffix], "price": Decimal(10),
                 "fee": None}
        exec_id = f"0000e0d5.5e5f6a7b.{family:02}.{suffix:02}"
        lines.append(journal_line(run_id, seq, event, exec_id=exec_id, event_id=None))
    shuffled = data.draw(st.permutations(lines))
    for piece in (shuffled[:3], shuffled[3:]):
        ingest(store, tmp_path, run_id, "journal", piece)
    last = {family: suffix for family, suffix in sorted(shares)}
    (order,) = store.orders(run_id)

    assert order.filled_quantity == sum(shares[family, suffix] for family, suffix in last.items())


@given(counts=st.lists(st.tuples(st.integers(0, 100), PRICES), min_size=1, max_size=8), heard=st.integers(0, 100))
@LAW
def test_counts_so_far_and_single_fills_are_never_added_up(store, tmp_path, counts, heard):
    """Whatever our own events told of, a broker's count of all shares is the most there can be beside them."""
    run_id = f"r{next(NUMBERS):016x}"
    single = {"order": 1, "minute": 0, "status": "SUBMITTED", "shares": heard, "price": Decimal(10), "fee": None}
    ingest(store, tmp_path, run_id, "journal", [journal_line(run_id, 1, single)])
    ingest(store, tmp_path, run_id, "broker", [
        plain_line(run_id, seq, single | {"shares": count, "price": price}) for seq, (count, price) in enumerate(counts, start=1)])
    (order,) = store.orders(run_id)

    assert order.filled_quantity == max([heard, *(count for count, _ in counts)])


# A rebuild is the same


STEPS = ("decide", "run", "status", "journal", "tear", "mend", "lean", "half of lean", "plain", "bad", "touch", "drop run",
         "change journal", "empty journal", "drop events")


class Folder:
    """A data folder in which things happen, and the store that follows them."""

    def __init__(self, folder, store):
        self.folder, self.store = folder, store
        self.runs, self.turn = [], 0

    def happen(self, step):
        """One thing happens; where there is no run yet, a run is made."""
        self.turn += 1
        if step == "run" or not self.runs:
            self.runs.append(request(self.folder, decide(self.folder, {"ALFA": f"0.{self.turn}"}), fee_bps=self.turn))
        getattr(self, step.replace(" ", "_"))(self.runs[self.turn % len(self.runs)])

    def run(self, asked):
        queue(self.folder, asked, state="queued")

    def decide(self, _):
        decide(self.folder, {"BETA": f"0.{self.turn}"})

    def status(self, asked):
        queue(self.folder, asked, state="failed")

    def path(self, asked):
        return self.folder / "runs" / asked.run_id / "1" / "journal.jsonl"

    def journal(self, asked):
        """Some lines more, at first with an opening."""
        path = self.path(asked)
        if not path.exists() or not path.stat().st_size:
            path.unlink(missing_ok=True)
            desk = Desk(self.folder, asked.run_id)
            desk.opened({"ALFA": 3})
            desk.stop()
        with path.open("a") as out:
            for number in range(3):
                seq = 10 * self.turn + number
                out.write(journal_line(asked.run_id, seq, {
                    "order": number + 1, "minute": number, "status": LIFECYCLE[seq % 11], "shares": seq % 3, "price": Decimal(10),
                    "fee": None}) + "\n")

    def tear(self, asked):
        self.journal(asked)
        with self.path(asked).open("a") as out:
            out.write('{"schema":"journal/1","run_id":')

    def mend(self, asked):
        path = self.path(asked)
        if path.exists():
            path.write_text(path.read_text().rsplit("\n", 1)[0] + "\n")

    def bad(self, asked):
        self.journal(asked)
        with self.path(asked).open("a") as out:
            out.write("not a line\n")

    def change_journal(self, asked):
        path = self.path(asked)
        if path.exists():
            path.write_text(path.read_text().replace("SUBMITTED", "FILLED"))

    def empty_journal(self, asked):
        if self.path(asked).exists():
            self.path(asked).write_text("")

    def lean_events(self, asked):
        return [lean_event(f"{asked.run_id}-1", order, event, "filled", fill="1.0", price="10.0", fee="1.0", at=OPEN)
                for order in (1, 2, 9) for event in range(1, 4)]

    def lean(self, asked):
        lean_file(self.folder, asked.run_id, self.lean_events(asked))

    def half_of_lean(self, asked):
        path = self.folder / "runs" / asked.run_id / "1" / "results" / f"{asked.run_id}-1-order-events.json"
        if not path.exists():
            lean_file(self.folder, asked.run_id, reversed(self.lean_events(asked)[4:]))

    def plain(self, asked):
        events = self.folder / "events"
        events.mkdir(exist_ok=True)
        line = {"order_id": 2, "status": "Filled", "filled": self.turn, "fill_price": 10, "time": MORNING.timestamp()}
        (events / f"{self.turn}.json").write_text(json.dumps([line, {"order_id": 7, "status": "new", "time": "noon"}]))
        (events / f"{self.turn}.json.source.json").write_text(json.dumps(
            {"schema": "source/1", "source": "broker", "run_id": asked.run_id, "attempt": 1, "format": "plain"}))

    def drop_events(self, _):
        for path in sorted((self.folder / "events").glob("*.json"))[:2]:
            path.unlink()

    def touch(self, _):
        for path in self.folder.rglob("*.json*"):
            path.touch()

    def drop_run(self, asked):
        shutil.rmtree(self.folder / "runs" / asked.run_id)
        self.runs.remove(asked)


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), min_size=1, max_size=12))
@settings(LAW, max_examples=10)
def test_following_the_files_ends_where_a_rebuild_does(store, fresh, tmp_path_factory, steps):
    """Whatever is written, torn, mended, changed or dropped, and whenever the store looks: row for row the same."""
    happening = Folder(tmp_path_factory.mktemp("data"), emptied(store))
    for step, look in steps:
        happening.happen(step)
        if look:
            happening.store.index(happening.folder)
    happening.store.index(happening.folder)
    emptied(fresh).index(happening.folder)

    assert contents(happening.store) == contents(fresh)
