import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.core.tables.read import read_about, read_counts, read_table
from tgl.snapshots.documents.document import Document
from tgl.snapshots.documents.stage import write_documents, write_pages
from tgl.snapshots.settings import DocumentsConfig
from tgl.text.diff.stage import diff_pages

IDS = st.one_of(st.integers(0, 50).map(str), st.text(min_size=1, max_size=3))


def pages_of(documents, output, **options):
    return write_pages(documents, output, where="here", again=lambda: documents, **options)


TEXTS = st.sampled_from(["", " \n", "text", "other"])


@given(st.lists(st.tuples(IDS, TEXTS), min_size=1, unique_by=lambda one: one[0]))
def test_every_document_is_written_in_order_or_counted(tmp_path_factory, given_documents):
    output = tmp_path_factory.mktemp("pages") / "pages.parquet"
    documents = [Document(identity, identity, text) for identity, text in given_documents]
    kept = [document for document in documents if document.text.strip()]
    if not kept:
        with pytest.raises(TglError, match=rf"found {len(documents)} documents, none with text"):
            pages_of(documents, output)
        assert not output.exists()
        return
    counts = pages_of(documents, output)
    rows = read_table(output, "pages").to_pylist()
    assert [row["page_id"] for row in rows] == sorted(document.page_id for document in kept)
    assert {row["page_id"]: row["text"] for row in rows} == {one.page_id: one.text for one in kept}
    assert counts["documents_read"] == counts["kept"] + counts["empty_text"] == len(documents)
    assert read_counts(output) == counts


def test_an_id_that_occurs_twice_is_refused(tmp_path):
    documents = [Document("b", "", "1"), Document("a", "", "2"), Document("b", "", "3")]
    with pytest.raises(TglError, match=r"1 ids occur more than once, the first is 'b'"):
        pages_of(documents, tmp_path / "pages")
    assert not (tmp_path / "pages").exists()


def test_ids_with_the_same_hash_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Document, "page_id", property(lambda document: 5))
    with pytest.raises(TglError, match=r"the ids 'a' and 'b' have the same hash"):
        pages_of([Document("a", "", "1"), Document("b", "", "2")], tmp_path / "pages")


def test_two_dates_are_compared_by_id(tmp_path):
    texts = {
        "20200101": {"a": "Same text. Here.", "b": "Old value. Kept.", "gone": "Gone."},
        "20210101": {"new": "New text.", "b": "New value. Kept.", "a": "Same text. Here."},
    }
    for date, documents in texts.items():
        rows = [{"id": identity, "title": identity, "text": text} for identity, text in documents.items()]
        source = tmp_path / f"{date}.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        outputs = {"pages": tmp_path / f"{date}.parquet", "files": tmp_path / f"{date}-files.parquet"}
        write_documents(DocumentsConfig(), date, place=str(source), **outputs)
        (listed,) = read_table(outputs["files"], "files").to_pylist()
        assert listed["path"] == str(source)
        assert read_about(outputs["files"])["source"] == "documents"
    counts = diff_pages(*(tmp_path / f"{date}.parquet" for date in texts), tmp_path / "diff", language="en")
    assert (counts["same_revision"], counts["changed"], counts["new_page"], counts["deleted"]) == (1, 1, 1, 1)
    found = {row["text"] for row in read_table(tmp_path / "diff", "diff").to_pylist()}
    assert found == {"New text.", "New value."}
