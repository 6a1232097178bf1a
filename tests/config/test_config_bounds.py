"""Numbers, languages, dates, names and paths beyond what a stage can use are refused by their key."""

import math
from typing import get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from tests.config.config_problems import problems
from tgl.config.check import load_config
from tgl.config.root import Config
from tgl.core.config_check import load_section
from tgl.core.config_types import Section
from tgl.core.errors import TglError
from tgl.models.settings import ModelConfig
from tgl.probes.settings import ProbesConfig
from tgl.train.settings import TrainConfig


def nested(path, value):
    for key in reversed(path):
        value = {key: value}
    return value


def numbers(kind=Config, path=()):
    """Return (path, metadata, whether it is an integer, whether it stands in a list) of every numeric key."""
    found = []
    for name, field in kind.model_fields.items():
        whole = field.annotation
        if isinstance(whole, type) and issubclass(whole, Section):
            found += numbers(whole, (*path, name))
            continue
        waiting = [(whole, list(field.metadata), False)]
        while waiting:
            inner, metadata, listed = waiting.pop()
            if inner in (int, float):
                found.append(((*path, name), metadata, inner is int, listed))
            more = getattr(inner, "__metadata__", ())
            parts = [part for part in get_args(inner) if not isinstance(part, FieldInfo)]
            listed = listed or getattr(inner, "__origin__", None) is list
            waiting += [(part, [*([] if listed else metadata), *more], listed) for part in parts]
    return found


NUMBERS = numbers()


def bounds(metadata):
    flat = [item for data in metadata for item in getattr(data, "metadata", [data])]
    low = [item for item in flat if isinstance(item, Ge | Gt)]
    high = [item for item in flat if isinstance(item, Le | Lt)]
    return low, high


@pytest.mark.parametrize(("path", "metadata"), [(path, data) for path, data, _, _ in NUMBERS])
def test_every_number_has_a_lower_and_an_upper_bound(path, metadata):
    low, high = bounds(metadata)
    assert low, path
    assert high, path


def test_the_list_of_numbers_is_not_empty_by_mistake():
    found = {path for path, *_ in NUMBERS}
    assert {
        ("seeds",),
        ("train", "learning_rates"),
        ("model", "pretrain", "keep"),
        ("gate", "updated_gain"),
    } <= found
    assert len(found) > 50


@pytest.mark.parametrize(
    "value", [-1, 10**20, 10**400, 1e300, -0.5, math.nan, math.inf, True, "1_0", " 1", "１", "0x1"]
)
@pytest.mark.parametrize(("path", "listed"), [(path, listed) for path, _, _, listed in NUMBERS])
def test_a_number_no_stage_can_use_is_refused_by_its_key(path, listed, value):
    lines = problems(nested(path, [value] if listed else value))
    assert any(f"- {'.'.join(path)}" in line for line in lines)


@pytest.mark.parametrize(("path", "listed"), [(path, listed) for path, _, whole, listed in NUMBERS if whole])
@pytest.mark.parametrize("value", [1.0, "1.0", 2.5])
def test_a_fraction_is_no_whole_number(path, listed, value):
    assert any(f"- {'.'.join(path)}" in line for line in problems(nested(path, [value] if listed else value)))


@pytest.mark.parametrize(
    "rates",
    [
        [0],
        [-0.1],
        [5e-324],
        [1e-320],
        ["1e-320"],
        ["1e400"],
        ["nan"],
        ["-3e-3"],
        [None],
        [[0.1]],
        [],
        "0.003",
    ],
)
def test_a_rate_that_trains_nothing_or_is_none_is_refused(rates):
    assert any("- train.learning_rates" in line for line in problems({"train": {"learning_rates": rates}}))


@pytest.mark.parametrize("rates", [[0.003, "3e-3"], ["0.0030", 0.003], [1, "1e0"], ["1e-3", ".001"]])
def test_one_rate_written_in_two_ways_is_one_rate_twice(rates):
    (line,) = problems({"train": {"learning_rates": rates}})
    assert "train.learning_rates" in line
    assert "twice" in line


@pytest.mark.parametrize(
    "date", ["20190230", "20190431", "20210229", "20211301", "00000101", "19000229", "20190100"]
)
def test_a_day_that_the_calendar_lacks_is_refused(date):
    lines = problems({"snapshots": {"dates": ["18000101", date]}})
    assert any("snapshots.dates.1" in line and f"'{date}' is not a date" in line for line in lines)


def test_the_leap_day_is_a_date():
    assert load_config({"snapshots": {"dates": ["20200229", "20210101"]}}).periods == ["20210101"]


@pytest.mark.parametrize(
    "code", ["xx", "EN", "en_US", "english", "eng", "", "en ", "en-", "zz-latn", "en-üü", "qq"]
)
def test_an_unknown_language_is_refused(code):
    (line,) = problems({"text": {"language": code}})
    assert line.startswith("  - text.language: ")
    (line,) = problems({"probes": {"wikidata": {"language": code}}})
    assert line.startswith("  - probes.wikidata.language: ")


@pytest.mark.parametrize(
    "code",
    [
        "en",
        "de",
        "zh",
        "zh-hant",
        "zh-min-nan",
        "en-gb",
        "ceb",
        "war",
        "simple",
        "roa-rup",
        "bat-smg",
        "sr-el",
    ],
)
def test_a_language_that_nobody_tried_is_possible(code):
    assert load_config({"text": {"language": code}}).text.language == code


@pytest.mark.parametrize(
    "name",
    [
        "a" * 101,
        "README.md",
        "readme.MD",
        "a.",
        "a..",
        "..",
        ".",
        ".a",
        "-a",
        "_a",
        "a b",
        "a/b",
        "nul",
        "CON.x",
        "",
        "ä",
    ],
)
def test_an_experiment_that_cannot_be_a_folder_is_refused(name):
    (line,) = problems({"experiment": name})
    assert "- experiment: " in line


