"""Greedy continuations of the text before a probe's span, for a few probes."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import torch
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.spacing import evenly_spaced
from tgl.core.vocabulary import TEST
from tgl.evaluate.score import max_length
from tgl.evaluate.spans import span_tokens

PROBES = 12  # Probes of all sets, kinds and periods together, but at least one of each.
TOKENS = 16  # New tokens, at most.
_BATCH = 8  # Contexts in a batch. The logits of all their positions are in memory at once.


def generations(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, probes: pa.Table, *, checkpoint: str
) -> Iterator[dict]:
    """Yield the rows of the table `generations`.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        probes: Table `probes`. Evenly spaced test probes of each set, kind and period are continued.
        checkpoint: Name of the model in the rows.

    Raises:
        TglError: A span cannot be tokenised.
    """
    model.eval()
    rows = sampled(probes.filter(pc.equal(probes["split"], TEST)).to_pylist())
    count = min(TOKENS, max_length(model) - 2)
    length = max_length(model) - count
    contexts = []
    for row in rows:
        span = (row["span_start"], row["span_end"])
        tokens = span_tokens(tokenizer, row["text"], span, max_length=max_length(model))
        contexts.append([tokens.ids[0], *tokens.ids[1 : tokens.first][-(length - 1) :]])
    for row, ids in zip(rows, greedy(model, contexts, count), strict=True):
        # What comes after the end of a text is another text.
        ids = ids[: ids.index(tokenizer.eos_token_id)] if tokenizer.eos_token_id in ids else ids
        yield {"checkpoint": checkpoint, "probe": row["id"], "text": tokenizer.decode(ids)}


def sampled(rows: list[dict]) -> list[dict]:
    """Return evenly spaced rows of each set, kind and period: equal shares of `PROBES`, at least one of each."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["set"], row["kind"], row["period"]), []).append(row)
    share = max(1, PROBES // max(1, len(groups)))
    return [group[place] for group in groups.values() for place in evenly_spaced(len(group), share)]


@torch.no_grad()
def greedy(model: PreTrainedModel, contexts: list[list[int]], count: int) -> list[list[int]]:
    """Return the next `count` tokens of each context by greedy decoding.

    Contexts are padded on the right. The model is causal, so the token after a context does not depend on the padding.

    Args:
        model: A causal language model.
        contexts: Token ids. With the new tokens, none may be longer than the model's positions.
        count: Number of new tokens.

    Returns:
        The new token ids of each context, in the order of the contexts.
    """
    order = sorted(range(len(contexts)), key=lambda number: len(contexts[number]))
    found: list[list[int]] = [[]] * len(contexts)
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        for number, ids in zip(batch, _continued(model, [contexts[n] for n in batch], count), strict=True):
            found[number] = ids
    return found


def _continued(model: PreTrainedModel, contexts: list[list[int]], count: int) -> list[list[int]]:
    device = next(model.parameters()).device
    lengths = torch.tensor([len(ids) for ids in contexts])
    tokens = torch.zeros(len(contexts), int(lengths.max()) + count, dtype=torch.long)
    for row, ids in enumerate(contexts):
        tokens[row, : len(ids)] = torch.tensor(ids)
    every = torch.arange(len(contexts))
    for step in range(count):
        width = int(lengths.max()) + step
        logits = model(input_ids=tokens[:, :width].to(device)).logits
        last = logits[every.to(device), (lengths + step - 1).to(device)]
        tokens[every, lengths + step] = last.argmax(-1).cpu()
    return [tokens[row, size : size + count].tolist() for row, size in enumerate(lengths.tolist())]
