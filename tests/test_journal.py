"""The journal: one writer, exact text, a chain in which every change shows, and moments that need no time-zone database."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench.algorithm import journal
from workbench.algorithm.journal import (
    KINDS,
    LEAN_STATUS,
    SEAL_EVERY,
    Journal,
    instant,
    lean_status,
    new_york_to_utc,
    plain,
    read_lines,
    to_json,
    verify,
)
from workbench.words.order import STATUSES

OPEN = datetime(2020, 3, 2, 14, tzinfo=UTC)
ALGORITHM = Path(journal.__file__).parent


class Clock:
    """A wall clock that is a second later each time it is looked at."""

    def __init__(self) -> None:
        self.at = datetime(2020, 3, 2, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def write_journal(path: Path, *, count: int = 3, live: bool = False) -> Path:
    """A journal of `count` lines before its end."""
    lines = Journal(str(path), run_id="r0", attempt=1, live=live, now=Clock())
    for n in range(count):
        message = "ä" if n % 2 else None
        lines.write("order", OPEN + timedelta(minutes=n), symbol="ALFA", quantity=Decimal(n) / 4, message=message)
    lines.close(OPEN + timedelta(hours=7))
    return path


@cache
def written(count: int, live: bool) -> tuple[bytes, ...]:
    """The lines of such a journal."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(read_lines(str(write_journal(Path(folder) / "journal.jsonl", count=count, live=live))))


def entries(path: Path) -> list[dict]:
    """The lines, parsed."""
    return [json.loads(line, parse_float=Decimal) for line in read_lines(str(path))]


# What a line is.

def test_a_line_has_its_place_its_kind_and_two_clocks(tmp_path):
    """In a backtest both clocks are the algorithm's, so that a rerun gives the same bytes."""
    path = write_journal(tmp_path / "journal.jsonl", count=1)

    assert path.read_text(encoding="utf-8").splitlines()[0] == (
        '{"schema":"journal/1","run_id":"r0","attempt":1,"seq":1,"kind":"order","occurred_at":"2020-03-02T14:00:00Z",'
        '"recorded_at":"2020-03-02T14:00:00Z","symbol":"ALFA","quantity":0,"message":null}')
    assert [line["seq"] for line in entries(path)] == [1, 2, 3]
    assert [line["kind"] for line in entries(path)] == ["order", "closed", "seal"]


def test_a_line_may_have_no_fields_of_its_own(tmp_path):
    """It is JSON all the same."""
    lines = Journal(str(tmp_path / "journal.jsonl"), run_id="r0", attempt=1, live=False, now=Clock())
    lines.write("mark", OPEN)
    lines.close(OPEN)

    assert entries(tmp_path / "journal.jsonl")[0]["recorded_at"] == "2020-03-02T14:00:00Z"


def test_a_rerun_gives_the_same_bytes(tmp_path):
    """Whatever the wall clock says."""
    first = write_journal(tmp_path / "a.jsonl", count=5).read_bytes()

    assert first == write_journal(tmp_path / "b.jsonl", count=5).read_bytes()


def test_the_end_counts_the_lines(tmp_path):
    """By kind, and its own number as the last; only its seal comes after it."""
    end, seal = entries(write_journal(tmp_path / "journal.jsonl", count=3))[-2:]

    assert (end["counts"], end["last_seq"], end["seq"]) == ({"order": 3}, 4, 4)
    assert (seal["kind"], seal["seq"]) == ("seal", 5)


def test_live_every_line_is_sealed_and_has_the_wall_clock(tmp_path):
    """`recorded_at` is ours, `occurred_at` theirs; a seal has the clocks of the line it seals."""
    lines = entries(write_journal(tmp_path / "journal.jsonl", count=2, live=True))

    assert [line["kind"] for line in lines] == ["order", "seal", "order", "seal", "closed", "seal"]
    assert [line["recorded_at"][11:19] for line in lines] == ["15:00:01"] * 2 + ["15:00:02"] * 2 + ["15:00:03"] * 2
    assert [line["occurred_at"][11:16] for line in lines] == ["14:00"] * 2 + ["14:01"] * 2 + ["21:00"] * 2


