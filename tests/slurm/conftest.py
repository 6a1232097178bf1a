"""One cluster for all tests that need a real SLURM."""

import pytest

from tests.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A cluster of two nodes on this machine; tests that ask for it are skipped where none can be started."""
    if reason := missing():
        pytest.skip(reason)
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        running.start()
        yield running
    finally:
        running.stop()
