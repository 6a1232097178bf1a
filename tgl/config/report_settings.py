"""The configuration of the report and of its gates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from tgl.core.config_types import Flag, Number, Rate, Section, number, twice
from tgl.train.methods import Method

Pair = Annotated[list[Method], Field(min_length=2, max_length=2)]
Limit = Annotated[Number, Field(ge=0, le=1e9)]


class GateConfig(Section):
    """Checks that a run must pass before its comparisons count."""

    binding: Flag = Field(
        True,
        description="A failed check makes the run fail. false: the report shows it, and the run continues.",
    )
    base_ranking: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.75, description="Share of the unchanged facts that the base model ranks first, at least. 0 to 1."
    )
    times_chance: Limit = Field(
        6.0,
        description="Share of the unchanged facts that the base model ranks first, as a multiple of chance, at least.",
    )
    updated_gain: Limit = Field(
        3.0,
        description="Perplexity of updated facts before plain training divided by that after it, at least.",
    )
    new_entity_gain: Limit = Field(
        2.0,
        description="Perplexity of new entities before plain training divided by that after it, at least.",
    )


class ReportConfig(Section):
    """Comparison of the methods."""

    uptake: Annotated[list[Literal["updated", "new_entity"]], Field(min_length=1, max_length=2)] = Field(
        ["updated"],
        description="Kinds of facts whose learning is uptake: updated, new_entity. Set it before the run.",
    )
    level: Annotated[Literal[0.5, 0.7, 0.9], BeforeValidator(number)] = Field(
        0.7,
        description=(
            "Share of the uptake of a reference at which forgetting is compared with verdicts: 0.5, 0.7 or 0.9. The "
            "other two are shown without verdicts. Set it before the run."
        ),
    )
    comparisons: Annotated[list[Pair], Field(max_length=10_000)] = Field(
        [],
        description=(
            "Planned comparisons at equal uptake as [method, reference], one family for Holm's correction. []: all "
            "methods with full, and each traced plan with its controls. Set it before the run."
        ),
    )
    tried_rates: dict[Method, Annotated[list[Rate], Field(min_length=1, max_length=100)]] = Field(
        {},
        description=(
            "Learning rates that an earlier experiment, such as a screen, tried for single methods. They count with "
            "those of this one when a best rate must not be the smallest or largest tried."
        ),
    )

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        yield from twice("uptake", self.uptake)
        yield from twice("comparisons", [" over ".join(pair) for pair in self.comparisons])
