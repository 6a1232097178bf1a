import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.profiling.test_plain_text import encoded
from tests.support.model_fixtures import BLOCK, TEXTS, probe, some_probes, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.core.vocabulary import CONTROLS, PROFILED_KINDS, SALIENT_KINDS, kind_of
from tgl.evaluate.spans import SpanError, span_tokens
from tgl.profiling.groups import choose, make_groups, shuffled_answers
from tgl.profiling.settings import ProfileConfig

quick = settings(deadline=None, max_examples=50)
PERIOD = "20200101"
NAMES = {*PROFILED_KINDS, "window", *(f"{control}.{kind}" for control in CONTROLS for kind in SALIENT_KINDS)}


@functools.cache
def stream():
    return encoded(TEXTS)


def made(rows, period=PERIOD, length=BLOCK, **changes):
    chosen = ProfileConfig(**{"examples": 8, "window_tokens": 20, **changes})
    return make_groups(rows, stream(), tiny_tokenizer(), period=period, settings=chosen, length=length)


def identities(probes):
    return [row["id"] for row in probes]


def answer(row):
    return row["text"][row["span_start"] : row["span_end"]]


def own_probes(count=6, kind="updated", **changes):
    return [
        probe(f"{kind}{number}", f"{name} lives in {city}", city, kind=kind, split="validation", **changes)
        for number, (name, city) in enumerate(
            [("Anna Berg", "Oslo"), ("Carl Dahl", "Paris"), ("Eva Falk", "Lisbon")] * (count // 3)
        )
    ]


def tokens_of(row):
    return span_tokens(tiny_tokenizer(), row["text"], (row["span_start"], row["span_end"]), max_length=BLOCK)


def test_only_validation_probes_of_the_kind_and_period_are_chosen():
    found = choose(some_probes(), "updated", PERIOD, most=99, seed=0)
    assert sorted(identities(found)) == [f"{PERIOD}-updated-validation-{number}" for number in range(3)]
    assert choose(some_probes(), "new", PERIOD, most=99, seed=0) == []


def test_without_a_period_the_probes_of_all_count():
    found = identities(choose(some_probes(), "updated", None, most=99, seed=0))
    assert sorted(found) == [f"{p}-updated-validation-{n}" for p in (PERIOD, "20210101") for n in range(3)]


def test_a_period_without_the_kind_gives_way_to_the_earliest_that_has_it():
    found = choose(some_probes(), "updated", "20190101", most=99, seed=0)
    assert {row["period"] for row in found} == {PERIOD}
    later = [row for row in some_probes() if (row["period"], row["kind"]) != (PERIOD, "updated")]
    assert {row["period"] for row in choose(later, "updated", PERIOD, most=99, seed=0)} == {"20210101"}


@quick
@given(st.integers(0, 10**6), st.integers(1, 30), st.randoms(use_true_random=False))
def test_the_choice_is_distinct_at_most_so_many_and_independent_of_the_order_of_rows(seed, most, shuffler):
    rows = [probe(f"p{number}", "Anna lives in Oslo", "Oslo", split="validation") for number in range(20)]
    found = identities(choose(rows, "updated", PERIOD, most=most, seed=seed))
    assert len(found) == len(set(found)) == min(most, 20)
    shuffler.shuffle(rows)
    assert identities(choose(rows, "updated", PERIOD, most=most, seed=seed)) == found


def test_the_choice_follows_the_seed():
    rows = [probe(f"p{number:02d}", "Anna lives in Oslo", "Oslo", split="validation") for number in range(40)]
    assert (
        len({tuple(identities(choose(rows, "updated", PERIOD, most=9, seed=seed))) for seed in range(4)}) == 4
    )


@quick
@given(st.integers(0, 10**6))
def test_a_shuffled_answer_is_wrong_of_the_same_relation_and_nothing_else_changes(seed):
    rows = [
        probe("a1", "Anna lives in Oslo now", "Oslo", answer_group="anna", candidates=[]),
        probe("a2", "Anna lives in Paris now", "Paris", answer_group="anna", candidates=[]),
        probe("b", "Eva lives in Lisbon now", "Lisbon", candidates=["Rome"]),
        probe("c", "Eva works for Acme now", "Acme", relation="firm", candidates=["Globex"]),
    ]
    right = {"anna": {"Oslo", "Paris"}, "b": {"Lisbon"}, "c": {"Acme"}}
    cities, firms = {"Oslo", "Paris", "Lisbon", "Rome"}, {"Acme", "Globex"}
    found = shuffled_answers(rows, rows, seed)
    assert identities(found) == identities(rows)
    for old, new in zip(rows, found, strict=True):
        assert answer(new) in (firms if old["relation"] == "firm" else cities) - right[old["answer_group"]]
        assert new["text"][: new["span_start"]] == old["text"][: old["span_start"]]
        assert new["text"][new["span_end"] :] == " now"


def test_shuffling_follows_the_seed_and_leaves_its_input_alone():
    rows = some_probes()
    before = [dict(row) for row in rows]
    assert len({tuple(row["text"] for row in shuffled_answers(rows, rows, seed)) for seed in range(3)}) == 3
    assert rows == before


def test_every_group_is_there_with_the_examples_of_its_probes():
    found = made(some_probes())
    assert set(found.groups) == NAMES
    rows = {row["id"]: row for row in some_probes()}
    for kind in PROFILED_KINDS:
        group = found.groups[kind]
        assert len(group.examples) == len(group.pairs) == 3
        assert group.examples == [tokens_of(rows[identity]) for identity in group.pairs]
        assert {rows[identity]["kind"] for identity in group.pairs} == {kind}
    windows = found.groups["window"]
    assert windows.pairs == []
    assert [(len(span.ids), span.first) for span in windows.examples] == [(20, 1)] * 8


def test_every_control_pairs_with_the_probe_that_it_is_a_control_of():
    found = made(own_probes() + own_probes(kind="new_entity"))
    assert not found.left_out
    for kind in SALIENT_KINDS:
        own = found.groups[kind]
        for control in CONTROLS:
            group = found.groups[f"{control}.{kind}"]
            assert group.pairs == own.pairs
            assert group.examples != own.examples
            for mine, its in zip(own.examples, group.examples, strict=True):
                if control == "shuffled":
                    assert its.ids[: its.first] == mine.ids[: mine.first]
                    assert its.ids[its.first :] != mine.ids[mine.first :]
                else:
                    assert (len(its.ids), its.first) == (len(mine.ids), mine.first)


def test_windows_are_no_longer_than_the_model_s_context():
    assert {len(span.ids) for span in made(some_probes(), length=14).groups["window"].examples} == {14}


def test_probes_that_cannot_be_used_are_left_out_with_reason_and_id():
    long = f"Anna lives in {'Paris ' * 40}"
    rows = [
        *own_probes(),
        probe("outside", "Anna lives in Oslo", "Oslo", split="validation", span_end=99),
        probe("empty", "Anna lives in Oslo", "Oslo", split="validation", span_end=14),
        probe("long", long, long[14:], split="validation"),
    ]
    found = made(rows, examples=20)
    left_out = {reason: set(ids) for reason, ids in found.left_out["updated"].items()}
    assert left_out == {
        "span outside its text": {"outside", "empty"},
        "span longer than the context": {"long"},
    }
    assert set(found.groups["updated"].pairs) == set(identities(own_probes()))


def test_a_span_without_tokens_is_left_out_with_its_reason(monkeypatch):
    def none(tokenizer, text, span, *, max_length):
        start, end = span
        if text.startswith("Anna Berg lives in Oslo"):
            raise SpanError("span holds no token", f"span [{start}, {end}) of {text!r} holds no token")
        return span_tokens(tokenizer, text, span, max_length=max_length)

    monkeypatch.setattr("tgl.profiling.groups.span_tokens", none)
    found = made(own_probes())
    assert sorted(found.left_out["updated"]["span holds no token"]) == ["updated0", "updated3"]
    assert "updated0" not in found.groups["updated"].pairs


def test_a_control_leaves_out_its_own_probes_and_still_lines_up():
    lonely = probe(
        "lonely", "Anna Berg sings in Oslo", "Oslo", relation="only", candidates=[], split="validation"
    )
    long = "Anna Berg lives in " + "Oslo and " * 4 + "Oslo"
    wide = probe("wide", long, long[19:], relation="also", candidates=["Rome"], split="validation")
    found = made([*own_probes(), lonely, wide], examples=20)
    assert found.left_out["shuffled.updated"] == {"no other answer in the relation": ["lonely"]}
    shuffled = found.groups["shuffled.updated"]
    assert shuffled.pairs == [identity for identity in found.groups["updated"].pairs if identity != "lonely"]
    # Nine tokens of capitalised words in a row are nowhere in the text.
    assert found.left_out["capitalised.updated"] == {"no such stretch of as many tokens": ["wide"]}
    own = dict(zip(found.groups["updated"].pairs, found.groups["updated"].examples, strict=True))
    group = found.groups["capitalised.updated"]
    assert [own[p].num_targets for p in group.pairs] == [e.num_targets for e in group.examples]
    assert group.pairs == [identity for identity in found.groups["updated"].pairs if identity != "wide"]


def test_a_kind_with_one_usable_probe_is_left_out_and_listed():
    found = made([own_probes()[0], *own_probes(kind="new_entity")])
    assert found.left_out == {"updated": {"the only one of its group": ["updated0"]}}
    assert set(found.groups) == {"new_entity", "window", *(f"{control}.new_entity" for control in CONTROLS)}


def test_a_kind_that_loses_its_probes_lists_all_of_them():
    rows = own_probes()[:2]
    rows[1]["span_end"] = 99
    found = made([*rows, *own_probes(kind="unchanged")])
    assert found.left_out["updated"] == {
        "span outside its text": ["updated1"],
        "the only one of its group": ["updated0"],
    }
    assert set(found.groups) == {"unchanged", "window"}  # kinds that are not traced have no controls


def test_a_control_of_one_example_is_left_out_and_listed():
    rows = own_probes(3)
    rows[0] |= {"candidates": ["Rome"]}
    for row in rows[1:]:
        row |= {"candidates": [], "relation": row["id"]}
    rows[0]["relation"] = "city"
    found = made(rows)
    assert "shuffled.updated" not in found.groups
    assert found.left_out["shuffled.updated"] == {
        "no other answer in the relation": ["updated1", "updated2"],
        "the only one of its group": ["updated0"],
    }


def test_no_kind_with_two_usable_probes_is_refused_with_what_there_is():
    rows = [{**row, "split": "test"} for row in own_probes(3)]
    with pytest.raises(TglError, match=rf"validation split of period {PERIOD}; found .*'updated': 4"):
        made([*rows, own_probes()[0]])
    with pytest.raises(TglError, match=r"validation split; found \{\} probes"):
        made([], period=None)


def test_counts_are_those_of_groups_and_of_what_was_left_out():
    rows = [*own_probes(), probe("outside", "Anna", "Anna", split="validation", span_end=99)]
    found = made([*rows, own_probes(kind="new_entity")[0]], examples=20)
    counts = found.counts()
    for name, group in found.groups.items():
        assert counts[f"{name}: examples"] == len(group.examples)
    assert counts["updated: span outside its text"] == 1
    assert counts["new_entity: the only one of its group"] == 1
    assert counts["updated: examples"] + counts["updated: span outside its text"] == len(rows)
    assert len(counts) == len(found.groups) + 2


@quick
@given(st.integers(0, 50), st.randoms(use_true_random=False))
def test_groups_do_not_depend_on_the_order_of_the_probes(seed, shuffler):
    rows = some_probes()
    found = made(rows, seed=seed)
    shuffler.shuffle(rows)
    again = made(rows, seed=seed)
    assert again.groups == found.groups
    assert again.left_out == found.left_out


def test_every_control_follows_the_seed():
    one, same, other = (made(own_probes(), seed=seed).groups for seed in (0, 0, 1))
    assert one == same
    for name in ("updated", "window", *(f"{control}.updated" for control in CONTROLS)):
        assert one[name] != other[name]


@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("updated", "updated"),
        ("shuffled.new_entity", "new_entity"),
        ("window", ""),
        ("unchanged", "unchanged"),
    ],
)
def test_a_control_is_of_the_kind_of_its_probes(group, kind):
    assert kind_of(group) == kind
