"""The configuration of gradient profiles."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tgl.core.config_types import Integer, Resamples, Section, Seed


class ProfileConfig(Section):
    """Measurement of gradient profiles."""

    periods: Literal["first", "each"] = Field(
        "first",
        description=(
            "Profiles. first: one of the base model for all periods; each: one before each period of every run."
        ),
    )
    unit: Literal["sublayer", "module", "head"] = Field(
        "sublayer",
        description=(
            "Units of profiles and plans. sublayer: attention, MLP, or another mixer of a block; module: each matrix; "
            "head: attention heads, for `tgl profile` alone."
        ),
    )
    dtype: Literal["fp32", "bf16"] = Field(
        "fp32",
        description="Number format of weights and activations. Sums of squares are in double precision in both.",
    )
    examples: Annotated[Integer, Field(ge=2, le=1_000_000)] = Field(
        32, description="Examples in each group, at most. 2 to 1,000,000."
    )
    window_tokens: Annotated[Integer, Field(ge=2, le=131_072)] = Field(
        512,
        description="Tokens in a window of plain text, 2 to 131,072; not more than the model's positions are used.",
    )
    bootstrap: Resamples = Field(
        1000,
        description="Bootstrap resamples for intervals and sign flips for tests, 100 to 100,000.",
    )
    seed: Seed = Field(0, description="Seed of the choice of the examples, 0 to 4294967295.")
