import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Where every case writes its file: the next one overwrites it."""
    return tmp_path_factory.mktemp("fuzz")
