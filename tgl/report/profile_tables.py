"""Tables of the report about profiles: ratios, paired differences, drift, agreement. Pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tgl.agreement.rank import rank_correlation
from tgl.plans.subsets import jaccard
from tgl.profiling.factors import PLAIN, at_equal_loss, factors
from tgl.profiling.group_names import TRACED
from tgl.report.profile_figures import LABELS, label

LEVEL = 0.05


def ratios(profile: pd.DataFrame) -> list[dict]:
    """Return mean relative norms over sublayers by weights and group, every denominator side by side.

    Values are means over the seeds that have the group, `seeds` of them; intervals the widest bootstrap limits of any.
    """
    rows = profile[profile["sublayer"] == "all"]
    table = []
    for (weights, group), found in rows.groupby(["weights", "group"], sort=False):
        cells = {
            denominator: {
                "mean": cell["relative_norm"].mean(),
                "low": cell["low"].min(),
                "high": cell["high"].max(),
            }
            for denominator, cell in found.groupby("denominator", sort=False)
        }
        about = {"examples": int(found["num_examples"].min()), "seeds": int(found["seed"].nunique())}
        table.append({"weights": weights, "group": label(group), "over": cells, **about})
    return table


def chains(seeds: list[pd.DataFrame]) -> list[tuple[str, list[dict]]]:
    """Return (kind, factors from windows to it) for each traced kind; seeds: `example_norms` of each."""
    kinds = [kind for kind in TRACED if all((table["group"] == kind).any() for table in seeds)]
    return [
        (
            LABELS[kind],
            [
                {**row, "from": label(row["from"]), "to": label(row["to"])}
                for row in factors(seeds, kind).to_dict("records")
            ],
        )
        for kind in kinds
    ]


def equal_loss(seeds: list[pd.DataFrame]) -> list[dict]:
    """Return how far the probes' groups lie above plain text of the same loss; seeds as above.

    Empty where a seed has no spans of plain text to compare with.
    """
    if not _have_plain_text(seeds):
        return []
    return [{**row, "group": label(row["group"])} for row in at_equal_loss(seeds).to_dict("records")]


def _have_plain_text(seeds: list[pd.DataFrame]) -> bool:
    return all(table["group"].str.partition(".")[0].isin(PLAIN).any() for table in seeds)


def along(examples: pd.DataFrame) -> pd.DataFrame:
    """Return the chains' factors and the ratios at equal loss by step: step, kind, from, to, factor, low, high.

    examples: all seeds' tables `along_examples` with a column seed. A ratio at equal loss is a row from
    'plain text of equal loss'.
    """
    parts = []
    for step, at in examples.groupby("step", sort=True):
        seeds = [own for _, own in at.groupby("seed", sort=False)]
        for kind in TRACED:
            if all((table["group"] == kind).any() for table in seeds):
                parts.append(factors(seeds, kind).assign(step=step, kind=kind))
        if _have_plain_text(seeds):
            found = at_equal_loss(seeds).rename(columns={"group": "to", "ratio": "factor"})
            parts.append(found.assign(**{"step": step, "kind": "", "from": "plain text of equal loss"}))
    columns = ["step", "kind", "from", "to", "factor", "low", "high", "loss"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def paired(comparisons: pd.DataFrame) -> list[dict]:
    """Return one row a weights and pair of groups: ratio over all sublayers, and where the shapes differ.

    `shape` names the sublayers whose share differs at the 5 % level, corrected, in most of the seeds.
    """
    table = []
    for (weights, group, other, by), found in comparisons.groupby(
        ["weights", "group", "other", "paired_by"], sort=False
    ):
        whole, single = found[found["sublayer"] == "all"], found[found["sublayer"] != "all"]
        told = (
            single.assign(told=single["shape_p_value"] < LEVEL).groupby("sublayer", sort=False)["told"].mean()
        )
        table.append(
            {
                "weights": weights,
                "group": label(group),
                "other": label(other),
                "paired_by": by,
                "pairs": int(whole["num_pairs"].min()),
                "ratio": float(np.exp(np.log(whole["ratio"]).mean())),
                "low": whole["low"].min(),
                "high": whole["high"].max(),
                "seeds": len(whole),
                "seeds_told": int((whole["p_value"] < LEVEL).sum()),
                "shape": list(told[told > 0.5].index),
                "sublayers": len(told),
            }
        )
    return table


def drift(drifts: pd.DataFrame) -> list[dict]:
    """Return, by method and period after the first, how far the traced profile is from the first one's.

    Means, over the seeds in which it was measured (`seeds` of them), of the rank correlation over sublayers, of the
    Jaccard index of the sublayers above the mean, and of the mean relative norm; a period that was not measured has no
    row.
    """
    table = []
    for method, runs in drifts.groupby("method", sort=False):
        rows = []
        for seed, run in runs.groupby("seed", sort=False):
            profiles = run.pivot(index="period", columns="sublayer", values="relative_norm")
            first = profiles.iloc[0]
            for period, values in profiles.iloc[1:].iterrows():
                chosen = [set(v.index[v > v.mean()]) for v in (first, values)]
                rows.append(
                    {
                        "seed": seed,
                        "period": period,
                        "correlation": float(rank_correlation(first.to_numpy(), values.to_numpy())),
                        "jaccard": jaccard(*chosen),
                        "mean": values.mean(),
                        "first_mean": first.mean(),
                    }
                )
        if rows:
            by_period = pd.DataFrame(rows).groupby("period")
            means = by_period[["correlation", "jaccard", "mean", "first_mean"]].mean()
            means["seeds"] = by_period["seed"].nunique()
            table += [{"method": method, **row} for row in means.reset_index().to_dict("records")]
    return table


def agreements(agreement: pd.DataFrame, denominator: str) -> list[dict]:
    """Return one row a group, measure and part: the rank correlation with a denominator's profile.

    Means over the seeds that have a correlation, `seeds` of them; intervals the widest of any seed; `seeds_told` counts
    the seeds whose interval excludes zero.
    """
    rows = agreement[agreement["denominator"] == denominator]
    table = []
    for (group, measure, part), found in rows.groupby(["group", "measure", "part"], sort=False):
        table.append(
            {
                "group": LABELS[group],
                "measure": measure,
                "part": part.replace("_", " "),
                "sublayers": int(found["num_sublayers"].min()),
                "facts": int(found["num_facts"].min()),
                "mean": found["correlation"].mean(),
                "low": found["low"].min(),
                "high": found["high"].max(),
                "seeds": int(found["correlation"].notna().sum()),
                "seeds_told": int(((found["low"] > 0) | (found["high"] < 0)).sum()),
            }
        )
    return table
