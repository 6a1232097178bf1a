"""Measure the cost of per-example gradient norms of every sublayer, compared with training and other methods.

    python -m benchmarks.profile [--lengths 32 128 512] [--tokens 1024] [--repeats 5] [--small]
    python -m benchmarks.profile --larger-than-memory [--seven-billion] [--folder FOLDER]

Uses one thread (or one GPU), a GPT-2 with 124M parameters and random weights, and batches of plain-text windows, in
which every position but the first is a target. The peers are measured in the same run:

- `forward+backward`: a training step without its optimiser, with gradients summed over the batch;
- `loop`: autograd, one example at a time;
- `vmap`: torch.func's per-example gradients;
- `bergson`: the gradients that Bergson collects of each matrix of the blocks, and their norms (pip install bergson);
- `opacus`: the ghost clipping of Opacus (pip install opacus). It supports only nn.Linear and untied heads, so both are
  measured on a twin with those.

Each method runs in a separate process, in turns with those it is compared with. If a process is killed for memory, its
row reports that. Prints a table, then one line of JSON for each figure.
"""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.figures import cell, figure, over
from benchmarks.gradient_ways import DEVICE, OTHERS, Job, flops, peak, stopwatch
from benchmarks.larger_than_memory import larger_than_memory
from benchmarks.processes import Apart, Lost, attempt, in_turns, medians, once

