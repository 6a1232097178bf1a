import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the real dumps, probes and texts; tests that ask for it are skipped where it is absent."""
    root = Path(os.environ.get("TGL_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not root.is_dir():
        pytest.skip(f"{root} does not exist; set TGL_TEST_DATA to the folder with the test data")
    return root


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first, those that run the workflow, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: "workflow" not in item.path.parts)
