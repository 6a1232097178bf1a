import csv
import tomllib

import pytest

from tests.support.paths import REPOSITORY
from tgl.core.errors import TglError
from tgl.probes.relations import SHIPPED, read_templates

HEAD = "Wikidata ID,Relation,Template\n"
GOOD = "P54,team,<subject> is in <object>.\n"


def test_shipped_templates_hold_the_relations_of_dynamic_templama_that_have_a_start():
    found = read_templates(None)
    relations = "P54 P39 P108 P102 P286 P69 P488 P6 P127 P176 P138 P937 P106 P27 P279 P37 P103 P1001 P1412"
    assert list(found) == relations.split()
    for template in found.values():
        sentence = template.replace("<subject>", "Ann").replace("<object>", "Oslo")
        assert sentence[0].isupper()
        assert sentence.endswith(" Oslo.")
        assert "  " not in sentence


def test_shipped_templates_come_with_the_package():
    root = REPOSITORY
    project = tomllib.loads((root / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["tgl"]
    assert any(SHIPPED.relative_to(root / "tgl").match(pattern) for pattern in patterns)


def test_shipped_templates_are_worded_anew(data_root):
    published = set()
    for path in (data_root / "probes").glob("*/*templates.csv"):
        with open(path, encoding="utf-8") as file:
            published |= {row["Template"] for row in csv.DictReader(file)}
    assert len(published) > 30
    assert published.isdisjoint(read_templates(None).values())


def test_published_templates_are_read_when_their_objects_are_last(data_root):
    folder = data_root / "probes/dynamic_templama"
    assert len(read_templates(folder / "my_improved_templates.csv")) == 23
    with pytest.raises(TglError, match=r"my_templates\.csv, line 6: '<object> is the head coach of"):
        read_templates(folder / "my_templates.csv")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("P39,office,<object> is the office of <subject>.", "must end in"),
        ("P39,office,<subject> is <object> by office.", "must end in"),
        ("P39,office,The office of <subject> is <object>", "must end in"),
        ("P39,office,The office is <object>.", "once"),
        ("P39,office,The office of <subject>.", "once"),
        ("P39,office,<subject> of <object> is <object>.", "once"),
        ("Q39,office,<subject> is <object>.", "not a property id"),
        ("P39", "once"),
        ("P54,again,<subject> is <object>.", "second template for P54"),
    ],
)
def test_template_of_another_shape_is_refused_with_its_line(tmp_path, line, words):
    (tmp_path / "t.csv").write_text(f"{HEAD}{GOOD}{line}\n")
    with pytest.raises(TglError, match=rf"t\.csv, line 3: .*{words}"):
        read_templates(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "columns"),
        (b"a,b\n1,2\n", "columns"),
        (HEAD.encode(), "no template"),
        (HEAD.encode() + b"P54,team,\xff", "cannot be read"),
        (HEAD.encode() + b'P54,team,"' + b"x" * 200_000, "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_unreadable_table_is_named(tmp_path, content, words):
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(TglError, match=rf"t\.csv: .*{words}"):
        read_templates(tmp_path / "t.csv")


def test_further_columns_and_spaces_do_not_matter(tmp_path):
    (tmp_path / "t.csv").write_text(
        "Template,Wikidata ID,Relation,Note\n <subject> is in <object>. , P54 ,x,y\n"
    )
    assert read_templates(tmp_path / "t.csv") == {"P54": "<subject> is in <object>."}
