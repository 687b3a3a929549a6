"""Files that are whole or not there, whoever reads them and whenever the writer dies."""

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from workbench import files
from workbench.errors import BadInput

SIZE = 2_000_000
REWRITE = """
import sys
from pathlib import Path
from workbench import files
path, size, count = Path(sys.argv[1]), int(sys.argv[2]), 0
while True:
    files.write(path, bytes([97 + count % 26]) * size)
    count += 1
    if count == 1:
        print("ready", flush=True)
"""
posix = pytest.mark.skipif(os.name != "posix", reason="modes of files and kill -9 are POSIX's")


@contextmanager
def rewriting(path: Path):
    """Another process that writes the file again and again, each time all of another letter."""
    with subprocess.Popen([sys.executable, "-c", REWRITE, str(path), str(SIZE)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        try:
            yield child
        finally:
            child.kill()


def is_whole(data: bytes) -> bool:
    """All of one letter, and of full length."""
    return len(data) == SIZE and data.count(data[:1]) == SIZE


def test_a_reader_never_sees_half_a_file(tmp_path):
    """While another process writes it again and again, every look at it finds one version, whole."""
    path, seen = tmp_path / "file", set()
    with rewriting(path):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            data = path.read_bytes()
            seen.add(data[:1])
            assert is_whole(data)

    assert len(seen) > 3


@posix
@pytest.mark.parametrize("after", [0.01, 0.013, 0.021, 0.034, 0.055])
def test_a_killed_writer_leaves_the_old_or_the_new(tmp_path, after):
    """Killed at any moment, there is one version, whole."""
    path = tmp_path / "file"
    with rewriting(path) as child:
        time.sleep(after)
        child.send_signal(signal.SIGKILL)
        child.wait()

    assert is_whole(path.read_bytes())


def test_what_is_written_is_read(tmp_path):
    """Bytes or text, in folders that are made where they are missing; the second time over the first."""
    path = tmp_path / "a" / "b" / "file"

    assert files.write(path, "ä").read_bytes() == "ä".encode()
    assert files.write(path, b"\x00\xff").read_bytes() == b"\x00\xff"
    assert [child.name for child in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_nothing(tmp_path):
    """Neither half a file nor a temporary one."""
    folder = tmp_path / "file"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="file"):
        files.write(folder, b"x")
    with pytest.raises(UnicodeEncodeError):
        files.write(tmp_path / "text", "\ud800")

    assert [child.name for child in tmp_path.iterdir()] == ["file"]


@posix
def test_a_file_has_the_mode_that_was_asked_for(tmp_path):
    """What the umask leaves, or the owner's alone."""
    before = os.umask(0o027)
    try:
        modes = [stat.S_IMODE(files.write(tmp_path / str(private), b"x", private=private).stat().st_mode)
                 for private in (False, True)]
    finally:
        os.umask(before)

    assert modes == [0o640, 0o600]


def test_writers_in_threads_do_not_disturb_each_other(tmp_path):
    """Each write is one version; the last of them stays, and no temporary file."""
    path = tmp_path / "file"

    def work(letter: bytes) -> None:
        for _ in range(20):
            files.write(path, letter * 1000)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert path.read_bytes() in {letter * 1000 for letter in (b"a", b"b", b"c")}
    assert list(tmp_path.iterdir()) == [path]


def test_writing_once_is_enough(tmp_path):
    """The same bytes again are found: the file is not even touched."""
    path = files.write_once(tmp_path / "s1.json", "{}")
    before = path.stat()

    assert files.write_once(path, b"{}") == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_name_that_is_a_hash_keeps_its_meaning(tmp_path):
    """Other bytes under the same name raise, naming the file, and it stays as it was."""
    path = files.write_once(tmp_path / "s1.json", "{}")
    with pytest.raises(BadInput, match=r"s1\.json: already exists with other content; move it away"):
        files.write_once(path, "[]")

    assert path.read_text() == "{}"


def test_numbers_are_read_exactly(tmp_path):
    """No float comes from a file."""
    path = files.write(tmp_path / "a.json", '{"a": 0.1, "b": 5, "c": 1e-30}')
    found = files.read_json(path)

    assert found == {"a": Decimal("0.1"), "b": 5, "c": Decimal("1e-30")}
    assert [type(value) for value in found.values()] == [Decimal, int, Decimal]


@pytest.mark.parametrize(("data", "says"),
                         [(None, "no such file"), (b"{", "not JSON"), (b"", "not JSON"), (b"\xff\xfe\x00", "not JSON")])
def test_a_file_that_cant_be_read_is_named(tmp_path, data, says):
    """Missing, or not what it should be."""
    path = tmp_path / "a.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadInput, match=rf"a\.json: {says}"):
        files.read_json(path)


def test_a_files_hash_is_of_its_bytes(tmp_path):
    """sha256, in hex."""
    path = files.write(tmp_path / "a", json.dumps({"a": 1}))

    assert files.sha256(path) == hashlib.sha256(b'{"a": 1}').hexdigest()


def test_files_written_together_are_each_whole_and_their_folders_forced_once(tmp_path, monkeypatch):
    """A hundred files in one folder need one entry in it made durable at the end, not a hundred."""
    synced = []
    monkeypatch.setattr(files, "_sync_folder", synced.append)
    wanted = {tmp_path / folder / f"{n}.json": f"{n}\n" for n in range(5) for folder in ("a", "b")}
    files.write_all(wanted.items())

    assert {path: path.read_text() for path in tmp_path.glob("*/*")} == wanted
    assert sorted(synced) == [tmp_path / "a", tmp_path / "b"]


def test_files_before_an_error_are_there_and_durable(tmp_path, monkeypatch):
    """What comes to grief is the one that could not be written, alone."""
    synced = []
    monkeypatch.setattr(files, "_sync_folder", synced.append)

    def contents():
        yield tmp_path / "a" / "1", "1"
        raise BadInput("no more")

    with pytest.raises(BadInput, match="no more"):
        files.write_all(contents())

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["1"]
    assert synced == [tmp_path / "a"]
