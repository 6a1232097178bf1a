"""Data of the pictures that a reader can ask: lines by group, which `templates/charts.js` draws with Chart.js."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from tgl.report.profile_figures import COLOURS, LABELS, label, traced_kinds
from tgl.train.methods import rate_text

MOST_POINTS = 200  # Points of a line; of more, neighbours are averaged.
_SHOWN = 4  # Methods that are shown before the reader chooses others.
_DIGITS = 5


def uptake_chart(points: pd.DataFrame, rates: Mapping[str, float], reference: str) -> dict:
    """Return the curves of uptake and forgetting of all methods and rates.

    Args:
        points: Table `curves` of the findings.
        rates: The rate of each method that the still picture shows. Curves at other rates are dashed.
        reference: Method that is drawn in black.
    """
    colours = _colours(list(rates), reference)
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
    )


def training_chart(losses: pd.DataFrame, reference: str) -> dict:
    """Return the training loss of every run by step.

    Args:
        losses: Columns method, rate, seed, position (steps since the first of the run) and loss (nats per token).
        reference: Method that is drawn in black.
    """
    methods = list(dict.fromkeys(losses["method"]))
    colours = _colours(methods, reference)
    lines = [
        _line(
            method,
            f"{method} at {rate_text(rate)}, seed {seed}",
            (_thinned(run["position"]), _thinned(run["loss"])),
            colour=colours[method],
        )
        for (method, rate, seed), run in losses.groupby(["method", "rate", "seed"], sort=False)
    ]
    return _chart(("step", "training loss, nats per token"), lines, groups=methods, shown=methods[:_SHOWN])


def profile_chart(profile: pd.DataFrame, denominator: str) -> dict:
    """Return the relative norm by block of each group, with one panel for each traced kind and part.

    Values are means over seeds, and limits the outermost of any seed, as in `profile_figures.profile_by_block`.
    """
    rows = profile[(profile["denominator"] == denominator) & (profile["block"] >= 0)]
    parts = list(dict.fromkeys(rows.sort_values(["block", "part"])["part"]))
    lines, groups = [], []
    for kind in traced_kinds(rows):
        for part in parts:
            for group in dict.fromkeys([kind, "unchanged", *(f"{name}.{kind}" for name in COLOURS)]):
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
    return _chart(axes, lines, groups=groups, shown=shown) | {"log": True}


def _chart(
    axes: tuple[str, str], lines: Sequence[dict], *, groups: Sequence[str], shown: Sequence[str]
) -> dict:
    panels = list(dict.fromkeys(line["panel"] for line in lines if line["panel"]))
    return {
        "x": axes[0], "y": axes[1], "log": False, "groups": list(groups), "shown": list(shown), "panels": panels,
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


def _colours(methods: Sequence[str], reference: str) -> dict[str, str]:
    """Return the colours of `method_figures.uptake_curves`. The reference has the page's own, for dark pages."""
    shades = plt.get_cmap("tab20")
    return {
        method: "" if method == reference else to_hex(shades(number % 20))
        for number, method in enumerate(methods)
    }


def _numbers(values: Sequence[float]) -> list[float | None]:
    """Return numbers for JSON, which has no NaN."""
    return [
        float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in np.asarray(values, float)
    ]


def _thinned(values: pd.Series) -> np.ndarray:
    """Return at most `MOST_POINTS` numbers: means of as many neighbours as needed."""
    numbers = values.to_numpy(dtype=float)
    size = -(-len(numbers) // MOST_POINTS)
    starts = np.arange(0, len(numbers), max(1, size))
    return np.add.reduceat(numbers, starts) / np.diff([*starts, len(numbers)])
