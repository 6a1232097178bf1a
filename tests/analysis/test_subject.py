"""`find_subject` of `tgl.analysis.tracing`: which tokens name the subject, or why there are none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import BLOCK, tiny_tokenizer
from tgl.analysis.tracing import Fact, find_subject
from tgl.evaluate.spans import span_tokens


def asked(text, subject, start, end, length=BLOCK):
    row = {"id": "a", "text": text, "subject": subject, "span_start": start, "span_end": end}
    return find_subject(row, tiny_tokenizer(), length)


def last(text, answer):
    start = text.rindex(answer)
    return start, start + len(answer)


def named(fact):
    return tiny_tokenizer().decode(fact.tokens.ids[fact.subject_first : fact.subject_last + 1])


@pytest.mark.parametrize(
    ("text", "subject", "expected"),
    [
        ("Anna Berg lives in Paris", "Anna Berg", "Anna Berg"),
        ("The head of Globex is Paris", "Globex", " Globex"),  # the space goes with its word
        ("Oslo likes Oslo and Lisbon very much Paris", "Oslo", " Oslo"),  # the last one before the answer
        ("Zoë Ōta lives in Paris", "Zoë Ōta", "Zoë Ōta"),
    ],
)
def test_the_subject_s_tokens_are_found(text, subject, expected):
    fact = asked(text, subject, *last(text, "Paris"))
    assert named(fact) == expected
    assert fact.probe == "a"
    assert fact.tokens == span_tokens(tiny_tokenizer(), text, last(text, "Paris"), max_length=BLOCK)
    assert fact.subject_last < fact.tokens.first


def test_of_two_occurrences_the_one_next_to_the_answer_is_taken():
    text = "Oslo likes Oslo and Lisbon very much Paris"
    fact = asked(text, "Oslo", *last(text, "Paris"))
    left = tiny_tokenizer().decode(fact.tokens.ids[1 : fact.subject_first])
    assert left == "Oslo likes"


@pytest.mark.parametrize(
    ("text", "subject", "answer"),
    [
        ("Anna lives in Paris", "", "Paris"),
        ("Anna lives in Paris", "Carl", "Paris"),
        ("In Paris lives Anna", "Anna", "Paris"),  # right of the answer
        ("Paris is Paris", "Paris is P", "Paris"),  # overlaps the answer
    ],
)
def test_a_subject_that_is_not_left_of_the_answer_is_told(text, subject, answer):
    assert asked(text, subject, *last(text, answer)) == "subject not left of the answer"


def test_an_answer_longer_than_the_context_cannot_be_tokenised():
    text = "Anna xyzxyzxyz"
    assert asked(text, "Anna", *last(text, "xyzxyzxyz"), length=6) == "cannot be tokenised"


def test_a_subject_that_the_context_is_too_short_for_is_told():
    text = "Anna Berg works for Acme and likes Lisbon very much and lives in Paris"
    assert isinstance(asked(text, "Anna Berg", *last(text, "Paris")), Fact)
    reason = "subject runs into the answer or was cut off"
    size = len(span_tokens(tiny_tokenizer(), text, last(text, "Paris"), max_length=BLOCK).ids)
    assert isinstance(asked(text, "Anna Berg", *last(text, "Paris"), length=size), Fact)
    name = span_tokens(tiny_tokenizer(), text, (0, len("Anna Berg")), max_length=BLOCK)
    for length in range(len(name.ids), size):
        assert asked(text, "Anna Berg", *last(text, "Paris"), length=length) == reason


def test_a_subject_that_shares_a_token_with_the_answer_is_told():
    text = "Anna lives in Paris"
    start = text.index("ris")
    shared = tiny_tokenizer()(" Paris", add_special_tokens=False)["input_ids"]
    assert len(shared) == 1  # else nothing is shared
    assert asked(text, "Pa", start, start + 3) == "subject runs into the answer or was cut off"


words = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["Anna Berg", "Globex", " ", "Paris", "lives in ", "Ōsaka", "\N{ZERO WIDTH JOINER}", "🦆"]
)


@settings(deadline=None, max_examples=300)
@given(words, words, words, words.filter(bool))
def test_the_tokens_cover_the_subject_s_characters_and_nothing_before_or_behind(
    prefix, subject, between, answer
):
    text = prefix + subject + between + answer
    begin = len(text) - len(answer)
    fact = asked(text, subject, begin, len(text), length=200)
    start = text[:begin].rfind(subject)
    end = start + len(subject)
    if not subject:
        assert fact == "subject not left of the answer"
        return
    encoded = tiny_tokenizer()(text, add_special_tokens=False, return_offsets_mapping=True)
    offsets = encoded["offset_mapping"]
    overlapping = [n for n, (left, right) in enumerate(offsets) if left < end and right > start]
    of_answer = [n for n, (_, right) in enumerate(offsets) if right > begin]
    if (begin - 1, begin) in offsets and text[begin - 1] == " ":
        of_answer.insert(0, of_answer[0] - 1)  # the space goes with the answer
    if overlapping[-1] >= of_answer[0]:
        assert fact == "subject runs into the answer or was cut off"
        return
    assert fact.tokens.ids[0] == tiny_tokenizer().eos_token_id
    assert fact.tokens.ids[1:] == encoded["input_ids"][: len(fact.tokens.ids) - 1]
    held = range(fact.subject_first - 1, fact.subject_last)
    # Every token of the subject, and besides those at most the space before it.
    assert list(held)[-len(overlapping) :] == overlapping
    assert [text[slice(*offsets[n])] for n in list(held)[: -len(overlapping)]] in ([], [" "])
    assert fact.subject_first >= 1
    assert fact.subject_last < fact.tokens.first
