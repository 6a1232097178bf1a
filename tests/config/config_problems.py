"""What is wrong with a configuration."""

import pytest

from tgl.config.check import load_config
from tgl.core.errors import TglError

WIKIMEDIA = {"source": "wikimedia", "wikimedia": {"contact": "a@b.org"}}


def problems(raw) -> list[str]:
    """The lines of the error that `raw` gives, without the first."""
    with pytest.raises(TglError) as caught:
        load_config(raw)
    first, *lines = str(caught.value).splitlines()
    assert f"{len(lines)} problem" in first
    return lines