def test_live_a_line_has_left_the_process_when_it_is_written(tmp_path):
    """What was heard is on the file before anything else happens: the process may be killed."""
    path = tmp_path / "journal.jsonl"
    lines = Journal(str(path), run_id="r0", attempt=1, live=True, now=Clock())
    lines.write("order", OPEN, symbol="ALFA")

    assert [line["kind"] for line in entries(path)] == ["order", "seal"]
    lines.close(OPEN)


def test_a_backtest_is_sealed_every_thousand_lines(tmp_path):
    """And after its last line; each seal names the one before."""
    lines = entries(write_journal(tmp_path / "journal.jsonl", count=2 * SEAL_EVERY + 10))
    seals = [line for line in lines if line["kind"] == "seal"]

    assert [seal["seq"] for seal in seals] == [1001, 2002, 2014]
    assert [seal["previous"] for seal in seals] == [None, seals[0]["sha256"], seals[1]["sha256"]]


def test_threads_take_turns(tmp_path):
    """Live, Lean schedules and tells of orders in threads of their own: no line is torn and no number given twice."""
    path = tmp_path / "journal.jsonl"
    lines = Journal(str(path), run_id="r0", attempt=1, live=True, now=lambda: OPEN)

    def work(name: str) -> None:
        for n in range(200):
            lines.write("order", OPEN, symbol=name, quantity=n)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(name,)) for name in ("ALFA", "BETA", "GAMA", "DELT")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    lines.close(OPEN)

    assert verify(read_lines(str(path))).good
    assert sum(line["kind"] == "order" for line in entries(path)) == 800


def test_a_file_has_one_writer(tmp_path):
    """A journal that is there is never resumed nor written over."""
    path = write_journal(tmp_path / "journal.jsonl")
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        Journal(str(path), run_id="r0", attempt=2, live=False, now=Clock())

    assert before == path.read_bytes()


def test_a_line_that_cant_be_written_leaves_no_gap(tmp_path):
    """A value without an exact text raises before anything is counted."""
    path = tmp_path / "journal.jsonl"
    lines = Journal(str(path), run_id="r0", attempt=1, live=False, now=Clock())
    with pytest.raises(TypeError):
        lines.write("order", OPEN, price=1.5)
    lines.close(OPEN)

    assert verify(read_lines(str(path))).good


