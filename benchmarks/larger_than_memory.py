"""Compare a model whose blocks stay on disk with the same model in memory (`benchmarks.profile`)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from benchmarks.figures import figure, over
from benchmarks.processes import Apart, Lost, attempt, high_water
from tgl.evaluate.spans import SpanTokens
from tgl.models.checkpoint import load_model
from tgl.models.sublayers import block_modules, sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import default_batch_tokens, gradient_norms

SHAPES = {
    "gpt2-xl": {"n_layer": 48, "n_embd": 1600, "n_head": 25, "vocab_size": 50257},
    "small": {"n_layer": 3, "n_embd": 64, "n_head": 2, "vocab_size": 1000},
    "llama-7b": {"n_layer": 32, "n_embd": 4096, "n_head": 32, "vocab_size": 32000},
}
LENGTH = 128
TIME_GOAL, SLACK_MIB, DEVIATION_GOAL = 2.5, 1024, 1.0


@dataclass(frozen=True)
class Streamed:
    """A model in a folder, read block by block or whole, and the number of its examples."""

    folder: Path
    stream: bool
    count: int
    dtype: torch.dtype


def write(shape: dict, folder: Path, dtype: torch.dtype) -> None:
    """Write a model with random weights."""
    torch.manual_seed(0)
    if shape["n_embd"] == 4096:
        config = LlamaConfig(
            hidden_size=4096, intermediate_size=11008, num_hidden_layers=shape["n_layer"], num_attention_heads=32,
            vocab_size=shape["vocab_size"], dtype=dtype,
        )  # fmt: skip
        torch.set_default_dtype(dtype)
        LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="3GB")
    else:
        GPT2LMHeadModel(GPT2Config(**shape)).to(dtype).save_pretrained(folder, max_shard_size="3GB")


def profiled(job: Streamed) -> Callable[[], dict]:
    """Return a function that measures the norms of examples: half of them windows, half of them short spans."""
    torch.set_num_threads(1)

    def run() -> dict:
        model = load_model(job.folder, stream=job.stream, dtype=job.dtype, say=lambda line: None)
        units = sublayers(model)
        coverage = cover(model, units)
        draw = torch.Generator().manual_seed(0)
        size = model.config.vocab_size
        ids = [torch.randint(size, (LENGTH,), generator=draw).tolist() for _ in range(job.count)]
        examples = [SpanTokens(row, 1 if n % 2 else LENGTH - 8) for n, row in enumerate(ids)]
        tokens = default_batch_tokens(
            "cpu", stream=True
        )  # The same for both: the composition of batches changes rounding.
        start = time.perf_counter()
        norms = gradient_norms(
            model, units, examples, coverage=coverage, mean=False, batch_tokens=tokens
        ).each
        block = max(sum(p.numel() for p in block.parameters()) for block in block_modules(model))
        return {
            "seconds": time.perf_counter() - start,
            "peak": high_water("self"),
            "norms": norms,
            "outside": units[-1].num_parameters * job.dtype.itemsize / 2**20,
            "block": block * job.dtype.itemsize / 2**20,
        }

    return run


def once(job: Streamed) -> dict:
    """Return what `profiled` measures in a process of its own."""
    with Apart(profiled, job) as run:
        return run()


def larger_than_memory(name: str, *, count: int, whole: bool, folder: Path) -> list[str]:
    """Measure a shape and return its figures.

    Args:
        name: One of `SHAPES`.
        count: Number of examples.
        whole: Whether to measure the model in memory too; else there is no ratio.
        folder: Where the model is written for the time of the measurement.
    """
    dtype = torch.bfloat16 if name == "llama-7b" else torch.float32
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        with Apart(_writer, SHAPES[name], Path(scratch), dtype) as writer:
            writer()
        found = attempt(once, Streamed(Path(scratch), True, count, dtype))
        other = attempt(once, Streamed(Path(scratch), False, count, dtype)) if whole else None
    if isinstance(found, Lost):
        return [figure(f"norms_streamed_{name}", found, "s", "in memory", found, TIME_GOAL, least=False)]
    bound = found["outside"] + 3 * found["block"] + SLACK_MIB
    peer = f"weights outside the blocks, three blocks and 1 GiB ({bound:.0f} MiB)"
    lines = [
        figure(
            f"norms_streamed_memory_{name}",
            found["peak"],
            "MiB",
            peer,
            found["peak"] / bound,
            1.0,
            least=False,
        )
    ]
    took = f"norms_streamed_time_{name}"
    if other is None:
        peer = f"none: {count} examples of {LENGTH} tokens"
        return [
            *lines,
            figure(took, found["seconds"], "s", peer, Lost("not measured in memory"), None, least=False),
        ]
    ratio = other if isinstance(other, Lost) else found["seconds"] / other["seconds"]
    lines.append(figure(took, found["seconds"], "s", "in memory", ratio, TIME_GOAL, least=False))
    if not isinstance(other, Lost):
        deviation = float(abs(found["norms"] / other["norms"] - 1).max())
        lines.append(figure(f"norms_streamed_deviation_{name}", 1e6 * deviation, "1e-6", "in memory", 1e6 * deviation,
                            DEVIATION_GOAL, least=False))  # fmt: skip
        lines.append(figure(f"norms_streamed_memory_share_{name}", found["peak"], "MiB", "in memory",
                            over(found["peak"], other["peak"]), None, least=False))  # fmt: skip
    return lines


def _writer(shape: dict, folder: Path, dtype: torch.dtype) -> Callable[[], None]:
    return lambda: write(shape, folder, dtype)
