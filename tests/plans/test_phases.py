"""Phases of a plan: how they are written, refused and scheduled."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.plans.written_plans import NAMES, of, phase, phased, refused, saved
from tgl.core.errors import TglError
from tgl.plans.plan import Phase, Plan, load_plan, save_plan

quick = settings(deadline=None, derandomize=True, max_examples=100)


def test_phases_can_be_written_by_hand(tmp_path):
    later = [phase(0.25, 0, 1), phase(0.5, 1, 0)]
    plan = load_plan(
        saved(tmp_path, {"method": "mine", "multipliers": phase(0, 1, 0)["multipliers"], "later": later})
    )
    assert [{"from": own.start, "multipliers": own.multipliers} for own in plan.later] == later
    assert [start for start, _ in plan.schedule(100)] == [0, 25, 50]


MANY = {f"block{number:02d}.mlp": 1 for number in range(9)}


@pytest.mark.parametrize(
    ("later", "words"),
    [
        ({"from": 0.5}, ["later: expected a list of phases, found {'from': 0.5}"]),
        (None, ["later: expected a list of phases, found None"]),
        ([3], ["later[0]: expected the keys from and multipliers, found 3"]),
        ([{"from": 0.5}], ["later[0]: expected the keys from and multipliers", "{'from': 0.5}"]),
        ([{"multipliers": MANY}], ["later[0]: expected the keys from and multipliers"]),
        ([{"from": 0.5, "multipliers": MANY, "to": 1}], ["later[0]: expected the keys", "'to': 1"]),
        (
            [{"from": 0, "multipliers": MANY}],
            ["later[0].from: expected a share", "above 0.0 and below 1, found 0"],
        ),
        ([{"from": 1, "multipliers": MANY}], ["later[0].from:", "below 1, found 1"]),
        ([{"from": -0.5, "multipliers": MANY}], ["later[0].from:", "found -0.5"]),
        ([{"from": True, "multipliers": MANY}], ["later[0].from:", "found True"]),
        ([{"from": "half", "multipliers": MANY}], ["later[0].from:", "found 'half'"]),
        ([{"from": math.nan, "multipliers": MANY}], ["later[0].from:", "found nan"]),
        (
            [{"from": 0.5, "multipliers": MANY}, {"from": 0.4, "multipliers": MANY}],
            ["later[1].from:", "above 0.5 and below 1, found 0.4"],
        ),
        (
            [{"from": 0.5, "multipliers": MANY}, {"from": 0.5, "multipliers": MANY}],
            ["later[1].from:", "above 0.5 and below 1, found 0.5"],
        ),
        ([{"from": 0.5, "multipliers": [1]}], ["later[0].multipliers must be an object of sublayer names"]),
        (
            [{"from": 0.5, "multipliers": MANY | {"embedding": 1}}],
            ["later[0].multipliers", "without 'embedding'"],
        ),
        (
            [{"from": 0.5, "multipliers": MANY | {"block03.mlp": -1}}],
            ["'block03.mlp'", "from 0 on, found -1"],
        ),
        (
            [{"from": 0.5, "multipliers": {"block00.mlp": 1, "block7.mlp": 1}}],
            ["later[0].multipliers: names other sublayers than the first phase: block01.mlp, block02.mlp"],
        ),
    ],
)
def test_a_bad_phase_is_refused_with_its_number_and_what_was_found(tmp_path, later, words):
    found = refused(saved(tmp_path, {"method": "mine", "multipliers": MANY, "later": later}))
    for word in words:
        assert word in found


def test_of_two_lists_of_sublayers_that_differ_much_only_some_names_are_told(tmp_path):
    later = [{"from": 0.5, "multipliers": {}}]
    found = refused(saved(tmp_path, {"method": "mine", "multipliers": MANY, "later": later}))
    assert found.count(".mlp") == 5


def test_a_saved_plan_with_phases_loads_as_it_was(tmp_path):
    plan = phased(0.25, 0.5)
    save_plan(plan, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan
    assert (tmp_path / "plan.json").read_text().endswith("}\n")


def test_what_is_trained_is_what_any_phase_trains():
    plan = Plan(
        "mine",
        0.0,
        phase(0, 1, 0, 0)["multipliers"],
        later=(of(phase(0.5, 0, 0, 0.1)),),
    )
    assert plan.trained() == {NAMES[0], NAMES[2]}
    assert plan.of(NAMES[2]) == 0  # the first phase's


shares = st.lists(st.floats(0.001, 0.999), max_size=6, unique=True).map(sorted)


@quick
@given(shares, st.integers(1, 60))
def test_phases_cover_a_run_once_each_from_its_share_on(starts, steps):
    found = phased(*starts).schedule(steps)
    firsts = [first for first, _ in found]
    assert firsts[0] == 0
    assert firsts == sorted(set(firsts))
    assert firsts[-1] < steps
    for step in range(steps):
        begun = [number for number, share in enumerate([0.0, *starts]) if round(share * steps) <= step]
        own = [plan for first, plan in found if first <= step][-1]
        assert own.multipliers[NAMES[0]] == begun[-1]


@quick
@given(shares, st.integers(1, 60))
def test_a_phase_is_a_plan_of_its_own_with_the_same_embedding(starts, steps):
    plan = phased(*starts)
    for _, own in plan.schedule(steps):
        assert own.later == ()
        assert (own.method, own.embedding, own.denominator) == ("mine", 1.0, "window")


def test_a_plan_without_phases_is_one_phase_of_itself():
    assert phased().schedule(7) == [(0, phased())]


def test_phases_too_short_for_a_step_are_left_out():
    starts = (0.01, 0.5, 0.55, 0.99)
    assert [(first, own.multipliers[NAMES[0]]) for first, own in phased(*starts).schedule(4)] == [
        (0, 1),
        (2, 3),
    ]


def test_making_phases_leaves_the_plan_as_it_was():
    plan = phased(0.5)
    plan.schedule(10)
    assert plan == phased(0.5)


def test_a_later_phase_that_trains_nothing_is_refused_when_it_is_read(tmp_path):
    raw = {"method": "mine", "multipliers": {"a": 1.0}, "later": [{"from": 0.5, "multipliers": {"a": 0.0}}]}
    (tmp_path / "plan.json").write_text(json.dumps(raw))
    with pytest.raises(TglError, match=r"later\[0\].multipliers: every multiplier is 0"):
        load_plan(tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text(json.dumps(raw | {"embedding": 1.0}))
    assert load_plan(tmp_path / "plan.json").schedule(4)[1][1].embedding == 1.0


@pytest.mark.parametrize(
    "later", [[Phase(0.5, {"a": 1.0})], ({"from": 0.5, "multipliers": {"a": 1.0}},), None]
)
def test_phases_of_another_kind_are_refused_with_what_is_expected(later):
    plan = Plan("hand", 0.0, {"a": 1.0}, later=later)
    with pytest.raises(
        TglError, match=r"plan 'hand': later: expected a tuple of phases \(tgl\.plans\.plan\.Phase\)"
    ):
        plan.check()
