"""The life of the server: who starts it, what it survives, and when it ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.jobs.serving import Jobs, is_running, jobs, parent, until
from tests.jobs.test_served import WAITS, begun
from tgl.jobs import server as served
from tgl.jobs.__main__ import REPORT, _connected
from tgl.jobs.place import SWITCH

LIGHT = "tests.jobs.light_client"


@pytest.fixture
def light():
    with jobs(LIGHT) as made:
        yield made


def is_plain(result):
    """Tell whether `--version` ran without a server."""
    status, out, err = result
    said = "no job server is ready; this command imports everything itself\n"
    return status == 0 and out.startswith("tgl ") and err in ("", said)


def test_the_first_command_runs_at_once_and_starts_the_server(light):
    assert is_plain(light.run("--version"))
    until(light.socket)
    assert light.served("print('served')") == (0, "served\n", "")
    assert (light.own.stat().st_mode & 0o777, light.socket().stat().st_mode & 0o777) == (0o700, 0o600)


def test_without_the_switch_nothing_is_started(light):
    for switch in ({}, {SWITCH: ""}):
        variables = {name: value for name, value in light.environment.items() if name != SWITCH} | switch
        assert is_plain(light.run("--version", env=variables))
    assert not light.own.exists()


def test_several_commands_at_once_start_one_server(light):
    started = [light.start("--version") for _ in range(4)]  # the last ones may find it already
    for process in started:
        process.communicate(timeout=60)
    until(light.socket)
    assert light.server() is not None
    assert len(light.processes()) == 1


def test_the_server_is_no_child_of_the_command_that_starts_it(light):
    """Else its memory, and that of all its processes, would count with this command's."""
    process = light.start("--version")
    until(light.server)
    assert parent(light.server()) != process.pid
    process.communicate(timeout=60)


def test_the_server_holds_no_files_of_the_command_that_starts_it(light):
    read, write = os.pipe()
    light.run("--version", pass_fds=[write])
    os.close(write)
    until(light.server)
    assert os.read(read, 1) == b""  # the end of the pipe: nobody holds the other side
    os.close(read)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_dies_is_replaced_while_its_command_goes_on(light, number, tmp_path):
    first = light.begin()
    process = light.start(f"{WAITS.replace('600', '4')}; raise SystemExit(9)", cwd=tmp_path)
    begun(tmp_path)
    os.kill(first, number)
    until(lambda: not is_running(first))
    assert is_plain(light.run("--version"))
    until(lambda: light.run("pass")[2])  # the new one listens
    _, err = process.communicate(timeout=60)
    assert process.returncode == 9
    assert err.startswith("peak memory ")
    second = light.server()
    assert second not in (None, first)


