"""The configuration of the baselines a plan can be put on. What each does: `tgl.train.baselines`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tgl.config_types import Number, Positive, Section, Share

AboveZero = Annotated[Number, Field(gt=0)]


class ReplayConfig(Section):
    """Old rows for each new one, the same throughout."""

    ratio: AboveZero = 1.0


class MixReviewConfig(Section):
    """Old rows for each new one at pass e (from 0) over the new text: ratio * decay^e."""

    ratio: AboveZero = 4.0
    decay: Annotated[Number, Field(gt=0, le=1)] = 0.7


class RecadamConfig(Section):
    """Pull towards the weights before the period, weaker and weaker; its schedule as shares of the run."""

    strength: AboveZero = 100.0
    midpoint_share: Share = 0.25
    rise_share: Annotated[Number, Field(gt=0, le=1)] = 0.2


class EwcConfig(Section):
    """Quadratic penalty weighted by the diagonal Fisher information of old text: weight, sequences it is taken from."""

    strength: AboveZero = 5000.0
    sequences: Positive = 64


class LoraConfig(Section):
    """Low-rank adapters of query and value: rank, alpha (the scale is alpha / rank), how a plan and periods act.

    multipliers: a plan's multipliers scale the adapters' learning rates or their ranks. between: a period goes on
    with the adapter, merges it into the weights and begins another, or begins anew from the base model.
    """

    rank: Positive = 4
    alpha: AboveZero = 16.0
    multipliers: Literal["rates", "ranks"] = "rates"
    between: Literal["keep", "merge", "new"] = "merge"


class KAdapterConfig(Section):
    """Small transformer blocks beside the frozen model: how many adapters, layers and width of each."""

    adapters: Positive = 3
    layers: Positive = 2
    width: Positive = 32
    heads: Positive = 2
    between: Literal["keep", "new"] = "keep"

    @model_validator(mode="after")
    def _heads_divide_width(self) -> KAdapterConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class BaselinesConfig(Section):
    """One section a baseline; `plain` and `oracle` have no settings."""

    replay: ReplayConfig = ReplayConfig()
    mix_review: MixReviewConfig = MixReviewConfig()
    recadam: RecadamConfig = RecadamConfig()
    ewc: EwcConfig = EwcConfig()
    lora: LoraConfig = LoraConfig()
    k_adapter: KAdapterConfig = KAdapterConfig()