FULL_DISK = """
import resource, signal, sys
from datetime import UTC, datetime
sys.path.insert(0, {algorithm!r})
import journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
lines = journal.Journal({path!r}, run_id="r0", attempt=1, live=True, now=lambda: datetime.now(UTC))
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    for n in range(100):
        lines.write("order", datetime(2020, 3, 2, tzinfo=UTC), quantity=n)
except OSError as error:
    print(error.errno, n)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits a file's size as a full disk would")
def test_a_full_disk_raises_at_once(tmp_path):
    """The line that did not fit raises, live, before anything more can be sent; what stands is a chain up to a torn line."""
    path = tmp_path / "journal.jsonl"
    script = FULL_DISK.format(algorithm=str(ALGORITHM), path=str(path))
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    verdict = verify(read_lines(str(path)))

    assert int(said[0]) == errno.EFBIG
    assert path.stat().st_size == 2000
    assert (verdict.good, verdict.closed) == (False, False)
    assert verdict.trusted == 2 * int(said[1]) > 0


# The chain.

def test_a_whole_journal_verifies(tmp_path):
    """Every line is covered, and it was closed."""
    for live in (False, True):
        path = write_journal(tmp_path / f"{live}.jsonl", count=4, live=live)
        verdict = verify(read_lines(str(path)))

        assert (verdict.good, verdict.closed, verdict.line, verdict.why) == (True, True, 0, "")
        assert verdict.lines == verdict.trusted == len(entries(path))


def test_an_open_journal_is_not_whole():
    """It says so, and up to where it can be trusted."""
    live, backtest = verify(written(2, live=True)[:-2]), verify(written(2, live=False)[:-2])

    assert (live.good, live.lines, live.trusted, live.line) == (False, 4, 4, 0)
    assert (backtest.good, backtest.lines, backtest.trusted, backtest.line) == (False, 2, 0, 1)
    assert "not closed" in live.why


def test_an_empty_journal_is_not_whole():
    """Nothing was said, so nothing holds."""
    verdict = verify([])

    assert (verdict.good, verdict.lines, verdict.line) == (False, 0, 0)


BOTH = st.booleans()
COUNT = 12


def broken(lines: list[bytes]):
    """The verdict on changed lines: bad, with a line named that exists, and no more trusted than what is before it."""
    verdict = verify(b"".join(lines).splitlines(keepends=True))

    assert not verdict.good
    assert verdict.why
    assert verdict.trusted <= verdict.lines <= len(b"".join(lines).splitlines())
    return verdict


@settings(max_examples=400)
@given(BOTH, st.data())
def test_any_byte_changed_is_found(live, data):
    """In any line, the seals and the very last included; the doubt begins no later than the change."""
    lines = list(written(COUNT, live))
    number = data.draw(st.integers(0, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[number]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != lines[number][place]))
    lines[number] = lines[number][:place] + bytes([byte]) + lines[number][place + 1:]
    verdict = broken(lines)

    assert verdict.line <= number + 1
    assert verdict.trusted <= number
    if live:        # each line has a seal of its own
        assert verdict.line >= number


@given(BOTH, st.data())
def test_every_digit_of_the_last_seal_counts(live, data):
    """No later seal covers it, so it must follow from the line before, byte by byte."""
    *lines, last = written(COUNT, live)
    places = [place for place, byte in enumerate(last) if chr(byte).isdigit()]
    place = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([d for d in b"0123456789" if d != last[place]]))

    broken([*lines, last[:place] + bytes([digit]) + last[place + 1:]])


@given(BOTH, st.data())
def test_any_line_removed_is_found(live, data):
    """In the middle its number is missing; from the end, its seal or its close."""
    lines = list(written(COUNT, live))
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first, len(lines) - 1))
    verdict = broken(lines[:first] + lines[last + 1:])

    assert verdict.trusted <= first
    if last + 1 < len(lines):
        assert verdict.line == first + 1
        assert "missing" in verdict.why


@given(BOTH, st.data())
def test_any_line_repeated_or_swapped_is_found(live, data):
    """A line out of its place is named."""
    lines = list(written(COUNT, live))
    one = data.draw(st.integers(0, len(lines) - 1))
    other = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != one))
    repeated, swapped = [*lines[:other], lines[one], *lines[other:]], list(lines)
    swapped[one], swapped[other] = swapped[other], swapped[one]

    if one != other - 1:
        assert broken(repeated).line == other + 1
    assert broken(swapped).line == min(one, other) + 1


@given(BOTH, st.data())
def test_any_torn_tail_is_found(live, data):
    """Cut anywhere: at a line's end it is not closed, within a line that line is named and those before it stand."""
    whole = b"".join(written(COUNT, live))
    cut = data.draw(st.integers(0, len(whole) - 1))
    left = whole[:cut]
    verdict = verify(left.splitlines(keepends=True))

    assert not verdict.good
    assert verdict.lines == len(left.splitlines())
    if left and not left.endswith(b"\n"):
        assert verdict.line == verdict.lines
        assert "torn" in verdict.why


@given(BOTH, BOTH)
def test_nothing_follows_the_end(live, sealed):
    """A line written after the close is found, with a seal of its own or without."""
    lines = list(written(COUNT, live))
    last = json.loads(lines[-1])
    more = lines[0].replace(b'"seq":1,', b'"seq":%d,' % (last["seq"] + 1))
    clocks, digest = last | json.loads(lines[0]), hashlib.sha256(lines[-1] + more).hexdigest()
    seal = {name: clocks[name] for name in ("schema", "run_id", "attempt", "seq", "kind", "occurred_at", "recorded_at")}
    seal |= {"seq": last["seq"] + 2, "kind": "seal", "sha256": digest, "previous": last["sha256"]}
    seal_line = json.dumps(seal, separators=(",", ":")).encode() + b"\n"
    verdict = broken([*lines, more, *([seal_line] if sealed else [])])

    assert (verdict.line, verdict.why) == (len(lines) + 1, "a line after the journal was closed")


