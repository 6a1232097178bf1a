import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from tests.support.model_fixtures import ARCHITECTURES, RANKED, sharp_model, some_tokens, tiny_model, unit_of
from tgl.models.sublayers import sublayers
from tgl.profiling.fisher import fisher_diagonal
from tgl.train.fisher import Consolidation


def small_model():
    """Return a model of five tokens whose predictions are far from uniform."""
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=5, n_positions=4, n_embd=4, n_layer=1, n_head=1,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.mul_(20)
    return model


def gradients(model, parameters, ids, position, label):
    """Return the gradient of log p(label | ids up to position), flat over all parameters."""
    log_probabilities = model(input_ids=ids[None, : position + 1]).logits[0, -1].log_softmax(-1)
    found = torch.autograd.grad(log_probabilities[label], parameters, allow_unused=True)
    return torch.cat(
        [torch.zeros(p.numel()) if g is None else g.flatten() for p, g in zip(parameters, found, strict=True)]
    )


def flat(tensors):
    return torch.cat([tensor.flatten() for tensor in tensors])


def test_the_diagonal_is_that_of_a_loop_over_sequences_and_tokens():
    model = sharp_model("gpt2")
    parameters = list(unit_of(model, RANKED[1]).parameters.values())
    sequences = torch.from_numpy(some_tokens(3 * 6)).long().reshape(3, 6)
    found = fisher_diagonal(model, parameters, sequences, seed=4)
    assert [tensor.shape for tensor in found] == [parameter.shape for parameter in parameters]
    generator, expected = torch.Generator().manual_seed(4), 0.0
    for ids in sequences:
        with torch.no_grad():
            probabilities = model(input_ids=ids[None]).logits[0, :5].softmax(-1)
        labels = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        score = sum(gradients(model, parameters, ids, place, labels[place]) for place in range(5))
        expected = expected + score**2 / (3 * 5)
    assert torch.allclose(flat(found), expected, rtol=1e-3, atol=1e-6 * expected.max().item())
    assert (expected > 0).float().mean() > 0.9


def test_over_many_draws_the_diagonal_is_the_exact_one_and_not_that_of_the_text_s_labels():
    model, ids = small_model(), torch.tensor([1, 3, 0, 2])
    parameters = list(model.parameters())
    exact, empirical = 0.0, 0.0
    for place in range(3):
        with torch.no_grad():
            probabilities = model(input_ids=ids[None, : place + 1]).logits[0, -1].softmax(-1)
        for label in range(5):
            square = gradients(model, parameters, ids, place, label) ** 2
            exact = exact + probabilities[label] * square / 3
    empirical = sum(gradients(model, parameters, ids, place, ids[place + 1]) for place in range(3)) ** 2 / 3
    found = flat(fisher_diagonal(model, parameters, ids.repeat(1200, 1), seed=0))
    assert found.sum().item() == pytest.approx(exact.sum().item(), rel=0.1)
    large = exact > exact.mean()
    assert torch.allclose(found[large], exact[large], rtol=0.35, atol=0)
    assert not torch.allclose(empirical[large], exact[large], rtol=0.9, atol=0)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_parameter_of_every_architecture_has_a_finite_fisher_information(kind):
    model = tiny_model(kind)
    model.train(kind == "rwkv")  # as it is measured elsewhere: evaluation mode rescales its weights
    units = sublayers(model)
    parameters = [parameter for unit in units for parameter in unit.parameters.values()]
    sequences = torch.from_numpy(some_tokens(2 * 16)).long().reshape(2, 16)
    found = iter(fisher_diagonal(model, parameters, sequences, seed=0))
    for unit in units:
        of_unit = [next(found) for _ in unit.parameters]
        assert all(torch.isfinite(tensor).all() and (tensor >= 0).all() for tensor in of_unit), unit.name
        assert max(tensor.max() for tensor in of_unit) > 0, unit.name


def test_the_penalty_and_its_gradient_are_those_of_the_formula():
    parameters = [torch.nn.Parameter(torch.tensor([1.0, -2.0])), torch.nn.Parameter(torch.tensor([[3.0]]))]
    fisher = [torch.tensor([0.5, 2.0]), torch.tensor([[0.25]])]
    consolidation = Consolidation(parameters, fisher, strength=10.0)
    assert consolidation.penalty().item() == 0
    with torch.no_grad():
        parameters[0].add_(torch.tensor([2.0, -1.0]))
        parameters[1].add_(4.0)
    penalty = consolidation.penalty()
    assert penalty.item() == pytest.approx(10 / 2 * (0.5 * 4 + 2.0 * 1 + 0.25 * 16))
    penalty.backward()
    assert parameters[0].grad.tolist() == pytest.approx([10 * 0.5 * 2, 10 * 2.0 * -1])
    assert parameters[1].grad.item() == pytest.approx(10 * 0.25 * 4)
    assert (consolidation.task_weight(0), consolidation.task_weight(99)) == (1.0, 1.0)
