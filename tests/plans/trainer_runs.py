"""Short runs of the Trainer of transformers by a plan, on a CPU."""

import dataclasses

import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

import tgl
from tests.support.model_fixtures import RANKED, parameters_by_unit, plan_of, some_tokens
from tgl.plans.plan import Phase

RATE, STEPS = 0.01, 6
RATES = plan_of([0.0, 2.0, 0.5, 1.0], 0.25)
PHASED = dataclasses.replace(
    plan_of([1.0, 0.0, 0.5, 0.0]), later=(Phase(0.5, dict(zip(RANKED, [0.0, 2.0, 1.0, 0.0], strict=True))),)
)


class Seen(TrainerCallback):
    """Records, for each step, the rate of each parameter inside the optimiser's step, and what is logged."""

    def __init__(self):
        self.rates, self.logged = [], []

    def on_train_begin(self, args, state, control, *, model, optimizer, **_):
        names = {parameter: name for name, parameter in model.named_parameters()}

        def record(optimiser, *_):
            groups = optimiser.param_groups
            self.rates.append({names[p]: float(g["lr"]) for g in groups for p in g["params"]})

        optimizer.optimizer.register_step_pre_hook(record)

    def on_log(self, args, state, control, *, logs, **_):
        self.logged.append(dict(logs))


def rows(count=24):
    """Return rows whose first label is ignored: the Trainer divides the loss by the number of labels, the model by the
    number of predictions.
    """
    tokens = torch.from_numpy(some_tokens(16 * count)).long().split(16)
    return [{"input_ids": row, "labels": torch.cat([torch.tensor([-100]), row[1:]])} for row in tokens]


def trainer_of(model, plan, folder, *, callbacks=(), norms_every=0, optimizers=(None, None), **changes):
    values = {
        "output_dir": str(folder), "max_steps": STEPS, "per_device_train_batch_size": 2, "learning_rate": RATE,
        "lr_scheduler_type": "constant", "optim": "adamw_torch", "weight_decay": 0.1, "max_grad_norm": 0.0,
        "use_cpu": True, "report_to": [], "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True,
    }  # fmt: skip
    return Trainer(
        model=model,
        args=TrainingArguments(**(values | changes)),
        train_dataset=rows(),
        optimizers=optimizers,
        callbacks=[*([tgl.PlanCallback(plan, norms_every=norms_every)] if plan else []), *callbacks],
    )


def changed(model, before):
    return {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}


def named_in(model, units):
    return {name for name, unit in parameters_by_unit(model).items() if unit in units}


class Counting(torch.optim.SGD):
    """Counts steps in a tensor of its groups; calls the step of its parent class."""

    def __init__(self, parameters, *, worth=lambda group: 1.0, **kwargs):
        super().__init__(parameters, **kwargs)
        self.worth = worth
        for group in self.param_groups:
            group["count"] = torch.zeros(())

    def step(self, closure=None):
        for group in self.param_groups:
            group["count"] += self.worth(group)
        return super().step(closure)
