"""Plans: one learning-rate multiplier per sublayer, saved as a JSON file that can also be written by hand.

Multiplier 0 freezes a sublayer, 1 trains it at the run's learning rate. `tgl.plans.policies` makes plans.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tgl.core.errors import TglError, nearest
from tgl.core.faults import file_errors
from tgl.core.files import write_text
from tgl.core.json_text import read_json
from tgl.core.vocabulary import EMBEDDING

if TYPE_CHECKING:  # torch takes seconds to import, and commands that read plans do without
    from torch import nn


@dataclass(frozen=True)
class Phase:
    """A part of a run.

    Attributes:
        start: The share of the run at which the phase begins, 0 to below 1.
        multipliers: The multipliers by sublayer name.
    """

    start: float
    multipliers: dict[str, float]


@dataclass(frozen=True)
class Plan:
    """Learning-rate multipliers of a model's sublayers.

    Attributes:
        method: The name of the plan.
        embedding: The multiplier of the unit `embedding`.
        multipliers: The multipliers of the first phase, by sublayer name.
        denominator: The denominator of the relative norm that ranked the sublayers.
        trainable_parameters: Number of parameters of the trained sublayers.
        total_parameters: Number of parameters of all sublayers.
        note: A note of the policy.
        later: The phases after the first one. Each begins with a new optimiser. A file holds each as
            {"from": share, "multipliers": {...}}.
    """

    method: str
    embedding: float
    multipliers: dict[str, float]
    denominator: str = ""
    trainable_parameters: int = 0
    total_parameters: int = 0
    note: str = ""
    later: tuple[Phase, ...] = ()

    def check(self, where: str | None = None) -> None:
        """Check the types and ranges of all fields.

        Args:
            where: The beginning of the error message. None: the name of the plan.

        Raises:
            TglError: A field has a wrong type or is out of its range. The message names it.
        """
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
        if not isinstance(self.later, tuple) or not all(isinstance(phase, Phase) for phase in self.later):
            raise TglError(
                f"{where}: later: expected a tuple of phases (tgl.plans.plan.Phase), found {self.later!r}"
            )
        before = 0.0
        for number, phase in enumerate(self.later):
            key, start = f"later[{number}]", phase.start
            if isinstance(start, bool) or not isinstance(start, int | float) or not before < start < 1:
                raise TglError(
                    f"{where}: {key}.from: expected a share of the run above {before} and below 1, found {start!r}"
                )
            before = start
            _check_multipliers(where, f"{key}.multipliers", phase.multipliers)
            if set(phase.multipliers) != set(self.multipliers):
                raise TglError(
                    f"{where}: {key}.multipliers: names other sublayers than the first phase: "
                    f"{_some(set(phase.multipliers) ^ set(self.multipliers))}"
                )
            if self.embedding == 0 and not any(phase.multipliers.values()):
                raise TglError(
                    f"{where}: {key}.multipliers: every multiplier is 0, so nothing would be trained. "
                    "Set at least one above 0"
                )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases in order; the first begins at 0."""
        return (Phase(0.0, self.multipliers), *self.later)

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a plan from a file; see `load_plan`."""
        return load_plan(path)

    def save(self, path: str | Path) -> None:
        """Write the plan to a file; see `save_plan`."""
        save_plan(self, path)

    def __repr__(self) -> str:
        trained = len(self.trained())
        phases = f", {len(self.phases)} phases" if self.later else ""
        return f"<Plan {self.method}: trains {trained} of {len(self.multipliers)} sublayers{phases}>"

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>from {phase.start:.0%}</th>" for phase in self.phases)
        rows = "".join(
            f"<tr><td>{escape(name)}</td>"
            + "".join(f"<td>{phase.multipliers[name]:.3g}</td>" for phase in self.phases)
            + "</tr>"
            for name in self.multipliers
        )
        return f"<table><tr><th>{escape(self.method)}</th>{heads}</tr>{rows}</table>"

    def trained(self) -> set[str]:
        """Return the names of the sublayers that are trained in any phase."""
        return {name for phase in self.phases for name, value in phase.multipliers.items() if value > 0}

    def of(self, unit: str) -> float:
        """Return the multiplier of a unit in the first phase.

        Raises:
            TglError: The plan does not have this unit.
        """
        if unit == EMBEDDING:
            return self.embedding
        if unit not in self.multipliers:
            raise TglError(
                f"plan '{self.method}': no multiplier for sublayer '{unit}'{nearest(unit, self.multipliers)}; "
                f"it holds {len(self.multipliers)}: {', '.join(self.multipliers)}"
            )
        return self.multipliers[unit]

    def schedule(self, steps: int) -> list[tuple[int, Plan]]:
        """Return (first step, plan) for each phase of a run of `steps` steps. Phases without a step are left out."""
        self.check()
        starts = [round(phase.start * steps) for phase in self.phases]
        return [
            (start, dataclasses.replace(self, multipliers=phase.multipliers, later=()))
            for start, end, phase in zip(starts, [*starts[1:], steps], self.phases, strict=True)
            if end > start
        ]

    def mean_rate(self, num_parameters: Mapping[str, int]) -> float:
        """Return the mean multiplier of the first phase, weighted by the sublayers' numbers of parameters."""
        total = sum(num_parameters[name] for name in self.multipliers)
        return sum(num_parameters[name] * value for name, value in self.multipliers.items()) / total

    def param_groups(
        self, model: nn.Module, lr: float, weight_decay: float = 0.0, *, by_role: bool = False
    ) -> list[dict]:
        """Freeze parameters of `model` according to the plan, and return parameter groups for any optimiser.

        Parameters that are already frozen stay frozen. The method warns if the plan trains a sublayer in which every
        parameter is frozen. In a model with peft adapters, the adapters are trained, each with the multiplier of the
        sublayer that contains it. A learning-rate scheduler must scale the rate of each group, as LambdaLR does.

        Args:
            model: A causal language model, changed in place.
            lr: The learning rate at multiplier 1, at least 0.
            weight_decay: Weight decay, at least 0. Norms, biases and state parameters have none.
            by_role: Whether parameters with different roles (`matrix`, `embedding`, `other`) are in different groups,
                for optimisers such as Muon that want matrices only.

        Returns:
            One group for each (multiplier, weight decay), with `params`, `lr` (lr * multiplier), `weight_decay`, and
            `units` and `roles` (the unit and the role of each parameter).

        Raises:
            TglError: The plan does not fit the model, trains nothing, or has phases, which need one optimiser each
                (see `schedule`). Or `lr` or `weight_decay` is not a number of at least 0.
        """
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise TglError(f"param_groups: {name}: expected a number from 0 on, found {value!r}")
        # These imports are here because reading and writing plans must work without torch.
        from tgl.models.matrices import units_named
        from tgl.plans.apply import freeze, parameter_groups

        if self.later:
            raise TglError(
                f"plan '{self.method}': it has {len(self.phases)} phases, and each needs its own optimiser. "
                "Loop over plan.schedule(steps)"
            )
        freeze(model, self)
        units = units_named(model, self.multipliers)
        return parameter_groups(units, self, lr, weight_decay=weight_decay, by_role=by_role)


