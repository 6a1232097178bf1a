"""What is wrong with a configuration, and values below keys."""

import pytest

from tgl.config.check import load_config
from tgl.core.errors import TglError

WIKIMEDIA = {"source": "wikimedia", "wikimedia": {"contact": "a@b.org"}}


def nested(path, value):
    """Return a value below the keys of a path."""
    for key in reversed(path):
        value = {key: value}
    return value


def problems(raw) -> list[str]:
    """The lines of the error that `raw` gives, without the first."""
    with pytest.raises(TglError) as caught:
        load_config(raw)
    first, *lines = str(caught.value).splitlines()
    assert f"{len(lines)} problem" in first
    return lines
