"""Where the parameters of a model are in safetensors files, also in files whose tensors transformers converts.

For some architectures the files hold other tensors than the model: single experts, which the model stacks, or one
matrix for query, key and value. transformers describes the conversion, and this module applies it to one parameter.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    dot_natural_key,
    rename_source_key,
)

from tgl.core.errors import TglError
from tgl.core.files import how_to_mend
from tgl.models.model_files import Header, names_of


@dataclass(frozen=True)
class Source:
    """A tensor of a file. pattern: what its name fits in a conversion."""

    file: Path
    name: str
    pattern: str = ""


@dataclass(frozen=True, eq=False)
class Place:
    """The tensors that make a parameter or buffer.

    Attributes:
        name: The name in the model.
        sources: The tensors of the files.
        converter: How transformers converts them; None for a single tensor as it is.
        first: The name in the model under which the conversion is known; it can make several parameters.
    """

    name: str
    sources: tuple[Source, ...]
    converter: WeightConverter | None = None
    first: str = ""

    def made(self, tensor_of: Callable[[Source], torch.Tensor], model: PreTrainedModel) -> torch.Tensor:
        """Return the parameter's values.

        Args:
            tensor_of: Returns a tensor of a file.
            model: The model, whose configuration some conversions need.
        """
        if self.converter is None:
            return tensor_of(self.sources[0])
        return _converted(self, tensor_of, model)[self.name]


def _converted(
    place: Place, tensor_of: Callable[[Source], torch.Tensor], model: PreTrainedModel
) -> dict[str, torch.Tensor]:
    """Return all parameters that the conversion of a place makes, by name."""
    converter = copy.deepcopy(place.converter)
    for source in place.sources:
        converter.add_tensor(place.first, source.name, source.pattern, tensor_of(source))
    try:
        found = converter.convert(place.first, model=model, config=model.config)
    except (RuntimeError, ValueError, KeyError, IndexError) as error:
        names = [source.name for source in place.sources]
        raise TglError(
            f"{place.sources[0].file}: {len(names)} tensors do not make '{place.first}' ({names_of(names)}): "
            f"{' '.join(str(error).split())[:200]}. {how_to_mend(place.sources[0].file)}"
        ) from None
    return {name: value[0] if isinstance(value, list) else value for name, value in found.items()}


def find_places(
    model: PreTrainedModel, headers: Mapping[str, Header]
) -> tuple[dict[str, Place], dict[str, tuple[int, ...]], list[str]]:
    """Find the tensors of the files that make the parameters and buffers of a model.

    Returns:
        The place and the shape by name in the model, and the names in the files that belong to nothing.

    Raises:
        TglError: Tensors that make one parameter together do not fit, such as one expert too few.
    """
    firsts, extra = first_places(model, headers)
    places: dict[str, Place] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, place in firsts.items():
        made = {name: _empty(place.sources[0], headers)}
        if place.converter is not None:
            made = _converted(place, lambda source: _empty(source, headers), model)
        for own, tensor in made.items():
            places[own], shapes[own] = replace(place, name=own), tuple(tensor.shape)
    return places, shapes, extra


def first_places(model: PreTrainedModel, headers: Mapping[str, Header]) -> tuple[dict[str, Place], list[str]]:
    """Return the place of each name in the model that a tensor of the files gets, and the other tensors' names.

    A conversion can make several parameters; only the first one is here.
    """
    expected = model.state_dict()
    steps = get_model_conversion_mapping(model)
    renamings = [step for step in steps if isinstance(step, WeightRenaming)]
    converters = [step for step in steps if isinstance(step, WeightConverter)]
    by_pattern = {pattern: step for step in converters for pattern in step.source_patterns}
    firsts: dict[str, Place] = {}
    extra = []
    for header in sorted(headers, key=dot_natural_key):
        prefix = model.base_model_prefix
        name, pattern = rename_source_key(header, renamings, converters, prefix, expected)
        if name not in expected and header in expected:
            name, pattern = rename_source_key(header, [], [], prefix, expected)
        if name not in expected:
            extra.append(header)
            continue
        place = firsts.setdefault(name, Place(name, (), by_pattern[pattern] if pattern else None, name))
        source = Source(headers[header].file, header, pattern or "")
        firsts[name] = replace(place, sources=(*place.sources, source))
    return firsts, extra


def _empty(source: Source, headers: Mapping[str, Header]) -> torch.Tensor:
    return torch.empty(headers[source.name].shape, device="meta")
