import hashlib
import json
import re
import socket
import threading
import time
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tgl.config import WikimediaConfig, WorldConfig
from tgl.errors import TglError
from tgl.wiki import download
from tgl.wiki.download import download_dump
from tgl.wiki.reader import read_pages
from tgl.wiki.sources import SHIPPED, sources
from tgl.wiki.world import build_world
from tgl.wiki.world_dump import write_dump

DATE = "20220101"
CONTACT = "someone@example.org"


SOURCES = "wiki,date,source,file,size,checksum\n*,*,main,{base}/{wiki}/{date}/dumpstatus.json,,\n"


class Host:
    """What a dump host serves, by path, how it misbehaves, and what it was asked for."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.redirections: dict[str, str] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges: list[str] = []
        self.ranges_allowed = True
        # By path: what happens at each request until there is nothing left: a status with Retry-After, or the
        # number of bytes after which the connection breaks.
        self.faults: dict[str, list[tuple[int, str] | int]] = {}

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

    def offer_item(self, date: str, contents: dict[str, bytes]):
        """Serve files as archive.org serves those of an item, and its metadata."""
        files = [
            {"name": name, "size": str(len(content)), "md5": hashlib.md5(content).hexdigest()}
            for name, content in contents.items()
        ]
        self.files[f"/metadata/enwiki-{date}"] = json.dumps({"files": files}).encode()
        self.files |= {f"/download/enwiki-{date}/{name}": content for name, content in contents.items()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, host, *arguments):
        self.host = host
        super().__init__(*arguments)

    def do_GET(self):
        self.host.asked.append((self.path, self.headers["User-Agent"]))
        fault = self.host.faults.get(self.path) and self.host.faults[self.path].pop(0)
        if isinstance(fault, tuple):
            self.send_response(fault[0])
            self.send_header("Retry-After", fault[1])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = self.host.files.get(self.path)
        if target := self.host.redirections.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            content = b""
        elif content is None:
            if self.path.startswith("/metadata/"):
                self.send_response(200)
                content = b"{}"
            else:
                self.send_response(404)
                content = b""
        else:
            content = self.stretch(content)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if isinstance(fault, int):
            self.wfile.write(content[:fault])
            self.close_connection = True
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(content)

    def stretch(self, content: bytes) -> bytes:
        tag = f'"{hashlib.sha1(content).hexdigest()}"'
        wanted = self.headers["Range"]
        if wanted:
            self.host.ranges.append(wanted)
        if not wanted or not self.host.ranges_allowed or self.headers.get("If-Range", tag) != tag:
            self.send_response(200)
        else:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_response(416)
                return b""
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            content = content[start:]
        self.send_header("ETag", tag)
        return content

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
    """Return a function that downloads from the host into `fetch.folder` and does not wait, and gives the paths."""
    run_table = tmp_path / "sources.csv"
    run_table.write_text(SOURCES)

    def run(**settings):
        run.said, run.waited = [], []
        config = WikimediaConfig(
            **{"base_url": host.url, "contact": CONTACT, "sources": str(run_table), "search_days": 0}
            | settings
        )
        paths, run.about = download_dump(config, DATE, run.folder, run.said.append, run.waited.append)
        return paths

    run.folder, run.table = tmp_path / "dumps", run_table
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
    with pytest.raises(TglError, match=r"with 0 files"):
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
    [
        {"url": 5},
        {"url": "@example.org/a"},
        {"url": "/a b"},
        {"url": "/a\nb"},
        {"size": "two"},
        {"sha1": None},
    ],
)
def test_file_that_is_described_wrongly_is_refused_and_not_asked_for(host, fetch, change):
    host.offer({"a.xml.bz2": b"aa"}, **change)
    with pytest.raises(TglError, match=r"dumpstatus\.json: no part|leads out"):
        fetch()
    assert len(host.asked) == 1


def test_file_that_does_not_end_is_given_up(host, fetch):
    host.offer({"a.xml.bz2": b"a" * (1 << 24)}, size=5)
    with pytest.raises(TglError, match=r"bytes, SHA1 .*5 bytes") as caught:
        fetch()
    assert int(re.search(r"(\d+) bytes, SHA1", str(caught.value))[1]) <= 1 << 20
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


def test_password_in_the_address_is_refused_and_not_repeated(fetch):
    with pytest.raises(TglError, match="user or password") as caught:
        fetch(base_url="https://someone:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)


def test_host_that_cannot_be_reached_is_an_error_after_growing_waits(fetch):
    with pytest.raises(TglError, match=r"http://127\.0\.0\.1:9/enwiki/.*no answer in 8 tries"):
        fetch(base_url="http://127.0.0.1:9")
    assert fetch.waited == [1, 2, 4, 8, 16, 32, 60, 60]


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


FILE, LONG = f"/enwiki/{DATE}/a.xml.bz2", bytes(range(256)) * 20_000


def test_connection_that_breaks_is_gone_on_with_from_what_is_there(host, fetch):
    host.offer({"a.xml.bz2": LONG})
    host.faults[FILE] = [2_000_000, 1_000_000]
    assert [path.read_bytes() for path in fetch()] == [LONG]
    assert len(host.ranges) == 2
    assert all(int(wanted[6:-1]) >= 1_000_000 for wanted in host.ranges)
    assert left(fetch.folder) == ["a.xml.bz2"]


def test_download_that_was_killed_is_gone_on_with_by_the_next_run(host, fetch):
    host.offer({"a.xml.bz2": LONG})
    fetch.folder.mkdir()
    (fetch.folder / ".a.xml.bz2.part").write_bytes(LONG[:3_000_000])
    assert [path.read_bytes() for path in fetch()] == [LONG]
    assert host.ranges == ["bytes=3000000-"]


@pytest.mark.parametrize("wrong", [b"other than the file", LONG + b"longer", b"x" * len(LONG)])
def test_partial_file_that_does_not_fit_is_fetched_anew(host, fetch, wrong):
    host.offer({"a.xml.bz2": LONG})
    fetch.folder.mkdir()
    (fetch.folder / ".a.xml.bz2.part").write_bytes(wrong)
    assert [path.read_bytes() for path in fetch()] == [LONG]
    assert any("fetching it again" in line for line in fetch.said)


def test_host_without_ranges_sends_the_whole_again(host, fetch):
    host.offer({"a.xml.bz2": LONG})
    host.ranges_allowed, host.faults[FILE] = False, [2_000_000]
    assert [path.read_bytes() for path in fetch()] == [LONG]


def test_file_that_changes_between_two_tries_is_not_mixed(host, fetch):
    host.offer({"a.xml.bz2": LONG})
    host.faults[FILE] = [2_000_000]
    newer = LONG[::-1]
    config = WikimediaConfig(base_url=host.url, contact=CONTACT, sources=str(fetch.table), search_days=0)

    def changed_meanwhile(seconds):
        host.files[FILE] = newer

    host.files[f"/enwiki/{DATE}/dumpstatus.json"] = host.files[f"/enwiki/{DATE}/dumpstatus.json"].replace(
        hashlib.sha1(LONG).hexdigest().encode(), hashlib.sha1(newer).hexdigest().encode()
    )
    paths, _ = download_dump(config, DATE, fetch.folder, lambda line: None, changed_meanwhile)
    assert [path.read_bytes() for path in paths] == [newer]
    assert len(host.ranges) == 1  # asked for with If-Range, answered with the whole


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("asked", "low", "high"), [("7", 7, 7), ("", 1, 1), ("99999999999", 3600, 3600)])
def test_busy_host_is_asked_again_when_it_says(host, fetch, status, asked, low, high):
    host.offer({"a.xml.bz2": LONG})
    host.faults[FILE] = [(status, asked)]
    host.faults[f"/enwiki/{DATE}/dumpstatus.json"] = [(status, asked)]
    assert [path.read_bytes() for path in fetch()] == [LONG]
    assert len(fetch.waited) == 2
    assert all(low <= seconds <= high for seconds in fetch.waited)


def test_a_date_to_ask_again_at_is_understood(host, fetch):
    host.offer({"a.xml.bz2": LONG})
    host.faults[FILE] = [(503, formatdate(time.time() + 100, usegmt=True))]
    fetch()
    assert 90 <= fetch.waited[0] <= 100


def test_host_that_stays_busy_is_given_up(host, fetch):
    host.offer({"a.xml.bz2": LONG})
    host.faults[FILE] = [(503, "1")] * 20
    with pytest.raises(TglError, match="nothing received in 8 tries"):
        fetch()
    assert len(fetch.waited) == 8


ITEM = SOURCES + "*,*,archive,HOST/metadata/{wiki}-{date},,\n"


def name_of(date, part=""):
    return f"enwiki-{date}-pages-articles-multistream{part}.xml.bz2"


def test_a_date_that_the_main_host_lacks_comes_from_the_archive(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    host.offer_item(
        DATE, {name_of(DATE): LONG, name_of(DATE, "-index"): b"", f"enwiki-{DATE}-abstract.xml.bz2": b"x"}
    )
    assert [path.name for path in fetch()] == [name_of(DATE)]
    assert fetch.about == {"source": "archive", "wanted": DATE, "found": DATE}


def test_the_nearest_dump_is_taken_said_and_recorded(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    for date in ("20211201", "20211220", "20220201"):
        host.offer_item(date, {name_of(date): date.encode()})
    assert [path.name for path in fetch(search_days=40)] == [name_of("20211220")]
    assert fetch.about == {"source": "archive", "wanted": DATE, "found": "20211220"}
    assert any("the nearest dump of archive is of 20211220" in line for line in fetch.said)
    with pytest.raises(TglError, match="no source has it whole"):
        fetch(search_days=5)


def test_an_item_with_parts_and_the_whole_gives_the_parts(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    parts = [f"enwiki-{DATE}-pages-articles-multistream{n}.xml-p{n}p{n}.bz2" for n in (1, 2)]
    host.offer_item(DATE, {name_of(DATE): b"all", parts[0]: b"1", parts[1]: b"2"})
    assert [path.name for path in fetch()] == parts


def test_a_damaged_file_of_one_source_is_fetched_from_the_next(host, fetch):
    fetch.table.write_text(ITEM.replace("HOST", host.url))
    host.offer({name_of(DATE): b"damaged"}, sha1="0" * 40)
    host.offer_item(DATE, {name_of(DATE): LONG})
    assert [path.read_bytes() for path in fetch()] == [LONG]
    assert fetch.about["source"] == "archive"
    assert any("trying the next source" in line for line in fetch.said)


def test_files_named_by_the_table_with_size_and_checksum_come_first(host, fetch):
    host.files["/else/a.xml.bz2"] = LONG
    digest = hashlib.sha256(LONG).hexdigest()
    row = f"enwiki,{DATE},mine,{host.url}/else/a.xml.bz2,{len(LONG)},{digest}\n"
    fetch.table.write_text(SOURCES + row + row.replace(DATE, "20190101").replace("/a.xml", "/b.xml"))
    assert [path.name for path in fetch()] == ["a.xml.bz2"]
    assert fetch.about["source"] == "mine"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("wiki,date\n", r"columns wiki,date,source"),
        (SOURCES + "enwiki,*,x,https://a.org/a.xml.bz2,5\n", r"line 3: 6 values expected"),
        (
            SOURCES + "enwiki,*,x,http://a.org/a.xml.bz2,5," + "0" * 40 + "\n",
            r"line 3: .*must begin with https",
        ),
        (
            SOURCES + "enwiki,*,x,https://a.org/a.txt,5," + "0" * 40 + "\n",
            r"line 3: 'a.txt' is no name of a dump",
        ),
        (SOURCES + "enwiki,*,x,https://a.org/a.xml.bz2,five," + "0" * 40 + "\n", r"line 3: size 'five'"),
        (SOURCES + "enwiki,*,x,https://a.org/a.xml.bz2,5,xyz\n", r"line 3: checksum must be"),
    ],
)
def test_what_is_wrong_with_the_table_is_said_with_its_line(fetch, table, words):
    fetch.table.write_text(table)
    with pytest.raises(TglError, match=words):
        fetch()


def test_the_shipped_table_can_be_read_and_names_the_host_and_the_archive():
    config = WikimediaConfig(contact=CONTACT, search_days=20)
    found = [(source.name, source.date, source.listing) for source in sources(SHIPPED, config, "20190101")]
    assert found[:2] == [
        ("wikimedia", "20190101", "https://dumps.wikimedia.org/enwiki/20190101/dumpstatus.json"),
        ("archive.org", "20190101", "https://archive.org/metadata/enwiki-20190101"),
    ]
    assert {date for _, date, _ in found} == {"20190101", "20181220", "20190120"}
