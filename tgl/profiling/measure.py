"""Measure the gradient norms of a model: from probes and plain text to `norms`, `profile` and `comparisons`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import transformers
from torch import nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.core.tables.write import to_arrow, write_table
from tgl.core.vocabulary import PROFILED_KINDS
from tgl.evaluate.score import max_length
from tgl.models.checkpoint import inspect_model, load_model, random_twin, weights_hash
from tgl.models.fit import check_tokenizer
from tgl.models.matrices import adapter_parameters, model_units
from tgl.models.quantised import has_quantised, num_parameters
from tgl.models.streamed import streamed
from tgl.models.sublayers import Sublayer, ranked, sublayers
from tgl.models.tokenizer import load_tokenizer
from tgl.probes.given import read_probes
from tgl.profiling import tabulate
from tgl.profiling.coverage import cover, ways
from tgl.profiling.estimate import estimate
from tgl.profiling.groups import Groups, make_groups, of_two_lengths
from tgl.profiling.norms import GroupNorms, check_norms, gradient_norms
from tgl.profiling.objects import measurable
from tgl.profiling.options import Options
from tgl.profiling.settings import ProfileConfig
from tgl.text.corpus import tokens_of

TABLES = ("profile", "norms", "comparisons")
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
Say = Callable[[str], None]


def quiet(text: str) -> None:
    """Discard a log line."""


@dataclass(frozen=True)
class Measured:
    """Gradient norms of one model by sublayer.

    Attributes:
        profile: The table `profile` (`tgl.core.schemas`).
        norms: The table `norms`.
        comparisons: The table `comparisons`.
        about: The inputs and conditions: hashes of weights, probes and text, dtype, attention kernel, method of the
            norms, counts of examples and of everything left out.
    """

    profile: pd.DataFrame
    norms: pd.DataFrame
    comparisons: pd.DataFrame
    about: dict

    def write(self, folder: str | Path) -> None:
        """Write the three tables into a folder, each with `about` in its metadata."""
        for name in TABLES:
            table = to_arrow(getattr(self, name), name)
            write_table(
                table, Path(folder) / f"{name}.parquet", name, counts=self.about["counts"], about=self.about
            )


@torch.inference_mode(False)  # In inference mode, a copy or a twin could not have gradients.
def measure(
    model: str | Path | nn.Module,
    *,
    probes: str | Path | Iterable[Mapping],
    corpus: str | Path | np.ndarray | Sequence[int],
    tokenizer: PreTrainedTokenizerBase | None = None,
    settings: ProfileConfig | None = None,
    options: Options | None = None,
    say: Say = quiet,
) -> Measured:
    """Measure the gradient norms of a model. Arguments and errors are those of `tgl.profiling.profile.profile`."""
    settings, options = settings or ProfileConfig(), options or Options()
    _check(settings, tokenizer)
    by_name, dtype = isinstance(model, str | Path), _DTYPES[settings.dtype]
    if not by_name and tokenizer is None:
        raise TglError("profile: found a model object without a tokenizer, expected both. Give its tokenizer")
    # Reading weights can take minutes, so all checks that do not need them come first.
    if options.stream and not by_name:
        raise TglError(
            "profile: stream: found a model object, expected a folder or name. Its weights are in memory"
        )
    has_adapter = options.merge_adapter or options.adapters
    shell = inspect_model(model, merge_adapter=has_adapter) if by_name else measurable(model, dtype)
    sublayers(shell)
    tokenizer = tokenizer or load_tokenizer(model)
    check_tokenizer(shell, tokenizer)
    rows, text_counts = read_probes(probes), Counter()
    stream = tokens_of(corpus, tokenizer, text_counts)
    for what, number in text_counts.items():
        say(f"{what}: {number}")
    groups = make_groups(
        rows, stream, tokenizer, period=options.period, settings=settings, length=max_length(shell)
    )
    for line in groups.lines():
        say(line)
    taken = _periods(groups, rows, options.period, say=say)
    expected = estimate(
        shell,
        groups.lengths(),
        dtype=dtype,
        stream=options.stream,
        twin=options.twin and not options.adapters and not _without_twin(shell),
        without_mean=options.adapters or has_quantised(shell),
    )
    say(expected.line())
    expected.check()
    trained = shell
    if by_name:
        trained = load_model(
            model,
            merge_adapter=options.merge_adapter,
            keep_adapter=options.adapters,
            # Unused tensors of a checkpoint are reported even if the caller wants no log.
            say=print if say is quiet else say,
            dtype=dtype,
            stream=options.stream,
        )
    del shell
    about = {
        "model": str(model) if by_name else trained.name_or_path or type(trained).__name__,
        "model_type": trained.config.model_type,
        "model_sha256": weights_hash(trained),
        "num_parameters": num_parameters(trained),
        "probes_sha256": _hash(json.dumps(rows, sort_keys=True).encode()),
        "text_sha256": _hash(np.ascontiguousarray(stream, dtype=np.int32).tobytes()),
        "text_tokens": len(stream),
        "dtype": str(trained.dtype).removeprefix("torch."),
        "attention": getattr(trained.config, "_attn_implementation", None),
        "device": next(trained.parameters()).device.type,
        "period": options.period,
        "periods taken": taken,
        "seed": options.seed,
        "settings": settings.model_dump(mode="json", exclude={"periods"}),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "counts": groups.counts() | text_counts,
    }
    if options.stream:
        about["stream"] = True
        say("stream: no norms of mean gradients, and no twin with random weights")
    if has_quantised(trained):
        about["quantised"] = True
        say("quantised weights: gradients are by the dequantised weights; no norms of mean gradients")
    if len(devices := _devices(trained)) > 1:
        about["devices"] = devices
    without = _without_twin(trained)
    if without and options.twin:
        say("no twin with random weights, which would need the whole model in fp32 on one device")
    if left := _without_adapters(trained, settings.unit, options.adapters):
        about["adapters"] = left
        say(f"adapters: {left['measured']}")
    if not isinstance(model, str | Path) and (given := _dtypes(model)) != [about["dtype"]]:
        about["dtypes of the object"] = given
    found: dict[str, list[dict]] = {table: [] for table in TABLES}

    def add(weights: str, network: PreTrainedModel) -> None:
        units = model_units(network, settings.unit, adapters=options.adapters)
        measured = _measure(weights, network, units, groups=groups, about=about, say=say)
        pairs = {group: groups.groups[group].pairs for group in measured}
        found["norms"] += tabulate.norm_rows(weights, measured, pairs, units=units)
        found["profile"] += tabulate.profile_rows(
            weights, measured, units, resamples=settings.bootstrap, seed=options.seed
        )
        found["comparisons"] += tabulate.comparison_rows(
            weights, measured, pairs, units=units, resamples=settings.bootstrap, seed=options.seed
        )

    add("trained", trained)
    if options.twin and not options.stream and not options.adapters and not without:
        config, kind = trained.config, trained.dtype
        del trained  # So that memory need not hold both.
        add("random", random_twin(config, options.seed + 1_000_003).to(kind))
    return Measured(
        **{table: to_arrow(rows, table).to_pandas() for table, rows in found.items()}, about=about
    )


def _devices(model: PreTrainedModel) -> list[str]:
    return sorted({str(parameter.device) for parameter in model.parameters()})


def _without_twin(model: PreTrainedModel) -> bool:
    """Return whether a twin of the model could be too large: it would be in fp32 on one device."""
    return has_quantised(model) or len(_devices(model)) > 1


def _without_adapters(model: PreTrainedModel, unit: str, adapters: bool) -> dict | None:
    """Return what is measured of a model with adapters, and the units that have none; None for a model without."""
    if not adapter_parameters(model):
        return None
    if not adapters:
        return {"measured": "the model's own parameters, with the adapters active"}
    own = {found.name for found in model_units(model, unit, adapters=True)}
    every = [found.name for found in ranked(model_units(model, unit))]
    without = [name for name in every if name not in own]
    return {"measured": "the adapters' parameters; no twin with random weights", "without": without}


def _periods(groups: Groups, rows: Sequence[dict], period: str | None, *, say: Say) -> dict[str, list[str]]:
    """Return the periods whose probes each kind uses; report those of another period than the chosen one."""
    period_of = {row["id"]: row["period"] for row in rows}
    taken = {
        kind: sorted({period_of[identity] for identity in groups.groups[kind].pairs})
        for kind in PROFILED_KINDS
        if kind in groups.groups
    }
    for kind, periods in taken.items():
        if period is not None and periods != [period]:
            say(f"{kind}: no validation probe of period {period}, using those of {periods[0]}")
    return taken


def _check(settings: object, tokenizer: object) -> None:
    """Raise TglError if the settings or the tokenizer have a wrong type."""
    for name, value, kind in (
        ("settings", settings, ProfileConfig),
        ("tokenizer", tokenizer, PreTrainedTokenizerBase | None),
    ):
        if not isinstance(value, kind):
            raise TglError(f"profile: {name}: found {value!r:.100}, expected a {kind}")
    if tokenizer is not None and not (tokenizer.is_fast and tokenizer.eos_token_id is not None):
        raise TglError(
            f"profile: tokenizer: found a {'fast' if tokenizer.is_fast else 'slow'} {type(tokenizer).__name__} with "
            f"end-of-text token {tokenizer.eos_token}; expected a fast one, which gives character offsets, with an "
            "end-of-text token. Load it with AutoTokenizer"
        )


def _dtypes(model: nn.Module) -> list[str]:
    return sorted({str(parameter.dtype).removeprefix("torch.") for parameter in model.parameters()})


def _measure(
    weights: str,
    network: PreTrainedModel,
    units: list[Sublayer],
    *,
    groups: Groups,
    about: dict,
    say: Say,
) -> dict[str, GroupNorms]:
    """Return the norms of each group; record in `about` how they were computed and which are not finite."""
    coverage = cover(network, units)
    total = sum(coverage.num_scalars.values())
    found = {}
    for name, group in groups.groups.items():
        # The mean gradient is as large as the model in fp32.
        mean = streamed(network) is None and not has_quantised(network)
        norms = gradient_norms(network, units, group.examples, coverage=coverage, mean=mean)
        if not found:
            finite = [group.examples[number] for number in np.flatnonzero(norms.finite)]
            pair = of_two_lengths(
                finite,
                groups,
                lambda both: gradient_norms(network, units, both, coverage=coverage, mean=False).finite.all(),
            )
            deviation = check_norms(network, units, pair, coverage=coverage)
            about[weights] = {"parameters by": coverage.num_scalars, "deviation from autograd": deviation}
            say(
                f"{weights} weights: norms of {total:,} parameters: {ways(coverage)}; "
                f"deviation from autograd {deviation:.1e}"
            )
        bad = [f"{name} {number}" for number in np.flatnonzero(~norms.finite)]
        if bad:
            about["counts"][f"{weights} {name}: gradient not finite"] = len(bad)
            say(
                f"{weights} weights, left out of {name}, gradient not finite: {len(bad)}: {', '.join(bad[:5])}"
            )
        if norms.finite.sum() < 2:
            raise TglError(
                f"profile: group '{name}' has {norms.finite.sum()} examples with finite gradients, expected at least "
                "2. Give more probes, or a checkpoint with finite gradients"
            )
        say(
            f"{weights} weights, {name}: {len(group.examples)} examples, mean norm {np.nanmean(norms.each):.4g}"
        )
        found[name] = norms
    return found


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
