import json
from dataclasses import replace

import pytest

from tests.support.model_fixtures import RANKED, tiny_model, tiny_tokenizer
from tgl.core.errors import TglError
from tgl.core.tables.write import write_table
from tgl.models.checkpoint import save_model
from tgl.plans.plan import Phase, Plan, load_plan, save_plan
from tgl.plans.settings import PlanConfig
from tgl.plans.signal_to_noise import unit_ratios
from tgl.plans.stage import plan_from, ranking, units_of, write_plan

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
    write_plan(profile, "tgl_fp", tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    plan = load_plan(tmp_path / "plan.json")
    assert list(plan.multipliers) == list(NORMS)
    assert plan.trained() == {"block01.attention"}
    assert (plan.denominator, plan.total_parameters, plan.trainable_parameters) == ("window", 400, 100)


def test_another_denominator_gives_another_plan(profile, tmp_path):
    write_plan(
        profile, "tgl_fp", tmp_path / "plan.json", settings=PlanConfig(denominator="matched_span"), seed=0
    )
    assert load_plan(tmp_path / "plan.json").trained() == {"block00.attention", "block00.mlp"}


def test_the_plan_s_name_goes_before_the_configuration(profile, tmp_path):
    """`tgl_fp.matched_span` is ranked over matched spans, whatever the configuration says, and says so."""
    settings = PlanConfig(denominator="window", salient="updated")
    write_plan(profile, "tgl_fp.matched_span", tmp_path / "plan.json", settings=settings, seed=0)
    plan = load_plan(tmp_path / "plan.json")
    assert plan.trained() == {"block00.attention", "block00.mlp"}
    assert plan.denominator == "matched_span"
    settings = PlanConfig(denominator="unchanged", salient="new_entity")
    assert ranking("tgl_fp.matched_span", settings) == ("new_entity", "matched_span")
    assert ranking("tgl_fp.updated", settings) == ("updated", "unchanged")
    assert ranking("full", settings) == ("new_entity", "unchanged")


def test_the_plan_is_told_as_a_table(profile, tmp_path):
    text = write_plan(
        profile, "tgl_alr", tmp_path / "plan.json", settings=PlanConfig(embedding="trained"), seed=0
    )
    line = next(line for line in text.splitlines() if line.startswith("block01.attention"))
    assert line.split() == ["block01.attention", "100", "6.000", "2.000"]
    assert "400 of 400 parameters" in text
    assert "embedding trained" in text


def test_each_phase_is_a_column_of_its_own(profile, tmp_path):
    text = write_plan(profile, "lisa", tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    plan = load_plan(tmp_path / "plan.json")
    head, *lines = text.splitlines()
    assert head.split()[-9:] == ["multiplier", "from", "20%", "from", "40%", "from", "60%", "from", "80%"]
    for line, name in zip(lines, NORMS, strict=False):
        values = [phase.multipliers[name] for phase in plan.phases]
        assert line.split() == [name, "100", f"{NORMS[name]:.3f}", *(f"{value:.3f}" for value in values)]


def test_a_note_of_the_plan_is_told(profile, tmp_path):
    text = write_plan(profile, "inverse", tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    assert text.endswith(f"embedding frozen. {load_plan(tmp_path / 'plan.json').note}")


def test_spectrum_looks_at_the_model_that_is_handed_over(profile, tmp_path):
    model = tiny_model(seed=3)
    save_model(model, tiny_tokenizer(), tmp_path / "model")
    write_plan(
        profile,
        "spectrum.top50",
        tmp_path / "plan.json",
        settings=PlanConfig(),
        seed=0,
        model=tmp_path / "model",
    )
    ratios = unit_ratios(model, RANKED)
    assert load_plan(tmp_path / "plan.json").trained() == set(sorted(NORMS, key=ratios.get)[2:])
    with pytest.raises(TglError, match=r"plan 'spectrum'.*--model FOLDER"):
        write_plan(profile, "spectrum", tmp_path / "other.json", settings=PlanConfig(), seed=0)


def test_no_other_plan_opens_the_model(profile, tmp_path):
    for method in ("tgl_fp", "random", "lisa"):
        write_plan(
            profile, method, tmp_path / "plan.json", settings=PlanConfig(), seed=0, model=tmp_path / "nowhere"
        )


def test_spectrum_of_another_model_than_the_profiled_one_is_refused(tmp_path):
    rows = [row(f"block{number:02d}.mlp", 1.0) for number in range(9)]
    with pytest.raises(TglError, match=r"block02\.mlp"):
        plan_from(rows, "spectrum", PlanConfig(), seed=0, origin="somewhere", model=tiny_model())


def test_a_group_that_the_profile_lacks_is_refused(profile, tmp_path):
    with pytest.raises(TglError, match=r"no relative norm of 'new_entity' over 'window'"):
        write_plan(
            profile, "tgl_fp", tmp_path / "plan.json", settings=PlanConfig(salient="new_entity"), seed=0
        )
    with pytest.raises(
        TglError, match=r"of 'updated' over 'unchanged', which the plan 'tgl_fp\.unchanged' needs"
    ):
        write_plan(profile, "tgl_fp.unchanged", tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    assert not (tmp_path / "plan.json").exists()


def test_the_units_of_a_plan_are_those_of_its_group_without_the_mean_and_the_embedding():
    rows = [row(name, value) for name, value in NORMS.items()]
    rows += [row("all", 100.0), row("block00.mlp", 50.0, group="matched_span.updated")]
    rows.append({**row("block00.mlp", 60.0), "sublayer": "embedding"})
    found = units_of(rows, "full", PlanConfig(), origin="somewhere")
    assert [(unit.name, unit.num_parameters, unit.relative_norm) for unit in found] == [
        (name, 100, value) for name, value in NORMS.items()
    ]
    with pytest.raises(TglError, match=r"^somewhere: no relative norm of 'updated' over 'unchanged'"):
        units_of(rows, "full", PlanConfig(denominator="unchanged"), origin="somewhere")


# Plans written by hand


SIZES = dict(zip(NORMS, (100, 20, 3, 4000), strict=True))


@pytest.fixture
def sized(tmp_path):
    """Return a table `profile` of sublayers that each have another number of parameters."""
    rows = [row(name, value) | {"num_parameters": SIZES[name]} for name, value in NORMS.items()]
    write_table([*rows, row("all", 100.0)], tmp_path / "sized.parquet", "profile")
    return tmp_path / "sized.parquet"


def by_hand(folder, multipliers, **changes):
    """Write a plan as a person would, in a folder whose name has a plus sign; return the plan's name."""
    path = folder / "a+b" / "mine.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"method": "what I like", "multipliers": multipliers} | changes))
    return f"file:{path}"


def test_a_plan_by_hand_is_copied_with_its_name_and_the_parameters_it_trains(sized, tmp_path):
    multipliers = dict(zip(NORMS, (0.0, 0.5, 2.0, 0.0), strict=True))
    name = by_hand(tmp_path, multipliers, embedding=0.25, note="why not")
    text = write_plan(sized, name, tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    assert load_plan(tmp_path / "plan.json") == Plan(
        "file.mine", 0.25, multipliers, trainable_parameters=23, total_parameters=4123, note="why not"
    )
    line = next(line for line in text.splitlines() if line.startswith("block01.attention"))
    assert line.split() == ["block01.attention", "3", "6.000", "2.000"]
    assert text.endswith(
        "file.mine: 23 of 4,123 parameters of the sublayers trained (1%); embedding trained. why not"
    )


def test_neither_the_seed_nor_the_ranking_changes_a_plan_by_hand(profile, tmp_path):
    name = by_hand(tmp_path, dict(zip(NORMS, (0.0, 0.5, 2.0, 0.0), strict=True)))
    found = []
    for seed, settings in (
        (0, PlanConfig()),
        (7, PlanConfig(denominator="matched_span", embedding="trained")),
    ):
        write_plan(
            profile, name, tmp_path / "plan.json", settings=settings, seed=seed, model=tmp_path / "nowhere"
        )
        found.append(load_plan(tmp_path / "plan.json"))
    assert found[0] == found[1]
    assert found[0].embedding == 0


def test_the_phases_of_a_plan_by_hand_are_copied_and_told(sized, tmp_path):
    phases = [dict(zip(NORMS, values, strict=True)) for values in ((1.0, 0, 0, 0), (0, 0, 0, 1.5))]
    name = by_hand(tmp_path, phases[0], later=[{"from": 0.25, "multipliers": phases[1]}])
    text = write_plan(sized, name, tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    plan = load_plan(tmp_path / "plan.json")
    assert (plan.multipliers, plan.later) == (phases[0], (Phase(0.25, phases[1]),))
    assert text.splitlines()[0].split()[-3:] == ["multiplier", "from", "25%"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"block02.mlp": 1.0}, ["found multipliers of 5 sublayers, expected the 4", "block02.mlp"]),
        ({"block01.mlp": None}, ["found multipliers of 3 sublayers, expected the 4", "block01.mlp"]),
        (
            {"block01.mlp": None, "block1.mlp": 1.0},
            ["found multipliers of 4 sublayers", "block01.mlp, block1.mlp"],
        ),
    ],
)
def test_a_plan_by_hand_of_other_sublayers_is_refused_naming_them(profile, tmp_path, changes, named):
    given = {
        name: value for name, value in (dict.fromkeys(NORMS, 1.0) | changes).items() if value is not None
    }
    name = by_hand(tmp_path, given)
    with pytest.raises(TglError) as caught:
        write_plan(profile, name, tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    message = str(caught.value)
    assert message.startswith(name.removeprefix("file:") + ": ")
    assert str(profile) in message
    assert all(words in message for words in named)
    assert not (tmp_path / "plan.json").exists()


def test_a_plan_by_hand_is_checked_as_any_file(profile, tmp_path):
    name = by_hand(tmp_path, dict.fromkeys(NORMS, 1.0) | {"block01.mlp": -1})
    with pytest.raises(
        TglError, match=r"mine\.json: multiplier of 'block01\.mlp' must be a number from 0 on"
    ):
        write_plan(profile, name, tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    with pytest.raises(TglError, match=r"nowhere\.json: no such file"):
        write_plan(
            profile, f"file:{tmp_path}/nowhere.json", tmp_path / "plan.json", settings=PlanConfig(), seed=0
        )


def test_a_plan_that_was_made_can_be_given_by_hand_again(profile, tmp_path):
    write_plan(profile, "lisa", tmp_path / "made.json", settings=PlanConfig(), seed=3)
    made = load_plan(tmp_path / "made.json")
    save_plan(made, tmp_path / "again.json")
    write_plan(profile, f"file:{tmp_path}/again.json", tmp_path / "plan.json", settings=PlanConfig(), seed=0)
    again = load_plan(tmp_path / "plan.json")
    assert again == replace(made, method="file.again")
