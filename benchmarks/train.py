"""Measure continual pretraining: tokens per second, savings by freezing, and start-up time.

    python -m benchmarks.train [--batch 2] [--length 256] [--steps 3] [--rounds 3] [--threads 2] [--small]

Uses a GPT-2 with 124M parameters and random weights, and the same batches for all. Precision is fp32 on a CPU and bf16
on a GPU (there with --batch 32 --length 512 --steps 20). Each way runs in a separate process, in turns with the others,
so that a slow phase of the machine affects all. If a process is killed for memory, its row reports that. The
comparisons are:

- the plain engine with the Hugging Face Trainer, with the same model, batch, precision, AdamW and clipping;
- DeepSpeed (ZeRO-1) with the plain engine;
- a TGL+FP step with a full step of the same engine. Half of the sublayers and the embedding are frozen: either the
  lower blocks, so that the backward pass ends above them, or every other sublayer;
- the optimiser state of both, in bytes;
- the time from starting `tgl train` to its first step, in a new process on tiny inputs.

Prints a table, then one line of JSON for each figure. On a GPU the share of an H100's bf16 peak is also printed: 6
operations for each parameter and token, plus 12 * layers * width * length for each token for attention, divided by 989
TFLOP/s.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

from benchmarks.figures import cell, figure, over
from benchmarks.processes import Apart, Lost, in_turns
from tgl.models.sublayers import ranked, sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.plans.plan import Plan
from tgl.train.base import everything
from tgl.train.engines import make_engine
from tgl.train.settings import TrainConfig

SHAPE = {"n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257}
SMALL = {"n_layer": 2, "n_embd": 64, "n_head": 2, "vocab_size": 1000}
H100_PEAK = 989e12  # dense bf16 operations per second
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PRECISION = "bf16" if DEVICE == "cuda" else "fp32"


def make_model(shape: dict) -> GPT2LMHeadModel:
    """Return GPT-2 with random weights, without dropout."""
    torch.manual_seed(0)
    config = GPT2Config(**shape, n_positions=1024, use_cache=False,
                        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)  # fmt: skip
    return GPT2LMHeadModel(config).to(DEVICE)


def plans(model: GPT2LMHeadModel) -> dict[str, Plan]:
    """Return the plan that trains everything, and two that train half of the sublayers and no embedding."""
    names = [unit.name for unit in ranked(sublayers(model))]
    upper = {name: float(place >= len(names) // 2) for place, name in enumerate(names)}
    spread = {name: float(place % 4 in (1, 2)) for place, name in enumerate(names)}  # half of each part
    full = everything(model)
    return {
        "full": full,
        "lower half frozen": Plan("lower", 0.0, upper),
        "every other sublayer frozen": Plan("spread", 0.0, spread),
    }


class Way:
    """One way to train; `state` is the size of its optimiser state in bytes."""

    state = 0

    def run(self, batches: list[torch.Tensor]) -> list[float]:
        """Do one step for each batch and return the seconds of each step except the first."""
        raise AssertionError("each way must define run")


class OwnWay(Way):
    """An engine of tgl with a plan."""

    def __init__(self, model: torch.nn.Module, plan: Plan, engine: str, batch: int) -> None:
        settings = TrainConfig(engine=engine, batch_size=batch, precision=PRECISION)
        freeze(model, plan)
        groups = parameter_groups(sublayers(model), plan, 1e-4, weight_decay=0.01)
        self.engine, self.number = make_engine(model, groups, settings, engine=settings), 0

    def run(self, batches: list[torch.Tensor]) -> list[float]:
        """See `Way`."""
        seconds = []
        for batch in batches:
            start = time.perf_counter()
            self.engine.step(batch, self.number, 1.0)
            synchronise()
            self.number += 1
            seconds.append(time.perf_counter() - start)
        if not self.state:
            kept = self.engine.state()
            self.state = sum(value.nbytes for name, value in kept.items() if name.startswith("exp_avg"))
        return seconds[1:]


class TrainerWay(Way):
    """The Hugging Face Trainer."""

    def __init__(self, model: torch.nn.Module, batch: int, folder: str) -> None:
        self.model = model
        self.arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=batch, learning_rate=1e-4, weight_decay=0.01,
            lr_scheduler_type="constant", max_grad_norm=1.0, optim="adamw_torch_fused", logging_strategy="no",
            save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=DEVICE == "cpu", bf16=PRECISION == "bf16",
            num_train_epochs=1,
        )  # fmt: skip

    def run(self, batches: list[torch.Tensor]) -> list[float]:
        """See `Way`."""
        rows = [{"input_ids": row, "labels": row} for batch in batches for row in batch]
        seconds: list[float] = []

        class Clock(TrainerCallback):
            def on_step_begin(self, *arguments, **others) -> None:
                self.start = time.perf_counter()

            def on_step_end(self, *arguments, **others) -> None:
                synchronise()
                seconds.append(time.perf_counter() - self.start)

        Trainer(self.model, self.arguments, train_dataset=rows, callbacks=[Clock()]).train()
        return seconds[1:]


def make_way(name: str, options: argparse.Namespace, scratch: str) -> Callable[[], tuple[list[float], int]]:
    """Return a function that does the steps of a round and returns their seconds and the optimiser state in bytes."""
    torch.set_num_threads(options.threads)
    shape = SMALL if options.small else SHAPE
    model = make_model(shape)
    if name == TRAINER:
        way: Way = TrainerWay(model, options.batch, scratch)
    else:
        engine, plan = name.split(", ")
        way = OwnWay(model, plans(model)[plan], engine, options.batch)
    generator = torch.Generator().manual_seed(0)
    size = (options.steps + 1, options.batch, options.length)

    def run() -> tuple[list[float], int]:
        return way.run(list(torch.randint(shape["vocab_size"], size, generator=generator))), way.state

    return run


def synchronise() -> None:
    """Wait for the GPU if there is one."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def start_up() -> float:
    """Return the seconds from starting `tgl train` in a new process to the end of its first step, on tiny inputs."""
    from tests.train.continual_runs import PERIODS, write_inputs
    from tests.train.test_command import command

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_inputs(folder)
        start = time.perf_counter()
        process = subprocess.Popen(
            command(folder, folder, steps=10**6, checkpoint_steps=1, engine=ENGINE_OF_START),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            saved = folder / "state" / PERIODS[0] / "training" / "progress.json"
            while not saved.exists():
                if process.poll() is not None:
                    raise SystemExit(f"tgl train ended before its first step:\n{process.stdout.read()}")
                time.sleep(0.01)
            return time.perf_counter() - start
        finally:
            process.kill()
            process.wait()


ENGINE_OF_START = "deepspeed"  # the slower engine, because it imports more
FULL, TRAINER, DEEPSPEED = "plain, full", "Trainer, full", "deepspeed, full"
WAYS = (FULL, TRAINER, DEEPSPEED, "plain, lower half frozen", "plain, every other sublayer frozen")


def main() -> None:
    """Measure all ways in turns, and print the table and then the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="a tiny model, to test the script")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        made = {name: stack.enter_context(Apart(make_way, name, options, scratch)) for name in WAYS}
        found = in_turns(made, options.rounds)
    model = make_model(SMALL if options.small else SHAPE)
    size, tokens = sum(parameter.numel() for parameter in model.parameters()), options.batch * options.length
    seconds, state = {}, {}
    for name, rounds in found.items():
        lost = isinstance(rounds, Lost)
        seconds[name] = (
            rounds if lost else statistics.median(chain.from_iterable(taken for taken, _ in rounds))
        )
        state[name] = rounds if lost else rounds[-1][1] / 1e6
    print(
        f"GPT-2 of {size / 1e6:.0f}M parameters, {options.batch} x {options.length} tokens, {DEVICE}, {PRECISION}"
    )
    print(f"{'way':36}{'s/step':>10}{'tokens/s':>10}{'AdamW state, MB':>17}")
    for name in WAYS:
        speed = (
            "" if isinstance(seconds[name], Lost) else f"{tokens / seconds[name]:10.0f}{state[name]:17.0f}"
        )
        print(f"{name:36}{cell(seconds[name], '10.3f')}{speed}")
    for title, name, peer, against in (
        ("training, plain engine", FULL, "Hugging Face Trainer", TRAINER),
        ("training, DeepSpeed engine", DEEPSPEED, "plain engine", FULL),
    ):
        ratio = over(seconds[against], seconds[name])
        print(figure(title, over(tokens, seconds[name]), "tokens/s", peer, ratio, 1.0, True))
    for part, goal in (("lower half frozen", 0.80), ("every other sublayer frozen", None)):
        name = f"plain, {part}"
        ratio = over(seconds[name], seconds[FULL])
        print(figure(f"TGL+FP step, {part}", seconds[name], "s", "full step", ratio, goal, False))
        goal, ratio = 0.55 if goal else None, over(state[name], state[FULL])
        print(figure(f"optimiser state, {part}", state[name], "MB", "full", ratio, goal, False))
    start = start_up()
    print(figure(f"start to first step, {ENGINE_OF_START}", start, "s", "20 s", start / 20, 1.0, False))
    if DEVICE == "cuda":
        layers, width = SHAPE["n_layer"], SHAPE["n_embd"]
        operations = (6 * size + 12 * layers * width * options.length) * tokens
        share = over(operations / H100_PEAK, seconds[FULL])
        print(figure("share of the bf16 peak", share, "", "H100, 989 TFLOP/s", share, 0.40, True))


if __name__ == "__main__":
    main()
