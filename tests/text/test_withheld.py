import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.text.test_documents import diff, pages
from tgl.core.tables.write import write_table
from tgl.text.diff.sentences import split_sentences
from tgl.text.documents import diff_documents, page_documents
from tgl.text.withheld import Withheld, digest


def probe(number, text, name="snapshots"):
    return {
        "id": str(number),
        "set": name,
        "kind": "updated",
        "period": "",
        "relation": "",
        "subject": "",
        "text": text,
        "span_start": 0,
        "span_end": 1,
        "answer_group": "",
        "split": "train",
        "candidates": [],
        "old_answer": "",
    }


@pytest.fixture
def withheld(tmp_path):
    rows = [probe(1, "Two is here."), probe(2, "It’s “so”."), probe(3, "One is here.", "world")]
    rows += [probe(4, '"Three" is over.'), probe(5, "Now (closed) it is."), probe(6, "东京是首都。")]
    rows.append(probe(7, "去。"))
    write_table(rows, tmp_path / "probes", "probes")
    return Withheld(tmp_path / "probes", "en", keep=True)


@pytest.mark.parametrize(
    ("text", "left", "number"),
    [
        ("One is here. Two is here. Three is here.", "One is here. Three is here.", 1),
        ("Two is here. Three is here.", "Three is here.", 1),
        ("One is here.\nTwo is here.\n\nThree is here.", "One is here.\n\nThree is here.", 1),
        ("One is here. Two is here.\nThree is here.", "One is here.\nThree is here.", 1),
        ('Two  is\there. It\'s "so". One is here.', "One is here.", 2),
        ("Two is here.", "", 1),
        ("Two\u00a0is he\u00adre.\u200e One is here. It‘s „so“. One ends.", "One is here. One ends.", 2),
        # Not split off inside of brackets.
        ("One is here. Foo (Two is here. It left.) ok.", "One is here.", 1),
        ("One is here. Foo (“Three” is over. It left.) ok.", "One is here.", 1),
        ("One is here. Foo (Now (closed) it is. It left.) ok.", "One is here. It left.) ok.", 1),
        ("One is here. Foo (东京是首都。大。) ok.", "One is here.", 1),
        ("One is here. Foo (大。东京是首都。) ok.", "One is here.", 1),
        ("One is here. Foo (去。大。) ok.", "One is here.", 1),
        ("One  is here. Two is here not.", "One  is here. Two is here not.", 0),
        ("", "", 0),
    ],
)
def test_sentences_are_cut_out_and_the_rest_stays(withheld, text, left, number):
    assert withheld(text) == left
    assert withheld.counts == {"withheld_sentences": number}


def test_each_removed_piece_is_kept_with_the_probes_that_asked_for_it(withheld):
    withheld("One is here. Two is here. Foo (Two is here. It left.) ok.\nTwo is here.\n It’s “so”.")
    rows = {(row["probe"], row["text"]): row["times"] for row in withheld.rows()}
    assert rows == {
        ("1", "Two is here."): 2,
        ("1", "Foo (Two is here. It left.) ok."): 1,
        ("2", "It’s “so”."): 1,
    }
    assert sum(rows.values()) == withheld.counts["withheld_sentences"]


def test_a_piece_that_holds_several_sentences_gives_rows_in_the_order_of_the_sentences(tmp_path):
    names = [f"{word} is here." for word in ("Zeta", "Alpha", "Mid", "Beta", "Nu")]
    write_table([probe(n, name) for n, name in enumerate(names)], tmp_path / "probes", "probes")
    found = Withheld(tmp_path / "probes", "en", keep=True)
    found("Foo (" + " ".join(names) + ") ok.")
    assert [row["probe"] for row in found.rows()] == ["1", "3", "2", "4", "0"]


def test_pieces_are_kept_only_on_request(tmp_path):
    write_table([probe(1, "Two is here.")], tmp_path / "probes", "probes")
    without = Withheld(tmp_path / "probes", "en")
    without("One. Two is here.")
    assert without.counts == {"withheld_sentences": 1}
    assert list(without.rows()) == []


def test_a_sentence_of_two_probes_is_counted_once_and_shown_for_both(tmp_path):
    write_table([probe(1, "Two is here."), probe(2, "Two is here.")], tmp_path / "probes", "probes")
    both = Withheld(tmp_path / "probes", "en", keep=True)
    both("One. Two is here.")
    assert both.counts == {"withheld_sentences": 1}
    assert [(row["probe"], row["times"]) for row in both.rows()] == [("1", 1), ("2", 1)]


@given(
    st.lists(st.sampled_from(["One is here.", "Two is here.", " ", "\n", "x.", 'It\'s "so".']), max_size=20)
)
def test_no_withheld_sentence_is_left_in_any_text(tmp_path_factory, pieces):
    folder = tmp_path_factory.mktemp("probes")
    write_table([probe(1, "Two is here."), probe(2, "It’s “so”.")], folder / "probes", "probes")
    left = Withheld(folder / "probes", "en")("".join(pieces))
    gone = {digest("Two is here."), digest('It\'s "so".')}
    assert not gone & {digest(sentence) for _, sentence in split_sentences(left, "en")}


def test_documents_are_made_without_them_and_held_out_pages_stay(withheld):
    text = "One is here. Two is here."
    table = pages(*((number, text) for number in range(1, 40)), (40, "Two is here."), (41, "Two is here."))
    found = list(page_documents(table, 0.3, withheld))
    assert {one for one in found if one[0] == "train"} == {("train", "One is here.")}
    assert ("held_out", text) in found
    changed = diff((1, "One is here."), (1, "Two is here."), (2, "Two is here."), (3, "x."))
    assert list(diff_documents(changed, 0.0001, withheld)) == [("train", "One is here."), ("train", "x.")]
