"""Configurations that are meant to do harm, or were damaged."""

import math

import pytest

from tests.config.config_problems import WIKIMEDIA, problems
from tgl.config.check import load_config
from tgl.core.config_check import load_section
from tgl.core.errors import TglError
from tgl.train.settings import TrainConfig


@pytest.mark.parametrize(
    "url",
    ["https://someone:secret@example.org", "https://secret@example.org/a", "http://secret@localhost:8000"],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(url):
    (line,) = problems({"snapshots": {"wikimedia": {"base_url": url}}})
    assert "base_url: holds a user name or password" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    "url", ["https://", "https://[", "https://a b.org", "https://a.org\n", "https:///a", "", "https:a"]
)
def test_what_is_no_url_is_refused(url):
    (line,) = problems({"snapshots": {"wikimedia": {"base_url": url}}})
    assert "base_url" in line


@pytest.mark.parametrize("contact", ["a@b.org\nX-Header: 1", "größe@b.org", "a\0b"])
def test_a_contact_that_no_header_can_hold_is_refused(contact):
    lines = problems({"snapshots": WIKIMEDIA | {"wikimedia": {"contact": contact}}})
    assert any("snapshots.wikimedia.contact" in line for line in lines)


@pytest.mark.parametrize("pattern", ["{date}{", "{date}}", "}{date}"])
def test_a_pattern_with_a_lone_brace_is_refused(pattern):
    lines = problems({"snapshots": {"source": "local", "local": {"pattern": pattern}}})
    assert any("snapshots.local.pattern" in line for line in lines)


@pytest.mark.parametrize("date", ["２０２００１０１", "2020010１"])
def test_digits_of_other_scripts_make_no_date(date):
    (line,) = problems({"snapshots": {"dates": ["20190101", date]}})
    assert "snapshots.dates.1" in line


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_are_none_are_refused(value):
    (line,) = problems({"gate": {"times_chance": value}})
    assert "gate.times_chance" in line
    (line,) = problems({"train": {"learning_rates": [value]}})
    assert "train.learning_rates.0" in line


@pytest.mark.parametrize(
    "text",
    [
        "a: !!int ''",
        "a: !!timestamp x",
        "a: !!bool x",
        "a: 2020-13-45",
        "a: " + "1" * 5000,
        "a: !!python/object/apply:os.getcwd []",
        b"\xff\xfe\x00",
        b"a: \x80",
    ],
)
def test_yaml_that_the_reader_stumbles_over_is_named(tmp_path, text):
    path = tmp_path / "my.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TglError, match=r"my\.yaml: not YAML"):
        load_config(path)
    with pytest.raises(TglError, match="a folder, not a regular file; expected a YAML"):
        load_config(tmp_path)


def test_texts_that_utf8_cannot_hold_are_refused():
    with pytest.raises(TglError, match=r"configuration: .*surrogates not allowed"):
        load_config({"model": {"load": "\ud800"}})


def test_a_long_value_is_cut_in_the_message():
    (line,) = problems({"train": {"steps": ["x" * 100] * 100}})
    assert "train.steps" in line
    assert len(line) < 500


@pytest.mark.parametrize(
    "text", ["[" * 5000, '{"steps": ' * 5000, '{"engine": "\\ud800"}', '{"steps": ' + "1" * 5000 + "}"]
)
def test_json_of_a_section_that_nothing_can_be_done_with_is_refused(text):
    with pytest.raises(TglError, match="--config: not JSON"):
        load_section(TrainConfig, text)


@pytest.mark.parametrize("key", [("model", "load"), ("tokens", "tokenizer")])
def test_braces_in_the_folder_of_a_model_are_refused_with_the_key(tmp_path, key):
    """Its files are inputs of a rule, whose braces Snakemake takes for wildcards."""
    section, name = key
    folder = tmp_path / "{a}"
    folder.mkdir()
    with pytest.raises(TglError, match=rf"{section}\.{name}: .*brace"):
        load_config({section: {name: str(folder)}})
