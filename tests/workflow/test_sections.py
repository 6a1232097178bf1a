"""Settings as the rules pass them, and what Snakemake compares of them."""

import copy
import json
import pickle

import pytest

from tgl.snapshots.settings import WikimediaConfig
from tgl.train.settings import TrainConfig
from workflow.sections import section


def settings(value, **options):
    return section(value, **options)({})


def test_a_stage_gets_every_setting_and_another_value_is_another_parameter():
    before, now = settings(TrainConfig()), settings(TrainConfig(steps=7))
    assert json.loads(now)["steps"] == 7
    assert repr(now) != repr(before)
    assert repr(settings(TrainConfig(), without=("steps",))) == repr(
        settings(TrainConfig(steps=7), without=("steps",))
    )


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (TrainConfig(), TrainConfig(checkpoint_steps=1)),
        (WikimediaConfig(contact="a@b.org"), WikimediaConfig(contact="c@d.org")),
    ],
)
def test_a_setting_without_effect_on_outputs_is_passed_and_is_no_other_parameter(before, now):
    assert json.loads(settings(now)) == now.model_dump(mode="json")
    assert settings(now) != settings(before)
    assert repr(settings(now)) == repr(settings(before))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies_are_the_same_parameter(copied):
    value = settings(TrainConfig(checkpoint_steps=1))
    assert copied(value) == value
    assert repr(copied(value)) == repr(value)
