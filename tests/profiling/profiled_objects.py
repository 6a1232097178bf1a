"""Profiles of model objects, and all that a profile must leave as it was."""

import pandas as pd
import torch

from tests.profiling.test_plain_text import encoded
from tests.support.model_fixtures import TEXTS, some_probes, tiny_tokenizer
from tgl.profiling.measure import TABLES
from tgl.profiling.profile import profile
from tgl.profiling.settings import ProfileConfig

SETTINGS = ProfileConfig(examples=4, window_tokens=20, bootstrap=100)


def profiled(model, **changes):
    options = {
        "tokenizer": tiny_tokenizer(), "probes": some_probes(), "corpus": encoded(TEXTS), "settings": SETTINGS,
        "twin": False,
    }  # fmt: skip
    return profile(model, **(options | changes))


def assert_same(found, expected):
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(found, name), getattr(expected, name))


def left_as(model):
    """Return all that must be as it was: values, flags, modes, hooks, configuration, random state."""
    return {
        "values": {name: p.detach().clone() for name, p in model.named_parameters()},
        "buffers": {name: b.clone() for name, b in model.named_buffers()},
        "dtypes": [p.dtype for p in model.parameters()],
        "flags": [p.requires_grad for p in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "checkpointing": [vars(m).get("gradient_checkpointing") for m in model.modules()],
        "compiled": [vars(m).get("_compiled_call_impl") for m in model.modules()],
        "configuration": model.config.to_dict(),
        "random": torch.get_rng_state(),
    }


def assert_left(before, after):
    assert before.keys() == after.keys()
    for key, value in before.items():
        if key in ("values", "buffers"):
            assert all(torch.equal(value[name], after[key][name]) for name in value), key
        elif key == "gradients":
            pairs = zip(value, after[key], strict=True)
            assert all(a is b is None or torch.equal(a, b) for a, b in pairs)
        elif key == "random":
            assert torch.equal(value, after[key])
        else:
            assert value == after[key], key
