"""Which examples a profile compares: salient spans, their controls, and plain text.

- `updated`, `new_entity`, `unchanged`: salient spans of the validation split, by kind of knowledge.
- `shuffled`: the spans of the first of these kinds that occurs, with another answer of the same relation.
- `window`: windows of the pretraining text, the paper's denominator.
- `matched_span`: stretches of the pretraining text with as many target and context tokens as the salient spans.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.errors import TglError
from tgl.evaluate.spans import SpanTokens, span_tokens

KINDS = ("updated", "new_entity", "unchanged")


def salient_examples(
    probes: Sequence[dict],
    tokenizer: PreTrainedTokenizerBase,
    length: int,
) -> list[SpanTokens]:
    """Tokenise the probes' spans. Raises TglError naming the probe whose span cannot be scored."""
    found = []
    for probe in probes:
        try:
            found.append(
                span_tokens(tokenizer, probe["text"], probe["span_start"], probe["span_end"], length)
            )
        except TglError as error:
            raise TglError(f"probe '{probe['id']}': {error}") from None
    return found


def choose(probes: Sequence[dict], kind: str, period: str, most: int, seed: int) -> list[dict]:
    """Return at most `most` validation probes of a kind, drawn by `seed`, in a fixed order.

    They are the period's; where it has none of this kind, those of the earliest period that has.
    """
    of_kind = [probe for probe in probes if probe["kind"] == kind and probe["split"] == "validation"]
    periods = {probe["period"] for probe in of_kind}
    if periods and period not in periods:
        period = min(periods)
    found = sorted((probe for probe in of_kind if probe["period"] == period), key=lambda probe: probe["id"])
    return random.Random(f"profile:{seed}:{kind}").sample(found, min(most, len(found)))


def shuffled_answers(chosen: Sequence[dict], probes: Sequence[dict], seed: int) -> list[dict]:
    """Return the chosen probes with a wrong answer each: another probe's of the same relation.

    A probe whose relation has no other answer is left out.
    """
    rng = random.Random(f"shuffled:{seed}")
    right: dict[str, set[str]] = defaultdict(set)
    by_relation: dict[str, set[str]] = defaultdict(set)
    for probe in probes:
        answer = probe["text"][probe["span_start"] : probe["span_end"]]
        right[probe["answer_group"]].add(answer)
        by_relation[probe["relation"]].update([answer, *probe["candidates"]])
    swapped = []
    for probe in chosen:
        others = sorted(by_relation[probe["relation"]] - right[probe["answer_group"]])
        if not others:
            continue
        start, end, answer = probe["span_start"], probe["span_end"], rng.choice(others)
        text = probe["text"][:start] + answer + probe["text"][end:]
        swapped.append({**probe, "text": text, "span_end": start + len(answer)})
    return swapped


def windows(stream: np.ndarray, block_size: int, count: int, seed: int) -> list[SpanTokens]:
    """Return `count` windows of block_size tokens (all of the text, if shorter) at random places."""
    length = min(block_size, len(stream))
    if length < 2:
        raise TglError(f"profile: the pretraining text has {len(stream)} tokens, too few for a window")
    starts = np.random.default_rng((seed, 1)).integers(0, len(stream) - length + 1, size=count)
    return [SpanTokens(stream[start : start + length].tolist(), 1) for start in starts]


def matched_spans(stream: np.ndarray, like: Sequence[SpanTokens], count: int, seed: int) -> list[SpanTokens]:
    """Return `count` stretches of text, each as long as one of `like`, in targets and in context."""
    rng = np.random.default_rng((seed, 2))
    found = []
    for number in range(count):
        model = like[number % len(like)]
        length = min(len(model.ids), len(stream))
        start = int(rng.integers(0, len(stream) - length + 1))
        first = max(1, length - model.num_targets)
        found.append(SpanTokens(stream[start : start + length].tolist(), first))
    return found
