"""The built package, installed in an environment of its own: the workflow runs from it outside the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, TINY, environment

pytestmark = pytest.mark.workflow

WORKFLOW = ("Snakefile", "config", "config.yaml", "envs", "profiles", "workflow")


def project_files() -> list[str]:
    """Return the files of the project: those that git tracks, and new ones that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout")
    return [name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]


def succeed(command, **options) -> str:
    """Run a command that must succeed and return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy of the project's files without any network."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in project_files():
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, copy)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    succeed([*command, "--wheel-dir", folder, folder / "source"])
    (built,) = folder.glob("tgl-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory) -> Path:
    """The interpreter of a fresh environment with the wheel, and with the other packages of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    succeed([sys.executable, "-m", "venv", "--without-pip", folder])
    python = folder / "bin" / "python"
    succeed(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            wheel,
        ]
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    # Folders named in a .pth file are searched, but .pth files in them are not read. So the link to the checkout
    # that an editable install left in this environment stays without effect.
    others = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (packages / "others.pth").write_text("\n".join(others) + "\n")
    return python


def clean() -> dict[str, str]:
    """Return an environment in which nothing names the checkout."""
    return {name: value for name, value in environment().items() if name != "PYTHONPATH"}


def test_the_wheel_has_every_file_of_the_workflow_and_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {name for name in project_files() if name.startswith("tgl/")}
    data = wheel.name.split("-py3")[0] + ".data/data/share/tgl/"
    expected |= {data + name for name in project_files() if name.split("/")[0] in WORKFLOW}
    assert found == expected


def test_the_workflow_runs_from_the_wheel_in_an_empty_folder(python, tmp_path):
    code = "import tgl, tgl.core.installed as i; print(tgl.__file__, i.workflow_folder(), sep='\\n')"
    package, folder = map(Path, succeed([python, "-c", code], cwd=tmp_path, env=clean()).splitlines())
    assert package.is_relative_to(python.parents[1])
    assert folder == python.parents[1] / "share" / "tgl"

    settings = tmp_path / "settings.yaml"
    settings.write_text(TINY)
    quick = folder / "workflow" / "presets" / "quick.yaml"
    command = [
        python,
        "-m",
        "snakemake",
        "--snakefile",
        folder / "Snakefile",
        "--configfile",
        quick,
        settings,
    ]
    succeed([*command, "--cores", "2"], cwd=tmp_path, env=clean())

    results = tmp_path / "results" / yaml.safe_load(TINY)["experiment"]
    assert "<html" in (results / "report" / "index.html").read_text(encoding="utf-8")
    assert (results / "report" / "gate.txt").is_file()
    assert [path for path in results.rglob("*") if path.is_file() and names_checkout(path)] == []
    # The installed command finds the run's files and its manifest as well.
    succeed([python.with_name("tgl"), "verify", results], cwd=tmp_path, env=clean())


CONDA = """#!/bin/sh
# Stands in for conda: an environment is a folder whose Python finds every package of this one, but no tgl.
case "$1 $2" in
  "--version "*) echo "conda 25.1.0" ;;
  "info --json") echo '{"conda_prefix": "%(prefix)s", "platform": "linux-64"}' ;;
  "clean -y") ;;
  "config --get") echo '{"get": {"channel_priority": "strict"}}' ;;
  "env create")
    while [ "$1" != --prefix ]; do shift; done
    %(python)s -m venv --without-pip "$2"
    cp %(packages)s/others.pth "$2"/lib/python*/site-packages ;;
  *) echo "not expected: $*" >&2; exit 1 ;;
esac
"""


@pytest.fixture
def conda(python, tmp_path) -> dict[str, str]:
    """The variables with which Snakemake finds something that stands in for conda."""
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    folder = tmp_path / "conda" / "bin"
    folder.mkdir(parents=True)
    values = {"prefix": folder.parent, "python": sys.executable, "packages": packages}
    (folder / "conda").write_text(CONDA % values)
    (folder / "conda").chmod(0o755)
    (folder / "activate").write_text('export PATH="$1/bin:$PATH" CONDA_PREFIX="$1"\n')
    return clean() | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_jobs_in_conda_environments_import_the_installed_package(python, conda, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(TINY)
    command = [python.with_name("tgl"), "run", settings, "--until", "probes", "--", "--sdm", "conda"]
    succeed(command, cwd=tmp_path, env=conda)

    results = tmp_path / "results" / yaml.safe_load(TINY)["experiment"]
    assert next(results.glob("*/probes.parquet"), None)
    environments = [path for path in (tmp_path / ".snakemake" / "conda").iterdir() if path.is_dir()]
    assert environments, "jobs ran in environments of conda"
    code = "import sys, tgl; print(sys.prefix, tgl.__file__)"
    alone = {"PYTHONPATH": str(tmp_path / ".snakemake" / "package")}
    found = succeed([environments[0] / "bin" / "python", "-c", code], env=conda | alone, cwd=tmp_path).split()
    assert found == [str(environments[0]), str(tmp_path / ".snakemake" / "package" / "tgl" / "__init__.py")]


def names_checkout(path: Path) -> bool:
    return os.fsencode(f"{REPOSITORY}{os.sep}tgl") in path.read_bytes()
