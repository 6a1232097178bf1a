"""Estimate memory and time of a profile from the shapes of the model, before its weights are read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.core.progress import duration
from tgl.models.quantised import is_quantised, num_parameters
from tgl.models.sublayers import block_modules
from tgl.profiling.norms import default_batch_tokens

# Floating-point operations for each parameter and token: forward 2, gradients of activations 2, gradients of weights or
# their norms 2, and 2 for a second forward pass where blocks are streamed.
_OPERATIONS = {False: 6, True: 8}
# Share of the speed of a large matrix product that a profile reaches, of 0.4 to 0.6 in measurements on a CPU.
REACHED = 0.5
# Copies of the logits that exist at once: themselves, their logarithms, their gradients and those of the loss.
_LOGITS = 4
_GIB = 2**30


@dataclass(frozen=True)
class Estimate:
    """What a profile needs.

    Attributes:
        weights: Bytes of the weights in memory.
        gradients: Bytes of the gradients of a batch and their sum, for the norms of mean gradients.
        batch: Bytes of the activations and logits of a batch.
        seconds: Time on this machine; None if unknown.
        available: Bytes of memory that are free now; None if unknown.
    """

    weights: int
    gradients: int
    batch: int
    seconds: float | None
    available: int | None

    @property
    def total(self) -> int:
        """Bytes in all."""
        return self.weights + self.gradients + self.batch

    def line(self) -> str:
        """Return the estimate as a log line."""
        parts = {"weights": self.weights, "gradients": self.gradients, "a batch": self.batch}
        shares = ", ".join(f"{size / _GIB:.2f} for {what}" for what, size in parts.items() if size)
        left = "" if self.available is None else f", of {self.available / _GIB:.2f} GiB available"
        took = "" if self.seconds is None else f"; about {duration(self.seconds)}"
        return f"estimate: {self.total / _GIB:.2f} GiB of memory ({shares}){left}{took}"

    def check(self) -> None:
        """Raise TglError if weights and gradients alone need more memory than there is."""
        if self.available is not None and self.weights + self.gradients > self.available:
            raise TglError(
                f"profile: weights and gradients need {(self.weights + self.gradients) / _GIB:.2f} GiB of memory, and "
                f"{self.available / _GIB:.2f} GiB are available. Read the blocks from disk with --stream, or use "
                "--dtype bf16"
            )


def estimate(
    shell: PreTrainedModel,
    lengths: Sequence[tuple[int, int]],
    *,
    dtype: torch.dtype,
    stream: bool,
    twin: bool,
    without_mean: bool = False,
) -> Estimate:
    """Estimate memory and time of a profile.

    Args:
        shell: The model; its weights may be on the device `meta`.
        lengths: Number of tokens and of target tokens of each example.
        dtype: Type of weights and activations.
        stream: Whether the blocks are read from disk when they run.
        twin: Whether a twin with random weights is measured after the model.
        without_mean: Whether the norm of the mean gradient is left out, or only that of adapters is measured, whose
            gradients are small.
    """
    size, device = dtype.itemsize, "cuda" if torch.cuda.is_available() else "cpu"
    total = num_parameters(shell)
    blocks = [num_parameters(block) for block in block_modules(shell)]
    held = total - sum(blocks) + 2 * max(blocks) if stream else total
    in_memory = not any(parameter.is_meta for parameter in shell.parameters())
    tokens = min(default_batch_tokens(device, stream), sum(length for length, _ in lengths))
    targets = min(tokens, max(sum(number for _, number in lengths), 1))
    widths = [_width(block) for block in block_modules(shell)]
    activations = max(widths) + len(widths) * _residual(shell) if stream else sum(widths)
    head = shell.get_output_embeddings()
    vocabulary = head.weight.shape[0] if head is not None else 0
    logits = _LOGITS * targets * vocabulary * max(size, 4)
    used = total - sum(p.numel() for p in shell.get_input_embeddings().parameters())
    used += (
        head.weight.numel() if head is not None and head.weight is shell.get_input_embeddings().weight else 0
    )
    operations = _OPERATIONS[stream] * used * sum(length for length, _ in lengths)
    operations *= 2 if twin and not stream else 1
    return Estimate(
        weights=0 if in_memory else held * size,
        gradients=0 if stream or without_mean else 2 * total * 4,
        batch=tokens * activations * size + logits,
        seconds=operations / (REACHED * matrix_speed(dtype, device)),
        available=_available(device),
    )


def _width(block: nn.Module) -> int:
    """Return how many numbers the maps of a block keep for each token: their inputs and outputs."""
    packed = [module for module in block.modules() if is_quantised(module)]
    held = {parameter for module in packed for parameter in module.parameters(recurse=False)}
    whole = sum(sum(p.shape[-2:]) for p in block.parameters() if p.dim() > 1 and p not in held)
    return whole + sum(module.in_features + module.out_features for module in packed)


def _residual(shell: PreTrainedModel) -> int:
    return shell.get_input_embeddings().weight.shape[1]


def matrix_speed(dtype: torch.dtype, device: str) -> float:
    """Return the floating-point operations per second of a matrix product."""
    one, other = (torch.ones(1024, 1024, dtype=dtype, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        product = one @ other
        product[0, 0].item()  # Waits for a GPU.
        best = min(best, time.perf_counter() - start)
    return 2 * 1024**3 / best


def _available(device: str) -> int | None:
    """Return the bytes of memory that are free on this machine; None if unknown."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)
