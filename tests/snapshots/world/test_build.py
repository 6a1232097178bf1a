import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.snapshots.settings import WorldConfig
from tgl.snapshots.world.build import DOMAINS, build_world

DATES = ["20190101", "20200101", "20210101", "20220101"]


def make(dates=DATES, **settings):
    return build_world(WorldConfig(**settings), dates)


@pytest.fixture(scope="module", params=DOMAINS)
def domain(request):
    return request.param


@pytest.fixture(scope="module")
def world(domain):
    return make(domain=domain)


def test_same_seed_gives_the_same_facts_and_another_seed_others(world, domain):
    facts = list(world.facts())
    assert facts == list(make(domain=domain).facts())
    other = list(make(domain=domain, seed=1).facts())
    assert facts != other
    assert {f["subject"] for f in facts} != {f["subject"] for f in other}


def test_world_does_not_depend_on_or_touch_the_global_random_state(world, domain):
    random.seed(5)
    state = random.getstate()
    assert list(make(domain=domain).facts()) == list(world.facts())
    assert random.getstate() == state


def test_every_relation_occurs_with_subjects_and_objects_of_its_types(world, domain):
    assert world.domain is DOMAINS[domain]
    assert {entity.relation.id for entity in world.entities} == {r.id for r in world.domain.relations}
    for entity in world.entities:
        assert entity.kind == entity.relation.subject_type
        assert all(statement.object.kind == entity.relation.object_type for statement in entity.statements)


def test_facts_span_is_the_object_at_the_end_of_the_probe_sentence(world):
    for fact in world.facts():
        assert fact["text"][fact["span_start"] : fact["span_end"]] == fact["object"]
        assert fact["text"].startswith(fact["subject"])
        assert fact["text"][fact["span_end"] :] == "."


def test_candidates_hold_the_answer_once_and_are_of_the_relation(world):
    objects = {}
    facts = list(world.facts())
    for fact in facts:
        objects.setdefault(fact["relation"], set()).add(fact["object"])
    for fact in facts:
        assert fact["candidates"].count(fact["object"]) == 1
        assert len(set(fact["candidates"])) == len(fact["candidates"])
        assert set(fact["candidates"]) <= objects[fact["relation"]]


def test_number_of_candidates_is_as_configured_where_the_relation_has_so_many_objects():
    facts = list(make(pages=2000, candidates=7).facts())
    assert {len(fact["candidates"]) for fact in facts} == {7}


def test_candidates_do_not_tell_the_answer_by_their_order(world):
    facts = [fact for fact in world.facts() if len(fact["candidates"]) == 12]
    places = Counter(fact["candidates"].index(fact["object"]) for fact in facts)
    assert max(places.values()) < 0.25 * len(facts)


def test_timeline_of_a_subject_has_no_gap_and_no_object_twice(world):
    timelines = {}
    for fact in world.facts():
        timelines.setdefault(fact["subject_id"], []).append(fact)
    for timeline in timelines.values():
        assert len({fact["object"] for fact in timeline}) == len(timeline)
        for earlier, later in zip(timeline, timeline[1:], strict=False):
            assert DATES.index(later["first_date"]) == DATES.index(earlier["last_date"]) + 1
        assert all(fact["first_date"] <= fact["last_date"] for fact in timeline)


def test_last_fact_lasts_to_the_end_or_until_the_page_is_deleted(world):
    last = {fact["subject_id"]: fact["last_date"] for fact in world.facts()}
    for entity in world.entities:
        expected = DATES[-1] if entity.gone is None else DATES[entity.gone - 1]
        assert last[entity.page_id] == expected


def test_shares_of_change_are_as_configured():
    world = make(pages=3000, updated_share=0.3, new_share=0.1, edited_share=0.05)
    for date in range(1, len(DATES)):
        standing = [entity for entity in world.entities if entity.exists(date - 1)]
        updated = sum(any(s.since == date for s in entity.statements) for entity in standing)
        assert updated / len(standing) == pytest.approx(0.3, abs=0.01)
        assert sum(e.since == date for e in world.entities) == pytest.approx(100, abs=4)
        for edited in (
            sum(date in entity.touched for entity in standing),
            sum(entity.moved == date for entity in standing),
            sum(entity.gone == date for entity in standing),
        ):
            assert edited / len(standing) == pytest.approx(0.05, abs=0.002)


def test_no_share_means_no_change_of_that_kind():
    world = make(updated_share=0.0, new_share=0.0)
    assert {entity.since for entity in world.entities} == {0}
    assert {len(entity.statements) for entity in world.entities} == {1}


