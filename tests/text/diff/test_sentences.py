import unicodedata
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tgl.text.diff.sentences import new_sentences, sentence_key, split_sentences

fast = settings(deadline=None, max_examples=50)
sentences = st.from_regex(r"[A-Z][a-z]{1,6}( [a-z]{2,6}| [0-9](\.[0-9])?){0,4}\.", fullmatch=True)
paragraphs = st.lists(sentences, max_size=4).map(" ".join)
articles = st.lists(paragraphs, max_size=5).map("\n".join)
anything = st.text(st.sampled_from("aB .,!?\n\t\"'’–\u00a0()3.é\u2028。"), max_size=60)


def new(old, later):
    return [sentence for _, sentence in new_sentences(old, later, "en")]


def split(text):
    return [sentence for _, sentence in split_sentences(text, "en")]


def keys(text):
    return Counter(map(sentence_key, split(text)))


@fast
@given(articles | anything)
def test_a_text_has_nothing_new_against_itself(text):
    assert new(text, text) == []


@fast
@given(st.lists(paragraphs, max_size=6), st.randoms())
def test_moved_paragraphs_are_no_change(pieces, rng):
    moved = list(pieces)
    rng.shuffle(moved)
    assert new("\n".join(pieces), "\n".join(moved)) == []


@fast
@given(articles | anything, articles | anything)
def test_what_is_found_is_exactly_what_the_old_multiset_lacks(old, later):
    assert Counter(map(sentence_key, new(old, later))) == keys(later) - keys(old)


@fast
@given(articles | anything, articles | anything)
def test_starts_are_those_of_the_new_text_and_rise(old, later):
    found = list(new_sentences(old, later, "en"))
    assert set(found) <= set(split_sentences(later, "en"))
    starts = [start for start, _ in found]
    assert starts == sorted(set(starts))
    assert all(0 <= start < len(later) for start in starts)


@fast
@given(articles, articles)
def test_a_sentence_of_clean_text_stands_where_it_is_said_to_start(old, later):
    for start, sentence in new_sentences(old, later, "en"):
        assert later[start : start + len(sentence)] == sentence


def test_starts_are_right_behind_white_space_that_is_folded():
    text = (
        "Intro.\nAnn  came home. She is 5\u00a0m tall. Bob lives  in Rome. Ann came home.\nNext section text."
    )
    found = list(split_sentences(text, "en"))
    assert [sentence for _, sentence in found] == [
        "Intro.", "Ann came home.", "She is 5 m tall.", "Bob lives in Rome.", "Ann came home.", "Next section text.",
    ]  # fmt: skip
    assert [text[start:].split()[0] for start, _ in found] == ["Intro.", "Ann", "She", "Bob", "Ann", "Next"]
    assert [start for start, _ in found] == sorted({start for start, _ in found})


@fast
@given(articles, sentences)
def test_a_paragraph_added_anywhere_is_found_whole(old, added):
    assume(sentence_key(added) not in keys(old))
    pieces = old.split("\n")
    for place in range(len(pieces) + 1):
        assert new(old, "\n".join([*pieces[:place], added, *pieces[place:]])) == [added]


@fast
@given(articles)
def test_deleting_paragraphs_is_no_change(old):
    pieces = old.split("\n")
    assert new(old, "\n".join(pieces[::2])) == []


@fast
@given(articles | anything | st.text(max_size=80))
def test_splitting_loses_no_character_and_no_order(text):
    assert "".join("".join(split(text)).split()) == "".join(text.split())


def test_sentence_repeated_more_often_than_before_is_new():
    assert new("A is here. B is there.", "A is here. B is there. A is here.") == ["A is here."]


def test_a_sentence_of_an_unchanged_paragraph_is_not_the_new_one_of_two():
    assert list(new_sentences("A is here.\nB.", "C is new. A is here.\nA is here.\nB.", "en")) == [
        (0, "C is new."),
        (10, "A is here."),
    ]


def test_rewritten_page_is_new_from_its_first_to_its_last_sentence():
    later = "First thing. Second thing.\nThird thing. Last thing."
    assert new("Nothing of that.", later) == ["First thing.", "Second thing.", "Third thing.", "Last thing."]


@pytest.mark.parametrize(
    ("old", "later"),
    [
        ("It grew by 3.5 percent.", "It grew by 35 percent."),
        ("It has 3,769,495 people.", "It has 3,769,459 people."),
        ("He met Turkey's head.", "He met turkey's head."),
        ("She won.", "She won?"),
        ("He died (1990).", "He died 1990."),
        ("It was -5 degrees.", "It was 5 degrees."),
        ("It has H2O.", "It has H₂O."),
    ],
)
def test_case_digits_and_punctuation_count(old, later):
    assert new(old, later) == [later]


@pytest.mark.parametrize(
    ("old", "later"),
    [
        ("He said “no” – it’s late.", 'He said "no" - it\'s late.'),
        ("Bahá'í faith.", unicodedata.normalize("NFD", "Bahá'í faith.")),
        ("3.5 km  long.", "3.5\u00a0km long."),
    ],
)
def test_typography_composition_and_blanks_do_not_count(old, later):
    assert new(old, later) == []


def test_abbreviations_and_decimals_do_not_end_a_sentence():
    text = "Dr. Smith paid 3.5 million. He left the U.S. in May."
    assert split(text) == ["Dr. Smith paid 3.5 million.", "He left the U.S. in May."]


@pytest.mark.parametrize("blank", ["\u00a0", "\u0085", "\u2028", "\u2029"])
def test_blanks_of_several_bytes_do_not_stop_the_splitter(blank):
    assert new("A.", f"A. It is B{blank}. Last.") == split(f"It is B{blank}. Last.")


def test_paragraphs_are_never_joined():
    assert split("a list item\nanother\n\n  \nLast") == ["a list item", "another", "Last"]
