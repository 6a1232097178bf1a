"""Measure which facts a model knows: its rank of each answer among answers of the same relation."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tgl.core.errors import TglError
from tgl.evaluate.score import max_length, span_scores
from tgl.evaluate.spans import span_tokens
from tgl.text.counterfactual.facts import Fact, Wordings


def ranked_facts(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    facts: Sequence[Fact],
    *,
    wordings: Mapping[str, Wordings],
    candidates: int,
    seed: int,
) -> Iterator[Fact]:
    """Yield each fact with the rank of its answer in every test wording; without ranks if it has no other candidate.

    The other candidates are drawn from the answers of the relation's other subjects. Candidates are compared by the
    mean log-likelihood per token, because answers differ in length. A tie counts against the answer.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        facts: The facts.
        wordings: The wordings by relation.
        candidates: The number of candidates, the answer included; fewer if the relation has fewer answers.
        seed: Seed of the drawn candidates.

    Raises:
        TglError: A log-likelihood is not finite.
    """
    answers: dict[str, set[str]] = defaultdict(set)
    true: dict[tuple[str, str], set[str]] = defaultdict(set)
    for fact in facts:
        answers[fact.relation].add(fact.answer)
        true[fact.relation, fact.subject].add(fact.answer)
    length, model = max_length(model), model.eval()
    spans, owners = [], []
    for fact in facts:
        pool = sorted(answers[fact.relation] - true[fact.relation, fact.subject])
        rng = random.Random(f"candidates:{seed}:{fact.relation}:{fact.subject}")
        others = rng.sample(pool, min(len(pool), candidates - 1))
        for wording in wordings[fact.relation].test:
            left, _, right = wording.replace("{S}", fact.subject).partition("{O}")
            owners.append(range(len(spans), len(spans) + 1 + len(others)))
            spans += [
                span_tokens(
                    tokenizer, left + answer + right, (len(left), len(left) + len(answer)), max_length=length
                )
                for answer in (fact.answer, *others)
            ]
    sums = span_scores(model, spans).log_likelihood
    means = sums / np.array([span.num_targets for span in spans])
    places = iter(owners)
    for fact in facts:
        ranks = []
        for _ in wordings[fact.relation].test:
            own = means[list(next(places))]
            if not np.isfinite(own).all():
                raise TglError(
                    f"fact {fact.relation} of '{fact.subject}': log-likelihoods {own.tolist()}, expected finite "
                    "numbers. The model's activations overflow; give another checkpoint."
                )
            ranks.append(1 + int((own[1:] >= own[0]).sum()))
        yield Fact(fact.relation, fact.subject, fact.answer, tuple(ranks) if len(own) > 1 else ())
