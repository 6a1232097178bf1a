"""Choices of sublayers with as many parameters as the traced one: random, inverse, first, last, spectrum, lisa."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.plans.plan_units import parameters, size_of, transformer, units_of
from tgl.core.errors import TglError
from tgl.plans.make import make_plan
from tgl.plans.policy import Unit
from tgl.plans.ranking import traced
from tgl.plans.settings import PlanConfig
from tgl.plans.subsets import jaccard

quick = settings(deadline=None, derandomize=True, max_examples=50)
blocks = st.sampled_from([2, 4, 6, 12])
draws = st.integers(0, 10**6)
tops = st.sampled_from(["", ".top25", ".top50"])


def made(method, units, seed=0):
    return make_plan(method, units, PlanConfig(), seed=seed)


def traced_of(units, top):
    return traced(units, float(top[4:]) / 100 if top else None)


def reachable(sizes, budget):
    """Tell whether some subset of the sizes comes within 5 % of the budget."""
    sums = {0}
    for size in sizes:
        sums |= {total + size for total in sums}
    return any(abs(total - budget) <= 0.05 * budget for total in sums)


@quick
@given(draws, st.integers(0, 100))
def test_random_keeps_the_budget_and_differs_from_tgl_fp(draw, seed):
    rng = np.random.default_rng(draw)
    units = units_of(rng.uniform(1, 3, 24).tolist(), rng.choice([95, 100, 200], 24).tolist())
    chosen = traced(units)
    assume(parameters(units, chosen) < 0.6 * parameters(units, size_of(units)))
    plan = made("random", units, seed)
    assert plan.trainable_parameters == pytest.approx(parameters(units, chosen), rel=0.05)
    assert jaccard(plan.trained(), chosen) <= 0.5
    assert f"{jaccard(plan.trained(), chosen):.2f}" in plan.note
    assert "no random subset" not in plan.note


@quick
@given(draws, blocks, tops, st.integers(0, 5))
def test_random_keeps_the_budget_and_overlaps_little_or_says_so(draw, blocks, top, seed):
    units = transformer(np.random.default_rng(draw), blocks)
    chosen = traced_of(units, top)
    plan = made(f"random{top}", units, seed)
    assert plan.trainable_parameters == pytest.approx(parameters(units, chosen), rel=0.05)
    overlap = jaccard(plan.trained(), chosen)
    assert f"{overlap:.2f}" in plan.note
    assert plan.note.startswith("no random subset") == (overlap > 0.5)


def test_random_plans_follow_the_seed():
    units = units_of(np.random.default_rng(0).uniform(1, 3, 24).tolist())
    one, again, other = (made("random", units, seed) for seed in (1, 1, 2))
    assert one == again
    assert one.trained() != other.trained()


def test_random_says_so_when_the_overlap_cannot_be_low():
    units = units_of([1.0, 5.0, 5.0, 5.0])  # any three of four overlap any other three by at least a half
    units[0] = Unit("block00.mlp", 7, 1.0)
    plan = made("random", units)
    assert plan.trainable_parameters == pytest.approx(300, rel=0.05)
    assert plan.note.startswith("no random subset")
    assert f"{jaccard(plan.trained(), traced(units)):.2f}" in plan.note


@quick
@given(st.lists(st.floats(0.01, 100), min_size=4, max_size=16, unique=True))
def test_inverse_takes_the_lowest_norms_up_to_the_budget_of_tgl_fp(values):
    units = units_of(values)
    count = len(traced(units))
    order = sorted(units, key=lambda unit: unit.relative_norm)
    assert made("inverse", units).trained() == {unit.name for unit in order[:count]}


def test_inverse_of_many_equal_sublayers_trains_as_many_as_tgl_fp():
    units = units_of([1.0 + 0.01 * number for number in range(48)])
    assert len(made("tgl_fp", units).trained()) == 24
    assert len(made("inverse", units).trained()) == 24


@quick
@given(draws, blocks, tops)
def test_inverse_shares_no_sublayer_with_the_traced_set_where_the_rest_has_the_parameters(draw, blocks, top):
    units = transformer(np.random.default_rng(draw), blocks)
    chosen, plan = traced_of(units, top), made(f"inverse{top}", units)
    budget = parameters(units, chosen)
    rest = [unit.num_parameters for unit in units if unit.name not in chosen]
    if reachable(rest, budget):
        assert not plan.trained() & chosen
    assert f"Jaccard index with the traced set {jaccard(plan.trained(), chosen):.2f}" in plan.note


def order_of(policy, units):
    """Return the sublayers in the order in which the policy trains them."""
    keys = {
        "inverse": lambda unit: unit.relative_norm,
        "first": lambda unit: unit.name,
        "last": lambda unit: [-ord(letter) for letter in unit.name],
        "spectrum": lambda unit: -unit.measured,
    }
    return sorted(units, key=keys[policy])


def with_ratios(units, rng):
    return [
        Unit(unit.name, unit.num_parameters, unit.relative_norm, float(ratio))
        for unit, ratio in zip(units, rng.uniform(0, 9, len(units)), strict=True)
    ]


@quick
@given(draws, blocks, st.sampled_from(["inverse", "first", "last", "spectrum"]), tops)
def test_a_choice_in_order_keeps_the_budget_and_skips_for_its_sake_alone(draw, blocks, policy, top):
    rng = np.random.default_rng(draw)
    units = with_ratios(transformer(rng, blocks), rng)
    plan, budget = made(policy + top, units), parameters(units, traced_of(units, top))
    gap = abs(plan.trainable_parameters - budget) / budget
    assert f"{gap:.1%} from the budget" in plan.note
    if reachable([unit.num_parameters for unit in units], budget):
        assert gap <= 0.05
    order = [unit.name for unit in order_of(policy, units)]
    head = next(number for number, name in enumerate([*order, ""]) if name not in plan.trained())
    assert (
        len(plan.trained() - set(order[:head])) <= 1
    )  # only the last may be swapped for the sake of the budget
    assert set(plan.multipliers.values()) <= {0.0, 1.0}


def test_first_and_last_train_the_ends_of_the_network():
    units = transformer(np.random.default_rng(0), 4)
    norms = [1.0, 1.0, 1.0, 9.0, 9.0, 1.0, 1.0, 1.0]  # traced: an MLP and an attention
    units = [Unit(unit.name, unit.num_parameters, norm) for unit, norm in zip(units, norms, strict=True)]
    assert made("first", units).trained() == {"block00.attention", "block00.mlp"}
    assert made("last", units).trained() == {"block03.attention", "block03.mlp"}


def test_first_and_last_follow_depth_however_sublayers_are_called():
    units = [Unit(name, 100, norm) for name, norm in (("z", 1.0), ("m", 9.0), ("a", 1.0))]
    assert made("first", units).trained() == {"z"}
    assert made("last", units).trained() == {"a"}


def test_spectrum_trains_the_clearest_weights_and_an_infinite_ratio_is_the_clearest():
    ratios = [0.5, math.inf, 3.0, 0.0]
    units = [Unit(f"b{n}", 100, norm, ratios[n]) for n, norm in enumerate((9.0, 1.0, 9.0, 1.0))]
    assert made("spectrum", units).trained() == {"b1", "b2"}


def test_spectrum_without_the_weights_is_refused_with_what_to_hand_over():
    units = [Unit("b0", 100, 1.0, 0.5), Unit("b1", 100, 1.0)]
    with pytest.raises(TglError, match=r"plan 'spectrum'.*--model FOLDER"):
        made("spectrum", units)


@quick
@given(draws, blocks, tops, st.integers(0, 5))
def test_each_of_lisa_s_five_phases_keeps_the_budget(draw, blocks, top, seed):
    units = transformer(np.random.default_rng(draw), blocks)
    budget = parameters(units, traced_of(units, top))
    plan = made(f"lisa{top}", units, seed)
    assert [phase.start for phase in plan.later] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    for multipliers in [phase.multipliers for phase in plan.phases]:
        chosen = {name for name, value in multipliers.items() if value > 0}
        assert parameters(units, chosen) == pytest.approx(budget, rel=0.05)
        assert set(multipliers.values()) <= {0.0, 1.0}
    assert plan.trainable_parameters == parameters(units, {n for n, v in plan.multipliers.items() if v > 0})


def test_lisa_draws_each_phase_anew_and_follows_the_seed():
    units = transformer(np.random.default_rng(0), 12)
    plan, again, other = (made("lisa", units, seed) for seed in (1, 1, 2))
    assert plan == again
    assert plan.multipliers != other.multipliers
    drawn = [phase.multipliers for phase in plan.phases]
    assert len({tuple(multipliers.values()) for multipliers in drawn}) == 5
    assert [first for first, _ in plan.schedule(45)] == [0, 9, 18, 27, 36]


def test_policies_at_one_seed_do_not_share_their_draws():
    units = transformer(np.random.default_rng(0), 12)
    assert made("random", units, 1).multipliers != made("lisa", units, 1).multipliers