def test_a_command_that_is_killed_with_its_server_is_an_error(light, tmp_path):
    server = light.begin()
    process = light.start(WAITS, cwd=tmp_path)
    child = begun(tmp_path)
    os.kill(server, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    assert process.communicate(timeout=60)[1] == (
        "tgl: the process of this command was killed together with the job server; run the command again\n"
    )
    assert process.returncode == 1


def test_a_server_that_does_not_answer_is_not_waited_for(light):
    server = light.begin()
    os.kill(server, signal.SIGSTOP)
    assert is_plain(light.run("--version"))
    os.kill(server, signal.SIGCONT)
    assert light.served("print('served')") == (0, "served\n", "")
    until(lambda: light.processes() == [server])


def test_an_idle_server_ends_and_leaves_nothing(light):
    light.environment["TEST_IDLE"] = "1.5"
    server = light.begin()
    light.served("pass")
    assert is_running(server)
    until(lambda: not is_running(server), within=30)
    assert list(light.own.iterdir()) == []
    assert light.begin() != server


def test_a_server_with_a_running_command_is_not_idle(light, tmp_path):
    light.environment["TEST_IDLE"] = "1"
    light.begin()
    assert light.served("import time; time.sleep(3); print('done')") == (0, "done\n", "")


def test_a_module_that_cannot_be_imported_is_left_out(light):
    light.environment["TEST_MODULES"] = "no.such.module json.tool"
    light.begin()
    assert light.served("import sys; print('json.tool' in sys.modules)") == (0, "True\n", "")
    assert "No module named 'no'" in light.socket().with_suffix(".log").read_text()


def test_variables_that_libraries_set_for_themselves_are_kept(light, tmp_path):
    (tmp_path / "sets_variables.py").write_text(
        "import os; os.environ.setdefault('DEFAULT_OF_LIBRARY', 'library'); print('at import')"
    )
    light.environment |= {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{light.environment['PYTHONPATH']}",
        "TEST_MODULES": "sets_variables",
    }
    light.environment.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # DeepSpeed sets it where it is imported
    light.begin()
    code = "import os; print(os.environ.get('DEFAULT_OF_LIBRARY'), 'PYTORCH_NVML_BASED_CUDA_CHECK' in os.environ)"
    assert light.served(code) == (0, "library False\n", "")
    own = light.environment | {"DEFAULT_OF_LIBRARY": "own"}
    assert light.served(code, env=own) == (0, "own False\n", "")


def test_where_the_server_has_used_a_gpu_commands_run_without_it(light):
    light.environment["TEST_GPU_USED"] = "1"
    light.begin()
    assert is_plain(light.run("--version"))


def test_the_report_of_a_process_that_ended_before_it_was_ready_is_not_taken_for_readiness(tmp_path):
    """A slow client finds the report in its socket, while the server has not closed the connection yet."""
    for status in (1, -signal.SIGKILL):
        path = tmp_path / f"{status}.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.fspath(path))
            listener.listen()
            with ThreadPoolExecutor() as pool:
                client = pool.submit(_connected, path)
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(REPORT.pack(status, 1000))
                    assert client.result() is None


def test_a_process_that_cannot_be_forked_leaves_the_command_to_its_client(light):
    """With too many processes, or too little memory, the server goes on and closes the connection."""
    code = """
import socket, sys
from tgl.jobs import server

def none():
    raise BlockingIOError("no more processes")

server._fork = none
listener = socket.socket(socket.AF_UNIX)
listener.bind("listener")
listener.listen()
listener.setblocking(False)
made = server.Server(listener)
client = socket.socket(socket.AF_UNIX)
client.connect("listener")
print(made._begin(), client.recv(1), made._begin())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=light.folder, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "None b'' None\n", done.stderr
    assert "no more processes" in done.stderr


def test_a_server_of_other_code_ends_without_serving(light):
    light.begin()
    other = light.socket().with_name("0123456789abcdef0123.sock")
    read, write = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "tests.jobs.light_server", str(other), str(write)],
        cwd="/", env=light.environment, pass_fds=[write], timeout=60,
    )  # fmt: skip
    os.close(read)
    os.close(write)
    assert done.returncode == 0
    assert not other.exists()


def test_code_that_changes_while_it_is_imported_is_not_served(monkeypatch, tmp_path):
    states = iter([["before"], ["after"]])
    monkeypatch.setattr(served.place, "socket_path", lambda: tmp_path / "own.sock")
    monkeypatch.setattr(served.place, "code", lambda: next(states))
    monkeypatch.setattr(served, "MODULES", ())
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "0")  # the test's end restores it
    assert served._import_everything(tmp_path / "own.sock") is None


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o500])
def test_a_folder_that_others_can_use_is_not_used(light, mode):
    light.own.mkdir()
    light.own.chmod(mode)
    assert is_plain(light.run("--version"))
    time.sleep(0.5)
    assert light.processes() == []
    light.own.chmod(0o700)
    assert list(light.own.iterdir()) == []


def test_a_lock_of_another_process_starts_no_second_server(light):
    light.begin()
    lock = light.socket().with_suffix(".lock")
    light.socket().unlink()  # as something that cleans temporary folders does
    assert is_plain(light.run("--version"))
    assert lock.exists()
    assert len(light.processes()) == 1


def test_a_lock_file_that_is_removed_meanwhile_starts_no_server(light, monkeypatch):
    """A server that ends removes its lock: whoever has just opened that file holds a lock on nothing."""
    from tgl.jobs import __main__ as client

    path = light.folder / "own.sock"
    started = []
    monkeypatch.setattr(client, "_new_server", lambda *given: started.append(given))
    monkeypatch.setattr(client.os, "fork", lambda: started.append("fork") or 1)
    monkeypatch.setattr(client.os, "waitpid", lambda *given: None)

    def flock(file, how):
        path.with_suffix(".lock").unlink()

    monkeypatch.setattr(client.fcntl, "flock", flock)
    client._start(path)
    assert started == []
    monkeypatch.setattr(client.fcntl, "flock", lambda file, how: None)
    client._start(path)
    assert started == ["fork"]


def test_relative_folders_of_modules_are_those_of_the_command(light, tmp_path):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "own_module_of_a_test.py").touch()
    paths = light.environment["PYTHONPATH"]
    variables = light.environment | {"PYTHONPATH": f"modules{os.pathsep}{paths}"}
    assert is_plain(light.run("--version", env=variables, cwd=tmp_path))
    until(light.socket)
    code = "import os, own_module_of_a_test; print(os.environ['PYTHONPATH'].split(os.pathsep)[0])"
    assert light.served(code, env=variables, cwd=tmp_path) == (0, "modules\n", "")
    assert is_plain(light.run("--version", env=variables))  # from another folder these are other modules


def test_servers_of_several_environments_stand_next_to_each_other(light):
    light.begin()
    other = Jobs(light.folder, LIGHT, **{**light.environment, "OMP_NUM_THREADS": "3"})
    assert is_plain(other.run("--version"))
    until(lambda: len(list(light.own.glob("*.sock"))) == 2)
    code = "import os; print(os.environ['OMP_NUM_THREADS'])"
    assert (light.served(code)[1], other.served(code)[1]) == ("1\n", "3\n")
