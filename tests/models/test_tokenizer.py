import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from tests.support.tokenizers import TEXTS, change, encode
from tgl.core.errors import TglError
from tgl.models.tokenizer import END_OF_TEXT, load_tokenizer, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(TEXTS, 300, folder)
    return load_tokenizer(folder)


def test_trained_tokenizer_has_the_size_asked_for_and_an_end_of_text_token(tokenizer):
    assert len(tokenizer) == 300
    assert tokenizer.convert_ids_to_tokens(tokenizer.eos_token_id) == END_OF_TEXT
    assert len(encode(tokenizer, "The number of Berlin")) < len("The number of Berlin") / 1.5


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=40).filter(lambda text: END_OF_TEXT not in text))
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    assert tokenizer.decode(encode(tokenizer, text), clean_up_tokenization_spaces=False) == text


def test_same_text_gives_the_same_tokenizer(tokenizer, tmp_path):
    train_tokenizer(TEXTS, 300, tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.get_vocab() == tokenizer.get_vocab()
    assert encode(again, TEXTS[5]) == encode(tokenizer, TEXTS[5])


def test_offsets_cover_the_text(tokenizer):
    text = "Größe of Berlin is 3.5."
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert offsets[0][0] == 0
    assert offsets[-1][1] == len(text)


def test_too_little_text_for_the_vocabulary_is_an_error(tmp_path):
    with pytest.raises(
        TglError, match=r"tokens\.vocab_size: the base text gives only 25\d tokens, expected 5000"
    ):
        train_tokenizer(["ab"], 5000, tmp_path)


def test_tokenizers_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(TglError, match=r"gone.*cannot be loaded"):
        load_tokenizer(tmp_path / "gone")
    vocabulary = {f"t{number}": number for number in range(300)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="t0"))
    PreTrainedTokenizerFast(tokenizer_object=inner).save_pretrained(tmp_path / "no-end")
    with pytest.raises(TglError, match="no end-of-text token"):
        load_tokenizer(tmp_path / "no-end")
    tiny = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    PreTrainedTokenizerFast(tokenizer_object=tiny, eos_token="a").save_pretrained(tmp_path / "tiny")
    with pytest.raises(TglError, match="only 1 tokens"):
        load_tokenizer(tmp_path / "tiny")


# Tokenizers from outside


@pytest.mark.parametrize("text", ["{", "[]", "{}", "", '{"version": "1.0", "model": 7}', "\x00"])
def test_a_broken_tokenizer_file_is_named(tmp_path, text):
    train_tokenizer(TEXTS, 300, tmp_path)
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(TglError, match=r"tokenizer\.json"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"])
def test_each_broken_file_of_a_tokenizer_is_named(tmp_path, name):
    train_tokenizer(TEXTS, 300, tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(TglError, match=f"{name}: not valid JSON"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_that_is_a_git_lfs_pointer_is_named(tmp_path):
    train_tokenizer(TEXTS, 300, tmp_path)
    (tmp_path / "tokenizer.json").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    )
    with pytest.raises(TglError, match=r"tokenizer\.json: holds a git-lfs pointer"):
        load_tokenizer(tmp_path)


def test_code_that_comes_with_a_tokenizer_is_refused_without_a_question(tmp_path, monkeypatch):
    train_tokenizer(TEXTS, 300, tmp_path)
    change(
        tmp_path / "tokenizer_config.json",
        auto_map={"AutoTokenizer": ["own.Own", None]},
        tokenizer_class="Own",
    )
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    with pytest.raises(TglError, match=r"tokenizer_config\.json: names code of its own"):
        load_tokenizer(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_file_in_place_of_a_tokenizer_folder_is_refused(tmp_path):
    train_tokenizer(TEXTS, 300, tmp_path)
    with pytest.raises(TglError, match="is a file; expected"):
        load_tokenizer(tmp_path / "tokenizer.json")
