import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgl.core.errors import TglError
from tgl.plans.plan import Phase, Plan, load_plan, save_plan

quick = settings(deadline=None, derandomize=True, max_examples=100)
GOOD = {"method": "mine", "multipliers": {"block00.mlp": 1}}
NAMES = ["block00.attention", "block00.mlp", "block01.attention"]


def phase(start, *multipliers):
    return {"from": start, "multipliers": dict(zip(NAMES, multipliers, strict=False))}


def of(saved_phase):
    """Return the phase that a file's entry of `later` stands for."""
    return Phase(saved_phase["from"], saved_phase["multipliers"])


def phased(*starts):
    """Return a plan whose phase k, from 0, has its first multiplier k."""
    first = dict(zip(NAMES, (0.0, 1.0, 0.5), strict=True))
    later = [phase(start, number + 1.0, 1.0, 0.5) for number, start in enumerate(starts)]
    phases = tuple(of(own) for own in later)
    return Plan("mine", 1.0, first, "window", 5, 9, "a note", phases)


def saved(folder, content):
    path = folder / "plan.json"
    path.write_text(json.dumps(content))
    return path


def refused(path):
    with pytest.raises(TglError) as caught:
        load_plan(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).replace(str(path), "")


def test_a_plan_written_by_hand_needs_only_method_and_multipliers(tmp_path):
    plan = load_plan(
        saved(tmp_path, {"method": "mine", "multipliers": {"block00.mlp": 1, "block01.mlp": 0.5}})
    )
    assert plan == Plan("mine", 0.0, {"block00.mlp": 1, "block01.mlp": 0.5}, "", 0, 0, "", ())
    assert plan.of("embedding") == 0
    assert plan.trained() == {"block00.mlp", "block01.mlp"}


def test_phases_can_be_written_by_hand(tmp_path):
    later = [phase(0.25, 0, 1), phase(0.5, 1, 0)]
    plan = load_plan(
        saved(tmp_path, {"method": "mine", "multipliers": phase(0, 1, 0)["multipliers"], "later": later})
    )
    assert [{"from": own.start, "multipliers": own.multipliers} for own in plan.later] == later
    assert [start for start, _ in plan.schedule(100)] == [0, 25, 50]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"method": "mine"}, "multipliers"),
        ({"multipliers": {}}, "method"),
        (GOOD | {"embeding": 1}, "embeding"),
        (GOOD | {"multipliers": {"block00.mlp": -1}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": "1"}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": True}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": None}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": math.nan}}, "block00.mlp"),
        (GOOD | {"multipliers": {"block00.mlp": math.inf}}, "block00.mlp"),
        (GOOD | {"multipliers": ["block00.mlp"]}, "multipliers"),
        (GOOD | {"multipliers": None}, "multipliers"),
        (GOOD | {"multipliers": {"block00.mlp": 1, "embedding": "x"}}, "embedding"),
        (GOOD | {"embedding": "trained"}, "embedding"),
        (GOOD | {"embedding": -0.5}, "embedding"),
        (["block00.mlp"], "an object"),
        (3, "int"),
    ],
)
def test_a_bad_plan_is_refused_with_its_file_and_key(tmp_path, content, named):
    assert named in refused(saved(tmp_path, content))


@pytest.mark.parametrize(
    ("key", "value"), [("method", 3), ("method", None), ("note", 5), ("trainable_parameters", "many")]
)
def test_a_value_of_a_wrong_type_is_refused_with_its_key(tmp_path, key, value):
    assert key in refused(saved(tmp_path, GOOD | {key: value}))


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


