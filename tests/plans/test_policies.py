"""What each policy makes of a profile; those that keep to a budget are in test_controls.py."""

import math
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.plans.plan_units import parameters, size_of, transformer, units_of
from tgl.core.errors import TglError
from tgl.plans.make import make_plan
from tgl.plans.plan import load_plan, save_plan
from tgl.plans.policy import POLICIES, Unit
from tgl.plans.ranking import traced
from tgl.plans.settings import PlanConfig

norms = st.lists(st.floats(0.01, 100), min_size=2, max_size=16)
quick = settings(deadline=None, derandomize=True, max_examples=50)
# Every policy by a name that needs nothing but norms.
METHODS = [policy for policy in POLICIES if policy not in ("only", "spectrum")] + ["only.1"]


def made(method, units, seed=0, **settings):
    return make_plan(method, units, PlanConfig(**settings), seed=seed)


@quick
@given(norms)
def test_tgl_fp_trains_exactly_the_sublayers_above_the_mean(values):
    plan = made("tgl_fp", units_of(values))
    above = {f"block{number:02d}.mlp" for number, value in enumerate(values) if value > np.mean(values)}
    assume(above)
    assert plan.trained() == above
    assert set(plan.multipliers.values()) <= {0.0, 1.0}


def test_a_sublayer_at_the_mean_is_frozen():
    assert traced(units_of([1.0, 2.0, 3.0])) == {"block02.mlp"}


def test_tgl_fp_on_equal_norms_trains_everything_rather_than_nothing():
    assert made("tgl_fp", units_of([2.0, 2.0, 2.0])).trained() == {
        "block00.mlp", "block01.mlp", "block02.mlp",
    }  # fmt: skip


@quick
@given(norms, st.integers(1, 99))
def test_a_top_share_trains_that_many_sublayers_of_the_largest_norms(values, percent):
    plan = made(f"tgl_fp.top{percent}", units_of(values))
    wanted = percent / 100 * len(values)
    assert len(plan.trained()) == max(1, round(wanted))
    assert abs(len(plan.trained()) - wanted) <= max(0.5, 1 - wanted)
    chosen = [value for name, value in zip(plan.multipliers, values, strict=True) if name in plan.trained()]
    left = [value for name, value in zip(plan.multipliers, values, strict=True) if name not in plan.trained()]
    assert min(chosen) >= max(left, default=0)


def test_of_equal_norms_a_top_share_takes_the_same_ones_each_time():
    units = units_of([2.0, 5.0, 2.0, 2.0])
    assert traced(units, 0.5) == traced(units[::-1], 0.5) == {"block00.mlp", "block01.mlp"}


@quick
@given(norms, st.sampled_from(["tgl_alr", "tgl_alr.max"]))
def test_tgl_alr_is_proportional_to_the_norms_with_mean_or_max_one(values, method):
    multipliers = np.array(list(made(method, units_of(values)).multipliers.values()))
    assert (multipliers.max() if method == "tgl_alr.max" else multipliers.mean()) == pytest.approx(1)
    assert multipliers / multipliers[0] == pytest.approx(np.array(values) / values[0])


@quick
@given(norms, st.integers(0, 100), st.sampled_from(["", ".max"]))
def test_shuffled_alr_deals_the_multipliers_of_tgl_alr_out_anew(values, seed, scale):
    units = units_of(values)
    plain, shuffled = made(f"tgl_alr{scale}", units), made(f"shuffled_alr{scale}", units, seed)
    assert sorted(shuffled.multipliers.values()) == sorted(plain.multipliers.values())
    assert list(shuffled.multipliers) == list(plain.multipliers)


def test_shuffled_alr_follows_the_seed_and_is_not_tgl_alr():
    units = units_of(np.random.default_rng(0).uniform(1, 3, 24).tolist())
    one, again, other = (made("shuffled_alr", units, seed).multipliers for seed in (1, 1, 2))
    plain = made("tgl_alr", units).multipliers
    assert one == again
    assert one != other
    assert sum(one[name] == plain[name] for name in plain) < 8


MEANS = {
    "full_at_mean_lr": "tgl_alr",
    "full_at_mean_lr.max": "tgl_alr.max",
    "full_at_mean_lr.tgl_fp": "tgl_fp",
    "full_at_mean_lr.top25": "tgl_fp.top25",
}


@quick
@given(st.integers(0, 10**6), st.sampled_from(sorted(MEANS)))
def test_full_at_mean_lr_trains_everything_at_the_parameter_weighted_mean(draw, method):
    rng = np.random.default_rng(draw)
    units = units_of(rng.uniform(1, 9, 10).tolist(), rng.choice([10, 100, 700], 10).tolist())
    plan, other = made(method, units), made(MEANS[method], units)
    sizes = np.array([unit.num_parameters for unit in units])
    expected = (sizes * np.array(list(other.multipliers.values()))).sum() / sizes.sum()
    assert list(plan.multipliers.values()) == pytest.approx([expected] * 10)
    assert plan.mean_rate(size_of(units)) == pytest.approx(other.mean_rate(size_of(units)))
    assert plan.trainable_parameters == plan.total_parameters


