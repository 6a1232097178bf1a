import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.models.settings import OptimiserConfig
from tgl.train.schedule import factor, warmup_steps

quick = settings(deadline=None, max_examples=50)
decays = st.sampled_from(["cosine", "linear", "constant"])
plans = st.builds(
    lambda steps, share, decay: OptimiserConfig(steps=steps, batch_size=1, warmup_share=share, decay=decay),
    st.integers(1, 400), st.floats(0, 0.99), decays,
)  # fmt: skip


@quick
@given(plans)
def test_the_warm_up_rises_in_equal_steps_to_one(plan):
    warmup = math.ceil(plan.steps * Fraction(str(plan.warmup_share)))
    for step in range(warmup):
        assert factor(step, plan) == pytest.approx((step + 1) / warmup)
    if warmup:
        assert factor(warmup - 1, plan) == 1


@quick
@given(plans)
def test_no_factor_is_zero_or_above_one_up_to_the_last_step(plan):
    assert all(0 < factor(step, plan) <= 1 for step in range(plan.steps))


@quick
@given(plans)
def test_the_decay_starts_at_one_and_never_rises(plan):
    warmup = math.ceil(plan.steps * Fraction(str(plan.warmup_share)))
    values = [factor(step, plan) for step in range(warmup, plan.steps)]
    assert values == sorted(values, reverse=True)
    assert not values or values[0] == 1


def test_hand_computed_factors():
    def values(decay):
        plan = OptimiserConfig(steps=6, batch_size=1, warmup_share=0.3, decay=decay)
        return [factor(step, plan) for step in range(6)]

    assert values("linear") == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25])
    assert values("constant") == [0.5, 1, 1, 1, 1, 1]
    half = math.sqrt(0.5) / 2
    assert values("cosine") == pytest.approx([0.5, 1, 1, 0.5 + half, 0.5, 0.5 - half])


@pytest.mark.parametrize("decay", ["cosine", "linear"])
def test_a_decay_would_reach_zero_one_step_after_the_last(decay):
    assert factor(50, OptimiserConfig(steps=50, batch_size=1, decay=decay)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("steps", "share", "expected"), [(100, 0.07, 7), (50, 0.14, 7), (3000, 0.07, 210), (45, 0.1, 5)]
)
def test_the_warm_up_is_its_share_of_the_steps_rounded_up(steps, share, expected):
    assert warmup_steps(OptimiserConfig(steps=steps, batch_size=1, warmup_share=share)) == expected
