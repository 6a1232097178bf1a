"""Plans: how they are written, read, refused and shown."""

import math
import re

import pytest

from tests.plans.written_plans import GOOD, NAMES, of, phase, phased, refused, saved
from tgl.core.errors import TglError
from tgl.plans.plan import Plan, load_plan, save_plan


def test_a_plan_written_by_hand_needs_only_method_and_multipliers(tmp_path):
    plan = load_plan(
        saved(tmp_path, {"method": "mine", "multipliers": {"block00.mlp": 1, "block01.mlp": 0.5}})
    )
    assert plan == Plan("mine", 0.0, {"block00.mlp": 1, "block01.mlp": 0.5}, "", 0, 0, "", ())
    assert plan.of("embedding") == 0
    assert plan.trained() == {"block00.mlp", "block01.mlp"}


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


def test_a_file_that_is_no_json_or_missing_is_refused(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    for name in ("bad.json", "missing.json", "bytes.json"):
        with pytest.raises(TglError, match=f"{name}: (not valid JSON|no such file).*expected"):
            load_plan(tmp_path / name)


def test_an_unknown_sublayer_is_refused_with_the_nearest_name_and_those_there_are():
    with pytest.raises(
        TglError, match=r"did you mean 'block00\.mlp'.*holds 3: block00\.attention, block00\.mlp"
    ):
        phased().of("block0.mlp")


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
