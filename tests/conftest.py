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
