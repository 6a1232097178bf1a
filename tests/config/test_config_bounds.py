"""Languages, dates, names and paths beyond what a stage can use are refused by their key."""

import pytest

from tests.config.config_problems import nested, problems
from tgl.config.check import load_config
from tgl.core.config_check import load_section
from tgl.models.settings import ModelConfig
from tgl.probes.settings import ProbesConfig


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
