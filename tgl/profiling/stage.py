"""Profile a model: probes and plain text to the tables `norms`, `profile` and `comparisons`."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from numbers import Integral
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import transformers
from torch import nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.config import PlanConfig, ProfileConfig
from tgl.config_types import MOST_SEED
from tgl.errors import TglError
from tgl.evaluate.score import max_length
from tgl.faults import file_errors
from tgl.fit import check_tokenizer
from tgl.plans.names import parse_plan
from tgl.plans.plan import Plan
from tgl.probes.given import read_probes
from tgl.profiling import tabulate
from tgl.profiling.capture import cover
from tgl.profiling.group_names import KINDS
from tgl.profiling.groups import Groups, make_groups
from tgl.profiling.norms import GroupNorms, check_norms, gradient_norms
from tgl.profiling.objects import measurable
from tgl.sublayers import Sublayer, sublayers
from tgl.tables import read_about, read_table, to_arrow, write_table
from tgl.text.corpus import tokens_of
from tgl.text.tokens import load_tokenizer
from tgl.train.checkpoint import inspect_model, load_model, random_twin, weights_hash

TABLES = ("profile", "norms", "comparisons")
Say = Callable[[str], None]


def _quiet(text: str) -> None:
    """Drop a line of the log."""


@dataclass(frozen=True)
class Profile:
    """Gradient norms of one model by sublayer.

    profile, norms, comparisons: the tables of those names (`tgl.schemas.SCHEMAS`). about: what they were made from:
    hashes of weights, probes and text, dtype, attention kernel, how the norms were found, counts of examples and
    of everything left out.
    """

    profile: pd.DataFrame
    norms: pd.DataFrame
    comparisons: pd.DataFrame
    about: dict

    @file_errors()
    def save(self, folder: str | Path) -> None:
        """Write the three tables into a folder, each with `about` in its metadata."""
        for name in TABLES:
            table = to_arrow(getattr(self, name), name)
            write_table(table, Path(folder) / f"{name}.parquet", name, self.about["counts"], self.about)

    def plan(
        self,
        name: str,
        *,
        settings: PlanConfig | None = None,
        seed: int = 0,
        model: PreTrainedModel | None = None,
    ) -> Plan:
        """Return the plan called `name` (`tgl.plans.policies`), as 'tgl_fp' or 'random.top25.unchanged'.

        settings: what the name does not say (by default updated facts over windows, the embedding frozen). seed:
        draws what is random. model: the profiled network, which 'spectrum' alone looks at. Raises TglError for an
        unknown name and for a group or denominator that the profile does not hold.
        """
        if not isinstance(name, str):
            raise TglError(f"plan: name: found {name!r:.100}, expected a text as 'tgl_fp.top25'")
        if not isinstance(settings, PlanConfig | None):
            raise TglError(f"plan '{name}': settings: found {settings!r:.100}, expected a PlanConfig")
        if type(seed) is not int:
            raise TglError(f"plan '{name}': seed: found {seed!r:.100}, expected a whole number")
        if parse_plan(name).borrowed:
            raise TglError(
                f"plan '{name}': a profile has no other to borrow from; call plan() of that other profile"
            )
        rows = self.profile.to_dict("records")
        origin = f"profile of {self.about.get('model')}"
        # By name: what is measured does not depend on the policies, and is not measured again when they change.
        stage = import_module("tgl.plans.stage")
        return stage.plan_from(rows, name, settings or PlanConfig(), seed, origin, model)[0]

    @classmethod
    @file_errors()
    def load(cls, folder: str | Path) -> Profile:
        """Read what `save` wrote."""
        paths = {name: Path(folder) / f"{name}.parquet" for name in TABLES}
        tables = {name: read_table(path, name).to_pandas() for name, path in paths.items()}
        return cls(**tables, about=read_about(paths["profile"]))


@torch.inference_mode(False)  # a copy or a twin made inside could take no gradients
@file_errors()
def profile(
    model: str | Path | nn.Module,
    *,
    probes: str | Path | Iterable[Mapping],
    corpus: str | Path | np.ndarray | Sequence[int],
    tokenizer: PreTrainedTokenizerBase | None = None,
    period: str | None = None,
    settings: ProfileConfig | None = None,
    seed: int = 0,
    twin: bool = True,
    merge_adapter: bool = False,
    say: Say = _quiet,
) -> Profile:
    """Measure the gradient norms of salient spans and of every control, by sublayer.

    model: a folder, a Hugging Face name, or a causal LM, which then needs its `tokenizer`. An object is measured in
    fp32 and handed back as it was, also in bf16, with frozen parameters, activation checkpointing, compiled or in
    DistributedDataParallel; with adapters it is refused. probes: a table `probes`, a file of JSON lines
    (`tgl.probes.given`), or rows as in such a file. corpus: plain text like what the model was pretrained on
    (`tgl.text.corpus`), or its tokens: whole numbers [num_tokens] as an array, a tensor or a list. period: take only
    this period's probes. twin: measure the same architecture with random weights as well, drawn by `seed`.
    merge_adapter: `model` is a folder with a LoRA adapter, to be merged into its base model. Raises TglError for input
    that cannot be used; probes that cannot be used are counted in `about` and left out.
    """
    settings = settings or ProfileConfig()
    _check(settings, tokenizer, period, seed)
    by_name = isinstance(model, str | Path)
    if not by_name and tokenizer is None:
        raise TglError("profile: a model handed over as an object needs its tokenizer")
    # Weights are read last, which can take minutes: all that can be refused without them is refused before.
    shell = inspect_model(model, merge_adapter=merge_adapter) if by_name else measurable(model)
    sublayers(shell)
    tokenizer = tokenizer or load_tokenizer(model)
    check_tokenizer(shell, tokenizer)
    rows, text_counts = read_probes(probes), Counter()
    stream = tokens_of(corpus, tokenizer, text_counts)
    for what, number in text_counts.items():
        say(f"{what}: {number}")
    # What a checkpoint holds and the model does not use is reported even to a caller who asks for no log.
    heard = print if say is _quiet else say
    trained = load_model(model, merge_adapter=merge_adapter, say=heard) if by_name else shell
    name = str(model) if by_name else trained.name_or_path or type(trained).__name__
    groups = make_groups(rows, stream, tokenizer, period, settings, max_length(trained))
    for group, reasons in groups.left_out.items():
        for reason, ids in reasons.items():
            say(
                f"left out of {group}, {reason}: {len(ids)}: {', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}"
            )
    period_of = {row["id"]: row["period"] for row in rows}
    taken = {
        kind: sorted({period_of[identity] for identity in groups.groups[kind].pairs})
        for kind in KINDS
        if kind in groups.groups
    }
    for kind in [kind for kind, periods in taken.items() if period is not None and periods != [period]]:
        say(f"{kind}: no validation probe of period {period}, taken are those of {taken[kind][0]}")
    about = {
        "model": name,
        "model_type": trained.config.model_type,
        "model_sha256": weights_hash(trained),
        "num_parameters": sum(parameter.numel() for parameter in trained.parameters()),
        "probes_sha256": _hash(json.dumps(rows, sort_keys=True).encode()),
        "text_sha256": _hash(np.ascontiguousarray(stream, dtype=np.int32).tobytes()),
        "text_tokens": len(stream),
        "dtype": str(trained.dtype).removeprefix("torch."),
        "attention": getattr(trained.config, "_attn_implementation", None),
        "device": next(trained.parameters()).device.type,
        "period": period,
        "periods taken": taken,
        "seed": seed,
        "settings": settings.model_dump(mode="json", exclude={"periods"}),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "counts": groups.counts() | text_counts,
    }
    if not isinstance(model, str | Path) and (given := _dtypes(model)) != [about["dtype"]]:
        about["dtypes of the object"] = given
    networks = [("trained", trained)]
    if twin:
        networks.append(("random", random_twin(trained.config, seed + 1_000_003).to(trained.dtype)))
    found: dict[str, list[dict]] = {table: [] for table in TABLES}
    for weights, network in networks:
        units = sublayers(network)
        measured = _measure(weights, network, units, groups, about, say)
        pairs = {group: groups.groups[group].pairs for group in measured}
        found["norms"] += tabulate.norm_rows(weights, measured, pairs, units)
        found["profile"] += tabulate.profile_rows(weights, measured, units, settings.bootstrap, seed)
        found["comparisons"] += tabulate.comparison_rows(
            weights, measured, pairs, units, settings.bootstrap, seed
        )
    return Profile(**{table: to_arrow(rows, table).to_pandas() for table, rows in found.items()}, about=about)


def _check(settings: object, tokenizer: object, period: object, seed: object) -> None:
    """Raise TglError naming an argument of `profile` that is of a wrong kind."""
    for name, value, kind in (
        ("settings", settings, ProfileConfig),
        ("tokenizer", tokenizer, PreTrainedTokenizerBase | None),
        ("period", period, str | None),
        ("seed", seed, Integral),
    ):
        wrong_seed = name == "seed" and isinstance(value, Integral) and not 0 <= value <= MOST_SEED
        if not isinstance(value, kind) or isinstance(value, bool) or wrong_seed:
            expected = {"seed": f"a whole number from 0 to {MOST_SEED}", "period": "a text"}.get(
                name, f"a {kind}"
            )
            raise TglError(f"profile: {name}: found {value!r:.100}, expected {expected}")
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
    groups: Groups,
    about: dict,
    say: Say,
) -> dict[str, GroupNorms]:
    """Return the norms of each group, and note in `about` how they were found and what was not finite."""
    coverage = cover(network, units)
    total = sum(coverage.num_scalars.values())
    found = {}
    for name, group in groups.groups.items():
        norms = gradient_norms(network, units, group.examples, coverage)
        if not found:
            first = group.examples[int(np.flatnonzero(norms.finite)[0])]
            deviation = check_norms(network, units, first, coverage)
            about[weights] = {"parameters by": coverage.num_scalars, "deviation from autograd": deviation}
            say(
                f"{weights} weights: norms of {1 - coverage.num_scalars['autograd'] / total:.1%} of {total:,} "
                f"parameters by formula, the rest by autograd; deviation from autograd {deviation:.1e}"
            )
        bad = [f"{name} {number}" for number in np.flatnonzero(~norms.finite)]
        if bad:
            about["counts"][f"{weights} {name}: gradient not finite"] = len(bad)
            say(
                f"{weights} weights, left out of {name}, gradient not finite: {len(bad)}: {', '.join(bad[:5])}"
            )
        if norms.finite.sum() < 2:
            raise TglError(f"profile: group '{name}' has {norms.finite.sum()} examples with finite gradients")
        say(
            f"{weights} weights, {name}: {len(group.examples)} examples, mean norm {np.nanmean(norms.each):.4g}"
        )
        found[name] = norms
    return found


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
