import re

import pytest

from tests.snapshots.wikimedia.dump_host import DATE, left
from tgl.core.errors import TglError
from tgl.snapshots.wikimedia import download


def test_file_name_that_leads_out_of_the_folder_is_refused(host, fetch, tmp_path):
    host.offer({"../evil.xml.bz2": b"aa"})
    with pytest.raises(TglError, match="found the file name"):
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
    with pytest.raises(TglError, match=r"dumpstatus\.json: no part|found the file name"):
        fetch()
    assert len(host.asked) == 1


def test_file_that_does_not_end_is_given_up(host, fetch):
    host.offer({"a.xml.bz2": b"a" * (1 << 24)}, size=5)
    with pytest.raises(TglError, match=r"bytes with SHA1 .*5 bytes") as caught:
        fetch()
    assert int(re.search(r"(\d+) bytes with SHA1", str(caught.value))[1]) <= 1 << 20
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
        ("https://someone:secret@example.org/a", "user name or password"),
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
    with pytest.raises(TglError, match="user name or password") as caught:
        fetch(base_url="https://someone:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)


def test_host_that_cannot_be_reached_is_an_error_after_growing_waits(fetch):
    with pytest.raises(TglError, match=r"http://127\.0\.0\.1:9/enwiki/.*no answer in 8 tries"):
        fetch(base_url="http://127.0.0.1:9")
    assert fetch.waited == [1, 2, 4, 8, 16, 32, 60, 60]
