"""Compare several experiments, for instance of different period lengths, architectures or domains."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tgl.analysis.compare import holm_levels, verdict
from tgl.analysis.crossed import Estimate, pooled
from tgl.analysis.rank import rank_correlation
from tgl.analysis.uptake import MARGIN
from tgl.core.errors import TglError
from tgl.core.files import write_text
from tgl.core.layout import PATTERNS
from tgl.core.tables.read import read_table
from tgl.report.across_figures import uptake_across
from tgl.report.csv_text import csv_text, read_csv_table
from tgl.report.gate import read_gates
from tgl.report.page import render

# The report tables that the comparison reads, and the columns that each must have.
NEEDED = {
    "summary": ("set", "kind", "measure", "method", "rate", "mean", "low", "high", "difference", "difference_is",
                "difference_low", "difference_high", "verdict"),
    "equal_uptake": ("reference", "method", "share", "seeds", "difference", "error", "freedom", "low", "high",
                     "reference_forgetting", "own_rates_seeds", "own_rates_difference", "own_rates_error",
                     "own_rates_freedom", "verdict"),
    "transfers": ("method", "backward_transfer", "low", "high", "forgetting"),
}  # fmt: skip

_POOLED_COLUMNS = (
    "reference", "method", "share", "difference", "low", "high", "reference_forgetting", "p_value", "p_holm",
    "equivalent", "own_rates_difference", "own_rates_low", "own_rates_high", "verdict",
)  # fmt: skip


def write_across(results: Sequence[Path], output: Path) -> None:
    """Write the comparison of finished experiments: index.html and each table as CSV.

    Args:
        results: Folders of experiments that already have a report. Their names must differ, because the tables
            identify each experiment by its folder name (column `experiment`).
        output: Folder for the comparison.

    Raises:
        TglError: If an experiment has no report or no profile, or if two experiments have the same name.
    """
    names = [folder.name for folder in results]
    if twice := [name for name in names if names.count(name) > 1]:
        raise TglError(f"two experiments are called '{twice[0]}'. Expected folders with different names.")
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in (*NEEDED, "gate")}
    profiles = {}
    for folder in results:
        report = folder / "report"
        if not (report / "gate.json").is_file():
            raise TglError(
                f"{folder}: found no report (report/gate.json is missing). Run this experiment first."
            )
        gate = pd.DataFrame(read_gates(report / "gate.json"))
        tables = {
            name: read_csv_table(report / f"{name}.csv", columns) for name, columns in NEEDED.items()
        } | {"gate": gate}
        for name, table in tables.items():
            found[name].append(table.assign(experiment=folder.name))
        profiles[folder.name] = base_profiles(folder)
    joined = {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}
    # An experiment without such results has a table without columns.
    joined |= {name: joined[name].reindex(columns=[*columns, "experiment"]) for name, columns in NEEDED.items()
               if not len(joined[name])}  # fmt: skip
    joined["profiles"] = carried_over(profiles)
    joined["pooled"] = pooled_uptake(joined["equal_uptake"], len(results))
    for name, table in joined.items():
        write_text(output / f"{name}.csv", csv_text(table))
    headline = joined["summary"]
    headline = headline[headline["measure"].isin(["perplexity", "loss"])]
    gated = set(joined["gate"]["experiment"])
    write_text(
        output / "index.html",
        render(
            "across.html.j2",
            experiments=names,
            gates=joined["gate"].to_dict("records"),
            ungated=[name for name in names if name not in gated],
            profiles=joined["profiles"].to_dict("records"),
            groups=[
                (f"{probe_set} · {kind.replace('_', ' ')}", rows.to_dict("records"))
                for (probe_set, kind), rows in headline.groupby(["set", "kind"], sort=False)
            ],
            uptake=joined["equal_uptake"].to_dict("records"),
            picture=uptake_across(joined["equal_uptake"], joined["pooled"]),
            pooled=joined["pooled"].to_dict("records"),
            transfers=joined["transfers"].to_dict("records"),
        ),
    )


def pooled_uptake(table: pd.DataFrame, num_experiments: int) -> pd.DataFrame:
    """Pool the planned comparisons at equal uptake over experiments.

    Only comparisons with a verdict in every experiment are pooled. The others are rows without numbers, and they stay
    in the family of Holm's correction, which all planned comparisons form.

    Args:
        table: Rows of `equal_uptake.csv` of all experiments, with a column `experiment`.
        num_experiments: Number of experiments.

    Returns:
        A table with the columns reference, method, share, difference, low, high, reference_forgetting (a mean),
        p_value, p_holm, equivalent, own_rates_difference, own_rates_low, own_rates_high and verdict. The `own_rates_*`
        are pooled if every experiment has them, over the seeds that reach the level; they have no verdict.
    """
    if table.empty:
        return table
    planned = table[table["verdict"] != ""]
    groups = dict(list(planned.groupby(["reference", "method", "share"], sort=False)))
    usable = {
        key: rows[rows["error"].notna() & ~rows["verdict"].str.startswith("no verdict")]
        for key, rows in groups.items()
    }
    estimates = {
        key: _pooled(rows, "seeds", "difference", "error", "freedom")
        for key, rows in usable.items()
        if len(rows) == num_experiments
    }
    corrected = holm_levels({key: estimates[key].p_value() if key in estimates else 1.0 for key in groups})
    rows = []
    for key, parts in groups.items():
        row = dict.fromkeys(_POOLED_COLUMNS, math.nan)
        row |= dict(zip(("reference", "method", "share"), key, strict=True))
        row |= {"equivalent": False, **_own_rates(parts, num_experiments)}
        if key not in estimates:
            rows.append(
                row
                | {"verdict": f"no verdict: has one in {len(usable[key])} of {num_experiments} experiments"}
            )
            continue
        found, lost = estimates[key], float(parts["reference_forgetting"].mean())
        low, high = found.interval()
        p_holm, level, passed = corrected[key]
        row |= {"difference": found.mean, "low": low, "high": high, "reference_forgetting": lost}
        row |= {
            "p_value": found.p_value(),
            "p_holm": p_holm,
            "equivalent": found.equivalent(MARGIN * abs(lost)),
        }
        rows.append(row | {"verdict": verdict(found, level, passed, measure="perplexity")})
    return pd.DataFrame(rows, columns=_POOLED_COLUMNS)


def _pooled(rows: pd.DataFrame, *columns: str) -> Estimate:
    """Pool the estimates of the rows; columns: those of the number of seeds, the mean, the error and the freedom."""
    return pooled(
        [
            Estimate(mean, error, int(seeds), freedom)
            for seeds, mean, error, freedom in rows[list(columns)].itertuples(index=False)
        ]
    )


def _own_rates(rows: pd.DataFrame, num_experiments: int) -> dict[str, float]:
    whole = rows[rows["own_rates_error"].notna()]
    if len(whole) < num_experiments:
        return {}
    columns = ("own_rates_seeds", "own_rates_difference", "own_rates_error", "own_rates_freedom")
    found = _pooled(whole, *columns)
    low, high = found.interval()
    return {"own_rates_difference": found.mean, "own_rates_low": low, "own_rates_high": high}


def base_profiles(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the relative norms of updated facts in the base models of an experiment.

    Returns:
        For each denominator, a table [seeds, sublayers].

    Raises:
        TglError: If the experiment has no profile.
    """
    paths = sorted(folder.glob(re.sub(r"{\w+}", "*", PATTERNS["profile"])))
    tables = [read_table(path, "profile").to_pandas().assign(seed=path.parent.parent.name) for path in paths]
    if not tables:
        raise TglError(
            f"{folder}: found no profile (expected profile/<model>/seed*/<period>/profile.parquet). "
            "Run this experiment first."
        )
    if len({path.parent.parent.name for path in paths}) < len(paths):
        raise TglError(
            f"{folder}: found several profiles of one seed ({', '.join(map(str, paths))}), expected those of one "
            "model and its first period. Remove the ones that the configuration no longer makes"
        )
    table = pd.concat(tables, ignore_index=True)
    ranked = table[
        (table["weights"] == "trained")
        & (table["group"] == "updated")
        & ~table["sublayer"].isin(["all", "embedding"])
    ]
    return {
        denominator: rows.pivot(index="seed", columns="sublayer", values="relative_norm")
        for denominator, rows in ranked.groupby("denominator")
    }


