"""Two engines with one interface: plain PyTorch, and DeepSpeed (ZeRO 0 to 3)."""

from __future__ import annotations

import torch
from torch import nn

from tgl.core.errors import TglError
from tgl.models.settings import OptimiserConfig
from tgl.train.engines.interface import Engine, Regulariser
from tgl.train.engines.mode import check_checkpointing
from tgl.train.engines.partitioned import PartitionedEngine
from tgl.train.engines.plain import PlainEngine
from tgl.train.engines.with_deepspeed import DeepSpeedEngine
from tgl.train.processes import world_size
from tgl.train.settings import EngineConfig


def make_engine(
    model: nn.Module,
    groups: list[dict],
    settings: OptimiserConfig,
    *,
    engine: EngineConfig,
    regulariser: Regulariser | None = None,
    seed: int = 0,
) -> Engine:
    """Return the configured engine. 'auto' is DeepSpeed with a GPU or several processes, otherwise plain PyTorch.

    Args:
        model: The module to train.
        groups: Parameter groups of the optimiser, each with `initial_lr` and `units`.
        settings: Batch size, weight decay and clipping.
        engine: The section of the engine.
        regulariser: What a baseline adds to each step. None: nothing.
        seed: Seed of dropout, combined with the number of the step (`tgl.train.engines.mode`).

    Raises:
        TglError: The batch cannot be divided evenly, there are several processes for the plain engine, or the model
            does not support checkpointing of activations.
    """
    name = engine.engine
    if name == "auto":
        name = "deepspeed" if torch.cuda.is_available() or world_size() > 1 else "plain"
    if name == "plain" and world_size() > 1:
        raise TglError(
            f"engine 'plain': found {world_size()} processes, expected one. Set train.engine to 'deepspeed'"
        )
    if engine.checkpointing:
        check_checkpointing(model)
    kind = PlainEngine if name == "plain" else DeepSpeedEngine
    if name == "deepspeed" and engine.zero_stage == 3:
        _check_partitions(regulariser or Regulariser())
        kind = PartitionedEngine
    return kind(model, groups, settings, engine=engine, regulariser=regulariser or Regulariser(), seed=seed)


def _check_partitions(regulariser: Regulariser) -> None:
    for name in ("penalty", "pull"):
        if getattr(type(regulariser), name) is not getattr(Regulariser, name):
            raise TglError(
                f"train.zero_stage: found 3, with which no process has whole weights between two steps, but "
                f"{type(regulariser).__name__}.{name} reads them; expected 0, 1 or 2 with this baseline"
            )
