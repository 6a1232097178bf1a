"""Exact per-example gradient norms of a causal language model, without per-example gradients.

The cost is a forward pass, the gradients of activations, and a little per layer (`tgl.profiling.squares`). This is less
than a training step. Autograd differentiates only parameters that no formula covers, one example at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.core.progress import bar
from tgl.evaluate.spans import SpanTokens
from tgl.models.mode import differentiating
from tgl.models.quantised import differences, is_quantised
from tgl.models.streamed import gradients_to, streamed
from tgl.models.sublayers import Slice, Sublayer
from tgl.profiling.capture import hooked
from tgl.profiling.coverage import Coverage, cover
from tgl.profiling.losses import NO_TARGET, target_losses
from tgl.profiling.mean import added, one_gradient, summed_by_hooks
from tgl.profiling.squares import sum_of_squares, wide

# Tokens per batch with padding, by device. Larger batches are not faster on a CPU, and the logits need memory.
BATCH_TOKENS = {"cpu": 1024, "cuda": 16384}

CHECK_TOLERANCE = 1e-3


@dataclass(frozen=True)
class GroupNorms:
    """Norms of one group of examples.

    Attributes:
        each: L2 norm of the gradient of each example's loss [num_examples, num_units]. Rows that are not finite belong
            to examples whose gradients are not finite.
        of_mean: Norm of the gradient of the mean loss of the finite examples [num_units]; None if not computed.
        num_tokens: Target tokens of each example [num_examples].
        losses: Loss of each example in nats per token [num_examples].
    """

    each: np.ndarray
    of_mean: np.ndarray | None
    num_tokens: np.ndarray
    losses: np.ndarray

    @property
    def finite(self) -> np.ndarray:
        """Whether each example has finite norms, bool [num_examples]."""
        return np.isfinite(self.each).all(1)


def gradient_norms(
    model: PreTrainedModel,
    units: Sequence[Sublayer],
    examples: Sequence[SpanTokens],
    *,
    coverage: Coverage | None = None,
    mean: bool = True,
    batch_tokens: int | None = None,
) -> GroupNorms:
    """Return the gradient norms of examples over all parameters of each unit.

    The loss of an example is the mean negative log-likelihood (nats) of its target tokens given all tokens to their
    left. In a window of plain text, all tokens except the first are targets. The order of the examples and the
    composition of batches only change rounding.

    Args:
        model: The model.
        units: Its sublayers.
        examples: The examples.
        coverage: The result of `cover`. None: computed here.
        mean: Whether to compute the norm of the mean gradient too, which needs the gradients of all weights.
        batch_tokens: Most tokens per batch, with padding. None: `default_batch_tokens`.

    Raises:
        TglError: There are no examples, or none has a finite norm.
    """
    if not examples:
        raise TglError("gradient norms: the group holds no example, expected at least one. Give more probes")
    coverage = coverage or cover(model, units)
    batch_tokens = batch_tokens or default_batch_tokens(
        next(model.parameters()).device.type, streamed(model) is not None
    )
    parameters = list(dict.fromkeys(parameter for unit in units for parameter in unit.touched()))
    wanted = parameters if mean else coverage.leftover
    each, losses = np.zeros((len(examples), len(units))), np.zeros(len(examples))
    total: list[torch.Tensor | None] = [None] * len(wanted)
    waiting = batches(examples, 1 if coverage.autograd else batch_tokens)
    with differentiating(model, wanted), bar("gradient norms", "examples") as progress:
        while waiting:
            members = waiting.pop()
            losses[members], squares, gradients = _one_batch(
                model, coverage, [examples[n] for n in members], wanted=wanted
            )
            if len(members) > 1 and any(p in squares and len(squares[p]) == 1 for p in coverage.unused):
                waiting += [
                    [number] for number in members
                ]  # A parameter is used after all, without a formula.
                continue
            norms = torch.stack([_of_unit(unit, squares, len(members)) for unit in units], dim=1)
            each[members] = norms.numpy()
            progress.update(int((each != 0).any(1).sum()), len(examples))
            # A gradient that is not finite must not enter the mean, so such a batch is repeated one by one.
            if mean and torch.isfinite(norms).all():
                total = added(total, gradients)
            elif mean and len(members) > 1:
                waiting += [[number] for number in members]
    found = np.isfinite(each).all(1).sum()
    if not found:
        raise TglError(
            f"gradient norms: none of the {len(examples)} examples has finite gradients in every unit; "
            "the model's weights or activations hold NaN or infinite values. Give an earlier checkpoint"
        )
    sums = dict(zip(wanted, total, strict=True))
    of_mean = _norms_of_mean(units, sums, found) if mean else None
    return GroupNorms(each, of_mean, np.array([example.num_targets for example in examples]), losses)


def default_batch_tokens(device: str, stream: bool) -> int:
    """Return the most tokens per batch: half of them on a CPU where the blocks of the model stay on disk."""
    most = BATCH_TOKENS.get(device, BATCH_TOKENS["cpu"])
    return most // 2 if stream and device == "cpu" else most


def batches(examples: Sequence[SpanTokens], batch_tokens: int) -> list[list[int]]:
    """Group examples of similar length into batches, independent of their order.

    Args:
        examples: The examples.
        batch_tokens: Most tokens per batch, with padding.

    Returns:
        The numbers of the examples in each batch.
    """
    order = sorted(
        range(len(examples)), key=lambda n: (-len(examples[n].ids), examples[n].first, examples[n].ids)
    )
    found: list[list[int]] = []
    longest = 0
    for number in order:
        if not found or (len(found[-1]) + 1) * longest > batch_tokens:
            found.append([])
            longest = len(examples[number].ids)
        found[-1].append(number)
    return found


def check_norms(
    model: PreTrainedModel, units: Sequence[Sublayer], examples: Sequence[SpanTokens], *, coverage: Coverage
) -> float:
    """Compare the norms of examples with plain autograd, and return the largest relative deviation over units.

    The check detects models that use a weight outside of the modules with hooks. Two examples of different lengths also
    detect models that mix the examples of a batch, or that padding changes. Of a model with quantised weights, only the
    first and the last block are compared, since the gradients of all dequantised weights can be larger than memory.

    Raises:
        TglError: The deviation is above CHECK_TOLERANCE and above eight times the machine epsilon of the coarsest dtype
            of the parameters.
    """
    found = gradient_norms(model, units, examples, coverage=coverage, mean=False).each
    coarsest = max(
        torch.finfo(p.dtype).eps for unit in units for p in unit.touched() if p.is_floating_point()
    )
    if any(map(is_quantised, (owner for unit in units for owner in unit.owners.values()))):
        ends = {min(unit.block for unit in units if unit.block >= 0), max(unit.block for unit in units)}
        found = found[:, [unit.block in ends for unit in units]]
        units = [unit for unit in units if unit.block in ends]
    exact = np.stack([_by_autograd(model, units, example) for example in examples])
    # A norm that is zero but for rounding has no relative deviation: that of a key with a single token to attend to.
    floor = np.maximum(coarsest * exact.max(1, keepdims=True), np.finfo(np.float64).tiny)
    deviation = np.abs(found - exact) / np.maximum(exact, floor)
    number, worst = np.unravel_index(int(deviation.argmax()), deviation.shape)
    if not deviation[number, worst] < max(CHECK_TOLERANCE, 8 * coarsest):
        raise TglError(
            f"gradient norms: the norm of '{units[worst].name}' is {found[number, worst]:.6g} by hooks and "
            f"{exact[number, worst]:.6g} by autograd. This model uses its weights in a way that the hooks do not "
            "cover; please report the architecture"
        )
    return float(deviation[number, worst])


def _by_autograd(model: PreTrainedModel, units: Sequence[Sublayer], example: SpanTokens) -> np.ndarray:
    """Return the gradient norm of one example in each unit [num_units] by plain autograd."""
    parameters = list(dict.fromkeys(parameter for unit in units for parameter in unit.touched()))
    squares: dict[nn.Parameter | Slice, torch.Tensor] = {}
    outside: dict[nn.Parameter, torch.Tensor] = {}

    def take(parameter: nn.Parameter, gradient: torch.Tensor) -> None:
        other = outside.pop(parameter, None)
        gradient = gradient if other is None else gradient + other
        squares.update(_squares_of(parameter, gradient.double(), units))

    floats = [parameter for parameter in parameters if parameter.is_floating_point()]
    modules = {module for unit in units for module in unit.owners.values()}
    with differentiating(model, floats), gradients_to(model, take), differences(modules) as added_weights:
        tokens = torch.tensor([example.ids], device=parameters[0].device)
        logits = model(input_ids=tokens, use_cache=False).logits[0, example.first - 1 : -1]
        loss = functional.cross_entropy(wide(logits), tokens[0, example.first :].to(logits.device))
        by = {parameter: parameter for parameter in floats} | added_weights
        gradients = torch.autograd.grad(loss, list(by.values()), allow_unused=True)
        outside |= {p: g for p, g in zip(by, gradients, strict=True) if g is not None}
    for parameter, gradient in outside.items():
        squares.update(_squares_of(parameter, gradient.double(), units))
    return np.array([_of_unit(unit, squares, 1).item() for unit in units])


def _one_batch(
    model: PreTrainedModel,
    coverage: Coverage,
    examples: Sequence[SpanTokens],
    *,
    wanted: Sequence[torch.nn.Parameter],
) -> tuple[np.ndarray, dict, Sequence[torch.Tensor | None]]:
    """Return (losses [batch], squared norms [batch] by parameter, gradients of the summed loss for `wanted`)."""
    device = next(model.parameters()).device
    time = max(len(example.ids) for example in examples) - 1  # The last target is not an input.
    width = max(example.num_targets for example in examples)
    tokens = torch.zeros(len(examples), time, dtype=torch.long)
    positions = torch.zeros(len(examples), width, dtype=torch.long)
    targets = torch.full((len(examples), width), NO_TARGET)
    for row, example in enumerate(examples):
        ids = torch.tensor(example.ids)
        tokens[row, : len(ids) - 1] = ids[:-1]
        positions[row, : example.num_targets] = torch.arange(example.first - 1, len(ids) - 1)
        targets[row, : example.num_targets] = ids[example.first :]
    tokens, positions, targets = tokens.to(device), positions.to(device), targets.to(device)
    head = model.get_output_embeddings()
    # The blocks of a streamed model return the gradients of their weights themselves (`gradients_to`).
    summed = (
        frozenset()
        if streamed(model)
        else summed_by_hooks(coverage, wanted, lambda module: width if module is head else time)
    )
    in_blocks: dict[nn.Parameter, torch.Tensor] = {}
    with (
        hooked(model, coverage, positions, summed=summed) as capture,
        gradients_to(model, in_blocks.__setitem__),
    ):
        logits = model(input_ids=tokens, use_cache=False).logits  # [batch, targets, vocabulary]
        losses, outer = target_losses(logits, targets)
        starts = capture.starts
        asked = [p for p in wanted if p not in summed and p.is_floating_point()]
        found = torch.autograd.grad(logits, [*starts, *asked], grad_outputs=outer, allow_unused=True)
        capture.finish()
    own = dict(zip(asked, found[len(starts) :], strict=True)) | capture.sums
    gradients = [one_gradient(in_blocks.get(p), own.get(p)) for p in wanted]
    by_autograd = set(coverage.leftover)
    found = {
        parameter: sum_of_squares(gradient[None])
        for parameter, gradient in zip(wanted, gradients, strict=True)
        if gradient is not None and parameter in by_autograd
    }
    return losses.detach().double().cpu().numpy(), {**capture.squares, **found}, gradients


def _norms_of_mean(units: Sequence[Sublayer], sums: dict, count: int) -> np.ndarray:
    """Return the norm of each unit's mean gradient from the parameters' sums over `count` examples."""
    squares = {}
    for parameter, summed in sums.items():
        if summed is not None:
            squares |= _squares_of(parameter, summed, units)
    return np.array([_of_unit(unit, squares, 1).item() for unit in units]) / count


def _squares_of(
    parameter: nn.Parameter, gradient: torch.Tensor, units: Sequence[Sublayer]
) -> dict[nn.Parameter | Slice, torch.Tensor]:
    """Return the squared norm [1] of a gradient, and of each of its parts that a unit has."""
    parts = [part for unit in units for part in unit.slices if part.parameter is parameter]
    return {
        key: sum_of_squares(values[None])
        for key, values in [(parameter, gradient), *((part, part.of(gradient)) for part in parts)]
    }


def _of_unit(unit: Sublayer, squares: dict, count: int) -> torch.Tensor:
    """Return the norm of the unit for each example [count]; squares below zero are rounding errors and count as 0."""
    found = [squares[p].cpu() for p in (*unit.parameters.values(), *unit.slices) if p in squares]
    return torch.stack(found).sum(0).clamp(min=0).sqrt() if found else torch.zeros(count, dtype=torch.float64)
