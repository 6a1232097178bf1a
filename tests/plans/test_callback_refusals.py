"""What a plan in the Trainer of transformers refuses: optimisers, sharding, plans, and changes by other code."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers import TrainerCallback, TrainingArguments

import tgl
from tests.plans.trainer_runs import PHASED, RATE, RATES, STEPS, Counting, Seen, named_in, trainer_of
from tests.support.model_fixtures import RANKED, plan_of, tiny_model
from tgl.core.errors import TglError


class Silent(torch.optim.SGD):
    """Its step runs elsewhere, as in optimisers that train in the backward pass."""


def of_the_plan(model):
    return torch.optim.SGD(RATES.param_groups(model, lr=RATE))


def without_rate(model):
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    optimiser.param_groups[0] |= {"lr": None, "initial_lr": RATE}
    return optimiser


def stranger(model):
    return torch.optim.SGD([*model.parameters(), nn.Parameter(torch.zeros(7))], lr=RATE)


def silent(model):
    optimiser = Silent(model.parameters(), lr=RATE)
    optimiser.step = lambda closure=None: None
    return optimiser


def moving(model):
    return Counting(model.parameters(), lr=RATE, worth=lambda group: group["lr"])


class NoSchedule(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self):
        self._last_lr = [RATE]

    def step(self, epoch=None):
        pass


@pytest.mark.parametrize(
    ("make", "plan", "words"),
    [
        (of_the_plan, RATES, "groups come from `param_groups` of a plan"),
        (without_rate, RATES, "a group without a rate `lr`"),
        (stranger, RATES, r"parameter of shape \(7,\) that belongs to no sublayer"),
        (
            lambda m: torch.optim.SGD(list(m.parameters())[:3], lr=RATE),
            RATES,
            r"it lacks \d+ trained parameters",
        ),
        (silent, RATES, "Silent cannot be multiplied. Found: it trains outside of its method `step`"),
        (moving, RATES, r"keeps state in its groups \('count'\)"),
        (lambda m: Counting(m.parameters(), lr=RATE), PHASED, r"keeps state in its groups \('count'\)"),
    ],
    ids=["plan's groups", "no rate", "stranger", "missing", "silent", "own scale", "count and phases"],
)
def test_an_optimiser_whose_rates_cannot_be_multiplied_is_refused(tmp_path, make, plan, words):
    model = tiny_model()
    trainer = trainer_of(model, plan, tmp_path, optimizers=(make(model), NoSchedule()))
    with pytest.raises(TglError, match=words):
        trainer.train()


def test_a_second_callback_is_refused(tmp_path):
    trainer = trainer_of(tiny_model(), RATES, tmp_path, callbacks=[tgl.PlanCallback(RATES)])
    with pytest.raises(TglError, match="another PlanCallback already multiplies its rates"):
        trainer.train()


def test_a_frozen_parameter_that_other_code_changes_is_named(tmp_path):
    class Meddling(TrainerCallback):
        def on_step_end(self, args, state, control, *, model, **_):
            with torch.no_grad():
                model.transformer.h[1].mlp.c_fc.bias[3] += 1e-6

    trainer = trainer_of(tiny_model(), plan_of([1, 1, 1, 0]), tmp_path, callbacks=[Meddling()])
    with pytest.raises(
        TglError, match=r"found other values of 'transformer\.h\.1\.mlp\.c_fc\.bias' after training"
    ):
        trainer.train()


def with_deepspeed_parameter(model):
    model.transformer.wpe.weight.ds_id = 3


def with_dtensor(model):
    from torch.distributed.tensor import DeviceMesh, distribute_tensor

    mesh = DeviceMesh("cpu", [0])
    model.transformer.wpe.weight = nn.Parameter(distribute_tensor(model.transformer.wpe.weight.data, mesh))


@pytest.fixture
def one_process():
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("divide", [with_deepspeed_parameter, with_dtensor])
def test_sharded_parameters_are_refused(tmp_path, divide, one_process):
    model, callback = tiny_model(), tgl.PlanCallback(RATES)
    divide(model)
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    with pytest.raises(
        TglError, match=r"found 'transformer\.wpe\.weight' divided among processes, expected whole"
    ):
        callback.on_init_end(args, None, None, model=model)


@pytest.mark.parametrize(("setting", "name"), [("deepspeed", "DeepSpeed"), ("fsdp", "FSDP")])
def test_settings_that_shard_are_refused(tmp_path, setting, name):
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to=[])
    setattr(args, setting, True)
    with pytest.raises(TglError, match=f"found {name}, expected whole parameters"):
        tgl.PlanCallback(RATES).on_init_end(args, None, None, model=tiny_model())


def test_phases_in_several_processes_need_unused_parameters():
    args = SimpleNamespace(deepspeed=None, fsdp=None, world_size=2, ddp_find_unused_parameters=None)
    state = SimpleNamespace(max_steps=STEPS, global_step=0)
    model, optimiser = tiny_model(), torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=RATE)
    with pytest.raises(
        TglError, match="found 2 phases in 2 processes, expected ddp_find_unused_parameters=True"
    ):
        tgl.PlanCallback(PHASED).on_train_begin(args, state, None, model=model, optimizer=optimiser)


@pytest.mark.parametrize(
    ("plan", "norms_every", "words"),
    [
        (RATES, -1, "norms_every: found -1, expected a whole number from 0 on"),
        (RATES, True, "norms_every: found True"),
        (3, 0, "plan: found int, expected a Plan or the path of a file"),
        (tgl.Plan("mine", 0.0, {"a": -1.0}), 0, "multiplier of 'a' must be a number from 0 on"),
    ],
)
def test_wrong_arguments_are_refused(plan, norms_every, words):
    with pytest.raises(TglError, match=words):
        tgl.PlanCallback(plan, norms_every=norms_every)


def test_a_plan_of_another_model_is_refused_before_training(tmp_path):
    with pytest.raises(TglError, match=r"no multiplier for sublayer"):
        trainer_of(tiny_model(), tgl.Plan("mine", 0.0, {RANKED[0]: 1.0}), tmp_path)


def test_a_phase_in_which_everything_is_frozen_by_hand_is_refused_before_the_first_step(tmp_path):
    model, seen = tiny_model(), Seen()
    for name in named_in(model, {RANKED[1], RANKED[2]}):
        model.get_parameter(name).requires_grad_(False)
    trainer = trainer_of(model, PHASED, tmp_path, callbacks=[seen])
    with pytest.raises(TglError, match="that it trains were frozen before"):
        trainer.train()
    assert seen.rates == []
