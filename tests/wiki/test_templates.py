import pytest

from tgl.wiki.templates import is_infobox
from tgl.wiki.wikitext import clean


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{convert|8848|m|ft}}", "8848 m"),
        ("{{convert|10|to|20|km|mi}}", "10 to 20 km"),
        ("{{convert|10|-|20|km|mi|abbr=on}}", "10–20 km"),
        ("{{Convert|3|x|4|x|5|m}}", "3 × 4 × 5 m"),
        ("{{convert|5|ft|8|in|cm}}", "5 ft 8 in"),
        ("{{convert}}", ""),
        ("{{Start date|1969|7|20}}", "July 20, 1969"),
        ("{{Start date|1969|7|20|df=y}}", "20 July 1969"),
        ("{{start date|1969|7|20|20|17}}", "20:17, July 20, 1969"),
        ("{{start date|1969|July|20}}", "July 20, 1969"),
        ("{{start date|1969|07}}", "July 1969"),
        ("{{start date|1969}}", "1969"),
        ("{{birth date and age|df=yes|1954|7|17}}", "17 July 1954"),
        ("{{death date and age|2001|2|3|1930|1|1}}", "February 3, 2001"),
        ("{{death_date|1969|13|20}}", "1969"),
        ("{{dts|May 3, 2010}}", "May 3, 2010"),
        ("{{start date|" + "9" * 5000 + "|1|1}}", "9" * 5000),
        ("{{As of|2012|3}}", "As of March 2012"),
        ("{{as of|2012|lc=y}}", "as of 2012"),
        ("{{circa|1900}}", "c. 1900"),
        ("{{val|3.5|0.1|e=6|u=km}}", "3.5±0.1×10^6 km"),
        ("{{formatnum:12345}}", "12345"),
        ("{{formatnum:{{inflation|US|3}}}}", ""),
        ("{{frac|1|2}} {{frac|3|1|4}} {{frac|2}}", "1/2 3 1/4 1/2"),
        ("{{ordinal|21}}, {{ordinal|112}}", "21st, 112th"),
        ("{{US$|5 million}}", "US$5 million"),
        ("{{€|5}}", "€5"),
        ("{{lang|de|Bundes[[rat]]}}", "Bundesrat"),
        ("{{lang-de|Bundesrat}}", "Bundesrat"),
        ("{{lang|de}}", ""),
        ("{{transl|ru|ISO|Moskva}}", "Moskva"),
        ("{{nihongo|Tokyo|東京|Tōkyō}}", "Tokyo (東京, Tōkyō)"),
        ("{{nowrap|3.5 km}}", "3.5 km"),
        ("{{ill|Bob|de|Bob (x)}}", "Bob"),
        ("{{HMS|Victory|1765|6}}", "HMS Victory"),
        ("{{USS|Enterprise|CVN-65}}", "USS Enterprise (CVN-65)"),
        ("{{sortname|Ann|Lee}}", "Ann Lee"),
        ("{{flag|France}}", "France"),
        ("x{{snd}}y{{mdash}}z", "x – y—z"),
        ("{{hlist|a|[[b]]|c}}", "a, b, c"),
        ("{{chem|H|2|O}}", "H2O"),
        ("{{lit|x}}", "lit. 'x'"),
        ("{{abbr|km|kilometre}}", "km"),
        ("{{Template:nowrap|x}}", "x"),
        ("{{citation needed|date=May 2010}}", ""),
        ("{{unknown|x}}", ""),
    ],
)
def test_inline_templates_say_what_a_reader_sees(template, text):
    assert clean(f"a {template} b.").text == f"a {text} b.".replace("  ", " ")


def test_lists_and_quotations_stand_on_lines_of_their_own():
    assert clean("a {{ubl|b|[[c]]}} d {{quote|e|f}} g").text == "a\nb\nc\nd\ne\ng"


@pytest.mark.parametrize("name", ["infobox city", "taxobox", "automatic taxobox", "german infobox"])
def test_infoboxes_are_told_by_their_names(name):
    assert is_infobox(name)
    assert not is_infobox("navbox " + name[:-7])
