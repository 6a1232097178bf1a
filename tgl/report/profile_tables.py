"""Make the report's tables about profiles: ratios, paired differences, drift, agreement. Pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tgl.analysis.rank import rank_correlation
from tgl.core.vocabulary import PLAIN_CONTROLS, SALIENT_KINDS
from tgl.plans.subsets import jaccard
from tgl.profiling.factors import at_equal_loss, factors
from tgl.report.profile_figures import LABELS, label

LEVEL = 0.05
DRIFT = ("method", "period", "correlation", "jaccard", "mean", "first_mean", "seeds")


def ratios(profile: pd.DataFrame) -> list[dict]:
    """Return mean relative norms over sublayers by weights and group, for every denominator.

    Values are means over the seeds that have the group; `seeds` is their number. Intervals are the widest bootstrap
    limits of any seed.
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


def flat(table: list[dict]) -> pd.DataFrame:
    """Return the rows of `ratios` as a table: weights, group, examples, seeds, denominator, mean, low, high."""
    return pd.DataFrame(
        {
            **{name: row[name] for name in ("weights", "group", "examples", "seeds")},
            "denominator": denominator,
            **cell,
        }
        for row in table
        for denominator, cell in row["over"].items()
    )


def chains(seeds: list[pd.DataFrame]) -> list[tuple[str, list[dict]]]:
    """Return (kind, factors of the ratio over windows) for each traced kind; seeds: `example_norms` of each seed."""
    kinds = [kind for kind in SALIENT_KINDS if all((table["group"] == kind).any() for table in seeds)]
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
    """Return the ratio of each group's norms to those of plain text at equal loss; seeds: `example_norms` of each seed.

    Values are means over the seeds that have the group; `seeds` is their number. The list is empty if a seed has no
    spans of plain text.
    """
    if not _have_plain_text(seeds):
        return []
    return [
        {
            **row,
            "group": label(row["group"]),
            "seeds": sum(bool((table["group"] == row["group"]).any()) for table in seeds),
        }
        for row in at_equal_loss(seeds).to_dict("records")
    ]


def _have_plain_text(seeds: list[pd.DataFrame]) -> bool:
    return all(table["group"].str.partition(".")[0].isin(PLAIN_CONTROLS).any() for table in seeds)


def along(examples: pd.DataFrame) -> pd.DataFrame:
    """Return the factors of the ratio and the ratios at equal loss by training step.

    Args:
        examples: Tables `along_examples` of all seeds, with a column seed.

    Returns:
        A table with the columns step, kind, from, to, factor, low, high and loss. In the rows of ratios at equal loss,
        `from` is 'plain text of equal loss'.
    """
    parts = []
    for step, at in examples.groupby("step", sort=True):
        seeds = [own for _, own in at.groupby("seed", sort=False)]
        for kind in SALIENT_KINDS:
            if all((table["group"] == kind).any() for table in seeds):
                parts.append(factors(seeds, kind).assign(step=step, kind=kind))
        if _have_plain_text(seeds):
            found = at_equal_loss(seeds).rename(columns={"group": "to", "ratio": "factor"})
            parts.append(found.assign(**{"step": step, "kind": "", "from": "plain text of equal loss"}))
    columns = ["step", "kind", "from", "to", "factor", "low", "high", "loss"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def paired(comparisons: pd.DataFrame) -> list[dict]:
    """Return one row for each weights and pair of groups: the ratio over all sublayers, and where the shapes differ.

    `seeds_significant` is the number of seeds with p below 5 %. `shape` lists the sublayers whose share of the norm
    differs significantly (5 % level, corrected) in more than half of the seeds.
    """
    table = []
    for (weights, group, other, by), found in comparisons.groupby(
        ["weights", "group", "other", "paired_by"], sort=False
    ):
        whole, single = found[found["sublayer"] == "all"], found[found["sublayer"] != "all"]
        shares = (
            single.assign(significant=single["shape_p_value"] < LEVEL)
            .groupby("sublayer", sort=False)["significant"]
            .mean()
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
                "seeds_significant": int((whole["p_value"] < LEVEL).sum()),
                "shape": list(shares[shares > 0.5].index),
                "sublayers": len(shares),
            }
        )
    return table


def drift(drifts: pd.DataFrame) -> list[dict]:
    """Compare the profile before each later period with the profile before the first period, by method.

    Values are means over the seeds in which the profile was measured; `seeds` is their number. Each row has the rank
    correlation over sublayers, the Jaccard index of the sets of sublayers above the mean, and the mean relative norm.
    A period without a measurement has no row.
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
    """Return the rank correlation of a denominator's profile with each measure, by group and part.

    Values are means over the seeds that have a correlation; `seeds` is their number. Intervals are the widest limits of
    any seed. `seeds_significant` is the number of seeds whose interval excludes zero. An empty table gives no row.
    """
    if agreement.empty:
        return []
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
                "seeds_significant": int(((found["low"] > 0) | (found["high"] < 0)).sum()),
            }
        )
    return table