def carried_over(profiles: dict[str, dict[str, pd.DataFrame]]) -> pd.DataFrame:
    """Measure how well profiles agree within and between experiments.

    The measure is Spearman's rank correlation over sublayers, averaged over pairs of base models. A pair is two seeds
    of one experiment, or one seed of each of two experiments. Experiments with different sublayers are not compared.

    Args:
        profiles: For each experiment, what `base_profiles` returns.

    Returns:
        A table with the columns left, right, denominator, correlation and pairs.
    """
    rows = []
    for left, right in itertools.combinations_with_replacement(profiles, 2):
        for denominator in sorted(set(profiles[left]) & set(profiles[right])):
            one, other = profiles[left][denominator], profiles[right][denominator]
            if list(one.columns) != list(other.columns):
                continue
            pairs = (
                itertools.combinations(one.to_numpy(), 2)
                if left == right
                else itertools.product(one.to_numpy(), other.to_numpy())
            )
            values = [float(rank_correlation(a, b)) for a, b in pairs]
            if values:
                rows.append(
                    {"left": left, "right": right, "denominator": denominator}
                    | {"correlation": sum(values) / len(values), "pairs": len(values)}
                )
    return pd.DataFrame(rows, columns=["left", "right", "denominator", "correlation", "pairs"])
