"""What LoRA's adapters of one period hand to the next, in runs of the stage `train`."""

import dataclasses
import shutil

import pytest
import torch

from tests.support.model_fixtures import RANKED, plan_of, tiny_tokenizer
from tests.train.continual_runs import PERIODS, SETTINGS, go, run_of, with_profile, write_inputs
from tests.train.lora_layouts import rank_of, weights_by_role
from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.models.checkpoint import load_model
from tgl.plans.plan import load_plan, save_plan
from tgl.train import continual
from tgl.train.baselines.lora import Lora, LoraConfig
from tgl.train.planning import profile_again
from tgl.train.run import Period

RANK = 2
PROJECTIONS = [("transformer.h.1.attn.c_attn", role) for role in "qv"]


def with_lora_settings(settings=SETTINGS, **changes):
    section = LoraConfig(**({"rank": RANK} | changes))
    return dataclasses.replace(settings, baseline=section)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_inputs(tmp_path_factory.mktemp("inputs"))


class Watched(Lora):
    """LoRA that notes each period's adapters and base weights before and after training."""

    notes: list

    def _note(self, period):
        parameters = {
            name: p.detach().clone() for name, p in period.model.base_model.model.named_parameters()
        }
        self.notes.append(
            (
                {name: value for name, value in parameters.items() if ".lora_" in name},
                {
                    name.replace(".base_layer", ""): v
                    for name, v in parameters.items()
                    if ".lora_" not in name
                },
            )
        )

    def prepare(self, period):
        prepared = super().prepare(period)
        self._note(period)
        return prepared

    def finish(self, period, prepared):
        self._note(period)
        return super().finish(period, prepared)


@pytest.fixture(scope="module", params=["keep", "merge", "new"])
def finished(request, inputs, tmp_path_factory):
    """Return how periods follow on one another, (adapters, base weights) at begin and end of each, and the run."""
    run = run_of(inputs, tmp_path_factory.mktemp(request.param), plan=inputs / "tgl_fp.json", baseline="lora")
    baseline = Watched(LoraConfig(rank=RANK, between=request.param))
    baseline.notes = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(continual, "make_baseline", lambda name, settings: baseline)
        go(run, with_lora_settings(between=request.param))
    return request.param, baseline.notes, run


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def weights_of(folder):
    return {name: p.detach() for name, p in load_model(folder).named_parameters()}


def test_keep_goes_on_with_the_adapters_and_the_others_begin_anew(finished):
    between, ((begun, _), (ended, _), (begun_again, _), (ended_again, _)), _ = finished
    assert not same(begun, ended)
    assert same(begun_again, ended) == (between == "keep")
    if between != "keep":
        ups = [value for name, value in begun_again.items() if ".lora_B." in name]
        assert len(ups) == 1
        assert (ups[0] == 0).all()
        downs = [next(v for name, v in found.items() if ".lora_A." in name) for found in (begun, begun_again)]
        assert not torch.equal(*downs)
    assert not same(begun_again, ended_again)


def test_merge_stands_on_the_model_of_the_period_before_and_the_others_on_the_base_model(finished, inputs):
    between, notes, run = finished
    base, first = weights_of(inputs / "base"), weights_of(run.models[PERIODS[0]])
    assert not same(base, first)
    for (_, found), expected in zip(
        notes, [base, base, *[first if between == "merge" else base] * 2], strict=True
    ):
        assert same(found, expected)


def test_written_models_hold_the_adapters_merged(finished, inputs):
    between, _, run = finished
    found = [weights_by_role("gpt2", weights_of(inputs / "base"))]
    found += [weights_by_role("gpt2", weights_of(run.models[period])) for period in PERIODS]
    (base, rest), *later = found
    for weights, others in later:
        assert same(others, rest)
        changed = {name for name in base if not torch.equal(weights[name], base[name])}
        assert changed == set(PROJECTIONS)
    (first, _), (second, _) = later
    for name in PROJECTIONS:
        assert rank_of(first[name] - base[name]) == RANK
        assert rank_of(second[name] - base[name]) == (2 * RANK if between == "merge" else RANK)
        # A kept adapter changes both of its factors, a new one differs from the first in both.
        assert rank_of(second[name] - first[name]) == (RANK if between == "merge" else 2 * RANK)


def test_the_rates_told_are_those_of_the_adapted_sublayers(finished):
    rates = read_table(finished[2].tables["rates"], "rates").to_pandas()
    for column in ("learning_rate", "max_change"):
        largest = rates.groupby("sublayer")[column].max()
        assert {name for name, value in largest.items() if value > 0} == {RANKED[2]}
    assert rates["learning_rate"].max() == pytest.approx(0.01)


def test_a_kept_adapter_that_another_plan_has_no_place_for_is_refused(inputs, tmp_path):
    """With profile.periods 'each' the second period's plan gives other ranks than the first's, made by hand."""
    run = run_of(inputs, tmp_path, plan=inputs / "tgl_alr.json", baseline="lora")
    settings = with_profile(with_lora_settings(between="keep", multipliers="ranks", rank=16), periods="each")
    with pytest.raises(
        TglError, match=r"^lora: .*needs different adapters .* 'keep'. Set it to 'merge', or set profile"
    ):
        go(run, settings)
    assert (run.state / PERIODS[0] / "done").is_file()
    shutil.rmtree(run.state)
    go(run, with_profile(with_lora_settings(between="merge", multipliers="ranks", rank=16), periods="each"))


def test_a_plan_without_attention_is_refused_before_anything_trains(inputs, tmp_path):
    save_plan(plan_of([0.0, 1.0, 0.0, 1.0]), tmp_path / "plan.json")
    run = run_of(inputs, tmp_path / "run", plan=tmp_path / "plan.json", baseline="lora")
    with pytest.raises(TglError, match="trains no attention sublayer"):
        go(run, with_lora_settings())
    assert not run.state.exists()


@pytest.mark.parametrize("between", ["merge", "keep"])
def test_each_period_s_profile_is_that_of_the_model_that_goes_on(inputs, tmp_path, between):
    run = run_of(inputs, tmp_path, plan=inputs / "full.json", baseline="lora")
    settings = with_profile(with_lora_settings(between=between), periods="each")
    go(run, settings)
    drift = read_table(run.tables["drift"], "drift").to_pandas()
    found = drift[drift["period"] == PERIODS[1]].set_index("sublayer")["relative_norm"]
    model = load_model(run.models[PERIODS[0]])
    given = dataclasses.replace(run, settings=settings)
    rows = profile_again(Period(given, 1, model, tiny_tokenizer(), load_plan(run.plan)), model)
    expected = {row["sublayer"]: row["relative_norm"] for row in rows}
    assert {name: expected[name] for name in RANKED} == pytest.approx(found.to_dict(), rel=1e-5)
