"""Data of the interactive charts: lines by group, which `templates/charts.js` draws with Chart.js."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tgl.core.spacing import thinned
from tgl.report.method_figures import method_colours
from tgl.report.profile_figures import COLOURS, LABELS, compared_groups, label, traced_kinds
from tgl.train.methods import rate_text

MOST_POINTS = 80  # Points of a line; of more, neighbours are averaged.
_SHOWN = 4  # Methods that are shown before the reader selects others.
_DIGITS = 5


def uptake_chart(points: pd.DataFrame, rates: Mapping[str, float], reference: str) -> dict:
    """Return the curves of uptake and forgetting of all methods and rates.

    Args:
        points: Means of the curves over seeds (`tgl.analysis.curve_points.mean_points`).
        rates: The rate of each method that the still picture shows. Curves at other rates are dashed.
        reference: Method that is drawn in black.
    """
    colours = method_colours(list(rates), reference)
    lines = [
        _line(
            method,
            f"{method} at {rate_text(rate)}",
            (run["uptake"], run["forgetting"]),
            colour=colours[method],
            dashed=rate != rates[method],
        )
        for (method, rate), run in points.groupby(["method", "rate"], sort=False)
        if method in rates
    ]
    return _chart(
        ("learned, nats per token of the facts to learn", "forgotten, nats per token of unchanged facts"),
        lines,
        groups=list(rates),
        shown=list(rates),
        source="curves.csv",
    )


def training_chart(losses: pd.DataFrame, reference: str) -> dict:
    """Return the training loss by step of each method and rate: mean, smallest and largest over seeds.

    Args:
        losses: Columns method, rate, seed, position (steps since the first of the run) and loss (nats per token).
        reference: Method that is drawn in black.
    """
    methods = list(dict.fromkeys(losses["method"]))
    colours = method_colours(methods, reference)
    lines = []
    for (method, rate), runs in losses.groupby(["method", "rate"], sort=False):
        steps = runs.groupby("position")["loss"]
        mean, low, high = (
            thinned(values, MOST_POINTS) for values in (steps.mean(), steps.min(), steps.max())
        )
        at = thinned(steps.mean().index, MOST_POINTS)
        line = _line(method, f"{method} at {rate_text(rate)}", (at, mean), colour=colours[method])
        limits = {"low": _numbers(low), "high": _numbers(high)} if runs["seed"].nunique() > 1 else {}
        lines.append(line | limits)
    return _chart(
        ("step", "training loss, nats per token"),
        lines,
        groups=methods,
        shown=methods[:_SHOWN],
        source="table steps",
    )


def profile_chart(profile: pd.DataFrame, denominator: str) -> dict:
    """Return the relative norm by block of each group, with one panel for each traced kind and part.

    Args:
        profile: Rows of the table `profile` of one or several seeds. Values are means over seeds, and limits the
            outermost of any seed, as in `profile_figures.profile_by_block`.
        denominator: Denominator of the relative norm.
    """
    rows = profile[(profile["denominator"] == denominator) & (profile["block"] >= 0)]
    parts = list(dict.fromkeys(rows.sort_values(["block", "part"])["part"]))
    lines, groups = [], []
    for kind in traced_kinds(rows):
        for part in parts:
            for group in dict.fromkeys([kind, *compared_groups(kind)]):
                own = rows[(rows["part"] == part) & (rows["group"] == group)].groupby("block")
                if not len(own):
                    continue
                name = group.partition(".")[0]
                mean, low, high = own["relative_norm"].mean(), own["low"].min(), own["high"].max()
                line = _line(LABELS[name], label(group), (mean.index, mean), colour=COLOURS[name])
                panel = f"{LABELS[kind]}, {part.replace('_', ' ')}"
                lines.append(line | {"panel": panel, "low": _numbers(low), "high": _numbers(high)})
                groups.append(LABELS[name])
    groups = list(dict.fromkeys(groups))
    shown = [name for name in groups if name in {LABELS[kind] for kind in (*traced_kinds(rows), "unchanged")}]
    axes = ("block", f"gradient norm divided by that of {LABELS[denominator]}")
    return _chart(axes, lines, groups=groups, shown=shown, source="table profile") | {"log": True}


def _chart(
    axes: tuple[str, str], lines: Sequence[dict], *, groups: Sequence[str], shown: Sequence[str], source: str
) -> dict:
    panels = list(dict.fromkeys(line["panel"] for line in lines if line["panel"]))
    return {
        "x": axes[0], "y": axes[1], "log": False, "groups": list(groups), "shown": list(shown), "panels": panels,
        "source": source,
        "lines": list(lines),
    }  # fmt: skip


def _line(
    group: str,
    name: str,
    points: tuple[Sequence[float], Sequence[float]],
    *,
    colour: str,
    dashed: bool = False,
) -> dict:
    return {
        "group": group, "name": name, "panel": "", "colour": colour, "dashed": dashed, "x": _numbers(points[0]),
        "y": _numbers(points[1]),
    }  # fmt: skip


def _numbers(values: Sequence[float]) -> list[float | None]:
    """Return numbers for JSON, which has no NaN."""
    return [
        float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in np.asarray(values, float)
    ]
