"""Facts that small models are asked, and their traces."""

import numpy as np

from tests.support.model_fixtures import BLOCK, tiny_tokenizer
from tgl.analysis.settings import AgreeConfig
from tgl.analysis.tracing import SITES, find_subject, trace
from tgl.models.sublayers import ranked, sublayers

LAST, ALL = (SITES.index(site) for site in ("last_subject", "all_positions"))
SETTINGS = AgreeConfig(noise_scale=3.0, noise_draws=2)
# One of each kind of code: tuple and tensor outputs, parallel and serial blocks, mixers without attention.
KINDS = ("gpt2", "gpt_neox", "llama", "mamba", "tgl_gru")


def asked(text, subject, answer, length=BLOCK):
    """Return what `find_subject` makes of a probe whose span is the last occurrence of `answer`."""
    start = text.rindex(answer)
    row = {
        "id": text, "text": text, "subject": subject,
        "span_start": start, "span_end": start + len(answer),
    }  # fmt: skip
    return find_subject(row, tiny_tokenizer(), length)


def some_facts():
    return [
        asked("Anna Berg lives in Paris", "Anna Berg", "Paris"),
        asked("The head of Globex is Hugo Lind", "Globex", "Hugo Lind"),
        asked("Eva Falk works for Acme", "Eva Falk", "Acme"),
    ]


def units_of(model):
    return list(ranked(sublayers(model)))


def traced(model, facts, settings=SETTINGS, seed=0):
    return trace(model, units_of(model), facts, settings=settings, seed=seed)


def values_of(found):
    return np.array(
        [found.clean, found.corrupted, *found.restored.ravel(), *found.restored_probability.ravel()]
    )
