import errno
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time

import pytest

import tgl.snapshots.extract.cleaning_process as cleaning_process
from tests.snapshots.extract.cleaning_faults import cleaning_processes, is_running, misbehave
from tgl.core.errors import TglError
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.cleaning import CleaningJob, CleaningProcess, Limits, clean_all
from tgl.snapshots.extract.pages import Shard, extract_pages

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.fixture
def process():
    with CleaningProcess(Keep(), Limits()) as found:
        yield found


@pytest.fixture
def misbehaving(tmp_path, monkeypatch):
    """Let processes misbehave on pages that name a misbehaviour; return a function that cleans a page."""
    misbehave(tmp_path, monkeypatch)
    with CleaningProcess(Keep(), Limits()) as found:
        yield found.clean


def text_of(cleaned):
    return json.loads(cleaned.row)["text"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP])
def test_page_of_a_process_that_was_killed_is_cleaned_by_another(process, number):
    assert text_of(process.clean("'''One'''")) == "One"
    (killed,) = cleaning_processes(os.getpid())
    os.kill(killed, number)
    found = process.clean("'''Two'''")
    assert (text_of(found), found.given_up) == ("Two", "")
    assert cleaning_processes(os.getpid()) not in ([], [killed])


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_page_whose_processes_are_killed_again_and_again_is_an_error(misbehaving, name):
    with pytest.raises(
        TglError, match=f"were ended {cleaning_process.MOST_KILLS} times in a row.* by {name}"
    ):
        misbehaving(f"text {name}")


def test_repeated_sigkill_says_what_to_do_about_memory(misbehaving):
    with pytest.raises(TglError, match=r"give the job more memory, lower pages\.page_memory_mb"):
        misbehaving("text SIGKILL")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "EXIT", "KEYERROR"])
def test_page_that_crashes_every_process_is_cleaned_simply_under_a_reason_of_its_own(misbehaving, name):
    found = misbehaving(f"'''text''' {name}")
    assert (text_of(found), found.given_up) == (f"text {name}", "crashed")
    assert misbehaving("'''next'''").given_up == ""


def test_memory_is_judged_in_a_fresh_process(misbehaving):
    """What a used process holds depends on the pages before, and so on how many processes there are."""
    assert misbehaving("one").given_up == ""
    assert misbehaving("USEDUP").given_up == ""


def test_process_that_was_stopped_is_replaced(process):
    process.clean("ready")  # a process that is still starting gets two minutes
    (stopped,) = cleaning_processes(os.getpid())
    os.kill(stopped, signal.SIGSTOP)
    process._patience = 2  # seconds
    assert text_of(process.clean("'''Text'''")) == "Text"
    assert cleaning_processes(os.getpid()) not in ([], [stopped])


def test_error_names_the_page(tmp_path, monkeypatch):
    misbehave(tmp_path, monkeypatch)
    jobs = [CleaningJob(n, "SIGKILL" if n == 3 else "text") for n in range(6)]
    cleaned = clean_all(jobs, Keep(), Limits(), processes=2, name=lambda number: f"page {number}")
    with pytest.raises(TglError, match=r"^page 3: the processes that clean pages were ended"):
        list(cleaned)
    assert cleaning_processes(os.getpid()) == []


@pytest.mark.parametrize("memory", [1, 25, 60])
def test_memory_in_which_no_process_can_start_is_an_error(memory):
    with pytest.raises(TglError, match="a process that cleans pages cannot start"):
        list(clean_all([CleaningJob(1, "text")], Keep(), Limits(memory=memory), processes=2))
    assert cleaning_processes(os.getpid()) == []


def test_missing_module_is_an_error_that_names_it(tmp_path, monkeypatch):
    misbehave(tmp_path, monkeypatch, "raise ModuleNotFoundError('no parser here')", "mwparserfromhell.py")
    with pytest.raises(TglError, match=r"cannot start \(ModuleNotFoundError: no parser here"):
        list(clean_all([CleaningJob(1, "text")], Keep(), Limits(), processes=1))


