"""Print what else changed at equal uptake: other facts, old text and new text, from a raw table of scores by step.

    python -m benchmarks.evidence.side_effects docs/evidence/pretrained/confirmation

START-steps.csv and START-equal_uptake.csv are tables of `tgl replicates`. Level and rates are those of the comparisons
with `full`. A measure takes the place of forgetting in them, so intervals are over replicates and include the error of
the level. None of these comparisons has a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.evidence.replicate_tables import tables_and_level
from tgl.analysis.uptake import Curves, compared, forgetting_at, level_of, most_learned
from tgl.core.layout import BASE
from tgl.core.vocabulary import NEW_ENTITY, TEST, UNCHANGED, UPDATED
from tgl.report.methods import REFERENCE
from tgl.report.replicates import replicate_curves, shown

FAR, DIVERGENCE, NEW_TEXT = "far", "kl_from_base", "new_text"


def side_effects(
    rows: pd.DataFrame,
    comparisons: pd.DataFrame,
    share: float,
    *,
    kinds: Sequence[str] = (UPDATED, NEW_ENTITY),
) -> pd.DataFrame:
    """Return each measure of every method at its level, minus that of `full`.

    Args:
        rows: The raw scores, as `tgl replicates` writes them to steps.csv.
        comparisons: Its table equal_uptake.csv.
        share: Level of the comparisons, one of their shares.
        kinds: The kinds of the facts to learn (`report.uptake`).

    Returns:
        A table with the columns method, measure, reference, difference, low and high in nats per token. Measures: `far`
        is the loss on facts of other relations, `kl_from_base` the divergence on old text, and `new_text` the loss on
        new text that was held out. `reference` is the mean of `full`, for `far` the loss since the base model. The
        interval is NaN if a run does not reach the level once a replicate is left out. Comparisons without a difference
        are left out.

    Raises:
        ValueError: A run lacks a measure at a scored step, or reaches the level before the first one, where texts were
            not measured.
    """
    rows = rows.assign(kind=rows["kind"].fillna(""))
    curves = replicate_curves(rows, kinds)
    whole = curves.test[REFERENCE][most_learned(curves.validation[REFERENCE])]
    level = float(level_of(whole.means()[0], share))
    measures = _measures(rows, kinds)
    found = []
    of_full = comparisons[(comparisons["reference"] == REFERENCE) & (comparisons["share"] == share)]
    for row in of_full[of_full["difference"].notna()].itertuples():
        for name, measure in measures.items():
            own, other = (
                _with(curves.test[method][rate], measure, rows, run=(method, rate))
                for method, rate in ((row.method, row.rate), (REFERENCE, row.reference_rate))
            )
            apart = compared(own, other, whole, share=share).difference
            if math.isnan(apart.mean):
                raise ValueError(
                    f"{row.method} compared with {REFERENCE}: the level {level:.3f} lies before the first scored step, "
                    f"where '{name}' was not measured. Score an earlier step, or choose a higher level"
                )
            uptake, values = other.means()
            reference = forgetting_at(uptake.T, values.T, level).mean()
            start = values[0].mean() if name == FAR else 0.0
            found.append((row.method, name, reference - start, apart.mean, *apart.interval()))
    return pd.DataFrame(found, columns=["method", "measure", "reference", "difference", "low", "high"])


def _measures(rows: pd.DataFrame, kinds: Sequence[str]) -> dict[str, pd.Series]:
    """Return the mean of each measure by method, rate, step and experiment."""
    facts = rows[(rows["measure"] == "loss") & (rows["split"] == TEST)]
    learned = set(facts.loc[facts["kind"].isin(kinds), "set"])
    texts = rows[rows["measure"] == "text_loss"]
    chosen = {
        FAR: facts[(facts["kind"] == UNCHANGED) & ~facts["set"].isin(learned)],
        DIVERGENCE: rows[rows["measure"] == "kl_from_base"],
        NEW_TEXT: texts[texts["kind"] != "base"],
    }
    found = {}
    for name, own in chosen.items():
        weighted = own.assign(total=own["value"] * own["count"])
        sums = weighted.groupby(["method", "rate", "step", "experiment"])[["total", "count"]].sum()
        found[name] = (sums["total"] / sums["count"]).sort_index()
    return found


def _with(curves: Curves, measure: pd.Series, rows: pd.DataFrame, *, run: tuple[str, float]) -> Curves:
    """Return the curves of a run in which a measure takes the place of forgetting."""
    method, rate = run
    own = rows[(rows["method"] == method) & (rows["rate"] == rate)]
    experiments = sorted(rows["experiment"].unique())
    steps = sorted(own.loc[own["measure"] == "loss", "step"].unique())
    points = measure.loc[run].unstack("experiment").reindex(index=steps, columns=experiments).to_numpy()
    if np.isnan(points).any():
        raise ValueError(
            f"{method} at rate {rate:g}: a scored step lacks a measure of the texts or of the other facts"
        )
    base = np.full((1, len(experiments)), math.nan)
    if BASE in measure.index.get_level_values("method"):
        base[0] = measure.loc[BASE].groupby("experiment").mean().reindex(experiments)
    return replace(curves, forgetting=np.vstack([base, points])[..., None])


def main() -> None:
    """Print the table."""
    (rows, comparisons), level = tables_and_level(__doc__, "steps", "equal_uptake")
    for row in side_effects(rows, comparisons, level).itertuples():
        apart = shown(row.difference, row.low, row.high)
        print(f"{row.method:20}{row.measure:14}full: {row.reference:6.3f}  difference: {apart}")


if __name__ == "__main__":
    main()
