"""Draw the comparison of several experiments."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tgl.report.figures import STYLE, plt, svg

_POOLED = "pooled"
_MARKERS = "os^Dvp"


def uptake_across(uptake: pd.DataFrame, pooled: pd.DataFrame) -> str | None:
    """Draw the planned differences in forgetting at equal uptake: one row for each comparison, one mark an experiment.

    Args:
        uptake: Rows of `equal_uptake.csv` of all experiments, with a column experiment.
        pooled: Result of `tgl.report.across.pooled_uptake`. Its marks are black.

    Returns:
        The figure as SVG text; None without a difference.
    """
    found = uptake[(uptake["verdict"].fillna("") != "") & uptake["difference"].notna()]
    if found.empty:
        return None
    marks = pooled[pooled["difference"].notna()] if len(pooled) else pooled
    both = pd.concat([found, marks.assign(experiment=_POOLED)], ignore_index=True) if len(marks) else found
    comparisons = list(dict.fromkeys(zip(both["method"], both["reference"], both["share"], strict=True)))
    experiments = list(dict.fromkeys(both["experiment"]))
    colours = plt.get_cmap("tab10")
    with plt.rc_context(STYLE):
        height = len(comparisons) * (0.25 + 0.12 * len(experiments)) + 1
        figure, panel = plt.subplots(figsize=(9, max(2.5, height)), layout="constrained")
        for number, name in enumerate(experiments):
            own = both[both["experiment"] == name]
            rows = [
                comparisons.index(key)
                for key in zip(own["method"], own["reference"], own["share"], strict=True)
            ]
            offset = (number - (len(experiments) - 1) / 2) * 0.6 / len(experiments)
            middle = own["difference"].to_numpy()
            sides = np.nan_to_num(np.array([middle - own["low"], own["high"] - middle], dtype=float)).clip(
                min=0
            )
            panel.errorbar(
                middle, np.array(rows) + offset, xerr=sides, fmt=_MARKERS[number % len(_MARKERS)], markersize=4,
                linewidth=1.2, color="black" if name == _POOLED else colours(number % 10), label=name,
            )  # fmt: skip
        panel.axvline(0.0, color="#444444", linewidth=0.8, linestyle=":")
        names = [f"{method} over {reference}, at {share:.0%}" for method, reference, share in comparisons]
        panel.set_yticks(range(len(comparisons)), names, fontsize=9)
        panel.set_ylim(len(comparisons) - 0.5, -0.5)
        panel.set_xlabel("difference in forgetting, nats per token")
        panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return svg(figure)