TIME_GOALS = {32: 0.70, 128: 0.75, 512: 0.88}
MEAN_GOALS = {32: 1.05, 128: 1.05, 512: 1.05}
MEMORY_GOALS = {512: 1.0}
OPACUS_GOAL, BERGSON_GOAL = 1.4, 1.5
FLOP_GOALS = {32: 0.70, 128: 0.80, 512: 0.95}
OTHER_GOALS = {128: 1.5}
LOOP_GOALS = {32: 2.0}
SHAPE = {"n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257}
SMALL = {"n_layer": 2, "n_embd": 64, "n_head": 2, "vocab_size": 1000}


def seconds(jobs: list[Job], repeats: int) -> dict[str, float | Lost]:
    """Return the median seconds of each job by name, with all jobs in turns."""
    with contextlib.ExitStack() as stack:
        timed = {job.name: stack.enter_context(Apart(stopwatch, job)) for job in jobs}
        return medians(in_turns(timed, repeats))


def main() -> None:
    """Measure every length, and print the tables and then the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--tokens", type=int, default=1024, help="tokens in a batch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a tiny model, to test the script")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--others", action="store_true", help="only Mamba, a GRU and a mixture of experts")
    parser.add_argument(
        "--larger-than-memory", action="store_true", help="only a model read block by block from disk"
    )
    parser.add_argument("--seven-billion", action="store_true", help="with it, Llama-7B's shape in bf16")
    parser.add_argument(
        "--folder", type=Path, default=Path("."), help="where that model is written, 6 or 14 GB"
    )
    options = parser.parse_args()
    if options.larger_than_memory:
        name = "small" if options.small else "llama-7b" if options.seven_billion else "gpt2-xl"
        whole = not options.seven_billion
        lines = larger_than_memory(name, count=8 if whole else 2, whole=whole, folder=options.folder)
        print("\n".join(lines))
        return
    shape = SMALL if options.small else SHAPE
    print(f"{DEVICE}, torch {torch.__version__}, 1 thread, {shape}", flush=True)
    lines = []
    for length in options.lengths:
        plain = Job(shape, length, max(2, options.tokens // length), "tgl")
        if options.others:
            lines += of_others(plain, options.repeats)
            continue
        lines += of_length(plain, options.repeats, not options.no_memory)
    print("\n" + "\n".join(lines))


def of_length(own: Job, repeats: int, with_memory: bool) -> list[str]:
    """Print the table of one length and return its figures."""

    def others(*names: str, model: str = "plain") -> list[Job]:
        return [replace(own, way=name, model=model) for name in names]

    counted = ("tgl", "tgl with norm of mean", "forward+backward")
    found = seconds(others(*counted, "loop", "bergson"), repeats)
    found |= seconds(others("tgl", "vmap", model="eager"), max(1, repeats // 2))
    found |= seconds(others("tgl", "opacus", model="twin"), repeats)
    work = {job.way: attempt(once, flops, job) for job in others(*counted)}
    measured = [*others("tgl", "forward+backward", "loop"), *others("vmap", model="eager"),
                *others("opacus", model="twin")]  # fmt: skip
    memory = {job.way: attempt(once, peak, job) for job in measured if with_memory}
    step = "forward+backward"
    print(f"\nT={own.length}, batch {own.count}")
    for name, value in found.items():
        print_row(name, value, "8.3f", "s", over(value, found[step]), f"of {step}")
    for name, value in work.items():
        print_row(name, over(value, 1e9), "8.1f", "GFLOP", over(value, work[step]), f"of {step}")
    for name, value in memory.items():
        print_row(name, value, "8.0f", "MiB peak above the model")
    return figures(own.length, found, work, memory)


def of_others(own: Job, repeats: int) -> list[str]:
    """Print the times of other architectures than GPT-2 at one length, and return their figures."""
    lines, step = [], "forward+backward"
    for model in OTHERS:
        found = seconds([replace(own, way=way, model=model) for way in ("tgl", step)], repeats)
        own_time, other = found[f"tgl, {model}"], found[f"{step}, {model}"]
        print_row(f"{model}, T={own.length}", own_time, "8.3f", "s", over(own_time, other), f"of {step}")
        name = f"norms_time_{model}_T={own.length}"
        ratio = over(own_time, other)
        lines.append(figure(name, own_time, "s", step, ratio, OTHER_GOALS.get(own.length), least=False))
    return lines


def print_row(
    name: str, value: float | Lost, form: str, unit: str, share: float | Lost = 1.0, of: str = ""
) -> None:
    """Print a value and its share of another one, or the reason why the value is lost."""
    more = "" if isinstance(value, Lost) or not of else cell(share, "7.3f", of)
    print(f"  {name:<28}{cell(value, form, unit)} {more}".rstrip(), flush=True)


def figures(length: int, found: dict, work: dict, memory: dict) -> list[str]:
    """Return the figures of one length from seconds, operations and memory by method."""
    at, step = f"T={length}", "forward+backward"
    lines = [
        figure(f"norms_time_{at}", found["tgl"], "s", step, over(found["tgl"], found[step]),
               TIME_GOALS.get(length), least=False),
        figure(f"norms_flops_{at}", over(work["tgl"], 1e9), "GFLOP", step, over(work["tgl"], work[step]),
               FLOP_GOALS.get(length), least=False),
    ]  # fmt: skip
    for suffix, one, peer, other, goal in (
        ("", "tgl", "batch-1 loop", "loop", LOOP_GOALS.get(length)),
        ("_vmap", "tgl, eager", "torch.func vmap", "vmap, eager", None),
        ("_opacus", "tgl, twin", "opacus ghost norms", "opacus, twin", OPACUS_GOAL),
        ("_bergson", "tgl", "bergson's gradients of the blocks", "bergson", BERGSON_GOAL),
    ):
        ratio = over(found[other], found[one])
        lines.append(figure(f"norms_speed_up{suffix}_{at}", found[one], "s", peer, ratio, goal, least=True))
    mean = found["tgl with norm of mean"]
    lines.append(
        figure(f"norms_time_with_mean_{at}", mean, "s", step, over(mean, found[step]), MEAN_GOALS.get(length),
               least=False)
    )  # fmt: skip
    return lines + [
        figure(f"norms_memory_{name.replace('+', '_')}_{at}", memory["tgl"], "MiB", name,
               over(memory["tgl"], memory[name]), MEMORY_GOALS.get(length) if name == step else None, least=False)
        for name in memory if name != "tgl"
    ]  # fmt: skip


if __name__ == "__main__":
    main()
