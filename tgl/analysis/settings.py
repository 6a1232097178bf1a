"""The configuration of causal tracing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from tgl.core.config_types import Factor, Integer, Section


class AgreeConfig(Section):
    """Settings of causal tracing as in ROME, one sublayer at a time."""

    facts: Annotated[Integer, Field(ge=0, le=1_000_000)] = Field(
        32,
        description="Facts of each kind that are traced, at most. 2 to 1,000,000; 0: skip the comparison with tracing.",
    )
    noise_scale: Factor = Field(
        3.0,
        description="Noise on the subject's tokens, in standard deviations of the embeddings of all tokens.",
    )
    noise_draws: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        4, description="Draws of noise for each fact, 1 to 1000."
    )

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        if self.facts == 1:
            yield "facts: 1 gives no interval; expected 0, or 2 and more"
