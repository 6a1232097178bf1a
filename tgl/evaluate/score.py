"""Compute log-likelihoods of spans and of held-out text, with log-softmax in fp32 and fixed batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.progress import track
from tgl.core.tables.read import check_unique
from tgl.evaluate.spans import SpanTokens, span_tokens
from tgl.models.fit import num_positions

BATCH_SEQUENCES = 64


def max_length(model: PreTrainedModel) -> int:
    """Return the number of positions of the model, or 2048 if it has no limit."""
    return num_positions(model.config) or 2048


@dataclass(frozen=True)
class SpanScores:
    """The scores of spans, in their order.

    Attributes:
        log_likelihood: Sums of log-likelihoods (nats) over the tokens of each span, [num_spans], float64.
        is_greedy: Whether greedy decoding from the text before gives the span, [num_spans], bool.
    """

    log_likelihood: np.ndarray
    is_greedy: np.ndarray


@torch.no_grad()
def span_scores(model: PreTrainedModel, spans: Sequence[SpanTokens]) -> SpanScores:
    """Return the log-likelihood of each span, and whether greedy decoding gives it.

    Sequences are sorted by length and padded on the right. The model is causal, so tokens never attend to the padding
    on their right. Each distinct sequence is computed once.

    Args:
        model: A causal language model.
        spans: Spans to score.
    """
    distinct = sorted({(len(span.ids), tuple(span.ids), span.first) for span in spans})
    found: dict[tuple, tuple[float, bool]] = {}
    device = next(model.parameters()).device
    batches = range(0, len(distinct), BATCH_SEQUENCES)
    for begin in track(batches, "scoring", "batches"):
        group = distinct[begin : begin + BATCH_SEQUENCES]
        length = group[-1][0]
        tokens = torch.zeros(len(group), length, dtype=torch.long)
        is_target = torch.zeros(len(group), length, dtype=torch.bool)
        for row, (size, ids, first) in enumerate(group):
            tokens[row, :size] = torch.tensor(ids)
            is_target[row, first:size] = True
        is_scored = is_target[:, 1:]  # [rows, length - 1]
        logits = (
            model(input_ids=tokens.to(device)).logits[:, :-1][is_scored.to(device)].float()
        )  # [targets, vocabulary]
        targets = tokens[:, 1:][is_scored].to(device)
        each = torch.zeros(is_scored.shape, dtype=torch.float64)
        each[is_scored] = logits.log_softmax(-1).gather(1, targets[:, None])[:, 0].double().cpu()
        # The prefix of a span decides each of its tokens, so greedy decoding gives it if each one is the most likely.
        is_likeliest = torch.ones(is_scored.shape, dtype=torch.bool)
        is_likeliest[is_scored] = (logits.argmax(-1) == targets).cpu()
        scores = zip(each.sum(1).tolist(), is_likeliest.all(1).tolist(), strict=True)
        found.update(zip(group, scores, strict=True))
    scored = [found[len(span.ids), tuple(span.ids), span.first] for span in spans]
    return SpanScores(
        np.array([value for value, _ in scored]), np.array([greedy for _, greedy in scored], dtype=bool)
    )


@torch.no_grad()
def text_loss(
    model: PreTrainedModel, tokens: np.ndarray, block_size: int, *, begin_token: int
) -> tuple[float, int]:
    """Return the loss of a token stream.

    The stream is cut into blocks. Each block starts with `begin_token`, so every token of the stream is a target once.

    Args:
        model: A causal language model.
        tokens: Token ids [num_tokens].
        block_size: Number of tokens of a block, including `begin_token`.
        begin_token: First token of every block.

    Returns:
        The sum of negative log-likelihoods in nats, and the number of tokens.
    """
    total, device = 0.0, next(model.parameters()).device
    width = block_size - 1
    for begin in range(0, len(tokens), width * 16):
        rows = [
            tokens[start : start + width]
            for start in range(begin, min(begin + width * 16, len(tokens)), width)
        ]
        whole = [row for row in rows if len(row) == width]
        for group in filter(None, (whole, [row for row in rows if len(row) < width])):
            targets = torch.from_numpy(np.stack(group).astype(np.int64)).to(device)
            inputs = torch.cat([torch.full_like(targets[:, :1], begin_token), targets[:, :-1]], dim=1)
            logits = model(input_ids=inputs).logits.float()
            each = logits.log_softmax(-1).gather(2, targets[..., None])[..., 0]
            total -= each.double().sum().item()
    return total, len(tokens)


@torch.no_grad()
def kl_divergence(
    base: PreTrainedModel,
    model: PreTrainedModel,
    tokens: np.ndarray,
    *,
    block_size: int,
    begin_token: int,
) -> float:
    """Return the mean Kullback-Leibler divergence KL(base || model) of the next-token distributions, in nats per token.

    Args:
        base: The model before training.
        model: The model after training, with the same vocabulary.
        tokens: Token ids [num_tokens], cut into blocks as in `text_loss`. NaN is returned if there are none.
        block_size: Number of tokens of a block, including `begin_token`.
        begin_token: First token of every block.
    """
    total, width, device = 0.0, block_size - 1, next(model.parameters()).device
    for start in range(0, len(tokens), width):
        ids = [begin_token, *tokens[start : start + width].tolist()][:-1]
        inputs = torch.tensor([ids], device=device)
        before = base(input_ids=inputs).logits.float().log_softmax(-1)
        after = model(input_ids=inputs).logits.float().log_softmax(-1)
        total += (before.exp() * (before - after)).sum().item()
    return total / len(tokens) if len(tokens) else math.nan


@dataclass(frozen=True)
class PreparedProbes:
    """Probes with the tokens of every answer to score.

    Attributes:
        rows: The rows of the table `probes`.
        spans: All answers to score.
        positions: For each row, the positions of its answers in `spans`, as in `_scored`.
    """

    rows: Sequence[Mapping]
    spans: Sequence[SpanTokens]
    positions: Sequence[range]


def prepare_probes(
    tokenizer: PreTrainedTokenizerBase,
    probes: pa.Table,
    *,
    max_length: int,
    every: pa.Table | None = None,
) -> PreparedProbes:
    """Tokenise what `score_prepared` scores, once for all models. At every step it takes up to a tenth of a run's time.

    Args:
        tokenizer: The tokenizer of the models to score.
        probes: Table `probes`.
        max_length: Largest number of tokens of these models, as in `max_length`.
        every: All probes of the experiment, also those that are not scored. Their answers to the same question are
            also correct, so they are not candidates. None: `probes`.

    Raises:
        TglError: If an id occurs twice, or if a span is invalid or cannot be scored.
    """
    rows = probes.to_pylist()
    check_unique((row["id"] for row in rows), "score: probes")
    answers: dict[str, set[str]] = {}
    asked = every if every is not None else probes
    for row in asked.select(["answer_group", "text", "span_start", "span_end"]).to_pylist():
        answers.setdefault(row["answer_group"], set()).add(row["text"][row["span_start"] : row["span_end"]])
    spans: list[SpanTokens] = []
    positions: list[range] = []
    for row in rows:
        start, end, text = row["span_start"], row["span_end"], row["text"]
        if not 0 <= start < end <= len(text):
            raise TglError(
                f"probe '{row['id']}': span [{start}, {end}) is not within its text {text!r}. Correct the span."
            )
        scored = _scored(row, answers)
        positions.append(range(len(spans), len(spans) + len(scored)))
        for answer in scored:
            whole = text[:start] + answer + text[end:]
            try:
                spans.append(
                    span_tokens(tokenizer, whole, (start, start + len(answer)), max_length=max_length)
                )
            except TglError as error:
                raise TglError(f"probe '{row['id']}': {error}") from None
    return PreparedProbes(rows, spans, positions)


def score_probes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, probes: pa.Table, *, checkpoint: str
) -> Iterator[dict]:
    """Yield the rows of the table `scores` (`prepare_probes`, then `score_prepared`).

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        probes: Table `probes`.
        checkpoint: Name of the model in the rows.

    Raises:
        TglError: If an id occurs twice, if a span is invalid or cannot be scored, or if a log-likelihood is not finite.
    """
    prepared = prepare_probes(tokenizer, probes, max_length=max_length(model))
    yield from score_prepared(model, prepared, checkpoint=checkpoint)


def score_prepared(model: PreTrainedModel, prepared: PreparedProbes, *, checkpoint: str) -> Iterator[dict]:
    """Yield the rows of the table `scores`.

    If a probe has candidates, the answer is ranked among them (1 is best). Other correct answers of the same question
    are excluded from the candidates. Without candidates, and for validation probes, rank and num_candidates are 0. The
    old answer of a test probe is scored in place of the answer; other probes have no old_log_likelihood.

    Args:
        model: A causal language model.
        prepared: Probes, prepared with its tokenizer.
        checkpoint: Name of the model in the rows.

    Raises:
        TglError: If a log-likelihood is not finite.
    """
    model.eval()
    scores = span_scores(model, prepared.spans)
    for row, positions in zip(prepared.rows, prepared.positions, strict=True):
        values = scores.log_likelihood[positions.start : positions.stop]
        own, others = values[0], values[1:]
        for value in values:
            if not math.isfinite(value):
                raise TglError(
                    f"probe '{row['id']}': log-likelihood {value} at checkpoint '{checkpoint}'; expected a finite "
                    "number. Train with a smaller learning rate."
                )
        old = float(others[-1]) if _old(row) else None
        ranked = others[:-1] if _old(row) else others
        yield {
            "checkpoint": checkpoint,
            "probe": row["id"],
            **{name: row[name] for name in ("set", "kind", "period", "relation", "split")},
            "num_tokens": prepared.spans[positions.start].num_targets,
            "num_bytes": len(row["text"][row["span_start"] : row["span_end"]].encode()),
            "log_likelihood": float(own),
            # A tie counts against the answer, so that a constant score does not rank first.
            "rank": 1 + int((ranked >= own).sum()) if len(ranked) else 0,
            "num_candidates": len(ranked) + 1 if len(ranked) else 0,
            "exact_match": bool(scores.is_greedy[positions.start]),
            "old_log_likelihood": old,
        }


def _old(row: Mapping) -> str:
    """Return the old answer of a test probe, "" for other probes: validation needs the loss alone."""
    return row["old_answer"] if row["split"] == "test" else ""


def _scored(row: Mapping, answers: Mapping[str, set[str]]) -> list[str]:
    """Return what is scored in place of the span: the answer, the other candidates of a test probe, its old answer."""
    answer = row["text"][row["span_start"] : row["span_end"]]
    others = [
        other for other in dict.fromkeys(row["candidates"]) if other not in answers[row["answer_group"]]
    ]
    others = [] if row["split"] == "validation" else others
    return [answer, *others, *filter(None, [_old(row)])]
