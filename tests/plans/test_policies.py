import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tgl.config import PlanConfig
from tgl.errors import TglError
from tgl.plans.plan import Plan, load_plan, save_plan
from tgl.plans.policies import METHODS, Unit, jaccard, lowest, make_plan, matched_random, traced

norms = st.lists(st.floats(0.01, 100), min_size=2, max_size=16)
quick = settings(deadline=None, max_examples=50)


def units_of(values, sizes=None):
    sizes = sizes or [100] * len(values)
    return [
        Unit(f"block{number:02d}.mlp", size, value)
        for number, (value, size) in enumerate(zip(values, sizes, strict=True))
    ]


def parameters(units, names):
    return sum(unit.num_parameters for unit in units if unit.name in names)


@quick
@given(norms)
def test_tgl_fp_trains_exactly_the_sublayers_above_the_mean(values):
    plan = make_plan("tgl_fp", units_of(values), PlanConfig(), 0)
    above = {f"block{number:02d}.mlp" for number, value in enumerate(values) if value > np.mean(values)}
    assume(above)
    assert plan.trained() == above
    assert set(plan.multipliers.values()) <= {0.0, 1.0}


def test_a_sublayer_at_the_mean_is_frozen():
    assert traced(units_of([1.0, 2.0, 3.0])) == {"block02.mlp"}


def test_tgl_fp_on_equal_norms_trains_everything_rather_than_nothing():
    assert make_plan("tgl_fp", units_of([2.0, 2.0, 2.0]), PlanConfig(), 0).trained() == {
        "block00.mlp", "block01.mlp", "block02.mlp",
    }  # fmt: skip


@quick
@given(norms, st.sampled_from(["mean", "max"]))
def test_tgl_alr_is_proportional_to_the_norms_with_mean_or_max_one(values, scale):
    found = make_plan("tgl_alr", units_of(values), PlanConfig(alr_scale=scale), 0).multipliers
    multipliers = np.array(list(found.values()))
    assert (multipliers.mean() if scale == "mean" else multipliers.max()) == pytest.approx(1)
    assert multipliers / multipliers[0] == pytest.approx(np.array(values) / values[0])


def test_full_trains_every_sublayer_at_one():
    plan = make_plan("full", units_of([1.0, 5.0], [10, 20]), PlanConfig(), 0)
    assert plan.multipliers == {"block00.mlp": 1.0, "block01.mlp": 1.0}
    assert (plan.trainable_parameters, plan.total_parameters) == (30, 30)


def test_trainable_parameters_count_the_trained_sublayers_only():
    plan = make_plan("tgl_fp", units_of([1.0, 1.0, 9.0], [10, 20, 40]), PlanConfig(), 0)
    assert (plan.trainable_parameters, plan.total_parameters) == (40, 70)


@pytest.mark.parametrize("method", METHODS)
def test_the_embedding_follows_the_setting_under_every_method(method):
    units = units_of([1.0, 2.0, 5.0, 6.0])
    assert make_plan(method, units, PlanConfig(embedding="frozen"), 0).of("embedding") == 0
    assert make_plan(method, units, PlanConfig(embedding="trained"), 0).of("embedding") == 1


@quick
@given(st.integers(0, 10**6), st.integers(0, 100))
def test_random_keeps_the_budget_and_differs_from_tgl_fp(draw, seed):
    rng = np.random.default_rng(draw)
    units = units_of(rng.uniform(1, 3, 24).tolist(), rng.choice([95, 100, 200], 24).tolist())
    chosen = traced(units)
    assume(parameters(units, chosen) < 0.6 * parameters(units, {unit.name for unit in units}))
    plan = make_plan("random", units, PlanConfig(), seed)
    assert plan.trainable_parameters == pytest.approx(parameters(units, chosen), rel=0.05)
    assert jaccard(plan.trained(), chosen) <= 0.5
    assert f"{jaccard(plan.trained(), chosen):.2f}" in plan.note
    assert "no random subset" not in plan.note


def test_random_plans_follow_the_seed():
    units = units_of(np.random.default_rng(0).uniform(1, 3, 24).tolist())
    one, again, other = (make_plan("random", units, PlanConfig(), seed) for seed in (1, 1, 2))
    assert one == again
    assert one.trained() != other.trained()


def test_random_says_so_when_the_overlap_cannot_be_low():
    units = units_of([1.0, 5.0, 5.0, 5.0])  # any three of four overlap any other three by at least a half
    units[0] = Unit("block00.mlp", 7, 1.0)
    chosen, note = matched_random(units, traced(units), 0)
    assert parameters(units, chosen) == pytest.approx(300, rel=0.05)
    assert "no random subset" in note
    assert f"{jaccard(chosen, traced(units)):.2f}" in note


