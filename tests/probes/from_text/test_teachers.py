import pytest

from tgl.probes.from_text.candidates import Candidate
from tgl.probes.from_text.mentions import Subject
from tgl.probes.from_text.teachers import Teachers
from tgl.text.withheld import digest


def candidate(sentence, span, kind="updated", relation="link", subject="Acme Works"):
    start = sentence.index(span)
    return Candidate(kind, relation, 1, Subject(subject), sentence, 0, start, start + len(span))


UPDATED = ("Acme Works is led by Ann Lee.", "Ann Lee")
NUMBER = ("Acme Works has about 300 plants now.", "300", "updated", "number")
NEW = ("Acme Works sold cats.", "cats", "new_entity", "phrase")


@pytest.mark.parametrize(
    ("probe", "page_id", "sentence", "teaches"),
    [
        (UPDATED, 1, "Since May ann lee is its head.", True),
        (UPDATED, 1, "Ann Leery is its head.", False),
        (UPDATED, 1, "Acme  Works is led by Ann Lee.", False),  # the probe's own sentence
        (UPDATED, 1, "It is in Washington, D.C. Acme Works is led by Ann Lee.", False),  # which holds it
        (UPDATED, 2, "Ann Lee is its head.", False),
        (UPDATED, 2, "She, Ann Lee, went to Acme Works.", True),
        (UPDATED, 2, "She, Ann Lee, went to Acme.", False),
        (NUMBER, 1, "All 300 plants are new.", True),
        (NUMBER, 1, "There are about 300.", True),
        (NUMBER, 1, "It has 300 cars.", False),
        (NUMBER, 1, "It has 1,300 plants.", False),
        (NEW, 1, "Then Acme Works moved.", True),
        (NEW, 1, "It has cats.", False),
        (NEW, 2, "They like Acme Works.", True),
        (NEW, 2, "They like Acme.", False),
    ],
)
def test_a_sentence_teaches_when_it_speaks_of_what_is_asked(probe, page_id, sentence, teaches):
    found = candidate(*probe)
    teachers = Teachers([found])
    teachers.add_sentence(page_id, sentence)
    assert found.taught_by == ({digest(sentence)} if teaches else set())


def test_a_page_is_looked_through_by_sentences():
    found = candidate(*UPDATED)
    teachers = Teachers([found, candidate(*NEW)])
    teachers.add_page(3, "Nothing here. Ann Lee is.\nAnn Lee owns Acme Works. More.", "en")
    assert found.taught_by == {digest("Ann Lee owns Acme Works.")}


def test_so_many_teachers_are_enough():
    found = candidate(*UPDATED)
    teachers = Teachers([found])
    for number in range(99):
        teachers.add_sentence(1, f"Ann Lee met {number}.")
    assert len(found.taught_by) == 8
