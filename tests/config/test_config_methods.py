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


def test_a_method_can_have_rates_of_its_own():
    found = load_config(
        {
            "methods": ["full", "full+lora"],
            "train": {"learning_rates": [0.001, 0.002], "method_rates": {"full+lora": [0.03]}},
        }
    )
    assert found.runs == [("full", 0.001), ("full", 0.002), ("full+lora", 0.03)]


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"method_rates": {"full+ewc": [0.1]}}, "train.method_rates: 'full+ewc' is none of the methods"),
        ({"method_rates": {"full": []}}, "train.method_rates.full"),
        ({"method_rates": {"full": [0.1, 0.1]}}, "method_rates: 'full'"),
        ({"score_at": [3, 2]}, "score_at: [3, 2] must rise"),
        ({"score_at": [45]}, "score_at: [45] must rise from one step to the next and stay below steps 45"),
        (
            {"keep_models": False},
            "train.keep_models: false, but the comparison with tracing needs a checkpoint",
        ),
    ],
)
def test_rates_and_steps_that_mean_nothing_are_refused(train, words):
    (line,) = problems({"methods": ["full"], "train": train})
    assert words in line


def test_a_number_in_a_method_is_checked_like_the_setting():
    (line,) = problems({"methods": ["full", "full+replay.5000"]})
    assert "methods: 'full+replay.5000' cannot be used: baseline 'replay.5000': ratio" in line


@pytest.mark.parametrize("baseline", ["lora", "k_adapter", "neurons", "random_neurons", "lowest_neurons"])
def test_baselines_of_whole_sublayers_are_refused_for_plans_by_matrix(baseline):
    raw = {"profile": {"unit": "module"}, "agree": {"facts": 0}, "methods": ["full", f"tgl_fp+{baseline}"]}
    lines = problems(raw)
    assert any(
        f"'tgl_fp+{baseline}' changes whole sublayers, but profile.unit is 'module'" in line for line in lines
    )


def test_causal_tracing_is_refused_for_plans_by_matrix():
    (line,) = problems({"profile": {"unit": "module"}})
    assert "agree.facts: causal tracing compares sublayers" in line
    assert load_config({"profile": {"unit": "module"}, "agree": {"facts": 0}}).profile.unit == "module"


@pytest.mark.parametrize("baseline", ["migu", "k_adapter"])
def test_baselines_that_read_activations_are_refused_with_checkpointing(baseline):
    (line,) = problems({"train": {"checkpointing": True}, "methods": ["full", f"full+{baseline}"]})
    assert f"'full+{baseline}' reads activations in the forward pass" in line


@pytest.mark.parametrize("baseline", ["migu", "k_adapter"])
def test_baselines_that_read_activations_are_refused_with_compile(baseline):
    (line,) = problems({"train": {"compile": True}, "methods": ["full", f"full+{baseline}"]})
    assert f"'full+{baseline}' reads activations in the forward pass with hooks" in line


@pytest.mark.parametrize("other", [{"checkpointing": True}, {"zero_stage": 3}])
def test_compile_is_refused_with_what_it_cannot_be_combined_with(other):
    (line,) = problems({"train": {"compile": True} | other})
    assert "compile: works neither with checkpointing nor with zero_stage 3" in line


@pytest.mark.parametrize("baseline", ["ewc", "recadam", "k_adapter", "lora", "migu", "fggm", "neurons"])
def test_baselines_that_need_whole_weights_are_refused_where_no_process_has_them(baseline):
    (line,) = problems({"train": {"zero_stage": 3}, "methods": ["full", f"full+{baseline}"]})
    assert f"'full+{baseline}' reads or changes whole weights" in line


def test_a_plan_by_hand_is_refused_likewise_with_baselines_of_whole_sublayers():
    raw = {"profile": {"unit": "module"}, "agree": {"facts": 0}, "methods": ["full", "file:mine.json+lora"]}
    assert any("changes whole sublayers" in line for line in problems(raw))


def test_heads_are_no_units_of_a_workflow():
    (line,) = problems({"profile": {"unit": "head"}, "agree": {"facts": 0}})
    assert "attention heads cannot be frozen one by one" in line