PIECES = [b'"', b"\\\\", b"\\u0041", b"{}", b"[1]", b'"seq":7', b'"kind":"mark"', b'"seq":7,', b',"kind":"mark"', b"00", b"-0",
          b"1e3", b".5", b"1.", b"NaN", b"null", b",", b":", b" ", b"\t", b"\r", b"\x00", b"\x7f", b"\xff", b"\xc3\xa4", b"}", b"{"]


@settings(max_examples=600)
@given(st.integers(0, COUNT), st.data())
def test_a_line_that_is_not_parsed_says_what_it_would_when_it_were(number, data):
    """Whatever is put into a line, its number and kind are those that JSON gives, or it is refused as JSON refuses it."""
    line = written(COUNT, live=False)[number]
    for _ in range(data.draw(st.integers(0, 3))):
        first = data.draw(st.integers(0, len(line) - 1))
        last = data.draw(st.integers(first, min(first + 12, len(line) - 1)))
        line = line[:first] + data.draw(st.sampled_from([b"", *PIECES])) + line[last:]
    assert told(lambda: journal._place_and_kind(line)) == told(lambda: (json.loads(line)["seq"], json.loads(line)["kind"]))


def told(ask):
    """What is answered; None for a line that is refused."""
    try:
        return ask()
    except (ValueError, KeyError, TypeError):
        return None


@pytest.mark.parametrize("line", [
    b"\n", b"null\n", b"[1]\n", b"{}\n", b"7\n", b"\xff\n", b'{"seq":1}\n', b'{"seq":"1","kind":"seal"}\n',
    b'{"seq":1,"kind":"seal"}\n', b'{"seq":1,"kind":"seal","sha256":"","previous":null}\n',
])
def test_what_is_no_journal_line_is_named(line):
    """Whatever stands there, the answer is a verdict."""
    verdict = verify([line])

    assert (verdict.good, verdict.line) == (False, 1)


def test_a_changed_line_is_named_as_near_as_the_seals_allow(tmp_path):
    """In a backtest of 2,500 lines the doubt is between two seals; what the first seal covers stands."""
    lines = list(read_lines(str(write_journal(tmp_path / "journal.jsonl", count=2500))))
    lines[1500] = lines[1500].replace(b"ALFA", b"BETA")
    verdict = verify(lines)

    assert (verdict.good, verdict.trusted, verdict.line) == (False, 1001, 1002)
    assert "lines 1002 to 2002 were changed" in verdict.why


# Exact text.

@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-10**30, max_value=10**30))
def test_a_number_is_written_exactly_and_plainly(number):
    """No exponent, no trailing zeros, no minus before nothing; read again it is the same number."""
    text = plain(number)

    assert Decimal(text) == number
    assert set(text) <= set("-0123456789.")
    assert text == "0" or not text.startswith("-0") or "." in text
    assert "." not in text or not text.endswith(("0", "."))


@pytest.mark.parametrize(("number", "text"), [
    ("1E+3", "1000"), ("0.10", "0.1"), ("-0.00", "0"), ("0E-12", "0"), ("1e-9", "0.000000001"), ("100", "100"),
    ("-2.50", "-2.5"),
])
def test_one_number_has_one_text(number, text):
    """0.10, 0.1 and 1e-1 are one number."""
    assert plain(Decimal(number)) == text


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_what_is_no_number_is_not_written(number):
    """It raises."""
    with pytest.raises(ValueError, match="not finite"):
        plain(Decimal(number))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-10**20, max_value=10**20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8)


@given(VALUES)
def test_json_is_read_as_it_was_written(value):
    """With exact numbers, and on one line."""
    text = to_json(value)

    assert json.loads(text, parse_float=Decimal) == value
    assert "\n" not in text


@pytest.mark.parametrize(("value", "text"), [
    (date(2020, 3, 2), '"2020-03-02"'), (OPEN, '"2020-03-02T14:00:00Z"'), ((1, None), "[1,null]"),
    ({"b": 1, "a": True}, '{"b":1,"a":true}'), ("ä\n", '"ä\\n"'),
])
def test_each_type_has_its_text(value, text):
    """Dates are ISO, moments UTC with Z, and keys stay in their order."""
    assert to_json(value) == text


@pytest.mark.parametrize("value", [1.5, float("nan"), {1, 2}, b"x", object(), 1j])
def test_a_type_without_an_exact_text_raises(value):
    """Floats above all."""
    with pytest.raises(TypeError, match="can't be written exactly"):
        to_json({"field": [value]})


