"""The configuration of continual pretraining and of the engine that trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tgl.core.config_types import Flag, Integer, Positive, Rate, Section, WithoutEffect, twice
from tgl.models.settings import BatchSize, OptimiserConfig
from tgl.train.methods import Method


class EngineConfig(Section):
    """The engine that computes the training steps, also those of the base model."""

    engine: Literal["auto", "plain", "deepspeed"] = Field(
        "auto",
        description=(
            "Engine. plain: PyTorch, one process; deepspeed; "
            "auto: deepspeed on GPUs or for several processes, else plain."
        ),
    )
    zero_stage: Annotated[Integer, Field(ge=0, le=3)] = Field(
        1,
        description=(
            "What DeepSpeed partitions over processes. 0: nothing; 1: optimiser state; 2: gradients too; 3: "
            "weights too."
        ),
    )
    precision: Literal["fp32", "bf16"] = Field(
        "fp32",
        description=(
            "Precision. fp32: all in fp32; bf16: matrix products in bfloat16, weights and optimiser in fp32 (for "
            "GPUs)."
        ),
    )
    checkpointing: Flag = Field(
        False,
        description=(
            "Compute the activations of each block again in the backward pass instead of keeping them, which needs "
            "less memory and one more forward pass. false: keep them."
        ),
    )
    compile: Flag = Field(
        False,
        description=(
            "Compile the model with torch.compile, which takes a minute and then makes steps on a GPU faster; not with "
            "checkpointing or zero_stage 3. false: do not."
        ),
    )
    offload: Flag = Field(
        False,
        description=(
            "Let DeepSpeed keep and update the optimiser state on the CPU; needs zero_stage 1, 2 or 3. false: do not."
        ),
    )

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        if self.compile and (self.checkpointing or self.zero_stage == 3):
            yield "compile: works neither with checkpointing nor with zero_stage 3; set one of them to false or 2"
        if self.offload and (self.engine == "plain" or self.zero_stage == 0):
            yield (
                "offload: only DeepSpeed's ZeRO keeps the optimiser on the CPU; set engine to 'deepspeed' or 'auto' "
                "and zero_stage to 1, 2 or 3"
            )


class TrainConfig(OptimiserConfig, EngineConfig):
    """Continual pretraining, the same for every method."""

    steps: Annotated[Integer, Field(ge=1, le=10_000_000)] = Field(
        45, description="Optimiser steps in each period, 1 to 10,000,000."
    )
    batch_size: BatchSize = Field(
        4, description="Sequences in a batch, over all processes and GPUs, 1 to 100,000."
    )
    learning_rates: Annotated[list[Rate], Field(min_length=1, max_length=100)] = Field(
        [0.003],
        json_schema_extra={"written": None},
        description=(
            "Peak learning rates at multiplier 1; each has its own runs. null: [0.003]. Required for a loaded model."
        ),
    )
    method_rates: dict[Method, Annotated[list[Rate], Field(min_length=1, max_length=100)]] = Field(
        {},
        description=(
            "Learning rates of single methods, in place of learning_rates, such as {full+lora: [0.03, 0.06]}. Methods "
            "differ in their best rate."
        ),
    )
    checkpoint_steps: Annotated[Positive, WithoutEffect] = Field(
        15, description="Optimiser steps between saved states, from which an interrupted run resumes."
    )
    score_at: Annotated[list[Positive], Field(max_length=1000)] = Field(
        [],
        description=(
            "Steps of a period after which probes and held-out text are scored, ascending, besides the last one. []: "
            "score only the end of each period. They give points on the curve of uptake and forgetting."
        ),
    )
    score_tokens: Annotated[Integer, Field(ge=1, le=10_000_000)] = Field(
        2048, description="Held-out tokens of each text that are scored at score_at, at most."
    )
    keep_models: Flag = Field(
        True,
        description="Keep the checkpoint of every run and period. false: only its scores; needs agree.facts 0.",
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, raw: object) -> object:
        # The default depends on `model.load`, and a loaded model has none: see `tgl.config.check`.
        if isinstance(raw, dict) and raw.get("learning_rates", 0) is None:
            return {key: value for key, value in raw.items() if key != "learning_rates"}
        return raw

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        yield from twice("learning_rates", self.learning_rates)
        for method, rates in self.method_rates.items():
            yield from twice(f"method_rates: '{method}'", rates)
        if self.score_at != sorted(set(self.score_at)) or any(step >= self.steps for step in self.score_at):
            yield f"score_at: {self.score_at} must rise from one step to the next and stay below steps {self.steps}"
