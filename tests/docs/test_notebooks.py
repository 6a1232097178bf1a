"""The notebooks of the documentation run as they stand, in an empty folder and without a network."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.paths import REPOSITORY

pytestmark = pytest.mark.workflow

NOTEBOOKS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_gives_the_kinds_of_output_that_it_shows(path, tmp_path, monkeypatch):
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    own = tmp_path / "jupyter"  # The home directory may not be writable.
    for variable in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(variable, str(own))
    # An engine that ran in this process may have left them; the Trainer would look for other processes.
    for variable in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(variable, raising=False)
    folder = tmp_path / "notebook"
    folder.mkdir()
    shown = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(run, timeout=600, kernel_name="python3", resources=place).execute()
    for before, after in zip(shown.cells, run.cells, strict=True):
        if before.cell_type == "code":
            kinds = [{output.output_type for output in cell.outputs} - {"stream"} for cell in (before, after)]
            assert kinds[0] == kinds[1], before.source


def test_notebooks_are_committed_with_their_output():
    assert len(NOTEBOOKS) == 5
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert any(cell.get("outputs") for cell in cells)
        assert not any(output.output_type == "error" for cell in cells for output in cell.get("outputs", ()))
