import errno
import hashlib
import os
import re

import pytest

from tgl.core.errors import TglError
from tgl.core.files import atomic_folder, atomic_path, how_to_mend, sha1_file, write_text


def test_written_file_appears_whole_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "new" / "folder" / "a.txt"
    with atomic_path(target) as part:
        part.write_bytes(b"half")
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert os.listdir(target.parent) == ["a.txt"]


def test_failed_write_keeps_the_old_file_and_removes_its_own(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail():
        with atomic_path(target) as part:
            part.write_text("new, cut o")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_two_writers_of_one_file_do_not_share_a_temporary_file(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as first, atomic_path(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"  # the outer block ends last


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_mode_follows_the_umask_as_for_any_new_file(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode


def test_text_is_utf8_with_line_ends_as_given(tmp_path):
    write_text(tmp_path / "a.txt", "Bahá\n½\n")
    assert (tmp_path / "a.txt").read_bytes() == "Bahá\n½\n".encode()


def test_sha1_of_a_file_is_that_of_its_bytes(tmp_path):
    content = b"\x00abc" * 500_000
    (tmp_path / "a").write_bytes(content)
    assert sha1_file(tmp_path / "a") == hashlib.sha1(content).hexdigest()


def test_a_folder_appears_whole(tmp_path):
    with atomic_folder(tmp_path / "a" / "b") as part:
        (part / "x").write_text("one")
        assert not (tmp_path / "a" / "b").exists()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert (tmp_path / "a" / "b" / "x").read_text() == "one"


def test_a_folder_that_fails_or_is_there_already_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").write_text("mine")

    def write(name, fail):
        with atomic_folder(tmp_path / name) as part:
            (part / "x").write_text("one")
            if fail:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        write("c", fail=True)
    with pytest.raises(OSError, match="not empty"):
        write("b", fail=False)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["b", "b/mine"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o755), (0o077, 0o700)])
def test_mode_of_a_folder_follows_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with atomic_folder(tmp_path / "a"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("mark", ["Snakefile", ".snakemake"])
def test_only_artifacts_of_the_workflow_are_to_be_deleted(tmp_path, mark, monkeypatch):
    (tmp_path / "run" / "results").mkdir(parents=True)
    (tmp_path / "run" / mark).mkdir()
    monkeypatch.chdir(tmp_path / "run")
    assert how_to_mend("results/mine/pages/0.parquet") == "Delete it and run the workflow again."
    assert how_to_mend(tmp_path / "run" / "mine.parquet") == "Give an undamaged file."
    assert how_to_mend(tmp_path / "results" / "mine.parquet") == "Give an undamaged file."


@pytest.mark.parametrize("named", [False, True])
def test_an_error_on_writing_names_the_final_file(tmp_path, named):
    path = tmp_path / "table"
    with pytest.raises(OSError, match="No space left") as caught, atomic_path(path) as part:
        raise OSError(errno.ENOSPC, "No space left", *([str(part)] if named else []))
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_a_device_is_never_replaced_by_a_file(tmp_path):
    """Renaming a file to /dev/null would replace it, for a user who may."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(TglError, match="found a pipe, socket or device"):
        write_text(pipe, "x")
    assert pipe.is_fifo()


def test_names_as_long_as_a_file_may_have_can_be_written(tmp_path):
    for name in ("n" * 255, "ü" * 127):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name
    with pytest.raises(TglError, match="the name is too long; expected at most 255 bytes"):
        write_text(tmp_path / ("n" * 256), "x")


@pytest.mark.parametrize("error", [OSError("Invalid data stream"), BrokenPipeError(32, "Broken pipe")])
def test_errors_of_other_files_do_not_name_the_output(tmp_path, error):
    with pytest.raises(OSError, match=re.escape(str(error))) as caught, atomic_path(tmp_path / "a.txt"):
        raise error
    assert caught.value.filename is None
