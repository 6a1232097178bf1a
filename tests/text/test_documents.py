import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.tables.write import to_arrow
from tgl.text.documents import diff_documents, page_documents, part_of


def pages(*items):
    more = {
        "title": "",
        "revision_id": 1,
        "timestamp": "",
        "sha1": "",
        "links": [],
        "sections": [],
        "given_up": "",
    }
    return to_arrow(
        [{"page_id": page_id, "text": text} | more for page_id, text in items], "pages"
    ).to_pylist()


def diff(*items):
    more = {"title": "", "revision_id": 1, "kind": "changed", "start": 0, "section": ""}
    return to_arrow(
        [{"page_id": page_id, "text": text} | more for page_id, text in items], "diff"
    ).to_pylist()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**40), st.floats(0, 1), st.floats(0, 1))
def test_page_held_out_at_a_share_is_held_out_at_every_larger_one(page_id, one, other):
    small, large = sorted((one, other))
    if part_of(page_id, small) == "held_out":
        assert part_of(page_id, large) == "held_out"


def test_share_of_held_out_pages_is_as_asked():
    held = sum(part_of(page_id, 0.1) == "held_out" for page_id in range(20_000))
    assert held / 20_000 == pytest.approx(0.1, abs=0.01)
    assert {part_of(page_id, 0) for page_id in range(1000)} == {"train"}


def test_pages_with_text_are_documents_in_their_part():
    items = [(number, f"Text {number}.") for number in range(50)]
    expected = [(part_of(number, 0.3), text) for number, text in items]
    assert list(page_documents(pages(*items, (99, "")), 0.3)) == expected
    assert {part for part, _ in expected} == {"train", "held_out"}


def test_sentences_of_a_page_are_one_document():
    found = diff_documents(diff((1, "A."), (1, "B."), (2, "C."), (5, "D."), (5, "E.")), 0.3)
    assert list(found) == [(part_of(1, 0.3), "A. B."), (part_of(2, 0.3), "C."), (part_of(5, 0.3), "D. E.")]
    assert list(diff_documents(diff(), 0.3)) == []


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 9), max_size=30).map(sorted))
def test_every_sentence_of_a_diff_is_in_exactly_one_document(page_ids):
    items = [(page_id, f"s{number}.") for number, page_id in enumerate(page_ids)]
    documents = list(diff_documents(diff(*items), 0.3))
    assert " ".join(text for _, text in documents).split() == [text for _, text in items]
    assert len(documents) == len(set(page_ids))


def test_a_page_is_in_the_same_part_as_page_and_as_diff():
    items = [(number, "Text.") for number in range(1, 100)]
    assert list(page_documents(pages(*items), 0.4)) == list(diff_documents(diff(*items), 0.4))
