"""Profiles along a run of `tgl.train.continual`: the table `drift`, and plans made again before each period."""

import dataclasses

import pytest
import torch

from tests.support.model_fixtures import RANKED, parameters_by_unit, plan_of
from tests.train.continual_runs import (
    FIRST,
    PERIODS,
    SETTINGS,
    contents,
    go,
    killing,
    run_of,
    with_profile,
    write_inputs,
)
from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.evaluate.score import max_length
from tgl.models.checkpoint import load_model
from tgl.models.sublayers import EMBEDDING, sublayers
from tgl.models.tokenizer import load_tokenizer
from tgl.plans.plan import load_plan, save_plan
from tgl.plans.settings import PlanConfig
from tgl.plans.stage import plan_from
from tgl.profiling.groups import make_groups
from tgl.profiling.retrace import retrace
from tgl.text.tokens import read_stream
from tgl.train import continual
from tgl.train import period as of_period

EACH = with_profile(periods="each")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def finished(inputs, tmp_path_factory):
    """Return a function from (method, periods) to the finished run, made once."""
    runs = {}

    def of(method, periods):
        if (method, periods) not in runs:
            folder = tmp_path_factory.mktemp(f"{method}-{periods}")
            runs[method, periods] = run_of(inputs, folder, plan=inputs / f"{method}.json")
            go(runs[method, periods], with_profile(periods=periods))
        return runs[method, periods]

    return of


def drift_of(run):
    """Return {period: {sublayer: row}} of the table `drift`."""
    rows = read_table(run.tables["drift"], "drift").to_pylist()
    found = {period: {} for period in dict.fromkeys(row["period"] for row in rows)}
    for row in rows:
        found[row["period"]][row["sublayer"]] = row
    assert sum(map(len, found.values())) == len(rows)
    return found


def retraced(model, tokenizer, probes, stream, period, ratio=("updated", "window"), seed=0):
    """Return the rows of `profile` of one ratio that a model gives before a period."""
    groups = make_groups(
        probes, stream, tokenizer, period=period, settings=EACH.profile, length=max_length(model)
    ).groups
    return retrace(model, groups, ratio, names=(), period=period, resamples=EACH.profile.bootstrap, seed=seed)


def measured(run, salient="updated", denominator="window"):
    """Return the rows of `profile` of the first period's checkpoint, as seen before the second period."""
    folder = run.models[PERIODS[0]]
    probes = read_table(run.probes, "probes").to_pylist()
    stream = read_stream(run.base_tokens, "train")
    given = (load_model(folder), load_tokenizer(folder), probes, stream, PERIODS[1])
    return retraced(*given, (salient, denominator), run.seed)


def numbers(rows):
    fields = ("relative_norm", "low", "high")
    return {row["sublayer"]: tuple(row[name] for name in fields) for row in rows}


@pytest.mark.parametrize("method", ["full", "tgl_fp", "tgl_alr"])
@pytest.mark.parametrize("periods", ["first", "each"])
def test_drift_begins_with_the_base_model_s_profile_and_the_plan(finished, inputs, method, periods):
    run = finished(method, periods)
    first = drift_of(run)[PERIODS[0]]
    assert numbers(first.values()) == {name: (value, value / 2, value * 2) for name, value in FIRST.items()}
    assert {name: row["multiplier"] for name, row in first.items()} == load_plan(run.plan).multipliers


@pytest.mark.parametrize("method", ["tgl_fp", "tgl_alr"])
def test_with_one_profile_for_all_periods_only_training_of_everything_is_measured_again(finished, method):
    assert list(drift_of(finished(method, "first"))) == [PERIODS[0]]
    assert list(drift_of(finished("full", "first"))) == list(PERIODS)


@pytest.mark.parametrize(
    ("method", "periods"), [("full", "first"), ("full", "each"), ("tgl_fp", "each"), ("tgl_alr", "each")]
)
def test_later_profiles_are_those_of_the_checkpoint_before(finished, method, periods):
    run = finished(method, periods)
    second = drift_of(run)[PERIODS[1]]
    expected = numbers(row for row in measured(run) if row["sublayer"] in RANKED)
    assert list(second) == RANKED
    for name, row in numbers(second.values()).items():
        assert row == pytest.approx(expected[name], rel=1e-6), name
        assert row[0] != pytest.approx(FIRST[name], rel=1e-3)  # measured, not copied from the first


