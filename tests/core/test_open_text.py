"""Text files, plain or compressed: whole, damaged or cut off."""

import bz2
import gzip
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.core.open_text import open_text

PACK = {".bz2": bz2.compress, ".xz": lzma.compress, ".gz": gzip.compress}


def read(path):
    with open_text(path, "text") as file:
        return file.read()


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(sorted(PACK)), st.lists(st.text(max_size=50), min_size=1, max_size=4), st.integers(0, 3)
)
def test_a_file_of_several_streams_is_read_whole(tmp_path_factory, suffix, texts, zeros):
    path = tmp_path_factory.mktemp("streams") / f"a{suffix}"
    packed = [PACK[suffix](text.encode()) for text in texts]
    path.write_bytes(b"".join(packed) + bytes(4 * zeros))
    with open_text(path, "text", newline="") as file:
        assert file.read() == "".join(texts).removeprefix("\ufeff")


@pytest.mark.parametrize("suffix", [".bz2", ".xz"])
@pytest.mark.parametrize("damage", ["zeroed head", "another head", "garbage", "cut off"])
def test_a_damaged_later_stream_is_refused(tmp_path, suffix, damage):
    one = PACK[suffix](b"line\n" * 1000)
    later = {
        "zeroed head": bytes(6) + one[6:],
        "another head": b"x" + one[1:],
        "garbage": b"garbage",
        "cut off": one[:-3],
    }[damage]
    (tmp_path / f"a{suffix}").write_bytes(one + later)
    with pytest.raises(TglError, match=r"cannot be read.*The file is damaged"):
        read(tmp_path / f"a{suffix}")


def test_a_large_stream_is_read_in_parts(tmp_path):
    text = "".join(f"{number}\n" for number in range(400_000))
    (tmp_path / "a.xz").write_bytes(lzma.compress(text.encode()))
    assert read(tmp_path / "a.xz") == text
