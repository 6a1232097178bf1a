import shutil

import pytest

from tests.jobs.serving import copy_of_package


@pytest.fixture(scope="session", autouse=True)
def _removed_copy():
    """Remove the copy of the package after the last test."""
    yield
    if copy_of_package.cache_info().currsize:
        shutil.rmtree(copy_of_package(), ignore_errors=True)
