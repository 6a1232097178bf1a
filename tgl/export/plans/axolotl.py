"""Plans for axolotl: `unfrozen_parameters`, and `lr_groups` for multipliers other than 0 and 1.

axolotl replaces each dot of a pattern by an escaped dot, so the patterns here have plain dots: an escaped one would
match nothing. It sorts parameters into three kinds before it looks at `lr_groups`. Those whose name contains
`embed_tokens` or `lm_head` have the rate `embedding_lr`, norms and biases have `learning_rate`, and the rest has the
rate of the first group with a module whose name is a substring of the parameter's name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import yaml
from torch import nn

from tgl.core.errors import TglError
from tgl.export.plans.parameters import Export, check_same, multipliers_by_parameter, prefixes
from tgl.models.sublayers import Sublayer
from tgl.plans.plan import Plan

_EMBEDDINGS = ("embed_tokens", "lm_head")
# The names that have no weight decay in the Trainer of transformers.
_WITHOUT_DECAY = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)")


def axolotl(plan: Plan, units: Sequence[Sublayer], *, learning_rate: float | None = None) -> Export:
    """Return the keys of axolotl's YAML that freeze parameters and set learning rates.

    Args:
        plan: The plan, without phases.
        units: The model's units.
        learning_rate: The learning rate at multiplier 1. Needed for multipliers other than 0 and 1, because the rates
            of `lr_groups` are absolute.

    Raises:
        TglError: axolotl cannot name the plan's parameters or their rates, or `learning_rate` is missing or not a
            positive number.
    """
    multipliers = multipliers_by_parameter(plan, units)
    names = list(multipliers)
    wanted = {name for name in names if multipliers[name] > 0}
    patterns = [_pattern(path) for path in prefixes(wanted, names)]
    matched = {name for name in names if any(unfreezes(pattern, name) for pattern in patterns)}
    check_same(plan, "axolotl", matched, expected=wanted)
    keys: dict[str, object] = {"unfrozen_parameters": patterns}
    notes: tuple[str, ...] = ()
    if any(multipliers[name] != 1 for name in wanted):
        rates, notes = _rates(plan, units, _checked(plan, learning_rate))
        keys |= rates
    head = "".join(f"# {line}\n" for line in (f"The plan {plan.method!r}, for axolotl.", *notes))
    return Export(head + yaml.safe_dump(keys, sort_keys=False, width=1000), notes)


def _pattern(path: str) -> str:
    plain = re.escape(path).replace(r"\.", ".")
    return f"^{plain}" if path.endswith(".") else f"^{plain}$"


def unfreezes(pattern: str, name: str) -> bool:
    """Return whether axolotl trains a parameter by a pattern of `unfrozen_parameters`."""
    return re.match(re.sub(r"\.(?!\+)", r"\\.", pattern), name) is not None


def _checked(plan: Plan, learning_rate: float | None) -> float:
    if (
        isinstance(learning_rate, bool)
        or not isinstance(learning_rate, int | float)
        or not 0 < learning_rate < math.inf
    ):
        raise TglError(
            f"plan '{plan.method}': has multipliers other than 0 and 1, and axolotl's lr_groups need absolute learning "
            f"rates; found the learning rate {learning_rate!r}, expected a number above 0. Give --learning-rate"
        )
    return float(learning_rate)


def _rates(
    plan: Plan, units: Sequence[Sublayer], learning_rate: float
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the keys that set learning rates, and a note on the parameters that axolotl gives no own rate."""
    multipliers = multipliers_by_parameter(plan, units)
    names = [name for name in multipliers if multipliers[name] > 0]
    values = sorted({multipliers[name] for name in names})
    if len(values) == 1:  # One rate for everything is exact without groups.
        return {"learning_rate": learning_rate * values[0]}, ()
    kinds = {name: kind_of(name, unit.owners[name]) for unit in units for name in unit.parameters}
    keys: dict[str, object] = {"learning_rate": learning_rate}
    embedding = {multipliers[name] for name in names if kinds[name] == "embedding"}
    if len(embedding) > 1:
        raise TglError(
            f"plan '{plan.method}': axolotl has one learning rate for all parameters whose name contains "
            f"{' or '.join(_EMBEDDINGS)}; found the multipliers {sorted(embedding)}, expected one. Use the format json"
        )
    if embedding - {1.0}:
        keys["embedding_lr"] = learning_rate * embedding.pop()
    grouped = [name for name in names if kinds[name] == "grouped"]
    groups = []
    for value in values:
        own = [name for name in names if multipliers[name] == value]
        paths = prefixes(own, list(multipliers))
        modules = [path for path in paths if any(name.startswith(path) for name in grouped)]
        if value != 1 and modules:
            groups.append({"name": f"multiplier_{value!r}", "modules": modules, "lr": learning_rate * value})
    if groups:
        keys["lr_groups"] = groups
    expected = {name: multipliers[name] * learning_rate for name in grouped}
    _check_groups(plan, groups, expected, learning_rate=learning_rate)
    return keys, _note(units, {name for name in names if kinds[name] == "fixed" and multipliers[name] != 1})


def kind_of(name: str, owner: nn.Module) -> str:
    """Return how axolotl chooses a parameter's rate: `embedding`, `fixed` (the run's rate), or `grouped`."""
    if any(part in name for part in _EMBEDDINGS):
        return "embedding"
    fixed = isinstance(owner, nn.LayerNorm) or _WITHOUT_DECAY.search(name.lower())
    return "fixed" if fixed else "grouped"


def _check_groups(
    plan: Plan, groups: list[dict], expected: Mapping[str, float], *, learning_rate: float
) -> None:
    modules = {module: group["lr"] for group in groups for module in group["modules"]}
    for name, rate in expected.items():
        path, found = next(
            ((path, own) for path, own in modules.items() if path in name), ("no group", learning_rate)
        )
        if found != rate:
            raise TglError(
                f"plan '{plan.method}': axolotl's lr_groups match substrings, so '{name}' would get the rate {found:g} "
                f"of '{path}', expected {rate:g}. Use the format json"
            )


def _note(units: Sequence[Sublayer], fixed: set[str]) -> tuple[str, ...]:
    if not fixed:
        return ()
    sizes = {name: parameter.numel() for unit in units for name, parameter in unit.parameters.items()}
    share = sum(sizes[name] for name in fixed) / sum(sizes.values())
    return (
        f"Differs from the plan: axolotl trains norms and biases at learning_rate. This changes the rate of "
        f"{len(fixed)} parameters such as {min(fixed)}, {share:.2%} of the model.",
    )
