"""The locks of live and killed runs."""

import multiprocessing
import threading

import pytest
from snakemake.exceptions import WorkflowError

from workflow import locks
from workflow.locks import clear_stale_locks, hold


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with Snakemake's locks of two experiments; `b` reads from `a`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locks, "_held", {})
    found = tmp_path / ".snakemake" / "locks"
    found.mkdir(parents=True)
    for number, (own, read) in enumerate({"a": "data.txt", "b": "results/a/model"}.items()):
        (found / f"{number}.output.lock").write_text(f"results/{own}/x\nresults/{own}/y\n")
        (found / f"{number}.input.lock").write_text(f"results/{own}/x\nresults/{own}/z\n{read}\n")
    return found


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def elsewhere(function, *arguments):
    """Run a function of another process, which lives on until the second value is called."""
    context = multiprocessing.get_context("fork")
    ready, end = context.Event(), context.Event()

    def work():
        locks._held.clear()
        function(*arguments)
        ready.set()
        end.wait(60)

    process = context.Process(target=work)
    process.start()
    assert ready.wait(60)

    def stop():
        end.set()
        process.join()

    return stop


def test_only_the_locks_of_a_killed_run_are_removed(folder):
    clear_stale_locks("a")
    assert names(folder) == ["1.input.lock", "1.output.lock"]


def test_the_locks_of_a_live_run_stay(folder):
    stop = elsewhere(hold, "a")
    clear_stale_locks("a")
    assert len(names(folder)) == 4
    stop()


def test_a_second_run_of_a_live_experiment_is_refused_and_another_experiment_is_not(folder):
    stop = elsewhere(hold, "a")
    with pytest.raises(WorkflowError, match="results/a: another run of this experiment is live"):
        hold("a", seconds=0.3)
    hold("b", seconds=0.3)
    stop()
    hold("a", seconds=0.3)


def test_a_run_waits_for_a_process_that_is_about_to_end(folder):
    stop = elsewhere(hold, "a")
    timer = threading.Timer(0.5, stop)
    timer.start()
    hold("a", seconds=20)
    timer.join()


def test_a_process_that_only_lists_jobs_holds_nothing(folder):
    stop = elsewhere(clear_stale_locks, "a")
    hold("a", seconds=0)
    stop()


def test_locks_belong_to_an_experiment_by_their_files_whatever_their_numbers(folder):
    """Snakemake numbers the locks of inputs and outputs separately."""
    (folder / "1.input.lock").rename(folder / "7.input.lock")
    (folder / "0.input.lock").rename(folder / "1.input.lock")
    clear_stale_locks("a")
    assert names(folder) == ["1.output.lock", "7.input.lock"]


def test_without_locks_of_the_file_system_nothing_is_removed_or_refused(folder, monkeypatch):
    def unsupported(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    clear_stale_locks("a")
    hold("a", seconds=0)
    assert len(names(folder)) == 4
