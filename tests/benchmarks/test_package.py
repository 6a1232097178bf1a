import subprocess
import sys
from pathlib import Path

from setuptools import find_packages

from tests.support.paths import REPOSITORY


def test_a_package_of_the_same_name_that_is_installed_does_not_hide_the_benchmarks(tmp_path):
    """Opacus ships one."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").touch()
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import benchmarks.figures, benchmarks.evidence"
    # Found first where nothing of the name stands in the working directory.
    code = f"{code}; print(benchmarks.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent == REPOSITORY / "benchmarks"


def test_the_installed_package_holds_no_benchmarks():
    found = find_packages(str(REPOSITORY), include=["tgl*"])
    assert "tgl.train" in found
    assert not [name for name in found if not name.startswith("tgl")]
