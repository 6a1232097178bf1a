"""Trace facts by sublayer, after Meng et al. 2022 (ROME, arXiv 2202.05262).

The subject's embeddings are corrupted by noise, and the clean output of one sublayer is restored. The recovered
likelihood of the answer is the indirect effect of that sublayer. The differences from the paper are:

- Single sublayers are restored instead of windows of ten layers, because a small model does not have ten layers.
- Answers have several tokens, so the effect is given in log-likelihood as well as in probability.
- Facts whose likelihood does not fall under the corruption are excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.analysis.settings import AgreeConfig
from tgl.core.errors import TglError
from tgl.core.progress import track
from tgl.evaluate.spans import SpanTokens, span_tokens
from tgl.models.mode import measuring
from tgl.models.sublayers import Sublayer

SITES = ("last_subject", "all_positions")
BATCH_TOKENS = 4096


@dataclass(frozen=True)
class Fact:
    """The tokens of a probe. Tokens subject_first to subject_last (inclusive) name its subject."""

    probe: str
    tokens: SpanTokens
    subject_first: int
    subject_last: int


@dataclass(frozen=True)
class Trace:
    """Result of tracing one fact, averaged over noise draws.

    `clean`, `corrupted` and `restored` are mean log-likelihoods per token of the answer (nats). Probabilities are those
    of the whole answer.

    Attributes:
        probe: Id of the probe.
        clean: Without corruption.
        corrupted: With corruption.
        restored: With corruption and the clean output of one sublayer restored, [num_sites, num_units].
        clean_probability: Without corruption.
        corrupted_probability: With corruption.
        restored_probability: With corruption and one sublayer restored, [num_sites, num_units].
    """

    probe: str
    clean: float
    corrupted: float
    restored: np.ndarray
    clean_probability: float
    corrupted_probability: float
    restored_probability: np.ndarray


def find_subject(probe: dict, tokenizer: PreTrainedTokenizerBase, length: int) -> Fact | str:
    """Find the subject of a probe in its text.

    Args:
        probe: Row of the table `probes`.
        tokenizer: Tokenizer of the model.
        length: Largest number of tokens of the model.

    Returns:
        The fact, or the reason why the probe cannot be traced.
    """
    text, subject = probe["text"], probe["subject"]
    start = text[: probe["span_start"]].rfind(subject) if subject else -1
    if start < 0:
        return "subject not left of the answer"
    try:
        answer = span_tokens(tokenizer, text, (probe["span_start"], probe["span_end"]), max_length=length)
        name = span_tokens(tokenizer, text, (start, start + len(subject)), max_length=length)
    except TglError:
        return "cannot be tokenised"
    if len(name.ids) > len(answer.ids) - answer.num_targets or answer.ids[: len(name.ids)] != name.ids:
        return "subject runs into the answer or was cut off"
    return Fact(probe["id"], answer, name.first, len(name.ids) - 1)


@torch.no_grad()
def trace(
    model: PreTrainedModel,
    units: Sequence[Sublayer],
    facts: Sequence[Fact],
    *,
    settings: AgreeConfig,
    seed: int,
) -> list[Trace]:
    """Trace every fact.

    Args:
        model: The model.
        units: Sublayers to restore, one at a time.
        facts: Facts to trace.
        settings: The standard deviation of the noise is `noise_scale` times that of the embeddings (`deviation`).
        seed: Seed of the noise.
    """
    embedding = model.get_input_embeddings()
    spread = settings.noise_scale * deviation(embedding)
    with measuring(model):
        return [
            _trace_one(
                model,
                units,
                fact,
                draws=settings.noise_draws,
                spread=spread,
                seed=(seed, number),
            )
            for number, fact in enumerate(track(facts, "tracing", "facts"))
        ]


@torch.no_grad()
def deviation(embedding: torch.nn.Module) -> float:
    """Return the standard deviation of the outputs of an embedding over its vocabulary.

    The noise is added to the outputs, which can differ from the weights. For example, the embedding of Gemma multiplies
    its weights by the square root of the hidden size.
    """
    weight = embedding.weight
    return embedding(torch.arange(len(weight), device=weight.device)).float().std().item()


def _trace_one(
    model: PreTrainedModel,
    units: Sequence[Sublayer],
    fact: Fact,
    *,
    draws: int,
    spread: float,
    seed: tuple[int, int],
) -> Trace:
    embedding = model.get_input_embeddings()
    clean_outputs: list[torch.Tensor] = [torch.empty(0)] * len(units)

    def keep(number: int):
        def hook(module, inputs, output):
            clean_outputs[number] = _hidden(output, 1)[0].clone()

        return hook

    with ExitStack() as stack:
        for number, unit in enumerate(units):
            stack.callback(unit.output.register_forward_hook(keep(number)).remove)
        clean = _log_likelihoods(model, fact, 1)
    size = embedding.weight.shape[1]
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((draws, fact.subject_last + 1 - fact.subject_first, size)) * spread
    noise = torch.tensor(noise, dtype=embedding.weight.dtype, device=embedding.weight.device)
    # The first job has no restoration; then follows every (site, unit). Each job runs once per noise draw.
    jobs = [None, *((site, number) for site in range(len(SITES)) for number in range(len(units)))]
    step = max(1, BATCH_TOKENS // (len(fact.tokens.ids) * draws))
    found = torch.cat(
        [
            _run_jobs(
                model,
                units,
                fact,
                jobs=jobs[begin : begin + step],
                noise=noise,
                clean_outputs=clean_outputs,
            )
            for begin in range(0, len(jobs), step)
        ]
    )  # [jobs, draws]
    tokens = fact.tokens.num_targets
    means = (found.mean(1) / tokens).cpu().numpy()
    chances = found.exp().mean(1).cpu().numpy()
    shape = (len(SITES), len(units))
    return Trace(
        fact.probe,
        clean=float(clean[0] / tokens),
        corrupted=float(means[0]),
        restored=means[1:].reshape(shape),
        clean_probability=float(clean[0].exp()),
        corrupted_probability=float(chances[0]),
        restored_probability=chances[1:].reshape(shape),
    )


def _run_jobs(model, units, fact, *, jobs, noise, clean_outputs) -> torch.Tensor:
    """Return the answer's log-likelihood for each job and noise draw, [jobs, draws]."""
    draws = len(noise)
    subject = slice(fact.subject_first, fact.subject_last + 1)

    def corrupt(module, inputs, output):
        output = output.clone()
        output[:, subject] += noise.repeat(len(jobs), 1, 1)
        return output

    def restore(number: int):
        rows = [(row, job[0]) for row, job in enumerate(jobs) if job is not None and job[1] == number]

        def hook(module, inputs, output):
            hidden = _hidden(output, len(jobs) * draws).clone()
            for row, site in rows:
                places = fact.subject_last if SITES[site] == "last_subject" else slice(None)
                hidden[row * draws : (row + 1) * draws, places] = clean_outputs[number][places]
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden.view_as(output)

        return hook if rows else None

    with ExitStack() as stack:
        stack.callback(model.get_input_embeddings().register_forward_hook(corrupt).remove)
        for number, unit in enumerate(units):
            if hook := restore(number):
                stack.callback(unit.output.register_forward_hook(hook).remove)
        return _log_likelihoods(model, fact, len(jobs) * draws).view(len(jobs), draws)


def _log_likelihoods(model: PreTrainedModel, fact: Fact, rows: int) -> torch.Tensor:
    """Return the answer's log-likelihood (nats) in each of `rows` equal rows, float64 [rows]."""
    ids = torch.tensor(fact.tokens.ids, device=next(model.parameters()).device)
    first = fact.tokens.first

    def at_targets(module: torch.nn.Module, inputs: tuple) -> tuple:
        return (inputs[0][:, first - 1 :], *inputs[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(at_targets)
    try:
        logits = model(input_ids=ids[:-1].expand(rows, -1), use_cache=False).logits.float()
    finally:
        handle.remove()
    targets = ids[first:].expand(rows, -1)
    each = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    return -each.view(rows, -1).double().sum(1)


def _hidden(output: torch.Tensor | tuple, rows: int) -> torch.Tensor:
    """Return a sublayer's output as [rows, time, hidden]. The MLP of OPT merges rows and time into one dimension."""
    found = output[0] if isinstance(output, tuple) else output
    return found.view(rows, -1, found.shape[-1])
