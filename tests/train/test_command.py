"""`tgl train` as a user starts it: in two processes, and stopped by a signal."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from tests.cli.processes import hear_sigint, living
from tests.train.continual_runs import PERIODS, write_inputs
from tests.workflow.conftest import REPOSITORY, environment
from tgl.core.tables.read import read_table


def command(inputs, folder, *more, **changes):
    """Return the command line of a run with other keys in the section `train`."""
    config = {"engine": "deepspeed", "steps": 4, "batch_size": 2, "checkpoint_steps": 2} | changes
    return [
        sys.executable, "-m", "tgl", "train", str(inputs / "base"), "--base-tokens", str(inputs / "base.parquet"),
        *(f"--tokens={period}={inputs / period}.parquet" for period in PERIODS),
        "--probes", str(inputs / "probes.parquet"), "--profile", str(inputs / "profile.parquet"),
        "--plan", str(inputs / "plan.json"), "--models", str(folder / "models"), "--tables", str(folder / "tables"),
        "--state", str(folder / "state"), "--learning-rate", "0.01", "--config", json.dumps(config),
        "--token-config", '{"vocab_size": 300, "block_size": 32}', "--profile-config", '{"examples": 3}', *more,
    ]  # fmt: skip


def finished(*arguments, **options):
    done = subprocess.run(
        command(*arguments, **options), cwd=REPOSITORY, env=environment(), capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


def started(*arguments):
    return subprocess.Popen(
        command(*arguments, steps=2000), cwd=REPOSITORY, env=environment(), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=hear_sigint,
    )  # fmt: skip


def table(folder, name):
    return read_table(folder / "tables" / f"{name}.parquet", name).to_pandas()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    return folder


def test_two_processes_write_what_one_does_and_speak_once(inputs, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    finished(inputs, one)
    said = finished(inputs, two, "--processes", "2")
    assert said.count(f"period {PERIODS[0]}: ") == 1
    assert table(two, "steps")["loss"].tolist() == pytest.approx(
        table(one, "steps")["loss"].tolist(), rel=1e-5
    )
    columns = ["probe", "checkpoint"]
    assert table(two, "scores")[columns].equals(table(one, "scores")[columns])
    scores = [table(folder, "scores")["log_likelihood"].tolist() for folder in (two, one)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)
    columns = ["period", "step", "sublayer", "learning_rate"]
    assert table(two, "rates")[columns].equals(table(one, "rates")[columns])
    assert not (two / "state").exists()
    assert sorted(path.name for path in (two / "models").iterdir()) == list(PERIODS)


def test_parted_weights_give_the_scores_during_training_and_the_models_of_one_process(inputs, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    finished(inputs, one, engine="plain", score_at=[2])
    finished(inputs, two, "--processes", "2", zero_stage=3, score_at=[2])
    for name in ("step_scores", "step_losses"):
        own, other = table(two, name), table(one, name)
        assert own["step"].tolist() == other["step"].tolist()
        values = "log_likelihood" if name == "step_scores" else "negative_log_likelihood"
        assert own[values].tolist() == pytest.approx(other[values].tolist(), rel=1e-4)
    for period in PERIODS:
        weights = [load_file(folder / "models" / period / "model.safetensors") for folder in (one, two)]
        assert weights[0].keys() == weights[1].keys()
        for key, value in weights[0].items():
            if not key.endswith("c_attn.bias"):  # Its gradient is rounding, of which Adam makes full steps.
                torch.testing.assert_close(weights[1][key], value, atol=1e-4, rtol=0)


def until_saved(process, folder):
    """Wait for the first saved state and return its file."""
    progress, end = folder / "state" / PERIODS[0] / "training" / "progress.json", time.monotonic() + 240
    while not progress.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end, "no state was saved"
        time.sleep(0.05)
    return progress


def assert_goes_on(inputs, folder, saved, *more):
    process = started(inputs, folder, *more)
    try:
        lines = iter(process.stdout.readline, "")
        assert any(f"resumed at step {saved} of 2000" in line for line in lines)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the processes that it has started too
        process.wait()


@pytest.mark.parametrize(
    ("processes", "number"), [(1, signal.SIGTERM), (1, signal.SIGINT), (2, signal.SIGINT)]
)
def test_a_run_that_a_signal_stopped_goes_on(inputs, tmp_path, processes, number):
    more = ("--processes", str(processes))
    process = started(inputs, tmp_path, *more)
    progress = until_saved(process, tmp_path)
    os.killpg(process.pid, number)  # as a terminal does
    said = process.communicate(timeout=120)[0].splitlines()
    assert process.returncode == 128 + number, said
    saved = json.loads(progress.read_text())["step"]
    assert said[-1] == (
        f"tgl train: stopped by {number.name}; the state after {saved} steps is saved. "
        f"Run the same command again to resume from step {saved}"
    )
    assert len(said) == 2, "nothing but the period and why it stopped"
    assert_goes_on(inputs, tmp_path, saved, *more)


def test_a_run_of_which_one_process_was_killed_goes_on_in_another_number(inputs, tmp_path):
    process = started(inputs, tmp_path, "--processes", "2")
    progress = until_saved(process, tmp_path)
    children = [pid for pid in living(process.pid) if pid != process.pid]
    start = time.monotonic()
    os.kill(max(children), signal.SIGKILL)
    said = process.communicate(timeout=120)[0].splitlines()
    assert time.monotonic() - start < 30
    assert process.returncode == 128 + signal.SIGKILL
    assert f"rank 1 (process {max(children)} on " in said[-1]
    assert "was killed by SIGKILL" in said[-1]
    # The other rank may see that the connection is gone before it is ended.
    assert len(said) == 2 or (len(said) == 3 and "lost the connection" in said[1]), said
    assert_goes_on(inputs, tmp_path, json.loads(progress.read_text())["step"], "--processes", "1")
