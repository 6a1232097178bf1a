"""Two engines behind one small interface: plain PyTorch, and DeepSpeed (ZeRO 0 to 2)."""

from __future__ import annotations

import torch
from torch import nn

from tgl.config import EngineConfig, OptimiserConfig
from tgl.errors import TglError
from tgl.train.engines.interface import Engine, Regulariser
from tgl.train.engines.plain import PlainEngine
from tgl.train.engines.with_deepspeed import DeepSpeedEngine
from tgl.train.processes import world_size


def make_engine(
    model: nn.Module,
    groups: list[dict],
    settings: OptimiserConfig,
    engine: EngineConfig,
    regulariser: Regulariser | None = None,
    *,
    seed: int = 0,
) -> Engine:
    """Return the configured engine; 'auto' is DeepSpeed where there is a GPU or several processes, else plain PyTorch.

    seed: of what dropout draws, with the number of the step (`tgl.train.engines.mode`).
    Raises TglError where the batch cannot be shared evenly, and for several processes of the plain engine.
    """
    name = engine.engine
    if name == "auto":
        name = "deepspeed" if torch.cuda.is_available() or world_size() > 1 else "plain"
    if name == "plain" and world_size() > 1:
        raise TglError(
            f"engine 'plain': runs in one process and {world_size()} were started; set train.engine to 'deepspeed'"
        )
    kind = PlainEngine if name == "plain" else DeepSpeedEngine
    return kind(model, groups, settings, engine, regulariser or Regulariser(), seed)
