"""config.yaml and config/schema.json, which are generated from the typed configuration."""

import json
from pathlib import Path

import pytest
import yaml

from tests.support.paths import REPOSITORY
from tgl.config.check import load_config
from tgl.config.root import Config
from tgl.config.write import config_yaml, explanation, schema_json
from tgl.core.config_types import Section

LONGEST = 120
PRESETS = sorted((REPOSITORY / "workflow" / "presets").rglob("*.yaml"))


def keys(section, prefix=""):
    """Yield (dotted key, explanation) of every key of a section and of the sections in it."""
    for name in type(section).model_fields:
        yield prefix + name, explanation(type(section), name)
        if isinstance(inner := getattr(section, name), Section):
            yield from keys(inner, f"{prefix}{name}.")


def nodes(value):
    """Yield every mapping in a JSON value."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(inner)


@pytest.mark.parametrize(
    ("file", "text"),
    [("config.yaml", lambda: config_yaml(Config())), ("config/schema.json", schema_json)],
    ids=["config.yaml", "schema.json"],
)
def test_generated_files_are_up_to_date(file, text):
    found = (REPOSITORY / file).read_text(encoding="utf-8")
    assert found == text(), f"{file} is out of date; run: python -m tgl.config.write"


@pytest.mark.parametrize(("key", "text"), list(keys(Config())))
def test_every_key_is_explained_by_a_phrase(key, text):
    assert text, f"{key} has no description"
    assert text.endswith(".")
    assert text[0].isupper()


def test_generated_configuration_is_the_default():
    assert load_config(yaml.safe_load(config_yaml(Config()))) == Config()


def test_a_changed_configuration_survives_the_way_through_yaml():
    raw = {
        "experiment": "other",
        "train": {"steps": 6, "learning_rates": [0.01, 1e-05]},
        "model": {"pretrain": {"steps": 30, "keep": []}},
        "pages": {"drop_sections": ["A: b", "# c", "null", "1"] + [f"heading {n}" for n in range(20)]},
        "text": {"language": "no"},
    }
    config = load_config(raw)
    assert load_config(yaml.safe_load(config_yaml(config))) == config


def test_lines_of_the_generated_configuration_are_short():
    assert [line for line in config_yaml(Config()).splitlines() if len(line) > LONGEST] == []


def test_schema_has_bounds_under_their_standard_names():
    schema = json.loads(schema_json())
    found = {key for node in nodes(schema) for key in node}
    assert not found & {"ge", "le", "gt", "lt", "written"}
    rows = schema["$defs"]["TrainConfig"]["properties"]["batch_size"]
    assert (rows["minimum"], rows["maximum"]) == (1, 100_000)


@pytest.mark.parametrize(
    "path", [REPOSITORY / "config.yaml", *PRESETS], ids=lambda path: str(Path(path).relative_to(REPOSITORY))
)
def test_schema_accepts_the_configurations_of_the_repository(path):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), json.loads(schema_json()))


@pytest.mark.parametrize(
    "raw",
    [
        {"seed": 1},
        {"train": {"steps": 0}},
        {"train": {"decay": "cubic"}},
        {"model": {"pretrain": {"steps": "x"}}},
    ],
)
def test_schema_refuses_what_the_configuration_refuses(raw):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(raw, json.loads(schema_json()))
