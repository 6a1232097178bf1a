import copy
import dataclasses

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from tests.support.model_fixtures import (
    BLOCK,
    RANKED,
    VOCABULARY,
    parameters_of,
    plan_of,
    settings_of,
    some_tokens,
    tiny_model,
    tiny_tokenizer,
)
from tests.train.baselines import periods
from tests.train.continual_runs import PERIODS, SETTINGS, go, run_of, write_inputs
from tgl.core.errors import TglError
from tgl.core.tables.read import read_table
from tgl.models.checkpoint import load_model, save_model
from tgl.models.k_adapter import KAdapterForCausalLM
from tgl.models.sublayers import sublayers
from tgl.plans.plan import Phase, Plan, save_plan
from tgl.train.baseline import Start, make_baseline
from tgl.train.baselines.k_adapter import KAdapter, KAdapterConfig
from tgl.train.engines import make_engine
from tgl.train.loop import Steps, train

LATER = (Phase(0.5, dict.fromkeys(RANKED, 1.0)),)


def k_adapter(**changes):
    return KAdapter(KAdapterConfig(**({"layers": 1, "width": 8} | changes)))


def period_of(model, plan, number=0, seed=0):
    return periods.period_of(plan, model, number=number, seed=seed, new=some_tokens(400, seed=number))


def deep_model(blocks=6):
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=BLOCK, n_embd=16, n_layer=blocks, n_head=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config).eval()


def plan_for(model, trained):
    """Return the plan by hand that trains the named sublayers of a model."""
    names = [unit.name for unit in sublayers(model) if unit.block >= 0]
    return Plan("by hand", 0.0, {name: float(name in trained or trained == "all") for name in names})


def trained_by(baseline, period, folder):
    """Return the model after one period, and the log."""
    prepared = baseline.prepare(period)

    def engine():
        groups, regulariser = prepared.groups(period.plan), baseline.regulariser(period, prepared)
        return make_engine(
            prepared.module, groups, period.settings, engine=period.settings, regulariser=regulariser
        )

    steps = Steps([(0, engine)], baseline.stream(period).stream, period.settings, BLOCK)
    log = train(steps, folder, save_every=100, say=lambda line: None)
    return baseline.finish(period, prepared), log


def test_it_is_made_by_its_name_with_its_settings():
    settings = KAdapterConfig(adapters=1, width=6, heads=3)
    baseline = make_baseline("k_adapter", settings)
    assert isinstance(baseline, KAdapter)
    assert baseline.settings is settings


def test_plans_that_do_not_go_with_frozen_weights_are_refused_with_the_reason():
    plan = plan_of([1.0, 0.0, 0.5, 0.0])
    k_adapter().check(plan, 0.01)
    with pytest.raises(TglError, match="'by hand' has 2 phases, but K-Adapter trains the same adapters"):
        k_adapter().check(dataclasses.replace(plan, later=LATER), 0.01)
    with pytest.raises(TglError, match="'by hand' trains the unit embedding, but K-Adapter freezes"):
        k_adapter().check(dataclasses.replace(plan, embedding=1.0), 0.01)


@pytest.mark.parametrize(("between", "expected"), [("keep", Start.PREVIOUS), ("new", Start.BASE)])
def test_a_later_period_starts_from_the_base_model_only_when_adapters_begin_anew(between, expected):
    assert k_adapter(between=between).start is expected


@pytest.mark.parametrize(
    ("trained", "adapters", "expected"),
    [
        ("all", 3, [1, 3, 5]),
        ("all", 6, [0, 1, 2, 3, 4, 5]),
        ("all", 9, [0, 1, 2, 3, 4, 5]),
        ("all", 1, [5]),
        ({"block00.mlp", "block02.attention", "block02.mlp", "block03.mlp", "block04.attention"}, 2, [2, 4]),
        ({"block01.attention", "block04.mlp"}, 3, [1, 4]),
        ({"block03.attention"}, 3, [3]),
    ],
)
def test_adapters_are_spread_over_the_blocks_that_the_plan_trains(trained, adapters, expected):
    model = deep_model()
    period = period_of(model, plan_for(model, trained))
    module = k_adapter(adapters=adapters).prepare(period).module
    assert module is period.model
    assert isinstance(module, KAdapterForCausalLM)
    assert module.base is model
    assert module.config.blocks == expected


def test_the_settings_shape_the_adapters_and_the_period_s_seed_draws_them():
    baseline = k_adapter(adapters=2, layers=3, width=12, heads=4)
    given = [period_of(tiny_model(), plan_of([1.0] * 4), seed=seed) for seed in (1, 1, 2)]
    models = [baseline.prepare(period).module for period in given]
    config = models[0].config
    assert (len(config.blocks), config.layers, config.width, config.heads) == (2, 3, 12, 4)
    one, same, other = (model.adapters[0].down.weight for model in models)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_plan_that_does_not_fit_the_model_is_refused():
    model = deep_model()
    with pytest.raises(TglError, match=r"no multiplier for sublayer 'block02\.attention'"):
        k_adapter().prepare(period_of(model, plan_of([1.0] * 4)))
    with pytest.raises(TglError, match=r"the model has no sublayer \['block02\.attention'"):
        k_adapter().prepare(period_of(tiny_model(), plan_for(model, "all")))
    with pytest.raises(TglError, match="nothing would be trained"):
        k_adapter().prepare(period_of(tiny_model(), plan_of([0.0] * 4)))


