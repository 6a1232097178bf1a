"""Several experiments side by side: what changes with the size of a step, the architecture, the domain."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tgl.agreement.rank import rank_correlation
from tgl.errors import TglError
from tgl.files import check_file, how_to_mend, write_text
from tgl.report.csv_text import csv_text
from tgl.report.gate import read_gates
from tgl.report.page import render
from tgl.statistics.bootstrap import Estimate, pooled
from tgl.statistics.compare import holm_levels, verdict
from tgl.statistics.uptake import NOT_MEASURED, SOME_SEEDS
from tgl.statistics.values import exp
from tgl.tables import read_table

# Tables of a report, and the columns of each that are read here.
NEEDED = {
    "summary": ("set", "kind", "measure", "method", "rate", "mean", "low", "high", "difference", "difference_is",
                "difference_low", "difference_high", "verdict"),
    "equal_uptake": ("reference", "method", "share", "seeds", "ratio", "error", "low", "high", "verdict"),
    "transfers": ("method", "backward_transfer", "low", "high", "forgetting"),
}  # fmt: skip


def write_across(results: Sequence[Path], output: Path) -> None:
    """Write the comparison of finished experiments: index.html, and each table as CSV with a column experiment.

    results: folders of experiments whose reports are made. Raises TglError for one without a report, and for two of
    the same name: the tables tell experiments apart by it.
    """
    names = [folder.name for folder in results]
    if twice := [name for name in names if names.count(name) > 1]:
        raise TglError(f"two experiments are called '{twice[0]}'; expected folders of different names")
    found: dict[str, list[pd.DataFrame]] = {name: [] for name in (*NEEDED, "gate")}
    profiles = {}
    for folder in results:
        report = folder / "report"
        if not (report / "gate.json").is_file():
            raise TglError(
                f"{folder}: no report there (report/gate.json is missing); run this experiment first"
            )
        gate = pd.DataFrame(read_gates(report / "gate.json"))
        tables = {name: _read(report / f"{name}.csv", columns) for name, columns in NEEDED.items()} | {
            "gate": gate
        }
        for name, table in tables.items():
            found[name].append(table.assign(experiment=folder.name))
        profiles[folder.name] = base_profiles(folder)
    joined = {name: pd.concat(tables, ignore_index=True) for name, tables in found.items()}
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
            pooled=joined["pooled"].to_dict("records"),
            transfers=joined["transfers"].to_dict("records"),
        ),
    )


def pooled_uptake(table: pd.DataFrame, num_experiments: int) -> pd.DataFrame:
    """Return forgetting at equal uptake pooled over experiments, for what all of them compare.

    Columns: reference, method, share, ratio, low, high, p_value, p_holm, verdict. table: rows of `equal_uptake.csv`
    with a column experiment; one that only some seeds reach, or whose level no two measured rates enclose, counts as
    not compared. Verdicts are corrected within each reference.
    """
    if table.empty:
        return table
    no_verdict = table["verdict"].isin([SOME_SEEDS, NOT_MEASURED])
    reached = table[(table["seeds"] > 1) & table["error"].notna() & ~no_verdict]
    estimates = {
        key: pooled([Estimate(math.log(row.ratio), row.error, int(row.seeds)) for row in rows.itertuples()])
        for key, rows in reached.groupby(["reference", "method", "share"], sort=False)
        if len(rows) == num_experiments
    }
    corrected = {}
    for reference in {key[0] for key in estimates}:
        family = {key: found.p_value() for key, found in estimates.items() if key[0] == reference}
        corrected |= holm_levels(family)
    rows = []
    for key, found in estimates.items():
        low, high = found.interval()
        p_holm, level, passed = corrected[key]
        reference, method, share = key
        rows.append(
            {
                "reference": reference,
                "method": method,
                "share": share,
                "ratio": exp(found.mean),
                "low": exp(low),
            }
            | {"high": exp(high), "p_value": found.p_value(), "p_holm": p_holm}
            | {"verdict": verdict(found, level, passed, "perplexity")}
        )
    return pd.DataFrame(rows)


def base_profiles(folder: Path) -> dict[str, pd.DataFrame]:
    """Return by denominator the relative norms of updated facts in the base models, [seeds, sublayers]."""
    paths = sorted(folder.glob("profile/*/seed*/*/profile.parquet"))
    tables = [read_table(path, "profile").to_pandas().assign(seed=path.parent.parent.name) for path in paths]
    if not tables:
        raise TglError(f"{folder}: no profile there (profile/<model>/seed*/<period>/profile.parquet)")
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
    """Return how far profiles agree within and between experiments: left, right, denominator, correlation, pairs.

    The correlation is Spearman's over sublayers, the mean over pairs of base models: of two seeds of one experiment,
    or one of each. Experiments whose models have other sublayers are left out.
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


def _read(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Return a CSV table of a report; an empty one for a table without columns.

    Raises TglError for one that is missing, no CSV, or without a column that is needed.
    """
    check_file(path, f"the table {path.stem} of a report")
    try:
        text = path.read_text(encoding="utf-8")
        table = (
            pd.read_csv(io.StringIO(text), float_precision="round_trip") if text.strip() else pd.DataFrame()
        )
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise TglError(f"{path}: not a readable CSV table ({error}). {how_to_mend(path)}") from None
    missing = [column for column in needed if column not in table.columns]
    if missing and len(table.columns):
        raise TglError(
            f"{path}: has no column '{missing[0]}', expected {', '.join(needed)}. {how_to_mend(path)}"
        )
    return table
