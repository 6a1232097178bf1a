import json
import re

import pytest

from tests.snapshots.wikimedia.dump_host import CONTACT, DATE, left
from tgl.core.errors import TglError
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world
from tgl.snapshots.world.dump import write_dump


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
    with pytest.raises(TglError, match=rf"{host.url}/enwiki/{DATE}/a\.xml\.bz2: received 2 bytes.*expected"):
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
