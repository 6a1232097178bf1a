import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.probes.spans import (
    Value,
    contains,
    is_sentence,
    means_another,
    next_word,
    relation_words,
    too_long,
    values_of,
)


def numbers(sentence):
    return [value.text for value in values_of(sentence, 0, [])]


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("On 8 December 2021 it had 1,234.5 km.", ["8 December 2021", "1,234.5"]),
        ("From May 2, 2014 to June 2015.", ["May 2, 2014", "June 2015"]),
        ("It cost $2.6 million, or 45% of €3.", ["$2.6 million", "45%", "€3"]),
        ("From 1815–16 to 2019-2020.", ["1815–16", "2019-2020"]),
        ("Between 1990 and 1995 it grew.", ["1990", "1995"]),
        ("COVID-19, A4, 21-year-old, the 1980s, the 4th, 3m.", []),
        ("In 1969 Apollo 11, like Apollo 12, May 10.", ["1969", "May 10"]),
    ],
)
def test_numbers_and_dates_are_found_whole(sentence, found):
    assert numbers(sentence) == found


def test_links_are_values_and_numbers_within_them_are_not():
    sentence = "It won the 2018 cup in Rome, 3 to 1."
    links = [
        {"target": "Other", "start": 0, "end": 3},
        {"target": "Cup 2018", "start": 21, "end": 29},
        {"target": "Rome", "start": 33, "end": 37},
        {"target": "Behind", "start": 60, "end": 65},
    ]
    found = [(value.relation, value.text, value.target) for value in values_of(sentence, 10, links)]
    assert found == [
        ("link", "2018 cup", "Cup 2018"),
        ("link", "Rome", "Rome"),
        ("number", "3", ""),
        ("number", "1", ""),
    ]


@given(st.text(), st.integers(0, 9))
def test_values_lie_within_their_sentence(sentence, start):
    links = [{"target": "T", "start": n, "end": n + 3} for n in range(0, 30, 5)]
    for value in values_of(sentence, start, links):
        assert 0 <= value.start < value.end <= len(sentence)
        assert sentence[value.start : value.end] == value.text


def number(text):
    return Value("number", 0, len(text), text)


def link(text, target=None):
    return Value("link", 0, len(text), text, target or text)


@pytest.mark.parametrize(
    ("one", "other", "another"),
    [
        (number("10,000"), number("11,000"), True),
        (number("106,460,000"), number("106460000"), False),
        (number("37%"), number("37"), False),
        (number("$2.6"), number("$2.6 million"), False),
        (number("2.5 million"), number("2.5 billion"), True),
        (number("37.24"), number("37.2"), False),
        (number("18.4 million"), number("18,430,408"), False),
        (number("18.4 million"), number("18,530,408"), True),
        (number("1,500,000"), number("1.5 million"), False),
        (number("$1.50"), number("$1.5"), False),
        (number("2,5"), number("2,50"), False),
        (number("67 413 000"), number("67 498 000"), True),
        (number("18.430.408"), number("18,430,408"), False),
        (number("1.2.3"), number("1.2.4"), True),
        (number("June 30"), number("30 June 2012"), False),
        (number("2019"), number("2020"), True),
        (number("1815"), number("1815–16"), False),
        (link("Rome"), link("Milan"), True),
        (link("Rome", "Italy"), link("Milan", "italy"), False),  # to the same page
        (link("Rome", "Rome"), link("rome", "Rome (city)"), False),  # the same words
        (link("Spree"), link("River Spree"), False),
        (link("Bangalore"), link("Bengaluru"), False),
        (link("Humboldt Universität zu Berlin"), link("Humboldt University"), False),
        (link("Hack Athletic"), link("Trar Athletic"), True),
    ],
)
def test_another_way_to_write_a_value_is_no_other_value(one, other, another):
    assert means_another(one, other) == means_another(other, one) == another


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("La France compte 67 413 000 habitants.", ["67 413 000"]),
        ("Bern hat 133'798 Einwohner.", ["133'798"]),
        ("In 1990 300 people came.", ["1990", "300"]),
        ("It leaves at 5:30.", []),
        ("About 3/4 of 10^6 metres.", []),
        ("It cost 1,234.5 dollars.", ["1,234.5"]),
    ],
)
def test_grouped_numbers_are_whole_and_parts_of_times_and_powers_are_none(sentence, numbers):
    assert [value.text for value in values_of(sentence, 0, [])] == numbers


def test_what_stands_around_a_span():
    sentence = "It has 10 (ten) Large cats."
    assert next_word(sentence, Value("number", 7, 9, "10")) == "ten"
    assert next_word("It has 10.", Value("number", 7, 9, "10")) == ""
    assert contains(sentence, "large CATS")
    assert not contains(sentence, "cat")


@pytest.mark.parametrize(
    ("text", "ends"), [("It is.", True), ('He said: "No!"', True), ("A list item", False), ("", False)]
)
def test_captions_and_list_items_are_no_sentences(text, ends):
    assert is_sentence(text) == ends


def test_long_spans_are_told():
    assert not too_long("one two three four five")
    assert too_long("one two three four five six")
    assert too_long("x" * 61)


@pytest.mark.parametrize(
    ("sentence", "value", "subject", "words"),
    [
        ("The population of Berlin was 3,769,495 in 2020.", "3,769,495", "Berlin", "population"),
        ("Berlin grew by 3.2% in that year.", "3.2%", "Berlin", "grew %"),
        ("The mayor of Berlin is Kai Wegner.", "Kai Wegner", "Berlin", "mayor"),
        ("In 2020 it has 12 parks.", "2020", "Berlin", ""),
        ("Die Einwohnerzahl von Köln beträgt 1.080.000.", "1.080.000", "Köln", "von beträgt"),
    ],
)
def test_the_words_of_a_relation_name_neither_subject_nor_value(sentence, value, subject, words):
    start = sentence.index(value)
    place = sentence.find(subject)
    mention = (place, place + len(subject)) if place >= 0 else None
    assert relation_words(sentence, start, start + len(value), mention=mention) == words
