import json

import pytest

from tests.snapshots.wikimedia.dump_host import DATE, LONG, SOURCES
from tgl.core.errors import TglError
from tgl.snapshots.dumps.streams import holds_none
from tgl.snapshots.wikimedia.hosts import SHIPPED

DAY = "2022-01-01"
EXPORTS = SOURCES.replace(
    "{base}/{wiki}/{date}/dumpstatus.json", "{base}/other/{export}/{wiki}/{day}/xml/bzip2/SHA256SUMS"
)
NAMES = [f"enwiki-{DAY}-p10p1147431.xml.bz2", f"enwiki-{DAY}-p1147432r5r9.xml.bz2"]


@pytest.fixture
def exports(fetch):
    fetch.table.write_text(EXPORTS)
    return fetch


def test_the_files_of_an_export_are_fetched_by_their_sums(host, exports):
    host.offer_export(DAY, {NAMES[0]: LONG, NAMES[1]: b"small", "README.txt": b"no"})
    assert [path.name for path in exports()] == NAMES
    assert (exports.folder / NAMES[0]).read_bytes() == LONG
    assert exports.about == {"source": "main", "wanted": DATE, "found": DATE}


def test_a_broken_connection_is_resumed_without_a_size(host, exports):
    folder = host.offer_export(DAY, {NAMES[0]: LONG})
    host.faults[folder + NAMES[0]] = [1_000_000, 2_000_000]
    assert [path.read_bytes() for path in exports()] == [LONG]
    assert host.ranges


def test_a_verified_file_is_not_fetched_again(host, exports):
    folder = host.offer_export(DAY, {NAMES[0]: b"aa"})
    exports()
    host.asked.clear()
    exports()
    assert folder + NAMES[0] not in [path for path, _ in host.asked]


def test_a_folder_without_success_is_unfinished_and_the_next_month_is_taken(host, exports):
    host.offer_export(DAY, {NAMES[0]: b"aa"}, finished=False)
    host.offer_export("2022-02-01", {"enwiki-2022-02-01-p1p9.xml.bz2": b"bb"})
    assert [path.name for path in exports(search_days=40)] == ["enwiki-2022-02-01-p1p9.xml.bz2"]
    assert exports.about["found"] == "20220201"


def test_history_is_in_a_folder_of_its_own(host, exports):
    host.offer_export(DAY, {NAMES[0]: b"current"})
    host.offer_export(DAY, {NAMES[1]: b"history"}, kind="history")
    assert [path.name for path in exports(part="metahistorybz2dump")] == [NAMES[1]]


def test_damaged_files_and_wrong_sums_are_refused(host, exports):
    folder = host.offer_export(DAY, {NAMES[0]: b"aa"})
    host.files[folder + NAMES[0]] = b"ab"
    with pytest.raises(TglError, match=r"received 2 bytes with SHA256 \w+, expected \w{64}"):
        exports()
    for sums, message in (
        (b"nonsense\n", r"line 1: found 'nonsense', expected a SHA-256"),
        (b"0" * 64 + b"  ../x.xml.bz2\n", r"found the file name '\.\./x\.xml\.bz2'"),
        (b"0" * 64 + b"  a.txt\n", r"found no dump file"),
    ):
        host.files[folder + "SHA256SUMS"] = sums
        with pytest.raises(TglError, match=message):
            exports()


def test_the_shipped_table_tries_exports_then_dumps_then_the_archive(host, exports):
    table = SHIPPED.read_text()
    assert [line.split(",")[2] for line in table.splitlines()[1:]] == ["exports", "wikimedia", "archive.org"]
    exports.table.write_text("\n".join(table.splitlines()[:3]) + "\n")
    host.offer({f"enwiki-{DATE}-pages-articles-multistream.xml.bz2": b"old layout"})
    assert [path.read_bytes() for path in exports()] == [b"old layout"]
    assert exports.about["source"] == "wikimedia"
    assert json.loads(host.files[f"/enwiki/{DATE}/dumpstatus.json"])


@pytest.mark.parametrize(
    ("name", "first", "last", "skipped"),
    [
        (NAMES[0], 0, 9, True), (NAMES[0], 0, 10, False), (NAMES[0], 1147432, None, True),
        (NAMES[1], 1147432, None, False),
        (NAMES[1], 1147433, None, True), (NAMES[1], 0, 1147431, True), ("a.xml-p5p7.bz2", 8, None, True),
        ("a.xml-p5p7.bz2", 7, None, False), ("a.xml.bz2", 99, None, False),
    ],
)  # fmt: skip
def test_ranges_in_names_of_both_kinds_decide_which_files_are_read(name, first, last, skipped):
    assert holds_none(name, first, last) == skipped
