import os
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real dumps, probes and texts; tests that ask for it are skipped where it is absent."""
    root = Path(os.environ.get("TGL_TEST_DATA", REPOSITORY / ".." / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"{root} does not exist; set TGL_TEST_DATA to the folder with the test data")
    return root


# Files and folders whose tests take most of the time of the unit tests: they train, start processes, or wait.
SLOW = (
    "benchmarks",
    "cli/commands",
    "cli/test_launch.py",
    "core/test_interruptions.py",
    "jobs",
    "models/fit",
    "models/k_adapter",
    "report",
    "snapshots/extract",
    "snapshots/wikimedia",
    "test_examples.py",
    "test_security_commands.py",
    "train/baselines",
    "train/test_base.py",
    "train/test_command.py",
    "train/test_continual.py",
    "train/test_continual_phases.py",
    "train/test_drift.py",
    "train/test_engine_settings.py",
    "train/test_interruptions.py",
    "train/test_processes.py",
    "train/test_state_damage.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first, those that run the workflow, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)
    slow = tuple(str(REPOSITORY / "tests" / name) for name in SLOW)
    for item in items:
        if str(item.path).startswith(slow):
            item.add_marker(pytest.mark.slow)
