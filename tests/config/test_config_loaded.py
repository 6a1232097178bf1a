"""A loaded model is trained only by steps and at rates that are written out."""

import json

import pytest
import yaml

from tests.config.config_problems import problems
from tests.support.paths import REPOSITORY
from tgl.config.check import load_config
from tgl.config.root import Config
from tgl.core.config_check import load_section
from tgl.core.errors import TglError
from tgl.models.settings import ModelConfig

LOADED = {"model": {"load": "gpt2"}, "tokens": {"tokenizer": "gpt2"}, "train": {"learning_rates": [0.0001]}}


def over_defaults(raw):
    """Return the raw configuration as Snakemake merges it: over every key of config.yaml."""

    def merged(below, above):
        both = isinstance(below, dict) and isinstance(above, dict)
        return (
            {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}
            if both
            else above
        )

    return merged(yaml.safe_load((REPOSITORY / "config.yaml").read_text()), raw)


@pytest.mark.parametrize("given", [lambda raw: raw, over_defaults])
def test_a_loaded_model_is_not_pretrained_by_default(given):
    config = load_config(given(LOADED))
    assert config.model.pretrain.steps == 0
    assert load_config(json.loads(config.model_dump_json())) == config
    assert load_section(ModelConfig, '{"load": "gpt2"}').pretrain.steps == 0


@pytest.mark.parametrize("given", [lambda raw: raw, over_defaults])
def test_rates_of_a_loaded_model_have_no_default_and_all_missing_ones_are_named(given):
    first, second = problems(
        given(LOADED | {"model": {"load": "gpt2", "pretrain": {"steps": 9}}, "train": {}})
    )
    assert first.startswith(
        "  - model.pretrain.learning_rate: not set, and pretrain.steps 9 would train the loaded"
    )
    assert second.startswith("  - train.learning_rates: not set")
    with pytest.raises(TglError, match=r"--config: 1 problem\n  - pretrain.learning_rate: not set"):
        load_section(ModelConfig, '{"load": "gpt2", "pretrain": {"steps": 9, "learning_rate": null}}')


@pytest.mark.parametrize("given", [lambda raw: raw, over_defaults])
def test_a_loaded_model_is_adapted_when_that_is_written_out(given):
    model = {"load": "gpt2", "pretrain": {"steps": 9, "learning_rate": "1e-4"}}
    config = load_config(given(LOADED | {"model": model}))
    assert (config.model.pretrain.steps, config.model.pretrain.learning_rate) == (9, 0.0001)


def test_from_scratch_null_stands_for_the_defaults():
    assert load_config(over_defaults({})) == Config()
    config = load_config(over_defaults({"model": {"pretrain": {"steps": 7}}}))
    assert (config.model.pretrain.steps, config.model.pretrain.learning_rate) == (7, 0.006)
    assert config.train.learning_rates == [0.003]


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "workflow/presets").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_every_preset_says_what_it_needs(path):
    raw = yaml.safe_load(path.read_text())
    given = over_defaults(raw)
    if raw.get("snapshots", {}).get("source") == "wikimedia":
        with pytest.raises(TglError, match=r"snapshots\.wikimedia\.contact: required to download"):
            load_config(given)
        given["snapshots"]["wikimedia"]["contact"] = "somebody@example.org"
    config = load_config(given)
    if config.model.load:
        assert raw["train"]["learning_rates"]
        pretrain = raw["model"]["pretrain"]
        assert pretrain["steps"] == 0 or pretrain["learning_rate"]
