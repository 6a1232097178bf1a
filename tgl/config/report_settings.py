"""The configuration of the report and of its gates."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tgl.core.config_types import Flag, Number, Resamples, Section

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

    bootstrap: Resamples = Field(
        1000,
        description="Bootstrap resamples of seeds and subjects for the intervals of the methods, 100 to 100,000.",
    )
