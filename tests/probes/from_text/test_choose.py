from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgl.core.tables.write import write_table
from tgl.probes.from_text.choose import Choice, merged
from tgl.probes.settings import SnapshotProbesConfig


def row(number, kind="updated", page_id=None, text=None, subject=None, answer="x"):
    text = text or f"Sentence {number} has {answer}."
    start = text.rindex(answer)
    return {
        "id": f"snapshots-20200101-{page_id or number}-{kind}-{number}",
        "set": "snapshots",
        "kind": kind,
        "period": "20200101",
        "relation": "link",
        "subject": subject or f"S{number}",
        "text": text,
        "span_start": start,
        "span_end": start + len(answer),
        "answer_group": f"snapshots-20200101-{page_id or number}-{kind}-{number}",
        "split": "test",
        "candidates": [],
        "old_answer": "",
    }


def test_a_sentence_an_answer_and_a_pages_share_are_taken_once():
    choice = Choice(SnapshotProbesConfig(max_per_page=2))
    assert choice.take(row(1), "s1", ["t"]) is None
    assert choice.take(row(2), "s1", ["t"]) == "same_sentence"
    assert choice.take(row(3, subject="S1"), "s3", ["t"]) == "same_answer"
    assert choice.take(row(4, "unchanged", subject="S1"), "s4", ["t"]) is None  # of another kind
    assert choice.take(row(5, page_id=1), "s5", ["t"]) is None
    assert choice.take(row(6, page_id=1), "s6", ["t"]) == "page_has_enough"
    assert choice.take(row(7, "unchanged", page_id=1), "s7", ["t"]) is None


@pytest.mark.parametrize(("kind", "reason"), [("updated", "not_taught"), ("unchanged", "not_known")])
def test_the_last_sentence_that_teaches_a_probe_is_no_probe(kind, reason):
    choice = Choice(SnapshotProbesConfig())
    assert choice.take(row(1, kind), "s1", ["s1"]) == reason
    assert choice.take(row(1, kind), "s1", ["s2", "s3"]) is None
    assert choice.take(row(2, kind), "s2", ["s3"]) is None
    assert choice.take(row(3, kind), "s3", ["s9"]) == "teaches_another"
    assert choice.take(row(4, kind), "s4", ["s1", "s2"]) == reason


def test_what_is_not_asked_for_is_not_looked_at():
    choice = Choice(SnapshotProbesConfig(withhold=False, taught=False))
    for kind in ("updated", "new_entity", "unchanged"):
        assert choice.take(row(1, kind), f"s{kind}", []) is None
    choice = Choice(SnapshotProbesConfig(withhold=False))
    assert choice.take(row(1), "s1", []) == "not_taught"
    assert choice.take(row(1), "s1", ["s2"]) is None
    assert choice.take(row(2), "s2", ["s1"]) is None  # both stay in the text


probes = st.lists(st.tuples(st.integers(0, 12), st.lists(st.integers(0, 12), max_size=4)), max_size=25)


@given(probes, st.sampled_from(["updated", "new_entity", "unchanged"]))
def test_whatever_is_kept_is_taught_by_a_sentence_that_stays(given_probes, kind):
    choice, kept = Choice(SnapshotProbesConfig()), []
    for number, (sentence, taught_by) in enumerate(given_probes):
        if choice.take(row(number, kind), sentence, taught_by) is None:
            kept.append((sentence, taught_by))
    withheld = {sentence for sentence, _ in kept}
    assert len(withheld) == len(kept)
    assert all(set(taught_by) - withheld for _, taught_by in kept)


def test_shards_are_chosen_from_together_and_their_counts_add_up(tmp_path):
    shards = {
        "a": ([row(1), row(2)], {"s1": ["s9"], "s2": ["s8"]}, {"updated: too_long": 3}),
        "b": ([row(9), row(3)], {"s9": ["t"], "s3": ["t"]}, {"updated: too_long": 1}),
    }
    for name, (rows, teachers, counts) in shards.items():
        digests = {
            "sentence": dict(zip((one["id"] for one in rows), teachers, strict=True)),
            "taught_by": dict(zip((one["id"] for one in rows), teachers.values(), strict=True)),
        }
        counts = counts | {"updated: used": 2, "updated: values": 2 + counts["updated: too_long"]}
        write_table(rows, tmp_path / name, "probes", counts=counts, about=digests)
    rows, counts = merged([tmp_path / "a", tmp_path / "b"], SnapshotProbesConfig())
    assert [one["id"].rsplit("-", 1)[1] for one in rows] == ["1", "2", "3"]
    assert counts == Counter(
        {
            "updated: used": 3,
            "updated: teaches_another": 1,
            "updated: too_long": 4,
            "updated: values": 8,
        }
    )