@pytest.mark.parametrize("method", ["full", "tgl_fp", "tgl_alr"])
def test_with_a_profile_before_each_period_later_plans_are_made_from_it(finished, method):
    run = finished(method, "each")
    expected = plan_from(measured(run), method, SETTINGS.plan, seed=run.seed, origin="")[0]
    found = {name: row["multiplier"] for name, row in drift_of(run)[PERIODS[1]].items()}
    assert found == pytest.approx(expected.multipliers, rel=1e-6)
    if method != "full":
        assert found != load_plan(run.plan).multipliers


def test_the_first_period_follows_the_plan_it_is_given_even_one_edited_by_hand(inputs, tmp_path):
    """Only later plans are made again, by the method that the plan names."""
    by_hand = plan_of([0.0, 0.5, 0.0, 1.0], method="tgl_alr")
    save_plan(by_hand, tmp_path / "plan.json")
    run = run_of(inputs, tmp_path, plan=tmp_path / "plan.json")
    go(run, EACH)
    first, second = drift_of(run).values()
    assert {name: row["multiplier"] for name, row in first.items()} == by_hand.multipliers
    expected = plan_from(measured(run), "tgl_alr", SETTINGS.plan, seed=run.seed, origin="")[0]
    assert {n: row["multiplier"] for n, row in second.items()} == pytest.approx(
        expected.multipliers, rel=1e-6
    )


def test_with_one_profile_for_all_periods_the_plan_of_everything_stays(finished):
    second = drift_of(finished("full", "first"))[PERIODS[1]]
    assert {row["multiplier"] for row in second.values()} == {1.0}


def test_measuring_again_does_not_change_how_everything_is_trained(finished):
    """A plan that trains every sublayer trains it in both settings alike, bit by bit."""
    one, other = contents(finished("full", "first")), contents(finished("full", "each"))
    assert one == other


def moved_units(before, after):
    left = dict(load_model(before).named_parameters())
    model = load_model(after)
    owner = parameters_by_unit(model)
    return {owner[name] for name, p in model.named_parameters() if not torch.equal(p, left[name])}


def test_each_period_moves_the_sublayers_of_its_own_plan_and_no_other_bit(finished):
    run = finished("tgl_fp", "each")
    folders = [run.base_model, *(run.models[period] for period in PERIODS)]
    plans = [{name for name, row in rows.items() if row["multiplier"] > 0} for rows in drift_of(run).values()]
    assert plans[0] == {RANKED[2]}
    assert plans[1] != plans[0]  # else this test would not tell one plan from the other
    assert [moved_units(*pair) for pair in zip(folders, folders[1:], strict=False)] == plans


def test_rates_are_those_of_the_period_s_own_plan(finished):
    run = finished("tgl_alr", "each")
    rates = read_table(run.tables["rates"], "rates").to_pandas()
    peak = rates.groupby(["period", "sublayer"])["learning_rate"].max()
    for period, rows in drift_of(run).items():
        for name, row in rows.items():
            assert peak[period, name] == pytest.approx(run.learning_rate * row["multiplier"], rel=1e-6)
        assert peak[period, EMBEDDING] == 0


@pytest.mark.parametrize("call", [3, 5, 8])  # in the first period, between the two, in the second
def test_an_interrupted_run_that_plans_anew_goes_on_with_the_same_plans(
    finished, inputs, tmp_path, monkeypatch, call
):
    whole = finished("tgl_fp", "each")
    run = run_of(inputs, tmp_path, plan=inputs / "tgl_fp.json")
    with monkeypatch.context() as patch:
        killing(patch, call)
        with pytest.raises(KeyboardInterrupt):
            go(run, EACH)
    said = go(run, EACH)
    assert (f"period {PERIODS[0]}: already done" in said) == (call >= 5)
    assert contents(run) == contents(whole)


@pytest.mark.parametrize(
    ("module", "where"), [(of_period, "write_table"), (continual, "_publish"), (continual, "write_table")]
)
def test_an_interruption_while_a_period_is_written_gives_the_same_bytes(
    finished, inputs, tmp_path, monkeypatch, module, where
):
    run = run_of(inputs, tmp_path, plan=inputs / "tgl_fp.json")

    def killed(*given, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, where, killed)
        with pytest.raises(KeyboardInterrupt):
            go(run, EACH)
    go(run, EACH)
    assert contents(run) == contents(finished("tgl_fp", "each"))


