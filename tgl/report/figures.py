"""Figures of the report as SVG text, the same bytes for the same numbers."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

COLOURS = {
    "updated": "#c1440e",
    "new_entity": "#2a6f97",
    "new": "#2a6f97",
    "unchanged": "#6a994e",
    "shuffled": "#8e6c8a",
    "matched_span": "#8d99ae",
}
LABELS = {
    "updated": "updated facts",
    "new_entity": "new entities",
    "new": "new queries",
    "unchanged": "unchanged facts",
    "shuffled": "shuffled answers",
    "matched_span": "random spans of equal length",
    "window": "windows of plain text",
}
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "tgl",  # element ids do not change from run to run
    "svg.fonttype": "path",
}


def profile_by_sublayer(profile: pd.DataFrame, denominator: str) -> str:
    """Return the relative norm by sublayer over `denominator`, trained weights beside random ones.

    profile: rows of the table `profile` with a column seed. Points are means over seeds; bars run from the
    lowest to the highest bootstrap limit of any seed.
    """
    rows = profile[(profile["denominator"] == denominator) & ~profile["sublayer"].isin(["all", "embedding"])]
    order = list(dict.fromkeys(rows.sort_values(["block", "part"])["sublayer"]))
    with plt.rc_context(_STYLE):
        figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
        for panel, (weights, title) in zip(
            panels, (("trained", "trained model"), ("random", "same model, random weights")), strict=True
        ):
            groups = [group for group in COLOURS if group in set(rows["group"])]
            for offset, group in enumerate(groups):
                chosen = rows[(rows["weights"] == weights) & (rows["group"] == group)].groupby("sublayer")
                mean, low, high = (
                    chosen["relative_norm"].mean()[order],
                    chosen["low"].min()[order],
                    chosen["high"].max()[order],
                )
                x = np.arange(len(order)) + (offset - (len(groups) - 1) / 2) * 0.13
                panel.errorbar(
                    x, mean, yerr=[mean - low, high - mean], fmt="o", markersize=3.5, linewidth=1,
                    color=COLOURS[group], label=LABELS[group],
                )  # fmt: skip
            panel.axhline(1, color="#444444", linewidth=0.8, linestyle=":")
            panel.set_xticks(range(len(order)), [_short(name) for name in order], rotation=60, ha="right")
            panel.set_title(title, fontsize=11)
        panels[0].set_ylabel(f"gradient norm over that of\n{LABELS[denominator]}")
        panels[0].set_ylim(bottom=0)
        panels[1].legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return _svg(figure)


def ratio_by_denominator(profile: pd.DataFrame) -> str:
    """Return the mean relative norm over sublayers of each group by denominator, trained and random weights."""
    rows = profile[profile["sublayer"] == "all"]
    denominators = [
        name for name in ("window", "matched_span", "unchanged") if name in set(rows["denominator"])
    ]
    groups = [group for group in COLOURS if group in set(rows["group"])]
    with plt.rc_context(_STYLE):
        figure, panels = plt.subplots(
            1, len(denominators), figsize=(11, 3), layout="constrained", squeeze=False
        )
        for panel, denominator in zip(panels[0], denominators, strict=True):
            for y, group in enumerate(groups):
                for weights, marker, shift in (("trained", "o", -0.15), ("random", "s", 0.15)):
                    chosen = rows[
                        (rows["denominator"] == denominator)
                        & (rows["group"] == group)
                        & (rows["weights"] == weights)
                    ]
                    if chosen.empty:
                        continue
                    mean = chosen["relative_norm"].mean()
                    panel.errorbar(
                        mean, y + shift, xerr=[[mean - chosen["low"].min()], [chosen["high"].max() - mean]],
                        fmt=marker, markersize=4, linewidth=1, color=COLOURS[group],
                        markerfacecolor=COLOURS[group] if weights == "trained" else "white",
                    )  # fmt: skip
            panel.axvline(1, color="#444444", linewidth=0.8, linestyle=":")
            panel.set_yticks(range(len(groups)), [LABELS[group] for group in groups])
            panel.set_ylim(len(groups) - 0.5, -0.5)  # the same rows in every panel
            panel.set_xlim(left=0)
            panel.set_title(f"over {LABELS[denominator]}", fontsize=10)
            if panel is not panels[0][0]:
                panel.set_yticklabels([])
        return _svg(figure)


def differences(summary: pd.DataFrame, wanted: list[tuple[str, str, str]], titles: list[str]) -> str:
    """Return paired differences to full training with their intervals, a panel for each (set, kind, measure)."""
    with plt.rc_context(_STYLE):
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
        return _svg(figure)


def _short(name: str) -> str:
    return name.replace("block", "").replace("attention", "attn").replace(".", " ")


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
