"""Inputs of a training, and a LoRA adapter of its base model."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from tests.train.continual_runs import write_inputs


@pytest.fixture(scope="session")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def adapter(inputs, tmp_path):
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["c_attn"], init_lora_weights=False, fan_in_fan_out=True)
    get_peft_model(AutoModelForCausalLM.from_pretrained(inputs / "base"), config).save_pretrained(
        tmp_path / "adapter"
    )
    return tmp_path / "adapter"
