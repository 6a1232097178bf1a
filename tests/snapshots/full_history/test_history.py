"""Snapshots out of full histories made here."""

import re
import tracemalloc

import py7zr
import pytest

from tests.snapshots.full_history.histories import history, page, revision, snapshot, texts
from tgl.core.errors import TglError
from tgl.snapshots.dumps.reader import read_histories, read_pages
from tgl.snapshots.dumps.streams import page_in_parts, written_name
from tgl.snapshots.full_history.history import write_snapshots
from tgl.snapshots.settings import HistoryConfig


def test_texts_come_back_as_they_were(tmp_path):
    odd = "a &amp; b &lt;ref&gt; &quot;c&quot;\n\n==d==\t]]&gt; é 𝔘 e&#13;\nf&#13;"
    found, _, _ = texts(history(tmp_path, page(1, revision(1, 2, odd))), tmp_path, "20200201")
    assert found == [{1: 'a & b <ref> "c"\n\n==d==\t]]> é 𝔘 e\r\nf\r'}]


def test_deleted_texts_and_pages_not_there_yet_are_counted(tmp_path):
    path = history(
        tmp_path,
        page(1, revision(1, 2, "one"), revision(2, 4, None)),
        page(2, revision(3, 2, None)),
        page(3, revision(4, 9, "three")),
    )
    found, counts, said = texts(path, tmp_path, "20200105", "20200110")
    assert found == [{1: "one"}, {1: "one", 3: "three"}]
    first = {
        "pages": 3,
        "kept": 1,
        "no_revision_before": 1,
        "deleted_text": 1,
        "missing_text": 0,
        "only_undone": 0,
    }
    first["undone"] = 0
    assert counts["20200105"] == first
    assert said[0] == f"20200105: {first}"


@pytest.mark.parametrize("more", ["", "<sha1></sha1>", "<sha1>{}</sha1>"])
def test_undone_revisions_are_told_with_and_without_their_sha1(tmp_path, more):
    written = [revision(n, n, text, more.format(text)) for n, text in ((1, "good"), (2, "bad"), (3, "good"))]
    path = history(tmp_path, page(1, *written))
    found, counts, _ = texts(path, tmp_path, "20200103", "20200104")
    assert found == [{1: "good"}, {1: "good"}]
    assert [counts[date]["undone"] for date in counts] == [1, 0]
    assert texts(path, tmp_path, "20200103", settings=HistoryConfig(revert_hours=0))[0] == [{1: "bad"}]


@pytest.mark.parametrize(
    ("text", "is_redirect"),
    [
        ("#REDIRECT [[Bonn]]", True),
        ("\n #weiterleitung[[Bonn|b]]", True),
        ("#เปลี่ยนทาง: [[Bonn]]", True),
        ("#ail-cyfeirio [[Bonn]] {{R}}", True),
        ("# [[Bonn]]", False),
        ("#Bonn and [[Cologne]]", False),
        ("Text #REDIRECT [[Bonn]]", False),
    ],
)
def test_redirects_of_earlier_revisions_are_told_by_their_text_in_any_language(tmp_path, text, is_redirect):
    path = history(tmp_path, page(1, revision(1, 2, text), revision(2, 9, "Bonn is a city.")))
    write_snapshots(path, ["20200105", "20200110"], tmp_path / "out")
    assert snapshot(tmp_path / "out", "20200105")[1].is_redirect is is_redirect
    assert snapshot(tmp_path / "out", "20200110")[1].is_redirect is False


def test_the_redirect_element_speaks_for_the_last_revision_alone(tmp_path):
    path = history(
        tmp_path, page(1, revision(1, 2, "Text"), revision(2, 9, "odd"), more='<redirect title="Bonn" />')
    )
    write_snapshots(path, ["20200105", "20200110"], tmp_path / "out")
    assert [snapshot(tmp_path / "out", d)[1].is_redirect for d in ("20200105", "20200110")] == [False, True]


