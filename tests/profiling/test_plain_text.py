import functools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.model_fixtures import BLOCK, TEXTS, some_tokens, tiny_tokenizer, tokenizer_folder
from tgl.core.errors import TglError
from tgl.evaluate.spans import SpanTokens, span_tokens
from tgl.models.tokenizer import load_tokenizer
from tgl.profiling.plain_text import PlainText

quick = settings(deadline=None, max_examples=50)
seeds = st.integers(0, 10**6)
BEGIN = 0  # the tiny tokenizer's end-of-text token
MORE = [
    "The weather, which Anna Berg had seen before, was bad in Paris, Oslo and Lisbon.",
    "Nobody works. Everybody likes the quiet street of Carl Dahl (and Acme), zebras and quartz.",
    "However, 30 people lived there. Hugo's sister met Eva Falk, Hugo Lind and Anna Berg in Lisbon.",
]
SPANS = [("Anna Berg lives in Paris.", "Paris"), ("Hugo Lind works for Globex.", "Globex"),
         ("Eva Falk likes zebras.", "zebras"), ("In Lisbon lives Carl Dahl.", "Carl Dahl")]  # fmt: skip


def encoded(texts):
    tokenizer = tiny_tokenizer()
    return np.array([t for text in texts for t in (*tokenizer(text)["input_ids"], 0)], dtype=np.int32)


@functools.cache
def text():
    return PlainText(encoded([*TEXTS, *MORE * 2]), tiny_tokenizer())


def counted(count):
    """Return a text whose token at each place is the place plus one."""
    return PlainText(np.arange(1, count + 1, dtype=np.int32), tiny_tokenizer())


def in_text(example):
    """Return the tokens of an example that are of the text: all but the first token, which every example has."""
    assert example.ids[0] == BEGIN
    return example.ids[1:]


def like(repeat=1):
    """Return the tokens of SPANS, as salient examples have them."""
    return [
        span_tokens(
            tiny_tokenizer(),
            sentence,
            (sentence.index(part), sentence.index(part) + len(part)),
            max_length=BLOCK,
        )
        for sentence, part in SPANS
    ] * repeat


def shape(example):
    return len(example.ids), example.first


def places(stream, ids):
    """Return where the tokens stand in the stream: found again, whatever drew them."""
    return [n for n in range(len(stream) - len(ids) + 1) if stream[n : n + len(ids)].tolist() == ids]


def starts_word(stream, place):
    return place == len(stream) or tiny_tokenizer().decode([int(stream[place])]).startswith(" ")


def log_counts(stream, ids):
    return np.log([(stream == token).sum() + 1 for token in ids]).mean()


@quick
@given(st.integers(2, 80), st.integers(2, 40), seeds)
def test_windows_are_the_first_token_and_a_stretch_of_the_text_as_targets(count, length, seed):
    found = counted(count).windows(length, 5, seed)
    assert len(found) == 5
    for window in found:
        own = in_text(window)
        assert own == list(range(own[0], own[0] + min(length - 1, count)))
        assert window.first == 1


def test_windows_reach_the_beginning_and_the_end_of_the_text():
    assert {window.ids[1] for window in counted(12).windows(11, 200, 0)} == {1, 2, 3}


shapes = st.lists(st.tuples(st.integers(2, 40), st.integers(1, 39)), min_size=1, max_size=6)


@quick
@given(shapes, seeds)
def test_matched_stretches_have_as_many_targets_and_tokens_of_context(shapes, seed):
    wanted = [SpanTokens([0] * length, min(first, length - 1)) for length, first in shapes]
    found = counted(30).matched(wanted, seed)
    assert len(found) == len(wanted)
    for model, span in zip(wanted, found, strict=True):
        if len(model.ids) > 31:
            assert span is None
            continue
        assert shape(span) == shape(model)
        own = in_text(span)
        assert own == list(range(own[0], own[0] + len(own)))


def test_matched_stretches_reach_the_beginning_and_the_end_of_the_text():
    found = counted(12).matched([SpanTokens([0] * 11, 8)] * 200, 0)
    assert {span.ids[1] for span in found} == {1, 2, 3}


