import pytest
import torch

from tests.support.model_fixtures import (
    RANKED,
    parameters_by_unit,
    parameters_of,
    plan_of,
    settings_of,
    tiny_model,
)
from tests.train.baselines.periods import (
    EVERYTHING,
    baseline_of,
    in_two_phases,
    period_of,
    plain_losses,
    regulariser_of,
    trained,
)
from tests.train.recall_runs import TOKENS, engine_of
from tgl.core.errors import TglError


@pytest.mark.parametrize(
    ("plan", "rate", "strength", "told"),
    [
        (plan_of([1.0] * 4), 0.01, 100.0, ["0.01", "largest multiplier 1 ", "strength 100"]),
        (plan_of([1.0, 0.0, 2.5, 0.0]), 0.004, 100.0, ["0.004", "largest multiplier 2.5 ", "strength 100"]),
        (plan_of([0.5] * 4, 4.0), 0.005, 50.0, ["0.005", "largest multiplier 4 ", "strength 50"]),
        (in_two_phases([1.0, 0, 0, 0], [0, 0, 3.0, 0]), 0.01, 40.0, ["0.01", "largest multiplier 3 "]),
        (in_two_phases([1.0, 0, 0, 0], [0, 0, 3.0, 0], 0.9999), 0.01, 40.0, ["largest multiplier 3 "]),
    ],
)
def test_a_pull_beyond_its_anchor_is_refused_naming_the_numbers(plan, rate, strength, told):
    with pytest.raises(TglError, match=r"recadam: learning rate .* overshoots") as error:
        baseline_of("recadam", strength=strength).check(plan, rate)
    assert all(number in str(error.value) for number in told)
    baseline_of("recadam", strength=strength * 0.99).check(plan, rate / 1.3)


def test_anchors_are_the_weights_before_the_period_and_stay_while_it_is_trained():
    period = period_of(plan_of([1.0, 0.0, 1.0, 0.0]))
    baseline, before = baseline_of("recadam", strength=10.0), parameters_of(period.model)
    regulariser = regulariser_of(baseline, period)
    parameters = dict(period.model.named_parameters())
    engine = engine_of(period.model, period.plan, regulariser)
    for number in range(4):
        engine.step(TOKENS, number, 1.0)
    owner = parameters_by_unit(period.model)
    trained_names = [name for name in before if owner[name] in (RANKED[0], RANKED[2])]
    # frozen parameters have none: it would be a copy of what cannot move
    assert set(regulariser.anchors) == {parameters[name] for name in trained_names}
    assert all(torch.equal(regulariser.anchors[parameters[name]], before[name]) for name in trained_names)


def test_a_short_run_learns_because_the_schedule_follows_its_length():
    settings = settings_of(steps=60)
    period = period_of(EVERYTHING, settings=settings)
    baseline = baseline_of("recadam", strength=50.0)
    assert regulariser_of(baseline, period).task_weight(15) == 0.5
    losses = [result.loss for result in trained(baseline, period)[1]]
    plain = plain_losses(60)
    fall, whole = (sum(found[:3]) / 3 - sum(found[-3:]) / 3 for found in (losses, plain))
    assert whole > 1
    assert fall > 0.7 * whole


def test_a_strong_pull_keeps_the_weights_nearer_than_plain_training():
    changes = []
    # With a late midpoint the pull is at work throughout.
    for baseline in (baseline_of("plain"), baseline_of("recadam", strength=90.0, midpoint_share=0.99)):
        model = tiny_model()
        before = parameters_of(model)
        trained(baseline, period_of(EVERYTHING, model, settings=settings_of(steps=30)))
        changes.append(sum((value - before[name]).norm() for name, value in parameters_of(model).items()))
    assert changes[1] < 0.2 * changes[0]
