"""What all figures share, and the figure of the methods: SVG text, the same bytes for the same numbers."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "tgl",  # element ids do not change from run to run
    "svg.fonttype": "path",
}


def differences(summary: pd.DataFrame, wanted: list[tuple[str, str, str]], titles: list[str]) -> str:
    """Return paired differences to full training with their intervals, a panel for each (set, kind, measure)."""
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, max(1, len(wanted)), figsize=(11, 3), layout="constrained", squeeze=False
        )
        for panel, (probe_set, kind, measure), title in zip(panels[0], wanted, titles, strict=True):
            rows = summary[
                (summary["set"] == probe_set)
                & (summary["kind"] == kind)
                & (summary["measure"] == measure)
                & summary["difference"].notna()
            ].reset_index(drop=True)
            neutral = 1.0 if (rows["difference_is"] == "ratio").all() else 0.0
            for y, row in rows.iterrows():
                colour = {"better": "#2d6a4f", "worse": "#9d0208"}.get(row["verdict"], "#666666")
                panel.errorbar(
                    row["difference"], y,
                    xerr=[[max(0, row["difference"] - row["difference_low"])],
                          [max(0, row["difference_high"] - row["difference"])]]
                    if np.isfinite(row["difference_low"]) else None,
                    fmt="o", markersize=4, linewidth=1.2, color=colour,
                )  # fmt: skip
            panel.axvline(neutral, color="#444444", linewidth=0.8, linestyle=":")
            panel.set_yticks(range(len(rows)), rows["method"] if panel is panels[0][0] else [""] * len(rows))
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_title(title, fontsize=11)
        return svg(figure)


def svg(figure: Figure) -> str:
    """Return a figure as SVG text and close it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
