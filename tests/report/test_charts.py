"""The data of interactive pictures."""

import json

import numpy as np
import pandas as pd
import pytest

from tgl.report.charts import MOST_POINTS, profile_chart, training_chart, uptake_chart

LINE_KEYS = {"group", "name", "panel", "colour", "dashed", "x", "y"}


def losses(steps, methods=("full", "last"), seeds=(0, 1)):
    return pd.DataFrame(
        {"method": method, "rate": 0.003, "seed": seed, "position": step, "loss": 5.0 - step / steps + seed}
        for method in methods
        for seed in seeds
        for step in range(steps)
    )


def norms(groups, seeds=(0,)):
    return pd.DataFrame(
        {"group": group, "denominator": "window", "block": block, "part": part, "seed": seed,
         "relative_norm": 1.0 + block + seed, "low": 0.5 - seed, "high": 9.0 + seed}
        for group in groups
        for block in (-1, 0, 1)
        for part in (("all",) if block < 0 else ("attention", "mlp"))
        for seed in seeds
    )  # fmt: skip


def test_every_rate_has_its_mean_loss_with_the_smallest_and_largest_over_seeds():
    chart = training_chart(losses(3), "full")
    assert [line["name"] for line in chart["lines"]] == ["full at 0.003", "last at 0.003"]
    line = chart["lines"][1]
    assert line["x"] == [0, 1, 2]
    assert line["low"] == pytest.approx([5, 5 - 1 / 3, 5 - 2 / 3], rel=1e-4)
    assert line["y"] == pytest.approx([5.5, 5.5 - 1 / 3, 5.5 - 2 / 3], rel=1e-4)
    assert line["high"] == pytest.approx([6, 6 - 1 / 3, 6 - 2 / 3], rel=1e-4)
    assert set(line) == LINE_KEYS | {"low", "high"}
    assert all(set(line) == LINE_KEYS for line in training_chart(losses(3, seeds=(0,)), "full")["lines"])
    assert chart["groups"] == ["full", "last"]


@pytest.mark.parametrize("steps", [MOST_POINTS, MOST_POINTS + 1, 1999, 10_007])
def test_long_runs_keep_their_mean_in_few_points(steps):
    (line,) = training_chart(losses(steps, ("full",), (0,)), "full")["lines"]
    size = -(-steps // MOST_POINTS)
    assert len(line["y"]) == len(line["x"]) == -(-steps // size) <= MOST_POINTS
    whole = losses(steps, ("full",), (0,))["loss"].to_numpy()
    assert line["y"][0] == pytest.approx(whole[:size].mean(), rel=1e-4)
    last = steps - (len(line["y"]) - 1) * size
    assert line["y"][-1] == pytest.approx(whole[-last:].mean(), rel=1e-4)


def test_a_few_methods_are_shown_first_and_the_reference_has_the_colour_of_the_text():
    chart = training_chart(losses(2, [f"m{n}" for n in range(25)] + ["full"]), "full")
    assert len(chart["shown"]) < 6
    assert len(chart["groups"]) == 26
    colours = {line["group"]: line["colour"] for line in chart["lines"]}
    assert colours["full"] == ""
    assert all(colour.startswith("#") for group, colour in colours.items() if group != "full")


def test_curves_at_other_rates_are_dashed_and_a_gap_is_no_number():
    points = pd.DataFrame(
        {
            "method": method,
            "rate": rate,
            "point": point,
            "uptake": point * rate,
            "forgetting": np.nan if point else 0.0,
        }
        for method in ("full", "last")
        for rate in (0.1, 0.2)
        for point in (0, 1)
    )
    chart = uptake_chart(points, {"full": 0.1, "last": 0.2}, "full")
    assert {line["name"]: line["dashed"] for line in chart["lines"]} == {
        "full at 0.1": False, "full at 0.2": True, "last at 0.1": True, "last at 0.2": False,
    }  # fmt: skip
    assert chart["lines"][0]["y"] == [0, None]
    assert json.dumps(chart, allow_nan=False)


def test_a_profile_has_a_panel_for_each_kind_and_part_with_limits_over_seeds():
    chart = profile_chart(
        norms(("updated", "new_entity", "unchanged", "shuffled.updated"), seeds=(0, 1)), "window"
    )
    assert chart["panels"] == [
        f"{kind}, {part}" for kind in ("updated facts", "new entities") for part in ("attention", "mlp")
    ]
    assert chart["shown"] == ["updated facts", "unchanged facts", "new entities"]
    assert chart["log"]
    shuffled = [line for line in chart["lines"] if line["group"] == "shuffled answers"]
    assert [line["panel"] for line in shuffled] == ["updated facts, attention", "updated facts, mlp"]
    assert shuffled[0]["name"] == "shuffled answers (updated facts)"
    assert (shuffled[0]["x"], shuffled[0]["y"]) == ([0, 1], [1.5, 2.5])
    assert (shuffled[0]["low"], shuffled[0]["high"]) == ([-0.5, -0.5], [10, 10])
