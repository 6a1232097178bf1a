"""Stage `agree`: a profile against causal tracing of the same facts and against movement in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tgl.agreement.rank import agreement
from tgl.agreement.tracing import SITES, Trace, find_subject, trace
from tgl.config import AgreeConfig
from tgl.errors import TglError
from tgl.evaluate.score import max_length
from tgl.fit import check_tokenizer
from tgl.probes.given import read_probes
from tgl.profiling.group_names import KINDS
from tgl.profiling.ratios import DENOMINATORS
from tgl.profiling.tabulate import denominator_group
from tgl.sublayers import Sublayer, ranked, sublayers
from tgl.tables import read_about, read_table, write_table
from tgl.text.tokens import load_tokenizer
from tgl.train.checkpoint import load_model, weights_hash

MOVED = ("root_mean_square", "relative")


def agree(
    model: str | Path,
    profile: str | Path,
    probes: str | Path,
    settings: AgreeConfig,
    seed: int,
    output: str | Path,
    moved: str | Path | None = None,
    resamples: int = 1000,
    merge_adapter: bool = False,
    say: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Write the tables `tracing`, `agreement` and, given a checkpoint trained from `model`, `movement`.

    profile: the folder that the model's profile was saved to; its facts are traced. merge_adapter: `model` is a folder
    with a LoRA adapter, to be merged into its base model. Raises TglError when the profile is
    another model's, and when no fact can be traced and there is no checkpoint.
    """
    network, tokenizer = load_model(model, merge_adapter=merge_adapter, say=say), load_tokenizer(model)
    units = list(ranked(sublayers(network)))
    check_tokenizer(network, tokenizer)
    about = read_about(Path(profile) / "norms.parquet")
    found_hash = weights_hash(network)
    if about.get("model_sha256") != found_hash:
        raise TglError(
            f"{profile}: the profile of weights {str(about.get('model_sha256'))[:12]}, but '{model}' has "
            f"{found_hash[:12]}; profile this model first"
        )
    norms = read_table(Path(profile) / "norms.parquet", "norms").to_pandas()
    norms = norms[(norms["weights"] == "trained") & (norms["example"] >= 0)]
    by_group = {group: _matrix(rows, units) for group, rows in norms.groupby("group", sort=False)}
    movement = None
    if moved is not None:
        movement = _movement(units, list(ranked(sublayers(load_model(moved, say=say)))), str(moved))
        write_table(movement, Path(output) / "movement.parquet", "movement")
    rows, counts, tracing_rows = {probe["id"]: probe for probe in read_probes(probes)}, Counter(), []
    others: dict[str, dict[str, pd.DataFrame]] = {}
    for kind in [kind for kind in KINDS if kind in by_group]:
        facts = []
        for identity in by_group[kind].index[: settings.facts]:
            if identity not in rows:
                raise TglError(f"{probes}: has no probe '{identity}', which the profile was made from")
            fact = find_subject(rows[identity], tokenizer, max_length(network))
            if isinstance(fact, str):
                counts[f"{kind}: {fact}"] += 1
            else:
                facts.append(fact)
        traces = trace(network, units, facts, settings, seed)
        hurt = [found for found in traces if found.corrupted < found.clean]
        counts[f"{kind}: not hurt by the corruption"] = len(traces) - len(hurt)
        counts[f"{kind}: traced"] = len(hurt)
        own = {name.partition(": ")[2]: count for name, count in counts.items() if name.startswith(kind)}
        say(f"{kind}: {own}")
        tracing_rows += [row for found in hurt for row in _tracing_rows(kind, found, units)]
        if len(hurt) >= 2:
            others[kind] = dict(_effects(hurt, units))
    write_table(tracing_rows, Path(output) / "tracing.parquet", "tracing", dict(counts))
    if not others and movement is None:
        raise TglError(f"agree: no kind has two facts that can be traced; {dict(counts)}")
    table = pd.DataFrame(_agreement_rows(by_group, others, movement, units, resamples, seed))
    write_table(table, Path(output) / "agreement.parquet", "agreement", dict(counts))
    return table


