"""Adapters where a profile says: a LoraConfig for peft.

    python examples/lora.py MODEL PROFILE_FOLDER OUTPUT

Query and value projections of the attention sublayers that the plan trains get an adapter, of a rank that follows the
relative gradient norm. OUTPUT: folder of the adapter.
"""

import sys

import tgl


def main(model_name: str, profile_folder: str, output: str) -> None:
    """Put adapters on the model and save them."""
    model = tgl.load_model(model_name)
    plan = tgl.Profile.load(profile_folder).plan("tgl_alr")
    print(tgl.lora_config(plan, model, rank=8, alpha=32, multipliers="ranks").rank_pattern)
    # The same through peft.get_peft_model(model, config), save that GPT-2's fused key is left alone as well.
    adapted = tgl.with_lora(model, plan, rank=8, alpha=32, multipliers="ranks")
    adapted.print_trainable_parameters()
    adapted.save_pretrained(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
