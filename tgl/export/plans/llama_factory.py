"""Plans for LLaMA-Factory: freeze tuning, which trains modules of the first or the last blocks.

LLaMA-Factory trains a parameter if its name contains `.BLOCK.MODULE` or the name of an extra module. Both are
substrings, so the extra module `norm` of Llama also matches the norms inside all blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from tgl.core.errors import TglError
from tgl.export.plans.parameters import Export, check_same, trained
from tgl.models.sublayers import Sublayer
from tgl.plans.plan import Plan

_NUMBERED = re.compile(r"\.\d+\.")


def llama_factory(plan: Plan, units: Sequence[Sublayer], *, num_blocks: int) -> Export:
    """Return the keys of LLaMA-Factory's YAML for freeze tuning, or for full tuning if everything is trained.

    Args:
        plan: The plan, without phases.
        units: The model's units.
        num_blocks: The number of blocks in the model's configuration.

    Raises:
        TglError: The plan has multipliers other than 0 and 1, trains blocks that are not at an end, trains different
            modules in different blocks, or its modules cannot be named without others.
    """
    wanted = trained(plan, units, "LLaMA-Factory")
    names = [name for unit in units for name in unit.parameters]
    if wanted == set(names):
        return _export(plan, {"finetuning_type": "full"})
    layers, modules = _layers(plan, units, wanted, num_blocks=num_blocks)
    extra = list(dict.fromkeys(_module(plan, name) for name in _outside(units) if name in wanted))
    found = trained_by_freeze(plan, names, layers=layers, modules=modules, extra=extra, num_blocks=num_blocks)
    check_same(plan, "LLaMA-Factory", found, expected=wanted)
    keys: dict[str, object] = {
        "finetuning_type": "freeze",
        "freeze_trainable_layers": layers,
        "freeze_trainable_modules": ",".join(modules),
    }
    return _export(plan, keys | ({"freeze_extra_modules": ",".join(extra)} if extra else {}))


def _export(plan: Plan, keys: dict[str, object]) -> Export:
    return Export(
        f"# The plan {plan.method!r}, for LLaMA-Factory.\n"
        + yaml.safe_dump(keys, sort_keys=False, width=1000)
    )


def _outside(units: Sequence[Sublayer]) -> list[str]:
    return [name for unit in units if unit.block < 0 for name in unit.parameters]


def _module(plan: Plan, name: str) -> str:
    if "." not in name:
        raise TglError(
            f"plan '{plan.method}': LLaMA-Factory trains modules outside the blocks by their name; found the parameter "
            f"'{name}' of the model itself, expected one inside a module. Use the format json"
        )
    return name.split(".")[-2]


def _layers(
    plan: Plan, units: Sequence[Sublayer], wanted: set[str], *, num_blocks: int
) -> tuple[int, list[str]]:
    """Return the number of trained blocks, negative for the first ones, and the modules trained in each."""
    children: dict[int, dict[str, set[bool]]] = {}
    for unit in units:
        for name in unit.parameters if unit.block >= 0 else ():
            child = name.partition(f".{unit.block}.")[2].partition(".")[0]
            children.setdefault(unit.block, {}).setdefault(child, set()).add(name in wanted)
    trained_children = {
        block: [child for child, found in own.items() if True in found] for block, own in children.items()
    }
    numbers = sorted(block for block, own in trained_children.items() if own)
    count = len(numbers)
    if not numbers or numbers not in ([*range(count)], [*range(num_blocks - count, num_blocks)]):
        raise TglError(
            f"plan '{plan.method}': LLaMA-Factory trains the first or the last blocks only; found the trained blocks "
            f"{', '.join(map(str, numbers)) or 'none'} of {num_blocks}. Use the plans first or last, or another format"
        )
    modules = trained_children[numbers[0]]
    for block in numbers:
        parts = [child for child, found in children[block].items() if len(found) > 1]
        if parts or set(trained_children[block]) != set(modules):
            found = f"{parts[0]} trained in part" if parts else ", ".join(trained_children[block])
            raise TglError(
                f"plan '{plan.method}': LLaMA-Factory trains the same whole modules in all trained blocks; found "
                f"{found} in block {block}, expected {', '.join(modules)} as in block {numbers[0]}. Use another format"
            )
    if all(set(modules) == set(children[block]) for block in numbers):
        modules = ["all"]
    return (count if numbers[-1] == num_blocks - 1 else -count), modules


def trained_by_freeze(
    plan: Plan,
    names: Sequence[str],
    *,
    layers: int,
    modules: Sequence[str],
    extra: Sequence[str],
    num_blocks: int,
) -> set[str]:
    """Return the names of the parameters that LLaMA-Factory trains with these settings.

    Raises:
        TglError: LLaMA-Factory knows no module of such a name.
    """
    inside, outside = set(), set()
    for name in names:
        for number in (".0.", ".1."):
            if number in name:
                inside.add(name.split(number)[-1].split(".")[0])
                break
        if "." in name and not _NUMBERED.search(name):
            outside.add(name.split(".")[-2])
    unknown = [*(set(modules) - inside - {"all"}), *(set(extra) - outside)]
    if unknown:
        raise TglError(
            f"plan '{plan.method}': LLaMA-Factory finds no module '{min(unknown)}' in this model; expected one of "
            f"{', '.join(sorted(inside | outside))}. Use the format json"
        )
    blocks = range(max(0, num_blocks - layers), num_blocks) if layers > 0 else range(min(-layers, num_blocks))
    parts = [f".{block}.{'' if module == 'all' else module}" for block in blocks for module in modules]
    return {name for name in names if any(part in name for part in (*parts, *extra))}
