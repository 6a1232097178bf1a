"""Stage `profile`: a model, probes and pretraining text to the tables `norms` and `profile`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel

from tgl.config import ProfileConfig
from tgl.errors import TglError
from tgl.evaluate.score import max_length
from tgl.evaluate.spans import SpanTokens
from tgl.profile import groups
from tgl.profile.norms import GroupNorms, gradient_norms
from tgl.profile.ratios import DENOMINATORS, relative_norm
from tgl.sublayers import EMBEDDING, Sublayer, sublayers
from tgl.tables import read_table, write_table
from tgl.text.tokens import load_tokenizer, read_stream
from tgl.train.checkpoint import load_model, random_twin


def profile_model(
    model: str | Path,
    probes: str | Path,
    tokens: str | Path,
    period: str,
    settings: ProfileConfig,
    seed: int,
    norms_output: str | Path,
    profile_output: str | Path,
    say: Callable[[str], None] = print,
) -> None:
    """Measure every group on the model and on its randomly initialised twin and write both tables.

    Raises TglError when the salient kind has fewer than two validation probes in `period`.
    """
    tokenizer = load_tokenizer(model)
    trained = load_model(model)
    rows = read_table(probes, "probes").to_pylist()
    stream = read_stream(tokens, "train")
    examples = make_examples(rows, stream, tokenizer, period, settings, max_length(trained))
    norm_rows: list[dict] = []
    profile_rows: list[dict] = []
    for weights, network in (("trained", trained), ("random", random_twin(model, seed + 1_000_003))):
        units = sublayers(network)
        measured = measure(network, units, examples, lambda text: say(f"{weights} weights, {text}"))  # noqa: B023
        norm_rows += [
            {"weights": weights, **row}
            for name, norms in measured.items()
            for row in _norm_rows(name, norms, units)
        ]
        profile_rows += [
            {"weights": weights, **row} for row in profile_rows_of(measured, units, settings.bootstrap, seed)
        ]
    write_table(norm_rows, norms_output, "norms")
    counts = {f"{name}_examples": len(found) for name, found in examples.items()}
    write_table(profile_rows, profile_output, "profile", counts)


def make_examples(
    probes: list[dict],
    stream: np.ndarray,
    tokenizer,
    period: str,
    settings: ProfileConfig,
    length: int,
) -> dict[str, list[SpanTokens]]:
    """Return the examples of each group; a kind without two validation probes is left out."""
    chosen = {
        kind: groups.choose(probes, kind, period, settings.examples, settings.seed) for kind in groups.KINDS
    }
    chosen = {kind: found for kind, found in chosen.items() if len(found) >= 2}
    if not chosen:
        raise TglError(
            f"profile: no kind of probe has two examples in the validation split of period {period}; "
            "give more probes or raise probes.validation_share"
        )
    salient = next(iter(chosen))  # 'updated' where there are any
    chosen["shuffled"] = groups.shuffled_answers(chosen[salient], probes, settings.seed)
    examples = {
        name: groups.salient_examples(found, tokenizer, length)
        for name, found in chosen.items()
        if len(found) >= 2
    }
    examples["window"] = groups.windows(stream, length, settings.examples, settings.seed)
    examples["matched_span"] = groups.matched_spans(
        stream, examples[salient], settings.examples, settings.seed
    )
    return examples


def measure(
    model: PreTrainedModel,
    units: list[Sublayer],
    examples: dict[str, list[SpanTokens]],
    say: Callable[[str], None],
) -> dict[str, GroupNorms]:
    """Return the gradient norms of each group."""
    found = {}
    for name, group in examples.items():
        found[name] = gradient_norms(model, units, group)
        say(f"{name}: {len(group)} examples, mean norm {found[name].each.mean():.4g}")
    return found


def profile_rows_of(
    measured: dict[str, GroupNorms], units: list[Sublayer], resamples: int, seed: int
) -> list[dict]:
    """Return the rows of the table `profile`: each group over each denominator, by unit and on average."""
    ranked = [number for number, unit in enumerate(units) if unit.name != EMBEDDING]
    rows = []
    for group, norms in measured.items():
        for denominator in DENOMINATORS:
            if denominator not in measured or denominator == group:
                continue
            reference = measured[denominator]
            ratio, interval = relative_norm(norms.each[:, ranked], reference.each[:, ranked], resamples, seed)
            for position, number in enumerate([*ranked, None]):
                unit = None if number is None else units[number]
                rows.append(
                    {
                        "group": group,
                        "denominator": denominator,
                        "sublayer": unit.name if unit else "all",
                        "block": unit.block if unit else -1,
                        "part": unit.part if unit else "all",
                        "num_parameters": unit.num_parameters if unit else 0,
                        "num_examples": len(norms.each),
                        "num_denominator_examples": len(reference.each),
                        "mean_norm": float(norms.each[:, ranked if number is None else number].mean()),
                        "norm_of_mean": float(norms.of_mean[ranked if number is None else number].mean()),
                        "relative_norm": float(ratio[position]),
                        "low": float(interval[0, position]),
                        "high": float(interval[1, position]),
                    }
                )
    return rows


def _norm_rows(group: str, norms: GroupNorms, units: list[Sublayer]) -> list[dict]:
    rows = [
        {
            "group": group,
            "example": example,
            "num_tokens": int(norms.num_tokens[example]),
            "sublayer": unit.name,
            "norm": float(norms.each[example, number]),
        }
        for example in range(len(norms.each))
        for number, unit in enumerate(units)
    ]
    total = int(norms.num_tokens.sum())
    return rows + [
        {
            "group": group,
            "example": -1,
            "num_tokens": total,
            "sublayer": unit.name,
            "norm": float(norms.of_mean[number]),
        }
        for number, unit in enumerate(units)
    ]
