"""Tokenizer files in which values were replaced, keys left out or bytes turned over."""

import functools
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import cases, changed_files, refused_or
from tests.support.model_fixtures import TEXTS, VOCABULARY
from tgl.models.tokenizer import first_token, load_tokenizer, num_ids, train_tokenizer

NAMES = ("tokenizer.json", "tokenizer_config.json")


@functools.cache
def good() -> dict[str, bytes]:
    """Return the content of the files of a tokenizer, by name."""
    with tempfile.TemporaryDirectory() as folder:
        train_tokenizer(TEXTS, VOCABULARY, folder)
        return {name: (Path(folder) / name).read_bytes() for name in NAMES}


@cases(0.015)
@given(st.data())
def test_a_changed_tokenizer_tokenises_or_is_refused_with_its_folder(folder, data):
    path = folder / "tokenizer"
    path.mkdir(exist_ok=True)
    target = data.draw(st.sampled_from(NAMES))
    for name, content in good().items():
        if name == target:
            record = json.loads(content)
            content = data.draw(changed_files(record, content), label="content")
        (path / name).write_bytes(content)
    tokenizer = refused_or(lambda: load_tokenizer(path), path)
    if tokenizer is None:
        return
    text = data.draw(st.sampled_from(TEXTS) | st.text(max_size=12))
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = [*found["input_ids"], first_token(tokenizer)]
    assert all(0 <= number < num_ids(tokenizer) for number in ids)
    assert all(0 <= start <= end <= len(text) for start, end in found["offset_mapping"])