def _matrix(rows: pd.DataFrame, units: list[Sublayer]) -> pd.DataFrame:
    """Return norms [examples, units], by probe where the group has probes, without examples that are not finite."""
    rows = rows.assign(key=rows["pair"].where(rows["pair"] != "", rows["example"].astype(str)))
    twice = rows[rows.duplicated(["key", "sublayer"])]
    if len(twice):
        raise TglError(
            f"agree: the table norms has two norms of '{twice['key'].iloc[0]}' in '{twice['sublayer'].iloc[0]}', group "
            f"'{twice['group'].iloc[0]}', expected one. Profile the model again"
        )
    table = rows.pivot(index="key", columns="sublayer", values="norm").loc[rows["key"].unique()]
    return table[[unit.name for unit in units]].dropna()


def _tracing_rows(kind: str, found: Trace, units: list[Sublayer]) -> Iterator[dict]:
    for place, site in enumerate(SITES):
        for number, unit in enumerate(units):
            yield {
                "group": kind,
                "probe": found.probe,
                "site": site,
                "sublayer": unit.name,
                "clean": found.clean,
                "corrupted": found.corrupted,
                "restored": float(found.restored[place, number]),
                "clean_probability": found.clean_probability,
                "corrupted_probability": found.corrupted_probability,
                "restored_probability": float(found.restored_probability[place, number]),
            }


def _effects(traces: list[Trace], units: list[Sublayer]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (measure, indirect effects [facts, units]) for each site, in log-likelihood and in probability."""
    index, columns = [found.probe for found in traces], [unit.name for unit in units]
    for place, site in enumerate(SITES):
        values = [found.restored[place] - found.corrupted for found in traces]
        yield f"tracing, {site}, log-likelihood", pd.DataFrame(values, index, columns)
        values = [found.restored_probability[place] - found.corrupted_probability for found in traces]
        yield f"tracing, {site}, probability", pd.DataFrame(values, index, columns)


def _movement(before: list[Sublayer], after: list[Sublayer], path: str) -> list[dict]:
    """Return how far each unit moved. Raises TglError when the checkpoint's units or shapes are others."""
    rows = []
    for old, new in zip(before, after, strict=False):
        shapes = {name: p.shape for name, p in old.parameters.items()}
        if shapes != {name: p.shape for name, p in new.parameters.items()} or len(before) != len(after):
            raise TglError(f"{path}: not trained from this model, '{old.name}' holds other parameters")
        change = start = 0.0
        for name, parameter in old.parameters.items():
            change += (
                (new.parameters[name].detach().double() - parameter.detach().double()).square().sum().item()
            )
            start += parameter.detach().double().square().sum().item()
        rows.append(
            {
                "sublayer": old.name,
                "distance": change**0.5,
                "root_mean_square": (change / old.num_parameters) ** 0.5,
                "relative": (change / start) ** 0.5 if start else np.nan,
            }
        )
    return rows


def _agreement_rows(
    by_group: dict[str, pd.DataFrame],
    others: dict[str, dict[str, pd.DataFrame]],
    movement: list[dict] | None,
    units: list[Sublayer],
    resamples: int,
    seed: int,
) -> Iterator[dict]:
    parts = {"all": [unit.name for unit in units]}
    for unit in units:
        parts.setdefault(unit.part, []).append(unit.name)
    parts = {
        part: names for part, names in parts.items() if len(names) > 2 and (part == "all" or len(parts) > 2)
    }
    for group in [kind for kind in KINDS if kind in by_group]:
        measures: dict[str, pd.DataFrame | pd.Series] = dict(others.get(group, {}))
        if movement is not None:
            table = pd.DataFrame(movement).set_index("sublayer")
            measures |= {f"movement, {name.replace('_', ' ')}": table[name] for name in MOVED}
        for denominator in DENOMINATORS:
            reference = denominator_group(group, denominator, by_group)
            if reference is None:
                continue
            for measure, values in measures.items():
                paired = isinstance(values, pd.DataFrame)
                norms = (
                    by_group[group].loc[[p for p in values.index if p in by_group[group].index]]
                    if paired
                    else (by_group[group])
                )
                for part, names in parts.items():
                    other = (values.loc[norms.index, names] if paired else values[names]).to_numpy()
                    found = agreement(
                        norms[names].to_numpy(),
                        by_group[reference][names].to_numpy(),
                        other,
                        resamples,
                        seed,
                        paired,
                    )
                    yield {
                        "group": group,
                        "denominator": denominator,
                        "measure": measure,
                        "part": part,
                        "num_sublayers": len(names),
                        "num_facts": len(norms),
                        "correlation": found.value,
                        "low": found.low,
                        "high": found.high,
                    }
