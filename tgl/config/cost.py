"""Estimate how long the training of an experiment takes on this machine."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM

from tgl.config.root import Config
from tgl.models.architecture import architecture_config
from tgl.models.folders import local_folder
from tgl.models.weights import inspect
from tgl.profiling.estimate import REACHED, matrix_speed

# Floating-point operations for each parameter and token of a training step.
_OPERATIONS = 6


def trained_tokens(config: Config) -> tuple[int, int]:
    """Return the tokens of pretraining and those of continual pretraining, each of all seeds and runs together."""
    block = config.tokens.block_size
    pretrain = config.model.pretrain
    base = (pretrain.steps or 0) * pretrain.batch_size * block
    run = config.train.steps * config.train.batch_size * block * len(config.periods)
    return base * len(config.seeds), run * len(config.runs) * len(config.seeds)


def num_parameters(config: Config) -> int:
    """Return the number of parameters of the model of an experiment. No weights are read.

    Raises:
        TglError: A pretrained model has a problem that shows without reading its weights.
    """
    if config.model.load is not None:
        shell, _ = inspect(local_folder(config.model.load), config.model.load)
    else:
        tokens = config.tokens
        described = architecture_config(config.model, tokens.vocab_size, tokens.block_size, end_token=0)
        with torch.device("meta"):
            shell = AutoModelForCausalLM.from_config(described)
    return sum(parameter.numel() for parameter in shell.parameters())


def training_seconds(config: Config, num_threads: int = 1) -> float:
    """Return the estimated seconds of all training of an experiment, as if one job ran after the other.

    Args:
        config: The configuration.
        num_threads: The threads of a job.
    """
    torch.set_num_threads(num_threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    speed = REACHED * matrix_speed(torch.float32, device)
    return _OPERATIONS * num_parameters(config) * sum(trained_tokens(config)) / speed
