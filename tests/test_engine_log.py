"""What an engine says: both of Lean's forms, blocks of several lines, and a log that grows while it is read."""

import itertools
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.engines import log
from workbench.engines.log import SETTLED, Listener, LogLine, Pulse, parse_lines, read_log

MOMENT = datetime(2026, 11, 21, 5, 13, 38, 871000, tzinfo=UTC)
CONSOLE, FILE = "20261121 05:13:38.871", "2026-11-21T05:13:38.8710000Z"
RAW = Path(__file__).parents[2] / "shared" / "lean-golden" / "raw"

LEVELS = st.sampled_from(["TRACE", "DEBUG", "ERROR", "REPORT"])
WORDS = st.text(st.sampled_from("abc :.,-é"), min_size=1, max_size=20).map(str.strip).filter(bool)
ENTRIES = st.lists(st.tuples(LEVELS, st.lists(WORDS, min_size=1, max_size=3).map("\n".join)), max_size=6)


@pytest.mark.parametrize("head", [CONSOLE, FILE])
def test_both_forms_are_read(head):
    """Console and file differ in the time's form alone."""
    (line,) = parse_lines([f"{head} ERROR:: Engine.Run(): no such thing"])

    assert line == LogLine(at=MOMENT, level="ERROR", text="Engine.Run(): no such thing")


@given(ENTRIES, st.sampled_from([CONSOLE, FILE]))
def test_what_was_written_is_read_again(entries, head):
    """Blocks of several lines stay one entry, whatever is in them."""
    text = "".join(f"{head} {level}:: {block}\n" for level, block in entries)

    assert [(line.level, line.text) for line in parse_lines(text.splitlines())] == entries


@given(ENTRIES, st.lists(st.integers(0, 400), max_size=5))
def test_a_log_read_in_pieces_gives_the_same_lines(tmp_path_factory, entries, cuts):
    """Wherever a reader comes in between, even inside a character."""
    path = tmp_path_factory.mktemp("log") / "log.txt"
    data = "".join(f"{CONSOLE} {level}:: {block}\n" for level, block in entries).encode()
    path.touch()
    listener, heard = Listener(path), list[LogLine]()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "SETTLED", 60.0)         # on a slow machine a moment is soon over
        for begin, end in itertools.pairwise(places):
            with path.open("ab") as out:
                out.write(data[begin:end])
            heard += listener.hear()
        heard += listener.hear(end=True)

    assert [(line.level, line.text) for line in heard] == entries


def test_last_words_are_an_entry_of_their_own():
    """What .NET prints as it dies belongs to nothing that was said before."""
    found = list(parse_lines([f"{CONSOLE} TRACE:: Engine.Main(): Started", "Unhandled exception. System.IO.IOException: x",
                              "   at QuantConnect.Queues.JobQueue"]))

    assert [(line.level, line.text) for line in found] == [
        ("TRACE", "Engine.Main(): Started"),
        ("", "Unhandled exception. System.IO.IOException: x\n   at QuantConnect.Queues.JobQueue")]


def test_only_what_is_new_is_heard(tmp_path):
    """A log that goes on from an earlier run is read from where it stands."""
    path = tmp_path / "log.txt"
    path.write_text(f"{CONSOLE} TRACE:: old\n")
    listener = Listener(path)
    with path.open("a") as out:
        out.write(f"{CONSOLE} TRACE:: new\n")

    assert [line.text for line in listener.hear(end=True)] == ["new"]


def test_the_last_line_is_not_kept_until_the_next(tmp_path):
    """Live, minutes may pass between two: what was said a moment ago is given."""
    path = tmp_path / "log.txt"
    path.touch()
    listener = Listener(path)
    path.write_text(f"{CONSOLE} TRACE:: filled\nat 83.41\n")
    at_once = listener.hear()
    time.sleep(2 * SETTLED)

    assert at_once == ()
    assert [line.text for line in listener.hear()] == ["filled\nat 83.41"]
    assert listener.hear(end=True) == ()


def test_a_real_log_is_read_whole():
    """Every entry of a recorded run, its tables and statistics among them."""
    if not RAW.is_dir():
        pytest.skip(f"real Lean's logs are not at {RAW}")
    lines = read_log(RAW / "minute-market-orders" / "log.txt")

    assert {line.level for line in lines} == {"TRACE", "ERROR"}
    assert next(line for line in lines if "CashBook Total Value" in line.text).text.startswith("BaseSetupHandler")
    assert lines[0].at == datetime(2026, 11, 21, 5, 19, 33, 763193, tzinfo=UTC)


def test_a_log_that_is_not_there_says_nothing(tmp_path):
    """No file is no error: an engine may die before its first word."""
    assert read_log(tmp_path / "log.txt") == ()


def test_a_file_inside_a_folder_is_a_sign_of_life(tmp_path):
    """Live, Lean says nothing for minutes, and rewrites its files."""
    folder = tmp_path / "results"
    folder.mkdir()
    pulse = Pulse([folder, tmp_path / "not-there"])
    time.sleep(0.1)
    before = pulse.silence()
    (folder / "chart.json").write_text("{}")
    time.sleep(0.05)
    after = pulse.silence()

    assert before >= 0.1
    assert after < before
