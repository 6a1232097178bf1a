"""Changes of the files of a model, and the message that refuses it."""

import json

import pytest
import torch

from tgl.core.errors import TglError
from tgl.models.checkpoint import load_model


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refusal(path, **options):
    with pytest.raises(TglError) as caught:
        load_model(path, **options)
    return str(caught.value)


def renamed(prefix):
    return lambda found: {prefix + name: tensor for name, tensor in found.items()}


def without(part):
    return lambda found: {name: tensor for name, tensor in found.items() if part not in name}


def shaped(name, shape):
    return lambda found: found | {name: torch.zeros(shape)}


def pointer(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 123456\n")
