from collections import Counter

import pytest

from tests.probes.page_rows import diff_rows, page
from tgl.probes.from_text.candidates import mentioning_sentences, unchanged_values, updated_values


def updated(old, new, title="Acme"):
    counts = Counter()
    before, after = page(1, title, old), page(1, title, new, 2)
    found = list(updated_values(before, after, diff_rows(before, after), language="en", counts=counts))
    assert counts.pop("updated: values", 0) == len(found) + counts.total()
    return [(found.relation, found.span, found.sentence) for found in found], counts


def test_what_changed_behind_the_same_words_is_the_span():
    sentence = "In 2020, Acme has 300 plants in Asia."
    found, _ = updated("In 2020, Acme has 200 plants in Europe.", sentence)
    assert found == [("number", "300", sentence)]
    found, _ = updated("Acme is led by [[Ann Lee]].", "Acme is led by [[Bob Ray]].")
    assert found == [("link", "Bob Ray", "Acme is led by Bob Ray.")]


def test_quotes_dashes_and_blanks_before_the_value_do_not_matter():
    found, _ = updated("Acme’s “big”  sum – 5 cats.", 'Acme\'s "big" sum - 6 cats.')
    assert [span for _, span, _ in found] == ["6"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Acme had 200 plants.", "Now Acme has 300 plants.", "other_words_before"),
        ("Acme has 1,000 plants.", "Acme has 1000 plants.", "same_value"),
        ("Acme has 200 plants.", "Acme has 12 brands.", "other_word_after"),
        ("Acme is led by [[Ann]].", "Acme is led by [[Bob]] or [[Cy]].", "other_word_after"),
        ("Acme: [[Rome]], now [[Oslo]].", "Acme: [[Oslo]], now [[Rome]].", "moved_value"),
        ("It has 200 plants.", "It has 300 plants.", "subject_not_named_before"),
        ("Acme has 200 plants", "Acme has 300 plants", "no_sentence"),
        ("Acme owns [[A b c d e f]].", "Acme owns [[U|u v w x y z]].", "too_long"),
    ],
)
def test_what_is_no_update_is_counted_under_its_reason(old, new, reason):
    found, counts = updated(old, new)
    assert found == []
    assert counts[f"updated: {reason}"] >= 1


def test_a_left_context_with_several_old_values_needs_another_than_all_of_them():
    old = "Acme has 2 cats. Acme has 3 cats."
    assert updated(old, "Acme has 3 cats.  Acme has 4 cats.")[0][0][1] == "4"
    assert updated(old, "Acme has 2 dogs.")[0] == []


def test_unchanged_values_stand_at_both_dates_and_in_the_base_text():
    base, old, new = (
        page(1, "Acme", text)
        for text in (
            "Acme is in [[Rome]]. Acme has 3 cats. Acme has 6 hens and 6 cows.",
            "Acme is in [[Rome]]. Acme has 3 cats. Acme has 6 hens and 6 cows. Acme has 5 dogs.",
            "Acme is in [[Rome]]. Acme has 5 dogs. Acme has 6 hens and 6 cows. Acme has 4 cats.",
        )
    )
    counts = Counter()
    found = list(unchanged_values(base["text"], old, new, language="en", counts=counts))
    assert [(one.relation, one.span) for one in found] == [("link", "Rome"), ("number", "6")]
    assert counts == {"unchanged: values": 3, "unchanged: given_away": 1}


def test_sentences_about_a_new_page_stand_behind_its_first_paragraph():
    after = page(
        1, "Acme (firm)", "Acme is new.\nAcme has cats. It has dogs. In 2020 Acme sold cats.\nAcme no"
    )
    counts = Counter()
    found = list(mentioning_sentences(after, diff_rows(None, after), counts))
    assert [(one.sentence, one.sentence[: one.end]) for one in found] == [
        ("Acme has cats.", "Acme"),
        ("In 2020 Acme sold cats.", "In 2020 Acme"),
    ]
    assert counts == {
        "new_entity: sentences": 5,
        "new_entity: first_paragraph": 1,
        "new_entity: subject_not_named_before": 1,
        "new_entity: no_sentence": 1,
    }


def test_a_page_of_one_paragraph_gives_sentences_of_it():
    after = page(1, "Acme", "Acme is new. It has cats.\n")
    assert len(list(mentioning_sentences(after, diff_rows(None, after), Counter()))) == 1
