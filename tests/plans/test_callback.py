"""A plan in the Trainer of transformers: rates, freezing, phases, resumption and gradient norms."""

import math
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import TrainerCallback, get_scheduler

import tgl
from tests.plans.trainer_runs import PHASED, RATE, RATES, STEPS, Counting, Seen, changed, named_in, trainer_of
from tests.support.model_fixtures import RANKED, parameters_by_unit, parameters_of, plan_of, tiny_model
from tgl.models.sublayers import EMBEDDING


def test_trained_parameters_change_and_frozen_ones_stay(tmp_path):
    model = tiny_model()
    before = parameters_of(model)
    tgl.save_plan(plan_of([0, 1, 0, 0.5]), tmp_path / "plan.json")
    trainer = trainer_of(model, tmp_path / "plan.json", tmp_path)
    trainer.train()
    assert changed(model, before) == named_in(model, {RANKED[1], RANKED[3]})
    held = [p for group in trainer.optimizer.param_groups for p in group["params"]]
    assert len(held) == len(changed(model, before))


def exponential(optimiser):
    return torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5)


def warmed(kind):
    return lambda optimiser: get_scheduler(kind, optimiser, num_warmup_steps=2, num_training_steps=STEPS)


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine", "exponential"])
def test_each_rate_is_the_base_rate_times_multiplier_times_schedule(tmp_path, kind):
    model, seen = tiny_model(), Seen()
    if kind == "exponential":  # It computes each rate from the one before, in the groups.
        optimiser = torch.optim.AdamW(model.parameters(), lr=RATE)
        make, given = exponential, {"optimizers": (optimiser, exponential(optimiser))}
    else:
        make, given = warmed(kind), {"lr_scheduler_type": kind, "warmup_steps": 2}
    trainer_of(model, RATES, tmp_path, callbacks=[seen], **given).train()
    alone = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    schedule, units = make(alone), parameters_by_unit(model)
    assert len(seen.rates) == STEPS
    for step, found in enumerate(seen.rates):
        base = alone.param_groups[0]["lr"]
        assert found == {name: pytest.approx(base * RATES.of(units[name])) for name in found}
        assert set(found) >= named_in(model, {*RANKED[1:], EMBEDDING})
        assert seen.logged[step]["learning_rate"] == pytest.approx(base)
        alone.step()
        schedule.step()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_the_run_agrees_with_adamw_on_the_groups_of_the_plan(tmp_path, decay):
    model, own = tiny_model(), tiny_model().train()
    optimiser = torch.optim.AdamW(RATES.param_groups(own, lr=RATE, weight_decay=decay))
    trainer = trainer_of(
        model, RATES, tmp_path, max_steps=3, weight_decay=decay, train_sampling_strategy="sequential"
    )
    for _, batch in zip(range(3), trainer.get_train_dataloader(), strict=False):
        own(**batch).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    trainer.train()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, own.get_parameter(name), rtol=1e-5, atol=1e-6, msg=name)


def test_weight_decay_of_the_trainers_groups_is_kept(tmp_path):
    found = []

    class Groups(TrainerCallback):
        def on_train_begin(self, args, state, control, *, optimizer, **_):
            optimizer.optimizer.register_step_pre_hook(
                lambda optimiser, *_: found.append([dict(group) for group in optimiser.param_groups])
            )

    trainer = trainer_of(tiny_model(), RATES, tmp_path, callbacks=[Groups()], max_steps=1)
    trainer.train()
    assert {p.dim() >= 2 for g in found[0] if g["weight_decay"] == 0.1 for p in g["params"]} == {True}
    assert {p.dim() for g in found[0] if g["weight_decay"] == 0.0 for p in g["params"]} == {1}
    assert len(found[0]) == 8 and len(trainer.optimizer.param_groups) == 2  # noqa: PT018


