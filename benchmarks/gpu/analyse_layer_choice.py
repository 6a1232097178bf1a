"""Tables of a layer-choice run: plans by learning rate, differences to `full`, and forgetting at equal uptake.

    python benchmarks/gpu/analyse_layer_choice.py FOLDER

reads FOLDER/values.csv and profile.md (or makes them from measures.csv and profile.csv, which are large) and writes
FOLDER/tables.md.

Equal uptake: for each seed a plan's points over learning rates are (log perplexity of updated facts, log perplexity
of unchanged facts). The curve is linear between neighbouring rates, and read off in the middle of the range of uptake
that the two plans share; where it passes there twice, the better passage counts. The ratio of the two unchanged
perplexities is the price of the same uptake; its interval is Student's t over seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tgl.evaluate.measures import Interval, seed_interval, verdict

WANTED = {
    ("updated", "perplexity"): "updated facts, perplexity",
    ("new_entity", "perplexity"): "new entities, perplexity",
    ("unchanged", "perplexity"): "unchanged facts, perplexity",
    ("updated", "ranked_first"): "updated, ranked first",
    ("unchanged", "ranked_first"): "unchanged, ranked first",
    ("old_text", "loss"): "old text, loss",
}


def values(measures: pd.DataFrame) -> pd.DataFrame:
    """Return one value a (method, rate, seed, kind, measure): the mean over periods at each period's checkpoint."""
    measures = measures[measures["method"] != "base"].astype({"checkpoint": str, "period": str})
    own = (measures["checkpoint"] == measures["period"]) | (measures["kind"] == "old_text")
    keys = pd.Series(list(zip(measures["kind"], measures["measure"], strict=True)), index=measures.index)
    chosen = measures[own & keys.isin(list(WANTED))].copy()
    logs = chosen["measure"] == "perplexity"
    chosen.loc[logs, "value"] = np.log(chosen.loc[logs, "value"])
    keys = ["method", "rate", "seed", "kind", "measure"]
    return chosen.groupby(keys)["value"].mean().reset_index()


def shown(interval: Interval, is_ratio: bool) -> str:
    """Return mean and interval as text; logarithms as ratios."""
    back = np.exp if is_ratio else (lambda value: value)
    return f"{back(interval.mean):.3g} [{back(interval.low):.3g}, {back(interval.high):.3g}]"


