"""Options out of the sections of the configuration: which there are, and how their values are read."""

from collections import Counter

import pytest
import yaml

from tests.cli.running import NAMES, refused, shown
from tests.cli.sections.command_lines import PACK, PAGES, TAKING, TEXT, WORLD, sections_of
from tgl.cli.app import load


def metavar_of(kind, key):
    words = kind.model_json_schema()["properties"][key]
    kinds = {one.get("type"): one for one in words.get("anyOf", [words])}
    choices = next((one["enum"] for one in kinds.values() if "enum" in one), None)
    names = {"integer": "NUMBER", "number": "NUMBER", "boolean": "true|false", "string": "TEXT"}
    return "|".join(map(str, choices)) if choices else next(names[name] for name in kinds if name in names)


@pytest.mark.parametrize("name", TAKING)
def test_the_help_shows_each_key_with_metavar_description_and_default(name):
    printed = shown(name, "--help")
    for kind, keys in sections_of(name):
        for key, option in keys.fields(kind).items():
            about = kind.model_fields[key]
            default = yaml.safe_dump(about.default).removesuffix("...\n").strip().strip("'")
            row = f"{option} {metavar_of(kind, key)} {about.description} [default: {default}]"
            assert " ".join(row.split()) in printed
    assert "--config FILE" in printed
    assert "--set KEY=VALUE" in printed


@pytest.mark.parametrize("name", TAKING)
def test_the_hidden_options_are_taken_and_not_in_the_help(name):
    hidden = {keys.given for _, keys in sections_of(name) if keys.given not in (None, "--config")}
    assert hidden == {option for p in load(name).params if getattr(p, "hidden", False) for option in p.opts}
    printed = shown(name, "--help")
    assert not [option for option in hidden if option in printed]


def test_the_workflow_hands_over_the_other_sections_of_a_training_by_hidden_options():
    assert {keys.given for _, keys in sections_of("train")} == {
        "--config", "--token-config", "--profile-config", "--plan-config", "--baseline-config",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_option_of_a_command_is_there_twice(name):
    counts = Counter(option for parameter in load(name).params for option in parameter.opts)
    assert [option for option, count in counts.items() if count > 1] == []


def test_what_one_option_cannot_hold_is_no_option():
    printed = shown("base", "--help")
    assert "--pretrain" not in printed  # a section
    assert "--learning-rates" not in shown("train", "--help")  # a list


@pytest.mark.parametrize(
    ("call", "key", "value", "read"),
    [
        (WORLD, "pages", "300", 300),
        (WORLD, "pages", "+300", 300),
        (WORLD, "updated_share", "0.5", 0.5),
        (WORLD, "updated_share", "5e-1", 0.5),
        (WORLD, "updated_share", "0", 0.0),
        (WORLD, "domain", "records", "records"),
        (WORLD, "seed", "4294967295", 4294967295),
        (PAGES, "tables", "true", True),
        (PAGES, "tables", "False", False),
    ],
)
def test_values_are_read_as_the_types_of_the_section(taken, call, key, value, read):
    found = getattr(taken(*call, f"--{key.replace('_', '-')}", value), key)
    assert (found, type(found)) == (read, type(read))


def test_null_stands_for_no_value(taken, config):
    file = config(text={"max_characters": 7})
    assert taken(*TEXT, "--config", file) == 7
    assert taken(*TEXT, "--config", file, "--max-characters", "null") is None
    assert taken(*TEXT, "--config", file, "--set", "text.max_characters=null") is None
    assert taken(*TEXT, "--max-characters", "9") == 9


@pytest.mark.parametrize(
    ("call", "option", "value", "words", "found"),
    [
        (WORLD, "--pages", "12.5", "valid integer", "12.5"),
        (WORLD, "--pages", "many", "valid integer", "'many'"),
        (WORLD, "--pages", "", "valid integer", "''"),
        (WORLD, "--pages", "199", "greater than or equal to 200", "199"),
        (WORLD, "--pages", "null", "valid integer", "None"),
        (WORLD, "--updated-share", "nan", "valid number", "'nan'"),
        (WORLD, "--updated-share", "1", "less than 1", "1"),
        (WORLD, "--domain", "recrds", "'encyclopedia' or 'records'", "'recrds'"),
        (PAGES, "--tables", "maybe", "valid boolean", "'maybe'"),
        (PACK, "--language", "xx", "ISO 639-1", "'xx'"),
        (PACK, "--holdout-share", "2", "less than or equal to 0.9", "2"),
    ],
)
def test_other_values_are_refused_with_option_value_and_what_is_expected(
    taken, call, option, value, words, found
):
    error = refused(*call, option, value)
    assert error.startswith(f"tgl {call[0]}: {option}: ")
    assert words in error
    assert f"found {found}" in error


def test_a_wrong_word_has_the_nearest_right_one(taken):
    assert "(did you mean 'records'?)" in refused(*WORLD, "--domain", "recrds")


def test_several_wrong_values_are_reported_at_once_each_with_where_it_is_from(taken, config):
    file = config(snapshots={"synthetic": {"candidates": 1}})
    error = refused(*WORLD, "--config", file, "--set", "snapshots.synthetic.new_share=x", "--pages", "1")
    first, *problems = error.splitlines()
    assert first == "tgl world: settings: 3 problems"
    assert {line.split(": Input")[0] for line in problems} == {
        "  - --pages",
        "  - --set snapshots.synthetic.new_share",
        f"  - {file}: snapshots.synthetic.candidates",
    }


def test_a_command_without_sections_takes_no_settings():
    printed = shown("verify", "--help")
    assert "--set" not in printed
    assert "Settings" not in printed
