"""What tests/train/test_processes.py starts under torchrun: python -m tests.train.process_program FOLDER STAGE ...

Trains the tiny model with DeepSpeed at each stage: the first three of six steps from the start, and the last three
from FOLDER/one.safetensors, a state of another run. The first process writes losses, norms, rates, and the state
after three steps. In between, the first process scores the model alone, and at the end each has the whole model.
"""

import dataclasses
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from tests.support.model_fixtures import some_tokens
from tests.train.engine_runs import PARTLY, engine_of, run
from tgl.train.engines.interface import language_model_loss
from tgl.train.processes import is_first, leave, on_first, rank, world_size


def scored(model) -> float:
    """Return the loss of a fixed text."""
    tokens = torch.from_numpy(some_tokens(64)).long().reshape(2, 32)
    with torch.no_grad():
        return language_model_loss(model, tokens).item()


def main() -> None:
    folder = Path(sys.argv[1])
    for stage in map(int, sys.argv[2:]):
        engine, _, settings = engine_of("deepspeed", PARTLY, zero_stage=stage, batch_size=8, clip_norm=0.05)
        first, state = run(engine, settings, 0, 3), engine.state()
        with engine.whole():  # One process alone runs the model, while the others wait.
            loss = on_first(lambda model=engine.model: scored(model))
        kept, model = run(engine, settings, 3), engine.model
        after = engine.state()
        engine.close()
        for name, parameter in model.named_parameters():
            assert torch.equal(parameter.detach().cpu(), after[f"weight/{name}"]), name
        assert on_first(lambda model=model: scored(model)) == scored(model)
        engine, _, settings = engine_of("deepspeed", PARTLY, zero_stage=stage, batch_size=8, clip_norm=0.05)
        engine.load(load_file(folder / "one.safetensors"))
        second = run(engine, settings, 3)
        if is_first():
            found = {
                "processes": world_size(),
                "results": [dataclasses.asdict(result) for result in first + second],
                "rates": engine.rates(),
                "loss after three": loss,
                "kept": [dataclasses.asdict(result) for result in kept],
            }
            (folder / f"stage{stage}.json").write_text(json.dumps(found))
            save_file(state, folder / f"stage{stage}.safetensors")
    assert on_first(rank) == 0
    leave(0)


if __name__ == "__main__":
    main()