# Moments.

class Gmt(tzinfo):
    """A zone as the .NET bridge makes its own."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta(0)


class ClrDatetime(datetime):
    """A datetime of a class of its own, as Lean's Python gets them."""


def test_a_moment_of_leans_own_type_is_a_moment():
    """Only what it says counts, not its class nor its zone's."""
    assert instant(ClrDatetime(2020, 3, 2, 14, 0, 0, 250000, tzinfo=Gmt())) == "2020-03-02T14:00:00.250000Z"
    assert new_york_to_utc(ClrDatetime(2020, 3, 2, 16)) == datetime(2020, 3, 2, 21, tzinfo=UTC)


def test_a_moment_without_a_zone_raises():
    """An algorithm's own time has none, and must be turned into UTC first."""
    with pytest.raises(ValueError, match="no time zone"):
        instant(datetime(2020, 3, 2))       # noqa: DTZ001


@given(st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.timezones()))      # noqa: DTZ001
@example(datetime(2020, 3, 2, 9, tzinfo=ZoneInfo("America/New_York")))
def test_an_instant_is_utc(moment):
    """From any zone; read again it is the same moment."""
    text = instant(moment)

    assert text.endswith("Z")
    assert datetime.fromisoformat(text).timestamp() == moment.timestamp()


def test_new_york_is_where_the_time_zone_database_says():
    """Every hour from 1990 to 2040, but for the one that is missing and the one that comes twice each year."""
    zone, hour, skipped = ZoneInfo("America/New_York"), timedelta(hours=1), 0
    local, end = datetime(1990, 1, 1), datetime(2041, 1, 1)         # noqa: DTZ001
    wrong = []
    while local < end:
        there = local.replace(tzinfo=zone)
        ahead = there.utcoffset()
        if local.hour in (1, 2) and ahead != there.replace(fold=1).utcoffset():
            skipped += 1
        elif new_york_to_utc(local).replace(tzinfo=None) != local - ahead:
            wrong.append(local)
        local += hour

    assert wrong == []
    assert skipped == 2 * 51


# Words.

@pytest.mark.parametrize(("theirs", "ours"), [
    ("NEW", "NEW"), ("SUBMITTED", "SUBMITTED"), ("UPDATE_SUBMITTED", "SUBMITTED"), ("PARTIALLY_FILLED", "PARTIALLY_FILLED"),
    ("FILLED", "FILLED"), ("CANCEL_PENDING", "PENDING_CANCEL"), ("CANCELED", "CANCELLED"), ("INVALID", "REJECTED"),
    ("NONE", "UNKNOWN"),
])
def test_leans_statuses_have_our_words(theirs, ours):
    """As Python prints them, as Lean's files write them (updateSubmitted) and in capitals."""
    words = theirs.split("_")
    camel = words[0].lower() + "".join(word.capitalize() for word in words[1:])

    assert lean_status(theirs) == lean_status(camel) == lean_status(theirs.lower()) == ours


def test_an_expired_order_is_told_from_a_cancelled_one():
    """By Lean's own message, and only there."""
    assert lean_status("CANCELED", "The order has expired.") == "EXPIRED"
    assert lean_status("FILLED", "The order has expired.") == "FILLED"
    assert lean_status("CANCELED", "expired") == "CANCELLED"


def test_an_unheard_status_is_unknown():
    """Never guessed."""
    assert lean_status("SOMETHING_NEW") == "UNKNOWN"


def test_the_journals_words_are_the_words_of_orders():
    """What the algorithm writes is what the rooms above read."""
    assert {name: STATUSES.get(name) for name in LEAN_STATUS} == LEAN_STATUS


def test_the_kinds_are_the_contracts():
    """Those of the table in §6, in its order."""
    text = (Path(__file__).parents[1] / "docs" / "contracts.md").read_text(encoding="utf-8")
    table = text[text.index("| kind | fields |"):text.index("Before each send, live and paper")]
    rows = [row.split("|")[1].strip() for row in table.splitlines()[2:] if row.startswith("|")]

    assert [kind.strip() for row in rows for kind in row.split(",")] == list(KINDS)
