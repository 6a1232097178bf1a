import numpy as np
import pytest
import torch

from tests.support.model_fixtures import sharp_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.evaluate.known_facts import ranked_facts
from tgl.evaluate.score import kl_divergence
from tgl.text.counterfactual.facts import Fact, Wordings

WORDINGS = {"home": Wordings(("{S} dwells in {O}.",), ("{S} lives in {O}.", "the home of {S} is {O}."))}
NAMES = ["Anna Berg", "Eva Falk", "Hugo Lind", "Globex", "Acme"]
ANSWERS = ["Paris", "Rome", "Oslo", "Acme"]


def facts(number=5):
    return [Fact("home", NAMES[n], ANSWERS[n % len(ANSWERS)]) for n in range(number)]


def ranked(given, candidates=12, seed=0, model=None):
    model = model or sharp_model("gpt2")
    found = ranked_facts(model, tiny_tokenizer(), given, wordings=WORDINGS, candidates=candidates, seed=seed)
    return list(found)


def by_hand(model, text, answer):
    """Return the mean log-likelihood per token of the answer that ends a text."""
    tokenizer = tiny_tokenizer()
    whole = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    start = text.rindex(answer)
    ids = torch.tensor([[tokenizer.eos_token_id, *whole["input_ids"]]])
    inside = [begin < start + len(answer) and end > start for begin, end in whole["offset_mapping"]]
    with torch.no_grad():
        logs = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    each = [logs[place, token].item() for place, token in enumerate(whole["input_ids"]) if inside[place]]
    return np.mean(each)


def test_the_rank_is_that_of_the_mean_log_likelihood_among_all_other_answers():
    model, given = sharp_model("gpt2"), facts()
    for fact, found in zip(given, ranked(given, model=model), strict=True):
        assert (found.relation, found.subject, found.answer) == (fact.relation, fact.subject, fact.answer)
        expected = []
        for wording in WORDINGS["home"].test:
            values = {
                answer: by_hand(model, wording.format(S=fact.subject, O=answer), answer) for answer in ANSWERS
            }
            expected.append(
                1 + sum(value >= values[fact.answer] for a, value in values.items() if a != fact.answer)
            )
        assert list(found.ranks) == expected


def test_another_true_answer_is_no_candidate():
    given = [*facts(4), Fact("home", NAMES[0], ANSWERS[1])]
    found = ranked(given)
    assert all(max(fact.ranks) <= 3 for fact in (found[0], found[4]))  # of four answers, one is true too


def test_a_fact_without_another_candidate_is_not_ranked_and_not_known():
    same = [Fact("home", name, "Paris") for name in NAMES]
    assert [(fact.ranks, fact.known) for fact in ranked(same)] == [((), False)] * len(same)


def test_the_candidates_depend_on_the_seed_alone():
    given = facts()
    assert ranked(given, candidates=2) == ranked(given, candidates=2)
    assert all(max(fact.ranks) <= 2 for fact in ranked(given, candidates=2))
    assert (
        len({tuple(fact.ranks for fact in ranked(given, candidates=2, seed=seed)) for seed in range(8)}) > 1
    )


def test_a_model_does_not_diverge_from_itself_and_the_divergence_is_that_of_the_distributions():
    base, other = sharp_model("gpt2"), sharp_model("gpt2", seed=1)
    tokens = np.arange(1, 12)
    settings = {"block_size": 6, "begin_token": 0}
    assert kl_divergence(base, base, tokens, **settings) == pytest.approx(0, abs=1e-6)
    total = 0.0
    for start in range(0, len(tokens), 5):
        ids = torch.tensor([[0, *tokens[start : start + 5]][:-1]])
        with torch.no_grad():
            p, q = (torch.softmax(model(input_ids=ids).logits[0].double(), -1) for model in (base, other))
        total += (p * (p / q).log()).sum().item()
    assert kl_divergence(base, other, tokens, **settings) == pytest.approx(total / len(tokens), rel=1e-4)
    assert np.isnan(kl_divergence(base, other, tokens[:0], **settings))


def test_a_model_whose_activations_overflow_knows_no_fact():
    model = sharp_model("gpt2")
    with torch.no_grad():
        model.transformer.ln_f.weight.fill_(3e38)
    with pytest.raises(TglError, match=r"fact home of 'Anna Berg': log-likelihoods .*nan.*finite"):
        ranked(facts(), model=model)