def test_a_system_that_starts_no_process_is_an_error(monkeypatch):
    def refuse(*arguments, **settings):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(TglError, match=r"cannot start \(Resource temporarily unavailable"):
        list(clean_all([CleaningJob(1, "text")], Keep(), Limits(), processes=1))


def test_low_limit_of_the_shell_is_an_error_and_no_run_of_simplified_pages(tmp_path):
    dump = tmp_path / "d.xml"
    dump.write_text("<mediawiki><page><title>A</title><ns>0</ns><id>1</id>"
                    "<revision><id>1</id><text>a</text></revision></page></mediawiki>")  # fmt: skip
    run = [sys.executable, "-m", "tgl"]
    subprocess.run([*run, "files", str(dump), "--output", str(tmp_path / "f")], check=True)
    limit = 1500 << 20
    found = subprocess.run(
        [*run, "pages", str(tmp_path / "f"), "--output", str(tmp_path / "p")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1
    assert "`ulimit -v` allows 1500 MiB, pages.page_memory_mb is 2000" in found.stderr
    assert "Traceback" not in found.stderr
    assert not (tmp_path / "p").exists()


PARENT = """
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.cleaning import CleaningJob, Limits, clean_all
jobs = [CleaningJob(n, "SLOW") for n in range(4)]
for _ in clean_all(jobs, Keep(), Limits(), processes=2):
    pass
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_parent(tmp_path, monkeypatch, number):
    misbehave(tmp_path, monkeypatch)
    with subprocess.Popen([sys.executable, "-c", PARENT], stderr=subprocess.DEVNULL) as parent:
        try:
            until = time.monotonic() + 60
            while len(found := cleaning_processes(parent.pid)) < 2:
                assert time.monotonic() < until
            time.sleep(1)  # they are at their pages
            parent.send_signal(number)
            parent.wait(20)
            time.sleep(0.5)
            assert [pid for pid in found if is_running(pid)] == []
        finally:
            parent.kill()


def test_iterator_that_is_closed_ends_its_processes_at_once(tmp_path, monkeypatch):
    misbehave(tmp_path, monkeypatch)
    jobs = [CleaningJob(n, "SLOW" if n > 2 else "text") for n in range(100)]
    cleaned = clean_all(jobs, Keep(), Limits(), processes=2)
    next(cleaned)
    start = time.monotonic()
    cleaned.close()
    assert time.monotonic() - start < 20
    assert cleaning_processes(os.getpid()) == []


def _killer(rng: random.Random, over: threading.Event, killed: list[int], seconds: float) -> None:
    """Kill processes until it is over; seconds: how long one process takes undisturbed."""
    while not over.wait(rng.uniform(0.05, 0.3) * seconds):
        if found := cleaning_processes(os.getpid()):
            killed.append(rng.choice(found))
            os.kill(killed[-1], rng.choice([signal.SIGKILL, signal.SIGTERM]))


@pytest.mark.parametrize("seed", [0, 1])
def test_processes_killed_at_random_moments_leave_the_bytes_of_an_undisturbed_run(tmp_path, seed):
    text = "'''A''' is [[b|B]], {{convert|3|km|mi}} from {{lang|fr|C}}.\n\n== S ==\n* ''x'' [[y]]\n" * 150
    pages = "".join(
        f"<page><title>P{n}</title><ns>0</ns><id>{n}</id>"
        f"<revision><id>{n}</id><text>{n} {text}</text></revision></page>"
        for n in range(1, 150)
    )
    dump = tmp_path / "d.xml"
    dump.write_text(f"<mediawiki>{pages}</mediawiki>")
    start = time.monotonic()
    expected = extract_pages([dump], tmp_path / "undisturbed", Shard(0, None))
    seconds = time.monotonic() - start
    over, killed = threading.Event(), []
    thread = threading.Thread(target=_killer, args=(random.Random(seed), over, killed, seconds))
    thread.start()
    try:
        counts = extract_pages([dump], tmp_path / "disturbed", Shard(0, None), processes=2)
    finally:
        over.set()
        thread.join()
    assert killed
    assert counts == expected
    assert (tmp_path / "disturbed").read_bytes() == (tmp_path / "undisturbed").read_bytes()
