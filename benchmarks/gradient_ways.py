"""The methods that `benchmarks.profile` compares, on batches of one shape, and what is measured of each."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    PreTrainedModel,
)
from transformers.pytorch_utils import Conv1D

from benchmarks.processes import high_water
from tgl.evaluate.spans import SpanTokens
from tgl.models.gru import GruConfig, GruForCausalLM
from tgl.models.sublayers import sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import gradient_norms

VMAP_CHUNK = 4  # examples at once; the gradients of each take 0.5 GB for 124M parameters
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@dataclass(frozen=True)
class Job:
    """A method on batches of one shape.

    Attributes:
        shape: The shape of the model.
        length: The length of the windows, in tokens.
        count: The number of windows in a batch.
        way: The method.
        model: `plain`, `eager` (with eager attention), `twin` (the variant that Opacus supports), or one of `OTHERS`.
    """

    shape: dict
    length: int
    count: int
    way: str
    model: str = "plain"

    @property
    def name(self) -> str:
        """The name in the table."""
        return self.way if self.model == "plain" else f"{self.way}, {self.model}"


def mamba(shape: dict) -> PreTrainedModel:
    """Return a Mamba of the shape of Mamba-130M."""
    return MambaForCausalLM(
        MambaConfig(
            vocab_size=shape["vocab_size"],
            hidden_size=shape["n_embd"],
            num_hidden_layers=2 * shape["n_layer"],
        )
    )


def gru(shape: dict) -> PreTrainedModel:
    """Return a GRU with as many blocks."""
    return GruForCausalLM(
        GruConfig(
            vocab_size=shape["vocab_size"], hidden_size=shape["n_embd"], num_hidden_layers=shape["n_layer"]
        )
    )


def experts(shape: dict) -> PreTrainedModel:
    """Return a mixture of eight small experts in each block, two of which see a token."""
    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=shape["vocab_size"], hidden_size=shape["n_embd"], num_hidden_layers=shape["n_layer"] // 2,
            intermediate_size=2 * shape["n_embd"], num_local_experts=8, num_attention_heads=shape["n_head"],
            num_key_value_heads=shape["n_head"],
        )
    )  # fmt: skip


OTHERS = {"mamba": mamba, "gru": gru, "experts": experts}


def make_model(shape: dict, twin: bool = False) -> GPT2LMHeadModel:
    """Return GPT-2 with random weights; `twin` has an untied head and nn.Linear instead of Conv1D."""
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


def losses(model: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of each window, [batch]."""
    logits = model(input_ids=tokens[:, :-1]).logits
    each = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return each.view(len(tokens), -1).mean(1)


def ways(model: PreTrainedModel, tokens: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Return the methods to measure on a model, as functions without arguments."""
    units = sublayers(model)
    coverage = cover(model, units)
    examples = [SpanTokens(row.tolist(), 1) for row in tokens]
    parameters = list(model.parameters())

    def norms(mean: bool) -> object:
        return gradient_norms(
            model, units, examples, coverage=coverage, mean=mean, batch_tokens=tokens.numel()
        )

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

        # The mask of sdpa cannot be created under vmap, so the model uses eager attention.
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


def opacus_way(model: PreTrainedModel, tokens: torch.Tensor) -> Callable[[], object]:
    """Return a function that computes Opacus' ghost norms of the same losses, per parameter before the sum."""
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


def bergson_way(model: PreTrainedModel, tokens: torch.Tensor) -> Callable[[], object]:
    """Return a function that computes the norms of the gradients that Bergson collects of the blocks' matrices.

    Bergson forms the gradient of each example and matrix; this takes its norm at once. `tgl` measures more: biases,
    norms, embedding and output head too.
    """
    from bergson.collector.collector import HookCollectorBase

    class Norms(HookCollectorBase):
        def setup(self) -> None:
            self.found = {}

        def teardown(self) -> None:
            pass

        def process_batch(self, indices: list[int], **kwargs: object) -> None:
            pass

        def backward_hook(self, module: torch.nn.Module, g: torch.Tensor) -> None:
            self.found[module._name] = self._compute_gradient(module, g).norm(dim=1)

    matrices = {name for name, module in model.named_modules() if isinstance(module, Conv1D)}
    model.requires_grad_(False)
    model.get_input_embeddings().register_forward_hook(lambda module, ids, output: output.requires_grad_())
    collector = Norms(model=model, target_modules=matrices)

    def run() -> object:
        with collector:
            losses(model, tokens).sum().backward()
        return collector.found

    return run


def prepare(job: Job) -> Callable[[], object]:
    """Return the function of a job, with its model and tokens."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="Full backward hook is firing")  # Opacus, at embeddings
    if job.model in OTHERS:
        torch.manual_seed(0)
        model = OTHERS[job.model](job.shape).eval().to(DEVICE)
    else:
        model = make_model(job.shape, twin=job.model == "twin")
    if job.model == "eager":
        model.set_attn_implementation("eager")
    tokens = _tokens(job.shape, job.length, job.count)
    peers = {"opacus": opacus_way, "bergson": bergson_way}
    return peers[job.way](model, tokens) if job.way in peers else ways(model, tokens)[job.way]


def stopwatch(job: Job) -> Callable[[], float]:
    """Return a function that runs a job and returns its seconds, after one warm-up."""
    function = prepare(job)
    function()

    def run() -> float:
        _wait()
        start = time.perf_counter()
        function()
        _wait()
        return time.perf_counter() - start

    return run


def flops(job: Job) -> Callable[[], int]:
    """Return a function that counts a job's floating-point operations in matrix products and attention."""
    function = prepare(job)

    def run() -> int:
        with FlopCounterMode(display=False) as counter:
            function()
        return counter.get_total_flops()

    return run


def peak(job: Job) -> Callable[[], float]:
    """Return a function that measures a job's peak memory in MiB, without that of the model."""
    function = prepare(job)

    def run() -> float:
        if DEVICE == "cuda":
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            function()
            return (torch.cuda.max_memory_allocated() - before) / 2**20
        before = high_water()
        function()
        return high_water() - before

    return run


def _tokens(shape: dict, length: int, count: int) -> torch.Tensor:
    # One more token than `length`, because the model reads `length` positions and predicts as many.
    torch.manual_seed(1)
    return torch.randint(0, shape["vocab_size"], (count, length + 1)).to(DEVICE)


def _wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()