def test_full_trains_every_sublayer_at_one():
    plan = made("full", units_of([1.0, 5.0], [10, 20]))
    assert plan.multipliers == {"block00.mlp": 1.0, "block01.mlp": 1.0}
    assert (plan.trainable_parameters, plan.total_parameters) == (30, 30)


def test_trainable_parameters_count_the_trained_sublayers_only():
    plan = made("tgl_fp", units_of([1.0, 1.0, 9.0], [10, 20, 40]))
    assert (plan.trainable_parameters, plan.total_parameters) == (40, 70)


@pytest.mark.parametrize("number", range(4))
def test_only_trains_the_one_sublayer_of_that_number_in_order_of_depth(number):
    units = transformer(np.random.default_rng(0), 2)
    plan = made(f"only.{number}", units)
    assert plan.trained() == {units[number].name}
    assert plan.multipliers[units[number].name] == 1
    assert plan.trainable_parameters == units[number].num_parameters


def test_only_a_sublayer_that_does_not_exist_is_refused_with_how_many_there_are():
    with pytest.raises(TglError, match=r"plan 'only\.4': there are 4 sublayers, numbered from 0"):
        made("only.4", units_of([1.0] * 4))


@quick
@given(st.integers(1, 30), st.integers(0, 50))
def test_random_half_trains_half_of_the_sublayers_at_one(count, seed):
    plan = made("random_half", units_of([1.0] * count), seed)
    assert len(plan.trained()) == max(1, count // 2)
    assert set(plan.multipliers.values()) <= {0.0, 1.0}


def test_random_half_follows_the_seed_and_not_the_norms():
    rng = np.random.default_rng(0)
    one, other = (units_of(rng.uniform(1, 3, 24).tolist()) for _ in range(2))
    assert made("random_half", one, 1).trained() == made("random_half", other, 1).trained()
    assert made("random_half", one, 1).trained() != made("random_half", one, 2).trained()
    drawn = [made("random_half", one, seed).trained() for seed in range(60)]
    assert all(10 <= sum(unit.name in names for names in drawn) <= 50 for unit in one)  # each has its chance


@pytest.mark.parametrize("method", METHODS)
def test_the_embedding_follows_the_setting_unless_the_name_says_otherwise(method):
    units = units_of([1.0, 2.0, 5.0, 6.0])
    for state, value in (("frozen", 0), ("trained", 1)):
        assert made(method, units, embedding=state).of("embedding") == value
        for other in ("frozen", "trained"):
            assert made(f"{method}.{state}_embedding", units, embedding=other).of("embedding") == value


def test_a_plan_says_its_name_and_the_denominator_it_was_ranked_by():
    units = units_of([1.0, 2.0, 5.0, 6.0])
    plan = made("random.top50.unchanged", units, denominator="matched_span")
    assert (plan.method, plan.denominator) == ("random.top50.unchanged", "unchanged")
    assert made("random", units, denominator="matched_span").denominator == "matched_span"


@pytest.mark.parametrize("method", METHODS)
def test_every_plan_has_all_sublayers_in_order_of_depth_and_trains_some(method):
    units = transformer(np.random.default_rng(3), 6)
    plan = made(method, units)
    for multipliers in [phase.multipliers for phase in plan.phases]:
        assert list(multipliers) == [unit.name for unit in units]
        assert sum(multipliers.values()) > 0
    assert plan.trainable_parameters == parameters(units, {name for name, v in plan.multipliers.items() if v})
    assert plan.total_parameters == 1800


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
@pytest.mark.parametrize("method", ["tgl_fp", "full"])
def test_norms_that_are_no_ratio_are_refused_with_the_sublayer_s_name(method, bad):
    with pytest.raises(TglError, match=r"block01\.mlp"):
        made(method, units_of([1.0, bad]))


@pytest.mark.parametrize("method", ["tgl_alr", "tgl_alr.max", "shuffled_alr", "full_at_mean_lr"])
def test_norms_of_zero_everywhere_give_no_learning_rate(method):
    with pytest.raises(TglError, match="every relative gradient norm is 0"):
        made(method, units_of([0.0, 0.0]))


def test_an_empty_profile_and_an_unknown_method_are_refused():
    with pytest.raises(TglError, match="no sublayer"):
        made("full", [])
    with pytest.raises(TglError, match=re.escape("did you mean 'tgl_fp'")):
        made("tgl_pf", units_of([1.0]))


def test_one_sublayer_alone_is_enough_for_any_policy():
    for method in METHODS:
        name = "only.0" if method == "only.1" else method
        assert made(name, [Unit("block00.mixer", 100, 1.5, uptake=1.0, fisher=2.0)]).trained() == {
            "block00.mixer"
        }, name


@quick
@given(norms, st.sampled_from(METHODS))
def test_a_saved_plan_loads_as_it_was(values, method):
    plan = made(method, units_of(values))
    with tempfile.TemporaryDirectory() as folder:
        save_plan(plan, Path(folder) / "plan.json")
        assert load_plan(Path(folder) / "plan.json") == plan
