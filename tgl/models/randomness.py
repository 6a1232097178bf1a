"""Whether the training of a model draws random numbers."""

from __future__ import annotations

from collections.abc import Mapping

from transformers import PreTrainedModel

_NAMES = ("drop", "jitter", "noise")
# Settings of heads that a causal language model does not have.
_OF_OTHER_HEADS = ("summary", "classifier")


def draws_random_numbers(model: PreTrainedModel) -> bool:
    """Return whether the configuration of a model has a dropout, or the noise of a router, above 0."""
    return _any_above_zero(model.config.to_dict())


def _any_above_zero(values: Mapping) -> bool:
    # Some keys are numbers, those of labels.
    named = [(str(key), value) for key, value in values.items()]
    return any(
        _any_above_zero(value)
        if isinstance(value, Mapping)
        else isinstance(value, float) and value > 0 and any(name in key for name in _NAMES)
        for key, value in named
        if not key.startswith(_OF_OTHER_HEADS)
    )
