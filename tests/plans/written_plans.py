"""Plans as files and as objects, with and without phases."""

import json

import pytest

from tgl.core.errors import TglError
from tgl.plans.plan import Phase, Plan, load_plan

GOOD = {"method": "mine", "multipliers": {"block00.mlp": 1}}
NAMES = ["block00.attention", "block00.mlp", "block01.attention"]


def phase(start, *multipliers):
    return {"from": start, "multipliers": dict(zip(NAMES, multipliers, strict=False))}


def of(saved_phase):
    """Return the phase that a file's entry of `later` stands for."""
    return Phase(saved_phase["from"], saved_phase["multipliers"])


def phased(*starts):
    """Return a plan whose phase k, from 0, has its first multiplier k."""
    first = dict(zip(NAMES, (0.0, 1.0, 0.5), strict=True))
    later = [phase(start, number + 1.0, 1.0, 0.5) for number, start in enumerate(starts)]
    phases = tuple(of(own) for own in later)
    return Plan("mine", 1.0, first, "window", 5, 9, "a note", phases)


def saved(folder, content):
    path = folder / "plan.json"
    path.write_text(json.dumps(content))
    return path


def refused(path):
    with pytest.raises(TglError) as caught:
        load_plan(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).replace(str(path), "")