@file_errors()
def save_plan(plan: Plan, path: str | Path) -> None:
    """Write a plan as a readable JSON file.

    Raises:
        TglError: As `Plan.check`, or the file cannot be written.
    """
    plan.check()
    later = [{"from": phase.start, "multipliers": phase.multipliers} for phase in plan.later]
    write_text(path, json.dumps(asdict(plan) | {"later": later}, indent=2) + "\n")


def load_plan(path: str | Path) -> Plan:
    """Read a plan from a JSON file.

    Raises:
        TglError: The file cannot be read, or a key is missing, unknown or of a wrong type.
    """
    raw, fields = read_json(path), Plan.__dataclass_fields__
    if set(raw) - set(fields) or not {"method", "multipliers"} <= set(raw):
        raise TglError(
            f"{path}: found {sorted(raw)}; expected the keys {', '.join(fields)} (method, multipliers required)"
        )
    later = tuple(_phases(path, raw.get("later", [])))
    plan = Plan(**{"embedding": 0.0, **raw, "later": later})
    plan.check(str(path))
    return plan


def _phases(path: str | Path, raw: object) -> Iterator[Phase]:
    if not isinstance(raw, list):
        raise TglError(f"{path}: later: expected a list of phases, found {raw!r}")
    for number, phase in enumerate(raw):
        if not isinstance(phase, dict) or set(phase) != {"from", "multipliers"}:
            raise TglError(
                f"{path}: later[{number}]: expected the keys from and multipliers, found {phase!r}"
            )
        yield Phase(phase["from"], phase["multipliers"])


def _check_multipliers(path: str | Path, key: str, multipliers: object) -> None:
    if not isinstance(multipliers, dict) or EMBEDDING in multipliers:
        raise TglError(
            f"{path}: {key} must be an object of sublayer names and numbers, without '{EMBEDDING}', which is "
            f"a separate key next to it; found {multipliers!r}"
        )
    _check_numbers(path, multipliers)


def _check_numbers(path: str | Path, numbers: Mapping[str, object]) -> None:
    for name, value in numbers.items():
        # Python reads 10**400 as an integer, but it cannot be multiplied by a learning rate.
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= sys.float_info.max
        ):
            raise TglError(f"{path}: multiplier of '{name}' must be a number from 0 on, found {value!r}")


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:5])
