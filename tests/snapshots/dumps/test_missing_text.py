"""Texts that failed to load when the dump was written (<text bytes="52" />), and stub dumps, which have none."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_table
from tgl.snapshots.dumps.reader import read_pages
from tgl.snapshots.extract.pages import REASONS, Shard, extract_pages
from tgl.snapshots.full_history.history import write_snapshots
from tgl.text.diff.stage import diff_pages

EVERYTHING = Shard(0, None)
MISSING = [
    '<text bytes="52"/>',
    '<text bytes="52" sha1="s2" xml:space="preserve" />',
    '<text id="1" bytes="52" />',
    '<text xml:space="preserve" bytes="52"></text>',
    '<text bytes="52">\n  </text>',
    '<text id="77" />',
    '<text bytes="52" location="tt:9" id="9" />',
]
BLANK = ['<text bytes="0" />', "<text />", '<text bytes="0" id="1" />', '<text bytes="3"> \n </text>',
         '<text bytes="many" />', f'<text bytes="{"9" * 5000}" />']  # fmt: skip
DELETED = ['<text bytes="52" deleted="deleted" />', '<text deleted="deleted" />', ""]
SLOT = '<content><role>mediainfo</role><model>json</model><text bytes="2">{}</text></content>'


def page(number, text, revision=1, more="", sha1="", timestamp="2020-01-01T00:00:00Z"):
    return (
        f"<page><title>P{number}</title><ns>0</ns><id>{number}</id>{more}<revision><id>{revision}</id>"
        f"<timestamp>{timestamp}</timestamp>{text}{sha1 and f'<sha1>{sha1}</sha1>'}</revision></page>"
    )


def there(text="A text."):
    return f'<text bytes="{len(text)}">{text}</text>'


def dump(path, *pages):
    path.write_text(f"<mediawiki>{''.join(pages)}</mediawiki>")
    return path


def counts_of(tmp_path, *pages, previous=None, name="p"):
    counts = extract_pages(
        [dump(tmp_path / f"{name}.xml", *pages)], tmp_path / name, EVERYTHING, previous=previous
    )
    assert counts["pages_read"] == sum(counts[reason] for reason in REASONS)
    return {reason: counts[reason] for reason in REASONS if counts[reason]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, "missing_text") for text in MISSING),
        *((text, "empty_text") for text in BLANK),
        *((text, "deleted_text") for text in DELETED),
        (MISSING[0] + SLOT, "missing_text"),
        (SLOT + MISSING[0], "missing_text"),
    ],
)
def test_missing_blank_and_deleted_texts_have_reasons_of_their_own(tmp_path, text, reason):
    assert counts_of(tmp_path, page(1, there()), page(2, text)) == {"kept_parsed": 1, reason: 1}


def test_the_ids_of_missing_texts_stand_in_the_metadata(tmp_path):
    counts_of(tmp_path, page(1, there()), page(5, MISSING[0]), page(4, MISSING[2]), page(6, DELETED[0]))
    assert read_about(tmp_path / "p")["missing_text"] == [5, 4]


def test_page_whose_text_is_missing_keeps_the_revision_of_the_date_before(tmp_path):
    counts_of(tmp_path, page(1, there("Old."), 11, sha1="a"), page(2, there()), name="one")
    later = page(1, MISSING[1], 12, sha1="c", timestamp="2021-01-01T00:00:00Z")
    found = counts_of(tmp_path, later, page(2, there()), previous=tmp_path / "one", name="two")
    assert found == {"kept_copied": 1, "kept_earlier": 1}
    assert read_table(tmp_path / "two", "pages") == read_table(tmp_path / "one", "pages")
    assert "missing_text" not in read_about(tmp_path / "two")


def changes(tmp_path, old, new):
    counts = diff_pages(tmp_path / old, tmp_path / new, tmp_path / "diff", language="en")
    return counts, [row["text"] for row in read_table(tmp_path / "diff", "diff").to_pylist()]


def test_a_text_that_was_missing_at_one_date_makes_no_change(tmp_path):
    """Before, the page was gone at the second date and all of it new at the third."""
    before, after = "A is a town. It has two mills.", "A is a town. It has two mills. It is old."
    others = page(2, there())
    counts_of(tmp_path, page(1, there(before), 11, sha1="a"), others, name="one")
    counts_of(tmp_path, page(1, MISSING[0], 12), others, previous=tmp_path / "one", name="two")
    counts_of(tmp_path, page(1, there(after), 13, sha1="d"), others, previous=tmp_path / "two", name="three")
    counts, found = changes(tmp_path, "one", "two")
    assert (found, counts["deleted"], counts["same_revision"]) == ([], 0, 2)
    assert changes(tmp_path, "two", "three")[1] == ["It is old."]


def test_without_an_earlier_text_the_page_is_neither_deleted_nor_new(tmp_path):
    others = page(2, there())
    counts_of(tmp_path, page(1, there("One."), 11), others, name="one")
    counts_of(tmp_path, page(1, MISSING[0], 12), others, name="two")
    counts_of(tmp_path, page(1, there("Two."), 13), others, name="three")
    counts, found = changes(tmp_path, "one", "two")
    assert (found, counts["deleted"], counts["missing_after"]) == ([], 0, 1)
    counts, found = changes(tmp_path, "two", "three")
    assert (found, counts["new_page"], counts["missing_before"]) == ([], 0, 1)


def test_metadata_that_name_no_page_ids_are_an_error(tmp_path):
    from tgl.core.tables.write import write_table

    write_table([], tmp_path / "old", "pages", about={"missing_text": ["x"]})
    with pytest.raises(TglError, match="expected a list of page ids"):
        diff_pages(tmp_path / "old", tmp_path / "old", tmp_path / "diff", language="en")


def revision(number, day, text):
    return f"<revision><id>{number}</id><timestamp>2020-01-{day:02}T00:00:00Z</timestamp>{text}</revision>"


def test_history_takes_the_revision_before_a_missing_text(tmp_path):
    head = "<page><title>A</title><ns>0</ns><id>{}</id>"
    file = dump(
        tmp_path / "h.xml",
        head.format(1) + revision(1, 1, there("One.")) + revision(2, 3, MISSING[0]) + "</page>",
        head.format(2) + revision(3, 2, MISSING[1]) + revision(4, 9, there("Two.")) + "</page>",
    )
    counts = write_snapshots(file, ["20200105", "20200110"], tmp_path / "out", say=lambda text: None)
    (found,) = read_pages(tmp_path / "out/20200105/dump/h.xml.bz2")
    assert (found.revision_id, found.text) == (1, "One.")
    expected = {"pages": 2, "kept": 1, "missing_text": 1, "missing": 2}
    assert {key: count for key, count in counts["20200105"].items() if count} == expected
    assert (counts["20200110"]["kept"], counts["20200110"]["missing"]) == (2, 1)


@pytest.mark.parametrize("name", ["enwiki-20240101-stub-articles.xml", "stub-meta-current.xml.bz2",
                                  "enwiki-20240101-stub-meta-history1.xml.gz"])  # fmt: skip
def test_stub_dump_is_refused_by_its_name(tmp_path, name):
    dump(tmp_path / "d.xml", page(1, there()))
    shutil.move(tmp_path / "d.xml", tmp_path / name)
    for read in (
        lambda path: list(read_pages(path)),
        lambda path: write_snapshots(path, ["20200101"], tmp_path),
    ):
        with pytest.raises(
            TglError, match=r"a stub dump by its name.* Download .*pages-articles-multistream"
        ):
            read(tmp_path / name)


@pytest.mark.parametrize("text", MISSING)
@pytest.mark.parametrize("pages", [1, 30, 3000])
def test_stub_dump_is_refused_by_what_it_holds(tmp_path, text, pages):
    file = dump(tmp_path / "d.xml", *(page(n, text) for n in range(1, pages + 1)))
    with pytest.raises(TglError, match=r"texts are missing, 0 are available; the file is a stub dump"):
        extract_pages([file], tmp_path / "p", EVERYTHING)
    assert not (tmp_path / "p").exists()
    with pytest.raises(TglError, match="the file is a stub dump"):
        write_snapshots(file, ["20200101"], tmp_path)


def test_dump_of_which_most_texts_are_missing_is_refused(tmp_path):
    pages = [page(n, there() if n < 10 else MISSING[0]) for n in range(1, 30)]
    with pytest.raises(TglError, match="20 texts are missing, 9 are available"):
        list(read_pages(dump(tmp_path / "d.xml", *pages)))


def test_log_of_actions_is_refused(tmp_path):
    with pytest.raises(TglError, match=r"found a log of actions .* expected pages"):
        list(read_pages(dump(tmp_path / "d.xml", "<logitem><id>1</id></logitem>")))


KINDS = {
    "kept_parsed": ("", there()),
    "missing_text": ("", MISSING[0]),
    "deleted_text": ("", DELETED[0]),
    "empty_text": ("", BLANK[0]),
    "redirect": ('<redirect title="x" />', there()),
}


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=9))
def test_pages_read_are_those_kept_and_those_left_out_by_reason(tmp_path, kinds):
    pages = [page(n, KINDS[kind][1], more=KINDS[kind][0]) for n, kind in enumerate(kinds, 2)]
    expected = {kind: kinds.count(kind) for kind in {*kinds}}
    expected["kept_parsed"] = expected.get("kept_parsed", 0) + 1
    assert counts_of(tmp_path, page(1, there()), *pages) == expected
    assert read_table(tmp_path / "p", "pages").num_rows == expected["kept_parsed"]


def test_dump_of_few_pages_may_lack_all_texts_where_the_date_before_has_them(tmp_path):
    counts_of(tmp_path, page(1, there()), name="old")
    assert counts_of(tmp_path, page(1, MISSING[0], 2), previous=tmp_path / "old") == {"kept_earlier": 1}
    assert read_table(tmp_path / "p", "pages")["text"].to_pylist() == ["A text."]
    many = [page(number, MISSING[0], 2) for number in range(1, 30)]
    with pytest.raises(TglError, match="the file is a stub dump"):
        counts_of(tmp_path, *many, previous=tmp_path / "old")
