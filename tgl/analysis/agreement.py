"""Stage `agree`: compare a profile with causal tracing of the same facts and with movement in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from tgl.analysis.rank import agreement
from tgl.analysis.settings import AgreeConfig
from tgl.analysis.tracing import SITES, Trace, find_subject, trace
from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_table
from tgl.core.tables.write import to_arrow, write_table
from tgl.core.vocabulary import DENOMINATORS, PROFILED_KINDS
from tgl.evaluate.score import max_length
from tgl.models.checkpoint import Checkpoint, load_model, weights_hash
from tgl.models.fit import check_tokenizer
from tgl.models.sublayers import Sublayer, ranked, sublayers
from tgl.probes.given import read_probes
from tgl.profiling.tabulate import denominator_group

MOVED = ("root_mean_square", "relative")
_RESAMPLES = 1000


@dataclass(frozen=True)
class Agreement:
    """Result of the stage: its tables and the counts of facts.

    Attributes:
        tracing: Table `tracing`.
        agreement: Table `agreement`.
        movement: Table `movement`, or None without a trained checkpoint.
        counts: Number of facts by kind and outcome.
    """

    tracing: pa.Table
    agreement: pd.DataFrame
    movement: pd.DataFrame | None
    counts: dict[str, int]

    def write(self, folder: Path) -> None:
        """Write the tables into a folder."""
        write_table(self.tracing, folder / "tracing.parquet", "tracing", counts=self.counts)
        write_table(self.agreement, folder / "agreement.parquet", "agreement", counts=self.counts)
        if self.movement is not None:
            write_table(self.movement, folder / "movement.parquet", "movement")


def agree(
    checkpoint: Checkpoint,
    profile: Path,
    probes: Path,
    *,
    settings: AgreeConfig,
    seed: int,
    moved: str | Path | None = None,
    say: Callable[[str], None] = print,
) -> Agreement:
    """Compare a profile with causal tracing and, if `moved` is given, with movement in training.

    Args:
        checkpoint: The model that was profiled.
        profile: Folder of its profile. The facts of the profile are traced.
        probes: Path of the table `probes`.
        settings: Settings of causal tracing.
        seed: Seed of the noise and of the bootstrap.
        moved: Path of a checkpoint that was trained from this model.
        say: Function that prints a line.

    Raises:
        TglError: If the profile belongs to another model, or if no fact can be traced and `moved` is not given.
    """
    model, tokenizer = checkpoint.model, checkpoint.tokenizer
    units = list(ranked(sublayers(model)))
    several = [unit.name for unit in units if unit.output is None]
    if several and settings.facts:
        raise TglError(
            f"causal tracing: several modules add to the residual stream in {', '.join(several[:4])}; expected one in "
            "each sublayer. Set agree.facts to 0"
        )
    check_tokenizer(model, tokenizer)
    by_group, counts = _profiled(checkpoint, profile, units)
    movement = None
    if moved is not None:
        movement = _movement(units, list(ranked(sublayers(load_model(moved, say=say)))), str(moved))
    rows, tracing_rows = {probe["id"]: probe for probe in read_probes(probes)}, []
    others: dict[str, dict[str, pd.DataFrame]] = {}
    for kind in [kind for kind in PROFILED_KINDS if kind in by_group]:
        facts = []
        for identity in by_group[kind].index[: settings.facts]:
            if identity not in rows:
                raise TglError(
                    f"{probes}: has no probe '{identity}', which the profile was made from. "
                    "Pass the probes of the profile."
                )
            fact = find_subject(rows[identity], tokenizer, max_length(model))
            if isinstance(fact, str):
                counts[f"{kind}: {fact}"] += 1
            else:
                facts.append(fact)
        traces = trace(model, units, facts, settings=settings, seed=seed)
        hurt = [found for found in traces if found.corrupted < found.clean]
        counts[f"{kind}: not hurt by the corruption"] = len(traces) - len(hurt)
        counts[f"{kind}: traced"] = len(hurt)
        own = {name.partition(": ")[2]: count for name, count in counts.items() if name.startswith(kind)}
        say(f"{kind}: {own}")
        tracing_rows += [row for found in hurt for row in _tracing_rows(kind, found, units)]
        if len(hurt) >= 2:
            others[kind] = dict(_effects(hurt, units))
    if not others and movement is None:
        raise TglError(
            f"agree: no kind has two facts that can be traced; found {dict(counts)}. Pass a trained checkpoint to "
            "compare the profile with movement only, or profile more facts."
        )
    table = pd.DataFrame(
        _agreement_rows(by_group, others, movement, units=units, resamples=_RESAMPLES, seed=seed)
    )
    return Agreement(to_arrow(tracing_rows, "tracing"), table, movement, dict(counts))


def _profiled(
    checkpoint: Checkpoint, profile: Path, units: list[Sublayer]
) -> tuple[dict[str, pd.DataFrame], Counter[str]]:
    """Return the finite norms of a profile by group (see `_matrix`), and the number of examples left out.

    Raises:
        TglError: The profile belongs to another model, or its units are not these.
    """
    file = profile / "norms.parquet"
    about = read_about(file)
    noted, own = about.get("model_sha256"), weights_hash(checkpoint.model)
    if noted != own:
        raise TglError(
            f"{profile}: the profile belongs to weights {str(noted)[:12]}, but '{checkpoint.name}' has weights "
            f"{own[:12]}. Profile this model first."
        )
    norms = read_table(file, "norms").to_pandas()
    norms = norms[(norms["weights"] == "trained") & (norms["example"] >= 0)]
    if missing := [unit.name for unit in units if unit.name not in set(norms["sublayer"])]:
        raise TglError(
            f"{profile}: found no norms of {', '.join(missing[:4])} in a profile of the unit "
            f"'{about.get('settings', {}).get('unit', 'sublayer')}', expected those of all sublayers. Measure the "
            "profile with --unit sublayer"
        )
    found, counts = {}, Counter()
    for group, rows in norms.groupby("group", sort=False):
        table = _matrix(rows, units)
        found[group] = table[np.isfinite(table).all(axis=1)]
        if left := len(table) - len(found[group]):
            counts[f"{group}: norms not finite"] = left
    return found, counts


def _matrix(rows: pd.DataFrame, units: list[Sublayer]) -> pd.DataFrame:
    """Return norms [examples, units], indexed by probe if the group has probes."""
    rows = rows.assign(key=rows["pair"].where(rows["pair"] != "", rows["example"].astype(str)))
    twice = rows[rows.duplicated(["key", "sublayer"])]
    if len(twice):
        raise TglError(
            f"agree: the table norms has two norms of '{twice['key'].iloc[0]}' in '{twice['sublayer'].iloc[0]}', group "
            f"'{twice['group'].iloc[0]}'; expected one. Profile the model again."
        )
    table = rows.pivot(index="key", columns="sublayer", values="norm").loc[rows["key"].unique()]
    return table[[unit.name for unit in units]]


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
    """Return the distance that each unit moved; raise TglError if the units or shapes of the checkpoints differ."""
    rows = []
    for old, new in zip(before, after, strict=False):
        shapes = {name: p.shape for name, p in old.parameters.items()}
        if shapes != {name: p.shape for name, p in new.parameters.items()} or len(before) != len(after):
            raise TglError(
                f"{path}: was not trained from this model, because '{old.name}' has other parameters. Pass a "
                "checkpoint that was trained from it."
            )
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
    *,
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
    for group in [kind for kind in PROFILED_KINDS if kind in by_group]:
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
                        resamples=resamples,
                        seed=seed,
                        paired=paired,
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
