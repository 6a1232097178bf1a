import threading
from functools import partial
from http.server import ThreadingHTTPServer

import pytest

from tests.snapshots.wikimedia.dump_host import CONTACT, DATE, SOURCES, Handler, Host
from tgl.snapshots.settings import WikimediaConfig
from tgl.snapshots.wikimedia.download import download_dump


@pytest.fixture
def host():
    host = Host()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, host))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_port}"
    yield host
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def fetch(host, tmp_path):
    """Return a function that downloads from the host into `fetch.folder` and does not wait, and gives the paths."""
    run_table = tmp_path / "sources.csv"
    run_table.write_text(SOURCES)

    def run(**settings):
        run.said, run.waited = [], []
        config = WikimediaConfig(
            **{"base_url": host.url, "contact": CONTACT, "sources": str(run_table), "search_days": 0}
            | settings
        )
        paths, run.about = download_dump(
            config, DATE, run.folder, say=run.said.append, wait=run.waited.append
        )
        return paths

    run.folder, run.table = tmp_path / "dumps", run_table
    return run
