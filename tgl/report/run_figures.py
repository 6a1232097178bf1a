"""Draw what runs did: their plans as a heatmap, and their training losses."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from tgl.core.spacing import thinned
from tgl.plans.plan import Plan
from tgl.report.figures import STYLE, svg

_UNIT = re.compile(r"block(\d+)\.(.+)")
_MOST_COLUMNS = 4
_MOST_POINTS = 200  # Points of a line; of more steps, neighbours are averaged.


def plan_heatmap(plans: Sequence[tuple[int, Plan]]) -> str:
    """Draw the multipliers of all plans by sublayer: one panel for each part of a block, one row for each plan.

    The colour is the mean over seeds and, for plans with phases, over the phases by their length.

    Args:
        plans: (seed, plan) of every plan.

    Returns:
        The figure as SVG text.
    """
    methods = list(dict.fromkeys(plan.method for _, plan in plans))
    parts = list(dict.fromkeys(_UNIT.fullmatch(name)[2] for name in plans[0][1].multipliers))
    blocks = 1 + max(int(_UNIT.fullmatch(name)[1]) for name in plans[0][1].multipliers)
    values = np.full((len(parts), len(methods), blocks), np.nan)
    for row, method in enumerate(methods):
        own = [_mean_multipliers(plan) for _, plan in plans if plan.method == method]
        for name in own[0]:
            block, part = _UNIT.fullmatch(name).groups()
            values[parts.index(part), row, int(block)] = np.mean([found[name] for found in own])
    with plt.rc_context(STYLE | {"axes.spines.left": False, "axes.spines.bottom": False}):
        height = len(parts) * (0.9 + 0.24 * len(methods))
        figure, panels = plt.subplots(
            len(parts), 1, figsize=(11, max(2.5, height)), layout="constrained", squeeze=False
        )
        most = max(1.0, float(np.nanmax(values)))
        for panel, part, grid in zip(panels[:, 0], parts, values, strict=True):
            image = panel.pcolormesh(
                grid, cmap="Blues", vmin=0.0, vmax=most, edgecolors="#dddddd", linewidth=0.4
            )
            panel.set_yticks(np.arange(len(methods)) + 0.5, methods, fontsize=8)
            step = math.ceil(blocks / 30)
            panel.set_xticks(np.arange(0, blocks, step) + 0.5, range(0, blocks, step), fontsize=8)
            panel.invert_yaxis()
            panel.tick_params(length=0)
            panel.set_title(part, fontsize=11, loc="left")
        panels[-1, 0].set_xlabel("block")
        bar = figure.colorbar(image, ax=panels[:, 0].tolist(), fraction=0.03, pad=0.01)
        bar.set_label("multiplier of the learning rate")
        bar.outline.set_visible(False)
        return svg(figure)


def _mean_multipliers(plan: Plan) -> dict[str, float]:
    ends = [phase.start for phase in plan.phases[1:]] + [1.0]
    lengths = [end - phase.start for phase, end in zip(plan.phases, ends, strict=True)]
    return {
        name: sum(
            length * phase.multipliers[name] for length, phase in zip(lengths, plan.phases, strict=True)
        )
        for name in plan.multipliers
    }


def training_curves(losses: pd.DataFrame) -> str:
    """Draw the training loss of every run by step, with one panel for each method and one colour for each rate.

    Args:
        losses: Columns method, rate, seed, position (steps since the first of the run) and loss (nats per token).

    Returns:
        The figure as SVG text.
    """
    methods = list(dict.fromkeys(losses["method"]))
    rates = sorted(set(losses["rate"]))
    columns = min(_MOST_COLUMNS, len(methods))
    lines = math.ceil(len(methods) / columns)
    shades = plt.get_cmap("viridis")(np.linspace(0.0, 0.85, len(rates)))
    with plt.rc_context(STYLE):
        figure, grid = plt.subplots(
            lines, columns, figsize=(11, 0.6 + 2.1 * lines), layout="constrained", squeeze=False, sharex=True,
            sharey=True,
        )  # fmt: skip
        for panel in grid.ravel()[len(methods) :]:
            panel.set_axis_off()
        for panel, method in zip(grid.ravel(), methods, strict=False):
            for (rate, _), run in losses[losses["method"] == method].groupby(["rate", "seed"]):
                at, loss = (thinned(run[name], _MOST_POINTS) for name in ("position", "loss"))
                panel.plot(at, loss, linewidth=0.7, color=shades[rates.index(rate)])
            panel.set_title(method, fontsize=9, loc="left")
        lines_of_rates = [plt.Line2D([], [], color=shade) for shade in shades]
        figure.legend(
            lines_of_rates, [f"{rate:g}" for rate in rates], title="learning rate", loc="outside right upper",
            fontsize=8, frameon=False,
        )  # fmt: skip
        figure.supxlabel("step", fontsize=10)
        figure.supylabel("training loss, nats per token", fontsize=10)
        return svg(figure)
