"""Commands of tgl that the real server runs: they do what they do without it."""

import signal
import subprocess
import sys
import time

import pytest

from tests.jobs.serving import PEAK, is_running, jobs, parent, until
from tests.train.continual_runs import PERIODS, write_inputs
from tests.train.test_command import command
from tests.workflow.conftest import REPOSITORY


@pytest.fixture(scope="module")
def real():
    with jobs("tgl.jobs") as made:
        made.begin()
        yield made


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def train(inputs, folder, *more, **changes):
    """Return the arguments of a training."""
    return command(inputs, folder, *more, **({"engine": "plain"} | changes))[3:]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["train", "--help"],
        [],
        ["trian"],
        ["gate", "missing.json"],
        ["plan", "missing.parquet", "--model", "missing", "--method", "tgl_fp", "--output", "plan.json"],
        ["check", "wrong.yaml"],
        ["check", "right.yaml"],
    ],
)
def test_a_command_prints_and_returns_what_it_does_without_the_server(real, tmp_path, arguments):
    (tmp_path / "right.yaml").write_text((REPOSITORY / "workflow" / "presets" / "quick.yaml").read_text())
    (tmp_path / "wrong.yaml").write_text("sedes: [0]\n")
    found = real.served(*arguments, cwd=tmp_path)
    assert found == real.plain(*arguments, cwd=tmp_path)
    assert found[0] == {"gate": 1, "plan": 1, "trian": 2}.get(
        arguments[0] if arguments else "", 1 if "wrong.yaml" in arguments else found[0]
    )
    assert "Traceback" not in found[2]


def test_a_log_file_gets_both_outputs_and_ends_with_the_peak_memory(real, tmp_path):
    with open(tmp_path / "log", "w") as log:
        real.start("gate", "missing.json", stdout=log, stderr=log, cwd=tmp_path).wait(60)
    first, *_, last = (tmp_path / "log").read_text().splitlines(keepends=True)
    assert first.startswith("tgl gate: missing.json: ")
    assert PEAK.fullmatch(last)


def contents(folder):
    """Return the bytes of every file of a training."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_served_training_writes_the_same_bytes(real, inputs, tmp_path):
    written = {}
    for way in (real.served, real.plain):
        folder = tmp_path / "run"
        status, out, err = way(*train(inputs, folder))
        assert (status, err) == (0, ""), err
        written[way.__name__] = {**contents(folder), "out": out}
        folder.rename(tmp_path / way.__name__)
    assert sorted(written["served"]) == sorted(written["plain"])
    assert f"models/{PERIODS[1]}/model.safetensors" in written["served"]
    different = [name for name, content in written["plain"].items() if written["served"][name] != content]
    assert different == []


def saved(process, folder):
    """Wait for the first saved state of a training that goes on for long."""
    progress = folder / "state" / PERIODS[0] / "training" / "progress.json"

    def reached():
        assert process.poll() is None, process.communicate()
        return progress.exists()

    until(reached)


def test_a_served_training_starts_its_other_processes(real, inputs, tmp_path):
    status, out, err = real.served(*train(inputs, tmp_path, "--processes", "2", engine="deepspeed"))
    assert (status, err) == (0, "")
    assert out.count(f"period {PERIODS[0]}: ") == 1
    assert sorted(path.name for path in (tmp_path / "models").iterdir()) == list(PERIODS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_served_training_that_a_signal_stops_saves_its_state(real, inputs, tmp_path, number):
    process = real.start(*train(inputs, tmp_path, steps=2000))
    saved(process, tmp_path)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    why, peak = err.splitlines(keepends=True)
    assert why.startswith(f"tgl train: stopped by {number.name}; the state after ")
    assert PEAK.fullmatch(peak)


def test_a_served_training_ends_soon_after_its_client_is_killed(real, inputs, tmp_path):
    process = real.start(*train(inputs, tmp_path, steps=2000))
    saved(process, tmp_path)
    (child,) = (number for number in real.processes() if parent(number) == real.server())
    start = time.monotonic()
    process.kill()
    process.communicate()
    until(lambda: not is_running(child), within=60)
    assert time.monotonic() - start < 40
    status, out, _ = real.run(
        *train(inputs, tmp_path, "--period", "x")
    )  # refused, and the server still serves
    assert status == 2
    assert out == ""


def test_the_server_starts_no_cuda():
    """PyTorch cannot use a GPU in a forked process if CUDA was started before."""
    code = """
import importlib, os
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # as the server does
import torch, torch._dynamo  # the latter before torch is made to look like a build for CUDA

def started(*given):
    raise AssertionError("CUDA was started")

torch.accelerator.current_accelerator = lambda *given, **options: torch.device("cuda")
torch.cuda._is_compiled = lambda: True
torch.cuda.device_count = lambda: 1
torch._C._cuda_getDeviceCount = torch.cuda._lazy_init = started
from tgl.jobs import server

for name in server.MODULES:
    importlib.import_module(name)
assert torch.cuda.is_available()
os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
try:
    torch.cuda.is_available()
except AssertionError:
    print("would have been noticed")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=240
    )
    assert done.stdout == "would have been noticed\n", done.stderr