def test_phases_begin_at_their_step_with_an_empty_state(tmp_path):
    model, seen, kept = tiny_model(), Seen(), []

    class State(TrainerCallback):
        def on_step_end(self, args, state, control, *, model, optimizer, **_):
            names = {parameter: name for name, parameter in model.named_parameters()}
            counts = {names[p]: int(own["step"]) for p, own in optimizer.state.items()}
            kept.append((parameters_of(model), counts))

    before = parameters_of(model)
    trainer_of(model, PHASED, tmp_path, callbacks=[seen, State()]).train()
    first, second = named_in(model, {RANKED[0], RANKED[2]}), named_in(model, {RANKED[1], RANKED[2]})
    assert kept[2][1] == dict.fromkeys(first, 3)
    assert kept[3][1] == dict.fromkeys(second, 1)
    assert {n for n in before if not torch.equal(before[n], kept[2][0][n])} == first
    assert changed(model, kept[2][0]) == second
    units = parameters_by_unit(model)
    for step, found in enumerate(seen.rates):
        own = PHASED.phases[step // 3].multipliers
        assert found == {name: pytest.approx(RATE * own[units[name]]) for name in first | second}


@pytest.mark.parametrize("phases", [False, True])
@pytest.mark.parametrize("saved", [2, 3, 4])
def test_a_resumed_run_equals_an_undisturbed_one(tmp_path, phases, saved):
    plan = PHASED if phases else RATES
    changes = {"save_strategy": "steps", "save_steps": saved, "lr_scheduler_type": "linear", "norms_every": 2}
    whole = trainer_of(tiny_model(), plan, tmp_path, **changes)
    whole.train()
    seen = Seen()
    resumed = trainer_of(tiny_model(seed=1), plan, tmp_path, callbacks=[seen], **changes)
    resumed.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{saved}"))
    assert len(seen.rates) == STEPS - saved
    assert changed(resumed.model, parameters_of(whole.model)) == set()
    kept, found = (trainer.optimizer.state_dict()["state"] for trainer in (whole, resumed))
    assert kept.keys() == found.keys()
    assert all(torch.equal(kept[i][key], found[i][key]) for i in kept for key in kept[i])


def test_training_twice_does_not_multiply_twice(tmp_path):
    model, seen = tiny_model(), Seen()
    trainer = trainer_of(model, RATES, tmp_path, max_steps=2)
    trainer.train()
    trainer.add_callback(seen)
    trainer.train()
    units = parameters_by_unit(model)
    assert [len(seen.rates), len(trainer.optimizer.optimizer._optimizer_step_post_hooks)] == [2, 0]
    assert all(r[name] == pytest.approx(RATE * RATES.of(units[name])) for r in seen.rates for name in r)


def test_a_callback_added_later_trains_the_same(tmp_path):
    one, other = tiny_model(), tiny_model()
    trainer_of(one, RATES, tmp_path).train()
    late = trainer_of(other, None, tmp_path)
    late.add_callback(tgl.PlanCallback(RATES))
    late.train()
    assert changed(other, parameters_of(one)) == set()


@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_gradient_norms_are_those_of_the_batch_before_clipping(tmp_path, clip):
    model, own, seen = tiny_model(), tiny_model().train(), Seen()
    plan = plan_of([0, 1, 1, 1])
    trainer = trainer_of(
        model, plan, tmp_path, callbacks=[seen], norms_every=2, max_grad_norm=clip, logging_steps=5,
        learning_rate=0.0, gradient_accumulation_steps=2, train_sampling_strategy="sequential",
    )  # fmt: skip
    batches = list(trainer.get_train_dataloader())
    trainer.train()
    units = parameters_by_unit(model)
    at = {entry["step"]: entry for entry in trainer.state.log_history if "loss" in entry}
    assert sorted(at) == [2, 4, 5, 6]
    assert [name for name in at[5] if "/" in name] == []
    for step in (2, 4, 6):
        own.zero_grad()
        for batch in batches[2 * step - 2 : 2 * step]:
            (own(**batch).loss / 2).backward()
        for unit in RANKED[1:]:
            squares = [own.get_parameter(n).grad.square().sum().item() for n in named_in(own, {unit})]
            assert at[step][f"grad_norm/{unit}"] == pytest.approx(math.sqrt(sum(squares)), rel=1e-4)
            assert f"grad_norm/{unit}" in seen.logged[sorted(at).index(step)]
        own_keys = {name for name in at[step] if name.startswith("grad_norm/")}
        assert own_keys == {f"grad_norm/{unit}" for unit in RANKED[1:]}
        assert math.hypot(*(at[step][key] for key in own_keys)) == pytest.approx(
            at[step]["grad_norm"], rel=1e-4
        )
    assert set(units.values()) == {*RANKED, EMBEDDING}


def test_adapters_of_peft_are_trained_at_the_rate_of_their_sublayer(tmp_path):
    torch.manual_seed(0)
    model = get_peft_model(tiny_model(), LoraConfig(target_modules=["c_attn", "c_fc"], r=2))
    before, seen = parameters_of(model), Seen()
    trainer_of(model, plan_of([0, 2, 0.5, 0]), tmp_path, callbacks=[seen], norms_every=3).train()
    expected = {n for n in before if "lora_" in n and ("h.0.mlp" in n or "h.1.attn" in n)}
    assert changed(model, before) == expected == set(seen.rates[0])
    assert all(
        rate == pytest.approx(RATE * (2 if ".mlp." in name else 0.5)) for name, rate in seen.rates[0].items()
    )
    assert {f"grad_norm/{RANKED[1]}", f"grad_norm/{RANKED[2]}"} <= set(seen.logged[2])


@pytest.mark.parametrize("optim", ["sgd", "adafactor", "adamw_torch_fused", "rmsprop"])
def test_other_optimisers_of_the_trainer_follow_the_plan(tmp_path, optim):
    model, seen = tiny_model(), Seen()
    before = parameters_of(model)
    trainer_of(model, PHASED, tmp_path, callbacks=[seen], optim=optim).train()
    assert changed(model, before) == named_in(model, set(RANKED[:3]))
    assert set(seen.rates[0].values()) == {RATE, RATE / 2, 0.0}


def test_a_count_in_the_groups_of_an_optimiser_is_kept(tmp_path):
    model = tiny_model()
    torch.optim.SGD(model.parameters())  # so that the step of the parent class has hooks too
    optimiser = Counting(model.parameters(), lr=RATE)
    trainer_of(model, RATES, tmp_path, optimizers=(optimiser, None)).train()
    assert [group["count"].item() for group in optimiser.param_groups] == [STEPS]


def test_a_step_that_a_scaler_of_gradients_skips_is_no_error():
    model, callback = tiny_model(), tgl.PlanCallback(RATES)
    args = SimpleNamespace(deepspeed=None, fsdp=None, world_size=1)
    state = SimpleNamespace(max_steps=2, global_step=0)
    optimiser, scaler = (
        torch.optim.SGD(model.parameters(), lr=RATE),
        torch.amp.GradScaler("cpu", init_scale=2.0),
    )
    callback.on_train_begin(args, state, None, model=model, optimizer=optimiser)
    before = parameters_of(model)
    for infinite in (True, False):
        callback.on_step_begin(args, state, None, model=model)
        scaler.scale(sum(p.sum() for p in model.parameters())).backward()
        if infinite:
            model.transformer.h[1].mlp.c_fc.bias.grad[0] = math.inf
        callback.on_pre_optimizer_step(args, state, None)
        scaler.step(optimiser)
        scaler.update()
        optimiser.step_was_skipped = infinite
        callback.on_optimizer_step(args, state, None, optimizer=optimiser)
        optimiser.zero_grad()
        if infinite:
            assert changed(model, before) == set()
    units = parameters_by_unit(model)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(
            before[name] - parameter, torch.full_like(parameter, RATE * RATES.of(units[name]))
        )
    callback.on_train_end(args, state, None, model=model)
