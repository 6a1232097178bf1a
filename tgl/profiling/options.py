"""The choices of one measurement that are not settings of the experiment."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from tgl.core.config_types import MOST_SEED
from tgl.core.errors import TglError


@dataclass(frozen=True)
class Options:
    """What to measure, and of which weights.

    Attributes:
        period: Use only the probes of this period. None: all probes.
        seed: Seed of the bootstrap and of the twin's weights, from 0 to MOST_SEED.
        twin: Whether to measure the same architecture with random weights too.
        merge_adapter: Whether the model is a folder with a LoRA adapter to merge into its base model.
        adapters: Whether to measure the parameters of peft adapters, by the sublayer that contains them, instead of the
            model's own: those of a model object, or the LoRA adapter of a folder. The twin, which has none, is then
            left out.
        stream: Whether the blocks of the model stay on disk (`tgl.models.streamed`), for models larger than memory.
            Neither the twin nor the norms of mean gradients are then measured: both need memory for a whole model.
    """

    period: str | None = None
    seed: int = 0
    twin: bool = True
    merge_adapter: bool = False
    adapters: bool = False
    stream: bool = False

    def __post_init__(self) -> None:
        """Raise TglError if an option has a wrong type."""
        for name, kind, expected in (
            ("period", str | None, "a text"),
            ("seed", Integral, f"a whole number from 0 to {MOST_SEED}"),
            ("twin", bool, "true or false"),
            ("merge_adapter", bool, "true or false"),
            ("adapters", bool, "true or false"),
            ("stream", bool, "true or false"),
        ):
            value = getattr(self, name)
            fits = isinstance(value, kind)
            if name == "seed":
                fits = fits and not isinstance(value, bool) and 0 <= value <= MOST_SEED
            if not fits:
                raise TglError(f"profile: {name}: found {value!r:.100}, expected {expected}")
