import hashlib
import json
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tgl.config import WikimediaConfig, WorldConfig
from tgl.errors import TglError
from tgl.wiki import download
from tgl.wiki.download import download_dump
from tgl.wiki.reader import read_pages
from tgl.wiki.world import build_world
from tgl.wiki.world_dump import write_dump

DATE = "20220101"
CONTACT = "someone@example.org"


class Host:
    """What a dump host serves, by path, and what it was asked for."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.redirections: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []

    def offer(self, contents: dict[str, bytes], part="articlesmultistreamdump", status="done", **changes):
        """Serve files and a dumpstatus.json that lists them; `changes` falsify what it says of each."""
        listed = {}
        for name, content in contents.items():
            url = f"/enwiki/{DATE}/{name}"
            self.files[url] = content
            sha1 = hashlib.sha1(content).hexdigest()
            listed[name] = {"size": len(content), "url": url, "sha1": sha1} | changes
        status_url = f"/enwiki/{DATE}/dumpstatus.json"
        self.files[status_url] = json.dumps({"jobs": {part: {"status": status, "files": listed}}}).encode()


class Handler(BaseHTTPRequestHandler):
    def __init__(self, host, *arguments):
        self.host = host
        super().__init__(*arguments)

    def do_GET(self):
        self.host.asked.append((self.path, self.headers["User-Agent"]))
        content = self.host.files.get(self.path)
        target = self.host.redirections.get(self.path)
        self.send_response(302 if target else 404 if content is None else 200)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *arguments):
        pass


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
    """Return a function that downloads from the host into `fetch.folder`."""

    def run(**settings):
        run.said = []
        config = WikimediaConfig(base_url=host.url, contact=CONTACT, **settings)
        return download_dump(config, DATE, run.folder, run.said.append)

    run.folder = tmp_path / "dumps"
    return run


def left(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_good_files_are_fetched_without_their_index(host, fetch):
    host.offer({"b.xml.bz2": b"bb" * 1000, "a.xml.bz2": b"aa", "a-index.txt.bz2": b"no", "a.7z": b"no"})
    assert [path.name for path in fetch()] == ["a.xml.bz2", "b.xml.bz2"]
    assert (fetch.folder / "b.xml.bz2").read_bytes() == b"bb" * 1000
    assert left(fetch.folder) == ["a.xml.bz2", "b.xml.bz2"]


def test_part_files_named_by_page_range_are_fetched(host, fetch):
    stem = f"enwiki-{DATE}-pages-articles-multistream"
    names = [f"{stem}1.xml-p1p41242.bz2", f"{stem}2.xml-p41243p151573.bz2"]
    indices = [f"{stem}-index1.txt-p1p41242.bz2"]
    host.offer({name: name.encode() for name in names + indices})
    assert [path.name for path in fetch()] == names


def test_every_request_names_the_contact(host, fetch):
    host.offer({"a.xml.bz2": b"aa"})
    fetch()
    assert len(host.asked) == 2
    for _, agent in host.asked:
        assert CONTACT in agent
        assert not re.match("python|httpx|curl|Mozilla", agent)


def test_verified_file_is_not_fetched_again(host, fetch):
    host.offer({"a.xml.bz2": b"aa", "b.xml.bz2": b"bb"})
    fetch()
    (fetch.folder / "b.xml.bz2").write_bytes(b"xx")  # damaged since
    host.asked.clear()
    fetch()
    assert [path.rsplit("/", 1)[1] for path, _ in host.asked] == ["dumpstatus.json", "b.xml.bz2"]
    assert (fetch.folder / "b.xml.bz2").read_bytes() == b"bb"
    assert len(fetch.said) == 2


@pytest.mark.parametrize("wrong", [{"sha1": "0" * 40}, {"size": 1}])
def test_file_other_than_announced_is_refused_and_not_kept(host, fetch, wrong):
    host.offer({"a.xml.bz2": b"aa"}, **wrong)
    with pytest.raises(TglError, match=rf"{host.url}/enwiki/{DATE}/a\.xml\.bz2: 2 bytes.*expected"):
        fetch()
    assert left(fetch.folder) == []


def test_good_file_before_a_bad_one_is_kept(host, fetch):
    host.offer({"a.xml.bz2": b"aa", "b.xml.bz2": b"bb"})
    host.files[f"/enwiki/{DATE}/b.xml.bz2"] = b"b"
    with pytest.raises(TglError, match=r"b\.xml\.bz2"):
        fetch()
    assert left(fetch.folder) == ["a.xml.bz2"]


def test_missing_date_and_missing_file_are_errors_with_the_url(host, fetch):
    with pytest.raises(TglError, match=rf"{host.url}/enwiki/{DATE}/dumpstatus\.json.*404"):
        fetch()
    host.offer({"a.xml.bz2": b"aa"})
    del host.files[f"/enwiki/{DATE}/a.xml.bz2"]
    with pytest.raises(TglError, match=rf"{host.url}/enwiki/{DATE}/a\.xml\.bz2.*404"):
        fetch()
    assert left(fetch.folder) == []


def test_missing_part_is_named(host, fetch):
    host.offer({"a.xml.bz2": b"aa"}, part="metacurrentdump")
    with pytest.raises(TglError, match=r"no part 'articlesmultistreamdump'.*snapshots\.wikimedia\.part"):
        fetch()
    assert fetch(part="metacurrentdump")


@pytest.mark.parametrize("status", ["in-progress", "waiting", "failed"])
def test_part_that_is_not_done_is_refused(host, fetch, status):
    host.offer({"a.xml.bz2": b"aa"}, status=status)
    with pytest.raises(TglError, match=f"'{status}'"):
        fetch()
    assert left(fetch.folder) == []


def test_part_without_a_dump_file_is_refused(host, fetch):
    host.offer({"a-index.txt.bz2": b"aa"})
    with pytest.raises(TglError, match="with 0 files"):
        fetch()


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"jobs": {}}', b'{"jobs": null}', b"\xff\xfe", b"[" * 9999, b'"\\ud800"']
)
def test_status_of_another_kind_is_an_error_with_its_url(host, fetch, answer):
    host.files[f"/enwiki/{DATE}/dumpstatus.json"] = answer
    with pytest.raises(TglError, match=r"dumpstatus\.json"):
        fetch()


@pytest.mark.parametrize("missing", ["sha1", "size", "url"])
def test_file_without_what_it_is_verified_by_is_an_error(host, fetch, missing):
    host.offer({"a.xml.bz2": b"aa"})
    status_url = f"/enwiki/{DATE}/dumpstatus.json"
    status = json.loads(host.files[status_url])
    del status["jobs"]["articlesmultistreamdump"]["files"]["a.xml.bz2"][missing]
    host.files[status_url] = json.dumps(status).encode()
    with pytest.raises(TglError, match=r"a\.xml\.bz2|dumpstatus\.json"):
        fetch()


def test_file_name_that_leads_out_of_the_folder_is_refused(host, fetch, tmp_path):
    host.offer({"../evil.xml.bz2": b"aa"})
    with pytest.raises(TglError, match="leads out of its folder"):
        fetch()
    assert not (tmp_path / "evil.xml.bz2").exists()


@pytest.mark.parametrize(
    "name", ["a\0.xml.bz2", "a b.xml.bz2", "a.xml.bz2\n", "-a.xml.bz2", "x" * 300 + ".xml.bz2"]
)
def test_file_name_that_no_dump_has_is_refused(host, fetch, name):
    host.offer({name: b"aa"}, url="/a")
    with pytest.raises(TglError, match="letters, digits"):
        fetch()


@pytest.mark.parametrize(
    "change",
    [{"url": 5}, {"url": "@example.org/a"}, {"url": "/a b"}, {"url": "/a\nb"}, {"size": "2"}, {"sha1": None}],
)
def test_file_that_is_described_wrongly_is_refused_and_not_asked_for(host, fetch, change):
    host.offer({"a.xml.bz2": b"aa"}, **change)
    with pytest.raises(TglError, match=r"dumpstatus\.json: no part"):
        fetch()
    assert len(host.asked) == 1


def test_file_that_does_not_end_is_given_up(host, fetch):
    host.offer({"a.xml.bz2": b"a" * (1 << 24)}, size=5)
    with pytest.raises(TglError, match=r"bytes, SHA-1 .*5 bytes") as caught:
        fetch()
    assert int(re.search(r"(\d+) bytes, SHA-1", str(caught.value))[1]) <= 1 << 20
    assert left(fetch.folder) == []


def test_status_that_does_not_end_is_given_up(host, fetch, monkeypatch):
    monkeypatch.setattr(download, "_MOST_STATUS_BYTES", 1000)
    host.offer({"a.xml.bz2": b"aa"})
    host.files[f"/enwiki/{DATE}/dumpstatus.json"] += b" " * 5000
    with pytest.raises(TglError, match=r"dumpstatus\.json: more than 1000 bytes"):
        fetch()


def test_redirection_on_the_same_host_is_followed(host, fetch):
    host.offer({"a.xml.bz2": b"aa"})
    host.redirections[f"/enwiki/{DATE}/a.xml.bz2"] = "/mirror/a.xml.bz2"
    host.files["/mirror/a.xml.bz2"] = b"aa"
    assert [path.read_bytes() for path in fetch()] == [b"aa"]


@pytest.mark.parametrize("file", ["a.xml.bz2", "dumpstatus.json"])
@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://example.org/a", "must begin with https"),
        ("https://someone:secret@example.org/a", "user or password"),
    ],
)
def test_redirection_to_what_is_not_encrypted_or_holds_a_password_is_refused(
    host, fetch, file, target, words
):
    host.offer({"a.xml.bz2": b"aa"})
    host.redirections[f"/enwiki/{DATE}/{file}"] = target
    with pytest.raises(TglError, match=rf"redirected to another URL: .*{words}") as caught:
        fetch()
    assert "secret" not in str(caught.value)
    assert left(fetch.folder) == []


def test_password_in_the_address_is_refused_and_not_repeated(tmp_path):
    config = WikimediaConfig(base_url="https://someone:secret@127.0.0.1:9", contact=CONTACT)
    with pytest.raises(TglError, match="user or password") as caught:
        download_dump(config, DATE, tmp_path, lambda line: None)
    assert "secret" not in str(caught.value)


def test_host_that_cannot_be_reached_is_an_error(tmp_path):
    config = WikimediaConfig(base_url="http://127.0.0.1:9", contact=CONTACT)
    with pytest.raises(TglError, match=r"http://127\.0\.0\.1:9/enwiki/"):
        download_dump(config, DATE, tmp_path, lambda line: None)


def test_synthetic_dump_is_published_in_the_layout_that_is_downloaded(host, fetch, tmp_path):
    world = build_world(WorldConfig(pages=200), [DATE, "20230101"])
    dump = write_dump(world, 0, tmp_path / "made")
    for path in dump.parent.iterdir():
        host.files[f"/synthetic/{DATE}/{path.name}"] = path.read_bytes()
    (fetched,) = fetch(wiki="synthetic")
    assert fetched.read_bytes() == dump.read_bytes()
    assert next(read_pages(fetched)).page_id == 1


def test_published_status_file_is_understood(host, fetch, data_root):
    status = (data_root / "dumps/dumpstatus.example.json").read_bytes()
    host.files[f"/enwiki/{DATE}/dumpstatus.json"] = status
    with pytest.raises(TglError, match=r"multistream1\.xml-p1p41242\.bz2.*404"):
        fetch()