@quick
@given(st.lists(st.floats(0.01, 100), min_size=4, max_size=16, unique=True))
def test_inverse_takes_the_lowest_norms_up_to_the_budget_of_tgl_fp(values):
    units = units_of(values)
    count = len(traced(units))
    plan = make_plan("inverse", units, PlanConfig(), 0)
    order = sorted(units, key=lambda unit: unit.relative_norm)
    assert plan.trained() == {unit.name for unit in order[:count]}


@quick
@given(st.integers(0, 10**6))
def test_inverse_is_near_the_budget_for_sublayers_of_two_sizes(draw):
    values = np.random.default_rng(draw).uniform(1, 3, 24).tolist()
    units = units_of(values, [100, 200] * 12)
    chosen, note = lowest(units, traced(units))
    budget = parameters(units, traced(units))
    assert abs(parameters(units, chosen) - budget) <= 100
    assert f"{abs(parameters(units, chosen) - budget) / budget:.1%}" in note
    lowest_left_out = min(unit.relative_norm for unit in units if unit.name not in chosen)
    above = [unit for unit in units if unit.name in chosen and unit.relative_norm > lowest_left_out]
    assert len(above) <= 1  # only the last may be swapped for the sake of the budget


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_norms_that_are_no_ratio_are_refused_with_the_sublayer_s_name(bad):
    with pytest.raises(TglError, match=r"block01\.mlp"):
        make_plan("tgl_fp", units_of([1.0, bad]), PlanConfig(), 0)


def test_norms_of_zero_everywhere_give_finite_multipliers_or_an_error():
    try:
        plan = make_plan("tgl_alr", units_of([0.0, 0.0]), PlanConfig(), 0)
    except TglError:
        return
    assert all(math.isfinite(value) for value in plan.multipliers.values())


def test_an_empty_profile_and_an_unknown_method_are_refused():
    with pytest.raises(TglError, match="no sublayer"):
        make_plan("full", [], PlanConfig(), 0)
    with pytest.raises(TglError, match="did you mean 'tgl_fp'"):
        make_plan("tgl_pf", units_of([1.0]), PlanConfig(), 0)


def test_an_unknown_sublayer_is_refused_with_the_nearest_name():
    plan = make_plan("full", units_of([1.0]), PlanConfig(), 0)
    with pytest.raises(TglError, match=r"did you mean 'block00\.mlp'"):
        plan.of("block0.mlp")


@quick
@given(norms, st.sampled_from(METHODS))
def test_a_saved_plan_loads_as_it_was(values, method):
    plan = make_plan(method, units_of(values), PlanConfig(), 0)
    with tempfile.TemporaryDirectory() as folder:
        save_plan(plan, Path(folder) / "plan.json")
        assert load_plan(Path(folder) / "plan.json") == plan


def test_a_plan_written_by_hand_needs_only_method_and_multipliers(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"method": "mine", "multipliers": {"block00.mlp": 1, "block01.mlp": 0.5}}')
    plan = load_plan(path)
    assert plan == Plan("mine", 0.0, {"block00.mlp": 1, "block01.mlp": 0.5}, "", 0, 0, "")
    assert plan.of("embedding") == 0


GOOD = {"method": "mine", "multipliers": {"block00.mlp": 1}}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"method": "mine"}, "multipliers"),
        ({"multipliers": {}}, "method"),
        (GOOD | {"embeding": 1}, "embeding"),
        (GOOD | {"multipliers": {"block00.mlp": -1}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": "1"}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": True}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": math.nan}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": math.inf}}, "block00.mlp"),
        (GOOD | {"multipliers": ["block00.mlp"]}, "multipliers"),
        (GOOD | {"multipliers": None}, "multipliers"),
        (GOOD | {"multipliers": {"block00.mlp": 1, "embedding": "x"}}, "embedding"),
        (GOOD | {"embedding": "trained"}, "embedding"),
        (["block00.mlp"], "method"),
    ],
)
def test_a_bad_plan_is_refused_with_its_file_and_key(tmp_path, content, named):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(content))
    with pytest.raises(TglError) as caught:
        load_plan(path)
    assert str(path) in str(caught.value)
    assert named in str(caught.value).replace(str(path), "")


def test_an_embedding_among_the_multipliers_is_obeyed_or_refused_not_ignored(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"method": "mine", "multipliers": {"block00.mlp": 1, "embedding": 0.5}}))
    try:
        found = load_plan(path).of("embedding")
    except TglError as error:
        found = 0.5 if "embedding" in str(error) else str(error)
    assert found == 0.5


def test_a_file_that_is_no_json_or_missing_is_refused(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    for name in ("bad.json", "missing.json"):
        with pytest.raises(TglError, match=name):
            load_plan(tmp_path / name)


@quick
@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_jaccard_is_symmetric_and_one_only_for_equal_sets(left, right):
    assert jaccard(left, right) == jaccard(right, left)
    assert 0 <= jaccard(left, right) <= 1
    assert (jaccard(left, right) == 1) == (left == right)