def level_table(found: pd.DataFrame) -> str:
    """Return means over seeds with intervals, a row a plan and learning rate."""
    lines = ["| rate | plan | " + " | ".join(WANTED.values()) + " |", "|---" * (2 + len(WANTED)) + "|"]
    for (rate, method), rows in found.groupby(["rate", "method"]):
        cells = [
            shown(
                seed_interval(
                    rows[(rows["kind"] == kind) & (rows["measure"] == measure)]["value"].to_numpy()
                ),
                measure == "perplexity",
            )
            for kind, measure in WANTED
        ]
        lines.append(f"| {rate:g} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def best_at(curve: np.ndarray, uptake: float) -> float:
    """Return the least forgetting at which a curve over learning rates, [num_rates, 2], passes the uptake."""
    crossings = []
    for (x0, y0), (x1, y1) in zip(curve, curve[1:], strict=False):
        if min(x0, x1) <= uptake <= max(x0, x1):
            share = (uptake - x0) / (x1 - x0) if x1 != x0 else 0.0
            crossings.append(y0 + share * (y1 - y0))
    return min(crossings)


def equal_uptake(
    found: pd.DataFrame, forgotten: tuple[str, str], reference: str = "full", methods: tuple[str, ...] = ()
) -> str:
    """Return the table of forgetting at equal uptake, each plan against `reference`."""
    lines = ["| plan | seeds | ratio of perplexities at equal uptake, 95 % | verdict |", "|---|---|---|---|"]
    table = found.pivot_table(index=["method", "seed", "rate"], columns=["kind", "measure"], values="value")

    def curve(method: str, seed: int) -> np.ndarray:
        """Return (uptake, forgetting) at rising learning rates, [num_rates, 2]."""
        points = table.loc[method, seed].sort_index()
        return np.stack([points["updated", "perplexity"], points[forgotten]], axis=1)

    for method in methods or sorted(set(found["method"]) - {reference}):
        apart = []
        for seed in sorted(set(found["seed"])):
            one, other = curve(method, seed), curve(reference, seed)
            low = max(one[:, 0].min(), other[:, 0].min())
            high = min(one[:, 0].max(), other[:, 0].max())
            if low < high:
                at = (low + high) / 2
                apart.append(best_at(one, at) - best_at(other, at))
        if len(apart) < 3:
            lines.append(f"| {method} | {len(apart)} | no common range of uptake | |")
            continue
        interval = seed_interval(np.array(apart))
        lines.append(
            f"| {method} | {len(apart)} | {shown(interval, True)} | {verdict(interval, 'perplexity')} |"
        )
    return "\n".join(lines)


def same_rate(found: pd.DataFrame, reference: str, methods: tuple[str, ...]) -> str:
    """Return ratios of perplexities to `reference`, paired by seed, at each learning rate."""
    kinds = ("updated", "new_entity", "unchanged")
    lines = ["| rate | plan | " + " | ".join(kinds) + " |", "|---" * (2 + len(kinds)) + "|"]
    chosen = found[found["measure"] == "perplexity"]
    table = chosen.pivot_table(index=["rate", "seed"], columns=["method", "kind"], values="value")
    for rate, rows in table.groupby(level="rate"):
        for method in methods:
            cells = []
            for kind in kinds:
                interval = seed_interval((rows[method, kind] - rows[reference, kind]).to_numpy())
                cells.append(f"{shown(interval, True)} {verdict(interval, 'perplexity')}")
            lines.append(f"| {rate:g} | {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def profile_table(profile: pd.DataFrame) -> str:
    """Return mean relative norms over sublayers, with the interval over seeds."""
    rows = profile[profile["sublayer"] == "all"]
    lines = ["| weights | spans | over | ratio, 95 % over seeds |", "|---|---|---|---|"]
    for (weights, group, denominator), chosen in rows.groupby(["weights", "group", "denominator"]):
        interval = seed_interval(chosen["relative_norm"].to_numpy())
        lines.append(f"| {weights} | {group} | {denominator} | {shown(interval, False)} |")
    return "\n".join(lines)


def main() -> None:
    """Write the tables of a folder."""
    folder = Path(sys.argv[1])
    if (folder / "measures.csv").exists():
        values(pd.read_csv(folder / "measures.csv")).to_csv(
            folder / "values.csv", index=False, float_format="%.6g"
        )
        profile = pd.read_csv(folder / "profile.csv")
        (folder / "profile.md").write_text(profile_table(profile) + "\n")
    found = pd.read_csv(folder / "values.csv")
    text = (
        "### Plans by learning rate\n\nMeans over seeds with Student's 95 % interval; perplexities geometric.\n\n"
        + level_table(found)
        + "\n\n### Unchanged facts at equal uptake of updated facts, against `full`\n\n"
        + equal_uptake(found, ("unchanged", "perplexity"))
        + "\n\n### New entities at equal uptake of updated facts, against `full`\n\n"
        + equal_uptake(found, ("new_entity", "perplexity"))
        + "\n\n### Unchanged facts at equal uptake of updated facts, against `tgl_fp`\n\n"
        + equal_uptake(found, ("unchanged", "perplexity"), "tgl_fp", ("random", "inverse"))
        + "\n\n### At the same learning rate, against `tgl_fp`\n\n"
        + same_rate(found, "tgl_fp", ("random", "inverse"))
        + "\n\n### Relative gradient norms, mean over sublayers\n\n"
        + (folder / "profile.md").read_text()
    )
    (folder / "tables.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
