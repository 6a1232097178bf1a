"""Log-likelihoods of spans and of held-out text: log-softmax in fp32, batches of a fixed composition."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.evaluate.spans import SpanTokens, span_tokens
from tgl.fit import num_positions
from tgl.tables import check_unique

BATCH_SEQUENCES = 64


def max_length(model: PreTrainedModel) -> int:
    """Return the number of positions of the model; 2048 where nothing bounds them."""
    return num_positions(model.config) or 2048


@torch.no_grad()
def log_likelihoods(model: PreTrainedModel, spans: Sequence[SpanTokens]) -> np.ndarray:
    """Return the sum of log-likelihoods (nats) of each span's tokens, [num_spans], float64.

    Sequences are sorted by length, padded on the right and put back in order; padding is never attended to
    by what stands left of it. Each distinct sequence is computed once.
    """
    distinct = sorted({(len(span.ids), tuple(span.ids), span.first) for span in spans})
    found: dict[tuple, float] = {}
    device = next(model.parameters()).device
    for begin in range(0, len(distinct), BATCH_SEQUENCES):
        group = distinct[begin : begin + BATCH_SEQUENCES]
        length = group[-1][0]
        tokens = torch.zeros(len(group), length, dtype=torch.long)
        is_target = torch.zeros(len(group), length, dtype=torch.bool)
        for row, (size, ids, first) in enumerate(group):
            tokens[row, :size] = torch.tensor(ids)
            is_target[row, first:size] = True
        logits = model(input_ids=tokens.to(device)).logits[:, :-1].float()  # [rows, length - 1, vocabulary]
        targets = tokens[:, 1:, None].to(device)
        each = logits.log_softmax(-1).gather(2, targets)[..., 0].double().cpu()
        sums = (each * is_target[:, 1:]).sum(1)
        found.update(zip(group, sums.tolist(), strict=True))
    return np.array([found[len(span.ids), tuple(span.ids), span.first] for span in spans])


@torch.no_grad()
def text_loss(
    model: PreTrainedModel, tokens: np.ndarray, block_size: int, begin_token: int
) -> tuple[float, int]:
    """Return (sum of negative log-likelihoods in nats, number of tokens) of a stream [num_tokens].

    The stream is cut into blocks, each begun with `begin_token`: every token of it is a target once.
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


def score_probes(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, probes: pa.Table, checkpoint: str
) -> Iterator[dict]:
    """Yield the rows of the table `scores`.

    Where candidates are known the answer's rank among them is given (1 = best; another candidate that holds
    for the same query is left out), else rank and num_candidates are 0. Validation probes are not ranked.
    """
    model.eval()
    length, rows = max_length(model), probes.to_pylist()
    check_unique((row["id"] for row in rows), "score: probes")
    answers: dict[str, set[str]] = {}
    for row in rows:
        answers.setdefault(row["answer_group"], set()).add(row["text"][row["span_start"] : row["span_end"]])
    spans: list[SpanTokens] = []
    owners: list[list[int]] = []
    for row in rows:
        start, end, text = row["span_start"], row["span_end"], row["text"]
        if not 0 <= start < end <= len(text):
            raise TglError(f"probe '{row['id']}': span [{start}, {end}) is no part of its text {text!r}")
        answer = text[start:end]
        others = [other for other in row["candidates"] if other not in answers[row["answer_group"]]]
        others = [] if row["split"] == "validation" else others
        positions = []
        for candidate in [answer, *others]:
            try:
                spans.append(
                    span_tokens(
                        tokenizer,
                        text[:start] + candidate + text[end:],
                        start,
                        start + len(candidate),
                        length,
                    )
                )
            except TglError as error:
                raise TglError(f"probe '{row['id']}': {error}") from None
            positions.append(len(spans) - 1)
        owners.append(positions)
    scores = log_likelihoods(model, spans) if spans else np.zeros(0)
    for row, positions in zip(rows, owners, strict=True):
        own = scores[positions[0]]
        if not math.isfinite(own):
            raise TglError(f"probe '{row['id']}': log-likelihood {own} at checkpoint '{checkpoint}'")
        ranked = len(positions) > 1
        yield {
            "checkpoint": checkpoint,
            "probe": row["id"],
            **{name: row[name] for name in ("set", "kind", "period", "relation", "split")},
            "num_tokens": spans[positions[0]].num_targets,
            "num_bytes": len(row["text"][row["span_start"] : row["span_end"]].encode()),
            "log_likelihood": float(own),
            # a tie counts against the answer
            "rank": 1 + int((scores[positions[1:]] >= own).sum()) if ranked else 0,
            "num_candidates": len(positions) if ranked else 0,
        }
