import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.config.check import check
from tgl.config.text_project import Sizes, date_in, dated, sizes_of, steps_for, text_settings
from tgl.core.errors import TglError
from tgl.snapshots.documents.document import Document

SIZES = Sizes((10, 12), 400_000, (100_000,))
COLLECTIONS = {"20200101": "/a.jsonl", "20210101": "/b.jsonl"}


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("factbook-2021-12-30.jsonl.xz", "20211230"), ("20211230", "20211230"), ("docs_2021_03", "20210301"),
        ("v2021", "20210101"), ("a/2019/notes-2020-05.txt", "20200501"), ("x", None), ("1234567890", None),
        ("2021-13-40", "20210101"), ("2021-12-30/2022-12-29", "20221229"),
    ],
)  # fmt: skip
def test_dates_are_found_in_names(name, date):
    assert date_in(name) == date


@given(
    st.dates(min_value=__import__("datetime").date(1900, 1, 1)),
    st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y_%m_%d"]),
)
def test_any_date_of_these_forms_is_found(day, form):
    if day.year < 2100:
        assert date_in(f"text.{day.strftime(form)}.csv") == day.strftime("%Y%m%d")


def test_collections_are_in_order_of_their_dates():
    assert list(dated(["b-2021", "a-2020"], []).items()) == [("20200101", "a-2020"), ("20210101", "b-2021")]
    # The date nearest to the end of a path counts.
    assert list(dated(["run-2024-05-06/old-2022.jsonl", "run-2024-05-06/new-2023.jsonl"], [])) == [
        "20220101",
        "20230101",
    ]
    assert list(dated(["2021/a.txt", "2020/a.txt"], [])) == ["20200101", "20210101"]
    assert dated(["new", "old"], ["20210101", "20200101"]) == {"20200101": "old", "20210101": "new"}


@pytest.mark.parametrize(
    ("paths", "dates", "message"),
    [
        (["a-2020", "b"], [], r"no date in the name 'b'.*Give a --date for each --text"),
        (["a-2020", "b-2020"], [], r"'a-2020' and 'b-2020' are both of 20200101"),
        (["a-2020"], [], r"found 1 collection, expected at least two"),
        (["a", "b"], ["20200101"], r"--date: found 1 for 2 collections"),
    ],
)
def test_collections_that_cannot_be_compared_are_refused(paths, dates, message):
    with pytest.raises(TglError, match=message):
        dated(paths, dates)


def test_only_new_and_changed_documents_count():
    old = [Document("a", "", "same"), Document("b", "", "before"), Document("c", "", "gone")]
    new = [Document("d", "", "new!"), Document("b", "", "after"), Document("a", "", "same")]
    assert sizes_of([old, new]) == Sizes((3, 3), 14, (9,))


def test_a_text_is_read_about_once():
    assert steps_for(256 * 4 * 100 * 4, 256, 4) == 100
    assert (steps_for(10, 256, 4), steps_for(10**12, 256, 4)) == (20, 1000)


@pytest.mark.parametrize("model", [None, "owner/name"])
@pytest.mark.parametrize("probes", [None, "/p.jsonl"])
def test_the_settings_are_a_valid_configuration(model, probes):
    config = check(text_settings("mine", COLLECTIONS, SIZES, model=model, probes=probes))
    assert config.snapshots.documents.collections == COLLECTIONS
    assert config.probes.sets == (["json_lines"] if probes else ["snapshots"])
    assert config.model.load == model
    assert "full" in config.methods
