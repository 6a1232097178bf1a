"""`subject_of` of `tgl.probes.sets.templama`: the subject's name in every published template."""

import csv
import json

import pytest

from tgl.probes.rows import read_records
from tgl.probes.sets.templama import subject_of, templama_probes
from tgl.probes.settings import ProbesConfig

# What stands left of the object in the templates of TempLAMA, of Dynamic TempLAMA and of its improved ones. Those
# that begin with the object are turned first, as `templama_probes` does it.
LEFT = [
    # TempLAMA, and the same in Dynamic TempLAMA
    "{S} plays for ",
    "{S} holds the position of ",
    "{S} works for ",
    "{S} is a member of the ",
    "The head coach of {S} is ",
    "{S} attended ",
    "The chair of {S} is ",
    "The head of the government of {S} is ",
    "{S} is owned by ",
    # Dynamic TempLAMA
    "The date {S} was born is ",
    "The place {S} was born is ",
    "The date {S} died is ",
    "The place {S} died is ",
    "{S} is a subclass of ",
    "The official language of {S} is ",
    "The native language of {S} is ",
    "{S} is a legal term in ",
    "{S} is a ",
    "{S} is ",
    "{S} is produced by ",
    "{S} is named after ",
    "{S} used to communicate in ",
    "{S} used to work in ",
    # improved
    "The name of the team that {S} plays for is ",
    "The position that {S} holds is that of ",
    "{S} has a job. {S} works for ",
    "{S} is a member of the political party of ",
    "The name of the head coach of {S} is ",
    "{S} attended and graduated with a degree from ",
    "The name of the head of the government of {S} is the ",
    "{S} is considered to be owned by ",
    "One of the countries that {S} is a legal term in is ",
    "The profession of {S} is ",
    "The name of the country that {S} has citizenship is ",
    "The name of the company that {S} is produced by is ",
    "The entity that inspired the name of {S} is ",
    "The language that {S} used to communicate in is ",
    "The location that {S} used to work is ",
]
# With an article before the subject, which belongs to a name such as The Beatles and not to the template.
WITH_ARTICLE = "The name of the chair of the {S} is "
NAMES = ["Alex Morgan", "Hull City A.F.C.", "Ōsaka", "University of the Arts", "C", "Zoë's Choir (band)"]


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("name", NAMES)
def test_the_subject_of_every_published_template_is_found(left, name):
    assert subject_of(left.replace("{S}", name)) == name


@pytest.mark.parametrize(
    ("left", "subject"),
    [
        ("The chair of the board is ", "board"),  # the template's article
        ("The Beatles is owned by ", "The Beatles"),  # the name's own
        ("The name of the head coach of The Strongest is ", "The Strongest"),
        ("The date of the Battle was ", "The date of the Battle was"),  # unknown template: all of it
        ("Mars: ", "Mars:"),
    ],
)
def test_articles_go_with_the_name_and_unknown_templates_are_kept_whole(left, subject):
    assert subject_of(left) == subject


def lefts_in_file(path):
    """Yield what stands left of the object in every template of a list."""
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield row["Template"]


@pytest.mark.parametrize(
    "name",
    [
        "templama/templates.csv",
        "dynamic_templama/my_templates.csv",
        "dynamic_templama/my_improved_templates.csv",
    ],
)
def test_no_published_template_is_missing_from_this_test(data_root, name):
    known = {left.replace("{S}", "<subject>") for left in [*LEFT, WITH_ARTICLE]}
    for template in lefts_in_file(data_root / "probes" / name):
        left, _, right = template.partition("<object>")
        if not left:  # turned
            left = f"The {right.removeprefix(' is the ').removesuffix('.')} is "
        assert left in known, template


def whole_left_share(rows):
    """Return the share of (left text, subject) whose subject is all of the left text; check that none is empty."""
    assert all(subject for _, subject in rows)
    assert all(subject in left for left, subject in rows)
    return sum(subject == left.strip() for left, subject in rows) / len(rows)


@pytest.mark.parametrize("name", ["val.json", "train.json.xz"])
def test_every_query_of_templama_has_a_subject_of_its_own(data_root, name):
    path = data_root / "probes" / "templama" / name
    years = sorted({record["date"] for _, record in read_records(path)})
    pairs = {f"{later}0101": [earlier, later] for earlier, later in zip(years, years[1:], strict=False)}
    rows, _ = templama_probes(path, pairs, ProbesConfig())
    found = [(row["text"][: row["span_start"]], row["subject"]) for row in rows]
    assert len(found) > 5000
    share = whole_left_share(found)
    assert share == 0, f"{share:.2%} of {len(found)} subjects are the whole left text"
    # A subject names the same entity in all its relations: what the ids say, the names must follow.
    names = {}
    for row in rows:
        names.setdefault(row["answer_group"].split("-")[2].split("_")[0], set()).add(row["subject"])
    several = {key: value for key, value in names.items() if len(value) > 1}
    assert len(several) / len(names) < 0.01, dict(list(several.items())[:5])


def test_every_query_of_dynamic_templama_has_a_subject_of_its_own(data_root):
    files = sorted((data_root / "probes" / "dynamic_templama").glob("*.json"))
    assert files
    found = []
    for path in files:
        for quarter in json.loads(path.read_text(encoding="utf-8")).values():
            lefts = [text[0].partition("<mask>")[0] for text in quarter["text"]]
            found += [(left, subject_of(left)) for left in lefts if left.strip()]
    assert len(found) > 5000
    share = whole_left_share(found)
    assert share == 0, f"{share:.2%} of {len(found)} subjects are the whole left text"
