"""Measure again, on a model between two periods, the part of a profile that a plan needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from transformers import PreTrainedModel

from tgl.core.errors import TglError
from tgl.models.matrices import units_named
from tgl.profiling.coverage import cover
from tgl.profiling.groups import Group
from tgl.profiling.norms import gradient_norms
from tgl.profiling.tabulate import denominator_group, profile_rows


def retrace(
    model: PreTrainedModel,
    groups: Mapping[str, Group],
    ratio: tuple[str, str],
    *,
    names: Iterable[str],
    period: str,
    resamples: int,
    seed: int,
) -> list[dict]:
    """Measure one ratio of a profile, and return its rows of the table `profile`.

    Args:
        model: The model.
        groups: The groups of examples by name.
        ratio: (salient group, denominator).
        names: Names of the units, sublayers or matrices.
        period: The period, for the error message.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.

    Raises:
        TglError: One of the two groups is missing.
    """
    units = units_named(model, names)
    salient, denominator = ratio
    other = denominator_group(salient, denominator, groups) if salient in groups else None
    if other is None:
        raise TglError(
            f"profile of period {period}: no '{salient}' over '{denominator}' in {list(groups)}. Give more probes"
        )
    coverage = cover(model, units)
    measured = {
        name: gradient_norms(model, units, groups[name].examples, coverage=coverage)
        for name in (salient, other)
    }
    rows = profile_rows("trained", measured, units, resamples=resamples, seed=seed)
    return [row for row in rows if (row["group"], row["denominator"]) == (salient, denominator)]
