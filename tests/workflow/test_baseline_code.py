"""Training reruns when the code of its own baseline changes: that code is imported by name, which no hash follows."""

import importlib

import pytest

from tgl.config_baselines import BaselinesConfig
from tgl.plans.names import BASELINES
from tgl.train.baselines import make_baseline
from workflow import helpers


@pytest.mark.parametrize("baseline", BASELINES)
def test_the_hash_of_a_baseline_is_that_of_the_module_its_class_stands_in(baseline, monkeypatch):
    monkeypatch.setattr(helpers, "code_hash", lambda module: module)
    named = helpers.baseline_code(baseline)
    assert type(make_baseline(baseline, BaselinesConfig())).__module__ == named
    assert importlib.import_module(named).__name__ == named


def test_baselines_of_different_code_have_different_hashes():
    assert helpers.baseline_code("ewc") != helpers.baseline_code("recadam")
    assert helpers.baseline_code("replay") == helpers.baseline_code("mix_review")  # one file
