from collections import Counter

import pytest

from tgl.core.tables.write import to_arrow
from tgl.probes.sets.world import world_probes
from tgl.probes.settings import ProbesConfig
from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import build_world
from tgl.text.documents import part_of

DATES = ["20190101", "20200101", "20210101"]


def fact(subject_id, name, first, last):
    return {
        "subject_id": subject_id,
        "subject": f"S{subject_id}",
        "relation": "P54",
        "object": name,
        "first_date": first,
        "last_date": last,
        "text": f"S{subject_id} plays for {name}.",
        "span_start": 13,
        "span_end": 13 + len(name),
        "candidates": ["A", "B"],
    }


def kinds(facts, share=0.0):
    rows, counts = world_probes(facts, DATES, ProbesConfig(), holdout_share=share)
    return [(row["kind"], row["period"], row["text"].split()[-1].rstrip(".")) for row in rows], counts


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([("A", 0, 2)], [("unchanged", 1, "A"), ("unchanged", 2, "A")]),
        ([("A", 0, 1)], [("unchanged", 1, "A")]),
        ([("A", 0, 0), ("B", 1, 2)], [("updated", 1, "B")]),
        ([("B", 2, 2), ("A", 0, 1)], [("unchanged", 1, "A"), ("updated", 2, "B")]),
        ([("A", 0, 0), ("B", 1, 1), ("C", 2, 2)], [("updated", 1, "B"), ("updated", 2, "C")]),
        ([("A", 1, 2)], [("new_entity", 1, "A")]),
        ([("A", 1, 1), ("B", 2, 2)], [("new_entity", 1, "A"), ("updated", 2, "B")]),
        ([("A", 0, 0)], []),
    ],
)
def test_kind_and_period_follow_from_the_dates_of_a_fact(facts, expected):
    rows = [fact(1, name, DATES[first], DATES[last]) for name, first, last in facts]
    found, counts = kinds(rows)
    assert found == [(kind, DATES[period], name) for kind, period, name in expected]
    assert counts["subjects"] == 1
    assert sum(value for key, value in counts.items() if key.endswith("_probes")) == len(expected)


def test_subjects_held_out_of_training_are_left_out_and_counted():
    facts = [fact(number, "A", DATES[0], DATES[2]) for number in range(1, 200)]
    rows, counts = world_probes(facts, DATES, ProbesConfig(), holdout_share=0.3)
    asked = {int(row["subject"][1:]) for row in rows}
    assert asked == {number for number in range(1, 200) if part_of(number, 0.3) == "train"}
    assert counts["held_out_subjects"] == 199 - len(asked) > 0


@pytest.mark.parametrize("domain", ["encyclopedia", "records"])
@pytest.mark.parametrize("dates", [DATES, ["20190101", "20190401", "20190701", "20191001"]])
def test_probes_of_a_world_fit_the_schema_and_have_ids_of_their_own(domain, dates):
    world = build_world(WorldConfig(domain=domain), dates)
    rows, counts = world_probes(world.facts(), dates, ProbesConfig(), holdout_share=0.05)
    to_arrow(rows, "probes")
    assert len({row["id"] for row in rows}) == len(rows)
    assert counts["subjects"] == len(world.entities)
    names = {entity.name: entity for entity in world.entities}
    for row in rows:
        date = dates.index(row["period"])
        answer = row["text"][row["span_start"] : row["span_end"]]
        entity = names[row["subject"]]
        assert answer == entity.statement(date).object.name
        assert answer in row["candidates"]
        since = entity.statement(date).since
        assert (row["kind"] == "unchanged") == (since == 0)
        assert (row["kind"] == "new_entity") == (entity.since == date)
        before = entity.statement(date - 1).object.name if row["kind"] == "updated" else ""
        assert row["old_answer"] == before != answer
    assert set(Counter(row["kind"] for row in rows)) == {"updated", "new_entity", "unchanged"}


def test_all_probes_of_a_subject_are_in_one_split_and_shares_are_as_configured():
    facts = [fact(number, "A", DATES[0], DATES[2]) for number in range(1, 2001)]
    rows, _ = world_probes(
        facts, DATES, ProbesConfig(validation_share=0.3, test_share=0.6), holdout_share=0.0
    )
    splits = {}
    for row in rows:
        splits.setdefault(row["subject"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    shares = Counter(split for found in splits.values() for split in found)
    assert shares["test"] / 2000 == pytest.approx(0.6, abs=0.04)
    assert shares["validation"] / 2000 == pytest.approx(0.3, abs=0.04)
    other, _ = world_probes(facts, DATES, ProbesConfig(seed=1), holdout_share=0.0)
    assert [row["split"] for row in other] != [row["split"] for row in rows]
