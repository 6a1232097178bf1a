"""Add LoRA adapters where a profile suggests it, with a LoraConfig for peft.

    python examples/lora.py MODEL PROFILE_FOLDER OUTPUT

The query and value projections of the attention sublayers that the plan trains get an adapter. Its rank follows the
relative gradient norm. OUTPUT is the folder of the adapter.
"""

import sys

import tgl


def main(model_name: str, profile_folder: str, output: str) -> None:
    """Add adapters to the model and save them."""
    model = tgl.load_model(model_name)
    plan = tgl.Profile.load(profile_folder).plan("tgl_alr")
    print(tgl.lora_config(plan, model, rank=8, alpha=32, multipliers="ranks").rank_pattern)
    # Does the same as peft.get_peft_model(model, config), but does not adapt the key part of GPT-2's fused
    # projection.
    adapted = tgl.with_lora(model, plan, rank=8, alpha=32, multipliers="ranks")
    adapted.print_trainable_parameters()
    adapted.save_pretrained(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
