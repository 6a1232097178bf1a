from hypothesis import given
from hypothesis import strategies as st

from tgl.core.tables.write import to_arrow
from tgl.snapshots.documents.document import Document, page_row
from tgl.snapshots.documents.document import page_id as number_of

IDS = st.one_of(st.text(min_size=1), st.integers(0, 2**70).map(str))


@given(IDS)
def test_a_number_fits_the_table_and_depends_on_the_id_alone(identity):
    assert 0 <= number_of(identity) < 2**63
    assert number_of(identity) == number_of(identity)


@given(st.integers(0, 2**62 - 1))
def test_a_whole_number_is_its_own_number(number):
    assert number_of(str(number)) == number


@given(st.lists(IDS, unique=True, max_size=50))
def test_different_ids_have_different_numbers(ids):
    assert len({number_of(identity) for identity in ids}) == len(ids)


def test_numbers_in_another_form_are_text():
    others = ["007", "+7", "7.0", " 7", "７", "-7", str(2**62), str(2**63)]
    assert all(number_of(identity) >= 2**62 for identity in others)


def test_numbers_stay_the_same_from_one_version_to_the_next():
    assert number_of("af") == 8392889550311346715


def test_the_row_holds_the_digest_of_the_text():
    same, other = page_row(Document("a", "A", "text")), page_row(Document("b", "B", "text"))
    assert same["sha1"] == other["sha1"] != page_row(Document("a", "A", "Text"))["sha1"]
    assert to_arrow([same, other], "pages").num_rows == 2
