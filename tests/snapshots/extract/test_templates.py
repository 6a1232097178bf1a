import pytest

from tgl.snapshots.extract.template_rules import is_infobox
from tgl.snapshots.extract.wikitext import clean


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{convert|10|-|20|km|mi|abbr=on}}", "10–20 km"),
        ("{{convert}}", ""),
        ("{{start date|1969}}", "1969"),
        ("{{birth date and age|df=yes|1954|7|17}}", "17 July 1954"),
        ("{{death_date|1969|13|20}}", "1969"),
        ("{{start date|" + "9" * 5000 + "|1|1}}", "9" * 5000),
        ("{{formatnum:{{inflation|US|3}}}}", ""),
        ("{{frac|1|2}} {{frac|3|1|4}} {{frac|2}}", "1/2 3 1/4 1/2"),
        ("{{ordinal|21}}, {{ordinal|112}}", "21st, 112th"),
        ("{{sortname|Ann|Lee}}", "Ann Lee"),
        ("x{{snd}}y{{mdash}}z", "x – y—z"),
        ("{{hlist|a|[[b]]|c}}", "a, b, c"),
        ("{{lit|x}}", "lit. 'x'"),
        ("{{Template:nowrap|x}}", "x"),
        ("{{citation needed|date=May 2010}}", ""),
        ("{{unknown|x}}", ""),
    ],
)
def test_unusual_forms_of_inline_templates(template, text):
    assert clean(f"a {template} b.").text == f"a {text} b.".replace("  ", " ")


def test_lists_and_quotations_stand_on_lines_of_their_own():
    assert clean("a {{ubl|b|[[c]]}} d {{quote|e|f}} g").text == "a\nb\nc\nd\ne\ng"


@pytest.mark.parametrize("name", ["infobox city", "taxobox", "automatic taxobox", "german infobox"])
def test_infoboxes_are_told_by_their_names(name):
    assert is_infobox(name)
    assert not is_infobox("navbox " + name[:-7])
