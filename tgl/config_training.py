"""The configuration of training: optimiser, base model, engine, continual pretraining."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tgl.config_types import (
    Factor,
    FilePath,
    Flag,
    Integer,
    Name,
    Number,
    Positive,
    Rate,
    Section,
    Share,
    twice,
)

# Architectures whose blocks hold attention and an MLP; the others hold one mixer.
ATTENTION = ("gpt2", "gpt_neo", "llama")
Steps = Annotated[Integer, Field(ge=0, le=10_000_000)]
BatchSize = Annotated[Integer, Field(ge=1, le=100_000)]


class OptimiserConfig(Section):
    """AdamW with linear warm-up, then decay to zero; gradients are clipped to a global norm.

    `micro_batch_size`: rows of the batch that a process passes at once (None: all of its share).
    """

    steps: Steps
    batch_size: BatchSize
    micro_batch_size: BatchSize | None = None
    warmup_share: Share = 0.1
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[Number, Field(ge=0, le=10)] = 0.01
    clip_norm: Factor = 1.0

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            yield (
                f"micro_batch_size: {self.micro_batch_size} does not divide batch_size {self.batch_size}; expected a "
                "divisor"
            )


class PretrainConfig(OptimiserConfig):
    """Pretraining from scratch, or adaptation of a loaded model (0 steps: none).

    `keep`: steps before which the weights are kept, for the profile along training. The defaults are those of a model
    from scratch; `ModelConfig` says what holds for a loaded one.
    """

    steps: Steps = 500
    keep: Annotated[list[Steps], Field(max_length=1000)] = [0, 50, 100, 200, 300]
    batch_size: BatchSize = 8
    learning_rate: Rate = 0.006

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        if self.keep != sorted(set(self.keep)):
            yield f"keep: {self.keep} must rise from one step to the next; [] keeps nothing"

    @property
    def kept(self) -> list[int]:
        """The steps of `keep` that training reaches."""
        return [step for step in self.keep if step < self.steps]


class ModelConfig(Section):
    """The base model: of this architecture and shape from scratch, or loaded by Hugging Face name or folder.

    A loaded model is trained only by steps and at a rate that are written out: `pretrain.steps` is then 0 by default,
    and `pretrain.learning_rate` has no default. merge_adapter: `load` is a folder with an adapter of peft, which is
    merged into its base model.
    """

    name: Name = "gpt2-6x96"
    load: FilePath | None = None
    merge_adapter: Flag = False
    architecture: Literal["gpt2", "gpt_neo", "llama", "mamba", "tgl_gru"] = "gpt2"
    layers: Annotated[Integer, Field(ge=1, le=1000)] = 6
    hidden_size: Annotated[Integer, Field(ge=4, le=65_536)] = 96
    heads: Annotated[Integer, Field(ge=1, le=1024)] = 4
    pretrain: PretrainConfig = PretrainConfig()

    @model_validator(mode="before")
    @classmethod
    def _loaded_models_are_left_as_they_are(cls, raw: object) -> object:
        # null stands for a default that depends on `load`, so that config.yaml can name every key.
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
                    f"model '{self.load}'; write the rate, such as 0.0001, or set pretrain.steps to 0"
                )
            return
        if self.merge_adapter:
            yield "merge_adapter: true with load null has no adapter to merge; name its folder in model.load"
        if self.pretrain.steps == 0:
            yield "pretrain.steps: 0 with load null would leave random weights; set it to at least 1"
        if self.architecture not in ATTENTION:
            return
        if self.hidden_size % self.heads:
            yield f"hidden_size: {self.hidden_size} is no multiple of heads {self.heads}; expected one"
        elif self.architecture == "llama" and self.hidden_size // self.heads % 2:
            yield (
                f"hidden_size: {self.hidden_size} with heads {self.heads} gives heads of size "
                f"{self.hidden_size // self.heads}; llama's rotary positions turn pairs, expected an even size"
            )

    @property
    def num_sublayers(self) -> int:
        """The sublayers of a model from scratch: attention and MLP of each block, or its one mixer."""
        return self.layers * (2 if self.architecture in ATTENTION else 1)


class EngineConfig(Section):
    """What does the steps, of the base model too: precision of products, what ZeRO shares out, optimiser on the CPU."""

    engine: Literal["auto", "plain", "deepspeed"] = "auto"
    zero_stage: Annotated[Integer, Field(ge=0, le=2)] = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    offload: Flag = False

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        if self.offload and (self.engine == "plain" or self.zero_stage == 0):
            yield (
                "offload: DeepSpeed's ZeRO keeps the optimiser on the CPU; set engine to 'deepspeed' or 'auto' and "
                "zero_stage to 1 or 2"
            )


class TrainConfig(OptimiserConfig, EngineConfig):
    """Continual pretraining, the same for every plan."""

    steps: Annotated[Integer, Field(ge=1, le=10_000_000)] = 45
    batch_size: BatchSize = 4
    learning_rates: Annotated[list[Rate], Field(min_length=1, max_length=100)] = [0.003]
    checkpoint_steps: Positive = 15

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, raw: object) -> object:
        # What the default is, and whether there is one, depends on `model.load`: `tgl.config_check`.
        if isinstance(raw, dict) and raw.get("learning_rates", 0) is None:
            return {key: value for key, value in raw.items() if key != "learning_rates"}
        return raw

    def problems(self) -> Iterator[str]:
        """See `Section`."""
        yield from super().problems()
        yield from twice("learning_rates", self.learning_rates)