def test_a_file_that_is_no_json_or_missing_is_refused(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    for name in ("bad.json", "missing.json", "bytes.json"):
        with pytest.raises(TglError, match=f"{name}: (not valid JSON|no such file).*expected"):
            load_plan(tmp_path / name)


def test_a_saved_plan_with_phases_loads_as_it_was(tmp_path):
    plan = phased(0.25, 0.5)
    save_plan(plan, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan
    assert (tmp_path / "plan.json").read_text().endswith("}\n")


def test_an_unknown_sublayer_is_refused_with_the_nearest_name_and_those_there_are():
    with pytest.raises(
        TglError, match=r"did you mean 'block00\.mlp'.*holds 3: block00\.attention, block00\.mlp"
    ):
        phased().of("block0.mlp")


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


def test_the_mean_rate_weighs_sublayers_by_their_parameters():
    sizes = dict(zip(NAMES, (100, 300, 600), strict=True))
    plan = Plan(
        "mine",
        1.0,
        dict(zip(NAMES, (0.0, 1.0, 0.5), strict=True)),
        later=(of(phase(0.5, 1, 1, 1)),),
    )
    assert plan.mean_rate(sizes) == pytest.approx(0.6)  # of the first phase
    assert plan.mean_rate(sizes | {"embedding": 9000}) == pytest.approx(0.6)  # the embedding is outside


def test_a_later_phase_that_trains_nothing_is_refused_when_it_is_read(tmp_path):
    raw = {"method": "mine", "multipliers": {"a": 1.0}, "later": [{"from": 0.5, "multipliers": {"a": 0.0}}]}
    (tmp_path / "plan.json").write_text(json.dumps(raw))
    with pytest.raises(TglError, match=r"later\[0\].multipliers: every multiplier is 0"):
        load_plan(tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text(json.dumps(raw | {"embedding": 1.0}))
    assert load_plan(tmp_path / "plan.json").schedule(4)[1][1].embedding == 1.0


@pytest.mark.parametrize(
    "text", ["[" * 5000, '{"a":' * 5000, '{"method": "\\ud800", "multipliers": {}}', "1" * 5000]
)
def test_json_that_nothing_can_be_done_with_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    assert "not valid JSON" in refused(tmp_path / "plan.json")


def test_a_multiplier_too_large_for_a_float_is_refused(tmp_path):
    assert "block00.mlp" in refused(saved(tmp_path, GOOD | {"multipliers": {"block00.mlp": 10**400}}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, True, "1", None])
def test_a_plan_made_by_hand_is_checked_as_one_from_a_file(tmp_path, value):
    plan = Plan("hand", 0.0, {"block00.attention": value, "block00.mlp": 1.0})
    for use in (plan.check, lambda: plan.schedule(10), lambda: save_plan(plan, tmp_path / "p.json")):
        with pytest.raises(
            TglError, match=r"plan 'hand': multiplier of 'block00\.attention' must be a number"
        ):
            use()


@pytest.mark.parametrize(
    "later", [[Phase(0.5, {"a": 1.0})], ({"from": 0.5, "multipliers": {"a": 1.0}},), None]
)
def test_phases_of_another_kind_are_refused_with_what_is_expected(later):
    plan = Plan("hand", 0.0, {"a": 1.0}, later=later)
    with pytest.raises(
        TglError, match=r"plan 'hand': later: expected a tuple of phases \(tgl\.plans\.plan\.Phase\)"
    ):
        plan.check()


def test_a_key_written_twice_in_a_plan_is_refused(tmp_path):
    (tmp_path / "p.json").write_text('{"method": "hand", "multipliers": {"a": 1, "a": 0}}')
    with pytest.raises(TglError, match=r"p\.json: not valid JSON \(the key 'a' is written twice\)"):
        load_plan(tmp_path / "p.json")


def test_a_plan_saves_and_loads_itself(tmp_path):
    plan = phased(0.5)
    plan.save(tmp_path / "method.json")
    save_plan(plan, tmp_path / "function.json")
    assert (tmp_path / "method.json").read_bytes() == (tmp_path / "function.json").read_bytes()
    assert Plan.load(tmp_path / "method.json") == plan
    assert Plan.load(str(tmp_path / "method.json")) == load_plan(tmp_path / "method.json")


def test_the_methods_of_a_plan_refuse_what_the_functions_refuse(tmp_path):
    with pytest.raises(TglError, match=r"missing\.json: no such file"):
        Plan.load(tmp_path / "missing.json")
    with pytest.raises(TglError, match=r"plan 'hand': multiplier of 'a'"):
        Plan("hand", 0.0, {"a": -1.0}).save(tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_shows_how_many_sublayers_it_trains():
    assert repr(Plan("mine", 0.0, {"a": 1.0, "b": 0.0})) == "<Plan mine: trains 1 of 2 sublayers>"
    assert repr(Plan("none", 1.0, {})) == "<Plan none: trains 0 of 0 sublayers>"
    # Those that any phase trains.
    assert repr(phased(0.25, 0.5)) == "<Plan mine: trains 3 of 3 sublayers, 3 phases>"


def cells(html, kind):
    return re.findall(rf"<{kind}>(.*?)</{kind}>", html)


def test_a_plan_is_a_table_in_a_notebook():
    html = phased(0.25, 0.5)._repr_html_()
    assert cells(html, "th") == ["mine", "from 0%", "from 25%", "from 50%"]
    rows = [cells(row, "td") for row in cells(html, "tr")[1:]]
    assert rows == [
        ["block00.attention", "0", "1", "2"],
        ["block00.mlp", "1", "1", "1"],
        ["block01.attention", "0.5", "0.5", "0.5"],
    ]


def test_names_in_the_table_of_a_plan_are_text():
    html = Plan("<b>", 0.0, {"<script>": 1 / 3})._repr_html_()
    assert cells(html, "th")[0] == "&lt;b&gt;"
    assert cells(html, "td") == ["&lt;script&gt;", "0.333"]
