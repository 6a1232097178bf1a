"""Several processes, really started by torchrun."""

import json
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file

from tests.train.engine_runs import PARTLY, assert_steps, engine_of, run
from tests.train.process_program import scored
from tests.workflow.conftest import REPOSITORY, environment

STAGES = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def by_one():
    """Six steps in this process, on plain PyTorch: (results, engine, state after three)."""
    engine, _, settings = engine_of("plain", PARTLY, batch_size=8, clip_norm=0.05)
    first, state = run(engine, settings, 0, 3), engine.state()
    return first + run(engine, settings, 3), engine, state


@pytest.fixture(scope="module")
def by_two(tmp_path_factory, by_one):
    """The same in two processes at every stage; the last three steps go on from the state of the one process."""
    folder = tmp_path_factory.mktemp("two")
    save_file(by_one[2], folder / "one.safetensors")
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
            "-m", "tests.train.process_program", str(folder), *map(str, STAGES),
        ],
        cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_do_the_steps_of_one_with_twice_the_rows(by_two, by_one, stage):
    found = json.loads((by_two / f"stage{stage}.json").read_text())
    expected, engine, _ = by_one
    assert_steps(found, expected, engine)


@pytest.mark.parametrize("stage", STAGES)
def test_the_state_of_two_processes_is_whole_and_goes_on_in_one_on_plain_pytorch(by_two, by_one, stage):
    engine, _, settings = engine_of("plain", PARTLY, batch_size=8, clip_norm=0.05)
    engine.load(load_file(by_two / f"stage{stage}.safetensors"))
    expected = [result.loss for result in by_one[0][3:]]
    assert [result.loss for result in run(engine, settings, 3)] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("stage", STAGES)
def test_one_process_can_score_the_model_alone_and_the_steps_go_on(by_two, by_one, stage):
    found = json.loads((by_two / f"stage{stage}.json").read_text())
    expected, _, state = by_one
    model = engine_of("plain", PARTLY, batch_size=8)[1]
    model.load_state_dict(
        {name: state[f"weight/{name}"] for name, _ in model.named_parameters()}, strict=False
    )
    assert found["loss after three"] == pytest.approx(scored(model), rel=1e-5)
    assert [r["loss"] for r in found["kept"]] == pytest.approx([r.loss for r in expected[3:]], rel=1e-6)
