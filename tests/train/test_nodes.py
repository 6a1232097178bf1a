"""Two nodes for real: network namespaces with a pair of virtual interfaces stand in for two machines."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

import pytest
from safetensors.torch import save_file

from tests.cli.processes import hear_sigint
from tests.train.continual_runs import write_inputs
from tests.train.engine_runs import PARTLY, assert_steps, engine_of, run
from tests.train.test_command import command, until_saved
from tests.workflow.conftest import REPOSITORY, environment

NODES = ((f"tgl{os.getpid()}a", "10.77.0.1"), (f"tgl{os.getpid()}b", "10.77.0.2"))
STAGES = (1, 3)


def _ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@pytest.fixture(scope="module")
def nodes():
    """Two namespaces that reach each other; skips where they cannot be made."""
    if shutil.which("ip") is None:
        pytest.skip("network namespaces: no command `ip`")
    with ExitStack() as stack:
        try:
            for name, _ in NODES:
                _ip("netns", "add", name)
                stack.callback(subprocess.run, ["ip", "netns", "del", name])
            _ip(
                "link",
                "add",
                "tgl0",
                "netns",
                NODES[0][0],
                "type",
                "veth",
                "peer",
                "name",
                "tgl0",
                "netns",
                NODES[1][0],
            )
            for name, address in NODES:
                _ip("-n", name, "address", "add", f"{address}/24", "dev", "tgl0")
                _ip("-n", name, "link", "set", "tgl0", "up")
                _ip("-n", name, "link", "set", "lo", "up")
        except OSError as error:
            pytest.skip(f"network namespaces cannot be made: {error}")
        yield


def on(number, *program, port):
    """Start torchrun with one process in a namespace, as on a machine of its own."""
    name, address = NODES[number]
    return subprocess.Popen(
        [
            "ip", "netns", "exec", name, sys.executable, "-m", "torch.distributed.run", "--nnodes=2",
            "--nproc-per-node=1", f"--node-rank={number}", "--rdzv-backend=c10d",
            f"--rdzv-endpoint={NODES[0][1]}:{port}", "--rdzv-id=tgl",
            f"--rdzv-conf=is_host={int(number == 0)},join_timeout=60",
            f"--local-addr={address}", *program,
        ],
        cwd=REPOSITORY, env=environment() | {"GLOO_SOCKET_IFNAME": "tgl0"}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=hear_sigint,
    )  # fmt: skip


def ended(process):
    """Return the exit status and the output of a process; end what it started."""
    try:
        said = process.communicate(timeout=240)[0]
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, said


def test_two_nodes_do_the_steps_of_one_process(nodes, tmp_path):
    engine, _, settings = engine_of("plain", PARTLY, batch_size=8, clip_norm=0.05)
    first, state = run(engine, settings, 0, 3), engine.state()
    expected = first + run(engine, settings, 3)
    save_file(state, tmp_path / "one.safetensors")
    program = ("-m", "tests.train.process_program", str(tmp_path), *map(str, STAGES))
    processes = [on(number, *program, port=29531) for number in range(2)]
    for status, said in [ended(process) for process in processes]:
        assert status == 0, said[-3000:]
    for stage in STAGES:
        found = json.loads((tmp_path / f"stage{stage}.json").read_text())
        assert_steps(found, expected, engine)


@pytest.mark.parametrize("zero_stage", STAGES)
def test_a_run_that_lost_a_node_ends_with_a_message_and_goes_on_with_one(nodes, tmp_path, zero_stage):
    write_inputs(tmp_path)
    folder = tmp_path / "run"
    program = command(tmp_path, folder, steps=2000, zero_stage=zero_stage)[1:]
    processes = [on(number, *program, port=29532 + zero_stage) for number in range(2)]
    progress = until_saved(processes[0], folder)
    start = time.monotonic()
    for process in subprocess.run(
        ["ip", "netns", "pids", NODES[1][0]], capture_output=True, text=True
    ).stdout.split():
        os.kill(int(process), signal.SIGKILL)  # all of them, as when a machine goes down
    processes[1].wait()
    status, said = ended(processes[0])
    assert status != 0
    assert time.monotonic() - start < 120
    assert "lost the connection to another process" in said, said[-6000:]
    saved = json.loads(progress.read_text())["step"]
    alone = subprocess.Popen(
        command(tmp_path, folder, "--processes", "1", steps=2000, zero_stage=1),
        cwd=REPOSITORY, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert any(f"resumed at step {saved} of 2000" in line for line in iter(alone.stdout.readline, ""))
    finally:
        os.killpg(alone.pid, signal.SIGKILL)
        alone.wait()
