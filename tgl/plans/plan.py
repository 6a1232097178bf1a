"""A plan: one learning-rate multiplier per sublayer, kept as a readable JSON file that anyone can write by hand.

Multiplier 0 freezes a sublayer, 1 trains it at the run's learning rate. How plans are made: `tgl.plans.policies`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from tgl.errors import TglError, nearest
from tgl.faults import file_errors
from tgl.files import write_text
from tgl.json_text import read_json
from tgl.sublayer_names import EMBEDDING


@dataclass(frozen=True)
class Plan:
    """Multipliers by sublayer name, the multiplier of the unit `embedding`, and where they come from.

    later: phases that take over at a share of the run, each {"from": share, "multipliers": {...}}; at each
    switch the optimiser is made anew.
    """

    method: str
    embedding: float
    multipliers: dict[str, float]
    denominator: str = ""
    trainable_parameters: int = 0
    total_parameters: int = 0
    note: str = ""
    later: list[dict] = dataclasses.field(default_factory=list)

    def check(self, where: str | None = None) -> None:
        """Raise TglError naming the field that is of a wrong type or out of its range; `where` leads the message."""
        where = where or f"plan '{self.method}'"
        for kind, keys in (
            (str, ("method", "denominator", "note")),
            (int, ("trainable_parameters", "total_parameters")),
        ):
            for key in keys:
                if type(getattr(self, key)) is not kind:
                    expected = "text" if kind is str else "a whole number"
                    raise TglError(f"{where}: {key}: expected {expected}, found {getattr(self, key)!r}")
        _check_multipliers(where, "multipliers", self.multipliers)
        _check_numbers(where, {EMBEDDING: self.embedding})
        before = 0.0
        if not isinstance(self.later, list):
            raise TglError(f"{where}: later: expected a list of phases, found {self.later!r}")
        for number, phase in enumerate(self.later):
            key = f"later[{number}]"
            if not isinstance(phase, dict) or set(phase) != {"from", "multipliers"}:
                raise TglError(f"{where}: {key}: expected the keys from and multipliers, found {phase!r}")
            start = phase["from"]
            if isinstance(start, bool) or not isinstance(start, int | float) or not before < start < 1:
                raise TglError(
                    f"{where}: {key}.from: expected a share of the run above {before} and below 1, found {start!r}"
                )
            before = start
            _check_multipliers(where, f"{key}.multipliers", phase["multipliers"])
            if set(phase["multipliers"]) != set(self.multipliers):
                raise TglError(
                    f"{where}: {key}.multipliers: names other sublayers than the first phase: "
                    f"{_some(set(phase['multipliers']) ^ set(self.multipliers))}"
                )
            if self.embedding == 0 and not any(phase["multipliers"].values()):
                raise TglError(f"{where}: {key}.multipliers: every multiplier is 0, nothing would be trained")

    def trained(self) -> set[str]:
        """Return the names of the sublayers that are updated, in whatever phase."""
        phases = [self.multipliers, *(phase["multipliers"] for phase in self.later)]
        return {name for multipliers in phases for name, value in multipliers.items() if value > 0}

    def of(self, unit: str) -> float:
        """Return the multiplier of a unit in the first phase; raises TglError for a name the plan does not hold."""
        if unit == EMBEDDING:
            return self.embedding
        if unit not in self.multipliers:
            raise TglError(
                f"plan '{self.method}': no multiplier for sublayer '{unit}'{nearest(unit, self.multipliers)}; "
                f"it holds {len(self.multipliers)}: {', '.join(self.multipliers)}"
            )
        return self.multipliers[unit]

    def phases(self, steps: int) -> list[tuple[int, Plan]]:
        """Return (first step, plan of that phase) over a run of `steps` steps, without phases of no step."""
        self.check()
        starts = [0, *(round(phase["from"] * steps) for phase in self.later)]
        plans = [self.multipliers, *(phase["multipliers"] for phase in self.later)]
        ends = [*starts[1:], steps]
        return [
            (start, dataclasses.replace(self, multipliers=multipliers, later=[]))
            for start, end, multipliers in zip(starts, ends, plans, strict=True)
            if end > start
        ]

    def mean_rate(self, num_parameters: Mapping[str, int]) -> float:
        """Return the mean multiplier over sublayers, weighted by their numbers of parameters (first phase)."""
        total = sum(num_parameters[name] for name in self.multipliers)
        return sum(num_parameters[name] * value for name, value in self.multipliers.items()) / total

    def param_groups(self, model, lr: float, weight_decay: float = 0.0) -> list[dict]:
        """Freeze what the plan freezes in `model` and return parameter groups for any optimiser.

        One group for each (multiplier, weight decay) with `params`, `lr` = lr * multiplier, `weight_decay`, none
        empty; norms, biases and state parameters get no weight decay. What is frozen when it is handed over stays
        frozen; a sublayer that the plan trains and in which everything is frozen gives a warning. Of a model with
        peft's adapters the adapters are trained, each at the multiplier of the sublayer it sits in. A scheduler must
        scale each group's own rate, as LambdaLR does. Raises TglError when the plan does not fit the model, trains
        nothing, or has phases: those need an optimiser each (see `phases`). Raises TglError as well for an lr or a
        weight_decay that is no number from 0 on.
        """
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise TglError(f"param_groups: {name}: expected a number from 0 on, found {value!r}")
        # By name: a stage that only reads plans depends neither on torch nor on the code of training.
        groups = import_module("tgl.train.groups")
        if self.later:
            raise TglError(
                f"plan '{self.method}': it has {1 + len(self.later)} phases, and each needs an optimiser of its own: "
                "go through plan.phases(steps)"
            )
        groups.freeze(model, self)
        return groups.parameter_groups(groups.sublayers(model), self, lr, weight_decay)


@file_errors()
def save_plan(plan: Plan, path: str | Path) -> None:
    """Write the plan as JSON, for people to read and to write by hand. Raises TglError as `Plan.check`."""
    plan.check()
    write_text(path, json.dumps(asdict(plan), indent=2) + "\n")


def load_plan(path: str | Path) -> Plan:
    """Read a plan. Raises TglError naming the file and the key that is missing, unknown or of a wrong type."""
    raw, fields = read_json(path), Plan.__dataclass_fields__
    if set(raw) - set(fields) or not {"method", "multipliers"} <= set(raw):
        raise TglError(
            f"{path}: found {sorted(raw)}; expected the keys {', '.join(fields)} (method, multipliers required)"
        )
    plan = Plan(**{"embedding": 0.0, **raw})
    plan.check(str(path))
    return plan


def _check_multipliers(path: str | Path, key: str, multipliers: object) -> None:
    if not isinstance(multipliers, dict) or EMBEDDING in multipliers:
        raise TglError(
            f"{path}: {key} must be an object of sublayer names and numbers, without '{EMBEDDING}', which is "
            f"a key of its own beside it; found {multipliers!r}"
        )
    _check_numbers(path, multipliers)


def _check_numbers(path: str | Path, numbers: Mapping[str, object]) -> None:
    for name, value in numbers.items():
        # 10**400 is a whole number to Python, but none that can be multiplied by a learning rate
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= sys.float_info.max
        ):
            raise TglError(f"{path}: multiplier of '{name}' must be a number from 0 on, found {value!r}")


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:5])