def test_a_text_let_go_of_too_early_is_read_a_second_time(tmp_path):
    """The edit of the 5th is undone by a revert that an import brings at the end of the file."""
    many = [revision(100 + n, 7 + n // 5, f"v{n}") for n in range(60)]
    edits = [revision(1, 1, "good"), revision(2, 4, "better"), revision(3, 5, "bad"), *many]
    path = history(tmp_path, page(1, *edits, revision(9, 6, "good")), page(2, revision(4, 1, "two")))
    found, counts, said = texts(path, tmp_path, "20200106", "20200107", "20200130")
    assert found == [{1: "good", 2: "two"}, {1: "good", 2: "two"}, {1: "v59", 2: "two"}]
    assert counts["20200106"]["undone"] == 2
    assert said[0] == f"{path}: 1 pages have revisions far out of order; reading the file again"
    assert len(said) == 4
    assert len(list((tmp_path / "out").rglob("*"))) == 9  # and nothing is left of the first reading


@pytest.mark.parametrize(
    ("content", "dates", "words"),
    [
        (page(1, "<revision><id>7</id><timestamp>soon</timestamp></revision>"), ["20200101"],
         "page 'P1', revision 7: found the timestamp 'soon'"),
        (page(1, "<revision><id>7</id></revision>"), ["20200101"], "found the timestamp ''"),
        (page(1, "<revision><id>7</id><timestamp>2020-01-01T00:00:00</timestamp></revision>"), ["20200101"],
         "expected YYYY-MM-DDThh:mm:ssZ"),
        (page(1, "<revision><id>7</id><timestamp>2020-01-01&lt;12:00:00Z</timestamp></revision>"), ["20200101"],
         "found the timestamp '2020-01-01<12:00:00Z'"),
        (page(1, "<revision><id>7</id><timestamp>2020-13-01T12:00:00Z</timestamp></revision>"), ["20200101"],
         "found the timestamp '2020-13-01T12:00:00Z'"),
        (page(1), ["20200101"], "'P1' has no id or no revision"),
        ("<page><title>P</title>" + revision(1, 1, "a") + "<id>1</id></page>", ["20200101"], "'P' has no id"),
        (page(1, revision(1, 1, "a")), ["20200101", "20190101"], "in ascending order"),
        (page(1, revision(1, 1, "a")), [], "one or more"),
        (page(1, revision(1, 1, "a")), ["20190231"], "'20190231' is not a date"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_an_error_and_nothing_is_written(tmp_path, content, dates, words):
    with pytest.raises(TglError, match=re.escape(words)):
        write_snapshots(history(tmp_path, content), dates, tmp_path / "out")
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("enwiki-20260101-pages-meta-history1.xml-p1p857.7z", "enwiki-20260101-pages-meta-history1.xml-p1p857.bz2"),
        ("a/enwiki-pages-meta-history.xml-p10p20.bz2", "enwiki-pages-meta-history.xml-p10p20.bz2"),
        ("aawiki-pages-meta-history.xml.7z", "aawiki-pages-meta-history.xml.bz2"),
        ("aawiki-pages-meta-history.xml", "aawiki-pages-meta-history.xml.bz2"),
        ("history.7z", "history.xml.bz2"),
    ],
)  # fmt: skip
def test_written_names_keep_the_page_range_where_shards_look_for_it(name, expected):
    assert written_name(name) == expected


def test_a_shard_leaves_out_a_part_whose_name_says_another_range(tmp_path):
    path = tmp_path / "w-pages-meta-history1.xml-p1p9.7z"
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.writestr(history(tmp_path, page(1, revision(1, 1, "a"))).read_text(), "h.xml")
    write_snapshots(path, ["20200201"], tmp_path / "out")
    (dump,) = (tmp_path / "out/20200201/dump").iterdir()
    assert [found.page_id for found in read_pages(dump, 1, 9)] == [1]
    dump.write_bytes(b"damaged")
    assert list(read_pages(dump, 10, 20)) == []


def test_histories_are_read_revision_by_revision_in_the_order_of_the_file(tmp_path):
    path = history(
        tmp_path,
        page(5, revision(9, 3, "c"), revision(8, 2, "b")),
        page(5, revision(7, 1, "a")),  # the same id once more is another page
        "<siteinfo><revision><id>1</id></revision></siteinfo>",
    )
    found = [[(one.page_id, one.revision_id, one.text) for one in page] for page in read_histories(path)]
    assert found == [[(5, 9, "c"), (5, 8, "b")], [(5, 7, "a")]]


def test_memory_does_not_grow_with_the_revisions_of_a_page(tmp_path):
    peaks = []
    for num_revisions in (300, 300, 2400):  # the first one pays for the imports
        text = "x" * 20_000
        revisions = [revision(n, 1 + n * 30 // num_revisions, f"{n} {text}") for n in range(num_revisions)]
        path = history(tmp_path, page(1, *revisions))
        tracemalloc.start()
        write_snapshots(path, ["20200105", "20200120"], tmp_path / f"{num_revisions}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        last = snapshot(tmp_path / f"{num_revisions}", "20200120")[1]
        assert last.revision_id == num_revisions * 19 // 30 - 1
    assert peaks[2] < 1.5 * peaks[1]  # eight times the revisions


def test_revisions_of_one_page_in_several_files_are_one_history(tmp_path):
    written = [revision(n, n, text) for n, text in ((1, "good"), (2, "bad"), (3, "good"), (4, "last"))]
    whole = texts(history(tmp_path, page(1, *written)), tmp_path, "20200103", "20200105")
    files = []
    for number, part in enumerate((written[:2], written[2:3], written[3:]), 1):
        (tmp_path / f"part{number}").mkdir()
        files.append(history(tmp_path / f"part{number}", page(1, *part)))
    divided = texts(files[0], tmp_path / "divided", "20200103", "20200105", more=files[1:])
    assert divided[:2] == whole[:2]
    assert divided[0] == [{1: "good"}, {1: "last"}]


def test_a_file_with_another_page_is_no_further_part(tmp_path):
    (tmp_path / "b").mkdir()
    first = history(tmp_path, page(1, revision(1, 1, "a")))
    second = history(tmp_path / "b", page(2, revision(2, 2, "b")))
    with pytest.raises(TglError, match=r"found page 2, expected more revisions of page 1, which .* holds"):
        write_snapshots(first, ["20200201"], tmp_path / "out", more=[second])
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("enwiki-2026-11-01-p10r501r900.xml.bz2", ("enwiki-2026-11-01-p10p10.xml.bz2", 501)),
        ("enwiki-2026-11-01-p10p900.xml.bz2", None),
        ("enwiki-2026-11-01-p10r1r2.json.bz2", None),
    ],
)
def test_names_of_files_with_revisions_of_one_page(name, expected):
    assert page_in_parts(name) == expected
    assert written_name(name) == (expected[0] if expected else written_name(name))
