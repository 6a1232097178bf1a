"""Snapshots out of a real full history, against a computation of their own."""

import bz2
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime

import py7zr
import pytest

from tests.snapshots.full_history.histories import snapshot
from tests.snapshots.full_history.test_reverts import by_brute_force
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.dumps.revisions import revision_sha1
from tgl.snapshots.dumps.siteinfo import read_siteinfo
from tgl.snapshots.full_history.history import write_snapshots
from tgl.snapshots.full_history.reverts import REASONS, Revision
from tgl.snapshots.settings import HistoryConfig

REAL = "dumps/aawiki/aawiki-20260101-pages-meta-history.xml.7z"
# From before the first revision to after the last; at those up to 2008 edits stand that were undone later.
DATES = ["20050707", "20050807", "20051025", "20060121", "20060130", "20060219", "20080620", "20260101"]
SCHEMA = "{http://www.mediawiki.org/xml/export-0.11/}"


def seconds(timestamp):
    return int(datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


@pytest.fixture(scope="module")
def real_xml(data_root):
    outputs = py7zr.io.BytesIOFactory(1 << 30)
    with py7zr.SevenZipFile(data_root / REAL) as archive:
        archive.extractall(factory=outputs)
    (output,) = outputs.products.values()
    return output.read()


@pytest.fixture(scope="module")
def written(data_root, tmp_path_factory):
    """The folder with the dumps of a real history at several dates, and their counts."""
    folder = tmp_path_factory.mktemp("written")
    return folder, write_snapshots(
        data_root / REAL, DATES, folder, settings=HistoryConfig(), say=lambda text: None
    )


def test_real_history_gives_what_a_naive_computation_gives(real_xml, written):
    folder, counts = written
    pages = ElementTree.fromstring(real_xml).findall(f"{SCHEMA}page")
    assert len(pages) == 507
    num_undone = 0
    for date in DATES:
        expected, reasons, passed_over = {}, dict.fromkeys(REASONS, 0), 0
        for page in pages:
            found = page.findall(f"{SCHEMA}revision")
            field = lambda revision, name: revision.find(f"{SCHEMA}{name}").text or ""  # noqa: E731
            revisions = [
                Revision(
                    seconds(field(one, "timestamp")),
                    int(field(one, "id")),
                    number,
                    revision_sha1(field(one, "text")).encode(),
                    True,
                )
                for number, one in enumerate(found)
            ]
            moment = seconds(f"{date[:4]}-{date[4:6]}-{date[6:]}T00:00:00Z")
            number, reason, undone = by_brute_force(revisions, moment, 48, 15)
            reasons[reason] += 1
            passed_over += undone
            if number is not None:
                one = found[number]
                names = ("title", "ns", "id"), ("id", "timestamp", "model", "text")
                expected[int(field(page, "id"))] = (
                    *(field(page, name) for name in names[0]),
                    *(field(one, name) for name in names[1]),
                )
        got = snapshot(folder, date)
        assert {
            page.page_id: (
                page.title, str(page.namespace), str(page.page_id), str(page.revision_id), page.timestamp, page.model,
                page.text,
            )
            for page in got.values()
        } == expected  # fmt: skip
        assert counts[date] == {"pages": len(pages), **reasons, "undone": passed_over}
        num_undone += passed_over
    assert num_undone == 23  # so that the rule is put to the test


def test_counts_of_pages_add_up(written):
    folder, counts = written
    for date in DATES:
        assert counts[date]["pages"] == sum(counts[date][reason] for reason in REASONS) == 507
        assert counts[date]["kept"] == len(snapshot(folder, date))
    kept = [counts[date]["kept"] for date in DATES]
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (0, 507)


def test_after_the_last_revision_it_is_the_wiki_as_dumped_at_present(data_root, written):
    dump = data_root / "dumps/aawiki/aawiki-20260101-pages-meta-current.xml.bz2"
    assert snapshot(written[0], DATES[-1]) == {page.page_id: page for page in read_pages(dump)}


def test_the_head_of_a_snapshot_is_that_of_the_history(data_root, written):
    (dump,) = (written[0] / DATES[-1] / "dump").iterdir()
    head = read_siteinfo(dump)
    assert head == read_siteinfo(data_root / REAL)
    assert (head.dbname, head.language, head.namespaces["File"]) == ("aawiki", "aa", 6)


@pytest.mark.parametrize("name", ["h.xml", "h.xml.bz2"])
def test_the_same_history_packed_otherwise_gives_the_same_bytes(real_xml, written, tmp_path, name):
    content = bz2.compress(real_xml[:1_000_000]) + bz2.compress(real_xml[1_000_000:])
    (tmp_path / name).write_bytes(content if name.endswith("bz2") else real_xml)
    counts = write_snapshots(tmp_path / name, DATES, tmp_path / "out", say=lambda text: None)
    assert counts == written[1]
    for date in DATES:
        (dump,), (expected,) = ((root / date / "dump").iterdir() for root in (tmp_path / "out", written[0]))
        assert dump.name == "h.xml.bz2"
        assert dump.read_bytes() == expected.read_bytes()
