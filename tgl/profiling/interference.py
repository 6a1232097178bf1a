"""Measure how much each sublayer takes up of new facts and how much its change disturbs old text.

AdamW moves a weight by about its learning rate in each step, whatever the size of its gradient. So if sublayer i has
the rate lr_i, the loss of the salient spans falls by about lr_i * a_i in one step, where a_i is the L1 norm of their
mean gradient. Old text loses about 1/2 * lr_i^2 * f_i nats per token, where f_i is the trace of the Fisher information
of the sublayer on old text. For a fixed loss of old text, the largest uptake has lr_i proportional to a_i / f_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.core.tables.write import write_table
from tgl.core.vocabulary import TRAIN, UNRANKED
from tgl.evaluate.score import max_length
from tgl.evaluate.spans import SpanTokens, span_tokens
from tgl.models.checkpoint import load_checkpoint, weights_hash
from tgl.models.fit import check_tokenizer
from tgl.models.matrices import model_units
from tgl.models.mode import differentiating
from tgl.models.sublayers import Sublayer
from tgl.profiling.fisher import fisher_diagonal
from tgl.profiling.groups import choose, warn_of_period
from tgl.profiling.settings import ProfileConfig
from tgl.text.tokens import check_packed, read_stream


def write_interference(
    model: str | Path,
    *,
    probes: str | Path,
    tokens: str | Path,
    output: str | Path,
    salient: str,
    period: str,
    settings: ProfileConfig,
) -> None:
    """Write the table `interference` of a model's sublayers.

    Args:
        model: The folder of the model.
        probes: The table `probes`. Its validation probes are used.
        tokens: The table `tokens` of the old text.
        output: The table to write.
        salient: The kind of the salient spans.
        period: The period of the salient spans. If it has none, those of the earliest one are used.
        settings: The section `profile`. Its `examples` is the number of spans and of sequences of old text.

    Raises:
        TglError: There are no salient spans or no old text, or the text was packed with another tokenizer.
    """
    checkpoint = load_checkpoint(model)
    network, tokenizer = checkpoint.model, checkpoint.tokenizer
    check_tokenizer(network, tokenizer)
    check_packed([tokens], tokenizer)
    units = [unit for unit in model_units(network, settings.unit) if unit.name not in UNRANKED]
    length, size = max_length(network), min(settings.window_tokens, max_length(network))
    given = read_table(probes, "probes").to_pylist()
    warn_of_period(given, period)
    rows = choose(given, salient, period, most=settings.examples, seed=settings.seed)
    if not rows:
        raise TglError(f"{probes}: found no validation probe of kind '{salient}', expected at least one")
    spans = [
        span_tokens(tokenizer, row["text"], (row["span_start"], row["span_end"]), max_length=length)
        for row in rows
    ]
    stream = read_stream(tokens, TRAIN)
    if len(stream) < size:
        raise TglError(f"{tokens}: found {len(stream)} tokens of training text, expected at least {size}")
    starts = np.random.default_rng(settings.seed).integers(0, len(stream) - size + 1, settings.examples)
    sequences = torch.from_numpy(
        np.stack([stream[start : start + size] for start in starts]).astype(np.int64)
    )
    uptake = uptakes(network, units, spans)
    fisher = traces(network, units, sequences, seed=settings.seed)
    table = [
        {"sublayer": unit.name, "num_parameters": unit.num_parameters, "uptake": uptake[unit.name]}
        | {"fisher": fisher[unit.name]}
        for unit in units
    ]
    counts = {"spans": len(spans), "sequences": len(sequences)}
    about = {"period taken": rows[0]["period"], "salient": salient, "model_sha256": weights_hash(network)}
    write_table(table, output, "interference", counts=counts, about=about)


def uptakes(
    model: PreTrainedModel, units: Sequence[Sublayer], spans: Sequence[SpanTokens]
) -> dict[str, float]:
    """Return the L1 norm of the spans' mean gradient by sublayer, in nats per unit of weight.

    The loss of a span is the mean negative log-likelihood of its tokens.
    """
    parameters = _parameters(units)
    total = [torch.zeros_like(parameter) for parameter in parameters]
    device = parameters[0].device
    with differentiating(model, parameters):
        for span in spans:
            ids = torch.tensor([span.ids], device=device)
            logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
            loss = functional.cross_entropy(logits[span.first - 1 :], ids[0, span.first :])
            _add(total, torch.autograd.grad(loss, parameters, allow_unused=True))
    return _by_unit(units, [(found / len(spans)).abs().sum().item() for found in total])


def traces(
    model: PreTrainedModel, units: Sequence[Sublayer], sequences: torch.Tensor, *, seed: int
) -> dict[str, float]:
    """Return the trace of the Fisher information per token by sublayer (`fisher_diagonal`).

    Args:
        model: The model.
        units: The sublayers.
        sequences: int64 [num_sequences, time].
        seed: Seed of the drawn labels.
    """
    diagonal = fisher_diagonal(model, _parameters(units), sequences, seed=seed)
    return _by_unit(units, [found.sum().item() for found in diagonal])


def _parameters(units: Sequence[Sublayer]) -> list[torch.nn.Parameter]:
    return [parameter for unit in units for parameter in unit.parameters.values()]


def _add(total: list[torch.Tensor], gradients: Sequence[torch.Tensor | None]) -> None:
    for found, gradient in zip(total, gradients, strict=True):
        if gradient is not None:
            found += gradient


def _by_unit(units: Sequence[Sublayer], values: list[float]) -> dict[str, float]:
    """Return the sum of the values of each unit's parameters."""
    each = iter(values)
    return {unit.name: sum(next(each) for _ in unit.parameters) for unit in units}
