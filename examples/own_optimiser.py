"""Train by a plan with your own optimiser and training loop.

    python examples/own_optimiser.py MODEL PROFILE_FOLDER TEXT

MODEL is the folder or Hugging Face name of the profiled model, PROFILE_FOLDER the output of `tgl profile MODEL`, and
TEXT a text file to train on. Trains for ten steps and prints which sublayers changed.
"""

import sys

import torch

import tgl
from tgl.models.sublayers import sublayers


def main(model_name: str, profile_folder: str, text: str) -> None:
    """Train for ten steps by the plan `tgl_fp`."""
    model, tokenizer = tgl.load_model(model_name), tgl.load_tokenizer(model_name)
    plan = tgl.Profile.load(profile_folder).plan("tgl_fp")
    # Freezes the other sublayers, so call it before creating the optimiser. Frozen parameters are in no
    # group.
    optimiser = torch.optim.AdamW(plan.param_groups(model, lr=1e-3, weight_decay=0.01))
    # LambdaLR scales the rate of each group. A scheduler that sets one rate for all groups would undo
    # tgl_alr.
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / 10)
    with open(text, encoding="utf-8") as file:
        tokens = torch.tensor(tokenizer(file.read())["input_ids"], device=model.device)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for step in range(10):
        window = tokens.roll(-32 * step)[None, :64]
        loss = model(input_ids=window, labels=window).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
    for unit in sublayers(model):
        changed = any(not torch.equal(parameter, before[name]) for name, parameter in unit.parameters.items())
        print(f"{unit.name:<20}{'trained' if changed else 'unchanged'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
