"""Heatmaps of plans and curves of training losses."""

import re

import numpy as np
import pandas as pd
import pytest

from tgl.plans.plan import Phase, Plan
from tgl.report import run_figures
from tgl.report.run_figures import plan_heatmap, training_curves


def plan(method, multipliers, later=()):
    return Plan(method, 0.0, multipliers, "window", 1, 2, "", later)


def shown(monkeypatch, draw, *arguments):
    """Return the values of each heatmap that a function draws, and its panels' titles."""
    kept = []
    monkeypatch.setattr(run_figures, "svg", lambda figure: kept.append(figure) or "<svg/>")
    draw(*arguments)
    return kept[0]


def grids(figure):
    return [
        np.asarray(mesh.get_array()).reshape(-1)
        for panel in figure.axes
        for mesh in panel.collections
        if panel.get_title(loc="left")
    ]


def test_the_heatmap_has_the_mean_over_seeds_by_part_plan_and_block(monkeypatch):
    units = ["block00.attention", "block00.mlp", "block01.attention", "block01.mlp"]
    plans = [
        (0, plan("tgl_fp", dict(zip(units, [1.0, 0.0, 0.0, 1.0], strict=True)))),
        (1, plan("tgl_fp", dict(zip(units, [1.0, 0.0, 1.0, 1.0], strict=True)))),
        (0, plan("full", dict.fromkeys(units, 1.0))),
        (1, plan("full", dict.fromkeys(units, 1.0))),
    ]
    figure = shown(monkeypatch, plan_heatmap, plans)
    attention, mlp = grids(figure)
    assert attention.tolist() == [1.0, 0.5, 1.0, 1.0]
    assert mlp.tolist() == [0.0, 1.0, 1.0, 1.0]
    assert [panel.get_title(loc="left") for panel in figure.axes[:2]] == ["attention", "mlp"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["tgl_fp", "full"]


def test_phases_count_by_their_length(monkeypatch):
    both = {"block00.mlp": 1.0, "block01.mlp": 0.0}
    later = (Phase(0.25, {"block00.mlp": 0.0, "block01.mlp": 2.0}),)
    (mlp,) = grids(shown(monkeypatch, plan_heatmap, [(0, plan("lisa", both, later))]))
    assert mlp.tolist() == pytest.approx([0.25, 1.5])


def test_blocks_without_a_part_stay_empty(monkeypatch):
    multipliers = {"block00.attention": 1.0, "block01.sequence_mixer": 1.0}
    attention, mixer = grids(shown(monkeypatch, plan_heatmap, [(0, plan("full", multipliers))]))
    assert np.isnan(np.ma.filled(attention, np.nan)).tolist() == [False, True]
    assert np.isnan(np.ma.filled(mixer, np.nan)).tolist() == [True, False]


@pytest.mark.parametrize("blocks", [12, 60])
def test_the_numbers_of_blocks_stay_readable(blocks, monkeypatch):
    multipliers = {f"block{number:02d}.mlp": 1.0 for number in range(blocks)}
    figure = shown(monkeypatch, plan_heatmap, [(0, plan("full", multipliers))])
    labels = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert 10 <= len(labels) <= 30
    assert labels[0] == "0"


def test_there_is_a_line_for_each_run_in_the_colour_of_its_rate(monkeypatch):
    losses = pd.DataFrame(
        [
            {"method": method, "rate": rate, "seed": seed, "position": step, "loss": 3.0 - step * rate}
            for method in ("full", "tgl_fp") for rate in (0.1, 0.2) for seed in (0, 1, 2) for step in range(5)
        ]
    )  # fmt: skip
    figure = shown(monkeypatch, training_curves, losses)
    panels = [panel for panel in figure.axes if panel.get_title(loc="left")]
    assert [panel.get_title(loc="left") for panel in panels] == ["full", "tgl_fp"]
    for panel in panels:
        assert len(panel.lines) == 6
        assert len({line.get_color() if isinstance(line.get_color(), str) else tuple(line.get_color())
                    for line in panel.lines}) == 2  # fmt: skip
        assert panel.lines[0].get_ydata().tolist() == pytest.approx([3.0 - step * 0.1 for step in range(5)])


def test_the_same_numbers_give_the_same_bytes():
    drawn = [plan_heatmap([(0, plan("full", {"block00.mlp": 1.0, "block01.mlp": 0.5}))]) for _ in range(2)]
    assert drawn[0] == drawn[1]
    assert re.match("<svg", drawn[0])
