"""What the tests of uploads share."""

import pytest

from tests.export.hub_host import serving
from tests.export.push_experiment import TOKEN, with_checkpoints


@pytest.fixture
def experiment(tmp_path):
    return with_checkpoints(tmp_path)


@pytest.fixture
def hub(monkeypatch):
    with serving() as host:
        monkeypatch.setenv("HF_ENDPOINT", host.address)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield host
