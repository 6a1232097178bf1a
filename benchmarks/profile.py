"""Per-example gradient norms of every sublayer: cost against training, against other ways to get them.

    python -m benchmarks.profile [--lengths 32 128 512] [--tokens 1024] [--repeats 5] [--small]

One process, one thread (on a GPU: one device), GPT-2 of 124M parameters with random weights, batches of plain-text
windows (every position but the first a target). Peers, each in the same run:

- `forward+backward`: what a training step costs without its optimiser, weights' gradients summed over the batch;
- `loop`: autograd, one example at a time;
- `vmap`: torch.func's per-example gradients;
- `opacus`: Opacus' ghost clipping (pip install opacus), which knows nn.Linear and untied heads only: both are
  measured on a twin with those.

Each figure is a line of JSON; the table before it is for people. Peak memory is measured in a fresh process a way.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.pytorch_utils import Conv1D

from benchmarks.figures import figure
from tgl.evaluate.spans import SpanTokens
from tgl.profiling.capture import cover
from tgl.profiling.norms import gradient_norms
from tgl.sublayers import sublayers

TIME_GOALS = {32: 0.95, 128: 1.0, 512: 1.0}
FLOP_GOALS = {32: 0.70, 128: 0.80, 512: 0.95}
LOOP_GOALS = {32: 2.0}
SHAPE = {"n_layer": 12, "n_embd": 768, "n_head": 12, "vocab_size": 50257}
SMALL = {"n_layer": 2, "n_embd": 64, "n_head": 2, "vocab_size": 1000}
VMAP_CHUNK = 4  # examples at once: each holds all its gradients, 0.5 GB for 124M parameters
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def make_model(shape: dict, twin: bool = False) -> GPT2LMHeadModel:
    """Return GPT-2 with random weights; `twin`: its head untied and its Conv1D turned into nn.Linear."""
    torch.manual_seed(0)
    config = GPT2Config(**shape, n_positions=1024, tie_word_embeddings=not twin, use_cache=False,
                        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    if twin:
        for parent in list(model.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, Conv1D):
                    linear = torch.nn.Linear(child.nx, child.nf)
                    linear.weight.data, linear.bias.data = child.weight.data.T.contiguous(), child.bias.data
                    setattr(parent, name, linear)
    return model.to(DEVICE)


def losses(model: GPT2LMHeadModel, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of each window, [batch]."""
    logits = model(input_ids=tokens[:, :-1]).logits
    each = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return each.view(len(tokens), -1).mean(1)


def ways(model: GPT2LMHeadModel, tokens: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return the ways to measure on a model, each a function of no argument."""
    units = sublayers(model)
    coverage = cover(model, units)
    examples = [SpanTokens(row.tolist(), 1) for row in tokens]
    parameters = list(model.parameters())

    def norms(mean: bool) -> object:
        return gradient_norms(model, units, examples, coverage, mean=mean, batch_tokens=tokens.numel())

    def step() -> object:
        return torch.autograd.grad(losses(model, tokens).sum(), parameters)

    def loop() -> object:
        found = []
        for row in tokens:
            gradients = torch.autograd.grad(losses(model, row[None])[0], parameters)
            found.append([gradient.square().sum() for gradient in gradients])
        return found

    def vmap() -> object:
        named = dict(model.named_parameters())

        def loss(weights: dict, row: torch.Tensor) -> torch.Tensor:
            logits = torch.func.functional_call(
                model, weights, (), {"input_ids": row[None, :-1], "position_ids": places}, tie_weights=True
            ).logits
            return functional.cross_entropy(logits[0], row[1:])

        # sdpa's mask cannot be made under vmap: the model's eager attention is used instead
        places = torch.arange(tokens.shape[1] - 1, device=tokens.device)[None]
        gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0), chunk_size=VMAP_CHUNK)(
            named, tokens
        )
        return [gradient.flatten(1).square().sum(1) for gradient in gradients.values()]

    return {
        "tgl": lambda: norms(False),
        "tgl with norm of mean": lambda: norms(True),
        "forward+backward": step,
        "loop": loop,
        "vmap": vmap,
    }


def opacus_way(model: GPT2LMHeadModel, tokens: torch.Tensor) -> Callable[[], object]:
    """Return Opacus' ghost norms of the same losses; its norm is taken per parameter, before it sums them."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    wrapped = GradSampleModuleFastGradientClipping(
        model,
        batch_first=True,
        loss_reduction="sum",
        max_grad_norm=1.0,
        use_ghost_clipping=True,
        strict=False,
    )
    wrapped.train()

    def run() -> object:
        places = torch.arange(tokens.shape[1] - 1, device=tokens.device).repeat(len(tokens), 1)
        logits = wrapped(input_ids=tokens[:, :-1].contiguous(), position_ids=places).logits
        each = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
        each.view(len(tokens), -1).mean(1).sum().backward()
        found = [p._norm_sample for p in wrapped.parameters() if hasattr(p, "_norm_sample")]
        wrapped.zero_grad(set_to_none=True)
        return found

    return run


