import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.text.diff.sentences import new_sentences, sentence_key, split_sentences
from tgl.text.diff.typography import level_with_places

# A character, and what stands for it in plain text.
SHAPES = {
    **dict.fromkeys("‘’‚‛‹›＇ʼ", "'"),
    **dict.fromkeys("“”„‟«»「」『』〝〞〟＂｢｣⹂", '"'),
    **dict.fromkeys("‐‑‒–—―−﹘﹣－־", "-"),
    **dict.fromkeys("\u00ad\u200b\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2060", ""),
    **dict.fromkeys("\u2066\u2067\u2068\u2069\ufeff", ""),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a", " "),
    **dict.fromkeys("\u202f\u205f\u3000\t\u2028", " "),
}  # fmt: skip


def is_change(old, later, language="en"):
    return [sentence for _, sentence in new_sentences(old, later, language)]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"U+{ord(shape):04X}")
def test_shape_of_a_character_is_no_change(shape):
    plain = SHAPES[shape]
    for template in ("It is a{}b here.", "It is a{}b here. C is d. E changed."):
        one, other = template.format(shape), template.format(plain)
        assert sentence_key(one) == sentence_key(other)
        assert is_change(one, other) == is_change(other, one) == []


@pytest.mark.parametrize(
    ("old", "later", "language"),
    [
        ("Das „Haus“ ist alt.", 'Das "Haus" ist alt.', "de"),
        ("Das »Haus« ist alt.", "Das «Haus» ist alt.", "de"),
        ("Il dit « Bonjour » hier.", 'Il dit "Bonjour" hier.', "fr"),
        ("Il dit «\u00a0Bonjour\u202f», puis (« non »).", "Il dit “Bonjour”, puis (“non”).", "fr"),
        ("« Oui ».", '"Oui".', "fr"),
        ("The low was -5 degrees.", "The low was −5 degrees.", "en"),
        ("A 10‑year term, 1990–91.", "A 10-year term, 1990-91.", "en"),
        ("The name (עברית\u200e) is old.", "The name (עברית) is old.", "en"),
        ("A hy\u00adphen\u00adated word.", "A hyphenated word.", "en"),
        ("It has 10\u2009000 people and 3.5\u00a0km.", "It has 10 000 people and 3.5 km.", "en"),
        ("Café Å.", unicodedata.normalize("NFD", "Café Å."), "en"),
        # Where sentences end must not depend on the shape either.
        (
            "He said “Stop. Now.” Then he left. It rained.",
            'He said "Stop. Now." Then he left. It rained.',
            "en",
        ),
        ("Er sagte: „Halt. Jetzt.“ Dann ging er.", 'Er sagte: "Halt. Jetzt." Dann ging er.', "de"),
        ("One ends.\u200e Two begins.", "One ends. Two begins.", "en"),
    ],
)
def test_texts_that_read_alike_are_no_change(old, later, language):
    assert is_change(old, later, language) == is_change(later, old, language) == []
    more = "It grew by 3 percent."
    assert is_change(old, f"{later} {more}", language) == [more]


@pytest.mark.parametrize(
    ("old", "later"),
    [
        ("It was −5 degrees.", "It was 5 degrees."),
        ("It grew by 3.5 percent.", "It grew by 35 percent."),
        ("It has 10,000 people.", "It has 10.000 people."),
        ("It ran 1990–91.", "It ran 199091."),
        ("It has H₂O.", "It has H2O."),
        ("It is 5 km².", "It is 5 km2."),
        ("He met Turkey.", "He met turkey."),
        ("It is a ‘b’.", "It is a b."),
        ("It is ‘b’.", "It is “b”."),
        ("A resume.", "A resumé."),
        ("It has a\u200cb.", "It has ab."),  # a zero width non-joiner parts letters that are seen so
        ("It has 10 000 people.", "It has 10000 people."),
    ],
)
def test_what_reads_otherwise_is_a_change(old, later):
    assert is_change(old, later) == [later]


@given(st.text(st.sampled_from("aB. “” ’\u00ad\u200e−é\u0301\u00a0\n5?"), max_size=50))
def test_sentences_end_at_the_same_words_in_any_shape(text):
    plain = "".join(SHAPES.get(character, character) for character in text)
    keys = [[key for _, s in split_sentences(t, "en") if (key := sentence_key(s))] for t in (text, plain)]
    assert keys[0] == keys[1]


@given(st.text(max_size=60))
def test_places_are_those_of_the_characters(text):
    levelled, places = level_with_places(text)
    assert len(levelled) == len(places)
    assert list(places) == sorted(set(places))
    for character, place in zip(levelled, places, strict=True):
        assert character in (text[place], "'", '"', "-")
