"""Draw the figures of the report's section on methods: differences, and curves of uptake and forgetting."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tgl.analysis.uptake import NOT_MEASURED
from tgl.report.figures import STYLE, svg

MOST_COLUMNS = 5
COLOURS = {"better": "#2d6a4f", "worse": "#9d0208"}


def differences(summary: pd.DataFrame, wanted: list[tuple[str, str, str]], titles: list[str]) -> str:
    """Draw paired differences to the reference method with their intervals.

    Args:
        summary: Table `summary` of the findings.
        wanted: (set, kind, measure) of each panel.
        titles: Title of each panel.

    Returns:
        The figure as SVG text.
    """
    methods = summary.loc[summary["difference"].notna(), "method"].nunique()
    with plt.rc_context(STYLE):
        columns = min(len(wanted), MOST_COLUMNS)
        lines = math.ceil(len(wanted) / columns)
        figure, grid = plt.subplots(
            lines,
            columns,
            figsize=(11, lines * max(3, 1 + 0.25 * methods)),
            layout="constrained",
            squeeze=False,
        )
        panels = grid.ravel()
        for panel in panels[len(wanted) :]:
            panel.set_axis_off()
        for number, (panel, (probe_set, kind, measure), title) in enumerate(
            zip(panels, wanted, titles, strict=False)
        ):
            rows = summary[
                (summary["set"] == probe_set)
                & (summary["kind"] == kind)
                & (summary["measure"] == measure)
                & summary["difference"].notna()
            ].reset_index(drop=True)
            neutral = 1.0 if (rows["difference_is"] == "ratio").all() else 0.0
            for y, row in rows.iterrows():
                _point(panel, row, y, columns=("difference", "difference_low", "difference_high"))
            panel.axvline(neutral, color="#444444", linewidth=0.8, linestyle=":")
            panel.set_yticks(range(len(rows)), rows["method"] if number % columns == 0 else [""] * len(rows))
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_title(title, fontsize=11)
        return svg(figure)


def uptake_curves(points: pd.DataFrame, reference: str) -> str:
    """Draw each method's curve over its learning rates: more uptake to the right, more forgetting upwards.

    Args:
        points: Table `curves` of the findings.
        reference: Method that is drawn in black.

    Returns:
        The figure as SVG text.
    """
    methods = list(dict.fromkeys(points["method"]))
    with plt.rc_context(STYLE):
        figure, panel = plt.subplots(figsize=(9, 5.5), layout="constrained")
        colours = plt.get_cmap("tab20")
        for number, method in enumerate(methods):
            own = points[points["method"] == method]
            plain = "+" not in method
            style = {
                "color": "black" if method == reference else colours(number % 20),
                "linewidth": 2.2 if method == reference else 1.2,
            }
            # The colours repeat after twenty methods, so the marker must differ then.
            marker = ("o" if plain else "s") if number < 20 else ("^" if plain else "D")
            measured = own[own["rate"] > 0]
            panel.plot(
                measured["updated"], measured["unchanged"], marker=marker, markersize=4,
                linestyle="-" if plain else "--", label=method, **style,
            )  # fmt: skip
            # The stretch from the base model to the lowest rate was not measured, so it is dotted.
            panel.plot(own["updated"][:2], own["unchanged"][:2], linestyle=":", **style | {"linewidth": 0.8})
        base = points[points["rate"] == 0].iloc[:1]
        panel.plot(
            base["updated"], base["unchanged"], marker="s", markersize=7, markerfacecolor="white",
            color="black", linestyle="", label="base model",
        )  # fmt: skip
        panel.set_xscale("log")
        panel.set_yscale("log")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("{x:g}")
        panel.tick_params(which="minor", labelsize=8)
        panel.set_xlabel("perplexity of updated facts (further right: more taken up)")
        panel.set_ylabel("perplexity of unchanged facts (further up: more forgotten)")
        panel.invert_xaxis()
        panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return svg(figure)


def equal_uptake(table: pd.DataFrame, reference: str) -> str:
    """Draw forgetting relative to the reference at equal uptake, with one panel for each level.

    Args:
        table: Rows of `tgl.analysis.uptake.at_equal_uptake`. Only rows with this reference are shown.
        reference: Method that the others are compared with.

    Returns:
        The figure as SVG text.
    """
    table = table[table["reference"] == reference]
    shares = list(dict.fromkeys(table["share"]))
    methods = table["method"].nunique()
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(shares), figsize=(11, max(2.5, 1 + 0.25 * methods)), layout="constrained", squeeze=False
        )
        for panel, share in zip(panels[0], shares, strict=True):
            rows = table[table["share"] == share].reset_index(drop=True)
            for y, row in rows.iterrows():
                if np.isfinite(row["ratio"]):
                    _point(panel, row, y, columns=("ratio", "low", "high"))
            panel.axvline(1.0, color="#444444", linewidth=0.8, linestyle=":")
            panel.set_yticks(range(len(rows)), rows["method"] if panel is panels[0][0] else [""] * len(rows))
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_title(f"at {share:.0%} of the uptake of {reference}", fontsize=11)
        return svg(figure)


def _point(panel, row: pd.Series, y: int, *, columns: tuple[str, str, str]) -> None:
    middle, low, high = (row[column] for column in columns)
    error = [[max(0, middle - low)], [max(0, high - middle)]] if np.isfinite(low) else None
    colour = COLOURS.get(row["verdict"], "#666666")
    fill = "white" if row["verdict"] == NOT_MEASURED else colour
    panel.errorbar(
        middle, y, xerr=error, fmt="o", markersize=4, linewidth=1.2, color=colour, markerfacecolor=fill
    )
