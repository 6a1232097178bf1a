"""Plans from uptake and Fisher information."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plans.plan_units import units_of
from tests.support.model_fixtures import RANKED
from tests.train.continual_runs import profile_row
from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.plans.make import make_plan
from tgl.plans.plan import load_plan
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import write_plan

positive = st.floats(1e-6, 1e6)


def measured(pairs):
    units = units_of([1.0] * len(pairs))
    return [
        dataclasses.replace(unit, uptake=uptake, fisher=fisher)
        for unit, (uptake, fisher) in zip(units, pairs, strict=True)
    ]


def multipliers(method, pairs, seed=0):
    return np.array(list(make_plan(method, measured(pairs), PlanConfig(), seed=seed).multipliers.values()))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=8), positive)
def test_rates_follow_uptake_over_fisher_with_mean_one_whatever_the_units(pairs, factor):
    uptake, fisher = np.array(pairs).T
    for method, wanted in (
        ("alr_fisher", uptake / fisher),
        ("alr_inverse_fisher", 1 / fisher),
        ("alr_uptake", uptake),
    ):
        found = multipliers(method, pairs)
        assert found == pytest.approx(wanted / wanted.mean())
        assert found.mean() == pytest.approx(1)
        assert multipliers(method, [(a * factor, f * factor) for a, f in pairs]) == pytest.approx(found)


def test_the_best_rates_learn_most_for_a_given_loss():
    """Among rates with the same sum(lr^2 f), those of alr_fisher have the largest sum(lr a)."""
    rng = np.random.default_rng(0)
    uptake, fisher = rng.uniform(0.1, 5, (2, 6))
    best = multipliers("alr_fisher", list(zip(uptake, fisher, strict=True)))
    best /= np.sqrt((best**2 * fisher).sum())
    for _ in range(200):
        other = rng.uniform(0, 1, 6)
        other /= np.sqrt((other**2 * fisher).sum())
        assert (other * uptake).sum() <= (best * uptake).sum() + 1e-12


def test_shuffled_rates_are_the_same_rates_in_another_order():
    pairs = [(n + 1.0, 1.0) for n in range(12)]
    own = multipliers("alr_fisher", pairs)
    orders = [multipliers("shuffled_alr_fisher", pairs, seed) for seed in range(3)]
    for order in orders:
        assert sorted(order) == pytest.approx(sorted(own))
        assert not np.allclose(order, own)
    assert not np.allclose(orders[0], orders[1])


@pytest.mark.parametrize("method", ["alr_fisher", "alr_inverse_fisher", "alr_uptake", "shuffled_alr_fisher"])
def test_without_the_table_or_with_a_zero_the_plan_is_refused(method):
    with pytest.raises(TglError, match=r"found no table `interference`.*tgl interference"):
        make_plan(
            method,
            [dataclasses.replace(unit, uptake=None) for unit in units_of([1.0, 2.0])],
            PlanConfig(),
            seed=0,
        )
    with pytest.raises(TglError, match=r"of block01\.mlp, expected both above 0"):
        multipliers(method, [(1.0, 1.0), (1.0, 0.0)])


@pytest.fixture
def profile(tmp_path):
    rows = [profile_row(name, 1.0) for name in RANKED]
    write_table([*rows, profile_row("all", 9.0)], tmp_path / "profile.parquet", "profile")
    return tmp_path / "profile.parquet"


def interference(path, names):
    rows = [
        {"sublayer": name, "num_parameters": 100, "uptake": number + 1.0, "fisher": 2.0}
        for number, name in enumerate(names)
    ]
    write_table(rows, path, "interference")
    return {"interference": path}


def test_the_table_of_the_stage_is_used(profile, tmp_path):
    others = interference(tmp_path / "i.parquet", RANKED)
    write_plan(profile, "alr_fisher", tmp_path / "p.json", settings=PlanConfig(), seed=0, others=others)
    plan = load_plan(tmp_path / "p.json")
    assert list(plan.multipliers.values()) == pytest.approx([0.4, 0.8, 1.2, 1.6])


def test_a_table_of_another_model_is_refused(profile, tmp_path):
    others = interference(tmp_path / "i.parquet", RANKED[:3])
    with pytest.raises(TglError, match="its sublayers are not those of"):
        write_plan(profile, "alr_fisher", tmp_path / "p.json", settings=PlanConfig(), seed=0, others=others)


@pytest.mark.parametrize(
    ("about", "what"),
    [
        ({"salient": "updated"}, "spans 'updated', expected 'new_entity'"),
        ({"model_sha256": "b" * 64}, "weights 'bbbb"),
    ],
)
def test_a_table_of_other_spans_or_weights_is_refused(tmp_path, about, what):
    rows = [profile_row(name, 1.0, group="new_entity") for name in RANKED]
    of_profile = {"model_sha256": "a" * 64, "dtype": "float32"}
    write_table(rows, tmp_path / "profile.parquet", "profile", about=of_profile)
    rows = [{"sublayer": name, "num_parameters": 100, "uptake": 1.0, "fisher": 2.0} for name in RANKED]
    same = {"salient": "new_entity", "model_sha256": "a" * 64}

    def written(about):
        write_table(rows, tmp_path / "i.parquet", "interference", about=about)
        others = {"interference": tmp_path / "i.parquet"}
        write_plan(
            tmp_path / "profile.parquet", "alr_fisher.new_entity", tmp_path / "p.json", settings=PlanConfig(), seed=0,
            others=others,
        )  # fmt: skip

    written(same)
    with pytest.raises(TglError, match=what):
        written(same | about)
