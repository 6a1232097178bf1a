"""A plan by parameter: the multiplier of each parameter of a model, and patterns that match chosen parameters only."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tgl.core.errors import TglError
from tgl.models.sublayers import Sublayer
from tgl.plans.plan import Plan


@dataclass(frozen=True)
class Export:
    """A plan in the format of a tool.

    Attributes:
        text: The content of the file, or the arguments of the command line.
        notes: Where the tool's training differs from the plan, and what else the user must know.
    """

    text: str
    notes: tuple[str, ...] = ()


def multipliers_by_parameter(plan: Plan, units: Iterable[Sublayer]) -> dict[str, float]:
    """Return the multiplier of each parameter in the first phase, by name."""
    return {name: float(plan.of(unit.name)) for unit in units for name in unit.parameters}


def trained(plan: Plan, units: Sequence[Sublayer], tool: str) -> set[str]:
    """Return the names of the parameters that a plan with the multipliers 0 and 1 trains.

    Raises:
        TglError: The plan has other multipliers, for which the tool has no setting.
    """
    multipliers = multipliers_by_parameter(plan, units)
    others = sorted(set(multipliers.values()) - {0.0, 1.0})
    if others:
        shown = ", ".join(f"{value:g}" for value in others[:3])
        if len(set(multipliers.values()) - {0.0}) == 1:
            advice = f"Change {shown} to 1 in the plan, and multiply the learning rate of {tool} by {shown}"
        else:
            advice = "Use a plan such as tgl_fp, or the formats axolotl or json"
        raise TglError(
            f"plan '{plan.method}': {tool} has no learning rates by parameter; found the multipliers {shown}, expected "
            f"0 and 1 only. {advice}"
        )
    return {name for name, value in multipliers.items() if value > 0}


def prefixes(wanted: Collection[str], names: Sequence[str]) -> list[str]:
    """Return the shortest paths that together contain the wanted parameters and no others.

    Args:
        wanted: Names of parameters.
        names: The names of all parameters of the model.

    Returns:
        Paths of modules with a dot at the end, and names of single parameters, in the order of `names`.
    """
    wanted = set(wanted)
    total = Counter(path for name in names for path in _paths(name))
    chosen = Counter(path for name in wanted for path in _paths(name))
    found = (
        next(path for path in _paths(name) if chosen[path] == total[path]) for name in names if name in wanted
    )
    return list(dict.fromkeys(found))


def _paths(name: str) -> Iterator[str]:
    """Yield the paths of modules that contain a parameter, each with a dot at the end, and its name, shortest first."""
    for dot in re.finditer(r"\.", name):
        yield name[: dot.end()]
    yield name


def pattern(paths: Iterable[str]) -> str:
    """Return one regular expression that matches names from their beginning by the paths of `prefixes`.

    Paths that differ only in the number of the block share an alternative.
    """
    numbers: dict[tuple[str, str], list[str]] = {}
    whole: list[str] = []
    for path in paths:
        numbered = re.fullmatch(r"(.*?\.)(\d+)(\..*)", path)
        if numbered:
            numbers.setdefault((numbered[1], numbered[3]), []).append(numbered[2])
        else:
            whole.append(_escaped(path))
    ends: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (start, end), own in numbers.items():
        ends.setdefault((start, tuple(own)), []).append(_escaped(end))
    blocks = [_escaped(start, ended=False) + _any(own) + _any(end) for (start, own), end in ends.items()]
    return "^" + _any([*blocks, *whole])


def _escaped(path: str, *, ended: bool = True) -> str:
    return re.escape(path) + ("$" if ended and not path.endswith(".") else "")


def _any(alternatives: Sequence[str]) -> str:
    return alternatives[0] if len(alternatives) == 1 else f"(?:{'|'.join(alternatives)})"


def check_same(plan: Plan, tool: str, found: Collection[str], *, expected: Collection[str]) -> None:
    """Check that a tool would train the plan's parameters and no others.

    Raises:
        TglError: It would train others. The message names one of them.
    """
    for names, what in (
        (set(found) - set(expected), "also train"),
        (set(expected) - set(found), "not train"),
    ):
        if names:
            raise TglError(
                f"plan '{plan.method}': {tool} would {what} {len(names)} parameters such as '{min(names)}', because "
                "its rule cannot name the others without them; expected exactly the plan's parameters. Use the format "
                "json"
            )
