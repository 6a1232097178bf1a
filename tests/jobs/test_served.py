"""The process of a served command: what it gets from whoever asks, and how the two end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.jobs.serving import PEAK, copy_of_package, is_running, jobs, until, zombies_of
from tgl.jobs.__main__ import READY

# Waits for ever, and leaves the number of its process.
WAITS = "import os, time; open('begun', 'w').write(str(os.getpid())); time.sleep(600)"


@pytest.fixture(scope="module")
def light():
    with jobs("tests.jobs.light_client") as made:
        made.begin()
        yield made


@pytest.fixture
def folder(light, tmp_path):
    """A working directory for one test."""
    return tmp_path


def begun(folder):
    """Return the process of a command, once it has written its number."""
    until(lambda: (folder / "begun").exists() and (folder / "begun").read_text())
    return int((folder / "begun").read_text())


def test_status_and_output_are_those_of_the_command(light):
    code = "import sys; print('to out'); print('to err', file=sys.stderr); sys.exit(3)"
    assert light.served(code) == (3, "to out\n", "to err\n")
    assert light.served("pass") == (0, "", "")


def test_the_last_line_is_the_peak_memory_of_the_process(light):
    sizes = []
    for count in (1, 300):
        _, _, err = light.run(f"x = bytearray({count} << 20)")
        assert PEAK.fullmatch(err)
        sizes.append(int(err.split()[2]))
    assert 280 < sizes[1] - sizes[0] < 320


def test_the_command_sees_the_arguments_as_a_process_of_its_own_would(light):
    code = "import json, sys; print(json.dumps([sys.argv, sys.orig_argv]))"
    out = light.served(code, "--a", "", "b\nc")[1]
    given = [code, "--a", "", "b\nc"]
    assert json.loads(out) == [
        [str(copy_of_package() / "tgl" / "__main__.py"), *given],
        [sys.executable, "-m", "tgl", *given],
    ]


def test_the_command_gets_environment_folder_and_umask(light, folder):
    code = "import os; print(dict(os.environ) == eval(input()), os.getcwd(), oct(os.umask(0)))"
    variables = light.environment | {"OWN": "x", "EMPTY": ""}
    given = repr(variables)
    options = {"cwd": folder, "env": variables, "umask": 0o027, "input": given}
    assert light.served(code, **options) == (0, f"True {folder} 0o27\n", "")
    assert light.served("import os; print('OWN' in os.environ)") == (0, "False\n", "")


def test_the_command_imports_from_its_own_folder(light, folder):
    (folder / "own_module_of_a_test.py").write_text("print('imported')")
    assert light.served("import own_module_of_a_test", cwd=folder) == (0, "imported\n", "")
    assert "ModuleNotFoundError" in light.served("import own_module_of_a_test")[2]


def test_bytes_that_are_no_text_reach_the_command(light):
    code = "import os, sys; print(os.fsencode(sys.argv[2]), os.environb[b'ODD'])"
    variables = {os.fsencode(name): os.fsencode(value) for name, value in light.environment.items()}
    out = light.served(code, b"\xff", env=variables | {b"ODD": b"\xfe=1"})[1]
    assert out == "b'\\xff' b'\\xfe=1'\n"


def test_a_large_environment_reaches_the_command(light):
    large = {f"LARGE{number}": "x" * 100_000 for number in range(12)}
    code = "import os; print(sum(len(v) for n, v in os.environ.items() if n.startswith('LARGE')))"
    assert light.served(code, env=light.environment | large) == (0, "1200000\n", "")


def test_standard_input_is_read(light):
    assert light.served("import sys; print(sys.stdin.read())", input="some text") == (0, "some text\n", "")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_files_do_not_disturb(light, folder, closed):
    code = (
        "import sys; text = sys.stdin.read(); print('out'); print('err', file=sys.stderr); open('done', 'w')"
    )
    line = f'exec "$0" -m tests.jobs.light_client "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable, code], cwd=folder, env=light.environment, input="", text=True,
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert (folder / "done").exists()
    assert done.stdout == ("" if ">&-" in closed.replace("2>&-", "") else "out\n")
    assert done.stderr == "" if "2>&-" in closed else done.stderr.startswith("err\n")


def test_lines_on_a_terminal_appear_at_once(light):
    ours, theirs = os.openpty()
    try:
        process = light.start("print('shown'); import time; time.sleep(600)", stdout=theirs)
        assert os.read(ours, 100) == b"shown\r\n"
        process.kill()
        process.communicate()
    finally:
        os.close(ours)
        os.close(theirs)


def test_output_that_cannot_be_written_is_a_failure(light):
    with open("/dev/full", "w") as full:
        assert light.run("print('lost')", stdout=full)[0] == 120  # as Python itself


def test_the_command_holds_no_files_of_the_server(light):
    code = (
        "import os; links = [f'/proc/self/fd/{number}' for number in os.listdir('/proc/self/fd')]\n"
        "for link in links:\n"
        "    if os.path.lexists(link): print(os.readlink(link).split(':')[0])"
    )
    kinds = light.served(code)[1].split()
    # Input, output, error, and the connection to whoever waits.
    assert kinds == ["pipe", "pipe", "pipe", "socket"]


def test_the_command_is_in_a_session_of_its_own(light):
    assert light.served("import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))")[1] == "True\n"


def test_an_error_keeps_its_traceback(light):
    status, _, err = light.served("raise ValueError('a fault')")
    assert status == 1
    assert err.startswith("Traceback")
    assert err.endswith("ValueError: a fault\n")
    assert light.served("raise SystemExit('words')")[0] == 1


def test_a_folder_that_cannot_be_entered_is_an_error(light, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    code = f"import os; os.rmdir({str(inner)!r}); print('ran')"
    line = f'rmdir {inner} && exec "$0" -m tests.jobs.light_client --version'
    # Without a working directory, Python cannot tell where the server is: the command runs without it.
    done = subprocess.run(
        ["sh", "-c", line, sys.executable], cwd=inner, env=light.environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("tgl ")
    inner.mkdir()
    assert light.served(code, cwd=inner) == (0, "ran\n", "")


def test_functions_for_the_exit_run_and_threads_are_waited_for(light):
    code = (
        "import atexit, threading, time; atexit.register(print, 'at exit');"
        "threading.Thread(target=lambda: (time.sleep(0.3), print('thread'))).start(); print('main')"
    )
    assert light.served(code)[1] == "main\nthread\nat exit\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_the_command(light, folder, number):
    code = f"import signal, sys; signal.signal({int(number)}, lambda number, frame: sys.exit(128 + number)); {WAITS}"
    process = light.start(code, cwd=folder)
    begun(folder)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert PEAK.fullmatch(err)


def test_each_of_several_signals_reaches_the_command(light, folder):
    code = (
        "import signal, sys, time; seen = []; signal.signal(2, lambda *_: seen.append(2));"
        "signal.signal(15, lambda *_: seen.append(15)); open('begun', 'w').write('1')\n"
        "while len(seen) < 3: time.sleep(0.01)\n"
        "print(seen)"
    )
    process = light.start(code, cwd=folder)
    begun(folder)
    for number in (2, 15, 2):
        process.send_signal(number)
        time.sleep(0.2)
    assert process.communicate(timeout=30)[0] == "[2, 15, 2]\n"


def test_a_signal_that_the_command_does_not_handle_kills_both(light, folder):
    for number in (signal.SIGTERM, signal.SIGINT):
        process = light.start(WAITS, cwd=folder)
        child = begun(folder)
        process.send_signal(number)
        assert process.wait(30) == -number
        assert not is_running(child)
        (folder / "begun").unlink()


def test_signals_are_ignored_only_where_whoever_asks_ignores_them(light):
    code = "import signal; print([signal.getsignal(n).name for n in (1, 2, 15)])"

    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    assert light.served(code, preexec_fn=ignore)[1] == "['SIG_IGN', 'SIG_IGN', 'SIG_DFL']\n"
    assert light.served(code)[1] == "['SIG_DFL', 'SIG_DFL', 'SIG_DFL']\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_a_command_that_a_signal_kills_is_seen_to_be_killed(light, number):
    code = f"import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.kill(os.getpid(), {int(number)})"
    status, _, err = light.run(code)
    assert status == -number
    assert PEAK.fullmatch(err)


@pytest.mark.parametrize("stubborn", [False, True])
def test_the_process_of_a_killed_command_ends(light, folder, stubborn):
    ignore = "import signal; signal.signal(15, signal.SIG_IGN); " if stubborn else ""
    process = light.start(ignore + WAITS, cwd=folder)
    child = begun(folder)
    assert is_running(child)
    process.kill()
    process.communicate()
    until(lambda: not is_running(child), within=20)


def test_a_stopped_client_holds_nobody_up_and_gets_its_status(light, folder):
    process = light.start(f"{WAITS.replace('600', '0.5')}; raise SystemExit(7)", cwd=folder)
    child = begun(folder)
    process.send_signal(signal.SIGSTOP)
    assert light.served("print(1)") == (0, "1\n", "")
    until(lambda: not is_running(child))
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=30)
    assert process.returncode == 7


def test_connections_without_a_whole_request_leave_nothing_behind(light):
    server = light.server()

    def files():
        return len(os.listdir(f"/proc/{server}/fd"))

    def processes():
        return len(light.processes())

    until(lambda: processes() == 1)
    before = files()
    silent = [socket.socket(socket.AF_UNIX) for _ in range(5)]
    for number, connection in enumerate(silent):
        connection.connect(str(light.socket()))
        assert connection.recv(1) == READY
        if number:
            socket.send_fds(connection, [(1000).to_bytes(8, "big")], [0, 1, 2][:number])
        if number > 3:
            connection.sendall(b"{" * 1000)
    assert light.served("print(1)") == (0, "1\n", "")
    for connection in silent:
        connection.close()
    until(lambda: processes() == 1 and files() == before, within=20)
    assert zombies_of(server) == []


def test_many_commands_at_once_each_get_their_own_result(light):
    started = [light.start(f"print({number}); raise SystemExit({number})") for number in range(12)]
    for number, process in enumerate(started):
        assert process.communicate(timeout=60)[0] == f"{number}\n"
        assert process.returncode == number
    until(lambda: len(light.processes()) == 1)
    assert zombies_of(light.server()) == []
