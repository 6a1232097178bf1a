"""The numbers of docs/worked-example.md, computed by the code."""

import numpy as np
import pytest
import torch

from tests.support.paths import REPOSITORY
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import plan_from
from tgl.profiling.squares import LEAF, linear_squares

PAGE = (REPOSITORY / "docs" / "worked-example.md").read_text(encoding="utf-8")
NORMS = {"block00.attention": (12, 4), "block00.mlp": (6, 6), "block01.attention": (10, 5)}
SIZES = {"block00.attention": 100, "block00.mlp": 200, "block01.attention": 100}


def rows():
    return [
        {
            "weights": "trained", "group": "updated", "denominator": "window", "sublayer": name,
            "num_parameters": SIZES[name], "relative_norm": salient / window,
        }
        for name, (salient, window) in NORMS.items()
    ]  # fmt: skip


def plan(name):
    return plan_from(rows(), name, PlanConfig(), seed=0, origin="the page")[0]


def test_the_norm_of_one_gradient():
    inputs, gradients = torch.tensor([[[1.0, 2.0], [0.0, 1.0]]]), torch.tensor([[[1.0], [2.0]]])
    assert (inputs[0].mT @ gradients[0]).flatten().tolist() == [1.0, 4.0]
    assert linear_squares(inputs, gradients).tolist() == [17.0]
    pairs = (inputs @ inputs.mT) * (gradients @ gradients.mT)
    assert pairs.sum().item() == 17.0
    assert inputs.shape[1] <= LEAF
    assert "(1, 4)" in PAGE
    assert PAGE.count("**17**") == 2


@pytest.mark.parametrize("name", NORMS)
def test_the_table_of_the_profile(name):
    salient, window = NORMS[name]
    assert f"| {name} | {salient} | {window} | {salient // window} |" in PAGE


def test_the_plans():
    assert plan("tgl_fp").multipliers == {
        "block00.attention": 1.0,
        "block00.mlp": 0.0,
        "block01.attention": 0.0,
    }
    assert plan("tgl_alr").multipliers == {
        "block00.attention": 1.5,
        "block00.mlp": 0.5,
        "block01.attention": 1.0,
    }
    assert (plan("tgl_fp").trainable_parameters, plan("tgl_fp").total_parameters) == (100, 400)
    assert plan("last").multipliers["block01.attention"] == 1.0
    assert "1.5, 0.5 and 1." in PAGE


def test_the_forgetting_at_equal_uptake():
    level = 4.0 - 0.5 * (4.0 - 1.0)
    forgetting = np.interp(-level, [-3.0, -2.0], [1.0, 1.4])
    assert level == 2.5
    assert forgetting == pytest.approx(1.2)
    assert "**1.2**" in PAGE