def test_an_object_of_a_fact_stands_and_was_in_the_first_snapshot(world):
    for entity in world.entities:
        for statement in entity.statements:
            assert statement.object.since == 0
            assert statement.object.exists(statement.since)


@pytest.mark.parametrize("pages", [200, 1000, 10_000])
def test_pages_scale_the_first_snapshot(pages, domain):
    world = make(dates=DATES[:2], pages=pages, domain=domain)
    articles = 3 * sum(entity.exists(0) for entity in world.entities)
    assert articles == pytest.approx(pages, abs=3 * len(world.domain.types) // 2)


def test_an_earlier_date_does_not_change_when_a_later_one_is_added(world, domain):
    shorter = make(dates=DATES[:2], domain=domain)
    subjects = [entity.name for entity in world.entities if entity.since < 2]
    assert [entity.name for entity in shorter.entities] == subjects
    known = {(f["subject"], f["object"]) for f in world.facts() if f["first_date"] in DATES[:2]}
    assert {(f["subject"], f["object"]) for f in shorter.facts()} == known


def test_names_are_unique_and_none_is_part_of_another(world):
    names = [entity.name for entity in world.entities]
    assert len(set(names)) == len(names)
    everything = "\n".join(names)
    assert [name for name in names if everything.count(name) > 1] == []


def test_the_wordings_of_one_fact_differ_in_its_articles(world):
    for entity in world.entities:
        for statement in entity.statements:
            assert len(set(statement.wordings)) == 3


def every(months: int, years: int) -> list[str]:
    """The dates so many months apart over so many years, from the first of 2019 on."""
    return [f"{2019 + month // 12}{month % 12 + 1:02}01" for month in range(0, 12 * years + 1, months)]


def changes(world) -> dict[str, int]:
    """How much of each kind of change there is after the first date."""
    return {
        "updated": sum(len(entity.statements) - 1 for entity in world.entities),
        "new": sum(entity.since > 0 for entity in world.entities),
        "touched": sum(len(entity.touched) for entity in world.entities),
        "moved": sum(entity.moved is not None for entity in world.entities),
        "deleted": sum(entity.gone is not None for entity in world.entities),
    }


@settings(max_examples=25, deadline=None)
@given(
    pages=st.integers(200, 1500),
    seed=st.integers(0, 1000),
    years=st.integers(1, 3),
    updated=st.floats(0, 0.4),
    new=st.floats(0, 0.4),
    edited=st.floats(0, 0.04),
)
def test_monthly_quarterly_and_yearly_dates_bring_as_many_changes(pages, seed, years, updated, new, edited):
    shares = {"updated_share": updated, "new_share": new, "edited_share": edited}
    yearly, *others = (
        changes(make(every(months, years), pages=pages, seed=seed, **shares)) for months in (12, 6, 3, 1)
    )
    for found in others:
        # A subject that was given every object, or a lack of pages to delete, makes a change or two fall out.
        assert found == {
            kind: pytest.approx(number, rel=0.03, abs=2 * years) for kind, number in yearly.items()
        }


def test_changes_of_a_monthly_world_are_spread_over_its_months():
    dates = every(1, 2)
    world = make(dates)
    counts = Counter(s.since for entity in world.entities for s in entity.statements[1:])
    assert set(counts) == set(range(1, len(dates)))
    assert max(counts.values()) - min(counts.values()) <= 2


def test_half_a_year_brings_half_a_year_s_changes():
    whole, half = (changes(make(["20190101", end], pages=3000)) for end in ("20200101", "20190701"))
    assert half == {kind: pytest.approx(number / 2, abs=4) for kind, number in whole.items()}


def test_two_years_between_two_dates_bring_two_years_changes():
    one, two = (changes(make(["20190101", end], pages=3000)) for end in ("20200101", "20210101"))
    assert two == {kind: pytest.approx(2 * number, abs=8) for kind, number in one.items()}


def test_a_monthly_world_never_gives_a_subject_an_object_twice():
    world = make(every(1, 3), pages=200, updated_share=0.6)
    for entity in world.entities:
        held = [statement.object.page_id for statement in entity.statements]
        assert len(set(held)) == len(held)
        since = [statement.since for statement in entity.statements]
        assert since == sorted(set(since))
        assert all(entity.exists(date) for date in since)


def test_every_month_of_the_default_world_brings_new_pages(domain):
    world = make(every(1, 2), domain=domain)
    counts = Counter(entity.since for entity in world.entities)
    assert {counts[date] for date in range(1, 25)} == {2, 3}
