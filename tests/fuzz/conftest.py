"""Where cases write their files, and the tally of a night: `make test-fuzz` sets TGL_FUZZ_LOG."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.fuzz import tally
from tests.fuzz.cases import asked, cases_run

# Absolute: a target may change the working directory.
_LOG = os.environ.get("TGL_FUZZ_LOG") and os.path.abspath(os.environ["TGL_FUZZ_LOG"])
_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def folder():
    """Where every case writes its file: the next one overwrites it. In memory, as files are synced to their disk."""
    made = Path(tempfile.mkdtemp(prefix="tgl-fuzz-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None))
    yield made
    shutil.rmtree(made)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the targets that the night has done before, and begin with those of most cases."""
    if not _LOG:
        return
    found = tally.read(Path(_LOG), tally.code_now())
    done = [item for item in items if is_done(found.get(_name(item)), asked(item.function))]
    config.hook.pytest_deselected(items=done)
    items[:] = sorted((item for item in items if item not in done), key=lambda item: -asked(item.function))


def is_done(ended: tally.Ended | None, wanted: int) -> bool:
    """Tell whether a target has run that many cases without a failure."""
    return ended is not None and not ended.failed and ended.asked >= wanted > 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Note a target that has ended."""
    report = yield
    if _LOG and call.when == "call" and (wanted := asked(item.function)):
        cases, failed = cases_run(item.function), call.excinfo is not None
        ended = tally.Ended(tally.code_now(), _name(item), wanted, cases, round(call.duration, 1), failed)
        tally.note(Path(_LOG), ended)
    return report


def pytest_terminal_summary(terminalreporter) -> None:
    """Print the table of the night so far."""
    if _LOG and (found := tally.read(Path(_LOG), tally.code_now())):
        terminalreporter.section("fuzzing of this code so far")
        terminalreporter.write_line("\n".join(tally.table(found)))


def _name(item: pytest.Item) -> str:
    return f"{item.path.stem.removeprefix('test_')}: {item.name.removeprefix('test_').replace('_', ' ')}"
