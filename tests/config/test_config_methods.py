"""The keys `methods`, `plan` and `baselines` of the configuration."""

import pytest

from tests.config.config_problems import problems
from tgl.config.check import load_config


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        (["full", "tgl_pf"], "methods.1: 'tgl_pf': no policy 'tgl_pf' (did you mean 'tgl_fp'?)"),
        (["full", "tgl_fp+ewcc"], "methods.1: 'tgl_fp+ewcc': no baseline 'ewcc' (did you mean 'ewc'?)"),
        (["full", "tgl_fp.top0"], "methods.1: 'tgl_fp.top0': top0 would train nothing"),
        (["full", 3], "methods.1"),
        ([], "methods"),
        (["full", "tgl_fp.top25.unchanged", "tgl_fp.unchanged.top25"], "mean the same"),
        (["full", "full+plain"], "methods: 'full' and 'full+plain' mean the same"),
        (["full", "full_at_mean_lr", "full_at_mean_lr.tgl_alr"], "mean the same"),
        (["full+ewc"], "'full' is required"),
    ],
)
def test_methods_that_are_unknown_or_said_twice_are_refused(methods, words):
    (line,) = problems({"methods": methods})
    assert words in line


def test_the_plans_are_those_of_the_methods_each_once():
    methods = ["full", "tgl_fp+ewc", "tgl_fp.top25", "full+replay", "tgl_fp", "random"]
    assert load_config({"methods": methods}).plans == ["full", "tgl_fp", "tgl_fp.top25", "random"]


@pytest.mark.parametrize(("key", "section"), [("methods", "plan"), ("alr_scale", "plan")])
def test_keys_that_plans_had_before_are_unknown(key, section):
    (line,) = problems({section: {key: "max"}})
    assert f"{section}.{key}: unknown key" in line


@pytest.mark.parametrize(
    ("section", "key", "bad"),
    [
        ("replay", "ratio", 0),
        ("mix_review", "decay", 1.5),
        ("recadam", "midpoint_share", 1),
        ("recadam", "rise_share", 0),
        ("ewc", "sequences", 0),
        ("ewc", "strength", "strong"),
        ("lora", "rank", 0),
        ("lora", "between", "keeps"),
        ("k_adapter", "heads", 1.5),
    ],
)
def test_a_baseline_s_setting_that_means_nothing_is_refused_by_its_key(section, key, bad):
    (line,) = problems({"baselines": {section: {key: bad}}})
    assert f"- baselines.{section}.{key}" in line
