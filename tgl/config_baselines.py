"""The configuration of the baselines a plan can be put on. What each does: `tgl.train.baselines`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from tgl.config_types import Factor, Integer, Number, Section, Share

Ratio = Annotated[Number, Field(ge=0.001, le=1000)]


class ReplayConfig(Section):
    """Old rows for each new one, the same throughout."""

    ratio: Ratio = 1.0


class MixReviewConfig(Section):
    """Old rows for each new one at pass e (from 0) over the new text: ratio * decay^e."""

    ratio: Ratio = 4.0
    decay: Annotated[Number, Field(ge=1e-6, le=1)] = 0.7


class RecadamConfig(Section):
    """Pull towards the weights before the period, weaker and weaker; its schedule as shares of the run."""

    strength: Factor = 100.0
    midpoint_share: Share = 0.25
    rise_share: Annotated[Number, Field(ge=1e-6, le=1)] = 0.2


class EwcConfig(Section):
    """Quadratic penalty weighted by the diagonal Fisher information of old text: weight, sequences it is taken from."""

    strength: Factor = 5000.0
    sequences: Annotated[Integer, Field(ge=1, le=1_000_000)] = 64


class LoraConfig(Section):
    """Low-rank adapters of query and value: rank, alpha (the scale is alpha / rank), how a plan and periods act.

    multipliers: a plan's multipliers scale the adapters' learning rates or their ranks. between: a period goes on
    with the adapter, merges it into the weights and begins another, or begins anew from the base model.
    """

    rank: Annotated[Integer, Field(ge=1, le=65_536)] = 4
    alpha: Factor = 16.0
    multipliers: Literal["rates", "ranks"] = "rates"
    between: Literal["keep", "merge", "new"] = "merge"


class KAdapterConfig(Section):
    """Small transformer blocks beside the frozen model: how many adapters, layers and width of each."""

    adapters: Annotated[Integer, Field(ge=1, le=1000)] = 3
    layers: Annotated[Integer, Field(ge=1, le=1000)] = 2
    width: Annotated[Integer, Field(ge=1, le=65_536)] = 32
    heads: Annotated[Integer, Field(ge=1, le=1024)] = 2
    between: Literal["keep", "new"] = "keep"

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        if self.width % self.heads:
            yield f"width: {self.width} is no multiple of heads {self.heads}; expected one"


class BaselinesConfig(Section):
    """One section a baseline; `plain` and `oracle` have no settings."""

    replay: ReplayConfig = ReplayConfig()
    mix_review: MixReviewConfig = MixReviewConfig()
    recadam: RecadamConfig = RecadamConfig()
    ewc: EwcConfig = EwcConfig()
    lora: LoraConfig = LoraConfig()
    k_adapter: KAdapterConfig = KAdapterConfig()
