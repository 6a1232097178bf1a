"""Profile the tiny twin of every type behind AutoModelForCausalLM, and write the table of types in the documentation.

`python -m tests.support.every_type` writes docs/architectures.md.
"""

from __future__ import annotations

import functools
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers

from tests.support.twins import TYPES, twin
from tgl.core.errors import TglError
from tgl.core.vocabulary import UNRANKED
from tgl.evaluate.spans import SpanTokens
from tgl.models.sublayers import has_layout, ranked, sublayers
from tgl.profiling.coverage import cover
from tgl.profiling.norms import check_norms, gradient_norms

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architectures.md"
TOLERANCE = 1e-5
# Three examples of two lengths: a batch has padding.
EXAMPLES = [
    SpanTokens(np.random.default_rng(seed).integers(3, 60, length).tolist(), first)
    for seed, (length, first) in enumerate([(12, 4), (9, 2), (12, 8)])
]


@dataclass(frozen=True)
class Outcome:
    """What a type's twin showed.

    Attributes:
        built: Whether the twin was built, runs in double precision, and is causal.
        profiled: Whether its norms in a batch equal those of autograd, one example at a time.
        batched: Whether no parameter needs one example at a time.
        note: The parts of a block, or the reason why not.
    """

    built: bool
    profiled: bool = False
    batched: bool = False
    note: str = ""


@functools.cache
def outcome(kind: str) -> Outcome:
    """Return what the twin of a type shows."""
    try:
        model = twin(kind)
        causal = is_causal(model)
    except Exception as error:  # Whatever transformers raises for this type is the reason in the table.
        return Outcome(False, note=f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"[:100])
    if not causal:
        return Outcome(False, note="not causal")
    try:
        units = sublayers(model)
        coverage = cover(model, units)
        deviation = check_norms(model, units, EXAMPLES, coverage=coverage)
    except (TglError, RuntimeError, AssertionError) as error:
        return Outcome(True, note=str(error).splitlines()[0][:100])
    if not deviation < TOLERANCE:
        return Outcome(True, note=f"deviation {deviation:.1e}")
    parts = ", ".join(dict.fromkeys(unit.part for unit in ranked(units)))
    note = f"{parts}{' (layout)' if has_layout(model) else ''}"
    if coverage.autograd:
        of = {parameter: name for name, parameter in model.named_parameters()}
        names = sorted({".".join(of[p].split(".")[-2:]) for p in coverage.autograd})
        note += f"; one example at a time: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
    return Outcome(True, True, not coverage.autograd, note)


@torch.no_grad()
def is_causal(model: transformers.PreTrainedModel) -> bool:
    """Return whether another token changes the logits at its position and not before it."""
    ids = torch.tensor([EXAMPLES[0].ids])
    other = ids.clone()
    other[0, 6] = ids[0, 6] % 50 + 7
    logits = [model(input_ids=tokens, use_cache=False).logits for tokens in (ids, other)]
    changes = (logits[0] - logits[1]).abs().amax((0, 2))
    return bool(changes[:6].max() < 1e-9 < changes[6:].max())


def finite_and_nonzero(kind: str) -> bool:
    """Return whether every ranked unit that has a gradient in text has a finite norm above zero."""
    model = twin(kind)
    units = sublayers(model)
    norms = gradient_norms(model, units, EXAMPLES)
    places = [n for n, unit in enumerate(units) if unit.name not in UNRANKED]
    return bool(norms.finite.all() and (norms.each[:, places].max(0) > 0).all())


def lines() -> Iterator[str]:
    """Yield the lines of the page."""
    found = {kind: outcome(kind) for kind in TYPES}
    counts = Counter()
    for each in found.values():
        counts.update(built=each.built, profiled=each.profiled, batched=each.batched)
    share = {name: f"{counts[name]} ({counts[name] / counts['built']:.0%})" for name in counts}
    text = (
        f"Of the {len(TYPES)} types behind `AutoModelForCausalLM` in transformers {transformers.__version__}, "
        f"{counts['built']} can be built as a tiny causal model with random weights that runs in double precision. "
        f"`tgl` profiles {share['profiled']} of them, {share['batched']} without measuring any parameter one example "
        "at a time. Profiled means: the norms of all units in a batch with padding equal those of autograd, one "
        f"example at a time, to {TOLERANCE:.0e}.",
        "A type is divided by a layout in `tgl/models/layouts.py`, or else by its structure: the list of blocks, and "
        "in it the attention, other mixers of positions (state space, convolution, recurrence), MLP or experts, and "
        "norms. A norm belongs to the part that it feeds, or behind which it stands; one that feeds two parts in "
        "parallel belongs to the attention. Everything outside the blocks is in the unit `embedding`: embeddings, "
        "final norm, output head, towers for images and sound. So is cross-attention, which plain text does not use.",
        "This page is generated by `python -m tests.support.every_type`; a test compares it.",
    )
    yield "# Architectures"
    yield ""
    for paragraph in text:
        yield from textwrap.wrap(paragraph, 120, break_long_words=False, break_on_hyphens=False)
        yield ""
    yield "| type | profiled | in batches | parts of a block, or the reason |"
    yield "|---|---|---|---|"
    for kind, each in found.items():
        if each.built:
            yield f"| {kind} | {_word(each.profiled)} | {_word(each.batched)} | {each.note.replace('|', '/')} |"
    yield ""
    yield "Types whose tiny twin could not be built here or is not causal:"
    yield ""
    yield "| type | reason |"
    yield "|---|---|"
    for kind, each in found.items():
        if not each.built:
            yield f"| {kind} | {each.note.replace('|', '/')} |"


def _word(value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    PAGE.write_text("\n".join(lines()) + "\n")