def seconds(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median time of each, measured in turn, after one run to warm up."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(repeats + 1):
        for name, function in functions.items():
            _wait()
            start = time.perf_counter()
            function()
            _wait()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def flops(function: Callable[[], object]) -> int:
    """Return the floating-point operations of matrix products and attention."""
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def peak_megabytes(shape: dict, length: int, count: int, way: str) -> float:
    """Return the peak memory of one way in a process of its own, less that of the model alone."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (shape, length, count, way))


def _peak(shape: dict, length: int, count: int, way: str) -> float:
    torch.set_num_threads(1)
    model = make_model(shape, twin=way == "opacus")
    tokens = _tokens(shape, length, count)
    if way == "vmap":
        model.set_attn_implementation("eager")
    function = opacus_way(model, tokens) if way == "opacus" else ways(model, tokens)[way]
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = _high_water()
    function()
    return _high_water() - before


def _high_water() -> float:
    """Return the process's peak resident memory in MiB; ru_maxrss would start from that of the parent."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def _tokens(shape: dict, length: int, count: int) -> torch.Tensor:
    # length positions are read, as many are predicted
    torch.manual_seed(1)
    return torch.randint(0, shape["vocab_size"], (count, length + 1)).to(DEVICE)


def _wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Measure every length and print the table, then the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--tokens", type=int, default=1024, help="tokens a batch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a toy shape: does the script run?")
    parser.add_argument("--no-memory", action="store_true")
    options = parser.parse_args()
    shape = SMALL if options.small else SHAPE
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Full backward hook is firing")  # Opacus, at embeddings
    lines = []
    print(f"{DEVICE}, torch {torch.__version__}, {torch.get_num_threads()} thread, {shape}", flush=True)
    for length in options.lengths:
        count = max(2, options.tokens // length)
        tokens = _tokens(shape, length, count)
        model = make_model(shape)
        functions = ways(model, tokens)
        vmap = functions.pop("vmap")
        found = seconds(functions, options.repeats)
        work = {name: flops(functions[name]) for name in ("tgl", "tgl with norm of mean", "forward+backward")}
        model.set_attn_implementation("eager")
        found |= {f"{name}, eager": t for name, t in seconds(
            {"tgl": functions["tgl"], "vmap": vmap}, max(1, options.repeats // 2)).items()}  # fmt: skip
        twin = make_model(shape, twin=True)
        pair = {"tgl": ways(twin, tokens)["tgl"]}
        try:
            pair["opacus"] = opacus_way(make_model(shape, twin=True), tokens)
        except ImportError:
            print("opacus is not installed: left out", file=sys.stderr)
        found |= {f"{name}, twin": t for name, t in seconds(pair, options.repeats).items()}
        print(f"\nT={length}, batch {count}")
        for name, value in found.items():
            print(f"  {name:<28}{value:8.3f} s {value / found['forward+backward']:7.3f} of forward+backward")
        for name, value in work.items():
            print(f"  {name:<28}{value / 1e9:8.1f} GFLOP {value / work['forward+backward']:7.3f}")
        names = ["tgl", "forward+backward", "loop", "vmap", *(["opacus"] if "opacus" in pair else [])]
        memory = {} if options.no_memory else {n: peak_megabytes(shape, length, count, n) for n in names}
        for name, value in memory.items():
            print(f"  {name:<28}{value:8.0f} MiB peak above the model")
        sys.stdout.flush()
        at = f"T={length}"
        time_ratio = found["tgl"] / found["forward+backward"]
        lines += [
            figure(f"norms_time_{at}", found["tgl"], "s", "forward+backward", time_ratio,
                   TIME_GOALS.get(length), least=False),
            figure(f"norms_flops_{at}", work["tgl"] / 1e9, "GFLOP", "forward+backward",
                   work["tgl"] / work["forward+backward"], FLOP_GOALS.get(length), least=False),
            figure(f"norms_speed_up_{at}", found["tgl"], "s", "batch-1 loop", found["loop"] / found["tgl"],
                   LOOP_GOALS.get(length), least=True),
            figure(f"norms_speed_up_vmap_{at}", found["tgl, eager"], "s", "torch.func vmap",
                   found["vmap, eager"] / found["tgl, eager"], None, least=True),
        ]  # fmt: skip
        if "opacus" in pair:
            lines.append(figure(f"norms_speed_up_opacus_{at}", found["tgl, twin"], "s", "opacus ghost norms",
                                found["opacus, twin"] / found["tgl, twin"], None, least=True))  # fmt: skip
        lines += [
            figure(f"norms_memory_{name.replace('+', '_')}_{at}", memory["tgl"], "MiB", name,
                   memory["tgl"] / memory[name], None, least=False)
            for name in memory if name != "tgl"
        ]  # fmt: skip
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
