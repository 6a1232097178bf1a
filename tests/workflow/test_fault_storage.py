"""Full and read-only disks, damaged files, a clock that goes back: a clear message, and then the same tables.

Run by `make test-faults`.
"""

import os
import shutil
import subprocess
import time

import pytest

from tests.workflow.conftest import Workflow, copy_of, data_files

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif("TGL_KILLS" not in os.environ, reason="minutes of runs: make test-faults"),
]
RUN = "full-plain-lr0.003"


def half_done(finished: Workflow, directory) -> Workflow:
    """Return a copy of a finished run in which one method has still to be trained, and the report to be made."""
    workflow = copy_of(finished, directory)
    for folder in ("models", "scores"):
        (method,) = (workflow.results / folder).glob(f"*/{RUN}")
        shutil.rmtree(method)
    shutil.rmtree(workflow.results / "report")
    return workflow


def assert_equal_to(finished: Workflow, workflow: Workflow) -> None:
    expected, found = data_files(finished.results), data_files(workflow.results)
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.fixture
def disk(tmp_path):
    """A file system of its own; a function sets its mount options."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)

    yield folder, remount
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(finished_tiny, disk):
    folder, remount = disk
    workflow = half_done(finished_tiny, folder / "run")
    used = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    remount(f"size={used + 200_000}")  # room for Snakemake to begin, none for a model
    assert "No space left on device" in workflow.run(fails=True)
    remount("size=400m")
    workflow.run()
    assert_equal_to(finished_tiny, workflow)


def test_a_full_temporary_folder_does_not_stop_a_training(finished_tiny, tmp_path, disk, monkeypatch):
    """Weights are written next to where they belong: what has room for them is what the user chose for them."""
    folder, remount = disk
    remount("size=48k")
    workflow = half_done(finished_tiny, tmp_path / "run")
    (method,) = (finished_tiny.results / "models").glob(f"*/{RUN}")
    assert max(path.stat().st_size for path in method.rglob("*.safetensors")) > 48 << 10
    monkeypatch.setenv("TMPDIR", str(folder))
    workflow.run("--until", "train")
    monkeypatch.undo()
    workflow.run()
    assert_equal_to(finished_tiny, workflow)


def test_a_read_only_disk_is_said_and_the_run_goes_on_when_it_can_be_written(finished_tiny, disk):
    folder, remount = disk
    workflow = half_done(finished_tiny, folder / "run")
    remount("ro")
    assert "Read-only file system" in workflow.run(fails=True)
    remount("rw")
    workflow.run()
    assert_equal_to(finished_tiny, workflow)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
@pytest.mark.parametrize("file", ["tokens/20200101.parquet", "models/*/base/seed0/model.safetensors"])
def test_a_damaged_file_is_named_and_deleting_it_mends_the_run(finished_tiny, tmp_path, file, damage):
    workflow = half_done(finished_tiny, tmp_path / "run")
    (path,) = workflow.results.glob(file)
    content, times = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 4] ^= 16  # in the values: tables end with what is found out about them
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # a disk tells nobody
    output = workflow.run(fails=True)
    assert path.name in output
    assert "run the workflow again" in output
    path.unlink()
    workflow.run()
    assert_equal_to(finished_tiny, workflow)


def test_after_a_clock_that_went_back_outputs_older_than_inputs_are_refused(finished_tiny, tmp_path):
    workflow = half_done(finished_tiny, tmp_path / "run")

    def set_times(moment: float) -> None:
        for path in workflow.directory.rglob("*"):
            os.utime(path, (moment, moment))

    set_times(time.time() + 7200)
    assert "has older modification time" in workflow.run(fails=True)
    set_times(time.time())  # the clock has caught up
    workflow.run()
    assert_equal_to(finished_tiny, workflow)
