import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.probes.from_text.mentions import Subject, bare_title, subject_of_page, whole_words


@pytest.mark.parametrize(
    ("title", "bare"),
    [
        ("Mercury (planet)", "Mercury"),
        ("Mini (Mark I)", "Mini"),
        ("? (film)", "?"),
        ("Ren & Stimpy", "Ren & Stimpy"),
        ("F(x) group", "F(x) group"),
    ],
)
def test_parenthesis_of_a_title_is_left_off(title, bare):
    assert bare_title(title) == bare


@pytest.mark.parametrize(
    ("title", "text", "targets", "part"),
    [
        ("Angela Merkel", "Merkel is here.", ["Angela Merkel", "Third Merkel cabinet"], "Merkel"),
        ("Angela Merkel", "Merkel is here.", ["Ulrich Merkel"], ""),  # another of that name is spoken of
        ("Samsung Electronics", "It sells electronics.", [], ""),  # a common word
        ("World War", "", [], ""),
        ("History of Angela Merkel", "", [], ""),  # not about her
        ("Berlin", "", [], ""),
    ],
)
def test_a_last_name_is_taken_where_it_is_the_subjects_own(title, text, targets, part):
    assert subject_of_page(title, text, targets) == Subject(title, part)


@pytest.mark.parametrize(
    ("subject", "text", "found"),
    [
        (Subject("Angela Merkel", "Merkel"), "In 2005, Merkel won.", "Merkel"),
        (Subject("Angela Merkel", "Merkel"), "When Merkel won.", "Merkel"),
        (Subject("Angela Merkel", "Merkel"), "Angela Merkel won.", "Angela Merkel"),
        (Subject("Angela Merkel", "Merkel"), "Then Ulrich Merkel won.", None),
        (Subject("Angela Merkel", "Merkel"), "The Merkel Cabinet won.", None),
        (Subject("Angela Merkel"), "In 2005, Merkel won.", None),
        (Subject("Berlin"), "The Funkturm Berlin is high.", None),
        (Subject("Berlin"), "The city of Berlin's parks.", "Berlin"),
        (Subject("Berlin"), "Berliners.", None),
        (Subject("Anarchism"), "They took up anarchism.", "anarchism"),
        (Subject("IT"), "Is it so?", None),
        (Subject("Spider Man"), "The film Spider Man 2 won.", None),
        (Subject("?"), "Released in 2011, ? was seen.", "?"),
        (Subject("A+B (c"), "They met A+B (c there.", "A+B (c"),
    ],
)
def test_a_mention_names_the_subject_and_nothing_longer(subject, text, found):
    span = subject.mention(text)
    assert (span and text[slice(*span)]) == found


@given(st.text(min_size=1), st.text())
def test_any_title_and_text_are_searched(title, text):
    subject = subject_of_page(title, text, [title, text])
    span = subject.mention(text)
    assert span is None or text[slice(*span)].casefold() in (subject.name.casefold(), subject.part.casefold())


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [("5", "in 15", False), ("5", "5.2", False), ("5.2", "5.2.", True), ("$5", "costs $5 now", True)],
)
def test_whole_words_are_no_part_of_longer_ones(phrase, text, found):
    import re

    assert bool(re.search(whole_words(phrase), text)) == found