KEYS_OF_PATHS = ["data_root", "text.json_lines", "plan.borrow", "model.load", "tokens.tokenizer"]


@pytest.mark.parametrize("path", ["", " ", "a\0b", "x" * 1001])
@pytest.mark.parametrize("key", KEYS_OF_PATHS)
def test_a_path_that_is_none_is_refused(path, key):
    assert any(f"- {key}: " in line for line in problems(nested(key.split("."), path)))


@pytest.mark.parametrize("path", ["a\nb", "a\x1bb", "a\u2028b", "a{b}", "a}"])
@pytest.mark.parametrize("key", KEYS_OF_PATHS[:3])
def test_a_path_no_rule_can_take_is_refused(path, key):
    raw = nested(key.split("."), path)
    if key == "text.json_lines":
        raw["text"]["base"] = "json_lines"
    assert any(f"- {key}: " in line for line in problems(raw))


def test_a_path_that_is_an_input_of_no_rule_may_hold_anything():
    assert load_section(ModelConfig, '{"load": "a{b}\\n"}').load == "a{b}\n"
    assert load_section(ProbesConfig, '{"ecbd": {"files": ["a{b}"]}}').ecbd.files == ["a{b}"]


@pytest.mark.parametrize(
    "path", ["-a", "a b", "a[b]*?", "ü/é", "a'b", 'a"b', "$(a)", "C:\\a", "~/a", "\u3000a"]
)
def test_other_paths_are_taken_as_they_are(path):
    assert load_config({"data_root": path}).data_root == path


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ({"architecture": "llama", "hidden_size": 15, "heads": 3}, "even size"),
        ({"architecture": "llama", "hidden_size": 10, "heads": 3}, "not a multiple"),
        ({"architecture": "gpt2", "hidden_size": 10, "heads": 3}, "not a multiple"),
        ({"architecture": "gpt_neo", "hidden_size": 4, "heads": 8}, "not a multiple"),
    ],
)
def test_heads_that_cannot_work_are_refused_in_the_whole_and_in_the_section(shape, word):
    (line,) = problems({"model": shape})
    assert line.startswith("  - model.hidden_size: ")
    assert word in line
    with pytest.raises(TglError, match=rf"- hidden_size: .*{word}"):
        load_section(ModelConfig, str(shape).replace("'", '"'))
    with pytest.raises(ValueError, match=word):
        ModelConfig(**shape)


@pytest.mark.parametrize("architecture", ["mamba", "tgl_gru"])
def test_models_without_attention_have_no_heads_to_fit(architecture):
    config = load_config({"model": {"architecture": architecture, "hidden_size": 15, "heads": 4}})
    assert config.model.num_sublayers == 6


@settings(deadline=None)
@given(st.sampled_from(["gpt2", "gpt_neo", "llama"]), st.integers(4, 40), st.integers(1, 8))
def test_every_accepted_shape_makes_a_model(architecture, hidden, heads):
    from tgl.models.architecture import architecture_config

    fits = hidden % heads == 0 and (architecture != "llama" or hidden // heads % 2 == 0)
    raw = {"architecture": architecture, "hidden_size": hidden, "heads": heads, "layers": 1}
    if not fits:
        assert problems({"model": raw})
        return
    config = load_config({"model": raw}).model
    found = architecture_config(config, 300, 16, end_token=0)
    assert found.hidden_size // found.num_attention_heads * heads == hidden


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"methods": ["full", "only.12"]}, "numbered from 0"),
        ({"methods": ["full", "only.6"], "model": {"architecture": "tgl_gru"}}, "the model has 6"),
        ({"methods": ["full", "full+lora"], "plan": {"embedding": "trained"}}, "lora trains only adapters"),
        ({"methods": ["full", "full.trained_embedding+k_adapter"]}, "k_adapter trains only adapters"),
        ({"methods": ["full", "lisa+k_adapter"]}, "has phases"),
        ({"methods": ["full", "full+lora"], "model": {"architecture": "mamba"}}, "needs attention"),
        ({"methods": ["full", "only.1+lora"]}, "no attention sublayer"),
        (
            {"methods": ["full", "full+recadam"], "train": {"learning_rates": [0.001, 0.01]}},
            "must be below 1",
        ),
        ({"probes": {"validation_share": 0.005}}, "about 0.2 probes of kind 'updated'"),
        ({"snapshots": {"synthetic": {"updated_share": 0}}}, "about 0.0 probes of kind 'updated'"),
        (
            {"snapshots": {"synthetic": {"new_share": 0}}, "plan": {"salient": "new_entity"}},
            "kind 'new_entity'",
        ),
        (
            {"probes": {"templama": {"pairs": {"20200101": ["1", "1"]}}}},
            "probes.templama.pairs.20200101: '1' twice",
        ),
    ],
)
def test_what_a_later_stage_would_refuse_is_refused_at_once(raw, words):
    (line,) = problems(raw)
    assert words in line


@pytest.mark.parametrize(
    "methods",
    [
        ["full", "only.11"],
        ["full", "only.0+lora"],
        ["full", "full_at_mean_lr+recadam"],
        ["full", "lisa+lora"],
    ],
)
def test_what_goes_together_is_accepted(methods):
    assert load_config({"methods": methods}).methods == methods


def test_a_section_alone_is_checked_for_its_combinations():
    with pytest.raises(TglError, match=r"--config: 2 problems\n  - offload: .*\n  - micro_batch_size: "):
        load_section(TrainConfig, '{"micro_batch_size": 3, "offload": true, "engine": "plain"}')
