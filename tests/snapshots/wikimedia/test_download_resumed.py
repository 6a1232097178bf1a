import hashlib
import time
from email.utils import formatdate

import pytest

from tests.snapshots.wikimedia.dump_host import CONTACT, DATE, FILE, LONG, left
from tgl.core.errors import TglError
from tgl.snapshots.settings import WikimediaConfig
from tgl.snapshots.wikimedia.download import download_dump


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
    assert any("downloading it again" in line for line in fetch.said)


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
    paths, _ = download_dump(config, DATE, fetch.folder, say=lambda line: None, wait=changed_meanwhile)
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
