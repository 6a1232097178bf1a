"""Train by a plan with the Hugging Face Trainer.

    python examples/hf_trainer.py MODEL PROFILE_FOLDER TEXT OUTPUT

The Trainer accepts an existing optimiser and scheduler. With `tgl_alr` each sublayer has its own learning rate, and the
scheduler scales each rate. OUTPUT is the folder of the trained model.
"""

import sys

import torch
from transformers import (
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)

import tgl

STEPS = 10


def main(model_name: str, profile_folder: str, text: str, output: str) -> None:
    """Train for ten steps by the plan `tgl_alr`."""
    model, tokenizer = tgl.load_model(model_name), tgl.load_tokenizer(model_name)
    plan = tgl.Profile.load(profile_folder).plan("tgl_alr")
    optimiser = torch.optim.AdamW(plan.param_groups(model, lr=1e-3, weight_decay=0.01))
    schedule = get_linear_schedule_with_warmup(optimiser, num_warmup_steps=1, num_training_steps=STEPS)
    with open(text, encoding="utf-8") as file:
        tokens = tokenizer(file.read())["input_ids"]
    rows = [tokens[start : start + 64] for start in range(0, len(tokens) - 64, 64)]
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=output,
            max_steps=STEPS,
            per_device_train_batch_size=2,
            report_to=[],
            save_strategy="no",
        ),
        train_dataset=[{"input_ids": row, "labels": row} for row in rows],
        optimizers=(optimiser, schedule),
    )
    print(trainer.train().metrics)
    trainer.save_model(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
