"""The configuration of the base model and of the optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tgl.core.config_types import Factor, FilePath, Flag, Integer, Name, Number, Rate, Section, Share
from tgl.core.registered import name_in
from tgl.models.architecture import ARCHITECTURES

Steps = Annotated[Integer, Field(ge=0, le=10_000_000)]


BatchSize = Annotated[Integer, Field(ge=1, le=100_000)]


class OptimiserConfig(Section):
    """AdamW with linear warm-up and a schedule; gradients are clipped to a global norm."""

    steps: Steps = Field(description="Optimiser steps.")
    batch_size: BatchSize = Field(
        description="Sequences in a batch, over all processes and GPUs, 1 to 100,000."
    )
    micro_batch_size: BatchSize | None = Field(
        None,
        description="Sequences that a process computes at once; fewer need less memory. null: its share of the batch.",
    )
    warmup_share: Share = Field(
        0.1, description="Share of the steps in which the learning rate rises linearly, 0 to below 1."
    )
    decay: Literal["cosine", "linear", "constant"] = Field(
        "cosine",
        description="Learning rate after the warm-up. cosine, linear: falls towards 0; constant: stays the same.",
    )
    weight_decay: Annotated[Number, Field(ge=0, le=10)] = Field(
        0.01, description="Weight decay of AdamW, 0 to 10. Norms and biases have none."
    )
    clip_norm: Factor = Field(1.0, description="Global norm to which gradients are clipped, above 0.")

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            yield (
                f"micro_batch_size: {self.micro_batch_size} does not divide batch_size {self.batch_size}; expected a "
                "divisor"
            )


class PretrainConfig(OptimiserConfig):
    """Pretraining from scratch, or adaptation of a loaded model.

    The defaults are those of a model from scratch. For a loaded model see `ModelConfig`.
    """

    steps: Steps = Field(
        500,
        json_schema_extra={"written": None},
        description="Optimiser steps. null: 500 from scratch; 0, which means no training, for a loaded model.",
    )
    keep: Annotated[list[Steps], Field(max_length=1000)] = Field(
        [0, 50, 100, 200, 300],
        description="Training steps before which the profile is measured, ascending. It is also measured at the end.",
    )
    batch_size: BatchSize = Field(
        8, description="Sequences in a batch, over all processes and GPUs, 1 to 100,000."
    )
    learning_rate: Rate = Field(
        0.006,
        json_schema_extra={"written": None},
        description="Peak learning rate. null: 0.006 from scratch. Required to train a loaded model.",
    )

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        if self.keep != sorted(set(self.keep)):
            yield f"keep: {self.keep} must rise from one step to the next; write [] to keep none"

    @property
    def kept(self) -> list[int]:
        """The steps of `keep` that training reaches."""
        return [step for step in self.keep if step < self.steps]


class ModelConfig(Section):
    """The base model, from scratch or loaded.

    A loaded model is trained only if steps and rate are written: `pretrain.steps` is then 0 by default, and
    `pretrain.learning_rate` has no default.
    """

    name: Name = Field("gpt2-6x96", description="Name of the model's folders in the results.")
    load: FilePath | None = Field(
        None,
        description="Hugging Face name or folder; set tokens.tokenizer too. null: train a model from scratch.",
    )
    merge_adapter: Flag = Field(
        False,
        description=(
            "Merge a LoRA adapter of peft, whose folder load names, into its base model. false: load is a whole model."
        ),
    )
    architecture: Annotated[str, name_in(ARCHITECTURES)] = Field(
        "gpt2",
        description="Architecture from scratch: gpt2, gpt_neo, llama, mamba or tgl_gru (a GRU language model).",
    )
    layers: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        6, description="Number of blocks of a model from scratch, 1 to 1000."
    )
    hidden_size: Annotated[Integer, Field(ge=4, le=65_536)] = Field(
        96,
        description="Hidden size from scratch, 4 to 65,536, a multiple of heads. llama: hidden_size / heads is even.",
    )
    heads: Annotated[Integer, Field(ge=1, le=1024)] = Field(
        4, description="Attention heads of a block from scratch, 1 to 1024. mamba and tgl_gru have none."
    )
    pretrain: PretrainConfig = Field(
        PretrainConfig(), description="Pretraining of a model from scratch, or adaptation of a loaded model."
    )

    @model_validator(mode="before")
    @classmethod
    def _loaded_models_are_left_as_they_are(cls, raw: object) -> object:
        # null means a default that depends on `load`, so that config.yaml can contain every key.
        given = raw.get("pretrain", {}) if isinstance(raw, dict) else None
        if not isinstance(given, dict):
            return raw
        unset = [key for key in ("steps", "learning_rate") if given.get(key, 0) is None]
        pretrain = {key: value for key, value in given.items() if key not in unset}
        if raw.get("load") is not None:
            pretrain.setdefault("steps", 0)
        return raw | {"pretrain": pretrain}

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        if self.load is not None:
            if self.pretrain.steps and "learning_rate" not in self.pretrain.model_fields_set:
                yield (
                    f"pretrain.learning_rate: not set, and pretrain.steps {self.pretrain.steps} would train the loaded "
                    f"model '{self.load}'; set the rate, such as 0.0001, or set pretrain.steps to 0"
                )
            return
        if self.merge_adapter:
            yield "merge_adapter: true, but load is null, so there is no adapter; name its folder in model.load"
        if self.pretrain.steps == 0:
            yield "pretrain.steps: 0, but load is null, so the weights would stay random; set it to at least 1"
        yield from ARCHITECTURES.get(self.architecture).problems(self)

    @property
    def num_sublayers(self) -> int:
        """Number of sublayers of a model from scratch: attention and MLP of each block, or its one mixer."""
        return self.layers * len(ARCHITECTURES.get(self.architecture).layout.parts)
