import pytest

from tests.model_fixtures import tiny_model, tiny_tokenizer
from tgl.config import PlanConfig
from tgl.errors import TglError
from tgl.plans.plan import load_plan
from tgl.plans.spectrum import sublayer_ratios
from tgl.plans.stage import plan_from, ranking, units_of, write_plan
from tgl.tables import write_table
from tgl.train.checkpoint import save_model

NORMS = {"block00.attention": 2.0, "block00.mlp": 1.0, "block01.attention": 6.0, "block01.mlp": 3.0}


def row(sublayer, relative_norm, weights="trained", group="updated", denominator="window"):
    return {
        "weights": weights, "group": group, "denominator": denominator, "sublayer": sublayer,
        "block": -1 if sublayer == "all" else int(sublayer[5:7]), "part": sublayer.split(".")[-1],
        "num_parameters": 100, "num_examples": 4, "num_denominator_examples": 4, "mean_norm": 1.0,
        "norm_of_mean": 1.0, "relative_norm": relative_norm, "low": 0.5, "high": 9.0, "above_mean": 0.5,
    }  # fmt: skip


@pytest.fixture
def profile(tmp_path):
    # Every other row points at other sublayers: a plan that mixes them up differs.
    rows = [row(name, value) for name, value in NORMS.items()] + [row("all", 100.0)]
    for other in (
        {"weights": "random"},
        {"group": "unchanged"},
        {"group": "shuffled.updated"},
        {"denominator": "matched_span"},
    ):
        rows += [row(name, 10 - value, **other) for name, value in NORMS.items()]
    write_table(rows, tmp_path / "profile.parquet", "profile")
    return tmp_path / "profile.parquet"


def test_the_plan_uses_trained_weights_the_chosen_group_and_denominator_only(profile, tmp_path):
    write_plan(profile, "tgl_fp", PlanConfig(), 0, tmp_path / "plan.json")
    plan = load_plan(tmp_path / "plan.json")
    assert list(plan.multipliers) == list(NORMS)
    assert plan.trained() == {"block01.attention"}
    assert (plan.denominator, plan.total_parameters, plan.trainable_parameters) == ("window", 400, 100)


def test_another_denominator_gives_another_plan(profile, tmp_path):
    write_plan(profile, "tgl_fp", PlanConfig(denominator="matched_span"), 0, tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json").trained() == {"block00.attention", "block00.mlp"}


def test_the_plan_s_name_goes_before_the_configuration(profile, tmp_path):
    """`tgl_fp.matched_span` is ranked over matched spans, whatever the configuration says, and says so."""
    settings = PlanConfig(denominator="window", salient="updated")
    write_plan(profile, "tgl_fp.matched_span", settings, 0, tmp_path / "plan.json")
    plan = load_plan(tmp_path / "plan.json")
    assert plan.trained() == {"block00.attention", "block00.mlp"}
    assert plan.denominator == "matched_span"
    settings = PlanConfig(denominator="unchanged", salient="new_entity")
    assert ranking("tgl_fp.matched_span", settings) == ("new_entity", "matched_span")
    assert ranking("tgl_fp.updated", settings) == ("updated", "unchanged")
    assert ranking("full", settings) == ("new_entity", "unchanged")


def test_the_plan_is_told_as_a_table(profile, tmp_path):
    text = write_plan(profile, "tgl_alr", PlanConfig(embedding="trained"), 0, tmp_path / "plan.json")
    line = next(line for line in text.splitlines() if line.startswith("block01.attention"))
    assert line.split() == ["block01.attention", "100", "6.000", "2.000"]
    assert "400 of 400 parameters" in text
    assert "embedding trained" in text


def test_each_phase_is_a_column_of_its_own(profile, tmp_path):
    text = write_plan(profile, "lisa", PlanConfig(), 0, tmp_path / "plan.json")
    plan = load_plan(tmp_path / "plan.json")
    head, *lines = text.splitlines()
    assert head.split()[-9:] == ["multiplier", "from", "20%", "from", "40%", "from", "60%", "from", "80%"]
    for line, name in zip(lines, NORMS, strict=False):
        values = [plan.multipliers[name], *(phase["multipliers"][name] for phase in plan.later)]
        assert line.split() == [name, "100", f"{NORMS[name]:.3f}", *(f"{value:.3f}" for value in values)]


def test_a_note_of_the_plan_is_told(profile, tmp_path):
    text = write_plan(profile, "inverse", PlanConfig(), 0, tmp_path / "plan.json")
    assert text.endswith(f"embedding frozen. {load_plan(tmp_path / 'plan.json').note}")


def test_spectrum_looks_at_the_model_that_is_handed_over(profile, tmp_path):
    model = tiny_model(seed=3)
    save_model(model, tiny_tokenizer(), tmp_path / "model")
    write_plan(profile, "spectrum.top50", PlanConfig(), 0, tmp_path / "plan.json", tmp_path / "model")
    ratios = sublayer_ratios(model)
    assert load_plan(tmp_path / "plan.json").trained() == set(sorted(NORMS, key=ratios.get)[2:])
    with pytest.raises(TglError, match=r"plan 'spectrum'.*--model FOLDER"):
        write_plan(profile, "spectrum", PlanConfig(), 0, tmp_path / "other.json")


def test_no_other_plan_opens_the_model(profile, tmp_path):
    for method in ("tgl_fp", "random", "lisa"):
        write_plan(profile, method, PlanConfig(), 0, tmp_path / "plan.json", tmp_path / "nowhere")


def test_spectrum_of_another_model_than_the_profiled_one_is_refused(tmp_path):
    rows = [row(f"block{number:02d}.mlp", 1.0) for number in range(9)]
    with pytest.raises(TglError, match=r"block02\.mlp"):
        plan_from(rows, "spectrum", PlanConfig(), 0, "somewhere", tiny_model())


def test_a_group_that_the_profile_lacks_is_refused(profile, tmp_path):
    with pytest.raises(TglError, match=r"no relative norm of 'new_entity' over 'window'"):
        write_plan(profile, "tgl_fp", PlanConfig(salient="new_entity"), 0, tmp_path / "plan.json")
    with pytest.raises(
        TglError, match=r"of 'updated' over 'unchanged', which the plan 'tgl_fp\.unchanged' asks for"
    ):
        write_plan(profile, "tgl_fp.unchanged", PlanConfig(), 0, tmp_path / "plan.json")
    assert not (tmp_path / "plan.json").exists()


def test_the_units_of_a_plan_are_those_of_its_group_without_the_mean_and_the_embedding():
    rows = [row(name, value) for name, value in NORMS.items()]
    rows += [row("all", 100.0), row("block00.mlp", 50.0, group="matched_span.updated")]
    rows.append({**row("block00.mlp", 60.0), "sublayer": "embedding"})
    found = units_of(rows, "full", PlanConfig(), "somewhere")
    assert [(unit.name, unit.num_parameters, unit.relative_norm) for unit in found] == [
        (name, 100, value) for name, value in NORMS.items()
    ]
    with pytest.raises(TglError, match=r"^somewhere: no relative norm of 'updated' over 'unchanged'"):
        units_of(rows, "full", PlanConfig(denominator="unchanged"), "somewhere")
