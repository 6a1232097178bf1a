"""Estimate memory and time of the presets for the paper's three sizes, from steps measured on this machine.

    python benchmarks/evidence/paper_scale.py [LARGEST]

Measures full training steps (forward, backward, AdamW, fp32) on one sequence of 512 tokens, for each preset's model
with random weights and up to LARGEST billion parameters. The default is 0.2, which is only the 124M model. The 774M
model needs 16 GB of memory, 1.3B needs 24 GB. The step determines the floating-point operations per second of this
machine, and the bytes of activations for each token. From these follow the hours of the whole preset on this machine,
and on one GPU under a stated assumption. Prints a table and states the basis of each extrapolation.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import torch
import yaml
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoConfig

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from tgl.config.check import load_config  # noqa: E402, needs the path above

CONFIGS = {
    "paper-110m": GPT2Config(),
    "paper-770m": GPT2Config(n_layer=36, n_embd=1280, n_head=20),
    "paper-1.3b": GPTNeoConfig(
        hidden_size=2048, num_layers=24, num_heads=16, attention_types=[[["global", "local"], 12]]
    ),
}
GPU_PEAK, GPU_SHARE = 494e12, 0.4  # an H100's dense TF32 peak, and the assumed share of it


def floating_point_operations(num_parameters: int, layers: int, hidden: int, length: int) -> float:
    """Return operations per token for forward and backward.

    The formula is 6 for each parameter plus 12 * layers * hidden * length for attention.
    """
    return 6 * num_parameters + 12 * layers * hidden * length


def measured_step(config, length: int, steps: int = 3) -> tuple[float, float]:
    """Return the median seconds of a step on one sequence, and the bytes of activations."""
    model = AutoModelForCausalLM.from_config(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    tokens = torch.randint(0, config.vocab_size, (1, length))
    times, activations = [], 0
    for _ in range(steps + 1):  # the first step also allocates memory
        start = time.perf_counter()
        sizes: list[int] = []

        def packed(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(
                0 if isinstance(tensor, torch.nn.Parameter) else tensor.numel() * tensor.element_size()
            )
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(packed, lambda tensor: tensor):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        times.append(time.perf_counter() - start)
        activations = sum(sizes)
    return sorted(times[1:])[len(times[1:]) // 2], activations


def main() -> None:
    """Print the table."""
    largest = float(sys.argv[1]) if len(sys.argv) > 1 else 0.2
    torch.set_num_threads(1)
    reached = per_value = None
    heads = ["preset", "parameters", "step of 512 tokens here, s", "weights, gradients, AdamW, GB"]
    heads += [
        "activations per sequence, MB",
        "runs",
        "tokens per run",
        "all runs here, hours",
        "all, one GPU, hours",
    ]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    for name, hf_config in CONFIGS.items():
        preset = load_config(yaml.safe_load((REPOSITORY / f"workflow/presets/{name}.yaml").read_text()))
        with torch.device("meta"):
            num_parameters = sum(p.numel() for p in AutoModelForCausalLM.from_config(hf_config).parameters())
        length, layers, hidden = preset.tokens.block_size, hf_config.num_hidden_layers, hf_config.hidden_size
        operations = floating_point_operations(num_parameters, layers, hidden, length)
        if num_parameters <= largest * 1e9:
            seconds, activations = measured_step(hf_config, length)
            reached = operations * length / seconds
            per_value = activations / (length * layers * hidden)
            step, bytes_text = f"{seconds:.1f}", f"{activations / 1e6:.0f}"
        else:
            step = f"({operations * length / reached:.1f})"
            bytes_text = f"({per_value * length * layers * hidden / 1e6:.0f})"
        runs = len(preset.methods) * len(preset.train.learning_rates) * len(preset.seeds)
        tokens = preset.train.steps * preset.train.batch_size * length * len(preset.periods)
        total = runs * tokens * operations
        gpu_hours = total / (GPU_PEAK * GPU_SHARE) / 3600
        cells = [
            name,
            f"{num_parameters / 1e6:.0f}M",
            step,
            f"{16 * num_parameters / 1e9:.1f}",
            bytes_text,
            f"{runs}",
        ]
        cells += [f"{tokens / 1e6:.0f}M", f"{total / reached / 3600:,.0f}", f"{gpu_hours:,.0f}"]
        print("| " + " | ".join(cells) + " |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        "\nValues in brackets are scaled from the largest measured model, by operations or by layers * width. Measured "
        f"on one thread: {reached / 1e9:.0f} GFLOP/s, peak memory {peak:.1f} GB. The GPU hours assume {GPU_SHARE:.0%} "
        f"of {GPU_PEAK / 1e12:.0f} TFLOP/s; they are not measured."
    )


if __name__ == "__main__":
    main()
