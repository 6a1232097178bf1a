import errno
import os

import pyarrow as pa
import pytest
import torch

from tgl.core.errors import TglError
from tgl.core.faults import file_errors, told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left", "a/b"), "a/b: No space left; free some there"),
        (OSError(errno.EACCES, "Permission denied", "a"), "a: Permission denied; change its permissions"),
        (OSError(errno.EROFS, "Read-only", "a"), "a: Read-only; name a place"),
        (OSError(errno.ELOOP, "Too many levels", "a", None, "b"), "a to b: Too many levels; symbolic links"),
        (OSError(errno.ENOTTY, "Odd", b"a"), "a: Odd; check this path"),
        (OSError("no number"), "input or output: no number; check"),
        (MemoryError(), "not enough memory (MemoryError); use smaller"),
        (pa.ArrowMemoryError("malloc of size 5 failed"), "not enough memory (malloc of size 5 failed)"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried\nmore"),
            "not enough memory (CUDA out of memory. Tried)",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 9"), "not enough memory"),
        (
            RuntimeError("CUDA error: device-side assert\nmore"),
            "the device failed (CUDA error: device-side assert)",
        ),
        (pa.ArrowInvalid("bad"), "a table cannot be read or written (bad)"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "not valid Unicode"),
        (RecursionError(), "nested too deeply"),
    ],
)
def test_errors_of_input_and_machine_are_one_sentence(error, words):
    found = told(error)
    assert words in found
    assert "\n" not in found


@pytest.mark.parametrize("error", [AttributeError("x"), KeyError("x"), ValueError("x"), RuntimeError("x")])
def test_a_fault_of_the_program_is_none_of_them(error):
    assert told(error) is None


def test_python_callers_get_the_file_in_a_tgl_error(tmp_path):
    with pytest.raises(TglError, match="none: No such file or directory; name an existing"), file_errors():
        os.stat(tmp_path / "none")
