"""Which commands share a server: those of one user, interpreter, code and environment."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import tgl
from tests.workflow.conftest import environment
from tgl.jobs import place

CODE = "from tgl.jobs.place import socket_path; print(socket_path())"


@pytest.fixture
def package(tmp_path):
    """A copy of what tells where the server is, whose files a test may change."""
    source, copy = Path(tgl.__file__).parent, tmp_path / "code" / "tgl"
    shutil.copytree(source / "jobs", copy / "jobs", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(source / "__init__.py", copy)
    (copy / "data.csv").write_text("a,b\n")
    return copy


@pytest.fixture
def short():
    """A folder whose path is short enough for sockets, which that of a test's own folder may not be."""
    with tempfile.TemporaryDirectory(prefix="place") as folder:
        yield Path(folder)


@pytest.fixture
def path_of(package, short):
    """A function that returns the socket for other variables and other options of the process."""

    def path_of(variables=(), **options):
        own = {"XDG_RUNTIME_DIR": str(short), "PYTHONPATH": str(package.parent)}
        done = subprocess.run(
            [sys.executable, "-m", "tgl.jobs.show"],
            **({"cwd": "/", "env": environment() | own | dict(variables)} | options),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    (package / "jobs" / "show.py").write_text(CODE)
    return path_of


def test_equal_processes_share_a_server(path_of, short):
    first = path_of()
    assert Path(first).parent == short / f"tgl-{os.getuid()}"
    assert first.endswith(".sock")
    assert path_of() == first


@pytest.mark.parametrize(
    "variables",
    [
        {"OMP_NUM_THREADS": "7"},
        {"PYTHONHASHSEED": "1"},
        {"PYTORCH_CUDA_ALLOC_CONF": "x"},
        {"CUDA_VISIBLE_DEVICES": ""},
        {"HF_HUB_OFFLINE": "1"},
        {"LC_NUMERIC": "C"},
        {"TZ": "Asia/Tokyo"},
        {"TMPDIR": "/var/tmp"},
    ],
)
def test_a_variable_that_libraries_read_makes_another_server(path_of, variables):
    assert path_of(variables) != path_of()


def test_other_variables_and_the_working_directory_do_not(path_of, tmp_path):
    first = path_of()
    assert path_of({"SOME": "1", "PWD": "/x", "SHLVL": "3", "OLDPWD": "/y"}) == first
    assert path_of(cwd=tmp_path) == first
    (tmp_path / "new").touch()  # the folder has another time now
    assert path_of(cwd=tmp_path) == first


@pytest.mark.parametrize(
    "change",
    [
        "os.nice(1)",
        "os.setpriority(os.PRIO_PROCESS, 0, 5)",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))",
        "resource.setrlimit(resource.RLIMIT_NOFILE, (77, 77))",
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})",
    ],
)
def test_what_a_process_inherits_makes_another_server(path_of, change):
    before = path_of(preexec_fn=lambda: _allow(change, allowed=True))
    assert path_of(preexec_fn=lambda: _allow(change, allowed=False)) != before


def _allow(change, *, allowed):
    import resource

    # Else what is changed may be so already: one core, no core files.
    resource.setrlimit(resource.RLIMIT_CORE, (1, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if not allowed:
        exec(change, {"os": os, "resource": resource})


@pytest.mark.parametrize("name", ["jobs/place.py", "__init__.py", "data.csv"])
def test_a_changed_file_of_the_package_makes_another_server(path_of, package, name):
    before = path_of()
    with open(package / name, "a") as file:
        file.write("\n")
    changed = path_of()
    assert changed != before
    os.utime(package / name, (1, 1))
    assert path_of() not in (before, changed)


def test_a_new_file_makes_another_server_and_bytecode_does_not(path_of, package):
    before = path_of()
    (package / "jobs" / "__pycache__").mkdir(exist_ok=True)
    (package / "jobs" / "__pycache__" / "other.pyc").touch()
    assert path_of() == before
    (package / "new.py").touch()
    assert path_of() != before


def test_an_installed_package_makes_another_server(path_of, package):
    installed = package.parent / "site-packages"
    installed.mkdir()
    variables = {"PYTHONPATH": f"{package.parent}{os.pathsep}{installed}"}
    before = path_of(variables)
    time.sleep(0.02)
    (installed / "new-1.0.dist-info").mkdir()
    assert path_of(variables) != before


def test_a_file_that_vanishes_meanwhile_means_no_server(path_of, package):
    (package / "gone.py").symlink_to("nowhere")
    assert path_of() == "None"


def test_without_a_folder_of_the_session_the_temporary_one_is_used(path_of, short):
    (short / "tmp").mkdir()
    for folder in ("", str(short / "missing")):
        path = path_of({"XDG_RUNTIME_DIR": folder, "TMPDIR": str(short / "tmp")})
        assert Path(path).parents[1] == short / "tmp"


def test_a_relative_folder_becomes_an_absolute_path(path_of, short):
    (short / "run").mkdir()
    path = path_of({"XDG_RUNTIME_DIR": "run"}, cwd=short)
    assert Path(path).parents[1] == short / "run"


def test_a_path_too_long_for_a_socket_means_no_server(path_of, tmp_path):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    assert path_of({"XDG_RUNTIME_DIR": str(long)}) == "None"


@pytest.fixture
def own(short, monkeypatch):
    """The folder of the sockets of this process."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short))
    own = short / f"tgl-{os.getuid()}"
    assert place.socket_path().parent == own
    assert own.stat().st_mode & 0o777 == 0o700
    own.rmdir()
    return own


def test_a_link_or_a_file_in_place_of_the_folder_means_no_server(own, short):
    own.touch()
    assert place.socket_path() is None
    own.unlink()
    (short / "elsewhere").mkdir(mode=0o700)
    own.symlink_to(short / "elsewhere")
    assert place.socket_path() is None


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o500, 0o600])
def test_a_folder_that_others_can_enter_or_this_user_cannot_means_no_server(own, mode):
    own.mkdir()
    own.chmod(mode)
    assert place.socket_path() is None
    own.chmod(0o2700)  # the group of new files is that of the folder: nobody else can enter it
    assert place.socket_path() is not None


def test_a_folder_of_another_user_means_no_server(own, monkeypatch):
    monkeypatch.setattr(place.os, "getuid", lambda: 12345)
    own.with_name("tgl-12345").mkdir(mode=0o700)  # which belongs to whoever runs this test
    assert place.socket_path() is None


def test_a_folder_that_cannot_be_made_means_no_server(own, monkeypatch):
    def refuse(*given, **options):
        raise PermissionError

    monkeypatch.setattr(place.Path, "mkdir", refuse)
    assert place.socket_path() is None
