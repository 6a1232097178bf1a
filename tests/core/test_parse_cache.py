import json

import pytest

from tgl.core import code_hash as code_hash_module
from tgl.core.code_hash import code_hash
from tgl.core.parse_cache import parse_cache


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Return a function that hashes a module as a new process does, with a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def hashed() -> str:
        parse_cache.cache_clear()
        code_hash_module._module.cache_clear()
        return code_hash("tgl.core.code_hash")

    yield hashed
    parse_cache.cache_clear()
    code_hash_module._module.cache_clear()


def test_another_process_parses_nothing_again(fresh, monkeypatch):
    first = fresh()
    monkeypatch.setattr(code_hash_module, "_parse", lambda content: pytest.fail("parsed again"))
    assert fresh() == first


@pytest.mark.parametrize("content", ["", "[]", "null", '{"a": 1}', '{"KEY": ["x", "y", "z"]}', '{"KEY": []}'])
def test_a_damaged_file_is_made_again(fresh, content):
    first = fresh()
    path = parse_cache().path
    key = next(iter(parse_cache().values))
    path.write_text(content.replace("KEY", key))
    assert fresh() == first
    assert key in json.loads(path.read_text())


def test_a_place_that_cannot_be_written_costs_time_only(fresh, tmp_path, monkeypatch):
    first = fresh()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert fresh() == first
