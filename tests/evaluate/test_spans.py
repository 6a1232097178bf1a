import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing

from tests.support.model_fixtures import tiny_tokenizer, tokenizer_folder
from tgl.core.errors import TglError
from tgl.evaluate.spans import span_tokens
from tgl.models.tokenizer import load_tokenizer

quick = settings(deadline=None, max_examples=50)
LONG = 1000


def found(text, start, end, max_length=LONG):
    """Return (context, span, number of tokens) with the tokens turned back into text."""
    tokenizer = tiny_tokenizer()
    span = span_tokens(tokenizer, text, (start, end), max_length=max_length)
    assert len(span.ids) == span.first + span.num_targets
    return tokenizer.decode(span.ids[: span.first]), tokenizer.decode(span.ids[span.first :]), len(span.ids)


def find(text, part, max_length=LONG):
    return found(text, text.index(part), text.index(part) + len(part), max_length)


def test_the_leading_space_belongs_to_a_span_whose_word_is_one_token():
    tokenizer = tiny_tokenizer()
    assert tokenizer.tokenize(" lives") == ["Ġlives"]  # what the test is about
    assert find("Anna Berg lives in Paris", "lives")[:2] == ("<|endoftext|>Anna Berg", " lives")


@pytest.mark.parametrize("word", ["Zq", "über", "7"])
def test_the_leading_space_belongs_to_a_span_where_it_is_a_token_of_its_own(word):
    assert tiny_tokenizer().tokenize(f" {word}")[0] == "Ġ"  # what the test is about
    assert find(f"Anna Berg lives in {word}", word)[:2] == ("<|endoftext|>Anna Berg lives in", f" {word}")


def test_what_stands_right_of_the_span_is_cut_off():
    texts = ("Anna Berg lives", "Anna Berg lives in Paris", "Anna Berg lives here, and works for Globex.")
    assert {find(text, "lives") for text in texts} == {find(texts[0], "lives")}


def test_the_tokens_are_those_of_the_whole_sentence_tokenised_once():
    tokenizer, text = tiny_tokenizer(), "Anna Berg lives in Paris."
    whole = tokenizer(text)["input_ids"]
    span = span_tokens(tokenizer, text, (19, 24), max_length=LONG)
    assert span.ids == [tokenizer.eos_token_id, *whole[: len(span.ids) - 1]]


def test_a_span_inside_a_token_takes_the_whole_token():
    text = "Anna Berg lives in Paris"
    assert find(text, "live")[1] == " lives"
    assert find(text, "ives")[1] == " lives"


def with_begin_of_text(token):
    """Return the tiny tokenizer with another begin-of-text token, or with none."""
    tokenizer = load_tokenizer(tokenizer_folder())  # not the shared one, which must stay as it is
    tokenizer.bos_token = token
    return tokenizer


def test_the_first_token_is_the_begin_of_text_token_where_it_differs_from_end_of_text():
    tokenizer = with_begin_of_text("!")
    assert tokenizer.bos_token_id not in (None, tokenizer.eos_token_id)  # what the test is about
    text = "Anna Berg lives in Paris"
    found = span_tokens(tokenizer, text, (19, 24), max_length=LONG)
    usual = span_tokens(tiny_tokenizer(), text, (19, 24), max_length=LONG)
    assert found.ids == [tokenizer.bos_token_id, *usual.ids[1:]]
    assert found.first == usual.first


def test_the_first_token_is_end_of_text_where_there_is_no_begin_of_text():
    tokenizer = with_begin_of_text(None)
    assert tokenizer.bos_token_id is None  # what the test is about
    found = span_tokens(tokenizer, "Paris is a city", (0, 5), max_length=LONG)
    assert found.ids[0] == tokenizer.eos_token_id
    assert found.first == 1


def test_a_begin_of_text_token_that_the_tokenizer_would_add_itself_is_not_there_twice():
    tokenizer = with_begin_of_text("!")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="! $A", special_tokens=[("!", tokenizer.bos_token_id)]
    )
    text = "Anna lives in Paris"
    assert tokenizer(text)["input_ids"][0] == tokenizer.bos_token_id  # what the test is about
    found = span_tokens(tokenizer, text, (14, 19), max_length=LONG)
    assert found.ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(found.ids[found.first :]) == " Paris"


def test_a_span_at_the_beginning_follows_the_end_of_text_token():
    assert find("Paris is a city", "Paris")[:2] == ("<|endoftext|>", "Paris")


def test_offsets_count_characters_not_bytes():
    text = "Zoë Ångström – 東京 lives in Paris"
    context, span, _ = find(text, "lives")
    assert span == " lives"
    assert context == "<|endoftext|>Zoë Ångström – 東京"
    assert find("x東京y", "東京")[1] == "東京"


@quick
@given(st.text(alphabet="ab cPéµ東\U0001f600.", min_size=1, max_size=25), st.data())
def test_context_and_span_give_back_the_text_up_to_the_span(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    tokenizer = tiny_tokenizer()
    span = span_tokens(tokenizer, text, (start, end), max_length=LONG)
    decoded = tokenizer.decode(span.ids, clean_up_tokenization_spaces=False)
    assert decoded.startswith("<|endoftext|>" + text[:end])
    targets = tokenizer.decode(span.ids[span.first :], clean_up_tokenization_spaces=False)
    assert text[start:end] in targets
    assert span.ids[span.first - 1 :][0] == tokenizer.eos_token_id or span.first > 1


@quick
@given(st.integers(2, 40))
def test_a_long_sentence_loses_tokens_on_the_left_only(max_length):
    text = "Anna Berg works for Globex and likes it very much and lives in Oslo"
    start = text.index("Oslo")
    whole = span_tokens(tiny_tokenizer(), text, (start, len(text)), max_length=LONG)
    if max_length <= whole.num_targets:
        with pytest.raises(TglError, match=f"the model's {max_length} positions"):
            span_tokens(tiny_tokenizer(), text, (start, len(text)), max_length=max_length)
        return
    cut = span_tokens(tiny_tokenizer(), text, (start, len(text)), max_length=max_length)
    kept = min(max_length, len(whole.ids)) - 1
    assert cut.ids == [whole.ids[0], *whole.ids[len(whole.ids) - kept :]]  # the first token stays
    assert cut.num_targets == whole.num_targets
    assert cut.first >= 1


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 3), (4, 3), (0, 6), (5, 7)])
def test_a_span_that_is_no_part_of_the_text_is_refused_with_the_text(start, end):
    with pytest.raises(
        TglError, match=rf"span \[{start}, {end}\) is not within a text of 5 characters: 'Paris'"
    ):
        span_tokens(tiny_tokenizer(), "Paris", (start, end), max_length=LONG)