def test_a_changed_profile_is_noticed(inputs, tmp_path, monkeypatch):
    profile = tmp_path / "profile.parquet"
    profile.write_bytes((inputs / "profile.parquet").read_bytes())
    run = run_of(inputs, tmp_path, plan=inputs / "tgl_fp.json", profile=profile)
    with monkeypatch.context() as patch:
        killing(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    table = read_table(profile, "profile").to_pandas()
    continual.write_table(table.assign(above_mean=0.25), profile, "profile")
    assert any("(profile)" in text for text in go(run))


def test_retracing_measures_what_the_plan_asks_for_and_nothing_else(finished):
    run = finished("full", "first")
    rows = measured(run, "new_entity", "matched_span")
    assert {(row["weights"], row["group"], row["denominator"]) for row in rows} == {
        ("trained", "new_entity", "matched_span")
    }
    assert [row["sublayer"] for row in rows] == [*RANKED, "all"]


def test_retracing_asks_the_period_s_own_questions(finished):
    run = finished("full", "first")
    folder, stream = run.models[PERIODS[0]], read_stream(run.base_tokens, "train")
    probes = read_table(run.probes, "probes").to_pylist()
    given = (load_model(folder), load_tokenizer(folder))
    found = [numbers(retraced(*given, probes, stream, period)) for period in PERIODS]
    assert all(found[0][name] != pytest.approx(found[1][name], rel=1e-3) for name in RANKED)


def test_retracing_without_the_plan_s_group_says_which_is_missing(inputs):
    model, tokenizer = load_model(inputs / "base"), load_tokenizer(inputs / "base")
    stream = read_stream(inputs / "base.parquet", "train")
    probes = read_table(inputs / "probes.parquet", "probes").to_pylist()
    rest = [probe for probe in probes if probe["kind"] != "updated"]
    with pytest.raises(TglError, match=f"period {PERIODS[1]}: no 'updated' over 'window' in .*'new_entity'"):
        retraced(model, tokenizer, rest, stream, PERIODS[1])
    rest = [probe for probe in probes if probe["kind"] == "updated"]
    with pytest.raises(TglError, match="no 'updated' over 'unchanged'"):
        retraced(model, tokenizer, rest, stream, PERIODS[1], ("updated", "unchanged"))


def test_retracing_leaves_weights_and_gradient_flags_as_they_were(inputs):
    model, tokenizer = load_model(inputs / "base"), load_tokenizer(inputs / "base")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    flags = {name: number % 2 == 0 for number, name in enumerate(before)}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(flags[name])
    probes = read_table(inputs / "probes.parquet", "probes").to_pylist()
    stream = read_stream(inputs / "base.parquet", "train")
    retraced(model, tokenizer, probes, stream, PERIODS[1])
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name])
        assert parameter.requires_grad == flags[name]
        assert parameter.grad is None
    assert not [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert len(sublayers(model)) == 5


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("profile", with_profile(examples=2)),
        ("profile", EACH),
        ("plan", dataclasses.replace(SETTINGS, plan=PlanConfig(denominator="matched_span"))),
    ],
    ids=["examples", "periods", "denominator"],
)
def test_a_state_of_other_settings_of_the_profile_or_the_plan_is_not_gone_on_from(
    inputs, tmp_path, monkeypatch, key, changed
):
    run = run_of(inputs, tmp_path, plan=inputs / "tgl_fp.json")
    with monkeypatch.context() as patch:
        killing(patch, 8)
        with pytest.raises(KeyboardInterrupt):
            go(run)
    said = go(run, changed)
    assert any(key in text and "starting from step 0" in text for text in said)
    assert f"period {PERIODS[0]}: already done" not in said


def test_a_plan_of_an_unknown_method_cannot_be_made_anew_and_is_refused_at_once(inputs, tmp_path):
    save_plan(plan_of([1, 0, 1, 0], method="tgl_fb"), tmp_path / "mine.json")
    with pytest.raises(TglError, match=r"mine\.json.*'each'.*'tgl_fb' \(did you mean 'tgl_fp'\?\)"):
        go(run_of(inputs, tmp_path, plan=tmp_path / "mine.json"), EACH)
