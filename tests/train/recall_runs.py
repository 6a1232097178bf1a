"""Engines whose every step is pulled, on the tiny model, as plain functions."""

import torch

from tests.support.model_fixtures import settings_of
from tgl.models.sublayers import sublayers
from tgl.plans.apply import freeze, parameter_groups
from tgl.train.engines import make_engine

TOKENS = torch.arange(1, 65).reshape(2, 32)


def engine_of(model, plan, regulariser, rate=0.01, weight_decay=0.0):
    freeze(model, plan)
    groups = parameter_groups(sublayers(model), plan, rate, weight_decay=weight_decay)
    settings = settings_of(clip_norm=1e9)
    return make_engine(model, groups, settings, engine=settings, regulariser=regulariser)
