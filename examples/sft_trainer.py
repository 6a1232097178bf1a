"""Train by a plan with trl's SFTTrainer.

    pip install trl
    python examples/sft_trainer.py MODEL PROFILE_FOLDER TEXT OUTPUT

The callback freezes what the plan freezes, sets the learning rate of each sublayer, and compares the frozen weights at
the end with those at the start. TEXT has one paragraph a line. OUTPUT is the folder of the trained model.
"""

import sys

import torch
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

import tgl

STEPS = 10


def main(model_name: str, profile_folder: str, text: str, output: str) -> None:
    """Train for ten steps by the plan `tgl_fp`."""
    model, tokenizer = tgl.load_model(model_name), tgl.load_tokenizer(model_name)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    plan = tgl.Profile.load(profile_folder).plan("tgl_fp")
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=output,
            max_steps=STEPS,
            per_device_train_batch_size=2,
            learning_rate=1e-3,
            max_length=64,
            bf16=torch.cuda.is_available(),
            report_to=[],
            save_strategy="no",
        ),
        train_dataset=load_dataset("text", data_files=text, split="train").filter(
            lambda row: row["text"].strip()
        ),
        processing_class=tokenizer,
        callbacks=[tgl.PlanCallback(plan)],
    )
    print(trainer.train().metrics)
    trainer.save_model(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