@quick
@given(seeds)
def test_frequency_matched_stretches_are_whole_words(seed):
    stream = text().stream
    for model, span in zip(like(), text().frequency_matched(like(), seed), strict=True):
        assert shape(span) == shape(model)
        assert any(
            starts_word(stream, place + span.first - 1) and starts_word(stream, place + len(in_text(span)))
            for place in places(stream, in_text(span))
        )


def test_frequency_matched_is_the_nearest_where_all_stretches_are_among_the_candidates():
    # A text of few words: 100 draws miss one of these places with a chance below 1e-4.
    stream = encoded(["the cat lives in Paris and likes Paris and zebras and Paris and the quiet street"])[
        :-1
    ]
    plain = PlainText(stream, tiny_tokenizer())
    for size in (1, 2, 3):
        for token in np.unique(stream).tolist():
            wanted = SpanTokens([0] + [token] * size, 1)
            whole = [
                n
                for n in range(len(stream) - size + 1)
                if starts_word(stream, n) and starts_word(stream, n + size)
            ]
            distances = [
                abs(log_counts(stream, stream[n : n + size]) - log_counts(stream, [token] * size))
                for n in whole
            ]
            (found,) = plain.frequency_matched([wanted], 0)
            assert abs(
                log_counts(stream, found.ids[1:]) - log_counts(stream, [token] * size)
            ) == pytest.approx(min(distances))


def test_frequency_matched_tokens_are_about_as_frequent_and_random_ones_are_not():
    def distance(found):
        stream = text().stream
        return np.mean(
            [
                abs(log_counts(stream, span.ids[span.first :]) - log_counts(stream, model.ids[model.first :]))
                for model, span in zip(like(10), found, strict=True)
            ]
        )

    near, random = distance(text().frequency_matched(like(10), 0)), distance(text().matched(like(10), 0))
    assert near < 0.3 * random


@quick
@given(seeds)
def test_capitalised_stretches_are_whole_capitalised_words_that_begin_no_sentence(seed):
    tokenizer, stream = tiny_tokenizer(), text().stream
    for model, span in zip(like(), text().capitalised(like(), seed), strict=True):
        assert shape(span) == shape(model)
        before, words = tokenizer.decode(span.ids[1 : span.first]), tokenizer.decode(span.ids[span.first :])
        assert re.fullmatch(r"( [A-Z][\w']*)+", words)
        own = in_text(span)
        after = {tokenizer.decode([int(stream[n + len(own)])])[0] for n in places(stream, own)}
        assert after & set(" .,;:!?)")  # the last word is whole
        # A capital that follows another is the second word of a name that follows a lower-case word.
        assert re.search(r"[a-z,]( [A-Z][\w']*)*$", before)


def test_capitalised_stretches_are_all_such_words_of_the_text():
    plain = PlainText(
        encoded(["However, Anna Berg met Oslo. Nobody likes Paris (Eva) or Hugo's 30."]), tiny_tokenizer()
    )
    tokenizer, found = tiny_tokenizer(), set()
    for size in range(1, 30):
        wanted = [SpanTokens([0] * (size + 1), 1)] * 60
        found |= {tokenizer.decode(span.ids[1:]) for span in plain.capitalised(wanted, 0) if span is not None}
    assert found == {" Anna", " Anna Berg", " Berg", " Oslo", " Paris", " Hugo's"}


@pytest.mark.parametrize(
    "texts", [["nobody lives here."], ["Anna. Berg. Paris."], ["anna lives. Paris is big."]]
)
def test_a_text_without_such_words_gives_no_capitalised_stretch(texts):
    plain = PlainText(encoded(texts * 20), tiny_tokenizer())
    assert plain.capitalised([SpanTokens([0] * 5, 5 - size) for size in (1, 2, 3, 4)], 0) == [None] * 4