def test_the_adapters_alone_are_trained_with_weight_decay_on_matrices_whatever_the_multipliers():
    baseline = k_adapter()
    period = period_of(tiny_model(), plan_of([0.0, 0.25, 1.75, 0.0]))
    prepared = baseline.prepare(period)
    model = prepared.module
    model.requires_grad_(True)  # as a loaded one comes
    groups = prepared.groups(period.plan)
    assert prepared.trained == {"adapter"}
    assert [set(group["units"]) for group in groups] == [{"adapter"}, {"adapter"}]
    assert {group["lr"] for group in groups} == {group["initial_lr"] for group in groups} == {0.01}
    for group in groups:
        expected = settings_of().weight_decay if group["params"][0].dim() >= 2 else 0.0
        assert group["weight_decay"] == expected
        assert len({p.dim() >= 2 for p in group["params"]}) == 1
    held = {id(p) for group in groups for p in group["params"]}
    assert held == {id(p) for name, p in model.named_parameters() if not name.startswith("base.")}
    assert held == {id(p) for p in model.parameters() if p.requires_grad}


def test_over_two_periods_the_adapters_go_on_and_the_base_stays_bit_identical(tmp_path):
    base = tiny_model()
    before, baseline, plan = parameters_of(base), k_adapter(), plan_of([1.0, 0.0, 0.0, 1.0])
    first, log = trained_by(baseline, period_of(base, plan), tmp_path / "state")
    assert log.steps[-1]["loss"] < log.steps[0]["loss"]
    assert {tuple(rates) for rates in log.rates.values()} == {("adapter",)}
    save_model(first, tiny_tokenizer(), tmp_path / "first")
    loaded = load_model(tmp_path / "first")
    was = parameters_of(loaded)
    # The plan of the second period would have put an adapter next to the first block alone.
    later = period_of(loaded, plan_of([1.0, 0.0, 0.0, 0.0]), number=1)
    second, _ = trained_by(baseline, later, tmp_path / "state2")
    assert second is loaded
    assert second.config.blocks == first.config.blocks == [0, 1]
    now = parameters_of(second)
    for name, value in before.items():
        assert torch.equal(now[f"base.{name}"], value)
    assert all(torch.equal(now[name], was[name]) == name.startswith("base.") for name in now)


def test_an_interrupted_period_goes_on_to_the_same_weights(tmp_path):
    base, plan, baseline = tiny_model(), plan_of([1.0] * 4), k_adapter()
    whole, _ = trained_by(baseline, period_of(copy.deepcopy(base), plan), tmp_path / "whole")

    def engine_of(period):
        prepared = baseline.prepare(period)
        return make_engine(prepared.module, prepared.groups(plan), period.settings, engine=period.settings)

    period = period_of(copy.deepcopy(base), plan)
    engine = engine_of(period)

    def killed(step):
        raise KeyboardInterrupt

    def steps_by(make):
        return Steps([(0, make)], baseline.stream(period).stream, period.settings, BLOCK)

    options = {"save_every": 2, "say": lambda line: None}
    with pytest.raises(KeyboardInterrupt):
        train(steps_by(lambda: engine), tmp_path / "state", look=killed, look_at=[5], **options)
    again = period_of(copy.deepcopy(base), plan)
    train(steps_by(lambda: engine_of(again)), tmp_path / "state", **options)
    found, expected = parameters_of(again.model), parameters_of(whole)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("between", ["keep", "new"])
def test_a_run_over_two_periods_writes_models_with_adapters_beside_the_base(tmp_path, between):
    inputs = write_inputs(tmp_path / "inputs")
    settings = KAdapterConfig(adapters=2, layers=1, width=8, between=between)
    save_plan(plan_of([0.0, 1.0, 0.0, 1.0]), tmp_path / "plan.json")
    run = run_of(inputs, tmp_path / "run", baseline="k_adapter", plan=tmp_path / "plan.json")
    go(run, dataclasses.replace(SETTINGS, baseline=settings))
    base = dict(load_model(inputs / "base").named_parameters())
    models = [load_model(run.models[period]) for period in PERIODS]
    for model in models:
        assert isinstance(model, KAdapterForCausalLM)
        assert all(torch.equal(p, base[name]) for name, p in model.base.named_parameters())
    first, second = (model.adapters[0].down.weight for model in models)
    # From the first period's adapters five steps lead less far than another draw lies away.
    assert ((second - first).abs().max() < 0.1) == (between == "keep")
    rates = read_table(run.tables["rates"], "rates").to_pandas()
    of_adapters = rates[rates["sublayer"] == "adapter"]
    assert set(of_adapters["period"]) == set(PERIODS)
    assert of_adapters["learning_rate"].max() == pytest.approx(0.01)
    assert (of_adapters["max_change"] > 0).all()
    frozen = rates[rates["sublayer"] != "adapter"]
    assert set(frozen["sublayer"]) == {*RANKED, "embedding"}
    assert set(frozen["learning_rate"]) == set(frozen["max_change"]) == {0.0}
