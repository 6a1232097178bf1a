"""Draw the figures of the report's section on methods: differences, and curves of uptake and forgetting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from tgl.analysis.compare import BETTER, WORSE
from tgl.report.figures import STYLE, svg

MOST_COLUMNS = 5
_MOST_NUMBERS = 8  # Periods of a matrix whose cells have room for numbers.
COLOURS = {BETTER: "#2d6a4f", WORSE: "#9d0208"}


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


def uptake_curves(points: pd.DataFrame, rates: Mapping[str, float], reference: str) -> str:
    """Draw the curve of each method at one rate: more uptake to the right, more forgetting upwards.

    Args:
        points: Means of the curves over seeds (`tgl.analysis.curve_points.mean_points`).
        rates: The rate of each method.
        reference: Method that is drawn in black.

    Returns:
        The figure as SVG text.
    """
    with plt.rc_context(STYLE):
        figure, panel = plt.subplots(figsize=(9, 5.5), layout="constrained")
        colours = method_colours(list(rates), reference)
        for number, (method, rate) in enumerate(rates.items()):
            own = points[(points["method"] == method) & (points["rate"] == rate)]
            plain = "+" not in method
            # The colours repeat after twenty methods, so the marker must differ then.
            marker = ("o" if plain else "s") if number < 20 else ("^" if plain else "D")
            panel.plot(
                own["uptake"], own["forgetting"], marker=marker, markersize=4, label=method,
                linestyle="-" if plain else "--", linewidth=2.2 if method == reference else 1.2,
                color=colours[method] or "black",
            )  # fmt: skip
        panel.axhline(0.0, color="#444444", linewidth=0.8, linestyle=":")
        panel.set_xlabel("learned, nats per token of the facts to learn")
        panel.set_ylabel("forgotten, nats per token of unchanged facts")
        panel.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        return svg(figure)


def method_colours(methods: Sequence[str], reference: str) -> dict[str, str]:
    """Return the colour of each method, which repeats after twenty; "" for the reference, which is black or white."""
    shades = plt.get_cmap("tab20")
    return {
        method: "" if method == reference else to_hex(shades(number % 20))
        for number, method in enumerate(methods)
    }


def equal_uptake(table: pd.DataFrame, reference: str) -> str:
    """Draw the difference in forgetting from the reference at equal uptake, with one panel for each level.

    Args:
        table: Rows of `tgl.analysis.equal_uptake.at_equal_uptake`. Only rows with this reference are shown.
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
                if np.isfinite(row["difference"]):
                    _point(panel, row, y, columns=("difference", "low", "high"))
            panel.axvline(0.0, color="#444444", linewidth=0.8, linestyle=":")
            panel.locator_params(axis="x", nbins=4)
            panel.set_yticks(range(len(rows)), rows["method"] if panel is panels[0][0] else [""] * len(rows))
            panel.set_ylim(len(rows) - 0.5, -0.5)
            panel.set_title(f"at {share:.0%} of the uptake of {reference}", fontsize=11)
        return svg(figure)


def forgetting_matrix(matrix: pd.DataFrame, base: str) -> str:
    """Draw what happens to each period's facts along a chain: one panel for each method, a row for each checkpoint.

    Numbers are perplexities; with more than eight periods they are left out. The colour is the log perplexity minus
    that right after the facts' own period: red means forgotten. Cells before the own period have no colour.

    Args:
        matrix: Table `matrix` of the findings, of two or more periods.
        base: Name of the base model in it, whose row is the first of every panel.

    Returns:
        The figure as SVG text.
    """
    periods = sorted(matrix["period"].unique())
    before = matrix[matrix["method"] == base]
    methods = [method for method in dict.fromkeys(matrix["method"]) if method != base]
    columns = min(MOST_COLUMNS - 1, len(methods))
    lines = math.ceil(len(methods) / columns)
    with plt.rc_context(STYLE | {"axes.spines.left": False, "axes.spines.bottom": False}):
        height = lines * (0.9 + 0.34 * (len(periods) + 1))
        figure, grid = plt.subplots(lines, columns, figsize=(11, height), layout="constrained", squeeze=False)
        for panel in grid.ravel()[len(methods) :]:
            panel.set_axis_off()
        tables = {}
        for method in methods:
            rows = pd.concat([before, matrix[matrix["method"] == method]])
            tables[method] = rows.pivot(index="checkpoint", columns="period", values="value")[periods]
        own = {method: _since_own_period(table) for method, table in tables.items()}
        most = max(0.05, *(np.nanmax(np.abs(values), initial=0.0) for values in own.values()))
        for number, (panel, method) in enumerate(zip(grid.ravel(), methods, strict=False)):
            table = tables[method]
            image = panel.pcolormesh(
                own[method], cmap="RdBu_r", vmin=-most, vmax=most, edgecolors="#dddddd", linewidth=0.4
            )
            if len(periods) <= _MOST_NUMBERS:
                _numbers(panel, table.to_numpy(), own[method] / most)
            panel.set_xticks(np.arange(len(periods)) + 0.5, periods, fontsize=8)
            names = [base, *table.index[1:]] if len(before) else list(table.index)
            panel.set_yticks(
                np.arange(len(names)) + 0.5, names if number % columns == 0 else [""] * len(names), fontsize=8
            )
            panel.invert_yaxis()
            panel.tick_params(length=0)
            panel.set_title(method, fontsize=10, loc="left")
        figure.supxlabel("facts of", fontsize=9)
        figure.supylabel("checkpoint", fontsize=9)
        bar = figure.colorbar(image, ax=grid.ravel().tolist(), fraction=0.03, pad=0.01)
        bar.set_label("nats per token lost since the own period", fontsize=9)
        bar.outline.set_visible(False)
        return svg(figure)


def _numbers(panel, values: np.ndarray, shades: np.ndarray) -> None:
    """Write perplexities into the cells of a heatmap whose colours are `shades`, from -1 to 1."""
    for row, column in np.ndindex(values.shape):
        shade = shades[row, column]
        colour = "#777777" if np.isnan(shade) else "white" if abs(shade) > 0.6 else "black"
        text = f"{math.exp(values[row, column]):.3g}" if np.isfinite(values[row, column]) else "–"
        panel.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=8, color=colour)


def _since_own_period(table: pd.DataFrame) -> np.ndarray:
    """Return each value minus that at the checkpoint of its column; NaN before it.

    Args:
        table: Values by checkpoint (rows, in order) and period (columns), which is also the name of a checkpoint.
    """
    apart = table.to_numpy() - np.array([table[period].get(period, np.nan) for period in table.columns])
    early = np.array([[checkpoint < period for period in table.columns] for checkpoint in table.index])
    return np.where(early, np.nan, apart)


def _point(panel, row: pd.Series, y: int, *, columns: tuple[str, str, str]) -> None:
    middle, low, high = (row[column] for column in columns)
    error = [[max(0, middle - low)], [max(0, high - middle)]] if np.isfinite(low) else None
    colour = COLOURS.get(row["verdict"], "#666666")
    has_verdict = row["verdict"] and not row["verdict"].startswith("no verdict")
    fill = colour if has_verdict else "white"
    panel.errorbar(
        middle, y, xerr=error, fmt="o", markersize=4, linewidth=1.2, color=colour, markerfacecolor=fill
    )
