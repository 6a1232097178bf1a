import numpy as np
import pytest
import torch

from tests.support.model_fixtures import (
    BLOCK,
    RANKED,
    parameters_of,
    plan_of,
    settings_of,
    tiny_model,
    unit_of,
)
from tests.train.baselines.periods import (
    EVERYTHING,
    baseline_of,
    in_two_phases,
    period_of,
    regulariser_of,
    trained,
)
from tgl.profiling import fisher as of_fisher


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (plan_of([0.0, 1.5, 0.0, 0.0]), {RANKED[1]}),
        (plan_of([0.0, 0.0, 0.5, 0.0], 1.0), {RANKED[2], "embedding"}),
        (in_two_phases([1.0, 0, 0, 0], [0, 0, 0, 2.0]), {RANKED[0], RANKED[3]}),
    ],
)
def test_only_sublayers_that_are_ever_trained_have_a_term(plan, expected):
    period = period_of(plan)
    held = {id(p) for p in regulariser_of(baseline_of("ewc", sequences=2), period).parameters}
    wanted = {id(p) for name in expected for p in unit_of(period.model, name).parameters.values()}
    assert held == wanted


def test_the_information_is_taken_from_old_text_at_the_weights_before_the_period(monkeypatch):
    seen, own = [], of_fisher.fisher_diagonal

    def watched(model, parameters, sequences, *, seed):
        seen.append((parameters_of(model), sequences, seed))
        return own(model, parameters, sequences, seed=seed)

    monkeypatch.setattr(of_fisher, "fisher_diagonal", watched)
    period = period_of(EVERYTHING, old=np.arange(150, 290, dtype=np.int32), seed=7)
    before = parameters_of(period.model)
    regulariser_of(baseline_of("ewc", sequences=3), period)
    ((weights, sequences, seed),) = seen
    assert all(torch.equal(weights[name], before[name]) for name in before)
    assert (tuple(sequences.shape), sequences.dtype, seed) == ((3, BLOCK), torch.int64, 7001)
    assert sequences.min() >= 150
    assert all(torch.equal(p.detach(), before[name]) for name, p in period.model.named_parameters())
    assert all(p.grad is None for p in period.model.parameters())


def test_the_penalty_is_a_function_of_the_seed():
    found = []
    for seed in (1, 1, 2):
        period = period_of(plan_of([1.0, 0.0, 0.0, 0.0]), seed=seed)
        torch.rand(seed)  # whatever was drawn before
        found.append(flat(regulariser_of(baseline_of("ewc", sequences=2), period).fisher))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def moved(baseline, steps=40):
    """Return how far a period carries each parameter, flat, and the model's Fisher information."""
    plan, model = plan_of([1.0, 1.0, 1.0, 0.0]), tiny_model(spread=4)
    period = period_of(plan, model, settings=settings_of(steps=steps), learning_rate=0.003)
    regulariser = regulariser_of(baseline_of("ewc", sequences=16), period)
    _, results, _ = trained(baseline, period)
    change = [parameter.detach() - anchor for parameter, anchor in
              zip(regulariser.parameters, regulariser.anchors, strict=True)]  # fmt: skip
    return flat(change), flat(regulariser.fisher), results


def test_a_huge_strength_keeps_the_weights_that_matter_and_a_vanishing_one_is_plain_training():
    plain, fisher, _ = moved(baseline_of("plain"))
    strong, _, results = moved(baseline_of("ewc", strength=1e8, sequences=16))
    weak, _, _ = moved(baseline_of("ewc", strength=1e-9, sequences=16))
    assert torch.allclose(weak, plain, atol=1e-4)
    assert (fisher * strong**2).sum() < 0.02 * (fisher * plain**2).sum()
    matter = fisher > fisher.quantile(0.9)
    assert strong[matter].abs().mean() < 0.2 * plain[matter].abs().mean()
    assert results[-1].loss < 10  # the penalty is not reported as loss of the language model
