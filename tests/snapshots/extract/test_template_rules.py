"""The tables of template rules: each rule has examples, and no two rules have the same name."""

import json
import time

import pytest

from tgl.core.errors import TglError
from tgl.snapshots.extract.clean_text import Keep
from tgl.snapshots.extract.template_rules import TABLES, normalised, read_entries, read_rules, rules_of
from tgl.snapshots.extract.wikitext import clean

ENTRIES = [
    pytest.param(entry, id=f"{path.stem}-{entry['names'][0]}")
    for path in sorted(TABLES.iterdir())
    for entry in read_entries(path)
]
EXAMPLES = [
    pytest.param(path.stem, wikitext, text, id=f"{path.stem}-{wikitext}")
    for path in sorted(TABLES.iterdir())
    for entry in read_entries(path)
    for wikitext, text in entry["examples"].items()
]


@pytest.fixture
def write(tmp_path):
    """Return a function that writes rules into a file, one a line, and returns its path."""

    def written(*entries):
        path = tmp_path / "xx.json"
        path.write_text(
            "[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries) + "\n]"
        )
        return path

    return written


def word(*names, **changes):
    return {"names": names, "action": "word", "parameters": {"text": "x"}} | changes


@pytest.mark.parametrize(("language", "wikitext", "text"), EXAMPLES)
def test_example_of_a_rule_becomes_its_text(language, wikitext, text):
    assert clean(f"[{wikitext}]", Keep(language=language)).text == f"[{text}]"


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_rule_has_an_example_with_one_of_its_names(entry):
    assert entry["examples"]
    names = {normalised(name).lower().removesuffix("*") for name in entry["names"]}
    for wikitext in entry["examples"]:
        called = wikitext.partition("{{")[2].lower()
        assert any(called.startswith(name) for name in names)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_rule_has_nothing_but_the_known_keys(entry):
    assert entry.keys() - {"parameters"} == {"names", "action", "examples"}


def test_every_name_of_a_table_leads_to_a_rule():
    for path in TABLES.iterdir():
        rule_of = rules_of(path.stem)
        names = [name for entry in read_entries(path) for name in entry["names"]]
        assert [name for name in names if rule_of(normalised(name).replace("*", "x")) is None] == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("won", "won"),
        ("won", "Won"),
        ("start date", "start_date"),
        ("start date", " Start  date "),
        ("été", "Été"),
        ("lang-*", "Lang-*"),
        ("lang-*", "LANG-*"),
    ],
)
def test_name_in_two_rules_is_refused_with_both_lines(write, first, second):
    path = write(word("a"), word("b", first), word("c"), word(second, "d"))
    with pytest.raises(TglError) as error:
        read_rules(path)
    assert f"'{normalised(second)}' is written twice".lower() in str(error.value).lower()
    assert "in the rules of line 3 and line 5." in str(error.value)


def test_name_that_is_twice_in_one_rule_is_refused(write):
    with pytest.raises(TglError, match=r"'B c' is written twice, in the rules of line 3 and line 3\."):
        read_rules(write(word("a"), word("b c", "B_c")))


def test_lines_are_right_where_rules_take_several_lines_and_texts_hold_braces(tmp_path):
    path = tmp_path / "xx.json"
    braces = word("a", examples={"{{a}} }, {": "\n{"})
    path.write_text(json.dumps([braces, word("b"), word("B")], indent=1))
    text = path.read_text().splitlines()
    second, third = (number for number, line in enumerate(text, 1) if line.strip() in ('"b"', '"B"'))
    with pytest.raises(TglError, match=rf"line {second - 2} and line {third - 2}\."):
        read_rules(path)


def test_names_that_differ_in_the_case_of_a_later_letter_are_different(write):
    table = read_rules(
        write(word("TS", parameters={"text": "ship"}), word("ts", parameters={"text": "style"}))
    )
    assert table.rule("TS") is not table.rule("ts")
    assert table.rule("Ts") is table.rule("ts")
    assert table.rule("tS") is table.rule("TS")  # the first one, where no spelling fits
    assert table.rule("tt") is None


def test_name_with_a_star_stands_for_all_that_begin_like_it(write):
    table = read_rules(write(word("lang-*"), word("lang-de"), word("*")))
    assert table.rule("Lang-fr") is table.rule("lang-")
    assert table.rule("lang-de") is not table.rule("lang-fr")
    assert table.rule("*") is not None
    assert table.rule("lang") is None


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (word("a", action="wrod"), "wrod"),
        (word("a", parameters={"txt": "x"}), "txt"),
        (word("a", parameters={}), "text"),
        ({"action": "convert"}, "names"),
        ({"names": ["a"]}, "action"),
        (word("a", names="ab"), "names is not a list"),
        (word("a", names=[]), "names is not a list"),
        (word("a", names=["ab", 0]), "names is not a list"),
    ],
)
def test_rule_that_is_not_complete_is_refused(write, entry, found):
    with pytest.raises(TglError, match=rf"xx.json, line 3: not a rule \(.*{found}.*\)"):
        read_rules(write(word("b"), entry))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('[{"names": ["a"], "action": "word", "names": ["b"]}]', "a key twice: names, action, names"),
        ("[", "cannot be read"),
        ('{"names": []}', "not a list of objects"),
        ("[1]", "not a list of objects"),
    ],
)
def test_file_that_is_no_list_of_rules_is_refused(tmp_path, content, found):
    (tmp_path / "xx.json").write_text(content)
    with pytest.raises(TglError, match=found):
        read_rules(tmp_path / "xx.json")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(TglError, match=r"none.json: cannot be read"):
        read_rules(tmp_path / "none.json")


def test_award_cell_shows_its_parameter():
    """The name stands for a table cell, not for the currency, which has the names KRW and ₩."""
    assert clean("{{won}}, {{Won|1st place}}, {{KRW|500}}").text == "Won, 1st place, ₩500"


def test_tables_are_read_fast():
    """Each cleaning process reads them when it starts."""
    start = time.process_time()
    for _ in range(10):
        read_rules(TABLES / "en.json")
    assert (time.process_time() - start) / 10 < 0.02  # seconds; it takes less than 0.001