def test_a_capitalised_stretch_needs_as_much_context_as_its_model():
    plain = PlainText(encoded(["the city of Lisbon."]), tiny_tokenizer())
    where = places(plain.stream, tiny_tokenizer()(" Lisbon")["input_ids"])[0]
    size = len(tiny_tokenizer()(" Lisbon")["input_ids"])
    enough, too_much = (SpanTokens([0] * (1 + n + size), 1 + n) for n in (where, where + 1))
    found = plain.capitalised([enough, too_much], 0)
    assert in_text(found[0]) == plain.stream[: where + size].tolist()
    assert found[1] is None


@pytest.mark.parametrize("draw", ["matched", "frequency_matched", "capitalised"])
def test_a_text_shorter_than_an_example_gives_none(draw):
    plain = PlainText(encoded(["Anna lives in Paris and in Oslo."]), tiny_tokenizer())
    assert getattr(plain, draw)([SpanTokens([0] * 100, 99)], 0) == [None]


@pytest.mark.parametrize("draw", ["matched", "frequency_matched", "capitalised"])
def test_draws_follow_the_seed_and_leave_their_input_alone(draw):
    wanted = like(5)
    one, again, other = (getattr(text(), draw)(wanted, seed) for seed in (0, 0, 1))
    assert one == again != other
    assert wanted == like(5)


def test_windows_follow_the_seed_and_the_controls_differ_from_each_other():
    assert text().windows(8, 9, 0) == text().windows(8, 9, 0) != text().windows(8, 9, 1)
    drawn = [getattr(text(), draw)(like(5), 0) for draw in ("matched", "frequency_matched", "capitalised")]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


@pytest.mark.parametrize("count", [0, 1])
def test_a_text_too_short_for_a_window_is_refused(count):
    with pytest.raises(TglError, match=f"{count} tokens, too few"):
        PlainText(some_tokens(20)[:count], tiny_tokenizer())


def test_tokens_of_another_tokenizer_are_refused():
    stream = some_tokens(20)
    stream[7] = 299
    PlainText(stream, tiny_tokenizer())
    stream[7] = 300
    with pytest.raises(TglError, match="found token 300, expected ids from 0 to 299"):
        PlainText(stream, tiny_tokenizer())


@pytest.mark.parametrize("end", ["\n", "<|endoftext|>"])
def test_a_capitalised_stretch_does_not_run_into_the_next_line_or_document(end):
    tokenizer = tiny_tokenizer()
    ids = tokenizer(f"He lives in Oslo{end}Early he likes Paris{end}Then she left. " * 3)["input_ids"]
    plain = PlainText(np.array(ids, dtype=np.int32), tokenizer)
    for word in (" Oslo", " Paris", " Oslo Early"):
        size = len(tokenizer(word)["input_ids"])
        drawn = [plain.capitalised([SpanTokens([1] * (size + 2), 2)], seed)[0] for seed in range(20)]
        found = {tokenizer.decode(example.ids[-size:]) for example in drawn if example is not None}
        assert found <= {" Oslo", " Paris"}


def test_a_span_longer_than_the_text_has_no_stretch_as_frequent():
    plain = PlainText(some_tokens(8), tiny_tokenizer())
    assert plain.frequency_matched([SpanTokens(list(range(20)), 9)], 0) == [None]


def test_every_stretch_begins_as_salient_spans_do_with_a_begin_of_text_token_of_its_own():
    tokenizer = load_tokenizer(tokenizer_folder())  # not the shared one, which must stay as it is
    tokenizer.bos_token = "!"
    assert tokenizer.bos_token_id != tokenizer.eos_token_id  # what the test is about
    plain = PlainText(encoded([*TEXTS, *MORE * 2]), tokenizer)
    wanted = [
        span_tokens(tokenizer, text, (text.index(part), len(text)), max_length=BLOCK) for text, part in SPANS
    ]
    drawn = [*wanted, *plain.windows(8, 4, 0), *plain.matched(wanted, 0), *plain.capitalised(like(), 0)]
    drawn += plain.frequency_matched(wanted, 0)
    assert {example.ids[0] for example in drawn if example is not None} == {tokenizer.bos_token_id}
