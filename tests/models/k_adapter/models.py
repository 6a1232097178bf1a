"""Tiny models with adapters, as plain functions."""

import torch

from tests.support.model_fixtures import ARCHITECTURES, sharp_model
from tgl.models.k_adapter import with_adapters

IDS = torch.tensor([[5, 17, 200, 3, 41, 8], [9, 9, 2, 77, 1, 250]])
BASES = [kind for kind in ARCHITECTURES if kind != "rwkv"]


def adapted(base, blocks=(0, 1), layers=2, width=8, heads=2, seed=3):
    return with_adapters(base, blocks, layers, width=width, heads=heads, seed=seed)


def awake(kind="gpt2", **shape):
    """Return a model whose adapters weigh in as if long trained: every weight of theirs is drawn wide."""
    model = adapted(sharp_model(kind), **shape)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in (*model.adapters.parameters(), *model.fusion.parameters()):
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return model


@torch.no_grad()
def logits_of(model, ids=IDS, **given):
    return model(ids, **given).logits


def of_adapters(model):
    return {name: p for name, p in model.named_parameters() if not name.startswith("base.")}
