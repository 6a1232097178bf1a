"""Whether a model has dropout."""

from __future__ import annotations

from collections.abc import Mapping

from transformers import PreTrainedModel

# Settings of heads that a causal language model does not have.
_OF_OTHER_HEADS = ("summary", "classifier")


def has_dropout(model: PreTrainedModel) -> bool:
    """Return whether the configuration of a model has a dropout above 0, so that training draws random numbers."""
    return _any_dropout(model.config.to_dict())


def _any_dropout(values: Mapping) -> bool:
    return any(
        _any_dropout(value)
        if isinstance(value, Mapping)
        else "drop" in key and not key.startswith(_OF_OTHER_HEADS) and isinstance(value, float) and value > 0
        for key, value in (
            (str(key), value) for key, value in values.items()
        )  # some keys are numbers of labels
    )
